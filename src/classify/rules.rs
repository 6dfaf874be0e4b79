//! Category, request type and urgency by the words of the catalogue.

use std::collections::HashSet;

use crate::catalogue::second::Voice;
use crate::catalogue::text::Text;
use crate::catalogue::{Catalogue, CategoryId, Hit, Lexicon, Sense, Urgency};

use super::understood::Hint;

/// Below this no category is believed.
const LEAST: f32 = 0.3;

/// What a category chosen in the menu weighs, against words of weight 1 to 10.
const MENU: f32 = 4.0;

/// What the name of a category weighs as the topic of a line or a menu.
const TOPIC: f32 = 1.5;

/// The share of its weight that a word has in a topic.
const IN_TOPIC: f32 = 0.3;

/// What a second reader weighs that is quite sure of a category, for each thing of the text that it knows: as words add up
/// in a long text, so must its voice; in a few words the catalogue's own are the better judge.
const LEARNED: f32 = 0.2;

/// With so much known, its probability is believed as it stands.
const ENOUGH: usize = 60;

/// After the name of a thing these make a place of it.
const ASIDE: [&str; 4] = ["旁边", "对面", "隔壁", "出口"];

/// What it weighs with a request type: it has learned them from letters, where people complain more than on the telephone.
const LEARNED_KIND: f32 = 3.0;

/// Characters `start..end` of the text as looked through.
pub type Span = (usize, usize);

/// A choice, how sure, and the words it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice<T> {
    pub value: T,
    pub confidence: f32,
    pub spans: Vec<Span>,
}

/// The category of `text` outside the names of places; nothing where no word tells.
pub fn category(
    catalogue: &Catalogue,
    text: &Text,
    named: &[Span],
    hint: &Hint,
    learned: Option<&Voice<CategoryId>>,
) -> Option<Choice<CategoryId>> {
    let tree = catalogue.categories();
    let words = catalogue.category_words();
    // own[i]: what speaks for category i itself; below[i]: that and what speaks for those under it.
    let mut own = vec![0.0f32; tree.len()];
    let said = said(words, text, named);
    for (_, sense) in &said {
        own[tree.index(sense.of)] += sense.weight;
    }
    for (name, whole, share) in [(&hint.category, MENU, 1.0), (&hint.topic, TOPIC, IN_TOPIC)] {
        for sense in name.iter().flat_map(|name| meant(catalogue, name, whole, share)) {
            own[tree.index(sense.of)] += sense.weight;
        }
    }
    for (voice, (of, share)) in learned.iter().flat_map(|voice| voice.shares.iter().map(move |one| (voice, one))) {
        own[tree.index(*of)] += LEARNED * share * voice.known as f32;
    }
    let mut below = own;
    for (id, category) in tree.iter().rev() {
        if let Some(parent) = category.parent {
            below[tree.index(parent)] += below[tree.index(id)];
        }
    }
    let mut chosen: Option<CategoryId> = None;
    let mut confidence = 1.0;
    for level in 0..3 {
        let siblings = tree.iter().filter(|(_, category)| category.parent == chosen && category.level == level);
        let Some((id, first, second)) = top_two(siblings.map(|(id, _)| (id, below[tree.index(id)]))) else { break };
        // A second reader that agrees is calibrated: its probability counts where the words are few.
        let agreed = learned.filter(|voice| voice.known >= ENOUGH).map_or(0.0, |voice| voice.share(id));
        let sure = certainty(first, second).max(agreed);
        if level == 0 && sure < LEAST {
            return None;
        }
        // The levels below only refine: they shake the whole by half of their own doubt.
        confidence *= if level == 0 { sure } else { 0.5 + 0.5 * first / (first + second) };
        chosen = Some(id);
    }
    let value = chosen?;
    let line: Vec<CategoryId> = tree.upward(value).collect();
    let spans = said.iter().filter(|(_, sense)| line.contains(&sense.of)).map(|(span, _)| *span).collect();
    Some(Choice { value, confidence, spans })
}

/// What a menu's or a line's words speak for: one category by its name (weight `whole`), or those that have the words
/// (with a `share` of the words' weight).
fn meant(catalogue: &Catalogue, name: &str, whole: f32, share: f32) -> Vec<Sense<CategoryId>> {
    if let Some(of) = catalogue.categories().find(name) {
        return vec![Sense { of, weight: whole }];
    }
    let words = catalogue.category_words();
    let text = Text::new(name);
    let part = |sense: &Sense<CategoryId>| Sense { of: sense.of, weight: sense.weight * share };
    words.find(&text).iter().flat_map(|hit| words.senses(hit)).map(part).collect()
}

/// The request type of `text`; where no word tells, that of `category`, or the usual one.
pub fn kind(
    catalogue: &Catalogue,
    text: &Text,
    named: &[Span],
    hint: &Hint,
    category: Option<CategoryId>,
    learned: Option<&Voice<usize>>,
) -> Choice<usize> {
    let words = catalogue.kind_words();
    let mut scores = vec![0.0f32; catalogue.kinds().len()];
    let said = said(words, text, named);
    for (_, sense) in &said {
        scores[sense.of] += sense.weight;
    }
    if let Some(chosen) = hint.kind.as_deref().and_then(|name| catalogue.kind(name)) {
        scores[chosen] += MENU;
    }
    for (of, share) in learned.iter().flat_map(|voice| &voice.shares) {
        scores[*of] += LEARNED_KIND * share;
    }
    let of_category = category.and_then(|id| catalogue.categories().get(id).kind);
    if let Some(kind) = of_category {
        scores[kind] += 1.0;
    }
    match top_two(scores.iter().copied().enumerate()) {
        Some((value, first, second)) => {
            let spans = said.iter().filter(|(_, sense)| sense.of == value).map(|(span, _)| *span).collect();
            Choice { value, confidence: certainty(first, second), spans }
        }
        None => Choice { value: catalogue.usual_kind(), confidence: 0.0, spans: Vec::new() },
    }
}

/// How urgent `text` is: the most urgent word decides, and a menu can only make it more urgent.
pub fn urgency(catalogue: &Catalogue, text: &Text, named: &[Span], hint: &Hint) -> Choice<Urgency> {
    let words = catalogue.urgency_words();
    let hits = outside(words.find(text), named);
    let found: Vec<(Hit, Urgency)> =
        hits.iter().flat_map(|hit| words.senses(hit).iter().map(move |u| (*hit, *u))).collect();
    let chosen = hint.urgency.as_deref().and_then(|name| name.parse().ok()).unwrap_or_default();
    let said = found.iter().map(|(_, urgency)| *urgency).max().unwrap_or_default();
    let value = said.max(chosen);
    let speaking = found.iter().filter(|(_, urgency)| *urgency == value && value > Urgency::Ordinary);
    let spans: Vec<Span> = speaking.map(|(hit, _)| (hit.start, hit.end)).collect();
    let confidence = match (value, spans.len()) {
        (Urgency::Ordinary, _) if text.chars().is_empty() => 0.0,
        (Urgency::Ordinary, _) => 0.7,
        (_, 0) => 0.8, // by the menu alone
        (_, 1) => 0.9,
        _ => 0.95,
    };
    Choice { value, confidence, spans }
}

/// What only says where something is: 幼儿园旁边井盖丢了 is about no school.
pub fn aside(catalogue: &Catalogue, text: &Text) -> Vec<Span> {
    let beside = |hit: &Hit| ASIDE.iter().any(|word| text.after(hit.end).starts_with(word));
    let hits = catalogue.category_words().find(text);
    hits.iter().filter(|hit| beside(hit)).map(|hit| (hit.start, hit.end)).collect()
}

/// Without those that lie in the name of the place.
fn outside(mut hits: Vec<Hit>, named: &[Span]) -> Vec<Hit> {
    hits.retain(|hit| !named.iter().any(|(start, end)| *start <= hit.start && hit.end <= *end));
    hits
}

/// What the words of `text` speak for. A word said twice speaks once, and of words that overlap (水管…爆 and 爆裂) only
/// the weightiest speaks for one thing.
fn said<I: Copy + PartialEq>(words: &Lexicon<Sense<I>>, text: &Text, named: &[Span]) -> Vec<(Span, Sense<I>)> {
    let hits = outside(words.find(text), named);
    let mut seen = HashSet::new();
    let mut said: Vec<(Span, Sense<I>)> = Vec::new();
    for hit in hits.iter().filter(|hit| seen.insert(&text.chars()[hit.start..hit.end])) {
        for sense in words.senses(hit) {
            said.push(((hit.start, hit.end), *sense));
        }
    }
    said.sort_by(|(a, x), (b, y)| y.weight.total_cmp(&x.weight).then(a.cmp(b)));
    let mut kept: Vec<(Span, Sense<I>)> = Vec::new();
    for (span, sense) in said {
        let overlaps = |(other, held): &(Span, Sense<I>)| held.of == sense.of && other.0 < span.1 && span.0 < other.1;
        if !kept.iter().any(overlaps) {
            kept.push((span, sense));
        }
    }
    kept
}

/// The best with its score, and the score of the next; nothing where all are zero. The first of equals.
fn top_two<T>(scores: impl Iterator<Item = (T, f32)>) -> Option<(T, f32, f32)> {
    let mut best: Option<(T, f32, f32)> = None;
    for (value, score) in scores.filter(|(_, score)| *score > 0.0) {
        best = Some(match best {
            Some((_, first, _)) if score > first => (value, score, first),
            Some((held, first, second)) => (held, first, second.max(score)),
            None => (value, score, 0.0),
        });
    }
    best
}

/// How sure a score is beside the next best: much evidence and no rival give nearly 1.
fn certainty(first: f32, second: f32) -> f32 {
    first / (first + 1.0) * first / (first + second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn certainty_grows_with_evidence_and_falls_with_a_rival(first in 0.1f32..50.0, second in 0.0f32..50.0) {
            let second = second.min(first);
            let sure = certainty(first, second);
            prop_assert!((0.0..=1.0).contains(&sure));
            prop_assert!(certainty(first + 1.0, second) > sure);
            prop_assert!(certainty(first, second + 1.0) < sure);
        }
    }

    #[test]
    fn the_best_and_the_next() {
        assert_eq!(top_two([('a', 1.0), ('b', 3.0), ('c', 2.0)].into_iter()), Some(('b', 3.0, 2.0)));
        assert_eq!(top_two([('a', 2.0), ('b', 2.0)].into_iter()), Some(('a', 2.0, 2.0)));
        assert_eq!(top_two([('a', 0.0)].into_iter()), None);
    }
}
