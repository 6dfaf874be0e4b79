//! Comments: recorded during the callback, understood after it. Their files lie under `callbacks/` in the state folder, as
//! the log names them.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::asr::{Job, Priority};
use crate::call::Desk;
use crate::casework::callback::WHO;
use crate::ticket::Number;
use crate::ticket::case::{By, Event};

/// How long a comment may wait for the recogniser: calls come first.
const PATIENCE: Duration = Duration::from_secs(600);
/// Comments of so long ago are still understood after a restart.
const LEFT: jiff::SignedDuration = jiff::SignedDuration::from_hours(48);
const PAGE: u32 = 500;

/// Where they lie.
pub fn folder(desk: &Desk) -> PathBuf {
    desk.recordings.with_file_name("callbacks")
}

/// Understands the comment of a case, if it has one without a text. Without a model it stays a recording.
/// A daemon that stops leaves it to the next start.
pub async fn understand(desk: &Desk, number: Number) {
    tokio::select! {
        () = hear(desk, number) => {}
        () = desk.ending.cancelled() => {}
    }
}

async fn hear(desk: &Desk, number: Number) {
    let Ok(Some(case)) = desk.store.case(number).await else { return };
    let waiting =
        case.survey.as_ref().and_then(|survey| survey.comment.as_ref()).filter(|comment| comment.text.is_none());
    let Some(comment) = waiting.filter(|_| desk.asr.has_model()) else { return };
    let mut texts = Vec::new();
    for name in comment.recording.split(' ') {
        let job = Job::new(folder(desk).join(name), Instant::now() + PATIENCE, Priority::Background);
        match desk.asr.submit(job).await {
            Ok(transcript) => texts.push(transcript.text),
            Err(unheard) => return tracing::info!(ticket = %number, %unheard, "a comment stays a recording"),
        }
    }
    let event = Event::Commented { attempt: case.attempts, text: texts.concat() };
    if let Err(error) = desk.store.case_happens(number, By::rule(WHO), event, Timestamp::now()).await {
        tracing::error!(ticket = %number, %error, "the text of a comment could not be written");
    }
}

/// The comments that the last run did not come to.
pub async fn understand_left(desk: &Desk) {
    if !desk.asr.has_model() {
        return;
    }
    let now = Timestamp::now();
    let from = now.saturating_sub(LEFT).unwrap_or(Timestamp::MIN);
    let mut after = None;
    while let Ok(page) = desk.store.case_entries(from, now, after, PAGE).await {
        let Some((number, entry)) = page.last() else { return };
        after = Some((*number, entry.seq));
        for (number, entry) in page {
            if matches!(&entry.event, Event::CalledBack { survey, .. } if survey.comment.is_some()) {
                understand(desk, number).await;
            }
        }
    }
}
