//! Calling back (回访): who is asked when, and what comes of the answers (art. 23 of the regulation: when the limit
//! expires, or as soon as there is an answer).
//!
//! Owns the rules of `[callback]`: the hours in which people may be called, how often and at which times of day, what a
//! valid survey is, what an answer leads to, and what a crash leaves behind. Refuses to call anybody (`super::task`) and
//! to know a question's words: those are in `flows/out/callback.toml`, and the flow's variables ([`survey`]) are the answers.
//!
//! **Nobody is asked twice, and no answer is lost.** A try stands in the log before anybody is dialled; that somebody
//! answered stands there before they hear a word ([`Event::Asked`]); each answer before the next question. After a crash
//! [`Rules::recovered`] makes a survey of what was said, tries again only where nobody can have heard a question, and
//! otherwise leaves the caller alone.

mod config;
pub mod pace;

use std::sync::Arc;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::calendar::{Calendar, Span};
use crate::ticket::case::{By, Callback, Case, Entry, Event, Limits, Outcome, Satisfaction, State, Survey};

pub use config::{Config, Question, Target};

/// The name under which callbacks stand in the log.
pub const WHO: &str = "callback";
/// The flow's variables.
pub const CONTACTED: &str = "contacted";
pub const SOLVED: &str = "solved";
pub const SATISFIED: &str = "satisfied";
/// Set by the flow once it has told the unit's answer.
pub const TOLD: &str = "told";
/// Brought along for the flow: what the ticket is about, and what the unit answered.
pub const TITLE: &str = "title";
pub const ANSWER: &str = "answer";

/// So many days ahead is looked for an hour in which people may be called: longer than any holiday.
const AHEAD: i32 = 40;

/// `[callback]` with the days and the clock of the city.
#[derive(Debug, Clone)]
pub struct Rules {
    pub config: Arc<Config>,
    pub calendar: Arc<Calendar>,
    pub zone: TimeZone,
}

/// What is to be done about a case at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing, unless something happens to it.
    Nothing,
    /// Not before this.
    Later(Timestamp),
    /// The caller is called; this is the number of the try.
    Call(u32),
    /// Nobody will be asked any more.
    Close(&'static str),
}

impl Rules {
    /// What is to be done. `number`: there is one that can be called.
    pub fn next(&self, case: &Case, number: bool, now: Timestamp) -> Next {
        let due = match (case.state, case.callback) {
            (State::Answered, Callback::Done) => return Next::Close(closing(case.survey.as_ref())),
            (State::Answered, Callback::None) => case.answered.unwrap_or(case.since),
            // Art. 23: at the limit, whether there is an answer or not.
            (State::Dispatched | State::Accepted, Callback::None) => match case.limits {
                Some(limits) => limits.answer,
                None => return Next::Nothing,
            },
            (State::Answered | State::Dispatched | State::Accepted, Callback::Again(at)) => at,
            _ => return Next::Nothing,
        };
        if !number {
            // There is time until the limit for whoever learns the number.
            let limit = case.limits.map_or(due, |limits| limits.answer.max(due));
            return match case.state {
                State::Answered if limit <= now => Next::Close("no number to call back"),
                State::Answered => Next::Later(limit),
                _ => Next::Nothing,
            };
        }
        match self.opening(due.max(now)) {
            Some(at) if at <= now => Next::Call(case.attempts + 1),
            Some(at) => Next::Later(at),
            None => Next::Nothing,
        }
    }

    /// The first moment from `from` on at which people may be called.
    pub fn opening(&self, from: Timestamp) -> Option<Timestamp> {
        self.first(from, &[None])
    }

    /// When to try again after these tries of the round (their beginnings): not sooner than `apart`, and at a time of
    /// day at which nobody has tried yet, while there is one. `None`: that was the last.
    pub fn again(&self, tried: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
        if tried.len() >= self.config.tries as usize {
            return None;
        }
        let from = now.saturating_add(self.config.apart).ok()?;
        let at = |tried: &Timestamp| self.part(self.zone.to_datetime(*tried).time());
        let known: Vec<Option<usize>> = tried.iter().map(at).collect();
        let fresh: Vec<Option<Span>> = (self.config.parts.iter().enumerate())
            .filter(|(part, _)| !known.contains(&Some(*part)))
            .map(|(_, span)| Some(*span))
            .collect();
        self.first(from, &fresh).or_else(|| self.opening(from))
    }

    /// Which of `parts` a time of day lies in.
    fn part(&self, time: Time) -> Option<usize> {
        self.config.parts.iter().position(|span| span.from <= time && time < span.until)
    }

    /// The first allowed moment from `from` on within one of these parts of the day (`None`: the whole day).
    fn first(&self, from: Timestamp, parts: &[Option<Span>]) -> Option<Timestamp> {
        let local = self.zone.to_datetime(from);
        (0..AHEAD).find_map(|days| {
            let date = local.date().checked_add(days.days()).ok()?;
            let least = if days == 0 { local.time() } else { Time::midnight() };
            let spans = self.config.hours.of(self.calendar.day(date)).iter();
            let times = spans.flat_map(|open| parts.iter().filter_map(move |part| meet(open, part.as_ref(), least)));
            // The clock may have been put forward over it: then it is the moment after.
            times.filter_map(|time| self.moment(date, time)).map(|at| at.max(from)).min()
        })
    }

    fn moment(&self, date: Date, time: Time) -> Option<Timestamp> {
        self.zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible().ok()
    }

    /// Whether a survey counts in the rates.
    pub fn is_valid(&self, survey: &Survey) -> bool {
        self.config.valid.iter().all(|question| match question {
            Question::Contacted => survey.contacted.is_some(),
            Question::Solved => survey.solved.is_some(),
            Question::Satisfied => survey.satisfied.is_some(),
        })
    }

    /// Nobody was asked. `tried`: the beginnings of this round's tries, this one among them.
    pub fn failed(&self, case: &Case, outcome: Outcome, tried: &[Timestamp], now: Timestamp) -> Vec<(By, Event)> {
        // Who may have heard a question before the crash is not asked once more.
        let may_be_asked = !(outcome == Outcome::Interrupted && case.asked.is_some());
        let again = if may_be_asked { self.again(tried, now) } else { None };
        let mut events = vec![Event::CallbackFailed { attempt: case.attempts, outcome, again }];
        if again.is_none() && case.state == State::Answered {
            events.push(Event::Closed { reason: closing(None).to_owned() });
        }
        events.into_iter().map(|event| (By::rule(WHO), event)).collect()
    }

    /// Somebody was asked. `limits`: those of a new round.
    pub fn asked(&self, case: &Case, survey: Survey, limits: Limits) -> Vec<(By, Event)> {
        let survey = Survey { valid: self.is_valid(&survey), ..survey };
        let after = match (case.state, &case.lead, survey.solved) {
            (State::Answered, Some(lead), Some(false)) => Some(Event::Reopened {
                unit: lead.clone(),
                limits,
                reason: "not solved, as the caller says".to_owned(),
            }),
            (State::Answered, ..) => Some(Event::Closed { reason: closing(Some(&survey)).to_owned() }),
            // Its unit has not answered yet, and goes on.
            _ => None,
        };
        let caller = |event| (By::new("caller", crate::ticket::case::Via::Telephone), event);
        let mut events = vec![caller(Event::CalledBack { attempt: case.attempts, survey })];
        events.extend(after.map(|event| match event {
            Event::Reopened { .. } => caller(event),
            _ => (By::rule(WHO), event),
        }));
        events
    }

    /// What a crash cut off: a case whose callback is still running although nobody is called.
    pub fn recovered(&self, case: &Case, tried: &[Timestamp], limits: Limits, now: Timestamp) -> Vec<(By, Event)> {
        match &case.asked {
            Some(survey) if said(survey) => self.asked(case, survey.clone(), limits),
            _ => self.failed(case, Outcome::Interrupted, tried, now),
        }
    }
}

/// From when within `open` and `part` it may be, not before `least`.
fn meet(open: &Span, part: Option<&Span>, least: Time) -> Option<Time> {
    let whole = Span { from: Time::midnight(), until: Time::MAX };
    let part = part.unwrap_or(&whole);
    let until = if open.until <= open.from { Time::MAX } else { open.until };
    let from = open.from.max(part.from).max(least);
    (from < until.min(part.until)).then_some(from)
}

/// Whether any question was answered.
pub fn said(survey: &Survey) -> bool {
    survey.contacted.is_some() || survey.solved.is_some() || survey.satisfied.is_some() || survey.comment.is_some()
}

/// What the flow's variables say so far.
pub fn survey<'a>(variable: impl Fn(&str) -> Option<&'a str>) -> Survey {
    let yes = |name: &str| match variable(name)? {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    };
    let satisfied = variable(SATISFIED).and_then(|word| Satisfaction::ALL.into_iter().find(|one| one.code() == word));
    Survey { contacted: yes(CONTACTED), solved: yes(SOLVED), satisfied, ..Survey::default() }
}

/// The beginnings of the tries in the round that goes on: an answer, or a reopening, begins a new one.
pub fn tried(log: &[Entry]) -> Vec<Timestamp> {
    let mut tried = Vec::new();
    for entry in log {
        match &entry.event {
            Event::CallbackBegan { attempt } => {
                if *attempt == 1 {
                    tried.clear();
                }
                tried.push(entry.at);
            }
            Event::Reopened { .. } => tried.clear(),
            _ => {}
        }
    }
    tried
}

fn closing(survey: Option<&Survey>) -> &'static str {
    match survey.map(|survey| survey.solved) {
        Some(Some(true)) => "solved, as the caller says",
        Some(_) => "the caller was asked and did not say whether it is solved",
        None => "the caller was not reached",
    }
}

/// What an unreached number means to a survey.
pub fn outcome(unreached: crate::call::unreached::Unreached) -> Outcome {
    use crate::call::unreached::Unreached;
    match unreached {
        Unreached::Busy => Outcome::Busy,
        Unreached::NoAnswer => Outcome::NoAnswer,
        Unreached::Unreachable | Unreached::Refused | Unreached::WrongNumber | Unreached::Network => {
            Outcome::Unreachable
        }
    }
}

#[cfg(test)]
mod tests;
