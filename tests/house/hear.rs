//! Listening by measuring: is this prompt in what was heard, and where?

use std::path::Path;

/// Samples in a second of a telephone's sound.
pub const SECOND: usize = 8000;

/// Samples of a WAV file, mono, -1 to 1, at 8 kHz.
pub fn read(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let pcm = jiesu::audio::wav::read(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert_eq!(pcm.rate, 8000, "{}", path.display());
    pcm.samples.iter().map(|s| f32::from(*s) / 32768.0).collect()
}

/// Less energy than this is silence.
const SOUND: f32 = 0.01;

fn energy(samples: &[f32]) -> f32 {
    samples.iter().map(|v| v * v).sum()
}

/// This much correlation is the same sound, whatever a codec did to it.
pub const SAME: f32 = 0.9;

/// Where `needle` first stands in `whole` (sample), or else where it fits best, and how well it fits there: the
/// normalised correlation, 1 for the same. A needle without sound is not found: A-law's silence is a constant, which
/// correlates with every other silence.
pub fn find(whole: &[f32], needle: &[f32]) -> (usize, f32) {
    let length = needle.len();
    if whole.len() < length || energy(needle) < SOUND {
        return (0, 0.0);
    }
    // Energy of any stretch of `whole` from running sums.
    let mut sums = Vec::with_capacity(whole.len() + 1);
    sums.push(0.0f64);
    for v in whole {
        sums.push(sums[sums.len() - 1] + f64::from(v * v));
    }
    let own = needle.iter().map(|v| f64::from(v * v)).sum::<f64>().sqrt().max(1e-6);
    let fit = |at: usize, step: usize| -> f32 {
        let here = whole[at..at + length].iter().step_by(step);
        let product: f32 = here.zip(needle.iter().step_by(step)).map(|(a, b)| a * b).sum::<f32>() * step as f32;
        (f64::from(product) / (own * (sums[at + length] - sums[at]).max(1e-6).sqrt())) as f32
    };
    let last = whole.len() - length;
    // First every second place by every eighth sample, then exactly from where that looks promising.
    let rough: Vec<(usize, f32)> = (0..=last).step_by(2).map(|at| (at, fit(at, 8))).collect();
    let promising = rough.iter().map(|(_, fit)| *fit).fold(0.0, f32::max) * 0.8;
    let mut best = (0, 0.0);
    let mut looked = 0;
    for (at, _) in rough.iter().filter(|(_, fit)| *fit >= promising) {
        if *at < looked {
            continue;
        }
        looked = at + 16;
        let around = (at.saturating_sub(2)..=(at + 16).min(last)).map(|at| (at, fit(at, 1)));
        let here = around.max_by(|a, b| a.1.total_cmp(&b.1)).expect("not empty");
        if here.1 > best.1 {
            best = here;
        }
        if here.1 > SAME {
            break;
        }
    }
    best
}

/// A piece that is compared as one: long enough to be told from others, short enough to be whole beside a gap.
const PIECE: usize = SECOND / 4;

/// Where the whole begins by its loudest pieces, for a machine so busy that each second had a gap: how far one of them
/// has moved, and how well it fits there.
fn loudest_piece(whole: &[f32], part: &[f32]) -> Option<(isize, f32)> {
    let mut pieces: Vec<(usize, &[f32])> = part.chunks_exact(PIECE).enumerate().map(|(i, c)| (i * PIECE, c)).collect();
    pieces.sort_by(|a, b| energy(b.1).total_cmp(&energy(a.1)));
    let places = pieces.iter().take(12).map(|(start, piece)| {
        let (at, fit) = find(whole, piece);
        (at as isize - *start as isize, fit)
    });
    places.max_by(|a, b| a.1.total_cmp(&b.1))
}

/// Whether `part` was heard in `whole` from sample `from` on: where it ended, and which share of its pieces fits.
///
/// Its loudest seconds say where it is; every other piece must then stand where it belongs. A machine that stands still
/// for a moment cuts something out or puts something off, so what follows may have moved by a second or two.
pub fn heard(whole: &[f32], from: usize, part: &[f32]) -> (usize, f32) {
    let from = from.min(whole.len());
    let whole = &whole[from..];
    // A prompt's last moments are short and nearly silent: they could be anywhere.
    let long = |(start, c): &(usize, &[f32])| *start == 0 || c.len() > SECOND / 2;
    let mut seconds: Vec<(usize, &[f32])> =
        part.chunks(SECOND).enumerate().map(|(i, c)| (i * SECOND, c)).filter(long).collect();
    seconds.sort_by(|a, b| energy(b.1).total_cmp(&energy(a.1)));
    let places: Vec<(isize, f32)> = seconds
        .iter()
        .take(3)
        .map(|(start, second)| {
            let (at, fit) = find(whole, second);
            (at as isize - *start as isize, fit)
        })
        .collect();
    // What is said twice is heard the first time.
    let first = places.iter().filter(|(_, fit)| *fit > SAME).min_by_key(|(moved, _)| *moved).copied();
    let shorter = || loudest_piece(whole, part);
    let Some((mut moved, _)) = first.or_else(shorter) else {
        return (from, 0.0);
    };
    // A stretch without sound fits everywhere and nowhere.
    let pieces: Vec<(usize, &[f32])> =
        part.chunks_exact(PIECE).enumerate().map(|(i, c)| (i * PIECE, c)).filter(|(_, c)| energy(c) > 0.5).collect();
    let mut good = 0;
    for (place, piece) in &pieces {
        let expected = (*place as isize + moved).max(0) as usize;
        let window = expected.saturating_sub(2 * SECOND).min(whole.len())
            ..(expected + piece.len() + 2 * SECOND).min(whole.len());
        let begin = window.start;
        let (at, fit) = find(&whole[window], piece);
        if fit > SAME {
            good += 1;
            moved = (begin + at) as isize - *place as isize;
        }
    }
    let end = (part.len() as isize + moved).max(0) as usize;
    ((from + end).min(from + whole.len()), good as f32 / pieces.len().max(1) as f32)
}
