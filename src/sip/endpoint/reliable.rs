//! Reliable provisional responses (RFC 3262): ours with their PRACKs, and PRACKs of ours.

use std::time::Instant;

use bytes::Bytes;

use super::requests::no_dialog;
use super::uas::{SDP, tag_of};
use super::{DialogId, Due, Endpoint, Event, Flow};
use crate::sip::check::{self, Fault};
use crate::sip::dialog::{Fork, Held, Life, MAX_FORKS, Offer, Unpracked};
use crate::sip::message::Message;
use crate::sip::name::{Method, Name};
use crate::sip::parse::decimal;

/// RSeq begins below 2^31 (RFC 3262 section 3).
const FIRST: u64 = 1 << 30;

impl Endpoint {
    /// 183: what the caller hears before the answer. Reliable if the caller can; otherwise the SDP is an answer that
    /// the 2xx says again. Without an offer to answer and without 100rel there is no early media (RFC 3261 13.2.1).
    pub(super) fn progress(&mut self, now: Instant, id: DialogId, sdp: Bytes) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let (Life::Invited { server }, Some((_, request))) = (&dialog.life, &dialog.offered) else { return };
        if dialog.reliable.waiting.is_some() || dialog.updated.is_some() {
            return dialog.reliable.hold(Held::Progress(sdp));
        }
        if !dialog.sdp.is_empty() {
            return; // agreed already
        }
        if dialog.peer.reliable {
            return self.provisional(now, id, 183, "Session Progress", Some(sdp));
        }
        if dialog.offer != Offer::Theirs {
            return;
        }
        let (server, request) = (*server, request.clone());
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let bytes = self.build_response(dialog, &request, 183, "Session Progress").body(SDP, &sdp);
        self.respond(now, server, 183, bytes);
        self.event(Event::Progressed { dialog: id, sdp: None });
    }

    /// A provisional response that is repeated until its PRACK comes. The caller saw to it that none waits.
    pub(super) fn provisional(
        &mut self,
        now: Instant,
        id: DialogId,
        code: u16,
        reason: &'static str,
        sdp: Option<Bytes>,
    ) {
        let drawn = 1 + self.draw(FIRST) as u32;
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let (Life::Invited { server }, Some((_, request))) = (&dialog.life, &dialog.offered) else { return };
        let (server, request) = (*server, request.clone());
        let rseq = if dialog.reliable.last == 0 { drawn } else { dialog.reliable.last + 1 };
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let bytes = self
            .build_response(dialog, &request, code, reason)
            .header(Name::Require, "100rel")
            .header(Name::RSeq, rseq.to_string())
            .header(Name::Allow, check::ALLOW)
            .body(SDP, sdp.as_deref().unwrap_or_default());
        let timing = self.config.timing;
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.reliable.last = rseq;
        dialog.reliable.waiting = Some(Unpracked {
            rseq,
            cseq: request.cseq().map_or(0, |(number, _)| number),
            bytes: bytes.clone(),
            interval: timing.t1,
            until: now + timing.long(),
            sdp: sdp.is_some(),
        });
        if let Some(sdp) = sdp {
            dialog.offer = if dialog.offer == Offer::Theirs { Offer::None } else { Offer::Ours };
            dialog.sdp = sdp;
        }
        self.respond(now, server, code, bytes);
        self.timers.set(Due::Repeat(id), now + timing.t1);
    }

    /// The PRACK did not come yet. The interval doubles without limit; 64*T1 are the end (RFC 3262 section 3).
    pub(super) fn provisional_again(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let (Life::Invited { server }, Some(waiting)) = (&dialog.life, &mut dialog.reliable.waiting) else { return };
        if now >= waiting.until {
            return self.refuse(now, id, 504, "Server Time-out", None);
        }
        waiting.interval *= 2;
        let (bytes, next) = (waiting.bytes.clone(), (now + waiting.interval).min(waiting.until));
        let flow = self.servers.get(server).map_or(dialog.flow, |entry| entry.flow);
        self.send(flow, bytes);
        self.timers.set(Due::Repeat(id), next);
    }

    /// A PRACK. It may answer the offer of our response, or make an offer of its own (RFC 3262 section 5).
    pub(super) fn pracked(&mut self, now: Instant, flow: Flow, key: Box<[u8]>, id: DialogId, message: Message) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let named = rack(&message);
        let Some(waiting) = dialog.reliable.waiting.take_if(|waiting| named == Some((waiting.rseq, waiting.cseq)))
        else {
            return self.answer_stateless(flow, &message, &no_dialog()); // RFC 3262 section 3
        };
        let sdp = message.sdp();
        let answers = waiting.sdp && dialog.offer == Offer::Ours;
        let offers = sdp.is_some() && !answers;
        if answers {
            dialog.offer = Offer::None;
        }
        // An offer before the INVITE's own exchange is complete (RFC 3262 section 5).
        let clash = offers && (dialog.offer != Offer::None || dialog.sdp.is_empty());
        if matches!(dialog.life, Life::Invited { .. }) {
            self.timers.cancel(&Due::Repeat(id)); // later on it is the 2xx's
        }
        if waiting.sdp {
            self.event(Event::Progressed { dialog: id, sdp: sdp.clone().filter(|_| answers) });
        }
        if clash {
            self.settle(now, flow, key, &message, &Fault::new(491, "Request Pending"));
        } else if offers {
            let server = self.remember(flow, key, &message, false);
            self.offered_inside(id, server, message);
        } else {
            self.settle(now, flow, key, &message, &Fault::new(200, "OK"));
        }
        self.release(now, id);
    }

    /// Does what had to wait for a PRACK, in order, until something has to wait again.
    pub(super) fn release(&mut self, now: Instant, id: DialogId) {
        loop {
            let Some(dialog) = self.dialogs.get_mut(&id) else { return };
            if dialog.reliable.waiting.is_some() || dialog.updated.is_some() {
                return;
            }
            match dialog.reliable.held.pop_front() {
                Some(Held::Ring) => self.ring(now, id),
                Some(Held::Progress(sdp)) => self.progress(now, id, sdp),
                Some(Held::Answer(sdp)) => self.answer(now, id, &sdp),
                None => return,
            }
        }
    }

    /// 101 to 199 to the INVITE that makes a call of ours. Each To tag is an early dialog of its own.
    pub(super) fn rings(&mut self, now: Instant, id: DialogId, number: u32, code: u16, message: &Message) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.peer.learn(message);
        let (flow, sdp) = (dialog.flow, message.sdp());
        let tag = tag_of(message.to().ok().and_then(|to| to.tag()));
        let known = dialog.forks.iter().position(|fork| fork.tag == tag);
        if known.is_none() && dialog.forks.len() == MAX_FORKS {
            return self.refused("too_many_forks", flow);
        }
        let at = known.unwrap_or(dialog.forks.len());
        if known.is_none() {
            dialog.forks.push(Fork { tag, rseq: None, sdp: None });
        }
        if message.has_tag(Name::Require, "100rel") {
            let fork = &mut dialog.forks[at];
            let Some(rseq) = message.header(Name::RSeq).and_then(|text| decimal(text, u64::from(u32::MAX))) else {
                return self.refused("bad_rseq", flow);
            };
            let rseq = rseq as u32;
            // RFC 3262 section 4: only the next one is taken. A repeated one has its PRACK under way.
            if fork.rseq.is_some_and(|last| Some(rseq) != last.checked_add(1)) {
                return;
            }
            fork.rseq = Some(rseq);
            if sdp.is_some() && fork.sdp.is_none() && !dialog.sdp.is_empty() {
                fork.sdp.clone_from(&sdp);
                dialog.offer = Offer::None;
            }
            self.prack(now, id, rseq, number, message);
        }
        self.event(Event::Ringing { dialog: id, code, sdp });
    }

    /// PRACK inside the early dialog that the response made.
    fn prack(&mut self, now: Instant, id: DialogId, rseq: u32, number: u32, response: &Message) {
        let branch = self.branch();
        let Some(mut early) = self.dialogs.get(&id).cloned() else { return };
        early.establish(response);
        let flow = self.way(&early);
        let (via, contact) = (self.own_via(&flow, &branch), self.own_contact(&flow));
        let bytes = early
            .request(&Method::Prack, None, &via, &contact)
            .header(Name::RAck, format!("{rseq} {number} INVITE"))
            .header(Name::UserAgent, &self.config.agent)
            .finish();
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.local_cseq = early.local_cseq; // one count for all forks: each sees it rise
        }
        self.begin(now, flow, id, Method::Prack, &branch, bytes);
    }
}

/// RAck: the RSeq and CSeq of the response that is acknowledged; its method must be INVITE.
fn rack(message: &Message) -> Option<(u32, u32)> {
    let text = message.header(Name::RAck)?;
    let mut words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut number = || decimal(words.next()?, u64::from(u32::MAX)).map(|n| n as u32);
    let pair = (number()?, number()?);
    (words.next() == Some(b"INVITE") && words.next().is_none()).then_some(pair)
}
