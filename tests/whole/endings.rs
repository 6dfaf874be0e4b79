//! How calls end before the flow does: the caller hangs up in the middle of a sentence, or the caller's machine is gone.
//! What was said until then is a ticket with its recording (ATTACKS 25).

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::house::{Daemon, Plan, draw, hear, in_own_network, jiesu, root};

/// Asks at once and listens for long.
const ASK: &str = r#"
start = "ask"
too_long = "end"
[times]
wait = "20s"
silence = "5s"
longest = "1m"
[[no_input]]
go = "end"
[[no_match]]
go = "end"
[node.ask]
do = "listen"
say = ["digit-1"]
go = "end"
[node.end]
do = "hangup"
say = ["thanks"]
"#;

fn daemon(edits: Vec<(String, String)>) -> Daemon {
    Daemon::start(&Plan { edits, files: vec![("flows/main.toml".into(), ASK.into())], ..Plan::default() })
}

/// What the caller says: 19 s without a long pause.
fn words() -> std::path::PathBuf {
    root().join("config/prompts/menu-services.wav")
}

/// A caller who speaks from 2 s after the answer.
fn caller(daemon: &Daemon, more: &[&str]) -> Child {
    Command::new(jiesu())
        .args(["call", &format!("sip:12345@{}", daemon.sip), "--wav-at", "2s", "--json", "--wav"])
        .arg(words())
        .args(more)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test telephone runs")
}

/// The one ticket, its one recording being the words that were said, for as long as they were said.
fn kept_what_was_said(daemon: &Daemon, seconds: std::ops::Range<f64>) -> Value {
    let ticket = daemon.wait_tickets(1, Duration::from_secs(20))[0].clone();
    let recordings = ticket["recordings"].as_array().cloned().unwrap_or_default();
    assert_eq!(
        (recordings.len(), &ticket["how"], &ticket["text_pending"]),
        (1, &"hung_up".into(), &true.into()),
        "{ticket:#}"
    );
    let file = recordings[0]["file"].as_str().expect("a file");
    let heard = hear::read(
        &[&daemon.folder.join("state/recordings"), &daemon.folder, Path::new("/")]
            .map(|at| at.join(file))
            .into_iter()
            .find(|path| path.is_file())
            .expect("the recording is there"),
    );
    let long = heard.len() as f64 / hear::SECOND as f64;
    assert!(seconds.contains(&long), "{long:.1} s were recorded, {seconds:?} expected");
    assert_eq!((recordings[0]["duration_s"].as_f64().expect("seconds") * 10.0).round(), (long * 10.0).round());
    let (_, share) = hear::heard(&heard, 0, &hear::read(&words())[..2 * hear::SECOND]);
    assert!(share > 0.9, "the recording is not what was said ({share:.2})");
    ticket
}

#[test]
fn a_bye_in_mid_sentence_keeps_what_was_said() {
    if !in_own_network("endings::a_bye_in_mid_sentence_keeps_what_was_said") {
        return;
    }
    let daemon = daemon(Vec::new());
    let caller = caller(&daemon, &["--max", "6s"]).wait_with_output().expect("our child");
    let report: Value = serde_json::from_slice(&caller.stdout).expect("JSON");
    assert_eq!(report["ended_by"], "us", "{report:#}");
    kept_what_was_said(&daemon, 3.0..6.0);
    daemon.wait_metric("jiesu_calls_ended_total{why=\"caller\"}", 1.0);
}

#[test]
fn a_machine_that_vanishes_keeps_what_was_said() {
    if !in_own_network("endings::a_machine_that_vanishes_keeps_what_was_said") {
        return;
    }
    let daemon = daemon(vec![("# inactivity = \"30s\"".into(), "inactivity = \"3s\"".into())]);
    let mut caller = caller(&daemon, &[]);
    // Speaking since a good while: packets stop between two words.
    daemon.wait_metric("jiesu_calls", 1.0);
    let start = std::time::Instant::now();
    while start.elapsed() < Duration::from_secs(6) {
        crate::house::pause();
    }
    caller.kill().expect("our child");
    caller.wait().expect("our child");
    kept_what_was_said(&daemon, 3.0..10.0);
    daemon.wait_metric("jiesu_calls", 0.0);
}

/// ATTACKS 26: a BYE at drawn moments of the shipped flow, keys pressed all the while.
#[test]
fn a_bye_at_any_moment_leaves_one_ticket_with_the_keys_until_then() {
    if !in_own_network("endings::a_bye_at_any_moment_leaves_one_ticket_with_the_keys_until_then") {
        return;
    }
    const CALLS: usize = 8;
    const EVERY: u64 = 500;
    let daemon = Daemon::start(&Plan::default());
    let calls: Vec<(String, String, u64)> = (0..CALLS)
        .map(|i| {
            let keys: String = (0..16).map(|_| char::from(b'1' + draw(9) as u8)).collect();
            (format!("1370000000{i}"), keys, 100 + draw(8000))
        })
        .collect();
    let uri = format!("sip:12345@{}", daemon.sip);
    let phones: Vec<Child> = calls
        .iter()
        .map(|(caller, keys, milliseconds)| {
            let keys: Vec<String> = (1..).zip(keys.chars()).map(|(i, key)| format!("{key}@{}ms", i * EVERY)).collect();
            let max = format!("{milliseconds}ms");
            let arguments = ["call", &uri, "--from", caller, "--max", &max, "--dtmf", &keys.join(",")];
            Command::new(jiesu()).args(arguments).stdout(Stdio::null()).spawn().expect("the test telephone runs")
        })
        .collect();
    for mut phone in phones {
        assert!(phone.wait().expect("our child").success(), "a call failed");
    }
    daemon.wait_metric("jiesu_calls", 0.0);
    assert_eq!(daemon.metric("jiesu_calls_ended_total"), CALLS as f64);
    let tickets = daemon.tickets();
    for (caller, keys, milliseconds) in &calls {
        let own: Vec<&Value> = tickets.iter().filter(|ticket| ticket["caller"] == *caller).collect();
        // A key is known when its first packet is there; a second and a half is enough on a busy machine.
        let pressed = (milliseconds / EVERY) as usize;
        let surely = milliseconds.saturating_sub(1500) / EVERY;
        assert!(
            own.len() <= usize::from(pressed > 0) && (own.len() == 1 || surely == 0),
            "{milliseconds} ms: {own:#?}"
        );
        for ticket in own {
            let kept = ticket["keys"].as_str().expect("keys");
            assert!(
                !kept.is_empty() && keys.starts_with(kept) && kept.len() <= pressed,
                "{kept} of {keys} in {milliseconds} ms"
            );
        }
    }
}
