//! Names of SIP servers (RFC 3263): how they are written, and in which order what DNS says of them is used.
//!
//! Asks nobody: [`Answers`] is what whoever asks has found, and [`super::Trunks::located`] puts it in its place. The last
//! good answer counts until there is another: a name server that is down must not take a carrier away.

use std::collections::HashMap;
use std::fmt;

use super::Peer;
use crate::sip::endpoint::Transport;

/// Addresses of one name that are used.
pub const MOST: usize = 16;

/// A server that is written by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub host: String,
    /// With a port there is nothing to ask but the addresses (section 4.2).
    pub port: Option<u16>,
    /// Without one NAPTR says it (section 4.1).
    pub transport: Option<Transport>,
}

impl Place {
    /// `carrier.example`, `carrier.example:5062`; with a transport that stood before it.
    pub fn parse(text: &str, transport: Option<Transport>) -> Option<Place> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port > 0)?)),
            None => (text, None),
        };
        is_name(host).then(|| Place { host: host.to_ascii_lowercase(), port, transport })
    }
}

/// As it is written in a trunk's file.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(transport) = self.transport {
            write!(f, "{}:", transport.word())?;
        }
        write!(f, "{}", self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// A domain with at least two labels whose last one is no number (else it is an address, miswritten).
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (1..=63).contains(&label.len()) && label.bytes().all(good)
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253 && host.contains('.') && host.split('.').all(label) && !last.bytes().all(|b| b.is_ascii_digit())
}

/// An entry of `outbound`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    At(Peer),
    Named(Place),
}

impl Way {
    /// The address, where it is one.
    pub fn at(&self) -> Option<Peer> {
        match self {
            Way::At(peer) => Some(*peer),
            Way::Named(_) => None,
        }
    }

    /// How it is gone; `None`: NAPTR says it.
    pub fn transport(&self) -> Option<Transport> {
        match self {
            Way::At(peer) => Some(peer.transport),
            Way::Named(place) => place.transport,
        }
    }
}

/// A NAPTR record (RFC 3403), as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naptr {
    pub order: u16,
    pub preference: u16,
    pub flags: String,
    pub service: String,
    pub replacement: String,
}

/// Of what NAPTR says: the transports that may be chosen by it, each with the name of its SRV records, the preferred
/// first (section 4.1). TLS needs certificates that a file names, so the file says that too: `tls:NAME`.
pub fn services(mut records: Vec<Naptr>) -> Vec<(Transport, String)> {
    records.sort_by_key(|record| (record.order, record.preference));
    let known = |record: Naptr| {
        let transport = match record.service.to_ascii_uppercase().as_str() {
            "SIP+D2U" => Transport::Udp,
            "SIP+D2T" => Transport::Tcp,
            _ => return None,
        };
        record.flags.eq_ignore_ascii_case("s").then_some((transport, record.replacement))
    };
    records.into_iter().filter_map(known).take(MOST).collect()
}

/// The name of a transport's SRV records (section 4.1; TLS is the scheme `sips` over TCP).
pub fn srv_name(transport: Transport, host: &str) -> String {
    match transport {
        Transport::Udp => format!("_sip._udp.{host}"),
        Transport::Tcp => format!("_sip._tcp.{host}"),
        Transport::Tls => format!("_sips._tcp.{host}"),
    }
}

/// An SRV record (RFC 2782).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Srv {
    pub priority: u16,
    pub weight: u16,
    pub port: u16,
    pub target: String,
}

/// The order in which they are tried: by priority, and within one priority drawn by weight. `draw` gives a number from
/// 0 to the one that it gets. A target `.` says that there is no such service.
pub fn in_order(mut records: Vec<Srv>, mut draw: impl FnMut(u32) -> u32) -> Vec<Srv> {
    records.retain(|record| !matches!(record.target.as_str(), "." | ""));
    // Those of weight 0 first, so that they have a chance at all.
    records.sort_by_key(|record| (record.priority, record.weight > 0));
    let mut order = Vec::new();
    while !records.is_empty() && order.len() < MOST {
        let priority = records[0].priority;
        let same = records.iter().take_while(|record| record.priority == priority);
        let sum: u32 = same.map(|record| u32::from(record.weight)).sum();
        let drawn = draw(sum).min(sum);
        let mut running = 0;
        let chosen = records.iter().position(|record| {
            running += u32::from(record.weight);
            running >= drawn
        });
        order.push(records.remove(chosen.expect("the sum of all is never below what was drawn")));
    }
    order
}

/// What a new answer changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Learnt {
    Nothing,
    /// The same addresses in another order: weights are drawn anew.
    Order,
    Addresses,
}

/// What was found out, by name.
#[derive(Debug, Clone, Default)]
pub struct Answers(HashMap<Place, Vec<Peer>>);

impl Answers {
    /// Keeps an answer, and says what is new in it.
    pub fn learn(&mut self, place: &Place, peers: Vec<Peer>) -> Learnt {
        let mut list: Vec<Peer> = Vec::new();
        for peer in peers {
            if list.len() < MOST && !list.contains(&peer) {
                list.push(peer);
            }
        }
        let learnt = match self.0.get(place) {
            Some(before) if *before == list => Learnt::Nothing,
            Some(before) if before.len() == list.len() && before.iter().all(|peer| list.contains(peer)) => {
                Learnt::Order
            }
            _ => Learnt::Addresses,
        };
        self.0.insert(place.clone(), list);
        learnt
    }

    pub fn of(&self, place: &Place) -> &[Peer] {
        self.0.get(place).map_or(&[], Vec::as_slice)
    }

    /// Forgets names that nobody asks for any more.
    pub fn keep(&mut self, wanted: impl Fn(&Place) -> bool) {
        self.0.retain(|place, _| wanted(place));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_what_is_none() {
        let place = |host: &str, port| Place { host: host.into(), port, transport: None };
        assert_eq!(Place::parse("Carrier.example", None), Some(place("carrier.example", None)));
        assert_eq!(Place::parse("sip-1.carrier.example:5062", None), Some(place("sip-1.carrier.example", Some(5062))));
        let whole = Place { transport: Some(Transport::Tcp), ..place("a.b", Some(5062)) };
        assert_eq!((whole.to_string(), place("a.b", None).to_string()), ("tcp:a.b:5062".into(), "a.b".into()));
        for bad in [
            "carrier",
            "",
            ".",
            "a..b",
            "192.0.2.300",
            "192.0.2.1:5060",
            "a.b:0",
            "a.b:x",
            "a.b:70000",
            "a b.c",
            "[2001:db8::1]:5060",
        ] {
            assert_eq!(Place::parse(bad, None), None, "{bad}");
        }
    }

    #[test]
    fn the_services_of_naptr() {
        let record = |order, preference, flags: &str, service: &str, replacement: &str| Naptr {
            order,
            preference,
            flags: flags.into(),
            service: service.into(),
            replacement: replacement.into(),
        };
        // RFC 3263 section 4.1's own, and what is not for us.
        let found = services(vec![
            record(90, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
            record(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
            record(90, 10, "S", "sip+d2t", "_sip._tcp.example.com"),
            record(1, 1, "u", "E2U+sip", ""),
            record(1, 1, "a", "SIP+D2U", "host.example.com"),
        ]);
        let tcp_first = [(Transport::Tcp, "_sip._tcp.example.com"), (Transport::Udp, "_sip._udp.example.com")];
        assert_eq!(found, tcp_first.map(|(transport, name)| (transport, name.to_owned())));
        assert_eq!(srv_name(Transport::Udp, "a.b"), "_sip._udp.a.b");
        assert_eq!(srv_name(Transport::Tls, "a.b"), "_sips._tcp.a.b");
    }

    fn srv(priority: u16, weight: u16, target: &str) -> Srv {
        Srv { priority, weight, port: 5060, target: target.into() }
    }

    /// Shares come out as the weights say: 3 of 4 first tries, within what chance allows (5 sigma).
    #[test]
    fn weights_are_shares() {
        use rand::{Rng as _, SeedableRng as _};
        let mut random = rand::rngs::SmallRng::seed_from_u64(9);
        let mut first = 0;
        for _ in 0..4000 {
            let records = vec![srv(20, 9, "last"), srv(10, 25, "small"), srv(10, 75, "large"), srv(10, 0, "none")];
            let order = in_order(records, |sum| random.random_range(0..=sum));
            assert_eq!(order[3].target, "last");
            first += i32::from(order[0].target == "large");
        }
        assert!((first - 3000).abs() < 5 * 28 + 40, "{first} of 4000"); // a draw of 0 takes the one without weight
        assert!(in_order(vec![srv(0, 0, ".")], |_| 0).is_empty());
    }

    #[test]
    fn what_an_answer_changes() {
        let peer = |last| Peer { address: ([192, 0, 2, last], 5060).into(), transport: Transport::Udp };
        let place = Place::parse("carrier.example", None).expect("a name");
        let mut answers = Answers::default();
        assert!(answers.of(&place).is_empty());
        for (list, learnt, kept) in [
            (vec![peer(1), peer(2), peer(1)], Learnt::Addresses, vec![peer(1), peer(2)]),
            (vec![peer(1), peer(2)], Learnt::Nothing, vec![peer(1), peer(2)]),
            (vec![peer(2), peer(1)], Learnt::Order, vec![peer(2), peer(1)]),
            (vec![peer(3)], Learnt::Addresses, vec![peer(3)]),
            ((0..200).map(peer).collect(), Learnt::Addresses, (0..MOST as u8).map(peer).collect()),
        ] {
            assert_eq!(answers.learn(&place, list), learnt);
            assert_eq!(answers.of(&place), kept);
        }
        answers.keep(|_| false);
        assert!(answers.of(&place).is_empty());
    }

    proptest! {
        #[test]
        fn every_record_has_its_place(list in proptest::collection::vec((0u16..4, any::<u16>()), 0..14), drawn in any::<u32>()) {
            let records: Vec<Srv> = list.iter().enumerate().map(|(i, (priority, weight))| srv(*priority, *weight, &format!("h{i}.x"))).collect();
            let order = in_order(records.clone(), |sum| drawn.checked_rem(sum + 1).unwrap_or(0));
            prop_assert!(order.windows(2).all(|two| two[0].priority <= two[1].priority));
            let sorted = |mut list: Vec<Srv>| { list.sort_by(|a, b| a.target.cmp(&b.target)); list };
            prop_assert_eq!(sorted(order), sorted(records));
        }

        #[test]
        fn any_text(text in "\\PC{0,60}") {
            Place::parse(&text, None);
        }
    }
}
