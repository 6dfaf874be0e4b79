//! What a recogniser may write instead: other characters of the same sound. For evaluation.

use std::collections::{BTreeMap, BTreeSet};

use pinyin::ToPinyin;
use rand::Rng;

/// The characters of some texts by their toneless syllable.
#[derive(Debug, Default)]
pub struct Homophones(BTreeMap<&'static str, Vec<char>>);

impl Homophones {
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Homophones {
        let seen: BTreeSet<char> = texts.flat_map(str::chars).collect();
        let mut sounds: BTreeMap<&'static str, Vec<char>> = BTreeMap::new();
        for c in seen {
            if let Some(syllable) = c.to_pinyin() {
                sounds.entry(syllable.plain()).or_default().push(c);
            }
        }
        Homophones(sounds)
    }

    /// `text` with about a `share` of its characters replaced by others that sound the same.
    pub fn mishear(&self, text: &str, share: f64, rng: &mut impl Rng) -> String {
        let heard = |c: char| match c.to_pinyin().and_then(|syllable| self.0.get(syllable.plain())) {
            Some(alike) if alike.len() > 1 && rng.random_bool(share) => loop {
                let other = alike[rng.random_range(0..alike.len())];
                if other != c {
                    break other;
                }
            },
            _ => c,
        };
        text.chars().map(heard).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    proptest! {
        #[test]
        fn the_sound_stays(text in "[望京忘经停亭水税a1，]{0,40}", seed in any::<u64>()) {
            let pool = Homophones::of(["望京忘经停亭水税"].into_iter());
            let heard = pool.mishear(&text, 1.0, &mut SmallRng::seed_from_u64(seed));
            let sound = |text: &str| text.chars().map(|c| c.to_pinyin().map_or_else(|| c.to_string(), |p| p.plain().to_owned())).collect::<Vec<_>>();
            prop_assert_eq!(sound(&text), sound(&heard));
            let changed = text.chars().zip(heard.chars()).filter(|(a, b)| a != b).count();
            prop_assert_eq!(changed, text.chars().filter(|c| c.to_pinyin().is_some()).count());
        }
    }
}
