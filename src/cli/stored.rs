//! What subcommands share that read the store or ask the running daemon: each is found where `jiesu.toml` says.

use std::net::SocketAddr;
use std::path::Path;

use super::Exit;
use super::ticket::main;
use crate::config::Main;
use crate::store::{Error, Store};

/// The store, read beside a running daemon or without one. `None`: there is none yet; that has been said.
pub(super) async fn look(main: &Main) -> anyhow::Result<Option<Store>> {
    match Store::look(&main.store, &main.state_dir).await {
        Ok(store) => Ok(Some(store)),
        Err(error @ Error::Missing(_)) => {
            eprintln!("jiesu: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Where the daemon's console listens: `at`, or what web.listen says.
pub(super) fn console(config: &Path, at: Option<SocketAddr>) -> Result<SocketAddr, Exit> {
    match at {
        Some(at) => Ok(at),
        None => main(config).map(|main| main.web.listen),
    }
}
