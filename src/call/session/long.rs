//! What is said in one go but comes in pieces, and what is said over a prompt.
//!
//! Media cuts a long utterance at its pauses into files of their own. Each is kept and recognised as soon as it is closed;
//! what was said is their texts in order, once the last of them has its own.

use super::{Life, Output, Session};
use crate::asr::text;
use crate::ivr;

/// The pieces of the listen under way.
#[derive(Debug, Default)]
pub(super) struct Long {
    /// Utterances of the record, in order.
    pieces: Vec<usize>,
    /// Those of them whose text was asked for and has not come.
    asked: Vec<usize>,
    ended: bool,
}

impl Long {
    /// Something was cut off already.
    pub(super) fn is_long(&self) -> bool {
        !self.pieces.is_empty()
    }

    /// The last piece is recorded, and its text asked for.
    pub(super) fn last(&mut self, index: usize) {
        self.pieces.push(index);
        self.asked.push(index);
        self.ended = true;
    }
}

impl Session {
    /// A piece that was cut off.
    pub(super) fn piece(&mut self, index: usize, silent: bool) {
        self.long.pieces.push(index);
        if !self.message && !silent {
            self.long.asked.push(index);
            self.out.push_back(Output::Recognise { index });
        }
    }

    /// The text of piece `index` has come, or will not come. Gives the whole when nothing more is waited for: `None` in
    /// it, where a piece has no text yet.
    pub(super) fn together(&mut self, index: usize, text: Option<String>) -> Option<Option<String>> {
        let Some(at) = self.long.asked.iter().position(|asked| *asked == index) else {
            // Nobody waits for pieces: it is told as it is.
            return Some(text);
        };
        self.long.asked.remove(at);
        if !self.long.ended || !self.long.asked.is_empty() {
            return None;
        }
        let mut whole = String::new();
        for utterance in self.long.pieces.iter().filter_map(|piece| self.record.utterances.get(*piece)) {
            match &utterance.text {
                Some(text) => text::join(&mut whole, text),
                // Silence that lay between two cuts was not listened to.
                None if utterance.speech.is_zero() && utterance.error.is_none() => {}
                None => return Some(None),
            }
        }
        Some(Some(whole))
    }

    /// The caller speaks while this plays: where what they say is awaited after it, it stops and they are listened to.
    pub(super) fn spoken_over(&mut self, play: u32) {
        if self.life == Life::Up && self.interpreter.gives_way(play) {
            self.out.push_back(Output::StopPlay);
            self.tell(ivr::Input::PlayDone { play });
        }
    }
}
