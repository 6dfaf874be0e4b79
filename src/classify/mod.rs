//! What a text asks for, of which kind, how urgently, and where; each with a confidence and the words that it rests on.
//!
//! Pure: the same catalogue, text and hint always give the same answer. It refuses to guess: below a threshold the
//! category is 未分类 and the place is none. What is known before the text (the line that was dialled, the menu) is a
//! [`Hint`] and weighs like words.

pub mod learn;
pub mod place;
mod rules;
#[cfg(test)]
mod shipped;
pub mod summary;
mod understood;

pub use crate::catalogue::Urgency;
pub use understood::{Evidence, Field, Hint, PlaceMatch, UNSORTED, Understood, Words};

use crate::catalogue::second::Voice;
use crate::catalogue::text::Text;
use crate::catalogue::{Catalogue, CategoryId, Places};

/// A text is read up to here; the rest of a longer one says nothing new.
pub const MAX_CHARS: usize = 4000;

/// Reads `text` in the light of `hint`.
pub fn classify(catalogue: &Catalogue, places: &Places, text: &str, hint: &Hint) -> Understood {
    let reading = Reading::new(text);
    let place = place::find(places, &reading.text, hint);
    // What names the place says nothing else: 体育馆路街道 is no stadium.
    let named = place.as_ref().map_or(&[][..], |found| &found.spans);
    let learned = |named: &[(usize, usize)]| {
        let opinion = catalogue.second().map(|second| second.read(&reading.without(named))).unwrap_or_default();
        let category = rules::category(catalogue, &reading.text, named, hint, opinion.category.as_ref());
        (opinion, category)
    };
    let aside = rules::aside(catalogue, &reading.text);
    let (opinion, category) = match learned(&[named, &aside].concat()) {
        // Where nothing else is said, what stands beside it is all that is known.
        (_, None) if !aside.is_empty() => learned(named),
        both => both,
    };
    let id = category.as_ref().map(|choice| choice.value);
    let kind = rules::kind(catalogue, &reading.text, named, hint, id, opinion.kind.as_ref());
    let urgency = rules::urgency(catalogue, &reading.text, named, hint);
    let place_match = place.as_ref().map(|found| place_match(places, found));
    let (confidence, category_spans) = category.map_or((0.0, Vec::new()), |c| (hundredths(c.confidence), c.spans));
    let place_spans = place.map(|found| found.spans).unwrap_or_default();
    let line: Vec<CategoryId> = id.iter().flat_map(|id| catalogue.categories().upward(*id)).collect();
    let mut of_kind = reading.evidence(Field::Type, kind.confidence, &kind.spans);
    reading.agree(catalogue, &mut of_kind, opinion.kind.as_ref(), |first| first == kind.value);
    let mut of_place = reading.evidence(Field::Place, place_match.as_ref().map_or(0.0, |p| p.confidence), &place_spans);
    of_place.asked = place_match.as_ref().is_some_and(|place| hint.place.as_ref() == Some(&place.code));
    let mut of_category = reading.evidence(Field::Category, confidence, &category_spans);
    reading.agree(catalogue, &mut of_category, opinion.category.as_ref(), |first| line.contains(&first));
    Understood {
        kind: catalogue.kinds().get(kind.value).map_or_else(String::new, |kind| kind.name.clone()),
        category: id.map_or_else(|| [UNSORTED; 3].map(str::to_owned), |id| catalogue.categories().path(id)),
        confidence,
        urgency: urgency.value,
        unit: unit(catalogue, id, place_match.as_ref()),
        evidence: vec![
            of_kind,
            of_category,
            reading.evidence(Field::Urgency, urgency.confidence, &urgency.spans),
            of_place,
        ],
        place: place_match,
    }
}

/// The place alone, with the words it rests on.
pub fn locate(places: &Places, text: &str) -> (Option<PlaceMatch>, Evidence) {
    let reading = Reading::new(text);
    let found = place::find(places, &reading.text, &Hint::default());
    let place = found.as_ref().map(|found| place_match(places, found));
    let spans = found.map(|found| found.spans).unwrap_or_default();
    let evidence = reading.evidence(Field::Place, place.as_ref().map_or(0.0, |p| p.confidence), &spans);
    (place, evidence)
}

/// A text as it came and as it is looked through.
struct Reading {
    original: Vec<char>,
    text: Text,
}

impl Reading {
    fn new(text: &str) -> Reading {
        let original: Vec<char> = text.chars().take(MAX_CHARS).collect();
        let text = Text::new(&original.iter().collect::<String>());
        Reading { original, text }
    }

    fn evidence(&self, field: Field, confidence: f32, spans: &[(usize, usize)]) -> Evidence {
        let words = |&(start, end): &(usize, usize)| {
            let (start, end) = self.text.original(start, end);
            Words { text: self.original[start..end].iter().collect(), start, end }
        };
        let mut words: Vec<Words> = spans.iter().map(words).collect();
        words.sort_by_key(|words| (words.start, words.end));
        words.dedup();
        Evidence { field, confidence: hundredths(confidence), words, model: None, asked: false }
    }

    /// The text as it came, with blanks where it names the place.
    fn without(&self, named: &[(usize, usize)]) -> String {
        let mut text = self.original.clone();
        for (start, end) in named {
            let (start, end) = self.text.original(*start, *end);
            text[start..end].fill(' ');
        }
        text.into_iter().collect()
    }

    /// What a second reader says goes into the evidence where it says the same: its name, and its words beside ours.
    fn agree<T: Copy + PartialEq>(
        &self,
        catalogue: &Catalogue,
        evidence: &mut Evidence,
        voice: Option<&Voice<T>>,
        same: impl Fn(T) -> bool,
    ) {
        let (Some(second), Some(voice)) = (catalogue.second(), voice) else { return };
        if !voice.first().is_some_and(|(first, _)| same(first)) {
            return;
        }
        evidence.model = Some(second.name().to_owned());
        for (start, end) in voice.spans.iter().filter(|(start, end)| start < end && *end <= self.original.len()) {
            let (start, end) = (*start, *end);
            if !evidence.words.iter().any(|words| words.start < end && start < words.end) {
                evidence.words.push(Words { text: self.original[start..end].iter().collect(), start, end });
            }
        }
        evidence.words.sort_by_key(|words| (words.start, words.end));
    }
}

fn place_match(places: &Places, found: &place::Found) -> PlaceMatch {
    let area = places.area(found.area);
    PlaceMatch {
        code: area.code.clone(),
        name: area.name.clone(),
        district: places.area(area.district).name.clone(),
        confidence: hundredths(found.confidence),
    }
}

fn unit(catalogue: &Catalogue, id: Option<CategoryId>, place: Option<&PlaceMatch>) -> Option<String> {
    let district = place.map(|place| place.district.as_str());
    let street = place.filter(|place| place.name != place.district).map(|place| place.name.as_str());
    catalogue.categories().get(id?).unit.as_ref()?.name(district, street)
}

/// Two places are all that such a figure can tell.
fn hundredths(confidence: f32) -> f32 {
    (confidence.clamp(0.0, 1.0) * 100.0).round() / 100.0
}
