//! What falls due.

use std::time::Instant;

use super::{ClientEntry, DialogId, Due, Endpoint, Flow, Why};
use crate::sip::dialog::{Cancel, Life};
use crate::sip::name::Method;

impl Endpoint {
    /// Everything that is due at `now`.
    pub fn expire(&mut self, now: Instant) {
        while let Some(due) = self.timers.expire(now) {
            match due {
                Due::ServerAgain(id) => {
                    if let Some(entry) = self.servers.get_mut(&id) {
                        let todo = entry.tx.again();
                        self.serve(now, id, todo);
                    }
                }
                Due::ServerEnd(id) => {
                    if let Some(entry) = self.servers.get(&id) {
                        let todo = entry.tx.ended();
                        self.serve(now, id, todo);
                    }
                }
                Due::ClientAgain(id) => {
                    if let Some(entry) = self.clients.get_mut(&id) {
                        let todo = entry.tx.again();
                        self.drive(now, id, todo);
                    }
                }
                Due::ClientEnd(id) => self.client_ended(now, id, 408, "Request Timeout"),
                Due::Repeat(dialog) => self.repeat(now, dialog),
                Due::GiveUp(dialog) => self.give_up(now, dialog),
                Due::Refresh(dialog) => self.refresh(now, dialog),
                Due::Expired(dialog) => self.expired(now, dialog),
                Due::Retry(dialog) => self.retry(now, dialog),
            }
        }
    }

    /// The way to a peer is gone (RFC 3261 section 8.1.3.1): requests of ours on it that nobody has answered fail.
    pub fn unreachable(&mut self, now: Instant, flow: Flow) {
        let lost = |entry: &ClientEntry| {
            entry.flow.transport == flow.transport && entry.flow.peer == flow.peer && entry.tx.is_calling()
        };
        let mut lost: Vec<u64> = self.clients.iter().filter(|(_, entry)| lost(entry)).map(|(id, _)| *id).collect();
        lost.sort_unstable(); // the same seed, the same run
        for id in lost {
            self.client_ended(now, id, 503, "Service Unavailable");
        }
    }

    /// The daemon stops: no new calls, every dialog is ended.
    pub fn close(&mut self, now: Instant) {
        self.draining = true;
        let mut dialogs: Vec<DialogId> = self.dialogs.keys().copied().collect();
        dialogs.sort_unstable();
        for dialog in dialogs {
            self.hang_up(now, dialog, None);
        }
    }

    fn client_ended(&mut self, now: Instant, id: u64, code: u16, reason: &str) {
        let Some(entry) = self.clients.get(&id) else { return };
        let (dialog, method) = (entry.dialog, entry.method.clone());
        let calling = self.dialogs.get(&dialog).map(|dialog| &dialog.life);
        if entry.tx.is_proceeding()
            && let Some(Life::Calling { client, cancel: Cancel::No }) = calling
            && *client == id
        {
            return self.cancel(now, dialog); // it rang for too long; nobody is left ringing
        }
        let todo = entry.tx.ended();
        let timed_out = todo.timed_out;
        self.drive(now, id, todo);
        if !timed_out {
            return;
        }
        let dialog_now = self.dialogs.get(&dialog);
        match method {
            Method::Invite | Method::Update
                if dialog_now.is_some_and(|d| d.offering.is_some_and(|sent| sent.client() == id)) =>
            {
                self.gone(now, dialog);
            }
            // (A re-INVITE of a dialog that is being left is of no more interest.)
            Method::Invite
                if dialog_now.is_some_and(|d| matches!(d.life, Life::Calling { client, .. } if client == id)) =>
            {
                self.fail(dialog, code, reason, None);
            }
            Method::Bye => self.end(dialog, Why::Gone),
            Method::Refer => self.refer_answered(dialog, code),
            Method::Info => self.inform_answered(now, dialog, code),
            Method::Options | Method::Register => self.asked_for(dialog, id, code, None),
            _ => {}
        }
    }

    fn repeat(&mut self, now: Instant, id: DialogId) {
        let timing = self.config.timing;
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let Some(unacknowledged) = &mut dialog.unacknowledged else { return self.provisional_again(now, id) };
        unacknowledged.interval = timing.doubled(unacknowledged.interval);
        let (interval, bytes, flow) = (unacknowledged.interval, unacknowledged.bytes.clone(), dialog.flow);
        self.send(flow, bytes);
        self.timers.set(Due::Repeat(id), now + interval);
    }

    /// Section 13.3.1.4: no ACK within 64*T1. The session is ended with a BYE.
    fn give_up(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        if matches!(dialog.life, Life::Invited { .. }) {
            return self.refuse(now, id, 480, "Temporarily Unavailable", None);
        }
        if dialog.unacknowledged.is_none() {
            return;
        }
        let first = matches!(dialog.life, Life::Answered);
        self.bye(now, id, None);
        if first {
            self.end(id, Why::NoAck);
        }
    }
}
