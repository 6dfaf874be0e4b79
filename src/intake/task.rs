//! Intake at work: recovery at the start, a sweep every minute, hearing in the background.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::catalogue::{Catalogue, Places};
use crate::filing;
use crate::ivr::Rules;
use crate::store::{Error, Store, Unsettled, Work};

use super::{Hearing, recovery};

mod complete;
mod disk;
pub mod ear;
pub mod gather;
pub mod hear;
mod left;

use hear::Hearer;

#[cfg(test)]
mod tests;

/// Calls taken from the store at a time.
const BATCH: u32 = 50;
/// The daemon's name in leases; there is one of it.
const DAEMON: &str = "serve";
/// How often calls without their ticket are looked for.
const SWEEP: Duration = Duration::from_secs(60);

/// What tickets are understood by, in the version that new calls follow.
#[derive(Clone, Default)]
pub struct Guide {
    pub catalogue: Arc<Catalogue>,
    pub places: Arc<Places>,
    /// What of the words that were heard would have been an emergency.
    pub emergencies: Arc<Rules>,
    /// What each line is for, by its number: a hint for the classifier.
    pub topics: HashMap<String, String>,
}

/// What intake works with.
#[derive(Clone)]
pub struct Intake {
    pub store: Store,
    pub hearing: Arc<dyn Hearing>,
    /// The better model that hears again what has its text, where there is one.
    pub corrections: Option<Arc<dyn Hearing>>,
    /// Told when a text has come.
    pub heard: Arc<Notify>,
    /// Asked anew for each ticket: a reload counts for those that are still to be made or completed.
    pub guide: Arc<dyn Fn() -> Guide + Send + Sync>,
    /// Where recordings are kept: `recordings/2026/11/24/CALL-ID/003.wav`.
    pub recordings: PathBuf,
    /// Told when the outbox has work.
    pub outbox: Arc<Notify>,
}

/// Runs until `stop`, beside the calls: nothing that answers waits for it.
pub async fn run(intake: Intake, stop: CancellationToken) {
    let started = Timestamp::now();
    let text = hearer(&intake, Work::Text, intake.hearing.clone());
    let correction = intake.corrections.clone().map(|hearing| hearer(&intake, Work::Correction, hearing));
    let work = async {
        recover(&intake, started).await;
        // One utterance at a time: the other threads that hear are free for callers.
        let corrected = async {
            if let Some(correction) = correction {
                correction.until(stop.clone()).await;
            }
        };
        tokio::join!(
            sweep_for_ever(&intake, started),
            text.until(stop.clone()),
            corrected,
            complete::for_ever(&intake),
            left::for_ever(&intake)
        );
    };
    tokio::select! {
        // Every step is one transaction: it may be broken off anywhere.
        () = stop.cancelled() => {}
        () = work => {}
    }
}

fn hearer(intake: &Intake, work: Work, hearing: Arc<dyn Hearing>) -> Hearer {
    let (store, heard) = (intake.store.clone(), intake.heard.clone());
    Hearer { store, hearing, work, name: DAEMON.to_owned(), lease: hear::LEASE, heard }
}

/// After a start: what began before `started` and has no end was cut off.
async fn recover(intake: &Intake, started: Timestamp) {
    // What the daemon was hearing when it fell over is heard at once, not when the lease ends.
    if let Err(error) = intake.store.end_leases(DAEMON, started).await {
        tracing::warn!(%error, "what was being heard waits until its lease ends");
    }
    let calls = close_crashed(intake, started).await;
    let tickets = settle(intake).await;
    let today = started.to_zoned_datetime(intake.store.zone().clone()).date();
    let days = [today.yesterday().unwrap_or(today), today];
    let orphans = adopt_orphans(intake, started, days).await;
    left::gather(intake, started, days).await;
    let more = if orphans > 0 { settle(intake).await } else { 0 };
    if calls + orphans > 0 {
        tracing::warn!(calls, orphans, tickets = tickets + more, "recovered what a crash had cut off");
    }
}

async fn sweep_for_ever(intake: &Intake, started: Timestamp) {
    loop {
        tokio::time::sleep(SWEEP).await;
        close_crashed(intake, started).await;
        let tickets = settle(intake).await;
        if tickets > 0 {
            tracing::warn!(tickets, "filed for calls that had ended without");
        }
    }
}

/// Gives calls without an end one, after their recordings have been adopted. How many.
async fn close_crashed(intake: &Intake, before: Timestamp) -> usize {
    let mut closed = 0;
    loop {
        let calls = match intake.store.open_calls(before, BATCH).await {
            Ok(calls) => calls,
            Err(error) => {
                tracing::error!(%error, "crashed calls cannot be looked for; tried again in a minute");
                return closed;
            }
        };
        let all = calls.len();
        let mut failed = 0;
        for call in calls {
            if let Err(error) = close(intake, &call).await {
                failed += 1;
                tracing::error!(call = %call.call.id, %error, "a crashed call is left for the next sweep");
            }
        }
        closed += all - failed;
        // What failed would come first again.
        if all < BATCH as usize || failed > 0 {
            return closed;
        }
    }
}

async fn close(intake: &Intake, call: &Unsettled) -> Result<(), Error> {
    let day = call.call.began.to_zoned_datetime(intake.store.zone().clone()).date();
    let folder = disk::folder(&intake.recordings, day).join(call.call.id.to_string());
    adopt(intake, call, folder.clone()).await?;
    left::hand_over(intake, &call.segments, &folder, call.call.id).await;
    intake.store.call_ended(call.call.id, "crashed", Timestamp::now()).await
}

/// Recordings of a call that have no row get one.
async fn adopt(intake: &Intake, call: &Unsettled, folder: PathBuf) -> Result<(), Error> {
    let known = |file: &PathBuf| call.segments.iter().any(|row| intake.store.same_file(row, file));
    let files: Vec<PathBuf> = disk::recordings(folder).await.into_iter().filter(|file| !known(file)).collect();
    let mut index = call.segments.iter().map(|row| row.index + 1).max().unwrap_or(0);
    for file in files {
        if let Some(row) = disk::adopt(call.call.id, index, file).await {
            tracing::info!(call = %call.call.id, file = %row.file.display(), "a recording without a row is adopted");
            intake.store.segment(row).await?;
            index += 1;
        }
    }
    Ok(())
}

/// Calls that were answered, but whose row did not reach the disk: their recordings did.
async fn adopt_orphans(intake: &Intake, started: Timestamp, days: [jiff::civil::Date; 2]) -> usize {
    let mut adopted = 0;
    for day in days {
        for (id, folder) in disk::calls(disk::folder(&intake.recordings, day)).await {
            // Calls of this run write their own rows.
            let began = Timestamp::from_millisecond(id.millis()).unwrap_or(Timestamp::MAX);
            if began >= started || !matches!(intake.store.call_exists(id).await, Ok(false)) {
                continue;
            }
            let call = disk::orphan(id, began);
            let done = async {
                intake.store.call_began(call.call.clone()).await?;
                adopt(intake, &call, folder).await?;
                intake.store.call_ended(id, "crashed", Timestamp::now()).await
            };
            match done.await {
                Ok(()) => adopted += 1,
                Err(error) => {
                    tracing::error!(call = %id, %error, "a recording without a call is left for the next start")
                }
            }
        }
    }
    adopted
}

/// Files the tickets of calls that ended without one. How many. A call's end is the last row that it writes, so none
/// of these is still about to file its own.
async fn settle(intake: &Intake) -> usize {
    let mut filed = 0;
    loop {
        let calls = match intake.store.unsettled_calls(BATCH).await {
            Ok(calls) => calls,
            Err(error) => {
                tracing::error!(%error, "calls without a ticket cannot be looked for; tried again in a minute");
                return filed;
            }
        };
        let all = calls.len();
        let mut failed = 0;
        for call in calls {
            match settle_one(intake, &call).await {
                Ok(ticket) => filed += usize::from(ticket),
                Err(error) => {
                    failed += 1;
                    tracing::error!(call = %call.call.id, %error, "a ticket is left for the next sweep");
                }
            }
        }
        if all < BATCH as usize || failed > 0 {
            return filed;
        }
    }
}

/// `true`: there is a new ticket.
async fn settle_one(intake: &Intake, call: &Unsettled) -> Result<bool, Error> {
    let guide = (intake.guide)();
    let Some(matter) = recovery::matter(call, guide.topics.get(&call.call.line).cloned()) else {
        intake.store.settled(call.call.id).await?;
        return Ok(false);
    };
    let now = Timestamp::now();
    let filed = filing::file(&intake.store, &guide.catalogue, &guide.places, &matter, now).await;
    let filed = filed.map_err(|filing::FilingError::Store(error)| error)?;
    metrics::counter!("jiesu_tickets_recovered_total").increment(1);
    tracing::warn!(call = %matter.call, ticket = %filed.number, "recovered");
    intake.outbox.notify_one();
    Ok(filed.fresh)
}
