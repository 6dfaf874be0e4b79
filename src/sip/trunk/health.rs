//! Whether each address that calls of ours go to answers: up, suspect, down.
//!
//! Asked with OPTIONS (RFC 3261 section 11), on a clock that is handed in; whoever drives this sends them. Any final
//! answer is a sign of life but 408 and 503. It decides an order, never whether: if every address is down, calls still
//! try them all. Nothing is remembered of trunks without `[keepalive]`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::{Peer, Trunks};
use crate::sip::endpoint::{Transport, TrunkName};
use crate::time::Timers;
use crate::written::Table;

/// Between the first questions after a start, so that they do not leave at once.
const APART: Duration = Duration::from_millis(20);
/// A state that is in doubt is asked about again after this long.
const SOON: Duration = Duration::from_secs(5);

/// `[keepalive]` of a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    pub every: Duration,
    /// How long an answer may take.
    pub within: Duration,
    /// After so many questions without an answer, one after the other, the address is down.
    pub down_after: u32,
    /// After so many answers, one after the other, it is up again.
    pub up_after: u32,
}

impl Settings {
    pub fn read(table: &mut Table<'_>) -> Settings {
        Settings {
            every: table.duration("every").or("30s", "1s".."1h"),
            within: table.duration("within").or("4s", "500ms".."32s"),
            down_after: table.int("down_after").or(3, 1..100) as u32,
            up_after: table.int("up_after").or(2, 1..100) as u32,
        }
    }
}

/// How an address does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Up,
    /// It did not answer lately, so many times.
    Suspect(u32),
    /// It does not answer; so many answers came again.
    Down(u32),
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Suspect(_) => "suspect",
            State::Down(_) => "down",
        }
    }

    /// What the metric says: 1 up, 0.5 suspect, 0 down.
    pub fn figure(self) -> f64 {
        match self {
            State::Up => 1.0,
            State::Suspect(_) => 0.5,
            State::Down(_) => 0.0,
        }
    }

    fn rank(self) -> u8 {
        match self {
            State::Up => 0,
            State::Suspect(_) => 1,
            State::Down(_) => 2,
        }
    }

    fn next(self, answers: bool, settings: &Settings) -> State {
        match (self, answers) {
            (State::Up | State::Suspect(_), true) => State::Up,
            (State::Down(count), true) if count + 1 >= settings.up_after => State::Up,
            (State::Down(count), true) => State::Down(count + 1),
            (State::Up, false) if settings.down_after <= 1 => State::Down(0),
            (State::Up, false) => State::Suspect(1),
            (State::Suspect(count), false) if count + 1 >= settings.down_after => State::Down(0),
            (State::Suspect(count), false) => State::Suspect(count + 1),
            (State::Down(_), false) => State::Down(0),
        }
    }
}

/// One address of one trunk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    pub trunk: TrunkName,
    pub address: SocketAddr,
    pub transport: Transport,
}

impl Address {
    pub fn of(trunk: &TrunkName, peer: &Peer) -> Address {
        Address { trunk: trunk.clone(), address: peer.address, transport: peer.transport }
    }
}

/// An address went from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub of: Address,
    pub from: State,
    pub to: State,
}

#[derive(Debug)]
struct Watched {
    settings: Settings,
    state: State,
}

/// All addresses that are watched: as many as the trunk files list.
#[derive(Debug)]
pub struct Health {
    watched: HashMap<Address, Watched>,
    /// When each is asked next. One that is being asked has no deadline.
    timers: Timers<Address>,
    random: SmallRng,
}

impl Health {
    /// `seed` spreads the questions.
    pub fn new(seed: u64) -> Health {
        Health { watched: HashMap::new(), timers: Timers::new(), random: SmallRng::seed_from_u64(seed) }
    }

    /// From now on these are the trunks. What is known of addresses that stay is kept. Returns the addresses that are
    /// watched no longer.
    pub fn replace(&mut self, now: Instant, trunks: &Trunks) -> Vec<Address> {
        let mut listed = HashMap::new();
        let mut at = now;
        for trunk in trunks.iter() {
            let Some(settings) = trunk.keepalive else { continue };
            for peer in &trunk.outbound {
                let address = Address::of(&trunk.name, peer);
                let known = self.watched.get(&address);
                if known.is_none_or(|known| known.settings != settings) {
                    at += APART;
                    self.timers.set(address.clone(), at);
                }
                let state = known.map_or(State::Up, |known| known.state);
                listed.insert(address, Watched { settings, state });
            }
        }
        let gone: Vec<Address> =
            self.watched.keys().filter(|address| !listed.contains_key(*address)).cloned().collect();
        for address in &gone {
            self.timers.cancel(address);
        }
        self.watched = listed;
        gone
    }

    /// An address that is to be asked now, and how long its answer may take. [`Health::told`] must follow.
    pub fn tick(&mut self, now: Instant) -> Option<(Address, Duration)> {
        while let Some(address) = self.timers.expire(now) {
            if let Some(watched) = self.watched.get(&address) {
                return Some((address, watched.settings.within));
            }
        }
        None
    }

    /// The answer to a question: its code, or ours where none came.
    pub fn told(&mut self, now: Instant, address: &Address, code: u16) -> Option<Change> {
        let answers = !matches!(code, 408 | 503);
        self.learn(now, address, answers)
    }

    /// A call found the address silent, full or without a way. It is asked at once whether that is so.
    pub fn failed(&mut self, now: Instant, address: &Address) -> Option<Change> {
        let up = self.watched.get(address).is_some_and(|watched| watched.state == State::Up);
        if !up {
            return None; // that is known, and the next question is near
        }
        let under_way = self.timers.deadline(address).is_none();
        let change = self.learn(now, address, false);
        if under_way {
            self.timers.cancel(address); // its answer decides
        } else {
            self.timers.set(address.clone(), now);
        }
        change
    }

    fn learn(&mut self, now: Instant, address: &Address, answers: bool) -> Option<Change> {
        let watched = self.watched.get_mut(address)?;
        let (from, to) = (watched.state, watched.state.next(answers, &watched.settings));
        watched.state = to;
        let settled = matches!(to, State::Up | State::Down(0));
        let every = watched.settings.every;
        let wait = if settled { every } else { every.min(SOON) };
        // A tenth more or less keeps many addresses, and many daemons, apart.
        let wait = wait.mul_f64(self.random.random_range(0.9..1.1));
        self.timers.set(address.clone(), now + wait);
        (from.rank() != to.rank()).then(|| Change { of: address.clone(), from, to })
    }

    /// Nothing for an address that is not watched.
    pub fn state(&self, address: &Address) -> Option<State> {
        self.watched.get(address).map(|watched| watched.state)
    }

    /// The addresses of a trunk in the order in which a call should try them: as written, but the suspect after those
    /// that are up, and those that are down last.
    pub fn order(&self, trunk: &TrunkName, written: &[Peer]) -> Vec<Peer> {
        let mut list = written.to_vec();
        list.sort_by_key(|peer| self.state(&Address::of(trunk, peer)).map_or(0, State::rank)); // stable
        list
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sip::trunk::{Trunk, Unlisted};

    const EVERY: Duration = Duration::from_secs(30);

    fn settings(down_after: u32, up_after: u32) -> Settings {
        Settings { every: EVERY, within: Duration::from_secs(4), down_after, up_after }
    }

    fn trunks(ports: &[u16], settings: Settings) -> Trunks {
        let mut trunk = Trunk::new("t", Vec::new());
        let peer = |port: &u16| Peer { address: SocketAddr::from(([192, 0, 2, 1], *port)), transport: Transport::Udp };
        trunk.outbound = ports.iter().map(peer).collect();
        trunk.keepalive = Some(settings);
        Trunks::new(vec![trunk], Unlisted::Drop)
    }

    /// Asks everything that is due until `until`; `answers` says what comes back, at once.
    fn run(health: &mut Health, now: &mut Instant, until: Instant, answers: impl Fn(u16) -> u16) -> Vec<String> {
        let mut list = Vec::new();
        while let Some(at) = health.next_deadline().filter(|at| *at <= until) {
            *now = at;
            while let Some((address, _)) = health.tick(at) {
                if let Some(change) = health.told(at, &address, answers(address.address.port())) {
                    list.push(format!("{} {}", address.address.port(), change.to.as_str()));
                }
            }
        }
        *now = until;
        list
    }

    #[test]
    fn down_after_three_silences_and_up_after_two_answers() {
        let (mut health, mut now) = (Health::new(1), Instant::now());
        let trunks = trunks(&[1, 2], settings(3, 2));
        health.replace(now, &trunks);
        let later = |now: &Instant, seconds| *now + Duration::from_secs(seconds);
        // Port 1 dies. A silence, then two more in quick succession: 5 s each.
        let until = later(&now, 31 + 12);
        let first = run(&mut health, &mut now, until, |port| if port == 1 { 408 } else { 200 });
        assert_eq!(first, ["1 suspect", "1 down"]);
        let trunk = trunks.get("t").expect("it is there");
        let ports = |health: &Health| {
            let order = health.order(&trunk.name, &trunk.outbound);
            order.iter().map(|peer| peer.address.port()).collect::<Vec<_>>()
        };
        assert_eq!(ports(&health), [2, 1], "what is down is tried last");
        let until = later(&now, 100);
        assert_eq!(run(&mut health, &mut now, until, |port| if port == 1 { 503 } else { 200 }), [""; 0]);
        // It answers again, even if only that it does not know the method.
        let until = later(&now, 33 + 6);
        assert_eq!(run(&mut health, &mut now, until, |_| 501), ["1 up"]);
        assert_eq!(ports(&health), [1, 2]);
    }

    #[test]
    fn a_call_that_finds_it_silent_asks_at_once() {
        let (mut health, now) = (Health::new(1), Instant::now());
        let trunks = trunks(&[1], settings(3, 2));
        health.replace(now, &trunks);
        let later = now + Duration::from_secs(1);
        let (address, within) = health.tick(later).expect("due");
        assert_eq!(within, Duration::from_secs(4));
        health.told(later, &address, 200);
        assert!(health.next_deadline() > Some(later + EVERY / 2));
        let change = health.failed(later, &address).expect("up before");
        assert_eq!(change.to, State::Suspect(1));
        assert_eq!(health.next_deadline(), Some(later));
        assert_eq!(health.failed(later, &address), None);
        // While it is asked it is not asked again.
        health.tick(later).expect("at once");
        health.told(later, &address, 200);
        let later = health.next_deadline().expect("asked again");
        health.tick(later).expect("due");
        assert!(health.failed(later, &address).is_some() && health.next_deadline().is_none());
        assert_eq!(health.told(later, &address, 408), None, "it was suspect already");
        // A reload keeps what is known, and forgets who is gone.
        health.replace(later, &trunks);
        assert_eq!(health.state(&address), Some(State::Suspect(2)));
        assert_eq!(health.replace(later, &Trunks::default()), std::slice::from_ref(&address));
        assert_eq!((health.state(&address), health.next_deadline()), (None, None));
        assert_eq!(health.told(later, &address, 200), None, "an answer that comes too late");
        assert_eq!(health.next_deadline(), None);
    }

    proptest! {
        /// Whatever comes: nobody is asked more often than every 4.5 s, nor less often than every 33 s, and the order
        /// is always all of the addresses.
        #[test]
        fn questions_keep_their_pace(codes in proptest::collection::vec(prop::sample::select(vec![200u16, 408, 503, 404]), 1..60),
                                     down in 1u32..5, up in 1u32..5) {
            let (mut health, mut now) = (Health::new(7), Instant::now());
            let trunks = trunks(&[1], settings(down, up));
            health.replace(now, &trunks);
            let trunk = trunks.get("t").expect("it is there");
            for (i, code) in codes.iter().enumerate() {
                let at = health.next_deadline().expect("always asked again");
                prop_assert!(i == 0 || (Duration::from_millis(4499)..Duration::from_millis(33_001)).contains(&(at - now)));
                now = at;
                let (address, _) = health.tick(now).expect("due");
                prop_assert_eq!(health.tick(now), None, "not asked twice at once");
                health.told(now, &address, *code);
                prop_assert_eq!(health.order(&trunk.name, &trunk.outbound), trunk.outbound.clone());
            }
            // So many good answers in a row always end in up, so many silences in down.
            let (address, _) = { now = health.next_deadline().expect("asked"); health.tick(now).expect("due") };
            for _ in 0..up { health.told(now, &address, 200); }
            prop_assert_eq!(health.state(&address), Some(State::Up));
            for _ in 0..down { health.told(now, &address, 408); }
            prop_assert_eq!(health.state(&address), Some(State::Down(0)));
        }
    }
}
