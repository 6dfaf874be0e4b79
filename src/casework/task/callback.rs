//! The task that calls people back: looks who is to be called, calls, keeps what they say, and mends what a crash left.
//!
//! The order of things is the promise of [`crate::casework::callback`]: [`Event::CallbackBegan`] is committed before
//! anybody is dialled, [`Event::Asked`] before somebody who answered hears a word and after each answer, the survey and
//! what follows from it (closed, reopened) in one transaction. Refuses to begin while the daemon stops, or while too many
//! people call: they come first.

mod comment;
mod keeper;
mod talk;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::call::Desk;
use crate::call::originate::Behalf;
use crate::call::task::reach::{self, Bearing};
use crate::casework::callback::pace::{Pace, Wait};
use crate::casework::callback::{self, ANSWER, Config, Next, Rules, TITLE, WHO};
use crate::casework::task::Current;
use crate::casework::task::dispatch::{self, LimitsOf};
use crate::id::Masked;
use crate::store::{Error, Ticket};
use crate::ticket::Number;
use crate::ticket::case::{By, Case, Event, Outcome, State};

use keeper::Keeper;
use talk::Talk;

/// Cases that one look reads at a time.
const PAGE: u32 = 200;
/// Cases without an answer wait for their limit, hours or days: they are looked at once in so many looks.
const LIMITS_EVERY: u32 = 30;

/// See the module.
pub struct Callbacks {
    pub desk: Arc<Desk>,
    pub config: Arc<Config>,
    /// Of a reopened case.
    pub limits: LimitsOf,
    /// Who is told that they have it again.
    pub rulebook: Arc<Current>,
}

/// Runs until `stop`; calls that go on are the desk's (`calls.drain`).
pub async fn run(callbacks: Callbacks, stop: CancellationToken) {
    let callbacks = Arc::new(callbacks);
    callbacks.recover().await;
    comment::understand_left(&callbacks.desk).await;
    if callbacks.config.target.is_none() {
        tracing::info!("nobody is called back: callback.target is not set");
        return stop.cancelled().await;
    }
    let mut pace = Pace::new(callbacks.config.at_once, callbacks.config.every);
    let (ended, mut ends) = mpsc::channel(callbacks.config.at_once);
    let mut looks = tokio::time::interval(callbacks.config.look_every);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut look = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(number) = ends.recv() => {
                pace.ended(number);
                metrics::gauge!("jiesu_callbacks").set(pace.running() as f64);
                continue;
            }
            _ = looks.tick() => {}
        }
        let states: &[State] = match look % LIMITS_EVERY {
            0 => &[State::Answered, State::Dispatched, State::Accepted],
            _ => &[State::Answered],
        };
        look = look.wrapping_add(1);
        tokio::select! {
            () = stop.cancelled() => return,
            result = callbacks.look(states, &mut pace, &ended, &mut ends) => if let Err(error) = result {
                tracing::error!(%error, "who is to be called back is not known; it is looked again");
            }
        }
    }
}

impl Callbacks {
    fn rules(&self) -> Rules {
        Rules {
            config: self.config.clone(),
            calendar: self.desk.programme().calendar.clone(),
            zone: self.desk.zone.clone(),
        }
    }

    /// Whether a call may begin, apart from its pace.
    fn has_room(&self) -> bool {
        !self.desk.calls.is_closed() && self.desk.around().load <= self.config.load
    }

    /// One look over the cases in these states.
    async fn look(
        self: &Arc<Self>,
        states: &[State],
        pace: &mut Pace,
        ended: &mpsc::Sender<Number>,
        ends: &mut mpsc::Receiver<Number>,
    ) -> Result<(), Error> {
        let rules = self.rules();
        let mut after = None;
        loop {
            let page = self.desk.store.cases_in(states, after, PAGE).await?;
            let Some((last, _)) = page.last() else { return Ok(()) };
            after = Some(*last);
            for (number, case) in page {
                while let Ok(number) = ends.try_recv() {
                    pace.ended(number);
                }
                // Whether there is a number is asked only where it matters.
                if !matches!(rules.next(&case, true, Timestamp::now()), Next::Call(_) | Next::Close(_))
                    && !matches!(rules.next(&case, false, Timestamp::now()), Next::Close(_))
                {
                    continue;
                }
                let Some(ticket) = self.desk.store.ticket(number).await? else { continue };
                let dialled = ticket.caller.as_deref().filter(|caller| is_number(caller));
                match rules.next(&case, dialled.is_some(), Timestamp::now()) {
                    Next::Call(attempt) => {
                        let Some(dialled) = dialled.map(str::to_owned) else { continue };
                        if !self.has_room() {
                            metrics::counter!("jiesu_callback_put_off_total").increment(1);
                            return Ok(());
                        }
                        match pace.begin(number, &dialled, Instant::now()) {
                            Ok(()) => {}
                            Err(Wait::Busy) => continue,
                            Err(Wait::Full) => return Ok(()),
                            Err(Wait::Until(at)) => {
                                tokio::time::sleep_until(at.into()).await;
                                if pace.begin(number, &dialled, Instant::now()).is_err() {
                                    continue;
                                }
                            }
                        }
                        metrics::gauge!("jiesu_callbacks").set(pace.running() as f64);
                        let (callbacks, ended) = (self.clone(), ended.clone());
                        self.desk.calls.spawn(async move {
                            callbacks.attempt(&ticket, &dialled, attempt).await;
                            // As many places as may run; a task that has ended has nobody to tell.
                            let _ = ended.send(number).await;
                            comment::understand(&callbacks.desk, number).await;
                        });
                    }
                    Next::Close(reason) => self.happens(number, vec![close(reason)]).await,
                    Next::Later(_) | Next::Nothing => {}
                }
            }
        }
    }

    /// Calls once.
    async fn attempt(&self, ticket: &Ticket, dialled: &str, attempt: u32) {
        let number = ticket.number;
        let began = Event::CallbackBegan { attempt };
        let reserved = self.desk.store.case_happens(number, By::rule(WHO), began, Timestamp::now()).await;
        let case = match reserved {
            Ok(case) => case,
            Err(error) => {
                // Something happened to the case in between: nobody was called.
                tracing::info!(ticket = %number, %error, "not called back");
                return;
            }
        };
        tracing::info!(ticket = %number, attempt, number = %Masked(dialled), "called back");
        let outcome = match self.dial(ticket, dialled, &case).await {
            Ok(events) => events,
            Err(outcome) => {
                metrics::counter!("jiesu_callbacks_total", "outcome" => word(outcome)).increment(1);
                match self.desk.store.case_log(number).await {
                    Ok(log) => self.rules().failed(&case, outcome, &callback::tried(&log), Timestamp::now()),
                    Err(error) => {
                        tracing::error!(ticket = %number, %error, "the next start mends this callback");
                        return;
                    }
                }
            }
        };
        self.happens(number, outcome).await;
    }

    /// Dials, and has the survey; `Err` if nobody was asked.
    async fn dial(&self, ticket: &Ticket, dialled: &str, case: &Case) -> Result<Vec<(By, Event)>, Outcome> {
        let number = ticket.number;
        let programme = self.desk.programme();
        let target = self.config.target.as_ref().ok_or(Outcome::Unreachable)?.of(dialled);
        let flow = programme.outward.get(&self.config.flow.value).cloned().ok_or_else(|| {
            tracing::error!(flow = self.config.flow.value, "the flow of callbacks is not loaded");
            Outcome::Unreachable
        })?;
        let bearing = Bearing { caller: Some(&self.config.from), withheld: false, ring: self.config.ring };
        let way = reach::destination(&self.desk, &bearing, &target).map_err(|error| {
            tracing::error!(ticket = %number, error, "callback.target cannot be called");
            Outcome::Unreachable
        })?;
        let given = self.given(ticket, case).await;
        let outbound = self.desk.originator.call_for(&way, &Behalf::default()).await.map_err(|error| {
            tracing::info!(ticket = %number, %error, "not reached");
            callback::outcome(error.unreached())
        })?;
        let keeper = Keeper::new(self.desk.store.clone(), number, case.attempts);
        // Before they hear a word: from here on they count as asked. Where it cannot be written nobody is asked.
        if !keeper.answered().await {
            return Err(Outcome::Interrupted);
        }
        let folder = comment::folder(&self.desk);
        let name = format!("{number}-{}-{}", case.reopened, case.attempts);
        let talk = Talk::new(&self.desk, programme, flow, outbound, given, &folder.join(name));
        let survey = talk.hold(&keeper, self.config.longest).await;
        if !callback::said(&survey) {
            return Err(Outcome::HungUp);
        }
        metrics::counter!("jiesu_callbacks_total", "outcome" => "asked").increment(1);
        let case = self.desk.store.case(number).await.ok().flatten().unwrap_or_else(|| case.clone());
        Ok(self.rules().asked(&case, survey, (self.limits)(ticket, Timestamp::now())))
    }

    /// What the flow may speak of: the matter, and what the unit answered in this round.
    async fn given(&self, ticket: &Ticket, case: &Case) -> BTreeMap<String, String> {
        let mut given = BTreeMap::from([(TITLE.to_owned(), ticket.title.clone())]);
        if case.answered.is_some()
            && let Ok(log) = self.desk.store.case_log(ticket.number).await
        {
            given.extend(log.into_iter().rev().find_map(|entry| match entry.event {
                Event::Answered { text, .. } => Some((ANSWER.to_owned(), text)),
                _ => None,
            }));
        }
        given.retain(|_, text| !text.is_empty());
        given
    }

    /// Writes, and says where that failed: the next start mends it.
    async fn happens(&self, number: Number, events: Vec<(By, Event)>) {
        let survey = events.iter().any(|(_, event)| matches!(event, Event::CalledBack { .. }));
        match self.write(number, events, Timestamp::now()).await {
            Ok(case) if survey => tracing::info!(ticket = %number, state = %case.state, "the survey is kept"),
            Ok(_) => {}
            Err(error) => {
                metrics::counter!("jiesu_store_failed_total", "row" => "callback").increment(1);
                tracing::error!(ticket = %number, %error, "what came of a callback could not be written");
            }
        }
    }

    /// All or nothing, with the telling of the unit that has a reopened ticket again.
    async fn write(&self, number: Number, events: Vec<(By, Event)>, now: Timestamp) -> Result<Case, Error> {
        let store = &self.desk.store;
        let reopened = events.iter().find_map(|(_, event)| match event {
            Event::Reopened { limits, reason, .. } => Some((*limits, reason.clone())),
            _ => None,
        });
        let Some((limits, reason)) = reopened else { return store.case_happen_all(number, events, now).await };
        let case = store.case(number).await?.ok_or(Error::NoCase(number))?;
        let Some(telling) = dispatch::again(&self.rulebook.get(), &case, limits, &reason) else {
            tracing::error!(ticket = %number, unit = case.lead, "reopened for a unit that is not in units/ any more");
            return store.case_happen_all(number, events, now).await;
        };
        let case = store.put_in_charge_after(number, events, telling, now).await?;
        self.desk.outbox.notify_one();
        Ok(case)
    }

    /// Callbacks that no call belongs to any more.
    async fn recover(&self) {
        let mut after = None;
        loop {
            let page = match self.desk.store.cases_being_called(after, PAGE).await {
                Ok(page) => page,
                Err(error) => return tracing::error!(%error, "what the last run left of callbacks is not known"),
            };
            let Some((last, _)) = page.last() else { return };
            after = Some(*last);
            for (number, case) in page {
                let known = (self.desk.store.case_log(number).await, self.desk.store.ticket(number).await);
                let (Ok(log), Ok(Some(ticket))) = known else { continue };
                let now = Timestamp::now();
                let limits = (self.limits)(&ticket, now);
                let events = self.rules().recovered(&case, &callback::tried(&log), limits, now);
                metrics::counter!("jiesu_callbacks_total", "outcome" => "interrupted").increment(1);
                tracing::warn!(ticket = %number, "a callback was cut off by the end of the last run");
                self.happens(number, events).await;
            }
        }
    }
}

fn close(reason: &str) -> (By, Event) {
    (By::rule(WHO), Event::Closed { reason: reason.to_owned() })
}

/// Something that can be dialled: emergency numbers and names of SIP accounts are not.
fn is_number(caller: &str) -> bool {
    let digits = caller.strip_prefix('+').unwrap_or(caller);
    digits.len() >= 5 && digits.bytes().all(|b| b.is_ascii_digit())
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NoAnswer => "no_answer",
        Outcome::Busy => "busy",
        Outcome::Unreachable => "unreachable",
        Outcome::HungUp => "hung_up",
        Outcome::Interrupted => "interrupted",
    }
}
