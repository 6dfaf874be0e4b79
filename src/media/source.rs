//! Whose packets are a leg's: symmetric RTP, locked to a source that SIP signalled.
//!
//! Before the lock only two addresses can be the caller's: the one in the SDP, and (a caller behind NAT) the one that
//! the SIP message came from. The exact SDP address locks with its first packet; the right host with another port must
//! send a short run of consecutive packets. A stranger can neither be heard nor be sent to (RTP bleed, ATTACKS 37).
//!
//! Unasked, before anything came, audio goes only to an SDP address whose host is also the SIP message's source, or
//! which lies in a configured gateway network. A `c=` that names a third party gets nothing until that party itself
//! sends (no reflection, ATTACKS 14).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::config::Network;

/// Consecutive packets that prove a source with the right host and an unsignalled port.
const RUN: u8 = 3;
/// Without packets for this long the source is learnt anew: NAT gave the caller another port.
const LOST: Duration = Duration::from_secs(5);

/// Who may be heard and who is sent to.
#[derive(Debug, Clone)]
pub struct Source {
    signalled: Option<Signalled>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Signalled {
    remote: Option<SocketAddr>,
    sip: IpAddr,
    /// Unasked audio may go to `remote`.
    unasked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// `was`: a lock that fell silent; it is still sent to.
    Learning {
        was: Option<SocketAddr>,
        candidate: Option<Candidate>,
    },
    Locked {
        to: SocketAddr,
        heard: Instant,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    next: u16,
    run: u8,
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Of the locked source.
    Ours,
    /// The first of a newly locked source.
    Locks,
    /// Not heard: a stranger's, or not proven yet.
    Rejected,
}

impl Default for Source {
    fn default() -> Source {
        Source { signalled: None, state: State::Learning { was: None, candidate: None } }
    }
}

impl Source {
    /// Takes what SIP says. The lock stays if the peer's address is the same as before. `local` is our own RTP socket.
    /// Says whether a lock was given up.
    pub fn signal(&mut self, remote: Option<SocketAddr>, sip: IpAddr, gateways: &[Network], local: SocketAddr) -> bool {
        let remote = remote.map(plain).filter(|to| is_usable(*to) && *to != local);
        let sip = sip.to_canonical();
        let unasked =
            remote.is_some_and(|to| to.ip() == sip || gateways.iter().any(|network| network.contains(to.ip())));
        let next = Signalled { remote, sip, unasked };
        let before = self.signalled.replace(next);
        // On hold (no address) the lock stays too: the same party comes back.
        if before == self.signalled || remote.is_none() {
            return false;
        }
        if let State::Locked { to, .. } = self.state
            && Some(to) == remote
        {
            return false;
        }
        let was_locked = matches!(self.state, State::Locked { .. });
        self.state = State::Learning { was: None, candidate: None };
        was_locked
    }

    /// Judges one RTP packet.
    pub fn packet(&mut self, now: Instant, from: SocketAddr, ssrc: u32, sequence: u16) -> Verdict {
        let from = plain(from);
        match &mut self.state {
            State::Locked { to, heard } if *to == from => {
                *heard = now;
                Verdict::Ours
            }
            State::Locked { .. } => Verdict::Rejected,
            State::Learning { candidate, .. } => {
                let Some(signalled) = self.signalled else { return Verdict::Rejected };
                if signalled.remote != Some(from) {
                    if !signalled.is_host(from.ip()) {
                        return Verdict::Rejected;
                    }
                    let run = match candidate {
                        Some(c) if (c.from, c.ssrc, c.next) == (from, ssrc, sequence) => c.run + 1,
                        _ => 1,
                    };
                    *candidate = Some(Candidate { from, ssrc, next: sequence.wrapping_add(1), run });
                    if run < RUN {
                        return Verdict::Rejected;
                    }
                }
                self.state = State::Locked { to: from, heard: now };
                Verdict::Locks
            }
        }
    }

    /// Whether a packet from this address can be the caller's at all.
    pub fn may_be(&self, from: SocketAddr) -> bool {
        let from = plain(from);
        match self.state {
            State::Locked { to, .. } => to == from,
            State::Learning { .. } => self.signalled.is_some_and(|s| s.remote == Some(from) || s.is_host(from.ip())),
        }
    }

    /// Whether RTCP from this address is the caller's: only the host can be checked, its port is anyone's.
    pub fn is_rtcp_ours(&self, from: SocketAddr) -> bool {
        matches!(self.state, State::Locked { to, .. } if to.ip() == plain(from).ip())
    }

    /// Gives up a lock that has been silent for long; says whether it did.
    pub fn tick(&mut self, now: Instant) -> bool {
        match self.state {
            State::Locked { to, heard } if now.saturating_duration_since(heard) >= LOST => {
                self.state = State::Learning { was: Some(to), candidate: None };
                true
            }
            _ => false,
        }
    }

    /// Where audio goes, if anywhere.
    pub fn destination(&self) -> Option<SocketAddr> {
        match self.state {
            State::Locked { to, .. } | State::Learning { was: Some(to), .. } => Some(to),
            State::Learning { was: None, .. } => {
                self.signalled.filter(|signalled| signalled.unasked).and_then(|signalled| signalled.remote)
            }
        }
    }

    /// The locked address.
    pub fn locked(&self) -> Option<SocketAddr> {
        match self.state {
            State::Locked { to, .. } => Some(to),
            State::Learning { .. } => None,
        }
    }
}

impl Signalled {
    fn is_host(&self, ip: IpAddr) -> bool {
        ip == self.sip || self.remote.is_some_and(|remote| remote.ip() == ip)
    }
}

/// IPv4 as IPv4, also where an IPv6 socket shows it mapped.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// One host that can answer: no multicast, broadcast, unspecified address or port 0.
fn is_usable(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    address.port() != 0 && !ip.is_multicast() && !ip.is_unspecified() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    fn signalled(remote: &str, sip: &str) -> Source {
        let mut source = Source::default();
        let sip = sip.parse().expect("an address");
        assert!(!source.signal(Some(at(remote)), sip, &[], at("198.51.100.1:10000")));
        source
    }

    #[test]
    fn the_signalled_address_locks_at_once() {
        let now = Instant::now();
        let mut source = signalled("192.0.2.9:4000", "192.0.2.9");
        assert_eq!(source.destination(), Some(at("192.0.2.9:4000")));
        assert_eq!(source.packet(now, at("192.0.2.9:4000"), 1, 1), Verdict::Locks);
        assert_eq!(source.packet(now, at("192.0.2.9:4000"), 1, 2), Verdict::Ours);
    }

    /// ATTACKS 37: sprayed before and after the lock.
    #[test]
    fn a_stranger_is_neither_heard_nor_sent_to() {
        let now = Instant::now();
        let mut source = signalled("192.0.2.9:4000", "192.0.2.9");
        for n in 0..1000 {
            assert_eq!(source.packet(now, at("203.0.113.66:4000"), 1, n), Verdict::Rejected);
        }
        assert_eq!(source.destination(), Some(at("192.0.2.9:4000")));
        source.packet(now, at("192.0.2.9:4000"), 1, 1);
        for n in 0..1000 {
            assert_eq!(source.packet(now, at("203.0.113.66:4000"), 1, n), Verdict::Rejected);
            assert_eq!(source.packet(now, at("192.0.2.9:4002"), 1, n), Verdict::Rejected);
        }
        assert_eq!(source.destination(), Some(at("192.0.2.9:4000")));
    }

    /// A phone behind NAT names its private address; its packets come from where its SIP came from.
    #[test]
    fn behind_nat_a_run_from_the_sip_source_locks() {
        let now = Instant::now();
        let mut source = signalled("192.168.1.7:4000", "203.0.113.5");
        assert_eq!(source.destination(), None, "the private address is not sent to unasked");
        let from = at("203.0.113.5:61234");
        assert_eq!(source.packet(now, from, 1, 65_535), Verdict::Rejected);
        assert_eq!(source.packet(now, at("203.0.113.5:9"), 2, 7), Verdict::Rejected);
        assert_eq!(source.packet(now, from, 1, 0), Verdict::Rejected, "the run was broken");
        assert_eq!(source.packet(now, from, 1, 1), Verdict::Rejected);
        assert_eq!(source.packet(now, from, 1, 2), Verdict::Locks);
        assert_eq!(source.destination(), Some(from));
    }

    /// ATTACKS 14: multicast, nowhere, ourselves, and a third party.
    #[test]
    fn nothing_is_reflected_unasked() {
        for remote in [
            "224.1.2.3:4000",
            "0.0.0.0:4000",
            "255.255.255.255:4000",
            "192.0.2.9:0",
            "198.51.100.1:10000",
            "[ff02::1]:4000",
            "203.0.113.77:4000",
        ] {
            let named = at(remote).ip().to_string();
            let third = remote == "203.0.113.77:4000";
            let source = signalled(remote, if third { "192.0.2.9" } else { &named });
            assert_eq!(source.destination(), None, "{remote}");
        }
        let mut source = signalled("203.0.113.77:4000", "192.0.2.9");
        assert_eq!(source.packet(Instant::now(), at("203.0.113.77:4000"), 1, 1), Verdict::Locks, "it asked");
        let mut source = Source::default();
        let gateways = [Network::parse("203.0.113.0/24").expect("a network")];
        source.signal(Some(at("203.0.113.77:4000")), at("192.0.2.9:1").ip(), &gateways, at("198.51.100.1:10000"));
        assert_eq!(source.destination(), Some(at("203.0.113.77:4000")), "a configured media gateway");
    }

    #[test]
    fn a_silent_lock_is_learnt_anew_from_the_same_hosts_only() {
        let now = Instant::now();
        let mut source = signalled("192.0.2.9:4000", "192.0.2.9");
        source.packet(now, at("192.0.2.9:4000"), 1, 1);
        assert!(!source.tick(now + LOST / 2));
        assert!(source.tick(now + LOST));
        assert_eq!(source.destination(), Some(at("192.0.2.9:4000")));
        for n in 0..9 {
            assert_eq!(source.packet(now, at("203.0.113.66:1"), 1, n), Verdict::Rejected);
        }
        for n in 0..2 {
            assert_eq!(source.packet(now, at("192.0.2.9:4010"), 1, n), Verdict::Rejected);
        }
        assert_eq!(source.packet(now, at("192.0.2.9:4010"), 1, 2), Verdict::Locks);
    }

    #[test]
    fn a_new_description_moves_the_lock_and_hold_does_not() {
        let now = Instant::now();
        let sip = at("192.0.2.9:1").ip();
        let local = at("198.51.100.1:10000");
        let mut source = signalled("192.0.2.9:4000", "192.0.2.9");
        source.packet(now, at("192.0.2.9:4000"), 1, 1);
        assert!(!source.signal(None, sip, &[], local));
        assert!(!source.signal(Some(at("192.0.2.9:4000")), sip, &[], local));
        assert_eq!(source.locked(), Some(at("192.0.2.9:4000")));
        assert!(source.signal(Some(at("192.0.2.9:5000")), sip, &[], local));
        assert_eq!((source.locked(), source.destination()), (None, Some(at("192.0.2.9:5000"))));
    }

    #[test]
    fn an_ipv6_socket_shows_ipv4_mapped() {
        let mut source = signalled("192.0.2.9:4000", "192.0.2.9");
        assert_eq!(source.packet(Instant::now(), at("[::ffff:192.0.2.9]:4000"), 1, 1), Verdict::Locks);
    }

    proptest! {
        /// Whatever comes in whatever order, only the signalled hosts are ever heard or sent to.
        #[test]
        fn only_signalled_hosts(packets in proptest::collection::vec((0u8..5, 0u16..3, any::<u32>(), 0u16..6, any::<bool>()), 0..200)) {
            let mut now = Instant::now();
            let mut source = signalled("192.0.2.1:4000", "192.0.2.2");
            for (host, port, ssrc, sequence, wait) in packets {
                let from = at(&format!("192.0.2.{host}:{}", 4000 + port));
                let verdict = source.packet(now, from, ssrc % 2, sequence);
                prop_assert!(verdict == Verdict::Rejected || host == 1 || host == 2);
                if let Some(to) = source.destination() {
                    prop_assert!(["192.0.2.1", "192.0.2.2"].contains(&to.ip().to_string().as_str()));
                }
                now += if wait { LOST } else { Duration::from_millis(20) };
                source.tick(now);
            }
        }
    }
}
