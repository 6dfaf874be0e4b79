//! `jiesu outbox list|retry`: what the plugged systems have not taken yet.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Exit;
use super::stored;
use super::ticket::{as_json, main, say, tame, time};
use crate::store::{OutboxRow, OutboxState, Store};
use crate::ticket::Number;

/// Rows read at a time.
const PAGE: u32 = 500;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Deliveries that wait or are parked, the oldest first.
    List {
        /// An array of objects.
        #[arg(long)]
        json: bool,
        /// Those that were sent as well.
        #[arg(long)]
        all: bool,
    },
    /// Parked deliveries (of one ticket) are tried again; a running daemon begins within seconds.
    Retry {
        #[arg(value_name = "NUMBER")]
        number: Option<Number>,
    },
}

pub fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    let main = match main(config) {
        Ok(main) => main,
        Err(exit) => return Ok(exit),
    };
    super::runtime()?.block_on(async {
        let Some(look) = stored::look(&main).await? else {
            return match command {
                Command::List { json: true, .. } => say("[]\n"),
                _ => Ok(Exit::Done),
            };
        };
        match command {
            Command::List { json, all } => list(&look, &main.zone, *json, *all).await,
            Command::Retry { number } => {
                if let Some(number) = number
                    && look.ticket(*number).await?.is_none()
                {
                    eprintln!("jiesu: no ticket {number}");
                    return Ok(Exit::No);
                }
                let store = Store::open(&main.store, &main.state_dir, &main.zone, &[]).await?;
                let count = store.retry(*number, Timestamp::now()).await?;
                store.close().await;
                match count {
                    0 => say("nothing is parked\n"),
                    _ => say(&format!("{count} parked: tried again within seconds, if the daemon runs\n")),
                }
            }
        }
    })
}

async fn list(store: &Store, zone: &TimeZone, json: bool, all: bool) -> anyhow::Result<Exit> {
    let mut after = 0;
    let mut separator = "[";
    loop {
        let rows = store.outbox(all, after, PAGE).await?;
        let mut text = String::new();
        for row in &rows {
            after = row.id;
            if json {
                text += separator;
                text += &as_json(row)?;
                separator = ",\n";
            } else {
                text += &line(row, zone);
            }
        }
        let end = rows.len() < PAGE as usize;
        if end && json {
            text += if separator == "[" { "[]\n" } else { "]\n" };
        }
        say(&text)?;
        if end {
            return Ok(Exit::Done);
        }
    }
}

/// A row for people.
fn line(row: &OutboxRow, zone: &TimeZone) -> String {
    let state = match row.state {
        OutboxState::Waiting => format!("待发 waiting until {}", time(row.due, zone)),
        OutboxState::Sent => "已发 sent".to_owned(),
        OutboxState::Parked => "搁置 parked".to_owned(),
    };
    let reason = row.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let tries = if row.tries == 1 { "1 try".to_owned() } else { format!("{} tries", row.tries) };
    format!("{}\n", tame(&format!("{}  {}  {}  {state}, {tries}{reason}", row.key, row.backend, row.event)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_why_it_is_parked_and_steers_nothing() {
        let row = OutboxRow {
            id: 1,
            backend: "city".into(),
            ticket: Number::new(jiff::civil::date(2026, 11, 24), 71).expect("a number"),
            event: "created".into(),
            key: "2611240000718-1".into(),
            payload: String::new(),
            state: OutboxState::Parked,
            tries: 1,
            due: Timestamp::UNIX_EPOCH,
            reason: Some("410 Gone: \u{1b}[31m".into()),
        };
        let shown = line(&row, &TimeZone::UTC);
        assert_eq!(shown, "2611240000718-1  city  created  搁置 parked, 1 try: 410 Gone: \\u{1b}[31m\n");
        let waiting = OutboxRow { state: OutboxState::Waiting, reason: None, tries: 0, ..row };
        assert!(line(&waiting, &TimeZone::UTC).contains("waiting until 1970-01-01 00:00:00, 0 tries\n"));
    }
}
