//! `GET /api/v1/trunks`: how each trunk does, for `jiesu trunk list`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use super::Shown;

pub(super) fn routes() -> Router<Shown> {
    Router::new().route("/api/v1/trunks", get(trunks))
}

#[derive(Serialize)]
struct Trunk {
    name: String,
    outbound: Vec<Address>,
    /// Of our registration with it, where it has one.
    registration: Option<&'static str>,
}

#[derive(Serialize)]
struct Address {
    address: String,
    transport: &'static str,
    /// `up`, `suspect`, `down`; nothing where it is not asked.
    state: Option<&'static str>,
}

async fn trunks(State(shown): State<Shown>) -> Json<Vec<Trunk>> {
    let peers = shown.sip.peers();
    let list = shown.sip.trunks();
    let seen = list.iter().map(|trunk| {
        let outbound = trunk.outbound.iter().map(|peer| Address {
            address: peer.address.to_string(),
            transport: peer.transport.as_str(),
            state: peers.state(trunk, peer).map(|state| state.as_str()),
        });
        let registration = peers.standing(&trunk.name).map(|standing| standing.as_str());
        Trunk { name: trunk.name.to_string(), outbound: outbound.collect(), registration }
    });
    Json(seen.collect())
}
