//! What was overheard and left behind by a call that could not wait for its text: heard here, and an emergency becomes
//! an urgent ticket. Everything else is deleted, as the call itself does it.
//!
//! A recording stays in `left/` until it is in a ticket or known to be none: broken off anywhere, the next look goes on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::call::left::{self, Left};
use crate::filing;
use crate::id::CallId;
use crate::intake::{NotHeard, recovery};
use crate::ivr::Hints;
use crate::store::{Error, Past, SegmentRow, Unsettled};

use super::{Intake, disk};

/// How often they are looked for: somebody may be in danger.
const LOOK: Duration = Duration::from_secs(2);
/// Recordings that may wait; beyond, the oldest are given up.
const MOST: usize = 2000;

/// Failures to hear, by recording.
pub(super) type Tries = HashMap<Left, u32>;

pub(super) async fn for_ever(intake: &Intake) {
    let mut tries = Tries::new();
    loop {
        // Without a recogniser nothing is heard, but what waits is still bounded.
        let ready = tokio::time::timeout(LOOK, intake.hearing.ready()).await.is_ok();
        if let Err(error) = pass(intake, ready, &mut tries).await {
            tracing::error!(%error, "what was overheard cannot be filed now");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Takes what lies there through; `ready`: there is something to hear with.
pub(super) async fn pass(intake: &Intake, ready: bool, tries: &mut Tries) -> Result<(), Error> {
    let mut waiting = disk::left(left::folder(&intake.recordings)).await;
    let many = waiting.len().saturating_sub(MOST);
    for left in waiting.drain(..many) {
        give_up(intake, left, "too many wait").await;
    }
    tries.retain(|left, _| waiting.contains(left));
    if !ready {
        return Ok(());
    }
    for left in waiting {
        // A call that goes on numbers its own utterances.
        let Some(past) = intake.store.past_call(left.call).await? else { continue };
        match hear(intake, left).await {
            Ok(None) => done(intake, left, "harmless").await,
            Ok(Some(found)) => {
                if file(intake, left, past, found).await? {
                    done(intake, left, "emergency").await;
                }
            }
            Err(NotHeard::Later(reason)) => {
                tracing::debug!(call = %left.call, reason, "hearing is put off");
                return Ok(());
            }
            Err(NotHeard::Failed(reason) | NotHeard::Unreadable(reason)) => {
                let failed = tries.entry(left).or_default();
                *failed += 1;
                if *failed >= recovery::TRIES {
                    give_up(intake, left, &reason).await;
                }
            }
        }
    }
    Ok(())
}

/// An emergency that was overheard.
struct Found {
    rule: String,
    /// Those of the rule that were said.
    words: String,
    hints: Hints,
    text: String,
    duration: Duration,
    speech: Duration,
}

/// What was said, where it is an emergency.
async fn hear(intake: &Intake, left: Left) -> Result<Option<Found>, NotHeard> {
    let file = left.recording(&intake.recordings);
    // After a crash its header has to be mended first.
    let Some((duration, speech)) = disk::measured(file.clone()).await.map_err(NotHeard::Failed)? else {
        return Ok(None);
    };
    let text = intake.hearing.hear(&file).await?.text;
    let spoken = disk::text(left.spoken(&intake.recordings)).await;
    let rules = (intake.guide)().emergencies;
    let found = rules.look_beside(&text, &spoken).and_then(|alarm| {
        let rule = rules.get(alarm.rule)?;
        let (rule, hints) = (rule.name.value.clone(), rule.hints.value.clone());
        Some(Found { rule, words: alarm.words.join(" "), hints, text, duration, speech })
    });
    Ok(found)
}

/// Makes it part of the call's ticket, or the ticket of a call that had none. Each step may be done twice. `false`: the
/// disk did not let it.
async fn file(intake: &Intake, left: Left, past: Past, found: Found) -> Result<bool, Error> {
    let Past { call, keys, mut segments, hints, .. } = past;
    let day = call.began.to_zoned_datetime(intake.store.zone().clone()).date();
    let kept = disk::folder(&intake.recordings, day).join(call.id.to_string()).join(left::overheard(left.listen));
    if let Err(error) = disk::keep(left.recording(&intake.recordings), kept.clone()).await {
        tracing::error!(call = %call.id, error, "what was overheard is tried again");
        return Ok(false);
    }
    let known = segments.iter().any(|row| intake.store.same_file(row, &kept));
    if !known {
        let row = SegmentRow {
            call: call.id,
            index: segments.iter().map(|row| row.index + 1).max().unwrap_or(0),
            file: kept,
            duration: found.duration,
            speech: found.speech,
            text: Some(found.text.clone()),
            error: None,
        };
        intake.store.segment(row.clone()).await?;
        segments.push(row);
    }
    let before = hints.as_ref().map(filing::read_hint).unwrap_or_default();
    let guide = (intake.guide)();
    let topic = before.topic.clone().or_else(|| guide.topics.get(&call.line).cloned());
    let mut hints = Hints { topic, ..recovery::hints(&before) };
    hints.add(&found.hints);
    let matter = recovery::emergency(&Unsettled { call, keys, segments }, hints);
    let filed = filing::file(&intake.store, &guide.catalogue, &guide.places, &matter, Timestamp::now()).await;
    let filed = filed.map_err(|filing::FilingError::Store(error)| error)?;
    let Found { rule, words, .. } = found;
    metrics::counter!("jiesu_emergencies_total", "rule" => rule.clone()).increment(1);
    tracing::warn!(call = %left.call, rule, words, ticket = %filed.number, "emergency, understood after the call");
    intake.outbox.notify_one();
    Ok(true)
}

async fn done(intake: &Intake, left: Left, result: &'static str) {
    metrics::counter!("jiesu_overheard_total", "result" => result).increment(1);
    disk::forget([left.recording(&intake.recordings), left.spoken(&intake.recordings)]).await;
}

async fn give_up(intake: &Intake, left: Left, reason: &str) {
    tracing::error!(call = %left.call, reason, "what was overheard is given up");
    done(intake, left, "given_up").await;
}

/// Overheard recordings in a call's folder that no row names: the call was cut off before it knew what they are.
pub(super) async fn hand_over(intake: &Intake, segments: &[SegmentRow], folder: &Path, call: CallId) {
    let known = |file: &PathBuf| segments.iter().any(|row| intake.store.same_file(row, file));
    for (listen, file) in disk::overheard(folder.to_owned()).await {
        if known(&file) {
            continue;
        }
        let to = Left { call, listen }.recording(&intake.recordings);
        match disk::carry(file, to).await {
            Ok(()) => tracing::info!(%call, listen, "what was overheard before the crash is heard now"),
            Err(error) => tracing::error!(%call, listen, error, "what was overheard waits for the next start"),
        }
    }
}

/// After a start: whatever calls of before `started` left in their folders.
pub(super) async fn gather(intake: &Intake, started: Timestamp, days: [jiff::civil::Date; 2]) {
    for day in days {
        for (call, folder) in disk::calls(disk::folder(&intake.recordings, day)).await {
            if call.millis() >= started.as_millisecond() || disk::overheard(folder.clone()).await.is_empty() {
                continue;
            }
            match intake.store.past_call(call).await {
                Ok(Some(past)) => hand_over(intake, &past.segments, &folder, call).await,
                Ok(None) => {
                    tracing::error!(%call, "what was overheard in a call without a row waits for the next start")
                }
                Err(error) => tracing::error!(%call, %error, "what was overheard waits for the next start"),
            }
        }
    }
    disk::stray(left::folder(&intake.recordings), started.as_millisecond()).await;
}
