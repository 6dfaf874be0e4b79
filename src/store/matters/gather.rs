//! Putting tickets to matters: what [`crate::matter`] finds alike, decided inside the write; the title; the alarm.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::super::{Error, Failure, Store, Write, millis};
use super::new_matter;
use crate::matter::title::title;
use crate::matter::{Alike, Config, choose};
use crate::ticket::Number;

/// One ticket to be put to its matter.
#[derive(Debug, Clone, PartialEq)]
pub struct Gather {
    pub ticket: Number,
    /// Earlier tickets that it is like, the most alike first. `None`: there is nothing to compare.
    pub alike: Option<Vec<Alike<Number>>>,
    /// Where it counts: a category in a district.
    pub cell: String,
    /// Days since 1970, and the hour, where the hotline is.
    pub day: i32,
    pub hour: u8,
}

/// Where a ticket went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    pub ticket: Number,
    pub matter: Option<i64>,
    /// How many tickets the matter has now.
    pub count: u32,
    /// The caller's earlier ticket of it.
    pub repeats: Option<Number>,
}

/// What is normal, as it was counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Tickets by cell and day.
    pub days: Vec<(String, i32, u32)>,
    /// Tickets by hour.
    pub hours: Vec<(u8, u32)>,
}

impl Store {
    /// Puts tickets to their matters, in this order, all or none.
    pub async fn gather(&self, config: &Config, tickets: Vec<Gather>, now: Timestamp) -> Result<Vec<Gathered>, Error> {
        self.write(GatherAll { config: config.clone(), tickets, now }).await
    }

    /// What was counted since `day` to tell what is normal.
    pub async fn matter_counts(&self, since: i32) -> Result<Counts, Error> {
        let mut db = self.reader().await?;
        let sql = "SELECT cell, day, count FROM matter_days WHERE day >= ?";
        let days = sqlx::query_as::<_, (String, i32, u32)>(sql).bind(since).fetch_all(&mut *db).await;
        let days = days.map_err(|error| self.sort(&error))?;
        let hours = sqlx::query_as::<_, (u8, u32)>("SELECT hour, count FROM matter_hours").fetch_all(&mut *db).await;
        Ok(Counts { days, hours: hours.map_err(|error| self.sort(&error))? })
    }

    /// Gives a matter the title that its tickets make.
    pub async fn title_matter(&self, matter: i64) -> Result<(), Error> {
        let tickets = self.tickets_of_matter(matter).await?;
        let texts: Vec<&str> = tickets.iter().filter_map(|ticket| ticket.text.as_deref()).collect();
        let place = self.matter(matter).await?.and_then(|row| row.places.into_iter().next());
        let title = title(&texts, place.as_ref().map(|place| place.name.as_str()));
        self.write(Titled { matter, title }).await
    }

    /// There are abnormally many. `false`: that was said since `before` already.
    pub async fn matter_alarmed(
        &self,
        matter: i64,
        alarm: &str,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<bool, Error> {
        self.write(Alarmed { matter, alarm: alarm.to_owned(), before, now }).await
    }
}

struct GatherAll {
    config: Config,
    tickets: Vec<Gather>,
    now: Timestamp,
}

impl Write for GatherAll {
    type Out = Vec<Gathered>;

    async fn write(&self, db: &mut SqliteConnection) -> Result<Vec<Gathered>, Failure> {
        let mut gathered = Vec::with_capacity(self.tickets.len());
        for ticket in &self.tickets {
            gathered.extend(self.one(db, ticket).await?);
        }
        Ok(gathered)
    }
}

impl GatherAll {
    async fn one(&self, db: &mut SqliteConnection, gather: &Gather) -> Result<Option<Gathered>, Failure> {
        let sql = "SELECT began FROM tickets WHERE id = ? AND gathered IS NULL";
        let waits = sqlx::query_scalar::<_, i64>(sql).bind(gather.ticket.key()).fetch_optional(&mut *db).await?;
        let Some(began) = waits else { return Ok(None) };
        count(db, gather).await?;
        let (mut matter, mut repeats) = (None, None);
        if let Some(alike) = &gather.alike {
            let of = matters_of(db, alike).await?;
            let found = choose(&self.config, alike, |number| of.get(&number.key()).copied());
            repeats = alike
                .iter()
                .find(|earlier| {
                    earlier.caller
                        && earlier.likeness >= self.config.repeat
                        && of.get(&earlier.id.key()).copied() == found
                })
                .map(|earlier| earlier.id);
            matter = Some(match found {
                Some(found) => found,
                None => new_matter(db, began).await?,
            });
        }
        sqlx::query("UPDATE tickets SET matter = ?, repeats = ?, gathered = ? WHERE id = ?")
            .bind(matter)
            .bind(repeats.map(Number::key))
            .bind(millis(self.now))
            .bind(gather.ticket.key())
            .execute(&mut *db)
            .await?;
        let mut count = 0;
        if let Some(matter) = matter {
            let sql = "UPDATE matters SET count = count + 1, first = min(first, ?1), last = max(last, ?1)
                       WHERE id = ?2 RETURNING count";
            count = sqlx::query_scalar::<_, u32>(sql).bind(began).bind(matter).fetch_one(&mut *db).await?;
        }
        Ok(Some(Gathered { ticket: gather.ticket, matter, count, repeats }))
    }
}

/// The matters that tickets are in now, by ticket.
async fn matters_of(db: &mut SqliteConnection, alike: &[Alike<Number>]) -> Result<BTreeMap<i64, i64>, Failure> {
    let mut of = BTreeMap::new();
    for earlier in alike {
        let sql = "SELECT matter FROM tickets WHERE id = ?";
        let matter = sqlx::query_scalar::<_, Option<i64>>(sql).bind(earlier.id.key()).fetch_optional(&mut *db).await?;
        if let Some(matter) = matter.flatten() {
            of.insert(earlier.id.key(), matter);
        }
    }
    Ok(of)
}

/// Counts a ticket towards what is normal.
async fn count(db: &mut SqliteConnection, gather: &Gather) -> Result<(), Failure> {
    let sql = "INSERT INTO matter_days (cell, day, count) VALUES (?, ?, 1)
               ON CONFLICT (cell, day) DO UPDATE SET count = count + 1";
    sqlx::query(sql).bind(&gather.cell).bind(gather.day).execute(&mut *db).await?;
    let sql = "INSERT INTO matter_hours (hour, count) VALUES (?, 1)
               ON CONFLICT (hour) DO UPDATE SET count = count + 1";
    sqlx::query(sql).bind(gather.hour).execute(db).await?;
    Ok(())
}

struct Titled {
    matter: i64,
    title: String,
}

impl Write for Titled {
    type Out = ();

    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        let sql = "UPDATE matters SET title = ? WHERE id = ?";
        sqlx::query(sql).bind(&self.title).bind(self.matter).execute(db).await?;
        Ok(())
    }
}

struct Alarmed {
    matter: i64,
    alarm: String,
    before: Timestamp,
    now: Timestamp,
}

impl Write for Alarmed {
    type Out = bool;

    async fn write(&self, db: &mut SqliteConnection) -> Result<bool, Failure> {
        let sql = "UPDATE matters SET alarmed = ?, alarm = ? WHERE id = ? AND (alarmed IS NULL OR alarmed < ?)";
        let done = sqlx::query(sql)
            .bind(millis(self.now))
            .bind(&self.alarm)
            .bind(self.matter)
            .bind(millis(self.before))
            .execute(db)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
