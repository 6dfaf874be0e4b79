//! What the caller says, asked for or not: where it is recorded, and its text.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Back, Call};
use crate::asr;
use crate::call::left::{self, Left};
use crate::call::task::clerk;
use crate::id::CallId;
use crate::media::{Command as Audio, ListenLimits};

/// While nothing is asked: a shorter silence ends an utterance, so that an emergency is known sooner.
const OVERHEAR: ListenLimits = ListenLimits {
    no_input: Duration::from_secs(600),
    silence: Duration::from_millis(700),
    max: Duration::from_secs(12),
    end_keys: "",
};

impl Call<'_> {
    /// Where a listen of this number is recorded.
    pub(super) fn recording(&self, listen: u32) -> PathBuf {
        let day = self.invitation.began.to_zoned_datetime(self.desk.zone.clone()).date();
        clerk::recording(&self.desk.recordings, self.invitation.id, day, listen)
    }

    pub(super) fn recognise(&mut self, index: usize) {
        let text = self.text_of(self.session.record().utterances[index].file.clone());
        self.back.spawn(async move { Back::Recognised { index, text: text.await } });
    }

    /// What was overheard, with what the machine was saying then.
    pub(super) fn understand(&mut self, listen: u32, file: PathBuf, duration: Duration) {
        let spoken = self.spoken.within(Instant::now(), duration);
        self.over_what.push((listen, spoken.clone()));
        let text = self.text_of(file);
        self.back.spawn(async move { Back::Overheard { listen, text: text.await, spoken } });
    }

    fn text_of(&self, file: PathBuf) -> impl Future<Output = Option<String>> + Send + use<> {
        let limit = self.desk.config.recognise;
        let call = self.invitation.id;
        let answer =
            self.desk.asr.submit(asr::Job { file, deadline: Instant::now() + limit, priority: asr::Priority::Live });
        async move {
            match tokio::time::timeout(limit + Duration::from_millis(500), answer).await {
                Ok(Ok(transcript)) => Some(transcript.text),
                Ok(Err(unheard)) => {
                    tracing::info!(%call, %unheard, "text pending");
                    None
                }
                Err(_) => None,
            }
        }
    }

    /// Listens although nothing is asked.
    pub(super) fn overhear(&self, listen: u32) {
        let file = self.recording(listen).with_file_name(left::overheard(listen));
        self.audio(Audio::Listen { listen, file, limits: OVERHEAR });
    }

    /// Hands what was overheard to intake. Where that fails the file stays in the call's folder, and the next start
    /// finds it.
    pub(super) fn leave(&self, listen: u32, file: &Path, duration: Duration) {
        let before = self.over_what.iter().find(|(asked, _)| *asked == listen).map(|(_, spoken)| spoken.clone());
        let spoken = before.unwrap_or_else(|| self.spoken.within(Instant::now(), duration));
        let left = Left { call: self.invitation.id, listen };
        let moved = || {
            std::fs::create_dir_all(left::folder(&self.desk.recordings))?;
            if !spoken.is_empty() {
                std::fs::write(left.spoken(&self.desk.recordings), &spoken)?;
            }
            // The name of the recording comes last: what has it is whole.
            std::fs::rename(file, left.recording(&self.desk.recordings))
        };
        metrics::counter!("jiesu_overheard_left_total").increment(1);
        if let Err(error) = moved() {
            tracing::error!(call = %self.invitation.id, %error, file = %file.display(), "what was overheard waits for the next start");
        }
    }
}

/// What nobody asked for is not kept; a file that is gone already is as well.
pub(super) fn forget(call: CallId, file: &Path) {
    if let Err(error) = std::fs::remove_file(file)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(%call, %error, file = %file.display(), "what was overheard could not be deleted");
    }
}
