//! What came from one source: sequence validity (RFC 3550 annex A.1), loss (A.3), jitter (A.8).

use super::RATE;
use super::rtcp::Block;

/// A jump ahead of more packets than this is a restart of the source, not a loss (A.1: MAX_DROPOUT).
const DROPOUT: u16 = 3000;
/// A packet may be this late (A.1: MAX_MISORDER).
const MISORDER: u16 = 100;
/// A transit time that jumps further is a new time base (a 2 h timestamp jump, ATTACKS 38), not jitter.
const NEW_BASE: i32 = 5 * RATE as i32;

/// Where a packet stands in the order of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The first of this source, or the first after it restarted: nothing before it counts.
    Fresh,
    /// The next, or after a gap.
    Next,
    /// Behind one that came earlier: reordered, or a duplicate.
    Behind,
    /// A wild sequence number; believed once the following number comes.
    Wild,
}

/// Totals of one source.
#[derive(Debug, Clone)]
pub struct Reception {
    ssrc: u32,
    base: u32,
    highest: u32,
    /// The number that would prove a restart.
    restart: Option<u16>,
    received: u64,
    /// Of sources before this one.
    received_before: u64,
    lost_before: u64,
    reordered: u64,
    transit: Option<i32>,
    /// Jitter times 16, in timestamp units (A.8).
    jitter16: i32,
    expected_then: u32,
    received_then: u64,
}

impl Reception {
    /// Begins with the source's first packet, for which [`Reception::packet`] is then called.
    pub fn new(ssrc: u32, sequence: u16) -> Reception {
        let first = u32::from(sequence);
        Reception {
            ssrc,
            base: first,
            highest: first.wrapping_sub(1),
            restart: None,
            received: 0,
            received_before: 0,
            lost_before: 0,
            reordered: 0,
            transit: None,
            jitter16: 0,
            expected_then: 0,
            received_then: 0,
        }
    }

    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Takes one packet; `timing` is its timestamp and our clock at its arrival in timestamp units. A telephone event has
    /// none: its updates all bear the time of its beginning.
    pub fn packet(&mut self, ssrc: u32, sequence: u16, timing: Option<(u32, u32)>) -> Order {
        let order = if ssrc != self.ssrc { self.begin(ssrc, sequence) } else { self.order(sequence) };
        if order == Order::Wild {
            return order;
        }
        self.received += 1;
        if order == Order::Behind {
            self.reordered += 1;
        } else {
            self.transit(timing);
        }
        order
    }

    fn begin(&mut self, ssrc: u32, sequence: u16) -> Order {
        let next = Reception::new(ssrc, sequence);
        *self = Reception {
            received_before: self.received(),
            lost_before: self.lost(),
            reordered: self.reordered,
            jitter16: self.jitter16,
            highest: u32::from(sequence),
            ..next
        };
        Order::Fresh
    }

    fn order(&mut self, sequence: u16) -> Order {
        if self.received == 0 {
            self.highest = self.base;
            return Order::Fresh;
        }
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead == 0 {
            Order::Behind
        } else if ahead < DROPOUT {
            self.highest = self.highest.wrapping_add(u32::from(ahead));
            self.restart = None;
            Order::Next
        } else if ahead <= u16::MAX - MISORDER {
            if self.restart == Some(sequence) {
                let ssrc = self.ssrc;
                return self.begin(ssrc, sequence);
            }
            self.restart = Some(sequence.wrapping_add(1));
            Order::Wild
        } else {
            Order::Behind
        }
    }

    fn transit(&mut self, timing: Option<(u32, u32)>) {
        let Some((timestamp, arrival)) = timing else {
            self.transit = None;
            return;
        };
        let transit = arrival.wrapping_sub(timestamp) as i32;
        if let Some(before) = self.transit {
            let d = transit.wrapping_sub(before).saturating_abs();
            if d < NEW_BASE {
                self.jitter16 += d - ((self.jitter16 + 8) >> 4);
            }
        }
        self.transit = Some(transit);
    }

    /// Packets of all sources so far.
    pub fn received(&self) -> u64 {
        self.received_before + self.received
    }

    /// Packets that should have come and did not (A.3); duplicates can hide losses, as in the RFC.
    pub fn lost(&self) -> u64 {
        self.lost_before + u64::from(self.expected()).saturating_sub(self.received)
    }

    pub fn reordered(&self) -> u64 {
        self.reordered
    }

    /// Interarrival jitter in timestamp units.
    pub fn jitter(&self) -> u32 {
        (self.jitter16 >> 4).max(0) as u32
    }

    fn expected(&self) -> u32 {
        if self.received == 0 { 0 } else { self.highest.wrapping_sub(self.base).wrapping_add(1) }
    }

    /// The report on this source since the last one; `last_report` and `since` as [`Block`] wants them.
    pub fn block(&mut self, last_report: u32, since: u32) -> Block {
        let expected = self.expected().wrapping_sub(self.expected_then);
        let received = (self.received - self.received_then).min(u64::from(u32::MAX)) as u32;
        self.expected_then = self.expected();
        self.received_then = self.received;
        let lost = expected.saturating_sub(received);
        let fraction = if expected == 0 { 0 } else { (u64::from(lost) * 256 / u64::from(expected)).min(255) as u8 };
        let total = i64::from(self.expected()) - self.received as i64;
        Block {
            ssrc: self.ssrc,
            fraction_lost: fraction,
            lost: total.clamp(-0x80_0000, 0x7f_ffff) as i32,
            highest: self.highest,
            jitter: self.jitter(),
            last_report,
            since,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn loss_is_counted_over_the_wrap() {
        let mut reception = Reception::new(1, 65_530);
        for n in 0..20u32 {
            if n != 4 && n != 15 {
                let order = reception.packet(1, 65_530u16.wrapping_add(n as u16), Some((n * 160, n * 160)));
                assert_ne!(order, Order::Wild, "packet {n}");
            }
        }
        assert_eq!((reception.received(), reception.lost(), reception.jitter()), (18, 2, 0));
        let block = reception.block(0, 0);
        assert_eq!((block.lost, block.highest, block.fraction_lost), (2, 65_549, (2 * 256 / 20) as u8));
        assert_eq!(reception.block(0, 0).fraction_lost, 0, "only what came since the last report counts");
    }

    #[test]
    fn a_restart_is_believed_at_its_second_packet() {
        let mut reception = Reception::new(1, 100);
        assert_eq!(reception.packet(1, 100, None), Order::Fresh);
        assert_eq!(reception.packet(1, 40_000, None), Order::Wild);
        assert_eq!(reception.packet(1, 40_001, None), Order::Fresh);
        assert_eq!(reception.packet(1, 40_002, None), Order::Next);
        assert_eq!(reception.lost(), 0);
    }

    /// ATTACKS 38: a timestamp that jumps by two hours is no jitter of two hours.
    #[test]
    fn a_new_time_base_is_no_jitter() {
        let mut reception = Reception::new(1, 0);
        for n in 0..200u32 {
            let jump = if n >= 100 { 2 * 3600 * RATE } else { 0 };
            reception.packet(1, n as u16, Some((n * 160 + jump, n * 160 + n % 2 * 16)));
        }
        assert!((10..=17).contains(&reception.jitter()), "{}", reception.jitter());
    }

    proptest! {
        #[test]
        fn any_packets_are_counted(packets in proptest::collection::vec((0u32..3, any::<u16>(), any::<u32>(), any::<u32>()), 1..200)) {
            let mut reception = Reception::new(packets[0].0, packets[0].1);
            let mut taken = 0;
            for (ssrc, sequence, timestamp, arrival) in packets {
                taken += u64::from(reception.packet(ssrc, sequence, Some((timestamp, arrival))) != Order::Wild);
                reception.block(0, 0);
            }
            prop_assert_eq!(reception.received(), taken);
        }
    }
}
