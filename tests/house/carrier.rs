//! A carrier that does what a test tells it: one UDP socket, no SIP stack of ours.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::pause;

/// What it answers: a code, further header lines, and a body of SDP or none.
pub struct Answer {
    pub code: u16,
    pub headers: String,
    pub sdp: String,
}

impl Answer {
    pub fn code(code: u16) -> Answer {
        Answer { code, headers: String::new(), sdp: String::new() }
    }

    pub fn with(code: u16, headers: impl Into<String>) -> Answer {
        Answer { headers: headers.into(), ..Answer::code(code) }
    }
}

/// Takes a request, gives what is answered to it, in order; nothing: silence.
type Script = dyn FnMut(&str) -> Vec<Answer> + Send;

pub struct Carrier {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<(Instant, String)>>>,
    script: Arc<Mutex<Box<Script>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// The value of a header, in its long form.
pub fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let value = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    value.unwrap_or_default().trim()
}

impl Carrier {
    /// Listens on a free port of loopback.
    pub fn start(script: impl FnMut(&str) -> Vec<Answer> + Send + 'static) -> Carrier {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        Carrier::on(socket, script)
    }

    pub fn on(socket: UdpSocket, script: impl FnMut(&str) -> Vec<Answer> + Send + 'static) -> Carrier {
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a time-out");
        let address = socket.local_addr().expect("bound");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Box<Script>>> = Arc::new(Mutex::new(Box::new(script)));
        let over = Arc::new(AtomicBool::new(false));
        let (log, rules, end) = (heard.clone(), script.clone(), over.clone());
        let thread = std::thread::spawn(move || {
            // What was answered to a transaction is answered to its repetitions.
            let mut known: HashMap<String, Vec<String>> = HashMap::new();
            let mut buffer = [0; 65_536];
            while !end.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if text.starts_with("SIP/2.0") {
                    continue;
                }
                let method = text.split(' ').next().unwrap_or_default();
                let answers = known.entry(format!("{method} {}", header(&text, "Via"))).or_insert_with(|| {
                    log.lock().expect("no panic").push((Instant::now(), text.clone()));
                    let answers = (rules.lock().expect("no panic"))(&text);
                    answers.iter().map(|answer| response(&text, answer, address)).collect()
                });
                for answer in answers {
                    socket.send_to(answer.as_bytes(), from).expect("loopback");
                }
            }
        });
        Carrier { address, heard, script, over, thread: Some(thread) }
    }

    /// From now on it answers like this.
    pub fn now(&self, script: impl FnMut(&str) -> Vec<Answer> + Send + 'static) {
        *self.script.lock().expect("no panic") = Box::new(script);
    }

    /// Every request so far of this method, without repetitions.
    pub fn heard(&self, method: &str) -> Vec<String> {
        self.times(method).into_iter().map(|(_, text)| text).collect()
    }

    /// As [`Carrier::heard`], with the time of each.
    pub fn times(&self, method: &str) -> Vec<(Instant, String)> {
        let heard = self.heard.lock().expect("no panic");
        heard.iter().filter(|(_, text)| text.split(' ').next() == Some(method)).cloned().collect()
    }

    /// Waits until it has heard so many.
    pub fn wait(&self, method: &str, count: usize) -> Vec<String> {
        let start = Instant::now();
        loop {
            let heard = self.heard(method);
            if heard.len() >= count {
                return heard;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "{count} {method}, heard: {:#?}", self.heard.lock());
            pause();
        }
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in it is a failed test already.
            let _ = thread.join();
        }
    }
}

fn response(request: &str, answer: &Answer, us: SocketAddr) -> String {
    let of = |name| header(request, name);
    let to = of("To");
    let tag = if answer.code == 100 || to.contains("tag=") { "" } else { ";tag=carrier" };
    let kind = if answer.sdp.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
    let contact = if answer.headers.contains("Contact:") { String::new() } else { format!("Contact: <sip:{us}>\r\n") };
    format!(
        "SIP/2.0 {} Scripted\r\nVia: {}\r\nFrom: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\n{contact}{}{kind}\
         Content-Length: {}\r\n\r\n{}",
        answer.code,
        of("Via"),
        of("From"),
        of("Call-ID"),
        of("CSeq"),
        answer.headers,
        answer.sdp.len(),
        answer.sdp
    )
}
