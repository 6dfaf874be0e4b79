//! The queue of utterances that are heard beside the calls, and who has which.
//!
//! What waits is read from the tickets themselves, so nothing has to be put into a queue and nothing can be missing
//! there: utterances without a text of tickets whose text is pending, the most urgent first; and, for whoever corrects,
//! utterances of the last days that no better model has heard. Whoever takes one has it until its lease ends. Several
//! processes may take from one database: taking is a transaction, and a text counts only while its taker has the lease.

use jiff::{SignedDuration, Timestamp};
use sqlx::SqliteConnection;

use super::heard::Heard;
use super::tickets::{self, number};
use super::{Error, Failure, Leased, Meaning, Pending, Reheard, Store, Transcribed, Work, Write, known, millis, time};
use crate::catalogue::Urgency;
use crate::id::CallId;
use crate::ticket::{Event, Number, Standing};

/// Looked at each time: of so many at least one is still free, or somebody else works them off.
const CANDIDATES: u32 = 16;
/// How far back corrections go: what is older has been dealt with.
const CORRECTED: SignedDuration = SignedDuration::from_hours(7 * 24);

impl Store {
    /// Takes the next utterance until `until`, for the worker of this name. `None`: nothing is due.
    pub async fn take_hearing(
        &self,
        worker: &str,
        work: Work,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<Leased>, Error> {
        let candidates = self.waiting_hearings(work, now).await?;
        if candidates.is_empty() {
            return Ok(None);
        }
        let taken = self.write(Take { candidates, worker: worker.to_owned(), work, now, until }).await?;
        let lease = |(call, index, file, tries): (CallId, u32, String, u32)| Leased {
            call,
            index,
            file: self.0.state_dir.join(file),
            work,
            worker: worker.to_owned(),
            tries,
        };
        Ok(taken.map(lease))
    }

    /// Read beside the writer: it holds up nobody, and [`Take`] looks again.
    async fn waiting_hearings(&self, work: Work, now: Timestamp) -> Result<Vec<(CallId, u32, String)>, Error> {
        // In the order of the tickets' indexes (CROSS JOIN keeps it), so that a long queue costs no more than a short one.
        let sql = match work {
            Work::Text => {
                "SELECT s.call, s.idx, s.file FROM tickets t CROSS JOIN calls c CROSS JOIN segments s
                 LEFT JOIN hearings h ON h.call = s.call AND h.idx = s.idx
                 WHERE t.text_state = 'pending' AND c.id = t.call AND c.ended <= ?1 AND s.call = t.call AND s.text IS NULL
                   AND (h.call IS NULL OR (h.state IN ('waiting', 'leased') AND h.due <= ?1))
                 ORDER BY CASE t.urgency WHEN 'urgent' THEN 0 WHEN 'soon' THEN 1 ELSE 2 END, t.id, s.idx LIMIT ?3"
            }
            Work::Correction => {
                "SELECT s.call, s.idx, s.file FROM tickets t CROSS JOIN calls c CROSS JOIN segments s
                 LEFT JOIN hearings h ON h.call = s.call AND h.idx = s.idx
                 WHERE t.reheard IS NULL AND t.id >= ?2 AND t.text_state = 'whole'
                   AND c.id = t.call AND c.ended <= ?1 AND s.call = t.call AND s.text IS NOT NULL
                   AND (h.call IS NULL OR (h.state IN ('waiting', 'leased') AND h.due <= ?1))
                 ORDER BY t.id, s.idx LIMIT ?3"
            }
        };
        let mut db = self.reader().await?;
        let rows = sqlx::query_as::<_, (String, u32, String)>(sql)
            .bind(millis(now))
            .bind(self.oldest_corrected(now))
            .bind(CANDIDATES)
            .fetch_all(&mut *db)
            .await;
        let rows = rows.map_err(|error| self.sort(&error))?;
        rows.into_iter().map(|(call, index, file)| Ok((known("a call's id", call.parse())?, index, file))).collect()
    }

    /// The key that the first ticket of those days would have.
    fn oldest_corrected(&self, now: Timestamp) -> i64 {
        let from = now.checked_sub(CORRECTED).unwrap_or(Timestamp::MIN);
        let day = from.to_zoned_datetime(self.0.zone.clone()).date();
        Number::new(day, 1).map_or(0, Number::key)
    }

    /// The one who took it still works on it. `false`: the lease had ended and somebody else has it.
    pub async fn renew_hearing(&self, leased: &Leased, until: Timestamp) -> Result<bool, Error> {
        let step = Step::Renew { until };
        self.write(Settle { leased: leased.clone(), step }).await
    }

    /// What was said. An utterance that had no text has it from now on; a correction waits until the whole ticket was
    /// heard again. `false`: somebody else has the lease, and this text is not wanted.
    pub async fn heard(&self, leased: &Leased, heard: Transcribed, now: Timestamp) -> Result<bool, Error> {
        let step = Step::Heard { heard, now };
        self.write(Settle { leased: leased.clone(), step }).await
    }

    /// There was nothing to hear with: as if it had not been taken.
    pub async fn put_back_hearing(&self, leased: &Leased, now: Timestamp) -> Result<bool, Error> {
        self.write(Settle { leased: leased.clone(), step: Step::PutBack { now } }).await
    }

    /// It could not be heard: tried again at `again`, or given up.
    pub async fn not_heard(&self, leased: &Leased, reason: &str, again: Option<Timestamp>) -> Result<bool, Error> {
        let reason = reason.to_owned();
        self.write(Settle { leased: leased.clone(), step: Step::Failed { reason, again } }).await
    }

    /// Ends the leases of a worker that is no more. How many.
    pub async fn end_leases(&self, worker: &str, now: Timestamp) -> Result<u64, Error> {
        self.write(End { worker: worker.to_owned(), now }).await
    }

    /// Tickets whose text is pending although nothing is left to hear: each utterance has its text or was given up. The
    /// most urgent first.
    pub async fn pending(&self, now: Timestamp, limit: u32) -> Result<Vec<Pending>, Error> {
        let sql = "SELECT t.id, t.call, t.hints,
                (SELECT h.tries FROM hearings h WHERE h.call = t.call AND h.state = 'given_up' ORDER BY h.idx LIMIT 1),
                (SELECT s.file || ': ' || h.reason FROM hearings h JOIN segments s ON s.call = h.call AND s.idx = h.idx
                 WHERE h.call = t.call AND h.state = 'given_up' AND s.text IS NULL ORDER BY h.idx LIMIT 1)
            FROM tickets t JOIN calls c ON c.id = t.call
            WHERE t.text_state = 'pending' AND c.ended <= ?1 AND NOT EXISTS (
                SELECT 1 FROM segments s WHERE s.call = t.call AND s.text IS NULL AND NOT EXISTS (
                    SELECT 1 FROM hearings h WHERE h.call = s.call AND h.idx = s.idx AND h.state = 'given_up'))
            ORDER BY CASE t.urgency WHEN 'urgent' THEN 0 WHEN 'soon' THEN 1 ELSE 2 END, t.id LIMIT ?2";
        let mut db = self.reader().await?;
        let rows = sqlx::query_as::<_, (i64, String, String, Option<u32>, Option<String>)>(sql);
        let rows = rows.bind(millis(now)).bind(limit).fetch_all(&mut *db).await;
        let mut list = Vec::new();
        for (id, call, hints, tries, reason) in rows.map_err(|error| self.sort(&error))? {
            let call = known("a call's id", call.parse())?;
            let segments = self.segments_of(&mut db, call).await?;
            let hints = known("hints", serde_json::from_str(&hints))?;
            list.push(Pending { number: number(id)?, call, given_up: tries.zip(reason), hints, segments });
        }
        Ok(list)
    }

    /// Tickets of which every utterance was heard again.
    pub async fn reheard(&self, now: Timestamp, limit: u32) -> Result<Vec<Reheard>, Error> {
        let sql = "SELECT t.id, t.call, t.hints FROM tickets t JOIN calls c ON c.id = t.call
            WHERE t.reheard IS NULL AND t.id >= ?2 AND t.text_state = 'whole' AND c.ended <= ?1 AND NOT EXISTS (
                SELECT 1 FROM segments s WHERE s.call = t.call AND s.text IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM hearings h WHERE h.call = s.call AND h.idx = s.idx AND h.state IN ('heard', 'given_up')))
            ORDER BY t.id LIMIT ?3";
        let mut db = self.reader().await?;
        let rows = sqlx::query_as::<_, (i64, String, String)>(sql);
        let rows = rows.bind(millis(now)).bind(self.oldest_corrected(now)).bind(limit).fetch_all(&mut *db).await;
        let mut list = Vec::new();
        for (id, call, hints) in rows.map_err(|error| self.sort(&error))? {
            let sql = "SELECT idx, text, words, hearing FROM hearings WHERE call = ? AND state = 'heard' ORDER BY idx";
            let heard = sqlx::query_as::<_, (u32, String, String, String)>(sql).bind(&call).fetch_all(&mut *db).await;
            let heard = heard.map_err(|error| self.sort(&error))?;
            let read = |(index, text, words, hearing): (u32, String, String, String)| -> Result<_, Error> {
                let words = known("words", serde_json::from_str(&words))?;
                Ok((index, Transcribed { text, words, hearing: known("a hearing", serde_json::from_str(&hearing))? }))
            };
            let heard = heard.into_iter().map(read).collect::<Result<_, _>>()?;
            let call = known("a call's id", call.parse())?;
            let segments = self.segments_of(&mut db, call).await?;
            let hints = known("hints", serde_json::from_str(&hints))?;
            list.push(Reheard { number: number(id)?, call, hints, segments, heard });
        }
        Ok(list)
    }

    /// The better model's texts (utterance, text, model) take the place of those that the ticket had; these stay in the
    /// history. What a person corrected stays, and a ticket never becomes less urgent. Without changes it is only
    /// marked as heard again. `false`: more was said meanwhile, it is heard again later.
    pub async fn text_corrected(
        &self,
        ticket: &Reheard,
        changes: Vec<(u32, Transcribed)>,
        (text, meaning): (Option<String>, Meaning),
        now: Timestamp,
    ) -> Result<bool, Error> {
        let (number, call) = (ticket.number, ticket.call);
        self.write(Correct { number, call, changes, text, meaning, now, store: self.clone() }).await
    }
}

struct Take {
    candidates: Vec<(CallId, u32, String)>,
    worker: String,
    work: Work,
    now: Timestamp,
    until: Timestamp,
}

impl Write for Take {
    type Out = Option<(CallId, u32, String, u32)>;

    async fn write(&self, db: &mut SqliteConnection) -> Result<Self::Out, Failure> {
        // Somebody may have heard or taken it since it was read.
        let sql = match self.work {
            Work::Text => {
                "INSERT INTO hearings (call, idx, work, state, due, worker, tries)
                 SELECT s.call, s.idx, 'text', 'leased', ?3, ?4, 1 FROM segments s
                 WHERE s.call = ?1 AND s.idx = ?2 AND s.text IS NULL
                 ON CONFLICT (call, idx) DO UPDATE SET state = 'leased', due = excluded.due, worker = excluded.worker,
                    tries = tries + 1 WHERE state IN ('waiting', 'leased') AND due <= ?5
                 RETURNING tries"
            }
            Work::Correction => {
                "INSERT INTO hearings (call, idx, work, state, due, worker, tries)
                 SELECT s.call, s.idx, 'correction', 'leased', ?3, ?4, 1 FROM segments s JOIN tickets t ON t.call = s.call
                 WHERE s.call = ?1 AND s.idx = ?2 AND s.text IS NOT NULL AND t.reheard IS NULL
                 ON CONFLICT (call, idx) DO UPDATE SET state = 'leased', due = excluded.due, worker = excluded.worker,
                    tries = tries + 1 WHERE state IN ('waiting', 'leased') AND due <= ?5
                 RETURNING tries"
            }
        };
        for (call, index, file) in &self.candidates {
            let taken = sqlx::query_scalar::<_, u32>(sql).bind(call.to_string()).bind(index).bind(millis(self.until));
            let taken = taken.bind(&self.worker).bind(millis(self.now)).fetch_optional(&mut *db).await?;
            if let Some(tries) = taken {
                return Ok(Some((*call, *index, file.clone(), tries)));
            }
        }
        Ok(None)
    }
}

enum Step {
    Renew { until: Timestamp },
    Heard { heard: Transcribed, now: Timestamp },
    PutBack { now: Timestamp },
    Failed { reason: String, again: Option<Timestamp> },
}

/// What the one who has the lease does with it.
struct Settle {
    leased: Leased,
    step: Step,
}

impl Write for Settle {
    type Out = bool;

    async fn write(&self, db: &mut SqliteConnection) -> Result<bool, Failure> {
        let Leased { call, index, worker, work, .. } = &self.leased;
        let call_id = call.to_string();
        let sql = "SELECT 1 FROM hearings WHERE call = ? AND idx = ? AND worker = ? AND state = 'leased'";
        let held = sqlx::query(sql).bind(&call_id).bind(index).bind(worker).fetch_optional(&mut *db).await?;
        if held.is_none() {
            return Ok(false);
        }
        let mine = "UPDATE hearings SET state = ?3, due = ?4, tries = tries - ?5, text = ?6, words = ?7, hearing = ?8, \
                    reason = ?9 \
                    WHERE call = ?1 AND idx = ?2";
        let mine = sqlx::query(mine).bind(&call_id).bind(index);
        let nothing = None::<&str>;
        match &self.step {
            Step::Renew { until } => {
                let mine = mine.bind("leased").bind(millis(*until)).bind(0);
                mine.bind(nothing).bind(nothing).bind(nothing).bind(nothing).execute(db).await?;
            }
            Step::PutBack { now } => {
                let mine = mine.bind("waiting").bind(millis(*now)).bind(1);
                mine.bind(nothing).bind(nothing).bind(nothing).bind(nothing).execute(db).await?;
            }
            Step::Failed { reason, again } => {
                let (state, due) = again.map_or(("given_up", 0), |again| ("waiting", millis(again)));
                let mine = mine.bind(state).bind(due).bind(0);
                mine.bind(nothing).bind(nothing).bind(nothing).bind(reason).execute(db).await?;
            }
            Step::Heard { heard, .. } if *work == Work::Correction => {
                let (words, hearing) = heard.columns();
                let mine = mine.bind("heard").bind(0).bind(0);
                mine.bind(&heard.text).bind(words).bind(hearing).bind(nothing).execute(db).await?;
            }
            Step::Heard { heard, now } => {
                Heard::new(*call, *index, heard).write(&mut *db).await?;
                let text = (heard.text.as_str(), heard.hearing.model.as_str());
                keep_text(&mut *db, *call, *index, text, "pending", *now).await?;
                let done = sqlx::query("DELETE FROM hearings WHERE call = ? AND idx = ?");
                done.bind(&call_id).bind(index).execute(db).await?;
            }
        }
        Ok(true)
    }
}

async fn keep_text(
    db: &mut SqliteConnection,
    call: CallId,
    index: u32,
    (text, model): (&str, &str),
    why: &str,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO texts (call, idx, at, model, text, why) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(call.to_string())
        .bind(index)
        .bind(millis(at))
        .bind(model)
        .bind(text)
        .bind(why)
        .execute(db)
        .await?;
    Ok(())
}

struct End {
    worker: String,
    now: Timestamp,
}

impl Write for End {
    type Out = u64;

    async fn write(&self, db: &mut SqliteConnection) -> Result<u64, Failure> {
        let sql = "UPDATE hearings SET state = 'waiting', due = ? WHERE worker = ? AND state = 'leased'";
        Ok(sqlx::query(sql).bind(millis(self.now)).bind(&self.worker).execute(db).await?.rows_affected())
    }
}

struct Correct {
    number: Number,
    call: CallId,
    changes: Vec<(u32, Transcribed)>,
    text: Option<String>,
    meaning: Meaning,
    now: Timestamp,
    store: Store,
}

impl Write for Correct {
    type Out = bool;

    async fn write(&self, db: &mut SqliteConnection) -> Result<bool, Failure> {
        let recordings = self.changes.iter().map(|(index, _)| *index).collect();
        let model = self.changes.first().map(|(_, heard)| heard.hearing.model.clone()).unwrap_or_default();
        let event = Event::TextCorrected { model, recordings };
        let standing = tickets::standing(db, self.number).await?;
        if Standing::after(Some(standing), &event).is_err() {
            return Ok(false);
        }
        let sql = "UPDATE tickets SET reheard = ? WHERE id = ?";
        sqlx::query(sql).bind(millis(self.now)).bind(self.number.key()).execute(&mut *db).await?;
        let sql = "DELETE FROM hearings WHERE call = ? AND work = 'correction'";
        sqlx::query(sql).bind(self.call.to_string()).execute(&mut *db).await?;
        if self.changes.is_empty() {
            return Ok(true);
        }
        for (index, heard) in &self.changes {
            self.replace(db, *index, heard).await?;
        }
        let sql = "UPDATE tickets SET text = ? WHERE id = ?";
        sqlx::query(sql).bind(&self.text).bind(self.number.key()).execute(&mut *db).await?;
        let meaning = self.meaning(db).await?;
        tickets::put_meaning(db, self.number, &meaning, self.now).await?;
        let seq = tickets::happen(db, self.number, &event, self.now).await?;
        tickets::tell(db, &self.store, self.number, "updated", seq, self.now).await?;
        Ok(true)
    }
}

impl Correct {
    /// Puts the text in its place; the one that stood there is kept.
    async fn replace(&self, db: &mut SqliteConnection, index: u32, heard: &Transcribed) -> Result<(), Failure> {
        let call = self.call.to_string();
        let sql = "SELECT s.text, t.opened, (SELECT count(*) FROM texts x WHERE x.call = s.call AND x.idx = s.idx)
                   FROM segments s JOIN tickets t ON t.call = s.call WHERE s.call = ? AND s.idx = ?";
        let row = sqlx::query_as::<_, (Option<String>, i64, i64)>(sql).bind(&call).bind(index);
        let (before, opened, kept) = row.fetch_one(&mut *db).await?;
        if kept == 0 {
            let before = before.unwrap_or_default();
            keep_text(db, self.call, index, (&before, ""), "filed", time(opened)?).await?;
        }
        let text = (heard.text.as_str(), heard.hearing.model.as_str());
        keep_text(db, self.call, index, text, "correction", self.now).await?;
        let (words, hearing) = heard.columns();
        let sql = "UPDATE segments SET text = ?, words = ?, hearing = ? WHERE call = ? AND idx = ?";
        sqlx::query(sql).bind(&heard.text).bind(words).bind(hearing).bind(&call).bind(index).execute(db).await?;
        Ok(())
    }

    /// The new meaning, but for what a person has said of it, and never less urgent.
    async fn meaning(&self, db: &mut SqliteConnection) -> Result<Meaning, Failure> {
        let sql = "SELECT kind, category1, category2, category3, confidence, unit, urgency FROM tickets WHERE id = ?";
        type Stood = (String, String, String, String, f64, Option<String>, String);
        let stood = sqlx::query_as::<_, Stood>(sql).bind(self.number.key()).fetch_one(&mut *db).await?;
        let sql = "SELECT count(kind), count(category), count(urgency) FROM corrections WHERE ticket = ?";
        let said = sqlx::query_as::<_, (i64, i64, i64)>(sql).bind(self.number.key()).fetch_one(&mut *db).await?;
        let mut meaning = self.meaning.clone();
        let (kind, one, two, three, confidence, unit, urgency) = stood;
        if said.0 > 0 {
            meaning.kind = kind;
        }
        if said.1 > 0 {
            (meaning.category, meaning.confidence, meaning.unit) = ([one, two, three], confidence, unit);
        }
        let rank = |urgency: &str| urgency.parse::<Urgency>().unwrap_or_default();
        if said.2 > 0 || rank(&meaning.urgency) < rank(&urgency) {
            meaning.urgency = urgency;
        }
        Ok(meaning)
    }
}

#[cfg(test)]
mod guards;
#[cfg(test)]
mod tests;
