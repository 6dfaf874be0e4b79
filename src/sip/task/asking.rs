//! Requests outside calls, asked by other tasks of the daemon: who waits for which answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Task;
use super::handle::{Ask, Handle, Stopped};
use crate::sip::endpoint::outside::{Asked, Request, Response};
use crate::sip::endpoint::{Command, DialogId, Event, Flow, Transport, TrunkName};
use crate::sip::trunk::Peer;

/// Never more than the endpoint has client transactions; each has its answer in a bounded time.
pub(super) type Asking = HashMap<DialogId, oneshot::Sender<Response>>;

/// What is asked of whom.
#[derive(Debug, Clone)]
pub struct Question {
    pub trunk: TrunkName,
    pub to: Peer,
    pub asked: Asked,
    /// Request-URI; To and From too where they are `None`.
    pub uri: String,
    /// The address that it is about.
    pub of: Option<String>,
    pub within: Duration,
}

impl Handle {
    /// Asks, and waits for the answer. Without an answer the code is 408, without a way 503.
    ///
    /// # Errors
    /// The task has ended.
    pub async fn request(&self, question: Question) -> Result<Response, Stopped> {
        let Question { trunk, to, asked, uri, of, within } = question;
        let (answer, answered) = oneshot::channel();
        let any: SocketAddr = if to.address.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let request = Request {
            id: self.new_dialog(),
            asked,
            to: of.clone().unwrap_or_else(|| uri.clone()),
            from: of,
            uri,
            // The task knows the listener.
            flow: Flow { transport: to.transport, local: any, peer: to.address, connection: 0 },
            trunk: Some(trunk),
            within,
        };
        self.asks.send(Ask::Request(request, answer)).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }
}

impl Task {
    pub(super) fn ask(&mut self, request: Request, answer: oneshot::Sender<Response>) {
        self.asking.insert(request.id, answer);
        self.command(Command::Request(Box::new(request)));
    }

    /// A request goes out from the listener that suits it; where there is none, that is its answer.
    pub(super) fn route(&mut self, now: Instant, mut request: Request) -> Option<Command> {
        match self.outgoing(now, request.flow) {
            Some(flow) => {
                request.flow = flow;
                Some(Command::Request(Box::new(request)))
            }
            None => {
                self.tell(now, Event::Response(Response::unsent(&request, 503)));
                None
            }
        }
    }

    /// Gives an answer to whoever waits for it; anything else comes back.
    pub(super) fn answered(&mut self, event: Event) -> Option<Event> {
        let Event::Response(response) = event else { return Some(event) };
        match self.asking.remove(&response.id) {
            Some(answer) => {
                if answer.send(response).is_err() {
                    tracing::debug!("whoever asked a peer did not wait for its answer");
                }
                None
            }
            None => Some(Event::Response(response)),
        }
    }
}

/// The URI of a peer's own address.
pub fn uri_of(peer: &Peer) -> String {
    match peer.transport {
        Transport::Udp => format!("sip:{}", peer.address),
        other => format!("sip:{};transport={}", peer.address, other.word()),
    }
}
