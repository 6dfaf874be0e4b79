//! The timers of RFC 3261 section 17 (table in its annex A) and RFC 6026.

use std::time::Duration;

/// T1, T2 and T4; everything else follows from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The round-trip estimate: 500 ms.
    pub t1: Duration,
    /// The longest interval between retransmissions of requests (not INVITE) and of responses to INVITE: 4 s.
    pub t2: Duration,
    /// How long a message stays in the network: 5 s.
    pub t4: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timing {
    /// Timers B, F, H, J, L, M and the wait for an ACK: 64 * T1.
    pub fn long(&self) -> Duration {
        self.t1 * 64
    }

    /// The next interval of a retransmission that doubles up to T2.
    pub fn doubled(&self, interval: Duration) -> Duration {
        (interval * 2).min(self.t2)
    }
}
