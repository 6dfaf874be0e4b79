//! A text in the form in which words are looked for, with the way back to the characters that were said or written.

use crate::shown::steers;

/// Characters without blanks and without what nobody sees or hears, full-width letters and digits made narrow, Latin letters small.
///
/// Positions are in characters of this form; [`Text::original`] gives those of the text as it came.
#[derive(Debug, Clone)]
pub struct Text {
    folded: String,
    chars: Vec<char>,
    /// Where each character begins in `folded`, and its length at the end.
    bytes: Vec<usize>,
    /// Which character of the original each character was.
    origin: Vec<usize>,
}

impl Text {
    pub fn new(original: &str) -> Text {
        let (mut folded, mut chars, mut bytes, mut origin) = (String::new(), Vec::new(), Vec::new(), Vec::new());
        for (at, c) in original.chars().enumerate() {
            // A joiner or a bidirectional control between two characters hides no word.
            if c.is_whitespace() || steers(c) {
                continue;
            }
            let c = fold(c);
            bytes.push(folded.len());
            folded.push(c);
            chars.push(c);
            origin.push(at);
        }
        bytes.push(folded.len());
        Text { folded, chars, bytes, origin }
    }

    pub fn as_str(&self) -> &str {
        &self.folded
    }

    pub fn chars(&self) -> &[char] {
        &self.chars
    }

    /// The characters from `start` on.
    pub fn after(&self, start: usize) -> &str {
        &self.folded[self.bytes[start.min(self.chars.len())]..]
    }

    /// The characters before `end`.
    pub fn before(&self, end: usize) -> &str {
        &self.folded[..self.bytes[end.min(self.chars.len())]]
    }

    /// The character at which a byte of [`Text::as_str`] begins.
    pub fn char_at(&self, byte: usize) -> usize {
        self.bytes.partition_point(|b| *b < byte)
    }

    /// The span `start..end` in characters of the original.
    pub fn original(&self, start: usize, end: usize) -> (usize, usize) {
        match (self.origin.get(start), end.checked_sub(1).and_then(|last| self.origin.get(last))) {
            (Some(first), Some(last)) if start < end => (*first, last + 1),
            _ => (0, 0),
        }
    }
}

/// Full-width to narrow, capital to small; one character stays one character.
pub fn fold(c: char) -> char {
    let narrow = match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        _ => c,
    };
    narrow.to_ascii_lowercase()
}

/// A whole string, folded as [`Text`] does it.
pub fn folded(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace() && !steers(*c)).map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn blanks_go_and_the_way_back_stays() {
        let text = Text::new("１２ 号楼 Ａb");
        assert_eq!(text.as_str(), "12号楼ab");
        assert_eq!(text.original(2, 4), (3, 5));
        assert_eq!(text.original(1, 3), (1, 4));
        assert_eq!(text.char_at("12号".len()), 3);
        assert_eq!(Text::new("水\u{200b}管\u{202e}爆\u{1b}裂").as_str(), "水管爆裂");
    }

    proptest! {
        #[test]
        fn every_span_leads_back_into_the_original(original in "\\PC{0,40}", a in 0usize..50, b in 0usize..50) {
            let text = Text::new(&original);
            let (start, end) = text.original(a, b);
            prop_assert!(start <= end && end <= original.chars().count());
            prop_assert_eq!(text.chars().iter().collect::<String>(), text.as_str());
            prop_assert!(text.after(a).len() + text.before(a).len() == text.as_str().len());
        }
    }
}
