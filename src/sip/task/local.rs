//! Which of our addresses a peer sees, where we listen on all of them.
//!
//! Via, Contact and SDP need a concrete address. The kernel's route to the peer decides: a UDP socket that is connected
//! to the peer (nothing is sent) knows it.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Peers that are remembered; beyond it all are asked for anew.
const MOST: usize = 1024;
/// How long a route is believed.
const FRESH: Duration = Duration::from_secs(60);

/// Routes that were looked up.
#[derive(Debug, Default)]
pub struct Routes {
    known: HashMap<IpAddr, (IpAddr, Instant)>,
}

impl Routes {
    /// The listener's address as `peer` reaches it. Where there is no route, the listener's own.
    pub fn towards(&mut self, now: Instant, listener: SocketAddr, peer: IpAddr) -> SocketAddr {
        if !listener.ip().is_unspecified() {
            return listener;
        }
        if let Some((ours, at)) = self.known.get(&peer)
            && now.duration_since(*at) < FRESH
        {
            return SocketAddr::new(*ours, listener.port());
        }
        let ours = route_to(peer).unwrap_or(listener.ip());
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(peer, (ours, now));
        SocketAddr::new(ours, listener.port())
    }
}

/// Our address on the way to `peer`.
///
/// # Errors
/// There is no route.
pub fn route_to(peer: IpAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((peer, 9))?; // any port will do
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_gets_the_address_of_the_route() {
        let mut routes = Routes::default();
        let now = Instant::now();
        let loopback = "127.0.0.1".parse().unwrap();
        let ours = routes.towards(now, "0.0.0.0:5060".parse().unwrap(), loopback);
        assert_eq!(ours, "127.0.0.1:5060".parse().unwrap());
        let told = "127.0.0.7:5070".parse().unwrap();
        assert_eq!(routes.towards(now, told, loopback), told);
    }
}
