//! What an admin may set about the sockets of SIP.

use std::net::SocketAddr;
use std::time::Duration;

use super::{tcp, tls};
use crate::sip::advertised::Advertised;
use crate::sip::check::MIN_SESSION;
use crate::sip::endpoint;
use crate::sip::trunk::Unlisted;
use crate::written::Table;

/// One address to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    pub address: SocketAddr,
    pub udp: bool,
    pub tcp: bool,
}

/// Ten messages for each of 5,000 calls a second: more than one core signals.
const SOURCE_RATE: u32 = 50_000;
const UNLISTED_RATE: u32 = 10;

/// `[sip]` of jiesu.toml.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    pub listen: Vec<Listen>,
    /// The addresses that peers see, where they are not the local ones (NAT).
    pub advertised: Advertised,
    /// What happens to requests from sources that no trunk lists.
    pub unlisted: Unlisted,
    /// What stands in `Server` and `User-Agent`.
    pub agent: String,
    /// How long a call lives without a refresh (RFC 4028); zero: we ask for none.
    pub session: Duration,
    pub max_dialogs: usize,
    pub max_transactions: usize,
    /// What Retry-After says while full or draining.
    pub retry_after: Duration,
    /// Messages a second from one address of a trunk; above it new requests are dropped unread.
    pub source_rate: u32,
    /// Answers a second to one address that no trunk lists, where those are answered.
    pub unlisted_rate: u32,
    /// Who is asked for the names in trunk files; none: whom the system asks.
    pub resolvers: Vec<SocketAddr>,
    pub tcp: tcp::Limits,
    pub tls: tls::Config,
}

impl Default for Config {
    fn default() -> Config {
        let defaults = endpoint::Config::default();
        Config {
            listen: vec![Listen { address: SocketAddr::from(([0, 0, 0, 0], 5060)), udp: true, tcp: true }],
            advertised: Advertised::default(),
            unlisted: Unlisted::Drop,
            agent: defaults.agent,
            session: defaults.session,
            max_dialogs: defaults.max_dialogs,
            max_transactions: defaults.max_transactions,
            retry_after: defaults.retry_after,
            source_rate: SOURCE_RATE,
            unlisted_rate: UNLISTED_RATE,
            resolvers: Vec::new(),
            tcp: tcp::Limits::default(),
            tls: tls::Config::default(),
        }
    }
}

impl Config {
    /// Reads the section. Every key may be missing.
    pub fn read(table: &mut Table<'_>) -> Config {
        let usual = Config::default();
        let listen = read_listen(table).unwrap_or(usual.listen);
        let faults = table.faults().clone();
        let [rules, near] = ["advertised", "near"].map(|key| table.texts(key).get().unwrap_or_default());
        let advertised = Advertised::read(&rules, &near, &faults);
        let unlisted = table.text("unlisted").check(|text| match text.as_str() {
            "drop" => Ok(Unlisted::Drop),
            "forbid" => Ok(Unlisted::Forbid),
            other => Err((format!("\"{other}\" is not known"), "write \"drop\" or \"forbid\"".into())),
        });
        let agent = table.text("agent").check(|text| {
            let printable = !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| (b' '..=b'~').contains(&b));
            let bad = || ("is not 1 to 64 printable ASCII characters".into(), "write for example \"jiesu\"".into());
            printable.then(|| text.clone()).ok_or_else(bad)
        });
        Config {
            listen,
            advertised,
            unlisted: unlisted.get().unwrap_or(usual.unlisted),
            agent: agent.get().unwrap_or(usual.agent),
            session: read_session(table),
            max_dialogs: table.int("max_dialogs").or(10_000, 1..1_000_000) as usize,
            max_transactions: table.int("max_transactions").or(400_000, 10..5_000_000) as usize,
            retry_after: table.duration("retry_after").or("10s", "1s".."1h"),
            source_rate: table.int("source_rate").or(i64::from(SOURCE_RATE), 10..1_000_000) as u32,
            unlisted_rate: table.int("unlisted_rate").or(i64::from(UNLISTED_RATE), 1..1_000_000) as u32,
            resolvers: read_resolvers(table),
            tcp: tcp::Limits {
                connections: table.int("tcp_connections").or(1024, 0..100_000) as usize,
                per_address: table.int("tcp_connections_per_address").or(128, 1..100_000) as usize,
                idle: table.duration("tcp_idle").or("10m", "5s".."24h"),
                message: table.duration("tcp_message").or("10s", "1s".."5m"),
            },
            tls: table.table("tls").map(tls::Config::read).unwrap_or_default(),
        }
    }
}

/// `resolvers = ["192.0.2.53", "127.0.0.1:5300"]`
fn read_resolvers(table: &mut Table<'_>) -> Vec<SocketAddr> {
    let faults = table.faults().clone();
    let Some(written) = table.texts("resolvers").written() else { return Vec::new() };
    let read = |item: &crate::written::Written<String>| {
        let with_port = || Some(SocketAddr::new(item.value.parse().ok()?, 53));
        let address = item.value.parse().ok().or_else(with_port);
        if address.is_none() {
            let what = format!("\"{}\" is not an address", item.value);
            faults.at(&item.place, &written.key, what, "write for example \"192.0.2.53\" or \"127.0.0.1:5300\"");
        }
        address
    };
    written.value.iter().filter_map(read).collect()
}

/// `session_expires`: zero, or what RFC 4028 section 4 allows.
fn read_session(table: &mut Table<'_>) -> Duration {
    let allowed = |span: &Duration| {
        if span.is_zero() || span.as_secs() >= MIN_SESSION {
            return Ok(*span);
        }
        let remedy = "write at least \"90s\", or \"0s\" for no session timer of ours";
        Err((format!("{span:?} is shorter than a session may be (RFC 4028)"), remedy.to_owned()))
    };
    table.duration("session_expires").check(allowed).or("30m", "0s".."24h")
}

/// `listen = ["0.0.0.0:5060", "udp:192.0.2.1:5062", "tcp:[2001:db8::1]:5060"]`
fn read_listen(table: &mut Table<'_>) -> Option<Vec<Listen>> {
    let faults = table.faults().clone();
    let written = table.texts("listen").written()?;
    let mut listen = Vec::new();
    for item in &written.value {
        let (udp, tcp, address) = match item.value.split_at_checked(4) {
            Some(("udp:", rest)) => (true, false, rest),
            Some(("tcp:", rest)) => (false, true, rest),
            _ => (true, true, item.value.as_str()),
        };
        let place = if item.place.line > 0 { &item.place } else { &written.place };
        match address.trim().parse() {
            Ok(address) => listen.push(Listen { address, udp, tcp }),
            Err(_) => faults.at(
                place,
                &written.key,
                format!("\"{}\" is not an address with a port", item.value),
                "write for example \"0.0.0.0:5060\", \"[::]:5060\", or \"udp:192.0.2.1:5060\" for UDP alone",
            ),
        }
    }
    if written.value.is_empty() {
        faults.at(&written.place, &written.key, "lists nothing", "write at least one address");
    }
    Some(listen)
}
