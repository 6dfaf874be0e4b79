//! Transactions and dialogs: cases 18 to 26. Case 19 takes 32 s and is `whole/sipp.rs`
//! `a_200_that_is_never_acknowledged_ends_with_a_bye`; cases 25 and 26 are `whole/endings.rs`.

use std::time::Duration;

use jiesu::sip::Name;

use super::peer::Peer;
use super::watch::Watch;
use crate::house::{Daemon, in_own_network};

#[test]
fn cases_18_to_24() {
    if !in_own_network("transactions::cases_18_to_24") {
        return;
    }
    Watch::start(Vec::new()).three_times(|watch| {
        watch.case("case 18", case_18);
        watch.case("case 20", case_20);
        watch.case("case 21", case_21);
        watch.case("case 22", case_22);
        watch.case("case 23", case_23);
        watch.case("case 24", case_24);
    });
}

/// The same INVITE 50 times is one call; over another path it is 482.
fn case_18(daemon: &Daemon) {
    let calls = daemon.metric("jiesu_calls_total");
    let peer = Peer::new(daemon.sip);
    let invite = peer.invite(peer.own);
    for _ in 0..49 {
        peer.send(&invite.text);
    }
    let answer = peer.finally(&invite);
    assert_eq!(answer.code(), Some(200));
    let tag = |message: &jiesu::sip::Message| message.to().expect("To").tag().map(<[u8]>::to_vec);
    for message in peer.until_fence() {
        let same = message.code().is_none_or(|code| code < 200 || tag(&message) == tag(&answer));
        assert!(same, "a second answer: {message:?}");
    }
    assert_eq!(daemon.metric("jiesu_calls_total"), calls + 1.0);
    peer.bye(2, &invite, &answer);
    let peer = Peer::new(daemon.sip);
    let invite = peer.invite(peer.own);
    peer.send(&invite.text);
    peer.send(invite.text.replacen(&invite.branch, "z9hG4bKotherpath", 1));
    let mut finals = [peer.final_answer(&invite.call_id), peer.final_answer(&invite.call_id)];
    finals.sort_by_key(jiesu::sip::Message::code);
    assert_eq!(finals.each_ref().map(|answer| answer.code()), [Some(200), Some(482)], "merged");
    peer.acknowledge(&invite, &finals[0]);
    peer.bye(2, &invite, &finals[0]);
}

/// CANCEL without a match, and after the 200, where it changes nothing. (While it rings: `whole/sipp.rs`.)
fn case_20(daemon: &Daemon) {
    let peer = Peer::new(daemon.sip);
    assert_eq!(peer.codes(&peer.ask("CANCEL").text), [481]);
    let invite = peer.invite(peer.own);
    let answer = peer.finally(&invite);
    let cancel = invite.text.replace("INVITE sip", "CANCEL sip").replace("CSeq: 1 INVITE", "CSeq: 1 CANCEL");
    let head = &cancel[..cancel.find("Content-Type").expect("there is a body")];
    let codes = peer.codes(format!("{head}\r\n"));
    assert!(codes == [200] || codes == [481], "after the 200: {codes:?}");
    peer.bye(2, &invite, &answer);
}

/// Requests of no dialog; a re-INVITE after the BYE; a stray ACK (CVE-2021-31878).
fn case_21(daemon: &Daemon) {
    let peer = Peer::new(daemon.sip);
    for method in ["BYE", "INVITE", "INFO", "UPDATE", "REFER", "NOTIFY", "OPTIONS", "MESSAGE"] {
        let ask = peer.ask(method).instead(">\r\nCall-ID", ">;tag=guessed\r\nCall-ID");
        let codes = peer.codes(&ask.text);
        assert!(matches!(codes[..], [481] | [405] | [501]), "{method} in no dialog: {codes:?}");
    }
    for ask in [peer.ask("ACK"), peer.ask("ACK").instead(">\r\nCall-ID", ">;tag=guessed\r\nCall-ID")] {
        assert!(peer.codes(&ask.text).is_empty(), "a stray ACK is answered");
    }
    let invite = peer.invite(peer.own);
    let answer = peer.finally(&invite);
    peer.bye(2, &invite, &answer);
    for method in ["INVITE", "BYE", "OPTIONS"] {
        assert_eq!(peer.codes(peer.inside(method, 3, &invite, &answer)), [481], "{method} after the BYE");
    }
}

/// CSeq backwards inside a dialog, and a second re-INVITE while the first waits. (Glare with ours: `sip/calls.rs`.)
fn case_22(daemon: &Daemon) {
    let peer = Peer::new(daemon.sip);
    let invite = peer.invite(peer.own);
    let answer = peer.finally(&invite);
    assert_eq!(peer.codes(peer.inside("OPTIONS", 9, &invite, &answer)), [200]);
    assert_eq!(peer.codes(peer.inside("OPTIONS", 8, &invite, &answer)), [500], "CSeq backwards");
    peer.bye(10, &invite, &answer);
}

/// Whatever a stranger would have relayed: refused, and nothing goes on to anybody (ES2021-07, ES2021-08).
fn case_23(daemon: &Daemon) {
    let third = std::net::UdpSocket::bind("192.0.2.9:0").expect("a port");
    third.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket option");
    let at = third.local_addr().expect("bound");
    let peer = Peer::new(daemon.sip);
    for method in ["REGISTER", "MESSAGE", "REFER", "SUBSCRIBE", "PUBLISH", "NOTIFY", "INFO", "FROB"] {
        let lines = format!("Route: <sip:{at};lr>\r\nRefer-To: <sip:x@{at}>\r\nEvent: presence\r\nExpires: 60\r\n");
        let ask = peer.ask(method).with(&lines).instead(" sip:12345@127.0.0.1", &format!(" sip:x@{}", at.ip()));
        let codes = peer.codes(&ask.text);
        assert!(matches!(codes[..], [403 | 405 | 481 | 489 | 501]), "{method}: {codes:?}");
    }
    assert!(third.recv(&mut [0; 2048]).is_err(), "something was relayed");
}

/// Require, session timers, Max-Forwards.
fn case_24(daemon: &Daemon) {
    let peer = Peer::new(daemon.sip);
    let answer = peer.finally(&peer.ask("INVITE").with("Require: frobnicate, x-y\r\n"));
    assert_eq!(answer.code(), Some(420));
    let list = String::from_utf8_lossy(answer.header(Name::Unsupported).expect("Unsupported")).into_owned();
    assert!(list.contains("frobnicate") && list.contains("x-y"), "{list}");
    let answer = peer.finally(&peer.ask("INVITE").with("Session-Expires: 30\r\nSupported: timer\r\n"));
    assert_eq!((answer.code(), answer.header(Name::MinSe)), (Some(422), Some(&b"90"[..])));
    let codes = peer.codes(&peer.ask("OPTIONS").instead("Max-Forwards: 70", "Max-Forwards: 0").text);
    assert!(codes == [200] || codes == [483], "{codes:?}");
}
