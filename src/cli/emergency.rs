//! `jiesu emergency` and `jiesu eval emergency`: what a text would raise, and how often ordinary texts raise anything.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use serde::Serialize;

use super::ticket::{as_json, say, tame};
use super::{Exit, said};
use crate::ivr::Rules;
use crate::ivr::emergency::Alarm;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The text, as a caller would say it; `-` reads it from standard input.
    text: String,
    /// One JSON object (or null) instead of a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub struct Files {
    /// Files of old requests: CSV, or one request a line.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Show each text that raises a rule.
    #[arg(long)]
    show: bool,
    /// Exit 1 where more than this share of them (in per cent) does.
    #[arg(long, value_name = "PER_CENT")]
    at_most: Option<f64>,
}

#[derive(Serialize)]
struct Raised<'a> {
    rule: &'a str,
    words: Vec<String>,
    targets: Vec<&'a str>,
}

pub fn run(folder: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = match super::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let rules = &config.emergencies;
    let raised = rules.look(&said(&arguments.text)?).and_then(|Alarm { rule, words }| {
        let rule = rules.get(rule)?;
        let targets = rule.targets.iter().map(|target| target.value.as_str()).collect();
        Some(Raised { rule: &rule.name.value, words, targets })
    });
    let exit = if raised.is_some() { Exit::Done } else { Exit::No };
    if arguments.json {
        say(&(as_json(&raised)? + "\n"))?;
    } else if let Some(Raised { rule, words, targets }) = raised {
        say(&format!("{rule} 「{}」 -> {}\n", tame(&words.join("」「")), targets.join(", ")))?;
    } else {
        println!("-");
    }
    Ok(exit)
}

pub fn eval(folder: &Path, arguments: &Files) -> anyhow::Result<Exit> {
    let config = match super::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let rules: &Rules = &config.emergencies;
    let mut of_rule = vec![0usize; rules.iter().count()];
    let mut texts = 0usize;
    for file in &arguments.files {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        for record in records(&text) {
            texts += 1;
            let Some(Alarm { rule, words }) = rules.look(record) else { continue };
            of_rule[rule] += 1;
            if arguments.show {
                let name = rules.get(rule).map_or("", |rule| rule.name.value.as_str());
                let record = record.replace(['\n', '\r'], " ");
                say(&format!("{name} 「{}」 {}\n", tame(&words.join("」「")), tame(&record)))?;
            }
        }
    }
    for (rule, raised) in rules.iter().zip(&of_rule) {
        println!("{:<12} {raised}", rule.name.value);
    }
    let raised: usize = of_rule.iter().sum();
    let share = raised as f64 * 100.0 / texts.max(1) as f64;
    println!("{raised} of {texts} texts raise a rule: {share:.2} %");
    Ok(if arguments.at_most.is_some_and(|most| share > most) { Exit::No } else { Exit::Done })
}

/// The records of a CSV file (RFC 4180: a line break inside quotes is part of a field), or the lines of a plain one.
pub(super) fn records(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let split = text.split(move |c| {
        quoted ^= c == '"';
        c == '\n' && !quoted
    });
    split.map(str::trim).filter(|record| !record.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_break_in_quotes_ends_no_record() {
        let text = "1,着火了\n2,\"第一行\n第二行 \"\"引\"\" 语\"\r\n\n3,完\n";
        assert_eq!(records(text).collect::<Vec<_>>(), ["1,着火了", "2,\"第一行\n第二行 \"\"引\"\" 语\"", "3,完"]);
    }
}
