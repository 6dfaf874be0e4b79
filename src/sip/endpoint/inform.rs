//! INFO out (RFC 6086): keys to a peer that takes them so.

use std::time::Instant;

use super::{DialogId, Endpoint, Event};
use crate::sip::dialog::Life;
use crate::sip::name::{Method, Name};

impl Endpoint {
    pub(super) fn inform(&mut self, now: Instant, id: DialogId, content_type: &str, body: &[u8]) {
        let branch = self.branch();
        let Some(dialog) = self.dialogs.get(&id) else { return };
        if !matches!(dialog.life, Life::Up) {
            return self.event(Event::Informed { dialog: id, code: 481 });
        }
        let flow = self.way(dialog);
        let (via, contact) = (self.own_via(&flow, &branch), self.own_contact(&flow));
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        let bytes = dialog
            .request(&Method::Info, None, &via, &contact)
            .header(Name::UserAgent, &self.config.agent)
            .body(content_type, body);
        self.begin(now, flow, id, Method::Info, &branch, bytes);
    }

    /// The answer, or that none came (408). A peer that does not know the dialog, or does not answer in it, has ended
    /// it (RFC 3261 section 12.2.1.2).
    pub(super) fn inform_answered(&mut self, now: Instant, id: DialogId, code: u16) {
        if !self.dialogs.contains_key(&id) {
            return; // it ended meanwhile
        }
        self.event(Event::Informed { dialog: id, code });
        if matches!(code, 408 | 481) {
            self.gone(now, id);
        }
    }
}
