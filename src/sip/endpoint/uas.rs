//! Calls to us: INVITE, its answers, ACK, CANCEL, and requests inside a dialog.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::requests::{no_dialog, not_allowed, server_key};
use super::{DialogId, Due, Endpoint, Event, Flow, TrunkName, Why};
use crate::sip::build::Builder;
use crate::sip::check::{self, Fault};
use crate::sip::dialog::{Dialog, Life, Unacknowledged};
use crate::sip::message::Message;
use crate::sip::name::{Method, Name};

/// A caller is not left without a final answer for longer: three minutes, as a proxy's timer C (section 16.6).
const ANSWER_WITHIN: Duration = Duration::from_secs(180);
const SDP: &str = "application/sdp";

impl Endpoint {
    pub(super) fn invited(&mut self, now: Instant, flow: Flow, trunk: &TrunkName, key: Box<[u8]>, message: Message) {
        let merge = merge_key(&message);
        if self.merges.contains_key(&merge) {
            return self.answer_stateless(flow, &message, &Fault::new(482, "Loop Detected"));
        }
        if self.draining || self.dialogs.len() >= self.config.max_dialogs {
            self.refused(if self.draining { "draining" } else { "dialogs_full" }, flow);
            let fault = self.unavailable();
            return self.answer_stateless(flow, &message, &fault);
        }
        if !self.has_room(flow, &message) {
            return;
        }
        let server = self.remember(flow, key, &message, true);
        let dialog = self.ids.next();
        self.merges.insert(merge.clone(), server);
        if let Some(entry) = self.servers.get_mut(&server) {
            entry.merge = Some(merge);
            entry.dialog = Some(dialog);
        }
        let trying = Builder::answer(&message, flow.peer, 100, "Trying", None).finish();
        self.respond(now, server, 100, trying);
        let tag = self.token();
        let text = |name| String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned();
        let mut new = Dialog {
            id: dialog,
            life: Life::Invited { server },
            call_id: Bytes::copy_from_slice(message.call_id()),
            local: format!("{};tag={tag}", text(Name::To)),
            local_tag: tag.into(),
            remote_tag: tag_of(message.from().ok().and_then(|from| from.tag())),
            remote: text(Name::From),
            local_cseq: 0,
            remote_cseq: message.cseq().map(|(number, _)| number),
            target: String::new(),
            routes: message.list(Name::RecordRoute).map(|r| String::from_utf8_lossy(r).into_owned()).collect(),
            flow,
            offered: Some((server, message.clone())),
            offering: None,
            unacknowledged: None,
            hang_up: None,
        };
        new.refresh_target(&message);
        if let (true, Ok(from)) = (new.target.is_empty(), message.from()) {
            new.target = String::from_utf8_lossy(from.uri.raw).into_owned(); // an RFC 2543 peer
        }
        self.timers.set(Due::GiveUp(dialog), now + ANSWER_WITHIN);
        self.dialog_keys.insert(new.key(), dialog);
        self.dialogs.insert(dialog, new);
        self.challenges.belongs(dialog, trunk.clone());
        self.event(Event::Invited { dialog, request: message, flow, trunk: trunk.clone() });
    }

    /// A response to the INVITE that waits, with what makes the dialog (section 12.1.1).
    fn build_response(&self, dialog: &Dialog, request: &Message, code: u16, reason: &str) -> Builder {
        let tag = String::from_utf8_lossy(&dialog.local_tag);
        let builder = Builder::answer(request, dialog.flow.peer, code, reason, Some(&tag));
        let builder = if code < 300 { builder.copy(request, Name::RecordRoute) } else { builder };
        let builder = if code < 300 { builder.header(Name::Contact, self.own_contact(&dialog.flow)) } else { builder };
        builder.header(Name::Server, &self.config.agent)
    }

    pub(super) fn ring(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let (Life::Invited { server }, Some((_, request))) = (&dialog.life, &dialog.offered) else { return };
        let server = *server;
        let bytes = self.build_response(dialog, request, 180, "Ringing").finish();
        self.respond(now, server, 180, bytes);
    }

    pub(super) fn answer(&mut self, now: Instant, id: DialogId, sdp: &[u8]) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        if matches!(dialog.life, Life::Invited { .. }) {
            self.accept(now, id, sdp, true);
        }
    }

    pub(super) fn answer_again(&mut self, now: Instant, id: DialogId, sdp: &[u8]) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        if matches!(dialog.life, Life::Up | Life::Answered) {
            self.accept(now, id, sdp, false);
        }
    }

    /// 200 to the INVITE that waits; repeated until its ACK comes (section 13.3.1.4).
    fn accept(&mut self, now: Instant, id: DialogId, sdp: &[u8], first: bool) {
        let Some((server, request)) = self.dialogs.get_mut(&id).and_then(|dialog| dialog.offered.take()) else {
            return;
        };
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let bytes = self
            .build_response(dialog, &request, 200, "OK")
            .header(Name::Allow, check::ALLOW)
            .header(Name::Accept, check::ACCEPT)
            .body(SDP, sdp);
        let timing = self.config.timing;
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.unacknowledged = Some(Unacknowledged {
                cseq: request.cseq().map_or(0, |(number, _)| number),
                bytes: bytes.clone(),
                interval: timing.t1,
                awaited: first || request.sdp().is_none(),
            });
            if first {
                dialog.life = Life::Answered;
            }
        }
        self.respond(now, server, 200, bytes);
        self.timers.set(Due::Repeat(id), now + timing.t1);
        self.timers.set(Due::GiveUp(id), now + timing.long());
    }

    pub(super) fn refuse(&mut self, now: Instant, id: DialogId, code: u16, reason: &str, retry: Option<Duration>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if !matches!(dialog.life, Life::Invited { .. }) {
            return;
        }
        self.refuse_offered(now, id, code, reason, retry);
        self.end(id, Why::Refused);
    }

    /// Takes an [`Event::Invited`] back that nobody has room for: 503, and no event follows.
    pub fn turn_away(&mut self, now: Instant, id: DialogId) {
        let retry = self.config.retry_after;
        self.refuse_offered(now, id, 503, "Service Unavailable", Some(retry));
        self.forget(id);
    }

    pub(super) fn refuse_again(&mut self, now: Instant, id: DialogId, code: u16) {
        self.refuse_offered(
            now,
            id,
            code,
            if code == 488 { "Not Acceptable Here" } else { "Server Internal Error" },
            None,
        );
    }

    /// A final refusal to the INVITE that waits, if one does.
    pub(super) fn refuse_offered(
        &mut self,
        now: Instant,
        id: DialogId,
        code: u16,
        reason: &str,
        retry: Option<Duration>,
    ) {
        let Some((server, request)) = self.dialogs.get_mut(&id).and_then(|dialog| dialog.offered.take()) else {
            return;
        };
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let mut builder = self.build_response(dialog, &request, code, reason);
        if let Some(retry) = retry {
            builder = builder.header(Name::RetryAfter, retry.as_secs().max(1).to_string());
        }
        self.respond(now, server, code, builder.finish());
    }

    /// ACK of a 2xx: no transaction, no answer, ever.
    pub(super) fn acknowledged(&mut self, now: Instant, message: &Message) {
        let Some(id) = self.find(message) else { return };
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let number = message.cseq().map(|(number, _)| number);
        if dialog.unacknowledged.as_ref().map(|u| u.cseq) != number {
            return; // repeated
        }
        let Some(unacknowledged) = dialog.unacknowledged.take() else { return };
        if matches!(dialog.life, Life::Answered) {
            dialog.life = Life::Up;
        }
        let hang_up = dialog.hang_up.take();
        self.timers.cancel(&Due::Repeat(id));
        self.timers.cancel(&Due::GiveUp(id));
        if let Some(reason) = hang_up {
            return self.bye(now, id, reason);
        }
        if unacknowledged.awaited {
            self.event(Event::Confirmed { dialog: id, sdp: message.sdp() });
        }
    }

    /// CANCEL (section 9.2): 200 for itself; the INVITE, if it still waits, gets 487.
    pub(super) fn cancelled(&mut self, now: Instant, flow: Flow, message: &Message) {
        let invite = server_key(message, &Method::Invite);
        let Some(server) = self.server_keys.get(&invite).copied() else {
            return self.answer_stateless(flow, message, &no_dialog());
        };
        let dialog = self.servers.get(&server).and_then(|entry| entry.dialog);
        let known = dialog.and_then(|id| Some((id, self.dialogs.get(&id)?.local_tag.clone())));
        let Some((id, tag)) = known else {
            return self.answer_stateless(flow, message, &Fault::new(200, "OK")); // ended already
        };
        self.answer_with(flow, message, &Fault::new(200, "OK"), &String::from_utf8_lossy(&tag));
        if self.dialogs.get(&id).is_some_and(|dialog| matches!(dialog.life, Life::Invited { .. })) {
            self.refuse_offered(now, id, 487, "Request Terminated", None);
            self.end(id, Why::Cancelled);
        } else if self.dialogs.get(&id).is_some_and(|dialog| dialog.offered.as_ref().is_some_and(|(s, _)| *s == server))
        {
            self.refuse_offered(now, id, 487, "Request Terminated", None); // a re-INVITE; the call goes on
        }
    }

    /// The dialog that a request or ACK belongs to (section 12.2.2).
    pub(super) fn find(&self, message: &Message) -> Option<DialogId> {
        let to = message.to().ok()?;
        let key = (Bytes::copy_from_slice(message.call_id()), tag_of(to.tag()));
        let id = *self.dialog_keys.get(&key)?;
        let dialog = self.dialogs.get(&id)?;
        let from = message.from().ok()?;
        (dialog.remote_tag == from.tag().unwrap_or_default()).then_some(id)
    }

    /// A request with a To tag.
    pub(super) fn inside(&mut self, now: Instant, flow: Flow, key: Box<[u8]>, method: &Method, message: Message) {
        let Some(id) = self.find(&message) else {
            return self.answer_stateless(flow, &message, &no_dialog());
        };
        let Some((number, dialog)) = message.cseq().map(|(n, _)| n).zip(self.dialogs.get_mut(&id)) else { return };
        // Section 12.2.2: a lower number is out of order. (An equal one is a new transaction of a broken peer.)
        if dialog.remote_cseq.is_some_and(|last| number < last) {
            return self.answer_stateless(flow, &message, &Fault::new(500, "CSeq Out Of Order"));
        }
        dialog.remote_cseq = Some(number);
        match method {
            Method::Bye => self.bye_received(now, flow, key, id, &message),
            Method::Invite => self.reinvited(now, flow, key, id, message),
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
        let leaving = self.dialogs.get(&id).is_some_and(|dialog| matches!(dialog.life, Life::Leaving));
        self.end(id, if leaving { Why::LocalBye } else { Why::ByeReceived });
    }

    fn reinvited(&mut self, now: Instant, flow: Flow, key: Box<[u8]>, id: DialogId, message: Message) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        // Section 14.2: one INVITE at a time. 491 while ours is under way or our 2xx waits for its ACK, 500 while
        // theirs waits for its answer.
        let fault = match dialog.life {
            Life::Leaving => Some(no_dialog()),
            _ if dialog.offered.is_some() => Some(self.later()),
            Life::Up if dialog.offering.is_none() && dialog.unacknowledged.is_none() => None,
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
            dialog.offered = Some((server, message));
        }
        self.event(Event::Reoffered { dialog: id, sdp });
    }

    /// Section 14.2: 500 with a Retry-After of 0 to 10 s, drawn.
    fn later(&self) -> Fault {
        let seconds = (self.secret ^ self.count) % 11;
        Fault { headers: vec![(Name::RetryAfter, seconds.to_string())], ..Fault::new(500, "Server Internal Error") }
    }
}

pub(super) fn tag_of(tag: Option<&[u8]>) -> Bytes {
    Bytes::copy_from_slice(tag.unwrap_or_default())
}

fn merge_key(message: &Message) -> Box<[u8]> {
    let from = message.from().ok().and_then(|from| from.tag()).unwrap_or_default();
    let number = message.cseq().map_or(0, |(number, _)| number);
    [message.call_id(), &[0], from, &[0], &number.to_be_bytes()[..]].concat().into()
}
