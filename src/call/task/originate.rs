//! Every outbound call goes through here: INVITE, ringing, time-out, CANCEL, BYE.
//!
//! [`Originator::call`] gives an established [`Outbound`] or says why there is none. Dropping an `Outbound` hangs up.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::call::unreached::Unreached;
use crate::id::CallId;
use crate::media::{Command as Audio, Connect, Leg, LegId, Media};
use crate::sdp;
use crate::sip::task::route_to;
use crate::sip::trunk::Peer;
use crate::sip::{self, Command, DialogId, Event, Invite, Reason, Transport, privacy};

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
    /// How long it may ring, at all of a trunk's addresses together.
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
    /// What the trunk wants offered, where that is not what all are offered.
    pub terms: Option<sdp::Terms>,
    /// How long a peer may say nothing at all.
    pub silence: Duration,
}

/// On whose behalf a call is made.
#[derive(Debug, Clone, Default)]
pub struct Behalf {
    /// Share this leg's media thread (needed to bridge the two).
    pub beside: Option<LegId>,
    /// It is a leg of this call of ours; the trace shows them together.
    pub call: Option<CallId>,
    /// What the far end plays before it answers (RFC 3960) is passed to `beside`, and the new leg is told here.
    pub early: Option<mpsc::Sender<LegId>>,
}

/// Why there is no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoCall {
    #[error("the other side refused: {code} {reason}")]
    Refused { code: u16, reason: String, cause: Option<Reason> },
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

    /// What it means to whoever wanted the call.
    pub fn unreached(&self) -> Unreached {
        match self {
            NoCall::Refused { code, cause, .. } => Unreached::of(*code, cause.as_ref()),
            NoCall::NoAnswer(_) => Unreached::NoAnswer,
            NoCall::BadAnswer(_) => Unreached::Refused,
            NoCall::NoPort | NoCall::NoTransport(_) | NoCall::NoRoute(_) | NoCall::Stopping => Unreached::Network,
        }
    }

    /// Q.850's cause, where the network told it.
    pub fn cause(&self) -> Option<String> {
        let NoCall::Refused { cause, .. } = self else { return None };
        cause.as_ref().map(Reason::to_string)
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
    /// It was joined to the leg that it is beside of while it rang.
    pub joined: bool,
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
        self.call_for(destination, &Behalf { beside, ..Behalf::default() }).await
    }

    /// As [`Originator::call`], for a call of ours.
    ///
    /// # Errors
    /// As there.
    pub async fn call_for(&self, destination: &Destination, behalf: &Behalf) -> Result<Outbound, NoCall> {
        let until = Instant::now() + destination.ring;
        let ended = self.try_each(destination, behalf, until).await;
        if let Err(why) = &ended {
            let reason = why.unreached().as_str();
            metrics::counter!("jiesu_outbound_failed_total", "reason" => reason).increment(1);
        }
        ended
    }

    async fn try_each(&self, destination: &Destination, behalf: &Behalf, until: Instant) -> Result<Outbound, NoCall> {
        let mut ended = self.call_at(destination, behalf, until).await;
        let Some(over) = &destination.over else { return ended };
        let mut at = Peer { address: destination.to, transport: destination.transport };
        let mut further = over.further.iter();
        while let Err(why) = &ended
            && why.is_the_way()
        {
            self.sip.peers().failed(&over.trunk, &at);
            let Some(peer) = further.next() else { break };
            at = *peer;
            tracing::warn!(trunk = %over.trunk, %why, next = %peer.address, "the trunk's next address is tried");
            metrics::counter!("jiesu_trunk_failover_total", "trunk" => over.trunk.to_string()).increment(1);
            let uri = format!("sip:{}@{}", over.number, peer.address);
            let next = Destination { uri, to: peer.address, transport: peer.transport, ..destination.clone() };
            ended = self.call_at(&next, behalf, until).await;
        }
        ended
    }

    async fn call_at(&self, destination: &Destination, behalf: &Behalf, until: Instant) -> Result<Outbound, NoCall> {
        let leg = self.media.open(behalf.beside).map_err(|_| NoCall::NoPort)?;
        let transport = destination.transport;
        let local = self.sip.local(transport).ok_or(NoCall::NoTransport(transport.as_str()))?;
        let ours = route_to(destination.to.ip()).map_err(|_| NoCall::NoRoute(destination.to.ip()))?;
        let local = if local.ip().is_unspecified() { SocketAddr::new(ours, local.port()) } else { local };
        let dialog = self.sip.new_dialog();
        let events = self.registry.enter(dialog);
        let mut attempt =
            Attempt { originator: self, dialog, under_way: true, events: Some(events), early: None, joined: false };
        let ours = sdp::Ours::new(
            self.advertised.of(local.ip(), destination.to.ip()),
            leg.local().port(),
            destination.over.as_ref().and_then(|over| over.terms.as_ref()).unwrap_or(&self.terms),
            super::secret(),
        );
        let begun = Instant::now();
        let invite = Invite {
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
        };
        let begins = match behalf.call {
            Some(call) => self.sip.call(call, invite).await,
            None => self.sip.send(Command::Invite(Box::new(invite))).await,
        };
        begins.map_err(|_| NoCall::Stopping)?;
        let signalled = destination.to.ip();
        let answered = attempt.answered(|early, known| early_media(behalf, &leg, early, known, &ours, signalled));
        let body = match tokio::time::timeout_at(until, answered).await {
            Ok(answer) => answer?,
            Err(_) => return Err(NoCall::NoAnswer(destination.ring)), // the guard cancels
        };
        let agreed = body
            .ok_or_else(|| NoCall::BadAnswer("the 200 has no SDP".into()))
            .and_then(|body| sdp::accept(&body, &ours).map_err(|e| NoCall::BadAnswer(e.to_string())))?;
        if leg.command(Audio::Connect(Connect::from_sdp(&agreed, signalled))).is_err() {
            return Err(NoCall::NoPort);
        }
        let setup = begun.elapsed();
        metrics::histogram!("jiesu_outbound_setup_seconds").record(setup.as_secs_f64());
        let joined = attempt.joined;
        let Some(events) = attempt.established() else { return Err(NoCall::Stopping) };
        let (codec, originator) = (agreed.codec, self.clone());
        Ok(Outbound { dialog, leg, events, setup, codec, joined, originator, ours, signalled, over: false })
    }
}

/// The SDP of an 18x: what the far end plays now is heard by the leg that ours is beside of. Of several branches the
/// last one is heard. Returns whether the two legs are joined.
fn early_media(behalf: &Behalf, leg: &Leg, body: &[u8], joined: bool, ours: &sdp::Ours, signalled: IpAddr) -> bool {
    let (Some(beside), Some(early)) = (behalf.beside, &behalf.early) else { return joined };
    let Ok(agreed) = sdp::accept(body, ours) else { return joined }; // the 2xx may be better
    let connected = leg.command(Audio::Connect(Connect::from_sdp(&agreed, signalled))).is_ok();
    if joined || !connected {
        return joined;
    }
    metrics::counter!("jiesu_outbound_early_media_total").increment(1);
    leg.command(Audio::Bridge(beside)).is_ok() && early.try_send(leg.id()).is_ok()
}

/// An INVITE under way; dropped before it is established it is cancelled (the endpoint turns a cancel that comes after
/// the 200 into a BYE).
struct Attempt<'a> {
    originator: &'a Originator,
    dialog: DialogId,
    under_way: bool,
    /// Taken when the call stands.
    events: Option<mpsc::Receiver<Event>>,
    /// The SDP of the last 18x that had one: 18x are repeated, each a minute at least (RFC 3261 section 13.3.1.1).
    early: Option<Bytes>,
    /// It is heard already.
    joined: bool,
}

impl Attempt<'_> {
    /// Waits for the answer; `early` gets what may be heard before it, and whether something is heard already.
    async fn answered(&mut self, early: impl Fn(&[u8], bool) -> bool) -> Result<Option<Bytes>, NoCall> {
        let Some(events) = &mut self.events else { return Err(NoCall::Stopping) };
        loop {
            match events.recv().await {
                Some(Event::Answered { sdp, .. }) => return Ok(sdp),
                Some(Event::Failed { code, reason, cause, .. }) => {
                    self.under_way = false;
                    return Err(NoCall::Refused { code, reason, cause });
                }
                Some(Event::Ringing { sdp: Some(sdp), .. }) if self.early.as_ref() != Some(&sdp) => {
                    self.joined = early(&sdp, self.joined);
                    self.early = Some(sdp);
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
