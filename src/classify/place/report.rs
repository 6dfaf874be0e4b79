//! What is told of a text's place: what is filed, every candidate with the words that it rests on, the question back.

use serde::Serialize;

use super::{Found, Placed, question, read};
use crate::catalogue::text::Text;
use crate::catalogue::{AreaId, Places};
use crate::classify::{MAX_CHARS, PlaceMatch, Words};

/// The shape of `jiesu place --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub answer: Answer,
    /// What is filed while nobody has answered: the area, or the district where only that is sure, or nothing.
    pub filed: Option<Candidate>,
    /// Every area that may be meant, the likeliest first.
    pub candidates: Vec<Candidate>,
    /// What to ask the caller, where the answer is `ask`.
    pub question: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Answer {
    Sure,
    Ask,
    Nowhere,
}

/// An area with the words that it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    #[serde(flatten)]
    pub place: PlaceMatch,
    pub words: Vec<Words>,
}

impl Report {
    /// Of `text`, in the light of where the caller's earlier tickets lay.
    pub fn of(places: &Places, text: &str, earlier: &[AreaId]) -> Report {
        let original: Vec<char> = text.chars().take(MAX_CHARS).collect();
        let text = Text::new(&original.iter().collect::<String>());
        let candidate = |found: &Found| Candidate {
            place: crate::classify::place_match(places, found),
            words: found.spans.iter().map(|span| words(&original, &text, *span)).collect(),
        };
        let placed = read(places, &text, earlier);
        let (answer, asked) = match &placed {
            Placed::Nowhere => (Answer::Nowhere, None),
            Placed::Sure(_) => (Answer::Sure, None),
            Placed::Ask { candidates, .. } => (Answer::Ask, question(places, candidates)),
        };
        let candidates = placed.candidates().iter().map(candidate).collect();
        Report { answer, candidates, question: asked, filed: placed.filed().as_ref().map(candidate) }
    }
}

fn words(original: &[char], text: &Text, (start, end): (usize, usize)) -> Words {
    let (start, end) = text.original(start, end);
    Words { text: original[start..end].iter().collect(), start, end }
}
