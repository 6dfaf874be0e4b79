//! Messages and wishes in any order, most of them nonsense: nothing panics, every dialog ends once, nothing is kept.

use std::collections::HashMap;
use std::time::Duration;

use jiesu::sip::auth::Credentials;
use jiesu::sip::endpoint::{Asked, ReferTo, Request};
use jiesu::sip::trunk::{Login, Trunk, Trunks, Unlisted};
use jiesu::sip::{Command, DialogId, Event, Invite, Message, Name, Transport};
use proptest::prelude::*;

use crate::calls::{SDP, response};
use crate::desk::{Desk, US, flow, request, to_of};

const OFFER: &str = "Content-Type: application/sdp\r\n\r\nv=0\r\n";
const METHODS: [&str; 9] = ["INVITE", "INVITE", "ACK", "BYE", "CANCEL", "UPDATE", "PRACK", "INFO", "NOTIFY"];
const CODES: [u16; 15] = [100, 180, 183, 183, 200, 200, 202, 302, 401, 401, 422, 481, 486, 491, 500];
const HEADERS: [&str; 8] = [
    "",
    "Require: 100rel\r\n",
    "Supported: 100rel, timer\r\nAllow: UPDATE\r\n",
    "Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n",
    "Session-Expires: 90;refresher=uac\r\nMin-SE: 100\r\nRequire: 100rel\r\nRSeq: 1\r\n",
    "WWW-Authenticate: Digest realm=\"c\", nonce=\"n\"\r\n",
    "WWW-Authenticate: Digest realm=\"c\", nonce=\"n\", stale=true, qop=\"auth\"\r\n",
    "Event: refer\r\nSubscription-State: terminated\r\n",
];

#[derive(Debug, Clone)]
enum Step {
    Request {
        method: usize,
        number: u32,
        branch: u8,
        inside: bool,
        more: usize,
        offer: bool,
    },
    /// A response to one of the last requests of ours.
    Response {
        which: usize,
        code: usize,
        fork: u8,
        more: usize,
        offer: bool,
    },
    /// A PRACK that fits the last reliable response.
    Prack {
        number: u32,
        offer: bool,
    },
    Wish {
        which: usize,
        dialog: usize,
    },
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..METHODS.len(), 1..6_u32, 0..4_u8, any::<bool>(), 0..HEADERS.len(), any::<bool>()).prop_map(
            |(method, number, branch, inside, more, offer)| Step::Request { method, number, branch, inside, more, offer }
        ),
        3 => (0..4_usize, 0..CODES.len(), 0..2_u8, 0..HEADERS.len(), any::<bool>())
            .prop_map(|(which, code, fork, more, offer)| Step::Response { which, code, fork, more, offer }),
        1 => (2..6_u32, any::<bool>()).prop_map(|(number, offer)| Step::Prack { number, offer }),
        5 => (0..15_usize, 0..4_usize).prop_map(|(which, dialog)| Step::Wish { which, dialog }),
        1 => (1..70_000_u64).prop_map(Step::Wait),
    ]
}

struct Soup {
    desk: Desk,
    /// Whether each dialog is over.
    dialogs: HashMap<DialogId, bool>,
    order: Vec<DialogId>,
    heard: usize,
}

impl Soup {
    fn look(&mut self) {
        for event in &self.desk.events[self.heard..] {
            let Some(dialog) = event.dialog() else { continue };
            if matches!(event, Event::Invited { .. }) {
                assert!(self.dialogs.insert(dialog, false).is_none(), "a dialog begins once");
                self.order.push(dialog);
            }
            let over = self.dialogs.get_mut(&dialog).expect("it began");
            assert!(!*over, "{event:?} after the end");
            *over = matches!(event, Event::Ended { .. } | Event::Failed { .. } | Event::Response(_));
        }
        self.heard = self.desk.events.len();
    }

    fn ours(&self, which: usize) -> Option<Message> {
        let requests = self.desk.sent.iter().rev().map(|(_, message)| message).filter(|message| message.is_request());
        requests.filter(|message| message.cseq().is_some()).nth(which).cloned()
    }

    fn to(&self) -> String {
        let tagged = |message: &&Message| message.code().is_some_and(|code| (101..300).contains(&code));
        self.desk.sent.iter().rev().map(|(_, message)| message).find(tagged).map_or_else(|| US.to_owned(), to_of)
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Request { method, number, branch, inside, more, offer } => {
                let to = if *inside { self.to() } else { US.to_owned() };
                let more = format!("{}{}", HEADERS[*more], if *offer { OFFER } else { "" });
                self.desk.gets(request(METHODS[*method], *number, &format!("b{branch}"), &to, &more));
            }
            Step::Response { which, code, fork, more, offer } => {
                let Some(request) = self.ours(*which) else { return };
                let more = format!("{}{}", HEADERS[*more], if *offer { OFFER } else { "" });
                self.desk.gets(response(&request, CODES[*code], &more).replace("tag=theirs", &format!("tag=f{fork}")));
            }
            Step::Prack { number, offer } => {
                let reliable = |message: &&Message| message.header(Name::RSeq).is_some() && !message.is_request();
                let Some(one) = self.desk.sent.iter().rev().map(|(_, m)| m).find(reliable) else { return };
                let rseq = String::from_utf8_lossy(one.header(Name::RSeq).unwrap_or_default()).into_owned();
                let invite = one.cseq().map_or(0, |(number, _)| number);
                let more = format!("RAck: {rseq} {invite} INVITE\r\n{}", if *offer { OFFER } else { "" });
                let to = to_of(one);
                self.desk.gets(request("PRACK", *number, &format!("p{number}"), &to, &more));
            }
            Step::Wish { which, dialog } => {
                match which {
                    10 | 11 => return self.call(*which == 10),
                    13 => return self.ask(Asked::Options),
                    14 => {
                        return self.ask(Asked::Register {
                            user: "u".into(),
                            expires: 60,
                            call_id: "r".into(),
                            cseq: 1,
                        });
                    }
                    _ => {}
                }
                let Some(dialog) = self.order.get(self.order.len().saturating_sub(1 + dialog)).copied() else { return };
                let sdp = bytes::Bytes::from_static(SDP.as_bytes());
                let other = self.order.first().copied().unwrap_or(dialog);
                self.desk.command(match which {
                    0 => Command::Ring { dialog },
                    1 => Command::Progress { dialog, sdp },
                    2 => Command::Answer { dialog, sdp },
                    3 => Command::AnswerAgain { dialog, sdp },
                    4 => Command::RefuseAgain { dialog, code: 488 },
                    5 => Command::OfferAgain { dialog, sdp },
                    6 => Command::Acknowledge { dialog, sdp },
                    7 => Command::Refer { dialog, to: ReferTo::Instead(other), by: None },
                    8 => Command::Cancel { dialog },
                    12 => Command::Inform { dialog, content_type: "application/dtmf", body: "7".into() },
                    _ => Command::Hangup { dialog, reason: None },
                });
            }
            Step::Wait(millis) => self.desk.wait(Duration::from_millis(*millis)),
        }
    }

    fn call(&mut self, offer: bool) {
        let dialog = self.desk.endpoint.ids().next();
        self.dialogs.insert(dialog, false);
        self.order.push(dialog);
        self.desk.command(Command::Invite(Box::new(Invite {
            dialog,
            target: "sip:10086@192.0.2.9:5080".into(),
            flow: flow(Transport::Udp),
            from: "sip:12345@192.0.2.1".into(),
            display: None,
            sdp: if offer { SDP.into() } else { bytes::Bytes::new() },
            trunk: self.order.len().is_multiple_of(2).then(|| "t".into()),
            silence: None,
            routes: Vec::new(),
            headers: Vec::new(),
        })));
    }

    /// A request outside calls: over with its one answer.
    fn ask(&mut self, asked: Asked) {
        let id = self.desk.endpoint.ids().next();
        self.dialogs.insert(id, false);
        self.order.push(id);
        self.desk.command(Command::Request(Box::new(Request {
            id,
            asked,
            uri: "sip:192.0.2.9".into(),
            to: "sip:192.0.2.9".into(),
            from: None,
            flow: flow(Transport::Udp),
            trunk: Some("t".into()),
            within: Duration::from_secs(8),
        })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn any_soup_ends_and_leaves_nothing(steps in proptest::collection::vec(step(), 1..60)) {
        let credentials = Credentials { user: "u".into(), password: "p".into() };
        let mut trunk = Trunk::new("t", vec!["0.0.0.0/0".parse().expect("a network")]);
        trunk.login = Some(Login { realm: "c".into(), credentials });
        let desk = Desk::with(|config| config.trunks = Trunks::new(vec![trunk], Unlisted::Drop));
        let mut soup = Soup { desk, dialogs: HashMap::new(), order: Vec::new(), heard: 0 };
        for step in &steps {
            soup.step(step);
            soup.look();
        }
        for dialog in soup.order.clone() {
            soup.desk.command(Command::Hangup { dialog, reason: None });
        }
        soup.desk.wait(Duration::from_secs(600));
        soup.look();
        prop_assert!(soup.dialogs.values().all(|over| *over), "a dialog never ended");
        prop_assert!(soup.desk.is_empty(), "something is remembered: {:?}", soup.desk.endpoint.load());
    }
}
