//! Digest authentication of requests (RFC 3261 section 22): ours answered, theirs asked for.
//!
//! An answer of ours goes only to the trunk that the call is on, for the realm of that trunk's login, and at most
//! [`TRIES`] times. A challenge of ours costs no memory; whoever guesses passwords is not heard for a while.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use rand::RngCore as _;

use super::{DialogId, Endpoint, Flow, TrunkName};
use crate::sip::auth::Algorithm;
use crate::sip::auth::client::Challenge;
use crate::sip::auth::server::{Denied, Gate};
use crate::sip::build::Builder;
use crate::sip::check::Fault;
use crate::sip::dialog::{Cancel, Life, Referral, Sent};
use crate::sip::message::{Framing, Message};
use crate::sip::name::{Method, Name};

/// Challenges that are answered for one request: one, and one more where the nonce was stale.
const TRIES: u8 = 2;
/// Wrong passwords from one address in [`WINDOW`]; above it they are not even compared.
const WRONG: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses with wrong passwords that are remembered.
const MOST: usize = 1024;

/// What authentication remembers.
#[derive(Debug, Default)]
pub(super) struct Challenges {
    /// The trunk of each dialog, and of each request outside dialogs.
    accounts: HashMap<DialogId, TrunkName>,
    /// By trunk and what it asks with: as many as trunks ask for passwords.
    gates: HashMap<(TrunkName, String, Vec<Algorithm>), Gate>,
    wrong: HashMap<IpAddr, (Instant, u32)>,
    began: Option<Instant>,
}

impl Challenges {
    pub(super) fn belongs(&mut self, dialog: DialogId, trunk: TrunkName) {
        self.accounts.insert(dialog, trunk);
    }

    /// The trunk that a dialog is on.
    pub(super) fn trunk(&self, dialog: DialogId) -> Option<&TrunkName> {
        self.accounts.get(&dialog)
    }

    pub(super) fn forget(&mut self, dialog: DialogId) {
        self.accounts.remove(&dialog);
    }

    fn is_guessing(&mut self, now: Instant, ip: IpAddr) -> bool {
        let recent = |since: Instant| now.saturating_duration_since(since) < WINDOW;
        self.wrong.get(&ip).is_some_and(|(since, count)| recent(*since) && *count >= WRONG)
    }

    fn guessed(&mut self, now: Instant, ip: IpAddr) {
        if self.wrong.len() >= MOST && !self.wrong.contains_key(&ip) {
            self.wrong.retain(|_, (since, _)| now.saturating_duration_since(*since) < WINDOW);
            if self.wrong.len() >= MOST {
                return; // that many addresses are listed only by a trunk as wide as the world
            }
        }
        let entry = self.wrong.entry(ip).or_insert((now, 0));
        if now.saturating_duration_since(entry.0) >= WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }
}

impl Endpoint {
    /// A 401 or 407 to a request of ours; `true`: it was sent again with the answer, and nobody need hear of it.
    pub(super) fn challenged(&mut self, now: Instant, flow: Flow, client: u64, code: u16, response: &Message) -> bool {
        let (asked, answered) = match code {
            401 => (Name::WwwAuthenticate, Name::Authorization),
            407 => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
            _ => return false,
        };
        let Some(entry) = self.clients.get(&client) else { return false };
        let (id, method, way, tries) = (entry.dialog, entry.method.clone(), entry.flow, entry.tries);
        let Ok(old) = Message::parse(entry.tx.request().clone(), Framing::Stream) else { return false };
        if !self.is_current(id, client, &method) {
            return false;
        }
        let Some(account) = self.challenges.accounts.get(&id) else { return false };
        let trunk = self.config.trunks.get(account);
        let Some(login) = trunk.and_then(|trunk| trunk.login.as_ref()) else { return false };
        // Whoever answers from elsewhere gets nothing to crack.
        if self.config.trunks.of(flow.peer.ip()) != Some(account) {
            return false;
        }
        let Some(challenge) = Challenge::choose(response.headers(asked), Some(&login.realm)) else { return false };
        // Asked again without `stale`: the password is wrong (RFC 7616 section 3.3).
        if tries >= TRIES || (tries > 0 && !challenge.stale) {
            return false;
        }
        let uri = String::from_utf8_lossy(old.request_uri_bytes()).into_owned();
        let cnonce = format!("{:016x}", self.random.next_u64());
        let answer = challenge.answer(&login.credentials, method.as_str(), &uri, 1, &cnonce);
        let branch = self.branch();
        let via = self.own_via(&way, &branch);
        // Section 22.2: the same Call-ID, To and From, a CSeq one higher.
        let counted = match (self.dialogs.get_mut(&id), self.waiting.get_mut(&id)) {
            (Some(dialog), _) => &mut dialog.local_cseq,
            (None, Some(waiting)) => &mut waiting.cseq,
            (None, None) => return false,
        };
        *counted += 1;
        let cseq = format!("{counted} {method}");
        let mut builder = Builder::request(&method, &uri).header(Name::Via, via);
        let mut kind = String::new();
        for (name, as_written, value) in old.all() {
            match name {
                Name::Via | Name::ContentLength => {}
                Name::ContentType => kind = String::from_utf8_lossy(value).into_owned(),
                Name::CSeq => builder = builder.header(Name::CSeq, &cseq),
                name if name == answered => {}
                _ => builder = builder.other(&String::from_utf8_lossy(as_written), value),
            }
        }
        let bytes = builder.header(answered, answer).body(&kind, &old.body());
        let next = self.begin(now, way, id, method, &branch, bytes);
        if let Some(entry) = self.clients.get_mut(&next) {
            entry.tries = tries + 1;
        }
        self.goes_on(id, client, next);
        true
    }

    /// Whether the dialog, or whoever asked, still waits for this transaction. What it no longer waits for is not
    /// sent again.
    fn is_current(&self, id: DialogId, client: u64, method: &Method) -> bool {
        let Some(dialog) = self.dialogs.get(&id) else {
            return self.waiting.get(&id).is_some_and(|waiting| waiting.client == client);
        };
        match (&dialog.life, method) {
            (Life::Calling { client: current, cancel: Cancel::No }, Method::Invite) => *current == client,
            (Life::Calling { cancel: Cancel::No, .. }, Method::Prack) => true,
            (Life::Up, Method::Invite | Method::Update) => dialog.offering.is_some_and(|sent| sent.client() == client),
            (Life::Up, Method::Info) => true,
            (Life::Up, Method::Refer) => dialog.referral == Some(Referral::Sent),
            (Life::Leaving, Method::Bye) => true,
            _ => false,
        }
    }

    /// `next` stands for `client` from now on.
    fn goes_on(&mut self, id: DialogId, client: u64, next: u64) {
        let Some(dialog) = self.dialogs.get_mut(&id) else { return self.asked_again(id, next) };
        if let Life::Calling { client: current, .. } = &mut dialog.life
            && *current == client
        {
            *current = next;
        }
        match &mut dialog.offering {
            Some(Sent::Offer(current) | Sent::Refresh(current)) if *current == client => *current = next,
            _ => {}
        }
    }

    /// Whether a new call from `trunk` may come in; answers it where not: 401, or 403 for whoever guesses.
    pub(super) fn may_enter(&mut self, now: Instant, flow: Flow, trunk: &TrunkName, message: &Message) -> bool {
        let users = self.config.trunks.get(trunk).and_then(|trunk| trunk.users.clone());
        let Some(users) = users else { return true };
        if self.challenges.is_guessing(now, flow.peer.ip()) {
            self.refused("guessing", flow);
            self.answer_stateless(flow, message, &Fault::new(403, "Forbidden"));
            return false;
        }
        let began = *self.challenges.began.get_or_insert(now);
        let since = now.saturating_duration_since(began);
        let key = (trunk.clone(), users.realm.clone(), users.algorithms.clone());
        let mut secret = [0; 32];
        self.random.fill_bytes(&mut secret);
        let gate = self
            .challenges
            .gates
            .entry(key)
            .or_insert_with(|| Gate::new(users.realm.clone(), secret).offer(&users.algorithms));
        let password = |user: &str| users.list.iter().find(|one| one.user == user).map(|one| one.password.clone());
        let method = message.method().map_or("", Method::as_str);
        // Several answers for several realms may stand there; ours is the one that counts.
        let mut denied = Denied::Missing;
        for value in message.headers(Name::Authorization) {
            match gate.check(since, Some(value), method, message.request_uri_bytes(), password) {
                Ok(_) => return true,
                Err(Denied::Missing) => {}
                Err(other) => denied = other,
            }
        }
        let challenges = gate.challenges(since, denied == Denied::Stale);
        match denied {
            Denied::Missing | Denied::Stale => {}
            Denied::Malformed => self.refused("bad_authorization", flow),
            Denied::Wrong => {
                self.challenges.guessed(now, flow.peer.ip());
                self.refused("wrong_password", flow);
            }
        }
        let headers = challenges.into_iter().map(|challenge| (Name::WwwAuthenticate, challenge)).collect();
        self.answer_stateless(flow, message, &Fault { headers, ..Fault::new(401, "Unauthorized") });
        false
    }
}
