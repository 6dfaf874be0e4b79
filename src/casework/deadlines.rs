//! By when what has to be done (art. 13: every dispatch carries a limit), on the working calendar.
//!
//! Owns the limits of `[deadlines]`, by urgency and category, and how they run: in elapsed time (`"2h"`), to the same
//! time of a later day (`"7d"`), in working hours (`"4wh"`) or to the close of a later working day (`"5wd"`). A pause
//! leaves of each limit what was left, in the measure of that limit. What comes out are moments: they stand in the log,
//! so neither a restart nor another configuration moves them. Refuses to be asked what happens when one is over; that is
//! [`super::supervise`].

use std::fmt;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use crate::calendar::{self, Calendar, Hours, Working};
use crate::catalogue::Urgency;
use crate::catalogue::limit::DispatchLimit;
use crate::ticket::case::{Case, Limits};
use crate::written::{Table, Value, Written};

/// How long something may take, and in which measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Within {
    /// Elapsed time, day and night: `"30m"`, `"2h"`.
    Elapsed(SignedDuration),
    /// To the same time of a later day: `"7d"`.
    Days(i32),
    /// Time in which the office is open: `"30wm"`, `"4wh"`.
    Working(SignedDuration),
    /// To the close of the office on a later working day: `"5wd"`.
    WorkingDays(u32),
}

impl Within {
    /// `None`: it is no such span, or longer than two years.
    pub fn parse(text: &str) -> Option<Within> {
        let text = text.trim();
        let split = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(split);
        let number: i64 = number.parse().ok().filter(|n| (1..=1_051_200).contains(n))?;
        let within = match unit.trim() {
            "m" => Within::Elapsed(SignedDuration::from_mins(number)),
            "h" if number <= 17_520 => Within::Elapsed(SignedDuration::from_hours(number)),
            "d" if number <= 730 => Within::Days(i32::try_from(number).ok()?),
            "wm" => Within::Working(SignedDuration::from_mins(number)),
            "wh" if number <= 17_520 => Within::Working(SignedDuration::from_hours(number)),
            "wd" if number <= 730 => Within::WorkingDays(u32::try_from(number).ok()?),
            _ => return None,
        };
        Some(within)
    }

    /// Whether only working time counts.
    fn is_worked(self) -> bool {
        matches!(self, Within::Working(_) | Within::WorkingDays(_))
    }
}

impl fmt::Display for Within {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Within::Elapsed(span) if span.as_mins() % 60 == 0 => write!(f, "{}h", span.as_hours()),
            Within::Elapsed(span) => write!(f, "{}m", span.as_mins()),
            Within::Days(days) => write!(f, "{days}d"),
            Within::Working(span) if span.as_mins() % 60 == 0 => write!(f, "{}wh", span.as_hours()),
            Within::Working(span) => write!(f, "{}wm", span.as_mins()),
            Within::WorkingDays(days) => write!(f, "{days}wd"),
        }
    }
}

/// What the remedy of a bad one says.
const A_SPAN: &str =
    "write elapsed time (\"30m\", \"2h\"), days (\"7d\"), working hours (\"4wh\") or working days (\"5wd\")";

/// The limits of one urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    pub dispatch: Within,
    pub accept: Within,
    pub contact: Within,
    pub answer: Within,
}

/// Other limits for the tickets of a category.
#[derive(Debug, Clone, PartialEq)]
pub struct Exception {
    /// A category's name or path, as the catalogue has it.
    pub category: Written<String>,
    pub urgency: Urgency,
    pub accept: Option<Within>,
    pub contact: Option<Within>,
    pub answer: Option<Within>,
}

/// `[deadlines]` of jiesu.toml.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// What counts as working time.
    pub hours: Hours,
    pub urgent: Class,
    pub soon: Class,
    pub ordinary: Class,
    pub exceptions: Vec<Exception>,
}

impl Default for Config {
    /// DB11/T 2021-2022 for dispatch; 2 h, 24 h and 7 d for the answer, as Beijing's handling classes are reported. No
    /// standard says by when a ticket is accepted or its caller spoken with; those are ours.
    fn default() -> Config {
        let class = |[dispatch, accept, contact, answer]: [&str; 4]| {
            let known = |text| Within::parse(text).expect("written by us");
            Class { dispatch: known(dispatch), accept: known(accept), contact: known(contact), answer: known(answer) }
        };
        let office = ["09:00-12:00", "13:30-17:30"].map(|text| calendar::span(text).expect("written by us"));
        Config {
            hours: Hours::on_workdays(office.to_vec()),
            urgent: class(["1h", "10m", "30m", "2h"]),
            soon: class(["2h", "30m", "2h", "24h"]),
            ordinary: class(["24h", "4wh", "1wd", "7d"]),
            exceptions: Vec::new(),
        }
    }
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        let usual = Config::default();
        let hours = match table.table("hours") {
            None => usual.hours,
            Some(mut table) => {
                let hours = Hours::read(&mut table);
                if hours.of(calendar::Day::Workday).is_empty() {
                    table.fault("workday", "closed on working days", "write workday = [\"09:00-17:30\"]");
                }
                table.finish();
                hours
            }
        };
        let mut class = |key, usual: Class| match table.table(key) {
            None => usual,
            Some(mut table) => {
                let class = Class {
                    dispatch: within(&mut table, "dispatch").unwrap_or(usual.dispatch),
                    accept: within(&mut table, "accept").unwrap_or(usual.accept),
                    contact: within(&mut table, "contact").unwrap_or(usual.contact),
                    answer: within(&mut table, "answer").unwrap_or(usual.answer),
                };
                table.finish();
                class
            }
        };
        let [urgent, soon, ordinary] =
            [("urgent", usual.urgent), ("soon", usual.soon), ("ordinary", usual.ordinary)].map(|(k, u)| class(k, u));
        let exceptions = table.tables("category").into_iter().filter_map(exception).collect();
        Config { hours, urgent, soon, ordinary, exceptions }
    }

    fn class(&self, urgency: Urgency) -> Class {
        match urgency {
            Urgency::Urgent => self.urgent,
            Urgency::Soon => self.soon,
            Urgency::Ordinary => self.ordinary,
        }
    }

    /// The class of a ticket: of the exceptions the one that names the deepest of its categories counts.
    fn of(&self, urgency: Urgency, category: &[String; 3]) -> Class {
        let class = self.class(urgency);
        let mine = self.exceptions.iter().filter(|exception| exception.urgency == urgency);
        // The first of equals: `max_by_key` would take the last.
        let best =
            mine.rev().filter_map(|e| depth(&e.category.value, category).map(|d| (d, e))).max_by_key(|(d, _)| *d);
        let Some((_, exception)) = best else { return class };
        Class {
            dispatch: class.dispatch,
            accept: exception.accept.unwrap_or(class.accept),
            contact: exception.contact.unwrap_or(class.contact),
            answer: exception.answer.unwrap_or(class.answer),
        }
    }
}

/// How deep the category that `name` names lies among a ticket's; `None`: the ticket is not of it.
fn depth(name: &str, category: &[String; 3]) -> Option<usize> {
    let names: Vec<&str> = name.split('/').map(str::trim).collect();
    match names[..] {
        [one] => category.iter().position(|level| level == one).map(|at| at + 1),
        _ => (names.len() <= 3 && names.iter().zip(category).all(|(a, b)| a == b)).then_some(names.len()),
    }
}

fn within(table: &mut Table<'_>, key: &str) -> Option<Within> {
    let check = |value: Value<String>| {
        value.check(|text| Within::parse(text).ok_or_else(|| (format!("\"{text}\" is no span"), A_SPAN.to_owned())))
    };
    check(table.text(key)).get()
}

fn exception(mut table: Table<'_>) -> Option<Exception> {
    let category = table.text("name").need_written("the name of a category of catalogue/");
    let urgency = table.text("urgency").check(|text| {
        text.parse().map_err(|no: crate::catalogue::NoUrgency| (no.to_string(), "write one of them".to_owned()))
    });
    let exception = Exception {
        category,
        urgency: urgency.get().unwrap_or_default(),
        accept: within(&mut table, "accept"),
        contact: within(&mut table, "contact"),
        answer: within(&mut table, "answer"),
    };
    if exception.accept.or(exception.contact).or(exception.answer).is_none() {
        table.fault("", "says nothing", "write accept, contact or answer, or remove it");
    }
    table.finish();
    Some(exception)
}

/// What a ticket's limits depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms<'a> {
    pub urgency: Urgency,
    pub category: &'a [String; 3],
}

/// The limits as they run in a city.
#[derive(Debug, Clone)]
pub struct Deadlines {
    pub config: Arc<Config>,
    pub calendar: Arc<Calendar>,
    pub zone: TimeZone,
}

impl Deadlines {
    fn working(&self) -> Working<'_> {
        Working { calendar: &self.calendar, hours: &self.config.hours, zone: &self.zone }
    }

    /// By when a ticket that came `now` has a unit in charge.
    pub fn dispatch(&self, terms: Terms<'_>, now: Timestamp) -> Timestamp {
        self.end(self.config.of(terms.urgency, terms.category).dispatch, now)
    }

    /// The limits of a unit that is put in charge `now`. None of them is later than the next: who has answered has
    /// spoken with the caller, and who has spoken with the caller has accepted.
    pub fn limits(&self, terms: Terms<'_>, now: Timestamp) -> Limits {
        let class = self.config.of(terms.urgency, terms.category);
        let answer = self.end(class.answer, now);
        let contact = self.end(class.contact, now).min(answer);
        Limits { accept: self.end(class.accept, now).min(contact), contact, answer }
    }

    /// The limits of a case that was paused and goes on `now`: what was left of each runs on. One that was over by then
    /// stays over.
    pub fn resumed(&self, terms: Terms<'_>, limits: Limits, paused: Timestamp, now: Timestamp) -> Limits {
        let class = self.config.of(terms.urgency, terms.category);
        let moved = |within: Within, limit: Timestamp| {
            if limit <= paused || now <= paused {
                return limit;
            }
            let left = self.measure(within, paused, limit);
            let end = self.advance(within, now, left);
            // With nothing worked between the two nothing is lost, and a limit never comes nearer.
            end.max(limit)
        };
        let answer = moved(class.answer, limits.answer);
        let contact = moved(class.contact, limits.contact).min(answer);
        let accept = moved(class.accept, limits.accept).min(contact);
        Limits { accept, contact, answer }
    }

    /// The limits of a case that is paused, as they would be if it went on `now`.
    pub fn resume(&self, terms: Terms<'_>, case: &Case, now: Timestamp) -> Option<Limits> {
        case.limits.map(|limits| self.resumed(terms, limits, case.since, now))
    }

    /// When something that began at `from` is over.
    pub fn end(&self, within: Within, from: Timestamp) -> Timestamp {
        match within {
            Within::Elapsed(span) => later(from, span),
            Within::Working(span) => self.working().after(from, span),
            Within::WorkingDays(days) => self.working().close(from, days),
            Within::Days(days) => {
                let zoned = from.to_zoned_datetime(self.zone.clone());
                zoned.checked_add(days.days()).map_or(Timestamp::MAX, |end| end.timestamp())
            }
        }
    }

    /// The time from `from` to `to`, in a limit's own measure.
    pub fn measure(&self, within: Within, from: Timestamp, to: Timestamp) -> SignedDuration {
        if within.is_worked() {
            self.working().between(from, to)
        } else {
            to.duration_since(from).max(SignedDuration::ZERO)
        }
    }

    /// When so much time of a limit's measure has gone by.
    pub fn advance(&self, within: Within, from: Timestamp, span: SignedDuration) -> Timestamp {
        if within.is_worked() { self.working().after(from, span) } else { later(from, span) }
    }

    /// The measures of a ticket's limits.
    pub fn class(&self, terms: Terms<'_>) -> Class {
        self.config.of(terms.urgency, terms.category)
    }
}

impl DispatchLimit for Deadlines {
    fn dispatch_by(&self, urgency: Urgency, category: &[String; 3], now: Timestamp) -> Timestamp {
        self.dispatch(Terms { urgency, category }, now)
    }
}

fn later(from: Timestamp, span: SignedDuration) -> Timestamp {
    from.saturating_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
