//! `jiesu prompts`: the catalogue's prompts spoken by the voice into `config/prompts/ID.wav`.
//!
//! Owns the rule that nothing is overwritten which this did not make: `rendered.toml` beside the files holds the hash
//! of every file made here and of what it was made from. A file with another hash is a recording of somebody's and
//! stays, unless it is forced. A file of ours is made anew when its text or the voice has changed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::catalogue::Entry;
use super::config::Config;
use super::voice::{self, Silent};
use crate::audio::RATE;
use crate::audio::g711::Law;
use crate::written::{Faults, Source};

/// The list of files made here.
pub const LIST: &str = "rendered.toml";

/// Why rendering stopped.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    #[error("{id}: {why}")]
    Silent { id: String, why: Silent },
    #[error("{file}: {error}")]
    File { file: PathBuf, error: io::Error },
    #[error("{0}the list of rendered files cannot be read; delete it to have every file taken for a recording")]
    List(String),
}

/// What became of one prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// Spoken and written.
    Rendered,
    /// Rendered before, and nothing has changed.
    Current,
    /// Somebody's recording: left alone.
    Recording,
}

/// Renders what has to be rendered, in the order of `entries`; `told` hears of each.
///
/// # Errors
/// The first that fails; what was made before it stays and is listed.
pub async fn render(
    folder: &Path,
    entries: &[Entry],
    config: &Config,
    force: bool,
    mut told: impl FnMut(&Entry, Became),
) -> Result<(), RenderError> {
    let mut list = List::read(folder)?;
    for entry in entries {
        let path = folder.join(format!("{}.wav", entry.id));
        let config = &entry.config(config);
        let source = source_of(config, entry);
        let became = if force { None } else { list.state(&entry.id, &path, &source)? };
        if let Some(became) = became {
            told(entry, became);
            continue;
        }
        let sound = voice::render(config, &config.manner, entry.edges, &entry.text)
            .await
            .map_err(|why| RenderError::Silent { id: entry.id.clone(), why })?;
        let bytes = alaw_file(&sound);
        if let Some(own) = path.parent() {
            fs::create_dir_all(own).map_err(|error| RenderError::File { file: own.to_owned(), error })?;
        }
        replace(&path, &bytes)?;
        list.made.insert(entry.id.clone(), Made { file: hash(&bytes), source });
        // After each, so that an interrupted run forgets nothing.
        replace(&folder.join(LIST), list.text().as_bytes())?;
        told(entry, Became::Rendered);
    }
    Ok(())
}

/// The files made here, by prompt.
struct List {
    made: BTreeMap<String, Made>,
}

struct Made {
    file: String,
    source: String,
}

impl List {
    fn read(folder: &Path) -> Result<List, RenderError> {
        let path = folder.join(LIST);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(RenderError::File { file: path, error }),
        };
        let faults = Faults::default();
        let source = Source::new(path, text);
        let mut made = BTreeMap::new();
        if let Some(mut table) = source.read(&faults) {
            for id in table.keys() {
                let hashes = table.text(&id).need("two hashes");
                if let Some((file, source)) = hashes.split_once(' ') {
                    made.insert(id, Made { file: file.to_owned(), source: source.to_owned() });
                }
            }
        }
        if faults.is_empty() { Ok(List { made }) } else { Err(RenderError::List(faults.to_string())) }
    }

    /// What the file is; `None` if it has to be rendered.
    fn state(&self, id: &str, path: &Path, source: &str) -> Result<Option<Became>, RenderError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(RenderError::File { file: path.to_owned(), error }),
        };
        Ok(match self.made.get(id) {
            Some(made) if made.file == hash(&bytes) => (made.source == source).then_some(Became::Current),
            _ => Some(Became::Recording),
        })
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# Written by `jiesu prompts`: the prompts that it rendered, each with the hash of its file and of what it\n\
             # was made from. A file that is not listed with its hash is a recording and is never overwritten.\n",
        );
        for (id, made) in &self.made {
            // The slash of another language's folder has to be quoted.
            let id = if id.contains('/') { format!("\"{id}\"") } else { id.clone() };
            text.push_str(&format!("{id} = \"{} {}\"\n", made.file, made.source));
        }
        text
    }
}

/// A WAV file in A-law, mono, 8 kHz: what goes on the line anyway, in half the room of 16 bits (it is kept in the
/// repository). Format tag 6 with the `fact` chunk that the format asks for.
fn alaw_file(samples: &[i16]) -> Vec<u8> {
    let length = u32::try_from(samples.len()).expect("a prompt is minutes at most");
    let mut file = Vec::with_capacity(58 + samples.len() + 1);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(50 + length + (length & 1)).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&18_u32.to_le_bytes());
    for half in [6_u16, 1] {
        file.extend_from_slice(&half.to_le_bytes()); // A-law, one channel
    }
    for word in [RATE, RATE] {
        file.extend_from_slice(&word.to_le_bytes()); // samples and bytes a second
    }
    for half in [1_u16, 8, 0] {
        file.extend_from_slice(&half.to_le_bytes()); // bytes and bits a sample, nothing more to say
    }
    file.extend_from_slice(b"fact");
    file.extend_from_slice(&4_u32.to_le_bytes());
    file.extend_from_slice(&length.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&length.to_le_bytes());
    file.extend(samples.iter().map(|sample| Law::A.encode(*sample)));
    file.resize(file.len() + samples.len() % 2, 0);
    file
}

/// The hash of all that makes the sound.
fn source_of(config: &Config, entry: &Entry) -> String {
    let Config { command, input, one, manner, .. } = config;
    hash(format!("{command:?}\n{input:?}\n{one:?}\n{manner:?}\n{:?}\n{}", entry.edges, entry.text).as_bytes())
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The file is the old or the new one, never half of it.
fn replace(path: &Path, bytes: &[u8]) -> Result<(), RenderError> {
    let part = path.with_extension("part");
    fs::write(&part, bytes)
        .and_then(|()| fs::rename(&part, path))
        .map_err(|error| RenderError::File { file: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{tone, wav};
    use crate::tts::config::Input;
    use std::time::Duration;

    /// A voice that answers every text with the same tone.
    fn config(folder: &Path) -> Config {
        let path = folder.join("tone");
        let tone = tone::sine(440.0, Duration::from_millis(300), 0.1);
        fs::write(&path, wav::bytes(&tone, 8000)).expect("it is written");
        let command = vec!["cat".to_owned(), path.display().to_string()];
        Config { command, input: Input::Text, time_limit: Duration::from_secs(10), ..Config::default() }
    }

    async fn run(folder: &Path, entries: &[Entry], config: &Config, force: bool) -> Vec<(String, Became)> {
        let mut became = Vec::new();
        let told = |entry: &Entry, what| became.push((entry.id.clone(), what));
        render(folder, entries, config, force, told).await.expect("it renders");
        became
    }

    fn one(id: &str, became: Became) -> Vec<(String, Became)> {
        vec![(id.to_owned(), became)]
    }

    #[tokio::test]
    async fn a_prompt_is_rendered_once_and_again_when_its_text_changes() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(folder.path());
        let hello = [Entry::sentence("hello", "你好")];
        assert_eq!(run(folder.path(), &hello, &config, false).await, one("hello", Became::Rendered));
        assert_eq!(run(folder.path(), &hello, &config, false).await, one("hello", Became::Current));
        let changed = [Entry::sentence("hello", "您好")];
        assert_eq!(run(folder.path(), &changed, &config, false).await, one("hello", Became::Rendered));
        assert_eq!(run(folder.path(), &changed, &config, true).await, one("hello", Became::Rendered));
    }

    #[tokio::test]
    async fn a_recording_is_never_overwritten_unless_forced() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(folder.path());
        let path = folder.path().join("hello.wav");
        let studio = wav::bytes(&tone::sine(300.0, Duration::from_secs(1), 0.2), 8000);
        let hello = [Entry::sentence("hello", "你好")];
        // Put there before anything was rendered, and in the place of a rendered one.
        fs::write(&path, &studio).expect("it is written");
        assert_eq!(run(folder.path(), &hello, &config, false).await, one("hello", Became::Recording));
        fs::remove_file(&path).expect("it was there");
        assert_eq!(run(folder.path(), &hello, &config, false).await, one("hello", Became::Rendered));
        fs::write(&path, &studio).expect("it is written");
        let changed = [Entry::sentence("hello", "您好")];
        assert_eq!(run(folder.path(), &changed, &config, false).await, one("hello", Became::Recording));
        assert_eq!(fs::read(&path).expect("it is there"), studio);
        assert_eq!(run(folder.path(), &changed, &config, true).await, one("hello", Became::Rendered));
        assert_ne!(fs::read(&path).expect("it is there"), studio);
    }

    #[test]
    fn a_rendered_file_is_read_back_in_a_law() {
        for length in [7, 8] {
            let samples: Vec<i16> = (0..length).map(|i| i * 1000 - 3000).collect();
            let file = alaw_file(&samples);
            assert_eq!(
                (file.len() % 2, file.len() - 8),
                (0, u32::from_le_bytes(file[4..8].try_into().expect("four")) as usize)
            );
            let pcm = wav::read(&file).expect("it is WAV");
            let expected: Vec<i16> = samples.iter().map(|s| Law::A.decode(Law::A.encode(*s))).collect();
            assert_eq!((pcm.rate, pcm.samples), (8000, expected));
        }
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_read_stops_everything() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = config(folder.path());
        fs::write(folder.path().join(LIST), "hello = ").expect("it is written");
        let result = render(folder.path(), &[Entry::sentence("hello", "你好")], &config, false, |_, _| ()).await;
        assert!(matches!(result, Err(RenderError::List(_))), "{result:?}");
        assert!(!folder.path().join("hello.wav").exists());
    }
}
