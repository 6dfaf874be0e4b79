//! REFER out (RFC 3515, with Replaces of RFC 3891) and its NOTIFYs; INFO in (RFC 6086).

use std::time::Instant;

use super::requests::no_dialog;
use super::{DialogId, Endpoint, Event, Flow};
use crate::sip::check::Fault;
use crate::sip::dialog::{Dialog, Life, Referral};
use crate::sip::message::Message;
use crate::sip::name::{Method, Name};
use crate::sip::parse::decimal;

/// Whom the other side shall call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReferTo {
    /// A URI: a blind transfer.
    Uri(String),
    /// The other side of this dialog of ours, taking our place in it: an attended transfer.
    Instead(DialogId),
}

/// Bodies of INFO that are taken: keys.
const KEYS: &str = "application/dtmf-relay, application/dtmf";

impl Endpoint {
    pub(super) fn refer(&mut self, now: Instant, id: DialogId, to: &ReferTo, by: Option<&str>) {
        let refused = Event::Referred { dialog: id, code: 481, over: true };
        let uri = match to {
            ReferTo::Uri(uri) => Some(uri.clone()),
            ReferTo::Instead(other) => self.dialogs.get(other).filter(|d| matches!(d.life, Life::Up)).map(replacing),
        };
        let Some(dialog) = self.dialogs.get(&id) else { return };
        // One at a time: without an id (RFC 3515 section 2.4.6) the NOTIFYs of two could not be told apart.
        let Some(uri) = uri.filter(|_| matches!(dialog.life, Life::Up) && dialog.referral.is_none()) else {
            return self.event(refused);
        };
        let branch = self.branch();
        let Some(dialog) = self.dialogs.get(&id) else { return };
        let flow = self.way(dialog);
        let (via, contact) = (self.own_via(&flow, &branch), self.own_contact(&flow));
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        dialog.referral = Some(Referral::Sent);
        let mut builder =
            dialog.request(&Method::Refer, None, &via, &contact).header(Name::ReferTo, format!("<{uri}>"));
        if let Some(by) = by {
            builder = builder.header(Name::ReferredBy, format!("<{by}>"));
        }
        let bytes = builder.header(Name::UserAgent, &self.config.agent).finish();
        self.begin(now, flow, id, Method::Refer, &branch, bytes);
    }

    /// The response to our REFER. 202 only says that it was understood: the NOTIFYs tell the rest.
    pub(super) fn refer_answered(&mut self, id: DialogId, code: u16) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        match (dialog.referral, code) {
            (Some(Referral::Sent), 200..=299) => dialog.referral = Some(Referral::Accepted),
            (Some(_), 300..) => {
                dialog.referral = None;
                self.event(Event::Referred { dialog: id, code, over: true });
            }
            _ => {}
        }
    }

    /// NOTIFY: how the call that we referred to goes. The subscription is the REFER's own (section 2.4.4).
    pub(super) fn notified(&mut self, now: Instant, flow: Flow, key: Box<[u8]>, id: DialogId, message: &Message) {
        let package = first(message.header(Name::Event).unwrap_or_default());
        let Some(dialog) = self.dialogs.get_mut(&id) else { return };
        if !package.eq_ignore_ascii_case(b"refer") || dialog.referral.is_none() {
            return self.settle(now, flow, key, message, &no_dialog());
        }
        let ended = first(message.header(Name::SubscriptionState).unwrap_or_default());
        let ended = ended.eq_ignore_ascii_case(b"terminated");
        let code = fragment(message);
        let over = ended || code.is_some_and(|code| code >= 200);
        if over {
            dialog.referral = None;
        }
        self.settle(now, flow, key, message, &Fault::new(200, "OK"));
        // Terminated without a word on the call: nobody knows what became of it.
        if let Some(code) = code.or(ended.then_some(480)) {
            self.event(Event::Referred { dialog: id, code, over });
        }
    }

    /// INFO: keys, or nothing.
    pub(super) fn informed(&mut self, now: Instant, flow: Flow, key: Box<[u8]>, id: DialogId, message: &Message) {
        if !self.has_room(flow, message) {
            return;
        }
        let body = message.body();
        let kind = message.content_type().map(|(kind, _)| kind.to_ascii_lowercase()).unwrap_or_default();
        let keys = KEYS.split(", ").any(|taken| taken.as_bytes() == kind);
        if !body.is_empty() && !keys {
            let fault =
                Fault { headers: vec![(Name::Accept, KEYS.to_owned())], ..Fault::new(415, "Unsupported Media Type") };
            return self.settle(now, flow, key, message, &fault);
        }
        self.settle(now, flow, key, message, &Fault::new(200, "OK"));
        if !body.is_empty() {
            let content_type = String::from_utf8_lossy(&kind).into_owned();
            self.event(Event::Info { dialog: id, content_type, body });
        }
    }
}

/// What stands before the first parameter.
fn first(value: &[u8]) -> &[u8] {
    value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii()
}

/// The code in a body of the kind message/sipfrag: `SIP/2.0 180 Ringing`.
fn fragment(message: &Message) -> Option<u16> {
    let body = message.body();
    let mut words = body.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let version = words.next()?;
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return None;
    }
    decimal(words.next()?, 699).filter(|code| *code >= 100).map(|code| code as u16)
}

/// The other side's target, with Replaces for the dialog that it has with us (RFC 3891 section 6.1: to-tag is its tag).
fn replacing(dialog: &Dialog) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let replaces =
        format!("{};to-tag={};from-tag={}", text(&dialog.call_id), text(&dialog.remote_tag), text(&dialog.local_tag));
    let mut uri = dialog.target.clone();
    // Headers of the target's own would not survive the REFER (RFC 3261 section 19.1.5).
    uri.truncate(uri.find('?').unwrap_or(uri.len()));
    uri.push_str("?Replaces=");
    for byte in replaces.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            uri.push(byte as char);
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
