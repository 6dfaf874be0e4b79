//! `[trends]` of jiesu.toml.

use crate::written::Table;

/// From when on something is worth a look. None of these is anybody's rule: they keep the list short.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Weeks that are looked at, the present one with them.
    pub weeks: usize,
    /// A category's share rises when chance alone would show it so with less than this probability.
    pub chance: f64,
    /// Fewer tickets of a category in a week are no trend.
    pub rising_least: u32,
    /// So many of the weeks must be above the norm.
    pub above: usize,
    /// The norm: so many times the mean of all street offices.
    pub factor: f64,
    /// Fewer tickets of a street office in a week are never above the norm.
    pub street_least: u32,
    /// So often a matter must have come back.
    pub returns: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config { weeks: 8, chance: 0.001, rising_least: 20, above: 6, factor: 1.5, street_least: 5, returns: 3 }
    }
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        let config = Config {
            weeks: table.int("weeks").or(8, 2..53) as usize,
            chance: table.number("chance").or(0.001, 1e-12..0.5),
            rising_least: table.int("rising_least").or(20, 1..1_000_000) as u32,
            above: table.int("above").or(6, 1..53) as usize,
            factor: table.number("factor").or(1.5, 1.0..100.0),
            street_least: table.int("street_least").or(5, 1..1_000_000) as u32,
            returns: table.int("returns").or(3, 1..1000) as usize,
        };
        if config.above > config.weeks {
            table.fault("above", "more weeks than are looked at", "write at most what weeks says");
        }
        config
    }
}
