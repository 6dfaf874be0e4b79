//! A title for a group of reports: the clause of theirs that says most of what they have in common. Never a word that
//! nobody said.

use std::collections::HashMap;

use super::common;
use super::shingles::pairs;

/// Characters of a title.
pub const MOST: usize = 30;
/// Shorter clauses say too little.
const LEAST: usize = 4;
/// Reports that are read for a title, and clauses of each.
const READ: usize = 40;
const CLAUSES: usize = 60;
/// What a pair counts that is said whatever it is about.
const USUAL: f32 = 0.1;

/// The title of `texts`, at most [`MOST`] characters, with `place` before it where it fits and is not said anyway.
pub fn title(texts: &[&str], place: Option<&str>) -> String {
    let texts = &texts[..texts.len().min(READ)];
    let usual: Vec<u32> = common::PHRASES.iter().flat_map(|phrase| pairs(phrase)).collect();
    let mut having: HashMap<u32, f32> = HashMap::new();
    for pair in texts.iter().flat_map(|text| pairs(text)) {
        *having.entry(pair).or_default() += 1.0;
    }
    let all = texts.len().max(1) as f32;
    let worth = |pair: &u32| {
        let share = having.get(pair).map_or(0.0, |count| count / all);
        share * if usual.contains(pair) { USUAL } else { 1.0 }
    };
    let mut best: Option<(f32, &str)> = None;
    for clause in texts.iter().flat_map(|text| clauses(text).take(CLAUSES)) {
        let found = pairs(clause);
        // Divided by its length a little: a long clause is not better for being long.
        let score = found.iter().map(worth).sum::<f32>() / (found.len() as f32 + 6.0);
        if best.is_none_or(|(most, _)| score > most) {
            best = Some((score, clause));
        }
    }
    let what = best.map_or_else(|| texts.first().map_or("", |text| text.trim()), |(_, clause)| clause);
    let place = place.filter(|place| !what.contains(bare(place)) && place.chars().count() + LEAST <= MOST);
    place.into_iter().flat_map(str::chars).chain(what.chars()).filter(|c| !c.is_control()).take(MOST).collect()
}

/// A place as it may be said: 望京街道, 望京.
fn bare(place: &str) -> &str {
    ["街道", "地区", "镇", "乡", "区"]
        .iter()
        .find_map(|end| place.strip_suffix(end))
        .filter(|name| !name.is_empty())
        .unwrap_or(place)
}

/// What stands between punctuation marks; a clause that is too long is cut.
fn clauses(text: &str) -> impl Iterator<Item = &str> {
    let long_enough = |clause: &&str| clause.chars().nth(LEAST - 1).is_some();
    text.split(|c: char| !c.is_alphanumeric()).filter(long_enough).map(|clause| match clause.char_indices().nth(MOST) {
        Some((end, _)) => &clause[..end],
        None => clause,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_many_say_is_the_title() {
        let texts = [
            "您好,我想反映一个问题,甜水园西里三号楼停水了,请尽快解决",
            "你们管不管啊,甜水园西里停水了",
            "老人在家没法做饭,甜水园西里又停水了,谢谢",
        ];
        let made = title(&texts, Some("六里屯街道"));
        assert!(made.starts_with("六里屯街道甜水园西里") && made.ends_with("停水了"), "{made}");
    }

    #[test]
    fn a_place_that_is_said_is_not_said_twice() {
        assert_eq!(title(&["望京南湖东园路灯不亮"], Some("望京街道")), "望京南湖东园路灯不亮");
        assert_eq!(title(&[], None), "");
        assert_eq!(title(&["水"], None), "水");
    }

    proptest! {
        #[test]
        fn no_more_than_thirty_characters_and_each_was_said(texts in prop::collection::vec("\\PC{0,60}", 0..6), place in "[望京街道乡]{0,40}") {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let made = title(&texts, Some(&place));
            prop_assert!(made.chars().count() <= MOST);
            prop_assert!(made.chars().all(|c| place.contains(c) || texts.iter().any(|text| text.contains(c))));
        }
    }
}
