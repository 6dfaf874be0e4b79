//! UPDATE (RFC 3311), and offers inside PRACK: their answers. Our own UPDATEs refresh sessions; see `refresh`.

use std::time::Instant;

use bytes::Bytes;

use super::requests::no_dialog;
use super::uas::SDP;
use super::{DialogId, Due, Endpoint, Event, Flow};
use crate::sip::build::Builder;
use crate::sip::check::{self, Fault};
use crate::sip::dialog::{Life, Offer};
use crate::sip::message::Message;
use crate::sip::name::{Method, Name};

impl Endpoint {
    pub(super) fn updated(&mut self, now: Instant, flow: Flow, key: Box<[u8]>, id: DialogId, message: Message) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let offers = message.sdp().is_some();
        // Section 5.2: while an offer waits for its answer, 500 if it is theirs, 491 if it is ours. Before the first
        // exchange is complete there may be none either.
        let unsettled = match dialog.life {
            Life::Invited { .. } => dialog.sdp.is_empty(),
            Life::Calling { .. } => false,
            _ => dialog.offered.is_some(),
        };
        let fault = match (dialog.life.clone(), dialog.offer) {
            (Life::Leaving, _) => Some(no_dialog()),
            (_, Offer::Ours) if offers => Some(Fault::new(491, "Request Pending")),
            (_, Offer::Theirs) if offers => Some(self.later()),
            _ if offers && unsettled => Some(self.later()),
            _ if offers && dialog.offering.is_some() => Some(Fault::new(491, "Request Pending")),
            _ => None,
        };
        if let Some(fault) = fault {
            return self.answer_stateless(flow, &message, &fault);
        }
        if !self.has_room(flow, &message) {
            return;
        }
        let server = self.remember(flow, key, &message, false);
        if let Some(dialog) = self.dialogs.get_mut(&id)
            && !matches!(dialog.life, Life::Calling { .. })
        {
            dialog.refresh_target(&message);
            dialog.flow = flow;
        }
        if offers {
            self.offered_inside(id, server, message);
        } else {
            self.accept_update(now, id, server, &message, b"");
        }
    }

    /// An offer in UPDATE or PRACK: the user's answer is its 200.
    pub(super) fn offered_inside(&mut self, id: DialogId, server: u64, message: Message) {
        let sdp = message.sdp();
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.offer = Offer::Theirs;
        if let (Life::Calling { .. }, Some(tag)) = (&dialog.life, message.from().ok().and_then(|from| from.tag()))
            && let Some(fork) = dialog.forks.iter_mut().find(|fork| fork.tag == tag)
        {
            fork.sdp.clone_from(&sdp); // where its audio goes from now on
        }
        dialog.updated = Some((server, message));
        self.withdraw(id);
        self.event(Event::Reoffered { dialog: id, sdp });
    }

    pub(super) fn answer_update(&mut self, now: Instant, id: DialogId, sdp: &[u8]) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Some((server, request)) = dialog.updated.take() else { return };
        dialog.offer = Offer::None;
        dialog.sdp = Bytes::copy_from_slice(sdp);
        self.accept_update(now, id, server, &request, sdp);
        self.release(now, id);
    }

    fn accept_update(&mut self, now: Instant, id: DialogId, server: u64, request: &Message, sdp: &[u8]) {
        let wish = self.config.session;
        let Some(contact) = self.dialogs.get(&id).map(|dialog| self.contact_in(dialog, &dialog.flow)) else { return };
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let flow = dialog.flow;
        let update = request.method() == Some(&Method::Update);
        let mut builder = Builder::answer(request, flow.peer, 200, "OK", None).header(Name::Server, &self.config.agent);
        // A session begins with the INVITE's 2xx (RFC 4028 section 9); PRACK refreshes neither session nor target.
        if update {
            let early = matches!(dialog.life, Life::Invited { .. } | Life::Calling { .. });
            let agreed = if early { None } else { dialog.agree(request, wish) };
            builder = builder.header(Name::Contact, contact).header(Name::Allow, check::ALLOW);
            builder = builder.session(agreed);
            if !early {
                self.keep_alive(now, id, agreed);
            }
        }
        self.respond(now, server, 200, builder.body(SDP, sdp));
    }

    pub(super) fn refuse_update(&mut self, now: Instant, id: DialogId, code: u16, reason: &str) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Some((server, request)) = dialog.updated.take() else { return };
        dialog.offer = Offer::None;
        let bytes = Builder::answer(&request, dialog.flow.peer, code, reason, None)
            .header(Name::Server, &self.config.agent)
            .finish();
        self.respond(now, server, code, bytes);
        self.release(now, id);
    }

    /// The dialog ends while an UPDATE or PRACK waits: 487 once, and forgotten. Repeated it gets 481, as the dialog is gone.
    pub(super) fn drop_update(&mut self, server: u64, request: &Message) {
        let Some(entry) = self.servers.remove(&server) else { return };
        self.server_keys.remove(&entry.key);
        let bytes = Builder::answer(request, entry.flow.peer, 487, "Request Terminated", None)
            .header(Name::Server, &self.config.agent)
            .finish();
        self.send(entry.flow, bytes);
    }

    /// An offer of theirs overtakes one of ours that waits to be made again: our user decides anew.
    pub(super) fn withdraw(&mut self, id: DialogId) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if dialog.retry.take().is_some() {
            self.timers.cancel(&Due::Retry(id));
            self.event(Event::RefusedAgain { dialog: id, code: 491 });
        }
    }
}
