//! A few connections that only read, so that a slow list keeps no call from being written.

use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

/// sqlx's own pool would do, but for its timers: tests run on virtual time.
pub(super) struct Readers {
    options: SqliteConnectOptions,
    places: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

impl Readers {
    pub(super) fn new(options: SqliteConnectOptions, most: usize) -> Readers {
        Readers { options, places: Semaphore::new(most), idle: Mutex::new(Vec::new()) }
    }

    /// Waits for a free connection.
    pub(super) async fn lend(&self) -> Result<Lent<'_>, sqlx::Error> {
        let place = self.places.acquire().await.expect("the semaphore is never closed");
        let idle = self.idle.lock().expect("nothing panics while holding this lock").pop();
        let db = match idle {
            Some(db) => db,
            None => self.options.connect().await?,
        };
        Ok(Lent { readers: self, db: Some(db), _place: place })
    }
}

/// A connection for as long as it is held.
pub(super) struct Lent<'a> {
    readers: &'a Readers,
    db: Option<SqliteConnection>,
    _place: SemaphorePermit<'a>,
}

impl Deref for Lent<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.db.as_ref().expect("taken only by drop")
    }
}

impl DerefMut for Lent<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.db.as_mut().expect("taken only by drop")
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let (Some(db), Ok(mut idle)) = (self.db.take(), self.readers.idle.lock()) {
            idle.push(db);
        }
    }
}
