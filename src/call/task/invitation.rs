//! What a new call's INVITE said: who calls, which line was dialled, what is offered.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use jiff::Timestamp;

use crate::id::CallId;
use crate::ivr::Chosen;
use crate::sip::{self, DialogId, Message, Name};

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
        let number = |uri: Option<sip::Uri<'_>>| uri.and_then(|uri| uri.number());
        let listed = |name: Name| -> Vec<String> {
            request.addresses(name).filter_map(|address| address.ok()?.uri.number()).take(16).collect()
        };
        let dialled = number(request.request_uri().ok());
        let to = number(request.to().ok().map(|to| to.uri));
        let chosen = programme.lines.choose(
            dialled.as_deref(),
            to.as_deref(),
            &listed(Name::Diversion),
            &listed(Name::HistoryInfo),
        );
        let from = request.from().ok();
        Invitation {
            id,
            began,
            arrived: Instant::now(),
            dialog,
            caller: crate::call::number::caller(request, desk.sip.trunk(trunk).as_ref()),
            display: from.and_then(|from| from.display.map(|d| String::from_utf8_lossy(d).into_owned())),
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
}
