//! Versions of what calls follow, and when each was taken.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{ActivationRow, ActivationState, Error, Failure, Store, VersionRow, Write, known, millis, time};
use crate::id::VersionId;

impl Store {
    /// Keeps a version; one that is there already keeps its number, author and note. Gives the number.
    pub async fn keep_version(
        &self,
        id: VersionId,
        files: BTreeMap<String, String>,
        (author, note): (&str, &str),
        now: Timestamp,
    ) -> Result<i64, Error> {
        self.write(Keep { id, files, author: author.to_owned(), note: note.to_owned(), now }).await
    }

    /// A version is to be taken at `due`, or was taken or refused just now. Gives the row's number.
    pub async fn activation(&self, row: ActivationRow) -> Result<i64, Error> {
        self.write(Planned(row)).await
    }

    /// What became of an activation; the first decision stands. `false`: it was decided already.
    pub async fn decide(
        &self,
        id: i64,
        state: ActivationState,
        why: Option<String>,
        folder: Option<VersionId>,
    ) -> Result<bool, Error> {
        self.write(Decided { id, state, why, folder }).await
    }

    /// The activation that falls due next.
    pub async fn next_activation(&self) -> Result<Option<ActivationRow>, Error> {
        Ok(self
            .activations("SELECT * FROM activations WHERE state = 'waiting' ORDER BY due, id LIMIT ?", 1)
            .await?
            .pop())
    }

    /// The one that was taken last.
    pub async fn last_activation(&self) -> Result<Option<ActivationRow>, Error> {
        Ok(self.activations("SELECT * FROM activations WHERE state = 'taken' ORDER BY id DESC LIMIT ?", 1).await?.pop())
    }

    /// All of them, the newest first.
    pub async fn all_activations(&self, limit: u32) -> Result<Vec<ActivationRow>, Error> {
        self.activations("SELECT * FROM activations ORDER BY id DESC LIMIT ?", limit).await
    }

    async fn activations(&self, sql: &'static str, limit: u32) -> Result<Vec<ActivationRow>, Error> {
        let mut db = self.reader().await?;
        let rows = sqlx::query(sql).bind(limit).fetch_all(&mut *db).await.map_err(|error| self.sort(&error))?;
        rows.iter().map(|row| self.read_activation(row)).collect()
    }

    /// Versions, the newest first.
    pub async fn versions(&self, limit: u32) -> Result<Vec<VersionRow>, Error> {
        let mut db = self.reader().await?;
        let sql = "SELECT * FROM versions ORDER BY number DESC LIMIT ?";
        let rows = sqlx::query(sql).bind(limit).fetch_all(&mut *db).await.map_err(|error| self.sort(&error))?;
        rows.iter().map(|row| self.read_version(row)).collect()
    }

    pub async fn version(&self, number: i64) -> Result<Option<VersionRow>, Error> {
        let mut db = self.reader().await?;
        let sql = "SELECT * FROM versions WHERE number = ?";
        let row = sqlx::query(sql).bind(number).fetch_optional(&mut *db).await.map_err(|error| self.sort(&error))?;
        row.map(|row| self.read_version(&row)).transpose()
    }

    /// Forgets the oldest versions above `keep`, never one that was taken last or waits to be. Gives the hashes of the
    /// files that are still needed.
    pub async fn forget_versions(&self, keep: u32) -> Result<BTreeSet<String>, Error> {
        self.write(Forget { keep, store: self.clone() }).await
    }

    fn read_version(&self, row: &SqliteRow) -> Result<VersionRow, Error> {
        let get = |column| row.try_get::<String, _>(column).map_err(|error| self.sort(&error));
        let number = |column| row.try_get::<i64, _>(column).map_err(|error| self.sort(&error));
        Ok(VersionRow {
            number: number("number")?,
            id: VersionId::read(&get("hash")?).ok_or_else(|| Error::Fault("a version's hash is none".to_owned()))?,
            saved: time(number("saved")?)?,
            author: get("author")?,
            note: get("note")?,
            files: known("a version's files", serde_json::from_str(&get("files")?))?,
        })
    }

    fn read_activation(&self, row: &SqliteRow) -> Result<ActivationRow, Error> {
        let get = |column| row.try_get::<Option<String>, _>(column).map_err(|error| self.sort(&error));
        let number = |column| row.try_get::<i64, _>(column).map_err(|error| self.sort(&error));
        let state = get("state")?.unwrap_or_default();
        Ok(ActivationRow {
            id: number("id")?,
            version: number("version")?,
            due: time(number("due")?)?,
            state: ActivationState::read(&state)
                .ok_or_else(|| Error::Fault(format!("{state:?} in the database is no state of an activation")))?,
            author: get("author")?.unwrap_or_default(),
            note: get("note")?.unwrap_or_default(),
            why: get("why")?,
            folder: get("folder")?.as_deref().and_then(VersionId::read),
        })
    }
}

struct Keep {
    id: VersionId,
    files: BTreeMap<String, String>,
    author: String,
    note: String,
    now: Timestamp,
}

impl Write for Keep {
    type Out = i64;

    async fn write(&self, db: &mut SqliteConnection) -> Result<i64, Failure> {
        let known_already = "SELECT number FROM versions WHERE hash = ?";
        let number = sqlx::query_scalar::<_, i64>(known_already).bind(self.id.whole()).fetch_optional(&mut *db).await?;
        if let Some(number) = number {
            return Ok(number);
        }
        let files = known("a version's files", serde_json::to_string(&self.files))?;
        let number = sqlx::query_scalar::<_, i64>(
            "INSERT INTO versions (hash, saved, author, note, files) VALUES (?, ?, ?, ?, ?) RETURNING number",
        )
        .bind(self.id.whole())
        .bind(millis(self.now))
        .bind(&self.author)
        .bind(&self.note)
        .bind(files)
        .fetch_one(db)
        .await?;
        Ok(number)
    }
}

struct Planned(ActivationRow);

impl Write for Planned {
    type Out = i64;

    async fn write(&self, db: &mut SqliteConnection) -> Result<i64, Failure> {
        let row = &self.0;
        let id = sqlx::query_scalar::<_, i64>(
            "INSERT INTO activations (version, due, state, author, note, why, folder) VALUES (?, ?, ?, ?, ?, ?, ?)
             RETURNING id",
        )
        .bind(row.version)
        .bind(millis(row.due))
        .bind(row.state.word())
        .bind(&row.author)
        .bind(&row.note)
        .bind(&row.why)
        .bind(row.folder.map(|folder| folder.whole()))
        .fetch_one(db)
        .await?;
        Ok(id)
    }
}

struct Decided {
    id: i64,
    state: ActivationState,
    why: Option<String>,
    folder: Option<VersionId>,
}

impl Write for Decided {
    type Out = bool;

    async fn write(&self, db: &mut SqliteConnection) -> Result<bool, Failure> {
        let sql = "UPDATE activations SET state = ?, why = ?, folder = ? WHERE id = ? AND state = 'waiting'";
        let done = sqlx::query(sql)
            .bind(self.state.word())
            .bind(&self.why)
            .bind(self.folder.map(|folder| folder.whole()))
            .bind(self.id)
            .execute(db)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}

struct Forget {
    keep: u32,
    store: Store,
}

impl Write for Forget {
    type Out = BTreeSet<String>;

    async fn write(&self, db: &mut SqliteConnection) -> Result<BTreeSet<String>, Failure> {
        let needed = "version IN (SELECT version FROM activations WHERE state = 'waiting')
                      OR id = (SELECT max(id) FROM activations WHERE state = 'taken')";
        let old = "SELECT number FROM versions ORDER BY number DESC LIMIT -1 OFFSET ?";
        // The log goes with its version; what is said of the others stays, as many rows as ten for each version.
        let sql = format!(
            "DELETE FROM activations WHERE NOT (version IN (SELECT version FROM activations WHERE {needed})) AND
             (version IN ({old}) OR id <= (SELECT max(id) FROM activations) - 10 * ?)"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(self.keep).bind(self.keep).execute(&mut *db).await?;
        let sql =
            format!("DELETE FROM versions WHERE number IN ({old}) AND number NOT IN (SELECT version FROM activations)");
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(self.keep).execute(&mut *db).await?;
        let rows = sqlx::query("SELECT * FROM versions").fetch_all(db).await?;
        let mut files = BTreeSet::new();
        for row in &rows {
            files.extend(self.store.read_version(row)?.files.into_values());
        }
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Config;

    async fn store(folder: &std::path::Path) -> Store {
        Store::open(&Config::default(), folder, &jiff::tz::TimeZone::UTC, &[]).await.expect("a store")
    }

    fn id(n: u8) -> VersionId {
        VersionId([n; 32])
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    fn row(version: i64, due: i64, state: ActivationState) -> ActivationRow {
        let (author, note) = ("test".to_owned(), String::new());
        ActivationRow { id: 0, version, due: at(due), state, author, note, why: None, folder: None }
    }

    #[tokio::test]
    async fn the_same_content_is_the_same_version_and_a_decision_stands() {
        let temp = tempfile::tempdir().expect("a folder");
        let store = store(temp.path()).await;
        let keep = |n: u8| store.keep_version(id(n), [("lines.toml".into(), id(n).whole())].into(), ("a", ""), at(1));
        let numbers = [keep(1).await, keep(1).await, keep(2).await, keep(1).await, keep(3).await];
        assert_eq!(numbers.map(|number| number.expect("kept")), [1, 1, 2, 1, 3]);
        let late = store.activation(row(1, 90, ActivationState::Waiting)).await.expect("row");
        let soon = store.activation(row(2, 60, ActivationState::Waiting)).await.expect("row");
        assert_eq!(store.next_activation().await.expect("read").map(|row| row.id), Some(soon));
        let decide = |id, state| store.decide(id, state, Some("so".into()), Some(super::VersionId([7; 32])));
        assert!(decide(soon, ActivationState::Taken).await.expect("decided"));
        assert!(!decide(soon, ActivationState::Refused).await.expect("decided already"));
        let last = store.last_activation().await.expect("read").expect("one was taken");
        assert_eq!((last.id, last.version, last.folder), (soon, 2, Some(id(7))));
        assert_eq!(store.next_activation().await.expect("read").map(|row| row.id), Some(late));
    }

    #[tokio::test]
    async fn old_versions_go_but_not_one_that_is_needed() {
        let temp = tempfile::tempdir().expect("a folder");
        let store = store(temp.path()).await;
        for n in 1..=9u8 {
            let files = [("lines.toml".into(), id(n).whole()), ("flows/main.toml".into(), id(100).whole())].into();
            store.keep_version(id(n), files, ("a", ""), at(n.into())).await.expect("kept");
        }
        store.activation(row(4, 1, ActivationState::Taken)).await.expect("row");
        store.activation(row(2, 1, ActivationState::Taken)).await.expect("row");
        store.activation(row(3, 99, ActivationState::Waiting)).await.expect("row");
        store.activation(row(5, 99, ActivationState::Withdrawn)).await.expect("row");
        let files = store.forget_versions(2).await.expect("forgotten");
        let left: Vec<i64> = store.versions(99).await.expect("read").iter().map(|row| row.number).collect();
        assert_eq!(left, [9, 8, 3, 2], "2 was taken last, 3 waits");
        assert_eq!(files, [9, 8, 3, 2, 100].map(|n| id(n).whole()).into());
    }
}
