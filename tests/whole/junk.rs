//! What the open network sends: junk, nothing, connections that never speak. The service goes on, memory and logs stay
//! bounded, a control OPTIONS is answered in time.

use std::fs;
use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, in_own_network};
use crate::manners::options;

pub fn resident_kb(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("our child");
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux says so");
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number")
}

pub fn open_files(pid: u32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd")).expect("our child").count()
}

fn control(daemon: &Daemon) {
    let (code, _, took) = options(daemon.sip, Duration::from_secs(2)).expect("a control OPTIONS is answered");
    assert_eq!(code, 200);
    assert!(took < Duration::from_millis(200), "the control OPTIONS took {took:?}");
}

/// ATTACKS 10.
#[test]
fn junk_datagrams_are_silent_bounded_and_logged_once_a_minute() {
    if !in_own_network("junk::junk_datagrams_are_silent_bounded_and_logged_once_a_minute") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    control(&daemon);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let mut memory = Vec::new();
    for _ in 0..3 {
        for round in 0..500u64 {
            let mut junk: Vec<u8> = (0..65_507u64).map(|i| (draw(2) + i * 31 + round * 7) as u8).collect();
            // The kernel may refuse what it has no room for; that is one datagram less.
            let _ = socket.send_to(&junk, daemon.sip);
            let _ = socket.send_to(b"", daemon.sip);
            let _ = socket.send_to(b"\r\n\r\n", daemon.sip);
            junk.truncate(1 + draw(60) as usize);
            let _ = socket.send_to(&junk, daemon.sip);
        }
        control(&daemon);
        memory.push(resident_kb(daemon.pid()));
    }
    assert!(memory[2] as f64 <= memory[0] as f64 * 1.05, "memory grows with junk: {memory:?} kB");
    socket.set_nonblocking(true).expect("a socket option");
    assert!(socket.recv(&mut [0; 100]).is_err(), "junk was answered");
    let lines = daemon.log().lines().filter(|line| line.contains("127.0.0.1")).count();
    assert!(lines <= 12, "{lines} log lines for four kinds of junk:\n{}", daemon.log());
    Run::one("normal", "13800138000", '7').pass(daemon.sip);
    daemon.wait_tickets(1, Duration::from_secs(10));
}

/// ATTACKS 36: connections that are opened and say nothing, or half a message.
#[test]
fn ten_thousand_half_open_connections_leave_room_for_a_call() {
    if !in_own_network("junk::ten_thousand_half_open_connections_leave_room_for_a_call") {
        return;
    }
    raise_open_files();
    let daemon = Daemon::start(&Plan::default());
    let (before, files) = (resident_kb(daemon.pid()), open_files(daemon.pid()));
    let mut open = Vec::new();
    let start = Instant::now();
    let mut tried = 0;
    while tried < 10_000 && start.elapsed() < Duration::from_secs(60) {
        tried += 1;
        // Over the cap the daemon closes at once; the kernel may refuse while its queue is full.
        let Ok(mut stream) = TcpStream::connect_timeout(&daemon.tcp, Duration::from_secs(1)) else { continue };
        if tried % 2 == 0 {
            let _ = stream.write_all(b"INVITE sip:12345@");
        }
        open.push(stream);
    }
    assert_eq!(tried, 10_000, "connecting took too long");
    control(&daemon);
    let after = resident_kb(daemon.pid());
    assert!(after < before + 80_000, "{before} kB became {after} kB");
    // The cap for one address, as shipped, and what the daemon may open meanwhile.
    let more = open_files(daemon.pid()).saturating_sub(files);
    assert!(more <= 128 + 8, "{more} connections are held open for one address");
    Run::one("normal", "13800138000", '7').pass(daemon.sip);
    daemon.wait_tickets(1, Duration::from_secs(10));
    drop(open);
    control(&daemon);
    // One kind of thing, one line a minute (the minute may turn once).
    let lines = daemon.log().lines().filter(|line| line.contains("connection")).count();
    assert!(lines <= 8, "{lines} log lines about connections:\n{}", daemon.log());
}

/// The test itself holds 10,000 sockets. Any process may raise its own limit up to the hard one.
fn raise_open_files() {
    use std::process::Command;
    let pid = std::process::id().to_string();
    let raised = Command::new("prlimit").args(["--pid", &pid, "--nofile=10500:"]).status();
    assert!(raised.is_ok_and(|status| status.success()), "10,500 open files must be allowed (ulimit -Hn)");
}
