//! The daemon put together: configuration -> build -> spawn -> drain. Only this module sees every other.

pub mod reload;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::asr::{Asr, Purpose};
use crate::backend;
use crate::call::admission::Admission;
use crate::call::originate::Originator;
use crate::call::task::registry::Registry;
use crate::call::task::speak::Speaker;
use crate::call::task::switchboard;
use crate::call::{Desk, Programme};
use crate::casework;
use crate::casework::deadlines::Deadlines;
use crate::casework::task::{Current, Rulebook};
use crate::config::{Config, proof};
use crate::intake;
use crate::media::{Media, Prompt};
use crate::observe::{Check, Health, Metrics, notify};
use crate::sip;
use crate::store::Store;
use crate::tts::Voice;
use crate::web;

/// SIP events on their way to the switchboard.
const EVENTS: usize = 4096;
/// Wishes for other files that wait for each other; one more waits at the door.
const RELOADS: usize = 8;
/// How often every part is asked whether it still turns.
const SELF_CHECK: Duration = Duration::from_secs(2);
/// A media thread that has not turned for this long hangs.
const MEDIA_TURN: Duration = Duration::from_secs(1);

/// What runs besides the calls. Its parts are stopped in the order of [`Running::drain`].
pub struct Running {
    pub udp: Vec<SocketAddr>,
    pub tcp: Vec<SocketAddr>,
    pub tls: Vec<SocketAddr>,
    pub web: SocketAddr,
    pub desk: Arc<Desk>,
    /// Takes other files for new calls.
    pub reload: mpsc::Sender<web::reload::Ask>,
    health: Health,
    sip: JoinHandle<()>,
    /// Stops SIP, which ends the switchboard.
    sip_stop: CancellationToken,
    switchboard: JoinHandle<()>,
    registrar: JoinHandle<()>,
    /// Takes our registrations with carriers back.
    leave: CancellationToken,
    media: Media,
    asr: Asr,
    store: Store,
    /// Stops everything that is not a call.
    stop: CancellationToken,
    others: Vec<(&'static str, JoinHandle<()>)>,
}

/// Builds and spawns everything. Ports are bound here and not before.
///
/// # Errors
/// What the operator has to mend, with the remedy.
pub async fn start(config: Config, metrics: Metrics) -> anyhow::Result<Running> {
    let stop = CancellationToken::new();
    let backends = config
        .main
        .backends
        .iter()
        .map(|backend| backend.plug(&config.main.state_dir))
        .collect::<Result<Vec<_>, _>>()?;
    let told: Vec<String> = config.main.backends.iter().map(|backend| backend.name.clone()).collect();
    let store = Store::open(&config.main.store, &config.main.state_dir, &config.main.zone, &told).await?;
    let folder = config.version;
    let config = reload::at_start(config, &store).await;
    let media = Media::start(&config.main.media).context("the media threads cannot be started")?;
    let asr = Asr::start(&config.main.asr, None);
    let mut others = Vec::new();

    let (events, from_sip) = mpsc::channel(EVENTS);
    let bound = sip::task::bind(&config.main.sip, config.trunks.clone()).context("SIP cannot listen")?;
    let bound = bound.secured(config.tls.clone());
    let (udp, tcp, tls) = (bound.udp(), bound.tcp(), bound.tls());
    certificates(&config);
    unproven(&config);
    let sip_stop = CancellationToken::new();
    let (handle, sip) = bound.spawn(events, sip_stop.clone())?;

    let registry = Registry::default();
    let terms = config.main.media.terms.clone();
    let originator = Originator {
        sip: handle.clone(),
        registry: registry.clone(),
        media: media.clone(),
        advertised: config.main.sip.advertised.clone(),
        terms: terms.clone(),
    };
    let outbox = Arc::new(Notify::new());
    let desk = Arc::new(Desk {
        config: config.main.calls.clone(),
        programme: std::sync::RwLock::new(Arc::new(programme(&config))),
        incidents: Default::default(),
        store: store.clone(),
        asr: asr.clone(),
        media: media.clone(),
        sip: handle.clone(),
        registry,
        originator,
        admission: Admission::new(config.main.calls.limits()),
        refusals: Default::default(),
        matters: config.main.matters.clone(),
        recordings: config.main.state_dir.join("recordings"),
        terms,
        outbox: outbox.clone(),
        zone: config.main.zone.clone(),
        calls: TaskTracker::new(),
        ending: CancellationToken::new(),
    });
    let switchboard = tokio::spawn(switchboard(desk.clone(), from_sip));

    others.push(("backends", tokio::spawn(backend::task::run(store.clone(), backends, outbox.clone(), stop.clone()))));
    let rules = Arc::new(Current::new(rulebook(&config)));
    let alarms = Arc::new(Notify::new());
    let timetable = timetable(desk.clone(), config.main.deadlines.clone());
    let dispatcher = casework::task::dispatch::Dispatcher {
        store: store.clone(),
        rules: rules.clone(),
        config: config.main.dispatch.clone(),
        limits: limits(timetable.clone()),
        returns: config.main.supervision.returns,
        outbox: outbox.clone(),
        alarms: alarms.clone(),
    };
    others.push(("dispatch", tokio::spawn(casework::task::dispatch::run(dispatcher, stop.clone()))));
    let alarms = casework::task::alarm::Alarms {
        desk: desk.clone(),
        rules: rules.clone(),
        config: config.main.dispatch.clone(),
        wake: alarms,
        recordings: config.main.state_dir.join("recordings"),
    };
    others.push(("alarms", tokio::spawn(casework::task::alarm::run(alarms, stop.clone()))));
    let intake = intake::task::Intake {
        store: store.clone(),
        hearing: ear(&asr, Purpose::Complaint),
        corrections: config.main.asr.corrections.as_ref().map(|_| ear(&asr, Purpose::Correction)),
        heard: Arc::default(),
        guide: guide(desk.clone()),
        recordings: config.main.state_dir.join("recordings"),
        outbox,
    };
    others.push(("intake", tokio::spawn(intake::task::run(intake, stop.clone()))));

    let gathering = intake::task::gather::run(store.clone(), config.main.matters.clone(), stop.clone());
    others.push(("matters", tokio::spawn(gathering)));

    let callbacks = casework::task::callback::Callbacks {
        desk: desk.clone(),
        config: Arc::new(config.main.callback.clone()),
        limits: limits(timetable.clone()),
        rulebook: rules.clone(),
    };
    let sms = casework::task::sms::run(store.clone(), Arc::new(config.main.sms.clone()), stop.clone());
    others.push(("sms", tokio::spawn(sms)));
    others.push(("callbacks", tokio::spawn(casework::task::callback::run(callbacks, stop.clone()))));
    let supervision = config.main.supervision.clone();
    let supervising = casework::task::supervise::run(store.clone(), supervision, timetable.clone(), stop.clone());
    others.push(("supervision", tokio::spawn(supervising)));

    others.push(("peers", tokio::spawn(sip::task::peers::run(handle.clone(), stop.clone()))));
    let resolvers = config.main.sip.resolvers.clone();
    others.push(("resolver", tokio::spawn(sip::task::resolve::run(handle.clone(), resolvers, stop.clone()))));
    let leave = CancellationToken::new();
    let registrar = tokio::spawn(sip::task::registrar::run(handle.clone(), leave.clone()));
    let (reload, asks) = mpsc::channel(RELOADS);
    let reloader = reload::Reloader::new(&config, desk.clone(), rules);
    others.push(("reload", tokio::spawn(reloader.run(config.files.clone(), folder, asks, stop.clone()))));
    let trace = handle.trace().clone();
    let asked = handle.clone();
    let health = Health::new(checks(handle, media.clone(), store.clone()));
    let listener = TcpListener::bind(config.main.web.listen).await;
    let listener = listener.with_context(|| format!("web.listen: {} cannot be bound", config.main.web.listen))?;
    let web = listener.local_addr()?;
    let shown = web::Shown {
        health: health.clone(),
        metrics: metrics.clone(),
        trace,
        sip: asked,
        store: store.clone(),
        reload: reload.clone(),
        timetable,
        zone: config.main.zone.clone(),
    };
    let serving = web::serve(listener, shown, stop.clone());
    others.push((
        "web",
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the console stopped");
            }
        }),
    ));
    health.check().await;
    let until = stop.clone();
    let turning = health.clone();
    others.push((
        "self-check",
        tokio::spawn(async move {
            tokio::select! {
                () = turning.run(SELF_CHECK, metrics) => {}
                () = until.cancelled() => {}
            }
        }),
    ));
    Ok(Running {
        udp,
        tcp,
        tls,
        web,
        desk,
        reload,
        health,
        sip,
        sip_stop,
        switchboard,
        registrar,
        leave,
        media,
        asr,
        store,
        stop,
        others,
    })
}

/// The recogniser as work in the background uses it.
fn ear(asr: &Asr, purpose: Purpose) -> Arc<dyn intake::Hearing> {
    Arc::new(intake::task::ear::Ear { asr: asr.clone(), purpose })
}

/// What calls follow, from a checked configuration.
pub fn programme(config: &Config) -> Programme {
    let prompts: HashMap<String, Arc<Prompt>> =
        config.prompts.iter().map(|(id, pcm)| (id.clone(), Arc::new(Prompt::from_pcm(pcm)))).collect();
    let voice = Voice::new(config.main.tts.clone(), config.main.state_dir.join("tts"));
    config.places.warm();
    Programme {
        version: config.version,
        lines: config.lines.clone(),
        flows: config.flows.clone(),
        outward: config.outward.clone(),
        calendar: config.calendar.clone(),
        catalogue: config.catalogue.clone(),
        places: config.places.clone(),
        emergencies: config.emergencies.clone(),
        answers: config.answers.clone(),
        speaker: Speaker::new(prompts, config.texts.clone(), Some(voice), config.voices.clone()),
        terms: config.terms.clone(),
    }
}

/// Says until when the certificates that we show are good; one that is not is no reason to leave callers alone.
fn certificates(config: &Config) {
    for certificate in config.tls.certificates() {
        let ends = certificate.ends.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let file = certificate.written.value.clone();
        metrics::gauge!("jiesu_sip_certificate_ends_seconds", "file" => file).set(ends);
    }
    for fault in config.old_certificates(std::time::SystemTime::now()).sorted() {
        tracing::error!(%fault, "peers that look at it will not call over TLS");
    }
}

/// Says which flows are taken although they break a rule (`check.flows = "say"`).
fn unproven(config: &Config) {
    for finding in config.proof.findings.iter().map(proof::fault) {
        tracing::warn!(%finding, "a flow that is not proven is followed");
    }
}

fn checks(sip: sip::Handle, media: Media, store: Store) -> Vec<Check> {
    vec![
        Check::new("sip", move || {
            let sip = sip.clone();
            async move { sip.turns().await }
        }),
        Check::new("media", move || std::future::ready(media.turns(MEDIA_TURN))),
        Check::new("store", move || {
            let store = store.clone();
            async move { store.turns().await.map_err(|error| error.to_string()) }
        }),
    ]
}

/// New calls follow `config` from now on; running ones keep what they began with.
fn replace(desk: &Desk, rules: &Current, config: &Config) {
    desk.sip.replace_tls(config.tls.clone());
    desk.sip.replace_trunks(config.trunks.clone());
    certificates(config);
    unproven(config);
    desk.replace(programme(config));
    rules.replace(rulebook(config));
}

/// What tickets are dispatched by, from a checked configuration.
pub fn rulebook(config: &Config) -> Rulebook {
    Rulebook {
        catalogue: config.catalogue.clone(),
        places: config.places.clone(),
        calendar: config.calendar.clone(),
        units: config.units.clone(),
        version: config.version,
    }
}

impl Running {
    /// Stops: no new calls (503 with Retry-After), running ones may finish within `calls.drain`, then everything is
    /// joined in order: calls, SIP, outbox, recogniser, media, store.
    pub async fn drain(self) {
        notify(&[sd_notify::NotifyState::Stopping]);
        self.health.draining(true);
        self.desk.admission.drain();
        self.desk.sip.send_now(sip::Command::Drain(true));
        self.leave.cancel();
        let running = self.desk.admission.running();
        tracing::info!(running, limit = ?self.desk.config.drain, "draining");
        self.desk.calls.close();
        if tokio::time::timeout(self.desk.config.drain, self.desk.calls.wait()).await.is_err() {
            tracing::warn!(left = self.desk.calls.len(), "calls.drain is over: the calls left are ended");
            self.desk.ending.cancel();
            if tokio::time::timeout(Duration::from_secs(5), self.desk.calls.wait()).await.is_err() {
                tracing::error!(left = self.desk.calls.len(), "calls did not end; recovery files their tickets");
            }
        }
        join("registrar", self.registrar).await; // it needs SIP
        self.sip_stop.cancel();
        join("sip", self.sip).await;
        join("switchboard", self.switchboard).await;
        self.stop.cancel();
        for (name, task) in self.others {
            join(name, task).await;
        }
        self.asr.stop();
        self.media.stop();
        self.store.close().await;
        tracing::info!("stopped");
    }
}

async fn join(name: &'static str, task: JoinHandle<()>) {
    match tokio::time::timeout(Duration::from_secs(10), task).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(task = name, %error, "a task failed"),
        Err(_) => tracing::error!(task = name, "a task did not stop"),
    }
}

/// What new calls are understood by just then.
fn guide(desk: Arc<Desk>) -> Arc<dyn Fn() -> intake::task::Guide + Send + Sync> {
    Arc::new(move || {
        let programme = desk.programme();
        intake::task::Guide {
            catalogue: programme.catalogue.clone(),
            places: programme.places.clone(),
            emergencies: programme.emergencies.clone(),
            topics: topics(&programme.lines),
        }
    })
}

/// The limits of cases, by the calendar that new calls go by just then.
fn timetable(desk: Arc<Desk>, config: Arc<casework::deadlines::Config>) -> casework::Timetable {
    casework::Timetable::new(move || {
        let calendar = desk.programme().calendar.clone();
        Deadlines { config: config.clone(), calendar, zone: desk.zone.clone() }
    })
}

/// The limits of a unit that is put in charge.
fn limits(timetable: casework::Timetable) -> casework::task::dispatch::LimitsOf {
    Arc::new(move |ticket, now| timetable.now().limits(casework::terms(ticket), now))
}

/// What each line is for, by its number.
fn topics(lines: &crate::ivr::Lines) -> HashMap<String, String> {
    lines.lines().iter().filter_map(|line| Some((line.number.clone(), line.topic.as_ref()?.value.clone()))).collect()
}
