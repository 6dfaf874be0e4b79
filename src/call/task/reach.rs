//! From an address as it is written (`sip:NUMBER@TRUNK`, `sip:NAME@ADDRESS`) to where an INVITE goes, and as whom.
//!
//! Used by whoever calls out: transfers, duty telephones. Owns the order of a trunk's addresses being asked for; the
//! call itself is [`super::originate`]'s.

use std::net::SocketAddr;
use std::time::Duration;

use crate::sip::task::route_to;
use crate::sip::{Transport, Trunk, Uri, privacy};

use super::Desk;
use super::originate::{Destination, Over};

/// As whom a call is made, and how long it may ring.
pub struct Bearing<'a> {
    /// The number that is shown; `None`: nobody's.
    pub caller: Option<&'a str>,
    /// It is not to be known.
    pub withheld: bool,
    pub ring: Duration,
}

/// Where a call to `target` goes.
///
/// # Errors
/// It is no address that can be called.
pub fn destination(desk: &Desk, bearing: &Bearing<'_>, target: &str) -> Result<Destination, &'static str> {
    let uri = Uri::parse(target.as_bytes()).map_err(|_| "not a SIP URI")?;
    if let Some(trunk) = desk.sip.trunk(&String::from_utf8_lossy(uri.host)) {
        return over(desk, bearing, &uri, &trunk);
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
        from: match bearing.caller {
            _ if bearing.withheld => privacy::ANONYMOUS.to_owned(),
            caller => format!("sip:{}@{host}", caller.unwrap_or("anonymous")),
        },
        display: bearing.withheld.then(|| "Anonymous".to_owned()),
        withheld: bearing.withheld,
        ring: bearing.ring,
        over: None,
    })
}

/// `sip:NUMBER@TRUNK`: to the first of the trunk's addresses, and on to the others where it must be.
fn over(desk: &Desk, bearing: &Bearing<'_>, uri: &Uri<'_>, trunk: &Trunk) -> Result<Destination, &'static str> {
    let number = trunk.numbers.outward(&uri.number().ok_or("no number stands before the trunk's name")?);
    let outbound = desk.sip.peers().order(trunk);
    let (first, further) = outbound.split_first().ok_or("the trunk has no `outbound`")?;
    let ip = first.address.ip();
    let local = route_to(ip).map_err(|_| "there is no route to the trunk")?;
    let ours = desk.originator.advertised.of(local, ip);
    let host = if ours.is_ipv6() { format!("[{ours}]") } else { ours.to_string() };
    let caller = bearing.caller.map_or_else(|| "anonymous".to_owned(), |caller| trunk.numbers.outward(caller));
    Ok(Destination {
        uri: format!("sip:{number}@{}", first.address),
        to: first.address,
        transport: first.transport,
        from: if bearing.withheld { privacy::ANONYMOUS.to_owned() } else { format!("sip:{caller}@{host}") },
        display: bearing.withheld.then(|| "Anonymous".to_owned()),
        withheld: bearing.withheld,
        ring: bearing.ring,
        over: Some(Over {
            terms: desk.programme().terms.get(&*trunk.name).cloned(),
            trunk: trunk.name.clone(),
            number,
            further: further.to_vec(),
            silence: trunk.silence,
        }),
    })
}
