//! Flood: cases 34 to 36. Connections that say nothing (the rest of 36): `whole/junk.rs`.

use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiesu::sip::Name;

use super::peer::Peer;
use super::watch::{Watch, long_flow, resident_kb};
use crate::house::{Daemon, Plan, in_own_network, pause};

/// How many requests a second come from sources that no trunk lists.
const RATE: u64 = 10_000;

/// How long it is flooded: a slice in CI, the whole 90 s in `make soak`.
fn seconds() -> u64 {
    std::env::var("JIESU_FLOOD_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(10)
}

/// A stranger who sends as fast as [`RATE`], always with a new Call-ID, until told to stop.
fn flood(daemon: SocketAddr, from: &str, stop: Arc<AtomicBool>, sent: Arc<AtomicU64>) -> std::thread::JoinHandle<()> {
    let socket = UdpSocket::bind(from).expect("a port");
    let own = socket.local_addr().expect("bound");
    std::thread::spawn(move || {
        let start = Instant::now();
        let mut count = 0u64;
        while !stop.load(Ordering::Relaxed) {
            let due = start.elapsed().as_micros() as u64 * RATE / 1_000_000;
            while count < due {
                let method = ["OPTIONS", "REGISTER", "INVITE"][(count % 3) as usize];
                let text = format!(
                    "{method} sip:12345@{daemon} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{count:x}\r\n\
                     Max-Forwards: 70\r\nFrom: <sip:x@{own}>;tag={count:x}\r\nTo: <sip:12345@{daemon}>\r\n\
                     Call-ID: flood{count:x}@{own}\r\nCSeq: 1 {method}\r\nContact: <sip:x@{own}>\r\nContent-Length: 0\r\n\r\n"
                );
                // What the kernel does not take was not sent.
                if socket.send_to(text.as_bytes(), daemon).is_ok() {
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                count += 1;
            }
            // A millisecond's worth at a time.
            let (_keep, wait) = std::sync::mpsc::sync_channel::<()>(0);
            let _ = wait.recv_timeout(Duration::from_millis(1));
        }
    })
}

/// Case 34 (ES2021-06): strangers flood; a listed trunk places 20 calls a second, and all of them are answered.
#[test]
fn case_34_a_flood_of_strangers_does_not_reach_the_calls() {
    if !in_own_network("flood::case_34_a_flood_of_strangers_does_not_reach_the_calls") {
        return;
    }
    let watch = Watch::over(Plan { files: vec![long_flow()], ..Plan::default() });
    let daemon = &watch.daemon;
    let before = resident_kb(daemon.pid());
    let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let stranger = flood(daemon.sip, "192.0.2.9:0", stop.clone(), sent.clone());
    let (start, mut calls, mut good) = (Instant::now(), 0u64, 0u64);
    while start.elapsed() < Duration::from_secs(seconds()) {
        if calls < start.elapsed().as_millis() as u64 / 50 {
            calls += 1;
            good += u64::from(call(daemon));
        } else {
            pause();
        }
    }
    stop.store(true, Ordering::Relaxed);
    stranger.join().expect("the flood ends");
    let sent = sent.load(Ordering::Relaxed);
    eprintln!("flood: {sent} requests in {:?}, {good} of {calls} calls, {before} kB before", start.elapsed());
    assert!(calls > 0 && good * 1000 >= calls * 999, "{good} of {calls} calls of the listed trunk were answered");
    // What was counted as a stranger's, and cost no more than that.
    daemon.wait_until("jiesu_refused_total{reason=\"unlisted\"}", |refused| refused > 0.0);
    let after = resident_kb(daemon.pid());
    assert!(after < before + 40_000, "{before} kB became {after} kB");
    let lines = daemon.log().lines().filter(|line| line.contains("unlisted")).count() as u64;
    assert!(lines <= 2 + seconds() / 60, "{lines} log lines about one flood");
}

/// One short call, repeated as RFC 3261 17.1.1.2 says when nothing comes.
fn call(daemon: &Daemon) -> bool {
    let peer = Peer::new(daemon.sip);
    let invite = peer.invite(peer.own);
    let mut wait = Duration::from_millis(500);
    for _ in 0..6 {
        peer.send(&invite.text);
        let start = Instant::now();
        while start.elapsed() < wait {
            let Some(message) = peer.next(Duration::from_millis(20)) else { continue };
            match message.code() {
                Some(200) => {
                    peer.acknowledge(&invite, &message);
                    peer.send(peer.inside("BYE", 2, &invite, &message));
                    return true;
                }
                Some(code) if code > 200 => return false,
                _ => {}
            }
        }
        wait *= 2;
    }
    false
}

/// Case 35: over the limit 503 with Retry-After at once, also to OPTIONS; the running calls go on; one line says what
/// to change; a place that is given back is taken again.
#[test]
fn case_35_one_more_than_the_limit() {
    if !in_own_network("flood::case_35_one_more_than_the_limit") {
        return;
    }
    let mut watch = Watch::start(vec![("# max = 1000".into(), "max = 2".into())]);
    let peer = Peer::new(watch.daemon.sip);
    let invite = peer.invite(peer.own);
    let second = peer.finally(&invite);
    assert_eq!(second.code(), Some(200));
    for _ in 0..20 {
        let peer = Peer::new(watch.daemon.sip);
        let refused = peer.finally(&peer.invite(peer.own));
        assert_eq!((refused.code(), refused.header(Name::RetryAfter)), (Some(503), Some(&b"10"[..])));
        let options = peer.finally(&peer.ask("OPTIONS"));
        assert_eq!((options.code(), options.header(Name::RetryAfter)), (Some(503), Some(&b"10"[..])));
    }
    // A peer that understands RFC 7339 is told which share to keep back, once a second has shown it.
    let told = || {
        let asks = peer.ask("OPTIONS").instead(";rport", ";rport;oc;oc-algo=\"loss\"");
        let via = String::from_utf8_lossy(peer.finally(&asks).header(Name::Via).expect("Via")).into_owned();
        via.split(";oc=").nth(1).and_then(|rest| rest.split(';').next()?.parse::<u32>().ok()).expect("feedback")
    };
    let start = Instant::now();
    while told() < 20 {
        assert!(start.elapsed() < super::peer::PATIENCE, "20 of 22 calls were refused and nobody is told");
        pause();
    }
    assert_eq!(watch.daemon.metric("jiesu_refused_total{reason=\"full\",trunk=\"local\"}"), 20.0);
    let log = watch.daemon.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("reason=\"full\"")).collect();
    assert!((1..=2).contains(&lines.len()) && lines[0].contains("calls.max"), "{lines:?}");
    assert_eq!(peer.codes_inside("OPTIONS", 2, &invite, &second), [200], "the running call was disturbed");
    peer.bye(3, &invite, &second);
    let start = Instant::now();
    while peer.finally(&peer.ask("OPTIONS")).code() != Some(200) {
        assert!(start.elapsed() < super::peer::PATIENCE, "the place was not given back");
        pause();
    }
    watch.case("case 35", |_| {});
}

/// One address of a trunk that asks too much: the rest is not even read, and its running call goes on.
#[test]
fn case_34_one_source_asks_no_more_than_its_rate() {
    if !in_own_network("flood::case_34_one_source_asks_no_more_than_its_rate") {
        return;
    }
    let mut watch = Watch::start(vec![("# source_rate = 50000".into(), "source_rate = 200".into())]);
    let loud = Peer::at("127.0.0.2:0", watch.daemon.sip);
    let invite = loud.invite(loud.own);
    let answer = loud.finally(&invite);
    let start = Instant::now();
    for _ in 0..2000 {
        loud.send(loud.ask("OPTIONS").text);
    }
    // The BYE is no new work.
    loud.bye(2, &invite, &answer);
    Peer::new(watch.daemon.sip).until_fence();
    let most = 200 + (start.elapsed().as_secs_f64() * 200.0) as usize + 1;
    let answered = std::iter::from_fn(|| loud.next(Duration::from_millis(50))).count();
    assert!(answered <= most, "{answered} answers, {most} at most");
    let refused = watch.daemon.metric("jiesu_refused_total{reason=\"source_rate\",trunk=\"local\"}");
    assert!(refused > 0.0 && watch.daemon.log().contains("sip.source_rate"), "{refused} refused");
    watch.case("case 34, one source", |_| {});
}

/// Case 36: connections that are reset in mid INVITE, and one that says a byte at a time.
#[test]
fn case_36_resets_and_slow_talkers() {
    if !in_own_network("flood::case_36_resets_and_slow_talkers") {
        return;
    }
    Watch::start(Vec::new()).three_times(|watch| {
        watch.case("case 36", |daemon| {
            let peer = Peer::new(daemon.sip);
            for i in 0..200 {
                let mut stream = TcpStream::connect(daemon.tcp).expect("it listens");
                // Whole ones are calls, which live until their ACK is 32 s late: a few.
                let text = peer.invite(peer.own).text.replace("SIP/2.0/UDP", "SIP/2.0/TCP");
                let length = if i % 100 == 0 { text.len() } else { text.len() / 2 };
                let _ = stream.write_all(&text.as_bytes()[..length]);
                // No lingering: closing sends RST.
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket option");
            }
            let mut slow: Vec<TcpStream> =
                (0..50).map(|_| TcpStream::connect(daemon.tcp).expect("it listens")).collect();
            for byte in b"INVITE sip:1" {
                for stream in &mut slow {
                    let _ = stream.write_all(&[*byte]);
                }
                pause();
            }
        });
    });
}
