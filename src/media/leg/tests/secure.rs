//! Secured legs: sealed both ways, and what is not the peer's is neither heard nor answered (ATTACKS 37 and 39).

use super::wide::{A, B, carry, pair, speaks, talk};
use super::*;
use crate::sdp::crypto::{Keys, Master, Suite};

fn keys(suite: Suite, ours: u8, theirs: u8) -> Option<Keys> {
    Some(Keys { suite, ours: Master([ours; 30]), theirs: Master([theirs; 30]) })
}

fn secured(codec: Codec, suite: Suite) -> (Connect, Connect) {
    let a = Connect { secure: keys(suite, 1, 2), ..speaks(codec, B) };
    let b = Connect { secure: keys(suite, 2, 1), ..speaks(codec, A) };
    (a, b)
}

#[test]
fn audio_keys_and_reports_go_sealed_in_every_codec() {
    for (codec, suite) in Codec::ALL.iter().copied().zip([Suite::Tag80, Suite::Tag32].into_iter().cycle()) {
        let (a, b) = secured(codec, suite);
        let (mut a, mut b) = pair(a, b);
        b.command(Command::Record { listen: None, file: PathBuf::from("b.wav") });
        a.command(Command::Play { play: 1, prompts: vec![Arc::new(Prompt::from_pcm(&sung(1_000)))], barge_in: false });
        a.command(Command::SendDigits("7".to_owned()));
        for _ in 0..300 {
            talk(&mut a, &mut b, 1);
            for (_, report) in std::mem::take(&mut a.reports) {
                assert!(rtcp::read(&report, 0).next().is_none_or(|first| first.is_err()) || report.len() > 40);
                b.stream.receive_rtcp(b.now, at("198.51.100.1:10001"), &report);
            }
        }
        b.drain();
        assert!(b.events.contains(&Event::Digit('7')), "{codec:?}");
        b.command(Command::Close);
        let sound = b.audio(Track::All);
        assert!(crate::audio::level::dbfs(&sound[4_000..8_000]) > -25.0, "{codec:?}");
        let stats = b.stream.stats();
        assert_eq!((stats.forged, stats.unreadable, stats.rejected, stats.lost), (0, 0, 0, 0), "{codec:?}");
        assert!(stats.remote_lost.is_some() || stats.round_trip.is_none());
    }
}

/// Nobody without the key is heard, from whatever address, before or after the peer's first packet.
#[test]
fn forgeries_and_replays_are_dropped_and_the_call_lives() {
    let (a, b) = secured(Codec::Pcma, Suite::Tag80);
    let (mut a, mut b) = pair(a, b);
    b.command(Command::Record { listen: None, file: PathBuf::from("b.wav") });
    let mut attacker = phone();
    let noise = [0x2a; FRAME];
    // In the clear, and with a tag that is made up, from the peer's own address.
    for n in 0..50u8 {
        b.receive(A, &attacker.packet(8, &noise));
        b.receive(A, &[attacker.packet(8, &noise), vec![n; 10]].concat());
        b.tick();
    }
    assert!(b.locks.is_empty(), "nobody has proven to be the peer");
    assert_eq!(b.stream.stats().forged, 100);
    let mut replayed = Vec::new();
    for tick in 0..100 {
        let sent = a.wire.clone();
        carry(&mut a, A, &mut b);
        if tick < 20 {
            replayed.extend(sent);
        } else {
            a.wire.extend(replayed.iter().cloned());
            carry(&mut a, A, &mut b);
            for n in 0..20 {
                b.receive(A, &[attacker.packet(8, &noise), vec![n; 10]].concat());
            }
        }
        a.tick();
        b.tick();
    }
    assert_eq!(b.locks, [Some(at(A))]);
    b.command(Command::Close);
    let stats = b.stream.stats();
    assert!(stats.forged > 80 * 30, "{stats:?}");
    assert_eq!((stats.lost, stats.received), (0, 99), "{stats:?}");
    assert!(b.audio(Track::All).iter().all(|s| s.abs() < 100), "the attacker is in the recording");
}

/// A re-INVITE with the same keys changes nothing; with other keys only those count.
#[test]
fn keys_change_with_the_description() {
    let (first_a, first_b) = secured(Codec::Pcma, Suite::Tag80);
    let (mut a, mut b) = pair(first_a.clone(), first_b.clone());
    talk(&mut a, &mut b, 50);
    a.command(Command::Connect(first_a));
    b.command(Command::Connect(first_b.clone()));
    talk(&mut a, &mut b, 50);
    assert_eq!((a.stream.stats().forged, b.stream.stats().forged), (0, 0));
    let old = std::mem::take(&mut a.wire);
    a.command(Command::Connect(Connect { secure: keys(Suite::Tag80, 9, 2), ..speaks(Codec::Pcma, B) }));
    b.command(Command::Connect(Connect { secure: keys(Suite::Tag80, 2, 9), ..first_b }));
    talk(&mut a, &mut b, 50);
    assert_eq!((a.stream.stats().forged, b.stream.stats().forged), (0, 0));
    a.wire = old;
    let count = a.wire.len() as u64;
    carry(&mut a, A, &mut b);
    assert_eq!(b.stream.stats().forged, count, "sealed with the old key");
}
