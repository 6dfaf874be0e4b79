//! Opus (RFC 6716) as a telephone wants it: mono, 16 kHz, 20 ms a packet. The coder itself is libopus.

use ::opus::{Application, Bitrate, Channels};

/// Samples of 20 ms.
const FRAME: usize = super::coding::WIDE_FRAME;
/// Bits a second: wideband speech at its knee (RFC 7587 section 3.1.1 names 16 to 20 kbit/s).
const BITRATE: i32 = 24_000;
/// Of 10: half the work of the default for a loss that speech at this rate does not show.
const COMPLEXITY: i32 = 4;
/// What the far end is taken to lose: it makes the coder add a rough copy of each packet to the next (FEC).
const LOSS_PERCENT: i32 = 5;
/// Samples of the longest packet (RFC 6716 section 3.2.5: 120 ms).
const LONGEST: usize = 6 * FRAME;

/// How long a packet sounds, in samples at 8 kHz; `None` where it is no Opus packet.
pub fn length(packet: &[u8]) -> Option<usize> {
    ::opus::packet::get_nb_samples(packet, 8_000).ok().filter(|samples| *samples > 0 && *samples <= LONGEST / 2)
}

/// One direction's coder.
pub struct Encoder(::opus::Encoder);

impl Default for Encoder {
    fn default() -> Encoder {
        let set_up = || {
            let mut encoder = ::opus::Encoder::new(16_000, Channels::Mono, Application::Voip)?;
            encoder.set_bitrate(Bitrate::Bits(BITRATE))?;
            encoder.set_complexity(COMPLEXITY)?;
            encoder.set_inband_fec(true)?;
            encoder.set_packet_loss_perc(LOSS_PERCENT)?;
            Ok::<_, ::opus::Error>(encoder)
        };
        Encoder(set_up().expect("these settings are within RFC 6716, and there is memory"))
    }
}

impl Encoder {
    /// 20 ms into `out`, which bounds the packet; gives its length, 0 where it could not be coded.
    pub fn encode(&mut self, samples: &[i16; FRAME], out: &mut [u8]) -> usize {
        self.0.encode(samples, out).unwrap_or(0)
    }
}

/// One direction's decoder.
pub struct Decoder(::opus::Decoder);

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder(
            ::opus::Decoder::new(16_000, Channels::Mono).expect("16 kHz is one of Opus's rates, and there is memory"),
        )
    }
}

impl Decoder {
    /// One packet; what cannot be decoded is as if it had been lost.
    pub fn decode(&mut self, packet: &[u8], mut take: impl FnMut(&[i16])) {
        let mut samples = [0; LONGEST];
        match self.0.decode(packet, &mut samples, false) {
            Ok(length) => take(&samples[..length]),
            Err(_) => self.conceal(2 * length(packet).unwrap_or(FRAME / 2), take),
        }
    }

    /// So many samples (of 16 kHz) were lost: something that fits what was heard before.
    pub fn conceal(&mut self, length: usize, mut take: impl FnMut(&[i16])) {
        let mut samples = [0; LONGEST];
        // libopus conceals whole 2.5 ms.
        let length = (length / 40 * 40).clamp(40, LONGEST);
        match self.0.decode(&[], &mut samples[..length], false) {
            Ok(length) => take(&samples[..length]),
            Err(_) => take(&[0; LONGEST][..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::audio::{level, tone};
    use proptest::prelude::*;

    fn coded(samples: &[i16]) -> Vec<Vec<u8>> {
        let mut encoder = Encoder::default();
        let frames = samples.as_chunks::<FRAME>().0;
        frames
            .iter()
            .map(|frame| {
                let mut packet = vec![0; 160];
                let length = encoder.encode(frame, &mut packet);
                packet.truncate(length);
                packet
            })
            .collect()
    }

    #[test]
    fn sound_comes_through_with_its_level_and_a_lost_packet_is_not_heard() {
        let tone = tone::sine_at(16_000, 400.0, Duration::from_secs(2), 0.3);
        let packets = coded(&tone);
        assert!(packets.iter().all(|packet| length(packet) == Some(160) && packet.len() < 160));
        let mut decoder = Decoder::default();
        let mut heard = Vec::new();
        for (n, packet) in packets.iter().enumerate() {
            let take = |samples: &[i16]| heard.extend_from_slice(samples);
            if n % 20 == 19 { decoder.conceal(FRAME, take) } else { decoder.decode(packet, take) }
        }
        assert_eq!(heard.len(), tone.len());
        for (n, second) in heard.chunks(FRAME).enumerate().skip(10) {
            let gain = level::dbfs(second) - level::dbfs(&tone);
            // The lost one is made up, and those that follow it build on that.
            assert!(
                gain.abs() < if n % 20 == 19 || n % 20 < 4 { 12.0 } else { 2.0 },
                "20 ms number {n} are {gain:.1} dB off"
            );
        }
    }

    proptest! {
        #[test]
        fn any_octets(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20)) {
            let mut decoder = Decoder::default();
            for packet in packets {
                let mut length = 0;
                decoder.decode(&packet, |samples| length += samples.len());
                prop_assert!(length <= LONGEST);
            }
        }
    }
}
