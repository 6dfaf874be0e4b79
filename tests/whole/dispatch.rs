//! A filed ticket has its unit, and the unit knows, within moments; an urgent one rings at the duty telephone until a
//! person takes it. The telephone is baresip's, the key that is pressed is drawn.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::baresip::Phone;
use crate::house::{Daemon, Plan, draw, has, in_own_network, jiesu, pause, skip};

/// Whoever presses 2, 1, 1, 1 reports a burst pipe.
const BURST_PIPE: &str = "2@1s,1@3s,1@5s,1@7s";

fn report(daemon: &Daemon, keys: &str) {
    let uri = format!("sip:12345@{}", daemon.sip);
    let max = "12s";
    let out = Command::new(jiesu()).args(["call", &uri, "--json", "--dtmf", keys, "--max", max]).output();
    let out = out.expect("the test telephone runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
}

/// Whoever has burst pipes by the shipped catalogue, wherever they are: without words no place is known.
const WATER: &str = "自来水集团";

/// Units that are reached so.
fn units(duty: &[&str]) -> (String, String) {
    let duty: Vec<String> = duty.iter().map(|number| format!("\"{number}\"")).collect();
    let text = format!("[desk]\nchannel = \"log\"\n[department]\nchannel = \"log\"\nduty = [{}]\n", duty.join(", "));
    ("units/units.toml".to_owned(), text)
}

/// `jiesu dispatch explain` of the only ticket, once it is as `good` wants it.
fn explained(daemon: &Daemon, good: impl Fn(&Value) -> bool) -> Value {
    let number = daemon.wait_tickets(1, Duration::from_secs(30))[0]["number"].as_str().expect("a number").to_owned();
    let start = Instant::now();
    loop {
        let out = daemon.cli(&["dispatch", "explain", &number, "--json"]);
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let value: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        if good(&value) {
            return value;
        }
        assert!(start.elapsed() < Duration::from_secs(90), "still {value:#}\n{}", daemon.log());
        pause();
    }
}

fn happened<'a>(explained: &'a Value, event: &str) -> Option<&'a Value> {
    explained["log"].as_array().expect("a log").iter().find(|entry| entry["event"] == event)
}

/// Nothing but keys: it goes to the unit at once, and the plugged system that tells the unit has it.
#[test]
fn a_filed_ticket_has_its_unit_and_the_unit_is_told() {
    let daemon = Daemon::start(&Plan { files: vec![units(&[])], ..Plan::default() });
    report(&daemon, BURST_PIPE);
    let seen = explained(&daemon, |seen| happened(seen, "told").is_some());
    let told = happened(&seen, "told").expect("just seen");
    assert_eq!(
        (&told["unit"], &told["channel"], &told["by"]["via"]),
        (&WATER.into(), &"log".into(), &"rule".into()),
        "{told:#}"
    );
    let dispatched = happened(&seen, "dispatched").expect("told after it");
    assert_eq!((&dispatched["unit"], &dispatched["by"]["who"]), (&WATER.into(), &"dispatch".into()), "{dispatched:#}");
    let lines = fs::read_to_string(daemon.folder.join("state/tickets.jsonl")).expect("the log backend's file");
    let delivered: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let delivered: Vec<&Value> = delivered.iter().filter(|line| line["event"] == "dispatched").collect();
    assert_eq!(delivered.len(), 1, "told twice: {lines}");
    assert_eq!(delivered[0]["dispatch"]["unit"]["code"], WATER);
    assert_eq!(daemon.metric("jiesu_dispatch_seconds_count"), 1.0);
}

/// The first telephone does not answer, so the second rings, also where the node falls over meanwhile. Who answers takes
/// the ticket by a key.
#[test]
fn an_urgent_ticket_rings_until_a_person_takes_it() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("dispatch::an_urgent_ticket_rings_until_a_person_takes_it") {
        return;
    }
    // baresip reads 16-bit samples only.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mic = folder.path().join("mic.wav");
    fs::write(&mic, jiesu::audio::wav::bytes(&vec![0; 8000 * 120], 8000)).expect("write");
    // The first one is switched on and rings; nobody is there.
    let mut first = Phone::start("first", &mic, 5061, ";answermode=manual");
    let mut second = Phone::start("second", &mic, 5071, ";answermode=auto");
    let plan = Plan {
        files: vec![units(&["sip:first@127.0.0.1:5061", "sip:second@127.0.0.1:5071"])],
        edits: vec![("# ring = \"20s\"".into(), "ring = \"60s\"".into())],
        ..Plan::default()
    };
    let config = crate::house::folder(&plan);
    let mut daemon = Daemon::over(config.path(), &plan);
    report(&daemon, BURST_PIPE);
    first.wait("CALL_INCOMING", Duration::from_secs(30));
    // The node falls over while it rings; the next one goes on with the same telephone, not with the next.
    daemon.kill();
    let main = config.path().join("jiesu.toml");
    let text = fs::read_to_string(&main).expect("just written");
    fs::write(&main, text.replacen("ring = \"60s\"", "ring = \"5s\"", 1)).expect("write");
    let daemon = Daemon::over(config.path(), &plan);
    second.wait("CALL_ESTABLISHED", Duration::from_secs(60));
    // Other keys say it again; 2 is taken back.
    let keys = ["1", "91", "51", "21", "#91", "211"][draw(6) as usize];
    keys.chars().for_each(|key| second.press(&key.to_string()));
    let seen = explained(&daemon, |seen| happened(seen, "accepted").is_some());
    let accepted = happened(&seen, "accepted").expect("just seen");
    assert_eq!((&accepted["by"]["who"], &accepted["by"]["via"]), (&WATER.into(), &"telephone".into()), "{accepted:#}");
    let told = |entry: &Value| entry["event"] == "told" && entry["channel"] == "telephone";
    assert!(seen["log"].as_array().expect("a log").iter().any(told), "{seen:#}");
    second.wait("CALL_CLOSED", Duration::from_secs(60));
    let seen = explained(&daemon, |seen| seen["calls"][2]["outcome"] == "accepted");
    let calls: Vec<(&str, &str)> = seen["calls"]
        .as_array()
        .expect("calls")
        .iter()
        .map(|call| (call["number"].as_str().expect("a number"), call["outcome"].as_str().unwrap_or("-")))
        .collect();
    let (one, two) = ("sip:first@127.0.0.1:5061", "sip:second@127.0.0.1:5071");
    let expected = [(one, "interrupted"), (one, "no_answer"), (two, "accepted")];
    assert_eq!(calls, expected, "{seen:#}");
    // It is taken: nobody is called any more.
    daemon.wait_metric("jiesu_duty_calls", 0.0);
    first.quit();
    second.quit();
}

/// A rule is changed in a copy of the folder: what it would have changed is listed, with the line.
#[test]
fn replay_says_what_other_rules_would_change() {
    let daemon = Daemon::start(&Plan { files: vec![units(&[])], ..Plan::default() });
    report(&daemon, BURST_PIPE);
    explained(&daemon, |seen| happened(seen, "dispatched").is_some());
    let same = daemon.cli(&["dispatch", "replay", "--json"]);
    let same_said: Value = serde_json::from_slice(&same.stdout).expect("JSON");
    assert_eq!((same.status.code(), &same_said["tickets"]), (Some(0), &1.into()), "{same_said:#}");
    let other = ["热力集团", "燃气集团", "电力公司", "市水务局"][draw(4) as usize];
    let new = tempfile::tempdir().expect("a temporary folder");
    let copied = Command::new("cp").arg("-r").arg(daemon.folder.join(".")).arg(new.path()).status().expect("cp");
    assert!(copied.success());
    let main = daemon.wait_tickets(1, Duration::from_secs(10));
    let category = main[0]["category"].as_array().expect("a path");
    assert_eq!(category[2], "自来水供应", "the shipped menus have changed: {main:#?}");
    let town = new.path().join("catalogue/town.toml");
    let text = fs::read_to_string(&town).expect("the shipped file");
    let owner = "name = \"自来水供应\"\nunit = \"自来水集团\"";
    assert!(text.contains(owner), "the shipped catalogue no longer holds {owner}");
    fs::write(&town, text.replacen(owner, &format!("name = \"自来水供应\"\nunit = \"{other}\""), 1)).expect("write");
    let of = daemon.folder.display().to_string();
    let out = crate::house::cli(new.path(), &["dispatch", "replay", "--json", "--of", &of]);
    let said: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(out.status.code(), Some(1), "something would change: {said:#}");
    assert_eq!(said["changed"][0]["after"]["unit"], other, "{said:#}");
    let why = said["changed"][0]["after"]["why"].to_string();
    assert!(why.contains("catalogue/town.toml:"), "no line is named: {why}");
}

/// From the confirmation to the unit, and from an urgent report to the INVITE: percentiles over many calls.
#[test]
#[ignore = "a measurement: cargo test --test whole dispatch::survey -- --ignored --nocapture"]
fn survey() {
    if !in_own_network("dispatch::survey") {
        return;
    }
    const CALLS: usize = 64;
    const AT_ONCE: usize = 16;
    // Nobody is there: the INVITE is what counts.
    let daemon = Daemon::start(&Plan { files: vec![units(&["sip:1@127.0.0.1:5061"])], ..Plan::default() });
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| (0..CALLS / AT_ONCE).for_each(|_| report(&daemon, BURST_PIPE)));
        }
    });
    let mut after = Vec::new();
    for ticket in daemon.wait_tickets(CALLS, Duration::from_secs(60)) {
        let number = ticket["number"].as_str().expect("a number");
        let out = daemon.cli(&["case", number, "--json"]);
        let seen: Value = serde_json::from_slice(&out.stdout).expect("JSON");
        let at = |event: &str| -> jiff::Timestamp {
            let at = happened(&seen, event).unwrap_or_else(|| panic!("no {event}: {seen:#}"))["at"].as_str();
            at.expect("a time").parse().expect("RFC 3339")
        };
        after.push(at("told").duration_since(at("received")).as_millis());
    }
    after.sort_unstable();
    let share = |share: usize| after[(after.len() * share / 100).min(after.len() - 1)];
    println!("filed to told, {CALLS} calls, {AT_ONCE} at once: p50 {} ms, p95 {} ms", share(50), share(95));
    for line in daemon.get("/metrics").1.lines().filter(|line| line.starts_with("jiesu_duty_invite_seconds")) {
        println!("{line}");
    }
}
