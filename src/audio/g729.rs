//! ITU-T G.729 (8 kbit/s, ten octets for 10 ms at 8 kHz) between the 16 kHz of [`super::wide`] and packets.
//!
//! Only with the cargo feature `g729`, which is off by default for its licence: the crate `g729-sys` calls itself MIT, but
//! its sources say that they were carried over from bcg729, which is GPL-3.0. Who builds with it should take the whole
//! program as GPL-3.0. Sends speech frames only (`annexb=no`, RFC 4856 section 2.1.9); takes the two octets of a
//! comfort noise frame at a packet's end all the same (RFC 3551 section 4.5.6).

use g729_sys::{FRAME_SAMPLES, VOICE_FRAME_BYTES};

use super::coding::WIDE_FRAME;
use super::double::{Doubler, Halver};

/// Octets of a comfort noise frame.
const NOISE: usize = 2;

/// How long a packet sounds, in samples at 8 kHz; `None` where it cannot be one.
pub fn length(packet: &[u8]) -> Option<usize> {
    let frames = packet.len() / VOICE_FRAME_BYTES;
    match packet.len() % VOICE_FRAME_BYTES {
        0 if frames > 0 => Some(frames * FRAME_SAMPLES),
        NOISE => Some((frames + 1) * FRAME_SAMPLES),
        _ => None,
    }
}

/// One direction's decoder.
#[derive(Default)]
pub struct Decoder {
    codec: g729_sys::Decoder,
    up: Doubler,
}

impl Decoder {
    /// One packet; what is left over at its end is no frame and has no sound.
    pub fn decode(&mut self, packet: &[u8], mut take: impl FnMut(&[i16])) {
        for frame in packet.chunks(VOICE_FRAME_BYTES) {
            match frame.len() {
                VOICE_FRAME_BYTES => take(&self.frame(frame, false, false)),
                NOISE => take(&self.frame(frame, false, true)),
                _ => {}
            }
        }
    }

    /// In place of a lost packet of so many samples at 16 kHz: the codec goes on by itself and fades.
    pub fn conceal(&mut self, samples: usize, mut take: impl FnMut(&[i16])) {
        let mut left = samples;
        while left > 0 {
            let wide = self.frame(&[], true, false);
            let part = left.min(wide.len());
            take(&wide[..part]);
            left -= part;
        }
    }

    fn frame(&mut self, frame: &[u8], lost: bool, noise: bool) -> [i16; 2 * FRAME_SAMPLES] {
        let narrow = self.codec.decode(frame, lost, noise, false);
        let mut wide = [0; 2 * FRAME_SAMPLES];
        self.up.double(&narrow, &mut wide);
        wide
    }
}

/// One direction's coder.
pub struct Encoder {
    codec: g729_sys::Encoder,
    down: Halver,
}

impl Default for Encoder {
    fn default() -> Encoder {
        Encoder { codec: g729_sys::Encoder::new(false), down: Halver::default() }
    }
}

impl Encoder {
    /// 20 ms into `out` (20 octets); gives the packet's length.
    pub fn encode(&mut self, samples: &[i16; WIDE_FRAME], out: &mut [u8]) -> usize {
        let mut narrow = [0; WIDE_FRAME / 2];
        self.down.halve(samples, &mut narrow);
        let mut length = 0;
        for frame in narrow.as_chunks::<FRAME_SAMPLES>().0 {
            let mut coded = [0; VOICE_FRAME_BYTES];
            let octets = usize::from(self.codec.encode_into(frame, &mut coded));
            let Some(place) = out.get_mut(length..length + octets) else { break };
            place.copy_from_slice(&coded[..octets]);
            length += octets;
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_packet_is_so_many_frames() {
        for (octets, samples) in
            [(0, None), (10, Some(80)), (20, Some(160)), (22, Some(240)), (2, Some(80)), (21, None)]
        {
            assert_eq!(length(&vec![0; octets]), samples, "{octets} octets");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_decoded_to_their_length(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..45), 1..20)) {
            let mut decoder = Decoder::default();
            for packet in packets {
                let mut heard = 0;
                decoder.decode(&packet, |samples| heard += samples.len());
                if let Some(length) = length(&packet) {
                    prop_assert_eq!(heard, 2 * length);
                }
                decoder.conceal(320, |samples| heard += samples.len());
            }
        }
    }
}
