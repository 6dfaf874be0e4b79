//! What the store takes and gives: plain rows, no SQL.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::{Hearing, Transcribed};
use crate::asr::Word;
use crate::id::{CallId, VersionId};
use crate::ticket::{Event, How, Number, State, Text};

/// A call, written when it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRow {
    pub id: CallId,
    /// The line that was dialled.
    pub line: String,
    /// The caller's number, as far as the trunk vouches for it.
    pub caller: Option<String>,
    /// What the caller's side calls itself: never trusted.
    pub display: Option<String>,
    pub trunk: String,
    /// What the caller's side gave along for ours (User-to-User, RFC 7433), as written.
    pub user_to_user: Option<String>,
    /// The version of flows and prompts that it follows to its end ([`crate::id::VersionId`], as people are shown it).
    pub version: Option<String>,
    pub began: Timestamp,
    pub answered: Timestamp,
}

/// One recorded utterance of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentRow {
    pub call: CallId,
    pub index: u32,
    pub file: PathBuf,
    pub duration: Duration,
    /// How much of it was speech by its energy.
    pub speech: Duration,
    /// What was said; `None` while nobody has recognised it, empty if there was nothing to recognise.
    pub text: Option<String>,
    /// The recording has a fault (disk full, ...).
    pub error: Option<String>,
}

/// An utterance without text counts as said when this much of it was speech.
pub const SAID: Duration = Duration::from_millis(600);

impl SegmentRow {
    /// Whether there is anything in it that must not be lost.
    pub fn said(&self) -> bool {
        self.speech >= SAID || self.error.is_some() || self.text.as_ref().is_some_and(|text| !text.is_empty())
    }
}

/// What the words of a matter mean, as the store keeps it. `filing` makes it from `classify::Understood`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Meaning {
    /// 咨询, 求助, 投诉, 举报, 建议, ...
    pub kind: String,
    pub category: [String; 3],
    pub confidence: f64,
    pub urgency: String,
    /// The unit in charge.
    pub unit: Option<String>,
    pub place: Option<Place>,
    /// Which words each field rests on: JSON, as `classify --json` prints it.
    pub evidence: serde_json::Value,
    /// Where and what in at most 30 characters; empty where nothing was said.
    pub title: String,
    /// Times, places, wishes and contacts: JSON, a list of `classify::summary::Fact`.
    pub facts: serde_json::Value,
}

/// The street office in whose area it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Place {
    pub code: String,
    pub name: String,
    pub district: String,
    pub confidence: f64,
}

/// Everything that filing puts down in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Filing {
    pub call: CallId,
    pub line: String,
    pub caller: Option<String>,
    pub began: Timestamp,
    pub keys: String,
    pub how: How,
    /// Kept utterances; those that the store has already are completed, not doubled.
    pub segments: Vec<SegmentRow>,
    /// All that was said, `None` if nothing is text yet.
    pub text: Option<String>,
    pub text_state: Text,
    pub meaning: Meaning,
    /// What the flow knew besides the words (topic, category, kind, urgency): kept for classifying again. JSON.
    pub hints: serde_json::Value,
    /// By when a unit has to be in charge; `None`: [`super::DISPATCH_WITHIN`] from now.
    pub dispatch: Option<Timestamp>,
}

/// The number that a call's ticket has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filed {
    pub number: Number,
    /// `false`: the call had this ticket already; nothing was written.
    pub fresh: bool,
}

/// A recording as a ticket shows it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Recording {
    pub file: PathBuf,
    pub duration_s: f64,
    /// What was said in it.
    pub text: Option<String>,
    /// When each word of it was said: for `jiesu ticket show --json`, too much for lists and backends.
    #[serde(skip)]
    pub words: Vec<Word>,
    /// How the text came about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hearing: Option<Hearing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Every text that it ever had, where there was more than the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<TextRow>,
}

/// A text that a recording has or had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TextRow {
    #[serde(serialize_with = "text")]
    pub at: Timestamp,
    /// Who heard it; empty where nobody knows any more.
    pub model: String,
    pub text: String,
    /// `filed`: it stood in the ticket; `pending`: it was missing there; `correction`: a better model heard it.
    pub why: String,
}

/// A ticket as it is read. Serializes to what `jiesu ticket list --json` and the backends' payloads show.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ticket {
    pub number: Number,
    #[serde(serialize_with = "text")]
    pub call: CallId,
    pub line: String,
    pub caller: Option<String>,
    pub state: State,
    pub how: How,
    /// When the call began.
    #[serde(serialize_with = "text")]
    pub began: Timestamp,
    /// When the ticket was committed.
    #[serde(serialize_with = "text")]
    pub opened: Timestamp,
    /// When its last event happened.
    #[serde(serialize_with = "text")]
    pub changed: Timestamp,
    pub text: Option<String>,
    pub text_pending: bool,
    pub text_state: Text,
    #[serde(rename = "type")]
    pub kind: String,
    pub category: [String; 3],
    pub confidence: f64,
    pub urgency: String,
    pub place: Option<Place>,
    pub unit: Option<String>,
    pub evidence: serde_json::Value,
    pub title: String,
    pub facts: serde_json::Value,
    pub keys: String,
    pub recordings: Vec<Recording>,
    /// The known incident that the caller wanted to be added to, and that one's own ticket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<Number>,
    /// The matter that it reports, with others; `None` until it was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matter: Option<i64>,
    /// The same caller's earlier ticket of the same matter (art. 11 (3)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Number>,
}

/// Ids, and times as RFC 3339 in UTC.
fn text<T: std::fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// One line of a ticket's history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventRow {
    /// From 1, without gaps.
    pub seq: u32,
    #[serde(serialize_with = "text")]
    pub at: Timestamp,
    #[serde(flatten)]
    pub event: Event,
}

/// Where a delivery to a backend stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboxState {
    /// Not taken yet; it is tried (again) when it falls due.
    Waiting,
    Sent,
    /// Not tried any more until `jiesu outbox retry`.
    Parked,
}

/// One thing to be told to one backend.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OutboxRow {
    pub id: i64,
    pub backend: String,
    pub ticket: Number,
    /// `created` or `updated`.
    pub event: String,
    /// The same for every try: a backend that has seen it drops the second one.
    pub key: String,
    /// The body, as it was when the event happened.
    #[serde(skip)]
    pub payload: String,
    pub state: OutboxState,
    pub tries: u32,
    #[serde(serialize_with = "text")]
    pub due: Timestamp,
    /// Why the last try failed.
    pub reason: Option<String>,
}

/// A call that may need a ticket made from what is in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsettled {
    pub call: CallRow,
    pub keys: String,
    pub segments: Vec<SegmentRow>,
}

/// A call that is over, and how it went.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    pub call: CallRow,
    pub keys: String,
    pub segments: Vec<SegmentRow>,
    /// As [`crate::ivr::journal`] writes it; `None` for calls that a crash cut off, and for those before journals were kept.
    pub journal: Option<String>,
    pub ticket: Option<Number>,
    /// What the flow knew besides the words, where there is a ticket.
    pub hints: Option<serde_json::Value>,
}

/// Why an utterance is heard beside the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// It has no text yet.
    Text,
    /// A better model may correct the text that it has.
    Correction,
}

/// An utterance that somebody has taken to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leased {
    pub call: CallId,
    pub index: u32,
    pub file: PathBuf,
    pub work: Work,
    /// Who has it.
    pub worker: String,
    /// How often it was taken, this time included.
    pub tries: u32,
}

/// A ticket whose text is pending and of which everything was heard that can be.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    pub number: Number,
    pub call: CallId,
    /// Where an utterance could not be heard: after how many tries, and why.
    pub given_up: Option<(u32, String)>,
    pub hints: serde_json::Value,
    pub segments: Vec<SegmentRow>,
}

/// A ticket of which a better model has heard everything again.
#[derive(Debug, Clone, PartialEq)]
pub struct Reheard {
    pub number: Number,
    pub call: CallId,
    pub hints: serde_json::Value,
    /// With the texts that they have.
    pub segments: Vec<SegmentRow>,
    /// By utterance; those that could not be heard are missing.
    pub heard: Vec<(u32, Transcribed)>,
}

/// A version of what calls follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRow {
    /// What people call it: 1, 2, 3, ...
    pub number: i64,
    pub id: VersionId,
    /// When it was first seen.
    pub saved: Timestamp,
    pub author: String,
    pub note: String,
    /// Its files and the hashes of their contents.
    pub files: BTreeMap<String, String>,
}

/// What became of an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationState {
    Waiting,
    Taken,
    /// It did not check when its time came.
    Refused,
    /// Somebody changed their mind.
    Withdrawn,
}

impl ActivationState {
    const ALL: [ActivationState; 4] =
        [ActivationState::Waiting, ActivationState::Taken, ActivationState::Refused, ActivationState::Withdrawn];

    pub fn word(self) -> &'static str {
        match self {
            ActivationState::Waiting => "waiting",
            ActivationState::Taken => "taken",
            ActivationState::Refused => "refused",
            ActivationState::Withdrawn => "withdrawn",
        }
    }

    pub fn read(word: &str) -> Option<ActivationState> {
        ActivationState::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// That a version became, or shall become, the one that new calls follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivationRow {
    /// 0 in a row that is not written yet.
    pub id: i64,
    /// The version's number.
    pub version: i64,
    pub due: Timestamp,
    pub state: ActivationState,
    pub author: String,
    pub note: String,
    /// Why it was refused.
    pub why: Option<String>,
    /// What the configuration folder held when it was taken.
    pub folder: Option<VersionId>,
}

/// A known incident: many will call about the same thing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentRow {
    pub id: i64,
    /// What callers from there hear of it.
    pub text: String,
    /// Streets and districts, as `places/` names them.
    pub places: Vec<String>,
    /// What callers say who mean it: compounds, roads, lines.
    pub words: Vec<String>,
    /// The first digits of the numbers that call from there.
    pub callers: Vec<String>,
    #[serde(serialize_with = "text")]
    pub since: Timestamp,
    #[serde(serialize_with = "text")]
    pub until: Timestamp,
    /// Closed before its time.
    #[serde(serialize_with = "maybe")]
    pub closed: Option<Timestamp>,
    pub author: String,
    /// To which the others' are linked: given by hand, or the first caller's.
    pub ticket: Option<Number>,
    /// Tickets of callers who were added.
    pub joined: u64,
}

fn maybe<T: std::fmt::Display, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

/// A ticket that a person has to be told of by telephone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlarmRow {
    pub ticket: Number,
    /// When it became one.
    pub since: Timestamp,
    /// Nobody is called before this.
    pub due: Timestamp,
    /// Numbers called so far.
    pub step: u32,
}

/// One call to a duty telephone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DutyCall {
    #[serde(serialize_with = "text")]
    pub at: Timestamp,
    /// Whose telephone.
    pub unit: String,
    pub number: String,
    /// `accepted`, `no_answer`, …; `None`: under way, or cut off by the node's fall.
    pub outcome: Option<String>,
}
