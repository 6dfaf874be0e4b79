//! When an assessment month and its days begin and end.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::Config;

/// From the first moment to before the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Window {
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// An assessment month, named after the one in which it ends: from 19 October to 18 November it is `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    year: i16,
    month: i8,
}

/// The text is no month.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no month of 2000 to 2099; write e.g. 2026-11")]
pub struct NoMonth(String);

impl FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Month, NoMonth> {
        let parts = text.split_once('-').filter(|(year, month)| {
            (year.len(), month.len()) == (4, 2) && text.bytes().all(|b| b.is_ascii_digit() || b == b'-')
        });
        let numbers = parts.and_then(|(year, month)| Some((year.parse().ok()?, month.parse().ok()?)));
        match numbers {
            Some((year @ 2000..=2099, month @ 1..=12)) => Ok(Month { year, month }),
            _ => Err(NoMonth(text.to_owned())),
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl Month {
    pub fn before(self) -> Month {
        match self.month {
            1 => Month { year: self.year - 1, month: 12 },
            month => Month { month: month - 1, ..self },
        }
    }

    pub fn after(self) -> Month {
        match self.month {
            12 => Month { year: self.year + 1, month: 1 },
            month => Month { month: month + 1, ..self },
        }
    }
}

impl Config {
    /// The day that is called `date` (日报: noon to noon).
    pub fn day(&self, date: Date, zone: &TimeZone) -> Window {
        Window { from: self.begins(date, zone), until: self.begins(date.saturating_add(1.day()), zone) }
    }

    /// All days from the first of the month to before the first of the next: days make months without gap or overlap.
    pub fn month(&self, month: Month, zone: &TimeZone) -> Window {
        // A month that begins on the 1st ends in the same month; any other ends in the next one.
        let ends = if self.month_starts == 1 { month.after() } else { month };
        let first =
            |month: Month| Date::new(month.year, month.month, self.month_starts).expect("every month has days 1 to 28");
        Window { from: self.begins(first(ends.before()), zone), until: self.begins(first(ends), zone) }
    }

    /// The month that `at` belongs to; `None` outside the years 2000 to 2099.
    pub fn month_of(&self, at: Timestamp, zone: &TimeZone) -> Option<Month> {
        let date = zone.to_datetime(at).date();
        let named = Month { year: date.year(), month: date.month() };
        (2000..=2099).contains(&named.year).then_some(())?;
        [named.before(), named, named.after()].into_iter().find(|month| self.month(*month, zone).holds(at))
    }

    /// The day that `at` belongs to.
    pub fn day_of(&self, at: Timestamp, zone: &TimeZone) -> Date {
        let date = zone.to_datetime(at).date();
        // Yesterday's only where a zone left out a day.
        let near = [date, date.saturating_add(1.day()), date.saturating_sub(1.day())];
        near.into_iter().find(|date| self.day(*date, zone).holds(at)).unwrap_or(date)
    }

    fn begins(&self, date: Date, zone: &TimeZone) -> Timestamp {
        let midnight = self.day_starts == Time::midnight();
        let date = if midnight { date } else { date.saturating_sub(1.day()) };
        // Only at the ends of the calendar (the years -9999 and 9999) is a local time no time.
        zone.to_timestamp(DateTime::from_parts(date, self.day_starts)).unwrap_or(Timestamp::MAX)
    }
}
