//! The jitter buffer: packets in any order in, one 20 ms frame a tick out, in the order of their sequence numbers.
//!
//! A packet waits for a fixed delay before the first of its spurt is heard; each packet that still comes too late adds
//! a tick to it, up to five times the setting, and ten seconds without one take a tick away. Packets of any length
//! (10 to 60 ms) are taken; memory is bounded by 16 packets of [`LONGEST`] octets.
//!
//! Time is counted in octets of G.711, 8 a millisecond. Of codecs that can only decode whole packets each packet says
//! how long it sounds ([`Buffer::put_packet`]), and a tick takes as many as it needs ([`Buffer::packets`]).

/// Packets that can wait: 320 ms at 20 ms each.
const SLOTS: usize = 16;
/// Octets of one packet that are kept: 60 ms of G.711, or any Opus frame (RFC 6716 section 3.4: 1,275).
pub const LONGEST: usize = 1_280;
/// Of which G.711 may have so many: 60 ms.
const LONGEST_G711: usize = 480;
/// The longest time of one packet: 120 ms.
const LONGEST_TIME: usize = 960;
/// Octets of a tick.
const FRAME: usize = 160;
/// Ticks without a late packet after which the delay shrinks again.
const CALM: u32 = 500;
/// Ticks over which the least depth is taken before a frame is thrown away to catch up.
const WINDOW: u32 = 100;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Taken,
    /// Its turn was over, or it came before: not heard.
    Late,
}

/// What a tick brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    Audio,
    /// A packet is missing; the frame holds the one before it, once, then silence.
    Concealed,
    /// Nobody is sending, or the delay is being filled: the frame holds silence.
    Nothing,
}

#[derive(Debug, Clone)]
pub struct Buffer {
    slots: Vec<Slot>,
    /// Slots that are full and the octets in them: counted, for every tick asks and the slots are spread over memory.
    full: usize,
    octets: usize,
    /// The sequence number that is due.
    next: u16,
    state: State,
    /// Octets of the packet that is due which are gone.
    at: usize,
    /// Ticks that the first packet waits, now and at least.
    delay: u32,
    base: u32,
    calm: u32,
    window: u32,
    least: usize,
    /// For concealment; and the length of the packets, which a missing one is taken to have had.
    last: [u8; FRAME],
    length: usize,
    concealed: bool,
    skipped: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was heard of this source yet: even a packet before the first may come.
    Fresh {
        waited: u32,
    },
    Filling {
        waited: u32,
    },
    Playing,
}

#[derive(Debug, Clone, Default)]
struct Slot {
    full: bool,
    sequence: u16,
    /// Empty for what is no audio but has a place in the order (events, comfort noise).
    audio: Vec<u8>,
    /// How long it sounds.
    length: usize,
}

impl Buffer {
    /// `delay`: ticks that a packet waits at least.
    pub fn new(delay: u32) -> Buffer {
        Buffer {
            slots: Vec::new(),
            full: 0,
            octets: 0,
            next: 0,
            state: State::Fresh { waited: 0 },
            at: 0,
            delay,
            base: delay,
            calm: 0,
            window: 0,
            least: usize::MAX,
            last: [0; FRAME],
            length: FRAME,
            concealed: true,
            skipped: 0,
        }
    }

    /// Forgets all packets: the source restarts.
    pub fn clear(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.full = false);
        (self.full, self.octets) = (0, 0);
        self.state = State::Fresh { waited: 0 };
        self.at = 0;
        self.concealed = true;
    }

    /// Packets thrown away to keep the delay.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Takes one packet; `audio` is empty for what only has a place in the order.
    pub fn put(&mut self, sequence: u16, audio: &[u8]) -> Put {
        let audio = &audio[..audio.len().min(LONGEST_G711)];
        self.put_packet(sequence, audio, audio.len())
    }

    /// The same where octets are not time: `length` says how long the packet sounds.
    pub fn put_packet(&mut self, sequence: u16, audio: &[u8], length: usize) -> Put {
        if self.slots.is_empty() {
            self.slots.resize_with(SLOTS, Slot::default);
        }
        let mut ahead = i32::from(sequence.wrapping_sub(self.next) as i16);
        if let State::Fresh { .. } = self.state {
            let empty = self.is_empty();
            if empty || (-(SLOTS as i32)..0).contains(&ahead) && self.spans(sequence) {
                self.next = sequence;
                ahead = 0;
            }
        }
        if ahead < 0 {
            self.late();
            return Put::Late;
        }
        if ahead >= 2 * SLOTS as i32 {
            self.clear();
            self.next = sequence;
        } else {
            while sequence.wrapping_sub(self.next) as usize >= SLOTS {
                self.skip();
            }
        }
        let slot = &mut self.slots[usize::from(sequence) % SLOTS];
        if slot.full {
            return Put::Late;
        }
        slot.full = true;
        slot.sequence = sequence;
        slot.audio.clear();
        slot.audio.extend_from_slice(&audio[..audio.len().min(LONGEST)]);
        slot.length = length.min(LONGEST_TIME);
        self.full += 1;
        self.octets += slot.length;
        Put::Taken
    }

    /// Whether the buffer can hold everything from `sequence` to the last packet it has.
    fn spans(&self, sequence: u16) -> bool {
        self.slots.iter().all(|slot| !slot.full || usize::from(slot.sequence.wrapping_sub(sequence)) < SLOTS)
    }

    fn late(&mut self) {
        self.calm = 0;
        self.delay = (self.delay + 1).min(self.base * 5);
        // The window begins anew: what it saw was measured against the old delay.
        (self.window, self.least) = (0, usize::MAX);
    }

    fn is_empty(&self) -> bool {
        self.full == 0
    }

    fn skip(&mut self) {
        let slot = &mut self.slots[usize::from(self.next) % SLOTS];
        if slot.full {
            self.skipped += 1;
            self.full -= 1;
            self.octets -= slot.length;
            slot.full = false;
        }
        self.next = self.next.wrapping_add(1);
        self.at = 0;
    }

    /// Audio that waits, in octets.
    fn depth(&self) -> usize {
        // A place that is being concealed counts its part that is gone, though nothing lies in it.
        self.octets.saturating_sub(self.at)
    }

    /// One tick: fills `frame`, with `silence` where there is nothing.
    pub fn pull(&mut self, frame: &mut [u8; FRAME], silence: u8) -> Pulled {
        if !self.ready() {
            frame.fill(silence);
            return Pulled::Nothing;
        }
        let pulled = self.play(frame, silence);
        if pulled == Pulled::Audio {
            self.last = *frame;
            self.concealed = false;
        }
        self.adapt();
        pulled
    }

    /// One tick of a codec whose packets are decoded whole: gives packets, `None` for a lost one, with the time that each
    /// sounds, until they come to `wanted`.
    pub fn packets(&mut self, wanted: usize, mut give: impl FnMut(Option<&[u8]>, usize)) -> Pulled {
        if !self.ready() {
            return Pulled::Nothing;
        }
        let mut given = 0;
        let mut pulled = Pulled::Nothing;
        while given < wanted {
            let slot = &mut self.slots[usize::from(self.next) % SLOTS];
            let length = if slot.full {
                let length = std::mem::take(&mut slot.length);
                slot.full = false;
                self.full -= 1;
                self.octets -= length;
                if length > 0 {
                    self.length = length;
                    give(Some(&slot.audio), length);
                    pulled = if pulled == Pulled::Concealed { Pulled::Concealed } else { Pulled::Audio };
                }
                length
            } else if self.full == 0 {
                self.state = State::Filling { waited: 0 };
                break;
            } else {
                // Later ones are here: this one is lost. It had the length of its neighbours.
                give(None, self.length);
                pulled = Pulled::Concealed;
                self.length
            };
            self.next = self.next.wrapping_add(1);
            given += length;
        }
        self.adapt();
        pulled
    }

    /// Lets the delay fill.
    fn ready(&mut self) -> bool {
        let (State::Fresh { waited } | State::Filling { waited }) = self.state else { return true };
        if self.is_empty() {
            return false;
        }
        if waited < self.delay && self.depth() <= self.delay as usize * FRAME {
            let waited = waited + 1;
            self.state =
                if let State::Fresh { .. } = self.state { State::Fresh { waited } } else { State::Filling { waited } };
            return false;
        }
        // What is missing before the first packet that came is not waited for again.
        while !self.slots[usize::from(self.next) % SLOTS].full {
            self.next = self.next.wrapping_add(1);
        }
        self.state = State::Playing;
        true
    }

    fn play(&mut self, frame: &mut [u8; FRAME], silence: u8) -> Pulled {
        let mut filled = 0;
        let mut pulled = Pulled::Audio;
        while filled < FRAME {
            let slot = &mut self.slots[usize::from(self.next) % SLOTS];
            if slot.full {
                // A packet that comes while its place is being concealed may be shorter than what was concealed.
                let left = slot.audio.get(self.at..).unwrap_or_default();
                let take = left.len().min(FRAME - filled);
                frame[filled..filled + take].copy_from_slice(&left[..take]);
                filled += take;
                self.at += take;
                if take == left.len() {
                    if !slot.audio.is_empty() {
                        self.length = slot.audio.len();
                    }
                    slot.full = false;
                    self.full -= 1;
                    self.octets -= slot.length;
                    self.next = self.next.wrapping_add(1);
                    self.at = 0;
                }
            } else if self.full == 0 {
                // A packet of less than a frame, or the end of the spurt.
                frame[filled..].fill(silence);
                self.state = State::Filling { waited: 0 };
                self.at = 0;
                return if filled == 0 { Pulled::Nothing } else { pulled };
            } else {
                // Later ones are here: this one is lost. It had the length of its neighbours.
                let take = (self.length - self.at.min(self.length)).min(FRAME - filled);
                if self.concealed {
                    frame[filled..filled + take].fill(silence);
                } else {
                    frame[filled..filled + take].copy_from_slice(&self.last[filled..filled + take]);
                }
                filled += take;
                self.at += take;
                if self.at >= self.length {
                    self.next = self.next.wrapping_add(1);
                    self.at = 0;
                }
                pulled = Pulled::Concealed;
            }
        }
        if pulled == Pulled::Concealed {
            self.concealed = true;
        }
        pulled
    }

    fn adapt(&mut self) {
        self.calm += 1;
        if self.calm >= CALM {
            self.calm = 0;
            self.delay = (self.delay - 1).max(self.base);
        }
        if self.state == State::Playing {
            self.least = self.least.min(self.depth());
        } else {
            (self.window, self.least) = (0, usize::MAX);
            return;
        }
        self.window += 1;
        if self.window >= WINDOW {
            // Two ticks too deep all the time (their clock is faster, or the delay shrank): one packet is left out.
            if self.least > (self.delay as usize + 1) * FRAME {
                self.skip();
            }
            (self.window, self.least) = (0, usize::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    const SILENCE: u8 = 0xd5;

    fn pull(buffer: &mut Buffer) -> (Pulled, [u8; FRAME]) {
        let mut frame = [0; FRAME];
        (buffer.pull(&mut frame, SILENCE), frame)
    }

    #[test]
    fn packets_that_overtake_within_the_delay_are_heard_in_order() {
        let mut buffer = Buffer::new(2);
        let mut heard = Vec::new();
        for pair in 0..50u16 {
            // 1 0 3 2 5 4 … over the wrap, two in every second tick
            for n in [pair * 2 + 1, pair * 2] {
                assert_eq!(buffer.put(n.wrapping_add(65_500), &[n as u8; FRAME]), Put::Taken, "packet {n}");
            }
            for _ in 0..2 {
                let (pulled, frame) = pull(&mut buffer);
                if pulled == Pulled::Audio {
                    heard.push(frame[0]);
                }
            }
        }
        assert_eq!(heard, (0..heard.len() as u8).collect::<Vec<_>>());
        assert!(heard.len() >= 96, "{}", heard.len());
    }

    #[test]
    fn a_lost_packet_is_the_one_before_it_and_then_silence() {
        let mut buffer = Buffer::new(2);
        let mut seen = Vec::new();
        for n in 0..14u16 {
            if ![5, 8, 9].contains(&n) {
                buffer.put(n, &[n as u8; FRAME]);
            }
            let (pulled, frame) = pull(&mut buffer);
            if pulled != Pulled::Nothing {
                seen.push(frame[0]);
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 4, 6, 7, 7, SILENCE, 10, 11]);
    }

    /// Found by fuzzing: 30 ms packets, one is lost, half of it is concealed, then it comes after all, but short.
    #[test]
    fn a_short_packet_into_a_half_concealed_place_is_survived() {
        let mut buffer = Buffer::new(1);
        for n in [0u16, 1, 3, 4] {
            buffer.put(n, &[n as u8; 240]);
        }
        while buffer.next != 2 || buffer.at == 0 {
            pull(&mut buffer);
        }
        assert_eq!(buffer.put(2, &[2; 20]), Put::Taken);
        let heard: Vec<u8> = (0..4).flat_map(|_| pull(&mut buffer).1).collect();
        assert!(heard.contains(&3) && heard.contains(&4) && !heard.contains(&2), "{heard:?}");
    }

    #[test]
    fn packets_of_any_length_give_whole_frames() {
        for length in [80, 160, 240, 320, 480] {
            let mut buffer = Buffer::new(2);
            let mut wanted: Vec<u8> = Vec::new();
            let mut heard = Vec::new();
            let (mut sent, mut at) = (0u16, 0);
            for tick in 0..60 {
                while at <= tick * FRAME {
                    let audio: Vec<u8> = (0..length).map(|i| (at + i) as u8).collect();
                    assert_eq!(buffer.put(sent, &audio), Put::Taken, "{length}");
                    wanted.extend(&audio);
                    at += length;
                    sent += 1;
                }
                let (pulled, frame) = pull(&mut buffer);
                if pulled == Pulled::Audio {
                    heard.extend(frame);
                }
            }
            assert!(heard.len() > 50 * FRAME, "{length}: {}", heard.len());
            assert_eq!(heard, wanted[..heard.len()], "{length}");
        }
    }

    #[test]
    fn the_delay_grows_with_late_packets_and_shrinks_again() {
        let mut buffer = Buffer::new(1);
        for n in 0..10 {
            buffer.put(n, &[0; FRAME]);
            pull(&mut buffer);
        }
        for _ in 0..3 {
            assert_eq!(buffer.put(2, &[0; FRAME]), Put::Late);
        }
        assert_eq!(buffer.delay, 4);
        for n in 10..10 + 4 * CALM as u16 {
            buffer.put(n, &[0; FRAME]);
            pull(&mut buffer);
        }
        assert_eq!(buffer.delay, 1);
    }

    #[test]
    fn a_faster_clock_does_not_grow_the_delay() {
        let mut buffer = Buffer::new(2);
        let mut sent = 0u16;
        for tick in 0..20_000u32 {
            // 0.1 % fast
            while u32::from(sent) * 1000 <= tick * 1001 {
                buffer.put(sent, &[0; FRAME]);
                sent += 1;
            }
            pull(&mut buffer);
            assert!(buffer.depth() <= 6 * FRAME, "tick {tick}: {}", buffer.depth());
        }
        assert!((10..=30).contains(&buffer.skipped()), "{}", buffer.skipped());
    }

    proptest! {
        /// A link that loses, doubles and delays: heard in order, no packet twice, bounded, and all that came in time.
        #[test]
        fn ordered_without_doubles(seed: u64, start: u16, loss in 0.0f64..0.3, disorder in 0u32..4) {
            let mut random = SmallRng::seed_from_u64(seed);
            let mut buffer = Buffer::new(4);
            let mut wire: Vec<(u32, u16)> = Vec::new();
            for n in 0..200u32 {
                if !random.random_bool(loss) {
                    for _ in 0..=u32::from(random.random_bool(0.1)) {
                        wire.push((n + random.random_range(0..=disorder), n as u16));
                    }
                }
            }
            let mut heard: Vec<u16> = Vec::new();
            let mut taken = 0;
            for tick in 0..230 {
                for (_, n) in wire.iter().filter(|(at, _)| *at == tick) {
                    let mut audio = [0; FRAME];
                    audio[..2].copy_from_slice(&n.to_be_bytes());
                    taken += usize::from(buffer.put(start.wrapping_add(*n), &audio) == Put::Taken);
                }
                let (pulled, frame) = pull(&mut buffer);
                if pulled == Pulled::Audio {
                    heard.push(u16::from_be_bytes([frame[0], frame[1]]));
                }
            }
            prop_assert!(heard.is_sorted_by(|a, b| a < b), "{:?}", heard);
            let mut distinct: Vec<u16> = wire.iter().map(|(_, n)| *n).collect();
            distinct.sort_unstable();
            distinct.dedup();
            prop_assert_eq!(taken as u64, heard.len() as u64 + buffer.skipped());
            prop_assert!(taken + 4 >= distinct.len(), "{} of {} in time", taken, distinct.len());
        }

        #[test]
        fn any_packets_are_taken(packets in proptest::collection::vec((any::<u16>(), 0usize..700, any::<bool>()), 0..300)) {
            let mut buffer = Buffer::new(2);
            for (sequence, length, tick) in packets {
                buffer.put(sequence, &vec![1; length]);
                if tick {
                    pull(&mut buffer);
                }
                let full = || buffer.slots.iter().filter(|slot| slot.full);
                prop_assert_eq!(buffer.full, full().count());
                prop_assert_eq!(buffer.octets, full().map(|slot| slot.length).sum::<usize>());
                prop_assert!(buffer.depth() <= SLOTS * LONGEST_TIME);
            }
        }

        /// Whole packets of any length: each that came, once and in order.
        #[test]
        fn whole_packets_come_in_order(lost in proptest::collection::vec(any::<bool>(), 30), ms in prop_oneof![Just(10usize), Just(20), Just(40), Just(60)]) {
            let length = ms * 8;
            let mut buffer = Buffer::new(3);
            let (mut seen, mut have) = (Vec::new(), 0usize);
            let (mut sent, mut at) = (0u16, 0);
            for tick in 0..(30 * ms / 20 + 40) {
                while at <= tick * FRAME && usize::from(sent) < lost.len() {
                    if !lost[usize::from(sent)] {
                        prop_assert_eq!(buffer.put_packet(sent, &[sent as u8; 33], length), Put::Taken);
                    }
                    sent += 1;
                    at += length;
                }
                buffer.packets(FRAME.saturating_sub(have), |packet, sounds| {
                    assert!(packet.is_none() || sounds == length);
                    seen.extend(packet.map(|octets| u16::from(octets[0])));
                    have += sounds;
                });
                have = have.saturating_sub(FRAME);
            }
            let came: Vec<u16> = (0..30).filter(|n| !lost[usize::from(*n)]).collect();
            prop_assert_eq!(seen, came);
        }
    }
}
