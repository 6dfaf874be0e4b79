//! One script and one set of marks: simplified characters, full-width punctuation. Pure.
//!
//! Whisper learned from both scripts and from subtitles: it may write traditional characters, half-width marks, and a
//! blank where a subtitle ended. The catalogue's words, the places and the readers of tickets know one form.

use std::borrow::Cow;

/// Stands in simplified texts too (乾隆, 乾州): alone it says nothing about the script.
const BOTH: char = '乾';

/// The text in simplified characters, by OpenCC's dictionaries (phrases before characters).
pub fn simplified(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let simplified = hanconv::t2s(text);
    if simplified == text {
        return Cow::Borrowed(text);
    }
    if text.contains(BOTH) {
        let others: String = text.chars().filter(|c| *c != BOTH).collect();
        if hanconv::t2s(&others) == others {
            return Cow::Borrowed(text);
        }
    }
    Cow::Owned(simplified)
}

/// Marks between Han characters in their full width, blanks between them as a comma, and no mark twice or in front.
pub fn marked(text: &str) -> String {
    let chars: Vec<char> = text.trim().chars().collect();
    let mut out = String::with_capacity(text.len());
    for (i, c) in chars.iter().copied().enumerate() {
        let (before, after) = (out.chars().last(), chars.get(i + 1).copied());
        let beside_han = before.is_some_and(wide) || after.is_some_and(wide);
        let mark = match c {
            ',' if beside_han => '，',
            // 3.5 and www.example.com stay.
            '.' | '｡' if before.is_some_and(wide) => '。',
            '?' if beside_han => '？',
            '!' if beside_han => '！',
            ';' if beside_han => '；',
            ':' if beside_han => '：',
            c if c.is_whitespace() => match (before, after) {
                (Some(' '), _) | (None, _) | (_, None) => continue,
                (_, Some(after)) if after.is_whitespace() || is_mark(after) => continue,
                (Some(before), Some(after)) if wide(before) && wide(after) && !is_mark(before) => '，',
                // 12 号楼, 用 WiFi: the blank only parts the scripts.
                (Some(before), Some(after)) if wide(before) || wide(after) => continue,
                _ => ' ',
            },
            c => c,
        };
        let twice = is_mark(mark) && (before.is_none() || before.is_some_and(is_mark));
        if !twice {
            out.push(mark);
        }
    }
    out
}

fn is_mark(c: char) -> bool {
    matches!(c, '，' | '。' | '？' | '！' | '；' | '：' | '、' | ',' | '?' | '!' | ';')
}

/// A Han character or a mark of that width.
fn wide(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}') || is_mark(c) && !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn traditional_characters_become_simplified_ones() {
        for (heard, written) in [
            ("我們小區的電梯壞了沒有人管", "我们小区的电梯坏了没有人管"),
            ("請儘快處理樓道裡的垃圾", "请尽快处理楼道里的垃圾"),
            ("隻有一輛公交車經過望京街道", "只有一辆公交车经过望京街道"),
            ("樓下的乾洗店晚上還在營業", "楼下的干洗店晚上还在营业"),
        ] {
            assert_eq!(simplified(heard), written);
        }
    }

    #[test]
    fn simplified_texts_stay_as_they_are() {
        for text in ["乾隆年间的房子在乾州", "瞭望塔下面，狼藉一片", "后天皇后大厦停水", "wifi", "晒干了，干活"]
        {
            assert!(matches!(simplified(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn marks_have_the_width_of_what_they_stand_beside() {
        for (heard, written) in [
            ("路灯坏了,请派人.", "路灯坏了，请派人。"),
            ("路灯坏了 晚上很黑 请派人", "路灯坏了，晚上很黑，请派人"),
            ("路灯坏了， 晚上很黑。 请派人", "路灯坏了，晚上很黑。请派人"),
            ("在 12 号楼", "在12号楼"),
            ("3.5公里, 用 WiFi 上网", "3.5公里，用WiFi上网"),
            ("，路灯坏了，，谁管??", "路灯坏了，谁管？"),
            ("my name is Li, hello", "my name is Li, hello"),
            ("网址是www.example.com", "网址是www.example.com"),
        ] {
            assert_eq!(marked(heard), written, "{heard}");
        }
    }

    proptest! {
        #[test]
        fn no_word_is_lost_and_no_mark_is_doubled(text in "[路灯坏了停电a1Z ,.?!，。、 ]{0,40}") {
            let words = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>();
            let once = marked(&text);
            prop_assert_eq!(words(&once), words(&text));
            let chars: Vec<char> = once.chars().collect();
            prop_assert!(chars.windows(2).all(|two| !(is_mark(two[0]) && is_mark(two[1]))), "{}", once);
            prop_assert!(!chars.first().is_some_and(|c| is_mark(*c)) && once.trim() == once);
        }
    }
}
