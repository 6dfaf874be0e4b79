//! Long speech in pieces, and speech over a prompt.

use super::tests::{FLOW, asked, outputs, segment, session_of};
use super::*;
use proptest::prelude::*;

fn recognised(outputs: &[Output]) -> Vec<usize> {
    let index = |output: &Output| match output {
        Output::Recognise { index } => Some(*index),
        _ => None,
    };
    outputs.iter().filter_map(index).collect()
}

/// What the flow understood, as it reads it back.
fn read_back(outputs: &[Output]) -> Option<String> {
    outputs.iter().find_map(|output| match output {
        Output::Play { say, .. } => say.iter().find_map(|say| match say {
            Say::Text(text) => Some(text.clone()),
            _ => None,
        }),
        _ => None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However many pieces there are and in whatever order their texts come: the flow goes on once, when the last is
    /// there, with the words in the order in which they were said.
    #[test]
    fn pieces_are_one_text_in_their_order(pieces in 1usize..6, order in any::<u64>()) {
        let mut session = session_of(FLOW);
        let listen = asked(&mut session);
        for piece in 0..=pieces {
            let ended = if piece < pieces { SegmentEnd::Cut } else { SegmentEnd::Silence };
            session.input(Input::Segment(segment(listen, 40_000, ended)));
            let seen = outputs(&mut session);
            prop_assert_eq!(recognised(&seen), vec![piece]);
            prop_assert_eq!(seen[0].clone(), Output::Keep { index: piece });
            prop_assert_eq!(session.node(), "ask", "the caller goes on");
        }
        let mut waiting: Vec<usize> = (0..=pieces).collect();
        let mut state = order;
        while !waiting.is_empty() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let index = waiting.remove((state >> 33) as usize % waiting.len());
            session.input(Input::Recognised { index, text: Some(format!("第{index}段")) });
            let seen = outputs(&mut session);
            let node = if waiting.is_empty() { "check" } else { "ask" };
            prop_assert_eq!(session.node(), node);
            if waiting.is_empty() {
                let whole = (0..=pieces).map(|n| format!("第{n}段")).collect::<Vec<_>>().join("，");
                prop_assert_eq!(read_back(&seen), Some(whole));
            }
        }
        let texts: Vec<Option<String>> = session.record().utterances.iter().map(|u| u.text.clone()).collect();
        let said: Vec<Option<String>> = (0..=pieces).map(|n| Some(format!("第{n}段"))).collect();
        prop_assert_eq!(texts, said);
    }
}

#[test]
fn a_piece_without_text_leaves_the_whole_pending_and_is_kept() {
    let mut session = session_of(FLOW);
    let listen = asked(&mut session);
    session.input(Input::Segment(segment(listen, 40_000, SegmentEnd::Cut)));
    session.input(Input::Segment(segment(listen, 0, SegmentEnd::Silence)));
    outputs(&mut session);
    session.input(Input::Recognised { index: 0, text: None });
    assert_eq!(session.node(), "ask");
    session.input(Input::Recognised { index: 1, text: Some(String::new()) });
    let seen = outputs(&mut session);
    assert_eq!((session.node(), read_back(&seen)), ("check", None), "its recording is read back as recorded");
    assert!(session.record().said_or_keyed());
}

/// The last piece may be the silence after the last cut: that is no silent caller.
#[test]
fn a_silent_end_is_the_end_of_what_was_said() {
    let mut session = session_of(FLOW);
    let listen = asked(&mut session);
    session.input(Input::Segment(segment(listen, 40_000, SegmentEnd::Cut)));
    session.input(Input::Recognised { index: 0, text: Some("路灯坏了".into()) });
    session.input(Input::Segment(segment(listen, 0, SegmentEnd::Silence)));
    outputs(&mut session);
    session.input(Input::Recognised { index: 1, text: Some(String::new()) });
    assert_eq!(read_back(&outputs(&mut session)).as_deref(), Some("路灯坏了"));
}

#[test]
fn who_hangs_up_in_the_middle_has_said_the_pieces() {
    let mut session = session_of(FLOW);
    let listen = asked(&mut session);
    session.input(Input::Segment(segment(listen, 40_000, SegmentEnd::Cut)));
    session.input(Input::Ended { why: "caller" });
    session.input(Input::Segment(segment(listen, 5_000, SegmentEnd::HungUp)));
    session.input(Input::LegClosed);
    let seen = outputs(&mut session);
    assert_eq!(super::tests::files(&seen), 1, "{seen:?}");
    assert_eq!(session.record().utterances.len(), 2);
}

#[test]
fn speech_over_the_question_stops_it_and_is_listened_to() {
    let mut session = session_of(FLOW);
    session.input(Input::Confirmed);
    outputs(&mut session);
    session.input(Input::SpokenOver { play: 9 });
    assert_eq!(outputs(&mut session), [], "an older prompt");
    session.input(Input::SpokenOver { play: 1 });
    let seen = outputs(&mut session);
    assert_eq!(seen[0], Output::StopPlay);
    assert!(seen.iter().any(|output| matches!(output, Output::Listen { .. })), "{seen:?}");
    session.input(Input::PlayDone { play: 1 });
    assert_eq!(outputs(&mut session), [], "the media's word of the same");
}

/// A menu by keys, a read-back and what nobody may skip are said to their end.
#[test]
fn speech_over_anything_else_changes_nothing() {
    let mut session = session_of(FLOW);
    let listen = asked(&mut session);
    session.input(Input::Segment(segment(listen, 900, SegmentEnd::Silence)));
    session.input(Input::Recognised { index: 0, text: Some("路灯坏了".into()) });
    outputs(&mut session);
    assert_eq!(session.node(), "check");
    session.input(Input::SpokenOver { play: 2 });
    assert_eq!(outputs(&mut session), []);
}
