//! Which hours of the year, and which lines, differ for a flow.
//!
//! A flow looks at the clock in `hours` nodes, in branches that ask for a time, and in the duty of its targets. Two
//! moments at which all of these say the same are one for every caller, so one of each kind is looked at: a handful
//! instead of 8,760.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::{Date, DateTime, Time};

use super::{Dialled, Premises};
use crate::calendar::{Calendar, Day, Hours};
use crate::ivr::flow::{Flow, Kind, When};

/// Callers of one line at one time.
#[derive(Debug, Clone)]
pub struct Moment<'a> {
    pub line: String,
    pub greeting: Option<String>,
    pub at: DateTime,
    pub calendar: &'a Calendar,
    /// What the flow's clocks say then.
    clocks: Vec<bool>,
}

/// No flow asks for more kinds of hours; beyond them, the first are looked at.
const MOST: usize = 512;

/// One moment of each kind for each line.
pub(super) fn moments<'a>(flow: &Flow, premises: Premises<'a>) -> Vec<Moment<'a>> {
    let calendar = premises.calendar;
    let hours = hours(flow);
    let times = times(flow);
    let mut cuts: Vec<Time> = hours
        .iter()
        .flat_map(|hours| Day::ALL.into_iter().flat_map(|day| hours.of(day)))
        .flat_map(|span| [span.from, span.until])
        .chain(times.iter().flat_map(|(from, until)| [*from, *until]))
        .chain([Time::midnight()])
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut kinds: BTreeMap<Vec<bool>, DateTime> = BTreeMap::new();
    for date in days(premises.today) {
        for cut in &cuts {
            let at = date.to_datetime(*cut);
            let clocks = hours.iter().map(|hours| hours.open(calendar, at));
            let clocks = clocks.chain(times.iter().map(|(from, until)| within(*from, *until, *cut))).collect();
            if kinds.len() < MOST {
                kinds.entry(clocks).or_insert(at);
            }
        }
    }
    // The order of the year, so that a finding names the first hour at which it is so.
    let mut kinds: Vec<(DateTime, Vec<bool>)> = kinds.into_iter().map(|(clocks, at)| (at, clocks)).collect();
    kinds.sort();
    let lines = match premises.lines {
        [] => &[Dialled { line: String::new(), greeting: None }],
        lines => lines,
    };
    let moment = |dialled: &Dialled, (at, clocks): &(DateTime, Vec<bool>)| Moment {
        line: dialled.line.clone(),
        greeting: dialled.greeting.clone(),
        at: *at,
        calendar,
        clocks: clocks.clone(),
    };
    kinds.iter().flat_map(|kind| lines.iter().map(move |line| moment(line, kind))).collect()
}

impl Moment<'_> {
    /// Which line and hour it is, as far as there are others.
    pub(super) fn words(&self, all: &[Moment<'_>]) -> Option<String> {
        let line = all.iter().any(|other| other.line != self.line).then(|| format!("for line {}", self.line));
        let hour = all.iter().any(|other| other.clocks != self.clocks);
        let hour = hour.then(|| format!("e.g. on {}", self.at.strftime("%Y-%m-%d (%A) at %H:%M")));
        let words: Vec<String> = line.into_iter().chain(hour).collect();
        (!words.is_empty()).then(|| words.join(" "))
    }

    pub(super) fn open(&self, hours: &Hours) -> bool {
        hours.open(self.calendar, self.at)
    }

    /// Whether an arm holds now; `None`: that depends on the caller.
    pub(super) fn holds(&self, when: &When) -> Option<bool> {
        let line = when.lines.is_empty() || when.lines.contains(&self.line);
        let time = when.time.is_none_or(|(from, until)| within(from, until, self.at.time()));
        let open =
            !when.callers.is_empty() || when.load.is_some() || when.incident.is_some() || when.variable.is_some();
        match line && time {
            false => Some(false),
            true if open => None,
            true => Some(true),
        }
    }
}

/// The hours that the flow keeps: its own questions and the duty of its targets.
fn hours(flow: &Flow) -> Vec<&Hours> {
    let asked = flow.graph.nodes.iter().filter_map(|node| match &node.kind {
        Kind::Hours { hours, .. } => Some(hours),
        _ => None,
    });
    asked.chain(flow.duty().iter().map(|duty| &duty.value.1)).collect()
}

/// The times of day that branches ask for.
fn times(flow: &Flow) -> Vec<(Time, Time)> {
    let arms = flow.graph.nodes.iter().flat_map(|node| match &node.kind {
        Kind::Branch { arms, .. } => arms.as_slice(),
        _ => &[],
    });
    arms.filter_map(|arm| arm.when.time).collect()
}

/// As the interpreter reads it: the second may be the smaller, over midnight.
fn within(from: Time, until: Time, now: Time) -> bool {
    if from < until { from <= now && now < until } else { from <= now || now < until }
}

/// Every day of the coming year.
fn days(today: Date) -> impl Iterator<Item = Date> {
    (0..366_i64).map_while(move |n| today.checked_add(n.days()).ok())
}
