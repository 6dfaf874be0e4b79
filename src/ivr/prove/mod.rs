//! Is a flow one that every caller comes well out of? Proven for each line and each kind of hour, before it goes live.
//!
//! Owns the rules that look at ways, times and keys: each [`Rule`] has a name, and what breaks it is a [`Finding`] with
//! its place, the way that leads there and the remedy. One file for each family of rules: `ends` (nobody is lost),
//! `time` (nobody waits too long), `keys` (every key means what is said of it), `menus` (GB/T 33358-2016: no menus
//! in front of people), `emergency` (who is in danger is heard out). [`ways`] says where a caller can go from a node, [`walk`] what is known of them when they come,
//! `moment` which hours differ. Refuses what one file's reading already finds (`ivr::check`, `ivr::parse`) and what
//! only other files know (`config::proof` crosses lines, prompts and calendars).
//!
//! Pure: how long a prompt is and what it says are handed in as [`Spoken`].

mod emergency;
mod ends;
mod keys;
pub mod limits;
mod menus;
mod moment;
mod rule;
pub mod spoken;
mod time;
pub mod walk;
pub mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::civil::Date;

use super::emergency::Rules;
use super::flow::{Flow, NodeId};
use crate::calendar::Calendar;
use crate::written::Place;

pub use limits::{Limits, Strictness};
pub use moment::Moment;
pub use rule::Rule;
pub use spoken::Spoken;
use time::Pace;
pub use walk::Walks;
pub use ways::{Cause, Way};

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub rule: Rule,
    pub place: Place,
    /// The key as a path from the top of the file.
    pub key: String,
    /// What is wrong, in one clause.
    pub what: String,
    /// The nodes by which a call comes there; the last is the one at fault.
    pub way: Vec<String>,
    /// Where it is not so always: for which line, at what hour.
    pub when: Option<String>,
    pub remedy: String,
}

impl Finding {
    /// The clause with the rule's name, the hour and the way, as faults of the configuration are printed.
    pub fn clause(&self) -> String {
        let when = self.when.as_ref().map(|when| format!(", {when}")).unwrap_or_default();
        let way = if self.way.is_empty() { String::new() } else { format!("; the way: {}", self.way.join(" -> ")) };
        format!("{}{when} [{}]{way}", self.what, self.rule)
    }
}

/// One flow, for callers of one line at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    pub flow: &'a Flow,
    pub spoken: &'a Spoken,
    pub limits: &'a Limits,
    pub moment: &'a Moment<'a>,
}

impl Case<'_> {
    /// A finding at `node`, reached by `way`.
    fn finding(self, rule: Rule, node: NodeId, what: String, way: &[NodeId], remedy: impl Into<String>) -> Finding {
        let name = &self.flow.node(node).name;
        let way = way.iter().map(|id| self.name(*id).to_owned()).collect();
        let key = format!("node.{}", name.value);
        Finding { rule, place: name.place.clone(), key, what, way, when: None, remedy: remedy.into() }
    }

    fn name(&self, node: NodeId) -> &str {
        &self.flow.node(node).name.value
    }
}

/// A line, as far as a flow sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dialled {
    pub line: String,
    /// Its own greeting's prompt.
    pub greeting: Option<String>,
}

/// What a proof takes for true.
#[derive(Debug, Clone, Copy)]
pub struct Premises<'a> {
    pub spoken: &'a Spoken,
    pub limits: &'a Limits,
    /// The lines that lead to the flow.
    pub lines: &'a [Dialled],
    /// What may be raised in every state.
    pub rules: &'a Rules,
    pub calendar: &'a Calendar,
    /// The hours of the year from here on are looked at.
    pub today: Date,
}

/// Everything that is wrong, each rule and place once, in the order of the file.
pub fn prove(flow: &Flow, premises: Premises<'_>) -> Vec<Finding> {
    // Each once, with the number of moments at which it is so. What is measured differs from line to line: the first
    // measure stands for all.
    let mut broken: BTreeMap<(Rule, Place, String), (Finding, usize)> = BTreeMap::new();
    let mut reached = BTreeSet::new();
    let moments = moment::moments(flow, premises);
    for moment in &moments {
        let case = Case { flow, spoken: premises.spoken, limits: premises.limits, moment };
        let walks = Walks::new(case);
        reached.extend(walks.nodes());
        let found =
            [ends::find(case, &walks), time::find(case, &walks), keys::find(case, &walks), menus::find(case, &walks)];
        let mut here = BTreeSet::new();
        for mut finding in found.into_iter().flatten() {
            let about = if finding.rule.is_measured() { String::new() } else { finding.what.clone() };
            let key = (finding.rule, finding.place.clone(), about);
            if here.insert(key.clone()) {
                finding.when = moment.words(&moments);
                let known = broken.entry(key).or_insert_with(|| (finding.clone(), 0));
                known.1 += 1;
                // The shortest way is the one that an admin sees at once.
                if finding.way.len() < known.0.way.len() {
                    known.0 = finding;
                }
            }
        }
    }
    let always = |(finding, times): (Finding, usize)| match times == moments.len() {
        true => Finding { when: None, ..finding },
        false => finding,
    };
    let mut findings: Vec<Finding> = broken.into_values().map(always).collect();
    findings.extend(ends::never_reached(flow, &reached));
    findings.extend(emergency::find(flow, premises));
    findings.retain(|finding| !premises.limits.allow.contains(&finding.rule));
    findings.sort_by(|a, b| (&a.place, a.rule, &a.what).cmp(&(&b.place, b.rule, &b.what)));
    findings
}

/// How a flow fares, for people: the worst of all lines and hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// To a human, for who knows the keys, and for who hears every prompt to its end; `None`: never.
    pub knows: Option<Duration>,
    pub listens: Option<Duration>,
    /// The longest for who says and presses nothing.
    pub silent: Duration,
    /// Menus one below the other.
    pub depth: usize,
}

/// Measures a flow.
pub fn measure(flow: &Flow, premises: Premises<'_>) -> Measured {
    let mut worst: Option<Measured> = None;
    for moment in &moment::moments(flow, premises) {
        let case = Case { flow, spoken: premises.spoken, limits: premises.limits, moment };
        let walks = Walks::new(case);
        let quickest = |pace| time::quickest(case, &walks, pace).map(|(time, _)| time);
        let (silent, depth) = (time::longest_silence(case, &walks), menus::deepest(case, &walks).0);
        let here = Measured { knows: quickest(Pace::Knows), listens: quickest(Pace::Listens), silent, depth };
        // Never is worse than any time.
        let later = |a: Option<Duration>, b: Option<Duration>| a.zip(b).map(|(a, b)| a.max(b));
        worst = Some(match worst {
            None => here,
            Some(known) => Measured {
                knows: later(known.knows, here.knows),
                listens: later(known.listens, here.listens),
                silent: known.silent.max(silent),
                depth: known.depth.max(depth),
            },
        });
    }
    worst.unwrap_or(Measured { knows: None, listens: None, silent: Duration::ZERO, depth: 0 })
}

#[cfg(test)]
mod tests;
