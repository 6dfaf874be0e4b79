//! What is heard while nothing is asked: over a prompt, at a menu, while a transfer's target rings.
//!
//! Only an emergency is made of it. An utterance that raises none is forgotten, its file too: the caller may not have
//! been told yet that the call is recorded (PIPL art. 17), and nobody asked. The one that does is kept before the rule
//! runs, so that the ticket rests on it. What has no text when the call needs it (the caller hung up, the recogniser is
//! behind) is left behind for intake, which hears it when it can. Bounded: so many utterances a call, so many waiting
//! for their text.

use std::time::Duration;

use super::{Life, Output, Session, Utterance};
use crate::ivr;
use crate::media::Segment;

/// Listens of this kind have numbers from here on; the interpreter counts its own from 1.
pub const FIRST: u32 = 1 << 20;
/// The recording of all that is heard from an emergency on.
pub const ALL: u32 = FIRST - 1;
/// Utterances that are looked at in one call.
const MOST: u32 = 60;
/// Utterances whose text is waited for; while so many are, further ones are not looked at.
const WAITING: usize = 2;
/// Less speech than this is no word.
const SHORTEST: Duration = Duration::from_millis(240);

/// One call's second ear.
#[derive(Debug, Default)]
pub(super) struct Ear {
    /// There is something to recognise with, and rules to hold the words against.
    open: bool,
    /// The listen under way.
    running: Option<u32>,
    begun: u32,
    utterances: u32,
    /// Waiting for their text.
    asked: Vec<Segment>,
    /// A human hears the caller: emergencies are theirs.
    joined: bool,
}

impl Ear {
    pub(super) fn replaced(&mut self) {
        self.running = None;
    }

    pub(super) fn joined(&mut self, joined: bool) {
        self.joined = joined;
    }
}

impl Session {
    /// Hears callers also while nothing is asked, where the flow's interpreter wants that.
    pub fn overhearing(mut self) -> Session {
        self.ear.open = true;
        self
    }

    /// Begins or ends the listen, as the call now stands.
    pub(super) fn prick_up(&mut self) {
        let up = self.life == Life::Up;
        let ear = &mut self.ear;
        let wanted = up && ear.open && !ear.joined && ear.utterances < MOST && self.interpreter.overhears();
        match ear.running {
            None if wanted => {
                ear.begun += 1;
                let listen = FIRST + ear.begun;
                ear.running = Some(listen);
                self.out.push_back(Output::Overhear { listen });
            }
            Some(_) if !wanted => {
                ear.running = None;
                if up {
                    self.out.push_back(Output::StopListen);
                }
            }
            _ => {}
        }
    }

    /// Nothing was said for the longest time that media waits.
    pub(super) fn heard_nothing(&mut self, listen: u32) {
        if self.ear.running == Some(listen) {
            self.ear.running = None;
        }
    }

    pub(super) fn overheard_segment(&mut self, segment: Segment) {
        self.heard_nothing(segment.listen);
        self.ear.utterances += 1;
        if segment.speech < SHORTEST {
            self.out.push_back(Output::Forget { file: segment.file });
        } else if self.life == Life::Up && segment.error.is_none() && self.ear.asked.len() < WAITING {
            let Segment { listen, file, duration, .. } = &segment;
            let (listen, file, duration) = (*listen, file.clone(), *duration);
            self.out.push_back(Output::Understand { listen, file, duration });
            self.ear.asked.push(segment);
        } else {
            self.leave(segment);
        }
    }

    pub(super) fn overheard(&mut self, listen: u32, text: Option<String>, spoken: String) {
        let Some(at) = self.ear.asked.iter().position(|segment| segment.listen == listen) else { return };
        let segment = self.ear.asked.remove(at);
        let Some(text) = text.filter(|_| self.life == Life::Up) else { return self.leave(segment) };
        if !self.interpreter.would_alarm(&text, &spoken) {
            self.out.push_back(Output::Forget { file: segment.file });
            return;
        }
        let index = self.record.utterances.len();
        self.record.utterances.push(Utterance {
            listen,
            file: segment.file,
            duration: segment.duration,
            speech: segment.speech,
            text: Some(text.clone()),
            error: None,
        });
        self.out.push_back(Output::Keep { index });
        self.tell(ivr::Input::Overheard { text, spoken });
    }

    /// The call is over: what still waits for its text may be an emergency all the same.
    pub(super) fn leave_overheard(&mut self) {
        for segment in std::mem::take(&mut self.ear.asked) {
            self.leave(segment);
        }
    }

    fn leave(&mut self, segment: Segment) {
        let Segment { listen, file, duration, .. } = segment;
        self.out.push_back(Output::Leave { listen, file, duration });
    }
}
