//! The states of a case, their words, and what may happen in each to some case.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::ticket::state::Unknown;

/// How far the case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody is in charge yet.
    Received,
    /// A unit is in charge and has not taken it yet.
    Dispatched,
    /// The unit works on it.
    Accepted,
    /// The caller has to do something first; the unit's clock stands still.
    Paused,
    /// The unit says that it is not in charge; somebody decides (派单异议审核).
    Review,
    /// The unit has reported what it did.
    Answered,
    Closed,
    /// 挂账
    Listed,
    /// Another ticket goes on for it.
    Merged,
}

impl State {
    pub const ALL: [State; 9] = [
        State::Received,
        State::Dispatched,
        State::Accepted,
        State::Paused,
        State::Review,
        State::Answered,
        State::Closed,
        State::Listed,
        State::Merged,
    ];

    /// The word of `--json` and the store.
    pub fn code(self) -> &'static str {
        match self {
            State::Received => "received",
            State::Dispatched => "dispatched",
            State::Accepted => "accepted",
            State::Paused => "paused",
            State::Review => "review",
            State::Answered => "answered",
            State::Closed => "closed",
            State::Listed => "listed",
            State::Merged => "merged",
        }
    }

    /// The word for people.
    pub fn label(self) -> &'static str {
        match self {
            State::Received => "已受理",
            State::Dispatched => "已派单",
            State::Accepted => "办理中",
            State::Paused => "待补充",
            State::Review => "异议审核",
            State::Answered => "已答复",
            State::Closed => "已结案",
            State::Listed => "已挂账",
            State::Merged => "已并案",
        }
    }

    /// Whether a case may stay so for good.
    pub fn is_final(self) -> bool {
        matches!(self, State::Closed | State::Merged | State::Listed)
    }

    /// Every event that some case in this state may meet; [`super::Case::legal`] knows more of a certain case.
    pub fn legal(self) -> &'static [Kind] {
        use Kind::*;
        match self {
            State::Received => &[Dispatched, CallerTold, Closed, Merged, Escalated, Excluded],
            State::Dispatched => &[
                Told,
                Accepted,
                Returned,
                Whistled,
                Extended,
                CallerTold,
                CallbackBegan,
                CallbackFailed,
                Asked,
                CalledBack,
                Commented,
                Merged,
                Escalated,
                Excluded,
            ],
            State::Accepted => &[
                Told,
                Returned,
                Whistled,
                Extended,
                Contacted,
                Paused,
                Answered,
                CallerTold,
                CallbackBegan,
                CallbackFailed,
                Asked,
                CalledBack,
                Commented,
                Listed,
                Merged,
                Escalated,
                Excluded,
            ],
            State::Paused => &[
                Told,
                Contacted,
                Resumed,
                Answered,
                CallerTold,
                CallbackFailed,
                Asked,
                CalledBack,
                Commented,
                Listed,
                Merged,
                Escalated,
                Excluded,
            ],
            State::Review => &[
                Told,
                Upheld,
                Overruled,
                CallerTold,
                CallbackFailed,
                Asked,
                CalledBack,
                Commented,
                Merged,
                Escalated,
                Excluded,
            ],
            State::Answered => &[
                Told,
                Contacted,
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
                Escalated,
                Excluded,
            ],
            State::Closed => &[Told, CallerTold, Commented, Reopened, Excluded],
            State::Listed => &[
                Told,
                Contacted,
                Answered,
                CallerTold,
                CallbackFailed,
                Asked,
                CalledBack,
                Commented,
                Reopened,
                Closed,
                Escalated,
                Excluded,
            ],
            State::Merged => &[Told, CallerTold, CallbackFailed, Asked, CalledBack, Commented, Separated, Excluded],
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for State {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<State, Unknown> {
        State::ALL.into_iter().find(|state| state.code() == text).ok_or_else(|| Unknown(text.to_owned()))
    }
}
