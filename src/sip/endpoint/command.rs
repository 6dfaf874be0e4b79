//! What an endpoint's user may want.

use std::time::Duration;

use bytes::Bytes;

use super::{DialogId, Flow, ReferTo, Request, TrunkName};

/// What our side wants. A command for a dialog that has ended, or that does not fit its state, does nothing: the
/// network was faster, and the event that says so is on its way.
#[derive(Debug, Clone)]
pub enum Command {
    Ring {
        dialog: DialogId,
    },
    /// 183 with SDP: what the caller hears before the answer; `Progressed` says from when on. Reliable where the caller
    /// takes 100rel, so the same SDP must follow in Answer. Without an offer and without 100rel it does nothing.
    Progress {
        dialog: DialogId,
        sdp: Bytes,
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
    /// A re-INVITE of ours; AnsweredAgain or RefusedAgain follows, unless the call ends. 491 is waited out and tried
    /// again some times.
    OfferAgain {
        dialog: DialogId,
        sdp: Bytes,
    },
    /// BYE; before the answer of a call to us: 480; of a call of ours: CANCEL. `reason` goes into Reason (RFC 3326).
    Hangup {
        dialog: DialogId,
        reason: Option<String>,
    },
    /// REFER: asks the other side to call somebody else. `Referred` events tell how it goes; `by` is our URI.
    Refer {
        dialog: DialogId,
        to: ReferTo,
        by: Option<String>,
    },
    /// INFO (RFC 6086) inside an established dialog: keys, for peers that take them so. `Informed` tells its answer.
    Inform {
        dialog: DialogId,
        content_type: &'static str,
        body: Bytes,
    },
    Invite(Box<Invite>),
    /// A request outside calls; one Response follows.
    Request(Box<Request>),
    /// The ACK of a call that was begun without an offer: the answer to the offer in Answered.
    Acknowledge {
        dialog: DialogId,
        sdp: Bytes,
    },
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
    /// The offer. Empty: the other side shall offer, and [`Command::Acknowledge`] answers.
    pub sdp: Bytes,
    /// Proxies that it has to pass, as values of Route, nearest first (RFC 3261 section 8.1.1.1). The nearest is
    /// where `flow` leads.
    pub routes: Vec<String>,
    /// The trunk that it goes over: its login answers challenges.
    pub trunk: Option<TrunkName>,
    /// How long there may be no answer at all, not even 100, before it fails with 408; `None`: 64*T1.
    pub silence: Option<Duration>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
}
