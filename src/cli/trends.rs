//! `jiesu trends`: what may call for joint handling or another rule, with the numbers that speak for it.

use std::path::Path;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::Exit;
use super::stored;
use super::ticket::{as_json, say, tame};
use crate::casework::scores::{Roll, Sort};
use crate::casework::trends::{Candidate, Evidence, Measure, Seen, candidates};
use crate::store::{Assessed, Store};
use crate::ticket::case::Event;

/// Tickets that are read at a time.
const PAGE: u32 = 500;

#[derive(Debug, Args)]
pub struct Arguments {
    /// As if it were then (RFC 3339), with what was known then of tickets; now if it is not given.
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// An array of objects.
    #[arg(long)]
    json: bool,
}

/// A candidate with its name for people.
#[derive(Serialize)]
struct Shown {
    name: String,
    #[serde(flatten)]
    candidate: Candidate,
}

pub fn run(folder: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = match super::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    super::runtime()?.block_on(async {
        let Some(store) = stored::look(&config.main).await? else {
            return if arguments.json { say("[]\n") } else { Ok(Exit::Done) };
        };
        let settings = &config.main.trends;
        let now = arguments.at.unwrap_or_else(Timestamp::now);
        let from = now.checked_sub(SignedDuration::from_hours(7 * 24 * settings.weeks as i64))?;
        let roll = Roll::of(&config.places, &config.units);
        let streets: Vec<String> =
            roll.iter().filter(|unit| unit.sort == Sort::Street).map(|unit| unit.code.clone()).collect();
        let mut all = Vec::new();
        let mut last = None;
        loop {
            let page = store.assessed(from, now, last, PAGE).await?;
            last = page.last().map(|ticket| ticket.number).or(last);
            let end = page.len() < PAGE as usize;
            all.extend(page.into_iter().filter_map(|ticket| seen(ticket, now)));
            if end {
                break;
            }
        }
        let mut shown = Vec::new();
        for candidate in candidates(settings, &all, &streets, now) {
            let name = name(&store, &roll, &candidate).await?;
            shown.push(Shown { name, candidate });
        }
        say(&if arguments.json { as_json(&shown)? + "\n" } else { shown.iter().map(line).collect() })
    })
}

/// What happened until `now`.
fn seen(ticket: Assessed, now: Timestamp) -> Option<Seen> {
    let at = ticket.log.first().filter(|entry| entry.at < now)?.at;
    let past = || ticket.log.iter().filter(|entry| entry.at < now);
    let closed = past().rfind(|entry| matches!(entry.event, Event::Closed { .. })).map(|entry| entry.at);
    let reopened = past().filter(|entry| matches!(entry.event, Event::Reopened { .. })).map(|entry| entry.at).collect();
    let category: Vec<&str> = ticket.category.iter().map(String::as_str).filter(|level| !level.is_empty()).collect();
    let category = category.join("/");
    Some(Seen { number: ticket.number, at, category, street: ticket.place, matter: ticket.matter, closed, reopened })
}

async fn name(store: &Store, roll: &Roll, candidate: &Candidate) -> anyhow::Result<String> {
    Ok(match &candidate.evidence {
        Evidence::Returning { .. } => {
            let matter = store.matter(candidate.subject.parse()?).await?;
            matter.map(|matter| matter.title).unwrap_or_default()
        }
        Evidence::Rising { .. } | Evidence::Persistent { .. } => roll.name(&candidate.subject).to_owned(),
    })
}

/// A candidate for people.
fn line(Shown { name, candidate }: &Shown) -> String {
    let why = match &candidate.evidence {
        Evidence::Rising { count, of, share, before, of_before, share_before, chance } => format!(
            "rises: {count} of {of} ({:.2} %) in the last week, {before} of {of_before} ({:.2} %) before; by chance {chance:.1e}",
            100.0 * share,
            100.0 * share_before
        ),
        Evidence::Persistent { above, weeks } => {
            let counts: Vec<String> = weeks.iter().map(|week| week.count.to_string()).collect();
            format!("above the norm in {above} of {} weeks: {}", weeks.len(), counts.join(" "))
        }
        Evidence::Returning { tickets, returned, reopened } => format!(
            "returns: of {tickets} tickets {} came after one was closed, {} were reopened",
            returned.len(),
            reopened.len()
        ),
    };
    let measure = match candidate.measure {
        Measure::JointHandling => "吹哨报到",
        Measure::RuleChange => "每月一题",
    };
    let subject = if matches!(candidate.evidence, Evidence::Returning { .. }) {
        format!("matter {} {name}", candidate.subject)
    } else {
        name.clone()
    };
    format!("{}\n", tame(&format!("{measure}  {subject}  {why}")))
}
