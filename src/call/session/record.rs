//! What a ticket is made of, as far as the call has come.

use std::path::PathBuf;
use std::time::Duration;

use crate::ivr;

/// One utterance.
#[derive(Debug, Clone, PartialEq)]
pub struct Utterance {
    /// Which of the interpreter's listens this answers.
    pub listen: u32,
    pub file: PathBuf,
    pub duration: Duration,
    /// How much of it was speech by its energy.
    pub speech: Duration,
    /// What was said; `None` while no recogniser has heard it.
    pub text: Option<String>,
    /// The recording has a fault (disk full, …).
    pub error: Option<String>,
}

/// An utterance without text counts as said when this much of it was speech.
const SAID: Duration = Duration::from_millis(600);

/// What a ticket is made of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// Every key pressed, in order.
    pub keys: String,
    pub utterances: Vec<Utterance>,
    pub hints: ivr::Hints,
    /// The caller heard it read back and agreed.
    pub confirmed: bool,
    /// The ticket's number once it is committed.
    pub number: Option<String>,
}

impl Record {
    /// Whether there is anything that must not be lost.
    pub fn said_or_keyed(&self) -> bool {
        !self.keys.is_empty()
            || self.utterances.iter().any(|u| match &u.text {
                Some(text) => !text.is_empty() || u.speech >= SAID,
                None => u.speech >= SAID || u.error.is_some(),
            })
    }
}
