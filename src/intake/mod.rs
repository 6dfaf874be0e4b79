//! What happens to a call after it is over: tickets that a crash cut off, and texts that were not there in time.
//!
//! Owns the promise that a call in which something was said or keyed has exactly one ticket, whatever failed:
//! * at the start, calls without an end are closed as crashed, recordings on disk without a row are adopted (their
//!   headers mended), and tickets are filed ([`recovery`]);
//! * every minute, calls that ended without their ticket (the disk was full) get it;
//! * what a call overheard and could not wait for is heard after it, and filed as urgent where it is an emergency;
//! * each ticket is put to the matter that it reports, with others (`task::gather`);
//! * what has no text yet is heard in the background (`task::hear`, here or in `jiesu worker asr`), and again by a better
//!   model where there is one; the tickets are classified again and completed, the backends are told.
//!
//! Refuses to hurry: everything goes in small batches beside the running calls, live utterances are heard first.
//! Later stages (hotspots) take their place here.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use crate::asr::Transcript;

pub mod recovery;
pub mod task;

/// Something that can hear: `asr::Asr`, or a double in tests.
pub trait Hearing: Send + Sync {
    /// Comes back when there is something to hear with.
    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// What was said in a recording; empty if nothing was. Bounded in time, behind every live call.
    fn hear<'a>(&'a self, file: &'a Path) -> Pin<Box<dyn Future<Output = Result<Transcript, NotHeard>> + Send + 'a>>;
}

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHeard {
    /// No model, or no time for background work: another time.
    #[error("{0}")]
    Later(String),
    /// It will never be heard: no sound in it, or no file any more.
    #[error("{0}")]
    Unreadable(String),
    /// This recording could not be heard: counted.
    #[error("{0}")]
    Failed(String),
}
