//! `prompts.toml`: what each prompt says, by its id.
//!
//! ```toml
//! [sentences]
//! greeting = "您好，这里是12345市民服务热线。"
//!
//! [pieces]                # strung together with others: little silence at their ends
//! digit-1 = "幺"
//!
//! [manner.gas-danger]     # one prompt's own way of speaking: voice, speed, pitch as in [tts]
//! speed = 140
//!
//! [language.en]           # the same prompts for callers who chose another language
//! voice = "en-gb"
//! [language.en.sentences]
//! greeting = "Hello, this is the citizens' hotline 12345."
//! ```
//!
//! An id is the name of its file: small letters, digits and hyphens. Those of another language lie in its folder:
//! `en/greeting`.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::config::{Config, Input, Manner};
use super::shape::Edges;
use crate::written::{Faults, Source, Table, Written};

/// One prompt as it is to be rendered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub id: String,
    pub text: String,
    /// `None`: as `[tts]` says.
    pub manner: Option<Manner>,
    pub edges: Edges,
    /// Its text goes to the voice as it is: only the usual language is spelt in pinyin.
    pub foreign: bool,
}

impl Entry {
    /// A sentence in the usual manner.
    pub fn sentence(id: impl Into<String>, text: impl Into<String>) -> Entry {
        Entry { id: id.into(), text: text.into(), manner: None, edges: Edges::Sentence, foreign: false }
    }

    /// How this prompt is rendered.
    pub fn config(&self, usual: &Config) -> Config {
        let input = if self.foreign { Input::Text } else { usual.input };
        Config { input, manner: self.manner.clone().unwrap_or_else(|| usual.manner.clone()), ..usual.clone() }
    }
}

/// The voice of each language beside the usual one.
pub type Voices = BTreeMap<String, Manner>;

/// Every prompt of the file, in its order. `usual` stands where a prompt's own manner says only a part.
pub fn entries(source: &Source, usual: &Manner, faults: &Faults) -> Vec<Entry> {
    read_all(source, usual, faults).0
}

/// The prompts, and the voices of the languages in the file.
pub fn read_all(source: &Source, usual: &Manner, faults: &Faults) -> (Vec<Entry>, Voices) {
    let Some(mut table) = source.read(faults) else { return Default::default() };
    let mut list = Vec::new();
    sections(&mut table, None, &mut list);
    let mut voices = Voices::new();
    if let Some(mut languages) = table.table("language") {
        for language in languages.keys() {
            let Some(mut own) = languages.table(&language) else { continue };
            if !is_id(&language) {
                own.fault("", format!("\"{language}\" is no language"), "write a short name, e.g. [language.en]");
            }
            let named = Manner { voice: language.clone(), ..usual.clone() };
            let manner = Manner::read(&mut own, &named);
            sections(&mut own, Some((&language, &manner)), &mut list);
            own.finish();
            voices.insert(language, manner);
        }
        languages.finish();
    }
    if let Some(manners) = table.table("manner") {
        read_manners(manners, usual, &mut list);
    }
    table.finish();
    (list, voices)
}

/// `sentences` and `pieces` of a table, in the usual language or another.
fn sections(table: &mut Table<'_>, language: Option<(&str, &Manner)>, list: &mut Vec<Entry>) {
    let mut seen = HashSet::new();
    for (key, edges) in [("sentences", Edges::Sentence), ("pieces", Edges::Piece)] {
        let Some(mut section) = table.table(key) else { continue };
        for id in section.keys() {
            let text = section.text(&id).check(|text: &String| spoken(&id, text, seen.contains(&id)));
            let Some(text) = text.get() else { continue };
            seen.insert(id.clone());
            list.push(match language {
                None => Entry { edges, ..Entry::sentence(id, text) },
                Some((language, manner)) => Entry {
                    edges,
                    manner: Some(manner.clone()),
                    foreign: true,
                    ..Entry::sentence(format!("{language}/{id}"), text)
                },
            });
        }
        section.finish();
    }
}

/// The texts alone, by id.
pub fn read(source: &Source, faults: &Faults) -> HashMap<String, String> {
    entries(source, &Manner::default(), faults).into_iter().map(|entry| (entry.id, entry.text)).collect()
}

fn spoken(id: &str, text: &str, twice: bool) -> Result<String, (String, String)> {
    if !is_id(id) {
        return Err((
            format!("\"{id}\" is not a prompt's id"),
            "write small letters, digits and hyphens: it is the name of a file".to_owned(),
        ));
    }
    if twice {
        return Err((format!("{id} stands in both sections"), "remove one of them".to_owned()));
    }
    if text.trim().is_empty() {
        return Err(("the text is empty".to_owned(), "write what the prompt says, or remove the key".to_owned()));
    }
    Ok(text.to_owned())
}

fn read_manners(mut manners: Table<'_>, usual: &Manner, list: &mut [Entry]) {
    for id in manners.keys() {
        let Some(mut table) = manners.table(&id) else { continue };
        let manner = Manner::read(&mut table, usual);
        match list.iter_mut().find(|entry| entry.id == id) {
            Some(entry) => entry.manner = Some(manner),
            None => {
                let remedy = "write its text under [sentences] or [pieces], or remove this section";
                table.faults().at(table.place(), manners.path(&id), "no prompt has this id", remedy);
            }
        }
        table.finish();
    }
    manners.finish();
}

/// Ids that are needed and have no text here are told with the place that needs them.
pub fn missing(entries: &[Entry], needed: &[Written<String>], faults: &Faults) {
    let known: HashSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    for want in needed.iter().filter(|want| !known.contains(want.value.as_str())) {
        let remedy = format!("write {} = \"…\" in prompts/prompts.toml", want.value);
        faults.at(&want.place, &want.key, format!("prompt \"{}\" has no text", want.value), remedy);
    }
}

/// Whether this can name a prompt and its file.
pub fn is_id(id: &str) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !id.is_empty() && id.len() <= 64 && !id.starts_with('-') && id.bytes().all(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Vec<Entry>, String) {
        let faults = Faults::default();
        let entries = entries(&Source::new("prompts.toml", text), &Manner::default(), &faults);
        (entries, faults.to_string())
    }

    #[test]
    fn sentences_pieces_and_manners() {
        let (list, faults) =
            read_text("[sentences]\nhello = \"您好。\"\n[pieces]\nten = \"十\"\n[manner.hello]\nspeed = 140\n");
        assert_eq!(faults, "");
        let slow = Manner { speed: 140, ..Manner::default() };
        assert_eq!(
            list,
            [
                Entry { manner: Some(slow), ..Entry::sentence("hello", "您好。") },
                Entry { edges: Edges::Piece, ..Entry::sentence("ten", "十") }
            ]
        );
    }

    #[test]
    fn every_fault_is_told() {
        let (list, faults) = read_text(
            "top = \"x\"\n[sentences]\n\"../x\" = \"您好\"\nempty = \" \"\nten = \"十\"\n[pieces]\nten = \"十\"\n[manner.nobody]\npitch = 100\n",
        );
        assert_eq!(list.len(), 1);
        for part in [
            "prompts.toml:1:1: top: unknown key",
            "prompts.toml:3:10: sentences.../x: \"../x\" is not a prompt's id",
            "prompts.toml:4:9: sentences.empty: the text is empty",
            "prompts.toml:7:7: pieces.ten: ten stands in both sections; remove one of them",
            "prompts.toml:9:9: manner.nobody.pitch: 100 is out of range; write 0 to 99",
            "manner.nobody: no prompt has this id",
        ] {
            assert!(faults.contains(part), "{part} is not in:\n{faults}");
        }
    }

    #[test]
    fn another_language_has_its_own_folder_and_voice() {
        let faults = Faults::default();
        let text = "[sentences]\nhello = \"您好。\"\n[language.en]\nvoice = \"en-gb\"\n[language.en.sentences]\nhello = \"Hello.\"\n[manner.\"en/hello\"]\nspeed = 120\n";
        let (list, voices) = read_all(&Source::new("prompts.toml", text), &Manner::default(), &faults);
        assert!(faults.is_empty(), "{faults}");
        assert_eq!(voices["en"].voice, "en-gb");
        let slow = Manner { speed: 120, ..Manner::default() };
        assert_eq!((list[1].id.as_str(), list[1].foreign, &list[1].manner), ("en/hello", true, &Some(slow)));
        let config = Config::default();
        assert_eq!((list[1].config(&config).input, list[0].config(&config).input), (Input::Text, Input::Pinyin));
        let (_, faults) = read_text("[language.\"../x\"]\nvoice = \"en\"\nvioce = 1\n");
        assert!(faults.contains("is no language") && faults.contains("did you mean voice?"), "{faults}");
    }

    #[test]
    fn an_id_cannot_leave_its_folder() {
        for bad in ["", ".", "..", "a/b", "-rf", "A", "数", "a.b", " a"] {
            assert!(!is_id(bad), "{bad}");
        }
        assert!(is_id("line-12319"));
    }
}
