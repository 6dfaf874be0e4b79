//! What people say a ticket should have been. Rows are only added: the last one about a field counts.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{Error, Failure, Store, Write, millis};
use crate::ticket::Number;

/// One person's word on one ticket; at least one field is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    pub ticket: Number,
    pub at: Timestamp,
    pub author: String,
    /// A path `one/two/three`.
    pub category: Option<String>,
    pub kind: Option<String>,
    pub urgency: Option<String>,
}

/// A text and what it should have been, for learning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Corrected {
    pub text: String,
    pub category: Option<String>,
    pub kind: Option<String>,
    pub urgency: Option<String>,
}

impl Store {
    /// Keeps a correction. `false`: there is no such ticket.
    pub async fn correct(&self, correction: Correction) -> Result<bool, Error> {
        self.write(Correct(correction)).await
    }

    /// Every corrected ticket that has a text, the oldest first; later corrections of a field win over earlier ones.
    pub async fn corrected(&self) -> Result<Vec<Corrected>, Error> {
        let sql = "SELECT t.text,
                (SELECT category FROM corrections c WHERE c.ticket = t.id AND category IS NOT NULL ORDER BY id DESC LIMIT 1),
                (SELECT kind FROM corrections c WHERE c.ticket = t.id AND kind IS NOT NULL ORDER BY id DESC LIMIT 1),
                (SELECT urgency FROM corrections c WHERE c.ticket = t.id AND urgency IS NOT NULL ORDER BY id DESC LIMIT 1)
            FROM tickets t WHERE t.text <> '' AND t.id IN (SELECT ticket FROM corrections) ORDER BY t.id";
        let mut db = self.reader().await?;
        let rows = sqlx::query_as::<_, (String, Option<String>, Option<String>, Option<String>)>(sql);
        let rows = rows.fetch_all(&mut *db).await.map_err(|error| self.sort(&error))?;
        let row = |(text, category, kind, urgency)| Corrected { text, category, kind, urgency };
        Ok(rows.into_iter().map(row).collect())
    }
}

struct Correct(Correction);

impl Write for Correct {
    type Out = bool;

    async fn write(&self, db: &mut SqliteConnection) -> Result<bool, Failure> {
        let Correction { ticket, at, author, category, kind, urgency } = &self.0;
        let sql = "INSERT INTO corrections (ticket, at, author, category, kind, urgency)
                   SELECT id, ?2, ?3, ?4, ?5, ?6 FROM tickets WHERE id = ?1";
        let done = sqlx::query(sql).bind(ticket.key()).bind(millis(*at)).bind(author);
        let done = done.bind(category).bind(kind).bind(urgency).execute(db).await?;
        Ok(done.rows_affected() == 1)
    }
}
