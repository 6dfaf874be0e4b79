//! The SDP in a multipart body (RFC 2046 section 5.1), bounded: [`MAX_PARTS`] parts, [`MAX_DEPTH`] levels.

use bytes::Bytes;

use super::message::head_length;
use super::name::Name;
use super::parse::{Params, trim};

pub const MAX_PARTS: usize = 16;
pub const MAX_DEPTH: usize = 3;

/// The first part that is `application/sdp`. `kind` is the body's own type, `boundary` its parameter.
pub fn sdp_part(body: &Bytes, kind: &[u8], boundary: &[u8]) -> Option<Bytes> {
    part(body, kind, boundary, MAX_DEPTH)
}

fn part(body: &Bytes, kind: &[u8], boundary: &[u8], depth: usize) -> Option<Bytes> {
    let multipart = kind.get(..10).is_some_and(|k| k.eq_ignore_ascii_case(b"multipart/"));
    if !multipart || boundary.is_empty() || boundary.len() > 70 || depth == 0 {
        return None;
    }
    let delimiter = [b"--", boundary].concat();
    let mut parts = 0;
    let mut start: Option<usize> = None;
    let mut at = 0;
    while let Some(found) = find(&body[at..], &delimiter) {
        let line = at + found;
        // A delimiter stands at the start of a line.
        if line > 0 && body[line - 1] != b'\n' {
            at = line + 1;
            continue;
        }
        if let Some(start) = start {
            let end = body[..line].strip_suffix(b"\r\n").or(body[..line].strip_suffix(b"\n")).map_or(line, <[u8]>::len);
            if let Some(sdp) = (start <= end).then(|| one(&body.slice(start..end), depth)).flatten() {
                return Some(sdp);
            }
            parts += 1;
        }
        let after = line + delimiter.len();
        if body[after..].starts_with(b"--") || parts == MAX_PARTS {
            return None;
        }
        let next = body[after..].iter().position(|b| *b == b'\n')? + after + 1;
        start = Some(next);
        at = next;
    }
    None
}

fn one(part: &Bytes, depth: usize) -> Option<Bytes> {
    // A part may begin with the empty line: no headers, text/plain.
    let head = head_length(part)?;
    let mut kind = None;
    for line in part[..head].split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        if Name::read(trim(&line[..colon])) == Name::ContentType {
            kind = Some(trim(&line[colon + 1..]));
        }
    }
    let kind = kind?;
    let end = kind.iter().position(|b| *b == b';').unwrap_or(kind.len());
    let (kind, params) = (trim(&kind[..end]), Params(&kind[end..]));
    if kind.eq_ignore_ascii_case(b"application/sdp") {
        return Some(part.slice(head..));
    }
    self::part(&part.slice(head..), kind, params.get("boundary")?, depth - 1)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|w| w == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sdp(body: &str) -> Option<Bytes> {
        sdp_part(&Bytes::copy_from_slice(body.as_bytes()), b"multipart/mixed", b"b")
    }

    #[test]
    fn the_sdp_is_found_among_other_parts() {
        let body = "preamble\r\n--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nc: application/SDP\r\n\r\nv=0\r\n\r\n--b--\r\n";
        assert_eq!(sdp(body).as_deref(), Some(&b"v=0\r\n"[..]));
        let nested = "--b\r\nContent-Type: multipart/x; boundary=\"i\"\r\n\r\n--i\r\nc: application/sdp\r\n\r\nv=0\r\n--i--\r\n--b--";
        assert_eq!(sdp(nested).as_deref(), Some(&b"v=0"[..]));
    }

    #[test]
    fn none_no_end_too_many() {
        assert_eq!(sdp(""), None);
        assert_eq!(sdp("--b--"), None);
        assert_eq!(sdp("--b\r\nc: application/sdp\r\n\r\nv=0"), None, "no end: the part may be cut");
        let many = "--b\r\nc: text/plain\r\n\r\nx\r\n".repeat(1000) + "--b\r\nc: application/sdp\r\n\r\nv=0\r\n--b--";
        assert_eq!(sdp(&many), None);
    }

    proptest! {
        #[test]
        fn any_text(body in "[-bic:;=/ \r\napplication]{0,120}") {
            sdp(&body);
        }
    }
}
