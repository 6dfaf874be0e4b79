//! What the cores cost a packet and a call: `cargo bench --bench cores`. A packet of 20 ms comes and goes 50 times a
//! second and call, so 1 us here is 0.1 ms of CPU in a second of a two-way call.

use std::hint::black_box;
use std::net::IpAddr;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use jiesu::audio::g711::Law;
use jiesu::audio::{resample, tone};
use jiesu::calendar::Calendar;
use jiesu::catalogue::Places;
use jiesu::catalogue::text::Text;
use jiesu::classify::summary::summarise;
use jiesu::classify::{Hint, Understood, place};
use jiesu::ivr::prove::{Dialled, Limits, Premises, Spoken, prove};
use jiesu::ivr::{Flow, Rules};
use jiesu::rtp::packet::Packet;
use jiesu::sdp::crypto::Master;
use jiesu::sdp::{self, Codec, Ours, Terms};
use jiesu::sip::{Framing, Message};
use jiesu::written::{Faults, Source};

/// 20 ms at 8 kHz.
const FRAME: usize = 160;

fn g711(c: &mut Criterion) {
    let samples = tone::sine(440.0, std::time::Duration::from_millis(20), 0.7);
    assert_eq!(samples.len(), FRAME);
    let mut group = c.benchmark_group("g711");
    group.throughput(Throughput::Elements(FRAME as u64));
    for law in [Law::A, Law::Mu] {
        let codes: Vec<u8> = samples.iter().map(|sample| law.encode(*sample)).collect();
        let mut coded = [0_u8; FRAME];
        group.bench_function(format!("{law:?} encode 20 ms"), |b| {
            b.iter(|| coded.iter_mut().zip(black_box(&samples)).for_each(|(code, sample)| *code = law.encode(*sample)));
        });
        let mut heard = [0_i16; FRAME];
        group.bench_function(format!("{law:?} decode 20 ms"), |b| {
            b.iter(|| heard.iter_mut().zip(black_box(&codes)).for_each(|(sample, code)| *sample = law.decode(*code)));
        });
    }
}

fn prompts(c: &mut Criterion) {
    let second = tone::sine_at(44_100, 440.0, std::time::Duration::from_secs(1), 0.7);
    c.bench_function("resample/1 s of 44.1 kHz to 8 kHz", |b| {
        b.iter(|| resample::to_rate(black_box(&second), 44_100, 8_000));
    });
}

fn sdp_answer(c: &mut Criterion) {
    let address: IpAddr = "192.0.2.200".parse().expect("an address");
    let ours = Ours::new(address, 30_000, &Terms::of(&[Codec::Pcma, Codec::Pcmu]), [Master([7; 30]); 2]);
    let offers: [(&str, &[u8]); 2] =
        [("telephone", include_bytes!("../sdp/yealink.sdp")), ("IMS", include_bytes!("../sdp/ims.sdp"))];
    for (name, offer) in offers {
        c.bench_function(&format!("sdp/answer {name}"), |b| {
            b.iter(|| sdp::answer_bytes(black_box(offer), &ours).expect("a good offer"));
        });
    }
}

fn sip_parse(c: &mut Criterion) {
    let offer = sdp::offer(&Ours::new(
        "192.0.2.9".parse().expect("an address"),
        9_000,
        &Terms::of(&[Codec::Pcma]),
        [Master([7; 30]); 2],
    ));
    let mut invite = format!(
        "INVITE sip:12345@192.0.2.200 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK74b43;rport\r\n\
         Max-Forwards: 70\r\n\
         From: \"caller\" <sip:13900000000@192.0.2.9>;tag=9fxced76sl\r\n\
         To: <sip:12345@192.0.2.200>\r\n\
         Call-ID: 3848276298220188511@192.0.2.9\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:13900000000@192.0.2.9:5060>\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE\r\n\
         Supported: timer, 100rel\r\n\
         Content-Type: application/sdp\r\n\
         Content-Length: {}\r\n\r\n",
        offer.len()
    )
    .into_bytes();
    invite.extend_from_slice(&offer);
    let invite = Bytes::from(invite);
    c.bench_function("sip/parse INVITE", |b| {
        b.iter(|| Message::parse(black_box(invite.clone()), Framing::Datagram).expect("a good message"));
    });
}

fn rtp_packet(c: &mut Criterion) {
    let payload = [0xd5; FRAME];
    let packet = Packet { marker: false, payload_type: 8, sequence: 7, timestamp: 160, ssrc: 9, payload: &payload };
    let mut datagram = [0; 12 + FRAME];
    packet.write(&mut datagram).expect("it fits");
    c.bench_function("rtp/parse", |b| b.iter(|| Packet::parse(black_box(&datagram)).expect("a good packet")));
    let mut out = [0; 12 + FRAME];
    c.bench_function("rtp/write", |b| b.iter(|| black_box(&packet).write(&mut out)));
}

/// What `jiesu check` adds for a flow: every line, every kind of hour.
fn flow_proof(c: &mut Criterion) {
    let faults = Faults::default();
    let calendar = Source::new("2026.toml", include_str!("../../config/calendar/2026.toml"));
    let calendar = Calendar::read(&[calendar], &faults);
    let (spoken, limits, rules) = (Spoken::default(), Limits::default(), Rules::default());
    let lines: Vec<Dialled> =
        (12300..12325).map(|line| Dialled { line: line.to_string(), greeting: Some(format!("line-{line}")) }).collect();
    let today = jiff::civil::date(2026, 1, 1);
    let premises =
        Premises { spoken: &spoken, limits: &limits, lines: &lines, rules: &rules, calendar: &calendar, today };
    for (name, text) in [
        ("shipped", include_str!("../../config/flows/main.toml")),
        ("43 nodes", include_str!("../../config/examples/flows/old-menu.toml")),
    ] {
        let source = Source::new("flow.toml", text);
        c.bench_function(&format!("flow/read and prove {name} for 25 lines"), |b| {
            b.iter(|| prove(&Flow::read(black_box(&source), &faults).expect("it has no faults"), premises));
        });
    }
    assert!(faults.is_empty(), "{faults}");
}

/// What a caller's sentence costs: its place, by characters and by sound, in the shipped places; and its summary.
fn sentence(c: &mut Criterion) {
    let faults = Faults::default();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/places");
    let files = std::fs::read_dir(folder).expect("it ships").map(|entry| entry.expect("an entry").path());
    let source = |file: std::path::PathBuf| Source::new(&file, std::fs::read_to_string(&file).expect("it is text"));
    let places = Places::read(&files.map(source).collect::<Vec<_>>(), &faults);
    assert!(faults.is_empty(), "{faults}");
    for (name, text) in [
        ("as it is written", "喂你好,我住在朝阳区望京街道花家地小区12号楼,水管昨天晚上爆裂了,请尽快派人来处理"),
        ("misheard", "喂泥好,我住在潮阳区忘京街道花家弟小区12号娄,水管作天晚上暴裂了,请尽快派人来楚理"),
        ("without a place", "喂你好,我想问一下退休以后医疗保险怎么办理,需要带哪些材料,什么时候可以来办,谢谢你们"),
    ] {
        let first = place::Report::of(&places, text, &[]);
        c.bench_function(&format!("place/{} characters, {name}", text.chars().count()), |b| {
            b.iter(|| place::find(&places, &Text::new(black_box(text)), &Hint::default()));
        });
        let understood = Understood::default();
        c.bench_function(&format!("summary/{} characters, {name}", text.chars().count()), |b| {
            b.iter(|| summarise(black_box(text), &understood));
        });
        black_box(first); // the sounds of the names are made when they are first asked for
    }
}

criterion_group!(cores, g711, prompts, sdp_answer, sip_parse, rtp_packet, flow_proof, sentence);
criterion_main!(cores);
