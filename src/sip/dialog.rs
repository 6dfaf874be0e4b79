//! Dialogs (RFC 3261 section 12): what two sides agreed on, and where the call stands in its life.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::build::Builder;
use super::endpoint::{DialogId, Flow, Transport};
use super::message::Message;
use super::name::{Method, Name};
use super::session;
use super::uri::{Scheme, Uri};

pub use extensions::{Ack, Fork, Held, MAX_FORKS, Offer, Peer, Referral, Reliable, Retry, Sent, Unpracked};

mod extensions;

/// The key under which a message finds its dialog: Call-ID, our tag. (The peer's tag is compared afterwards.)
pub type Key = (Bytes, Bytes);

/// A 2xx of ours that was not acknowledged yet.
#[derive(Debug, Clone)]
pub struct Unacknowledged {
    pub cseq: u32,
    pub bytes: Bytes,
    pub interval: Duration,
    /// The user waits for the ACK: it makes the call, or carries the answer to the offer in our 2xx.
    pub awaited: bool,
}

/// What became of the wish to take an INVITE of ours back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    No,
    /// CANCEL may go out only after a provisional response (section 9.1).
    Wanted,
    Sent,
}

/// Where a dialog stands.
#[derive(Debug, Clone)]
pub enum Life {
    /// Their INVITE waits for our final response.
    Invited { server: u64 },
    /// Our 2xx waits for the ACK.
    Answered,
    /// Our INVITE is under way.
    Calling { client: u64, cancel: Cancel },
    /// Both sides agree.
    Up,
    /// Our BYE is under way.
    Leaving,
}

/// Who calls whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Us,
    Them,
}

/// One dialog.
#[derive(Debug, Clone)]
pub struct Dialog {
    pub id: DialogId,
    pub life: Life,
    /// Whose INVITE began it; the Call-ID is theirs (RFC 3261 section 14.1 asks).
    pub caller: Caller,
    pub call_id: Bytes,
    pub local_tag: Bytes,
    /// Empty until the other side has chosen one.
    pub remote_tag: Bytes,
    /// Header values for our requests, with tags.
    pub local: String,
    pub remote: String,
    pub local_cseq: u32,
    /// The highest CSeq that the peer used.
    pub remote_cseq: Option<u32>,
    /// The peer's Contact.
    pub target: String,
    pub routes: Vec<String>,
    /// Where the peer's last request came from, or where our INVITE went.
    pub flow: Flow,
    /// Their INVITE (first or again) that our user has not answered: transaction, number and the request.
    pub offered: Option<(u64, Message)>,
    /// Their UPDATE or PRACK with an offer that our user has not answered.
    pub updated: Option<(u64, Message)>,
    /// Our re-INVITE or UPDATE that is under way.
    pub offering: Option<Sent>,
    pub unacknowledged: Option<Unacknowledged>,
    /// Hang up as soon as the ACK is there (section 15: a callee must wait for it).
    pub hang_up: Option<Option<String>>,
    /// Whose offer waits for its answer (RFC 3264): there is never more than one.
    pub offer: Offer,
    /// The SDP that we sent last, for the refresh of the session by re-INVITE.
    pub sdp: Bytes,
    pub peer: Peer,
    /// Our reliable provisional responses.
    pub reliable: Reliable,
    /// The early dialogs of an INVITE of ours.
    pub forks: Vec<Fork>,
    pub session: Option<session::Agreed>,
    /// The shortest session interval that the other side has asked for, in seconds.
    pub min_session: u64,
    /// An offer of ours that met one of theirs.
    pub retry: Option<Retry>,
    pub referral: Option<Referral>,
    /// How many 3xx an INVITE of ours has followed.
    pub redirects: u8,
    pub ack: Ack,
}

impl Dialog {
    /// A dialog about which nothing is agreed yet.
    pub fn new(id: DialogId, life: Life, (call_id, local_tag): Key, flow: Flow) -> Dialog {
        Dialog {
            id,
            caller: if matches!(life, Life::Invited { .. }) { Caller::Them } else { Caller::Us },
            life,
            call_id,
            local_tag,
            remote_tag: Bytes::new(),
            local: String::new(),
            remote: String::new(),
            local_cseq: 0,
            remote_cseq: None,
            target: String::new(),
            routes: Vec::new(),
            flow,
            offered: None,
            updated: None,
            offering: None,
            unacknowledged: None,
            hang_up: None,
            offer: Offer::None,
            sdp: Bytes::new(),
            peer: Peer::default(),
            reliable: Reliable::default(),
            forks: Vec::new(),
            session: None,
            min_session: 0,
            retry: None,
            referral: None,
            redirects: 0,
            ack: Ack::default(),
        }
    }

    /// Nothing is under way but the call itself: a new offer or refresh of ours may begin (RFC 3311 section 5.1).
    pub fn is_free(&self) -> bool {
        matches!(self.life, Life::Up)
            && self.offer == Offer::None
            && self.offered.is_none()
            && self.updated.is_none()
            && self.offering.is_none()
            && self.unacknowledged.is_none()
    }

    pub fn key(&self) -> Key {
        (self.call_id.clone(), self.local_tag.clone())
    }

    /// Agrees to what a request asks of the session timer; the answer stands in our 2xx (RFC 4028 section 9).
    pub fn agree(&mut self, request: &Message, wish: Duration) -> Option<session::Agreed> {
        self.min_session = self.min_session.max(session::min(request));
        self.session = session::answer(request, wish.as_secs(), self.session);
        self.session
    }

    /// Takes the target from a target refresh request or response (section 12.2).
    pub fn refresh_target(&mut self, message: &Message) {
        if let Some(Ok(contact)) = message.contact() {
            self.target = String::from_utf8_lossy(contact.uri.raw).into_owned();
        }
    }

    /// A 2xx to our INVITE makes the dialog (section 12.1.2).
    pub fn establish(&mut self, response: &Message) {
        self.remote_tag = Bytes::copy_from_slice(response.to().ok().and_then(|to| to.tag()).unwrap_or_default());
        self.remote = String::from_utf8_lossy(response.header(Name::To).unwrap_or_default()).into_owned();
        self.refresh_target(response);
        let routes = response.list(Name::RecordRoute).map(|route| String::from_utf8_lossy(route).into_owned());
        self.routes = routes.collect();
        self.routes.reverse();
        self.life = Life::Up;
    }

    /// Our next request in this dialog (section 12.2.1.1). ACK takes the INVITE's number.
    pub fn request(&mut self, method: &Method, cseq: Option<u32>, via: &str, contact: &str) -> Builder {
        let cseq = cseq.unwrap_or_else(|| {
            self.local_cseq += 1;
            self.local_cseq
        });
        let strict = self.routes.first().is_some_and(|route| !is_loose(route));
        let (uri, routes): (String, Vec<String>) = if strict {
            // Section 12.2.1.1: a strict router gets its own URI as Request-URI, the target goes last.
            let mut routes = self.routes[1..].to_vec();
            routes.push(format!("<{}>", self.target));
            (inner(&self.routes[0]).to_owned(), routes)
        } else {
            (self.target.clone(), self.routes.clone())
        };
        let mut builder = Builder::request(method, &uri).header(Name::Via, via).header(Name::MaxForwards, "70");
        for route in &routes {
            builder = builder.header(Name::Route, route);
        }
        builder
            .header(Name::From, &self.local)
            .header(Name::To, &self.remote)
            .header(Name::CallId, &self.call_id)
            .header(Name::CSeq, format!("{cseq} {method}"))
            .header(Name::Contact, contact)
    }

    /// Whether the next hop, a route or the target, is a `sips:` URI.
    pub fn is_sips(&self) -> bool {
        let text = self.routes.first().map_or(self.target.as_str(), |route| inner(route));
        Uri::parse(text.as_bytes()).is_ok_and(|uri| uri.scheme == Scheme::Sips)
    }

    /// The address that our requests should go to: the first route, else the target; `None` for names.
    pub fn next_hop(&self) -> Option<(SocketAddr, Transport)> {
        let text = self.routes.first().map_or(self.target.as_str(), |route| inner(route));
        let uri = Uri::parse(text.as_bytes()).ok()?;
        let transport = Transport::of(&uri);
        Some((SocketAddr::new(uri.ip()?, uri.port.unwrap_or(transport.usual_port())), transport))
    }
}

fn inner(route: &str) -> &str {
    let from = route.find('<').map_or(0, |at| at + 1);
    let to = route[from..].find('>').map_or(route.len(), |at| from + at);
    &route[from..to]
}

fn is_loose(route: &str) -> bool {
    Uri::parse(inner(route).as_bytes()).is_ok_and(|uri| uri.param("lr").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialog(routes: &[&str]) -> Dialog {
        let flow = Flow {
            transport: Transport::Udp,
            local: "127.0.0.1:5060".parse().unwrap(),
            peer: "127.0.0.1:5070".parse().unwrap(),
            connection: 0,
        };
        let key = (Bytes::from_static(b"c"), Bytes::from_static(b"l"));
        Dialog {
            remote_tag: Bytes::from_static(b"r"),
            local: "<sip:us@h>;tag=l".into(),
            remote: "<sip:them@h>;tag=r".into(),
            target: "sip:them@192.0.2.5:5062".into(),
            routes: routes.iter().map(|r| (*r).to_owned()).collect(),
            ..Dialog::new(DialogId(1), Life::Up, key, flow)
        }
    }

    #[test]
    fn loose_and_strict_routes() {
        let text = |mut d: Dialog| {
            let bytes = d.request(&Method::Bye, None, "SIP/2.0/UDP h", "<sip:c>").finish();
            String::from_utf8(bytes.to_vec()).expect("ASCII")
        };
        let loose = text(dialog(&["<sip:p1@192.0.2.1;lr>", "<sip:p2;lr>"]));
        assert!(loose.starts_with("BYE sip:them@192.0.2.5:5062 SIP/2.0\r\n"), "{loose}");
        assert!(loose.contains("Route: <sip:p1@192.0.2.1;lr>\r\nRoute: <sip:p2;lr>\r\n"), "{loose}");
        let strict = text(dialog(&["<sip:p1@192.0.2.1>", "<sip:p2>"]));
        assert!(strict.starts_with("BYE sip:p1@192.0.2.1 SIP/2.0\r\n"), "{strict}");
        assert!(strict.contains("Route: <sip:p2>\r\nRoute: <sip:them@192.0.2.5:5062>\r\n"), "{strict}");
        assert_eq!(dialog(&[]).next_hop(), Some(("192.0.2.5:5062".parse().unwrap(), Transport::Udp)));
        assert_eq!(
            dialog(&["<sip:p1@192.0.2.1;lr;transport=tcp>"]).next_hop(),
            Some(("192.0.2.1:5060".parse().unwrap(), Transport::Tcp))
        );
        for secured in ["<sip:p1@192.0.2.1;lr;transport=TLS>", "<sips:p1@192.0.2.1;lr>"] {
            assert_eq!(dialog(&[secured]).next_hop(), Some(("192.0.2.1:5061".parse().unwrap(), Transport::Tls)));
        }
    }
}
