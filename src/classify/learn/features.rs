//! A text as hashed features: characters, pairs of characters and pairs of syllables, and how often each occurs.
//!
//! A key is the hash of a kind and of the characters or syllables, so no text can be read out of a model. Syllables are
//! toneless, because a recogniser that writes 忘经 for 望京 still hears the right sound. Nothing goes across a blank or a
//! sign: a list of words (with blanks between) and the sentence they come from have most features in common.
//!
//! Words of a dictionary are not among them: measured on the messages that the shipped model learned from, jieba's words
//! beside these pairs changed the macro-F1 by less than a third of a point, for twice the time a text and 5 MB more.

use pinyin::ToPinyin;

use crate::catalogue::text::fold;

/// A text is read up to here, as everywhere in [`crate::classify`].
const MAX_CHARS: usize = super::super::MAX_CHARS;

/// The longest run of characters that is one feature.
const LONGEST: usize = 2;

/// A feature where it stands: characters `start..end` of the text as it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gram {
    pub key: u64,
    pub start: usize,
    pub end: usize,
}

/// Every feature of `text` in its place.
pub fn grams(text: &str) -> Vec<Gram> {
    let mut grams = Vec::with_capacity(text.len().min(MAX_CHARS * 3));
    let mut run: Vec<(char, &'static str)> = Vec::new();
    let mut latin = String::new();
    for (at, c) in text.chars().take(MAX_CHARS).map(fold).chain([' ']).enumerate() {
        let sort = Sort::of(c);
        if !latin.is_empty() && !matches!(sort, Sort::Latin(_)) {
            let mut hash = Hash::of(b'l');
            hash.word(&latin);
            grams.push(Gram { key: hash.key(), start: at - latin.chars().count(), end: at });
            latin.clear();
        }
        match sort {
            Sort::Han(c, syllable) => {
                run.push((c, syllable));
                ending(&run, at + 1, &mut grams);
            }
            Sort::Latin(c) => {
                run.clear();
                latin.push(c);
            }
            Sort::Other => run.clear(),
        }
    }
    grams
}

/// The features that end with the last character of a run.
fn ending(run: &[(char, &'static str)], end: usize, grams: &mut Vec<Gram>) {
    for length in 1..=LONGEST.min(run.len()) {
        let mut hash = Hash::of(b'c');
        run[run.len() - length..].iter().for_each(|(c, _)| hash.add(u64::from(u32::from(*c))));
        grams.push(Gram { key: hash.key(), start: end - length, end });
    }
    if let [.., (_, first), (_, second)] = run {
        let mut hash = Hash::of(b's');
        hash.word(first);
        hash.word(second);
        grams.push(Gram { key: hash.key(), start: end - 2, end });
    }
}

/// Each feature with its count; sorted by key.
pub fn counted(grams: &[Gram]) -> Vec<(u64, u32)> {
    let mut keys: Vec<u64> = grams.iter().map(|gram| gram.key).collect();
    keys.sort_unstable();
    keys.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u32)).collect()
}

/// What a character is to a text.
enum Sort {
    Han(char, &'static str),
    Latin(char),
    Other,
}

impl Sort {
    fn of(c: char) -> Sort {
        match c.to_pinyin() {
            Some(syllable) => Sort::Han(c, syllable.plain()),
            None if c.is_ascii_alphabetic() => Sort::Latin(c),
            // A number says nothing by its digits: 3号楼 and 4号楼 are alike.
            None if c.is_ascii_digit() => Sort::Latin('0'),
            None => Sort::Other,
        }
    }
}

/// FNV-1a over words of 64 bits, stirred at the end (the finish of `SplitMix64`): the same on every machine and in every
/// version, as the keys in a model file have to be.
struct Hash(u64);

impl Hash {
    fn of(kind: u8) -> Hash {
        let mut hash = Hash(0xcbf2_9ce4_8422_2325);
        hash.add(u64::from(kind));
        hash
    }

    fn add(&mut self, value: u64) {
        self.0 = (self.0 ^ value).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    }

    fn word(&mut self, word: &str) {
        word.bytes().for_each(|byte| self.add(u64::from(byte)));
        self.add(0x1f);
    }

    fn key(self) -> u64 {
        let mut key = self.0;
        key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        key = (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        key ^ (key >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(text: &str) -> Vec<(u64, u32)> {
        counted(&grams(text))
    }

    #[test]
    fn what_sounds_alike_shares_its_syllables() {
        let (right, heard) = (keys("望京"), keys("忘经"));
        let common = right.iter().filter(|feature| heard.contains(feature)).count();
        // Two characters, a pair of them, a pair of syllables; only this is common.
        assert_eq!((right.len(), heard.len(), common), (4, 4, 1));
    }

    #[test]
    fn numbers_are_alike_and_signs_part() {
        assert_eq!(keys("3号楼"), keys("４号楼"));
        assert_ne!(keys("停水"), keys("停，水"));
        assert_eq!(keys("停 水"), keys("水。停"));
    }

    #[test]
    fn a_key_is_the_same_in_every_version() {
        // A model file holds these numbers: whoever changes them has to change the file's version.
        assert_eq!(keys("水"), [(7_072_913_309_522_045_306, 1)]);
    }

    proptest! {
        #[test]
        fn every_place_lies_in_the_text(text in "\\PC{0,60}|[望京ab1 ，水]{0,60}") {
            let length = text.chars().count();
            for gram in grams(&text) {
                prop_assert!(gram.start < gram.end && gram.end <= length, "{gram:?} of {length}");
            }
        }

        #[test]
        fn what_comes_behind_the_limit_counts_for_nothing(rest in "[望京水]{0,20}") {
            let text = "水".repeat(MAX_CHARS);
            prop_assert_eq!(keys(&text), keys(&(text.clone() + &rest)));
        }
    }
}
