//! Media: cases 37, 38 and 40, and what of 39 comes to a port without SRTP.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::peer::{Ask, Peer, audio_of};
use super::watch::{Watch, packet};
use crate::house::{Daemon, draw, in_own_network, pause};
use jiesu::sip::Message;

/// A call with its RTP socket.
struct Talk {
    peer: Peer,
    rtp: UdpSocket,
    to: SocketAddr,
    invite: Ask,
    answer: Message,
}

impl Talk {
    fn start(daemon: &Daemon) -> Talk {
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        rtp.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket option");
        let peer = Peer::new(daemon.sip);
        let invite = peer.invite(rtp.local_addr().expect("bound"));
        let answer = peer.finally(&invite);
        assert_eq!(answer.code(), Some(200));
        let to = audio_of(&answer);
        Talk { peer, rtp, to, invite, answer }
    }

    fn send(&self, bytes: &[u8]) {
        // A closed port is the daemon's answer; the checks after the case see it.
        let _ = self.rtp.send_to(bytes, self.to);
    }

    /// Still there: it sends and answers.
    fn lives(&self) {
        // What waits in the socket was sent before.
        self.rtp.set_nonblocking(true).expect("a socket option");
        while self.rtp.recv(&mut [0; 2048]).is_ok() {}
        self.rtp.set_nonblocking(false).expect("a socket option");
        let heard = (0..50).any(|_| self.rtp.recv(&mut [0; 2048]).is_ok());
        assert!(heard, "the attacked call has fallen silent");
        let codes = self.peer.codes(self.peer.inside("OPTIONS", 2, &self.invite, &self.answer));
        assert!(codes.contains(&200), "the attacked call is gone: {codes:?}");
    }

    fn end(&self) {
        self.peer.bye(3, &self.invite, &self.answer);
    }
}

#[test]
fn cases_37_to_39() {
    if !in_own_network("media::cases_37_to_39") {
        return;
    }
    Watch::start(Vec::new()).three_times(|watch| {
        watch.case("case 37", case_37);
        watch.case("case 38", case_38);
        watch.case("case 39", case_39);
    });
}

/// RTP bleed: packets of a stranger before and during the call; nothing goes to the stranger (ES2017-04, ES2025-01).
fn case_37(daemon: &Daemon) {
    let stranger = UdpSocket::bind("192.0.2.9:0").expect("a port");
    stranger.set_nonblocking(true).expect("a socket option");
    let talk = Talk::start(daemon);
    for i in 0..200u16 {
        // More of them than of the caller's, with the caller's SSRC and a sequence that would fit.
        for _ in 0..4 {
            let _ = stranger.send_to(&packet(i, u32::from(i) * 160, 8, &[0x2a; 160]), talk.to);
        }
        if i >= 20 {
            talk.send(&packet(i, u32::from(i) * 160, 8, &[0xd5; 160]));
        }
        if i % 10 == 0 {
            pause();
        }
    }
    talk.lives();
    assert!(stranger.recv(&mut [0; 2048]).is_err(), "audio of the call went to a stranger");
    talk.end();
}

/// RTP and RTCP that lie about their length, and time that jumps (AST-2017-008, AST-2018-001).
fn case_38(daemon: &Daemon) {
    let talk = Talk::start(daemon);
    for i in 0..20u16 {
        talk.send(&packet(i, u32::from(i) * 160, 8, &[0xd5; 160]));
        pause();
    }
    let rtcp = SocketAddr::new(talk.to.ip(), talk.to.port() + 1);
    let wild: Vec<Vec<u8>> = vec![
        vec![0x80, 0xc8, 0, 0],
        vec![0x80, 0xc8],
        vec![0xbf, 8, 0, 1],
        [vec![0x9f, 8], vec![0; 12]].concat(),
        [vec![0xb0, 8], vec![0; 10], vec![0xff; 8]].concat(),
        [vec![0xa0, 8], vec![0; 10], vec![0xff]].concat(),
        packet(21, 21 * 160, 77, &[1; 160]),
        packet(u16::MAX, u32::MAX, 8, &[0xd5; 160]),
        packet(22, 57_600_000, 8, &[0xd5; 160]),
        packet(23, 57_600_160, 8, &vec![0xd5; 60_000]),
        packet(24, 57_600_320, 8, &[]),
        packet(25, 57_600_480, 101, &[]),
        packet(26, 57_600_480, 101, &[255; 3]),
        (0..1400).map(|_| draw(256) as u8).collect(),
    ];
    for _ in 0..20 {
        for bytes in &wild {
            talk.send(bytes);
            let _ = talk.rtp.send_to(bytes, rtcp);
            let mut other = bytes.clone();
            if let Some(ssrc) = other.get_mut(8..12) {
                ssrc.fill(draw(256) as u8);
            }
            talk.send(&other);
        }
        pause();
    }
    talk.lives();
    talk.end();
}

/// DTLS, STUN and 100,000 packets that are nobody's, by strangers and by the caller's own host (ES2021-09, ES2023-01).
fn case_39(daemon: &Daemon) {
    let talk = Talk::start(daemon);
    let stranger = UdpSocket::bind("192.0.2.9:0").expect("a port");
    let hello = [&[0x16, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1][..], &[0; 80]].concat();
    let stun = [&[0, 1, 0xff, 0xfc, 0x21, 0x12, 0xa4, 0x42][..], &[9; 40]].concat();
    let forged = packet(7, 7, 8, &[0x99; 170]);
    for i in 0..33_334u32 {
        for bytes in [&hello, &stun, &forged] {
            // The kernel drops what it has no room for.
            let _ = stranger.send_to(bytes, talk.to);
        }
        if i % 64 == 0 {
            talk.send(&stun);
            talk.send(&hello);
        }
        if i % 256 == 0 {
            pause();
        }
    }
    talk.lives();
    talk.end();
}

/// Case 40: keys whose ends are lost, tripled, out of order, or a minute long: each once.
#[test]
fn case_40_each_key_once() {
    if !in_own_network("media::case_40_each_key_once") {
        return;
    }
    let mut watch = Watch::start(Vec::new());
    let keys: Vec<u8> = (0..6).map(|_| draw(10) as u8).collect();
    let talk = Talk::start(&watch.daemon);
    let (mut sequence, mut time) = (0u16, 0u32);
    let audio = |sequence: &mut u16, time: &mut u32, count: u32| {
        for _ in 0..count {
            talk.send(&packet(*sequence, *time, 8, &[0xd5; 160]));
            *sequence += 1;
            *time += 160;
            pause();
        }
    };
    audio(&mut sequence, &mut time, 20);
    for (i, key) in keys.iter().enumerate() {
        let event = |duration: u16, end: bool| -> Vec<u8> {
            let [high, low] = duration.to_be_bytes();
            vec![*key, if end { 0x8a } else { 0x0a }, high, low]
        };
        let mut packets: Vec<Vec<u8>> = (1..=5).map(|n| event(n * 160, false)).collect();
        match i % 3 {
            // The end three times, as RFC 4733 2.5.1.4 wants it.
            0 => packets.extend(std::iter::repeat_n(event(960, true), 3)),
            // No end at all: the audio that follows shows that it is over.
            1 => {}
            // Very long, and its ends six times.
            _ => packets
                .extend((0..20).map(|_| event(u16::MAX, false)).chain(std::iter::repeat_n(event(u16::MAX, true), 6))),
        }
        let mut numbered: Vec<Vec<u8>> = packets
            .iter()
            .map(|p| {
                sequence += 1;
                packet(sequence - 1, time, 101, p)
            })
            .collect();
        // Neighbours overtake each other, and one comes twice.
        for pair in numbered.chunks_exact_mut(2).skip(1) {
            pair.swap(0, 1);
        }
        numbered.push(numbered[2].clone());
        for bytes in &numbered {
            talk.send(bytes);
            pause();
        }
        time += 160 * numbered.len() as u32;
        audio(&mut sequence, &mut time, 15);
    }
    talk.end();
    watch.expect_tickets(2);
    let wanted: String = keys.iter().map(|key| char::from(b'0' + key)).collect();
    let tickets = watch.daemon.tickets();
    let kept: Vec<&str> = tickets.iter().filter_map(|ticket| ticket["keys"].as_str()).collect();
    assert!(kept.contains(&wanted.as_str()), "pressed {wanted}, kept {kept:?}");
    watch.case("case 40", |_| {});
}
