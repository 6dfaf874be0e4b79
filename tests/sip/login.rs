//! Digest authentication over an endpoint (RFC 3261 section 22): case 28 of ../shared/ATTACKS.md and our own logins.

use std::time::Duration;

use bytes::Bytes;
use jiesu::sip::auth::client::Challenge;
use jiesu::sip::auth::{Algorithm, Credentials};
use jiesu::sip::endpoint::ReferTo;
use jiesu::sip::trunk::{Login, Trunk, Trunks, Unlisted, Users};
use jiesu::sip::{Command, Event, Invite, Message, Name, Transport};

use crate::desk::{Desk, US, address, flow, request};

fn password(text: &str) -> Credentials {
    Credentials { user: "carrier".into(), password: text.into() }
}

fn everywhere(change: impl FnOnce(&mut Trunk)) -> Trunks {
    let mut trunk = Trunk::new("t", vec!["192.0.2.0/24".parse().expect("a network")]);
    change(&mut trunk);
    Trunks::new(vec![trunk], Unlisted::Drop)
}

fn guarded() -> Desk {
    let users = Users { realm: "jiesu".into(), algorithms: Algorithm::ALL.to_vec(), list: vec![password("s3cret")] };
    Desk::with(|config| config.trunks = everywhere(|trunk| trunk.users = Some(users)))
}

fn challenge(answer: &Message) -> Challenge {
    assert_eq!(answer.code(), Some(401));
    Challenge::choose(answer.headers(Name::WwwAuthenticate), Some("jiesu")).expect("we ask for Digest")
}

fn authorized(challenge: &Challenge, branch: &str, password: &Credentials, nc: u32) -> String {
    let answer = challenge.answer(password, "INVITE", "sip:12345@192.0.2.1", nc, "c");
    request("INVITE", 1, branch, US, &format!("Authorization: {answer}\r\n"))
}

#[test]
fn case_28_a_call_needs_the_password_and_each_answer_is_good_once() {
    let mut desk = guarded();
    desk.gets(request("INVITE", 1, "a", US, ""));
    let asked = challenge(&desk.only());
    assert!(desk.is_empty(), "asking costs no memory");
    let good = authorized(&asked, "b", &password("s3cret"), 1);
    desk.gets(&good);
    assert_eq!(desk.sent(), ["100"]);
    assert!(matches!(desk.events.pop(), Some(Event::Invited { .. })));
    // The same answer again, in another call.
    desk.gets(good.replace("z9hG4bKb", "z9hG4bKc").replace("Call-ID: call", "Call-ID: other"));
    let again = desk.only();
    assert!(challenge(&again).stale, "a nonce whose count was used is stale");
    // A count that was not used is good, an answer for another number is not.
    desk.gets(authorized(&asked, "d", &password("s3cret"), 2).replace("Call-ID: call", "Call-ID: third"));
    assert_eq!(desk.sent(), ["100"]);
    desk.gets(authorized(&asked, "e", &password("s3cret"), 3).replacen("sip:12345@", "sip:0900@", 1));
    assert_eq!(desk.sent(), ["401"]);
}

#[test]
fn case_28_whoever_guesses_is_not_heard_for_a_minute() {
    let mut desk = guarded();
    let mut codes = Vec::new();
    for guess in 0..12 {
        desk.gets(request("INVITE", 1, &format!("a{guess}"), US, ""));
        if desk.sent[0].1.code() != Some(401) {
            codes.extend(desk.sent());
            continue;
        }
        let asked = challenge(&desk.only());
        desk.gets(authorized(&asked, &format!("b{guess}"), &password("guess"), 1));
        codes.extend(desk.sent());
    }
    assert_eq!(codes, [["401"; 10].as_slice(), ["403"; 2].as_slice()].concat());
    // The right password does not help then, and does after a minute.
    desk.wait(Duration::from_secs(61));
    desk.gets(request("INVITE", 1, "z", US, ""));
    let asked = challenge(&desk.only());
    desk.gets(authorized(&asked, "y", &password("s3cret"), 1));
    assert_eq!(desk.sent(), ["100"]);
}

/// A desk whose trunk has a login for the realm "carrier.example", and a call of ours on it.
fn calling() -> Desk {
    let login = Login { realm: "carrier.example".into(), credentials: password("ours") };
    let mut desk = Desk::with(|config| config.trunks = everywhere(|trunk| trunk.login = Some(login)));
    let dialog = desk.endpoint.ids().next();
    desk.command(Command::Invite(Box::new(Invite {
        dialog,
        target: "sip:13800001111@192.0.2.9".into(),
        flow: flow(Transport::Udp),
        from: "sip:12345@192.0.2.1".into(),
        display: None,
        sdp: Bytes::from_static(b"v=0\r\n"),
        trunk: Some("t".into()),
        silence: None,
        routes: Vec::new(),
        headers: Vec::new(),
    })));
    desk
}

/// A response of the carrier to a request of ours.
fn response(to: &Message, code: u16, more: &str) -> String {
    let header = |name| String::from_utf8_lossy(to.header(name).expect("it is there")).into_owned();
    format!(
        "SIP/2.0 {code} X\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=far\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:13800001111@192.0.2.9:5080>\r\n{more}Content-Length: 0\r\n\r\n",
        header(Name::Via),
        header(Name::From),
        header(Name::To).replace(";tag=far", ""),
        header(Name::CallId),
        header(Name::CSeq)
    )
}

fn asks(name: &str, realm: &str, nonce: &str, more: &str) -> String {
    format!("{name}: Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm=SHA-256, qop=\"auth\"{more}\r\n")
}

#[test]
fn a_carrier_that_asks_gets_the_answer() {
    for (code, asked, answered) in
        [(401, "WWW-Authenticate", Name::Authorization), (407, "Proxy-Authenticate", Name::ProxyAuthorization)]
    {
        let mut desk = calling();
        let invite = desk.only();
        desk.gets(response(&invite, code, &asks(asked, "carrier.example", "n1", "")));
        let again = desk.sent.pop().expect("the INVITE again").1;
        assert_eq!(desk.sent(), ["ACK"]);
        assert_eq!((again.call_id(), again.body()), (invite.call_id(), invite.body()));
        assert_eq!(again.cseq().map(|(number, _)| number), Some(2));
        let answer = String::from_utf8_lossy(again.header(answered).expect("the answer")).into_owned();
        assert!(answer.contains("username=\"carrier\"") && answer.contains("nonce=\"n1\""), "{answer}");
        assert!(!answer.contains("ours"), "the password itself goes nowhere");
        assert!(desk.events().is_empty(), "nobody need hear of it");
        // Stale once; then the call is answered, and its BYE is challenged too.
        desk.gets(response(&again, code, &asks(asked, "carrier.example", "n2", ", stale=true")));
        let third = desk.sent.pop().expect("and again").1;
        desk.gets(response(&third, 200, ""));
        let dialog = desk.dialog();
        assert_eq!(desk.events(), ["Answered"]);
        desk.sent.clear();
        desk.command(Command::Hangup { dialog, reason: None });
        let bye = desk.only();
        desk.gets(response(&bye, code, &asks(asked, "carrier.example", "n3", "")));
        let bye = desk.only();
        assert!(bye.header(answered).is_some() && bye.cseq().map(|(number, _)| number) == Some(5), "{bye:?}");
        desk.gets(response(&bye, 200, ""));
        assert_eq!(desk.events(), ["Ended us"]);
        desk.wait(Duration::from_secs(120));
        assert!(desk.is_empty());
    }
}

#[test]
fn a_password_goes_to_its_own_realm_and_trunk_only() {
    // Another realm; no realm of ours at all; a wrong password, twice.
    for asked in [asks("WWW-Authenticate", "evil.example", "n", ""), "WWW-Authenticate: Basic realm=\"x\"\r\n".into()] {
        let mut desk = calling();
        let invite = desk.only();
        desk.gets(response(&invite, 401, &asked));
        assert_eq!((desk.sent(), desk.events()), (vec!["ACK".to_owned()], vec!["Failed 401".to_owned()]));
    }
    let mut desk = calling();
    let invite = desk.only();
    desk.gets(response(&invite, 401, &asks("WWW-Authenticate", "carrier.example", "n1", "")));
    let again = desk.sent.pop().expect("again").1;
    desk.gets(response(&again, 401, &asks("WWW-Authenticate", "carrier.example", "n2", "")));
    assert_eq!(desk.events(), ["Failed 401"], "the password is wrong: not tried for ever");
    // The response comes from an address that the trunk does not list.
    let mut desk = calling();
    let invite = desk.only();
    let mut elsewhere = flow(Transport::Udp);
    elsewhere.peer = address("203.0.113.66:5060");
    desk.gets_from(elsewhere, response(&invite, 401, &asks("WWW-Authenticate", "carrier.example", "n", "")));
    assert!(!desk.sent().contains(&"INVITE".to_owned()));
}

#[test]
fn a_peer_that_says_nothing_is_given_up_early_and_a_100_is_something() {
    for (answers, events) in [(false, vec!["Failed 408".to_owned()]), (true, vec![])] {
        let login = Login { realm: "c".into(), credentials: password("p") };
        let mut desk = Desk::with(|config| config.trunks = everywhere(|trunk| trunk.login = Some(login)));
        let dialog = desk.endpoint.ids().next();
        desk.command(Command::Invite(Box::new(Invite {
            dialog,
            target: "sip:1@192.0.2.9".into(),
            flow: flow(Transport::Udp),
            from: "sip:12345@192.0.2.1".into(),
            display: None,
            sdp: Bytes::from_static(b"v=0\r\n"),
            trunk: Some("t".into()),
            silence: Some(Duration::from_secs(4)),
            routes: Vec::new(),
            headers: Vec::new(),
        })));
        let invite = desk.only();
        if answers {
            desk.gets(response(&invite, 100, ""));
        }
        desk.wait(Duration::from_secs(5));
        assert_eq!(desk.events(), events);
    }
}

#[test]
fn a_prack_is_challenged_before_the_answer() {
    let mut desk = calling();
    let invite = desk.only();
    desk.gets(response(&invite, 183, "Require: 100rel\r\nRSeq: 7\r\n"));
    let prack = desk.only();
    desk.gets(response(&prack, 407, &asks("Proxy-Authenticate", "carrier.example", "n", "")));
    let again = desk.only();
    assert!(again.header(Name::ProxyAuthorization).is_some());
    assert_eq!(again.header(Name::RAck), prack.header(Name::RAck));
    assert_eq!(again.cseq().map(|(number, _)| number), prack.cseq().map(|(number, _)| number + 1));
    // After the CANCEL nobody asks for it any more.
    let dialog = desk.dialog();
    desk.command(Command::Cancel { dialog });
    desk.sent.clear();
    desk.gets(response(&again, 407, &asks("Proxy-Authenticate", "carrier.example", "n2", ", stale=true")));
    assert!(desk.sent().is_empty());
}

#[test]
fn requests_inside_a_call_are_challenged_too() {
    // The carrier's Allow decides what refreshes the session: UPDATE, or a re-INVITE.
    let timer = "Supported: timer\r\nRequire: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    for (allow, refresh) in [("UPDATE", "UPDATE"), ("INVITE", "INVITE")] {
        let mut desk = calling();
        let invite = desk.only();
        desk.gets(response(&invite, 200, &format!("{timer}Allow: {allow}\r\n")));
        let dialog = desk.dialog();
        desk.events.clear();
        desk.sent.clear();
        let challenged = |desk: &mut Desk, method: &str, nonce: &str| {
            let first = desk.only();
            assert_eq!(first.method().map(|m| m.as_str().to_owned()).as_deref(), Some(method));
            assert!(first.header(Name::Authorization).is_none());
            desk.gets(response(&first, 401, &asks("WWW-Authenticate", "carrier.example", nonce, "")));
            let again = desk.sent.pop().expect("again").1;
            let answer = String::from_utf8_lossy(again.header(Name::Authorization).expect("the answer")).into_owned();
            assert!(answer.contains(&format!("nonce=\"{nonce}\"")), "{answer}");
            assert_eq!(again.cseq().map(|(n, _)| n), first.cseq().map(|(n, _)| n + 1));
            desk.sent.clear(); // the ACK of the refusal
            assert!(desk.events().is_empty(), "nobody need hear of it");
            again
        };
        // A refresh of ours.
        desk.wait(Duration::from_millis(45_200));
        let again = challenged(&mut desk, refresh, "n1");
        desk.gets(response(&again, 200, timer));
        desk.sent.clear();
        desk.events.clear();
        // An offer of our user, whose answer is told once.
        desk.command(Command::OfferAgain { dialog, sdp: Bytes::from_static(b"v=0\r\n") });
        let again = challenged(&mut desk, "INVITE", "n2");
        desk.gets(response(&again, 200, timer));
        assert_eq!((desk.events(), desk.sent()), (vec!["AnsweredAgain".to_owned()], vec!["ACK".to_owned()]));
        // REFER; and a password that is wrong ends in its refusal.
        desk.command(Command::Refer { dialog, to: ReferTo::Uri("sip:1@192.0.2.9".into()), by: None });
        let again = challenged(&mut desk, "REFER", "n3");
        desk.gets(response(&again, 401, &asks("WWW-Authenticate", "carrier.example", "n4", "")));
        assert_eq!(desk.events(), ["Referred"]);
        assert!(desk.sent.is_empty());
        // The session lives on: it is not hung up at the time of its first expiry.
        desk.wait(Duration::from_secs(20));
        assert!(!desk.events().contains(&"Ended expired".to_owned()));
    }
}
