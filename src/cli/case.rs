//! `jiesu case N`: what has become of a ticket. `jiesu case accept|return|… N`: what a unit or the desk does with it.
//!
//! Writes the store beside the running daemon, whose rules look at the case within a second. A move that the case does
//! not allow is refused with the moves that it does allow, and exit 1.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Exit;
use super::reload::author;
use super::stored;
use super::ticket::{as_json, main, say, tame, time};
use super::version::when;
use crate::casework::deadlines::Deadlines;
use crate::casework::moves::{Move, Particulars};
use crate::casework::shown::{Page, moves};
use crate::casework::terms;
use crate::config::{self, Main};
use crate::store::{Error, Store};
use crate::ticket::Number;
use crate::ticket::case::{By, Case, Entry, Via};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    /// The ticket whose case is shown, with its log.
    #[arg(value_name = "NUMBER", required = true)]
    number: Option<Number>,
    /// One object.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Put a unit in charge (派单), by hand: --unit, --reason.
    Dispatch(Said),
    /// The unit in charge takes it (签收).
    Accept(Said),
    /// The unit says that it is not in charge (退单): --reason. The objection is reviewed.
    Return(Said),
    /// The review agrees with the unit: --reason. Somebody else has to be found.
    Uphold(Said),
    /// The review does not: --reason. The unit keeps it.
    Overrule(Said),
    /// Call several units together (吹哨): --unit leads, --with the others, --reason.
    Whistle(Said),
    /// The answer may come later: --until, --reason, --approved.
    Extend(Said),
    /// The unit spoke with the caller.
    Contact(Said),
    /// The caller has to do something first: --reason. The limits stand still.
    Pause(Said),
    /// What was left of the limits runs on.
    Resume(Said),
    /// The unit reports what it did (办结): --reason.
    Answer(Said),
    /// Nothing more will be done (结案): --reason.
    Close(Said),
    /// It cannot be solved for now (挂账): --reason, --until when it is looked at again.
    List(Said),
    /// Another ticket goes on for it: --into.
    Merge(Said),
    /// The two are not the same after all: --reason.
    Separate(Said),
    /// It is not solved after all: --reason. The unit has it again, with new limits.
    Reopen(Said),
    /// It does not count in the assessment (剔除): --reason, --approved.
    Exclude(Said),
}

#[derive(Debug, clap::Args)]
struct Said {
    #[arg(value_name = "NUMBER")]
    number: Number,
    /// The unit's code; without it the unit in charge.
    #[arg(long, value_name = "CODE")]
    unit: Option<String>,
    /// A further unit; may be given more than once.
    #[arg(long, value_name = "CODE")]
    with: Vec<String>,
    /// Why; for an answer, what was done.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// "2026-11-27 20:00", or "20:00" for the next time it is that late.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// The ticket that goes on.
    #[arg(long, value_name = "NUMBER")]
    into: Option<Number>,
    /// Who approved it.
    #[arg(long, value_name = "NAME")]
    approved: Option<String>,
}

impl Command {
    fn said(&self) -> (Move, &Said) {
        match self {
            Command::Dispatch(said) => (Move::Dispatch, said),
            Command::Accept(said) => (Move::Accept, said),
            Command::Return(said) => (Move::Return, said),
            Command::Uphold(said) => (Move::Uphold, said),
            Command::Overrule(said) => (Move::Overrule, said),
            Command::Whistle(said) => (Move::Whistle, said),
            Command::Extend(said) => (Move::Extend, said),
            Command::Contact(said) => (Move::Contact, said),
            Command::Pause(said) => (Move::Pause, said),
            Command::Resume(said) => (Move::Resume, said),
            Command::Answer(said) => (Move::Answer, said),
            Command::Close(said) => (Move::Close, said),
            Command::List(said) => (Move::List, said),
            Command::Merge(said) => (Move::Merge, said),
            Command::Separate(said) => (Move::Separate, said),
            Command::Reopen(said) => (Move::Reopen, said),
            Command::Exclude(said) => (Move::Exclude, said),
        }
    }
}

pub fn run(folder: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let main = match main(folder) {
        Ok(main) => main,
        Err(exit) => return Ok(exit),
    };
    match (&arguments.command, arguments.number) {
        (Some(command), _) => {
            let (this, said) = command.said();
            let now = Timestamp::now();
            let until = match said.until.as_deref().map(|text| when(text, now, &main.zone)).transpose() {
                Ok(until) => until,
                Err(what) => {
                    eprintln!("jiesu: --until: {what}");
                    return Ok(Exit::Usage);
                }
            };
            let calendar = match config::load_calendar(folder) {
                Ok(calendar) => Arc::new(calendar),
                Err(faults) => {
                    eprint!("{faults}");
                    return Ok(Exit::Usage);
                }
            };
            let deadlines = Deadlines { config: main.deadlines.clone(), calendar, zone: main.zone.clone() };
            super::runtime()?.block_on(happen(&main, &deadlines, this, said, until, now))
        }
        (None, Some(number)) => super::runtime()?.block_on(show(&main, number, arguments.json)),
        (None, None) => Ok(Exit::Usage),
    }
}

async fn happen(
    main: &Main,
    deadlines: &Deadlines,
    this: Move,
    said: &Said,
    until: Option<Timestamp>,
    now: Timestamp,
) -> anyhow::Result<Exit> {
    let number = said.number;
    let store = Store::join(&main.store, &main.state_dir, &main.zone).await?;
    let (Some(ticket), Some(case)) = (store.ticket(number).await?, store.case(number).await?) else {
        store.close().await;
        eprintln!("jiesu: {}", Error::NoCase(number));
        return Ok(Exit::No);
    };
    let particulars = Particulars {
        unit: said.unit.clone(),
        units: said.with.clone(),
        reason: said.reason.clone(),
        until,
        into: said.into,
        approved: said.approved.clone(),
    };
    let event = match particulars.event(this, (number, &case), (deadlines, terms(&ticket)), now) {
        Ok(event) => event,
        Err(missing) => {
            store.close().await;
            eprintln!("jiesu: {missing}");
            return refuse(&case);
        }
    };
    let done = store.case_happens(number, By::new(author(), Via::Cli), event, now).await;
    store.close().await;
    match done {
        Ok(case) => say(&format!("{}\n", tame(&line(number, &case)))),
        Err(Error::Move(illegal)) => {
            eprintln!("jiesu: {}", tame(&illegal.to_string()));
            refuse(&case)
        }
        Err(error) => Err(error.into()),
    }
}

fn refuse(case: &Case) -> anyhow::Result<Exit> {
    eprintln!("jiesu: the case is {}; what can be done with it: {}", case.state, moves(case).join(", "));
    Ok(Exit::No)
}

fn line(number: Number, case: &Case) -> String {
    let lead = case.lead.as_deref().map(|lead| format!(", {lead} is in charge")).unwrap_or_default();
    format!("ticket {number}: {} ({}){lead}", case.state, case.state.label())
}

async fn show(main: &Main, number: Number, json: bool) -> anyhow::Result<Exit> {
    let Some(store) = stored::look(main).await? else { return Ok(Exit::No) };
    let log = store.case_log(number).await?;
    let Some(case) = store.case(number).await? else {
        eprintln!("jiesu: {}", Error::NoCase(number));
        return Ok(Exit::No);
    };
    if json {
        return say(&format!("{}\n", as_json(&Page::new(number, &case, &log))?));
    }
    say(&page(number, &case, &log, &main.zone)?)
}

/// A case for people.
fn page(number: Number, case: &Case, log: &[Entry], zone: &TimeZone) -> anyhow::Result<String> {
    let mut out = format!("{}\n", tame(&line(number, case)));
    if let Some(limits) = case.limits {
        let limits = [("accept", limits.accept), ("contact", limits.contact), ("answer", limits.answer)];
        let limits: Vec<String> = limits.iter().map(|(name, at)| format!("{name} by {}", time(*at, zone))).collect();
        writeln!(out, "{}", limits.join(", "))?;
    } else {
        writeln!(out, "dispatch by {}", time(case.dispatch, zone))?;
    }
    writeln!(out, "what can be done: {}", moves(case).join(", "))?;
    for entry in log {
        let mut event = serde_json::to_value(&entry.event)?;
        let particulars = event.as_object_mut().map(|object| {
            object.remove("event");
            let shown = object.iter().map(|(key, value)| match value.as_str() {
                Some(text) => format!("{key}: {text}"),
                None => format!("{key}: {value}"),
            });
            shown.collect::<Vec<_>>().join(", ")
        });
        let said = particulars.unwrap_or_default();
        let row = format!("{:>3}  {}  {}  {}  {said}", entry.seq, time(entry.at, zone), entry.event.kind(), entry.by);
        writeln!(out, "{}", tame(row.trim_end()))?;
    }
    Ok(out)
}
