//! Every outbound call goes through here: INVITE, ringing, time-out, CANCEL, BYE.
//!
//! [`Originator::call`] gives an established [`Outbound`] or says why there is none. Dropping an `Outbound` hangs up.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::media::{Command as Audio, Connect, Leg, LegId, Media};
use crate::sdp;
use crate::sip::task::route_to;
use crate::sip::trunk::Peer;
use crate::sip::{self, Command, DialogId, Event, Invite, Transport, privacy};

use super::registry::Registry;

/// What outbound calls need of the daemon (or of the test telephone).
#[derive(Clone)]
pub struct Originator {
    pub sip: sip::Handle,
    pub registry: Registry,
    pub media: Media,
    /// The addresses that peers see, where they are not our own (NAT).
    pub advertised: sip::Advertised,
    pub terms: sdp::Terms,
}

/// Whom to call, and as whom.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The SIP URI, for the Request-URI and To.
    pub uri: String,
    /// Where the INVITE goes.
    pub to: SocketAddr,
    pub transport: Transport,
    /// Our URI, for From.
    pub from: String,
    pub display: Option<String>,
    /// The caller is not to be known: Privacy asks the next hop to see to it (RFC 3325).
    pub withheld: bool,
    /// How long it may ring.
    pub ring: Duration,
    /// The trunk that it goes over, where it is one.
    pub over: Option<Over>,
}

/// A trunk, and where else the call may go if `to` does not take it.
#[derive(Debug, Clone)]
pub struct Over {
    pub trunk: sip::TrunkName,
    /// The dialled number, as the trunk wants it.
    pub number: String,
    pub further: Vec<Peer>,
    /// How long a peer may say nothing at all.
    pub silence: Duration,
}

/// Why there is no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCall {
    #[error("the other side refused: {code} {reason}")]
    Refused { code: u16, reason: String },
    #[error("nobody answered within {0:?}")]
    NoAnswer(Duration),
    #[error("the answer cannot be used: {0}")]
    BadAnswer(String),
    #[error("no RTP port is free; widen media.ports")]
    NoPort,
    #[error("nothing listens on {0} here; add it to sip.listen")]
    NoTransport(&'static str),
    #[error("there is no route to {0}")]
    NoRoute(IpAddr),
    #[error("SIP is stopping")]
    Stopping,
}

impl NoCall {
    /// Whether another way to the same trunk may do better (RFC 3263 section 4.3).
    fn is_the_way(&self) -> bool {
        match self {
            NoCall::Refused { code, .. } => matches!(code, 408 | 503),
            NoCall::NoTransport(_) | NoCall::NoRoute(_) => true,
            NoCall::NoAnswer(_) | NoCall::BadAnswer(_) | NoCall::NoPort | NoCall::Stopping => false,
        }
    }

    /// The SIP code that says the same (for flows and reports).
    pub fn code(&self) -> u16 {
        match self {
            NoCall::Refused { code, .. } => *code,
            NoCall::NoAnswer(_) => 408,
            NoCall::BadAnswer(_) => 488,
            NoCall::NoPort | NoCall::NoTransport(_) | NoCall::NoRoute(_) | NoCall::Stopping => 503,
        }
    }
}

/// An established outbound call.
pub struct Outbound {
    pub dialog: DialogId,
    pub leg: Leg,
    pub events: mpsc::Receiver<Event>,
    /// INVITE to 200.
    pub setup: Duration,
    pub codec: sdp::Codec,
    originator: Originator,
    ours: sdp::Ours,
    signalled: IpAddr,
    over: bool,
}

impl Originator {
    /// Calls and waits for the answer. `beside`: share this leg's media thread (needed to bridge the two).
    ///
    /// # Errors
    /// Refused, not answered in time (the INVITE is cancelled), or no means to call.
    pub async fn call(&self, destination: &Destination, beside: Option<LegId>) -> Result<Outbound, NoCall> {
        let mut ended = self.call_at(destination, beside).await;
        let Some(over) = &destination.over else { return ended };
        for peer in &over.further {
            match &ended {
                Err(why) if why.is_the_way() => {
                    tracing::warn!(trunk = %over.trunk, %why, next = %peer.address, "the trunk's next address is tried");
                    metrics::counter!("jiesu_trunk_failover_total", "trunk" => over.trunk.to_string()).increment(1);
                }
                _ => break,
            }
            let uri = format!("sip:{}@{}", over.number, peer.address);
            let next = Destination { uri, to: peer.address, transport: peer.transport, ..destination.clone() };
            ended = self.call_at(&next, beside).await;
        }
        ended
    }

    async fn call_at(&self, destination: &Destination, beside: Option<LegId>) -> Result<Outbound, NoCall> {
        let leg = self.media.open(beside).map_err(|_| NoCall::NoPort)?;
        let transport = destination.transport;
        let local = self.sip.local(transport).ok_or(NoCall::NoTransport(transport.as_str()))?;
        let ours = route_to(destination.to.ip()).map_err(|_| NoCall::NoRoute(destination.to.ip()))?;
        let local = if local.ip().is_unspecified() { SocketAddr::new(ours, local.port()) } else { local };
        let dialog = self.sip.new_dialog();
        let events = self.registry.enter(dialog);
        let mut attempt = Attempt { originator: self, dialog, under_way: true, events: Some(events) };
        let ours = sdp::Ours::new(
            self.advertised.of(local.ip(), destination.to.ip()),
            leg.local().port(),
            &self.terms,
            super::secret(),
        );
        let begun = Instant::now();
        let invite = Command::Invite(Box::new(Invite {
            dialog,
            target: destination.uri.clone(),
            flow: sip::Flow { transport, local, peer: destination.to, connection: 0 },
            from: destination.from.clone(),
            display: destination.display.clone(),
            sdp: sdp::offer(&ours),
            trunk: destination.over.as_ref().map(|over| over.trunk.clone()),
            silence: destination.over.as_ref().map(|over| over.silence),
            routes: Vec::new(),
            headers: destination.withheld.then(|| ("Privacy".to_owned(), privacy::ID.to_owned())).into_iter().collect(),
        }));
        self.sip.send(invite).await.map_err(|_| NoCall::Stopping)?;
        let body = match tokio::time::timeout(destination.ring, attempt.answered()).await {
            Ok(answer) => answer?,
            Err(_) => return Err(NoCall::NoAnswer(destination.ring)), // the guard cancels
        };
        let agreed = body
            .ok_or_else(|| NoCall::BadAnswer("the 200 has no SDP".into()))
            .and_then(|body| sdp::accept(&body, &ours).map_err(|e| NoCall::BadAnswer(e.to_string())))?;
        let signalled = destination.to.ip();
        if leg.command(Audio::Connect(Connect::from_sdp(&agreed, signalled))).is_err() {
            return Err(NoCall::NoPort);
        }
        let setup = begun.elapsed();
        metrics::histogram!("jiesu_outbound_setup_seconds").record(setup.as_secs_f64());
        let Some(events) = attempt.established() else { return Err(NoCall::Stopping) };
        let codec = agreed.codec;
        Ok(Outbound { dialog, leg, events, setup, codec, originator: self.clone(), ours, signalled, over: false })
    }
}

/// An INVITE under way; dropped before it is established it is cancelled (the endpoint turns a cancel that comes after
/// the 200 into a BYE).
struct Attempt<'a> {
    originator: &'a Originator,
    dialog: DialogId,
    under_way: bool,
    /// Taken when the call stands.
    events: Option<mpsc::Receiver<Event>>,
}

impl Attempt<'_> {
    async fn answered(&mut self) -> Result<Option<bytes::Bytes>, NoCall> {
        let Some(events) = &mut self.events else { return Err(NoCall::Stopping) };
        loop {
            match events.recv().await {
                Some(Event::Answered { sdp, .. }) => return Ok(sdp),
                Some(Event::Failed { code, reason, .. }) => {
                    self.under_way = false;
                    return Err(NoCall::Refused { code, reason });
                }
                Some(Event::Ended { .. }) | None => {
                    self.under_way = false;
                    return Err(NoCall::Stopping);
                }
                Some(_) => {} // ringing
            }
        }
    }

    fn established(mut self) -> Option<mpsc::Receiver<Event>> {
        self.under_way = false;
        self.events.take()
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.under_way {
            self.originator.sip.send_now(Command::Cancel { dialog: self.dialog });
        }
        if self.events.is_some() {
            self.originator.registry.leave(self.dialog);
        }
    }
}

impl Outbound {
    /// The dialog has ended: nothing is left to hang up.
    pub fn over(&mut self) {
        self.over = true;
    }

    /// Answers the other side's re-INVITE; every other event needs nothing.
    pub async fn reoffer(&mut self, event: Event) {
        let Event::Reoffered { dialog, sdp } = event else { return };
        let command = agree_again(dialog, sdp.as_deref(), &mut self.ours, &self.leg, self.signalled);
        if self.originator.sip.send(command).await.is_err() {
            tracing::debug!("SIP is stopping");
        }
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        if !self.over {
            self.originator.sip.send_now(Command::Hangup { dialog: self.dialog, reason: None });
        }
        self.originator.registry.leave(self.dialog);
    }
}

/// Answers the other side's re-INVITE: the leg follows what is agreed. `signalled`: where its SIP comes from.
pub fn agree_again(
    dialog: DialogId,
    offer: Option<&[u8]>,
    ours: &mut sdp::Ours,
    leg: &Leg,
    signalled: IpAddr,
) -> Command {
    ours.version += 1;
    match offer.map(|offer| sdp::answer_bytes(offer, ours)) {
        None => Command::AnswerAgain { dialog, sdp: sdp::offer(ours) },
        Some(Ok(agreed)) => match leg.command(Audio::Connect(Connect::from_sdp(&agreed, signalled))) {
            Ok(()) => Command::AnswerAgain { dialog, sdp: agreed.sdp },
            Err(_) => Command::RefuseAgain { dialog, code: 500 },
        },
        Some(Err(_)) => Command::RefuseAgain { dialog, code: 488 },
    }
}
