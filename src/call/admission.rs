//! Who may come in now: the permit that every call holds for its life, and the refusal that says why.
//!
//! Pure: counts are kept here, the load is handed in. A refusal names the reason for the metric, the SIP code for the
//! peer (RFC 3261 section 21.5.4: 503 with Retry-After) and what an operator would change.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::sip::{Trunk, TrunkName};

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
    Full {
        limit: usize,
    },
    MediaLate {
        measured: Duration,
    },
    /// The trunk has all the calls that it may have.
    TrunkFull {
        limit: usize,
    },
    /// The trunk brings calls faster than it may.
    TrunkFast {
        limit: u32,
    },
}

impl Refusal {
    /// The label of `jiesu_refused_total`.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::Draining => "draining",
            Refusal::Full { .. } => "full",
            Refusal::MediaLate { .. } => "media_late",
            Refusal::TrunkFull { .. } => "trunk_full",
            Refusal::TrunkFast { .. } => "trunk_rate",
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
            Refusal::TrunkFull { limit } => {
                format!("this trunk has {limit} calls; raise limits.calls in its file under trunks/")
            }
            Refusal::TrunkFast { limit } => {
                format!("more than {limit} calls a second; raise limits.per_second in its file under trunks/")
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
    /// By name; as many as there are files under trunks/.
    trunks: Mutex<HashMap<TrunkName, Share>>,
}

/// What one trunk uses.
#[derive(Debug, Default)]
struct Share {
    running: usize,
    /// When its allowance is whole again: each call takes its part of a second (a leaky bucket of one second's calls).
    whole: Option<Instant>,
}

/// One running call; dropping it frees the place.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    trunk: Option<TrunkName>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.running.fetch_sub(1, Ordering::AcqRel);
        let mut trunks = self.shared.trunks();
        if let Some(share) = self.trunk.as_ref().and_then(|name| trunks.get_mut(name)) {
            share.running = share.running.saturating_sub(1);
        }
    }
}

impl Shared {
    fn trunks(&self) -> std::sync::MutexGuard<'_, HashMap<TrunkName, Share>> {
        self.trunks.lock().expect("nothing panics while holding this lock")
    }
}

impl Admission {
    pub fn new(limits: Limits) -> Admission {
        let shared =
            Shared { running: AtomicUsize::new(0), draining: AtomicBool::new(false), trunks: Mutex::default() };
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
            Ok(_) => Ok(Permit { shared: self.shared.clone(), trunk: None }),
            Err(_) => Err(Refusal::Full { limit: self.limits.calls }),
        }
    }

    /// Whether [`Admission::admit`] would give a place.
    pub fn has_room(&self, lateness: Duration) -> bool {
        !self.shared.draining.load(Ordering::Acquire)
            && lateness <= self.limits.lateness
            && self.running() < self.limits.calls
    }

    /// As [`Admission::admit`], for a call that came over `trunk`. What the trunk's own limits refuse takes nothing of
    /// what the others may have.
    ///
    /// # Errors
    /// As `admit`, or one of the trunk's limits.
    pub fn admit_from(&self, now: Instant, lateness: Duration, trunk: &Trunk) -> Result<Permit, Refusal> {
        let mut trunks = self.shared.trunks();
        let share = trunks.entry(trunk.name.clone()).or_default();
        if let Some(limit) = trunk.limits.calls.filter(|limit| share.running >= *limit) {
            return Err(Refusal::TrunkFull { limit });
        }
        let whole = share.whole.map_or(now, |whole| whole.max(now));
        let mut next = whole;
        if let Some(limit) = trunk.limits.per_second {
            let part = Duration::from_secs(1) / limit;
            next = whole + part;
            // Division leaves a rest: at most a nanosecond a call.
            if next.duration_since(now) > Duration::from_secs(1) + Duration::from_nanos(u64::from(limit)) {
                return Err(Refusal::TrunkFast { limit });
            }
        }
        let mut permit = self.admit(lateness)?;
        share.running += 1;
        share.whole = Some(next);
        permit.trunk = Some(trunk.name.clone());
        Ok(permit)
    }

    /// Calls that a trunk has now.
    pub fn running_of(&self, trunk: &str) -> usize {
        self.shared.trunks().get(trunk).map_or(0, |share| share.running)
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

    #[test]
    fn a_trunk_has_its_own_limits_and_takes_nothing_from_the_others() {
        let door = door(10);
        let mut narrow = Trunk::new("narrow", Vec::new());
        narrow.limits.calls = Some(2);
        let wide = Trunk::new("wide", Vec::new());
        let now = Instant::now();
        let first = door.admit_from(now, Duration::ZERO, &narrow).expect("room");
        let _second = door.admit_from(now, Duration::ZERO, &narrow).expect("room");
        let refused = door.admit_from(now, Duration::ZERO, &narrow).expect_err("its limit");
        assert_eq!(refused, Refusal::TrunkFull { limit: 2 });
        assert_eq!((door.running(), door.running_of("narrow")), (2, 2), "what is refused counts nowhere");
        let _other = door.admit_from(now, Duration::ZERO, &wide).expect("room for others");
        drop(first);
        assert!(door.admit_from(now, Duration::ZERO, &narrow).is_ok());
    }

    #[test]
    fn so_many_calls_in_any_second() {
        let door = door(1000);
        let mut trunk = Trunk::new("t", Vec::new());
        trunk.limits.per_second = Some(7);
        let start = Instant::now();
        let mut taken = Vec::new();
        // A call every 10 ms for five seconds.
        for step in 0..500 {
            let now = start + Duration::from_millis(step * 10);
            match door.admit_from(now, Duration::ZERO, &trunk) {
                Ok(_) => taken.push(now),
                Err(refusal) => assert_eq!(refusal, Refusal::TrunkFast { limit: 7 }),
            }
        }
        // One second's worth at once, then seven a second.
        assert!((7 + 34..=7 + 35).contains(&taken.len()), "{}", taken.len());
        assert!(taken[6] < start + Duration::from_millis(100), "a burst of one second's calls is taken");
    }
}
