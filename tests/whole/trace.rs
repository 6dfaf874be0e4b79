//! `jiesu trace`: the ladder of a call that was just made.

use std::time::Duration;

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, in_own_network};

#[test]
fn a_recent_call_is_shown_as_a_ladder_with_its_number_masked() {
    if !in_own_network("trace::a_recent_call_is_shown_as_a_ladder_with_its_number_masked") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    let caller = format!("138{:08}", draw(100_000_000));
    Run::one("normal", &caller, '7').pass(daemon.sip);
    let call = daemon.wait_tickets(1, Duration::from_secs(10))[0]["call"].as_str().expect("a name").to_owned();
    let at = daemon.web.to_string();
    let trace = |more: &[&str]| {
        let words: Vec<&str> = ["trace", "--at", &at].iter().chain(more).copied().collect();
        let out = daemon.cli(&words);
        (out.status.code(), String::from_utf8(out.stdout).expect("UTF-8"))
    };
    let (code, ladder) = trace(&[&call]);
    assert_eq!(code, Some(0), "{ladder}");
    let steps: Vec<&str> = ladder.lines().filter_map(|line| line.split("jiesu  ").nth(1)?.split(' ').next()).collect();
    assert_eq!(steps, ["INVITE", "100", "200", "ACK", "BYE", "200"], "{ladder}");
    let (_, full) = trace(&[&call, "--full"]);
    let shown = format!("{}****{}", &caller[..3], &caller[7..]);
    assert!(full.contains(&shown) && !full.contains(&caller), "{full}");
    let (_, whole) = trace(&[&call, "--full", "--numbers"]);
    assert!(whole.contains(&caller) && daemon.log().contains("whole numbers"), "{whole}");
    let call_id = whole.lines().find_map(|line| line.strip_prefix("Call-ID ")?.split(',').next()).expect("its Call-ID");
    assert_eq!(trace(&[call_id, "--numbers"]).1.lines().count(), steps.len() + 1, "the same by its Call-ID");
    assert_eq!(trace(&["nobody"]), (Some(1), String::new()));
}
