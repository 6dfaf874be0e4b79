//! Codecs with memory, decoded to and coded from 16 kHz: G.722, Opus and (where it was built in) G.729 behind one pair of
//! types.

use super::coding::WIDE_FRAME;
#[cfg(feature = "g729")]
use super::g729;
use super::{g722, opus};

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wide {
    G722,
    Opus,
    #[cfg(feature = "g729")]
    G729,
}

impl Wide {
    /// How long a packet sounds, in samples at 8 kHz; `None` where it cannot be one.
    pub fn length(self, packet: &[u8]) -> Option<usize> {
        match self {
            Wide::G722 => Some(packet.len()).filter(|length| *length > 0),
            Wide::Opus => opus::length(packet),
            #[cfg(feature = "g729")]
            Wide::G729 => g729::length(packet),
        }
    }
}

/// One direction's decoder.
#[expect(clippy::large_enum_variant, reason = "a leg has one, behind a Box of its own")]
pub enum Decoder {
    G722 {
        decoder: g722::Decoder,
        /// What was decoded last: played once more for what is lost, quieter, and then not again.
        last: Vec<i16>,
    },
    Opus(opus::Decoder),
    #[cfg(feature = "g729")]
    G729(Box<g729::Decoder>),
}

impl Decoder {
    pub fn new(codec: Wide) -> Decoder {
        match codec {
            Wide::G722 => Decoder::G722 { decoder: g722::Decoder::default(), last: Vec::new() },
            Wide::Opus => Decoder::Opus(opus::Decoder::default()),
            #[cfg(feature = "g729")]
            Wide::G729 => Decoder::G729(Box::default()),
        }
    }

    pub fn codec(&self) -> Wide {
        match self {
            Decoder::G722 { .. } => Wide::G722,
            Decoder::Opus(_) => Wide::Opus,
            #[cfg(feature = "g729")]
            Decoder::G729(_) => Wide::G729,
        }
    }

    /// One packet; its samples are added to `out`.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<i16>) {
        match self {
            Decoder::G722 { decoder, last } => {
                let begin = out.len();
                packet.iter().for_each(|code| out.extend(decoder.decode(*code)));
                last.clear();
                last.extend_from_slice(&out[begin.max(out.len().saturating_sub(WIDE_FRAME))..]);
            }
            Decoder::Opus(decoder) => decoder.decode(packet, |samples| out.extend_from_slice(samples)),
            #[cfg(feature = "g729")]
            Decoder::G729(decoder) => decoder.decode(packet, |samples| out.extend_from_slice(samples)),
        }
    }

    /// In place of a packet that was lost and would have sounded for `length` samples of 8 kHz.
    pub fn conceal(&mut self, length: usize, out: &mut Vec<i16>) {
        match self {
            Decoder::G722 { last, .. } => {
                let end = out.len() + 2 * length;
                out.extend(last.drain(..).take(2 * length).map(|sample| sample / 2));
                out.resize(end, 0);
            }
            Decoder::Opus(decoder) => decoder.conceal(2 * length, |samples| out.extend_from_slice(samples)),
            #[cfg(feature = "g729")]
            Decoder::G729(decoder) => decoder.conceal(2 * length, |samples| out.extend_from_slice(samples)),
        }
    }
}

/// One direction's coder.
#[expect(clippy::large_enum_variant, reason = "a leg has one, behind a Box of its own")]
pub enum Encoder {
    G722(g722::Encoder),
    Opus(opus::Encoder),
    #[cfg(feature = "g729")]
    G729(Box<g729::Encoder>),
}

impl Encoder {
    pub fn new(codec: Wide) -> Encoder {
        match codec {
            Wide::G722 => Encoder::G722(g722::Encoder::default()),
            Wide::Opus => Encoder::Opus(opus::Encoder::default()),
            #[cfg(feature = "g729")]
            Wide::G729 => Encoder::G729(Box::default()),
        }
    }

    pub fn codec(&self) -> Wide {
        match self {
            Encoder::G722(_) => Wide::G722,
            Encoder::Opus(_) => Wide::Opus,
            #[cfg(feature = "g729")]
            Encoder::G729(_) => Wide::G729,
        }
    }

    /// 20 ms into `out` (160 octets are enough); gives the packet's length.
    pub fn encode(&mut self, samples: &[i16; WIDE_FRAME], out: &mut [u8]) -> usize {
        match self {
            Encoder::G722(encoder) => {
                let pairs = samples.as_chunks::<2>().0;
                out.iter_mut().zip(pairs).for_each(|(code, pair)| *code = encoder.encode(*pair));
                pairs.len().min(out.len())
            }
            Encoder::Opus(encoder) => encoder.encode(samples, out),
            #[cfg(feature = "g729")]
            Encoder::G729(encoder) => encoder.encode(samples, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audio::{level, tone};

    #[test]
    fn lost_packets_keep_their_time_and_fade() {
        let codecs = [
            Wide::G722,
            Wide::Opus,
            #[cfg(feature = "g729")]
            Wide::G729,
        ];
        for codec in codecs {
            let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
            assert_eq!((encoder.codec(), decoder.codec()), (codec, codec));
            let tone = tone::sine_at(16_000, 500.0, Duration::from_secs(1), 0.3);
            let mut heard = Vec::new();
            for frame in tone.as_chunks::<WIDE_FRAME>().0 {
                let mut packet = [0; 160];
                let length = encoder.encode(frame, &mut packet);
                assert_eq!(codec.length(&packet[..length]), Some(160), "{codec:?}");
                decoder.decode(&packet[..length], &mut heard);
            }
            assert_eq!(heard.len(), tone.len(), "{codec:?}");
            for _ in 0..50 {
                decoder.conceal(160, &mut heard);
            }
            assert_eq!(heard.len(), 2 * tone.len(), "{codec:?}");
            let (gap, end) = (&heard[16_000..16_300], &heard[31_000..]);
            let (gap, end) = (level::dbfs(gap), level::dbfs(end));
            assert!(gap > -30.0 && end < -30.0, "{codec:?}: {gap:.1}, {end:.1} dBFS");
        }
    }
}
