//! The switchboard: new calls are admitted and begun, every dialog's events go to its call.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand::RngCore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::asr::Asr;
use crate::calendar::Calendar;
use crate::catalogue::{Catalogue, Places};
use crate::id::{CallId, Masked, VersionId};
use crate::ivr::{Answers, Around, Flow, Lines, Rules};
use crate::media::Media;
use crate::sdp::{self, Terms};
use crate::sip::{self, Command, DialogId, Event};
use crate::store::{IncidentRow, Store};
use crate::written::Table;

use self::originate::Originator;
use self::registry::Registry;
use self::speak::Speaker;
use super::admission::{Admission, Limits};

pub mod answer;
pub mod bridge;
pub mod clerk;
pub mod early;
pub mod incident;
pub mod invitation;
pub mod originate;
pub mod reach;
pub mod refer;
mod refusals;
pub mod registry;
mod repeated;
pub mod speak;
mod spoken;

/// How often is looked whether there is room again.
const LOOK: Duration = Duration::from_millis(250);

/// `[calls]` of jiesu.toml.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Calls at once; one more gets 503 with Retry-After.
    pub max: usize,
    /// New calls are refused while our own audio ticks run later than this.
    pub max_lateness: Duration,
    /// What Retry-After says.
    pub retry_after: Duration,
    /// How long it rings (180) before the answer. GB/T 33358: at most 15 s.
    pub ring: Duration,
    /// How long a transfer's target may ring.
    pub transfer_ring: Duration,
    /// How long the caller waits for the text of what they said; after that the ticket says "text pending".
    pub recognise: Duration,
    /// Whether speech over a question that may be cut short stops it (VoiceXML 2.0, 4.1.5.1: bargeintype "speech").
    pub speech_barge_in: bool,
    /// How long running calls may go on after SIGTERM.
    pub drain: Duration,
    /// A call that is longer is ended (with its ticket filed).
    pub longest: Duration,
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        Config {
            max: table.int("max").or(1000, 1..100_000) as usize,
            max_lateness: table.duration("max_lateness").or("60ms", "10ms".."5s"),
            retry_after: table.duration("retry_after").or("10s", "1s".."1h"),
            ring: table.duration("ring").or("0s", "0s".."15s"),
            transfer_ring: table.duration("transfer_ring").or("30s", "5s".."3m"),
            recognise: table.duration("recognise").or("6s", "500ms".."30s"),
            speech_barge_in: table.flag("speech_barge_in").or(true),
            drain: table.duration("drain").or("10m", "0s".."2h"),
            longest: table.duration("longest").or("1h", "1m".."24h"),
        }
    }

    pub fn limits(&self) -> Limits {
        Limits { calls: self.max, lateness: self.max_lateness, retry_after: self.retry_after }
    }
}

/// What an admin may change while calls run: a call keeps the version that it began with.
pub struct Programme {
    /// Which version this is: every call's row names the one that it followed.
    pub version: VersionId,
    pub lines: Lines,
    pub flows: HashMap<String, Arc<Flow>>,
    /// What people hear whom we call.
    pub outward: HashMap<String, Arc<Flow>>,
    pub calendar: Arc<Calendar>,
    pub catalogue: Arc<Catalogue>,
    pub places: Arc<Places>,
    /// What is an emergency, and what is done then.
    pub emergencies: Arc<Rules>,
    pub answers: Arc<Answers>,
    pub speaker: Speaker,
    /// What is agreed to with the trunks that want something of their own, by name.
    pub terms: HashMap<String, Terms>,
}

/// Everything that calls share.
pub struct Desk {
    pub config: Config,
    pub programme: std::sync::RwLock<Arc<Programme>>,
    /// Known incidents of which callers hear at present: in most hours of the year there are none.
    pub incidents: std::sync::RwLock<Arc<Vec<IncidentRow>>>,
    pub store: Store,
    pub asr: Asr,
    pub media: Media,
    pub sip: sip::Handle,
    pub registry: Registry,
    pub originator: Originator,
    pub admission: Admission,
    /// What was refused, and when that was said last.
    pub refusals: std::sync::Mutex<sip::Refusals>,
    /// Where recordings are kept.
    pub recordings: PathBuf,
    /// What offers and answers of ours come to.
    pub terms: Terms,
    /// Told after a ticket is committed: the outbox has work.
    pub outbox: Arc<tokio::sync::Notify>,
    /// What makes two reports one matter.
    pub matters: crate::matter::Config,
    /// The time zone in which days begin (recordings, ticket numbers).
    pub zone: jiff::tz::TimeZone,
    /// The running calls' tasks.
    pub calls: TaskTracker,
    /// Cancelled when `calls.drain` is over: the calls left hang up.
    pub ending: CancellationToken,
}

impl Desk {
    pub fn programme(&self) -> Arc<Programme> {
        self.programme.read().expect("nothing panics while holding this lock").clone()
    }

    /// What time it is here, and how many of the calls that are taken at once are running.
    pub fn around(&self) -> Around {
        let load = self.admission.running() * 100 / self.config.max.max(1);
        let now = self.zone.to_datetime(Timestamp::now());
        Around { now, load: u8::try_from(load).unwrap_or(u8::MAX) }
    }

    pub fn incidents(&self) -> Arc<Vec<IncidentRow>> {
        self.incidents.read().expect("nothing panics while holding this lock").clone()
    }

    /// From now on callers hear of these.
    pub fn replace_incidents(&self, open: Vec<IncidentRow>) {
        metrics::gauge!("jiesu_incidents").set(open.len() as f64);
        *self.incidents.write().expect("nothing panics while holding this lock") = Arc::new(open);
    }

    /// From now on new calls follow `programme`.
    pub fn replace(&self, programme: Programme) {
        *self.programme.write().expect("nothing panics while holding this lock") = Arc::new(programme);
    }
}

/// New keys for one call's audio, from the system's generator.
pub fn secret() -> [sdp::crypto::Master; 2] {
    let mut random = rand::rng();
    [(); 2].map(|()| {
        let mut octets = [0; 30];
        random.fill_bytes(&mut octets);
        sdp::crypto::Master(octets)
    })
}

/// Runs until SIP ends; then waits until every call has written its last row.
pub async fn switchboard(desk: Arc<Desk>, mut events: mpsc::Receiver<Event>) {
    let mut room = true;
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            _ = looks.tick() => {
                desk.show_room(&mut room);
                continue;
            }
        };
        let Some(event) = event else { break };
        match event {
            Event::Invited { dialog, request, flow, trunk } => {
                begin(&desk, dialog, request, flow, trunk).await;
                desk.show_room(&mut room);
            }
            event => {
                if let Some(dialog) = event.dialog() {
                    desk.registry.give(dialog, event);
                }
            }
        }
    }
    desk.calls.close();
    desk.calls.wait().await;
}

async fn begin(desk: &Arc<Desk>, dialog: DialogId, request: sip::Message, flow: sip::Flow, trunk: sip::TrunkName) {
    let now = Timestamp::now();
    let id = CallId::new(now.as_millisecond(), rand::random());
    let lateness = desk.media.lateness();
    let admitted = match desk.sip.trunk(&trunk) {
        Some(trunk) => desk.admission.admit_from(std::time::Instant::now(), lateness, &trunk),
        None => desk.admission.admit(lateness), // the file was taken away a moment ago
    };
    let permit = match admitted {
        Ok(permit) => permit,
        Err(refusal) => {
            desk.refused(refusal.reason(), &trunk, || refusal.remedy());
            let retry_after = Some(desk.admission.retry_after());
            let refuse = Command::Refuse { dialog, code: 503, reason: "Service Unavailable", retry_after };
            if desk.sip.send(refuse).await.is_err() {
                tracing::debug!("SIP is stopping");
            }
            return;
        }
    };
    desk.sip.trace().name(id, request.call_id());
    metrics::gauge!("jiesu_calls").set(desk.admission.running() as f64);
    metrics::counter!("jiesu_calls_total").increment(1);
    let events = desk.registry.enter(dialog);
    let tracker = desk.calls.clone();
    let desk = desk.clone();
    tracker.spawn(async move {
        let invitation = invitation::Invitation::read(id, now, dialog, &request, flow, &trunk, &desk);
        tracing::info!(call = %id, caller = %Masked(invitation.caller.as_deref().unwrap_or("-")), line = invitation.line(), trunk = %trunk, "call");
        answer::run(&desk, invitation, events).await;
        desk.registry.leave(dialog);
        drop(permit);
        metrics::gauge!("jiesu_calls").set(desk.admission.running() as f64);
    });
}
