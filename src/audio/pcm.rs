//! Linear samples with their rate.

use super::{RATE, resample};

/// Mono samples of any rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pcm {
    /// Samples a second.
    pub rate: u32,
    /// Mono.
    pub samples: Vec<i16>,
}

impl Pcm {
    /// The same sound at the telephone's rate.
    pub fn to_8k(&self) -> Vec<i16> {
        resample::to_rate(&self.samples, self.rate, RATE)
    }

    /// The same sound as recognisers want it: 16 kHz, full scale is 1.0.
    pub fn to_16k_f32(&self) -> Vec<f32> {
        let samples = resample::to_rate(&self.samples, self.rate, 16_000);
        samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect()
    }

    /// How long it sounds.
    pub fn duration(&self) -> std::time::Duration {
        std::time::Duration::from_secs_f64(self.samples.len() as f64 / f64::from(self.rate.max(1)))
    }
}
