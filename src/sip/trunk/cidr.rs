//! Networks, as trunks list them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network: an address, and which of its bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    pub(super) network: u128,
    pub(super) mask: u128,
    pub(super) v4: bool,
}

/// An address, ready to be looked for in many networks.
#[derive(Debug, Clone, Copy)]
pub struct Bits {
    pub(super) bits: u128,
    pub(super) v4: bool,
}

impl From<IpAddr> for Bits {
    /// An IPv4 address inside IPv6 (`::ffff:…`) counts as IPv4.
    fn from(ip: IpAddr) -> Bits {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Bits { bits: u128::from(ip.to_bits()) << 96, v4: true },
            IpAddr::V6(ip) => Bits { bits: ip.to_bits(), v4: false },
        }
    }
}

/// Not `192.0.2.0/24`, `192.0.2.7`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or network")]
pub struct NotANetwork;

impl Cidr {
    /// One address.
    pub fn host(ip: IpAddr) -> Cidr {
        let Bits { bits, v4 } = ip.into();
        Cidr { network: bits, mask: u128::MAX, v4 }
    }

    #[inline]
    pub fn contains(&self, ip: impl Into<Bits>) -> bool {
        let Bits { bits, v4 } = ip.into();
        v4 == self.v4 && (bits ^ self.network) & self.mask == 0
    }
}

impl FromStr for Cidr {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Cidr, NotANetwork> {
        let (ip, prefix) = text.split_once('/').map_or((text, None), |(ip, prefix)| (ip, Some(prefix)));
        let Bits { bits: network, v4 } = ip.trim().parse::<IpAddr>().map_err(|_| NotANetwork)?.into();
        let most = if v4 { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(most), |p| p.trim().parse::<u32>().map_err(|_| NotANetwork))?;
        // IPv4 stands in the upper bits.
        let mask = u128::MAX.checked_shl(128 - prefix.min(128)).unwrap_or(0);
        (prefix <= most).then_some(Cidr { network, mask, v4 }).ok_or(NotANetwork)
    }
}

/// As it is written; the prefix of a single address is left out.
impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ip, most) = if self.v4 {
            (IpAddr::V4(Ipv4Addr::from_bits((self.network >> 96) as u32)), 32)
        } else {
            (IpAddr::V6(Ipv6Addr::from_bits(self.network)), 128)
        };
        let prefix = self.mask.leading_ones().min(most);
        if prefix == most { write!(f, "{ip}") } else { write!(f, "{ip}/{prefix}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks() {
        let inside = |net: &str, ip: &str| net.parse::<Cidr>().expect(net).contains(ip.parse::<IpAddr>().expect(ip));
        assert!(inside("192.0.2.0/24", "192.0.2.255") && !inside("192.0.2.0/24", "192.0.3.0"));
        assert!(inside("192.0.2.7", "::ffff:192.0.2.7") && !inside("0.0.0.0/0", "2001:db8::1"));
        assert!(inside("2001:db8::/32", "2001:db8:1::1") && !inside("2001:db8::/32", "2001:db9::1"));
        assert!(inside("::/0", "2001:db8::1") && inside("0.0.0.0/0", "8.8.8.8"));
        for bad in ["", "192.0.2.0/33", "host", "192.0.2.0/x", "192.0.2"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_are_shown_as_they_are_written() {
        for text in ["192.0.2.0/24", "192.0.2.7", "0.0.0.0/0", "2001:db8::/32", "2001:db8::7"] {
            assert_eq!(text.parse::<Cidr>().expect(text).to_string(), text);
        }
    }
}
