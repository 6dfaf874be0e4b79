//! What an endpoint's user may want.

use std::time::Duration;

use bytes::Bytes;

use super::{DialogId, Flow};

/// What our side wants. A command for a dialog that has ended, or that does not fit its state, does nothing: the
/// network was faster, and the event that says so is on its way.
#[derive(Debug, Clone)]
pub enum Command {
    Ring {
        dialog: DialogId,
    },
    Answer {
        dialog: DialogId,
        sdp: Bytes,
    },
    Refuse {
        dialog: DialogId,
        code: u16,
        reason: &'static str,
        retry_after: Option<Duration>,
    },
    AnswerAgain {
        dialog: DialogId,
        sdp: Bytes,
    },
    RefuseAgain {
        dialog: DialogId,
        code: u16,
    },
    /// A re-INVITE of ours; AnsweredAgain or RefusedAgain follows, unless the call ends.
    OfferAgain {
        dialog: DialogId,
        sdp: Bytes,
    },
    /// BYE; before the answer of a call to us: 480; of a call of ours: CANCEL. `reason` goes into Reason (RFC 3326).
    Hangup {
        dialog: DialogId,
        reason: Option<String>,
    },
    Invite(Box<Invite>),
    Cancel {
        dialog: DialogId,
    },
    /// New calls and OPTIONS get 503 from now on (or no longer).
    Drain(bool),
    /// OPTIONS gets 503 from now on (or no longer): one more call would be refused. Who refuses it is our user.
    Full(bool),
}

/// A call of ours.
#[derive(Debug, Clone)]
pub struct Invite {
    /// From [`super::Ids`].
    pub dialog: DialogId,
    /// Request-URI and To.
    pub target: String,
    /// Where it goes. `connection` 0.
    pub flow: Flow,
    /// Our URI.
    pub from: String,
    pub display: Option<String>,
    pub sdp: Bytes,
    /// Further headers.
    pub headers: Vec<(String, String)>,
}
