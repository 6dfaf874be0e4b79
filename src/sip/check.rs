//! What a message must be before anything looks at it: the answers that depend on the message alone.
//!
//! RFC 3261 sections 8.1.1, 8.2 and 16.3, RFC 4475 and 5118 (torture tests). Requests get a code, responses are dropped.

use super::address::NameAddr;
use super::message::{MAX_LIST, Message};
use super::name::{Method, Name};
use super::parse::{decimal, is_token, split};
use super::uri::{Scheme, Uri};
use super::via::{COOKIE, Via};

/// What is wrong with a request, as the answer says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub code: u16,
    pub reason: &'static str,
    /// Headers of the answer beyond the usual ones.
    pub headers: Vec<(Name, String)>,
}

impl Fault {
    pub fn new(code: u16, reason: &'static str) -> Fault {
        Fault { code, reason, headers: Vec::new() }
    }

    fn with(mut self, name: Name, value: impl Into<String>) -> Fault {
        self.headers.push((name, value.into()));
        self
    }
}

/// Option tags (RFC 3261 section 19.2) that we understand in Require.
pub const SUPPORTED: &[&str] = &["100rel", "timer"];
/// The shortest session interval in seconds (RFC 4028 section 4).
pub const MIN_SESSION: u64 = 90;
/// Methods that we take, for Allow.
pub const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS, PRACK, UPDATE, INFO, NOTIFY";
/// Bodies that we take, for Accept.
pub const ACCEPT: &str = "application/sdp, multipart/mixed";

const ONCE: [Name; 8] = [
    Name::From,
    Name::To,
    Name::CallId,
    Name::CSeq,
    Name::MaxForwards,
    Name::ContentLength,
    Name::ContentType,
    Name::Date,
];

/// What was read of a good request on the way: nobody needs to read it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked<'a> {
    /// The Request-URI.
    pub uri: Uri<'a>,
    pub from: NameAddr<'a>,
    pub to: NameAddr<'a>,
    /// CSeq's number.
    pub cseq: u32,
}

/// The first thing that is wrong with a request, or what was read of it.
///
/// # Errors
/// With the code that RFC 3261 names, or 400 with a phrase that says which header.
pub fn request(message: &Message) -> Result<Checked<'_>, Fault> {
    if !message.version_is_good() {
        return Err(Fault::new(505, "Version Not Supported"));
    }
    if message.bad_line {
        return Err(Fault::new(400, "Bad Header Line"));
    }
    if message.too_large {
        return Err(Fault::new(513, "Message Too Large"));
    }
    if message.repeats(&ONCE) {
        return Err(Fault::new(400, "Header Stands Twice"));
    }
    if message.bad_length {
        return Err(Fault::new(400, "Bad Content-Length"));
    }
    if each(message, Name::Via, "Bad Via", |via| Via::parse(via).is_some())? == 0 {
        return Err(Fault::new(400, "Bad Via"));
    }
    if message.call_id().is_empty() || message.call_id().iter().any(u8::is_ascii_whitespace) {
        return Err(Fault::new(400, "Missing Call-ID"));
    }
    let from = party(message, Name::From).ok_or_else(|| Fault::new(400, "Bad From"))?;
    let to = party(message, Name::To).ok_or_else(|| Fault::new(400, "Bad To"))?;
    let cseq = match message.cseq() {
        None => return Err(Fault::new(400, "Bad CSeq")),
        Some((_, method)) if Some(&method) != message.method() => {
            return Err(Fault::new(400, "CSeq Does Not Match Method"));
        }
        Some((number, _)) => number,
    };
    if message.header(Name::MaxForwards).is_some() && message.max_forwards().is_none() {
        return Err(Fault::new(400, "Bad Max-Forwards"));
    }
    if message.header(Name::Expires).is_some_and(|v| decimal(v, u64::from(u32::MAX)).is_none()) {
        return Err(Fault::new(400, "Bad Expires"));
    }
    addresses(message)?;
    let uri = match message.request_uri() {
        Err(_) => return Err(Fault::new(400, "Bad Request-URI")),
        Ok(uri) if uri.has_headers => return Err(Fault::new(400, "Bad Request-URI")), // section 19.1.1
        Ok(uri) if matches!(uri.scheme, Scheme::Other(_)) => {
            return Err(Fault::new(416, "Unsupported URI Scheme"));
        }
        Ok(uri) => uri,
    };
    if !matches!(message.method(), Some(Method::Ack | Method::Cancel)) {
        extensions(message)?;
    }
    match message.method() {
        Some(Method::Invite) => {
            contact(message)?;
            session(message)?;
            body(message)?;
        }
        Some(Method::Update) => {
            session(message)?;
            body(message)?;
        }
        _ => {}
    }
    Ok(Checked { uri, from, to, cseq })
}

/// Looks at each value of a list; how many there are.
fn each<'a>(
    message: &'a Message,
    name: Name,
    phrase: &'static str,
    is_good: impl Fn(&'a [u8]) -> bool,
) -> Result<usize, Fault> {
    let mut count = 0;
    for value in message.headers(name).flat_map(|line| split(line, b',')) {
        count += 1;
        if count > MAX_LIST {
            return Err(Fault::new(513, "Message Too Large"));
        }
        if !is_good(value) {
            return Err(Fault::new(400, phrase));
        }
    }
    Ok(count)
}

/// From or To.
fn party(message: &Message, name: Name) -> Option<NameAddr<'_>> {
    let address = NameAddr::parse(message.header(name)?).ok()?;
    // A tag, if there is one, is a token (an empty `tag=` never passes [`super::parse::Params::are_good`]).
    address.params.get("tag").is_none_or(is_token).then_some(address)
}

fn addresses(message: &Message) -> Result<(), Fault> {
    let expires_well = |contact: NameAddr<'_>| {
        contact.params.get("expires").is_none_or(|seconds| decimal(seconds, u64::from(u32::MAX)).is_some())
    };
    let contact = |contact: &[u8]| contact == b"*" || NameAddr::parse(contact).is_ok_and(expires_well);
    each(message, Name::Contact, "Bad Contact", contact)?;
    for name in [Name::Route, Name::RecordRoute] {
        each(message, name, "Bad Route", |route| NameAddr::parse(route).is_ok())?;
    }
    Ok(())
}

fn extensions(message: &Message) -> Result<(), Fault> {
    // Proxy-Require speaks to proxies (section 20.29); we are none.
    let unknown: Vec<String> = message
        .list(Name::Require)
        .filter(|tag| !tag.is_empty() && !SUPPORTED.iter().any(|s| s.as_bytes().eq_ignore_ascii_case(tag)))
        .map(|tag| String::from_utf8_lossy(tag).into_owned())
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Fault::new(420, "Bad Extension").with(Name::Unsupported, unknown.join(", ")))
}

fn contact(message: &Message) -> Result<(), Fault> {
    // Whether it is an address was seen before.
    match message.list(Name::Contact).next() {
        Some(b"*") => Err(Fault::new(400, "Bad Contact")),
        Some(_) => Ok(()),
        // RFC 2543 did not ask for it (RFC 4475 3.4.1); its peers show in the branch.
        None if !is_rfc3261(message) => Ok(()),
        None => Err(Fault::new(400, "Missing Contact")),
    }
}

/// Session-Expires of a request that begins or refreshes a session (RFC 4028).
fn session(message: &Message) -> Result<(), Fault> {
    if let Some(expires) = message.header(Name::SessionExpires) {
        let seconds = expires.split(|b| *b == b';').next().map(|n| decimal(n.trim_ascii_end(), u64::from(u32::MAX)));
        match seconds.flatten() {
            None => return Err(Fault::new(400, "Bad Session-Expires")),
            Some(seconds) if seconds < MIN_SESSION => {
                let fault = Fault::new(422, "Session Interval Too Small");
                return Err(fault.with(Name::MinSe, MIN_SESSION.to_string()));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// SDP or nothing.
fn body(message: &Message) -> Result<(), Fault> {
    if !message.has_body() {
        return Ok(());
    }
    let encoded = message.header(Name::ContentEncoding).is_some_and(|e| !e.eq_ignore_ascii_case(b"identity"));
    if encoded || message.sdp().is_none() {
        return Err(Fault::new(415, "Unsupported Media Type").with(Name::Accept, ACCEPT));
    }
    Ok(())
}

fn is_rfc3261(message: &Message) -> bool {
    message.top_via().and_then(|via| via.branch()).is_some_and(|branch| branch.starts_with(COOKIE))
}

/// Whether a response can be used: one Via (section 8.1.3.3), readable, with CSeq, Call-ID, From and To (others are dropped).
pub fn response(message: &Message) -> bool {
    message.top_via().is_some()
        && message.list(Name::Via).count() == 1
        && !message.bad_line
        && !message.too_large
        && message.cseq().is_some()
        && !message.call_id().is_empty()
        && !message.repeats(&ONCE)
        && party(message, Name::From).is_some()
        && party(message, Name::To).is_some()
        && !message.bad_length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Framing;
    use bytes::Bytes;

    const GOOD: &str = "INVITE sip:12345@h SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n\
        From: <sip:a@h>;tag=1\r\nTo: <sip:12345@h>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1>\r\n";

    fn verdict(text: &str) -> u16 {
        let message = Message::parse(Bytes::copy_from_slice(text.as_bytes()), Framing::Datagram).expect(text);
        request(&message).map_or_else(|fault| fault.code, |_| 200)
    }

    fn with(more: &str) -> u16 {
        verdict(&format!("{GOOD}{more}\r\n"))
    }

    fn without(name: &str) -> u16 {
        let text: String = GOOD.split_inclusive("\r\n").filter(|line| !line.starts_with(name)).collect();
        verdict(&format!("{text}\r\n"))
    }

    #[test]
    fn a_good_one_passes() {
        assert_eq!(with(""), 200);
    }

    #[test]
    fn each_mandatory_header_is_missed() {
        for name in ["Via", "From", "To", "Call-ID", "CSeq", "Contact"] {
            assert_eq!(without(name), 400, "{name}");
        }
        let mut old = GOOD.replace("z9hG4bK", "");
        old.truncate(old.find("Contact").expect("there is one"));
        assert_eq!(verdict(&format!("{old}\r\n")), 200, "an RFC 2543 peer");
        assert_eq!(without("Max-Forwards"), 200, "RFC 3261 8.2.2 does not ask a UAS to refuse for it");
    }

    #[test]
    fn each_kind_of_fault_has_its_code() {
        assert_eq!((with("Require: 100rel\r\n"), with("Require: 100rel, gruu\r\n")), (200, 420));
        assert_eq!(with("Proxy-Require: sec-agree\r\n"), 200);
        assert_eq!(with("Session-Expires: 60;refresher=uac\r\n"), 422);
        assert_eq!((with("x: 1800;refresher=uac\r\n"), with("x: soon\r\n")), (200, 400));
        assert_eq!(with(&"Subject: 1\r\n".repeat(500)), 513);
        assert_eq!(with("Content-Type: multipart/mixed;boundary=b\r\n\r\n--b--"), 415);
        assert_eq!(verdict(&format!("{}\r\n", GOOD.replace("<sip:a@192.0.2.1>", "*"))), 400);
        assert_eq!(with("To: <sip:b@h>\r\n"), 400);
        assert_eq!(with("Content-Length: -1\r\n"), 400);
        assert_eq!(with("Content-Length: 4294967297\r\n"), 400);
        assert_eq!(with("Expires: 99999999999999999999\r\n"), 400);
        assert_eq!(with("Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx"), 415);
        assert_eq!(with(&"Via: SIP/2.0/UDP h;branch=z9hG4bKy\r\n".repeat(64)), 513);
        assert_eq!(verdict(&format!("{}\r\n", GOOD.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia"))), 505);
        assert_eq!(verdict(&format!("{}\r\n", GOOD.replace("INVITE sip:12345@h", "INVITE mailto:a@h"))), 416);
        assert_eq!(verdict(&format!("{}\r\n", GOOD.replace("CSeq: 1", "CSeq: 2147483648"))), 400);
        assert_eq!(verdict(&format!("{}\r\n", GOOD.replace(";tag=1", ";tag="))), 400);
    }
}
