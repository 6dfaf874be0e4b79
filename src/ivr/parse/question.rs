//! What a node asks: its times, choices, intents, and what happens when no answer comes.

use std::ops::Range;
use std::time::Duration;

use super::say::Known;
use super::{Name, Reader, go, is_key};
use crate::ivr::flow::{Ask, Choice, Counted, Intent, Kind, Times};
use crate::ivr::spoken::bare;
use crate::written::Table;

/// A menu choice of more keys than this is a typing mistake.
const MOST_KEYS: usize = 8;

/// Nobody says no so often.
const MOST_PLACES: i64 = 5;

impl Reader {
    pub(super) fn ask(&mut self, table: &mut Table<'_>) -> Ask<Name> {
        Ask {
            say: self.say(table, "say", Known::Call),
            times: self.times(table),
            no_input: self.inherited(table, "no_input"),
            no_match: self.inherited(table, "no_match"),
        }
    }

    pub(super) fn choices(&mut self, table: &mut Table<'_>) -> Vec<Choice<Name>> {
        let mut choices: Vec<Choice<Name>> = Vec::new();
        let mut spoken = Vec::new();
        for mut entry in table.tables("choice") {
            let keys = entry.text("key").check(|keys| match keys.chars().all(is_key) {
                true if !keys.is_empty() && keys.len() <= MOST_KEYS => Ok(keys.clone()),
                _ => Err((format!("\"{keys}\" is no key"), "write digits, \"*\" or \"#\"".to_owned())),
            });
            let keys = keys.need_written("the key, e.g. \"1\"");
            if !keys.value.is_empty() && choices.iter().any(|choice| choice.keys == keys.value) {
                let what = format!("key {} is taken by a choice above", keys.value);
                self.faults.at(&keys.place, keys.key, what, "give it another key");
            }
            let words = self.spoken(&mut entry, &mut spoken);
            let hints = self.chosen(&mut entry, "go");
            choices.push(Choice { keys: keys.value, words, go: go(&mut entry, "go"), hints });
            entry.finish();
        }
        if choices.is_empty() {
            table.fault(
                "choice",
                "a menu without choices has no exit",
                "write choice = [{ key = \"1\", go = \"...\" }]",
            );
        }
        // The recorder ends an utterance with #.
        if !spoken.is_empty() && choices.iter().any(|choice| choice.keys.contains('#')) {
            table.fault("choice", "key # ends what is said here", "give it another key, or remove the `words`");
        }
        choices
    }

    pub(super) fn intents(&mut self, table: &mut Table<'_>) -> Vec<Intent<Name>> {
        let mut intents = Vec::new();
        let mut spoken = Vec::new();
        for mut entry in table.tables("intent") {
            let words = self.spoken(&mut entry, &mut spoken);
            if words.is_empty() && !entry.has("words") {
                entry.fault("words", "nothing that a caller could say", "write words = [\"查询进度\", \"查进度\"]");
            }
            let hints = self.chosen(&mut entry, "go");
            intents.push(Intent { words, go: go(&mut entry, "go"), hints });
            entry.finish();
        }
        intents
    }

    /// Whoever says or presses nothing, or something else, goes on: `no_input` and `no_match` are the node's own or none.
    pub(super) fn place(&mut self, table: &mut Table<'_>) -> Kind<Name> {
        let go = go(table, "go");
        let on = || vec![Counted { count: 1, say: Vec::new(), go: Some(go.clone()) }];
        let ask = Ask {
            say: self.say(table, "say", Known::Call),
            times: self.times(table),
            no_input: self.handlers(table, "no_input").unwrap_or_else(on),
            no_match: self.handlers(table, "no_match").unwrap_or_else(on),
        };
        let mut spoken = Vec::new();
        let yes = self.spoken_as("yes", table, &mut spoken);
        let no = self.spoken_as("no", table, &mut spoken);
        Kind::Place { ask, yes, no, most: table.int("most").or(2, 1..MOST_PLACES) as u32, go }
    }

    /// `words` of a choice or intent; `taken` are those of the choices above it.
    fn spoken(&mut self, entry: &mut Table<'_>, taken: &mut Vec<String>) -> Vec<String> {
        self.spoken_as("words", entry, taken)
    }

    fn spoken_as(&mut self, key: &str, entry: &mut Table<'_>, taken: &mut Vec<String>) -> Vec<String> {
        let mut words = Vec::new();
        for word in entry.texts(key).get().unwrap_or_default() {
            let text = bare(&word.value);
            let place = if word.place.line == 0 { entry.place().clone() } else { word.place };
            if text.is_empty() {
                self.faults.at(&place, word.key, "is no word", "write what a caller would say");
            } else if taken.contains(&text) {
                let what = format!("\"{}\" is taken by a choice above", word.value);
                self.faults.at(&place, word.key, what, "remove one of the two");
            } else {
                taken.push(text.clone());
                words.push(text);
            }
        }
        words
    }

    pub(super) fn times(&self, table: &mut Table<'_>) -> Times {
        let limited = |table: &mut Table<'_>, key, limits: Range<&str>, default: Duration| {
            let there = table.has(key);
            let span = table.duration(key).or(limits.start, limits.clone());
            if there { span } else { default }
        };
        Times {
            wait: limited(table, "wait", "1s".."60s", self.times.wait),
            between: limited(table, "between", "100ms".."15s", self.times.between),
            silence: limited(table, "silence", "200ms".."30s", self.times.silence),
            longest: limited(table, "longest", "1s".."15m", self.times.longest),
        }
    }

    /// The node's own handlers, or the flow's.
    pub(super) fn inherited(&mut self, table: &mut Table<'_>, key: &str) -> Vec<Counted<Name>> {
        if let Some(own) = self.handlers(table, key) {
            return own;
        }
        let flow = if key == "no_input" { &self.no_input } else { &self.no_match };
        flow.clone().unwrap_or_else(|| {
            let remedy = format!("write {key} = [{{ go = \"...\" }}] here, or [[{key}]] at the top of the file");
            table.fault(key, "missing, and the flow has none for all nodes", remedy);
            Vec::new()
        })
    }

    pub(super) fn handlers(&mut self, table: &mut Table<'_>, key: &str) -> Option<Vec<Counted<Name>>> {
        let there = table.has(key);
        let entries = table.tables(key);
        if !there {
            return None;
        }
        let mut list: Vec<Counted<Name>> = Vec::new();
        let mut last = None;
        for mut entry in entries {
            let next = list.last().map_or(1, |before| i64::from(before.count) + 1);
            let count = entry.int("count").or(next, 1..20) as u32;
            let say = self.pieces(&mut entry, "say", Known::Call).unwrap_or_default();
            let go = entry.text("go").written();
            if let Some(before) = list.last() {
                if before.count >= count {
                    entry.fault("count", "counts have to rise", format!("write at least {next}, or leave it out"));
                } else if before.go.is_some() {
                    entry.fault("count", "is never reached: the entry above leaves the node", "remove one of the two");
                }
            }
            last = Some(entry.place().clone());
            list.push(Counted { count, say, go });
            entry.finish();
        }
        if list.last().is_none_or(|last| last.go.is_none()) {
            let place = last.unwrap_or_else(|| table.place().clone());
            let what = "asks for ever: its last entry leads nowhere";
            self.faults.at(&place, table.path(key), what, "give the last entry a go = \"...\"");
        }
        Some(list)
    }
}
