//! One node, by what it does.

use super::{Name, Part, Reader, go, meant, word};
use crate::ivr::digits::Rule;
use crate::ivr::flow::{Digits, KINDS, Kind, Node, Wanted, Which};
use crate::ivr::talk::{Gain, Hints, Pace};
use crate::written::{Table, Written};

use super::say::{Known, is_variable};

/// A row of digits that is longer is nothing that people key.
const MOST_DIGITS: i64 = 32;

impl Reader {
    pub(super) fn node(&mut self, name: String, mut table: Table<'_>) -> Option<Node<Name>> {
        if name.contains('/') || name.is_empty() {
            table.fault("do", format!("a node cannot be named \"{name}\""), "write a name without /");
        }
        let name = Written { value: name, place: table.place().clone(), key: table.path("do") };
        let what = table.text("do").check(|word| {
            KINDS.iter().find(|known| *known == word).copied().ok_or_else(|| {
                let remedy = match meant(word, KINDS) {
                    Some(known) => format!("did you mean \"{known}\"?"),
                    None => format!("write one of {}", KINDS.join(", ")),
                };
                (format!("\"{word}\" is nothing that a node can do"), remedy)
            })
        });
        let what = what.need(&format!("what the node does: one of {}", KINDS.join(", ")));
        let kind = self.kind(what, &name, &mut table)?;
        let keys = self.shortcuts(&mut table);
        if let Kind::Collect { digits, .. } = &kind {
            for shortcut in keys.iter().filter(|shortcut| digits.rule.takes(shortcut.key)) {
                let what = format!("key {} is a digit here", shortcut.key);
                self.faults.at(&shortcut.go.place, &shortcut.go.key, what, "remove it");
            }
        }
        table.finish();
        Some(Node { name, keys, kind })
    }

    /// `None`: its other keys cannot be judged.
    fn kind(&mut self, what: &str, name: &Name, table: &mut Table<'_>) -> Option<Kind<Name>> {
        Some(match what {
            "say" => Kind::Say {
                say: self.say(table, "say", Known::Call),
                barge_in: table.flag("barge_in").or(true),
                go: go(table, "go"),
            },
            "menu" => {
                let choices = self.choices(table);
                Kind::Menu { ask: self.ask(table), choices }
            }
            "listen" => Kind::Listen {
                say: self.say(table, "say", Known::Call),
                times: self.times(table),
                intents: self.intents(table),
                no_input: self.inherited(table, "no_input"),
                go: go(table, "go"),
            },
            "confirm" => Kind::Confirm {
                ask: self.ask(table),
                pending: self.say(table, "pending", Known::Call),
                yes: go(table, "yes"),
                again: go(table, "again"),
            },
            "collect" => self.collect(table),
            "record" => Kind::Record {
                say: self.say(table, "say", Known::Call),
                times: self.times(table),
                no_input: self.inherited(table, "no_input"),
                go: go(table, "go"),
            },
            "set" => self.set(table),
            "branch" => Kind::Branch { arms: self.arms(table), otherwise: go(table, "else") },
            "hours" => Kind::Hours { hours: self.opening(table), open: go(table, "open"), closed: go(table, "closed") },
            "answer" => Kind::Answer {
                least: table.number("least").or(0.6, 0.1..1.0) as f32,
                go: go(table, "go"),
                none: go(table, "none"),
            },
            "place" => self.place(table),
            "file" => Kind::File { go: go(table, "go"), failed: go(table, "failed") },
            "status" => self.status(table),
            "queue" => self.queue(table),
            "transfer" => self.transfer(table),
            "sub" => Kind::Sub {
                flow: table.text("flow").need("the name of a file under flows/sub/, e.g. \"identity\""),
                begin: name.clone().map(|_| String::new()),
                go: go(table, "go"),
            },
            "return" if self.part == Part::Whole => {
                let (what, remedy) = ("nobody has called this flow", "write \"hangup\", or \"goto\" and where to go");
                self.faults.at(&name.place, &name.key, what, remedy);
                return None;
            }
            "return" => Kind::Return { go: name.clone().map(|_| String::new()) },
            "goto" => Kind::Goto { go: go(table, "go") },
            "hangup" => Kind::Hangup { say: self.say(table, "say", Known::Call) },
            _ => return None,
        })
    }

    fn collect(&mut self, table: &mut Table<'_>) -> Kind<Name> {
        let into = table.text("into").check(is_variable).need("the variable that takes the digits, e.g. \"ticket\"");
        let rule = word(table, "rule", &Rule::WORDS).unwrap_or_default();
        let (least, most) = rule.lengths().unwrap_or((1, 0));
        let limits = 1..MOST_DIGITS;
        let least = table.int("least").or(least as i64, limits.clone()) as usize;
        let most = match (table.has("most"), most) {
            (false, 0) => {
                table.fault("most", "missing", "write the most digits that are taken, e.g. most = 11");
                least
            }
            (_, most) => table.int("most").or(most.max(1) as i64, limits) as usize,
        };
        if least > most {
            table.fault("least", format!("{least} is more than `most`, {most}"), "write a smaller number");
        }
        let end = table.text("end").check(|text| match text.as_str() {
            "" => Ok(None),
            "#" => Ok(Some('#')),
            "*" if rule != Rule::Identity => Ok(Some('*')),
            _ => Err((format!("\"{text}\" ends no row of digits"), "write \"#\", \"*\", or \"\" for none".to_owned())),
        });
        let digits = Digits { least, most, end: end.get().unwrap_or(Some('#')), rule };
        Kind::Collect { ask: self.ask(table), digits, into, go: go(table, "go") }
    }

    fn set(&mut self, table: &mut Table<'_>) -> Kind<Name> {
        let mut variables = Vec::new();
        if let Some(mut all) = table.table("variables") {
            for name in all.keys() {
                if let Err((what, remedy)) = is_variable(&name) {
                    all.fault(&name, what, remedy);
                }
                variables.push((name.clone(), all.text(&name).need("a text")));
            }
            all.finish();
        }
        let hints = self.chosen(table, "do");
        let language = table.text("language").check(is_language).written();
        self.uses.languages.extend(language.clone());
        let pace = word(table, "pace", &Pace::WORDS);
        let gain = word(table, "gain", &Gain::WORDS);
        let wanted = Wanted { language: language.map(|language| language.value), pace, gain };
        if variables.is_empty() && hints == Hints::default() && wanted == Wanted::default() {
            let remedy =
                "write variables = { name = \"value\" }, topic, category, kind, urgency, language, pace or gain";
            table.fault("do", "sets nothing", remedy);
        }
        Kind::Set { variables, hints, wanted, go: go(table, "go") }
    }

    /// The hints beside an arrow; `key` is where a fault in them is shown.
    pub(super) fn chosen(&mut self, table: &mut Table<'_>, key: &str) -> Hints {
        let hints = Hints {
            topic: table.text("topic").get(),
            category: table.text("category").get(),
            kind: table.text("kind").get(),
            urgency: table.text("urgency").get(),
            ..Hints::default()
        };
        if hints != Hints::default() {
            let key = table.path(key);
            self.uses.hints.push(Written { value: hints.clone(), place: table.place().clone(), key });
        }
        hints
    }

    fn status(&mut self, table: &mut Table<'_>) -> Kind<Name> {
        let number = table.text("number").check(is_variable).written();
        self.uses.variables.extend(number.clone());
        let repeated = table.flag("repeated").written();
        let which = match (number, repeated.filter(|repeated| repeated.value)) {
            (Some(_), Some(_)) => {
                let why = "a ticket is found by its number or as the one that is repeated, not by both";
                table.fault("repeated", why, "take out one of number and repeated");
                Which::Last
            }
            (Some(number), None) => Which::Keyed(number.value),
            (None, Some(_)) => Which::Repeated,
            (None, None) => Which::Last,
        };
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
            which,
            found,
            unit,
            states,
            other_state: self.say(table, "other_state", Known::Call),
            none: go(table, "none"),
            go: go(table, "go"),
        }
    }
}

/// The language of a folder of prompts.
fn is_language(text: &String) -> Result<String, (String, String)> {
    match (2..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase()) {
        true => Ok(text.clone()),
        false => Err((format!("\"{text}\" is no language"), "write a name of prompts.toml, e.g. \"en\"".to_owned())),
    }
}
