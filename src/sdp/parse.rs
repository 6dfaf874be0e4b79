//! The reader: bytes to a description that borrows them. Lenient where real telephones are (no `s=` or `t=`, bare LF,
//! host names in `c=`, attributes it does not know); strict only about `m=` lines, whose number and order an answer
//! must repeat, and about sizes.

use std::net::IpAddr;

use super::{Refused, crypto};

/// Of a whole description. Browsers' offers with video and ICE come to 8,000.
const MAX_BYTES: usize = 32 * 1024;
const MAX_LINES: usize = 1_000;
const MAX_MEDIA: usize = 128;
/// Formats of one `m=` line, and attributes of one kind in one stream: more than there are dynamic payload types.
const MAX_FORMATS: usize = 128;

/// A description, as far as offer and answer need it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Session<'a> {
    /// Where nothing else is said.
    pub connection: Option<Connection<'a>>,
    pub direction: Option<Direction>,
    /// In the order of the `m=` lines.
    pub media: Vec<Media<'a>>,
}

/// One `m=` line and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Media<'a> {
    /// audio, video, image, ...; printable ASCII without blanks, like `protocol` and `formats`.
    pub kind: &'a [u8],
    /// 0: not in use.
    pub port: u16,
    pub protocol: &'a [u8],
    /// At least one. Payload types for RTP profiles.
    pub formats: Vec<&'a [u8]>,
    pub connection: Option<Connection<'a>>,
    pub direction: Option<Direction>,
    /// `a=ptime`, milliseconds.
    pub ptime_ms: Option<u32>,
    /// `a=maxptime`, milliseconds.
    pub maxptime_ms: Option<u32>,
    pub rtcp: Option<Rtcp<'a>>,
    pub rtcp_mux: bool,
    pub maps: Vec<Map<'a>>,
    pub fmtps: Vec<Fmtp<'a>>,
    /// The values of `a=crypto` (RFC 4568).
    pub cryptos: Vec<&'a [u8]>,
}

/// A `c=` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection<'a> {
    /// Without the TTL or count of multicast.
    Address(IpAddr),
    /// Anything else in its place: never looked up, since a name here would let a caller make us ask the DNS.
    Name(&'a [u8]),
}

/// Seen from the one who wrote it (RFC 8866 section 6.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

/// `a=rtcp` (RFC 3605).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtcp<'a> {
    pub port: u16,
    pub connection: Option<Connection<'a>>,
}

/// `a=rtpmap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Map<'a> {
    pub payload: u8,
    pub name: &'a [u8],
    /// Ticks a second.
    pub clock: u32,
    pub channels: u32,
}

/// `a=fmtp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fmtp<'a> {
    pub payload: u8,
    pub parameters: &'a [u8],
}

impl<'a> Session<'a> {
    /// Reads a whole body.
    ///
    /// # Errors
    /// [`Refused::Malformed`] where it has no `m=` line or one that cannot be read; [`Refused::TooMuch`].
    pub fn parse(body: &'a [u8]) -> Result<Session<'a>, Refused> {
        within(body.len(), MAX_BYTES, "bytes")?;
        let mut session = Session::default();
        for (number, line) in body.split(|b| *b == b'\n').enumerate() {
            within(number, MAX_LINES, "lines")?;
            session.line(line.trim_ascii())?;
        }
        if session.media.is_empty() { Err(Refused::Malformed("no m= line")) } else { Ok(session) }
    }

    fn line(&mut self, line: &'a [u8]) -> Result<(), Refused> {
        // Blanks around "=" are against the grammar and seen all the same.
        let Some((name, value)) = split_once(line, b'=') else { return Ok(()) };
        let (name, value) = (name.trim_ascii(), value.trim_ascii());
        match (name, self.media.last_mut()) {
            (b"m", _) => {
                within(self.media.len() + 1, MAX_MEDIA, "m= lines")?;
                self.media.push(Media::parse(value)?);
            }
            (b"c", None) => self.connection = Connection::parse(value),
            // The first of several is the one of the first RTP port; more are for layered multicast.
            (b"c", Some(media)) => media.connection = media.connection.or(Connection::parse(value)),
            (b"a", None) => self.direction = Direction::parse(value).or(self.direction),
            (b"a", Some(media)) => media.attribute(value)?,
            _ => {}
        }
        Ok(())
    }

    /// The stream's own `c=` line, or the session's.
    pub fn connection_of(&self, media: &Media<'a>) -> Option<Connection<'a>> {
        media.connection.or(self.connection)
    }

    /// The stream's own direction, or the session's, or both ways (RFC 8866 section 6.7).
    pub fn direction_of(&self, media: &Media<'a>) -> Direction {
        media.direction.or(self.direction).unwrap_or(Direction::SendRecv)
    }
}

impl<'a> Media<'a> {
    /// `audio 49170/2 RTP/AVP 0 8 101`
    fn parse(value: &'a [u8]) -> Result<Media<'a>, Refused> {
        let mut words = words(value);
        let [Some(kind), Some(port), Some(protocol)] = [words.next(), words.next(), words.next()] else {
            return Err(Refused::Malformed("an m= line with fewer than four words"));
        };
        let port = split_once(port, b'/').map_or(port, |(port, _count)| port);
        let port = number(port).ok_or(Refused::Malformed("an m= line with a bad port"))?;
        let formats: Vec<&[u8]> = words.take(MAX_FORMATS + 1).collect();
        within(formats.len(), MAX_FORMATS, "formats in an m= line")?;
        if formats.is_empty() {
            return Err(Refused::Malformed("an m= line without a format"));
        }
        // They are repeated in the answer: nothing may pass that would break its lines.
        let mut repeated = [kind, protocol].into_iter().chain(formats.iter().copied());
        if !repeated.all(|word| word.iter().all(u8::is_ascii_graphic)) {
            return Err(Refused::Malformed("an m= line with a character outside ASCII"));
        }
        Ok(Media { kind, port, protocol, formats, ..Media::default() })
    }

    /// One `a=` value; what is not known or cannot be read is as if it were not there.
    fn attribute(&mut self, value: &'a [u8]) -> Result<(), Refused> {
        if let Some(direction) = Direction::parse(value) {
            self.direction = Some(direction);
            return Ok(());
        }
        let (name, value) = split_once(value, b':').unwrap_or((value, b""));
        let value = value.trim_ascii();
        match name {
            b"rtpmap" => {
                self.maps.extend(Map::parse(value));
                within(self.maps.len(), MAX_FORMATS, "rtpmap lines in a stream")?;
            }
            b"fmtp" => {
                self.fmtps.extend(Fmtp::parse(value));
                within(self.fmtps.len(), MAX_FORMATS, "fmtp lines in a stream")?;
            }
            b"crypto" => {
                self.cryptos.push(value);
                within(self.cryptos.len(), crypto::LINES, "crypto lines in a stream")?;
            }
            b"ptime" => self.ptime_ms = milliseconds(value).or(self.ptime_ms),
            b"maxptime" => self.maxptime_ms = milliseconds(value).or(self.maxptime_ms),
            b"rtcp" => self.rtcp = Rtcp::parse(value).or(self.rtcp),
            b"rtcp-mux" => self.rtcp_mux = true,
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Connection<'a> {
    /// `IN IP4 192.0.2.1/127`; the words before the address are not looked at, an address says its kind itself.
    fn parse(value: &'a [u8]) -> Option<Connection<'a>> {
        let word = words(value).nth(2)?;
        let address = split_once(word, b'/').map_or(word, |(address, _ttl)| address);
        // Some write brackets around IPv6 as in a URI.
        let bare = address.strip_prefix(b"[").and_then(|a| a.strip_suffix(b"]")).unwrap_or(address);
        let parsed = std::str::from_utf8(bare).ok().and_then(|text| text.parse().ok());
        Some(parsed.map_or(Connection::Name(address), Connection::Address))
    }
}

impl Direction {
    fn parse(value: &[u8]) -> Option<Direction> {
        Some(match value {
            b"sendrecv" => Direction::SendRecv,
            b"sendonly" => Direction::SendOnly,
            b"recvonly" => Direction::RecvOnly,
            b"inactive" => Direction::Inactive,
            _ => return None,
        })
    }
}

impl<'a> Rtcp<'a> {
    /// `53020 IN IP4 126.16.64.4`, all but the port optional.
    fn parse(value: &'a [u8]) -> Option<Rtcp<'a>> {
        let (port, rest) = split_once(value, b' ').unwrap_or((value, b""));
        let port = number(port).filter(|port| *port != 0)?;
        Some(Rtcp { port, connection: Connection::parse(rest) })
    }
}

impl<'a> Map<'a> {
    /// `101 telephone-event/8000/1`
    fn parse(value: &'a [u8]) -> Option<Map<'a>> {
        let mut words = words(value);
        let payload = payload(words.next()?)?;
        let mut parts = words.next()?.split(|b| *b == b'/');
        let name = parts.next()?;
        let clock = number(parts.next()?)?;
        let channels = parts.next().map_or(Some(1), number)?;
        Some(Map { payload, name, clock, channels })
    }
}

impl<'a> Fmtp<'a> {
    /// `101 0-15`
    fn parse(value: &'a [u8]) -> Option<Fmtp<'a>> {
        let (format, parameters) = split_once(value, b' ')?;
        Some(Fmtp { payload: payload(format)?, parameters: parameters.trim_ascii() })
    }
}

/// An RTP payload type (7 bits).
pub(super) fn payload(word: &[u8]) -> Option<u8> {
    number(word).filter(|payload| *payload < 128)
}

/// Some write `20.0`; more than a second is no packet.
fn milliseconds(value: &[u8]) -> Option<u32> {
    let whole = split_once(value, b'.').map_or(value, |(whole, _)| whole);
    number(whole).filter(|ms| (1..=1_000).contains(ms))
}

/// Decimal digits only: no sign, no blanks.
fn number<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b' ' || *b == b'\t').filter(|word| !word.is_empty())
}

fn split_once(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = bytes.iter().position(|b| *b == at)?;
    Some((&bytes[..position], &bytes[position + 1..]))
}

fn within(count: usize, limit: usize, what: &'static str) -> Result<(), Refused> {
    if count > limit { Err(Refused::TooMuch { what, limit }) } else { Ok(()) }
}
