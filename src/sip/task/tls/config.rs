//! `[sip.tls]` of jiesu.toml.

use std::net::SocketAddr;

use crate::sip::trunk::tls::Identity;
use crate::written::{Table, Written};

/// Where TLS is listened for, and as whom we answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub listen: Vec<SocketAddr>,
    /// What is shown to whoever calls.
    pub ours: Option<Identity>,
    /// Who signs the certificates that callers must show; a file of PEM. `None`: none is asked for, but where a trunk's
    /// `[tls]` does.
    pub client_ca: Option<Written<String>>,
    /// Handshakes under way at once.
    pub handshakes: usize,
}

/// Each takes about a millisecond of a core, and a place only while the peer is quick.
const HANDSHAKES: usize = 256;

impl Default for Config {
    fn default() -> Config {
        Config { listen: Vec::new(), ours: None, client_ca: None, handshakes: HANDSHAKES }
    }
}

impl Config {
    /// Reads the table.
    pub fn read(mut table: Table<'_>) -> Config {
        let faults = table.faults().clone();
        let written = table.texts("listen").written();
        let mut listen = Vec::new();
        for (item, list) in written.iter().flat_map(|list| list.value.iter().map(move |item| (item, list))) {
            match item.value.parse() {
                Ok(address) => listen.push(address),
                Err(_) => {
                    let what = format!("\"{}\" is not an address with a port", item.value);
                    let place = if item.place.line > 0 { &item.place } else { &list.place };
                    faults.at(place, &list.key, what, "write for example \"0.0.0.0:5061\" or \"[::]:5061\"");
                }
            }
        }
        let written_one = table.has("certificate") || table.has("key");
        let ours = Identity::read(&mut table);
        if !listen.is_empty() && !written_one {
            let remedy = "write certificate = \"FILE\" and key = \"FILE\", or remove the addresses";
            table.fault("certificate", "missing: TLS cannot be listened for without one", remedy);
        }
        let client_ca = table.text("client_ca").written();
        let handshakes = table.int("handshakes").or(HANDSHAKES as i64, 1..100_000) as usize;
        table.finish();
        Config { listen, ours, client_ca, handshakes }
    }
}
