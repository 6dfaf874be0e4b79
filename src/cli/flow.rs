//! `jiesu flow`: look at a flow before anybody calls: as a tree, as a picture, in conversation, against its old version.

mod picture;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;

use super::Exit;
use super::ticket::say;
use crate::config::{self, Config};
use crate::ivr::change::{self, Version};
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
    /// What changes for callers between two configuration folders, in plain Chinese. Exit 1 if anything does.
    Diff {
        old: PathBuf,
        new: PathBuf,
        /// From when it will be so; stands before each line.
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
        Command::Diff { old, new, from } => diff(old, new, from.as_deref()),
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
    let files = files(scripts)?;
    for path in &files {
        let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        match script::run(&world, flow, &text) {
            Ok(touched) => coverage.add(touched),
            Err(mismatch) => {
                failures += 1;
                println!("{}:{}: {}", path.display(), mismatch.line, mismatch.what);
            }
        }
    }
    let covered = coverage.of(flow);
    let (good, all) = (files.len() - failures, files.len());
    println!("{good} of {all} conversations go as written, in {} ms", begun.elapsed().as_millis());
    for (what, share) in [("nodes", &covered.nodes), ("keys", &covered.keys), ("ways", &covered.steps)] {
        println!("{what}: {} of {}", share.touched(), share.all);
        if !share.missing.is_empty() {
            println!("  in no conversation: {}", share.missing.join(", "));
        }
    }
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

/// Two folders against each other.
fn diff(old: &Path, new: &Path, from: Option<&str>) -> anyhow::Result<Exit> {
    let mut both = Vec::new();
    for folder in [old, new] {
        match config::load_to_look(folder) {
            Ok(config) => both.push(config),
            Err(faults) => {
                eprint!("{faults}");
                return Ok(Exit::Usage);
            }
        }
    }
    let [old, new] = both.as_slice() else { unreachable!("two folders were read") };
    let lines = compared(old, new);
    let from = from.map(|time| format!("从 {time} 起,")).unwrap_or_default();
    if lines.is_empty() {
        println!("市民不会察觉任何变化");
        return Ok(Exit::Done);
    }
    let text: String = lines.iter().map(|line| format!("{from}{line}\n")).collect();
    say(&text)?;
    Ok(Exit::No)
}

fn version<'a>(config: &'a Config, flow: &'a Flow) -> Version<'a> {
    Version { flow, premises: config.proof.premises(flow) }
}

/// What changes for callers, line by line and flow by flow.
fn compared(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let dialled = |config: &Config| -> BTreeMap<String, (String, Option<String>)> {
        let greeting = |line: &crate::ivr::Line| line.greeting.as_ref().map(|text| text.value.clone());
        config.lines.iter().map(|line| (line.number.clone(), (line.flow.value.clone(), greeting(line)))).collect()
    };
    let (before, after) = (dialled(old), dialled(new));
    for (number, (flow, greeting)) in &after {
        match before.get(number) {
            None => lines.push(format!("新增线路 {number},按流程 {flow}")),
            Some((was, _)) if was != flow => lines.push(format!("线路 {number} 改按流程 {flow}(原来 {was})")),
            Some((_, was)) if was != greeting => {
                let text = greeting.as_deref().unwrap_or("流程自己的问候语");
                lines.push(format!("线路 {number} 的问候语改为「{text}」"));
            }
            Some(_) => {}
        }
    }
    lines
        .extend(before.keys().filter(|number| !after.contains_key(*number)).map(|number| format!("取消线路 {number}")));
    let flows: std::collections::BTreeSet<&String> = old.flows.keys().chain(new.flows.keys()).collect();
    for name in flows {
        match (old.flows.get(name), new.flows.get(name)) {
            (Some(was), Some(is)) => {
                let changes = change::changes(version(old, was), version(new, is));
                lines.extend(changes.into_iter().map(|change| format!("[{name}] {change}")));
            }
            (None, Some(_)) => lines.push(format!("新增流程 {name}")),
            (Some(_), None) => lines.push(format!("取消流程 {name}")),
            (None, None) => {}
        }
    }
    lines
}
