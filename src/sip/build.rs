//! Writing messages. Nothing that comes from outside can break a line: CR and LF in values become spaces.

use std::net::SocketAddr;

use bytes::Bytes;

use super::message::Message;
use super::name::{Method, Name};
use super::session::Agreed;
use super::via::Via;

/// A message under construction; [`Builder::finish`] adds Content-Length and the body.
#[derive(Debug, Clone)]
pub struct Builder {
    out: Vec<u8>,
    /// Where the value of an answer's top Via stands.
    via: std::ops::Range<usize>,
}

impl Builder {
    pub fn request(method: &Method, uri: &str) -> Builder {
        let mut builder = Builder { out: Vec::with_capacity(768), via: 0..0 };
        builder.raw(method.as_str().as_bytes());
        builder.out.push(b' ');
        builder.raw(uri.as_bytes());
        builder.out.extend_from_slice(b" SIP/2.0\r\n");
        builder
    }

    pub fn response(code: u16, reason: &str) -> Builder {
        let mut builder = Builder { out: Vec::with_capacity(768), via: 0..0 };
        builder.out.extend_from_slice(format!("SIP/2.0 {code} ").as_bytes());
        builder.raw(reason.as_bytes());
        builder.out.extend_from_slice(b"\r\n");
        builder
    }

    /// A response to `request` that came from `source`: its Vias (the top one with `received` and `rport`, RFC 3261
    /// 18.2.1 and RFC 3581), From, To (with `tag` where it had none and the code is not 100), Call-ID and CSeq.
    pub fn answer(request: &Message, source: SocketAddr, code: u16, reason: &str, tag: Option<&str>) -> Builder {
        let mut builder = Builder::response(code, reason);
        for (i, via) in request.list(Name::Via).enumerate() {
            builder.out.extend_from_slice(b"Via: ");
            let start = builder.out.len();
            builder.raw(via);
            if i == 0 {
                builder.seen_from(via, source);
                builder.via = start..builder.out.len();
            }
            builder.out.extend_from_slice(b"\r\n");
        }
        for name in [Name::From, Name::To, Name::CallId, Name::CSeq] {
            let Some(value) = request.header(name) else { continue };
            builder.out.extend_from_slice(name.as_str().as_bytes());
            builder.out.extend_from_slice(b": ");
            builder.raw(value);
            if let (Name::To, Some(tag)) = (name, tag)
                && code > 100
                && request.to().is_ok_and(|to| to.tag().is_none())
            {
                builder.out.extend_from_slice(b";tag=");
                builder.raw(tag.as_bytes());
            }
            builder.out.extend_from_slice(b"\r\n");
        }
        builder
    }

    fn seen_from(&mut self, via: &[u8], source: SocketAddr) {
        let Some(read) = Via::parse(via) else { return };
        let (received, rport) = read.seen_from(source);
        // An empty rport gets its value, and a `received` that the peer wrote itself is a lie: both are cut out and
        // written at the end.
        if rport.is_some() || read.params.get("received").is_some() {
            let start = self.out.len() - via.len();
            let kept = without(&self.out.split_off(start), &["rport", "received"]);
            self.out.extend_from_slice(&kept);
        }
        if let Some(port) = rport {
            self.out.extend_from_slice(format!(";rport={port}").as_bytes());
        }
        if let Some(ip) = received {
            self.out.extend_from_slice(format!(";received={ip}").as_bytes());
        }
    }

    /// Puts overload feedback (RFC 7339 section 4.6) into an answer's top Via, instead of what the peer wrote there.
    pub fn feedback(mut self, parameters: Option<&str>) -> Builder {
        let Some(parameters) = parameters else { return self };
        let mut via = without(&self.out[self.via.clone()], &["oc", "oc-algo", "oc-validity", "oc-seq"]);
        via.extend_from_slice(parameters.as_bytes());
        let end = self.via.start + via.len();
        self.out.splice(self.via.clone(), via);
        self.via.end = end;
        self
    }

    /// Copies every header of that name from another message, in order.
    pub fn copy(mut self, from: &Message, name: Name) -> Builder {
        for value in from.headers(name) {
            self.line(name.as_str().as_bytes(), value);
        }
        self
    }

    pub fn header(mut self, name: Name, value: impl AsRef<[u8]>) -> Builder {
        self.line(name.as_str().as_bytes(), value.as_ref());
        self
    }

    /// A header that [`Name`] does not know.
    pub fn other(mut self, name: &str, value: impl AsRef<[u8]>) -> Builder {
        self.line(name.as_bytes(), value.as_ref());
        self
    }

    /// What our 2xx says of the session timer (RFC 4028 section 9): Require only if the other side has to refresh.
    pub fn session(self, agreed: Option<Agreed>) -> Builder {
        let Some(agreed) = agreed else { return self };
        let builder = self.header(Name::SessionExpires, agreed.in_response());
        if agreed.ours { builder } else { builder.header(Name::Require, "timer") }
    }

    fn line(&mut self, name: &[u8], value: &[u8]) {
        self.raw(name);
        self.out.extend_from_slice(b": ");
        self.raw(value);
        self.out.extend_from_slice(b"\r\n");
    }

    fn raw(&mut self, text: &[u8]) {
        self.out.extend(text.iter().map(|b| if b"\r\n".contains(b) { b' ' } else { *b }));
    }

    pub fn finish(self) -> Bytes {
        self.body("", b"")
    }

    /// Ends the message with a body; without one the kind is left out.
    pub fn body(mut self, kind: &str, body: &[u8]) -> Bytes {
        if !body.is_empty() {
            self.line(b"Content-Type", kind.as_bytes());
        }
        self.out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
        self.out.extend_from_slice(body);
        // Answers are kept for half a minute: no longer than they are.
        Bytes::from(self.out.into_boxed_slice())
    }
}

/// A Via without these parameters.
fn without(via: &[u8], names: &[&str]) -> Vec<u8> {
    let parts = super::parse::split(via, b';');
    let kept = parts.filter(|part| {
        let name = part.split(|b| *b == b'=').next().unwrap_or_default().trim_ascii();
        !names.iter().any(|unwanted| name.eq_ignore_ascii_case(unwanted.as_bytes()))
    });
    kept.collect::<Vec<_>>().join(&b';')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::message::Framing;

    #[test]
    fn an_answer_carries_what_it_must() {
        let text = "OPTIONS sip:a@h SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bKa, SIP/2.0/TCP p\r\n\
            From: <sip:b@h>;tag=1\r\nTo: <sip:a@h>\r\ni: c\r\nCSeq: 1 OPTIONS\r\n\r\n";
        let request = Message::parse(text.into(), Framing::Datagram).expect("valid");
        let source = "192.0.2.9:5080".parse().unwrap();
        let bytes = Builder::answer(&request, source, 200, "OK", Some("t")).finish();
        let text = String::from_utf8(bytes.to_vec()).expect("ASCII");
        assert_eq!(
            text,
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKa;rport=5080;received=192.0.2.9\r\n\
             Via: SIP/2.0/TCP p\r\nFrom: <sip:b@h>;tag=1\r\nTo: <sip:a@h>;tag=t\r\nCall-ID: c\r\nCSeq: 1 OPTIONS\r\n\
             Content-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn a_line_break_cannot_be_smuggled_in() {
        let bytes = Builder::request(&Method::Bye, "sip:a@h\r\nX: 1").header(Name::Reason, "a\r\nEvil: 1").finish();
        assert!(!String::from_utf8_lossy(&bytes).contains("\r\nEvil"));
        assert!(!String::from_utf8_lossy(&bytes).contains("\r\nX"));
    }
}
