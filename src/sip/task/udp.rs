//! UDP: the listening sockets, from which everything is sent as well (symmetric signalling, RFC 3581).

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

/// What the kernel may hold for us while a burst comes.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Nothing longer fits a datagram.
const LONGEST: usize = 65_536;

/// A bound socket, before there is a runtime.
pub fn bind(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?; // so that an IPv4 peer has one form of address
    }
    if let Err(error) = socket.set_recv_buffer_size(RECEIVE_BUFFER) {
        tracing::debug!(%error, "the receive buffer keeps its size");
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// All listening sockets.
pub struct Sockets {
    list: Vec<(UdpSocket, SocketAddr)>,
    /// Where the next search for a readable one begins, so that a busy socket does not starve the others.
    next: usize,
    buffer: Box<[u8]>,
}

impl Sockets {
    /// # Errors
    /// The runtime refuses a socket.
    pub fn new(bound: Vec<std::net::UdpSocket>) -> io::Result<Sockets> {
        let mut list = Vec::with_capacity(bound.len());
        for socket in bound {
            let address = socket.local_addr()?;
            list.push((UdpSocket::from_std(socket)?, address));
        }
        Ok(Sockets { list, next: 0, buffer: vec![0; LONGEST].into() })
    }

    /// Waits for a datagram and says on which socket; for ever where there is none.
    pub async fn ready(&mut self) -> usize {
        poll_fn(|context| {
            for step in 0..self.list.len() {
                let i = (self.next + step) % self.list.len();
                if self.list[i].0.poll_recv_ready(context).is_ready() {
                    self.next = i + 1;
                    return Poll::Ready(i);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Takes a datagram that has come: from whom, at which listener, and its bytes.
    pub fn receive(&mut self, socket: usize) -> Option<(SocketAddr, SocketAddr, &[u8])> {
        let (socket, local) = &self.list[socket];
        match socket.try_recv_from(&mut self.buffer) {
            Ok((length, peer)) => Some((peer, *local, &self.buffer[..length])),
            Err(_) => None, // nothing there, or a passing error of the network; the next datagram is waited for
        }
    }

    /// Sends from the socket that stands for `local`.
    ///
    /// # Errors
    /// No socket, or the kernel would not take it. SIP over UDP repeats what was lost, so nothing waits here.
    pub fn send(&self, local: SocketAddr, peer: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        let exact = self.list.iter().find(|(_, address)| *address == local);
        let wildcard = || {
            let fits = |address: &SocketAddr| {
                address.ip().is_unspecified() && address.port() == local.port() && address.is_ipv4() == local.is_ipv4()
            };
            self.list.iter().find(|(_, address)| fits(address))
        };
        let (socket, _) = exact.or_else(wildcard).ok_or(io::ErrorKind::AddrNotAvailable)?;
        // Not by tokio's way: it does not know that a socket can be written to before it has waited for it once, and the
        // first message of a telephone that was just plugged in would be lost.
        SockRef::from(socket).send_to(bytes, &peer.into()).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Found by `jiesu trunk test`: every call of a new telephone began with a repetition, half a second late.
    #[tokio::test]
    async fn the_first_datagram_is_sent() {
        let peer = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
        let own = bind("127.0.0.1:0".parse().expect("an address")).expect("loopback");
        let local = own.local_addr().expect("bound");
        let sockets = Sockets::new(vec![own]).expect("in a runtime");
        sockets.send(local, peer.local_addr().expect("bound"), b"SIP").expect("it has room");
        let mut buffer = [0; 8];
        assert_eq!(peer.recv(&mut buffer).expect("it came"), 3);
    }
}
