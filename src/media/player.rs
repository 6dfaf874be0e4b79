//! Prompts, encoded once for both laws and shared by every call that plays them; and one leg's queue of them.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{FRAME, dtmf};
use crate::audio::g711::Law;
use crate::audio::tone;
use crate::rtp::RATE;

/// One recording, ready to be sent. Calls share it; playing copies 160 octets a packet and nothing else.
#[derive(PartialEq, Eq)]
pub struct Prompt {
    a: Box<[u8]>,
    mu: Box<[u8]>,
}

impl Prompt {
    /// From mono samples at 8 kHz.
    pub fn from_pcm(samples: &[i16]) -> Prompt {
        let encode = |law: Law| samples.iter().map(|s| law.encode(*s)).collect();
        Prompt { a: encode(Law::A), mu: encode(Law::Mu) }
    }

    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.a.len() as u64 * 1_000_000 / u64::from(RATE))
    }

    /// Its octets, one a sample.
    pub fn encoded(&self, law: Law) -> &[u8] {
        match law {
            Law::A => &self.a,
            Law::Mu => &self.mu,
        }
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Prompt({:?})", self.duration())
    }
}

/// What a leg has to play under one number.
#[derive(Debug)]
pub struct Playing {
    pub play: u32,
    pub barge_in: bool,
    /// It was told that the caller speaks over it.
    pub spoken_over: bool,
    prompts: VecDeque<Arc<Prompt>>,
    /// Samples of the first prompt that are gone.
    at: usize,
}

impl Playing {
    pub fn new(play: u32, prompts: Vec<Arc<Prompt>>, barge_in: bool) -> Playing {
        Playing { play, barge_in, spoken_over: false, prompts: prompts.into(), at: 0 }
    }

    /// Fills one frame, prompts joined without a gap, the end padded with silence. `false`: nothing was left.
    pub fn fill(&mut self, law: Law, frame: &mut [u8; FRAME]) -> bool {
        let mut filled = 0;
        while filled < FRAME {
            let Some(prompt) = self.prompts.front() else { break };
            let left = &prompt.encoded(law)[self.at..];
            let take = left.len().min(FRAME - filled);
            frame[filled..filled + take].copy_from_slice(&left[..take]);
            filled += take;
            self.at += take;
            if take == left.len() {
                self.prompts.pop_front();
                self.at = 0;
            }
        }
        frame[filled..].fill(law.silence());
        filled > 0
    }

    /// Whether [`Playing::fill`] would find nothing.
    pub fn is_over(&self) -> bool {
        self.prompts.iter().all(|prompt| prompt.a.is_empty())
    }
}

/// Keys as the pairs of tones of ITU-T Q.23, 100 ms each with 100 ms between them, for an end that takes no events.
pub fn tones(keys: &str) -> Prompt {
    let (on, off) = (RATE as usize / 10, RATE as usize / 10);
    let mut pcm = Vec::new();
    for key in keys.chars().take(256) {
        let Some(pair) = dtmf::pair(key) else { continue };
        let span = Duration::from_millis(100);
        let pair = pair.map(|hz| tone::sine(hz, span, 0.2));
        pcm.extend(pair[0].iter().zip(&pair[1]).map(|(a, b)| a.saturating_add(*b)).take(on));
        pcm.resize(pcm.len() + off, 0);
    }
    Prompt::from_pcm(&pcm)
}

#[cfg(test)]
mod tests {
    use super::dtmf::{COLUMNS, ROWS};
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prompts_are_joined_without_a_gap(lengths in proptest::collection::vec(0usize..500, 0..6), mu: bool) {
            let law = if mu { Law::Mu } else { Law::A };
            let mut wanted = Vec::new();
            let mut prompts = Vec::new();
            for (i, length) in lengths.iter().enumerate() {
                let samples: Vec<i16> = (0..*length).map(|n| (n * 37 + i * 1000) as i16).collect();
                wanted.extend(samples.iter().map(|s| law.encode(*s)));
                prompts.push(Arc::new(Prompt::from_pcm(&samples)));
            }
            let mut playing = Playing::new(1, prompts, false);
            let mut heard = Vec::new();
            let mut frame = [0; FRAME];
            loop {
                let over = playing.is_over();
                prop_assert_eq!(playing.fill(law, &mut frame), !over);
                if over {
                    break;
                }
                heard.extend(frame);
            }
            let frames = wanted.len().div_ceil(FRAME);
            wanted.resize(frames * FRAME, law.silence());
            prop_assert_eq!(heard, wanted);
        }
    }

    /// The power of one frequency in a block (Goertzel).
    fn power(samples: &[i16], hz: f64) -> f64 {
        let k = 2.0 * (std::f64::consts::TAU * hz / f64::from(RATE)).cos();
        let (mut a, mut b) = (0.0, 0.0);
        for sample in samples {
            (a, b) = (f64::from(*sample) + k * a - b, a);
        }
        a * a + b * b - k * a * b
    }

    #[test]
    fn tones_are_those_of_q23() {
        let prompt = tones("5#x0");
        assert_eq!(prompt.duration(), Duration::from_millis(600));
        let pcm: Vec<i16> = prompt.encoded(Law::A).iter().map(|code| Law::A.decode(*code)).collect();
        for (i, (row, column)) in [(770.0, 1336.0), (941.0, 1477.0), (941.0, 1336.0)].into_iter().enumerate() {
            let key = &pcm[i * 1600..i * 1600 + 800];
            let weakest = power(key, row).min(power(key, column));
            for other in ROWS.iter().chain(&COLUMNS).filter(|hz| **hz != row && **hz != column) {
                assert!(weakest > 50.0 * power(key, *other), "key {i}: {other}");
            }
        }
    }

    #[test]
    fn a_prompt_knows_its_length() {
        assert_eq!(Prompt::from_pcm(&[0; 12_000]).duration(), Duration::from_millis(1500));
    }
}
