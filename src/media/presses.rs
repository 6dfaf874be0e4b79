//! One key, told in several ways: RFC 4733 events, tones in the audio, INFO. Each press counts once (ATTACKS 40).
//!
//! A report in one way is the same press as the oldest report of that key in other ways, unless that one was told in
//! this way already: two presses in a row stay two, in however many ways each is told, and in whatever order. What
//! each way does to tell one press from the next by itself is not done here.

use std::time::{Duration, Instant};

/// How a key was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// RFC 4733.
    Event,
    /// In the audio.
    Tone,
    /// In a SIP INFO.
    Info,
}

/// A report may come this much later than the first: INFO is sent again after 0.5, 1 and 2 s (RFC 3261 timer E).
const LATE: Duration = Duration::from_secs(4);
/// Presses that are remembered: nobody presses more in that time.
const REMEMBERED: usize = 32;

/// The presses of the last seconds.
#[derive(Debug, Clone, Default)]
pub struct Presses {
    /// Oldest first.
    recent: Vec<Press>,
}

#[derive(Debug, Clone, Copy)]
struct Press {
    key: char,
    at: Instant,
    /// One bit a way.
    told: u8,
}

impl Presses {
    /// Whether this report is the first of its press.
    pub fn is_new(&mut self, now: Instant, key: char, way: Way) -> bool {
        let bit = 1 << way as u8;
        self.recent.retain(|press| now.saturating_duration_since(press.at) < LATE);
        if let Some(press) = self.recent.iter_mut().find(|press| press.key == key && press.told & bit == 0) {
            press.told |= bit;
            return false;
        }
        if self.recent.len() >= REMEMBERED {
            self.recent.remove(0);
        }
        self.recent.push(Press { key, at: now, told: bit });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WAYS: [Way; 3] = [Way::Event, Way::Tone, Way::Info];

    proptest! {
        /// ATTACKS 40: any keys, each told in any of the three ways, each report late by up to two seconds.
        #[test]
        fn each_press_counts_once(keys in proptest::collection::vec((0usize..4, 1u8..8, 0u64..2000, 0u64..2000, 0u64..2000), 1..20), gap in 150u64..1500) {
            let begun = Instant::now();
            let names = ['1', '5', '#', '0'];
            let mut reports: Vec<(Instant, char, Way)> = Vec::new();
            for way in WAYS {
                // Each way keeps its own order.
                let mut earliest = 0;
                for (n, (key, ways, a, b, c)) in keys.iter().enumerate() {
                    // A key is told in all ways that its first press was told in: it is the same telephone.
                    let ways = keys.iter().find(|(other, ..)| other == key).map_or(*ways, |first| first.1);
                    if ways & (1 << way as u8) != 0 {
                        earliest = earliest.max(n as u64 * gap + [*a, *b, *c][way as usize]);
                        reports.push((begun + Duration::from_millis(earliest), names[*key], way));
                    }
                }
            }
            reports.sort_by_key(|report| report.0);
            let mut presses = Presses::default();
            let mut counted: Vec<char> = reports.into_iter().filter(|(at, key, way)| presses.is_new(*at, *key, *way)).map(|r| r.1).collect();
            let mut wanted: Vec<char> = keys.iter().map(|key| names[key.0]).collect();
            counted.sort_unstable();
            wanted.sort_unstable();
            prop_assert_eq!(counted, wanted);
        }
    }

    #[test]
    fn the_memory_is_bounded_and_short() {
        let now = Instant::now();
        let mut presses = Presses::default();
        for _ in 0..1_000 {
            assert!(presses.is_new(now, '1', Way::Event));
        }
        assert_eq!(presses.recent.len(), REMEMBERED);
        assert!(!presses.is_new(now, '1', Way::Tone));
        assert!(presses.is_new(now + LATE, '1', Way::Info), "long after is another press");
    }
}
