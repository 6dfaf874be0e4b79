//! What a case's events so far add up to, and what may happen next.

use jiff::Timestamp;

use super::{Event, Kind, Limits, State, Survey};
use crate::ticket::Number;

/// So many units may work on one case together, and so many may be told.
pub const MAX_UNITS: usize = 16;

/// What [`Event::CallerTold`] tells of an answer.
pub const ANSWER: &str = "answer";

/// Asking the caller, in the present round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Callback {
    #[default]
    None,
    /// Somebody is being called.
    Running,
    /// Nobody was asked; the next try is not before this.
    Again(Timestamp),
    /// Asked, or given up.
    Done,
}

/// A case: the sum of its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Of the last event.
    pub seq: u32,
    pub state: State,
    /// When it came into this state.
    pub since: Timestamp,
    pub received: Timestamp,
    /// By when a unit has to be in charge.
    pub dispatch: Timestamp,
    /// The unit in charge, and when it was put in charge in this round.
    pub lead: Option<String>,
    pub dispatched: Option<Timestamp>,
    pub co: Vec<String>,
    pub copies: Vec<String>,
    /// The first unit that was ever put in charge (首接负责).
    pub first: Option<String>,
    pub limits: Option<Limits>,
    /// When the unit in charge took it, spoke with the caller, reported; in this round.
    pub accepted: Option<Timestamp>,
    pub contacted: Option<Timestamp>,
    pub answered: Option<Timestamp>,
    /// Returns of all rounds, and whether it may be returned once more.
    pub returns: u32,
    pub bound: bool,
    /// The caller knows of this round's answer.
    pub told: bool,
    /// How often it was reopened.
    pub reopened: u32,
    pub callback: Callback,
    /// Tries in this round.
    pub attempts: u32,
    /// What the caller has said so far in the callback that is running; `None` until somebody answers.
    pub asked: Option<Survey>,
    /// What the caller said last.
    pub survey: Option<Survey>,
    /// The highest level told in this round.
    pub escalated: u8,
    pub excluded: bool,
    /// When somebody has to look at what is listed (挂账); told of, it is `None`.
    pub listed: Option<Timestamp>,
    pub into: Option<Number>,
    /// What it was before it was merged.
    before: Option<State>,
}

/// Why an event that the state allows cannot happen to this case.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Why {
    #[error("the state does not allow it")]
    State,
    #[error("\"{unit}\" is not in charge, {lead} is")]
    NotInCharge { unit: String, lead: String },
    #[error("it was returned before and its unit has to keep it (art. 14)")]
    Bound,
    #[error("a callback is running")]
    CallbackRunning,
    #[error("no callback is running")]
    NoCallback,
    #[error("the caller was asked already, or given up")]
    CallbackDone,
    #[error("the next try is number {0}")]
    Attempt(u32),
    #[error("a reason is missing")]
    NoReason,
    #[error("{0} is not later than the limit that stands")]
    NotLater(Timestamp),
    #[error("more than {MAX_UNITS} units, or one of them twice")]
    Units,
    #[error("level {0} was told already")]
    Level(u8),
    #[error("it is left out of the assessment already")]
    Excluded,
}

/// The event cannot happen to the case; what can is listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{event}\" cannot happen to {}: {why}; what can: {}", .state.map_or("a ticket without a case".to_owned(), |state| format!("a case that is {state}")), legal.iter().map(|kind| kind.code()).collect::<Vec<_>>().join(", "))]
pub struct Illegal {
    pub event: Kind,
    pub state: Option<State>,
    pub why: Why,
    pub legal: Vec<Kind>,
}

impl Case {
    /// What the case is after `event`, which happened `at`. Before the first event there is no case.
    pub fn after(case: Option<&Case>, event: &Event, at: Timestamp) -> Result<Case, Illegal> {
        let Some(case) = case else {
            return match event {
                Event::Received { dispatch } => Ok(Case::new(*dispatch, at)),
                _ => Err(Illegal { event: event.kind(), state: None, why: Why::State, legal: vec![Kind::Received] }),
            };
        };
        match case.refuses(event) {
            Some(why) => Err(Illegal { event: event.kind(), state: Some(case.state), why, legal: case.legal() }),
            None => Ok(case.clone().with(event, at)),
        }
    }

    /// The sum of a whole log.
    pub fn of<'a>(log: impl IntoIterator<Item = (&'a Event, Timestamp)>) -> Result<Option<Case>, Illegal> {
        log.into_iter()
            .try_fold(None, |case: Option<Case>, (event, at)| Case::after(case.as_ref(), event, at).map(Some))
    }

    /// The events that can happen next, apart from their particulars (who, when, why).
    pub fn legal(&self) -> Vec<Kind> {
        let all = self.state.legal().iter().copied();
        all.filter(|kind| self.rules_out(*kind).is_none()).collect()
    }

    /// Whether the case still waits for somebody.
    pub fn is_open(&self) -> bool {
        !self.state.is_final()
    }

    /// The word of `state-….wav`: how far it is, for its caller. `None`: nobody is in charge yet.
    pub fn spoken(&self) -> Option<&'static str> {
        let solved = self.survey.as_ref().and_then(|survey| survey.solved);
        let word = match self.state {
            State::Received => return None,
            State::Dispatched | State::Accepted if self.reopened > 0 => "unsolved",
            State::Dispatched => "dispatched",
            State::Accepted => "handling",
            State::Review => "objected",
            State::Answered if self.callback == Callback::Running => "callback",
            State::Answered | State::Closed if solved == Some(true) => "solved",
            State::Answered => "answered",
            State::Closed => "closed",
            State::Paused | State::Listed | State::Merged => "other",
        };
        Some(word)
    }

    /// Whether `unit` works on it.
    pub fn concerns(&self, unit: &str) -> bool {
        self.lead.as_deref() == Some(unit) || self.co.iter().any(|co| co == unit)
    }

    fn new(dispatch: Timestamp, at: Timestamp) -> Case {
        Case {
            seq: 1,
            state: State::Received,
            since: at,
            received: at,
            dispatch,
            lead: None,
            dispatched: None,
            co: Vec::new(),
            copies: Vec::new(),
            first: None,
            limits: None,
            accepted: None,
            contacted: None,
            answered: None,
            returns: 0,
            bound: false,
            told: false,
            reopened: 0,
            callback: Callback::None,
            attempts: 0,
            asked: None,
            survey: None,
            escalated: 0,
            excluded: false,
            listed: None,
            into: None,
            before: None,
        }
    }

    /// What this case has against a kind of event, whatever its particulars.
    fn rules_out(&self, kind: Kind) -> Option<Why> {
        let running = self.callback == Callback::Running;
        match kind {
            _ if !self.state.legal().contains(&kind) => Some(Why::State),
            Kind::Returned if self.bound => Some(Why::Bound),
            Kind::CallbackBegan if self.callback == Callback::Done => Some(Why::CallbackDone),
            // What ends a round waits for the caller's last words in it.
            Kind::CallbackBegan | Kind::Closed | Kind::Reopened if running => Some(Why::CallbackRunning),
            Kind::Asked | Kind::CalledBack | Kind::CallbackFailed if !running => Some(Why::NoCallback),
            Kind::Excluded if self.excluded => Some(Why::Excluded),
            _ => None,
        }
    }

    /// Why `event` cannot happen.
    fn refuses(&self, event: &Event) -> Option<Why> {
        if let Some(why) = self.rules_out(event.kind()) {
            return Some(why);
        }
        let lead = |unit: &str| match &self.lead {
            Some(lead) if lead != unit => Some(Why::NotInCharge { unit: unit.to_owned(), lead: lead.clone() }),
            _ => None,
        };
        let reason = |text: &str| text.trim().is_empty().then_some(Why::NoReason);
        match event {
            Event::Dispatched { unit, co, copies, why, .. } => {
                let together: Vec<&String> = std::iter::once(unit).chain(co).collect();
                reason(why).or_else(|| unique(&together)).or_else(|| unique(&copies.iter().collect::<Vec<_>>()))
            }
            Event::Accepted { unit } => lead(unit),
            Event::Returned { unit, reason: text } => lead(unit).or_else(|| reason(text)),
            Event::Answered { unit, text } => lead(unit).or_else(|| reason(text)),
            Event::Contacted { unit } if self.concerns(unit) => None,
            Event::Contacted { unit } => lead(unit),
            Event::Whistled { lead, units, reason: text } => {
                let together: Vec<&String> = std::iter::once(lead).chain(units).collect();
                reason(text).or_else(|| unique(&together))
            }
            Event::Extended { answer, reason: text, approved } => {
                let stands = self.limits.is_some_and(|limits| *answer <= limits.answer);
                reason(text).or_else(|| reason(approved)).or(stands.then_some(Why::NotLater(*answer)))
            }
            Event::CallbackBegan { attempt } => {
                (*attempt != self.attempts + 1).then_some(Why::Attempt(self.attempts + 1))
            }
            Event::CallbackFailed { attempt, .. }
            | Event::Asked { attempt, .. }
            | Event::CalledBack { attempt, .. } => (*attempt != self.attempts).then_some(Why::Attempt(self.attempts)),
            Event::Escalated { level, why, .. } => {
                reason(why).or((*level <= self.escalated).then_some(Why::Level(self.escalated)))
            }
            Event::Excluded { reason: text, approved } => reason(text).or_else(|| reason(approved)),
            Event::Upheld { reason: text }
            | Event::Overruled { reason: text }
            | Event::Paused { reason: text }
            | Event::Reopened { reason: text, .. }
            | Event::Closed { reason: text }
            | Event::Listed { reason: text, .. }
            | Event::Separated { reason: text } => reason(text),
            Event::Received { .. }
            | Event::Told { .. }
            | Event::Resumed { .. }
            | Event::CallerTold { .. }
            | Event::Commented { .. }
            | Event::Merged { .. } => None,
        }
    }

    /// The case with a legal event.
    fn with(mut self, event: &Event, at: Timestamp) -> Case {
        self.seq += 1;
        let state = match event {
            Event::Dispatched { unit, co, copies, limits, .. } => {
                self.put_in_charge(unit, *limits, at);
                self.co.clone_from(co);
                self.copies.clone_from(copies);
                State::Dispatched
            }
            Event::Accepted { .. } => {
                self.accepted = Some(at);
                State::Accepted
            }
            Event::Returned { .. } => {
                self.returns += 1;
                State::Review
            }
            Event::Upheld { .. } => {
                self.lead = None;
                self.co.clear();
                self.limits = None;
                State::Received
            }
            Event::Overruled { .. } => {
                self.bound = true;
                if self.accepted.is_some() { State::Accepted } else { State::Dispatched }
            }
            Event::Whistled { lead, units, .. } => {
                let moved = self.lead.as_deref() != Some(lead);
                self.co = units.clone();
                self.lead = Some(lead.clone());
                // A new lead has not taken it yet; the limits stay.
                if moved {
                    self.accepted = None;
                    State::Dispatched
                } else {
                    self.state
                }
            }
            Event::Extended { answer, .. } => {
                if let Some(limits) = &mut self.limits {
                    limits.answer = *answer;
                }
                self.state
            }
            Event::Contacted { .. } => {
                self.contacted.get_or_insert(at);
                self.state
            }
            Event::Paused { .. } => State::Paused,
            Event::Resumed { limits } => {
                self.limits = Some(*limits);
                State::Accepted
            }
            Event::Answered { .. } => {
                (self.answered, self.told) = (Some(at), false);
                // Asked at the limit, before there was an answer: whoever did not call it solved is asked about this one.
                let solved = self.survey.as_ref().is_some_and(|survey| survey.solved == Some(true));
                if self.callback == Callback::Done && !solved {
                    (self.callback, self.attempts) = (Callback::None, 0);
                }
                State::Answered
            }
            Event::CallbackBegan { attempt } => {
                (self.attempts, self.callback, self.asked) = (*attempt, Callback::Running, None);
                self.state
            }
            Event::Asked { survey, .. } => {
                self.asked = Some(survey.clone());
                self.state
            }
            Event::CallbackFailed { again, .. } => {
                self.asked = None;
                self.callback = again.map_or(Callback::Done, Callback::Again);
                self.state
            }
            Event::CalledBack { survey, .. } => {
                (self.survey, self.callback, self.asked) = (Some(survey.clone()), Callback::Done, None);
                self.state
            }
            Event::Commented { text, .. } => {
                if let Some(comment) = self.survey.as_mut().and_then(|survey| survey.comment.as_mut()) {
                    comment.text = Some(text.clone());
                }
                self.state
            }
            Event::Reopened { unit, limits, .. } => {
                self.put_in_charge(unit, *limits, at);
                self.reopened += 1;
                (self.callback, self.attempts, self.escalated) = (Callback::None, 0, 0);
                State::Dispatched
            }
            Event::Closed { .. } => State::Closed,
            Event::Listed { until, .. } => {
                self.listed = Some(*until);
                State::Listed
            }
            Event::Merged { into } => {
                (self.into, self.before) = (Some(*into), Some(self.state));
                State::Merged
            }
            Event::Separated { .. } => {
                self.into = None;
                self.before.take().unwrap_or(State::Received)
            }
            Event::Escalated { level, .. } => {
                self.escalated = *level;
                self.listed = self.listed.filter(|until| at < *until);
                self.state
            }
            Event::Excluded { .. } => {
                self.excluded = true;
                self.state
            }
            Event::CallerTold { what, .. } => {
                self.told |= what == ANSWER;
                self.state
            }
            Event::Received { .. } | Event::Told { .. } => self.state,
        };
        if state != State::Listed {
            self.listed = None;
        }
        if state != self.state {
            (self.state, self.since) = (state, at);
        }
        self
    }

    fn put_in_charge(&mut self, unit: &str, limits: Limits, at: Timestamp) {
        self.lead = Some(unit.to_owned());
        self.first.get_or_insert_with(|| unit.to_owned());
        (self.dispatched, self.limits) = (Some(at), Some(limits));
        (self.accepted, self.contacted, self.answered) = (None, None, None);
    }
}

/// No more than may be, none twice.
fn unique(units: &[&String]) -> Option<Why> {
    let twice = units.iter().enumerate().any(|(i, unit)| units[..i].contains(unit));
    (twice || units.len() > MAX_UNITS).then_some(Why::Units)
}
