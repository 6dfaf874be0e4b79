use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::*;

use super::planted::{Fault, at, open};
use super::*;
use crate::id::CallId;
use crate::ticket::{Event, How, Number, State, Text, case};

fn id(n: u128) -> CallId {
    CallId::new(at("2026-11-24T01:02:03Z").as_millisecond(), n)
}

fn call(n: u128) -> CallRow {
    CallRow {
        id: id(n),
        line: "12345".into(),
        caller: Some(format!("1380000{n:04}")),
        display: Some("\u{1b}[2J邻居".into()),
        trunk: "local".into(),
        user_to_user: Some("48656c6c6f;encoding=hex".into()),
        version: Some("0a1b2c3d4e5f".into()),
        began: at("2026-11-24T01:02:03Z"),
        answered: at("2026-11-24T01:02:04Z"),
    }
}

fn segment(n: u128, index: u32, text: Option<&str>) -> SegmentRow {
    SegmentRow {
        call: id(n),
        index,
        file: PathBuf::from(format!("recordings/{n}/{index:03}.wav")),
        duration: Duration::from_millis(4_210),
        speech: Duration::from_millis(3_000),
        text: text.map(str::to_owned),
        error: None,
    }
}

fn filing(n: u128, segments: Vec<SegmentRow>) -> Filing {
    let pending = segments.iter().any(|s| s.text.is_none());
    Filing {
        call: id(n),
        line: "12345".into(),
        caller: call(n).caller,
        began: call(n).began,
        keys: "2#".into(),
        how: How::Confirmed,
        text: segments.iter().find_map(|s| s.text.clone()),
        segments,
        text_state: if pending { Text::Pending } else { Text::Whole },
        meaning: Meaning {
            kind: "投诉".into(),
            category: ["甲".into(), "乙".into(), "丙".into()],
            confidence: 0.7,
            urgency: "soon".into(),
            unit: Some("某街道".into()),
            place: Some(Place {
                code: "1".into(), name: "某街道".into(), district: "某区".into(), confidence: 0.9
            }),
            evidence: serde_json::json!([{"field": "place", "words": []}]),
            title: "某街道漏水".into(),
            facts: serde_json::json!([{"fact": "object", "text": "漏水", "start": 3, "end": 5, "sure": true}]),
        },
        hints: serde_json::json!({"topic": "水"}),
        dispatch: None,
    }
}

fn now() -> Timestamp {
    at("2026-11-24T16:30:00Z") // the 25th in Beijing
}

#[tokio::test]
async fn a_ticket_comes_back_as_it_was_filed() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &["log", "city"]).await;
    store.call_began(call(1)).await.expect("written");
    store.keys(id(1), "2").await.expect("written");
    store.segment(segment(1, 0, None)).await.expect("written");
    store.segment_text(id(1), 0, "楼道灯坏了").await.expect("written");
    let filed = store.file(filing(1, vec![segment(1, 0, Some("楼道灯坏了"))]), now()).await.expect("filed");
    assert_eq!((filed.number.day().to_string().as_str(), filed.number.serial()), ("2026-11-25", 1));
    let ticket = store.ticket(filed.number).await.expect("read").expect("there");
    assert_eq!(ticket.call, id(1));
    assert_eq!(ticket.category, ["甲", "乙", "丙"]);
    assert_eq!((ticket.state, ticket.text_state, ticket.text_pending), (State::Received, Text::Whole, false));
    assert_eq!(ticket.recordings.len(), 1, "the segment is not doubled");
    assert_eq!(ticket.recordings[0].file, folder.path().join("recordings/1/000.wav"));
    let json = serde_json::to_value(&ticket).expect("JSON");
    assert_eq!(json["number"], filed.number.to_string());
    assert_eq!(json["type"], "投诉");
    assert_eq!(json["confidence"].to_string(), "0.7");
    assert_eq!(json["opened"], "2026-11-24T16:30:00Z");
    assert_eq!(json["recordings"][0]["duration_s"], 4.21);
    assert_eq!(store.last_ticket_of("13800000001").await.expect("read"), Some(ticket.clone()));
    assert_eq!(store.last_ticket_of("").await.expect("read"), None);
    assert_eq!(store.tickets(None, 10).await.expect("read"), [ticket]);
    assert_eq!(store.tickets(Some(filed.number), 10).await.expect("read"), []);
    let outbox = store.outbox(false, 0, 10).await.expect("read");
    let rows: Vec<_> = outbox.iter().map(|row| (row.backend.as_str(), row.event.as_str())).collect();
    assert_eq!(rows, [("log", "created"), ("city", "created")]);
    let payload: serde_json::Value = serde_json::from_str(&outbox[0].payload).expect("JSON");
    assert_eq!((&payload["ticket"], &payload["key"]), (&json, &serde_json::json!(format!("{}-1", filed.number))));
    assert!(store.unsettled_calls(10).await.expect("read").is_empty());
}

#[tokio::test]
async fn filing_again_gives_the_first_number() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &["log"]).await;
    // Not even the call's row is there: the ticket does not depend on it.
    let first = store.file(filing(1, vec![]), now()).await.expect("filed");
    let again = store.file(filing(1, vec![segment(1, 0, None)]), now()).await.expect("filed");
    assert_eq!((again.number, first.fresh, again.fresh), (first.number, true, false));
    store.clone().close().await;
    assert_eq!(store.file(filing(2, vec![]), now()).await, Err(Error::Closed));
    let store = open(folder.path(), &["log"]).await;
    assert_eq!(store.file(filing(1, vec![]), now()).await.expect("filed").number, first.number);
    assert_eq!(store.file(filing(2, vec![]), now()).await.expect("filed").number.serial(), 2);
    assert_eq!(store.outbox(true, 0, 10).await.expect("read").len(), 2);
}

#[tokio::test]
async fn many_calls_at_once_get_one_number_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &["log"]).await;
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..300 {
        let store = store.clone();
        calls.spawn(async move {
            store.call_began(call(n)).await?;
            store.segment(segment(n, 0, Some("x"))).await?;
            // The answer of the first try is lost.
            store.file(filing(n, vec![segment(n, 0, Some("x"))]), now()).await?;
            store.file(filing(n, vec![segment(n, 0, Some("x"))]), now()).await
        });
    }
    let results = calls.join_all().await;
    let mut serials: Vec<u32> = results.into_iter().map(|r| r.expect("filed").number.serial()).collect();
    serials.sort_unstable();
    assert_eq!(serials, (1..=300).collect::<Vec<_>>());
}

/// DESIGN: fail the n-th write for n = 0..: none lost, none sent twice.
#[tokio::test]
async fn whichever_write_fails_nothing_is_lost_or_doubled() {
    for fault in [Fault::Statement, Fault::Transaction] {
        let mut n = 0;
        loop {
            let folder = tempfile::tempdir().expect("a folder");
            let store = open(folder.path(), &["log", "city"]).await;
            store.fail_after(n, fault).await;
            let said = vec![segment(1, 0, Some("一")), segment(1, 1, None)];
            let began = store.call_began(call(1)).await;
            let keyed = store.keys(id(1), "7").await;
            let sealed = store.segment(segment(1, 0, None)).await;
            let read = store.segment_text(id(1), 0, "一").await;
            let filed = store.file(filing(1, said.clone()), now()).await;
            let ended = store.call_ended(id(1), "bye", now()).await;
            let results = [began.is_ok(), keyed.is_ok(), sealed.is_ok(), read.is_ok(), filed.is_ok(), ended.is_ok()];
            store.heal().await;

            let context = format!("write {n}, {fault:?}: {results:?}");
            let tickets = store.tickets(None, 10).await.expect("read");
            assert_eq!(
                tickets.len(),
                usize::from(filed.is_ok()),
                "a ticket without an answer, or the reverse; {context}"
            );
            let again = store.file(filing(1, said), now()).await.expect("filed");
            if let Ok(first) = filed {
                assert_eq!((again.number, again.fresh), (first.number, false), "{context}");
            }
            let tickets = store.tickets(None, 10).await.expect("read");
            assert_eq!(tickets.len(), 1, "{context}");
            assert_eq!(tickets[0].recordings.len(), 2, "{context}");
            assert_eq!(tickets[0].recordings[0].text.as_deref(), Some("一"), "{context}");
            assert_eq!(tickets[0].number.serial(), 1, "no number is used up by a failure; {context}");
            assert_eq!(store.outbox(true, 0, 10).await.expect("read").len(), 2, "{context}");
            assert_eq!(store.history(again.number).await.expect("read").len(), 1, "{context}");
            assert_eq!(store.case_log(again.number).await.expect("read").len(), 1, "{context}");
            let received = store.cases_in(&[case::State::Received], None, 10).await.expect("read");
            assert_eq!(received.len(), 1, "{context}");
            if results == [true; 6] {
                break;
            }
            n += 1;
        }
        assert!(n >= 14, "only {n} writes were failed");
    }
}

#[tokio::test]
async fn a_job_that_spoils_the_commit_fails_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    store
        .plant("CREATE TABLE child (x REFERENCES calls (id) DEFERRABLE INITIALLY DEFERRED)".into())
        .await
        .expect("made");
    let mut jobs = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = store.clone();
        jobs.spawn(async move {
            let spoil = n == 17;
            let done = if spoil {
                store.plant("INSERT INTO child VALUES ('nobody')".into()).await
            } else {
                store.call_began(call(n)).await
            };
            (spoil, done)
        });
    }
    for (spoil, done) in jobs.join_all().await {
        assert_eq!(done.is_err(), spoil, "{done:?}");
    }
    for n in (0..40).filter(|n| *n != 17) {
        assert!(store.call_exists(id(n)).await.expect("read"), "call {n}");
    }
    assert_eq!(store.turns().await, Ok(()));
}

#[tokio::test]
async fn what_is_said_after_the_ticket_becomes_part_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &["log"]).await;
    store.call_began(call(1)).await.expect("written");
    let number = store.file(filing(1, vec![segment(1, 0, Some("一"))]), now()).await.expect("filed").number;
    let mut silence = segment(1, 1, None);
    silence.speech = Duration::from_millis(100);
    store.segment(silence).await.expect("written");
    assert!(!store.ticket(number).await.expect("read").expect("there").text_pending, "silence adds nothing");
    store.segment(segment(1, 2, None)).await.expect("written");
    store.segment(segment(1, 2, None)).await.expect("written");
    assert!(store.ticket(number).await.expect("read").expect("there").text_pending);
    for index in [1, 2] {
        assert!(store.pending(now(), 10).await.expect("read").is_empty(), "{index} is not heard");
        store.segment_text(id(1), index, "二").await.expect("written");
    }
    assert!(store.pending(now(), 10).await.expect("read").is_empty(), "the call goes on");
    store.call_ended(id(1), "bye", now()).await.expect("written");
    let pending = store.pending(now(), 10).await.expect("read");
    assert_eq!((pending.len(), pending[0].number, pending[0].segments.len()), (1, number, 3));
    let meaning = Meaning { urgency: "urgent".into(), ..Meaning::default() };
    assert!(store.text_completed(number, Some("一\n二".into()), meaning.clone(), now()).await.expect("written"));
    assert!(!store.text_completed(number, None, meaning, now()).await.expect("written"), "only once");
    let ticket = store.ticket(number).await.expect("read").expect("there");
    assert_eq!((ticket.text.as_deref(), ticket.urgency.as_str()), (Some("一\n二"), "urgent"));
    let events: Vec<_> = store.history(number).await.expect("read").into_iter().map(|row| row.event.code()).collect();
    assert_eq!(events, ["filed", "more_said", "text_completed"]);
    let outbox = store.outbox(false, 0, 10).await.expect("read");
    assert_eq!(outbox.iter().map(|row| row.event.as_str()).collect::<Vec<_>>(), ["created", "updated"]);
}

#[tokio::test]
async fn history_is_only_added_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    store.file(filing(1, vec![]), now()).await.expect("filed");
    for sql in ["UPDATE ticket_events SET at = 0", "DELETE FROM ticket_events"] {
        let error = store.plant(sql.into()).await.expect_err("refused");
        assert!(error.to_string().contains("only added to"), "{error}");
    }
}

#[tokio::test]
async fn one_row_of_a_ticket_at_a_time_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &["log"]).await;
    store.call_began(call(1)).await.expect("written");
    let number = store.file(filing(1, vec![segment(1, 0, None)]), now()).await.expect("filed").number;
    store.text_completed(number, None, Meaning::default(), now()).await.expect("written");
    let due = store.due("log", now(), 10).await.expect("read");
    assert_eq!(due.iter().map(|row| row.event.as_str()).collect::<Vec<_>>(), ["created"]);
    store.park(due[0].id, "410 Gone", now()).await.expect("written");
    assert!(store.due("log", now(), 10).await.expect("read").is_empty(), "a parked row holds those behind it");
    assert_eq!(store.outbox_depth().await.expect("read"), (1, 1));
    assert_eq!(store.retry(Some(number), now()).await.expect("written"), 1);
    let later = now() + jiff::SignedDuration::from_secs(60);
    store.put_off(due[0].id, later, "503").await.expect("written");
    assert!(store.due("log", now(), 10).await.expect("read").is_empty());
    assert_eq!(store.next_due("log", now()).await.expect("read"), Some(later));
    store.sent(due[0].id, Some("K-7".into()), later).await.expect("written");
    store.sent(due[0].id, Some("K-8".into()), later).await.expect("the first answer counts");
    assert_eq!(store.due("log", later, 10).await.expect("read")[0].event, "updated");
    let ticket = store.ticket(number).await.expect("read").expect("there");
    assert_eq!(ticket.state, State::Sent);
    let history = store.history(number).await.expect("read");
    assert_eq!(history[2].event, Event::Parked { backend: "log".into(), reason: "410 Gone".into() });
    assert_eq!(history[3].event, Event::Sent { backend: "log".into(), reference: Some("K-7".into()) });
    assert_eq!(history.len(), 4);
}

#[tokio::test]
async fn looking_disturbs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let missing = Store::look(&Config::default(), folder.path()).await.expect_err("no store yet");
    assert!(missing.to_string().contains("jiesu serve"), "{missing}");
    let store = open(folder.path(), &[]).await;
    let number = store.file(filing(1, vec![]), now()).await.expect("filed").number;
    let look = Store::look(&Config::default(), folder.path()).await.expect("opened");
    assert!(look.ticket(number).await.expect("read").is_some());
    assert!(look.call_ended(id(1), "bye", now()).await.is_err());
    store.plant("INSERT INTO _sqlx_migrations SELECT 29990101000000, description, installed_on, success, checksum, execution_time FROM _sqlx_migrations LIMIT 1".into()).await.expect("planted");
    store.close().await;
    let newer = Store::look(&Config::default(), folder.path()).await.expect_err("newer");
    assert!(matches!(newer, Error::Newer { version: 29990101000000, .. }), "{newer}");
    let newer = Store::open(&Config::default(), folder.path(), &TimeZone::UTC, &[]).await.expect_err("newer");
    assert!(matches!(newer, Error::Newer { .. }), "{newer}");
}

#[tokio::test]
async fn what_is_no_database_is_said_to_be_damaged() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("jiesu.db"), vec![b'x'; 8192]).expect("written");
    let error = Store::open(&Config::default(), folder.path(), &TimeZone::UTC, &[]).await.expect_err("refused");
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("backup"), "{error}");
}

#[tokio::test]
async fn a_lock_held_by_another_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config { busy: Duration::from_millis(20), ballast: 0, ..Config::default() };
    let store = Store::open(&config, folder.path(), &TimeZone::UTC, &[]).await.expect("opened");
    let other = writing(&config, &folder.path().join("jiesu.db"));
    let mut other = other.connect().await.expect("opened");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("locked");
    let begun = std::time::Instant::now();
    let mut jobs = tokio::task::JoinSet::new();
    for n in 0..200 {
        let store = store.clone();
        jobs.spawn(async move { store.call_began(call(n)).await });
    }
    for result in jobs.join_all().await {
        let error = result.expect_err("locked out");
        assert!(matches!(error, Error::Locked(_)) && error.passes(), "{error}");
    }
    // 200 waits one after the other would be 4 s.
    assert!(begun.elapsed() < Duration::from_secs(2), "they waited for one another: {:?}", begun.elapsed());
    sqlx::query("COMMIT").execute(&mut other).await.expect("unlocked");
    store.call_began(call(1)).await.expect("the writer goes on");
}

/// `synchronous` 2 is FULL: each commit is synced.
#[tokio::test]
async fn the_writer_syncs_each_commit() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut db = writing(&Config::default(), &folder.path().join("x.db")).connect().await.expect("opened");
    for (pragma, value) in [("synchronous", "2"), ("journal_mode", "wal"), ("foreign_keys", "1")] {
        let sql = sqlx::AssertSqlSafe(format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"));
        let found = sqlx::query_scalar::<_, String>(sql).fetch_one(&mut db).await.expect("read");
        assert_eq!(found, value, "{pragma}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Any words at all come back as they were said.
    #[test]
    fn any_text_is_kept(text in "\\PC{0,40}", keys in "[0-9*#]{0,12}") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let store = open(folder.path(), &["log"]).await;
            let mut filing = filing(1, vec![segment(1, 0, Some(&text))]);
            filing.keys = keys.clone();
            let number = store.file(filing, now()).await.expect("filed").number;
            let ticket = store.ticket(number).await.expect("read").expect("there");
            prop_assert_eq!(ticket.text.as_deref(), Some(text.as_str()));
            prop_assert_eq!(&ticket.keys, &keys);
            prop_assert_eq!(ticket.recordings[0].text.as_deref(), Some(text.as_str()));
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_ticket_that_is_filed_again_is_raised_and_never_lowered() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &["log"]).await;
    store.call_began(call(1)).await.expect("written");
    let filed = store.file(filing(1, vec![segment(1, 0, Some("楼道灯坏了"))]), now()).await.expect("filed");
    let mut urgent = filing(1, vec![segment(1, 0, Some("楼道灯坏了")), segment(1, 1, Some("着火了"))]);
    urgent.text = Some("楼道灯坏了\n着火了".into());
    urgent.meaning.urgency = "urgent".into();
    urgent.hints = serde_json::json!({"topic": "火灾", "urgency": "urgent"});
    let again = store.file(urgent.clone(), now()).await.expect("filed");
    assert_eq!((again.number, again.fresh), (filed.number, false));
    let ticket = store.ticket(filed.number).await.expect("read").expect("there");
    assert_eq!((ticket.urgency.as_str(), ticket.text.as_deref()), ("urgent", Some("楼道灯坏了\n着火了")));
    assert_eq!(ticket.recordings.len(), 2);
    let events = async || store.history(filed.number).await.expect("read").into_iter().map(|row| row.event);
    let raised = Event::Raised { urgency: "urgent".into() };
    assert_eq!(events().await.next_back(), Some(raised));
    // Neither the same again nor something milder changes anything.
    let before = events().await.count();
    store.file(urgent, now()).await.expect("filed");
    store.file(filing(1, Vec::new()), now()).await.expect("filed");
    assert_eq!(events().await.count(), before);
    let ticket = store.ticket(filed.number).await.expect("read").expect("there");
    assert_eq!(ticket.urgency, "urgent");
}

#[tokio::test]
async fn of_unanswered_questions_the_newest_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    for n in 0..12 {
        store.unanswered(id(n), &format!("问{n}{}", "很长".repeat(200)), now()).await.expect("written");
    }
    let newest = store.questions(3).await.expect("read");
    assert_eq!(
        newest.iter().map(|row| &row.call).collect::<Vec<_>>(),
        [&id(11).to_string(), &id(10).to_string(), &id(9).to_string()]
    );
    assert!(newest.iter().all(|row| row.question.chars().count() == 200 && row.at == now()));
}

#[tokio::test]
async fn what_people_correct_is_kept_and_the_last_word_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let now = at("2026-11-24T02:00:00Z");
    let mut numbers = Vec::new();
    for n in [1, 2] {
        store.call_began(call(n)).await.expect("written");
        let filed = store.file(filing(n, vec![segment(n, 0, Some("路灯不亮"))]), now).await.expect("filed");
        numbers.push(filed.number);
    }
    let of = |ticket, category: Option<&str>, kind: Option<&str>| Correction {
        ticket,
        at: now,
        author: "someone".into(),
        category: category.map(str::to_owned),
        kind: kind.map(str::to_owned),
        urgency: None,
    };
    for correction in [of(numbers[0], Some("一/二/三"), Some("投诉")), of(numbers[0], Some("四/五/六"), None)] {
        assert!(store.correct(correction).await.expect("kept"));
    }
    let nobody = Number::new(jiff::civil::date(2020, 1, 1), 7).expect("a number");
    assert!(!store.correct(of(nobody, None, Some("投诉"))).await.expect("it answers"));
    let text = "路灯不亮".to_owned();
    let one = Corrected { text, category: Some("四/五/六".into()), kind: Some("投诉".into()), urgency: None };
    assert_eq!(store.corrected().await.expect("read"), [one], "the other ticket was right");
    store.close().await;
}
