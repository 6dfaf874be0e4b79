//! A voice's raw sound made fit for the telephone: silence at both ends cut to a usual length, level made even.
//!
//! Every prompt comes out at the same level of its speech, so that a caller does not reach for the volume between two
//! of them, and peaks stay clear of clipping. Pure.

use std::ops::Range;

/// 8 kHz.
const MS: usize = 8;
/// A window for measuring.
const WINDOW: usize = 10 * MS;
/// The level of speech (pauses not counted), as RMS of full scale: -20 dBFS.
pub const SPEECH: f64 = 0.1;
/// No sample beyond -3.2 dBFS.
const PEAK: f64 = 0.69 * 32_768.0;
/// Windows more than 40 dB below the loudest are silence.
const SILENCE: f64 = 0.01;

/// How much silence stays at the ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edges {
    /// Sentences: 60 ms before, 150 ms after.
    Sentence,
    /// Digits and other pieces that are strung together: 20 ms before, 50 ms after.
    Piece,
}

/// The sound trimmed and levelled; empty if nothing in it is louder than silence.
pub fn shape(samples: &[i16], edges: Edges) -> Vec<i16> {
    let Some(Speech { span, rms, peak }) = speech(samples) else { return Vec::new() };
    let (lead, tail) = match edges {
        Edges::Sentence => (60 * MS, 150 * MS),
        Edges::Piece => (20 * MS, 50 * MS),
    };
    let gain = (SPEECH * 32_768.0 / rms).min(PEAK / peak);
    let mut out = Vec::with_capacity(span.len() + lead + tail);
    // What lies around the speech is kept as far as it goes (a soft consonant may be in it), then real silence.
    let before = span.start.min(lead);
    let after = (samples.len() - span.end).min(tail);
    out.resize(lead - before, 0);
    out.extend(samples[span.start - before..span.end + after].iter().map(|s| scaled(*s, gain)));
    out.resize(out.len() + tail - after, 0);
    out
}

fn scaled(sample: i16, gain: f64) -> i16 {
    (f64::from(sample) * gain).clamp(-PEAK, PEAK) as i16
}

/// Where the speech lies, its RMS level without the pauses, and its peak.
struct Speech {
    span: Range<usize>,
    rms: f64,
    peak: f64,
}

fn speech(samples: &[i16]) -> Option<Speech> {
    let energy = |window: &[i16]| window.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / window.len() as f64;
    let windows: Vec<f64> = samples.chunks(WINDOW).map(energy).collect();
    let loudest = windows.iter().copied().fold(0.0, f64::max);
    let floor = (loudest * SILENCE * SILENCE).max(1.0);
    let first = windows.iter().position(|e| *e > floor)?;
    let last = windows.iter().rposition(|e| *e > floor)?;
    let loud: Vec<f64> = windows.iter().copied().filter(|e| *e > loudest * 0.001).collect();
    let rms = (loud.iter().sum::<f64>() / loud.len() as f64).sqrt();
    let peak = samples.iter().map(|s| f64::from(s.unsigned_abs())).fold(0.0, f64::max);
    Some(Speech { span: first * WINDOW..((last + 1) * WINDOW).min(samples.len()), rms, peak })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{level, tone};
    use proptest::prelude::*;
    use std::time::Duration;

    fn spoken(amplitude: f64) -> Vec<i16> {
        let mut pcm = vec![0; 4000];
        pcm.extend(tone::sine(300.0, Duration::from_millis(500), amplitude));
        pcm.resize(pcm.len() + 8000, 3);
        pcm
    }

    #[test]
    fn loud_and_soft_speech_come_out_alike() {
        for amplitude in [0.02, 0.2, 1.0] {
            let pcm = shape(&spoken(amplitude), Edges::Sentence);
            let speech = &pcm[60 * MS..pcm.len() - 150 * MS];
            assert!((level::dbfs(speech) + 20.0).abs() < 0.5, "{amplitude}: {}", level::dbfs(speech));
            assert_eq!(pcm.len(), (60 + 500 + 150) * MS);
        }
    }

    #[test]
    fn silence_is_nothing() {
        assert!(shape(&[], Edges::Piece).is_empty());
        assert!(shape(&[0; 9000], Edges::Piece).is_empty());
    }

    #[test]
    fn a_click_does_not_clip() {
        let mut pcm = spoken(0.05);
        pcm[6000] = 32_767;
        let out = shape(&pcm, Edges::Sentence);
        assert!(f64::from(level::peak(&out)) <= PEAK);
    }

    proptest! {
        #[test]
        fn any_sound_stays_below_the_peak_and_keeps_its_length(samples in proptest::collection::vec(any::<i16>(), 0..3000)) {
            let out = shape(&samples, Edges::Piece);
            prop_assert!(f64::from(level::peak(&out)) <= PEAK);
            prop_assert!(out.len() <= samples.len() + 70 * MS);
        }
    }
}
