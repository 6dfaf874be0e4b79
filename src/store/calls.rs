//! Rows of calls and their recordings.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{CallRow, Error, Failure, Past, SegmentRow, Store, Unsettled, Write, known, millis, span, tickets, time};
use crate::id::CallId;
use crate::ticket::Event;

impl Store {
    /// The call was answered. A call that is there already stays as it is.
    pub async fn call_began(&self, row: CallRow) -> Result<(), Error> {
        self.write(Began(row)).await
    }

    /// An utterance is sealed on disk. One that is there already stays as it is. If the call has its ticket, this one
    /// becomes part of it: its text is pending until intake has read everything again.
    pub async fn segment(&self, row: SegmentRow) -> Result<(), Error> {
        let file = self.kept(&row.file);
        self.write(Sealed { row, file, at: Timestamp::now() }).await
    }

    /// What was said in it; empty if there was nothing to recognise.
    pub async fn segment_text(&self, call: CallId, index: u32, text: &str) -> Result<(), Error> {
        self.write(Recognised { call, index, text: text.to_owned() }).await
    }

    /// All keys pressed so far, so that a crash forgets none.
    pub async fn keys(&self, call: CallId, keys: &str) -> Result<(), Error> {
        self.write(Keyed { call, keys: keys.to_owned() }).await
    }

    /// How the call went, step by step ([`crate::ivr::journal`]).
    pub async fn journal(&self, call: CallId, journal: &str) -> Result<(), Error> {
        self.write(Went { call, journal: journal.to_owned() }).await
    }

    /// Calls that began at `since` or later and are over, the oldest first, with their journals; go on with the last
    /// one's beginning and id.
    pub async fn past_calls(&self, since: Timestamp, after: Option<CallId>, limit: u32) -> Result<Vec<Past>, Error> {
        let sql = "SELECT c.*, t.id AS ticket, t.hints FROM calls c LEFT JOIN tickets t ON t.call = c.id
                   WHERE c.began >= ?1 AND (c.began, c.id) > (?1, ?2) AND c.ended IS NOT NULL
                   ORDER BY c.began, c.id LIMIT ?3";
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        let mut db = self.reader().await?;
        let rows = sqlx::query(sql).bind(millis(since)).bind(after).bind(limit).fetch_all(&mut *db).await;
        let mut list = Vec::new();
        for row in rows.map_err(|error| self.sort(&error))? {
            list.push(self.past(&mut db, &row).await?);
        }
        Ok(list)
    }

    /// A call that is over.
    pub async fn past_call(&self, id: CallId) -> Result<Option<Past>, Error> {
        let sql = "SELECT c.*, t.id AS ticket, t.hints FROM calls c LEFT JOIN tickets t ON t.call = c.id
                   WHERE c.id = ? AND c.ended IS NOT NULL";
        let mut db = self.reader().await?;
        let row = sqlx::query(sql).bind(id.to_string()).fetch_optional(&mut *db).await;
        match row.map_err(|error| self.sort(&error))? {
            Some(row) => Ok(Some(self.past(&mut db, &row).await?)),
            None => Ok(None),
        }
    }

    async fn past(&self, db: &mut SqliteConnection, row: &SqliteRow) -> Result<Past, Error> {
        let (call, keys) = self.call(row)?;
        let get = |column| row.try_get::<Option<String>, _>(column).map_err(|error| self.sort(&error));
        let (journal, hints) = (get("journal")?, get("hints")?);
        let hints = hints.map(|hints| known("hints", serde_json::from_str(&hints))).transpose()?;
        let ticket = row.try_get::<Option<i64>, _>("ticket").map_err(|error| self.sort(&error))?;
        let ticket = ticket.map(tickets::number).transpose()?;
        let segments = self.segments_of(db, call.id).await?;
        Ok(Past { call, keys, segments, journal, ticket, hints })
    }

    /// The call is over; the first end stands.
    pub async fn call_ended(&self, call: CallId, why: &str, at: Timestamp) -> Result<(), Error> {
        self.call_ended_because(call, why, None, at).await
    }

    /// As [`Store::call_ended`], with what the other side gave as its reason (RFC 3326).
    pub async fn call_ended_because(
        &self,
        call: CallId,
        why: &str,
        reason: Option<String>,
        at: Timestamp,
    ) -> Result<(), Error> {
        self.write(Ended { call, why: why.to_owned(), reason, at }).await
    }

    /// Nothing was said or keyed: the call has no ticket and needs none.
    pub async fn settled(&self, call: CallId) -> Result<(), Error> {
        self.write(Settled(call)).await
    }

    pub async fn call_exists(&self, call: CallId) -> Result<bool, Error> {
        let mut db = self.reader().await?;
        let found =
            sqlx::query("SELECT 1 FROM calls WHERE id = ?").bind(call.to_string()).fetch_optional(&mut *db).await;
        Ok(found.map_err(|error| self.sort(&error))?.is_some())
    }

    /// Calls without an end that began before `before`: after a start these are the crashed ones. Oldest first.
    pub async fn open_calls(&self, before: Timestamp, limit: u32) -> Result<Vec<Unsettled>, Error> {
        let sql = "SELECT * FROM calls WHERE ended IS NULL AND began < ? ORDER BY began LIMIT ?";
        self.calls(sql, before, limit).await
    }

    /// Calls that are over and have neither a ticket nor been found empty. Oldest first.
    pub async fn unsettled_calls(&self, limit: u32) -> Result<Vec<Unsettled>, Error> {
        let sql = "SELECT * FROM calls WHERE settled = 0 AND ended IS NOT NULL AND began < ? ORDER BY began LIMIT ?";
        self.calls(sql, Timestamp::MAX, limit).await
    }

    async fn calls(&self, sql: &'static str, before: Timestamp, limit: u32) -> Result<Vec<Unsettled>, Error> {
        let mut db = self.reader().await?;
        let rows = sqlx::query(sql).bind(millis(before)).bind(limit).fetch_all(&mut *db).await;
        let mut list = Vec::new();
        for row in rows.map_err(|error| self.sort(&error))? {
            let (call, keys) = self.call(&row)?;
            let segments = self.segments_of(&mut db, call.id).await?;
            list.push(Unsettled { call, keys, segments });
        }
        Ok(list)
    }

    fn call(&self, row: &SqliteRow) -> Result<(CallRow, String), Error> {
        let read = || -> Result<_, sqlx::Error> {
            let id: String = row.try_get("id")?;
            let (began, answered): (i64, i64) = (row.try_get("began")?, row.try_get("answered")?);
            let (line, caller, display): (_, _, _) =
                (row.try_get("line")?, row.try_get("caller")?, row.try_get("display")?);
            Ok((id, began, answered, line, caller, display, row.try_get("trunk")?, row.try_get("keys")?))
        };
        let (id, began, answered, line, caller, display, trunk, keys) = read().map_err(|error| self.sort(&error))?;
        let id = known("a call's id", id.parse())?;
        let (began, answered) = (time(began)?, time(answered)?);
        let user_to_user = row.try_get("user_to_user").map_err(|error| self.sort(&error))?;
        let version = row.try_get("version").map_err(|error| self.sort(&error))?;
        Ok((CallRow { id, line, caller, display, trunk, user_to_user, version, began, answered }, keys))
    }

    pub(super) async fn segments_of(&self, db: &mut SqliteConnection, call: CallId) -> Result<Vec<SegmentRow>, Error> {
        let rows =
            sqlx::query("SELECT idx, file, duration, speech, text, error FROM segments WHERE call = ? ORDER BY idx")
                .bind(call.to_string())
                .fetch_all(db)
                .await;
        let rows = rows.map_err(|error| self.sort(&error))?;
        let read = |row: SqliteRow| -> Result<SegmentRow, sqlx::Error> {
            Ok(SegmentRow {
                call,
                index: row.try_get("idx")?,
                file: self.0.state_dir.join(row.try_get::<String, _>("file")?),
                duration: Duration::from_millis(row.try_get::<i64, _>("duration")?.max(0) as u64),
                speech: Duration::from_millis(row.try_get::<i64, _>("speech")?.max(0) as u64),
                text: row.try_get("text")?,
                error: row.try_get("error")?,
            })
        };
        rows.into_iter().map(read).collect::<Result<_, _>>().map_err(|error| self.sort(&error))
    }

    /// Whether a recording has its row; `file` as it was given to [`Store::segment`].
    pub fn same_file(&self, row: &SegmentRow, file: &Path) -> bool {
        self.kept(&row.file) == self.kept(file)
    }
}

struct Began(CallRow);

impl Write for Began {
    type Out = ();
    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        let row = &self.0;
        sqlx::query(
            "INSERT INTO calls (id, line, caller, display, trunk, user_to_user, version, began, answered)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(row.id.to_string())
        .bind(&row.line)
        .bind(&row.caller)
        .bind(&row.display)
        .bind(&row.trunk)
        .bind(&row.user_to_user)
        .bind(&row.version)
        .bind(millis(row.began))
        .bind(millis(row.answered))
        .execute(db)
        .await?;
        Ok(())
    }
}

struct Sealed {
    row: SegmentRow,
    file: String,
    at: Timestamp,
}

impl Write for Sealed {
    type Out = ();

    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        let fresh = add_segment(db, &self.row, &self.file).await?;
        if fresh
            && self.row.said()
            && let Some(ticket) = tickets::of_call(db, self.row.call).await?
        {
            tickets::happen(db, ticket, &Event::MoreSaid { segment: self.row.index }, self.at).await?;
        }
        Ok(())
    }
}

/// `false`: it is there already; a text that it did not have is kept.
pub(super) async fn add_segment(db: &mut SqliteConnection, row: &SegmentRow, file: &str) -> Result<bool, sqlx::Error> {
    let added = sqlx::query(
        "INSERT INTO segments (call, idx, file, duration, speech, text, error) VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT DO NOTHING",
    )
    .bind(row.call.to_string())
    .bind(row.index)
    .bind(file)
    .bind(span(row.duration))
    .bind(span(row.speech))
    .bind(&row.text)
    .bind(&row.error)
    .execute(&mut *db)
    .await?;
    if added.rows_affected() == 0
        && let Some(text) = &row.text
    {
        put_text(db, row.call, row.index, text).await?;
    }
    Ok(added.rows_affected() == 1)
}

/// The first text stands.
async fn put_text(db: &mut SqliteConnection, call: CallId, index: u32, text: &str) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE segments SET text = ? WHERE call = ? AND idx = ? AND text IS NULL")
        .bind(text)
        .bind(call.to_string())
        .bind(index)
        .execute(db)
        .await?;
    Ok(())
}

struct Recognised {
    call: CallId,
    index: u32,
    text: String,
}

impl Write for Recognised {
    type Out = ();
    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        Ok(put_text(db, self.call, self.index, &self.text).await?)
    }
}

struct Keyed {
    call: CallId,
    keys: String,
}

impl Write for Keyed {
    type Out = ();
    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        let sql = "UPDATE calls SET keys = ? WHERE id = ?";
        sqlx::query(sql).bind(&self.keys).bind(self.call.to_string()).execute(db).await?;
        Ok(())
    }
}

struct Went {
    call: CallId,
    journal: String,
}

impl Write for Went {
    type Out = ();
    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        let sql = "UPDATE calls SET journal = ? WHERE id = ?";
        sqlx::query(sql).bind(&self.journal).bind(self.call.to_string()).execute(db).await?;
        Ok(())
    }
}

struct Ended {
    call: CallId,
    why: String,
    reason: Option<String>,
    at: Timestamp,
}

impl Write for Ended {
    type Out = ();
    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        sqlx::query("UPDATE calls SET ended = ?, why = ?, reason = ? WHERE id = ? AND ended IS NULL")
            .bind(millis(self.at))
            .bind(&self.why)
            .bind(&self.reason)
            .bind(self.call.to_string())
            .execute(db)
            .await?;
        Ok(())
    }
}

struct Settled(CallId);

impl Write for Settled {
    type Out = ();
    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        sqlx::query("UPDATE calls SET settled = 1 WHERE id = ?").bind(self.0.to_string()).execute(db).await?;
        Ok(())
    }
}
