//! Logs, metrics and health: how an operator sees what the daemon does.
//!
//! Logs are structured (`tracing`), carry the call id and mask telephone numbers ([`crate::id::Masked`]). Metrics go
//! through the `metrics` facade, so that the modules that count know no exporter. Health is one self-check
//! ([`Health::run`]): each part answers whether it still turns, the report feeds `/readyz` and systemd's watchdog.

use std::fmt;
use std::future::Future;
use std::io::IsTerminal as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::written::Table;

/// `[log]` of jiesu.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What is logged, as `tracing` filters: `info`, `warn`, `jiesu::sip=debug,info`.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
    /// Telephone numbers keep their first three and last four digits only.
    pub mask_numbers: bool,
}

/// What is logged unless an admin says otherwise: whisper.cpp tells the shape of every model at `info`.
const QUIET: &str = "info,whisper_rs=warn";

impl Default for Config {
    fn default() -> Config {
        Config { filter: QUIET.to_owned(), json: false, mask_numbers: true }
    }
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        let filter = table
            .text("filter")
            .check(|text| match EnvFilter::try_new(text) {
                Ok(_) => Ok(text.clone()),
                Err(error) => {
                    Err((error.to_string(), "write for example \"info\" or \"jiesu::sip=debug,info\"".into()))
                }
            })
            .get();
        Config {
            filter: filter.unwrap_or_else(|| QUIET.to_owned()),
            json: table.flag("json").or(false),
            mask_numbers: table.flag("mask_numbers").or(true),
        }
    }
}

/// rustls writes a warning for every bad message of a peer, so any peer could fill the disk. What SIP over TLS refuses is
/// counted and told once a minute where it is refused; whoever names rustls in the filter has it all.
fn without_tls_chatter(filter: String) -> String {
    if filter.contains("rustls") { filter } else { format!("{filter},rustls=off") }
}

/// Begins logging to standard error. `JIESU_LOG` in the environment beats the file.
pub fn start_logs(config: &Config) {
    crate::id::mask_numbers(config.mask_numbers);
    let filter = std::env::var("JIESU_LOG").ok().filter(|text| EnvFilter::try_new(text).is_ok());
    let filter = EnvFilter::new(without_tls_chatter(filter.unwrap_or_else(|| config.filter.clone())));
    // Colours are for people at a terminal: in a file or the journal they break every search.
    let colours = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    let begun = if config.json { logs.json().try_init() } else { logs.with_target(false).try_init() };
    if begun.is_err() {
        tracing::debug!("logging was begun before; the first beginning stays");
    }
}

/// The Prometheus side of the metrics facade.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Buckets of everything measured in seconds: 1 ms to 10 s.
const SECONDS: [f64; 13] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

impl Metrics {
    /// Installs the process's one recorder; a second call shares the first one's.
    pub fn install() -> Metrics {
        static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);
        let mut installed = INSTALLED.lock().expect("nothing panics while holding this lock");
        installed
            .get_or_insert_with(|| {
                let builder = PrometheusBuilder::new()
                    .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
                    .expect("the buckets are not empty");
                Metrics(builder.install_recorder().expect("no other recorder is installed by this program"))
            })
            .clone()
    }

    /// The text exposition format.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds histogram samples together; call every few seconds.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// One part's answer to "do you still turn?".
pub struct Check {
    name: &'static str,
    ask: Box<dyn Fn() -> Answer + Send + Sync>,
}

impl Check {
    /// `ask` says in `Err` what is wrong. It is given a second.
    pub fn new<F>(name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Check
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Check { name, ask: Box::new(move || Box::pin(ask())) }
    }
}

/// What the last self-check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Part and what is wrong with it.
    pub faults: Vec<(&'static str, String)>,
    /// No new calls are taken; running ones finish.
    pub draining: bool,
    /// The first self-check has been made.
    pub checked: bool,
}

impl Report {
    /// Alive: every part turns.
    pub fn healthy(&self) -> bool {
        self.checked && self.faults.is_empty()
    }

    /// Ready: alive and taking calls.
    pub fn ready(&self) -> bool {
        self.healthy() && !self.draining
    }
}

/// The self-check.
#[derive(Clone)]
pub struct Health {
    checks: Arc<Vec<Check>>,
    report: Arc<watch::Sender<Report>>,
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("report", &*self.report.borrow()).finish()
    }
}

impl Health {
    pub fn new(checks: Vec<Check>) -> Health {
        Health { checks: Arc::new(checks), report: Arc::new(watch::Sender::new(Report::default())) }
    }

    pub fn report(&self) -> Report {
        self.report.borrow().clone()
    }

    pub fn watch(&self) -> watch::Receiver<Report> {
        self.report.subscribe()
    }

    pub fn draining(&self, draining: bool) {
        self.report.send_modify(|report| report.draining = draining);
    }

    /// Asks every part once.
    pub async fn check(&self) -> Report {
        let mut faults = Vec::new();
        for check in self.checks.iter() {
            let fault = match tokio::time::timeout(Duration::from_secs(1), (check.ask)()).await {
                Ok(Ok(())) => continue,
                Ok(Err(what)) => what,
                Err(_) => "no answer within a second".to_owned(),
            };
            tracing::error!(part = check.name, fault, "self-check");
            faults.push((check.name, fault));
        }
        self.report.send_modify(|report| (report.faults, report.checked) = (faults, true));
        self.report()
    }

    /// Checks every `period` until dropped; feeds systemd's watchdog only while every part turns.
    pub async fn run(self, period: Duration, metrics: Metrics) {
        let mut ticks = tokio::time::interval(period);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let report = self.check().await;
            metrics::gauge!("jiesu_healthy").set(f64::from(u8::from(report.healthy())));
            if report.healthy() {
                notify(&[sd_notify::NotifyState::Watchdog]);
            }
            metrics.upkeep();
        }
    }
}

/// Tells systemd; without systemd nothing happens.
pub fn notify(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd was not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{Faults, Source};

    #[tokio::test(start_paused = true)]
    async fn a_part_that_hangs_is_a_fault() {
        let health = Health::new(vec![
            Check::new("well", || async { Ok(()) }),
            Check::new("hung", std::future::pending::<Result<(), String>>),
        ]);
        assert!(!health.report().healthy(), "not before the first check");
        let report = health.check().await;
        assert_eq!(report.faults, [("hung", "no answer within a second".to_owned())]);
        assert!(!report.ready());
    }

    #[tokio::test]
    async fn draining_is_healthy_but_not_ready() {
        let health = Health::new(vec![Check::new("well", || async { Ok(()) })]);
        health.draining(true);
        let report = health.check().await;
        assert!(report.healthy() && !report.ready());
    }

    #[test]
    fn a_bad_filter_is_a_fault() {
        let faults = Faults::default();
        let source = Source::new("jiesu.toml", "filter = \"jiesu=loud\"\n");
        let mut table = source.read(&faults).expect("TOML");
        Config::read(&mut table);
        table.finish();
        assert!(faults.to_string().contains("jiesu.toml:1:10: filter:"), "{faults}");
    }
}
