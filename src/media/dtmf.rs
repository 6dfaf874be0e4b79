//! Keys as tones in the audio (ITU-T Q.23, Q.24): the frequencies, and a detector.
//!
//! Goertzel filters over blocks of 102 samples (12.75 ms at 8 kHz) look for one strong tone of each group. Two such
//! blocks in a row with a third beside them that has some of it are a candidate, which a closer look decides: each tone must lie nearer to its frequency than to one
//! 4.8 % beside it (so +-1.5 % is taken and +-3.5 % is not, whatever the other tone does), neither may outweigh the
//! other too far, and the two together must be nearly all that is heard, which speech never is. A key goes on through a
//! gap of 10 ms and ends with one of 40 ms.
//!
//! Refuses to know where keys come from otherwise, and which of several reports is the same key: see [`super::presses`].

use std::f32::consts::TAU;

use crate::rtp::event;

/// The low group, by row of the keypad, and the high group, by column (Hz).
pub const ROWS: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
pub const COLUMNS: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
/// Row and column of each event code.
#[rustfmt::skip]
const PLACES: [(usize, usize); 16] = [
    (3, 1), (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2), // 0 to 9
    (3, 0), (3, 2), // * #
    (0, 3), (1, 3), (2, 3), (3, 3), // A to D
];

/// The two frequencies of a key.
pub fn pair(key: char) -> Option<[f64; 2]> {
    let (row, column) = PLACES[usize::from(event::code(key)?)];
    Some([ROWS[row], COLUMNS[column]])
}

fn key(row: usize, column: usize) -> Option<char> {
    PLACES.iter().position(|place| *place == (row, column)).and_then(|code| event::key(code as u8))
}

/// Samples of a block: the shortest in which neighbours of the low group (73 Hz apart) can be told from each other. A
/// key of 40 ms, the shortest of Q.24, holds two whole ones.
const BLOCK: usize = 102;
const RATE: f32 = 8_000.0;
/// Both blocks of a candidate.
const LOOK: usize = 2 * BLOCK;
/// Nothing quieter is a key: -42 dBFS, about -36 dBm0.
const QUIET: f32 = 260.0;
/// A group's strongest tone stands above its other three by this (4 dB): the other group's tone, 8 dB stronger, leaks
/// into them.
const PEAK: f32 = 2.5;
/// What the two tones are of a block at least, and of one in which a key goes on. A tone 1.5 % off in a block of 102
/// samples shows 70 % of its power.
const SHARE: f32 = 0.55;
const GOES_ON: f32 = 0.3;
/// What they are at least of a candidate, each at its best-fitting frequency.
const PURE: f32 = 0.82;
/// What each sixth of a candidate has at least of the mean one: two tones beat, but faster than that.
const STEADY: f32 = 0.25;
/// How much stronger the low tone may be (8 dB), and the high one (4 dB), as Q.24 has it; measured in a block they may
/// be off by 2 dB.
const LOW_STRONGER: f32 = 6.3;
const HIGH_STRONGER: f32 = 2.5;
const UNSURE: f32 = 1.6;
/// A tone is compared with its neighbours at this distance: it must be nearer, so half of it is the limit (2.4 %).
const BESIDE: f32 = 0.048;
/// Where the best fit is looked for.
const FITS: [f32; 7] = [-0.018, -0.012, -0.006, 0.0, 0.006, 0.012, 0.018];
/// Blocks without its tones that end a key.
const END: u8 = 2;

/// Listens for keys in one stream of samples at 8 kHz.
#[derive(Debug, Clone)]
pub struct Detector {
    /// The two blocks before, and the one that is being filled.
    samples: [f32; 3 * BLOCK],
    filled: usize,
    /// What the two before were, the older one first.
    before: [Block; 2],
    /// The key that is down, and the blocks that it was not heard in since.
    down: Option<(Tones, u8)>,
}

/// Row and column.
type Tones = (usize, usize);

impl Default for Detector {
    fn default() -> Detector {
        Detector { samples: [0.0; 3 * BLOCK], filled: 0, before: [Block::default(); 2], down: None }
    }
}

impl Detector {
    /// Takes a frame of at most two blocks; gives the key that went down in it.
    pub fn frame(&mut self, samples: impl IntoIterator<Item = i16>) -> Option<char> {
        let mut found = None;
        for sample in samples {
            self.samples[LOOK + self.filled] = f32::from(sample);
            self.filled += 1;
            if self.filled == BLOCK {
                found = self.block().or(found);
                self.samples.copy_within(BLOCK.., 0);
                self.filled = 0;
            }
        }
        found
    }

    /// Whether a key is down, or may be: what is heard is not speech.
    pub fn hears(&self) -> bool {
        self.before[1].tones.is_some() || self.down.is_some()
    }

    fn block(&mut self) -> Option<char> {
        let now = Block::of(&self.samples[LOOK..]);
        if let Some((tones, missed)) = &mut self.down {
            *missed = if now.goes_on(*tones) { 0 } else { *missed + 1 };
            self.down = self.down.filter(|(_, missed)| *missed < END);
        }
        let [first, second] = self.before;
        self.before = [second, now];
        // Two blocks that are nothing but the tones, and a third beside them that has some of them: what is shorter than
        // 24 ms never does that, and 40 ms always do.
        let tones = second.tones?;
        let begin = if now.tones == Some(tones) && first.goes_on(tones) {
            BLOCK
        } else if first.tones == Some(tones) && now.goes_on(tones) {
            0
        } else {
            return None;
        };
        if self.down.is_some_and(|(down, _)| down == tones) || !is_pure(&self.samples[begin..begin + LOOK], tones) {
            return None;
        }
        self.down = Some((tones, 0));
        key(tones.0, tones.1)
    }
}

/// What a block holds: the sum of its squares, and the eight powers, scaled so that a lone tone has the block's.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    all: f32,
    rows: [f32; 4],
    columns: [f32; 4],
    /// The two that it may be nothing but.
    tones: Option<Tones>,
}

impl Block {
    fn of(samples: &[f32]) -> Block {
        let all = samples.iter().map(|s| s * s).sum();
        if all < QUIET * QUIET * BLOCK as f32 {
            return Block::default();
        }
        let scale = 2.0 / BLOCK as f32;
        let power = |hz: f64| power(samples, hz as f32) * scale;
        let block = Block { all, rows: ROWS.map(power), columns: COLUMNS.map(power), tones: None };
        Block { tones: block.tones(), ..block }
    }

    fn tones(&self) -> Option<Tones> {
        let (row, low) = strongest(&self.rows)?;
        let (column, high) = strongest(&self.columns)?;
        let even = high < low * HIGH_STRONGER * UNSURE && low < high * LOW_STRONGER * UNSURE;
        (even && low + high > SHARE * self.all).then_some((row, column))
    }

    fn goes_on(&self, (row, column): Tones) -> bool {
        self.rows[row] + self.columns[column] > GOES_ON * self.all && self.all > 0.0
    }
}

/// The strongest of a group, if it stands out.
fn strongest(powers: &[f32; 4]) -> Option<(usize, f32)> {
    let (best, power) = powers.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let alone = powers.iter().enumerate().all(|(i, other)| i == best || *other * PEAK < power);
    alone.then_some((best, power))
}

/// The squared magnitude of one frequency (Goertzel).
fn power(samples: &[f32], hz: f32) -> f32 {
    let k = 2.0 * (TAU * hz / RATE).cos();
    let (mut a, mut b) = (0.0, 0.0);
    for sample in samples {
        (a, b) = (sample + k * a - b, a);
    }
    a * a + b * b - k * a * b
}

/// Whether it sounds from end to end: of what is shorter than 24 ms the last or the first sixth is silent, which a
/// window hides.
fn is_steady(samples: &[f32]) -> bool {
    let squares = |part: &[f32]| part.iter().map(|s| s * s).sum::<f32>();
    let least = squares(samples) / 6.0 * STEADY;
    samples.chunks(LOOK / 6).all(|sixth| squares(sixth) > least)
}

/// The closer look at a candidate, through a Hann window: the other tone does not leak into what is measured.
fn is_pure(samples: &[f32], (row, column): Tones) -> bool {
    if !is_steady(samples) {
        return false;
    }
    let mut seen = [0.0; LOOK];
    for (n, (seen, sample)) in seen.iter_mut().zip(samples).enumerate() {
        *seen = sample * (0.5 - 0.5 * (TAU * (n as f32 + 0.5) / LOOK as f32).cos());
    }
    let all: f32 = seen.iter().map(|s| s * s).sum();
    // A sine of amplitude 1 has (LOOK / 4)^2 as its power, and 3/16 LOOK as its sum of squares.
    let scale = 3.0 / LOOK as f32;
    let measured = [ROWS[row] as f32, COLUMNS[column] as f32].map(|hz| {
        let at = |deviation: f32| power(&seen, hz * (1.0 + deviation)) * scale;
        let near = at(0.0);
        let is_near = at(-BESIDE) < near && at(BESIDE) < near;
        (is_near, FITS.map(at).into_iter().fold(0.0, f32::max))
    });
    let [(row_near, low), (column_near, high)] = measured;
    row_near && column_near && low + high > PURE * all && high < low * HIGH_STRONGER && low < high * LOW_STRONGER
}

#[cfg(test)]
mod tests;
