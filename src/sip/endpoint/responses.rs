//! Responses to our requests.

use std::time::Instant;

use super::uac::client_key;
use super::uas::tag_of;
use super::{DialogId, Endpoint, Event, Flow, Why};
use crate::sip::dialog::{Cancel, Life};
use crate::sip::message::Message;
use crate::sip::name::Method;

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
            Method::Bye if code >= 200 => self.left(dialog),
            _ => {}
        }
    }

    fn invite_response(&mut self, now: Instant, client: u64, id: DialogId, number: u32, code: u16, message: &Message) {
        // Without the dialog the call was given up, and its BYE is under way.
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        match dialog.life {
            Life::Calling { cancel, .. } => self.called(now, id, number, code, message, cancel),
            _ if dialog.offering == Some(client) => self.offered_again(now, id, number, code, message),
            // The 2xx again: our ACK was lost.
            _ if code < 300 && dialog.remote_tag == tag_of(message.to().ok().and_then(|to| to.tag())) => {
                self.acknowledge(id, number);
            }
            _ if (200..300).contains(&code) => self.lost_fork(now, id, number, message),
            _ => {}
        }
    }

    /// A response to the INVITE that makes the call.
    fn called(&mut self, now: Instant, id: DialogId, number: u32, code: u16, message: &Message, cancel: Cancel) {
        match code {
            100..=199 if cancel != Cancel::No => self.cancel(now, id),
            100 => {}
            101..=199 => self.event(Event::Ringing { dialog: id, code, sdp: message.sdp() }),
            200..=299 => {
                if let Some(dialog) = self.dialogs.get_mut(&id) {
                    dialog.establish(message);
                }
                self.acknowledge(id, number);
                if cancel != Cancel::No {
                    // The answer crossed our CANCEL: the call is ended, the user hears that there is none.
                    self.bye(now, id, None);
                    return self.fail(id, 487, "Request Terminated");
                }
                self.event(Event::Answered { dialog: id, sdp: message.sdp() });
            }
            _ => {
                let reason = String::from_utf8_lossy(message.reason()).into_owned();
                self.fail(id, code, &reason);
            }
        }
    }

    /// A response to our re-INVITE (section 14.1).
    fn offered_again(&mut self, now: Instant, id: DialogId, number: u32, code: u16, message: &Message) {
        let Some(dialog) = self.dialogs.get_mut(&id).filter(|_| code >= 200) else { return };
        dialog.offering = None;
        match code {
            200..=299 => {
                dialog.refresh_target(message);
                self.acknowledge(id, number);
                self.event(Event::AnsweredAgain { dialog: id, sdp: message.sdp() });
            }
            408 | 481 => self.gone(now, id), // section 12.2.1.2
            _ => self.event(Event::RefusedAgain { dialog: id, code }),
        }
    }

    /// Another branch of a forked INVITE answered too, later: it is acknowledged and hung up (section 13.2.2.4).
    fn lost_fork(&mut self, now: Instant, id: DialogId, number: u32, message: &Message) {
        let Some(mut fork) = self.dialogs.get(&id).cloned() else { return };
        fork.establish(message);
        fork.id = self.ids.next(); // nobody's: its end is no event
        fork.local_cseq = number;
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
