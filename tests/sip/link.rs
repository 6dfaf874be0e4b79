//! Two endpoints call each other over a link that loses, doubles and reorders, on a virtual clock.
//!
//! Whatever the link does: every dialog ends exactly once, nothing is heard of it afterwards, an INVITE is one call, and
//! when all is over neither side remembers anything. A seed replays its run.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiesu::sip::endpoint::{Config, Load};
use jiesu::sip::{Command, DialogId, Endpoint, Event, Flow, Invite, Output, Transport};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::desk::{address, everywhere};

const SDP: &[u8] = b"v=0\r\n";

/// What the link does to datagrams.
#[derive(Debug, Clone, Copy)]
struct Weather {
    transport: Transport,
    loss: f64,
    doubling: f64,
    /// Milliseconds; the spread is what reorders.
    delay: (u64, u64),
    /// From then on nothing arrives any more.
    dead_after: Option<Duration>,
}

/// What happens at an instant.
enum Happening {
    Arrival { flow: Flow, bytes: Bytes },
    Wish { side: usize, command: Command },
}

/// How far a dialog has come, by its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    Begun,
    Answered,
    Over,
}

struct World {
    random: SmallRng,
    weather: Weather,
    start: Instant,
    now: Instant,
    sides: [Endpoint; 2],
    addresses: [SocketAddr; 2],
    /// By time, then by order.
    ahead: BTreeMap<(Instant, u64), Happening>,
    count: u64,
    dialogs: HashMap<(usize, DialogId), Heard>,
    invited: HashMap<Bytes, usize>,
    tally: HashMap<&'static str, usize>,
}

impl World {
    fn new(seed: u64, weather: Weather) -> World {
        let now = Instant::now();
        let side = |n: u8| {
            // Sessions so short that calls live through several refreshes.
            let config = Config { trunks: everywhere(), session: Duration::from_secs(90), ..Config::default() };
            Endpoint::new(config, [n ^ seed as u8; 32])
        };
        World {
            random: SmallRng::seed_from_u64(seed),
            weather,
            start: now,
            now,
            sides: [side(1), side(2)],
            addresses: [address("192.0.2.1:5060"), address("192.0.2.2:5060")],
            ahead: BTreeMap::new(),
            count: 0,
            dialogs: HashMap::new(),
            invited: HashMap::new(),
            tally: HashMap::new(),
        }
    }

    fn at(&mut self, at: Instant, what: Happening) {
        self.count += 1;
        self.ahead.insert((at, self.count), what);
    }

    /// A command of a side's user, `from` to `to` seconds ahead.
    fn wish(&mut self, side: usize, (from, to): (f64, f64), command: Command) {
        let ahead = Duration::from_secs_f64(self.random.random_range(from..to));
        self.at(self.now + ahead, Happening::Wish { side, command });
    }

    fn call(&mut self, side: usize, ahead: f64) {
        let dialog = self.sides[side].ids().next();
        let (local, peer) = (self.addresses[side], self.addresses[1 - side]);
        let invite = Invite {
            dialog,
            target: format!("sip:12345@{peer}"),
            flow: Flow { transport: self.weather.transport, local, peer, connection: 0 },
            from: format!("sip:a@{local}"),
            display: None,
            sdp: Bytes::from_static(SDP),
            routes: Vec::new(),
            trunk: None,
            silence: None,
            headers: Vec::new(),
        };
        self.dialogs.insert((side, dialog), Heard::Begun);
        self.wish(side, (ahead, ahead + 0.5), Command::Invite(Box::new(invite)));
        if self.random.random_bool(0.3) {
            self.wish(side, (ahead, ahead + 20.0), Command::Cancel { dialog });
        }
    }

    fn drain(&mut self, side: usize) {
        while let Some(output) = self.sides[side].poll() {
            match output {
                Output::Send { flow, bytes } => self.send(side, flow, bytes),
                Output::Event(event) => self.event(side, event),
            }
        }
    }

    fn send(&mut self, side: usize, flow: Flow, bytes: Bytes) {
        assert_eq!(
            (flow.local, flow.peer),
            (self.addresses[side], self.addresses[1 - side]),
            "nobody else is spoken to"
        );
        let Weather { loss, doubling, delay, dead_after, .. } = self.weather;
        if dead_after.is_some_and(|after| self.now - self.start > after) {
            return;
        }
        let copies = if self.random.random_bool(doubling) { 2 } else { 1 };
        for _ in 0..copies {
            if self.random.random_bool(loss) {
                continue;
            }
            let late = Duration::from_millis(self.random.random_range(delay.0..=delay.1));
            let flow = Flow { local: flow.peer, peer: flow.local, ..flow };
            self.at(self.now + late, Happening::Arrival { flow, bytes: bytes.clone() });
        }
    }

    fn event(&mut self, side: usize, event: Event) {
        let Some(dialog) = event.dialog() else { return };
        let key = (side, dialog);
        if let Event::Invited { request, .. } = &event {
            let id = Bytes::copy_from_slice(request.call_id());
            *self.invited.entry(id).or_default() += 1;
            assert_eq!(self.dialogs.insert(key, Heard::Begun), None, "a dialog begins once");
        }
        let heard = self.dialogs.get_mut(&key).expect("it began");
        assert_ne!(*heard, Heard::Over, "{event:?} after the end");
        let (next, word) = match &event {
            Event::Ended { why, .. } => (Heard::Over, why.as_str()),
            Event::Failed { .. } => {
                assert_eq!(*heard, Heard::Begun, "an answered call ends, it does not fail");
                (Heard::Over, "failed")
            }
            Event::Answered { .. } => {
                assert_eq!(*heard, Heard::Begun);
                (Heard::Answered, "answered")
            }
            Event::Confirmed { .. } => (Heard::Answered, "confirmed"),
            Event::Progressed { .. } => {
                assert_eq!(*heard, Heard::Begun);
                (*heard, "progressed")
            }
            Event::AnsweredAgain { .. } => (*heard, "answered_again"),
            Event::RefusedAgain { code: 491, .. } => (*heard, "glare"),
            _ => (*heard, "other"),
        };
        *heard = next;
        *self.tally.entry(word).or_default() += 1;
        self.react(side, dialog, &event);
    }

    /// The users: they answer, refuse, dither, change their minds and always hang up in the end.
    fn react(&mut self, side: usize, dialog: DialogId, event: &Event) {
        let sdp = Bytes::from_static(SDP);
        match event {
            Event::Invited { .. } => {
                self.wish(side, (0.0, 2.0), Command::Ring { dialog });
                if self.random.random_bool(0.5) {
                    self.wish(side, (0.0, 5.0), Command::Progress { dialog, sdp: sdp.clone() });
                }
                match self.random.random_range(0..20) {
                    0 => {} // never answers
                    1..4 => {
                        let refuse = Command::Refuse { dialog, code: 486, reason: "Busy Here", retry_after: None };
                        self.wish(side, (0.0, 10.0), refuse);
                    }
                    _ => self.wish(side, (0.0, 15.0), Command::Answer { dialog, sdp }),
                }
                self.wish(side, (16.0, 400.0), Command::Hangup { dialog, reason: None });
            }
            Event::Answered { .. } | Event::Confirmed { .. } => {
                self.wish(side, (0.0, 120.0), Command::Hangup { dialog, reason: None });
                for _ in 0..self.random.random_range(0..4) {
                    self.wish(side, (0.0, 30.0), Command::OfferAgain { dialog, sdp: sdp.clone() });
                }
            }
            Event::Reoffered { .. } => match self.random.random_range(0..4) {
                0 => self.wish(side, (0.0, 3.0), Command::RefuseAgain { dialog, code: 488 }),
                _ => self.wish(side, (0.0, 3.0), Command::AnswerAgain { dialog, sdp }),
            },
            _ => {}
        }
    }

    /// One instant further; `false` when nothing lies ahead.
    fn step(&mut self) -> bool {
        let due = self.sides.iter().filter_map(Endpoint::next_deadline).min();
        let next = self.ahead.keys().next().map(|(at, _)| *at);
        let Some(at) = [due, next].into_iter().flatten().min() else { return false };
        self.now = at;
        if next == Some(at) && due.is_none_or(|due| due > at) {
            let (_, happening) = self.ahead.pop_first().expect("it is there");
            match happening {
                Happening::Arrival { flow, bytes } => {
                    let side = usize::from(flow.local == self.addresses[1]);
                    self.sides[side].receive(at, flow, &"t".into(), bytes);
                }
                Happening::Wish { side, command } => self.sides[side].command(at, command),
            }
        } else {
            for side in &mut self.sides {
                side.expire(at);
            }
        }
        self.drain(0);
        self.drain(1);
        true
    }
}

/// Some calls in some weather; what was heard, counted.
fn run(seed: u64, weather: Weather) -> HashMap<&'static str, usize> {
    let mut world = World::new(seed, weather);
    for i in 0..12 {
        world.call(i % 2, i as f64 * 3.0);
    }
    let mut steps = 0;
    while world.step() {
        steps += 1;
        assert!(steps < 100_000, "seed {seed}, {weather:?}: it does not end");
    }
    let told = format!("seed {seed}, {weather:?}");
    for (key, heard) in &world.dialogs {
        assert_eq!(*heard, Heard::Over, "{told}: {key:?}");
    }
    assert!(world.invited.values().all(|times| *times == 1), "{told}: an INVITE became two calls");
    for side in &world.sides {
        assert_eq!(side.load(), Load::default(), "{told}: something is remembered");
    }
    world.tally
}

fn sum(runs: impl Iterator<Item = HashMap<&'static str, usize>>) -> HashMap<&'static str, usize> {
    let mut all = HashMap::new();
    for (word, count) in runs.flatten() {
        *all.entry(word).or_default() += count;
    }
    all
}

const FINE: Weather =
    Weather { transport: Transport::Udp, loss: 0.0, doubling: 0.0, delay: (20, 20), dead_after: None };

#[test]
fn fine_weather_loses_no_call() {
    let heard = sum((0..50).map(|seed| run(seed, FINE)));
    assert_eq!((heard.get("gone"), heard.get("no_ack"), heard.get("expired")), (None, None, None), "{heard:?}");
    for word in [
        "answered",
        "confirmed",
        "caller",
        "us",
        "cancelled",
        "refused",
        "failed",
        "answered_again",
        "glare",
        "progressed",
    ] {
        assert!(heard.get(word).is_some_and(|n| *n > 5), "{word} hardly ever happens: {heard:?}");
    }
    assert_eq!(heard["answered"], heard["confirmed"]);
}

#[test]
fn tcp() {
    let weather = Weather { transport: Transport::Tcp, ..FINE };
    let heard = sum((0..50).map(|seed| run(seed, weather)));
    assert_eq!((heard.get("gone"), heard.get("no_ack")), (None, None), "{heard:?}");
}

#[test]
fn foul_weather() {
    for (loss, doubling, most) in [(0.05, 0.05, 200), (0.2, 0.2, 900), (0.4, 0.3, 1500), (0.0, 0.9, 2500)] {
        let weather = Weather { loss, doubling, delay: (1, most), ..FINE };
        let heard = sum((0..60).map(|seed| run(seed, weather)));
        assert!(heard["answered"] > 100, "the repetitions carry calls through: {heard:?}");
    }
}

#[test]
fn the_link_dies() {
    for after in [0, 2, 10, 20, 30, 60] {
        let weather = Weather { loss: 0.1, delay: (1, 300), dead_after: Some(Duration::from_secs(after)), ..FINE };
        for seed in 0..20 {
            run(seed, weather);
        }
    }
}

#[test]
fn a_seed_replays_its_run() {
    let weather = Weather { loss: 0.2, doubling: 0.2, delay: (1, 900), ..FINE };
    assert_eq!(run(7, weather), run(7, weather));
}
