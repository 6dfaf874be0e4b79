//! Syntax: cases 1 to 10.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use bytes::Bytes;
use jiesu::sip::{Framing, Message};

use super::peer::{Ask, Peer, over_tcp};
use super::watch::Watch;
use crate::house::torture::{RFC4475, RFC5118, Verdict};
use crate::house::{Daemon, draw, in_own_network, shared, skip};

/// The codes that a damaged INVITE gets.
fn gets(daemon: &Daemon, damage: impl FnOnce(Ask) -> Ask, wanted: &[u16]) {
    let peer = Peer::new(daemon.sip);
    let invite = damage(peer.ask("INVITE"));
    let codes = peer.codes(&invite.text);
    assert_eq!(codes.len(), 1, "one answer and no more: {codes:?} to\n{:.2000}", invite.text);
    assert!(wanted.contains(&codes[0]), "{codes:?} instead of {wanted:?} to\n{:.2000}", invite.text);
}

/// What is harmless is taken: the INVITE (without SDP) is a call, which is given up again.
fn is_taken(daemon: &Daemon, damage: impl FnOnce(Ask) -> Ask) {
    let peer = Peer::new(daemon.sip);
    let invite = damage(peer.ask("INVITE"));
    let answer = peer.finally(&invite);
    assert_eq!(answer.code(), Some(200), "{}", invite.text);
    peer.bye(2, &invite, &answer);
}

/// Sends bytes that must not be answered.
fn silent(daemon: &Daemon, bytes: &[u8]) {
    let codes = Peer::new(daemon.sip).codes(bytes);
    assert!(codes.is_empty(), "{codes:?} to {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(100)]));
}

#[test]
fn cases_1_to_10() {
    if !in_own_network("syntax::cases_1_to_10") {
        return;
    }
    Watch::start(Vec::new()).three_times(|watch| {
        watch.case("case 1", |daemon| torture(daemon, "rfc4475", ".dat", &RFC4475));
        watch.case("case 2", |daemon| torture(daemon, "rfc5118", "", &RFC5118));
        watch.case("case 3", case_3);
        watch.case("case 4", case_4);
        watch.case("case 5", case_5);
        watch.case("case 6", case_6);
        watch.case("case 7", case_7);
        watch.case("case 8", case_8);
        watch.case("case 9", case_9);
        watch.case("case 10", case_10);
    });
}

/// Each file from a socket that its own Via makes the daemon answer to.
fn torture(daemon: &Daemon, folder: &str, ending: &str, files: &[(&str, Verdict, &str)]) {
    let Some(shared) = shared().map(|shared| shared.join("sip-torture")).filter(|folder| folder.is_dir()) else {
        return skip("no torture files");
    };
    let mut earlier: Vec<Vec<u8>> = Vec::new();
    for (name, verdict, section) in files {
        let bytes = fs::read(shared.join(folder).join(format!("{name}{ending}"))).expect("readable");
        let message = Message::parse(Bytes::from(bytes.clone()), Framing::Datagram).ok();
        let via = message.as_ref().and_then(|message| {
            let via = message.top_via()?;
            let any = if via.params.get("rport").is_some() { 0 } else { via.port.unwrap_or(5060) };
            Some(any)
        });
        let own = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), via.unwrap_or(5060));
        let peer = Peer::at(&own.to_string(), daemon.sip);
        peer.send(if *name == "badbranch" { bytes } else { renewed(&bytes) });
        let answers = peer.until_fence();
        // A call that an earlier file made on the same port repeats its 200 until its ACK.
        let new = |answer: &&Message| !earlier.iter().any(|call_id| call_id == answer.call_id());
        let codes: Vec<u16> = answers.iter().filter(new).filter_map(Message::code).collect();
        earlier.extend(answers.iter().map(|answer| answer.call_id().to_vec()));
        let method = message.as_ref().and_then(|message| message.method()).map(|method| method.as_str().to_owned());
        let good = match verdict {
            Verdict::Silence => codes.is_empty(),
            Verdict::Code(code) => codes == [*code],
            // A response to nothing of ours, and an ACK, are taken without a word.
            Verdict::Taken if method.as_deref().is_none_or(|method| method == "ACK") => codes.is_empty(),
            Verdict::Taken => !codes.is_empty() && codes.iter().all(|code| *code != 400 && *code < 600),
        };
        assert!(good, "{name} ({section}): {codes:?} instead of {verdict:?}");
    }
}

/// The same message as another transaction and call: it comes three times.
fn renewed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for after in [&b"z9hG4bK"[..], b"Call-ID: "] {
        if let Some(at) = bytes.windows(after.len()).position(|window| window == after) {
            let at = at + after.len();
            let at = at + bytes[at..].iter().take_while(|b| **b == b' ').count();
            bytes.splice(at..at, format!("{:x}", draw(u64::MAX)).into_bytes());
        }
    }
    bytes
}

/// NUL, bad UTF-8, numbers out of range, format strings.
fn case_3(daemon: &Daemon) {
    gets(daemon, |ask| ask.with("Subject: a\0b\r\n"), &[400]);
    gets(daemon, |ask| ask.instead("INVITE sip:12345@", "INVITE sip:12\x00345@"), &[400]);
    gets(daemon, |ask| ask.instead("\"x\"", "\"\0\""), &[400]);
    gets(daemon, |ask| ask.with("Expires: 99999999999999999999999\r\n"), &[400]);
    gets(daemon, |ask| ask.instead("Max-Forwards: 70", "Max-Forwards: 300"), &[400]);
    is_taken(daemon, |ask| ask.with("Subject: %s%n%x%99999999d\r\n").instead("\"x\"", "\"%s%n%n\""));
    let peer = Peer::new(daemon.sip);
    let invite = peer.ask("INVITE");
    let mut bytes = invite.text.clone().into_bytes();
    let name = invite.text.find("\"x\"").expect("the display name");
    bytes[name + 1] = 0xff;
    peer.send(&bytes);
    let answer = peer.final_answer(&invite.call_id);
    assert_eq!(answer.code(), Some(200), "a display name may be any bytes");
    peer.acknowledge(&invite, &answer);
    peer.bye(2, &invite, &answer);
    silent(daemon, Peer::new(daemon.sip).ask("IN\u{fffd}VITE").text.as_bytes());
}

/// Numbers of 40 digits, CSeq beyond 2^31.
fn case_4(daemon: &Daemon) {
    let (many, nines) = (format!("CSeq: {} ", "9".repeat(40)), "9".repeat(40));
    gets(daemon, |ask| ask.instead("CSeq: 1 ", "CSeq: 2147483648 "), &[400]);
    gets(daemon, |ask| ask.instead("CSeq: 1 ", &many), &[400]);
    gets(daemon, |ask| ask.instead(";rport", ";rport").instead("UDP 127.0.0.1:", "UDP 127.0.0.1:9"), &[400]);
    gets(daemon, |ask| ask.with(&format!("Expires: {nines}\r\n")), &[400]);
    gets(daemon, |ask| ask.with(&format!("Session-Expires: {nines}\r\n")), &[400]);
}

/// Lengths that are none, or not true; over TCP they end the connection.
fn case_5(daemon: &Daemon) {
    for bad in ["-1", "4294967297", "99999999999999999999", "1e3", "0x10", "5", ""] {
        gets(daemon, |ask| ask.with(&format!("Content-Length: {bad}\r\n")), &[400]);
    }
    for bad in ["-1", "4294967297", "99999999999999999999", "0x10"] {
        let text = Peer::new(daemon.sip).ask("OPTIONS").with(&format!("Content-Length: {bad}\r\n")).text;
        let (answer, closed) = over_tcp(daemon.tcp, text.as_bytes(), usize::MAX);
        assert!(closed && !answer.starts_with(b"SIP/2.0 200"), "{bad}: {}", String::from_utf8_lossy(&answer));
    }
}

/// Multipart without a part, without an end, of a thousand parts, nested; and a good one with SDP in it.
fn case_6(daemon: &Daemon) {
    let kind = "multipart/mixed;boundary=b";
    let sdp = "Content-Type: application/sdp\r\n\r\nv=0\r\n";
    let thousand = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(1000);
    let nested = "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n".repeat(200);
    for body in ["--b--", &format!("--b\r\n{sdp}"), &format!("{thousand}--b\r\n{sdp}\r\n--b--"), &nested] {
        gets(daemon, |ask| ask.body(kind, body), &[400, 415]);
    }
    let peer = Peer::new(daemon.sip);
    let part = super::peer::offer(peer.own);
    let body = format!(
        "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{part}\r\n--b--\r\n"
    );
    let invite = peer.ask("INVITE").body(kind, &body);
    let answer = peer.finally(&invite);
    assert_eq!((answer.code(), answer.sdp().is_some()), (Some(200), true));
    peer.bye(2, &invite, &answer);
}

/// Too much of everything; the answer is smaller than the question.
fn case_7(daemon: &Daemon) {
    let too_large = &[400, 513];
    gets(daemon, |ask| ask.with(&"Subject: 1\r\n".repeat(500)), too_large);
    gets(daemon, |ask| ask.with(&format!("Subject: {}\r\n", "x".repeat(64_000))), too_large);
    gets(daemon, |ask| ask.with(&"Via: SIP/2.0/UDP h;branch=z9hG4bKy\r\n".repeat(1000)), too_large);
    gets(daemon, |ask| ask.with(&format!("Route: {}\r\n", ["<sip:h>"; 1000].join(","))), too_large);
    let peer = Peer::new(daemon.sip);
    let ask = peer.ask("OPTIONS").with(&"Via: SIP/2.0/UDP h\r\n".repeat(1000));
    let answer = peer.finally(&ask);
    assert!(answer.bytes().len() < ask.text.len(), "an answer of {} bytes", answer.bytes().len());
}

fn case_8(daemon: &Daemon) {
    gets(daemon, |ask| ask.instead("Contact:", "X-Contact:"), &[400]);
    gets(daemon, |ask| ask.instead("Contact: <", "Contact: *\r\nX: <"), &[400]);
}

/// Two To headers, an empty tag, half an Authorization.
fn case_9(daemon: &Daemon) {
    gets(daemon, |ask| ask.with("To: <sip:b@h>\r\n"), &[400]);
    gets(daemon, |ask| ask.instead(">\r\nCall-ID", ">;tag=\r\nCall-ID"), &[400]);
    gets(daemon, |ask| ask.instead("To: <", "To: \r\nX: <"), &[400]);
    let peer = Peer::new(daemon.sip);
    let ask = peer.ask("OPTIONS").with("Authorization: Digest username=\r\n");
    let code = peer.finally(&ask).code();
    assert!(matches!(code, Some(200 | 400 | 401)), "half an Authorization: {code:?}");
}

/// Nothing, line breaks, junk; and the keep-alive of RFC 5626 on a connection.
fn case_10(daemon: &Daemon) {
    for junk in [Vec::new(), b"\r\n\r\n".to_vec(), vec![0; 65_507], (0..65_507).map(|_| draw(256) as u8).collect()] {
        silent(daemon, &junk);
    }
    assert_eq!(over_tcp(daemon.tcp, b"\r\n\r\n", 2), (b"\r\n".to_vec(), false));
}
