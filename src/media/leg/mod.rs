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
mod sending;

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
use super::source::{Source, Verdict};
use crate::audio::g711::Law;
use crate::rtp::event;
use crate::rtp::jitter::{Buffer, Pulled, Put};
use crate::rtp::packet::{self, Packet};
use crate::rtp::reception::{Order, Reception};
use hearing::Hearing;
use reports::Reports;
use sending::Sending;

/// Comfort noise (RFC 3389): no audio, but it has a place in the order.
const COMFORT_NOISE: u8 = 13;

/// What is the same for all legs.
#[derive(Debug, Clone)]
pub struct Settings {
    pub inactivity: Duration,
    /// Ticks that a packet waits for the ones it overtook.
    pub jitter: u32,
    pub gateways: Vec<Network>,
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
    /// A packet of 20 ms; every RTCP compound of ours is shorter.
    pub const LONGEST: usize = packet::HEADER + FRAME;

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
    Open {
        track: Track,
        file: PathBuf,
    },
    Audio {
        track: Track,
        law: Law,
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
    Event(Event),
}

/// One leg's state.
pub struct Stream {
    settings: Arc<Settings>,
    local: SocketAddr,
    connection: Option<Connect>,
    source: Source,
    reception: Option<Reception>,
    buffer: Buffer,
    keys: event::Receiver,
    hearing: Hearing,
    sending: Sending,
    reports: Reports,
    activity: Activity,
    /// The frame that this tick heard, for a bridge.
    heard: Option<[u8; FRAME]>,
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
            settings,
            local,
            connection: None,
            source: Source::default(),
            reception: None,
            keys: event::Receiver::default(),
            hearing: Hearing::default(),
            sending: Sending::new(random.random(), random.random(), random.random()),
            reports: Reports::new(random.random(), now),
            activity: Activity::Alive(now),
            heard: None,
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

    fn law(&self) -> Law {
        self.connection.as_ref().map_or(Law::A, |connection| connection.codec.law())
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
            Command::SendDigits(keys) => {
                let events = self.connection.as_ref().is_some_and(|connection| connection.events.is_some());
                self.sending.digits(&keys, events);
            }
            Command::Record { file } => self.hearing.record_all(file, &mut self.out),
            Command::Bridge(_) | Command::Unbridge => {}
            Command::Close => self.close(now),
        }
    }

    fn connect(&mut self, now: Instant, connect: Connect) {
        if self.source.signal(connect.remote, connect.signalled, &self.settings.gateways, self.local) {
            self.out.push_back(Output::Unlock);
        }
        if self.connection.as_ref().is_some_and(|before| before.codec != connect.codec) {
            // What waits is in the other law.
            self.buffer.clear();
            self.hearing.forget();
        }
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
            stats.jitter_ms = f64::from(reception.jitter()) / 8.0;
        }
        stats.sent = self.sending.packets();
        (stats.remote_lost, stats.round_trip) = self.reports.remote();
        stats
    }

    /// One datagram of the RTP socket.
    pub fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let Some(connection) = self.connection.as_ref().filter(|_| self.activity != Activity::Closed) else {
            return;
        };
        if connection.rtcp_mux && packet::is_rtcp(datagram) {
            return self.receive_rtcp(now, from, datagram);
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
        if self.buffer.put(packet.sequence, if is_audio { packet.payload } else { &[] }) == Put::Late {
            self.stats.late += 1;
        }
        if is_event
            && let Some(event) = event::Event::parse(packet.payload)
            && let Some(key) = self.keys.packet(event, packet.timestamp, packet.marker)
        {
            self.key(key);
        }
    }

    /// Our clock in timestamp units.
    fn clock(&self, now: Instant) -> u32 {
        (now.saturating_duration_since(self.settings.epoch.0).as_micros() / 125) as u32
    }

    /// A key ends a listen that waits for it, else it is told; then it stops a prompt that may be stopped.
    fn key(&mut self, key: char) {
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
        self.hear();
        if let Some(connection) = &self.connection {
            let to = self.source.destination().filter(|_| connection.send);
            self.sending.tick(connection, to, &mut self.out);
        }
        if self.reports.is_due(now) {
            self.report(now, false);
        }
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

    fn hear(&mut self) {
        let law = self.law();
        let mut frame = [0; FRAME];
        let pulled = self.buffer.pull(&mut frame, law.silence());
        // Copied only where somebody asks for it.
        self.heard = if self.sending.is_bridged() && pulled != Pulled::Nothing { Some(frame) } else { None };
        self.hearing.frame(law, &frame, pulled == Pulled::Audio, &mut self.out);
    }

    /// What the last tick of a bridged leg heard, for the other one.
    pub fn heard(&self) -> Option<(Law, &[u8; FRAME])> {
        self.heard.as_ref().map(|frame| (self.law(), frame))
    }

    /// A frame of the other leg, to be sent in the next tick.
    pub fn pass(&mut self, law: Law, frame: &[u8; FRAME]) {
        let ours = self.law();
        self.sending.pass(ours, law, frame);
    }

    /// Begins or ends a bridge.
    pub fn bridge(&mut self, bridged: bool) {
        self.sending.bridge(bridged, &mut self.out);
    }
}

#[cfg(test)]
mod tests;
