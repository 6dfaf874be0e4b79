//! Sound as numbers: the two laws of the telephone, the wideband codecs, WAV in and out, rates, tones, levels. All pure:
//! bytes and samples in, bytes and samples out. Refuses to play, record or open anything: that is `media` and whoever reads the file.

pub mod clear;
pub mod coding;
pub mod double;
pub mod g711;
pub mod g722;
#[cfg(feature = "g729")]
pub mod g729;
pub mod level;
pub mod opus;
pub mod pcm;
pub mod resample;
pub mod silero;
pub mod tone;
pub mod wav;
pub mod wide;

pub use coding::Coding;
pub use pcm::Pcm;

/// Samples a second of the telephone (G.711), and of all prompts.
pub const RATE: u32 = 8_000;
