//! What is shipped under `config/prompts` can be played as it is: a fresh clone speaks without espeak-ng.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::catalogue::{self, Entry};
use super::config::Config;
use super::pinyin::{Unit, units};
use super::{library, numbers};
use crate::audio::level;
use crate::ivr::Lines;
use crate::written::{Faults, Source};

fn config(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(file)
}

fn source(file: &str) -> Source {
    let path = config(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Source::new(path, text)
}

/// The catalogue and the lines' greetings.
fn entries() -> Vec<Entry> {
    let faults = Faults::default();
    let mut list = catalogue::entries(&source("prompts/prompts.toml"), &Config::default().manner, &faults);
    let greetings = Lines::read(&source("lines.toml"), &faults).texts();
    assert!(!greetings.is_empty());
    list.extend(greetings.into_iter().map(|(id, text)| Entry::sentence(id, text)));
    assert!(faults.is_empty(), "{faults}");
    list
}

#[test]
fn every_prompt_has_a_recording_that_can_be_played() {
    let entries = entries();
    let needed: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
    let faults = Faults::default();
    let prompts = library::load(&config("prompts"), &needed, &faults);
    assert!(faults.is_empty(), "{faults}");
    for entry in &entries {
        let sound = &prompts[&entry.id];
        let steps = units(&entry.text, Config::default().one);
        let syllables = steps.iter().filter(|unit| matches!(unit, Unit::Syllable(_))).count();
        // An English word has about one and a half syllables.
        let syllables = if entry.foreign { entry.text.split_whitespace().count() * 3 / 2 } else { syllables };
        let (seconds, syllables) = (library::duration(sound).as_secs_f64(), syllables as f64);
        assert!((0.1 * syllables..0.5 * syllables + 0.8).contains(&seconds), "{}: {seconds} s", entry.id);
        let peak = 20.0 * (f64::from(level::peak(sound)) / 32_768.0).log10();
        assert!(peak < -3.0, "{}: peak {peak} dBFS", entry.id);
        let level = level::dbfs(sound);
        assert!((-29.0..-18.0).contains(&level), "{}: {level} dBFS", entry.id);
    }
}

#[test]
fn every_number_can_be_said() {
    let known: HashSet<String> = entries().into_iter().map(|entry| entry.id).collect();
    for id in numbers::all().filter(|id| id != numbers::PAUSE) {
        assert!(known.contains(&id), "{id} is not in prompts.toml");
    }
}

#[test]
fn every_file_belongs_to_a_prompt() {
    let known: HashSet<String> = entries().into_iter().map(|entry| entry.id).collect();
    for folder in ["", "en/"] {
        for entry in std::fs::read_dir(config("prompts").join(folder)).expect("the folder is there").flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "wav") {
                let id = format!("{folder}{}", path.file_stem().unwrap_or_default().to_string_lossy());
                assert!(known.contains(&id), "{} belongs to no prompt", path.display());
            }
        }
    }
}
