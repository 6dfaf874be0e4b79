//! One RTP packet (RFC 3550 section 5.1): read and written.

/// The fixed header without CSRCs.
pub const HEADER: usize = 12;

/// One packet, its payload borrowed from the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    pub marker: bool,
    /// 0 to 127.
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub ssrc: u32,
    /// Without CSRCs, header extension and padding; may be empty.
    pub payload: &'a [u8],
}

/// Why a datagram is not RTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRtp {
    #[error("shorter than its RTP header says")]
    Short,
    #[error("not version 2")]
    Version,
    /// Payload types 72 to 76 with the marker are RTCP's 200 to 204 (RFC 5761 section 4).
    #[error("RTCP, not RTP")]
    Rtcp,
    #[error("more padding than payload")]
    Padding,
}

/// Whether a datagram on a port that carries both is RTCP (RFC 5761 section 4).
pub fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.len() >= 2 && datagram[0] >> 6 == 2 && (192..=223).contains(&datagram[1])
}

impl<'a> Packet<'a> {
    /// Reads one datagram.
    ///
    /// # Errors
    /// Whatever would make us look beyond the datagram (CC, X, P), another version, RTCP.
    pub fn parse(datagram: &'a [u8]) -> Result<Packet<'a>, NotRtp> {
        let header = datagram.first_chunk::<HEADER>().ok_or(NotRtp::Short)?;
        if header[0] >> 6 != 2 {
            return Err(NotRtp::Version);
        }
        if is_rtcp(datagram) {
            return Err(NotRtp::Rtcp);
        }
        let csrcs = usize::from(header[0] & 0x0f) * 4;
        let mut payload = datagram.get(HEADER + csrcs..).ok_or(NotRtp::Short)?;
        if header[0] & 0x10 != 0 {
            let words = payload.get(2..4).ok_or(NotRtp::Short)?;
            let length = usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
            payload = payload.get(4 + length..).ok_or(NotRtp::Short)?;
        }
        if header[0] & 0x20 != 0 {
            // The last octet counts the padding, itself included.
            let padding = usize::from(*payload.last().ok_or(NotRtp::Padding)?);
            if padding == 0 || padding > payload.len() {
                return Err(NotRtp::Padding);
            }
            payload = &payload[..payload.len() - padding];
        }
        Ok(Packet {
            marker: header[1] & 0x80 != 0,
            payload_type: header[1] & 0x7f,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            payload,
        })
    }

    /// Writes the packet, without padding, extension or CSRCs, and gives its length; `None` if `out` is too short.
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let length = HEADER + self.payload.len();
        let out = out.get_mut(..length)?;
        out[0] = 0x80;
        out[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        out[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        out[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        out[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        out[HEADER..].copy_from_slice(self.payload);
        Some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn csrcs_extension_and_padding_are_taken_off() {
        let mut bytes = vec![0x80 | 0x20 | 0x10 | 2, 0x80 | 8, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1];
        bytes.extend([1; 8]); // two CSRCs
        bytes.extend([0xbe, 0xde, 0, 1, 9, 9, 9, 9]); // an extension of one word
        bytes.extend([0xd5, 0xd5, 0, 0, 3]); // two octets of audio, three of padding
        let packet = Packet::parse(&bytes).expect("it is RTP");
        assert_eq!((packet.marker, packet.payload_type, packet.sequence, packet.timestamp), (true, 8, 7, 9));
        assert_eq!(packet.payload, [0xd5, 0xd5]);
    }

    /// ATTACKS 38: counts that point beyond the packet.
    #[test]
    fn counts_beyond_the_packet_are_refused() {
        let plain = [0x80, 8, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1];
        let with = |first: u8, tail: &[u8]| {
            let mut bytes = plain.to_vec();
            bytes[0] = first;
            bytes.extend_from_slice(tail);
            bytes
        };
        assert_eq!(Packet::parse(&with(0x8f, &[0; 59])), Err(NotRtp::Short), "CC = 15 needs 60 octets");
        assert_eq!(Packet::parse(&with(0x90, &[0, 0])), Err(NotRtp::Short), "half an extension header");
        assert_eq!(Packet::parse(&with(0x90, &[0, 0, 0xff, 0xff, 1])), Err(NotRtp::Short), "extension of 65,535 words");
        assert_eq!(Packet::parse(&with(0xa0, &[])), Err(NotRtp::Padding), "padding of nothing");
        assert_eq!(Packet::parse(&with(0xa0, &[1, 9])), Err(NotRtp::Padding), "9 octets of 2");
        assert_eq!(Packet::parse(&with(0xa0, &[1, 0])), Err(NotRtp::Padding), "a count of 0");
        assert_eq!(Packet::parse(&with(0x40, &[])), Err(NotRtp::Version));
        assert_eq!(Packet::parse(&plain[..11]), Err(NotRtp::Short));
        assert_eq!(Packet::parse(&[0x80, 200, 0, 0]), Err(NotRtp::Short), "4 octets of RTCP");
        assert_eq!(Packet::parse(&[0x80, 201, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]), Err(NotRtp::Rtcp));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200), first in 0x80u8..0xc0) {
            let mut bytes = bytes;
            if let Some(byte) = bytes.first_mut() {
                *byte = first;
            }
            if let Ok(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.payload.len() + HEADER <= bytes.len());
            }
        }

        #[test]
        fn what_is_written_is_read(marker: bool, payload_type in 0u8..64, sequence: u16, timestamp: u32, ssrc: u32,
                                   payload in proptest::collection::vec(any::<u8>(), 0..180)) {
            let packet = Packet { marker, payload_type, sequence, timestamp, ssrc, payload: &payload };
            let mut out = [0; 192];
            let length = packet.write(&mut out).expect("it fits");
            prop_assert_eq!(Packet::parse(&out[..length]), Ok(packet));
            prop_assert_eq!(packet.write(&mut out[..length - 1]), None);
        }
    }
}
