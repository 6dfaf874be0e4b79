//! What one ticket's log brings to the figures of a window.

use serde::{Deserialize, Serialize};

use super::{Config, Window};
use crate::ticket::case::{Entry, Event, Satisfaction, Survey};

/// Whether the caller was asked in the window, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nobody tried.
    Not,
    /// Tried, and nobody was asked.
    NoAnswer,
    /// Asked, but it does not count by the city's definition.
    Invalid,
    /// The last survey that counts.
    Valid(Survey),
    /// Tried or asked, but the ticket was left out with approval (剔除).
    Excluded,
}

/// One ticket in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub received: bool,
    /// How often it was reopened.
    pub reopened: u32,
    pub asked: Asked,
    /// Who is charged: the unit that was in charge when the survey was made that counts, or else the last one in charge
    /// in the window. A ticket that was reopened and given to somebody else afterwards is the first one's.
    pub unit: Option<String>,
}

/// How many tickets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    pub received: u32,
    pub reopened: u32,
    /// Whose callers somebody tried to ask: all of the next four.
    pub tried: u32,
    pub no_answer: u32,
    pub invalid: u32,
    pub excluded: u32,
    /// The denominator of the rates.
    pub valid: u32,
    pub contacted: u32,
    pub solved: u32,
    pub satisfied: u32,
    pub mostly: u32,
    pub dissatisfied: u32,
}

/// `None`: nothing happened to the ticket in the window that is counted.
pub fn mark(config: &Config, window: &Window, log: &[Entry]) -> Option<Mark> {
    let inside = || log.iter().filter(|entry| window.holds(entry.at));
    let received = inside().any(|entry| matches!(entry.event, Event::Received { .. }));
    let reopened = inside().filter(|entry| matches!(entry.event, Event::Reopened { .. })).count() as u32;
    let surveys = || inside().filter_map(|entry| survey(&entry.event).map(|survey| (entry.seq, survey)));
    let counts = surveys().rfind(|(_, survey)| survey.valid);
    let failed = inside().any(|entry| matches!(entry.event, Event::CallbackFailed { .. }));
    let asked = match counts {
        Some((_, survey)) => Asked::Valid(survey.clone()),
        None if surveys().next().is_some() => Asked::Invalid,
        None if failed => Asked::NoAnswer,
        None => Asked::Not,
    };
    if asked == Asked::Not && !received && reopened == 0 {
        return None;
    }
    let asked = if asked != Asked::Not && excluded(config, window, log) { Asked::Excluded } else { asked };
    let until = counts.map(|(seq, _)| seq);
    let charged = log.iter().filter(|entry| until.map_or(entry.at < window.until, |seq| entry.seq <= seq));
    let unit = charged.filter_map(|entry| put_in_charge(&entry.event)).next_back().map(str::to_owned);
    Some(Mark { received, reopened, asked, unit })
}

/// Whether it was left out before the window's figures stood.
fn excluded(config: &Config, window: &Window, log: &[Entry]) -> bool {
    let end = window.until.saturating_add(config.exclusions).unwrap_or(window.until);
    log.iter().any(|entry| entry.at < end && matches!(entry.event, Event::Excluded { .. }))
}

fn survey(event: &Event) -> Option<&Survey> {
    match event {
        Event::CalledBack { survey, .. } => Some(survey),
        _ => None,
    }
}

fn put_in_charge(event: &Event) -> Option<&str> {
    match event {
        Event::Dispatched { unit, .. } | Event::Reopened { unit, .. } => Some(unit),
        Event::Whistled { lead, .. } => Some(lead),
        _ => None,
    }
}

impl Count {
    pub fn add(&mut self, mark: &Mark) {
        self.received += u32::from(mark.received);
        self.reopened += mark.reopened;
        self.tried += u32::from(mark.asked != Asked::Not);
        match &mark.asked {
            Asked::Not => {}
            Asked::NoAnswer => self.no_answer += 1,
            Asked::Invalid => self.invalid += 1,
            Asked::Excluded => self.excluded += 1,
            Asked::Valid(survey) => {
                self.valid += 1;
                // A question that was not answered counts as "no": the unit has to see to it that it can be answered.
                self.contacted += u32::from(survey.contacted == Some(true));
                self.solved += u32::from(survey.solved == Some(true));
                match survey.satisfied {
                    Some(Satisfaction::Satisfied) => self.satisfied += 1,
                    Some(Satisfaction::Mostly) => self.mostly += 1,
                    Some(Satisfaction::Dissatisfied) => self.dissatisfied += 1,
                    None => {}
                }
            }
        }
    }
}
