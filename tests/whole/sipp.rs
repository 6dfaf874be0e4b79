//! Calls by SIPp: what carriers send, and what a careless peer sends.

use std::time::Duration;

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, in_own_network};

fn caller() -> String {
    format!("138{:08}", draw(100_000_000))
}

/// A key of a telephone that does nothing at the request prompt, so that it only has to be kept.
fn key() -> char {
    char::from(b'3' + draw(7) as u8)
}

#[test]
fn a_normal_call_leaves_a_ticket_with_the_key_that_was_pressed() {
    if !in_own_network("sipp::a_normal_call_leaves_a_ticket_with_the_key_that_was_pressed") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    let (caller, key) = (caller(), key());
    Run::one("normal", &caller, key).pass(daemon.sip);
    let ticket = &daemon.wait_tickets(1, Duration::from_secs(10))[0];
    assert_eq!(ticket["keys"], key.to_string(), "{ticket:#}");
    assert_eq!(ticket["caller"], caller, "{ticket:#}");
    assert_eq!(ticket["line"], "12345", "{ticket:#}");
    assert_eq!(daemon.metric("jiesu_calls"), 0.0);
}

#[test]
fn the_same_over_tcp() {
    if !in_own_network("sipp::the_same_over_tcp") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    let (caller, key) = (caller(), key());
    let mut run = Run::one("normal", &caller, key);
    run.more = vec!["-t", "t1"];
    run.pass(daemon.tcp);
    assert_eq!(daemon.wait_tickets(1, Duration::from_secs(10))[0]["keys"], key.to_string());
}

/// ATTACKS 18.
#[test]
fn one_invite_fifty_times_is_one_call_and_one_ticket() {
    if !in_own_network("sipp::one_invite_fifty_times_is_one_call_and_one_ticket") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    let key = key();
    // The answers that come while SIPp still sends are not waited for: the 200 is repeated until the ACK.
    let more = vec!["-default_behaviors", "all,-abortunexp"];
    Run { more, ..Run::one("fifty", &caller(), key) }.pass(daemon.sip);
    assert_eq!(daemon.wait_tickets(1, Duration::from_secs(10))[0]["keys"], key.to_string());
    assert_eq!(daemon.metric("jiesu_calls_total"), 1.0);
}

/// ATTACKS 20.
#[test]
fn a_cancelled_call_gets_487_and_leaves_nothing() {
    if !in_own_network("sipp::a_cancelled_call_gets_487_and_leaves_nothing") {
        return;
    }
    let daemon =
        Daemon::start(&Plan { edits: vec![("# ring = \"0s\"".into(), "ring = \"5s\"".into())], ..Plan::default() });
    Run::one("cancel", &caller(), '1').pass(daemon.sip);
    daemon.wait_metric("jiesu_calls", 0.0);
    assert_eq!(daemon.metric("jiesu_cancelled_total"), 1.0);
    assert_eq!(daemon.tickets().len(), 0);
}

/// ATTACKS 19: the scenario waits for our BYE, 64*T1 = 32 s after the 200.
#[test]
fn a_200_that_is_never_acknowledged_ends_with_a_bye() {
    if !in_own_network("sipp::a_200_that_is_never_acknowledged_ends_with_a_bye") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    Run::one("noack", &caller(), '1').pass(daemon.sip);
    daemon.wait_metric("jiesu_calls", 0.0);
    assert_eq!(daemon.tickets().len(), 0);
}

/// ATTACKS 13: our 200 carries the offer, the ACK the answer.
#[test]
fn an_invite_without_sdp_is_offered_ours() {
    if !in_own_network("sipp::an_invite_without_sdp_is_offered_ours") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    let key = key();
    Run::one("nosdp", &caller(), key).pass(daemon.sip);
    assert_eq!(daemon.wait_tickets(1, Duration::from_secs(10))[0]["keys"], key.to_string());
}

/// ATTACKS 12.
#[test]
fn an_unknown_codec_is_refused_with_488() {
    if !in_own_network("sipp::an_unknown_codec_is_refused_with_488") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    Run::one("badcodec", &caller(), '1').pass(daemon.sip);
    daemon.wait_metric("jiesu_calls", 0.0);
    assert_eq!(daemon.metric("jiesu_refused_total{reason=\"no_codec\"}"), 1.0);
    assert_eq!(daemon.tickets().len(), 0);
}

/// RFC 3264 section 8.4; the scenario checks recvonly and sendrecv in our answers.
#[test]
fn hold_and_resume() {
    if !in_own_network("sipp::hold_and_resume") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    Run::one("hold", &caller(), '1').pass(daemon.sip);
    daemon.wait_metric("jiesu_calls", 0.0);
}

/// ATTACKS 16: a gateway asks for T.38; 488, and the call goes on with its audio.
#[test]
fn a_fax_is_refused_and_the_call_goes_on() {
    if !in_own_network("sipp::a_fax_is_refused_and_the_call_goes_on") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    let key = key();
    Run::one("t38", &caller(), key).pass(daemon.sip);
    assert_eq!(daemon.wait_tickets(1, Duration::from_secs(10))[0]["keys"], key.to_string());
}

/// ATTACKS 35: one more than the limit gets 503 with Retry-After, at once, and the running ones go on.
#[test]
fn one_call_too_many_is_told_when_to_come_back() {
    if !in_own_network("sipp::one_call_too_many_is_told_when_to_come_back") {
        return;
    }
    let daemon = Daemon::start(&Plan { edits: vec![("# max = 1000".into(), "max = 1".into())], ..Plan::default() });
    let (mut running, _kept) = Run::one("normal", &caller(), '3').spawn(daemon.sip);
    daemon.wait_metric("jiesu_calls", 1.0);
    Run::one("full", &caller(), '1').pass(daemon.sip);
    assert_eq!(daemon.metric("jiesu_refused_total{reason=\"full\"}"), 1.0);
    assert!(running.wait().expect("our child").success(), "the running call was disturbed");
    daemon.wait_tickets(1, Duration::from_secs(10));
}
