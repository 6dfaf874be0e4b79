//! Keys of secured RTP in the description itself: `a=crypto` (SDES, RFC 4568).
//!
//! They are as secret as the signalling that carries them: TLS, or a network of one's own. Spoken are
//! AES_CM_128_HMAC_SHA1_80 and _32 with one key each, without MKI and without session parameters that change what is
//! sent; a line with any of those is passed over as if it named another suite. A line that is broken refuses the whole
//! stream (ATTACKS 17): what its writer takes for a key is then not known.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Refused;

/// Lines of one stream that are looked at.
pub(super) const LINES: usize = 16;
/// Octets of a key with its salt.
const MASTER: usize = 30;

/// A crypto-suite (RFC 4568 section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suite {
    Tag80,
    Tag32,
}

impl Suite {
    /// In the order of our offers.
    pub const ALL: [Suite; 2] = [Suite::Tag80, Suite::Tag32];

    pub fn name(self) -> &'static str {
        match self {
            Suite::Tag80 => "AES_CM_128_HMAC_SHA1_80",
            Suite::Tag32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }
}

/// A master key with its salt. Not shown in logs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Master(pub [u8; MASTER]);

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Master(..)")
    }
}

/// The keys of both directions, agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    pub suite: Suite,
    /// What we send is sealed with.
    pub ours: Master,
    /// What the peer sends is sealed with.
    pub theirs: Master,
}

/// One line that will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// As it was written.
    pub(super) tag: &'a [u8],
    pub(super) suite: Suite,
    pub(super) master: Master,
}

/// The line of ours or of an answer: `1 AES_CM_128_HMAC_SHA1_80 inline:...`.
pub(super) fn line(tag: &[u8], suite: Suite, master: &Master) -> Vec<u8> {
    [tag, b" ", suite.name().as_bytes(), b" inline:", STANDARD.encode(master.0).as_bytes()].concat()
}

/// The first of a stream's lines that will do, in the order of its writer's preference.
///
/// # Errors
/// [`Refused::Key`]: one is broken, a tag comes twice, or none will do.
pub(super) fn choose<'a>(lines: &[&'a [u8]]) -> Result<Line<'a>, Refused> {
    let mut tags: Vec<&[u8]> = Vec::new();
    let mut chosen = None;
    for line in lines {
        let (tag, read) = read(line)?;
        if tags.contains(&tag) {
            return Err(Refused::Key("two a=crypto lines with one tag"));
        }
        tags.push(tag);
        chosen = chosen.or(read);
    }
    chosen.ok_or(Refused::Key("no a=crypto line with a suite that is spoken here"))
}

/// `None`: nothing wrong with it, but not spoken here.
fn read(line: &[u8]) -> Result<(&[u8], Option<Line<'_>>), Refused> {
    let mut words = line.split(|b| *b == b' ' || *b == b'\t').filter(|word| !word.is_empty());
    let [Some(tag), Some(suite), Some(keys)] = [words.next(), words.next(), words.next()] else {
        return Err(Refused::Key("an a=crypto line with fewer than three words"));
    };
    // Section 9.1: 1 to 9 digits; 0 and leading zeros would be the same tag written twice.
    if tag.len() > 9 || tag.first() == Some(&b'0') || !tag.iter().all(u8::is_ascii_digit) {
        return Err(Refused::Key("an a=crypto line with a bad tag"));
    }
    let Some(suite) = Suite::ALL.into_iter().find(|known| known.name().as_bytes().eq_ignore_ascii_case(suite)) else {
        return Ok((tag, None));
    };
    // Section 6.3.7: parameters that are not understood forbid the line, but for window size hints.
    let plain = words.all(|word| word.starts_with(b"WSH="));
    Ok((tag, master(keys)?.filter(|_| plain).map(|master| Line { tag, suite, master })))
}

/// `inline:KEY|2^20|1:4`; several keys and MKIs are not spoken here. How long a key may live is its sender's business: it
/// is the one who counts its packets.
fn master(keys: &[u8]) -> Result<Option<Master>, Refused> {
    const BAD: Refused = Refused::Key("an a=crypto line with a bad key");
    let (method, rest) = keys.split_at(keys.len().min(b"inline:".len()));
    if !method.eq_ignore_ascii_case(b"inline:") {
        return Err(BAD);
    }
    let several = rest.contains(&b';');
    let mut parts = rest.split(|b| *b == b'|' || *b == b';');
    let key = parts.next().ok_or(BAD)?;
    let master = STANDARD.decode(key).ok().and_then(|octets| octets.try_into().ok()).map(Master).ok_or(BAD)?;
    let mki = parts.any(|part| part.contains(&b':'));
    Ok((!several && !mki).then_some(master))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    fn of<'a>(lines: &[&'a str]) -> Result<Line<'a>, Refused> {
        choose(&lines.iter().map(|line| line.as_bytes()).collect::<Vec<_>>())
    }

    #[test]
    fn lines_of_the_rfc_and_of_telephones() {
        for (text, suite, tag) in [
            (format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20|1:4"), None, ""),
            (format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}|2^20"), Some(Suite::Tag80), "1"),
            (format!("3 AES_CM_128_HMAC_SHA1_32 {KEY}|2^31 WSH=64"), Some(Suite::Tag32), "3"),
            (format!("999999999 aes_cm_128_hmac_sha1_80 {KEY}"), Some(Suite::Tag80), "999999999"),
            (format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} UNENCRYPTED_SRTP"), None, ""),
            (format!("1 AES_CM_128_HMAC_SHA1_80 {KEY} KDR=1"), None, ""),
            (format!("1 F8_128_HMAC_SHA1_80 {KEY}"), None, ""),
            ("1 AES_256_CM_HMAC_SHA1_80 inline:short".to_owned(), None, ""),
            (format!("1 AES_CM_128_HMAC_SHA1_80 {KEY};{KEY}"), None, ""),
        ] {
            let line = of(&[text.as_str()]);
            assert_eq!(
                line.ok().map(|line| (line.suite, line.tag)),
                suite.map(|suite| (suite, tag.as_bytes())),
                "{text}"
            );
        }
    }

    #[test]
    fn the_first_that_will_do_is_taken() {
        let lines = [
            format!("1 AES_256_CM_HMAC_SHA1_80 {KEY}"),
            format!("2 AES_CM_128_HMAC_SHA1_32 {KEY}"),
            format!("4 AES_CM_128_HMAC_SHA1_80 {KEY}"),
        ];
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        assert_eq!(of(&lines).map(|line| (line.tag, line.suite)), Ok((&b"2"[..], Suite::Tag32)));
    }

    /// ATTACKS 17.
    #[test]
    fn broken_lines_refuse_the_stream() {
        let good = format!("1 AES_CM_128_HMAC_SHA1_80 {KEY}");
        for bad in [
            format!("0 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("01 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("1234567890 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("-1 AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("x AES_CM_128_HMAC_SHA1_80 {KEY}"),
            format!("1 AES_CM_128_HMAC_SHA1_32 {KEY}"), // the good one's tag
            format!("2 AES_CM_128_HMAC_SHA1_80 {}", &KEY[..KEY.len() - 4]),
            format!("2 AES_CM_128_HMAC_SHA1_80 {KEY}AAAA"),
            "2 AES_CM_128_HMAC_SHA1_80 inline:".to_owned(),
            "2 AES_CM_128_HMAC_SHA1_80 inline:!!!!".to_owned(),
            format!("2 AES_CM_128_HMAC_SHA1_80 uri:{}", &KEY[7..]),
            "2 AES_CM_128_HMAC_SHA1_80".to_owned(),
            "2".to_owned(),
            String::new(),
        ] {
            for lines in [[good.as_str(), bad.as_str()], [bad.as_str(), good.as_str()]] {
                assert!(matches!(of(&lines), Err(Refused::Key(_))), "{bad}");
            }
        }
        assert!(matches!(of(&[]), Err(Refused::Key(_))));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(octets in prop::collection::vec(any::<u8>(), MASTER), tag in 1u32..999_999_999, first: bool) {
            let master = Master(octets.try_into().expect("30 octets"));
            let suite = Suite::ALL[usize::from(first)];
            let tag = tag.to_string();
            let line = line(tag.as_bytes(), suite, &master);
            prop_assert_eq!(choose(&[&line]), Ok(Line { tag: tag.as_bytes(), suite, master }));
        }

        #[test]
        fn any_line(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..4)) {
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            prop_assert!(choose(&lines).is_err());
        }
    }

    #[test]
    fn keys_are_not_shown() {
        assert_eq!(format!("{:?}", Master([7; MASTER])), "Master(..)");
    }
}
