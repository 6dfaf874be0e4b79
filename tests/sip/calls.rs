//! Transactions and dialogs: cases 18 to 22 of ../shared/ATTACKS.md, and the timers of RFC 3261 and 6026 as they show
//! on the wire.

use std::time::Duration;

use jiesu::sip::{Command, DialogId, Invite, Message, Name, Transport};

use crate::desk::{Desk, US, flow, invite, request, to_of};

pub const SDP: &str = "v=0\r\n";

pub fn seconds(n: f64) -> Duration {
    Duration::from_secs_f64(n)
}

/// An endpoint that was called; what the INVITE caused is looked at.
pub fn invited() -> (Desk, DialogId) {
    let mut desk = Desk::new();
    desk.gets(invite());
    let dialog = desk.dialog();
    assert_eq!((desk.sent(), desk.events()), (vec!["100".into()], vec!["Invited".into()]));
    (desk, dialog)
}

/// … and that answered. The third value is its To with tag.
pub fn answered() -> (Desk, DialogId, String) {
    let (mut desk, dialog) = invited();
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    let answer = desk.only();
    assert_eq!(answer.code(), Some(200));
    (desk, dialog, to_of(&answer))
}

/// … and whose answer was acknowledged.
pub fn up() -> (Desk, DialogId, String) {
    let (mut desk, dialog, to) = answered();
    desk.gets(request("ACK", 1, "ack", &to, ""));
    assert_eq!((desk.sent(), desk.events()), (vec![], vec!["Confirmed".into()]));
    (desk, dialog, to)
}

/// When things are sent in the next `span`, in milliseconds from now, with what.
pub fn schedule(desk: &mut Desk, span: Duration) -> Vec<(u128, String)> {
    desk.sent.clear();
    let (start, until) = (desk.now, desk.now + span);
    let mut list = Vec::new();
    while let Some(at) = desk.endpoint.next_deadline().filter(|at| *at <= until) {
        desk.wait(at - desk.now);
        let when = (at - start).as_millis();
        list.extend(desk.sent().into_iter().map(|what| (when, what)));
    }
    desk.wait(until - desk.now);
    list
}

pub fn times(list: &[(u128, String)], what: &str) -> Vec<u128> {
    list.iter().filter(|(_, w)| w == what).map(|(at, _)| *at).collect()
}

#[test]
fn case_18_fifty_equal_invites_are_one_call() {
    let mut desk = Desk::new();
    for _ in 0..50 {
        desk.gets(invite());
    }
    assert_eq!(desk.events(), ["Invited"]);
    assert_eq!(desk.sent(), vec!["100"; 50]);
    assert_eq!(desk.endpoint.load().dialogs, 1);
}

#[test]
fn case_18_the_same_request_over_another_path_is_merged() {
    let (mut desk, dialog) = invited();
    desk.gets(request("INVITE", 1, "other", US, ""));
    assert_eq!((desk.sent(), desk.events().len()), (vec!["482".into()], 0));
    desk.command(Command::Ring { dialog });
    assert_eq!(desk.sent(), ["180"], "the first one goes on");
}

#[test]
fn case_19_a_200_that_nobody_acknowledges() {
    let (mut desk, _, _) = answered();
    let list = schedule(&mut desk, seconds(31.9));
    assert_eq!(times(&list, "200"), [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(list.len(), 10);
    let list = schedule(&mut desk, seconds(0.2));
    assert_eq!(list, [(100, "BYE".to_owned())]);
    assert_eq!(desk.events(), ["Ended no_ack"]);
    desk.wait(seconds(40.0));
    assert!(desk.is_empty(), "{:?}", desk.endpoint);
    assert!(desk.events().is_empty());
}

#[test]
fn an_answer_is_repeated_over_tcp_too() {
    let mut desk = Desk::new();
    desk.gets_from(flow(Transport::Tcp), invite());
    let dialog = desk.dialog();
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    desk.sent();
    assert_eq!(times(&schedule(&mut desk, seconds(2.0)), "200"), [500, 1500], "RFC 3261 13.3.1.4");
}

/// RFC 3261 12.1.1 and 8.1.1.8: who is called by `sips:`, or calls so, is called back so; others by TLS as they came.
#[test]
fn a_contact_is_as_secured_as_the_call() {
    let contact =
        |message: &Message| String::from_utf8_lossy(message.header(Name::Contact).expect("Contact")).into_owned();
    for (transport, scheme, expected) in [
        (Transport::Tls, "sip", "<sip:192.0.2.1:5060;transport=tls>"),
        (Transport::Tls, "sips", "<sips:192.0.2.1:5060>"),
        (Transport::Udp, "sips", "<sip:192.0.2.1:5060>"),
    ] {
        let mut desk = Desk::new();
        desk.gets_from(flow(transport), invite().replacen("INVITE sip:", &format!("INVITE {scheme}:"), 1));
        let dialog = desk.dialog();
        desk.command(Command::Answer { dialog, sdp: SDP.into() });
        let (_, answer) = desk.sent.last().expect("a 200");
        assert_eq!((answer.code(), contact(answer).as_str()), (Some(200), expected), "{scheme} over {transport:?}");
        let options = request("OPTIONS", 9, "o", US, "").replacen("OPTIONS sip:", &format!("OPTIONS {scheme}:"), 1);
        desk.gets_from(flow(transport), options);
        let (_, answer) = desk.sent.last().expect("a 200");
        assert_eq!(contact(answer), expected, "OPTIONS, {scheme} over {transport:?}");
    }
    let mut desk = Desk::new();
    let (_, invite) = call_to(&mut desk, Transport::Tls, "sips:110@192.0.2.9:5061");
    assert_eq!(contact(&invite), "<sips:192.0.2.1:5060>");
}

#[test]
fn case_20_cancel_before_the_answer() {
    let (mut desk, dialog) = invited();
    desk.gets(request("CANCEL", 1, "i", US, ""));
    let tags: Vec<String> = desk.sent.iter().map(|(_, message)| to_of(message)).collect();
    assert_eq!(tags[0], tags[1], "RFC 3261 9.2: one tag in both");
    assert_eq!((desk.sent(), desk.events()), (vec!["200".into(), "487".into()], vec!["Ended cancelled".into()]));
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    assert!(desk.sent().is_empty(), "too late");
    desk.gets(request("CANCEL", 1, "i", US, ""));
    assert_eq!(desk.sent(), ["200"], "the CANCEL again");
    desk.gets(request("ACK", 1, "i", &tags[0], ""));
    assert!(schedule(&mut desk, seconds(40.0)).is_empty(), "the ACK ends the repetition of 487");
    assert!(desk.is_empty());
}

#[test]
fn case_20_cancel_after_the_answer() {
    let (mut desk, _, to) = answered();
    desk.gets(request("CANCEL", 1, "i", US, ""));
    assert_eq!((desk.sent(), desk.events().len()), (vec!["200".into()], 0), "without effect");
    desk.gets(request("ACK", 1, "ack", &to, ""));
    assert_eq!(desk.events(), ["Confirmed"]);
    desk.wait(seconds(33.0));
    desk.gets(request("CANCEL", 1, "i", US, ""));
    assert_eq!(desk.sent(), ["481"], "the INVITE's transaction is over");
}

#[test]
fn case_20_cancel_at_the_moment_of_the_answer() {
    // Both orders of the two events at one instant: either the call or the cancellation wins, never both.
    let (mut desk, dialog) = invited();
    desk.gets(request("CANCEL", 1, "i", US, ""));
    desk.command(Command::Answer { dialog, sdp: SDP.into() });
    assert_eq!(desk.sent(), ["200", "487"]);
    let (mut desk, _, _) = answered();
    desk.gets(request("CANCEL", 1, "i", US, ""));
    assert_eq!(desk.sent(), ["200"]);
    assert!(desk.events().is_empty());
}

#[test]
fn case_21_what_belongs_to_no_dialog() {
    let mut desk = Desk::new();
    let stranger = format!("{US};tag=unknown");
    for method in ["BYE", "INVITE", "OPTIONS", "INFO"] {
        desk.gets(request(method, 1, method, &stranger, ""));
        assert_eq!(desk.sent(), ["481"], "{method}");
    }
    desk.gets(request("ACK", 1, "ACK", &stranger, ""));
    desk.gets(request("ACK", 1, "ACK2", US, ""));
    assert!(desk.sent().is_empty());
    assert!(desk.is_empty());

    let (mut desk, _, to) = up();
    desk.gets(request("BYE", 2, "b", &to, ""));
    assert_eq!((desk.sent(), desk.events()), (vec!["200".into()], vec!["Ended caller".into()]));
    desk.gets(request("BYE", 2, "b", &to, ""));
    assert_eq!(desk.sent(), ["200"], "the BYE again");
    desk.gets(request("INVITE", 3, "r", &to, ""));
    assert_eq!(desk.sent(), ["481"]);
    let (mut desk, _, to) = up();
    desk.gets(request("BYE", 2, "b", &to, "").replace("tag=peer", "tag=another"));
    assert_eq!(desk.sent(), ["481"], "a guessed tag of ours is not enough");
}

#[test]
fn case_22_glare_and_order() {
    let (mut desk, dialog, to) = up();
    desk.command(Command::OfferAgain { dialog, sdp: SDP.into() });
    assert_eq!(desk.sent(), ["INVITE"]);
    desk.gets(request("INVITE", 2, "r", &to, ""));
    assert_eq!(desk.sent(), ["491"], "both at once");
    desk.command(Command::OfferAgain { dialog, sdp: SDP.into() });
    assert_eq!((desk.sent().len(), desk.events()), (0, vec!["RefusedAgain 491".into()]), "ours is under way");

    let (mut desk, _, to) = up();
    desk.gets(request("OPTIONS", 7, "o", &to, ""));
    desk.gets(request("OPTIONS", 6, "p", &to, ""));
    assert_eq!(desk.sent(), ["200", "500"], "CSeq backwards");
    desk.gets(request("BYE", 8, "b", &to, ""));
    assert_eq!(desk.sent(), ["200"]);
}

#[test]
fn case_22_one_invite_at_a_time() {
    let (mut desk, _, to) = up();
    desk.gets(request("INVITE", 2, "r", &to, ""));
    assert_eq!((desk.sent(), desk.events()), (vec!["100".into()], vec!["Reoffered".into()]));
    desk.gets(request("INVITE", 3, "s", &to, ""));
    let answer = desk.only();
    assert_eq!(answer.code(), Some(500));
    let wait: u64 =
        String::from_utf8_lossy(answer.header(Name::RetryAfter).expect("it is due")).parse().expect("a number");
    assert!(wait <= 10);
    let (mut desk, _, to) = answered();
    desk.gets(request("INVITE", 2, "r", &to, ""));
    assert_eq!(desk.sent(), ["491"], "our 200 waits for its ACK");
}

#[test]
fn a_re_invite_is_answered_or_refused_and_the_call_goes_on() {
    let (mut desk, dialog, to) = up();
    desk.gets(request("INVITE", 2, "r", &to, &format!("Content-Type: application/sdp\r\n\r\n{SDP}")));
    desk.command(Command::AnswerAgain { dialog, sdp: SDP.into() });
    assert_eq!((desk.sent(), desk.events()), (vec!["100".into(), "200".into()], vec!["Reoffered".into()]));
    assert_eq!(times(&schedule(&mut desk, seconds(1.0)), "200"), [500]);
    desk.gets(request("ACK", 2, "ack2", &to, ""));
    assert!(desk.events().is_empty(), "nobody waits for it: offer and answer are exchanged");
    desk.gets(request("INVITE", 3, "s", &to, ""));
    desk.command(Command::AnswerAgain { dialog, sdp: SDP.into() });
    desk.gets(request("ACK", 3, "ack3", &to, ""));
    assert_eq!(desk.events(), ["Reoffered", "Confirmed"], "our offer is answered in the ACK, or is not");
    desk.sent();
    desk.gets(request("INVITE", 4, "t", &to, ""));
    desk.command(Command::RefuseAgain { dialog, code: 488 });
    assert_eq!(desk.sent(), ["100", "488"]);
    desk.gets(request("ACK", 4, "t", &to, ""));
    desk.wait(seconds(60.0));
    assert_eq!((desk.sent().len(), desk.events()), (0, vec!["Reoffered".into()]));
    desk.gets(request("BYE", 5, "b", &to, ""));
    assert_eq!(desk.events(), ["Ended caller"]);
}

#[test]
fn bye_while_a_re_invite_waits() {
    let (mut desk, _, to) = up();
    desk.gets(request("INVITE", 2, "r", &to, ""));
    desk.gets(request("BYE", 3, "b", &to, ""));
    assert_eq!(desk.sent(), ["100", "200", "487"]);
    desk.gets(request("ACK", 2, "r", &to, ""));
    desk.wait(seconds(40.0));
    assert_eq!(desk.events(), ["Reoffered", "Ended caller"]);
    assert!(desk.is_empty());
}

#[test]
fn a_refusal_is_repeated_until_its_ack() {
    let (mut desk, dialog) = invited();
    let retry_after = Some(Duration::from_secs(7));
    desk.command(Command::Refuse { dialog, code: 503, reason: "Service Unavailable", retry_after });
    let answer = desk.only();
    assert_eq!((answer.code(), answer.header(Name::RetryAfter)), (Some(503), Some(&b"7"[..])));
    assert_eq!(desk.events(), ["Ended refused"]);
    assert_eq!(times(&schedule(&mut desk, seconds(12.0)), "503"), [500, 1500, 3500, 7500, 11_500]);
    desk.gets(request("ACK", 1, "i", &to_of(&answer), ""));
    assert!(schedule(&mut desk, seconds(6.0)).is_empty());
    assert!(desk.is_empty(), "timer I is over");
}

#[test]
fn a_refusal_without_ack_is_given_up() {
    let (mut desk, dialog) = invited();
    desk.command(Command::Refuse { dialog, code: 486, reason: "Busy Here", retry_after: None });
    assert_eq!(schedule(&mut desk, seconds(33.0)).len(), 10);
    assert!(desk.is_empty(), "timer H is over");
}

#[test]
fn hanging_up_waits_for_the_ack() {
    let (mut desk, dialog, to) = answered();
    desk.command(Command::Hangup { dialog, reason: Some("Q.850;cause=16".into()) });
    assert!(desk.sent().is_empty(), "RFC 3261 15: not before the ACK");
    desk.gets(request("ACK", 1, "ack", &to, ""));
    let bye = desk.only();
    assert_eq!(bye.header(Name::Reason), Some(&b"Q.850;cause=16"[..]));
    assert_eq!(bye.request_uri_bytes(), b"sip:13800001111@192.0.2.9:5080");
    desk.gets(response(&bye, 200, ""));
    assert_eq!(desk.events(), ["Ended us"]);
    desk.wait(seconds(40.0));
    assert!(desk.is_empty());
}

#[test]
fn a_bye_that_nobody_answers() {
    let (mut desk, dialog, _) = up();
    desk.command(Command::Hangup { dialog, reason: None });
    let list = schedule(&mut desk, seconds(32.0));
    assert_eq!(times(&list, "BYE"), [500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(desk.events(), ["Ended gone"]);
    assert!(desk.is_empty());
}

#[test]
fn byes_that_cross_end_the_call_once() {
    let (mut desk, dialog, to) = up();
    desk.command(Command::Hangup { dialog, reason: None });
    let bye = desk.only();
    desk.gets(request("BYE", 2, "b", &to, ""));
    desk.gets(response(&bye, 481, ""));
    assert_eq!((desk.sent(), desk.events()), (vec!["200".into()], vec!["Ended us".into()]));
    desk.wait(seconds(40.0));
    assert!(desk.is_empty());
}

#[test]
fn a_user_who_never_answers_does_not_hold_the_caller_for_ever() {
    let (mut desk, dialog) = invited();
    desk.command(Command::Ring { dialog });
    desk.wait(seconds(181.0));
    assert_eq!(desk.sent()[..2], ["180", "480"]);
    assert_eq!(desk.events(), ["Ended refused"]);
}

#[test]
fn draining_and_limits() {
    let (mut desk, _, to) = up();
    desk.command(Command::Drain(true));
    desk.gets(request("INVITE", 1, "new", US, "").replace("Call-ID: call", "Call-ID: new"));
    let answer = desk.only();
    assert_eq!((answer.code(), answer.header(Name::RetryAfter)), (Some(503), Some(&b"10"[..])));
    desk.gets(request("OPTIONS", 1, "o", US, ""));
    desk.gets(request("OPTIONS", 2, "p", &to, ""));
    assert_eq!(desk.sent(), ["503", "200"], "running calls go on");

    let mut desk = Desk::with(|config| (config.max_dialogs, config.max_transactions) = (10, 3));
    for i in 0..5 {
        desk.gets(request("INVITE", 1, &i.to_string(), US, "").replace("Call-ID: call", &format!("Call-ID: {i}")));
    }
    assert_eq!(desk.sent(), ["100", "100", "100", "503", "503"]);
    let first = desk.events[0].dialog().expect("a call");
    desk.command(Command::Answer { dialog: first, sdp: SDP.into() });
    let to = to_of(&desk.only());
    for (method, number) in [("ACK", 1), ("BYE", 2)] {
        desk.gets(request(method, number, method, &to, "").replace("Call-ID: call", "Call-ID: 0"));
    }
    assert_eq!(desk.sent(), ["200"], "a full table does not keep a call from ending");
}

// ---- calls of ours

pub fn call(desk: &mut Desk, transport: Transport) -> (DialogId, Message) {
    call_to(desk, transport, "sip:10086@192.0.2.9:5080")
}

fn call_to(desk: &mut Desk, transport: Transport, target: &str) -> (DialogId, Message) {
    let dialog = desk.endpoint.ids().next();
    let invite = Invite {
        dialog,
        target: target.into(),
        flow: flow(transport),
        from: "sip:12345@192.0.2.1".into(),
        display: Some("a\"b\\c\r\nX: y".into()),
        sdp: SDP.into(),
        routes: Vec::new(),
        trunk: None,
        silence: None,
        headers: vec![("X-Test".into(), "1\r\nEvil: 2".into())],
    };
    desk.command(Command::Invite(Box::new(invite)));
    (dialog, desk.only())
}

/// Their response to a request of ours.
pub fn response(request: &Message, code: u16, more: &str) -> String {
    let value = |name| String::from_utf8_lossy(request.header(name).expect("every request has it")).into_owned();
    let to = value(Name::To);
    let to = if to.contains("tag=") || code == 100 { to } else { format!("{to};tag=theirs") };
    format!(
        "SIP/2.0 {code} Reason\r\nVia: {}\r\nFrom: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n\
         Contact: <sip:10086@192.0.2.9:5080>\r\n{more}\r\n",
        value(Name::Via),
        value(Name::From),
        value(Name::CallId),
        value(Name::CSeq),
    )
}

#[test]
fn an_invite_of_ours_is_repeated_and_given_up() {
    let mut desk = Desk::new();
    let (_, invite) = call(&mut desk, Transport::Udp);
    assert!(invite.other("Evil").is_none() && invite.other("X").is_none());
    assert_eq!(times(&schedule(&mut desk, seconds(33.0)), "INVITE"), [500, 1500, 3500, 7500, 15_500, 31_500]);
    assert_eq!(desk.events(), ["Failed 408"]);
    assert!(desk.is_empty());
    let (_, _) = call(&mut desk, Transport::Tcp);
    assert!(schedule(&mut desk, seconds(31.0)).is_empty(), "TCP repeats by itself");
}

#[test]
fn a_refusal_of_ours_is_acknowledged_each_time() {
    let mut desk = Desk::new();
    let (_, invite) = call(&mut desk, Transport::Udp);
    desk.gets(response(&invite, 100, ""));
    desk.gets(response(&invite, 180, ""));
    assert!(schedule(&mut desk, seconds(20.0)).is_empty());
    for _ in 0..3 {
        desk.gets(response(&invite, 486, ""));
    }
    assert_eq!((desk.sent(), desk.events()), (vec!["ACK".into(); 3], vec!["Ringing".into(), "Failed 486".into()]));
    desk.wait(seconds(33.0));
    assert!(desk.is_empty());
}

#[test]
fn every_200_is_acknowledged() {
    let mut desk = Desk::new();
    let (dialog, invite) = call(&mut desk, Transport::Udp);
    let ok = response(&invite, 200, "Record-Route: <sip:p2@192.0.2.8;lr>\r\nRecord-Route: <sip:p1@192.0.2.7;lr>\r\n");
    desk.gets(&ok);
    let (way, ack) = desk.sent.remove(0);
    assert_eq!(way.peer, crate::desk::address("192.0.2.7:5060"), "the first of the route set");
    let routes: Vec<_> = ack.list(Name::Route).collect();
    assert_eq!(routes, [&b"<sip:p1@192.0.2.7;lr>"[..], b"<sip:p2@192.0.2.8;lr>"]);
    desk.gets(&ok);
    assert_eq!((desk.sent(), desk.events()), (vec!["ACK".into()], vec!["Answered".into()]));
    desk.command(Command::Hangup { dialog, reason: None });
    let bye = desk.only();
    assert_eq!(bye.cseq().map(|(n, _)| n), Some(2));
    desk.gets(response(&bye, 200, ""));
    desk.wait(seconds(40.0));
    assert_eq!(desk.events(), ["Ended us"]);
    assert!(desk.is_empty());
}

#[test]
fn a_fork_that_answers_second_is_hung_up() {
    let mut desk = Desk::new();
    let (dialog, invite) = call(&mut desk, Transport::Udp);
    desk.gets(response(&invite, 200, ""));
    desk.gets(response(&invite, 200, "").replace("tag=theirs", "tag=other"));
    assert_eq!(desk.sent.iter().filter(|(_, m)| to_of(m).contains("tag=other")).count(), 2);
    assert_eq!((desk.sent(), desk.events()), (vec!["ACK".into(), "ACK".into(), "BYE".into()], vec!["Answered".into()]));
    desk.wait(seconds(40.0));
    assert!(desk.events().is_empty() && desk.endpoint.load().dialogs == 1, "{dialog:?} lives");
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut desk = Desk::new();
    let (dialog, invite) = call(&mut desk, Transport::Udp);
    desk.command(Command::Cancel { dialog });
    assert!(desk.sent().is_empty(), "RFC 3261 9.1");
    desk.gets(response(&invite, 100, ""));
    let cancel = desk.only();
    assert_eq!(cancel.header(Name::Via), invite.header(Name::Via));
    assert_eq!(cancel.cseq().map(|(n, m)| (n, m.to_string())), Some((1, "CANCEL".into())));
    desk.gets(response(&invite, 180, ""));
    desk.gets(response(&cancel, 200, ""));
    desk.gets(response(&invite, 487, ""));
    assert_eq!((desk.sent(), desk.events()), (vec!["ACK".into()], vec!["Failed 487".into()]));
    desk.wait(seconds(40.0));
    assert!(desk.is_empty());
}

#[test]
fn cancel_that_crosses_the_answer() {
    let mut desk = Desk::new();
    let (dialog, invite) = call(&mut desk, Transport::Udp);
    desk.gets(response(&invite, 180, ""));
    desk.command(Command::Cancel { dialog });
    desk.gets(response(&invite, 200, ""));
    assert_eq!(desk.sent(), ["CANCEL", "ACK", "BYE"]);
    assert_eq!(desk.events(), ["Ringing", "Failed 487"]);
    desk.wait(seconds(40.0));
    assert!(desk.is_empty() && desk.events().is_empty());
}

#[test]
fn a_cancelled_invite_without_final_answer_is_forgotten() {
    let mut desk = Desk::new();
    let (dialog, invite) = call(&mut desk, Transport::Udp);
    desk.gets(response(&invite, 180, ""));
    desk.command(Command::Cancel { dialog });
    desk.gets(response(&invite, 180, ""));
    desk.wait(seconds(33.0));
    assert_eq!(desk.events(), ["Ringing", "Failed 408"]);
    assert!(desk.is_empty());
}

#[test]
fn nobody_is_left_ringing() {
    let mut desk = Desk::new();
    let (_, invite) = call(&mut desk, Transport::Udp);
    desk.gets(response(&invite, 180, ""));
    desk.wait(seconds(181.0));
    assert_eq!(desk.sent()[0], "CANCEL", "timer C");
    desk.gets(response(&invite, 487, ""));
    assert_eq!(desk.events(), ["Ringing", "Failed 487"]);
}

#[test]
fn a_re_invite_of_ours() {
    let (mut desk, dialog, _) = up();
    for (code, event) in [(200, "AnsweredAgain"), (500, "RefusedAgain 500"), (488, "RefusedAgain 488")] {
        desk.command(Command::OfferAgain { dialog, sdp: SDP.into() });
        let invite = desk.only();
        desk.gets(response(&invite, code, ""));
        assert_eq!((desk.sent(), desk.events()), (vec!["ACK".into()], vec![event.to_owned()]));
    }
    desk.command(Command::OfferAgain { dialog, sdp: SDP.into() });
    let invite = desk.only();
    desk.gets(response(&invite, 481, ""));
    assert_eq!((desk.sent(), desk.events()), (vec!["ACK".into(), "BYE".into()], vec!["Ended gone".into()]));
    desk.wait(seconds(40.0));
    assert!(desk.is_empty());
}

#[test]
fn a_re_invite_that_nobody_answers_while_we_leave() {
    // Found by tests/sip/link.rs: its time-out was taken for that of the first INVITE.
    let (mut desk, dialog, _) = up();
    desk.command(Command::OfferAgain { dialog, sdp: SDP.into() });
    desk.wait(seconds(5.0));
    desk.command(Command::Hangup { dialog, reason: None });
    desk.wait(seconds(40.0));
    assert_eq!(desk.events(), ["Ended gone"]);
    assert!(desk.is_empty());
}
