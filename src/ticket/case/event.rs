//! What can happen to a case, and who did it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ticket::Number;
use crate::ticket::state::Unknown;

/// The interface through which something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// Jiesu itself: a rule, a deadline.
    Rule,
    Cli,
    Api,
    /// A person at a telephone: keys or voice.
    Telephone,
}

impl Via {
    pub const ALL: [Via; 4] = [Via::Rule, Via::Cli, Via::Api, Via::Telephone];

    pub fn code(self) -> &'static str {
        match self {
            Via::Rule => "rule",
            Via::Cli => "cli",
            Via::Api => "api",
            Via::Telephone => "telephone",
        }
    }
}

impl FromStr for Via {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Via, Unknown> {
        Via::ALL.into_iter().find(|via| via.code() == text).ok_or_else(|| Unknown(text.to_owned()))
    }
}

/// Who did it: a unit's code, a person's account, `caller`, or the name of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    pub who: String,
    pub via: Via,
}

impl By {
    pub fn new(who: impl Into<String>, via: Via) -> By {
        By { who: who.into(), via }
    }

    pub fn rule(name: impl Into<String>) -> By {
        By::new(name, Via::Rule)
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.who, self.via.code())
    }
}

/// By when what has to be done (art. 13: every dispatch carries a limit). Absolute, already on the working calendar, so
/// that a log can be judged without the calendar of its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The unit takes it or returns it.
    pub accept: Timestamp,
    /// The unit speaks with the caller.
    pub contact: Timestamp,
    /// The unit reports what it did.
    pub answer: Timestamp,
}

/// 是否满意, as it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Satisfaction {
    /// 满意
    Satisfied,
    /// 基本满意
    Mostly,
    /// 不满意
    Dissatisfied,
}

impl Satisfaction {
    pub const ALL: [Satisfaction; 3] = [Satisfaction::Satisfied, Satisfaction::Mostly, Satisfaction::Dissatisfied];

    pub fn code(self) -> &'static str {
        match self {
            Satisfaction::Satisfied => "satisfied",
            Satisfaction::Mostly => "mostly",
            Satisfaction::Dissatisfied => "dissatisfied",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Satisfaction::Satisfied => "满意",
            Satisfaction::Mostly => "基本满意",
            Satisfaction::Dissatisfied => "不满意",
        }
    }
}

/// How one try to call somebody back ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    NoAnswer,
    Busy,
    /// The number does not exist, or the network refused.
    Unreachable,
    /// Answered, but no question was.
    HungUp,
    /// The node fell over during the call.
    Interrupted,
}

/// What the caller added freely: recordings (names of files of one comment, apart by spaces: a long one has several), and
/// their text once there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    pub recording: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What the caller said of it (回访). `None`: not answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// 是否联系
    pub contacted: Option<bool>,
    /// 是否解决
    pub solved: Option<bool>,
    /// 是否满意
    pub satisfied: Option<Satisfaction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<Comment>,
    /// Whether it counts in the rates, by the city's definition at that time.
    pub valid: bool,
}

/// One line of a case's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1, without gaps.
    pub seq: u32,
    pub at: Timestamp,
    pub by: By,
    #[serde(flatten)]
    pub event: Event,
}

/// What happened. Units are named by their codes (`config/units/`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The ticket was filed; `dispatch` is by when a unit has to be in charge.
    Received { dispatch: Timestamp },
    /// A unit is in charge (派单). `co`: handle it too; `copies`: are told (art. 12).
    Dispatched {
        unit: String,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        co: Vec<String>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        copies: Vec<String>,
        limits: Limits,
        /// The rule that chose it, or a person's reason.
        why: String,
        /// Of the catalogue and the units that the rule stood in.
        version: String,
    },
    /// The unit's channel took it.
    Told { unit: String, channel: String },
    /// The unit in charge takes it (签收).
    Accepted { unit: String },
    /// The unit says that it is not in charge (退单). Goes to objection review (派单异议审核).
    Returned { unit: String, reason: String },
    /// The review agrees with the unit: someone else has to be found.
    Upheld { reason: String },
    /// The review does not, or the ticket went to and fro too often: the unit keeps it (art. 14, 首接负责).
    Overruled { reason: String },
    /// 吹哨: several units are called together, one of them leads.
    Whistled { lead: String, units: Vec<String>, reason: String },
    /// The answer may come later (art. 15: with a reason).
    Extended { answer: Timestamp, reason: String, approved: String },
    /// The unit spoke with the caller.
    Contacted { unit: String },
    /// The caller has to do something first: the unit's clock stands still.
    Paused { reason: String },
    /// The clock runs again; what is left of each limit ends then.
    Resumed { limits: Limits },
    /// The unit reports what it did (办结).
    Answered { unit: String, text: String },
    /// The caller was told: the number, an answer, a state.
    CallerTold { channel: String, what: String },
    /// A callback begins: written before anybody is called, so that nobody is called twice.
    CallbackBegan { attempt: u32 },
    /// Nobody was asked; `again` is when the next try may be, `None` after the last.
    CallbackFailed {
        attempt: u32,
        outcome: Outcome,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<Timestamp>,
    },
    /// Somebody answered and is being asked: first empty, before the first word is spoken, then what they said so far.
    /// So a crash loses no answer, and nobody is asked twice.
    Asked { attempt: u32, survey: Survey },
    /// Somebody was asked.
    CalledBack { attempt: u32, survey: Survey },
    /// The words of a comment, which was recorded before it was understood.
    Commented { attempt: u32, text: String },
    /// It is not solved after all: the unit has it again, with new limits.
    Reopened { unit: String, limits: Limits, reason: String },
    /// Nothing more will be done (结案).
    Closed { reason: String },
    /// It cannot be solved for now and is kept on a list until then (挂账).
    Listed { reason: String, until: Timestamp },
    /// It is the same as `into`, which goes on for both (an incident's ticket).
    Merged { into: Number },
    /// The two are not the same after all.
    Separated { reason: String },
    /// 督办: somebody above was told.
    Escalated { level: u8, target: String, why: String },
    /// It does not count in the assessment (剔除).
    Excluded { reason: String, approved: String },
}

impl Event {
    pub fn kind(&self) -> Kind {
        match self {
            Event::Received { .. } => Kind::Received,
            Event::Dispatched { .. } => Kind::Dispatched,
            Event::Told { .. } => Kind::Told,
            Event::Accepted { .. } => Kind::Accepted,
            Event::Returned { .. } => Kind::Returned,
            Event::Upheld { .. } => Kind::Upheld,
            Event::Overruled { .. } => Kind::Overruled,
            Event::Whistled { .. } => Kind::Whistled,
            Event::Extended { .. } => Kind::Extended,
            Event::Contacted { .. } => Kind::Contacted,
            Event::Paused { .. } => Kind::Paused,
            Event::Resumed { .. } => Kind::Resumed,
            Event::Answered { .. } => Kind::Answered,
            Event::CallerTold { .. } => Kind::CallerTold,
            Event::CallbackBegan { .. } => Kind::CallbackBegan,
            Event::CallbackFailed { .. } => Kind::CallbackFailed,
            Event::Asked { .. } => Kind::Asked,
            Event::CalledBack { .. } => Kind::CalledBack,
            Event::Commented { .. } => Kind::Commented,
            Event::Reopened { .. } => Kind::Reopened,
            Event::Closed { .. } => Kind::Closed,
            Event::Listed { .. } => Kind::Listed,
            Event::Merged { .. } => Kind::Merged,
            Event::Separated { .. } => Kind::Separated,
            Event::Escalated { .. } => Kind::Escalated,
            Event::Excluded { .. } => Kind::Excluded,
        }
    }
}

/// An event without its particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Received,
    Dispatched,
    Told,
    Accepted,
    Returned,
    Upheld,
    Overruled,
    Whistled,
    Extended,
    Contacted,
    Paused,
    Resumed,
    Answered,
    CallerTold,
    CallbackBegan,
    CallbackFailed,
    Asked,
    CalledBack,
    Commented,
    Reopened,
    Closed,
    Listed,
    Merged,
    Separated,
    Escalated,
    Excluded,
}

impl Kind {
    pub const ALL: [Kind; 26] = [
        Kind::Received,
        Kind::Dispatched,
        Kind::Told,
        Kind::Accepted,
        Kind::Returned,
        Kind::Upheld,
        Kind::Overruled,
        Kind::Whistled,
        Kind::Extended,
        Kind::Contacted,
        Kind::Paused,
        Kind::Resumed,
        Kind::Answered,
        Kind::CallerTold,
        Kind::CallbackBegan,
        Kind::CallbackFailed,
        Kind::Asked,
        Kind::CalledBack,
        Kind::Commented,
        Kind::Reopened,
        Kind::Closed,
        Kind::Listed,
        Kind::Merged,
        Kind::Separated,
        Kind::Escalated,
        Kind::Excluded,
    ];

    /// The word of the log, of `--json` and of error messages.
    pub fn code(self) -> &'static str {
        match self {
            Kind::Received => "received",
            Kind::Dispatched => "dispatched",
            Kind::Told => "told",
            Kind::Accepted => "accepted",
            Kind::Returned => "returned",
            Kind::Upheld => "upheld",
            Kind::Overruled => "overruled",
            Kind::Whistled => "whistled",
            Kind::Extended => "extended",
            Kind::Contacted => "contacted",
            Kind::Paused => "paused",
            Kind::Resumed => "resumed",
            Kind::Answered => "answered",
            Kind::CallerTold => "caller_told",
            Kind::CallbackBegan => "callback_began",
            Kind::CallbackFailed => "callback_failed",
            Kind::Asked => "asked",
            Kind::CalledBack => "called_back",
            Kind::Commented => "commented",
            Kind::Reopened => "reopened",
            Kind::Closed => "closed",
            Kind::Listed => "listed",
            Kind::Merged => "merged",
            Kind::Separated => "separated",
            Kind::Escalated => "escalated",
            Kind::Excluded => "excluded",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}
