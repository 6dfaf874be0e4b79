//! Hears what waits in the store, one utterance after the other: in the daemon, and in `jiesu worker asr` beside it.
//!
//! Whoever takes an utterance has a lease on it, renewed while hearing goes on. A process that dies lets its lease end,
//! and another takes the utterance; a recording that ends whoever hears it is given up like one that cannot be heard.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::asr::{Purpose, Transcript};
use crate::intake::{Hearing, NotHeard, recovery};
use crate::store::{Error, Leased, Store, Transcribed, Work};

/// How long an utterance belongs to whoever took it, without a sign of life.
pub const LEASE: Duration = Duration::from_secs(30);
/// How often is looked when there was nothing to hear.
const LOOK: Duration = Duration::from_secs(2);

/// One pair of ears for work in the background.
#[derive(Clone)]
pub struct Hearer {
    pub store: Store,
    pub hearing: Arc<dyn Hearing>,
    pub work: Work,
    /// Stands in its leases: no other process may have it.
    pub name: String,
    /// How long an utterance waits for another where this one dies; the lease is renewed three times as often.
    pub lease: Duration,
    /// Told of each text.
    pub heard: Arc<Notify>,
}

/// What is left after a turn.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    More,
    /// Nothing is due, or there is nothing to hear with.
    Nothing,
}

impl Hearer {
    /// Hears until `stop`; what is being heard then is put back as soon as the recogniser lets go of it.
    pub async fn until(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.hearing.ready() => {}
            }
            let turn = self.turn(Timestamp::now()).await;
            if matches!(turn, Ok(Turn::More)) && !stop.is_cancelled() {
                continue;
            }
            if let Err(error) = turn {
                tracing::error!(%error, "what waits to be heard cannot be heard now");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Takes one utterance through.
    pub(super) async fn turn(&self, now: Timestamp) -> Result<Turn, Error> {
        let Some(leased) = self.store.take_hearing(&self.name, self.work, now, after(now, self.lease)).await? else {
            return Ok(Turn::Nothing);
        };
        if leased.tries > recovery::TRIES {
            self.failed(&leased, "whoever heard it ended", None).await?;
            return Ok(Turn::More);
        }
        match self.hear(&leased).await {
            Ok(transcript) => {
                let heard = Transcribed::new(transcript, purpose(self.work), None);
                let wanted = self.store.heard(&leased, heard, Timestamp::now()).await?;
                if wanted {
                    count("heard");
                } else {
                    count("too_late");
                    tracing::warn!(call = %leased.call, index = leased.index, "somebody else has heard it meanwhile");
                }
                self.heard.notify_one();
                Ok(Turn::More)
            }
            Err(NotHeard::Later(reason)) => {
                self.store.put_back_hearing(&leased, now).await?;
                tracing::debug!(call = %leased.call, reason, "hearing is put off");
                Ok(Turn::Nothing)
            }
            Err(NotHeard::Unreadable(reason)) => {
                self.failed(&leased, &reason, None).await?;
                Ok(Turn::More)
            }
            Err(NotHeard::Failed(reason)) => {
                let again = recovery::hear_again(leased.tries).map(|wait| after(now, wait));
                self.failed(&leased, &reason, again).await?;
                Ok(Turn::More)
            }
        }
    }

    /// Tried again at `again`, or left to people.
    async fn failed(&self, leased: &Leased, reason: &str, again: Option<Timestamp>) -> Result<(), Error> {
        self.store.not_heard(leased, reason, again).await?;
        let (call, index, tries) = (leased.call, leased.index, leased.tries);
        match again {
            Some(_) => {
                count("failed");
                tracing::warn!(%call, index, tries, reason, "a recording could not be heard; tried again");
            }
            None => {
                count("given_up");
                tracing::error!(%call, index, tries, reason, "a recording is left to people");
                self.heard.notify_one();
            }
        }
        Ok(())
    }

    /// The text, while the lease is kept alive.
    async fn hear(&self, leased: &Leased) -> Result<Transcript, NotHeard> {
        let mut heard = self.hearing.hear(&leased.file);
        loop {
            if let Ok(heard) = tokio::time::timeout(self.lease / 3, &mut heard).await {
                return heard;
            }
            match self.store.renew_hearing(leased, after(Timestamp::now(), self.lease)).await {
                Ok(true) => {}
                Ok(false) => return Err(NotHeard::Later("somebody else has it".to_owned())),
                // The text may still be wanted: that is asked when it is there.
                Err(error) => tracing::warn!(%error, "a lease is not renewed"),
            }
        }
    }
}

/// As what it stands in the ticket.
fn purpose(work: Work) -> Purpose {
    match work {
        Work::Text => Purpose::Complaint,
        Work::Correction => Purpose::Correction,
    }
}

fn after(now: Timestamp, wait: Duration) -> Timestamp {
    now.saturating_add(wait).unwrap_or(Timestamp::MAX)
}

fn count(result: &'static str) {
    metrics::counter!("jiesu_hearings_total", "result" => result).increment(1);
}
