//! RFC 3711 appendix B, the vectors of libsrtp's own test, and an attacker on the link.

use super::*;
use crate::rtp::Packet;
use proptest::prelude::*;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("hex"), 16).expect("hex")).collect()
}

fn master() -> [u8; MASTER] {
    bytes("E1F97A0D3E018BE0D64FA32C06DE4139 0EC675AD498AFEEBB6960B3AABE6").try_into().expect("30 octets")
}

/// RFC 3711 B.2.
#[test]
fn the_keystream_is_that_of_the_rfc() {
    let mut keys = Keys::derive(&master(), 0);
    keys.cipher = bytes("2B7E151628AED2A6ABF7158809CF4F3C").try_into().expect("16 octets");
    keys.salt = bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().expect("14 octets");
    let mut out = [0; 32];
    keys.cipher([0; 4], 0, &mut out);
    assert_eq!(out.to_vec(), bytes("E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB"));
}

/// RFC 3711 B.3.
#[test]
fn keys_are_derived_as_in_the_rfc() {
    let keys = Keys::derive(&master(), 0);
    assert_eq!(keys.cipher.to_vec(), bytes("C61E7A93744F39EE10734AFE3FF7A087"));
    assert_eq!(keys.salt.to_vec(), bytes("30CBBC08863D8C85D49DB34A9AE1"));
    let auth = bytes("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
    let known: Hmac<Sha1> = Hmac::new_from_slice(&auth).expect("any length");
    assert_eq!(keys.mac.finalize().into_bytes(), known.finalize().into_bytes());
}

/// libsrtp, test/srtp_driver.c: srtp_validate.
#[test]
fn packets_are_sealed_as_libsrtp_does() {
    let plain = bytes("800f1234 decafbad cafebabe abababab abababab abababab abababab");
    let sealed = bytes("800f1234 decafbad cafebabe 4e55dc4c e79978d8 8ca4d215 949d2402 b78d6acc 99ea179b 8dbb");
    let mut packet = [plain.clone(), vec![0; 10]].concat();
    assert_eq!(Sealer::new(Suite::Tag80, &master()).rtp(&mut packet, plain.len()), Some(sealed.len()));
    assert_eq!(packet, sealed);
    assert_eq!(Opener::new(Suite::Tag80, &master()).rtp(&mut packet), Ok(plain.len()));
    assert_eq!(packet[..plain.len()], plain);

    let plain = bytes("81c8000b cafebabe abababab abababab abababab abababab");
    let sealed = bytes("81c8000b cafebabe 7128035b e487b9bd bef89041 f977a5a8 80000001 993e08cd 54d6c123 0798");
    let mut packet = [plain.clone(), vec![0; 14]].concat();
    assert_eq!(Sealer::new(Suite::Tag80, &master()).rtcp(&mut packet, plain.len()), Some(sealed.len()));
    assert_eq!(packet, sealed);
    assert_eq!(Opener::new(Suite::Tag80, &master()).rtcp(&mut packet), Ok(plain.len()));
    assert_eq!(packet[..plain.len()], plain);
}

fn sealed(sealer: &mut Sealer, sequence: u16, ssrc: u32) -> Vec<u8> {
    let payload = [sequence as u8; 160];
    let packet = Packet { marker: false, payload_type: 8, sequence, timestamp: 0, ssrc, payload: &payload };
    let mut out = vec![0; 200];
    let length = packet.write(&mut out).expect("it fits");
    let length = sealer.rtp(&mut out, length).expect("it fits");
    out.truncate(length);
    out
}

fn open(opener: &mut Opener, packet: &[u8]) -> Result<u8, Closed> {
    let mut packet = packet.to_vec();
    let length = opener.rtp(&mut packet)?;
    let opened = Packet::parse(&packet[..length]).expect("RTP");
    assert!(opened.payload.iter().all(|octet| *octet == opened.sequence as u8), "not what was sealed");
    Ok(opened.payload[0])
}

proptest! {
    /// A link that loses, doubles and delays, over rollovers of the sequence; an attacker who replays and forges.
    #[test]
    fn what_was_sealed_is_opened_once(first in 0u16..0x8000, long: bool, seed in prop::collection::vec((any::<u8>(), any::<u16>()), 50), short_tag: bool) {
        let suite = if short_tag { Suite::Tag32 } else { Suite::Tag80 };
        let (mut sealer, mut opener) = (Sealer::new(suite, &master()), Opener::new(suite, &master()));
        let packets = if long { 150_000u32 } else { 300 };
        let mut opened = 0;
        let mut waiting: Vec<Vec<u8>> = Vec::new();
        for n in 0..packets {
            let packet = sealed(&mut sealer, first.wrapping_add(n as u16), 7);
            // Most are only sealed: the other end misses a second at a time.
            if long && !(n % 2_000 < 20 || n + 20 > packets) {
                continue;
            }
            let (what, flip) = seed[n as usize % 50];
            match what % 8 {
                0 => continue,
                1 => {
                    waiting.push(packet);
                    continue;
                }
                2 => {
                    let mut forged = packet.clone();
                    let at = usize::from(flip) % forged.len();
                    forged[at] ^= 1 << (flip % 8);
                    // Another SSRC or sequence is as wrong as another payload.
                    prop_assert!(open(&mut opener, &forged).is_err());
                }
                _ => {}
            }
            prop_assert!(open(&mut opener, &packet).is_ok(), "packet {}", n);
            opened += 1;
            prop_assert_eq!(open(&mut opener, &packet), Err(Closed::Replayed));
            if waiting.len() > 3 {
                // They were overtaken by a few.
                for late in waiting.drain(..).rev() {
                    let first_time = open(&mut opener, &late);
                    prop_assert!(open(&mut opener, &late) == Err(Closed::Replayed) || long);
                    opened += u32::from(first_time.is_ok());
                }
            }
        }
        prop_assert!(opened > 0);
        prop_assert_eq!(opener.sources.len(), 1);
    }

    #[test]
    fn any_packet_is_survived(packet in prop::collection::vec(any::<u8>(), 0..100), first: u8, reports: bool) {
        let mut packet = packet;
        if let Some(octet) = packet.first_mut() {
            *octet = first;
        }
        let mut opener = Opener::new(Suite::Tag80, &master());
        let opened = if reports { opener.rtcp(&mut packet) } else { opener.rtp(&mut packet) };
        prop_assert!(opened.is_err());
        prop_assert!(opener.sources.is_empty(), "a stranger's packet takes no place");
    }
}

/// ATTACKS 39: forgeries cost time and nothing else; and a peer with too many sources is not followed.
#[test]
fn sources_are_bounded_and_old_ones_stay_known() {
    let mut opener = Opener::new(Suite::Tag80, &master());
    let packets: Vec<Vec<u8>> =
        (0..20).map(|ssrc| sealed(&mut Sealer::new(Suite::Tag80, &master()), 9, ssrc)).collect();
    for (n, packet) in packets.iter().enumerate() {
        let wanted = if n < SOURCES { Ok(9) } else { Err(Closed::Sources) };
        assert_eq!(open(&mut opener, packet), wanted);
    }
    assert_eq!(open(&mut opener, &packets[0]), Err(Closed::Replayed));
}

#[test]
fn reports_are_opened_once_and_forgeries_never() {
    let mut sealer = Sealer::new(Suite::Tag32, &master());
    let mut opener = Opener::new(Suite::Tag32, &master());
    let report = |sealer: &mut Sealer| {
        let mut packet = [vec![0x81, 200, 0, 6, 0, 0, 0, 7], vec![5; 20], vec![0; MORE]].concat();
        assert_eq!(sealer.rtcp(&mut packet, 28), Some(28 + MORE), "80 bits in both suites");
        packet
    };
    for _ in 0..100 {
        let packet = report(&mut sealer);
        let mut forged = packet.clone();
        forged[10] ^= 1;
        assert_eq!(opener.rtcp(&mut forged), Err(Closed::Forged));
        for wanted in [Ok(28), Err(Closed::Replayed)] {
            let mut packet = packet.clone();
            assert_eq!(opener.rtcp(&mut packet), wanted);
            assert!(wanted.is_err() || packet[8..28] == [5; 20]);
        }
    }
}
