//! A flow as it is *written*: one TOML file read key by key, arrows still names. Every fault is reported, reading goes on.

use std::collections::BTreeMap;

use super::check;
use super::flow::{Ask, Choice, Counted, Flow, GREETING, Graph, Kind, Node, Piece, Shortcut, Times, Uses, bare};
use super::talk::{By, Hints};
use crate::written::{Faults, Source, Table, Written, distance};

/// An arrow as it is written.
pub type Name = Written<String>;

/// What the file says, and whether every node could be read.
pub struct Reading {
    pub graph: Graph<Name>,
    pub uses: Uses,
    /// `false`: a node's `do` is unreadable, so nobody knows where it leads.
    pub whole: bool,
}

/// What a node may be.
const WORDS: [&str; 9] = ["say", "menu", "listen", "confirm", "file", "status", "transfer", "goto", "hangup"];
/// A menu choice of more keys than this is a typing mistake.
const MOST_KEYS: usize = 8;
const A_NODE: &str = "the name of a node, e.g. \"request\"";
const PROMPTS: &str = "prompt ids, e.g. [\"welcome\"]";

impl Flow {
    /// Reads and checks a flow; its name is the file's. `None` if it has a fault.
    pub fn read(source: &Source, faults: &Faults) -> Option<Flow> {
        let before = faults.len();
        let reading = read(source, faults)?;
        let name = source.file().file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let whole = reading.whole;
        let graph = check::graph(reading.graph, whole, faults);
        let graph = graph.filter(|_| faults.len() == before)?;
        Some(Flow { name, graph, uses: reading.uses })
    }
}

/// Reads the file. `None` if it is not TOML.
fn read(source: &Source, faults: &Faults) -> Option<Reading> {
    let mut table = source.read(faults)?;
    let mut reader = Reader {
        faults: faults.clone(),
        uses: Uses::default(),
        targets: BTreeMap::new(),
        times: Times {
            wait: std::time::Duration::from_secs(6),
            between: std::time::Duration::from_secs(2),
            silence: std::time::Duration::from_millis(1500),
            longest: std::time::Duration::from_secs(120),
        },
        no_input: None,
        no_match: None,
    };
    let start = table.text("start").need_written(A_NODE);
    let too_long = table.text("too_long").need_written("the node for callers who have gone round too often");
    let steps = table.int("steps").or(200, 10..10_000) as u32;
    if let Some(mut times) = table.table("times") {
        reader.times = reader.times(&mut times);
        times.finish();
    }
    reader.read_targets(&mut table);
    let keys = reader.shortcuts(&mut table);
    let words = reader.words(&mut table);
    reader.no_input = reader.handlers(&mut table, "no_input");
    reader.no_match = reader.handlers(&mut table, "no_match");
    let mut nodes = Vec::new();
    let mut whole = true;
    if let Some(mut all) = table.table("node") {
        for name in all.keys() {
            let Some(node) = all.table(&name) else { continue };
            match reader.node(name, node) {
                Some(node) => nodes.push(node),
                None => whole = false,
            }
        }
        all.finish();
    }
    table.finish();
    let graph = Graph { nodes, start, too_long, keys, words, steps };
    Some(Reading { graph, uses: reader.uses, whole })
}

struct Reader {
    faults: Faults,
    uses: Uses,
    targets: BTreeMap<String, Name>,
    times: Times,
    no_input: Option<Vec<Counted<Name>>>,
    no_match: Option<Vec<Counted<Name>>>,
}

impl Reader {
    fn node(&mut self, name: String, mut table: Table<'_>) -> Option<Node<Name>> {
        let name = Written { value: name, place: table.place().clone(), key: table.path("do") };
        let what = table.text("do").check(|word| {
            WORDS.iter().find(|known| *known == word).copied().ok_or_else(|| {
                let nearest = WORDS.iter().min_by_key(|known| distance(known, word)).filter(|k| distance(k, word) <= 2);
                let remedy = match nearest {
                    Some(known) => format!("did you mean \"{known}\"?"),
                    None => format!("write one of {}", WORDS.join(", ")),
                };
                (format!("\"{word}\" is nothing that a node can do"), remedy)
            })
        });
        let what = what.need(&format!("what the node does: one of {}", WORDS.join(", ")));
        let kind = match what {
            "say" => Kind::Say {
                say: self.say(&mut table, "say", Known::Call),
                barge_in: table.flag("barge_in").or(true),
                go: go(&mut table, "go"),
            },
            "menu" => {
                let choices = self.choices(&mut table);
                Kind::Menu { ask: self.ask(&mut table), choices }
            }
            "listen" => Kind::Listen {
                say: self.say(&mut table, "say", Known::Call),
                times: self.times(&mut table),
                no_input: self.inherited(&mut table, "no_input"),
                go: go(&mut table, "go"),
            },
            "confirm" => Kind::Confirm {
                ask: self.ask(&mut table),
                pending: self.say(&mut table, "pending", Known::Call),
                yes: go(&mut table, "yes"),
                again: go(&mut table, "again"),
            },
            "file" => Kind::File { go: go(&mut table, "go"), failed: go(&mut table, "failed") },
            "status" => self.status(&mut table),
            "transfer" => Kind::Transfer {
                say: self.say(&mut table, "say", Known::Call),
                target: self.target(&mut table),
                by: by(&mut table),
                failed: go(&mut table, "failed"),
                ended: table.text("ended").written(),
            },
            "goto" => Kind::Goto { go: go(&mut table, "go") },
            "hangup" => Kind::Hangup { say: self.say(&mut table, "say", Known::Call) },
            // Its other keys cannot be judged.
            _ => return None,
        };
        let keys = self.shortcuts(&mut table);
        table.finish();
        Some(Node { name, keys, kind })
    }

    fn status(&mut self, table: &mut Table<'_>) -> Kind<Name> {
        let found = self.say(table, "found", Known::Ticket);
        let unit = self.pieces(table, "unit", Known::Ticket).unwrap_or_default();
        let mut states = Vec::new();
        if let Some(mut all) = table.table("states") {
            for state in all.keys() {
                states.push((state.clone(), self.say(&mut all, &state, Known::Call)));
            }
            all.finish();
        }
        Kind::Status {
            found,
            unit,
            states,
            other_state: self.say(table, "other_state", Known::Call),
            none: go(table, "none"),
            go: go(table, "go"),
        }
    }

    fn ask(&mut self, table: &mut Table<'_>) -> Ask<Name> {
        Ask {
            say: self.say(table, "say", Known::Call),
            times: self.times(table),
            no_input: self.inherited(table, "no_input"),
            no_match: self.inherited(table, "no_match"),
        }
    }

    fn choices(&mut self, table: &mut Table<'_>) -> Vec<Choice<Name>> {
        let mut choices: Vec<Choice<Name>> = Vec::new();
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
            let hints = Hints {
                topic: entry.text("topic").get(),
                category: entry.text("category").get(),
                kind: entry.text("kind").get(),
                urgency: entry.text("urgency").get(),
            };
            if hints != Hints::default() {
                let key = entry.path("go");
                self.uses.hints.push(Written { value: hints.clone(), place: entry.place().clone(), key });
            }
            choices.push(Choice { keys: keys.value, go: go(&mut entry, "go"), hints });
            entry.finish();
        }
        if choices.is_empty() {
            table.fault(
                "choice",
                "a menu without choices has no exit",
                "write choice = [{ key = \"1\", go = \"...\" }]",
            );
        }
        choices
    }

    fn times(&self, table: &mut Table<'_>) -> Times {
        let or = |written: Option<std::time::Duration>, default| written.unwrap_or(default);
        let limited = |table: &mut Table<'_>, key, limits: std::ops::Range<&str>| {
            let there = table.has(key);
            let span = table.duration(key).or(limits.start, limits.clone());
            there.then_some(span)
        };
        Times {
            wait: or(limited(table, "wait", "1s".."60s"), self.times.wait),
            between: or(limited(table, "between", "100ms".."15s"), self.times.between),
            silence: or(limited(table, "silence", "200ms".."30s"), self.times.silence),
            longest: or(limited(table, "longest", "1s".."15m"), self.times.longest),
        }
    }

    /// The node's own handlers, or the flow's.
    fn inherited(&mut self, table: &mut Table<'_>, key: &str) -> Vec<Counted<Name>> {
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

    fn handlers(&mut self, table: &mut Table<'_>, key: &str) -> Option<Vec<Counted<Name>>> {
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
            let uri = targets.text(&name).check(sip_address).need_written("a SIP address");
            self.targets.insert(name, uri);
        }
        targets.finish();
    }

    fn target(&mut self, table: &mut Table<'_>) -> String {
        let to = table.text("to").need_written("a name of [targets], or a SIP address such as \"sip:seat@192.0.2.1\"");
        let target = match self.targets.get(&to.value) {
            Some(uri) => uri.clone(),
            None if to.value.is_empty() => return String::new(),
            None => match sip_address(&to.value) {
                Ok(_) => to,
                Err(_) => {
                    let known: Vec<&str> = self.targets.keys().map(String::as_str).collect();
                    let what = format!("\"{}\" is neither a name of [targets] nor a SIP address", to.value);
                    self.faults.at(&to.place, to.key, what, format!("known names: {}", known.join(", ")));
                    return String::new();
                }
            },
        };
        let uri = target.value.clone();
        if !self.uses.transfers.contains(&target) {
            self.uses.transfers.push(target);
        }
        uri
    }

    /// A list that must be there and say something.
    fn say(&mut self, table: &mut Table<'_>, key: &str, known: Known) -> Vec<Piece> {
        match self.pieces(table, key, known) {
            None => table.fault(key, "missing: the caller would hear nothing", format!("write {key} = {PROMPTS}")),
            Some(pieces) if !pieces.is_empty() => return pieces,
            Some(_) => {}
        }
        Vec::new()
    }

    /// A list of prompts, if it is there; an empty list is a fault.
    fn pieces(&mut self, table: &mut Table<'_>, key: &str, known: Known) -> Option<Vec<Piece>> {
        let there = table.has(key);
        let list = table.texts(key).written();
        if !there {
            return None;
        }
        let Some(list) = list else { return Some(Vec::new()) };
        // One text stands for a list of one, and then has no place of its own.
        if list.value.is_empty() {
            self.faults.at(
                &list.place,
                &list.key,
                "is empty: the caller would hear nothing",
                format!("write {PROMPTS}"),
            );
        }
        let mut pieces = Vec::new();
        for item in list.value {
            let place = if item.place.line == 0 { list.place.clone() } else { item.place };
            match piece(&item.value, known) {
                Ok(piece) => {
                    let id = match &piece {
                        Piece::Prompt(id) => Some(id.clone()),
                        Piece::Greeting => Some(GREETING.to_owned()),
                        _ => None,
                    };
                    let prompt = id.map(|value| Written { value, place, key: item.key });
                    self.uses.prompts.extend(prompt);
                    pieces.push(piece);
                }
                Err((what, remedy)) => self.faults.at(&place, item.key, what, remedy),
            }
        }
        Some(pieces)
    }
}

/// Which blanks can be filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// What is known in any node.
    Call,
    /// Also the ticket that was looked up.
    Ticket,
}

fn piece(text: &str, known: Known) -> Result<Piece, (String, String)> {
    let piece = match text {
        "{greeting}" => Piece::Greeting,
        "{heard}" => Piece::Heard,
        "{number}" => Piece::Number,
        "{line}" => Piece::Line,
        "{state}" | "{unit}" if known == Known::Call => {
            return Err((format!("{text} is known in found and unit of a status node only"), "remove it".to_owned()));
        }
        "{state}" => Piece::State,
        "{unit}" => Piece::Unit,
        blank if blank.starts_with('{') => {
            let remedy = "write one of {greeting} {heard} {number} {state} {unit} {line}";
            return Err((format!("nothing is known for {blank}"), remedy.to_owned()));
        }
        id if !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) => {
            Piece::Prompt(id.to_owned())
        }
        other => {
            let what = format!("\"{other}\" is no prompt's id");
            let remedy = "write its text into prompts.toml under a name of letters, digits and -, and that name here";
            return Err((what, remedy.to_owned()));
        }
    };
    Ok(piece)
}

fn go(table: &mut Table<'_>, key: &str) -> Name {
    table.text(key).need_written(A_NODE)
}

fn is_key(key: char) -> bool {
    matches!(key, '0'..='9' | '*' | '#' | 'A'..='D')
}

/// How a transfer is made; without the key by a bridge.
fn by(table: &mut Table<'_>) -> By {
    let known = |text: &String| {
        By::WORDS.iter().find(|(word, _)| word == text).map(|(_, by)| *by).ok_or_else(|| {
            (format!("\"{text}\" is not known"), "write \"bridge\", \"refer\" or \"attended\"".to_owned())
        })
    };
    table.text("by").check(known).get().unwrap_or_default()
}

fn sip_address(text: &String) -> Result<String, (String, String)> {
    let rest = ["sip:", "sips:", "tel:"].iter().find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(rest) if !rest.is_empty() && !text.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            Ok(text.clone())
        }
        _ => Err((format!("\"{text}\" is no SIP address"), "write e.g. \"sip:seats@192.0.2.1:5060\"".to_owned())),
    }
}

#[cfg(test)]
mod tests;
