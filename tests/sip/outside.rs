//! Requests of ours outside calls: OPTIONS and REGISTER, each with exactly one answer.

use std::time::Duration;

use jiesu::sip::auth::Credentials;
use jiesu::sip::endpoint::outside::granted;
use jiesu::sip::endpoint::{Asked, Request, Response};
use jiesu::sip::trunk::{Login, Trunk, Trunks, Unlisted};
use jiesu::sip::{Command, DialogId, Event, Message, Method, Name, Transport};

use crate::calls::response;
use crate::desk::{Desk, flow};

/// A desk whose only trunk logs in.
fn desk() -> Desk {
    let credentials = Credentials { user: "beijing".into(), password: "s3cret".into() };
    let mut trunk = Trunk::new("t", vec!["192.0.2.0/24".parse().expect("a network")]);
    trunk.login = Some(Login { realm: "c".into(), credentials });
    Desk::with(|config| config.trunks = Trunks::new(vec![trunk], Unlisted::Drop))
}

fn ask(desk: &mut Desk, transport: Transport, asked: Asked, within: u64) -> DialogId {
    let id = desk.endpoint.ids().next();
    desk.command(Command::Request(Box::new(Request {
        id,
        asked,
        uri: "sip:192.0.2.9:5080".into(),
        to: "sip:beijing@192.0.2.9:5080".into(),
        from: None,
        flow: flow(transport),
        trunk: Some("t".into()),
        within: Duration::from_secs(within),
    })));
    id
}

fn register(cseq: u32) -> Asked {
    Asked::Register { user: "beijing".into(), expires: 600, call_id: "same".into(), cseq }
}

fn told(desk: &mut Desk) -> Vec<Response> {
    let response = |event| if let Event::Response(response) = event { Some(response) } else { None };
    desk.events.drain(..).filter_map(response).collect()
}

fn text(message: &Message, name: Name) -> String {
    String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned()
}

#[test]
fn options_is_repeated_and_answered_once() {
    let mut desk = desk();
    let id = ask(&mut desk, Transport::Udp, Asked::Options, 4);
    desk.wait(Duration::from_secs(2));
    assert_eq!(desk.sent.len(), 3, "at 0, 0.5 and 1.5 s (timer E)");
    let request = desk.sent[0].1.clone();
    assert_eq!(
        (request.method(), text(&request, Name::Accept).as_str()),
        (Some(&Method::Options), "application/sdp, multipart/mixed")
    );
    assert!(text(&request, Name::From).starts_with("<sip:192.0.2.1:5060>;tag="));
    assert!(request.to().expect("To").tag().is_none() && request.from().expect("From").tag().is_some());
    desk.sent.clear();
    for code in [100, 405, 405, 200] {
        desk.gets(response(&request, code, ""));
    }
    let told = told(&mut desk);
    assert_eq!(told.iter().map(|told| (told.id, told.code)).collect::<Vec<_>>(), [(id, 405)]);
    desk.wait(Duration::from_secs(60));
    assert!(desk.is_empty() && desk.events.is_empty() && desk.sent.is_empty());
}

#[test]
fn silence_and_a_lost_way_are_answers() {
    for (transport, code) in [(Transport::Udp, 408), (Transport::Tcp, 503)] {
        let mut desk = desk();
        ask(&mut desk, transport, Asked::Options, 4);
        if transport == Transport::Tcp {
            desk.endpoint.unreachable(desk.now, flow(transport));
            desk.gets("junk"); // the desk looks for what came out
        }
        desk.wait(Duration::from_secs(3));
        assert_eq!(told(&mut desk).len(), usize::from(code == 503));
        desk.wait(Duration::from_secs(1));
        let rest = told(&mut desk);
        assert_eq!(rest.len(), usize::from(code == 408));
        assert!(rest.iter().all(|told| told.code == code && told.message.is_none()));
        assert!(desk.is_empty());
    }
}

#[test]
fn a_registration_is_challenged_in_the_time_it_has() {
    let mut desk = desk();
    ask(&mut desk, Transport::Udp, register(7), 10);
    let first = desk.only();
    assert_eq!((first.call_id(), text(&first, Name::CSeq).as_str()), (&b"same"[..], "7 REGISTER"));
    assert_eq!(text(&first, Name::Contact), "<sip:beijing@192.0.2.1:5060>");
    assert_eq!(text(&first, Name::Expires), "600");
    desk.wait(Duration::from_secs(6));
    desk.sent.clear();
    let asks = "WWW-Authenticate: Digest realm=\"c\", nonce=\"n\", qop=\"auth\"\r\n";
    desk.gets(response(&first, 401, asks));
    let again = desk.only();
    assert_eq!((again.call_id(), text(&again, Name::CSeq).as_str()), (&b"same"[..], "8 REGISTER"));
    assert!(text(&again, Name::Authorization).contains("username=\"beijing\""));
    assert!(told(&mut desk).is_empty());
    desk.wait(Duration::from_secs(5));
    let told = told(&mut desk);
    assert_eq!((told.len(), told[0].code, told[0].cseq), (1, 408, 8), "no time is won by asking for a password");
    assert!(desk.is_empty());
}

#[test]
fn the_time_that_is_granted_is_our_contacts() {
    let others = "Contact: <sip:beijing@192.0.2.77>;expires=9\r\n";
    for (headers, seconds) in [
        ("Contact: <sip:beijing@192.0.2.1:5060;ob>;expires=120\r\nExpires: 7\r\n", 120),
        ("Contact: <sip:beijing@192.0.2.1>\r\nExpires: 300\r\n", 300),
        ("Contact: <sip:beijing@192.0.2.1:5060>;expires=soon\r\n", 600),
        ("", 600),
    ] {
        let mut desk = desk();
        ask(&mut desk, Transport::Udp, register(1), 10);
        let first = desk.only();
        desk.gets(response(&first, 200, &format!("{others}{headers}")));
        let told = told(&mut desk).remove(0);
        let message = told.message.expect("an answer came");
        assert_eq!(granted(&message, &told.contact, 600), seconds, "{headers}");
    }
}
