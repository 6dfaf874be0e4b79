//! How the digits, letters and signs of a text are read aloud.
//!
//! Owns the rules for numbers in running text: one or two digits are a number, longer ones are read digit by digit
//! (telephone numbers, rooms, ticket numbers) unless a measure word follows; `2` before a measure word is 两; a year is
//! read digit by digit; `3.5`, `50%`, `12:30` and `3-201` are read as people do. Latin letters are spelled.

use super::pinyin::One;

/// What is left when digits, letters and signs have been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// A character that still needs its reading.
    Han(char),
    /// Already a syllable.
    Syllable(&'static str),
    Short,
    Long,
}

const DIGITS: [&str; 10] = ["ling2", "yi1", "er4", "san1", "si4", "wu3", "liu4", "qi1", "ba1", "jiu3"];

/// Things that are counted: a number before them is a quantity, and 2 is 两.
const MEASURES: &str = "个只次天户辆台家名位块元条件张间座套棵株盏根份顿项所口吨米斤片处人群头瓶袋桶箱包杯点秒倍";
/// Words of time that are counted.
const SPANS: [&str; 8] = ["小时", "分钟", "星期", "个月", "年多", "年前", "年了", "周了"];
/// Things measured in a way where 2 stays 二.
const UNITS: [&str; 15] =
    ["度", "万", "千", "百", "亿", "岁", "平米", "平方", "公里", "公斤", "公顷", "厘米", "毫米", "毫升", "克"];
/// What five digits and more are counted in; before anything else they are a number like 12333.
const LARGE: [&str; 6] = ["元", "块", "户", "吨", "米", "平"];

/// The tokens of a text.
pub fn tokens(text: &str, one: One) -> Vec<Token> {
    let text: Vec<char> = text.chars().map(narrow).collect();
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while let Some(&c) = text.get(i) {
        if c.is_ascii_digit() {
            i += number(&text[..], i, one, &mut out);
            continue;
        }
        i += 1;
        match c {
            'a'..='z' | 'A'..='Z' => out.extend(letter(c).iter().map(|s| Token::Syllable(s))),
            '，' | '、' | '；' | '：' | ',' | ';' | ':' | '…' | '—' | '(' | ')' | '（' | '）' | '“' | '”' =>
            {
                out.push(Token::Short);
            }
            '。' | '！' | '？' | '.' | '!' | '?' | '\n' | '\r' => out.push(Token::Long),
            '%' => out.extend("百分号".chars().map(Token::Han)),
            '+' => out.push(Token::Han('加')),
            '&' => out.push(Token::Han('和')),
            '#' => out.extend("井号".chars().map(Token::Han)),
            '*' => out.extend("星号".chars().map(Token::Han)),
            '℃' => out.extend("摄氏度".chars().map(Token::Han)),
            '㎡' => out.extend("平方米".chars().map(Token::Han)),
            c if c.is_alphanumeric() => out.push(Token::Han(c)),
            _ => {}
        }
    }
    out
}

/// Full-width digits, letters and signs as their ASCII twins.
fn narrow(c: char) -> char {
    match c {
        '０'..='９' | 'ａ'..='ｚ' | 'Ａ'..='Ｚ' | '％' | '．' | '＋' | '＃' | '＊' | '－' | '＆' => {
            char::from_u32(c as u32 - 0xFEE0).unwrap_or(c)
        }
        _ => c,
    }
}

/// Reads the number at `start`; gives how many characters it took.
fn number(text: &[char], start: usize, one: One, out: &mut Vec<Token>) -> usize {
    let run = digits_at(text, start);
    let digits = &text[start..start + run];
    let mut end = start + run;
    let after = |at: usize| text.get(at).copied().unwrap_or(' ');

    // 12:30 and 12:30:00 as a time of day.
    if run <= 2 && matches!(after(end), ':' | '：') && digits_at(text, end + 1) == 2 {
        quantity(digits, Two::Liang, out);
        out.push(Token::Syllable("dian3"));
        let minutes = &text[end + 1..end + 3];
        match minutes {
            ['0', '0'] => out.push(Token::Syllable("zheng3")),
            ['0', minute] => out.extend([Token::Syllable("ling2"), digit(*minute, One::Yi), Token::Syllable("fen1")]),
            _ => {
                quantity(minutes, Two::Er, out);
                out.push(Token::Syllable("fen1"));
            }
        }
        return end + 3 - start;
    }
    // 3.5 and 50%: a fraction is read digit by digit after 点.
    let fraction = if after(end) == '.' { digits_at(text, end + 1) } else { 0 };
    let percent = after(if fraction > 0 { end + 1 + fraction } else { end }) == '%';
    if percent {
        out.extend(["bai3", "fen1", "zhi1"].map(Token::Syllable));
    }
    if fraction > 0 {
        quantity(digits, Two::Er, out);
        out.push(Token::Syllable("dian3"));
        out.extend(text[end + 1..end + 1 + fraction].iter().map(|d| digit(*d, One::Yi)));
        return end + 1 + fraction + usize::from(percent) - start;
    }
    if percent {
        quantity(digits, Two::Er, out);
        return run + 1;
    }
    match meant(digits, &text[end..]) {
        Meant::Year => out.extend(digits.iter().map(|d| digit(*d, One::Yi))),
        Meant::Quantity => {
            if digits == ['1'] {
                out.push(Token::Han('一')); // its tone depends on what is counted
            } else {
                quantity(digits, Two::Liang, out);
            }
        }
        Meant::Number => quantity(digits, Two::Er, out),
        Meant::Digits => out.extend(digits.iter().map(|d| digit(*d, one))),
    }
    // 3-201 is said with 杠 between; a long telephone number only pauses.
    if after(end) == '-' && after(end + 1).is_ascii_digit() {
        let long = run > 3 || digits_at(text, end + 1) > 4;
        out.push(if long { Token::Short } else { Token::Syllable("gang4") });
        end += 1;
    }
    end - start
}

enum Meant {
    Year,
    Quantity,
    Number,
    Digits,
}

fn meant(digits: &[char], rest: &[char]) -> Meant {
    let next = rest.first().copied().unwrap_or(' ');
    let begins = |words: &[&str]| words.iter().any(|w| w.chars().eq(rest.iter().take(w.chars().count()).copied()));
    if digits.len() == 4 && next == '年' {
        return Meant::Year;
    }
    let plain = digits[0] != '0' || digits.len() == 1;
    match digits.len() {
        1..5 if plain && (MEASURES.contains(next) || begins(&SPANS)) => Meant::Quantity,
        1..5 if plain && begins(&UNITS) => Meant::Number,
        5..9 if plain && begins(&LARGE) => Meant::Quantity,
        // 2楼, 2号 and 2层 are numbered, not counted.
        1..3 if plain => Meant::Number,
        _ => Meant::Digits,
    }
}

fn digits_at(text: &[char], start: usize) -> usize {
    text.iter().skip(start).take_while(|c| c.is_ascii_digit()).count()
}

fn digit(c: char, one: One) -> Token {
    match (c, one) {
        ('1', One::Yao) => Token::Syllable("yao1"),
        _ => Token::Syllable(DIGITS[c.to_digit(10).unwrap_or(0) as usize]),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Two {
    Er,
    Liang,
}

/// A number of at most eight digits as a quantity.
fn quantity(digits: &[char], two: Two, out: &mut Vec<Token>) {
    let value = digits.iter().take(8).fold(0u64, |n, c| n * 10 + u64::from(c.to_digit(10).unwrap_or(0)));
    if value == 2 && two == Two::Liang {
        out.push(Token::Syllable("liang3"));
        return;
    }
    use super::numbers::Word;
    let words = super::numbers::words(value);
    for (i, word) in words.iter().enumerate() {
        let syllable = match word {
            // 一百, 一千 and 一万 are yi4 and yi2 to the ear, except behind 十 or 零.
            Word::Digit(1) if i == 0 || words[i - 1] == Word::Wan => match words.get(i + 1) {
                Some(Word::Hundred | Word::Thousand) => "yi4",
                Some(Word::Wan) => "yi2",
                _ => "yi1",
            },
            Word::Digit(d) => DIGITS[usize::from(*d) % 10],
            Word::Liang => "liang3",
            Word::Ten => "shi2",
            Word::Hundred => "bai3",
            Word::Thousand => "qian1",
            Word::Wan => "wan4",
        };
        out.push(Token::Syllable(syllable));
    }
}

/// The name of a Latin letter in syllables that exist in Chinese speech.
fn letter(c: char) -> &'static [&'static str] {
    match c.to_ascii_lowercase() {
        'a' => &["ei1"],
        'b' => &["bi4"],
        'c' => &["sei1"],
        'd' => &["di4"],
        'e' => &["yi4"],
        'f' => &["ai2", "fu5"],
        'g' => &["ji4"],
        'h' => &["ei2", "chi5"],
        'i' => &["ai4"],
        'j' => &["zhei4"],
        'k' => &["kei4"],
        'l' => &["ai2", "lou5"],
        'm' => &["ai2", "mu5"],
        'n' => &["en1"],
        'o' => &["ou1"],
        'p' => &["pi4"],
        'q' => &["kiu4"],
        'r' => &["a4", "r5"],
        's' => &["ai2", "si5"],
        't' => &["ti4"],
        'u' => &["you1"],
        'v' => &["wei4"],
        'w' => &["da2", "bu5", "liu5"],
        'x' => &["ai2", "ke5", "si5"],
        'y' => &["wai4"],
        _ => &["zei4"],
    }
}

#[cfg(test)]
mod tests {
    use crate::tts::pinyin::{One, spell};

    #[test]
    fn numbers_are_read_as_people_do() {
        for (text, pinyin) in [
            ("12号楼", "shi2 er4 hao4 lou2"),
            ("2号楼2单元", "er4 hao4 lou2 er4 dan1 yuan2"),
            ("2个", "liang3 ge4"),
            ("2天", "liang3 tian1"),
            ("12345", "yao1 er4 san1 si4 wu3"),
            ("203室", "er4 ling2 san1 shi4"),
            ("110", "yao1 yao1 ling2"),
            ("120户", "yi4 bai3 er4 shi2 hu4"),
            ("2026年11月2日", "er4 ling2 er4 liu4 nian2 shi2 yi1 yue4 er4 ri4"),
            ("3.5元", "san1 dian3 wu3 yuan2"),
            ("50%", "bai3 fen1 zhi1 wu3 shi2"),
            ("12:05", "shi2 er4 dian3 ling2 wu3 fen1"),
            ("2:30", "liang3 dian3 san1 shi2 fen1"),
            ("3-201", "san1 gang4 er4 ling2 yao1"),
            ("010-6512", "ling2 yao1 ling2 gang4 liu4 wu3 yao1 er4"),
            ("０８", "ling2 ba1"),
            ("A座", "ei1 zuo4"),
            ("15℃", "shi2 wu3 she4 shi4 du4"),
            ("20000元", "liang3 wan4 yuan2"),
            ("12333人力", "yao1 er4 san1 san1 san1 ren2 li4"),
            ("12320公共", "yao1 er4 san1 er4 ling2 gong1 gong4"),
            ("3公里", "san1 gong1 li3"),
            ("5层", "wu3 ceng2"),
        ] {
            assert_eq!(spell(text, One::Yao), pinyin, "{text}");
        }
        assert_eq!(spell("110", One::Yi), "yi1 yi1 ling2");
    }
}
