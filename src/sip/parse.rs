//! The small words of the grammar (RFC 3261 section 25.1), on bytes.

/// Without blanks and tabs at either end.
#[inline]
pub fn trim(text: &[u8]) -> &[u8] {
    match text {
        // Most texts have none.
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => text.trim_ascii(),
    }
}

/// Of what a byte may be a part.
const TOKEN: u8 = 1;
const HOST: u8 = 2;
/// What a parameter's value may be made of beside tokens, where nothing in it needs care.
const VALUE: u8 = 4;
/// What a URI's user part is made of nearly always: no password, no escapes, no parameters.
const USER: u8 = 8;
/// What a URI's parameters are made of nearly always.
const PARAM: u8 = 16;

const CLASS: [u8; 256] = {
    let (mut table, mut i) = ([0; 256], 0);
    while i < 256 {
        if (i as u8).is_ascii_alphanumeric() {
            table[i] = TOKEN | HOST | VALUE | USER | PARAM;
        }
        i += 1;
    }
    let (tokens, hosts, values, users) = (b"-.!%*_+`'~", b"-._", b"[]/:&$@", b"-_.!~*'()+");
    let params = b"-.!%*_+`'~;=[]/:&$()";
    i = 0;
    while i < tokens.len() {
        table[tokens[i] as usize] |= TOKEN | VALUE;
        i += 1;
    }
    i = 0;
    while i < hosts.len() {
        table[hosts[i] as usize] |= HOST;
        i += 1;
    }
    i = 0;
    while i < values.len() {
        table[values[i] as usize] |= VALUE;
        i += 1;
    }
    i = 0;
    while i < users.len() {
        table[users[i] as usize] |= USER;
        i += 1;
    }
    i = 0;
    while i < params.len() {
        table[params[i] as usize] |= PARAM;
        i += 1;
    }
    table
};

/// How many bytes at the start are all of this class.
#[inline]
fn run(text: &[u8], class: u8) -> usize {
    text.iter().position(|b| CLASS[usize::from(*b)] & class == 0).unwrap_or(text.len())
}

/// The first `byte`, where it is near: eight bytes at a time. (Far ones are [`memchr`]'s.)
#[inline]
pub fn first_of(text: &[u8], byte: u8) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let mut at = 0;
    while let Some(word) = text[at..].first_chunk() {
        let differs = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        // The highest bit of each byte that is the same; above the first such byte it may be wrong.
        let same = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
        if same != 0 {
            return Some(at + same.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    text[at..].iter().position(|b| *b == byte).map(|i| at + i)
}

/// One `token`: at least one character, none of the separators.
#[inline]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && token_length(text) == text.len()
}

/// Length of the token at the start, 0 if there is none.
#[inline]
pub fn token_length(text: &[u8]) -> usize {
    run(text, TOKEN)
}

/// Length of the host name or IPv4 address at the start.
#[inline]
pub fn host_length(text: &[u8]) -> usize {
    run(text, HOST)
}

/// Length of the plain user part at the start.
#[inline]
pub fn user_length(text: &[u8]) -> usize {
    run(text, USER)
}

/// Length of a URI's plain parameters at the start.
#[inline]
pub fn params_length(text: &[u8]) -> usize {
    run(text, PARAM)
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

#[inline]
pub fn split(text: &[u8], separator: u8) -> Split<'_> {
    Split { rest: Some(text), separator }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    #[inline]
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

    /// A parameter's value (empty for a flag), by its name in any case.
    #[inline]
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        let mut rest = self;
        while let Some((written, value, after)) = rest.plain() {
            if written.eq_ignore_ascii_case(name.as_bytes()) {
                return Some(value);
            }
            rest = after;
        }
        if rest.0.is_empty() {
            return None;
        }
        self.iter().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// Whether the text is parameters and nothing else: every part a token, with `=` and a non-empty value or without.
    #[inline]
    pub fn are_good(self) -> bool {
        let mut rest = self;
        while let Some((_, _, after)) = rest.plain() {
            rest = after;
        }
        if rest.0.is_empty() {
            return true;
        }
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

    /// The first parameter, as nearly every peer writes it: without blanks and quotes; and those behind it. `None`: there is
    /// none, or look more closely.
    #[inline]
    fn plain(self) -> Option<(&'a [u8], &'a [u8], Params<'a>)> {
        let [b';', rest @ ..] = self.0 else { return None };
        let (name, rest) = rest.split_at(token_length(rest));
        let (value, rest) = match rest {
            [b'=', rest @ ..] => {
                let (value, rest) = rest.split_at(run(rest, VALUE));
                if value.is_empty() {
                    return None;
                }
                (value, rest)
            }
            rest => (&b""[..], rest),
        };
        (matches!(rest, [] | [b';', ..]) && !name.is_empty()).then_some((name, value, Params(rest)))
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
        assert!(Params(b";rport;received=[2001:db8::1];branch=z9hG4bK-1.a").are_good() && Params(b"").are_good());
        assert!(Params(b";a=b c").plain().is_none(), "what needs care is not plain");
        assert!(!Params(b";;x").are_good() && !Params(b"x").are_good() && !Params(b";a=").are_good());
    }
}
