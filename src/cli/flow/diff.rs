//! `jiesu flow diff`: what changes for callers between two configuration folders or kept versions, in plain Chinese.
//!
//! A number is a version as `jiesu flow versions` shows it, `.` the configuration folder itself, anything else a folder.
//! Where the newer side is a version that is planned, each line says from when it will be so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::app;
use crate::cli::Exit;
use crate::cli::stored;
use crate::cli::ticket::{main, say, tame};
use crate::config::version::Archive;
use crate::config::{self, Config};
use crate::ivr::change::{self, Version};
use crate::ivr::{Flow, Line};
use crate::store::ActivationState;

/// Plans that are looked through.
const PLANS: u32 = 10_000;
/// A time of day from here on is an evening's.
const EVENING: i8 = 18;

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Side {
    Folder(PathBuf),
    Kept(i64),
}

impl Side {
    fn read(written: &str, folder: &Path) -> Side {
        match written.parse() {
            Ok(number) => Side::Kept(number),
            Err(_) if written == "." => Side::Folder(folder.to_owned()),
            Err(_) => Side::Folder(written.into()),
        }
    }
}

/// What is read of a side, and when it is planned to be taken.
struct Found {
    config: Config,
    due: Option<Timestamp>,
}

/// Two sides against each other; 1 if anything changes. `from` stands before each line instead of a plan's time.
pub fn run(folder: &Path, old: &str, new: &str, from: Option<&str>) -> anyhow::Result<Exit> {
    let mut both = Vec::new();
    for side in [old, new] {
        match Side::read(side, folder).find(folder)? {
            Ok(found) => both.push(found),
            Err(exit) => return Ok(exit),
        }
    }
    let [old, new] = both.as_slice() else { unreachable!("two sides were read") };
    let lines = compared(&old.config, &new.config);
    if lines.is_empty() {
        return say("市民不会察觉任何变化\n");
    }
    let zone = &new.config.main.zone;
    let planned = new.due.map(|due| moment(due, Timestamp::now(), zone));
    let from = from.map(|time| format!("从 {time} 起,")).or(planned.map(|time| format!("从{time}起,")));
    let from = from.unwrap_or_default();
    let text: String = lines.iter().map(|line| format!("{from}{line}\n")).collect();
    say(&text)?;
    Ok(Exit::No)
}

impl Side {
    /// Flows that break a rule are looked at as well: that may be what changes. Other faults are printed.
    fn find(&self, folder: &Path) -> anyhow::Result<Result<Found, Exit>> {
        match self {
            Side::Folder(path) => Ok(match config::load_to_look(path) {
                Ok(config) => Ok(Found { config, due: None }),
                Err(faults) => {
                    eprint!("{faults}");
                    Err(Exit::Usage)
                }
            }),
            Side::Kept(number) => kept(folder, *number),
        }
    }
}

/// A version beside the folder's other files, as the daemon would take it.
fn kept(folder: &Path, number: i64) -> anyhow::Result<Result<Found, Exit>> {
    let main = match main(folder) {
        Ok(main) => main,
        Err(exit) => return Ok(Err(exit)),
    };
    crate::cli::runtime()?.block_on(async {
        let Some(store) = stored::look(&main).await? else { return Ok(Err(Exit::No)) };
        let Some(row) = store.version(number).await? else {
            eprintln!("jiesu: there is no version {number}; `jiesu flow versions` lists them");
            return Ok(Err(Exit::No));
        };
        let archive = Archive::new(&main.state_dir);
        let files = archive.get(&row.files).with_context(|| format!("version {number}"))?;
        let waits = |state| state == ActivationState::Waiting;
        let plans = store.all_activations(PLANS).await?;
        let due =
            plans.into_iter().filter(|plan| plan.version == number && waits(plan.state)).map(|plan| plan.due).min();
        Ok(match app::reload::look(&archive, folder, &files) {
            Ok(config) => Ok(Found { config, due }),
            Err(faults) => {
                faults.iter().for_each(|fault| eprintln!("version {number}: {}", tame(&fault.to_string())));
                Err(Exit::No)
            }
        })
    })
}

/// A time as people say it: 今晚 21:00, 明天 08:00, 12月1日 08:00.
fn moment(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let (at, now) = (at.to_zoned_datetime(zone.clone()), now.to_zoned_datetime(zone.clone()));
    let day = match (at.date(), now.date().checked_add(1.day())) {
        (day, _) if day == now.date() && at.hour() >= EVENING => "今晚".to_owned(),
        (day, _) if day == now.date() => "今天".to_owned(),
        (day, Ok(tomorrow)) if day == tomorrow => "明天".to_owned(),
        (day, _) if day.year() == now.year() => format!("{}月{}日", day.month(), day.day()),
        (day, _) => format!("{}年{}月{}日", day.year(), day.month(), day.day()),
    };
    format!("{day} {:02}:{:02} ", at.hour(), at.minute())
}

fn version<'a>(config: &'a Config, flow: &'a Flow) -> Version<'a> {
    Version { flow, premises: config.proof.premises(flow) }
}

/// What changes for callers, line by line and flow by flow.
fn compared(old: &Config, new: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    let dialled = |config: &Config| -> BTreeMap<String, (String, Option<String>)> {
        let greeting = |line: &Line| line.greeting.as_ref().map(|text| text.value.clone());
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
    let flows: BTreeSet<&String> = old.flows.keys().chain(new.flows.keys()).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_said_as_people_say_it() {
        let zone = TimeZone::get("Asia/Shanghai").expect("bundled");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let now = at("2026-11-27T04:30:00Z"); // 12:30 there
        let said = |text: &str| moment(at(text), now, &zone);
        assert_eq!(said("2026-11-27T13:00:00Z"), "今晚 21:00 ");
        assert_eq!(said("2026-11-27T05:05:00Z"), "今天 13:05 ");
        assert_eq!(said("2026-11-27T16:00:00Z"), "明天 00:00 ");
        assert_eq!(said("2026-12-01T00:00:00Z"), "12月1日 08:00 ");
        assert_eq!(said("2027-01-01T00:00:00Z"), "2027年1月1日 08:00 ");
    }

    #[test]
    fn a_number_is_a_version_and_a_dot_the_folder() {
        let folder = Path::new("/etc/jiesu");
        assert_eq!(Side::read("3", folder), Side::Kept(3));
        assert_eq!(Side::read(".", folder), Side::Folder(folder.into()));
        assert_eq!(Side::read("./3", folder), Side::Folder("./3".into()));
        assert_eq!(Side::read("new", folder), Side::Folder("new".into()));
    }
}
