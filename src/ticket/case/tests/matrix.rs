//! Every event tried on a case in every state. What must come of it is written here by hand, from the articles that say
//! so, and not read from the table that decides.

use super::*;

/// A cross: it may happen. The states: Received Dispatched Accepted Paused reView aNswered Closed Listed Merged.
///
/// Art. 13, 14: only who is in charge takes and returns; art. 12: an objection is decided before anything else is done;
/// art. 15: an answer follows work, an extension a limit; art. 23: who was in charge of something can be asked about it;
/// art. 32: any case may be left out of the assessment, once and with approval.
const MATRIX: &str = "
                    R D A P V N C L M
    received        . . . . . . . . .
    dispatched      x . . . . . . . .
    told            . x x x x x x x x
    accepted        . x . . . . . . .
    returned        . x x . . . . . .
    upheld          . . . . x . . . .
    overruled       . . . . x . . . .
    whistled        . x x . . . . . .
    extended        . x x . . . . . .
    contacted       . . x x . x . x .
    paused          . . x . . . . . .
    resumed         . . . x . . . . .
    answered        . . x x . . . x .
    caller_told     x x x x x x x x x
    callback_began  . x x . . x . . .
    callback_failed . . . . . . . . .
    asked           . . . . . . . . .
    called_back     . . . . . . . . .
    commented       . x x x x x x x x
    reopened        . . . . . x x x .
    closed          x . . . . x . x .
    listed          . . x x . x . . .
    merged          x x x x x x . . .
    separated       . . . . . . . . x
    escalated       x x x x x x . x .
    excluded        x x x x x x x x x
";

const UNIT: &str = "110105001";

/// The shortest way into a state.
fn way(state: State) -> Vec<Event> {
    let unit = || UNIT.to_owned();
    let mut way = dispatched();
    let reason = || "有理由".to_owned();
    let accepted = Event::Accepted { unit: unit() };
    let answered = Event::Answered { unit: unit(), text: "已办".into() };
    match state {
        State::Received => way.truncate(1),
        State::Dispatched => {}
        State::Accepted => way.push(accepted),
        State::Paused => way.extend([accepted, Event::Paused { reason: reason() }]),
        State::Review => way.push(Event::Returned { unit: unit(), reason: reason() }),
        State::Answered => way.extend([accepted, answered]),
        State::Closed => way.extend([accepted, answered, Event::Closed { reason: reason() }]),
        State::Listed => way.extend([accepted, Event::Listed { reason: reason(), until: at(9000) }]),
        State::Merged => way.push(Event::Merged { into: "261127000018".parse().expect("a number") }),
    }
    way
}

/// An event whose particulars nobody can object to.
fn good(kind: Kind) -> Event {
    let (unit, reason) = (UNIT.to_owned(), "有理由".to_owned());
    match kind {
        Kind::Received => Event::Received { dispatch: at(60) },
        Kind::Dispatched => dispatched().remove(1),
        Kind::Told => Event::Told { unit, channel: "webhook".into() },
        Kind::Accepted => Event::Accepted { unit },
        Kind::Returned => Event::Returned { unit, reason },
        Kind::Upheld => Event::Upheld { reason },
        Kind::Overruled => Event::Overruled { reason },
        Kind::Whistled => Event::Whistled { lead: unit, units: vec!["water".into()], reason },
        Kind::Extended => Event::Extended { answer: at(90_000), reason, approved: "监督组".into() },
        Kind::Contacted => Event::Contacted { unit },
        Kind::Paused => Event::Paused { reason },
        Kind::Resumed => Event::Resumed { limits: limits(9) },
        Kind::Answered => Event::Answered { unit, text: "已办".into() },
        Kind::CallerTold => Event::CallerTold { channel: "sms".into(), what: "answer".into() },
        Kind::CallbackBegan => Event::CallbackBegan { attempt: 1 },
        Kind::CallbackFailed => Event::CallbackFailed { attempt: 0, outcome: Outcome::Busy, again: None },
        Kind::Asked => Event::Asked { attempt: 0, survey: Survey::default() },
        Kind::CalledBack => Event::CalledBack { attempt: 0, survey: Survey::default() },
        Kind::Commented => Event::Commented { attempt: 1, text: "好".into() },
        Kind::Reopened => Event::Reopened { unit, limits: limits(9), reason },
        Kind::Closed => Event::Closed { reason },
        Kind::Listed => Event::Listed { reason, until: at(9000) },
        Kind::Merged => Event::Merged { into: "261127000018".parse().expect("a number") },
        Kind::Separated => Event::Separated { reason },
        Kind::Escalated => Event::Escalated { level: 1, target: "朝阳区".into(), why: reason },
        Kind::Excluded => Event::Excluded { reason, approved: "考核组".into() },
    }
}

#[test]
fn every_event_in_every_state() {
    let mut rows = MATRIX.lines().map(str::trim).filter(|line| !line.is_empty());
    assert_eq!(rows.next().map(|heads| heads.split(' ').count()), Some(State::ALL.len()));
    let mut tried = 0;
    for (row, kind) in rows.zip(Kind::ALL) {
        let mut cells = row.split_whitespace();
        assert_eq!(cells.next(), Some(kind.code()), "the rows stand in the order of the kinds");
        for (cell, state) in cells.zip(State::ALL) {
            let case = case(&way(state));
            assert_eq!(case.state, state);
            let outcome = Case::after(Some(&case), &good(kind), at(500));
            assert_eq!(outcome.is_ok(), cell == "x", "{kind} in {state}: {outcome:?}");
            assert_eq!(case.legal().contains(&kind), cell == "x", "what is said of {kind} in {state}");
            tried += 1;
        }
    }
    assert_eq!(tried, Kind::ALL.len() * State::ALL.len());
}

/// Art. 23: the caller's last words in a round are waited for, wherever the case has gone meanwhile.
#[test]
fn a_running_callback_ends_wherever_the_case_has_gone() {
    let call = || [Event::CallbackBegan { attempt: 1 }].into_iter();
    let unit = || UNIT.to_owned();
    let moves = [
        vec![],
        vec![Event::Returned { unit: unit(), reason: "不在辖区".into() }],
        vec![good(Kind::Paused)],
        vec![good(Kind::Answered)],
        vec![good(Kind::Listed)],
        vec![good(Kind::Merged)],
    ];
    for moved in moves {
        let events: Vec<Event> = way(State::Accepted).into_iter().chain(call()).chain(moved).collect();
        let running = case(&events);
        let ends = [
            Event::CalledBack { attempt: 1, survey: Survey::default() },
            Event::CallbackFailed { attempt: 1, outcome: Outcome::NoAnswer, again: Some(at(999)) },
        ];
        for end in ends {
            let ended = Case::after(Some(&running), &end, at(600)).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(ended.state, running.state);
            assert!(matches!(ended.callback, Callback::Done | Callback::Again(_)));
            assert!(Case::after(Some(&ended), &end, at(601)).is_err(), "it ends once");
        }
    }
}
