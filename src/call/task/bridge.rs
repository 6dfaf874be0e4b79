//! Transfer: a second leg to somebody else, joined to the caller's (RFC 5359 calls it a back-to-back bridge).
//!
//! The caller's dialog stays ours, so that the recording, the ticket and a failed transfer stay ours too: the audio
//! is passed on inside one media thread.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::call::session::Input;
use crate::media::{Command as Audio, LegId};
use crate::sip::task::route_to;
use crate::sip::{Event, Transport, Trunk, Uri};

use super::Desk;
use super::originate::{Destination, Outbound, Over};

/// The play number of the tone that the caller hears while it rings; the interpreter counts from 1.
pub const RINGBACK: u32 = u32::MAX;

/// A transfer under way or established. Dropping it ends the second leg.
pub struct Transfer {
    digits: mpsc::Sender<char>,
    _stop: oneshot::Sender<()>,
}

impl Transfer {
    /// Passes a key of the caller on.
    pub fn digit(&self, key: char) {
        // More than 16 keys that the far end has not taken: the caller plays with the keys.
        if self.digits.try_send(key).is_err() {
            metrics::counter!("jiesu_transfer_digit_dropped_total").increment(1);
        }
    }

    /// Calls `target`; the future ends with the session's input, and `up` is told when the two legs are joined.
    ///
    /// # Errors
    /// The target is not a SIP address that can be called.
    pub fn start(
        desk: &Arc<Desk>,
        caller: Option<&str>,
        leg: LegId,
        target: &str,
        up: oneshot::Sender<LegId>,
    ) -> Result<(Transfer, impl Future<Output = Input> + Send + use<>), &'static str> {
        let destination = destination(desk, caller, target)?;
        let (stop, stopped) = oneshot::channel();
        let (digits, keys) = mpsc::channel(16);
        let desk = desk.clone();
        let run = async move {
            tokio::select! {
                input = join(&desk, &destination, leg, up, keys) => input,
                // The caller hung up: what was begun is cancelled or hung up by its own guards.
                _ = stopped => Input::TransferEnded,
            }
        };
        Ok((Transfer { digits, _stop: stop }, run))
    }
}

fn destination(desk: &Desk, caller: Option<&str>, target: &str) -> Result<Destination, &'static str> {
    let uri = Uri::parse(target.as_bytes()).map_err(|_| "not a SIP URI")?;
    if let Some(trunk) = desk.sip.trunk(&String::from_utf8_lossy(uri.host)) {
        return over(desk, caller, &uri, &trunk);
    }
    let ip = uri.ip().ok_or("the host is neither an IP address nor a trunk")?;
    let tcp = uri.param("transport").is_some_and(|t| t.eq_ignore_ascii_case(b"tcp"));
    let transport = if tcp { Transport::Tcp } else { Transport::Udp };
    let local = route_to(ip).map_err(|_| "there is no route to it")?;
    let ours = desk.originator.advertised.of(local, ip);
    let host = if ours.is_ipv6() { format!("[{ours}]") } else { ours.to_string() };
    Ok(Destination {
        uri: target.to_owned(),
        to: SocketAddr::new(ip, uri.port.unwrap_or(5060)),
        transport,
        from: format!("sip:{}@{host}", caller.unwrap_or("anonymous")),
        display: None,
        ring: desk.config.transfer_ring,
        over: None,
    })
}

/// `sip:NUMBER@TRUNK`: to the first of the trunk's addresses, and on to the others where it must be.
fn over(desk: &Desk, caller: Option<&str>, uri: &Uri<'_>, trunk: &Trunk) -> Result<Destination, &'static str> {
    let number = trunk.numbers.outward(&uri.number().ok_or("no number stands before the trunk's name")?);
    let (first, further) = trunk.outbound.split_first().ok_or("the trunk has no `outbound`")?;
    let ip = first.address.ip();
    let local = route_to(ip).map_err(|_| "there is no route to the trunk")?;
    let ours = desk.originator.advertised.of(local, ip);
    let host = if ours.is_ipv6() { format!("[{ours}]") } else { ours.to_string() };
    let caller = caller.map_or_else(|| "anonymous".to_owned(), |caller| trunk.numbers.outward(caller));
    Ok(Destination {
        uri: format!("sip:{number}@{}", first.address),
        to: first.address,
        transport: first.transport,
        from: format!("sip:{caller}@{host}"),
        display: None,
        ring: desk.config.transfer_ring,
        over: Some(Over { trunk: trunk.name.clone(), number, further: further.to_vec(), silence: trunk.silence }),
    })
}

async fn join(
    desk: &Desk,
    destination: &Destination,
    leg: LegId,
    up: oneshot::Sender<LegId>,
    mut keys: mpsc::Receiver<char>,
) -> Input {
    let mut far: Outbound = match desk.originator.call(destination, Some(leg)).await {
        Ok(far) => far,
        Err(error) => {
            tracing::info!(target = destination.uri, %error, "transfer failed");
            return Input::TransferFailed { code: error.code() };
        }
    };
    let joined = far.leg.command(Audio::Bridge(leg)).is_ok() && up.send(far.leg.id()).is_ok();
    if !joined {
        return Input::TransferFailed { code: 500 };
    }
    loop {
        tokio::select! {
            event = far.events.recv() => match event {
                None | Some(Event::Ended { .. }) => {
                    far.over();
                    return Input::TransferEnded;
                }
                Some(event) => far.reoffer(event).await,
            },
            event = far.leg.event() => {
                if event.is_none() {
                    return Input::TransferEnded;
                }
            }
            Some(key) = keys.recv() => {
                if far.leg.command(Audio::SendDigits(key.to_string())).is_err() {
                    metrics::counter!("jiesu_transfer_digit_dropped_total").increment(1);
                }
            }
        }
    }
}
