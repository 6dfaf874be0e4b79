//! Complaints about what strangers send: one line per kind and minute, however much comes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const QUIET: Duration = Duration::from_secs(60);

/// What was said last. Kinds are words of the code, so their number is bounded.
#[derive(Debug, Default)]
pub struct Junk {
    kinds: HashMap<&'static str, (Instant, u64)>,
}

impl Junk {
    /// Counts one message that came to nothing, and writes a line about its kind if the last one is a minute old.
    pub fn note(&mut self, now: Instant, reason: &'static str, peer: SocketAddr) {
        metrics::counter!("jiesu_refused_total", "reason" => reason).increment(1);
        if let Some(unsaid) = self.due(now, reason) {
            tracing::warn!(reason, %peer, unsaid, "SIP refused; more of this kind is only counted for a minute");
        }
    }

    /// How many of this kind went unsaid, where a line is due.
    fn due(&mut self, now: Instant, reason: &'static str) -> Option<u64> {
        match self.kinds.get_mut(reason) {
            Some((said, unsaid)) if now.duration_since(*said) < QUIET => {
                *unsaid += 1;
                None
            }
            Some(entry) => {
                let unsaid = entry.1;
                *entry = (now, 0);
                Some(unsaid)
            }
            None => {
                self.kinds.insert(reason, (now, 0));
                Some(0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_kind_and_minute() {
        let mut junk = Junk::default();
        let start = Instant::now();
        let lines = (0..180).filter(|s| junk.due(start + Duration::from_secs(*s), "a").is_some()).count();
        assert_eq!(lines, 3);
        assert_eq!(junk.due(start, "b"), Some(0));
        assert_eq!(junk.due(start + Duration::from_secs(180), "a"), Some(59));
    }
}
