//! Early media: what a line announces before the call is answered (183, RFC 3262, RFC 3960), so that nobody pays for it.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::ivr::{Delivery, Say};
use crate::media::{Command as Audio, Connect, Event as AudioEvent, Leg};
use crate::sdp;
use crate::sip::{Command, Event};

use super::Desk;
use super::answer::reoffered;
use super::invitation::Invitation;

/// An announcement that is longer is cut off by the answer. GB/T 33358 asks for the answer within 15 s.
const LONGEST: Duration = Duration::from_secs(60);
/// Its play number: the interpreter counts from 1.
const ANNOUNCEMENT: u32 = u32::MAX - 2;

/// Where the call stands after the announcement.
pub enum Early {
    /// The caller has gone, or never acknowledged the 183.
    GaveUp,
    /// Offer and answer are exchanged: the ACK will bring no SDP.
    Agreed,
    /// The 200 still offers or answers.
    Open,
}

/// Plays the line's announcement, if it has one, and returns when the call is to be answered.
pub async fn announce(
    desk: &Desk,
    invitation: &Invitation,
    leg: &mut Leg,
    ours: &mut sdp::Ours,
    body: &Bytes,
    events: &mut mpsc::Receiver<Event>,
) -> Early {
    let Some(prompt) = &invitation.chosen.announcement else { return Early::Open };
    if invitation.offer.is_none() && !invitation.reliable {
        // RFC 3261 section 13.2.1: an offer of ours may not go into a response that can be lost.
        metrics::counter!("jiesu_announcement_skipped_total").increment(1);
        tracing::info!(call = %invitation.id, "no early media without an offer and without 100rel");
        return Early::Open;
    }
    let dialog = invitation.dialog;
    if desk.sip.send(Command::Progress { dialog, sdp: body.clone() }).await.is_err() {
        return Early::GaveUp;
    }
    let prompts = invitation.programme.speaker.render(&[Say::Prompt(prompt.clone())], &Delivery::default()).await;
    let until = tokio::time::Instant::now() + LONGEST;
    let mut early = if invitation.offer.is_none() || invitation.reliable { Early::Agreed } else { Early::Open };
    let mut waiting = Some(prompts);
    loop {
        tokio::select! {
            event = events.recv() => match event {
                None | Some(Event::Ended { .. }) => {
                    metrics::counter!("jiesu_cancelled_total").increment(1);
                    return Early::GaveUp;
                }
                Some(Event::Progressed { sdp, .. }) => {
                    if invitation.offer.is_none() && !connected(leg, sdp, ours, invitation) {
                        // The PRACK did not answer our offer: nothing can be heard, and nothing will be.
                        let refuse = Command::Refuse { dialog, code: 488, reason: "Not Acceptable Here", retry_after: None };
                        if desk.sip.send(refuse).await.is_err() {
                            tracing::debug!("SIP is stopping");
                        }
                        return Early::GaveUp;
                    }
                    let Some(prompts) = waiting.take().filter(|prompts| !prompts.is_empty()) else { return early };
                    if leg.command(Audio::Play { play: ANNOUNCEMENT, prompts, barge_in: false }).is_err() {
                        return early; // the media thread is stuck; the answer does not wait for it
                    }
                }
                Some(Event::Reoffered { sdp, .. }) => {
                    early = Early::Agreed;
                    if desk.sip.send(reoffered(invitation, leg, ours, sdp)).await.is_err() {
                        return Early::GaveUp;
                    }
                }
                Some(_) => {}
            },
            event = leg.event() => match event {
                Some(AudioEvent::PlayDone { play: ANNOUNCEMENT, .. }) | None => return early,
                Some(_) => {} // keys before the answer are nobody's
            },
            () = tokio::time::sleep_until(until) => {
                if leg.command(Audio::StopPlay).is_err() {
                    tracing::debug!(call = %invitation.id, "the media thread does not take commands");
                }
                return early;
            }
        }
    }
}

/// The answer to our offer in the 183.
fn connected(leg: &Leg, answer: Option<Bytes>, ours: &sdp::Ours, invitation: &Invitation) -> bool {
    let Some(agreed) = answer.and_then(|answer| sdp::accept(&answer, ours).ok()) else { return false };
    leg.command(Audio::Connect(Connect::from_sdp(&agreed, invitation.source))).is_ok()
}
