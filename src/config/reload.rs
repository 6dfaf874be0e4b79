//! `[reload]` of jiesu.toml: how changes of the files that calls follow are noticed, and how many are kept.

use std::time::Duration;

use crate::written::Table;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reload {
    /// Take changed files without being told.
    pub watch: bool,
    /// How often the files are looked at; a change counts once two looks agree.
    pub look_every: Duration,
    /// Versions that are kept.
    pub keep: u32,
}

impl Reload {
    pub fn read(table: &mut Table<'_>) -> Reload {
        Reload {
            watch: table.flag("watch").or(false),
            look_every: table.duration("look_every").or("2s", "100ms".."1h"),
            keep: table.int("keep").or(100, 2..10_000) as u32,
        }
    }
}
