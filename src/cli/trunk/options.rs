//! OPTIONS to each address of the trunk.

use std::time::Duration;

use tokio::time::Instant;

use super::bench::{Bench, named};
use super::check::{Came, Short};
use crate::sip::endpoint::{Asked, Request};
use crate::sip::trunk::Peer;
use crate::sip::{Command, Event, Flow, Name};

/// A peer that needs longer to say that it is there is not.
const PATIENCE: Duration = Duration::from_secs(4);

pub(super) async fn asked(bench: &Bench) -> Came {
    let mut said = Vec::new();
    for peer in &bench.carrier.trunk.outbound {
        said.push(format!("{}: {}", named(peer), one(bench, *peer).await?));
    }
    Ok(said.join("; "))
}

async fn one(bench: &Bench, peer: Peer) -> Came {
    let failed = |what: String| Short::Failed(format!("{}: {what}", named(&peer)));
    let phone = &bench.phone;
    let local = phone.sip.local(peer.transport);
    let local = local.ok_or_else(|| failed(format!("we do not speak {}", peer.transport.as_str())))?;
    let id = phone.sip.new_dialog();
    let mut events = phone.registry.enter(id);
    let uri = format!("sip:{}", peer.address);
    let request = Request {
        id,
        asked: Asked::Options,
        to: uri.clone(),
        uri,
        from: None,
        flow: Flow { transport: peer.transport, local, peer: peer.address, connection: 0 },
        trunk: Some(bench.carrier.trunk.name.clone()),
        within: PATIENCE,
    };
    let begun = Instant::now();
    let sent = phone.sip.send(Command::Request(Box::new(request))).await;
    let event = match sent {
        Ok(()) => events.recv().await,
        Err(_) => None,
    };
    phone.registry.leave(id);
    let Some(Event::Response(response)) = event else { return Err(failed("SIP stopped".into())) };
    let millis = begun.elapsed().as_millis();
    let Some(message) = response.message else { return Err(failed(format!("no answer within {PATIENCE:?}"))) };
    match response.code {
        200 => {
            let allow: Vec<_> = message.headers(Name::Allow).map(String::from_utf8_lossy).collect();
            let allow =
                if allow.is_empty() { "without Allow".to_owned() } else { format!("Allow: {}", allow.join(", ")) };
            Ok(format!("200 after {millis} ms, {allow}"))
        }
        503 => Err(failed("503: it takes no calls".into())),
        code => Ok(format!("{code} after {millis} ms: somebody is there")),
    }
}
