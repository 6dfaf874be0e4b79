//! The address that a peer sees in Via, Contact and SDP, where it is not the local one (NAT).
//!
//! Decided for each pair of local address and peer: behind one NAT several local addresses may have public ones of
//! their own, and whoever stands on this side of the NAT must be told the local address.

use std::net::IpAddr;

use super::trunk::Cidr;
use crate::written::{Faults, Written};

/// `sip.advertised` and `sip.near`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Advertised {
    /// For one local address, or for all of a family.
    rules: Vec<(Option<IpAddr>, IpAddr)>,
    /// Peers on our side of the NAT, beside loopback.
    near: Vec<Cidr>,
}

impl Advertised {
    /// What `peer` is told in place of `local`.
    pub fn of(&self, local: IpAddr, peer: IpAddr) -> IpAddr {
        let (own, peer) = (local.to_canonical(), peer.to_canonical());
        if peer.is_loopback() || self.near.iter().any(|net| net.contains(peer)) {
            return local;
        }
        let exact = self.rules.iter().find(|(from, _)| *from == Some(own));
        let any = || self.rules.iter().find(|(from, to)| from.is_none() && to.is_ipv4() == own.is_ipv4());
        exact.or_else(any).map_or(local, |(_, to)| *to)
    }

    /// Reads `["203.0.113.7", "10.0.1.5 = 203.0.113.8"]` and `["10.0.0.0/8"]`.
    pub fn read(rules: &[Written<String>], near: &[Written<String>], faults: &Faults) -> Advertised {
        let fault = |item: &Written<String>, what: &str, remedy: &str| {
            faults.at(&item.place, &item.key, format!("\"{}\" is not {what}", item.value), remedy);
        };
        let rule = |item: &Written<String>| {
            let (from, to) = match item.value.split_once('=') {
                Some((from, to)) => (Some(from.trim()), to.trim()),
                None => (None, item.value.trim()),
            };
            let from = from.map(str::parse::<IpAddr>).transpose();
            match (from, to.parse::<IpAddr>()) {
                (Ok(from), Ok(to)) if from.is_none_or(|from| from.is_ipv4() == to.is_ipv4()) => Some((from, to)),
                _ => {
                    let remedy = "write \"203.0.113.7\" for every local address of that family, or \"10.0.1.5 = 203.0.113.8\" for one";
                    fault(item, "an address", remedy);
                    None
                }
            }
        };
        let net = |item: &Written<String>| {
            item.value
                .parse()
                .map_err(|_| fault(item, "an address or network", "write for example \"10.0.0.0/8\""))
                .ok()
        };
        Advertised { rules: rules.iter().filter_map(rule).collect(), near: near.iter().filter_map(net).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::Source;

    fn read(text: &str) -> (Advertised, usize) {
        let faults = Faults::default();
        let source = Source::new("jiesu.toml", text);
        let mut table = source.read(&faults).expect("TOML");
        let [rules, near] = ["advertised", "near"].map(|key| table.texts(key).get().unwrap_or_default());
        table.finish();
        (Advertised::read(&rules, &near, &faults), faults.len())
    }

    #[test]
    fn each_local_address_may_have_its_own_and_a_family_one() {
        let (advertised, faults) = read(
            "advertised = [\"10.0.1.5 = 203.0.113.8\", \"203.0.113.7\", \"fd00::5=2001:db8::5\"]\nnear = \"10.0.0.0/8\"\n",
        );
        assert_eq!(faults, 0);
        let told =
            |local: &str, peer: &str| advertised.of(local.parse().expect(local), peer.parse().expect(peer)).to_string();
        assert_eq!(told("10.0.1.5", "198.51.100.1"), "203.0.113.8");
        assert_eq!(told("::ffff:10.0.1.5", "198.51.100.1"), "203.0.113.8");
        assert_eq!(told("10.0.1.6", "198.51.100.1"), "203.0.113.7");
        assert_eq!(told("10.0.1.5", "10.9.9.9"), "10.0.1.5", "on our side of the NAT");
        assert_eq!(told("10.0.1.5", "127.0.0.1"), "10.0.1.5");
        assert_eq!(told("fd00::5", "2001:db8:1::1"), "2001:db8::5");
        assert_eq!(told("fd00::6", "2001:db8:1::1"), "fd00::6", "an IPv4 address is no IPv6 one");
        assert_eq!(Advertised::default().of([10, 0, 0, 1].into(), [198, 51, 100, 1].into()).to_string(), "10.0.0.1");
    }

    #[test]
    fn every_bad_entry_is_a_fault() {
        let (_, faults) =
            read("advertised = [\"h\", \"10.0.1.5=\", \"10.0.1.5 = 2001:db8::1\"]\nnear = [\"10.0.0.0/40\"]\n");
        assert_eq!(faults, 4);
    }
}
