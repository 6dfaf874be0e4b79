//! `jiesu flow replay`: past calls led through the flows that lie in the folder, and those whose outcome would change.
//!
//! Each call is replayed through the version that it followed as well, where that is still kept: a call that does not
//! replay as it went (a recogniser that was late, people who came or not) proves nothing about the new version and is
//! counted apart.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::Exit;
use super::ticket::{as_json, say, tame, time};
use crate::app;
use crate::config::Config;
use crate::config::version::Archive;
use crate::filing;
use crate::id::Masked;
use crate::ivr::journal::{Journal, Step};
use crate::ivr::replay::{self, Outcome, Recorded};
use crate::ivr::script::World;
use crate::ivr::{Around, Context};
use crate::store::{Past, Store, VersionRow};

/// Calls read at a time.
const PAGE: u32 = 200;
/// Versions that are looked through.
const VERSIONS: u32 = 10_000;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Calls of that day and later ("2026-11-20"), or of the last so many hours or days ("36h", "7d").
    #[arg(long, value_name = "SINCE", default_value = "7d")]
    since: String,
    /// One object instead of text.
    #[arg(long)]
    json: bool,
}

/// How many calls did what.
#[derive(Debug, Default)]
struct Count {
    same: usize,
    changed: usize,
    /// A crash cut them off, or they are older than journals.
    untold: usize,
    /// They do not replay as they went.
    unlike: usize,
}

/// A call whose outcome would change.
struct Change {
    past: Past,
    before: Outcome,
    after: Outcome,
}

pub fn run(folder: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = match super::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let Some(since) = since(&arguments.since, Timestamp::now(), &config.main.zone) else {
        eprintln!("jiesu: --since: \"{}\" is no day and no span; write \"2026-11-20\" or \"7d\"", arguments.since);
        return Ok(Exit::Usage);
    };
    super::runtime()?.block_on(async {
        let store = Store::look(&config.main.store, &config.main.state_dir).await?;
        let versions = store.versions(VERSIONS).await?;
        let mut old =
            Old { archive: Archive::new(&config.main.state_dir), config: &config, versions, read: HashMap::new() };
        let (mut count, mut changes) = (Count::default(), Vec::new());
        let (mut from, mut after) = (since, None);
        loop {
            let page = store.past_calls(from, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            (from, after) = (last.call.began, Some(last.call.id));
            for past in page {
                if let Some(change) = one(past, &config, &mut old, &mut count) {
                    changes.push(change);
                }
            }
        }
        tell(arguments.json, &count, &changes, &config.main.zone)
    })
}

/// The versions that past calls followed, each read once.
struct Old<'a> {
    archive: Archive,
    config: &'a Config,
    versions: Vec<VersionRow>,
    read: HashMap<String, Option<Arc<Config>>>,
}

impl Old<'_> {
    /// `None`: it is not kept any more, or does not fit the other files of today.
    fn get(&mut self, version: &str) -> Option<Arc<Config>> {
        if !self.read.contains_key(version) {
            let row = self.versions.iter().find(|row| row.id.to_string() == version);
            let files = row.and_then(|row| self.archive.get(&row.files).ok());
            let config = files.and_then(|files| app::reload::check(&self.archive, &self.config.folder, &files).ok());
            self.read.insert(version.to_owned(), config.map(Arc::new));
        }
        self.read.get(version).cloned().flatten()
    }
}

fn one(past: Past, config: &Config, old: &mut Old<'_>, count: &mut Count) -> Option<Change> {
    let journal = past.journal.as_deref().map(Journal::read).filter(|journal| !journal.steps().is_empty());
    let Some(journal) = journal else {
        count.untold += 1;
        return None;
    };
    let hints = past.hints.as_ref().map(filing::read_hint).unwrap_or_default();
    let hints = crate::intake::recovery::hints(&hints);
    let recorded = recorded(&past, journal, config);
    let mut before = replay::happened(&recorded, hints);
    if let Some(version) = past.call.version.as_deref().and_then(|version| old.get(version)) {
        let own = through(&version, &past, recorded.clone());
        if own.as_ref().is_none_or(|own| own.end != before.end || own.targets.len() != before.targets.len()) {
            count.unlike += 1;
            return None;
        }
        before = own.unwrap_or(before);
    }
    let Some(after) = through(config, &past, recorded) else {
        count.unlike += 1;
        return None;
    };
    if after.same(&before) {
        count.same += 1;
        return None;
    }
    count.changed += 1;
    Some(Change { past, before, after })
}

fn recorded(past: &Past, journal: Journal, config: &Config) -> Recorded {
    let hung_up = !journal.steps().iter().any(|(_, step)| matches!(step, Step::End(why) if why == "flow"));
    let now = config.main.zone.to_datetime(past.call.answered);
    let context = Context {
        caller: past.call.caller.clone().unwrap_or_default(),
        line: past.call.line.clone(),
        around: Around { now, load: 0 },
        ..Context::default()
    };
    let words = past.segments.iter().map(|segment| segment.text.clone()).collect();
    Recorded { context, journal, words, hung_up }
}

/// The call led through a version's flow for its line.
fn through(config: &Config, past: &Past, mut recorded: Recorded) -> Option<Outcome> {
    let chosen = config.lines.choose(Some(&past.call.line), None, &[], &[]);
    let flow = config.flows.get(&chosen.flow)?;
    recorded.context.greeting = chosen.greeting;
    recorded.context.topic = chosen.topic;
    let (rules, answers) = (config.emergencies.clone(), config.answers.clone());
    let world = World { calendar: config.calendar.clone(), rules, answers };
    Some(replay::run(&world, flow, &recorded))
}

fn tell(json: bool, count: &Count, changes: &[Change], zone: &TimeZone) -> anyhow::Result<Exit> {
    let exit = if changes.is_empty() { Exit::Done } else { Exit::No };
    if json {
        let whole = json!({
            "calls": count.same + count.changed, "same": count.same, "changed": count.changed,
            "without_journal": count.untold, "not_reproducible": count.unlike,
            "changes": changes.iter().map(object).collect::<Vec<_>>(),
        });
        say(&format!("{}\n", as_json(&whole).context("JSON")?))?;
        return Ok(exit);
    }
    let mut text = String::new();
    for change in changes {
        text += &page(change, zone);
    }
    text += &format!(
        "{} calls replayed: {} as before, {} otherwise\n",
        count.same + count.changed,
        count.same,
        count.changed
    );
    if count.untold > 0 {
        text += &format!("{} have no journal: a crash cut them off, or they are older than journals\n", count.untold);
    }
    if count.unlike > 0 {
        text += &format!("{} do not replay as they went, and tell nothing\n", count.unlike);
    }
    say(&text)?;
    Ok(exit)
}

fn object(change: &Change) -> Value {
    let one = |outcome: &Outcome| {
        json!({ "end": outcome.end.words().1, "targets": outcome.targets, "nodes": outcome.nodes,
                "topic": outcome.hints.topic, "category": outcome.hints.category, "type": outcome.hints.kind,
                "urgency": outcome.hints.urgency, "guessed": outcome.guessed })
    };
    let call = &change.past.call;
    json!({ "call": call.id.to_string(), "began": call.began.to_string(), "line": call.line, "version": call.version,
            "before": one(&change.before), "after": one(&change.after) })
}

/// A changed call for people.
fn page(change: &Change, zone: &TimeZone) -> String {
    let call = &change.past.call;
    let caller = Masked(call.caller.as_deref().unwrap_or("-")).to_string();
    let mut text =
        format!("{}\n", tame(&format!("{}  {}  {caller} -> {}", call.id, time(call.began, zone), call.line)));
    let parts = change.before.nodes.iter().zip(&change.after.nodes).take_while(|(a, b)| a == b).count();
    for (when, outcome) in [("before", &change.before), ("now   ", &change.after)] {
        let hints = &outcome.hints;
        let hints = [&hints.topic, &hints.category, &hints.kind, &hints.urgency];
        let hints: Vec<&str> = hints.into_iter().flatten().map(String::as_str).collect();
        let words = [outcome.end.words().0, &hints.join(" "), &outcome.targets.join(" ")];
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let way =
            outcome.nodes.iter().skip(parts.saturating_sub(1)).map(String::as_str).collect::<Vec<_>>().join(" > ");
        let guess = if outcome.guessed { "  (a guess: it asks what the caller never answered)" } else { "" };
        text += &format!("{}\n", tame(&format!("    {when} {}: {way}{guess}", words.join(", "))));
    }
    text
}

/// From when calls are taken: a day, or a span until now.
/// The beginning of a day, or so long ago.
pub(super) fn since(text: &str, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(day) = text.parse::<jiff::civil::Date>() {
        return zone.to_timestamp(day.to_datetime(jiff::civil::Time::midnight())).ok();
    }
    now.checked_sub(crate::written::duration(text)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_where_the_calls_are() {
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let now: Timestamp = "2026-11-27T12:30:00Z".parse().expect("a time");
        let read = |text: &str| since(text, now, &zone).map(|at| at.to_string());
        assert_eq!(read("2026-11-20").as_deref(), Some("2026-11-19T16:00:00Z"));
        assert_eq!(read("36h").as_deref(), Some("2026-11-26T00:30:00Z"));
        assert_eq!(read("yesterday"), None);
    }
}
