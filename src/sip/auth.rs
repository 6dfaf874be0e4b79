//! Digest authentication (RFC 7616, with RFC 8760 for SIP): SHA-256 and MD5, `qop=auth`.
//!
//! Pure: random bytes and the clock are handed in. [`client`] answers a challenge with the credentials of one realm and
//! no other; [`server`] makes challenges whose nonces need no memory, and remembers only which counts were used.
//! `auth-int` is not offered and not chosen: proxies that touch a body would break it.

pub mod client;
pub mod server;

use std::fmt;

use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::parse::{split, trim};

/// What is hashed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Md5,
    Sha256,
}

impl Algorithm {
    /// The strongest first (RFC 8760 section 2.4: in the order of preference).
    pub const ALL: [Algorithm; 2] = [Algorithm::Sha256, Algorithm::Md5];

    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// Names are case-insensitive; a missing one is MD5 (RFC 7616 section 3.3).
    fn of(name: Option<&[u8]>) -> Option<Algorithm> {
        let Some(name) = name else { return Some(Algorithm::Md5) };
        Algorithm::ALL.into_iter().find(|algorithm| name.eq_ignore_ascii_case(algorithm.name().as_bytes()))
    }

    fn hash(self, parts: &[&[u8]]) -> String {
        let joined = parts.join(&b':');
        match self {
            Algorithm::Md5 => hex(&Md5::digest(&joined)),
            Algorithm::Sha256 => hex(&Sha256::digest(&joined)),
        }
    }
}

/// A user's name and password. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The fields of a challenge or of an answer to one, by name; quotes and their escapes are taken off.
struct Fields<'a>(Vec<(&'a [u8], Vec<u8>)>);

impl<'a> Fields<'a> {
    /// `None` for another scheme than Digest, for no fields, and for a field that is there twice (one side might read
    /// the first and the other the second).
    fn parse(value: &'a [u8]) -> Option<Fields<'a>> {
        let value = trim(value);
        let (scheme, rest) = value.split_at(value.iter().position(u8::is_ascii_whitespace)?);
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return None;
        }
        let mut fields: Vec<(&[u8], Vec<u8>)> = Vec::new();
        for part in split(rest, b',').filter(|part| !part.is_empty()) {
            let at = part.iter().position(|b| *b == b'=')?;
            let (name, value) = (trim(&part[..at]), trim(&part[at + 1..]));
            if fields.len() >= 32 || fields.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return None;
            }
            fields.push((name, unquoted(value)?));
        }
        (!fields.is_empty()).then_some(Fields(fields))
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value.as_slice())
    }
}

/// `None` for quotes that do not match.
fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let Some(inner) = value.strip_prefix(b"\"") else { return Some(value.to_vec()) };
    let inner = inner.strip_suffix(b"\"")?;
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        out.push(if *byte == b'\\' { *bytes.next()? } else { *byte });
    }
    Some(out)
}

/// A text as a quoted string.
fn quoted(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        // A line break in a challenge of theirs must not become a header of ours.
        if !c.is_control() {
            out.push(c);
        }
    }
    out.push('"');
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether two digests are the same, in constant time.
fn same(a: &[u8], b: &[u8]) -> bool {
    // As many steps for a wrong first byte as for a wrong last one.
    a.len() == b.len() && a.iter().zip(b).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}

/// `request-digest` of RFC 7616 section 3.4.1; `count` is nc, cnonce and qop, or nothing (RFC 2069).
fn response(
    algorithm: Algorithm,
    credentials: &Credentials,
    realm: &[u8],
    nonce: &[u8],
    count: Option<(&[u8], &[u8])>,
    method: &[u8],
    uri: &[u8],
) -> String {
    let a1 = algorithm.hash(&[credentials.user.as_bytes(), realm, credentials.password.as_bytes()]);
    let a2 = algorithm.hash(&[method, uri]);
    match count {
        Some((nc, cnonce)) => algorithm.hash(&[a1.as_bytes(), nonce, nc, cnonce, b"auth", a2.as_bytes()]),
        None => algorithm.hash(&[a1.as_bytes(), nonce, a2.as_bytes()]),
    }
}
