//! Puts each new ticket to the matter that it reports, and says when there are abnormally many of one.
//!
//! Runs beside the calls, which never wait for it: a ticket waits in the store from its own commit on. What is compared
//! is kept in memory and read again at the start and after a failed write, so that it never differs from the store.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::matter::rate::{Hour, Norm, abnormal};
use crate::matter::{Config, Index};
use crate::store::{Error, Gather, Gathered, Reported, Store};
use crate::ticket::Number;

/// Tickets that are compared before others on this thread have their turn: some milliseconds.
const BATCH: u32 = 16;
/// How often is looked whether there are new tickets.
const LOOK: Duration = Duration::from_secs(1);
/// After a fault of the store.
const RETRY: Duration = Duration::from_secs(10);
/// In so many hours there may be abnormally many.
const SPANS: [u8; 2] = [1, 24];
/// An alarm of one matter is said again after this.
const AGAIN: SignedDuration = SignedDuration::from_hours(24);
/// Days of which is known what was normal: a year and the four weeks before it.
const NORMAL: i32 = 400;

/// Runs until `stop`.
pub async fn run(store: Store, config: Config, stop: CancellationToken) {
    tokio::select! {
        // Every step is one transaction: it may be broken off anywhere.
        () = stop.cancelled() => {}
        () = for_ever(&store, &config) => {}
    }
}

async fn for_ever(store: &Store, config: &Config) {
    loop {
        let failed = match Gatherer::new(store, config).await {
            Ok(mut gatherer) => gatherer.work().await,
            Err(error) => error,
        };
        tracing::error!(error = %failed, "tickets wait to be put to their matters; tried again");
        tokio::time::sleep(RETRY).await;
    }
}

struct Gatherer<'a> {
    store: &'a Store,
    config: &'a Config,
    index: Index<Number>,
    norm: Norm,
}

impl<'a> Gatherer<'a> {
    /// Reads what the store has of the last weeks.
    async fn new(store: &'a Store, config: &'a Config) -> Result<Gatherer<'a>, Error> {
        let now = Timestamp::now();
        let mut gatherer = Gatherer { store, config, index: Index::new(config.clone()), norm: Norm::default() };
        let since = now.saturating_sub(SignedDuration::from_secs(config.window)).unwrap_or(Timestamp::MIN);
        let most = u32::try_from(config.most).unwrap_or(u32::MAX);
        for ticket in store.gathered(since, most).await? {
            if let Some(report) = ticket.report() {
                gatherer.index.keep(ticket.number, &report);
            }
            tokio::task::yield_now().await;
        }
        let counts = store.matter_counts(hour_of(now, store.zone()).day - NORMAL).await?;
        counts.days.iter().for_each(|(cell, day, count)| gatherer.norm.days(cell, *day, *count));
        counts.hours.iter().for_each(|(hour, count)| gatherer.norm.hours(*hour, *count));
        Ok(gatherer)
    }

    /// Until the store fails.
    async fn work(&mut self) -> Error {
        loop {
            match self.turn(Timestamp::now()).await {
                Ok(0) => tokio::time::sleep(LOOK).await,
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    }

    /// Puts some tickets to their matters. How many.
    async fn turn(&mut self, now: Timestamp) -> Result<usize, Error> {
        let waiting = self.store.ungathered(BATCH).await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let gathers = waiting.iter().map(|ticket| self.compare(ticket)).collect();
        let gathered = self.store.gather(self.config, gathers, now).await?;
        metrics::counter!("jiesu_tickets_gathered_total").increment(gathered.len() as u64);
        // Its last ticket, how many there are, whether they need another title.
        let mut matters: BTreeMap<i64, (&Reported, u32, bool)> = BTreeMap::new();
        for Gathered { ticket, matter, count, .. } in &gathered {
            let reported = waiting.iter().find(|waiting| waiting.number == *ticket);
            if let (Some(matter), Some(reported)) = (matter, reported) {
                let before = matters.get(matter).is_some_and(|(.., title)| *title);
                // Each doubling may change what most of them say.
                matters.insert(*matter, (reported, *count, before || *count <= 3 || count.is_power_of_two()));
            }
        }
        for (matter, (last, count, title)) in matters {
            if title {
                self.store.title_matter(matter).await?;
            }
            if count >= self.config.alarm.floor {
                self.alarm(matter, last, now).await?;
            }
        }
        Ok(waiting.len())
    }

    fn compare(&mut self, ticket: &Reported) -> Gather {
        let Hour { day, hour } = hour_of(ticket.began, self.store.zone());
        let cell = cell(ticket);
        self.norm.count(&cell, Hour { day, hour }, 1);
        let alike = ticket.report().map(|report| self.index.add(ticket.number, &report));
        Gather { ticket: ticket.number, alike, cell, day, hour }
    }

    /// Whether the last ticket makes abnormally many of its matter: against what is normal for all that is like it there.
    async fn alarm(&self, matter: i64, last: &Reported, now: Timestamp) -> Result<(), Error> {
        for hours in SPANS {
            let span = SignedDuration::from_hours(i64::from(hours));
            let since = last.began.saturating_sub(span).unwrap_or(Timestamp::MIN);
            let count = self.store.matter_since(matter, since).await?;
            let normal = self.norm.expected(&cell(last), hour_of(last.began, self.store.zone()), hours);
            if !abnormal(&self.config.alarm, count, normal) {
                continue;
            }
            let alarm = format!("{count} within {hours} h, where {normal:.1} are normal");
            let before = now.saturating_sub(AGAIN).unwrap_or(Timestamp::MIN);
            if self.store.matter_alarmed(matter, &alarm, before, now).await? {
                metrics::counter!("jiesu_matter_alarms_total").increment(1);
                tracing::warn!(matter, %alarm, "abnormally many report the same");
            }
            return Ok(());
        }
        Ok(())
    }
}

/// What is normal is counted of such tickets together.
fn cell(ticket: &Reported) -> String {
    format!("{}/{}", ticket.category[1], ticket.district.as_deref().unwrap_or("-"))
}

fn hour_of(at: Timestamp, zone: &TimeZone) -> Hour {
    let local = at.to_zoned_datetime(zone.clone());
    let days = local.date().duration_since(date(1970, 1, 1)).as_hours() / 24;
    Hour { day: i32::try_from(days).unwrap_or(0), hour: u8::try_from(local.hour()).unwrap_or(0) }
}

#[cfg(test)]
mod tests;
