//! Offer and answer (RFC 3264): one audio stream, RFC 4733 keys beside it, port 0 for everything else.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::crypto::{self, Master, Suite};
use super::parse::payload;
use super::{
    Agreed, Codec, Connection, Direction, Fmtp, Keys, Map, Media, Origin, Ours, Refused, Secure, Session, Terms, print,
};

/// Of `telephone-event` in our offers: the numbers everybody uses, at 8 kHz, and beside Opus at its 48 kHz.
const EVENTS: u8 = 101;
const EVENTS_48: u8 = 110;
/// RFC 4733 section 3.2: the sixteen keys, no flash.
const KEYS: &[u8] = b"0-15";
/// What keys count in beside every codec but Opus (RFC 4733 section 2.1: the audio's own clock).
const CLOCK: u32 = 8_000;
/// What we send in a packet unless asked otherwise, and what we ask for.
const PTIME_MS: u32 = 20;

/// Answers an offer.
///
/// The first audio line that is in use, in a profile and with a codec we speak, is taken; every other line is answered
/// with port 0. An offer whose only lines in use are none at all, with audio among them, is a hold of the oldest kind
/// and answered in kind: nothing is sent either way.
///
/// # Errors
/// Nothing in it can be agreed to, or it cannot be read; [`Refused::code`] has the SIP response.
pub fn answer_bytes(offer: &[u8], ours: &Ours) -> Result<Agreed, Refused> {
    let offer = Session::parse(offer)?;
    let chosen = match choose(&offer.media, &ours.terms) {
        Err(Refused::NoAudio) if offer.media.iter().all(|media| media.port == 0) => {
            parked(&offer.media, &ours.terms).ok_or(Refused::NoAudio)?
        }
        chosen => chosen?,
    };
    let mut agreed = agree(&offer, &chosen, ours);
    let stream = &offer.media[chosen.line];
    let crypto = chosen.key.map(|key| crypto::line(key.tag, key.suite, ours.master(key.suite)));
    let media = offer.media.iter().enumerate().map(|(line, media)| {
        if line == chosen.line && stream.port != 0 {
            accepted(stream, &agreed, ours, crypto.as_deref())
        } else {
            declined(media)
        }
    });
    let answer =
        Session { connection: Some(Connection::Address(ours.address)), direction: None, media: media.collect() };
    agreed.sdp = print(ours.origin(), &answer);
    Ok(agreed)
}

/// Our offer: all our codecs, keys, both ways.
pub fn offer(ours: &Ours) -> Bytes {
    offer_in(ours, Direction::SendRecv)
}

/// The same one way, or none: a hold (RFC 3264 section 8.4).
pub fn offer_in(ours: &Ours, direction: Direction) -> Bytes {
    let codecs = &ours.terms.codecs;
    let payloads: Vec<String> = codecs.iter().map(|codec| codec.payload().to_string()).collect();
    let mut events: Vec<(u8, u32)> = Vec::new();
    for codec in codecs.iter().filter(|_| ours.terms.keys != Keys::Tones) {
        let number = if codec.clock() == CLOCK { EVENTS } else { EVENTS_48 };
        if !events.contains(&(number, codec.clock())) {
            events.push((number, codec.clock()));
        }
    }
    let numbers: Vec<String> = events.iter().map(|(number, _)| number.to_string()).collect();
    let secured = ours.terms.secure == Secure::Require;
    let tags: [&[u8]; 2] = [b"1", b"2"];
    let keys = tags.into_iter().zip(Suite::ALL).filter(|_| secured);
    let cryptos: Vec<Vec<u8>> = keys.map(|(tag, suite)| crypto::line(tag, suite, ours.master(suite))).collect();
    let mut stream = our_stream(if secured { b"RTP/SAVP" } else { b"RTP/AVP" }, ours.port);
    stream.cryptos = cryptos.iter().map(Vec::as_slice).collect();
    stream.formats = payloads.iter().chain(&numbers).map(String::as_bytes).collect();
    let maps = codecs.iter().map(|codec| map_of(*codec, codec.payload()));
    stream.maps = maps.chain(events.iter().map(|(number, clock)| map_of_keys(*number, *clock))).collect();
    let fmtps = codecs.iter().filter_map(|codec| fmtp_of(*codec, codec.payload()));
    stream.fmtps =
        fmtps.chain(events.iter().map(|(payload, _)| Fmtp { payload: *payload, parameters: KEYS })).collect();
    stream.direction = Some(direction);
    let connection = Some(Connection::Address(ours.address));
    print(ours.origin(), &Session { connection, direction: None, media: vec![stream] })
}

/// Takes the peer's answer to [`offer`].
///
/// # Errors
/// It declines the stream, answers with what was not offered, or cannot be read.
pub fn accept(answer: &[u8], ours: &Ours) -> Result<Agreed, Refused> {
    let answer = Session::parse(answer)?;
    let chosen = choose(&answer.media, &ours.terms)?;
    Ok(agree(&answer, &chosen, ours))
}

impl Ours {
    fn master(&self, suite: Suite) -> &Master {
        &self.masters[suite as usize]
    }

    fn origin(&self) -> Origin {
        Origin { session: self.session, version: self.version, address: self.address }
    }
}

/// The stream that is taken, and by which numbers.
struct Chosen<'a> {
    /// Index of the `m=` line.
    line: usize,
    /// Where it is secured.
    key: Option<crypto::Line<'a>>,
    codec: Codec,
    payload: u8,
    /// And what they count in.
    events: Option<(u8, u32)>,
}

impl<'a> Chosen<'a> {
    fn from(line: usize, media: &Media<'a>, terms: &Terms) -> Result<Chosen<'a>, Refused> {
        let key = secured(media, terms.secure)?;
        let (codec, payload) = codec_of(media, &terms.codecs).ok_or(Refused::NoCodec)?;
        let events = if terms.keys == Keys::Tones { None } else { keys_of(media, codec.clock()) };
        Ok(Chosen { line, key, codec, payload, events })
    }
}

/// The first line that will do. The reason for none is the one that came furthest.
fn choose<'a>(media: &[Media<'a>], terms: &Terms) -> Result<Chosen<'a>, Refused> {
    let mut reason = Refused::NoAudio;
    for (line, media) in media.iter().enumerate() {
        if !is_audio(media) || media.port == 0 {
            continue;
        }
        match Chosen::from(line, media, terms) {
            Ok(chosen) => return Ok(chosen),
            Err(Refused::Profile) if reason != Refused::NoAudio => {}
            Err(further) => reason = further,
        }
    }
    Err(reason)
}

/// The audio line of an offer without any line in use. Its codec is what the session had, or will have when it wakes.
fn parked<'a>(media: &[Media<'a>], terms: &Terms) -> Option<Chosen<'a>> {
    let mut audio = media.iter().enumerate().filter(|(_, media)| is_audio(media));
    audio.find_map(|(line, media)| Chosen::from(line, media, terms).ok())
}

fn is_audio(media: &Media<'_>) -> bool {
    media.kind.eq_ignore_ascii_case(b"audio")
}

/// The line's key, if it is secured and may be; an error where its profile is not what we want.
///
/// AVPF (RFC 4585) differs in when feedback may be sent, and we send none.
fn secured<'a>(media: &Media<'a>, secure: Secure) -> Result<Option<crypto::Line<'a>>, Refused> {
    let is = |names: [&str; 2]| names.iter().any(|name| media.protocol.eq_ignore_ascii_case(name.as_bytes()));
    let plain = is(["RTP/AVP", "RTP/AVPF"]);
    match secure {
        Secure::Off if plain => Ok(None),
        Secure::Accept | Secure::Require if is(["RTP/SAVP", "RTP/SAVPF"]) => crypto::choose(&media.cryptos).map(Some),
        // RFC 8643: secured if both can, and keys that will not do are as if they were not there.
        Secure::Accept if plain => Ok(crypto::choose(&media.cryptos).ok()),
        Secure::Require if plain && !media.cryptos.is_empty() => crypto::choose(&media.cryptos).map(Some),
        Secure::Off | Secure::Accept | Secure::Require => Err(Refused::Profile),
    }
}

/// The first codec of the line that is ours, by name, or by static number where no name is given.
fn codec_of(media: &Media<'_>, codecs: &[Codec]) -> Option<(Codec, u8)> {
    let mut payloads = media.formats.iter().filter_map(|format| payload(format));
    payloads.find_map(|payload| {
        let is = |codec: &&Codec| match media.map_of(payload) {
            Some(map) => map.is(codec.name(), codec.clock(), codec.channels()),
            None => codec.is_static(payload),
        };
        codecs.iter().find(is).map(|codec| (*codec, payload))
    })
}

/// Keys at the codec's clock, or, where there are none, at 8 kHz beside Opus: some telephones offer no others, and count
/// only their durations so.
fn keys_of(media: &Media<'_>, clock: u32) -> Option<(u8, u32)> {
    let at = |clock: u32| {
        let mut payloads = media.formats.iter().filter_map(|format| payload(format));
        let keys =
            payloads.find(|payload| media.map_of(*payload).is_some_and(|map| map.is("telephone-event", clock, 1)));
        keys.map(|payload| (payload, clock))
    };
    at(clock).or_else(|| at(CLOCK))
}

impl<'a> Media<'a> {
    fn map_of(&self, payload: u8) -> Option<&Map<'a>> {
        self.maps.iter().find(|map| map.payload == payload)
    }
}

impl Map<'_> {
    /// Encoding names are case-insensitive (RFC 4855 section 3).
    fn is(&self, name: &str, clock: u32, channels: u32) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes()) && self.clock == clock && self.channels == channels
    }
}

/// What the peer's side of the chosen stream means for us.
fn agree(theirs: &Session<'_>, chosen: &Chosen<'_>, ours: &Ours) -> Agreed {
    let stream = &theirs.media[chosen.line];
    let place = Place::of(theirs.connection_of(stream), stream.port, ours);
    let direction = theirs.direction_of(stream);
    let (they_send, they_receive) = match direction {
        Direction::SendRecv => (true, true),
        Direction::SendOnly => (true, false),
        Direction::RecvOnly => (false, true),
        Direction::Inactive => (false, false),
    };
    let remote = match place {
        Place::Known(address) => Some(address),
        Place::Unknown | Place::Hold => None,
    };
    Agreed {
        sdp: Bytes::new(),
        codec: chosen.codec,
        payload: chosen.payload,
        events: chosen.events.map(|(payload, _)| payload),
        events_clock: chosen.events.map_or(CLOCK, |(_, clock)| clock),
        secure: chosen.key.map(|key| crypto::Keys {
            suite: key.suite,
            ours: *ours.master(key.suite),
            theirs: key.master,
        }),
        inband: ours.terms.keys.are_tones(chosen.events.is_some()),
        ptime_ms: ptime_of(stream),
        remote,
        rtcp: remote.and_then(|remote| rtcp_of(stream, remote)),
        rtcp_mux: stream.rtcp_mux,
        send: they_receive && place != Place::Hold,
        receive: they_send && stream.port != 0,
    }
}

/// Where the peer receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Known(SocketAddr),
    /// A name, no `c=` line, or an address where no single telephone can be: who sends to us will show.
    Unknown,
    /// RFC 3264 section 8.4, the older way, or port 0.
    Hold,
}

impl Place {
    fn of(connection: Option<Connection<'_>>, port: u16, ours: &Ours) -> Place {
        if port == 0 {
            return Place::Hold;
        }
        let Some(Connection::Address(address)) = connection else { return Place::Unknown };
        let address = address.to_canonical();
        let nowhere = match address {
            IpAddr::V4(v4) => v4.is_broadcast(),
            IpAddr::V6(_) => false,
        };
        // Our own port would be an echo without end.
        let us = (address, port) == (ours.address, ours.port);
        match () {
            () if address.is_unspecified() => Place::Hold,
            () if address.is_multicast() || nowhere || us => Place::Unknown,
            () => Place::Known(SocketAddr::new(address, port)),
        }
    }
}

/// `a=rtcp` is believed for the port only: with another host it would have us send to a third party.
fn rtcp_of(stream: &Media<'_>, remote: SocketAddr) -> Option<SocketAddr> {
    let next = || remote.port().checked_add(1).map(|port| SocketAddr::new(remote.ip(), port));
    match stream.rtcp {
        _ if stream.rtcp_mux => Some(remote),
        None => next(),
        Some(rtcp) => match rtcp.connection {
            None => Some(SocketAddr::new(remote.ip(), rtcp.port)),
            Some(Connection::Address(address)) if address == remote.ip() => Some(SocketAddr::new(address, rtcp.port)),
            Some(_) => None,
        },
    }
}

/// Whole tens: what packetisers of 10 ms frames can do.
fn ptime_of(stream: &Media<'_>) -> u32 {
    let most = stream.maxptime_ms.unwrap_or(60).clamp(10, 60);
    stream.ptime_ms.unwrap_or(PTIME_MS).clamp(10, most) / 10 * 10
}

/// The answer's line for the stream that is taken.
fn accepted<'a>(stream: &Media<'a>, agreed: &Agreed, ours: &Ours, crypto: Option<&'a [u8]>) -> Media<'a> {
    let offered = |number: u8| stream.formats.iter().copied().find(move |format| payload(format) == Some(number));
    let numbers = || [Some(agreed.payload), agreed.events].into_iter().flatten();
    // The offer's own words: some compare them letter by letter.
    let mut answer = Media { kind: stream.kind, ..our_stream(stream.protocol, ours.port) };
    answer.formats = numbers().filter_map(offered).collect();
    answer.maps = vec![map_of(agreed.codec, agreed.payload)];
    answer.maps.extend(agreed.events.map(|payload| map_of_keys(payload, agreed.events_clock)));
    answer.fmtps = fmtp_of(agreed.codec, agreed.payload).into_iter().collect();
    answer.fmtps.extend(agreed.events.map(|payload| Fmtp { payload, parameters: KEYS }));
    answer.cryptos = crypto.into_iter().collect();
    answer.rtcp_mux = agreed.rtcp_mux;
    answer.direction = Some(match (agreed.send, agreed.receive) {
        (true, true) => Direction::SendRecv,
        (true, false) => Direction::SendOnly,
        (false, true) => Direction::RecvOnly,
        (false, false) => Direction::Inactive,
    });
    answer
}

/// RFC 3264 section 6: port 0, and one format since the grammar wants one.
fn declined<'a>(media: &Media<'a>) -> Media<'a> {
    Media { kind: media.kind, protocol: media.protocol, formats: media.formats[..1].to_vec(), ..Media::default() }
}

fn our_stream(protocol: &[u8], port: u16) -> Media<'_> {
    Media { kind: b"audio", port, protocol, ptime_ms: Some(PTIME_MS), ..Media::default() }
}

fn map_of(codec: Codec, payload: u8) -> Map<'static> {
    Map { payload, name: codec.name().as_bytes(), clock: codec.clock(), channels: codec.channels() }
}

fn fmtp_of(codec: Codec, payload: u8) -> Option<Fmtp<'static>> {
    codec.parameters().map(|parameters| Fmtp { payload, parameters })
}

fn map_of_keys(payload: u8, clock: u32) -> Map<'static> {
    Map { payload, name: b"telephone-event", clock, channels: 1 }
}
