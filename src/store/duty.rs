//! Putting a unit in charge with all that hangs on it, and the duty telephones that are to be called.
//!
//! A dispatch, the outbox rows that tell the units' systems and the alarm that calls a person are one transaction. An
//! alarm stays until somebody takes the ticket; each call is written before it is dialled, so that a restart goes on
//! where it was.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{AlarmRow, DutyCall, Error, Failure, Store, Write, cases, millis, outbox, tickets, time};
use crate::catalogue::Urgency;
use crate::ticket::Number;
use crate::ticket::case::{By, Case, Event};

/// What is told of a dispatch, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// Backends that are told; the lead's own, whose answer means that it was told, stands in `payload` as `channel`.
    pub backends: Vec<String>,
    /// Who is in charge, for people: goes into the delivery beside the ticket.
    pub payload: serde_json::Value,
    /// A person of the lead's is called.
    pub call: bool,
}

impl Store {
    /// Puts a unit in charge (`event` is the dispatch) and sees to it that it is told: all or nothing.
    ///
    /// # Errors
    /// As [`Store::case_happens`].
    pub async fn put_in_charge(
        &self,
        number: Number,
        by: By,
        event: Event,
        telling: Telling,
        now: Timestamp,
    ) -> Result<Case, Error> {
        self.put_in_charge_after(number, vec![(by, event)], telling, now).await
    }

    /// As [`Store::put_in_charge`], by the last of several events: what a callback says, and the reopening that follows.
    ///
    /// # Errors
    /// As [`Store::case_happens`].
    pub async fn put_in_charge_after(
        &self,
        number: Number,
        events: Vec<(By, Event)>,
        telling: Telling,
        now: Timestamp,
    ) -> Result<Case, Error> {
        self.write(PutInCharge { number, events, telling, now, store: self.clone() }).await
    }

    /// Alarms that are due, the oldest first.
    pub async fn alarms_due(&self, now: Timestamp, limit: u32) -> Result<Vec<AlarmRow>, Error> {
        let sql = "SELECT ticket, since, due, step FROM alarms WHERE ended IS NULL AND due <= ? ORDER BY since LIMIT ?";
        let mut db = self.reader().await?;
        let query = sqlx::query_as::<_, (i64, i64, i64, u32)>(sql).bind(millis(now)).bind(limit);
        let rows = query.fetch_all(&mut *db).await.map_err(|error| self.sort(&error))?;
        let row = |(ticket, since, due, step)| {
            Ok(AlarmRow { ticket: tickets::number(ticket)?, since: time(since)?, due: time(due)?, step })
        };
        rows.into_iter().map(row).collect()
    }

    /// When an alarm next falls due after `now`.
    pub async fn next_alarm(&self, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT min(due) FROM alarms WHERE ended IS NULL AND due > ?";
        let mut db = self.reader().await?;
        let due = sqlx::query_scalar::<_, Option<i64>>(sql).bind(millis(now)).fetch_one(&mut *db).await;
        due.map_err(|error| self.sort(&error))?.map(time).transpose()
    }

    /// Somebody's telephone is about to ring. Gives the call's id.
    pub async fn duty_call(&self, ticket: Number, unit: &str, number: &str, now: Timestamp) -> Result<i64, Error> {
        self.write(Dial { ticket, unit: unit.to_owned(), number: number.to_owned(), now }).await
    }

    /// What came of it; the alarm goes on at `step`, not before `due`.
    pub async fn duty_called(
        &self,
        (ticket, call): (Number, i64),
        outcome: &str,
        step: u32,
        due: Timestamp,
    ) -> Result<(), Error> {
        self.write(Dialled { ticket, call: Some(call), outcome: outcome.to_owned(), step, due }).await
    }

    /// The alarm goes on at `step`, not before `due`; nobody was called.
    pub async fn put_alarm_off(&self, ticket: Number, step: u32, due: Timestamp) -> Result<(), Error> {
        self.write(Dialled { ticket, call: None, outcome: String::new(), step, due }).await
    }

    /// Nobody has to be called any more.
    pub async fn end_alarm(&self, ticket: Number, now: Timestamp) -> Result<(), Error> {
        self.write(EndAlarm { ticket, now }).await
    }

    /// Who was called about a ticket, in order.
    pub async fn duty_calls(&self, ticket: Number) -> Result<Vec<DutyCall>, Error> {
        let sql = "SELECT at, unit, number, outcome FROM duty_calls WHERE ticket = ? ORDER BY id";
        let mut db = self.reader().await?;
        let query = sqlx::query_as::<_, (i64, String, String, Option<String>)>(sql).bind(ticket.key());
        let rows = query.fetch_all(&mut *db).await.map_err(|error| self.sort(&error))?;
        let row = |(at, unit, number, outcome)| Ok(DutyCall { at: time(at)?, unit, number, outcome });
        rows.into_iter().map(row).collect()
    }
}

/// An urgent ticket has its alarm from the moment that it is understood to be urgent. What has ended stays so: whoever
/// has taken the ticket is not called because it was heard better.
pub(super) async fn alarm(
    db: &mut SqliteConnection,
    ticket: Number,
    urgency: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    if urgency.parse() == Ok(Urgency::Urgent) {
        set_alarm(db, ticket, now).await?;
    }
    Ok(())
}

async fn set_alarm(db: &mut SqliteConnection, ticket: Number, now: Timestamp) -> Result<(), Failure> {
    let sql = "INSERT INTO alarms (ticket, since, due) VALUES (?1, ?2, ?2) ON CONFLICT DO NOTHING";
    sqlx::query(sql).bind(ticket.key()).bind(millis(now)).execute(db).await?;
    Ok(())
}

/// A backend has taken a dispatch: where it is the lead's own, the lead was told.
pub(super) async fn delivered(
    db: &mut SqliteConnection,
    ticket: Number,
    backend: &str,
    payload: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let Ok(payload) = serde_json::from_str::<serde_json::Value>(payload) else { return Ok(()) };
    let lead = &payload["dispatch"]["unit"];
    let (Some(unit), Some(channel)) = (lead["code"].as_str(), lead["channel"].as_str()) else { return Ok(()) };
    if channel != backend {
        return Ok(()); // a co-handler's, or one that has a copy
    }
    let told = Event::Told { unit: unit.to_owned(), channel: channel.to_owned() };
    match cases::happen(db, ticket, &[(By::rule("outbox"), told)], now).await {
        // It went back meanwhile: the delivery is made all the same.
        Ok(_) | Err(Failure::Ours(Error::Move(_))) => Ok(()),
        Err(failure) => Err(failure),
    }
}

struct PutInCharge {
    number: Number,
    events: Vec<(By, Event)>,
    telling: Telling,
    now: Timestamp,
    store: Store,
}

impl Write for PutInCharge {
    type Out = Case;

    async fn write(&self, db: &mut SqliteConnection) -> Result<Case, Failure> {
        let case = cases::happen(db, self.number, &self.events, self.now).await?;
        let telling = &self.telling;
        // Whoever returned it is not the one who is called now.
        let again = "UPDATE alarms SET step = 0, due = ?2, ended = NULL WHERE ticket = ?1";
        sqlx::query(again).bind(self.number.key()).bind(millis(self.now)).execute(&mut *db).await?;
        if telling.call {
            set_alarm(db, self.number, self.now).await?;
        }
        if !telling.backends.is_empty() {
            let ticket = tickets::one(db, &self.store, self.number).await?;
            outbox::tell_of_case(db, &telling.backends, &ticket, (case.seq, &telling.payload), self.now).await?;
        }
        Ok(case)
    }
}

struct Dial {
    ticket: Number,
    unit: String,
    number: String,
    now: Timestamp,
}

impl Write for Dial {
    type Out = i64;

    async fn write(&self, db: &mut SqliteConnection) -> Result<i64, Failure> {
        // Of one ticket there is one call at a time: an open one is of a daemon that fell over.
        let sql = "UPDATE duty_calls SET outcome = 'interrupted' WHERE ticket = ? AND outcome IS NULL";
        sqlx::query(sql).bind(self.ticket.key()).execute(&mut *db).await?;
        let sql = "INSERT INTO duty_calls (ticket, at, unit, number) VALUES (?, ?, ?, ?) RETURNING id";
        let query = sqlx::query_scalar::<_, i64>(sql).bind(self.ticket.key()).bind(millis(self.now));
        Ok(query.bind(&self.unit).bind(&self.number).fetch_one(db).await?)
    }
}

struct Dialled {
    ticket: Number,
    call: Option<i64>,
    outcome: String,
    step: u32,
    due: Timestamp,
}

impl Write for Dialled {
    type Out = ();

    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        if let Some(call) = self.call {
            let sql = "UPDATE duty_calls SET outcome = ? WHERE id = ?";
            sqlx::query(sql).bind(&self.outcome).bind(call).execute(&mut *db).await?;
        }
        sqlx::query("UPDATE alarms SET step = ?, due = ? WHERE ticket = ? AND ended IS NULL")
            .bind(self.step)
            .bind(millis(self.due))
            .bind(self.ticket.key())
            .execute(db)
            .await?;
        Ok(())
    }
}

struct EndAlarm {
    ticket: Number,
    now: Timestamp,
}

impl Write for EndAlarm {
    type Out = ();

    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        let sql = "UPDATE alarms SET ended = ? WHERE ticket = ? AND ended IS NULL";
        sqlx::query(sql).bind(millis(self.now)).bind(self.ticket.key()).execute(db).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
