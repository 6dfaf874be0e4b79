//! Spoken numbers written in digits: 十二号楼三零二室 is 12号楼302室, as a street office searches for it. Pure.
//!
//! After GB/T 15835-2011 (General rules for writing numerals): what is counted, measured, dated or numbered stands in
//! digits; words, idioms, names and what is said roughly (三四天, 十几户, 三里屯, 第三小学, 星期三) stay as they were
//! said. In doubt nothing is changed: a numeral in Han characters misleads nobody, a digit that nobody said does.

use std::borrow::Cow;

use crate::catalogue::numeral::{digit, power};

/// Numbers of things: also a single one is written in digits, 一 too (一号楼).
const LABELS: &str = "号楼 号院 号线 号门 号地 单元 号 室 楼 层 栋 幢";
/// What is measured: from 二 on written in digits.
const MEASURES: &str = "天 小时 个小时 分钟 秒 个月 年 岁 周岁 块钱 元 万 公里 千米 米 厘米 平方米 平米 公斤 千克 斤 吨 度 \
    分贝 伏";
/// What is counted: from 十 on written in digits.
const COUNTED: &str = "个 人 户 次 辆 台 只 家 名 位 套 间 遍 张 处 块 平 盏 棵 期 世纪 周 趟 件 部 倍 起 亩 瓶";
/// Before the hour of a clock.
const DAY_PARTS: &str = "上午 下午 早上 晚上 中午 凌晨 夜里 半夜 傍晚 早晨 清晨 夜间 今天 昨天 明天 前天 每天 当天";
/// Words and idioms that begin with a numeral and are none, where a rule below would take them for one.
const WORDS: &str = "一五一十 三三两两 七七八八 三六九等 一万年 一百年 一天到晚 三天两头 三番五次 三年五载 一年到头 \
    一年四季 一层层 一号难求 三分钟热度 一楼道 二楼道 一室 三元桥 三元里 三元村 三元西 三元东 四元桥 \
    五元桥 八元桥 一元化 三年级 四年级 五年级 六年级 二年级 一年级 十个手指 千万 一米阳光 一亩园 \
    一天两天 一年两年 一年半载";

/// The text with its numbers in digits.
pub fn in_digits(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| digit(c).is_some() || c == '十' || c == '百') {
        return Cow::Borrowed(text);
    }
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        match number(&chars, at) {
            Some((length, digits)) => {
                out.push_str(&digits);
                at += length;
            }
            None => {
                let length = unchanged(&chars, at);
                out.extend(&chars[at..at + length]);
                at += length;
            }
        }
    }
    Cow::Owned(telephone(&out))
}

/// How many characters are passed over together: a word, or all of a numeral that stays as it was said.
fn unchanged(chars: &[char], at: usize) -> usize {
    if let Some(word) = WORDS.split(' ').find(|word| begins(&chars[at..], word)) {
        return word.chars().count();
    }
    if begins(&chars[at..], "百分之") {
        return 3;
    }
    numeral(&chars[at..]).max(1)
}

/// The number that begins here: how many characters it takes, and what is written.
fn number(chars: &[char], at: usize) -> Option<(usize, String)> {
    let here = &chars[at..];
    if starts(here, WORDS) {
        return None;
    }
    if begins(here, "百分之") {
        let (length, value) = quantity(&here[3..])?;
        return Some((3 + length, format!("{value}%")));
    }
    let length = numeral(here);
    if length == 0 || ordinal(&chars[..at]) {
        return None;
    }
    let after = &here[length..];
    if let Some(clock) = clock(&chars[..at], &here[..length], after) {
        return Some(clock);
    }
    if let Some(decimal) = decimal(here, length) {
        return Some(decimal);
    }
    if let Some(range) = range(here, length) {
        return Some(range);
    }
    let said = &here[..length];
    let written = if said.iter().all(|c| digit(*c).is_some()) {
        code(&chars[..at], said, after)?
    } else {
        positional(&chars[..at], said, after)?
    };
    Some((length, written))
}

/// 六至八小时: the unit stands behind the second.
fn range(here: &[char], length: usize) -> Option<(usize, String)> {
    let ('至' | '到') = here.get(length)? else { return None };
    let rest = &here[length + 1..];
    let second = numeral(rest);
    let (low, high) = (value(&here[..length])?, value(&rest[..second])?);
    let unit = &rest[second..];
    let counted = measured(unit) || starts(unit, LABELS) || starts(unit, COUNTED);
    (low < high && counted).then(|| (length + 1 + second, format!("{low}{}{}", here[length], grouped(high))))
}

/// Digits one by one: house numbers, telephone numbers, years.
fn code(before: &[char], said: &[char], after: &[char]) -> Option<String> {
    let spell = || Some(said.iter().filter_map(|c| digit(*c)).map(|d| char::from(b'0' + d)).collect::<String>());
    if said.contains(&'两') && said.len() > 1 {
        return None;
    }
    match said {
        // 一二三期: the one, the other and the third.
        [_, _, _] | [_, _, _, _] if said.windows(2).all(|two| digit(two[1]) == digit(two[0]).map(|d| d + 1)) => None,
        [_, _, _, ..] => spell(),
        [a, b] => {
            let (a, b) = (digit(*a)?, digit(*b)?);
            // 三四号楼 is one or the other; 零三年 and 三零室 are numbers.
            let roughly = a > 0 && b == a + 1;
            let labelled = starts(after, LABELS) || (starts(after, "年") && (a == 0 || a == 9 || a <= 2));
            if labelled && !roughly { spell() } else { None }
        }
        [one] => {
            let value = digit(*one)?;
            if *one == '两' {
                return if measured(after) { spell() } else { None };
            }
            if value == 0 {
                return None;
            }
            if starts(after, "层 栋 幢") {
                // 一层灰, 一栋楼: no number of theirs, unless it stands behind a name or a number.
                let placed =
                    matches!(before.last(), Some('楼' | '元' | '区' | '院' | '园' | '里' | '苑' | '城' | '下'));
                return if value > 1 || placed { spell() } else { None };
            }
            if starts(after, LABELS) || (value > 1 && measured(after)) || month(after, value) { spell() } else { None }
        }
        [] => None,
    }
}

fn measured(after: &[char]) -> bool {
    starts(after, MEASURES) && !starts(after, "元桥 元里 年级 天两头 米阳光")
}

/// A month, with its day or without; 八月十五 without 日 is the festival.
fn month(after: &[char], value: u8) -> bool {
    let Some(('月', rest)) = after.split_first().map(|(c, rest)| (*c, rest)) else { return false };
    let day = numeral(rest);
    value > 0 && (day == 0 || starts(&rest[day..], "日 号"))
}

/// Numbers with 十, 百, 千, 万, 亿.
fn positional(before: &[char], said: &[char], after: &[char]) -> Option<String> {
    let value = value(said)?;
    if said[0] == '百' || said[0] == '千' {
        return None;
    }
    let (more, unit) = match after.split_first() {
        Some(('多', rest)) => (true, rest),
        _ => (false, after),
    };
    let unit_said = starts(unit, LABELS) || measured(unit) || starts(unit, COUNTED);
    let date = value <= 12 && month(unit, value as u8) || value <= 31 && starts(unit, "日");
    let bus = starts(unit, "路公交 路车 路汽车");
    // Alone, before a mark or the end: 二十三. (二十四节气, 十八里店: the word goes on.)
    let alone = !more && said.len() > 1 && unit.first().is_none_or(|c| !is_han(*c)) && before.last() != Some(&'月');
    // 三百五 is 350 only where something is counted.
    let short = short(said);
    if !(unit_said || date || bus || alone && !short) {
        return None;
    }
    Some(grouped(value))
}

/// GB/T 15835-2011, 5.1: large round numbers keep 万 and 亿.
fn grouped(value: u64) -> String {
    match value {
        _ if value >= 100_000_000 && value.is_multiple_of(100_000_000) => format!("{}亿", value / 100_000_000),
        _ if value >= 10_000 && value.is_multiple_of(10_000) => format!("{}万", value / 10_000),
        _ => value.to_string(),
    }
}

/// 三点五公里: with a unit behind it.
fn decimal(here: &[char], whole: usize) -> Option<(usize, String)> {
    if here.get(whole) != Some(&'点') {
        return None;
    }
    let rest = &here[whole + 1..];
    let digits = rest.iter().take_while(|c| digit(**c).is_some() && **c != '两').count();
    let unit = &rest[digits..];
    if !(1..=4).contains(&digits) || !(measured(unit) || starts(unit, "倍 亿 平")) {
        return None;
    }
    let value = value(&here[..whole])?;
    let fraction: String = rest[..digits].iter().filter_map(|c| digit(*c)).map(|d| char::from(b'0' + d)).collect();
    Some((whole + 1 + digits, format!("{value}.{fraction}")))
}

/// A quantity as it stands behind 百分之.
fn quantity(here: &[char]) -> Option<(usize, String)> {
    let length = numeral(here);
    let whole = value(&here[..length])?;
    if here.get(length) == Some(&'点') {
        let digits = here[length + 1..].iter().take_while(|c| digit(**c).is_some()).count();
        if digits > 0 {
            let fraction = here[length + 1..][..digits].iter().filter_map(|c| digit(*c)).map(|d| char::from(b'0' + d));
            return Some((length + 1 + digits, format!("{whole}.{}", fraction.collect::<String>())));
        }
    }
    Some((length, whole.to_string()))
}

/// The time of day: 下午三点, 两点半, 八点二十.
fn clock(before: &[char], said: &[char], after: &[char]) -> Option<(usize, String)> {
    let hour = value(said).filter(|hour| *hour <= 24)?;
    let ('点', rest) = after.split_first().map(|(c, rest)| (*c, rest))? else { return None };
    let minutes = numeral(rest);
    let minute = value(&rest[..minutes]).filter(|minute| *minute < 60);
    let minute_said = minutes > 1 || starts(&rest[minutes..], "分") && !starts(&rest[minutes..], "分之");
    if let Some(minute) = minute
        && minute_said
        && !measured(&rest[minutes..])
        && (rest[0] == '零' || minute > 9 || starts(&rest[minutes..], "分"))
    {
        let zero = if rest[0] == '零' { "0" } else { "" };
        return Some((said.len() + 1 + minutes, format!("{hour}点{zero}{minute}")));
    }
    if minutes > 0 && !starts(rest, "一刻 三刻") {
        return None;
    }
    // 一点都不, 有一点, 十点建议.
    if starts(rest, "都 也 儿 点 建议 意见 要求 问题 原因") {
        return None;
    }
    let ends = |words: &str| words.split(' ').any(|word| ends(before, word));
    let told = starts(rest, "半 钟 整 一刻 三刻");
    let placed = ends(DAY_PARTS) || hour > 9 || hour > 1 && ends("到 至 从");
    (told || placed).then(|| (said.len() + 1, format!("{hour}点")))
}

/// 第三, 初三, 周三, 星期三: names of a place in an order. 几十, 数百, 上千, 五、六千: nobody counted.
fn ordinal(before: &[char]) -> bool {
    if let [.., one, '、'] = before
        && digit(*one).is_some()
    {
        return true;
    }
    matches!(before.last(), Some('第' | '初' | '周' | '期' | '拜' | '老' | '几' | '数' | '上' | '成' | '近' | '之'))
        && !["上周", "每周", "晚上", "早上"].iter().any(|word| ends(before, word))
}

/// A mobile number is spoken in groups: 138，0013，8000. They are put together where one was announced.
fn telephone(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        if let Some((length, digits)) = mobile(&chars, at) {
            out.push_str(&digits);
            at += length;
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Eleven digits from here in three groups that are parted by a mark or a blank.
fn mobile(chars: &[char], at: usize) -> Option<(usize, String)> {
    let digits = |from: usize| chars[from..].iter().take_while(|c| c.is_ascii_digit()).count();
    let lone = at == 0 || !chars[at - 1].is_ascii_digit();
    if !lone || chars[at] != '1' || !matches!(chars.get(at + 1), Some('3'..='9')) {
        return None;
    }
    let mut number = String::new();
    let mut end = at;
    while number.len() < 11 {
        let group = digits(end);
        if !(3..=8).contains(&group) {
            return None;
        }
        number.extend(&chars[end..end + group]);
        end += group;
        if number.len() < 11 {
            if !matches!(chars.get(end), Some('，' | '、' | ' ' | ',')) {
                return None;
            }
            end += 1;
        }
    }
    (number.len() == 11).then_some((end - at, number))
}

/// How many characters from here belong to one numeral.
fn numeral(here: &[char]) -> usize {
    here.iter().take_while(|c| digit(**c).is_some() || power(**c).is_some()).count()
}

/// 三百五, 一万二: the last power is left out.
fn short(said: &[char]) -> bool {
    matches!(said, [.., power_said, last]
        if power(*power_said).is_some_and(|p| p >= 100) && digit(*last).is_some_and(|d| d > 0))
}

/// The value of a well-formed numeral below 10^12; `None` for anything else, digits one by one among them.
fn value(said: &[char]) -> Option<u64> {
    if said.is_empty() || said.len() > 24 {
        return None;
    }
    // Sum below the last 万 or 亿, and what stands above.
    let (mut whole, mut part, mut last) = (0u64, 0u64, None::<u64>);
    let (mut lowest, mut highest) = (u64::MAX, u64::MAX);
    let mut zero = false;
    for (i, c) in said.iter().enumerate() {
        if let Some(d) = digit(*c) {
            if last.is_some() || *c == '幺' {
                return None;
            }
            if d == 0 {
                if zero || i + 1 == said.len() && said.len() > 1 {
                    return None;
                }
                zero = true;
                if said.len() == 1 {
                    return Some(0);
                }
                continue;
            }
            last = Some(u64::from(d));
            continue;
        }
        let p = power(*c)?;
        if p >= 10_000 {
            if p >= highest {
                return None;
            }
            highest = p;
            let above = part + last.take().unwrap_or(0);
            if above == 0 {
                return None;
            }
            whole += above * p;
            (part, lowest, zero) = (0, u64::MAX, false);
        } else {
            if p >= lowest {
                return None;
            }
            // 十五; 一百一十, but also 一百十.
            let times = match last.take() {
                Some(times) => times,
                None if p == 10 => 1,
                None => return None,
            };
            part += times * p;
            (lowest, zero) = (p, false);
        }
    }
    if let Some(d) = last {
        // Behind 百, 千, 万 or 亿 without 零 between them: a tenth of it each.
        let times = match said[..said.len() - 1].last().and_then(|c| power(*c)) {
            Some(p) if p >= 100 => p / 10,
            _ => 1,
        };
        part += d * times;
    }
    (whole + part < 1_000_000_000_000).then_some(whole + part)
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}')
}

fn begins(here: &[char], word: &str) -> bool {
    let mut here = here.iter();
    word.chars().all(|c| here.next() == Some(&c))
}

/// Any of the words, which stand with blanks between them.
fn starts(here: &[char], words: &str) -> bool {
    words.split(' ').any(|word| begins(here, word))
}

fn ends(before: &[char], word: &str) -> bool {
    let length = word.chars().count();
    before.len() >= length && begins(&before[before.len() - length..], word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_numbered_measured_or_dated_stands_in_digits() {
        for (said, written) in [
            ("花家地小区十二号楼三单元三零二室", "花家地小区12号楼3单元302室"),
            ("一号楼二层漏水", "1号楼2层漏水"),
            ("我住六楼，电梯坏了三天", "我住6楼，电梯坏了3天"),
            ("一五号楼", "15号楼"),
            ("停水二十多个小时了", "停水20多个小时了"),
            ("物业费涨到三百五十块钱", "物业费涨到350块钱"),
            ("一共一千零五十元", "一共1050元"),
            ("欠薪三万五千块", "欠薪35000块"),
            ("拖欠一百二十万元", "拖欠120万元"),
            ("三百五块钱", "350块钱"),
            ("一万二块", "12000块"),
            ("二零二六年三月十五号", "2026年3月15号"),
            ("十一月二十日", "11月20日"),
            ("零三年建的", "03年建的"),
            ("下午三点开始施工", "下午3点开始施工"),
            ("晚上十一点半还在施工", "晚上11点半还在施工"),
            ("早上六点二十分", "早上6点20分"),
            ("八点零五", "8点05"),
            ("两点半到三点", "2点半到3点"),
            ("噪音有七十分贝", "噪音有70分贝"),
            ("三点五公里", "3.5公里"),
            ("百分之二十的住户", "20%的住户"),
            ("百分之三点五", "3.5%"),
            ("拨打幺二三四五", "拨打12345"),
            ("电话是一三八零零一三八零零零", "电话是13800138000"),
            ("电话一三八，零零一三，八零零零", "电话13800138000"),
            ("房号是二十三。", "房号是23。"),
            ("地铁四号线", "地铁4号线"),
            ("九十五路公交", "95路公交"),
            ("二十四小时", "24小时"),
            ("两天没水了", "2天没水了"),
            ("零下十度", "零下10度"),
            ("六至八小时", "6至8小时"),
            ("每天吵两到三个小时", "每天吵2到3个小时"),
            ("八十年代的房子", "80年代的房子"),
        ] {
            assert_eq!(in_digits(said), written);
        }
    }

    #[test]
    fn words_names_and_what_is_said_roughly_stay() {
        for said in [
            "一直没人管，十分不满",
            "三里屯街道，八角街道，五棵松，四季青镇，十里堡，十八里店，三元桥，百子湾",
            "第三小学门口，星期三，周五",
            "三四天没人来，十几户，几十年，数百人，上千块",
            "万一着火，千万小心，一点都不暖",
            "有一点问题，反映两点",
            "乱七八糟，三番五次，一五一十，三三两两，三天两头",
            "幸福一村，朝阳三区，二环路，东四十条",
            "八月十五",
            "一层灰，一栋楼，一次也没来，一个人",
            "三年级学生",
            "二十四节气，十字路口",
            "百姓，百货",
            "三分之一",
            "我想提十点建议",
            "五、六千人，二三百人，一二三期，一天两天",
            "统一，唯一，之一，不一",
        ] {
            assert_eq!(in_digits(said), said);
        }
    }

    /// A number spoken as people do.
    fn spoken(value: u64) -> String {
        const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
        let under = |value: u64| {
            let mut out = String::new();
            let mut gap = false;
            for (power, name) in [(1000, "千"), (100, "百"), (10, "十"), (1, "")] {
                let d = (value / power % 10) as usize;
                if d == 0 {
                    gap |= !out.is_empty();
                } else {
                    if std::mem::take(&mut gap) {
                        out.push('零');
                    }
                    out.push(DIGITS[d]);
                    out.push_str(name);
                }
            }
            out
        };
        let (high, low) = (value / 10_000, value % 10_000);
        match (high, low) {
            (0, _) => under(low).replacen("一十", "十", usize::from((10..20).contains(&low))),
            (_, 0) => format!("{}万", under(high)),
            (_, 1..1000) => format!("{}万零{}", under(high), under(low)),
            _ => format!("{}万{}", under(high), under(low)),
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back_as_it_was_said(value in prop_oneof![2u64..100, 100u64..10_000, 10_000u64..100_000_000]) {
            let said = format!("修车花了{}元", spoken(value));
            let written = in_digits(&said).into_owned();
            let number = written.trim_start_matches("修车花了").trim_end_matches('元');
            let read = match number.strip_suffix('万') {
                Some(number) => number.parse::<u64>().map(|n| n * 10_000),
                None => number.parse(),
            };
            prop_assert_eq!(read, Ok(value), "{} -> {}", said, written);
        }

        #[test]
        fn nothing_but_numerals_changes(text in "[零一二两三四五六七八九十百千万亿点半分年月日号楼层元第几多百分之，。a1]{0,40}") {
            let written = in_digits(&text).into_owned();
            let rest = |text: &str| text.chars().filter(|c| !c.is_ascii_digit() && !"%.，".contains(*c)
                && digit(*c).is_none() && power(*c).is_none() && !"点分之".contains(*c)).collect::<String>();
            prop_assert_eq!(rest(&written), rest(&text), "{} -> {}", text, written);
        }

        #[test]
        fn without_numerals_nothing_changes(text in "\\PC{0,60}") {
            if !text.chars().any(|c| digit(c).is_some() || power(c).is_some()) {
                prop_assert!(matches!(in_digits(&text), Cow::Borrowed(_)));
            }
        }
    }
}
