//! Asks DNS for the names in trunk files (RFC 3263: NAPTR, SRV, A and AAAA), again when an answer runs out.
//!
//! Each look-up is bounded in time and in what it may bring; while there is no new answer the last one counts. No name
//! in a message is ever asked for: whoever sends us one cannot make us ask.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig, ServerOrderingStrategy,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::RData;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Handle;
use crate::sip::endpoint::Transport;
use crate::sip::trunk::locate::{Answers, Learnt, MOST, Naptr, Place, Srv, in_order, services, srv_name};
use crate::sip::trunk::{Peer, Trunks};

/// For one name, whatever it takes to ask for.
const WITHIN: Duration = Duration::from_secs(15);
/// For one question to one server.
const QUESTION: Duration = Duration::from_secs(2);
/// However long an answer says that it counts.
const SOONEST: Duration = Duration::from_secs(10);
const LATEST: Duration = Duration::from_secs(3600);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(30);

/// What was found out; clones share it.
pub(super) type Known = Arc<Mutex<Answers>>;

/// Why a name has no addresses.
#[derive(Debug, thiserror::Error)]
enum NotFound {
    #[error("{0}")]
    Dns(#[from] NetError),
    #[error("no answer within {WITHIN:?}")]
    TooLate,
    #[error("it has no address")]
    NoAddress,
}

/// Peers, and until when they count.
type Found = Result<(Vec<Peer>, Instant), NotFound>;

/// Runs until `stop`. `servers`: whom to ask; empty: whom the system asks.
pub async fn run(sip: Handle, servers: Vec<SocketAddr>, stop: CancellationToken) {
    let mut written = sip.written.subscribe();
    let mut due: HashMap<Place, Instant> = HashMap::new();
    let mut failed: HashMap<Place, String> = HashMap::new();
    let mut asked: JoinSet<(Place, Found)> = JoinSet::new(); // one for each name at most
    let mut resolver = None;
    loop {
        let places = written.borrow_and_update().places();
        due.retain(|place, _| places.contains(place));
        failed.retain(|place, _| places.contains(place));
        for place in &places {
            due.entry(place.clone()).or_insert_with(Instant::now);
        }
        let now = Instant::now();
        for (place, at) in due.iter_mut().filter(|(_, at)| **at <= now) {
            // Its answer sets the next time; an answer that never comes must not stop the name for ever.
            *at = now + WITHIN * 2;
            if resolver.is_none() {
                resolver = build(&servers);
            }
            let Some(resolver) = resolver.clone() else { continue };
            let place = place.clone();
            asked.spawn(async move {
                let found = tokio::time::timeout(WITHIN, locate(&resolver, &place)).await;
                (place, found.unwrap_or(Err(NotFound::TooLate)))
            });
        }
        let next = due.values().min().copied();
        tokio::select! {
            () = stop.cancelled() => return,
            changed = written.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = super::sleep_until(next) => {}
            Some(done) = asked.join_next() => match done {
                Ok((place, Ok((peers, until)))) => {
                    let now = Instant::now();
                    due.insert(place.clone(), until.clamp(now + SOONEST, now + LATEST));
                    let mended = failed.remove(&place).is_some();
                    if sip.learn(&place, peers.clone()) == Learnt::Addresses || mended {
                        let addresses: Vec<String> = peers.iter().map(|peer| peer.address.to_string()).collect();
                        tracing::info!(name = place.host, addresses = addresses.join(" "), "a name of a trunk is found");
                    }
                }
                Ok((place, Err(why))) => {
                    due.insert(place.clone(), Instant::now() + AGAIN);
                    metrics::counter!("jiesu_dns_failed_total").increment(1);
                    let why = why.to_string();
                    // Once, and again only where it is something else.
                    if failed.insert(place.clone(), why.clone()).as_ref() != Some(&why) {
                        tracing::warn!(name = place.host, why, "a name of a trunk is not found; the last answer counts");
                    }
                }
                Err(error) => tracing::error!(%error, "asking for a name failed"),
            },
        }
    }
}

/// Asks once for every name in `trunks`, for whoever runs no daemon. The names that are not found come with it, each with
/// the reason.
pub async fn once(trunks: &Trunks, servers: &[SocketAddr]) -> (Trunks, Vec<(Place, String)>) {
    let (mut answers, mut missing) = (Answers::default(), Vec::new());
    let resolver = if trunks.places().is_empty() { None } else { build(servers) };
    for place in trunks.places() {
        let Some(dns) = &resolver else {
            missing.push((place, "nobody can be asked".to_owned()));
            continue;
        };
        match tokio::time::timeout(WITHIN, locate(dns, &place)).await.unwrap_or(Err(NotFound::TooLate)) {
            Ok((peers, _)) => {
                answers.learn(&place, peers);
            }
            Err(why) => missing.push((place, why.to_string())),
        }
    }
    (trunks.located(&answers), missing)
}

fn build(servers: &[SocketAddr]) -> Option<TokioResolver> {
    let builder = if servers.is_empty() {
        TokioResolver::builder_tokio()
    } else {
        let connections = |port| {
            let mut list = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            list.iter_mut().for_each(|connection| connection.port = port);
            list
        };
        let server = |at: &SocketAddr| NameServerConfig::new(at.ip(), true, connections(at.port()));
        let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
        Ok(TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()))
    };
    let built = builder.and_then(|mut builder| {
        let options = builder.options_mut();
        options.timeout = QUESTION;
        options.attempts = 2;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        options.try_tcp_on_error = true;
        options.cache_size = 256;
        builder.build()
    });
    match built {
        Ok(resolver) => Some(resolver),
        Err(error) => {
            tracing::error!(%error, "names cannot be asked for: write sip.resolvers, or mend /etc/resolv.conf");
            None
        }
    }
}

/// RFC 3263 section 4: which transport, which servers, which addresses.
async fn locate(dns: &TokioResolver, place: &Place) -> Found {
    let (host, mut until) = (place.host.as_str(), Instant::now() + LATEST);
    let usual = place.transport.unwrap_or(Transport::Udp);
    if let Some(port) = place.port {
        let peers = addresses(dns, host, port, usual, &mut until).await?;
        return Ok((some(peers)?, until));
    }
    let ways = match place.transport {
        Some(transport) => vec![(transport, srv_name(transport, host))],
        None => {
            let found = naptr(dns, host, &mut until).await?;
            let guess =
                || [Transport::Udp, Transport::Tcp].map(|transport| (transport, srv_name(transport, host))).to_vec();
            if found.is_empty() { guess() } else { found }
        }
    };
    let mut peers = Vec::new();
    for (transport, name) in ways {
        for record in servers(dns, &name, &mut until).await? {
            // One host without an address does not take the others away.
            match addresses(dns, &record.target, record.port, transport, &mut until).await {
                Ok(more) => peers.extend(more),
                Err(error) => tracing::debug!(name = record.target, %error, "a server has no address"),
            }
            if peers.len() >= MOST {
                return Ok((peers, until));
            }
        }
    }
    if peers.is_empty() {
        peers = addresses(dns, host, usual.usual_port(), usual, &mut until).await?;
    }
    Ok((some(peers)?, until))
}

fn some(peers: Vec<Peer>) -> Result<Vec<Peer>, NotFound> {
    if peers.is_empty() { Err(NotFound::NoAddress) } else { Ok(peers) }
}

/// As it is written: no search list of the system's is tried.
fn whole(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}

async fn naptr(dns: &TokioResolver, host: &str, until: &mut Instant) -> Result<Vec<(Transport, String)>, NetError> {
    use hickory_resolver::proto::rr::RecordType;
    let lookup = match dns.lookup(whole(host), RecordType::NAPTR).await {
        Ok(lookup) => lookup,
        Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    *until = (*until).min(lookup.valid_until());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let records = lookup.answers().iter().filter_map(|record| match &record.data {
        RData::NAPTR(naptr) => Some(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            replacement: naptr.replacement.to_ascii(),
        }),
        _ => None,
    });
    Ok(services(records.collect()))
}

async fn servers(dns: &TokioResolver, name: &str, until: &mut Instant) -> Result<Vec<Srv>, NetError> {
    let lookup = match dns.srv_lookup(whole(name)).await {
        Ok(lookup) => lookup,
        Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    *until = (*until).min(lookup.valid_until());
    let records = lookup.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(srv) => {
            Some(Srv { priority: srv.priority, weight: srv.weight, port: srv.port, target: srv.target.to_ascii() })
        }
        _ => None,
    });
    Ok(in_order(records.collect(), |sum| rand::random_range(0..=sum)))
}

async fn addresses(
    dns: &TokioResolver,
    host: &str,
    port: u16,
    transport: Transport,
    until: &mut Instant,
) -> Result<Vec<Peer>, NetError> {
    let lookup = dns.lookup_ip(whole(host)).await?;
    *until = (*until).min(lookup.valid_until());
    Ok(lookup.iter().take(MOST).map(|ip| Peer { address: SocketAddr::new(ip, port), transport }).collect())
}
