//! What a session is told and what it asks for.

use std::path::PathBuf;
use std::time::Duration;

use crate::ivr::{self, Say};
use crate::media::Segment;

/// What happens to a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The caller's ACK arrived: both sides agree that the call is up.
    Confirmed,
    Digit(char),
    PlayDone {
        play: u32,
    },
    /// The caller speaks while this plays.
    SpokenOver {
        play: u32,
    },
    /// A closed, synced recording of one utterance.
    Segment(Segment),
    NoInput {
        listen: u32,
    },
    /// The recogniser's answer for segment `index`; `None`: no text for now (no model, queue full, too late).
    Recognised {
        index: usize,
        text: Option<String>,
    },
    /// The answer to [`Output::Understand`]; `spoken`: what the machine was saying meanwhile.
    Overheard {
        listen: u32,
        text: Option<String>,
        spoken: String,
    },
    /// The transfer's target hears the caller.
    Joined,
    /// The ticket is committed under this number.
    Filed {
        number: String,
    },
    FileFailed,
    Status(Option<ivr::StatusReport>),
    TransferFailed {
        code: u16,
    },
    TransferEnded,
    /// A known incident concerns the caller: their words tell it.
    Known(ivr::Incident),
    /// Between which places the caller's words leave it open.
    Places(Vec<ivr::Place>),
    /// The interpreter's deadline.
    Deadline,
    /// What time it is, and how busy the daemon.
    Around(ivr::Around),
    /// No audio for longer than the media's limit: the caller's machine has gone (ATTACKS 25).
    Inactive,
    /// The dialog is over, by whichever side.
    Ended {
        why: &'static str,
    },
    /// The leg is closed: nothing more will be recorded.
    LegClosed,
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    Play {
        play: u32,
        say: Vec<Say>,
        barge_in: bool,
    },
    StopPlay,
    /// Record the caller's next utterance.
    Listen {
        listen: u32,
        no_input: Duration,
        silence: Duration,
        max: Duration,
    },
    StopListen,
    /// Record what is said although nothing is asked, until the next of these or a `Listen`.
    Overhear {
        listen: u32,
    },
    /// Ask for the text of what was overheard; the answer is [`Input::Overheard`].
    Understand {
        listen: u32,
        file: PathBuf,
        duration: Duration,
    },
    /// Delete a recording that nobody asked for.
    Forget {
        file: PathBuf,
    },
    /// What was overheard may be an emergency, but nobody has its text yet: intake hears it after the call.
    Leave {
        listen: u32,
        file: PathBuf,
        duration: Duration,
    },
    /// Something was asked; without an answer it is kept for whoever writes answers.
    Question {
        said: String,
        answer: Option<String>,
    },
    /// A rule of `emergency.toml` has the call from now on: for logs and metrics.
    Emergency {
        rule: String,
        words: String,
    },
    /// Record all that is heard, until the leg closes; it comes as a segment then.
    RecordAll {
        listen: u32,
    },
    /// Every later `Play` is spoken so.
    Speak(ivr::Delivery),
    /// Write the keys pressed so far.
    KeepKeys,
    /// Write the segment's row.
    Keep {
        index: usize,
    },
    /// Ask for the segment's text; the answer is [`Input::Recognised`].
    Recognise {
        index: usize,
    },
    /// Call [`Session::input`](super::Session::input) with [`Input::Deadline`] after this long; `None` forgets it.
    Deadline(Option<Duration>),
    /// File the ticket from [`Session::record`](super::Session::record).
    File,
    /// The caller wants to be added to the incident that concerns them.
    Join,
    /// Look up an earlier ticket.
    LookUp(ivr::Sought),
    Transfer {
        target: String,
        by: ivr::By,
    },
    /// Call the target no longer.
    StopTransfer,
    /// End the dialog.
    Hangup,
    /// Close the leg; the answer is [`Input::LegClosed`].
    CloseLeg,
    /// A line for the call's journal.
    Note(String),
    /// Nothing is left to do: the call row may be closed.
    Over {
        why: &'static str,
    },
}
