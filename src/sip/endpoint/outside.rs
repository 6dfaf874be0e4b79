//! Requests of ours outside calls: OPTIONS (RFC 3261 section 11) and REGISTER (section 10.2). Each is one transaction
//! and has exactly one [`Event::Response`].
//!
//! Who is asked, and when, is [`crate::sip::trunk::health`]'s and [`crate::sip::registration`]'s; nothing is repeated
//! here but a request that was challenged.

use std::time::{Duration, Instant};

use super::{DialogId, Due, Endpoint, Event, Flow, TrunkName};
use crate::sip::build::Builder;
use crate::sip::check;
use crate::sip::message::Message;
use crate::sip::name::{Method, Name};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Whether the peer is there, and what it is able to do.
    Options,
    /// That requests for us come to this address.
    Register {
        /// The user part of our Contact.
        user: String,
        /// For so many seconds; 0 takes the registration back.
        expires: u32,
        /// The same for all of one registration (section 10.2).
        call_id: String,
        /// Counts on from the last one's.
        cseq: u32,
    },
}

/// A request of ours outside calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// From [`super::Ids`]; the answer comes under it.
    pub id: DialogId,
    pub asked: Asked,
    /// Request-URI.
    pub uri: String,
    pub to: String,
    /// `None`: our address.
    pub from: Option<String>,
    /// Where it goes. `connection` 0.
    pub flow: Flow,
    /// The trunk whose login answers challenges.
    pub trunk: Option<TrunkName>,
    /// How long the final answer is waited for, challenges included.
    pub within: Duration,
}

/// What became of it.
#[derive(Debug, Clone)]
pub struct Response {
    pub id: DialogId,
    /// The final answer's; 408 where none came in time, 503 where there was no way or no room.
    pub code: u16,
    /// `None`: the code is ours.
    pub message: Option<Message>,
    /// The URI of our Contact, as it was sent last.
    pub contact: String,
    /// The CSeq number that was used last.
    pub cseq: u32,
}

impl Response {
    /// A request that was not sent.
    pub fn unsent(request: &Request, code: u16) -> Response {
        let cseq = match request.asked {
            Asked::Options => 1,
            Asked::Register { cseq, .. } => cseq,
        };
        Response { id: request.id, code, message: None, contact: String::new(), cseq }
    }
}

/// One that waits for its answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) client: u64,
    pub(super) cseq: u32,
    contact: String,
    until: Instant,
}

impl Endpoint {
    pub(super) fn ask(&mut self, now: Instant, request: Request) {
        let (method, call_id, cseq, user) = match &request.asked {
            Asked::Options => (Method::Options, format!("{}{:08x}", self.token(), request.id.0), 1, None),
            Asked::Register { user, call_id, cseq, .. } => (Method::Register, call_id.clone(), *cseq, Some(user)),
        };
        let contact = self.contact_uri(&request.flow, user.map_or("", String::as_str));
        if self.clients.len() >= self.config.max_transactions {
            return self.event(Event::Response(Response::unsent(&request, 503)));
        }
        let (tag, branch) = (self.token(), self.branch());
        let from = request.from.unwrap_or_else(|| self.contact_uri(&request.flow, ""));
        let mut builder = Builder::request(&method, &request.uri)
            .header(Name::Via, self.own_via(&request.flow, &branch))
            .header(Name::MaxForwards, "70")
            .header(Name::From, format!("<{from}>;tag={tag}"))
            .header(Name::To, format!("<{}>", request.to))
            .header(Name::CallId, &call_id)
            .header(Name::CSeq, format!("{cseq} {method}"))
            .header(Name::Contact, format!("<{contact}>"));
        builder = match &request.asked {
            Asked::Options => builder.header(Name::Accept, check::ACCEPT),
            Asked::Register { expires, .. } => builder.header(Name::Expires, expires.to_string()),
        };
        let bytes = builder.header(Name::Allow, check::ALLOW).header(Name::UserAgent, &self.config.agent).finish();
        let until = now + request.within;
        let client = self.begin(now, request.flow, request.id, method, &branch, bytes);
        self.timers.set(Due::ClientEnd(client), until);
        if let Some(trunk) = request.trunk {
            self.challenges.belongs(request.id, trunk);
        }
        self.waiting.insert(request.id, Waiting { client, cseq, contact, until });
    }

    /// Our Contact's URI for requests that arrive over `flow`.
    fn contact_uri(&self, flow: &Flow, user: &str) -> String {
        let contact = self.own_contact(flow);
        let bare = contact.trim_matches(['<', '>']);
        match bare.split_once(':').filter(|_| !user.is_empty()) {
            Some((scheme, rest)) => format!("{scheme}:{user}@{rest}"),
            None => bare.to_owned(),
        }
    }

    /// It was sent again, with the answer to a challenge.
    pub(super) fn asked_again(&mut self, id: DialogId, client: u64) {
        let Some(waiting) = self.waiting.get_mut(&id) else { return };
        waiting.client = client;
        let until = waiting.until;
        self.timers.set(Due::ClientEnd(client), until); // no time is won by asking for a password
    }

    /// A response, or (`None`) word that there will be none.
    pub(super) fn asked_for(&mut self, id: DialogId, client: u64, code: u16, message: Option<&Message>) {
        if code < 200 || self.waiting.get(&id).is_none_or(|waiting| waiting.client != client) {
            return;
        }
        let Some(waiting) = self.waiting.remove(&id) else { return };
        self.challenges.forget(id);
        let Waiting { contact, cseq, .. } = waiting;
        self.event(Event::Response(Response { id, code, message: message.cloned(), contact, cseq }));
    }
}

/// How long a registration counts that `response`, a 2xx, tells of, in seconds: our Contact's `expires`, else the header
/// Expires (section 10.2.4), else what was asked. A registrar lists every Contact of the address, not ours alone.
pub fn granted(response: &Message, contact: &str, asked: u32) -> u32 {
    let ours = |uri: &[u8]| same_contact(uri, contact.as_bytes());
    let mut listed = response.addresses(Name::Contact).filter_map(Result::ok);
    let own = listed.find(|address| ours(address.uri.raw)).and_then(|address| address.params.get("expires"));
    let general = || response.header(Name::Expires);
    let seconds = own.or_else(general).and_then(|text| crate::sip::parse::decimal(text.trim_ascii(), u32::MAX.into()));
    seconds.map_or(asked, |seconds| seconds as u32)
}

/// The same user at the same address; a registrar may put parameters there or leave ours out.
fn same_contact(one: &[u8], other: &[u8]) -> bool {
    let parts = |raw: &[u8]| {
        let uri = crate::sip::uri::Uri::parse(raw).ok()?;
        Some((uri.user_text(), uri.host.to_ascii_lowercase(), uri.port.unwrap_or(5060)))
    };
    parts(one).is_some_and(|one| parts(other) == Some(one))
}
