//! The configuration folder: every file read, every fault found at once, then checked across files.
//!
//! Each module owns its own section or files; here they are put together and compared: a line's flow exists, a flow's
//! prompts are recorded, a trunk is listed. [`load`] opens no port and changes nothing.

mod across;
mod folder;
pub mod learned;
pub mod proof;
pub mod reload;
mod secret;
mod spoken;
pub mod version;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::{Timestamp, tz::TimeZone};

use crate::calendar::Calendar;
use crate::casework::deadlines::{self, Deadlines};
use crate::casework::{duty, scores, supervise, trends, units::Units};
use crate::catalogue::{Catalogue, Places};
use crate::id::VersionId;
use crate::ivr::prove::{Limits, Strictness};
use crate::ivr::{Answers, Flow, Lines, Rules, SubFlows};
use crate::sdp::Terms;
use crate::sip::Trunks;
use crate::sip::task::Tls;
use crate::tts::catalogue::Voices;
use crate::written::{Faults, Source, Table};
use crate::{asr, backend, call, casework, matter, media, observe, sip, store, tts, web};

pub use proof::Proof;
use spoken::Spoken;

/// Everything that an admin wrote, checked.
#[derive(Clone)]
pub struct Config {
    /// The folder that it was read from.
    pub folder: PathBuf,
    /// `jiesu.toml`.
    pub main: Main,
    /// The files that calls follow, as they were read: lines, flows, prompts, catalogue, places.
    pub files: Arc<version::Files>,
    /// Their content's name.
    pub version: VersionId,
    pub trunks: Trunks,
    /// What is agreed to with the trunks that want something else than `[media]` says, by name.
    pub terms: HashMap<String, Terms>,
    /// The certificates of `[sip.tls]` and of the trunks.
    pub tls: Tls,
    pub lines: Lines,
    pub flows: HashMap<String, Arc<Flow>>,
    /// `flows/out/`: what people hear whom we call.
    pub outward: HashMap<String, Arc<Flow>>,
    pub calendar: Arc<Calendar>,
    pub catalogue: Arc<Catalogue>,
    pub places: Arc<Places>,
    /// Every unit that can be put in charge.
    pub units: Arc<Units>,
    /// `emergency.toml`.
    pub emergencies: Arc<Rules>,
    /// What is under `answers/`.
    pub answers: Arc<Answers>,
    /// Recorded prompts by id: 8 kHz samples.
    pub prompts: HashMap<String, Vec<i16>>,
    /// What each prompt says.
    pub texts: HashMap<String, String>,
    /// The voice of each language beside the usual one.
    pub voices: Voices,
    /// What was proven of the flows.
    pub proof: Proof,
}

impl Config {
    /// Certificates of ours that have expired, or soon will: faults, but not such that nobody could call.
    pub fn old_certificates(&self, now: SystemTime) -> Faults {
        let faults = Faults::default();
        self.tls.certificates().iter().filter_map(|certificate| certificate.fault(now)).for_each(|f| faults.add(f));
        faults
    }

    /// What is agreed to with this trunk.
    pub fn terms_of(&self, trunk: &str) -> Terms {
        self.terms.get(trunk).unwrap_or(&self.main.media.terms).clone()
    }

    /// One line for people: what was read.
    pub fn summary(&self) -> String {
        let (lines, flows) = (self.lines.iter().len(), self.flows.len());
        let (prompts, trunks) = (self.prompts.len(), self.trunks.len());
        let (categories, streets) = (self.catalogue.categories().len(), self.places.areas().count());
        format!(
            "{lines} lines, {flows} flows, {prompts} prompts, {categories} categories, {streets} areas, {trunks} trunks"
        )
    }
}

/// `jiesu.toml`: the sections, and enough for subcommands that only read the store.
#[derive(Clone)]
pub struct Main {
    pub state_dir: PathBuf,
    pub zone: TimeZone,
    pub sip: sip::task::Config,
    pub media: media::Config,
    pub calls: call::Config,
    pub asr: asr::Config,
    pub classify: learned::Config,
    pub tts: tts::Config,
    pub store: store::Config,
    pub backends: Vec<backend::Config>,
    pub web: web::Config,
    pub reload: reload::Reload,
    pub matters: matter::Config,
    pub callback: casework::callback::Config,
    pub sms: casework::sms::Config,
    pub deadlines: Arc<deadlines::Config>,
    pub supervision: supervise::Config,
    pub dispatch: duty::Config,
    pub assessment: scores::Config,
    pub trends: trends::Config,
    pub log: observe::Config,
    /// What is asked of flows.
    pub check: Limits,
}

/// Reads `jiesu.toml` alone.
///
/// # Errors
/// Every fault of that file.
pub fn load_main(folder: &Path) -> Result<Main, Faults> {
    let faults = Faults::default();
    let main = folder::one(folder, "jiesu.toml", &faults).and_then(|source| read_main(folder, &source, &faults));
    match main {
        Some(main) if faults.is_empty() => Ok(main),
        _ => Err(faults),
    }
}

/// Reads `calendar/` alone.
///
/// # Errors
/// Every fault of those files.
pub fn load_calendar(folder: &Path) -> Result<Calendar, Faults> {
    let faults = Faults::default();
    let calendar = Calendar::read(&folder::any(folder, "calendar", "toml", &faults), &faults);
    if faults.is_empty() { Ok(calendar) } else { Err(faults) }
}

/// Reads and checks the whole folder.
///
/// # Errors
/// Every fault of every file.
pub fn load(folder: &Path) -> Result<Config, Faults> {
    load_as(folder, folder, None)
}

/// As [`load`], but flows that break a rule are taken: they may be looked at before they are mended.
///
/// # Errors
/// Every other fault of every file.
pub fn load_to_look(folder: &Path) -> Result<Config, Faults> {
    load_as(folder, folder, Some(Strictness::Say))
}

/// As [`load`], but what calls follow ([`version::Files`]) is read from `followed`: a version that is not the folder's.
///
/// # Errors
/// Every fault of every file.
pub fn load_with(folder: &Path, followed: &Path) -> Result<Config, Faults> {
    load_as(folder, followed, None)
}

/// As [`load_with`], but flows that break a rule are taken.
///
/// # Errors
/// Every other fault of every file.
pub fn look_with(folder: &Path, followed: &Path) -> Result<Config, Faults> {
    load_as(folder, followed, Some(Strictness::Say))
}

/// With another strictness about flows than the folder's own, if one is given.
fn load_as(folder: &Path, followed: &Path, flows: Option<Strictness>) -> Result<Config, Faults> {
    for _ in 0..ATTEMPTS {
        let files = version::Files::read(followed);
        let faults = Faults::default();
        let config = read(folder, followed, &files, flows, &faults);
        // Files are read one after the other: somebody may be saving them, and half a change is no version.
        if version::Files::read(followed).id() == files.id() {
            return match config {
                Some(config) if faults.is_empty() => Ok(config),
                _ => Err(faults),
            };
        }
    }
    let faults = Faults::default();
    faults.file(followed, "its files change while they are read", "reload again when they are saved");
    Err(faults)
}

/// How often a folder is read that changes under the reader.
const ATTEMPTS: u32 = 3;

fn read(
    folder: &Path,
    followed: &Path,
    files: &version::Files,
    strictness: Option<Strictness>,
    faults: &Faults,
) -> Option<Config> {
    let main = folder::one(folder, "jiesu.toml", faults).and_then(|source| read_main(folder, &source, faults));
    let trunks = folder::all(folder, "trunks", "toml", faults);
    let unlisted = main.as_ref().map(|main| main.sip.unlisted).unwrap_or_default();
    let common = main.as_ref().map(|main| main.media.terms.clone()).unwrap_or_default();
    let mut terms = HashMap::new();
    let password = |from: &_| secret::password(folder, from);
    let trunks = Trunks::read(&trunks, unlisted, faults, &password, &mut |trunk, file| {
        let Some(mut table) = file.table("media") else { return };
        terms.insert(trunk.to_owned(), media::Preferences::read(&mut table).over(&common));
        table.finish();
    });
    let read = |name: &str| folder::bytes(folder, name);
    let tls = main.as_ref().map(|main| Tls::load(&main.sip.tls, &trunks, &read, faults)).unwrap_or_default();
    let lines = folder::one(followed, "lines.toml", faults).map(|source| Lines::read(&source, faults));
    let calendar = Calendar::read(&folder::any(followed, "calendar", "toml", faults), faults);
    let subs = SubFlows::read(&folder::any(followed, "flows/sub", "toml", faults), faults);
    let flows = folder::all(followed, "flows", "toml", faults);
    let flows: Vec<Flow> = flows.iter().filter_map(|source| Flow::read_with(source, &subs, faults)).collect();
    let flows: HashMap<String, Arc<Flow>> =
        flows.into_iter().map(|flow| (flow.name().to_owned(), Arc::new(flow))).collect();
    let outward = folder::any(followed, "flows/out", "toml", faults);
    let outward: Vec<Flow> = outward.iter().filter_map(|source| Flow::read_with(source, &subs, faults)).collect();
    let outward: HashMap<String, Arc<Flow>> =
        outward.into_iter().map(|flow| (flow.name().to_owned(), Arc::new(flow))).collect();
    let mut catalogue = Catalogue::read(&folder::all(followed, "catalogue", "toml", faults), faults);
    let places = Places::read(&folder::all(followed, "places", "toml", faults), faults);
    let units = Units::read(&folder::any(followed, "units", "toml", faults), &catalogue, &places, faults);
    let lines = lines?;
    across::followed(&lines, &flows, faults);
    let rules = folder::one(followed, "emergency.toml", faults).map(|source| Rules::read(&source, faults));
    let rules = Arc::new(rules.unwrap_or_default());
    let answers = Answers::read(&folder::all(followed, "answers", "toml", faults), faults);
    across::goes(&flows, &rules, faults);
    across::hints(&flows, &rules, &catalogue, faults);
    across::targets(&flows, &rules, &trunks, faults);
    let Spoken { prompts, texts, voices } =
        spoken::prompts(followed, &lines, flows.values().chain(outward.values()), &rules, faults);
    let main = main?;
    across::called_back(&main.callback, &outward, &trunks, faults);
    across::units(&units, &trunks, &main.backends, &texts, faults);
    main.classify.join(&mut catalogue);
    let calendar = Arc::new(calendar);
    let (deadlines, zone) = (main.deadlines.clone(), main.zone.clone());
    catalogue.set_limit(Arc::new(Deadlines { config: deadlines, calendar: calendar.clone(), zone }));
    let limits = Limits { flows: strictness.unwrap_or(main.check.flows), ..main.check.clone() };
    let proven = proof::Folder {
        flows: &flows,
        rules: &rules,
        lines: &lines,
        prompts: &prompts,
        texts: &texts,
        calendar: &calendar,
    };
    let proof = Proof::new(&proven, limits, Timestamp::now().to_zoned_datetime(main.zone.clone()).date(), faults);
    Some(Config {
        folder: folder.to_owned(),
        main,
        version: files.id(),
        files: Arc::new(files.clone()),
        trunks,
        terms,
        tls,
        lines,
        flows,
        outward,
        calendar,
        catalogue: Arc::new(catalogue),
        places: Arc::new(places),
        units: Arc::new(units),
        emergencies: rules,
        answers: Arc::new(answers),
        prompts,
        texts,
        proof,
        voices,
    })
}

fn read_main(folder: &Path, source: &Source, faults: &Faults) -> Option<Main> {
    let mut table = source.read(faults)?;
    let state_dir = folder::within(folder, &table.text("state_dir").or("../state"));
    let zone = table
        .text("time_zone")
        .check(|name| {
            TimeZone::get(name)
                .map_err(|_| (format!("\"{name}\" is not a time zone"), "write for example \"Asia/Shanghai\"".into()))
        })
        .get()
        .unwrap_or_else(|| TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC));
    // A missing section is an empty one.
    let empty = Source::new(source.file(), "");
    let mut section = |name: &str| table.table(name).or_else(|| empty.read(faults)).map(Section);
    let main = Main {
        sip: section("sip")?.read(sip::task::Config::read),
        media: section("media")?.read(media::Config::read),
        calls: section("calls")?.read(call::Config::read),
        asr: section("asr")?.read(asr::Config::read),
        classify: section("classify")?.read(learned::Config::read),
        tts: section("tts")?.read(tts::Config::read),
        store: section("store")?.read(store::Config::read),
        web: section("web")?.read(web::Config::read),
        reload: section("reload")?.read(reload::Reload::read),
        matters: section("matters")?.read(matter::Config::read),
        sms: section("sms")?.read(casework::sms::Config::read),
        callback: section("callback")?.read(casework::callback::Config::read),
        deadlines: Arc::new(section("deadlines")?.read(deadlines::Config::read)),
        supervision: section("supervision")?.read(supervise::Config::read),
        dispatch: section("dispatch")?.read(duty::Config::read),
        assessment: section("assessment")?.read(scores::Config::read),
        trends: section("trends")?.read(trends::Config::read),
        log: section("log")?.read(observe::Config::read),
        check: section("check")?.read(Limits::read),
        backends: table.tables("backend").into_iter().map(|table| Section(table).read(backend::Config::read)).collect(),
        state_dir,
        zone,
    };
    table.finish();
    backend::check(&main.backends, faults);
    Some(main)
}

/// A section, read whole: what nobody asked for is a fault.
struct Section<'a>(Table<'a>);

impl<'a> Section<'a> {
    fn read<T>(mut self, read: impl FnOnce(&mut Table<'a>) -> T) -> T {
        let value = read(&mut self.0);
        self.0.finish();
        value
    }
}

#[cfg(test)]
mod tests;
