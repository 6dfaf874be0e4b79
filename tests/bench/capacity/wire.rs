//! Datagrams by the batch: `sendmmsg` and `recvmmsg`, with the kernel's receive time.
//!
//! The one place of the load generator that needs `unsafe`: the calls have no safe wrapper that reuses its buffers.
#![allow(unsafe_code)]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;

pub const BATCH: usize = 256;
const PACKET: usize = 512;
const CONTROL: usize = 64;

/// Buffers for one direction.
pub struct Batch {
    bytes: Vec<[u8; PACKET]>,
    names: Vec<libc::sockaddr_in>,
    controls: Vec<[u8; CONTROL]>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    filled: usize,
}

impl Batch {
    pub fn new() -> Batch {
        // SAFETY: all-zero bytes are a valid value of these plain C structs.
        let (name, vector, header) = unsafe { (zeroed(), zeroed(), zeroed()) };
        Batch {
            bytes: vec![[0; PACKET]; BATCH],
            names: vec![name; BATCH],
            controls: vec![[0; CONTROL]; BATCH],
            vectors: vec![vector; BATCH],
            headers: vec![header; BATCH],
            filled: 0,
        }
    }

    fn point(&mut self, i: usize, length: usize, control: bool) {
        self.vectors[i] = libc::iovec { iov_base: self.bytes[i].as_mut_ptr().cast(), iov_len: length };
        let header = &mut self.headers[i].msg_hdr;
        header.msg_name = (&raw mut self.names[i]).cast();
        header.msg_namelen = size_of::<libc::sockaddr_in>() as u32;
        header.msg_iov = &raw mut self.vectors[i];
        header.msg_iovlen = 1;
        header.msg_control = if control { self.controls[i].as_mut_ptr().cast() } else { std::ptr::null_mut() };
        header.msg_controllen = if control { CONTROL } else { 0 };
        header.msg_flags = 0;
    }

    /// Adds one datagram to be sent; `write` fills the buffer and gives the length.
    pub fn push(&mut self, socket: &UdpSocket, to: SocketAddrV4, write: impl FnOnce(&mut [u8]) -> usize) {
        let i = self.filled;
        let length = write(&mut self.bytes[i]);
        self.names[i].sin_family = libc::AF_INET as u16;
        self.names[i].sin_port = to.port().to_be();
        self.names[i].sin_addr.s_addr = u32::from(*to.ip()).to_be();
        self.point(i, length, false);
        self.filled += 1;
        if self.filled == BATCH {
            self.flush(socket);
        }
    }

    /// Sends what was pushed. What the kernel refuses (port closed) is dropped, as on a network.
    pub fn flush(&mut self, socket: &UdpSocket) {
        let mut from = 0;
        while from < self.filled {
            let count = (self.filled - from) as u32;
            // SAFETY: headers[from..filled] point into buffers of self that live across the call.
            let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), &mut self.headers[from], count, 0) };
            from += if sent > 0 { sent as usize } else { 1 };
        }
        self.filled = 0;
    }

    /// Receives what is there, at most one batch: (datagram, source, kernel receive time in ns).
    pub fn receive(&mut self, socket: &UdpSocket, mut take: impl FnMut(&[u8], SocketAddrV4, i64)) -> usize {
        for i in 0..BATCH {
            self.point(i, PACKET, true);
        }
        // SAFETY: all headers point into buffers of self; BATCH of each exist.
        let got = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as u32,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let got = got.max(0) as usize;
        for i in 0..got {
            let length = (self.headers[i].msg_len as usize).min(PACKET);
            let ip = Ipv4Addr::from(u32::from_be(self.names[i].sin_addr.s_addr));
            let from = SocketAddrV4::new(ip, u16::from_be(self.names[i].sin_port));
            take(&self.bytes[i][..length], from, stamp(&self.headers[i].msg_hdr));
        }
        got
    }
}

fn stamp(header: &libc::msghdr) -> i64 {
    // SAFETY: the header was filled by recvmmsg; the CMSG macros walk its control buffer within bounds.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while !control.is_null() {
            if (*control).cmsg_level == libc::SOL_SOCKET && (*control).cmsg_type == libc::SCM_TIMESTAMPNS {
                let time: libc::timespec = std::ptr::read_unaligned(libc::CMSG_DATA(control).cast());
                return time.tv_sec * 1_000_000_000 + time.tv_nsec;
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    0
}

fn option(socket: &UdpSocket, name: i32, value: i32) {
    // SAFETY: the value is an int and lives across the call. Failure leaves the default: worse figures, no fault.
    unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            name,
            (&raw const value).cast(),
            size_of::<i32>() as u32,
        );
    }
}

/// A socket with large buffers and kernel receive times.
pub fn socket(ip: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((ip, 0))?;
    socket.set_nonblocking(true)?;
    for name in [libc::SO_RCVBUF, libc::SO_SNDBUF, libc::SO_RCVBUFFORCE, libc::SO_SNDBUFFORCE] {
        option(&socket, name, 64 << 20);
    }
    option(&socket, libc::SO_TIMESTAMPNS, 1);
    Ok(socket)
}

/// CPU seconds of this thread.
pub fn thread_cpu() -> f64 {
    // SAFETY: usage is a plain struct that the call fills.
    unsafe {
        let mut usage: libc::rusage = zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
        seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }
}

/// Keeps this thread (and children started by it) on one processor.
pub fn pin(cpu: usize) {
    // SAFETY: the set is a plain bit field of this stack frame.
    unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
}

/// Sleeps to an absolute time of the monotonic clock, in ns.
pub fn sleep_until(ns: i64) {
    let time = libc::timespec { tv_sec: ns / 1_000_000_000, tv_nsec: ns % 1_000_000_000 };
    // SAFETY: time lives across the call; no remainder is asked for.
    unsafe {
        libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &time, std::ptr::null_mut());
    }
}

/// Sleeps to an absolute time, or until something comes to the socket: whether something did.
pub fn wait(socket: &UdpSocket, ns: i64) -> bool {
    let left = (ns - now()).max(0);
    let mut asked = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let time = libc::timespec { tv_sec: left / 1_000_000_000, tv_nsec: left % 1_000_000_000 };
    // SAFETY: one pollfd and the time live across the call; no signal mask.
    unsafe { libc::ppoll(&mut asked, 1, &time, std::ptr::null()) > 0 }
}

/// The monotonic clock, in ns.
pub fn now() -> i64 {
    // SAFETY: time is filled by the call.
    unsafe {
        let mut time: libc::timespec = zeroed();
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time);
        time.tv_sec * 1_000_000_000 + time.tv_nsec
    }
}
