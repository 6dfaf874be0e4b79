//! One call's state, pure: SIP, media and recogniser on one side, the flow's interpreter on the other.
//!
//! One input at a time, then drain [`Session::poll`]. The session owns what a ticket is made of (keys, segments,
//! texts) and keeps the promise of "no lost citizen": however the call ends, [`Output::File`] comes exactly once if
//! anything was said or keyed, and [`Output::Over`] comes last, exactly once.
//!
//! What was said is *kept* (row in the store) before it is *recognised*, and recognised before it is understood.

mod long;
mod overhear;
mod record;
mod talk;

use std::collections::VecDeque;
use std::time::Duration;

use crate::ivr::{self, Heard, Interpreter, Say};
use crate::media::{Segment, SegmentEnd};

pub use overhear::{ALL, FIRST as OVERHEARD};
pub use record::{Record, Utterance};
pub use talk::{Input, Output};

/// A caller hears nothing for this long while the recogniser works; then they are told that it does.
const PATIENCE: Duration = Duration::from_millis(1500);
/// The prompt that tells it, and its play number: the interpreter counts from 1.
pub const ONE_MOMENT: &str = "one-moment";
const MOMENT: u32 = u32::MAX - 1;

/// Keys that are kept of one call.
const MAX_KEYS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Answered, not yet confirmed.
    Ringing,
    Up,
    /// The dialog is over; the leg is being closed.
    Closing,
    /// The leg is closed; the ticket is being filed.
    Filing,
    Over,
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    interpreter: Interpreter,
    record: Record,
    life: Life,
    /// The interpreter's latest listen: only its answer moves the flow.
    listening: Option<u32>,
    /// That listen is a message: nobody waits for its text.
    message: bool,
    /// The caller waits for this utterance's text in silence.
    waiting: Option<usize>,
    long: long::Long,
    ear: overhear::Ear,
    recording_all: bool,
    filing: bool,
    filed_once: bool,
    /// How urgent the ticket is that was filed, or is being filed.
    filed_as: Option<String>,
    /// It became urgent while it was being filed: it is filed again, which raises it.
    file_again: bool,
    why: &'static str,
    out: VecDeque<Output>,
}

impl Session {
    pub fn new(interpreter: Interpreter) -> Session {
        Session {
            interpreter,
            record: Record::default(),
            life: Life::Ringing,
            listening: None,
            message: false,
            waiting: None,
            long: long::Long::default(),
            ear: overhear::Ear::default(),
            recording_all: false,
            filing: false,
            filed_once: false,
            filed_as: None,
            file_again: false,
            why: "",
            out: VecDeque::new(),
        }
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The flow's node at present, for logs.
    pub fn node(&self) -> &str {
        self.interpreter.node()
    }

    /// Whether what the caller says now answers a menu, so that a few words are awaited.
    pub fn choosing(&self) -> bool {
        self.interpreter.choosing()
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub fn input(&mut self, input: Input) {
        self.take(input);
        self.prick_up();
    }

    fn take(&mut self, input: Input) {
        // The leg is closed: only the ticket is still to come.
        let late = matches!(self.life, Life::Filing | Life::Over);
        if late && !matches!(input, Input::Filed { .. } | Input::FileFailed) {
            return;
        }
        match input {
            Input::Confirmed if self.life == Life::Ringing => {
                self.life = Life::Up;
                self.tell(ivr::Input::Answered);
            }
            Input::Confirmed => {}
            Input::Digit(key) => {
                if self.record.keys.len() < MAX_KEYS {
                    self.record.keys.push(key);
                    self.out.push_back(Output::KeepKeys);
                }
                self.tell(ivr::Input::Digit(key));
            }
            Input::PlayDone { play } => self.tell(ivr::Input::PlayDone { play }),
            Input::SpokenOver { play } => self.spoken_over(play),
            Input::Segment(segment) if segment.listen >= OVERHEARD => self.overheard_segment(segment),
            Input::Segment(segment) => self.segment(segment),
            Input::NoInput { listen } if listen >= OVERHEARD => self.heard_nothing(listen),
            Input::NoInput { listen } if self.listening == Some(listen) => self.tell(ivr::Input::NoInput),
            Input::NoInput { .. } => {}
            Input::Recognised { index, text } => self.recognised(index, text),
            Input::Overheard { listen, text, spoken } => self.overheard(listen, text, spoken),
            Input::Joined => self.ear.joined(true),
            Input::Filed { number } => {
                self.filing = false;
                self.filed_once = true;
                self.record.number = Some(number.clone());
                if std::mem::take(&mut self.file_again) {
                    return self.file();
                }
                self.tell(ivr::Input::Filed { number });
                self.finish();
            }
            Input::FileFailed => {
                self.filing = false;
                self.file_again = false;
                self.tell(ivr::Input::FileFailed);
                if self.life == Life::Filing {
                    // Recovery files it at the next start: the rows and recordings are there.
                    self.filed_once = true;
                    self.out.push_back(Output::Note("the ticket could not be filed; recovery will".into()));
                    self.finish();
                }
            }
            Input::Status(report) => self.tell(ivr::Input::Status(report)),
            Input::TransferFailed { code } => {
                self.ear.joined(false);
                self.tell(ivr::Input::TransferFailed { code });
            }
            Input::TransferEnded => {
                self.ear.joined(false);
                self.tell(ivr::Input::TransferEnded);
            }
            Input::Deadline if self.waiting.take().is_some() => {
                let say = vec![Say::Prompt(ONE_MOMENT.to_owned())];
                self.out.push_back(Output::Play { play: MOMENT, say, barge_in: true });
            }
            Input::Deadline => self.tell(ivr::Input::Deadline),
            Input::Places(places) => self.interpreter.input(ivr::Input::Places(places)),
            Input::Known(incident) => self.interpreter.input(ivr::Input::Known(incident)),
            Input::Around(around) => self.interpreter.input(ivr::Input::Around(around)),
            Input::Inactive => {
                if matches!(self.life, Life::Ringing | Life::Up) {
                    self.out.push_back(Output::Note("no audio from the caller: hanging up".into()));
                    self.out.push_back(Output::Hangup);
                }
            }
            Input::Ended { why } => {
                if matches!(self.life, Life::Ringing | Life::Up) {
                    self.tell(ivr::Input::HungUp);
                    self.why = why;
                    self.life = Life::Closing;
                    self.out.push_back(Output::CloseLeg);
                }
            }
            Input::LegClosed => {
                if matches!(self.life, Life::Closing) {
                    self.life = Life::Filing;
                    self.leave_overheard();
                    if self.must_file() {
                        self.file();
                    }
                    self.finish();
                }
            }
        }
    }

    fn must_file(&self) -> bool {
        !self.filed_once && !self.filing && self.record.said_or_keyed()
    }

    fn file(&mut self) {
        self.filing = true;
        // Who hangs up inside a menu has said by keys what it is about.
        self.record.hints = self.interpreter.hints().clone();
        self.filed_as.clone_from(&self.record.hints.urgency);
        self.out.push_back(Output::File);
    }

    fn finish(&mut self) {
        if self.life == Life::Filing && !self.filing {
            self.life = Life::Over;
            self.out.push_back(Output::Over { why: self.why });
        }
    }

    fn segment(&mut self, segment: Segment) {
        let index = self.record.utterances.len();
        if let Some(error) = &segment.error {
            self.out.push_back(Output::Note(format!("recording {index}: {error}")));
        }
        let silent = segment.speech.is_zero() && segment.error.is_none();
        let by_key = matches!(segment.ended, SegmentEnd::Key(_));
        self.record.utterances.push(Utterance {
            listen: segment.listen,
            file: segment.file,
            duration: segment.duration,
            speech: segment.speech,
            text: None,
            error: segment.error,
        });
        self.out.push_back(Output::Keep { index });
        let wanted = self.life == Life::Up && self.listening == Some(segment.listen);
        if wanted && segment.ended == SegmentEnd::Cut {
            return self.piece(index, silent);
        }
        if !wanted || segment.ended == SegmentEnd::HungUp || segment.ended == SegmentEnd::Stopped {
            return;
        }
        if silent && !by_key && !self.long.is_long() {
            self.tell(ivr::Input::NoInput);
        } else if self.message {
            // Its text comes after the call, when the ticket is completed.
            self.tell(ivr::Input::Heard(Heard::Pending));
        } else {
            self.long.last(index);
            self.out.push_back(Output::Recognise { index });
            self.waiting = Some(index);
            self.out.push_back(Output::Deadline(Some(PATIENCE)));
        }
    }

    fn recognised(&mut self, index: usize, text: Option<String>) {
        let Some(utterance) = self.record.utterances.get_mut(index) else { return };
        utterance.text.clone_from(&text);
        if self.life != Life::Up {
            return;
        }
        if self.listening != Some(utterance.listen) {
            // Nobody waits for it any more, but it may be an emergency.
            if let Some(text) = text {
                self.tell(ivr::Input::Overheard { text, spoken: String::new() });
            }
            return;
        }
        let Some(text) = self.together(index, text.clone()) else {
            // The caller goes on speaking; an emergency does not wait for the end.
            if let Some(text) = text {
                self.tell(ivr::Input::Overheard { text, spoken: String::new() });
            }
            return;
        };
        if self.waiting.take().is_some() {
            self.out.push_back(Output::Deadline(None));
        }
        match text {
            None => self.tell(ivr::Input::Heard(Heard::Pending)),
            Some(text) if text.is_empty() => self.tell(ivr::Input::NoInput),
            Some(text) => self.tell(ivr::Input::Heard(Heard::Text(text))),
        }
    }

    /// Gives the interpreter an input and carries its outputs over. Before the ACK and after the end it hears nothing.
    fn tell(&mut self, input: ivr::Input) {
        if self.life != Life::Up {
            return;
        }
        let joined = self.interpreter.joined();
        self.interpreter.input(input);
        if self.interpreter.joined() && !joined {
            self.out.push_back(Output::Join);
        }
        while let Some(output) = self.interpreter.poll() {
            // The flow goes on without the text (a key was pressed): the deadline is its own again.
            if !matches!(output, ivr::Output::Note(_) | ivr::Output::Emergency { .. }) {
                self.waiting = None;
            }
            match output {
                ivr::Output::Play { play, say, barge_in } => self.out.push_back(Output::Play { play, say, barge_in }),
                ivr::Output::StopPlay => self.out.push_back(Output::StopPlay),
                ivr::Output::Listen { listen, no_input, silence, max } => {
                    self.listening = Some(listen);
                    self.long = long::Long::default();
                    self.ear.replaced();
                    self.message = false;
                    self.out.push_back(Output::Listen { listen, no_input, silence, max });
                }
                ivr::Output::Record { listen, no_input, silence, max } => {
                    self.listening = Some(listen);
                    self.long = long::Long::default();
                    self.message = true;
                    self.ear.replaced();
                    self.out.push_back(Output::Listen { listen, no_input, silence, max });
                }
                ivr::Output::Speak(delivery) => self.out.push_back(Output::Speak(delivery)),
                ivr::Output::StopListen => self.out.push_back(Output::StopListen),
                ivr::Output::Deadline(after) => self.out.push_back(Output::Deadline(after)),
                ivr::Output::File { hints, confirmed } => {
                    self.record.hints = hints;
                    self.record.confirmed |= confirmed;
                    let urgent = Some("urgent");
                    let raised = self.record.hints.urgency.as_deref() == urgent && self.filed_as.as_deref() != urgent;
                    if self.filing {
                        self.file_again |= raised;
                    } else if self.filed_once && !raised {
                        // One ticket a call: what was added is kept with it, the number stays.
                        let number = self.record.number.clone().unwrap_or_default();
                        self.interpreter.input(ivr::Input::Filed { number });
                    } else {
                        self.file();
                    }
                }
                ivr::Output::LookUp(sought) => self.out.push_back(Output::LookUp(sought)),
                ivr::Output::Transfer { target, by } => self.out.push_back(Output::Transfer { target, by }),
                ivr::Output::StopTransfer => self.out.push_back(Output::StopTransfer),
                ivr::Output::Question { said, answer } => self.out.push_back(Output::Question { said, answer }),
                ivr::Output::Emergency { rule, words } => self.out.push_back(Output::Emergency { rule, words }),
                ivr::Output::RecordAll => {
                    if !std::mem::replace(&mut self.recording_all, true) {
                        self.out.push_back(Output::RecordAll { listen: ALL });
                    }
                }
                ivr::Output::Hangup => self.out.push_back(Output::Hangup),
                ivr::Output::Note(line) => self.out.push_back(Output::Note(line)),
            }
        }
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "session/long_tests.rs"]
mod long_tests;

#[cfg(test)]
#[path = "session/overhear_tests.rs"]
mod overhear_tests;
