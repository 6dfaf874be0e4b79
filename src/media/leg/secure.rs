//! A leg's SRTP: what comes is opened before anybody looks at it, what goes is sealed last.

use std::net::SocketAddr;
use std::time::Instant;

use super::{Activity, Stream};
use crate::rtp::packet;
use crate::rtp::srtp::{self, Opener, Sealer};
use crate::sdp::crypto::{Keys, Suite};

/// Octets of the longest datagram that is opened; Ethernet carries none that is longer.
const LONGEST: usize = 1_500;

fn suite(suite: Suite) -> srtp::Suite {
    match suite {
        Suite::Tag80 => srtp::Suite::Tag80,
        Suite::Tag32 => srtp::Suite::Tag32,
    }
}

/// For a peer's packets: where its key is the one it had, the count of its packets goes on.
pub(super) fn opener(before: Option<(Box<Opener>, Keys)>, keys: Keys) -> Box<Opener> {
    match before {
        Some((opener, before)) if (before.suite, before.theirs) == (keys.suite, keys.theirs) => opener,
        _ => Box::new(Opener::new(suite(keys.suite), &keys.theirs.0)),
    }
}

/// For our packets, likewise.
pub(super) fn sealer(before: Option<(Box<Sealer>, Keys)>, keys: Keys) -> Box<Sealer> {
    match before {
        Some((sealer, before)) if (before.suite, before.ours) == (keys.suite, keys.ours) => sealer,
        _ => Box::new(Sealer::new(suite(keys.suite), &keys.ours.0)),
    }
}

impl Stream {
    /// A datagram of the RTP socket of a secured leg.
    pub(super) fn open(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        let muxed = self.connection.as_ref().is_some_and(|connection| connection.rtcp_mux);
        if muxed && packet::is_rtcp(datagram) {
            return self.open_rtcp(now, from, datagram);
        }
        // Strangers cost no cryptography.
        if self.activity == Activity::Closed || !self.source.may_be(from) {
            self.stats.rejected += 1;
            return;
        }
        let mut opened = [0; LONGEST];
        if let Some(length) = self.opened(datagram, &mut opened, Opener::rtp) {
            self.take_rtp(now, from, &opened[..length]);
        }
    }

    /// One of its RTCP.
    pub(super) fn open_rtcp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if self.activity == Activity::Closed || !self.source.is_rtcp_ours(from) {
            self.stats.rejected += 1;
            return;
        }
        let mut opened = [0; LONGEST];
        if let Some(length) = self.opened(datagram, &mut opened, Opener::rtcp) {
            self.take_rtcp(now, from, &opened[..length]);
        }
    }

    fn opened(
        &mut self,
        datagram: &[u8],
        into: &mut [u8; LONGEST],
        open: impl FnOnce(&mut Opener, &mut [u8]) -> Result<usize, srtp::Closed>,
    ) -> Option<usize> {
        let opened = into.get_mut(..datagram.len()).zip(self.opener.as_mut()).and_then(|(copy, opener)| {
            copy.copy_from_slice(datagram);
            open(opener, copy).ok()
        });
        self.stats.forged += u64::from(opened.is_none());
        opened
    }
}
