//! The recordings of the prompts, read once when the daemon starts.
//!
//! Owns what a usable recording is: a WAV of any usual rate and form, not silent, not clipped, not longer than a
//! person would listen. A studio's recording replaces a rendered one by taking its name.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use super::numbers::PAUSE;
use crate::audio::{RATE, level, wav};
use crate::written::Faults;

/// Nobody listens longer; a file beyond is a mistake.
const LONGEST: Duration = Duration::from_secs(180);
/// Three minutes of 48 kHz stereo in 32 bits, and headers.
const MOST_BYTES: u64 = 72 << 20;
/// The silence between groups of digits.
const PAUSE_SAMPLES: usize = 2400;

/// Every needed prompt as 8 kHz samples. What cannot be played is a fault of its file.
pub fn load(folder: &Path, needed: &[String], faults: &Faults) -> HashMap<String, Vec<i16>> {
    let mut prompts = HashMap::with_capacity(needed.len());
    for id in needed {
        if prompts.contains_key(id) {
            continue;
        }
        if id == PAUSE {
            prompts.insert(id.clone(), vec![0; PAUSE_SAMPLES]);
            continue;
        }
        let path = folder.join(format!("{id}.wav"));
        match recording(&path) {
            Ok(samples) => {
                prompts.insert(id.clone(), samples);
            }
            Err(Unusable { what, remedy }) => faults.file(&path, what, remedy),
        }
    }
    prompts
}

/// Why a file cannot be played, and what to do.
#[derive(Debug)]
pub struct Unusable {
    pub what: String,
    pub remedy: String,
}

/// One file as 8 kHz samples.
///
/// # Errors
/// The file is not there, not a WAV that is read here, or nothing that people can listen to.
pub fn recording(path: &Path) -> Result<Vec<i16>, Unusable> {
    let remedy = "put a recording there, or delete the file and run `make prompts`";
    let unusable = |what: String| Unusable { what, remedy: remedy.to_owned() };
    let bytes = bytes(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unusable {
            what: "this prompt has no recording".to_owned(),
            remedy: "run `make prompts` to render it, or put a recording there".to_owned(),
        },
        _ => unusable(error.to_string()),
    })?;
    let pcm = wav::read(&bytes).map_err(|error| unusable(error.to_string()))?;
    if pcm.duration() > LONGEST {
        return Err(unusable(format!("it is longer than {} s", LONGEST.as_secs())));
    }
    level::check(&pcm.samples).map_err(|fault| unusable(fault.to_string()))?;
    Ok(pcm.to_8k())
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let file = fs::File::open(path)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(io::Error::other(format!("it is larger than {MOST_BYTES} bytes")));
    }
    Ok(bytes)
}

/// How long 8 kHz samples sound.
pub fn duration(samples: &[i16]) -> Duration {
    Duration::from_secs_f64(samples.len() as f64 / f64::from(RATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tone;
    use std::collections::HashSet;

    #[test]
    fn a_studio_recording_of_another_rate_is_converted_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let tone = tone::sine_at(48_000, 440.0, Duration::from_secs(1), 0.3);
        fs::write(folder.path().join("hello.wav"), wav::bytes(&tone, 48_000)).expect("it is written");
        let faults = Faults::default();
        let prompts = load(folder.path(), &["hello".into(), PAUSE.into(), "hello".into()], &faults);
        assert!(faults.is_empty(), "{faults}");
        assert_eq!(prompts.len(), 2);
        assert!(prompts["hello"].len().abs_diff(8000) < 80, "{}", prompts["hello"].len());
        assert!(prompts[PAUSE].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn what_cannot_be_played_is_a_fault_with_a_remedy() {
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("it is written");
        write("junk.wav", b"not a wave file at all");
        write("empty.wav", &wav::bytes(&[], 8000));
        write("silent.wav", &wav::bytes(&[0; 8000], 8000));
        let square: Vec<i16> = (0..8000).map(|i| if i / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        write("clipped.wav", &wav::bytes(&square, 8000));
        write("long.wav", &wav::bytes(&[900; 8000 * 181], 8000));
        let needed = ["missing", "junk", "empty", "silent", "clipped", "long"].map(str::to_owned);
        let faults = Faults::default();
        assert!(load(folder.path(), &needed, &faults).is_empty());
        let text = faults.to_string();
        for part in [
            "missing.wav: this prompt has no recording; run `make prompts` to render it",
            "junk.wav: this is not a WAV file",
            "empty.wav: ",
            "silent.wav: it is silent",
            "clipped.wav: ",
            "long.wav: it is longer than 180 s",
        ] {
            assert!(text.contains(part), "{part} is not in:\n{text}");
        }
        let places: HashSet<_> = faults.sorted().into_iter().map(|fault| fault.place.file).collect();
        assert_eq!(places.len(), needed.len());
    }
}
