//! However a call goes: it ends once, what was said or keyed is filed once, recordings are kept before they are heard.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::ivr::{Context, Flow};
use crate::written::{Faults, Source};

pub(super) const FLOW: &str = r#"
start = "ask"
too_long = "end"
steps = 50
[times]
wait = "5s"
between = "2s"
silence = "1s"
longest = "30s"
[[no_input]]
[[no_input]]
go = "end"
[[no_match]]
[[no_match]]
go = "end"
[node.ask]
do = "listen"
say = ["request"]
keys = { 5 = "end" }
go = "check"
[node.check]
do = "confirm"
say = ["you-said", "{heard}"]
pending = ["recorded"]
yes = "filing"
again = "ask"
[node.filing]
do = "file"
go = "number"
failed = "end"
[node.number]
do = "say"
say = ["{number}"]
go = "end"
[node.end]
do = "hangup"
say = ["thanks"]
"#;

fn session() -> Session {
    session_of(FLOW)
}

pub(super) fn session_of(text: &str) -> Session {
    let faults = Faults::default();
    let flow = Flow::read(&Source::new("flows/test.toml", text), &faults);
    let flow = flow.unwrap_or_else(|| panic!("{faults}"));
    Session::new(Interpreter::new(Arc::new(flow), Context::default()))
}

pub(super) fn outputs(session: &mut Session) -> Vec<Output> {
    std::iter::from_fn(|| session.poll()).collect()
}

pub(super) fn segment(listen: u32, speech_ms: u64, ended: SegmentEnd) -> Segment {
    Segment {
        listen,
        file: PathBuf::from(format!("{listen}.wav")),
        duration: Duration::from_millis(speech_ms + 1000),
        speech: Duration::from_millis(speech_ms),
        ended,
        error: None,
    }
}

fn listen_of(outputs: &[Output]) -> Option<u32> {
    outputs.iter().rev().find_map(|output| match output {
        Output::Listen { listen, .. } => Some(*listen),
        _ => None,
    })
}

fn play_of(outputs: &[Output]) -> Option<u32> {
    outputs.iter().rev().find_map(|output| match output {
        Output::Play { play, .. } => Some(*play),
        _ => None,
    })
}

pub(super) fn files(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| **output == Output::File).count()
}

/// Up to the first listen.
pub(super) fn asked(session: &mut Session) -> u32 {
    session.input(Input::Confirmed);
    let mut seen = outputs(session);
    if let Some(play) = play_of(&seen) {
        session.input(Input::PlayDone { play });
        seen.extend(outputs(session));
    }
    listen_of(&seen).expect("the flow listens first")
}

/// Nobody waits for the text of a message: it is kept, filed without text and completed after the call.
#[test]
fn a_message_is_kept_and_not_recognised() {
    let mut session = session_of(&FLOW.replace("do = \"listen\"", "do = \"record\""));
    let listen = asked(&mut session);
    session.input(Input::Segment(segment(listen, 3000, SegmentEnd::Key('#'))));
    let seen = outputs(&mut session);
    assert_eq!(seen[0], Output::Keep { index: 0 });
    assert!(!seen.iter().any(|output| matches!(output, Output::Recognise { .. })), "{seen:?}");
    assert_eq!((session.node(), session.record().said_or_keyed()), ("check", true));
    session.input(Input::Digit('1'));
    assert_eq!(files(&outputs(&mut session)), 1);
    // And a silent one is nobody's message.
    let mut session = session_of(&FLOW.replace("do = \"listen\"", "do = \"record\""));
    let listen = asked(&mut session);
    session.input(Input::Segment(segment(listen, 0, SegmentEnd::Silence)));
    assert!(play_of(&outputs(&mut session)).is_some(), "it is asked again");
    assert_eq!(session.node(), "ask");
}

/// What time it is reaches the flow and moves nothing by itself; how it wants to speak reaches whoever plays.
#[test]
fn time_and_delivery_pass_through() {
    let set = "[node.slow]\ndo = \"set\"\npace = \"slow\"\ngo = \"end\"\n";
    let mut session =
        session_of(&format!("{}{set}", FLOW.replace("keys = { 5 = \"end\" }", "keys = { 5 = \"slow\" }")));
    asked(&mut session);
    session.input(Input::Around(ivr::Around { load: 99, ..ivr::Around::default() }));
    assert_eq!(outputs(&mut session), []);
    session.input(Input::Digit('5'));
    let slow = ivr::Delivery { pace: ivr::Pace::Slow, ..ivr::Delivery::default() };
    assert!(outputs(&mut session).contains(&Output::Speak(slow)));
}

#[test]
fn what_is_said_is_kept_then_heard_then_filed() {
    let mut session = session();
    let listen = asked(&mut session);
    session.input(Input::Segment(segment(listen, 3000, SegmentEnd::Silence)));
    let seen = outputs(&mut session);
    assert_eq!(seen[..2], [Output::Keep { index: 0 }, Output::Recognise { index: 0 }]);
    session.input(Input::Recognised { index: 0, text: Some("路灯坏了".into()) });
    outputs(&mut session);
    session.input(Input::Digit('1'));
    let seen = outputs(&mut session);
    assert_eq!((seen[0].clone(), files(&seen)), (Output::KeepKeys, 1), "{seen:?}");
    session.input(Input::Filed { number: "2611260000012".into() });
    assert!(play_of(&outputs(&mut session)).is_some(), "the number is spoken");
    session.input(Input::Ended { why: "caller" });
    session.input(Input::LegClosed);
    let last = outputs(&mut session);
    assert_eq!((files(&last), last.last()), (0, Some(&Output::Over { why: "caller" })));
    assert_eq!(session.record().number.as_deref(), Some("2611260000012"));
}

#[test]
fn who_waits_for_a_slow_recogniser_is_told_so() {
    let mut session = session();
    let listen = asked(&mut session);
    session.input(Input::Segment(segment(listen, 3000, SegmentEnd::Silence)));
    assert_eq!(outputs(&mut session).last(), Some(&Output::Deadline(Some(PATIENCE))));
    session.input(Input::Deadline);
    let say = vec![Say::Prompt(ONE_MOMENT.to_owned())];
    assert_eq!(outputs(&mut session), [Output::Play { play: MOMENT, say, barge_in: true }]);
    session.input(Input::PlayDone { play: MOMENT });
    assert_eq!(outputs(&mut session), []);
    session.input(Input::Recognised { index: 0, text: Some("路灯坏了".into()) });
    assert!(play_of(&outputs(&mut session)).is_some_and(|play| play != MOMENT), "the flow goes on");
}

#[test]
fn who_hangs_up_in_the_middle_of_a_word_is_filed() {
    let mut session = session();
    let listen = asked(&mut session);
    session.input(Input::Ended { why: "caller" });
    assert!(outputs(&mut session).contains(&Output::CloseLeg));
    session.input(Input::Segment(segment(listen, 2000, SegmentEnd::HungUp)));
    session.input(Input::LegClosed);
    let seen = outputs(&mut session);
    assert_eq!(seen, [Output::Keep { index: 0 }, Output::File], "kept, then filed, not yet over");
    session.input(Input::Filed { number: "1".into() });
    assert_eq!(outputs(&mut session), [Output::Over { why: "caller" }]);
}

#[test]
fn who_says_and_presses_nothing_leaves_only_the_call() {
    let mut session = session();
    let listen = asked(&mut session);
    session.input(Input::Ended { why: "caller" });
    session.input(Input::Segment(segment(listen, 100, SegmentEnd::HungUp)));
    session.input(Input::LegClosed);
    let seen = outputs(&mut session);
    assert_eq!((files(&seen), seen.last()), (0, Some(&Output::Over { why: "caller" })));
}

#[test]
fn a_ticket_that_cannot_be_filed_does_not_keep_the_call_open() {
    let mut session = session();
    asked(&mut session);
    session.input(Input::Digit('9'));
    session.input(Input::Ended { why: "caller" });
    session.input(Input::LegClosed);
    assert_eq!(files(&outputs(&mut session)), 1);
    session.input(Input::FileFailed);
    assert_eq!(outputs(&mut session).last(), Some(&Output::Over { why: "caller" }));
}

#[test]
fn before_the_ack_nothing_is_played() {
    let mut session = session();
    session.input(Input::Digit('1'));
    assert!(!outputs(&mut session).iter().any(|output| matches!(output, Output::Play { .. } | Output::Listen { .. })));
}

/// One step of somebody who does anything at any time.
#[derive(Debug, Clone)]
enum Step {
    Key(char),
    Played,
    Spoke { speech_ms: u64, ended: SegmentEnd },
    Text(Option<&'static str>),
    NoInput,
    Deadline,
    Inactive,
    Stale,
}

fn step() -> impl Strategy<Value = Step> {
    let ended = prop_oneof![Just(SegmentEnd::Silence), Just(SegmentEnd::Max), Just(SegmentEnd::Key('#'))];
    prop_oneof![
        prop::char::range('0', '9').prop_map(Step::Key),
        Just(Step::Played),
        (0u64..4000, ended).prop_map(|(speech_ms, ended)| Step::Spoke { speech_ms, ended }),
        prop_oneof![Just(None), Just(Some("")), Just(Some("路灯坏了"))].prop_map(Step::Text),
        Just(Step::NoInput),
        Just(Step::Deadline),
        Just(Step::Inactive),
        Just(Step::Stale),
    ]
}

proptest! {
    #[test]
    fn a_call_ends_once_and_what_was_said_or_keyed_is_filed_once(
        steps in proptest::collection::vec(step(), 0..40),
        filing_works: bool,
        cut in 0usize..40,
    ) {
        let mut session = session();
        session.input(Input::Confirmed);
        let mut all = Vec::new();
        let mut answered = 0;
        let mut closed = false;
        let mut pump = |session: &mut Session, all: &mut Vec<Output>| {
            // The call's helpers answer at once.
            loop {
                let new = outputs(session);
                if new.is_empty() {
                    break;
                }
                for output in &new {
                    match output {
                        Output::File => {
                            answered += 1;
                            let number = answered.to_string();
                            session.input(if filing_works { Input::Filed { number } } else { Input::FileFailed });
                        }
                        Output::Hangup => session.input(Input::Ended { why: "flow" }),
                        Output::CloseLeg if !closed => {
                            closed = true;
                            session.input(Input::LegClosed);
                        }
                        _ => {}
                    }
                }
                all.extend(new);
            }
        };
        for (i, step) in steps.into_iter().enumerate() {
            pump(&mut session, &mut all);
            if i == cut {
                session.input(Input::Ended { why: "caller" });
                pump(&mut session, &mut all);
            }
            let (play, listen) = (play_of(&all).unwrap_or(0), listen_of(&all).unwrap_or(0));
            session.input(match step {
                Step::Key(key) => Input::Digit(key),
                Step::Played => Input::PlayDone { play },
                Step::Spoke { speech_ms, ended } => Input::Segment(segment(listen, speech_ms, ended)),
                Step::Text(text) => {
                    let index = session.record().utterances.len().saturating_sub(1);
                    Input::Recognised { index, text: text.map(str::to_owned) }
                }
                Step::NoInput => Input::NoInput { listen },
                Step::Deadline => Input::Deadline,
                Step::Inactive => Input::Inactive,
                Step::Stale => Input::PlayDone { play: play.wrapping_add(7) },
            });
        }
        session.input(Input::Ended { why: "caller" });
        pump(&mut session, &mut all);
        let over = all.iter().filter(|output| matches!(output, Output::Over { .. })).count();
        prop_assert_eq!(over, 1);
        prop_assert!(matches!(all.last(), Some(Output::Over { .. })), "something came after the end");
        let kept = all.iter().filter(|output| matches!(output, Output::Keep { .. })).count();
        prop_assert_eq!(kept, session.record().utterances.len(), "an utterance was not kept");
        if filing_works {
            let due = usize::from(session.record().said_or_keyed());
            prop_assert!(files(&all) >= due && files(&all) <= 1, "{} filings, {} due", files(&all), due);
        }
    }
}
