//! The call's clerk: writes the call's rows, one after the other, beside the call.
//!
//! Order matters (the call's row before its segments, these before the ticket) and a slow disk must not keep the call
//! from answering a re-INVITE; so the rows of one call go through one bounded queue with one task behind it. A full
//! queue is the disk's fault and is told to the caller of [`Clerk::write`], who goes on: recovery reads the recordings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::filing::{self, Matter};
use crate::id::CallId;
use crate::ivr::{Sought, StatusReport};
use crate::store::{CallRow, SegmentRow, Transcribed};

use super::{Desk, Programme, repeated};

/// Rows waiting of one call; a call writes about five in all.
const QUEUE: usize = 32;

/// One thing to be written or looked up.
#[derive(Debug)]
pub enum Job {
    Began(CallRow),
    Segment(SegmentRow),
    /// Every key pressed so far.
    Keys(String),
    /// The recogniser's text for segment `index`.
    Heard {
        index: u32,
        heard: Transcribed,
    },
    /// The caller wants to be added to this incident.
    Joined(i64),
    /// How it went, step by step.
    Journal(String),
    File(Box<Matter>),
    /// A question to which there is no answer.
    Unanswered(String),
    LookUp {
        caller: String,
        sought: Sought,
    },
    Ended {
        why: &'static str,
        /// What the other side gave as its reason.
        reason: Option<String>,
        at: Timestamp,
    },
}

/// What comes back to the call.
#[derive(Debug)]
pub enum Done {
    Filed(Result<String, String>),
    Status(Option<StatusReport>),
    /// The last row is written: the call may be forgotten.
    Closed,
}

/// The call's end of the queue.
pub struct Clerk {
    jobs: mpsc::Sender<Job>,
    pub done: mpsc::Receiver<Done>,
    task: JoinHandle<()>,
}

impl Clerk {
    pub fn start(desk: Arc<Desk>, programme: Arc<Programme>, call: CallId) -> Clerk {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (answers, done) = mpsc::channel(8);
        let task = tokio::spawn(work(desk, programme, call, queue, answers));
        Clerk { jobs, done, task }
    }

    /// Puts a job in the queue. `false`: the queue is full (a stuck disk), the job is lost to the store.
    pub fn write(&self, job: Job) -> bool {
        let taken = self.jobs.try_send(job).is_ok();
        if !taken {
            metrics::counter!("jiesu_clerk_dropped_total").increment(1);
        }
        taken
    }

    /// Everything in the queue is written, then the task ends.
    pub async fn close(self) {
        drop(self.jobs);
        drop(self.done);
        if self.task.await.is_err() {
            tracing::error!("a call's clerk panicked");
        }
    }
}

async fn work(
    desk: Arc<Desk>,
    programme: Arc<Programme>,
    call: CallId,
    mut queue: mpsc::Receiver<Job>,
    answers: mpsc::Sender<Done>,
) {
    while let Some(job) = queue.recv().await {
        let answer = match job {
            Job::Began(row) => {
                note("call", call, desk.store.call_began(row).await);
                None
            }
            Job::Segment(row) => {
                note("segment", call, desk.store.segment(row).await);
                None
            }
            Job::Keys(keys) => {
                note("keys", call, desk.store.keys(call, &keys).await);
                None
            }
            Job::Heard { index, heard } => {
                note("text", call, desk.store.segment_heard(call, index, heard).await);
                None
            }
            Job::Joined(incident) => {
                note("joined", call, desk.store.call_joined(call, incident).await);
                None
            }
            Job::Journal(journal) => {
                note("journal", call, desk.store.journal(call, &journal).await);
                None
            }
            Job::Unanswered(question) => {
                note("question", call, desk.store.unanswered(call, &question, Timestamp::now()).await);
                None
            }
            Job::File(matter) => Some(Done::Filed(file(&desk, &programme, &matter).await)),
            Job::LookUp { caller, sought } => Some(Done::Status(look_up(&desk, call, &caller, sought).await)),
            Job::Ended { why, reason, at } => {
                note("end", call, desk.store.call_ended_because(call, why, reason, at).await);
                Some(Done::Closed)
            }
        };
        // The call may have gone; what was to be written is written.
        if let Some(answer) = answer {
            let _ = answers.send(answer).await;
        }
    }
}

fn note<T, E: std::fmt::Display>(row: &str, call: CallId, result: Result<T, E>) {
    if let Err(error) = result {
        metrics::counter!("jiesu_store_failed_total", "row" => row.to_owned()).increment(1);
        tracing::error!(%call, row, %error, "a row could not be written; recovery will make it good");
    }
}

async fn file(desk: &Desk, programme: &Programme, matter: &Matter) -> Result<String, String> {
    let mut wait = Duration::from_millis(50);
    // Twice more, 50 and 200 ms later: a busy database is common, a broken one is not mended by waiting.
    for attempt in 0..3 {
        match filing::file(&desk.store, &programme.catalogue, &programme.places, matter, Timestamp::now()).await {
            Ok(filed) => return Ok(filed.number.to_string()),
            Err(error) if attempt == 2 => {
                tracing::error!(call = %matter.call, %error, "the ticket could not be filed");
                return Err(error.to_string());
            }
            Err(error) => tracing::warn!(call = %matter.call, %error, "filing is tried again"),
        }
        tokio::time::sleep(wait).await;
        wait *= 4;
    }
    Err("never reached: the third attempt returns".to_owned())
}

/// A number that is none of ours (a flow may collect without its rule) finds nothing: never another ticket instead.
async fn look_up(desk: &Desk, call: CallId, caller: &str, sought: Sought) -> Option<StatusReport> {
    let found = match sought {
        Sought::Number(number) => desk.store.ticket(number.parse().ok()?).await,
        Sought::Last => desk.store.last_ticket_of(caller).await,
        Sought::Repeated => repeated::find(&desk.store, &desk.matters, call, caller).await,
    };
    match found {
        Ok(None) => None,
        Ok(Some(ticket)) => {
            // Without its case the ticket says how far intake is.
            let case = desk.store.case(ticket.number).await.unwrap_or_else(|error| {
                tracing::error!(%error, ticket = %ticket.number, "a case could not be read");
                None
            });
            let state = case.and_then(|case| case.spoken()).unwrap_or(ticket.state.code());
            Some(StatusReport { number: ticket.number.to_string(), state: state.to_owned(), unit: ticket.unit })
        }
        Err(error) => {
            tracing::error!(%error, "a ticket could not be looked up");
            None
        }
    }
}

/// Where a call's utterances are recorded: `recordings/2026/11/24/ID/003.wav` under the state folder.
pub fn recording(root: &std::path::Path, call: CallId, day: jiff::civil::Date, listen: u32) -> PathBuf {
    root.join(format!("{:04}/{:02}/{:02}", day.year(), day.month(), day.day()))
        .join(call.to_string())
        .join(format!("{listen:03}.wav"))
}
