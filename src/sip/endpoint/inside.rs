//! Requests inside a dialog: which dialog, whether in order, and BYE and re-INVITE.

use std::time::Instant;

use bytes::Bytes;

use super::requests::{no_dialog, not_allowed};
use super::uas::tag_of;
use super::{DialogId, Endpoint, Event, Flow, Why};
use crate::sip::build::Builder;
use crate::sip::check::Fault;
use crate::sip::dialog::{Life, Offer};
use crate::sip::message::Message;
use crate::sip::name::{Method, Name};
use crate::sip::reason::Reason;

impl Endpoint {
    /// The dialog that a request or ACK belongs to (section 12.2.2).
    pub(super) fn find(&self, message: &Message) -> Option<DialogId> {
        let to = message.to().ok()?;
        let key = (Bytes::copy_from_slice(message.call_id()), tag_of(to.tag()));
        let id = *self.dialog_keys.get(&key)?;
        let dialog = self.dialogs.get(&id)?;
        let from = message.from().ok()?;
        let tag = from.tag().unwrap_or_default();
        let early = matches!(dialog.life, Life::Calling { .. }) && dialog.forks.iter().any(|fork| fork.tag == tag);
        (early || (dialog.remote_tag == tag && !matches!(dialog.life, Life::Calling { .. }))).then_some(id)
    }

    /// A request with a To tag.
    pub(super) fn inside(&mut self, now: Instant, flow: Flow, key: Box<[u8]>, method: &Method, message: Message) {
        let Some(id) = self.find(&message) else {
            return self.answer_stateless(flow, &message, &no_dialog());
        };
        let Some((number, dialog)) = message.cseq().map(|(n, _)| n).zip(self.dialogs.get_mut(&id)) else { return };
        // Section 12.2.2: a lower number is out of order. (An equal one is a new transaction of a broken peer.)
        // The forks of an INVITE of ours each count for themselves.
        let early = matches!(dialog.life, Life::Calling { .. });
        if !early && dialog.remote_cseq.is_some_and(|last| number < last) {
            return self.answer_stateless(flow, &message, &Fault::new(500, "CSeq Out Of Order"));
        }
        if !early {
            dialog.remote_cseq = Some(number);
        }
        dialog.peer.learn(&message);
        // A callee may not end an early dialog by BYE (section 15), nor begin another INVITE in it.
        match method {
            Method::Bye | Method::Invite if early => self.answer_stateless(flow, &message, &no_dialog()),
            Method::Bye => self.bye_received(now, flow, key, id, &message),
            Method::Invite => self.reinvited(now, flow, key, id, message),
            Method::Prack => self.pracked(now, flow, key, id, message),
            Method::Update => self.updated(now, flow, key, id, message),
            Method::Info => self.informed(now, flow, key, id, &message),
            Method::Notify => self.notified(now, flow, key, id, &message),
            Method::Options => self.able(flow, &message),
            _ => self.answer_stateless(flow, &message, &not_allowed()),
        }
    }

    fn bye_received(&mut self, now: Instant, flow: Flow, key: Box<[u8]>, id: DialogId, message: &Message) {
        let server = self.remember(flow, key, message, false);
        let bytes =
            Builder::answer(message, flow.peer, 200, "OK", None).header(Name::Server, &self.config.agent).finish();
        self.respond(now, server, 200, bytes);
        // Section 15.1.2: an INVITE that still waits gets 487.
        self.refuse_offered(now, id, 487, "Request Terminated", None);
        self.refuse_update(now, id, 487, "Request Terminated");
        let leaving = self.dialogs.get(&id).is_some_and(|dialog| matches!(dialog.life, Life::Leaving));
        let why = if leaving { Why::LocalBye } else { Why::ByeReceived };
        self.end_because(id, why, Reason::of(message));
    }

    fn reinvited(&mut self, now: Instant, flow: Flow, key: Box<[u8]>, id: DialogId, message: Message) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        // Section 14.2: one INVITE at a time. 491 while ours is under way or our 2xx waits for its ACK, 500 while
        // theirs waits for its answer.
        let fault = match dialog.life {
            Life::Leaving => Some(no_dialog()),
            _ if dialog.offered.is_some() || dialog.updated.is_some() => Some(self.later()),
            _ if dialog.is_free() => None,
            _ => Some(Fault::new(491, "Request Pending")),
        };
        if let Some(fault) = fault {
            return self.answer_stateless(flow, &message, &fault);
        }
        if !self.has_room(flow, &message) {
            return;
        }
        let server = self.remember(flow, key, &message, true);
        if let Some(entry) = self.servers.get_mut(&server) {
            entry.dialog = Some(id);
        }
        let trying = Builder::answer(&message, flow.peer, 100, "Trying", None).finish();
        self.respond(now, server, 100, trying);
        let sdp = message.sdp();
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.refresh_target(&message);
            dialog.flow = flow;
            dialog.offer = if sdp.is_some() { Offer::Theirs } else { Offer::None };
            dialog.offered = Some((server, message));
        }
        self.withdraw(id);
        self.event(Event::Reoffered { dialog: id, sdp });
    }

    /// Section 14.2: 500 with a Retry-After of 0 to 10 s, drawn.
    pub(super) fn later(&self) -> Fault {
        let seconds = (self.secret ^ self.count) % 11;
        Fault { headers: vec![(Name::RetryAfter, seconds.to_string())], ..Fault::new(500, "Server Internal Error") }
    }
}
