//! The part of a leg whose codec has memory (G.722, Opus): its packets to 16 kHz, and 16 kHz to its packets. Legs in
//! G.711 have none of this: their octets go through as they are.

use crate::audio::coding::WIDE_FRAME;
use crate::audio::double::{Doubler, Halver};
use crate::audio::g711::Law;
use crate::audio::wide::{Decoder, Encoder, Wide};
use crate::audio::{Coding, coding};
use crate::media::FRAME;
use crate::rtp::jitter::{Buffer, Pulled};

/// Octets of a frame.
pub(super) const OCTETS: usize = 2 * WIDE_FRAME;

/// What is heard.
pub(super) struct Ear {
    decoder: Decoder,
    /// Decoded and not played out: packets longer than a tick leave some.
    samples: Vec<i16>,
}

impl Ear {
    pub(super) fn new(codec: Wide) -> Ear {
        Ear { decoder: Decoder::new(codec), samples: Vec::new() }
    }

    pub(super) fn codec(&self) -> Wide {
        self.decoder.codec()
    }

    /// One tick: fills `frame` with samples, low octet first, silence where there is nothing.
    pub(super) fn pull(&mut self, buffer: &mut Buffer, frame: &mut [u8; OCTETS]) -> Pulled {
        let Ear { decoder, samples } = self;
        // The buffer counts at 8 kHz.
        let missing = WIDE_FRAME.saturating_sub(samples.len()).div_ceil(2);
        let pulled = buffer.packets(missing, |packet, length| match packet {
            Some(packet) => decoder.decode(packet, samples),
            None => decoder.conceal(length, samples),
        });
        let have = samples.len().min(WIDE_FRAME);
        frame.fill(0);
        put(samples.drain(..have), frame);
        match pulled {
            Pulled::Nothing if have > 0 => Pulled::Audio,
            pulled => pulled,
        }
    }
}

/// What is said.
pub(super) struct Mouth {
    encoder: Encoder,
    doubler: Doubler,
}

impl Mouth {
    pub(super) fn new(codec: Wide) -> Mouth {
        Mouth { encoder: Encoder::new(codec), doubler: Doubler::default() }
    }

    /// A frame of a prompt.
    pub(super) fn raise(&mut self, law: Law, frame: &[u8; FRAME]) -> [i16; WIDE_FRAME] {
        let mut samples = [0; WIDE_FRAME];
        self.doubler.double(&frame.map(|code| law.decode(code)), &mut samples);
        samples
    }

    /// Gives the packet's length.
    pub(super) fn encode(&mut self, samples: &[i16; WIDE_FRAME], payload: &mut [u8]) -> usize {
        self.encoder.encode(samples, payload)
    }
}

/// From one leg's coding to another's: a bridge passes frames in the receiver's.
#[derive(Default)]
pub(super) struct Between {
    doubler: Doubler,
    halver: Halver,
}

impl Between {
    /// One frame, its octets given to `take`.
    pub(super) fn convert(&mut self, from: Coding, frame: &[u8], to: Coding, take: &mut impl Extend<u8>) {
        match (from, to) {
            (Coding::Law(a), Coding::Law(b)) if a != b => {
                take.extend(frame.iter().map(|code| b.encode(a.decode(*code))))
            }
            (Coding::Law(law), Coding::Wide) => {
                let mut samples = [0; WIDE_FRAME];
                let narrow: Vec<i16> = frame.iter().map(|code| law.decode(*code)).collect();
                self.doubler.double(&narrow, &mut samples);
                take.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
            }
            (Coding::Wide, Coding::Law(law)) => {
                let mut samples = [0; FRAME];
                let wide: Vec<i16> = coding::wide(frame).collect();
                self.halver.halve(&wide, &mut samples);
                take.extend(samples.iter().map(|sample| law.encode(*sample)));
            }
            _ => take.extend(frame.iter().copied()),
        }
    }
}

fn put(samples: impl Iterator<Item = i16>, frame: &mut [u8; OCTETS]) {
    for (pair, sample) in frame.as_chunks_mut::<2>().0.iter_mut().zip(samples) {
        *pair = sample.to_le_bytes();
    }
}
