//! What two reports have in common whatever their order and spelling: pairs of neighbouring syllables.
//!
//! A Han character counts as its syllable without tone, and sounds that recognisers (and much of the country) take for
//! each other count as one: 康意园 and 康邑园 are the same here. A run of Latin letters or digits is one sound: A7, 107.
//! Nothing reaches over a punctuation mark, so sentences may change places.

use std::sync::OnceLock;

use pinyin::ToPinyin;

use crate::catalogue::text::fold;

/// Sounds read of one text; what a caller says after ten minutes is no news of the matter.
pub(super) const MOST: usize = 800;

/// One sound: a hash, never 0.
pub type Sound = u32;

/// Two neighbouring sounds.
pub type Pair = u32;

/// The Han characters of the first block, by their distance from its first.
const HAN: std::ops::RangeInclusive<char> = '\u{4e00}'..='\u{9fff}';

/// Different pairs of sounds in `text`, sorted.
pub fn pairs(text: &str) -> Vec<Pair> {
    let mut found = Vec::with_capacity(text.len() / 3);
    each_clause(text, |sounds| {
        found.extend(sounds.windows(2).map(|two| pair(two[0], two[1])));
    });
    found.sort_unstable();
    found.dedup();
    found
}

/// The sounds between punctuation marks, clause by clause.
fn each_clause(text: &str, mut take: impl FnMut(&[Sound])) {
    let mut clause: Vec<Sound> = Vec::with_capacity(64);
    let (mut run, mut left) = (0u32, MOST);
    for c in text.chars().map(fold) {
        if left == 0 {
            break;
        }
        if c.is_ascii_alphanumeric() {
            run = mix(if run == 0 { 0x9e37_79b9 } else { run }, u32::from(c));
            continue;
        }
        if run != 0 {
            clause.push(run.max(1));
            (run, left) = (0, left - 1);
        }
        if c.is_whitespace() {
            continue;
        }
        if c.is_alphanumeric() {
            clause.push(sound(c));
            left = left.saturating_sub(1);
        } else {
            take(&clause);
            clause.clear();
        }
    }
    if run != 0 {
        clause.push(run.max(1));
    }
    take(&clause);
}

/// How a character sounds.
pub(super) fn sound(c: char) -> Sound {
    static TABLE: OnceLock<Vec<Sound>> = OnceLock::new();
    let table = TABLE.get_or_init(|| HAN.map(sound_of).collect());
    let at = u32::from(c).wrapping_sub(u32::from(*HAN.start())) as usize;
    table.get(at).copied().unwrap_or_else(|| mix(1, u32::from(c)).max(1))
}

fn sound_of(c: char) -> Sound {
    let Some(syllable) = c.to_pinyin() else { return mix(1, u32::from(c)).max(1) };
    let plain = syllable.plain();
    let plain = match plain.as_bytes() {
        [b'z' | b'c' | b's', b'h', ..] => format!("{}{}", &plain[..1], &plain[2..]),
        _ => plain.to_owned(),
    };
    let plain = match plain.strip_suffix("ing").map(|stem| (stem, "in")) {
        Some((stem, end)) => format!("{stem}{end}"),
        None => plain.strip_suffix("eng").map_or(plain.clone(), |stem| format!("{stem}en")),
    };
    plain.bytes().fold(2, |hash, byte| mix(hash, u32::from(byte))).max(1)
}

pub(super) fn pair(a: Sound, b: Sound) -> Pair {
    mix(mix(0x85eb_ca6b, a), b)
}

/// A step of a hash that stays the same from build to build; who wants collisions gains nothing by them.
pub(super) fn mix(hash: u32, value: u32) -> u32 {
    let mixed =
        (u64::from(hash) ^ u64::from(value).wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    (mixed >> 32) as u32 ^ mixed as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_sounds_alike_is_alike() {
        for (a, b) in
            [("康邑园", "康意园"), ("三层的声音", "山城的僧因"), ("Ａ７路", "a7 路"), ("停水。没电", "没电，停水")]
        {
            assert_eq!(pairs(a), pairs(b), "{a} {b}");
        }
        assert_ne!(pairs("107路"), pairs("701路"));
        assert!(pairs("停。水").is_empty(), "nothing reaches over a mark");
    }

    proptest! {
        #[test]
        fn any_text_gives_sorted_pairs(text in "\\PC{0,200}") {
            let found = pairs(&text);
            prop_assert!(found.windows(2).all(|two| two[0] < two[1]));
            prop_assert!(found.len() <= MOST);
        }
    }
}
