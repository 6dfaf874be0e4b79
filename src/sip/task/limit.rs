//! How much one source may send, asked before its message is read.
//!
//! Each address (IPv6: each /64) has a bucket of tokens, filled at its rate up to a second's worth. Above the rate what
//! would be new work is dropped unread: INVITE, OPTIONS, REGISTER and the like, told by their first letters. Answers, ACK, BYE and
//! CANCEL of running calls pass up to [`RESERVE`] times the rate. The table is bounded: at its end sources that fell
//! silent are forgotten, and if there are none, newcomers share one bucket.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Sources that are told apart.
const SOURCES: usize = 4096;
/// Tokens below which also running calls' messages are dropped, as a multiple of the rate.
const RESERVE: f64 = 3.0;
/// How often at most a full table is searched for silent sources.
const SEARCH: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// From `-RESERVE * rate` to `rate`.
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(now: Instant, rate: f64) -> Bucket {
        Bucket { tokens: rate, at: now }
    }

    /// A full bucket tells as much as none.
    fn is_full(&self, now: Instant, rate: f64) -> bool {
        self.tokens + now.saturating_duration_since(self.at).as_secs_f64() * rate >= rate
    }

    fn take(&mut self, now: Instant, rate: f64, floor: f64) -> bool {
        let past = now.saturating_duration_since(self.at).as_secs_f64();
        self.tokens = (self.tokens + past * rate).min(rate);
        self.at = now;
        let taken = self.tokens - 1.0 >= floor;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

/// The rates of all sources of one kind.
#[derive(Debug)]
pub struct Sources {
    rate: f64,
    buckets: HashMap<IpAddr, Bucket>,
    others: Option<Bucket>,
    searched: Option<Instant>,
}

impl Sources {
    /// `rate` messages a second from each.
    pub fn new(rate: u32) -> Sources {
        Sources { rate: f64::from(rate), buckets: HashMap::new(), others: None, searched: None }
    }

    /// Whether these bytes may be read.
    pub fn may(&mut self, now: Instant, from: IpAddr, bytes: &[u8]) -> bool {
        let floor = if is_new_work(bytes) { 0.0 } else { -RESERVE * self.rate };
        let (rate, source) = (self.rate, network(from));
        if let Some(bucket) = self.buckets.get_mut(&source) {
            return bucket.take(now, rate, floor);
        }
        if self.buckets.len() >= SOURCES && self.searched.is_none_or(|last| now.duration_since(last) >= SEARCH) {
            self.searched = Some(now);
            self.buckets.retain(|_, bucket| !bucket.is_full(now, rate));
        }
        let bucket = if self.buckets.len() < SOURCES {
            self.buckets.entry(source).or_insert(Bucket::full(now, rate))
        } else {
            self.others.get_or_insert(Bucket::full(now, rate))
        };
        bucket.take(now, rate, floor)
    }
}

/// Who has one IPv6 address has its whole /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

/// Told without reading: everything but what goes on in a call. (A re-INVITE is repeated by its sender.)
fn is_new_work(bytes: &[u8]) -> bool {
    !["SIP/2.0 ", "ACK ", "BYE ", "CANCEL ", "PRACK "].iter().any(|running| bytes.starts_with(running.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INVITE: &[u8] = b"INVITE sip:12345@h SIP/2.0\r\n";
    const BYE: &[u8] = b"BYE sip:12345@h SIP/2.0\r\n";

    fn address(n: u32) -> IpAddr {
        IpAddr::V4(n.into())
    }

    #[test]
    fn a_second_at_once_then_the_rate() {
        let (mut sources, start) = (Sources::new(100), Instant::now());
        let take = |sources: &mut Sources, ms: u64, count: usize| {
            let now = start + Duration::from_millis(ms);
            (0..count).filter(|_| sources.may(now, address(1), INVITE)).count()
        };
        assert_eq!(take(&mut sources, 0, 1000), 100);
        assert_eq!(take(&mut sources, 100, 1000), 10);
        assert_eq!(take(&mut sources, 60_000, 1000), 100, "a long silence saves no more than a second");
        assert!(sources.may(start + Duration::from_secs(60), address(2), INVITE), "another source has its own");
    }

    #[test]
    fn running_calls_go_on_above_the_rate_but_not_without_end() {
        let (mut sources, now) = (Sources::new(100), Instant::now());
        while sources.may(now, address(1), INVITE) {}
        let passed = (0..1000).filter(|_| sources.may(now, address(1), BYE)).count();
        assert_eq!(passed, 300);
        assert!(!sources.may(now + Duration::from_secs(2), address(1), INVITE), "what it took in advance is paid back");
        assert!(sources.may(now + Duration::from_secs(4), address(1), INVITE));
    }

    #[test]
    fn the_table_is_bounded_and_newcomers_share() {
        let (mut sources, start) = (Sources::new(10), Instant::now());
        let passed = (0..100_000u32).filter(|n| sources.may(start, address(*n), INVITE)).count();
        assert_eq!(passed, SOURCES + 10);
        assert_eq!(sources.buckets.len(), SOURCES);
        assert!(sources.may(start + Duration::from_secs(2), address(7_000_000), INVITE), "silent ones are forgotten");
        assert_eq!(sources.buckets.len(), 1);
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let (mut sources, now) = (Sources::new(10), Instant::now());
        let passed =
            (0..100u16).filter(|n| sources.may(now, format!("2001:db8::{n:x}").parse().unwrap(), INVITE)).count();
        assert_eq!(passed, 10);
    }
}
