//! `jiesu worker asr`: hears what waits in the store, in a process of its own beside the daemon.
//!
//! As many as there is need for may work off one store (the same machine, one SQLite file); none hears what another has
//! taken. It writes texts and nothing else: the daemon puts them into the tickets and tells the backends.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::Exit;
use crate::asr::{self, Asr, Purpose};
use crate::config::Main;
use crate::intake::task::ear::Ear;
use crate::intake::task::hear::{self, Hearer};
use crate::observe;
use crate::store::{Error, Store, Work};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Texts of tickets that are pending, and corrections where `[asr] corrections` names a better model.
    Asr(Arguments),
}

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The model file to hear with, instead of the configured one.
    #[arg(short, long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Utterances heard at once, each by a thread of its own; without it what `[asr] workers` says.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
    /// Only this kind of work.
    #[arg(long, value_enum, value_name = "KIND")]
    only: Option<Only>,
    /// After so many seconds without a sign of life of this worker another takes what it was hearing.
    #[arg(long, value_name = "SECONDS", default_value_t = hear::LEASE.as_secs(), value_parser = clap::value_parser!(u64).range(3..=3600))]
    lease: u64,
    /// The name in the leases; no other running worker may have it. Without it: machine and process.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Only {
    /// Utterances that have no text.
    Texts,
    /// What has its text is heard again by the better model.
    Corrections,
}

pub fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    let Command::Asr(arguments) = command;
    let main = match super::ticket::main(config) {
        Ok(main) => main,
        Err(exit) => return Ok(exit),
    };
    let services = match services(&main.asr, arguments) {
        Ok(services) => services,
        Err(why) => {
            eprintln!("jiesu: {why}");
            return Ok(Exit::Usage);
        }
    };
    observe::start_logs(&main.log);
    super::serve::runtime()?.block_on(work(&main, services, arguments))
}

/// What is heard with which settings: each kind by a service of its own that has one model.
fn services(config: &asr::Config, arguments: &Arguments) -> Result<Vec<(Work, asr::Config)>, String> {
    let workers = arguments.workers.map_or(config.workers, usize::from);
    let with = |model: Option<PathBuf>, workers| asr::Config {
        model,
        choices: None,
        corrections: None,
        workers,
        ..config.clone()
    };
    let given = arguments.model.clone();
    let (text, better) = (config.model.clone(), config.corrections.clone());
    let unnamed = "jiesu.toml names no model for corrections; set corrections = \"FILE\" under [asr], which also tells \
                   the daemon to take them over";
    Ok(match (arguments.only, better) {
        (Some(Only::Texts), _) | (None, None) => vec![(Work::Text, with(given.or(text), workers))],
        // Nobody waits for a correction: one thread.
        (None, better) => vec![(Work::Text, with(given.or(text), workers)), (Work::Correction, with(better, 1))],
        (Some(Only::Corrections), Some(better)) => vec![(Work::Correction, with(given.or(Some(better)), workers))],
        (Some(Only::Corrections), None) => return Err(unnamed.to_owned()),
    })
}

async fn work(main: &Main, services: Vec<(Work, asr::Config)>, arguments: &Arguments) -> anyhow::Result<Exit> {
    let store = match Store::join(&main.store, &main.state_dir, &main.zone).await {
        Ok(store) => store,
        Err(error @ (Error::Missing(_) | Error::Older { .. } | Error::Newer { .. })) => {
            eprintln!("jiesu: {error}");
            return Ok(Exit::No);
        }
        Err(error) => return Err(error.into()),
    };
    let name = arguments.name.clone().unwrap_or_else(own_name);
    let stop = CancellationToken::new();
    let (mut ears, mut hearers) = (Vec::new(), Vec::new());
    for (work, config) in services {
        let asr = Asr::start(&config, None);
        let hearer = Hearer {
            store: store.clone(),
            hearing: Arc::new(Ear { asr: asr.clone(), purpose: Purpose::Complaint }),
            work,
            name: name.clone(),
            lease: Duration::from_secs(arguments.lease),
            heard: Arc::default(),
        };
        hearers.extend((0..config.workers.max(1)).map(|_| tokio::spawn(hearer.clone().until(stop.clone()))));
        ears.push(asr);
    }
    announce(&name)?;
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
    // Whatever is being heard is let go of, and put back into the queue.
    let stopped = tokio::task::spawn_blocking(move || ears.iter().for_each(Asr::stop));
    stopped.await.context("hearing did not stop")?;
    for hearer in hearers {
        hearer.await.context("a worker failed")?;
    }
    store.close().await;
    Ok(Exit::Done)
}

/// Scripts wait for `ready`.
fn announce(name: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "worker {name}\nready")?;
    out.flush()?;
    observe::notify(&[sd_notify::NotifyState::Ready]);
    Ok(())
}

fn own_name() -> String {
    // Only for people who look for the process; the number alone would do on one machine.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}:{}", host.trim(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(only: Option<Only>) -> Arguments {
        Arguments { model: Some("mine.bin".into()), workers: Some(3), only, name: None, lease: 30 }
    }

    #[test]
    fn the_model_given_is_for_the_work_asked_for() {
        let plain = asr::Config { model: Some("base.bin".into()), workers: 7, ..asr::Config::default() };
        let both = asr::Config { corrections: Some("large.bin".into()), ..plain.clone() };
        let of = |config: &asr::Config, only| {
            let services = services(config, &arguments(only))?;
            let plain = |(work, config): (Work, asr::Config)| (work, config.model.expect("one"), config.workers);
            Ok::<_, String>(services.into_iter().map(plain).collect::<Vec<_>>())
        };
        assert_eq!(of(&plain, None), Ok(vec![(Work::Text, "mine.bin".into(), 3)]));
        let two = vec![(Work::Text, "mine.bin".into(), 3), (Work::Correction, "large.bin".into(), 1)];
        assert_eq!(of(&both, None), Ok(two));
        assert_eq!(of(&both, Some(Only::Texts)), Ok(vec![(Work::Text, "mine.bin".into(), 3)]));
        assert_eq!(of(&both, Some(Only::Corrections)), Ok(vec![(Work::Correction, "mine.bin".into(), 3)]));
        let refused = of(&plain, Some(Only::Corrections)).expect_err("none is named");
        assert!(refused.contains("[asr]"), "{refused}");
    }
}
