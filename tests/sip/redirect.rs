//! 3xx to a call of ours (RFC 3261 section 8.1.3.4): followed on a trunk, to its own addresses, and not for ever.

use std::time::Duration;

use bytes::Bytes;
use jiesu::sip::trunk::{Trunk, Trunks, Unlisted};
use jiesu::sip::{Command, Event, Invite, Message, Name, Transport};

use crate::calls::response;
use crate::desk::{Desk, flow};

/// A call of ours, on the trunk or not.
fn calling(trunk: bool) -> (Desk, Message) {
    let listing = |name: &str, net: &str| Trunk::new(name, vec![net.parse().expect("a network")]);
    let list = vec![listing("t", "192.0.2.0/24"), listing("other", "198.51.100.0/24")];
    let mut desk = Desk::with(|config| config.trunks = Trunks::new(list, Unlisted::Drop));
    let dialog = desk.endpoint.ids().next();
    desk.command(Command::Invite(Box::new(Invite {
        dialog,
        target: "sip:100@192.0.2.9:5080".into(),
        flow: flow(Transport::Udp),
        from: "sip:12345@192.0.2.1".into(),
        display: None,
        sdp: Bytes::from_static(b"v=0\r\n"),
        trunk: trunk.then(|| "t".into()),
        silence: None,
        routes: Vec::new(),
        headers: vec![("Privacy".into(), "id".into())],
    })));
    let invite = desk.only();
    (desk, invite)
}

/// The refusal, whose own Contact would be one more.
fn moved(invite: &Message, code: u16, contacts: &str) -> String {
    response(invite, code, "").replace("Contact: <sip:10086@192.0.2.9:5080>\r\n", contacts)
}

fn uri(message: &Message) -> String {
    String::from_utf8_lossy(message.request_uri_bytes()).into_owned()
}

#[test]
fn the_best_contact_of_the_trunk_is_called() {
    for (contacts, goes, to) in [
        ("Contact: <sip:200@192.0.2.7:5090>\r\n", "sip:200@192.0.2.7:5090", "192.0.2.7:5090"),
        ("Contact: <sip:200@carrier.example>\r\n", "sip:200@carrier.example", "192.0.2.9:5080"),
        (
            "Contact: <sip:1@192.0.2.5>;q=0.2, <sip:2@192.0.2.6?Priority=emergency>;q=0.7, <sip:3@203.0.113.1>;q=1.0\r\n",
            "sip:2@192.0.2.6",
            "192.0.2.6:5060",
        ),
        (
            "Contact: <sip:1@192.0.2.5;transport=tcp>\r\nContact: <sip:2@[2001:db8::1]>, <sip:4@192.0.2.8;transport=udp>;q=0.1\r\n",
            "sip:4@192.0.2.8;transport=udp",
            "192.0.2.8:5060",
        ),
    ] {
        let (mut desk, invite) = calling(true);
        desk.gets(moved(&invite, 302, contacts));
        let (way, again) = desk.sent.pop().expect("again");
        assert_eq!(desk.sent(), ["ACK"]);
        assert_eq!((uri(&again), way.peer.to_string()), (goes.to_owned(), to.to_owned()));
        assert_eq!((again.call_id(), again.body()), (invite.call_id(), invite.body()));
        assert_eq!(again.cseq().map(|(number, _)| number), Some(2));
        assert_eq!(again.header(Name::Privacy), invite.header(Name::Privacy), "what was asked is asked again");
        assert_eq!(again.header(Name::To), invite.header(Name::To));
        assert!(desk.events().is_empty(), "nobody need hear of it");
        desk.gets(response(&again, 200, ""));
        assert_eq!((desk.events(), desk.sent()), (vec!["Answered".to_owned()], vec!["ACK".to_owned()]));
    }
}

#[test]
fn nobody_can_send_our_calls_elsewhere() {
    for (trunk, contacts) in [
        (true, "Contact: <sip:1@203.0.113.1>\r\n"),
        (true, "Contact: <sip:1@198.51.100.1>\r\n"), // another trunk's, whose bill it would be
        (true, "Contact: <tel:+8610>\r\n"),
        (true, "Contact: <sip:1@192.0.2.5;transport=tcp>\r\n"),
        (true, ""),
        (false, "Contact: <sip:1@192.0.2.5>\r\n"),
    ] {
        let (mut desk, invite) = calling(trunk);
        desk.gets(moved(&invite, 302, contacts));
        assert_eq!((desk.sent(), desk.events()), (vec!["ACK".to_owned()], vec!["Failed 302".to_owned()]), "{contacts}");
        desk.wait(Duration::from_secs(60));
        assert!(desk.is_empty());
    }
}

#[test]
fn three_times_and_no_more_and_not_after_a_cancel() {
    let (mut desk, mut invite) = calling(true);
    for _ in 0..3 {
        desk.gets(moved(&invite, 301, "Contact: <sip:100@192.0.2.9:5080>\r\n"));
        invite = desk.sent.pop().expect("again").1;
        desk.sent.clear();
    }
    desk.gets(moved(&invite, 301, "Contact: <sip:100@192.0.2.9:5080>\r\n"));
    assert_eq!((desk.sent(), desk.events()), (vec!["ACK".to_owned()], vec!["Failed 301".to_owned()]));

    let (mut desk, invite) = calling(true);
    desk.gets(response(&invite, 180, ""));
    let dialog = desk.events.drain(..).find_map(|event: Event| event.dialog()).expect("it rings");
    desk.command(Command::Cancel { dialog });
    desk.gets(moved(&invite, 302, "Contact: <sip:200@192.0.2.9:5080>\r\n"));
    assert_eq!(desk.sent(), ["CANCEL", "ACK"]);
    assert_eq!(desk.events(), ["Failed 302"]);
}
