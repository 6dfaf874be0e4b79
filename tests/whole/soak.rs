//! Many short calls one after the other: descriptors, threads and memory stay, no table keeps anything.
//!
//! `JIESU_CALLS` says how many (a slice of five minutes by default; `make soak` 200,000).

use std::fs;
use std::time::Duration;

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, in_own_network};
use crate::junk::{open_files, resident_kb};

/// Calls a second: far below what the daemon can do, so that a noisy machine is no reason to fail.
const RATE: usize = 80;
const MINUTES: usize = 5;
/// Runs of the same length. The first fills what is filled once: pages of SQLite, the allocator's arenas.
const PARTS: usize = 4;

fn threads(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/task")).expect("our child").count()
}

#[test]
fn many_calls_leave_nothing_behind() {
    if !in_own_network("soak::many_calls_leave_nothing_behind") {
        return;
    }
    let calls: usize = std::env::var("JIESU_CALLS").ok().and_then(|n| n.parse().ok()).unwrap_or(RATE * 60 * MINUTES);
    let plan = Plan { edits: vec![("# port_rest = \"10s\"".into(), "port_rest = \"1s\"".into())], ..Plan::default() };
    let daemon = Daemon::start(&plan);
    Run::one("normal", "13800138000", '7').pass(daemon.sip);
    let tickets = daemon.wait_tickets(1, Duration::from_secs(10));
    let pid = daemon.pid();
    let (files, before) = (open_files(pid), threads(pid));
    let mut memory = Vec::new();
    for _ in 0..PARTS {
        let calls = calls / PARTS;
        let limit = (calls / RATE + 60).to_string();
        let run = Run {
            calls,
            rate: RATE,
            fields: (0..50).map(|_| format!("13{:09}", draw(1_000_000_000))).collect(),
            more: vec!["-timeout", &limit],
            ..Run::one("bare", "", '1')
        };
        run.pass(daemon.sip);
        for gauge in ["jiesu_calls", "jiesu_sip_dialogs"] {
            daemon.wait_metric(gauge, 0.0);
        }
        memory.push(resident_kb(pid));
    }
    println!("{calls} calls: {memory:?} kB, {files} descriptors and {before} threads before");
    assert!(memory[PARTS - 1] as f64 <= memory[1] as f64 * 1.05, "memory grows with calls: {memory:?} kB");
    // SQLite opens a reader now and then.
    let (files_now, now) = (open_files(pid), threads(pid));
    assert!(files_now <= files + 8, "{files} descriptors became {files_now}");
    assert!(now <= before + 8, "{before} threads became {now}");
    assert_eq!(daemon.tickets(), tickets, "who says nothing gets no ticket");
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}
