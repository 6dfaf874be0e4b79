use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::*;
use crate::calendar::Calendar;
use crate::casework::deadlines::{self, Deadlines};
use crate::id::CallId;
use crate::store::{Filing, planted};
use crate::ticket::case::{Kind, State, Via};

fn at(minutes: i64) -> Timestamp {
    "2026-03-05T00:00:00Z".parse::<Timestamp>().expect("a time") + SignedDuration::from_mins(minutes)
}

fn timetable() -> Timetable {
    let (config, calendar) = (Arc::new(deadlines::Config::default()), Arc::new(Calendar::default()));
    let zone = TimeZone::get("Asia/Shanghai").expect("built in");
    Timetable::new(move || Deadlines { config: config.clone(), calendar: calendar.clone(), zone: zone.clone() })
}

fn rules(store: &Store) -> Rules {
    Rules { store: store.clone(), config: Config::default(), timetable: timetable() }
}

/// Filed and dispatched at once.
async fn dispatched(store: &Store, n: u128) -> Number {
    let call = CallId::new(at(0).as_millisecond(), n);
    let mut filing = Filing { dispatch: Some(at(120)), ..planted::pending(call) };
    filing.meaning.urgency = "soon".into();
    let number = store.file(filing, at(0)).await.expect("filed").number;
    let ticket = store.ticket(number).await.expect("read").expect("there");
    let event = Event::Dispatched {
        unit: "water".into(),
        co: Vec::new(),
        copies: Vec::new(),
        limits: timetable().now().limits(terms(&ticket), at(0)),
        why: "辖区".into(),
        version: "1".into(),
    };
    store.case_happens(number, By::new("desk", Via::Cli), event, at(0)).await.expect("legal");
    number
}

async fn levels(store: &Store, number: Number) -> Vec<(Timestamp, u8)> {
    let log = store.case_log(number).await.expect("read");
    let level = |event: &Event| if let Event::Escalated { level, .. } = event { Some(*level) } else { None };
    log.iter().filter_map(|entry| Some((entry.at, level(&entry.event)?))).collect()
}

/// Turns until nothing is due.
async fn work(rules: &Rules, now: Timestamp) -> usize {
    let mut looks = 0;
    loop {
        match rules.turn(now).await.expect("the store works") {
            0 => return looks,
            n => looks += n,
        }
        assert!(looks < 100, "it never comes to rest");
    }
}

#[tokio::test]
async fn a_case_is_looked_at_when_its_limits_pass_and_not_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = planted::open(folder.path(), &[]).await;
    let rules = rules(&store);
    let number = dispatched(&store, 1).await;
    assert_eq!(work(&rules, at(0)).await, 1);
    assert_eq!(store.next_case_due().await, Ok(Some(at(30))), "when it should have been accepted");
    assert_eq!(work(&rules, at(29)).await, 0);
    assert_eq!(work(&rules, at(30)).await, 2, "told of, and looked at again");
    // A night without the daemon: what came due is looked at once, and only the gravest is told.
    store.close().await;
    let store = planted::open(folder.path(), &[]).await;
    let rules = Rules { store: store.clone(), ..rules };
    work(&rules, at(1500)).await;
    assert_eq!(levels(&store, number).await, [(at(30), 1), (at(1500), 3)]);
    // A clock that is set back tells nobody again.
    assert_eq!(work(&rules, at(10)).await, 0);
    let answered =
        [Event::Accepted { unit: "water".into() }, Event::Answered { unit: "water".into(), text: "已修好".into() }];
    let unit = || By::new("water", Via::Api);
    store.case_happen_all(number, answered.map(|event| (unit(), event)).to_vec(), at(1501)).await.expect("legal");
    work(&rules, at(9000)).await;
    assert_eq!(levels(&store, number).await.len(), 2, "who has answered is late no more");
    assert_eq!(store.next_case_due().await, Ok(None));
}

#[tokio::test]
async fn the_third_return_is_decided_by_rule() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = planted::open(folder.path(), &[]).await;
    let rules = rules(&store);
    let number = dispatched(&store, 1).await;
    let by = || By::new("desk", Via::Cli);
    for minute in 1..=2 {
        let returned = Event::Returned { unit: "water".into(), reason: "不属于".into() };
        store.case_happens(number, by(), returned, at(minute)).await.expect("legal");
        work(&rules, at(minute)).await;
        let case = store.case(number).await.expect("read").expect("a case");
        assert_eq!(case.state, State::Review, "a person decides");
        let again = Event::Dispatched {
            unit: "water".into(),
            co: Vec::new(),
            copies: Vec::new(),
            limits: case.limits.expect("limits"),
            why: "还是".into(),
            version: "1".into(),
        };
        let events = vec![(by(), Event::Upheld { reason: "确实".into() }), (by(), again)];
        store.case_happen_all(number, events, at(minute)).await.expect("legal");
    }
    let returned = Event::Returned { unit: "water".into(), reason: "不属于".into() };
    store.case_happens(number, by(), returned, at(3)).await.expect("legal");
    work(&rules, at(3)).await;
    let case = store.case(number).await.expect("read").expect("a case");
    assert_eq!((case.state, case.bound, case.returns), (State::Dispatched, true, 3));
    let last = store.case_log(number).await.expect("read").pop().expect("a log");
    assert_eq!((last.event.kind(), last.by), (Kind::Overruled, By::rule("returns")));
}

#[tokio::test]
async fn what_happened_since_the_look_is_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = planted::open(folder.path(), &[]).await;
    let rules = rules(&store);
    let number = dispatched(&store, 1).await;
    let mut seen = store.case(number).await.expect("read").expect("a case");
    seen.escalated = 9;
    store.case_happens(number, By::rule("test"), Event::Accepted { unit: "water".into() }, at(5)).await.expect("legal");
    // Late, by what was seen; but it was accepted meanwhile.
    rules.look(number, &seen, at(6)).await.expect("the store works");
    assert_eq!(store.next_case_due().await, Ok(Some(at(5))));
}
