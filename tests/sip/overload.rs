//! Overload feedback in Via (RFC 7339): who asks is told, who does not is answered as ever.

use std::time::Duration;

use jiesu::sip::{Command, Message};

use crate::desk::{Desk, US, request};

const ASKS: &str = ";rport;oc;oc-algo=\"loss,A\";branch=";

fn asking(method: &str, number: u32) -> String {
    let text = request(method, 1, &number.to_string(), US, "").replace(";rport;branch=", ASKS);
    text.replace("Call-ID: call", &format!("Call-ID: {number}"))
}

/// The share that an answer asks to keep back, if it says any.
fn share(answer: &Message) -> Option<u32> {
    let via = answer.top_via().expect("a Via");
    let value = via.params.get("oc").filter(|value| !value.is_empty())?;
    assert_eq!(via.params.get("oc-algo"), Some(&b"loss"[..]));
    assert!(via.params.get("oc-seq").is_some() && via.params.get("oc-validity").is_some());
    assert_eq!(via.branch().map(|branch| branch.starts_with(b"z9hG4bK")), Some(true));
    Some(String::from_utf8_lossy(value).parse().expect("a number"))
}

#[test]
fn who_asks_is_told_and_who_does_not_is_not() {
    let mut desk = Desk::new();
    desk.gets(asking("OPTIONS", 1));
    assert_eq!(share(&desk.only()), Some(0));
    desk.gets(request("OPTIONS", 1, "o", US, ""));
    let answer = desk.only();
    assert_eq!(answer.top_via().and_then(|via| via.params.get("oc")), None);
    desk.command(Command::Drain(true));
    desk.gets(asking("INVITE", 2));
    let answer = desk.only();
    assert_eq!((answer.code(), share(&answer)), (Some(503), Some(100)), "who stops wants nothing more");
}

#[test]
fn what_is_refused_is_asked_to_be_kept_back() {
    let mut desk = Desk::with(|config| config.max_dialogs = 3);
    let mut told = Vec::new();
    for number in 0..40 {
        desk.gets(asking("INVITE", 100 + number));
        told.extend(desk.sent.drain(..).filter_map(|(_, answer)| share(&answer)));
        desk.wait(Duration::from_millis(100));
    }
    assert_eq!(told[..10], [0; 10], "within the first second nothing is known");
    let last = *told.last().expect("answers");
    assert!(last > 80, "3 of 40 calls were taken, {last} % are to be kept back");
}
