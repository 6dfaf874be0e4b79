//! A ticket's number is spoken only after it is on the disk. SIGKILL does not test that (the page cache survives), so
//! the system calls are watched: data sync behind the write that holds the number, then its first RTP packet.

use std::fs;
use std::time::Duration;

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, in_own_network, root};
use crate::kill::{QUICK, speech};

/// Hexadecimal as `strace -xx` prints it.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("\\x{b:02x}")).collect()
}

/// A ticket's number as the store keeps it: the day and six digits of serial, without the check digit.
fn key(number: &str) -> u64 {
    let (day, serial) = number.split_at(6);
    let [day, serial] = [day, &serial[..serial.len() - 1]].map(|n| n.parse::<u64>().expect("digits"));
    day * 1_000_000 + serial
}

/// Parts from the middle of a digit's prompt, as they go out: loud enough to be unique, two in case that a packet ends
/// inside one.
fn parts(id: &str) -> [String; 2] {
    let bytes = fs::read(root().join(format!("config/prompts/{id}.wav"))).expect("a shipped prompt");
    let pcm = jiesu::audio::wav::read(&bytes).expect("a WAV").to_8k();
    let alaw: Vec<u8> = pcm.iter().map(|s| jiesu::audio::g711::alaw_encode(*s)).collect();
    let middle = alaw.len() / 2;
    [hex(&alaw[middle..middle + 40]), hex(&alaw[middle + 40..middle + 80])]
}

#[test]
fn the_number_is_spoken_after_the_data_sync() {
    if !in_own_network("durability::the_number_is_spoken_after_the_data_sync") {
        return;
    }
    let trace = tempfile::tempdir().expect("a temporary folder");
    let file = trace.path().join("trace");
    let calls = "trace=pwrite64,write,fdatasync,fsync,sendto,sendmsg,sendmmsg";
    let under = ["strace", "-f", "-qq", "-y", "-xx", "-s", "5000", "-e", calls, "-o", &file.display().to_string()];
    let plan = Plan {
        files: vec![("flows/main.toml".into(), QUICK.into())],
        under: under.iter().map(|word| (*word).to_owned()).collect(),
        ..Plan::default()
    };
    let daemon = Daemon::start(&plan);
    Run { speech: speech(), ..Run::one("speak", "13800138000", '1') }.pass(daemon.sip);
    let ticket = &daemon.wait_tickets(1, Duration::from_secs(20))[0];
    let number = ticket["number"].as_str().expect("a number").to_owned();
    daemon.stop(Duration::from_secs(30));

    let text = fs::read_to_string(&file).expect("strace wrote it");
    // `-xx` writes paths in hexadecimal too. A line begins with its thread, and stands where the call began; one that
    // another thread interrupts has its result in a second line.
    let lines: Vec<&str> = text.lines().collect();
    let log = format!("{}>", hex(b"-wal"));
    let written = hex(&key(&number).to_be_bytes()[2..]);
    let holds = |line: &str| line.contains(&log) && line.contains(&written);
    let write = lines.iter().position(|line| holds(line)).expect("the ticket's number was written to the log");
    let thread = lines[write].split(' ').next().expect("a thread");
    let own = lines.iter().enumerate().skip(write).filter(|(_, line)| line.split(' ').next() == Some(thread));
    let synced = |line: &str| {
        line.contains("sync") && (line.contains(&log) || line.contains("resumed>")) && line.ends_with("= 0")
    };
    let sync = own.map(|(at, line)| (at, *line)).find(|(_, line)| synced(line)).expect("a data sync follows").0;
    let digit = format!("digit-{}", &number[..1]);
    let spoken = parts(&digit);
    let first = lines.iter().position(|line| line.contains("send") && spoken.iter().any(|part| line.contains(part)));
    let first = first.unwrap_or_else(|| panic!("the first digit of {number} was not sent"));
    assert!(write < sync && sync < first, "written at line {write}, synced at {sync}, spoken at {first}");
}
