//! `jiesu reload`: the running daemon takes what lies in its folder, or says why not.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;

use super::Exit;
use super::stored::console;
use super::ticket::{say, tame};
use super::trace::post;
use crate::web::reload::Answer;

/// How long a daemon may take to read and check a folder.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Why, for `jiesu flow versions`.
    #[arg(long, default_value = "")]
    note: String,
    /// Where the daemon's console listens, if not where web.listen says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    at: Option<SocketAddr>,
}

pub fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let at = match console(config, arguments.at) {
        Ok(at) => at,
        Err(exit) => return Ok(exit),
    };
    let answer = ask(at, None, &arguments.note)?;
    let answer = answer.with_context(|| format!("no daemon answers at {at} (web.listen)"))?;
    tell(&answer)
}

/// Asks the daemon to take the folder, or a version. `None`: no daemon answers there.
pub(super) fn ask(at: SocketAddr, version: Option<i64>, note: &str) -> anyhow::Result<Option<Answer>> {
    let (path, body) = match version {
        None => ("/api/v1/reload", json!({ "author": author(), "note": note })),
        Some(version) => ("/api/v1/flow/activate", json!({ "author": author(), "note": note, "version": version })),
    };
    let Ok((code, text)) = post(at, path, &body.to_string(), PATIENCE) else { return Ok(None) };
    let answer = serde_json::from_str(&text);
    answer.map(Some).with_context(|| format!("the daemon answers {code}: {}", tame(text.trim())))
}

/// Says what became of it; 1 if it was refused.
pub(super) fn tell(answer: &Answer) -> anyhow::Result<Exit> {
    if !answer.taken {
        answer.faults.iter().for_each(|fault| eprintln!("{}", tame(fault)));
        let count = answer.faults.len();
        eprintln!("jiesu: refused for {count} fault{}; nothing has changed", if count == 1 { "" } else { "s" });
        return Ok(Exit::No);
    }
    let number = answer.number.map_or_else(|| "a version that could not be kept".into(), |n| format!("version {n}"));
    say(&format!("taken: new calls follow {number} ({}); running calls keep theirs\n", tame(&answer.version)))
}

/// Who changes something, as the system knows them.
pub(super) fn author() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
    named.unwrap_or_else(|| format!("uid {}", rustix::process::geteuid().as_raw()))
}
