//! Drains the outbox: looks what is due, sends it, writes down what came of it.
//!
//! Woken by a commit, by a deadline, and every few seconds by itself (another process may have said `outbox retry`, the
//! wall clock may have been set). Each backend has its own number of deliveries under way, so that a slow one keeps no
//! other waiting. What is under way when the task is stopped gets a moment; a row without a result is sent again at the
//! next start under the same key.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::store::{OutboxRow, Store};

use super::{Backend, Delivery, Plugged, Refusal, Retry};

/// Without any other reason the outbox is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long deliveries under way may still take at the end.
const GRACE: Duration = Duration::from_secs(3);
/// Between tries to write a result down.
const STORE_TROUBLE: Duration = Duration::from_secs(1);

/// What time it is: the wall clock, except in tests.
type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Runs until `stop`.
pub async fn run(store: Store, backends: Vec<Plugged>, wake: Arc<Notify>, stop: CancellationToken) {
    drain(store, backends, wake, stop, Arc::new(Timestamp::now)).await;
}

/// A backend and the outbox rows that are on their way to it.
struct Line {
    plugged: Plugged,
    under_way: HashSet<i64>,
}

async fn drain(store: Store, backends: Vec<Plugged>, wake: Arc<Notify>, stop: CancellationToken, clock: Clock) {
    let mut lines: Vec<Line> =
        backends.into_iter().map(|plugged| Line { plugged, under_way: HashSet::new() }).collect();
    let mut sends: JoinSet<(usize, i64)> = JoinSet::new();
    loop {
        let mut wait = LOOK_AGAIN;
        for (i, line) in lines.iter_mut().enumerate() {
            let now = clock();
            for row in line.due(&store, now).await {
                line.under_way.insert(row.id);
                let (store, plugged, clock) = (store.clone(), line.plugged.clone(), clock.clone());
                sends.spawn(async move {
                    let id = row.id;
                    deliver(&store, &*plugged.backend, plugged.retry, row, clock).await;
                    (i, id)
                });
            }
            if let Ok(Some(due)) = store.next_due(line.plugged.backend.name(), now).await {
                wait = wait.min(Duration::try_from(due.duration_since(now)).unwrap_or_default());
            }
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = wake.notified() => {}
            Some(done) = sends.join_next() => match done {
                Ok((i, id)) => { lines[i].under_way.remove(&id); }
                // Its row stays under way, so that it is not tried in a circle; the next start tries it again.
                Err(error) => tracing::error!(%error, "a delivery panicked"),
            },
            () = tokio::time::sleep(wait) => depth(&store).await,
        }
    }
    let rest = async { while sends.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, rest).await.is_err() {
        tracing::warn!(left = sends.len(), "deliveries are broken off; they are made again at the next start");
        sends.shutdown().await;
    }
}

impl Line {
    /// Rows that can start now.
    async fn due(&self, store: &Store, now: Timestamp) -> Vec<OutboxRow> {
        let free = self.plugged.at_once.saturating_sub(self.under_way.len());
        if free == 0 {
            return Vec::new();
        }
        // Those under way are still due, so as many more are asked for.
        let limit = u32::try_from(free + self.under_way.len()).unwrap_or(u32::MAX);
        match store.due(self.plugged.backend.name(), now, limit).await {
            Ok(rows) => rows.into_iter().filter(|row| !self.under_way.contains(&row.id)).take(free).collect(),
            Err(error) => {
                tracing::error!(backend = self.plugged.backend.name(), %error, "the outbox cannot be read");
                Vec::new()
            }
        }
    }
}

/// Sends one row and does not come back before the store knows what came of it.
async fn deliver(store: &Store, backend: &dyn Backend, retry: Retry, row: OutboxRow, clock: Clock) {
    let OutboxRow { id, key, payload: body, tries, .. } = row;
    let result = backend.send(&Delivery { key: key.clone(), body }).await;
    let name = backend.name().to_owned();
    let count =
        |result| metrics::counter!("jiesu_backend_total", "backend" => name.clone(), "result" => result).increment(1);
    let now = clock();
    loop {
        let written = match &result {
            Ok(receipt) => store.sent(id, receipt.reference.clone(), now).await,
            Err(Refusal::Park(reason)) => store.park(id, reason, now).await,
            Err(Refusal::Retry { reason, after }) => match retry.after(tries + 1, rand::random()) {
                None => store.park(id, &format!("given up after {} tries: {reason}", tries + 1), now).await,
                Some(wait) => {
                    let wait = wait.max(after.unwrap_or_default());
                    store.put_off(id, now.saturating_add(wait).unwrap_or(Timestamp::MAX), reason).await
                }
            },
        };
        match written {
            Ok(()) => break,
            Err(crate::store::Error::Closed) => return,
            Err(error) => {
                tracing::error!(backend = name, key, %error, "what came of a delivery cannot be written yet");
                tokio::time::sleep(STORE_TROUBLE).await;
            }
        }
    }
    match &result {
        Ok(_) => count("sent"),
        Err(Refusal::Park(reason)) => {
            count("parked");
            tracing::error!(backend = name, key, reason, "parked; see jiesu outbox list");
        }
        Err(Refusal::Retry { reason, .. }) if tries + 1 >= retry.tries => {
            count("parked");
            tracing::error!(backend = name, key, reason, "given up and parked; see jiesu outbox list");
        }
        Err(Refusal::Retry { reason, .. }) => {
            count("retry");
            tracing::warn!(backend = name, key, reason, tries = tries + 1, "is tried again");
        }
    }
}

async fn depth(store: &Store) {
    if let Ok((waiting, parked)) = store.outbox_depth().await {
        metrics::gauge!("jiesu_outbox", "state" => "waiting").set(waiting as f64);
        metrics::gauge!("jiesu_outbox", "state" => "parked").set(parked as f64);
    }
}

#[cfg(test)]
mod tests;
