//! A caller without a SIP stack of ours: one UDP socket for signalling, one for audio. It acts on what the daemon's log
//! says of its call, not on times: "when the flow is at this node, press that key".

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::carrier::header;
use super::{Daemon, Plan};

/// A packet of silence.
const SILENCE: [u8; 160] = [0xD5; 160];
const TICK: Duration = Duration::from_millis(20);
/// Whatever a test waits for comes within this, however slow the machine.
const LIMIT: Duration = Duration::from_secs(120);

/// The log as callers read it: every node is told, and who calls.
pub fn telling(mut plan: Plan) -> Plan {
    plan.environment.push(("JIESU_LOG".into(), "info,jiesu::call=debug".into()));
    plan.edits.push(("# mask_numbers = true".into(), "mask_numbers = false".into()));
    plan
}

/// One call that is up.
pub struct Caller {
    /// Its number, which nobody else has.
    pub number: String,
    sip: UdpSocket,
    audio: UdpSocket,
    to: SocketAddr,
    /// Ours is sent there.
    audio_to: SocketAddr,
    from_header: String,
    to_header: String,
    cseq: u32,
    log: Told,
    /// What is still to be said, in A-law.
    speech: Vec<u8>,
    /// What is heard comes back so many samples later and this much quieter.
    echo: Option<(usize, f64)>,
    sequence: u16,
    next: Instant,
    /// Everything heard so far, in A-law.
    heard: Vec<u8>,
    /// How much of it had been heard when the flow came where it is.
    here: usize,
    over: bool,
}

/// What the daemon's log says of one call, as it comes.
pub struct Told {
    file: PathBuf,
    at: u64,
    unread: String,
    /// What the line that tells of the call has in it.
    caller: String,
    /// `call=ID`, once it is known.
    call: Option<String>,
    pub lines: Vec<String>,
}

impl Told {
    /// Of the next call whose first line says this, for example its caller's number.
    pub fn of(daemon: &Daemon, caller: &str) -> Told {
        Told {
            file: daemon.folder.join("log.txt"),
            at: daemon.log().len() as u64,
            unread: String::new(),
            caller: caller.to_owned(),
            call: None,
            lines: Vec::new(),
        }
    }

    /// Takes what is new.
    pub fn look(&mut self) {
        let mut file = File::open(&self.file).expect("the daemon's log");
        file.seek(SeekFrom::Start(self.at)).expect("a file");
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).expect("a log");
        // A line that is half written comes with the next look, no character of it broken.
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        self.at += bytes.len() as u64;
        self.unread.push_str(&String::from_utf8_lossy(&bytes));
        while let Some(end) = self.unread.find('\n') {
            let line: String = self.unread.drain(..=end).collect();
            let mut words = line.split_whitespace();
            if self.call.is_none() && line.contains(&self.caller) {
                self.call = words.clone().find(|word| word.starts_with("call=")).map(str::to_owned);
            }
            if self.call.as_deref().is_some_and(|call| words.any(|word| word == call)) {
                self.lines.push(line);
            }
        }
    }

    /// Lines until the flow has come to this node, from line `from` on.
    pub fn node(&self, node: &str, from: usize) -> Option<usize> {
        let told = format!("node {node}");
        // The message comes first, its fields after it.
        let tells = |line: &&String| line.split_once(&told).is_some_and(|(_, rest)| rest.starts_with([' ', '\n']));
        let at = self.lines.iter().skip(from).position(|line| tells(&line))?;
        Some(from + at + 1)
    }
}

impl Caller {
    /// Calls 12345 and waits until it is answered.
    pub fn dial(daemon: &Daemon, number: &str) -> Caller {
        let sip = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let audio = UdpSocket::bind("127.0.0.1:0").expect("a port");
        sip.set_read_timeout(Some(Duration::from_millis(5))).expect("a socket option");
        audio.set_nonblocking(true).expect("a socket option");
        let us = sip.local_addr().expect("bound");
        let log = Told::of(daemon, number);
        let mut caller = Caller {
            number: number.to_owned(),
            from_header: format!("<sip:{number}@{us}>;tag={}", us.port()),
            to_header: format!("<sip:12345@{}>", daemon.sip),
            to: daemon.sip,
            audio_to: daemon.sip,
            sip,
            audio,
            cseq: 1,
            log,
            speech: Vec::new(),
            echo: None,
            sequence: 0,
            next: Instant::now(),
            heard: Vec::new(),
            here: 0,
            over: false,
        };
        let port = caller.audio.local_addr().expect("bound").port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\na=sendrecv\r\n"
        );
        let answer = caller.ask("INVITE", "application/sdp", &sdp);
        assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        caller.to_header = header(&answer, "To").to_owned();
        let media = answer.lines().find_map(|line| line.strip_prefix("m=audio ")?.split(' ').next()?.parse().ok());
        caller.audio_to.set_port(media.expect("a port for audio"));
        caller.send("ACK", 1, "", "");
        caller
    }

    fn send(&self, method: &str, cseq: u32, kind: &str, body: &str) {
        let us = self.sip.local_addr().expect("bound");
        // Who calls twice has another port, and so another dialog.
        let (number, to, port) = (&self.number, self.to, us.port());
        let kind = if kind.is_empty() { String::new() } else { format!("Content-Type: {kind}\r\n") };
        // An ACK to a 2xx is a transaction of its own (RFC 3261, 17.1.1.3).
        let text = format!(
            "{method} sip:12345@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{port}{method}{cseq}\r\nMax-Forwards: 70\r\n\
             From: {}\r\nTo: {}\r\nCall-ID: {number}.{port}\r\nCSeq: {cseq} {method}\r\nContact: <sip:{number}@{us}>\r\n{kind}\
             Content-Length: {}\r\n\r\n{body}",
            self.from_header,
            self.to_header,
            body.len()
        );
        self.sip.send_to(text.as_bytes(), self.to).expect("loopback");
    }

    /// A request and its final answer.
    fn ask(&mut self, method: &str, kind: &str, body: &str) -> String {
        let cseq = self.cseq;
        self.cseq += 1;
        let (start, mut again) = (Instant::now(), Instant::now());
        loop {
            if Instant::now() >= again {
                self.send(method, cseq, kind, body);
                again = Instant::now() + Duration::from_millis(500);
            }
            if let Some(answer) = self.step(Some((cseq, method))) {
                return answer;
            }
            assert!(start.elapsed() < LIMIT, "no answer to {method}");
        }
    }

    /// Sends and takes what is due. The final answer to a request of ours, when it comes.
    fn step(&mut self, wanted: Option<(u32, &str)>) -> Option<String> {
        self.talk();
        let mut buffer = [0; 4096];
        while let Ok(length) = self.audio.recv(&mut buffer) {
            self.heard.extend_from_slice(buffer.get(12..length).unwrap_or_default());
        }
        let Ok(length) = self.sip.recv(&mut buffer) else { return None };
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if let Some(code) = text.strip_prefix("SIP/2.0 ") {
            let ours = wanted.is_some_and(|(cseq, method)| header(&text, "CSeq") == format!("{cseq} {method}"));
            return (ours && !code.starts_with('1')).then_some(text);
        }
        self.over |= text.starts_with("BYE ");
        let of = |name| header(&text, name);
        let answer = format!(
            "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {}\r\nContent-Length: 0\r\n\r\n",
            of("Via"),
            of("From"),
            of("To"),
            of("Call-ID"),
            of("CSeq")
        );
        if !text.starts_with("ACK ") {
            self.sip.send_to(answer.as_bytes(), self.to).expect("loopback");
        }
        None
    }

    /// A packet every 20 ms: speech while there is some, else silence. What a machine that stood still is behind comes
    /// at once, as a network would bring it.
    fn talk(&mut self) {
        while Instant::now() >= self.next {
            self.next += TICK;
            let length = self.speech.len().min(SILENCE.len());
            let mut payload = SILENCE;
            payload[..length].copy_from_slice(&self.speech[..length]);
            self.speech.drain(..length);
            if let (0, Some((late, gain))) = (length, self.echo) {
                let law = jiesu::audio::g711::Law::A;
                let from = self.heard.len().saturating_sub(late);
                let back = self.heard[from..].iter().take(SILENCE.len()).filter(|_| self.heard.len() >= late);
                let quieter = |octet: &u8| law.encode((f64::from(law.decode(*octet)) * gain) as i16);
                payload.iter_mut().zip(back).for_each(|(to, octet)| *to = quieter(octet));
            }
            let mut packet = vec![0x80, 8];
            packet.extend(self.sequence.to_be_bytes());
            packet.extend((u32::from(self.sequence) * 160).to_be_bytes());
            packet.extend([0, 0, 0, 7]);
            packet.extend(payload);
            self.sequence = self.sequence.wrapping_add(1);
            // Before the answer there is nobody to hear it.
            if self.audio_to != self.to {
                self.audio.send_to(&packet, self.audio_to).expect("loopback");
            }
        }
    }

    /// Presses keys, each of them by an INFO that is answered.
    pub fn press(&mut self, keys: &str) {
        for key in keys.chars() {
            let answer = self.ask("INFO", "application/dtmf-relay", &format!("Signal={key}\r\nDuration=160\r\n"));
            assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
        }
    }

    /// A loudspeaker in the room: from now on what is heard goes back, so late and so many dB quieter.
    pub fn echo(&mut self, late: Duration, loss: f64) {
        self.echo = Some((late.as_millis() as usize * 8, 10f64.powf(-loss / 20.0)));
    }

    /// Says it, at the pace of speech; comes back when it is said.
    pub fn say(&mut self, pcm: &[i16]) {
        self.speech.extend(pcm.iter().map(|sample| jiesu::audio::g711::Law::A.encode(*sample)));
        while !self.speech.is_empty() {
            self.step(None);
        }
    }

    /// Lets the call go on until the log says something of it. The line.
    pub fn until(&mut self, what: &str, said: impl Fn(&str) -> bool) -> String {
        let line = self.within(LIMIT, said);
        line.unwrap_or_else(|| panic!("{}: no {what} in\n{}", self.number, self.log.lines.concat()))
    }

    /// The same for something that may not come.
    pub fn within(&mut self, limit: Duration, said: impl Fn(&str) -> bool) -> Option<String> {
        let start = Instant::now();
        loop {
            self.step(None);
            self.log.look();
            let line = self.log.lines.iter().find(|line| said(line)).cloned();
            if line.is_some() || start.elapsed() > limit {
                return line;
            }
        }
    }

    /// Lets the call go on until the machine has said something here and been silent for a second, which it counts by
    /// what comes, not by the clock.
    pub fn asked(&mut self) {
        let start = Instant::now();
        let loud = |octets: &[u8]| octets.iter().any(|octet| jiesu::audio::g711::Law::A.decode(*octet).abs() > 300);
        loop {
            self.step(None);
            let new = &self.heard[self.here..];
            if new.len() > 8000 && loud(new) && !loud(&new[new.len() - 8000..]) {
                return;
            }
            assert!(start.elapsed() < LIMIT, "{}: it never stops talking", self.number);
        }
    }

    /// Lets the call go on until the flow has come to this node since `from` lines of the log. Lines until then.
    pub fn at(&mut self, node: &str, from: usize) -> usize {
        let start = Instant::now();
        loop {
            self.step(None);
            self.log.look();
            if let Some(seen) = self.log.node(node, from) {
                self.here = self.heard.len();
                return seen;
            }
            assert!(start.elapsed() < LIMIT, "{}: never at {node}:\n{}", self.number, self.log.lines.concat());
            assert!(!self.over, "{}: over before {node}:\n{}", self.number, self.log.lines.concat());
        }
    }

    /// All that the log said of this call.
    pub fn told(&mut self) -> Vec<String> {
        self.log.look();
        self.log.lines.clone()
    }

    /// What was heard, as the ear takes it.
    pub fn sound(&self) -> Vec<f32> {
        let law = jiesu::audio::g711::Law::A;
        self.heard.iter().map(|octet| f32::from(law.decode(*octet)) / 32_768.0).collect()
    }

    pub fn hang_up(&mut self) {
        if !self.over {
            self.ask("BYE", "", "");
        }
    }
}
