//! Sounds kept on disk, one WAV file each, by the hash of all that makes the sound.
//!
//! Owns the bound: no more files and bytes than were allowed, the least lately used go first, and nothing stays that
//! was not asked for during the kept span (a sound may repeat what a citizen said, so the folder is the daemon's own).
//! A file appears under its name only when it is whole; one that cannot be read is deleted and made again. A cache
//! that cannot write is slower, never an error.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use crate::audio::{RATE, wav};

pub struct Cache {
    folder: PathBuf,
    files: usize,
    bytes: u64,
    kept: Duration,
    shelf: Mutex<Shelf>,
}

/// What lies in the folder.
#[derive(Default)]
struct Shelf {
    sounds: HashMap<String, Kept>,
    bytes: u64,
    /// Names the parts that are being written.
    parts: u64,
}

struct Kept {
    bytes: u64,
    used: SystemTime,
}

impl Cache {
    /// Takes over what lies in the folder; what is not a finished sound of ours is deleted.
    pub fn open(folder: &Path, files: usize, bytes: u64, kept: Duration) -> Cache {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        let mut shelf = Shelf::default();
        match made.and_then(|()| fs::read_dir(folder)) {
            Ok(entries) => entries.flatten().for_each(|entry| shelf.take_over(&entry)),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "spoken texts cannot be kept; every one is made anew");
            }
        }
        Cache { folder: folder.to_owned(), files, bytes, kept, shelf: Mutex::new(shelf) }
    }

    /// The sound, if it is here.
    pub fn get(&self, key: &str, now: SystemTime) -> Option<Vec<i16>> {
        let path = self.path(key);
        {
            let mut shelf = self.shelf();
            shelf.sounds.get_mut(key)?.used = now;
        }
        let sound = fs::read(&path).ok().and_then(|bytes| wav::read(&bytes).ok()).filter(|pcm| !pcm.samples.is_empty());
        if sound.is_none() {
            self.shelf().forget(key);
            remove(&path);
        } else if let Err(error) = fs::File::options().append(true).open(&path).and_then(|f| f.set_modified(now)) {
            tracing::debug!(%error, "the use of a kept sound was not noted");
        }
        sound.map(|pcm| pcm.to_8k())
    }

    /// Keeps the sound, and deletes what no longer fits.
    ///
    /// # Errors
    /// The file could not be written; nothing is kept.
    pub fn put(&self, key: &str, sound: &[i16], now: SystemTime) -> io::Result<()> {
        let bytes = wav::bytes(sound, RATE);
        let size = bytes.len() as u64;
        if self.files == 0 || size > self.bytes {
            return Ok(());
        }
        let part = {
            let mut shelf = self.shelf();
            shelf.parts += 1;
            self.folder.join(format!("{key}.{}.part", shelf.parts))
        };
        // Not synced: a file that a power cut left empty is found unreadable and made again.
        let written = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| fs::rename(&part, self.path(key)));
        if let Err(error) = written {
            remove(&part);
            return Err(error);
        }
        let mut shelf = self.shelf();
        shelf.forget(key);
        shelf.bytes += size;
        shelf.sounds.insert(key.to_owned(), Kept { bytes: size, used: now });
        for old in shelf.excess(self.files, self.bytes, now.checked_sub(self.kept)) {
            remove(&self.path(&old));
        }
        Ok(())
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.wav"))
    }

    fn shelf(&self) -> std::sync::MutexGuard<'_, Shelf> {
        // Nothing inside can panic half-way; a poisoned shelf is as good as any.
        self.shelf.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Shelf {
    fn take_over(&mut self, entry: &fs::DirEntry) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let stem = name.strip_suffix(".wav").filter(|stem| stem.bytes().all(|b| b.is_ascii_hexdigit()));
        match (stem, entry.metadata()) {
            (Some(key), Ok(metadata)) if metadata.is_file() => {
                let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                self.bytes += metadata.len();
                self.sounds.insert(key.to_owned(), Kept { bytes: metadata.len(), used });
            }
            _ if name.ends_with(".part") => remove(&entry.path()),
            _ => {}
        }
    }

    fn forget(&mut self, key: &str) {
        if let Some(kept) = self.sounds.remove(key) {
            self.bytes -= kept.bytes;
        }
    }

    /// Takes out what is too much or too old, the least lately used first.
    fn excess(&mut self, files: usize, bytes: u64, since: Option<SystemTime>) -> Vec<String> {
        let mut order: Vec<(SystemTime, String)> = Vec::new();
        let over = self.sounds.len() > files || self.bytes > bytes;
        let old = |kept: &Kept| since.is_some_and(|since| kept.used < since);
        for (key, kept) in &self.sounds {
            if over || old(kept) {
                order.push((kept.used, key.clone()));
            }
        }
        order.sort();
        let mut out = Vec::new();
        for (used, key) in order {
            let too_much = self.sounds.len() > files || self.bytes > bytes;
            if !too_much && since.is_none_or(|since| used >= since) {
                break;
            }
            self.forget(&key);
            out.push(key);
        }
        out
    }
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file = %path.display(), %error, "a kept sound could not be deleted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("it is there")
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_sound_comes_back_also_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = SystemTime::now();
        let cache = Cache::open(folder.path(), 10, 1 << 20, DAY);
        assert_eq!(cache.get("ab", now), None);
        cache.put("ab", &[1, 2, 3], now).expect("it is written");
        assert_eq!(cache.get("ab", now), Some(vec![1, 2, 3]));
        drop(cache);
        fs::write(folder.path().join("cd.7.part"), "half").expect("it is written");
        let cache = Cache::open(folder.path(), 10, 1 << 20, DAY);
        assert_eq!(cache.get("ab", now), Some(vec![1, 2, 3]));
        assert_eq!(names(folder.path()), ["ab.wav"]);
    }

    #[test]
    fn the_least_lately_used_go_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let start = SystemTime::now();
        let at = |s| start + Duration::from_secs(s);
        let cache = Cache::open(folder.path(), 3, 1 << 20, DAY);
        for (i, key) in ["a", "b", "c"].iter().enumerate() {
            cache.put(key, &[5; 100], at(i as u64)).expect("it is written");
        }
        assert!(cache.get("a", at(5)).is_some());
        cache.put("d", &[5; 100], at(6)).expect("it is written");
        assert_eq!(names(folder.path()), ["a.wav", "c.wav", "d.wav"]);
        // Bytes are bounded too: 244 bytes a file.
        let cache = Cache::open(folder.path(), 100, 600, DAY);
        cache.put("e", &[5; 100], at(7)).expect("it is written");
        assert_eq!(names(folder.path()).len(), 2);
        cache.put("f", &[5; 1000], at(8)).expect("too large is not an error");
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn what_is_not_asked_for_any_more_is_deleted() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = SystemTime::now();
        let cache = Cache::open(folder.path(), 10, 1 << 20, DAY);
        cache.put("a", &[5; 100], now).expect("it is written");
        cache.put("b", &[5; 100], now + DAY * 2).expect("it is written");
        assert_eq!(names(folder.path()), ["b.wav"]);
    }

    #[test]
    fn a_torn_file_is_made_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let now = SystemTime::now();
        let cache = Cache::open(folder.path(), 10, 1 << 20, DAY);
        cache.put("a", &[5; 100], now).expect("it is written");
        fs::write(folder.path().join("a.wav"), "").expect("it is written");
        assert_eq!(cache.get("a", now), None);
        assert!(names(folder.path()).is_empty());
        cache.put("a", &[5; 100], now).expect("it is written");
        assert_eq!(cache.get("a", now).map(|s| s.len()), Some(100));
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_no_error_to_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("file");
        fs::write(&file, "x").expect("it is written");
        let cache = Cache::open(&file.join("sub"), 10, 1 << 20, DAY);
        assert!(cache.put("a", &[5; 100], SystemTime::now()).is_err());
        assert_eq!(cache.get("a", SystemTime::now()), None);
    }
}
