//! Transfers by REFER (RFC 3515, RFC 5589): the caller's side is asked to call the target itself.
//!
//! Blind, or attended: then we call the target first, and the caller takes our place in that call (RFC 3891). Either
//! way the caller's side tells by NOTIFY how it went; the flow goes on where it did not.

use tokio::sync::mpsc;

use crate::call::session::Input;
use crate::id::CallId;
use crate::media::LegId;
use crate::sip::{Command, DialogId, Event, ReferTo};

use super::Desk;
use super::bridge::failed;
use super::originate::{Behalf, Destination, Outbound};

/// What a NOTIFY said.
#[derive(Debug, Clone, Copy)]
pub struct Referred {
    pub code: u16,
    pub over: bool,
}

/// The caller's dialog, which is referred.
pub(super) struct Referral {
    pub call: CallId,
    pub dialog: DialogId,
    /// Our URI, for Referred-By.
    pub us: String,
    pub told: mpsc::Receiver<Referred>,
}

impl Referral {
    pub async fn blind(mut self, desk: &Desk, target: String) -> Input {
        match self.refer(desk, ReferTo::Uri(target)).await {
            Ok(()) => Input::TransferEnded,
            Err(code) => Input::TransferFailed { code },
        }
    }

    /// Nobody is joined: the caller hears the tone until the other side puts it through.
    pub async fn attended(mut self, desk: &Desk, destination: &Destination, beside: LegId) -> Input {
        let behalf = Behalf { beside: Some(beside), call: Some(self.call), early: None };
        let mut far: Outbound = match desk.originator.call_for(destination, &behalf).await {
            Ok(far) => far,
            Err(error) => return failed(self.call, destination, &error),
        };
        let dialog = far.dialog;
        let mut referring = Box::pin(self.refer(desk, ReferTo::Instead(dialog)));
        let outcome = loop {
            tokio::select! {
                outcome = &mut referring => break outcome,
                event = far.events.recv() => match event {
                    // The caller has taken our place: the target hangs up on us before the last NOTIFY is here.
                    None | Some(Event::Ended { .. }) => {
                        far.over();
                        break referring.await;
                    }
                    Some(event) => far.reoffer(event).await,
                },
            }
        };
        match outcome {
            Ok(()) => Input::TransferEnded,
            Err(code) => Input::TransferFailed { code },
        }
    }

    /// Asks, and waits for the end of the story, no longer than a target may ring.
    ///
    /// # Errors
    /// The code with which the REFER, or the call that it caused, failed.
    async fn refer(&mut self, desk: &Desk, to: ReferTo) -> Result<(), u16> {
        let by = Some(self.us.clone());
        let command = Command::Refer { dialog: self.dialog, to, by };
        desk.sip.send(command).await.map_err(|_| 503_u16)?;
        let end = async {
            while let Some(Referred { code, over }) = self.told.recv().await {
                if over {
                    return code;
                }
            }
            480 // the call is over: nobody will ask
        };
        let code = tokio::time::timeout(desk.config.transfer_ring, end).await.unwrap_or(408);
        if (200..300).contains(&code) { Ok(()) } else { Err(code) }
    }
}
