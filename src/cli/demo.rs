//! `jiesu demo`: a daemon and one telephone call through it, over real SIP and RTP on loopback.
//!
//! The caller is a recording; it waits for each prompt as a person would, says its request, agrees with `1` and listens
//! to the ticket number. The demonstration recogniser is used unless the configuration names a model: it understands
//! this synthetic voice and nothing else.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::{Exit, call, serve, ticket};
use crate::app;
use crate::asr::shelf::Shelf;
use crate::config::Config;
use crate::observe::{self, Metrics};
use crate::sip;

/// Loading the demonstration recogniser takes well under a second.
const LOADING: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// What the caller says: a WAV file.
    #[arg(long, value_name = "FILE")]
    wav: Option<PathBuf>,
    /// The ticket as JSON.
    #[arg(long)]
    json: bool,
    /// Listen on the configured ports, use the configured state, and stay up after the call until SIGTERM.
    #[arg(long)]
    stay: bool,
}

pub fn run(folder: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut config = match super::load(folder) {
        Ok(config) => config,
        Err(exit) => return Ok(exit),
    };
    if !arguments.stay {
        aside(&mut config);
    }
    observe::start_logs(&config.main.log);
    if Shelf::new(config.main.asr.clone()).choose().is_none() {
        config.main.asr.model = demo_model(folder);
        eprintln!(
            "jiesu: hearing with the demonstration recogniser, which knows the demonstration voice and nothing else"
        );
    }
    let metrics = Metrics::install();
    serve::runtime()?.block_on(async {
        let (zone, state) = (config.main.zone.clone(), config.main.state_dir.clone());
        let hears = config.main.asr.model.is_some();
        let running = app::start(config, metrics).await?;
        if arguments.stay {
            serve::announce(&running)?;
        }
        let port = running.udp.first().map(SocketAddr::port).context("sip.listen names no UDP address")?;
        let wav = arguments.wav.clone().unwrap_or_else(|| folder.join("../models/demo/demo_call.wav"));
        let mut model = running.desk.asr.model();
        if hears && tokio::time::timeout(LOADING, model.wait_for(Option::is_some)).await.is_err() {
            eprintln!("jiesu: the recogniser is not loaded; the ticket will say \"text pending\"");
        }
        eprintln!("jiesu: calling sip:12345@127.0.0.1:{port} with {}", wav.display());
        let report = call::call(&call::Arguments {
            uri: format!("sip:12345@127.0.0.1:{port}"),
            wav: Some(wav),
            wav_at: call::When::Quiet,
            dtmf: call::Keys(vec![("1".into(), call::When::Quiet)]),
            record: None,
            from: "13800138000".into(),
            ring: Duration::from_secs(20),
            max: Duration::from_secs(120),
            json: false,
        })
        .await?;
        let filed = running.desk.store.last_ticket_of("13800138000").await?;
        let Some(filed) = filed else {
            running.drain().await;
            bail!("no ticket was filed; the call ended with {} {}", report.code, report.reason);
        };
        if arguments.json {
            ticket::say(&(ticket::as_json(&filed)? + "\n"))?;
        } else {
            print!("{}", ticket::page(&filed, &zone));
            println!("recordings and store: {}", state.display());
        }
        if arguments.stay {
            eprintln!("jiesu: dial sip:12345@HOST:{port} with a softphone; stop with Ctrl-C");
            serve::until_stopped(&running).await?;
        }
        running.drain().await;
        Ok(Exit::Done)
    })
}

/// On loopback, on free ports, with a state of its own: nothing of a running daemon is touched.
fn aside(config: &mut Config) {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.main.sip.listen = vec![sip::task::Listen { address: loopback, udp: true, tcp: true }];
    config.main.web.listen = loopback;
    config.main.media.ports = (40_000, 40_999);
    config.main.state_dir = config.main.state_dir.join("demo");
    config.main.calls.drain = Duration::from_secs(5);
}

/// The demonstration recogniser beside the configuration folder, if it is there.
fn demo_model(folder: &Path) -> Option<PathBuf> {
    let beside = folder.join("../models/jiesu-demo-q8_0.bin");
    beside.is_file().then_some(beside)
}
