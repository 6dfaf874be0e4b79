//! A SIP message: its bytes and where its headers stand in them.
//!
//! Reading a message finds the lines and names the headers; values are read when they are asked for. Header values
//! are slices of the message: folded lines (RFC 3261 section 7.3.1) are unfolded into one copy first, which is rare.
//! What a message may hold is bounded ([`MAX_BYTES`], [`MAX_HEADERS`], [`MAX_LINE`]); nothing here panics on any bytes.

use bytes::Bytes;

use super::address::{BadAddress, NameAddr};
use super::name::{Method, Name};
use super::parse::{decimal, first_of, is_token, split, trim};
use super::uri::{BadUri, Uri};
use super::via::Via;

/// The longest message: what a UDP datagram can carry.
pub const MAX_BYTES: usize = 65_535;
/// The most header lines.
pub const MAX_HEADERS: usize = 256;
/// The longest header line.
pub const MAX_LINE: usize = 8 * 1024;
/// The most Vias, Routes and so on of one kind, after splitting at commas.
pub const MAX_LIST: usize = 64;

/// How the end of the body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The body ends with the datagram if Content-Length is missing (RFC 3261 section 18.3).
    Datagram,
    /// The bytes are exactly one message, cut out by [`super::stream::Framer`].
    Stream,
}

/// Not even the outline of a SIP message: dropped without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("no SIP start line")]
    StartLine,
    #[error("no empty line behind the headers")]
    NoEnd,
    #[error("longer than a message may be, or its start line is")]
    TooLarge,
}

#[derive(Debug, Clone, Copy)]
struct Field {
    name: Name,
    at: u32,
    name_len: u16,
    value: (u32, u32),
}

#[derive(Debug, Clone)]
enum Start {
    Request { method: Method, uri: (u32, u32), version: (u32, u32) },
    Response { code: u16, reason: (u32, u32) },
}

/// A message whose outline was read. Cloning shares the bytes.
#[derive(Debug, Clone)]
pub struct Message {
    bytes: Bytes,
    start: Start,
    fields: Vec<Field>,
    index: Index,
    body: (u32, u32),
    /// The body is shorter than Content-Length says, or the length is no number.
    pub(super) bad_length: bool,
    /// A header line without a colon, with a name that is no token, or with NUL or a lone CR in its value.
    pub(super) bad_line: bool,
    /// More header lines, or longer ones, than are read; the rest was left out.
    pub(super) too_large: bool,
}

fn span(from: usize, to: usize) -> (u32, u32) {
    (from as u32, to as u32) // bounded by MAX_BYTES
}

impl Message {
    /// Reads the outline: start line, header lines, body. Whether the values are good is [`super::check`]'s.
    ///
    /// # Errors
    /// What cannot be answered at all; see [`Unreadable`].
    pub fn parse(bytes: Bytes, framing: Framing) -> Result<Message, Unreadable> {
        if bytes.len() > MAX_BYTES {
            return Err(Unreadable::TooLarge);
        }
        // RFC 3261 7.5: empty lines before the start line are ignored.
        let skip = bytes.iter().position(|b| !b"\r\n".contains(b)).ok_or(Unreadable::StartLine)?;
        let bytes = if skip == 0 { bytes } else { bytes.slice(skip..) };
        match lines(&bytes, false)? {
            Lines::Read(head) => Message::outline(bytes, head, framing),
            Lines::Folded => {
                let head = head_length(&bytes).ok_or(Unreadable::NoEnd)?;
                let mut unfolded = unfold(&bytes[..head]);
                unfolded.extend_from_slice(&bytes[head..]);
                let bytes = Bytes::from(unfolded);
                match lines(&bytes, true)? {
                    Lines::Read(head) => Message::outline(bytes, head, framing),
                    Lines::Folded => Err(Unreadable::NoEnd), // no line is folded any more
                }
            }
        }
    }

    fn outline(bytes: Bytes, head: Head, framing: Framing) -> Result<Message, Unreadable> {
        let start = start_line(&bytes, head.start.0, head.start.1)?;
        let Head { fields, index, length: head, bad_line, too_large, .. } = head;
        let mut message = Message { bytes, start, fields, index, body: (0, 0), bad_length: false, bad_line, too_large };
        let left = message.bytes.len() - head;
        let length = match (message.header(Name::ContentLength).map(|v| decimal(v, MAX_BYTES as u64)), framing) {
            (Some(Some(length)), _) if length as usize <= left => length as usize,
            (Some(_), _) => {
                message.bad_length = true;
                left
            }
            (None, _) => left,
        };
        message.body = span(head, head + length);
        Ok(message)
    }

    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    #[inline]
    fn slice(&self, at: (u32, u32)) -> &[u8] {
        &self.bytes[at.0 as usize..at.1 as usize]
    }

    pub fn is_request(&self) -> bool {
        matches!(self.start, Start::Request { .. })
    }

    /// The request's method, `None` for a response.
    pub fn method(&self) -> Option<&Method> {
        match &self.start {
            Start::Request { method, .. } => Some(method),
            Start::Response { .. } => None,
        }
    }

    /// The response's status code, `None` for a request.
    pub fn code(&self) -> Option<u16> {
        match self.start {
            Start::Response { code, .. } => Some(code),
            Start::Request { .. } => None,
        }
    }

    /// The response's reason phrase.
    pub fn reason(&self) -> &[u8] {
        match self.start {
            Start::Response { reason, .. } => self.slice(reason),
            Start::Request { .. } => b"",
        }
    }

    /// Whether a request says `SIP/2.0`.
    pub fn version_is_good(&self) -> bool {
        match self.start {
            Start::Request { version, .. } => self.slice(version).eq_ignore_ascii_case(b"SIP/2.0"),
            Start::Response { .. } => true,
        }
    }

    /// The Request-URI as it stands.
    pub fn request_uri_bytes(&self) -> &[u8] {
        match self.start {
            Start::Request { uri, .. } => self.slice(uri),
            Start::Response { .. } => b"",
        }
    }

    /// # Errors
    /// Not a URI.
    pub fn request_uri(&self) -> Result<Uri<'_>, BadUri> {
        Uri::parse(self.request_uri_bytes())
    }

    /// The lines among which those of that name are.
    #[inline]
    fn among(&self, name: Name) -> &[Field] {
        let Some(first) = self.index.first(name) else { return &[] };
        let end = if self.index.repeats(name) { self.fields.len() } else { first + 1 };
        &self.fields[first..end]
    }

    /// The first header of that name, trimmed.
    #[inline]
    pub fn header(&self, name: Name) -> Option<&[u8]> {
        self.among(name).first().map(|f| self.slice(f.value))
    }

    /// Every header line of that name, in order.
    #[inline]
    pub fn headers(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.among(name).iter().filter(move |f| f.name == name).map(|f| self.slice(f.value))
    }

    /// Every value of a comma-separated header, in order, at most [`MAX_LIST`].
    #[inline]
    pub fn list(&self, name: Name) -> impl Iterator<Item = &[u8]> {
        self.headers(name).flat_map(|line| split(line, b',')).take(MAX_LIST)
    }

    /// The first header with a name that [`Name`] does not know.
    pub fn other(&self, name: &str) -> Option<&[u8]> {
        let named =
            |f: &&Field| self.bytes[f.at as usize..][..f.name_len as usize].eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().find(named).map(|f| self.slice(f.value))
    }

    /// Names (as written) and values of all headers, in order.
    pub fn all(&self) -> impl Iterator<Item = (Name, &[u8], &[u8])> {
        self.fields.iter().map(|f| (f.name, &self.bytes[f.at as usize..][..f.name_len as usize], self.slice(f.value)))
    }

    /// Whether any of these stands twice.
    pub fn repeats(&self, names: &[Name]) -> bool {
        names.iter().any(|name| self.index.repeats(*name))
    }

    /// Whether a list of tokens (Supported, Require, Allow) has this one, in any case.
    pub fn has_tag(&self, name: Name, tag: &str) -> bool {
        self.list(name).any(|item| item.eq_ignore_ascii_case(tag.as_bytes()))
    }

    pub fn count(&self, name: Name) -> usize {
        self.among(name).iter().filter(|f| f.name == name).count()
    }

    /// Empty where the header is missing; [`super::check`] refuses such messages.
    pub fn call_id(&self) -> &[u8] {
        self.header(Name::CallId).unwrap_or_default()
    }

    /// Number and method of CSeq. The number is below 2^31 (RFC 3261 section 8.1.1.5).
    pub fn cseq(&self) -> Option<(u32, Method)> {
        let text = self.header(Name::CSeq)?;
        let end = text.iter().position(u8::is_ascii_whitespace)?;
        let number = decimal(&text[..end], (1 << 31) - 1)?;
        let method = trim(&text[end..]);
        is_token(method).then(|| (number as u32, Method::read(method)))
    }

    /// # Errors
    /// Missing (an empty text is no URI) or broken.
    pub fn from(&self) -> Result<NameAddr<'_>, BadAddress> {
        NameAddr::parse(self.header(Name::From).unwrap_or_default())
    }

    /// # Errors
    /// As [`Message::from`].
    pub fn to(&self) -> Result<NameAddr<'_>, BadAddress> {
        NameAddr::parse(self.header(Name::To).unwrap_or_default())
    }

    /// The first Contact.
    pub fn contact(&self) -> Option<Result<NameAddr<'_>, BadAddress>> {
        self.addresses(Name::Contact).next()
    }

    /// Every address of a header that is a list of them: Contact, Route, Record-Route, Diversion, History-Info, …
    pub fn addresses(&self, name: Name) -> impl Iterator<Item = Result<NameAddr<'_>, BadAddress>> {
        self.list(name).map(NameAddr::parse)
    }

    pub fn top_via(&self) -> Option<Via<'_>> {
        self.list(Name::Via).next().and_then(Via::parse)
    }

    pub fn max_forwards(&self) -> Option<u32> {
        decimal(self.header(Name::MaxForwards)?, 255).map(|n| n as u32)
    }

    pub fn body(&self) -> Bytes {
        self.bytes.slice(self.body.0 as usize..self.body.1 as usize)
    }

    pub fn has_body(&self) -> bool {
        self.body.0 < self.body.1
    }

    /// The SDP in the body: the body itself, or the part of a multipart that is SDP.
    pub fn sdp(&self) -> Option<Bytes> {
        let (kind, params) = self.content_type()?;
        if !self.has_body() {
            return None;
        }
        let body = self.body();
        if kind.eq_ignore_ascii_case(b"application/sdp") {
            return Some(body);
        }
        super::multipart::sdp_part(&body, kind, params.get("boundary")?)
    }

    /// `type/subtype` without parameters, and the parameters.
    pub fn content_type(&self) -> Option<(&[u8], super::parse::Params<'_>)> {
        let text = self.header(Name::ContentType)?;
        let end = text.iter().position(|b| *b == b';').unwrap_or(text.len());
        Some((trim(&text[..end]), super::parse::Params(&text[end..])))
    }
}

/// Length of start line and headers with the empty line behind them.
pub(super) fn head_length(bytes: &[u8]) -> Option<usize> {
    memchr::memchr_iter(b'\n', bytes).find_map(|end| match bytes[end + 1..] {
        [b'\n', ..] => Some(end + 2),
        [b'\r', b'\n', ..] => Some(end + 3),
        _ => None,
    })
}

/// A line break before white space becomes one space.
pub(super) fn unfold(head: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(head.len());
    for (i, byte) in head.iter().enumerate() {
        let folds = *byte == b'\n' && matches!(head.get(i + 1), Some(b' ' | b'\t'));
        if folds {
            if out.last() == Some(&b'\r') {
                out.pop();
            }
            out.push(b' ');
        } else {
            out.push(*byte);
        }
    }
    out
}

/// Where each name stands first, and which stand again.
#[derive(Debug, Clone)]
struct Index {
    first: [u8; NAMES],
    present: u64,
    repeated: u64,
}

/// Every name that is known, and the one for all others.
const NAMES: usize = Name::Other as usize + 1;
const _: () = assert!(NAMES <= 64 && MAX_HEADERS <= u8::MAX as usize + 1);

impl Index {
    fn note(&mut self, name: Name, at: usize) {
        let bit = 1u64 << name as u8;
        if self.present & bit == 0 {
            self.first[name as usize] = at as u8; // below MAX_HEADERS
        }
        self.repeated |= self.present & bit;
        self.present |= bit;
    }

    fn first(&self, name: Name) -> Option<usize> {
        (self.present >> name as u8 & 1 == 1).then(|| usize::from(self.first[name as usize]))
    }

    fn repeats(&self, name: Name) -> bool {
        self.repeated >> name as u8 & 1 == 1
    }
}

/// The lines up to the empty one.
struct Head {
    start: (usize, usize),
    fields: Vec<Field>,
    index: Index,
    /// With the empty line.
    length: usize,
    bad_line: bool,
    too_large: bool,
}

enum Lines {
    Read(Head),
    /// A line goes on in the next one: unfold first. (Rare, and then the head is read twice.)
    Folded,
}

/// Finds the lines of the head, in one pass. `careful`: looks for stray control characters in every value; otherwise
/// they are only noticed, and where there are any, the head is read again.
fn lines(bytes: &[u8], careful: bool) -> Result<Lines, Unreadable> {
    let mut head = Head {
        start: (0, 0),
        fields: Vec::with_capacity(24),
        index: Index { first: [0; NAMES], present: 0, repeated: 0 },
        length: 0,
        bad_line: false,
        too_large: false,
    };
    let (mut from, mut returns) = (0, 0);
    loop {
        let end = from + memchr::memchr(b'\n', &bytes[from..]).ok_or(Unreadable::NoEnd)?;
        let ends_in_crlf = end > from && bytes[end - 1] == b'\r';
        let to = end - usize::from(ends_in_crlf);
        returns += usize::from(ends_in_crlf);
        if from == to {
            head.length = end + 1;
            break;
        }
        if matches!(bytes.get(end + 1), Some(b' ' | b'\t')) {
            return Ok(Lines::Folded);
        }
        if from == 0 {
            head.start = (from, to);
        } else if head.fields.len() == MAX_HEADERS || to - from > MAX_LINE {
            head.too_large = true;
        } else {
            match field(bytes, from, to, careful) {
                Some(field) => {
                    head.index.note(field.name, head.fields.len());
                    head.fields.push(field);
                }
                None => head.bad_line = true,
            }
        }
        from = end + 1;
    }
    let whole = &bytes[..head.length];
    let clean = memchr::memchr_iter(b'\r', whole).count() == returns && memchr::memchr(0, whole).is_none();
    if clean || careful { Ok(Lines::Read(head)) } else { lines(bytes, true) }
}

fn start_line(bytes: &[u8], from: usize, to: usize) -> Result<Start, Unreadable> {
    // Trailing blanks are harmless (RFC 4475 3.1.2.10); other white space is refused with the URI or version it is in.
    let line = bytes[from..to].trim_ascii_end();
    let to = from + line.len();
    let space = line.iter().position(|b| *b == b' ').ok_or(Unreadable::StartLine)?;
    if line.len() > MAX_LINE {
        return Err(Unreadable::TooLarge);
    }
    if line[..space].eq_ignore_ascii_case(b"SIP/2.0") {
        let rest = &line[space + 1..];
        let digits = rest.iter().position(|b| *b == b' ').unwrap_or(rest.len());
        let code = decimal(&rest[..digits], 699).filter(|c| *c >= 100 && digits == 3).ok_or(Unreadable::StartLine)?;
        let reason = (from + space + 1 + digits + 1).min(to);
        return Ok(Start::Response { code: code as u16, reason: span(reason, to) });
    }
    if !is_token(&line[..space]) {
        return Err(Unreadable::StartLine);
    }
    let last = line.iter().rposition(|b| *b == b' ').expect("there is at least one space");
    let version = &line[last + 1..];
    if last <= space || !version.get(..4).is_some_and(|v| v.eq_ignore_ascii_case(b"SIP/")) {
        return Err(Unreadable::StartLine);
    }
    let method = Method::read(&line[..space]);
    // Blanks inside stay in the slice: the URI's reader refuses them, so that a 400 can be sent.
    Ok(Start::Request { method, uri: span(from + space + 1, from + last), version: span(from + last + 1, to) })
}

/// NUL or CR, but for a NUL that is quoted by a backslash (RFC 3261 25.1, quoted-pair).
fn has_stray_control(value: &[u8]) -> bool {
    memchr::memchr2_iter(b'\r', 0, value).any(|i| value[i] == b'\r' || i == 0 || value[i - 1] != b'\\')
}

fn field(bytes: &[u8], from: usize, to: usize, careful: bool) -> Option<Field> {
    let line = &bytes[from..to];
    // RFC 3261 7.3.1 allows blanks before the colon.
    let colon = first_of(line, b':')?;
    let written = trim(&line[..colon]);
    let name = match bytes[from..].first_chunk() {
        Some(begin) => Name::at_start(begin, written.len()),
        None => Name::read(written),
    };
    if name == Name::Other && !is_token(written) {
        return None;
    }
    let value = &line[colon + 1..];
    if careful && has_stray_control(value) {
        return None;
    }
    let value = value.strip_prefix(b" ").unwrap_or(value);
    let start = to - value.trim_ascii_start().len();
    Some(Field { name, at: from as u32, name_len: written.len() as u16, value: span(start, start + trim(value).len()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()), Framing::Datagram).expect(text)
    }

    #[test]
    fn folded_lines_are_one_value() {
        let message = read(
            "OPTIONS sip:a@h SIP/2.0\r\nTo: <sip:a@h>\r\n ;tag=1\r\nv: SIP/2.0/UDP h\r\nContent-Length: 2\r\n\r\nxyz",
        );
        assert_eq!(message.to().expect("valid").tag(), Some(&b"1"[..]));
        assert_eq!(&message.body()[..], b"xy");
        assert!(message.top_via().is_some());
    }

    #[test]
    fn without_a_length_the_datagram_ends_the_body() {
        assert_eq!(&read("OPTIONS sip:a@h SIP/2.0\r\nX: 1\r\n\r\nbody").body()[..], b"body");
        assert!(read("OPTIONS sip:a@h SIP/2.0\r\nl: 9\r\n\r\nbody").bad_length);
        assert!(read("OPTIONS sip:a@h SIP/2.0\r\nl: -1\r\n\r\nbody").bad_length);
    }

    #[test]
    fn lines_may_end_with_lf_alone_and_empty_lines_may_come_first() {
        let message = read("\r\n\r\nSIP/2.0 200 \nCSeq: 7   INVITE\n\n");
        assert_eq!((message.code(), message.cseq()), (Some(200), Some((7, Method::Invite))));
    }

    #[test]
    fn limits_hold() {
        let many = format!("OPTIONS sip:a@h SIP/2.0\r\n{}\r\n", "X: 1\r\n".repeat(MAX_HEADERS + 1));
        assert!(read(&many).too_large && read(&many).all().count() == MAX_HEADERS);
        let long = format!("OPTIONS sip:a@h SIP/2.0\r\nX: {}\r\nv: SIP/2.0/UDP h\r\n\r\n", "x".repeat(MAX_LINE));
        assert!(read(&long).too_large && read(&long).top_via().is_some());
        let start = format!("OPTIONS sip:{}@h SIP/2.0\r\n\r\n", "x".repeat(MAX_LINE));
        assert_eq!(Message::parse(start.into(), Framing::Datagram).err(), Some(Unreadable::TooLarge));
    }

    #[test]
    fn control_characters_spoil_a_line_unless_they_are_quoted() {
        assert!(read("OPTIONS sip:a@h SIP/2.0\r\nX: a\0b\r\n\r\n").bad_line);
        assert!(read("OPTIONS sip:a@h SIP/2.0\r\nX: a\rVia: b\r\n\r\n").bad_line);
        assert!(!read("OPTIONS sip:a@h SIP/2.0\r\nX: \"\\\0\"\r\n\r\n").bad_line);
    }

    proptest! {
        #[test]
        fn any_bytes(raw in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(message) = Message::parse(raw.into(), Framing::Datagram) {
                message.all().count();
                message.top_via();
            }
        }

        #[test]
        fn any_headers(head in "[A-Za-z:;<>\"@,. \r\n\t=-]{0,200}") {
            let text = format!("INVITE sip:a@h SIP/2.0\r\n{head}\r\n\r\n");
            if let Ok(message) = Message::parse(text.into(), Framing::Datagram) {
                message.from().ok();
                message.cseq();
                message.addresses(Name::Contact).count();
            }
        }
    }
}
