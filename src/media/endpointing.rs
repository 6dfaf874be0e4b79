//! When a caller begins and ceases to speak, by energy above the line's own noise.
//!
//! Pure: one frame's level a tick in, one [`Said`] out. The noise floor is the quietest frame of the last two seconds:
//! even fast speech has gaps in that time, steady noise has none. Frames that never came (loss, silence suppression)
//! count as silence and teach nothing.

use std::time::Duration;

use super::TICK;

/// Speech is this much louder than the floor, in dB.
const ABOVE: f32 = 8.0;
/// Once speaking, this much is enough: the ends of words are quiet. Steady noise stays within 3 dB of its quietest frame.
const STILL: f32 = 4.0;
/// Nothing below this is speech, however quiet the line (dBFS).
const QUIETEST: f32 = -50.0;
/// The floor is never taken for more than this (dBFS): a call may begin in the middle of a word.
const NOISIEST: f32 = -30.0;
/// The floor is the least level of so many stretches of [`STRETCH`] frames.
const STRETCHES: usize = 4;
/// From this length on an utterance is cut at the next pause, and at the second length wherever it is: nothing is lost,
/// the rest goes on in a file of its own.
const CUT_SOON: Duration = Duration::from_secs(45);
const CUT_NOW: Duration = Duration::from_secs(60);
/// So many frames without speech are a pause: 160 ms, longer than the gap before a plosive.
const PAUSE: u32 = 8;
/// Half a second.
const STRETCH: u8 = 25;
/// Of the last [`ONSET_OF`] frames so many must be loud for speech to begin: a click is not a word.
const ONSET: u32 = 3;
const ONSET_OF: u32 = 5;

/// The last frames: each speech or not.
#[derive(Debug, Clone, Copy, Default)]
pub struct Recent {
    /// Newest in bit 0.
    bits: u32,
}

impl Recent {
    pub fn frame(&mut self, speech: bool) {
        self.bits = self.bits << 1 | u32::from(speech);
    }

    /// The newest frame is.
    pub fn is_speech(self) -> bool {
        self.of(1) == 1
    }

    /// Enough of them are.
    pub fn is_onset(self) -> bool {
        self.of(ONSET_OF) >= ONSET
    }

    /// How many of the last `frames` are, at most 31.
    pub fn of(self, frames: u32) -> u32 {
        (self.bits & ((1 << frames.min(31)) - 1)).count_ones()
    }
}

/// The line's noise and what stands out of it.
#[derive(Debug, Clone)]
pub struct Level {
    /// The least level of each stretch, a ring.
    least: [f32; STRETCHES],
    stretch: usize,
    frames: u8,
    recent: Recent,
}

impl Default for Level {
    fn default() -> Level {
        Level { least: [NOISIEST; STRETCHES], stretch: 0, frames: 0, recent: Recent::default() }
    }
}

impl Level {
    /// Takes a frame that came; `None` for one that did not.
    pub fn frame(&mut self, dbfs: Option<f32>) {
        let Some(dbfs) = dbfs else { return self.recent.frame(false) };
        let above = if self.recent.is_onset() { STILL } else { ABOVE };
        self.recent.frame(dbfs > (self.floor() + above).max(QUIETEST));
        self.frames += 1;
        if self.frames > STRETCH {
            self.frames = 1;
            self.stretch = (self.stretch + 1) % STRETCHES;
            self.least[self.stretch] = NOISIEST;
        }
        let least = &mut self.least[self.stretch];
        *least = least.min(dbfs);
    }

    /// What is louder than noise.
    pub fn recent(&self) -> Recent {
        self.recent
    }

    /// The noise, in dBFS.
    pub fn floor(&self) -> f32 {
        self.least.iter().copied().fold(NOISIEST, f32::min)
    }
}

/// One listen's state.
#[derive(Debug, Clone)]
pub enum Endpointer {
    /// Nobody spoke yet.
    Waiting { waited: Duration },
    Speaking {
        whole: Duration,
        /// Of what was not cut off yet, and of which speech.
        piece: Duration,
        speech: Duration,
        quiet: Duration,
    },
}

/// What a tick of a listen brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    Nothing,
    /// This frame, and the ones before it, belong to an utterance that has now begun.
    Begins,
    Goes,
    /// After this frame what was said so far is cut off, and goes on.
    Cut,
    /// After this frame.
    EndsInSilence,
    EndsByLength,
    /// Nobody spoke within the limit.
    NoInput,
}

impl Default for Endpointer {
    fn default() -> Endpointer {
        Endpointer::Waiting { waited: Duration::ZERO }
    }
}

impl Endpointer {
    /// One frame, the newest of `recent`. `before`: how much audio is kept from before speech.
    pub fn frame(&mut self, recent: Recent, before: Duration, limits: &super::ListenLimits) -> Said {
        match self {
            Endpointer::Waiting { waited } => {
                *waited += TICK;
                if recent.is_onset() {
                    let (whole, speech) = (before + TICK, TICK * ONSET);
                    *self = Endpointer::Speaking { whole, piece: whole, speech, quiet: Duration::ZERO };
                    Said::Begins
                } else if *waited >= limits.no_input {
                    Said::NoInput
                } else {
                    Said::Nothing
                }
            }
            Endpointer::Speaking { whole, piece, speech, quiet } => {
                *whole += TICK;
                *piece += TICK;
                if recent.is_speech() {
                    *speech += TICK;
                }
                // A click in the silence does not prolong it.
                *quiet = if recent.is_onset() { Duration::ZERO } else { *quiet + TICK };
                if *quiet >= limits.silence {
                    Said::EndsInSilence
                } else if *whole >= limits.max {
                    Said::EndsByLength
                } else if *piece >= CUT_NOW || *piece >= CUT_SOON && recent.of(PAUSE) == 0 {
                    Said::Cut
                } else {
                    Said::Goes
                }
            }
        }
    }

    /// Length of what was not cut off yet, and of the speech in it; `None` before it begins.
    pub fn spoken(&self) -> Option<(Duration, Duration)> {
        match self {
            Endpointer::Waiting { .. } => None,
            Endpointer::Speaking { piece, speech, .. } => Some((*piece, *speech)),
        }
    }

    /// The same, which is now cut off.
    pub fn cut(&mut self) -> Option<(Duration, Duration)> {
        let Endpointer::Speaking { piece, speech, .. } = self else { return None };
        Some((std::mem::take(piece), std::mem::take(speech)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::g711::Law;
    use crate::audio::{Coding, tone};
    use crate::media::{FRAME, ListenLimits};
    use rand::rngs::SmallRng;
    use rand::{Rng, SeedableRng};

    const LIMITS: ListenLimits = ListenLimits {
        no_input: Duration::from_secs(4),
        silence: Duration::from_millis(800),
        max: Duration::from_secs(10),
        end_keys: "#",
    };

    fn noise(seed: u64, amplitude: i16, ms: usize) -> Vec<i16> {
        let mut random = SmallRng::seed_from_u64(seed);
        (0..ms * 8).map(|_| random.random_range(-amplitude..=amplitude)).collect()
    }

    /// Bursts of 150 ms with 100 ms between them, as syllables are, over noise.
    fn speech(seed: u64, amplitude: f64, hiss: i16, ms: usize) -> Vec<i16> {
        let mut out = noise(seed, hiss, ms);
        let tone = tone::sine(300.0, Duration::from_millis(ms as u64), amplitude);
        for (i, (sample, tone)) in out.iter_mut().zip(tone).enumerate() {
            if i % 2000 < 1200 {
                *sample = sample.saturating_add(tone);
            }
        }
        out
    }

    /// (first, last) frame of the utterance and how the listen ended.
    fn run(pcm: &[i16]) -> (Option<usize>, usize, Said) {
        let (mut level, mut endpointer, mut begun) = (Level::default(), Endpointer::default(), None);
        for (i, samples) in pcm.chunks_exact(FRAME).enumerate() {
            let mut frame = [0; FRAME];
            for (code, sample) in frame.iter_mut().zip(samples) {
                *code = Law::A.encode(*sample);
            }
            level.frame(Some(Coding::Law(Law::A).dbfs(&frame)));
            match endpointer.frame(level.recent(), Duration::ZERO, &LIMITS) {
                Said::Begins => begun = Some(i),
                Said::Nothing | Said::Goes => {}
                end => return (begun, i, end),
            }
        }
        panic!("the listen did not end");
    }

    #[test]
    fn speech_is_found_at_any_usual_loudness_of_voice_and_line() {
        for (seed, (amplitude, hiss)) in
            [(0.5, 8), (0.1, 8), (0.02, 8), (0.5, 1000), (0.3, 1000), (0.1, 300), (0.03, 100)].into_iter().enumerate()
        {
            let seed = seed as u64;
            let mut pcm = noise(seed, hiss, 1500);
            pcm.extend(speech(seed, amplitude, hiss, 3000));
            pcm.extend(noise(seed + 9, hiss, 2500));
            let (begun, ended, how) = run(&pcm);
            let begun = begun.unwrap_or_else(|| panic!("{amplitude} over {hiss} was not heard"));
            assert!((75..=85).contains(&begun), "{amplitude} over {hiss}: begun at frame {begun}");
            assert_eq!(how, Said::EndsInSilence);
            assert!((225 + 35..=225 + 48).contains(&ended), "{amplitude} over {hiss}: ended at frame {ended}");
        }
    }

    #[test]
    fn silence_and_steady_noise_are_no_input() {
        for hiss in [1, 8, 100, 300, 1000] {
            assert_eq!(run(&noise(1, hiss, 5000)), (None, 199, Said::NoInput), "{hiss}");
        }
    }

    #[test]
    fn noise_that_sets_in_is_learnt() {
        let mut pcm = noise(1, 8, 1000);
        pcm.extend(noise(2, 1000, 6000));
        let (begun, ended, how) = run(&pcm);
        assert_eq!((begun, how), (Some(52), Said::EndsInSilence));
        assert!(ended < 50 + 125 + 45, "{ended}");
    }

    #[test]
    fn a_click_is_not_speech_and_talk_is_capped() {
        let mut pcm = noise(1, 8, 5000);
        pcm[16_000..16_100].fill(20_000);
        assert_eq!(run(&pcm), (None, 199, Said::NoInput));
        let (_, ended, how) = run(&speech(2, 0.3, 8, 15_000));
        assert_eq!(how, Said::EndsByLength);
        assert!((500..=510).contains(&ended), "{ended}");
    }

    #[test]
    fn missing_frames_are_silence_and_teach_nothing() {
        let (mut level, mut endpointer) = (Level::default(), Endpointer::default());
        for _ in 0..100 {
            level.frame(Some(-40.0));
        }
        let floor = level.floor();
        for n in 1..=200 {
            level.frame(None);
            let said = endpointer.frame(level.recent(), Duration::ZERO, &LIMITS);
            assert_eq!(said, if n == 200 { Said::NoInput } else { Said::Nothing });
        }
        assert_eq!(level.floor(), floor);
    }
}
