//! URIs of SIP (RFC 3261 section 19.1) and telephone numbers (RFC 3966), as slices of the message.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};

use super::parse::{Params, host_length, is_token, params_length, trim, user_length};

/// A text that is not a URI of the grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a URI of RFC 3261 section 25.1: {0}")]
pub struct BadUri(pub &'static str);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme<'a> {
    Sip,
    Sips,
    Tel,
    /// Anything else: 416 where it is a Request-URI.
    Other(&'a [u8]),
}

/// A URI, read but not copied. For `tel:` the number stands in `user`; for other schemes `opaque` holds the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Uri<'a> {
    pub raw: &'a [u8],
    pub scheme: Scheme<'a>,
    /// Escaped, without a password.
    pub user: Option<&'a [u8]>,
    /// Without brackets.
    pub host: &'a [u8],
    pub port: Option<u16>,
    params: &'a [u8],
    /// `?name=value…` behind the parameters, which only a URI in angle brackets, and no Request-URI, may have.
    pub has_headers: bool,
}

impl<'a> Uri<'a> {
    /// Reads one URI, the whole slice.
    ///
    /// # Errors
    /// What the grammar forbids: no scheme, white space or `<>"` inside, bad escapes, bad host or port.
    pub fn parse(raw: &'a [u8]) -> Result<Uri<'a>, BadUri> {
        if let Some((uri, [])) = Uri::plain(raw) {
            return Ok(uri);
        }
        let colon = raw.iter().position(|b| *b == b':').ok_or(BadUri("no scheme"))?;
        let (scheme, rest) = (&raw[..colon], &raw[colon + 1..]);
        let good = scheme.first().is_some_and(u8::is_ascii_alphabetic)
            && scheme.iter().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(b));
        if !good {
            return Err(BadUri("bad scheme"));
        }
        if !is_visible(raw) {
            return Err(BadUri("white space, quote or angle bracket inside"));
        }
        let scheme = match () {
            () if scheme.eq_ignore_ascii_case(b"sip") => Scheme::Sip,
            () if scheme.eq_ignore_ascii_case(b"sips") => Scheme::Sips,
            () if scheme.eq_ignore_ascii_case(b"tel") => Scheme::Tel,
            () => Scheme::Other(scheme),
        };
        match scheme {
            Scheme::Other(_) => {
                Ok(Uri { raw, scheme, user: None, host: b"", port: None, params: b"", has_headers: false })
            }
            Scheme::Tel => Uri::telephone(raw, rest),
            Scheme::Sip | Scheme::Sips => Uri::sip(raw, scheme, rest),
        }
    }

    fn telephone(raw: &'a [u8], rest: &'a [u8]) -> Result<Uri<'a>, BadUri> {
        let end = rest.iter().position(|b| *b == b';').unwrap_or(rest.len());
        let number = &rest[..end];
        if number.is_empty() || !number.iter().all(|b| b.is_ascii_hexdigit() || b"+-.()*#".contains(b)) {
            return Err(BadUri("not a telephone number"));
        }
        Ok(Uri {
            raw,
            scheme: Scheme::Tel,
            user: Some(number),
            host: b"",
            port: None,
            params: &rest[end..],
            has_headers: false,
        })
    }

    /// `sip:` with or without a user of plain characters, a host name or IPv4 address, parameters: nearly every URI, read in
    /// one pass, and what follows it. `None`: look more closely.
    #[inline]
    pub(super) fn plain(text: &'a [u8]) -> Option<(Uri<'a>, &'a [u8])> {
        let [b's' | b'S', b'i' | b'I', b'p' | b'P', b':', rest @ ..] = text else { return None };
        let (user, rest) = match rest.split_at(user_length(rest)) {
            (user, [b'@', rest @ ..]) if !user.is_empty() => (Some(user), rest),
            // A host; where an @ comes later, it does not end as it must.
            _ => (None, rest),
        };
        let (host, port, rest) = plain_host(rest)?;
        let (params, rest) = match rest {
            [b';', ..] => rest.split_at(params_length(rest)),
            rest => (&b""[..], rest),
        };
        let raw = &text[..text.len() - rest.len()];
        let uri = Uri { raw, scheme: Scheme::Sip, user, host, port, params, has_headers: false };
        matches!(rest, [] | [b'>', ..]).then_some((uri, rest))
    }

    fn sip(raw: &'a [u8], scheme: Scheme<'a>, rest: &'a [u8]) -> Result<Uri<'a>, BadUri> {
        // The user part may hold ; ? & = and so on; it ends at the only @ (RFC 3261 19.1.2: @ must be escaped in it).
        let (user, rest) = match rest.iter().position(|b| *b == b'@') {
            Some(at) => {
                let user = &rest[..at];
                let user = &user[..user.iter().position(|b| *b == b':').unwrap_or(user.len())];
                if user.is_empty() {
                    return Err(BadUri("empty user before @"));
                }
                if !escapes_are_good(user) {
                    return Err(BadUri("bad escape in user"));
                }
                (Some(user), &rest[at + 1..])
            }
            None => (None, rest),
        };
        let end = rest.iter().position(|b| b";?".contains(b)).unwrap_or(rest.len());
        let (host, port) = host_and_port(&rest[..end]).ok_or(BadUri("bad host or port"))?;
        let after = &rest[end..];
        let question = after.iter().position(|b| *b == b'?');
        let params = &after[..question.unwrap_or(after.len())];
        Ok(Uri { raw, scheme, user, host, port, params, has_headers: question.is_some() })
    }

    /// A parameter's value (empty for a flag), by its name in any case.
    pub fn param(&self, name: &str) -> Option<&'a [u8]> {
        Params(self.params).get(name)
    }

    /// The host as an address, if it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        let text = std::str::from_utf8(self.host).ok()?;
        text.parse().ok().or_else(|| ipv6(text).map(IpAddr::V6))
    }

    /// The user part without escapes.
    pub fn user_text(&self) -> Option<String> {
        self.user.map(|user| String::from_utf8_lossy(&unescape(user)).into_owned())
    }

    /// Who or what this names, as a person would write it: the number of a `tel:` URI or of a user part that is one
    /// (visual separators and user parameters removed), else the user part, else nothing.
    pub fn number(&self) -> Option<Cow<'a, str>> {
        let plain = |user: &&[u8]| !user.is_empty() && user.iter().all(u8::is_ascii_digit);
        if let Some(user) = self.user.filter(plain) {
            return Some(String::from_utf8_lossy(user));
        }
        let user = self.user_text()?;
        let user = user.split(';').next().unwrap_or("");
        let digits: String = user.chars().filter(|c| !"-.()".contains(*c)).collect();
        let number = digits.strip_prefix('+').unwrap_or(&digits);
        let is_number = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit() || "*#".contains(c));
        Some(Cow::<str>::Owned(if is_number { digits } else { user.to_owned() })).filter(|n| !n.is_empty())
    }
}

/// No white space, control character, quote or angle bracket. (Without a way out in the middle: many bytes at once.)
#[inline]
fn is_visible(text: &[u8]) -> bool {
    let forbids = |b: u8| b <= b' ' || b == 0x7f || b == b'<' || b == b'>' || b == b'"';
    !text.iter().fold(false, |any, b| any | forbids(*b))
}

fn escapes_are_good(text: &[u8]) -> bool {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'%', rest) {
        if rest.len() < at + 3 || !rest[at + 1..at + 3].iter().all(u8::is_ascii_hexdigit) {
            return false;
        }
        rest = &rest[at + 3..];
    }
    true
}

/// `%41` becomes `A`; a bad escape stays as it is.
pub fn unescape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    while i < text.len() {
        let hex = text.get(i + 1..i + 3).and_then(|h| u8::from_str_radix(std::str::from_utf8(h).ok()?, 16).ok());
        match (text[i], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                i += 3;
            }
            (byte, _) => {
                out.push(byte);
                i += 1;
            }
        }
    }
    out
}

/// With three colons in a row too: the grammar of RFC 3261 had them by mistake (RFC 5118 section 4.10).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    text.parse().ok().or_else(|| text.replacen(":::", "::", 1).parse().ok())
}

/// Host, port and what follows, as nearly every peer writes them: a name or an IPv4 address without blanks, a number.
/// `None`: look more closely.
#[inline]
pub(super) fn plain_host(text: &[u8]) -> Option<(&[u8], Option<u16>, &[u8])> {
    let (host, rest) = text.split_at(host_length(text));
    if host.is_empty() {
        return None;
    }
    let [b':', digits @ ..] = rest else { return Some((host, None, rest)) };
    let (mut port, mut rest) = (0u32, digits);
    while let [digit @ b'0'..=b'9', after @ ..] = rest
        && port <= u32::from(u16::MAX)
    {
        port = port * 10 + u32::from(digit - b'0');
        rest = after;
    }
    let port = u16::try_from(port).ok().filter(|_| rest.len() < digits.len())?;
    Some((host, Some(port), rest))
}

/// `host`, `host:port`, `[v6]`, `[v6]:port`; the host without brackets.
pub fn host_and_port(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let text = trim(text);
    if let Some(inner) = text.strip_prefix(b"[") {
        let end = inner.iter().position(|b| *b == b']')?;
        let host = &inner[..end];
        ipv6(std::str::from_utf8(host).ok()?)?;
        let rest = trim(&inner[end + 1..]);
        let port = match rest.strip_prefix(b":") {
            Some(port) => Some(number(trim(port))?),
            None if rest.is_empty() => None,
            None => return None,
        };
        return Some((host, port));
    }
    let (host, port) = match text.iter().position(|b| *b == b':') {
        Some(colon) => (trim(&text[..colon]), Some(number(trim(&text[colon + 1..]))?)),
        None => (text, None),
    };
    let good = !host.is_empty() && host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(b));
    (good && is_token(host)).then_some((host, port))
}

fn number(text: &[u8]) -> Option<u16> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Uri<'_> {
        Uri::parse(text.as_bytes()).expect(text)
    }

    #[test]
    fn the_parts_of_a_uri() {
        let uri = read("sip:alice;day=tue:pass@[2001:db8::1]:5070;transport=TCP;lr?subject=x");
        assert_eq!(uri.user, Some(&b"alice;day=tue"[..]));
        assert_eq!((uri.host, uri.port), (&b"2001:db8::1"[..], Some(5070)));
        assert_eq!(uri.param("TRANSPORT"), Some(&b"TCP"[..]));
        assert_eq!(uri.param("lr"), Some(&b""[..]));
        assert_eq!((uri.param("subject"), uri.has_headers), (None, true));
        assert_eq!(uri.ip(), Some("2001:db8::1".parse().unwrap()));
    }

    #[test]
    fn numbers_as_a_person_writes_them() {
        assert_eq!(read("tel:+86-10-12345;phone-context=x").number().as_deref(), Some("+861012345"));
        assert_eq!(read("sip:12345@city.example;user=phone").number().as_deref(), Some("12345"));
        assert_eq!(read("sip:%31%32345;npdi@h").number().as_deref(), Some("12345"));
        assert_eq!(read("sip:alice@h").number().as_deref(), Some("alice"));
        assert_eq!(read("sip:h").number(), None);
    }

    #[test]
    fn what_the_grammar_forbids() {
        for bad in [
            "",
            "sip",
            ":x",
            "sip:",
            "sip:a b@h",
            "<sip:a@h>",
            "sip:@h",
            "sip:a@h:99999",
            "sip:a@h:",
            "sip:a@",
            "sip:%zz@h",
            "sip:[::1",
            "sip:2001:db8::10",
            "tel:",
            "tel:alice",
        ] {
            assert!(Uri::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(matches!(read("http://x/y").scheme, Scheme::Other(b"http")));
    }

    proptest! {
        #[test]
        fn any_bytes(raw in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(uri) = Uri::parse(&raw) {
                uri.number();
                uri.param("x");
                uri.ip();
            }
        }
    }
}
