//! Latencies that a caller hears: from the end of a sentence to its read-back, from a yes to the ticket's number.
//!
//! `cargo bench --bench latency -- [--calls 90] [--rate 1] [--model FILE] [--demo]`
//!
//! Starts the daemon with the shipped flow (with hardly any greeting) and settings, and a model of the size of Whisper base in
//! q8_0 with random weights (`model`): every utterance costs what base costs, and its text is always the same 30 tokens.
//! Callers say a sentence of 5 s, agree by a key and hang up when the number begins. One row of JSON, in ms:
//! `read_back` counts from the *endpoint*, that is, the flow's silence after the last loud packet is taken off; `number`
//! from the last packet of the key. Goals on 2 cores at one utterance a second: p95 of 1,500 and 300.

#[path = "../../house/mod.rs"]
mod house;

mod callers;
mod model;
#[path = "../capacity/wire.rs"]
#[allow(dead_code)] // it has more than is needed here
mod wire;

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiesu::audio::g711::Law;
use jiesu::audio::{tone, wav};

use callers::Callers;
use house::{Daemon, Plan, folder, root};

const SENTENCE: &str = "望京街道花家地小区12号楼水管爆裂了，请尽快处理";
/// What the caller says is this long.
const SPOKEN: usize = 5 * 8000;

struct Options {
    calls: usize,
    rate: f64,
    model: Option<PathBuf>,
    demo: bool,
}

fn options() -> Options {
    let mut options = Options { calls: 90, rate: 1.0, model: None, demo: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_default();
        match word.as_str() {
            "--calls" => options.calls = value().parse().unwrap_or(90),
            "--rate" => options.rate = value().parse().unwrap_or(1.0),
            "--model" => options.model = Some(value().into()),
            "--demo" => options.demo = true,
            _ => {} // what cargo adds: --bench
        }
    }
    options
}

fn main() -> io::Result<()> {
    let options = options();
    let kept = tempfile::tempdir()?;
    let demo = root().join("models/jiesu-demo-q8_0.bin");
    let model = match options.model {
        Some(model) => model,
        None if options.demo => demo,
        None => {
            let file = kept.path().join("random-base-q8_0.bin");
            fs::write(&file, model::base(&fs::read(demo)?, SENTENCE)?)?;
            file
        }
    };
    let plan = Plan { model: Some(model), ..Plan::default() };
    let config = folder(&plan);
    let flow = config.path().join("flows/main.toml");
    let text = fs::read_to_string(&flow)?;
    // So much silence ends a sentence there.
    let silence = text.split("\nsilence = \"").nth(1).and_then(|rest| rest.split("ms\"").next()?.parse::<f64>().ok());
    let silence = silence.ok_or_else(|| io::Error::other("the shipped flow has no silence in ms"))?;
    // A short question, and before it nothing; and a moment that cannot be mistaken for the read-back.
    const QUIET: f64 = 0.005;
    for (id, seconds, loud) in [
        ("greeting", 0.02, QUIET),
        ("line-12345", 0.02, QUIET),
        ("notice", 0.02, QUIET),
        ("request", 0.5, 0.2),
        ("one-moment", 0.02, QUIET),
    ] {
        let pcm = tone::sine(400.0, Duration::from_secs_f64(seconds), loud);
        fs::write(config.path().join(format!("prompts/{id}.wav")), wav::bytes(&pcm, 8000))?;
    }
    let daemon = Daemon::over(config.path(), &plan);
    daemon.wait_until("jiesu_asr_models", |models| models == 1.0);
    let SocketAddr::V4(target) = daemon.sip else { return Err(io::Error::other("it listens on IPv4")) };
    let every = (1e9 / options.rate) as i64;
    let heard = Callers::new(target, speech()?)?.run(options.calls, every)?;
    let percentile = |sorted: &[f64], share: f64| {
        let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
        sorted.get(at).copied().unwrap_or(f64::NAN)
    };
    let of = |sorted: &[f64], less: f64| {
        serde_json::json!({
            "count": sorted.len(), "p50": (percentile(sorted, 0.5) - less).round(),
            "p95": (percentile(sorted, 0.95) - less).round(), "max": (percentile(sorted, 1.0) - less).round(),
        })
    };
    let row = serde_json::json!({
        "calls": options.calls, "rate": options.rate, "lost": heard.lost,
        "read_back": of(&heard.read_back, silence), "number": of(&heard.number, 0.0),
        "heard": daemon.metric("jiesu_asr_total"), "generator_cpu": heard.cpu_s / heard.wall_s,
        "tickets": daemon.tickets().len(),
        "text": daemon.tickets().first().map(|ticket| ticket["text"].clone()),
    });
    println!("{row}");
    Ok(())
}

/// 5 s of speech: the greeting, again and again, its last packet loud.
fn speech() -> io::Result<Vec<u8>> {
    let bytes = fs::read(root().join("config/prompts/old-root.wav"))?;
    let pcm = wav::read(&bytes).map_err(io::Error::other)?.to_8k();
    let from = pcm.iter().position(|sample| sample.abs() > 1000).unwrap_or(0);
    let loud = |at: usize| pcm[at..].iter().take(160).any(|sample| sample.abs() > 3000);
    let end = (from + SPOKEN..pcm.len() - 160).find(|at| loud(*at)).unwrap_or(from + SPOKEN);
    Ok(pcm[end + 160 - SPOKEN..end + 160].iter().map(|sample| Law::A.encode(*sample)).collect())
}
