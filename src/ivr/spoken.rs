//! Is this utterance just that word? 「人工」, 「我要转人工。」 and 「请帮我转人工，谢谢」 are; 「人工湖的水臭了」 is a request.
//!
//! Compared are letters and digits, without the words of courtesy that people put around a choice. Nothing else is
//! forgiven: where callers may say anything, a choice that is heard into a request would lose it.

/// Said around a choice, longer ones first where one begins another.
const BEFORE: [&str; 22] = [
    "你好",
    "您好",
    "喂",
    "那个",
    "嗯",
    "麻烦您",
    "麻烦",
    "请问",
    "请",
    "我想要",
    "我想",
    "我要",
    "我需要",
    "想要",
    "想",
    "要",
    "给我",
    "帮我",
    "帮忙",
    "你",
    "please",
    "iwant",
];
const AFTER: [&str; 15] = [
    "谢谢您",
    "谢谢你",
    "谢谢",
    "一下",
    "可以吗",
    "行吗",
    "好吗",
    "吧",
    "啊",
    "呢",
    "吗",
    "嘛",
    "呀",
    "thankyou",
    "please",
];

/// Letters and digits only, small.
pub fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Whether an utterance is one of these choices; both are [`bare`].
pub fn is(utterance: &str, choice: &str) -> bool {
    if utterance == choice {
        return true;
    }
    // Words of courtesy may themselves begin the choice, so each cut is tried as it is made.
    let mut front = utterance;
    loop {
        if ends(front, choice) {
            return true;
        }
        match BEFORE.iter().find_map(|word| front.strip_prefix(word)) {
            Some(rest) => front = rest,
            None => return false,
        }
    }
}

/// Whether this is the choice with nothing but courtesy behind it (or 一下 behind its first word: 查一下进度).
fn ends(text: &str, choice: &str) -> bool {
    let mut back = text;
    loop {
        if back == choice || back.replacen("一下", "", 1) == choice {
            return true;
        }
        match AFTER.iter().find_map(|word| back.strip_suffix(word)) {
            Some(rest) => back = rest,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn courtesy_around_a_choice_does_not_matter() {
        for said in ["人工", "人工。", "我要人工", "请帮我人工一下，谢谢！", "喂，你好，我想要人工"]
        {
            assert!(is(&bare(said), "人工"), "{said}");
        }
        assert!(is(&bare("我想查一下进度"), "查进度"));
        assert!(is(&bare("请问"), "请问"), "a choice that is itself courtesy");
        assert!(is(&bare("English, please."), &bare("ENGLISH")));
    }

    #[test]
    fn a_request_that_holds_the_word_is_a_request() {
        for said in ["人工湖的水臭了", "我家附近的人工湖臭了", "电话一直转人工转不通", "投诉你们人工", ""]
        {
            assert!(!is(&bare(said), "人工"), "{said}");
        }
    }

    proptest! {
        #[test]
        fn any_two_texts_are_compared(utterance in "[你好我想要请一下谢工人 a-c]{0,24}", choice in "[你好我想要请一下谢工人]{1,4}") {
            let (utterance, choice) = (bare(&utterance), bare(&choice));
            prop_assert!(is(&choice, &choice));
            if is(&utterance, &choice) {
                prop_assert!(utterance.chars().count() >= choice.chars().count());
            }
        }
    }
}
