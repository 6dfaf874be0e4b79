//! Numbers as callers say them and as recognisers write them: 十二号, 一二号 and 12号 are one house.

/// A number is read up to here; no house has more digits.
const MOST_DIGITS: usize = 6;

/// The number at the beginning of `text` and how many characters it takes: `12`, `十二`, `一百零五`, `幺二`.
pub fn leading(text: &str) -> Option<(u32, usize)> {
    let chars: Vec<char> = text.chars().take_while(|c| value(*c).is_some()).take(MOST_DIGITS).collect();
    let values: Vec<u32> = chars.iter().filter_map(|c| value(*c)).collect();
    if values.is_empty() {
        return None;
    }
    let number = if values.iter().all(|v| *v < 10) {
        values.iter().fold(0, |number, digit| number * 10 + digit)
    } else {
        counted(&values)
    };
    Some((number, values.len()))
}

/// 一百二十三: each digit counts for the unit after it; 十 alone is ten.
fn counted(values: &[u32]) -> u32 {
    let (mut sum, mut digits): (u32, Option<u32>) = (0, None);
    for value in values {
        match value {
            unit @ (10 | 100 | 1000) => sum = sum.saturating_add(digits.take().unwrap_or(1).saturating_mul(*unit)),
            digit => digits = Some(digits.unwrap_or(0) * 10 + *digit),
        }
    }
    sum.saturating_add(digits.unwrap_or(0))
}

/// 0 to 9 as a Han character; 幺 is the one of telephone numbers, 两 the two of what is counted.
pub fn digit(c: char) -> Option<u8> {
    Some(match c {
        '零' | '〇' => 0,
        '一' | '幺' => 1,
        '二' | '两' => 2,
        '三' => 3,
        '四' => 4,
        '五' => 5,
        '六' => 6,
        '七' => 7,
        '八' => 8,
        '九' => 9,
        _ => return None,
    })
}

/// 十 to 亿: what the digit before it is multiplied by.
pub fn power(c: char) -> Option<u64> {
    Some(match c {
        '十' => 10,
        '百' => 100,
        '千' => 1000,
        '万' => 10_000,
        '亿' => 100_000_000,
        _ => return None,
    })
}

/// A figure, a Han digit, or a power that a house number has.
fn value(c: char) -> Option<u32> {
    let small = || power(c).filter(|power| *power <= 1000).and_then(|power| u32::try_from(power).ok());
    c.to_digit(10).or_else(|| digit(c).map(u32::from)).or_else(small)
}

/// `name` with its numbers in digits, and in characters, where that is another name: 幸福一村 is heard as 幸福1村,
/// 5号院 as 五号院.
pub fn spellings(name: &str) -> Vec<String> {
    let mut all = vec![rewritten(name, |number| number.to_string()), rewritten(name, spoken)];
    all.dedup();
    all.retain(|spelling| spelling != name);
    all
}

fn rewritten(name: &str, write: impl Fn(u32) -> String) -> String {
    let (mut out, mut rest) = (String::new(), name);
    while let Some(c) = rest.chars().next() {
        let taken = match leading(rest) {
            Some((number, taken)) => {
                out.push_str(&write(number));
                taken
            }
            None => {
                out.push(c);
                1
            }
        };
        rest = rest.char_indices().nth(taken).map_or("", |(at, _)| &rest[at..]);
    }
    out
}

/// 1 to 99 as counted, others digit by digit.
fn spoken(number: u32) -> String {
    const DIGITS: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];
    let digit = |d: u32| DIGITS[(d % 10) as usize];
    if (10..100).contains(&number) {
        let mut text = String::new();
        if number >= 20 {
            text.push(digit(number / 10));
        }
        text.push('十');
        if !number.is_multiple_of(10) {
            text.push(digit(number));
        }
        return text;
    }
    number.to_string().bytes().map(|b| digit(u32::from(b - b'0'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_as_said_and_as_written() {
        for (text, expected) in [
            ("12号院", Some((12, 2))),
            ("十二号", Some((12, 2))),
            ("十号", Some((10, 1))),
            ("二十号", Some((20, 2))),
            ("一百零五号", Some((105, 4))),
            ("一百二十三号", Some((123, 5))),
            ("两百号", Some((200, 2))),
            ("幺二号", Some((12, 2))),
            ("一二三", Some((123, 3))),
            ("号", None),
            ("", None),
        ] {
            assert_eq!(leading(text), expected, "{text}");
        }
    }

    #[test]
    fn a_name_is_spelled_with_digits_and_with_characters() {
        assert_eq!(spellings("幸福一村"), ["幸福1村"]);
        assert_eq!(spellings("十四区社区"), ["14区社区"]);
        assert_eq!(spellings("铁路5号院社区"), ["铁路五号院社区"]);
        assert_eq!(spellings("1201社区"), ["一二零一社区"]);
        assert!(spellings("望京街道").is_empty());
    }

    proptest! {
        #[test]
        fn what_is_spoken_is_read_again(number in 0u32..1_000_000) {
            let text = format!("{}号", spoken(number));
            prop_assert_eq!(leading(&text).map(|(read, _)| read), Some(number));
        }

        #[test]
        fn any_text_is_read(text in "[0-9零一两十百千幺号路a]{0,12}") {
            if let Some((_, taken)) = leading(&text) {
                prop_assert!(taken >= 1 && taken <= text.chars().count());
            }
            for spelling in spellings(&text) {
                prop_assert_ne!(spelling, text.clone());
            }
        }
    }
}
