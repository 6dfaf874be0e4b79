//! What an endpoint tells its user.

use bytes::Bytes;

use super::{DialogId, Flow, TrunkName};
use crate::sip::message::Message;

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
        }
    }
}

/// What the network did.
#[derive(Debug, Clone)]
pub enum Event {
    /// A new call; 100 was sent. Answer with Ring, Answer or Refuse.
    Invited {
        dialog: DialogId,
        request: Message,
        flow: Flow,
        trunk: TrunkName,
    },
    /// The ACK came, with the SDP answer if our 200 carried the offer.
    Confirmed {
        dialog: DialogId,
        sdp: Option<Bytes>,
    },
    /// A re-INVITE; without SDP it asks for our offer. Answer with AnswerAgain or RefuseAgain.
    Reoffered {
        dialog: DialogId,
        sdp: Option<Bytes>,
    },
    /// Our INVITE: 18x.
    Ringing {
        dialog: DialogId,
        code: u16,
        sdp: Option<Bytes>,
    },
    /// Our INVITE: 2xx; the ACK was sent.
    Answered {
        dialog: DialogId,
        sdp: Option<Bytes>,
    },
    /// Our re-INVITE was accepted; the ACK was sent.
    AnsweredAgain {
        dialog: DialogId,
        sdp: Option<Bytes>,
    },
    /// Our re-INVITE was refused (491: both sides at once); the call goes on as it was.
    RefusedAgain {
        dialog: DialogId,
        code: u16,
    },
    /// Our INVITE: there is no call.
    Failed {
        dialog: DialogId,
        code: u16,
        reason: String,
    },
    Ended {
        dialog: DialogId,
        why: Why,
    },
    /// A message that was dropped or refused before it became anything; for counting.
    Refused {
        why: &'static str,
        flow: Flow,
    },
}

impl Event {
    /// The dialog it belongs to.
    pub fn dialog(&self) -> Option<DialogId> {
        match self {
            Event::Invited { dialog, .. }
            | Event::Confirmed { dialog, .. }
            | Event::Reoffered { dialog, .. }
            | Event::Ringing { dialog, .. }
            | Event::Answered { dialog, .. }
            | Event::AnsweredAgain { dialog, .. }
            | Event::RefusedAgain { dialog, .. }
            | Event::Failed { dialog, .. }
            | Event::Ended { dialog, .. } => Some(*dialog),
            Event::Refused { .. } => None,
        }
    }
}
