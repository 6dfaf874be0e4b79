//! The call's dialog: it rings, is refused, is offered other audio, and ends.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::Call;
use crate::call::keys;
use crate::call::session::Input;
use crate::call::task::Desk;
use crate::call::task::invitation::Invitation;
use crate::media::{Command as Audio, Connect, Leg};
use crate::sdp;
use crate::sip::{Command, Event, Reason};

pub(super) async fn refuse(
    desk: &Desk,
    invitation: &Invitation,
    code: u16,
    reason: &'static str,
    why: &'static str,
    remedy: &str,
) {
    desk.refused(why, &invitation.trunk.as_str().into(), || remedy.to_owned());
    let dialog = invitation.dialog;
    let retry_after = (code == 503).then(|| desk.admission.retry_after());
    if desk.sip.send(Command::Refuse { dialog, code, reason, retry_after }).await.is_err() {
        tracing::debug!("SIP is stopping");
    }
}

/// Lets it ring for the configured time. `false`: the caller gave up.
pub(super) async fn ringing(desk: &Desk, invitation: &Invitation, events: &mut mpsc::Receiver<Event>) -> bool {
    if desk.config.ring.is_zero() {
        return true;
    }
    if desk.sip.send(Command::Ring { dialog: invitation.dialog }).await.is_err() {
        return false;
    }
    let until = tokio::time::Instant::now() + desk.config.ring;
    loop {
        match tokio::time::timeout_at(until, events.recv()).await {
            Err(_) => return true,
            Ok(Some(Event::Ended { .. }) | None) => {
                metrics::counter!("jiesu_cancelled_total").increment(1);
                return false;
            }
            Ok(Some(_)) => {}
        }
    }
}

impl Call<'_> {
    pub(super) async fn sip_event(&mut self, event: Option<Event>) -> Option<Input> {
        match event {
            Some(Event::Confirmed { sdp, .. }) => {
                if self.offered && !self.take_answer(sdp) {
                    // RFC 3261 13.3.1.4 / ATTACKS 13: an ACK without the answer that was due ends the call.
                    self.hang_up(111, "Protocol error").await;
                    return Some(Input::Ended { why: "no_answer_in_ack" });
                }
                Some(Input::Confirmed)
            }
            Some(Event::Reoffered { sdp, .. }) => {
                self.reoffered(sdp).await;
                None
            }
            Some(Event::Info { content_type, body, .. }) => {
                // The leg knows whether the audio told of this key too.
                if let Some(key) = keys::of_info(&content_type, &body) {
                    self.audio(Audio::Key(key));
                }
                None
            }
            // A re-INVITE of ours that only keeps the session alive (RFC 4028); its answer may move the audio all the same.
            Some(Event::AnsweredAgain { sdp: Some(sdp), .. }) => {
                if !self.take_answer(Some(sdp)) {
                    tracing::info!(call = %self.invitation.id, "the answer to our refresh cannot be used; the audio stays");
                }
                None
            }
            Some(Event::Referred { code, over, .. }) => {
                if let Some(transfer) = &self.transfer {
                    transfer.referred(code, over);
                }
                None
            }
            Some(Event::Ended { why, reason, .. }) => {
                self.reason = reason.map(|reason| reason.to_string());
                Some(Input::Ended { why: why.as_str() })
            }
            Some(_) => None,
            None => {
                self.signalled = false;
                Some(Input::Ended { why: "stopping" })
            }
        }
    }

    fn take_answer(&mut self, sdp: Option<Bytes>) -> bool {
        self.offered = false;
        let Some(accepted) = sdp.and_then(|sdp| sdp::accept(&sdp, &self.ours).ok()) else { return false };
        self.leg.command(Audio::Connect(Connect::from_sdp(&accepted, self.invitation.source))).is_ok()
    }

    async fn reoffered(&mut self, offer: Option<Bytes>) {
        self.offered = offer.is_none();
        let command = reoffered(&self.invitation, &self.leg, &mut self.ours, offer);
        self.tell_sip(command).await;
    }

    /// BYE with its cause, in Q.850's numbers (RFC 3326).
    pub(super) async fn hang_up(&self, cause: u16, text: &str) {
        let reason = Some(Reason::q850(cause, text).to_string());
        self.tell_sip(Command::Hangup { dialog: self.invitation.dialog, reason }).await;
    }

    pub(super) async fn tell_sip(&self, command: Command) {
        if self.desk.sip.send(command).await.is_err() {
            tracing::debug!(call = %self.invitation.id, "SIP is stopping");
        }
    }
}

/// Answers an offer in mid-call, or before the answer; without one ours is asked for.
pub(in crate::call::task) fn reoffered(
    invitation: &Invitation,
    leg: &Leg,
    ours: &mut sdp::Ours,
    offer: Option<Bytes>,
) -> Command {
    let dialog = invitation.dialog;
    ours.version += 1;
    let Some(offer) = offer else { return Command::AnswerAgain { dialog, sdp: sdp::offer(ours) } };
    match sdp::answer_bytes(&offer, ours) {
        Ok(answered) => match leg.command(Audio::Connect(Connect::from_sdp(&answered, invitation.source))) {
            Ok(()) => Command::AnswerAgain { dialog, sdp: answered.sdp },
            Err(_) => Command::RefuseAgain { dialog, code: 500 },
        },
        Err(error) => {
            tracing::info!(call = %invitation.id, %error, "offer refused, the call goes on");
            Command::RefuseAgain { dialog, code: 488 }
        }
    }
}
