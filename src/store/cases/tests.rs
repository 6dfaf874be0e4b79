use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::id::CallId;
use crate::store::planted::{Fault, at, open, pending};
use crate::ticket::case::{Kind, Limits, Via};

fn now() -> Timestamp {
    at("2026-11-24T01:02:03.456Z")
}

fn later(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

async fn file(store: &Store, n: u128) -> Number {
    let call = CallId::new(now().as_millisecond(), n);
    store.file(pending(call), now()).await.expect("filed").number
}

fn dispatched(unit: &str) -> Event {
    Event::Dispatched {
        unit: unit.into(),
        co: vec!["water".into()],
        copies: vec!["110105".into()],
        limits: Limits { accept: later(60), contact: later(120), answer: later(600) },
        why: "辖区".into(),
        version: "1".into(),
    }
}

fn desk() -> By {
    By::new("desk", Via::Cli)
}

#[tokio::test]
async fn a_case_begins_with_its_ticket_and_goes_on_in_its_log() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let number = file(&store, 1).await;
    let case = store.case(number).await.expect("read").expect("a case");
    assert_eq!((case.state, case.dispatch), (State::Received, now() + DISPATCH_WITHIN));
    let case = store.case_happens(number, desk(), dispatched("110105001"), later(1)).await.expect("legal");
    assert_eq!(store.case(number).await.expect("read"), Some(case));
    let accepted = Event::Accepted { unit: "110105001".into() };
    let contacted = Event::Contacted { unit: "water".into() };
    let unit = || By::new("110105001", Via::Api);
    let two = vec![(unit(), accepted.clone()), (unit(), contacted)];
    let case = store.case_happen_all(number, two, later(2)).await.expect("legal");
    assert_eq!((case.state, case.seq), (State::Accepted, 4));
    let log = store.case_log(number).await.expect("read");
    assert_eq!(log.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((&log[2].event, log[2].at, &log[2].by), (&accepted, later(2), &unit()));
    assert_eq!(log[0].by, By::rule("filing"));
    store.close().await;
    let store = open(folder.path(), &[]).await;
    assert_eq!(store.case(number).await.expect("read"), Some(case), "after a restart it is the same");
}

#[tokio::test]
async fn an_illegal_move_writes_nothing_and_names_the_legal_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let number = file(&store, 1).await;
    let accepted = Event::Accepted { unit: "water".into() };
    let two = vec![(desk(), dispatched("110105001")), (desk(), accepted.clone())];
    let error = store.case_happen_all(number, two, later(1)).await.expect_err("another unit");
    let Error::Move(illegal) = &error else { panic!("{error}") };
    assert!(illegal.legal.contains(&Kind::Accepted), "{error}");
    assert_eq!(store.case_log(number).await.expect("read").len(), 1, "neither of the two");
    let nobody = Number::new(jiff::civil::date(2020, 1, 1), 7).expect("a number");
    let error = store.case_happens(nobody, desk(), accepted, later(1)).await.expect_err("no case");
    assert!(matches!(error, Error::Move(_)), "{error}");
    assert_eq!(store.case_happen_all(nobody, Vec::new(), now()).await, Err(Error::NoCase(nobody)));
    assert_eq!(store.case(nobody).await, Ok(None));
}

#[tokio::test]
async fn a_case_is_found_by_its_state_and_when_a_rule_has_to_look() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let mut numbers = Vec::new();
    for n in 1..=5 {
        numbers.push(file(&store, n).await);
    }
    for number in &numbers[3..] {
        store.case_happens(*number, desk(), dispatched("110105001"), later(1)).await.expect("legal");
    }
    let found = async |states: &[State], after, limit| -> Vec<Number> {
        let found = store.cases_in(states, after, limit).await.expect("read");
        found.into_iter().map(|(number, _)| number).collect()
    };
    assert_eq!(found(&[State::Received], None, 2).await, numbers[..2]);
    assert_eq!(found(&[State::Received], Some(numbers[1]), 9).await, numbers[2..3]);
    assert_eq!(found(&[State::Dispatched, State::Received], None, 9).await, numbers);
    assert_eq!(found(&[], None, 9).await, []);

    let due = async |now| -> Vec<Number> {
        store.cases_due(now, 9).await.expect("read").into_iter().map(|(number, _)| number).collect()
    };
    assert_eq!(due(now()).await, numbers[..3], "a rule looks after each event");
    for (number, seq) in numbers.iter().zip([1, 1, 1, 2, 2]) {
        assert!(store.set_case_due(*number, seq, None).await.expect("set"));
    }
    assert_eq!((due(later(99)).await, store.next_case_due().await), (Vec::new(), Ok(None)));
    assert!(store.set_case_due(numbers[4], 2, Some(later(30))).await.expect("set"));
    assert!(store.set_case_due(numbers[0], 1, Some(later(20))).await.expect("set"));
    assert!(!store.set_case_due(numbers[3], 1, Some(later(10))).await.expect("set"), "something happened since");
    assert_eq!(store.next_case_due().await, Ok(Some(later(20))));
    assert_eq!((due(later(19)).await, due(later(30)).await), (Vec::new(), vec![numbers[0], numbers[4]]));
    store
        .case_happens(numbers[4], desk(), Event::Accepted { unit: "110105001".into() }, later(3))
        .await
        .expect("legal");
    assert_eq!(due(later(3)).await, [numbers[4]]);
}

#[tokio::test]
async fn the_log_of_all_cases_is_read_in_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let (one, two) = (file(&store, 1).await, file(&store, 2).await);
    for (number, minute) in [(two, 1), (one, 2)] {
        store.case_happens(number, desk(), dispatched("110105001"), later(minute)).await.expect("legal");
    }
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.case_entries(now(), later(9), after, 3).await.expect("read");
        let Some((number, entry)) = page.last() else { break };
        after = Some((*number, entry.seq));
        all.extend(page.iter().map(|(number, entry)| (*number, entry.seq, entry.at)));
    }
    assert_eq!(all, [(one, 1, now()), (one, 2, later(2)), (two, 1, now()), (two, 2, later(1))]);
    let some = store.case_entries(later(1), later(2), None, 9).await.expect("read");
    assert_eq!(some.iter().map(|(number, entry)| (*number, entry.seq)).collect::<Vec<_>>(), [(two, 2)]);
}

#[tokio::test]
async fn the_log_is_only_added_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    file(&store, 1).await;
    for sql in ["UPDATE case_events SET at = 0", "DELETE FROM case_events"] {
        let error = store.plant(sql.into()).await.expect_err("refused");
        assert!(error.to_string().contains("only added to"), "{error}");
    }
}

/// Whichever write fails: all of the events are there or none, and the row says what the log says.
#[tokio::test]
async fn whichever_write_fails_the_row_and_the_log_agree() {
    for fault in [Fault::Statement, Fault::Transaction] {
        let mut n = 0;
        loop {
            let folder = tempfile::tempdir().expect("a folder");
            let store = open(folder.path(), &[]).await;
            let number = file(&store, 1).await;
            store.fail_after(n, fault).await;
            let unit = "110105001".to_owned();
            let events = vec![(desk(), dispatched(&unit)), (desk(), Event::Accepted { unit })];
            let done = store.case_happen_all(number, events.clone(), later(1)).await;
            store.heal().await;
            let state = if done.is_ok() { State::Accepted } else { State::Received };
            let found = store.cases_in(&[state], None, 9).await.expect("read");
            assert_eq!(found.len(), 1, "write {n}, {fault:?}: {done:?}");
            assert_eq!(found[0].1.state, state);
            if done.is_ok() {
                break;
            }
            assert!(store.case_happen_all(number, events, later(2)).await.is_ok(), "it can be done again");
            n += 1;
        }
        assert_eq!(n, 4, "two events, and the row, which is tried as a new one first");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Any words at all come back as they were said.
    #[test]
    fn any_words_are_kept(reason in "\\PC{1,40}", who in "\\PC{0,12}") {
        prop_assume!(!reason.trim().is_empty());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let store = open(folder.path(), &[]).await;
            let number = file(&store, 1).await;
            let event = Event::Closed { reason };
            let by = By::new(who, Via::Telephone);
            store.case_happens(number, by.clone(), event.clone(), later(1)).await.expect("legal");
            let log = store.case_log(number).await.expect("read");
            prop_assert_eq!((&log[1].by, &log[1].event), (&by, &event));
            Ok(())
        })?;
    }
}
