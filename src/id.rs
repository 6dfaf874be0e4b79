//! Names for the things that outlive a function call.
//!
//! Randomness is handed in: a core never asks the operating system for it, so that a seed replays a run.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Crockford's base 32, the alphabet of ULIDs: no I, L, O or U, so that it can be read out over a telephone.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// One telephone call for its whole life: in logs, in the store, in file names.
///
/// 48 bits of Unix milliseconds and 80 random bits (the ULID layout), so ids sort by time.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(u128);

impl CallId {
    /// `millis`: Unix time of the call's first message; `random`: any 128 random bits, of which 80 are kept.
    pub fn new(millis: i64, random: u128) -> CallId {
        let time = (millis.max(0) as u128) & ((1 << 48) - 1);
        CallId(time << 80 | random & ((1 << 80) - 1))
    }

    /// Unix milliseconds of the call's first message.
    pub fn millis(self) -> i64 {
        (self.0 >> 80) as i64
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 26];
        for (i, slot) in text.iter_mut().enumerate() {
            *slot = ALPHABET[(self.0 >> (5 * (25 - i)) & 31) as usize];
        }
        f.write_str(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 26 characters of Crockford's base 32.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a call id is 26 characters of 0-9 A-Z without I L O U; this is not one")]
pub struct NotACallId;

impl FromStr for CallId {
    type Err = NotACallId;

    fn from_str(text: &str) -> Result<CallId, NotACallId> {
        let bytes = text.as_bytes();
        if bytes.len() != 26 || bytes[0] > b'7' {
            return Err(NotACallId);
        }
        let mut value = 0u128;
        for byte in bytes {
            let digit = ALPHABET.iter().position(|a| *a == byte.to_ascii_uppercase()).ok_or(NotACallId)?;
            value = value << 5 | digit as u128;
        }
        Ok(CallId(value))
    }
}

/// What calls follow at a time: flows, lines, prompts and all else that an admin may change while calls run, by its
/// content (SHA-256). The same files are the same version, whoever put them there and whenever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId(pub [u8; 32]);

impl VersionId {
    /// All 64 hexadecimal digits: what the store keeps.
    pub fn whole(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// From 64 hexadecimal digits.
    pub fn read(text: &str) -> Option<VersionId> {
        let mut bytes = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
        }
        Some(VersionId(bytes))
    }
}

/// The first twelve digits: what people, logs and calls' rows are shown.
impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A telephone number as it may stand in a log: `138****5678`.
///
/// Numbers of up to seven characters (services such as 12345, our own lines) are shown whole; of all others the first
/// three and the last four characters remain. Whether numbers are masked at
/// all is [`mask_numbers`]'s to say: the default is yes.
pub struct Masked<'a>(pub &'a str);

static SHOW_NUMBERS: AtomicBool = AtomicBool::new(false);

/// Says once, at start, whether [`Masked`] hides anything (setting `log.mask_numbers`).
pub fn mask_numbers(mask: bool) {
    SHOW_NUMBERS.store(!mask, Ordering::Relaxed);
}

impl fmt::Display for Masked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::fmt::Write as _;
        let all = self.0.chars().count();
        let hide = if SHOW_NUMBERS.load(Ordering::Relaxed) || all <= 7 { 0..0 } else { 3..all - 4 };
        for (i, c) in self.0.chars().enumerate() {
            f.write_char(if hide.contains(&i) { '*' } else { c })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_masked() {
        assert_eq!(Masked("13812345678").to_string(), "138****5678");
        assert_eq!(Masked("12345").to_string(), "12345");
        assert_eq!(Masked("64012345").to_string(), "640*2345");
    }

    proptest! {
        #[test]
        fn text_and_back(millis in 0i64..1 << 48, random: u128) {
            let id = CallId::new(millis, random);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(id.millis(), millis);
        }

        #[test]
        fn sorts_by_time(a in 0i64..1 << 47, gap in 1i64..1 << 40, r1: u128, r2: u128) {
            prop_assert!(CallId::new(a, r1).to_string() < CallId::new(a + gap, r2).to_string());
        }

        #[test]
        fn a_version_reads_what_it_writes(bytes: [u8; 32]) {
            let version = VersionId(bytes);
            prop_assert_eq!(VersionId::read(&version.whole()), Some(version));
            prop_assert!(version.whole().starts_with(&version.to_string()));
        }

        #[test]
        fn any_text_is_refused_or_read(text in "\\PC{0,70}") {
            let _: Result<CallId, NotACallId> = text.parse();
            let _ = VersionId::read(&text);
        }
    }
}
