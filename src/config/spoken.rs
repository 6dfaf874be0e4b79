//! Prompts across the folder: each that is named exists, is recorded, and has a text in every language that is spoken.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::folder;
use crate::call::session::ONE_MOMENT;
use crate::casework::duty;
use crate::ivr::{Flow, Lines, Rules};
use crate::tts;
use crate::tts::catalogue::Voices;
use crate::written::{Faults, Written};

/// What prompts sound like, say, and by which voices.
pub(super) struct Spoken {
    pub prompts: HashMap<String, Vec<i16>>,
    pub texts: HashMap<String, String>,
    pub voices: Voices,
}

/// Recordings and texts of every prompt that lines, flows and numbers use; one that is missing is a fault where it is
/// named.
pub(super) fn prompts<'a>(
    folder: &Path,
    lines: &Lines,
    flows: impl Iterator<Item = &'a Arc<Flow>> + Clone,
    rules: &Rules,
    faults: &Faults,
) -> Spoken {
    let mut texts: HashMap<String, String> = lines.texts().into_iter().collect();
    let mut voices = Voices::default();
    if let Some(source) = folder::one(folder, "prompts/prompts.toml", faults) {
        let (entries, languages) = tts::catalogue::read_all(&source, &tts::Manner::default(), faults);
        texts.extend(entries.into_iter().map(|entry| (entry.id, entry.text)));
        voices = languages;
    }
    let mut needed: Vec<String> = tts::numbers::all().chain([UNSPOKEN, ONE_MOMENT].map(str::to_owned)).collect();
    // A folder without them calls no duty telephone; see `across::units`.
    needed.extend(duty::PROMPTS.iter().filter(|id| texts.contains_key(**id)).map(ToString::to_string));
    let named = lines.prompts();
    let raised = || rules.iter().flat_map(|rule| rule.say.iter().chain(&rule.unreached));
    for id in flows.clone().flat_map(|flow| flow.prompts()).chain(&named).chain(raised()) {
        if !texts.contains_key(&id.value) {
            let remedy = format!("write its text in prompts/prompts.toml: {} = \"...\"", id.value);
            faults.at(&id.place, &id.key, format!("prompt \"{}\" does not exist", id.value), remedy);
        } else {
            needed.push(id.value.clone());
        }
    }
    let mut seen = HashSet::new();
    for flow in flows {
        untranslated(flow, flow.prompts().iter().chain(raised()), (&texts, &voices), &mut seen, faults);
    }
    // Of what flows do not say (numbers, lines' greetings) all that has no text in a language is said in the usual one.
    let translated = voices.keys().flat_map(|language| needed.iter().map(move |id| format!("{language}/{id}")));
    let translated: Vec<String> = translated.filter(|id| texts.contains_key(id)).collect();
    needed.extend(translated);
    needed.sort_unstable();
    needed.dedup();
    Spoken { prompts: tts::library::load(&folder.join("prompts"), &needed, faults), texts, voices }
}

/// Whoever has been put into a language is spoken to in it to the end, in an emergency too.
fn untranslated<'a>(
    flow: &'a Flow,
    said: impl Iterator<Item = &'a Written<String>>,
    (texts, voices): (&HashMap<String, String>, &Voices),
    seen: &mut HashSet<(&'a str, &'a str)>,
    faults: &Faults,
) {
    let foreign = |id: &str| voices.keys().any(|language| id.starts_with(&format!("{language}/")));
    let said: Vec<&Written<String>> = said.filter(|id| texts.contains_key(&id.value) && !foreign(&id.value)).collect();
    let mut unknown = HashSet::new();
    for Written { value: name, place, key } in flow.languages() {
        if !voices.contains_key(name) {
            if unknown.insert(name) {
                let remedy = format!("write [language.{name}] in prompts/prompts.toml");
                faults.at(place, key, format!("language \"{name}\" has no prompts"), remedy);
            }
            continue;
        }
        for id in &said {
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
