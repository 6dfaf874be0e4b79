//! What was overheard and could not wait: an emergency is filed, everything else is gone, whatever fails between.

use super::*;
use crate::call::left::{self as names, Left};
use crate::intake::task::left::{Tries, pass};
use crate::ivr::Rules;
use crate::written::{Faults, Source};

const RULES: &str = r#"
[[rule]]
name = "fire"
words = ["着火了"]
say = "leave"
go = "ask"
topic = "火灾"
"#;

const LISTEN: u32 = 1_048_577;

async fn watching(folder: &Path, answers: Vec<Result<String, NotHeard>>) -> Intake {
    let faults = Faults::default();
    let rules = Arc::new(Rules::read(&Source::new("emergency.toml", RULES), &faults));
    assert!(faults.is_empty(), "{faults}");
    let guide = move || Guide { emergencies: rules.clone(), ..guide() };
    Intake { guide: Arc::new(guide), ..intake(folder, answers).await }
}

/// A call that is over, with one recording left behind.
async fn left(intake: &Intake, n: u128, spoken: &str) -> PathBuf {
    intake.store.call_began(call(n)).await.expect("written");
    intake.store.call_ended(id(n), "caller", started()).await.expect("written");
    let from = killed_recording(intake, id(n), &names::overheard(LISTEN));
    let left = Left { call: id(n), listen: LISTEN };
    std::fs::create_dir_all(names::folder(&intake.recordings)).expect("made");
    std::fs::rename(from, left.recording(&intake.recordings)).expect("moved");
    if !spoken.is_empty() {
        std::fs::write(left.spoken(&intake.recordings), spoken).expect("written");
    }
    left.recording(&intake.recordings)
}

/// Files anywhere under the recordings.
fn files(intake: &Intake) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![intake.recordings.clone()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.file_name().expect("a name").to_string_lossy().into_owned());
            }
        }
    }
    found
}

#[tokio::test]
async fn an_emergency_becomes_an_urgent_ticket_and_nothing_else_is_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let said = ["我家着火了", "喂，你好", "着火了"].map(|text| Ok(text.to_owned()));
    let intake = watching(folder.path(), said.into()).await;
    left(&intake, 1, "").await;
    left(&intake, 2, "").await;
    // The machine was saying so itself.
    left(&intake, 3, "如果着火了，请离开").await;
    pass(&intake, true, &mut Tries::new()).await.expect("heard");
    let tickets = tickets(&intake).await;
    assert_eq!(tickets.len(), 1, "{tickets:#?}");
    let ticket = &tickets[0];
    assert_eq!((ticket.call, ticket.urgency.as_str(), ticket.how), (id(1), "urgent", How::HungUp));
    assert_eq!((ticket.text.as_deref(), ticket.text_pending), (Some("我家着火了"), false));
    assert_eq!(files(&intake), [names::overheard(LISTEN)], "the emergency's alone");
    assert!(ticket.recordings[0].file.is_file(), "where the ticket says");
}

#[tokio::test]
async fn the_ticket_of_the_call_is_raised() {
    let folder = tempfile::tempdir().expect("a folder");
    let intake = watching(folder.path(), vec![Ok("着火了".into())]).await;
    let number = pending(&intake).await;
    let file = killed_recording(&intake, id(1), "x.wav");
    std::fs::create_dir_all(names::folder(&intake.recordings)).expect("made");
    std::fs::rename(file, Left { call: id(1), listen: LISTEN }.recording(&intake.recordings)).expect("moved");
    pass(&intake, true, &mut Tries::new()).await.expect("heard");
    let ticket = intake.store.ticket(number).await.expect("read").expect("there");
    assert_eq!((ticket.urgency.as_str(), ticket.recordings.len()), ("urgent", 3), "{ticket:#?}");
    assert_eq!(tickets(&intake).await.len(), 1);
}

#[tokio::test]
async fn it_waits_for_the_calls_end_and_for_a_recogniser_and_is_given_up_at_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut answers = vec![Err(NotHeard::Later("no model".into()))];
    answers.extend((0..recovery::TRIES).map(|_| Err(NotHeard::Failed("no sound".into()))));
    let intake = watching(folder.path(), answers).await;
    let file = left(&intake, 1, "").await;
    let running = Left { call: id(2), listen: LISTEN }.recording(&intake.recordings);
    intake.store.call_began(call(2)).await.expect("written");
    std::fs::copy(&file, &running).expect("copied");
    let mut tries = Tries::new();
    pass(&intake, false, &mut tries).await.expect("nothing to hear with");
    pass(&intake, true, &mut tries).await.expect("put off");
    for _ in 0..recovery::TRIES {
        assert!(file.exists());
        pass(&intake, true, &mut tries).await.expect("tried");
    }
    assert!(!file.exists() && running.exists(), "{:?}", files(&intake));
}

#[tokio::test]
async fn after_a_crash_it_is_found_in_the_calls_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let intake = watching(folder.path(), vec![Ok("着火了".into()), Ok("着火了".into())]).await;
    // One with its row, one of which not even that is left, one that a row names already.
    for n in [1, 3] {
        intake.store.call_began(call(n)).await.expect("written");
    }
    let mut kept = PathBuf::new();
    for n in 1..=3 {
        kept = killed_recording(&intake, id(n), &names::overheard(LISTEN));
    }
    let row = SegmentRow { file: kept, text: Some("着火了".into()), ..segment(3, 0, 900) };
    intake.store.segment(row).await.expect("written");
    recover(&intake, started()).await;
    assert_eq!(tickets(&intake).await.iter().map(|ticket| ticket.call).collect::<Vec<_>>(), [id(3)]);
    pass(&intake, true, &mut Tries::new()).await.expect("heard");
    let mut filed: Vec<(CallId, String)> =
        tickets(&intake).await.iter().map(|ticket| (ticket.call, ticket.urgency.clone())).collect();
    filed.sort();
    assert_eq!(filed.iter().map(|(call, _)| *call).collect::<Vec<_>>(), [id(1), id(2), id(3)]);
    assert!(filed[..2].iter().all(|(_, urgency)| urgency == "urgent"), "{filed:?}");
    assert_eq!(files(&intake).len(), 3, "{:?}", files(&intake));
}

/// Fail the n-th write for n = 0..: the ticket comes once, and nothing is left lying.
#[tokio::test]
async fn whichever_write_fails_the_next_pass_makes_it_good() {
    for n in 0.. {
        let folder = tempfile::tempdir().expect("a folder");
        let intake = watching(folder.path(), vec![Ok("着火了".into()), Ok("着火了".into())]).await;
        left(&intake, 1, "").await;
        intake.store.fail_after(n, Fault::Statement).await;
        let whole = pass(&intake, true, &mut Tries::new()).await.is_ok();
        intake.store.heal().await;
        pass(&intake, true, &mut Tries::new()).await.expect("healed");
        let tickets = tickets(&intake).await;
        assert_eq!(tickets.len(), 1, "write {n}");
        assert_eq!((tickets[0].urgency.as_str(), tickets[0].recordings.len()), ("urgent", 1), "write {n}");
        assert_eq!(files(&intake), [names::overheard(LISTEN)], "write {n}");
        if whole {
            assert!(n > 4, "only {n} writes were failed");
            break;
        }
    }
}
