//! A question through a whole call: asked aloud, read back, answered aloud when it was that, a ticket when it was not.

use serde_json::Value;

use super::hearing::{distance, luckily, model};
use crate::house::caller::{Caller, telling};
use crate::house::speech::{question, spoken};
use crate::house::{Daemon, Plan, draw, has, hear, in_own_network, skip};

/// Nobody knew this answer before.
fn answer() -> String {
    let rooms = ["东门", "西门", "南门", "北门"];
    format!("请到{}办理，第{}号窗口。", rooms[draw(4) as usize], 2 + draw(8))
}

fn plan(question: &str, answer: &str, expires: &str) -> Plan {
    let written = format!(
        "[[answer]]\nid = \"drawn\"\nquestions = [\"{question}\"]\nanswer = \"{answer}\"\nsource = \"a test\"\n\
         owner = \"a test\"\nexpires = \"{expires}\"\n"
    );
    telling(Plan { files: vec![("answers/drawn.toml".into(), written)], model: model(), ..Plan::default() })
}

/// Asks, and waits for what the flow makes of it: the node that it comes to.
fn ask(daemon: &Daemon, number: &str, question: &str) -> (Caller, String) {
    let mut caller = Caller::dial(daemon, number);
    caller.at("request", 0);
    caller.asked();
    caller.say(&spoken(question, &daemon.folder.join(number)));
    let came =
        caller.until("what it makes of it", |line| line.contains("node asked") || line.contains("node readback"));
    let node = if came.contains("node asked") { "asked" } else { "readback" };
    caller.at(node, 0);
    (caller, node.to_owned())
}

/// The caller's only ticket.
fn ticket(daemon: &Daemon, caller: &mut Caller) -> Value {
    caller.until("ticket", |line| line.contains(" filed "));
    caller.hang_up();
    let tickets = daemon.tickets();
    let own: Vec<&Value> = tickets.iter().filter(|ticket| ticket["caller"] == caller.number.as_str()).collect();
    assert_eq!(own.len(), 1, "{own:#?}");
    own[0].clone()
}

#[test]
fn a_question_is_answered_when_it_was_that_and_a_ticket_when_it_was_not() {
    if model().is_none() || !has("espeak-ng") {
        return skip("no recogniser for the synthetic voice, or no espeak-ng");
    }
    if !in_own_network("answers::a_question_is_answered_when_it_was_that_and_a_ticket_when_it_was_not") {
        return;
    }
    let (question, answer) = (question(), answer());
    let daemon = Daemon::start(&plan(&question, &answer, "2099-12-31"));
    daemon.wait_metric("jiesu_asr_models", 1.0);
    let aloud: Vec<f32> =
        spoken(&answer, &daemon.folder.join("answer")).iter().map(|s| f32::from(*s) / 32_768.0).collect();
    luckily(|round| {
        let (mut caller, node) = ask(&daemon, &format!("1390000000{round}"), &question);
        if node != "asked" {
            return Err(format!("{question} was not taken for the question"));
        }
        // What it takes it for is read back, and then asked whether it is that.
        caller.asked();
        caller.press("1");
        caller.at("answered", 0);
        caller.at("anything-else", 0);
        caller.press("9");
        let ticket = ticket(&daemon, &mut caller);
        assert_eq!(ticket["type"], "咨询", "{ticket:#}");
        let (_, share) = hear::heard(&caller.sound(), 0, &aloud);
        assert!(share > 0.7, "the answer was not heard ({share:.2})");
        Ok(())
    });
    luckily(|round| {
        let (mut caller, node) = ask(&daemon, &format!("1380000000{round}"), &question);
        if node != "asked" {
            return Err(format!("{question} was not taken for the question"));
        }
        caller.press("2");
        let seen = caller.at("readback", 0);
        caller.press("1");
        caller.at("number", seen);
        let ticket = ticket(&daemon, &mut caller);
        assert!(ticket["text"].as_str().is_some_and(|text| !text.is_empty()), "{ticket:#}");
        assert!(!caller.told().iter().any(|line| line.contains("node answered ")), "answered against their will");
        let (_, share) = hear::heard(&caller.sound(), 0, &aloud);
        assert!(share < 0.3, "the answer was said all the same ({share:.2})");
        Ok(())
    });
    assert!(daemon.metric("jiesu_questions_total{answer=\"found\"}") >= 2.0);
}

#[test]
fn an_expired_answer_is_never_said() {
    if model().is_none() || !has("espeak-ng") {
        return skip("no recogniser for the synthetic voice, or no espeak-ng");
    }
    if !in_own_network("answers::an_expired_answer_is_never_said") {
        return;
    }
    let question = question();
    let daemon = Daemon::start(&plan(&question, &answer(), "2020-01-01"));
    daemon.wait_metric("jiesu_asr_models", 1.0);
    luckily(|round| {
        let (mut caller, node) = ask(&daemon, &format!("1390000000{round}"), &question);
        assert_eq!(node, "readback");
        caller.press("1");
        let ticket = ticket(&daemon, &mut caller);
        // What was not heard as the question would not have been answered anyway.
        let heard = ticket["text"].as_str().unwrap_or_default();
        if distance(&question, heard) <= 0.15 { Ok(()) } else { Err(format!("said {question}, heard {heard}")) }
    });
}
