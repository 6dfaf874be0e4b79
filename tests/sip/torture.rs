//! The messages of RFC 4475 and RFC 5118: every valid one is taken, every invalid one gets its code or silence.

use std::collections::BTreeMap;
use std::fs;

use bytes::Bytes;
use jiesu::sip::{Event, Framing, Message, check};

use crate::desk::{Desk, shared};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Fit to be looked at: a call, an answer, or a method that we refuse for its own sake.
    Taken,
    Code(u16),
    /// Not a byte is answered.
    Silence,
}

use Verdict::{Code, Silence, Taken};

/// File, what becomes of it, and the section of the RFC.
const RFC4475: [(&str, Verdict, &str); 49] = [
    ("wsinv", Taken, "3.1.1.1"),
    ("intmeth", Taken, "3.1.1.2"),
    ("esc01", Taken, "3.1.1.3"),
    ("escnull", Taken, "3.1.1.4"),
    ("esc02", Taken, "3.1.1.5"),
    ("lwsdisp", Taken, "3.1.1.6"),
    ("longreq", Taken, "3.1.1.7"),
    ("dblreq", Taken, "3.1.1.8"),
    ("semiuri", Taken, "3.1.1.9"),
    ("transports", Taken, "3.1.1.10"),
    ("mpart01", Taken, "3.1.1.11"),
    ("unreason", Taken, "3.1.1.12"),
    ("noreason", Taken, "3.1.1.13"),
    ("badinv01", Code(400), "3.1.2.1"),
    ("clerr", Code(400), "3.1.2.2"),
    ("ncl", Code(400), "3.1.2.3"),
    ("scalar02", Code(400), "3.1.2.4"),
    ("scalarlg", Silence, "3.1.2.5"),
    ("quotbal", Code(400), "3.1.2.6"),
    ("ltgtruri", Code(400), "3.1.2.7"),
    ("lwsruri", Code(400), "3.1.2.8"),
    ("lwsstart", Code(400), "3.1.2.9"),
    ("trws", Taken, "3.1.2.10: may be taken; blanks at the end of a line are harmless"),
    ("escruri", Code(400), "3.1.2.11"),
    ("baddate", Taken, "3.1.2.12: may be taken; we do not read Date"),
    ("regbadct", Code(400), "3.1.2.13"),
    ("badaspec", Taken, "3.1.2.14: may be taken; the blanks are outside the URI"),
    ("baddn", Code(400), "3.1.2.15"),
    ("badvers", Code(505), "3.1.2.16"),
    ("mismatch01", Code(400), "3.1.2.17"),
    ("mismatch02", Code(400), "3.1.2.18: 501 or 400"),
    ("bigcode", Silence, "3.1.2.19"),
    ("badbranch", Taken, "3.2.1"),
    ("insuf", Code(400), "3.3.1"),
    ("unkscm", Code(416), "3.3.2"),
    ("novelsc", Code(416), "3.3.3"),
    ("unksm2", Taken, "3.3.4"),
    ("bext01", Code(420), "3.3.5"),
    ("invut", Code(415), "3.3.6"),
    ("regaut01", Taken, "3.3.7"),
    ("multi01", Code(400), "3.3.8"),
    ("mcl01", Code(400), "3.3.9"),
    ("bcast", Silence, "3.3.10"),
    ("zeromf", Taken, "3.3.11"),
    ("cparam01", Taken, "3.3.12"),
    ("cparam02", Taken, "3.3.13"),
    ("regescrt", Taken, "3.3.14"),
    ("sdp01", Taken, "3.3.15"),
    ("inv2543", Taken, "3.4.1"),
];

const RFC5118: [(&str, Verdict, &str); 12] = [
    ("ipv6-good", Taken, "4.1"),
    ("ipv6-bad", Code(400), "4.2"),
    ("port-ambiguous", Taken, "4.3"),
    ("port-unambiguous", Taken, "4.4"),
    ("via-received-param-with-delim", Taken, "4.5"),
    ("via-received-param-no-delim", Taken, "4.5"),
    ("ipv6-in-sdp", Taken, "4.6"),
    ("mult-ip-in-header", Taken, "4.7"),
    ("mult-ip-in-sdp", Taken, "4.8"),
    ("ipv4-mapped-ipv6", Taken, "4.9"),
    ("ipv6-bug-abnf-3-colons", Taken, "4.10"),
    ("ipv6-correct-abnf-2-colons", Taken, "4.10"),
];

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
