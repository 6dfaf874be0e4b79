//! Hostile syntax: cases 3 to 10 of ../shared/ATTACKS.md. After each one a plain OPTIONS must still be answered.

use jiesu::sip::stream::{Framer, Piece};
use jiesu::sip::{Event, Transport};

use crate::desk::{Desk, US, flow, invite, request, to_of};

/// What a fresh endpoint answers, if anything.
fn answer(bytes: impl AsRef<[u8]>) -> Option<u16> {
    let mut desk = Desk::new();
    desk.gets(bytes);
    let code = desk.sent.pop().and_then(|(_, message)| message.code());
    desk.gets(request("OPTIONS", 1, "control", US, ""));
    assert_eq!(desk.sent().pop().as_deref(), Some("200"), "service goes on");
    code
}

fn with(header: &str) -> Option<u16> {
    answer(request("INVITE", 1, "i", US, &format!("{header}\r\n")))
}

fn instead(what: &str, of: &str) -> Option<u16> {
    let text = invite();
    assert!(text.contains(of), "{of}");
    answer(text.replacen(of, what, 1))
}

#[test]
fn case_3_nul_bad_utf8_overflow_and_format_strings() {
    assert_eq!(with("Subject: a\0b"), Some(400));
    assert_eq!(instead("sip:12\x00345@", "sip:12345@"), Some(400));
    assert_eq!(instead("\"\0\" <", "\"x\" <"), Some(400));
    assert_eq!(with("Subject: %s%n%x%99999999d"), Some(100));
    let mut text = invite().into_bytes();
    let name = text.windows(3).position(|w| w == b"\"x\"").expect("the display name");
    text[name + 1] = 0xff;
    assert_eq!(answer(text), Some(100), "a display name may be any bytes");
    assert_eq!(instead("IN\u{fffd}VITE sip:", "INVITE sip:"), None, "no method is called that");
    assert_eq!(with("Expires: 99999999999999999999999"), Some(400));
    assert_eq!(instead("Max-Forwards: 300", "Max-Forwards: 70"), Some(400));
}

#[test]
fn case_4_numbers_beyond_their_range() {
    assert_eq!(instead("CSeq: 2147483648 ", "CSeq: 1 "), Some(400));
    assert_eq!(instead("CSeq: 2147483647 ", "CSeq: 1 "), Some(100));
    assert_eq!(instead(&format!("CSeq: {} ", "9".repeat(40)), "CSeq: 1 "), Some(400));
    assert_eq!(instead(":99999;rport", ":5080;rport"), Some(400));
}

#[test]
fn case_5_lengths() {
    for bad in ["-1", "4294967297", "99999999999999999999", "1e3", "0x10", "5", ""] {
        assert_eq!(with(&format!("Content-Length: {bad}")), Some(400), "{bad}");
        let mut framer = Framer::default();
        framer.push(request("OPTIONS", 1, "o", US, &format!("Content-Length: {bad}\r\n")).as_bytes());
        // On a stream more may come, so only a length that is no number, or too large, is a fault.
        assert_eq!(framer.poll().is_err(), bad != "5", "{bad}");
    }
    assert_eq!(with("Content-Length: 0\r\nContent-Length: 0"), Some(400));
}

#[test]
fn case_6_multipart() {
    let sdp = "Content-Type: application/sdp\r\n\r\nv=0\r\n";
    let multipart = |body: &str| with(&format!("Content-Type: multipart/mixed;boundary=b\r\n\r\n{body}"));
    assert_eq!(multipart("--b--"), Some(415), "no part");
    assert_eq!(multipart(&format!("--b\r\n{sdp}")), Some(415), "no end");
    let thousand = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n".repeat(1000);
    assert_eq!(multipart(&format!("{thousand}--b\r\n{sdp}\r\n--b--")), Some(415));
    let nested = "--b\r\nContent-Type: multipart/mixed;boundary=b\r\n\r\n".repeat(200);
    assert_eq!(multipart(&nested), Some(415));
    assert_eq!(multipart(&format!("--b\r\n{sdp}--b--")), Some(100), "a good one");
    assert_eq!(with("Content-Type: multipart/mixed\r\n\r\n--b--"), Some(415), "no boundary");
}

#[test]
fn case_6_sdp_inside_a_good_multipart() {
    let mut desk = Desk::new();
    let body = "--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--b--";
    desk.gets(request("INVITE", 1, "i", US, &format!("Content-Type: multipart/mixed;boundary=\"b\"\r\n\r\n{body}")));
    let Some(Event::Invited { request, .. }) = desk.events.pop() else { panic!("a call") };
    assert_eq!(request.sdp().as_deref(), Some(&b"v=0"[..]));
}

#[test]
fn case_7_too_much_of_everything() {
    assert_eq!(with(&"Subject: 1\r\n".repeat(500)), Some(513));
    assert_eq!(with(&format!("Subject: {}", "x".repeat(64_000))), Some(513));
    assert_eq!(with(&"Via: SIP/2.0/UDP h;branch=z9hG4bKy\r\n".repeat(200)), Some(513));
    assert_eq!(with(&format!("Via: {}", ["SIP/2.0/UDP h"; 1000].join(","))), Some(513));
    assert_eq!(with(&format!("Route: {}", ["<sip:h>"; 1000].join(","))), Some(513));
}

#[test]
fn case_7_the_answer_is_no_larger_than_the_question() {
    let mut desk = Desk::new();
    let text = request("OPTIONS", 1, "o", US, &"Via: SIP/2.0/UDP h\r\n".repeat(200));
    desk.gets(&text);
    assert!(desk.only().bytes().len() < text.len());
}

#[test]
fn case_8_an_invite_without_contact() {
    assert_eq!(instead("X-Contact:", "Contact:"), Some(400));
    assert_eq!(instead("Contact: *\r\nX:", "Contact:"), Some(400));
}

#[test]
fn case_9_doubled_empty_and_incomplete() {
    assert_eq!(with("To: <sip:b@h>"), Some(400));
    assert_eq!(instead("To: <sip:12345@192.0.2.1>;tag=", "To: <sip:12345@192.0.2.1>"), Some(400));
    assert_eq!(instead("To: ", "To: <sip:12345@192.0.2.1>"), Some(400));
    assert_eq!(with("Authorization: Digest username="), Some(100), "nobody asked for it");
}

#[test]
fn case_10_nothing_line_breaks_and_junk() {
    let junk: Vec<u8> = (0..65_507u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for junk in [vec![], b"\r\n\r\n".to_vec(), vec![0; 65_507], junk] {
        assert_eq!(answer(junk), None);
    }
    let mut framer = Framer::default();
    framer.push(b"\r\n\r\n");
    assert_eq!(framer.poll(), Ok(Some(Piece::Ping)));
}

#[test]
fn any_token_is_a_method_and_a_telephone_number_is_a_uri() {
    assert_eq!(answer(request("!interesting-Method0123456789_*+`.%indeed'~", 1, "x", US, "")), Some(501));
    let tel = invite().replace("sip:12345@192.0.2.1 SIP", "tel:+86-10-12345 SIP");
    let mut desk = Desk::new();
    desk.gets_from(flow(Transport::Tcp), tel);
    let Some(Event::Invited { request, .. }) = desk.events.pop() else { panic!("a call") };
    assert_eq!(request.request_uri().expect("valid").number().as_deref(), Some("+861012345"));
}

#[test]
fn smuggled_line_breaks_stay_inside_their_header() {
    // Folding hides a header from who splits lines first (OpenSIPS audit): for us it is one value.
    let mut desk = Desk::new();
    desk.gets(request("OPTIONS", 1, "o", US, "Subject: x\r\n Evil: 1\r\nX : y\r\n"));
    let answer = desk.only();
    assert_eq!((answer.code(), answer.other("Evil")), (Some(200), None));
    assert!(to_of(&answer).contains(";tag="));
}
