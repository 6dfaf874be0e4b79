//! The recogniser as background work uses it.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::asr::{Asr, Job, Priority, Purpose, Transcript, Unheard};
use crate::intake::{Hearing, NotHeard};

/// Behind a busy hour's live calls; a recording that takes longer by itself counts as not heard.
const LIMIT: Duration = Duration::from_secs(600);

/// A recogniser, and which of its models is wanted.
#[derive(Debug, Clone)]
pub struct Ear {
    pub asr: Asr,
    pub purpose: Purpose,
}

impl Hearing for Ear {
    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut model = self.asr.model();
        Box::pin(async move {
            // A text is corrected by the model that is meant for it and by no other; texts are heard by what is there.
            let there = || match self.purpose {
                Purpose::Correction => self.asr.has(Purpose::Correction),
                Purpose::Choice | Purpose::Complaint => self.asr.has_model(),
            };
            while !there() {
                if model.changed().await.is_err() {
                    // The recogniser is gone, and so will be this task.
                    std::future::pending::<()>().await;
                }
            }
        })
    }

    fn hear<'a>(&'a self, file: &'a Path) -> Pin<Box<dyn Future<Output = Result<Transcript, NotHeard>> + Send + 'a>> {
        let job = Job::new(file.to_owned(), Instant::now() + LIMIT, Priority::Background);
        let heard = self.asr.submit(Job { purpose: self.purpose, ..job });
        Box::pin(async move {
            match heard.await {
                Ok(transcript) => Ok(transcript),
                Err(why @ (Unheard::NoModel | Unheard::QueueFull | Unheard::Overloaded | Unheard::Stopped)) => {
                    Err(NotHeard::Later(why.to_string()))
                }
                Err(why @ Unheard::Unreadable(_)) => Err(NotHeard::Unreadable(why.to_string())),
                Err(why) => Err(NotHeard::Failed(why.to_string())),
            }
        })
    }
}
