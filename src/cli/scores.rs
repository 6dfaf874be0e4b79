//! `jiesu scores`: the figures of a month or a day; `export` writes the log that they follow from, `verify` counts them
//! again from that log by another way.

mod export;
mod recount;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;

use super::Exit;
use super::stored;
use super::ticket::{as_json, say, tame, time};
use crate::casework::scores::{By, Class, Config as Assessment, Facts, Month, Roll, Row, Sheet, Table, Window};
use crate::config::Config;
use crate::store::Assessed;
use crate::ticket::case::Case;

/// Tickets that are read at a time.
const PAGE: u32 = 500;
/// Differences that are shown.
const SHOWN: usize = 50;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    period: Period,
    /// Who is compared: street, district, department or category.
    #[arg(long, value_name = "WHOM", default_value = "street")]
    by: By,
    /// One object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The log that the figures follow from, one JSON object a line: units, tickets, events. No telephone number is in it.
    Export {
        /// A new file; `-` is standard output.
        file: PathBuf,
        #[command(flatten)]
        period: Period,
    },
    /// Count every figure again from the log, in SQL. Exit 1 where one differs.
    Verify {
        /// A log that `export` wrote; without it the store's.
        #[arg(long, value_name = "FILE")]
        log: Option<PathBuf>,
        /// Figures as `jiesu scores --json` printed them; without it all tables, as they would be printed now.
        #[arg(long, value_name = "FILE")]
        scores: Option<PathBuf>,
        #[command(flatten)]
        period: Period,
    },
}

/// The present month, if nothing else is asked for.
#[derive(Debug, Args)]
struct Period {
    /// The month that ends in this one: 2026-11.
    #[arg(long, value_name = "MONTH", conflicts_with = "day")]
    month: Option<Month>,
    /// A day: 2026-11-27.
    #[arg(long, value_name = "DATE")]
    day: Option<Date>,
}

/// What is asked for, and the time before that it is compared with.
struct Windows {
    name: String,
    now: Window,
    before: Window,
}

impl Period {
    fn windows(&self, config: &Config) -> anyhow::Result<Windows> {
        let (settings, zone) = (&config.main.assessment, &config.main.zone);
        if let Some(day) = self.day {
            let now = settings.day(day, zone);
            let before = settings.day(day.yesterday().context("there is no day before")?, zone);
            return Ok(Windows { name: day.to_string(), now, before });
        }
        let month = self.month.or_else(|| settings.month_of(Timestamp::now(), zone));
        Windows::of(config, &month.ok_or_else(|| anyhow!("the clock is not in the years 2000 to 2099"))?.to_string())
    }
}

impl Windows {
    /// Of a name that [`Table::period`] has.
    fn of(config: &Config, name: &str) -> anyhow::Result<Windows> {
        let (settings, zone) = (&config.main.assessment, &config.main.zone);
        match name.parse::<Month>() {
            Ok(month) => Ok(Windows {
                name: month.to_string(),
                now: settings.month(month, zone),
                before: settings.month(month.before(), zone),
            }),
            Err(no_month) => {
                let day = name.parse::<Date>().map_err(|_| anyhow!(no_month))?;
                Period { month: None, day: Some(day) }.windows(config)
            }
        }
    }
}

/// What is counted of both windows.
struct Figures {
    now: Sheet,
    before: Sheet,
}

impl Figures {
    fn new(windows: &Windows) -> Figures {
        Figures { now: Sheet::new(windows.now), before: Sheet::new(windows.before) }
    }

    fn ticket(&mut self, settings: &Assessment, roll: &Roll, facts: &Facts, log: &[crate::ticket::case::Entry]) {
        self.now.ticket(settings, roll, facts, log);
        self.before.ticket(settings, roll, facts, log);
    }

    fn table(&self, settings: &Assessment, roll: &Roll, windows: &Windows, by: By) -> Table {
        Table::new(settings, roll, windows.name.as_str(), by, &self.now, &self.before)
    }
}

pub fn run(folder: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = match super::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let runtime = super::runtime()?;
    match &arguments.command {
        None => runtime.block_on(show(&config, arguments)),
        Some(Command::Export { file, period }) => runtime.block_on(export::run(&config, file, period)),
        Some(Command::Verify { log, scores, period }) => {
            runtime.block_on(verify(&config, log.as_deref(), scores.as_deref(), period))
        }
    }
}

async fn show(config: &Config, arguments: &Arguments) -> anyhow::Result<Exit> {
    let windows = arguments.period.windows(config)?;
    let roll = Roll::of(&config.places, &config.units);
    let settings = &config.main.assessment;
    let mut figures = Figures::new(&windows);
    let found = each(config, &windows, |ticket| {
        figures.ticket(settings, &roll, &facts(&ticket), &ticket.log);
        Ok(())
    });
    if !found.await? {
        return Ok(Exit::No);
    }
    let table = figures.table(settings, &roll, &windows, arguments.by);
    say(&if arguments.json { as_json(&table)? + "\n" } else { page(&table, config) })
}

/// Everything that is assessed in both windows. `false`: there is no store yet.
async fn each(
    config: &Config,
    windows: &Windows,
    mut ticket: impl FnMut(Assessed) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let Some(store) = stored::look(&config.main).await? else { return Ok(false) };
    let mut last = None;
    loop {
        let page = store.assessed(windows.before.from, windows.now.until, last, PAGE).await?;
        last = page.last().map(|ticket| ticket.number).or(last);
        let end = page.len() < PAGE as usize;
        page.into_iter().try_for_each(&mut ticket)?;
        if end {
            return Ok(true);
        }
    }
}

fn facts(ticket: &Assessed) -> Facts {
    Facts { place: ticket.place.clone(), category: ticket.category[0].clone() }
}

/// Counts again what was counted, by another way and from the log alone.
async fn verify(config: &Config, log: Option<&Path>, scores: Option<&Path>, period: &Period) -> anyhow::Result<Exit> {
    let read = |file: &Path| std::fs::read_to_string(file).with_context(|| file.display().to_string());
    let published: Option<Table> = match scores {
        Some(file) => Some(serde_json::from_str(&read(file)?).with_context(|| file.display().to_string())?),
        None => None,
    };
    let windows = match &published {
        Some(table) => Windows::of(config, &table.period)?,
        None => period.windows(config)?,
    };
    let settings = &config.main.assessment;
    let text = match log {
        Some(file) => read(file)?,
        None => match export::text(config, &windows).await? {
            Some(text) => text,
            None => return Ok(Exit::No),
        },
    };
    let mut wrong: Vec<String> = Vec::new();
    let tables = match published {
        Some(table) => {
            if table.window != windows.now {
                wrong.push(format!("{}: the period is not what [assessment] says now", table.period));
            }
            vec![table]
        }
        None => {
            let mut figures = Figures::new(&windows);
            let mut roll = Roll::default();
            for (number, facts, log) in export::read(&text, &mut roll)? {
                if let Err(illegal) = Case::of(log.iter().map(|entry| (&entry.event, entry.at))) {
                    wrong.push(format!("ticket {number}: {illegal}"));
                }
                figures.ticket(settings, &roll, &facts, &log);
            }
            By::ALL.into_iter().map(|by| figures.table(settings, &roll, &windows, by)).collect()
        }
    };
    let again = recount::Recount::new(settings, &text, &windows.now, &windows.before).await?;
    let mut figures = 0;
    for table in &tables {
        let counted = again.table(table.by).await?;
        figures += counted.compare(table, &mut wrong);
    }
    wrong.iter().take(SHOWN).for_each(|line| eprintln!("jiesu: {}", tame(line)));
    if wrong.len() > SHOWN {
        eprintln!("jiesu: and {} more", wrong.len() - SHOWN);
    }
    let rows: usize = tables.iter().map(|table| table.rows.len() + 1).sum();
    let lines = again.events();
    say(&format!(
        "{}: {} tables, {rows} rows, {figures} figures counted again from {lines} events: {} differ\n",
        windows.name,
        tables.len(),
        wrong.len()
    ))?;
    Ok(if wrong.is_empty() { Exit::Done } else { Exit::No })
}

/// A table for people.
fn page(table: &Table, config: &Config) -> String {
    let zone = &config.main.zone;
    let mut page = format!(
        "{} by {}, {} to {}\n",
        table.period,
        table.by,
        time(table.window.from, zone),
        time(table.window.until, zone)
    );
    page +=
        "rank  综合    响应    解决    满意    valid/tried  no answer  invalid  剔除  reopened  change  class  who\n";
    let rows = table.rows.iter().chain([&table.total]);
    rows.for_each(|row| line(&mut page, row));
    page
}

fn line(page: &mut String, row: &Row) {
    let (count, rates) = (&row.count, row.rates);
    let rate = |of: Option<f64>| of.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.2}"));
    let name = if row.key.is_empty() { "all" } else { &row.name };
    // Writing to a String cannot fail.
    let _ = writeln!(
        page,
        "{:>4}  {:<6}  {:<6}  {:<6}  {:<6}  {:>5}/{:<5}  {:>9}  {:>7}  {:>4}  {:>8}  {:>6}  {}  {}",
        row.rank.map_or_else(String::new, |rank| rank.to_string()),
        rate(rates.map(|rates| rates.composite)),
        rate(rates.map(|rates| rates.response)),
        rate(rates.map(|rates| rates.solution)),
        rate(rates.map(|rates| rates.satisfaction)),
        count.valid,
        count.tried,
        count.no_answer,
        count.invalid,
        count.excluded,
        count.reopened,
        row.change.map_or_else(|| "-".to_owned(), |change| format!("{change:+.2}")),
        row.class.map_or("-", Class::label),
        tame(name)
    );
}
