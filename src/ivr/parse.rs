//! A flow as it is *written*: one TOML file read key by key, arrows still names. Every fault is reported, reading goes on.
//!
//! One file of this folder for each thing that is read: [`node`](self) by kind, [`say`](self) lists, questions. What a
//! `sub` node names is put in its place by [`super::sub`].

mod node;
mod question;
pub(super) mod route;
mod say;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::check;
use super::flow::{Counted, Flow, Graph, Kind, Shortcut, Times, Uses};
use super::spoken::bare;
use super::sub::{self, SubFlows};
use crate::calendar::Hours;
use crate::written::{Faults, Source, Table, Written};

/// An arrow as it is written.
pub type Name = Written<String>;

/// What the file says, and whether every node could be read.
#[derive(Debug, Clone)]
pub struct Reading {
    pub graph: Graph<Name>,
    pub uses: Uses,
    /// `false`: a node's `do` is unreadable, so nobody knows where it leads.
    pub whole: bool,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A flow that a line may follow.
    Whole,
    /// A sub-flow: it returns; keys, words and steps are those of the flow that calls it.
    Sub,
}

const A_NODE: &str = "the name of a node, e.g. \"request\"";

impl Flow {
    /// Reads and checks a flow that calls no other; its name is the file's. `None` if it has a fault.
    pub fn read(source: &Source, faults: &Faults) -> Option<Flow> {
        Flow::read_with(source, &SubFlows::default(), faults)
    }

    /// As [`Flow::read`]; the flow may call these sub-flows.
    pub fn read_with(source: &Source, subs: &SubFlows, faults: &Faults) -> Option<Flow> {
        let before = faults.len();
        let mut reading = read(source, Part::Whole, faults)?;
        sub::link(&mut reading, subs, faults);
        variables(&reading, faults);
        let name = source.file().file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let graph = check::graph(reading.graph, reading.whole, faults);
        let graph = graph.filter(|_| faults.len() == before)?;
        Some(Flow { name, graph, uses: reading.uses })
    }
}

/// Reads the file. `None` if it is not TOML.
pub(super) fn read(source: &Source, part: Part, faults: &Faults) -> Option<Reading> {
    let mut table = source.read(faults)?;
    let mut reader = Reader {
        faults: faults.clone(),
        part,
        uses: Uses::default(),
        targets: BTreeMap::new(),
        hours: BTreeMap::new(),
        times: Times {
            wait: Duration::from_secs(6),
            between: Duration::from_secs(2),
            silence: Duration::from_millis(1500),
            longest: Duration::from_secs(120),
        },
        no_input: None,
        no_match: None,
    };
    let whole = part == Part::Whole;
    let start = table.text("start").need_written(A_NODE);
    let too_long = match whole {
        true => table.text("too_long").need_written("the node for callers who have gone round too often"),
        false => start.clone(),
    };
    let steps = if whole { table.int("steps").or(200, 10..10_000) as u32 } else { 0 };
    if let Some(mut times) = table.table("times") {
        reader.times = reader.times(&mut times);
        times.finish();
    }
    for given in table.texts("given").get().unwrap_or_default() {
        match say::is_variable(&given.value) {
            Ok(name) => reader.uses.given.push(name),
            Err((what, remedy)) => faults.at(&given.place, given.key, what, remedy),
        }
    }
    reader.read_targets(&mut table);
    reader.read_hours(&mut table);
    reader.read_duty(&mut table);
    let keys = if whole { reader.shortcuts(&mut table) } else { Vec::new() };
    let words = if whole { reader.words(&mut table) } else { Vec::new() };
    reader.no_input = reader.handlers(&mut table, "no_input");
    reader.no_match = reader.handlers(&mut table, "no_match");
    let mut nodes = Vec::new();
    let mut all_read = true;
    if let Some(mut all) = table.table("node") {
        for name in all.keys() {
            let Some(node) = all.table(&name) else { continue };
            match reader.node(name, node) {
                Some(node) => nodes.push(node),
                None => all_read = false,
            }
        }
        all.finish();
    }
    table.finish();
    let graph = Graph { nodes, start, too_long, keys, words, steps };
    Some(Reading { graph, uses: reader.uses, whole: all_read })
}

/// Every variable that is asked for is set somewhere.
fn variables(reading: &Reading, faults: &Faults) {
    let mut set: BTreeSet<&str> = reading.uses.given.iter().map(String::as_str).collect();
    for node in &reading.graph.nodes {
        match &node.kind {
            Kind::Set { variables, .. } => set.extend(variables.iter().map(|(name, _)| name.as_str())),
            Kind::Collect { into, .. } => {
                set.insert(into.as_str());
            }
            Kind::Answer { .. } => set.extend(["question", "answer"]),
            Kind::Place { .. } => {
                set.insert("place");
            }
            _ => {}
        }
    }
    for Written { value, place, key } in &reading.uses.variables {
        if !set.contains(value.as_str()) {
            let own: String = set.iter().map(|name| format!(" {{{name}}}")).collect();
            let remedy = format!("write one of {}{own}, or set it", say::BLANKS.join(" "));
            faults.at(place, key, format!("nothing is known for {{{value}}}"), remedy);
        }
    }
}

struct Reader {
    faults: Faults,
    part: Part,
    uses: Uses,
    targets: BTreeMap<String, Name>,
    hours: BTreeMap<String, Written<Hours>>,
    times: Times,
    no_input: Option<Vec<Counted<Name>>>,
    no_match: Option<Vec<Counted<Name>>>,
}

impl Reader {
    fn shortcuts(&mut self, table: &mut Table<'_>) -> Vec<Shortcut<Name>> {
        let Some(mut keys) = table.table("keys") else { return Vec::new() };
        let mut list = Vec::new();
        for key in keys.keys() {
            let go = keys.text(&key).need_written(A_NODE);
            match (key.chars().next(), key.chars().count()) {
                (Some(key), 1) if is_key(key) => list.push(Shortcut { key, go }),
                _ => keys.fault(&key, "is no key", "write one digit, \"*\" or \"#\""),
            }
        }
        keys.finish();
        list
    }

    fn words(&mut self, table: &mut Table<'_>) -> Vec<(String, Name)> {
        let Some(mut words) = table.table("words") else { return Vec::new() };
        let mut list = Vec::new();
        for word in words.keys() {
            let go = words.text(&word).need_written(A_NODE);
            if bare(&word).is_empty() {
                words.fault(&word, "is no word", "write what a caller would say");
            }
            list.push((bare(&word), go));
        }
        words.finish();
        list
    }

    fn read_targets(&mut self, table: &mut Table<'_>) {
        let Some(mut targets) = table.table("targets") else { return };
        for name in targets.keys() {
            let uri = targets.text(&name).check(route::sip_address).need_written("a SIP address");
            self.uses.targets.push((name.clone(), uri.value.clone()));
            self.targets.insert(name, uri);
        }
        targets.finish();
    }

    fn read_hours(&mut self, table: &mut Table<'_>) {
        let Some(mut all) = table.table("hours") else { return };
        for name in all.keys() {
            let Some(mut hours) = all.table(&name) else { continue };
            let (place, key) = (hours.place().clone(), all.path(&name));
            let value = Hours::read(&mut hours);
            hours.finish();
            self.hours.insert(name, Written { value, place, key });
        }
        all.finish();
    }

    /// `[duty]`: which targets are staffed at which hours; the proof asks for it (`off-duty`).
    fn read_duty(&mut self, table: &mut Table<'_>) {
        let Some(mut duty) = table.table("duty") else { return };
        for target in duty.keys() {
            let hours = duty.text(&target).need_written("a name of [hours]");
            let known = self.targets.get(&target).map(|uri| uri.value.clone());
            match (known, self.hours.get(&hours.value)) {
                (Some(uri), Some(open)) => {
                    let value = (uri, open.value.clone());
                    self.uses.duty.push(Written { value, place: hours.place, key: hours.key });
                }
                (None, _) => {
                    let known: Vec<&str> = self.targets.keys().map(String::as_str).collect();
                    let what = format!("\"{target}\" is no name of [targets]");
                    self.faults.at(&hours.place, hours.key, what, format!("known names: {}", known.join(", ")));
                }
                (_, None) if hours.value.is_empty() => {}
                (_, None) => {
                    let known: Vec<&str> = self.hours.keys().map(String::as_str).collect();
                    let what = format!("there are no opening hours \"{}\"", hours.value);
                    self.faults.at(&hours.place, hours.key, what, format!("known names: {}", known.join(", ")));
                }
            }
        }
        duty.finish();
    }
}

fn go(table: &mut Table<'_>, key: &str) -> Name {
    table.text(key).need_written(A_NODE)
}

fn is_key(key: char) -> bool {
    matches!(key, '0'..='9' | '*' | '#' | 'A'..='D')
}

/// One of a few words, or nothing.
fn word<T: Copy>(table: &mut Table<'_>, key: &str, words: &[(&str, T)]) -> Option<T> {
    let known = |text: &String| {
        words.iter().find(|(word, _)| word == text).map(|(_, value)| *value).ok_or_else(|| {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let (last, first) = words.split_last().expect("there is a word to write");
            (format!("\"{text}\" is not known"), format!("write {} or {last}", first.join(", ")))
        })
    };
    table.text(key).check(known).get()
}

/// The known word that was probably meant.
fn meant<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    use crate::written::distance;
    let nearest = known.into_iter().min_by_key(|known| distance(known, written))?;
    (distance(nearest, written) <= 2).then_some(nearest)
}

#[cfg(test)]
mod tests;
