//! What an endpoint tells its user.

use bytes::Bytes;

use super::{DialogId, Flow, Response, TrunkName};
use crate::sip::message::Message;
use crate::sip::reason::Reason;

/// Why a dialog ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The other side hung up.
    ByeReceived,
    /// We hung up.
    LocalBye,
    /// We refused.
    Refused,
    /// The caller gave up before the answer.
    Cancelled,
    /// Our 200 was never acknowledged (RFC 3261 section 13.3.1.4).
    NoAck,
    /// The peer no longer knows the dialog, or does not answer.
    Gone,
    /// Nobody refreshed the session in time (RFC 4028).
    Expired,
}

impl Why {
    pub fn as_str(self) -> &'static str {
        match self {
            Why::ByeReceived => "caller",
            Why::LocalBye => "us",
            Why::Refused => "refused",
            Why::Cancelled => "cancelled",
            Why::NoAck => "no_ack",
            Why::Gone => "gone",
            Why::Expired => "expired",
        }
    }
}

/// What the network did.
#[derive(Debug, Clone)]
pub enum Event {
    /// A new call; 100 was sent. Answer with Ring, Answer or Refuse.
    Invited { dialog: DialogId, request: Message, flow: Flow, trunk: TrunkName },
    /// The ACK came, with the SDP answer if our 200 carried the offer.
    Confirmed { dialog: DialogId, sdp: Option<Bytes> },
    /// Early media may flow: our 183 went out, and its PRACK came where it was reliable, with the SDP answer if our 183
    /// carried the offer.
    Progressed { dialog: DialogId, sdp: Option<Bytes> },
    /// A re-INVITE, or an UPDATE or PRACK with an offer, which may come before the answer. Without SDP it asks for our
    /// offer. Answer with AnswerAgain or RefuseAgain.
    Reoffered { dialog: DialogId, sdp: Option<Bytes> },
    /// Our INVITE: 18x.
    Ringing { dialog: DialogId, code: u16, sdp: Option<Bytes> },
    /// Our INVITE: 2xx; the ACK was sent, but where the 2xx carries the offer: that waits for Acknowledge. `sdp` is the
    /// answer, also where it came before in a reliable 18x.
    Answered { dialog: DialogId, sdp: Option<Bytes> },
    /// Our re-INVITE was accepted; the ACK was sent. It may be one that nobody asked for, which keeps the session alive.
    AnsweredAgain { dialog: DialogId, sdp: Option<Bytes> },
    /// Our re-INVITE was refused (491: both sides at once, several times or now); the call goes on as it was.
    RefusedAgain { dialog: DialogId, code: u16 },
    /// Our INVITE: there is no call. `cause`: the Reason of the refusal, if it has one (RFC 6432).
    Failed { dialog: DialogId, code: u16, reason: String, cause: Option<Reason> },
    /// Keys, or whatever else INFO may carry; it was answered. `content_type` is in lower case, without parameters.
    Info { dialog: DialogId, content_type: String, body: Bytes },
    /// Our INFO was answered, or could not be sent (481).
    Informed { dialog: DialogId, code: u16 },
    /// How our REFER goes: the code of its refusal, or of the call that it caused. `over`: nothing more will come.
    Referred { dialog: DialogId, code: u16, over: bool },
    /// `reason`: what the other side gave as its reason (RFC 3326).
    Ended { dialog: DialogId, why: Why, reason: Option<Reason> },
    /// The one answer to a request of ours outside calls.
    Response(Response),
    /// A message that was dropped or refused before it became anything; for counting.
    Refused { why: &'static str, flow: Flow },
}

impl Event {
    /// The dialog it belongs to.
    pub fn dialog(&self) -> Option<DialogId> {
        match self {
            Event::Invited { dialog, .. }
            | Event::Progressed { dialog, .. }
            | Event::Confirmed { dialog, .. }
            | Event::Reoffered { dialog, .. }
            | Event::Ringing { dialog, .. }
            | Event::Answered { dialog, .. }
            | Event::AnsweredAgain { dialog, .. }
            | Event::RefusedAgain { dialog, .. }
            | Event::Failed { dialog, .. }
            | Event::Info { dialog, .. }
            | Event::Informed { dialog, .. }
            | Event::Referred { dialog, .. }
            | Event::Ended { dialog, .. } => Some(*dialog),
            Event::Response(response) => Some(response.id),
            Event::Refused { .. } => None,
        }
    }
}
