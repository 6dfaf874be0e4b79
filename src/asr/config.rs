//! `[asr]` of jiesu.toml.

use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use crate::written::Table;

/// How many utterances are heard, by how many threads, with which models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The model to use. Without it the newest fit file of `models` is taken; never the demonstration recogniser.
    pub model: Option<PathBuf>,
    /// A smaller and quicker one for answers to menus and questions.
    pub choices: Option<PathBuf>,
    /// A larger and better one that hears again in the background, and corrects.
    pub corrections: Option<PathBuf>,
    /// So many characters of names of places that the caller may say are told to the model before; 0 for none.
    pub prompt: usize,
    /// Where model files lie.
    pub models: PathBuf,
    /// OS threads that hear, each with a state of its own per model that it has used (about 60 MB with a tiny model,
    /// 130 MB with a small one).
    pub workers: usize,
    /// Utterances that may wait.
    pub queue: usize,
    /// Width of the search: 1 takes the likeliest word each time, 5 is better and costs more.
    pub beam: usize,
    /// How often the folder is looked at while there is no model.
    pub look_every: Duration,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            model: None,
            choices: None,
            corrections: None,
            prompt: 0,
            models: PathBuf::from("models"),
            workers: cores(),
            queue: 64,
            beam: 1,
            look_every: Duration::from_secs(30),
        }
    }
}

/// One worker a core: a worker keeps a core busy while it hears.
fn cores() -> usize {
    available_parallelism().map_or(1, |cores| cores.get().min(64))
}

impl Config {
    /// Paths are relative to the folder of the file that they stand in.
    pub fn read(table: &mut Table<'_>) -> Config {
        let folder = table.place().file.parent().unwrap_or(Path::new("")).to_owned();
        let mut file = |key| {
            let file = table.text(key).or("");
            (!file.is_empty()).then(|| folder.join(file))
        };
        let (model, choices, corrections) = (file("model"), file("choices"), file("corrections"));
        Config {
            model,
            choices,
            corrections,
            prompt: table.int("prompt").or(0, 0..200) as usize,
            models: folder.join(table.text("models").or("../models")),
            workers: match table.int("workers").or(0, 0..64) {
                0 => cores(),
                workers => workers as usize,
            },
            queue: table.int("queue").or(64, 1..100_000) as usize,
            beam: table.int("beam").or(1, 1..8) as usize,
            look_every: table.duration("look_every").or("30s", "1s".."1h"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::{Faults, Source};

    fn read(text: &str) -> (Config, Faults) {
        let faults = Faults::default();
        let source = Source::new("/etc/jiesu/jiesu.toml", text);
        let mut table = source.read(&faults).expect("TOML");
        let config = Config::read(&mut table);
        table.finish();
        (config, faults)
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let (config, faults) = read("model = \"m/base.bin\"\nchoices = \"tiny.bin\"\nworkers = 3\nqueue = 9\n");
        assert!(faults.is_empty(), "{faults}");
        assert_eq!(config.model.as_deref(), Some(Path::new("/etc/jiesu/m/base.bin")));
        assert_eq!(config.choices.as_deref(), Some(Path::new("/etc/jiesu/tiny.bin")));
        assert_eq!(config.corrections, None);
        assert_eq!(config.models, Path::new("/etc/jiesu/../models"));
        assert_eq!((config.workers, config.queue), (3, 9));
    }

    #[test]
    fn every_fault_is_named() {
        let (_, faults) = read("model = 5\nworkers = 1000\nbeem = 2\n");
        let text = faults.to_string();
        for part in [
            "1:9: model: is a whole number",
            "2:11: workers: 1000 is out of range",
            "beem: unknown key; did you mean beam?",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn nothing_written_means_one_worker_a_core_and_no_model_named() {
        let (config, faults) = read("");
        assert!(faults.is_empty() && config.model.is_none());
        assert_eq!(config.workers, cores());
    }
}
