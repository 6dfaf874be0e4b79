//! Transfer: a second leg to somebody else, joined to the caller's (RFC 5359 calls it a back-to-back bridge).
//!
//! The caller's dialog stays ours, so that the recording, the ticket and a failed transfer stay ours too: the audio
//! is passed on inside one media thread. Where the flow says so, the caller's side is asked to call the target itself
//! instead; see [`super::refer`].

use std::future::Future;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::call::session::Input;
use crate::id::CallId;
use crate::ivr::By;
use crate::media::{Command as Audio, LegId};
use crate::sip::{DialogId, Event};

use super::Desk;
use super::originate::{Behalf, Destination, NoCall, Outbound};
use super::reach::{self, Bearing};
use super::refer::{Referral, Referred};

/// The play number of the tone that the caller hears while it rings; the interpreter counts from 1.
pub const RINGBACK: u32 = u32::MAX;

/// A transfer under way or established. Dropping it ends the second leg.
pub struct Transfer {
    digits: mpsc::Sender<char>,
    /// How the caller's side fares with our REFER.
    referred: mpsc::Sender<Referred>,
    joined: bool,
    _stop: oneshot::Sender<()>,
}

/// Who is put through, and how.
pub struct Passenger<'a> {
    pub by: By,
    pub call: CallId,
    pub dialog: DialogId,
    pub leg: LegId,
    pub caller: Option<&'a str>,
    pub withheld: bool,
    /// Our URI as the caller's side knows it.
    pub us: String,
}

impl Transfer {
    /// The far end is heard from now on.
    pub fn joined(&mut self) {
        self.joined = true;
    }

    /// Nobody hears the caller yet.
    pub fn rings(&self) -> bool {
        !self.joined
    }

    /// Passes a key of the caller on.
    pub fn digit(&self, key: char) {
        // More than 16 keys that the far end has not taken: the caller plays with the keys.
        if self.digits.try_send(key).is_err() {
            metrics::counter!("jiesu_transfer_digit_dropped_total").increment(1);
        }
    }

    /// Passes on what a NOTIFY said.
    pub fn referred(&self, code: u16, over: bool) {
        // More than 16 that nobody has taken: the other side floods; the last one that is missed is a time-out.
        if self.referred.try_send(Referred { code, over }).is_err() {
            metrics::counter!("jiesu_transfer_notify_dropped_total").increment(1);
        }
    }

    /// Calls `target`, or has the caller's side call it; the future ends with the session's input, and `up` is told
    /// the far leg when the two are to be joined: at the answer, or before it where the far end plays something.
    ///
    /// # Errors
    /// The target is not a SIP address that can be called.
    pub fn start(
        desk: &Arc<Desk>,
        passenger: Passenger<'_>,
        target: &str,
        up: mpsc::Sender<LegId>,
    ) -> Result<(Transfer, impl Future<Output = Input> + Send + use<>), &'static str> {
        // Whoever refers does not call the target, and need not know the way.
        let destination = match passenger.by {
            By::Refer => None,
            By::Bridge | By::Attended => {
                let ring = desk.config.transfer_ring;
                let bearing = Bearing { caller: passenger.caller, withheld: passenger.withheld, ring };
                Some(reach::destination(desk, &bearing, target)?)
            }
        };
        let (stop, stopped) = oneshot::channel();
        let (digits, keys) = mpsc::channel(16);
        let (referred, told) = mpsc::channel(16);
        let desk = desk.clone();
        let Passenger { by, call, dialog, leg, us, .. } = passenger;
        let referral = Referral { call, dialog, us, told };
        let target = target.to_owned();
        let run = async move {
            let work = async {
                match (by, &destination) {
                    (By::Bridge, Some(destination)) => join(&desk, call, destination, leg, up, keys).await,
                    (By::Attended, Some(destination)) => referral.attended(&desk, destination, leg).await,
                    (_, _) => referral.blind(&desk, target).await,
                }
            };
            tokio::select! {
                input = work => input,
                // The caller hung up: what was begun is cancelled or hung up by its own guards.
                _ = stopped => Input::TransferEnded,
            }
        };
        Ok((Transfer { digits, referred, joined: false, _stop: stop }, run))
    }
}

/// Says why a transfer failed.
pub(super) fn failed(call: CallId, destination: &Destination, error: &NoCall) -> Input {
    let (reason, cause) = (error.unreached().as_str(), error.cause());
    tracing::info!(%call, target = destination.uri, reason, cause, %error, "transfer failed");
    Input::TransferFailed { code: error.code() }
}

async fn join(
    desk: &Desk,
    call: CallId,
    destination: &Destination,
    leg: LegId,
    up: mpsc::Sender<LegId>,
    mut keys: mpsc::Receiver<char>,
) -> Input {
    let behalf = Behalf { beside: Some(leg), call: Some(call), early: Some(up.clone()) };
    let mut far: Outbound = match desk.originator.call_for(destination, &behalf).await {
        Ok(far) => far,
        Err(error) => return failed(call, destination, &error),
    };
    let joined = far.joined || (far.leg.command(Audio::Bridge(leg)).is_ok() && up.try_send(far.leg.id()).is_ok());
    if !joined {
        return Input::TransferFailed { code: 500 };
    }
    loop {
        tokio::select! {
            event = far.events.recv() => match event {
                None | Some(Event::Ended { .. }) => {
                    far.over();
                    return Input::TransferEnded;
                }
                Some(event) => far.reoffer(event).await,
            },
            event = far.leg.event() => {
                if event.is_none() {
                    return Input::TransferEnded;
                }
            }
            Some(key) = keys.recv() => {
                if far.leg.command(Audio::SendDigits(key.to_string())).is_err() {
                    metrics::counter!("jiesu_transfer_digit_dropped_total").increment(1);
                }
            }
        }
    }
}
