//! `jiesu matter list|show|merge|split`: which tickets report the same, and a person's word on it. `jiesu eval matter`:
//! how texts of yours would come together.
//!
//! Merging and splitting write the store beside the running daemon, which goes by what stands there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::Exit;
use super::reload::author;
use super::ticket::{as_json, main, say, tame, time};
use crate::config::Main;
use crate::matter::title::title;
use crate::matter::{Config, Groups, Report};
use crate::store::{self, MatterChange, MatterRow, Named, Store};
use crate::ticket::Number;

/// Rows that a list shows.
const LIST: u32 = 1000;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// What several tickets report, the last reported first.
    List {
        /// An array of objects.
        #[arg(long)]
        json: bool,
        /// Only matters of so many tickets.
        #[arg(long, value_name = "TICKETS", default_value_t = 2)]
        least: u32,
    },
    /// One matter with its tickets, and what people did to it.
    Show {
        #[arg(value_name = "NUMBER")]
        id: i64,
        /// One object.
        #[arg(long)]
        json: bool,
    },
    /// One matter is the same as another: its tickets go there, and stay.
    Merge {
        #[arg(value_name = "NUMBER")]
        from: i64,
        #[arg(value_name = "INTO")]
        into: i64,
    },
    /// These tickets are another matter: they get one of their own, and stay there.
    Split {
        #[arg(value_name = "NUMBER")]
        from: i64,
        #[arg(value_name = "TICKET", required = true)]
        tickets: Vec<Number>,
    },
}

/// A matter with all that is known of it.
#[derive(Serialize)]
struct Page {
    #[serde(flatten)]
    matter: MatterRow,
    tickets: Vec<Number>,
    changes: Vec<MatterChange>,
}

pub fn run(folder: &Path, command: &Command) -> anyhow::Result<Exit> {
    let main = match main(folder) {
        Ok(main) => main,
        Err(exit) => return Ok(exit),
    };
    super::runtime()?.block_on(async {
        match command {
            Command::List { json, least } => list(&main, *json, *least).await,
            Command::Show { id, json } => show(&main, *id, *json).await,
            Command::Merge { from, into } => {
                let store = Store::open(&main.store, &main.state_dir, &main.zone, &[]).await?;
                let done = store.merge_matters(*from, *into, &author(), Timestamp::now()).await?;
                if done.is_ok() {
                    store.title_matter(*into).await?;
                }
                store.close().await;
                told(done.map(|()| format!("matter {from} is merged into {into}\n")))
            }
            Command::Split { from, tickets } => {
                let store = Store::open(&main.store, &main.state_dir, &main.zone, &[]).await?;
                let done = store.split_matter(*from, tickets.clone(), &author(), Timestamp::now()).await?;
                if let Ok(id) = done {
                    store.title_matter(*from).await?;
                    store.title_matter(id).await?;
                }
                store.close().await;
                told(done.map(|id| format!("matter {id} is split from {from}\n")))
            }
        }
    })
}

fn told(done: Result<String, store::Refused>) -> anyhow::Result<Exit> {
    match done {
        Ok(done) => say(&done),
        Err(why) => {
            eprintln!("jiesu: {why}");
            Ok(Exit::No)
        }
    }
}

async fn list(main: &Main, json: bool, least: u32) -> anyhow::Result<Exit> {
    let store = match Store::look(&main.store, &main.state_dir).await {
        Ok(store) => store,
        Err(error @ store::Error::Missing(_)) => {
            eprintln!("jiesu: {error}");
            return if json { say("[]\n") } else { Ok(Exit::Done) };
        }
        Err(error) => return Err(error.into()),
    };
    let rows = store.matters(least.max(1), LIST).await?;
    if json {
        return say(&format!("{}\n", as_json(&rows)?));
    }
    say(&rows.iter().map(|row| line(row, &main.zone)).collect::<String>())
}

async fn show(main: &Main, id: i64, json: bool) -> anyhow::Result<Exit> {
    let store = Store::look(&main.store, &main.state_dir).await?;
    let Some(matter) = store.matter(id).await? else {
        eprintln!("jiesu: there is no matter {id}; `jiesu matter list` shows them");
        return Ok(Exit::No);
    };
    let reported = store.tickets_of_matter(id).await?;
    let changes = store.matter_changes(id).await?;
    if json {
        let tickets = reported.iter().map(|ticket| ticket.number).collect();
        return say(&format!("{}\n", as_json(&Page { matter, tickets, changes })?));
    }
    let mut page = line(&matter, &main.zone);
    for (what, names) in [("places", &matter.places), ("units", &matter.units)] {
        if !names.is_empty() {
            writeln!(page, "  {what}: {}", tame(&counted(names)))?;
        }
    }
    for ticket in &reported {
        let text = ticket.text.as_deref().unwrap_or_default();
        writeln!(page, "  {}  {}  {}", ticket.number, time(ticket.began, &main.zone), tame(text))?;
    }
    for MatterChange { at, author, change } in &changes {
        writeln!(page, "  {}  {}: {}", time(*at, &main.zone), tame(author), tame(change))?;
    }
    say(&page)
}

/// A matter for people.
fn line(row: &MatterRow, zone: &TimeZone) -> String {
    let mut line = format!(
        "{}  {}  {} tickets, {} repeated, {} - {}",
        row.id,
        if row.title.is_empty() { "-" } else { &row.title },
        row.count,
        row.repeats,
        time(row.first, zone),
        time(row.last, zone)
    );
    if let Some(place) = row.places.first() {
        line += &format!("  [{}]", place.name);
    }
    if let Some(alarm) = &row.alarm {
        line += &format!("  ! {alarm}");
    }
    if let Some(into) = row.merged {
        line += &format!("  merged into {into}");
    }
    format!("{}\n", tame(&line))
}

fn counted(names: &[Named]) -> String {
    names.iter().map(|named| format!("{} {}", named.name, named.count)).collect::<Vec<_>>().join(", ")
}

#[derive(Debug, clap::Args)]
pub struct File {
    /// CSV with a header; the columns time, title and text are read.
    file: PathBuf,
    /// Groups that are printed.
    #[arg(long, value_name = "GROUPS", default_value_t = 20)]
    top: usize,
}

/// How texts come together, and how fast.
pub fn eval(folder: &Path, arguments: &File) -> anyhow::Result<Exit> {
    let main = match main(folder) {
        Ok(main) => main,
        Err(exit) => return Ok(exit),
    };
    let text = std::fs::read_to_string(&arguments.file).with_context(|| arguments.file.display().to_string())?;
    let Some(mut rows) = letters(&text) else {
        eprintln!("jiesu: {}: no column is called text", arguments.file.display());
        return Ok(Exit::Usage);
    };
    rows.sort_by_key(|letter| letter.at);
    let config: Config = main.matters.clone();
    let begun = Instant::now();
    let mut groups = Groups::new(config);
    for letter in &rows {
        let (category, street, district, caller) = ([""; 3], None, None, None);
        groups.add(&Report { text: &letter.text, at: letter.at, category, street, district, caller });
    }
    let took = begun.elapsed().as_secs_f64();
    let members = groups.members();
    let several: Vec<&Vec<usize>> = members.iter().filter(|members| members.len() > 1).collect();
    let in_several: usize = several.iter().map(|members| members.len()).sum();
    let mut out = String::new();
    for members in several.iter().take(arguments.top) {
        let texts: Vec<&str> = members.iter().map(|at| rows[*at].text.as_str()).collect();
        let days = (rows[members[members.len() - 1]].at - rows[members[0]].at) / (24 * 3600);
        writeln!(out, "{:>4}  within {days} days  {}", members.len(), tame(&title(&texts, None)))?;
        for text in texts.iter().take(3) {
            writeln!(out, "        {}", tame(&text.chars().take(50).collect::<String>()))?;
        }
    }
    let (all, speed) = (rows.len(), rows.len() as f64 / took.max(1e-9));
    writeln!(out, "{in_several} of {all} texts are in {} groups; {speed:.0} texts a second", several.len())?;
    say(&out)
}

/// A row of the file.
struct Letter {
    at: i64,
    text: String,
}

/// `None`: no column is called text.
fn letters(file: &str) -> Option<Vec<Letter>> {
    let mut records = super::emergency::records(file).map(fields);
    let header = records.next()?;
    let column = |name: &str| header.iter().position(|column| column.trim_start_matches('\u{feff}') == name);
    let text = column("text")?;
    let (time, title) = (column("time"), column("title"));
    let letter = |record: Vec<String>| {
        let get = |column: Option<usize>| column.and_then(|at| record.get(at)).map_or("", String::as_str);
        let parts = [get(title), get(Some(text))];
        Letter { at: moment(get(time)), text: parts.join("\n").trim().to_owned() }
    };
    Some(records.map(letter).collect())
}

/// The fields of a CSV record (RFC 4180).
fn fields(record: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut last = ',';
    for c in record.chars() {
        let field = fields.last_mut().expect("there is one from the beginning on");
        match c {
            '"' if quoted => quoted = false,
            '"' => {
                // Two of them inside a field are one.
                if last == '"' {
                    field.push('"');
                }
                quoted = true;
            }
            ',' if !quoted => fields.push(String::new()),
            c => field.push(c),
        }
        last = c;
    }
    fields
}

/// Unix seconds of "2019/2/28 11:25:05" or "2019-02-28 11:25:05" as if it were UTC; 0 where it is no time.
fn moment(text: &str) -> i64 {
    let numbers: Vec<i16> = text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect();
    let get = |at: usize| numbers.get(at).copied().unwrap_or(0);
    let small = |at: usize| i8::try_from(get(at)).unwrap_or(0);
    jiff::civil::DateTime::new(get(0), small(1), small(2), small(3), small(4), small(5), 0)
        .ok()
        .and_then(|time| TimeZone::UTC.to_timestamp(time).ok())
        .map_or(0, Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_letters() {
        let file =
            "id,time,title,text\n1,2026/2/8 1:02:03,路灯,\"坏了,\"\"三\"\"天\n了\"\n2,2026-02-08 00:00:00,,水\n3,?,x\n";
        let letters = letters(file).expect("a column is called text");
        let texts: Vec<&str> = letters.iter().map(|letter| letter.text.as_str()).collect();
        assert_eq!(texts, ["路灯\n坏了,\"三\"天\n了", "水", "x"]);
        assert_eq!(letters.iter().map(|letter| letter.at).collect::<Vec<_>>(), [1_770_512_523, 1_770_508_800, 0]);
        assert!(super::letters("a,b\n1,2\n").is_none());
    }
}
