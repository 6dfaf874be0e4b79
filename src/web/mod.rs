//! What the daemon shows over HTTP: health for machines and metrics for Prometheus, and what an admin on this machine
//! may ask of it.
//!
//! One thin file per page or resource. Nothing here decides anything about calls.

mod cases;
mod health;
pub mod incidents;
mod matters;
pub mod reload;
mod trace;
mod trunks;

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::observe::{Health, Metrics};
use crate::written::Table;

/// `[web]` of jiesu.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the console listens. Loopback by default: put a reverse proxy with access control in front.
    pub listen: SocketAddr,
}

impl Default for Config {
    fn default() -> Config {
        Config { listen: SocketAddr::from(([127, 0, 0, 1], 8345)) }
    }
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        let listen = table.text("listen").check(|text| {
            text.parse()
                .map_err(|_| (format!("\"{text}\" is not an address"), "write for example \"127.0.0.1:8345\"".into()))
        });
        Config { listen: listen.get().unwrap_or(Config::default().listen) }
    }
}

/// Everything that pages may see.
#[derive(Debug, Clone)]
pub struct Shown {
    pub health: Health,
    pub metrics: Metrics,
    /// The messages of the last calls.
    pub trace: crate::sip::Trace,
    /// Asked how the trunks do.
    pub sip: crate::sip::Handle,
    pub store: crate::store::Store,
    /// Takes other files for new calls.
    pub reload: mpsc::Sender<reload::Ask>,
    /// The limits of cases.
    pub timetable: crate::casework::Timetable,
    /// The time zone that people here read.
    pub zone: jiff::tz::TimeZone,
}

/// The routes.
pub fn router(shown: Shown) -> Router {
    Router::new()
        .merge(health::routes())
        .merge(trace::routes())
        .merge(trunks::routes())
        .merge(reload::routes())
        .merge(incidents::routes())
        .merge(matters::routes())
        .merge(cases::routes())
        .with_state(shown)
}

/// Serves until `stop`; requests under way are finished.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, shown: Shown, stop: CancellationToken) -> std::io::Result<()> {
    let service = router(shown).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop.cancelled_owned()).await
}
