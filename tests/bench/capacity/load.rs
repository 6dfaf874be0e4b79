//! The load generator: many callers in one thread, datagrams by the batch.
//!
//! Each caller is SIPp's `uac_ivr` of the field's drive: INVITE (PCMA + telephone-event), ACK, 17 s of audio with one
//! RFC 4733 digit at 5.5 s, then it waits for the server's BYE. All callers share one SIP and one RTP socket; streams
//! are told apart by the server's port. Lateness of a packet is (arrival - timestamp) above the least such value of
//! its talk-spurt so far, on the kernel's receive time.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use super::wire::{self, Batch};

const MS: i64 = 1_000_000;
const DIGIT_AT: u32 = 275; // frames of 20 ms
const DIGIT_FRAMES: u32 = 8;
const SPEECH_AT: u32 = 395;
const FRAMES: u32 = 850;

#[derive(Debug, Clone)]
pub struct Plan {
    pub target: SocketAddrV4,
    pub number: String,
    /// Calls begun a second, evenly.
    pub rate: f64,
    pub calls: usize,
    /// Only INVITE, ACK, BYE.
    pub bare: bool,
    /// Calls shorter than this (s) did not run the whole flow.
    pub least_talk: f64,
    /// Sleeps on the socket and is woken by each packet, as other generators are.
    pub woken: bool,
}

/// What the callers saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub answered: usize,
    pub refused: HashMap<u16, usize>,
    pub good: usize,
    pub unfinished: usize,
    pub setup_ms: Vec<f64>,
    /// From INVITE to its refusal.
    pub refused_ms: Vec<f64>,
    pub talk_s: Vec<f64>,
    pub call_seconds: f64,
    pub retransmissions: usize,
    pub packets: u64,
    pub lost: u64,
    pub late: Vec<u64>,
    pub peak: usize,
    pub cpu_s: f64,
    pub wall_s: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Inviting,
    Talking,
    Leaving,
    Over,
}

struct Caller {
    state: State,
    invited: i64,
    resend: i64,
    wait: i64,
    answered: i64,
    to: String,
    contact: String,
    media: Option<SocketAddrV4>,
    frame: u32,
    seq: u16,
    phase: usize,
    stream: Stream,
}

#[derive(Default)]
struct Stream {
    begun: bool,
    seq: u16,
    timestamp: u32,
    base: i64,
}

pub struct Load {
    plan: Plan,
    sip: UdpSocket,
    rtp: UdpSocket,
    sip_port: u16,
    rtp_port: u16,
    run: u32,
    callers: Vec<Caller>,
    by_port: Vec<u32>,
    wheel: Vec<Vec<u32>>,
    out: Batch,
    speech: Vec<u8>,
    seen: Seen,
    live: usize,
}

impl Load {
    pub fn new(plan: Plan, speech: Vec<u8>, run: u32) -> io::Result<Load> {
        let ip = Ipv4Addr::LOCALHOST;
        let (sip, rtp) = (wire::socket(ip)?, wire::socket(ip)?);
        let (sip_port, rtp_port) = (sip.local_addr()?.port(), rtp.local_addr()?.port());
        let seen = Seen { late: vec![0; 2001], ..Seen::default() };
        Ok(Load {
            plan,
            sip,
            rtp,
            sip_port,
            rtp_port,
            run,
            callers: Vec::new(),
            by_port: vec![u32::MAX; 65536],
            wheel: vec![Vec::new(); 20],
            out: Batch::new(),
            speech,
            seen,
            live: 0,
        })
    }

    /// Runs the plan to its end; `each_second` is told the second and how many calls are up.
    pub fn run(mut self, mut each_second: impl FnMut(u64, usize)) -> Seen {
        let cpu = wire::thread_cpu();
        let start = wire::now();
        let mut tick = 0i64;
        let mut inbound = Batch::new();
        let grace = (self.plan.calls as f64 / self.plan.rate) as i64 * 1000 + 60_000;
        loop {
            let now = wire::now();
            self.receive_all(&mut inbound);
            self.receive_sip(now);
            self.send_frames(tick as usize % 20);
            let due = ((now - start) as f64 / 1e9 * self.plan.rate) as usize;
            while self.callers.len() < due.min(self.plan.calls) {
                self.invite(now);
            }
            if tick % 100 == 0 {
                self.resend(now);
            }
            if tick % 1000 == 0 {
                each_second((tick / 1000) as u64, self.live);
            }
            let all = self.callers.len() == self.plan.calls;
            if (all && self.live == 0) || tick > grace {
                break;
            }
            tick += 1;
            if self.plan.woken {
                while wire::wait(&self.rtp, start + tick * MS) {
                    self.receive_all(&mut inbound);
                }
            } else {
                wire::sleep_until(start + tick * MS);
            }
        }
        self.seen.unfinished = self.live;
        self.seen.cpu_s = wire::thread_cpu() - cpu;
        self.seen.wall_s = (wire::now() - start) as f64 / 1e9;
        self.seen.setup_ms.sort_by(f64::total_cmp);
        self.seen.refused_ms.sort_by(f64::total_cmp);
        self.seen.talk_s.sort_by(f64::total_cmp);
        self.seen
    }

    fn receive_all(&mut self, inbound: &mut Batch) {
        while inbound.receive(&self.rtp, |bytes, from, at| {
            receive_rtp(&mut self.callers, &self.by_port, &mut self.seen, bytes, from, at);
        }) == wire::BATCH
        {}
    }

    fn request(&self, i: usize, method: &str, cseq: u32, uri: &str, to: &str, body: &str) -> String {
        let (run, port) = (self.run, self.sip_port);
        let branch = format!("z9hG4bK{run:x}-{i}-{cseq}-{method}");
        let mut text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch={branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:1380000{i:04}@127.0.0.1:{port}>;tag={run:x}c{i}\r\nTo: {to}\r\nCall-ID: {i}-{run:x}@127.0.0.1\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:1380000{i:04}@127.0.0.1:{port}>\r\n",
        );
        if !body.is_empty() {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        text
    }

    fn send_invite(&self, i: usize) {
        let (number, target, port) = (&self.plan.number, self.plan.target, self.rtp_port);
        let uri = format!("sip:{number}@{target}");
        let body = format!(
            "v=0\r\no=caller 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n",
        );
        self.send_sip(&self.request(i, "INVITE", 1, &uri, &format!("<{uri}>"), &body));
    }

    fn send_sip(&self, text: &str) {
        // A full buffer loses the message, as a network may; retransmission brings it again.
        let _ = self.sip.send_to(text.as_bytes(), self.plan.target);
    }

    fn invite(&mut self, now: i64) {
        let i = self.callers.len();
        self.callers.push(Caller {
            state: State::Inviting,
            invited: now,
            resend: now + 500 * MS,
            wait: 500 * MS,
            answered: 0,
            to: String::new(),
            contact: String::new(),
            media: None,
            frame: 0,
            seq: (i * 37) as u16,
            phase: i % 20,
            stream: Stream::default(),
        });
        self.live += 1;
        self.seen.peak = self.seen.peak.max(self.live);
        self.send_invite(i);
    }

    fn resend(&mut self, now: i64) {
        for i in 0..self.callers.len() {
            let caller = &mut self.callers[i];
            if caller.resend > now || !matches!(caller.state, State::Inviting | State::Leaving) {
                continue;
            }
            caller.wait *= 2;
            caller.resend = now + caller.wait;
            self.seen.retransmissions += 1;
            if now - caller.invited > 32_000 * MS && caller.state == State::Inviting {
                self.over(i);
            } else if caller.state == State::Inviting {
                self.send_invite(i);
            } else {
                self.send_bye(i);
            }
        }
    }

    fn send_bye(&self, i: usize) {
        let caller = &self.callers[i];
        self.send_sip(&self.request(i, "BYE", 2, &caller.contact, &caller.to, ""));
    }

    fn over(&mut self, i: usize) {
        if self.callers[i].state != State::Over {
            self.callers[i].state = State::Over;
            self.live -= 1;
        }
    }

    fn receive_sip(&mut self, now: i64) {
        let mut buffer = [0u8; 4096];
        while let Ok((length, from)) = self.sip.recv_from(&mut buffer) {
            let Ok(text) = std::str::from_utf8(&buffer[..length]) else { continue };
            let Some(i) = header(text, "Call-ID").and_then(|id| id.split('-').next()?.parse::<usize>().ok()) else {
                continue;
            };
            if i >= self.callers.len() {
                continue;
            }
            if text.starts_with("BYE ") {
                self.answer(text, from);
                let caller = &mut self.callers[i];
                if caller.state == State::Talking {
                    let talk = (now - caller.answered) as f64 / 1e9;
                    let setup = (caller.answered - caller.invited) as f64 / 1e6;
                    self.seen.good += usize::from(talk >= self.plan.least_talk && setup <= 4000.0);
                    self.seen.talk_s.push(talk);
                    self.seen.call_seconds += talk;
                }
                self.over(i);
            } else if let Some(code) = text.strip_prefix("SIP/2.0 ").and_then(|t| t.get(..3)?.parse::<u16>().ok()) {
                let bye = header(text, "CSeq").is_some_and(|cseq| cseq.ends_with("BYE"));
                self.response(i, code, bye, text, now);
            }
        }
    }

    fn answer(&self, request: &str, from: std::net::SocketAddr) {
        let mut text = "SIP/2.0 200 OK\r\n".to_owned();
        for line in request.split("\r\n") {
            let name = line.split(':').next().unwrap_or("");
            if ["Via", "From", "To", "Call-ID", "CSeq"].contains(&name) {
                text.push_str(line);
                text.push_str("\r\n");
            }
        }
        text.push_str("Content-Length: 0\r\n\r\n");
        // Lost like any datagram: the server sends its BYE again.
        let _ = self.sip.send_to(text.as_bytes(), from);
    }

    fn response(&mut self, i: usize, code: u16, bye: bool, text: &str, now: i64) {
        if bye {
            if code >= 200 && self.callers[i].state == State::Leaving {
                self.seen.good += 1;
                self.over(i);
            }
            return;
        }
        if code < 200 {
            self.callers[i].resend = i64::MAX;
            return;
        }
        if code >= 300 {
            if self.callers[i].state == State::Inviting {
                *self.seen.refused.entry(code).or_default() += 1;
                self.seen.refused_ms.push((now - self.callers[i].invited) as f64 / 1e6);
                let to = header(text, "To").unwrap_or_default().to_owned();
                let uri = format!("sip:{}@{}", self.plan.number, self.plan.target);
                self.send_sip(&self.request(i, "ACK", 1, &uri, &to, ""));
                self.over(i);
            }
            return;
        }
        let first = self.callers[i].state == State::Inviting;
        if first {
            let caller = &mut self.callers[i];
            caller.to = header(text, "To").unwrap_or_default().to_owned();
            let contact = header(text, "Contact").unwrap_or_default();
            caller.contact = contact.split('<').nth(1).and_then(|c| c.split('>').next()).unwrap_or(contact).to_owned();
            caller.media = media(text);
            caller.answered = now;
            caller.state = State::Talking;
            self.seen.answered += 1;
            self.seen.setup_ms.push((now - caller.invited) as f64 / 1e6);
        } else {
            self.seen.retransmissions += 1;
        }
        let (contact, to) = (self.callers[i].contact.clone(), self.callers[i].to.clone());
        self.send_sip(&self.request(i, "ACK", 1, &contact, &to, ""));
        if first && self.plan.bare {
            let caller = &mut self.callers[i];
            (caller.state, caller.wait, caller.resend) = (State::Leaving, 500 * MS, now + 500 * MS);
            self.send_bye(i);
        } else if let (true, Some(media)) = (first, self.callers[i].media) {
            self.by_port[usize::from(media.port())] = i as u32;
            self.wheel[self.callers[i].phase].push(i as u32);
        }
    }

    fn send_frames(&mut self, slot: usize) {
        let Load { callers, wheel, out, rtp, speech, .. } = self;
        wheel[slot].retain(|i| {
            let caller = &mut callers[*i as usize];
            let (State::Talking, Some(to)) = (caller.state, caller.media) else { return false };
            if caller.frame >= FRAMES {
                return true; // quiet, still listening
            }
            let frame = caller.frame;
            caller.frame += 1;
            let digit = frame.wrapping_sub(DIGIT_AT);
            let ssrc = *i ^ 0x5A5A_0000;
            if digit < DIGIT_FRAMES {
                let last = digit == DIGIT_FRAMES - 1;
                for _ in 0..if last { 3 } else { 1 } {
                    caller.seq = caller.seq.wrapping_add(1);
                    out.push(rtp, to, |buffer| {
                        rtp_header(buffer, 101, digit == 0, caller.seq, DIGIT_AT * 160, ssrc);
                        buffer[12..14].copy_from_slice(&[2, 10 | if last { 0x80 } else { 0 }]);
                        buffer[14..16].copy_from_slice(&((digit as u16 + 1) * 160).to_be_bytes());
                        16
                    });
                }
            } else {
                caller.seq = caller.seq.wrapping_add(1);
                out.push(rtp, to, |buffer| {
                    rtp_header(buffer, 8, frame == 0 || digit == DIGIT_FRAMES, caller.seq, frame * 160, ssrc);
                    let from = frame.wrapping_sub(SPEECH_AT) as usize;
                    match speech.get(from.wrapping_mul(160)..from.wrapping_mul(160).wrapping_add(160)) {
                        Some(audio) if frame >= SPEECH_AT => buffer[12..172].copy_from_slice(audio),
                        _ => buffer[12..172].fill(0xD5),
                    }
                    172
                });
            }
            true
        });
        out.flush(rtp);
    }
}

fn rtp_header(buffer: &mut [u8], payload: u8, marker: bool, seq: u16, timestamp: u32, ssrc: u32) {
    buffer[0] = 0x80;
    buffer[1] = payload | u8::from(marker) << 7;
    buffer[2..4].copy_from_slice(&seq.to_be_bytes());
    buffer[4..8].copy_from_slice(&timestamp.to_be_bytes());
    buffer[8..12].copy_from_slice(&ssrc.to_be_bytes());
}

fn receive_rtp(callers: &mut [Caller], by_port: &[u32], seen: &mut Seen, bytes: &[u8], from: SocketAddrV4, at: i64) {
    let i = by_port[usize::from(from.port())] as usize;
    if bytes.len() < 12 || bytes[1] & 0x7f != 8 || i >= callers.len() {
        return;
    }
    let seq = u16::from_be_bytes([bytes[2], bytes[3]]);
    let timestamp = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
    let stream = &mut callers[i].stream;
    seen.packets += 1;
    let transit = at - i64::from(timestamp) * 125_000;
    let step = seq.wrapping_sub(stream.seq) as i16;
    let marker = bytes[1] & 0x80 != 0;
    let spurt = marker || timestamp.wrapping_sub(stream.timestamp) != 160u32.wrapping_mul(step as u32);
    if !stream.begun || (step > 0 && spurt) {
        stream.base = transit;
    }
    if stream.begun && step > 1 {
        seen.lost += step as u64 - 1;
    }
    if !stream.begun || step > 0 {
        (stream.begun, stream.seq, stream.timestamp) = (true, seq, timestamp);
    }
    stream.base = stream.base.min(transit);
    let late = ((transit - stream.base) / MS).clamp(0, 2000);
    seen.late[late as usize] += 1;
}

fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.split("\r\n").skip(1).take_while(|line| !line.is_empty()).find_map(|line| {
        let (n, value) = line.split_once(':')?;
        n.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn media(text: &str) -> Option<SocketAddrV4> {
    let line = |start: &str| text.split("\r\n").find_map(|l| l.strip_prefix(start));
    let ip = line("c=IN IP4 ")?.trim().parse().ok()?;
    let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some(SocketAddrV4::new(ip, port))
}

/// The value below which `share` of a sorted list lies.
pub fn percentile(sorted: &[f64], share: f64) -> f64 {
    sorted.get(((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// The bin (ms) at or below which `share` of a histogram lies.
pub fn bin(histogram: &[u64], share: f64) -> usize {
    let total: u64 = histogram.iter().sum();
    let mut sum = 0;
    histogram
        .iter()
        .position(|n| {
            sum += n;
            sum as f64 >= share * total as f64
        })
        .unwrap_or(0)
}
