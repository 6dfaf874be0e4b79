//! Trunks: who may call us and whom we may call, each with its limits, number form and passwords.
//!
//! Looked up by address before anything is parsed. Owns the grammar of `trunks/*.toml`; opens no file and no socket:
//! passwords come through a reader that is handed in, so that none stands in a configuration file.

mod cidr;
pub mod health;
mod index;
pub mod locate;
pub mod number;
pub mod tls;
mod written;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use super::auth::{Algorithm, Credentials};
use super::endpoint::{Transport, TrunkName};
use super::registration;
use index::Index;

pub use cidr::{Bits, Cidr, NotANetwork};
pub use written::{PasswordFrom, ReadPassword};

/// What happens to requests from nowhere we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Unlisted {
    /// Not a byte is answered.
    #[default]
    Drop,
    /// One stateless 403, the same for every number.
    Forbid,
}

/// How much one trunk may ask of us. `None`: only what all trunks together may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Calls from it at once.
    pub calls: Option<usize>,
    /// New calls from it in any second.
    pub per_second: Option<u32>,
}

/// Where a call of ours may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    pub address: SocketAddr,
    pub transport: Transport,
}

/// What we answer a carrier's challenge with: only where it names this realm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    pub realm: String,
    pub credentials: Credentials,
}

/// Whom we challenge (RFC 3261 section 22): every INVITE from the trunk needs the password of one of these users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Users {
    pub realm: String,
    /// What is offered and taken, the preferred first.
    pub algorithms: Vec<Algorithm>,
    pub list: Vec<Credentials>,
}

/// One carrier or PBX.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trunk {
    pub name: TrunkName,
    pub addresses: Vec<Cidr>,
    /// Names whose addresses are this trunk's too (`srv:` in `addresses`), and those addresses, as far as they are known.
    pub listed: Vec<locate::Place>,
    pub found: Vec<Cidr>,
    /// Where calls of ours go, as it is written.
    pub ways: Vec<locate::Way>,
    /// Where they go, as far as it is known: the first that takes them.
    pub outbound: Vec<Peer>,
    /// How long a peer of `outbound` may say nothing at all before the next is tried.
    pub silence: Duration,
    /// How the addresses of `outbound` are asked whether they are there; `None`: not at all.
    pub keepalive: Option<health::Settings>,
    /// Our registration with it.
    pub register: Option<registration::Wanted>,
    pub limits: Limits,
    pub numbers: number::Rules,
    /// P-Asserted-Identity is believed (RFC 3325 section 5: only from a peer that is trusted).
    pub trust_identity: bool,
    pub login: Option<Login>,
    pub users: Option<Users>,
    /// Its certificates, and ours for it.
    pub tls: Option<tls::Tls>,
}

impl Trunk {
    /// A trunk with nothing but addresses.
    pub fn new(name: impl Into<TrunkName>, addresses: Vec<Cidr>) -> Trunk {
        Trunk {
            name: name.into(),
            addresses,
            listed: Vec::new(),
            found: Vec::new(),
            ways: Vec::new(),
            outbound: Vec::new(),
            silence: Duration::from_secs(4),
            keepalive: None,
            register: None,
            limits: Limits::default(),
            numbers: number::Rules::default(),
            trust_identity: false,
            login: None,
            users: None,
            tls: None,
        }
    }

    /// Whether its requests are taken over TLS alone, and only with its certificate.
    pub fn must_be_secured(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.required)
    }

    /// What is this trunk's: its networks, and where calls of ours go.
    fn networks(&self) -> impl Iterator<Item = Cidr> {
        let called = self.outbound.iter().map(|peer| Cidr::host(peer.address.ip()));
        self.addresses.iter().chain(&self.found).copied().chain(called)
    }
}

impl Trunk {
    /// Calls of ours may go to it, as far as its file says.
    pub fn is_called(&self) -> bool {
        !self.ways.is_empty() || !self.outbound.is_empty()
    }

    /// With what is known of the names in it.
    fn located(&self, answers: &locate::Answers) -> Trunk {
        let peers = |way: &locate::Way| match way {
            locate::Way::At(peer) => vec![*peer],
            locate::Way::Named(place) => answers.of(place).to_vec(),
        };
        let found = self.listed.iter().flat_map(|place| answers.of(place)).map(|peer| Cidr::host(peer.address.ip()));
        Trunk { found: found.collect(), outbound: self.ways.iter().flat_map(peers).collect(), ..self.clone() }
    }
}

/// All of them. The first that lists an address has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trunks {
    list: Arc<Vec<Trunk>>,
    index: Arc<Index>,
    pub unlisted: Unlisted,
}

impl Trunks {
    pub fn new(list: Vec<Trunk>, unlisted: Unlisted) -> Trunks {
        let index = Arc::new(Index::new(&list));
        Trunks { list: Arc::new(list), index, unlisted }
    }

    /// With what is known of the names in them; trunks without names stay as they are.
    pub fn located(&self, answers: &locate::Answers) -> Trunks {
        if self.places().is_empty() {
            return self.clone();
        }
        let located = |trunk: &Trunk| {
            if trunk.ways.is_empty() && trunk.listed.is_empty() { trunk.clone() } else { trunk.located(answers) }
        };
        Trunks::new(self.list.iter().map(located).collect(), self.unlisted)
    }

    /// Every name in them, once.
    pub fn places(&self) -> Vec<locate::Place> {
        let mut list: Vec<locate::Place> = Vec::new();
        for trunk in self.iter() {
            let named = trunk.ways.iter().filter_map(|way| match way {
                locate::Way::Named(place) => Some(place),
                locate::Way::At(_) => None,
            });
            for place in named.chain(&trunk.listed) {
                if !list.contains(place) {
                    list.push(place.clone());
                }
            }
        }
        list
    }

    /// The name of the trunk that lists `ip`.
    pub fn of(&self, ip: IpAddr) -> Option<&TrunkName> {
        self.at(ip).map(|trunk| &trunk.name)
    }

    /// The trunk that lists `ip`.
    pub fn at(&self, ip: IpAddr) -> Option<&Trunk> {
        self.list.get(self.index.at(Bits::from(ip))?)
    }

    pub fn get(&self, name: &str) -> Option<&Trunk> {
        self.list.iter().find(|trunk| *trunk.name == *name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Trunk> {
        self.list.iter()
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
