//! People whom the daemon calls: they answer, listen, press keys and speak as a test tells them, and count who was asked
//! what. Plain sockets, no SIP stack of ours.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::carrier::header;

/// What somebody does.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// Refuses with this code.
    pub refuses: Option<u16>,
    /// Lets it ring for so long.
    pub rings: Duration,
    /// Keys, each so long after the answer.
    pub keys: Vec<(Duration, char)>,
    /// A-law that is said so long after the answer.
    pub says: Option<(Duration, Vec<u8>)>,
}

/// One call that came.
#[derive(Debug, Clone)]
pub struct Came {
    pub number: String,
    pub answered: bool,
    /// Keys that they pressed.
    pub pressed: usize,
    /// So many packets with a voice in them were heard.
    pub heard: usize,
}

pub struct Callees {
    pub address: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Call {
    at: usize,
    peer: SocketAddr,
    invite: String,
    began: Instant,
    manner: Manner,
    rtp: UdpSocket,
    ok: Option<Instant>,
    acked: Option<Instant>,
    cseq: u32,
    said: usize,
}

impl Callees {
    /// `manner` says what the person with this number does, call by call.
    pub fn start(mut manner: impl FnMut(&str) -> Manner + Send + 'static) -> Callees {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(Duration::from_millis(4))).expect("a time-out");
        let address = socket.local_addr().expect("bound");
        let came = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let (log, end) = (came.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            let mut calls: HashMap<String, Call> = HashMap::new();
            let mut buffer = [0; 65_536];
            while !end.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                    let id = header(&text, "Call-ID").to_owned();
                    let method = text.split(' ').next().unwrap_or_default();
                    let send = |text: String| socket.send_to(text.as_bytes(), from).expect("loopback");
                    match method {
                        "INVITE" if !calls.contains_key(&id) => {
                            let number = text.split(['@', ':']).nth(1).unwrap_or_default().to_owned();
                            let manner = manner(&number);
                            let mut log = log.lock().expect("no panic");
                            log.push(Came { number, answered: false, pressed: 0, heard: 0 });
                            send(response(&text, manner.refuses.unwrap_or(180), address, ""));
                            if manner.refuses.is_none() {
                                calls.insert(id, Call::new(log.len() - 1, from, text, manner));
                            }
                        }
                        "ACK" => {
                            if let Some(call) = calls.get_mut(&id) {
                                call.acked.get_or_insert_with(Instant::now);
                                log.lock().expect("no panic")[call.at].answered = true;
                            }
                        }
                        "BYE" | "CANCEL" => {
                            send(response(&text, 200, address, ""));
                            if let (Some(call), "CANCEL") = (calls.remove(&id), method) {
                                send(response(&call.invite, 487, address, ""));
                            }
                        }
                        _ => {}
                    }
                }
                for call in calls.values_mut() {
                    call.turn(&socket, address);
                    let heard = call.listen();
                    let came = &mut log.lock().expect("no panic")[call.at];
                    came.heard += heard;
                    came.pressed = call.cseq as usize;
                }
                // Whoever called them is gone.
                calls.retain(|_, call| call.began.elapsed() < Duration::from_secs(30));
            }
        });
        Callees { address, came, over, thread: Some(thread) }
    }

    pub fn came(&self) -> Vec<Came> {
        self.came.lock().expect("no panic").clone()
    }
}

impl Drop for Callees {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it is a failed test already.
            let _ = thread.join();
        }
    }
}

impl Call {
    fn new(at: usize, peer: SocketAddr, invite: String, manner: Manner) -> Call {
        let rtp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        rtp.set_nonblocking(true).expect("a socket option");
        let began = Instant::now();
        Call { at, peer, invite, began, manner, rtp, ok: None, acked: None, cseq: 0, said: 0 }
    }

    fn turn(&mut self, socket: &UdpSocket, us: SocketAddr) {
        let send = |text: String| socket.send_to(text.as_bytes(), self.peer).expect("loopback");
        let Some(acked) = self.acked else {
            let again = self.ok.is_none_or(|at| at.elapsed() > Duration::from_millis(500));
            if self.began.elapsed() >= self.manner.rings && again {
                let port = self.rtp.local_addr().expect("bound").port();
                let sdp = format!(
                    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n\
                     a=rtpmap:8 PCMA/8000\r\n"
                );
                send(response(&self.invite, 200, us, &sdp));
                self.ok = Some(Instant::now());
            }
            return;
        };
        while let Some((_, key)) = self.manner.keys.first().filter(|(after, _)| acked.elapsed() >= *after).copied() {
            self.manner.keys.remove(0);
            self.cseq += 1;
            let body = format!("Signal={key}\r\nDuration=160\r\n");
            let contact = header(&self.invite, "Contact").trim_matches(['<', '>']);
            send(format!(
                "INFO {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{}x{}\r\nMax-Forwards: 70\r\nFrom: {};tag=callee\r\n\
                 To: {}\r\nCall-ID: {}\r\nCSeq: {} INFO\r\nContact: <sip:{us}>\r\nContent-Type: application/dtmf-relay\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                self.at,
                self.cseq,
                header(&self.invite, "To"),
                header(&self.invite, "From"),
                header(&self.invite, "Call-ID"),
                self.cseq,
                body.len()
            ));
        }
        self.speak(acked);
    }

    /// What is due of what they say; silence before and after it, as a telephone sends.
    fn speak(&mut self, acked: Instant) {
        let Some((after, speech)) = &self.manner.says else { return };
        let Some(port) = self.invite.lines().find_map(|line| line.strip_prefix("m=audio ")) else { return };
        let port: u16 = port.split(' ').next().and_then(|port| port.parse().ok()).expect("a port");
        while self.said < (acked.elapsed().as_millis() / 20) as usize {
            let begun = (self.said * 160).checked_sub(after.as_millis() as usize * 8);
            let chunk = begun.and_then(|at| speech.get(at..at + 160));
            let mut packet = vec![0x80, 8];
            packet.extend((self.said as u16).to_be_bytes());
            packet.extend((self.said as u32 * 160).to_be_bytes());
            packet.extend(7u32.to_be_bytes());
            packet.extend(chunk.unwrap_or(&[0xD5; 160]));
            // It may have hung up.
            let _ = self.rtp.send_to(&packet, ("127.0.0.1", port));
            self.said += 1;
        }
    }

    /// Packets with a voice in them.
    fn listen(&self) -> usize {
        let mut buffer = [0; 2048];
        let mut voiced = 0;
        while let Ok((length, _)) = self.rtp.recv_from(&mut buffer) {
            let audio = if buffer[1] & 0x7F == 8 { &buffer[12.min(length)..length] } else { &[][..] };
            let law = jiesu::audio::g711::Law::A;
            voiced += usize::from(audio.iter().any(|code| law.decode(*code).unsigned_abs() > 500));
        }
        voiced
    }
}

fn response(request: &str, code: u16, us: SocketAddr, sdp: &str) -> String {
    let of = |name| header(request, name);
    let kind = if sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    format!(
        "SIP/2.0 {code} Callee\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=callee\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{us}>\r\n\
         {kind}Content-Length: {}\r\n\r\n{sdp}",
        of("Via"),
        of("From"),
        of("To"),
        of("Call-ID"),
        of("CSeq"),
        sdp.len(),
    )
}
