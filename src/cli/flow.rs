//! `jiesu flow`: look at a flow before anybody calls: as a tree, as a picture, in conversation, against its old version.

mod diff;
mod picture;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::Exit;
use super::ticket::say;
use crate::config::{self, Config};
use crate::ivr::coverage::Coverage;
use crate::ivr::script::World;
use crate::ivr::{Flow, script, show, sketch};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The flow as a tree in plain Chinese, with seconds.
    Show {
        /// A file of flows/, without its ending.
        #[arg(default_value = "main")]
        flow: String,
    },
    /// The flow as a picture (SVG).
    Graph {
        #[arg(default_value = "main")]
        flow: String,
        #[arg(short, long, value_name = "FILE", default_value = "flow.svg")]
        output: PathBuf,
    },
    /// Hold conversations written down (tests/flows/*.script) against a flow. Exit 1 if one of them goes otherwise.
    Test {
        /// Scripts, or folders of them.
        #[arg(default_value = "tests/flows", value_name = "FILE")]
        scripts: Vec<PathBuf>,
        #[arg(long, default_value = "main")]
        flow: String,
    },
    #[command(flatten)]
    Version(super::version::Command),
    /// What changes for callers between two versions or folders, in plain Chinese. Exit 1 if anything does.
    Diff {
        /// A version's number, `.` for the configuration folder, or another folder.
        old: String,
        new: String,
        /// From when it will be so; stands before each line, instead of the time at which the new version is planned.
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
    },
}

pub fn run(folder: &Path, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Show { flow } => {
            with(folder, flow, |config, flow| say(&show::show(flow, config.proof.premises(flow))))
        }
        Command::Graph { flow, output } => with(folder, flow, |config, flow| {
            let svg = picture::svg(&sketch::sketch(flow, &config.proof.spoken));
            std::fs::write(output, svg).with_context(|| output.display().to_string())?;
            println!("{}", output.display());
            Ok(Exit::Done)
        }),
        Command::Test { scripts, flow } => with(folder, flow, |config, flow| test(config, flow, scripts)),
        Command::Version(command) => super::version::run(folder, command),
        Command::Diff { old, new, from } => diff::run(folder, old, new, from.as_deref()),
    }
}

/// With one flow of the folder.
fn with(
    folder: &Path,
    name: &str,
    act: impl FnOnce(&Config, &Arc<Flow>) -> anyhow::Result<Exit>,
) -> anyhow::Result<Exit> {
    let config = match config::load_to_look(folder) {
        Ok(config) => config,
        Err(faults) => {
            eprint!("{faults}");
            return Ok(Exit::Usage);
        }
    };
    match config.flows.get(name) {
        Some(flow) => act(&config, flow),
        None => {
            let mut known: Vec<&str> = config.flows.keys().map(String::as_str).collect();
            known.sort_unstable();
            eprintln!("jiesu: there is no flow {name}; known: {}", known.join(", "));
            Ok(Exit::Usage)
        }
    }
}

/// Every script, and what of the flow none of them comes through.
fn test(config: &Config, flow: &Arc<Flow>, scripts: &[PathBuf]) -> anyhow::Result<Exit> {
    let begun = std::time::Instant::now();
    let world =
        World { calendar: config.calendar.clone(), rules: config.emergencies.clone(), answers: config.answers.clone() };
    let mut coverage = Coverage::default();
    let mut failures = 0;
    let mut out = String::new();
    let files = files(scripts)?;
    for path in &files {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        match script::run(&world, flow, &text) {
            Ok(touched) => coverage.add(touched),
            Err(mismatch) => {
                failures += 1;
                out += &format!("{}:{}: {}\n", path.display(), mismatch.line, mismatch.what);
            }
        }
    }
    let covered = coverage.of(flow);
    let (good, all) = (files.len() - failures, files.len());
    out += &format!("{good} of {all} conversations go as written, in {} ms\n", begun.elapsed().as_millis());
    for (what, share) in [("nodes", &covered.nodes), ("keys", &covered.keys), ("ways", &covered.steps)] {
        out += &format!("{what}: {} of {}\n", share.touched(), share.all);
        if !share.missing.is_empty() {
            out += &format!("  in no conversation: {}\n", share.missing.join(", "));
        }
    }
    say(&out)?;
    Ok(if failures == 0 && !files.is_empty() { Exit::Done } else { Exit::No })
}

/// The scripts themselves; of a folder all that are called so, by name.
fn files(named: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).with_context(|| path.display().to_string())?;
            let mut inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            inside.retain(|path| path.extension().is_some_and(|e| e == "script"));
            inside.sort();
            files.extend(inside);
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}
