//! What a leader should look at before more people complain (未诉先办, 每月一题, 举一反三): candidates, with evidence.
//!
//! Owns three questions (art. 24, 25) about the last weeks: which categories' share of the demand rises ([`rising`]),
//! which street offices have more of it than others week after week ([`persistent`]), which matters come back after they
//! were closed ([`returning`]). Each answer is a candidate for joint handling or for a change of the rules, with the
//! numbers that speak for it. Pure; refuses to decide: a person reads the list.

mod settings;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::ticket::Number;
pub use settings::Config;

const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A ticket as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub number: Number,
    /// When it was received.
    pub at: Timestamp,
    /// The deepest level of its category that is known.
    pub category: String,
    /// The code of the street office in whose area it lies.
    pub street: Option<String>,
    /// The matter that it reports, with others.
    pub matter: Option<i64>,
    /// When it was last closed.
    pub closed: Option<Timestamp>,
    /// When its caller said that it was not solved after all.
    pub reopened: Vec<Timestamp>,
}

/// What may be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// 吹哨报到: the units concerned are called together.
    JointHandling,
    /// 每月一题, 举一反三: the rule behind it is looked at.
    RuleChange,
}

/// One week of a street office.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Week {
    pub from: Timestamp,
    pub count: u32,
    /// From which on it is above the norm in that week.
    pub norm: f64,
}

/// What speaks for a candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Evidence {
    /// Its share of all tickets, in the last week and in the weeks before.
    Rising { count: u32, of: u32, share: f64, before: u32, of_before: u32, share_before: f64, chance: f64 },
    /// Its weeks, the oldest first; `above` of them are above the norm.
    Persistent { above: u32, weeks: Vec<Week> },
    /// Tickets that came after one of the same matter was closed, and those that their callers had reopened.
    Returning { tickets: u32, returned: Vec<Number>, reopened: Vec<Number> },
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// A category, the code of a street office, the number of a matter.
    pub subject: String,
    pub measure: Measure,
    #[serde(flatten)]
    pub evidence: Evidence,
}

/// All candidates of the weeks before `now`: the surest first within each question.
pub fn candidates(config: &Config, seen: &[Seen], streets: &[String], now: Timestamp) -> Vec<Candidate> {
    let mut all = rising(config, seen, now);
    all.extend(persistent(config, seen, streets, now));
    all.extend(returning(config, seen, now));
    all
}

/// How many weeks before `now` it was: 0 is the last one. `None` after `now`.
fn week(at: Timestamp, now: Timestamp) -> Option<usize> {
    let ago = now.duration_since(at);
    (ago.is_positive()).then(|| ((ago.as_secs() - i64::from(ago.subsec_nanos() == 0)) / WEEK.as_secs()) as usize)
}

/// Categories whose share of the last week's tickets is higher than in the weeks before, and not by chance: a one-sided
/// test of two proportions at `chance`, divided by the number of categories that are tested (Bonferroni), so that a long
/// catalogue raises no more false candidates than a short one.
pub fn rising(config: &Config, seen: &[Seen], now: Timestamp) -> Vec<Candidate> {
    let mut counts: BTreeMap<&str, [u32; 2]> = BTreeMap::new();
    let mut all = [0u32; 2];
    for ticket in seen {
        let Some(week) = week(ticket.at, now).filter(|week| *week < config.weeks) else { continue };
        let side = usize::from(week > 0);
        all[side] += 1;
        if !ticket.category.is_empty() {
            counts.entry(&ticket.category).or_default()[side] += 1;
        }
    }
    let tested: Vec<_> = counts.into_iter().filter(|(_, counts)| counts[0] >= config.rising_least).collect();
    let mut found: Vec<(f64, Candidate)> = Vec::new();
    for (category, [count, before]) in &tested {
        let chance = by_chance((*count, all[0]), (*before, all[1])) * tested.len() as f64;
        if chance >= config.chance {
            continue;
        }
        let share = |part: u32, of: u32| f64::from(part) / f64::from(of.max(1));
        let evidence = Evidence::Rising {
            count: *count,
            of: all[0],
            share: share(*count, all[0]),
            before: *before,
            of_before: all[1],
            share_before: share(*before, all[1]),
            chance,
        };
        let subject = (*category).to_owned();
        found.push((chance, Candidate { subject, measure: Measure::RuleChange, evidence }));
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// Street offices that were above the norm in `above` of the last `weeks` weeks (29 towns were found so). The norm of a
/// week is `factor` times the mean of all street offices in it, also of those without a ticket.
pub fn persistent(config: &Config, seen: &[Seen], streets: &[String], now: Timestamp) -> Vec<Candidate> {
    let mut counts: BTreeMap<&str, Vec<u32>> =
        streets.iter().map(|street| (street.as_str(), vec![0; config.weeks])).collect();
    for ticket in seen {
        let row = ticket.street.as_deref().and_then(|street| counts.get_mut(street));
        if let (Some(row), Some(week)) = (row, week(ticket.at, now)) {
            row.get_mut(week).into_iter().for_each(|count| *count += 1);
        }
    }
    let norms: Vec<f64> = (0..config.weeks)
        .map(|week| {
            let all: u32 = counts.values().map(|row| row[week]).sum();
            config.factor * f64::from(all) / counts.len().max(1) as f64
        })
        .collect();
    let mut found: Vec<(u32, u32, Candidate)> = Vec::new();
    for (street, row) in counts {
        let high = |(count, norm): &(&u32, &f64)| f64::from(**count) > **norm && **count >= config.street_least;
        let above = row.iter().zip(&norms).filter(high).count();
        if above < config.above {
            continue;
        }
        let week = |(week, (count, norm)): (usize, (&u32, &f64))| Week {
            from: now.checked_sub(WEEK * (week as i32 + 1)).unwrap_or(Timestamp::MIN),
            count: *count,
            norm: *norm,
        };
        let weeks: Vec<Week> = row.iter().zip(&norms).enumerate().map(week).rev().collect();
        let above = above as u32;
        let evidence = Evidence::Persistent { above, weeks };
        let candidate = Candidate { subject: street.to_owned(), measure: Measure::JointHandling, evidence };
        found.push((above, row.iter().sum(), candidate));
    }
    found.sort_by_key(|(above, sum, _)| std::cmp::Reverse((*above, *sum)));
    found.into_iter().map(|(.., candidate)| candidate).collect()
}

/// Matters that came back at least `returns` times within the weeks: reported again after a ticket of theirs was closed,
/// or reopened by who had reported it. What was done about each did not last.
pub fn returning(config: &Config, seen: &[Seen], now: Timestamp) -> Vec<Candidate> {
    let recent = |at: Timestamp| week(at, now).is_some_and(|week| week < config.weeks);
    let mut matters: BTreeMap<i64, Vec<&Seen>> = BTreeMap::new();
    for ticket in seen {
        if let Some(matter) = ticket.matter {
            matters.entry(matter).or_default().push(ticket);
        }
    }
    let mut found: Vec<(usize, Candidate)> = Vec::new();
    for (matter, tickets) in matters {
        let first_end = tickets.iter().filter_map(|ticket| ticket.closed).min();
        let after = |ticket: &&&Seen| first_end.is_some_and(|end| end < ticket.at) && recent(ticket.at);
        let returned: BTreeSet<Number> = tickets.iter().filter(after).map(|ticket| ticket.number).collect();
        let again = |ticket: &&&Seen| ticket.reopened.iter().any(|at| recent(*at));
        let reopened: BTreeSet<Number> = tickets.iter().filter(again).map(|ticket| ticket.number).collect();
        let returns = returned.len() + reopened.len();
        if returns < config.returns {
            continue;
        }
        let evidence = Evidence::Returning {
            tickets: tickets.len() as u32,
            returned: returned.into_iter().collect(),
            reopened: reopened.into_iter().collect(),
        };
        found.push((returns, Candidate { subject: matter.to_string(), measure: Measure::JointHandling, evidence }));
    }
    found.sort_by_key(|(returns, _)| std::cmp::Reverse(*returns));
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

/// The probability that the first share exceeds the second so much by chance, were both the same: the upper tail of the
/// normal distribution at the pooled two-proportion z.
fn by_chance((count, of): (u32, u32), (before, of_before): (u32, u32)) -> f64 {
    if of == 0 || of_before == 0 {
        return 1.0;
    }
    let [count, of, before, of_before] = [count, of, before, of_before].map(f64::from);
    let pooled = (count + before) / (of + of_before);
    let spread = (pooled * (1.0 - pooled) * (1.0 / of + 1.0 / of_before)).sqrt();
    if spread == 0.0 {
        return 1.0;
    }
    0.5 * erfc((count / of - before / of_before) / spread / std::f64::consts::SQRT_2)
}

/// The complementary error function, with a relative error below 1.2e-7 everywhere (W. H. Press et al., "Numerical
/// Recipes", 6.2).
fn erfc(x: f64) -> f64 {
    const C: [f64; 10] = [
        -1.26551223,
        1.00002368,
        0.37409196,
        0.09678418,
        -0.18628806,
        0.27886807,
        -1.13520398,
        1.48851587,
        -0.82215223,
        0.17087277,
    ];
    let t = 1.0 / (1.0 + 0.5 * x.abs());
    let sum = C.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let tail = t * (-x * x + sum).exp();
    if x >= 0.0 { tail } else { 2.0 - tail }
}

#[cfg(test)]
mod tests;
