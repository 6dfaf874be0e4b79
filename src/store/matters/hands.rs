//! What people do to matters: merge and split them. Their word stays: nothing moves a ticket again that has its matter.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::SqliteConnection;

use super::super::{Error, Failure, Store, Write, millis, time};
use super::{new_matter, text};
use crate::ticket::Number;

/// What a person did to a matter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatterChange {
    #[serde(serialize_with = "text")]
    pub at: Timestamp,
    pub author: String,
    pub change: String,
}

/// Why a merge or a split was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("there is no matter {0}")]
    NoMatter(i64),
    #[error("matter {0} was merged into {1}")]
    Merged(i64, i64),
    #[error("a matter cannot be merged into itself")]
    Itself,
    #[error("ticket {0} is not of matter {1}")]
    NotOfIt(Number, i64),
    #[error("no ticket would stay in matter {0}")]
    All(i64),
}

impl Store {
    /// What people did to a matter, in order.
    pub async fn matter_changes(&self, matter: i64) -> Result<Vec<MatterChange>, Error> {
        let mut db = self.reader().await?;
        let sql = "SELECT at, author, change FROM matter_changes WHERE matter = ? ORDER BY id";
        let rows = sqlx::query_as::<_, (i64, String, String)>(sql).bind(matter).fetch_all(&mut *db).await;
        let rows = rows.map_err(|error| self.sort(&error))?;
        rows.into_iter().map(|(at, author, change)| Ok(MatterChange { at: time(at)?, author, change })).collect()
    }

    /// A person says that `from` is the same as `into`: all its tickets go there.
    pub async fn merge_matters(
        &self,
        from: i64,
        into: i64,
        author: &str,
        now: Timestamp,
    ) -> Result<Result<(), Refused>, Error> {
        self.write(Merge { from, into, author: author.to_owned(), now }).await
    }

    /// A person says that `tickets` are another matter: they get one of their own, whose number comes back.
    pub async fn split_matter(
        &self,
        from: i64,
        tickets: Vec<Number>,
        author: &str,
        now: Timestamp,
    ) -> Result<Result<i64, Refused>, Error> {
        self.write(Split { from, tickets, author: author.to_owned(), now }).await
    }
}

struct Merge {
    from: i64,
    into: i64,
    author: String,
    now: Timestamp,
}

impl Write for Merge {
    type Out = Result<(), Refused>;

    async fn write(&self, db: &mut SqliteConnection) -> Result<Result<(), Refused>, Failure> {
        if self.from == self.into {
            return Ok(Err(Refused::Itself));
        }
        for id in [self.from, self.into] {
            if let Some(why) = refused(db, id).await? {
                return Ok(Err(why));
            }
        }
        let sql = "UPDATE tickets SET matter = ? WHERE matter = ?";
        sqlx::query(sql).bind(self.into).bind(self.from).execute(&mut *db).await?;
        let sql = "UPDATE matters SET merged = ? WHERE id = ?";
        sqlx::query(sql).bind(self.into).bind(self.from).execute(&mut *db).await?;
        recount(db, self.from).await?;
        recount(db, self.into).await?;
        let who = (self.author.as_str(), self.now);
        changed(db, self.from, who, &format!("merged into {}", self.into)).await?;
        changed(db, self.into, who, &format!("took in {}", self.from)).await?;
        Ok(Ok(()))
    }
}

struct Split {
    from: i64,
    tickets: Vec<Number>,
    author: String,
    now: Timestamp,
}

impl Write for Split {
    type Out = Result<i64, Refused>;

    async fn write(&self, db: &mut SqliteConnection) -> Result<Result<i64, Refused>, Failure> {
        if let Some(why) = refused(db, self.from).await? {
            return Ok(Err(why));
        }
        for ticket in &self.tickets {
            let sql = "SELECT count(*) FROM tickets WHERE id = ? AND matter = ?";
            let there =
                sqlx::query_scalar::<_, u32>(sql).bind(ticket.key()).bind(self.from).fetch_one(&mut *db).await?;
            if there == 0 {
                return Ok(Err(Refused::NotOfIt(*ticket, self.from)));
            }
        }
        let all = sqlx::query_scalar::<_, u32>("SELECT count(*) FROM tickets WHERE matter = ?");
        let all = all.bind(self.from).fetch_one(&mut *db).await?;
        let mut different = self.tickets.clone();
        different.sort_unstable();
        different.dedup();
        if different.len() >= all as usize {
            return Ok(Err(Refused::All(self.from)));
        }
        let matter = new_matter(db, millis(self.now)).await?;
        for ticket in &different {
            let sql = "UPDATE tickets SET matter = ? WHERE id = ?";
            sqlx::query(sql).bind(matter).bind(ticket.key()).execute(&mut *db).await?;
        }
        // What repeats a ticket that is elsewhere now is no repeat any more.
        sqlx::query(
            "UPDATE tickets SET repeats = NULL WHERE matter IN (?1, ?2) AND repeats IS NOT NULL
             AND (SELECT matter FROM tickets e WHERE e.id = tickets.repeats) IS NOT matter",
        )
        .bind(self.from)
        .bind(matter)
        .execute(&mut *db)
        .await?;
        recount(db, self.from).await?;
        recount(db, matter).await?;
        let who = (self.author.as_str(), self.now);
        let list: Vec<String> = different.iter().map(Number::to_string).collect();
        changed(db, self.from, who, &format!("{} went to {matter}", list.join(" "))).await?;
        changed(db, matter, who, &format!("split from {}", self.from)).await?;
        Ok(Ok(matter))
    }
}

/// Why nothing can be done to a matter.
async fn refused(db: &mut SqliteConnection, id: i64) -> Result<Option<Refused>, Failure> {
    let sql = "SELECT merged FROM matters WHERE id = ?";
    let merged = sqlx::query_scalar::<_, Option<i64>>(sql).bind(id).fetch_optional(db).await?;
    Ok(match merged {
        None => Some(Refused::NoMatter(id)),
        Some(Some(into)) => Some(Refused::Merged(id, into)),
        Some(None) => None,
    })
}

/// Its number of tickets and its times, from the tickets that it has now.
async fn recount(db: &mut SqliteConnection, matter: i64) -> Result<(), Failure> {
    sqlx::query(
        "UPDATE matters SET (count, first, last) =
         (SELECT count(*), coalesce(min(began), matters.first), coalesce(max(began), matters.last)
          FROM tickets WHERE matter = ?1) WHERE id = ?1",
    )
    .bind(matter)
    .execute(db)
    .await?;
    Ok(())
}

async fn changed(
    db: &mut SqliteConnection,
    matter: i64,
    (author, now): (&str, Timestamp),
    change: &str,
) -> Result<(), Failure> {
    let sql = "INSERT INTO matter_changes (matter, at, author, change) VALUES (?, ?, ?, ?)";
    sqlx::query(sql).bind(matter).bind(millis(now)).bind(author).bind(change).execute(db).await?;
    Ok(())
}
