//! Chinese text to the syllables that a voice without a dictionary can speak: pinyin with tone numbers.
//!
//! Owns the choice of reading: numbers and signs by `reading`, words in which a character is not read as usual by
//! `words.txt` (longest word first), everything else by the most usual reading of the crate `pinyin`; then the tone
//! sandhi of 一 and 不. It refuses nothing: a character without a reading is left out. Third tones are left as they
//! are written, because `cmn-latn-pinyin` of espeak-ng changes them itself (`ni3 hao3` comes out as 35 214).
//!
//! What comes out of [`spell`] holds only `a-z 0-9`, blanks, commas and full stops, whatever went in: no markup of a
//! speech program can be smuggled in by what a caller said.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};
use pinyin::ToPinyin;

use super::reading::{self, Token};

/// How the digit 1 is said in a number that is read digit by digit (a telephone number, a room).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum One {
    /// 幺, as on the telephone.
    #[default]
    Yao,
    /// 一.
    Yi,
}

/// One step of speech.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A syllable with its tone number (5 is the neutral tone), `ü` written `v`: `lv4`.
    Syllable(String),
    /// A comma's pause.
    Short,
    /// A full stop's pause.
    Long,
}

/// The text as one line of pinyin: `ni3 hao3, qing3 jiang3.`
pub fn spell(text: &str, one: One) -> String {
    let mut line = String::new();
    for unit in units(text, one) {
        match unit {
            Unit::Syllable(syllable) => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(&syllable);
            }
            Unit::Short => line.push(','),
            Unit::Long => line.push('.'),
        }
    }
    line
}

/// The steps of speech of a text; never two pauses together, none at the front.
pub fn units(text: &str, one: One) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut run = String::new();
    for token in reading::tokens(text, one) {
        if let Token::Han(c) = token {
            run.push(c);
            continue;
        }
        speak(&mut run, token, &mut units);
    }
    speak(&mut run, Token::Short, &mut units);
    while matches!(units.last(), Some(Unit::Short)) {
        units.pop();
    }
    units
}

/// Speaks the characters gathered so far, then the token that ended them.
fn speak(run: &mut String, token: Token, units: &mut Vec<Unit>) {
    let before = match units.last() {
        Some(Unit::Syllable(_)) => Before::Speech,
        _ => Before::Nothing,
    };
    let after = match token {
        Token::Syllable(next) => Some(next),
        _ => None,
    };
    units.extend(words(run, before, after).into_iter().map(Unit::Syllable));
    run.clear();
    match token {
        Token::Han(_) => {}
        Token::Syllable(syllable) => units.push(Unit::Syllable(syllable.to_owned())),
        Token::Short => pause(units, Unit::Short),
        Token::Long => pause(units, Unit::Long),
    }
}

fn pause(units: &mut Vec<Unit>, pause: Unit) {
    match units.last_mut() {
        None => {}
        Some(Unit::Syllable(_)) => units.push(pause),
        Some(last) if pause == Unit::Long => *last = pause,
        Some(_) => {}
    }
}

/// Words whose reading is not the usual one, one a line: the word, then its syllables.
const WORDS: &str = include_str!("words.txt");

static TABLE: LazyLock<(AhoCorasick, Vec<Vec<&'static str>>)> = LazyLock::new(|| {
    let mut words = Vec::new();
    let mut readings = Vec::new();
    for line in WORDS.lines().filter(|line| !line.starts_with('#')) {
        let mut parts = line.split_whitespace();
        if let Some(word) = parts.next() {
            words.push(word);
            readings.push(parts.collect());
        }
    }
    let finder = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&words);
    (finder.expect("a few hundred short words make a small automaton"), readings)
});

/// What is spoken right before a run of characters.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    Nothing,
    Speech,
}

/// A character with its reading; `settled` ones come from the word table and are not changed by sandhi.
struct Read {
    han: char,
    syllable: String,
    settled: bool,
}

fn words(run: &str, before: Before, after: Option<&str>) -> Vec<String> {
    let (finder, readings) = &*TABLE;
    let mut read: Vec<Read> = Vec::new();
    let mut at = 0;
    for found in finder.find_iter(run) {
        read.extend(usual(&run[at..found.start()]));
        let word = run[found.range()].chars().zip(&readings[found.pattern().as_usize()]);
        read.extend(word.map(|(han, syllable)| Read { han, syllable: (*syllable).to_owned(), settled: true }));
        at = found.end();
    }
    read.extend(usual(&run[at..]));
    for i in 0..read.len() {
        if read[i].settled {
            continue;
        }
        let next = read.get(i + 1).map(|r| r.syllable.as_str()).or(after);
        let changed = match read[i].han {
            '一' => yi(&read, i, before, next),
            '不' => next.filter(|s| tone(s) == '4').map(|_| "bu2"),
            _ => None,
        };
        if let Some(syllable) = changed {
            read[i].syllable = syllable.to_owned();
        }
    }
    read.into_iter().map(|r| r.syllable).collect()
}

/// The most usual reading of each character.
fn usual(text: &str) -> impl Iterator<Item = Read> + '_ {
    text.chars().filter_map(|han| {
        let pinyin = han.to_pinyin()?.with_tone_num_end().replace('ü', "v");
        let toned = pinyin.ends_with(|c: char| c.is_ascii_digit());
        let syllable = if toned { pinyin } else { pinyin + "5" };
        Some(Read { han, syllable, settled: false })
    })
}

fn tone(syllable: &str) -> char {
    syllable.chars().last().unwrap_or('5')
}

/// 一 is yi1 alone and where it numbers things (一号, 第一, 十一), yi2 before a falling tone, else yi4.
fn yi(read: &[Read], i: usize, before: Before, next: Option<&str>) -> Option<&'static str> {
    let previous = i.checked_sub(1).map(|i| read[i].han);
    let following = read.get(i + 1).map(|r| r.han);
    let counted = previous.is_some_and(|c| "第十百千零〇二三四五六七八九周期拜初一其之".contains(c));
    let numbers = following.is_some_and(|c| "号月楼层栋单期级中班区室组环二三四五六七八九一零".contains(c));
    if counted || numbers || (previous.is_none() && before == Before::Speech) {
        return None;
    }
    if previous.is_some() && previous == following {
        return Some("yi5"); // 看一看
    }
    let next = next?;
    // 个 is 4 by itself and neutral after 一; what else is neutral was mostly a falling tone too.
    Some(if matches!(tone(next), '4' | '5') { "yi2" } else { "yi4" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn said(text: &str) -> String {
        spell(text, One::Yao)
    }

    #[test]
    fn characters_with_several_readings_follow_their_word() {
        for (text, pinyin) in [
            ("银行门口", "yin2 hang2 men2 kou3"),
            ("行人和车行道", "xing2 ren2 he2 che1 xing2 dao4"),
            ("路太长", "lu4 tai4 chang2"),
            ("社区长期没人管", "she4 qu1 chang2 qi1 mei2 ren2 guan3"),
            ("区长", "qu1 zhang3"),
            ("请重新说一遍", "qing3 chong2 xin1 shuo1 yi2 bian4"),
            ("问题很重", "wen4 ti2 hen3 zhong4"),
            ("还没有还押金", "hai2 mei2 you3 huan2 ya1 jin1"),
            ("得不到解决", "de2 bu2 dao4 jie3 jue2"),
            ("觉得太吵", "jue2 de5 tai4 chao3"),
            ("为您服务", "wei4 nin2 fu2 wu4"),
            ("认为", "ren4 wei2"),
            ("调整", "tiao2 zheng3"),
            ("调查", "diao4 cha2"),
            ("都没有", "dou1 mei2 you3"),
            ("首都", "shou3 du1"),
            ("朝阳区十里堡", "chao2 yang2 qu1 shi2 li3 pu4"),
            ("大栅栏街道", "da4 shi5 lan4 jie1 dao4"),
            ("供暖", "gong1 nuan3"),
            ("地上有污水", "di4 shang4 you3 wu1 shui3"),
            ("漏得很厉害", "lou4 de5 hen3 li4 hai5"),
            ("了解一下", "liao3 jie3 yi2 xia4"),
            ("处理", "chu3 li3"),
            ("办事处", "ban4 shi4 chu4"),
            ("便宜", "pian2 yi5"),
            ("方便", "fang1 bian4"),
            ("绿化率", "lv4 hua4 lv4"),
            ("扬尘", "yang2 chen2"),
        ] {
            assert_eq!(said(text), pinyin, "{text}");
        }
    }

    #[test]
    fn yi_and_bu_change_their_tone() {
        for (text, pinyin) in [
            ("一个", "yi2 ge4"),
            ("一天", "yi4 tian1"),
            ("一直", "yi4 zhi2"),
            ("一起", "yi4 qi3"),
            ("第一次", "di4 yi1 ci4"),
            ("一号楼", "yi1 hao4 lou2"),
            ("星期一", "xing1 qi1 yi1"),
            ("统一", "tong3 yi1"),
            ("十一点", "shi2 yi1 dian3"),
            ("管一管", "guan3 yi5 guan3"),
            ("不是", "bu2 shi4"),
            ("不能", "bu4 neng2"),
            ("就不", "jiu4 bu4"),
            ("1个", "yi2 ge4"),
            ("1天", "yi4 tian1"),
            ("1号楼", "yi1 hao4 lou2"),
        ] {
            assert_eq!(said(text), pinyin, "{text}");
        }
    }

    #[test]
    fn signs_become_pauses_and_nothing_else() {
        assert_eq!(said("您好，请讲。"), "nin2 hao3, qing3 jiang3.");
        assert_eq!(said("，。您好！！？"), "nin2 hao3.");
        assert_eq!(said(""), "");
        assert_eq!(said("。"), "");
    }

    #[test]
    fn every_word_of_the_table_has_a_syllable_for_each_character() {
        let mut seen = std::collections::HashSet::new();
        for line in WORDS.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
            let mut parts = line.split_whitespace();
            let word = parts.next().expect("a word");
            let syllables: Vec<&str> = parts.collect();
            assert_eq!(word.chars().count(), syllables.len(), "{line}");
            for s in syllables {
                let (letters, tone) = s.split_at(s.len() - 1);
                assert!(letters.chars().all(|c| c.is_ascii_lowercase()), "{line}");
                assert!("12345".contains(tone), "{line}");
            }
            assert!(seen.insert(word), "{word} stands twice");
        }
    }

    proptest! {
        #[test]
        fn any_text_gives_only_syllables_and_pauses(text in "[\\PC\\n]{0,60}|[一不个0-9a-zA-Z，。号楼两]{0,40}") {
            let line = said(&text);
            prop_assert!(line.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || " ,.".contains(c)), "{}", line);
            prop_assert!(!line.starts_with([',', '.', ' ']));
        }

        #[test]
        fn as_many_syllables_as_characters(text in "[一不个两号楼银行长重还得了地都为数调的水管街道区]{1,40}") {
            prop_assert_eq!(said(&text).split(' ').count(), text.chars().count());
        }
    }
}
