//! Tickets as JSON lines in a file: the simplest system to plug, and what a script can follow.
//!
//! A line is on the disk before its delivery counts as made; lines that arrive together share one sync. A line that a
//! crash tore is cut off at the next start. A crash between a line and its mark in the outbox makes the delivery come
//! again: the keys at the end of the file are remembered, so that it is not written twice.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::{Backend, Delivery, Error, Receipt, Refusal, Sending};

/// How much of the end of the file is searched for keys: some thousand lines, far more than are ever under way.
const TAIL: u64 = 4 << 20;

/// See the module.
pub struct Log {
    name: String,
    lines: Arc<Lines>,
}

struct Lines {
    path: PathBuf,
    end: Mutex<End>,
    /// Held while syncing: whoever waits for it finds that the sync was made for it.
    synced: Mutex<u64>,
}

struct End {
    file: File,
    /// Bytes written so far.
    written: u64,
    /// Keys at the end of the file when it was opened, and since.
    seen: HashSet<String>,
}

impl Log {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    pub fn open(name: &str, path: PathBuf) -> Result<Log, Error> {
        let lines = Lines::open(&path);
        let fault = |what| Error::File { name: name.to_owned(), file: path.display().to_string(), what };
        Ok(Log { name: name.to_owned(), lines: Arc::new(lines.map_err(fault)?) })
    }
}

impl Backend for Log {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Sending<'a> {
        let (lines, delivery) = (self.lines.clone(), delivery.clone());
        Box::pin(async move {
            let written = tokio::task::spawn_blocking(move || lines.write(&delivery)).await;
            match written {
                Ok(Ok(())) => Ok(Receipt::default()),
                Ok(Err(error)) => Err(Refusal::Retry { reason: error.to_string(), after: None }),
                Err(error) => Err(Refusal::Retry { reason: format!("the writing task failed: {error}"), after: None }),
            }
        })
    }
}

impl Lines {
    fn open(path: &Path) -> io::Result<Lines> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let length = file.metadata()?.len();
        let from = length.saturating_sub(TAIL);
        file.seek(SeekFrom::Start(from))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        let whole = tail.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        if whole < tail.len() {
            tracing::warn!(file = %path.display(), "its last line was torn by a crash and is cut off");
            file.set_len(from + whole as u64)?;
        }
        // The file itself must survive a crash, so its folder is synced too.
        file.sync_all()?;
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            File::open(folder)?.sync_all()?;
        }
        let written = from + whole as u64;
        let seen = tail[..whole].split(|b| *b == b'\n').filter_map(key_of).collect();
        Ok(Lines { path: path.to_owned(), end: Mutex::new(End { file, written, seen }), synced: Mutex::new(written) })
    }

    fn write(&self, delivery: &Delivery) -> io::Result<()> {
        let position = {
            let mut end = self.end.lock().expect("nothing panics while holding this lock");
            if !end.seen.contains(&delivery.key) {
                end.append(&delivery.body)?;
                end.seen.insert(delivery.key.clone());
            }
            end.written
        };
        let mut synced = self.synced.lock().expect("nothing panics while holding this lock");
        if *synced >= position {
            return Ok(());
        }
        let (file, written) = {
            let end = self.end.lock().expect("nothing panics while holding this lock");
            (end.file.try_clone()?, end.written)
        };
        file.sync_data().inspect_err(|error| {
            tracing::error!(file = %self.path.display(), %error, "the backend's file cannot be synced");
        })?;
        *synced = written;
        Ok(())
    }
}

impl End {
    /// The body is one line: JSON of ours has no line breaks in it.
    fn append(&mut self, body: &str) -> io::Result<()> {
        let line = format!("{body}\n");
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Half a line (full disk) must not stand before the next one.
            self.file.set_len(self.written)?;
            return Err(error);
        }
        self.written += line.len() as u64;
        Ok(())
    }
}

fn key_of(line: &[u8]) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(line).ok()?;
    value.get("key")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(n: u32) -> Delivery {
        Delivery { key: format!("{n}-1"), body: format!("{{\"event\":\"created\",\"key\":\"{n}-1\"}}") }
    }

    #[tokio::test]
    async fn a_torn_line_is_cut_off_and_known_keys_are_not_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below").join("tickets.jsonl");
        let log = Log::open("log", path.clone()).expect("opened");
        for n in 0..3 {
            log.send(&delivery(n)).await.expect("taken");
        }
        drop(log);
        let whole = std::fs::read_to_string(&path).expect("read");
        std::fs::write(&path, format!("{whole}{{\"event\":\"crea")).expect("torn");
        let log = Log::open("log", path.clone()).expect("opened");
        log.send(&delivery(2)).await.expect("taken, it is there");
        log.send(&delivery(3)).await.expect("taken");
        let lines = std::fs::read_to_string(&path).expect("read");
        assert_eq!(
            lines.lines().filter_map(|l| key_of(l.as_bytes())).collect::<Vec<_>>(),
            ["0-1", "1-1", "2-1", "3-1"]
        );
        assert_eq!(lines.lines().count(), 4);
    }

    #[tokio::test]
    async fn many_at_once_are_whole_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tickets.jsonl");
        let log = Arc::new(Log::open("log", path.clone()).expect("opened"));
        let mut sends = tokio::task::JoinSet::new();
        for n in 0..200 {
            let log = log.clone();
            sends.spawn(async move { log.send(&delivery(n)).await });
        }
        assert!(sends.join_all().await.iter().all(Result::is_ok));
        let text = std::fs::read_to_string(&path).expect("read");
        let keys: HashSet<String> = text.lines().map(|line| key_of(line.as_bytes()).expect("whole")).collect();
        assert_eq!((keys.len(), text.lines().count()), (200, 200));
    }
}
