use proptest::prelude::*;

use super::pace::{Pace, Wait};
use super::*;
use crate::written::{Faults, Source};

fn rules(text: &str) -> Rules {
    let faults = Faults::default();
    let source = Source::new("jiesu.toml", text);
    let mut table = source.read(&faults).unwrap_or_else(|| panic!("{faults}"));
    let config = Config::read(&mut table);
    table.finish();
    assert!(faults.is_empty(), "{faults}");
    let file = "year = 2026\nworked = [\"2026-10-10\"]\n[[holiday]]\nname = \"国庆\"\nfrom = \"2026-10-01\"\nto = \"2026-10-07\"\n";
    let calendar = Calendar::read(&[Source::new("2026.toml", file)], &faults);
    assert!(faults.is_empty(), "{faults}");
    let zone = TimeZone::get("Asia/Shanghai").expect("known");
    Rules { config: Arc::new(config), calendar: Arc::new(calendar), zone }
}

/// A time in Beijing.
fn at(text: &str) -> Timestamp {
    format!("{text}+08:00").parse().expect("a time")
}

fn limits_at(answer: Timestamp) -> Limits {
    Limits { accept: answer, contact: answer, answer }
}

const UNIT: &str = "110105001";

/// Dispatched on a Thursday morning, to be answered by Friday 17:00.
fn dispatched() -> Vec<(Event, Timestamp)> {
    let limits = limits_at(at("2026-09-11T17:00:00"));
    vec![
        (Event::Received { dispatch: at("2026-09-11T09:00:00") }, at("2026-09-10T09:00:00")),
        (
            Event::Dispatched {
                unit: UNIT.into(),
                co: Vec::new(),
                copies: Vec::new(),
                limits,
                why: "street".into(),
                version: "1".into(),
            },
            at("2026-09-10T09:00:01"),
        ),
        (Event::Accepted { unit: UNIT.into() }, at("2026-09-10T10:00:00")),
    ]
}

fn answered(when: Timestamp) -> Vec<(Event, Timestamp)> {
    let mut events = dispatched();
    events.push((Event::Answered { unit: UNIT.into(), text: "已修好".into() }, when));
    events
}

fn case(events: &[(Event, Timestamp)]) -> Case {
    Case::of(events.iter().map(|(event, at)| (event, *at))).expect("legal").expect("a case")
}

/// What the rules do is legal.
fn with(mut case: Case, events: &[(By, Event)], now: Timestamp) -> Case {
    for (_, event) in events {
        case = Case::after(Some(&case), event, now).unwrap_or_else(|illegal| panic!("{illegal}"));
    }
    case
}

#[test]
fn who_got_an_answer_is_called_in_the_next_allowed_hour() {
    let rules = rules("");
    let night = case(&answered(at("2026-09-10T22:30:00")));
    assert_eq!(rules.next(&night, true, at("2026-09-10T22:30:00")), Next::Later(at("2026-09-11T09:00:00")));
    assert_eq!(rules.next(&night, true, at("2026-09-11T09:00:00")), Next::Call(1));
    // The noon rest; Saturday begins later; a holiday has its own hours.
    let next = |time: &str| rules.opening(at(time)).expect("some hour is allowed");
    assert_eq!(next("2026-09-11T12:00:00"), at("2026-09-11T14:00:00"));
    assert_eq!(next("2026-09-11T20:00:00"), at("2026-09-12T10:00:00"));
    assert_eq!(next("2026-10-01T09:00:00"), at("2026-10-01T10:00:00"));
    assert_eq!(next("2026-10-10T09:00:00"), at("2026-10-10T09:00:00"), "a Saturday that is worked");
}

/// Art. 23: when the limit expires, with or without an answer.
#[test]
fn who_got_no_answer_is_called_at_the_limit() {
    let rules = rules("");
    let waiting = case(&dispatched());
    assert_eq!(rules.next(&waiting, true, at("2026-09-11T16:59:59")), Next::Later(at("2026-09-11T17:00:00")));
    assert_eq!(rules.next(&waiting, true, at("2026-09-11T17:00:00")), Next::Call(1));
    let mut events = dispatched();
    events.push((Event::Paused { reason: "等市民补充材料".into() }, at("2026-09-10T11:00:00")));
    assert_eq!(rules.next(&case(&events), true, at("2026-09-14T10:00:00")), Next::Nothing, "the clock stands still");
}

#[test]
fn a_withheld_number_is_never_called_and_the_case_is_closed_at_its_limit() {
    let rules = rules("");
    let case = case(&answered(at("2026-09-10T11:00:00")));
    assert_eq!(rules.next(&case, false, at("2026-09-10T11:00:00")), Next::Later(at("2026-09-11T17:00:00")));
    assert_eq!(rules.next(&case, false, at("2026-09-11T17:00:00")), Next::Close("no number to call back"));
}

#[test]
fn tries_are_at_different_times_of_day_and_then_the_case_is_closed() {
    let rules = rules("");
    let mut now = at("2026-09-10T11:00:00");
    let mut case = case(&answered(now));
    let mut tried = Vec::new();
    let mut hours = Vec::new();
    while let Next::Call(attempt) = rules.next(&case, true, now) {
        case = with(case, &[(By::rule(WHO), Event::CallbackBegan { attempt })], now);
        tried.push(now);
        hours.push(rules.zone.to_datetime(now).to_string());
        case = with(case.clone(), &rules.failed(&case, Outcome::NoAnswer, &tried, now), now);
        if let Callback::Again(again) = case.callback {
            now = again;
        }
    }
    assert_eq!(hours, ["2026-09-10T11:00:00", "2026-09-10T14:00:00", "2026-09-10T18:00:00"]);
    assert_eq!((case.state, case.survey), (State::Closed, None));
}

#[test]
fn what_the_caller_says_closes_or_reopens() {
    let rules = rules("");
    let now = at("2026-09-10T11:00:00");
    let new = limits_at(at("2026-09-17T17:00:00"));
    let began = [(By::rule(WHO), Event::CallbackBegan { attempt: 1 })];
    let running = with(case(&answered(now)), &began, now);
    let say =
        |solved| Survey { contacted: Some(true), solved, satisfied: Some(Satisfaction::Mostly), ..Survey::default() };
    let solved = with(running.clone(), &rules.asked(&running, say(Some(true)), new), now);
    assert_eq!((solved.state, solved.survey.map(|survey| survey.valid)), (State::Closed, Some(true)));
    let not = with(running.clone(), &rules.asked(&running, say(Some(false)), new), now);
    assert_eq!((not.state, not.reopened, not.lead.as_deref()), (State::Dispatched, 1, Some(UNIT)));
    assert_eq!(not.limits, Some(new));
    let half = with(running.clone(), &rules.asked(&running, say(None), new), now);
    assert_eq!((half.state, half.survey.map(|survey| survey.valid)), (State::Closed, Some(false)));
    // At the limit, without an answer: the unit goes on, and is not let off.
    let unanswered = with(case(&dispatched()), &began, now);
    let after = with(unanswered.clone(), &rules.asked(&unanswered, say(Some(false)), new), now);
    assert_eq!((after.state, after.callback), (State::Accepted, Callback::Done));
}

#[test]
fn a_crash_loses_no_answer_and_nobody_is_asked_twice() {
    let rules = rules("");
    let now = at("2026-09-10T11:00:00");
    let new = limits_at(at("2026-09-17T17:00:00"));
    let began = [(By::rule(WHO), Event::CallbackBegan { attempt: 1 })];
    let rang = with(case(&answered(now)), &began, now);
    let kept = |survey: Survey| with(rang.clone(), &[(By::rule(WHO), Event::Asked { attempt: 1, survey })], now);
    let recovered = |case: &Case| with(case.clone(), &rules.recovered(case, &[now], new, now), now);
    // It only rang: nobody heard anything.
    assert!(matches!(recovered(&rang).callback, Callback::Again(_)));
    // Somebody may have heard a question.
    let heard = recovered(&kept(Survey::default()));
    assert_eq!((heard.state, heard.callback, &heard.survey), (State::Closed, Callback::Done, &None));
    // Somebody answered one.
    let said = recovered(&kept(Survey { contacted: Some(true), solved: Some(false), ..Survey::default() }));
    assert_eq!((said.state, said.survey.and_then(|survey| survey.solved)), (State::Dispatched, Some(false)));
}

#[test]
fn the_flows_variables_are_the_survey() {
    let said = [("contacted", "yes"), ("solved", "no"), ("satisfied", "mostly"), ("told", "yes")];
    let survey = survey(|name| said.iter().find(|(known, _)| *known == name).map(|(_, value)| *value));
    assert_eq!((survey.contacted, survey.solved), (Some(true), Some(false)));
    assert_eq!(survey.satisfied, Some(Satisfaction::Mostly));
    assert!(super::said(&survey) && !super::said(&Survey::default()));
}

#[test]
fn what_a_valid_survey_is_stands_in_the_file() {
    let half = Survey { contacted: Some(true), solved: Some(true), ..Survey::default() };
    assert!(!rules("").is_valid(&half));
    assert!(rules("valid = [\"solved\"]").is_valid(&half));
    let faults = Faults::default();
    let source = Source::new(
        "jiesu.toml",
        "target = \"sip:me@carrier\"\nvalid = [\"happy\"]\nparts = [\"noon\"]\nworkday = [\"20:00-02:00\"]",
    );
    Config::read(&mut source.read(&faults).expect("TOML"));
    let text = faults.to_string();
    for what in ["no address with a number", "no question", "no part of the day", "past midnight"] {
        assert!(text.contains(what), "{what}: {text}");
    }
}

#[test]
fn callbacks_keep_their_pace() {
    let now = std::time::Instant::now();
    let ticket = |n: u32| format!("2611270000{n:02}").parse::<crate::ticket::Number>();
    let numbers: Vec<_> = (0..100).filter_map(|n| ticket(n).ok()).take(3).collect();
    let mut pace = Pace::new(2, std::time::Duration::from_secs(1));
    let later = |seconds| now + std::time::Duration::from_secs(seconds);
    assert_eq!(pace.begin(numbers[0], "1", now), Ok(()));
    assert_eq!(pace.begin(numbers[1], "2", now), Err(Wait::Until(later(1))));
    assert_eq!(pace.begin(numbers[0], "3", later(1)), Err(Wait::Busy), "the same ticket");
    assert_eq!(pace.begin(numbers[1], "1", later(1)), Err(Wait::Busy), "the same telephone");
    assert_eq!(pace.begin(numbers[1], "2", later(1)), Ok(()));
    assert_eq!(pace.begin(numbers[2], "3", later(2)), Err(Wait::Full));
    pace.ended(numbers[0]);
    assert_eq!((pace.begin(numbers[2], "3", later(2)), pace.running()), (Ok(()), 2));
}

proptest! {
    /// A further try is never too soon, never at a forbidden hour, and at a new time of day while there is one.
    #[test]
    fn tries_again(minutes in 0..600_000i64, tried in prop::collection::vec(0..100_000i64, 1..5)) {
        let rules = rules("tries = 9");
        let now = at("2026-01-01T00:00:00") + jiff::SignedDuration::from_mins(minutes);
        let tried: Vec<Timestamp> =
            tried.into_iter().map(|minutes| now - jiff::SignedDuration::from_mins(minutes)).collect();
        let again = rules.again(&tried, now).expect("not the last");
        prop_assert!(again >= now + rules.config.apart);
        let local = |at: Timestamp| rules.zone.to_datetime(at);
        prop_assert!(rules.config.hours.open(&rules.calendar, local(again)), "{}", local(again));
        let part = |at: &Timestamp| rules.part(local(*at).time());
        let known: Vec<_> = tried.iter().map(part).collect();
        if (0..3).any(|part| !known.contains(&Some(part))) {
            prop_assert!(!known.contains(&part(&again)), "{:?} after {known:?}", part(&again));
        }
        prop_assert_eq!(rules.opening(again), Some(again));
    }

    /// From any answer on, whatever becomes of each try, the caller is asked at most once, and the round ends.
    #[test]
    fn every_round_ends(minutes in 0..40_000i64, outcomes in prop::collection::vec(0..5u8, 12)) {
        let rules = rules("");
        let mut now = at("2026-09-10T10:00:00") + jiff::SignedDuration::from_mins(minutes);
        let new = limits_at(at("2027-01-01T00:00:00"));
        let mut case = case(&answered(now));
        let (mut tried, mut heard) = (Vec::new(), 0);
        for outcome in outcomes {
            match rules.next(&case, true, now) {
                Next::Call(attempt) => {
                    case = with(case, &[(By::rule(WHO), Event::CallbackBegan { attempt })], now);
                    tried.push(now);
                    let events = match outcome {
                        0 => rules.failed(&case, Outcome::NoAnswer, &tried, now),
                        1 => rules.failed(&case, Outcome::Busy, &tried, now),
                        2 => rules.recovered(&case, &tried, new, now),
                        3 => {
                            heard += 1;
                            let asked = Event::Asked { attempt, survey: Survey::default() };
                            case = with(case, &[(By::rule(WHO), asked)], now);
                            rules.recovered(&case, &tried, new, now)
                        }
                        _ => {
                            heard += 1;
                            rules.asked(&case, Survey { solved: Some(true), ..Survey::default() }, new)
                        }
                    };
                    case = with(case, &events, now);
                }
                Next::Later(at) => {
                    prop_assert!(at > now);
                    now = at;
                }
                Next::Nothing => break,
                Next::Close(_) => prop_assert!(false, "closed with the last event"),
            }
        }
        prop_assert_eq!(case.state, State::Closed);
        prop_assert!(heard <= 1 && tried.len() <= 3);
    }
}
