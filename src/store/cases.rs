//! The log of each case, and a row that says what it adds up to.
//!
//! The log decides: a case is read by adding up its events, in the write too, so no move is made that
//! [`Case::after`] refuses. The row in `cases` only serves whoever looks for cases in a state, or for those at which a
//! rule has to look. Times are whole milliseconds, so a case is the same before and after a restart.

use jiff::Timestamp;
use serde::Deserialize;
use sqlx::SqliteConnection;

use super::{Error, Failure, Store, Write, known, millis, tickets, time};
use crate::ticket::Number;
use crate::ticket::case::{By, Callback, Case, Entry, Event, State};

/// By when a unit is in charge where whoever files does not say (DB11/T: an ordinary ticket within 24 h).
pub const DISPATCH_WITHIN: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// A case's number and its whole log, which [`Log::entries`] reads.
const LOGS: &str = "SELECT c.ticket, (SELECT json_group_array(json_object('seq', seq, 'at', at, 'who', who, 'via', via, \
                    'event', json(event))) FROM (SELECT * FROM case_events e WHERE e.ticket = c.ticket ORDER BY seq)) \
                    FROM cases c ";

impl Store {
    /// What has become of a ticket. `None`: there is no such ticket, or it was filed before cases were kept.
    pub async fn case(&self, number: Number) -> Result<Option<Case>, Error> {
        sum(&self.case_log(number).await?)
    }

    /// Everything that happened to it, in order.
    pub async fn case_log(&self, number: Number) -> Result<Vec<Entry>, Error> {
        let mut db = self.reader().await?;
        log(&mut db, number).await.map_err(|failure| self.failed(failure))
    }

    /// One thing happens to a case. A rule looks at the case afterwards ([`Store::cases_due`]).
    ///
    /// # Errors
    /// [`Error::Move`] names the legal moves; nothing was written then.
    pub async fn case_happens(&self, number: Number, by: By, event: Event, now: Timestamp) -> Result<Case, Error> {
        self.case_happen_all(number, vec![(by, event)], now).await
    }

    /// Several things happen to a case, one after the other: all of them or none.
    ///
    /// # Errors
    /// As [`Store::case_happens`]; a ticket without a case has none afterwards either.
    pub async fn case_happen_all(
        &self,
        number: Number,
        events: Vec<(By, Event)>,
        now: Timestamp,
    ) -> Result<Case, Error> {
        let case = self.write(Happen { number, events, now }).await?;
        if case.state == State::Received {
            self.stir(); // it was taken back from a unit
        }
        Ok(case)
    }

    /// Cases in these states by number, `limit` at a time; go on with the last one's number.
    pub async fn cases_in(
        &self,
        states: &[State],
        after: Option<Number>,
        limit: u32,
    ) -> Result<Vec<(Number, Case)>, Error> {
        let codes: Vec<&str> = states.iter().map(|state| state.code()).collect();
        let codes = known("states", serde_json::to_string(&codes))?;
        let sql = "WHERE c.state IN (SELECT value FROM json_each(?)) AND c.ticket > ? ORDER BY c.ticket LIMIT ?";
        let sql = sqlx::AssertSqlSafe(format!("{LOGS}{sql}"));
        let query = sqlx::query_as(sql).bind(codes).bind(after.map_or(0, Number::key)).bind(limit);
        let mut db = self.reader().await?;
        query.fetch_all(&mut *db).await.map_err(|error| self.sort(&error))?.into_iter().map(Log::case).collect()
    }

    /// Cases whose caller is being called, by number: after a crash nobody calls them.
    pub async fn cases_being_called(&self, after: Option<Number>, limit: u32) -> Result<Vec<(Number, Case)>, Error> {
        let sql = "WHERE c.callback = 'running' AND c.ticket > ? ORDER BY c.ticket LIMIT ?";
        let sql = sqlx::AssertSqlSafe(format!("{LOGS}{sql}"));
        let query = sqlx::query_as(sql).bind(after.map_or(0, Number::key)).bind(limit);
        let mut db = self.reader().await?;
        query.fetch_all(&mut *db).await.map_err(|error| self.sort(&error))?.into_iter().map(Log::case).collect()
    }

    /// Cases at which a rule has to look by `now`, the longest due first.
    pub async fn cases_due(&self, now: Timestamp, limit: u32) -> Result<Vec<(Number, Case)>, Error> {
        let sql = sqlx::AssertSqlSafe(format!("{LOGS}WHERE c.due <= ? ORDER BY c.due, c.ticket LIMIT ?"));
        let query = sqlx::query_as(sql).bind(millis(now)).bind(limit);
        let mut db = self.reader().await?;
        query.fetch_all(&mut *db).await.map_err(|error| self.sort(&error))?.into_iter().map(Log::case).collect()
    }

    /// The next moment at which a rule has to look at some case.
    pub async fn next_case_due(&self) -> Result<Option<Timestamp>, Error> {
        let mut db = self.reader().await?;
        let due = sqlx::query_scalar::<_, Option<i64>>("SELECT min(due) FROM cases WHERE due IS NOT NULL");
        due.fetch_one(&mut *db).await.map_err(|error| self.sort(&error))?.map(time).transpose()
    }

    /// When a rule looks at the case next, if nothing happens before. `seq` is of the case that the rule looked at: if
    /// something has happened since, nothing is set and `false` comes back.
    pub async fn set_case_due(&self, number: Number, seq: u32, due: Option<Timestamp>) -> Result<bool, Error> {
        self.write(Due { number, seq, due }).await
    }

    /// Everything that happened to any case from `from` to before `to`, by ticket and place in its log, `limit` at a
    /// time; go on with the last one's.
    pub async fn case_entries(
        &self,
        from: Timestamp,
        to: Timestamp,
        after: Option<(Number, u32)>,
        limit: u32,
    ) -> Result<Vec<(Number, Entry)>, Error> {
        let (ticket, seq) = after.map_or((0, 0), |(number, seq)| (number.key(), seq));
        let sql = "SELECT ticket, seq, at, who, via, event FROM case_events \
                   WHERE (ticket, seq) > (?, ?) AND at >= ? AND at < ? ORDER BY ticket, seq LIMIT ?";
        let query = sqlx::query_as::<_, (i64, u32, i64, String, String, String)>(sql);
        let query = query.bind(ticket).bind(seq).bind(millis(from)).bind(millis(to)).bind(limit);
        let mut db = self.reader().await?;
        let rows = query.fetch_all(&mut *db).await.map_err(|error| self.sort(&error))?;
        rows.into_iter()
            .map(|(ticket, seq, at, who, via, event)| {
                let event = known("a case's event", serde_json::from_str(&event))?;
                Ok((tickets::number(ticket)?, entry(seq, at, (who, &via), event)?))
            })
            .collect()
    }

    fn failed(&self, failure: Failure) -> Error {
        match failure {
            Failure::Ours(error) => error,
            Failure::Sql(error) => self.sort(&error),
        }
    }
}

/// A case begins with its ticket, in the same transaction.
pub(super) async fn begin(
    db: &mut SqliteConnection,
    number: Number,
    dispatch: Timestamp,
    now: Timestamp,
) -> Result<(), Failure> {
    happen(db, number, &[(By::rule("filing"), Event::Received { dispatch })], now).await?;
    Ok(())
}

/// Adds the events to the log and brings the row up to date.
pub(super) async fn happen(
    db: &mut SqliteConnection,
    number: Number,
    events: &[(By, Event)],
    now: Timestamp,
) -> Result<Case, Failure> {
    let mut case = sum(&log(db, number).await?)?;
    let now = time(millis(now))?;
    for (by, event) in events {
        let next = Case::after(case.as_ref(), event, now).map_err(Error::from)?;
        sqlx::query("INSERT INTO case_events (ticket, seq, at, who, via, kind, event) VALUES (?, ?, ?, ?, ?, ?, ?)")
            .bind(number.key())
            .bind(next.seq)
            .bind(millis(now))
            .bind(&by.who)
            .bind(by.via.code())
            .bind(event.kind().code())
            .bind(known("a case's event", serde_json::to_string(event))?)
            .execute(&mut *db)
            .await?;
        case = Some(next);
    }
    let case = case.ok_or(Error::NoCase(number))?;
    sqlx::query(
        "INSERT INTO cases (ticket, state, lead, since, due, seq, callback) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (ticket) DO UPDATE SET state = excluded.state, lead = excluded.lead, since = excluded.since,
         due = excluded.due, seq = excluded.seq, callback = excluded.callback",
    )
    .bind(number.key())
    .bind(case.state.code())
    .bind(&case.lead)
    .bind(millis(case.since))
    .bind(millis(now))
    .bind(case.seq)
    .bind(callback(case.callback))
    .execute(db)
    .await?;
    Ok(case)
}

/// The word of the `cases` table.
fn callback(callback: Callback) -> &'static str {
    match callback {
        Callback::None => "none",
        Callback::Running => "running",
        Callback::Again(_) => "again",
        Callback::Done => "done",
    }
}

async fn log(db: &mut SqliteConnection, number: Number) -> Result<Vec<Entry>, Failure> {
    let sql = sqlx::AssertSqlSafe(format!("{LOGS}WHERE c.ticket = ?"));
    let log = sqlx::query_as::<_, Log>(sql).bind(number.key()).fetch_optional(db).await?;
    Ok(log.map(|log| log.entries()).transpose()?.unwrap_or_default())
}

/// What a log adds up to. It was legal when it was written.
fn sum(log: &[Entry]) -> Result<Option<Case>, Error> {
    known("a case's log", Case::of(log.iter().map(|entry| (&entry.event, entry.at))))
}

fn entry(seq: u32, at: i64, (who, via): (String, &str), event: Event) -> Result<Entry, Error> {
    Ok(Entry { seq, at: time(at)?, by: By::new(who, known("an interface", via.parse())?), event })
}

/// A row of [`LOGS`].
#[derive(sqlx::FromRow)]
pub(super) struct Log(pub(super) i64, pub(super) String);

#[derive(Deserialize)]
struct Kept {
    seq: u32,
    at: i64,
    who: String,
    via: String,
    event: Event,
}

impl Log {
    pub(super) fn entries(&self) -> Result<Vec<Entry>, Error> {
        let kept: Vec<Kept> = known("a case's log", serde_json::from_str(&self.1))?;
        kept.into_iter().map(|kept| entry(kept.seq, kept.at, (kept.who, &kept.via), kept.event)).collect()
    }

    fn case(self) -> Result<(Number, Case), Error> {
        let number = tickets::number(self.0)?;
        Ok((number, sum(&self.entries()?)?.ok_or(Error::NoCase(number))?))
    }
}

struct Happen {
    number: Number,
    events: Vec<(By, Event)>,
    now: Timestamp,
}

impl Write for Happen {
    type Out = Case;

    async fn write(&self, db: &mut SqliteConnection) -> Result<Case, Failure> {
        happen(db, self.number, &self.events, self.now).await
    }
}

struct Due {
    number: Number,
    seq: u32,
    due: Option<Timestamp>,
}

impl Write for Due {
    type Out = bool;

    async fn write(&self, db: &mut SqliteConnection) -> Result<bool, Failure> {
        let sql = "UPDATE cases SET due = ? WHERE ticket = ? AND seq = ?";
        let done =
            sqlx::query(sql).bind(self.due.map(millis)).bind(self.number.key()).bind(self.seq).execute(db).await?;
        Ok(done.rows_affected() == 1)
    }
}

#[cfg(test)]
mod tests;
