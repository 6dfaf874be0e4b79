//! Texts that were not there in time: heard in the background, one ticket after the other.

use std::time::Duration;

use jiff::Timestamp;

use crate::filing;
use crate::intake::{NotHeard, recovery};
use crate::store::{Error, Pending};

use super::Intake;

/// Tickets taken from the store at a time.
const BATCH: u32 = 20;
/// How often pending tickets are looked for.
const LOOK: Duration = Duration::from_secs(5);

pub(super) async fn for_ever(intake: &Intake) {
    loop {
        intake.hearing.ready().await;
        match pass(intake, Timestamp::now()).await {
            Ok(Pass::More) => {}
            Ok(Pass::Done) => tokio::time::sleep(LOOK).await,
            Err(error) => {
                tracing::error!(%error, "pending texts cannot be completed now");
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}

/// What is left after a pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pass {
    More,
    /// Nothing that could be done now.
    Done,
}

/// Takes a batch of pending tickets through.
pub(super) async fn pass(intake: &Intake, now: Timestamp) -> Result<Pass, Error> {
    let tickets = intake.store.pending(now, BATCH).await?;
    let full = tickets.len() == BATCH as usize;
    for ticket in tickets {
        if !complete(intake, &ticket, now).await? {
            return Ok(Pass::Done);
        }
    }
    Ok(if full { Pass::More } else { Pass::Done })
}

/// `false`: there is nothing to hear with now.
async fn complete(intake: &Intake, ticket: &Pending, now: Timestamp) -> Result<bool, Error> {
    let mut texts: Vec<Option<String>> = Vec::new();
    let mut failed = None;
    for segment in &ticket.segments {
        if segment.text.is_some() {
            texts.push(segment.text.clone());
            continue;
        }
        match intake.hearing.hear(&segment.file).await {
            Ok(text) => {
                // Kept at once: a restart does not hear it again.
                intake.store.segment_text(ticket.call, segment.index, &text).await?;
                texts.push(Some(text));
            }
            Err(NotHeard::Later(reason)) => {
                tracing::debug!(ticket = %ticket.number, reason, "hearing is put off");
                return Ok(false);
            }
            Err(NotHeard::Failed(reason)) => failed = Some(format!("{}: {reason}", segment.file.display())),
        }
    }
    let text = filing::whole(texts.iter().flatten().map(String::as_str));
    let hint = filing::read_hint(&ticket.hints);
    let guide = (intake.guide)();
    let meaning = filing::meaning(&guide.catalogue, &guide.places, text.as_deref().unwrap_or_default(), &hint);
    let tries = ticket.tries + 1;
    let (result, told) = match failed {
        None => ("completed", intake.store.text_completed(ticket.number, text, meaning, now).await?),
        Some(reason) => match recovery::hear_again(tries) {
            Some(wait) => {
                tracing::warn!(ticket = %ticket.number, tries, reason, "a recording could not be heard; tried again");
                let due = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
                intake.store.hearing_failed(ticket.number, due).await?;
                ("failed", false)
            }
            None => {
                tracing::error!(ticket = %ticket.number, tries, reason, "a recording is left to people");
                let why = (tries, reason.as_str());
                ("given_up", intake.store.text_given_up(ticket.number, why, text, meaning, now).await?)
            }
        },
    };
    metrics::counter!("jiesu_texts_total", "result" => result).increment(1);
    if told {
        tracing::info!(ticket = %ticket.number, result, "pending text");
        intake.outbox.notify_one();
    }
    Ok(true)
}
