//! Questions that had no answer, for whoever writes answers: the newest [`MOST`], each cut to [`LONGEST`] characters.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::{Error, Failure, Store, Write, millis, time};
use crate::id::CallId;

/// So many are kept; what is asked often comes again.
pub const MOST: i64 = 10_000;
/// Who says more does not ask a question.
const LONGEST: usize = 200;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    pub call: String,
    pub at: Timestamp,
    pub question: String,
}

impl Store {
    /// Keeps a question; the oldest makes room.
    pub async fn unanswered(&self, call: CallId, question: &str, now: Timestamp) -> Result<(), Error> {
        let question = question.chars().take(LONGEST).collect();
        self.write(Asked { call, question, now }).await
    }

    /// The newest first.
    pub async fn questions(&self, limit: u32) -> Result<Vec<Unanswered>, Error> {
        let mut db = self.reader().await?;
        let sql = "SELECT call, at, question FROM unanswered ORDER BY id DESC LIMIT ?";
        let rows = sqlx::query_as::<_, (String, i64, String)>(sql).bind(limit).fetch_all(&mut *db).await;
        let rows = rows.map_err(|error| self.sort(&error))?;
        rows.into_iter().map(|(call, at, question)| Ok(Unanswered { call, at: time(at)?, question })).collect()
    }
}

struct Asked {
    call: CallId,
    question: String,
    now: Timestamp,
}

impl Write for Asked {
    type Out = ();

    async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
        sqlx::query("INSERT INTO unanswered (call, at, question) VALUES (?, ?, ?)")
            .bind(self.call.to_string())
            .bind(millis(self.now))
            .bind(&self.question)
            .execute(&mut *db)
            .await?;
        sqlx::query("DELETE FROM unanswered WHERE id <= (SELECT max(id) FROM unanswered) - ?")
            .bind(MOST)
            .execute(db)
            .await?;
        Ok(())
    }
}
