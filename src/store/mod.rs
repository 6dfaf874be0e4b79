//! Calls, recordings, tickets, their history and the outbox, kept so that nothing acknowledged is ever lost.
//!
//! Owns the database (SQLite, WAL, `synchronous=FULL`) and its row types. One connection writes, in group commits
//! (`writer`); a few read. An answer means that the row is on the disk. Every write may be repeated: a call is
//! unique by its id, a ticket by its call, a delivery by its backend and key. Refuses illegal moves of a ticket
//! (`ticket::Standing`, `ticket::case`). Knows nothing of what words mean (`classify`) nor of who is told (`backend`).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, SqliteConnection};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::written::Table;

mod assessed;
mod ballast;
mod calls;
mod cases;
mod corrections;
mod duty;
mod error;
mod heard;
mod hearings;
mod incidents;
mod matters;
mod outbox;
mod questions;
mod readers;
mod rows;
mod tickets;
mod versions;
mod writer;

#[cfg(test)]
mod full_disk;
#[cfg(test)]
pub(crate) mod planted;
#[cfg(test)]
mod tests;

pub use assessed::Assessed;
pub use cases::DISPATCH_WITHIN;
pub use corrections::{Corrected, Correction};
pub use duty::Telling;
pub use error::Error;
pub use heard::{Hearing, Transcribed};
pub use incidents::MOST_OPEN;
pub use matters::{Counts, Gather, Gathered, MatterChange, MatterRow, Named, Refused, Reported};
pub use questions::Unanswered;
pub use rows::*;

use ballast::Ballast;
use readers::{Lent, Readers};
use writer::{Failure, Write, Writer};

/// Adding a file there needs a touch of this one, or Cargo does not see it.
static MIGRATIONS: Migrator = sqlx::migrate!("src/store/migrations");

/// `[store]` of jiesu.toml.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The database, relative to the state folder.
    pub file: PathBuf,
    /// How long a write waits for another process's lock.
    pub busy: Duration,
    /// Connections that read.
    pub readers: usize,
    /// Rows that may wait to be written; whoever has one more waits.
    pub queue: usize,
    /// A commit begins this long after the last one at the earliest, so that many rows share a sync of the disk.
    pub pace: Duration,
    /// Set aside beside the database and given up when the disk is full.
    pub ballast: u64,
}

impl Config {
    pub fn read(table: &mut Table<'_>) -> Config {
        Config {
            file: table.text("file").or("jiesu.db").into(),
            busy: table.duration("busy").or("5s", "100ms".."1m"),
            readers: table.int("readers").or(4, 1..64) as usize,
            queue: table.int("queue").or(4096, 16..1_000_000) as usize,
            pace: table.duration("pace").or("20ms", "0s".."1s"),
            ballast: (table.int("ballast_mib").or(16, 0..100_000) as u64) << 20,
        }
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            file: "jiesu.db".into(),
            busy: Duration::from_secs(5),
            readers: 4,
            queue: 4096,
            pace: Duration::from_millis(20),
            ballast: 16 << 20,
        }
    }
}

/// The store; clones share it.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    file: PathBuf,
    state_dir: PathBuf,
    zone: TimeZone,
    /// Who is told of each ticket.
    backends: Vec<String>,
    readers: Readers,
    /// `None`: opened to be looked at only.
    writer: Option<Writer>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// A ticket may need a unit, or a person.
    news: Notify,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("file", &self.0.file).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or makes the database and brings it up to this version. Ticket numbers go by the days of `zone`; each of
    /// `backends` is told of each ticket.
    pub async fn open(config: &Config, state_dir: &Path, zone: &TimeZone, backends: &[String]) -> Result<Store, Error> {
        let file = state_dir.join(&config.file);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)
                .map_err(|error| Error::Unopened { file: file.clone(), what: error.to_string() })?;
        }
        let mut db = writing(config, &file).connect().await.map_err(|error| Error::of(&file, &error))?;
        migrate(&mut db, &file).await?;
        let ballast = Ballast::keep(file.with_extension("ballast"), config.ballast);
        let (writer, task) = Writer::start(db, file.clone(), ballast, config.queue, config.pace);
        Ok(Store::of(config, state_dir, file, (zone, backends), Some((writer, task))))
    }

    /// Opens an existing database for reading only; a running daemon is not disturbed.
    pub async fn look(config: &Config, state_dir: &Path) -> Result<Store, Error> {
        let file = state_dir.join(&config.file);
        if !file.exists() {
            return Err(Error::Missing(file));
        }
        let store = Store::of(config, state_dir, file, (&TimeZone::UTC, &[]), None);
        store.same_version().await?;
        Ok(store)
    }

    /// Opens an existing database for a process that helps the daemon (`jiesu worker`). The daemon makes the database,
    /// brings it up to date, keeps the ballast and tells the backends.
    pub async fn join(config: &Config, state_dir: &Path, zone: &TimeZone) -> Result<Store, Error> {
        drop(Store::look(config, state_dir).await?);
        let file = state_dir.join(&config.file);
        let db = writing(config, &file).create_if_missing(false).connect().await;
        let db = db.map_err(|error| Error::of(&file, &error))?;
        let writer = Writer::start(db, file.clone(), Ballast::none(), config.queue, config.pace);
        Ok(Store::of(config, state_dir, file, (zone, &[]), Some(writer)))
    }

    /// Whether the database is of this program's version.
    async fn same_version(&self) -> Result<(), Error> {
        let mut db = self.reader().await?;
        let version = sqlx::query_scalar::<_, i64>("SELECT coalesce(max(version), 0) FROM _sqlx_migrations")
            .fetch_one(&mut *db)
            .await;
        let version = version.map_err(|error| self.sort(&error))?;
        let ours = MIGRATIONS.iter().map(|m| m.version).max().unwrap_or(0);
        match version {
            v if v > ours => Err(Error::Newer { file: self.0.file.clone(), version }),
            v if v < ours => Err(Error::Older { file: self.0.file.clone(), version }),
            _ => Ok(()),
        }
    }

    fn of(
        config: &Config,
        state_dir: &Path,
        file: PathBuf,
        (zone, backends): (&TimeZone, &[String]),
        writer: Option<(Writer, JoinHandle<()>)>,
    ) -> Store {
        let (writer, task) = writer.unzip();
        Store(Arc::new(Inner {
            readers: Readers::new(options(config, &file).read_only(true), config.readers),
            file,
            state_dir: state_dir.to_owned(),
            zone: zone.clone(),
            backends: backends.to_vec(),
            writer,
            task: Mutex::new(task),
            news: Notify::new(),
        }))
    }

    /// Where days begin: ticket numbers go by it.
    pub fn zone(&self) -> &TimeZone {
        &self.0.zone
    }

    /// Waits until this process has filed a ticket, understood one again, or taken one back from a unit, since the last
    /// time. Made for one who waits: each piece of news is told once.
    pub async fn news(&self) {
        self.0.news.notified().await;
    }

    fn stir(&self) {
        self.0.news.notify_one();
    }

    /// The self-check: the writer takes a job and answers, so every earlier row is on the disk.
    pub async fn turns(&self) -> Result<(), String> {
        struct Turn;
        impl Write for Turn {
            type Out = ();
            async fn write(&self, db: &mut SqliteConnection) -> Result<(), Failure> {
                sqlx::query("SELECT 1").execute(db).await?;
                Ok(())
            }
        }
        self.write(Turn).await.map_err(|error| error.to_string())
    }

    /// Writes what waits, then closes. Whoever writes later is refused.
    pub async fn close(self) {
        let Some(writer) = &self.0.writer else { return };
        writer.close().await;
        let task = self.0.task.lock().expect("nothing panics while holding this lock").take();
        if let Some(task) = task
            && task.await.is_err()
        {
            tracing::error!("the store's writer panicked");
        }
    }

    async fn write<W: Write>(&self, write: W) -> Result<W::Out, Error> {
        match &self.0.writer {
            Some(writer) => writer.write(write).await,
            None => Err(Error::Fault("opened for reading only".to_owned())),
        }
    }

    async fn reader(&self) -> Result<Lent<'_>, Error> {
        self.0.readers.lend().await.map_err(|error| self.sort(&error))
    }

    fn sort(&self, error: &sqlx::Error) -> Error {
        Error::of(&self.0.file, error)
    }

    /// How a recording's path is kept: the state folder may be moved.
    fn kept(&self, file: &Path) -> String {
        file.strip_prefix(&self.0.state_dir).unwrap_or(file).to_string_lossy().into_owned()
    }
}

/// What both kinds of connection have.
fn options(config: &Config, file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(config.busy)
        .foreign_keys(true)
        // A mapped file turns a disk fault into SIGBUS, which ends every call.
        .pragma("mmap_size", "0")
        .disable_statement_logging()
}

fn writing(config: &Config, file: &Path) -> SqliteConnectOptions {
    options(config, file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("journal_size_limit", "67108864")
}

async fn migrate(db: &mut SqliteConnection, file: &Path) -> Result<(), Error> {
    MIGRATIONS.run(db).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => Error::Newer { file: file.to_owned(), version },
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => Error::of(file, &error),
        other => Error::Fault(format!("{}: {other}", file.display())),
    })
}

/// As the database keeps times.
fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A time out of the database.
fn time(millis: i64) -> Result<Timestamp, Error> {
    Timestamp::from_millisecond(millis).map_err(|_| Error::Fault(format!("{millis} in the database is no time")))
}

/// A span as the database keeps it.
fn span(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A word or a structure of ours out of the database.
fn known<T, E: fmt::Display>(what: &str, read: Result<T, E>) -> Result<T, Error> {
    read.map_err(|error| Error::Fault(format!("{what} in the database: {error}")))
}
