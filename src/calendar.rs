//! Working days, holidays and moved workdays: `config/calendar/YEAR.toml`, and the hours in which an office is open.
//!
//! Owns what kind of day a date is. A year that no file tells of is reckoned by its weekdays, and [`Calendar::covers`]
//! says so: nobody knows next year's moved workdays before the State Council's notice of the autumn.

mod working;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime, Time, Weekday};

use crate::written::{Faults, Source, Table};

pub use working::Working;

/// What kind of day it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Day {
    /// Monday to Friday, and the weekends that are worked for a holiday.
    Workday,
    /// Saturday and Sunday.
    Weekend,
    /// Off by the yearly notice, weekends among them.
    Holiday,
}

impl Day {
    pub const ALL: [Day; 3] = [Day::Workday, Day::Weekend, Day::Holiday];
}

/// The years that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    years: BTreeSet<i16>,
    /// Days that are not what their weekday says.
    moved: BTreeMap<Date, Day>,
}

impl Calendar {
    /// Reads the files, one a year.
    pub fn read(sources: &[Source], faults: &Faults) -> Calendar {
        let mut calendar = Calendar::default();
        for source in sources {
            if let Some(mut table) = source.read(faults) {
                calendar.year(&mut table);
                table.finish();
            }
        }
        calendar
    }

    fn year(&mut self, table: &mut Table<'_>) {
        let year = table.int("year").or(0, 2000..2099) as i16;
        if year == 0 {
            return table.fault("year", "missing", "write the year, e.g. year = 2026");
        }
        if !self.years.insert(year) {
            table.fault("year", format!("{year} stands in two files"), "remove one of the two");
        }
        for mut holiday in table.tables("holiday") {
            let name = holiday.text("name").need("what the holiday is called");
            let from = day(&mut holiday, "from", year);
            let to = if holiday.has("to") { day(&mut holiday, "to", year) } else { from };
            if let (Some(from), Some(to)) = (from, to) {
                if from > to || from.until(to).is_ok_and(|span| span.get_days() > 30) {
                    holiday.fault("to", format!("{name} does not last from {from} to {to}"), "mend one of the dates");
                } else {
                    let days = from.series(jiff::Span::new().days(1)).take_while(|date| *date <= to);
                    days.for_each(|date| self.mark(&holiday, date, Day::Holiday));
                }
            }
            holiday.finish();
        }
        for written in table.texts("worked").get().unwrap_or_default() {
            match written.value.parse::<Date>() {
                Ok(date) if date.year() == year && is_weekend(date) => self.mark(table, date, Day::Workday),
                Ok(date) if date.year() == year => {
                    table.fault("worked", format!("{date} is worked anyway"), "remove it, or mend the date");
                }
                _ => table.fault("worked", format!("\"{}\" is no date of {year}", written.value), A_DATE),
            }
        }
    }

    fn mark(&mut self, table: &Table<'_>, date: Date, day: Day) {
        if self.moved.insert(date, day).is_some() {
            table.fault("", format!("{date} stands here twice"), "remove one of the two");
        }
    }

    /// Whether a file tells of this year.
    pub fn covers(&self, year: i16) -> bool {
        self.years.contains(&year)
    }

    /// The first day from `from` within `months` months that no file tells of.
    pub fn uncovered(&self, from: Date, months: i32) -> Option<Date> {
        let end = from.saturating_add(jiff::Span::new().months(months));
        let first = if self.covers(from.year()) { Date::new(from.year() + 1, 1, 1).ok()? } else { from };
        (first < end && !self.covers(first.year())).then_some(first)
    }

    pub fn day(&self, date: Date) -> Day {
        match self.moved.get(&date) {
            Some(day) => *day,
            None if is_weekend(date) => Day::Weekend,
            None => Day::Workday,
        }
    }
}

const A_DATE: &str = "write e.g. \"2026-10-01\"";

fn day(table: &mut Table<'_>, key: &str, year: i16) -> Option<Date> {
    if !table.has(key) {
        table.fault(key, "missing", A_DATE);
    }
    let date = table.text(key).check(|text| match text.parse::<Date>() {
        Ok(date) if date.year() == year => Ok(date),
        _ => Err((format!("\"{text}\" is no date of {year}"), A_DATE.to_owned())),
    });
    date.get()
}

fn is_weekend(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// When something is open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hours {
    workday: Vec<Span>,
    weekend: Vec<Span>,
    holiday: Vec<Span>,
}

/// From the first time to before the second; the second may be the smaller, and is then the next day's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub from: Time,
    pub until: Time,
}

impl Hours {
    /// Reads `workday`, `weekend` and `holiday`: lists of `"08:30-17:30"`; a kind of day without its key is closed.
    pub fn read(table: &mut Table<'_>) -> Hours {
        let hours = Hours {
            workday: spans(table, "workday"),
            weekend: spans(table, "weekend"),
            holiday: spans(table, "holiday"),
        };
        if hours == Hours::default() {
            table.fault("workday", "never open", "write workday = [\"08:30-17:30\"]");
        }
        hours
    }

    /// Open on working days only.
    pub fn on_workdays(spans: Vec<Span>) -> Hours {
        Hours { workday: spans, ..Hours::default() }
    }

    /// The spans that begin on such a day.
    pub fn of(&self, day: Day) -> &[Span] {
        match day {
            Day::Workday => &self.workday,
            Day::Weekend => &self.weekend,
            Day::Holiday => &self.holiday,
        }
    }

    /// Whether it is open then.
    pub fn open(&self, calendar: &Calendar, now: DateTime) -> bool {
        let today = self.of(calendar.day(now.date()));
        let before = now.date().yesterday().map(|date| self.of(calendar.day(date))).unwrap_or_default();
        let over_midnight = |span: &&Span| span.until <= span.from;
        today.iter().any(|span| span.from <= now.time() && (now.time() < span.until || over_midnight(&span)))
            || before.iter().filter(over_midnight).any(|span| now.time() < span.until)
    }
}

fn spans(table: &mut Table<'_>, key: &str) -> Vec<Span> {
    let mut list = Vec::new();
    for written in table.texts(key).get().unwrap_or_default() {
        match span(&written.value) {
            Some(span) => list.push(span),
            None => {
                let what = format!("\"{}\" is no span of the day", written.value);
                table.fault(key, what, "write e.g. \"08:30-17:30\", or \"00:00-24:00\" for the whole day");
            }
        }
    }
    list
}

/// `08:30-17:30`; `24:00` is the end of the day.
pub fn span(text: &str) -> Option<Span> {
    let (from, until) = text.split_once('-')?;
    Some(Span { from: clock(from.trim())?, until: clock(until.trim())? })
}

/// `08:30`; `24:00` is midnight.
pub fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two = |part: &str| (part.len() == 2).then(|| part.parse::<i8>().ok()).flatten();
    match (two(hour)?, two(minute)?) {
        (24, 0) => Some(Time::midnight()),
        (hour, minute) => Time::new(hour, minute, 0, 0).ok(),
    }
}

#[cfg(test)]
mod tests;
