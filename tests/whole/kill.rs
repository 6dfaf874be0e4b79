//! kill -9 at any moment: no acknowledged ticket lost, none doubled, every recording playable, answering again in 2 s.
//!
//! `JIESU_KILLS` says how often (50 by default; `make soak` 1,000).

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, folder, in_own_network, pause, root, tickets};
use crate::manners::options;

/// Listens, files, speaks the number: as short as the whole way can be.
pub const QUICK: &str = r#"
start = "ask"
too_long = "end"
steps = 20
[times]
wait = "8s"
between = "1s"
silence = "600ms"
longest = "2s"
[[no_input]]
go = "end"
[[no_match]]
go = "end"
[node.ask]
do = "listen"
say = ["digit-1"]
go = "filing"
[node.filing]
do = "file"
go = "number"
failed = "end"
[node.number]
do = "say"
say = ["{number}"]
barge_in = false
go = "end"
[node.end]
do = "hangup"
say = ["thanks"]
"#;

const CALLS: usize = 20;

/// Raw A-law speech for SIPp: a shipped prompt, for want of a citizen.
pub fn speech() -> Vec<u8> {
    let bytes = fs::read(root().join("config/prompts/greeting.wav")).expect("the shipped prompt");
    let pcm = jiesu::audio::wav::read(&bytes).expect("a WAV").to_8k();
    pcm.iter().map(|s| jiesu::audio::g711::alaw_encode(*s)).collect()
}

fn recordings(folder: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            recordings(&path, out);
        } else if path.extension().is_some_and(|e| e == "wav") {
            out.push(path);
        }
    }
}

/// Seconds of a recording; fails where it cannot be played.
fn playable(path: &Path) -> f64 {
    let length = fs::metadata(path).map_or(0, |file| file.len());
    if length == 0 {
        // Killed between making the file and writing its header. Recovery takes it away.
        return 0.0;
    }
    let open = hound::WavReader::open(path);
    let mut reader = open.unwrap_or_else(|error| panic!("{} of {length} octets: {error}", path.display()));
    let samples = reader.samples::<i16>().map_while(Result::ok).count();
    samples as f64 / f64::from(reader.spec().sample_rate)
}

/// Which call was told which number: logged after the commit, before it is spoken.
fn acknowledged(log: &str) -> HashMap<String, String> {
    let field = |line: &str, name: &str| {
        let rest = line.split(name).nth(1)?.trim_start_matches('"');
        Some(rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>())
    };
    log.lines()
        .filter(|line| line.contains(" filed "))
        .filter_map(|line| Some((field(line, "call=")?, field(line, "ticket=")?)))
        .filter(|(call, number)| call.len() == 26 && number.len() >= 12) // the last line may be cut off
        .collect()
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_doubled() {
    if !in_own_network("kill::nothing_acknowledged_is_lost_and_nothing_doubled") {
        return;
    }
    let rounds: usize = std::env::var("JIESU_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    let plan = Plan { files: vec![("flows/main.toml".into(), QUICK.into())], ..Plan::default() };
    let kept = folder(&plan);
    let folder = kept.path();
    let speech = speech();
    let mut slowest = Duration::ZERO;
    let mut daemon = Daemon::over(folder, &plan);
    for round in 0..rounds {
        let run = Run {
            calls: CALLS,
            rate: 40,
            fields: (0..CALLS).map(|i| format!("138{round:04}{i:04}")).collect(),
            speech: speech.clone(),
            ..Run::one("speak", "", '1')
        };
        let (mut callers, _files) = run.spawn(daemon.sip);
        let begun = Instant::now();
        let alive = Duration::from_millis(600 + draw(3900));
        while begun.elapsed() < alive {
            pause();
        }
        daemon.kill();
        callers.kill().expect("our child");
        callers.wait().expect("our child");
        let restarted = Instant::now();
        daemon = Daemon::over(folder, &plan);
        let (code, _, _) = options(daemon.sip, Duration::from_secs(2)).expect("it answers again");
        assert_eq!(code, 200);
        slowest = slowest.max(restarted.elapsed());
        assert!(slowest <= Duration::from_secs(2), "round {round}: answering again took {slowest:?}");
    }
    settle(&daemon, folder);
    let list = tickets(folder);
    let numbers: HashSet<String> = list.iter().map(|t| t["number"].as_str().expect("a number").to_owned()).collect();
    assert_eq!(numbers.len(), list.len(), "a ticket number was given twice");
    let mut of_call: HashMap<&str, usize> = HashMap::new();
    list.iter().for_each(|ticket| *of_call.entry(ticket["call"].as_str().expect("a call")).or_default() += 1);
    assert!(of_call.values().all(|n| *n == 1), "a call has two tickets");
    let promised = acknowledged(&daemon.log());
    let kept: HashMap<&str, &str> =
        list.iter().map(|t| (t["call"].as_str().expect("a call"), t["number"].as_str().expect("a number"))).collect();
    let lost: Vec<_> =
        promised.iter().filter(|(call, number)| kept.get(call.as_str()) != Some(&number.as_str())).collect();
    assert!(lost.is_empty(), "{} callers were told a number that is not theirs: {lost:?}", lost.len());
    assert!(promised.len() >= rounds, "only {} tickets were acknowledged in {rounds} rounds", promised.len());
    println!(
        "{rounds} kills: {} tickets, {} acknowledged, answering again within {slowest:?}",
        list.len(),
        promised.len()
    );
}

/// Waits until recovery has made a ticket of every recording with something in it.
fn settle(daemon: &Daemon, folder: &Path) {
    let start = Instant::now();
    loop {
        let mut files = Vec::new();
        recordings(&folder.join("state/recordings"), &mut files);
        let said: HashSet<String> = files
            .iter()
            .filter(|path| playable(path) > 1.2)
            .map(|path| {
                path.parent().and_then(Path::file_name).expect("a call's folder").to_string_lossy().into_owned()
            })
            .collect();
        let list = tickets(folder);
        let filed: HashSet<String> = list.iter().map(|t| t["call"].as_str().expect("a call").to_owned()).collect();
        let missing: Vec<_> = said.difference(&filed).collect();
        let empty: Vec<_> = files.iter().filter(|path| fs::metadata(path).is_ok_and(|file| file.len() == 0)).collect();
        if missing.is_empty() && empty.is_empty() {
            assert!(!said.is_empty(), "nothing was recorded");
            return;
        }
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "no ticket for {missing:?}, {empty:?} are left\n{}",
            daemon.log()
        );
        pause();
    }
}
