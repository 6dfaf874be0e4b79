//! The printer: a description to bytes, in the order of RFC 8866 section 9.

use std::fmt::Write;
use std::net::IpAddr;

use bytes::Bytes;

use super::{Connection, Direction, Media, Session};

/// The `o=` line (RFC 8866 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    pub session: u64,
    pub version: u64,
    pub address: IpAddr,
}

/// A whole body. What [`Session::parse`] gives for it is the same session.
pub fn print(origin: Origin, session: &Session<'_>) -> Bytes {
    let mut body = String::with_capacity(512);
    let Origin { session: id, version, address } = origin;
    line(&mut body, format_args!("v=0"));
    // No user name and no session name: they would only tell strangers what runs here.
    line(&mut body, format_args!("o=- {id} {version} {}", Net(&Connection::Address(address))));
    line(&mut body, format_args!("s=-"));
    if let Some(connection) = &session.connection {
        line(&mut body, format_args!("c={}", Net(connection)));
    }
    line(&mut body, format_args!("t=0 0"));
    if let Some(direction) = session.direction {
        line(&mut body, format_args!("a={}", direction.name()));
    }
    for media in &session.media {
        stream(&mut body, media);
    }
    Bytes::from(body)
}

fn stream(body: &mut String, media: &Media<'_>) {
    let Media { kind, port, protocol, formats, .. } = media;
    let formats: Vec<&str> = formats.iter().map(|format| text(format)).collect();
    line(body, format_args!("m={} {port} {} {}", text(kind), text(protocol), formats.join(" ")));
    if let Some(connection) = &media.connection {
        line(body, format_args!("c={}", Net(connection)));
    }
    for map in &media.maps {
        let (payload, name, clock) = (map.payload, text(map.name), map.clock);
        if map.channels == 1 {
            line(body, format_args!("a=rtpmap:{payload} {name}/{clock}"));
        } else {
            line(body, format_args!("a=rtpmap:{payload} {name}/{clock}/{}", map.channels));
        }
    }
    for fmtp in &media.fmtps {
        line(body, format_args!("a=fmtp:{} {}", fmtp.payload, text(fmtp.parameters)));
    }
    for crypto in &media.cryptos {
        line(body, format_args!("a=crypto:{}", text(crypto)));
    }
    if let Some(ms) = media.ptime_ms {
        line(body, format_args!("a=ptime:{ms}"));
    }
    if let Some(ms) = media.maxptime_ms {
        line(body, format_args!("a=maxptime:{ms}"));
    }
    if let Some(rtcp) = &media.rtcp {
        match &rtcp.connection {
            Some(connection) => line(body, format_args!("a=rtcp:{} {}", rtcp.port, Net(connection))),
            None => line(body, format_args!("a=rtcp:{}", rtcp.port)),
        }
    }
    if media.rtcp_mux {
        line(body, format_args!("a=rtcp-mux"));
    }
    if let Some(direction) = media.direction {
        line(body, format_args!("a={}", direction.name()));
    }
}

fn line(body: &mut String, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("a String takes all");
    body.push_str("\r\n");
}

/// What goes into our bodies is our own or was seen to be printable ASCII by the reader.
fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or("-")
}

/// `IN IP4 192.0.2.1`
struct Net<'a>(&'a Connection<'a>);

impl std::fmt::Display for Net<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Connection::Address(address @ IpAddr::V4(_)) => write!(f, "IN IP4 {address}"),
            Connection::Address(address @ IpAddr::V6(_)) => write!(f, "IN IP6 {address}"),
            Connection::Name(name) => write!(f, "IN IP4 {}", text(name)),
        }
    }
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Direction::SendRecv => "sendrecv",
            Direction::SendOnly => "sendonly",
            Direction::RecvOnly => "recvonly",
            Direction::Inactive => "inactive",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Fmtp, Map, Rtcp};
    use super::*;

    /// Words as the reader lets them through.
    const WORDS: [&[u8]; 6] = [b"audio", b"video", b"RTP/AVP", b"udptl", b"telephone-event", b"x-1.2_3"];

    fn word() -> impl Strategy<Value = &'static [u8]> {
        prop::sample::select(&WORDS[..])
    }

    fn connection() -> impl Strategy<Value = Connection<'static>> {
        prop_oneof![any::<IpAddr>().prop_map(Connection::Address), Just(Connection::Name(b"media.example")),]
    }

    fn direction() -> impl Strategy<Value = Direction> {
        prop::sample::select(&[Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive][..])
    }

    prop_compose! {
        fn media()(
            kind in word(), port: u16, protocol in word(), formats in prop::collection::vec(word(), 1..5),
            connection in prop::option::of(connection()), direction in prop::option::of(direction()),
            ptime_ms in prop::option::of(1_u32..=1_000), maxptime_ms in prop::option::of(1_u32..=1_000),
            rtcp in prop::option::of((1_u16.., prop::option::of(connection()))), rtcp_mux: bool,
            maps in prop::collection::vec((0_u8..128, word(), any::<u32>(), 0_u32..9), 0..4),
            fmtps in prop::collection::vec((0_u8..128, word()), 0..4), cryptos in prop::collection::vec(word(), 0..3),
        ) -> Media<'static> {
            // A "/" would read as the end of a name.
            let name = |name: &'static [u8]| name.split(|b| *b == b'/').next().unwrap_or(name);
            let maps = maps.into_iter();
            let fmtps = fmtps.into_iter();
            Media {
                kind, port, protocol, formats, connection, direction, ptime_ms, maxptime_ms, rtcp_mux, cryptos,
                rtcp: rtcp.map(|(port, connection)| Rtcp { port, connection }),
                maps: maps.map(|(payload, n, clock, channels)| Map { payload, name: name(n), clock, channels }).collect(),
                fmtps: fmtps.map(|(payload, parameters)| Fmtp { payload, parameters }).collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(
            connection in prop::option::of(connection()), direction in prop::option::of(direction()),
            media in prop::collection::vec(media(), 1..6), id: u64, version: u64, address: IpAddr,
        ) {
            let session = Session { connection, direction, media };
            let body = print(Origin { session: id, version, address }, &session);
            prop_assert_eq!(Session::parse(&body).unwrap(), session);
        }
    }

    #[test]
    fn ipv6_has_its_own_address_type() {
        let address: IpAddr = "2001:db8::7".parse().unwrap();
        let body = print(Origin { session: 4, version: 2, address }, &Session::default());
        assert!(body.starts_with(b"v=0\r\no=- 4 2 IN IP6 2001:db8::7\r\ns=-\r\n"), "{body:?}");
    }
}
