//! Signalling alone: bare calls a second through the SIP task on one core, and what each costs.
//!
//! `cargo bench --bench signalling -- [--rates 1000,2000,4000,8000] [--seconds 10] [--calls 1000000]`
//!
//! The task (sockets, transactions, dialogs) runs on a thread of its own, on processor 0, with a user that answers every
//! call with the same SDP; the generator on processor 1 sends INVITE, ACK and BYE by batches and repeats what is not
//! answered (RFC 3261 17.1). A rate is *clean* when every call was answered and ended and nothing was repeated. CPU is the
//! task's thread alone, so the figure does not depend on what else the machine does; the generator's own is printed too,
//! and above 80 % of its processor the row does not count. With --calls so many calls are made at the last rate, and the
//! memory is printed each tenth of them: what is resident, and what is allocated (the allocator keeps freed pages).
#![allow(unsafe_code)] // the counting allocator

#[path = "../capacity/wire.rs"]
#[allow(dead_code)] // the other bench uses all of it
mod wire;

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use jiesu::sdp::crypto::Master;
use jiesu::sdp::{self, Codec, Ours, Terms};
use jiesu::sip::task::{self, Config, Listen};
use jiesu::sip::{Command, Event, Trunk, Trunks, Unlisted};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use wire::Batch;

struct Counting;

/// Bytes that are allocated now, by stack and generator.
static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps alloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps dealloc's contract.
        unsafe { System.dealloc(at, layout) }
    }

    // Not the default one, which always moves: pages are left as the daemon leaves them.
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Ordering::Relaxed);
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps realloc's contract.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A message that is not answered is repeated after this long (T1).
const T1: i64 = 500_000_000;
/// And the call given up after this long (64 T1).
const GIVE_UP: i64 = 32_000_000_000;

/// The task on its own thread; its CPU microseconds are kept up to date in `cpu`.
fn stack(cpu: Arc<AtomicU64>) -> SocketAddr {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    std::thread::spawn(move || {
        wire::pin(0);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listen = Listen { address: SocketAddr::from(([127, 0, 0, 1], 0)), udp: true, tcp: false };
            let config = Config { listen: vec![listen], source_rate: 1_000_000, ..Config::default() };
            let network = "127.0.0.0/8".parse().expect("a network");
            let trunks = Trunks::new(vec![Trunk::new("bench", vec![network])], Unlisted::Drop);
            let bound = task::bind(&config, trunks).expect("a free port");
            let at = bound.udp()[0];
            let (events, mut from_sip) = mpsc::channel(4096);
            let (handle, _running) = bound.spawn(events, CancellationToken::new()).expect("the task starts");
            tell.send(at).expect("main waits");
            let ours = Ours::new(at.ip(), 40_000, &Terms::of(&[Codec::Pcma]), [Master([7; 30]); 2]);
            let sdp = sdp::offer(&ours);
            let mut count = 0u32;
            while let Some(event) = from_sip.recv().await {
                if let Event::Invited { dialog, .. } = event {
                    let answer = Command::Answer { dialog, sdp: sdp.clone() };
                    if handle.send(answer).await.is_err() {
                        break;
                    }
                }
                count += 1;
                if count.is_multiple_of(64) {
                    cpu.store((wire::thread_cpu() * 1e6) as u64, Ordering::Relaxed);
                }
            }
        });
    });
    told.recv().expect("the stack starts")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Inviting,
    Ending,
    Over,
}

struct Call {
    began: i64,
    sent: i64,
    state: State,
    repeated: bool,
    tag: [u8; 16],
}

#[derive(Default)]
struct Row {
    good: u64,
    refused: u64,
    lost: u64,
    repeated: u64,
    /// Nanoseconds from INVITE to 200.
    answered: Vec<u32>,
}

struct Generator {
    socket: UdpSocket,
    to: SocketAddrV4,
    own: SocketAddr,
    out: Batch,
    back: Batch,
    calls: VecDeque<Call>,
    /// The number of the first in `calls`.
    first: u64,
    row: Row,
}

impl Generator {
    fn new(to: SocketAddr) -> Generator {
        let SocketAddr::V4(to) = to else { unreachable!("the stack listens on IPv4") };
        let socket = wire::socket(Ipv4Addr::LOCALHOST).expect("a port");
        let own = socket.local_addr().expect("bound");
        let (out, back) = (Batch::new(), Batch::new());
        Generator { socket, to, own, out, back, calls: VecDeque::new(), first: 0, row: Row::default() }
    }

    fn write(&mut self, method: &str, number: u64, tag: &[u8]) {
        let (own, to) = (self.own, self.to);
        let cseq = u8::from(method == "BYE") + 1;
        let tag = std::str::from_utf8(tag).unwrap_or_default();
        let tag = if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let text = format!(
            "{method} sip:12345@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch=z9hG4bK{number:x}{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:13800001111@{own}>;tag={number:x}\r\nTo: <sip:12345@{to}>{tag}\r\n\
             Call-ID: {number:x}@bench\r\nCSeq: {cseq} {method}\r\nContact: <sip:x@{own}>\r\nContent-Length: 0\r\n\r\n"
        );
        self.out.push(&self.socket, self.to, |buffer| {
            buffer[..text.len()].copy_from_slice(text.as_bytes());
            text.len()
        });
    }

    /// Makes calls at this rate until `count` began and all are over.
    fn run(&mut self, rate: f64, count: u64, mut tenth: impl FnMut(u64)) -> Row {
        let start = wire::now();
        let (mut begun, mut looked) = (0u64, start);
        self.row = Row::default();
        let mut next_tenth = count / 10;
        while begun < count || !self.calls.is_empty() {
            let now = wire::now();
            let due = (((now - start) as f64 / 1e9 * rate) as u64).min(count);
            while begun < due {
                let number = self.first + self.calls.len() as u64;
                self.calls.push_back(Call {
                    began: now,
                    sent: now,
                    state: State::Inviting,
                    repeated: false,
                    tag: [0; 16],
                });
                self.write("INVITE", number, b"");
                begun += 1;
            }
            self.out.flush(&self.socket);
            self.hear();
            self.out.flush(&self.socket);
            if now - looked > T1 / 5 {
                looked = now;
                self.again(now);
            }
            while self.calls.front().is_some_and(|call| call.state == State::Over) {
                self.calls.pop_front();
                self.first += 1;
            }
            if begun >= next_tenth && next_tenth > 0 {
                tenth(begun);
                next_tenth += count / 10;
            }
            wire::sleep_until(now + 200_000);
        }
        std::mem::take(&mut self.row)
    }

    fn hear(&mut self) {
        let mut heard = Vec::new();
        while self.back.receive(&self.socket, |bytes, _, _| heard.extend(read(bytes))) > 0 {}
        let now = wire::now();
        for (number, code, bye, tag) in heard {
            let Some(call) = number.checked_sub(self.first).and_then(|i| self.calls.get_mut(i as usize)) else {
                continue;
            };
            match (call.state, bye, code) {
                (State::Inviting, false, 200) => {
                    (call.state, call.tag) = (State::Ending, tag);
                    self.row.answered.push((now - call.began) as u32);
                    call.sent = now;
                    self.write("ACK", number, &tag);
                    self.write("BYE", number, &tag);
                }
                (State::Inviting, false, 300..) => {
                    call.state = State::Over;
                    self.row.refused += 1;
                    self.write("ACK", number, &tag);
                }
                (State::Ending, false, 200) => self.write("ACK", number, &tag), // a 200 again
                (State::Ending, true, 200) => {
                    call.state = State::Over;
                    self.row.good += 1;
                }
                _ => {}
            }
        }
    }

    /// Repeats what waits for longer than T1 and gives up what waits for too long.
    fn again(&mut self, now: i64) {
        let mut late = Vec::new();
        for (i, call) in self.calls.iter_mut().enumerate() {
            if call.state == State::Over || now - call.sent < T1 {
                continue;
            }
            if now - call.began > GIVE_UP {
                call.state = State::Over;
                self.row.lost += 1;
                continue;
            }
            self.row.repeated += u64::from(!call.repeated);
            (call.sent, call.repeated) = (now, true);
            late.push((self.first + i as u64, call.state, call.tag));
        }
        for (number, state, tag) in late {
            if state == State::Inviting { self.write("INVITE", number, b"") } else { self.write("BYE", number, &tag) }
        }
    }
}

/// Of a response: the call's number, the code, whether it answers a BYE, and the tag in To.
fn read(bytes: &[u8]) -> Option<(u64, u16, bool, [u8; 16])> {
    let text = std::str::from_utf8(bytes).ok()?;
    let code = text.strip_prefix("SIP/2.0 ")?.get(..3)?.parse().ok()?;
    let number = text.split("\r\nCall-ID: ").nth(1)?.split('@').next()?;
    let to = text.split("\r\nTo: ").nth(1)?.split("\r\n").next()?;
    let mut tag = [0; 16];
    if let Some(found) = to.split(";tag=").nth(1).filter(|found| found.len() == 16) {
        tag.copy_from_slice(found.as_bytes());
    }
    Some((u64::from_str_radix(number, 16).ok()?, code, text.contains("CSeq: 2 BYE"), tag))
}

fn resident_kb() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1)).cloned();
    let list = value("--rates").unwrap_or_else(|| "1000,2000,4000,8000".into());
    let rates: Vec<f64> = list.split(',').filter_map(|rate| rate.parse().ok()).collect();
    let seconds: f64 = value("--seconds").and_then(|text| text.parse().ok()).unwrap_or(10.0);
    let cpu = Arc::new(AtomicU64::new(0));
    let to = stack(cpu.clone());
    wire::pin(1);
    let mut generator = Generator::new(to);
    for rate in &rates {
        let (before, own, start) = (cpu.load(Ordering::Relaxed), wire::thread_cpu(), wire::now());
        let count = (rate * seconds) as u64;
        let mut row = generator.run(*rate, count, |_| {});
        let took = (wire::now() - start) as f64 / 1e9;
        row.answered.sort_unstable();
        let at = |share: f64| {
            let last = row.answered.len().saturating_sub(1);
            row.answered.get((last as f64 * share) as usize).map_or(0.0, |ns| f64::from(*ns) / 1e6)
        };
        println!(
            "{{\"rate\":{rate},\"calls\":{count},\"clean\":{},\"good\":{},\"refused\":{},\"lost\":{},\"repeated\":{},\
             \"answer_ms_p50\":{:.1},\"answer_ms_p99\":{:.1},\"answer_ms_max\":{:.1},\"cpu_ms_per_call\":{:.4},\
             \"generator_cpu\":{:.2},\"rss_kb\":{}}}",
            row.good == count && row.repeated == 0,
            row.good,
            row.refused,
            row.lost,
            row.repeated,
            at(0.5),
            at(0.99),
            at(1.0),
            (cpu.load(Ordering::Relaxed) - before) as f64 / 1000.0 / count as f64,
            (wire::thread_cpu() - own) / took,
            resident_kb(),
        );
    }
    if let Some(calls) = value("--calls").and_then(|text| text.parse::<u64>().ok()) {
        let rate = rates.last().copied().unwrap_or(1000.0);
        let row = generator.run(rate, calls, |begun| {
            let live = LIVE.load(Ordering::Relaxed) / 1024;
            println!("{{\"calls\":{begun},\"rss_kb\":{},\"allocated_kb\":{live}}}", resident_kb());
        });
        println!("{{\"calls\":{calls},\"good\":{},\"refused\":{},\"lost\":{}}}", row.good, row.refused, row.lost);
    }
}
