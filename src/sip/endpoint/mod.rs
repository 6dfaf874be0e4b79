//! The endpoint: bytes and commands in, bytes and events out, on a clock that is handed in.
//!
//! "Mutate, then drain": call [`Endpoint::receive`], [`Endpoint::command`] or [`Endpoint::expire`], then
//! [`Endpoint::poll`] until it gives nothing, then wait until [`Endpoint::next_deadline`]. Every table is bounded: over
//! a limit new requests get 503 and nothing is remembered of them.
//!
//! Every dialog that was [`Event::Invited`] ends with exactly one [`Event::Ended`]; every dialog begun with
//! [`Command::Invite`] ends with exactly one [`Event::Failed`] (no call) or, after [`Event::Answered`], one `Ended`.

mod challenge;
mod command;
mod event;
mod expire;
mod inform;
mod inside;
pub mod outside;
mod redirect;
mod refer;
mod refresh;
mod reliable;
mod requests;
mod responses;
mod uac;
mod uas;
mod update;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

pub use command::{Command, Invite};
pub use event::{Event, Why};
pub use outside::{Asked, Request, Response};
pub use refer::ReferTo;

use super::client::Client;
use super::dialog::{Dialog, Key};
use super::message::{Framing, Message};
use super::name::Method;
use super::overload::Overload;
use super::reason::Reason;
use super::server::{Server, Todo};
use super::timing::Timing;
use super::uri::{Scheme, Uri};
use super::{advertised::Advertised, check, trunk::Trunks};
use crate::time::Timers;

/// A dialog, ours to name; never used twice in a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DialogId(pub u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    pub fn is_reliable(self) -> bool {
        matches!(self, Transport::Tcp | Transport::Tls)
    }

    /// As in Via (RFC 3261 section 20.42).
    pub fn as_str(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
        }
    }

    /// As labels of metrics, `transport=` of URIs and our configuration have it.
    pub fn word(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
        }
    }

    /// The port where none is written (RFC 3261 section 19.1.2).
    pub fn usual_port(self) -> u16 {
        match self {
            Transport::Udp | Transport::Tcp => 5060,
            Transport::Tls => 5061,
        }
    }

    /// What a URI with an address as its host asks for (RFC 3263 section 4.1). `sips:` is TLS whatever its parameter
    /// says; `transport=tls` is deprecated (RFC 3261 section 26.2.2) and what everybody writes.
    pub fn of(uri: &Uri<'_>) -> Transport {
        let asks = |word: &[u8]| uri.param("transport").is_some_and(|t| t.eq_ignore_ascii_case(word));
        match uri.scheme {
            Scheme::Sips => Transport::Tls,
            _ if asks(b"tls") => Transport::Tls,
            _ if asks(b"tcp") => Transport::Tcp,
            _ => Transport::Udp,
        }
    }
}

/// The way a message came or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flow {
    pub transport: Transport,
    /// Our address on this way: a concrete one, also where the listener is a wildcard.
    pub local: SocketAddr,
    pub peer: SocketAddr,
    /// The connection's number; 0 on UDP, and on TCP and TLS for "any connection to `peer`, or a new one".
    pub connection: u64,
}

impl Flow {
    fn framing(&self) -> Framing {
        if self.transport.is_reliable() { Framing::Stream } else { Framing::Datagram }
    }
}

/// The name of the trunk that a request came over.
pub type TrunkName = Arc<str>;

#[derive(Debug, Clone)]
pub struct Config {
    pub timing: Timing,
    /// What stands in `Server` and `User-Agent`; no version, which would help an attacker.
    pub agent: String,
    /// The addresses that peers see, where they are not the local ones (NAT).
    pub advertised: Advertised,
    /// How long a call lives without a refresh (RFC 4028), at least 90 s; zero: we ask for no session timer, and keep
    /// to the other side's.
    pub session: Duration,
    pub max_dialogs: usize,
    /// Each is remembered for 32 s after its answer (timers J and L), so a call a second needs 64 places.
    pub max_transactions: usize,
    /// What Retry-After says while full or draining.
    pub retry_after: Duration,
    /// Requests are only sent to addresses that a trunk lists, or where the dialog's requests came from.
    pub trunks: Trunks,
    /// The time since 1970 when it starts, from which overload feedback is numbered.
    pub epoch: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            timing: Timing::default(),
            agent: "jiesu".into(),
            advertised: Advertised::default(),
            session: Duration::from_secs(1800),
            max_dialogs: 10_000,
            max_transactions: 400_000,
            retry_after: Duration::from_secs(10),
            trunks: Trunks::default(),
            epoch: Duration::ZERO,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone)]
pub enum Output {
    Send { flow: Flow, bytes: Bytes },
    Event(Event),
}

/// Gives dialogs their names. Clones count on together.
#[derive(Debug, Clone, Default)]
pub struct Ids(Arc<AtomicU64>);

impl Ids {
    pub fn next(&self) -> DialogId {
        DialogId(self.0.fetch_add(1, Ordering::Relaxed) + 1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Due {
    ServerAgain(u64),
    ServerEnd(u64),
    ClientAgain(u64),
    ClientEnd(u64),
    /// Our 2xx, or reliable provisional response, once more.
    Repeat(DialogId),
    /// No ACK came, or our user never answered.
    GiveUp(DialogId),
    /// Our turn to refresh the session (RFC 4028).
    Refresh(DialogId),
    /// Nobody refreshed it.
    Expired(DialogId),
    /// An offer that got 491.
    Retry(DialogId),
}

struct ServerEntry {
    tx: Server,
    key: Box<[u8]>,
    /// Call-ID, From tag and CSeq of a first INVITE: the same over another path is a merged request (8.2.2.2).
    merge: Option<Box<[u8]>>,
    /// Where responses go.
    flow: Flow,
    dialog: Option<DialogId>,
}

struct ClientEntry {
    tx: Client,
    key: Box<[u8]>,
    method: Method,
    flow: Flow,
    dialog: DialogId,
    /// An INVITE's: the To tag whose 2xx made the call. Other tags are forks that answered too late.
    answered: Option<Bytes>,
    /// How many challenges it is the answer to, one after the other.
    tries: u8,
}

/// See the module.
pub struct Endpoint {
    config: Config,
    random: StdRng,
    secret: u64,
    ids: Ids,
    count: u64,
    servers: HashMap<u64, ServerEntry>,
    server_keys: HashMap<Box<[u8]>, u64>,
    merges: HashMap<Box<[u8]>, u64>,
    clients: HashMap<u64, ClientEntry>,
    client_keys: HashMap<Box<[u8]>, u64>,
    dialogs: HashMap<DialogId, Dialog>,
    dialog_keys: HashMap<Key, DialogId>,
    timers: Timers<Due>,
    out: VecDeque<Output>,
    draining: bool,
    /// Our user would refuse one more call.
    full: bool,
    overload: Overload,
    challenges: challenge::Challenges,
    /// Requests of ours outside calls: never more than `clients`.
    waiting: HashMap<DialogId, outside::Waiting>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("dialogs", &self.dialogs.len())
            .field("servers", &self.servers.len())
            .field("clients", &self.clients.len())
            .finish_non_exhaustive()
    }
}

/// How much an endpoint remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    pub dialogs: usize,
    pub servers: usize,
    pub clients: usize,
    pub timers: usize,
}

impl Endpoint {
    /// `seed` decides tags and branches: random bytes in the daemon, fixed ones in tests.
    pub fn new(config: Config, seed: [u8; 32]) -> Endpoint {
        let mut random = StdRng::from_seed(seed);
        let overload = Overload::new(config.epoch);
        let mut config = config;
        if !config.session.is_zero() {
            config.session = config.session.max(Duration::from_secs(check::MIN_SESSION));
        }
        Endpoint {
            config,
            secret: random.next_u64(),
            random,
            ids: Ids::default(),
            count: 0,
            servers: HashMap::new(),
            server_keys: HashMap::new(),
            merges: HashMap::new(),
            clients: HashMap::new(),
            client_keys: HashMap::new(),
            dialogs: HashMap::new(),
            dialog_keys: HashMap::new(),
            timers: Timers::new(),
            out: VecDeque::new(),
            draining: false,
            full: false,
            overload,
            challenges: challenge::Challenges::default(),
            waiting: HashMap::new(),
        }
    }

    /// Names for dialogs of our own calls.
    pub fn ids(&self) -> Ids {
        self.ids.clone()
    }

    pub fn load(&self) -> Load {
        Load {
            dialogs: self.dialogs.len(),
            servers: self.servers.len(),
            clients: self.clients.len(),
            timers: self.timers.len(),
        }
    }

    /// One datagram, or one message of a stream.
    pub fn receive(&mut self, now: Instant, flow: Flow, trunk: &TrunkName, bytes: Bytes) {
        self.overload.tick(now);
        let message = match Message::parse(bytes, flow.framing()) {
            Ok(message) => message,
            Err(_) => return self.refused("unreadable", flow),
        };
        if message.is_request() {
            match check::request(&message) {
                Ok(_) => self.request(now, flow, trunk, message),
                Err(fault) => self.fault(flow, &message, &fault),
            }
        } else if check::response(&message) {
            self.response(now, flow, &message);
        } else {
            self.refused("bad_response", flow);
        }
    }

    pub fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Ring { dialog } => self.ring(now, dialog),
            Command::Progress { dialog, sdp } => self.progress(now, dialog, sdp),
            Command::Answer { dialog, sdp } => self.answer(now, dialog, &sdp),
            Command::Refuse { dialog, code, reason, retry_after } => {
                self.refuse(now, dialog, code, reason, retry_after);
            }
            Command::AnswerAgain { dialog, sdp } => self.answer_again(now, dialog, &sdp),
            Command::RefuseAgain { dialog, code } => self.refuse_again(now, dialog, code),
            Command::OfferAgain { dialog, sdp } => self.offer_again(now, dialog, &sdp),
            Command::Hangup { dialog, reason } => self.hang_up(now, dialog, reason),
            Command::Acknowledge { dialog, sdp } => self.owed(dialog, sdp),
            Command::Refer { dialog, to, by } => self.refer(now, dialog, &to, by.as_deref()),
            Command::Inform { dialog, content_type, body } => self.inform(now, dialog, content_type, &body),
            Command::Invite(invite) => self.invite(now, *invite),
            Command::Request(request) => self.ask(now, *request),
            Command::Cancel { dialog } => self.cancel(now, dialog),
            Command::Drain(draining) => self.draining = draining,
            Command::Full(full) => self.full = full,
        }
    }

    /// From now on these are the trunks.
    pub fn replace_trunks(&mut self, trunks: Trunks) {
        self.config.trunks = trunks;
    }

    /// The Call-ID of a dialog that lives.
    pub fn call_id(&self, dialog: DialogId) -> Option<&[u8]> {
        self.dialogs.get(&dialog).map(|dialog| &*dialog.call_id)
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Endpoint::expire`] must be called next.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.next_deadline()
    }

    /// What an answer tells a peer about its load, if the peer asks (RFC 7339 section 5.1).
    fn feedback(&self, request: &Message) -> Option<String> {
        request.top_via()?.params.get("oc")?;
        Some(self.overload.parameters(self.draining))
    }

    fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    fn refused(&mut self, why: &'static str, flow: Flow) {
        self.event(Event::Refused { why, flow });
    }

    fn send(&mut self, flow: Flow, bytes: Bytes) {
        self.out.push_back(Output::Send { flow, bytes });
    }

    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// A number below `below`.
    fn draw(&mut self, below: u64) -> u64 {
        self.random.next_u64() % below
    }

    /// A tag or branch that nobody can guess: 64 random bits.
    fn token(&mut self) -> String {
        format!("{:016x}", self.random.next_u64())
    }

    fn branch(&mut self) -> String {
        format!("z9hG4bK{}", self.token())
    }

    /// `host:port` of ours as peers reach it over `flow`.
    fn own_address(&self, flow: &Flow) -> String {
        let ip = self.config.advertised.of(flow.local.ip(), flow.peer.ip());
        SocketAddr::new(ip, flow.local.port()).to_string()
    }

    fn own_contact(&self, flow: &Flow) -> String {
        let transport = match flow.transport {
            Transport::Udp => "",
            Transport::Tcp => ";transport=tcp",
            Transport::Tls => ";transport=tls",
        };
        format!("<sip:{}{transport}>", self.own_address(flow))
    }

    /// Our Contact inside a dialog: `sips:` where the way to the other side is, which holds every hop to TLS (RFC 3261
    /// sections 8.1.1.8 and 12.1.1, RFC 5630 section 3.1.3).
    fn contact_in(&self, dialog: &Dialog, flow: &Flow) -> String {
        if dialog.is_sips() { self.sips_contact(flow) } else { self.own_contact(flow) }
    }

    fn sips_contact(&self, flow: &Flow) -> String {
        match flow.transport {
            Transport::Tls => format!("<sips:{}>", self.own_address(flow)),
            Transport::Udp | Transport::Tcp => self.own_contact(flow), // nothing there could be called with sips:
        }
    }

    fn own_via(&self, flow: &Flow, branch: &str) -> String {
        format!("SIP/2.0/{} {};branch={branch};rport", flow.transport.as_str(), self.own_address(flow))
    }

    /// Carries out what a server transaction wants.
    fn serve(&mut self, now: Instant, id: u64, todo: Todo) {
        let Some(entry) = self.servers.get(&id) else { return };
        if let Some(bytes) = todo.send {
            let flow = entry.flow;
            self.send(flow, bytes);
        }
        if todo.quiet {
            self.timers.cancel(&Due::ServerAgain(id));
        }
        if let Some(again) = todo.again {
            self.timers.set(Due::ServerAgain(id), now + again);
        }
        if let Some(end) = todo.end {
            self.timers.set(Due::ServerEnd(id), now + end);
        }
        if todo.over {
            self.timers.cancel(&Due::ServerEnd(id));
            if let Some(entry) = self.servers.remove(&id) {
                self.server_keys.remove(&entry.key);
                if let Some(merge) = entry.merge {
                    self.merges.remove(&merge);
                }
            }
        }
    }

    /// Forgets a dialog and says that it ended.
    fn end(&mut self, dialog: DialogId, why: Why) {
        self.end_because(dialog, why, None);
    }

    /// As [`Endpoint::end`], with what the other side gave as its reason.
    fn end_because(&mut self, dialog: DialogId, why: Why, reason: Option<Reason>) {
        if self.forget(dialog) {
            self.event(Event::Ended { dialog, why, reason });
        }
    }

    fn forget(&mut self, dialog: DialogId) -> bool {
        let Some(gone) = self.dialogs.remove(&dialog) else { return false };
        if let Some((server, request)) = &gone.updated {
            self.drop_update(*server, request);
        }
        self.dialog_keys.remove(&gone.key());
        self.challenges.forget(dialog);
        self.timers.cancel(&Due::Repeat(dialog));
        self.timers.cancel(&Due::GiveUp(dialog));
        if gone.session.is_some() {
            self.timers.cancel(&Due::Refresh(dialog));
            self.timers.cancel(&Due::Expired(dialog));
        }
        if gone.retry.is_some() {
            self.timers.cancel(&Due::Retry(dialog));
        }
        true
    }
}
