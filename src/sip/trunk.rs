//! Trunks: from which addresses calls are taken. Looked up before anything is parsed.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use super::endpoint::TrunkName;
use crate::written::{Faults, Source};

/// A network: address and length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: u128,
    prefix: u32,
    v4: bool,
}

/// Not `192.0.2.0/24`, `192.0.2.7`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or network")]
pub struct NotANetwork;

/// An address as a number; an IPv4 address inside IPv6 (`::ffff:…`) counts as IPv4.
fn bits(ip: IpAddr) -> (u128, bool) {
    match ip.to_canonical() {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()) << 96, true),
        IpAddr::V6(ip) => (ip.to_bits(), false),
    }
}

impl Cidr {
    /// One address.
    pub fn host(ip: IpAddr) -> Cidr {
        let (network, v4) = bits(ip);
        Cidr { network, prefix: if v4 { 32 } else { 128 }, v4 }
    }

    pub fn contains(&self, ip: IpAddr) -> bool {
        let (bits, v4) = bits(ip);
        v4 == self.v4 && (bits ^ self.network).checked_shr(128 - self.prefix).unwrap_or(0) == 0
    }
}

impl FromStr for Cidr {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Cidr, NotANetwork> {
        let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
        let (network, v4) = bits(ip.trim().parse().map_err(|_| NotANetwork)?);
        let most = if v4 { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |p| p.trim().parse().map_err(|_| NotANetwork))?;
        (prefix <= most).then_some(Cidr { network, prefix, v4 }).ok_or(NotANetwork)
    }
}

/// What happens to requests from nowhere we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unlisted {
    /// Not a byte is answered.
    #[default]
    Drop,
    /// One stateless 403, the same for every number.
    Forbid,
}

/// One carrier or PBX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    pub name: TrunkName,
    pub addresses: Vec<Cidr>,
}

/// All of them. The first that lists an address has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trunks {
    list: Arc<Vec<Trunk>>,
    pub unlisted: Unlisted,
}

impl Trunks {
    pub fn new(list: Vec<Trunk>, unlisted: Unlisted) -> Trunks {
        Trunks { list: Arc::new(list), unlisted }
    }

    /// The trunk that lists `ip`.
    pub fn of(&self, ip: IpAddr) -> Option<&TrunkName> {
        self.list.iter().find(|trunk| trunk.addresses.iter().any(|net| net.contains(ip))).map(|trunk| &trunk.name)
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Reads `trunks/*.toml`, one trunk a file, named after it.
    pub fn read(sources: &[Source], unlisted: Unlisted, faults: &Faults) -> Trunks {
        let mut list = Vec::new();
        for source in sources {
            let Some(mut table) = source.read(faults) else { continue };
            let name = source.file().file_stem().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            let mut addresses = Vec::new();
            let missing = !table.has("addresses");
            let written = table.texts("addresses").need_written("a list such as [\"192.0.2.0/24\", \"2001:db8::1\"]");
            for item in &written.value {
                match item.value.parse() {
                    Ok(net) => addresses.push(net),
                    Err(error) => {
                        let what = format!("\"{}\" is {error}", item.value);
                        faults.at(
                            &item.place,
                            &item.key,
                            what,
                            "write for example \"192.0.2.0/24\" or \"2001:db8::1\"",
                        );
                    }
                }
            }
            if written.value.is_empty() && !missing {
                faults.at(
                    &written.place,
                    &written.key,
                    "lists nothing",
                    "write at least one address, or remove the file",
                );
            }
            table.finish();
            list.push(Trunk { name: name.into(), addresses });
        }
        Trunks::new(list, unlisted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let inside = |net: &str, ip: &str| net.parse::<Cidr>().expect(net).contains(ip.parse().expect(ip));
        assert!(inside("192.0.2.0/24", "192.0.2.255") && !inside("192.0.2.0/24", "192.0.3.0"));
        assert!(inside("192.0.2.7", "::ffff:192.0.2.7") && !inside("0.0.0.0/0", "2001:db8::1"));
        assert!(inside("2001:db8::/32", "2001:db8:1::1") && !inside("2001:db8::/32", "2001:db9::1"));
        assert!(inside("::/0", "2001:db8::1") && inside("0.0.0.0/0", "8.8.8.8"));
        for bad in ["", "192.0.2.0/33", "host", "192.0.2.0/x", "192.0.2"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_empty_list_is_a_fault_of_each_file() {
        let faults = Faults::default();
        let sources = ["a", "b"].map(|name| Source::new(format!("trunks/{name}.toml"), "addresses = []\n"));
        Trunks::read(&sources, Unlisted::Drop, &faults);
        Trunks::read(&[Source::new("trunks/c.toml", "\n")], Unlisted::Drop, &faults);
        assert_eq!(faults.len(), 3, "{faults}");
    }

    #[test]
    fn every_bad_address_is_a_fault() {
        let faults = Faults::default();
        let source = Source::new("trunks/a.toml", "addresses = [\"192.0.2.0/24\", \"x\", \"y\"]\n");
        let trunks = Trunks::read(&[source], Unlisted::Drop, &faults);
        assert_eq!(faults.len(), 2, "{faults}");
        assert_eq!(trunks.of("192.0.2.1".parse().unwrap()).map(|n| &**n), Some("a"));
    }
}
