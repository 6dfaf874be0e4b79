//! Offers of real kinds of telephones, gateways and carriers (tests/sdp/, written for this project), answered; and what
//! must hold for every answer to any bytes: as many lines as the offer, in its order, with nothing that was not offered.
#![allow(clippy::unwrap_used)] // a test

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use jiesu::sdp::crypto::Master;
use jiesu::sdp::{Agreed, Codec, Direction, Media, Ours, Refused, Session, Terms, accept, answer_bytes, offer};
use proptest::prelude::*;

const SECRET: [Master; 2] = [Master([1; 30]), Master([2; 30])];
const BOTH: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

fn ours() -> Ours {
    let address: IpAddr = "192.0.2.200".parse().unwrap();
    Ours { address, port: 30_000, terms: Terms::of(&BOTH), masters: SECRET, session: 77, version: 3 }
}

fn offers() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdp");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.file_stem().unwrap().to_str().unwrap().into(), std::fs::read(&path).unwrap())).collect()
}

fn sent_with_cr(body: &[u8]) -> Vec<u8> {
    body.split_inclusive(|b| *b == b'\n').flat_map(|line| [line.trim_ascii_end(), b"\r\n"].concat()).collect()
}

/// What an offer should come to, in one line: `line codec/payload events ptime remote rtcp direction`.
fn told(offer: &[u8], result: &Result<Agreed, Refused>) -> String {
    let agreed = match result {
        Ok(agreed) => agreed,
        Err(refused) => return format!("{} {refused:?}", refused.code()),
    };
    checked(offer, agreed);
    let answer = Session::parse(&agreed.sdp).unwrap();
    let taken = answer.media.iter().position(|media| media.port != 0);
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    format!(
        "m{} {}/{} keys {} {} ms to {} rtcp {}{} {}",
        or_none(taken.map(|line| line.to_string())),
        agreed.codec.name(),
        agreed.payload,
        or_none(agreed.events.map(|payload| payload.to_string())),
        agreed.ptime_ms,
        or_none(agreed.remote.map(|address| address.to_string())),
        or_none(agreed.rtcp.map(|address| address.to_string())),
        if agreed.rtcp_mux { " mux" } else { "" },
        match (agreed.send, agreed.receive) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    )
}

/// RFC 3264 section 6 for any answer of ours.
fn checked(offer: &[u8], agreed: &Agreed) {
    let (offer, answer) = (Session::parse(offer).unwrap(), Session::parse(&agreed.sdp).unwrap());
    let head = "v=0\r\no=- 77 3 IN IP4 192.0.2.200\r\ns=-\r\nc=IN IP4 192.0.2.200\r\nt=0 0\r\nm=";
    assert!(agreed.sdp.starts_with(head.as_bytes()), "{:?}", agreed.sdp);
    assert_eq!(answer.media.len(), offer.media.len());
    for (asked, given) in offer.media.iter().zip(&answer.media) {
        assert_eq!((asked.kind, asked.protocol), (given.kind, given.protocol));
        assert!(given.formats.iter().all(|format| asked.formats.contains(format)), "{given:?} for {asked:?}");
        assert!(asked.port != 0 || given.port == 0, "a stream that is not in use came to life");
    }
    let mut taken = answer.media.iter().zip(&offer.media).filter(|(given, _)| given.port != 0);
    if let Some((given, asked)) = taken.next() {
        assert_eq!(given.port, 30_000);
        assert_eq!(given.rtcp_mux, asked.rtcp_mux);
        mirrored(offer.direction_of(asked), given, agreed);
    }
    assert!(taken.next().is_none(), "two streams");
}

/// RFC 3264 section 6.1: no more than the offer allows. That it is not less is in the table below.
fn mirrored(asked: Direction, given: &Media<'_>, agreed: &Agreed) {
    let direction = given.direction.expect("ours always says its direction");
    let (sends, receives) = match direction {
        Direction::SendRecv => (true, true),
        Direction::SendOnly => (true, false),
        Direction::RecvOnly => (false, true),
        Direction::Inactive => (false, false),
    };
    assert_eq!((sends, receives), (agreed.send, agreed.receive));
    assert!(!sends || matches!(asked, Direction::SendRecv | Direction::RecvOnly));
    assert!(!receives || matches!(asked, Direction::SendRecv | Direction::SendOnly));
}

#[test]
fn offers_of_real_kinds_are_answered() {
    let expected = [
        ("asterisk", "m0 PCMA/8 keys 101 20 ms to 198.51.100.7:14334 rtcp 198.51.100.7:14334 mux sendrecv"),
        ("baresip", "m0 PCMA/8 keys 101 20 ms to 192.0.2.52:20004 rtcp 192.0.2.52:20005 sendrecv"),
        ("cisco", "m0 PCMU/0 keys 101 20 ms to 192.0.2.20:16384 rtcp 192.0.2.20:16385 sendrecv"),
        ("cisco_hold", "m0 PCMA/8 keys 101 20 ms to - rtcp - inactive"),
        ("dynamic", "m0 PCMA/121 keys 123 30 ms to 192.0.2.80:6000 rtcp 192.0.2.80:6001 sendonly"),
        ("fax", "488 NoAudio"),
        ("fax_beside", "m1 PCMA/8 keys 101 20 ms to 203.0.113.9:4868 rtcp 203.0.113.9:4869 sendrecv"),
        ("fax_instead", "488 NoAudio"),
        ("gateway", "m0 PCMA/8 keys 97 10 ms to 203.0.113.5:40002 rtcp 203.0.113.5:40011 sendrecv"),
        ("ims", "m0 PCMA/8 keys 100 20 ms to [2001:db8:40::12]:31002 rtcp [2001:db8:40::12]:31003 sendrecv"),
        ("linphone", "m0 PCMU/0 keys 100 20 ms to 192.0.2.44:7078 rtcp 192.0.2.44:7079 sendrecv"),
        ("multicast", "m0 PCMA/8 keys - 20 ms to - rtcp - sendrecv"),
        ("parked", "m- PCMU/0 keys - 20 ms to - rtcp - inactive"),
        ("room", "m0 PCMA/8 keys 101 20 ms to 192.0.2.70:3230 rtcp 192.0.2.70:3231 sendrecv"),
        ("sloppy", "m0 PCMA/8 keys - 20 ms to - rtcp - sendrecv"),
        ("srtp_only", "488 Profile"),
        ("srtp_or_not", "m1 PCMA/8 keys 101 20 ms to 192.0.2.62:52000 rtcp 192.0.2.62:52001 sendrecv"),
        ("webrtc", "488 Profile"),
        ("wideband_only", "488 NoCodec"),
        ("yealink", "m0 PCMA/8 keys 101 20 ms to 192.0.2.31:11784 rtcp 192.0.2.31:11785 sendrecv"),
        ("yealink_hold", "m0 PCMA/8 keys 101 20 ms to 192.0.2.31:11784 rtcp 192.0.2.31:11785 recvonly"),
    ];
    let offers = offers();
    assert_eq!(offers.keys().collect::<Vec<_>>(), expected.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    for (name, line) in expected {
        let bare = &offers[name];
        assert_eq!(told(bare, &answer_bytes(bare, &ours())), line, "{name}");
        let with_cr = sent_with_cr(bare);
        assert_eq!(told(&with_cr, &answer_bytes(&with_cr, &ours())), line, "{name} with CRLF");
    }
}

#[test]
fn an_answer_in_full() {
    let agreed = answer_bytes(&offers()["room"], &ours()).unwrap();
    let expected = "v=0\r\no=- 77 3 IN IP4 192.0.2.200\r\ns=-\r\nc=IN IP4 192.0.2.200\r\nt=0 0\r\n\
        m=audio 30000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
        a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n\
        m=video 0 RTP/AVP 109\r\nm=application 0 TCP/BFCP *\r\nm=application 0 RTP/AVP 100\r\nm=audio 0 RTP/AVP 8\r\n";
    assert_eq!(std::str::from_utf8(&agreed.sdp).unwrap(), expected);
}

#[test]
fn our_offer_in_full_and_its_answer() {
    let body = offer(&ours());
    let expected = "v=0\r\no=- 77 3 IN IP4 192.0.2.200\r\ns=-\r\nc=IN IP4 192.0.2.200\r\nt=0 0\r\n\
        m=audio 30000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
    assert_eq!(std::str::from_utf8(&body).unwrap(), expected);

    let theirs =
        Ours { address: "192.0.2.9".parse().unwrap(), port: 9_000, terms: Terms::of(&[Codec::Pcmu]), ..ours() };
    let answered = answer_bytes(&body, &theirs).unwrap();
    assert_eq!((answered.codec, answered.payload, answered.events), (Codec::Pcmu, 0, Some(101)));
    let agreed = accept(&answered.sdp, &ours()).unwrap();
    assert!(agreed.sdp.is_empty());
    assert_eq!((agreed.codec, agreed.payload, agreed.events), (Codec::Pcmu, 0, Some(101)));
    assert_eq!(agreed.remote, Some("192.0.2.9:9000".parse().unwrap()));
    assert!(agreed.send && agreed.receive);
}

#[test]
fn an_answer_that_declines_or_was_not_asked_for_is_refused() {
    let with = |line: &str| format!("v=0\r\nc=IN IP4 192.0.2.9\r\n{line}\r\n");
    let of = |line: &str| accept(with(line).as_bytes(), &ours()).unwrap_err();
    assert_eq!(of("m=audio 0 RTP/AVP 8"), Refused::NoAudio);
    assert_eq!(of("m=audio 9000 RTP/AVP 18"), Refused::NoCodec);
    assert_eq!(of("m=audio 9000 RTP/SAVP 8"), Refused::Profile);
    assert_eq!(of("m=image 9000 udptl t38"), Refused::NoAudio);
    let only_a = Ours { terms: Terms::of(&[Codec::Pcma]), ..ours() };
    assert_eq!(accept(with("m=audio 9000 RTP/AVP 0").as_bytes(), &only_a).unwrap_err(), Refused::NoCodec);
}

#[test]
fn a_session_keeps_its_id_and_each_has_its_own() {
    let address = "192.0.2.200".parse().unwrap();
    let mut first = Ours::new(address, 30_000, &Terms::of(&BOTH), SECRET);
    assert_ne!(first.session, Ours::new(address, 30_000, &Terms::of(&BOTH), SECRET).session);
    let line = |ours: &Ours| std::str::from_utf8(&offer(ours)).unwrap().lines().nth(1).unwrap().to_owned();
    let before = line(&first);
    assert_eq!(before, format!("o=- {} 1 IN IP4 192.0.2.200", first.session));
    first.version += 1;
    assert_eq!(line(&first), before.replace(" 1 IN", " 2 IN"));
}

#[test]
fn the_old_hold_address_stops_us_from_sending() {
    for address in ["IN IP4 0.0.0.0", "IN IP6 ::", "IN IP6 ::ffff:0.0.0.0"] {
        let body = format!("c={address}\nm=audio 4000 RTP/AVP 8\na=sendrecv\n");
        let agreed = answer_bytes(body.as_bytes(), &ours()).unwrap();
        assert_eq!((agreed.remote, agreed.send, agreed.receive), (None, false, true), "{address}");
        assert!(agreed.sdp.ends_with(b"a=recvonly\r\n"));
    }
}

#[test]
fn no_address_is_taken_where_no_telephone_can_be() {
    for address in
        ["233.252.0.1/127", "255.255.255.255", "ff0e::1/3", "::ffff:233.252.0.1", "192.0.2.200", "host.example"]
    {
        let body = format!("c=IN IP4 {address}\nm=audio 30000 RTP/AVP 8\n");
        let agreed = answer_bytes(body.as_bytes(), &ours()).unwrap();
        assert_eq!((agreed.remote, agreed.rtcp, agreed.send), (None, None, true), "{address}");
    }
    // RTCP to a third party.
    let body = b"c=IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 8\na=rtcp:53 IN IP4 198.51.100.1\n";
    let agreed = answer_bytes(body, &ours()).unwrap();
    assert_eq!((agreed.remote, agreed.rtcp), (Some("192.0.2.1:4000".parse().unwrap()), None));
    // No next port.
    let body = b"c=IN IP4 192.0.2.1\nm=audio 65535 RTP/AVP 8\n";
    assert_eq!(answer_bytes(body, &ours()).unwrap().rtcp, None);
}

#[test]
fn what_cannot_be_read_is_400_and_what_is_too_much_488() {
    let code = |body: &[u8]| answer_bytes(body, &ours()).map(|agreed| agreed.sdp).unwrap_err().code();
    let malformed: [&[u8]; 9] = [
        b"",
        b"\r\n\r\n",
        b"hello",
        b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n",
        b"m=audio 4000 RTP/AVP\r\n",
        b"m=audio -1 RTP/AVP 8\r\n",
        b"m=audio 65536 RTP/AVP 8\r\n",
        b"m=audio 4000 RTP/AVP 8\r\nm=\r\n",
        b"m=audio 4000 RTP/AVP 8\r\nm=vid\x00o 4000 RTP/AVP 8\r\n",
    ];
    for body in malformed {
        assert_eq!(code(body), 400, "{:?}", String::from_utf8_lossy(body));
    }
    let stream = "m=audio 4000 RTP/AVP 8\n";
    let many = |line: &str, count: usize| stream.to_owned() + &line.repeat(count);
    assert_eq!(code(many("m=video 4000 RTP/AVP 96\n", 128).as_bytes()), 488);
    assert_eq!(code(many("a=x\n", 1_000).as_bytes()), 488);
    assert_eq!(code(many("a=rtpmap:8 PCMA/8000\n", 129).as_bytes()), 488);
    assert_eq!(code(many("a=fmtp:8 x\n", 129).as_bytes()), 488);
    assert_eq!(code(format!("m=audio 4000 RTP/AVP{}\n", " 8".repeat(129)).as_bytes()), 488);
    assert_eq!(code(many(&"a".repeat(33_000), 1).as_bytes()), 488);
}

#[test]
fn a_hundred_lines_are_answered_with_port_0() {
    let mut body = b"c=IN IP4 192.0.2.1\r\nm=audio 4000 RTP/AVP 0 8\r\n".to_vec();
    (0..99).for_each(|_| body.extend_from_slice(b"m=audio 4000 RTP/AVP 8 0 18 101\r\n"));
    let agreed = answer_bytes(&body, &ours()).unwrap();
    checked(&body, &agreed);
    let answer = Session::parse(&agreed.sdp).unwrap();
    assert!(answer.media[1..].iter().all(|media| media.port == 0 && media.formats.len() == 1));
}

#[test]
fn packet_times_are_kept_to_what_a_telephone_can() {
    for (asked, given) in [("10", 10), ("20.0", 20), ("35", 30), ("2", 10), ("200", 60), ("5000", 20), ("-20", 20)] {
        let body = format!("m=audio 4000 RTP/AVP 8\na=ptime:{asked}\n");
        assert_eq!(answer_bytes(body.as_bytes(), &ours()).unwrap().ptime_ms, given, "{asked}");
    }
    let body = b"m=audio 4000 RTP/AVP 8\na=ptime:40\na=maxptime:30\n";
    assert_eq!(answer_bytes(body, &ours()).unwrap().ptime_ms, 30);
}

/// Lines of all offers, to be mixed.
fn a_line() -> impl Strategy<Value = Vec<u8>> {
    let lines: Vec<Vec<u8>> = offers()
        .values()
        .flat_map(|body| body.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>())
        .collect();
    prop::sample::select(lines)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn lines_in_any_order_get_a_proper_answer_or_none(lines in prop::collection::vec(a_line(), 0..40)) {
        let body = lines.join(&b'\n');
        if let Ok(agreed) = answer_bytes(&body, &ours()) {
            checked(&body, &agreed);
        }
    }

    #[test]
    fn damaged_offers_get_a_proper_answer_or_none(
        pick: prop::sample::Index, damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let offers = offers();
        let mut body = pick.get(&offers.values().collect::<Vec<_>>()).to_vec();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        if let Some(cut) = cut {
            body.truncate(cut.index(body.len()));
        }
        if let Ok(agreed) = answer_bytes(&body, &ours()) {
            checked(&body, &agreed);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..400)) {
        drop(accept(&body, &ours()));
        if let Ok(agreed) = answer_bytes(&body, &ours()) {
            checked(&body, &agreed);
        }
    }
}
