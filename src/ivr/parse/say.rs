//! `say` lists: prompts by id, texts for the voice, blanks.

use super::Reader;
use crate::ivr::flow::{As, GREETING, Part, Piece};
use crate::written::{Table, Written};

/// The blanks that are no variables.
pub(super) const BLANKS: [&str; 10] =
    ["{greeting}", "{heard}", "{number}", "{state}", "{unit}", "{line}", "{caller}", "{date}", "{time}", "{incident}"];
const PROMPTS: &str = "prompt ids, e.g. [\"welcome\"]";
/// Begins a text that is all ASCII, and so might be taken for a mistyped id.
const TEXT: &str = "text:";

/// Which blanks can be filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// What is known in any node.
    Call,
    /// Also the ticket that was looked up.
    Ticket,
}

impl Reader {
    /// A list that must be there and say something.
    pub(super) fn say(&mut self, table: &mut Table<'_>, key: &str, known: Known) -> Vec<Piece> {
        match self.pieces(table, key, known) {
            None => table.fault(key, "missing: the caller would hear nothing", format!("write {key} = {PROMPTS}")),
            Some(pieces) if !pieces.is_empty() => return pieces,
            Some(_) => {}
        }
        Vec::new()
    }

    /// A list of prompts, if it is there; an empty list is a fault.
    pub(super) fn pieces(&mut self, table: &mut Table<'_>, key: &str, known: Known) -> Option<Vec<Piece>> {
        let there = table.has(key);
        let list = table.texts(key).written();
        if !there {
            return None;
        }
        let Some(list) = list else { return Some(Vec::new()) };
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
            // One text stands for a list of one, and then has no place of its own.
            let place = if item.place.line == 0 { list.place.clone() } else { item.place };
            match piece(&item.value, known) {
                Ok(piece) => {
                    let written = |value: &str| Written { value: value.to_owned(), place, key: item.key };
                    match &piece {
                        Piece::Prompt(id) => self.uses.prompts.push(written(id)),
                        Piece::Greeting => self.uses.prompts.push(written(GREETING)),
                        Piece::Variable(name, _) => self.uses.variables.push(written(name)),
                        Piece::Text(parts) => {
                            let whole = written("");
                            let asked = parts.iter().filter_map(|part| match part {
                                Part::Variable(name) => Some(whole.clone().map(|_| name.clone())),
                                Part::Fixed(_) => None,
                            });
                            self.uses.variables.extend(asked);
                        }
                        _ => {}
                    }
                    pieces.push(piece);
                }
                Err((what, remedy)) => self.faults.at(&place, item.key, what, remedy),
            }
        }
        Some(pieces)
    }
}

fn piece(text: &str, known: Known) -> Result<Piece, (String, String)> {
    let blank = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).filter(|name| !name.contains('{'));
    if let Some(name) = blank {
        return fill(name, known);
    }
    if let Some(text) = text.strip_prefix(TEXT) {
        return words(text.trim());
    }
    if !text.is_ascii() {
        return words(text);
    }
    let id = text.split_once('/').map_or(text, |(_, id)| id);
    let fine = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if fine(id) && (id == text || fine(&text[..text.len() - id.len() - 1])) {
        return Ok(Piece::Prompt(text.to_owned()));
    }
    let what = format!("\"{text}\" is no prompt's id");
    let remedy = "write its text into prompts.toml under a name of letters, digits and -, and that name here";
    Err((what, remedy.to_owned()))
}

/// `{name}` or `{name:date}`.
fn fill(name: &str, known: Known) -> Result<Piece, (String, String)> {
    let (name, how) = match name.split_once(':') {
        Some((name, how)) => (name, Some(how)),
        None => (name, None),
    };
    let piece = match name {
        "greeting" => Piece::Greeting,
        "heard" => Piece::Heard,
        "number" => Piece::Number,
        "line" => Piece::Line,
        "caller" => Piece::Caller,
        "date" => Piece::Date,
        "time" => Piece::Time,
        "incident" => Piece::Incident,
        "state" | "unit" if known == Known::Call => {
            let what = format!("{{{name}}} is known in found and unit of a status node only");
            return Err((what, "remove it".to_owned()));
        }
        "state" => Piece::State,
        "unit" => Piece::Unit,
        name => {
            let spoken = match how {
                None => As::Itself,
                Some(how) => {
                    As::WORDS.iter().find(|(word, _)| *word == how).map(|(_, spoken)| *spoken).ok_or_else(|| {
                        let words = As::WORDS.map(|(word, _)| word).join(", ");
                        (format!("\"{how}\" is no way to speak a variable"), format!("write one of {words}"))
                    })?
                }
            };
            return Ok(Piece::Variable(
                is_variable(&name.to_owned()).or_else(|fault| match name {
                    // Told with what is known, once the whole file is read.
                    name if !name.is_empty() && name.chars().all(char::is_alphanumeric) => Ok(name.to_owned()),
                    _ => Err(fault),
                })?,
                spoken,
            ));
        }
    };
    match how {
        None => Ok(piece),
        Some(how) => Err((format!("{{{name}}} is not spoken as {how}"), format!("write {{{name}}}"))),
    }
}

/// A text with variables in it.
fn words(text: &str) -> Result<Piece, (String, String)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let inner = rest[open..].strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let Some((name, after)) = inner else {
            return Err((format!("\"{text}\" has a brace too many"), "write {name} for a variable".to_owned()));
        };
        let name = is_variable(&name.to_owned()).map_err(|(what, _)| {
            let remedy = "in a text write variables of set and collect nodes; other blanks are pieces of their own";
            (what, remedy.to_owned())
        })?;
        if open > 0 {
            parts.push(Part::Fixed(rest[..open].to_owned()));
        }
        parts.push(Part::Variable(name));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Fixed(rest.to_owned()));
    }
    if parts.is_empty() {
        return Err(("an empty text".to_owned(), "write what is said".to_owned()));
    }
    Ok(Piece::Text(parts))
}

/// The name of a variable: small letters, digits and hyphens, and none of the [`BLANKS`].
pub(super) fn is_variable(name: &String) -> Result<String, (String, String)> {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let taken = BLANKS.iter().any(|blank| blank.trim_matches(['{', '}']) == name);
    match !name.is_empty() && name.len() <= 32 && name.bytes().all(fine) && !taken {
        true => Ok(name.clone()),
        false if taken => Err((format!("{{{name}}} is filled in by the call"), "choose another name".to_owned())),
        false => Err((format!("\"{name}\" is no variable"), "write small letters, digits and hyphens".to_owned())),
    }
}
