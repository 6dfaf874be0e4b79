//! `0`: to a human, over a second leg; who does not answer never costs the caller the ticket.

use std::process::{Command, Output};
use std::time::Duration;

use crate::house::baresip::Phone;
use crate::house::{Daemon, Plan, draw, has, hear, in_own_network, jiesu, root, skip};

const OPERATOR: &str = "operator = \"sip:operator@127.0.0.1:5061\"";

fn call(daemon: &Daemon, more: &[&str]) -> Output {
    let uri = format!("sip:12345@{}", daemon.sip);
    let shipped = std::fs::read_to_string(daemon.folder.join("flows/main.toml")).expect("the shipped flow");
    assert!(shipped.contains(OPERATOR), "the shipped flow's operator has moved");
    Command::new(jiesu()).args(["call", &uri, "--json"]).args(more).output().expect("the test telephone runs")
}

/// The operator is a baresip that answers: the two hear each other, the caller's keys reach the operator and not the
/// flow, and the ticket stays.
#[test]
fn zero_reaches_the_operator_and_the_ticket_stays() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("transfer::zero_reaches_the_operator_and_the_ticket_stays") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    let prompts = root().join("config/prompts");
    // Long sounds, told apart from all that the daemon plays before: what each of the two says.
    let (theirs, ours) = (prompts.join("menu-services.wav"), prompts.join("menu-livelihood.wav"));
    let spoken = daemon.folder.join("operator.wav");
    let pcm = jiesu::audio::wav::read(&std::fs::read(&theirs).expect("a shipped prompt")).expect("a WAV").to_8k();
    std::fs::write(&spoken, jiesu::audio::wav::bytes(&pcm, 8000)).expect("write");
    let mut operator = Phone::start("operator", &spoken, 5061, ";answermode=auto");
    let key = ["3", "5", "7", "9", "*"][draw(5) as usize];
    let heard = daemon.folder.join("heard.wav");
    let keys = format!("0@1s,{key}@14s");
    let out = call(
        &daemon,
        &[
            "--dtmf",
            &keys,
            "--wav",
            &ours.display().to_string(),
            "--wav-at",
            "8s",
            "--record",
            &heard.display().to_string(),
            "--max",
            "18s",
            "--from",
            "13800138000",
        ],
    );
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let pressed = operator.wait("CALL_DTMF_START", Duration::from_secs(10));
    assert_eq!(pressed["param"], key, "{pressed}");
    operator.wait("CALL_CLOSED", Duration::from_secs(10));
    operator.quit();
    let ticket = &daemon.wait_tickets(1, Duration::from_secs(10))[0];
    assert_eq!(ticket["keys"], "0", "a key meant for the operator moved the flow: {ticket:#}");
    let (_, share) = hear::heard(&hear::read(&operator.heard()), 0, &hear::read(&ours)[..4 * hear::SECOND]);
    assert!(share > 0.5, "the operator did not hear the caller ({share:.2})");
    let told = hear::read(&heard);
    let (end, share) = hear::heard(&told, 0, &hear::read(&prompts.join("transferring.wav")));
    assert!(share > 0.5, "the caller was not told of the transfer ({share:.2})");
    let (_, share) = hear::heard(&told, end, &hear::read(&theirs)[hear::SECOND..4 * hear::SECOND]);
    assert!(share > 0.5, "the caller did not hear the operator ({share:.2})");
}

/// Nobody there: the caller is told and heard instead.
#[test]
fn a_failed_transfer_goes_on_with_the_caller() {
    if !in_own_network("transfer::a_failed_transfer_goes_on_with_the_caller") {
        return;
    }
    let daemon = Daemon::start(&Plan {
        edits: vec![("# transfer_ring = \"30s\"".into(), "transfer_ring = \"5s\"".into())],
        ..Plan::default()
    });
    let prompts = root().join("config/prompts");
    let (said, heard) = (prompts.join("greeting.wav"), daemon.folder.join("heard.wav"));
    // Asked until 22 s after the answer; spoken in the middle of the 6 s that are given then.
    let out = call(
        &daemon,
        &[
            "--dtmf",
            "0@1s",
            "--wav",
            &said.display().to_string(),
            "--wav-at",
            "24500ms",
            "--record",
            &heard.display().to_string(),
            "--max",
            "60s",
        ],
    );
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(report["ended_by"], "them", "the flow did not come to its end: {report:#}");
    let ticket = &daemon.wait_tickets(1, Duration::from_secs(30))[0];
    assert_eq!(ticket["keys"], "0", "{ticket:#}");
    assert_eq!(ticket["recordings"].as_array().map(Vec::len), Some(1), "{ticket:#}");
    // The caller hears that all seats are busy, and then this ticket's number, digit by digit.
    let told = hear::read(&heard);
    let number = ticket["number"].as_str().expect("a number");
    let mut digits = jiesu::tts::numbers::prompts(&jiesu::ivr::Say::Digits(number.to_owned()));
    // Its last group: what comes after a pause is looked for by itself.
    digits.drain(
        ..=digits.iter().rposition(|id| id == jiesu::tts::numbers::PAUSE).expect("a number is spoken in groups"),
    );
    let mut end = 0;
    for ids in [vec!["busy-leave-request".to_owned()], vec!["busy-number-is".to_owned()], digits] {
        let part: Vec<f32> = ids.iter().flat_map(|id| hear::read(&prompts.join(format!("{id}.wav")))).collect();
        let (ended, share) = hear::heard(&told, end, &part);
        assert!(share > 0.5, "{ids:?} was not heard after {:.1} s ({share:.2})", end as f32 / 8000.0);
        end = ended.saturating_sub(hear::SECOND / 2);
    }
}
