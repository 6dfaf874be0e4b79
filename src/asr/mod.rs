//! Hearing: what a caller said, as text.
//!
//! Owns the queue of utterances that wait to be heard, the OS threads that hear them, and the shelf of model files.
//! An utterance is a closed WAV file on disk (the recorder sealed it before anyone asks for its text), so that
//! whatever happens here costs text and never audio: [`Asr::submit`] answers with a [`Transcript`] or says why there
//! is none ([`Unheard`]), and the ticket then says "text pending".
//!
//! * Never blocks a call: submitting is a push on a bounded `queue`; the answer is a future that ends at the job's
//!   deadline at the latest, whatever the threads do.
//! * Live calls come before background work, and never wait behind it.
//! * An engine is one file behind [`Recogniser`] ([`whisper`] here); others, and the doubles of tests, implement the
//!   same two traits.
//! * A job says what it is for ([`Purpose`]): a small model may answer for spoken choices, a large one correct texts
//!   afterwards. Where the one that is meant is missing, another that is there hears.
//! * The models may come later: while one is missing, a watcher looks at the [`shelf`] and hearing with it begins when
//!   its file arrives. A file that is not a sound model is refused before the engine sees it ([`ggml`]).
//! * Each word of a text knows its time in the audio ([`words`]), whatever the engine.
//!
//! Refuses: to decide what a text means (`classify`), and to choose the demonstration recogniser by itself.

#[cfg(feature = "whisper")]
mod abort;
mod config;
pub mod cut;
pub mod ggml;
#[cfg(feature = "daemon")]
mod models;
#[cfg(feature = "daemon")]
mod prompt;
#[cfg(feature = "daemon")]
mod queue;
#[cfg(feature = "daemon")]
mod service;
#[cfg(feature = "daemon")]
pub mod shelf;
pub mod text;
#[cfg(feature = "whisper")]
pub mod whisper;
pub mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub use config::Config;
#[cfg(feature = "daemon")]
pub use prompt::prompt;
#[cfg(feature = "daemon")]
pub use service::{Asr, read};
#[cfg(feature = "daemon")]
pub use shelf::{advice, load, open};
pub use words::Word;

/// Samples a second of everything that a recogniser gets.
pub const RATE: u32 = 16_000;

/// Who waits for the text. The order is the order of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A caller is on the line.
    Live,
    /// A ticket whose text is pending.
    Background,
}

impl Priority {
    /// As a label of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Priority::Live => "live",
            Priority::Background => "background",
        }
    }
}

/// What the text is for: which model hears.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// An answer to a menu or a question: a few words, wanted at once.
    Choice,
    /// What a citizen has to say.
    #[default]
    Complaint,
    /// A text that is there, heard again with the best model when there is time.
    Correction,
}

impl Purpose {
    /// In the order in which models are loaded: what callers wait for comes first.
    pub const ALL: [Purpose; 3] = [Purpose::Complaint, Purpose::Choice, Purpose::Correction];

    /// As in logs, labels and the store.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Choice => "choice",
            Purpose::Complaint => "complaint",
            Purpose::Correction => "correction",
        }
    }
}

/// One utterance to be heard.
#[derive(Debug, Clone)]
pub struct Job {
    /// A closed WAV file of any usual rate.
    pub file: PathBuf,
    /// After this nobody wants the text any more; work on it ends too.
    pub deadline: Instant,
    pub priority: Priority,
    pub purpose: Purpose,
    /// Names that are likely to be said, as a sentence; for models that were trained with such a beginning.
    pub prompt: Option<Arc<str>>,
}

impl Job {
    /// A complaint of which nothing is known beforehand.
    pub fn new(file: PathBuf, deadline: Instant, priority: Priority) -> Job {
        Job { file, deadline, priority, purpose: Purpose::default(), prompt: None }
    }
}

/// What was heard.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transcript {
    /// Trimmed, with the recogniser's punctuation. Empty where nothing was said, or nothing that can be believed.
    pub text: String,
    /// When each word of it was said.
    pub words: Vec<Word>,
    /// Why a text that the engine gave was not believed.
    pub refused: Option<text::Refused>,
    /// How long the audio is.
    pub audio: Duration,
    /// How long the job was in the queue.
    pub waited: Duration,
    /// How long hearing took, without the wait in the queue.
    pub took: Duration,
    /// Whose text this is, e.g. `jiesu-demo-q8_0`.
    pub model: String,
}

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unheard {
    #[error("there is no speech model")]
    NoModel,
    #[error("too many utterances wait already")]
    QueueFull,
    /// Those before it will take until its deadline: said at once, so that nobody waits in vain.
    #[error("too busy to hear it in time")]
    Overloaded,
    #[error("the text was not there in time")]
    TooLate,
    /// The file is missing or no sound WAV; trying again will not help.
    #[error("the recording cannot be read: {0}")]
    Unreadable(String),
    /// The engine failed.
    #[error("the recogniser failed: {0}")]
    Failed(String),
    /// The service is going down.
    #[error("hearing has been stopped")]
    Stopped,
}

impl Unheard {
    /// As a label of metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Unheard::NoModel => "no_model",
            Unheard::QueueFull => "queue_full",
            Unheard::Overloaded => "overloaded",
            Unheard::TooLate => "too_late",
            Unheard::Unreadable(_) => "unreadable",
            Unheard::Failed(_) => "failed",
            Unheard::Stopped => "stopped",
        }
    }

    /// Whether the same job may succeed later.
    pub fn passing(&self) -> bool {
        !matches!(self, Unheard::Unreadable(_))
    }
}

/// How long a worker may go on with one utterance.
#[derive(Debug, Clone)]
pub struct Until {
    deadline: Instant,
    stop: Arc<AtomicBool>,
    /// Somebody more urgent waits.
    interrupt: Arc<AtomicBool>,
}

impl Until {
    pub fn new(deadline: Instant, stop: Arc<AtomicBool>) -> Until {
        Until { deadline, stop, interrupt: Arc::default() }
    }

    /// Ends when `interrupt` is set, too.
    pub fn or(self, interrupt: Arc<AtomicBool>) -> Until {
        Until { interrupt, ..self }
    }

    /// A deadline that nothing else ends.
    pub fn deadline(deadline: Instant) -> Until {
        Until::new(deadline, Arc::default())
    }

    /// Time to give up: the deadline is past, the service stops, or the worker is wanted elsewhere.
    pub fn passed(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.interrupt.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }

    /// How much time is left.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Why a worker gave no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It saw [`Until::passed`] and gave up.
    #[error("given up at the deadline")]
    GivenUp,
    /// The engine failed; the worker is thrown away and made anew.
    #[error("{0}")]
    Engine(String),
}

/// A loaded model, shared by all threads.
pub trait Recogniser: Send + Sync {
    /// The model's name, for logs and tickets.
    fn name(&self) -> &str;
    /// What one thread needs to hear. Called on that thread, and again after a fault.
    fn worker(&self) -> Result<Box<dyn Worker>, Fault>;
}

/// One thread's ears.
pub trait Worker {
    /// Hears one utterance: 16 kHz mono, -1 to 1. Must look at `until` often enough to end soon after it has passed.
    fn hear(&mut self, pcm: &[f32], until: &Until) -> Result<Heard, Fault>;

    /// What is likely to be said in the next utterance; for engines that can make use of it.
    fn expect(&mut self, _prompt: Option<&str>) {}
}

/// What a worker gives back, already cleaned by [`text::clean`].
pub type Heard = Result<Said, text::Refused>;

/// A text, and when its words were said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    pub text: String,
    /// Empty where the engine does not know; then the service lays the text over the audio ([`words::split`]).
    pub words: Vec<Word>,
}

impl<T: Into<String>> From<T> for Said {
    fn from(text: T) -> Said {
        Said { text: text.into(), words: Vec::new() }
    }
}
