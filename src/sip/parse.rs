//! The small words of the grammar (RFC 3261 section 25.1), on bytes.

/// Without blanks and tabs at either end.
pub fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// Which bytes a `token` is made of.
const TOKEN: [bool; 256] = {
    let (mut table, mut i) = ([false; 256], 0);
    let others = b"-.!%*_+`'~";
    while i < 256 {
        table[i] = (i as u8).is_ascii_alphanumeric();
        i += 1;
    }
    i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
};

/// One `token`: at least one character, none of the separators.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| TOKEN[usize::from(*b)])
}

/// A decimal number of at most `most`; no sign, no blank.
pub fn decimal(text: &[u8], most: u64) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    let mut value = 0u64;
    for byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    (value <= most).then_some(value)
}

/// Splits at `separator`, but not inside quotes or angle brackets. Every part is trimmed.
#[derive(Debug, Clone)]
pub struct Split<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

pub fn split(text: &[u8], separator: u8) -> Split<'_> {
    Split { rest: Some(text), separator }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        // Most values are alone on their line.
        if memchr::memchr(self.separator, rest).is_none() {
            return Some(trim(rest));
        }
        let (mut quoted, mut angle, mut i) = (false, false, 0);
        while i < rest.len() {
            match rest[i] {
                b'\\' if quoted => i += 1,
                b'"' => quoted = !quoted,
                b'<' if !quoted => angle = true,
                b'>' if !quoted => angle = false,
                b if b == self.separator && !quoted && !angle => {
                    self.rest = Some(&rest[i + 1..]);
                    return Some(trim(&rest[..i]));
                }
                _ => {}
            }
            i += 1;
        }
        Some(trim(rest))
    }
}

/// `;name=value;flag`, as it stands behind a URI, an address or a Via.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params<'a>(pub &'a [u8]);

impl<'a> Params<'a> {
    /// Names and values in order; a flag's value is empty. Quotes around a value are removed.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        split(self.0, b';').filter(|part| !part.is_empty()).map(|part| match part.iter().position(|b| *b == b'=') {
            Some(at) => {
                let value = trim(&part[at + 1..]);
                let inner = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\""));
                (trim(&part[..at]), inner.unwrap_or(value))
            }
            None => (part, &b""[..]),
        })
    }

    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Whether the text is parameters and nothing else: every part a token, with `=` and a non-empty value or without.
    pub fn are_good(self) -> bool {
        let Some(first) = trim(self.0).first() else { return true };
        if *first != b';' {
            return false;
        }
        let mut parts = split(trim(self.0), b';');
        parts.next(); // before the first semicolon
        parts.all(|part| match part.iter().position(|b| *b == b'=') {
            Some(at) => is_token(trim(&part[..at])) && !trim(&part[at + 1..]).is_empty(),
            None => is_token(part),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_split() {
        let parts: Vec<_> = split(b"\"a,\\\",b\" <sip:x,y@h>;q=1 , <sip:z>", b',').collect();
        assert_eq!(parts, [&b"\"a,\\\",b\" <sip:x,y@h>;q=1"[..], b"<sip:z>"]);
    }

    #[test]
    fn numbers_have_limits() {
        assert_eq!(decimal(b"2147483648", u64::from(u32::MAX >> 1)), None);
        assert_eq!(decimal(b"0007", 10), Some(7));
        for bad in [&b""[..], b"-1", b"1 ", b"36893488147419103232", b"1e3"] {
            assert_eq!(decimal(bad, u64::MAX), None);
        }
    }

    #[test]
    fn parameters() {
        let params = Params(b";tag=a;lr; x = \"q;r\"");
        assert_eq!(params.get("LR"), Some(&b""[..]));
        assert_eq!(params.get("x"), Some(&b"q;r"[..]));
        assert!(params.are_good());
        assert!(!Params(b";;x").are_good() && !Params(b"x").are_good() && !Params(b";a=").are_good());
    }
}
