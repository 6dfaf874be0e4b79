//! Bytes set aside for the day when the disk is full.
//!
//! In SQLite a full disk also stops the checkpoint that would make room in the log. Then the ballast file is removed,
//! the rows that wait are written, and the log shouts: what callers say in the next hours is still kept.

use std::fs;
use std::io;
use std::path::PathBuf;

#[derive(Debug)]
pub(super) struct Ballast(PathBuf);

impl Ballast {
    /// Sets `bytes` aside in `file`, or says in the log that there is no room for it.
    pub(super) fn keep(file: PathBuf, bytes: u64) -> Ballast {
        let there = fs::metadata(&file).map_or(0, |meta| meta.len());
        if bytes > 0
            && there != bytes
            && let Err(error) = allocate(&file, bytes)
        {
            tracing::warn!(file = %file.display(), bytes, %error, "no room for the store's ballast; free disk space");
            remove(&file);
        }
        Ballast(file)
    }

    /// Nothing to give up: another process keeps it.
    pub(super) fn none() -> Ballast {
        Ballast(PathBuf::new())
    }

    /// Frees the bytes; `false` if there are none (any more).
    pub(super) fn give_up(&self) -> bool {
        let given = self.0.exists() && remove(&self.0);
        if given {
            tracing::error!(
                file = %self.0.display(),
                "THE DISK IS FULL: the ballast was given up so that calls are still kept; free disk space now"
            );
        }
        given
    }
}

/// Blocks that are really there: a sparse file would hold nothing.
fn allocate(file: &PathBuf, bytes: u64) -> io::Result<()> {
    let ballast = fs::File::create(file)?;
    rustix::fs::fallocate(&ballast, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
    Ok(())
}

fn remove(file: &PathBuf) -> bool {
    match fs::remove_file(file) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the store's ballast could not be removed");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_up_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ballast");
        let ballast = Ballast::keep(file.clone(), 1 << 20);
        use std::os::unix::fs::MetadataExt as _;
        let meta = fs::metadata(&file).expect("it is there");
        assert!(meta.len() == 1 << 20 && meta.blocks() * 512 >= 1 << 20, "really allocated");
        assert!(ballast.give_up() && !file.exists());
        assert!(!ballast.give_up());
        assert!(!Ballast::keep(file, 0).give_up(), "no ballast is wanted");
    }
}
