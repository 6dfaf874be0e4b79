//! Which version new calls follow: the folder's when somebody says so, a kept one at its time.
//!
//! One task takes every change, one after the other: SIGHUP, `jiesu reload`, changed files, timed activations. Whatever
//! it is, it is checked first; what does not check changes nothing. The configuration folder is never written here. So
//! after a timed activation the folder holds something older than what runs: as long as nobody changes the folder, a
//! restart goes on with what ran; once somebody does, the folder counts again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::call::Desk;
use crate::casework::task::Current;
use crate::config::reload::Reload;
use crate::config::version::{self, Archive, Files};
use crate::config::{self, Config};
use crate::id::VersionId;
use crate::store::{ActivationRow, ActivationState, Store};
use crate::web::reload::{Answer, Ask, What};
use crate::written::{Fault, Faults};

/// How often is looked whether an activation is due.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);

/// See the module.
pub struct Reloader {
    folder: PathBuf,
    archive: Archive,
    config: Reload,
    desk: Arc<Desk>,
    /// What tickets are dispatched by.
    rules: Arc<Current>,
    /// What new calls follow.
    running: VersionId,
}

/// What a daemon begins with: the folder's files, or a version that was taken after the folder's last change.
pub async fn at_start(config: Config, store: &Store) -> Config {
    let last = match store.last_activation().await {
        Ok(last) => last,
        Err(error) => {
            tracing::error!(%error, "which version ran last is not known; the folder counts");
            return config;
        }
    };
    let Some(last) = last.filter(|last| last.folder == Some(config.version)) else { return config };
    let archive = Archive::new(&config.main.state_dir);
    match kept(&archive, store, &config.folder, last.version).await {
        Ok(kept) if kept.version != config.version => {
            tracing::info!(version = last.version, id = %kept.version, "going on with the version that ran; the folder holds an older one");
            kept
        }
        Ok(_) => config,
        Err(faults) => {
            tracing::error!(version = last.version, ?faults, "the version that ran cannot be had; the folder counts");
            config
        }
    }
}

/// A kept version, checked together with the folder's other files.
async fn kept(archive: &Archive, store: &Store, folder: &Path, number: i64) -> Result<Config, Vec<String>> {
    let row = store.version(number).await.map_err(|error| vec![error.to_string()])?;
    let row = row.ok_or_else(|| vec![format!("there is no version {number}; `jiesu flow versions` lists them")])?;
    let (archive, folder) = (archive.clone(), folder.to_owned());
    blocking(move || {
        let files = archive.get(&row.files).map_err(|lost| vec![format!("version {number}: {lost}")])?;
        check(&archive, &folder, &files)
            .map_err(|faults| faults.iter().map(|f| format!("version {number}: {f}")).collect())
    })
    .await
}

/// Checks files that do not lie in the folder as if they did.
///
/// # Errors
/// Every fault, at the place that it would have in the folder.
pub fn check(archive: &Archive, folder: &Path, files: &Files) -> Result<Config, Vec<Fault>> {
    staged(archive, folder, files, config::load_with)
}

/// As [`check`], but flows that break a rule are taken: they are only looked at.
///
/// # Errors
/// Every other fault.
pub fn look(archive: &Archive, folder: &Path, files: &Files) -> Result<Config, Vec<Fault>> {
    staged(archive, folder, files, config::look_with)
}

fn staged(
    archive: &Archive,
    folder: &Path,
    files: &Files,
    load: fn(&Path, &Path) -> Result<Config, Faults>,
) -> Result<Config, Vec<Fault>> {
    let whole = |what: std::io::Error| {
        let place = crate::written::Place { file: folder.to_owned(), ..Default::default() };
        vec![Fault {
            place,
            key: String::new(),
            what: what.to_string(),
            remedy: "see to the state folder's disk".into(),
        }]
    };
    let staged = archive.stage(files).map_err(whole)?;
    load(folder, staged.folder()).map_err(|faults| {
        let mut faults = faults.sorted();
        for fault in &mut faults {
            if let Ok(inside) = fault.place.file.strip_prefix(staged.folder()) {
                fault.place.file = folder.join(inside);
            }
        }
        faults
    })
}

/// Reading and checking hundreds of files, beside the calls' threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Vec<String>> + Send + 'static,
) -> Result<T, Vec<String>> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(vec![format!("reading the configuration failed: {error}")]))
}

impl Reloader {
    pub fn new(config: &Config, desk: Arc<Desk>, rules: Arc<Current>) -> Reloader {
        Reloader {
            folder: config.folder.clone(),
            archive: Archive::new(&config.main.state_dir),
            config: config.main.reload.clone(),
            desk,
            rules,
            running: config.version,
        }
    }

    /// Runs until `stop`. `began`: the files that the daemon has begun with, to be kept. `folder`: what the folder held.
    pub async fn run(
        mut self,
        began: Arc<Files>,
        folder: VersionId,
        mut asks: mpsc::Receiver<Ask>,
        stop: CancellationToken,
    ) {
        let mut watch = Watch::new(version::fingerprint(&self.folder));
        let began = self.keep(&began, "start", "").await;
        self.note(began, "start", "", folder).await;
        let mut due = tokio::time::interval(LOOK);
        let mut look = tokio::time::interval(self.config.look_every);
        for ticks in [&mut due, &mut look] {
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                ask = asks.recv() => {
                    let Some(ask) = ask else { return };
                    if ask.what == What::Folder {
                        watch = Watch::new(version::fingerprint(&self.folder));
                    }
                    let answer = self.take(ask.what, &ask.author, &ask.note, None).await;
                    // Who asked by a signal does not wait for it; the log has it.
                    let _ = ask.answer.send(answer);
                }
                _ = due.tick() => {
                    self.take_due().await;
                    self.look_for_incidents().await;
                }
                _ = look.tick(), if self.config.watch => {
                    if watch.look(version::fingerprint(&self.folder)) {
                        self.take(What::Folder, "file watch", "", None).await;
                    }
                }
            }
        }
    }

    /// Takes what is due.
    async fn take_due(&mut self) {
        let next = match self.desk.store.next_activation().await {
            Ok(next) => next,
            Err(error) => return tracing::error!(%error, "whether a version is due is not known"),
        };
        let Some(row) = next.filter(|row| row.due <= Timestamp::now()) else { return };
        self.take(What::Version(row.version), &row.author, &row.note, Some(row.id)).await;
    }

    /// Incidents are written beside the daemon, and end by themselves.
    async fn look_for_incidents(&self) {
        match self.desk.store.open_incidents(Timestamp::now()).await {
            Ok(open) if open == *self.desk.incidents() => {}
            Ok(open) => self.desk.replace_incidents(open),
            Err(error) => tracing::error!(%error, "which incidents are known is not known"),
        }
    }

    /// `planned`: the activation's row, where it was written before.
    async fn take(&mut self, what: What, author: &str, note: &str, planned: Option<i64>) -> Answer {
        let folder = self.folder.clone();
        let read = match what {
            What::Folder => {
                let plain = |faults: crate::written::Faults| faults.sorted().iter().map(Fault::to_string).collect();
                blocking(move || config::load(&folder).map_err(plain)).await
            }
            What::Version(number) => kept(&self.archive, &self.desk.store, &folder, number).await,
        };
        let config = match read {
            Ok(config) => config,
            Err(faults) => {
                self.refuse(what, author, &faults, planned).await;
                return Answer { taken: false, number: None, version: self.running.to_string(), faults };
            }
        };
        super::replace(&self.desk, &self.rules, &config);
        self.running = config.version;
        metrics::counter!("jiesu_reloads_total", "result" => "taken").increment(1);
        let folder = match what {
            What::Folder => config.version,
            What::Version(_) => {
                let folder = self.folder.clone();
                blocking(move || Ok(Files::read(&folder).id())).await.unwrap_or(config.version)
            }
        };
        let number = match what {
            What::Folder => self.keep(&config.files, author, note).await,
            What::Version(number) => Some(number),
        };
        tracing::info!(number, version = %config.version, author, summary = config.summary(), "new configuration taken; running calls keep the old one");
        match planned {
            Some(id) => self.decide(id, ActivationState::Taken, None, Some(folder)).await,
            None => self.note(number, author, note, folder).await,
        }
        Answer { taken: true, number, version: config.version.to_string(), faults: Vec::new() }
    }

    async fn refuse(&self, what: What, author: &str, faults: &[String], planned: Option<i64>) {
        metrics::counter!("jiesu_reloads_total", "result" => "refused").increment(1);
        for fault in faults {
            tracing::error!(fault, author, "new configuration refused");
        }
        let why = Some(faults.join("\n"));
        match (planned, what) {
            (Some(id), _) => self.decide(id, ActivationState::Refused, why, None).await,
            (None, What::Version(number)) => self.write(number, ActivationState::Refused, author, "", why, None).await,
            // The folder's faults stand in the folder; there is no version to name.
            (None, What::Folder) => {}
        }
    }

    /// Keeps the files. The call comes first: where the disk has no room for them, new calls follow them all the same.
    async fn keep(&self, files: &Arc<Files>, author: &str, note: &str) -> Option<i64> {
        let (archive, kept) = (self.archive.clone(), files.clone());
        let contents = blocking(move || archive.put(&kept).map_err(|error| vec![error.to_string()])).await;
        let contents = contents.inspect_err(|why| tracing::error!(?why, "this version cannot be kept")).ok()?;
        let store = &self.desk.store;
        let number = store.keep_version(files.id(), contents, (author, note), Timestamp::now()).await;
        let number = number.inspect_err(|error| tracing::error!(%error, "this version cannot be kept")).ok()?;
        match store.forget_versions(self.config.keep).await {
            Ok(needed) => {
                let archive = self.archive.clone();
                let swept = blocking(move || archive.sweep(&needed).map_err(|error| vec![error.to_string()])).await;
                if let Err(why) = swept {
                    tracing::warn!(?why, "files of forgotten versions are left in the archive");
                }
            }
            Err(error) => tracing::warn!(%error, "old versions are not forgotten"),
        }
        metrics::gauge!("jiesu_version_number").set(number as f64);
        Some(number)
    }

    /// Writes down that a version was taken, unless that is what was written last.
    async fn note(&self, number: Option<i64>, author: &str, note: &str, folder: VersionId) {
        let Some(number) = number else { return };
        let last = self.desk.store.last_activation().await.ok().flatten();
        if last.is_some_and(|last| last.version == number && last.folder == Some(folder)) {
            return;
        }
        self.write(number, ActivationState::Taken, author, note, None, Some(folder)).await;
    }

    async fn write(
        &self,
        version: i64,
        state: ActivationState,
        author: &str,
        note: &str,
        why: Option<String>,
        folder: Option<VersionId>,
    ) {
        let (author, note) = (author.to_owned(), note.to_owned());
        let row = ActivationRow { id: 0, version, due: Timestamp::now(), state, author, note, why, folder };
        if let Err(error) = self.desk.store.activation(row).await {
            tracing::error!(%error, version, ?state, "what became of a version is not written down");
        }
    }

    async fn decide(&self, id: i64, state: ActivationState, why: Option<String>, folder: Option<VersionId>) {
        if let Err(error) = self.desk.store.decide(id, state, why, folder).await {
            tracing::error!(%error, id, ?state, "what became of an activation is not written down; it is tried again");
        }
    }
}

/// Whether files have changed, and are done changing: an editor writes a folder in many steps.
struct Watch {
    /// As they were when they were last taken or refused.
    tried: u64,
    /// As they were at the last look.
    seen: u64,
}

impl Watch {
    fn new(now: u64) -> Watch {
        Watch { tried: now, seen: now }
    }

    /// `true`: take them. They have changed, and not since the last look.
    fn look(&mut self, now: u64) -> bool {
        let quiet = now == self.seen;
        self.seen = now;
        let take = quiet && now != self.tried;
        if take {
            self.tried = now;
        }
        take
    }
}

#[cfg(test)]
mod tests {
    use super::Watch;

    #[test]
    fn a_change_is_taken_once_it_is_quiet_and_only_once() {
        let mut watch = Watch::new(1);
        let seen = [1, 2, 3, 3, 3, 4, 1, 1, 1, 2, 2].map(|now| watch.look(now));
        assert_eq!(seen, [false, false, false, true, false, false, false, true, false, false, true]);
    }
}
