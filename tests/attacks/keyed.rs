//! Case 40 with every way of telling a key at once: RFC 4733, tones in the audio and INFO, late, early and twice.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use jiesu::audio::g711::Law;
use jiesu::media::player;

use super::peer::{Peer, audio_of};
use super::watch::{long_flow, packet};
use crate::house::{Daemon, Plan, draw, in_own_network, pause};

#[test]
fn case_40_events_tones_and_info_for_the_same_key() {
    if !in_own_network("keyed::case_40_events_tones_and_info_for_the_same_key") {
        return;
    }
    let edits = vec![("# dtmf = \"auto\"".to_owned(), "dtmf = \"both\"".to_owned())];
    let daemon = Daemon::start(&Plan { edits, files: vec![long_flow()], ..Plan::default() });
    let keys: Vec<u8> = [draw(10), draw(10), draw(10)].iter().flat_map(|key| [*key as u8; 2]).collect();
    press(&daemon, &keys);
    let ticket = daemon.wait_tickets(1, Duration::from_secs(20))[0].clone();
    let wanted: String = keys.iter().map(|key| char::from(b'0' + key)).collect();
    assert_eq!(ticket["keys"], wanted, "each is pressed twice, and told in three ways");
}

/// Each key as a telephone behind two gateways would tell it.
fn press(daemon: &Daemon, keys: &[u8]) {
    let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let peer = Peer::new(daemon.sip);
    let invite = peer.invite(rtp.local_addr().expect("bound"));
    let answer = peer.finally(&invite);
    assert_eq!(answer.code(), Some(200));
    let to = audio_of(&answer);
    let begun = Instant::now();
    let mut tick = 0u32;
    let mut sequence = 0u16;
    let mut send = |tick: &mut u32, time: u32, kind: u8, payload: &[u8]| {
        rtp.send_to(&packet(sequence, time, kind, payload), to).expect("loopback takes it");
        sequence = sequence.wrapping_add(1);
        *tick += 1;
        while begun.elapsed() < Duration::from_millis(20) * *tick {
            pause();
        }
    };
    let silence = [Law::A.silence(); 160];
    for _ in 0..25 {
        let time = tick * 160;
        send(&mut tick, time, 8, &silence);
    }
    for (n, key) in keys.iter().enumerate() {
        let name = char::from(b'0' + key).to_string();
        let prompt = player::tones(&name);
        let tones: Vec<&[u8]> = prompt.encoded(Law::A).chunks_exact(160).take(5).collect();
        // The first 60 ms leak as tones before the gateway sends events; every other time it is the other way round.
        let info = |number: u32| {
            let body = format!("Signal={name}\r\nDuration=100\r\n");
            let text = peer.inside("INFO", number, &invite, &answer);
            let head = format!("Content-Type: application/dtmf-relay\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            peer.send(text.replacen("\r\n\r\n", &format!("\r\n{head}"), 1));
        };
        if n % 2 == 1 {
            info(2 + n as u32);
        }
        for tone in &tones {
            let time = tick * 160;
            send(&mut tick, time, 8, tone);
        }
        let since = tick * 160;
        for duration in 1..=5u16 {
            let [high, low] = (160 * duration).to_be_bytes();
            let end = if duration == 5 { 0x8a } else { 0x0a };
            send(&mut tick, since, 101, &[*key, end, high, low]);
        }
        if n % 2 == 0 {
            info(2 + n as u32);
        }
        for _ in 0..10 {
            let time = tick * 160;
            send(&mut tick, time, 8, &silence);
        }
    }
    daemon.wait_metric("jiesu_keys_total", keys.len() as f64);
    for _ in 0..50 {
        let time = tick * 160;
        send(&mut tick, time, 8, &silence);
    }
    peer.bye(2 + keys.len() as u32, &invite, &answer);
}
