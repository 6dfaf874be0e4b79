//! Dialogs (RFC 3261 section 12): what two sides agreed on, and where the call stands in its life.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

use super::build::Builder;
use super::endpoint::{DialogId, Flow, Transport};
use super::message::Message;
use super::name::{Method, Name};
use super::uri::Uri;

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

/// One dialog.
#[derive(Debug, Clone)]
pub struct Dialog {
    pub id: DialogId,
    pub life: Life,
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
    /// Our re-INVITE that is under way: its transaction.
    pub offering: Option<u64>,
    pub unacknowledged: Option<Unacknowledged>,
    /// Hang up as soon as the ACK is there (section 15: a callee must wait for it).
    pub hang_up: Option<Option<String>>,
}

impl Dialog {
    pub fn key(&self) -> Key {
        (self.call_id.clone(), self.local_tag.clone())
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

    /// The address that our requests should go to: the first route, else the target; `None` for names.
    pub fn next_hop(&self) -> Option<(SocketAddr, Transport)> {
        let text = self.routes.first().map_or(self.target.as_str(), |route| inner(route));
        let uri = Uri::parse(text.as_bytes()).ok()?;
        let tcp = uri.param("transport").is_some_and(|t| t.eq_ignore_ascii_case(b"tcp"));
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        Some((SocketAddr::new(uri.ip()?, uri.port.unwrap_or(5060)), transport))
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
        Dialog {
            id: DialogId(1),
            life: Life::Up,
            call_id: Bytes::from_static(b"c"),
            local_tag: Bytes::from_static(b"l"),
            remote_tag: Bytes::from_static(b"r"),
            local: "<sip:us@h>;tag=l".into(),
            remote: "<sip:them@h>;tag=r".into(),
            local_cseq: 0,
            remote_cseq: None,
            target: "sip:them@192.0.2.5:5062".into(),
            routes: routes.iter().map(|r| (*r).to_owned()).collect(),
            flow,
            offered: None,
            offering: None,
            unacknowledged: None,
            hang_up: None,
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
    }
}
