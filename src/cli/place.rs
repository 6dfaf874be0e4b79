//! `jiesu place`: the street office that a text names, and lists of roads and landmarks for the places.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::ticket::{as_json, say, tame};
use super::{Exit, said};
use crate::catalogue::import::{HEADER, import};
use crate::classify::PlaceMatch;
use crate::classify::place::{Answer, Candidate, Report};
use crate::written::Faults;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The text, as a caller would say it; `-` reads it from standard input.
    #[arg(required = true)]
    text: Option<String>,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// The code of a street or district where the caller had a ticket before; may be given several times.
    #[arg(long, value_name = "CODE")]
    earlier: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Take roads and landmarks from a CSV file into the folder places/ (columns kind, name, street; district, numbers,
    /// aliases).
    Import(List),
}

#[derive(Debug, Args)]
struct List {
    /// The CSV file; the file under places/ gets its name.
    file: PathBuf,
}

/// Exit 1 where the text names no place, or the list has faults.
pub fn run(folder: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = match super::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let places = &config.places;
    if let Some(Command::Import(list)) = &arguments.command {
        return take(folder, places, list);
    }
    let mut earlier = Vec::new();
    for code in &arguments.earlier {
        earlier.push(places.id(code).with_context(|| format!("no street or district has the code {code}"))?);
    }
    let text = said(arguments.text.as_deref().unwrap_or_default())?;
    let report = Report::of(places, &text, &earlier);
    say(&if arguments.json { as_json(&report)? + "\n" } else { lines(&report) })?;
    Ok(if report.answer == Answer::Nowhere { Exit::No } else { Exit::Done })
}

fn take(folder: &Path, places: &crate::catalogue::Places, list: &List) -> anyhow::Result<Exit> {
    let text = std::fs::read_to_string(&list.file).with_context(|| list.file.display().to_string())?;
    let faults = Faults::default();
    let (written, rows) = import(places, &list.file, &text, &faults);
    if !faults.is_empty() {
        eprint!("{faults}");
        eprintln!("jiesu: nothing was taken from {}", list.file.display());
        return Ok(Exit::No);
    }
    let name = list.file.file_stem().context("the file has no name")?;
    let to = folder.join("places").join(name).with_extension("toml");
    let ours = |text: String| text.starts_with(HEADER);
    if to.exists() && !std::fs::read_to_string(&to).is_ok_and(ours) {
        eprintln!("jiesu: {} was not written by an import; give the list another name", to.display());
        return Ok(Exit::No);
    }
    // A daemon that reloads meanwhile finds the old file or the new one, never half of it.
    let half = to.with_extension("toml.half");
    std::fs::write(&half, written).with_context(|| half.display().to_string())?;
    std::fs::rename(&half, &to).with_context(|| to.display().to_string())?;
    println!("{rows} rows in {}; `jiesu reload` takes them", to.display());
    Ok(Exit::Done)
}

fn lines(report: &Report) -> String {
    let line = |candidate: &Candidate| format!("{}{}\n", line(Some(&candidate.place)), rests(candidate));
    let mut text = match (report.answer, &report.filed) {
        (Answer::Nowhere, _) => "-\n".to_owned(),
        (Answer::Sure, _) => report.candidates.iter().map(line).collect(),
        (Answer::Ask, filed) => {
            let filed = filed.as_ref().map_or_else(|| "-\n".to_owned(), line);
            let may_be: String = report.candidates.iter().map(|c| format!("  {}", line(c))).collect();
            filed + &may_be
        }
    };
    if let Some(question) = &report.question {
        text.push_str(question);
        text.push('\n');
    }
    text
}

/// The words in brackets.
fn rests(candidate: &Candidate) -> String {
    candidate.words.iter().map(|words| format!(" 「{}」", tame(&words.text))).collect()
}

/// Code, name and how sure.
pub(super) fn line(place: Option<&PlaceMatch>) -> String {
    match place {
        Some(PlaceMatch { code, name, district, confidence }) if name == district => {
            format!("{code} {name} {confidence:.2}")
        }
        Some(PlaceMatch { code, name, district, confidence }) => format!("{code} {district}{name} {confidence:.2}"),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, confidence: f32) -> Candidate {
        let place = PlaceMatch { code: "11".into(), name: name.into(), district: "城东区".into(), confidence };
        Candidate { place, words: Vec::new() }
    }

    #[test]
    fn an_open_place_is_told_with_its_candidates_and_the_question() {
        let candidates = vec![candidate("柳林街道", 0.4), candidate("桥头街道", 0.4)];
        let mut report = Report {
            answer: Answer::Ask,
            filed: Some(candidate("城东区", 0.8)),
            candidates,
            question: Some("您说的是?".into()),
        };
        assert_eq!(lines(&report), "11 城东区 0.80\n  11 城东区柳林街道 0.40\n  11 城东区桥头街道 0.40\n您说的是?\n");
        report.filed = None;
        assert!(lines(&report).starts_with("-\n  11"));
    }
}
