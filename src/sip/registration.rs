//! Our registration with a carrier (RFC 3261 section 10.2): when to ask, for how long, and what to make of the answer.
//!
//! On a clock that is handed in; whoever drives this sends the requests, one at a time. A registration is refreshed
//! before it ends, tried again with growing pauses where it fails, and taken back when the daemon stops. Service-Route
//! (RFC 3608) is not followed: calls go to the trunk's `outbound`, which the admin wrote down.

use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::written::Table;

/// The first pause after a failure; each further one is twice as long.
const PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// A refused password, or a refused number, does not mend itself soon: no registrar is asked more often.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// A registration that a registrar grants for less is refreshed as if it were this long.
const LEAST: Duration = Duration::from_secs(10);
/// The longest that is asked for, whatever Min-Expires says.
const MOST: u32 = 86_400;

/// What a trunk file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The registrar's domain: Request-URI without the `sip:`. `None`: the address that is asked.
    pub domain: Option<String>,
    /// The user part of the address that is registered, and of our Contact.
    pub user: String,
    /// For how many seconds.
    pub expires: u32,
    /// How long an answer may take.
    pub within: Duration,
}

impl Wanted {
    /// `[register]` of a trunk.
    pub fn read(table: &mut Table<'_>) -> Wanted {
        let plain = |text: &String| {
            let good =
                !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.!~*'()+:[]".contains(&b));
            let bad = || (format!("\"{text}\" cannot stand in a SIP URI"), "write the name alone".to_owned());
            good.then(|| text.clone()).ok_or_else(bad)
        };
        Wanted {
            user: table.text("user").check(plain).need("the user that the carrier knows us by"),
            domain: table.text("domain").check(plain).get(),
            expires: table.duration("expires").or("1h", "1m".."24h").as_secs() as u32,
            within: table.duration("within").or("8s", "1s".."32s"),
        }
    }

    /// Whether both are about the same address of ours.
    pub fn same_address(&self, other: &Wanted) -> bool {
        self.user == other.user && self.domain == other.domain
    }
}

/// Where a registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be asked for at this time. `until`: how long the last one still counts.
    Due { at: Instant, until: Option<Instant> },
    /// Asked; `seconds` is what for.
    Asked { seconds: u32, until: Option<Instant> },
    /// The registrar keeps it until then; it is refreshed at `at`.
    Registered { at: Instant, until: Instant },
    /// To be taken back.
    Leaving,
    /// Asked to forget us.
    Left,
    /// Nothing more will be asked.
    Over,
}

/// How a registration does, for logs and figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody has said yes or no.
    Trying,
    Registered,
    /// Calls do not reach us: the last registration ran out, or none was ever granted.
    Failed,
    /// Taken back.
    Gone,
}

impl Standing {
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Trying => "trying",
            Standing::Registered => "registered",
            Standing::Failed => "failed",
            Standing::Gone => "taken back",
        }
    }
}

/// An answer to a REGISTER.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    pub code: u16,
    /// What a 2xx grants, in seconds.
    pub granted: u32,
    /// Min-Expires of a 423.
    pub min: Option<u32>,
    /// Retry-After.
    pub later: Option<u32>,
}

/// One registration.
#[derive(Debug)]
pub struct Registration {
    state: State,
    /// What is asked for: the admin's wish, or more where the registrar wants more.
    expires: u32,
    /// Failures in a row.
    failures: u32,
    standing: Standing,
    random: SmallRng,
}

impl Registration {
    /// `seed` spreads retries.
    pub fn new(now: Instant, expires: u32, seed: u64) -> Registration {
        Registration {
            state: State::Due { at: now, until: None },
            expires: expires.clamp(1, MOST),
            failures: 0,
            standing: Standing::Trying,
            random: SmallRng::seed_from_u64(seed),
        }
    }

    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// How many tries in a row have failed: the next one may go to another address.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// From the next time on it is asked for so long.
    pub fn wish(&mut self, expires: u32) {
        self.expires = expires.clamp(1, MOST);
    }

    /// It is being taken back, or was.
    pub fn is_stopping(&self) -> bool {
        matches!(self.state, State::Leaving | State::Left | State::Over)
    }

    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// The seconds to ask for now, if it is time. [`Registration::answered`] must follow.
    pub fn tick(&mut self, now: Instant) -> Option<u32> {
        match self.state {
            State::Due { until: Some(end), .. } | State::Asked { until: Some(end), .. } if end <= now => {
                self.standing = Standing::Failed; // the registrar has forgotten us
            }
            _ => {}
        }
        match self.state {
            State::Due { at, until } if at <= now => {
                self.state = State::Asked { seconds: self.expires, until };
                Some(self.expires)
            }
            State::Registered { at, until } if at <= now => {
                self.state = State::Asked { seconds: self.expires, until: Some(until) };
                Some(self.expires)
            }
            State::Leaving => {
                self.state = State::Left;
                Some(0)
            }
            _ => None,
        }
    }

    /// The answer; without one the code is 408 or 503 of our own.
    pub fn answered(&mut self, now: Instant, answer: Answered) {
        let (seconds, until) = match self.state {
            State::Asked { seconds, until } => (seconds, until),
            State::Left => {
                self.state = State::Over; // whatever it says, nothing more can be done
                self.standing = Standing::Gone;
                return;
            }
            // Stopped while it was asked for: what may have been granted is taken back.
            _ => return,
        };
        match answer.code {
            200..=299 if answer.granted > 0 => {
                self.failures = 0;
                self.standing = Standing::Registered;
                let granted = Duration::from_secs(answer.granted.min(MOST).into());
                self.state = State::Registered { at: now + self.early(granted), until: now + granted };
            }
            // Section 10.3: too brief. A registrar that wants more than it wanted before, up to a day, gets it at once.
            423 if answer.min.is_some_and(|min| min > seconds && min <= MOST) => {
                self.expires = answer.min.unwrap_or(seconds);
                self.state = State::Due { at: now, until };
            }
            _ => {
                self.failures = self.failures.saturating_add(1);
                let until = until.filter(|until| *until > now);
                if until.is_none() {
                    self.standing = Standing::Failed;
                }
                self.state = State::Due { at: now + self.pause(answer), until };
            }
        }
    }

    /// It is to be taken back. `false`: there is nothing to take back.
    pub fn stop(&mut self) -> bool {
        let may_be_kept = match self.state {
            State::Due { until, .. } => until.is_some(),
            State::Asked { .. } | State::Registered { .. } | State::Leaving => true,
            State::Left => return true,
            State::Over => false,
        };
        self.state = if may_be_kept { State::Leaving } else { State::Over };
        may_be_kept
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        match self.state {
            State::Due { at, until } => {
                Some(until.filter(|_| self.standing == Standing::Registered).map_or(at, |end| at.min(end)))
            }
            State::Registered { at, .. } => Some(at),
            State::Asked { until, .. } => until.filter(|_| self.standing == Standing::Registered),
            State::Leaving | State::Left | State::Over => None,
        }
    }

    /// When a registration of this length is refreshed: early enough for a lost answer (32 s) and a second try, but not
    /// before half its time; a tenth apart, so that many daemons do not come at once.
    fn early(&mut self, granted: Duration) -> Duration {
        let granted = granted.max(LEAST);
        let spare = (granted / 10).max(Duration::from_secs(40)).min(granted / 2);
        (granted - spare).mul_f64(self.random.random_range(0.9..1.0))
    }

    fn pause(&mut self, answer: Answered) -> Duration {
        let doubled = PAUSE * 2_u32.pow(self.failures.saturating_sub(1).min(10));
        let least = match answer.code {
            // No answer, or a registrar in trouble: it may be back at any time.
            408 | 480 | 500 | 502..=504 => Duration::ZERO,
            _ => REFUSED_PAUSE,
        };
        let asked = Duration::from_secs(answer.later.unwrap_or(0).into());
        let wait = doubled.max(least).max(asked).min(LONGEST_PAUSE);
        wait.mul_f64(self.random.random_range(1.0..1.5))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn code(code: u16) -> Answered {
        Answered { code, granted: 0, min: None, later: None }
    }

    fn granted(granted: u32) -> Answered {
        Answered { granted, ..code(200) }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Goes to the next deadline and asks.
    fn ask(one: &mut Registration, now: &mut Instant) -> u32 {
        *now = one.next_deadline().expect("it is to be asked");
        one.tick(*now).expect("due")
    }

    #[test]
    fn it_is_refreshed_before_it_ends() {
        for (wish, given, early, late) in
            [(3600, 3600, 2916, 3240), (3600, 60, 18, 30), (600, 600, 486, 560), (60, 4, 4, 5)]
        {
            let mut now = Instant::now();
            let mut one = Registration::new(now, wish, 1);
            assert_eq!((ask(&mut one, &mut now), one.standing()), (wish, Standing::Trying));
            assert_eq!(one.tick(now), None, "one at a time");
            one.answered(now, granted(given));
            assert_eq!(one.standing(), Standing::Registered);
            let wait = one.next_deadline().expect("refreshed") - now;
            assert!(seconds(early) <= wait && wait <= seconds(late), "{given} s refreshed after {wait:?}");
            assert_eq!(ask(&mut one, &mut now), wish);
        }
    }

    #[test]
    fn too_brief_is_mended_at_once_but_not_for_ever() {
        let mut now = Instant::now();
        let mut one = Registration::new(now, 60, 1);
        ask(&mut one, &mut now);
        one.answered(now, Answered { min: Some(1800), ..code(423) });
        let before = now;
        assert_eq!((ask(&mut one, &mut now), now), (1800, before));
        for absurd in [Some(1800), Some(60), Some(90_000), None] {
            one.answered(now, Answered { min: absurd, ..code(423) });
            let before = now;
            assert_eq!(ask(&mut one, &mut now), 1800);
            assert!(now - before >= REFUSED_PAUSE, "{absurd:?}");
        }
        assert_eq!(one.standing(), Standing::Failed);
    }

    #[test]
    fn failures_wait_longer_and_longer_and_a_refusal_longer_still() {
        let mut now = Instant::now();
        let mut one = Registration::new(now, 600, 1);
        let mut waits = Vec::new();
        for _ in 0..12 {
            ask(&mut one, &mut now);
            one.answered(now, code(408));
            waits.push((one.next_deadline().expect("again") - now).as_secs());
        }
        assert!((5..8).contains(&waits[0]) && (10..16).contains(&waits[1]), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait < 900) && (600..900).contains(&waits[11]), "{waits:?}");
        assert_eq!(one.failures(), 12);
        for (answer, least) in [(code(403), 60), (code(401), 60), (Answered { later: Some(300), ..code(503) }, 300)] {
            let mut one = Registration::new(now, 600, 1);
            ask(&mut one, &mut now);
            one.answered(now, answer);
            assert!(one.next_deadline().expect("again") - now >= seconds(least));
        }
    }

    #[test]
    fn it_counts_until_it_ends_whatever_a_refresh_says() {
        let mut now = Instant::now();
        let mut one = Registration::new(now, 100, 1);
        ask(&mut one, &mut now);
        one.answered(now, granted(100));
        let until = now + seconds(100);
        while one.next_deadline().expect("on and on") < until {
            assert_eq!(one.standing(), Standing::Registered);
            ask(&mut one, &mut now);
            one.answered(now, code(503));
        }
        assert_eq!(one.next_deadline(), Some(until), "the end is told when it comes");
        now = until;
        one.tick(now);
        assert_eq!(one.standing(), Standing::Failed);
        ask(&mut one, &mut now);
        one.answered(now, granted(100));
        assert_eq!((one.standing(), one.failures()), (Standing::Registered, 0));
    }

    #[test]
    fn it_is_taken_back_once() {
        let mut now = Instant::now();
        let mut one = Registration::new(now, 100, 1);
        assert!(!one.stop() && one.is_over(), "nothing was ever asked");
        let mut one = Registration::new(now, 100, 1);
        ask(&mut one, &mut now);
        assert!(one.stop(), "what is asked may be granted");
        one.answered(now, granted(100));
        assert_eq!(one.tick(now), Some(0));
        assert_eq!(one.tick(now), None);
        one.answered(now, code(408));
        assert!(one.is_over() && one.standing() == Standing::Gone && !one.stop());
        assert_eq!(one.next_deadline(), None);
    }

    proptest! {
        /// Whatever a registrar says, it is never asked twice at once nor in a loop, and always asked again.
        #[test]
        fn any_registrar(answers in proptest::collection::vec((100u16..700, 0u32..100_000, prop::option::of(0u32..200_000), prop::option::of(0u32..1000)), 1..60)) {
            let mut now = Instant::now();
            let mut one = Registration::new(now, 300, 3);
            let start = now;
            let (mut asked, mut mended) = (0_u32, 0_u32);
            for (code, granted, min, later) in answers {
                let deadline = one.next_deadline();
                prop_assert!(deadline.is_some());
                now = now.max(deadline.expect("checked"));
                if one.tick(now).is_none() { continue }
                asked += 1;
                prop_assert_eq!(one.tick(now), None);
                mended += u32::from(code == 423);
                one.answered(now, Answered { code, granted, min, later });
            }
            // Every question but those that a 423 mends costs at least four seconds.
            prop_assert!(now - start >= Duration::from_secs(u64::from(4 * asked.saturating_sub(mended + 1))), "{asked} in {:?}", now - start);
        }
    }
}
