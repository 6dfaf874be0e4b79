//! Whom an endpoint believes: cases 23, 24, 30 and 33 of ../shared/ATTACKS.md.

use jiesu::sip::{Event, Name, Transport};

use crate::desk::{Desk, US, address, flow, invite, request};

#[test]
fn case_23_nothing_is_relayed() {
    for (method, code) in [
        ("REGISTER", "405"),
        ("MESSAGE", "405"),
        ("REFER", "405"),
        ("SUBSCRIBE", "405"),
        ("PUBLISH", "405"),
        ("NOTIFY", "405"),
        ("INFO", "405"),
        ("FROB", "501"),
        ("BYE", "481"),
        ("CANCEL", "481"),
    ] {
        let mut desk = Desk::new();
        desk.gets(request(method, 1, "x", US, "Route: <sip:203.0.113.9;lr>\r\n"));
        assert_eq!(desk.sent[0].0, flow(Transport::Udp), "{method} is answered to its source");
        assert_eq!(desk.sent(), [code], "{method}");
        assert!(desk.is_empty(), "{method} leaves nothing behind");
    }
}

#[test]
fn case_24_extensions_session_timers_and_max_forwards() {
    let mut desk = Desk::new();
    desk.gets(request("INVITE", 1, "a", US, "Require: 100rel, x\r\nRequire: y\r\n"));
    let answer = desk.only();
    assert_eq!(answer.code(), Some(420));
    assert_eq!(answer.header(Name::Unsupported), Some(&b"x, y"[..]));
    desk.gets(request("INVITE", 1, "b", US, "Session-Expires: 30\r\n"));
    let answer = desk.only();
    assert_eq!((answer.code(), answer.header(Name::MinSe)), (Some(422), Some(&b"90"[..])));
    desk.gets(request("OPTIONS", 1, "c", US, "").replace("Max-Forwards: 70", "Max-Forwards: 0"));
    assert_eq!(desk.sent(), ["200"], "we are the end of the way, not a proxy");
}

#[test]
fn case_30_the_caller_is_the_address_and_nothing_else() {
    let mut desk = Desk::new();
    let from = "From: \"110 <sip:110@police.example>;tag=evil\" <sip:13800001111@192.0.2.9>;tag=peer";
    let text = request(
        "INVITE",
        1,
        "i",
        US,
        "P-Asserted-Identity: <sip:110@police.example>\r\nRemote-Party-ID: <sip:110@police.example>\r\n\
         P-Preferred-Identity: <sip:110@police.example>\r\nFrom-X: <sip:110@police.example>\r\n",
    );
    desk.gets(text.replace("From: \"x\" <sip:13800001111@192.0.2.9>;tag=peer", from));
    let Some(Event::Invited { request, .. }) = desk.events.pop() else { panic!("a call") };
    let caller = request.from().expect("valid");
    assert_eq!(caller.uri.number().as_deref(), Some("13800001111"));
    assert_eq!(caller.tag(), Some(&b"peer"[..]));
}

#[test]
fn case_30_a_blank_before_the_colon_hides_nothing() {
    let mut desk = Desk::new();
    desk.gets(request("INVITE", 1, "i", US, "From\t : <sip:110@police.example>;tag=2\r\n"));
    assert_eq!(desk.sent(), ["400"], "it is a second From");
    desk.gets(request("INVITE", 1, "j", US, "f: <sip:110@police.example>;tag=2\r\n"));
    assert_eq!(desk.sent(), ["400"], "so is the compact one");
}

#[test]
fn case_33_answers_go_to_the_source_alone() {
    let via = "Via: SIP/2.0/UDP 192.0.2.9:5080;rport;branch=z9hG4bKi";
    for spoofed in [
        "Via: SIP/2.0/UDP 203.0.113.9:7;rport;branch=z9hG4bKi",
        "Via: SIP/2.0/UDP 192.0.2.9:5080;rport;maddr=203.0.113.9;branch=z9hG4bKi",
        "Via: SIP/2.0/UDP victim.example;received=203.0.113.9;rport=7;branch=z9hG4bKi",
    ] {
        let mut desk = Desk::new();
        desk.gets(invite().replace(via, spoofed));
        let (way, answer) = desk.sent.remove(0);
        assert_eq!(way.peer, address("192.0.2.9:5080"), "{spoofed}");
        let top = answer.top_via().expect("readable");
        assert_eq!(
            (top.params.get("received"), top.params.get("rport")),
            (Some(&b"192.0.2.9"[..]), Some(&b"5080"[..]))
        );
        assert_eq!(answer.list(Name::Via).count(), 1);
    }
    // Without rport the port is sent-by's, the address still the source's (RFC 3261 18.2.2).
    let mut desk = Desk::new();
    desk.gets(invite().replace(via, "Via: SIP/2.0/UDP 203.0.113.9:7777;branch=z9hG4bKi"));
    assert_eq!(desk.sent[0].0.peer, address("192.0.2.9:7777"));
}

#[test]
fn case_33_a_contact_that_no_trunk_lists_is_not_called() {
    let mut desk = Desk::with(|config| {
        let addresses = vec!["192.0.2.0/24".parse().expect("a network")];
        let trunk = jiesu::sip::trunk::Trunk::new("t", addresses);
        config.trunks = jiesu::sip::trunk::Trunks::new(vec![trunk], Default::default());
    });
    desk.gets(invite().replace("Contact: <sip:13800001111@192.0.2.9:5080>", "Contact: <sip:x@203.0.113.9:7>"));
    let dialog = desk.dialog();
    desk.command(jiesu::sip::Command::Answer { dialog, sdp: "v=0\r\n".into() });
    let answer = desk.sent.pop().expect("200").1;
    desk.gets(request("ACK", 1, "k", &crate::desk::to_of(&answer), ""));
    desk.command(jiesu::sip::Command::Hangup { dialog, reason: None });
    let (way, bye) = desk.sent.pop().expect("BYE");
    assert_eq!(way.peer, address("192.0.2.9:5080"));
    assert_eq!(bye.request_uri_bytes(), b"sip:x@203.0.113.9:7");
}
