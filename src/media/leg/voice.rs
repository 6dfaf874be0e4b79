//! What of that which is heard is given to the network that knows voices, and what it says of it.
//!
//! The network is dear (`audio::silero`: ten times the rest of a call), so it is asked only while somebody listens and
//! something sounds, and it runs in threads of its own. It answers some frames later, or, where those threads are behind,
//! not at all: then energy alone decides, as it does where there is no such network.

use std::collections::VecDeque;

use super::Output;
use super::hearing::Before;
use crate::audio::Coding;

/// Frames that are given at once. A look takes 32 ms; the answer for a frame comes 20 to 80 ms later.
const CHUNK: u32 = 4;
/// An answer is of use for so many frames.
const FRESH: u32 = 15;
/// How long the first answer is waited for; till then it is no voice. What was before is not lost: [`Before`].
const FIRST: u32 = 8;
/// What sounds so much above the line's noise may be a voice (dB); steady noise stays within 3 dB of its quietest frame.
const ABOVE: f32 = 3.0;
/// Nothing below is (dBFS): an idle line.
const QUIETEST: f32 = -50.0;
/// Frames from before that it is given first.
const LEAD: usize = 15;
/// Frames that must be quiet before the network is asked no more.
const HOLD: u32 = 25;
/// As sure the network must be that a voice begins, and that it still goes on.
const BEGINS: f32 = 0.5;
const GOES_ON: f32 = 0.35;

/// Sound for the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    pub coding: Coding,
    pub octets: Vec<u8>,
    /// The number of its last frame.
    pub last: u32,
    /// It does not follow what was given before.
    pub anew: bool,
}

/// The network's answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// The number of the last frame that was heard.
    pub last: u32,
    /// How sure it is of a voice, 0 to 1.
    pub score: f32,
}

/// One caller's.
#[derive(Debug, Default)]
pub(super) struct Attention {
    /// Of the newest frame.
    frame: u32,
    state: State,
    verdict: Option<Answer>,
    /// The score before the newest: one look alone begins nothing.
    before: f32,
}

#[derive(Debug, Default)]
enum State {
    /// Nothing sounds, or nobody listens.
    #[default]
    Rests,
    Asks {
        /// Of the first frame that was given.
        since: u32,
        /// Frames of quiet.
        quiet: u32,
        chunk: Vec<u8>,
        anew: bool,
    },
}

impl Attention {
    pub(super) fn answer(&mut self, verdict: Answer) {
        // One that comes late belongs to another sound.
        if let State::Asks { since, .. } = self.state
            && verdict.last.wrapping_sub(since) <= self.frame.wrapping_sub(since)
        {
            if let Some(last) = self.verdict.filter(|last| *last != verdict) {
                self.before = last.score;
            }
            self.verdict = Some(verdict);
        }
    }

    /// What was kept from before is in another coding.
    pub(super) fn forget(&mut self) {
        self.state = State::Rests;
    }

    /// One tick's frame, its level, and the line's noise. `wanted`: somebody listens, and there is a network.
    pub(super) fn frame(
        &mut self,
        (coding, frame): (Coding, &[u8]),
        (dbfs, floor): (Option<f32>, f32),
        before: &Before,
        wanted: bool,
        out: &mut VecDeque<Output>,
    ) {
        self.frame = self.frame.wrapping_add(1);
        let sounds = dbfs.is_some_and(|dbfs| dbfs > (floor + ABOVE).max(QUIETEST));
        if !wanted {
            self.state = State::Rests;
            return;
        }
        if let State::Rests = self.state
            && sounds
        {
            // The network must hear how it began.
            let chunk = before.last(LEAD).concat();
            self.state = State::Asks { since: self.frame, quiet: 0, chunk, anew: true };
            (self.verdict, self.before) = (None, 0.0);
        }
        let State::Asks { quiet, chunk, anew, .. } = &mut self.state else { return };
        *quiet = if sounds { 0 } else { *quiet + 1 };
        chunk.extend_from_slice(frame);
        let over = *quiet >= HOLD;
        if chunk.len() >= CHUNK as usize * coding.frame() || *anew {
            let octets = std::mem::take(chunk);
            let anew = std::mem::replace(anew, false);
            out.push_back(Output::Sound(Sound { coding, octets, last: self.frame, anew }));
        }
        if over {
            self.state = State::Rests;
        }
    }

    /// Whether the newest frame belongs to a voice; `None`: nobody knows. `speaks`: it did until now.
    pub(super) fn voice(&self, speaks: bool) -> Option<bool> {
        let State::Asks { since, .. } = self.state else { return Some(false) };
        match self.verdict {
            Some(verdict) if self.frame.wrapping_sub(verdict.last) <= FRESH => {
                let begins = verdict.score >= BEGINS && (verdict.score + self.before) / 2.0 >= BEGINS;
                Some(if speaks { verdict.score >= GOES_ON } else { begins })
            }
            None if self.frame.wrapping_sub(since) <= FIRST => Some(false),
            _ => None,
        }
    }
}
