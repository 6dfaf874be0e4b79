//! Reliable provisional responses (RFC 3262) and UPDATE (RFC 3311) as they show on the wire.

use jiesu::sip::{Command, DialogId, Event, Message, Method, Name, Transport};

use crate::calls::{SDP, call, response, schedule, seconds, times};
use crate::desk::{Desk, US, request, to_of};

const OFFER: &str = "Content-Type: application/sdp\r\n\r\nv=0\r\n";
const RELIABLE: &str = "Supported: timer, 100rel\r\n";

fn text(message: &Message, name: Name) -> String {
    String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned()
}

/// Rung up with these header lines (and perhaps a body behind an empty one).
fn invited(more: &str) -> (Desk, DialogId) {
    let mut desk = Desk::new();
    desk.gets(request("INVITE", 1, "i", US, more));
    let dialog = desk.dialog();
    assert_eq!((desk.sent(), desk.events()), (vec!["100".into()], vec!["Invited".into()]));
    (desk, dialog)
}

/// The PRACK of a reliable response.
fn prack(number: u32, response: &Message, more: &str) -> String {
    let rack = format!("RAck: {} 1 INVITE\r\n{more}", text(response, Name::RSeq));
    request("PRACK", number, &format!("p{number}"), &to_of(response), &rack)
}

#[test]
fn early_media_to_a_caller_without_100rel() {
    let (mut desk, dialog) = invited(OFFER);
    desk.command(Command::Progress { dialog, sdp: SDP.into() });
    let progress = desk.only();
    assert_eq!((progress.code(), progress.header(Name::RSeq)), (Some(183), None));
    assert_eq!((progress.sdp().as_deref(), desk.events()), (Some(SDP.as_bytes()), vec!["Progressed".into()]));
    assert!(times(&schedule(&mut desk, seconds(30.0)), "183").is_empty(), "not reliable: not repeated");
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    assert_eq!(desk.only().sdp().as_deref(), Some(SDP.as_bytes()), "the answer is said again");
}

#[test]
fn early_media_reliably() {
    let (mut desk, dialog) = invited(&format!("{RELIABLE}{OFFER}"));
    desk.command(Command::Progress { dialog, sdp: SDP.into() });
    let progress = desk.only();
    assert_eq!((text(&progress, Name::Require), progress.code()), ("100rel".into(), Some(183)));
    assert!(progress.contact().is_some(), "it makes a dialog");
    // The interval doubles without limit (RFC 3262 section 3), and each repetition is the same message.
    assert_eq!(times(&schedule(&mut desk, seconds(8.0)), "183"), [500, 1500, 3500, 7500]);
    assert!(desk.events().is_empty(), "no early media before the PRACK");
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    assert!(desk.sent().is_empty(), "RFC 3262 section 3: no 2xx while the SDP waits for its PRACK");
    let wrong = prack(2, &progress, "").replace(" 1 INVITE\r\n", " 7 INVITE\r\n");
    desk.gets(wrong);
    assert_eq!(desk.sent(), ["481"]);
    desk.gets(prack(3, &progress, ""));
    assert_eq!((desk.events(), desk.sent.len()), (vec!["Progressed".into()], 2));
    let answer = desk.sent.remove(1).1;
    assert_eq!(desk.sent(), ["200"]);
    assert_eq!((answer.code(), answer.sdp()), (Some(200), None), "what is agreed is not offered again");
    desk.gets(request("ACK", 1, "ack", &to_of(&answer), ""));
    assert_eq!(desk.events(), ["Confirmed"]);
    desk.gets(prack(3, &progress, ""));
    assert_eq!(desk.sent(), ["200"], "the PRACK again: its transaction answers");
    desk.gets(prack(4, &progress, ""));
    assert_eq!(desk.sent(), ["481"], "a second PRACK of one response");
}

#[test]
fn a_caller_that_requires_100rel_gets_no_unreliable_response() {
    let (mut desk, dialog) = invited(&format!("Require: 100rel\r\n{OFFER}"));
    desk.command(Command::Ring { dialog });
    let ringing = desk.only();
    assert_eq!((ringing.code(), text(&ringing, Name::Require)), (Some(180), "100rel".into()));
    // What comes meanwhile waits for the PRACK, in order.
    desk.command(Command::Ring { dialog });
    desk.command(Command::Progress { dialog, sdp: SDP.into() });
    assert!(desk.sent().is_empty());
    desk.gets(prack(2, &ringing, ""));
    assert_eq!(desk.sent.iter().filter_map(|(_, m)| m.code()).collect::<Vec<_>>(), [200, 180]);
    let again = desk.sent.remove(1).1;
    desk.sent.clear();
    let number = |message: &Message| text(message, Name::RSeq).parse::<u32>().expect("a number");
    assert_eq!(number(&again), number(&ringing) + 1);
    desk.gets(prack(3, &again, ""));
    let progress = desk.sent.remove(1).1;
    assert_eq!((progress.code(), number(&progress)), (Some(183), number(&ringing) + 2));
}

#[test]
fn a_200_need_not_wait_for_the_prack_of_a_response_without_sdp() {
    let (mut desk, dialog) = invited(&format!("Require: 100rel\r\n{OFFER}"));
    desk.command(Command::Ring { dialog });
    let ringing = desk.only();
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    let answer = desk.only();
    assert_eq!((answer.code(), answer.sdp().as_deref()), (Some(200), Some(SDP.as_bytes())));
    desk.gets(prack(2, &ringing, ""));
    assert_eq!(desk.sent(), ["200"], "a late PRACK is still taken");
    assert_eq!(times(&schedule(&mut desk, seconds(2.0)), "200"), [500, 1500], "… and the 2xx goes on");
}

#[test]
fn a_reliable_response_that_nobody_acknowledges_ends_the_call() {
    let (mut desk, dialog) = invited(&format!("{RELIABLE}{OFFER}"));
    desk.command(Command::Progress { dialog, sdp: SDP.into() });
    let list = schedule(&mut desk, seconds(33.0));
    assert_eq!(times(&list, "183"), [0, 500, 1500, 3500, 7500, 15_500, 31_500][1..]);
    assert_eq!(times(&list, "504"), [32_000, 32_500], "64*T1, then as every refusal");
    assert_eq!(desk.events(), ["Ended refused"]);
    desk.wait(seconds(40.0));
    assert!(desk.is_empty());
}

#[test]
fn without_an_offer_the_183_offers_and_the_prack_answers() {
    let (mut desk, dialog) = invited(RELIABLE);
    desk.command(Command::Progress { dialog, sdp: SDP.into() });
    let progress = desk.only();
    assert!(progress.sdp().is_some());
    desk.gets(request("UPDATE", 2, "u", &to_of(&progress), OFFER));
    assert_eq!(desk.sent(), ["491"], "RFC 3311 5.2: our offer waits for its answer");
    desk.gets(prack(3, &progress, OFFER));
    assert_eq!(desk.sent(), ["200"]);
    let Some(Event::Progressed { sdp, .. }) = desk.events.pop() else { panic!("early media") };
    assert!(sdp.is_some(), "the answer");
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    assert_eq!(desk.only().sdp(), None);
}

#[test]
fn without_an_offer_and_without_100rel_there_is_no_early_media() {
    let (mut desk, dialog) = invited("");
    desk.command(Command::Progress { dialog, sdp: SDP.into() });
    assert!(desk.sent().is_empty() && desk.events().is_empty());
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    assert_eq!(desk.only().sdp().as_deref(), Some(SDP.as_bytes()));
}

#[test]
fn a_prack_may_offer_and_the_answer_goes_into_its_200() {
    let (mut desk, dialog) = invited(&format!("{RELIABLE}{OFFER}"));
    desk.command(Command::Progress { dialog, sdp: SDP.into() });
    let progress = desk.only();
    desk.gets(prack(2, &progress, OFFER));
    assert_eq!((desk.sent(), desk.events()), (vec![], vec!["Progressed".into(), "Reoffered".into()]));
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    assert!(desk.sent().is_empty(), "first the offer in the PRACK");
    desk.command(Command::AnswerAgain { dialog, sdp: "v=0\r\ns=2\r\n".into() });
    let answers: Vec<_> = desk.sent.iter().map(|(_, m)| (m.code(), m.sdp().map(|sdp| sdp.len()))).collect();
    assert_eq!(answers, [(Some(200), Some(10)), (Some(200), None)], "PRACK's, then INVITE's");
}

#[test]
fn a_cancel_ends_the_repetition() {
    let (mut desk, dialog) = invited(&format!("{RELIABLE}{OFFER}"));
    desk.command(Command::Progress { dialog, sdp: SDP.into() });
    let progress = desk.only();
    desk.gets(request("CANCEL", 1, "i", US, "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"));
    let Some(Event::Ended { reason, .. }) = desk.events.pop() else { panic!("it ended") };
    assert_eq!(reason.map(|reason| reason.cause), Some(200));
    assert_eq!(desk.sent(), ["200", "487"]);
    desk.gets(prack(2, &progress, ""));
    assert_eq!(desk.sent(), ["481"]);
    assert!(times(&schedule(&mut desk, seconds(30.0)), "183").is_empty());
}

// ---- UPDATE

/// A call that stands, whose INVITE had these header lines; our To.
fn up(more: &str) -> (Desk, DialogId, String) {
    let (mut desk, dialog) = invited(&format!("{more}{OFFER}"));
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    let to = to_of(&desk.only());
    desk.gets(request("ACK", 1, "ack", &to, ""));
    assert_eq!(desk.events(), ["Confirmed"]);
    (desk, dialog, to)
}

#[test]
fn an_update_with_an_offer_is_answered_in_its_200_without_ack() {
    let (mut desk, dialog, to) = up("");
    let update = request("UPDATE", 2, "u", &to, OFFER);
    desk.gets(&update);
    desk.gets(&update);
    assert_eq!((desk.sent(), desk.events()), (vec![], vec!["Reoffered".into()]), "the repetition is absorbed");
    desk.gets(request("UPDATE", 3, "v", &to, OFFER));
    desk.gets(request("INVITE", 4, "w", &to, OFFER));
    let refused: Vec<_> = desk.sent.drain(..).map(|(_, m)| (m.code(), m.header(Name::RetryAfter).is_some())).collect();
    assert_eq!(refused, [(Some(500), true), (Some(500), true)], "RFC 3311 5.2: their offer waits");
    desk.command(Command::AnswerAgain { dialog, sdp: SDP.into() });
    let answer = desk.only();
    assert_eq!((answer.code(), answer.sdp().as_deref()), (Some(200), Some(SDP.as_bytes())));
    assert!(schedule(&mut desk, seconds(20.0)).is_empty(), "nothing waits for an ACK");
    desk.gets(request("UPDATE", 5, "x", &to, OFFER));
    desk.command(Command::RefuseAgain { dialog, code: 488 });
    assert_eq!(desk.sent(), ["488"]);
    assert_eq!(desk.endpoint.load().dialogs, 1, "the call goes on");
}

#[test]
fn an_update_without_an_offer_moves_the_target() {
    let (mut desk, dialog, to) = up("");
    desk.gets(request("UPDATE", 2, "u", &to, "").replace("<sip:13800001111@192.0.2.9:5080>", "<sip:x@192.0.2.44>"));
    let answer = desk.only();
    assert_eq!((answer.code(), answer.contact().is_some()), (Some(200), true));
    assert!(desk.events().is_empty());
    desk.command(Command::Hangup { dialog, reason: None });
    assert_eq!(desk.sent[0].0.peer, crate::desk::address("192.0.2.44:5060"));
}

#[test]
fn an_update_before_the_answer() {
    let (mut desk, dialog) = invited(&format!("{RELIABLE}{OFFER}"));
    desk.command(Command::Ring { dialog });
    let to = to_of(&desk.only());
    desk.gets(request("UPDATE", 2, "u", &to, OFFER));
    assert_eq!(desk.sent(), ["500"], "the INVITE's offer has no answer yet");
    desk.command(Command::Progress { dialog, sdp: SDP.into() });
    let progress = desk.only();
    desk.gets(prack(3, &progress, ""));
    desk.gets(request("UPDATE", 4, "v", &to, OFFER));
    assert_eq!((desk.sent(), desk.events()), (vec!["200".into()], vec!["Progressed".into(), "Reoffered".into()]));
    desk.command(Command::AnswerAgain { dialog, sdp: SDP.into() });
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    let answers: Vec<_> = desk.sent.iter().map(|(_, m)| (m.code(), m.sdp().is_some())).collect();
    assert_eq!(answers, [(Some(200), true), (Some(200), false)]);
}

#[test]
fn an_update_while_our_offer_is_under_way_gets_491() {
    let (mut desk, dialog, to) = up("");
    desk.command(Command::OfferAgain { dialog, sdp: SDP.into() });
    desk.sent();
    desk.gets(request("UPDATE", 2, "u", &to, OFFER));
    desk.gets(request("UPDATE", 3, "v", &to, ""));
    assert_eq!(desk.sent(), ["491", "200"], "without an offer it clashes with nothing");
}

#[test]
fn a_bye_while_an_update_waits_answers_both() {
    let (mut desk, _, to) = up("");
    desk.gets(request("UPDATE", 2, "u", &to, OFFER));
    desk.gets(request("BYE", 3, "b", &to, "Reason: Q.850;cause=16;text=\"Normal\"\r\n"));
    assert_eq!(desk.sent(), ["200", "487"]);
    assert!(matches!(desk.events.last(), Some(Event::Ended { reason: Some(reason), .. }) if reason.cause == 16));
    desk.wait(seconds(40.0));
    assert!(desk.is_empty());
}

// ---- calls of ours

const RSEQ: &str = "Require: 100rel\r\nRSeq: 4711\r\nRecord-Route: <sip:p@192.0.2.7;lr>\r\n";

#[test]
fn a_reliable_response_to_our_invite_is_pracked_once() {
    let mut desk = Desk::new();
    let (_, invite) = call(&mut desk, Transport::Udp);
    assert!(invite.has_tag(Name::Supported, "100rel"));
    let progress = response(&invite, 183, &format!("{RSEQ}{OFFER}"));
    desk.gets(&progress);
    let (way, prack) = desk.sent.remove(0);
    assert_eq!((prack.method(), text(&prack, Name::RAck)), (Some(&Method::Prack), "4711 1 INVITE".to_owned()));
    assert_eq!(
        (way.peer.to_string(), text(&prack, Name::Route)),
        ("192.0.2.7:5060".into(), "<sip:p@192.0.2.7;lr>".into())
    );
    assert!(to_of(&prack).contains("tag=theirs"));
    assert_eq!(prack.cseq().map(|(n, _)| n), Some(2));
    desk.gets(&progress);
    desk.gets(progress.replace("RSeq: 4711", "RSeq: 4713"));
    assert_eq!((desk.sent(), desk.events()), (vec![], vec!["Ringing".into()]), "repeated, and out of order");
    desk.gets(response(&prack, 200, ""));
    desk.gets(progress.replace("RSeq: 4711", "RSeq: 4712"));
    assert_eq!((desk.sent(), desk.events()), (vec!["PRACK".into()], vec!["Ringing".into()]));
    desk.gets(response(&invite, 200, ""));
    let answered = desk.events.pop();
    assert!(matches!(answered, Some(Event::Answered { sdp: Some(_), .. })), "the answer was in the 183");
    assert_eq!(desk.sent(), ["ACK"]);
}

#[test]
fn a_prack_is_repeated_until_it_is_answered() {
    let mut desk = Desk::new();
    let (_, invite) = call(&mut desk, Transport::Udp);
    desk.gets(response(&invite, 180, RSEQ));
    desk.sent();
    assert_eq!(times(&schedule(&mut desk, seconds(4.0)), "PRACK"), [500, 1500, 3500]);
}

#[test]
fn each_fork_is_an_early_dialog_of_its_own_and_their_number_is_bounded() {
    let mut desk = Desk::new();
    let (dialog, invite) = call(&mut desk, Transport::Udp);
    for fork in 0..9 {
        desk.gets(response(&invite, 183, &format!("{RSEQ}{OFFER}")).replace("tag=theirs", &format!("tag=f{fork}")));
    }
    let pracks: Vec<_> = desk.sent.drain(..).map(|(_, m)| to_of(&m).split("tag=").nth(1).map(str::to_owned)).collect();
    assert_eq!(pracks, (0..8).map(|fork| Some(format!("f{fork}"))).collect::<Vec<_>>());
    assert_eq!(desk.events().last().map(String::as_str), Some("Refused too_many_forks"));
    desk.gets(response(&invite, 200, "").replace("tag=theirs", "tag=f3"));
    desk.sent();
    desk.command(Command::Hangup { dialog, reason: None });
    assert!(to_of(&desk.only()).ends_with("tag=f3"));
}

#[test]
fn an_update_inside_an_early_dialog_of_ours() {
    let mut desk = Desk::new();
    let (dialog, invite) = call(&mut desk, Transport::Udp);
    desk.gets(response(&invite, 183, &format!("{RSEQ}{OFFER}")));
    desk.sent();
    let us = text(&invite, Name::From);
    let inside = |method: &str, number: u32, more: &str| {
        request(method, number, &format!("{method}{number}"), &us, more)
            .replace("tag=peer", "tag=theirs")
            .replace("Call-ID: call", &format!("Call-ID: {}", text(&invite, Name::CallId)))
    };
    desk.events();
    desk.gets(inside("UPDATE", 1, OFFER));
    assert_eq!(desk.events(), ["Reoffered"]);
    desk.command(Command::AnswerAgain { dialog, sdp: SDP.into() });
    desk.gets(inside("BYE", 2, ""));
    assert_eq!(desk.sent(), ["200", "481"], "RFC 3261 section 15: a callee may not BYE an early dialog");
    desk.gets(response(&invite, 200, ""));
    assert_eq!(desk.events(), ["Answered"]);
    desk.gets(inside("BYE", 3, ""));
    assert_eq!(desk.events(), ["Ended caller"]);
}
