//! SRTP and SRTCP (RFC 3711) with AES-CM-128 and HMAC-SHA1, in 80 and 32 bits: packets sealed and opened, pure.
//!
//! Owns the key derivation (section 4.3), the packet index with its rollover counter (3.3.1), the replay windows
//! (3.3.2). Refuses packets whose tag is wrong, that came before or are too old, and sources beyond a handful: what is
//! not opened is not looked at. Where keys come from is [`crate::sdp`]'s matter, who holds them [`crate::media::leg`]'s.
//! Neither MKI nor other key derivation rates are spoken: their keys are never agreed to.

use aes::Aes128;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// Octets of a master key with its salt (16 and 14), as SDES carries them.
pub const MASTER: usize = 30;
/// What a sealed packet is longer by at most: SRTCP's index, and the tag.
pub const MORE: usize = 4 + TAG;
/// The longer tag; SRTCP's in both suites (section 5.2).
const TAG: usize = 10;
/// Octets of the salt.
const SALT: usize = 14;
/// The SRTCP index has 31 bits; above them stands E: encrypted (section 3.4).
const ENCRYPTED: u32 = 1 << 31;
/// Sources of one call that are followed: a peer may change its SSRC, but an old one's packets must stay known.
const SOURCES: usize = 8;
/// Packets of a replay window (section 3.3.2: at least 64).
const WINDOW: u64 = 64;

/// Which tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suite {
    /// AES_CM_128_HMAC_SHA1_80
    Tag80,
    /// AES_CM_128_HMAC_SHA1_32
    Tag32,
}

/// Why a packet is not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    #[error("shorter than its header and tag")]
    Short,
    #[error("its tag is wrong")]
    Forged,
    #[error("it came before, or is too old to tell")]
    Replayed,
    #[error("one source too many")]
    Sources,
}

/// The session keys of one direction, for RTP or for RTCP.
#[derive(Clone)]
struct Keys {
    cipher: [u8; 16],
    salt: [u8; SALT],
    /// Keyed, to be cloned for each packet.
    mac: Hmac<Sha1>,
}

impl Keys {
    /// Section 4.3.1; `label` of the encryption key: 0 for SRTP, 3 for SRTCP, the two after it for tag and salt.
    fn derive(master: &[u8; MASTER], label: u8) -> Keys {
        let stream = |label: u8, out: &mut [u8]| {
            let mut iv = [0; 16];
            iv[..SALT].copy_from_slice(&master[16..]);
            iv[7] ^= label;
            keystream(&master[..16], iv, out);
        };
        let (mut cipher, mut auth, mut salt) = ([0; 16], [0; 20], [0; SALT]);
        stream(label, &mut cipher);
        stream(label + 1, &mut auth);
        stream(label + 2, &mut salt);
        let mac = Hmac::new_from_slice(&auth).expect("HMAC takes keys of any length");
        Keys { cipher, salt, mac }
    }

    /// Encrypts or decrypts (section 4.1.1).
    fn cipher(&self, ssrc: [u8; 4], index: u64, payload: &mut [u8]) {
        let mut iv = [0; 16];
        iv[..SALT].copy_from_slice(&self.salt);
        iv[4..8].iter_mut().zip(ssrc).for_each(|(a, b)| *a ^= b);
        iv[8..14].iter_mut().zip(&index.to_be_bytes()[2..]).for_each(|(a, b)| *a ^= b);
        keystream(&self.cipher, iv, payload);
    }

    fn mac(&self, authentic: &[u8], rollover: Option<u32>) -> Hmac<Sha1> {
        let mut mac = self.mac.clone();
        mac.update(authentic);
        if let Some(rollover) = rollover {
            mac.update(&rollover.to_be_bytes());
        }
        mac
    }
}

fn keystream(key: &[u8], iv: [u8; 16], out: &mut [u8]) {
    Ctr128BE::<Aes128>::new_from_slices(key, &iv).expect("16 octets each").apply_keystream(out);
}

impl Suite {
    fn tag(self) -> usize {
        match self {
            Suite::Tag80 => TAG,
            Suite::Tag32 => 4,
        }
    }
}

/// Seals what we send: one source, in order.
#[derive(Clone)]
pub struct Sealer {
    suite: Suite,
    rtp: Keys,
    rtcp: Keys,
    /// The rollover counter and the sequence number of the last packet.
    last: Option<(u32, u16)>,
    reports: u32,
}

impl Sealer {
    pub fn new(suite: Suite, master: &[u8; MASTER]) -> Sealer {
        Sealer { suite, rtp: Keys::derive(master, 0), rtcp: Keys::derive(master, 3), last: None, reports: 0 }
    }

    /// Seals the RTP packet that lies in the first `length` octets of `packet`, without CSRCs and extension; gives its new
    /// length, `None` where there is no room for the tag.
    pub fn rtp(&mut self, packet: &mut [u8], length: usize) -> Option<usize> {
        let tag = self.suite.tag();
        if packet.len() < length + tag || length < super::packet::HEADER {
            return None;
        }
        let sequence = u16::from_be_bytes([packet[2], packet[3]]);
        let rollover = match self.last {
            None => 0,
            // Our own packets go out in order.
            Some((rollover, last)) => rollover.wrapping_add(u32::from(sequence < last)),
        };
        self.last = Some((rollover, sequence));
        let index = u64::from(rollover) << 16 | u64::from(sequence);
        self.rtp.cipher(ssrc_of(packet, 8), index, &mut packet[super::packet::HEADER..length]);
        let mac = self.rtp.mac(&packet[..length], Some(rollover)).finalize().into_bytes();
        packet[length..length + tag].copy_from_slice(&mac[..tag]);
        Some(length + tag)
    }

    /// The same for RTCP.
    pub fn rtcp(&mut self, packet: &mut [u8], length: usize) -> Option<usize> {
        if packet.len() < length + MORE || length < 8 {
            return None;
        }
        self.reports = (self.reports + 1) % ENCRYPTED;
        self.rtcp.cipher(ssrc_of(packet, 4), self.reports.into(), &mut packet[8..length]);
        packet[length..length + 4].copy_from_slice(&(ENCRYPTED | self.reports).to_be_bytes());
        let mac = self.rtcp.mac(&packet[..length + 4], None).finalize().into_bytes();
        packet[length + 4..length + MORE].copy_from_slice(&mac[..TAG]);
        Some(length + MORE)
    }
}

/// Opens what a peer sends.
#[derive(Clone)]
pub struct Opener {
    suite: Suite,
    rtp: Keys,
    rtcp: Keys,
    sources: Vec<Source>,
}

/// What came of one source.
#[derive(Debug, Clone, Copy)]
struct Source {
    ssrc: [u8; 4],
    /// The 48-bit indices of RTP packets, the 31-bit ones of RTCP.
    rtp: Window,
    rtcp: Window,
}

/// Which indices came: the highest, and in bit n whether the one n below it did.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    highest: u64,
    came: u64,
}

impl Window {
    fn is_new(self, index: u64) -> bool {
        if self.came == 0 || index > self.highest {
            return true;
        }
        let below = self.highest - index;
        below < WINDOW && self.came >> below & 1 == 0
    }

    fn take(&mut self, index: u64) {
        if self.came == 0 || index > self.highest {
            let ahead = index - self.highest;
            self.came = if self.came == 0 || ahead >= WINDOW { 1 } else { self.came << ahead | 1 };
            self.highest = index;
        } else {
            self.came |= 1 << (self.highest - index);
        }
    }

    /// The index nearest to what came (section 3.3.1); the first packet of a source has rollover 0.
    fn guess(self, sequence: u16) -> u64 {
        let sequence = u64::from(sequence);
        if self.came == 0 {
            return sequence;
        }
        let rollover = self.highest >> 16;
        let last = self.highest & 0xffff;
        let rollover = if last < 0x8000 && sequence > last + 0x8000 {
            rollover.saturating_sub(1)
        } else if last >= 0x8000 && sequence < last - 0x8000 {
            rollover + 1
        } else {
            rollover
        };
        rollover << 16 | sequence
    }
}

impl Opener {
    pub fn new(suite: Suite, master: &[u8; MASTER]) -> Opener {
        Opener { suite, rtp: Keys::derive(master, 0), rtcp: Keys::derive(master, 3), sources: Vec::new() }
    }

    /// Opens a packet where it lies; gives its length without the tag.
    ///
    /// # Errors
    /// It is not the peer's, or not for the first time; its octets are then as they were, or worthless.
    pub fn rtp(&mut self, packet: &mut [u8]) -> Result<usize, Closed> {
        let length = packet.len().checked_sub(self.suite.tag()).ok_or(Closed::Short)?;
        let payload = header_of(&packet[..length]).ok_or(Closed::Short)?;
        let ssrc = ssrc_of(packet, 8);
        let window = self.source(ssrc).map(|source| source.rtp).unwrap_or_default();
        let index = window.guess(u16::from_be_bytes([packet[2], packet[3]]));
        if !window.is_new(index) {
            return Err(Closed::Replayed);
        }
        let (authentic, tag) = packet.split_at(length);
        let rollover = (index >> 16) as u32;
        self.rtp.mac(authentic, Some(rollover)).verify_truncated_left(tag).map_err(|_| Closed::Forged)?;
        self.known(ssrc)?.rtp.take(index);
        self.rtp.cipher(ssrc, index, &mut packet[payload..length]);
        Ok(length)
    }

    /// The same for RTCP.
    ///
    /// # Errors
    /// As [`Opener::rtp`].
    pub fn rtcp(&mut self, packet: &mut [u8]) -> Result<usize, Closed> {
        let length = packet.len().checked_sub(MORE).filter(|length| *length >= 8).ok_or(Closed::Short)?;
        let (authentic, tag) = packet.split_at(length + 4);
        let word = u32::from_be_bytes([
            authentic[length],
            authentic[length + 1],
            authentic[length + 2],
            authentic[length + 3],
        ]);
        let ssrc = ssrc_of(packet, 4);
        let index = u64::from(word & !ENCRYPTED);
        if !self.source(ssrc).is_none_or(|source| source.rtcp.is_new(index)) {
            return Err(Closed::Replayed);
        }
        self.rtcp.mac(authentic, None).verify_truncated_left(tag).map_err(|_| Closed::Forged)?;
        self.known(ssrc)?.rtcp.take(index);
        if word & ENCRYPTED != 0 {
            self.rtcp.cipher(ssrc, index, &mut packet[8..length]);
        }
        Ok(length)
    }

    fn source(&self, ssrc: [u8; 4]) -> Option<&Source> {
        self.sources.iter().find(|source| source.ssrc == ssrc)
    }

    /// Of a packet that is the peer's. No old source makes room for a new one: its packets could be replayed.
    fn known(&mut self, ssrc: [u8; 4]) -> Result<&mut Source, Closed> {
        if let Some(place) = self.sources.iter().position(|source| source.ssrc == ssrc) {
            return Ok(&mut self.sources[place]);
        }
        if self.sources.len() >= SOURCES {
            return Err(Closed::Sources);
        }
        self.sources.push(Source { ssrc, rtp: Window::default(), rtcp: Window::default() });
        self.sources.last_mut().ok_or(Closed::Sources)
    }
}

/// The SSRC at this place; the packet is longer.
fn ssrc_of(packet: &[u8], at: usize) -> [u8; 4] {
    packet[at..].first_chunk().copied().unwrap_or_default()
}

/// Octets before the payload: the header, CSRCs and the extension stay in the clear (section 3.1).
fn header_of(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let mut length = super::packet::HEADER + usize::from(first & 0x0f) * 4;
    if first & 0x10 != 0 {
        let words = packet.get(length + 2..length + 4)?;
        length += 4 + usize::from(u16::from_be_bytes([words[0], words[1]])) * 4;
    }
    (packet.len() >= length).then_some(length)
}

#[cfg(test)]
mod tests;
