//! What the interpreter is told and what it wants done: the words between a flow and a call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};

use crate::calendar::Calendar;

/// Who calls, by which line, and what is known then.
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
    /// What has happened where the caller is, if an admin has said so.
    pub incident: Option<Incident>,
    /// The variables that a call of ours brings along: the flow's `given`.
    pub given: BTreeMap<String, String>,
    /// Which days are worked.
    pub calendar: Arc<Calendar>,
    /// When the call began; [`Input::Around`] tells of later.
    pub around: Around,
}

/// A known incident: many will call about the same thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Incident {
    pub id: String,
    /// What callers hear of it, `{incident}`.
    pub text: String,
    /// The ticket to which theirs are linked.
    pub ticket: Option<String>,
}

/// The world around a call at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Around {
    /// Local time.
    pub now: DateTime,
    /// Running calls in per cent of those that are taken at once.
    pub load: u8,
}

/// How the caller is spoken to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// `None`: the one of the prompts without a language, Chinese as shipped.
    pub language: Option<String>,
    pub pace: Pace,
    pub gain: Gain,
}

/// How fast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Pace {
    #[default]
    Normal,
    /// For who hears or follows with difficulty.
    Slow,
}

impl Pace {
    /// The words in the file.
    pub const WORDS: [(&'static str, Pace); 2] = [("normal", Pace::Normal), ("slow", Pace::Slow)];
}

/// How loud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gain {
    #[default]
    Normal,
    Loud,
}

impl Gain {
    /// The words in the file.
    pub const WORDS: [(&'static str, Gain); 2] = [("normal", Gain::Normal), ("loud", Gain::Loud)];
}

/// What the caller chose by key, or by the line they dialled: for the classifier, never instead of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    pub topic: Option<String>,
    pub category: Option<String>,
    pub kind: Option<String>,
    pub urgency: Option<String>,
    /// The code of the place that the caller said yes to when they were asked which one they mean.
    pub place: Option<String>,
    /// Codes of the places that they said no to.
    pub elsewhere: Vec<String>,
}

impl Hints {
    /// `later` wins where it says something.
    pub fn add(&mut self, later: &Hints) {
        for (ours, theirs) in [
            (&mut self.topic, &later.topic),
            (&mut self.category, &later.category),
            (&mut self.kind, &later.kind),
            (&mut self.urgency, &later.urgency),
            (&mut self.place, &later.place),
        ] {
            if theirs.is_some() {
                ours.clone_from(theirs);
            }
        }
        self.elsewhere.extend(later.elsewhere.iter().cloned());
    }
}

/// A place that the caller's words may mean, among others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub code: String,
    /// As people say it: 八里庄街道, or 朝阳区 for a whole district.
    pub name: String,
    pub district: String,
}

impl Place {
    /// As it is asked for: 朝阳区的八里庄街道.
    pub fn spoken(&self) -> String {
        match self.name == self.district {
            true => self.district.clone(),
            false => format!("{}的{}", self.district, self.name),
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

/// Which ticket is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sought {
    Number(String),
    /// The caller's last.
    Last,
    /// The caller's earlier ticket about the same matter as this call's.
    Repeated,
}

impl fmt::Display for Sought {
    /// As scripts write it: the number, `repeated`, or nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sought::Number(number) => f.write_str(number),
            Sought::Last => Ok(()),
            Sought::Repeated => f.write_str("repeated"),
        }
    }
}

/// A ticket that was looked up.
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
    /// Said while nothing was asked: over a prompt (which said `spoken`), at a menu, while a target rings. Only an
    /// emergency is made of it.
    Overheard {
        text: String,
        spoken: String,
    },
    /// Nothing was said within the latest [`Output::Listen`]'s time.
    NoInput,
    /// The ticket is committed.
    Filed {
        number: String,
    },
    FileFailed,
    /// The answer to [`Output::LookUp`]; `None`: there is no such ticket.
    Status(Option<StatusReport>),
    /// Nobody took the transferred call; `code` is SIP's.
    TransferFailed {
        code: u16,
    },
    /// Somebody took it, and has hung up.
    TransferEnded,
    /// The time of the latest [`Output::Deadline`] is over.
    Deadline,
    /// What time it is and how busy the daemon is, before anything that may ask for it.
    Around(Around),
    /// A known incident concerns the caller, as far as their words tell.
    Known(Incident),
    /// Between which places the caller's words leave it open, the likeliest first; it takes the place of the one before.
    Places(Vec<Place>),
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
    /// As `Listen`, but nobody waits for the text: answered by [`Input::Heard`] with [`Heard::Pending`] as soon as it is
    /// recorded.
    Record {
        listen: u32,
        no_input: Duration,
        silence: Duration,
        max: Duration,
    },
    StopListen,
    /// Every later `Play` is spoken so.
    Speak(Delivery),
    /// Send [`Input::Deadline`] after this long; takes the place of the one before. `None` forgets it.
    Deadline(Option<Duration>),
    /// File the ticket; answered by [`Input::Filed`] or [`Input::FileFailed`].
    File {
        hints: Hints,
        confirmed: bool,
    },
    /// Look up an earlier ticket; answered by [`Input::Status`].
    LookUp(Sought),
    /// Put the call through to a SIP address.
    Transfer {
        target: String,
        by: By,
    },
    /// Something was asked; `answer`: the one that is like it, by its id.
    Question {
        said: String,
        answer: Option<String>,
    },
    /// A rule of `emergency.toml` is raised, by these words or keys.
    Emergency {
        rule: String,
        words: String,
    },
    /// The target is not called any longer; nothing answers.
    StopTransfer,
    /// Record everything from now until the call ends, talks with others included; asked again it goes on.
    RecordAll,
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
