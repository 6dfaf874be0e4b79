//! The life of a ticket after it was filed, from outside: `jiesu case`, the console, and the daemon's own rules.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, in_own_network, pause};

/// POST to the console: status and body. `origin`: as a script on a page would.
fn post(daemon: &Daemon, path: &str, body: &Value, origin: &str) -> (u16, Value) {
    let body = body.to_string();
    let mut stream = TcpStream::connect(daemon.web).expect("the console listens");
    let origin = if origin.is_empty() { String::new() } else { format!("Origin: {origin}\r\n") };
    write!(
        stream,
        "POST {path} HTTP/1.0\r\nHost: localhost\r\n{origin}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("write");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("read");
    let code = text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    (code, serde_json::from_str(body).unwrap_or(Value::Null))
}

fn case(daemon: &Daemon, number: &str) -> Value {
    let out = daemon.cli(&["case", number, "--json"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).expect("JSON")
}

/// `jiesu case ARGS`: the exit code, and what was said on standard error.
fn does(daemon: &Daemon, args: &[&str]) -> (i32, String) {
    let out = daemon.cli(&[&["case"], args].concat());
    (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stderr).into_owned())
}

fn events(case: &Value) -> Vec<&str> {
    case["log"].as_array().expect("a log").iter().filter_map(|entry| entry["event"].as_str()).collect()
}

/// Waits until the daemon's rules have put a unit in charge.
fn wait_dispatched(daemon: &Daemon, number: &str) -> Value {
    let start = Instant::now();
    loop {
        let case = case(daemon, number);
        if case["state"] == "dispatched" {
            return case;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "nobody is in charge of {case:#}\n{}", daemon.log());
        pause();
    }
}

/// Waits until the daemon's rules have told somebody of the case at this level.
fn wait_told(daemon: &Daemon, number: &str, level: u64) -> Value {
    let start = Instant::now();
    loop {
        let case = case(daemon, number);
        if case["escalated"] == level {
            return case;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "not told of: {case:#}\n{}", daemon.log());
        pause();
    }
}

#[test]
fn a_case_goes_through_its_life_by_command_line_console_and_rule() {
    if !in_own_network("case::a_case_goes_through_its_life_by_command_line_console_and_rule") {
        return;
    }
    let mut daemon = Daemon::start(&Plan::default());
    let key = char::from(b'3' + draw(7) as u8);
    Run::one("normal", "13800138000", key).pass(daemon.sip);
    let ticket = daemon.wait_tickets(1, Duration::from_secs(10))[0].clone();
    let number = ticket["number"].as_str().expect("a number");

    // A unit is in charge, by rule, as soon as the ticket is filed; who is not, cannot take it.
    let begun = wait_dispatched(&daemon, number);
    assert_eq!(events(&begun)[..2], ["received", "dispatched"], "{begun:#}");
    let (code, said) = does(&daemon, &["accept", number, "--unit", &format!("unit-{:x}", draw(1 << 40))]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("what can be done with it: accept, return, whistle, extend, merge, exclude"), "{said}");
    let unit = begun["lead"].as_str().expect("a unit in charge").to_owned();

    // Over the console: only what the case allows, only from here.
    let path = format!("/api/v1/tickets/{number}/events");
    let accept = json!({ "event": "accept", "who": unit });
    assert_eq!(post(&daemon, &path, &accept, "http://elsewhere.example").0, 403);
    let (code, answer) = post(&daemon, &path, &json!({ "event": "answer", "who": unit, "reason": "已修好" }), "");
    assert_eq!((code, &answer["state"]), (409, &json!("dispatched")), "{answer}");
    assert!(answer["moves"].as_array().is_some_and(|moves| moves.contains(&json!("accept"))), "{answer}");
    let (code, answer) = post(&daemon, &path, &json!({ "event": "accept", "who": unit, "unit": "another" }), "");
    assert_eq!(code, 409, "{answer}");
    assert_eq!(post(&daemon, &path, &json!({ "event": "pause", "who": unit }), "").0, 422, "a reason is missing");
    let (code, answer) = post(&daemon, &path, &accept, "");
    assert_eq!((code, &answer["state"]), (200, &json!("accepted")), "{answer}");

    // A caller's turn, an answer, and not solved after all: the rules raise a case that was reopened by themselves.
    let reason = format!("等待材料 {}", draw(1 << 30));
    for (args, state) in [
        (vec!["pause", number, "--reason", &reason], "paused"),
        (vec!["resume", number], "accepted"),
        (vec!["answer", number, "--reason", "已修好"], "answered"),
        (vec!["reopen", number, "--reason", "没有解决"], "dispatched"),
    ] {
        let (code, said) = does(&daemon, &args);
        assert_eq!(code, 0, "{args:?}: {said}");
        assert_eq!(case(&daemon, number)["state"], state);
    }
    let told = wait_told(&daemon, number, 3);
    assert_eq!(told["reopened"], 1);
    assert!(daemon.metric("jiesu_cases_escalated_total{level=\"3\"}") >= 1.0);

    // A restart changes nothing, and tells nobody twice.
    daemon.kill();
    let folder = daemon.folder.clone();
    let again = Daemon::over(&folder, &Plan::default());
    let shown: Value = serde_json::from_str(&again.get(&format!("/api/v1/tickets/{number}/case")).1).expect("JSON");
    let escalated = |case: &Value| events(case).iter().filter(|event| **event == "escalated").count();
    assert_eq!((&shown["state"], escalated(&shown)), (&json!("dispatched"), escalated(&told)));
    let paused = shown["log"].as_array().expect("a log").iter().find(|entry| entry["event"] == "paused");
    assert_eq!(paused.expect("it was paused")["reason"], reason.as_str());
    assert_eq!(again.stop(Duration::from_secs(20)), 0);
}
