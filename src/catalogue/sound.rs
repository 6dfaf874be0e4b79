//! Texts by sound: a toneless syllable a character, so that what a recogniser wrote with another character is found.

use std::collections::HashMap;

use pinyin::{ToPinyin, ToPinyinMulti};

use super::text::Text;

/// The most spellings of one name whose characters have several readings.
const MAX_READINGS: usize = 8;

/// Where the private characters that stand for syllables begin; there are some 400 syllables and 6,400 characters.
const FIRST: u32 = 0xe000;

/// Each syllable that occurs in a name, as one private character.
#[derive(Debug, Default)]
pub struct Sounds {
    of: HashMap<&'static str, char>,
}

impl Sounds {
    /// Every way in which `name` may be read; characters that are not Han stay as they are.
    pub fn readings(&mut self, name: &str) -> Vec<String> {
        let mut readings = vec![String::new()];
        for c in name.chars() {
            let mut sounds: Vec<char> = match c.to_pinyin_multi() {
                Some(multi) => multi.into_iter().map(|reading| self.learn(reading.plain())).collect(),
                None => vec![c],
            };
            sounds.sort_unstable();
            sounds.dedup();
            sounds.truncate((MAX_READINGS / readings.len()).max(1));
            readings = readings.iter().flat_map(|r| sounds.iter().map(move |s| format!("{r}{s}"))).collect();
        }
        readings
    }

    fn learn(&mut self, syllable: &'static str) -> char {
        let next = FIRST + self.of.len() as u32;
        *self.of.entry(syllable).or_insert_with(|| char::from_u32(next).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    /// `text` by its usual readings, character for character.
    pub fn of(&self, text: &Text) -> Text {
        let sound = |c: &char| c.to_pinyin().and_then(|p| self.of.get(p.plain()).copied()).unwrap_or(*c);
        Text::new(&text.chars().iter().map(sound).collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn homophones_sound_alike() {
        let mut sounds = Sounds::default();
        let name = sounds.readings("望京街道");
        let heard = sounds.of(&Text::new("忘经街道"));
        assert!(name.iter().any(|reading| heard.as_str() == reading), "{name:?} {heard:?}");
    }

    #[test]
    fn a_name_with_several_readings_is_found_in_each() {
        let mut sounds = Sounds::default();
        let name = sounds.readings("朝阳区");
        for heard in ["朝阳区", "潮阳区", "招阳区"] {
            assert!(name.iter().any(|r| sounds.of(&Text::new(heard)).as_str() == r), "{heard}");
        }
    }

    proptest! {
        #[test]
        fn places_of_characters_stay(text in "[望京朝阳a1,。x]{0,20}") {
            let mut sounds = Sounds::default();
            let readings = sounds.readings("朝阳区望京街道");
            prop_assert!(!readings.is_empty() && readings.len() <= MAX_READINGS);
            let text = Text::new(&text);
            prop_assert_eq!(sounds.of(&text).chars().len(), text.chars().len());
        }
    }
}
