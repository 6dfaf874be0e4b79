//! Responses to our requests.

use std::time::Instant;

use super::uac::client_key;
use super::uas::tag_of;
use super::{DialogId, Due, Endpoint, Event, Flow, Why};
use crate::sip::dialog::{Ack, Cancel, Dialog, Life, Offer, Sent};
use crate::sip::message::{Framing, Message};
use crate::sip::name::{Method, Name};
use crate::sip::reason::Reason;

impl Endpoint {
    /// A response that passed [`crate::sip::check::response`].
    pub(super) fn response(&mut self, now: Instant, flow: Flow, message: &Message) {
        let (Some(via), Some((number, method)), Some(code)) = (message.top_via(), message.cseq(), message.code())
        else {
            return;
        };
        let key = client_key(via.branch().unwrap_or_default(), &method);
        let Some(id) = self.client_keys.get(&key).copied() else {
            return self.refused("stray_response", flow);
        };
        let Some(entry) = self.clients.get_mut(&id) else { return };
        let dialog = entry.dialog;
        let (todo, told) = entry.tx.response(code);
        let acknowledges = entry.tx.acknowledges(code);
        let method = entry.method.clone();
        let life = self.dialogs.get(&dialog).map(|dialog| &dialog.life);
        let cancelled = matches!(life, Some(Life::Calling { cancel: Cancel::Wanted | Cancel::Sent, .. }));
        // While a CANCEL is out, its own time limit stays in force.
        let todo = if cancelled && code < 200 { crate::sip::server::Todo { end: None, ..todo } } else { todo };
        self.drive(now, id, todo);
        if acknowledges {
            self.acknowledge_refusal(id, message);
        }
        if !told || self.challenged(now, flow, id, code, message) {
            return;
        }
        match method {
            Method::Invite => self.invite_response(now, id, dialog, number, code, message),
            Method::Update if code >= 200 => self.update_response(now, id, dialog, code, message),
            Method::Refer => self.refer_answered(dialog, code),
            Method::Info if code >= 200 => self.inform_answered(now, dialog, code),
            Method::Bye if code >= 200 => self.left(dialog),
            Method::Options | Method::Register => self.asked_for(dialog, id, code, Some(message)),
            _ => {}
        }
    }

    fn invite_response(&mut self, now: Instant, client: u64, id: DialogId, number: u32, code: u16, message: &Message) {
        let tag = tag_of(message.to().ok().and_then(|to| to.tag()));
        let Some(dialog) = self.dialogs.get_mut(&id) else {
            // The call is over already: its own 2xx, repeated, is answered by its BYE.
            let own = self.clients.get(&client).is_some_and(|entry| entry.answered.as_ref() == Some(&tag));
            if (200..300).contains(&code) && !own {
                self.lost_fork(now, client, number, message);
            }
            return;
        };
        match dialog.life {
            Life::Calling { cancel, .. } => {
                if let (200..300, Some(entry)) = (code, self.clients.get_mut(&client)) {
                    entry.answered = Some(tag);
                }
                self.called(now, id, number, code, message, cancel);
            }
            _ if dialog.offering.is_some_and(|sent| sent.client() == client) => {
                self.offered_again(now, id, number, code, message);
            }
            // The 2xx again: our ACK was lost.
            _ if (200..300).contains(&code) && dialog.remote_tag == tag => self.acknowledge(id, number),
            _ if (200..300).contains(&code) => self.lost_fork(now, client, number, message),
            _ => {}
        }
    }

    fn update_response(&mut self, now: Instant, client: u64, id: DialogId, code: u16, message: &Message) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if dialog.offering == Some(Sent::Refresh(client)) {
            dialog.offering = None;
            self.refreshed(now, id, code, message);
        }
    }

    /// A response to the INVITE that makes the call.
    fn called(&mut self, now: Instant, id: DialogId, number: u32, code: u16, message: &Message, cancel: Cancel) {
        match code {
            100..=199 if cancel != Cancel::No => self.cancel(now, id),
            100 => {}
            101..=199 => self.rings(now, id, number, code, message),
            200..=299 => {
                let Some(dialog) = self.dialogs.get_mut(&id) else { return };
                dialog.establish(message);
                let tag = dialog.remote_tag.clone();
                // A fork that gave its answer in a reliable 18x need not repeat it.
                let early = dialog.forks.drain(..).find(|fork| fork.tag == tag).and_then(|fork| fork.sdp);
                dialog.offer = Offer::None;
                let delayed = dialog.sdp.is_empty() && cancel == Cancel::No && message.sdp().is_some();
                if delayed {
                    dialog.offer = Offer::Theirs;
                    dialog.ack = Ack::Owed(number);
                }
                self.acknowledge(id, number);
                if cancel != Cancel::No {
                    // The answer crossed our CANCEL: the call is ended, the user hears that there is none.
                    self.bye(now, id, None);
                    return self.fail(id, 487, "Request Terminated", None);
                }
                self.learn_session(now, id, message);
                self.event(Event::Answered { dialog: id, sdp: message.sdp().or(early) });
            }
            422 if cancel == Cancel::No && self.invite_longer(now, id, message) => {}
            300..=399 if cancel == Cancel::No && self.redirected(now, id, message) => {}
            _ => {
                let reason = String::from_utf8_lossy(message.reason()).into_owned();
                self.fail(id, code, &reason, Reason::of(message));
            }
        }
    }

    /// A response to our re-INVITE (section 14.1).
    fn offered_again(&mut self, now: Instant, id: DialogId, number: u32, code: u16, message: &Message) {
        let Some(dialog) = self.dialogs.get_mut(&id).filter(|_| code >= 200) else { return };
        let Some(sent) = dialog.offering.take() else { return };
        dialog.offer = Offer::None;
        match (code, sent) {
            (200..=299, _) => {
                dialog.refresh_target(message);
                if dialog.retry.take().is_some() {
                    self.timers.cancel(&Due::Retry(id));
                }
                self.acknowledge(id, number);
                self.learn_session(now, id, message);
                self.event(Event::AnsweredAgain { dialog: id, sdp: message.sdp() });
            }
            (_, Sent::Refresh(_)) => self.refreshed(now, id, code, message),
            (408 | 481, _) => self.gone(now, id), // section 12.2.1.2
            (491, _) => self.glare(now, id),
            _ => {
                dialog.retry = None;
                self.event(Event::RefusedAgain { dialog: id, code });
            }
        }
    }

    /// Another branch of a forked INVITE answered too, later: it is acknowledged and hung up (section 13.2.2.4).
    fn lost_fork(&mut self, now: Instant, client: u64, number: u32, message: &Message) {
        let Some(entry) = self.clients.get(&client) else { return };
        let Ok(invite) = Message::parse(entry.tx.request().clone(), Framing::Stream) else { return };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let tag = tag_of(invite.from().ok().and_then(|from| from.tag()));
        let key = (bytes::Bytes::copy_from_slice(invite.call_id()), tag);
        // Nobody's name: its end is no event.
        let mut fork = Dialog {
            local: text(invite.header(Name::From).unwrap_or_default()),
            local_cseq: number,
            target: text(invite.request_uri_bytes()),
            ..Dialog::new(self.ids.next(), Life::Up, key, entry.flow)
        };
        fork.establish(message);
        for method in [Method::Ack, Method::Bye] {
            let branch = self.branch();
            let flow = self.way(&fork);
            let (via, contact) = (self.own_via(&flow, &branch), self.own_contact(&flow));
            let cseq = (method == Method::Ack).then_some(number);
            let bytes = fork.request(&method, cseq, &via, &contact).finish();
            if method == Method::Ack {
                self.send(flow, bytes);
            } else {
                self.begin(now, flow, fork.id, method, &branch, bytes);
            }
        }
    }

    /// The peer no longer knows the dialog.
    pub(super) fn gone(&mut self, now: Instant, id: DialogId) {
        self.bye(now, id, None);
        self.end(id, Why::Gone);
    }
}
