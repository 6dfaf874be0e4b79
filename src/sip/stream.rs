//! Messages out of a byte stream (RFC 3261 section 18.3): TCP, and TLS over it.
//!
//! A stream is framed by Content-Length alone. What cannot be framed (no length, a bad one, a head without end, more
//! than the limits) closes the connection, and only that.

use bytes::{Bytes, BytesMut};

use super::message::{MAX_BYTES, MAX_LINE, head_length, unfold};
use super::name::Name;
use super::parse::{decimal, trim};

/// The longest head: more lines than [`super::message::MAX_HEADERS`] ordinary ones.
const MAX_HEAD: usize = 4 * MAX_LINE;

/// What came out of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// One whole message.
    Message(Bytes),
    /// CRLF CRLF: to be answered with CRLF (RFC 5626 section 3.5.1).
    Ping,
}

/// The stream has to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unframed {
    #[error("a message head longer than {MAX_HEAD} bytes")]
    HeadTooLong,
    #[error("a message without Content-Length, which a stream needs")]
    NoLength,
    #[error("a bad Content-Length")]
    BadLength,
}

/// Bytes of one connection that are not yet messages.
#[derive(Debug, Default)]
pub struct Framer {
    bytes: BytesMut,
    /// So many bytes were searched for the end of a head without finding it.
    searched: usize,
    /// The length of the message whose head is there.
    length: Option<usize>,
}

impl Framer {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether part of a message is waiting for the rest.
    pub fn is_inside(&self) -> bool {
        !b"\r\n\r\n".starts_with(&self.bytes[..]) // half a ping is no message
    }

    /// The next piece, if it is whole.
    ///
    /// # Errors
    /// See [`Unframed`]; after one the connection is of no more use.
    pub fn poll(&mut self) -> Result<Option<Piece>, Unframed> {
        loop {
            if self.bytes.starts_with(b"\r\n\r\n") {
                bytes::Buf::advance(&mut self.bytes, 4);
                return Ok(Some(Piece::Ping));
            }
            // A pong, or the tail of somebody's message; a lone CR or CRLF may yet become a ping.
            if self.bytes.starts_with(b"\r\n")
                && self.bytes.len() > 2
                && !b"\r\n\r\n".starts_with(&self.bytes[..self.bytes.len().min(4)])
            {
                bytes::Buf::advance(&mut self.bytes, 2);
                continue;
            }
            break;
        }
        if b"\r\n\r\n".starts_with(&self.bytes[..]) {
            return Ok(None);
        }
        let length = match self.length {
            Some(length) => length,
            None => match self.measure()? {
                Some(length) => *self.length.insert(length),
                None => return Ok(None),
            },
        };
        if self.bytes.len() < length {
            return Ok(None);
        }
        (self.searched, self.length) = (0, None);
        Ok(Some(Piece::Message(self.bytes.split_to(length).freeze())))
    }

    /// The length of the message that begins here, once its head is whole.
    fn measure(&mut self) -> Result<Option<usize>, Unframed> {
        // Two bytes back: the line break that the end begins with may have been searched already.
        let from = self.searched.saturating_sub(2);
        let Some(head) = head_length(&self.bytes[from..]).map(|length| from + length) else {
            self.searched = self.bytes.len();
            return if self.bytes.len() > MAX_HEAD { Err(Unframed::HeadTooLong) } else { Ok(None) };
        };
        if head > MAX_HEAD {
            return Err(Unframed::HeadTooLong);
        }
        let length = head + content_length(&unfold(&self.bytes[..head]))?;
        if length > MAX_BYTES { Err(Unframed::BadLength) } else { Ok(Some(length)) }
    }
}

fn content_length(head: &[u8]) -> Result<usize, Unframed> {
    let mut found = None;
    for line in head.split(|b| *b == b'\n') {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        if Name::read(line[..colon].trim_ascii_end()) != Name::ContentLength {
            continue;
        }
        let length = decimal(trim(&line[colon + 1..]), MAX_BYTES as u64).ok_or(Unframed::BadLength)? as usize;
        if found.is_some_and(|other| other != length) {
            return Err(Unframed::BadLength);
        }
        found = Some(length);
    }
    found.ok_or(Unframed::NoLength)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_cut_wherever_the_network_cut_them() {
        let one = "OPTIONS sip:a@h SIP/2.0\r\nl: 3\r\n\r\nabc";
        let all = format!("\r\n\r\n{one}\r\n{one}\r\n\r\n");
        for cut in 0..all.len() {
            let mut framer = Framer::default();
            let mut pieces = Vec::new();
            for part in [&all[..cut], &all[cut..]] {
                framer.push(part.as_bytes());
                while let Some(piece) = framer.poll().expect("it can be framed") {
                    pieces.push(piece);
                }
            }
            let message = Piece::Message(Bytes::from_static(one.as_bytes()));
            assert_eq!(pieces, [Piece::Ping, message.clone(), message, Piece::Ping], "cut at {cut}");
        }
    }

    #[test]
    fn what_cannot_be_framed_closes() {
        for (text, why) in [
            ("OPTIONS sip:a SIP/2.0\r\n\r\n", Unframed::NoLength),
            ("OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n", Unframed::BadLength),
            ("OPTIONS sip:a SIP/2.0\r\nl: 4294967296\r\n\r\n", Unframed::BadLength),
            ("OPTIONS sip:a SIP/2.0\r\nl: 1\r\nContent-Length: 2\r\n\r\n", Unframed::BadLength),
        ] {
            let mut framer = Framer::default();
            framer.push(text.as_bytes());
            assert_eq!(framer.poll(), Err(why), "{text}");
        }
        let mut framer = Framer::default();
        framer.push(&vec![b'x'; MAX_HEAD + 1]);
        assert_eq!(framer.poll(), Err(Unframed::HeadTooLong));
    }

    #[test]
    fn a_folded_line_is_no_length_and_a_folded_length_is_one() {
        let text = "OPTIONS sip:a SIP/2.0\r\nSubject: x\r\n l: 9\r\nContent-Length :\r\n 1\r\n\r\nbOPTIONS";
        let mut framer = Framer::default();
        framer.push(text.as_bytes());
        let Ok(Some(Piece::Message(message))) = framer.poll() else { panic!("one message") };
        assert!(message.ends_with(b"\r\n\r\nb"));
    }

    proptest! {
        #[test]
        fn any_bytes_end(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut framer = Framer::default();
            framer.push(&raw);
            while let Ok(Some(_)) = framer.poll() {}
        }
    }
}
