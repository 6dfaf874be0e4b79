//! Texts that came after the call: put into the ticket, which is understood again, and the backends are told.
//!
//! Who hears them is `hear`'s matter, here or in another process; this looks at what they left in the store.

use std::time::Duration;

use jiff::Timestamp;

use crate::filing;
use crate::intake::recovery;
use crate::store::{Error, Meaning, Pending, Reheard};

use super::Intake;

/// Tickets taken from the store at a time.
const BATCH: u32 = 20;
/// How often is looked for texts that another process heard; our own are told at once.
const LOOK: Duration = Duration::from_secs(2);

pub(super) async fn for_ever(intake: &Intake) {
    loop {
        let more = match pass(intake, Timestamp::now()).await {
            Ok(Pass::More) => true,
            Ok(Pass::Done) => false,
            Err(error) => {
                tracing::error!(%error, "pending texts cannot be completed now");
                false
            }
        };
        if !more {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = intake.heard.notified() => {}
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

/// Takes a batch of tickets through.
pub(super) async fn pass(intake: &Intake, now: Timestamp) -> Result<Pass, Error> {
    let pending = intake.store.pending(now, BATCH).await?;
    let mut full = pending.len() == BATCH as usize;
    for ticket in pending {
        complete(intake, &ticket, now).await?;
    }
    if intake.corrections.is_some() {
        let reheard = intake.store.reheard(now, BATCH).await?;
        full |= reheard.len() == BATCH as usize;
        for ticket in reheard {
            correct(intake, &ticket, now).await?;
        }
    }
    Ok(if full { Pass::More } else { Pass::Done })
}

async fn complete(intake: &Intake, ticket: &Pending, now: Timestamp) -> Result<(), Error> {
    let (text, meaning) = understood(intake, ticket.segments.iter().map(|s| s.text.as_deref()), &ticket.hints);
    let (result, told) = match &ticket.given_up {
        None => ("completed", intake.store.text_completed(ticket.number, text, meaning, now).await?),
        Some((tries, reason)) => {
            let why = (*tries, reason.as_str());
            ("given_up", intake.store.text_given_up(ticket.number, why, text, meaning, now).await?)
        }
    };
    done(intake, ticket.number, result, told);
    Ok(())
}

async fn correct(intake: &Intake, ticket: &Reheard, now: Timestamp) -> Result<(), Error> {
    let mut segments = ticket.segments.clone();
    let mut changes = Vec::new();
    for (index, heard) in &ticket.heard {
        let Some(segment) = segments.iter_mut().find(|segment| segment.index == *index) else { continue };
        if recovery::better(segment.text.as_deref().unwrap_or_default(), &heard.text) {
            segment.text = Some(heard.text.clone());
            changes.push((*index, heard.clone()));
        }
    }
    let said = understood(intake, segments.iter().map(|s| s.text.as_deref()), &ticket.hints);
    let changed = !changes.is_empty();
    let told = intake.store.text_corrected(ticket, changes, said, now).await?;
    done(intake, ticket.number, if changed { "corrected" } else { "confirmed" }, told && changed);
    Ok(())
}

/// All of the texts, and what they mean by what stands in the configuration now.
fn understood<'a>(
    intake: &Intake,
    texts: impl Iterator<Item = Option<&'a str>>,
    hints: &serde_json::Value,
) -> (Option<String>, Meaning) {
    let text = filing::whole(texts.flatten());
    let guide = (intake.guide)();
    let hint = filing::read_hint(hints);
    let meaning = filing::meaning(&guide.catalogue, &guide.places, text.as_deref().unwrap_or_default(), &hint);
    (text, meaning)
}

fn done(intake: &Intake, ticket: crate::ticket::Number, result: &'static str, told: bool) {
    metrics::counter!("jiesu_texts_total", "result" => result).increment(1);
    if told {
        tracing::info!(%ticket, result, "text");
        intake.outbox.notify_one();
    }
}
