//! Via (RFC 3261 section 20.42) with `received` and `rport` (RFC 3581).

use std::net::{IpAddr, SocketAddr};

use super::parse::{Params, is_token, token_length, trim};
use super::uri::{host_and_port, plain_host};

/// RFC 3261 section 8.1.1.7: a branch that begins so is unique; another one comes from an RFC 2543 peer.
pub const COOKIE: &[u8] = b"z9hG4bK";

/// One Via.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Via<'a> {
    /// `UDP`, `TCP`, …
    pub transport: &'a [u8],
    pub host: &'a [u8],
    pub port: Option<u16>,
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// `None` for what is not `SIP/2.0/transport host[:port] *(;params)`.
    pub fn parse(text: &'a [u8]) -> Option<Via<'a>> {
        let text = trim(text);
        if let Some(via) = Via::plain(text) {
            return Some(via);
        }
        let mut rest = text;
        let mut parts = [&b""[..]; 3];
        for (i, part) in parts.iter_mut().enumerate() {
            let end = rest.iter().position(|b| if i < 2 { *b == b'/' } else { b" \t".contains(b) })?;
            *part = trim(&rest[..end]);
            rest = trim(&rest[end + 1..]);
        }
        let [name, version, transport] = parts;
        if !name.eq_ignore_ascii_case(b"SIP") || version != b"2.0" || !is_token(transport) {
            return None;
        }
        let end = rest.iter().position(|b| *b == b';').unwrap_or(rest.len());
        let (host, port) = host_and_port(&rest[..end])?;
        let params = Params(&rest[end..]);
        params.are_good().then_some(Via { transport, host, port, params })
    }

    /// One as nearly every peer writes it: no blank but the one behind the transport.
    fn plain(text: &'a [u8]) -> Option<Via<'a>> {
        let rest = text.strip_prefix(b"SIP/2.0/")?;
        let (transport, rest) = rest.split_at(token_length(rest));
        let rest = rest.strip_prefix(b" ").filter(|_| !transport.is_empty())?;
        let (host, port, params) = plain_host(rest)?;
        // What is neither nothing nor a parameter is no good one either.
        let params = Params(params);
        params.are_good().then_some(Via { transport, host, port, params })
    }

    pub fn branch(&self) -> Option<&'a [u8]> {
        self.params.get("branch")
    }

    /// Where a response goes over UDP (RFC 3261 18.2.2, RFC 3581 4): always to where the request came from; the port is
    /// the source's when `rport` is there, else sent-by's. `maddr` is not followed: answers never leave for an address
    /// that a request merely names (ATTACKS 33).
    pub fn response_to(&self, source: SocketAddr) -> SocketAddr {
        if self.params.get("rport").is_some() {
            return source;
        }
        SocketAddr::new(source.ip(), self.port.unwrap_or(5060))
    }

    /// What the server adds to the top Via: `received` where sent-by is not the source, the value of an empty `rport`.
    pub fn seen_from(&self, source: SocketAddr) -> (Option<IpAddr>, Option<u16>) {
        let host: Option<IpAddr> = std::str::from_utf8(self.host).ok().and_then(|h| h.parse().ok());
        let rport = self.params.get("rport").is_some().then_some(source.port());
        // RFC 3581 section 4: with rport, received is always added.
        let received = (rport.is_some() || host != Some(source.ip())).then_some(source.ip());
        (received, rport)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_and_ipv6() {
        let via = Via::parse(b"SIP / 2.0 / UDP\t[2001:db8::9:1]:5062 ; branch=z9hG4bK1;rport").expect("valid");
        assert_eq!((via.host, via.port), (&b"2001:db8::9:1"[..], Some(5062)));
        assert_eq!(via.branch(), Some(&b"z9hG4bK1"[..]));
    }

    #[test]
    fn answers_go_to_the_source() {
        let source: SocketAddr = "192.0.2.7:7777".parse().unwrap();
        let with = Via::parse(b"SIP/2.0/UDP 10.0.0.1:5080;rport;branch=z9hG4bKa;maddr=203.0.113.9").expect("valid");
        assert_eq!(with.response_to(source), source);
        assert_eq!(with.seen_from(source), (Some(source.ip()), Some(7777)));
        let without = Via::parse(b"SIP/2.0/UDP 192.0.2.7:5080;branch=z9hG4bKa").expect("valid");
        assert_eq!(without.response_to(source), "192.0.2.7:5080".parse().unwrap());
        assert_eq!(without.seen_from(source), (None, None));
    }

    #[test]
    fn broken_ones() {
        for bad in [
            &b"SIP/2.0/UDP 192.0.2.15;;,;,,"[..],
            b"SIP/2.0/UDP",
            b"SIP/3.0/UDP h",
            b"SIP/2.0/U P h",
            b"SIP/2.0/UDP [::1",
            b"",
        ] {
            assert_eq!(Via::parse(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }

    proptest! {
        #[test]
        fn any_bytes(raw in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(via) = Via::parse(&raw) {
                via.branch();
            }
        }
    }
}
