//! What can go wrong with the store, and what to do about it.

use std::path::{Path, PathBuf};

use crate::ticket::{DayFull, Illegal, Number, case};

/// A variant for each thing that somebody can do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("{}: the disk is full; free space there, waiting rows are then written", .0.display())]
    Full(PathBuf),
    #[error(
        "{}: another process holds it locked; is a second jiesu serve, a backup or a sqlite3 shell writing to it?",
        .0.display()
    )]
    Locked(PathBuf),
    #[error(
        "{}: damaged ({what}); stop jiesu, keep a copy, then restore the last backup or try `sqlite3 FILE .recover`",
        .file.display()
    )]
    Damaged { file: PathBuf, what: String },
    #[error("{}: written by a newer jiesu (migration {version}); install that version, or a newer one", .file.display())]
    Newer { file: PathBuf, version: i64 },
    #[error("{}: written by an older jiesu (migration {version}); `jiesu serve` brings it up to date", .file.display())]
    Older { file: PathBuf, version: i64 },
    #[error("{}: cannot be opened ({what}); it and its folder must be readable and writable for this user", .file.display())]
    Unopened { file: PathBuf, what: String },
    #[error("{}: no store yet; `jiesu serve` makes it, or state_dir names another folder", .0.display())]
    Missing(PathBuf),
    #[error("no ticket {0}")]
    NoTicket(Number),
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// It cannot happen to the case; what can is listed.
    #[error(transparent)]
    Move(#[from] case::Illegal),
    #[error("ticket {0} has no case: there is none, or it was filed before cases were kept")]
    NoCase(Number),
    #[error(transparent)]
    DayFull(#[from] DayFull),
    #[error("the store is closed")]
    Closed,
    /// A row of ours that cannot be read back, a statement that SQLite refuses: a fault of ours.
    #[error("the store: {0}")]
    Fault(String),
}

impl Error {
    /// Whether trying again later may help without anybody's doing.
    pub fn passes(&self) -> bool {
        matches!(self, Error::Full(_) | Error::Locked(_))
    }

    /// Sorts what sqlx says about `file`.
    pub(super) fn of(file: &Path, error: &sqlx::Error) -> Error {
        let file = file.to_owned();
        let sqlx::Error::Database(database) = error else {
            return Error::Fault(error.to_string());
        };
        // SQLite's extended codes carry the primary one in their low byte.
        let code = database.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0) & 0xff;
        let what = database.message().to_owned();
        match code {
            5 | 6 => Error::Locked(file),
            8 | 14 => Error::Unopened { file, what },
            11 | 26 => Error::Damaged { file, what },
            13 => Error::Full(file),
            _ => Error::Fault(format!("{what} (SQLite code {code})")),
        }
    }
}
