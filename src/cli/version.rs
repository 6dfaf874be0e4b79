//! `jiesu flow versions|rollback|activate|withdraw`: what calls followed, follow and will follow.
//!
//! Reads and writes the store beside a running daemon, which sees what is due within a second. What shall be taken is
//! checked here first, so that a fault is seen by the one who makes it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use serde_json::json;

use super::Exit;
use super::reload::{ask, author, tell};
use super::stored;
use super::ticket::{as_json, main, say, tame, time};
use crate::app;
use crate::config::version::{Archive, Files};
use crate::config::{self, Main};
use crate::store::{ActivationRow, ActivationState, Store, VersionRow};

/// Rows that a list shows.
const LIST: u32 = 10_000;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Every version that calls have followed, the newest first, and what is planned.
    Versions {
        /// An array of objects.
        #[arg(long)]
        json: bool,
    },
    /// Put the files of an earlier version back into the folder, and take them.
    Rollback {
        #[arg(value_name = "NUMBER")]
        number: i64,
        /// Why, for `jiesu flow versions`.
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Let new calls follow a version, now or at a time. The folder stays as it is.
    Activate(Activate),
    /// Lead past calls through the flows in the folder; exit 1 if the outcome of any would change.
    Replay(super::replay::Arguments),
    /// Take a planned activation back.
    Withdraw {
        /// As `jiesu flow versions` shows it.
        #[arg(value_name = "PLAN")]
        plan: i64,
    },
}

#[derive(Debug, clap::Args)]
pub struct Activate {
    /// A version's number, as `jiesu flow versions` shows it.
    #[arg(value_name = "NUMBER", required_unless_present = "from", conflicts_with = "from")]
    number: Option<i64>,
    /// A changed copy of the configuration folder.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// "2026-11-27 21:00", or "21:00" for the next time it is that late. Without it: now.
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Why, for `jiesu flow versions`.
    #[arg(long, default_value = "")]
    note: String,
}

pub fn run(folder: &Path, command: &Command) -> anyhow::Result<Exit> {
    if let Command::Replay(arguments) = command {
        return super::replay::run(folder, arguments);
    }
    let main = match main(folder) {
        Ok(main) => main,
        Err(exit) => return Ok(exit),
    };
    super::runtime()?.block_on(async {
        match command {
            Command::Versions { json } => versions(folder, &main, *json).await,
            Command::Rollback { number, note } => rollback(folder, &main, *number, note).await,
            Command::Activate(activate) => activate.run(folder, &main).await,
            Command::Withdraw { plan } => withdraw(&main, *plan).await,
            Command::Replay(_) => Ok(Exit::Usage), // answered above: it needs the whole configuration
        }
    })
}

async fn open(main: &Main) -> anyhow::Result<Store> {
    Ok(Store::open(&main.store, &main.state_dir, &main.zone, &[]).await?)
}

async fn versions(folder: &Path, main: &Main, json: bool) -> anyhow::Result<Exit> {
    let Some(store) = stored::look(main).await? else {
        return if json { say("[]\n") } else { Ok(Exit::Done) };
    };
    let (rows, log) = (store.versions(LIST).await?, store.all_activations(LIST).await?);
    let running = store.last_activation().await?.map(|last| last.version);
    if json {
        let rows: Vec<serde_json::Value> = rows.iter().map(|row| object(row, &log, running)).collect();
        return say(&format!("{}\n", as_json(&rows)?));
    }
    let mut text = String::new();
    for row in &rows {
        text += &page(row, &log, running == Some(row.number), &main.zone);
    }
    let here = Files::read(folder).id();
    if let Some(row) = rows.iter().find(|row| Some(row.number) == running && row.id != here) {
        let held = rows
            .iter()
            .find(|row| row.id == here)
            .map_or("files that were never taken".to_owned(), |row| format!("version {}", row.number));
        text += &format!(
            "{} holds {held}; `jiesu reload` takes it, `jiesu flow rollback {}` puts version {} there\n",
            folder.display(),
            row.number,
            row.number
        );
    }
    say(&text)
}

fn object(row: &VersionRow, log: &[ActivationRow], running: Option<i64>) -> serde_json::Value {
    let log = log.iter().filter(|a| a.version == row.number).map(|a| {
        json!({ "plan": a.id, "at": a.due.to_string(), "state": a.state.word(), "author": a.author, "note": a.note,
                "why": a.why })
    });
    json!({ "number": row.number, "version": row.id.to_string(), "saved": row.saved.to_string(), "author": row.author,
            "note": row.note, "running": running == Some(row.number), "log": log.collect::<Vec<_>>() })
}

/// A version for people.
fn page(row: &VersionRow, log: &[ActivationRow], running: bool, zone: &TimeZone) -> String {
    let note = if row.note.is_empty() { String::new() } else { format!(": {}", row.note) };
    let mark = if running { "  <- new calls follow it" } else { "" };
    let mut text = format!(
        "{}\n",
        tame(&format!("{}  {}  {}  {}{note}{mark}", row.number, row.id, time(row.saved, zone), row.author))
    );
    for one in log.iter().filter(|one| one.version == row.number) {
        let state = match one.state {
            ActivationState::Waiting => format!("planned (plan {})", one.id),
            ActivationState::Taken => "taken".to_owned(),
            ActivationState::Refused => "refused".to_owned(),
            ActivationState::Withdrawn => "withdrawn".to_owned(),
        };
        let why =
            one.why.as_deref().and_then(|why| why.lines().next()).map(|why| format!(": {why}")).unwrap_or_default();
        text += &format!("{}\n", tame(&format!("    {}  {state} by {}{why}", time(one.due, zone), one.author)));
    }
    text
}

/// A kept version, found to be good beside the folder's other files; otherwise its faults are printed.
async fn good(folder: &Path, main: &Main, store: &Store, number: i64) -> anyhow::Result<Result<Files, Exit>> {
    let Some(row) = store.version(number).await? else {
        eprintln!("jiesu: there is no version {number}; `jiesu flow versions` lists them");
        return Ok(Err(Exit::No));
    };
    let archive = Archive::new(&main.state_dir);
    let files = archive.get(&row.files).with_context(|| format!("version {number}"))?;
    if let Err(faults) = app::reload::check(&archive, folder, &files) {
        faults.iter().for_each(|fault| eprintln!("version {number}: {}", tame(&fault.to_string())));
        eprintln!("jiesu: version {number} does not fit the other files any more; nothing has changed");
        return Ok(Err(Exit::No));
    }
    Ok(Ok(files))
}

async fn rollback(folder: &Path, main: &Main, number: i64, note: &str) -> anyhow::Result<Exit> {
    let store = open(main).await?;
    let files = match good(folder, main, &store, number).await? {
        Ok(files) => files,
        Err(exit) => return Ok(exit),
    };
    // What stands in the folder may never have been taken: it is kept, so that nobody's work is lost.
    let before = Files::read(folder);
    let contents = Archive::new(&main.state_dir).put(&before)?;
    let why = format!("in the folder before the rollback to {number}");
    let saved = store.keep_version(before.id(), contents, (&author(), &why), Timestamp::now()).await?;
    store.close().await;
    if let Err(error) = files.write(folder) {
        before.write(folder).context("the folder is left half written; mend its permissions and try again")?;
        bail!("{}: {error}; run this as somebody who may write there", folder.display());
    }
    if saved != number {
        eprintln!("jiesu: what was in {} is version {saved}", folder.display());
    }
    let note = if note.is_empty() { format!("rollback to {number}") } else { note.to_owned() };
    match ask(main.web.listen, None, &note)? {
        Some(answer) => tell(&answer),
        None => {
            say(&format!("{} holds version {number}; no daemon runs, the next one begins with it\n", folder.display()))
        }
    }
}

impl Activate {
    async fn run(&self, folder: &Path, main: &Main) -> anyhow::Result<Exit> {
        let at = match self.at.as_deref().map(|text| when(text, Timestamp::now(), &main.zone)).transpose() {
            Ok(at) => at,
            Err(what) => {
                eprintln!("jiesu: --at: {what}");
                return Ok(Exit::Usage);
            }
        };
        let store = open(main).await?;
        let number = match (&self.from, self.number) {
            (Some(from), _) => match self.keep(from, folder, main, &store).await? {
                Ok(number) => number,
                Err(exit) => return Ok(exit),
            },
            (None, number) => {
                let number = number.unwrap_or_default();
                match good(folder, main, &store, number).await? {
                    Ok(_) => number,
                    Err(exit) => return Ok(exit),
                }
            }
        };
        let Some(at) = at else {
            store.close().await;
            let answer = ask(main.web.listen, Some(number), &self.note)?;
            return tell(&answer.with_context(|| format!("no daemon answers at {} (web.listen)", main.web.listen))?);
        };
        let plan = ActivationRow {
            id: 0,
            version: number,
            due: at,
            state: ActivationState::Waiting,
            author: author(),
            note: self.note.clone(),
            why: None,
            folder: None,
        };
        let plan = store.activation(plan).await?;
        store.close().await;
        say(&format!("plan {plan}: new calls follow version {number} from {}\n", time(at, &main.zone)))
    }

    /// A copy of the folder becomes a version, if it is good.
    async fn keep(&self, from: &Path, folder: &Path, main: &Main, store: &Store) -> anyhow::Result<Result<i64, Exit>> {
        let config = match config::load_with(folder, from) {
            Ok(config) => config,
            Err(faults) => {
                eprint!("{faults}");
                eprintln!("jiesu: {} is not good; nothing has changed", from.display());
                return Ok(Err(Exit::No));
            }
        };
        let contents = Archive::new(&main.state_dir).put(&config.files)?;
        Ok(Ok(store.keep_version(config.version, contents, (&author(), &self.note), Timestamp::now()).await?))
    }
}

async fn withdraw(main: &Main, plan: i64) -> anyhow::Result<Exit> {
    let store = open(main).await?;
    let done = store.decide(plan, ActivationState::Withdrawn, None, None).await?;
    store.close().await;
    if done {
        return say(&format!("plan {plan} is withdrawn\n"));
    }
    eprintln!("jiesu: no plan {plan} waits; `jiesu flow versions` lists them");
    Ok(Exit::No)
}

/// A time as people write it; a time of day is the next one.
pub(super) fn when(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let in_zone = |at: DateTime| zone.to_timestamp(at).map_err(|error| error.to_string());
    let at = if let Ok(at) = text.parse::<Timestamp>() {
        at
    } else if let Ok(at) = text.parse::<DateTime>() {
        in_zone(at)?
    } else if let Ok(time) = text.parse::<Time>() {
        let today = now.to_zoned_datetime(zone.clone()).date();
        let at = in_zone(today.to_datetime(time))?;
        if at > now { at } else { in_zone(today.tomorrow().map_err(|error| error.to_string())?.to_datetime(time))? }
    } else {
        return Err(format!("\"{text}\" is no time; write \"2026-11-27 21:00\" or \"21:00\""));
    };
    if at <= now {
        return Err(format!("{} is over", super::ticket::time(at, zone)));
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let now: Timestamp = "2026-11-27T12:30:00Z".parse().expect("a time"); // 20:30 there
        let read = |text: &str| when(text, now, &zone).map(|at| at.to_string());
        assert_eq!(read("21:00").as_deref(), Ok("2026-11-27T13:00:00Z"));
        assert_eq!(read("20:15").as_deref(), Ok("2026-11-28T12:15:00Z"));
        assert_eq!(read("2026-11-29 08:00").as_deref(), Ok("2026-11-29T00:00:00Z"));
        assert_eq!(read("2026-11-27T13:30:00Z").as_deref(), Ok("2026-11-27T13:30:00Z"));
        assert!(read("2026-11-27 20:00").is_err_and(|what| what.contains("is over")));
        assert!(read("tonight").is_err_and(|what| what.contains("21:00")));
    }
}
