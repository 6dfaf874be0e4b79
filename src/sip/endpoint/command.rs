//! What an endpoint's user may want.

use std::time::Duration;

use bytes::Bytes;

use super::{DialogId, Flow, TrunkName};

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
    /// The trunk that it goes over: its login answers challenges.
    pub trunk: Option<TrunkName>,
    /// How long there may be no answer at all, not even 100, before it fails with 408; `None`: 64*T1.
    pub silence: Option<Duration>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
}
