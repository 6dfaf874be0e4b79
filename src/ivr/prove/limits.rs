//! `[check]` of `jiesu.toml`: how much is asked of a flow.

use std::time::Duration;

use super::Rule;
use crate::written::Table;

/// What is done with flows that break a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// The folder is not taken.
    #[default]
    Refuse,
    /// It is only said.
    Say,
}

/// Checked `[check]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    pub flows: Strictness,
    /// Rules that are not asked for.
    pub allow: Vec<Rule>,
    /// Menus one below the other.
    pub depth: usize,
    /// Choices of one menu.
    pub choices: usize,
    /// Keys that have to be pressed before anybody listens (GB/T 33358-2016: no menus in front of people).
    pub keys_first: usize,
    /// From the first word to a human, for who knows the key (GB/T 33358-2016: answered within 15 s).
    pub to_human: Duration,
    /// The same for who hears every prompt to its end.
    pub to_human_listening: Duration,
    /// From any node to a human, a ticket or the end, for who says and presses nothing.
    pub silent: Duration,
    /// Nobody has to hear more than this at a stretch without being able to cut it short.
    pub held: Duration,
    /// The longest question.
    pub question: Duration,
    /// The shortest time to think.
    pub wait: Duration,
    /// How many months ahead calendars should reach.
    pub calendar_months: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        let seconds = Duration::from_secs;
        Limits {
            flows: Strictness::Refuse,
            allow: Vec::new(),
            depth: 3,
            choices: 9,
            keys_first: 0,
            to_human: seconds(15),
            to_human_listening: seconds(60),
            silent: seconds(240),
            held: seconds(40),
            question: seconds(40),
            wait: seconds(3),
            calendar_months: 12,
        }
    }
}

impl Limits {
    /// Reads the section.
    pub fn read(table: &mut Table<'_>) -> Limits {
        let flows = table.text("flows").check(|word| match word.as_str() {
            "refuse" => Ok(Strictness::Refuse),
            "say" => Ok(Strictness::Say),
            other => Err((format!("\"{other}\" is not known"), "write \"refuse\" or \"say\"".to_owned())),
        });
        let flows = flows.get().unwrap_or_default();
        let mut allow = Vec::new();
        for rule in table.texts("allow").get().unwrap_or_default() {
            match Rule::named(&rule.value) {
                Some(rule) => allow.push(rule),
                None => {
                    let known: Vec<&str> = Rule::ALL.iter().map(|(_, name)| *name).collect();
                    let place = if rule.place.line == 0 { table.place() } else { &rule.place };
                    let what = format!("there is no rule \"{}\"", rule.value);
                    table.faults().at(place, rule.key, what, format!("known rules: {}", known.join(", ")));
                }
            }
        }
        let usual = Limits::default();
        let mut count = |key, usual: usize, most| table.int(key).or(usual as i64, 0..most) as usize;
        let depth = count("depth", usual.depth, 20);
        let choices = count("choices", usual.choices, 30);
        let keys_first = count("keys_first", usual.keys_first, 20);
        let calendar_months = count("calendar_months", usual.calendar_months, 24);
        Limits {
            flows,
            allow,
            depth,
            choices,
            keys_first,
            to_human: table.duration("to_human").or("15s", "1s".."1h"),
            to_human_listening: table.duration("to_human_listening").or("60s", "1s".."1h"),
            silent: table.duration("silent").or("4m", "10s".."1h"),
            held: table.duration("held").or("40s", "1s".."10m"),
            question: table.duration("question").or("40s", "1s".."10m"),
            wait: table.duration("wait").or("3s", "1s".."60s"),
            calendar_months,
        }
    }
}
