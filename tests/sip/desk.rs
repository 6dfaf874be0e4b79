//! What these tests share: one endpoint on a clock of its own, fed with text.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiesu::sip::endpoint::{Config, Load};
use jiesu::sip::trunk::{Trunk, Trunks, Unlisted};
use jiesu::sip::{Command, DialogId, Endpoint, Event, Flow, Framing, Message, Output, Transport};

/// The torture files, if they are on this machine.
pub fn shared() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("JIESU_SHARED").map_or_else(beside, PathBuf::from).join("sip-torture");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIPPED: no torture files in {} (set JIESU_SHARED)", folder.display());
    None
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

pub fn flow(transport: Transport) -> Flow {
    let connection = u64::from(transport.is_reliable());
    Flow { transport, local: address("192.0.2.1:5060"), peer: address("192.0.2.9:5080"), connection }
}

/// Every address is on this trunk.
pub fn everywhere() -> Trunks {
    let addresses = ["0.0.0.0/0", "::/0"].map(|net| net.parse().expect("a network")).to_vec();
    Trunks::new(vec![Trunk::new("t", addresses)], Unlisted::Drop)
}

/// An endpoint and what came out of it.
pub struct Desk {
    pub endpoint: Endpoint,
    pub now: Instant,
    pub sent: Vec<(Flow, Message)>,
    pub events: Vec<Event>,
}

impl Desk {
    pub fn new() -> Desk {
        Desk::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Config)) -> Desk {
        let mut config = Config { trunks: everywhere(), ..Config::default() };
        change(&mut config);
        Desk { endpoint: Endpoint::new(config, [7; 32]), now: Instant::now(), sent: Vec::new(), events: Vec::new() }
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Send { flow, bytes } => {
                    let message = Message::parse(bytes, Framing::Datagram).expect("what we send can be read");
                    self.sent.push((flow, message));
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    /// Bytes from the usual peer over UDP.
    pub fn gets(&mut self, bytes: impl AsRef<[u8]>) {
        self.gets_from(flow(Transport::Udp), bytes);
    }

    pub fn gets_from(&mut self, flow: Flow, bytes: impl AsRef<[u8]>) {
        self.endpoint.receive(self.now, flow, &"t".into(), Bytes::copy_from_slice(bytes.as_ref()));
        self.drain();
    }

    pub fn command(&mut self, command: Command) {
        self.endpoint.command(self.now, command);
        self.drain();
    }

    /// Time passes; everything that falls due happens on time.
    pub fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.endpoint.next_deadline().filter(|at| *at <= until) {
            self.now = at;
            self.endpoint.expire(at);
            self.drain();
        }
        self.now = until;
    }

    /// Codes and methods of everything sent since the last look, as words.
    pub fn sent(&mut self) -> Vec<String> {
        let word = |message: &Message| match (message.code(), message.method()) {
            (Some(code), _) => code.to_string(),
            (None, Some(method)) => method.to_string(),
            (None, None) => unreachable!("a message is one or the other"),
        };
        self.sent.drain(..).map(|(_, message)| word(&message)).collect()
    }

    /// The one message that was sent since the last look.
    pub fn only(&mut self) -> Message {
        assert_eq!(self.sent.len(), 1, "{:?}", self.sent);
        self.sent.remove(0).1
    }

    /// Names of the events since the last look.
    pub fn events(&mut self) -> Vec<String> {
        self.events.drain(..).map(|event| name(&event)).collect()
    }

    pub fn dialog(&self) -> DialogId {
        self.events.iter().rev().find_map(Event::dialog).expect("a dialog")
    }

    pub fn is_empty(&self) -> bool {
        self.endpoint.load() == Load::default()
    }
}

fn name(event: &Event) -> String {
    match event {
        Event::Ended { why, .. } => format!("Ended {}", why.as_str()),
        Event::Failed { code, .. } => format!("Failed {code}"),
        Event::Refused { why, .. } => format!("Refused {why}"),
        Event::RefusedAgain { code, .. } => format!("RefusedAgain {code}"),
        other => {
            let text = format!("{other:?}");
            text.split([' ', '{']).next().unwrap_or_default().to_owned()
        }
    }
}

/// A request of the usual peer. `to` is the whole value of To; `more` are further header lines.
pub fn request(method: &str, number: u32, branch: &str, to: &str, more: &str) -> String {
    format!(
        "{method} sip:12345@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5080;rport;branch=z9hG4bK{branch}\r\n\
         Max-Forwards: 70\r\nFrom: \"x\" <sip:13800001111@192.0.2.9>;tag=peer\r\nTo: {to}\r\nCall-ID: call\r\n\
         CSeq: {number} {method}\r\nContact: <sip:13800001111@192.0.2.9:5080>\r\n{more}\r\n"
    )
}

pub const US: &str = "<sip:12345@192.0.2.1>";

pub fn invite() -> String {
    request("INVITE", 1, "i", US, "")
}

/// The To of a response, with our tag.
pub fn to_of(response: &Message) -> String {
    String::from_utf8_lossy(response.header(jiesu::sip::Name::To).expect("To")).into_owned()
}
