//! A title of at most 30 characters and the facts of a matter, by extraction.
//!
//! Every fact is a span of the text, and the title is put together from such spans: nothing is said that the caller did
//! not say. What is only likely is marked ([`Fact::sure`] is `false`) for a person to look at.

mod fact;
mod title;

use serde::Serialize;

pub use fact::Kind;

use super::{Evidence, Field, Understood, Words};

/// The longest title, in characters.
pub const MAX_TITLE: usize = 30;

/// Of one kind no more facts than this are kept; what comes later in a text repeats or digresses.
const MOST_OF_A_KIND: usize = 4;

/// From here on a place or a category is taken for sure.
const SURE: f32 = 0.5;

/// What a matter is, in short.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Summary {
    /// Where and what, from the words of the text; empty where nothing was said.
    pub title: String,
    pub facts: Vec<Fact>,
}

/// Something the text says, word for word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    pub fact: Kind,
    #[serde(flatten)]
    pub words: Words,
    /// `false`: a person should look whether it is meant so.
    pub sure: bool,
}

/// The text, and the clauses in it.
struct Said<'a> {
    chars: &'a [char],
    clauses: Vec<Span>,
}

/// Characters `start` up to but not including `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    start: usize,
    end: usize,
}

impl Span {
    fn len(self) -> usize {
        self.end - self.start
    }

    fn has(self, other: Span) -> bool {
        self.start <= other.start && other.end <= self.end
    }
}

impl Said<'_> {
    fn new(chars: &[char]) -> Said<'_> {
        let mut clauses = Vec::new();
        let mut start = 0;
        for end in 0..=chars.len() {
            let breaks = chars.get(end).is_none_or(|c| is_break(*c));
            if breaks && end > start {
                clauses.push(Span { start, end });
            }
            if breaks {
                start = end + 1;
            }
        }
        Said { chars, clauses }
    }

    fn text(&self, span: Span) -> String {
        self.chars[span.start..span.end].iter().collect()
    }

    fn starts(&self, at: usize, word: &str) -> bool {
        let mut at = at;
        word.chars().all(|c| {
            at += 1;
            self.chars.get(at - 1) == Some(&c)
        })
    }

    fn words(&self, span: Span) -> Words {
        Words { text: self.text(span), start: span.start, end: span.end }
    }
}

/// Between clauses; a blank or a line break is as good as a comma in recognised speech.
fn is_break(c: char) -> bool {
    c.is_whitespace() || c.is_control() || ",.;:!?，。；：！？、…".contains(c)
}

/// What `text` says, in the light of what was understood of it.
pub fn summarise(text: &str, understood: &Understood) -> Summary {
    let chars: Vec<char> = text.chars().take(super::MAX_CHARS).collect();
    let said = Said::new(&chars);
    let names = spans(understood, Field::Place, chars.len());
    let place = fact::place(&said, &names);
    let object = spans(understood, Field::Category, chars.len());
    let mut facts = Vec::new();
    let mut add = |fact: Kind, span: Span, sure: bool| {
        let same = facts.iter().filter(|f: &&Fact| f.fact == fact).count();
        if same < MOST_OF_A_KIND {
            facts.push(Fact { fact, words: said.words(span), sure });
        }
    };
    for (span, sure) in fact::times(&said) {
        add(Kind::Time, span, sure);
    }
    let known = understood.place.as_ref().is_some_and(|place| place.confidence >= SURE);
    place.iter().for_each(|span| add(Kind::Place, *span, known));
    object.iter().for_each(|span| add(Kind::Object, *span, understood.confidence >= SURE));
    for (span, sure) in fact::wanted(&said) {
        add(Kind::Wanted, span, sure);
    }
    for (span, sure) in fact::contacts(&said) {
        add(Kind::Contact, span, sure);
    }
    Summary { title: title::title(&said, place.first().copied(), &names, &object), facts }
}

/// The words of a field, as far as they lie in the text.
fn spans(understood: &Understood, field: Field, length: usize) -> Vec<Span> {
    let of_field = understood.evidence.iter().filter(|evidence: &&Evidence| evidence.field == field);
    let words = of_field.flat_map(|evidence| &evidence.words);
    words
        .filter(|words| words.start < words.end && words.end <= length)
        .map(|words| Span { start: words.start, end: words.end })
        .collect()
}

#[cfg(test)]
mod tests;
