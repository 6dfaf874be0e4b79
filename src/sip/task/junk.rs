//! What is refused or dropped, and why: counted by reason and trunk, explained in one line per kind, trunk and minute,
//! however much comes. The line says what an operator would change.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::sip::trunk::Trunks;

const QUIET: Duration = Duration::from_secs(60);
/// Kinds are words of the code and trunks are files, so their number is bounded anyway; a reload may rename them for
/// ever, so the memory of them is too.
const KINDS: usize = 1024;
/// The trunk of a source that no trunk lists.
pub const NOBODY: &str = "-";

/// Counts refusals and says when a line is due.
#[derive(Debug, Default)]
pub struct Refusals {
    said: HashMap<(&'static str, Arc<str>), (Instant, u64)>,
}

impl Refusals {
    /// Counts one refusal. `Some`: a line is due, for this one and so many before it that went unsaid.
    pub fn count(&mut self, now: Instant, reason: &'static str, trunk: &Arc<str>) -> Option<u64> {
        metrics::counter!("jiesu_refused_total", "reason" => reason, "trunk" => trunk.to_string()).increment(1);
        self.due(now, reason, trunk)
    }

    fn due(&mut self, now: Instant, reason: &'static str, trunk: &Arc<str>) -> Option<u64> {
        if self.said.len() >= KINDS {
            self.said.retain(|_, (said, _)| now.duration_since(*said) < QUIET);
        }
        let is_full = self.said.len() >= KINDS;
        match self.said.get_mut(&(reason, trunk.clone())) {
            Some((said, unsaid)) if now.duration_since(*said) < QUIET => {
                *unsaid += 1;
                None
            }
            Some(entry) => {
                let unsaid = entry.1;
                *entry = (now, 0);
                Some(unsaid)
            }
            None if is_full => None,
            None => {
                self.said.insert((reason, trunk.clone()), (now, 0));
                Some(0)
            }
        }
    }
}

/// Complaints about what comes over the network.
#[derive(Debug)]
pub struct Junk {
    refusals: Refusals,
    trunks: watch::Receiver<Trunks>,
    nobody: Arc<str>,
}

impl Junk {
    pub fn new(trunks: watch::Receiver<Trunks>) -> Junk {
        Junk { refusals: Refusals::default(), trunks, nobody: NOBODY.into() }
    }

    /// Counts one message that came to nothing, and writes a line if one is due.
    pub fn note(&mut self, now: Instant, reason: &'static str, peer: SocketAddr) {
        let trunk = self.trunks.borrow().of(peer.ip()).cloned().unwrap_or_else(|| self.nobody.clone());
        if let Some(unsaid) = self.refusals.count(now, reason, &trunk) {
            tracing::warn!(
                reason,
                %trunk,
                %peer,
                unsaid,
                remedy = remedy(reason),
                "SIP refused; more of this kind is only counted for a minute"
            );
        }
    }
}

/// What an operator would change.
fn remedy(reason: &str) -> &'static str {
    match reason {
        "unlisted" => "no file under trunks/ lists this address: if it is a carrier of yours, add it there and reload",
        "source_rate" => "more messages a second than sip.source_rate from one address: raise it, or ask the peer why",
        "unlisted_rate" => {
            "more requests a second than sip.unlisted_rate from one unlisted address: they stay unanswered"
        }
        "unreadable" => "this is not SIP: look at what this peer sends, or block its address in the firewall",
        "bad_request" | "bad_response" => "this peer's message breaks RFC 3261: `jiesu trace` shows it and the answer",
        "stray_response" => "an answer to nothing that was asked: the peer repeats itself, or somebody guesses",
        "transactions_full" => "raise sip.max_transactions in jiesu.toml, or add a node",
        "dialogs_full" => "raise sip.max_dialogs in jiesu.toml, or add a node",
        "draining" => "the daemon is stopping; calls go to the other node",
        "switchboard_full" => "calls come faster than they are begun: the machine is overloaded, add cores or a node",
        "tcp_full" => "raise sip.tcp_connections in jiesu.toml",
        "tcp_full_for_address" => {
            "raise sip.tcp_connections_per_address in jiesu.toml, or ask the peer to share connections"
        }
        "tcp_silent" | "tcp_half_message" => {
            "a connection without a whole message: sip.tcp_idle and sip.tcp_message say how long"
        }
        "not_secured" => {
            "this trunk's file says tls.required: the carrier must send over TLS, with the certificate that it agreed on"
        }
        "tls_busy" => {
            "more handshakes at once than sip.tls.handshakes: raise it, or ask the peer to keep connections open"
        }
        "tls_slow" => "its TLS handshake stayed half: sip.tcp_message says how long it may take",
        "tls_plain" => "it sends plain text to the TLS port: tell the carrier which of our ports is which",
        "tls_broken_off" => {
            "the peer left in the middle of the handshake: as a rule it does not believe our certificate"
        }
        "tls_alert" => "the peer refused our handshake: does it know who signs our certificate?",
        "tls_incompatible" => "the peer has neither TLS 1.2 nor 1.3, or no cipher that is good today",
        "tls_bad_handshake" => "what it sends breaks TLS (RFC 8446): look at what this peer is",
        "tls_no_certificate" => {
            "this peer must show a certificate (client_ca, or the trunk's tls.required) and has none"
        }
        "tls_expired" => "the peer's certificate has expired or is not yet valid: the carrier must renew it",
        "tls_unknown_issuer" => "the peer's certificate is signed by nobody in `ca`: ask the carrier for its authority",
        "tls_wrong_name" => "the peer's certificate is for another name: compare it with tls.names of the trunk",
        "tls_bad_certificate" => "the peer's certificate cannot be used: `openssl s_client -connect` shows it",
        "tls_unready" => "sip.tls has no certificate that can be shown: mend it and reload",
        "tls_unknown" => "no trunk with [tls] lists this address, so nobody says whose certificates are believed",
        "tcp_unframed" => "this connection's bytes are not SIP with Content-Length (RFC 3261 18.3)",
        _ => "the reason says what happened; nothing has to be changed here",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_kind_trunk_and_minute() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let after = |s| start + Duration::from_secs(s);
        let lines = (0..180).filter(|s| refusals.due(after(*s), "x", &a).is_some()).count();
        assert_eq!(lines, 3);
        assert_eq!(refusals.due(start, "y", &a), Some(0));
        assert_eq!(refusals.due(start, "x", &b), Some(0), "each trunk has its own line");
        assert_eq!(refusals.due(after(180), "x", &a), Some(59));
    }

    #[test]
    fn names_without_end_are_not_remembered() {
        let mut refusals = Refusals::default();
        let start = Instant::now();
        for i in 0..10_000u32 {
            refusals.due(start, "x", &i.to_string().into());
        }
        assert!(refusals.said.len() <= KINDS);
        assert_eq!(refusals.due(start + QUIET, "x", &"late".into()), Some(0), "old ones make room");
    }
}
