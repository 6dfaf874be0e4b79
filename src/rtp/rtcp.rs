//! RTCP (RFC 3550 section 6): sender and receiver reports, SDES with a CNAME, BYE; written and read.

use std::time::Duration;

/// What one side reports on the other (RFC 3550 section 6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    pub ssrc: u32,
    /// Of 256, since the last report.
    pub fraction_lost: u8,
    /// Since the beginning; 24 bits, negative where duplicates outnumber losses.
    pub lost: i32,
    /// The highest sequence number, extended by its wraps.
    pub highest: u32,
    /// In timestamp units.
    pub jitter: u32,
    /// The middle 32 bits of the NTP time of the last SR from that source; 0 for none.
    pub last_report: u32,
    /// How long ago that SR came, in 1/65,536 s.
    pub since: u32,
}

/// What a sender says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// Wall time as NTP (seconds since 1900, 32.32 bits).
    pub ntp: u64,
    /// The same moment as an RTP timestamp.
    pub timestamp: u32,
    pub packets: u32,
    pub octets: u32,
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report<'a> {
    /// SR or RR. Of several report blocks only the one on `us` is given.
    Report {
        ssrc: u32,
        sender: Option<Sender>,
        block: Option<Block>,
    },
    Sdes {
        ssrc: u32,
        cname: Option<&'a [u8]>,
    },
    Bye {
        ssrc: u32,
    },
    /// APP, feedback, extended reports: not ours to read.
    Other(u8),
}

/// A datagram is not a compound RTCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not RTCP: a length or a version is wrong")]
pub struct NotRtcp;

const SR: u8 = 200;
const RR: u8 = 201;
const SDES: u8 = 202;
const BYE: u8 = 203;

/// The middle 32 bits of an NTP time, as report blocks carry it.
pub fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

/// A duration in 1/65,536 s, as report blocks carry it.
pub fn short(duration: Duration) -> u32 {
    (duration.as_micros() * 65_536 / 1_000_000).min(u128::from(u32::MAX)) as u32
}

/// NTP from Unix time.
pub fn ntp(unix: Duration) -> u64 {
    let seconds = unix.as_secs().wrapping_add(2_208_988_800);
    (seconds << 32) | ((u64::from(unix.subsec_nanos()) << 32) / 1_000_000_000)
}

/// Round trip from a report on us (RFC 3550 section 6.4.1): `arrival` is the middle of our NTP time at its arrival.
pub fn round_trip(block: &Block, arrival: u32) -> Option<Duration> {
    if block.last_report == 0 {
        return None;
    }
    let units = arrival.wrapping_sub(block.last_report).wrapping_sub(block.since);
    // A negative difference (a peer whose clock or arithmetic is off) wraps to hours; that is no measurement.
    (units < 60 * 65_536).then(|| Duration::from_micros(u64::from(units) * 1_000_000 / 65_536))
}

/// Writes SR (or RR for `sender: None`), SDES and, at the end of a stream, BYE. `None` if `out` is too short; 128
/// octets are enough for a CNAME of 16.
pub fn write(
    out: &mut [u8],
    ssrc: u32,
    sender: Option<Sender>,
    block: Option<Block>,
    cname: &[u8],
    bye: bool,
) -> Option<usize> {
    let mut pen = Pen { out, at: 0 };
    let start = pen.begin(u8::from(block.is_some()), if sender.is_some() { SR } else { RR })?;
    pen.word(ssrc)?;
    if let Some(sender) = sender {
        pen.word((sender.ntp >> 32) as u32)?;
        pen.word(sender.ntp as u32)?;
        pen.word(sender.timestamp)?;
        pen.word(sender.packets)?;
        pen.word(sender.octets)?;
    }
    if let Some(block) = block {
        pen.word(block.ssrc)?;
        pen.word(u32::from(block.fraction_lost) << 24 | block.lost as u32 & 0xff_ffff)?;
        for word in [block.highest, block.jitter, block.last_report, block.since] {
            pen.word(word)?;
        }
    }
    pen.end(start)?;
    let start = pen.begin(1, SDES)?;
    pen.word(ssrc)?;
    let cname = &cname[..cname.len().min(255)];
    pen.bytes(&[1, cname.len() as u8])?;
    pen.bytes(cname)?;
    // At least one null octet ends the list of items; the chunk fills its last word (section 6.5).
    pen.bytes(&[0; 4][..4 - (pen.at - start) % 4])?;
    pen.end(start)?;
    if bye {
        let start = pen.begin(1, BYE)?;
        pen.word(ssrc)?;
        pen.end(start)?;
    }
    Some(pen.at)
}

struct Pen<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Pen<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.out.get_mut(self.at..self.at + bytes.len())?.copy_from_slice(bytes);
        self.at += bytes.len();
        Some(())
    }

    fn word(&mut self, word: u32) -> Option<()> {
        self.bytes(&word.to_be_bytes())
    }

    fn begin(&mut self, count: u8, kind: u8) -> Option<usize> {
        let start = self.at;
        self.bytes(&[0x80 | count, kind, 0, 0])?;
        Some(start)
    }

    fn end(&mut self, start: usize) -> Option<()> {
        let words = ((self.at - start) / 4 - 1) as u16;
        self.out.get_mut(start + 2..start + 4)?.copy_from_slice(&words.to_be_bytes());
        Some(())
    }
}

/// Reads a compound packet part by part. The first error ends it; `us` picks the report block that is given.
pub fn read(datagram: &[u8], us: u32) -> impl Iterator<Item = Result<Report<'_>, NotRtcp>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let part = split(rest);
        rest = part.map_or(&[], |(_, rest)| rest);
        Some(part.and_then(|(part, _)| report(part, us)).ok_or(NotRtcp))
    })
}

/// One packet by its length field, and what follows it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = bytes.first_chunk::<4>()?;
    if header[0] >> 6 != 2 {
        return None;
    }
    bytes.split_at_checked(usize::from(u16::from_be_bytes([header[2], header[3]])) * 4 + 4)
}

fn report(part: &[u8], us: u32) -> Option<Report<'_>> {
    let count = usize::from(part[0] & 0x1f);
    let word = |i: usize| part.get(i * 4..i * 4 + 4).map(|b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]));
    match part[1] {
        kind @ (SR | RR) => {
            let ssrc = word(1)?;
            let sender = if kind == SR {
                let ntp = u64::from(word(2)?) << 32 | u64::from(word(3)?);
                Some(Sender { ntp, timestamp: word(4)?, packets: word(5)?, octets: word(6)? })
            } else {
                None
            };
            let first = if kind == SR { 7 } else { 2 };
            let mut block = None;
            for i in 0..count {
                let at = first + i * 6;
                let [ssrc, loss, highest, jitter, last_report, since] =
                    [word(at)?, word(at + 1)?, word(at + 2)?, word(at + 3)?, word(at + 4)?, word(at + 5)?];
                if ssrc == us {
                    let lost = ((loss << 8) as i32) >> 8; // 24 bits with their sign
                    let fraction_lost = (loss >> 24) as u8;
                    block = Some(Block { ssrc, fraction_lost, lost, highest, jitter, last_report, since });
                }
            }
            Some(Report::Report { ssrc, sender, block })
        }
        SDES => {
            let ssrc = if count == 0 { 0 } else { word(1)? };
            Some(Report::Sdes { ssrc, cname: part.get(8..).and_then(cname) })
        }
        BYE => Some(Report::Bye { ssrc: if count == 0 { 0 } else { word(1)? } }),
        other => Some(Report::Other(other)),
    }
}

/// The CNAME among the items of the first chunk.
fn cname(mut items: &[u8]) -> Option<&[u8]> {
    loop {
        let [kind, length, rest @ ..] = items else { return None };
        if *kind == 0 {
            return None;
        }
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *kind == 1 {
            return Some(value);
        }
        items = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BLOCK: Block =
        Block { ssrc: 7, fraction_lost: 25, lost: -3, highest: 0x1_0005, jitter: 40, last_report: 99, since: 65_536 };
    const SENDER: Sender = Sender { ntp: 0x0123_4567_89ab_cdef, timestamp: 160, packets: 1, octets: 160 };

    #[test]
    fn a_compound_is_read_as_written() {
        for length in 0..=20 {
            let name = &b"abcdefghijklmnopqrst"[..length];
            let mut out = [0; 192];
            let end = write(&mut out, 5, Some(SENDER), Some(BLOCK), name, true).expect("it fits");
            assert_eq!(end % 4, 0);
            let parts: Vec<_> = read(&out[..end], 7).collect();
            assert_eq!(
                parts,
                [
                    Ok(Report::Report { ssrc: 5, sender: Some(SENDER), block: Some(BLOCK) }),
                    Ok(Report::Sdes { ssrc: 5, cname: Some(name) }),
                    Ok(Report::Bye { ssrc: 5 }),
                ]
            );
            assert_eq!(write(&mut out[..end - 1], 5, Some(SENDER), Some(BLOCK), name, true), None);
        }
    }

    /// ATTACKS 38: four octets of RTCP, and counts and lengths beyond the packet.
    #[test]
    fn lengths_beyond_the_packet_are_refused() {
        for bytes in [
            &[0x80, 200, 0, 0][..],
            &[0x80, 200, 0, 6, 0, 0, 0, 1],
            &[0x9f, 201, 0, 1, 0, 0, 0, 1], // 31 blocks of none
            &[0x40, 201, 0, 1, 0, 0, 0, 1],
            &[0x81, 203, 0, 0],
            &[0x80],
        ] {
            assert!(read(bytes, 1).any(|part| part == Err(NotRtcp)), "{bytes:?}");
        }
    }

    #[test]
    fn the_round_trip_is_ours() {
        let sent = middle(ntp(Duration::from_millis(1_700_000_000_000)));
        let back = middle(ntp(Duration::from_millis(1_700_000_001_250)));
        let block = Block { last_report: sent, since: short(Duration::from_secs(1)), ..BLOCK };
        let trip = round_trip(&block, back).expect("a measurement").as_millis();
        assert!((249..=251).contains(&trip), "{trip}");
        assert_eq!(round_trip(&Block { since: short(Duration::from_secs(9)), ..block }, back), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 199u8..206, words in 0u8..50) {
            if bytes.len() > 4 {
                (bytes[0], bytes[1], bytes[2], bytes[3]) = (0x80 | bytes[0] & 0x3f, kind, 0, words);
            }
            prop_assert!(read(&bytes, 7).count() <= bytes.len() / 4 + 1);
        }
    }
}
