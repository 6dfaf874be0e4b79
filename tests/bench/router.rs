//! What it costs to know what to do with an INVITE: source to trunk, bytes to message, message checked, dialled line to
//! flow. `cargo bench --bench router`
//!
//! The message is what a carrier's edge sends: 1.2 kB, three Vias, two Record-Routes, identity headers, SDP. Before the
//! timing the allocations of one decision are counted and printed: their number does not depend on how many headers there are.
#![allow(unsafe_code)] // the counting allocator

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use jiesu::ivr::Lines;
use jiesu::ivr::lines::Line;
use jiesu::sip::{Cidr, Framing, Message, Name, Trunk, Trunks, Unlisted, check};
use jiesu::written::{Faults, Source};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps alloc's contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps dealloc's contract.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn invite(more: usize) -> Bytes {
    let sdp = "v=0\r\no=edge 20518 1 IN IP4 192.0.2.30\r\ns=call\r\nc=IN IP4 192.0.2.30\r\nt=0 0\r\nm=audio 24680 RTP/AVP 8 0 18 101\r\n\
               a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
               a=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n";
    let more = "X-Carrier: 010-12345-beijing\r\n".repeat(more);
    let text = format!(
        "INVITE sip:12319@192.0.2.200:5060 SIP/2.0\r\nRecord-Route: <sip:192.0.2.9;lr;ftag=9fxced76sl>\r\n\
         Record-Route: <sip:192.0.2.8;lr>\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK74b43.1;rport\r\n\
         Via: SIP/2.0/UDP 192.0.2.8:5060;branch=z9hG4bK11aa22.0\r\nVia: SIP/2.0/UDP 192.0.2.30:5060;branch=z9hG4bKffee01;received=192.0.2.30\r\n\
         Max-Forwards: 68\r\nFrom: \"Zhang San\" <sip:13900000000@192.0.2.30;user=phone>;tag=9fxced76sl\r\n\
         To: <sip:12319@192.0.2.200;user=phone>\r\nCall-ID: 3848276298220188511@192.0.2.30\r\nCSeq: 102 INVITE\r\n\
         Contact: <sip:13900000000@192.0.2.30:5060;transport=udp>\r\nP-Asserted-Identity: <sip:+8613900000000@192.0.2.30>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK, INFO, REFER, NOTIFY\r\nSupported: timer, 100rel, replaces\r\n\
         Session-Expires: 1800;refresher=uac\r\nMin-SE: 90\r\nUser-Agent: Carrier SBC 7.2\r\n{more}Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    Bytes::from(text)
}

/// The decision: trunk and line, or `None` for what is refused.
fn route<'a>(trunks: &Trunks, lines: &'a Lines, from: IpAddr, bytes: Bytes) -> Option<&'a Line> {
    trunks.of(from)?;
    let message = Message::parse(bytes, Framing::Datagram).ok()?;
    let checked = check::request(&message).ok()?;
    let (dialled, to) = (checked.uri.number(), checked.to.uri.number());
    let listed = |name| message.addresses(name).filter_map(|address| address.ok()?.uri.number()).collect::<Vec<_>>();
    lines.dialled(dialled.as_deref(), to.as_deref(), &listed(Name::Diversion), &listed(Name::HistoryInfo))
}

fn router(c: &mut Criterion) {
    let faults = Faults::default();
    let lines = Lines::read(&Source::new("lines.toml", include_str!("../../config/lines.toml")), &faults);
    assert!(faults.is_empty(), "{faults}");
    // Forty carriers, the last of which sends.
    let network = |i: u8| format!("198.51.{i}.0/24").parse::<Cidr>().expect("a network");
    let trunk = |i: u8| Trunk::new(format!("carrier-{i}"), vec![network(i)]);
    let mut list: Vec<Trunk> = (0..39).map(trunk).collect();
    list.push(Trunk::new("edge", vec!["192.0.2.0/24".parse().expect("a network")]));
    let trunks = Trunks::new(list, Unlisted::Drop);
    let from: IpAddr = "192.0.2.9".parse().expect("an address");

    let count = |bytes: &Bytes| {
        let (bytes, before) = (bytes.clone(), COUNT.load(Ordering::Relaxed));
        let flow = route(&trunks, &lines, from, bytes);
        let taken = COUNT.load(Ordering::Relaxed) - before;
        assert!(flow.is_some(), "the INVITE is routed");
        taken
    };
    let (usual, many) = (invite(0), invite(100));
    println!("INVITE of {} bytes: {} allocations; with 100 headers more: {}", usual.len(), count(&usual), count(&many));

    let mut group = c.benchmark_group("router");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse", |b| b.iter(|| Message::parse(black_box(usual.clone()), Framing::Datagram)));
    let message = Message::parse(usual.clone(), Framing::Datagram).expect("a good message");
    group.bench_function("check", |b| b.iter(|| check::request(black_box(&message))));
    group.bench_function("INVITE to its flow", |b| b.iter(|| route(&trunks, &lines, from, black_box(usual.clone()))));
    group.finish();
}

criterion_group!(benches, router);
criterion_main!(benches);
