//! One call of a check, step by step.
//!
//! Not through `call::originate`, which gives established calls only: a check must be able to stop halfway, to ask for
//! what a gateway never asks for, and to see every step.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::bench::Bench;
use super::check::{Role, Short};
use super::wire::line;
use crate::call::originate::agree_again;
use crate::cli::phone::{bracketed, close, tell};
use crate::media::{Command as Audio, Connect, Event as Sound, Leg, Stats};
use crate::sdp::{self, Agreed, Terms};
use crate::sip::trunk::Peer;
use crate::sip::{Command, DialogId, Event, Flow, Invite, Method, Why};

/// How long the answer to a request inside the call may take. Its time-out by the rules (64*T1) says no more.
const PATIENCE: Duration = Duration::from_secs(8);

/// How a call is begun.
pub(super) struct Ask {
    pub peer: Peer,
    pub number: String,
    pub terms: Terms,
    /// The other side shall offer.
    pub delayed: bool,
    pub headers: Vec<(String, String)>,
}

impl Ask {
    /// A usual call to the trunk's first address.
    ///
    /// # Errors
    /// No number is known that does this.
    pub fn to(bench: &Bench, role: Role) -> Result<Ask, Short> {
        let number = bench.carrier.number(role)?;
        let headers = Vec::new();
        Ok(Ask { peer: bench.carrier.peer(), number, terms: bench.carrier.terms.clone(), delayed: false, headers })
    }
}

/// Why nobody answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("INVITE got {code} {reason}")]
    Refused { code: u16, reason: String },
    #[error("nothing came back to INVITE")]
    Silent,
    #[error("nobody answered within {0:?}")]
    TooLong(Duration),
    #[error("the {0} cannot be agreed to: {1}")]
    BadSdp(&'static str, String),
}

impl From<NoAnswer> for Short {
    fn from(error: NoAnswer) -> Short {
        Short::Failed(error.to_string())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Calling,
    Up,
    Over,
}

/// What happened next.
pub(super) enum Step {
    Sip(Event),
    Sound(Sound),
}

/// A call under way. Dropped, it is cancelled or hung up.
pub(super) struct Probe<'a> {
    bench: &'a Bench,
    pub dialog: DialogId,
    pub leg: Leg,
    events: mpsc::Receiver<Event>,
    pub ours: sdp::Ours,
    signalled: IpAddr,
    stage: Stage,
    /// What was agreed on last.
    pub agreed: Option<Agreed>,
    /// The description of the first 18x that had one.
    pub early: Option<Bytes>,
    /// And of the 200.
    pub answer: Option<Bytes>,
}

impl<'a> Probe<'a> {
    /// Sends the INVITE.
    pub async fn invite(bench: &'a Bench, ask: Ask) -> Result<Probe<'a>, Short> {
        let Ask { peer, number, terms, delayed, headers } = ask;
        let own = |what: String| Short::NotTried(format!("a fault of ours: {what}"));
        let phone = &bench.phone;
        let leg = phone.media.open(None).map_err(|error| own(error.to_string()))?;
        let local = phone.sip.local(peer.transport).ok_or_else(|| own(format!("no {}", peer.transport.as_str())))?;
        let shown = bench.carrier.setup.sip.advertised.of(local.ip(), peer.address.ip());
        let ours = sdp::Ours::new(shown, leg.local().port(), &terms, crate::call::task::secret());
        let dialog = phone.sip.new_dialog();
        let events = phone.registry.enter(dialog);
        let invite = Invite {
            dialog,
            target: format!("sip:{number}@{}", peer.address),
            flow: Flow { transport: peer.transport, local, peer: peer.address, connection: 0 },
            from: format!("sip:{}@{}", bench.carrier.from, bracketed(shown)),
            display: None,
            sdp: if delayed { Bytes::new() } else { sdp::offer(&ours) },
            routes: Vec::new(),
            trunk: Some(bench.carrier.trunk.name.clone()),
            silence: Some(bench.carrier.trunk.silence),
            headers,
        };
        phone.sip.send(Command::Invite(Box::new(invite))).await.map_err(|error| own(error.to_string()))?;
        Ok(Probe {
            bench,
            dialog,
            leg,
            events,
            ours,
            signalled: peer.address.ip(),
            stage: Stage::Calling,
            agreed: None,
            early: None,
            answer: None,
        })
    }

    /// A call of that kind that is answered.
    pub async fn call(bench: &'a Bench, ask: Ask) -> Result<Probe<'a>, Short> {
        let mut probe = Probe::invite(bench, ask).await?;
        probe.answered().await?;
        Ok(probe)
    }

    /// What happens next, until then. Offers of theirs are answered, and early audio is connected.
    pub async fn step(&mut self, until: Instant) -> Option<Step> {
        let event = tokio::select! {
            event = self.events.recv() => event?,
            Some(sound) = self.leg.event() => return Some(Step::Sound(sound)),
            () = tokio::time::sleep_until(until) => return None,
        };
        match &event {
            Event::Ringing { sdp: Some(sdp), .. } if self.early.is_none() => {
                if let Ok(agreed) = sdp::accept(sdp, &self.ours) {
                    self.connect(agreed);
                }
                self.early = Some(sdp.clone());
            }
            Event::Reoffered { dialog, sdp } => {
                let (leg, signalled) = (&self.leg, self.signalled);
                let command = agree_again(*dialog, sdp.as_deref(), &mut self.ours, leg, signalled);
                self.bench.phone.sip.send_now(command);
            }
            Event::Failed { .. } | Event::Ended { .. } => self.stage = Stage::Over,
            _ => {}
        }
        Some(Step::Sip(event))
    }

    pub fn connect(&mut self, agreed: Agreed) {
        tell(&self.leg, Audio::Connect(Connect::from_sdp(&agreed, self.signalled)));
        self.agreed = Some(agreed);
    }

    /// Waits for the answer and connects the audio.
    pub async fn answered(&mut self) -> Result<(), NoAnswer> {
        let ring = self.bench.carrier.ring;
        let until = Instant::now() + ring;
        loop {
            match self.step(until).await {
                Some(Step::Sip(Event::Answered { sdp, .. })) => return self.take(sdp),
                Some(Step::Sip(Event::Failed { code, reason, .. })) => {
                    let silent = self.bench.wire().is_silent();
                    return Err(if silent { NoAnswer::Silent } else { NoAnswer::Refused { code, reason } });
                }
                Some(Step::Sip(Event::Ended { .. })) => return Err(NoAnswer::Silent),
                Some(_) => {}
                None => return Err(NoAnswer::TooLong(ring)),
            }
        }
    }

    /// The description of a 200: an answer to our offer, or an offer.
    pub fn take(&mut self, sdp: Option<Bytes>) -> Result<(), NoAnswer> {
        self.stage = Stage::Up;
        self.answer.clone_from(&sdp);
        let bad = |what, why: String| NoAnswer::BadSdp(what, why);
        let sdp = sdp.ok_or_else(|| bad("200", "it has no description".to_owned()))?;
        let sent = self.bench.wire().sent(Method::Invite).last().and_then(|invite| invite.sdp());
        let agreed = match sent {
            Some(_) => sdp::accept(&sdp, &self.ours).map_err(|error| bad("answer", error.to_string()))?,
            None => {
                let agreed = sdp::answer_bytes(&sdp, &self.ours).map_err(|error| bad("offer", error.to_string()))?;
                let (dialog, sdp) = (self.dialog, agreed.sdp.clone());
                self.bench.phone.sip.send_now(Command::Acknowledge { dialog, sdp });
                agreed
            }
        };
        self.connect(agreed);
        Ok(())
    }

    /// Talks on for a while; the keys that were heard.
    ///
    /// # Errors
    /// The call ended meanwhile.
    pub async fn stay(&mut self, span: Duration) -> Result<String, Short> {
        let begun = Instant::now();
        let mut keys = String::new();
        while let Some(step) = self.step(begun + span).await {
            match step {
                Step::Sip(Event::Ended { why, .. }) => {
                    let who = if why == Why::ByeReceived { "they hung up" } else { "the call ended" };
                    let after = begun.elapsed().as_secs_f32();
                    return Err(Short::Failed(format!("{who} after {after:.1} s, during the check")));
                }
                Step::Sound(Sound::Digit(key)) => keys.push(key),
                Step::Sip(_) | Step::Sound(_) => {}
            }
        }
        Ok(keys)
    }

    /// A re-INVITE with this description. Their answer, or the code with which they refused.
    pub async fn offer_again(&mut self, sdp: Bytes) -> Result<Result<Bytes, u16>, Short> {
        let dialog = self.dialog;
        self.command(Command::OfferAgain { dialog, sdp }).await;
        let until = Instant::now() + PATIENCE;
        while let Some(step) = self.step(until).await {
            match step {
                Step::Sip(Event::AnsweredAgain { sdp: Some(sdp), .. }) => return Ok(Ok(sdp)),
                Step::Sip(Event::AnsweredAgain { sdp: None, .. }) => {
                    return Err(Short::Failed("the 200 to re-INVITE has no description".into()));
                }
                Step::Sip(Event::RefusedAgain { code, .. }) => return Ok(Err(code)),
                Step::Sip(Event::Ended { .. }) => {
                    let final_answer = self.bench.wire().answer(Method::Invite).map(line).unwrap_or_default();
                    return Err(Short::Failed(format!("re-INVITE ended the call; last answer {final_answer}")));
                }
                Step::Sip(_) | Step::Sound(_) => {}
            }
        }
        Err(Short::Failed(format!("re-INVITE was not answered within {PATIENCE:?}")))
    }

    /// INFO with this body; the code of its answer.
    pub async fn inform(&mut self, content_type: &'static str, body: String) -> Result<u16, Short> {
        let dialog = self.dialog;
        self.command(Command::Inform { dialog, content_type, body: Bytes::from(body) }).await;
        let until = Instant::now() + PATIENCE;
        while let Some(step) = self.step(until).await {
            match step {
                Step::Sip(Event::Informed { code, .. }) => return Ok(code),
                Step::Sip(Event::Ended { .. }) => return Err(Short::Failed("INFO ended the call".into())),
                Step::Sip(_) | Step::Sound(_) => {}
            }
        }
        Err(Short::Failed(format!("INFO was not answered within {PATIENCE:?}")))
    }

    pub async fn command(&self, command: Command) {
        if self.bench.phone.sip.send(command).await.is_err() {
            tracing::error!("SIP has stopped during a check");
        }
    }

    /// The leg's figures; nothing is heard from now on.
    pub async fn sound(&mut self) -> Stats {
        close(&mut self.leg).await
    }

    /// BYE, which they must answer with 200.
    pub async fn hang_up(mut self) -> Result<(), Short> {
        let dialog = self.dialog;
        self.command(Command::Hangup { dialog, reason: None }).await;
        let until = Instant::now() + PATIENCE;
        while let Some(step) = self.step(until).await {
            if let Step::Sip(Event::Ended { .. } | Event::Failed { .. }) = step {
                break;
            }
        }
        match self.bench.wire().answer(Method::Bye) {
            Some(answer) if answer.code() == Some(200) => Ok(()),
            Some(answer) => Err(Short::Failed(format!("BYE got {}", line(answer)))),
            None if self.bench.wire().asked(Method::Bye).next().is_some() => Ok(()), // both at once
            None => Err(Short::Failed(format!("BYE was not answered within {PATIENCE:?}"))),
        }
    }

    /// Gives the call up, whatever its state; whatever comes of it is not looked at.
    pub async fn give_up(mut self) {
        let dialog = self.dialog;
        match self.stage {
            Stage::Calling => self.command(Command::Cancel { dialog }).await,
            Stage::Up => self.command(Command::Hangup { dialog, reason: None }).await,
            Stage::Over => return,
        }
        let until = Instant::now() + PATIENCE;
        while self.stage != Stage::Over && self.step(until).await.is_some() {}
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        let dialog = self.dialog;
        match self.stage {
            Stage::Calling => self.bench.phone.sip.send_now(Command::Cancel { dialog }),
            Stage::Up => self.bench.phone.sip.send_now(Command::Hangup { dialog, reason: None }),
            Stage::Over => {}
        }
        self.bench.phone.registry.leave(dialog);
    }
}
