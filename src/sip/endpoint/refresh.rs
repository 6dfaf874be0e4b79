//! Session timers at work (RFC 4028), and offers that are made again after 491 (RFC 3261 section 14.1).

use std::time::{Duration, Instant};

use super::{DialogId, Due, Endpoint, Event, Why};
use crate::sip::check;
use crate::sip::dialog::{Caller, Offer, Retry, Sent};
use crate::sip::message::Message;
use crate::sip::name::{Method, Name};
use crate::sip::reason::Reason;
use crate::sip::session::{self, Agreed};

/// A refresh that could not be made, or failed for a reason that may pass, is tried again after this long.
const SOON: Duration = Duration::from_secs(2);
/// So often an offer is made before the user hears of 491.
const TRIES: u32 = 5;

impl Endpoint {
    /// A 2xx has agreed on the session's time, or on none.
    pub(super) fn keep_alive(&mut self, now: Instant, id: DialogId, agreed: Option<Agreed>) {
        self.timers.cancel(&Due::Refresh(id));
        self.timers.cancel(&Due::Expired(id));
        let Some(agreed) = agreed else { return };
        self.timers.set(Due::Expired(id), now + agreed.over_after());
        if agreed.ours {
            self.timers.set(Due::Refresh(id), now + agreed.refresh_after());
        }
    }

    /// The other side's 2xx to a request of ours that begins or refreshes the session.
    pub(super) fn learn_session(&mut self, now: Instant, id: DialogId, response: &Message) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.peer.learn(response);
        dialog.session = session::learn(response);
        let agreed = dialog.session;
        self.keep_alive(now, id, agreed);
    }

    /// Our turn to refresh: by UPDATE where the other side takes it, else by a re-INVITE that changes nothing.
    pub(super) fn refresh(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let Some(agreed) = dialog.session.filter(|agreed| agreed.ours) else { return };
        if !dialog.is_free() {
            return self.timers.set(Due::Refresh(id), now + SOON);
        }
        let (method, sdp) =
            if dialog.peer.update { (Method::Update, None) } else { (Method::Invite, Some(dialog.sdp.clone())) };
        let client = self.offer_inside(now, id, &method, Some(agreed), sdp.as_deref().unwrap_or_default());
        if let (Some(client), Some(dialog)) = (client, self.dialogs.get_mut(&id)) {
            dialog.offering = Some(Sent::Refresh(client));
            if sdp.is_some() {
                dialog.offer = Offer::Ours;
            }
        }
    }

    /// A re-INVITE or UPDATE of ours; the dialog is free. Returns its transaction.
    fn offer_inside(
        &mut self,
        now: Instant,
        id: DialogId,
        method: &Method,
        agreed: Option<Agreed>,
        sdp: &[u8],
    ) -> Option<u64> {
        let branch = self.branch();
        let dialog = self.dialogs.get(&id)?;
        let flow = self.way(dialog);
        let (via, contact) = (self.own_via(&flow, &branch), self.contact_in(dialog, &flow));
        let dialog = self.dialogs.get_mut(&id)?;
        let min = dialog.min_session;
        let mut builder = dialog
            .request(method, None, &via, &contact)
            .header(Name::Allow, check::ALLOW)
            .header(Name::Supported, check::SUPPORTED.join(", "));
        if let Some(agreed) = agreed {
            builder = builder.header(Name::SessionExpires, agreed.in_request());
        }
        if min > check::MIN_SESSION {
            builder = builder.header(Name::MinSe, min.to_string());
        }
        let bytes = builder.header(Name::UserAgent, &self.config.agent).body("application/sdp", sdp);
        Some(self.begin(now, flow, id, method.clone(), &branch, bytes))
    }

    /// A re-INVITE (section 14.1). Only one offer is under way in a dialog, theirs or ours.
    pub(super) fn offer_again(&mut self, now: Instant, id: DialogId, sdp: &[u8]) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        if !dialog.is_free() || dialog.retry.is_some() {
            return self.event(Event::RefusedAgain { dialog: id, code: 491 });
        }
        self.offer(now, id, sdp);
    }

    fn offer(&mut self, now: Instant, id: DialogId, sdp: &[u8]) {
        let agreed = self.dialogs.get(&id).and_then(|dialog| dialog.session);
        let client = self.offer_inside(now, id, &Method::Invite, agreed, sdp);
        if let (Some(client), Some(dialog)) = (client, self.dialogs.get_mut(&id)) {
            dialog.offering = Some(Sent::Offer(client));
            dialog.offer = Offer::Ours;
            dialog.sdp = bytes::Bytes::copy_from_slice(sdp);
        }
    }

    /// 491 to our offer: both sides offered at once. It is made again after the time of section 14.1, which keeps the
    /// two sides apart; the user hears of it after some tries.
    pub(super) fn glare(&mut self, now: Instant, id: DialogId) {
        let wait = self.apart(id);
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let sdp = dialog.sdp.clone();
        let retry = dialog.retry.get_or_insert(Retry { sdp, tries: 0 });
        retry.tries += 1;
        if retry.tries >= TRIES {
            dialog.retry = None;
            return self.event(Event::RefusedAgain { dialog: id, code: 491 });
        }
        self.timers.set(Due::Retry(id), now + wait);
    }

    /// Whoever chose the Call-ID waits 2.1 to 4 s, the other side up to 2 s, in steps of 10 ms.
    fn apart(&mut self, id: DialogId) -> Duration {
        let ours = self.dialogs.get(&id).is_some_and(|dialog| dialog.caller == Caller::Us);
        let steps = if ours { 210 + self.draw(191) } else { self.draw(201) };
        Duration::from_millis(steps * 10)
    }

    pub(super) fn retry(&mut self, now: Instant, id: DialogId) {
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let Some(retry) = &dialog.retry else { return };
        if !dialog.is_free() {
            return self.glare(now, id);
        }
        let sdp = retry.sdp.clone();
        self.offer(now, id, &sdp);
    }

    /// The response to a refresh, by either method.
    pub(super) fn refreshed(&mut self, now: Instant, id: DialogId, code: u16, message: &Message) {
        let wait = self.apart(id);
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        match code {
            200..=299 => {
                dialog.refresh_target(message);
                self.learn_session(now, id, message);
            }
            408 | 481 => self.gone(now, id), // RFC 4028 section 10, RFC 3261 section 12.2.1.2
            405 | 501 if dialog.peer.update => {
                dialog.peer.update = false;
                self.refresh(now, id);
            }
            422 => {
                dialog.min_session = dialog.min_session.max(session::min(message));
                if let Some(agreed) = &mut dialog.session {
                    agreed.interval = agreed.interval.max(dialog.min_session);
                }
                self.timers.set(Due::Refresh(id), now + SOON);
            }
            491 => self.timers.set(Due::Refresh(id), now + wait),
            _ => self.timers.set(Due::Refresh(id), now + SOON),
        }
    }

    /// Nobody refreshed the session in time (RFC 4028 section 10).
    pub(super) fn expired(&mut self, now: Instant, id: DialogId) {
        let reason = Reason::sip(408, "Session timer expired").to_string();
        self.bye(now, id, Some(reason));
        self.end(id, Why::Expired);
    }
}
