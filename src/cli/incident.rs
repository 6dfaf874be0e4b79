//! `jiesu incident add|list|close`: what callers from a place hear first, so that they need not tell it again.
//!
//! Writes the store beside the running daemon, whose callers hear of it within a second.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Exit;
use super::reload::author;
use super::stored;
use super::ticket::{as_json, main, say, tame, time};
use super::version::when;
use crate::config::{self, Main};
use crate::store::{IncidentRow, MOST_OPEN, Store};
use crate::ticket::Number;
use crate::web::incidents::fault;

/// Rows that a list shows.
const LIST: u32 = 1000;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// From now on callers whom it concerns hear of it first; 1 adds them to it.
    Add(Add),
    /// What is open, the newest first.
    List {
        /// An array of objects.
        #[arg(long)]
        json: bool,
        /// What ever was, too.
        #[arg(long)]
        all: bool,
    },
    /// It is over.
    Close {
        #[arg(value_name = "NUMBER")]
        id: i64,
    },
}

#[derive(Debug, clap::Args)]
pub struct Add {
    /// What callers hear, e.g. "康邑园停水,预计今晚八点恢复".
    #[arg(value_name = "TEXT", required_unless_present = "from_matter")]
    text: Option<String>,
    /// A matter about which many call (`jiesu matter list`): its title is the text, its streets the places, its first
    /// ticket the one to which the others are linked, where nothing else is given.
    #[arg(long, value_name = "NUMBER")]
    from_matter: Option<i64>,
    /// A street or district, as places/ names it: whose last ticket was there, or who says so, is concerned.
    #[arg(long, value_name = "NAME")]
    place: Vec<String>,
    /// A word that callers say who mean it: a compound, a road.
    #[arg(long, value_name = "WORD")]
    word: Vec<String>,
    /// The first digits of the numbers that call from there.
    #[arg(long, value_name = "DIGITS")]
    caller: Vec<String>,
    /// "2026-11-27 20:00", or "20:00" for the next time it is that late.
    #[arg(long, value_name = "TIME")]
    until: String,
    /// The ticket to which callers' tickets are linked; without it the first caller's.
    #[arg(long, value_name = "NUMBER")]
    ticket: Option<Number>,
}

pub fn run(folder: &Path, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Add(add) => add.run(folder),
        Command::List { json, all } => {
            let main = match main(folder) {
                Ok(main) => main,
                Err(exit) => return Ok(exit),
            };
            super::runtime()?.block_on(list(&main, *json, *all))
        }
        Command::Close { id } => {
            let main = match main(folder) {
                Ok(main) => main,
                Err(exit) => return Ok(exit),
            };
            super::runtime()?.block_on(close(&main, *id))
        }
    }
}

impl Add {
    fn run(&self, folder: &Path) -> anyhow::Result<Exit> {
        let config = match super::load(folder) {
            Ok(config) => config,
            Err(exit) => return Ok(exit),
        };
        let now = Timestamp::now();
        let until = match when(&self.until, now, &config.main.zone) {
            Ok(until) => until,
            Err(what) => {
                eprintln!("jiesu: --until: {what}");
                return Ok(Exit::Usage);
            }
        };
        if let Some(name) = self.place.iter().find(|name| !known(&config, name)) {
            eprintln!("jiesu: --place: places/ has no \"{name}\"; write a street or district in full, or use --word");
            return Ok(Exit::No);
        }
        let row = IncidentRow {
            id: 0,
            text: self.text.clone().unwrap_or_default(),
            places: self.place.clone(),
            words: self.word.clone(),
            callers: self.caller.clone(),
            since: now,
            until,
            closed: None,
            author: author(),
            ticket: self.ticket,
            joined: 0,
        };
        super::runtime()?.block_on(self.write(&config, row))
    }

    /// What is not given is taken from the matter. `false`: there is none.
    async fn complete(&self, store: &Store, config: &config::Config, row: &mut IncidentRow) -> anyhow::Result<bool> {
        let Some(id) = self.from_matter else { return Ok(true) };
        let Some(matter) = store.matter(id).await? else { return Ok(false) };
        if self.text.is_none() {
            row.text = matter.title;
        }
        if row.places.is_empty() && row.words.is_empty() && row.callers.is_empty() {
            row.places = matter.places.into_iter().map(|place| place.name).filter(|name| known(config, name)).collect();
        }
        if row.ticket.is_none() {
            row.ticket = store.tickets_of_matter(id).await?.first().map(|ticket| ticket.number);
        }
        Ok(true)
    }

    async fn write(&self, config: &config::Config, mut row: IncidentRow) -> anyhow::Result<Exit> {
        let main = &config.main;
        let store = Store::open(&main.store, &main.state_dir, &main.zone, &[]).await?;
        if !self.complete(&store, config, &mut row).await? {
            eprintln!("jiesu: there is no such matter; `jiesu matter list` shows them");
            return Ok(Exit::No);
        }
        if let Some(what) = fault(&row) {
            eprintln!("jiesu: {what}");
            return Ok(Exit::No);
        }
        if let Some(number) = row.ticket
            && store.ticket(number).await?.is_none()
        {
            eprintln!("jiesu: no ticket {number}");
            return Ok(Exit::No);
        }
        let until = row.until;
        let id = store.incident_known(row).await?;
        store.close().await;
        match id {
            Some(id) => say(&format!("incident {id}: callers hear of it until {}\n", time(until, &main.zone))),
            None => {
                eprintln!("jiesu: {MOST_OPEN} incidents are open; close one first");
                Ok(Exit::No)
            }
        }
    }
}

fn known(config: &config::Config, name: &str) -> bool {
    config.places.areas().any(|area| area.name == name)
}

async fn list(main: &Main, json: bool, all: bool) -> anyhow::Result<Exit> {
    let Some(store) = stored::look(main).await? else {
        return if json { say("[]\n") } else { Ok(Exit::Done) };
    };
    let rows = if all { store.all_incidents(LIST).await? } else { store.open_incidents(Timestamp::now()).await? };
    if json {
        return say(&format!("{}\n", as_json(&rows)?));
    }
    say(&rows.iter().map(|row| line(row, &main.zone)).collect::<String>())
}

/// An incident for people.
fn line(row: &IncidentRow, zone: &TimeZone) -> String {
    let area: Vec<&str> = row.places.iter().chain(&row.words).chain(&row.callers).map(String::as_str).collect();
    let end = match row.closed {
        Some(closed) => format!("closed {}", time(closed, zone)),
        None => format!("until {}", time(row.until, zone)),
    };
    let ticket = row.ticket.map(|number| format!(", ticket {number}")).unwrap_or_default();
    let shown = format!("{}  {}  [{}]  {end}, {} added{ticket}", row.id, row.text, area.join(" "), row.joined);
    format!("{}\n", tame(&shown))
}

async fn close(main: &Main, id: i64) -> anyhow::Result<Exit> {
    let store = Store::open(&main.store, &main.state_dir, &main.zone, &[]).await?;
    let done = store.incident_over(id, Timestamp::now()).await?;
    store.close().await;
    if done {
        return say(&format!("incident {id} is closed\n"));
    }
    eprintln!("jiesu: no incident {id} is open; `jiesu incident list` shows them");
    Ok(Exit::No)
}
