//! An endpoint between a hostile network and a fickle user: every dialog ends once, and with time all is forgotten.
//!
//! The input is a list of steps: a byte that says which, then what the step needs.
#![no_main]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jiesu::sip::endpoint::{Config, Load, ReferTo};
use jiesu::sip::trunk::{Trunk, Trunks, Unlisted};
use jiesu::sip::{Command, DialogId, Endpoint, Event, Flow, Framing, Invite, Message, Name, Output, Transport};
use libfuzzer_sys::fuzz_target;

const METHODS: [&str; 11] =
    ["INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "UPDATE", "PRACK", "INFO", "NOTIFY", "REGISTER", "FROB"];
/// What makes the extensions speak.
const EXTENSIONS: [&str; 5] = [
    "",
    "Require: 100rel\r\n",
    "Supported: 100rel, timer\r\nAllow: UPDATE\r\nSession-Expires: 90\r\n",
    "Session-Expires: 90;refresher=uac\r\nRAck: 1 1 INVITE\r\n",
    "Event: refer\r\nSubscription-State: terminated\r\nRSeq: 1\r\n",
];
const CODES: [u16; 12] = [100, 180, 183, 200, 202, 302, 408, 481, 486, 487, 491, 600];

struct Steps<'a>(&'a [u8]);

impl<'a> Steps<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or(0)) * 4;
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

struct World {
    endpoint: Endpoint,
    now: Instant,
    /// Whether each dialog is over.
    dialogs: HashMap<DialogId, bool>,
    order: Vec<DialogId>,
    /// What we sent; responses are made for the requests among it, and our tags are found in it.
    sent: Vec<Message>,
}

fn flow(transport: Transport) -> Flow {
    let address = |text: &str| text.parse().expect("an address");
    Flow { transport, local: address("192.0.2.1:5060"), peer: address("192.0.2.9:5080"), connection: 0 }
}

impl World {
    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll() {
            match output {
                Output::Send { bytes, .. } => {
                    self.sent.push(Message::parse(bytes, Framing::Stream).expect("what we send can be read"));
                }
                Output::Event(event) => self.event(&event),
            }
        }
    }

    fn event(&mut self, event: &Event) {
        let Some(dialog) = event.dialog() else { return };
        if matches!(event, Event::Invited { .. }) {
            assert!(self.dialogs.insert(dialog, false).is_none(), "a dialog begins once");
            self.order.push(dialog);
        }
        let over = self.dialogs.get_mut(&dialog).expect("it began");
        assert!(!*over, "{event:?} after the end");
        *over = matches!(event, Event::Ended { .. } | Event::Failed { .. });
    }

    /// A request from a few calls, branches and tags, so that it often fits what is there.
    fn request(&self, steps: &mut Steps<'_>) -> String {
        let mut pick = || usize::from(steps.byte().unwrap_or(0));
        let method = METHODS[pick() % METHODS.len()];
        let (call, number) = (pick() % 3, pick() % 5);
        let branch = pick() % 4;
        let to = match (pick() % 3, self.sent.iter().rev().find(|m| m.code().is_some_and(|code| code > 100))) {
            (0, _) | (_, None) => "<sip:12345@192.0.2.1>".to_owned(),
            (_, Some(answer)) => String::from_utf8_lossy(answer.header(Name::To).unwrap_or_default()).into_owned(),
        };
        let body = if pick() % 2 == 0 { "Content-Type: application/sdp\r\n\r\nv=0\r\n" } else { "\r\n" };
        let more = EXTENSIONS[pick() % EXTENSIONS.len()];
        format!(
            "{method} sip:12345@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5080;branch=z9hG4bK{branch}\r\n\
             From: <sip:a@192.0.2.9>;tag=t{call}\r\nTo: {to}\r\nCall-ID: {call}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:a@192.0.2.9:5080>\r\n{more}{body}"
        )
    }

    fn response(&self, steps: &mut Steps<'_>) -> Option<String> {
        let requests: Vec<&Message> = self.sent.iter().rev().filter(|message| message.is_request()).take(4).collect();
        let request = requests.get(usize::from(steps.byte()?) % requests.len().max(1))?;
        let code = CODES[usize::from(steps.byte()?) % CODES.len()];
        let value = |name| String::from_utf8_lossy(request.header(name).unwrap_or_default()).into_owned();
        let tag = if value(Name::To).contains("tag=") { String::new() } else { format!(";tag={}", steps.byte()? % 2) };
        let more = EXTENSIONS[usize::from(steps.byte()?) % EXTENSIONS.len()];
        Some(format!(
            "SIP/2.0 {code} x\r\nVia: {}\r\nFrom: {}\r\nTo: {}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:b@192.0.2.9>\r\n{more}\r\n",
            value(Name::Via),
            value(Name::From),
            value(Name::To),
            value(Name::CallId),
            value(Name::CSeq),
        ))
    }

    fn command(&mut self, steps: &mut Steps<'_>) -> Option<Command> {
        let what = steps.byte()?;
        let sdp = Bytes::from_static(b"v=0\r\n");
        if what % 10 == 0 {
            let dialog = self.endpoint.ids().next();
            self.dialogs.insert(dialog, false);
            self.order.push(dialog);
            let transport = if what >= 128 { Transport::Tcp } else { Transport::Udp };
            return Some(Command::Invite(Box::new(Invite {
                dialog,
                target: "sip:b@192.0.2.9".into(),
                flow: flow(transport),
                from: "sip:12345@192.0.2.1".into(),
                display: None,
                sdp,
                routes: Vec::new(),
                trunk: None,
                silence: None,
                headers: Vec::new(),
            })));
        }
        let dialog = *self.order.get(usize::from(steps.byte()?) % self.order.len().max(1))?;
        if what % 16 == 15 {
            return Some(match what / 16 % 5 {
                0 => Command::Progress { dialog, sdp },
                1 => Command::Acknowledge { dialog, sdp },
                4 => Command::Inform { dialog, content_type: "application/dtmf", body: "7".into() },
                2 => Command::Refer { dialog, to: ReferTo::Uri("sip:c@192.0.2.9".into()), by: None },
                _ => {
                    let other = *self.order.get(usize::from(steps.byte()?) % self.order.len().max(1))?;
                    Command::Refer { dialog, to: ReferTo::Instead(other), by: None }
                }
            });
        }
        Some(match what % 10 {
            1 => Command::Ring { dialog },
            2 => Command::Answer { dialog, sdp },
            3 => Command::Refuse { dialog, code: 486, reason: "Busy Here", retry_after: None },
            4 => Command::AnswerAgain { dialog, sdp },
            5 => Command::RefuseAgain { dialog, code: 488 },
            6 => Command::OfferAgain { dialog, sdp },
            7 => Command::Cancel { dialog },
            8 => Command::Drain(what >= 128),
            _ => Command::Hangup { dialog, reason: None },
        })
    }

    fn wait(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(at) = self.endpoint.next_deadline().filter(|at| *at <= until) {
            self.now = at;
            self.endpoint.expire(at);
            self.drain();
        }
        self.now = until;
    }
}

fuzz_target!(|input: &[u8]| {
    let everywhere = ["0.0.0.0/0", "::/0"].map(|net| net.parse().expect("a network")).to_vec();
    let trunks = Trunks::new(vec![Trunk::new("t", everywhere)], Unlisted::Drop);
    let config = Config { trunks, max_dialogs: 4, max_transactions: 8, ..Config::default() };
    let mut world = World {
        endpoint: Endpoint::new(config, [7; 32]),
        now: Instant::now(),
        dialogs: HashMap::new(),
        order: Vec::new(),
        sent: Vec::new(),
    };
    let mut steps = Steps(input);
    while let Some(step) = steps.byte() {
        let transport = if step >= 128 { Transport::Tcp } else { Transport::Udp };
        let text = match step % 6 {
            0 => Some(Bytes::copy_from_slice(steps.bytes())),
            1 | 2 => Some(world.request(&mut steps).into()),
            3 => world.response(&mut steps).map(Bytes::from),
            4 => {
                if let Some(command) = world.command(&mut steps) {
                    world.endpoint.command(world.now, command);
                }
                None
            }
            _ => {
                let span = u64::from(steps.byte().unwrap_or(0));
                world.wait(Duration::from_millis(span * span));
                None
            }
        };
        if let Some(text) = text {
            world.endpoint.receive(world.now, flow(transport), &"t".into(), text);
        }
        world.drain();
    }
    // The user hangs up, and the network is silent.
    world.endpoint.close(world.now);
    world.drain();
    world.wait(Duration::from_secs(600));
    assert!(world.dialogs.values().all(|over| *over), "every dialog ends");
    assert_eq!(world.endpoint.load(), Load::default(), "nothing is remembered");
});
