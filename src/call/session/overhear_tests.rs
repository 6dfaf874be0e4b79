//! What is overheard, and what an emergency makes of a session.

use std::sync::Arc;

use super::tests::{FLOW, asked, files, outputs, segment};
use super::*;
use crate::ivr::{Context, Flow, Rules};
use crate::written::{Faults, Source};

const RULES: &str = r#"
[[rule]]
name = "fire"
words = ["着火"]
say = "leave"
to = "sip:119@192.0.2.1"
unreached = "dial"
go = "ask"
key = "*119"
"#;

fn session() -> Session {
    let faults = Faults::default();
    let flow = Flow::read(&Source::new("flows/test.toml", FLOW), &faults).unwrap_or_else(|| panic!("{faults}"));
    let rules = Rules::read(&Source::new("emergency.toml", RULES), &faults);
    assert!(faults.is_empty(), "{faults}");
    Session::new(Interpreter::new(Arc::new(flow), Context::default()).watch(Arc::new(rules))).overhearing()
}

fn overhear_of(outputs: &[Output]) -> Option<u32> {
    outputs.iter().rev().find_map(|output| match output {
        Output::Overhear { listen } => Some(*listen),
        _ => None,
    })
}

fn spoke(session: &mut Session, listen: u32) -> Vec<Output> {
    session.input(Input::Segment(segment(listen, 900, SegmentEnd::Silence)));
    outputs(session)
}

fn text(session: &mut Session, listen: u32, said: &str) -> Vec<Output> {
    session.input(Input::Overheard { listen, text: Some(said.into()), spoken: String::new() });
    outputs(session)
}

#[test]
fn over_a_prompt_only_an_emergency_is_kept_and_it_is_filed_with_its_words() {
    let mut session = session();
    session.input(Input::Confirmed);
    let first = overhear_of(&outputs(&mut session)).expect("it listens over the prompt");
    let seen = spoke(&mut session, first);
    assert!(matches!(&seen[0], Output::Understand { listen, .. } if *listen == first), "{seen:?}");
    let second = overhear_of(&seen).expect("and goes on listening");
    assert_ne!(first, second);
    // No emergency: the file goes, and the call was never spoken to.
    assert_eq!(text(&mut session, first, "喂，你好"), [Output::Forget { file: format!("{first}.wav").into() }]);
    assert!(!session.record().said_or_keyed());
    spoke(&mut session, second);
    let seen = text(&mut session, second, "着火了");
    assert_eq!((seen[0].clone(), files(&seen)), (Output::Keep { index: 0 }, 1), "{seen:?}");
    let place = |wanted: &dyn Fn(&Output) -> bool| seen.iter().position(wanted).unwrap_or_else(|| panic!("{seen:?}"));
    let kept = place(&|output| matches!(output, Output::Keep { .. }));
    let filed = place(&|output| *output == Output::File);
    assert!(kept < filed && filed < place(&|output| matches!(output, Output::Play { .. })), "{seen:?}");
    assert!(seen.contains(&Output::RecordAll { listen: ALL }), "{seen:?}");
    assert!(seen.contains(&Output::StopListen), "all is recorded now: {seen:?}");
    let record = session.record();
    assert_eq!(record.utterances[0].text.as_deref(), Some("着火了"));
    assert_eq!(record.hints.urgency.as_deref(), Some("urgent"));
}

#[test]
fn while_the_flow_listens_nothing_is_overheard_and_after_it_again() {
    let mut session = session();
    let listen = asked(&mut session);
    assert_eq!(session.node(), "ask");
    session.input(Input::Segment(segment(listen, 900, SegmentEnd::Silence)));
    let seen = outputs(&mut session);
    assert_eq!(overhear_of(&seen), None, "its text is still to come");
    session.input(Input::Recognised { index: 0, text: Some("路灯坏了".into()) });
    assert!(overhear_of(&outputs(&mut session)).is_some(), "at the read-back");
}

#[test]
fn a_ticket_under_way_is_filed_again_as_urgent() {
    let mut session = session();
    let listen = asked(&mut session);
    session.input(Input::Segment(segment(listen, 900, SegmentEnd::Silence)));
    session.input(Input::Recognised { index: 0, text: Some("路灯坏了".into()) });
    session.input(Input::Digit('1'));
    let seen = outputs(&mut session);
    assert_eq!(files(&seen), 1);
    "*119".chars().for_each(|key| session.input(Input::Digit(key)));
    let seen = outputs(&mut session);
    assert_eq!(files(&seen), 0, "one at a time");
    session.input(Input::Filed { number: "7".into() });
    let seen = outputs(&mut session);
    assert_eq!(files(&seen), 1, "raised: {seen:?}");
    session.input(Input::Filed { number: "7".into() });
    let play = 3;
    session.input(Input::PlayDone { play });
    let seen = outputs(&mut session);
    assert!(seen.contains(&Output::Transfer { target: "sip:119@192.0.2.1".into(), by: ivr::By::Bridge }), "{seen:?}");
    // A human hears the caller from now on.
    session.input(Input::Joined);
    assert_eq!(overhear_of(&outputs(&mut session)), None);
}

fn left(listen: u32) -> Output {
    let Segment { file, duration, .. } = segment(listen, 900, SegmentEnd::Silence);
    Output::Leave { listen, file, duration }
}

#[test]
fn what_nobody_has_understood_when_the_call_ends_is_left_for_intake() {
    let mut session = session();
    session.input(Input::Confirmed);
    let first = overhear_of(&outputs(&mut session)).expect("it listens");
    let second = overhear_of(&spoke(&mut session, first)).expect("and goes on listening");
    session.input(Input::Ended { why: "caller" });
    outputs(&mut session);
    // Its text comes in the moment in which the leg is being closed: too late for the call.
    assert_eq!(text(&mut session, first, "着火了"), [left(first)]);
    // Said with the last breath: the leg seals it as it closes.
    session.input(Input::Segment(segment(second, 900, SegmentEnd::HungUp)));
    session.input(Input::LegClosed);
    let seen = outputs(&mut session);
    assert!(seen.contains(&left(second)), "{seen:?}");
    assert_eq!((files(&seen), seen.last()), (0, Some(&Output::Over { why: "caller" })));
}

#[test]
fn what_still_waits_when_the_leg_is_closed_is_left_and_a_cough_is_not() {
    let mut session = session();
    session.input(Input::Confirmed);
    let first = overhear_of(&outputs(&mut session)).expect("it listens");
    let second = overhear_of(&spoke(&mut session, first)).expect("and goes on listening");
    let mut cough = segment(second, 900, SegmentEnd::Silence);
    cough.speech = Duration::from_millis(100);
    let file = cough.file.clone();
    session.input(Input::Segment(cough));
    assert!(outputs(&mut session).contains(&Output::Forget { file }));
    session.input(Input::Ended { why: "caller" });
    session.input(Input::LegClosed);
    let seen = outputs(&mut session);
    assert_eq!(seen.iter().filter(|output| matches!(output, Output::Leave { .. })).count(), 1, "{seen:?}");
    assert!(seen.contains(&left(first)), "{seen:?}");
}

#[test]
fn what_the_recogniser_had_no_time_for_is_left_too() {
    let mut session = session();
    session.input(Input::Confirmed);
    let first = overhear_of(&outputs(&mut session)).expect("it listens");
    let second = overhear_of(&spoke(&mut session, first)).expect("and goes on listening");
    let third = overhear_of(&spoke(&mut session, second)).expect("and goes on listening");
    // Two wait for their text: the third is not even asked for.
    assert!(spoke(&mut session, third).contains(&left(third)));
    session.input(Input::Overheard { listen: first, text: None, spoken: String::new() });
    assert_eq!(outputs(&mut session), [left(first)]);
}

#[test]
fn a_chatterer_is_looked_at_so_often_and_no_more() {
    let mut session = session();
    session.input(Input::Confirmed);
    let mut looked_at = 0;
    let mut next = overhear_of(&outputs(&mut session));
    while let Some(listen) = next {
        let seen = spoke(&mut session, listen);
        next = overhear_of(&seen);
        looked_at += 1;
        assert!(looked_at < 1_000, "it never ends");
        text(&mut session, listen, "喂");
    }
    assert_eq!(looked_at, 60);
}
