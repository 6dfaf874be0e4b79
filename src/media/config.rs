//! `[media]` of jiesu.toml.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sdp::{Codec, Keys, Secure, Terms};
use crate::written::Table;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The local address that sockets bind to; unspecified means all of its family.
    pub bind: IpAddr,
    /// First and last UDP port. Each leg takes an even one for RTP and the next for RTCP.
    pub ports: (u16, u16),
    /// How long a dead leg's ports rest, so that a late packet of the old call is not heard in a new one.
    pub port_rest: Duration,
    /// Media threads; 0: one a core.
    pub threads: usize,
    /// Whether each thread stays on one core.
    pub pin: bool,
    /// Without RTP and RTCP for this long the leg says [`super::Event::Inactive`].
    pub inactivity: Duration,
    /// How long audio waits for packets that overtook each other. It grows by itself to five times this.
    pub jitter: Duration,
    /// Networks whose addresses in SDP are sent to before they sent anything themselves. Elsewhere the address must be
    /// that of the SIP message, or prove itself by sending first.
    pub gateways: Vec<Network>,
    /// The DSCP of RTP packets (RFC 4594: 46, expedited forwarding).
    pub dscp: u8,
    /// What we agree to with a peer, unless its trunk says otherwise.
    pub terms: Terms,
    /// Threads that write recordings; each waits for the disk in its fsyncs.
    pub recorders: usize,
    /// The network that knows voices (Silero VAD in GGML). Without it speech is told from noise by its energy.
    pub voice: Option<PathBuf>,
    /// Threads in which it runs.
    pub voice_threads: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            ports: (10_000, 20_000),
            port_rest: Duration::from_secs(10),
            threads: 0,
            pin: true,
            inactivity: Duration::from_secs(30),
            jitter: Duration::from_millis(40),
            gateways: Vec::new(),
            dscp: 46,
            recorders: 4,
            voice: None,
            voice_threads: 1,
            terms: Terms::default(),
        }
    }
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        let default = Config::default();
        let folder = table.place().file.parent().unwrap_or(Path::new("")).to_owned();
        let voice = table.text("voice").or("../models/ggml-silero-v6.2.0.bin");
        let bind = table
            .text("bind")
            .check(|text| {
                text.parse().map_err(|_| {
                    (format!("\"{text}\" is not an IP address"), "write \"0.0.0.0\", \"::\" or one address".to_owned())
                })
            })
            .or_else(|| default.bind);
        let ports = table.text("ports").check(|text| range(text)).or_else(|| default.ports);
        let gateways = table.texts("gateways").get().unwrap_or_default();
        let gateways = gateways
            .into_iter()
            .filter_map(|written| {
                let network = Network::parse(&written.value);
                if network.is_none() {
                    let what = format!("\"{}\" is not a network", written.value);
                    table.faults().at(&written.place, &written.key, what, "write e.g. \"203.0.113.0/24\"");
                }
                network
            })
            .collect();
        Config {
            bind,
            ports,
            port_rest: table.duration("port_rest").or("10s", "0s".."10m"),
            threads: table.int("threads").or(0, 0..256) as usize,
            pin: table.flag("pin").or(default.pin),
            inactivity: table.duration("inactivity").or("30s", "2s".."1h"),
            jitter: table.duration("jitter").or("40ms", "20ms".."200ms"),
            gateways,
            dscp: table.int("dscp").or(46, 0..63) as u8,
            recorders: table.int("recorders").or(4, 1..64) as usize,
            voice: (!voice.is_empty()).then(|| folder.join(voice)),
            voice_threads: table.int("voice_threads").or(1, 1..256) as usize,
            terms: Preferences::read(table).over(&default.terms),
        }
    }
}

/// What one trunk wants otherwise than [`Config::terms`]; what it leaves out stays as it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preferences {
    codecs: Vec<Codec>,
    keys: Option<Keys>,
    secure: Option<Secure>,
}

impl Preferences {
    /// The keys `codecs`, `dtmf` and `srtp`: of `[media]`, and of the table of that name in a trunk's file.
    pub fn read(table: &mut Table<'_>) -> Preferences {
        let mut codecs: Vec<Codec> = Vec::new();
        for written in table.texts("codecs").get().unwrap_or_default() {
            match written.value.parse() {
                Ok(codec) if !codecs.contains(&codec) => codecs.push(codec),
                Ok(_) => {}
                Err(error) => {
                    let what = format!("\"{}\" is not a codec", written.value);
                    let remedy = error.to_string();
                    table.faults().at(&written.place, &written.key, what, remedy);
                }
            }
        }
        let keys = table.text("dtmf").check(|text| {
            let known = Keys::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, keys)| keys);
            known.ok_or_else(|| {
                let names = Keys::ALL.map(|(name, _)| format!("\"{name}\"")).join(", ");
                (format!("\"{text}\" is no way of sending keys"), format!("write one of {names}"))
            })
        });
        let secure = table.text("srtp").check(|text| {
            let known = Secure::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, secure)| secure);
            known.ok_or_else(|| {
                (format!("\"{text}\" is no setting"), "write \"off\", \"accept\" or \"require\"".to_owned())
            })
        });
        Preferences { codecs, keys: keys.get(), secure: secure.get() }
    }

    /// `terms` with what is wanted otherwise.
    pub fn over(&self, terms: &Terms) -> Terms {
        Terms {
            codecs: if self.codecs.is_empty() { terms.codecs.clone() } else { self.codecs.clone() },
            keys: self.keys.unwrap_or(terms.keys),
            secure: self.secure.unwrap_or(terms.secure),
        }
    }
}

/// `"10000-20000"`: at least one even port and its neighbour.
fn range(text: &str) -> Result<(u16, u16), (String, String)> {
    let remedy = || "write e.g. \"10000-20000\": an even first port, a larger last one".to_owned();
    let parsed = text.split_once('-').and_then(|(a, b)| Some((a.trim().parse().ok()?, b.trim().parse().ok()?)));
    match parsed {
        Some((first, last)) if first >= 1024 && first % 2 == 0 && last > first => Ok((first, last)),
        Some(_) => Err((format!("\"{text}\" holds no pair of ports from 1024 up"), remedy())),
        None => Err((format!("\"{text}\" is not a range of ports"), remedy())),
    }
}

/// Addresses with a common prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// `203.0.113.0/24`, `2001:db8::/32`, or one address.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse::<IpAddr>().ok()?, prefix.parse().ok()?),
            None => {
                let address = text.parse::<IpAddr>().ok()?;
                (address, if address.is_ipv4() { 32 } else { 128 })
            }
        };
        (prefix <= if address.is_ipv4() { 32 } else { 128 }).then_some(Network { address, prefix })
    }

    pub fn contains(&self, other: IpAddr) -> bool {
        let same = |a: u128, b: u128, bits: u32| {
            let shift = bits - u32::from(self.prefix);
            shift >= 128 || a >> shift == b >> shift
        };
        match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{Faults, Source};

    fn read(text: &str) -> (Config, Vec<String>) {
        let faults = Faults::default();
        let source = Source::new("jiesu.toml", text);
        let mut table = source.read(&faults).expect("it is TOML");
        let config = Config::read(&mut table);
        table.finish();
        (config, faults.sorted().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_written_is_the_default() {
        let voice = Some("../models/ggml-silero-v6.2.0.bin".into());
        assert_eq!(read(""), (Config { voice, ..Config::default() }, vec![]));
        assert_eq!(read("voice = \"\"").0.voice, None);
    }

    #[test]
    fn every_fault_is_found() {
        let (_, faults) = read(
            "bind = \"here\"\nports = \"9-x\"\ngateways = [\"10.0.0.0/8\", \"10/99\"]\njiter = \"1s\"\ncodecs = [\"PCMA\", \"MP3\"]\ndtmf = \"pulse\"\n",
        );
        assert_eq!(faults.len(), 6, "{faults:?}");
        for (fault, start) in faults.iter().zip([
            "jiesu.toml:1:8: bind: \"here\" is not an IP address",
            "jiesu.toml:2:9: ports: \"9-x\" is not a range",
            "jiesu.toml:3:27: gateways: \"10/99\" is not a network",
            "jiesu.toml:4:1: jiter: unknown key; did you mean jitter?",
            "jiesu.toml:5:19: codecs: \"MP3\" is not a codec",
            "jiesu.toml:6:8: dtmf: \"pulse\" is no way",
        ]) {
            assert!(fault.starts_with(start), "{fault}");
        }
        assert!(read("ports = \"10001-10002\"").1[0].contains("holds no pair"));
    }

    /// Whoever asks for it is told why it is not there.
    #[test]
    fn g729_is_a_matter_of_licence() {
        let (config, faults) = read("codecs = [\"g729\", \"PCMA\"]");
        if cfg!(feature = "g729") {
            assert_eq!((config.terms.codecs.len(), faults.len()), (2, 0));
        } else {
            assert!(faults[0].contains("--features g729"), "{faults:?}");
        }
    }

    #[test]
    fn a_trunk_changes_only_what_it_says() {
        let faults = Faults::default();
        let source = Source::new("a.toml", "dtmf = \"both\"");
        let mut table = source.read(&faults).expect("TOML");
        let all = Terms { secure: Secure::Accept, ..Terms::of(&[Codec::G722]) };
        assert_eq!(Preferences::read(&mut table).over(&all), Terms { keys: Keys::Both, ..all });
    }

    #[test]
    fn networks_hold_their_addresses() {
        let network = |text| Network::parse(text).expect("it is a network");
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        assert!(network("203.0.113.0/24").contains(ip("203.0.113.200")));
        assert!(!network("203.0.113.0/24").contains(ip("203.0.114.1")));
        assert!(network("0.0.0.0/0").contains(ip("1.2.3.4")));
        assert!(!network("0.0.0.0/0").contains(ip("::1")));
        assert!(network("2001:db8::/32").contains(ip("2001:db8:1::2")));
        assert!(network("192.0.2.7").contains(ip("192.0.2.7")) && !network("192.0.2.7").contains(ip("192.0.2.8")));
        assert_eq!(Network::parse("10.0.0.0/33"), None);
    }
}
