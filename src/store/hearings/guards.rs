//! Each guard of a lease by itself: what it lets through where it is left out. The candidates are read beside the writer,
//! so that whoever takes may come with a list that is no longer true; here it is kept from before.

use super::tests::{beside, filed, id, later, now, segment, take, transcribed};
use super::{CANDIDATES, Take};
use crate::id::CallId;
use crate::store::planted::open;
use crate::store::{Store, Work};

type Candidates = Vec<(CallId, u32, String)>;

async fn read(store: &Store, work: Work) -> Candidates {
    store.waiting_hearings(work, now()).await.expect("read")
}

/// Takes from a list that was read before.
async fn takes(store: &Store, worker: &str, work: Work, candidates: &Candidates) -> Option<u32> {
    let (candidates, worker) = (candidates.clone(), worker.to_owned());
    let taken = store.write(Take { candidates, worker, work, now: now(), until: later(30) }).await.expect("written");
    taken.map(|(_, index, _, _)| index)
}

#[tokio::test]
async fn an_old_list_gives_nobody_what_another_holds_or_has_given_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    filed(&store, 1, "soon", &[None, None]).await;
    let other = beside(folder.path(), &store).await;
    let old = read(&other, Work::Text).await;
    assert_eq!(takes(&store, "a", Work::Text, &old).await, Some(0));
    assert_eq!(takes(&other, "b", Work::Text, &old).await, Some(1), "the first is leased");
    assert_eq!(takes(&other, "c", Work::Text, &old).await, None, "both are");
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    filed(&store, 1, "soon", &[None]).await;
    let old = read(&store, Work::Text).await;
    let leased = take(&store, "a", now()).await.expect("due");
    assert!(store.not_heard(&leased, "no sound", None).await.expect("written"));
    assert_eq!(takes(&store, "b", Work::Text, &old).await, None, "given up");
}

#[tokio::test]
async fn an_old_list_gives_nobody_what_has_its_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    filed(&store, 1, "soon", &[None]).await;
    let old = read(&store, Work::Text).await;
    let leased = take(&store, "a", now()).await.expect("due");
    assert!(store.heard(&leased, transcribed("停水", "m"), now()).await.expect("written"));
    assert_eq!(takes(&store, "b", Work::Text, &old).await, None);
}

#[tokio::test]
async fn an_old_list_gives_nobody_what_was_heard_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    filed(&store, 1, "soon", &[Some("停水")]).await;
    let old = read(&store, Work::Correction).await;
    let leased = store.take_hearing("a", Work::Correction, now(), later(30)).await.expect("read").expect("due");
    assert_eq!(takes(&store, "b", Work::Correction, &old).await, None, "it is leased");
    assert!(store.heard(&leased, transcribed("停水", "m"), now()).await.expect("written"));
    assert_eq!(takes(&store, "b", Work::Correction, &old).await, None, "it was heard");
    let ticket = store.reheard(now(), 9).await.expect("read").remove(0);
    let said = (Some("停水".to_owned()), crate::store::Meaning::default());
    assert!(store.text_corrected(&ticket, Vec::new(), said, now()).await.expect("written"));
    assert_eq!(takes(&store, "b", Work::Correction, &old).await, None, "the ticket is done");
}

/// What was given up stays in the queue's tables until intake completes its ticket, and what was heard again until the
/// whole ticket was: more of it than are looked at in one go must not hide what is free, nor may what others hold.
#[tokio::test]
async fn what_is_done_or_held_hides_nothing() {
    for (work, done) in [(Work::Text, true), (Work::Text, false), (Work::Correction, true), (Work::Correction, false)] {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path(), &[]).await;
        let text = (work == Work::Correction).then_some("停水");
        for n in 0..=u128::from(CANDIDATES) {
            filed(&store, n, "urgent", &[text, text]).await;
        }
        for _ in 0..=CANDIDATES {
            let leased = store.take_hearing("a", work, now(), later(30)).await.expect("read").expect("due");
            if done && work == Work::Text {
                assert!(store.not_heard(&leased, "no sound", None).await.expect("written"));
            } else if done {
                assert!(store.heard(&leased, transcribed("停水", "m"), now()).await.expect("written"));
            }
        }
        let next = store.take_hearing("b", work, now(), later(30)).await.expect("read");
        assert!(next.is_some(), "{work:?}, done: {done}: half of it is free");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let mut texts = vec![Some("停水"); CANDIDATES as usize + 1];
    texts.push(None);
    filed(&store, 1, "soon", &texts).await;
    assert_eq!(take(&store, "a", now()).await.map(|leased| leased.index), Some(CANDIDATES + 1), "the last one");
}

#[tokio::test]
async fn nobody_hears_a_call_that_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let call = id(1);
    let filing = crate::store::Filing {
        segments: vec![segment(1, 0, None)],
        text_state: crate::ticket::Text::Pending,
        ..crate::store::planted::pending(call)
    };
    store.file(filing, now()).await.expect("filed");
    assert_eq!(take(&store, "a", now()).await, None);
    store.call_ended(call, "bye", now()).await.expect("written");
    assert!(take(&store, "a", now()).await.is_some());
}

#[tokio::test]
async fn who_has_put_it_back_or_failed_brings_no_text_any_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    filed(&store, 1, "soon", &[None]).await;
    let leased = take(&store, "a", now()).await.expect("due");
    assert!(store.put_back_hearing(&leased, later(10)).await.expect("written"));
    assert!(!store.heard(&leased, transcribed("晚了", "m"), now()).await.expect("written"), "it was put back");
    assert!(!store.renew_hearing(&leased, later(60)).await.expect("written"), "it was put back");
    let leased = take(&store, "a", later(10)).await.expect("due");
    assert!(store.not_heard(&leased, "no sound", Some(later(20))).await.expect("written"));
    assert!(!store.heard(&leased, transcribed("晚了", "m"), later(11)).await.expect("written"), "it failed");
    // A second worker has it: not even one of the same utterance under another name may write.
    let second = take(&store, "b", later(20)).await.expect("due");
    assert!(!store.put_back_hearing(&leased, later(21)).await.expect("written"), "it is another's");
    assert!(store.heard(&second, transcribed("停水", "m"), later(22)).await.expect("written"));
}

#[tokio::test]
async fn a_worker_that_starts_again_frees_what_it_held_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    filed(&store, 1, "soon", &[Some("一"), Some("二")]).await;
    let take = async || store.take_hearing("a", Work::Correction, now(), later(30)).await.expect("read").expect("due");
    let heard = take().await;
    assert!(store.heard(&heard, transcribed("一", "m"), now()).await.expect("written"));
    let held = take().await;
    assert_eq!(store.end_leases("b", now()).await.expect("written"), 0, "another's");
    assert_eq!(store.end_leases("a", now()).await.expect("written"), 1, "what was heard stays heard");
    assert_eq!(take().await.index, held.index);
}
