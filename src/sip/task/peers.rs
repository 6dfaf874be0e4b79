//! What goes on between us and carriers outside calls: each outbound address is asked whether it is there.
//!
//! Drives [`Health`]. What it finds out is in [`Peers`], which whoever calls looks at.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Handle;
use super::asking::{Question, uri_of};
use crate::sip::endpoint::TrunkName;
use crate::sip::endpoint::outside::Asked;
use crate::sip::registration::Standing;
use crate::sip::trunk::health::{Address, Change, Health, State};
use crate::sip::trunk::{Peer, Trunk, Trunks};

/// What is known of the carriers' addresses. Clones share it.
#[derive(Debug, Clone)]
pub struct Peers {
    health: Arc<Mutex<Health>>,
    /// How our registrations stand.
    standing: Arc<Mutex<HashMap<TrunkName, Standing>>>,
    /// A call has found out something: a question is due at once.
    hurry: Arc<Notify>,
}

impl Default for Peers {
    fn default() -> Peers {
        Peers {
            health: Arc::new(Mutex::new(Health::new(rand::random()))),
            standing: Arc::default(),
            hurry: Arc::default(),
        }
    }
}

impl Peers {
    /// The addresses of `trunk` in the order in which a call should try them.
    pub fn order(&self, trunk: &Trunk) -> Vec<Peer> {
        self.health().order(&trunk.name, &trunk.outbound)
    }

    /// How an address does, where it is asked at all.
    pub fn state(&self, trunk: &Trunk, peer: &Peer) -> Option<State> {
        self.health().state(&Address::of(&trunk.name, peer))
    }

    /// A call found the address silent, full or without a way.
    pub fn failed(&self, trunk: &TrunkName, peer: &Peer) {
        let change = self.health().failed(Instant::now(), &Address::of(trunk, peer));
        if let Some(change) = change {
            tell(&change);
            self.hurry.notify_one();
        }
    }

    /// How our registration with a trunk stands, where it has one.
    pub fn standing(&self, trunk: &str) -> Option<Standing> {
        self.standings().get(trunk).copied()
    }

    pub(super) fn stands(&self, trunk: &TrunkName, standing: Standing) {
        self.standings().insert(trunk.clone(), standing); // as many as trunk files ever had [register]
    }

    fn standings(&self) -> MutexGuard<'_, HashMap<TrunkName, Standing>> {
        self.standing.lock().expect("nothing panics while holding this lock")
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().expect("nothing panics while holding this lock")
    }
}

/// Runs until `stop`, or until SIP ends.
pub async fn run(sip: Handle, stop: CancellationToken) {
    let mut trunks = sip.trunks.subscribe();
    let peers = sip.peers().clone();
    let listed = trunks.borrow_and_update().clone();
    replace(&peers, &listed);
    let mut asked = JoinSet::new(); // one for each address at most
    loop {
        while let Some((address, within)) = next(&peers) {
            let sip = sip.clone();
            asked.spawn(async move {
                let to = Peer { address: address.address, transport: address.transport };
                let uri = uri_of(&to);
                let trunk = address.trunk.clone();
                let question = Question { trunk, to, asked: Asked::Options, uri, of: None, within };
                let code = sip.request(question).await.map(|response| response.code);
                (address, code)
            });
        }
        let deadline = peers.health().next_deadline();
        tokio::select! {
            () = stop.cancelled() => return,
            changed = trunks.changed() => {
                if changed.is_err() {
                    return;
                }
                let listed = trunks.borrow_and_update().clone();
                replace(&peers, &listed);
            }
            () = peers.hurry.notified() => {}
            () = super::sleep_until(deadline) => {}
            Some(done) = asked.join_next() => match done {
                Ok((address, Ok(code))) => {
                    let change = peers.health().told(Instant::now(), &address, code);
                    if let Some(change) = change {
                        tell(&change);
                    }
                }
                Ok((_, Err(_))) => return, // SIP has ended
                Err(error) => tracing::error!(%error, "asking a peer failed"),
            },
        }
    }
}

fn next(peers: &Peers) -> Option<(Address, std::time::Duration)> {
    peers.health().tick(Instant::now())
}

fn replace(peers: &Peers, trunks: &Trunks) {
    let gone = peers.health().replace(Instant::now(), trunks);
    for address in gone {
        gauge(&address).set(f64::NAN); // no state at all; an alert on 0 must not go off
    }
    for trunk in trunks.iter() {
        for peer in &trunk.outbound {
            if let Some(state) = peers.state(trunk, peer) {
                gauge(&Address::of(&trunk.name, peer)).set(state.figure());
            }
        }
    }
}

fn gauge(of: &Address) -> metrics::Gauge {
    let address = format!("{}:{}", of.transport.word(), of.address);
    metrics::gauge!("jiesu_trunk_up", "trunk" => of.trunk.to_string(), "address" => address)
}

/// One line for each change.
fn tell(change: &Change) {
    let Change { of, from, to } = change;
    gauge(of).set(to.figure());
    metrics::counter!("jiesu_trunk_state_changes_total", "trunk" => of.trunk.to_string()).increment(1);
    let (trunk, address, was) = (&of.trunk, of.address, from.as_str());
    match to {
        State::Up => tracing::info!(%trunk, %address, was, "the trunk's address is up"),
        State::Suspect(_) => {
            tracing::warn!(%trunk, %address, was, "the trunk's address is suspect: it does not answer")
        }
        State::Down(_) => {
            tracing::warn!(%trunk, %address, was, "the trunk's address is down: calls try it last; see [keepalive] in its file");
        }
    }
}
