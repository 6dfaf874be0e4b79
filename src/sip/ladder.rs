//! A call's messages as a ladder: who sent what when, readable in a terminal, masked unless somebody asks.
//!
//! Refuses nothing: messages that cannot be read belong to no call and are never here.

use std::fmt::Write as _;
use std::net::SocketAddr;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::endpoint::Transport;
use super::message::{Framing, Message};
use super::name::Name;

/// From the peer to us, or from us to the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
}

/// One message as it passed.
#[derive(Debug, Clone)]
pub struct Passed {
    pub at: Timestamp,
    pub way: Way,
    pub transport: Transport,
    pub peer: SocketAddr,
    /// The message, or its beginning.
    pub bytes: Bytes,
}

/// How a ladder is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drawn {
    /// Every message in full under its line.
    pub full: bool,
    /// Telephone numbers whole, and bodies other than SDP shown.
    pub numbers: bool,
}

/// The messages of one Call-ID as text, the oldest first; empty where there is none.
pub fn draw(passed: &[Passed], call_id: &[u8], drawn: Drawn, zone: &TimeZone) -> String {
    let mut text = String::new();
    let mut first = None;
    for one in passed {
        let Ok(message) = Message::parse(one.bytes.clone(), Framing::Datagram) else { continue };
        if message.call_id() != call_id {
            continue;
        }
        let began = *first.get_or_insert_with(|| {
            let shown = masked(&String::from_utf8_lossy(call_id), drawn.numbers);
            let day = zone.to_datetime(one.at).strftime("%Y-%m-%d").to_string();
            text.push_str(&format!("Call-ID {shown}, {day}\n"));
            one.at
        });
        line(&mut text, one, &message, began, drawn, zone);
        if drawn.full {
            whole(&mut text, one, drawn.numbers);
        }
    }
    text
}

fn line(text: &mut String, one: &Passed, message: &Message, began: Timestamp, drawn: Drawn, zone: &TimeZone) {
    let clock = zone.to_datetime(one.at).strftime("%H:%M:%S%.3f");
    let since = (one.at.as_millisecond() - began.as_millisecond()).max(0);
    let peer = format!("{} {}", one.peer, one.transport.as_str());
    let arrow = match one.way {
        Way::In => "──▶",
        Way::Out => "◀──",
    };
    let number = message.cseq().map(|(number, method)| format!("{number} {}", method.as_str())).unwrap_or_default();
    let what = match (message.method(), message.code()) {
        (Some(method), _) => {
            let uri = String::from_utf8_lossy(message.request_uri_bytes()).into_owned();
            format!("{} {} (CSeq {number})", method.as_str(), masked(&uri, drawn.numbers))
        }
        (None, Some(code)) => format!("{code} {} (CSeq {number})", String::from_utf8_lossy(message.reason())),
        (None, None) => String::new(),
    };
    let sdp = if message.header(Name::ContentType).is_some_and(|kind| kind.ends_with(b"/sdp")) { " + SDP" } else { "" };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{clock} {since:>7} ms  {peer:<28} {arrow} jiesu  {what}{sdp}");
}

/// The message's lines, indented.
fn whole(text: &mut String, one: &Passed, numbers: bool) {
    let written = String::from_utf8_lossy(&one.bytes).into_owned();
    let (head, body) = written.split_once("\r\n\r\n").unwrap_or((&written, ""));
    for header in head.lines() {
        let header = if is_secret(header) { header.split(':').next().map(|name| format!("{name}: ***")) } else { None }
            .unwrap_or_else(|| masked(header, numbers));
        let _ = writeln!(text, "    {header}");
    }
    if body.starts_with("v=0") || numbers {
        body.lines().for_each(|line| {
            let _ = writeln!(text, "    | {line}");
        });
    } else if !body.is_empty() {
        let _ = writeln!(text, "    | ({} bytes that are shown with the numbers only)", body.len());
    }
    text.push('\n');
}

/// Digests help to guess a password.
fn is_secret(header: &str) -> bool {
    let name = header.split(':').next().unwrap_or_default().trim();
    name.eq_ignore_ascii_case("Authorization") || name.eq_ignore_ascii_case("Proxy-Authorization")
}

/// Runs of more than seven digits keep their first three and last four ([`crate::id::Masked`]'s rule), wherever they
/// stand: a number in a tag or Call-ID is a number too.
fn masked(text: &str, numbers: bool) -> String {
    if numbers {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits > 7 {
            out.push_str(&rest[..3]);
            out.extend(std::iter::repeat_n('*', digits - 7));
            out.push_str(&rest[digits - 4..digits]);
        } else {
            out.push_str(&rest[..digits]);
        }
        rest = &rest[digits..];
        let others = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        out.push_str(&rest[..others]);
        rest = &rest[others..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passed(way: Way, millis: i64, text: &str) -> Passed {
        Passed {
            at: Timestamp::from_millisecond(1_700_000_000_000 + millis).expect("in range"),
            way,
            transport: Transport::Udp,
            peer: "192.0.2.9:5060".parse().expect("an address"),
            bytes: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    fn call() -> Vec<Passed> {
        let common =
            "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKa\r\nFrom: <sip:13812345678@h>;tag=1\r\nTo: <sip:12345@h>\r\n";
        let invite = format!(
            "INVITE sip:12345@h SIP/2.0\r\n{common}Call-ID: 13812345678-a\r\nCSeq: 1 INVITE\r\n\
             Authorization: Digest response=\"abc\"\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"
        );
        let trying = format!("SIP/2.0 100 Trying\r\n{common}Call-ID: 13812345678-a\r\nCSeq: 1 INVITE\r\n\r\n");
        let info =
            format!("INFO sip:12345@h SIP/2.0\r\n{common}Call-ID: 13812345678-a\r\nCSeq: 2 INFO\r\n\r\nSignal=7\r\n");
        vec![
            passed(Way::In, 0, &invite),
            passed(Way::In, 3, &invite.replace("-a", "-other")),
            passed(Way::Out, 5, &trying),
            passed(Way::In, 900, &info),
        ]
    }

    #[test]
    fn a_ladder_of_one_call_without_numbers_or_keys() {
        let text = draw(&call(), b"13812345678-a", Drawn { full: true, numbers: false }, &TimeZone::UTC);
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("jiesu ")).collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(
            lines[0],
            "22:13:20.000       0 ms  192.0.2.9:5060 UDP           ──▶ jiesu  INVITE sip:12345@h (CSeq 1 INVITE) + SDP"
        );
        assert!(lines[1].contains("5 ms") && lines[1].contains("◀── jiesu  100 Trying"), "{text}");
        assert!(text.contains("138****5678") && !text.contains("13812345678"), "{text}");
        assert!(!text.contains("Signal=7") && !text.contains("abc"), "{text}");
        let asked = draw(&call(), b"13812345678-a", Drawn { full: true, numbers: true }, &TimeZone::UTC);
        assert!(asked.contains("13812345678") && asked.contains("Signal=7") && !asked.contains("abc"), "{asked}");
        assert_eq!(draw(&call(), b"nobody", Drawn::default(), &TimeZone::UTC), "");
    }

    proptest! {
        #[test]
        fn no_number_is_left(text in "[a-z0-9é:@]{0,60}") {
            let text = masked(&text, false);
            prop_assert!(!text.as_bytes().windows(8).any(|run| run.iter().all(u8::is_ascii_digit)));
        }
    }
}
