//! What the prompts say and how long they are, as the proof is told it.

use std::collections::HashMap;
use std::time::Duration;

use super::Case;
use crate::ivr::flow::{GREETING, NodeId, Part, Piece};

/// Spoken Chinese, a character: 240 a minute, as a newsreader speaks.
const CHARACTER: Duration = Duration::from_millis(250);
/// A digit of a number that is read out.
const DIGIT: Duration = Duration::from_millis(450);
/// A ticket's number has so many.
const NUMBER: u32 = 13;
/// The most that is read back (`interpreter::speak`), in characters.
const READ_BACK: u32 = 120;
/// A name, a date, a value: what a call fills in.
pub(super) const BLANK: Duration = Duration::from_secs(3);

/// Lengths and texts of prompts by id. One without a recording counts by its text.
#[derive(Debug, Clone, Default)]
pub struct Spoken {
    pub lengths: HashMap<String, Duration>,
    pub texts: HashMap<String, String>,
}

impl Spoken {
    /// How long a prompt is.
    pub fn prompt(&self, id: &str) -> Duration {
        match (self.lengths.get(id), self.texts.get(id)) {
            (Some(length), _) => *length,
            (None, Some(text)) => CHARACTER * text.chars().count() as u32,
            (None, None) => Duration::ZERO,
        }
    }

    /// The most that a list of pieces takes; `greeting` is the line's own.
    pub fn length(&self, pieces: &[Piece], greeting: Option<&str>) -> Duration {
        let one = |piece: &Piece| match piece {
            Piece::Prompt(id) => self.prompt(id),
            Piece::Greeting => self.prompt(greeting.unwrap_or(GREETING)),
            Piece::Text(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Fixed(text) => CHARACTER * text.chars().count() as u32,
                    Part::Variable(_) => BLANK,
                })
                .sum(),
            Piece::Heard => CHARACTER * READ_BACK,
            Piece::Number => DIGIT * NUMBER,
            _ => BLANK,
        };
        pieces.iter().map(one).sum()
    }

    /// What is said, as text with its blanks in 〈〉; a prompt whose text nobody wrote down is its id in ().
    pub fn text(&self, pieces: &[Piece]) -> String {
        let text = |id: &str| self.texts.get(id).cloned().unwrap_or_else(|| format!("({id})"));
        let one = |piece: &Piece| match piece {
            Piece::Prompt(id) => text(id),
            Piece::Greeting => text(GREETING),
            Piece::Text(parts) => parts
                .iter()
                .map(|part| match part {
                    Part::Fixed(text) => text.clone(),
                    Part::Variable(name) => format!("〈{name}〉"),
                })
                .collect(),
            Piece::Heard => "〈市民所说〉".to_owned(),
            Piece::Number => "〈工单号〉".to_owned(),
            Piece::State => "〈办理情况〉".to_owned(),
            Piece::Unit => "〈承办单位〉".to_owned(),
            Piece::Line => "〈线路号码〉".to_owned(),
            Piece::Variable(name, _) => format!("〈{name}〉"),
            Piece::Caller => "〈来电号码〉".to_owned(),
            Piece::Date => "〈日期〉".to_owned(),
            Piece::Time => "〈时间〉".to_owned(),
            Piece::Incident => "〈已知事件〉".to_owned(),
        };
        pieces.iter().map(one).collect()
    }

    /// As [`Spoken::text`], if the text of every prompt is known.
    pub fn known(&self, pieces: &[Piece]) -> Option<String> {
        let known = |piece: &Piece| match piece {
            Piece::Prompt(id) => self.texts.contains_key(id),
            _ => true,
        };
        pieces.iter().all(known).then(|| self.text(pieces))
    }
}

impl Case<'_> {
    pub(super) fn length(&self, pieces: &[Piece]) -> Duration {
        self.spoken.length(pieces, self.moment.greeting.as_deref())
    }

    /// A node's whole message or question.
    pub(super) fn whole(&self, node: NodeId) -> Duration {
        self.flow.question(node).into_iter().map(|pieces| self.length(pieces)).sum()
    }
}

/// The keys that a text tells people to press: 「转人工请按0，返回请按星号键」 says `0` and `*`.
pub fn keys_said(text: &str) -> Vec<String> {
    let mut said = Vec::new();
    for (at, found) in text.match_indices('按') {
        let mut rest = text[at + found.len()..].trim_start();
        for filler in ["数字键", "数字", "一下", "下"] {
            rest = rest.strip_prefix(filler).unwrap_or(rest).trim_start();
        }
        let row: String = rest.chars().take_while(|c| c.is_ascii_digit() || "*#".contains(*c)).collect();
        let spelled = [("星号", "*"), ("米字", "*"), ("井号", "#"), ("井字", "#")];
        if !row.is_empty() {
            said.push(row);
        } else if let Some((_, key)) = spelled.iter().find(|(word, _)| rest.starts_with(word)) {
            said.push((*key).to_owned());
        } else if let Some(digit) = rest.chars().next().and_then(|c| "零一二三四五六七八九".chars().position(|d| d == c))
            // 「按一下」 is no key; that was cut off above, 「按一定」 is none either.
            && !rest.chars().nth(1).is_some_and(|c| "定般样直".contains(c))
        {
            said.push(digit.to_string());
        }
    }
    said.extend(keys_pressed(&text.to_lowercase()));
    said
}

/// The same in English: "press nine", "press 12", "press the pound key".
fn keys_pressed(text: &str) -> Vec<String> {
    const WORDS: [(&str, &str); 13] = [
        ("zero", "0"),
        ("one", "1"),
        ("two", "2"),
        ("three", "3"),
        ("four", "4"),
        ("five", "5"),
        ("six", "6"),
        ("seven", "7"),
        ("eight", "8"),
        ("nine", "9"),
        ("star", "*"),
        ("pound", "#"),
        ("hash", "#"),
    ];
    let word = |at: &usize| !text[..*at].ends_with(char::is_alphabetic);
    let rest = text.match_indices("press ").filter(|(at, _)| word(at));
    let rest = rest.map(|(at, found)| text[at + found.len()..].trim_start_matches("the "));
    rest.filter_map(|rest| {
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || "*#".contains(*c)).collect();
        let spelled = WORDS.iter().find(|(known, _)| *known == word).map(|(_, key)| (*key).to_owned());
        let row = !word.is_empty() && word.chars().all(|c| c.is_ascii_digit() || "*#".contains(c));
        spelled.or(row.then_some(word))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_a_text_says() {
        let said = |text| keys_said(text).join(" ");
        assert_eq!(said("请直接说出您的诉求。转人工请按0，按键选择请按2。"), "0 2");
        assert_eq!(said("返回上一级请按星号键，结束请按 # 键，确认按数字键1，其他按12。"), "* # 1 12");
        assert_eq!(said("确认请按一，重说请按二，请按照提示操作，按一定比例。"), "1 2");
        assert_eq!(said("停顿一下，或者按井号键。"), "#");
        assert_eq!(said("请直接说出诉求"), "");
        assert_eq!(said("For English, press nine. To end press 12, to go back press star."), "9 12 *");
        assert_eq!(said("Then pause, or press the pound key; press on, oppress one."), "#");
    }
}
