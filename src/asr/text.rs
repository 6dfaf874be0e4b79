//! What may be believed of an engine's text, and how far two texts differ. Pure.
//!
//! Whisper must say something: over silence it gives a lone "。", over noise it falls into a loop or says what stood
//! under the videos that it learned from ("thanks for watching"). Such a text on a ticket is worse than none. Only what
//! is surely no citizen's sentence is refused; the rest is kept, written as a street office reads and searches it:
//! simplified characters and full-width marks ([`script`]), numbers in digits ([`numbers`]).

use std::fmt;

use crate::shown::steers;

pub mod numbers;
pub mod script;

/// Why a text was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// No letter and no digit in it: nothing was said.
    Nothing,
    /// Most of it is one piece over and over.
    Loop,
    /// A sentence of subtitles, which engines say over noise.
    Subtitle,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refused::Nothing => "nothing was said",
            Refused::Loop => "the recogniser ran in a loop",
            Refused::Subtitle => "the recogniser made up a subtitle",
        })
    }
}

/// Pieces of the subtitles and credits that Whisper's Mandarin is known for, in simplified characters and small letters.
const SUBTITLES: [&str; 23] = [
    "请不吝点赞",
    "点赞订阅",
    "订阅我的频道",
    "订阅转发",
    "打赏支持明镜",
    "明镜与点点",
    "字幕志愿者",
    "字幕由",
    "字幕制作",
    "字幕提供",
    "字幕组",
    "中文字幕",
    "字幕by",
    "amara.org",
    "谢谢观看",
    "感谢观看",
    "谢谢收看",
    "谢谢收听",
    "感谢收听",
    "我们下期再见",
    "优优独播剧场",
    "独播剧场",
    "作曲李宗盛",
];

/// The longest piece, in characters, that is looked for as a loop.
const LONGEST_PIECE: usize = 16;

/// The engine's text as it is kept, or why it is not to be believed.
pub fn clean(raw: &str) -> Result<String, Refused> {
    let text = unnumbered(raw);
    let bare = bare(&text);
    if bare.is_empty() {
        return Err(Refused::Nothing);
    }
    if loops(&bare) {
        return Err(Refused::Loop);
    }
    if subtitle(&text) {
        return Err(Refused::Subtitle);
    }
    // After the look for loops: 一一一一一一一一 is one, 11111111 may be a number.
    Ok(numbers::in_digits(&text).into_owned())
}

/// Whatever was heard or read, in the one form that texts are kept and compared in.
pub fn written(raw: &str) -> String {
    numbers::in_digits(&unnumbered(raw)).into_owned()
}

fn unnumbered(raw: &str) -> String {
    // A character cut in half by the token limit comes as U+FFFD; what steers a terminal or the direction of writing
    // was said by nobody.
    let text: String =
        raw.chars().filter(|c| *c != char::REPLACEMENT_CHARACTER && (c.is_whitespace() || !steers(*c))).collect();
    script::marked(&script::simplified(&text))
}

/// Letters and digits only, in lower case: what is compared.
fn bare(text: &str) -> Vec<char> {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// More than half of the text is one piece, said five times or more in a row (eight times for a single character:
/// people do say 对对对对). Digits alone are no loop: a number may be 11111111.
fn loops(text: &[char]) -> bool {
    (1..=LONGEST_PIECE.min(text.len() / 2)).any(|piece| {
        let least = if piece == 1 { 8 } else { 5 };
        let mut run = piece;
        (piece..text.len()).any(|i| {
            run = if text[i] == text[i - piece] { run + 1 } else { piece };
            let said = &text[i + 1 - piece..=i];
            run >= least * piece && run * 2 > text.len() && !said.iter().all(|c| c.is_ascii_digit())
        })
    })
}

/// A phrase of subtitles makes up a good part of the text (a caller may well speak of 字幕 in a longer one).
fn subtitle(text: &str) -> bool {
    let lower: String = text.to_lowercase().chars().filter(|c| *c != '，' && *c != '：').collect();
    let length = lower.chars().count();
    SUBTITLES.iter().any(|phrase| lower.contains(phrase) && length <= phrase.chars().count() * 6)
}

/// Joins the texts of an utterance that was heard in pieces.
pub fn join(whole: &mut String, piece: &str) {
    if whole.chars().last().is_some_and(char::is_alphanumeric) && piece.starts_with(char::is_alphanumeric) {
        whole.push('，');
    }
    whole.push_str(piece);
}

/// Character error rate: edits over the reference's length, both as [`written`], punctuation and case left out. 0 is
/// perfect; more than 1 is possible. An empty reference counts every heard character as one edit over one.
pub fn error_rate(reference: &str, heard: &str) -> f64 {
    let (reference, heard) = (bare(&written(reference)), bare(&written(heard)));
    let text = |chars: &[char]| chars.iter().collect::<String>();
    crate::written::distance(&text(&reference), &text(&heard)) as f64 / reference.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn punctuation_alone_is_silence() {
        for raw in ["", "。", " ， ", "……", "\u{fffd}", "（）", "♪"] {
            assert_eq!(clean(raw), Err(Refused::Nothing), "{raw:?}");
        }
    }

    #[test]
    fn what_people_say_is_kept_as_it_came() {
        for raw in [
            "对对对对",
            "喂你好，望京街道花家地小区12号楼水管爆裂了，请尽快处理",
            "我的电话是11111111",
            "电视台的字幕由谁负责审核，我们小区的老人看不清楚，希望能大一点，谢谢你们了",
            "停水停水停水，好些天了",
        ] {
            assert_eq!(clean(&format!(" {raw} ")), Ok(raw.to_owned()));
        }
    }

    #[test]
    fn loops_are_refused_and_other_texts_of_that_length_are_not() {
        assert_eq!(clean("嗯嗯嗯嗯嗯嗯嗯嗯嗯"), Err(Refused::Loop));
        assert_eq!(clean("我要投诉，我要投诉，我要投诉，我要投诉，我要投诉"), Err(Refused::Loop));
        assert_eq!(clean("喂，谢谢谢谢谢谢谢谢谢谢谢谢"), Err(Refused::Loop));
        assert!(clean("我要投诉楼上，我要投诉楼下，我要投诉物业，我要投诉保安").is_ok());
    }

    #[test]
    fn subtitles_are_refused() {
        for raw in [
            "謝謝觀看",
            "字幕由 Amara.org 社區提供",
            "作曲：李宗盛",
            "谢谢观看",
            "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
            "字幕由Amara.org社区提供",
        ] {
            assert_eq!(clean(raw), Err(Refused::Subtitle), "{raw}");
        }
    }

    #[test]
    fn texts_are_kept_in_one_form() {
        let heard = "我們小區十二號樓 停水兩天了,電話一三八，零零一三，八零零零";
        assert_eq!(clean(heard), Ok("我们小区12号楼，停水2天了，电话13800138000".to_owned()));
        assert_eq!(clean("路灯\u{202e}坏\u{7}了\u{200b}"), Ok("路灯坏了".to_owned()));
    }

    #[test]
    fn error_rates() {
        assert_eq!(error_rate("水管爆裂了，请尽快", "水管爆裂了请尽快。"), 0.0);
        assert_eq!(error_rate("水管爆裂", "水管报裂"), 0.25);
        assert_eq!(error_rate("十二号楼三零二室", "12號樓302室"), 0.0);
        assert_eq!(error_rate("水管", ""), 1.0);
        assert_eq!(error_rate("", "水管"), 2.0);
    }

    #[test]
    fn pieces_are_joined() {
        let mut whole = String::new();
        for piece in ["路灯坏了", "晚上很黑。", "请派人"] {
            join(&mut whole, piece);
        }
        assert_eq!(whole, "路灯坏了，晚上很黑。请派人");
    }

    proptest! {
        #[test]
        fn a_kept_text_has_a_letter_and_no_edge_of_blanks(raw in "\\PC{0,60}") {
            if let Ok(text) = clean(&raw) {
                prop_assert!(text.chars().any(char::is_alphanumeric));
                prop_assert_eq!(text.trim(), &text);
            }
        }

        #[test]
        fn any_piece_repeated_often_is_a_loop(piece in "[\u{4e00}-\u{4e20}]{1,12}", times in 8usize..20) {
            prop_assert_eq!(clean(&piece.repeat(times)), Err(Refused::Loop));
        }
    }
}
