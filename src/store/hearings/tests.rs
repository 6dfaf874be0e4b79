//! Who has which utterance: several stores over one database, leases that end, corrections that keep what was.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use crate::asr::{Purpose, Transcript};
use crate::id::CallId;
use crate::store::planted::{at, open, pending};
use crate::store::{Config, Correction, Filing, Leased, Meaning, SegmentRow, Store, Transcribed, Work};
use crate::ticket::{Number, Text};
use jiff::Timestamp;

const LEASE: Duration = Duration::from_secs(30);

pub(super) fn id(n: u128) -> CallId {
    CallId::new(at("2026-11-24T01:00:00Z").as_millisecond(), n)
}

pub(super) fn now() -> Timestamp {
    at("2026-11-24T02:00:00Z")
}

pub(super) fn later(seconds: u64) -> Timestamp {
    now().saturating_add(Duration::from_secs(seconds)).expect("near")
}

pub(super) fn segment(n: u128, index: u32, text: Option<&str>) -> SegmentRow {
    SegmentRow {
        call: id(n),
        index,
        file: format!("recordings/{n}/{index:03}.wav").into(),
        duration: Duration::from_secs(4),
        speech: Duration::from_secs(3),
        text: text.map(str::to_owned),
        error: None,
    }
}

/// A call that is over, with its ticket.
pub(super) async fn filed(store: &Store, n: u128, urgency: &str, texts: &[Option<&str>]) -> Number {
    let segments: Vec<_> = texts.iter().zip(0..).map(|(text, index)| segment(n, index, *text)).collect();
    let whole = texts.iter().all(Option::is_some);
    let filing = Filing {
        segments,
        text: texts[0].map(str::to_owned),
        text_state: if whole { Text::Whole } else { Text::Pending },
        meaning: Meaning { urgency: urgency.into(), kind: "投诉".into(), ..Meaning::default() },
        ..pending(id(n))
    };
    let number = store.file(filing, now()).await.expect("filed").number;
    store.call_ended(id(n), "bye", now()).await.expect("written");
    number
}

pub(super) fn transcribed(text: &str, model: &str) -> Transcribed {
    let heard = Transcript { text: text.into(), model: model.into(), ..Transcript::default() };
    Transcribed::new(heard, Purpose::Complaint, None)
}

pub(super) async fn beside(folder: &std::path::Path, store: &Store) -> Store {
    let config = Config { pace: Duration::ZERO, ..Config::default() };
    Store::join(&config, folder, store.zone()).await.expect("a second process's store")
}

pub(super) async fn take(store: &Store, worker: &str, at: Timestamp) -> Option<Leased> {
    let until = at.saturating_add(LEASE).expect("near");
    store.take_hearing(worker, Work::Text, at, until).await.expect("taken or not")
}

#[tokio::test]
async fn of_several_workers_each_takes_another_utterance_and_the_urgent_come_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    for n in 0..30 {
        let urgency = ["ordinary", "soon", "urgent"][n as usize % 3];
        filed(&store, n, urgency, &[None, Some("有了"), None]).await;
    }
    let stores = [beside(folder.path(), &store).await, beside(folder.path(), &store).await, store.clone()];
    let mut workers = tokio::task::JoinSet::new();
    for (i, store) in stores.into_iter().enumerate() {
        workers.spawn(async move {
            let mut mine = Vec::new();
            while let Some(leased) = take(&store, &format!("worker {i}"), now()).await {
                mine.push(leased);
            }
            mine
        });
    }
    let taken: Vec<Vec<Leased>> = workers.join_all().await;
    let mut count: HashMap<(CallId, u32), usize> = HashMap::new();
    taken.iter().flatten().for_each(|leased| *count.entry((leased.call, leased.index)).or_default() += 1);
    assert_eq!(count.len(), 60);
    assert!(count.values().all(|times| *times == 1), "{count:?}");
    let urgency = |leased: &Leased| (0..30).find(|n| id(*n) == leased.call).expect("ours") % 3;
    for mine in taken {
        let order: Vec<u128> = mine.iter().map(urgency).collect();
        assert!(order.is_sorted_by(|a, b| a >= b), "the urgent first: {order:?}");
    }
}

#[tokio::test]
async fn what_a_dead_worker_had_is_taken_again_and_its_late_text_is_not_wanted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let number = filed(&store, 1, "soon", &[None]).await;
    let first = take(&store, "dead", now()).await.expect("due");
    assert_eq!(take(&store, "second", later(29)).await, None, "the lease goes on");
    assert!(store.renew_hearing(&first, later(50)).await.expect("written"));
    assert_eq!(take(&store, "second", later(49)).await, None, "and was renewed");
    let second = take(&store, "second", later(51)).await.expect("the lease has ended");
    assert_eq!((second.tries, second.index), (2, 0));
    assert!(!store.renew_hearing(&first, later(99)).await.expect("written"));
    assert!(!store.heard(&first, transcribed("晚了", "a"), later(52)).await.expect("written"));
    assert!(store.heard(&second, transcribed("路灯坏了", "b"), later(53)).await.expect("written"));
    assert!(!store.heard(&second, transcribed("又一次", "b"), later(54)).await.expect("written"), "once");
    let ticket = store.ticket(number).await.expect("read").expect("there");
    let recording = &ticket.recordings[0];
    assert_eq!(recording.text.as_deref(), Some("路灯坏了"));
    let kept: Vec<_> = recording.texts.iter().map(|t| (t.text.as_str(), t.model.as_str(), t.why.as_str())).collect();
    assert_eq!(kept, [("路灯坏了", "b", "pending")]);
    assert_eq!(store.pending(later(60), 9).await.expect("read").len(), 1);
}

#[tokio::test]
async fn what_the_daemon_had_when_it_fell_over_is_free_at_its_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    filed(&store, 1, "soon", &[None, None]).await;
    let (ours, _) = (take(&store, "serve", now()).await, take(&store, "other", now()).await.expect("due"));
    assert_eq!(store.end_leases("serve", now()).await.expect("written"), 1);
    let again = take(&store, "serve", now()).await.expect("at once");
    assert_eq!(Some(again.index), ours.map(|leased| leased.index));
}

#[tokio::test]
async fn put_back_is_as_not_taken_and_a_failure_waits_or_is_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let number = filed(&store, 1, "soon", &[None, Some("一")]).await;
    for _ in 0..9 {
        let leased = take(&store, "a", now()).await.expect("due");
        assert_eq!(leased.tries, 1);
        assert!(store.put_back_hearing(&leased, now()).await.expect("written"));
    }
    let leased = take(&store, "a", now()).await.expect("due");
    assert!(store.not_heard(&leased, "no sound", Some(later(60))).await.expect("written"));
    assert_eq!(take(&store, "a", later(59)).await, None);
    let leased = take(&store, "a", later(60)).await.expect("due");
    assert_eq!(leased.tries, 2);
    assert!(store.not_heard(&leased, "no sound", None).await.expect("written"));
    assert_eq!(take(&store, "a", later(100_000)).await, None, "given up");
    let pending = store.pending(later(61), 9).await.expect("read");
    assert_eq!(pending[0].number, number);
    let (tries, reason) = pending[0].given_up.as_ref().expect("why");
    assert!(*tries == 2 && reason.ends_with("000.wav: no sound"), "{tries} {reason}");
}

#[tokio::test]
async fn a_correction_keeps_what_was_and_what_people_said_and_lowers_nothing() {
    for (person, standing, heard, urgency) in
        [(false, "urgent", "ordinary", "urgent"), (false, "soon", "urgent", "urgent"), (true, "soon", "urgent", "soon")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path(), &["log"]).await;
        let number = filed(&store, 1, standing, &[Some("路登坏了"), Some("谢谢")]).await;
        if person {
            let field = |what: &str| Some(what.to_owned());
            let (author, kind, urgency) = ("seat 4".to_owned(), field("求助"), field("soon"));
            let correction = Correction { ticket: number, at: now(), author, category: None, kind, urgency };
            assert!(store.correct(correction).await.expect("written"));
        }
        for (text, again) in [("路灯坏了", None), ("", Some(()))] {
            assert!(store.reheard(now(), 9).await.expect("read").is_empty(), "not all was heard again");
            let leased = store.take_hearing("large", Work::Correction, now(), later(30)).await.expect("read");
            assert!(
                store.heard(&leased.expect("due"), transcribed(text, "large"), now()).await.expect("written"),
                "{again:?}"
            );
        }
        let reheard = store.reheard(now(), 9).await.expect("read");
        let ticket = reheard.first().expect("all was heard again");
        assert_eq!(
            ticket.heard.iter().map(|(index, heard)| (*index, heard.text.as_str())).collect::<Vec<_>>(),
            [(0, "路灯坏了"), (1, "")]
        );
        let meaning = Meaning { urgency: heard.into(), kind: "咨询".into(), ..Meaning::default() };
        let said = (Some("路灯坏了\n谢谢".to_owned()), meaning);
        let changes = vec![(0, transcribed("路灯坏了", "large"))];
        assert!(store.text_corrected(ticket, changes, said, later(5)).await.expect("written"));
        assert!(store.reheard(now(), 9).await.expect("read").is_empty(), "once");
        let nothing = store.take_hearing("large", Work::Correction, later(9_999), later(99_999)).await;
        assert_eq!(nothing.expect("read"), None);
        let ticket = store.ticket(number).await.expect("read").expect("there");
        assert_eq!((ticket.text.as_deref(), ticket.urgency.as_str()), (Some("路灯坏了\n谢谢"), urgency));
        assert_eq!(ticket.kind, if person { "投诉" } else { "咨询" }, "what stood when the person spoke stays");
        let kept = |n: usize| -> Vec<(String, String)> {
            ticket.recordings[n].texts.iter().map(|t| (t.text.clone(), t.why.clone())).collect()
        };
        assert_eq!(kept(0), [("路登坏了".into(), "filed".into()), ("路灯坏了".into(), "correction".into())]);
        assert_eq!((kept(1), ticket.recordings[1].text.as_deref()), (vec![], Some("谢谢")));
        let events: Vec<_> = store.history(number).await.expect("read").iter().map(|row| row.event.code()).collect();
        assert_eq!(events, ["filed", "text_corrected"]);
        let told: Vec<_> = store.outbox(true, 0, 9).await.expect("read").into_iter().map(|row| row.event).collect();
        assert_eq!(told, ["created", "updated"]);
    }
}

#[tokio::test]
async fn corrections_leave_alone_what_is_pending_and_what_is_old() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    filed(&store, 1, "soon", &[Some("一"), None]).await;
    let take = async |at: Timestamp| store.take_hearing("large", Work::Correction, at, at).await.expect("read");
    assert_eq!(take(now()).await, None);
    filed(&store, 2, "soon", &[Some("二")]).await;
    assert_eq!(take(later(30 * 24 * 3600)).await, None, "a month later");
    assert_eq!(take(now()).await.map(|leased| leased.call), Some(id(2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever workers do, and whenever: no two hold the same utterance at once, and each text is written once.
    #[test]
    fn nobody_holds_what_another_holds(steps in prop::collection::vec((0usize..3, 0u8..6, 0u64..50), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let store = open(folder.path(), &[]).await;
            for n in 0..3 {
                filed(&store, n, "soon", &[None, None]).await;
            }
            let stores = [store.clone(), beside(folder.path(), &store).await, beside(folder.path(), &store).await];
            let mut held: [Vec<(Leased, Timestamp)>; 3] = Default::default();
            let mut written: HashMap<(CallId, u32), usize> = HashMap::new();
            let mut clock = now();
            for (who, what, seconds) in steps {
                clock = clock.saturating_add(Duration::from_secs(seconds)).expect("near");
                let until = clock.saturating_add(LEASE).expect("near");
                if what < 3 {
                    if let Some(leased) = take(&stores[who], &format!("{who}"), clock).await {
                        let others = held.iter().flatten();
                        let same = others.filter(|(l, end)| (l.call, l.index) == (leased.call, leased.index) && *end > clock);
                        prop_assert_eq!(same.count(), 0, "{:?} was held", leased);
                        held[who].push((leased, until));
                    }
                    continue;
                }
                let Some((leased, end)) = held[who].pop() else { continue };
                let done = match what {
                    3 => stores[who].renew_hearing(&leased, until).await,
                    4 => stores[who].put_back_hearing(&leased, clock).await,
                    _ => stores[who].heard(&leased, transcribed("字", "m"), clock).await,
                };
                let done = done.expect("written");
                prop_assert!(done || end <= clock || held[who].iter().any(|(l, _)| l.call == leased.call && l.index == leased.index),
                    "a lease that has not ended was lost");
                if what == 3 && done {
                    held[who].push((leased, until));
                } else if what == 5 && done {
                    *written.entry((leased.call, leased.index)).or_default() += 1;
                }
            }
            prop_assert!(written.values().all(|times| *times == 1), "{:?}", written);
            for n in 0..3 {
                let ticket = store.ticket_of(id(n)).await.expect("read").expect("there");
                let texts: usize = ticket.recordings.iter().map(|recording| recording.texts.len()).sum();
                prop_assert_eq!(texts, written.keys().filter(|(call, _)| *call == id(n)).count());
            }
            Ok(())
        })?;
    }
}
