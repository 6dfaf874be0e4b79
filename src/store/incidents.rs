//! Known incidents, and the tickets of callers who were added to them.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Error, Failure, IncidentRow, Store, Write, known, millis, tickets, time};
use crate::id::CallId;
use crate::ticket::Number;

/// Incidents that may be open at once: each is compared with every call.
pub const MOST_OPEN: u32 = 100;

impl Store {
    /// Writes a new incident (its `id` and `joined` mean nothing yet). `None`: as many are open as may be.
    pub async fn incident_known(&self, row: IncidentRow) -> Result<Option<i64>, Error> {
        self.write(Known(row)).await
    }

    /// Callers hear no more of it. `false`: it was closed, or there is none.
    pub async fn incident_over(&self, id: i64, now: Timestamp) -> Result<bool, Error> {
        self.write(Over { id, now }).await
    }

    /// What callers hear of at `now`, the newest first.
    pub async fn open_incidents(&self, now: Timestamp) -> Result<Vec<IncidentRow>, Error> {
        let sql = "SELECT i.*, (SELECT count(*) FROM tickets t WHERE t.incident = i.id) AS joined FROM incidents i
                   WHERE closed IS NULL AND until > ? ORDER BY id DESC LIMIT ?";
        self.incidents(sql, millis(now), MOST_OPEN).await
    }

    /// All that ever were, the newest first.
    pub async fn all_incidents(&self, limit: u32) -> Result<Vec<IncidentRow>, Error> {
        let sql = "SELECT i.*, (SELECT count(*) FROM tickets t WHERE t.incident = i.id) AS joined FROM incidents i
                   WHERE id > ? ORDER BY id DESC LIMIT ?";
        self.incidents(sql, 0, limit).await
    }

    /// The caller wants to be added: their ticket will be linked, whoever files it.
    pub async fn call_joined(&self, call: CallId, incident: i64) -> Result<(), Error> {
        self.write(Joined { call, incident }).await
    }

    async fn incidents(&self, sql: &'static str, from: i64, limit: u32) -> Result<Vec<IncidentRow>, Error> {
        let mut db = self.reader().await?;
        let rows = sqlx::query(sql).bind(from).bind(limit).fetch_all(&mut *db).await;
        rows.map_err(|error| self.sort(&error))?.iter().map(|row| self.read_incident(row)).collect()
    }

    fn read_incident(&self, row: &SqliteRow) -> Result<IncidentRow, Error> {
        let columns = || -> Result<_, sqlx::Error> {
            let numbers: (i64, i64, i64, i64) =
                (row.try_get("id")?, row.try_get("since")?, row.try_get("until")?, row.try_get("joined")?);
            let maybe: (Option<i64>, Option<i64>) = (row.try_get("closed")?, row.try_get("ticket")?);
            let texts: [String; 5] = [
                row.try_get("text")?,
                row.try_get("author")?,
                row.try_get("places")?,
                row.try_get("words")?,
                row.try_get("callers")?,
            ];
            Ok((numbers, maybe, texts))
        };
        let ((id, since, until, joined), (closed, ticket), [text, author, places, words, callers]) =
            columns().map_err(|error| self.sort(&error))?;
        let list = |text: String| known("an incident's list", serde_json::from_str::<Vec<String>>(&text));
        Ok(IncidentRow {
            id,
            text,
            places: list(places)?,
            words: list(words)?,
            callers: list(callers)?,
            since: time(since)?,
            until: time(until)?,
            closed: closed.map(time).transpose()?,
            author,
            ticket: ticket.map(tickets::number).transpose()?,
            joined: joined.unsigned_abs(),
        })
    }
}

/// Links a ticket that has just been written to the incident that its caller chose. The first one becomes the
/// incident's own ticket where it has none.
pub(super) async fn link(db: &mut SqliteConnection, call: CallId, ticket: Number) -> Result<(), Failure> {
    let chosen = "SELECT incident FROM calls WHERE id = ?";
    let chosen = sqlx::query_scalar::<_, Option<i64>>(chosen).bind(call.to_string()).fetch_optional(&mut *db).await?;
    let Some(incident) = chosen.flatten() else { return Ok(()) };
    sqlx::query(
        "UPDATE tickets SET incident = ?1, parent = (SELECT ticket FROM incidents WHERE id = ?1) WHERE id = ?2",
    )
    .bind(incident)
    .bind(ticket.key())
    .execute(&mut *db)
    .await?;
    sqlx::query("UPDATE incidents SET ticket = ? WHERE id = ? AND ticket IS NULL")
        .bind(ticket.key())
        .bind(incident)
        .execute(db)
        .await?;
    Ok(())
}

struct Known(IncidentRow);

impl Write for Known {
    type Out = Option<i64>;

    async fn write(&self, db: &mut SqliteConnection) -> Result<Option<i64>, Failure> {
        let row = &self.0;
        let open = "SELECT count(*) FROM incidents WHERE closed IS NULL AND until > ?";
        let open = sqlx::query_scalar::<_, i64>(open).bind(millis(row.since)).fetch_one(&mut *db).await?;
        if open >= i64::from(MOST_OPEN) {
            return Ok(None);
        }
        let list = |list: &[String]| known("an incident's list", serde_json::to_string(list));
        let id = sqlx::query_scalar::<_, i64>(
            "INSERT INTO incidents (text, places, words, callers, since, until, author, ticket)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        )
        .bind(&row.text)
        .bind(list(&row.places)?)
        .bind(list(&row.words)?)
        .bind(list(&row.callers)?)
        .bind(millis(row.since))
        .bind(millis(row.until))
        .bind(&row.author)
        .bind(row.ticket.map(Number::key))
        .fetch_one(db)
        .await?;
        Ok(Some(id))
    }
}

struct Over {
    id: i64,
    now: Timestamp,
}

impl Write for Over {
    type Out = bool;

    async fn write(&self, db: &mut SqliteConnection) -> Result<bool, Failure> {
        let sql = "UPDATE incidents SET closed = ? WHERE id = ? AND closed IS NULL";
        let done = sqlx::query(sql).bind(millis(self.now)).bind(self.id).execute(db).await?;
        Ok(done.rows_affected() == 1)
    }
}

struct Joined {
    call: CallId,
    incident: i64,
}

impl Write for Joined {
    type Out = ();

    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        let sql = "UPDATE calls SET incident = ? WHERE id = ?";
        sqlx::query(sql).bind(self.incident).bind(self.call.to_string()).execute(db).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::planted;
    use crate::store::{CallRow, Config};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_795_000_000 + second).expect("a time")
    }

    fn row(until: i64) -> IncidentRow {
        IncidentRow {
            id: 0,
            text: "康邑园停水".into(),
            places: vec!["呼家楼街道".into()],
            words: vec!["康邑园".into()],
            callers: Vec::new(),
            since: at(10),
            until: at(until),
            closed: None,
            author: "a".into(),
            ticket: None,
            joined: 0,
        }
    }

    #[tokio::test]
    async fn tickets_of_callers_who_join_are_linked_to_the_first_and_counted() {
        let temp = tempfile::tempdir().expect("a folder");
        let zone = jiff::tz::TimeZone::UTC;
        let store = Store::open(&Config::default(), temp.path(), &zone, &[]).await.expect("a store");
        let id = store.incident_known(row(100)).await.expect("written").expect("there is room");
        let mut numbers = Vec::new();
        for n in 1..=3 {
            let call = CallId::new(20_000, n);
            let (line, trunk) = ("12345".to_owned(), "local".to_owned());
            let (caller, display, user_to_user, version) = (None, None, None, None);
            let began = at(20);
            let row = CallRow { id: call, line, caller, display, trunk, user_to_user, version, began, answered: began };
            store.call_began(row).await.expect("written");
            if n != 2 {
                store.call_joined(call, id).await.expect("written");
            }
            numbers.push(store.file(planted::pending(call), at(30)).await.expect("filed").number);
        }
        let ticket = async |i: usize| store.ticket(numbers[i]).await.expect("read").expect("it is there");
        let links = [ticket(0).await, ticket(1).await, ticket(2).await].map(|t| (t.incident, t.parent));
        assert_eq!(links, [(Some(id), None), (None, None), (Some(id), Some(numbers[0]))]);
        let open = store.open_incidents(at(50)).await.expect("read");
        assert_eq!((open[0].joined, open[0].ticket), (2, Some(numbers[0])));
        assert_eq!(open[0].places, ["呼家楼街道"]);
    }

    #[tokio::test]
    async fn an_incident_ends_by_time_or_by_hand_and_few_are_open() {
        let temp = tempfile::tempdir().expect("a folder");
        let zone = jiff::tz::TimeZone::UTC;
        let store = Store::open(&Config::default(), temp.path(), &zone, &[]).await.expect("a store");
        let first = store.incident_known(row(100)).await.expect("written").expect("there is room");
        assert_eq!(store.open_incidents(at(100)).await.expect("read"), []);
        assert!(store.incident_over(first, at(60)).await.expect("written"));
        assert!(!store.incident_over(first, at(61)).await.expect("written"), "it is closed already");
        assert_eq!(store.open_incidents(at(50)).await.expect("read"), []);
        for _ in 0..MOST_OPEN {
            assert!(store.incident_known(row(100)).await.expect("written").is_some());
        }
        assert_eq!(store.incident_known(row(100)).await.expect("written"), None);
        assert_eq!(store.all_incidents(1000).await.expect("read").len(), MOST_OPEN as usize + 1);
    }
}
