//! The media threads and the handles to their legs.
//!
//! [`Media`] starts the threads, gives each new leg its ports and a thread, and watches them. [`Leg`] is a call's way
//! to its audio: commands in, events out, both bounded.

mod socket;
mod thread;
mod voices;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle, available_parallelism};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::leg::{Settings, Stream};
use super::ports::{self, Ports};
use super::recorder::Recorder;
use super::wheel::Wheel;
use super::{Command, Config, Event, LegId, TICK};
use socket::Sockets;
use thread::{Board, Running, Side, Thread};
use voices::Voices;

/// Commands that may wait for a leg's tick.
const COMMANDS: usize = 32;
/// Events that may wait for a leg's owner.
const EVENTS: usize = 64;
/// New legs that may wait for their thread.
const MAILBOX: usize = 1024;
/// Ports tried for one leg; those that other processes hold are passed over.
const TRIES: usize = 64;

/// All media threads. Clones share them.
#[derive(Clone)]
pub struct Media(Arc<Shared>);

struct Shared {
    config: Config,
    settings: Arc<Settings>,
    ports: Arc<Mutex<Ports>>,
    threads: Vec<Desk>,
    serial: AtomicU64,
    stopping: Arc<AtomicBool>,
    joins: Mutex<Vec<JoinHandle<()>>>,
}

/// One thread, from outside.
struct Desk {
    board: Arc<Board>,
    mailbox: SyncSender<Box<Running>>,
    thread: std::thread::Thread,
}

/// A media or recorder thread cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("the media threads cannot be started: {0}")]
pub struct NotStarted(#[from] io::Error);

/// Why there is no leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoLeg {
    #[error("no RTP port is free; widen media.ports")]
    Ports,
    #[error("the media threads are stopping or take no more legs")]
    Stopping,
}

/// The leg has ended, or its queue of commands is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the leg takes no more commands")]
pub struct Full;

impl Media {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(config: &Config) -> Result<Media, NotStarted> {
        let cores = available_parallelism().map_or(1, usize::from);
        let (voices, joins_of_voices) = match config.voice.as_deref().and_then(voices::network) {
            Some(network) => {
                let (voices, joins) = Voices::start(network, config.voice_threads)?;
                (Some(voices), joins)
            }
            None => (None, Vec::new()),
        };
        let epoch = Instant::now();
        // Wall time only goes into RTCP; a clock before 1970 is as good as any.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let settings = Arc::new(Settings {
            inactivity: config.inactivity,
            jitter: (config.jitter.as_millis() / TICK.as_millis()) as u32,
            gateways: config.gateways.clone(),
            voices: voices.is_some(),
            epoch: (epoch, unix),
        });
        let ports = Arc::new(Mutex::new(Ports::new(config.ports, config.port_rest, rand::random::<u64>() as usize)));
        let stopping = Arc::new(AtomicBool::new(false));
        let (recorder, mut joins) = Recorder::start(config.recorders)?;
        joins.extend(joins_of_voices);
        let count = if config.threads == 0 { cores } else { config.threads };
        let mut threads = Vec::with_capacity(count);
        for n in 0..count {
            let (mailbox, incoming) = sync_channel(MAILBOX);
            let board = Arc::new(Board::default());
            let worker = Thread {
                epoch,
                board: board.clone(),
                mailbox: incoming,
                stopping: stopping.clone(),
                ports: ports.clone(),
                recorder: recorder.clone(),
                voices: voices.clone(),
                late: metrics::histogram!("jiesu_media_late_seconds"),
                legs: Vec::new(),
                wheel: Wheel::default(),
                outputs: VecDeque::new(),
                passed: Vec::new(),
            };
            let pin = config.pin;
            let join = Builder::new().name(format!("media-{n}")).spawn(move || {
                prefer(n, pin);
                worker.run();
            })?;
            threads.push(Desk { board, mailbox, thread: join.thread().clone() });
            joins.insert(0, join); // before the recorders, which end when the last media thread has
        }
        let shared = Shared {
            config: config.clone(),
            settings,
            ports,
            threads,
            serial: AtomicU64::new(1),
            stopping,
            joins: Mutex::new(joins),
        };
        Ok(Media(Arc::new(shared)))
    }

    /// A new leg with ports of its own, on the thread with the fewest, or on that of another leg (to be bridged).
    ///
    /// # Errors
    /// No port, or no thread that takes it.
    pub fn open(&self, beside: Option<LegId>) -> Result<Leg, NoLeg> {
        let shared = &*self.0;
        if shared.stopping.load(Ordering::Acquire) {
            return Err(NoLeg::Stopping);
        }
        let least = || {
            let legs = |desk: &Desk| desk.board.legs.load(Ordering::Relaxed);
            (0..shared.threads.len()).min_by_key(|n| legs(&shared.threads[*n])).unwrap_or(0)
        };
        let n = beside.map(|leg| usize::from(leg.thread)).filter(|n| *n < shared.threads.len()).unwrap_or_else(least);
        let desk = shared.threads.get(n).ok_or(NoLeg::Stopping)?;
        let (port, sockets, local) = self.bind()?;
        let id = LegId { thread: n as u16, serial: shared.serial.fetch_add(1, Ordering::Relaxed) };
        let (commands, incoming) = mpsc::channel(COMMANDS);
        let (outgoing, events) = mpsc::channel(EVENTS);
        let running = Running {
            id,
            stream: Stream::new(shared.settings.clone(), local, rand::random(), Instant::now()),
            sockets,
            port,
            commands: incoming,
            events: outgoing,
            side: Side::default(),
        };
        desk.board.legs.fetch_add(1, Ordering::Relaxed);
        if desk.mailbox.try_send(Box::new(running)).is_err() {
            desk.board.legs.fetch_sub(1, Ordering::Relaxed);
            self.ports().give_back(Instant::now(), port);
            return Err(NoLeg::Stopping);
        }
        desk.thread.unpark();
        Ok(Leg { id, local, commands, events })
    }

    fn bind(&self) -> Result<(u16, Sockets, SocketAddr), NoLeg> {
        let config = &self.0.config;
        for _ in 0..TRIES {
            // The lock is not held while the system is asked: media threads take it too.
            let Some(port) = self.ports().take(Instant::now()) else { break };
            match ports::bind(config.bind, port, config.dscp) {
                Ok((rtp, rtcp)) => return Ok((port, Sockets::new(rtp, rtcp), SocketAddr::new(config.bind, port))),
                Err(error) => {
                    tracing::debug!(port, %error, "an RTP port is not ours to use");
                    self.ports().give_back(Instant::now(), port);
                }
            }
        }
        metrics::counter!("jiesu_media_ports_exhausted_total").increment(1);
        Err(NoLeg::Ports)
    }

    fn ports(&self) -> std::sync::MutexGuard<'_, Ports> {
        self.0.ports.lock().expect("nobody panics with the ports")
    }

    fn since_epoch(&self) -> Duration {
        self.0.settings.epoch.0.elapsed()
    }

    /// How late ticks ran in the last second or two, on the thread that is worst off.
    pub fn lateness(&self) -> Duration {
        let now = self.since_epoch();
        self.0.threads.iter().map(|desk| desk.board.lateness(now)).max().unwrap_or_default()
    }

    /// Legs that are open.
    pub fn legs(&self) -> usize {
        self.0.threads.iter().map(|desk| desk.board.legs.load(Ordering::Relaxed)).sum()
    }

    /// Whether every thread turned within this time (at least a second: idle threads turn twice in it).
    ///
    /// # Errors
    /// Says which did not.
    pub fn turns(&self, within: Duration) -> Result<(), String> {
        let now = self.since_epoch();
        let within = within.max(Duration::from_secs(1));
        match self.0.threads.iter().map(|desk| desk.board.still(now)).enumerate().find(|(_, still)| *still > within) {
            Some((n, still)) => Err(format!("media thread {n} has stood still for {still:?}")),
            None => Ok(()),
        }
    }

    /// Closes every leg, seals every recording, joins every thread. Waits for the disk: not for an async task's thread.
    pub fn stop(self) {
        self.0.stopping.store(true, Ordering::Release);
        self.0.threads.iter().for_each(|desk| desk.thread.unpark());
        let joins = std::mem::take(&mut *self.0.joins.lock().expect("nobody panics with the joins"));
        for join in joins {
            if join.join().is_err() {
                tracing::error!("a media thread had panicked");
            }
        }
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Media({} threads, {} legs)", self.0.threads.len(), self.legs())
    }
}

/// Asks for one core and a better place in the queue for it; audio works without both.
fn prefer(n: usize, pin: bool) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    if pin {
        let pinned = sched_getaffinity(None).and_then(|allowed| {
            let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
            let mut one = CpuSet::new();
            if let Some(core) = cores.get(n % cores.len().max(1)) {
                one.set(*core);
            }
            sched_setaffinity(None, &one)
        });
        if let Err(error) = pinned {
            tracing::warn!(%error, thread = n, "a media thread is not pinned to a core; audio may be late under load");
        }
    }
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -10) {
        tracing::debug!(%error, thread = n, "a media thread runs at ordinary priority (needs CAP_SYS_NICE)");
    }
}

/// One call's audio. Dropping it closes the leg.
#[derive(Debug)]
pub struct Leg {
    id: LegId,
    local: SocketAddr,
    commands: mpsc::Sender<Command>,
    events: mpsc::Receiver<Event>,
}

impl Leg {
    /// Our RTP address; RTCP is the next port. The IP is the one bound to, which may be unspecified.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    pub fn id(&self) -> LegId {
        self.id
    }

    /// Carried out at the leg's next tick, within 20 ms.
    ///
    /// # Errors
    /// The leg has ended, or too many commands wait.
    pub fn command(&self, command: Command) -> Result<(), Full> {
        self.commands.try_send(command).map_err(|_| Full)
    }

    /// The next event; `None` after [`Event::Closed`].
    pub async fn event(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}
