//! Files of the configuration folder.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::written::{Faults, Source};

/// One file that must be there.
pub fn one(folder: &Path, name: &str, faults: &Faults) -> Option<Source> {
    let path = folder.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => Some(Source::new(path, text)),
        Err(error) => {
            let remedy = match error.kind() {
                std::io::ErrorKind::NotFound => "name the configuration folder with -c DIR, or restore the file",
                std::io::ErrorKind::InvalidData => "save it as UTF-8",
                _ => "mend its permissions",
            };
            faults.file(&path, error.to_string(), remedy);
            None
        }
    }
}

/// Every file with this extension in a folder of the configuration, by name.
pub fn all(folder: &Path, name: &str, extension: &str, faults: &Faults) -> Vec<Source> {
    let path = folder.join(name);
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) => {
            faults.file(&path, error.to_string(), "restore the folder");
            return Vec::new();
        }
    };
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|file| !file.starts_with('.') && Path::new(file).extension().is_some_and(|e| e == extension));
    names.sort();
    names.iter().filter_map(|file| one(folder, &format!("{name}/{file}"), faults)).collect()
}

/// As [`all`], of a folder that need not be there.
pub fn any(folder: &Path, name: &str, extension: &str, faults: &Faults) -> Vec<Source> {
    if folder.join(name).exists() { all(folder, name, extension, faults) } else { Vec::new() }
}

/// A file that the configuration names, whatever is in it.
///
/// # Errors
/// With its whole path, and what is wrong.
pub fn bytes(folder: &Path, written: &str) -> Result<Vec<u8>, String> {
    let path = within(folder, written);
    fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// A path written in the configuration, from the root of the file system: it goes into rows and to other systems.
pub fn within(folder: &Path, written: &str) -> PathBuf {
    let base = folder.canonicalize().or_else(|_| std::path::absolute(folder)).unwrap_or_else(|_| folder.to_owned());
    let mut out = PathBuf::new();
    // The base has no links left, so that `..` means what it says.
    for part in base.join(written).components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_whole() {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let root = temp.path().canonicalize().expect("it is there");
        std::fs::create_dir(root.join("config")).expect("mkdir");
        assert_eq!(within(&root.join("config"), "../state"), root.join("state"));
        assert_eq!(within(&root.join("config"), "./a/../b"), root.join("config/b"));
        assert_eq!(within(&root.join("config"), "/var/lib/jiesu"), Path::new("/var/lib/jiesu"));
    }
}
