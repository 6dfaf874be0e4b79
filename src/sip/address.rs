//! `name-addr / addr-spec` with parameters: From, To, Contact, Route, Diversion, … (RFC 3261 section 20.10).

use super::parse::{Params, is_token, trim};
use super::uri::{BadUri, Uri};

/// Why an address cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error("the quotes of the display name do not close")]
    Quotes,
    #[error("the angle bracket does not close")]
    Bracket,
    #[error("the display name is neither tokens nor quoted")]
    Display,
    #[error("bad parameters behind the address")]
    Params,
    #[error(transparent)]
    Uri(#[from] BadUri),
}

/// An address. Identity is the URI alone: the display name is the caller's claim, kept verbatim as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameAddr<'a> {
    pub display: Option<&'a [u8]>,
    pub uri: Uri<'a>,
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// # Errors
    /// See [`BadAddress`].
    pub fn parse(text: &'a [u8]) -> Result<NameAddr<'a>, BadAddress> {
        let text = trim(text);
        if let Some(address) = NameAddr::plain(text) {
            return Ok(address);
        }
        let (display, rest) = if let Some(inner) = text.strip_prefix(b"\"") {
            let end = closing_quote(inner).ok_or(BadAddress::Quotes)?;
            let rest = trim(&inner[end + 1..]);
            if rest.first() != Some(&b'<') {
                return Err(BadAddress::Bracket);
            }
            (Some(&inner[..end]), rest)
        } else {
            match text.iter().position(|b| *b == b'<') {
                Some(at) => (Some(trim(&text[..at])).filter(|d| !d.is_empty()), &text[at..]),
                None => (None, text),
            }
        };
        // Unquoted: tokens; bytes above ASCII are let through.
        if !text.starts_with(b"\"")
            && let Some(display) = display
        {
            let good = |word: &[u8]| word.is_empty() || is_token(word) || word.iter().any(|b| *b >= 0x80);
            if !display.split(|b| b" \t".contains(b)).all(good) {
                return Err(BadAddress::Display);
            }
        }
        let (uri, params) = match rest.strip_prefix(b"<") {
            Some(inner) => {
                let end = memchr::memchr(b'>', inner).ok_or(BadAddress::Bracket)?;
                (trim(&inner[..end]), &inner[end + 1..])
            }
            // Without brackets, everything from the first semicolon on belongs to the header (20.10).
            None => rest.split_at(rest.iter().position(|b| *b == b';').unwrap_or(rest.len())),
        };
        let params = Params(params);
        if !params.are_good() {
            return Err(BadAddress::Params);
        }
        let uri = Uri::parse(trim(uri))?;
        if !rest.starts_with(b"<") && (uri.has_headers || params.0.contains(&b'@')) {
            return Err(BadAddress::Bracket); // what belongs to the URI cannot be told (20.10)
        }
        Ok(NameAddr { display, uri, params })
    }

    /// A plain URI in angle brackets, alone or behind a name in quotes, as nearly every peer writes it: read in one pass.
    /// `None`: look more closely.
    #[inline]
    fn plain(text: &'a [u8]) -> Option<NameAddr<'a>> {
        let (display, rest) = match text {
            [b'"', inner @ ..] => {
                let end = inner.iter().position(|b| matches!(b, b'"' | b'\\'))?;
                let rest = inner[end..].strip_prefix(b"\" ").or_else(|| inner[end..].strip_prefix(b"\""))?;
                (Some(&inner[..end]), rest)
            }
            text => (None, text),
        };
        let (uri, rest) = Uri::plain(rest.strip_prefix(b"<")?)?;
        let params = Params(rest.strip_prefix(b">")?);
        params.are_good().then_some(NameAddr { display, uri, params })
    }

    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.get("tag").filter(|tag| !tag.is_empty())
    }
}

fn closing_quote(inner: &[u8]) -> Option<usize> {
    let mut i = 0;
    while i < inner.len() {
        match inner[i] {
            b'\\' => i += 1,
            b'"' => return Some(i),
            _ => {}
        }
        i += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_caller_is_never_in_the_display_name() {
        let text = b"\"<sip:110@police.example>;tag=x\" <sip:13800001111@h>;tag=y";
        let address = NameAddr::parse(text).expect("valid");
        assert_eq!(address.uri.number().as_deref(), Some("13800001111"));
        assert_eq!(address.tag(), Some(&b"y"[..]));
    }

    #[test]
    fn without_brackets_parameters_belong_to_the_header() {
        let address = NameAddr::parse(b"sip:a@h;tag=z").expect("valid");
        assert_eq!((address.uri.raw, address.tag()), (&b"sip:a@h"[..], Some(&b"z"[..])));
    }

    #[test]
    fn broken_ones() {
        for (text, why) in [
            (&b"\"a <sip:a@h>"[..], BadAddress::Quotes),
            (b"<sip:a@h", BadAddress::Bracket),
            (b"a,b <sip:a@h>", BadAddress::Display),
            (b"<sip:a@h>;;;", BadAddress::Params),
            (b"\"a\" sip:a@h", BadAddress::Bracket),
            (b"sip:a@h?Route=x", BadAddress::Bracket),
            (b"sip:110;x=1@h", BadAddress::Bracket),
        ] {
            assert_eq!(NameAddr::parse(text), Err(why), "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_is_kept_as_bytes() {
        let address = NameAddr::parse(b"\"\xb1\xb1\xbe\xa9\" <sip:a@h>").expect("valid");
        assert_eq!(address.display, Some(&b"\xb1\xb1\xbe\xa9"[..]));
    }

    proptest! {
        #[test]
        fn any_bytes(raw in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(address) = NameAddr::parse(&raw) {
                address.tag();
            }
        }
    }
}
