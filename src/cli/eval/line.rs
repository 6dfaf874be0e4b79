//! What lies between a mouth and the recogniser: noise in the room, A-law at 8 kHz, packets that get lost. Pure: drawn
//! from a seed.

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::asr::RATE;
use crate::audio::g711::Law;
use crate::audio::{Pcm, resample};

/// The telephone's rate.
const TELEPHONE: u32 = 8_000;
/// Samples of a packet of 20 ms there.
const PACKET: usize = 160;
/// Speech is told from pauses in blocks of this length.
const BLOCK: usize = RATE as usize / 50;
/// A quiet line: below what G.711 can tell from nothing.
pub const SILENCE: f64 = -80.0;
/// A loud room, in dBFS.
pub const NOISE: f64 = -30.0;

/// One way to the recogniser.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Line {
    /// 8 kHz A-law in between.
    pub alaw: bool,
    /// The share of its packets that get lost.
    pub loss: f64,
    /// White noise so many dB below the speech.
    pub snr: Option<f64>,
}

impl Line {
    /// As in gates and JSON: `clean`, `line`, `snr10`.
    pub fn name(&self) -> String {
        match self {
            Line { snr: Some(snr), .. } => format!("snr{snr}"),
            Line { alaw: true, .. } => "line".to_owned(),
            Line { .. } => "clean".to_owned(),
        }
    }

    /// For people.
    pub fn words(&self) -> String {
        let mut words = if self.alaw { "8 kHz A-law".to_owned() } else { "as recorded".to_owned() };
        if self.loss > 0.0 {
            words += &format!(", {} % of the packets lost", self.loss * 100.0);
        }
        if let Some(snr) = self.snr {
            words += &format!(", noise {snr} dB below the speech");
        }
        words
    }

    /// 16 kHz in, 16 kHz out, of the same length but for a few samples.
    pub fn carry(&self, pcm: &[f32], seed: u64) -> Vec<f32> {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut pcm = pcm.to_vec();
        if let Some(snr) = self.snr {
            let level = speech_power(&pcm).sqrt() / 10f64.powf(snr / 20.0);
            pcm.iter_mut().for_each(|sample| *sample += (level * normal(&mut random)) as f32);
        }
        if !self.alaw {
            return pcm;
        }
        let samples: Vec<i16> = pcm.iter().map(|sample| (sample * 32_768.0) as i16).collect();
        let mut samples = resample::to_rate(&samples, RATE, TELEPHONE);
        for packet in samples.chunks_mut(PACKET) {
            let lost = random.random::<f64>() < self.loss;
            // As our own legs do: what has not come is silence.
            packet.iter_mut().for_each(|s| *s = if lost { 0 } else { Law::A.decode(Law::A.encode(*s)) });
        }
        Pcm { rate: TELEPHONE, samples }.to_16k_f32()
    }
}

/// White noise of a level in dBFS.
pub fn noise(length: usize, dbfs: f64, seed: u64) -> Vec<f32> {
    let mut random = SmallRng::seed_from_u64(seed);
    let level = 10f64.powf(dbfs / 20.0);
    (0..length).map(|_| (level * normal(&mut random)) as f32).collect()
}

/// The mean square of those blocks that are not 30 dB below the loudest: pauses make no speech quieter.
fn speech_power(pcm: &[f32]) -> f64 {
    let power = |block: &[f32]| block.iter().map(|s| f64::from(s * s)).sum::<f64>() / block.len() as f64;
    let blocks: Vec<f64> = pcm.chunks(BLOCK).map(power).collect();
    let loudest = blocks.iter().copied().fold(0.0, f64::max);
    let speech: Vec<f64> = blocks.into_iter().filter(|power| *power >= loudest / 1000.0).collect();
    speech.iter().sum::<f64>() / speech.len().max(1) as f64
}

/// Of mean 0 and variance 1, nearly normal (Irwin and Hall: the sum of twelve uniform ones, less six).
fn normal(random: &mut SmallRng) -> f64 {
    (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tone(length: usize) -> Vec<f32> {
        (0..length).map(|i| (i as f32 * 0.2).sin() * 0.3).collect()
    }

    fn power(pcm: &[f32]) -> f64 {
        pcm.iter().map(|s| f64::from(s * s)).sum::<f64>() / pcm.len() as f64
    }

    #[test]
    fn a_clean_line_changes_nothing() {
        let pcm = tone(5_000);
        assert_eq!(Line::default().carry(&pcm, 7), pcm);
    }

    #[test]
    fn noise_is_as_loud_as_was_asked_also_beside_pauses() {
        let mut pcm = tone(32_000);
        pcm[8_000..24_000].fill(0.0);
        for snr in [20.0, 10.0, 0.0] {
            let carried = Line { snr: Some(snr), ..Line::default() }.carry(&pcm, 3);
            let noise = power(&carried[8_000..24_000]);
            let measured = 10.0 * (power(&pcm[..8_000]) / noise).log10();
            assert!((measured - snr).abs() < 0.5, "{measured} dB instead of {snr}");
        }
        let level = 10.0 * power(&noise(16_000, NOISE, 1)).log10();
        assert!((level - NOISE).abs() < 0.5, "{level} dBFS");
    }

    #[test]
    fn packets_get_lost_as_often_as_was_asked() {
        let pcm = tone(160_000);
        let carried = Line { alaw: true, loss: 0.2, snr: None }.carry(&pcm, 11);
        let quiet = carried.chunks(320).filter(|packet| power(packet) < 1e-3).count();
        assert!((70..=130).contains(&quiet), "{quiet} of 500");
    }

    proptest! {
        #[test]
        fn any_sound_comes_through_and_the_seed_says_how(
            pcm in prop::collection::vec(-2.0f32..2.0, 0..4_000), loss in 0.0f64..1.0, snr in -10.0f64..40.0, seed: u64
        ) {
            let line = Line { alaw: true, loss, snr: Some(snr) };
            let once = line.carry(&pcm, seed);
            prop_assert!(once.len().abs_diff(pcm.len()) <= 64, "{} became {}", pcm.len(), once.len());
            prop_assert!(once.iter().all(|sample| sample.abs() <= 1.0));
            prop_assert_eq!(line.carry(&pcm, seed), once);
        }
    }
}
