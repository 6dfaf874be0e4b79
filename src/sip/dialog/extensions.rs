//! What a dialog remembers of the extensions: RFC 3262 (100rel), 3311 (UPDATE), 3515 (REFER), and of forks.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::sip::message::Message;
use crate::sip::name::Name;

/// Whose offer waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Offer {
    #[default]
    None,
    Theirs,
    Ours,
}

/// What the other side says that it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Peer {
    /// Supported or Require has `100rel`.
    pub reliable: bool,
    /// Require has `100rel`: no provisional response may go out unreliably.
    pub wants_reliable: bool,
    /// Supported has `timer`.
    pub timer: bool,
    /// Allow has UPDATE.
    pub update: bool,
}

impl Peer {
    /// Learns from a request or response of the other side; what it does not speak of stays as it was.
    pub fn learn(&mut self, message: &Message) {
        self.wants_reliable |= message.is_request() && message.has_tag(Name::Require, "100rel");
        self.reliable |= self.wants_reliable || message.has_tag(Name::Supported, "100rel");
        self.timer |= message.has_tag(Name::Supported, "timer") || message.has_tag(Name::Require, "timer");
        if message.header(Name::Allow).is_some() {
            self.update = message.has_tag(Name::Allow, "UPDATE");
        }
    }
}

/// Our re-INVITE or UPDATE that is under way: its transaction, and who wanted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// A re-INVITE of our user.
    Offer(u64),
    /// A re-INVITE or UPDATE that keeps the session alive; no affair of the user's.
    Refresh(u64),
}

impl Sent {
    pub fn client(self) -> u64 {
        match self {
            Sent::Offer(client) | Sent::Refresh(client) => client,
        }
    }
}

/// An offer of ours that got 491, to be made again (RFC 3261 section 14.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    pub sdp: Bytes,
    pub tries: u32,
}

/// A reliable provisional response that was not acknowledged yet.
#[derive(Debug, Clone)]
pub struct Unpracked {
    pub rseq: u32,
    /// The INVITE's number.
    pub cseq: u32,
    pub bytes: Bytes,
    pub interval: Duration,
    /// After 64*T1 the INVITE is refused (RFC 3262 section 3).
    pub until: Instant,
    /// It carried SDP: the 2xx has to wait for its PRACK.
    pub sdp: bool,
}

/// What the user wanted while a reliable response waited for its PRACK.
#[derive(Debug, Clone)]
pub enum Held {
    Ring,
    Progress(Bytes),
    Answer(Bytes),
}

/// Reliable provisional responses of ours to the first INVITE (RFC 3262 section 3).
#[derive(Debug, Clone, Default)]
pub struct Reliable {
    /// The RSeq used last; 0: none yet.
    pub last: u32,
    pub waiting: Option<Unpracked>,
    /// At most one of each kind.
    pub held: VecDeque<Held>,
}

impl Reliable {
    /// Keeps a wish until the PRACK is there. The same kind twice is one wish.
    pub fn hold(&mut self, wish: Held) {
        let same = |held: &Held| std::mem::discriminant(held) == std::mem::discriminant(&wish);
        if !self.held.iter().any(same) {
            self.held.push_back(wish);
        }
    }
}

/// The most branches of one INVITE of ours that are told apart.
pub const MAX_FORKS: usize = 8;

/// One early dialog of an INVITE of ours (RFC 3261 section 12.1.2: each To tag is one).
#[derive(Debug, Clone)]
pub struct Fork {
    pub tag: Bytes,
    /// The RSeq seen last (RFC 3262 section 4).
    pub rseq: Option<u32>,
    /// The answer that came reliably: a 2xx need not repeat it.
    pub sdp: Option<Bytes>,
}

/// How our INVITE's 2xx is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Ack {
    /// At once, without a body: we offered.
    #[default]
    Plain,
    /// The 2xx carries the offer; our user has not answered it.
    Owed(u32),
    /// With this answer, again for every repetition of the 2xx.
    With { cseq: u32, sdp: Bytes },
}

/// A REFER of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Referral {
    /// It waits for its response; NOTIFY may come first (RFC 3515 section 2.4.4).
    Sent,
    /// 2xx: NOTIFYs tell how it goes.
    Accepted,
}
