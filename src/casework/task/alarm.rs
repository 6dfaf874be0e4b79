//! Calls duty telephones until a person takes the ticket.
//!
//! The store says which alarms are due; [`duty::next`] whom to call. Every call is written before it is dialled, so
//! that a restart goes on with the same person. Bounded: so many calls at a time, one for each telephone, one for each
//! ticket; who has to wait is called as soon as a line is free. What is said is `alarm_call`'s.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::call::Desk;
use crate::casework::duty::{self, Config, Next};
use crate::casework::units::{Kind, Office};
use crate::id::Masked;
use crate::store::{AlarmRow, Error, Store};
use crate::ticket::Number;
use crate::ticket::case::{By, Case, Event, State};

use super::alarm_call::{Ended, Errand};
use super::dispatch::is_urgent;
use super::{Current, Rulebook};

/// Without any other reason alarms are looked at this often.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Alarms read at a time.
const PAGE: u32 = 256;
/// Between tries to write something down.
const STORE_TROUBLE: Duration = Duration::from_secs(2);
/// A ticket that is not urgent waits for its unit's hours.
const CLOSED: Duration = Duration::from_secs(5 * 60);

/// See the module.
pub struct Alarms {
    pub desk: Arc<Desk>,
    pub rules: Arc<Current>,
    pub config: Config,
    /// Told when there may be something to do.
    pub wake: Arc<Notify>,
    /// Where reasons are recorded.
    pub recordings: PathBuf,
}

/// What an alarm asks for.
enum Plan {
    /// Call this telephone.
    Call(Box<Errand>),
    /// Nobody is in charge at present.
    Later,
    Wait(Duration),
    End,
}

/// Runs until `stop`.
pub async fn run(alarms: Alarms, stop: CancellationToken) {
    let alarms = Arc::new(alarms);
    let store = alarms.desk.store.clone();
    let mut calls: JoinSet<(Number, String)> = JoinSet::new();
    let mut busy: HashSet<Number> = HashSet::new();
    let mut ringing: HashSet<String> = HashSet::new();
    loop {
        let now = Timestamp::now();
        for row in alarms.due(&store, now).await {
            // While the daemon drains nobody new is called; the next start goes on.
            if calls.len() >= alarms.config.at_once || alarms.desk.calls.is_closed() {
                break;
            }
            if busy.contains(&row.ticket) {
                continue;
            }
            let Some(errand) = alarms.plan(&row, now).await else { continue };
            if ringing.insert(errand.number.clone()) {
                busy.insert(row.ticket);
                let call = alarms.clone().call(row, *errand);
                calls.spawn(alarms.desk.calls.track_future(call));
            }
        }
        metrics::gauge!("jiesu_duty_calls").set(calls.len() as f64);
        let wait = match store.next_alarm(now).await {
            Ok(Some(due)) => Duration::try_from(due.duration_since(now)).unwrap_or_default().min(LOOK_AGAIN),
            Ok(None) | Err(_) => LOOK_AGAIN,
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = alarms.wake.notified() => {}
            Some(done) = calls.join_next() => match done {
                Ok((ticket, number)) => {
                    busy.remove(&ticket);
                    ringing.remove(&number);
                }
                // The ticket and the telephone stay busy, so that it is not tried in a circle; the next start does.
                Err(error) => tracing::error!(%error, "a call to a duty telephone panicked"),
            },
            () = tokio::time::sleep(wait) => {}
        }
    }
    calls.shutdown().await;
}

impl Alarms {
    async fn due(&self, store: &Store, now: Timestamp) -> Vec<AlarmRow> {
        store.alarms_due(now, PAGE).await.unwrap_or_else(|error| {
            tracing::error!(%error, "alarms cannot be read; again soon");
            Vec::new()
        })
    }

    /// Whom to call now for an alarm. What says that nobody is, is written down.
    async fn plan(&self, row: &AlarmRow, now: Timestamp) -> Option<Box<Errand>> {
        let store = &self.desk.store;
        let done = match self.look(row, now).await {
            Ok(Plan::Call(errand)) => return Some(errand),
            Ok(Plan::Later) => Ok(()),
            Ok(Plan::Wait(wait)) => store.put_alarm_off(row.ticket, row.step, now + wait).await,
            Ok(Plan::End) => store.end_alarm(row.ticket, now).await,
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            tracing::error!(ticket = %row.ticket, %error, "an alarm waits");
        }
        None
    }

    async fn look(&self, row: &AlarmRow, now: Timestamp) -> Result<Plan, Error> {
        let store = &self.desk.store;
        let (Some(ticket), Some(case)) = (store.ticket(row.ticket).await?, store.case(row.ticket).await?) else {
            return Ok(Plan::End);
        };
        match case.state {
            State::Dispatched => {}
            // Stays due: whoever puts a unit in charge wakes us.
            State::Received | State::Review => return Ok(Plan::Later),
            _ => return Ok(Plan::End),
        }
        let rulebook = self.rules.get();
        let lead = case.lead.as_ref().and_then(|code| rulebook.units.office(code));
        let lead = lead.unwrap_or(rulebook.units.desk()).clone();
        let here = now.to_zoned_datetime(self.desk.zone.clone()).datetime();
        if !is_urgent(&ticket) && !lead.is_open(&rulebook.calendar, here) {
            return Ok(Plan::Wait(CLOSED));
        }
        let above = above(&lead, &rulebook);
        let own = lead.on_duty(&rulebook.calendar, here);
        let theirs = above.as_ref().map(|office| office.on_duty(&rulebook.calendar, here)).unwrap_or_default();
        match duty::next(own, theirs, row.step) {
            Next::Nobody => {
                metrics::counter!("jiesu_duty_nobody_total").increment(1);
                tracing::warn!(ticket = %row.ticket, unit = lead.code, "nobody can be called; write its `duty` in units/");
                Ok(Plan::End)
            }
            Next::Call { number, above: is_above, tell, .. } => {
                let called = if is_above { above.clone().unwrap_or(lead.clone()) } else { lead.clone() };
                let number = number.to_owned();
                if tell {
                    let to = above.as_ref().unwrap_or(rulebook.units.desk());
                    self.escalate(row, &case, to, now).await?;
                }
                let rests = matches!(duty::next(own, theirs, row.step + 1), Next::Call { rests: true, .. });
                Ok(Plan::Call(Box::new(Errand { ticket, case, lead, called, number, rests })))
            }
        }
    }

    /// Nobody of the unit answered: whoever is above it is told, once.
    async fn escalate(&self, row: &AlarmRow, case: &Case, to: &Office, now: Timestamp) -> Result<(), Error> {
        let log = self.desk.store.case_log(row.ticket).await?;
        let told = |event: &Event| matches!(event, Event::Escalated { .. });
        let since = case.dispatched.unwrap_or(row.since);
        if log.iter().any(|entry| entry.by == by() && told(&entry.event) && entry.at >= since) {
            return Ok(());
        }
        let level = case.escalated.saturating_add(1);
        let why = "nobody answered the duty telephones".to_owned();
        let event = Event::Escalated { level, target: to.code.clone(), why };
        match self.desk.store.case_happens(row.ticket, by(), event, now).await {
            Ok(_) => metrics::counter!("jiesu_duty_escalated_total").increment(1),
            // Taken meanwhile, or told as high as it goes.
            Err(Error::Move(illegal)) => tracing::info!(ticket = %row.ticket, %illegal, "not escalated"),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// One call, written before and after.
    async fn call(self: Arc<Self>, row: AlarmRow, errand: Errand) -> (Number, String) {
        let (ticket, number) = (row.ticket, errand.number.clone());
        let store = &self.desk.store;
        let now = Timestamp::now();
        let id = match store.duty_call(ticket, &errand.called.code, &number, now).await {
            Ok(id) => id,
            Err(error) => {
                tracing::error!(%ticket, %error, "nobody is called before it is written that they are");
                tokio::time::sleep(STORE_TROUBLE).await;
                return (ticket, number);
            }
        };
        if row.step == 0 {
            let after = Duration::try_from(now.duration_since(row.since)).unwrap_or_default();
            metrics::histogram!("jiesu_duty_invite_seconds").record(after.as_secs_f64());
        }
        tracing::info!(%ticket, unit = errand.called.code, number = %Masked(&number), step = row.step, "duty telephone");
        let ended = errand.run(&self.desk, &self.config, &self.recordings).await;
        metrics::counter!("jiesu_duty_calls_total", "outcome" => ended.code()).increment(1);
        tracing::info!(%ticket, unit = errand.called.code, outcome = ended.code(), "duty telephone");
        let rest = if errand.rests { self.config.again } else { Duration::ZERO };
        let (step, rest) = match ended {
            // The node stops: the same person again.
            Ended::Stopped => (row.step, Duration::ZERO),
            _ => (row.step + 1, rest),
        };
        // What was decided is in the case's log already.
        if let Err(error) = store.duty_called((ticket, id), ended.code(), step, Timestamp::now() + rest).await {
            tracing::error!(%ticket, %error, "what came of a call to a duty telephone is not written down");
            tokio::time::sleep(STORE_TROUBLE).await;
        }
        (ticket, number)
    }
}

/// Who is told when an office does not answer.
fn above(office: &Office, rulebook: &Rulebook) -> Option<Arc<Office>> {
    let district = office.district.as_ref().filter(|code| **code != office.code && office.kind != Kind::District)?;
    rulebook.units.office(district).cloned()
}

pub(super) fn by() -> By {
    By::rule("duty")
}
