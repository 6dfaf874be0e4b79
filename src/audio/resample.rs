//! From one sample rate to another, for whole files: a windowed sinc (rubato) long enough that the telephone band
//! (up to 3.4 kHz) passes whole and what would fold back into it does not.

use rubato::{Resampler, SincFixedIn, SincInterpolationParameters, SincInterpolationType, WindowFunction};

/// Taps of the filter, counted at the lower of the two rates. With this window the stop band begins about 7 % above
/// the cut-off: 3.4 kHz passes and 4.6 kHz, which folds to 3.4 kHz at 8 kHz, does not.
const TAPS: usize = 256;
/// Of the lower rate's half: the middle of the filter's slope.
const CUTOFF: f32 = 0.95;
/// Samples given to the filter at a time.
const CHUNK: usize = 4_096;
/// A ratio of small numbers needs only this many phases and is computed exactly; others are interpolated.
const EXACT_PHASES: u32 = 512;

/// The same sound at rate `to`, `from` and `to` in samples a second: sample n of the result lies at the time n / `to`, to
/// within one sample of the lower rate. A rate of 0 has no sound.
pub fn to_rate(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    if from == to {
        return samples.to_vec();
    }
    if from == 0 || to == 0 || samples.is_empty() {
        return Vec::new();
    }
    let count = (samples.len() as u64 * u64::from(to)).div_ceil(u64::from(from)) as usize;
    let mut filter = filter(from, to);
    let mut result = Vec::with_capacity(count + CHUNK);
    let mut input = samples.iter().map(|sample| f64::from(*sample));
    let mut output = filter.output_buffer_allocate(true);
    while result.len() < count {
        let mut chunk: Vec<f64> = input.by_ref().take(CHUNK).collect();
        chunk.resize(CHUNK, 0.0);
        let (_, made) = filter.process_into_buffer(&[chunk], &mut output, None).expect("one channel of one chunk");
        result.extend(output[0][..made].iter().map(|sample| sample.round() as i16));
    }
    result.truncate(count);
    result
}

fn filter(from: u32, to: u32) -> SincFixedIn<f64> {
    let (up, down) = reduced(to, from);
    let exact = up <= EXACT_PHASES;
    let stretch = down.div_ceil(up).max(1) as usize;
    let parameters = SincInterpolationParameters {
        sinc_len: TAPS * stretch,
        f_cutoff: CUTOFF,
        oversampling_factor: if exact { up as usize } else { 256 },
        interpolation: if exact { SincInterpolationType::Nearest } else { SincInterpolationType::Cubic },
        window: WindowFunction::BlackmanHarris2,
    };
    SincFixedIn::new(f64::from(to) / f64::from(from), 1.0, parameters, CHUNK, 1).expect("the ratio is above zero")
}

fn reduced(a: u32, b: u32) -> (u32, u32) {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x % y);
    }
    (a / x, b / x)
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;
    use std::time::Duration;

    use super::*;
    use crate::audio::tone::sine_at;

    /// Fits a sine of the frequency by least squares: its amplitude, and the ratio of it to all else in dB.
    fn sinad(samples: &[i16], rate: u32, hz: f64) -> (f64, f64) {
        let n = samples.len() as f64;
        let angle = |i: usize| TAU * hz * i as f64 / f64::from(rate);
        let sum = |f: &dyn Fn(usize, f64) -> f64| {
            samples.iter().enumerate().map(|(i, s)| f(i, f64::from(*s))).sum::<f64>() * 2.0 / n
        };
        let (sine, cosine) = (sum(&|i, s| s * angle(i).sin()), sum(&|i, s| s * angle(i).cos()));
        let rest = sum(&|i, s| (s - sine * angle(i).sin() - cosine * angle(i).cos()).powi(2)) / 2.0;
        let power = sine.mul_add(sine, cosine * cosine);
        (power.sqrt(), 10.0 * (power / 2.0 / rest).log10())
    }

    /// Half a second in the middle, away from the ends of the filter; whole periods of any multiple of 2 Hz.
    fn middle(samples: &[i16], rate: u32) -> &[i16] {
        let half = rate as usize / 2;
        &samples[half / 2..half / 2 + half]
    }

    const TO_8K: [u32; 7] = [11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

    #[test]
    fn the_telephone_band_passes_unchanged() {
        for rate in TO_8K {
            for hz in [300.0, 1_000.0, 3_400.0] {
                let through = to_rate(&sine_at(rate, hz, Duration::from_secs(1), 0.5), rate, 8_000);
                assert_eq!(through.len(), 8_000, "{rate}");
                let (amplitude, ratio) = sinad(middle(&through, 8_000), 8_000, hz);
                let level = 20.0 * (amplitude / (0.5 * 32_767.0)).log10();
                assert!(level.abs() < 0.1, "{rate} {hz}: level {level:.3} dB");
                assert!(ratio > 80.0, "{rate} {hz}: SINAD {ratio:.1} dB");
            }
        }
    }

    #[test]
    fn nothing_folds_into_the_telephone_band() {
        for rate in TO_8K {
            for hz in [4_600.0, 5_400.0, 7_000.0].into_iter().filter(|hz| *hz < f64::from(rate) / 2.0) {
                let through = to_rate(&sine_at(rate, hz, Duration::from_secs(1), 0.9), rate, 8_000);
                let peak = middle(&through, 8_000).iter().map(|s| i32::from(*s).abs()).max().unwrap();
                assert!(peak <= 4, "{rate} {hz}: {peak}"); // -78 dBFS
            }
        }
    }

    #[test]
    fn upwards_for_the_recogniser_and_odd_rates() {
        for (from, to) in [(8_000, 16_000), (8_000, 48_000), (11_127, 8_000), (7_999, 16_000), (96_000, 8_000)] {
            let through = to_rate(&sine_at(from, 1_000.0, Duration::from_secs(1), 0.5), from, to);
            let (amplitude, ratio) = sinad(middle(&through, to), to, 1_000.0);
            assert!((amplitude / (0.5 * 32_767.0) - 1.0).abs() < 0.01, "{from} -> {to}: {amplitude}");
            assert!(ratio > 75.0, "{from} -> {to}: SINAD {ratio:.1} dB");
        }
    }

    #[test]
    fn a_click_stays_where_it_was() {
        for (from, to) in [(48_000_u32, 8_000_u32), (44_100, 8_000), (16_000, 8_000), (8_000, 16_000), (8_000, 48_000)]
        {
            let mut click = vec![0; from as usize];
            click[from as usize / 2] = 30_000;
            let through = to_rate(&click, from, to);
            let at = (0..through.len()).max_by_key(|i| through[*i]).unwrap() as f64 / f64::from(to);
            assert!((at - 0.5).abs() <= 1.0 / f64::from(from.min(to)), "{from} -> {to}: {at}");
        }
    }

    #[test]
    fn full_scale_is_clipped_not_wrapped_and_nothing_is_nothing() {
        let square: Vec<i16> = (0..16_000).map(|n| if n / 80 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let through = to_rate(&square, 16_000, 8_000);
        for (before, after) in square.iter().step_by(2).zip(&through).skip(200) {
            assert!(i32::from(*before) * i32::from(*after) > 0 || after.unsigned_abs() < 30_000);
        }
        assert!(to_rate(&[], 44_100, 8_000).is_empty());
        assert!(to_rate(&[1, 2], 0, 8_000).is_empty());
        assert_eq!(to_rate(&[1, 2, 3], 8_000, 8_000), [1, 2, 3]);
    }
}
