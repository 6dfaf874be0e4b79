//! WAV files (RIFF WAVE, Microsoft/IBM 1991, with WAVEFORMATEXTENSIBLE): read into mono samples, written as 16 bits.
//!
//! The reader is our own because real prompt and recording files break rules a strict reader insists on: the data
//! length of a recorder that was killed (0, 0xFFFFFFFF, or beyond the end of the file) is taken as "to the end",
//! A-law and mu-law (which hound refuses) are common in telephony, odd `fmt ` lengths too. It refuses compressed
//! formats, and sizes that no prompt has.

use super::{Pcm, g711::Law};

/// Longest sound read, counted in frames: two hours at 8 kHz. Keeps a mistaken file from eating the memory.
const MAX_FRAMES: usize = 8_000 * 7_200;
const RATES: std::ops::RangeInclusive<u32> = 4_000..=192_000;
const MAX_CHANNELS: u16 = 8;

/// Format tags (mmreg.h).
const PCM: u16 = 0x0001;
const FLOAT: u16 = 0x0003;
const ALAW: u16 = 0x0006;
const MULAW: u16 = 0x0007;
const EXTENSIBLE: u16 = 0xfffe;

/// Why a file cannot be read as WAV, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WavError {
    #[error(
        "this is not a WAV file (no RIFF/WAVE at its beginning): convert it, for example `sox IN -r 8000 -c 1 OUT.wav`"
    )]
    NotWav,
    #[error("the WAV file has no format chunk before its sound: it is damaged, make it again")]
    NoFormat,
    #[error("the WAV file has no data chunk: it is damaged, make it again")]
    NoData,
    #[error(
        "the WAV format is not read here (tag {tag:#06x}, {bits} bits): \
         save it as 16-bit PCM, for example `sox IN -b 16 -e signed OUT.wav`"
    )]
    Format { tag: u16, bits: u16 },
    #[error(
        "{rate} samples a second is not a usual rate: convert it to 8000 to 48000, for example `sox IN -r 8000 OUT.wav`"
    )]
    Rate { rate: u32 },
    #[error("the WAV file has {channels} channels: mix it to one, for example `sox IN -c 1 OUT.wav`")]
    Channels { channels: u16 },
    #[error("the WAV file has more than {MAX_FRAMES} samples: cut it into parts")]
    TooLong,
}

/// Reads a whole file. Several channels become one (their mean); what a killed recorder left is read as far as it goes.
///
/// # Errors
/// Not WAV, a format that is not read, or a size out of bounds.
pub fn read(file: &[u8]) -> Result<Pcm, WavError> {
    // RF64 and RIFX are other formats; a length in the RIFF header is not looked at, it lies as often as data's.
    if file.len() < 12 || &file[..4] != b"RIFF" || &file[8..12] != b"WAVE" {
        return Err(WavError::NotWav);
    }
    let mut format = None;
    let mut rest = &file[12..];
    while let Some((header, body)) = rest.split_at_checked(8) {
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        match &header[..4] {
            b"fmt " => format = Some(Format::read(&body[..length.min(body.len())])?),
            b"data" => {
                let format = format.ok_or(WavError::NoFormat)?;
                return format.samples(sound(body, length));
            }
            _ => {}
        }
        // Chunks are padded to even lengths; one that is longer than the file is the last.
        let next = length.saturating_add(length & 1);
        rest = body.get(next..).unwrap_or(&[]);
    }
    Err(if format.is_some() { WavError::NoData } else { WavError::NoFormat })
}

/// The bytes of a data chunk. A recorder writes 0 or 0xFFFFFFFF first and the length when it closes the file: if it
/// never came to that, all that follows is sound.
fn sound(body: &[u8], length: usize) -> &[u8] {
    if length == 0 { body } else { &body[..length.min(body.len())] }
}

/// How one channel's sample is written.
#[derive(Debug, Clone, Copy)]
enum Coding {
    /// Offset binary.
    Unsigned8,
    /// Little-endian two's complement of 2, 3 or 4 bytes.
    Signed {
        bytes: usize,
    },
    Float32,
    Float64,
    Law(Law),
}

impl Coding {
    fn bytes(self) -> usize {
        match self {
            Coding::Unsigned8 | Coding::Law(_) => 1,
            Coding::Signed { bytes } => bytes,
            Coding::Float32 => 4,
            Coding::Float64 => 8,
        }
    }

    /// One sample of exactly [`Coding::bytes`]; finer ones lose their low bits.
    fn sample(self, raw: &[u8]) -> i16 {
        match self {
            Coding::Unsigned8 => (i16::from(raw[0]) - 128) << 8,
            Coding::Law(law) => law.decode(raw[0]),
            Coding::Signed { bytes } => i16::from_le_bytes([raw[bytes - 2], raw[bytes - 1]]),
            Coding::Float32 => scaled(f64::from(f32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]))),
            Coding::Float64 => {
                scaled(f64::from_le_bytes([raw[0], raw[1], raw[2], raw[3], raw[4], raw[5], raw[6], raw[7]]))
            }
        }
    }
}

/// Full scale is 1.0; beyond it is clipped, and not a number is silence.
fn scaled(value: f64) -> i16 {
    (value * 32_768.0).round() as i16
}

struct Format {
    coding: Coding,
    channels: usize,
    rate: u32,
}

impl Format {
    fn read(chunk: &[u8]) -> Result<Format, WavError> {
        if chunk.len() < 16 {
            return Err(WavError::NoFormat);
        }
        let word = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
        let (channels, bits) = (word(2), word(14));
        let rate = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
        // The extensible form has the true tag at the head of its sub-format GUID.
        let tag = if word(0) == EXTENSIBLE && chunk.len() >= 26 { word(24) } else { word(0) };
        let coding = match (tag, bits) {
            (PCM, 8) => Coding::Unsigned8,
            (PCM, 16 | 24 | 32) => Coding::Signed { bytes: usize::from(bits / 8) },
            (FLOAT, 32) => Coding::Float32,
            (FLOAT, 64) => Coding::Float64,
            (ALAW, 8) => Coding::Law(Law::A),
            (MULAW, 8) => Coding::Law(Law::Mu),
            _ => return Err(WavError::Format { tag, bits }),
        };
        if !RATES.contains(&rate) {
            return Err(WavError::Rate { rate });
        }
        if channels == 0 || channels > MAX_CHANNELS {
            return Err(WavError::Channels { channels });
        }
        Ok(Format { coding, channels: usize::from(channels), rate })
    }

    /// Whole frames only: half a frame at the end of a torn file is dropped.
    fn samples(&self, data: &[u8]) -> Result<Pcm, WavError> {
        let width = self.coding.bytes();
        let frame = width * self.channels;
        if data.len() / frame > MAX_FRAMES {
            return Err(WavError::TooLong);
        }
        let mixed = |frame: &[u8]| {
            let sum: i32 = frame.chunks_exact(width).map(|raw| i32::from(self.coding.sample(raw))).sum();
            (sum / self.channels as i32) as i16
        };
        Ok(Pcm { rate: self.rate, samples: data.chunks_exact(frame).map(mixed).collect() })
    }
}

/// A whole file: mono, 16 bits, `rate` samples a second.
///
/// # Panics
/// Beyond 4 GiB, the format's own limit.
pub fn bytes(samples: &[i16], rate: u32) -> Vec<u8> {
    let length = u32::try_from(samples.len() * 2).expect("a WAV file holds at most 4 GiB");
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(length.saturating_add(36)).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&PCM.to_le_bytes());
    file.extend_from_slice(&1_u16.to_le_bytes());
    file.extend_from_slice(&rate.to_le_bytes());
    file.extend_from_slice(&(rate * 2).to_le_bytes());
    file.extend_from_slice(&2_u16.to_le_bytes());
    file.extend_from_slice(&16_u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    for sample in samples {
        file.extend_from_slice(&sample.to_le_bytes());
    }
    file
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::time::Duration;

    use hound::{SampleFormat, WavSpec, WavWriter};
    use proptest::prelude::*;

    use super::*;
    use crate::audio::tone::{sine, sine_at};

    /// hound writes, we read.
    fn written_by_hound(bits: u16, float: bool, channels: u16, rate: u32, samples: &[i16]) -> Vec<u8> {
        let sample_format = if float { SampleFormat::Float } else { SampleFormat::Int };
        let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format };
        let mut file = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, spec).unwrap();
        for sample in samples {
            for channel in 0..channels {
                // Two channels: all of it in the first.
                let value = i32::from(if channel == 0 { *sample } else { 0 });
                match (bits, float) {
                    (32, true) => writer.write_sample(value as f32 / 32_768.0).unwrap(),
                    (8, false) => writer.write_sample(value >> 8).unwrap(),
                    _ => writer.write_sample(value << (bits - 16)).unwrap(),
                }
            }
        }
        writer.finalize().unwrap();
        file.into_inner()
    }

    /// A header by hand, with any tag and any data length.
    fn made(tag: u16, bits: u16, channels: u16, rate: u32, length: u32, data: &[u8]) -> Vec<u8> {
        let mut file = b"RIFF\xff\xff\xff\xffWAVE".to_vec();
        // A chunk of odd length before the format, padded.
        file.extend_from_slice(b"LIST\x05\x00\x00\x00INFOx\x00");
        file.extend_from_slice(b"fmt \x12\x00\x00\x00");
        let frame = channels * bits / 8;
        for field in [tag.to_le_bytes(), channels.to_le_bytes()] {
            file.extend_from_slice(&field);
        }
        file.extend_from_slice(&rate.to_le_bytes());
        file.extend_from_slice(&(rate.wrapping_mul(u32::from(frame))).to_le_bytes());
        for field in [frame.to_le_bytes(), bits.to_le_bytes(), [0, 0]] {
            file.extend_from_slice(&field);
        }
        file.extend_from_slice(b"data");
        file.extend_from_slice(&length.to_le_bytes());
        file.extend_from_slice(data);
        file
    }

    #[test]
    fn every_usual_format_and_rate() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000] {
            let tone = sine_at(rate, 440.0, Duration::from_millis(50), 0.7);
            for (bits, float) in [(8, false), (16, false), (24, false), (32, false), (32, true)] {
                let heard = read(&written_by_hound(bits, float, 1, rate, &tone)).unwrap();
                assert_eq!(heard.rate, rate);
                let kept = if bits == 8 { !0xff } else { !0 };
                let expected: Vec<i16> = tone.iter().map(|s| s & kept).collect();
                assert_eq!(heard.samples, expected, "{rate} {bits} {float}");
            }
        }
    }

    #[test]
    fn two_channels_become_their_mean() {
        let tone = sine(440.0, Duration::from_millis(50), 0.7);
        let heard = read(&written_by_hound(16, false, 2, 8_000, &tone)).unwrap();
        assert_eq!(heard.samples, tone.iter().map(|s| s / 2).collect::<Vec<_>>());
    }

    #[test]
    fn the_laws_are_decoded() {
        let codes: Vec<u8> = (0..=255).collect();
        for (tag, law) in [(ALAW, Law::A), (MULAW, Law::Mu)] {
            let heard = read(&made(tag, 8, 1, 8_000, 256, &codes)).unwrap();
            assert_eq!(heard.samples, codes.iter().map(|c| law.decode(*c)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_killed_recorders_file_is_read_as_far_as_it_goes() {
        let tone = sine(440.0, Duration::from_millis(20), 0.5);
        let data: Vec<u8> = tone.iter().flat_map(|s| s.to_le_bytes()).collect();
        for length in [0, u32::MAX, u32::MAX - 1, 1 << 20] {
            let mut file = made(PCM, 16, 1, 8_000, length, &data);
            assert_eq!(read(&file).unwrap().samples, tone, "length {length:#x}");
            file.pop(); // torn within a sample
            assert_eq!(read(&file).unwrap().samples, tone[..tone.len() - 1]);
        }
        // A true length is kept to: what follows is another chunk.
        let mut file = made(PCM, 16, 1, 8_000, data.len() as u32, &data);
        file.extend_from_slice(b"LIST\x04\x00\x00\x00INFO");
        assert_eq!(read(&file).unwrap().samples, tone);
        // Nothing was recorded yet.
        assert_eq!(read(&made(PCM, 16, 1, 8_000, 0, &[])).unwrap().samples, Vec::<i16>::new());
    }

    #[test]
    fn what_cannot_be_read_says_what_to_do() {
        let cases = [
            (read(b"ID3 an MP3 file by its name"), WavError::NotWav, "sox"),
            (read(b""), WavError::NotWav, "sox"),
            (read(b"RIFF\x04\x00\x00\x00WAVE"), WavError::NoFormat, "again"),
            (read(&made(PCM, 16, 1, 8_000, 0, &[])[..50]), WavError::NoData, "again"),
            (read(&made(0x0011, 4, 1, 8_000, 4, &[0; 4])), WavError::Format { tag: 0x11, bits: 4 }, "16-bit"),
            (read(&made(PCM, 12, 1, 8_000, 4, &[0; 4])), WavError::Format { tag: 1, bits: 12 }, "16-bit"),
            (read(&made(PCM, 16, 1, 5, 4, &[0; 4])), WavError::Rate { rate: 5 }, "8000"),
            (read(&made(PCM, 16, 0, 8_000, 4, &[0; 4])), WavError::Channels { channels: 0 }, "-c 1"),
            (read(&made(PCM, 16, 90, 8_000, 4, &[0; 4])), WavError::Channels { channels: 90 }, "-c 1"),
        ];
        for (result, expected, remedy) in cases {
            let error = result.unwrap_err();
            assert_eq!(error, expected);
            assert!(error.to_string().contains(remedy), "{error}");
        }
    }

    #[test]
    fn floats_beyond_full_scale_are_clipped() {
        let data: Vec<u8> = [2.0_f32, -2.0, f32::NAN, 0.5].iter().flat_map(|f| f.to_le_bytes()).collect();
        let heard = read(&made(FLOAT, 32, 1, 8_000, 16, &data)).unwrap();
        assert_eq!(heard.samples, [i16::MAX, i16::MIN, 0, 16_384]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_by_us_and_by_hound(samples: Vec<i16>, rate in 8_000_u32..=48_000) {
            let file = bytes(&samples, rate);
            prop_assert_eq!(read(&file).unwrap(), Pcm { rate, samples: samples.clone() });
            let mut theirs = hound::WavReader::new(Cursor::new(file)).unwrap();
            prop_assert_eq!(theirs.spec().sample_rate, rate);
            prop_assert_eq!(theirs.samples::<i16>().map(Result::unwrap).collect::<Vec<_>>(), samples);
        }

        #[test]
        fn no_bytes_panic(tag: u16, bits in 0_u16..80, channels in 0_u16..12, rate: u32, length: u32, data: Vec<u8>,
                          cut in 0_usize..100) {
            let mut file = made(tag, bits, channels, rate, length, &data);
            file.truncate(file.len().saturating_sub(cut));
            // Only that it returns counts here.
            drop(read(&file));
            drop(read(&data));
        }
    }
}
