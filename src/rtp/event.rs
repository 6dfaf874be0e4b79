//! Telephone events (RFC 4733): keys received exactly once, and keys sent.

use std::collections::VecDeque;

use super::RATE;

/// Octets of one event.
pub const PAYLOAD: usize = 4;

/// The key of an event code, 0 to 15; flash and the tones of modems are none.
pub fn key(code: u8) -> Option<char> {
    KEYS.get(usize::from(code)).map(|key| char::from(*key))
}

/// The event code of a key.
pub fn code(key: char) -> Option<u8> {
    KEYS.iter().position(|k| char::from(*k) == key.to_ascii_uppercase()).map(|code| code as u8)
}

const KEYS: &[u8; 16] = b"0123456789*#ABCD";

/// One packet's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub code: u8,
    pub end: bool,
    /// 0 (loud) to 63, minus dBm0.
    pub volume: u8,
    /// Since the packet's timestamp, in timestamp units.
    pub duration: u16,
}

impl Event {
    /// `None` for a payload of less than four octets.
    pub fn parse(payload: &[u8]) -> Option<Event> {
        let [code, flags, high, low] = *payload.first_chunk::<PAYLOAD>()?;
        let duration = u16::from_be_bytes([high, low]);
        Some(Event { code, end: flags & 0x80 != 0, volume: flags & 0x3f, duration })
    }

    pub fn bytes(self) -> [u8; PAYLOAD] {
        let [high, low] = self.duration.to_be_bytes();
        [self.code, u8::from(self.end) << 7 | self.volume & 0x3f, high, low]
    }
}

/// Events, or segments of long ones, that are remembered: more than can be under way on any network at once.
const REMEMBERED: usize = 8;
/// Two keys do not begin within a 20th of a second: senders that move the timestamp with each update still press one key.
const SAME: u32 = 20;

/// The longest segment of a key, and the most by which senders fall short of it: they end at a packet's end.
const LONGEST: u32 = 0xffff;
/// A 50th of a second.
const SHORT: u32 = 50;

/// Finds each key once among packets that are lost, repeated and reordered.
///
/// An event is known by the time of its beginning, which all its packets bear (RFC 4733 section 2.1). A key longer
/// than 8 s comes as segments, each with a timestamp of its own where the last ended and without marker
/// (section 2.5.1.3).
#[derive(Debug, Clone)]
pub struct Receiver {
    /// Timestamp units a second.
    clock: u32,
    /// A ring.
    recent: [Option<Seen>; REMEMBERED],
    latest: usize,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    timestamp: u32,
    code: u8,
    duration: u16,
    ended: bool,
}

impl Default for Receiver {
    fn default() -> Receiver {
        Receiver::at(RATE)
    }
}

impl Receiver {
    /// Of a stream whose timestamps count so many a second: events share them with the audio (RFC 4733 section 2.1).
    pub fn at(clock: u32) -> Receiver {
        Receiver { clock, recent: [None; REMEMBERED], latest: 0 }
    }

    /// Takes one packet; gives the key if this is the first that is heard of it.
    pub fn packet(&mut self, event: Event, timestamp: u32, marker: bool) -> Option<char> {
        let key = key(event.code)?;
        let known = self.recent.iter_mut().flatten().find(|s| s.timestamp == timestamp && s.code == event.code);
        if let Some(seen) = known {
            seen.duration = seen.duration.max(event.duration);
            seen.ended |= event.end;
            return None;
        }
        let clock = self.clock;
        // Not of the latest alone: the next key's first packet may have overtaken this one.
        let goes_on = !marker && self.recent.iter().flatten().any(|seen| seen.goes_on(clock, event.code, timestamp));
        self.latest = (self.latest + 1) % REMEMBERED;
        self.recent[self.latest] =
            Some(Seen { timestamp, code: event.code, duration: event.duration, ended: event.end });
        (!goes_on).then_some(key)
    }
}

impl Seen {
    /// Whether a packet without marker continues this event rather than beginning the next.
    fn goes_on(&self, clock: u32, code: u8, timestamp: u32) -> bool {
        let short = clock / SHORT;
        let after = timestamp.wrapping_sub(self.timestamp);
        let long = u32::from(self.duration);
        // Where the last one ended, but for lost updates; between two keys are 40 ms or more (ITU-T Q.24), so of a
        // segment that is not a full one only a single update may be lost.
        let full = (LONGEST - short..=LONGEST).contains(&after);
        let segment = long >= 0x8000 && after >= long && (full || after - long <= short);
        self.code == code && !self.ended && (segment || after <= clock / SAME)
    }
}

/// Ticks that a sent key is down: 100 ms.
const DOWN: u16 = 5;
/// The last packet goes out three times (RFC 4733 section 2.5.1.4).
const ENDS: u8 = 3;
/// Ticks between two keys: with the ends' 40 ms, 100 ms of quiet.
const BETWEEN: u8 = 3;
/// Ticks of a comma: 500 ms.
const COMMA: u8 = 25;
/// Keys that may wait; more are left out.
const WAITING: usize = 256;
/// -10 dBm0, as telephones send.
const VOLUME: u8 = 10;

/// Sends keys, one packet a tick.
#[derive(Debug, Clone, Default)]
pub struct Sender {
    keys: VecDeque<char>,
    state: Sending,
}

#[derive(Debug, Clone, Copy, Default)]
enum Sending {
    #[default]
    Idle,
    Down {
        code: u8,
        since: u32,
        ticks: u16,
    },
    End {
        code: u8,
        since: u32,
        left: u8,
    },
    Quiet {
        left: u8,
    },
}

/// What goes out in this tick in place of audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    pub event: Event,
    /// Of the key's beginning.
    pub timestamp: u32,
    pub marker: bool,
}

impl Sender {
    /// Adds keys to those waiting; gives how many were left out (no key, or too many).
    pub fn push(&mut self, keys: &str) -> usize {
        let mut left_out = 0;
        for key in keys.chars().filter(|c| !c.is_whitespace()) {
            if (key == ',' || code(key).is_some()) && self.keys.len() < WAITING {
                self.keys.push_back(key);
            } else {
                left_out += 1;
            }
        }
        left_out
    }

    /// Whether a tick would neither send nor wait.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, Sending::Idle) && self.keys.is_empty()
    }

    /// One tick; `timestamp` is that of the audio this packet would carry, `step` what a tick adds to it.
    pub fn tick(&mut self, timestamp: u32, step: u16) -> Option<Sent> {
        if let Sending::Quiet { left } = &mut self.state {
            *left -= 1;
            if *left > 0 {
                return None;
            }
            self.state = Sending::Idle;
        }
        if matches!(self.state, Sending::Idle) {
            self.state = match self.keys.pop_front()? {
                ',' => Sending::Quiet { left: COMMA },
                key => Sending::Down { code: code(key).unwrap_or(0), since: timestamp, ticks: 0 },
            };
        }
        match self.state {
            Sending::Down { code, since, ticks } => {
                let ticks = ticks + 1;
                let end = ticks == DOWN;
                self.state = if end {
                    Sending::End { code, since, left: ENDS - 1 }
                } else {
                    Sending::Down { code, since, ticks }
                };
                let event = Event { code, end, volume: VOLUME, duration: ticks * step };
                Some(Sent { event, timestamp: since, marker: ticks == 1 })
            }
            Sending::End { code, since, left } => {
                self.state = match left - 1 {
                    0 => Sending::Quiet { left: BETWEEN + 1 },
                    left => Sending::End { code, since, left },
                };
                let event = Event { code, end: true, volume: VOLUME, duration: DOWN * step };
                Some(Sent { event, timestamp: since, marker: false })
            }
            Sending::Idle | Sending::Quiet { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    /// A packet as it is on the wire: sequence for the order of sending, then what the receiver is given.
    type Wire = (u32, Event, u32, bool);

    /// Keys as a telephone sends them: (code, length in ticks), the last packet three times, long ones in segments.
    fn telephone(keys: &[(u8, u32)]) -> Vec<Wire> {
        let mut out = Vec::new();
        let mut clock = 0xffff_0000u32; // wraps on the way
        for &(code, ticks) in keys {
            for tick in 1..=ticks + 2 {
                let whole = 160 * tick.min(ticks);
                let segments = (whole - 1) / 0xffff;
                let event =
                    Event { code, end: tick >= ticks, volume: 10, duration: (whole - segments * 0xffff) as u16 };
                out.push((out.len() as u32, event, clock.wrapping_add(segments * 0xffff), tick == 1));
            }
            clock = clock.wrapping_add(160 * (ticks + 5));
        }
        out
    }

    /// Loses, triples and delays packets; of each key at least one packet comes through.
    fn network(packets: Vec<Wire>, seed: u64) -> Vec<Wire> {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut out: Vec<(u32, Wire)> = Vec::new();
        for (i, packet) in packets.iter().enumerate() {
            if !packet.3 && random.random_bool(0.3) {
                continue; // the marked first one comes, with delay
            }
            for _ in 0..if random.random_bool(0.2) { 3 } else { 1 } {
                let delay = if random.random_bool(0.2) { random.random_range(0..4) } else { 0 };
                out.push(((i as u32 + delay) * 4 + random.random_range(0..4), *packet));
            }
        }
        out.sort_by_key(|(at, _)| *at);
        out.into_iter().map(|(_, packet)| packet).collect()
    }

    fn heard(packets: &[Wire]) -> String {
        let mut receiver = Receiver::default();
        packets
            .iter()
            .filter_map(|(_, event, timestamp, marker)| receiver.packet(*event, *timestamp, *marker))
            .collect()
    }

    proptest! {
        /// ATTACKS 40: each key exactly once, with ends lost, tripled or reordered, and held for up to a minute.
        #[test]
        fn each_key_is_heard_once(keys in proptest::collection::vec((0u8..16, prop_oneof![3u32..30, 400u32..3000]), 1..12), seed: u64) {
            let wanted: String = keys.iter().filter_map(|(code, _)| key(*code)).collect();
            let packets = telephone(&keys);
            prop_assert_eq!(heard(&packets), wanted.clone());
            let through = network(packets, seed);
            prop_assert_eq!(heard(&through), wanted);
        }

        #[test]
        fn what_is_sent_is_heard(keys in "[0-9*#A-D,]{0,20}", start: u32) {
            let mut sender = Sender::default();
            prop_assert_eq!(sender.push(&keys), 0);
            let mut receiver = Receiver::default();
            let (mut text, mut now, mut ends) = (String::new(), start, 0);
            for _ in 0..30 * 25 {
                if let Some(sent) = sender.tick(now, 160) {
                    let event = Event::parse(&sent.event.bytes()).expect("four octets");
                    prop_assert_eq!(event, sent.event);
                    prop_assert!(u32::from(event.duration) <= now.wrapping_sub(sent.timestamp) + 160);
                    ends += usize::from(event.end);
                    text.extend(receiver.packet(event, sent.timestamp, sent.marker));
                }
                now = now.wrapping_add(160);
            }
            prop_assert!(sender.is_idle());
            let wanted: String = keys.chars().filter(|c| *c != ',').collect();
            prop_assert_eq!(ends, wanted.len() * 3);
            prop_assert_eq!(text, wanted);
        }

        #[test]
        fn any_payload_is_read_or_refused(packets in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..6), any::<u32>(), any::<bool>()), 0..50)) {
            let mut receiver = Receiver::default();
            for (payload, timestamp, marker) in packets {
                if let Some(event) = Event::parse(&payload) {
                    receiver.packet(event, timestamp, marker);
                }
            }
        }
    }

    #[test]
    fn the_same_key_twice_is_two_keys_though_all_ends_are_lost() {
        let packets: Vec<Wire> = telephone(&[(5, 6), (5, 6)]).into_iter().filter(|p| !p.1.end && !p.3).collect();
        assert_eq!(heard(&packets), "55");
    }

    #[test]
    fn a_key_after_a_long_one_is_another_though_ends_are_lost_and_the_first_packet_is_late() {
        let mut packets = telephone(&[(12, 637), (12, 3)]);
        let (_, _, second, _) = *packets.last().expect("packets");
        packets.retain(|(_, event, timestamp, marker)| {
            *timestamp == second && !marker || *timestamp != second && !event.end
        });
        assert_eq!(heard(&packets), "AA");
    }

    /// Found by the property test: the last segment comes after the next key's first packet.
    #[test]
    fn a_segment_that_was_overtaken_is_no_key() {
        let mut packets = telephone(&[(0, 410), (0, 3)]);
        let next = packets.iter().rposition(|packet| packet.3).expect("the second key begins");
        packets.swap(next, next - 1);
        packets.retain(|packet| packet.0 as usize != next - 2 && packet.0 as usize != next - 3);
        assert_eq!(heard(&packets), "00");
    }

    #[test]
    fn segments_of_any_long_length_are_one_key() {
        for segment in [33_600u32, 48_000, 65_440, 0xffff] {
            let mut receiver = Receiver::default();
            let mut text = String::new();
            for now in (160..300_000u32).step_by(160) {
                let begun = (now - 1) / segment * segment;
                let event = Event { code: 7, end: false, volume: 10, duration: (now - begun) as u16 };
                // One in a while is lost.
                if now % 1120 != 0 {
                    text.extend(receiver.packet(event, begun, now == 160));
                }
            }
            assert_eq!(text, "7", "segments of {segment}");
        }
    }

    #[test]
    fn a_sender_that_moves_the_timestamp_presses_one_key() {
        let mut receiver = Receiver::default();
        let mut text = String::new();
        for n in 0..10u16 {
            let event = Event { code: 1, end: n > 7, volume: 10, duration: 160 * (n + 1) };
            text.extend(receiver.packet(event, u32::from(n.min(8)) * 160, n == 0));
        }
        assert_eq!(text, "1");
    }
}
