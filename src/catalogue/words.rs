//! Words with what they stand for, all looked for in one pass over a text.
//!
//! A word may have gaps: `水管…爆` is 水管 and, not more than [`GAP`] characters later and in the same sentence, 爆.
//! A word found inside a longer word without gaps does not count: 医疗 is not found in 医疗保险 where both are listed, and
//! an entry 火灾隐患 keeps 火灾 silent.

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::text::Text;

/// The most characters that `…` stands for.
pub const GAP: usize = 8;

/// Between the parts of a word with gaps.
pub const ELLIPSIS: char = '…';

/// Words being gathered.
#[derive(Debug)]
pub struct Gather<T> {
    entries: Vec<(String, T)>,
}

impl<T> Default for Gather<T> {
    fn default() -> Gather<T> {
        Gather { entries: Vec::new() }
    }
}

impl<T: Copy> Gather<T> {
    /// `word` is taken as folded by [`super::text::folded`].
    pub fn add(&mut self, word: &str, sense: T) {
        let word = super::text::folded(word);
        if word.split(ELLIPSIS).all(|part| !part.is_empty()) {
            self.entries.push((word, sense));
        }
    }

    pub fn lexicon(mut self) -> Lexicon<T> {
        self.entries.sort_by(|a, b| a.0.cmp(&b.0));
        let mut parts = Parts::default();
        let (mut words, mut senses): (Vec<Word>, Vec<T>) = (Vec::new(), Vec::new());
        let mut last: Option<&str> = None;
        for (word, sense) in &self.entries {
            if last != Some(word) {
                let ids = word.split(ELLIPSIS).map(|part| parts.id(part)).collect::<Vec<_>>();
                words.push(Word { parts: ids, senses: senses.len()..senses.len() });
                last = Some(word);
            }
            senses.push(*sense);
            if let Some(word) = words.last_mut() {
                word.senses.end = senses.len();
            }
        }
        let mut of_part = vec![Vec::new(); parts.texts.len()];
        for (at, word) in words.iter().enumerate() {
            of_part[word.parts[0]].push(at);
        }
        Lexicon { automaton: automaton(&parts.texts), of_part, words, senses }
    }
}

#[derive(Default)]
struct Parts {
    texts: Vec<String>,
    ids: std::collections::HashMap<String, usize>,
}

impl Parts {
    fn id(&mut self, part: &str) -> usize {
        *self.ids.entry(part.to_owned()).or_insert_with(|| {
            self.texts.push(part.to_owned());
            self.texts.len() - 1
        })
    }
}

/// The kind that is quick to build: texts are short and the daemon should be up at once.
pub(crate) fn automaton(patterns: &[String]) -> AhoCorasick {
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::NoncontiguousNFA))
        .build(patterns)
        .expect("fewer than 2^31 patterns of configuration files within 4 MiB each")
}

#[derive(Debug)]
struct Word {
    parts: Vec<usize>,
    senses: std::ops::Range<usize>,
}

/// Words that can be looked for.
#[derive(Debug)]
pub struct Lexicon<T> {
    automaton: AhoCorasick,
    /// The words that begin with each part.
    of_part: Vec<Vec<usize>>,
    words: Vec<Word>,
    senses: Vec<T>,
}

impl<T: Copy> Default for Lexicon<T> {
    fn default() -> Lexicon<T> {
        Gather::default().lexicon()
    }
}

/// A word found at the characters `start..end` of a [`Text`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    pub start: usize,
    pub end: usize,
    word: usize,
}

impl Hit {
    /// Whether `other` lies in this hit's span and is shorter.
    fn covers(&self, other: &Hit) -> bool {
        self.start <= other.start && other.end <= self.end && (self.end - self.start) > (other.end - other.start)
    }
}

impl<T: Copy> Lexicon<T> {
    pub fn len(&self) -> usize {
        self.words.len()
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// What a hit stands for.
    pub fn senses(&self, hit: &Hit) -> &[T] {
        &self.senses[self.words[hit.word].senses.clone()]
    }

    /// Every word in `text` that does not lie in a longer one without gaps, in the order of the text.
    pub fn find(&self, text: &Text) -> Vec<Hit> {
        let found: Vec<(usize, usize, usize)> = self
            .automaton
            .find_overlapping_iter(text.as_str())
            .map(|m| (text.char_at(m.start()), text.char_at(m.end()), m.pattern().as_usize()))
            .collect();
        let mut hits = Vec::new();
        for &(start, end, part) in &found {
            for &word in &self.of_part[part] {
                if let Some(end) = self.follow(text, &found, end, &self.words[word].parts[1..]) {
                    hits.push(Hit { start, end, word });
                }
            }
        }
        self.without_covered(hits)
    }

    /// Where the last of `rest` ends, each within [`GAP`] characters of the one before.
    fn follow(&self, text: &Text, found: &[(usize, usize, usize)], end: usize, rest: &[usize]) -> Option<usize> {
        let Some((next, rest)) = rest.split_first() else { return Some(end) };
        let near =
            |start: usize| start >= end && start <= end + GAP && !text.chars()[end..start].iter().any(|c| ends(*c));
        found.iter().filter(|f| f.2 == *next && near(f.0)).find_map(|f| self.follow(text, found, f.1, rest))
    }

    /// Sorted by start and falling end, a hit can only lie in an earlier one, and of those the one that ends last decides.
    fn without_covered(&self, mut hits: Vec<Hit>) -> Vec<Hit> {
        hits.sort_by(|a, b| (a.start, b.end, a.word).cmp(&(b.start, a.end, b.word)));
        let mut kept: Vec<Hit> = Vec::with_capacity(hits.len());
        let mut widest: Option<Hit> = None;
        for hit in hits {
            if widest.is_some_and(|w| w.covers(&hit)) {
                continue;
            }
            kept.push(hit);
            if !self.has_gaps(&hit) && widest.is_none_or(|w| hit.end > w.end) {
                widest = Some(hit);
            }
        }
        kept
    }

    fn has_gaps(&self, hit: &Hit) -> bool {
        self.words[hit.word].parts.len() > 1
    }
}

/// Ends a sentence.
fn ends(c: char) -> bool {
    matches!(c, '。' | '!' | '?' | ';' | '！' | '？' | '；')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lexicon(words: &[&str]) -> Lexicon<usize> {
        let mut gather = Gather::default();
        for (i, word) in words.iter().enumerate() {
            gather.add(word, i);
        }
        gather.lexicon()
    }

    fn found(words: &[&str], text: &str) -> Vec<usize> {
        let (lexicon, text) = (lexicon(words), Text::new(text));
        lexicon.find(&text).iter().flat_map(|hit| lexicon.senses(hit).to_vec()).collect()
    }

    #[test]
    fn a_word_in_a_longer_one_is_silent() {
        assert_eq!(found(&["医疗", "医疗保险", "保险"], "医疗保险和医疗"), [1, 0]);
        assert_eq!(found(&["火灾", "火灾隐患"], "有火灾隐患"), [1]);
    }

    #[test]
    fn gaps_stay_within_a_sentence() {
        assert_eq!(found(&["水管…爆"], "水管昨天晚上爆了"), [0]);
        assert!(found(&["水管…爆"], "水管修好了。爆米花").is_empty());
        assert!(found(&["水管…爆"], "水管一二三四五六七八九爆").is_empty());
        assert!(found(&["水管…爆"], "爆了水管").is_empty());
    }

    #[test]
    fn one_word_may_stand_for_several_things() {
        let mut gather = Gather::default();
        gather.add("噪音", 1);
        gather.add("噪音", 2);
        let (lexicon, text) = (gather.lexicon(), Text::new("噪音"));
        assert_eq!(lexicon.senses(&lexicon.find(&text)[0]), [1, 2]);
    }

    proptest! {
        #[test]
        fn no_hit_lies_in_a_longer_word(words in prop::collection::vec("[甲乙丙]{1,3}(…[甲乙])?", 0..8), text in "[甲乙丙。]{0,30}") {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let (lexicon, text) = (lexicon(&words), Text::new(&text));
            let hits = lexicon.find(&text);
            for (i, a) in hits.iter().enumerate() {
                prop_assert!(a.start < a.end && a.end <= text.chars().len());
                prop_assert!(!hits.iter().enumerate().any(|(j, b)| i != j && !lexicon.has_gaps(b) && b.covers(a)));
            }
        }
    }
}
