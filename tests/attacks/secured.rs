//! Cases 17, 37 and 39 against a daemon that takes secured audio (SDES).

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use jiesu::audio::g711::Law;
use jiesu::rtp::srtp::{Opener, Sealer, Suite};
use jiesu::sip::Message;

use super::peer::{Ask, Peer, audio_of, offer};
use super::watch::{Watch, packet};
use crate::house::{Daemon, draw, in_own_network, pause};

/// 30 octets as an offer writes them, and what they are.
const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const MASTER: &[u8; 30] = b"YS___semctl () {\t220;}\n}\nunles";

#[test]
fn cases_17_37_and_39_with_keys() {
    if !in_own_network("secured::cases_17_37_and_39_with_keys") {
        return;
    }
    let edits = vec![("# srtp = \"off\"".to_owned(), "srtp = \"accept\"".to_owned())];
    Watch::start(edits).three_times(|watch| {
        watch.case("case 17", case_17);
        watch.case("case 37", case_37);
        watch.case("case 39", case_39);
    });
}

/// An offer of RTP/SAVP with these crypto lines.
fn secured(rtp: SocketAddr, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("a=crypto:{line}\r\n")).collect();
    offer(rtp).replace("RTP/AVP", "RTP/SAVP") + &lines
}

fn good(tag: &str, suite: &str) -> String {
    format!("{tag} AES_CM_128_HMAC_SHA1_{suite} inline:{KEY}|2^31")
}

/// Keys and tags that are none: 488, and the same port takes a good offer right after.
fn case_17(daemon: &Daemon) {
    let gets = |lines: &[&str]| -> Message {
        let peer = Peer::new(daemon.sip);
        let invite = peer.ask("INVITE").body("application/sdp", &secured(peer.own, lines));
        let answer = peer.finally(&invite);
        if answer.code() == Some(200) {
            peer.bye(2, &invite, &answer);
        }
        answer
    };
    let first = good("1", "80");
    for bad in [
        "".to_owned(),
        good("0", "80"),
        good("1", "32"),
        good("-1", "80"),
        good("01", "80"),
        format!("2 AES_CM_128_HMAC_SHA1_80 inline:{}", &KEY[..20]),
        "2 AES_CM_128_HMAC_SHA1_80 inline:".to_owned(),
        "2 AES_CM_128_HMAC_SHA1_80 inline:%n%s\u{7f}".to_owned(),
        "2 AES_CM_128_HMAC_SHA1_80".to_owned(),
    ] {
        assert_eq!(gets(&[&first, &bad]).code(), Some(488), "{bad:?} beside a good line");
        assert_eq!(gets(&[&bad, &first]).code(), Some(488), "{bad:?} before a good line");
    }
    assert_eq!(gets(&[]).code(), Some(488), "no key at all");
    assert_eq!(gets(&["1 AES_256_CM_HMAC_SHA1_80 inline:AAAA"]).code(), Some(488), "a suite that is not spoken");
    let many: Vec<String> = (1..=200).map(|n| good(&n.to_string(), "80")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(gets(&many).code(), Some(488), "200 lines");
    let answer = gets(&["1 F8_128_HMAC_SHA1_80 inline:AAAA", &good("7", "32")]);
    assert_eq!(answer.code(), Some(200));
    let body = String::from_utf8_lossy(&answer.sdp().expect("SDP")).into_owned();
    assert!(body.contains("RTP/SAVP") && body.contains("a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:"), "{body}");
    assert!(!body.contains(KEY), "the answer has a key of its own");
}

/// A secured call of our own.
struct Talk {
    peer: Peer,
    rtp: UdpSocket,
    to: SocketAddr,
    invite: Ask,
    answer: Message,
    sealer: Sealer,
    opener: Opener,
    sent: u16,
}

impl Talk {
    fn start(daemon: &Daemon) -> Talk {
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        rtp.set_read_timeout(Some(Duration::from_millis(100))).expect("a socket option");
        let peer = Peer::new(daemon.sip);
        let line = good("1", "80");
        let invite = peer.ask("INVITE").body("application/sdp", &secured(rtp.local_addr().expect("bound"), &[&line]));
        let answer = peer.finally(&invite);
        assert_eq!(answer.code(), Some(200));
        let to = audio_of(&answer);
        let body = String::from_utf8_lossy(&answer.sdp().expect("SDP")).into_owned();
        let theirs = body.split("inline:").nth(1).and_then(|rest| rest.lines().next()).expect("their key");
        Talk {
            peer,
            rtp,
            to,
            invite,
            answer,
            sealer: Sealer::new(Suite::Tag80, MASTER),
            opener: Opener::new(Suite::Tag80, &decoded(theirs)),
            sent: 0,
        }
    }

    fn sealed(&mut self) -> Vec<u8> {
        let plain = packet(self.sent, u32::from(self.sent) * 160, 8, &[Law::A.silence(); 160]);
        self.sent += 1;
        let mut bytes = [plain.clone(), vec![0; 16]].concat();
        let length = self.sealer.rtp(&mut bytes, plain.len()).expect("there is room");
        bytes.truncate(length);
        bytes
    }

    fn send(&self, bytes: &[u8]) {
        // The kernel drops what it has no room for.
        let _ = self.rtp.send_to(bytes, self.to);
    }

    /// What comes now is sealed with the daemon's key, and the dialog stands.
    fn lives(&mut self) {
        self.rtp.set_nonblocking(true).expect("a socket option");
        while self.rtp.recv(&mut [0; 2048]).is_ok() {}
        self.rtp.set_nonblocking(false).expect("a socket option");
        let mut heard = 0;
        for _ in 0..60 {
            let sealed = self.sealed();
            self.send(&sealed);
            let mut buffer = [0; 2048];
            if let Ok(length) = self.rtp.recv(&mut buffer) {
                heard += u32::from(self.opener.rtp(&mut buffer[..length]).is_ok());
            }
        }
        assert!(heard > 5, "the attacked call has fallen silent");
        let codes = self.peer.codes(self.peer.inside("OPTIONS", 2, &self.invite, &self.answer));
        assert!(codes.contains(&200), "the attacked call is gone: {codes:?}");
    }

    fn end(&self) {
        self.peer.bye(3, &self.invite, &self.answer);
    }
}

/// Base64, by the alphabet.
fn decoded(text: &str) -> [u8; 30] {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits =
        text.trim().chars().filter_map(|c| ALPHABET.find(c)).flat_map(|six| (0..6).rev().map(move |n| six >> n & 1));
    let bits: Vec<usize> = bits.collect();
    let octets: Vec<u8> = bits.chunks_exact(8).map(|eight| eight.iter().fold(0, |a, b| a << 1 | *b as u8)).collect();
    octets.try_into().expect("30 octets")
}

/// Without the key nobody is heard or sent to, not even from the caller's own address and before it spoke.
fn case_37(daemon: &Daemon) {
    let before = daemon.metric("jiesu_keys_total");
    let mut talk = Talk::start(daemon);
    let stranger = UdpSocket::bind("192.0.2.9:0").expect("a port");
    stranger.set_nonblocking(true).expect("a socket option");
    // The caller's host, another port: without keys three packets in a row from there would be believed.
    let neighbour = UdpSocket::bind("127.0.0.1:0").expect("a port");
    neighbour.set_nonblocking(true).expect("a socket option");
    for i in 0..200u16 {
        let key = packet(i, u32::from(i) * 160, 101, &[7, 0x0a, 0, 160]);
        let noise = packet(i, u32::from(i) * 160, 8, &[0x2a; 160]);
        for bytes in [&key, &noise] {
            let tagged = [bytes.clone(), vec![i as u8; 10]].concat();
            for socket in [&stranger, &neighbour, &talk.rtp] {
                let _ = socket.send_to(bytes, talk.to);
                let _ = socket.send_to(&tagged, talk.to);
            }
        }
        if i >= 40 {
            let sealed = talk.sealed();
            talk.send(&sealed);
        }
        if i % 10 == 0 {
            pause();
        }
    }
    talk.lives();
    for socket in [&stranger, &neighbour] {
        assert!(socket.recv(&mut [0; 2048]).is_err(), "audio of the call went to somebody without its key");
    }
    assert_eq!(daemon.metric("jiesu_keys_total"), before, "a key in the clear counted");
    talk.end();
}

/// 100,000 packets with a wrong tag from the caller's own address, and replays of its good ones: the call lives.
fn case_39(daemon: &Daemon) {
    let mut talk = Talk::start(daemon);
    let mut good = Vec::new();
    for _ in 0..20 {
        let sealed = talk.sealed();
        talk.send(&sealed);
        good.push(sealed);
        pause();
    }
    for i in 0..100_000u32 {
        let mut bytes = good[i as usize % good.len()].clone();
        if i % 50 != 0 {
            let at = draw(bytes.len() as u64) as usize;
            bytes[at] ^= 1 << (i % 8);
        }
        talk.send(&bytes);
        if i % 256 == 0 {
            pause();
        }
    }
    talk.lives();
    talk.end();
}
