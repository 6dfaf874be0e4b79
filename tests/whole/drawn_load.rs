//! More speech than can be heard in time: every caller gets a number all the same, and every text comes later, the urgent
//! ones first.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::hearing::model;
use crate::house::caller::telling;
use crate::house::sipp::Run;
use crate::house::speech::{request, spoken};
use crate::house::{Daemon, Plan, draw, folder, has, in_own_network, pause, skip};

/// Asks, listens, files, says the number. Who calls from 138 is in a hurry.
const FLOW: &str = r#"
start = "who"
too_long = "end"
[times]
wait = "20s"
silence = "1500ms"
longest = "30s"
[[no_input]]
go = "end"
[[no_match]]
go = "end"
[node.who]
do = "branch"
arm = [{ caller = "138", go = "urgent" }]
else = "ask"
[node.urgent]
do = "set"
urgency = "urgent"
go = "ask"
[node.ask]
do = "listen"
say = ["you-said"]
go = "filing"
[node.filing]
do = "file"
go = "number"
failed = "end"
[node.number]
do = "say"
say = ["number-is", "{number}"]
barge_in = false
go = "end"
[node.end]
do = "hangup"
say = ["goodbye"]
"#;

/// `jiesu.toml` with these values in place of the defaults that it shows.
fn plan(edits: &[(&str, &str)]) -> Plan {
    telling(Plan {
        edits: edits.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect(),
        files: vec![("flows/main.toml".into(), FLOW.into())],
        ..Plan::default()
    })
}

/// All at once: they say a drawn sentence again and again until they are told their number and goodbye.
fn call_at_once(daemon: &Daemon, callers: &[String]) {
    let speech = spoken(&request(true).text, &daemon.folder.join("spoken"));
    let mut speech: Vec<u8> = speech.iter().map(|sample| jiesu::audio::g711::Law::A.encode(*sample)).collect();
    speech.resize(speech.len() + 4 * 8000, 0xD5);
    let run = Run {
        fields: callers.iter().map(|caller| format!("{caller};1")).collect(),
        calls: callers.len(),
        rate: callers.len(),
        speech,
        ..Run::one("speak", "", '1')
    };
    run.pass(daemon.sip);
    let told = daemon.log().lines().filter(|line| line.contains("node number")).count();
    assert!(told >= callers.len(), "only {told} were told a number:\n{}", daemon.log());
}

fn wait_for_texts(daemon: &Daemon, count: usize) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let tickets = daemon.wait_tickets(count, Duration::from_secs(20));
        if tickets.iter().all(|ticket| ticket["text_pending"] == false) {
            return tickets;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "a text never came: {tickets:#?}\n{}", daemon.log());
        (0..10).for_each(|_| pause());
    }
}

fn callers(prefix: &str, count: u64) -> Vec<String> {
    (0..count).map(|n| format!("{prefix}{:05}{n:03}", draw(100_000))).collect()
}

#[test]
fn many_at_once_all_get_a_number_and_their_texts_later() {
    let (Some(model), true) = (model(), has("espeak-ng") && has("sipp")) else {
        return skip("no recogniser for the synthetic voice, no espeak-ng or no sipp");
    };
    if !in_own_network("drawn_load::many_at_once_all_get_a_number_and_their_texts_later") {
        return;
    }
    // One thread, one waiting place, and callers who wait a second: most of them are too many.
    let edits = [
        ("# workers = 0\n# queue = 64\n# beam = 1", "workers = 1\nqueue = 1\nbeam = 5"),
        ("# recognise = \"6s\"", "recognise = \"1s\""),
    ];
    let daemon = Daemon::start(&Plan { model: Some(model), ..plan(&edits) });
    daemon.wait_metric("jiesu_asr_models", 1.0);
    let callers = callers("139", 20);
    call_at_once(&daemon, &callers);
    let pending =
        daemon.metric("jiesu_asr_total{outcome=\"queue_full\"") + daemon.metric("jiesu_asr_total{outcome=\"too_late\"");
    assert!(pending >= 1.0, "it was no overload: {}", daemon.get("/metrics").1);
    for ticket in wait_for_texts(&daemon, callers.len()) {
        assert!(ticket["text"].as_str().is_some_and(|text| text.chars().count() > 5), "{ticket:#}");
        assert!(ticket["recordings"].as_array().is_some_and(|list| list.len() == 1), "{ticket:#}");
    }
}

#[test]
fn what_is_urgent_is_heard_first() {
    let (Some(model), true) = (model(), has("espeak-ng") && has("sipp")) else {
        return skip("no recogniser for the synthetic voice, no espeak-ng or no sipp");
    };
    if !in_own_network("drawn_load::what_is_urgent_is_heard_first") {
        return;
    }
    let edits = [("#: model = ", "model = \"arrives.bin\"\nlook_every = \"1s\"\nworkers = 1\n#: model = ")];
    let kept = folder(&plan(&edits));
    let daemon = Daemon::over(kept.path(), &plan(&[]));
    // The urgent ones call last.
    let (ordinary, urgent) = (callers("139", 6), callers("138", 4));
    call_at_once(&daemon, &ordinary);
    call_at_once(&daemon, &urgent);
    let tickets = daemon.wait_tickets(10, Duration::from_secs(20));
    assert!(tickets.iter().all(|ticket| ticket["text_pending"] == true), "{tickets:#?}");
    let before = daemon.log().len();
    fs::copy(model, kept.path().join("arrives.part")).expect("copy");
    fs::rename(kept.path().join("arrives.part"), kept.path().join("arrives.bin")).expect("rename");
    let tickets = wait_for_texts(&daemon, 10);
    // The log tells of each ticket when its text is there.
    let log = daemon.log().split_off(before);
    let mut completed: Vec<(usize, bool)> = tickets
        .iter()
        .map(|ticket| {
            let number = ticket["number"].as_str().expect("a number");
            let at = log.find(number).unwrap_or_else(|| panic!("{number} is not in\n{log}"));
            (at, ticket["caller"].as_str().is_some_and(|caller| caller.starts_with("138")))
        })
        .collect();
    completed.sort();
    let first: Vec<bool> = completed.iter().take(urgent.len()).map(|(_, urgent)| *urgent).collect();
    assert_eq!(first, vec![true; urgent.len()], "an ordinary text came before an urgent one: {completed:#?}");
}
