//! `[callback]` of jiesu.toml.

use std::time::Duration;

use jiff::SignedDuration;

use crate::calendar::{Hours, Span, span};
use crate::written::{Faults, Source, Table, Written};

/// A question whose answer a valid survey has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Contacted,
    Solved,
    Satisfied,
}

impl Question {
    /// The words in the file.
    pub const WORDS: [(&'static str, Question); 3] =
        [("contacted", Question::Contacted), ("solved", Question::Solved), ("satisfied", Question::Satisfied)];
}

/// Whom to call: an address with the caller's number in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(pub Written<String>);

/// What stands for the number.
const NUMBER: &str = "{number}";

impl Target {
    /// The address of this number.
    pub fn of(&self, number: &str) -> String {
        self.0.value.replace(NUMBER, number)
    }
}

/// See the shipped file.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `None`: nobody is called back.
    pub target: Option<Target>,
    /// The number that is shown to who is called.
    pub from: String,
    pub flow: Written<String>,
    pub hours: Hours,
    pub parts: Vec<Span>,
    pub tries: u32,
    pub apart: SignedDuration,
    pub ring: Duration,
    pub longest: Duration,
    pub at_once: usize,
    pub every: Duration,
    pub load: u8,
    pub look_every: Duration,
    pub valid: Vec<Question>,
}

/// When people may be called, where the section does not say.
const HOURS: &str = "workday = [\"09:00-12:00\", \"14:00-20:00\"]\nweekend = [\"10:00-12:00\", \"15:00-19:00\"]\n\
                     holiday = [\"10:00-12:00\", \"15:00-18:00\"]\n";
const PARTS: [&str; 3] = ["09:00-12:00", "14:00-18:00", "18:00-21:00"];

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        let target = table.text("target").check(|text| match text.contains(NUMBER) && text.starts_with("sip") {
            true => Ok(text.clone()),
            false => Err((
                format!("\"{text}\" is no address with a number in it"),
                "write for example \"sip:{number}@carrier\", with a trunk's name or an address behind the @".to_owned(),
            )),
        });
        let target = target.written().map(Target);
        let named = |table: &mut Table<'_>, key: &str, usual: &str| {
            let (place, path) = (table.place().clone(), table.path(key));
            table.text(key).written().unwrap_or_else(|| Written { value: usual.to_owned(), place, key: path })
        };
        let flow = named(table, "flow", "callback");
        Config {
            target,
            from: table.text("from").or("12345"),
            flow,
            hours: hours(table),
            parts: parts(table),
            tries: table.int("tries").or(3, 1..20) as u32,
            apart: signed(table.duration("apart").or("3h", "1s".."30d")),
            ring: table.duration("ring").or("40s", "5s".."3m"),
            longest: table.duration("longest").or("5m", "30s".."30m"),
            at_once: table.int("at_once").or(10, 1..10_000) as usize,
            every: table.duration("every").or("500ms", "0s".."1m"),
            load: table.int("load").or(70, 0..100) as u8,
            look_every: table.duration("look_every").or("10s", "100ms".."1h"),
            valid: valid(table),
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        let source = Source::new("jiesu.toml", "");
        let mut table = source.read(&Faults::default()).expect("an empty file is read");
        Config::read(&mut table)
    }
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

fn hours(table: &mut Table<'_>) -> Hours {
    if ["workday", "weekend", "holiday"].iter().any(|key| table.has(key)) {
        let hours = Hours::read(table);
        let over = |span: &Span| span.until <= span.from && span.until != jiff::civil::Time::midnight();
        if crate::calendar::Day::ALL.iter().any(|day| hours.of(*day).iter().any(over)) {
            table.fault("workday", "people are called past midnight", "let every span end by \"24:00\"");
        }
        return hours;
    }
    let source = Source::new("callback", HOURS);
    let mut usual = source.read(&Faults::default()).expect("written by us");
    Hours::read(&mut usual)
}

fn parts(table: &mut Table<'_>) -> Vec<Span> {
    let usual = || PARTS.iter().map(|text| span(text).expect("written by us")).collect();
    let Some(written) = table.texts("parts").get() else { return usual() };
    let mut parts = Vec::new();
    for part in written {
        match span(&part.value).filter(|span| span.from < span.until) {
            Some(span) => parts.push(span),
            None => {
                let what = format!("\"{}\" is no part of the day", part.value);
                table.fault("parts", what, "write e.g. parts = [\"09:00-12:00\", \"14:00-18:00\"]");
            }
        }
    }
    parts
}

fn valid(table: &mut Table<'_>) -> Vec<Question> {
    let all = || Question::WORDS.iter().map(|(_, question)| *question).collect();
    let Some(written) = table.texts("valid").get() else { return all() };
    let mut valid = Vec::new();
    for word in written {
        match Question::WORDS.iter().find(|(known, _)| *known == word.value) {
            Some((_, question)) => valid.push(*question),
            None => {
                let what = format!("\"{}\" is no question of the survey", word.value);
                table.fault("valid", what, "write contacted, solved or satisfied");
            }
        }
    }
    if valid.is_empty() {
        table.fault("valid", "asks for nothing: an empty call would count", "write at least one question");
    }
    valid
}
