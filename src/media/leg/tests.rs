//! Legs on virtual time, alone and against each other over a link that loses, doubles and delays.

use super::*;
use crate::audio::tone;
use crate::media::{ListenLimits, Prompt, TICK};
use crate::rtp::rtcp::{self, Report};
use crate::sdp::Codec;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

mod keys;
mod secure;
mod voice;
mod wide;

const PHONE: &str = "192.0.2.9:4000";
const STRANGER: &str = "203.0.113.66:4000";

const LIMITS: ListenLimits = ListenLimits {
    no_input: Duration::from_secs(3),
    silence: Duration::from_millis(500),
    max: Duration::from_secs(8),
    end_keys: "#",
};

fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn connect(remote: &str) -> Connect {
    Connect {
        codec: Codec::Pcma,
        payload: 8,
        events: Some(101),
        events_clock: 8_000,
        inband: false,
        secure: None,
        remote: Some(at(remote)),
        rtcp: None,
        rtcp_mux: false,
        send: true,
        receive: true,
        signalled: at(remote).ip(),
    }
}

/// What a packet said: sequence, timestamp, marker, payload type, payload.
type Heard = (u16, u32, bool, u8, Vec<u8>);

/// A leg, its clock, and everything it put out.
struct Bench {
    stream: Stream,
    now: Instant,
    sent: Vec<(SocketAddr, Heard)>,
    /// The same as datagrams.
    wire: Vec<Vec<u8>>,
    reports: Vec<(SocketAddr, Vec<u8>)>,
    recorded: Vec<Recorded>,
    events: Vec<Event>,
    sounds: Vec<Sound>,
    locks: Vec<Option<SocketAddr>>,
}

impl Bench {
    fn new(seed: u64, local: &str) -> Bench {
        Bench::with(seed, local, false)
    }

    /// `voices`: whether the test answers [`Output::Sound`].
    fn with(seed: u64, local: &str, voices: bool) -> Bench {
        let now = Instant::now();
        let settings = Settings {
            inactivity: Duration::from_secs(10),
            jitter: 2,
            gateways: Vec::new(),
            voices,
            epoch: (now, Duration::from_secs(1_800_000_000)),
        };
        Bench {
            stream: Stream::new(Arc::new(settings), at(local), seed, now),
            now,
            sent: Vec::new(),
            wire: Vec::new(),
            reports: Vec::new(),
            recorded: Vec::new(),
            events: Vec::new(),
            sounds: Vec::new(),
            locks: Vec::new(),
        }
    }

    fn connected(seed: u64) -> Bench {
        let mut bench = Bench::new(seed, "198.51.100.1:10000");
        bench.command(Command::Connect(connect(PHONE)));
        bench
    }

    fn command(&mut self, command: Command) {
        self.stream.command(self.now, command);
        self.drain();
    }

    fn receive(&mut self, from: &str, bytes: &[u8]) {
        self.stream.receive(self.now, at(from), bytes);
        self.drain();
    }

    fn tick(&mut self) {
        self.stream.tick(self.now);
        self.now += TICK;
        self.drain();
    }

    fn ticks(&mut self, ticks: usize) {
        (0..ticks).for_each(|_| self.tick());
    }

    fn drain(&mut self) {
        let mut drained = 0;
        while let Some(output) = self.stream.poll() {
            drained += 1;
            match output {
                Output::Rtp { to, packet } => {
                    let p = Packet::parse(packet.bytes()).expect("we send RTP");
                    self.wire.push(packet.bytes().to_vec());
                    self.sent.push((to, (p.sequence, p.timestamp, p.marker, p.payload_type, p.payload.to_vec())));
                }
                Output::Rtcp { to, packet } => self.reports.push((to, packet.bytes().to_vec())),
                Output::Lock(to) => self.locks.push(Some(to)),
                Output::Unlock => self.locks.push(None),
                Output::Record(recorded) => self.recorded.push(recorded),
                Output::Sound(sound) => self.sounds.push(sound),
                Output::Event(event) => self.events.push(event),
            }
        }
        assert!(drained < 20, "one input gave {drained} outputs");
    }

    /// All audio of a track, decoded.
    fn audio(&self, wanted: Track) -> Vec<i16> {
        let mut pcm = Vec::new();
        for recorded in &self.recorded {
            if let Recorded::Audio { track, coding, octets } = recorded
                && *track == wanted
            {
                pcm.extend(coding.samples(octets));
            }
        }
        pcm
    }
}

/// A telephone's packets.
struct Phone {
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
}

impl Phone {
    fn packet(&mut self, payload_type: u8, payload: &[u8]) -> Vec<u8> {
        let packet = Packet {
            marker: false,
            payload_type,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload,
        };
        let mut bytes = vec![0; 12 + payload.len()];
        packet.write(&mut bytes).expect("it fits");
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(160);
        bytes
    }

    /// In place of a frame of audio.
    fn event(&mut self, sent: event::Sent) -> Vec<u8> {
        let audio = std::mem::replace(&mut self.timestamp, sent.timestamp);
        let mut bytes = self.packet(101, &sent.event.bytes());
        bytes[1] |= u8::from(sent.marker) << 7;
        self.timestamp = audio.wrapping_add(160);
        bytes
    }

    fn say(&mut self, bench: &mut Bench, pcm: &[i16]) {
        for samples in pcm.chunks(160) {
            let frame: Vec<u8> = samples.iter().map(|s| Law::A.encode(*s)).collect();
            let packet = self.packet(8, &frame);
            bench.receive(PHONE, &packet);
            bench.tick();
        }
    }
}

fn phone() -> Phone {
    Phone { sequence: 65_500, timestamp: 4_294_960_000, ssrc: 77 }
}

fn sung(ms: u64) -> Vec<i16> {
    tone::sine(400.0, Duration::from_millis(ms), 0.3)
}

#[test]
fn the_stream_goes_on_between_prompts() {
    let mut bench = Bench::connected(1);
    let pcm: Vec<i16> = (0..1000).map(|n| (n * 30) as i16).collect();
    bench.ticks(3);
    bench.command(Command::Play { play: 4, prompts: vec![Arc::new(Prompt::from_pcm(&pcm))], barge_in: false });
    bench.ticks(6);
    assert!(bench.events.is_empty(), "1,000 samples need seven packets");
    bench.tick();
    assert_eq!(bench.events, [Event::PlayDone { play: 4, interrupted: false }]);
    bench.ticks(5);
    let heard: Vec<&Heard> = bench.sent.iter().map(|(_, heard)| heard).collect();
    assert_eq!(heard.len(), 15);
    for pair in heard.windows(2) {
        assert_eq!(pair[1].0, pair[0].0.wrapping_add(1));
        assert_eq!(pair[1].1, pair[0].1.wrapping_add(160));
    }
    assert_eq!(heard.iter().map(|h| h.2).collect::<Vec<_>>(), [vec![true], vec![false; 14]].concat());
    let octets: Vec<u8> = heard.iter().flat_map(|h| h.4.clone()).collect();
    let mut wanted = vec![0xd5; 15 * 160];
    wanted[480..1480].iter_mut().zip(&pcm).for_each(|(code, s)| *code = Law::A.encode(*s));
    assert_eq!(octets, wanted);
}

#[test]
fn on_hold_nothing_is_sent_time_goes_on_and_the_prompt_waits() {
    let mut bench = Bench::connected(1);
    bench.command(Command::Play { play: 1, prompts: vec![Arc::new(Prompt::from_pcm(&[9000; 1600]))], barge_in: false });
    bench.ticks(4);
    bench.command(Command::Connect(Connect { send: false, remote: None, ..connect(PHONE) }));
    bench.ticks(50);
    assert_eq!(bench.sent.len(), 4);
    bench.command(Command::Connect(connect(PHONE)));
    bench.ticks(6);
    assert_eq!(bench.events, [Event::PlayDone { play: 1, interrupted: false }]);
    let (before, after) = (&bench.sent[3].1, &bench.sent[4].1);
    assert_eq!(after.0, before.0.wrapping_add(1), "no sequence number is lost");
    assert_eq!(after.1, before.1.wrapping_add(160 * 51), "a second has passed");
    assert!(after.2, "a talk-spurt begins");
    bench.stream.skip(5);
    bench.tick();
    let (before, after) = (&bench.sent[9].1, &bench.sent[10].1);
    assert_eq!(after.1, before.1.wrapping_add(160 * 6), "ticks that never were are passed over");
}

#[test]
fn an_utterance_is_cut_out_with_what_was_before_it() {
    let mut bench = Bench::connected(1);
    let mut caller = phone();
    caller.say(&mut bench, &[8; 8000]);
    bench.command(Command::Listen { listen: 5, file: "x.wav".into(), limits: LIMITS });
    caller.say(&mut bench, &[vec![8; 8000], sung(1000), vec![8; 8000]].concat());
    let Some(Recorded::Open { track: Track::Utterance, file, coding: Coding::Law(Law::A) }) = bench.recorded.first()
    else {
        panic!("{:?}", bench.recorded)
    };
    assert_eq!(file.to_str(), Some("x.wav"));
    let Some(Recorded::Close { segment: Some(segment), .. }) = bench.recorded.last() else { panic!("not sealed") };
    let pcm = bench.audio(Track::Utterance);
    assert_eq!((segment.listen, segment.ended), (5, SegmentEnd::Silence));
    assert_eq!(segment.duration, Duration::from_micros(pcm.len() as u64 * 125));
    assert!((980..=1060).contains(&segment.speech.as_millis()), "{:?}", segment.speech);
    let first = pcm.iter().position(|s| s.abs() > 1000).expect("the tone is in it");
    assert!((200..=300).contains(&(first / 8)), "{} ms before it", first / 8);
    assert!(bench.events.is_empty(), "the segment is for the recorder to report");
}

#[test]
fn keys_end_a_listen_or_stop_a_prompt() {
    let mut bench = Bench::connected(1);
    let mut caller = phone();
    let press = |bench: &mut Bench, caller: &mut Phone, key: char| {
        let event = event::Event { code: event::code(key).expect("a key"), end: false, volume: 10, duration: 160 };
        let packet = caller.packet(101, &event.bytes());
        bench.receive(PHONE, &packet);
        caller.timestamp += 1600;
        bench.tick();
    };
    let prompt = Arc::new(Prompt::from_pcm(&[0; 80_000]));
    bench.command(Command::Play { play: 1, prompts: vec![prompt.clone()], barge_in: false });
    press(&mut bench, &mut caller, '1');
    assert_eq!(bench.events, [Event::Digit('1')]);
    bench.command(Command::Play { play: 2, prompts: vec![prompt], barge_in: true });
    press(&mut bench, &mut caller, '2');
    let stopped = |play| Event::PlayDone { play, interrupted: true };
    assert_eq!(bench.events[1..], [stopped(1), Event::Digit('2'), stopped(2)]);
    bench.events.clear();
    bench.command(Command::Listen { listen: 1, file: "a".into(), limits: LIMITS });
    press(&mut bench, &mut caller, '#');
    assert_eq!(bench.events, [Event::NoInput { listen: 1 }], "an end key before speech");
    bench.command(Command::Listen { listen: 2, file: "b".into(), limits: LIMITS });
    caller.say(&mut bench, &sung(500));
    press(&mut bench, &mut caller, '#');
    press(&mut bench, &mut caller, '#');
    assert_eq!(bench.events[1..], [Event::Digit('#')], "the second belongs to no listen");
    let Some(Recorded::Close { segment: Some(segment), .. }) = bench.recorded.last() else { panic!("not sealed") };
    assert_eq!((segment.listen, segment.ended), (2, SegmentEnd::Key('#')));
}

#[test]
fn hanging_up_seals_what_was_said() {
    let mut bench = Bench::connected(1);
    let mut caller = phone();
    bench.command(Command::Listen { listen: 1, file: "a".into(), limits: LIMITS });
    caller.say(&mut bench, &sung(700));
    bench.command(Command::Close);
    let Some(Recorded::Close { segment: Some(segment), .. }) = bench.recorded.last() else { panic!("not sealed") };
    assert_eq!(segment.ended, SegmentEnd::HungUp);
    let [Event::Closed(stats)] = &bench.events[..] else { panic!("{:?}", bench.events) };
    assert_eq!((stats.received, stats.lost, stats.late), (35, 0, 0));
    let (to, bye) = bench.reports.last().expect("a BYE");
    assert_eq!(*to, at("192.0.2.9:4001"));
    assert!(rtcp::read(bye, 0).any(|part| matches!(part, Ok(Report::Bye { .. }))));
    bench.ticks(5);
    bench.receive(PHONE, &phone().packet(8, &[0; 160]));
    assert_eq!(bench.events.len(), 1, "nothing after the end");
}

#[test]
fn nobody_speaks() {
    let mut bench = Bench::connected(1);
    bench.command(Command::Listen { listen: 9, file: "a".into(), limits: LIMITS });
    phone().say(&mut bench, &vec![8; 8 * 2980]);
    assert!(bench.events.is_empty());
    bench.tick();
    assert_eq!(bench.events, [Event::NoInput { listen: 9 }]);
    assert!(bench.recorded.is_empty(), "no file for nothing");
}

/// ATTACKS 37: sprayed before and during the call; none of it is heard, recorded, or answered.
#[test]
fn a_stranger_is_neither_heard_nor_sent_to() {
    let mut bench = Bench::connected(1);
    bench.command(Command::Record { listen: None, file: "all".into() });
    let mut stranger = Phone { sequence: 1, timestamp: 0, ssrc: 666 };
    let mut caller = phone();
    let loud: Vec<u8> = sung(20).iter().map(|s| Law::A.encode(*s)).collect();
    let digit = event::Event { code: 0, end: false, volume: 0, duration: 160 }.bytes();
    for n in 0..200 {
        for _ in 0..5 {
            let packet = stranger.packet(8, &loud);
            bench.receive(STRANGER, &packet);
            let packet = stranger.packet(101, &digit);
            bench.receive(STRANGER, &packet);
        }
        if n >= 100 {
            let packet = caller.packet(8, &[0xd5; 160]);
            bench.receive(PHONE, &packet);
        }
        bench.tick();
    }
    bench.command(Command::Close);
    let pcm = bench.audio(Track::All);
    assert_eq!(pcm.len(), 200 * 160);
    assert!(pcm.iter().all(|s| s.abs() <= 8));
    assert!(bench.sent.iter().all(|(to, _)| *to == at(PHONE)));
    assert!(bench.reports.iter().all(|(to, _)| to.ip() == at(PHONE).ip()));
    let [Event::Closed(stats)] = &bench.events[..] else { panic!("{:?}", bench.events) };
    assert_eq!((stats.rejected, stats.received), (2000, 100));
    assert_eq!(bench.locks, [Some(at(PHONE))]);
}

/// ATTACKS 38: what is no audio of this call is dropped; restarts are followed; memory is bounded.
#[test]
fn wild_packets_do_not_end_the_call() {
    let mut bench = Bench::connected(1);
    bench.command(Command::Record { listen: None, file: "all".into() });
    let mut caller = phone();
    caller.say(&mut bench, &sung(1000));
    for bytes in [
        &[0x80, 200, 0, 0][..],
        &[],
        &[0x8f, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        &[0x80, 99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 7],
    ] {
        bench.receive(PHONE, bytes);
    }
    for (jump, restart) in [(2 * 3600 * 8000u32, 0u16), (0, 30_000), (160, 0)] {
        caller.timestamp = caller.timestamp.wrapping_add(jump);
        caller.sequence = caller.sequence.wrapping_add(restart);
        if jump == 160 {
            caller.ssrc += 1;
            caller.sequence = 3;
        }
        caller.say(&mut bench, &sung(1000));
    }
    bench.command(Command::Close);
    let loud = bench.audio(Track::All).chunks(160).filter(|frame| frame.iter().any(|s| s.abs() > 5000)).count();
    assert!(loud >= 200 - 12, "{loud} of 200 frames are heard");
    let Some(Event::Closed(stats)) = bench.events.last() else { panic!("{:?}", bench.events) };
    assert_eq!((stats.unreadable, stats.rejected, stats.lost), (4, 0, 0));
    assert!(stats.jitter_ms < 5.0, "{}", stats.jitter_ms);
}

#[test]
fn silence_is_inactivity_unless_on_hold() {
    let mut bench = Bench::connected(1);
    phone().say(&mut bench, &[0; 1600]);
    bench.ticks(495);
    assert!(bench.events.is_empty());
    bench.ticks(520);
    assert_eq!(bench.events, [Event::Inactive], "once");
    bench.command(Command::Connect(Connect { receive: false, ..connect(PHONE) }));
    bench.ticks(2000);
    assert_eq!(bench.events.len(), 1);
    bench.command(Command::Connect(connect(PHONE)));
    bench.ticks(502);
    assert_eq!(bench.events, [Event::Inactive, Event::Inactive]);
}

#[test]
fn reports_go_out_about_every_five_seconds_to_the_proven_source() {
    let mut bench = Bench::connected(3);
    bench.ticks(1000);
    assert!(bench.reports.is_empty(), "nobody has proven to be there");
    let mut caller = phone();
    for _ in 0..3000 {
        let packet = caller.packet(8, &[0xd5; 160]);
        if !caller.sequence.is_multiple_of(10) {
            bench.receive(PHONE, &packet);
        }
        bench.tick();
    }
    assert!((8..=24).contains(&bench.reports.len()), "{} in a minute", bench.reports.len());
    let (to, last) = bench.reports.last().expect("some");
    assert_eq!(*to, at("192.0.2.9:4001"));
    let block = rtcp::read(last, 77)
        .find_map(|part| match part {
            Ok(Report::Report { sender: Some(sender), block: Some(block), .. }) => {
                assert_eq!(sender.octets, sender.packets * 160);
                Some(block)
            }
            _ => None,
        })
        .expect("an SR with a block on the caller");
    assert!((24..=27).contains(&block.fraction_lost), "a tenth is lost: {}", block.fraction_lost);
}

#[test]
fn a_peer_without_events_gets_tones() {
    let mut bench = Bench::connected(1);
    bench.command(Command::Connect(Connect { events: None, ..connect(PHONE) }));
    bench.command(Command::SendDigits("7".into()));
    bench.ticks(12);
    assert!(bench.sent.iter().all(|(_, heard)| heard.3 == 8));
    let loud = |heard: &Heard| heard.4.iter().any(|code| Law::A.decode(*code).unsigned_abs() > 2000);
    let frames: Vec<bool> = bench.sent.iter().map(|(_, heard)| loud(heard)).collect();
    assert_eq!(frames, [vec![true; 5], vec![false; 7]].concat());
}

/// One leg talks to another over the link; `lossy`: 5 % lost, 5 % doubled, delays up to 60 ms.
fn two_legs(seed: u64, lossy: bool, keys: &str, pcm: &[i16]) -> (Bench, Bench) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut a = Bench::new(seed, "192.0.2.1:4000");
    let mut b = Bench::new(seed + 1, "192.0.2.2:4000");
    a.command(Command::Connect(connect("192.0.2.2:4000")));
    b.command(Command::Connect(Connect { codec: Codec::Pcma, ..connect("192.0.2.1:4000") }));
    b.command(Command::Record { listen: None, file: "all".into() });
    a.command(Command::SendDigits(keys.into()));
    a.command(Command::Play { play: 1, prompts: vec![Arc::new(Prompt::from_pcm(pcm))], barge_in: false });
    let mut link: Vec<(u32, Vec<u8>)> = Vec::new();
    for tick in 0..pcm.len() as u32 / 160 + 30 * keys.len() as u32 + 20 {
        let before = a.sent.len();
        a.tick();
        for (_, (sequence, timestamp, marker, payload_type, payload)) in &a.sent[before..] {
            let packet = Packet {
                marker: *marker,
                payload_type: *payload_type,
                sequence: *sequence,
                timestamp: *timestamp,
                ssrc: a.stream.sending.ssrc(),
                payload,
            };
            let mut bytes = vec![0; 12 + payload.len()];
            packet.write(&mut bytes).expect("it fits");
            // The link never loses all of a key: its first packet gets through.
            if lossy && random.random_bool(0.05) && !marker {
                continue;
            }
            for _ in 0..=u32::from(lossy && random.random_bool(0.05)) {
                let delay = if lossy { random.random_range(0..=3) } else { 0 };
                link.push((tick + delay, bytes.clone()));
            }
        }
        link.retain(|(due, bytes)| {
            if *due == tick {
                b.receive("192.0.2.1:4000", bytes);
            }
            *due != tick
        });
        b.tick();
    }
    b.command(Command::Close);
    (a, b)
}

fn digits(bench: &Bench) -> String {
    bench.events.iter().filter_map(|event| if let Event::Digit(key) = event { Some(*key) } else { None }).collect()
}

#[test]
fn what_one_leg_plays_the_other_records() {
    let mut random = SmallRng::seed_from_u64(5);
    let pcm: Vec<i16> = (0..16_000).map(|_| random.random_range(-9000..9000)).collect();
    let (_, b) = two_legs(7, false, "", &pcm);
    let heard = b.audio(Track::All);
    let wanted: Vec<i16> = pcm.iter().map(|s| Law::A.decode(Law::A.encode(*s))).collect();
    assert!(heard.windows(wanted.len()).any(|window| window == wanted), "sample for sample");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn keys_and_audio_survive_a_bad_link(seed in any::<u32>(), keys in "[0-9*#A-D]{1,8}") {
        let (a, b) = two_legs(seed.into(), true, &keys, &sung(4000));
        prop_assert_eq!(digits(&b), keys);
        let loud = b.audio(Track::All).chunks(160).filter(|frame| frame.iter().any(|s| s.abs() > 5000)).count();
        prop_assert!(loud >= 170, "{} of 200 frames", loud);
        let Some(Event::Closed(stats)) = b.events.last() else { panic!("{:?}", b.events) };
        prop_assert!(stats.received <= a.stream.stats().sent * 12 / 10);
        prop_assert_eq!(stats.rejected + stats.unreadable, 0);
    }

    /// Whatever bytes and commands come, a leg neither panics nor piles up output, and it always closes.
    #[test]
    fn any_input_is_survived(steps in proptest::collection::vec((0u8..12, proptest::collection::vec(any::<u8>(), 0..220), any::<u8>()), 0..120)) {
        let mut bench = Bench::new(1, "198.51.100.1:10000");
        for (kind, mut bytes, number) in steps {
            let from = if number % 4 == 0 { STRANGER } else { PHONE };
            if bytes.len() > 2 {
                bytes[0] = 0x80 | bytes[0] & 0x3f & number;
                bytes[1] = [8, 101, 13, 200, 201, 136][usize::from(number) % 6];
            }
            match kind {
                0..4 => bench.receive(from, &bytes),
                4 => bench.stream.receive_rtcp(bench.now, at(from), &bytes),
                5 => bench.command(Command::Connect(Connect {
                    codec: if number % 2 == 0 { Codec::Pcma } else { Codec::Pcmu },
                    rtcp_mux: number % 3 == 0,
                    ..connect(from)
                })),
                6 => bench.command(Command::Play { play: 1, prompts: vec![Arc::new(Prompt::from_pcm(&vec![1; bytes.len()]))], barge_in: true }),
                7 => bench.command(Command::Listen { listen: 1, file: "a".into(), limits: LIMITS }),
                8 => bench.command(Command::SendDigits("1,#".into())),
                9 => bench.stream.bridge(number % 2 == 0),
                10 => bench.stream.pass(Coding::Law(Law::Mu), &[number; FRAME]),
                _ => bench.ticks(usize::from(number) % 30),
            }
            bench.tick();
        }
        bench.command(Command::Close);
        prop_assert!(matches!(bench.events.last(), Some(Event::Closed(_))));
        let opened = bench.recorded.iter().filter(|r| matches!(r, Recorded::Open { .. })).count();
        let closed = bench.recorded.iter().filter(|r| matches!(r, Recorded::Close { .. })).count();
        prop_assert_eq!(opened, closed);
    }
}

/// The real network, where the shared folder has it.
fn silero() -> Option<crate::audio::silero::Silero> {
    let named = std::env::var_os("JIESU_SHARED").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")));
    let Ok(bytes) = std::fs::read(folder.join("models/silero-v6.2.0-ggml.bin")) else {
        eprintln!("SKIPPED: the network that knows voices is not in {}", folder.display());
        return None;
    };
    Some(crate::audio::silero::Silero::read(&bytes).expect("the shared file is whole"))
}
