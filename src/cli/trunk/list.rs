//! `jiesu trunk list`.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::Value;

use super::bench::named;
use crate::cli::Exit;
use crate::cli::ticket::{as_json, say, tame};
use crate::cli::trace::get;
use crate::sip::Trunk;
use crate::sip::trunk::locate;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// One JSON array instead of text.
    #[arg(long)]
    json: bool,
    /// Where the daemon's console listens, if not where web.listen says: it knows how the addresses do.
    #[arg(long, value_name = "ADDRESS:PORT")]
    at: Option<SocketAddr>,
}

/// A trunk as it is shown: no passwords, not even their users' names.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    addresses: Vec<String>,
    outbound: Vec<Way>,
    /// Calls at once, and new calls in any second; without: what all trunks together may.
    calls: Option<usize>,
    per_second: Option<u32>,
    /// We challenge its calls.
    challenged: bool,
    /// We have a password for its challenges.
    login: bool,
    /// How our registration with it stands: of a running daemon.
    registration: Option<String>,
}

#[derive(Debug, Serialize)]
struct Way {
    address: String,
    /// `up`, `suspect`, `down`: of a running daemon, where it asks by OPTIONS.
    state: Option<String>,
}

pub fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = match crate::cli::load(config) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let mut rows: Vec<Row> = config.trunks.iter().map(row).collect();
    let at = arguments.at.unwrap_or(config.main.web.listen);
    let runs = match get(at, "/api/v1/trunks") {
        Ok((200, text)) => {
            let seen: Value = serde_json::from_str(&text).context("the daemon's answer")?;
            rows.iter_mut().for_each(|row| row.learn(&seen));
            true
        }
        Ok((code, text)) => anyhow::bail!("the daemon answers {code}: {}", tame(text.trim())),
        Err(_) => false, // no daemon: the files are shown alone
    };
    if arguments.json {
        return say(&as_json(&rows)?);
    }
    let mut text = String::new();
    for row in &rows {
        write!(text, "{}", shown(row))?;
    }
    if !runs {
        writeln!(text, "no daemon answers at {at} (web.listen): how they do is not known")?;
    }
    say(&text)
}

fn row(trunk: &Trunk) -> Row {
    let networks = trunk.addresses.iter().map(ToString::to_string);
    let names = trunk.listed.iter().map(|place| format!("srv:{place}"));
    let written = |way: &locate::Way| match way {
        locate::Way::At(peer) => named(peer),
        locate::Way::Named(place) => place.to_string(),
    };
    Row {
        name: trunk.name.to_string(),
        addresses: networks.chain(names).collect(),
        outbound: trunk.ways.iter().map(|way| Way { address: written(way), state: None }).collect(),
        calls: trunk.limits.calls,
        per_second: trunk.limits.per_second,
        challenged: trunk.users.is_some(),
        login: trunk.login.is_some(),
        registration: None,
    }
}

impl Row {
    /// Takes over what the daemon knows of this trunk.
    fn learn(&mut self, seen: &Value) {
        let mut trunks = seen.as_array().into_iter().flatten();
        let Some(trunk) = trunks.find(|trunk| trunk["name"] == self.name.as_str()) else {
            return; // written after the daemon last read the files
        };
        self.registration = trunk["registration"].as_str().map(str::to_owned);
        for one in trunk["outbound"].as_array().into_iter().flatten() {
            let text = |key: &str| one[key].as_str().unwrap_or_default();
            let (address, state) = (format!("{} {}", text("address"), text("transport")), one["state"].as_str());
            match self.outbound.iter_mut().find(|way| way.address == address) {
                Some(way) => way.state = state.map(str::to_owned),
                // What DNS says of a name.
                None => self.outbound.push(Way { address, state: state.map(str::to_owned) }),
            }
        }
    }
}

fn shown(row: &Row) -> String {
    let listed = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let limit = |limit: Option<String>| limit.unwrap_or_else(|| "no own limit".to_owned());
    let mut lines = vec![
        row.name.clone(),
        format!("  listed from  {}", listed(&row.addresses)),
        format!("  calls go to  {}", listed(&row.outbound.iter().map(Way::shown).collect::<Vec<_>>())),
        format!("  calls        {}", limit(row.calls.map(|calls| format!("{calls} at once")))),
        format!("  new calls    {}", limit(row.per_second.map(|calls| format!("{calls} a second")))),
    ];
    if row.challenged {
        lines.push("  passwords    its calls need one".to_owned());
    }
    if row.login {
        lines.push("  login        its challenges are answered".to_owned());
    }
    if let Some(standing) = &row.registration {
        lines.push(format!("  registration {}", tame(standing)));
    }
    lines.join("\n") + "\n"
}

impl Way {
    fn shown(&self) -> String {
        match &self.state {
            Some(state) => format!("{} ({})", self.address, tame(state)),
            None => self.address.clone(),
        }
    }
}
