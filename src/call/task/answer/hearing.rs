//! What the caller says, asked for or not: where it is recorded, and its text.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Back, Call, Desk, Invitation};
use crate::asr::{self, Purpose};
use crate::call::left::{self, Left};
use crate::call::task::clerk;
use crate::catalogue::{Area, AreaId, Level, Places};
use crate::id::CallId;
use crate::media::{Command as Audio, ListenLimits};
use crate::store::{IncidentRow, Transcribed};

/// While nothing is asked: a shorter silence ends an utterance, so that an emergency is known sooner.
const OVERHEAR: ListenLimits = ListenLimits {
    no_input: Duration::from_secs(600),
    silence: Duration::from_millis(700),
    max: Duration::from_secs(12),
    end_keys: "",
};

/// Looking up the caller's last places must not keep the call waiting.
const PATIENCE: Duration = Duration::from_millis(300);

/// Codes of where the caller's last matters were: names there are likely to be said, and decide between places of one
/// name. Without a recogniser nobody asks.
pub(super) async fn earlier(desk: &Desk, invitation: &Invitation) -> Vec<String> {
    if !desk.asr.has_model() {
        return Vec::new();
    }
    let caller = invitation.caller.as_deref().unwrap_or_default();
    match tokio::time::timeout(PATIENCE, desk.store.places_of(caller)).await {
        Ok(Ok(codes)) => codes,
        Ok(Err(error)) => {
            tracing::warn!(call = %invitation.id, %error, "the caller's last places are not known");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

/// Names that the caller is likely to say: of the incident that concerns them, and around where their last matters were.
pub(super) fn prompt(
    desk: &Desk,
    invitation: &Invitation,
    known: Option<&IncidentRow>,
    earlier: &[String],
) -> Option<Arc<str>> {
    let most = desk.asr.prompt_length();
    if most == 0 {
        return None;
    }
    let incident = known.into_iter().flat_map(|row| row.words.iter().chain(&row.places)).map(String::as_str);
    asr::prompt(incident.chain(names(&invitation.programme.places, earlier)), most)
}

/// The areas of these codes, then the others of their districts; of no code, the districts of the city.
fn names<'a>(places: &'a Places, codes: &[String]) -> impl Iterator<Item = &'a str> {
    let areas: Vec<&Area> = codes.iter().filter_map(|code| places.by_code(code)).collect();
    let districts: Vec<AreaId> = areas.iter().map(|area| area.district).collect();
    let around = places.areas().filter(move |area| match districts.as_slice() {
        [] => area.level == Level::District,
        districts => districts.contains(&area.district),
    });
    areas.into_iter().chain(around).map(|area| area.name.as_str())
}

impl Call<'_> {
    /// Where a listen of this number is recorded.
    pub(super) fn recording(&self, listen: u32) -> PathBuf {
        let day = self.invitation.began.to_zoned_datetime(self.desk.zone.clone()).date();
        clerk::recording(&self.desk.recordings, self.invitation.id, day, listen)
    }

    pub(super) fn recognise(&mut self, index: usize) {
        // The flow still stands where it asked.
        let purpose = if self.session.choosing() { Purpose::Choice } else { Purpose::Complaint };
        let text = self.text_of(self.session.record().utterances[index].file.clone(), purpose);
        self.back.spawn(async move { Back::Recognised { index, heard: text.await } });
    }

    /// What was overheard, with what the machine was saying then.
    pub(super) fn understand(&mut self, listen: u32, file: PathBuf, duration: Duration) {
        let spoken = self.spoken.within(Instant::now(), duration);
        self.over_what.push((listen, spoken.clone()));
        // An emergency may be in it: no small model.
        let text = self.text_of(file, Purpose::Complaint);
        self.back.spawn(async move { Back::Overheard { listen, text: text.await.map(|heard| heard.text), spoken } });
    }

    fn text_of(&self, file: PathBuf, purpose: Purpose) -> impl Future<Output = Option<Transcribed>> + Send + use<> {
        let limit = self.desk.config.recognise;
        let call = self.invitation.id;
        // Of what was said: the recording is sealed by now.
        let ended = self.endpoint.unwrap_or_else(Instant::now);
        let deadline = Instant::now() + limit;
        let prompt = self.prompt.clone();
        let job = asr::Job { purpose, prompt, ..asr::Job::new(file, deadline, asr::Priority::Live) };
        let answer = self.desk.asr.submit(job);
        async move {
            match tokio::time::timeout(limit + Duration::from_millis(500), answer).await {
                Ok(Ok(transcript)) => {
                    let after = ended.elapsed();
                    metrics::histogram!("jiesu_text_seconds", "purpose" => purpose.name()).record(after);
                    Some(Transcribed::new(transcript, purpose, Some(after)))
                }
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
