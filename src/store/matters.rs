//! Matters: which tickets report the same, put together by [`crate::matter`]'s likeness and by people.
//!
//! A ticket waits here (`gathered IS NULL`) from its own commit on, so none is lost and no caller waits for it. Which
//! matter a ticket joins is decided inside the write, by where the tickets that it is like are *now*: what a person
//! merged or split a moment ago holds.

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, SqliteConnection};

use super::{Error, Failure, Store, millis, tickets, time};
use crate::catalogue::OTHER;
use crate::classify::UNSORTED;
use crate::matter::Report;
use crate::ticket::Number;

mod gather;
mod hands;

pub use gather::{Counts, Gather, Gathered};
pub use hands::{MatterChange, Refused};

/// Tickets of one matter that are shown, and read for its title.
const SHOWN: u32 = 1000;
/// Places and units of one matter that are shown.
const NAMES: u32 = 20;

/// A ticket as it is compared with others.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    pub number: Number,
    pub began: Timestamp,
    pub caller: Option<String>,
    pub text: Option<String>,
    pub category: [String; 3],
    pub street: Option<String>,
    pub district: Option<String>,
}

impl Reported {
    /// What is compared; nothing where nothing was said.
    pub fn report(&self) -> Option<Report<'_>> {
        let text = self.text.as_deref().filter(|text| !text.trim().is_empty())?;
        // What could not be told is no category that two reports have in common.
        let known = |level: usize| Some(self.category[level].as_str()).filter(|name| ![UNSORTED, OTHER].contains(name));
        Some(Report {
            text,
            at: self.began.as_second(),
            category: [0, 1, 2].map(|level| known(level).unwrap_or_default()),
            street: self.street.as_deref(),
            district: self.district.as_deref(),
            caller: self.caller.as_deref(),
        })
    }
}

/// A group of tickets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatterRow {
    pub id: i64,
    pub title: String,
    pub count: u32,
    #[serde(serialize_with = "text")]
    pub first: Timestamp,
    #[serde(serialize_with = "text")]
    pub last: Timestamp,
    /// When there were last abnormally many, and how many.
    #[serde(serialize_with = "maybe")]
    pub alarmed: Option<Timestamp>,
    pub alarm: Option<String>,
    /// The one that a person found it to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merged: Option<i64>,
    /// How many tickets name each street office (or the district, where that is all they name).
    pub places: Vec<Named>,
    /// The units that it concerns, and how many tickets went to each.
    pub units: Vec<Named>,
    /// Callers who called more than once of it.
    pub repeats: u32,
}

/// A name and how often it occurs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    pub name: String,
    pub count: u32,
}

fn text<T: std::fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn maybe<T: std::fmt::Display, S: Serializer>(value: &Option<T>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

impl Store {
    /// Tickets that wait to be put to their matter, the oldest first; those whose text is pending wait for it.
    pub async fn ungathered(&self, limit: u32) -> Result<Vec<Reported>, Error> {
        let sql = "SELECT id, began, caller, text, category1, category2, category3, place_name, district FROM tickets
                   WHERE gathered IS NULL AND text_state <> 'pending' ORDER BY id LIMIT ?2 OFFSET ?1";
        self.reported(sql, 0, limit).await
    }

    /// The newest tickets that have their matter and began after `since`, the oldest first.
    pub async fn gathered(&self, since: Timestamp, limit: u32) -> Result<Vec<Reported>, Error> {
        let sql = "SELECT id, began, caller, text, category1, category2, category3, place_name, district FROM tickets
                   WHERE matter IS NOT NULL AND began > ?1 ORDER BY id DESC LIMIT ?2";
        let mut list = self.reported(sql, millis(since), limit).await?;
        list.reverse();
        Ok(list)
    }

    /// The tickets of a matter, the oldest first.
    pub async fn tickets_of_matter(&self, matter: i64) -> Result<Vec<Reported>, Error> {
        let sql = "SELECT id, began, caller, text, category1, category2, category3, place_name, district FROM tickets
                   WHERE matter = ?1 ORDER BY began, id LIMIT ?2";
        self.reported(sql, matter, SHOWN).await
    }

    /// A caller's tickets that began after `since`, at most the newest `limit`, the oldest first; a withheld number has
    /// none.
    pub async fn reported_by(&self, caller: &str, since: Timestamp, limit: u32) -> Result<Vec<Reported>, Error> {
        if caller.is_empty() {
            return Ok(Vec::new());
        }
        let mut db = self.reader().await?;
        let sql = "SELECT id, began, caller, text, category1, category2, category3, place_name, district FROM tickets
                   WHERE caller = ? AND began > ? ORDER BY id DESC LIMIT ?";
        let rows = sqlx::query(sql).bind(caller).bind(millis(since)).bind(limit).fetch_all(&mut *db).await;
        rows.map_err(|error| self.sort(&error))?.iter().rev().map(|row| self.read_reported(row)).collect()
    }

    async fn reported(&self, sql: &'static str, first: i64, limit: u32) -> Result<Vec<Reported>, Error> {
        let mut db = self.reader().await?;
        let rows = sqlx::query(sql).bind(first).bind(limit).fetch_all(&mut *db).await;
        rows.map_err(|error| self.sort(&error))?.iter().map(|row| self.read_reported(row)).collect()
    }

    fn read_reported(&self, row: &SqliteRow) -> Result<Reported, Error> {
        let columns = || -> Result<_, sqlx::Error> {
            let category = [row.try_get("category1")?, row.try_get("category2")?, row.try_get("category3")?];
            let place: [Option<String>; 2] = [row.try_get("place_name")?, row.try_get("district")?];
            let said: [Option<String>; 2] = [row.try_get("caller")?, row.try_get("text")?];
            Ok((row.try_get::<i64, _>("id")?, row.try_get::<i64, _>("began")?, category, place, said))
        };
        let (id, began, category, [street, district], [caller, text]) = columns().map_err(|error| self.sort(&error))?;
        // A place that is a district is no street.
        let street = street.filter(|street| Some(street) != district.as_ref());
        Ok(Reported { number: tickets::number(id)?, began: time(began)?, caller, text, category, street, district })
    }

    /// How many tickets of a matter began after `since`.
    pub async fn matter_since(&self, matter: i64, since: Timestamp) -> Result<u32, Error> {
        let mut db = self.reader().await?;
        let sql = "SELECT count(*) FROM tickets WHERE matter = ? AND began > ?";
        let count = sqlx::query_scalar::<_, u32>(sql).bind(matter).bind(millis(since)).fetch_one(&mut *db).await;
        count.map_err(|error| self.sort(&error))
    }

    /// Matters of at least `least` tickets, the last reported first.
    pub async fn matters(&self, least: u32, limit: u32) -> Result<Vec<MatterRow>, Error> {
        let sql = "SELECT * FROM matters WHERE count >= ? ORDER BY last DESC, id DESC LIMIT ?";
        self.read_matters(sql, i64::from(least), limit).await
    }

    pub async fn matter(&self, id: i64) -> Result<Option<MatterRow>, Error> {
        Ok(self.read_matters("SELECT * FROM matters WHERE id = ? LIMIT ?", id, 1).await?.pop())
    }

    async fn read_matters(&self, sql: &'static str, first: i64, limit: u32) -> Result<Vec<MatterRow>, Error> {
        let mut db = self.reader().await?;
        let rows = sqlx::query(sql).bind(first).bind(limit).fetch_all(&mut *db).await;
        let mut list = Vec::new();
        for row in rows.map_err(|error| self.sort(&error))? {
            let columns = || -> Result<_, sqlx::Error> {
                let times: (i64, i64, Option<i64>) =
                    (row.try_get("first")?, row.try_get("last")?, row.try_get("alarmed")?);
                Ok((row.try_get("id")?, row.try_get("title")?, row.try_get("count")?, times))
            };
            let (id, title, count, (first, last, alarmed)) = columns().map_err(|error| self.sort(&error))?;
            let rest = || -> Result<_, sqlx::Error> { Ok((row.try_get("alarm")?, row.try_get("merged")?)) };
            let (alarm, merged) = rest().map_err(|error| self.sort(&error))?;
            let names = "SELECT coalesce(place_name, district) AS name, count(*) AS n FROM tickets
                         WHERE matter = ? AND name IS NOT NULL GROUP BY name ORDER BY n DESC, name LIMIT ?";
            let places = self.names(&mut db, names, id).await?;
            let names = "SELECT unit AS name, count(*) AS n FROM tickets
                         WHERE matter = ? AND unit IS NOT NULL GROUP BY name ORDER BY n DESC, name LIMIT ?";
            let units = self.names(&mut db, names, id).await?;
            let repeats = "SELECT count(*) FROM tickets WHERE matter = ? AND repeats IS NOT NULL";
            let repeats = sqlx::query_scalar::<_, u32>(repeats).bind(id).fetch_one(&mut *db).await;
            let repeats = repeats.map_err(|error| self.sort(&error))?;
            let (first, last, alarmed) = (time(first)?, time(last)?, alarmed.map(time).transpose()?);
            list.push(MatterRow { id, title, count, first, last, alarmed, alarm, merged, places, units, repeats });
        }
        Ok(list)
    }

    async fn names(&self, db: &mut SqliteConnection, sql: &'static str, matter: i64) -> Result<Vec<Named>, Error> {
        let rows = sqlx::query_as::<_, (String, u32)>(sql).bind(matter).bind(NAMES).fetch_all(db).await;
        let rows = rows.map_err(|error| self.sort(&error))?;
        Ok(rows.into_iter().map(|(name, count)| Named { name, count }).collect())
    }
}

/// A matter without tickets yet.
async fn new_matter(db: &mut SqliteConnection, began: i64) -> Result<i64, Failure> {
    let sql = "INSERT INTO matters (first, last) VALUES (?1, ?1) RETURNING id";
    Ok(sqlx::query_scalar::<_, i64>(sql).bind(began).fetch_one(db).await?)
}

#[cfg(test)]
mod tests;
