//! Faults, their places, and values that know where they were written.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Where something was written. Line and column count from 1; 0 stands for "the file as a whole".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    pub file: PathBuf,
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

/// One thing that an admin has to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub place: Place,
    /// The key as a path from the top of the file, e.g. `menu.keys.1`; may be empty.
    pub key: String,
    /// What is wrong, in one clause.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.what)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// Where faults are gathered while files are read. Clones share one list.
#[derive(Debug, Clone, Default)]
pub struct Faults(Rc<RefCell<Vec<Fault>>>);

impl Faults {
    pub fn add(&self, fault: Fault) {
        self.0.borrow_mut().push(fault);
    }

    /// A fault at `place`.
    pub fn at(&self, place: &Place, key: impl Into<String>, what: impl Into<String>, remedy: impl Into<String>) {
        self.add(Fault { place: place.clone(), key: key.into(), what: what.into(), remedy: remedy.into() });
    }

    /// A fault of a file as a whole (missing, unreadable, not TOML).
    pub fn file(&self, file: &Path, what: impl Into<String>, remedy: impl Into<String>) {
        let place = Place { file: file.to_owned(), line: 0, column: 0 };
        self.at(&place, "", what, remedy);
    }

    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// All faults, by file and line, each once.
    pub fn sorted(&self) -> Vec<Fault> {
        let mut list = self.0.borrow().clone();
        list.sort_by(|a, b| (&a.place, &a.key, &a.what).cmp(&(&b.place, &b.key, &b.what)));
        list.dedup();
        list
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in self.sorted() {
            writeln!(f, "{fault}")?;
        }
        Ok(())
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written<T> {
    pub value: T,
    pub place: Place,
    /// The key as a path from the top of the file.
    pub key: String,
}

impl<T> Written<T> {
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Written<U> {
        Written { value: f(self.value), place: self.place, key: self.key }
    }
}
