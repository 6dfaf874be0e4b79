//! What passed between us and the carrier during one check: asked for evidence, drawn as ladders.

use jiff::tz::TimeZone;

use crate::sip::ladder::{Drawn, Passed, Way, draw};
use crate::sip::{Framing, Message, Method, Name, Trace};

/// Every message that can be read, the oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Wire(Vec<(Passed, Message)>);

impl Wire {
    pub fn of(trace: &Trace) -> Wire {
        let read = |passed: Passed| {
            let message = Message::parse(passed.bytes.clone(), Framing::Datagram).ok()?;
            Some((passed, message))
        };
        Wire(trace.messages().into_iter().filter_map(read).collect())
    }

    /// This and what passed afterwards.
    pub fn and(mut self, later: Wire) -> Wire {
        self.0.extend(later.0);
        self
    }

    fn way(&self, way: Way) -> impl Iterator<Item = &Message> {
        self.0.iter().filter(move |(passed, _)| passed.way == way).map(|(_, message)| message)
    }

    /// Their responses to requests of ours with this method.
    pub fn answers(&self, method: Method) -> impl Iterator<Item = &Message> {
        let of = move |message: &&Message| message.code().is_some() && message.cseq().is_some_and(|(_, m)| m == method);
        self.way(Way::In).filter(of)
    }

    /// Their last final response to this method.
    pub fn answer(&self, method: Method) -> Option<&Message> {
        self.answers(method).filter(|message| message.code() >= Some(200)).last()
    }

    /// Requests of ours with this method, repetitions included.
    pub fn sent(&self, method: Method) -> impl Iterator<Item = &Message> {
        self.way(Way::Out).filter(move |message| message.method() == Some(&method))
    }

    /// Requests of theirs.
    pub fn asked(&self, method: Method) -> impl Iterator<Item = &Message> {
        self.way(Way::In).filter(move |message| message.method() == Some(&method))
    }

    pub fn is_silent(&self) -> bool {
        self.way(Way::In).next().is_none()
    }

    /// What the other side says it is.
    pub fn agent(&self) -> Option<String> {
        let name = |message: &Message| {
            let text = message.header(Name::Server).or_else(|| message.header(Name::UserAgent))?;
            Some(String::from_utf8_lossy(text).into_owned())
        };
        self.way(Way::In).find_map(name)
    }

    /// One ladder a call.
    pub fn ladders(&self, drawn: Drawn, zone: &TimeZone) -> String {
        let passed: Vec<Passed> = self.0.iter().map(|(passed, _)| passed.clone()).collect();
        let mut calls: Vec<&[u8]> = Vec::new();
        for (_, message) in &self.0 {
            if !calls.contains(&message.call_id()) {
                calls.push(message.call_id());
            }
        }
        calls.iter().map(|call| draw(&passed, call, drawn, zone)).collect::<Vec<_>>().join("\n")
    }
}

/// `486 Busy Here`
pub(super) fn line(message: &Message) -> String {
    format!("{} {}", message.code().unwrap_or_default(), String::from_utf8_lossy(message.reason()))
}
