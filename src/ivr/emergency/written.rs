//! `emergency.toml` as it is written, read key by key.

use std::collections::BTreeMap;

use super::{Rule, Rules, Sense};
use crate::catalogue::text::folded;
use crate::catalogue::{ELLIPSIS, Gather};
use crate::ivr::parse::route::sip_address;
use crate::ivr::talk::Hints;
use crate::written::{Faults, Source, Table, Written};

/// Nobody looks after more rules, and a call tries their targets one after the other.
const MOST_RULES: usize = 32;
const MOST_TARGETS: usize = 8;
/// Keys in a row: fewer come about by accident, more are not remembered.
const KEYS: std::ops::RangeInclusive<usize> = 3..=6;

const PROMPTS: &str = "prompt ids, e.g. [\"emergency-fire\"]";

impl Rules {
    /// Reads and checks the file; what is wrong goes to `faults`.
    pub fn read(source: &Source, faults: &Faults) -> Rules {
        let Some(mut table) = source.read(faults) else { return Rules::default() };
        let mut reader =
            Reader { faults: faults.clone(), words: Gather::default(), taken: BTreeMap::new(), alarms: Vec::new() };
        let overhear = table.flag("overhear").or(true);
        let harmless = table.texts("harmless");
        reader.words(harmless.get().unwrap_or_default(), &[Sense::Harmless]);
        if let Some(mut doubt) = table.table("doubt") {
            reader.words(doubt.texts("before").get().unwrap_or_default(), &[Sense::DoubtBefore]);
            reader.words(doubt.texts("after").get().unwrap_or_default(), &[Sense::DoubtAfter]);
            doubt.finish();
        }
        let targets = targets(&mut table);
        let mut rules: Vec<Rule> = Vec::new();
        for entry in table.tables("rule") {
            if rules.len() == MOST_RULES {
                entry.fault("name", format!("more than {MOST_RULES} rules"), "put several words under one rule");
                break;
            }
            let rule = reader.rule(entry, rules.len(), &targets);
            twice(&rules, &rule, faults);
            rules.push(rule);
        }
        table.finish();
        let rules = Rules { rules, words: reader.words.lexicon(), overhear };
        reader.alarms.iter().for_each(|(rule, word)| heard(&rules, *rule, word, faults));
        rules
    }
}

struct Reader {
    faults: Faults,
    words: Gather<Sense>,
    /// Every word, and what it stands for: a word has one sense.
    taken: BTreeMap<String, Sense>,
    /// The words of each rule.
    alarms: Vec<(usize, Written<String>)>,
}

impl Reader {
    fn words(&mut self, words: Vec<Written<String>>, senses: &[Sense]) {
        for Written { value, place, key } in words {
            let word = folded(&value);
            let parts = word.split(ELLIPSIS).all(|part| !part.is_empty());
            if !parts || word.chars().filter(|c| *c != ELLIPSIS).count() < 2 {
                let what = format!("\"{value}\" is no word to look for");
                self.faults.at(&place, key, what, "write two characters or more, with … only between others");
                continue;
            }
            for sense in senses {
                if let Some(other) = self.taken.insert(word.clone(), *sense) {
                    let what = format!("\"{value}\" stands in this file twice ({})", name(other));
                    self.faults.at(&place, &key, what, "leave one of the two");
                }
                self.words.add(&value, *sense);
            }
        }
    }

    fn rule(&mut self, mut table: Table<'_>, rule: usize, targets: &BTreeMap<String, Written<String>>) -> Rule {
        let name = table.text("name").need_written("a word for the log and the ticket, e.g. \"fire\"");
        let firm = table.flag("firm").or(false);
        let words = table.texts("words").get().unwrap_or_default();
        let key = table.text("key").check(keys).written();
        if words.is_empty() && key.is_none() {
            table.fault("words", "nothing raises this rule", "write words = [\"...\"], or a key");
        }
        self.alarms.extend(words.iter().map(|word| (rule, word.clone())));
        self.words(words, &[Sense::Alarm { rule, firm }]);
        let harmless = table.texts("harmless").get().unwrap_or_default();
        self.words(harmless, &[Sense::Harmless]);
        let say = self.prompts(&mut table, "say");
        if say.is_empty() {
            table.fault("say", "missing: the caller would hear nothing", format!("write say = {PROMPTS}"));
        }
        let targets = self.targets(&mut table, targets);
        let unreached = self.prompts(&mut table, "unreached");
        if !targets.is_empty() && unreached.is_empty() {
            let remedy = format!("write unreached = {PROMPTS}");
            table.fault("unreached", "missing: who is not reached has to be told what to do", remedy);
        }
        let go = table.text("go").need_written("the node at which the flow goes on, e.g. \"details-urgent\"");
        let hints = Hints {
            topic: table.text("topic").get(),
            category: table.text("category").get(),
            kind: table.text("kind").get(),
            urgency: Some("urgent".to_owned()),
            ..Hints::default()
        };
        let hints = Written { value: hints, place: table.place().clone(), key: table.path("category") };
        table.finish();
        Rule { name, say, targets, unreached, go, hints, key }
    }

    fn prompts(&self, table: &mut Table<'_>, key: &str) -> Vec<Written<String>> {
        let list = placed(table, key);
        for id in &list {
            let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if id.value.is_empty() || !id.value.chars().all(known) {
                let what = format!("\"{}\" is no prompt's id", id.value);
                self.faults.at(&id.place, &id.key, what, "write its text into prompts.toml, and its id here");
            }
        }
        list
    }

    fn targets(&self, table: &mut Table<'_>, known: &BTreeMap<String, Written<String>>) -> Vec<Written<String>> {
        let mut list = Vec::new();
        for target in placed(table, "to") {
            match known.get(&target.value) {
                Some(uri) => list.push(uri.clone()),
                None if sip_address(&target.value).is_ok() => list.push(target),
                None => {
                    let names: Vec<&str> = known.keys().map(String::as_str).collect();
                    let what = format!("\"{}\" is neither a name of [targets] nor a SIP address", target.value);
                    self.faults.at(&target.place, &target.key, what, format!("known names: {}", names.join(", ")));
                }
            }
        }
        if list.len() > MOST_TARGETS {
            table.fault("to", format!("more than {MOST_TARGETS} targets"), "the caller cannot wait for so many");
            list.truncate(MOST_TARGETS);
        }
        list
    }
}

fn name(sense: Sense) -> &'static str {
    match sense {
        Sense::Alarm { .. } => "words of a rule",
        Sense::Harmless => "harmless",
        Sense::DoubtBefore => "doubt.before",
        Sense::DoubtAfter => "doubt.after",
    }
}

/// A word that raises its rule when it is said alone, or one that nobody will ever be helped by.
fn heard(rules: &Rules, rule: usize, word: &Written<String>, faults: &Faults) {
    let Written { value, place, key } = word;
    let name = |rule: usize| rules.get(rule).map_or("", |rule| rule.name.value.as_str());
    match rules.look(&value.replace(ELLIPSIS, "")) {
        Some(alarm) if alarm.rule == rule => {}
        Some(alarm) => {
            let what = format!("\"{value}\" raises rule \"{}\", which stands before", name(alarm.rule));
            faults.at(place, key, what, "leave it out, or put this rule first");
        }
        None => {
            let what = format!("\"{value}\" never raises rule \"{}\": a harmless word silences it", name(rule));
            faults.at(place, key, what, "leave one of the two out");
        }
    }
}

/// A list of texts, each with a place: one text alone has that of its key.
fn placed(table: &mut Table<'_>, key: &str) -> Vec<Written<String>> {
    let Some(list) = table.texts(key).written() else { return Vec::new() };
    let place = list.place;
    let at = |item: Written<String>| if item.place.line == 0 { Written { place: place.clone(), ..item } } else { item };
    list.value.into_iter().map(at).collect()
}

fn targets(table: &mut Table<'_>) -> BTreeMap<String, Written<String>> {
    let mut known = BTreeMap::new();
    let Some(mut targets) = table.table("targets") else { return known };
    for name in targets.keys() {
        let uri = targets.text(&name).check(sip_address).need_written("a SIP address");
        known.insert(name, uri);
    }
    targets.finish();
    known
}

/// Keys that no flow has as one choice: they begin with `*` or `#`.
fn keys(keys: &String) -> Result<String, (String, String)> {
    let begins = keys.starts_with(['*', '#']);
    let rest = keys.chars().skip(1).all(|key| key.is_ascii_digit() || key == '*');
    if begins && rest && KEYS.contains(&keys.chars().count()) {
        Ok(keys.clone())
    } else {
        let remedy = format!("write * and two to five digits, e.g. \"*119\" ({} to {} keys)", KEYS.start(), KEYS.end());
        Err((format!("\"{keys}\" is no emergency key"), remedy))
    }
}

/// A name, or keys of which one would always hide the other.
fn twice(rules: &[Rule], rule: &Rule, faults: &Faults) {
    for other in rules {
        if other.name.value == rule.name.value {
            let what = format!("two rules are called \"{}\"", rule.name.value);
            faults.at(&rule.name.place, &rule.name.key, what, "give one of them another name");
        }
        if let (Some(ours), Some(theirs)) = (&rule.key, &other.key)
            && (ours.value.ends_with(&theirs.value) || theirs.value.ends_with(&ours.value))
        {
            let what = format!("{} cannot be told from {} of rule \"{}\"", ours.value, theirs.value, other.name.value);
            faults.at(&ours.place, &ours.key, what, "give one of them another key");
        }
    }
}
