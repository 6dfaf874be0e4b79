//! What a person or another system asks to happen to a case, in words: for the command line and the console alike.
//!
//! Owns the words and what each needs beside itself; the limits that a move sets are reckoned here. Whether the case
//! allows it says [`Case::after`]. Refuses the moves that only Jiesu makes (it receives, tells, calls back, escalates).

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::Deserialize;

use super::deadlines::{Deadlines, Terms};
use crate::ticket::Number;
use crate::ticket::case::{Case, Event, Kind};

/// A move, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Move {
    Dispatch,
    Accept,
    Return,
    Uphold,
    Overrule,
    Whistle,
    Extend,
    Contact,
    Pause,
    Resume,
    Answer,
    Close,
    List,
    Merge,
    Separate,
    Reopen,
    Exclude,
}

impl Move {
    pub const ALL: [Move; 17] = [
        Move::Dispatch,
        Move::Accept,
        Move::Return,
        Move::Uphold,
        Move::Overrule,
        Move::Whistle,
        Move::Extend,
        Move::Contact,
        Move::Pause,
        Move::Resume,
        Move::Answer,
        Move::Close,
        Move::List,
        Move::Merge,
        Move::Separate,
        Move::Reopen,
        Move::Exclude,
    ];

    /// The word of the command line and of the console.
    pub fn code(self) -> &'static str {
        match self {
            Move::Dispatch => "dispatch",
            Move::Accept => "accept",
            Move::Return => "return",
            Move::Uphold => "uphold",
            Move::Overrule => "overrule",
            Move::Whistle => "whistle",
            Move::Extend => "extend",
            Move::Contact => "contact",
            Move::Pause => "pause",
            Move::Resume => "resume",
            Move::Answer => "answer",
            Move::Close => "close",
            Move::List => "list",
            Move::Merge => "merge",
            Move::Separate => "separate",
            Move::Reopen => "reopen",
            Move::Exclude => "exclude",
        }
    }

    /// The event that it becomes.
    pub fn kind(self) -> Kind {
        match self {
            Move::Dispatch => Kind::Dispatched,
            Move::Accept => Kind::Accepted,
            Move::Return => Kind::Returned,
            Move::Uphold => Kind::Upheld,
            Move::Overrule => Kind::Overruled,
            Move::Whistle => Kind::Whistled,
            Move::Extend => Kind::Extended,
            Move::Contact => Kind::Contacted,
            Move::Pause => Kind::Paused,
            Move::Resume => Kind::Resumed,
            Move::Answer => Kind::Answered,
            Move::Close => Kind::Closed,
            Move::List => Kind::Listed,
            Move::Merge => Kind::Merged,
            Move::Separate => Kind::Separated,
            Move::Reopen => Kind::Reopened,
            Move::Exclude => Kind::Excluded,
        }
    }

    /// What can be asked of this case now.
    pub fn legal(case: &Case) -> Vec<Move> {
        let legal = case.legal();
        Move::ALL.into_iter().filter(|this| legal.contains(&this.kind())).collect()
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// It is none of the moves.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no move; write one of: {all}", all = Move::ALL.map(Move::code).join(", "))]
pub struct NoMove(pub String);

impl FromStr for Move {
    type Err = NoMove;

    fn from_str(text: &str) -> Result<Move, NoMove> {
        Move::ALL.into_iter().find(|this| this.code() == text).ok_or_else(|| NoMove(text.to_owned()))
    }
}

/// What is said with a move; each takes what it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Particulars {
    /// The unit that does it, or that is put in charge; without it the unit in charge.
    pub unit: Option<String>,
    /// The other units that are called together.
    pub units: Vec<String>,
    /// Why; for an answer, what was done.
    pub reason: Option<String>,
    /// Until when a limit is extended, or when what is listed is looked at again.
    pub until: Option<Timestamp>,
    /// The ticket that goes on for this one.
    pub into: Option<Number>,
    /// Who approved it.
    pub approved: Option<String>,
}

/// A move cannot be made of what was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    #[error("{0} needs a unit: no unit is in charge yet")]
    Unit(Move),
    #[error("{0} needs a reason")]
    Reason(Move),
    #[error("{0} needs a time (until)")]
    Until(Move),
    #[error("{0} needs a time (until) that is still to come")]
    Past(Move),
    #[error("merge needs the ticket that goes on (into), and that is another one")]
    Into,
    #[error("{0} needs the name of who approved it (approved)")]
    Approved(Move),
    #[error("{0}: the case has no limits yet")]
    Limits(Move),
}

impl Particulars {
    /// The event that `this` becomes for `case`, which is the one of ticket `number`. `now`: limits begin here.
    ///
    /// # Errors
    /// What is missing. Whether the case allows the event is not asked here.
    pub fn event(
        &self,
        this: Move,
        (number, case): (Number, &Case),
        (deadlines, terms): (&Deadlines, Terms<'_>),
        now: Timestamp,
    ) -> Result<Event, Missing> {
        let unit = || self.unit.clone().or_else(|| case.lead.clone()).ok_or(Missing::Unit(this));
        let named = || self.unit.clone().ok_or(Missing::Unit(this));
        let said = |text: &Option<String>, missing| text.clone().filter(|text| !text.trim().is_empty()).ok_or(missing);
        let reason = || said(&self.reason, Missing::Reason(this));
        let approved = || said(&self.approved, Missing::Approved(this));
        let until = || match self.until {
            None => Err(Missing::Until(this)),
            Some(until) if until <= now => Err(Missing::Past(this)),
            Some(until) => Ok(until),
        };
        let event = match this {
            Move::Dispatch => Event::Dispatched {
                unit: named()?,
                co: self.units.clone(),
                copies: Vec::new(),
                limits: deadlines.limits(terms, now),
                why: reason()?,
                // A person chose it, no rule of any version.
                version: String::new(),
            },
            Move::Accept => Event::Accepted { unit: unit()? },
            Move::Return => Event::Returned { unit: unit()?, reason: reason()? },
            Move::Uphold => Event::Upheld { reason: reason()? },
            Move::Overrule => Event::Overruled { reason: reason()? },
            Move::Whistle => Event::Whistled { lead: unit()?, units: self.units.clone(), reason: reason()? },
            Move::Extend => Event::Extended { answer: until()?, reason: reason()?, approved: approved()? },
            Move::Contact => Event::Contacted { unit: unit()? },
            Move::Pause => Event::Paused { reason: reason()? },
            Move::Resume => Event::Resumed { limits: deadlines.resume(terms, case, now).ok_or(Missing::Limits(this))? },
            Move::Answer => Event::Answered { unit: unit()?, text: reason()? },
            Move::Close => Event::Closed { reason: reason()? },
            Move::List => Event::Listed { reason: reason()?, until: until()? },
            Move::Merge => Event::Merged { into: self.into.filter(|into| *into != number).ok_or(Missing::Into)? },
            Move::Separate => Event::Separated { reason: reason()? },
            Move::Reopen => Event::Reopened { unit: unit()?, limits: deadlines.limits(terms, now), reason: reason()? },
            Move::Exclude => Event::Excluded { reason: reason()?, approved: approved()? },
        };
        Ok(event)
    }
}

#[cfg(test)]
mod tests;
