//! A telephone made of our cores: SIP and media on ports of its own.
//!
//! `jiesu call` calls somebody with it, `jiesu trunk test` examines a carrier. It has no flow, no ticket and no daemon,
//! and takes no calls: what it hears of dialogs that are not its own is dropped and counted.

use std::net::{IpAddr, SocketAddr};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::call::originate::Originator;
use crate::call::task::registry::Registry;
use crate::media::{self, Command, Event, Leg, Media, Stats};
use crate::sdp::Terms;
use crate::sip::{self, Transport, Trunks};

/// Above the daemon's default range: both may run on one machine.
const PORTS: (u16, u16) = (50_000, 50_999);
/// SIP events that wait to be handed to their call.
const EVENTS: usize = 64;

/// A telephone that is plugged in.
pub(super) struct Phone {
    pub sip: sip::Handle,
    pub media: Media,
    pub registry: Registry,
    advertised: sip::Advertised,
    stop: CancellationToken,
    /// SIP, and who hands its events to the calls.
    tasks: [JoinHandle<()>; 2],
}

/// What a telephone is made of.
#[derive(Clone)]
pub(super) struct Setup {
    /// Where it sits; port 0: any.
    pub local: SocketAddr,
    /// Who may speak to it, and who is called.
    pub trunks: Trunks,
    /// Its manners; where it listens is replaced.
    pub sip: sip::task::Config,
    /// Its certificates, where one of the trunks is called over TLS.
    pub tls: sip::task::Tls,
    /// Its sound; address, ports and threads are replaced.
    pub media: media::Config,
}

impl Setup {
    /// On any port of the address from which `peer` is reached.
    ///
    /// # Errors
    /// There is no route.
    pub fn towards(peer: IpAddr, trunks: Trunks) -> anyhow::Result<Setup> {
        let local = SocketAddr::new(sip::task::route_to(peer)?, 0);
        let (sip, media) = (sip::task::Config::default(), media::Config::default());
        Ok(Setup { local, trunks, sip, tls: sip::task::Tls::default(), media })
    }
}

impl Phone {
    /// # Errors
    /// An address that cannot be listened on, or no thread.
    pub fn plug(setup: &Setup) -> anyhow::Result<Phone> {
        let bind = setup.local.ip();
        let media = Media::start(&media::Config { bind, threads: 1, ports: PORTS, ..setup.media.clone() })?;
        let (events, mut from_sip) = mpsc::channel(EVENTS);
        let listen = sip::task::Listen { address: setup.local, udp: true, tcp: true };
        let mut config = sip::task::Config { listen: vec![listen], ..setup.sip.clone() };
        let mut ways = setup.trunks.iter().flat_map(|trunk| &trunk.outbound);
        let over_tls = ways.any(|peer| peer.transport == Transport::Tls);
        config.tls.listen = over_tls.then(|| SocketAddr::new(bind, 0)).into_iter().collect();
        let stop = CancellationToken::new();
        let bound = sip::task::bind(&config, setup.trunks.clone())?.secured(setup.tls.clone());
        let (sip, task) = bound.spawn(events, stop.clone())?;
        let registry = Registry::default();
        let given = registry.clone();
        let giving = tokio::spawn(async move {
            while let Some(event) = from_sip.recv().await {
                if let Some(dialog) = event.dialog() {
                    given.give(dialog, event);
                }
            }
        });
        let advertised = setup.sip.advertised.clone();
        Ok(Phone { sip, media, registry, advertised, stop, tasks: [task, giving] })
    }

    /// Makes calls as the daemon makes them.
    pub fn originator(&self, terms: Terms) -> Originator {
        Originator {
            sip: self.sip.clone(),
            registry: self.registry.clone(),
            media: self.media.clone(),
            advertised: self.advertised.clone(),
            terms,
        }
    }

    /// Hangs up what is left, and unplugs.
    ///
    /// # Errors
    /// A task of ours panicked.
    pub async fn unplug(self) -> anyhow::Result<()> {
        self.stop.cancel();
        for task in self.tasks {
            task.await?;
        }
        self.media.stop();
        Ok(())
    }
}

/// As a SIP URI wants an address.
pub(super) fn bracketed(ip: IpAddr) -> String {
    if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() }
}

pub(super) fn tell(leg: &Leg, command: Command) {
    if leg.command(command).is_err() {
        tracing::error!("the media thread does not take commands");
    }
}

/// Closes the leg and waits for its figures; the recording is complete then.
pub(super) async fn close(leg: &mut Leg) -> Stats {
    tell(leg, Command::Close);
    loop {
        match leg.event().await {
            Some(Event::Closed(stats)) => return stats,
            Some(_) => {}
            None => return Stats::default(),
        }
    }
}
