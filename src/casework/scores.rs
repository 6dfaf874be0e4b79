//! The three rates and what is made of them (考核, art. 32): response, solution and satisfaction, the composite, classes.
//!
//! Owns how a month is counted: `period` says when it begins, `count` what one ticket's log brings to it, and a
//! [`Table`] compares two months per street, district, department or category. Everything follows from the logs of the
//! tickets ([`crate::ticket::case::Entry`]) and from [`Facts`]; nothing is kept between two counts, so that anybody with
//! the exported log can count again. Refuses to hide anything: callers who could not be reached, surveys that do not
//! count and tickets that were left out stand in the table beside those that count.

mod count;
mod period;
mod roll;
mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use count::{Asked, Count, Mark, mark};
pub use period::{Month, NoMonth, Window};
pub use roll::{Facts, Roll, Sort, Unit};
pub use settings::Config;

use crate::ticket::case::Entry;

/// Whom a table compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Street offices in charge (街乡镇).
    Street,
    /// Districts in which the matters lie.
    District,
    /// Departments and enterprises in charge.
    Department,
    /// First level of the catalogue.
    Category,
}

impl By {
    pub const ALL: [By; 4] = [By::Street, By::District, By::Department, By::Category];

    pub fn code(self) -> &'static str {
        match self {
            By::Street => "street",
            By::District => "district",
            By::Department => "department",
            By::Category => "category",
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// The word is none of [`By::ALL`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is nothing to compare by: street, district, department or category")]
pub struct NotBy(String);

impl FromStr for By {
    type Err = NotBy;

    fn from_str(text: &str) -> Result<By, NotBy> {
        By::ALL.into_iter().find(|by| by.code() == text).ok_or_else(|| NotBy(text.to_owned()))
    }
}

/// The rates of one row, in percent. There are none where no survey counts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// 响应率
    pub response: f64,
    /// 解决率
    pub solution: f64,
    /// 满意率
    pub satisfaction: f64,
    /// 综合
    pub composite: f64,
}

impl Rates {
    /// 响应率 = contacted / valid; 解决率 = solved / valid; 满意率 = (satisfied + 0.9 x mostly) / valid; 综合 is their
    /// weighted sum (FACTS: weights 10, 50, 40).
    pub fn of(config: &Config, count: &Count) -> Option<Rates> {
        if count.valid == 0 {
            return None;
        }
        let share = |part: f64| 100.0 * part / f64::from(count.valid);
        let response = share(f64::from(count.contacted));
        let solution = share(f64::from(count.solved));
        let satisfaction = share(f64::from(count.satisfied) + config.mostly * f64::from(count.mostly));
        let weighed = config.response * response + config.solution * solution + config.satisfaction * satisfaction;
        Some(Rates { response, solution, satisfaction, composite: weighed / 100.0 })
    }
}

/// What the month makes of somebody (分类).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// 先进
    Advanced,
    /// 进步
    Progress,
    /// 整改
    Rectify,
    /// 治理: below the line two months running.
    Governed,
}

impl Class {
    pub fn code(self) -> &'static str {
        match self {
            Class::Advanced => "advanced",
            Class::Progress => "progress",
            Class::Rectify => "rectify",
            Class::Governed => "governed",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Class::Advanced => "先进",
            Class::Progress => "进步",
            Class::Rectify => "整改",
            Class::Governed => "治理",
        }
    }

    /// The first that fits: good enough, better than before, below the line again, below the line. Where fewer surveys
    /// count than `least`, chance would speak, and there is no class.
    fn of(config: &Config, now: &Count, before: &Count) -> Option<Class> {
        let composite = |count: &Count| {
            Rates::of(config, count).filter(|_| count.valid >= config.least).map(|rates| rates.composite)
        };
        let (now, before) = (composite(now)?, composite(before));
        if now >= config.advanced {
            Some(Class::Advanced)
        } else if before.is_some_and(|before| now - before >= config.progress) {
            Some(Class::Progress)
        } else if now >= config.rectify {
            None
        } else if before.is_some_and(|before| before < config.rectify) {
            Some(Class::Governed)
        } else {
            Some(Class::Rectify)
        }
    }
}

/// One line of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// From 1, the best composite first; equal ones share it, and who has no rates has none.
    pub rank: Option<u32>,
    /// A unit's or an area's code, or a category.
    pub key: String,
    pub name: String,
    #[serde(flatten)]
    pub count: Count,
    pub rates: Option<Rates>,
    /// Of the composite, against the window before.
    pub change: Option<f64>,
    pub class: Option<Class>,
}

/// The figures of one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The month or the day, as it was asked for.
    pub period: String,
    #[serde(flatten)]
    pub window: Window,
    pub by: By,
    /// Of all tickets, also of those that no row of this table is charged with.
    pub total: Row,
    pub rows: Vec<Row>,
}

/// What is counted so far of one window, for every way of comparing.
#[derive(Debug, Clone)]
pub struct Sheet {
    window: Window,
    total: Count,
    counts: BTreeMap<(By, String), Count>,
}

impl Sheet {
    pub fn new(window: Window) -> Sheet {
        Sheet { window, total: Count::default(), counts: BTreeMap::new() }
    }

    /// Counts one ticket, whose whole log this is.
    pub fn ticket(&mut self, config: &Config, roll: &Roll, facts: &Facts, log: &[Entry]) {
        let Some(mark) = mark(config, &self.window, log) else { return };
        self.total.add(&mark);
        for by in By::ALL {
            if let Some(key) = roll.key(by, facts, mark.unit.as_deref()) {
                self.counts.entry((by, key)).or_default().add(&mark);
            }
        }
    }

    fn of(&self, by: By, key: &str) -> Count {
        self.counts.get(&(by, key.to_owned())).cloned().unwrap_or_default()
    }

    fn keys(&self, by: By) -> impl Iterator<Item = &str> {
        self.counts.keys().filter(move |(of, _)| *of == by).map(|(_, key)| key.as_str())
    }
}

impl Table {
    /// Compares the window of `now` with the one before it. Who had something in either has a row.
    pub fn new(config: &Config, roll: &Roll, period: impl Into<String>, by: By, now: &Sheet, before: &Sheet) -> Table {
        let row = |key: &str, name: &str, count: Count, past: &Count| {
            let rates = Rates::of(config, &count);
            let change = rates.zip(Rates::of(config, past)).map(|(now, past)| now.composite - past.composite);
            let class = Class::of(config, &count, past);
            Row { rank: None, key: key.to_owned(), name: name.to_owned(), count, rates, change, class }
        };
        let mut keys: Vec<&str> = now.keys(by).chain(before.keys(by)).collect();
        keys.sort_unstable();
        keys.dedup();
        let named = |key: &str| row(key, roll.name(key), now.of(by, key), &before.of(by, key));
        let mut rows: Vec<Row> = keys.into_iter().map(named).collect();
        let composite = |row: &Row| row.rates.map_or(-1.0, |rates| rates.composite);
        rows.sort_by(|a, b| composite(b).total_cmp(&composite(a)).then_with(|| a.key.cmp(&b.key)));
        let all: Vec<f64> = rows.iter().map(composite).collect();
        for row in rows.iter_mut().filter(|row| row.rates.is_some()) {
            let better = all.iter().filter(|other| **other > composite(row)).count();
            row.rank = u32::try_from(better + 1).ok();
        }
        let total = row("", "", now.total.clone(), &before.total);
        Table { period: period.into(), window: now.window, by, total, rows }
    }
}

#[cfg(test)]
mod tests;
