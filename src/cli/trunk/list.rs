//! `jiesu trunk list`.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::bench::named;
use crate::cli::Exit;
use crate::cli::ticket::{as_json, say};
use crate::sip::Trunk;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// One JSON array instead of text.
    #[arg(long)]
    json: bool,
}

/// A trunk as it is shown: no passwords, not even their users' names.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    addresses: Vec<String>,
    outbound: Vec<String>,
    /// Calls at once, and new calls in any second; without: what all trunks together may.
    calls: Option<usize>,
    per_second: Option<u32>,
    /// We challenge its calls.
    challenged: bool,
    /// We have a password for its challenges.
    login: bool,
}

pub fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = match crate::cli::load(config) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    let rows: Vec<Row> = config.trunks.iter().map(row).collect();
    if arguments.json {
        return say(&as_json(&rows)?);
    }
    let mut text = String::new();
    for row in &rows {
        write!(text, "{}", shown(row))?;
    }
    say(&text)
}

fn row(trunk: &Trunk) -> Row {
    Row {
        name: trunk.name.to_string(),
        addresses: trunk.addresses.iter().map(ToString::to_string).collect(),
        outbound: trunk.outbound.iter().map(named).collect(),
        calls: trunk.limits.calls,
        per_second: trunk.limits.per_second,
        challenged: trunk.users.is_some(),
        login: trunk.login.is_some(),
    }
}

fn shown(row: &Row) -> String {
    let listed = |list: &[String]| if list.is_empty() { "none".to_owned() } else { list.join(", ") };
    let limit = |limit: Option<String>| limit.unwrap_or_else(|| "no own limit".to_owned());
    let mut lines = vec![
        row.name.clone(),
        format!("  listed from  {}", listed(&row.addresses)),
        format!("  calls go to  {}", listed(&row.outbound)),
        format!("  calls        {}", limit(row.calls.map(|calls| format!("{calls} at once")))),
        format!("  new calls    {}", limit(row.per_second.map(|calls| format!("{calls} a second")))),
    ];
    if row.challenged {
        lines.push("  passwords    its calls need one".to_owned());
    }
    if row.login {
        lines.push("  login        its challenges are answered".to_owned());
    }
    lines.join("\n") + "\n"
}
