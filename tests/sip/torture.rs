//! The messages of RFC 4475 and RFC 5118: every valid one is taken, every invalid one gets its code or silence.

use std::collections::BTreeMap;
use std::fs;

use bytes::Bytes;
use jiesu::sip::{Event, Framing, Message, check};

use crate::desk::{Desk, shared};
#[path = "../house/torture.rs"]
mod table;
use table::Verdict::{self, Code, Silence, Taken};
use table::{RFC4475, RFC5118};

/// What a fresh endpoint makes of the bytes.
fn verdict(bytes: &[u8]) -> Verdict {
    let mut desk = Desk::new();
    desk.gets(bytes);
    let read = Message::parse(Bytes::copy_from_slice(bytes), Framing::Datagram);
    let stray = desk.events.iter().any(|event| matches!(event, Event::Refused { why: "stray_response", .. }));
    let answered = desk.sent().pop();
    match (read, answered) {
        (_, None) if stray => Taken,
        (Ok(message), None) if message.method().is_some_and(|m| m.as_str() == "ACK") => Taken,
        (_, None) => Silence,
        (Ok(message), Some(_)) if check::request(&message).is_ok() => Taken,
        (_, Some(code)) => Code(code.parse().expect("requests are answered with codes")),
    }
}

fn run(folder: &str, ending: &str, wanted: &[(&str, Verdict, &str)]) {
    let Some(shared) = shared() else { return };
    let mut left: BTreeMap<String, Vec<u8>> = fs::read_dir(shared.join(folder))
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be listed").path())
        .map(|path| {
            (path.file_name().expect("a file").to_string_lossy().into_owned(), fs::read(&path).expect("readable"))
        })
        .collect();
    let mut wrong = Vec::new();
    for (name, want, section) in wanted {
        let bytes = left.remove(&format!("{name}{ending}")).unwrap_or_else(|| panic!("{name} is missing"));
        let got = verdict(&bytes);
        if got != *want {
            wrong.push(format!("{name} ({section}): {got:?} instead of {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(left.is_empty(), "files that the table does not know: {:?}", left.keys());
}

#[test]
fn rfc_4475() {
    run("rfc4475", ".dat", &RFC4475);
}

#[test]
fn rfc_5118() {
    run("rfc5118", "", &RFC5118);
}

fn file(name: &str) -> Option<Message> {
    let bytes = fs::read(shared()?.join(name)).expect("it is there");
    Some(Message::parse(bytes.into(), Framing::Datagram).expect("it can be read"))
}

#[test]
fn values_of_the_hard_ones() {
    let Some(wsinv) = file("rfc4475/wsinv.dat") else { return };
    assert_eq!(wsinv.cseq().map(|(number, _)| number), Some(9));
    assert_eq!(wsinv.to().expect("valid").tag(), Some(&b"1918181833n"[..]));
    assert_eq!(wsinv.list(jiesu::sip::Name::Via).count(), 3);
    let Some(semiuri) = file("rfc4475/semiuri.dat") else { return };
    assert_eq!(semiuri.request_uri().expect("valid").user, Some(&b"user;par=u%40example.net"[..]));
    let Some(mpart) = file("rfc4475/mpart01.dat") else { return };
    assert!(mpart.sdp().is_none(), "its parts are text and a signature");
    let Some(brackets) = file("rfc5118/port-ambiguous") else { return };
    assert_eq!(brackets.request_uri().expect("valid").port, None, "5070 is part of the address");
    let Some(port) = file("rfc5118/port-unambiguous") else { return };
    assert_eq!(port.request_uri().expect("valid").port, Some(5070));
    let Some(colons) = file("rfc5118/ipv6-bug-abnf-3-colons") else { return };
    let Some(correct) = file("rfc5118/ipv6-correct-abnf-2-colons") else { return };
    assert_eq!(colons.request_uri().expect("valid").ip(), correct.request_uri().expect("valid").ip());
}
