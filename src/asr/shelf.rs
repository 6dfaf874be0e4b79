//! The model files: which one is used, and what to do when there is none.
//!
//! A file named in the configuration is used, whatever it is. Without one the newest `*.bin` of the models folder that
//! is a Mandarin Whisper is taken, but **never the demonstration recogniser**: it knows one synthetic voice, and of a
//! citizen's words it would make a fluent sentence that nobody said.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::{Config, Purpose, Recogniser, ggml};

/// A file of this size is no model (the largest published is 3.1 GB).
const MAX_BYTES: u64 = 8 << 30;

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NoModel {
    #[error("{}: {error}", file.display())]
    Unreadable { file: PathBuf, error: std::io::Error },
    #[error("{} {why}", file.display())]
    Bad { file: PathBuf, why: ggml::Bad },
    #[error("{}: {error}", file.display())]
    Engine { file: PathBuf, error: super::Fault },
    #[error("this jiesu was built without an engine; build it with the feature \"whisper\"")]
    NoEngine,
}

/// Loads the model that the configuration means. A fault is logged, and then there is none.
pub fn load(config: &Config) -> Option<Arc<dyn Recogniser>> {
    Shelf::new(config.clone()).look()
}

/// Loads one file, whatever it is.
pub fn open(file: &Path, config: &Config) -> Result<Arc<dyn Recogniser>, NoModel> {
    let unreadable = |error| NoModel::Unreadable { file: file.to_owned(), error };
    let length = fs::metadata(file).map_err(unreadable)?.len();
    if length > MAX_BYTES {
        return Err(NoModel::Bad { file: file.to_owned(), why: ggml::Bad::NotWhisper("larger than 8 GB") });
    }
    // The header first: no need to read gigabytes of something else.
    let bad = |why| NoModel::Bad { file: file.to_owned(), why };
    ggml::header(&head(file).map_err(unreadable)?).map_err(bad)?;
    // Read once: what was inspected is what the engine gets, even if the file is being replaced.
    let bytes = fs::read(file).map_err(unreadable)?;
    let shape = ggml::inspect(&bytes).map_err(bad)?;
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    engine(&name, file, &bytes, shape, config)
}

#[cfg(feature = "whisper")]
fn engine(
    name: &str,
    file: &Path,
    bytes: &[u8],
    shape: ggml::Shape,
    config: &Config,
) -> Result<Arc<dyn Recogniser>, NoModel> {
    match super::whisper::Whisper::load(name, bytes, shape, config.beam) {
        Ok(whisper) => Ok(Arc::new(whisper)),
        Err(error) => Err(NoModel::Engine { file: file.to_owned(), error }),
    }
}

#[cfg(not(feature = "whisper"))]
fn engine(_: &str, _: &Path, _: &[u8], _: ggml::Shape, _: &Config) -> Result<Arc<dyn Recogniser>, NoModel> {
    Err(NoModel::NoEngine)
}

fn head(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(ggml::HEADER);
    File::open(file)?.take(ggml::HEADER as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// What an operator reads when there is no model: what that means, and how to get one.
pub fn advice(config: &Config) -> String {
    let place = match &config.model {
        Some(file) => format!("{} is not there or not sound", file.display()),
        None => format!("{} holds no speech model", config.models.display()),
    };
    format!(
        "{place}: calls are taken and recorded, tickets say \"text pending\". To hear: `models/fetch list`, then \
         `models/fetch base-q8_0 --from URL` with the address of a model hub or of your own copy, or put any GGML \
         Whisper file there. It is picked up within {} s, without a restart.",
        config.look_every.as_secs()
    )
}

/// One that looks again and again; of the same file it complains once.
#[derive(Debug)]
pub struct Shelf {
    config: Config,
    purpose: Purpose,
    refused: Option<Seen>,
}

/// A file as it was when it was refused: length and time of change.
type Seen = (PathBuf, u64, Option<SystemTime>);

impl Shelf {
    pub fn new(config: Config) -> Shelf {
        Shelf { config, purpose: Purpose::Complaint, refused: None }
    }

    /// A shelf for each purpose that has a model of its own; `heard`: complaints have theirs already.
    pub fn all(config: &Config, heard: bool) -> Vec<(Purpose, Shelf)> {
        let wanted = Purpose::ALL.into_iter().filter_map(|purpose| {
            let model = match purpose {
                Purpose::Complaint if heard => return None,
                Purpose::Complaint => config.model.clone(),
                Purpose::Choice => Some(config.choices.clone()?),
                Purpose::Correction => Some(config.corrections.clone()?),
            };
            Some((purpose, Shelf { purpose, ..Shelf::new(Config { model, ..config.clone() }) }))
        });
        wanted.collect()
    }

    /// What to do as long as there is none.
    pub fn advice(&self) -> String {
        match (&self.config.model, self.purpose) {
            (Some(file), Purpose::Choice | Purpose::Correction) => {
                format!(
                    "{} (asr.{}s) is not there or not sound; until it is, what hears complaints stands in for it",
                    file.display(),
                    self.purpose.name()
                )
            }
            _ => advice(&self.config),
        }
    }

    /// The model, if there is one now.
    pub fn look(&mut self) -> Option<Arc<dyn Recogniser>> {
        let file = self.choose()?;
        let seen = seen(&file);
        if self.refused.as_ref() == Some(&seen) {
            return None;
        }
        match open(&file, &self.config) {
            Ok(recogniser) => {
                tracing::info!(model = recogniser.name(), file = %file.display(), "speech model loaded");
                Some(recogniser)
            }
            Err(error) => {
                tracing::error!(%error, "speech model refused; tickets say \"text pending\"");
                self.refused = Some(seen);
                None
            }
        }
    }

    /// The file that would be loaded; it is not opened yet.
    pub fn choose(&self) -> Option<PathBuf> {
        match &self.config.model {
            Some(file) => file.exists().then(|| file.clone()),
            None => newest(&self.config.models),
        }
    }
}

fn seen(file: &Path) -> Seen {
    let metadata = fs::metadata(file).ok();
    (file.to_owned(), metadata.as_ref().map_or(0, fs::Metadata::len), metadata.and_then(|m| m.modified().ok()))
}

/// The newest file of the folder that begins like a Mandarin Whisper and is not the demonstration recogniser.
fn newest(folder: &Path) -> Option<PathBuf> {
    // A folder that is not there holds no model.
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    files
        .filter(|file| file.extension().is_some_and(|ending| ending == "bin"))
        .filter(|file| head(file).is_ok_and(|head| ggml::header(&head).is_ok_and(|shape| !shape.demonstration())))
        .max_by_key(|file| (seen(file).2, file.clone()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::asr::ggml::tests::numbers;

    fn config(folder: &Path) -> Config {
        Config { models: folder.to_owned(), ..Config::default() }
    }

    #[test]
    fn an_empty_or_missing_folder_holds_no_model() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(load(&config(folder.path())).is_none());
        assert!(load(&config(&folder.path().join("no"))).is_none());
        assert!(advice(&config(folder.path())).contains("models/fetch"));
    }

    #[test]
    fn the_newest_whisper_is_chosen_and_never_the_demonstration_recogniser() {
        let folder = tempfile::tempdir().expect("a folder");
        let put = |name: &str, bytes: &[u8], age: u64| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).expect("written");
            let time = SystemTime::now() - Duration::from_secs(age);
            File::options().append(true).open(&path).and_then(|f| f.set_modified(time)).expect("dated");
        };
        put("renamed-demo.bin", &numbers(51_865, 192), 0);
        put("english.bin", &numbers(51_864, 384), 0);
        put("page.bin", b"<html>", 0);
        put("notes.txt", &numbers(51_865, 384), 0);
        assert_eq!(newest(folder.path()), None);
        put("old.bin", &numbers(51_865, 384), 100);
        put("new.bin", &numbers(51_866, 1280), 50);
        assert_eq!(newest(folder.path()), Some(folder.path().join("new.bin")));
    }

    #[test]
    fn a_cut_off_file_is_refused_once_until_it_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("ggml-base.bin");
        fs::write(&file, numbers(51_865, 512)).expect("written");
        let mut shelf = Shelf::new(config(folder.path()));
        assert!(shelf.look().is_none());
        let first = shelf.refused.clone();
        assert!(first.is_some());
        fs::write(&file, [numbers(51_865, 512), vec![0; 9]].concat()).expect("written");
        assert!(shelf.look().is_none());
        assert_ne!(shelf.refused, first, "the changed file was looked at");
        let error = open(&file, &shelf.config).err().expect("it is cut off").to_string();
        assert!(error.contains("ggml-base.bin") && error.contains("fetch it again"), "{error}");
    }
}
