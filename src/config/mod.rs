//! The configuration folder: every file read, every fault found at once, then checked across files.
//!
//! Each module owns its own section or files; here they are put together and compared: a line's flow exists, a flow's
//! prompts are recorded, a trunk is listed. [`load`] opens no port and changes nothing.

mod folder;
pub mod learned;
pub mod proof;
pub mod reload;
mod secret;
pub mod version;

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use jiff::{Timestamp, tz::TimeZone};

use crate::calendar::Calendar;
use crate::call::session::ONE_MOMENT;
use crate::catalogue::{Catalogue, Places, Urgency};
use crate::id::VersionId;
use crate::ivr::prove::{Limits, Strictness};
use crate::ivr::{Answers, Flow, Lines, Rules, SubFlows};
use crate::sdp::Terms;
use crate::sip::task::Tls;
use crate::sip::{Trunk, Trunks, Uri};
use crate::tts::catalogue::Voices;
use crate::written::{Faults, Source, Table, Written};
use crate::{asr, backend, call, matter, media, observe, sip, store, tts, web};

pub use proof::Proof;

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
    pub calendar: Arc<Calendar>,
    pub catalogue: Arc<Catalogue>,
    pub places: Arc<Places>,
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

/// What prompts sound like, say, and by which voices.
struct Spoken {
    prompts: HashMap<String, Vec<i16>>,
    texts: HashMap<String, String>,
    voices: Voices,
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
    let mut catalogue = Catalogue::read(&folder::all(followed, "catalogue", "toml", faults), faults);
    let places = Places::read(&folder::all(followed, "places", "toml", faults), faults);
    let lines = lines?;
    for line in lines.iter() {
        let Written { value: flow, place, key } = &line.flow;
        if !flows.contains_key(flow) {
            let mut known: Vec<&str> = flows.keys().map(String::as_str).collect();
            known.sort_unstable();
            let remedy = format!("write flows/{flow}.toml, or one of: {}", known.join(", "));
            faults.at(place, key, format!("flow \"{flow}\" does not exist"), remedy);
        }
    }
    let rules = folder::one(followed, "emergency.toml", faults).map(|source| Rules::read(&source, faults));
    let rules = rules.unwrap_or_default();
    let answers = Answers::read(&folder::all(followed, "answers", "toml", faults), faults);
    goes(&flows, &rules, faults);
    hints(&flows, &rules, &catalogue, faults);
    targets(&flows, &rules, &trunks, faults);
    let Spoken { prompts, texts, voices } = prompts(followed, &lines, &flows, &rules, faults);
    let main = main?;
    main.classify.join(&mut catalogue);
    let calendar = Arc::new(calendar);
    let limits = Limits { flows: strictness.unwrap_or(main.check.flows), ..main.check.clone() };
    let proven = proof::Folder { flows: &flows, lines: &lines, prompts: &prompts, texts: &texts, calendar: &calendar };
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
        calendar,
        catalogue: Arc::new(catalogue),
        places: Arc::new(places),
        emergencies: Arc::new(rules),
        answers: Arc::new(answers),
        prompts,
        texts,
        proof,
        voices,
    })
}

/// Whoever was not put through goes on in the flow that they were in.
fn goes(flows: &HashMap<String, Arc<Flow>>, rules: &Rules, faults: &Faults) {
    let mut names: Vec<&String> = flows.keys().collect();
    names.sort_unstable();
    for rule in rules.iter().filter(|rule| !rule.go.value.is_empty()) {
        let Written { value: node, place, key } = &rule.go;
        for name in &names {
            if !flows[*name].nodes().any(|known| known == node) {
                let what = format!("flow \"{name}\" has no node \"{node}\"");
                faults.at(place, key, what, format!("write [node.{node}] in flows/{name}.toml, or another node here"));
            }
        }
    }
}

/// What menus say about a request must be words of the catalogue.
fn hints(flows: &HashMap<String, Arc<Flow>>, rules: &Rules, catalogue: &Catalogue, faults: &Faults) {
    let raised = rules.iter().map(|rule| &rule.hints);
    for Written { value: hints, place, key } in flows.values().flat_map(|flow| flow.hints()).chain(raised) {
        if let Some(category) = &hints.category
            && catalogue.categories().find(category).is_none()
        {
            let what = format!("category \"{category}\" is not in catalogue/");
            faults.at(place, key, what, "write a category's name, or \"first/second/third\"");
        }
        if let Some(kind) = &hints.kind
            && catalogue.kind(kind).is_none()
        {
            let known: Vec<&str> = catalogue.kinds().iter().map(|kind| kind.name.as_str()).collect();
            faults.at(
                place,
                key,
                format!("\"{kind}\" is no type of request"),
                format!("write one of {}", known.join(" ")),
            );
        }
        if let Some(urgency) = &hints.urgency
            && urgency.parse::<Urgency>().is_err()
        {
            faults.at(place, key, format!("\"{urgency}\" is no urgency"), "write urgent, soon or ordinary");
        }
    }
}

/// Where flows transfer to must be an address that can be called.
fn targets(flows: &HashMap<String, Arc<Flow>>, rules: &Rules, trunks: &Trunks, faults: &Faults) {
    let raised = rules.iter().flat_map(|rule| &rule.targets);
    for target in flows.values().flat_map(|flow| flow.transfers()).chain(raised) {
        let over = |uri: &Uri<'_>| {
            let trunk = trunks.get(&String::from_utf8_lossy(uri.host));
            trunk.is_some_and(Trunk::is_called) && uri.number().is_some()
        };
        let callable = Uri::parse(target.value.as_bytes()).is_ok_and(|uri| uri.ip().is_some() || over(&uri));
        if !callable {
            let what = format!("\"{}\" cannot be called", target.value);
            faults.at(
                &target.place,
                &target.key,
                what,
                "write sip:NAME@IP-ADDRESS:PORT, or sip:NUMBER@TRUNK with a trunk that has `outbound`",
            );
        }
    }
}

/// Recordings and texts of every prompt that lines, flows and numbers use; one that is missing is a fault where it is
/// named.
fn prompts(folder: &Path, lines: &Lines, flows: &HashMap<String, Arc<Flow>>, rules: &Rules, faults: &Faults) -> Spoken {
    let mut texts: HashMap<String, String> = lines.texts().into_iter().collect();
    let mut voices = Voices::default();
    if let Some(source) = folder::one(folder, "prompts/prompts.toml", faults) {
        let (entries, languages) = tts::catalogue::read_all(&source, &tts::Manner::default(), faults);
        texts.extend(entries.into_iter().map(|entry| (entry.id, entry.text)));
        voices = languages;
    }
    let mut needed: Vec<String> = tts::numbers::all().chain([UNSPOKEN, ONE_MOMENT].map(str::to_owned)).collect();
    let named = lines.prompts();
    let raised = rules.iter().flat_map(|rule| rule.say.iter().chain(&rule.unreached));
    for id in flows.values().flat_map(|flow| flow.prompts()).chain(&named).chain(raised) {
        if !texts.contains_key(&id.value) {
            let remedy = format!("write its text in prompts/prompts.toml: {} = \"...\"", id.value);
            faults.at(&id.place, &id.key, format!("prompt \"{}\" does not exist", id.value), remedy);
        } else {
            needed.push(id.value.clone());
        }
    }
    flows.values().for_each(|flow| untranslated(flow, &texts, &voices, faults));
    // Of what flows do not say (numbers, lines' greetings) all that has no text in a language is said in the usual one.
    let translated = voices.keys().flat_map(|language| needed.iter().map(move |id| format!("{language}/{id}")));
    let translated: Vec<String> = translated.filter(|id| texts.contains_key(id)).collect();
    needed.extend(translated);
    needed.sort_unstable();
    needed.dedup();
    Spoken { prompts: tts::library::load(&folder.join("prompts"), &needed, faults), texts, voices }
}

/// Whoever has been put into a language is spoken to in it to the end.
fn untranslated(flow: &Flow, texts: &HashMap<String, String>, voices: &Voices, faults: &Faults) {
    let mut seen = HashSet::new();
    for language in flow.languages() {
        let Written { value: name, place, key } = language;
        if !voices.contains_key(name) {
            let remedy = format!("write [language.{name}] in prompts/prompts.toml");
            faults.at(place, key, format!("language \"{name}\" has no prompts"), remedy);
            continue;
        }
        let foreign = |id: &str| voices.keys().any(|language| id.starts_with(&format!("{language}/")));
        for id in flow.prompts().iter().filter(|id| texts.contains_key(&id.value) && !foreign(&id.value)) {
            if !texts.contains_key(&format!("{name}/{}", id.value)) && seen.insert((name, &id.value)) {
                let what = format!("prompt \"{}\" has no text in language \"{name}\"", id.value);
                let remedy = format!("write it under [language.{name}.sentences] in prompts/prompts.toml");
                faults.at(&id.place, &id.key, what, remedy);
            }
        }
    }
}

/// Played where free text cannot be spoken.
const UNSPOKEN: &str = "readback-unavailable";

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
mod tests {
    use super::*;

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
    }

    /// A copy of the shipped folder with one file changed: (what stands there, what shall stand there).
    fn with(file: &str, from: &str, to: &str) -> (tempfile::TempDir, String) {
        let temp = tempfile::tempdir().expect("a temporary folder");
        copy(&shipped(), temp.path());
        let path = temp.path().join(file);
        let text = std::fs::read_to_string(&path).expect("a shipped file");
        assert!(text.contains(from), "{file} no longer holds {from:?}");
        std::fs::write(&path, text.replacen(from, to, 1)).expect("write");
        let said = load(temp.path()).err().map(|faults| faults.to_string()).unwrap_or_default();
        (temp, said)
    }

    fn copy(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(from).expect("a folder").flatten() {
            let into = to.join(entry.file_name());
            if entry.path().is_dir() {
                std::fs::create_dir(&into).expect("mkdir");
                copy(&entry.path(), &into);
            } else {
                std::fs::copy(entry.path(), into).expect("copy");
            }
        }
    }

    #[test]
    fn the_shipped_folder_is_good() {
        let config = load(&shipped()).unwrap_or_else(|faults| panic!("{faults}"));
        assert!(config.lines.iter().len() >= 25 && config.main.backends.len() == 1, "{}", config.summary());
    }

    /// `# key = value` in the shipped jiesu.toml is a default: written out, nothing changes.
    #[test]
    fn the_defaults_that_are_shown_are_the_defaults() {
        let text = std::fs::read_to_string(shipped().join("jiesu.toml")).expect("the shipped file");
        let mut shown = 0;
        let written: Vec<&str> = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest)
                    if rest.split(" = ").next().is_some_and(|key| !key.contains(' ')) && rest.contains(" = ") =>
                {
                    shown += 1;
                    rest
                }
                _ => line,
            })
            .collect();
        assert!(shown > 45, "only {shown} defaults are shown");
        let faults = Faults::default();
        let read = |text: &str| {
            let source = Source::new(shipped().join("jiesu.toml"), text);
            read_main(&shipped(), &source, &faults).unwrap_or_else(|| panic!("{faults}"))
        };
        let (bare, full) = (read(&text), read(&written.join("\n")));
        assert!(faults.is_empty(), "{faults}");
        assert_eq!(
            format!("{:?}", (&bare.sip, &bare.media, &bare.calls)),
            format!("{:?}", (&full.sip, &full.media, &full.calls))
        );
        assert_eq!(
            format!("{:?}", (&bare.asr, &bare.tts, &bare.store)),
            format!("{:?}", (&full.asr, &full.tts, &full.store))
        );
        assert_eq!(
            format!("{:?}", (&bare.web, &bare.log, &bare.reload, &bare.check, &bare.state_dir)),
            format!("{:?}", (&full.web, &full.log, &full.reload, &full.check, &full.state_dir))
        );
        let retries =
            |main: &Main| main.backends.iter().map(|b| (b.kind.clone(), b.retry, b.at_once)).collect::<Vec<_>>();
        assert_eq!(retries(&bare), retries(&full));
        assert_eq!(bare.zone, full.zone);
    }

    #[test]
    fn what_does_not_fit_together_is_named_where_it_stands() {
        let hint = "{ key = \"1\", go = \"utilities\"";
        for (file, from, to, parts) in [
            ("lines.toml", "flow = \"main\"", "flow = \"nowhere\"", ["lines.toml:", "\"nowhere\" does not exist"]),
            ("flows/main.toml", hint, "{ category = \"飞碟\", key = \"1\", go = \"utilities\"", ["main.toml:", "飞碟"]),
            ("flows/main.toml", hint, "{ kind = \"闲聊\", key = \"1\", go = \"utilities\"", ["main.toml:", "闲聊"]),
            ("flows/main.toml", hint, "{ urgency = \"now\", key = \"1\", go = \"utilities\"", ["main.toml:", "now"]),
            (
                "flows/main.toml",
                "sip:operator@127.0.0.1:5061",
                "sip:operator@pbx.example",
                ["main.toml:", "cannot be called"],
            ),
            (
                "flows/main.toml",
                "say = [\"thanks\"]",
                "say = [\"thanx\"]",
                ["main.toml:", "prompt \"thanx\" does not exist"],
            ),
            (
                "emergency.toml",
                "go = \"details-urgent\"",
                "go = \"nowhere\"",
                ["emergency.toml:", "flow \"main\" has no node \"nowhere\""],
            ),
            (
                "emergency.toml",
                "sip:110@127.0.0.1:5061",
                "sip:110@police.example",
                ["emergency.toml:", "cannot be called"],
            ),
            (
                "emergency.toml",
                "say = [\"emergency-fire\"]",
                "say = [\"emergency-fier\"]",
                ["emergency.toml:", "prompt \"emergency-fier\" does not exist"],
            ),
            ("emergency.toml", "category = \"消防安全\"", "category = \"飞碟\"", ["emergency.toml:", "飞碟"]),
            (
                "answers/hotline.toml",
                "id = \"hours\"",
                "id = \"what-is-12345\"",
                ["hotline.toml:", "is an answer already"],
            ),
            (
                "flows/main.toml",
                "language = \"en\"\ngo",
                "language = \"fr\"\ngo",
                ["main.toml:", "language \"fr\" has no prompts"],
            ),
            (
                "prompts/prompts.toml",
                "\nthanks = \"Thank",
                "\nthankz = \"Thank",
                ["main.toml:", "prompt \"thanks\" has no text in language \"en\""],
            ),
            ("calendar/2026.toml", "2026-10-07", "2027-10-07", ["2026.toml:", "is no date of 2026"]),
            (
                "flows/main.toml",
                "[node.thanks]\ndo = \"hangup\"",
                "[node.thanks]\ndo = \"sub\"\nflow = \"elsewhere\"\ngo = \"goodbye\"",
                ["main.toml:", "there is no sub-flow \"elsewhere\""],
            ),
            (
                "jiesu.toml",
                "[[backend]]",
                "[[backend]]\nname = \"log\"\nkind = \"log\"\n[[backend]]",
                ["jiesu.toml:", "two backends"],
            ),
            ("jiesu.toml", "[media]", "[media]\nprots = 1", ["jiesu.toml:", "did you mean ports?"]),
            (
                "jiesu.toml",
                "# time_zone = \"Asia/Shanghai\"",
                "time_zone = \"Asia/Peking\"",
                ["jiesu.toml:", "not a time zone"],
            ),
        ] {
            let (_kept, said) = with(file, from, to);
            for part in parts {
                assert!(said.contains(part), "{to:?}: {part:?} is not in {said:?}");
            }
        }
    }
}
