//! How loud, for the checks of prompts and recordings: levels in dBFS (0 dBFS: a full-scale square wave).

/// Root mean square, 0 to 32,768; 0 for no samples.
pub fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (sum / samples.len() as f64).sqrt()
}

/// The RMS level; minus infinity for digital silence.
pub fn dbfs(samples: &[i16]) -> f64 {
    20.0 * (rms(samples) / 32_768.0).log10()
}

/// The largest magnitude, 0 to 32,768.
pub fn peak(samples: &[i16]) -> u16 {
    samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0)
}

/// What is wrong with a prompt's loudness.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum LevelFault {
    #[error("it has no sound at all: record it again")]
    Empty,
    #[error("it is silent ({dbfs:.0} dBFS): record it again, or raise the microphone's level")]
    Silent { dbfs: f64 },
    #[error("{percent:.1} % of it is clipped at full scale: record it again at a lower level")]
    Clipped { percent: f64 },
}

/// Below this a listener on the telephone hears nothing.
const SILENT_DBFS: f64 = -55.0;
/// Runs of so many samples at full scale are clipping; a lone one is a loud sample.
const CLIPPED_RUN: usize = 4;
/// Of all samples: less is not heard.
const CLIPPED_PERCENT: f64 = 0.1;

/// Whether a prompt can be played to people.
///
/// # Errors
/// The gravest fault.
pub fn check(samples: &[i16]) -> Result<(), LevelFault> {
    if samples.is_empty() {
        return Err(LevelFault::Empty);
    }
    let dbfs = dbfs(samples);
    if dbfs < SILENT_DBFS {
        return Err(LevelFault::Silent { dbfs });
    }
    let percent = 100.0 * clipped(samples) as f64 / samples.len() as f64;
    if percent > CLIPPED_PERCENT {
        return Err(LevelFault::Clipped { percent });
    }
    Ok(())
}

/// Samples in runs at full scale. What went through G.711 has its full scale at the law's last value.
fn clipped(samples: &[i16]) -> usize {
    let full = |sample: &i16| sample.unsigned_abs() >= 32_124;
    samples
        .chunk_by(|a, b| full(a) && full(b))
        .filter(|run| full(&run[0]) && run.len() >= CLIPPED_RUN)
        .map(<[_]>::len)
        .sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audio::{g711::Law, tone::sine};

    #[test]
    fn levels_of_known_signals() {
        let full: Vec<i16> = [i16::MIN].repeat(100);
        assert_eq!(rms(&full), 32_768.0);
        assert_eq!(dbfs(&full), 0.0);
        assert_eq!(peak(&full), 32_768);
        // A sine lies 3.01 dB below its peak.
        let half = sine(1_000.0, Duration::from_secs(1), 0.5);
        assert!((dbfs(&half) + 6.02 + 3.01).abs() < 0.01, "{}", dbfs(&half));
        assert_eq!(dbfs(&[0; 80]), f64::NEG_INFINITY);
        assert_eq!((rms(&[]), peak(&[])), (0.0, 0));
    }

    #[test]
    fn silence_and_clipping_are_faults_and_good_speech_levels_are_not() {
        let second = Duration::from_secs(1);
        assert_eq!(check(&[]), Err(LevelFault::Empty));
        assert!(matches!(check(&[0; 8_000]), Err(LevelFault::Silent { .. })));
        assert!(matches!(check(&sine(440.0, second, 0.002)), Err(LevelFault::Silent { .. })));
        assert_eq!(check(&sine(440.0, second, 0.1)), Ok(()));
        assert_eq!(check(&sine(440.0, second, 0.95)), Ok(()));
        // Driven 6 dB too far, plain and after each law.
        let driven: Vec<i16> = sine(440.0, second, 1.0).iter().map(|s| s.saturating_mul(2)).collect();
        assert!(matches!(check(&driven), Err(LevelFault::Clipped { .. })));
        for law in [Law::A, Law::Mu] {
            let coded: Vec<i16> = driven.iter().map(|s| law.decode(law.encode(*s))).collect();
            assert!(matches!(check(&coded), Err(LevelFault::Clipped { .. })), "{law:?}");
        }
    }
}
