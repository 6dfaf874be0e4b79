//! The plugged systems that take tickets over: one file per kind, one trait before them.
//!
//! Owns how a delivery is made and tried again. What is to be delivered stands in the store's outbox: one row for each
//! backend and ticket event, written in the ticket's own transaction, in order for each ticket, with a key that is the
//! same for every try. A delivery is made **at least once**: a backend drops a key that it has seen.
//!
//! The body is one JSON object; its shape is a contract (fields may be added, none is taken away):
//!
//! ```json
//! { "event": "created",                  // later "updated": text completed, or given up; "dispatched": see below
//!   "key": "2611240000718-1",            // the same for every try; also the Idempotency-Key header
//!   "at": "2026-11-24T08:30:00.25Z",     // when the event happened
//!   "ticket": {
//!     "number": "261124000071", "call": "01KCX...", "line": "12319", "caller": "13800000000", "keys": "1",
//!     "state": "received", "how": "confirmed",  // or hung_up, recovered
//!     "began": "...", "opened": "...", "changed": "...",
//!     "text": "...", "text_pending": false, "text_state": "whole",  // or pending, given_up
//!     "type": "求助", "category": ["...", "...", "..."], "confidence": 0.8, "urgency": "urgent",
//!     "place": { "code": "...", "name": "...", "district": "...", "confidence": 0.9 }, "unit": "...",
//!     "evidence": [ { "field": "place", "confidence": 0.9, "words": [ { "text": "...", "start": 3, "end": 5,
//!       "recording": 0, "from": 1.24, "to": 1.62 } ] } ],   // which recording, and the second in it, where it is known
//!     "title": "...", "facts": [ { "fact": "time", "text": "...", "start": 3, "end": 5, "sure": true } ],  // these too
//!     "recordings": [ { "file": "/var/lib/jiesu/recordings/...wav", "duration_s": 4.2, "text": "...",
//!       "hearing": { "model": "...", "purpose": "complaint", "audio_s": 4.2, "waited_s": 0.0, "took_s": 0.8,
//!                    "factor": 0.19, "after_s": 0.9 } } ] } }   // where somebody waited: from the end to the text
//! ```
//!
//! A backend that is the channel of a unit (`config/units/`) is also told when that unit is put in charge, handles a ticket
//! with others, or has a copy: event "dispatched", key "2611240000718-case-2", and beside the ticket
//!
//! ```json
//! "dispatch": { "unit": { "code": "110105026", "name": "...", "kind": "street", "channel": "city" },
//!               "co": [ { "code": "...", "name": "..." } ], "copies": [ ... ],
//!               "limits": { "accept": "...", "contact": "...", "answer": "..." },   // by when, RFC 3339
//!               "why": [ "..." ], "version": "0c3f..." }
//! ```

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use crate::written::Faults;

mod config;
mod log;
mod retry;
pub mod task;
mod webhook;

#[cfg(test)]
mod contract;

pub use config::{Config, Kind, SecretFrom};
pub use log::Log;
pub use retry::Retry;
pub use webhook::{SIGNATURE, Webhook, signature};

/// One event of one ticket, to be told to one backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The same for every try.
    pub key: String,
    /// The JSON that the module's documentation shows.
    pub body: String,
}

/// It was taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// The backend's own name for it.
    pub reference: Option<String>,
}

/// It was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Another time it may be; not before `after`, if the backend says so.
    Retry { reason: String, after: Option<Duration> },
    /// Never as it is: somebody has to look.
    Park(String),
}

pub type Sending<'a> = Pin<Box<dyn Future<Output = Result<Receipt, Refusal>> + Send + 'a>>;

/// A system that takes tickets over. `contract.rs` holds what each must do.
pub trait Backend: Send + Sync {
    fn name(&self) -> &str;

    /// Tells it once. Bounded in time. `Ok` means that the backend has it for good; a key that it has seen is `Ok`.
    fn send<'a>(&'a self, delivery: &'a Delivery) -> Sending<'a>;
}

/// A backend and how it is dealt with.
#[derive(Clone)]
pub struct Plugged {
    pub backend: Arc<dyn Backend>,
    pub retry: Retry,
    /// Deliveries under way at the same time.
    pub at_once: usize,
}

impl fmt::Debug for Plugged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugged").field("backend", &self.backend.name()).finish_non_exhaustive()
    }
}

/// Why a backend cannot be plugged in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("backend {name}: {file}: {what}; the file must be writable for this user")]
    File { name: String, file: String, what: std::io::Error },
    #[error("backend {name}: no secret: {what}")]
    Secret { name: String, what: String },
    #[error("backend {name}: no HTTP client: {what}")]
    Client { name: String, what: String },
}

/// Builds every configured backend.
///
/// # Errors
/// The first one that cannot be, with the remedy.
pub fn plug(configs: &[Config], state_dir: &Path) -> Result<Vec<Plugged>, Error> {
    configs.iter().map(|config| config.plug(state_dir)).collect()
}

/// Who is told of each ticket, for `Store::open`.
pub fn names(configs: &[Config]) -> Vec<String> {
    configs.iter().map(|config| config.name.clone()).collect()
}

/// Two backends of one name would share their rows.
pub fn check(configs: &[Config], faults: &Faults) {
    for (i, config) in configs.iter().enumerate() {
        if configs[..i].iter().any(|earlier| earlier.name == config.name) {
            let what = format!("\"{}\" names two backends", config.name);
            faults.at(&config.place, "backend.name", what, "give each its own name");
        }
    }
}
