//! What a recogniser is told before it hears: names that the caller is likely to say. Pure.
//!
//! Whisper takes a text that came before the audio, and leans towards the words in it: 望京 rather than 网景. Bounded,
//! because every character costs time, and because a long list makes it say names that nobody said.

use std::collections::HashSet;
use std::sync::Arc;

/// So that it reads like what is written down of such calls.
const BEGINNING: &str = "市民热线来电，地点有";

/// As many of `names`, the likeliest first, as fit in `most` characters; `None` if none does.
pub fn prompt<'a>(names: impl Iterator<Item = &'a str>, most: usize) -> Option<Arc<str>> {
    let (mut text, mut length) = (String::new(), 0);
    let mut seen = HashSet::new();
    for name in names.map(str::trim).filter(|name| name.chars().any(char::is_alphanumeric)) {
        let more = name.chars().count() + 1;
        // What is told to an engine is one line.
        if length + more > most || name.chars().any(char::is_control) || !seen.insert(name) {
            continue;
        }
        text.push_str(if text.is_empty() { BEGINNING } else { "、" });
        text.push_str(name);
        length += more;
    }
    (!text.is_empty()).then(|| format!("{text}。").into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_likeliest_names_come_first_and_each_once() {
        let names = ["花家地", "朝阳区", "花家地", " ", "、", "a\0b"];
        assert_eq!(prompt(names.into_iter(), 60).as_deref(), Some("市民热线来电，地点有花家地、朝阳区。"));
        assert_eq!(prompt(names.into_iter(), 4).as_deref(), Some("市民热线来电，地点有花家地。"));
        assert_eq!(prompt(names.into_iter(), 2), None);
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_an_engine_can_take_it(names in prop::collection::vec("\\PC{0,9}|[\\x00-\\x1f]", 0..40), most in 0usize..120) {
            if let Some(prompt) = prompt(names.iter().map(String::as_str), most) {
                prop_assert!(prompt.chars().count() <= BEGINNING.chars().count() + most);
                prop_assert!(!prompt.chars().any(char::is_control));
            }
        }
    }
}
