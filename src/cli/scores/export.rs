//! The log that the figures follow from, as JSON lines: each unit, then each ticket with its events.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{Period, Windows, each, facts};
use crate::casework::scores::{Facts, Roll, Unit};
use crate::cli::Exit;
use crate::cli::ticket::{as_json, say};
use crate::config::Config;
use crate::ticket::Number;
use crate::ticket::case::Entry;

/// One line. A ticket's events follow its own line, in order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
enum Line {
    Unit(Unit),
    Ticket {
        ticket: Number,
        #[serde(flatten)]
        facts: Facts,
    },
    Event {
        ticket: Number,
        #[serde(flatten)]
        entry: Entry,
    },
}

/// Writes a new file that only its owner can read: events repeat what units and callers said.
pub(super) async fn run(config: &Config, file: &Path, period: &Period) -> anyhow::Result<Exit> {
    let windows = period.windows(config)?;
    if file == Path::new("-") {
        return match text(config, &windows).await? {
            Some(text) => say(&text),
            None => Ok(Exit::No),
        };
    }
    let name = || file.display().to_string();
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).with_context(name)?;
    let mut out = BufWriter::new(out);
    let found = write(config, &windows, &mut out).await.with_context(name)?;
    out.into_inner().map_err(|error| error.into_error()).and_then(|out| out.sync_all()).with_context(name)?;
    Ok(if found { Exit::Done } else { Exit::No })
}

/// The same as one text. `None`: there is no store yet.
pub(super) async fn text(config: &Config, windows: &Windows) -> anyhow::Result<Option<String>> {
    let mut out = Vec::new();
    let found = write(config, windows, &mut out).await?;
    Ok(if found { Some(String::from_utf8(out).context("JSON is UTF-8")?) } else { None })
}

async fn write(config: &Config, windows: &Windows, out: &mut impl Write) -> anyhow::Result<bool> {
    for unit in Roll::of(&config.places, &config.units).iter() {
        writeln!(out, "{}", as_json(&Line::Unit(unit.clone()))?)?;
    }
    each(config, windows, |ticket| {
        writeln!(out, "{}", as_json(&Line::Ticket { ticket: ticket.number, facts: facts(&ticket) })?)?;
        for entry in ticket.log {
            writeln!(out, "{}", as_json(&Line::Event { ticket: ticket.number, entry })?)?;
        }
        Ok(())
    })
    .await
}

/// A ticket of a log with what it is about.
type Told = (Number, Facts, Vec<Entry>);

/// Reads such a log back.
///
/// # Errors
/// A line that is none, with its number.
pub(super) fn read(text: &str, roll: &mut Roll) -> anyhow::Result<Vec<Told>> {
    let mut units = Vec::new();
    let mut tickets: Vec<Told> = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line: Line = serde_json::from_str(line).with_context(|| format!("line {} of the log", i + 1))?;
        match line {
            Line::Unit(unit) => units.push(unit),
            Line::Ticket { ticket, facts } => tickets.push((ticket, facts, Vec::new())),
            Line::Event { ticket, entry } => match tickets.last_mut().filter(|(number, ..)| *number == ticket) {
                Some((.., log)) => log.push(entry),
                None => anyhow::bail!("line {} of the log: an event before its ticket's line", i + 1),
            },
        }
    }
    *roll = units.into_iter().collect();
    Ok(tickets)
}
