//! Times, places, wishes and contacts as spans of a text.

use serde::Serialize;

use super::{Said, Span};
use crate::catalogue::numeral;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Time,
    Place,
    /// What it is about.
    Object,
    Wanted,
    Contact,
}

/// A day or an hour; with a number they say exactly when, without it about when.
const DAYS: [&str; 19] = [
    "昨天", "前天", "今天", "今早", "今晚", "昨晚", "明天", "早上", "上午", "中午", "下午", "晚上", "夜里", "凌晨",
    "半夜", "傍晚", "去年", "今年", "上周",
];
const VAGUE: [&str; 9] = ["最近", "前几天", "这几天", "好几天", "几天", "好久", "很久", "长期", "每天"];
const WEEK: [&str; 3] = ["星期", "礼拜", "周"];
/// After a number.
const UNITS: [&str; 14] =
    ["个小时", "小时", "个星期", "星期", "个月", "分钟", "点半", "点钟", "年", "月", "日", "天", "周", "点"];

/// When it was, or how long already.
pub(super) fn times(said: &Said<'_>) -> Vec<(Span, bool)> {
    let mut found: Vec<(Span, bool)> = Vec::new();
    let mut at = 0;
    while at < said.chars.len() {
        let Some((length, sure)) = time_at(said, at) else {
            at += 1;
            continue;
        };
        let span = Span { start: at, end: at + length };
        match found.last_mut() {
            // 昨天 晚上 8点: one time.
            Some((last, exact)) if last.end == at => {
                last.end = span.end;
                *exact |= sure;
            }
            _ => found.push((span, sure)),
        }
        at = span.end;
    }
    found
}

fn time_at(said: &Said<'_>, at: usize) -> Option<(usize, bool)> {
    let length = |word: &&str| word.chars().count();
    if let Some(word) = VAGUE.iter().find(|word| said.starts(at, word)) {
        return Some((length(word), false));
    }
    if let Some(word) = DAYS.iter().find(|word| said.starts(at, word)) {
        return Some((length(word), true));
    }
    if let Some(word) = WEEK.iter().find(|word| said.starts(at, word)) {
        let day = said.chars.get(at + length(word)).is_some_and(|c| "一二三四五六日天末".contains(*c));
        // 周六 is a day, 周一飞 may be a name: a person looks.
        return day.then(|| (length(word) + 1, *word != "周"));
    }
    // 第三天 and 3号楼 are no times; a date has 月 before 号.
    let number = |from: usize| numeral::leading(&said.text(Span { start: from, end: said.chars.len().min(from + 8) }));
    let (_, digits) = number(at)?;
    let after = at + digits;
    let unit = UNITS.iter().find(|unit| said.starts(after, unit))?;
    let mut end = after + length(unit);
    if *unit == "点" {
        end += number(end).map_or(0, |(_, digits)| digits + usize::from(said.starts(end + digits, "分")));
    } else if *unit == "月" {
        let (_, digits) = number(end)?;
        end += digits;
        if !said.starts(end, "日") && !said.starts(end, "号") {
            return None;
        }
        end += 1;
    }
    let ordinal = at > 0 && said.chars[at - 1] == '第';
    Some((end - at, !ordinal))
}

/// What a house is counted by.
const HOUSE: [&str; 14] = ["号楼", "号院", "单元", "号", "栋", "幢", "座", "楼", "层", "室", "门", "区", "期", "户"];
/// What may follow a place's name and is part of the address.
const ESTATES: [&str; 12] = ["社区", "小区", "家园", "公寓", "大院", "花园", "胡同", "大街", "路", "街", "村", "里"];
/// The most characters between two names of one address.
const GAP: usize = 2;

/// The address around the names of places: neighbours are one, house numbers belong to it.
pub(super) fn place(said: &Said<'_>, names: &[Span]) -> Vec<Span> {
    let mut all: Vec<Span> = Vec::new();
    let mut sorted = names.to_vec();
    sorted.sort_by_key(|span| (span.start, span.end));
    for name in sorted {
        let span = Span { start: name.start, end: house(said, name.end) };
        match all.last_mut() {
            Some(last) if span.start <= last.end + GAP && between(said, last.end, span.start) => {
                last.end = last.end.max(span.end);
            }
            _ => all.push(span),
        }
    }
    all
}

/// Whether nothing but 的 stands there.
fn between(said: &Said<'_>, from: usize, to: usize) -> bool {
    said.chars.get(from..to).is_none_or(|gap| gap.iter().all(|c| *c == '的'))
}

/// Where the address ends that goes on at `at`.
fn house(said: &Said<'_>, mut at: usize) -> usize {
    let estate = ESTATES.iter().find(|estate| said.starts(at, estate));
    at += estate.map_or(0, |estate| estate.chars().count());
    while let Some((_, digits)) =
        numeral::leading(&said.text(Span { start: at.min(said.chars.len()), end: said.chars.len().min(at + 8) }))
    {
        let Some(unit) = HOUSE.iter().find(|unit| said.starts(at + digits, unit)) else { break };
        at += digits + unit.chars().count();
    }
    at
}

/// A clause with one of these says what is wanted; with the second kind it may.
const WANTS: [&str; 12] =
    ["希望", "要求", "请求", "恳请", "建议", "请尽快", "请派", "请帮", "麻烦派", "麻烦你们", "麻烦您派", "申请"];
const MAY_WANT: [&str; 9] = ["能不能", "能否", "可不可以", "想问", "请问", "怎么办", "什么时候", "尽快", "麻烦"];

/// What should be done.
pub(super) fn wanted(said: &Said<'_>) -> Vec<(Span, bool)> {
    let find = |clause: &Span| {
        let begins = |words: &[&str]| (clause.start..clause.end).find(|at| words.iter().any(|w| said.starts(*at, w)));
        let sure = begins(&WANTS).map(|at| (at, true));
        let (start, sure) = sure.or_else(|| begins(&MAY_WANT).map(|at| (at, false)))?;
        Some((Span { start, end: clause.end }, sure))
    };
    said.clauses.iter().filter_map(find).collect()
}

/// The digits of a mobile number, and the fewest of a number in the city.
const MOBILE: usize = 11;
const LANDLINE: usize = 8;

/// Telephone numbers and names. A number is sure where the caller says that it is theirs.
pub(super) fn contacts(said: &Said<'_>) -> Vec<(Span, bool)> {
    let mut found = numbers(said);
    for at in 0..said.chars.len() {
        let Some(introduced) = ["我姓", "我叫", "免贵姓"].iter().find(|word| said.starts(at, word)) else {
            continue;
        };
        let start = at + introduced.chars().count();
        let most = if introduced.ends_with('姓') { 1 } else { 3 };
        let name = said.chars[start..].iter().take(most).take_while(|c| c.is_alphabetic()).count();
        if name > 0 {
            // 我叫了物业: what follows need not be a name.
            found.push((Span { start, end: start + name }, introduced.ends_with('姓')));
        }
    }
    found
}

fn numbers(said: &Said<'_>) -> Vec<(Span, bool)> {
    let digit = |c: char| c.is_ascii_digit() || "零〇一二三四五六七八九幺".contains(c);
    let mut found = Vec::new();
    let mut at = 0;
    while at < said.chars.len() {
        let mut end = at;
        let mut digits = 0;
        while let Some(c) = said.chars.get(end) {
            let joins = *c == '-' && digits > 0 && said.chars.get(end + 1).is_some_and(|c| digit(*c));
            if !digit(*c) && !joins {
                break;
            }
            digits += usize::from(digit(*c));
            end += 1;
        }
        let first = |c: &str| said.starts(at, c);
        let mobile = digits == MOBILE && ["1", "一", "幺"].iter().any(|c| first(c));
        let landline = digits == LANDLINE || ((10..=12).contains(&digits) && ["0", "零"].iter().any(|c| first(c)));
        if mobile || landline {
            let before: String = said.chars[at.saturating_sub(8)..at].iter().collect();
            let own = ["我的", "我电话", "联系", "打给我", "本机"].iter().any(|word| before.contains(word));
            found.push((Span { start: at, end }, own));
        }
        at = end.max(at + 1);
    }
    found
}
