//! When there are more reports than the hour and the season explain.
//!
//! What is normal is counted for each cell (a category in a district): the mean of the last four weeks, moved as these
//! weeks moved a year ago, spread over the day as all reports are. A count is abnormal where chance gives so many less
//! than once in [`Config::chance`] (a Poisson tail), and never below a floor: two calls about a rare thing are no alarm.

use std::collections::{BTreeMap, HashMap};

/// What counts as abnormal.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Fewer reports than this are never an alarm.
    pub floor: u32,
    /// How improbable so many must be by chance.
    pub chance: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config { floor: 5, chance: 1e-4 }
    }
}

/// Days that make the norm.
const WEEKS: i32 = 28;
/// Days in a year; the season is looked up so long ago.
const YEAR: i32 = 365;
/// Days that are remembered of a cell.
const KEPT: i32 = YEAR + WEEKS;
/// Cells that are remembered; one more is told apart from none of the others.
const CELLS: usize = 4096;
/// Reports a day where nothing is known yet: without it the first report ever would be a wonder.
const UNKNOWN: f64 = 0.1;
/// Last year's reports below which it says nothing of the season.
const SEASON: u32 = 20;

/// What is normal.
#[derive(Debug, Clone, Default)]
pub struct Norm {
    /// Reports by cell and day.
    cells: HashMap<String, BTreeMap<i32, u32>>,
    /// Reports by the hour of the day.
    hours: [u64; 24],
    first: Option<i32>,
}

/// A local hour: days since any fixed day, and the hour of that day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour {
    pub day: i32,
    pub hour: u8,
}

impl Norm {
    /// Counts `count` reports of a cell in one hour.
    pub fn count(&mut self, cell: &str, at: Hour, count: u32) {
        self.hours(at.hour, count);
        self.days(cell, at.day, count);
    }

    /// Counts `count` reports in this hour of some day.
    pub fn hours(&mut self, hour: u8, count: u32) {
        self.hours[usize::from(hour % 24)] += u64::from(count);
    }

    /// Counts `count` reports of a cell on this day.
    pub fn days(&mut self, cell: &str, day: i32, count: u32) {
        self.first = Some(self.first.map_or(day, |first| first.min(day)));
        let cell = if self.cells.contains_key(cell) || self.cells.len() < CELLS { cell } else { "" };
        let days = self.cells.entry(cell.to_owned()).or_default();
        *days.entry(day).or_default() += count;
        let old = day - KEPT;
        if days.first_key_value().is_some_and(|(day, _)| *day < old) {
            *days = days.split_off(&old);
        }
    }

    /// How many reports of the cell are normal in the `hours` (at most 24) that end with the hour `at`.
    pub fn expected(&self, cell: &str, at: Hour, hours: u8) -> f64 {
        let hours = hours.clamp(1, 24);
        let share: f64 = (0..hours).map(|back| self.share((i32::from(at.hour) - i32::from(back)).rem_euclid(24))).sum();
        self.daily(cell, at.day) * share
    }

    fn daily(&self, cell: &str, today: i32) -> f64 {
        let Some(first) = self.first else { return UNKNOWN };
        let observed = today.saturating_sub(first).clamp(0, WEEKS);
        if observed == 0 {
            return UNKNOWN;
        }
        let sum = f64::from(self.sum(cell, today - WEEKS, today));
        let mean = (sum + UNKNOWN) / f64::from(observed);
        (mean * self.season(cell, today)).max(UNKNOWN)
    }

    /// How the four weeks after this day compare with those before it, a year ago.
    fn season(&self, cell: &str, today: i32) -> f64 {
        let then = today - YEAR;
        let (before, after) = (self.sum(cell, then - WEEKS, then), self.sum(cell, then, then + WEEKS));
        if before + after < SEASON {
            return 1.0;
        }
        ((f64::from(after) + 1.0) / (f64::from(before) + 1.0)).clamp(0.5, 4.0)
    }

    fn sum(&self, cell: &str, from: i32, to: i32) -> u32 {
        self.cells.get(cell).map_or(0, |days| days.range(from..to).map(|(_, count)| count).sum())
    }

    /// The part of a day's reports that comes in this hour; every hour has some.
    fn share(&self, hour: i32) -> f64 {
        let all: u64 = self.hours.iter().sum();
        (self.hours[hour as usize % 24] as f64 + 1.0) / (all as f64 + 24.0)
    }
}

/// Whether `count` reports are abnormal where `expected` are normal.
pub fn abnormal(config: &Config, count: u32, expected: f64) -> bool {
    count >= config.floor && tail(count, expected) < config.chance
}

/// How probable `count` or more are where `mean` are usual (Poisson).
pub fn tail(count: u32, mean: f64) -> f64 {
    if mean <= 0.0 {
        return if count == 0 { 1.0 } else { 0.0 };
    }
    if f64::from(count) <= mean {
        return 1.0 - (0..count).map(|k| term(k, mean)).sum::<f64>().min(1.0);
    }
    // Summed from `count` upwards, where the terms fall: what is small stays exact.
    let mut sum = 0.0;
    let mut next = term(count, mean);
    let mut k = count;
    while next > sum * 1e-12 && next > 0.0 {
        sum += next;
        k = k.saturating_add(1);
        next *= mean / f64::from(k);
    }
    sum.min(1.0)
}

/// The probability of exactly `k`.
fn term(k: u32, mean: f64) -> f64 {
    let log_factorial: f64 = (2..=k).map(|i| f64::from(i).ln()).sum();
    (f64::from(k) * mean.ln() - mean - log_factorial).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(day: i32, hour: u8) -> Hour {
        Hour { day, hour }
    }

    /// `daily` reports of a cell on each day, at ten o'clock.
    fn steady(cell: &str, days: std::ops::Range<i32>, daily: u32) -> Norm {
        let mut norm = Norm::default();
        days.for_each(|day| norm.count(cell, at(day, 10), daily));
        norm
    }

    #[test]
    fn tails_of_the_table() {
        // Abramowitz and Stegun, and by hand: 1 - e^-1 = 0.632121; P(X >= 5 | 1) = 0.00365985.
        for (count, mean, wanted) in [(0, 3.0, 1.0), (1, 1.0, 0.632_121), (5, 1.0, 0.003_659_85), (10, 10.0, 0.542_070)]
        {
            assert!((tail(count, mean) - wanted).abs() < 1e-5, "{count} {mean}: {}", tail(count, mean));
        }
        assert!(tail(200, 1.0) < 1e-300 && tail(200, 1.0) >= 0.0);
    }

    #[test]
    fn a_few_reports_are_no_alarm_and_a_burst_is() {
        let (norm, config) = (steady("供水/朝阳区", 0..60, 2), Config::default());
        let usual = norm.expected("供水/朝阳区", at(60, 23), 24);
        assert!((1.8..2.3).contains(&usual), "{usual}");
        assert!(!abnormal(&config, 4, 0.01) && abnormal(&config, 5, 0.01), "below the floor is no alarm");
        assert!(!abnormal(&config, 6, usual), "such days come");
        assert!(abnormal(&config, 12, usual));
    }

    #[test]
    fn the_same_number_at_night_is_more() {
        let norm = steady("供水/朝阳区", 0..60, 24);
        let (night, morning) =
            (norm.expected("供水/朝阳区", at(60, 3), 1), norm.expected("供水/朝阳区", at(60, 10), 1));
        assert!(night < 1.0 && morning > 15.0, "{night} {morning}");
        assert!(abnormal(&Config::default(), 8, night) && !abnormal(&Config::default(), 8, morning));
    }

    #[test]
    fn what_the_season_brings_is_normal() {
        let mut norm = steady("供热/海淀区", 600..628, 5);
        (600 - YEAR..628 - YEAR).for_each(|day| norm.count("供热/海淀区", at(day, 10), 5));
        let plain = norm.expected("供热/海淀区", at(628, 23), 24);
        (628 - YEAR..656 - YEAR).for_each(|day| norm.count("供热/海淀区", at(day, 10), 15));
        let heating = norm.expected("供热/海淀区", at(628, 23), 24);
        assert!(heating > 2.5 * 5.0 && plain < 5.0, "{plain} {heating}");
    }

    #[test]
    fn memory_is_bounded() {
        let mut norm = Norm::default();
        for day in 0..2000 {
            norm.count("a", at(day, 1), 1);
        }
        assert!(norm.cells["a"].len() <= KEPT as usize + 1);
        for cell in 0..2 * CELLS {
            norm.count(&cell.to_string(), at(2000, 1), 1);
        }
        assert!(norm.cells.len() <= CELLS + 1);
    }

    proptest! {
        #[test]
        fn a_tail_is_a_probability_and_falls(count in 0u32..400, mean in 0.0f64..300.0) {
            let (here, next) = (tail(count, mean), tail(count + 1, mean));
            prop_assert!((0.0..=1.0 + 1e-9).contains(&here), "{here}");
            prop_assert!(next <= here + 1e-9, "{here} {next}");
        }

        #[test]
        fn any_stream_gives_a_norm(stream in prop::collection::vec(("[ab]", -1000i32..1000, 0u8..30, 0u32..50), 0..40), day in -1000i32..1000, hour in 0u8..24, hours in 0u8..50) {
            let mut norm = Norm::default();
            stream.iter().for_each(|(cell, day, hour, count)| norm.count(cell, at(*day, *hour), *count));
            let expected = norm.expected("a", at(day, hour), hours);
            prop_assert!(expected.is_finite() && expected > 0.0);
        }
    }
}
