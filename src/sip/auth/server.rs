//! The server's side: challenges, and whether an answer to one is right.
//!
//! A nonce is the time it was made and a keyed hash of it, so that asking costs no memory. What is remembered is which
//! counts of a nonce were used (a window of 64, since UDP reorders), for as many nonces as [`MOST`]; whoever is not
//! remembered is told `stale` and comes again with a new nonce, which telephones do by themselves.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::{Algorithm, Credentials, Fields, hex, quoted, response, same};
use crate::sip::uri::Uri;

/// How long a nonce lives.
pub const LIFETIME: Duration = Duration::from_secs(300);
/// Nonces whose counts are remembered; over it the oldest are forgotten.
pub const MOST: usize = 10_000;
/// Why a request is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// No answer to a challenge of ours is in it.
    Missing,
    /// It cannot be read, or answers for another request (RFC 7616 section 3.4.6).
    Malformed,
    /// The nonce is too old, or its count was used: challenge again with `stale=true`.
    Stale,
    /// Unknown user or wrong password; nobody is told which.
    Wrong,
}

/// Which counts of a nonce were used.
#[derive(Debug, Clone, Copy)]
struct Used {
    highest: u32,
    /// Bit n: `highest - n` was used.
    window: u64,
}

/// The gate of one realm.
#[derive(Debug)]
pub struct Gate {
    realm: String,
    key: [u8; 32],
    algorithms: Vec<Algorithm>,
    used: HashMap<u64, Used>,
    /// By age, for forgetting.
    ages: BTreeSet<(Duration, u64)>,
    /// The youngest that was forgotten: what is not younger and not remembered may have been used.
    forgotten: Option<(Duration, u64)>,
    count: u64,
}

impl Gate {
    /// `key`: random bytes.
    pub fn new(realm: impl Into<String>, key: [u8; 32]) -> Gate {
        let algorithms = Algorithm::ALL.to_vec();
        Gate {
            realm: realm.into(),
            key,
            algorithms,
            used: HashMap::new(),
            ages: BTreeSet::new(),
            forgotten: None,
            count: 0,
        }
    }

    /// Only these are offered, in this order, and taken. (Old peers read the first challenge alone.)
    pub fn offer(mut self, algorithms: &[Algorithm]) -> Gate {
        self.algorithms = algorithms.to_vec();
        self
    }

    /// Values for `WWW-Authenticate` (or `Proxy-Authenticate`), the preferred algorithm first. `now` since any moment
    /// that stays.
    pub fn challenges(&mut self, now: Duration, stale: bool) -> Vec<String> {
        self.count += 1;
        let nonce = self.nonce(now, self.count);
        let stale = if stale { ", stale=true" } else { "" };
        let offer = |algorithm: &Algorithm| {
            format!(
                "Digest realm={}, nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}",
                quoted(self.realm.as_bytes()),
                algorithm.name()
            )
        };
        self.algorithms.iter().map(offer).collect()
    }

    /// `1a2b…`: milliseconds, a number, and their keyed hash.
    fn nonce(&self, made: Duration, number: u64) -> String {
        let made = made.as_millis() as u64;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("any length of key will do");
        mac.update(&made.to_be_bytes());
        mac.update(&number.to_be_bytes());
        mac.update(self.realm.as_bytes());
        format!("{made:016x}{number:016x}{}", hex(&mac.finalize().into_bytes()[..16]))
    }

    /// Checks the value of `Authorization`. `password` gives a user's; it is asked once, whatever the user.
    ///
    /// # Errors
    /// See [`Denied`].
    pub fn check(
        &mut self,
        now: Duration,
        value: Option<&[u8]>,
        method: &str,
        request_uri: &[u8],
        password: impl Fn(&str) -> Option<String>,
    ) -> Result<String, Denied> {
        let fields = Fields::parse(value.ok_or(Denied::Missing)?).ok_or(Denied::Malformed)?;
        let field = |name: &str| fields.get(name).ok_or(Denied::Malformed);
        let algorithm = Algorithm::of(fields.get("algorithm")).filter(|one| self.algorithms.contains(one));
        let algorithm = algorithm.ok_or(Denied::Malformed)?;
        let (user, nonce, uri) = (field("username")?, field("nonce")?, field("uri")?);
        let (nc, cnonce, qop) = (field("nc")?, field("cnonce")?, field("qop")?);
        if field("realm")? != self.realm.as_bytes() {
            return Err(Denied::Missing);
        }
        if !qop.eq_ignore_ascii_case(b"auth") || !is_for(uri, request_uri) {
            return Err(Denied::Malformed);
        }
        let counted = std::str::from_utf8(nc).ok().filter(|nc| nc.len() == 8);
        let counted = counted.and_then(|nc| u32::from_str_radix(nc, 16).ok()).ok_or(Denied::Malformed)?;
        let (made, number) = self.made(nonce).ok_or(Denied::Stale)?;
        let user = std::str::from_utf8(user).map_err(|_| Denied::Malformed)?;
        let known = password(user);
        // An unknown user costs as much as a known one.
        let credentials =
            Credentials { user: user.to_owned(), password: known.clone().unwrap_or_else(|| "\u{0}".into()) };
        let expected =
            response(algorithm, &credentials, self.realm.as_bytes(), nonce, Some((nc, cnonce)), method.as_bytes(), uri);
        let right = same(expected.as_bytes(), &field("response")?.to_ascii_lowercase());
        if !(right && known.is_some()) {
            return Err(Denied::Wrong);
        }
        // Only who knows the password makes us remember anything.
        if now.saturating_sub(made) > LIFETIME || !self.take(now, made, number, counted) {
            return Err(Denied::Stale);
        }
        Ok(user.to_owned())
    }

    /// When a nonce of ours was made, and its number.
    fn made(&self, nonce: &[u8]) -> Option<(Duration, u64)> {
        let text = std::str::from_utf8(nonce).ok().filter(|text| text.len() == 64 && text.is_ascii())?;
        let part = |range: std::ops::Range<usize>| u64::from_str_radix(&text[range], 16).ok();
        let (made, number) = (Duration::from_millis(part(0..16)?), part(16..32)?);
        same(self.nonce(made, number).as_bytes(), nonce).then_some((made, number))
    }

    /// Uses a count up. `false`: it was used before, or is too far behind.
    fn take(&mut self, now: Duration, made: Duration, number: u64, nc: u32) -> bool {
        while let Some(&(age, oldest)) = self.ages.first() {
            if self.used.len() < MOST && now.saturating_sub(age) <= LIFETIME {
                break;
            }
            self.forgotten = self.forgotten.max(self.ages.pop_first());
            self.used.remove(&oldest);
        }
        if !self.used.contains_key(&number) {
            if nc == 0 || self.forgotten >= Some((made, number)) {
                return false;
            }
            self.ages.insert((made, number));
            self.used.insert(number, Used { highest: nc, window: 1 });
            return true;
        }
        let Some(used) = self.used.get_mut(&number) else { return false };
        if nc > used.highest {
            let ahead = nc - used.highest;
            used.window = used.window.checked_shl(ahead).unwrap_or(0) | 1;
            used.highest = nc;
            return true;
        }
        let bit = 1u64.checked_shl(used.highest - nc).unwrap_or(0); // 0: more than 63 behind
        let free = bit != 0 && used.window & bit == 0 && nc > 0;
        used.window |= bit;
        free
    }

    /// Nonces that are remembered.
    pub fn remembered(&self) -> usize {
        self.used.len()
    }
}

/// Whether an answer made for `uri` may be one for this Request-URI. A proxy between us may have written another host
/// into the Request-URI, and some peers name the server alone, so the two need not be equivalent (RFC 3261 section 22.4
/// item 5); but what was made for one number opens no other.
fn is_for(uri: &[u8], request_uri: &[u8]) -> bool {
    if uri == request_uri {
        return true;
    }
    let (Ok(made), Ok(asked)) = (Uri::parse(uri), Uri::parse(request_uri)) else { return false };
    made.user.is_none_or(|user| asked.user == Some(user))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::auth::client::Challenge;

    const URI: &str = "sip:12345@192.0.2.1";

    fn gate() -> Gate {
        Gate::new("jiesu", [7; 32])
    }

    fn carrier(password: &str) -> Credentials {
        Credentials { user: "carrier".into(), password: password.into() }
    }

    fn known(user: &str) -> Option<String> {
        (user == "carrier").then(|| "s3cret".to_owned())
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(1000 + seconds)
    }

    fn challenge(gate: &mut Gate, which: usize, now: Duration) -> Challenge {
        Challenge::parse(gate.challenges(now, false)[which].as_bytes()).expect("ours can be read")
    }

    fn check(gate: &mut Gate, now: Duration, value: &str) -> Result<String, Denied> {
        gate.check(now, Some(value.as_bytes()), "INVITE", URI.as_bytes(), known)
    }

    #[test]
    fn both_algorithms_let_the_right_one_in_and_no_other() {
        for which in 0..2 {
            let mut gate = gate();
            let challenge = challenge(&mut gate, which, at(0));
            let answer =
                |password: &str, method: &str, uri: &str| challenge.answer(&carrier(password), method, uri, 1, "c");
            assert_eq!(check(&mut gate, at(1), &answer("wrong", "INVITE", URI)), Err(Denied::Wrong));
            assert_eq!(check(&mut gate, at(1), &answer("s3cret", "BYE", URI)), Err(Denied::Wrong));
            assert_eq!(check(&mut gate, at(1), &answer("s3cret", "INVITE", "sip:1@h")), Err(Denied::Malformed));
            let stranger = Credentials { user: "nobody".into(), password: "\u{0}".into() };
            assert_eq!(
                check(&mut gate, at(1), &challenge.answer(&stranger, "INVITE", URI, 1, "c")),
                Err(Denied::Wrong)
            );
            assert_eq!(gate.remembered(), 0, "only who knows the password makes us remember");
            assert_eq!(check(&mut gate, at(1), &answer("s3cret", "INVITE", URI)), Ok("carrier".into()));
        }
        assert_eq!(gate().check(at(0), None, "INVITE", URI.as_bytes(), known), Err(Denied::Missing));
    }

    #[test]
    fn a_proxy_may_have_changed_the_host_but_not_the_number() {
        for (uri, may) in [
            ("sip:12345@edge.example:5062;transport=udp", true),
            ("sip:192.0.2.1", true),
            ("sip:110@192.0.2.1", false),
            ("12345", false),
        ] {
            let mut gate = gate();
            let answer = challenge(&mut gate, 0, at(0)).answer(&carrier("s3cret"), "INVITE", uri, 1, "c");
            assert_eq!(check(&mut gate, at(1), &answer).is_ok(), may, "{uri}");
        }
    }

    /// ATTACKS 28.
    #[test]
    fn a_count_is_good_once_in_any_order_of_a_window() {
        let mut gate = gate();
        let challenge = challenge(&mut gate, 0, at(0));
        let mut used =
            |nc: u32| check(&mut gate, at(1), &challenge.answer(&carrier("s3cret"), "INVITE", URI, nc, "c")).is_ok();
        assert!(!used(0));
        assert!(used(5) && used(3) && used(4) && used(70) && used(8));
        for again in [5, 3, 4, 70, 8, 6] {
            assert!(!used(again), "{again} was used, or is too far behind");
        }
        assert!(used(7) && !used(7));
    }

    #[test]
    fn an_old_a_forged_and_a_strangers_nonce_are_stale() {
        let mut gate = gate();
        let old = challenge(&mut gate, 0, at(0)).answer(&carrier("s3cret"), "INVITE", URI, 1, "c");
        let later = at(LIFETIME.as_secs() + 1);
        assert_eq!(check(&mut gate, later, &old), Err(Denied::Stale));
        assert!(gate.challenges(later, true)[0].contains("stale=true"));
        let mut other = Gate::new("jiesu", [8; 32]);
        let forged = challenge(&mut other, 0, at(0)).answer(&carrier("s3cret"), "INVITE", URI, 1, "c");
        assert_eq!(check(&mut gate, at(1), &forged), Err(Denied::Stale));
    }

    #[test]
    fn memory_is_bounded_and_what_was_forgotten_does_not_come_back() {
        let mut gate = gate();
        let first = challenge(&mut gate, 0, at(0)).answer(&carrier("s3cret"), "INVITE", URI, 1, "c");
        assert!(check(&mut gate, at(1), &first).is_ok());
        for _ in 0..MOST + 10 {
            let answer = challenge(&mut gate, 0, at(1)).answer(&carrier("s3cret"), "INVITE", URI, 1, "c");
            assert!(check(&mut gate, at(1), &answer).is_ok());
        }
        assert_eq!(gate.remembered(), MOST);
        assert_eq!(check(&mut gate, at(2), &first), Err(Denied::Stale), "replayed after it was forgotten");
        let fresh = challenge(&mut gate, 0, at(1000)).answer(&carrier("s3cret"), "INVITE", URI, 1, "c");
        assert!(check(&mut gate, at(1000), &fresh).is_ok());
        assert_eq!(gate.remembered(), 1, "the old ones are gone by age");
    }

    proptest::proptest! {
        #[test]
        fn any_header_is_refused(value in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let value = [b"Digest ".as_slice(), &value].concat();
            proptest::prop_assert!(gate().check(at(0), Some(&value), "INVITE", URI.as_bytes(), known).is_err());
        }
    }
}
