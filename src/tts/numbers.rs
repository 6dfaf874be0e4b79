//! Numbers, dates and times as a row of recorded prompts, and numbers as words.
//!
//! The digit set (texts in `config/prompts/prompts.toml`, one recording each):
//!
//! | ids | said | used for |
//! |---|---|---|
//! | `digit-0` … `digit-9` | 零 幺 二 … 九 | digits one by one; `digit-0`, `digit-2` … also inside numbers |
//! | `one` | 一 | 1 inside numbers, dates and times, where 幺 would be wrong |
//! | `liang` | 两 | 2 things, two o'clock, 两千, 两万 |
//! | `ten` `hundred` `thousand` `wan` | 十 百 千 万 | counts up to 99,999,999 |
//! | `letter-a` … `letter-z` | A … Z | letters among digits |
//! | `pause` | silence | a blank, `-` or `/` among digits: the groups of a ticket number |
//! | `year` `month` `day` | 年 月 日 | dates |
//! | `dawn` `morning` `noon` `afternoon` `evening` | 凌晨 上午 中午 下午 晚上 | times: 0-5, 6-11, 12, 13-17, 18-23 o'clock |
//! | `hour` `minute` `sharp` | 点 分 整 | times |
//!
//! Whether single digits say 幺 or 一 is the text (or the recording) of `digit-1`, nothing here. Counts of more than
//! eight digits are read digit by digit.

use jiff::civil::{Date, Time};

use crate::ivr::Say;

/// Silence among prompts; made by the library, never a file.
pub const PAUSE: &str = "pause";

const DIGITS: [&str; 10] =
    ["digit-0", "digit-1", "digit-2", "digit-3", "digit-4", "digit-5", "digit-6", "digit-7", "digit-8", "digit-9"];
const LETTERS: [&str; 26] = [
    "letter-a", "letter-b", "letter-c", "letter-d", "letter-e", "letter-f", "letter-g", "letter-h", "letter-i",
    "letter-j", "letter-k", "letter-l", "letter-m", "letter-n", "letter-o", "letter-p", "letter-q", "letter-r",
    "letter-s", "letter-t", "letter-u", "letter-v", "letter-w", "letter-x", "letter-y", "letter-z",
];
const OTHERS: [&str; 18] = [
    "one",
    "liang",
    "ten",
    "hundred",
    "thousand",
    "wan",
    PAUSE,
    "year",
    "month",
    "day",
    "dawn",
    "morning",
    "noon",
    "afternoon",
    "evening",
    "hour",
    "minute",
    "sharp",
];

/// Every id that [`prompts`] can give by itself: the digit set.
pub fn all() -> impl Iterator<Item = String> {
    DIGITS.into_iter().chain(LETTERS).chain(OTHERS).map(str::to_owned)
}

/// The prompts that say it, in order. Free text gives none: that is the voice's.
pub fn prompts(say: &Say) -> Vec<String> {
    let ids = match say {
        Say::Prompt(id) => return vec![id.clone()],
        Say::Text(_) => Vec::new(),
        Say::Digits(digits) => one_by_one(digits),
        Say::Count(2) => vec!["liang"],
        Say::Count(count) => number(*count),
        Say::Date(date) => day(*date),
        Say::Time(time) => time_of_day(*time),
    };
    ids.into_iter().map(str::to_owned).collect()
}

/// Numbers, dates and times in a language that has no digit set of its own for them: words for its voice. Single digits
/// are the digit set's in any language.
pub fn foreign(say: &Say) -> Option<String> {
    match say {
        Say::Count(count) => Some(count.to_string()),
        Say::Date(date) => Some(date.strftime("%B %-d, %Y").to_string()),
        Say::Time(time) => Some(time.strftime("%-I:%M %p").to_string()),
        Say::Prompt(_) | Say::Text(_) | Say::Digits(_) => None,
    }
}

/// Digits and letters singly, with a pause between groups; anything else is left out. Eight digits and more in a row
/// are grouped by four, eleven as a mobile number is (3, 4, 4): people write them down as they hear them.
fn one_by_one(digits: &str) -> Vec<&'static str> {
    let mut ids = Vec::new();
    for group in digits.split([' ', '-', '/']) {
        let said: Vec<&str> = group.chars().filter_map(sign).collect();
        if said.is_empty() {
            continue;
        }
        if !ids.is_empty() {
            ids.push(PAUSE);
        }
        let long = said.len() >= 8;
        let first = if said.len() == 11 { 3 } else { 4 };
        for (i, id) in said.into_iter().enumerate() {
            if long && i >= first && (i - first) % 4 == 0 {
                ids.push(PAUSE);
            }
            ids.push(id);
        }
    }
    ids
}

fn sign(c: char) -> Option<&'static str> {
    match c {
        '0'..='9' => Some(DIGITS[c as usize - '0' as usize]),
        'a'..='z' | 'A'..='Z' => Some(LETTERS[c.to_ascii_lowercase() as usize - 'a' as usize]),
        _ => None,
    }
}

/// A part of a number as it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    Digit(u8),
    /// 两.
    Liang,
    Ten,
    Hundred,
    Thousand,
    Wan,
}

/// The largest number that [`words`] says.
pub const MOST: u64 = 99_999_999;

/// A number up to [`MOST`] in words: 12 十二, 105 一百零五, 23 000 两万三千. Two alone is 二; before 千 and 万 it is 两.
/// Larger ones are cut to their last eight digits.
pub fn words(number: u64) -> Vec<Word> {
    let number = number % (MOST + 1);
    if number == 0 {
        return vec![Word::Digit(0)];
    }
    let (upper, lower) = (number / 10_000, number % 10_000);
    let mut words = Vec::new();
    if upper > 0 {
        match upper {
            2 => words.push(Word::Liang),
            _ => section(upper, &mut words),
        }
        words.push(Word::Wan);
        if (1..1000).contains(&lower) {
            words.push(Word::Digit(0));
        }
    }
    section(lower, &mut words);
    // 一十 at the very front is said 十.
    if words.starts_with(&[Word::Digit(1), Word::Ten]) {
        words.remove(0);
    }
    words
}

/// 1 to 9999; nothing for 0.
fn section(number: u64, words: &mut Vec<Word>) {
    let mut gap = false;
    let mut begun = false;
    for (value, unit) in [(1000, Some(Word::Thousand)), (100, Some(Word::Hundred)), (10, Some(Word::Ten)), (1, None)] {
        let digit = (number / value % 10) as u8;
        if digit == 0 {
            gap = begun;
            continue;
        }
        if gap {
            words.push(Word::Digit(0));
            gap = false;
        }
        begun = true;
        words.push(if digit == 2 && value == 1000 { Word::Liang } else { Word::Digit(digit) });
        words.extend(unit);
    }
}

fn number(number: u64) -> Vec<&'static str> {
    if number > MOST {
        return one_by_one(&number.to_string());
    }
    words(number)
        .into_iter()
        .map(|word| match word {
            Word::Digit(1) => "one",
            Word::Digit(digit) => DIGITS[usize::from(digit) % 10],
            Word::Liang => "liang",
            Word::Ten => "ten",
            Word::Hundred => "hundred",
            Word::Thousand => "thousand",
            Word::Wan => "wan",
        })
        .collect()
}

/// 二零二六年十一月二十六日. A year is read digit by digit, with 一 and not 幺.
fn day(date: Date) -> Vec<&'static str> {
    let year = date.year().unsigned_abs().to_string();
    let mut ids: Vec<&str> = one_by_one(&year).into_iter().map(|id| if id == DIGITS[1] { "one" } else { id }).collect();
    ids.push("year");
    ids.extend(number(u64::from(date.month().unsigned_abs())));
    ids.push("month");
    ids.extend(number(u64::from(date.day().unsigned_abs())));
    ids.push("day");
    ids
}

/// 下午三点零五分; 中午十二点整. Seconds are not said.
fn time_of_day(time: Time) -> Vec<&'static str> {
    let hour = u64::from(time.hour().unsigned_abs());
    let part = match hour {
        0..6 => "dawn",
        6..12 => "morning",
        12 => "noon",
        13..18 => "afternoon",
        _ => "evening",
    };
    let mut ids = vec![part];
    match if hour > 12 { hour - 12 } else { hour } {
        2 => ids.push("liang"),
        hour => ids.extend(number(hour)),
    }
    ids.push("hour");
    match u64::from(time.minute().unsigned_abs()) {
        0 => ids.push("sharp"),
        minute => {
            if minute < 10 {
                ids.push(DIGITS[0]);
            }
            ids.extend(number(minute));
            ids.push("minute");
        }
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// The ids as they are heard.
    fn heard(say: &Say) -> String {
        prompts(say).iter().map(|id| spoken(id)).collect()
    }

    fn spoken(id: &str) -> String {
        if let Some(digit) = id.strip_prefix("digit-") {
            let digit: usize = digit.parse().expect("a digit");
            return "零幺二三四五六七八九".chars().nth(digit).expect("one of ten").to_string();
        }
        if let Some(letter) = id.strip_prefix("letter-") {
            return letter.to_owned();
        }
        let text = match id {
            "one" => "一",
            "liang" => "两",
            "ten" => "十",
            "hundred" => "百",
            "thousand" => "千",
            "wan" => "万",
            "pause" => "，",
            "year" => "年",
            "month" => "月",
            "day" => "日",
            "dawn" => "凌晨",
            "morning" => "上午",
            "noon" => "中午",
            "afternoon" => "下午",
            "evening" => "晚上",
            "hour" => "点",
            "minute" => "分",
            "sharp" => "整",
            other => panic!("{other} is not in the digit set"),
        };
        text.to_owned()
    }

    /// What a listener understands: the value of a spoken number.
    fn understood(text: &str) -> Option<u64> {
        let (mut total, mut section, mut digit) = (0u64, 0u64, None);
        for c in text.chars() {
            let unit = match c {
                '十' => 10,
                '百' => 100,
                '千' => 1000,
                '万' => {
                    total = (total + section + digit.take().unwrap_or(0)) * 10_000;
                    section = 0;
                    continue;
                }
                '零' => {
                    digit = None;
                    continue;
                }
                _ => {
                    let value = match c {
                        '两' => 2,
                        _ => "零一二三四五六七八九".chars().position(|d| d == c)? as u64,
                    };
                    if digit.replace(value).is_some() {
                        return None; // two digits without a unit between
                    }
                    continue;
                }
            };
            section += digit.take().unwrap_or(1) * unit;
        }
        Some(total + section + digit.unwrap_or(0))
    }

    #[test]
    fn counts_as_they_are_said() {
        for (count, text) in [
            (0, "零"),
            (1, "一"),
            (2, "两"),
            (10, "十"),
            (12, "十二"),
            (20, "二十"),
            (22, "二十二"),
            (105, "一百零五"),
            (110, "一百一十"),
            (200, "二百"),
            (1002, "一千零二"),
            (2010, "两千零一十"),
            (10_010, "一万零一十"),
            (12_000, "一万两千"),
            (23_000, "两万三千"),
            (100_000, "十万"),
            (120_500, "十二万零五百"),
            (20_300_009, "两千零三十万零九"),
            (99_999_999, "九千九百九十九万九千九百九十九"),
            (100_000_001, "幺零零零，零零零零，幺"),
        ] {
            assert_eq!(heard(&Say::Count(count)), text);
        }
    }

    #[test]
    fn digits_dates_and_times() {
        assert_eq!(heard(&Say::Digits("12345".into())), "幺二三四五");
        assert_eq!(heard(&Say::Digits("20261126-0017 X".into())), "二零二六，幺幺二六，零零幺七，x");
        assert_eq!(heard(&Say::Digits("-- 1，。".into())), "幺");
        assert_eq!(heard(&Say::Digits("13800000000".into())), "幺三八，零零零零，零零零零");
        assert_eq!(heard(&Say::Digits("261126000174".into())), "二六幺幺，二六零零，零幺七四");
        let date = jiff::civil::date(2021, 11, 2);
        assert_eq!(heard(&Say::Date(date)), "二零二一年十一月二日");
        for (hour, minute, text) in [
            (15, 5, "下午三点零五分"),
            (0, 0, "凌晨零点整"),
            (2, 2, "凌晨两点零二分"),
            (12, 0, "中午十二点整"),
            (14, 30, "下午两点三十分"),
            (22, 12, "晚上十点十二分"),
            (9, 50, "上午九点五十分"),
        ] {
            assert_eq!(heard(&Say::Time(jiff::civil::time(hour, minute, 59, 0))), text);
        }
    }

    #[test]
    fn a_prompt_is_itself_and_text_is_none() {
        assert_eq!(prompts(&Say::Prompt("greeting".into())), ["greeting"]);
        assert!(prompts(&Say::Text("你好".into())).is_empty());
    }

    proptest! {
        #[test]
        fn a_listener_understands_the_count(count in prop_oneof![0u64..=MOST, 0u64..20_000]) {
            prop_assert_eq!(understood(&heard(&Say::Count(count))), Some(count));
        }

        #[test]
        fn digits_come_back(digits in "[0-9]{0,20}") {
            let heard = heard(&Say::Digits(digits.clone())).replace('幺', "一");
            let back: String = heard.chars().filter_map(|c| "零一二三四五六七八九".chars().position(|d| d == c)).map(|d| d.to_string()).collect();
            prop_assert_eq!(back, digits);
        }

        #[test]
        fn every_id_is_in_the_set(count in any::<u64>(), text in "\\PC{0,20}", days in 0i32..40_000, minutes in 0i64..1440) {
            let set: HashSet<String> = all().collect();
            let date = jiff::civil::date(1990, 1, 1) + jiff::Span::new().days(days);
            let time = jiff::civil::time(0, 0, 0, 0) + jiff::Span::new().minutes(minutes);
            for say in [Say::Count(count), Say::Digits(text), Say::Date(date), Say::Time(time)] {
                for id in prompts(&say) {
                    prop_assert!(set.contains(&id), "{}", id);
                }
            }
        }
    }
}
