//! Names of places in a text, by what they end in: 青年沟东里, 丽发新城小区. Whatever a city's lists of places know, two
//! reports that name places and none in common are not of one matter, however alike their problems sound.

use super::shingles::{Pair, Sound, mix, pair, sound};
use crate::catalogue::text::fold;

/// What the name of a compound, road or village ends in; the longer before the shorter.
const ENDINGS: &[&str] = &[
    "家属院",
    "小区",
    "社区",
    "花园",
    "家园",
    "公寓",
    "新村",
    "大厦",
    "广场",
    "胡同",
    "大道",
    "街道",
    "大院",
    "里",
    "园",
    "苑",
    "路",
    "街",
    "村",
    "庄",
    "城",
    "湾",
    "巷",
    "桥",
    "镇",
    "乡",
    "寺",
    "坊",
    "庭",
    "府",
];

/// What belongs to no name: 我们小区, 有的村.
const NO_NAME: &str = "我们你他她咱这那哪个的该整某在到是了和与跟各每有要没不条吗呢吧往向从被把给对";

/// Right before an ending these make another word of it: 马路, 县城, 政府.
const NO_END: &str = "本全近夜手马公铁道走修线电网县进农政绕开拦堵带问顺沿半同种出回儿";

/// The names in a text.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// How the two characters before each ending sound; sorted.
    pub sounds: Vec<Sound>,
    /// The pairs of sounds in and around the names: they tell where it is and not what; sorted.
    pub pairs: Vec<Pair>,
}

/// Each different name in `text`.
pub fn names(text: &str) -> Names {
    let chars: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).map(fold).take(super::shingles::MOST).collect();
    let mut found = Names::default();
    for end in 2..chars.len() {
        let Some(ending) = ENDINGS.iter().find(|ending| starts(&chars[end..], ending)) else { continue };
        // 家里 is no place, 翠微南里 is another than 翠微北里.
        let within = *ending == "里";
        if within && !PARTS.contains(chars[end - 1]) {
            continue;
        }
        let last = (0..end).rev().find(|at| within || !PARTS.contains(chars[*at])).unwrap_or(0);
        if last == 0 {
            continue;
        }
        // 万润家园社区: the ending before this one has given the name.
        if ENDINGS.iter().any(|ending| ends(&chars[..end], ending) || ends(&chars[..=last], ending)) {
            continue;
        }
        let two = [chars[last - 1], chars[last]];
        let no_name = two.iter().any(|c| !c.is_alphanumeric() || NO_NAME.contains(*c));
        if no_name || NO_END.contains(two[1]) {
            continue;
        }
        found.sounds.push(mix(mix(0x27d4_eb2f, sound(two[0])), sound(two[1])));
        let all = end.saturating_sub(BEFORE)..end + ending.chars().count();
        found.pairs.extend(chars[all].windows(2).map(|two| pair(sound(two[0]), sound(two[1]))));
    }
    for list in [&mut found.sounds, &mut found.pairs] {
        list.sort_unstable();
        list.dedup();
    }
    found
}

/// Which part of a place it is, no name: 第一社区, 东街, 三区.
const PARTS: &str = "第一二三四五六七八九十东西南北中前后区号期街路里";

/// Characters before an ending that belong to the name.
const BEFORE: usize = 5;

fn starts(chars: &[char], ending: &str) -> bool {
    let mut at = chars.iter();
    ending.chars().all(|c| at.next() == Some(&c))
}

fn ends(chars: &[char], ending: &str) -> bool {
    let mut at = chars.iter().rev();
    ending.chars().rev().all(|c| at.next() == Some(&c))
}

/// Whether two sorted lists have something in common.
pub fn meet(a: &[Sound], b: &[Sound]) -> bool {
    a.iter().any(|name| b.binary_search(name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_known_by_their_endings_and_by_sound() {
        assert!(meet(&names("丽发新城附近").sounds, &names("就在力发新城小区").sounds));
        assert!(!meet(&names("青年沟东里停水").sounds, &names("甜水园西里停水").sounds));
        for no in ["我们小区停水", "这个小区没电", "家里没水", "马路上都是水", "停水"] {
            assert_eq!(names(no), Names::default(), "{no}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_sorted_names(text in "\\PC{0,80}") {
            prop_assert!(names(&text).sounds.windows(2).all(|two| two[0] < two[1]));
        }
    }
}
