//! Case 36 over TLS: handshakes that stay half, bytes that are no TLS, resets, renegotiation, connections that say nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConnection;

use super::peer::PATIENCE;
use super::watch::{Watch, long_flow};
use crate::house::certificates::Authority;
use crate::house::secured::{Line, listening};
use crate::house::{Daemon, draw, has, in_own_network, pause, skip};

/// Of handshakes under way, in the daemon of these cases.
const HANDSHAKES: usize = 20;

#[test]
fn case_36_over_tls() {
    if !in_own_network("tls::case_36_over_tls") {
        return;
    }
    let us = Authority::new("us");
    let mut plan = listening(&us.sign("127.0.0.1"));
    plan.files.push(long_flow());
    plan.edits.push(("# tcp_message = \"10s\"".into(), "tcp_message = \"1s\"".into()));
    plan.edits.push(("# handshakes = 256".into(), format!("handshakes = {HANDSHAKES}")));
    Watch::over(plan).three_times(|watch| {
        watch.case("plain text", |daemon| plain_text(daemon, &us));
        watch.case("junk", |daemon| junk(daemon, &us));
        watch.case("half handshakes", |daemon| half_handshakes(daemon, &us));
        watch.case("a byte at a time", |daemon| a_byte_at_a_time(daemon, &us));
        watch.case("resets", |daemon| resets(daemon, &us));
        watch.case("silence and half messages", |daemon| silence_and_half_messages(daemon, &us));
        watch.case("no end of a head", |daemon| no_end_of_a_head(daemon, &us));
        watch.case("renegotiation", renegotiation);
    });
}

fn at(daemon: &Daemon) -> SocketAddr {
    daemon.tls.expect("it listens for TLS")
}

fn connect(daemon: &Daemon) -> TcpStream {
    let stream = TcpStream::connect(at(daemon)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    stream
}

/// Whoever is good is served.
fn serves(daemon: &Daemon, us: &Authority) {
    let served = Line::open(at(daemon), us.client(None)).and_then(|mut line| line.code("OPTIONS"));
    assert_eq!(served.expect("a good peer is served"), 200);
}

fn refused(daemon: &Daemon, reason: &str) -> f64 {
    daemon.metric(&format!("jiesu_refused_total{{reason=\"{reason}\"}}"))
}

/// Everything until the daemon closes, which it must.
fn until_closed(mut stream: &TcpStream) -> Vec<u8> {
    let (start, mut all, mut buffer) = (Instant::now(), Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut buffer) {
            Ok(length) if length > 0 => all.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("it was not closed"),
            Ok(_) | Err(_) => return all,
        }
        assert!(start.elapsed() < PATIENCE, "it is not closed");
    }
}

/// SIP on the wrong port: closed with a TLS alert at most, never read.
fn plain_text(daemon: &Daemon, us: &Authority) {
    let before = refused(daemon, "tls_plain");
    let mut stream = connect(daemon);
    let text = b"OPTIONS sip:12345@127.0.0.1 SIP/2.0\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(text).expect("it was accepted");
    let answer = until_closed(&stream);
    assert!(answer.is_empty() || answer[0] == 0x15, "{}", String::from_utf8_lossy(&answer));
    daemon.wait_until("jiesu_refused_total{reason=\"tls_plain\"}", |count| count > before);
    serves(daemon, us);
}

/// The start of a record of any kind, and any bytes after it.
fn junk(daemon: &Daemon, us: &Authority) {
    for _ in 0..100 {
        let mut stream = connect(daemon);
        let mut bytes: Vec<u8> = (0..draw(600)).map(|_| draw(256) as u8).collect();
        if draw(2) == 0 {
            let length = (bytes.len() as u16).to_be_bytes();
            bytes.splice(..0, [0x14 + draw(5) as u8, 3, draw(5) as u8, length[0], length[1]]);
        }
        // It may close before it has read everything.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        until_closed(&stream);
    }
    serves(daemon, us);
}

/// The first bytes of a good handshake.
fn hello(us: &Authority) -> Vec<u8> {
    let config = Arc::new(us.client(None));
    let name = std::net::IpAddr::from([127, 0, 0, 1]).into();
    let mut connection = ClientConnection::new(config, name).expect("a client");
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).expect("memory");
    bytes
}

/// More half handshakes than places: those over it are turned away, the others' time runs out, and then there is room.
fn half_handshakes(daemon: &Daemon, us: &Authority) {
    let (busy, slow) = (refused(daemon, "tls_busy"), refused(daemon, "tls_slow"));
    let hello = hello(us);
    let half = |n: usize| &hello[..if n.is_multiple_of(2) { hello.len() / 2 } else { 1 }];
    let streams: Vec<TcpStream> = (0..3 * HANDSHAKES)
        .map(|n| {
            let mut stream = connect(daemon);
            let _ = stream.write_all(half(n)); // it may have been turned away
            stream
        })
        .collect();
    streams.iter().for_each(|stream| drop(until_closed(stream)));
    let all = 3.0 * HANDSHAKES as f64;
    let both = || refused(daemon, "tls_busy") - busy + refused(daemon, "tls_slow") - slow;
    let start = Instant::now();
    while both() < all {
        assert!(start.elapsed() < PATIENCE, "{} of {all} were counted", both());
        pause();
    }
    assert!(refused(daemon, "tls_busy") > busy, "no limit was met");
    assert!(refused(daemon, "tls_slow") > slow, "no time ran out");
    serves(daemon, us);
}

/// One that goes on for ever has no more time than any other.
fn a_byte_at_a_time(daemon: &Daemon, us: &Authority) {
    let mut stream = connect(daemon);
    let start = Instant::now();
    for byte in hello(us) {
        if stream.write_all(&[byte]).is_err() {
            break;
        }
        (0..2).for_each(|_| pause());
    }
    assert!(!until_closed(&stream).starts_with(&[0x16]), "the handshake went on after {:?}", start.elapsed());
    serves(daemon, us);
}

/// RST in the handshake, and after it in mid INVITE.
fn resets(daemon: &Daemon, us: &Authority) {
    let hello = hello(us);
    for n in 0..50 {
        let mut stream = connect(daemon);
        let _ = stream.write_all(&hello[..(n * hello.len() / 50)]);
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a socket option");
    }
    for _ in 0..10 {
        // All places may still be taken for a moment.
        let Ok(mut line) = Line::open(at(daemon), us.client(None)) else { continue };
        let text = line.ask("INVITE");
        line.send(&text[..text.len() / 2]);
        line.reset();
    }
    serves(daemon, us);
}

/// After a good handshake the rules of TCP hold.
fn silence_and_half_messages(daemon: &Daemon, us: &Authority) {
    let (silent, half) = (refused(daemon, "tcp_silent"), refused(daemon, "tcp_half_message"));
    let mut nothing = Line::open(at(daemon), us.client(None)).expect("a good handshake");
    let mut some = Line::open(at(daemon), us.client(None)).expect("a good handshake");
    some.send("OPTIONS sip:12345@127.0.0.1 SIP/2.0\r\nVia: ");
    assert!(nothing.next().is_err() && some.next().is_err(), "they were answered");
    daemon.wait_until("jiesu_refused_total{reason=\"tcp_silent\"}", |count| count > silent);
    daemon.wait_until("jiesu_refused_total{reason=\"tcp_half_message\"}", |count| count > half);
}

fn no_end_of_a_head(daemon: &Daemon, us: &Authority) {
    let before = refused(daemon, "tcp_unframed");
    let mut line = Line::open(at(daemon), us.client(None)).expect("a good handshake");
    line.send("OPTIONS sip:12345@127.0.0.1 SIP/2.0\r\n");
    for _ in 0..64 {
        line.send(&format!("X: {}\r\n", "x".repeat(4000)));
    }
    assert!(line.next().is_err(), "it was answered");
    daemon.wait_until("jiesu_refused_total{reason=\"tcp_unframed\"}", |count| count > before);
}

/// A peer of TLS 1.2 that wants to begin anew (CVE-2009-3555, CVE-2011-1473): refused, once and again.
fn renegotiation(daemon: &Daemon) {
    if !has("openssl") {
        return skip("openssl is not installed");
    }
    let mut child = Command::new("openssl")
        .args(["s_client", "-tls1_2", "-connect", &at(daemon).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("openssl runs");
    let mut stdin = child.stdin.take().expect("piped");
    for _ in 0..20 {
        // It ends when it is refused.
        let _ = stdin.write_all(b"R\n");
    }
    // Nothing that it sends then is a message, so the daemon closes.
    let out = child.wait_with_output().expect("our child");
    drop(stdin);
    assert!(!daemon.log().contains("NoRenegotiation"), "what a peer does is told once a minute, in our words");
    let said = String::from_utf8_lossy(&out.stderr);
    let after = said.split("RENEGOTIATING").nth(1).unwrap_or_else(|| panic!("it was not tried: {said}"));
    // A handshake shows a certificate.
    assert!(!after.contains("depth=0"), "{said}");
}
