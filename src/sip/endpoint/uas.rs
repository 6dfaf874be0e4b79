//! Calls to us: INVITE, its answers, ACK, CANCEL.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::requests::{no_dialog, server_key};
use super::{DialogId, Due, Endpoint, Event, Flow, TrunkName, Why};
use crate::sip::build::Builder;
use crate::sip::check::{self, Fault};
use crate::sip::dialog::{Dialog, Held, Life, Offer, Unacknowledged};
use crate::sip::message::Message;
use crate::sip::name::{Method, Name};
use crate::sip::reason::Reason;
use crate::sip::uri::Scheme;

/// A caller is not left without a final answer for longer: three minutes, as a proxy's timer C (section 16.6).
const ANSWER_WITHIN: Duration = Duration::from_secs(180);
pub(super) const SDP: &str = "application/sdp";

impl Endpoint {
    pub(super) fn invited(&mut self, now: Instant, flow: Flow, trunk: &TrunkName, key: Box<[u8]>, message: Message) {
        let merge = merge_key(&message);
        if self.merges.contains_key(&merge) {
            return self.answer_stateless(flow, &message, &Fault::new(482, "Loop Detected"));
        }
        self.overload.offered();
        if self.draining || self.dialogs.len() >= self.config.max_dialogs {
            self.overload.refused();
            self.refused(if self.draining { "draining" } else { "dialogs_full" }, flow);
            let fault = self.unavailable();
            return self.answer_stateless(flow, &message, &fault);
        }
        if !self.has_room(flow, &message) {
            self.overload.refused();
            return;
        }
        let server = self.remember(flow, key, &message, true);
        let dialog = self.ids.next();
        self.merges.insert(merge.clone(), server);
        if let Some(entry) = self.servers.get_mut(&server) {
            entry.merge = Some(merge);
            entry.dialog = Some(dialog);
        }
        let trying = Builder::answer(&message, flow.peer, 100, "Trying", None);
        let trying = trying.feedback(self.feedback(&message).as_deref()).finish();
        self.respond(now, server, 100, trying);
        let tag = self.token();
        let text = |name| String::from_utf8_lossy(message.header(name).unwrap_or_default()).into_owned();
        let key = (Bytes::copy_from_slice(message.call_id()), Bytes::from(tag.clone()));
        let mut new = Dialog {
            local: format!("{};tag={tag}", text(Name::To)),
            remote_tag: tag_of(message.from().ok().and_then(|from| from.tag())),
            remote: text(Name::From),
            remote_cseq: message.cseq().map(|(number, _)| number),
            routes: message.list(Name::RecordRoute).map(|r| String::from_utf8_lossy(r).into_owned()).collect(),
            offered: Some((server, message.clone())),
            offer: if message.sdp().is_some() { Offer::Theirs } else { Offer::None },
            ..Dialog::new(dialog, Life::Invited { server }, key, flow)
        };
        new.peer.learn(&message);
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
    pub(super) fn build_response(&self, dialog: &Dialog, request: &Message, code: u16, reason: &str) -> Builder {
        let tag = String::from_utf8_lossy(&dialog.local_tag);
        let builder = Builder::answer(request, dialog.flow.peer, code, reason, Some(&tag));
        let builder = builder.feedback(self.feedback(request).as_deref());
        let builder = if code < 300 { builder.copy(request, Name::RecordRoute) } else { builder };
        let asked = request.request_uri().is_ok_and(|uri| uri.scheme == Scheme::Sips);
        let contact = if asked { self.sips_contact(&dialog.flow) } else { self.contact_in(dialog, &dialog.flow) };
        let builder = if code < 300 { builder.header(Name::Contact, contact) } else { builder };
        builder.header(Name::Server, &self.config.agent)
    }

    pub(super) fn ring(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let (Life::Invited { server }, Some((_, request))) = (&dialog.life, &dialog.offered) else { return };
        let server = *server;
        if dialog.peer.wants_reliable {
            if dialog.reliable.waiting.is_some() {
                return dialog.reliable.hold(Held::Ring);
            }
            return self.provisional(now, id, 180, "Ringing", None);
        }
        let request = request.clone();
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let bytes = self.build_response(dialog, &request, 180, "Ringing").finish();
        self.respond(now, server, 180, bytes);
    }

    pub(super) fn answer(&mut self, now: Instant, id: DialogId, sdp: &[u8]) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if !matches!(dialog.life, Life::Invited { .. }) {
            return;
        }
        // RFC 3262 section 3: no 2xx while a reliable response with SDP waits for its PRACK, nor (RFC 3311 section
        // 5.2) while another offer inside this INVITE waits for its answer.
        if dialog.reliable.waiting.as_ref().is_some_and(|waiting| waiting.sdp) || dialog.updated.is_some() {
            return dialog.reliable.hold(Held::Answer(Bytes::copy_from_slice(sdp)));
        }
        self.accept(now, id, sdp, true);
    }

    pub(super) fn answer_again(&mut self, now: Instant, id: DialogId, sdp: &[u8]) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        if dialog.updated.is_some() {
            self.answer_update(now, id, sdp);
        } else if matches!(dialog.life, Life::Up | Life::Answered) {
            self.accept(now, id, sdp, false);
        }
    }

    /// 200 to the INVITE that waits; repeated until its ACK comes (section 13.3.1.4).
    fn accept(&mut self, now: Instant, id: DialogId, sdp: &[u8], first: bool) {
        let Some((server, request)) = self.dialogs.get_mut(&id).and_then(|dialog| dialog.offered.take()) else {
            return;
        };
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let agreed = dialog.agree(&request, self.config.session);
        // What a reliable 183 and its PRACK have settled is not said again: it would be a new offer (RFC 6337 3.1).
        let settled = first && dialog.offer == Offer::None && !dialog.sdp.is_empty();
        let sdp = if settled { &[] } else { sdp };
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let bytes = self
            .build_response(dialog, &request, 200, "OK")
            .header(Name::Allow, check::ALLOW)
            .header(Name::Accept, check::ACCEPT)
            .header(Name::Supported, check::SUPPORTED.join(", "))
            .session(agreed)
            .body(SDP, sdp);
        let timing = self.config.timing;
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            let offers = !settled && request.sdp().is_none();
            dialog.offer = if offers { Offer::Ours } else { Offer::None };
            if !sdp.is_empty() {
                dialog.sdp = Bytes::copy_from_slice(sdp);
            }
            dialog.unacknowledged = Some(Unacknowledged {
                cseq: request.cseq().map_or(0, |(number, _)| number),
                bytes: bytes.clone(),
                interval: timing.t1,
                awaited: first || offers,
            });
            if first {
                dialog.life = Life::Answered;
                dialog.reliable.held.clear();
            }
        }
        self.keep_alive(now, id, agreed);
        self.respond(now, server, 200, bytes);
        self.timers.set(Due::Repeat(id), now + timing.t1);
        self.timers.set(Due::GiveUp(id), now + timing.long());
    }

    pub(super) fn refuse(&mut self, now: Instant, id: DialogId, code: u16, reason: &str, retry: Option<Duration>) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if !matches!(dialog.life, Life::Invited { .. }) {
            return;
        }
        if code == 503 {
            self.overload.refused();
        }
        self.refuse_offered(now, id, code, reason, retry);
        self.end(id, Why::Refused);
    }

    /// Takes an [`Event::Invited`] back that nobody has room for: 503, and no event follows.
    pub fn turn_away(&mut self, now: Instant, id: DialogId) {
        let retry = self.config.retry_after;
        self.overload.refused();
        self.refuse_offered(now, id, 503, "Service Unavailable", Some(retry));
        self.forget(id);
    }

    pub(super) fn refuse_again(&mut self, now: Instant, id: DialogId, code: u16) {
        let reason = if code == 488 { "Not Acceptable Here" } else { "Server Internal Error" };
        if self.dialogs.get(&id).is_some_and(|dialog| dialog.updated.is_some()) {
            self.refuse_update(now, id, code, reason);
        } else {
            self.refuse_offered(now, id, code, reason, None);
        }
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
        let bytes = builder.finish();
        if let Some(dialog) = self.dialogs.get_mut(&id)
            && dialog.updated.is_none()
        {
            dialog.offer = Offer::None;
        }
        self.respond(now, server, code, bytes);
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
        dialog.offer = Offer::None;
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
            self.end_because(id, Why::Cancelled, Reason::of(message));
        } else if self.dialogs.get(&id).is_some_and(|dialog| dialog.offered.as_ref().is_some_and(|(s, _)| *s == server))
        {
            self.refuse_offered(now, id, 487, "Request Terminated", None); // a re-INVITE; the call goes on
        }
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
