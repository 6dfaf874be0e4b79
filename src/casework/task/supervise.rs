//! Looks at each case when a rule has to (督办), and writes down what the rule says.
//!
//! The moments stand in the store: after a restart nothing is forgotten, and what came due meanwhile is looked at first.
//! Others write beside the daemon (`jiesu case`), so the store is asked each second, which costs one row of an index.
//! A look that finds the case changed since sets nothing: the change has asked for a look of its own.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::casework::supervise::{Config, Facts};
use crate::casework::{Timetable, terms};
use crate::store::{Error, Store, Ticket};
use crate::ticket::Number;
use crate::ticket::case::{By, Case, Event};

/// Cases that are looked at before others on this thread have their turn.
const BATCH: u32 = 64;
/// How often is asked whether a case is due.
const LOOK: Duration = Duration::from_secs(1);
/// After a fault of the store.
const RETRY: Duration = Duration::from_secs(10);
/// Earlier reports that are counted: more of them change nothing.
const REPEATS: u32 = 16;

/// Runs until `stop`.
pub async fn run(store: Store, config: Config, timetable: Timetable, stop: CancellationToken) {
    let rules = Rules { store, config, timetable };
    tokio::select! {
        // Every step is one transaction: it may be broken off anywhere.
        () = stop.cancelled() => {}
        () = rules.for_ever() => {}
    }
}

struct Rules {
    store: Store,
    config: Config,
    timetable: Timetable,
}

impl Rules {
    async fn for_ever(&self) {
        loop {
            match self.turn(Timestamp::now()).await {
                Ok(0) => tokio::time::sleep(LOOK).await,
                Ok(_) => tokio::task::yield_now().await,
                Err(error) => {
                    tracing::error!(%error, "cases wait for their rules; tried again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Looks at the cases that are due. How many there were.
    async fn turn(&self, now: Timestamp) -> Result<usize, Error> {
        let due = self.store.cases_due(now, BATCH).await?;
        for (number, case) in &due {
            self.look(*number, case, now).await?;
        }
        Ok(due.len())
    }

    async fn look(&self, number: Number, case: &Case, now: Timestamp) -> Result<(), Error> {
        let Some(ticket) = self.store.ticket(number).await? else { return Err(Error::NoTicket(number)) };
        let deadlines = self.timetable.now();
        let repeats = self.repeats(&ticket).await?;
        let facts = Facts { terms: terms(&ticket), repeats };
        let Some(event) = self.config.act(&deadlines, case, facts, now) else {
            let next = self.config.next_look(&deadlines, case, facts, now);
            self.store.set_case_due(number, case.seq, next).await?;
            return Ok(());
        };
        match self.store.case_happens(number, By::rule(rule(&event)), event.clone(), now).await {
            Ok(_) => {
                count(number, &event);
                Ok(())
            }
            // Somebody was quicker; the case is due again by what they did.
            Err(Error::Move(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// How often its caller has reported the matter.
    async fn repeats(&self, ticket: &Ticket) -> Result<u32, Error> {
        let (mut count, mut earlier) = (1, ticket.repeats);
        while let Some(number) = earlier.filter(|_| count < REPEATS) {
            count += 1;
            earlier = self.store.ticket(number).await?.and_then(|ticket| ticket.repeats);
        }
        Ok(count)
    }
}

/// The name that stands in the log for whoever did it.
fn rule(event: &Event) -> &'static str {
    if matches!(event, Event::Escalated { .. }) { "supervision" } else { "returns" }
}

fn count(number: Number, event: &Event) {
    match event {
        Event::Escalated { level, target, why } => {
            metrics::counter!("jiesu_cases_escalated_total", "level" => level.to_string()).increment(1);
            tracing::warn!(ticket = %number, level, target, why, "a case is told of (督办)");
        }
        event => {
            metrics::counter!("jiesu_cases_ruled_total", "event" => event.kind().code()).increment(1);
            tracing::info!(ticket = %number, event = %event.kind(), "a case is decided by rule");
        }
    }
}

#[cfg(test)]
mod tests;
