//! The recogniser as background work uses it.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::asr::{Asr, Job, Priority, Unheard};
use crate::intake::{Hearing, NotHeard};

/// Behind a busy hour's live calls; a recording that takes longer by itself counts as not heard.
const LIMIT: Duration = Duration::from_secs(600);

impl Hearing for Asr {
    fn ready(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let mut model = self.model();
        Box::pin(async move {
            if model.wait_for(Option::is_some).await.is_err() {
                // The recogniser is gone, and so will be this task.
                std::future::pending::<()>().await;
            }
        })
    }

    fn hear<'a>(&'a self, file: &'a Path) -> Pin<Box<dyn Future<Output = Result<String, NotHeard>> + Send + 'a>> {
        let job = Job::new(file.to_owned(), Instant::now() + LIMIT, Priority::Background);
        let heard = self.submit(job);
        Box::pin(async move {
            match heard.await {
                Ok(transcript) => Ok(transcript.text),
                Err(why @ (Unheard::NoModel | Unheard::QueueFull | Unheard::Overloaded | Unheard::Stopped)) => {
                    Err(NotHeard::Later(why.to_string()))
                }
                Err(why) => Err(NotHeard::Failed(why.to_string())),
            }
        })
    }
}
