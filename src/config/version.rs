//! The files that calls follow, as one thing that has a name: its content.
//!
//! Owns which files of the configuration folder make a version (all that an admin changes for callers: lines, flows,
//! prompts with their recordings, emergencies, answers, calendars, catalogue, places, units) and the folder in which versions
//! are kept ([`Archive`]), each file once by its hash. Refuses `jiesu.toml`, trunks, certificates and secrets: those
//! belong to the machine, not to a version, and are kept nowhere else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::id::VersionId;

/// Single files of a version.
const FILES: [&str; 2] = ["lines.toml", "emergency.toml"];
/// Its folders, whose files with these endings belong to it, and those of folders in them (sub-flows, languages).
const FOLDERS: [(&str, &[&str]); 7] = [
    ("answers", &["toml"]),
    ("calendar", &["toml"]),
    ("catalogue", &["toml"]),
    ("flows", &["toml"]),
    ("places", &["toml"]),
    ("prompts", &["toml", "wav"]),
    ("units", &["toml"]),
];

/// A version's files: names relative to the configuration folder, and what is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, Vec<u8>>);

/// The names of a version's files and their hashes.
pub type Contents = BTreeMap<String, String>;

impl Files {
    /// What lies in a folder. A file that cannot be read is left out: whoever checks the folder says so.
    pub fn read(folder: &Path) -> Files {
        let read = |name: String| {
            let bytes = fs::read(folder.join(&name)).ok()?;
            Some((name, bytes))
        };
        Files(names(folder).into_iter().filter_map(read).collect())
    }

    /// The name that this content has.
    pub fn id(&self) -> VersionId {
        let mut all = Sha256::new();
        for (name, bytes) in &self.0 {
            // Lengths first, so that no two folders write the same bytes.
            all.update((name.len() as u64).to_be_bytes());
            all.update(name);
            all.update(Sha256::digest(bytes));
        }
        VersionId(all.finalize().into())
    }

    pub fn contents(&self) -> Contents {
        self.0.iter().map(|(name, bytes)| (name.clone(), hash(bytes))).collect()
    }

    /// Makes a folder hold these files and no others of a version, each in one step. Nothing else in it is touched.
    ///
    /// # Errors
    /// The folder cannot be written; some files may have been replaced by then.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        for (name, bytes) in &self.0 {
            let path = folder.join(name);
            if fs::read(&path).is_ok_and(|there| there == *bytes) {
                continue;
            }
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            replace(&path, bytes)?;
        }
        for stray in names(folder).into_iter().filter(|name| !self.0.contains_key(name)) {
            fs::remove_file(folder.join(stray))?;
        }
        Ok(())
    }
}

/// The files of a version that lie in a folder.
fn names(folder: &Path) -> BTreeSet<String> {
    let mut names: BTreeSet<String> =
        FILES.iter().filter(|name| folder.join(name).is_file()).map(ToString::to_string).collect();
    for (inside, endings) in FOLDERS {
        let mut folders = vec![inside.to_owned()];
        folders.extend(entries(folder, inside, |path| path.is_dir()));
        for inside in folders {
            let ours = |path: &Path| {
                let ending = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
                endings.contains(&ending) && path.is_file()
            };
            names.extend(entries(folder, &inside, ours));
        }
    }
    names
}

/// Changes when a file of a version, or of a trunk, has been saved. Only names, sizes and times are looked at.
pub fn fingerprint(folder: &Path) -> u64 {
    let mut paths: Vec<PathBuf> = names(folder).iter().map(|name| folder.join(name)).collect();
    // A folder that is not there holds nothing.
    let trunks = fs::read_dir(folder.join("trunks")).into_iter().flatten().flatten();
    paths.extend(trunks.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "toml")));
    paths.sort();
    let mut all = DefaultHasher::new();
    for path in paths {
        let seen = fs::metadata(&path).ok();
        (&path, seen.as_ref().map(fs::Metadata::len), seen.and_then(|seen| seen.modified().ok())).hash(&mut all);
    }
    all.finish()
}

/// What is in a folder of the folder; one that is not there holds nothing.
fn entries(folder: &Path, inside: &str, wanted: impl Fn(&Path) -> bool) -> Vec<String> {
    let all = fs::read_dir(folder.join(inside)).into_iter().flatten().flatten();
    let named = all.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path()));
    let ours = named.filter(|(name, path)| !name.starts_with('.') && wanted(path));
    ours.map(|(name, _)| format!("{inside}/{name}")).collect()
}

fn hash(bytes: &[u8]) -> String {
    VersionId(Sha256::digest(bytes).into()).whole()
}

/// A file's new content, under its name only when it is whole; it keeps the permissions of the one before.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_file_name(format!(".{}.new", path.file_name().unwrap_or_default().to_string_lossy()));
    let mut file = fs::File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    if let Ok(before) = fs::metadata(path) {
        file.set_permissions(before.permissions())?;
    }
    fs::rename(&beside, path)
}

/// Why a version cannot be had from the archive.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("{0} is not in the archive any more")]
    Missing(String),
    #[error("{0} in the archive is damaged")]
    Damaged(String),
    #[error("{0}: {1}")]
    Unreadable(PathBuf, io::Error),
}

/// Where the contents of versions are kept: one file for each content, named by its hash.
#[derive(Debug, Clone)]
pub struct Archive {
    root: PathBuf,
}

impl Archive {
    /// Under `state_dir`.
    pub fn new(state_dir: &Path) -> Archive {
        Archive { root: state_dir.join("versions") }
    }

    /// Keeps a version's files; those that are there already are not written again.
    ///
    /// # Errors
    /// The disk's.
    pub fn put(&self, files: &Files) -> io::Result<Contents> {
        fs::create_dir_all(&self.root)?;
        let contents = files.contents();
        for (name, hash) in &contents {
            let path = self.root.join(hash);
            let bytes = &files.0[name];
            let there = fs::metadata(&path).is_ok_and(|there| there.len() == bytes.len() as u64);
            // Not synced: whatever a power cut leaves half written is found by its hash, and written again by its length.
            if !there {
                let beside = path.with_extension("new");
                fs::write(&beside, bytes)?;
                fs::rename(&beside, &path)?;
            }
        }
        Ok(contents)
    }

    /// A version's files.
    ///
    /// # Errors
    /// One of them is not there as it was kept.
    pub fn get(&self, contents: &Contents) -> Result<Files, Lost> {
        let one = |(name, wanted): (&String, &String)| {
            if !inside(name) || VersionId::read(wanted).is_none() {
                return Err(Lost::Damaged(name.clone()));
            }
            let path = self.root.join(wanted);
            let bytes = fs::read(&path).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Lost::Missing(name.clone()),
                _ => Lost::Unreadable(path, error),
            })?;
            if hash(&bytes) == *wanted { Ok((name.clone(), bytes)) } else { Err(Lost::Damaged(name.clone())) }
        };
        Ok(Files(contents.iter().map(one).collect::<Result<_, _>>()?))
    }

    /// Lays a version out as a folder of its own, to be checked. It goes away when it is dropped.
    ///
    /// # Errors
    /// The disk's.
    pub fn stage(&self, files: &Files) -> io::Result<Staged> {
        fs::create_dir_all(&self.root)?;
        let folder = self.root.join(format!("staged-{}-{:016x}", std::process::id(), rand::random::<u64>()));
        fs::create_dir(&folder)?;
        let staged = Staged { folder };
        files.write(&staged.folder)?;
        Ok(staged)
    }

    /// Forgets every content that no kept version has. How many files went.
    ///
    /// # Errors
    /// The disk's.
    pub fn sweep(&self, kept: &BTreeSet<String>) -> io::Result<usize> {
        let mut gone = 0;
        for entry in fs::read_dir(&self.root)?.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if VersionId::read(&name).is_some() && !kept.contains(&name) {
                fs::remove_file(entry.path())?;
                gone += 1;
            }
        }
        Ok(gone)
    }
}

/// Whether a name in a row is one that a version may have: never a way out of the folder.
fn inside(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0']);
    let parts: Vec<&str> = name.split('/').collect();
    let known = FOLDERS.iter().any(|(folder, _)| parts[0] == *folder);
    FILES.contains(&name) || known && (2..=3).contains(&parts.len()) && parts.into_iter().all(part)
}

/// A version laid out in a folder.
#[derive(Debug)]
pub struct Staged {
    folder: PathBuf,
}

impl Staged {
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            tracing::warn!(folder = %self.folder.display(), %error, "a staged version is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn files(list: &[(&str, &str)]) -> Files {
        Files(list.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())).collect())
    }

    #[test]
    fn a_version_is_kept_and_comes_back_whole() {
        let temp = tempfile::tempdir().expect("a folder");
        let archive = Archive::new(&temp.path().join("state"));
        let (one, two) = (
            files(&[
                ("flows/main.toml", "a"),
                ("flows/sub/id.toml", "s"),
                ("lines.toml", "b"),
                ("prompts/x.wav", "same"),
            ]),
            files(&[("flows/other.toml", "c"), ("lines.toml", "b2"), ("prompts/x.wav", "same")]),
        );
        let (first, second) = (archive.put(&one).expect("put"), archive.put(&two).expect("put"));
        assert_eq!(archive.get(&first).expect("kept"), one);
        let folder = temp.path().join("config");
        fs::create_dir(&folder).expect("mkdir");
        fs::write(folder.join("jiesu.toml"), "mine").expect("write");
        for version in [&one, &two, &one] {
            version.write(&folder).expect("written");
            assert_eq!(Files::read(&folder).id(), version.id(), "a file of the other version is left");
        }
        assert_eq!(fs::read_to_string(folder.join("jiesu.toml")).expect("untouched"), "mine");
        // Only the second is kept: what both share stays.
        let kept = second.values().cloned().collect();
        assert_eq!(archive.sweep(&kept).expect("swept"), 3);
        assert_eq!(archive.get(&second).expect("kept"), two);
        assert!(matches!(archive.get(&first), Err(Lost::Missing(_))));
        fs::write(temp.path().join("state/versions").join(&second["lines.toml"]), "b3").expect("damaged");
        assert!(matches!(archive.get(&second), Err(Lost::Damaged(name)) if name == "lines.toml"));
    }

    #[test]
    fn a_row_does_not_lead_out_of_the_folder() {
        let temp = tempfile::tempdir().expect("a folder");
        let archive = Archive::new(temp.path());
        let hash = archive.put(&files(&[("lines.toml", "x")])).expect("put")["lines.toml"].clone();
        for name in [
            "../lines.toml",
            "flows/../../x.toml",
            "flows/",
            "/etc/passwd",
            "jiesu.toml",
            "trunks/a.toml",
            "flows/a/b/c.toml",
        ] {
            let contents = Contents::from([(name.to_owned(), hash.clone())]);
            assert!(matches!(archive.get(&contents), Err(Lost::Damaged(_))), "{name}");
        }
        let contents = Contents::from([("lines.toml".to_owned(), "../lines".to_owned())]);
        assert!(matches!(archive.get(&contents), Err(Lost::Damaged(_))));
    }

    #[test]
    fn a_staged_version_goes_away() {
        let temp = tempfile::tempdir().expect("a folder");
        let archive = Archive::new(temp.path());
        let one = files(&[("flows/main.toml", "a")]);
        let staged = archive.stage(&one).expect("staged");
        let folder = staged.folder().to_owned();
        assert_eq!(Files::read(&folder), one);
        drop(staged);
        assert!(!folder.exists());
    }

    proptest! {
        /// Whatever differs, the name differs: also where bytes only move from one file to the next.
        #[test]
        fn different_files_have_different_names(
            a in proptest::collection::btree_map("[a-c]{1,3}", proptest::collection::vec(0u8..3, 0..4), 0..4),
            b in proptest::collection::btree_map("[a-c]{1,3}", proptest::collection::vec(0u8..3, 0..4), 0..4),
        ) {
            prop_assert_eq!(a == b, Files(a).id() == Files(b).id());
        }
    }
}
