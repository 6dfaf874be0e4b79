//! Requests of ours: INVITE, CANCEL, ACK, BYE.

use std::time::Instant;

use bytes::Bytes;

use super::{ClientEntry, DialogId, Due, Endpoint, Event, Flow, Invite, Why};
use crate::sip::build::Builder;
use crate::sip::check;
use crate::sip::client::Client;
use crate::sip::dialog::{Ack, Cancel, Dialog, Life, Offer};
use crate::sip::message::{Framing, Message};
use crate::sip::name::{Method, Name};
use crate::sip::reason::Reason;
use crate::sip::server::Todo;
use crate::sip::session;

/// The longest session interval that we let ourselves be talked into, in seconds.
const MAX_SESSION: u64 = 86_400;

impl Endpoint {
    pub(super) fn invite(&mut self, now: Instant, invite: Invite) {
        if self.clients.len() >= self.config.max_transactions || self.dialogs.len() >= self.config.max_dialogs {
            let reason = "too many calls of ours".to_owned();
            return self.event(Event::Failed { dialog: invite.dialog, code: 503, reason, cause: None });
        }
        let (tag, branch, call) = (self.token(), self.branch(), self.token());
        let unquotable = |c: char| c == '"' || c == '\\' || c.is_control();
        let display = invite.display.map(|d| format!("\"{}\" ", d.replace(unquotable, ""))).unwrap_or_default();
        let local = format!("{display}<{}>;tag={tag}", invite.from);
        let key = (Bytes::from(format!("{call}{:08x}", invite.dialog.0)), Bytes::from(tag));
        let mut dialog = Dialog {
            local,
            remote: format!("<{}>", invite.target),
            target: invite.target,
            routes: invite.routes,
            offer: if invite.sdp.is_empty() { Offer::None } else { Offer::Ours },
            sdp: invite.sdp.clone(),
            // Up is set right once the transaction has its number.
            ..Dialog::new(invite.dialog, Life::Up, key, invite.flow)
        };
        let via = self.own_via(&invite.flow, &branch);
        let contact = self.contact_in(&dialog, &invite.flow);
        let mut builder = dialog
            .request(&Method::Invite, None, &via, &contact)
            .header(Name::Allow, check::ALLOW)
            // An offer in a reliable 18x would want its answer in PRACK: where we do not offer, there is no 100rel.
            .header(Name::Supported, if invite.sdp.is_empty() { "timer" } else { "100rel, timer" })
            .header(Name::UserAgent, &self.config.agent);
        if !self.config.session.is_zero() {
            // Without a refresher: the other side chooses who it is (RFC 4028 section 7.1).
            builder = builder.header(Name::SessionExpires, self.config.session.as_secs().to_string());
        }
        for (name, value) in &invite.headers {
            builder = builder.other(name, value);
        }
        let bytes = builder.body("application/sdp", &invite.sdp);
        let client = self.begin(now, invite.flow, invite.dialog, Method::Invite, &branch, bytes);
        dialog.life = Life::Calling { client, cancel: Cancel::No };
        if let Some(silence) = invite.silence {
            self.timers.set(Due::ClientEnd(client), now + silence); // 100 lengthens it
        }
        if let Some(trunk) = invite.trunk {
            self.challenges.belongs(dialog.id, trunk);
        }
        self.dialog_keys.insert(dialog.key(), dialog.id);
        self.dialogs.insert(dialog.id, dialog);
    }

    /// Starts a client transaction.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        flow: Flow,
        dialog: DialogId,
        method: Method,
        branch: &str,
        bytes: Bytes,
    ) -> u64 {
        let id = self.number();
        let invite = method == Method::Invite;
        let (tx, todo) = Client::start(invite, flow.transport.is_reliable(), self.config.timing, bytes);
        let key = client_key(branch.as_bytes(), &method);
        self.client_keys.insert(key.clone(), id);
        self.clients.insert(id, ClientEntry { tx, key, method, flow, dialog, answered: None, tries: 0 });
        self.drive(now, id, todo);
        id
    }

    /// Carries out what a client transaction wants.
    pub(super) fn drive(&mut self, now: Instant, id: u64, todo: Todo) {
        let Some(entry) = self.clients.get(&id) else { return };
        if let Some(bytes) = todo.send {
            let flow = entry.flow;
            self.send(flow, bytes);
        }
        if todo.quiet {
            self.timers.cancel(&Due::ClientAgain(id));
        }
        if let Some(again) = todo.again {
            self.timers.set(Due::ClientAgain(id), now + again);
        }
        if let Some(end) = todo.end {
            self.timers.set(Due::ClientEnd(id), now + end);
        }
        if todo.over {
            self.timers.cancel(&Due::ClientEnd(id));
            if let Some(entry) = self.clients.remove(&id) {
                self.client_keys.remove(&entry.key);
            }
        }
    }

    pub(super) fn cancel(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Life::Calling { client, cancel, .. } = &mut dialog.life else {
            return self.hang_up(now, id, None); // the answer was faster
        };
        if *cancel == Cancel::Sent {
            return;
        }
        let client = *client;
        let rings = self.clients.get(&client).is_some_and(|entry| entry.tx.is_proceeding());
        *cancel = if rings { Cancel::Sent } else { Cancel::Wanted };
        if rings {
            self.send_cancel(now, client);
        }
    }

    /// Section 9.1: the INVITE's Request-URI, Call-ID, To, From, CSeq number, Route and the same top Via.
    fn send_cancel(&mut self, now: Instant, client: u64) {
        let Some(entry) = self.clients.get(&client) else { return };
        let (flow, dialog) = (entry.flow, entry.dialog);
        let Ok(invite) = Message::parse(entry.tx.request().clone(), Framing::Stream) else { return };
        let uri = String::from_utf8_lossy(invite.request_uri_bytes()).into_owned();
        let mut builder = Builder::request(&Method::Cancel, &uri);
        for name in [Name::Via, Name::From, Name::To, Name::CallId, Name::Route] {
            builder = builder.copy(&invite, name);
        }
        let number = invite.cseq().map_or(1, |(number, _)| number);
        let bytes = builder.header(Name::CSeq, format!("{number} CANCEL")).header(Name::MaxForwards, "70").finish();
        let branch = invite.top_via().and_then(|via| via.branch()).unwrap_or_default().to_vec();
        let branch = String::from_utf8_lossy(&branch).into_owned();
        self.begin(now, flow, dialog, Method::Cancel, &branch, bytes);
        // Section 9.1: if no final answer to the INVITE comes within 64*T1, it is taken as cancelled.
        self.timers.set(Due::ClientEnd(client), now + self.config.timing.long());
    }

    /// ACK of a 2xx (section 13.2.2.4): outside any transaction, sent again for every repetition of the 2xx.
    pub(super) fn acknowledge(&mut self, id: DialogId, number: u32) {
        let branch = self.branch();
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let flow = self.way(dialog);
        let (via, contact) = (self.own_via(&flow, &branch), self.own_contact(&flow));
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let sdp = match &dialog.ack {
            Ack::Plain => Bytes::new(),
            Ack::Owed(owed) if *owed == number => return, // the user's answer goes with it
            Ack::Owed(_) => Bytes::new(),
            Ack::With { cseq, sdp } => {
                if *cseq == number {
                    sdp.clone()
                } else {
                    Bytes::new()
                }
            }
        };
        let bytes = dialog.request(&Method::Ack, Some(number), &via, &contact).body("application/sdp", &sdp);
        self.send(flow, bytes);
    }

    /// The user's answer to the offer in a 2xx.
    pub(super) fn owed(&mut self, id: DialogId, sdp: Bytes) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Ack::Owed(cseq) = dialog.ack else { return };
        dialog.offer = Offer::None;
        dialog.sdp.clone_from(&sdp);
        dialog.ack = Ack::With { cseq, sdp };
        self.acknowledge(id, cseq);
    }

    /// 422 to our INVITE: again, with the session interval that the other side wants (RFC 4028 section 7.3). `false`:
    /// it was asked for already, or is absurd.
    pub(super) fn invite_longer(&mut self, now: Instant, id: DialogId, response: &Message) -> bool {
        let min = session::min(response);
        let Some(dialog) = self.dialogs.get_mut(&id) else { return false };
        let Life::Calling { client, .. } = dialog.life else { return false };
        // Each round must ask for more, and nobody needs more than a day.
        if min <= dialog.min_session.max(check::MIN_SESSION) || min > MAX_SESSION {
            return false;
        }
        dialog.min_session = min;
        let Some(entry) = self.clients.get(&client) else { return false };
        let flow = entry.flow;
        let Ok(old) = Message::parse(entry.tx.request().clone(), Framing::Stream) else { return false };
        let branch = self.branch();
        let via = self.own_via(&flow, &branch);
        let Some(dialog) = self.dialogs.get_mut(&id) else { return false };
        dialog.local_cseq += 1;
        dialog.forks.clear(); // the early dialogs are the old INVITE's
        let uri = String::from_utf8_lossy(old.request_uri_bytes()).into_owned();
        let mut builder = Builder::request(&Method::Invite, &uri).header(Name::Via, via);
        for (name, as_written, value) in old.all() {
            match name {
                Name::Via | Name::ContentLength | Name::ContentType | Name::SessionExpires | Name::MinSe => {}
                Name::CSeq => builder = builder.header(Name::CSeq, format!("{} INVITE", dialog.local_cseq)),
                _ => builder = builder.other(&String::from_utf8_lossy(as_written), value),
            }
        }
        let expires = self.config.session.as_secs().max(min).to_string();
        let bytes = builder
            .header(Name::SessionExpires, expires)
            .header(Name::MinSe, min.to_string())
            .body("application/sdp", &old.body());
        let client = self.begin(now, flow, id, Method::Invite, &branch, bytes);
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.life = Life::Calling { client, cancel: Cancel::No };
        }
        true
    }

    /// ACK of a refusal (section 17.1.1.3): part of the transaction, with its branch.
    pub(super) fn acknowledge_refusal(&mut self, client: u64, response: &Message) {
        let Some(entry) = self.clients.get(&client) else { return };
        let Ok(invite) = Message::parse(entry.tx.request().clone(), Framing::Stream) else { return };
        let flow = entry.flow;
        let uri = String::from_utf8_lossy(invite.request_uri_bytes()).into_owned();
        let number = invite.cseq().map_or(1, |(number, _)| number);
        let bytes = Builder::request(&Method::Ack, &uri)
            .copy(&invite, Name::Via)
            .copy(&invite, Name::Route)
            .copy(&invite, Name::From)
            .copy(response, Name::To)
            .copy(&invite, Name::CallId)
            .header(Name::CSeq, format!("{number} ACK"))
            .header(Name::MaxForwards, "70")
            .finish();
        self.send(flow, bytes);
    }

    pub(super) fn hang_up(&mut self, now: Instant, id: DialogId, reason: Option<String>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        match dialog.life {
            Life::Invited { .. } => self.refuse(now, id, 480, "Temporarily Unavailable", None),
            Life::Answered => dialog.hang_up = Some(reason),
            Life::Calling { .. } => self.cancel(now, id),
            Life::Up => self.bye(now, id, reason),
            Life::Leaving => {}
        }
    }

    pub(super) fn bye(&mut self, now: Instant, id: DialogId, reason: Option<String>) {
        self.refuse_offered(now, id, 487, "Request Terminated", None);
        self.refuse_update(now, id, 487, "Request Terminated");
        if let Some(Ack::Owed(number)) = self.dialogs.get_mut(&id).map(|dialog| std::mem::take(&mut dialog.ack)) {
            self.acknowledge(id, number); // without the answer; the BYE ends it (section 13.2.2.4)
        }
        let branch = self.branch();
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let flow = self.way(dialog);
        let (via, contact) = (self.own_via(&flow, &branch), self.own_contact(&flow));
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.life = Life::Leaving;
        dialog.unacknowledged = None;
        dialog.offering = None; // its answer is acknowledged, and of no more interest
        let mut builder = dialog.request(&Method::Bye, None, &via, &contact);
        if let Some(reason) = reason {
            builder = builder.header(Name::Reason, reason);
        }
        let bytes = builder.header(Name::UserAgent, &self.config.agent).finish();
        self.timers.cancel(&Due::Repeat(id));
        self.timers.cancel(&Due::GiveUp(id));
        self.timers.cancel(&Due::Refresh(id));
        self.timers.cancel(&Due::Expired(id));
        self.timers.cancel(&Due::Retry(id));
        self.begin(now, flow, id, Method::Bye, &branch, bytes);
    }

    /// The way for a request of ours inside a dialog. The next hop of the route set or Contact, where that is an
    /// address which a trunk lists; else (names, private addresses behind NAT, an address that a stranger merely put
    /// into Contact) the way on which the peer's own request came.
    pub(super) fn way(&self, dialog: &Dialog) -> Flow {
        let Some((peer, transport)) = dialog.next_hop() else { return dialog.flow };
        let known = self.config.trunks.of(peer.ip()).is_some() && peer.ip().is_ipv4() == dialog.flow.local.is_ipv4();
        // Our port on the other transport is the task's to know; the flow works.
        if !known || transport != dialog.flow.transport {
            return dialog.flow;
        }
        // On TCP the number stays: while that connection is open it is used, afterwards the peer is called.
        Flow { peer, ..dialog.flow }
    }

    /// A dialog of ours has no call.
    pub(super) fn fail(&mut self, dialog: DialogId, code: u16, reason: &str, cause: Option<Reason>) {
        if self.forget(dialog) {
            self.event(Event::Failed { dialog, code, reason: reason.to_owned(), cause });
        }
    }

    /// The BYE was answered, or never will be.
    pub(super) fn left(&mut self, dialog: DialogId) {
        self.end(dialog, Why::LocalBye);
    }
}

pub(super) fn client_key(branch: &[u8], method: &Method) -> Box<[u8]> {
    [branch, &[0], method.as_str().as_bytes()].concat().into()
}
