//! One media thread: its legs, their ticks, its lateness.
//!
//! It sleeps to the next phase of its [`Wheel`] and serves the legs of that phase one by one: commands, packets until
//! the socket is empty, the leg's tick, what came of it. Nothing in it waits for anything but time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use metrics::Histogram;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use super::socket::Sockets;
use super::voices::{Ear, Voices};
use crate::media::TICK;
use crate::media::command::{Command, Event, LegId, Stats};
use crate::media::leg::{Output, Recorded, Stream, Track};
use crate::media::ports::Ports;
use crate::media::recorder::{Job, Recorder};
use crate::media::wheel::{self, Wheel};

/// A thread without legs looks around this often.
const IDLE: Duration = Duration::from_millis(500);
/// Ticks that are this late are not made up for: the machine stood still.
const HOPELESS: Duration = Duration::from_millis(200);
/// Packets taken in one tick; a flood waits in the kernel, which drops what it has no room for.
const PACKETS: usize = 8;
/// As long as the socket is not connected, and until it is then empty, strangers' packets stand before the caller's
/// (ATTACKS 37); rejecting one costs next to nothing.
const SPRAYED: usize = 256;
/// A packet a tick is the rule, and that the socket is then empty is asked only every so many ticks: what came too many
/// waits no longer than the jitter buffer does.
const EMPTIED: u32 = 4;
/// Commands taken in one tick.
const COMMANDS: usize = 8;
/// RTCP is looked for every so many ticks: 1 s.
const RTCP_EVERY: u32 = 50;
/// Recorder jobs kept while its queue is full; audio beyond them is dropped.
const PENDING: usize = 16;
/// Places in a leg's event queue that keys must leave to what may not be lost.
const RESERVED: usize = 16;
/// A leg whose packets come about when it ticks does so earlier by so many milliseconds, at most every [`SETTLED`].
const AHEAD: usize = 3;
const SETTLED: u32 = 250;

/// What a thread shows to the others.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) legs: AtomicUsize,
    /// Milliseconds from the epoch to the last turn.
    turned: AtomicU64,
    /// The second since the epoch, and the worst lateness (us) in it and in the one before.
    second: AtomicU64,
    worst: AtomicU64,
    before: AtomicU64,
}

impl Board {
    /// Written by the thread alone.
    fn note(&self, since_epoch: Duration, late: Duration) {
        let (second, late) = (since_epoch.as_secs(), late.as_micros() as u64);
        let last = self.second.swap(second, Ordering::Relaxed);
        if second == last {
            self.worst.fetch_max(late, Ordering::Relaxed);
        } else {
            let worst = self.worst.swap(late, Ordering::Relaxed);
            self.before.store(if second == last + 1 { worst } else { 0 }, Ordering::Relaxed);
        }
    }

    /// The worst of the last one to two seconds; a thread that stands still is late by that.
    pub(super) fn lateness(&self, since_epoch: Duration) -> Duration {
        let second = since_epoch.as_secs();
        let noted = match second.saturating_sub(self.second.load(Ordering::Relaxed)) {
            0 => self.worst.load(Ordering::Relaxed).max(self.before.load(Ordering::Relaxed)),
            1 => self.worst.load(Ordering::Relaxed),
            _ => 0,
        };
        let standing = if self.legs.load(Ordering::Relaxed) > 0 { self.still(since_epoch) } else { Duration::ZERO };
        Duration::from_micros(noted).max(standing.saturating_sub(TICK))
    }

    /// How long ago the thread turned.
    pub(super) fn still(&self, since_epoch: Duration) -> Duration {
        since_epoch.saturating_sub(Duration::from_millis(self.turned.load(Ordering::Relaxed)))
    }
}

/// One leg in its thread.
pub(super) struct Running {
    pub(super) id: LegId,
    pub(super) stream: Stream,
    pub(super) sockets: Sockets,
    pub(super) port: u16,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) side: Side,
}

/// What the thread keeps beside the pure stream.
#[derive(Default)]
pub(super) struct Side {
    mux: bool,
    /// The socket is connected and was found empty since: only the caller's packets are in it.
    clean: bool,
    locked: bool,
    /// The other leg of a bridge.
    bridged: Option<LegId>,
    /// Made when the leg first asks whether what it hears is a voice.
    ear: Option<Arc<Ear>>,
    recorded: bool,
    /// Jobs for a recorder whose queue is full.
    pending: VecDeque<Job>,
    /// Chunks of the open utterance, and of the whole, that were dropped.
    dropped: [u32; 2],
    unsent: u64,
    unrecorded: u64,
    untold: u64,
    ticks: u32,
    /// Packets of the last tick, and when the leg last moved.
    came: usize,
    moved: u32,
}

pub(super) struct Thread {
    pub(super) epoch: Instant,
    pub(super) board: Arc<Board>,
    pub(super) mailbox: Receiver<Box<Running>>,
    pub(super) stopping: Arc<AtomicBool>,
    pub(super) ports: Arc<Mutex<Ports>>,
    pub(super) recorder: Recorder,
    /// Where there is a network that knows voices.
    pub(super) voices: Option<Voices>,
    pub(super) late: Histogram,
    pub(super) legs: Vec<Option<Box<Running>>>,
    pub(super) wheel: Wheel,
    /// Lent to the leg that is being served.
    pub(super) outputs: VecDeque<Output>,
    /// A frame on its way from one leg to another.
    pub(super) passed: Vec<u8>,
}

impl Thread {
    /// Until [`Thread::stopping`]; then every leg is closed, its recording sealed.
    pub(super) fn run(mut self) {
        let mut buffer = vec![0; 2048];
        let mut due = Vec::new();
        while !self.stopping.load(Ordering::Acquire) {
            let now = Instant::now();
            self.board.turned.store(now.duration_since(self.epoch).as_millis() as u64, Ordering::Relaxed);
            self.take_in(now);
            let Some(step) = self.wheel.due() else {
                thread::park_timeout(IDLE);
                continue;
            };
            let at = self.epoch + wheel::since_start(step);
            if now < at {
                thread::park_timeout(at - now);
                continue;
            }
            let late = now - at;
            if late > HOPELESS {
                self.skip(late);
                continue;
            }
            self.wheel.take(&mut due);
            for &leg in &due {
                self.serve(leg, &mut buffer);
            }
            // The last leg of the phase was served this late.
            let late = at.elapsed();
            self.late.record(late.as_secs_f64());
            self.board.note(now.duration_since(self.epoch), late);
        }
        for leg in 0..self.legs.len() {
            if let Some(running) = &mut self.legs[leg] {
                running.stream.command(Instant::now(), Command::Close);
            }
            self.act(leg);
            self.end(leg);
        }
    }

    fn take_in(&mut self, now: Instant) {
        while let Ok(running) = self.mailbox.try_recv() {
            if self.legs.iter().all(Option::is_none) {
                self.wheel.resume((now - self.epoch).as_millis() as u64);
            }
            let place = match self.legs.iter().position(Option::is_none) {
                Some(place) => place,
                None => {
                    self.legs.push(None);
                    self.legs.len() - 1
                }
            };
            self.legs[place] = Some(running);
            self.wheel.add(place);
        }
    }

    /// The machine stood still: whole ticks are left out, their time passes.
    fn skip(&mut self, late: Duration) {
        let ticks = (late.as_millis() / TICK.as_millis()) as u64;
        metrics::counter!("jiesu_media_ticks_skipped_total").increment(ticks);
        tracing::warn!(?late, "media ticks left out: the machine stood still or is overloaded");
        self.board.note(self.epoch.elapsed(), late);
        self.wheel.skip(ticks);
        for running in self.legs.iter_mut().flatten() {
            running.stream.skip(ticks as u32);
        }
    }

    /// One leg's tick.
    fn serve(&mut self, leg: usize, buffer: &mut [u8]) {
        let Some(running) = &mut self.legs[leg] else { return };
        let now = Instant::now();
        running.stream.exchange(&mut self.outputs);
        let mut bridge = None;
        for _ in 0..COMMANDS {
            match running.commands.try_recv() {
                Ok(Command::Bridge(other)) => bridge = Some(Some(other)),
                Ok(Command::Unbridge) => bridge = Some(None),
                Ok(command) => {
                    if let Command::Connect(connect) = &command {
                        running.side.mux = connect.rtcp_mux;
                    }
                    running.stream.command(now, command);
                }
                Err(TryRecvError::Empty) => break,
                // The handle is gone.
                Err(TryRecvError::Disconnected) => {
                    running.stream.command(now, Command::Close);
                    break;
                }
            }
        }
        let side = &mut running.side;
        let usual = side.came == 1 && !side.ticks.is_multiple_of(EMPTIED);
        let most = match side.clean {
            true if usual => 1,
            true => PACKETS,
            false => SPRAYED,
        };
        let mut came = 0;
        while came < most {
            let Some((from, packet)) = running.sockets.receive(buffer, side.clean) else {
                side.clean = side.locked;
                break;
            };
            running.stream.receive(now, from, packet);
            came += 1;
        }
        side.ticks = side.ticks.wrapping_add(1);
        if side.ticks.is_multiple_of(RTCP_EVERY) {
            for _ in 0..PACKETS {
                let Some((from, packet)) = running.sockets.receive_rtcp(buffer) else { break };
                running.stream.receive_rtcp(now, from, packet);
            }
        }
        if let Some(verdict) = side.ear.as_ref().and_then(|ear| ear.verdict()) {
            running.stream.answer(verdict);
        }
        running.stream.tick(now);
        // None, then two: they come about when we tick. Away from that edge each tick finds its packet.
        let advance = came >= 2 && side.came == 0 && side.ticks.wrapping_sub(side.moved) >= SETTLED;
        side.came = came;
        if advance {
            side.moved = side.ticks;
        }
        let heard = match (side.bridged, running.stream.heard()) {
            (Some(other), Some((coding, frame))) => {
                self.passed.clear();
                self.passed.extend_from_slice(frame);
                Some((other, coding))
            }
            _ => None,
        };
        if advance {
            self.wheel.advance(leg, AHEAD);
        }
        if let Some(bridge) = bridge {
            self.bridge(leg, bridge);
        }
        if let Some((other, coding)) = heard {
            let passed = std::mem::take(&mut self.passed);
            if let Some(other) = self.find(other) {
                other.stream.pass(coding, &passed);
            }
            self.passed = passed;
        }
        self.act(leg);
        if let Some(running) = &mut self.legs[leg] {
            running.stream.exchange(&mut self.outputs);
            self.outputs.clear(); // it is empty, and begins at its first place again
        }
        self.end(leg);
    }

    fn find(&mut self, id: LegId) -> Option<&mut Box<Running>> {
        self.legs.iter_mut().flatten().find(|running| running.id == id)
    }

    /// Ends the leg's bridge, then begins another.
    fn bridge(&mut self, leg: usize, with: Option<LegId>) {
        let Some(running) = &mut self.legs[leg] else { return };
        let id = running.id;
        let before = running.side.bridged.take();
        running.stream.bridge(false);
        if let Some(other) = before.and_then(|other| self.find(other))
            && other.side.bridged == Some(id)
        {
            other.side.bridged = None;
            other.stream.bridge(false);
        }
        let Some(with) = with.filter(|with| *with != id) else { return };
        let Some(other) = self.find(with) else {
            tracing::warn!(?id, ?with, "a leg cannot be bridged: the other has ended or is of another thread");
            return;
        };
        other.side.bridged = Some(id);
        other.stream.bridge(true);
        if let Some(running) = &mut self.legs[leg] {
            running.side.bridged = Some(with);
            running.stream.bridge(true);
        }
    }

    /// Does what the stream wants.
    fn act(&mut self, leg: usize) {
        let Some(running) = &mut self.legs[leg] else { return };
        let Running { id, stream, sockets, events, side, .. } = &mut **running;
        side.retry(&self.recorder);
        while let Some(output) = stream.poll() {
            match output {
                Output::Rtp { to, packet } => side.unsent += u64::from(!sockets.send(to, packet.bytes())),
                Output::Rtcp { to, packet } => {
                    side.unsent += u64::from(!sockets.send_rtcp(to, packet.bytes(), side.mux));
                }
                Output::Lock(to) => {
                    (side.locked, side.clean) = (true, false);
                    sockets.lock(to);
                }
                Output::Unlock => {
                    (side.locked, side.clean) = (false, false);
                    sockets.unlock();
                }
                Output::Record(recorded) => side.record(*id, recorded, events, &self.recorder),
                Output::Sound(sound) => {
                    if let Some(voices) = &self.voices {
                        voices.ask(id.serial, side.ear.get_or_insert_default(), sound);
                    }
                }
                Output::Event(event) => side.tell(*id, event, events, &self.recorder),
            }
        }
    }

    /// Takes a closed leg away once the recorder has all of it.
    fn end(&mut self, leg: usize) {
        let over = |running: &mut Box<Running>| {
            let waits = !running.side.pending.is_empty() && !self.stopping.load(Ordering::Relaxed);
            running.stream.is_closed() && !waits
        };
        let Some(running) = self.legs[leg].take_if(over) else { return };
        self.wheel.remove(leg);
        if let Some(other) = running.side.bridged.and_then(|other| self.find(other)) {
            other.side.bridged = None;
            other.stream.bridge(false);
        }
        let port = running.port;
        drop(running); // the sockets, before their ports are anyone's
        self.ports.lock().expect("nobody panics with the ports").give_back(Instant::now(), port);
        self.board.legs.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Side {
    fn tell(&mut self, leg: LegId, event: Event, events: &mpsc::Sender<Event>, recorder: &Recorder) {
        match event {
            // A peer that floods keys must not push a segment out of the queue.
            Event::Digit(_) if events.capacity() <= RESERVED => self.untold += 1,
            Event::Digit(key) => {
                metrics::counter!("jiesu_keys_total").increment(1);
                self.send(Event::Digit(key), events);
            }
            Event::Closed(mut stats) => {
                (stats.unsent, stats.unrecorded, stats.untold) = (self.unsent, self.unrecorded, self.untold);
                count(&stats);
                let event = Event::Closed(stats);
                if self.recorded {
                    // After the segments that are being sealed.
                    self.give(Job::Tell { leg, event: Box::new(event), events: events.clone() }, recorder);
                } else {
                    self.send(event, events);
                }
            }
            event => self.send(event, events),
        }
    }

    fn send(&mut self, event: Event, events: &mpsc::Sender<Event>) {
        if let Err(mpsc::error::TrySendError::Full(_)) = events.try_send(event) {
            self.untold += 1;
            metrics::counter!("jiesu_media_events_dropped_total").increment(1);
        }
    }

    fn record(&mut self, leg: LegId, recorded: Recorded, events: &mpsc::Sender<Event>, recorder: &Recorder) {
        self.recorded = true;
        let job = match recorded {
            Recorded::Open { track, file, coding } => {
                self.dropped[index(track)] = 0;
                Job::Open { key: (leg, track), file, rate: coding.rate() }
            }
            Recorded::Audio { track, coding, octets } => Job::Audio { key: (leg, track), coding, octets },
            Recorded::Close { track, segment } => Job::Close {
                key: (leg, track),
                segment: segment.map(Box::new),
                dropped: self.dropped[index(track)],
                events: events.clone(),
            },
        };
        self.give(job, recorder);
    }

    /// In order; where the recorder cannot follow, audio is dropped and counted, the rest waits.
    fn give(&mut self, job: Job, recorder: &Recorder) {
        let job = if self.pending.is_empty() {
            match recorder.give(job) {
                Ok(()) => return,
                Err(job) => job,
            }
        } else {
            job
        };
        match job {
            Job::Audio { key, .. } if self.pending.len() >= PENDING => {
                self.dropped[index(key.1)] += 1;
                self.unrecorded += 1;
                metrics::counter!("jiesu_recording_chunks_dropped_total").increment(1);
            }
            job => self.pending.push_back(job),
        }
    }

    fn retry(&mut self, recorder: &Recorder) {
        while let Some(job) = self.pending.pop_front() {
            if let Err(job) = recorder.give(job) {
                self.pending.push_front(job);
                return;
            }
        }
    }
}

fn index(track: Track) -> usize {
    match track {
        Track::Utterance => 0,
        Track::All => 1,
    }
}

fn count(stats: &Stats) {
    for (way, packets) in [
        ("received", stats.received),
        ("lost", stats.lost),
        ("late", stats.late),
        ("sent", stats.sent),
        ("unsent", stats.unsent),
        ("rejected", stats.rejected),
        ("unreadable", stats.unreadable),
        ("forged", stats.forged),
    ] {
        metrics::counter!("jiesu_rtp_packets_total", "way" => way).increment(packets);
    }
}
