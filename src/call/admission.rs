//! Who may come in now: the permit that every call holds for its life, and the refusal that says why.
//!
//! Pure: counts are kept here, the load is handed in. A refusal names the reason for the metric, the SIP code for the
//! peer (RFC 3261 section 21.5.4: 503 with Retry-After) and what an operator would change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Limits of `[calls]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once.
    pub calls: usize,
    /// Above this lateness of our own media tick new calls are refused: running ones would suffer.
    pub lateness: Duration,
    /// What Retry-After says.
    pub retry_after: Duration,
}

/// Why a call was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Draining,
    Full { limit: usize },
    MediaLate { measured: Duration },
}

impl Refusal {
    /// The label of `jiesu_refused_total`.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::Draining => "draining",
            Refusal::Full { .. } => "full",
            Refusal::MediaLate { .. } => "media_late",
        }
    }

    /// What an operator would change.
    pub fn remedy(self) -> String {
        match self {
            Refusal::Draining => "the daemon is stopping; calls go to the other node".to_owned(),
            Refusal::Full { limit } => {
                format!("{limit} calls are running; raise calls.max in jiesu.toml or add a node")
            }
            Refusal::MediaLate { measured } => {
                format!("audio is {measured:?} late; the machine is overloaded: add cores (media.threads) or a node")
            }
        }
    }
}

/// The door. Clones share one count.
#[derive(Debug, Clone)]
pub struct Admission {
    shared: Arc<Shared>,
    limits: Limits,
}

#[derive(Debug)]
struct Shared {
    running: AtomicUsize,
    draining: AtomicBool,
}

/// One running call; dropping it frees the place.
#[derive(Debug)]
pub struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Admission {
    pub fn new(limits: Limits) -> Admission {
        let shared = Shared { running: AtomicUsize::new(0), draining: AtomicBool::new(false) };
        Admission { shared: Arc::new(shared), limits }
    }

    /// A place for one call. `lateness` is how late the media ticks run at present.
    ///
    /// # Errors
    /// Draining, full, or the machine cannot keep time.
    pub fn admit(&self, lateness: Duration) -> Result<Permit, Refusal> {
        if self.shared.draining.load(Ordering::Acquire) {
            return Err(Refusal::Draining);
        }
        if lateness > self.limits.lateness {
            return Err(Refusal::MediaLate { measured: lateness });
        }
        let taken = self.shared.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, |running| {
            (running < self.limits.calls).then_some(running + 1)
        });
        match taken {
            Ok(_) => Ok(Permit(self.shared.clone())),
            Err(_) => Err(Refusal::Full { limit: self.limits.calls }),
        }
    }

    /// Whether [`Admission::admit`] would give a place.
    pub fn has_room(&self, lateness: Duration) -> bool {
        !self.shared.draining.load(Ordering::Acquire)
            && lateness <= self.limits.lateness
            && self.running() < self.limits.calls
    }

    pub fn running(&self) -> usize {
        self.shared.running.load(Ordering::Acquire)
    }

    pub fn retry_after(&self) -> Duration {
        self.limits.retry_after
    }

    /// From now on nobody is admitted.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(calls: usize) -> Admission {
        Admission::new(Limits { calls, lateness: Duration::from_millis(40), retry_after: Duration::from_secs(10) })
    }

    #[test]
    fn one_more_than_the_limit_is_refused_and_a_place_is_given_back() {
        let door = door(2);
        let first = door.admit(Duration::ZERO).expect("room");
        let _second = door.admit(Duration::ZERO).expect("room");
        assert_eq!(door.admit(Duration::ZERO).expect_err("full"), Refusal::Full { limit: 2 });
        assert!(!door.has_room(Duration::ZERO));
        drop(first);
        assert!(door.has_room(Duration::ZERO) && !door.has_room(Duration::from_millis(41)));
        assert!(door.admit(Duration::ZERO).is_ok());
    }

    #[test]
    fn late_audio_and_draining_refuse() {
        let door = door(2);
        let late = Duration::from_millis(41);
        assert_eq!(door.admit(late).expect_err("late"), Refusal::MediaLate { measured: late });
        door.drain();
        assert_eq!(door.admit(Duration::ZERO).expect_err("draining"), Refusal::Draining);
        assert_eq!(door.running(), 0);
    }
}
