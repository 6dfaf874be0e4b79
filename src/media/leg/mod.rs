//! One call's audio, pure: packets, 20 ms ticks and commands in; packets, recorded audio and events out.
//!
//! Drive it so: give it every packet that came ([`Stream::receive`], [`Stream::receive_rtcp`]) and every command, then
//! one [`Stream::tick`], then drain [`Stream::poll`]. Each tick plays out one heard frame (recording, endpointing,
//! bridging) and sends one packet.
//!
//! Between prompts the stream goes on with silence: the caller's network counts no loss, keeps its NAT bindings and
//! never takes us for dead, and there are no talk-spurts whose beginnings could be cut. Only where nothing may be sent
//! (hold, no proven address) packets stop; the timestamp goes on, prompts wait, and the first packet after it bears the
//! marker. We always send 20 ms a packet: another `ptime` is a wish (RFC 8866 section 6.4), not a limit.

mod hearing;
mod reports;
mod secure;
mod sending;
mod voice;
mod wide;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::FRAME;
use super::command::{Command, Connect, Event, Segment, SegmentEnd, Stats};
use super::config::Network;
use super::dtmf::Detector;
use super::presses::{Presses, Way};
use super::source::{Source, Verdict};
use crate::audio::Coding;
use crate::audio::coding;
use crate::audio::g711::Law;
use crate::rtp::event;
use crate::rtp::jitter::{Buffer, Pulled, Put};
use crate::rtp::packet::{self, Packet};
use crate::rtp::reception::{Order, Reception};
use crate::rtp::srtp::{self, Opener};
use hearing::Hearing;
use reports::Reports;
use sending::Sending;
pub use voice::{Answer, Sound};
use wide::Ear;

/// Comfort noise (RFC 3389): no audio, but it has a place in the order.
const COMFORT_NOISE: u8 = 13;

/// What is the same for all legs.
#[derive(Debug, Clone)]
pub struct Settings {
    pub inactivity: Duration,
    /// Ticks that a packet waits for the ones it overtook.
    pub jitter: u32,
    pub gateways: Vec<Network>,
    /// [`Output::Sound`] is answered by [`Stream::answer`].
    pub voices: bool,
    /// The same moment on both clocks: what RTCP calls wall time is counted from it.
    pub epoch: (Instant, Duration),
}

/// One datagram to send.
#[derive(Clone, Copy)]
pub struct Datagram {
    length: u8,
    bytes: [u8; Datagram::LONGEST],
}

impl Datagram {
    /// A packet of 20 ms (Opus is held to that too); every RTCP compound of ours is shorter.
    pub const LONGEST: usize = packet::HEADER + FRAME + srtp::MORE;

    /// `None` where `write` finds no room.
    fn write(write: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<Datagram> {
        let mut bytes = [0; Datagram::LONGEST];
        let length = write(&mut bytes)?;
        Some(Datagram { length: length as u8, bytes })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

/// Which of a leg's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Track {
    Utterance,
    /// All that is heard.
    All,
}

/// What happens to a file; in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// The file has the rate of `coding`.
    Open {
        track: Track,
        file: PathBuf,
        coding: Coding,
    },
    Audio {
        track: Track,
        coding: Coding,
        octets: Vec<u8>,
    },
    /// Sealed; an utterance is then reported.
    Close {
        track: Track,
        segment: Option<Segment>,
    },
}

pub enum Output {
    Rtp {
        to: SocketAddr,
        packet: Datagram,
    },
    Rtcp {
        to: SocketAddr,
        packet: Datagram,
    },
    /// From now on only this address is heard: the socket may be connected to it.
    Lock(SocketAddr),
    /// The lock is given up: others must be heard again.
    Unlock,
    Record(Recorded),
    /// Is it a voice?
    Sound(Sound),
    Event(Event),
}

/// One leg's state.
pub struct Stream {
    settings: Arc<Settings>,
    local: SocketAddr,
    connection: Option<Connect>,
    /// Where the audio is secured.
    opener: Option<Box<Opener>>,
    source: Source,
    reception: Option<Reception>,
    buffer: Buffer,
    /// Where the codec is not G.711.
    ear: Option<Box<Ear>>,
    keys: event::Receiver,
    /// Where keys may come as tones.
    tones: Option<Box<Detector>>,
    presses: Presses,
    hearing: Hearing,
    sending: Sending,
    reports: Reports,
    activity: Activity,
    /// The frame that this tick heard, for a bridge; empty where there was none.
    heard: Vec<u8>,
    stats: Stats,
    random: SmallRng,
    out: VecDeque<Output>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// The last sign of life.
    Alive(Instant),
    /// Inactivity was said.
    Silent,
    /// [`Event::Closed`] was said.
    Closed,
}

impl Stream {
    /// `local`: our own RTP address; `seed`: 64 random bits for SSRC, sequence, timestamp and RTCP intervals.
    pub fn new(settings: Arc<Settings>, local: SocketAddr, seed: u64, now: Instant) -> Stream {
        let mut random = SmallRng::seed_from_u64(seed);
        Stream {
            buffer: Buffer::new(settings.jitter),
            hearing: Hearing::new(settings.voices),
            settings,
            local,
            connection: None,
            opener: None,
            source: Source::default(),
            reception: None,
            ear: None,
            keys: event::Receiver::default(),
            tones: None,
            presses: Presses::default(),
            sending: Sending::new(random.random(), random.random(), random.random()),
            reports: Reports::new(random.random(), now),
            activity: Activity::Alive(now),
            heard: Vec::new(),
            stats: Stats::default(),
            random,
            out: VecDeque::new(),
        }
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Exchanges the queue of outputs for another, empty one; what waits goes with it. A thread with a thousand legs
    /// lends each the same one, which stays in its cache.
    pub fn exchange(&mut self, queue: &mut VecDeque<Output>) {
        queue.append(&mut self.out);
        std::mem::swap(&mut self.out, queue);
    }

    pub fn is_closed(&self) -> bool {
        self.activity == Activity::Closed
    }

    /// How the frames are coded that this leg hears.
    fn coding(&self) -> Coding {
        match self.connection.as_ref().map(|connection| connection.codec.law()) {
            Some(Some(law)) => Coding::Law(law),
            Some(None) => Coding::Wide,
            None => Coding::Law(Law::A),
        }
    }

    /// Timestamp units of a millisecond.
    fn clock_khz(&self) -> u32 {
        self.connection.as_ref().map_or(8, |connection| connection.codec.clock() / 1_000)
    }

    /// Bridges are made by whoever has both legs: see [`Stream::heard`] and [`Stream::pass`].
    pub fn command(&mut self, now: Instant, command: Command) {
        if self.is_closed() {
            return;
        }
        match command {
            Command::Connect(connect) => self.connect(now, connect),
            Command::Play { play, prompts, barge_in } => self.sending.play(play, prompts, barge_in, &mut self.out),
            Command::StopPlay => self.sending.stop(&mut self.out),
            Command::Listen { listen, file, limits } => self.hearing.listen(listen, file, limits, &mut self.out),
            Command::StopListen => self.hearing.stop(SegmentEnd::Stopped, &mut self.out),
            Command::Key(key) => self.key(now, key, Way::Info),
            Command::SendDigits(keys) => {
                let events = self.connection.as_ref().is_some_and(|connection| connection.events.is_some());
                self.sending.digits(&keys, events);
            }
            Command::Record { listen, file } => {
                let coding = self.coding();
                self.hearing.record_all(listen, file, coding, &mut self.out);
            }
            Command::Bridge(_) | Command::Unbridge => {}
            Command::Close => self.close(now),
        }
    }

    fn connect(&mut self, now: Instant, connect: Connect) {
        if self.source.signal(connect.remote, connect.signalled, &self.settings.gateways, self.local) {
            self.out.push_back(Output::Unlock);
        }
        let keys = self.connection.as_ref().and_then(|before| before.secure);
        self.opener = connect.secure.map(|secure| secure::opener(self.opener.take().zip(keys), secure));
        self.sending.seal(keys, connect.secure);
        let before = self.connection.as_ref().map(|before| before.codec);
        if before.is_some_and(|before| before != connect.codec) {
            // What waits is in the other codec.
            self.buffer.clear();
        }
        if before != Some(connect.codec) {
            // So is what was heard, and the silence of a leg that nobody has answered yet.
            self.hearing.forget();
            self.keys = event::Receiver::at(connect.codec.clock());
            self.ear = connect.codec.wide().map(|codec| Box::new(Ear::new(codec)));
            self.sending.speak(connect.codec);
        }
        self.tones = connect.inband.then(|| self.tones.take().unwrap_or_default());
        self.activity = Activity::Alive(now);
        self.connection = Some(connect);
    }

    fn close(&mut self, now: Instant) {
        self.hearing.close(&mut self.out);
        self.report(now, true);
        self.activity = Activity::Closed;
        self.out.push_back(Output::Event(Event::Closed(self.stats())));
    }

    /// Totals up to now.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        if let Some(reception) = &self.reception {
            stats.received = reception.received();
            stats.lost = reception.lost();
            stats.reordered = reception.reordered();
            stats.jitter_ms = f64::from(reception.jitter()) / f64::from(self.clock_khz());
        }
        stats.sent = self.sending.packets();
        (stats.remote_lost, stats.round_trip) = self.reports.remote();
        stats
    }

    /// One datagram of the RTP socket.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if self.opener.is_some() {
            return self.open(now, from, datagram);
        }
        self.take_rtp(now, from, datagram);
    }

    /// One packet in the clear.
    fn take_rtp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let Some(connection) = self.connection.as_ref().filter(|_| self.activity != Activity::Closed) else {
            return;
        };
        if connection.rtcp_mux && packet::is_rtcp(datagram) {
            return self.take_rtcp(now, from, datagram);
        }
        let known = |payload: u8| {
            payload == connection.payload || Some(payload) == connection.events || payload == COMFORT_NOISE
        };
        let packet = match Packet::parse(datagram) {
            Ok(packet) if known(packet.payload_type) => packet,
            _ => {
                let ours = self.source.is_rtcp_ours(from);
                *if ours { &mut self.stats.unreadable } else { &mut self.stats.rejected } += 1;
                return;
            }
        };
        match self.source.packet(now, from, packet.ssrc, packet.sequence) {
            Verdict::Rejected => {
                self.stats.rejected += 1;
                return;
            }
            Verdict::Locks => self.out.push_back(Output::Lock(from)),
            Verdict::Ours => {}
        }
        self.activity = Activity::Alive(now);
        let is_audio = packet.payload_type == connection.payload;
        let is_event = Some(packet.payload_type) == connection.events;
        let timing = is_audio.then(|| (packet.timestamp, self.clock(now)));
        let reception = self.reception.get_or_insert_with(|| Reception::new(packet.ssrc, packet.sequence));
        match reception.packet(packet.ssrc, packet.sequence, timing) {
            Order::Wild => return,
            Order::Fresh => self.buffer.clear(),
            Order::Next | Order::Behind => {}
        }
        let put = match &self.ear {
            None => self.buffer.put(packet.sequence, if is_audio { packet.payload } else { &[] }),
            Some(ear) => match ear.codec().length(packet.payload).filter(|_| is_audio) {
                Some(length) => self.buffer.put_packet(packet.sequence, packet.payload, length),
                None => {
                    self.stats.unreadable += u64::from(is_audio);
                    self.buffer.put(packet.sequence, &[])
                }
            },
        };
        if put == Put::Late {
            self.stats.late += 1;
        }
        if is_event
            && let Some(event) = event::Event::parse(packet.payload)
            && let Some(key) = self.keys.packet(event, packet.timestamp, packet.marker)
        {
            self.key(now, key, Way::Event);
        }
    }

    /// Our clock in timestamp units.
    fn clock(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.settings.epoch.0).as_micros() as u64;
        (since * u64::from(self.clock_khz()) / 1_000) as u32
    }

    /// A key ends a listen that waits for it, else it is told; then it stops a prompt that may be stopped.
    fn key(&mut self, now: Instant, key: char, way: Way) {
        if !self.presses.is_new(now, key, way) {
            return;
        }
        if !self.hearing.key(key, &mut self.out) {
            self.out.push_back(Output::Event(Event::Digit(key)));
        }
        self.sending.barge_in(&mut self.out);
    }

    /// 20 ms have passed.
    pub fn tick(&mut self, now: Instant) {
        if self.is_closed() {
            return;
        }
        if self.source.tick(now) {
            self.out.push_back(Output::Unlock);
        }
        self.watch(now);
        self.hear(now);
        if let Some(connection) = &self.connection {
            let to = self.source.destination().filter(|_| connection.send);
            self.sending.tick(connection, to, &mut self.out);
        }
        if self.reports.is_due(now) {
            self.report(now, false);
        }
    }

    /// What the network says of [`Output::Sound`].
    pub fn answer(&mut self, answer: Answer) {
        self.hearing.answer(answer);
    }

    /// Ticks that never were (the machine stood still): time goes on without them.
    pub fn skip(&mut self, ticks: u32) {
        self.sending.skip(ticks);
    }

    fn watch(&mut self, now: Instant) {
        let Some(connection) = &self.connection else { return };
        if !connection.receive {
            // On hold silence is no sign of death.
            self.activity = Activity::Alive(now);
        }
        if let Activity::Alive(heard) = self.activity
            && now.saturating_duration_since(heard) >= self.settings.inactivity
        {
            self.activity = Activity::Silent;
            self.out.push_back(Output::Event(Event::Inactive));
        }
    }

    fn hear(&mut self, now: Instant) {
        match (self.coding(), &mut self.ear) {
            (Coding::Wide, Some(ear)) => {
                let mut frame = [0; wide::OCTETS];
                let pulled = ear.pull(&mut self.buffer, &mut frame);
                self.take(now, Coding::Wide, &frame, pulled);
            }
            (coding, _) => {
                let silence = if let Coding::Law(law) = coding { law.silence() } else { 0 };
                let mut frame = [0; FRAME];
                let pulled = self.buffer.pull(&mut frame, silence);
                self.take(now, coding, &frame, pulled);
            }
        }
    }

    /// One tick's frame, to everybody who listens.
    fn take(&mut self, now: Instant, coding: Coding, frame: &[u8], pulled: Pulled) {
        self.heard.clear();
        if self.sending.is_bridged() && pulled != Pulled::Nothing {
            // Copied only where somebody asks for it.
            self.heard.extend_from_slice(frame);
        }
        // A key's tones are no speech.
        let came = pulled == Pulled::Audio && !self.hears_tones(now, coding, frame);
        self.hearing.frame(coding, frame, came, self.sending.loud(), &mut self.out);
        if self.hearing.insists() {
            self.sending.spoken_over(&mut self.out);
        }
    }

    /// Listens for keys in one frame, where they may come in the audio; says whether one is heard. Between bridged legs
    /// tones go their way as audio, and the other end hears them itself: as digits they would arrive there twice.
    fn hears_tones(&mut self, now: Instant, coding: Coding, frame: &[u8]) -> bool {
        let Some(detector) = self.tones.as_mut().filter(|_| !self.sending.is_bridged()) else { return false };
        let key = match coding {
            Coding::Law(law) => detector.frame(frame.iter().map(|code| law.decode(*code))),
            // Every second sample: what lies above 4 kHz in a telephone's speech is 20 dB below what lies under it.
            Coding::Wide => detector.frame(coding::wide(frame).step_by(2)),
        };
        let hears = detector.hears();
        if let Some(key) = key {
            self.key(now, key, Way::Tone);
        }
        hears
    }

    /// What the last tick of a bridged leg heard, for the other one.
    pub fn heard(&self) -> Option<(Coding, &[u8])> {
        (!self.heard.is_empty()).then(|| (self.coding(), self.heard.as_slice()))
    }

    /// A frame of the other leg, to be sent in the next tick.
    pub fn pass(&mut self, coding: Coding, frame: &[u8]) {
        let ours = self.coding();
        self.sending.pass(ours, coding, frame);
    }

    /// Begins or ends a bridge.
    pub fn bridge(&mut self, bridged: bool) {
        self.sending.bridge(bridged, &mut self.out);
    }
}

#[cfg(test)]
mod tests;
