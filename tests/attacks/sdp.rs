//! SDP: cases 11 to 17. Case 16 (a fax in a re-INVITE) is `whole/sipp.rs` `a_fax_is_refused_and_the_call_goes_on`.

use std::net::UdpSocket;
use std::time::Duration;

use jiesu::sip::Message;

use super::peer::{Ask, Peer, branch, offer};
use super::watch::Watch;
use crate::house::{Daemon, in_own_network};

#[test]
fn cases_11_to_17() {
    if !in_own_network("sdp::cases_11_to_17") {
        return;
    }
    Watch::start(Vec::new()).three_times(|watch| {
        watch.case("case 11", case_11);
        watch.case("case 12", case_12);
        watch.case("case 13", case_13);
        watch.case("case 14", case_14);
        watch.case("case 15", case_15);
        watch.case("case 16", case_16);
        watch.case("case 17", case_17);
    });
}

/// Offers, gives the final answer, and hangs up if there is a call.
fn offered(daemon: &Daemon, change: impl FnOnce(String) -> String) -> Message {
    let peer = Peer::new(daemon.sip);
    let invite = peer.ask("INVITE").body("application/sdp", &change(offer(peer.own)));
    let answer = peer.finally(&invite);
    if answer.code() == Some(200) {
        peer.bye(2, &invite, &answer);
    }
    answer
}

fn gets(daemon: &Daemon, what: &str, wanted: &[u16], change: impl FnOnce(String) -> String) -> Message {
    let answer = offered(daemon, change);
    assert!(answer.code().is_some_and(|code| wanted.contains(&code)), "{what}: {:?}, not {wanted:?}", answer.code());
    answer
}

/// Attributes that say nothing, or nonsense (AST-2018-002, 2018-003).
fn case_11(daemon: &Daemon) {
    gets(daemon, "bad fmtp", &[200, 488], |sdp| sdp.replace("a=fmtp:101 0-15", "a=fmtp:\r\na=fmtp:8 \r\na=fmtp:x y"));
    gets(daemon, "empty a=", &[200, 488], |sdp| format!("{sdp}a=\r\na=:\r\na=rtpmap:\r\na=rtpmap:8\r\n"));
    gets(daemon, "no number", &[400, 488], |sdp| sdp.replace("RTP/AVP 8 101", "RTP/AVP x y"));
    gets(daemon, "payload beyond 127", &[200, 400, 488], |sdp| sdp.replace("AVP 8 101", "AVP 999 4294967304 8"));
}

/// No common codec, and no SDP at all.
fn case_12(daemon: &Daemon) {
    gets(daemon, "no common codec", &[488], |sdp| {
        sdp.replace("RTP/AVP 8 101", "RTP/AVP 97").replace("a=rtpmap:8 PCMA/8000", "a=rtpmap:97 iLBC/8000")
    });
    for (what, body) in [
        ("not SDP", "\0\u{1}\u{2}"),
        ("no media", "v=0\r\no=x 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"),
        ("m= in pieces", "v=0\r\nm=\r\nm=audio\r\nm=audio x y z\r\n"),
    ] {
        gets(daemon, what, &[400, 488], |_| body.to_owned());
    }
    // A name is not looked up: the audio goes where the caller's own comes from.
    gets(daemon, "a name", &[200, 400, 488], |sdp| sdp.replace("c=IN IP4 127.0.0.1", "c=IN IP4 no.such.host.invalid"));
}

/// Without SDP the 200 offers; an ACK without an answer ends with a BYE.
fn case_13(daemon: &Daemon) {
    let peer = Peer::new(daemon.sip);
    let invite = peer.ask("INVITE");
    let answer = peer.finally(&invite);
    assert!(answer.code() == Some(200) && answer.sdp().is_some(), "the 200 carries our offer");
    wait_for(&peer, "BYE");
}

fn wait_for(peer: &Peer, method: &str) -> Message {
    let start = std::time::Instant::now();
    while start.elapsed() < super::peer::PATIENCE {
        match peer.next(Duration::from_millis(50)) {
            Some(message) if message.method().is_some_and(|m| m.as_str() == method) => return message,
            _ => {}
        }
    }
    panic!("no {method} came");
}

/// An address that names somebody else: nothing is sent there.
fn case_14(daemon: &Daemon) {
    let victim = UdpSocket::bind("192.0.2.9:0").expect("a port");
    victim.set_read_timeout(Some(Duration::from_millis(600))).expect("a socket option");
    let port = victim.local_addr().expect("bound").port();
    let peer = Peer::new(daemon.sip);
    let at = |address: &str, port: u16| {
        let sdp = offer(peer.own).replace("c=IN IP4 127.0.0.1", &format!("c=IN IP4 {address}"));
        sdp.replace(&format!("m=audio {}", peer.own.port()), &format!("m=audio {port}"))
    };
    let invite = peer.ask("INVITE").body("application/sdp", &at("192.0.2.9", port));
    let answer = peer.finally(&invite);
    assert_eq!(answer.code(), Some(200), "a call whose audio is elsewhere is a call");
    assert!(victim.recv(&mut [0; 2048]).is_err(), "audio went to a third party unasked");
    peer.bye(2, &invite, &answer);
    // Ourselves: the daemon's own SIP port must not be fed with audio, nor any of these.
    for address in ["224.0.0.1", "255.255.255.255", "0.0.0.0"] {
        gets(daemon, address, &[200, 400, 488], |_| at(address, port));
    }
    gets(daemon, "our own address", &[200, 400, 488], |_| at("127.0.0.1", daemon.sip.port()));
}

/// A hundred media lines are a hundred answers, all but one with port 0.
fn case_15(daemon: &Daemon) {
    let lines = "m=audio 9 RTP/AVP 8\r\n".repeat(99);
    let answer = gets(daemon, "100 lines", &[200, 488], |sdp| format!("{sdp}{lines}"));
    if let Some(body) = answer.sdp() {
        let text = String::from_utf8_lossy(&body).into_owned();
        let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("m=")).collect();
        let open = lines.iter().filter(|line| !line.starts_with("m=audio 0 ")).count();
        assert_eq!((lines.len(), open), (100, 1), "{text}");
    }
    let endless = "m=audio 9 RTP/AVP 8\r\n".repeat(2900);
    gets(daemon, "2900 lines", &[400, 413, 488, 513], |sdp| format!("{sdp}{endless}"));
}

/// A fax beside nothing: 488, and the call goes on (AST-2019-004).
fn case_16(daemon: &Daemon) {
    let peer = Peer::new(daemon.sip);
    let invite = peer.invite(peer.own);
    let answer = peer.finally(&invite);
    assert_eq!(answer.code(), Some(200));
    let fax = "v=0\r\no=x 1 2 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=image 9 udptl t38\r\n";
    let text = peer.inside("INVITE", 2, &invite, &answer);
    let again =
        Ask { call_id: invite.call_id.clone(), branch: branch(&text).to_owned(), text }.body("application/sdp", fax);
    peer.send(&again.text);
    let refused = std::iter::repeat_with(|| peer.final_answer(&invite.call_id))
        .find(|message| message.cseq().is_some_and(|(number, _)| number == 2))
        .expect("it goes on for ever");
    assert_eq!(refused.code(), Some(488));
    peer.acknowledge_again(2, &again, &refused);
    peer.bye(3, &invite, &answer);
}

/// Secured audio with a key that is none: never a call in the clear that was asked to be secret.
fn case_17(daemon: &Daemon) {
    let secured = |crypto: &str| {
        let crypto = crypto.to_owned();
        move |sdp: String| format!("{}{crypto}", sdp.replace("RTP/AVP", "RTP/SAVP"))
    };
    for (what, crypto) in [
        ("no key", ""),
        ("a short key", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:AAAA\r\n"),
        ("no base64", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:????????????????????????????????????????\r\n"),
        ("no tag", "a=crypto:x AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"),
        ("an unknown suite", "a=crypto:1 F8_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"),
    ] {
        gets(daemon, what, &[400, 488], secured(crypto));
    }
}
