//! Tickets and their history.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{
    DISPATCH_WITHIN, Error, EventRow, Failure, Filed, Filing, Hearing, Meaning, Place, Recording, Store, TextRow,
    Ticket, Write, calls, cases, duty, heard, incidents, known, millis, outbox, time,
};
use crate::asr::Word;
use crate::catalogue::Urgency;
use crate::id::CallId;
use crate::ticket::{Event, Number, Standing, State, Text};

/// A ticket with its recordings, in the columns that `read` knows.
macro_rules! select {
    ($tail:literal) => {
        concat!(
            "SELECT t.*, (SELECT json_group_array(json_object('file', file, 'duration', duration, 'text', text, \
             'error', error, 'words', json(words), 'hearing', json(hearing), 'texts', (SELECT json_group_array(\
             json_object('at', at, 'model', model, 'text', x.text, 'why', why)) FROM (SELECT * FROM texts x WHERE \
             x.call = s.call AND x.idx = s.idx ORDER BY x.id) x))) \
             FROM (SELECT * FROM segments s WHERE s.call = t.call ORDER BY idx) s) AS recordings \
             FROM tickets t ",
            $tail
        )
    };
}

impl Store {
    /// Files a call's ticket with its recordings, history and outbox rows, all or nothing. A call has one ticket: the
    /// second time the first one's number comes back, and the ticket is raised if it has become more urgent.
    pub async fn file(&self, filing: Filing, now: Timestamp) -> Result<Filed, Error> {
        let files = filing.segments.iter().map(|segment| self.kept(&segment.file)).collect();
        let day = now.to_zoned_datetime(self.0.zone.clone()).date();
        let filed = self.write(File { filing, files, day, now, store: self.clone() }).await?;
        self.stir();
        Ok(filed)
    }

    pub async fn ticket(&self, number: Number) -> Result<Option<Ticket>, Error> {
        let mut db = self.reader().await?;
        let row = sqlx::query(select!("WHERE t.id = ?")).bind(number.key()).fetch_optional(&mut *db).await;
        row.map_err(|error| self.sort(&error))?.map(|row| self.read(&row)).transpose()
    }

    /// The ticket of a call.
    pub async fn ticket_of(&self, call: CallId) -> Result<Option<Ticket>, Error> {
        let mut db = self.reader().await?;
        let row = sqlx::query(select!("WHERE t.call = ?")).bind(call.to_string()).fetch_optional(&mut *db).await;
        row.map_err(|error| self.sort(&error))?.map(|row| self.read(&row)).transpose()
    }

    /// The newest ticket of a caller; a withheld number has none.
    pub async fn last_ticket_of(&self, caller: &str) -> Result<Option<Ticket>, Error> {
        if caller.is_empty() {
            return Ok(None);
        }
        let mut db = self.reader().await?;
        let sql = select!("WHERE t.caller = ? ORDER BY t.id DESC LIMIT 1");
        let row = sqlx::query(sql).bind(caller).fetch_optional(&mut *db).await;
        row.map_err(|error| self.sort(&error))?.map(|row| self.read(&row)).transpose()
    }

    /// Codes of the places of a caller's last tickets that were sure, the newest first; a withheld number has none.
    pub async fn places_of(&self, caller: &str) -> Result<Vec<String>, Error> {
        if caller.is_empty() {
            return Ok(Vec::new());
        }
        let mut db = self.reader().await?;
        let sql = "SELECT place FROM (SELECT place, place_confidence FROM tickets WHERE caller = ? ORDER BY id DESC \
                   LIMIT 5) WHERE place IS NOT NULL AND place_confidence >= 0.5";
        let codes = sqlx::query_scalar::<_, String>(sql).bind(caller).fetch_all(&mut *db).await;
        codes.map_err(|error| self.sort(&error))
    }

    /// Tickets by number, `limit` at a time; go on with the last one's number.
    pub async fn tickets(&self, after: Option<Number>, limit: u32) -> Result<Vec<Ticket>, Error> {
        let mut db = self.reader().await?;
        let sql = select!("WHERE t.id > ? ORDER BY t.id LIMIT ?");
        let after = after.map_or(0, Number::key);
        let rows = sqlx::query(sql).bind(after).bind(limit).fetch_all(&mut *db).await;
        rows.map_err(|error| self.sort(&error))?.iter().map(|row| self.read(row)).collect()
    }

    /// Everything that ever happened to a ticket, in order.
    pub async fn history(&self, number: Number) -> Result<Vec<EventRow>, Error> {
        let mut db = self.reader().await?;
        let sql = "SELECT seq, at, event FROM ticket_events WHERE ticket = ? ORDER BY seq";
        let rows = sqlx::query_as::<_, (u32, i64, String)>(sql).bind(number.key()).fetch_all(&mut *db).await;
        let rows = rows.map_err(|error| self.sort(&error))?;
        rows.into_iter()
            .map(|(seq, at, event)| {
                Ok(EventRow { seq, at: time(at)?, event: known("an event", serde_json::from_str(&event))? })
            })
            .collect()
    }

    /// What was pending is text now. The backends are told in the same transaction. `false`: nothing was pending.
    pub async fn text_completed(
        &self,
        number: Number,
        text: Option<String>,
        meaning: Meaning,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let event = Event::TextCompleted;
        let reread = self.write(Reread { number, text, meaning, event, now, store: self.clone() }).await?;
        self.stir();
        Ok(reread)
    }

    /// Some of it could not be heard: a person has to listen; `text` is the rest. The backends are told in the same
    /// transaction. `false`: nothing was pending.
    pub async fn text_given_up(
        &self,
        number: Number,
        (tries, reason): (u32, &str),
        text: Option<String>,
        meaning: Meaning,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let event = Event::TextGivenUp { tries, reason: reason.to_owned() };
        let reread = self.write(Reread { number, text, meaning, event, now, store: self.clone() }).await?;
        self.stir();
        Ok(reread)
    }

    pub(super) fn read(&self, row: &SqliteRow) -> Result<Ticket, Error> {
        let columns = || -> Result<_, sqlx::Error> {
            let place = match row.try_get::<Option<String>, _>("place")? {
                None => None,
                Some(code) => Some(Place {
                    code,
                    name: row.try_get("place_name")?,
                    district: row.try_get("district")?,
                    confidence: row.try_get("place_confidence")?,
                }),
            };
            let category = [row.try_get("category1")?, row.try_get("category2")?, row.try_get("category3")?];
            let times: [i64; 3] = [row.try_get("began")?, row.try_get("opened")?, row.try_get("changed")?];
            let words: [String; 4] =
                [row.try_get("call")?, row.try_get("state")?, row.try_get("how")?, row.try_get("text_state")?];
            let json: [String; 3] = [row.try_get("evidence")?, row.try_get("recordings")?, row.try_get("facts")?];
            Ok((row.try_get::<i64, _>("id")?, place, category, times, words, json))
        };
        let (
            id,
            place,
            category,
            [began, opened, changed],
            [call, state, how, text_state],
            [evidence, recordings, facts],
        ) = columns().map_err(|error| self.sort(&error))?;
        let get = |column| row.try_get::<Option<String>, _>(column).map_err(|error| self.sort(&error));
        let text_state: Text = known("a text's state", text_state.parse())?;
        let recordings: Vec<Kept> = known("recordings", serde_json::from_str(&recordings))?;
        let recordings: Vec<Recording> =
            recordings.into_iter().map(|kept| kept.recording(self)).collect::<Result<_, _>>()?;
        let text = get("text")?;
        let (mut evidence, mut facts) =
            (known("evidence", serde_json::from_str(&evidence))?, known("facts", serde_json::from_str(&facts))?);
        heard::point(text.as_deref().unwrap_or_default(), &recordings, &mut evidence, &mut facts);
        Ok(Ticket {
            number: number(id)?,
            call: known("a call's id", call.parse())?,
            line: get("line")?.unwrap_or_default(),
            caller: get("caller")?,
            state: known("a state", state.parse())?,
            how: known("how", how.parse())?,
            began: time(began)?,
            opened: time(opened)?,
            changed: time(changed)?,
            text,
            text_pending: text_state == Text::Pending,
            text_state,
            kind: get("kind")?.unwrap_or_default(),
            category,
            confidence: row.try_get("confidence").map_err(|error| self.sort(&error))?,
            urgency: get("urgency")?.unwrap_or_default(),
            place,
            unit: get("unit")?,
            evidence,
            title: get("title")?.unwrap_or_default(),
            facts,
            keys: get("keys")?.unwrap_or_default(),
            recordings,
            incident: row.try_get("incident").map_err(|error| self.sort(&error))?,
            parent: row
                .try_get::<Option<i64>, _>("parent")
                .map_err(|error| self.sort(&error))?
                .map(self::number)
                .transpose()?,
            matter: row.try_get("matter").map_err(|error| self.sort(&error))?,
            repeats: row
                .try_get::<Option<i64>, _>("repeats")
                .map_err(|error| self.sort(&error))?
                .map(self::number)
                .transpose()?,
        })
    }
}

#[derive(Deserialize)]
struct Kept {
    file: String,
    duration: i64,
    text: Option<String>,
    error: Option<String>,
    words: Option<Vec<Word>>,
    hearing: Option<Hearing>,
    texts: Vec<KeptText>,
}

#[derive(Deserialize)]
struct KeptText {
    at: i64,
    model: String,
    text: String,
    why: String,
}

impl Kept {
    fn recording(self, store: &Store) -> Result<Recording, Error> {
        let file = store.0.state_dir.join(&self.file);
        let Kept { duration, text, error, words, hearing, texts, .. } = self;
        let kept = |kept: KeptText| -> Result<TextRow, Error> {
            Ok(TextRow { at: time(kept.at)?, model: kept.model, text: kept.text, why: kept.why })
        };
        let texts = texts.into_iter().map(kept).collect::<Result<_, _>>()?;
        let words = words.unwrap_or_default();
        Ok(Recording { file, duration_s: duration as f64 / 1000.0, text, words, hearing, error, texts })
    }
}

pub(super) fn number(id: i64) -> Result<Number, Error> {
    Number::from_key(id).ok_or_else(|| Error::Fault(format!("{id} in the database is no ticket number")))
}

/// The ticket of `call`, in a write.
pub(super) async fn of_call(db: &mut SqliteConnection, call: CallId) -> Result<Option<Number>, Failure> {
    let sql = "SELECT id FROM tickets WHERE call = ?";
    let id = sqlx::query_scalar::<_, i64>(sql).bind(call.to_string()).fetch_optional(db).await?;
    Ok(id.map(number).transpose()?)
}

pub(super) async fn standing(db: &mut SqliteConnection, ticket: Number) -> Result<Standing, Failure> {
    let sql = "SELECT state, text_state FROM tickets WHERE id = ?";
    let row = sqlx::query_as::<_, (String, String)>(sql).bind(ticket.key()).fetch_optional(db).await?;
    let (state, text) = row.ok_or(Error::NoTicket(ticket))?;
    Ok(Standing { state: known::<State, _>("a state", state.parse())?, text: known("a text's state", text.parse())? })
}

/// Adds `event` to the ticket's history and moves the ticket. Gives the event's place in the history.
pub(super) async fn happen(
    db: &mut SqliteConnection,
    ticket: Number,
    event: &Event,
    at: Timestamp,
) -> Result<u32, Failure> {
    let next = Standing::after(Some(standing(db, ticket).await?), event).map_err(Error::from)?;
    let seq = add_event(db, ticket, event, at).await?;
    sqlx::query("UPDATE tickets SET state = ?, text_state = ?, changed = ? WHERE id = ?")
        .bind(next.state.code())
        .bind(next.text.code())
        .bind(millis(at))
        .bind(ticket.key())
        .execute(db)
        .await?;
    Ok(seq)
}

async fn add_event(db: &mut SqliteConnection, ticket: Number, event: &Event, at: Timestamp) -> Result<u32, Failure> {
    let event = known("an event", serde_json::to_string(event))?;
    let seq = sqlx::query_scalar::<_, u32>(
        "INSERT INTO ticket_events (ticket, seq, at, event)
         VALUES (?1, (SELECT coalesce(max(seq), 0) + 1 FROM ticket_events WHERE ticket = ?1), ?2, ?3) RETURNING seq",
    )
    .bind(ticket.key())
    .bind(millis(at))
    .bind(event)
    .fetch_one(db)
    .await?;
    Ok(seq)
}

/// The ticket as it is now, in a write.
pub(super) async fn one(db: &mut SqliteConnection, store: &Store, ticket: Number) -> Result<Ticket, Failure> {
    let row = sqlx::query(select!("WHERE t.id = ?")).bind(ticket.key()).fetch_one(db).await?;
    Ok(store.read(&row)?)
}

/// Tells every backend what the ticket is now.
pub(super) async fn tell(
    db: &mut SqliteConnection,
    store: &Store,
    ticket: Number,
    event: &'static str,
    seq: u32,
    at: Timestamp,
) -> Result<(), Failure> {
    if store.0.backends.is_empty() {
        return Ok(());
    }
    let ticket = one(db, store, ticket).await?;
    outbox::add(db, &store.0.backends, &ticket, event, seq, at).await
}

struct File {
    filing: Filing,
    /// The segments' files as they are kept.
    files: Vec<String>,
    day: Date,
    now: Timestamp,
    store: Store,
}

impl Write for File {
    type Out = Filed;

    async fn write(&self, db: &mut SqliteConnection) -> Result<Filed, Failure> {
        let filing = &self.filing;
        if let Some(number) = of_call(db, filing.call).await? {
            self.raise(db, number).await?;
            return Ok(Filed { number, fresh: false });
        }
        self.put_call(db).await?;
        for (segment, file) in filing.segments.iter().zip(&self.files) {
            calls::add_segment(db, segment, file).await?;
        }
        let serial = sqlx::query_scalar::<_, u32>(
            "INSERT INTO serials (day, last) VALUES (?, 1)
             ON CONFLICT (day) DO UPDATE SET last = last + 1 RETURNING last",
        )
        .bind(self.day.to_string())
        .fetch_one(&mut *db)
        .await?;
        let number = Number::new(self.day, serial).map_err(Error::from)?;
        let event = Event::Filed { how: filing.how, text: filing.text_state };
        let standing = Standing::after(None, &event).map_err(Error::from)?;
        self.put_ticket(db, number, standing).await?;
        incidents::link(db, filing.call, number).await?;
        let dispatch = filing.dispatch.unwrap_or(self.now + DISPATCH_WITHIN);
        cases::begin(db, number, dispatch, self.now).await?;
        let seq = add_event(db, number, &event, self.now).await?;
        tell(db, &self.store, number, "created", seq, self.now).await?;
        Ok(Filed { number, fresh: true })
    }
}

impl File {
    /// Filed a second time, more urgently: an emergency came up after the ticket was made. Never the other way round.
    async fn raise(&self, db: &mut SqliteConnection, number: Number) -> Result<(), Failure> {
        let filing = &self.filing;
        let sql = "SELECT urgency FROM tickets WHERE id = ?";
        let standing: String = sqlx::query_scalar(sql).bind(number.key()).fetch_one(&mut *db).await?;
        let rank = |urgency: &str| urgency.parse::<Urgency>().unwrap_or_default();
        if rank(&filing.meaning.urgency) <= rank(&standing) {
            return Ok(());
        }
        for (segment, file) in filing.segments.iter().zip(&self.files) {
            calls::add_segment(db, segment, file).await?;
        }
        sqlx::query("UPDATE tickets SET text = ?, hints = ?, keys = ? WHERE id = ?")
            .bind(&filing.text)
            .bind(filing.hints.to_string())
            .bind(&filing.keys)
            .bind(number.key())
            .execute(&mut *db)
            .await?;
        put_meaning(db, number, &filing.meaning, self.now).await?;
        let seq = happen(db, number, &Event::Raised { urgency: filing.meaning.urgency.clone() }, self.now).await?;
        tell(db, &self.store, number, "updated", seq, self.now).await
    }

    /// The call's own row may have failed to be written; the ticket does not depend on it.
    async fn put_call(&self, db: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let filing = &self.filing;
        sqlx::query(
            "INSERT INTO calls (id, line, caller, trunk, began, answered, keys, settled)
             VALUES (?1, ?2, ?3, '', ?4, ?4, ?5, 1)
             ON CONFLICT (id) DO UPDATE SET settled = 1, keys = excluded.keys",
        )
        .bind(filing.call.to_string())
        .bind(&filing.line)
        .bind(&filing.caller)
        .bind(millis(filing.began))
        .bind(&filing.keys)
        .execute(db)
        .await?;
        Ok(())
    }

    async fn put_ticket(&self, db: &mut SqliteConnection, number: Number, standing: Standing) -> Result<(), Failure> {
        let filing = &self.filing;
        sqlx::query(
            "INSERT INTO tickets (id, call, line, caller, how, state, began, opened, changed, keys, text, text_state, \
             kind, category1, category2, category3, confidence, urgency, unit, place, place_name, district, \
             place_confidence, evidence, hints) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', '', '', 0, '', NULL, NULL, NULL, NULL, NULL, '[]', ?)",
        )
        .bind(number.key())
        .bind(filing.call.to_string())
        .bind(&filing.line)
        .bind(&filing.caller)
        .bind(filing.how.code())
        .bind(standing.state.code())
        .bind(millis(filing.began))
        .bind(millis(self.now))
        .bind(millis(self.now))
        .bind(&filing.keys)
        .bind(&filing.text)
        .bind(standing.text.code())
        .bind(filing.hints.to_string())
        .execute(&mut *db)
        .await?;
        put_meaning(db, number, &filing.meaning, self.now).await
    }
}

pub(super) async fn put_meaning(
    db: &mut SqliteConnection,
    number: Number,
    meaning: &Meaning,
    now: Timestamp,
) -> Result<(), Failure> {
    let place = meaning.place.as_ref();
    sqlx::query(
        "UPDATE tickets SET kind = ?, category1 = ?, category2 = ?, category3 = ?, confidence = ?, urgency = ?, \
         unit = ?, place = ?, place_name = ?, district = ?, place_confidence = ?, evidence = ?, title = ?, facts = ? WHERE id = ?",
    )
    .bind(&meaning.kind)
    .bind(&meaning.category[0])
    .bind(&meaning.category[1])
    .bind(&meaning.category[2])
    .bind(meaning.confidence)
    .bind(&meaning.urgency)
    .bind(&meaning.unit)
    .bind(place.map(|p| &p.code))
    .bind(place.map(|p| &p.name))
    .bind(place.map(|p| &p.district))
    .bind(place.map(|p| p.confidence))
    .bind(meaning.evidence.to_string())
    .bind(&meaning.title)
    .bind(meaning.facts.to_string())
    .bind(number.key())
    .execute(&mut *db)
    .await?;
    duty::alarm(db, number, &meaning.urgency, now).await
}

struct Reread {
    number: Number,
    text: Option<String>,
    meaning: Meaning,
    event: Event,
    now: Timestamp,
    store: Store,
}

impl Write for Reread {
    type Out = bool;

    async fn write(&self, db: &mut SqliteConnection) -> Result<bool, Failure> {
        let standing = standing(db, self.number).await?;
        if Standing::after(Some(standing), &self.event).is_err() {
            return Ok(false);
        }
        sqlx::query("UPDATE tickets SET text = ? WHERE id = ?")
            .bind(&self.text)
            .bind(self.number.key())
            .execute(&mut *db)
            .await?;
        put_meaning(db, self.number, &self.meaning, self.now).await?;
        let seq = happen(db, self.number, &self.event, self.now).await?;
        tell(db, &self.store, self.number, "updated", seq, self.now).await?;
        Ok(true)
    }
}
