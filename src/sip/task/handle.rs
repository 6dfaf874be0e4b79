//! How the rest of the daemon speaks to the task.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::peers::Peers;
use super::resolve::Known;
use super::tls::Tls;
use super::trace::Trace;
use crate::id::CallId;
use crate::sip::endpoint::{Command, DialogId, Ids, Invite, Request, Response, Transport};
use crate::sip::trunk::locate::{Learnt, Place};
use crate::sip::trunk::{Peer, Trunk, Trunks};

/// The task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("SIP is stopping")]
pub struct Stopped;

pub(super) enum Ask {
    Command(Command),
    Request(Request, oneshot::Sender<Response>),
    /// Command::Invite, a leg of this call of ours.
    Call(CallId, Box<Invite>),
    Turn(oneshot::Sender<()>),
}

/// How the rest of the daemon speaks to SIP.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(super) asks: mpsc::Sender<Ask>,
    pub(super) ids: Ids,
    pub(super) udp: Option<SocketAddr>,
    pub(super) tcp: Option<SocketAddr>,
    pub(super) tls: Option<SocketAddr>,
    pub(super) trunks: Arc<watch::Sender<Trunks>>,
    /// The trunks as they are written, without what DNS says.
    pub(super) written: Arc<watch::Sender<Trunks>>,
    pub(super) known: Known,
    pub(super) secrets: Arc<watch::Sender<Tls>>,
    pub(super) trace: Trace,
    pub(super) peers: Peers,
}

impl Handle {
    /// Hands a command over, waiting for room.
    ///
    /// # Errors
    /// The task has ended.
    pub async fn send(&self, command: Command) -> Result<(), Stopped> {
        self.asks.send(Ask::Command(command)).await.map_err(|_| Stopped)
    }

    /// Begins a leg of this call of ours: [`Command::Invite`], and the trace shows its messages with the call's.
    ///
    /// # Errors
    /// The task has ended.
    pub async fn call(&self, of: CallId, invite: Invite) -> Result<(), Stopped> {
        self.asks.send(Ask::Call(of, Box::new(invite))).await.map_err(|_| Stopped)
    }

    /// Hands a command over without waiting, for places that cannot (drop). Without room it is lost and counted.
    pub fn send_now(&self, command: Command) {
        if self.asks.try_send(Ask::Command(command)).is_err() {
            metrics::counter!("jiesu_sip_command_dropped_total").increment(1);
        }
    }

    /// A name for a dialog of a call of ours.
    pub fn new_dialog(&self) -> DialogId {
        self.ids.next()
    }

    /// The first address that is listened on.
    pub fn local(&self, transport: Transport) -> Option<SocketAddr> {
        match transport {
            Transport::Udp => self.udp,
            Transport::Tcp => self.tcp,
            Transport::Tls => self.tls,
        }
    }

    /// A trunk as it is configured now.
    pub fn trunk(&self, name: &str) -> Option<Trunk> {
        self.trunks.borrow().get(name).cloned()
    }

    /// All of them, as they are configured now.
    pub fn trunks(&self) -> Trunks {
        self.trunks.borrow().clone()
    }

    /// From now on these are the trunks. Calls that run go on.
    pub fn replace_trunks(&self, trunks: Trunks) {
        self.written.send_replace(trunks);
        self.publish();
    }

    /// DNS has an answer.
    pub(super) fn learn(&self, place: &Place, peers: Vec<Peer>) -> Learnt {
        let written = self.written.borrow().places();
        let learnt = {
            let mut known = self.known.lock().expect("nothing panics while holding this lock");
            known.keep(|place| written.contains(place));
            known.learn(place, peers)
        };
        if learnt != Learnt::Nothing {
            self.publish();
        }
        learnt
    }

    fn publish(&self) {
        let known = self.known.lock().expect("nothing panics while holding this lock");
        // While the lock is held: of two that publish at once the later one knows all.
        self.trunks.send_replace(self.written.borrow().located(&known));
    }

    /// What is known of the carriers' addresses.
    pub fn peers(&self) -> &Peers {
        &self.peers
    }

    /// From now on these are the certificates. Connections that are open go on.
    pub fn replace_tls(&self, tls: Tls) {
        self.secrets.send_modify(|secrets| secrets.replace(tls));
    }

    /// The messages of the last calls.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// One round trip through the task, for the watchdog.
    ///
    /// # Errors
    /// What is wrong. It may also hang, which is for the caller to bound.
    pub async fn turns(&self) -> Result<(), String> {
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask::Turn(answer)).await.map_err(|_| Stopped.to_string())?;
        answered.await.map_err(|_| Stopped.to_string())
    }
}
