//! Where a call of ours goes: straight to an address, or over a trunk (`sip:NUMBER@TRUNK`) by the order of its peers.

use std::net::SocketAddr;
use std::time::Duration;

use crate::sip::task::route_to;
use crate::sip::{Transport, Trunk, Uri, privacy};

use super::Desk;
use super::originate::{Destination, Over};

/// As whom we call.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The number; `None` if nobody knows it.
    pub number: Option<&'a str>,
    /// It is not to be told (RFC 3325).
    pub withheld: bool,
}

/// The way to `target`, where it may ring for `ring`.
///
/// # Errors
/// The target is not a SIP address that can be called.
pub fn destination(desk: &Desk, shown: Shown<'_>, target: &str, ring: Duration) -> Result<Destination, &'static str> {
    let uri = Uri::parse(target.as_bytes()).map_err(|_| "not a SIP URI")?;
    if let Some(trunk) = desk.sip.trunk(&String::from_utf8_lossy(uri.host)) {
        return over(desk, shown, &uri, &trunk, ring);
    }
    let ip = uri.ip().ok_or("the host is neither an IP address nor a trunk")?;
    let transport = Transport::of(&uri);
    let local = route_to(ip).map_err(|_| "there is no route to it")?;
    let ours = desk.originator.advertised.of(local, ip);
    let host = if ours.is_ipv6() { format!("[{ours}]") } else { ours.to_string() };
    Ok(Destination {
        uri: target.to_owned(),
        to: SocketAddr::new(ip, uri.port.unwrap_or(transport.usual_port())),
        transport,
        from: match shown.number {
            _ if shown.withheld => privacy::ANONYMOUS.to_owned(),
            number => format!("sip:{}@{host}", number.unwrap_or("anonymous")),
        },
        display: shown.withheld.then(|| "Anonymous".to_owned()),
        withheld: shown.withheld,
        ring,
        over: None,
    })
}

/// `sip:NUMBER@TRUNK`: to the first of the trunk's addresses, and on to the others where it must be.
fn over(
    desk: &Desk,
    shown: Shown<'_>,
    uri: &Uri<'_>,
    trunk: &Trunk,
    ring: Duration,
) -> Result<Destination, &'static str> {
    let number = trunk.numbers.outward(&uri.number().ok_or("no number stands before the trunk's name")?);
    let outbound = desk.sip.peers().order(trunk);
    let (first, further) = outbound.split_first().ok_or("the trunk has no `outbound`")?;
    let ip = first.address.ip();
    let local = route_to(ip).map_err(|_| "there is no route to the trunk")?;
    let ours = desk.originator.advertised.of(local, ip);
    let host = if ours.is_ipv6() { format!("[{ours}]") } else { ours.to_string() };
    let caller = shown.number.map_or_else(|| "anonymous".to_owned(), |number| trunk.numbers.outward(number));
    Ok(Destination {
        uri: format!("sip:{number}@{}", first.address),
        to: first.address,
        transport: first.transport,
        from: if shown.withheld { privacy::ANONYMOUS.to_owned() } else { format!("sip:{caller}@{host}") },
        display: shown.withheld.then(|| "Anonymous".to_owned()),
        withheld: shown.withheld,
        ring,
        over: Some(Over {
            terms: desk.programme().terms.get(&*trunk.name).cloned(),
            trunk: trunk.name.clone(),
            number,
            further: further.to_vec(),
            silence: trunk.silence,
        }),
    })
}
