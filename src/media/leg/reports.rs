//! RTCP of one leg: our reports about every 5 s, and what the other end reports.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::Rng;

use super::{Activity, Datagram, Output, Stream};
use crate::rtp::rtcp::{self, Report, Sender};

/// The least interval of RFC 3550 section 6.2; with two members the bandwidth rule never asks for more.
const INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct Reports {
    /// A persistent name without the host's or the caller's (RFC 7022 section 4.2).
    cname: [u8; 16],
    due: Instant,
    /// The middle of the last SR's NTP time, and when it came.
    sender_report: Option<(u32, Instant)>,
    remote_lost: Option<i32>,
    round_trip: Option<Duration>,
}

impl Reports {
    pub(super) fn new(name: u64, now: Instant) -> Reports {
        let mut cname = [0; 16];
        for (i, digit) in cname.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(name >> (4 * i)) as usize & 15];
        }
        // RFC 3550 section 6.2: half the interval before the first.
        Reports { cname, due: now + INTERVAL / 2, sender_report: None, remote_lost: None, round_trip: None }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due
    }

    pub(super) fn remote(&self) -> (Option<i32>, Option<Duration>) {
        (self.remote_lost, self.round_trip)
    }
}

impl Stream {
    fn ntp(&self, now: Instant) -> u64 {
        let (then, unix) = self.settings.epoch;
        rtcp::ntp(unix + now.saturating_duration_since(then))
    }

    /// Where RTCP goes: only to a source that has proven itself.
    fn rtcp_to(&self) -> Option<SocketAddr> {
        let locked = self.source.locked()?;
        let connection = self.connection.as_ref()?;
        if connection.rtcp_mux {
            return Some(locked);
        }
        match connection.rtcp {
            Some(rtcp) if rtcp.ip().to_canonical() == locked.ip() && rtcp.port() != 0 => Some(rtcp),
            _ => Some(SocketAddr::new(locked.ip(), locked.port().checked_add(1)?)),
        }
    }

    /// SR (RR where we sent nothing yet) and SDES; `bye`: at the end.
    pub(super) fn report(&mut self, now: Instant, bye: bool) {
        self.reports.due = now + INTERVAL.mul_f64(self.random.random_range(0.5..1.5));
        let Some(to) = self.rtcp_to() else { return };
        let ntp = self.ntp(now);
        let sending = &self.sending;
        let sender = (sending.packets() > 0).then(|| Sender {
            ntp,
            timestamp: sending.timestamp(),
            packets: sending.packets() as u32, // wraps, as in the RFC
            octets: sending.octets() as u32,
        });
        let (last_report, since) = match self.reports.sender_report {
            Some((middle, at)) => (middle, rtcp::short(now.saturating_duration_since(at))),
            None => (0, 0),
        };
        let block = self.reception.as_mut().map(|reception| reception.block(last_report, since));
        let (ssrc, cname) = (sending.ssrc(), self.reports.cname);
        let sending = &mut self.sending;
        let written = Datagram::write(|bytes| {
            let length = rtcp::write(bytes, ssrc, sender, block, &cname, bye)?;
            sending.seal_report(bytes, length)
        });
        if let Some(packet) = written {
            self.out.push_back(Output::Rtcp { to, packet });
        }
    }

    /// One datagram of the RTCP socket.
    pub fn receive_rtcp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if self.opener.is_some() {
            return self.open_rtcp(now, from, datagram);
        }
        self.take_rtcp(now, from, datagram);
    }

    /// One in the clear.
    pub(super) fn take_rtcp(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) {
        if self.activity == Activity::Closed {
            return;
        }
        if !self.source.is_rtcp_ours(from) {
            self.stats.rejected += 1;
            return;
        }
        let arrival = rtcp::middle(self.ntp(now));
        for part in rtcp::read(datagram, self.sending.ssrc()) {
            let Ok(part) = part else {
                self.stats.unreadable += 1;
                return;
            };
            if let Report::Report { sender, block, .. } = part {
                self.activity = Activity::Alive(now);
                if let Some(sender) = sender {
                    self.reports.sender_report = Some((rtcp::middle(sender.ntp), now));
                }
                if let Some(block) = block {
                    self.reports.remote_lost = Some(block.lost);
                    self.reports.round_trip = rtcp::round_trip(&block, arrival).or(self.reports.round_trip);
                }
            }
        }
    }
}
