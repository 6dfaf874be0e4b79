//! Which reports are of one matter: a caller's repeat, and the one burst pipe behind two hundred calls.
//!
//! Owns likeness ([`Index`]: a bounded window of reports, compared by the pairs of syllables that they share, by place,
//! category and time), the title of a group ([`title`]) and when there are abnormally many ([`rate`]). Pure: the stream
//! and its times are handed in, and who belongs to which group is the store's, because people merge and split groups
//! and their word stays. Refuses to merge groups by itself: it only says which earlier reports a new one is like.

mod common;
mod groups;
mod index;
mod names;
pub mod rate;
mod shingles;
pub mod title;

pub use groups::{Groups, choose, repeats};
pub use index::Index;

use crate::written::Table;

/// What is compared of a report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report<'a> {
    pub text: &'a str,
    /// Unix seconds.
    pub at: i64,
    /// Three levels; empty where it is not known.
    pub category: [&'a str; 3],
    /// The street office, where the text names one.
    pub street: Option<&'a str>,
    pub district: Option<&'a str>,
    /// Withheld numbers are `None`.
    pub caller: Option<&'a str>,
}

/// An earlier report that a new one is like.
#[derive(Debug, Clone, PartialEq)]
pub struct Alike<I> {
    pub id: I,
    /// From nothing (0) to the same words (1), and what place and category add.
    pub likeness: f32,
    /// It came from the same number.
    pub caller: bool,
    pub place: Place,
}

/// Where an earlier report was, beside a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the area of the same street office, or both name it.
    Same,
    Unknown,
    Elsewhere,
}

/// `[matters]` of jiesu.toml, and the likeness that makes one matter. The likenesses were set by reading what comes
/// together of a year's letters of a city; they are no settings because nobody could tell how to change them.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Reports that a new one is compared with.
    pub most: usize,
    /// Seconds after which a report is compared no more.
    pub window: i64,
    /// When there are abnormally many.
    pub alarm: rate::Config,
    /// Less likeness than this is none.
    pub faint: f32,
    /// The likeness, of all reports of a matter together, from which one more belongs to it.
    pub least: f32,
    /// The same where nothing says that they are of one place.
    pub unplaced: f32,
    /// How much like the report at least one of the others must be.
    pub one: f32,
    /// The likeness from which a report is its caller's repeat of an earlier one.
    pub repeat: f32,
    /// What it counts that all words of the shorter report stand in the longer, beside both being alike.
    pub inside: f32,
    /// What it adds that both are in one street's area, or name one place.
    pub same_place: f32,
    /// What it adds that both are of one category of the third level...
    pub same_category: f32,
    /// ... and at one place, where that is nearly enough: each caller says "no water" in other words.
    pub same_problem: f32,
    /// What it takes away that they are of different categories of the second level.
    pub other_category: f32,
}

const DAY: i64 = 24 * 3600;

impl Default for Config {
    fn default() -> Config {
        Config {
            most: 20_000,
            window: 60 * DAY,
            alarm: rate::Config::default(),
            faint: 0.12,
            least: 0.32,
            unplaced: 0.44,
            one: 0.15,
            repeat: 0.2,
            inside: 0.5,
            same_place: 0.06,
            same_category: 0.04,
            same_problem: 0.24,
            other_category: 0.25,
        }
    }
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        let usual = Config::default();
        Config {
            most: table.int("reports").or(20_000, 100..1_000_000) as usize,
            window: table.int("days").or(60, 1..400) * DAY,
            alarm: rate::Config {
                floor: table.int("alarm_floor").or(5, 2..10_000) as u32,
                chance: table.number("alarm_chance").or(usual.alarm.chance, 1e-9..0.5),
            },
            ..usual
        }
    }
}
