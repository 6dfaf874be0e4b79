//! `jiesu serve`: the daemon until SIGTERM.

use std::path::Path;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use super::Exit;
use crate::app::{self, Running};
use crate::observe::{self, Metrics};
use crate::web::reload::{Ask, What};

pub fn run(folder: &Path) -> anyhow::Result<Exit> {
    let config = match super::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    observe::start_logs(&config.main.log);
    let metrics = Metrics::install();
    runtime()?.block_on(async {
        let running = app::start(config, metrics).await?;
        announce(&running)?;
        until_stopped(&running).await?;
        running.drain().await;
        Ok(Exit::Done)
    })
}

/// Calls are light: two threads carry what the media threads leave over; more only where there are more cores.
pub(super) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("jiesu-call").build()?)
}

/// Says where it listens; scripts wait for `ready`.
pub(super) fn announce(running: &Running) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    for at in &running.udp {
        writeln!(out, "sip udp {at}")?;
    }
    for at in &running.tcp {
        writeln!(out, "sip tcp {at}")?;
    }
    for at in &running.tls {
        writeln!(out, "sip tls {at}")?;
    }
    writeln!(out, "web http://{}/", running.web)?;
    writeln!(out, "ready")?;
    out.flush()?;
    observe::notify(&[NotifyState::Ready]);
    Ok(())
}

/// Returns on SIGTERM or SIGINT; SIGHUP takes a new configuration if it is good.
pub(super) async fn until_stopped(running: &Running) -> std::io::Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = term.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => reload(running),
        }
    }
}

/// Nobody waits for the answer: log and metrics tell it.
fn reload(running: &Running) {
    let ask = Ask {
        what: What::Folder,
        author: "SIGHUP".to_owned(),
        note: String::new(),
        answer: tokio::sync::oneshot::channel().0,
    };
    if running.reload.try_send(ask).is_err() {
        tracing::warn!("SIGHUP: as many reloads as may wait are under way; the last of them sees the same files");
    }
}
