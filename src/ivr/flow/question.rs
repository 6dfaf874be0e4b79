//! What a node asks, and what each answer (or none) leads to.

use std::time::Duration;

use jiff::civil::Time;

use super::Piece;
use crate::ivr::digits::Rule;
use crate::ivr::talk::{Gain, Hints, Pace};

/// A question that is answered by keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask<To> {
    pub say: Vec<Piece>,
    pub times: Times,
    pub no_input: Vec<Counted<To>>,
    pub no_match: Vec<Counted<To>>,
}

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// For the first key, or for speech to begin.
    pub wait: Duration,
    /// Between two keys of one choice.
    pub between: Duration,
    /// This much silence ends an utterance.
    pub silence: Duration,
    /// An utterance is cut off here.
    pub longest: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Choice<To> {
    /// One key or several in a row.
    pub keys: String,
    /// The same choice said aloud; empty: by key only.
    pub words: Vec<String>,
    pub go: To,
    pub hints: Hints,
}

/// A choice made by saying just this, where callers may say anything.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent<To> {
    pub words: Vec<String>,
    pub go: To,
    pub hints: Hints,
}

/// What is done at the n-th silence (or wrong key) of a visit: the one with the highest `count` not above n, as
/// VoiceXML 2.0 section 5.2.2 picks a handler. With `go` the node is left, without it the question is asked again.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted<To> {
    pub count: u32,
    pub say: Vec<Piece>,
    pub go: Option<To>,
}

/// The handler for the `n`-th event.
pub fn counted<To>(handlers: &[Counted<To>], n: u32) -> Option<&Counted<To>> {
    handlers.iter().filter(|h| h.count <= n).max_by_key(|h| h.count)
}

/// Which rows of digits are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digits {
    pub least: usize,
    /// With so many the answer is complete.
    pub most: usize,
    /// The key that says "that was all"; `None`: only `most`, or silence between two keys.
    pub end: Option<char>,
    pub rule: Rule,
}

/// How a caller wants to be spoken to from here on; what is `None` stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    pub language: Option<String>,
    pub pace: Option<Pace>,
    pub gain: Option<Gain>,
}

/// One way on, if all that it asks for holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Arm<To> {
    pub when: When,
    pub go: To,
}

/// What an arm asks for; what is empty or `None` is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct When {
    /// The caller's number begins with one of these.
    pub callers: Vec<String>,
    /// One of these lines was dialled.
    pub lines: Vec<String>,
    /// The local time of day lies from the first to before the second; the second may be the smaller (over midnight).
    pub time: Option<(Time, Time)>,
    /// At least so many per cent of the calls that this daemon takes (`calls.max`) are running.
    pub load: Option<u8>,
    /// Whether an incident is known where this caller is.
    pub incident: Option<bool>,
    /// The variable has a value; with a list, one of these.
    pub variable: Option<(String, Vec<String>)>,
}

impl When {
    /// Whether it asks for nothing, and so always holds.
    pub fn is_empty(&self) -> bool {
        *self == When::default()
    }
}
