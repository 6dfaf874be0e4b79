//! When a refused delivery is tried again.

use std::time::Duration;

/// Exponential, with jitter, and an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Before the second try.
    pub first: Duration,
    /// The waits double up to this.
    pub longest: Duration,
    /// After so many failures it is parked.
    pub tries: u32,
}

impl Retry {
    /// How long to wait after the `failed`-th failure (from 1); `None`: no more. `jitter` (0 to 1) spreads the tries
    /// of many tickets over the second half of the wait, so that a backend that comes back is not overrun.
    pub fn after(&self, failed: u32, jitter: f64) -> Option<Duration> {
        if failed >= self.tries {
            return None;
        }
        let doubled = self.first.checked_mul(1u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX));
        let wait = doubled.unwrap_or(self.longest).min(self.longest);
        Some(wait.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RETRY: Retry = Retry { first: Duration::from_secs(1), longest: Duration::from_secs(60), tries: 100 };

    #[test]
    fn waits_double_up_to_the_longest_and_then_end() {
        let seconds = |failed| RETRY.after(failed, 1.0).map(|wait| wait.as_secs());
        assert_eq!([1, 2, 3, 6, 7, 99].map(seconds), [1, 2, 4, 32, 60, 60].map(Some));
        assert_eq!(seconds(100), None);
        assert_eq!(RETRY.after(3, 0.0), Some(Duration::from_secs(2)));
    }

    proptest! {
        #[test]
        fn always_within_half_and_whole_of_the_longest(failed in 0u32.., jitter in -1.0..2.0) {
            let retry = Retry { tries: u32::MAX, ..RETRY };
            if let Some(wait) = retry.after(failed, jitter) {
                prop_assert!(wait >= RETRY.first / 2 && wait <= RETRY.longest);
            }
        }
    }
}
