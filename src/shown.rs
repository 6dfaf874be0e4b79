//! Text of others as it may be shown: to a terminal, in a log, in a line of a file that somebody will look at.
//!
//! Owns the list of characters that steer a terminal or turn text around, and the two ways in which they are written
//! instead: [`tame`] for people, [`json`] for programs. Refuses to judge anything else about a text: what cannot steer
//! comes through as it is, and nothing is cut.

#[cfg(feature = "daemon")]
use std::fmt::Write as _;

/// Control characters (C0, DEL, C1: escape sequences begin with them), and what is invisible or turns text around:
/// Unicode's bidirectional controls (UAX #9), joiners and separators, tags and the byte order mark.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One line in which nothing steers: a line break is ` / `, what steers is `\u{...}`.
pub fn tame(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str(" / "),
            c if steers(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// JSON on one line in which nothing steers: such characters stand in strings only, so `\u` is right and means the same.
///
/// # Errors
/// The value cannot be JSON (a map whose keys are no strings).
#[cfg(feature = "daemon")]
pub fn json<T: serde::Serialize>(value: &T) -> serde_json::Result<String> {
    let whole = serde_json::to_string(value)?;
    let mut out = String::with_capacity(whole.len());
    for c in whole.chars() {
        if steers(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                write!(out, "\\u{unit:04x}").expect("a String takes everything");
            }
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

#[cfg(all(test, feature = "daemon"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_turns_text_around_is_written_out() {
        let hostile = "灯\u{1b}[2J\u{9b}31m\u{202e}abc\u{2066}\u{200b}\u{7f}\r\n坏";
        assert_eq!(tame(hostile), "灯\\u{1b}[2J\\u{9b}31m\\u{202e}abc\\u{2066}\\u{200b}\\u{7f}\\u{d} / 坏");
        assert_eq!(json(&"\u{9b}\u{e0001}灯").expect("JSON"), "\"\\u009b\\udb40\\udc01灯\"");
    }

    proptest! {
        #[test]
        fn json_means_the_same_and_steers_nothing(text in any::<String>()) {
            let json = json(&text).expect("JSON");
            prop_assert!(!json.chars().any(steers));
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
        }

        #[test]
        fn tame_text_steers_nothing(text in any::<String>()) {
            prop_assert!(!tame(&text).chars().any(steers));
        }
    }
}
