//! Capacity: how many calls at once one core carries, and where it breaks.
//!
//! `cargo bench --bench capacity -- [--levels 200,500,1000] [--seconds 60] [--bare 200,1000] [--target ADDR --pid PID] [--woken] [--limit 500]`
//!
//! Starts the daemon (release build) with the bench flow and the shipped store settings on processor 0, runs the load
//! generator on processor 1, and prints one JSON row a level. A level is *clean* when every call ran the whole flow,
//! no packet was lost, p99.9 of packets is at most 20 ms late and setup p99 at most 20 ms; it *counts* only while the
//! generator itself stays below 80 % of its processor. With --limit the daemon takes no more calls at once than that: offer
//! it twice as many and read `up` (mean of calls that are up; the limit is the goal), `good` and `refused_ms`.
//!
//! Against SIPp with the field's sink at 200 calls: calls, packets, talk time and lateness agree within 1 %. The daemon's
//! CPU does not: 0.76 CPU-ms per call-second here, 0.90 to 1.01 under SIPp. The difference is inside `sendto`, where over
//! loopback the sender does the receiver's work too, and the sink has a socket for each call where this generator has one
//! for all. Being woken is not the reason (`--woken`: 0.74). Between runs let the disk rest for five minutes: ext4 searches
//! long for inodes where thousands of recordings have just been removed.

mod load;
mod wire;

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use load::{Load, Plan, bin, percentile};

/// Seconds of one call of the bench flow: 5.5 to the key, 2 prompt, 6 recording, 2 thanks.
const CALL: f64 = 15.8;

struct Options {
    levels: Vec<usize>,
    bare: Vec<usize>,
    seconds: f64,
    target: Option<SocketAddrV4>,
    pid: Option<u32>,
    number: String,
    woken: bool,
    limit: Option<usize>,
}

fn options() -> Options {
    let mut options = Options {
        levels: vec![50],
        bare: Vec::new(),
        seconds: 20.0,
        target: None,
        pid: None,
        number: "12345".into(),
        woken: false,
        limit: None,
    };
    let list = |text: &str| text.split(',').filter_map(|n| n.parse().ok()).collect::<Vec<usize>>();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        match word.as_str() {
            "--levels" => options.levels = list(&value()),
            "--bare" => (options.bare, options.levels) = (list(&value()), Vec::new()),
            "--seconds" => options.seconds = value().parse().unwrap_or(60.0),
            "--target" => options.target = value().parse().ok(),
            "--pid" => options.pid = value().parse().ok(),
            "--woken" => options.woken = true,
            "--number" => options.number = value(),
            "--limit" => options.limit = value().parse().ok(),
            _ => {} // what cargo adds: --bench
        }
    }
    options
}

fn main() -> io::Result<()> {
    let options = options();
    let speech = speech()?;
    let mut server = None;
    let (target, pid) = match (options.target, options.pid) {
        (Some(target), Some(pid)) => (target, pid),
        _ => {
            let started = Server::start(options.limit)?;
            let at = (started.sip, started.child.id());
            server = Some(started);
            at
        }
    };
    wire::pin(1);
    for (n, bare) in options.levels.iter().map(|n| (*n, false)).chain(options.bare.iter().map(|n| (*n, true))) {
        let rate = if bare { n as f64 } else { n as f64 / CALL };
        let plan = Plan {
            target,
            number: options.number.clone(),
            rate,
            calls: (rate * options.seconds).round().max(1.0) as usize,
            bare,
            least_talk: if bare { 0.0 } else { 15.0 },
            woken: options.woken,
        };
        let row = measure(plan, &speech, pid, n, options.seconds)?;
        println!("{row}");
    }
    drop(server);
    Ok(())
}

fn measure(plan: Plan, speech: &[u8], pid: u32, level: usize, seconds: f64) -> io::Result<String> {
    let bare = plan.bare;
    let calls = plan.calls;
    let idle = resident(pid)?;
    let before = cpu(pid)?;
    let mut top = idle;
    let mut samples: Vec<(f64, usize)> = Vec::new();
    let run = std::process::id() ^ (level as u32) << 16;
    let seen = Load::new(plan, speech.to_vec(), run)?.run(|_, live| {
        top = top.max(resident(pid).unwrap_or(0));
        samples.push((cpu(pid).unwrap_or(0.0), live));
    });
    let used = cpu(pid)? - before;
    // The steady part: from one call length to the end of offering.
    let (from, to) = ((CALL as usize + 1).min(samples.len() / 3), (seconds as usize).min(samples.len() - 1));
    let steady = (to - from).max(1) as f64;
    let window = (samples[to].0 - samples[from].0) / steady;
    let up = samples[from..to].iter().map(|(_, live)| *live as f64).sum::<f64>() / steady;
    let lost = seen.lost as f64 / (seen.packets + seen.lost).max(1) as f64;
    let late = bin(&seen.late, 0.999);
    let setup = percentile(&seen.setup_ms, 0.99);
    let generator = seen.cpu_s / seen.wall_s;
    let clean = seen.good == calls && seen.lost == 0 && late <= 20 && setup <= 20.0;
    let row = serde_json::json!({
        "mode": if bare { "bare" } else { "ivr" },
        "level": level, "calls": calls, "good": seen.good, "answered": seen.answered, "refused": seen.refused,
        "unfinished": seen.unfinished, "retransmissions": seen.retransmissions, "peak": seen.peak, "up": up,
        "refused_ms": {"p50": percentile(&seen.refused_ms, 0.5), "p99": percentile(&seen.refused_ms, 0.99), "max": percentile(&seen.refused_ms, 1.0)},
        "setup_ms": {"p50": percentile(&seen.setup_ms, 0.5), "p99": setup, "max": percentile(&seen.setup_ms, 1.0)},
        "talk_s": {"p1": percentile(&seen.talk_s, 0.01), "p50": percentile(&seen.talk_s, 0.5), "p99": percentile(&seen.talk_s, 0.99)},
        "packets": seen.packets, "lost_share": lost,
        "late_ms": {"p50": bin(&seen.late, 0.5), "p99": bin(&seen.late, 0.99), "p999": late, "max": bin(&seen.late, 1.0)},
        "server_cpu": window, "cpu_ms_per_call_second": 1000.0 * used / seen.call_seconds.max(1e-9),
        "cpu_ms_per_call": 1000.0 * used / calls as f64,
        "kb_per_call": (top.saturating_sub(idle)) as f64 / 1024.0 / seen.peak.max(1) as f64,
        "generator_cpu": generator, "counts": generator < 0.8, "clean": clean,
    });
    Ok(row.to_string())
}

/// 7 s of something like speech, A-law: bursts of a gliding tone, so that endpointing has work.
fn speech() -> io::Result<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prompts/greeting.wav");
    let bytes = fs::read(path)?;
    let pcm = jiesu::audio::wav::read(&bytes).map_err(io::Error::other)?;
    let pcm = pcm.to_8k();
    Ok(pcm.iter().take(7 * 8000).map(|s| jiesu::audio::g711::alaw_encode(*s)).collect())
}

struct Server {
    child: Child,
    sip: SocketAddrV4,
    state: PathBuf,
}

impl Server {
    /// `jiesu serve` with a configuration copied from the shipped one, on free ports, pinned to processor 0.
    fn start(limit: Option<usize>) -> io::Result<Server> {
        let state = std::env::temp_dir().join(format!("jiesu-capacity-{}", std::process::id()));
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let made = Command::new("cp").arg("-r").arg(root.join("config")).arg(&state).status()?;
        if !made.success() {
            return Err(io::Error::other("the configuration could not be copied"));
        }
        let edit = |name: &str, edits: &[(&str, &str)]| -> io::Result<()> {
            let mut text = fs::read_to_string(state.join(name))?;
            for (from, to) in edits {
                if !text.contains(from) {
                    return Err(io::Error::other(format!("the shipped {name} no longer has {from:?}")));
                }
                text = text.replacen(from, to, 1);
            }
            fs::write(state.join(name), text)
        };
        let ports = ("ports = \"10000-20000\"", "ports = \"10000-32000\"\nport_rest = \"2s\"\nthreads = 1");
        let max = format!("max = {}", limit.unwrap_or(10_000));
        edit(
            "jiesu.toml",
            &[
                ("listen = [\"0.0.0.0:5060\"]", "listen = [\"127.0.0.1:0\"]"),
                ("listen = \"127.0.0.1:8345\"", "listen = \"127.0.0.1:0\""),
                ports,
                ("# max = 1000", &max),
                ("# max_lateness = \"60ms\"", "max_lateness = \"5s\""),
                ("# state_dir = \"../state\"", "state_dir = \"state\""),
                ("# flows = \"refuse\"", "flows = \"say\""),
            ],
        )?;
        fs::copy(root.join("tests/bench/capacity/flow.toml"), state.join("flows/main.toml"))?;
        // The shipped rules lead to nodes of the shipped flow.
        fs::write(state.join("emergency.toml"), "overhear = false\n")?;
        edit(
            "prompts/prompts.toml",
            &[("greeting = ", "bench-menu = \"a\"\nbench-prompt = \"b\"\nbench-thanks = \"c\"\ngreeting = ")],
        )?;
        for (id, seconds) in [("bench-menu", 5), ("bench-prompt", 2), ("bench-thanks", 2)] {
            let tone = jiesu::audio::tone::sine(400.0, Duration::from_secs(seconds), 0.2);
            fs::write(state.join(format!("prompts/{id}.wav")), jiesu::audio::wav::bytes(&tone, 8000))?;
        }
        let mut child = Command::new("taskset")
            .args(["-c", "0", env!("CARGO_BIN_EXE_jiesu"), "serve", "-c"])
            .arg(&state)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(state.join("log.txt"))?)
            .spawn()?;
        let out = child.stdout.take().expect("it was piped");
        let mut line = String::new();
        let mut lines = BufReader::new(out);
        let sip = loop {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                let log = fs::read_to_string(state.join("log.txt")).unwrap_or_default();
                return Err(io::Error::other(format!("the daemon did not start:\n{log}")));
            }
            if let Some(at) = line.trim().strip_prefix("sip udp ") {
                break at.parse().map_err(io::Error::other)?;
            }
        };
        std::thread::spawn(move || lines.lines().for_each(drop));
        Ok(Server { child, sip, state })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; nothing else can be done at the end of a benchmark.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.state);
    }
}

fn cpu(pid: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}

fn resident(pid: u32) -> io::Result<u64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    Ok(statm.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 4096)
}
