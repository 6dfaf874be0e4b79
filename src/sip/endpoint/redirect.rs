//! 3xx to an INVITE of ours (RFC 3261 sections 8.1.3.4 and 21.3): the same call, to another number or address.
//!
//! Only on a trunk, only to addresses of that trunk, over the same transport, and at most [`MOST`] times: whoever
//! answers must not be able to send our calls, and what they cost, to anybody else.

use std::time::Instant;

use super::{DialogId, Due, Endpoint, Flow, Transport};
use crate::sip::address::NameAddr;
use crate::sip::build::Builder;
use crate::sip::dialog::{Cancel, Life};
use crate::sip::message::{Framing, Message};
use crate::sip::name::{Method, Name};
use crate::sip::uri::Scheme;

/// So many 3xx are followed in one call.
const MOST: u8 = 3;

impl Endpoint {
    /// Follows a 3xx. `false`: it names nowhere that this call may go.
    pub(super) fn redirected(&mut self, now: Instant, id: DialogId, response: &Message) -> bool {
        let Some(dialog) = self.dialogs.get(&id) else { return false };
        let Life::Calling { client, cancel: Cancel::No } = dialog.life else { return false };
        if dialog.redirects >= MOST {
            return false;
        }
        let Some(entry) = self.clients.get(&client) else { return false };
        let flow = entry.flow;
        let Ok(old) = Message::parse(entry.tx.request().clone(), Framing::Stream) else { return false };
        let Some((uri, flow)) = self.best(id, flow, response) else { return false };
        let silence =
            self.challenges.trunk(id).and_then(|trunk| self.config.trunks.get(trunk)).map(|trunk| trunk.silence);
        let branch = self.branch();
        let via = self.own_via(&flow, &branch);
        let Some(dialog) = self.dialogs.get_mut(&id) else { return false };
        dialog.redirects += 1;
        dialog.local_cseq += 1;
        dialog.forks.clear(); // the early dialogs are the old INVITE's
        dialog.target.clone_from(&uri);
        dialog.flow = flow;
        let cseq = dialog.local_cseq;
        let Some(dialog) = self.dialogs.get(&id) else { return false };
        let contact = self.contact_in(dialog, &flow);
        let mut builder = Builder::request(&Method::Invite, &uri).header(Name::Via, via);
        let mut kind = String::new();
        for (name, as_written, value) in old.all() {
            match name {
                // Passwords are for the URI that was asked; the new one asks by itself.
                Name::Via | Name::ContentLength | Name::Authorization | Name::ProxyAuthorization => {}
                Name::ContentType => kind = String::from_utf8_lossy(value).into_owned(),
                Name::Contact => builder = builder.header(Name::Contact, &contact),
                // Section 8.1.3.4: To, From and Call-ID stay, so that the other side sees one call.
                Name::CSeq => builder = builder.header(Name::CSeq, format!("{cseq} INVITE")),
                _ => builder = builder.other(&String::from_utf8_lossy(as_written), value),
            }
        }
        let client = self.begin(now, flow, id, Method::Invite, &branch, builder.body(&kind, &old.body()));
        if let Some(silence) = silence {
            self.timers.set(Due::ClientEnd(client), now + silence);
        }
        if let Some(dialog) = self.dialogs.get_mut(&id) {
            dialog.life = Life::Calling { client, cancel: Cancel::No };
        }
        true
    }

    /// The Contact that is wanted most (`q`, section 20.10) among those where this call may go, and the way there.
    fn best(&self, id: DialogId, flow: Flow, response: &Message) -> Option<(String, Flow)> {
        let trunk = self.challenges.trunk(id)?;
        let usable = response.addresses(Name::Contact).filter_map(Result::ok).filter_map(|contact| {
            let secured = contact.uri.scheme == Scheme::Sips && flow.transport == Transport::Tls;
            if contact.uri.scheme != Scheme::Sip && !secured {
                return None; // tel: names no way, sips: another one
            }
            let way = match contact.uri.ip() {
                // A name: the carrier's own proxy, which sent the call on, knows where that is.
                None => flow,
                Some(ip) => {
                    let peer = std::net::SocketAddr::new(ip, contact.uri.port.unwrap_or(flow.transport.usual_port()));
                    let same = contact
                        .uri
                        .param("transport")
                        .is_none_or(|transport| transport.eq_ignore_ascii_case(flow.transport.as_str().as_bytes()));
                    if !same || ip.is_ipv4() != flow.peer.is_ipv4() || self.config.trunks.of(ip) != Some(trunk) {
                        return None;
                    }
                    Flow { peer, connection: 0, ..flow }
                }
            };
            let mut uri = String::from_utf8_lossy(contact.uri.raw).into_owned();
            uri.truncate(uri.find('?').unwrap_or(uri.len())); // headers that a stranger would put into our INVITE
            Some((quality(&contact), uri, way))
        });
        // The first of equals.
        let best = usable.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        Some((best.1, best.2))
    }
}

/// `q` in thousandths; without one a Contact is as good as any.
fn quality(contact: &NameAddr<'_>) -> u32 {
    let Some(text) = contact.params.get("q") else { return 1000 };
    let number = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse::<f64>().ok());
    number.filter(|q| (0.0..=1.0).contains(q)).map_or(0, |q| (q * 1000.0) as u32)
}
