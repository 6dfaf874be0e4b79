//! The one connection that writes: rows that arrive together are committed together.
//!
//! With `synchronous=FULL` a commit costs a disk sync whatever its size, and a thousand calls write some hundred rows a
//! second. So jobs go through one bounded queue; whatever waits there becomes one transaction, and **nobody is answered
//! before its commit is on the disk**. If a job or the commit fails, nothing of the batch is in the database and every
//! job is run again in a transaction of its own, so that it is told its own result. Jobs therefore must give the same
//! result when run twice. (Savepoints would keep the others of the batch; they are two more statements for every job,
//! and jobs fail when the disk does.)

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::{Duration, Instant};

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::Error;
use super::ballast::Ballast;

/// Jobs in one transaction: about 10 ms of work, so that nobody waits long behind others.
const BATCH: usize = 256;

/// Why nothing of a transaction is in the database.
enum Lost {
    /// It could not begin: another process holds the lock. No job is to blame, and each would wait as long again.
    NotBegun(Error),
    /// A job or the commit failed.
    Undone(Error),
}

impl Lost {
    fn into_error(self) -> Error {
        match self {
            Lost::NotBegun(error) | Lost::Undone(error) => error,
        }
    }
}

/// Why a job failed, before it is sorted.
pub(super) enum Failure {
    Sql(sqlx::Error),
    Ours(Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Failure {
        Failure::Sql(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Ours(error)
    }
}

/// Something to be written.
pub(super) trait Write: Send + Sync + 'static {
    type Out: Send + 'static;

    fn write(&self, db: &mut SqliteConnection) -> impl Future<Output = Result<Self::Out, Failure>> + Send;
}

type Ran<'a> = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send + 'a>>;

/// A [`Write`] with the type of its result forgotten.
trait Job: Send {
    fn run<'a>(&'a mut self, db: &'a mut SqliteConnection) -> Ran<'a>;
    fn answer(self: Box<Self>, result: Result<(), Error>);
}

struct Waiting<W: Write> {
    write: W,
    out: Option<W::Out>,
    answer: oneshot::Sender<Result<W::Out, Error>>,
}

impl<W: Write> Job for Waiting<W> {
    fn run<'a>(&'a mut self, db: &'a mut SqliteConnection) -> Ran<'a> {
        Box::pin(async move {
            self.out = Some(self.write.write(db).await?);
            Ok(())
        })
    }

    fn answer(self: Box<Self>, result: Result<(), Error>) {
        let Waiting { out, answer, .. } = *self;
        // The one who asked may have gone; what was to be written is written.
        let _ = answer.send(result.and_then(|()| out.ok_or(Error::Closed)));
    }
}

enum Message {
    Job(Box<dyn Job>),
    Close,
}

/// Where jobs are put.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Message>);

impl Writer {
    pub(super) fn start(
        db: SqliteConnection,
        file: PathBuf,
        ballast: Ballast,
        queue: usize,
        pace: Duration,
    ) -> (Writer, JoinHandle<()>) {
        let (jobs, waiting) = mpsc::channel(queue);
        let desk = Desk { db, file, ballast, pace };
        (Writer(jobs), tokio::spawn(desk.work(waiting)))
    }

    /// Waits for a place in the queue, then for the commit.
    pub(super) async fn write<W: Write>(&self, write: W) -> Result<W::Out, Error> {
        let (answer, result) = oneshot::channel();
        let job = Message::Job(Box::new(Waiting { write, out: None, answer }));
        self.0.send(job).await.map_err(|_| Error::Closed)?;
        result.await.unwrap_or(Err(Error::Closed))
    }

    /// What is in the queue is written, then no more is taken.
    pub(super) async fn close(&self) {
        // An error means that it is closed already.
        let _ = self.0.send(Message::Close).await;
    }
}

struct Desk {
    db: SqliteConnection,
    file: PathBuf,
    ballast: Ballast,
    /// A commit begins this long after the last one at the earliest.
    pace: Duration,
}

impl Desk {
    async fn work(mut self, mut waiting: mpsc::Receiver<Message>) {
        let mut jobs: Vec<Box<dyn Job>> = Vec::with_capacity(BATCH);
        let mut last = tokio::time::Instant::now();
        while let Some(message) = waiting.recv().await {
            // A lone row is written at once; while many come, they wait for each other and share a sync.
            if !self.pace.is_zero() && waiting.len() < BATCH && matches!(message, Message::Job(_)) {
                tokio::time::sleep_until(last + self.pace).await;
            }
            last = tokio::time::Instant::now();
            let mut next = Some(message);
            while let Some(message) = next {
                match message {
                    Message::Job(job) => jobs.push(job),
                    Message::Close => waiting.close(),
                }
                next = if jobs.len() < BATCH { waiting.try_recv().ok() } else { None };
            }
            metrics::gauge!("jiesu_store_queue").set(waiting.len() as f64);
            self.batch(&mut jobs).await;
        }
        if let Err(error) = self.db.close().await {
            tracing::error!(%error, "the store was not closed cleanly; its rows are safe");
        }
    }

    /// Runs and answers all `jobs`.
    async fn batch(&mut self, jobs: &mut Vec<Box<dyn Job>>) {
        let begun = Instant::now();
        let together = self.transaction(jobs).await;
        match together {
            Ok(()) => jobs.drain(..).for_each(|job| job.answer(Ok(()))),
            Err(Lost::Undone(_)) if jobs.len() > 1 => {
                for mut job in jobs.drain(..) {
                    let alone = self.transaction(std::slice::from_mut(&mut job)).await;
                    job.answer(alone.map_err(Lost::into_error));
                }
            }
            Err(lost) => {
                let error = lost.into_error();
                jobs.drain(..).for_each(|job| job.answer(Err(error.clone())));
            }
        }
        metrics::histogram!("jiesu_store_commit_seconds").record(begun.elapsed().as_secs_f64());
    }

    /// One transaction around `jobs`; when the disk is full the ballast is given up and it is tried once more.
    async fn transaction(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Lost> {
        let first = self.attempt(jobs).await;
        let full = matches!(first, Err(Lost::NotBegun(Error::Full(_)) | Lost::Undone(Error::Full(_))));
        if full && self.ballast.give_up() { self.attempt(jobs).await } else { first }
    }

    /// `Ok`: all of it is committed. `Err`: nothing of it is in the database.
    async fn attempt(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Lost> {
        self.sql("BEGIN IMMEDIATE").await.map_err(Lost::NotBegun)?;
        let done = self.all(jobs).await;
        if let Err(error) = done {
            self.undo().await;
            return Err(Lost::Undone(error));
        }
        Ok(())
    }

    async fn all(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), Error> {
        for job in jobs {
            job.run(&mut self.db).await.map_err(|failure| match failure {
                Failure::Ours(error) => error,
                Failure::Sql(error) => Error::of(&self.file, &error),
            })?;
        }
        self.sql("COMMIT").await
    }

    async fn undo(&mut self) {
        if let Err(error) = self.sql("ROLLBACK").await {
            tracing::debug!(%error, "SQLite had rolled back by itself");
        }
    }

    async fn sql(&mut self, statement: &'static str) -> Result<(), Error> {
        let done = sqlx::query(statement).execute(&mut self.db).await;
        done.map(|_| ()).map_err(|error| Error::of(&self.file, &error))
    }
}
