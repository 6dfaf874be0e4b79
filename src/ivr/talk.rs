//! What the interpreter is told and what it wants done: the words between a flow and a call.

use std::time::Duration;

use jiff::civil::{Date, Time};

/// Who calls, and by which line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The caller's number; empty if withheld.
    pub caller: String,
    /// The line that was dialled, e.g. `12319`.
    pub line: String,
    /// The line's own greeting, as a prompt id (`line-12319`); the flow's `greeting` stands in.
    pub greeting: Option<String>,
    /// What calls on this line are usually about.
    pub topic: Option<String>,
}

/// What the caller chose by key, or by the line they dialled: for the classifier, never instead of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    pub topic: Option<String>,
    pub category: Option<String>,
    pub kind: Option<String>,
    pub urgency: Option<String>,
}

impl Hints {
    /// `later` wins where it says something.
    pub fn add(&mut self, later: &Hints) {
        for (ours, theirs) in [
            (&mut self.topic, &later.topic),
            (&mut self.category, &later.category),
            (&mut self.kind, &later.kind),
            (&mut self.urgency, &later.urgency),
        ] {
            if theirs.is_some() {
                ours.clone_from(theirs);
            }
        }
    }
}

/// What became of an utterance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Text(String),
    /// It is recorded, but nobody knows yet what it says (no model, queue full, too late).
    Pending,
}

/// The caller's last ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusReport {
    pub number: String,
    /// The state's name as the ticket writes it; the flow says how it is spoken.
    pub state: String,
    pub unit: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The call is up: the flow begins.
    Answered,
    Digit(char),
    PlayDone {
        play: u32,
    },
    /// The answer to the latest [`Output::Listen`].
    Heard(Heard),
    /// Nothing was said within the latest [`Output::Listen`]'s time.
    NoInput,
    /// The ticket is committed.
    Filed {
        number: String,
    },
    FileFailed,
    /// The answer to [`Output::LookUp`]; `None`: this caller has no ticket.
    Status(Option<StatusReport>),
    /// Nobody took the transferred call; `code` is SIP's.
    TransferFailed {
        code: u16,
    },
    /// Somebody took it, and has hung up.
    TransferEnded,
    /// The time of the latest [`Output::Deadline`] is over.
    Deadline,
    HungUp,
}

/// What has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Takes the place of whatever is playing. [`Input::PlayDone`] with the same number ends it.
    Play {
        play: u32,
        say: Vec<Say>,
        barge_in: bool,
    },
    StopPlay,
    /// Record until `silence` after speech, until `#`, or for `max`; give up after `no_input` without speech.
    Listen {
        listen: u32,
        no_input: Duration,
        silence: Duration,
        max: Duration,
    },
    StopListen,
    /// Send [`Input::Deadline`] after this long; takes the place of the one before. `None` forgets it.
    Deadline(Option<Duration>),
    /// File the ticket; answered by [`Input::Filed`] or [`Input::FileFailed`].
    File {
        hints: Hints,
        confirmed: bool,
    },
    /// Look up the caller's last ticket; answered by [`Input::Status`].
    LookUp,
    /// Put the call through to a SIP address.
    Transfer {
        target: String,
        by: By,
    },
    Hangup,
    /// A line for the call's journal.
    Note(String),
}

/// How a call is put through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum By {
    /// By a second call of ours, joined to the caller's: recording, ticket and a failed transfer stay ours.
    #[default]
    Bridge,
    /// The caller's side is asked to call the target itself (REFER, RFC 3515); we are out of the call then.
    Refer,
    /// As `Refer`, but only once the target has taken our own call, whose place the caller takes (RFC 3891).
    Attended,
}

impl By {
    /// The words in the file.
    pub const WORDS: [(&'static str, By); 3] =
        [("bridge", By::Bridge), ("refer", By::Refer), ("attended", By::Attended)];
}

/// One piece of what is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Say {
    /// A recorded prompt's id.
    Prompt(String),
    /// Free text.
    Text(String),
    /// One by one.
    Digits(String),
    Count(u64),
    Date(Date),
    Time(Time),
}
