//! What octets of sound mean where they lie: in a jitter buffer, on their way to a recording, between two legs.

use super::g711::Law;

/// Sound is kept as it came from a G.711 telephone (an octet a sample), and as plain samples where it came from a
/// wideband codec, which has been decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// 8 kHz.
    Law(Law),
    /// 16 kHz, 16 bits, low octet first.
    Wide,
}

/// Samples of 20 ms at 16 kHz.
pub const WIDE_FRAME: usize = 320;

impl Coding {
    /// Samples a second.
    pub fn rate(self) -> u32 {
        match self {
            Coding::Law(_) => 8_000,
            Coding::Wide => 16_000,
        }
    }

    /// Octets of 20 ms.
    pub fn frame(self) -> usize {
        match self {
            Coding::Law(_) => 160,
            Coding::Wide => 2 * WIDE_FRAME,
        }
    }

    /// Whole samples only.
    pub fn samples(self, octets: &[u8]) -> Vec<i16> {
        match self {
            Coding::Law(law) => octets.iter().map(|code| law.decode(*code)).collect(),
            Coding::Wide => wide(octets).collect(),
        }
    }

    /// The level in dBFS, straight from the octets; no octets are digital silence.
    pub fn dbfs(self, octets: &[u8]) -> f32 {
        let square = |sample: i16| (i32::from(sample) * i32::from(sample)) as u64;
        let (sum, count): (u64, usize) = match self {
            Coding::Law(law) => (octets.iter().map(|code| square(law.decode(*code))).sum(), octets.len()),
            Coding::Wide => (wide(octets).map(square).sum(), octets.len() / 2),
        };
        let mean = sum as f32 / count.max(1) as f32;
        10.0 * (mean.max(1.0) / (32_768.0 * 32_768.0)).log10()
    }
}

/// The samples of [`Coding::Wide`].
pub fn wide(octets: &[u8]) -> impl Iterator<Item = i16> {
    octets.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
}
