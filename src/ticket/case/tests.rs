use std::collections::BTreeSet;

use jiff::{Span, Timestamp};
use proptest::prelude::*;

use super::*;

mod matrix;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + minutes * 60).expect("a time")
}

fn limits(from: i64) -> Limits {
    Limits { accept: at(from + 60), contact: at(from + 120), answer: at(from + 600) }
}

fn units() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["110105001", "110105", "water", ""]).prop_map(str::to_owned)
}

fn reasons() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["不属于我单位职责", "", " "]).prop_map(str::to_owned)
}

fn any_event() -> impl Strategy<Value = Event> {
    let survey = (any::<Option<bool>>(), any::<Option<bool>>(), any::<bool>())
        .prop_map(|(contacted, solved, valid)| Survey { contacted, solved, valid, ..Survey::default() });
    prop_oneof![
        (0..99i64).prop_map(|m| Event::Received { dispatch: at(m) }),
        (units(), prop::collection::vec(units(), 0..3), reasons(), 0..99i64).prop_map(|(unit, co, why, m)| {
            Event::Dispatched { unit, co, copies: Vec::new(), limits: limits(m), why, version: "1".into() }
        }),
        units().prop_map(|unit| Event::Told { unit, channel: "webhook".into() }),
        units().prop_map(|unit| Event::Accepted { unit }),
        (units(), reasons()).prop_map(|(unit, reason)| Event::Returned { unit, reason }),
        reasons().prop_map(|reason| Event::Upheld { reason }),
        reasons().prop_map(|reason| Event::Overruled { reason }),
        (units(), prop::collection::vec(units(), 0..3), reasons()).prop_map(|(lead, units, reason)| Event::Whistled {
            lead,
            units,
            reason
        }),
        (0..2000i64, reasons())
            .prop_map(|(m, reason)| { Event::Extended { answer: at(m), reason, approved: "监督组".into() } }),
        units().prop_map(|unit| Event::Contacted { unit }),
        reasons().prop_map(|reason| Event::Paused { reason }),
        (0..99i64).prop_map(|m| Event::Resumed { limits: limits(m) }),
        (units(), reasons()).prop_map(|(unit, text)| Event::Answered { unit, text }),
        Just(Event::CallerTold { channel: "sms".into(), what: "answer".into() }),
        (1..4u32).prop_map(|attempt| Event::CallbackBegan { attempt }),
        (1..4u32, any::<bool>()).prop_map(|(attempt, more)| {
            Event::CallbackFailed { attempt, outcome: Outcome::Busy, again: more.then(|| at(5)) }
        }),
        (1..4u32, survey.clone()).prop_map(|(attempt, survey)| Event::Asked { attempt, survey }),
        (1..4u32, survey).prop_map(|(attempt, survey)| Event::CalledBack { attempt, survey }),
        (1..4u32).prop_map(|attempt| Event::Commented { attempt, text: "好".into() }),
        (units(), reasons(), 0..99i64).prop_map(|(unit, reason, m)| Event::Reopened {
            unit,
            limits: limits(m),
            reason
        }),
        reasons().prop_map(|reason| Event::Closed { reason }),
        (reasons(), 0..99i64).prop_map(|(reason, m)| Event::Listed { reason, until: at(m) }),
        Just(Event::Merged { into: "261127000018".parse().expect("a number") }),
        reasons().prop_map(|reason| Event::Separated { reason }),
        (0..4u8, reasons()).prop_map(|(level, why)| Event::Escalated { level, target: "区".into(), why }),
        reasons().prop_map(|reason| Event::Excluded { reason, approved: "考核组".into() }),
    ]
}

/// A case after these events; each of them has to be legal.
fn case(events: &[Event]) -> Case {
    let log = events.iter().enumerate().map(|(i, event)| (event, at(i as i64)));
    Case::of(log).expect("legal").expect("a case")
}

fn dispatched() -> Vec<Event> {
    let unit = "110105001".to_owned();
    vec![
        Event::Received { dispatch: at(60) },
        Event::Dispatched {
            unit,
            co: Vec::new(),
            copies: vec!["110105".into()],
            limits: limits(0),
            why: "street of the place".into(),
            version: "1".into(),
        },
    ]
}

#[test]
fn an_illegal_move_names_the_legal_ones() {
    let waiting = case(&[Event::Received { dispatch: at(60) }]);
    let error = Case::after(Some(&waiting), &Event::Accepted { unit: "water".into() }, at(1)).expect_err("no unit");
    assert_eq!(
        error.to_string(),
        "\"accepted\" cannot happen to a case that is received: the state does not allow it; what can: dispatched, \
         caller_told, closed, merged, escalated, excluded"
    );
    let error = Case::after(None, &Event::Closed { reason: "好".into() }, at(1)).expect_err("no case");
    assert!(error.to_string().ends_with("a ticket without a case: the state does not allow it; what can: received"));
}

#[test]
fn only_the_unit_in_charge_takes_returns_and_answers() {
    let case = case(&dispatched());
    let other = Event::Accepted { unit: "water".into() };
    let error = Case::after(Some(&case), &other, at(2)).expect_err("another unit");
    assert_eq!(error.why, Why::NotInCharge { unit: "water".into(), lead: "110105001".into() });
    assert!(error.legal.contains(&Kind::Accepted), "the right unit may");
}

/// Art. 14: who was overruled keeps it.
#[test]
fn what_the_review_refused_is_not_returned_again() {
    let mut events = dispatched();
    let unit = "110105001".to_owned();
    events.push(Event::Returned { unit: unit.clone(), reason: "不在辖区".into() });
    events.push(Event::Overruled { reason: "在辖区".into() });
    let case = case(&events);
    assert_eq!((case.state, case.returns), (State::Dispatched, 1));
    let again = Event::Returned { unit, reason: "不在辖区".into() };
    assert_eq!(Case::after(Some(&case), &again, at(9)).expect_err("bound").why, Why::Bound);
    assert!(!case.legal().contains(&Kind::Returned));
}

#[test]
fn a_case_is_not_closed_while_its_caller_is_on_the_telephone() {
    let mut events = dispatched();
    let unit = "110105001".to_owned();
    events.push(Event::Accepted { unit: unit.clone() });
    events.push(Event::Answered { unit, text: "已修好".into() });
    events.push(Event::CallbackBegan { attempt: 1 });
    let running = case(&events);
    let close = Event::Closed { reason: "solved".into() };
    assert_eq!(Case::after(Some(&running), &close, at(9)).expect_err("running").why, Why::CallbackRunning);
    let twice = Event::CallbackBegan { attempt: 2 };
    assert_eq!(Case::after(Some(&running), &twice, at(9)).expect_err("running").why, Why::CallbackRunning);
    events.push(Event::CalledBack { attempt: 1, survey: Survey { solved: Some(true), ..Survey::default() } });
    events.push(close);
    assert_eq!(case(&events).state, State::Closed);
}

/// What the caller says is kept as they say it; what is asked before there is an answer is asked again about that.
#[test]
fn a_callback_is_kept_question_by_question() {
    let mut events = dispatched();
    let unit = "110105001".to_owned();
    events.push(Event::Accepted { unit: unit.clone() });
    let asked = Event::Asked { attempt: 1, survey: Survey { contacted: Some(true), ..Survey::default() } };
    assert_eq!(Case::after(Some(&case(&events)), &asked, at(9)).expect_err("nobody is called").why, Why::NoCallback);
    events.extend([Event::CallbackBegan { attempt: 1 }, asked]);
    let running = case(&events);
    assert_eq!(running.asked.as_ref().and_then(|survey| survey.contacted), Some(true));
    assert_eq!((running.callback, &running.survey), (Callback::Running, &None));
    let unsolved = Survey { solved: Some(false), ..Survey::default() };
    events.push(Event::CalledBack { attempt: 1, survey: unsolved });
    assert_eq!((case(&events).callback, case(&events).asked), (Callback::Done, None));
    events.push(Event::Answered { unit, text: "已修好".into() });
    assert_eq!((case(&events).callback, case(&events).attempts), (Callback::None, 0));
}

#[test]
fn a_reopened_case_begins_a_new_round() {
    let mut events = dispatched();
    let unit = "110105001".to_owned();
    events.push(Event::Accepted { unit: unit.clone() });
    events.push(Event::Answered { unit: unit.clone(), text: "已修好".into() });
    events.push(Event::CallbackBegan { attempt: 1 });
    events.push(Event::CalledBack { attempt: 1, survey: Survey { solved: Some(false), ..Survey::default() } });
    events.push(Event::Reopened { unit, limits: limits(50), reason: "not solved".into() });
    let case = case(&events);
    assert_eq!((case.state, case.reopened, case.attempts), (State::Dispatched, 1, 0));
    assert_eq!((case.answered, case.callback), (None, Callback::None));
    assert!(case.legal().contains(&Kind::CallbackBegan));
}

/// What callers hear of it, at every step.
#[test]
fn a_caller_hears_how_far_it_is() {
    let unit = || "110105001".to_owned();
    let survey = |solved| Survey { solved: Some(solved), ..Survey::default() };
    let answered = || Event::Answered { unit: unit(), text: "已修好".into() };
    let mut events = vec![Event::Received { dispatch: at(60) }];
    assert_eq!(case(&events).spoken(), None);
    events.extend(dispatched().into_iter().skip(1));
    let steps = [
        (Event::Returned { unit: unit(), reason: "不在辖区".into() }, "objected"),
        (Event::Overruled { reason: "在辖区".into() }, "dispatched"),
        (Event::Accepted { unit: unit() }, "handling"),
        (answered(), "answered"),
        (Event::CallbackBegan { attempt: 1 }, "callback"),
        (Event::CalledBack { attempt: 1, survey: survey(false) }, "answered"),
        (Event::Reopened { unit: unit(), limits: limits(50), reason: "not solved".into() }, "unsolved"),
        (Event::Accepted { unit: unit() }, "unsolved"),
        (answered(), "answered"),
        (Event::CallbackBegan { attempt: 1 }, "callback"),
        (Event::CalledBack { attempt: 1, survey: survey(true) }, "solved"),
        (Event::Closed { reason: "solved".into() }, "solved"),
    ];
    for (event, word) in steps {
        events.push(event);
        assert_eq!(case(&events).spoken(), Some(word));
    }
}

#[test]
fn what_is_listed_is_told_of_once() {
    let mut events = dispatched();
    events.push(Event::Accepted { unit: "110105001".into() });
    events.push(Event::Listed { reason: "规划中".into(), until: at(4) });
    assert_eq!(case(&events).listed, Some(at(4)));
    let told = Event::Escalated { level: 1, target: "city".into(), why: "listed".into() };
    events.push(told.clone());
    assert_eq!(case(&events).listed, None, "its time has come");
    let early = Case::after(Some(&case(&events[..4])), &told, at(3)).expect("legal");
    assert_eq!(early.listed, Some(at(4)), "its time is still to come");
}

#[test]
fn every_kind_of_event_can_happen_and_has_its_word() {
    let everywhere: BTreeSet<Kind> = State::ALL.iter().flat_map(|state| state.legal()).copied().collect();
    let missing: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| !everywhere.contains(kind)).collect();
    assert_eq!(missing, [Kind::Received], "only the first event happens to no case");
    let words: BTreeSet<&str> = Kind::ALL.iter().map(|kind| kind.code()).collect();
    assert_eq!(words.len(), Kind::ALL.len());
}

#[test]
fn nothing_is_a_dead_end() {
    for state in State::ALL {
        let moves = state.legal().iter().any(|kind| {
            use Kind::*;
            matches!(kind, Dispatched | Accepted | Resumed | Upheld | Answered | Closed | Reopened | Separated)
        });
        assert!(moves, "nothing leads out of {state}");
    }
}

proptest! {
    /// Whatever is tried in whatever order: what is refused changes nothing and its error lists what the state allows;
    /// what is taken counts up, and is read back from its written form as it was.
    #[test]
    fn a_log_is_a_walk(events in prop::collection::vec(any_event(), 0..60)) {
        let mut case: Option<Case> = None;
        let mut log: Vec<Entry> = Vec::new();
        for (i, event) in events.into_iter().enumerate() {
            let now = at(0) + Span::new().minutes(i as i64);
            match Case::after(case.as_ref(), &event, now) {
                Ok(next) => {
                    prop_assert_eq!(next.seq, log.len() as u32 + 1);
                    let was_bound = case.as_ref().is_some_and(|case| case.bound);
                    prop_assert!(event.kind() != Kind::Returned || !was_bound);
                    prop_assert_eq!(next.lead.is_none() && next.state != State::Merged && next.state != State::Closed,
                        next.state == State::Received, "{:?}", next);
                    log.push(Entry { seq: next.seq, at: now, by: By::rule("test"), event });
                    case = Some(next);
                }
                Err(illegal) if illegal.why == Why::State => {
                    prop_assert!(!illegal.legal.contains(&event.kind()));
                    prop_assert!(!illegal.legal.is_empty());
                }
                Err(illegal) => prop_assert!(!illegal.legal.is_empty()),
            }
        }
        let written = serde_json::to_string(&log).expect("JSON");
        let read: Vec<Entry> = serde_json::from_str(&written).expect("as written");
        prop_assert_eq!(&read, &log);
        let again = Case::of(read.iter().map(|entry| (&entry.event, entry.at))).expect("legal as before");
        prop_assert_eq!(again, case);
    }
}
