//! Callers in one thread: each waits for the question, says its sentence, waits for the read-back, agrees by a key, waits
//! for the number and hangs up. What they measure is what they hear.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use jiesu::audio::g711::Law;

use super::wire::{self, Batch};

const MS: i64 = 1_000_000;
const FRAME: usize = 160;
const SILENCE: u8 = 0xD5;
/// Louder than this is sound.
const SOUND: i16 = 300;
/// So much silence ends what the machine says, in ns; between two prompts of one answer there is less.
const PAUSE: i64 = 600 * MS;
/// Packets of the key (RFC 4733): 100 ms.
const KEY: u32 = 5;

/// Where a call is, and since when.
#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Inviting,
    /// The question is being asked.
    Asked,
    Speaking {
        frame: usize,
    },
    /// The last loud packet went out then.
    Spoken {
        at: i64,
    },
    ReadBack,
    Keying {
        packet: u32,
    },
    Agreed {
        at: i64,
    },
    Over,
}

struct Caller {
    state: State,
    invited: i64,
    to: String,
    contact: String,
    media: Option<SocketAddrV4>,
    seq: u16,
    timestamp: u32,
    /// When something loud came last.
    loud: Option<i64>,
}

/// What the callers heard, in ms; the silence that ends an utterance is still in the first.
#[derive(Debug, Default)]
pub struct Heard {
    pub read_back: Vec<f64>,
    pub number: Vec<f64>,
    /// Calls that did not come to the number.
    pub lost: usize,
    pub cpu_s: f64,
    pub wall_s: f64,
}

pub struct Callers {
    target: SocketAddrV4,
    sip: UdpSocket,
    rtp: UdpSocket,
    all: Vec<Caller>,
    by_port: Vec<usize>,
    speech: Vec<u8>,
    out: Batch,
    heard: Heard,
}

impl Callers {
    pub fn new(target: SocketAddrV4, speech: Vec<u8>) -> io::Result<Callers> {
        let (sip, rtp) = (wire::socket(Ipv4Addr::LOCALHOST)?, wire::socket(Ipv4Addr::LOCALHOST)?);
        let by_port = vec![usize::MAX; 1 << 16];
        let (all, out, heard) = (Vec::new(), Batch::new(), Heard::default());
        Ok(Callers { target, sip, rtp, all, by_port, speech, out, heard })
    }

    /// `count` calls, one each `every` ns; none may take longer than a minute.
    pub fn run(mut self, count: usize, every: i64) -> io::Result<Heard> {
        let (start, cpu) = (wire::now(), wire::thread_cpu());
        let mut inbound = Batch::new();
        let mut tick = 0;
        while self.all.len() < count || self.all.iter().any(|caller| caller.state != State::Over) {
            let now = wire::now();
            if self.all.len() < count && now >= start + self.all.len() as i64 * every {
                self.invite(now)?;
            }
            self.receive_sip(now)?;
            let Callers { all, by_port, rtp, heard, .. } = &mut self;
            while inbound.receive(rtp, |bytes, from, _| hear(all, by_port, heard, bytes, from, now)) == wire::BATCH {}
            self.turn(now)?;
            // A frame of each caller in every 20 ms, not all at once.
            for i in (tick % 20..self.all.len()).step_by(20) {
                self.send_frame(i, now);
            }
            self.out.flush(&self.rtp);
            tick += 1;
            wire::sleep_until(start + tick as i64 * MS);
        }
        self.heard.cpu_s = wire::thread_cpu() - cpu;
        self.heard.wall_s = (wire::now() - start) as f64 / 1e9;
        self.heard.read_back.sort_by(f64::total_cmp);
        self.heard.number.sort_by(f64::total_cmp);
        Ok(self.heard)
    }

    fn invite(&mut self, now: i64) -> io::Result<()> {
        let port = self.rtp.local_addr()?.port();
        let body = format!(
            "v=0\r\no=caller 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
             a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
        );
        let to = format!("<sip:12345@{}>", self.target);
        let contact = format!("sip:12345@{}", self.target);
        let seq = self.all.len() as u16;
        self.all.push(Caller {
            state: State::Inviting,
            invited: now,
            to,
            contact,
            media: None,
            seq,
            timestamp: 0,
            loud: None,
        });
        self.request(self.all.len() - 1, "INVITE", 1, &body)
    }

    fn request(&self, i: usize, method: &str, cseq: u32, body: &str) -> io::Result<()> {
        let us = self.sip.local_addr()?;
        let Caller { to, contact, .. } = &self.all[i];
        let text = format!(
            "{method} {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{i}-{cseq}{method}\r\nMax-Forwards: 70\r\n\
             From: <sip:1380000{i:04}@{us}>;tag=c{i}\r\nTo: {to}\r\nCall-ID: {i}-{}@127.0.0.1\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:1380000{i:04}@{us}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            us.port(),
            body.len()
        );
        self.sip.send_to(text.as_bytes(), self.target).map(|_| ())
    }

    fn receive_sip(&mut self, now: i64) -> io::Result<()> {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = self.sip.recv_from(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            let field =
                |name: &str| text.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim().to_owned();
            let Some(i) = field("Call-ID:").split('-').next().and_then(|i| i.parse::<usize>().ok()) else { continue };
            if text.starts_with("SIP/2.0 200") && field("CSeq:").ends_with("INVITE") {
                let media = field("m=audio ").split(' ').next().and_then(|port| port.parse::<u16>().ok());
                let contact = field("Contact:");
                let caller = &mut self.all[i];
                caller.to = field("To:");
                caller.contact = contact.trim_start_matches('<').split('>').next().unwrap_or_default().to_owned();
                if let (State::Inviting, Some(port)) = (caller.state, media) {
                    caller.state = State::Asked;
                    caller.media = Some(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
                    self.by_port[usize::from(port)] = i;
                }
                self.request(i, "ACK", 1, "")?;
            } else if text.starts_with("BYE ") {
                let keep = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
                let lines = text.lines().filter(|line| keep.iter().any(|name| line.starts_with(name)));
                let answer: String = lines.map(|line| format!("{}\r\n", line.trim_end())).collect();
                self.sip.send_to(format!("SIP/2.0 200 OK\r\n{answer}Content-Length: 0\r\n\r\n").as_bytes(), from)?;
                self.over(i);
            } else if text.starts_with("SIP/2.0 ")
                && !text.starts_with("SIP/2.0 1")
                && self.all[i].state == State::Inviting
            {
                eprintln!(
                    "{}, {} ms after the INVITE",
                    text.lines().next().unwrap_or_default(),
                    (now - self.all[i].invited) / MS
                );
                self.over(i);
            }
        }
        Ok(())
    }

    fn over(&mut self, i: usize) {
        let reached = self.all[i].state == State::Over;
        self.all[i].state = State::Over;
        self.heard.lost += usize::from(!reached);
    }

    /// What time brings: the machine has stopped talking, or a caller gives up.
    fn turn(&mut self, now: i64) -> io::Result<()> {
        for i in 0..self.all.len() {
            let caller = &mut self.all[i];
            let quiet = caller.loud.is_some_and(|loud| now - loud > PAUSE);
            match caller.state {
                State::Over => {}
                State::Asked if quiet => caller.state = State::Speaking { frame: 0 },
                State::ReadBack if quiet => caller.state = State::Keying { packet: 0 },
                _ if now - caller.invited > 60_000 * MS => {
                    eprintln!("call {i} gave up: {:?}", caller.state);
                    self.over(i);
                    self.request(i, "BYE", 2, "")?;
                }
                _ => {}
            }
            // Whoever has heard the number begin hangs up.
            if let (State::Agreed { at }, Some(loud)) = (self.all[i].state, self.all[i].loud)
                && loud > at
            {
                self.heard.number.push((loud - at) as f64 / 1e6);
                self.all[i].state = State::Over;
                self.request(i, "BYE", 2, "")?;
            }
        }
        Ok(())
    }

    fn send_frame(&mut self, i: usize, now: i64) {
        let Callers { all, out, rtp, speech, .. } = self;
        let caller = &mut all[i];
        let Some(to) = caller.media.filter(|_| caller.state != State::Over) else { return };
        caller.seq = caller.seq.wrapping_add(1);
        caller.timestamp += FRAME as u32;
        let (seq, timestamp) = (caller.seq, caller.timestamp);
        let head = |buffer: &mut [u8], kind: u8, timestamp: u32| {
            buffer[..2].copy_from_slice(&[0x80, kind]);
            buffer[2..4].copy_from_slice(&seq.to_be_bytes());
            buffer[4..8].copy_from_slice(&timestamp.to_be_bytes());
            buffer[8..12].copy_from_slice(&(i as u32 + 1).to_be_bytes());
        };
        if let State::Keying { packet } = caller.state {
            let last = packet + 1 == KEY;
            out.push(rtp, to, |buffer| {
                head(buffer, 101, timestamp - packet * FRAME as u32);
                buffer[12..14].copy_from_slice(&[1, 10 | if last { 0x80 } else { 0 }]);
                buffer[14..16].copy_from_slice(&((packet as u16 + 1) * FRAME as u16).to_be_bytes());
                16
            });
            caller.loud = None;
            caller.state = if last { State::Agreed { at: now } } else { State::Keying { packet: packet + 1 } };
            return;
        }
        let mut audio = [SILENCE; FRAME];
        if let State::Speaking { frame } = caller.state {
            audio.copy_from_slice(&speech[frame * FRAME..][..FRAME]);
            let more = (frame + 2) * FRAME <= speech.len();
            caller.loud = None;
            caller.state = if more { State::Speaking { frame: frame + 1 } } else { State::Spoken { at: now } };
        }
        out.push(rtp, to, |buffer| {
            head(buffer, 8, timestamp);
            buffer[12..172].copy_from_slice(&audio);
            172
        });
    }
}

fn hear(all: &mut [Caller], by_port: &[usize], heard: &mut Heard, bytes: &[u8], from: SocketAddrV4, now: i64) {
    let Some(caller) = all.get_mut(by_port[usize::from(from.port())]) else { return };
    let loud = |octet: &u8| Law::A.decode(*octet).abs() > SOUND;
    if bytes.len() < 12 || bytes[1] & 0x7F != 8 || !bytes[12..].iter().any(loud) {
        return;
    }
    if let State::Spoken { at } = caller.state {
        heard.read_back.push((now - at) as f64 / 1e6);
        caller.state = State::ReadBack;
    }
    // What was still under way when the key went out is not the answer to it.
    if !matches!(caller.state, State::Speaking { .. } | State::Keying { .. }) {
        caller.loud = Some(now);
    }
}
