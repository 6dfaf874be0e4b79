//! The call with a second leg: whom it is put through to, and what passes between the two.

use tokio::sync::mpsc;

use super::{Back, Call};
use crate::call::session::Input;
use crate::call::task::bridge;
use crate::ivr::By;
use crate::media::{Command as Audio, LegId};

impl Call<'_> {
    /// A key, however it came.
    pub(super) fn keyed(&self, key: char) -> Option<Input> {
        match &self.transfer {
            Some(transfer) => {
                transfer.digit(key);
                // While it rings, keys may still be an emergency's.
                transfer.rings().then_some(Input::Digit(key))
            }
            None => Some(Input::Digit(key)),
        }
    }

    pub(super) fn transfer(&mut self, target: &str, by: By) {
        let (up, joined) = mpsc::channel(4); // a leg for each address of a trunk, one after the other
        let passenger = bridge::Passenger {
            by,
            call: self.invitation.id,
            dialog: self.invitation.dialog,
            leg: self.leg.id(),
            caller: self.invitation.caller.as_deref(),
            withheld: self.invitation.withheld,
            us: self.invitation.own_uri(),
        };
        match bridge::Transfer::start(self.desk, passenger, target, up) {
            Ok((transfer, ended)) => {
                self.transfer = Some(transfer);
                // Only a bridge has a far leg that the caller's is joined to.
                self.joined = (by == By::Bridge).then_some(joined);
                let prompts = self.invitation.programme.speaker.ringback();
                self.audio(Audio::Play { play: bridge::RINGBACK, prompts, barge_in: false });
                self.transfers += 1;
                let which = self.transfers;
                self.back.spawn(async move { Back::Transferred { which, input: ended.await } });
            }
            Err(error) => {
                tracing::warn!(call = %self.invitation.id, target, error, "transfer target cannot be called");
                self.session.input(Input::TransferFailed { code: 404 });
            }
        }
    }

    /// The transfer's leg stands, or plays something before it does: the tone ends, the two hear each other.
    pub(super) fn bridge(&mut self, far: Option<LegId>) {
        match far {
            Some(far) => {
                if let Some(transfer) = &mut self.transfer {
                    transfer.joined();
                }
                self.session.input(Input::Joined);
                self.audio(Audio::StopPlay);
                self.audio(Audio::Bridge(far));
            }
            None => self.joined = None,
        }
    }
}

/// The far leg once it is to be heard, `None` when there will be no more; without a transfer it waits for ever.
pub(super) async fn joined(waiting: &mut Option<mpsc::Receiver<LegId>>) -> Option<LegId> {
    match waiting {
        Some(waiting) => waiting.recv().await,
        None => std::future::pending().await,
    }
}
