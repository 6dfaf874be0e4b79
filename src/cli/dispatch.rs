//! `jiesu dispatch explain|replay`: why a ticket went where it went, and what other rules would change.
//!
//! Reads the store beside a running daemon, and decides nothing: tickets are dispatched by the daemon alone.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::Exit;
use super::replay::since;
use super::stored;
use super::ticket::{as_json, say, tame, time};
use crate::app;
use crate::casework::dispatch::{Decision, Facts};
use crate::casework::task::Rulebook;
use crate::casework::task::dispatch::{facts, refused};
use crate::config::Config;
use crate::store::{DutyCall, Ticket};
use crate::ticket::Number;
use crate::ticket::case::{Entry, Event};

/// Tickets read at a time.
const PAGE: u32 = 200;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Whom the ticket goes to by the rules of the folder, each step with the line that it rests on; and what happened.
    Explain {
        #[arg(value_name = "NUMBER")]
        number: Number,
        /// One object.
        #[arg(long)]
        json: bool,
    },
    /// Past tickets by the rules of the folder (`-c NEWDIR`), and those that would go to somebody else. Texts are not read
    /// again: the categories and places are the tickets' own. Exit 1 where something would change.
    Replay(Replay),
}

#[derive(Debug, clap::Args)]
pub struct Replay {
    /// Tickets of that day and later ("2026-11-20"), or of the last so many hours or days ("36h", "7d").
    #[arg(long, value_name = "SINCE", default_value = "7d")]
    since: String,
    /// The folder of the daemon whose store is read, where it is not the one with the rules.
    #[arg(long, value_name = "DIR")]
    of: Option<PathBuf>,
    /// One object instead of text.
    #[arg(long)]
    json: bool,
}

pub fn run(folder: &Path, command: &Command) -> anyhow::Result<Exit> {
    let config = match super::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    match command {
        Command::Explain { number, json } => super::runtime()?.block_on(explain(&config, *number, *json)),
        Command::Replay(replay) => replay.run(&config),
    }
}

async fn explain(config: &Config, number: Number, json: bool) -> anyhow::Result<Exit> {
    let Some(store) = stored::look(&config.main).await? else { return Ok(Exit::No) };
    let Some(ticket) = store.ticket(number).await? else {
        eprintln!("jiesu: no ticket {number}");
        return Ok(Exit::No);
    };
    let log = store.case_log(number).await?;
    let calls = store.duty_calls(number).await?;
    let rulebook = app::rulebook(config);
    let refused = refused(&log);
    let decision = rulebook.rules().decide(&facts(&ticket, &refused));
    if json {
        let value = json!({
            "ticket": number.to_string(), "version": rulebook.version.to_string(), "decision": shown(&decision),
            "log": log, "calls": calls,
        });
        return say(&format!("{}\n", as_json(&value)?));
    }
    say(&page(&ticket, &decision, &rulebook, (&log, &calls), &config.main.zone))
}

fn shown(decision: &Decision) -> Value {
    let Decision { lead, co, copies, special, why } = decision;
    let step = |step: &crate::casework::dispatch::Step| json!({ "says": step.says, "at": step.at.as_ref().map(ToString::to_string) });
    json!({
        "unit": lead.code, "name": lead.name, "kind": lead.kind.code(), "channel": lead.channel.to_string(),
        "co": co, "copies": copies, "special": special, "why": why.iter().map(step).collect::<Vec<_>>(),
    })
}

fn page(
    ticket: &Ticket,
    decision: &Decision,
    rulebook: &Rulebook,
    (log, calls): (&[Entry], &[DutyCall]),
    zone: &TimeZone,
) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&tame(&text));
        out.push('\n');
    };
    line(format!("{}  {}  {}  {}", ticket.number, ticket.category.join("/"), ticket.kind, ticket.urgency));
    line(format!("by the rules of the folder (version {}):", rulebook.version));
    for step in &decision.why {
        line(format!("  {step}"));
    }
    let listed = |codes: &[String]| if codes.is_empty() { "-".to_owned() } else { codes.join(", ") };
    let lead = &decision.lead;
    line(format!("  => {} ({}), told by {}", lead.name, lead.code, lead.channel));
    line(format!("     co-handlers {}, copies {}", listed(&decision.co), listed(&decision.copies)));
    if !log.is_empty() {
        line("what happened:".to_owned());
    }
    for entry in log {
        let detail = match &entry.event {
            Event::Dispatched { unit, why, version, .. } => format!(" to {unit}: {why} (version {version})"),
            Event::Told { unit, channel } => format!(" {unit} by {channel}"),
            Event::Accepted { unit } => format!(" by {unit}"),
            Event::Returned { unit, reason } => format!(" by {unit}: {reason}"),
            Event::Escalated { target, why, .. } => format!(" to {target}: {why}"),
            _ => String::new(),
        };
        line(format!("  {}  {}{detail}  [{}]", time(entry.at, zone), entry.event.kind(), entry.by));
    }
    if !calls.is_empty() {
        line("duty telephones:".to_owned());
    }
    for call in calls {
        let outcome = call.outcome.as_deref().unwrap_or("under way");
        line(format!("  {}  {}  {}  {outcome}", time(call.at, zone), call.unit, call.number));
    }
    out
}

/// A ticket that would go to somebody else.
struct Change {
    ticket: Ticket,
    before: String,
    after: Decision,
}

impl Replay {
    fn run(&self, config: &Config) -> anyhow::Result<Exit> {
        let main = match &self.of {
            Some(folder) => match super::ticket::main(folder) {
                Ok(main) => main,
                Err(exit) => return Ok(exit),
            },
            None => config.main.clone(),
        };
        let Some(since) = since(&self.since, Timestamp::now(), &main.zone) else {
            eprintln!("jiesu: --since: \"{}\" is no day and no span; write \"2026-11-20\" or \"7d\"", self.since);
            return Ok(Exit::Usage);
        };
        super::runtime()?.block_on(async {
            let Some(store) = stored::look(&main).await? else { return Ok(Exit::No) };
            let rulebook = app::rulebook(config);
            let (mut count, mut changes, mut after) = (0, Vec::new(), None);
            loop {
                let page = store.tickets(after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.number);
                for ticket in page.into_iter().filter(|ticket| ticket.opened >= since) {
                    let log = store.case_log(ticket.number).await?;
                    let Some(before) = first(&log) else { continue };
                    count += 1;
                    changes.extend(changed(ticket, before, &rulebook));
                }
            }
            self.tell(count, &changes, &main.zone)
        })
    }

    fn tell(&self, count: usize, changes: &[Change], zone: &TimeZone) -> anyhow::Result<Exit> {
        let mut out = String::new();
        if self.json {
            let one = |change: &Change| {
                json!({
                    "ticket": change.ticket.number.to_string(), "category": change.ticket.category,
                    "place": change.ticket.place.as_ref().map(|place| &place.code),
                    "before": change.before, "after": shown(&change.after),
                })
            };
            let value = json!({ "tickets": count, "changed": changes.iter().map(one).collect::<Vec<_>>() });
            writeln!(out, "{}", as_json(&value)?)?;
        } else {
            for Change { ticket, before, after } in changes {
                let (opened, category) = (time(ticket.opened, zone), ticket.category.join("/"));
                let line = format!("{}  {opened}  {category}: {before} -> {}", ticket.number, after.lead.code);
                writeln!(out, "{}", tame(&line))?;
                let step = after.why.iter().rfind(|step| step.at.is_some()).or(after.why.last());
                if let Some(step) = step {
                    writeln!(out, "    {}", tame(&step.to_string()))?;
                }
            }
            writeln!(out, "{count} tickets, {} would go to somebody else", changes.len())?;
        }
        say(&out)?;
        Ok(if changes.is_empty() { Exit::Done } else { Exit::No })
    }
}

/// Whom the rules sent it to first: what people decided later is no rule's.
fn first(log: &[Entry]) -> Option<String> {
    log.iter().find_map(|entry| match &entry.event {
        Event::Dispatched { unit, .. } => Some(unit.clone()),
        _ => None,
    })
}

fn changed(ticket: Ticket, before: String, rulebook: &Rulebook) -> Option<Change> {
    let after = rulebook.rules().decide(&Facts { refused: &[], ..facts(&ticket, &[]) });
    (after.lead.code != before).then_some(Change { ticket, before, after })
}
