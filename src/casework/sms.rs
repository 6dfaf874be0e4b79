//! What is written to callers when their ticket was answered (`[sms]` of jiesu.toml), and when it is tried again.
//!
//! Owns the text and the waits. Refuses to send: a program of the city's does (`super::task::sms`). It gets one JSON object
//! on its standard input, never through a shell, and may get the same one twice: `key` tells.

use std::time::Duration;

use serde::Serialize;

use crate::ticket::Number;
use crate::ticket::case::{Case, State};
use crate::written::Table;

/// `[sms]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The program and its arguments; empty: nobody is written to.
    pub command: Vec<String>,
    /// What stands in the message; {number}, {title} and {answer} are filled in.
    pub answer: String,
    pub timeout: Duration,
    pub first_wait: Duration,
    pub tries: u32,
    pub look_every: Duration,
}

const ANSWER: &str = "您反映的事项（工单号{number}）已有答复：{answer}";
/// The longest answer that is written, in characters.
const LONGEST: usize = 300;
/// Waits do not grow beyond this.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        let command = table.texts("command").get().unwrap_or_default();
        Config {
            command: command.into_iter().map(|word| word.value).collect(),
            answer: table.text("answer").or(ANSWER),
            timeout: table.duration("timeout").or("20s", "1s".."5m"),
            first_wait: table.duration("first_wait").or("10s", "100ms".."1h"),
            tries: table.int("tries").or(8, 1..100) as u32,
            look_every: table.duration("look_every").or("5s", "100ms".."1h"),
        }
    }

    /// How long to wait after so many tries; `None`: it is given up.
    pub fn wait(&self, tried: u32) -> Option<Duration> {
        let doubled = 1u32.checked_shl(tried.saturating_sub(1)).unwrap_or(u32::MAX);
        (tried < self.tries).then(|| self.first_wait.saturating_mul(doubled).min(LONGEST_WAIT.max(self.first_wait)))
    }

    /// The message about an answer.
    pub fn message(&self, number: Number, case: &Case, to: &str, title: &str, answer: &str) -> Message {
        let answer: String = answer.chars().take(LONGEST).collect();
        // One pass: what a unit writes is no blank to be filled.
        let mut text = String::new();
        let mut rest = self.answer.as_str();
        while let Some(at) = rest.find('{') {
            let (before, blank) = rest.split_at(at);
            text.push_str(before);
            let known = [("{number}", number.to_string()), ("{title}", title.to_owned()), ("{answer}", answer.clone())];
            match known.iter().find(|(name, _)| blank.starts_with(name)) {
                Some((name, value)) => {
                    text.push_str(value);
                    rest = &blank[name.len()..];
                }
                None => {
                    text.push('{');
                    rest = &blank[1..];
                }
            }
        }
        text.push_str(rest);
        Message { to: to.to_owned(), text, key: format!("{number}-{}-answer", case.reopened), ticket: number }
    }
}

/// One message, as the program gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    pub to: String,
    pub text: String,
    /// The same for every try: who has sent it does not send it again.
    pub key: String,
    pub ticket: Number,
}

/// Whether the caller has to be told of an answer.
pub fn is_due(case: &Case) -> bool {
    case.state == State::Answered && !case.told
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::ticket::case::{Event, Limits};
    use crate::written::{Faults, Source};

    fn config(text: &str) -> Config {
        let faults = Faults::default();
        let source = Source::new("jiesu.toml", text);
        let mut table = source.read(&faults).expect("TOML");
        let config = Config::read(&mut table);
        table.finish();
        assert!(faults.is_empty(), "{faults}");
        config
    }

    fn answered() -> Vec<Event> {
        let limits = Limits { accept: Timestamp::MAX, contact: Timestamp::MAX, answer: Timestamp::MAX };
        let (unit, why, version) = ("110105001".to_owned(), "street".to_owned(), "1".to_owned());
        vec![
            Event::Received { dispatch: Timestamp::MAX },
            Event::Dispatched { unit: unit.clone(), co: Vec::new(), copies: Vec::new(), limits, why, version },
            Event::Accepted { unit: unit.clone() },
            Event::Answered { unit, text: "已修好".into() },
        ]
    }

    fn case(events: &[Event]) -> Case {
        Case::of(events.iter().map(|event| (event, Timestamp::UNIX_EPOCH))).expect("legal").expect("a case")
    }

    #[test]
    fn a_caller_is_told_once_of_each_answer() {
        let mut events = answered();
        assert!(is_due(&case(&events)) && !is_due(&case(&events[..3])));
        events.push(Event::CallerTold { channel: "sms".into(), what: "answer".into() });
        assert!(!is_due(&case(&events)));
        let limits = case(&events).limits.expect("limits");
        events.push(Event::Reopened { unit: "110105001".into(), limits, reason: "not solved".into() });
        events.push(Event::Accepted { unit: "110105001".into() });
        events.push(Event::Answered { unit: "110105001".into(), text: "又修了".into() });
        assert!(is_due(&case(&events)), "a new answer");
    }

    #[test]
    fn what_a_unit_writes_fills_no_blanks() {
        let number: Number = "261127000018".parse().expect("a number");
        let case = case(&answered());
        let message =
            config("answer = \"{title}（{number}）：{answer}{x}\"").message(number, &case, "138", "路灯", "见{number}");
        assert_eq!(message.text, "路灯（261127000018）：见{number}{x}");
        assert_eq!((message.key.as_str(), message.to.as_str()), ("261127000018-0-answer", "138"));
    }

    #[test]
    fn waits_grow_and_end() {
        let config = config("tries = 3\nfirst_wait = \"1s\"");
        let waits: Vec<_> = (1..5).map(|tried| config.wait(tried).map(|wait| wait.as_secs())).collect();
        assert_eq!(waits, [Some(1), Some(2), None, None]);
        assert_eq!(super::Config { tries: 100, ..config }.wait(90), Some(LONGEST_WAIT));
    }
}
