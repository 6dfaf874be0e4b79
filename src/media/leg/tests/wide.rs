//! Legs in every codec, and bridges between any two.

use super::*;
use crate::audio::level;

pub(super) const A: &str = "198.51.100.1:10000";
pub(super) const B: &str = "198.51.100.2:10000";

pub(super) fn speaks(codec: Codec, remote: &str) -> Connect {
    let events_clock = codec.clock();
    Connect { codec, payload: codec.payload(), events: Some(101), events_clock, ..connect(remote) }
}

/// Two legs of ours that talk to each other.
pub(super) fn pair(a: Connect, b: Connect) -> (Bench, Bench) {
    let (mut one, mut other) = (Bench::new(1, A), Bench::new(2, B));
    one.command(Command::Connect(a));
    other.command(Command::Connect(b));
    (one, other)
}

/// Takes what one leg sent to the other, over a link without faults.
pub(super) fn carry(from: &mut Bench, at: &str, to: &mut Bench) {
    for datagram in std::mem::take(&mut from.wire) {
        to.receive(at, &datagram);
    }
}

pub(super) fn talk(one: &mut Bench, other: &mut Bench, ticks: usize) {
    for _ in 0..ticks {
        carry(one, A, other);
        carry(other, B, one);
        one.tick();
        other.tick();
    }
}

/// Which share of the sound is a tone of 400 Hz, by its samples 2.5 ms (one period) apart.
fn share(rate: usize, sound: &[i16]) -> f64 {
    let period = rate / 400;
    let rest: Vec<i16> =
        sound.windows(period + 1).map(|w| ((i32::from(w[0]) - i32::from(w[period])) / 2) as i16).collect();
    1.0 - (level::rms(&rest) / level::rms(sound)).powi(2)
}

fn tone() -> Vec<Arc<Prompt>> {
    vec![Arc::new(Prompt::from_pcm(&sung(2_000)))]
}

/// The middle of what was recorded, at the rate of its codec.
fn heard(bench: &Bench, codec: Codec) -> (usize, Vec<i16>) {
    let rate = if codec.law().is_some() { 8_000 } else { 16_000 };
    (rate, bench.audio(Track::All)[rate / 2..rate * 3 / 2].to_vec())
}

#[test]
fn a_prompt_is_heard_in_every_codec() {
    for codec in Codec::ALL.iter().copied() {
        let (mut a, mut b) = pair(speaks(codec, B), speaks(codec, A));
        b.command(Command::Record { listen: None, file: PathBuf::from("b.wav") });
        a.command(Command::Play { play: 1, prompts: tone(), barge_in: false });
        talk(&mut a, &mut b, 110);
        b.command(Command::Close);
        let (rate, sound) = heard(&b, codec);
        let (share, level) = (share(rate, &sound), level::dbfs(&sound) - level::dbfs(&sung(100)));
        assert!(share > 0.98 && level.abs() < 1.0, "{codec:?}: share {share:.3}, level {level:.1} dB");
        let Some(Recorded::Open { coding, .. }) = b.recorded.first() else { panic!("a file") };
        assert_eq!(coding.rate() as usize, rate);
        let stats = b.stream.stats();
        assert_eq!((stats.lost, stats.late, stats.unreadable), (0, 0, 0), "{codec:?}");
        assert!(stats.jitter_ms < 1.0, "{codec:?}: timestamps go on as the clock does ({} ms)", stats.jitter_ms);
    }
}

#[test]
fn keys_go_with_every_codecs_clock() {
    for (codec, clock) in [(Codec::Pcma, 8_000), (Codec::G722, 8_000), (Codec::Opus, 48_000), (Codec::Opus, 8_000)] {
        let at = |remote| Connect { events_clock: clock, ..speaks(codec, remote) };
        let (mut a, mut b) = pair(at(B), at(A));
        a.command(Command::SendDigits("15#990".to_owned()));
        talk(&mut a, &mut b, 120);
        let keys: String =
            b.events.iter().filter_map(|e| if let Event::Digit(key) = e { Some(*key) } else { None }).collect();
        assert_eq!(keys, "15#990", "{codec:?} with keys at {clock}");
    }
}

#[test]
fn any_two_codecs_are_bridged() {
    for from in Codec::ALL.iter().copied() {
        for to in Codec::ALL.iter().copied() {
            // One telephone, our two legs, the other telephone.
            let (mut phone, mut near) = pair(speaks(from, B), speaks(from, A));
            let (mut far, mut other) = pair(speaks(to, B), speaks(to, A));
            near.stream.bridge(true);
            far.stream.bridge(true);
            other.command(Command::Record { listen: None, file: PathBuf::from("far.wav") });
            phone.command(Command::Play { play: 1, prompts: tone(), barge_in: false });
            for _ in 0..110 {
                talk(&mut phone, &mut near, 1);
                if let Some((coding, frame)) = near.stream.heard() {
                    let frame = frame.to_vec();
                    far.stream.pass(coding, &frame);
                }
                talk(&mut far, &mut other, 1);
            }
            other.command(Command::Close);
            let (rate, sound) = heard(&other, to);
            let (share, level) = (share(rate, &sound), level::dbfs(&sound) - level::dbfs(&sung(100)));
            assert!(share > 0.95 && level.abs() < 2.5, "{from:?} to {to:?}: share {share:.3}, level {level:.1} dB");
        }
    }
}

/// A re-INVITE in another codec: prompts, hearing and the recording go on.
#[test]
fn the_codec_may_change_while_the_call_goes_on() {
    for (first, second) in [(Codec::Pcma, Codec::Opus), (Codec::G722, Codec::Pcmu), (Codec::Opus, Codec::G722)] {
        let (mut a, mut b) = pair(speaks(first, B), speaks(first, A));
        b.command(Command::Record { listen: None, file: PathBuf::from("b.wav") });
        a.command(Command::Play { play: 1, prompts: tone(), barge_in: false });
        talk(&mut a, &mut b, 40);
        a.command(Command::Connect(speaks(second, B)));
        b.command(Command::Connect(speaks(second, A)));
        talk(&mut a, &mut b, 70);
        b.command(Command::Close);
        let mut rates = Vec::new();
        for recorded in &b.recorded {
            if let Recorded::Audio { coding, octets, .. } = recorded {
                assert_eq!(octets.len() % coding.frame(), 0);
                rates.push(coding.rate());
            }
        }
        rates.dedup();
        let rate = |codec: Codec| if codec.law().is_some() { 8_000 } else { 16_000 };
        let mut wanted = vec![rate(first), rate(second)];
        wanted.dedup();
        assert_eq!(rates, wanted, "{first:?} to {second:?}");
        // Second 1 of the recording is in the second codec.
        let after: Vec<i16> = b
            .recorded
            .iter()
            .filter_map(|r| {
                if let Recorded::Audio { coding, octets, .. } = r { Some(coding.samples(octets)) } else { None }
            })
            .nth(2)
            .expect("three chunks");
        assert!(level::dbfs(&after) > -25.0, "{first:?} to {second:?}: {}", level::dbfs(&after));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_payload_is_survived(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..60), opus: bool) {
        let codec = if opus { Codec::Opus } else { Codec::G722 };
        let mut bench = Bench::new(5, A);
        bench.command(Command::Connect(speaks(codec, PHONE)));
        bench.command(Command::Record { listen: None, file: PathBuf::from("x.wav") });
        let mut phone = phone();
        for payload in payloads {
            let packet = phone.packet(codec.payload(), &payload);
            bench.receive(PHONE, &packet);
            bench.tick();
        }
        bench.command(Command::Close);
    }
}

/// Found by `jiesu trunk test`: a leg of an outbound call ticks while it rings. What it kept of that silence had another
/// frame's length than the codec that was agreed on then, and the media thread panicked.
#[test]
fn a_leg_that_rang_may_be_answered_in_any_codec() {
    for codec in Codec::ALL.iter().copied() {
        for ticks in 0..40 {
            let mut bench = Bench::new(5, A);
            bench.ticks(ticks);
            bench.command(Command::Connect(speaks(codec, PHONE)));
            bench.ticks(40);
        }
    }
}
