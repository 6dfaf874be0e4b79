//! The media threads with real sockets on loopback, and a telephone that is not ours at the other end.

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::audio::g711::Law;
use crate::audio::tone;
use crate::rtp::Packet;
use crate::rtp::event;
use crate::sdp::Codec;
use rand::Rng;

fn config() -> Config {
    Config {
        bind: "127.0.0.1".parse().expect("an address"),
        // Each test binary, and each run beside it, takes its own part of the range.
        ports: (30_000, 45_000),
        threads: 2,
        pin: false,
        inactivity: Duration::from_secs(5),
        ..Config::default()
    }
}

/// A telephone made of nothing but a socket.
struct Phone {
    socket: UdpSocket,
    to: SocketAddr,
    sequence: u16,
    timestamp: u32,
    heard: Vec<(Instant, u16, u32, bool, Vec<u8>)>,
}

impl Phone {
    fn new(to: SocketAddr) -> Phone {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(Duration::from_millis(5))).expect("a time-out");
        Phone { socket, to, sequence: rand::random(), timestamp: rand::random(), heard: Vec::new() }
    }

    fn connect(&self) -> Connect {
        Connect {
            codec: Codec::Pcma,
            payload: 8,
            events: Some(101),
            events_clock: 8_000,
            inband: false,
            secure: None,
            remote: Some(self.socket.local_addr().expect("bound")),
            rtcp: None,
            rtcp_mux: false,
            send: true,
            receive: true,
            signalled: "127.0.0.1".parse().expect("an address"),
        }
    }

    fn send(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) {
        let packet = Packet { marker, payload_type, sequence: self.sequence, timestamp, ssrc: 77, payload };
        let mut bytes = [0; 200];
        let length = packet.write(&mut bytes).expect("it fits");
        self.socket.send_to(&bytes[..length], self.to).expect("loopback takes it");
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Speaks in real time, listening all the while.
    fn speak(&mut self, pcm: &[i16]) {
        let begun = Instant::now();
        for (i, samples) in pcm.chunks_exact(160).enumerate() {
            let frame: Vec<u8> = samples.iter().map(|s| Law::A.encode(*s)).collect();
            let timestamp = self.timestamp;
            self.send(8, i == 0, timestamp, &frame);
            self.timestamp = self.timestamp.wrapping_add(160);
            self.listen(begun + TICK * (i as u32 + 1));
        }
    }

    fn key(&mut self, key: char) {
        let mut sender = event::Sender::default();
        sender.push(&key.to_string());
        let begun = Instant::now();
        let mut ticks = 0;
        while let Some(sent) = sender.tick(self.timestamp, 160) {
            self.send(101, sent.marker, sent.timestamp, &sent.event.bytes());
            self.timestamp = self.timestamp.wrapping_add(160);
            ticks += 1;
            self.listen(begun + TICK * ticks);
        }
    }

    fn listen(&mut self, until: Instant) {
        let mut bytes = [0; 2048];
        while Instant::now() < until {
            if let Ok((length, from)) = self.socket.recv_from(&mut bytes)
                && from == self.to
            {
                let packet = Packet::parse(&bytes[..length]).expect("only RTP is sent");
                let entry = (Instant::now(), packet.sequence, packet.timestamp, packet.marker, packet.payload.to_vec());
                self.heard.push(entry);
            }
        }
    }

    fn pcm(&self) -> Vec<i16> {
        self.heard.iter().flat_map(|(.., payload)| payload).map(|code| Law::A.decode(*code)).collect()
    }
}

/// Normalised correlation, at the best place of `wanted` in `heard`.
fn correlation(heard: &[i16], wanted: &[i16]) -> f64 {
    let energy = |s: &[i16]| s.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
    let all = energy(wanted);
    (0..heard.len().saturating_sub(wanted.len()))
        .map(|at| {
            let part = &heard[at..at + wanted.len()];
            let product: f64 = part.iter().zip(wanted).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
            product / (energy(part) * all).sqrt().max(1.0)
        })
        .fold(0.0, f64::max)
}

fn read(file: &Path) -> Vec<i16> {
    let mut wav = hound::WavReader::open(file).expect("it is a WAV file");
    wav.samples::<i16>().map(|s| s.expect("a sample")).collect()
}

fn noise(length: usize, amplitude: i16) -> Vec<i16> {
    let mut random = rand::rng();
    (0..length).map(|_| random.random_range(-amplitude..=amplitude)).collect()
}

/// Waits for an event; the telephone lives in a thread of its own meanwhile.
async fn event(leg: &mut Leg) -> Event {
    tokio::time::timeout(Duration::from_secs(10), leg.event()).await.expect("in time").expect("not the end")
}

#[tokio::test]
async fn a_call_with_real_sockets() {
    let media = Media::start(&config()).expect("threads");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("2026/11/call-1.wav");
    let mut leg = media.open(None).expect("a port");
    let mut phone = Phone::new(leg.local());
    leg.command(Command::Connect(phone.connect())).expect("room");

    let prompt = noise(8000, 9000);
    let said = [vec![0; 4000], tone::sine(440.0, Duration::from_millis(1000), 0.3), vec![0; 12_000]].concat();
    let key = char::from(b"0123456789*"[rand::rng().random_range(0..11)]);
    let played = Arc::new(Prompt::from_pcm(&prompt));
    let call = std::thread::spawn({
        let said = said.clone();
        move || {
            phone.speak(&[0; 160 * 60]);
            phone.key(key);
            phone.speak(&said);
            phone
        }
    });
    leg.command(Command::Play { play: 7, prompts: vec![played], barge_in: true }).expect("room");
    assert_eq!(event(&mut leg).await, Event::PlayDone { play: 7, interrupted: false });
    assert_eq!(event(&mut leg).await, Event::Digit(key));
    let limits = ListenLimits {
        no_input: Duration::from_secs(5),
        silence: Duration::from_millis(600),
        max: Duration::from_secs(20),
        end_keys: "#",
    };
    leg.command(Command::Listen { listen: 3, file: file.clone(), limits }).expect("room");
    let Event::Segment(segment) = event(&mut leg).await else { panic!("a segment was due") };
    assert_eq!((segment.listen, segment.ended, segment.error), (3, SegmentEnd::Silence, None));
    let recorded = read(&file);
    assert_eq!(segment.duration, Duration::from_micros(recorded.len() as u64 * 125));
    assert!((1700..2100).contains(&segment.duration.as_millis()), "{:?}", segment.duration);
    assert!(correlation(&recorded, &said[4000..8000]) > 0.98, "the utterance is on disk");

    let phone = call.join().expect("the telephone lives");
    leg.command(Command::Close).expect("room");
    let Event::Closed(stats) = event(&mut leg).await else { panic!("the end was due") };
    assert!(leg.event().await.is_none());
    assert_eq!((stats.lost, stats.rejected, stats.unsent), (0, 0, 0), "{stats:?}");
    assert!(correlation(&phone.pcm(), &prompt[4000..6000]) > 0.98, "the prompt was heard");
    for pair in phone.heard.windows(2) {
        let [(_, seq, timestamp, ..), (_, next, later, marker, _)] = pair else { unreachable!("windows of two") };
        assert_eq!((seq.wrapping_add(1), timestamp.wrapping_add(160)), (*next, *later));
        assert!(!marker);
    }
    assert!(phone.heard[0].3, "the first packet begins a talk-spurt");
    media.turns(Duration::from_secs(2)).expect("the threads turn");
    tokio::task::spawn_blocking(move || media.stop()).await.expect("it stops");
}

#[tokio::test]
async fn a_dropped_leg_ends_and_its_recording_is_sealed() {
    let media = Media::start(&config()).expect("threads");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.wav");
    let leg = media.open(None).expect("a port");
    let mut phone = Phone::new(leg.local());
    leg.command(Command::Connect(phone.connect())).expect("room");
    leg.command(Command::Record { listen: None, file: file.clone() }).expect("room");
    let sung = tone::sine(500.0, Duration::from_millis(400), 0.4);
    tokio::task::spawn_blocking({
        let sung = sung.clone();
        move || phone.speak(&[sung, vec![0; 1600]].concat())
    })
    .await
    .expect("the telephone lives");
    let (id, thread) = (leg.id(), leg.id().thread);
    let beside = media.open(Some(id)).expect("a port");
    assert_eq!(beside.id().thread, thread);
    drop(leg);
    drop(beside);
    tokio::task::spawn_blocking(move || media.stop()).await.expect("it stops");
    assert!(correlation(&read(&file), &sung) > 0.98);
}

/// ATTACKS 37 with real sockets: 5,000 packets stand before the caller's first.
#[tokio::test]
async fn a_spray_does_not_hold_up_the_caller() {
    let media = Media::start(&config()).expect("threads");
    let mut leg = media.open(None).expect("a port");
    let mut phone = Phone::new(leg.local());
    let mut stranger = Phone::new(leg.local());
    let mut connect = phone.connect();
    connect.signalled = "192.0.2.1".parse().expect("an address");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.wav");
    leg.command(Command::Connect(connect)).expect("room");
    leg.command(Command::Record { listen: None, file: file.clone() }).expect("room");
    let sung = tone::sine(500.0, Duration::from_millis(400), 0.4);
    let loud = [Law::A.encode(30_000); 160];
    let stranger = tokio::task::spawn_blocking({
        let sung = sung.clone();
        move || {
            for _ in 0..5000 {
                stranger.send(99, false, 0, &loud);
            }
            phone.speak(&[sung, vec![0; 8000]].concat());
            stranger.listen(Instant::now() + TICK);
            stranger
        }
    })
    .await
    .expect("the telephone lives");
    assert!(stranger.heard.is_empty(), "a stranger is sent nothing");
    leg.command(Command::Close).expect("room");
    let Event::Closed(stats) = event(&mut leg).await else { panic!("the end was due") };
    assert!(stats.rejected > 0 && stats.received >= 68, "{stats:?}");
    let recorded = read(&file);
    assert!(correlation(&recorded, &sung[1600..]) > 0.98);
    assert!(recorded.iter().all(|s| s.unsigned_abs() < 20_000), "nothing of the stranger's is in it");
    tokio::task::spawn_blocking(move || media.stop()).await.expect("it stops");
}

/// Not a gate: what one media thread costs. `cargo test --lib -- --ignored --nocapture cost_of_a_thread`
#[test]
#[ignore = "a measurement"]
fn cost_of_a_thread() {
    let legs: usize = std::env::var("LEGS").ok().and_then(|legs| legs.parse().ok()).unwrap_or(500);
    let seconds = 8;
    let media = Media::start(&Config { threads: 1, ports: (20_000, 60_000), ..config() }).expect("threads");
    let folder = tempfile::tempdir().expect("a folder");
    let prompt = Arc::new(Prompt::from_pcm(&tone::sine(300.0, Duration::from_secs(60), 0.3)));
    let memory = || {
        let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
        let line = status.lines().find(|line| line.starts_with("VmRSS")).expect("a line").to_owned();
        line.split_whitespace().nth(1).expect("kB").parse::<u64>().expect("a number")
    };
    let before = memory();
    let mut calls: Vec<(Leg, Phone)> = (0..legs)
        .map(|n| {
            let leg = media.open(None).expect("a port");
            let phone = Phone::new(leg.local());
            phone.socket.set_nonblocking(true).expect("a flag");
            leg.command(Command::Connect(phone.connect())).expect("room");
            leg.command(Command::Play { play: 1, prompts: vec![prompt.clone()], barge_in: false }).expect("room");
            // Four in ten record, as in the bench flow.
            if n % 10 < 4 {
                leg.command(Command::Record { listen: None, file: folder.path().join(format!("{n}.wav")) })
                    .expect("room");
            }
            (leg, phone)
        })
        .collect();
    let cpu = || {
        let mut ticks = [0u64; 2];
        for task in std::fs::read_dir("/proc/self/task").expect("Linux").flatten() {
            let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { continue };
            let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
            let used = fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime");
            ticks[0] += if stat.contains("(media-") { used } else { 0 };
            ticks[1] += if stat.contains("(recorder-") { used } else { 0 };
        }
        ticks.map(|ticks| ticks as f64 * 10.0)
    };
    let frame = [0xd5; 160];
    let mut buffer = [0; 2048];
    let begun = Instant::now();
    let mut used = [0.0; 2];
    let mut worst = Duration::ZERO;
    for tick in 0..seconds * 50 {
        for slot in 0..20 {
            let due = begun + TICK * tick + Duration::from_millis(1) * slot;
            std::thread::park_timeout(due.saturating_duration_since(Instant::now()));
            for (_, phone) in calls.iter_mut().skip(slot as usize).step_by(20) {
                let timestamp = phone.timestamp;
                phone.send(8, false, timestamp, &frame);
                phone.timestamp = timestamp.wrapping_add(160);
                while phone.socket.recv(&mut buffer).is_ok() {}
            }
        }
        if tick == 99 {
            used = cpu();
        }
        if tick > 150 && tick % 50 == 0 {
            worst = worst.max(media.lateness());
        }
    }
    let (spent, after) = (cpu(), memory());
    let seconds = f64::from(seconds) - 2.0;
    println!(
        "{legs} legs: media {:.3} and recorders {:.3} CPU-ms per call-second; worst lateness {worst:?}; {} kB per call (telephones included)",
        (spent[0] - used[0]) / seconds / legs as f64,
        (spent[1] - used[1]) / seconds / legs as f64,
        (after - before) / legs as u64,
    );
    drop(calls);
    media.stop();
}

#[tokio::test]
async fn ports_run_out_and_come_back() {
    // Neither a port of the other tests nor one that the system gives away.
    let ports = (19_000, 19_007);
    let media = Media::start(&Config { ports, port_rest: Duration::ZERO, ..config() }).expect("threads");
    let mut legs = Vec::new();
    let why = loop {
        match media.open(None) {
            Ok(leg) => legs.push(leg),
            Err(why) => break why,
        }
    };
    assert_eq!((legs.len(), why), (4, NoLeg::Ports));
    let mut leg = legs.pop().expect("four");
    leg.command(Command::Close).expect("room");
    while leg.event().await.is_some() {}
    // Closed is said a moment before the port is given back; the next leg of that thread is behind both.
    let again = loop {
        match media.open(None) {
            Ok(leg) => break leg,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(again.local(), leg.local());
    tokio::task::spawn_blocking(move || media.stop()).await.expect("it stops");
}

#[tokio::test]
async fn a_bridge_carries_both_ways() {
    let media = Media::start(&config()).expect("threads");
    let mut a = media.open(None).expect("a port");
    let b = media.open(Some(a.id())).expect("a port");
    let (mut anna, mut bert) = (Phone::new(a.local()), Phone::new(b.local()));
    a.command(Command::Connect(anna.connect())).expect("room");
    b.command(Command::Connect(bert.connect())).expect("room");
    let prompt = Arc::new(Prompt::from_pcm(&noise(80_000, 8000)));
    a.command(Command::Play { play: 1, prompts: vec![prompt], barge_in: false }).expect("room");
    // Each leg takes its commands at its own tick: the bridge must not come before the prompt that it interrupts.
    let begun = Instant::now();
    while anna.pcm().iter().all(|sample| sample.abs() < 1000) && begun.elapsed() < Duration::from_secs(4) {
        anna.listen(Instant::now() + TICK);
    }
    b.command(Command::Bridge(a.id())).expect("room");
    assert_eq!(event(&mut a).await, Event::PlayDone { play: 1, interrupted: true });
    let words = [noise(8000, 8000), noise(8000, 8000)];
    let talk = |mut phone: Phone, pcm: Vec<i16>| {
        std::thread::spawn(move || {
            phone.speak(&[vec![0; 800], pcm, vec![0; 4000]].concat());
            phone
        })
    };
    let (first, second) = (talk(anna, words[0].clone()), talk(bert, words[1].clone()));
    anna = first.join().expect("anna lives");
    bert = second.join().expect("bert lives");
    assert!(correlation(&bert.pcm(), &words[0][..2000]) > 0.9, "bert hears anna");
    assert!(correlation(&anna.pcm(), &words[1][..2000]) > 0.9, "anna hears bert");
    drop((a, b));
    tokio::task::spawn_blocking(move || media.stop()).await.expect("it stops");
}
