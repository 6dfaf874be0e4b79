//! Twice the rate and half of it, sample by sample in a running call: the half-band filter between the telephone's 8 kHz
//! and the 16 kHz of wideband codecs. Up to 3.4 kHz passes whole; what would fold into that is 60 dB down.
//!
//! Whole files go through [`super::resample`], whose filter is longer.

use std::sync::LazyLock;

/// Pairs of taps; every other tap of a half-band filter is 0, but for the one in the middle.
const PAIRS: usize = 12;
/// Samples that lie before and after the one that is computed.
const REACH: usize = 2 * PAIRS;

/// Taps at the odd places 1, 3, ..., of both sides: the sinc through a Kaiser window (beta 5.65: 60 dB).
static TAPS: LazyLock<[f32; PAIRS]> = LazyLock::new(|| {
    let bessel = |x: f64| {
        (1..20)
            .fold((1.0, 1.0), |(sum, term), n| {
                let term = term * (x / 2.0 / f64::from(n)).powi(2);
                (sum + term, term)
            })
            .0
    };
    let mut taps = [0.0; PAIRS];
    for (j, tap) in taps.iter_mut().enumerate() {
        let at = (2 * j + 1) as f64;
        let window = bessel(5.65 * (1.0 - (at / REACH as f64).powi(2)).sqrt()) / bessel(5.65);
        let sinc = (std::f64::consts::PI * at / 2.0).sin() / (std::f64::consts::PI * at);
        *tap = (sinc * window) as f32;
    }
    // Without the window's ripple a level stays what it is.
    let sum: f32 = taps.iter().sum::<f32>() * 2.0;
    taps.map(|tap| tap * 0.5 / sum)
});

/// 8 kHz to 16 kHz.
#[derive(Debug, Clone)]
pub struct Doubler {
    before: [f32; REACH],
}

impl Default for Doubler {
    fn default() -> Doubler {
        Doubler { before: [0.0; REACH] }
    }
}

impl Doubler {
    /// Two samples for each one, 1.5 ms later.
    pub fn double(&mut self, samples: &[i16], out: &mut [i16]) {
        let taps = &*TAPS;
        for (sample, pair) in samples.iter().zip(out.chunks_exact_mut(2)) {
            self.before.copy_within(1.., 0);
            self.before[REACH - 1] = f32::from(*sample);
            let sum: f32 = (0..PAIRS).map(|j| taps[j] * (self.before[PAIRS - 1 - j] + self.before[PAIRS + j])).sum();
            pair[0] = self.before[PAIRS - 1] as i16;
            pair[1] = whole(2.0 * sum);
        }
    }
}

/// 16 kHz to 8 kHz.
#[derive(Debug, Clone)]
pub struct Halver {
    before: [f32; 2 * REACH],
}

impl Default for Halver {
    fn default() -> Halver {
        Halver { before: [0.0; 2 * REACH] }
    }
}

impl Halver {
    /// One sample for every two, 1.5 ms later.
    pub fn halve(&mut self, samples: &[i16], out: &mut [i16]) {
        let taps = &*TAPS;
        for (pair, out) in samples.chunks_exact(2).zip(out) {
            self.before.copy_within(2.., 0);
            self.before[2 * REACH - 2] = f32::from(pair[0]);
            self.before[2 * REACH - 1] = f32::from(pair[1]);
            let middle = REACH - 1;
            let sum: f32 =
                (0..PAIRS).map(|j| taps[j] * (self.before[middle - 2 * j - 1] + self.before[middle + 2 * j + 1])).sum();
            *out = whole(0.5 * self.before[middle] + sum);
        }
    }
}

fn whole(sample: f32) -> i16 {
    sample.round().clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audio::{level, tone};

    fn doubled(samples: &[i16]) -> Vec<i16> {
        let mut doubler = Doubler::default();
        let mut out = vec![0; samples.len() * 2];
        // In frames, as in a call.
        samples.chunks(160).zip(out.chunks_mut(320)).for_each(|(from, to)| doubler.double(from, to));
        out
    }

    fn halved(samples: &[i16]) -> Vec<i16> {
        let mut halver = Halver::default();
        let mut out = vec![0; samples.len() / 2];
        samples.chunks(320).zip(out.chunks_mut(160)).for_each(|(from, to)| halver.halve(from, to));
        out
    }

    /// dB of the second beyond the first, without the beginning.
    fn gain(before: &[i16], after: &[i16]) -> f64 {
        level::dbfs(&after[400..]) - level::dbfs(&before[400..])
    }

    #[test]
    fn the_telephones_band_passes_both_ways_and_nothing_folds_into_it() {
        let second = Duration::from_secs(1);
        for hz in [100.0, 300.0, 1_000.0, 2_000.0, 3_000.0, 3_400.0] {
            let narrow = tone::sine_at(8_000, hz, second, 0.5);
            let wide = doubled(&narrow);
            assert!(gain(&narrow, &wide).abs() < 0.2, "{hz} up: {}", gain(&narrow, &wide));
            let back = halved(&wide);
            assert!(gain(&narrow, &back).abs() < 0.2, "{hz} down: {}", gain(&narrow, &back));
        }
        for hz in [4_600.0, 5_000.0, 6_000.0, 7_500.0] {
            let wide = tone::sine_at(16_000, hz, second, 0.5);
            assert!(gain(&wide, &halved(&wide)) < -50.0, "{hz}: {}", gain(&wide, &halved(&wide)));
        }
    }

    #[test]
    fn the_image_above_the_band_is_gone() {
        let wide = doubled(&tone::sine_at(8_000, 1_000.0, Duration::from_secs(1), 0.5));
        // What is left after taking the tone's own period (16 samples) away is the image.
        let image: Vec<i16> = wide[400..].windows(9).map(|w| (i32::from(w[0]) + i32::from(w[8])) as i16).collect();
        assert!(level::dbfs(&image) < -60.0, "{}", level::dbfs(&image));
    }

    #[test]
    fn full_scale_does_not_wrap() {
        let square: Vec<i16> = (0..800).map(|n| if n / 8 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let back = halved(&doubled(&square));
        assert!(back.iter().skip(100).any(|s| *s > 30_000) && back.iter().skip(100).any(|s| *s < -30_000));
    }
}
