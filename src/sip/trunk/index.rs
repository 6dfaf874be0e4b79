//! Which trunk lists an address: asked for every datagram, so the networks are laid out beforehand.
//!
//! Networks may lie in each other and the first trunk that lists an address has it. Laid out, they are ranges that do not
//! overlap, sorted by their first address; looking one up takes a handful of comparisons however many networks there are.

use super::Trunk;
use super::cidr::{Bits, Cidr};

/// The ranges of IPv4, and those of IPv6.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Index {
    v4: Ranges,
    v6: Ranges,
}

/// Where each range begins, and the place of the trunk that has it; it ends where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Ranges {
    begins: Vec<u128>,
    trunk: Vec<Option<usize>>,
}

impl Index {
    pub(super) fn new(list: &[Trunk]) -> Index {
        Index { v4: Ranges::new(list, true), v6: Ranges::new(list, false) }
    }

    /// The place in the list of the first trunk that lists `ip`.
    #[inline]
    pub(super) fn at(&self, ip: Bits) -> Option<usize> {
        let ranges = if ip.v4 { &self.v4 } else { &self.v6 };
        let place = ranges.begins.partition_point(|begin| *begin <= ip.bits);
        ranges.trunk[place.checked_sub(1)?]
    }
}

impl Ranges {
    fn new(list: &[Trunk], v4: bool) -> Ranges {
        let networks: Vec<(usize, Cidr)> =
            list.iter().enumerate().flat_map(|(place, trunk)| trunk.networks().map(move |net| (place, net))).collect();
        let ours = networks.iter().filter(|(_, net)| net.v4 == v4);
        // Who has an address changes only where a network begins or ends.
        let mut edges: Vec<u128> = ours
            .flat_map(|(_, net)| [Some(net.network & net.mask), (net.network | !net.mask).checked_add(1)])
            .flatten()
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let mut ranges = Ranges::default();
        for bits in edges {
            let first = networks.iter().find(|(_, net)| net.contains(Bits { bits, v4 })).map(|(place, _)| *place);
            if ranges.trunk.last() != Some(&first) {
                ranges.begins.push(bits);
                ranges.trunk.push(first);
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::IpAddr;

    /// Networks that often lie in each other, with addresses near their ends.
    fn network() -> impl Strategy<Value = String> {
        prop_oneof![
            (0u8..4, 0u8..4, 0u32..=32).prop_map(|(a, b, bits)| format!("10.{a}.0.{b}/{bits}")),
            (0u8..4, 0u8..4, 0u32..=128).prop_map(|(a, b, bits)| format!("2001:db8:{a}::{b}/{bits}")),
        ]
    }

    fn address() -> impl Strategy<Value = IpAddr> {
        prop_oneof![
            (0u8..4, prop_oneof![0u8..5, Just(255)]).prop_map(|(a, b)| IpAddr::from([10, a, 0, b])),
            any::<u32>().prop_map(|bits| IpAddr::from(bits.to_be_bytes())),
            (0u16..4, 0u16..5).prop_map(|(a, b)| IpAddr::from([0x2001, 0xdb8, a, 0, 0, 0, 0, b])),
            any::<u128>().prop_map(|bits| IpAddr::from(bits.to_be_bytes())),
        ]
    }

    proptest! {
        #[test]
        fn the_first_trunk_that_lists_an_address_has_it(
            trunks in proptest::collection::vec(proptest::collection::vec(network(), 0..4), 0..6),
            asked in proptest::collection::vec(address(), 1..20),
        ) {
            let read = |networks: &Vec<String>| networks.iter().map(|n| n.parse().expect("a network")).collect();
            let list: Vec<Trunk> = trunks.iter().map(|networks| Trunk::new("t", read(networks))).collect();
            let index = Index::new(&list);
            for ip in asked {
                let first = list.iter().position(|trunk| trunk.addresses.iter().any(|net| net.contains(ip)));
                prop_assert_eq!(index.at(Bits::from(ip)), first, "{}", ip);
            }
        }
    }
}
