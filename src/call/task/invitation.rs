//! What a new call's INVITE said: who calls, which line was dialled, what is offered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;

use crate::call::number;
use crate::id::CallId;
use crate::ivr::Chosen;
use crate::sip::{self, DialogId, Message, Name, privacy};

use super::{Desk, Programme};

/// What the INVITE said.
pub struct Invitation {
    pub id: CallId,
    pub began: Timestamp,
    pub arrived: Instant,
    pub dialog: DialogId,
    /// The caller's number or address: from the addr-spec only, never from the display name.
    pub caller: Option<String>,
    pub display: Option<String>,
    /// The caller asks not to be known (RFC 3323): `caller` and `display` are empty, and calls of ours say it on.
    pub withheld: bool,
    /// User-to-User (RFC 7433), as written, of no meaning to us.
    pub user_to_user: Option<String>,
    /// The caller's side takes 100rel: early media needs no offer in the INVITE.
    pub reliable: bool,
    pub chosen: Chosen,
    pub trunk: String,
    pub source: IpAddr,
    /// Our address as the caller sees it, for the SDP.
    pub address: IpAddr,
    pub programme: Arc<Programme>,
    /// The SDP in it.
    pub offer: Option<Bytes>,
}

impl Invitation {
    pub fn read(
        id: CallId,
        began: Timestamp,
        dialog: DialogId,
        request: &Message,
        flow: sip::Flow,
        trunk: &sip::TrunkName,
        desk: &Desk,
    ) -> Invitation {
        let programme = desk.programme();
        let listed = |name: Name| -> Vec<String> {
            let numbers = request.addresses(name).filter_map(|address| Some(address.ok()?.uri.number()?.into_owned()));
            numbers.take(16).collect()
        };
        let dialled = request.request_uri().ok().and_then(|uri| uri.number());
        let to = request.to().ok().and_then(|to| to.uri.number());
        let chosen = programme.lines.choose(
            dialled.as_deref(),
            to.as_deref(),
            &listed(Name::Diversion),
            &listed(Name::HistoryInfo),
        );
        let withheld = privacy::withheld(request);
        let from = request.from().ok().filter(|_| !withheld);
        Invitation {
            id,
            began,
            arrived: Instant::now(),
            dialog,
            caller: (!withheld).then(|| number::caller(request, desk.sip.trunk(trunk).as_ref())).flatten(),
            display: from.and_then(|from| from.display.map(|d| String::from_utf8_lossy(d).into_owned())),
            withheld,
            user_to_user: request.header(Name::UserToUser).and_then(printable),
            reliable: [Name::Supported, Name::Require].iter().any(|name| request.has_tag(*name, "100rel")),
            chosen,
            trunk: trunk.to_string(),
            source: flow.peer.ip(),
            address: desk.originator.advertised.of(flow.local.ip(), flow.peer.ip()),
            programme,
            offer: request.sdp(),
        }
    }

    /// The line that was dialled.
    pub fn line(&self) -> &str {
        &self.chosen.line
    }

    /// Our URI as the caller's side knows it.
    pub fn own_uri(&self) -> String {
        let host = if self.address.is_ipv6() { format!("[{}]", self.address) } else { self.address.to_string() };
        format!("sip:{}@{host}", self.chosen.line)
    }
}

/// The longest User-to-User that is kept: 128 octets in hexadecimal, and parameters (RFC 7433 section 4).
const MAX_USER_TO_USER: usize = 384;

/// A value that may stand in a row and on a page: printable ASCII, not endless. Others are not kept.
fn printable(value: &[u8]) -> Option<String> {
    let good = !value.is_empty() && value.len() <= MAX_USER_TO_USER && value.iter().all(|b| (b' '..=b'~').contains(b));
    good.then(|| String::from_utf8_lossy(value).into_owned())
}
