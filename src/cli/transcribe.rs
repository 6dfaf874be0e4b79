//! `jiesu transcribe F`: speech in a WAV file to text, with the model that the daemon would use or the one given.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Exit;
use crate::asr::{self, Asr, Job, Priority, Recogniser, Transcript, Unheard, Word};
use crate::shown;

/// Longer than any recording needs.
const PATIENCE: Duration = Duration::from_secs(3600);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A WAV file: PCM or G.711, any usual rate.
    #[arg(value_name = "F")]
    file: PathBuf,
    /// The model file to use instead of the configured one (models/jiesu-demo-q8_0.bin knows the demonstration voice only).
    #[arg(short, long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// One JSON object instead of the bare text.
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = match super::load(config) {
        Ok(config) => config.main.asr,
        Err(exit) => return Ok(exit),
    };
    crate::observe::start_logs(&crate::observe::Config { filter: "warn".to_owned(), ..Default::default() });
    let recogniser = match model(&config, arguments.model.as_deref()) {
        Ok(recogniser) => recogniser,
        Err(why) => {
            eprintln!("jiesu: {why}");
            return Ok(Exit::No);
        }
    };
    let config = asr::Config { workers: 1, ..config };
    let heard = super::runtime()?.block_on(async {
        let asr = Asr::start(&config, Some(recogniser));
        let deadline = Instant::now() + PATIENCE;
        let heard = asr.submit(Job::new(arguments.file.clone(), deadline, Priority::Live)).await;
        asr.stop();
        heard
    });
    match heard {
        Ok(transcript) => {
            let shown =
                if arguments.json { shown::json(&as_json(&transcript))? } else { shown::tame(&transcript.text) };
            println!("{shown}");
            Ok(Exit::Done)
        }
        Err(why @ Unheard::Unreadable(_)) => {
            eprintln!("jiesu: {}: {why}", arguments.file.display());
            Ok(Exit::No)
        }
        Err(why) => Err(why.into()),
    }
}

/// The model given, or the one that `serve` would use.
fn model(config: &asr::Config, given: Option<&Path>) -> Result<Arc<dyn Recogniser>, String> {
    match given {
        Some(file) => asr::open(file, config).map_err(|why| why.to_string()),
        None => asr::load(config).ok_or_else(|| asr::advice(config)),
    }
}

/// With its second in the recording.
pub(super) fn word(word: &Word) -> serde_json::Value {
    let seconds = |millis: u32| f64::from(millis) / 1000.0;
    json!({"text": word.text, "from": seconds(word.from), "to": seconds(word.to)})
}

fn as_json(heard: &Transcript) -> serde_json::Value {
    json!({
        "text": heard.text,
        "words": heard.words.iter().map(word).collect::<Vec<_>>(),
        "refused": heard.refused.map(|why| why.to_string()),
        "audio_s": heard.audio.as_secs_f64(),
        "took_s": heard.took.as_secs_f64(),
        "model": heard.model,
    })
}
