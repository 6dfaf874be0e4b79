//! Calls that are not taken: each is counted by reason and trunk, and explained once a minute in one line that says what
//! an operator would change.

use std::sync::Arc;
use std::time::Instant;

use super::Desk;

impl Desk {
    pub(super) fn refused(&self, reason: &'static str, trunk: &Arc<str>, remedy: impl FnOnce() -> String) {
        let mut refusals = self.refusals.lock().expect("nothing panics while holding this lock");
        if let Some(unsaid) = refusals.count(Instant::now(), reason, trunk) {
            let remedy = remedy();
            tracing::warn!(reason, %trunk, unsaid, remedy, "call refused; more of this kind is only counted for a minute");
        }
    }

    /// Tells SIP whether one more call would be taken: an OPTIONS is answered accordingly (RFC 3261 11.2).
    pub(super) fn show_room(&self, shown: &mut bool) {
        let room = self.admission.has_room(self.media.lateness());
        if room != *shown {
            *shown = room;
            self.sip.send_now(crate::sip::Command::Full(!room));
        }
    }
}
