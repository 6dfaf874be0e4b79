//! Puts a unit in charge of every ticket that has none, as soon as it is filed.
//!
//! Woken by the store when a ticket was filed, understood again or taken back from a unit, and every few seconds by
//! itself (another process may have done that). The decision, the outbox rows that tell the units and the alarm that
//! calls a person are one transaction; a daemon that falls over before it finds the ticket without a unit at the next
//! start.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::casework::dispatch::{Decision, Facts, Step};
use crate::casework::duty::Config;
use crate::casework::units::{Channel, Office};
use crate::catalogue::Urgency;
use crate::store::{Error, Store, Telling, Ticket};
use crate::ticket::Number;
use crate::ticket::case::{By, Case, Entry, Event, Limits, State};

use super::{Current, Rulebook};

/// Without any other reason tickets without a unit are looked for this often.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Tickets read at a time.
const PAGE: u32 = 100;

/// By when the unit has to accept, speak with the caller, answer.
pub type LimitsOf = Arc<dyn Fn(&Ticket, Timestamp) -> Limits + Send + Sync>;

/// See the module.
pub struct Dispatcher {
    pub store: Store,
    pub rules: Arc<Current>,
    pub config: Config,
    pub limits: LimitsOf,
    /// So often may a ticket be returned; then it is the first receiver's (art. 14).
    pub returns: u32,
    /// Told when a delivery waits.
    pub outbox: Arc<Notify>,
    /// Told when a duty telephone may have to be called.
    pub alarms: Arc<Notify>,
}

/// Runs until `stop`.
pub async fn run(dispatcher: Dispatcher, stop: CancellationToken) {
    loop {
        dispatcher.all(Timestamp::now()).await;
        // Also where nothing was dispatched: a ticket that has its unit may have become urgent. Not before: an alarm of a
        // ticket without a unit calls nobody.
        dispatcher.alarms.notify_one();
        tokio::select! {
            () = stop.cancelled() => return,
            () = dispatcher.store.news() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

/// Units that the review found not to be in charge.
pub fn refused(log: &[Entry]) -> Vec<String> {
    let mut last = None;
    let mut refused = Vec::new();
    for entry in log {
        match &entry.event {
            Event::Returned { unit, .. } => last = Some(unit),
            Event::Upheld { .. } => refused.extend(last.take().cloned()),
            _ => {}
        }
    }
    refused
}

/// What a ticket says to the rules.
pub fn facts<'a>(ticket: &'a Ticket, refused: &'a [String]) -> Facts<'a> {
    Facts {
        kind: &ticket.kind,
        category: &ticket.category,
        place: ticket.place.as_ref().map(|place| place.code.as_str()),
        refused,
    }
}

impl Dispatcher {
    async fn all(&self, now: Timestamp) {
        let mut after = None;
        loop {
            let page = match self.store.cases_in(&[State::Received], after, PAGE).await {
                Ok(page) => page,
                Err(error) => return tracing::error!(%error, "tickets without a unit cannot be read; again soon"),
            };
            let Some((last, _)) = page.last() else { return };
            after = Some(*last);
            for (number, case) in &page {
                if let Err(error) = self.one(*number, case, now).await {
                    metrics::counter!("jiesu_dispatch_failed_total").increment(1);
                    tracing::error!(ticket = %number, %error, "could not be dispatched; again soon");
                }
            }
        }
    }

    async fn one(&self, number: Number, case: &Case, now: Timestamp) -> Result<(), Error> {
        let Some(ticket) = self.store.ticket(number).await? else { return Ok(()) };
        if let Some(into) = ticket.parent.filter(|into| *into != number) {
            // The caller asked to be added to a known incident: its ticket goes on for both.
            let merged = Event::Merged { into };
            self.store.case_happens(number, By::rule("incident"), merged, now).await?;
            return Ok(());
        }
        if self.waits(&ticket, now) {
            return Ok(());
        }
        let rulebook = self.rules.get();
        let refused = refused(&self.store.case_log(number).await?);
        let mut decision = rulebook.rules().decide(&facts(&ticket, &refused));
        let first = case.first.as_ref().filter(|_| case.returns > self.returns);
        if let Some(first) = first.and_then(|first| rulebook.units.office(first)) {
            decision = decision.kept_by(first, case.returns);
        }
        let limits = (self.limits)(&ticket, now);
        let telling = telling(&decision, &rulebook, limits);
        let lead = decision.lead.clone();
        let event = Event::Dispatched {
            unit: lead.code.clone(),
            why: decision.reason(),
            co: decision.co,
            copies: decision.copies,
            limits,
            version: rulebook.version.to_string(),
        };
        match self.store.put_in_charge(number, By::rule("dispatch"), event, telling, now).await {
            Ok(_) => {}
            // Somebody was faster.
            Err(Error::Move(illegal)) => {
                tracing::info!(ticket = %number, %illegal, "not dispatched");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        let after = Duration::try_from(now.duration_since(ticket.opened)).unwrap_or_default();
        metrics::counter!("jiesu_dispatched_total", "kind" => lead.kind.code()).increment(1);
        metrics::histogram!("jiesu_dispatch_seconds").record(after.as_secs_f64());
        tracing::info!(ticket = %number, unit = lead.code, name = lead.name, channel = %lead.channel, "dispatched");
        self.outbox.notify_one();
        Ok(())
    }

    /// Its words are still being heard, and they may say where it is. What is urgent does not wait.
    fn waits(&self, ticket: &Ticket, now: Timestamp) -> bool {
        let waited = Duration::try_from(now.duration_since(ticket.opened)).unwrap_or_default();
        ticket.text_pending && !is_urgent(ticket) && waited < self.config.wait_for_text
    }
}

pub(super) fn is_urgent(ticket: &Ticket) -> bool {
    ticket.urgency.parse() == Ok(Urgency::Urgent)
}

/// A reopened ticket's unit is told as at first. `None`: there is no such unit any more.
pub(super) fn again(rulebook: &Rulebook, case: &Case, limits: Limits, why: &str) -> Option<Telling> {
    let lead = rulebook.units.office(case.lead.as_deref()?)?.clone();
    let why = vec![Step { says: why.to_owned(), at: None }];
    let decision = Decision { lead, co: case.co.clone(), copies: case.copies.clone(), special: false, why };
    Some(telling(&decision, rulebook, limits))
}

/// Who is told of a decision, and what they are told beside the ticket.
fn telling(decision: &Decision, rulebook: &Rulebook, limits: Limits) -> Telling {
    let office = |code: &String| rulebook.units.office(code).cloned();
    let others: Vec<Arc<Office>> = decision.co.iter().chain(&decision.copies).filter_map(office).collect();
    let mut backends: Vec<String> = Vec::new();
    for office in std::iter::once(&decision.lead).chain(&others) {
        if let Channel::Backend(name) = &office.channel
            && !backends.contains(name)
        {
            backends.push(name.clone());
        }
    }
    let named = |codes: &[String]| -> Vec<serde_json::Value> {
        let offices = codes.iter().filter_map(office);
        offices.map(|office| serde_json::json!({ "code": office.code, "name": office.name })).collect()
    };
    let lead = &decision.lead;
    let payload = serde_json::json!({
        "unit": { "code": lead.code, "name": lead.name, "kind": lead.kind.code(), "channel": lead.channel.to_string() },
        "co": named(&decision.co),
        "copies": named(&decision.copies),
        "limits": limits,
        "why": decision.why.iter().map(|step| step.says.as_str()).collect::<Vec<_>>(),
        "version": rulebook.version.to_string(),
    });
    Telling { backends, payload, call: lead.channel == Channel::Telephone }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: u32, event: Event) -> Entry {
        Entry { seq, at: Timestamp::UNIX_EPOCH, by: By::rule("test"), event }
    }

    #[test]
    fn only_whom_the_review_agreed_with_is_passed_over() {
        let returned = |unit: &str| Event::Returned { unit: unit.to_owned(), reason: "不在辖区".to_owned() };
        let reason = || "好".to_owned();
        let log = [
            entry(1, returned("a")),
            entry(2, Event::Upheld { reason: reason() }),
            entry(3, returned("b")),
            entry(4, Event::Overruled { reason: reason() }),
            entry(5, returned("c")),
        ];
        assert_eq!(refused(&log), ["a"]);
    }
}
