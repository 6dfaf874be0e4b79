//! One leg's two sockets, by plain calls: nothing waits.
//!
//! This is the seam for io_uring (DESIGN's library table): whatever takes this type's place offers the same five acts,
//! each for one leg's tick; [`super::thread`] knows no system call.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};

use rustix::net::{RecvFlags, SendFlags};

/// RTP and RTCP.
pub(super) struct Sockets {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// Whom the RTP socket is connected to: the kernel drops strangers' packets.
    connected: Option<SocketAddr>,
}

impl Sockets {
    pub(super) fn new(rtp: UdpSocket, rtcp: UdpSocket) -> Sockets {
        Sockets { rtp, rtcp, connected: None }
    }

    /// The next RTP packet, or nothing. `clean`: only what the connected source sent can be in the socket.
    pub(super) fn receive<'a>(&self, buffer: &'a mut [u8], clean: bool) -> Option<(SocketAddr, &'a [u8])> {
        match self.connected.filter(|_| clean) {
            Some(from) => receive_connected(&self.rtp, buffer).map(|length| (from, &buffer[..length])),
            None => receive(&self.rtp, buffer),
        }
    }

    pub(super) fn receive_rtcp<'a>(&self, buffer: &'a mut [u8]) -> Option<(SocketAddr, &'a [u8])> {
        receive(&self.rtcp, buffer)
    }

    /// Says whether the kernel took it.
    pub(super) fn send(&self, to: SocketAddr, bytes: &[u8]) -> bool {
        match self.connected {
            // Fifty times a second and call: without the C library's detours.
            Some(_) => rustix::net::send(&self.rtp, bytes, SendFlags::empty()).is_ok(),
            None => self.rtp.send_to(bytes, mapped(&self.rtp, to)).is_ok(),
        }
    }

    /// `mux`: over the RTP socket (RFC 5761).
    pub(super) fn send_rtcp(&self, to: SocketAddr, bytes: &[u8], mux: bool) -> bool {
        if mux { self.send(to, bytes) } else { self.rtcp.send_to(bytes, mapped(&self.rtcp, to)).is_ok() }
    }

    /// From now on only this source; packets of others that wait already still come out.
    pub(super) fn lock(&mut self, to: SocketAddr) {
        self.connected = self.rtp.connect(mapped(&self.rtp, to)).is_ok().then_some(to);
    }

    pub(super) fn unlock(&mut self) {
        // A socket that stays connected hears its old source only: the leg falls silent and inactivity ends it.
        self.connected = self.connected.filter(|_| rustix::net::connect_unspec(&self.rtp).is_err());
    }
}

/// An IPv4 destination as an IPv6 socket wants it.
fn mapped(socket: &UdpSocket, to: SocketAddr) -> SocketAddr {
    match to {
        SocketAddr::V4(v4) if socket.local_addr().is_ok_and(|local| local.is_ipv6()) => {
            SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
        }
        other => other,
    }
}

fn receive<'a>(socket: &UdpSocket, buffer: &'a mut [u8]) -> Option<(SocketAddr, &'a [u8])> {
    // An ICMP error of an earlier packet is given once in place of a packet: the next call has the packet.
    for _ in 0..2 {
        match socket.recv_from(buffer) {
            Ok((length, from)) => return Some((from, &buffer[..length])),
            Err(error) if is_empty(&error) => return None,
            Err(_) => {}
        }
    }
    None
}

/// As [`receive`], where the source is known.
fn receive_connected(socket: &UdpSocket, buffer: &mut [u8]) -> Option<usize> {
    for _ in 0..2 {
        match rustix::net::recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((length, _)) => return Some(length),
            Err(rustix::io::Errno::AGAIN) => return None,
            Err(_) => {}
        }
    }
    None
}

fn is_empty(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}
