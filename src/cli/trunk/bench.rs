//! What checks are made with: the carrier as it is configured, the numbers that it gave us, and a telephone a check.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::check::{Came, Check, Role, Short, Verdict};
use super::wire::Wire;
use super::{calls, codecs, early, keys, offers, options};
use crate::cli::phone::{Phone, Setup};
use crate::sdp::Terms;
use crate::sip::trunk::Peer;
use crate::sip::{Trunk, Trunks};

/// The one who is examined.
#[derive(Clone)]
pub(super) struct Carrier {
    pub trunk: Trunk,
    /// As they were given, in the inner form.
    pub numbers: Vec<(Role, String)>,
    /// Who we say we are, as the trunk wants it.
    pub from: String,
    pub terms: Terms,
    /// How long a call may ring.
    pub ring: Duration,
    pub setup: Setup,
}

impl Carrier {
    /// Where checks go that need one address: the trunk's first.
    pub fn peer(&self) -> Peer {
        *self.trunk.outbound.first().expect("a trunk without outbound addresses is not examined")
    }

    /// The number that does this, as the trunk wants it.
    ///
    /// # Errors
    /// None was given.
    pub fn number(&self, role: Role) -> Result<String, Short> {
        let mut roles = std::iter::once(&role).chain(role.stands_in());
        let found = roles.find_map(|role| self.only(*role));
        found.ok_or_else(|| Short::NotTried(format!("no number is known for it: give --to {}=NUMBER", role.name())))
    }

    /// The number that was given for exactly this.
    pub fn only(&self, role: Role) -> Option<String> {
        let (_, number) = self.numbers.iter().find(|(known, _)| *known == role)?;
        Some(self.trunk.numbers.outward(number))
    }
}

/// One check's carrier and telephone.
pub(super) struct Bench {
    pub carrier: Carrier,
    pub phone: Phone,
}

impl Bench {
    pub fn wire(&self) -> Wire {
        Wire::of(self.phone.sip.trace())
    }
}

/// What came of a check.
pub(super) struct Finding {
    pub check: Check,
    pub verdict: Verdict,
    /// In words.
    pub came: String,
    pub took: Duration,
    pub wire: Wire,
}

/// Makes one check, with a telephone of its own: no check sees another's calls.
///
/// # Errors
/// The telephone cannot be plugged in.
pub(super) async fn make(check: Check, carrier: &Carrier) -> anyhow::Result<Finding> {
    let begun = Instant::now();
    let mut carrier = carrier.clone();
    carrier.setup.sip.session = if check == Check::SessionTimer { offers::SESSION } else { Duration::ZERO };
    // Nothing heard for so long is silence on the wire.
    carrier.setup.media.inactivity = codecs::SILENT;
    let (came, wire) = examine(check, &carrier).await?;
    let (came, wire) = match came {
        Ok(seen) if check == Check::Challenge => {
            let (wrong, more) = calls::wrong_password(&carrier, seen).await?;
            (wrong, wire.and(more))
        }
        came => (came, wire),
    };
    let (verdict, came) = match came {
        Ok(seen) => (Verdict::Pass, seen),
        Err(short) => (short.verdict(), short.to_string()),
    };
    Ok(Finding { check, verdict, came, took: begun.elapsed(), wire })
}

/// Plugs a telephone in, and asks what passed once it is unplugged again.
async fn examine(check: Check, carrier: &Carrier) -> anyhow::Result<(Came, Wire)> {
    let bench = plug(carrier)?;
    let came = match check {
        Check::Options => options::asked(&bench).await,
        Check::Call => calls::answered(&bench).await,
        Check::Hangup => calls::hung_up(&bench).await,
        Check::Cancel => calls::cancelled(&bench).await,
        Check::Busy => calls::refused(&bench, Role::Busy, &[486, 600]).await,
        Check::UnknownNumber => calls::refused(&bench, Role::Unknown, &[404, 410, 484, 604]).await,
        Check::Challenge => calls::challenged(&bench).await,
        Check::EachAddress => calls::each_address(&bench).await,
        Check::Prack => early::reliable(&bench).await,
        Check::EarlyMedia => early::heard(&bench).await,
        Check::DelayedOffer => offers::delayed(&bench).await,
        Check::Hold => offers::held(&bench).await,
        Check::CodecChange => offers::changed(&bench).await,
        Check::Codec(codec) => codecs::spoken(&bench, codec).await,
        Check::KeysEvents => keys::events(&bench).await,
        Check::KeysInfo => keys::info(&bench).await,
        Check::KeysTones => keys::tones(&bench).await,
        Check::SessionTimer => offers::kept_alive(&bench).await,
    };
    let wire = unplug(bench).await?;
    Ok((came, wire))
}

pub(super) fn plug(carrier: &Carrier) -> anyhow::Result<Bench> {
    let trunks = Trunks::new(vec![carrier.trunk.clone()], carrier.setup.trunks.unlisted);
    let setup = Setup { trunks, ..carrier.setup.clone() };
    Ok(Bench { carrier: carrier.clone(), phone: Phone::plug(&setup)? })
}

pub(super) async fn unplug(bench: Bench) -> anyhow::Result<Wire> {
    let trace = bench.phone.sip.trace().clone();
    bench.phone.unplug().await?;
    Ok(Wire::of(&trace))
}

/// `host:port` and transport, as a person reads it.
pub(super) fn named(peer: &Peer) -> String {
    let address: SocketAddr = peer.address;
    format!("{address} {}", peer.transport.as_str())
}
