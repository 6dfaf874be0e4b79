//! Faults planted for tests: the n-th write fails.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::{AssertSqlSafe, SqliteConnection};

use super::{Config, Error, Failure, Filing, Meaning, Store, Write};
use crate::id::CallId;
use crate::ticket::{How, Text};

/// What a planted fault does to the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The statement is undone.
    Statement,
    /// Everything is undone, as SQLite does when the disk is full.
    Transaction,
}

/// A store in `folder` that tells `backends`.
pub(crate) async fn open(folder: &Path, backends: &[&str]) -> Store {
    open_with(Config::default().readers, folder, backends).await
}

/// The same, where whoever reads waits until the one before has read.
pub(crate) async fn open_for_one_reader(folder: &Path, backends: &[&str]) -> Store {
    open_with(1, folder, backends).await
}

async fn open_with(readers: usize, folder: &Path, backends: &[&str]) -> Store {
    let config = Config { ballast: 0, pace: Duration::ZERO, readers, ..Config::default() };
    let backends: Vec<String> = backends.iter().map(|name| (*name).to_owned()).collect();
    Store::open(&config, folder, &TimeZone::get("Asia/Shanghai").expect("built in"), &backends).await.expect("a store")
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A ticket whose text is pending.
pub(crate) fn pending(call: CallId) -> Filing {
    Filing {
        call,
        line: "12345".into(),
        caller: Some("13800000000".into()),
        began: at("2026-11-24T01:00:00Z"),
        keys: String::new(),
        how: How::HungUp,
        segments: Vec::new(),
        text: None,
        text_state: Text::Pending,
        meaning: Meaning::default(),
        hints: serde_json::Value::Null,
        dispatch: None,
    }
}

impl Store {
    /// Runs statements in the writer.
    pub(crate) async fn plant(&self, sql: String) -> Result<(), Error> {
        struct Sql(String);
        impl Write for Sql {
            type Out = ();
            async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
                sqlx::raw_sql(AssertSqlSafe(self.0.as_str())).execute(db).await?;
                Ok(())
            }
        }
        self.write(Sql(sql)).await
    }

    /// After `left` more row changes the next one fails, and every one after it, until [`Store::heal`].
    pub(crate) async fn fail_after(&self, left: u32, fault: Fault) {
        let raise = if fault == Fault::Statement { "ABORT" } else { "ROLLBACK" };
        let mut sql = format!("CREATE TEMP TABLE fault (left INTEGER); INSERT INTO fault VALUES ({left});");
        for table in [
            "calls",
            "segments",
            "serials",
            "tickets",
            "ticket_events",
            "outbox",
            "case_events",
            "cases",
            "alarms",
            "duty_calls",
        ] {
            for change in ["INSERT", "UPDATE"] {
                sql += &format!(
                    "CREATE TEMP TRIGGER {table}_{change} BEFORE {change} ON main.{table} BEGIN
                       SELECT RAISE({raise}, 'planted') WHERE (SELECT left FROM fault) = 0;
                       UPDATE fault SET left = left - 1;
                     END;"
                );
            }
        }
        self.plant(sql).await.expect("a fault is planted");
    }

    pub(crate) async fn heal(&self) {
        self.plant("DELETE FROM fault".to_owned()).await.expect("the fault is taken out");
    }
}
