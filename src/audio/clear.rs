//! Speech made easier to follow: slower without a deeper voice, louder without clipping.
//!
//! Done on the samples, so that a studio's recordings, rendered prompts and free text are treated alike.

use std::f64::consts::TAU;

/// So much longer speech becomes. People of over 65 follow speech best at about three quarters of the usual pace.
pub const SLOWER: f64 = 1.3;
/// So much louder: 6 dB.
pub const LOUDER: f64 = 2.0;

/// A frame of 32 ms holds two periods of the deepest voice.
const FRAME: usize = 256;
/// Frames follow each other at half of that: squared sines then add up to one.
const HOP: usize = FRAME / 2;
/// How far from its place a frame may be taken, to fit the one before: a period of 125 Hz.
const SEARCH: usize = 64;
/// From this part of full scale on the gain goes down.
const KNEE: f64 = 0.5;

/// The same speech, [`SLOWER`] times as long and of the same pitch (WSOLA: W. Verhelst and M. Roelands, ICASSP 1993).
pub fn slower(samples: &[i16]) -> Vec<i16> {
    if samples.len() < 2 * FRAME {
        return samples.to_vec();
    }
    let length = (samples.len() as f64 * SLOWER) as usize;
    let window: Vec<f64> = (0..FRAME).map(|i| 0.5 - 0.5 * (TAU * i as f64 / FRAME as f64).cos()).collect();
    let mut sum = vec![0.0; length + FRAME];
    let last = samples.len() - FRAME;
    let mut taken = 0;
    // The first half frame has no neighbour to add up with.
    for (slot, sample) in sum.iter_mut().zip(&samples[..HOP]) {
        *slot = f64::from(*sample);
    }
    for (i, (slot, weight)) in sum.iter_mut().zip(&window).enumerate().take(HOP) {
        *slot -= weight * f64::from(samples[i]);
    }
    let mut at = 0;
    while at < length {
        if at > 0 {
            let ideal = ((at as f64 / SLOWER) as usize).min(last);
            let follows = (taken + HOP).min(last);
            let near = ideal.saturating_sub(SEARCH)..=(ideal + SEARCH).min(last);
            taken = nearest(samples, &samples[follows..follows + FRAME], near).unwrap_or(ideal);
        }
        for (i, weight) in window.iter().enumerate() {
            sum[at + i] += weight * f64::from(samples[taken + i]);
        }
        at += HOP;
    }
    sum.truncate(length);
    sum.into_iter().map(|value| value.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16).collect()
}

/// Where a frame begins that is most like `wanted`.
fn nearest(samples: &[i16], wanted: &[i16], near: std::ops::RangeInclusive<usize>) -> Option<usize> {
    let likeness = |from: usize| {
        let (mut product, mut energy) = (0.0, 1.0);
        // Every second sample: half the work, and nothing of a voice lies above 2 kHz that would matter here.
        for (a, b) in wanted.iter().zip(&samples[from..]).step_by(2) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            product += a * b;
            energy += b * b;
        }
        product / energy.sqrt()
    };
    near.map(|from| (likeness(from), from)).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, from)| from)
}

/// [`LOUDER`] times as loud. Peaks are bent, not cut: above the knee they come ever closer to full scale.
pub fn louder(samples: &[i16]) -> Vec<i16> {
    let full = f64::from(i16::MAX);
    let bent = |sample: &i16| {
        let value = f64::from(*sample) / full * LOUDER;
        let over = value.abs() - KNEE;
        let size = if over > 0.0 { KNEE + (1.0 - KNEE) * (over / (1.0 - KNEE)).tanh() } else { value.abs() };
        (size.copysign(value) * full) as i16
    };
    samples.iter().map(bent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{RATE, level, tone};
    use proptest::prelude::*;
    use std::time::Duration;

    /// How often the sound rises through zero, a second.
    fn pitch(samples: &[i16]) -> f64 {
        let rises = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
        rises as f64 * f64::from(RATE) / samples.len() as f64
    }

    #[test]
    fn a_tone_becomes_longer_and_keeps_its_pitch_and_level() {
        for hz in [110.0, 220.0, 440.0, 1000.0] {
            let usual = tone::sine(hz, Duration::from_secs(2), 0.3);
            let slow = slower(&usual);
            assert!((slow.len() as f64 / usual.len() as f64 - SLOWER).abs() < 0.001);
            assert!((pitch(&slow) / hz - 1.0).abs() < 0.01, "{hz} Hz became {}", pitch(&slow));
            assert!((level::dbfs(&slow) - level::dbfs(&usual)).abs() < 0.5, "{hz}: {}", level::dbfs(&slow));
        }
    }

    /// A row of tones comes in its order, each longer: time is stretched everywhere alike.
    #[test]
    fn what_comes_later_still_comes_later() {
        let tones = [300.0, 500.0, 700.0];
        let row: Vec<i16> = tones.iter().flat_map(|hz| tone::sine(*hz, Duration::from_millis(500), 0.3)).collect();
        let slow = slower(&row);
        let third = slow.len() / 3;
        for (i, hz) in tones.iter().enumerate() {
            let middle = &slow[i * third + third / 4..(i + 1) * third - third / 4];
            assert!((pitch(middle) / hz - 1.0).abs() < 0.02, "{hz} Hz became {}", pitch(middle));
        }
    }

    #[test]
    fn louder_by_six_decibels_and_never_cut() {
        let usual = tone::sine(300.0, Duration::from_secs(1), 0.1);
        assert!((level::dbfs(&louder(&usual)) - level::dbfs(&usual) - 6.0).abs() < 0.1);
        // No prompt of ours peaks higher (`tts::shape`).
        let loud = louder(&tone::sine(300.0, Duration::from_secs(1), 0.69));
        assert!(level::peak(&loud) < 32_767 && level::check(&loud).is_ok());
    }

    proptest! {
        #[test]
        fn any_sound_can_be_slowed_and_raised(samples in proptest::collection::vec(any::<i16>(), 0..3000)) {
            let slow = slower(&samples);
            prop_assert!(slow.len() >= samples.len() && slow.len() <= samples.len() * 13 / 10 + 1);
            let loud = louder(&samples);
            prop_assert!(loud.iter().zip(&samples).all(|(loud, usual)| loud.unsigned_abs() >= usual.unsigned_abs() || usual.unsigned_abs() > 16_000));
        }
    }
}
