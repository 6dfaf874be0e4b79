//! The sockets of SIP and the one task that drives the [`Endpoint`]: datagrams, connections, commands and timers in,
//! bytes and events out.
//!
//! Whether a source is a trunk is asked before anything of its message is read. Nothing here waits for a peer or for
//! the switchboard: what cannot be sent is counted (SIP repeats it), and while the switchboard is behind, new calls are
//! turned away with 503 but no event of a running call is lost.

mod asking;
mod config;
mod handle;
mod junk;
mod limit;
mod local;
pub mod peers;
pub mod registrar;
pub mod resolve;
mod tcp;
pub mod tls;
mod trace;
mod udp;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::endpoint::{self, Command, Endpoint, Event, Flow, Load, Output, Transport, TrunkName};
use super::ladder::Way;
use super::trunk::{Trunk, Trunks, Unlisted};
use handle::Ask;

pub use asking::Question;
pub use config::{Config, Listen};
pub use handle::{Handle, Stopped};
pub use junk::Refusals;
pub use local::route_to;
pub use tcp::Limits as TcpLimits;
pub use tls::Tls;
pub use trace::Trace;

/// Commands that wait for the task.
const COMMANDS: usize = 4096;
/// Datagrams, commands and events that are taken in one go, so that no source starves another.
const BATCH: usize = 64;
/// How long peers have, when the daemon stops, to answer our last BYEs.
const FAREWELL: Duration = Duration::from_secs(2);

/// Sockets that are bound; nothing is read yet.
#[derive(Debug)]
pub struct Bound {
    config: Config,
    trunks: Trunks,
    udp: Vec<std::net::UdpSocket>,
    tcp: Vec<std::net::TcpListener>,
    tls: Vec<std::net::TcpListener>,
    secrets: Tls,
}

/// Binds every address. Port 0 takes a free port, the same for UDP and TCP.
///
/// # Errors
/// With the address that could not be bound.
pub fn bind(config: &Config, trunks: Trunks) -> io::Result<Bound> {
    let mut trunks = trunks;
    trunks.unlisted = config.unlisted;
    let secrets = Tls::default();
    let mut bound =
        Bound { config: config.clone(), trunks, udp: Vec::new(), tcp: Vec::new(), tls: Vec::new(), secrets };
    for listen in &config.listen {
        bound.listen(*listen)?;
    }
    for address in &config.tls.listen {
        bound.tls.push(tcp::bind(*address).map_err(named("tls", *address))?);
    }
    Ok(bound)
}

fn named(what: &'static str, address: SocketAddr) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("cannot listen on {what} {address}: {error}"))
}

/// How often a free UDP port may turn out to be taken on TCP.
const TRIES: usize = 16;

impl Bound {
    fn listen(&mut self, listen: Listen) -> io::Result<()> {
        let mut tries = if listen.udp && listen.tcp && listen.address.port() == 0 { TRIES } else { 1 };
        loop {
            tries -= 1;
            let mut address = listen.address;
            let udp = if listen.udp { Some(udp::bind(address).map_err(named("udp", address))?) } else { None };
            if let Some(udp) = &udp {
                address = udp.local_addr()?;
            }
            if listen.tcp {
                match tcp::bind(address) {
                    Ok(tcp) => self.tcp.push(tcp),
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => continue,
                    Err(error) => return Err(named("tcp", address)(error)),
                }
            }
            self.udp.extend(udp);
            return Ok(());
        }
    }

    pub fn udp(&self) -> Vec<SocketAddr> {
        self.udp.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    pub fn tcp(&self) -> Vec<SocketAddr> {
        self.tcp.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    pub fn tls(&self) -> Vec<SocketAddr> {
        self.tls.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// With these certificates, without which no TLS handshake succeeds.
    #[must_use]
    pub fn secured(self, secrets: Tls) -> Bound {
        Bound { secrets, ..self }
    }

    /// Starts the task. It ends after `stop`, once the last calls are hung up; then `events` closes.
    ///
    /// # Errors
    /// The runtime refuses a socket.
    pub fn spawn(self, events: mpsc::Sender<Event>, stop: CancellationToken) -> io::Result<(Handle, JoinHandle<()>)> {
        let config = endpoint::Config {
            agent: self.config.agent.clone(),
            advertised: self.config.advertised.clone(),
            session: self.config.session,
            max_dialogs: self.config.max_dialogs,
            max_transactions: self.config.max_transactions,
            retry_after: self.config.retry_after,
            trunks: self.trunks.clone(),
            epoch: std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default(),
            ..endpoint::Config::default()
        };
        let endpoint = Endpoint::new(config, rand::random());
        let (asks, asked) = mpsc::channel(COMMANDS);
        let (send_trunks, trunks) = watch::channel(self.trunks.clone());
        let (send_secrets, secrets) = watch::channel(self.secrets.clone());
        let handle = Handle {
            asks,
            ids: endpoint.ids(),
            udp: self.udp().first().copied(),
            tcp: self.tcp().first().copied(),
            tls: self.tls().first().copied(),
            trunks: Arc::new(send_trunks),
            written: Arc::new(watch::channel(self.trunks.clone()).0),
            known: resolve::Known::default(),
            secrets: Arc::new(send_secrets),
            trace: Trace::default(),
            peers: peers::Peers::default(),
        };
        let listeners = Listeners { udp: self.udp(), tcp: self.tcp(), tls: self.tls() };
        let over = |transport, list: Vec<_>| list.into_iter().map(move |socket| (transport, socket));
        let terms = tcp::Terms {
            listeners: over(Transport::Tcp, self.tcp).chain(over(Transport::Tls, self.tls)).collect(),
            limits: self.config.tcp,
            handshakes: self.config.tls.handshakes,
            trunks: trunks.clone(),
            tls: secrets,
        };
        let task = Task {
            endpoint,
            udp: udp::Sockets::new(self.udp)?,
            tcp: tcp::Connections::start(terms)?,
            listeners,
            routes: local::Routes::default(),
            junk: junk::Junk::new(trunks.clone()),
            trunks,
            trace: handle.trace.clone(),
            listed: limit::Sources::new(self.config.source_rate),
            strangers: limit::Sources::new(self.config.unlisted_rate),
            asked,
            asking: asking::Asking::new(),
            events,
            backlog: VecDeque::new(),
            told: Load::default(),
            stop,
        };
        Ok((handle, tokio::spawn(task.run())))
    }
}

/// Where is listened.
struct Listeners {
    udp: Vec<SocketAddr>,
    tcp: Vec<SocketAddr>,
    tls: Vec<SocketAddr>,
}

/// Whose an address is, asked before anything of its message is read.
struct Caller {
    trunk: Option<TrunkName>,
    unlisted: Unlisted,
    must_be_secured: bool,
}

impl Caller {
    fn at(trunks: &Trunks, ip: IpAddr) -> Caller {
        let trunk = trunks.at(ip);
        Caller {
            trunk: trunk.map(|trunk| trunk.name.clone()),
            unlisted: trunks.unlisted,
            must_be_secured: trunk.is_some_and(Trunk::must_be_secured),
        }
    }
}

struct Task {
    endpoint: Endpoint,
    udp: udp::Sockets,
    tcp: tcp::Connections,
    listeners: Listeners,
    routes: local::Routes,
    trunks: watch::Receiver<Trunks>,
    junk: junk::Junk,
    trace: Trace,
    /// How much each address of a trunk, and each other one, may ask.
    listed: limit::Sources,
    strangers: limit::Sources,
    asked: mpsc::Receiver<Ask>,
    asking: asking::Asking,
    events: mpsc::Sender<Event>,
    /// Events for which the switchboard had no room. Bounded: while anything waits here no new call is taken, and a
    /// running one has a handful of events to come.
    backlog: VecDeque<Event>,
    told: Load,
    stop: CancellationToken,
}

impl Task {
    async fn run(mut self) {
        let mut last: Option<Instant> = None;
        loop {
            self.carry_out(Instant::now());
            if last.is_some_and(|last| self.endpoint.load().dialogs == 0 || Instant::now() >= last) {
                break;
            }
            let deadline = [self.endpoint.next_deadline(), last].into_iter().flatten().min();
            tokio::select! {
                () = self.stop.cancelled(), if last.is_none() => {
                    let now = Instant::now();
                    self.endpoint.close(now);
                    last = Some(now + FAREWELL);
                }
                Some(ask) = self.asked.recv() => self.asked(ask),
                socket = self.udp.ready() => self.datagrams(socket),
                heard = self.tcp.heard() => self.heard(heard),
                () = room(&self.events), if !self.backlog.is_empty() => self.catch_up(),
                () = sleep_until(deadline) => self.endpoint.expire(Instant::now()),
            }
            if self.trunks.has_changed().unwrap_or(false) {
                self.endpoint.replace_trunks(self.trunks.borrow_and_update().clone());
            }
        }
        if tokio::time::timeout(FAREWELL, self.tcp.stop()).await.is_err() {
            tracing::debug!("a TCP peer did not take our last messages");
        }
    }

    fn asked(&mut self, ask: Ask) {
        let mut next = Some(ask);
        let mut left = BATCH;
        while let Some(ask) = next.take() {
            match ask {
                Ask::Command(command) => self.command(command),
                Ask::Request(request, answer) => self.ask(request, answer),
                Ask::Call(call, invite) => {
                    let dialog = invite.dialog;
                    self.command(Command::Invite(invite));
                    if let Some(call_id) = self.endpoint.call_id(dialog) {
                        self.trace.name(call, call_id);
                    }
                }
                Ask::Turn(answer) => {
                    if answer.send(()).is_err() {
                        tracing::debug!("whoever asked whether SIP turns did not wait");
                    }
                }
            }
            left -= 1;
            if left > 0 {
                next = self.asked.try_recv().ok();
            }
        }
    }

    fn command(&mut self, command: Command) {
        let now = Instant::now();
        let command = match command {
            Command::Invite(mut invite) => match self.outgoing(now, invite.flow) {
                Some(flow) => {
                    invite.flow = flow;
                    Command::Invite(invite)
                }
                None => {
                    let reason =
                        format!("not listening on {} towards {}", invite.flow.transport.as_str(), invite.flow.peer);
                    return self.tell(now, Event::Failed { dialog: invite.dialog, code: 503, reason, cause: None });
                }
            },
            Command::Request(request) => match self.route(now, *request) {
                Some(command) => command,
                None => return,
            },
            command => command,
        };
        self.endpoint.command(now, command);
    }

    /// The flow with the listener that it goes out from, as the peer sees it.
    fn outgoing(&mut self, now: Instant, flow: Flow) -> Option<Flow> {
        let list = match flow.transport {
            Transport::Udp => &self.listeners.udp,
            Transport::Tcp => &self.listeners.tcp,
            Transport::Tls => &self.listeners.tls,
        };
        let exact = list.iter().find(|listener| **listener == flow.local);
        let fits = || list.iter().find(|listener| listener.is_ipv4() == flow.peer.is_ipv4());
        let listener = *exact.or_else(fits)?;
        Some(Flow { local: self.routes.towards(now, listener, flow.peer.ip()), ..flow })
    }

    fn datagrams(&mut self, socket: usize) {
        let now = Instant::now();
        for _ in 0..BATCH {
            let Some((peer, listener, bytes)) = self.udp.receive(socket) else { return };
            // Keep-alives of NATs: an empty datagram, or empty lines.
            if bytes.iter().all(|b| b"\r\n\0".contains(b)) {
                continue;
            }
            let flow = |local| Flow { transport: Transport::Udp, local, peer, connection: 0 };
            let Caller { trunk, unlisted, must_be_secured } = Caller::at(&self.trunks.borrow(), peer.ip());
            match trunk {
                Some(_) if must_be_secured => self.junk.note(now, "not_secured", peer),
                Some(_) if !self.listed.may(now, peer.ip(), bytes) => self.junk.note(now, "source_rate", peer),
                Some(trunk) => {
                    let bytes = Bytes::copy_from_slice(bytes);
                    metrics::counter!("jiesu_sip_received_total", "transport" => "udp").increment(1);
                    let flow = flow(self.routes.towards(now, listener, peer.ip()));
                    self.trace.note(Timestamp::now(), Way::In, &flow, &bytes);
                    self.endpoint.receive(now, flow, &trunk, bytes);
                }
                None if unlisted == Unlisted::Forbid && self.strangers.may(now, peer.ip(), bytes) => {
                    self.endpoint.forbid(flow(listener), Bytes::copy_from_slice(bytes));
                    self.junk.note(now, "unlisted", peer);
                }
                None if unlisted == Unlisted::Forbid => self.junk.note(now, "unlisted_rate", peer),
                None => self.junk.note(now, "unlisted", peer),
            }
            self.carry_out(now);
        }
    }

    fn heard(&mut self, heard: tcp::Heard) {
        let now = Instant::now();
        match &heard {
            tcp::Heard::Refused { peer, reason } => self.junk.note(now, reason, *peer),
            tcp::Heard::Closed { connection, why } => {
                if let Some(flow) = self.tcp.flow(*connection) {
                    if let Some(reason) = why.blame() {
                        self.junk.note(now, reason, flow.peer);
                    }
                    self.endpoint.unreachable(now, flow);
                }
            }
            tcp::Heard::Opened { .. } | tcp::Heard::Message { .. } => {}
        }
        let Some((flow, bytes)) = self.tcp.take(heard) else { return };
        metrics::counter!("jiesu_sip_received_total", "transport" => flow.transport.word()).increment(1);
        let Caller { trunk, unlisted, must_be_secured } = Caller::at(&self.trunks.borrow(), flow.peer.ip());
        match trunk {
            // Also where the trunk's file has changed since the connection was opened.
            Some(trunk) if must_be_secured && self.tcp.shown(flow.connection) != Some(&trunk) => {
                self.junk.note(now, "not_secured", flow.peer);
                self.tcp.close(flow.connection);
            }
            Some(_) if !self.listed.may(now, flow.peer.ip(), &bytes) => {
                self.junk.note(now, "source_rate", flow.peer);
            }
            Some(trunk) => {
                self.trace.note(Timestamp::now(), Way::In, &flow, &bytes);
                self.endpoint.receive(now, flow, &trunk, bytes);
            }
            None => {
                if unlisted == Unlisted::Forbid {
                    self.endpoint.forbid(flow, bytes);
                }
                self.junk.note(now, "unlisted", flow.peer);
                self.carry_out(now);
                self.tcp.close(flow.connection);
            }
        }
    }

    /// Does what the endpoint wants done.
    fn carry_out(&mut self, now: Instant) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Send { flow, bytes } => self.send(now, flow, bytes),
                Output::Event(event) => self.tell(now, event),
            }
        }
        let load = self.endpoint.load();
        if load != self.told {
            self.told = load;
            metrics::gauge!("jiesu_sip_dialogs").set(load.dialogs as f64);
            metrics::gauge!("jiesu_sip_transactions").set((load.servers + load.clients) as f64);
            metrics::gauge!("jiesu_sip_connections").set(self.tcp.len() as f64);
        }
    }

    fn send(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        self.trace.note(Timestamp::now(), Way::Out, &flow, &bytes);
        let sent = match flow.transport {
            Transport::Udp => self.udp.send(flow.local, flow.peer, &bytes).map_err(|error| {
                tracing::debug!(%error, peer = %flow.peer, "a datagram was not sent");
                "socket"
            }),
            Transport::Tcp | Transport::Tls => self.tcp.send(flow, bytes),
        };
        match sent {
            Ok(()) => {
                metrics::counter!("jiesu_sip_sent_total", "transport" => flow.transport.word()).increment(1);
            }
            Err(reason) => {
                metrics::counter!("jiesu_sip_send_failed_total", "reason" => reason).increment(1);
                if flow.transport.is_reliable() {
                    self.endpoint.unreachable(now, flow);
                }
            }
        }
    }

    fn tell(&mut self, now: Instant, event: Event) {
        if let Event::Refused { why, flow } = event {
            return self.junk.note(now, why, flow.peer);
        }
        let Some(event) = self.answered(event) else { return };
        if self.backlog.is_empty() {
            match self.events.try_send(event) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(event)) => self.put_off(now, event),
                Err(mpsc::error::TrySendError::Closed(event)) => {
                    if let Event::Invited { dialog, .. } = event {
                        self.endpoint.turn_away(now, dialog);
                    }
                }
            }
        } else {
            self.put_off(now, event);
        }
    }

    /// The switchboard has room again, or is gone.
    fn catch_up(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(event)) = self.events.try_send(event) {
                self.backlog.push_front(event);
                return;
            }
        }
    }

    /// The switchboard is behind.
    fn put_off(&mut self, now: Instant, event: Event) {
        match event {
            Event::Invited { dialog, flow, .. } => {
                self.endpoint.turn_away(now, dialog);
                self.junk.note(now, "switchboard_full", flow.peer);
            }
            event => self.backlog.push_back(event),
        }
    }
}

/// Waits until `events` takes one more, or never will.
async fn room(events: &mpsc::Sender<Event>) {
    drop(events.reserve().await);
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
