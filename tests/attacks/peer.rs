//! A SIP peer made of a plain socket: it can say anything.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use jiesu::sip::{Framing, Message, Name};

use crate::house::draw;

/// How long an answer may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A socket that speaks SIP over UDP. A fresh one for each case: whatever it hears belongs to that case.
pub struct Peer {
    pub socket: UdpSocket,
    pub own: SocketAddr,
    daemon: SocketAddr,
}

/// A request as a good peer writes it; a case then damages the text.
pub struct Ask {
    pub text: String,
    pub call_id: String,
    pub branch: String,
}

impl Ask {
    /// With further header lines (each with its line break).
    pub fn with(mut self, lines: &str) -> Ask {
        self.text = self.text.replacen("\r\n\r\n", &format!("\r\n{lines}\r\n"), 1);
        self
    }

    /// With another text for what stands there.
    pub fn instead(mut self, of: &str, what: &str) -> Ask {
        assert!(self.text.contains(of), "{of:?} is not in\n{}", self.text);
        self.text = self.text.replacen(of, what, 1);
        self
    }

    /// With a body and its length.
    pub fn body(self, kind: &str, body: &str) -> Ask {
        let lines = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        let mut ask = self.with(&lines);
        ask.text.push_str(body);
        ask
    }
}

impl Peer {
    pub fn new(daemon: SocketAddr) -> Peer {
        Peer::at("127.0.0.1:0", daemon)
    }

    /// At an address of its own: 192.0.2.9 is one that no trunk lists.
    pub fn at(own: &str, daemon: SocketAddr) -> Peer {
        let socket = UdpSocket::bind(own).unwrap_or_else(|error| panic!("{own}: {error}"));
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket option");
        let own = socket.local_addr().expect("bound");
        Peer { socket, own, daemon }
    }

    /// A request outside of a dialog, with Contact and everything else that is due.
    pub fn ask(&self, method: &str) -> Ask {
        let (own, daemon) = (self.own, self.daemon);
        let (call_id, branch) = (format!("{:x}", draw(u64::MAX)), format!("z9hG4bK{:x}", draw(u64::MAX)));
        let text = format!(
            "{method} sip:12345@{daemon} SIP/2.0\r\nVia: SIP/2.0/UDP {own};rport;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: \"x\" <sip:13800001111@{own}>;tag=peer\r\nTo: <sip:12345@{daemon}>\r\nCall-ID: {call_id}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:13800001111@{own}>\r\n\r\n"
        );
        Ask { text, call_id, branch }
    }

    /// An INVITE that offers PCMA at this address.
    pub fn invite(&self, rtp: SocketAddr) -> Ask {
        self.ask("INVITE").body("application/sdp", &offer(rtp))
    }

    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        // The kernel may refuse what is empty or too long; then nothing has come.
        let _ = self.socket.send_to(bytes.as_ref(), self.daemon);
    }

    /// The next message, if one comes within `limit`.
    pub fn next(&self, limit: Duration) -> Option<Message> {
        let (start, mut buffer) = (Instant::now(), vec![0; 65_536]);
        loop {
            if let Ok(n) = self.socket.recv(&mut buffer) {
                let bytes = buffer[..n].to_vec();
                match Message::parse(bytes.into(), Framing::Datagram) {
                    Ok(message) => return Some(message),
                    // Audio of a call that was offered this very socket.
                    Err(_) if n > 0 && buffer[0] >> 6 == 2 => {}
                    Err(error) => panic!("what a daemon sends is SIP: {error}"),
                }
            }
            if start.elapsed() > limit {
                return None;
            }
        }
    }

    /// Sends bytes and gives the codes of everything that is answered before a request that comes after them.
    pub fn codes(&self, bytes: impl AsRef<[u8]>) -> Vec<u16> {
        self.send(bytes);
        self.until_fence().iter().filter_map(Message::code).collect()
    }

    /// Everything that was sent here before the daemon came to what is sent now.
    pub fn until_fence(&self) -> Vec<Message> {
        let fence = self.ask("OPTIONS");
        let (start, mut seen) = (Instant::now(), Vec::new());
        self.send(&fence.text);
        let mut again = Instant::now();
        while start.elapsed() < PATIENCE {
            match self.next(Duration::from_millis(20)) {
                Some(message) if message.call_id() == fence.call_id.as_bytes() => return seen,
                Some(message) => seen.push(message),
                None if again.elapsed() > Duration::from_secs(1) => {
                    self.send(&fence.text);
                    again = Instant::now();
                }
                None => {}
            }
        }
        panic!("the OPTIONS behind it was not answered within {PATIENCE:?}");
    }

    /// Sends a request and waits for its final answer, which is acknowledged if the request is an INVITE.
    pub fn finally(&self, ask: &Ask) -> Message {
        self.send(&ask.text);
        let answer = self.final_answer(&ask.call_id);
        if ask.text.starts_with("INVITE") {
            self.acknowledge(ask, &answer);
        }
        answer
    }

    pub fn final_answer(&self, call_id: &str) -> Message {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match self.next(Duration::from_millis(20)) {
                Some(m) if m.call_id() == call_id.as_bytes() && m.code().is_some_and(|code| code >= 200) => return m,
                _ => {}
            }
        }
        panic!("no final answer within {PATIENCE:?}");
    }

    /// The ACK of a final answer: of the transaction for a refusal, of its own for a 2xx (RFC 3261 17.1.1.3, 13.2.2.4).
    pub fn acknowledge(&self, invite: &Ask, answer: &Message) {
        self.acknowledge_again(1, invite, answer);
    }

    /// The same for a re-INVITE with this CSeq.
    pub fn acknowledge_again(&self, number: u32, invite: &Ask, answer: &Message) {
        let mut ack = self.inside("ACK", number, invite, answer);
        if answer.code().is_some_and(|code| code >= 300) {
            ack = ack.replacen(branch(&ack), &invite.branch, 1);
        }
        self.send(ack);
    }

    /// A request inside the dialog that this answer made.
    pub fn inside(&self, method: &str, number: u32, invite: &Ask, answer: &Message) -> String {
        let to = String::from_utf8_lossy(answer.header(Name::To).expect("To")).into_owned();
        let from = String::from_utf8_lossy(answer.header(Name::From).expect("From")).into_owned();
        let ask = self.ask(method);
        ask.instead(&format!("To: <sip:12345@{}>", self.daemon), &format!("To: {to}"))
            .instead(&format!("From: \"x\" <sip:13800001111@{}>;tag=peer", self.own), &format!("From: {from}"))
            .instead("CSeq: 1", &format!("CSeq: {number}"))
            .replace_call_id(&invite.call_id)
    }

    /// The codes that a request inside the dialog gets.
    pub fn codes_inside(&self, method: &str, number: u32, invite: &Ask, answer: &Message) -> Vec<u16> {
        let text = self.inside(method, number, invite, answer);
        self.send(&text);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            match self.next(Duration::from_millis(20)) {
                Some(m) if m.cseq().is_some_and(|(n, of)| n == number && of.as_str() == method) => {
                    return m.code().into_iter().collect();
                }
                _ => {}
            }
        }
        Vec::new()
    }

    /// Hangs up; the BYE is repeated until its answer comes, as any is.
    pub fn bye(&self, number: u32, invite: &Ask, answer: &Message) {
        let bye = self.inside("BYE", number, invite, answer);
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            self.send(&bye);
            let sent = Instant::now();
            while sent.elapsed() < Duration::from_millis(500) {
                match self.next(Duration::from_millis(20)) {
                    Some(m) if m.code().is_some() && m.cseq().is_some_and(|(_, of)| of.as_str() == "BYE") => {
                        assert_eq!(m.code(), Some(200), "the BYE");
                        return;
                    }
                    _ => {}
                }
            }
        }
        panic!("the BYE was not answered within {PATIENCE:?}");
    }
}

impl Ask {
    fn replace_call_id(self, with: &str) -> String {
        self.text.replacen(&self.call_id, with, 1)
    }
}

/// The branch of a request's Via.
pub fn branch(text: &str) -> &str {
    let from = text.find("z9hG4bK").expect("a branch");
    text[from..].split(['\r', ';']).next().expect("its end")
}

/// PCMA and telephone-event at this address.
pub fn offer(rtp: SocketAddr) -> String {
    format!(
        "v=0\r\no=x 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n",
        ip = rtp.ip(),
        port = rtp.port()
    )
}

/// Where an answer's SDP wants its audio.
pub fn audio_of(answer: &Message) -> SocketAddr {
    let body = answer.sdp().expect("an answer with SDP");
    let text = String::from_utf8_lossy(&body).into_owned();
    let value =
        |key: &str| text.lines().find_map(|line| line.strip_prefix(key).map(str::to_owned)).expect("it is there");
    let port: u16 = value("m=audio ").split(' ').next().and_then(|p| p.parse().ok()).expect("a port");
    SocketAddr::new(value("c=IN IP4 ").trim().parse().expect("an address"), port)
}

/// What a daemon answers on a TCP connection until it has nothing more to say: its bytes, and whether it closed.
pub fn over_tcp(daemon: SocketAddr, bytes: &[u8], wanted: usize) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(daemon).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket option");
    // It may close before it has read everything.
    let _ = stream.write_all(bytes);
    let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
    while answer.len() < wanted {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return (answer, true),
            Ok(n) => answer.extend_from_slice(&buffer[..n]),
        }
    }
    (answer, false)
}
