//! Ports for RTP and RTCP: an even one and the next, out of the configured range.
//!
//! A dead call's pair rests before it is used again, so that a late packet of the old call meets a closed port and not
//! a new caller. The first port is random and then goes round: a stranger cannot guess the next call's.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Which pairs are in use. `now` is a parameter; nothing is bound here.
#[derive(Debug)]
pub struct Ports {
    first: u16,
    /// By pair.
    taken: Vec<bool>,
    next: usize,
    resting: VecDeque<(Instant, usize)>,
    rest: Duration,
}

impl Ports {
    /// `range`: first (even) and last port; `random`: where to begin.
    pub fn new(range: (u16, u16), rest: Duration, random: usize) -> Ports {
        let pairs = usize::from(range.1.saturating_sub(range.0)).div_ceil(2);
        let next = if pairs == 0 { 0 } else { random % pairs };
        Ports { first: range.0, taken: vec![false; pairs], next, resting: VecDeque::new(), rest }
    }

    /// The even port of a free pair; `None`: all are in use or resting.
    pub fn take(&mut self, now: Instant) -> Option<u16> {
        while let Some((_, pair)) = self.resting.pop_front_if(|(until, _)| *until <= now) {
            self.taken[pair] = false;
        }
        let pairs = self.taken.len();
        let pair = (self.next..self.next + pairs).map(|pair| pair % pairs).find(|pair| !self.taken[*pair])?;
        self.taken[pair] = true;
        self.next = (pair + 1) % pairs;
        Some(self.first + 2 * pair as u16)
    }

    /// The pair is closed, or another process has it: not before the rest is over again.
    pub fn give_back(&mut self, now: Instant, port: u16) {
        let pair = usize::from(port.wrapping_sub(self.first)) / 2;
        if pair < self.taken.len() {
            self.resting.push_back((now + self.rest, pair));
        }
    }
}

/// Binds the pair at `port`. The range may be shared with other processes, so this is what decides.
pub fn bind(address: IpAddr, port: u16, dscp: u8) -> io::Result<(UdpSocket, UdpSocket)> {
    Ok((open(SocketAddr::new(address, port), dscp)?, open(SocketAddr::new(address, port + 1), dscp)?))
}

fn open(address: SocketAddr, dscp: u8) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if address.is_ipv6() {
        // One IPv6 socket hears both families; SDP decides which address is named.
        socket.set_only_v6(false)?;
    }
    let marked = match address {
        SocketAddr::V4(_) => SockRef::from(&socket).set_tos_v4(u32::from(dscp) << 2),
        SocketAddr::V6(_) => SockRef::from(&socket).set_tclass_v6(u32::from(dscp) << 2),
    };
    if let Err(error) = marked {
        // Audio without priority is still audio.
        tracing::debug!(%error, dscp, "RTP packets go out unmarked");
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(10);

    #[test]
    fn pairs_are_even_distinct_and_run_out() {
        let now = Instant::now();
        let mut ports = Ports::new((10_000, 10_009), REST, 3);
        let mut taken: Vec<u16> = std::iter::from_fn(|| ports.take(now)).collect();
        assert_eq!(taken[0], 10_006);
        taken.sort_unstable();
        assert_eq!(taken, [10_000, 10_002, 10_004, 10_006, 10_008]);
    }

    #[test]
    fn a_dead_calls_pair_rests() {
        let now = Instant::now();
        let mut ports = Ports::new((10_000, 10_003), REST, 0);
        let (a, b) = (ports.take(now).expect("free"), ports.take(now).expect("free"));
        ports.give_back(now, a);
        assert_eq!(ports.take(now + REST / 2), None);
        ports.give_back(now + REST / 2, b);
        assert_eq!(ports.take(now + REST), Some(a));
        assert_eq!(ports.take(now + REST), None);
        assert_eq!(ports.take(now + REST * 2), Some(b));
    }

    #[test]
    fn a_port_that_another_process_has_is_refused() {
        let local: IpAddr = "127.0.0.1".parse().expect("an address");
        let other = UdpSocket::bind((local, 0)).expect("a free port");
        let port = other.local_addr().expect("bound").port();
        let even = port & !1;
        assert!(bind(local, even, 46).is_err());
    }
}
