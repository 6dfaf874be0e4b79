//! TCP, and TLS over it: listeners and connections. Each connection is read by a task of its own, framed there, and
//! handed on through one bounded queue; a peer that sends faster than it is served waits in its own TCP window.
//!
//! Refused: connections over the caps, silence, a handshake or a message that stays half, a stream that cannot be
//! framed, a peer that does not read. Each closes one connection and nothing else.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::tls::{Refused, Tls};
use crate::sip::endpoint::{Flow, Transport, TrunkName};
use crate::sip::stream::{Framer, Piece};
use crate::sip::trunk::{Trunks, Unlisted};

/// Messages that wait for a peer to read; one more closes the connection.
const UNREAD: usize = 64;
/// Messages of all connections that wait for the endpoint.
const INBOX: usize = 256;
/// How long a peer may take to accept a connection of ours, for its handshake, or to read one message.
const PATIENCE: Duration = Duration::from_secs(5);

/// What connections may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections that others opened, together.
    pub connections: usize,
    /// … from one address.
    pub per_address: usize,
    /// A connection on which nothing more comes is closed after this time.
    pub idle: Duration,
    /// A message has to be whole this long after its first byte, and the first one this long after the connection.
    pub message: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { connections: 1024, per_address: 128, idle: Duration::from_secs(600), message: Duration::from_secs(10) }
    }
}

/// What connections tell the endpoint's task.
#[derive(Debug)]
pub enum Heard {
    Opened {
        flow: Flow,
        out: mpsc::Sender<Bytes>,
        /// The trunk whose certificate was shown.
        shown: Option<TrunkName>,
    },
    Message {
        connection: u64,
        bytes: Bytes,
    },
    Closed {
        connection: u64,
        why: Closed,
    },
    /// One was not taken at all.
    Refused {
        peer: SocketAddr,
        reason: &'static str,
    },
}

/// Why a connection is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    ByPeer,
    ByUs,
    Idle,
    /// It was opened and nothing came.
    Silent,
    HalfMessage,
    Unframed,
    /// It never came about.
    Unreachable,
    /// The same, for what happened in its handshake.
    Unsecured(&'static str),
}

impl Closed {
    /// The reason to count, where the peer is to blame.
    pub fn blame(self) -> Option<&'static str> {
        match self {
            Closed::Silent => Some("tcp_silent"),
            Closed::HalfMessage => Some("tcp_half_message"),
            Closed::Unframed => Some("tcp_unframed"),
            Closed::Unsecured(reason) => Some(reason),
            Closed::ByPeer | Closed::ByUs | Closed::Idle | Closed::Unreachable => None,
        }
    }
}

/// A bound listener, before there is a runtime.
pub fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?; // a restart need not wait for old connections to be forgotten
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

/// What all connections share.
struct Shared {
    limits: Limits,
    heard: mpsc::Sender<Heard>,
    count: AtomicU64,
    /// Taken connections by address.
    taken: Mutex<HashMap<IpAddr, usize>>,
    trunks: watch::Receiver<Trunks>,
    tls: watch::Receiver<Tls>,
    /// Those of others that may be under way.
    handshakes: Semaphore,
    tasks: TaskTracker,
    stop: CancellationToken,
}

struct Open {
    flow: Flow,
    out: mpsc::Sender<Bytes>,
    shown: Option<TrunkName>,
}

/// What is listened on, and what connections are held to.
pub struct Terms {
    pub listeners: Vec<(Transport, std::net::TcpListener)>,
    pub limits: Limits,
    /// TLS handshakes of others that may be under way.
    pub handshakes: usize,
    pub trunks: watch::Receiver<Trunks>,
    pub tls: watch::Receiver<Tls>,
}

/// The endpoint's side of all connections.
pub struct Connections {
    shared: Arc<Shared>,
    inbox: mpsc::Receiver<Heard>,
    open: HashMap<u64, Open>,
}

impl Connections {
    /// # Errors
    /// The runtime refuses a listener.
    pub fn start(terms: Terms) -> io::Result<Connections> {
        let (heard, inbox) = mpsc::channel(INBOX);
        let shared = Arc::new(Shared {
            limits: terms.limits,
            heard,
            count: AtomicU64::new(0),
            taken: Mutex::default(),
            trunks: terms.trunks,
            tls: terms.tls,
            handshakes: Semaphore::new(terms.handshakes),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        for (transport, listener) in terms.listeners {
            let listener = TcpListener::from_std(listener)?;
            shared.tasks.spawn(listen(shared.clone(), transport, listener));
        }
        Ok(Connections { shared, inbox, open: HashMap::new() })
    }

    /// The next thing that a connection has to tell. Pass it to [`Connections::take`].
    pub async fn heard(&mut self) -> Heard {
        self.inbox.recv().await.expect("we hold a sender ourselves")
    }

    /// Keeps the books; gives a message and its way where there is one.
    pub fn take(&mut self, heard: Heard) -> Option<(Flow, Bytes)> {
        match heard {
            Heard::Opened { flow, out, shown } => {
                self.open.insert(flow.connection, Open { flow, out, shown });
            }
            Heard::Message { connection, bytes } => return Some((self.open.get(&connection)?.flow, bytes)),
            Heard::Closed { connection, .. } => self.close(connection),
            Heard::Refused { .. } => {}
        }
        None
    }

    pub fn flow(&self, connection: u64) -> Option<Flow> {
        self.open.get(&connection).map(|open| open.flow)
    }

    /// The trunk whose certificate was shown on this connection.
    pub fn shown(&self, connection: u64) -> Option<&TrunkName> {
        self.open.get(&connection)?.shown.as_ref()
    }

    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// What is queued is still written; then the connection ends.
    pub fn close(&mut self, connection: u64) {
        self.open.remove(&connection);
    }

    /// Sends over the flow's connection, another one to the same peer, or (requests only) a new one.
    ///
    /// # Errors
    /// With the reason to count.
    pub fn send(&mut self, flow: Flow, bytes: Bytes) -> Result<(), &'static str> {
        let known = self.open.contains_key(&flow.connection).then_some(flow.connection);
        let is_same = |open: &Flow| (open.transport, open.peer) == (flow.transport, flow.peer);
        let same = || self.open.iter().find(|(_, open)| is_same(&open.flow)).map(|(id, _)| *id);
        let id = match known.or_else(same) {
            Some(id) => id,
            // RFC 3261 18.2.2 would have us connect to where a response's Via points; an address that a request
            // merely names is not called (ATTACKS 33).
            None if bytes.starts_with(b"SIP/2.0 ") => return Err("connection_gone"),
            None => self.connect(flow),
        };
        let Some(open) = self.open.get(&id) else { return Err("connection_gone") };
        open.out.try_send(bytes).map_err(|_| {
            self.open.remove(&id);
            "peer_does_not_read"
        })
    }

    fn connect(&mut self, flow: Flow) -> u64 {
        let id = self.shared.count.fetch_add(1, Ordering::Relaxed) + 1;
        let flow = Flow { connection: id, ..flow };
        let (out, outgoing) = mpsc::channel(UNREAD);
        // Who it is must be known before it is called: nothing is heard from a peer that does not prove it.
        let shown = match flow.transport {
            Transport::Tls => Tls::trunk_at(&self.shared.trunks.borrow(), flow.peer),
            Transport::Udp | Transport::Tcp => None,
        };
        self.open.insert(id, Open { flow, out: out.clone(), shown: shown.clone() });
        let shared = self.shared.clone();
        self.shared.tasks.spawn(async move {
            let stream = tokio::time::timeout(PATIENCE, TcpStream::connect(flow.peer)).await;
            let line = Line { shared: &shared, flow, out, outgoing, first: shared.limits.idle };
            let why = match stream {
                Ok(Ok(stream)) => line.call(stream, shown).await,
                Ok(Err(_)) | Err(_) => Closed::Unreachable,
            };
            shared.tell(Heard::Closed { connection: id, why }).await;
        });
        id
    }

    /// Writes what is queued, closes everything and waits for the tasks.
    pub async fn stop(mut self) {
        self.open.clear();
        self.shared.tasks.close();
        let shared = self.shared.clone();
        // Writers end by themselves once their queues are empty; readers and listeners are told.
        shared.stop.cancel();
        let mut inbox = self.inbox;
        let drained = async {
            while inbox.recv().await.is_some() {} // so that nobody waits for room
        };
        tokio::select! {
            () = shared.tasks.wait() => {}
            () = drained => {}
        }
    }
}

impl Shared {
    /// Tells the endpoint's task, which may have ended meanwhile; then nobody needs to know.
    async fn tell(&self, heard: Heard) -> bool {
        self.heard.send(heard).await.is_ok()
    }

    fn seat(self: &Arc<Shared>, ip: IpAddr) -> Result<Seat, &'static str> {
        let mut taken = self.taken.lock().expect("nothing panics while holding this lock");
        if taken.values().sum::<usize>() >= self.limits.connections {
            return Err("tcp_full");
        }
        let here = taken.entry(ip).or_default();
        if *here >= self.limits.per_address {
            return Err("tcp_full_for_address");
        }
        *here += 1;
        Ok(Seat { shared: self.clone(), ip })
    }
}

/// A taken connection's place under the caps; dropping gives it back.
struct Seat {
    shared: Arc<Shared>,
    ip: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.shared.taken.lock().expect("nothing panics while holding this lock");
        if let Some(count) = taken.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.ip);
            }
        }
    }
}

async fn listen(shared: Arc<Shared>, transport: Transport, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                if let Err(reason) = admit(&shared, transport, stream, peer) {
                    shared.tell(Heard::Refused { peer, reason }).await;
                }
            }
            Err(error) => {
                // Out of file descriptors, as a rule: trying again at once would only burn the core.
                tracing::warn!(%error, "a TCP connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn admit(shared: &Arc<Shared>, transport: Transport, stream: TcpStream, peer: SocketAddr) -> Result<(), &'static str> {
    let (trunk, unlisted) = {
        let trunks = shared.trunks.borrow();
        (trunks.of(peer.ip()).cloned(), trunks.unlisted)
    };
    if trunk.is_none() && unlisted == Unlisted::Drop {
        return Err("unlisted");
    }
    let seat = shared.seat(peer.ip())?;
    let local = stream.local_addr().map_err(|_| "tcp_gone")?;
    let connection = shared.count.fetch_add(1, Ordering::Relaxed) + 1;
    let flow = Flow { transport, local, peer, connection };
    let shared = shared.clone();
    shared.clone().tasks.spawn(async move {
        let (out, outgoing) = mpsc::channel(UNREAD);
        let line = Line { shared: &shared, flow, out, outgoing, first: shared.limits.message };
        match line.answer(stream, trunk).await {
            Ok(why) => shared.tell(Heard::Closed { connection, why }).await,
            Err(reason) => shared.tell(Heard::Refused { peer, reason }).await,
        };
        drop(seat);
    });
    Ok(())
}

/// One connection's life.
struct Line<'a> {
    shared: &'a Shared,
    flow: Flow,
    out: mpsc::Sender<Bytes>,
    outgoing: mpsc::Receiver<Bytes>,
    /// How long its first message may take.
    first: Duration,
}

impl Line<'_> {
    /// Somebody opened it; `trunk` lists the address.
    async fn answer(self, stream: TcpStream, trunk: Option<TrunkName>) -> Result<Closed, &'static str> {
        promptly(&stream);
        let shared = self.shared;
        let opened = |shown| Heard::Opened { flow: self.flow, out: self.out.clone(), shown };
        if self.flow.transport != Transport::Tls {
            shared.tell(opened(None)).await;
            let (reader, writer) = stream.into_split();
            return Ok(self.converse(reader, writer).await);
        }
        let (stream, shown) = {
            // Over it nobody waits: the peer tries again, and the queue would only grow.
            let _place = shared.handshakes.try_acquire().map_err(|_| "tls_busy")?;
            let tls = shared.tls.borrow().clone();
            let handshake = tls.accept(trunk.as_ref(), stream, shared.limits.message);
            let secured = tokio::select! {
                () = shared.stop.cancelled() => return Err("draining"),
                secured = handshake => secured,
            };
            secured.map_err(|refused| self.explain(&refused))?
        };
        shared.tell(opened(shown)).await;
        let (reader, writer) = tokio::io::split(stream);
        Ok(self.converse(reader, writer).await)
    }

    /// We opened it, to this trunk.
    async fn call(self, stream: TcpStream, trunk: Option<TrunkName>) -> Closed {
        promptly(&stream);
        if self.flow.transport != Transport::Tls {
            let (reader, writer) = stream.into_split();
            return self.converse(reader, writer).await;
        }
        let tls = self.shared.tls.borrow().clone();
        let secured = match trunk {
            Some(trunk) => tls.connect(&trunk, self.flow.peer.ip(), stream, PATIENCE).await,
            None => Err(Refused::Unknown),
        };
        match secured {
            Ok(stream) => {
                let (reader, writer) = tokio::io::split(stream);
                self.converse(reader, writer).await
            }
            Err(refused) => Closed::Unsecured(self.explain(&refused)),
        }
    }

    /// The word is counted and explained where all refusals are; what exactly it was only helps whoever looks into it.
    fn explain(&self, refused: &Refused) -> &'static str {
        tracing::debug!(peer = %self.flow.peer, %refused, "no TLS connection");
        refused.reason()
    }

    async fn converse(self, reader: impl AsyncRead + Unpin, mut writer: impl AsyncWrite + Unpin) -> Closed {
        let Line { shared, flow, out, mut outgoing, first } = self;
        let pong = out.downgrade();
        drop(out); // the endpoint's task alone keeps the connection open
        let write = async {
            while let Some(bytes) = outgoing.recv().await {
                let written = async {
                    writer.write_all(&bytes).await?;
                    writer.flush().await // TLS gathers records
                };
                match tokio::time::timeout(PATIENCE, written).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Closed::ByPeer,
                    Err(_) => return Closed::ByUs, // does not read
                }
            }
            Closed::ByUs
        };
        let why = tokio::select! {
            why = read(shared, flow.connection, reader, pong, first) => why,
            why = write => why,
        };
        // TLS says that nothing was cut off (RFC 8446 section 6.1). The peer may be gone, or not read.
        let _ = tokio::time::timeout(PATIENCE, writer.shutdown()).await;
        why
    }
}

fn promptly(stream: &TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
}

async fn read(
    shared: &Shared,
    connection: u64,
    mut reader: impl AsyncRead + Unpin,
    pong: mpsc::WeakSender<Bytes>,
    first: Duration,
) -> Closed {
    let limits = shared.limits;
    let mut framer = Framer::default();
    let mut buffer = vec![0; 8 * 1024];
    let mut deadline = Instant::now() + first;
    let mut spoke = false;
    loop {
        let read = tokio::select! {
            // Only reading ends here; what is queued for writing is written by the other half.
            () = shared.stop.cancelled() => return std::future::pending().await,
            read = tokio::time::timeout_at(deadline, reader.read(&mut buffer)) => read,
        };
        let length = match read {
            Err(_) if framer.is_inside() => return Closed::HalfMessage,
            Err(_) => return if spoke { Closed::Idle } else { Closed::Silent },
            Ok(Ok(0) | Err(_)) => return Closed::ByPeer,
            Ok(Ok(length)) => length,
        };
        let was_inside = framer.is_inside();
        let mut whole = false;
        framer.push(&buffer[..length]);
        loop {
            match framer.poll() {
                Ok(None) => break,
                Ok(Some(Piece::Ping)) => {
                    spoke = true;
                    // RFC 5626 3.5.1. A peer that pings without reading loses its pongs, no more.
                    if pong.upgrade().is_some_and(|out| out.try_send(Bytes::from_static(b"\r\n")).is_ok()) {
                        metrics::counter!("jiesu_sip_pongs_total").increment(1);
                    }
                }
                Ok(Some(Piece::Message(bytes))) => {
                    (whole, spoke) = (true, true);
                    if !shared.tell(Heard::Message { connection, bytes }).await {
                        return Closed::ByUs;
                    }
                }
                Err(_) => return Closed::Unframed,
            }
        }
        if !framer.is_inside() {
            if spoke {
                deadline = Instant::now() + limits.idle;
            }
        } else if whole || !was_inside {
            // Counted from the first byte, so that one byte a second does not keep it alive.
            deadline = Instant::now() + limits.message;
        }
    }
}
