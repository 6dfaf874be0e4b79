//! What of that which is heard may be our own voice, come back from the caller's loudspeaker or a hybrid.
//!
//! Pure: each tick the level of what is sent and of what is heard in, "this may be all echo" out. Nothing is taken out of
//! the sound (the recording stays what it was): it is only known when a caller cannot be told from our own prompt.
//!
//! How loud the echo is and how late it comes are never known, only bounded. If it comes `lag` frames later, then at no
//! moment can it be louder than what is heard; so the least that heard lies above sent, over the last seconds, bounds the
//! echo for that lag from above, whether the caller spoke meanwhile or not. The loudest that any lag allows for now is the
//! most that can be echo now. Who speaks above that is heard: with a clean line at once, with a loudspeaker in the gaps
//! between our words and wherever they are louder.

use crate::audio::Coding;

/// The longest way of our voice there and back: 600 ms (satellites, jitter buffers). In frames.
const LAGS: usize = 30;
/// An echo is taken to be at least so much quieter than what was sent (dB), until more is known.
const LEAST_LOSS: f32 = 3.0;
/// What is sent below this is silence (dB): it says nothing, and makes no echo.
const SENT: f32 = -60.0;
/// A caller is this much louder than what the echo can be (dB): a loudspeaker gives some sounds back better than others.
const ABOVE: f32 = 7.0;
/// The last word in a room dies away by so many dB a frame.
const DECAY: f32 = 2.0;
/// The bounds are of the last seconds: a caller moves, or takes the receiver off the table.
const STRETCH: u16 = 100;
const STRETCHES: usize = 3;
/// Frames of a history, and a slot for each lag.
const KEPT: usize = LAGS + 4;

/// How loud a frame is for this comparison, in dB: of the differences between neighbouring samples, because small
/// loudspeakers give back the highs of a voice alike, and its lows hardly.
pub fn level(coding: Coding, octets: &[u8]) -> f32 {
    let samples = coding.samples(octets);
    let square = |pair: &[i16]| (i64::from(pair[1]) - i64::from(pair[0])).pow(2);
    let sum: i64 = samples.windows(2).map(square).sum();
    let mean = sum as f32 / samples.len().max(1) as f32;
    10.0 * (mean.max(1.0) / (32_768.0 * 32_768.0)).log10()
}

/// One caller's echo.
#[derive(Debug, Clone)]
pub struct Echo {
    /// Levels of what was sent, a ring; `at` is the newest.
    sent: [f32; KEPT],
    /// The same as an echo may still be heard: what dies away included.
    lasting: [f32; KEPT],
    at: usize,
    /// How much the echo of each lag is louder than what was sent, at most (negative), by stretches of time.
    most: [[f32; LAGS]; STRETCHES],
    stretch: usize,
    frames: u16,
    /// Frames since something was sent.
    silent: usize,
}

impl Default for Echo {
    fn default() -> Echo {
        Echo {
            sent: [f32::NEG_INFINITY; KEPT],
            lasting: [f32::NEG_INFINITY; KEPT],
            at: 0,
            most: [[-LEAST_LOSS; LAGS]; STRETCHES],
            stretch: 0,
            frames: 0,
            silent: KEPT,
        }
    }
}

impl Echo {
    /// One tick: the [`level`] of the frame that went out and of the one that was heard; `None` where there was none.
    /// Says whether what was heard may be nothing but our own.
    pub fn frame(&mut self, sent: Option<f32>, heard: Option<f32>) -> bool {
        let sent = sent.filter(|level| *level > SENT).unwrap_or(f32::NEG_INFINITY);
        let lasting = sent.max(self.lasting[self.at] - DECAY);
        self.at = (self.at + 1) % KEPT;
        self.sent[self.at] = sent;
        self.lasting[self.at] = if lasting > SENT { lasting } else { f32::NEG_INFINITY };
        self.silent = if sent > SENT { 0 } else { self.silent.saturating_add(1) };
        let Some(heard) = heard.filter(|_| self.lasts()) else { return false };
        self.frames += 1;
        if self.frames > STRETCH {
            self.frames = 1;
            self.stretch = (self.stretch + 1) % STRETCHES;
            self.most[self.stretch] = [-LEAST_LOSS; LAGS];
        }
        let mut echo = f32::NEG_INFINITY;
        for lag in 0..LAGS {
            // Frames of the two directions do not lie on each other, and a jitter buffer may move: the quietest of three
            // frames teaches, the loudest of four may be heard.
            let least = (lag..lag + 3).map(|n| self.ago(&self.sent, n)).fold(f32::INFINITY, f32::min);
            if least > SENT {
                let most = &mut self.most[self.stretch][lag];
                *most = most.min(heard - least);
            }
            let most = self.most.iter().map(|stretch| stretch[lag]).fold(-LEAST_LOSS, f32::min);
            let loudest =
                (lag.saturating_sub(1)..lag + 3).map(|n| self.ago(&self.lasting, n)).fold(f32::NEG_INFINITY, f32::max);
            echo = echo.max(loudest + most);
        }
        heard <= echo + ABOVE
    }

    /// Something that was sent may still come back.
    pub fn lasts(&self) -> bool {
        self.silent < KEPT + 10
    }

    fn ago(&self, levels: &[f32; KEPT], frames: usize) -> f32 {
        levels[(self.at + KEPT - frames) % KEPT]
    }
}

#[cfg(test)]
mod tests;
