//! Our registrations with carriers: drives one [`Registration`] for each trunk with `[register]`.
//!
//! They begin with the daemon, follow the trunk files, and are taken back when it stops: no new call is sent to a
//! daemon that drains.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::asking::{Question, uri_of};
use super::{Handle, Stopped};
use crate::sip::endpoint::TrunkName;
use crate::sip::endpoint::outside::{Asked, Response, granted};
use crate::sip::message::Message;
use crate::sip::name::Name;
use crate::sip::parse::decimal;
use crate::sip::registration::{Answered, Registration, Standing, Wanted};
use crate::sip::trunk::{Trunk, Trunks};

/// How long carriers have, when the daemon stops, to answer that they forget us.
const FAREWELL: Duration = Duration::from_secs(3);

/// One registration, and what its requests carry.
struct Registrar {
    trunk: TrunkName,
    wanted: Wanted,
    one: Registration,
    call_id: String,
    cseq: u32,
    /// A request is under way: one at a time (RFC 3261 section 10.2).
    busy: bool,
    /// What was said of it last.
    told: Standing,
}

/// All of them, under numbers that are never used twice: a trunk that wants another address registered has two for a
/// moment.
#[derive(Default)]
struct Registrars {
    list: HashMap<u64, Registrar>,
    count: u64,
    asked: JoinSet<(u64, u32, Result<Response, Stopped>)>,
}

/// Runs until `stop`, and until what was registered is taken back; or until SIP ends.
pub async fn run(sip: Handle, stop: CancellationToken) {
    let mut trunks = sip.trunks.subscribe();
    let mut all = Registrars::default();
    let listed = trunks.borrow_and_update().clone();
    all.replace(&listed);
    let mut until: Option<Instant> = None;
    loop {
        all.ask(&sip);
        all.list.retain(|_, registrar| registrar.busy || !registrar.one.is_over());
        if until.is_some_and(|until| all.list.is_empty() || Instant::now() >= until) {
            return;
        }
        let deadline = all.list.values().filter_map(|registrar| registrar.one.next_deadline()).chain(until).min();
        tokio::select! {
            () = stop.cancelled(), if until.is_none() => {
                until = Some(Instant::now() + FAREWELL);
                all.list.values_mut().for_each(|registrar| { registrar.one.stop(); });
            }
            changed = trunks.changed(), if until.is_none() => {
                if changed.is_err() {
                    return;
                }
                let listed = trunks.borrow_and_update().clone();
                all.replace(&listed);
            }
            () = super::sleep_until(deadline) => {}
            Some(done) = all.asked.join_next() => match done {
                Ok((number, seconds, Ok(response))) => all.answered(&sip, number, seconds, response),
                Ok((_, _, Err(Stopped))) => return,
                Err(error) => tracing::error!(%error, "asking a registrar failed"),
            },
        }
    }
}

impl Registrars {
    /// A registration whose trunk still wants it goes on; others are taken back, and new ones begin.
    fn replace(&mut self, trunks: &Trunks) {
        let wants = |name: &str| trunks.get(name).and_then(|trunk| trunk.register.as_ref());
        for registrar in self.list.values_mut() {
            match wants(&registrar.trunk).filter(|wanted| wanted.same_address(&registrar.wanted)) {
                Some(wanted) => {
                    registrar.one.wish(wanted.expires);
                    registrar.wanted = wanted.clone();
                }
                None => {
                    registrar.one.stop();
                }
            }
        }
        for trunk in trunks.iter() {
            let Some(wanted) = &trunk.register else { continue };
            let has = |registrar: &Registrar| registrar.trunk == trunk.name && registrar.wanted.same_address(wanted);
            if self.list.values().any(|registrar| has(registrar) && !registrar.one.is_stopping()) {
                continue;
            }
            self.count += 1;
            let one = Registration::new(Instant::now(), wanted.expires, rand::random());
            let call_id = format!("{:032x}", rand::random::<u128>());
            let (trunk, wanted, told) = (trunk.name.clone(), wanted.clone(), one.standing());
            gauge(&trunk).set(0.0);
            let registrar = Registrar { trunk, wanted, one, call_id, cseq: 0, busy: false, told };
            self.list.insert(self.count, registrar);
        }
    }

    /// Asks whatever is due.
    fn ask(&mut self, sip: &Handle) {
        let now = Instant::now();
        for (number, registrar) in &mut self.list {
            if registrar.busy {
                continue;
            }
            let due = registrar.one.tick(now);
            registrar.tell(sip, None);
            let Some(seconds) = due else { continue };
            // A trunk whose file is gone cannot be asked any more: the registration runs out by itself.
            let question = sip.trunk(&registrar.trunk).and_then(|trunk| registrar.question(sip, &trunk, seconds));
            let Some(question) = question else {
                let nobody = Answered { code: 503, granted: 0, min: None, later: None };
                registrar.one.answered(now, nobody);
                continue;
            };
            registrar.busy = true;
            let (sip, number) = (sip.clone(), *number);
            self.asked.spawn(async move { (number, seconds, sip.request(question).await) });
        }
    }

    fn answered(&mut self, sip: &Handle, number: u64, seconds: u32, response: Response) {
        let Some(registrar) = self.list.get_mut(&number) else { return };
        registrar.busy = false;
        registrar.cseq = response.cseq;
        registrar.one.answered(Instant::now(), answer(&response, seconds));
        registrar.tell(sip, Some(&response));
    }
}

impl Registrar {
    /// REGISTER, to the trunk's next address where the last one did not do.
    fn question(&mut self, sip: &Handle, trunk: &Trunk, seconds: u32) -> Option<Question> {
        let order = sip.peers().order(trunk);
        let to = *order.get(self.one.failures() as usize % order.len().max(1))?;
        let (uri, of) = match &self.wanted.domain {
            Some(domain) => (format!("sip:{domain}"), format!("sip:{}@{domain}", self.wanted.user)),
            None => (uri_of(&to), format!("sip:{}@{}", self.wanted.user, to.address)),
        };
        self.cseq += 1;
        let (user, call_id, cseq) = (self.wanted.user.clone(), self.call_id.clone(), self.cseq);
        let asked = Asked::Register { user, expires: seconds, call_id, cseq };
        Some(Question { trunk: self.trunk.clone(), to, asked, uri, of: Some(of), within: self.wanted.within })
    }

    /// One line for each change.
    fn tell(&mut self, sip: &Handle, response: Option<&Response>) {
        let now = self.one.standing();
        if now == self.told {
            return;
        }
        self.told = now;
        sip.peers().stands(&self.trunk, now);
        gauge(&self.trunk).set(if now == Standing::Registered { 1.0 } else { 0.0 });
        let (trunk, user) = (&self.trunk, &self.wanted.user);
        match (now, response) {
            (Standing::Registered, _) => tracing::info!(%trunk, user, "registered with the carrier"),
            (Standing::Gone, _) => tracing::info!(%trunk, user, "the registration was taken back"),
            (Standing::Trying, _) => {}
            (Standing::Failed, Some(response)) => {
                let (code, remedy) = (response.code, remedy(response.code));
                tracing::warn!(%trunk, user, code, "not registered: calls from this carrier do not come; {remedy}");
            }
            (Standing::Failed, None) => {
                tracing::warn!(%trunk, user, "the registration ran out: calls from this carrier do not come");
            }
        }
    }
}

fn remedy(code: u16) -> &'static str {
    match code {
        401 | 407 => "look at [login] in the trunk's file: realm, user and password",
        403 | 404 => "look at register.user and register.domain in the trunk's file",
        408 | 503 => "nobody answers at the trunk's outbound",
        _ => "ask the carrier",
    }
}

/// What an answer to `seconds` says.
fn answer(response: &Response, seconds: u32) -> Answered {
    let message = response.message.as_ref();
    let number = |text: &[u8]| {
        let end = text.iter().position(|b| b"(;".contains(b)).unwrap_or(text.len());
        decimal(text[..end].trim_ascii(), u32::MAX.into()).map(|number| number as u32)
    };
    Answered {
        code: response.code,
        granted: message.map_or(0, |message| granted(message, &response.contact, seconds)),
        min: message.and_then(|message: &Message| number(message.other("Min-Expires")?)),
        later: message.and_then(|message| number(message.header(Name::RetryAfter)?)),
    }
}

fn gauge(trunk: &TrunkName) -> metrics::Gauge {
    metrics::gauge!("jiesu_trunk_registered", "trunk" => trunk.to_string())
}
