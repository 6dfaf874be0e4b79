//! Supervision (督办): who is told of a case, and when.
//!
//! Owns the rules of `[supervision]`: each has a level, a target and a channel, and says at what it looks: a share of a
//! limit, the time that it is over, a matter that returns, a case that was reopened. A level is told once in a round, and
//! a case is told of at the highest level that it has come to. Owns also how often a ticket may be returned (art. 14).
//! Refuses to tell anybody: what it gives out is an event for the log.

use jiff::Timestamp;

use super::deadlines::{Class, Deadlines, Terms, Within};
use crate::ticket::case::{Case, Event, State};
use crate::written::{Faults, Source, Table, Value};

/// One of a case's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    Dispatch,
    Accept,
    Contact,
    Answer,
}

impl Limit {
    pub const ALL: [Limit; 4] = [Limit::Dispatch, Limit::Accept, Limit::Contact, Limit::Answer];

    pub fn code(self) -> &'static str {
        match self {
            Limit::Dispatch => "dispatch",
            Limit::Accept => "accept",
            Limit::Contact => "contact",
            Limit::Answer => "answer",
        }
    }

    /// When it began and ends, while it runs: a limit that was kept, or stands still, does not.
    pub fn running(self, case: &Case) -> Option<(Timestamp, Timestamp)> {
        let unit = |end: fn(&crate::ticket::case::Limits) -> Timestamp| Some((case.dispatched?, end(&case.limits?)));
        match (self, case.state) {
            (Limit::Dispatch, State::Received) => Some((case.received, case.dispatch)),
            (Limit::Accept, State::Dispatched) => unit(|limits| limits.accept),
            (Limit::Contact, State::Dispatched | State::Accepted) if case.contacted.is_none() => {
                unit(|limits| limits.contact)
            }
            // An objection does not stop the clock: the caller waits all the same.
            (Limit::Answer, State::Dispatched | State::Accepted | State::Review) => unit(|limits| limits.answer),
            _ => None,
        }
    }

    fn within(self, class: Class) -> Within {
        match self {
            Limit::Dispatch => class.dispatch,
            Limit::Accept => class.accept,
            Limit::Contact => class.contact,
            Limit::Answer => class.answer,
        }
    }
}

/// At what a rule looks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// So much of a limit is used: 0.8.
    Used(Limit, f64),
    /// A limit is over, for so long; `None`: just now.
    Over(Limit, Option<Within>),
    /// The caller has reported the matter so often.
    Repeats(u32),
    /// It was reopened so often.
    Reopened(u32),
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    pub level: u8,
    pub when: When,
    /// Who is told: `unit`, `district`, `city`, or a unit's code.
    pub target: String,
    pub channel: String,
}

/// `[supervision]` of jiesu.toml.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// So often may a ticket be returned; then the first unit that had it keeps it (art. 14).
    pub returns: u32,
    /// Who is told that what was listed has to be looked at again.
    pub listed: String,
    pub rules: Vec<Rule>,
}

/// The shipped rules; `config/jiesu.toml` shows them.
const USUAL: &str = r#"
rule = [
    { level = 1, limit = "accept", over = "0", target = "unit", channel = "telephone" },
    { level = 1, limit = "answer", used = 0.8, target = "unit", channel = "webhook" },
    { level = 2, limit = "dispatch", over = "0", target = "city", channel = "webhook" },
    { level = 2, limit = "contact", over = "0", target = "district", channel = "webhook" },
    { level = 3, limit = "answer", over = "0", target = "district", channel = "webhook" },
    { level = 3, repeats = 3, target = "district", channel = "webhook" },
    { level = 3, reopened = 1, target = "district", channel = "webhook" },
    { level = 4, limit = "answer", over = "1wd", target = "city", channel = "webhook" },
    { level = 4, reopened = 2, target = "city", channel = "webhook" },
]
"#;

impl Default for Config {
    fn default() -> Config {
        let faults = Faults::default();
        let empty = Source::new("", "");
        Config::read(&mut empty.read(&faults).expect("nothing is TOML"))
    }
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        let returns = table.int("returns").or(2, 0..100) as u32;
        let listed = table.text("listed").or("city");
        let usual = Source::new("the shipped rules", USUAL);
        let rules = if table.has("rule") {
            table.tables("rule")
        } else {
            usual.read(table.faults()).expect("written by us").tables("rule")
        };
        Config { returns, listed, rules: rules.into_iter().filter_map(rule).collect() }
    }
}

fn rule(mut table: Table<'_>) -> Option<Rule> {
    if !table.has("level") {
        table.fault("level", "missing", "write how grave it is, from 1");
    }
    let level = table.int("level").or(1, 1..9) as u8;
    let target = table.text("target").need("who is told: unit, district, city, or a unit's code");
    let channel = table.text("channel").need("how: webhook or telephone");
    let limit = table.text("limit").check(|text| match Limit::ALL.into_iter().find(|limit| limit.code() == text) {
        Some(limit) => Ok(limit),
        None => Err((format!("\"{text}\" is no limit"), "write dispatch, accept, contact or answer".to_owned())),
    });
    let limit = limit.get();
    let used = table.has("used").then(|| table.number("used").or(0.8, 0.01..1.0));
    let over = over(table.text("over"));
    let repeats = table.has("repeats").then(|| table.int("repeats").or(2, 2..1000) as u32);
    let reopened = table.has("reopened").then(|| table.int("reopened").or(1, 1..100) as u32);
    let when = match (limit, used, over, repeats, reopened) {
        (Some(limit), Some(share), None, None, None) => Some(When::Used(limit, share)),
        (Some(limit), None, Some(over), None, None) => Some(When::Over(limit, over)),
        (None, None, None, Some(n), None) => Some(When::Repeats(n)),
        (None, None, None, None, Some(n)) => Some(When::Reopened(n)),
        _ => {
            let remedy = "write limit with used or with over, or repeats, or reopened alone";
            table.fault("", "does not say at what it looks", remedy);
            None
        }
    };
    table.finish();
    Some(Rule { level, when: when?, target, channel })
}

/// `"0"`: as soon as the limit is over.
fn over(value: Value<String>) -> Option<Option<Within>> {
    let remedy = "write \"0\", or a span as in [deadlines]: \"24h\", \"1wd\"";
    let value = value.check(|text| match text.as_str() {
        "0" => Ok(None),
        text => Within::parse(text).map(Some).ok_or_else(|| (format!("\"{text}\" is no span"), remedy.to_owned())),
    });
    value.get()
}

/// What a rule knows of a ticket beside its case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    pub terms: Terms<'a>,
    /// How often its caller has reported the matter, this ticket among them.
    pub repeats: u32,
}

impl Config {
    /// What has to happen to the case by a rule at `now`; then it is asked again.
    pub fn act(&self, deadlines: &Deadlines, case: &Case, facts: Facts<'_>, now: Timestamp) -> Option<Event> {
        self.review(case).or_else(|| self.escalate(deadlines, case, facts, now))
    }

    /// Returned too often: the first unit that had it keeps it, and nobody has to decide (art. 14, 首接负责). Where another
    /// has it, dispatch gives it back to the first and tells it ([`super::dispatch::Decision::kept_by`]).
    fn review(&self, case: &Case) -> Option<Event> {
        if case.state != State::Review || case.returns <= self.returns {
            return None;
        }
        let reason = format!("退单 {} 次，首接负责（条例第十四条）", case.returns);
        Some(if case.lead == case.first { Event::Overruled { reason } } else { Event::Upheld { reason } })
    }

    /// The gravest rule that the case has come to, if its level was not told in this round.
    fn escalate(&self, deadlines: &Deadlines, case: &Case, facts: Facts<'_>, now: Timestamp) -> Option<Event> {
        let told = case.escalated;
        if case.state == State::Listed {
            let until = case.listed.filter(|until| *until <= now)?;
            let why = format!("listed until {until}");
            return Some(Event::Escalated { level: told.saturating_add(1), target: self.listed.clone(), why });
        }
        let mine = self.rules.iter().filter(|rule| is_open(case) && rule.level > told);
        let reached = mine.filter(|rule| self.moment(rule, deadlines, case, facts, now).is_some_and(|at| at <= now));
        // Of equals the first.
        let rule = reached.rev().max_by_key(|rule| rule.level)?;
        Some(Event::Escalated { level: rule.level, target: rule.target.clone(), why: why(rule, case, facts) })
    }

    /// When a rule has to look at the case next, if nothing happens to it before.
    pub fn next_look(&self, deadlines: &Deadlines, case: &Case, facts: Facts<'_>, now: Timestamp) -> Option<Timestamp> {
        if case.state == State::Listed {
            return case.listed;
        }
        let mine = self.rules.iter().filter(|rule| is_open(case) && rule.level > case.escalated);
        mine.filter_map(|rule| self.moment(rule, deadlines, case, facts, now)).filter(|at| *at > now).min()
    }

    /// When a rule's moment comes, or came.
    fn moment(
        &self,
        rule: &Rule,
        deadlines: &Deadlines,
        case: &Case,
        facts: Facts<'_>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        match rule.when {
            When::Repeats(n) => (facts.repeats >= n).then_some(now),
            When::Reopened(n) => (case.reopened >= n).then_some(now),
            When::Over(limit, over) => {
                let (_, end) = limit.running(case)?;
                Some(over.map_or(end, |over| deadlines.end(over, end)))
            }
            When::Used(limit, share) => {
                let (begun, end) = limit.running(case)?;
                let within = limit.within(deadlines.class(facts.terms));
                let whole = deadlines.measure(within, begun, end);
                let used = whole.mul_f64(share);
                Some(deadlines.advance(within, begun, used).min(end))
            }
        }
    }
}

/// Whether a unit, or the desk that looks for one, can still be late.
fn is_open(case: &Case) -> bool {
    matches!(case.state, State::Received | State::Dispatched | State::Accepted | State::Review)
}

fn why(rule: &Rule, case: &Case, facts: Facts<'_>) -> String {
    match rule.when {
        When::Used(limit, share) => format!("{} limit {:.0} % used", limit.code(), share * 100.0),
        When::Over(limit, None) => format!("{} limit over", limit.code()),
        When::Over(limit, Some(over)) => format!("{} limit over for {over}", limit.code()),
        When::Repeats(_) => format!("reported {} times by its caller", facts.repeats),
        When::Reopened(_) => format!("reopened {} times", case.reopened),
    }
}

#[cfg(test)]
mod tests;
