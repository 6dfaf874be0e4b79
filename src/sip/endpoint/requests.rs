//! Requests from outside: which transaction, which dialog, or a refusal.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Instant;

use bytes::Bytes;

use super::{Endpoint, Flow, ServerEntry, TrunkName};
use crate::sip::build::Builder;
use crate::sip::check::{self, Fault};
use crate::sip::message::Message;
use crate::sip::name::{Method, Name};
use crate::sip::server::Server;
use crate::sip::uri::Scheme;
use crate::sip::via::{COOKIE, Via};

impl Endpoint {
    /// A request that is wrong in itself gets its answer without being remembered (RFC 3261 section 8.2.7).
    pub(super) fn fault(&mut self, flow: Flow, message: &Message, fault: &Fault) {
        self.refused("bad_request", flow);
        if message.method() == Some(&Method::Ack) {
            return;
        }
        self.answer_stateless(flow, message, fault);
    }

    /// A request from a source that no trunk lists, where that is to be answered: 403, the same whatever it asks, and
    /// nothing is remembered.
    pub fn forbid(&mut self, flow: Flow, bytes: Bytes) {
        let Ok(message) = Message::parse(bytes, flow.framing()) else { return };
        let asks = message.method().is_some_and(|method| *method != Method::Ack);
        if asks && message.top_via().is_some() {
            // Not even the name of the product: whoever scans networks sorts by it.
            let tag = self.stateless_tag(&message);
            let bytes = Builder::answer(&message, flow.peer, 403, "Forbidden", Some(&tag)).finish();
            self.send(response_flow(flow, message.top_via()), bytes);
        }
    }

    /// The same request gets the same tag, without our remembering it.
    fn stateless_tag(&self, message: &Message) -> String {
        let mut hasher = DefaultHasher::new();
        (self.secret, message.call_id(), message.header(Name::From), message.header(Name::CSeq)).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    pub(super) fn answer_stateless(&mut self, flow: Flow, message: &Message, fault: &Fault) {
        let tag = self.stateless_tag(message);
        self.answer_with(flow, message, fault, &tag);
    }

    /// As [`Endpoint::answer_stateless`], with a tag of a dialog's.
    pub(super) fn answer_with(&mut self, flow: Flow, message: &Message, fault: &Fault, tag: &str) {
        let mut builder = Builder::answer(message, flow.peer, fault.code, fault.reason, Some(tag));
        builder = builder.feedback(self.feedback(message).as_deref());
        for (name, value) in &fault.headers {
            builder = builder.header(*name, value);
        }
        let bytes = builder.header(Name::Server, &self.config.agent).finish();
        self.send(response_flow(flow, message.top_via()), bytes);
    }

    /// A request that passed [`check::request`].
    pub(super) fn request(&mut self, now: Instant, flow: Flow, trunk: &TrunkName, message: Message) {
        let Some(method) = message.method().cloned() else { return };
        let key = server_key(&message, &method);
        if let Some(id) = self.server_keys.get(&key).copied() {
            self.repeated(now, id, &method, message);
            return;
        }
        match method {
            Method::Ack => self.acknowledged(now, &message),
            Method::Cancel => self.cancelled(now, flow, &message),
            _ if message.to().is_ok_and(|to| to.tag().is_some()) => self.inside(now, flow, key, &method, message),
            Method::Invite if !self.may_enter(now, flow, trunk, &message) => {}
            Method::Invite => self.invited(now, flow, trunk, key, message),
            Method::Options => self.options(flow, &message),
            Method::Bye => self.answer_stateless(flow, &message, &no_dialog()),
            Method::Other(_) => {
                let fault =
                    Fault { headers: vec![(Name::Allow, check::ALLOW.into())], ..Fault::new(501, "Not Implemented") };
                self.answer_stateless(flow, &message, &fault);
            }
            _ => self.answer_stateless(flow, &message, &not_allowed()),
        }
    }

    fn repeated(&mut self, now: Instant, id: u64, method: &Method, message: Message) {
        let Some(entry) = self.servers.get_mut(&id) else { return };
        if *method == Method::Ack {
            let todo = entry.tx.acknowledged();
            if todo.end.is_some() {
                self.serve(now, id, todo);
            } else {
                // The ACK of a 2xx whose sender kept the INVITE's branch.
                self.acknowledged(now, &message);
            }
            return;
        }
        let todo = entry.tx.repeated();
        self.serve(now, id, todo);
    }

    /// OPTIONS: what we are able to do, and whether we take calls (section 11.2).
    pub(super) fn options(&mut self, flow: Flow, message: &Message) {
        if self.draining || self.full || self.dialogs.len() >= self.config.max_dialogs {
            let fault = self.unavailable();
            return self.answer_stateless(flow, message, &fault);
        }
        self.able(flow, message);
    }

    /// What we are able to do. Inside a dialog that is all that OPTIONS asks: the call goes on while we drain.
    pub(super) fn able(&mut self, flow: Flow, message: &Message) {
        let headers = vec![
            (Name::Allow, check::ALLOW.to_owned()),
            (Name::Accept, check::ACCEPT.to_owned()),
            (Name::Supported, check::SUPPORTED.join(", ")),
        ];
        let asked = message.request_uri().is_ok_and(|uri| uri.scheme == Scheme::Sips);
        let contact = if asked { self.sips_contact(&flow) } else { self.own_contact(&flow) };
        let mut headers: Vec<_> = headers.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        headers.push((Name::Contact, contact));
        self.answer_stateless(flow, message, &Fault { headers, ..Fault::new(200, "OK") });
    }

    pub(super) fn unavailable(&self) -> Fault {
        let seconds = self.config.retry_after.as_secs().max(1).to_string();
        Fault { headers: vec![(Name::RetryAfter, seconds)], ..Fault::new(503, "Service Unavailable") }
    }

    /// Whether one more INVITE may be remembered; answers it where not. (A BYE always may: it ends its dialog.)
    pub(super) fn has_room(&mut self, flow: Flow, message: &Message) -> bool {
        if self.servers.len() < self.config.max_transactions {
            return true;
        }
        self.refused("transactions_full", flow);
        let fault = self.unavailable();
        self.answer_stateless(flow, message, &fault);
        false
    }

    /// Remembers a server transaction.
    pub(super) fn remember(&mut self, flow: Flow, key: Box<[u8]>, message: &Message, invite: bool) -> u64 {
        let id = self.number();
        let tx = Server::new(invite, flow.transport.is_reliable(), self.config.timing);
        let flow = response_flow(flow, message.top_via());
        self.server_keys.insert(key.clone(), id);
        self.servers.insert(id, ServerEntry { tx, key, merge: None, flow, dialog: None });
        id
    }

    /// Answers a request inside a dialog that needs nobody else, and remembers it: repeated it changes nothing.
    pub(super) fn settle(&mut self, now: Instant, flow: Flow, key: Box<[u8]>, message: &Message, answer: &Fault) {
        let server = self.remember(flow, key, message, false);
        let mut builder = Builder::answer(message, flow.peer, answer.code, answer.reason, None);
        for (name, value) in &answer.headers {
            builder = builder.header(*name, value);
        }
        self.respond(now, server, answer.code, builder.header(Name::Server, &self.config.agent).finish());
    }

    /// Sends a response through its transaction.
    pub(super) fn respond(&mut self, now: Instant, server: u64, code: u16, bytes: Bytes) {
        let Some(entry) = self.servers.get_mut(&server) else { return };
        let todo = entry.tx.respond(code, bytes);
        self.serve(now, server, todo);
    }
}

pub(super) fn no_dialog() -> Fault {
    Fault::new(481, "Call/Transaction Does Not Exist")
}

pub(super) fn not_allowed() -> Fault {
    Fault { headers: vec![(Name::Allow, check::ALLOW.into())], ..Fault::new(405, "Method Not Allowed") }
}

/// Responses go back the way the request came (RFC 3261 18.2.2, RFC 3581).
fn response_flow(flow: Flow, via: Option<Via<'_>>) -> Flow {
    if flow.transport.is_reliable() {
        return flow;
    }
    Flow { peer: via.map_or(flow.peer, |via| via.response_to(flow.peer)), ..flow }
}

/// What makes two requests the same transaction (section 17.2.3): branch, sent-by and method, where ACK counts as
/// INVITE; for RFC 2543 peers the headers that the section lists.
pub(super) fn server_key(message: &Message, method: &Method) -> Box<[u8]> {
    let method = if *method == Method::Ack { "INVITE" } else { method.as_str() };
    let mut key = Vec::with_capacity(96);
    let Some(via) = message.top_via() else { return key.into() };
    let mut add = |part: &[u8]| {
        key.extend_from_slice(part);
        key.push(0);
    };
    add(method.as_bytes());
    add(via.host);
    add(&via.port.unwrap_or(5060).to_be_bytes());
    match via.branch() {
        Some(branch) if branch.len() > COOKIE.len() && branch[..COOKIE.len()].eq_ignore_ascii_case(COOKIE) => {
            add(branch)
        }
        other => {
            add(other.unwrap_or_default());
            add(message.request_uri_bytes());
            add(message.from().ok().and_then(|from| from.tag()).unwrap_or_default());
            add(message.call_id());
            add(&message.cseq().map_or(0, |(number, _)| number).to_be_bytes());
        }
    }
    key.into()
}
