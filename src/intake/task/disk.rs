//! Recordings on the disk, for recovery.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::audio::wav;
use crate::call::left::{self, Left};
use crate::id::CallId;
use crate::intake::recovery;
use crate::store::{CallRow, SegmentRow, Unsettled};

/// A WAV header and nothing else.
const EMPTY: u64 = 44;
/// A longer file is no utterance (an hour at 8 kHz); it is left to people and not read into memory.
const LONGEST: u64 = 64 << 20;

/// Where the recordings of a day are.
pub(super) fn folder(root: &Path, day: Date) -> PathBuf {
    root.join(format!("{:04}/{:02}/{:02}", day.year(), day.month(), day.day()))
}

/// The calls that have recordings in a day's folder, in the order in which they began.
pub(super) async fn calls(day: PathBuf) -> Vec<(CallId, PathBuf)> {
    let list = move || {
        let named = |path: PathBuf| Some((path.file_name()?.to_str()?.parse().ok()?, path));
        let mut calls: Vec<(CallId, PathBuf)> = entries(&day).into_iter().filter_map(named).collect();
        calls.sort();
        calls
    };
    blocking(list).await.unwrap_or_default()
}

/// The recordings in a call's folder, in order.
pub(super) async fn recordings(folder: PathBuf) -> Vec<PathBuf> {
    let list = move || {
        let mut files: Vec<PathBuf> =
            entries(&folder).into_iter().filter(|path| recovery::is_recording(path)).collect();
        files.sort();
        files
    };
    blocking(list).await.unwrap_or_default()
}

/// What was overheard and left behind, the oldest first.
pub(super) async fn left(folder: PathBuf) -> Vec<Left> {
    let list = move || {
        let mut all: Vec<Left> = entries(&folder).iter().filter_map(|file| Left::read(file)).collect();
        all.sort();
        all
    };
    blocking(list).await.unwrap_or_default()
}

/// What was overheard in a call, in its own folder: the listens and their files.
pub(super) async fn overheard(folder: PathBuf) -> Vec<(u32, PathBuf)> {
    let list = move || {
        let listen = |file: PathBuf| Some((left::listen_of(&file)?, file));
        entries(&folder).into_iter().filter_map(listen).collect()
    };
    blocking(list).await.unwrap_or_default()
}

/// Moves a file, into a folder that may be new.
pub(super) async fn carry(from: PathBuf, to: PathBuf) -> Result<(), String> {
    told(move || {
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::rename(from, to)
    })
    .await
}

/// Gives a file a second name, where it is to stay. One that is there already is the same file.
pub(super) async fn keep(from: PathBuf, to: PathBuf) -> Result<(), String> {
    told(move || {
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        match fs::hard_link(from, to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            done => done,
        }
    })
    .await
}

/// A small text that goes with a recording; empty if there is none.
pub(super) async fn text(file: PathBuf) -> String {
    blocking(move || fs::read_to_string(file).unwrap_or_default()).await.unwrap_or_default()
}

/// Deletes what is there of these.
pub(super) async fn forget(files: [PathBuf; 2]) {
    let delete = move || {
        for file in files {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, file = %file.display(), "what was overheard could not be deleted");
                }
                _ => {}
            }
        }
    };
    blocking(delete).await;
}

/// Deletes texts in `left/` whose recordings never came, of calls that began before `started` (Unix milliseconds).
pub(super) async fn stray(folder: PathBuf, started: i64) {
    let delete = move || {
        for file in entries(&folder) {
            let recording = file.with_extension("wav");
            let old = Left::read(&recording).is_some_and(|left| left.call.millis() < started);
            if old
                && file != recording
                && !recording.exists()
                && let Err(error) = fs::remove_file(&file)
            {
                tracing::warn!(%error, file = %file.display(), "a stray file could not be deleted");
            }
        }
    };
    blocking(delete).await;
}

/// How long a recording is and how much of it is speech; its header is mended first. `None`: there is no sound in it.
pub(super) async fn measured(file: PathBuf) -> Result<Option<(Duration, Duration)>, String> {
    blocking(move || read(&file)).await.unwrap_or_else(|| Err("looking at it failed".to_owned()))
}

async fn told(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> Result<(), String> {
    let done = blocking(|| work().map_err(|error| error.to_string())).await;
    done.unwrap_or_else(|| Err("the disk's task failed".to_owned()))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.flatten().map(|entry| entry.path()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::error!(folder = %folder.display(), %error, "recordings cannot be looked for");
            Vec::new()
        }
    }
}

/// A row for a recording that has none; its header is mended first. `None` if there is no sound in it.
pub(super) async fn adopt(call: CallId, index: u32, file: PathBuf) -> Option<SegmentRow> {
    let read = move || {
        let row = SegmentRow {
            call,
            index,
            file: file.clone(),
            duration: Duration::ZERO,
            speech: Duration::ZERO,
            text: None,
            error: None,
        };
        match read(&file) {
            Ok(None) => None,
            Ok(Some((duration, speech))) => Some(SegmentRow { duration, speech, ..row }),
            // Somebody has to look at it: what is in it may be what the caller said.
            Err(error) => Some(SegmentRow { error: Some(error), ..row }),
        }
    };
    blocking(read).await.flatten()
}

fn read(path: &Path) -> Result<Option<(Duration, Duration)>, String> {
    let said = |error: io::Error| error.to_string();
    let length = fs::metadata(path).map_err(said)?.len();
    if length == 0 {
        // Killed between making the file and writing its header: nothing is in it, and no player takes it.
        fs::remove_file(path).map_err(said)?;
    }
    if length <= EMPTY {
        return Ok(None);
    }
    let mut header = Vec::new();
    fs::File::open(path).and_then(|file| file.take(EMPTY).read_to_end(&mut header)).map_err(said)?;
    if let Some(header) = recovery::mended(&header, length)
        && let Err(error) = mend(path, &header)
    {
        tracing::warn!(file = %path.display(), %error, "a recording's header cannot be mended; it is read as it is");
    }
    if length > LONGEST {
        return Err(format!("{length} bytes are not one utterance"));
    }
    let pcm = wav::read(&fs::read(path).map_err(said)?).map_err(|error| error.to_string())?;
    if pcm.samples.is_empty() {
        return Ok(None);
    }
    Ok(Some((pcm.duration(), recovery::speech(&pcm.samples, pcm.rate))))
}

fn mend(path: &Path, header: &[u8]) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(header)?;
    file.sync_all()
}

/// A call of which only recordings are left.
pub(super) fn orphan(id: CallId, began: Timestamp) -> Unsettled {
    let call = CallRow {
        id,
        line: "unknown".to_owned(),
        caller: None,
        display: None,
        trunk: "unknown".to_owned(),
        user_to_user: None,
        version: None,
        began,
        answered: began,
    };
    Unsettled { call, keys: String::new(), segments: Vec::new() }
}

/// Disk work beside the calls' threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.inspect_err(|error| tracing::error!(%error, "looking at recordings failed")).ok()
}
