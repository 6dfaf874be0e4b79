//! Offer and answer (RFC 3264): one G.711 stream, RFC 4733 keys beside it, port 0 for everything else.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::parse::payload;
use super::{Agreed, Codec, Connection, Direction, Fmtp, Map, Media, Origin, Ours, Refused, Session, print};

/// Of `telephone-event` in our offers; the number everybody uses.
const EVENTS: u8 = 101;
/// RFC 4733 section 3.2: the sixteen keys, no flash.
const KEYS: &[u8] = b"0-15";
/// What both laws and their keys count in (RFC 3551 section 4.5.14, RFC 4733 section 2.1).
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
    let chosen = match choose(&offer.media, &ours.codecs) {
        Err(Refused::NoAudio) if offer.media.iter().all(|media| media.port == 0) => {
            parked(&offer.media, &ours.codecs).ok_or(Refused::NoAudio)?
        }
        chosen => chosen?,
    };
    let mut agreed = agree(&offer, &chosen, ours);
    let stream = &offer.media[chosen.line];
    let media = offer.media.iter().enumerate().map(|(line, media)| {
        if line == chosen.line && stream.port != 0 { accepted(stream, &agreed, ours) } else { declined(media) }
    });
    let answer =
        Session { connection: Some(Connection::Address(ours.address)), direction: None, media: media.collect() };
    agreed.sdp = print(ours.origin(), &answer);
    Ok(agreed)
}

/// Our offer: all our codecs, keys, both ways.
pub fn offer(ours: &Ours) -> Bytes {
    let payloads: Vec<String> = ours.codecs.iter().map(|codec| codec.payload().to_string()).collect();
    let events = EVENTS.to_string();
    let mut stream = our_stream(b"RTP/AVP", ours.port);
    stream.formats = payloads.iter().map(String::as_bytes).chain([events.as_bytes()]).collect();
    stream.maps =
        ours.codecs.iter().map(|codec| map_of(*codec, codec.payload())).chain([map_of_keys(EVENTS)]).collect();
    stream.fmtps = vec![Fmtp { payload: EVENTS, parameters: KEYS }];
    stream.direction = Some(Direction::SendRecv);
    let connection = Some(Connection::Address(ours.address));
    print(ours.origin(), &Session { connection, direction: None, media: vec![stream] })
}

/// Takes the peer's answer to [`offer`].
///
/// # Errors
/// It declines the stream, answers with what was not offered, or cannot be read.
pub fn accept(answer: &[u8], ours: &Ours) -> Result<Agreed, Refused> {
    let answer = Session::parse(answer)?;
    let chosen = choose(&answer.media, &ours.codecs)?;
    Ok(agree(&answer, &chosen, ours))
}

impl Ours {
    fn origin(&self) -> Origin {
        Origin { session: self.session, version: self.version, address: self.address }
    }
}

/// The stream that is taken, and by which numbers.
struct Chosen {
    /// Index of the `m=` line.
    line: usize,
    codec: Codec,
    payload: u8,
    events: Option<u8>,
}

impl Chosen {
    fn from(line: usize, media: &Media<'_>, codecs: &[Codec]) -> Option<Chosen> {
        let (codec, payload) = codec_of(media, codecs)?;
        Some(Chosen { line, codec, payload, events: keys_of(media) })
    }
}

/// The first line that will do. The reason for none is the one that came furthest.
fn choose(media: &[Media<'_>], codecs: &[Codec]) -> Result<Chosen, Refused> {
    let mut reason = Refused::NoAudio;
    for (line, media) in media.iter().enumerate() {
        if !is_audio(media) || media.port == 0 {
            continue;
        }
        if !is_plain_rtp(media.protocol) {
            if reason == Refused::NoAudio {
                reason = Refused::Profile;
            }
            continue;
        }
        match Chosen::from(line, media, codecs) {
            Some(chosen) => return Ok(chosen),
            None => reason = Refused::NoCodec,
        }
    }
    Err(reason)
}

/// The audio line of an offer without any line in use. Its codec is what the session had, or will have when it wakes.
fn parked(media: &[Media<'_>], codecs: &[Codec]) -> Option<Chosen> {
    let mut audio = media.iter().enumerate().filter(|(_, media)| is_audio(media) && is_plain_rtp(media.protocol));
    audio.find_map(|(line, media)| Chosen::from(line, media, codecs))
}

fn is_audio(media: &Media<'_>) -> bool {
    media.kind.eq_ignore_ascii_case(b"audio")
}

/// AVPF (RFC 4585) differs in when feedback may be sent, and we send none; secured profiles are another matter.
fn is_plain_rtp(protocol: &[u8]) -> bool {
    protocol.eq_ignore_ascii_case(b"RTP/AVP") || protocol.eq_ignore_ascii_case(b"RTP/AVPF")
}

/// The first codec of the line that is ours, by name, or by static number where no name is given.
fn codec_of(media: &Media<'_>, codecs: &[Codec]) -> Option<(Codec, u8)> {
    let mut payloads = media.formats.iter().filter_map(|format| payload(format));
    payloads.find_map(|payload| {
        let is = |codec: &&Codec| match media.map_of(payload) {
            Some(map) => map.is(codec.name()),
            None => codec.payload() == payload,
        };
        codecs.iter().find(is).map(|codec| (*codec, payload))
    })
}

/// Keys at the codec's clock rate: others (48,000 beside Opus) would count their durations wrongly.
fn keys_of(media: &Media<'_>) -> Option<u8> {
    let mut payloads = media.formats.iter().filter_map(|format| payload(format));
    payloads.find(|payload| media.map_of(*payload).is_some_and(|map| map.is("telephone-event")))
}

impl<'a> Media<'a> {
    fn map_of(&self, payload: u8) -> Option<&Map<'a>> {
        self.maps.iter().find(|map| map.payload == payload)
    }
}

impl Map<'_> {
    /// Encoding names are case-insensitive (RFC 4855 section 3).
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes()) && self.clock == CLOCK && self.channels == 1
    }
}

/// What the peer's side of the chosen stream means for us.
fn agree(theirs: &Session<'_>, chosen: &Chosen, ours: &Ours) -> Agreed {
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
        events: chosen.events,
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
fn accepted<'a>(stream: &Media<'a>, agreed: &Agreed, ours: &Ours) -> Media<'a> {
    let offered = |number: u8| stream.formats.iter().copied().find(move |format| payload(format) == Some(number));
    let numbers = || [Some(agreed.payload), agreed.events].into_iter().flatten();
    // The offer's own words: some compare them letter by letter.
    let mut answer = Media { kind: stream.kind, ..our_stream(stream.protocol, ours.port) };
    answer.formats = numbers().filter_map(offered).collect();
    answer.maps = vec![map_of(agreed.codec, agreed.payload)];
    answer.maps.extend(agreed.events.map(map_of_keys));
    answer.fmtps = agreed.events.map(|payload| Fmtp { payload, parameters: KEYS }).into_iter().collect();
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
    Map { payload, name: codec.name().as_bytes(), clock: CLOCK, channels: 1 }
}

fn map_of_keys(payload: u8) -> Map<'static> {
    Map { payload, name: b"telephone-event", clock: CLOCK, channels: 1 }
}
