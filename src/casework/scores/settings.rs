//! `[assessment]` of jiesu.toml.

use std::time::Duration;

use jiff::civil::Time;

use crate::calendar::clock;
use crate::written::Table;

/// How a city counts. The defaults are what one district of Beijing published; the lines between the classes are ours,
/// because no city's are public.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Weights of the three rates in the composite; together 100.
    pub response: f64,
    pub solution: f64,
    pub satisfaction: f64,
    /// What 基本满意 counts beside 满意.
    pub mostly: f64,
    /// The day on which a month begins, 1 to 28. A month is named after the one in which it ends.
    pub month_starts: i8,
    /// When a day begins; one that begins after midnight is named after the day on which it ends.
    pub day_starts: Time,
    /// Exclusions that are approved later than this after the window's end do not change its figures.
    pub exclusions: Duration,
    /// Fewer surveys make no class.
    pub least: u32,
    /// The composite from which it is 先进.
    pub advanced: f64,
    /// The gain against the month before from which it is 进步.
    pub progress: f64,
    /// Below this it is 整改, and 治理 the second time running.
    pub rectify: f64,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            response: 10.0,
            solution: 50.0,
            satisfaction: 40.0,
            mostly: 0.9,
            month_starts: 19,
            day_starts: Time::constant(12, 0, 0, 0),
            exclusions: Duration::from_secs(7 * 86_400),
            least: 10,
            advanced: 90.0,
            progress: 5.0,
            rectify: 70.0,
        }
    }
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        let percent = 0.0..100.0;
        let config = Config {
            response: table.number("response").or(10.0, percent.clone()),
            solution: table.number("solution").or(50.0, percent.clone()),
            satisfaction: table.number("satisfaction").or(40.0, percent.clone()),
            mostly: table.number("mostly").or(0.9, 0.0..1.0),
            month_starts: table.int("month_starts").or(19, 1..28) as i8,
            day_starts: table
                .text("day_starts")
                .check(|text| {
                    clock(text).ok_or_else(|| (format!("\"{text}\" is no time of day"), "write e.g. \"12:00\"".into()))
                })
                .get()
                .unwrap_or(Time::constant(12, 0, 0, 0)),
            exclusions: table.duration("exclusions").or("7d", "0s".."366d"),
            least: table.int("least").or(10, 1..1_000_000) as u32,
            advanced: table.number("advanced").or(90.0, percent.clone()),
            progress: table.number("progress").or(5.0, percent.clone()),
            rectify: table.number("rectify").or(70.0, percent),
        };
        let sum = config.response + config.solution + config.satisfaction;
        if (sum - 100.0).abs() > 1e-9 {
            let what = format!("response, solution and satisfaction are {sum} together");
            table.fault("response", what, "write weights that are 100 together, e.g. 10, 50 and 40");
        }
        if config.rectify >= config.advanced {
            table.fault("rectify", "is not below advanced", "write a smaller number, e.g. 70");
        }
        config
    }
}
