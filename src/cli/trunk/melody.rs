//! A sound that can be told from every other, whatever a codec, a gateway or a delay did to it: a row of tones, drawn
//! anew each time. Pure.
//!
//! Speech would be compared sample by sample, which jitter buffers and voice codecs spoil; which tone sounds when
//! survives them all.

use std::f64::consts::TAU;
use std::time::Duration;

use rand::Rng;

use crate::audio::{level, tone};

/// What everything here is sampled at.
const RATE: usize = 8_000;
/// Of a telephone's band, apart from the tones of Q.23, of signalling (2,600 Hz) and of faxes (1,100 and 2,100 Hz).
const TONES: [f64; 8] = [440.0, 570.0, 1010.0, 1270.0, 1560.0, 1830.0, 2300.0, 2900.0];
/// So many are played: that many others fit by chance once in a thousand million years.
const NOTES: usize = 12;
/// How long each sounds.
const NOTE: Duration = Duration::from_millis(160);
/// Where is listened: every 20 ms, 80 ms long, so that a window stands wholly inside each note.
const HOP: usize = RATE / 50;
const WINDOW: usize = 4 * HOP;
const HOPS_A_NOTE: usize = 8;
/// From a note's beginning to the window in its middle.
const INTO: usize = 2;
/// A window sounds of one tone if this share of its energy is that tone's.
const PURE: f64 = 0.5;
/// And if it is louder than this (dBFS).
const QUIET: f64 = -50.0;

/// Which tones, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Melody([usize; NOTES]);

/// How much of a melody was heard.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Heard {
    /// Of its notes, 0 to 1.
    pub share: f64,
    /// Where it begins in what was heard.
    pub at: Duration,
}

impl Heard {
    /// Whether this was the melody and nothing else: a lost packet may take a note, three quarters are no chance.
    pub fn is_it(&self) -> bool {
        self.share >= 0.75
    }
}

impl Melody {
    /// No note follows itself: a row that is off by one note fits nowhere.
    pub fn drawn(random: &mut impl Rng) -> Melody {
        let mut notes = [0; NOTES];
        let mut before = TONES.len();
        for note in &mut notes {
            *note = random.random_range(0..TONES.len() - usize::from(before < TONES.len()));
            *note += usize::from(before < TONES.len() && *note >= before);
            before = *note;
        }
        Melody(notes)
    }

    pub fn duration(&self) -> Duration {
        NOTE * NOTES as u32
    }

    /// Samples at 8 kHz, at a loudness that no codec clips.
    pub fn sound(&self) -> Vec<i16> {
        self.0.iter().flat_map(|note| tone::sine(TONES[*note], NOTE, 0.25)).collect()
    }

    /// Where it fits best in what was heard (8 kHz), and how well.
    pub fn heard_in(&self, samples: &[i16]) -> Heard {
        let places = samples.len().saturating_sub(WINDOW) / HOP;
        let windows: Vec<Option<usize>> =
            (0..places).map(|place| note_of(&samples[place * HOP..place * HOP + WINDOW])).collect();
        let fits = |at: usize| {
            let notes = self.0.iter().enumerate();
            notes.filter(|(i, note)| windows.get(at + i * HOPS_A_NOTE + INTO) == Some(&Some(**note))).count()
        };
        let counts: Vec<usize> = (0..places).map(fits).collect();
        let most = counts.iter().copied().max().unwrap_or_default();
        let first = counts.iter().position(|count| *count == most).unwrap_or_default();
        // A window fits a note while it lies within it: the place is in the middle of those that fit alike.
        let alike = counts[first..].iter().take_while(|count| **count == most).count();
        let at = first + alike.saturating_sub(1) / 2;
        Heard { share: most as f64 / NOTES as f64, at: Duration::from_millis(20 * at as u64) }
    }
}

/// Which tone sounds in a window, if one does.
fn note_of(window: &[i16]) -> Option<usize> {
    if level::dbfs(window) < QUIET {
        return None;
    }
    let energy: f64 = window.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    // A sine of amplitude a has n*a²/2 of energy, and its Goertzel power is (n*a/2)².
    let whole = energy * window.len() as f64 / 2.0;
    TONES.iter().position(|hz| power(window, *hz) >= PURE * whole)
}

/// The power of one frequency (Goertzel).
fn power(samples: &[i16], hz: f64) -> f64 {
    let k = 2.0 * (TAU * hz / RATE as f64).cos();
    let (mut a, mut b) = (0.0, 0.0);
    for sample in samples {
        (a, b) = (f64::from(*sample) + k * a - b, a);
    }
    a * a + b * b - k * a * b
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, proptest};
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    fn drawn(seed: u64) -> Melody {
        Melody::drawn(&mut SmallRng::seed_from_u64(seed))
    }

    proptest! {
        #[test]
        fn it_is_found_where_it_stands_among_noise(seed: u64, before in 0usize..20_000, after in 0usize..4_000) {
            let melody = drawn(seed);
            let mut random = SmallRng::seed_from_u64(seed ^ 1);
            let mut heard: Vec<i16> = vec![0; before];
            heard.extend(melody.sound());
            heard.extend(vec![0; after]);
            // 20 dB below the tones.
            heard.iter_mut().for_each(|sample| *sample = sample.saturating_add(random.random_range(-1_000..=1_000)));
            let found = melody.heard_in(&heard);
            prop_assert!(found.share > 0.9, "{found:?}");
            let off = found.at.as_millis().abs_diff(before as u128 / 8);
            prop_assert!(off <= 60, "{found:?}, it begins at {} ms", before / 8);
        }

        #[test]
        fn another_one_and_noise_are_not_it(seed: u64) {
            let (melody, other) = (drawn(seed), drawn(seed.wrapping_add(1)));
            prop_assert!(!melody.heard_in(&other.sound()).is_it());
            let mut random = SmallRng::seed_from_u64(seed);
            let noise: Vec<i16> = (0..30_000).map(|_| random.random_range(-8_000..=8_000)).collect();
            prop_assert!(melody.heard_in(&noise).share < 0.3);
            prop_assert!(melody.heard_in(&[]).share < 0.1);
        }
    }

    #[test]
    fn codecs_leave_it_what_it_is() {
        use crate::audio::g711::Law;
        let melody = drawn(7);
        let passed: Vec<i16> = melody.sound().iter().map(|sample| Law::Mu.decode(Law::Mu.encode(*sample))).collect();
        assert!(melody.heard_in(&passed).share > 0.9);
    }
}
