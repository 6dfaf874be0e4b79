//! What is to be told to whom, and how far that has come.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Error, Failure, OutboxRow, OutboxState, Store, Ticket, Write, duty, known, millis, tickets, time};
use crate::ticket::{Event, Number};

impl Store {
    /// What is due for `backend`. Of one ticket only the oldest row that has not been sent: order is kept, and a
    /// parked row holds those behind it.
    pub async fn due(&self, backend: &str, now: Timestamp, limit: u32) -> Result<Vec<OutboxRow>, Error> {
        let sql = "SELECT * FROM outbox o WHERE backend = ?1 AND state = 'waiting' AND due <= ?2
                   AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.backend = ?1 AND b.ticket = o.ticket
                                   AND b.id < o.id AND b.state <> 'sent')
                   ORDER BY due, id LIMIT ?3";
        let mut db = self.reader().await?;
        let rows = sqlx::query(sql).bind(backend).bind(millis(now)).bind(limit).fetch_all(&mut *db).await;
        self.outbox_rows(rows)
    }

    /// When something of `backend` next falls due after `now`.
    pub async fn next_due(&self, backend: &str, now: Timestamp) -> Result<Option<Timestamp>, Error> {
        let sql = "SELECT min(due) FROM outbox o WHERE backend = ?1 AND state = 'waiting' AND due > ?2
                   AND NOT EXISTS (SELECT 1 FROM outbox b WHERE b.backend = ?1 AND b.ticket = o.ticket
                                   AND b.id < o.id AND b.state <> 'sent')";
        let mut db = self.reader().await?;
        let due = sqlx::query_scalar::<_, Option<i64>>(sql).bind(backend).bind(millis(now)).fetch_one(&mut *db).await;
        due.map_err(|error| self.sort(&error))?.map(time).transpose()
    }

    /// Rows that have not been sent (or all), oldest first, `limit` at a time; go on with the last one's id.
    pub async fn outbox(&self, all: bool, after: i64, limit: u32) -> Result<Vec<OutboxRow>, Error> {
        let sql = if all {
            "SELECT * FROM outbox WHERE id > ? ORDER BY id LIMIT ?"
        } else {
            "SELECT * FROM outbox WHERE id > ? AND state <> 'sent' ORDER BY id LIMIT ?"
        };
        let mut db = self.reader().await?;
        let rows = sqlx::query(sql).bind(after).bind(limit).fetch_all(&mut *db).await;
        self.outbox_rows(rows)
    }

    /// How many rows wait and how many are parked.
    pub async fn outbox_depth(&self) -> Result<(u64, u64), Error> {
        let sql = "SELECT count(*) FILTER (WHERE state = 'waiting'), count(*) FILTER (WHERE state = 'parked')
                   FROM outbox WHERE state <> 'sent'";
        let mut db = self.reader().await?;
        let counts = sqlx::query_as::<_, (i64, i64)>(sql).fetch_one(&mut *db).await;
        let (waiting, parked) = counts.map_err(|error| self.sort(&error))?;
        Ok((waiting as u64, parked as u64))
    }

    /// The backend took it, under `reference` if it gave one.
    pub async fn sent(&self, id: i64, reference: Option<String>, now: Timestamp) -> Result<(), Error> {
        self.write(Settle { id, now, how: How::Sent { reference } }).await
    }

    /// It is tried again at `due`.
    pub async fn put_off(&self, id: i64, due: Timestamp, reason: &str) -> Result<(), Error> {
        self.write(PutOff { id, due, reason: reason.to_owned() }).await
    }

    /// It is not tried again until somebody says so.
    pub async fn park(&self, id: i64, reason: &str, now: Timestamp) -> Result<(), Error> {
        self.write(Settle { id, now, how: How::Parked { reason: reason.to_owned() } }).await
    }

    /// Everything parked (of one ticket) is tried again from `now` on, as if for the first time. Gives how many.
    pub async fn retry(&self, ticket: Option<Number>, now: Timestamp) -> Result<u64, Error> {
        self.write(Retry { ticket, now }).await
    }

    fn outbox_rows(&self, rows: Result<Vec<SqliteRow>, sqlx::Error>) -> Result<Vec<OutboxRow>, Error> {
        let rows = rows.map_err(|error| self.sort(&error))?;
        rows.iter()
            .map(|row| {
                let read = || -> Result<_, sqlx::Error> {
                    let (ticket, due): (i64, i64) = (row.try_get("ticket")?, row.try_get("due")?);
                    let words: [String; 5] = [
                        row.try_get("backend")?,
                        row.try_get("event")?,
                        row.try_get("key")?,
                        row.try_get("payload")?,
                        row.try_get("state")?,
                    ];
                    Ok((row.try_get("id")?, ticket, due, words, row.try_get("tries")?, row.try_get("reason")?))
                };
                let (id, ticket, due, [backend, event, key, payload, state], tries, reason) =
                    read().map_err(|error| self.sort(&error))?;
                let state = match state.as_str() {
                    "waiting" => OutboxState::Waiting,
                    "sent" => OutboxState::Sent,
                    "parked" => OutboxState::Parked,
                    other => return Err(Error::Fault(format!("\"{other}\" in the outbox is not known"))),
                };
                let ticket = number(ticket)?;
                Ok(OutboxRow { id, backend, ticket, event, key, payload, state, tries, due: time(due)?, reason })
            })
            .collect()
    }
}

fn number(id: i64) -> Result<Number, Error> {
    Number::from_key(id).ok_or_else(|| Error::Fault(format!("{id} in the outbox is no ticket number")))
}

/// One row for each backend, in the transaction of the event that it tells of.
pub(super) async fn add(
    db: &mut SqliteConnection,
    backends: &[String],
    ticket: &Ticket,
    event: &str,
    seq: u32,
    at: Timestamp,
) -> Result<(), Failure> {
    let key = format!("{}-{seq}", ticket.number);
    let payload = serde_json::json!({ "event": event, "key": key, "at": at.to_string(), "ticket": ticket });
    put(db, backends, ticket.number, (event, &key, &payload), at).await
}

/// A delivery of this event carries who was put in charge; see [`super::Telling`].
const DISPATCHED: &str = "dispatched";

/// One row for each backend that tells a unit, in the transaction of the dispatch. `seq`: the dispatch's place in the
/// case's log.
pub(super) async fn tell_of_case(
    db: &mut SqliteConnection,
    backends: &[String],
    ticket: &Ticket,
    (seq, dispatch): (u32, &serde_json::Value),
    at: Timestamp,
) -> Result<(), Failure> {
    let key = format!("{}-case-{seq}", ticket.number);
    let payload = serde_json::json!({
        "event": DISPATCHED, "key": key, "at": at.to_string(), "ticket": ticket, "dispatch": dispatch,
    });
    put(db, backends, ticket.number, (DISPATCHED, &key, &payload), at).await
}

async fn put(
    db: &mut SqliteConnection,
    backends: &[String],
    ticket: Number,
    (event, key, payload): (&str, &str, &serde_json::Value),
    at: Timestamp,
) -> Result<(), Failure> {
    let payload = known("a payload", crate::shown::json(payload))?;
    for backend in backends {
        sqlx::query("INSERT INTO outbox (backend, ticket, event, key, payload, due) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(backend)
            .bind(ticket.key())
            .bind(event)
            .bind(key)
            .bind(&payload)
            .bind(millis(at))
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

struct Settle {
    id: i64,
    now: Timestamp,
    how: How,
}

enum How {
    Sent { reference: Option<String> },
    Parked { reason: String },
}

impl Write for Settle {
    type Out = ();

    /// A row that waits no longer stays as it is: its first answer counts.
    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        let (state, reason) = match &self.how {
            How::Sent { .. } => ("sent", None),
            How::Parked { reason } => ("parked", Some(reason)),
        };
        let row = sqlx::query_as::<_, (String, i64, String, String)>(
            "UPDATE outbox SET state = ?, reason = ?, tries = tries + 1 WHERE id = ? AND state = 'waiting'
             RETURNING backend, ticket, event, payload",
        )
        .bind(state)
        .bind(reason)
        .bind(self.id)
        .fetch_optional(&mut *db)
        .await?;
        let Some((backend, ticket, event, payload)) = row else { return Ok(()) };
        if event == DISPATCHED && matches!(self.how, How::Sent { .. }) {
            duty::delivered(db, number(ticket)?, &backend, &payload, self.now).await?;
        }
        let event = match &self.how {
            How::Sent { reference } => Event::Sent { backend, reference: reference.clone() },
            How::Parked { reason } => Event::Parked { backend, reason: reason.clone() },
        };
        tickets::happen(db, number(ticket)?, &event, self.now).await?;
        Ok(())
    }
}

struct PutOff {
    id: i64,
    due: Timestamp,
    reason: String,
}

impl Write for PutOff {
    type Out = ();
    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        sqlx::query("UPDATE outbox SET due = ?, reason = ?, tries = tries + 1 WHERE id = ? AND state = 'waiting'")
            .bind(millis(self.due))
            .bind(&self.reason)
            .bind(self.id)
            .execute(db)
            .await?;
        Ok(())
    }
}

struct Retry {
    ticket: Option<Number>,
    now: Timestamp,
}

impl Write for Retry {
    type Out = u64;
    async fn write(&self, db: &mut SqliteConnection) -> Result<u64, Failure> {
        let done = sqlx::query(
            "UPDATE outbox SET state = 'waiting', tries = 0, due = ?1
             WHERE state = 'parked' AND (?2 IS NULL OR ticket = ?2)",
        )
        .bind(millis(self.now))
        .bind(self.ticket.map(Number::key))
        .execute(db)
        .await?;
        Ok(done.rows_affected())
    }
}
