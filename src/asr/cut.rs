//! Cuts a long utterance where it is quietest. Pure.
//!
//! Whisper hears 30 s at a time; cutting there by the clock would cut a word. A cut is made in the last third of what
//! fits, at the quietest fifth of a second.

use std::ops::Range;
use std::time::Duration;

use super::RATE;

/// How long a quiet place is, in samples.
const QUIET: usize = RATE as usize / 5;

/// Splits `pcm` into ranges of at most `longest`, in order and without a gap. Nothing comes of nothing.
pub fn pieces(pcm: &[f32], longest: Duration) -> Vec<Range<usize>> {
    let longest = ((longest.as_secs_f64() * f64::from(RATE)) as usize).max(QUIET);
    let mut pieces = Vec::new();
    let mut from = 0;
    while pcm.len() - from > longest {
        let search = from + longest * 2 / 3..from + longest;
        let cut = quietest(&pcm[search.clone()]).map_or(search.end, |at| search.start + at);
        pieces.push(from..cut);
        from = cut;
    }
    if from < pcm.len() {
        pieces.push(from..pcm.len());
    }
    pieces
}

/// The middle of the quietest place.
fn quietest(pcm: &[f32]) -> Option<usize> {
    let energy = |start: usize| pcm[start..start + QUIET].iter().map(|s| s * s).sum::<f32>();
    (0..pcm.len().saturating_sub(QUIET))
        .step_by(QUIET / 4)
        .min_by(|a, b| energy(*a).total_cmp(&energy(*b)))
        .map(|at| at + QUIET / 2)
}

/// Whether there is anything to hear: the loudest tenth of a second is above -50 dBFS.
pub fn audible(pcm: &[f32]) -> bool {
    let block = RATE as usize / 10;
    let power = |block: &[f32]| block.iter().map(|s| f64::from(s * s)).sum::<f64>() / block.len() as f64;
    pcm.chunks(block).any(|block| power(block) > 1e-5)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_cut_is_in_the_pause() {
        let second = RATE as usize;
        let mut pcm = vec![0.3; second * 12];
        let pause = second * 8 + second / 4..second * 8 + second * 3 / 4;
        pcm[pause.clone()].fill(0.001);
        let found = pieces(&pcm, Duration::from_secs(10));
        assert_eq!(found.len(), 2);
        assert!(pause.contains(&found[0].end), "{found:?} cuts outside of {pause:?}");
    }

    #[test]
    fn what_is_audible() {
        let tone = |amplitude: f32| (0..RATE).map(|i| (i as f32 * 0.3).sin() * amplitude).collect::<Vec<_>>();
        assert!(audible(&tone(0.05)));
        assert!(!audible(&tone(0.001)));
        assert!(!audible(&[]));
    }

    proptest! {
        #[test]
        fn pieces_are_whole_and_short_enough(seed in any::<u32>(), length in 0usize..200_000, longest in 1u64..5) {
            let mut state = seed;
            let pcm: Vec<f32> = (0..length).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as f32 / 65_536.0
            }).collect();
            let mut next = 0;
            for piece in pieces(&pcm, Duration::from_secs(longest)) {
                prop_assert_eq!(piece.start, next);
                prop_assert!(piece.end > piece.start && piece.len() <= longest as usize * RATE as usize);
                next = piece.end;
            }
            prop_assert_eq!(next, pcm.len());
        }
    }
}
