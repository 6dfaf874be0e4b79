//! What happens inside a call that stands: session timers (RFC 4028), 491 (RFC 3261 14.1), INFO, REFER, routes, forks.

use jiesu::sip::endpoint::ReferTo;
use jiesu::sip::{Command, DialogId, Event, Invite, Message, Name, Transport};

use crate::calls::{SDP, call, response, schedule, seconds, times};
use crate::desk::{Desk, US, flow, request, to_of};

const OFFER: &str = "Content-Type: application/sdp\r\n\r\nv=0\r\n";

fn text(message: &Message, name: Name) -> String {
    String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned()
}

/// A call to us that stands, begun with these header lines; our To, and the 200.
fn up(more: &str) -> (Desk, DialogId, String, Message) {
    let mut desk = Desk::new();
    desk.gets(request("INVITE", 1, "i", US, &format!("{more}{OFFER}")));
    let dialog = desk.dialog();
    desk.sent.clear();
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    let answer = desk.only();
    let to = to_of(&answer);
    desk.gets(request("ACK", 1, "ack", &to, ""));
    desk.events.clear();
    (desk, dialog, to, answer)
}

/// A call of ours that stands; the INVITE.
fn called(more: &str) -> (Desk, DialogId, Message) {
    let mut desk = Desk::new();
    let (dialog, invite) = call(&mut desk, Transport::Udp);
    desk.gets(response(&invite, 200, more));
    desk.sent.clear();
    desk.events.clear();
    (desk, dialog, invite)
}

// ---- session timers

#[test]
fn a_caller_who_does_not_refresh_is_hung_up() {
    let (mut desk, _, _, answer) = up("Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n");
    assert_eq!(text(&answer, Name::SessionExpires), "90;refresher=uac");
    assert_eq!(text(&answer, Name::Require), "timer");
    let list = schedule(&mut desk, seconds(61.0));
    assert_eq!(list.iter().map(|(at, what)| (*at, &**what)).collect::<Vec<_>>()[0], (60_000, "BYE"), "a third before");
    assert_eq!(desk.events(), ["Ended expired"]);
    desk.wait(seconds(40.0));
    assert!(desk.is_empty());
}

#[test]
fn each_refresh_of_the_caller_gives_the_session_its_time_again() {
    let (mut desk, dialog, to, _) = up("Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n");
    let timer = "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n";
    for number in 2..6 {
        desk.wait(seconds(50.0));
        desk.gets(request("UPDATE", number, &format!("u{number}"), &to, timer));
        let answer = desk.only();
        assert_eq!((answer.code(), text(&answer, Name::SessionExpires)), (Some(200), "90;refresher=uac".into()));
    }
    desk.wait(seconds(50.0));
    desk.gets(request("INVITE", 7, "re", &to, &format!("{timer}{OFFER}")));
    desk.command(Command::AnswerAgain { dialog, sdp: SDP.into() });
    let answer = desk.sent.pop().expect("the 200").1;
    assert_eq!(text(&answer, Name::SessionExpires), "90;refresher=uac");
    desk.gets(request("ACK", 7, "reack", &to, ""));
    desk.sent.clear();
    assert_eq!(times(&schedule(&mut desk, seconds(61.0)), "BYE")[0], 60_000, "counted from the last refresh");
}

#[test]
fn we_refresh_by_update_where_the_caller_takes_it() {
    let (mut desk, _, _, answer) =
        up("Supported: timer\r\nAllow: INVITE, UPDATE\r\nSession-Expires: 200;refresher=uas\r\nMin-SE: 120\r\n");
    assert_eq!((text(&answer, Name::SessionExpires), answer.header(Name::Require)), ("200;refresher=uas".into(), None));
    desk.wait(seconds(99.9));
    assert!(desk.sent().is_empty());
    desk.wait(seconds(0.2));
    let update = desk.only();
    assert_eq!((update.method().map(ToString::to_string), update.sdp()), (Some("UPDATE".into()), None));
    assert_eq!(text(&update, Name::SessionExpires), "200;refresher=uac");
    assert_eq!(text(&update, Name::MinSe), "120");
    desk.gets(response(&update, 200, "Session-Expires: 200;refresher=uac\r\n"));
    desk.wait(seconds(100.1));
    assert_eq!(desk.sent(), ["UPDATE"], "and again");
    assert!(desk.events().is_empty(), "no affair of the user's");
}

#[test]
fn we_refresh_by_re_invite_where_update_is_unknown() {
    let (mut desk, _, to, _) = up("Supported: timer\r\nSession-Expires: 180;refresher=uas\r\n");
    desk.wait(seconds(90.1));
    let invite = desk.only();
    assert_eq!(invite.sdp().as_deref(), Some(SDP.as_bytes()), "the SDP that was agreed, unchanged");
    desk.gets(response(&invite, 200, &format!("Session-Expires: 180;refresher=uac\r\n{OFFER}")));
    assert_eq!((desk.sent(), desk.events()), (vec!["ACK".into()], vec!["AnsweredAgain".into()]));
    // One that says that it knows UPDATE and then does not.
    desk.gets(request("UPDATE", 2, "u", &to, "Supported: timer\r\nAllow: INVITE, UPDATE\r\nx: 180;refresher=uas\r\n"));
    desk.sent();
    desk.wait(seconds(90.1));
    let update = desk.only();
    desk.gets(response(&update, 405, ""));
    let invite = desk.only();
    assert_eq!(invite.method().map(ToString::to_string), Some("INVITE".into()));
}

#[test]
fn a_refresh_that_fails_for_now_is_tried_again_and_one_that_says_gone_is_not() {
    let (mut desk, _, _, _) = up("Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 400;refresher=uas\r\n");
    desk.wait(seconds(200.1));
    for code in [500, 491, 422] {
        let update = desk.only();
        desk.gets(response(&update, code, "Min-SE: 500\r\n"));
        let waited = desk.now;
        while desk.sent.is_empty() {
            desk.wait(seconds(0.01));
        }
        assert!(desk.now - waited <= seconds(2.01), "{code}");
    }
    let update = desk.only();
    assert_eq!(
        (text(&update, Name::SessionExpires), text(&update, Name::MinSe)),
        ("500;refresher=uac".into(), "500".into())
    );
    desk.gets(response(&update, 481, ""));
    assert_eq!((desk.sent(), desk.events()), (vec!["BYE".into()], vec!["Ended gone".into()]));
}

#[test]
fn a_peer_that_has_vanished_is_found_by_the_refresh() {
    let (mut desk, _, _, _) = up("Supported: timer\r\nAllow: UPDATE\r\nSession-Expires: 400;refresher=uas\r\n");
    desk.wait(seconds(233.0));
    assert_eq!(desk.events(), ["Ended gone"], "200 s and 64*T1");
    desk.wait(seconds(40.0));
    assert!(desk.is_empty());
}

#[test]
fn an_interval_that_is_too_short_is_refused_in_every_request() {
    let (mut desk, _, to, _) = up("");
    desk.gets(request("UPDATE", 2, "u", &to, "Supported: timer\r\nSession-Expires: 30\r\n"));
    let answer = desk.only();
    assert_eq!((answer.code(), text(&answer, Name::MinSe)), (Some(422), "90".into()));
    assert!(schedule(&mut desk, seconds(10_000.0)).is_empty(), "without an agreement nothing runs");
}

#[test]
fn our_invite_asks_and_keeps_to_what_the_other_side_chose() {
    let (mut desk, _, invite) = called("Session-Expires: 600;refresher=uas\r\nSupported: timer\r\n");
    assert_eq!(text(&invite, Name::SessionExpires), "1800");
    assert_eq!(times(&schedule(&mut desk, seconds(569.0)), "BYE")[0], 568_000, "they refresh, and did not");
    let (mut desk, _, _) = called("Session-Expires: 600;refresher=uac\r\nRequire: timer\r\nAllow: UPDATE\r\n");
    assert_eq!(times(&schedule(&mut desk, seconds(301.0)), "UPDATE")[0], 300_000);
    let (mut desk, _, _) = called("");
    assert!(schedule(&mut desk, seconds(5000.0)).is_empty(), "they know no timer");
}

#[test]
fn our_invite_is_made_again_with_the_interval_that_a_422_wants() {
    let mut desk = Desk::new();
    let (_, invite) = call(&mut desk, Transport::Udp);
    desk.gets(response(&invite, 422, "Min-SE: 3600\r\n"));
    assert_eq!(desk.sent.len(), 2);
    let again = desk.sent.pop().expect("the INVITE").1;
    assert_eq!(desk.sent(), ["ACK"]);
    assert_eq!((text(&again, Name::SessionExpires), text(&again, Name::MinSe)), ("3600".into(), "3600".into()));
    assert_eq!(again.cseq().map(|(n, _)| n), Some(2));
    for name in [Name::CallId, Name::From, Name::To, Name::Contact, Name::Supported] {
        assert_eq!(text(&again, name), text(&invite, name));
    }
    assert_eq!((again.sdp(), again.other("X-Test").is_some()), (invite.sdp(), true));
    // The same again, or an absurd one, is the end: no round without progress.
    desk.gets(response(&again, 422, "Min-SE: 3600\r\n"));
    assert_eq!((desk.sent(), desk.events()), (vec!["ACK".into()], vec!["Failed 422".into()]));
    let (_, invite) = call(&mut desk, Transport::Udp);
    desk.gets(response(&invite, 422, "Min-SE: 99999999\r\n"));
    assert_eq!(desk.events(), ["Failed 422"]);
}

// ---- glare

/// When our offer is made again after 491, in milliseconds.
fn again_after_491(desk: &mut Desk, dialog: DialogId) -> u128 {
    desk.command(Command::OfferAgain { dialog, sdp: SDP.into() });
    let invite = desk.only();
    desk.gets(response(&invite, 491, ""));
    assert_eq!((desk.sent(), desk.events().len()), (vec!["ACK".into()], 0));
    times(&schedule(desk, seconds(4.1)), "INVITE")[0]
}

#[test]
fn after_491_each_side_waits_its_own_time() {
    for _ in 0..20 {
        let (mut desk, dialog, _, _) = up("");
        let at = again_after_491(&mut desk, dialog);
        assert!(at <= 2000 && at.is_multiple_of(10), "{at}: the Call-ID is theirs");
        let (mut desk, dialog, _) = called("");
        let at = again_after_491(&mut desk, dialog);
        assert!((2100..=4000).contains(&at) && at.is_multiple_of(10), "{at}: the Call-ID is ours");
    }
}

#[test]
fn glare_without_end_comes_to_the_user() {
    let (mut desk, dialog, _, _) = up("");
    desk.command(Command::OfferAgain { dialog, sdp: SDP.into() });
    let mut offers = 0;
    while desk.events.is_empty() {
        let invite = desk.sent.pop().expect("an offer").1;
        desk.sent.clear();
        offers += 1;
        assert!(offers < 10, "without end");
        desk.gets(response(&invite, 491, ""));
        desk.sent.clear();
        while desk.events.is_empty() && desk.sent.is_empty() {
            desk.wait(seconds(0.01));
        }
    }
    assert_eq!((offers, desk.events()), (5, vec!["RefusedAgain 491".to_owned()]));
    desk.command(Command::OfferAgain { dialog, sdp: SDP.into() });
    assert_eq!(desk.sent(), ["INVITE"], "and may be tried again");
}

#[test]
fn their_offer_overtakes_ours_that_waits() {
    let (mut desk, dialog, to, _) = up("");
    desk.command(Command::OfferAgain { dialog, sdp: SDP.into() });
    let invite = desk.only();
    desk.gets(response(&invite, 491, ""));
    desk.gets(request("INVITE", 2, "re", &to, OFFER));
    assert_eq!(desk.events(), ["RefusedAgain 491", "Reoffered"]);
    desk.command(Command::AnswerAgain { dialog, sdp: SDP.into() });
    desk.gets(request("ACK", 2, "reack", &to, ""));
    desk.sent.clear();
    assert!(schedule(&mut desk, seconds(30.0)).is_empty(), "ours is not made again behind the user's back");
}

// ---- INFO

#[test]
fn keys_by_info_come_once() {
    let (mut desk, _, to, _) = up("");
    let info = request("INFO", 2, "k", &to, "Content-Type: application/dtmf-relay\r\n\r\nSignal=5\r\nDuration=160\r\n");
    desk.gets(&info);
    desk.gets(&info);
    assert_eq!(desk.sent(), ["200", "200"]);
    assert_eq!(desk.events.len(), 1);
    let Some(Event::Info { content_type, body, .. }) = desk.events.pop() else { panic!("INFO") };
    assert_eq!((&*content_type, &body[..]), ("application/dtmf-relay", &b"Signal=5\r\nDuration=160\r\n\r\n"[..]));
    desk.gets(request("INFO", 3, "l", &to, "Content-Type: text/plain\r\n\r\nx"));
    let refused = desk.only();
    assert_eq!((refused.code(), refused.has_tag(Name::Accept, "application/dtmf")), (Some(415), true));
    desk.gets(request("INFO", 4, "m", &to, ""));
    assert_eq!((desk.sent(), desk.events().len()), (vec!["200".into()], 0), "a keep-alive");
    desk.gets(request("INFO", 5, "n", &to.replace("tag=", "tag=x"), ""));
    assert_eq!(desk.sent(), ["481"]);
}

#[test]
fn keys_of_ours_go_by_info_and_its_answer_is_told() {
    let (mut desk, dialog, _, _) = up("");
    let informs = |desk: &mut Desk| {
        let (content_type, body) = ("application/dtmf-relay", "Signal=7\r\n".into());
        desk.command(Command::Inform { dialog, content_type, body });
    };
    let told = |desk: &mut Desk| match desk.events.remove(0) {
        Event::Informed { dialog: of, code } if of == dialog => code,
        other => panic!("{other:?}"),
    };
    informs(&mut desk);
    let info = desk.only();
    assert_eq!(info.method().map(|method| method.as_str()), Some("INFO"));
    assert_eq!(
        (text(&info, Name::ContentType), &*info.body()),
        ("application/dtmf-relay".into(), &b"Signal=7\r\n"[..])
    );
    desk.gets(response(&info, 100, ""));
    desk.gets(response(&info, 200, ""));
    desk.gets(response(&info, 200, ""));
    assert_eq!((told(&mut desk), desk.events.len()), (200, 0), "once");
    informs(&mut desk);
    let info = desk.only();
    desk.gets(response(&info, 415, ""));
    assert_eq!((told(&mut desk), desk.endpoint.load().dialogs), (415, 1), "the call goes on");
    informs(&mut desk);
    let info = desk.only();
    desk.gets(response(&info, 481, ""));
    assert_eq!(told(&mut desk), 481);
    assert_eq!(
        desk.only().method().map(|method| method.as_str()),
        Some("BYE"),
        "they know no such dialog (RFC 3261 section 12.2.1.2)"
    );
    assert!(matches!(desk.events.pop(), Some(Event::Ended { .. })));
}

#[test]
fn an_info_that_nobody_answers_ends_the_call() {
    let (mut desk, dialog, _, _) = up("");
    desk.command(Command::Inform { dialog, content_type: "application/dtmf", body: "7".into() });
    desk.wait(seconds(33.0));
    let codes: Vec<_> = desk
        .events
        .iter()
        .filter_map(|e| if let Event::Informed { code, .. } = e { Some(*code) } else { None })
        .collect();
    assert_eq!(codes, [408]);
    assert!(matches!(desk.events.last(), Some(Event::Ended { .. })), "{:?}", desk.events);
}

// ---- REFER

fn fragment(line: &str) -> String {
    format!("Event: refer\r\nSubscription-State: {line}\r\nContent-Type: message/sipfrag\r\n\r\n")
}

#[test]
fn a_blind_transfer_is_asked_for_and_followed() {
    let (mut desk, dialog, to, _) = up("");
    let notify = |number: u32, state: &str, code: u16| {
        request("NOTIFY", number, &format!("n{number}"), &to, &format!("{}SIP/2.0 {code} x\r\n", fragment(state)))
    };
    desk.gets(notify(2, "active", 100));
    assert_eq!(desk.sent(), ["481"], "nobody asked for it");
    let target = ReferTo::Uri("sip:10086@192.0.2.77".into());
    desk.command(Command::Refer { dialog, to: target.clone(), by: Some("sip:12345@192.0.2.1".into()) });
    let refer = desk.only();
    assert_eq!(text(&refer, Name::ReferTo), "<sip:10086@192.0.2.77>");
    assert_eq!(text(&refer, Name::ReferredBy), "<sip:12345@192.0.2.1>");
    desk.command(Command::Refer { dialog, to: target, by: None });
    assert_eq!((desk.sent(), desk.events.pop().is_some()), (vec![], true), "one at a time");
    // NOTIFY may overtake the 202 (RFC 3515 2.4.4).
    desk.gets(notify(3, "active;expires=60", 180));
    desk.gets(response(&refer, 202, ""));
    desk.gets(notify(4, "terminated;reason=noresource", 200));
    desk.gets(notify(5, "terminated", 200));
    assert_eq!(desk.sent(), ["200", "200", "481"]);
    let told: Vec<_> = desk
        .events
        .drain(..)
        .filter_map(|event| match event {
            Event::Referred { code, over, .. } => Some((code, over)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(180, false), (200, true)]);
}

#[test]
fn a_transfer_that_is_refused_or_ends_without_a_word() {
    let (mut desk, dialog, to, _) = up("");
    let refer = |desk: &mut Desk| {
        desk.command(Command::Refer { dialog, to: ReferTo::Uri("sip:10086@192.0.2.77".into()), by: None });
        desk.only()
    };
    let first = refer(&mut desk);
    desk.gets(response(&first, 603, ""));
    assert!(matches!(desk.events.pop(), Some(Event::Referred { code: 603, over: true, .. })));
    refer(&mut desk);
    desk.gets(request("NOTIFY", 2, "n", &to, "Event: refer\r\nSubscription-State: terminated\r\n"));
    assert!(matches!(desk.events.pop(), Some(Event::Referred { code: 480, over: true, .. })));
    desk.sent();
    refer(&mut desk);
    desk.wait(seconds(33.0));
    assert!(matches!(desk.events.pop(), Some(Event::Referred { code: 408, over: true, .. })));
    assert_eq!(desk.endpoint.load().dialogs, 1, "the call goes on");
}

#[test]
fn an_attended_transfer_names_the_dialog_that_it_replaces() {
    let (mut desk, dialog, _, _) = up("");
    let (other, invite) = call(&mut desk, Transport::Udp);
    let to = ReferTo::Instead(other);
    desk.command(Command::Refer { dialog, to: to.clone(), by: None });
    assert!(matches!(desk.events.pop(), Some(Event::Referred { code: 481, over: true, .. })), "it does not stand yet");
    desk.gets(response(&invite, 200, ""));
    desk.sent();
    desk.command(Command::Refer { dialog, to, by: None });
    let refer = desk.only();
    let ours = text(&invite, Name::From).split("tag=").nth(1).expect("a tag").to_owned();
    let expected = format!(
        "<sip:10086@192.0.2.9:5080?Replaces={}%3Bto-tag%3Dtheirs%3Bfrom-tag%3D{ours}>",
        text(&invite, Name::CallId)
    );
    assert_eq!(text(&refer, Name::ReferTo), expected);
}

// ---- routes, offers, forks

#[test]
fn every_response_that_makes_a_dialog_carries_the_record_route() {
    let mut desk = Desk::new();
    let routes = "Record-Route: <sip:p1@192.0.2.7;lr>\r\nRecord-Route: <sip:p2@192.0.2.8;lr>\r\n";
    desk.gets(request("INVITE", 1, "i", US, &format!("{routes}{OFFER}")));
    let dialog = desk.dialog();
    desk.sent();
    desk.command(Command::Ring { dialog });
    desk.command(Command::Progress { dialog, sdp: SDP.into() });
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    for (_, message) in &desk.sent {
        let list: Vec<_> = message.list(Name::RecordRoute).collect();
        assert_eq!(list, [&b"<sip:p1@192.0.2.7;lr>"[..], b"<sip:p2@192.0.2.8;lr>"], "{:?}", message.code());
    }
    assert_eq!(desk.sent(), ["180", "183", "200"]);
}

fn invite_with(desk: &mut Desk, sdp: &'static str, routes: &[&str]) -> (DialogId, Message) {
    let dialog = desk.endpoint.ids().next();
    let invite = Invite {
        dialog,
        target: "sip:10086@carrier.example".into(),
        flow: flow(Transport::Udp),
        from: "sip:12345@192.0.2.1".into(),
        display: None,
        sdp: sdp.into(),
        trunk: None,
        silence: None,
        routes: routes.iter().map(|route| (*route).to_owned()).collect(),
        headers: Vec::new(),
    };
    desk.command(Command::Invite(Box::new(invite)));
    (dialog, desk.only())
}

#[test]
fn a_preloaded_route_stands_in_invite_cancel_and_the_ack_of_a_refusal() {
    let mut desk = Desk::new();
    let (dialog, invite) = invite_with(&mut desk, SDP, &["<sip:edge@192.0.2.9:5080;lr>", "<sip:core.example;lr>"]);
    let routes = |message: &Message| message.list(Name::Route).map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_eq!(routes(&invite).len(), 2);
    assert_eq!(invite.request_uri_bytes(), b"sip:10086@carrier.example");
    desk.gets(response(&invite, 180, ""));
    desk.command(Command::Cancel { dialog });
    assert_eq!(routes(&desk.only()), routes(&invite));
    desk.gets(response(&invite, 487, ""));
    assert_eq!(routes(&desk.only()), routes(&invite));
}

#[test]
fn a_call_of_ours_without_an_offer_answers_in_the_ack() {
    let mut desk = Desk::new();
    let (dialog, invite) = invite_with(&mut desk, "", &[]);
    assert!(invite.sdp().is_none() && !invite.has_tag(Name::Supported, "100rel"));
    let ok = response(&invite, 200, OFFER);
    desk.gets(&ok);
    desk.gets(&ok);
    assert_eq!((desk.sent(), desk.events()), (vec![], vec!["Answered".into()]), "the ACK waits for our answer");
    desk.command(Command::Acknowledge { dialog, sdp: SDP.into() });
    assert_eq!(desk.only().sdp().as_deref(), Some(SDP.as_bytes()));
    desk.gets(&ok);
    assert_eq!(desk.only().sdp().as_deref(), Some(SDP.as_bytes()), "lost, and said again");
    // Whoever cannot answer hangs up: ACK first, then BYE.
    let (dialog, invite) = invite_with(&mut desk, "", &[]);
    desk.gets(response(&invite, 200, OFFER));
    desk.command(Command::Hangup { dialog, reason: None });
    assert_eq!(desk.sent(), ["ACK", "BYE"]);
}

#[test]
fn a_fork_that_answers_after_the_call_is_over_is_hung_up_too() {
    let (mut desk, dialog, invite) = called("");
    let ok = response(&invite, 200, "");
    desk.command(Command::Hangup { dialog, reason: None });
    let bye = desk.only();
    desk.gets(response(&bye, 200, ""));
    assert_eq!(desk.events(), ["Ended us"]);
    desk.gets(&ok);
    assert!(desk.sent().is_empty(), "our own call's 200 again: the BYE has answered it");
    desk.gets(ok.replace("tag=theirs", "tag=late"));
    assert!(desk.sent.iter().all(|(_, message)| to_of(message).ends_with("tag=late")));
    assert_eq!((desk.sent(), desk.events().len()), (vec!["ACK".into(), "BYE".into()], 0));
    desk.wait(seconds(70.0));
    assert!(desk.is_empty());
}
