use jiff::SignedDuration;

use super::*;
use crate::id::CallId;
use crate::store::planted::{Fault, at, open, pending};
use crate::ticket::case::{Limits, State};

fn now() -> Timestamp {
    at("2026-11-24T15:00:00Z")
}

fn later(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

async fn file(store: &Store, n: u128, urgency: &str) -> Number {
    let mut filing = pending(CallId::new(now().as_millisecond(), n));
    filing.meaning.urgency = urgency.to_owned();
    store.file(filing, now()).await.expect("filed").number
}

fn event(unit: &str) -> Event {
    let limits = Limits { accept: later(60), contact: later(60), answer: later(120) };
    let (co, copies, why) = (vec!["water".into()], vec!["110105".into()], "辖区".into());
    Event::Dispatched { unit: unit.into(), co, copies, limits, why, version: "1".into() }
}

fn telling(call: bool) -> Telling {
    Telling {
        backends: vec!["city".into(), "water".into()],
        payload: serde_json::json!({ "unit": { "code": "110105026", "channel": "city" } }),
        call,
    }
}

async fn dispatch(store: &Store, number: Number, call: bool) -> Result<Case, Error> {
    store.put_in_charge(number, By::rule("dispatch"), event("110105026"), telling(call), later(1)).await
}

async fn due(store: &Store, now: Timestamp) -> Vec<AlarmRow> {
    store.alarms_due(now, 10).await.expect("read")
}

/// The unit is told when its own system has taken it, not when a co-handler's has, and once.
#[tokio::test]
async fn a_unit_is_told_when_its_system_has_taken_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let number = file(&store, 1, "ordinary").await;
    dispatch(&store, number, false).await.expect("legal");
    let rows = store.outbox(true, 0, 10).await.expect("read");
    let keys: Vec<(&str, &str)> = rows.iter().map(|row| (row.backend.as_str(), row.event.as_str())).collect();
    assert_eq!(keys, [("city", "dispatched"), ("water", "dispatched")]);
    store.sent(rows[1].id, None, later(2)).await.expect("written");
    let told = async || {
        let log = store.case_log(number).await.expect("read");
        log.into_iter().filter(|entry| matches!(entry.event, Event::Told { .. })).collect::<Vec<_>>()
    };
    assert_eq!(told().await, []);
    store.sent(rows[0].id, None, later(3)).await.expect("written");
    store.sent(rows[0].id, None, later(4)).await.expect("written");
    let told = told().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        (told[0].at, &told[0].event),
        (later(3), &Event::Told { unit: "110105026".into(), channel: "city".into() })
    );
}

#[tokio::test]
async fn only_what_is_urgent_or_told_by_telephone_has_an_alarm() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let calm = file(&store, 1, "ordinary").await;
    let urgent = file(&store, 2, "urgent").await;
    assert_eq!(due(&store, now()).await.iter().map(|row| row.ticket).collect::<Vec<_>>(), [urgent]);
    dispatch(&store, calm, true).await.expect("legal");
    let both: Vec<Number> = due(&store, later(1)).await.iter().map(|row| row.ticket).collect();
    assert_eq!(both, [urgent, calm]);
}

/// The restart's view: what was written before a call is what the next daemon goes on with.
#[tokio::test]
async fn an_alarm_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let number = file(&store, 1, "urgent").await;
    dispatch(&store, number, false).await.expect("legal");
    let call = store.duty_call(number, "110105026", "sip:1@192.0.2.1", later(1)).await.expect("written");
    store.close().await;
    let store = open(folder.path(), &[]).await;
    assert_eq!(due(&store, later(1)).await[0].step, 0, "nobody knows how that call ended: the same person again");
    let again = store.duty_call(number, "110105026", "sip:1@192.0.2.1", later(1)).await.expect("written");
    assert_ne!(again, call);
    store.duty_called((number, again), "no_answer", 1, later(2)).await.expect("written");
    assert_eq!(due(&store, later(1)).await, []);
    assert_eq!(store.next_alarm(later(1)).await.expect("read"), Some(later(2)));
    assert_eq!(due(&store, later(2)).await[0].step, 1);
    let calls = store.duty_calls(number).await.expect("read");
    let outcomes: Vec<Option<&str>> = calls.iter().map(|call| call.outcome.as_deref()).collect();
    assert_eq!(outcomes, [Some("interrupted"), Some("no_answer")]);
    store.end_alarm(number, later(3)).await.expect("written");
    assert_eq!(due(&store, later(99)).await, []);
    assert_eq!(store.next_alarm(now()).await.expect("read"), None);
}

/// Returned and given to another: that one is called, from its first number on.
#[tokio::test]
async fn another_unit_is_called_from_the_beginning() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let number = file(&store, 1, "urgent").await;
    dispatch(&store, number, false).await.expect("legal");
    store.put_alarm_off(number, 3, later(9)).await.expect("written");
    let unit = "110105026".to_owned();
    let returned = Event::Returned { unit, reason: "不在辖区".into() };
    let back = vec![(By::rule("t"), returned), (By::rule("t"), Event::Upheld { reason: "同意".into() })];
    store.case_happen_all(number, back, later(2)).await.expect("legal");
    store.end_alarm(number, later(2)).await.expect("written");
    let case = dispatch(&store, number, false).await.expect("legal");
    assert_eq!(case.state, State::Dispatched);
    let row = due(&store, later(2)).await;
    assert_eq!((row.len(), row[0].step, row[0].since), (1, 0, now()));
}

/// Whatever write fails: the unit is in charge and its system will be told, or neither.
#[tokio::test]
async fn a_dispatch_is_whole_or_not_at_all() {
    for fault in [Fault::Statement, Fault::Transaction] {
        for n in 0.. {
            let folder = tempfile::tempdir().expect("a folder");
            let store = open(folder.path(), &[]).await;
            let number = file(&store, 1, "urgent").await;
            store.fail_after(n, fault).await;
            let done = dispatch(&store, number, true).await;
            store.heal().await;
            let state = store.case(number).await.expect("read").expect("a case").state;
            let rows = store.outbox(true, 0, 10).await.expect("read").len();
            match done {
                Ok(_) => {
                    assert_eq!((state, rows), (State::Dispatched, 2), "write {n}");
                    break;
                }
                Err(_) => assert_eq!((state, rows), (State::Received, 0), "write {n}"),
            }
            assert!(n < 20, "it never succeeds");
        }
    }
}
