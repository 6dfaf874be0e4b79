//! Test and call-progress tones.

use std::f64::consts::TAU;
use std::time::Duration;

use super::RATE;

/// A sine at 8 kHz. `hz` is its frequency, `amplitude` its peak, 0 to 1 of full scale (clamped).
pub fn sine(hz: f64, duration: Duration, amplitude: f64) -> Vec<i16> {
    sine_at(RATE, hz, duration, amplitude)
}

/// The same at any rate.
pub fn sine_at(rate: u32, hz: f64, duration: Duration, amplitude: f64) -> Vec<i16> {
    let count = (duration.as_secs_f64() * f64::from(rate)).round() as usize;
    let peak = amplitude.clamp(0.0, 1.0) * 32_767.0;
    (0..count).map(|n| (peak * (TAU * hz * n as f64 / f64::from(rate)).sin()).round() as i16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_has_its_length_peak_and_frequency() {
        let tone = sine(450.0, Duration::from_millis(500), 0.5);
        assert_eq!(tone.len(), 4_000);
        let peak = tone.iter().map(|s| i32::from(*s).abs()).max().unwrap();
        assert!((16_300..=16_384).contains(&peak), "{peak}");
        let rising = tone.windows(2).filter(|w| w[0] <= 0 && w[1] > 0).count();
        assert_eq!(rising, 225, "one zero crossing a period");
    }

    #[test]
    fn amplitude_beyond_full_scale_is_full_scale() {
        let tone = sine(1_000.0, Duration::from_millis(10), 7.0);
        assert_eq!(tone.iter().copied().max(), Some(32_767));
    }
}
