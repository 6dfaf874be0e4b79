use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::*;
use crate::calendar::Calendar;
use crate::casework::deadlines;
use crate::catalogue::Urgency;
use crate::ticket::case::{State, Why};

fn at(minutes: i64) -> Timestamp {
    "2026-03-05T00:00:00Z".parse::<Timestamp>().expect("a time") + SignedDuration::from_mins(minutes)
}

fn city() -> Deadlines {
    let (config, calendar) = (Arc::new(deadlines::Config::default()), Arc::new(Calendar::default()));
    Deadlines { config, calendar, zone: TimeZone::get("Asia/Shanghai").expect("built in") }
}

fn number(serial: u32) -> Number {
    Number::new(jiff::civil::date(2026, 11, 27), serial).expect("a number")
}

fn ask(case: &Case, this: Move, particulars: &Particulars, minute: i64) -> Result<Event, Missing> {
    let category = ["城乡建设", "供水", "停水"].map(str::to_owned);
    let terms = Terms { urgency: Urgency::Soon, category: &category };
    particulars.event(this, (number(1), case), (&city(), terms), at(minute))
}

/// Everything that any move needs.
fn all() -> Particulars {
    Particulars {
        unit: Some("water".into()),
        units: vec!["heat".into()],
        reason: Some("不属于".into()),
        until: Some(at(50_000)),
        into: Some(number(2)),
        approved: Some("考核组".into()),
    }
}

fn received() -> Case {
    Case::after(None, &Event::Received { dispatch: at(120) }, at(0)).expect("legal")
}

fn happen(case: &mut Case, this: Move, particulars: &Particulars, minute: i64) {
    let event = ask(case, this, particulars, minute).expect("nothing is missing");
    *case = Case::after(Some(case), &event, at(minute)).expect("legal");
}

#[test]
fn each_move_becomes_its_event_and_has_its_word() {
    let words: BTreeSet<&str> = Move::ALL.iter().map(|this| this.code()).collect();
    assert_eq!(words.len(), Move::ALL.len());
    let mut case = received();
    happen(&mut case, Move::Dispatch, &all(), 1);
    for this in Move::ALL {
        assert_eq!(ask(&case, this, &all(), 2).expect("nothing is missing").kind(), this.kind());
        assert_eq!(this.code().parse(), Ok(this));
        assert_eq!(serde_json::from_str::<Move>(&format!("\"{this}\"")).expect("its word"), this);
    }
    assert!("acept".parse::<Move>().expect_err("no move").to_string().contains("dispatch, accept, return"));
}

/// What each move cannot do without; every other particular is taken from the case or not needed.
#[test]
fn what_is_missing_is_named() {
    let mut case = received();
    assert_eq!(ask(&case, Move::Resume, &all(), 1), Err(Missing::Limits(Move::Resume)));
    assert_eq!(ask(&case, Move::Accept, &Particulars::default(), 1), Err(Missing::Unit(Move::Accept)));
    happen(&mut case, Move::Dispatch, &all(), 1);
    let nothing = |this| ask(&case, this, &Particulars::default(), 2).map(|event| event.kind());
    use Move::*;
    for this in [Accept, Contact, Resume] {
        assert_eq!(nothing(this), Ok(this.kind()), "the unit in charge does it");
    }
    for this in [Return, Uphold, Overrule, Whistle, Pause, Answer, Close, List, Separate, Reopen, Exclude] {
        assert_eq!(nothing(this), Err(Missing::Reason(this)));
    }
    assert_eq!((nothing(Dispatch), nothing(Extend)), (Err(Missing::Unit(Dispatch)), Err(Missing::Until(Extend))));
    assert_eq!(nothing(Merge), Err(Missing::Into));
    let itself = Particulars { into: Some(number(1)), ..all() };
    assert_eq!(ask(&case, Merge, &itself, 2), Err(Missing::Into), "with itself");
    let nobody = Particulars { approved: None, ..all() };
    assert_eq!(ask(&case, Exclude, &nobody, 2), Err(Missing::Approved(Exclude)));
    let blank = Particulars { reason: Some(" ".into()), ..all() };
    assert_eq!(ask(&case, Return, &blank, 2), Err(Missing::Reason(Return)));
    let past = Particulars { until: Some(at(2)), ..all() };
    assert_eq!(ask(&case, List, &past, 2), Err(Missing::Past(List)));
}

#[test]
fn a_case_goes_through_its_life_by_the_words() {
    let mut case = received();
    let water = all();
    happen(&mut case, Move::Dispatch, &water, 1);
    assert_eq!(
        Move::legal(&case),
        [Move::Accept, Move::Return, Move::Whistle, Move::Extend, Move::Merge, Move::Exclude]
    );
    let stranger = ask(&case, Move::Accept, &Particulars { unit: Some("gas".into()), ..all() }, 2).expect("an event");
    let illegal = Case::after(Some(&case), &stranger, at(2)).expect_err("another unit");
    assert!(matches!(illegal.why, Why::NotInCharge { .. }));
    happen(&mut case, Move::Return, &water, 3);
    happen(&mut case, Move::Overrule, &water, 4);
    happen(&mut case, Move::Accept, &water, 5);
    happen(&mut case, Move::Pause, &water, 60);
    let before = case.limits.expect("limits");
    happen(&mut case, Move::Resume, &water, 160);
    let limits = case.limits.expect("limits");
    assert_eq!(limits.answer, before.answer + SignedDuration::from_mins(100), "24 hours run by the clock");
    assert_eq!(limits.accept, before.accept, "that one was over");
    happen(&mut case, Move::Extend, &water, 161);
    assert_eq!(case.limits.expect("limits").answer, at(50_000));
    happen(&mut case, Move::Answer, &water, 170);
    happen(&mut case, Move::Reopen, &water, 180);
    assert_eq!((case.state, case.reopened), (State::Dispatched, 1));
    assert!(case.limits.expect("limits").answer > at(180));
}
