//! The threads in which the network that knows voices runs, and its file.
//!
//! A media thread gives sound and never waits; the answer lies in the leg's [`Ear`], where the media thread finds it at
//! its next tick. One leg's sound always goes to the same thread, in order. Where the threads are behind their queue is
//! full, sound is dropped and counted, and the leg hears by energy meanwhile.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};

use crate::audio::double::Doubler;
use crate::audio::silero::{LOOK, Memory, Silero};
use crate::audio::{Coding, coding};
use crate::media::leg::{Answer, Sound};

/// Chunks (80 ms) that may wait for one thread: older ones would be answered too late to matter.
const WAITING: usize = 256;

/// Looks whose mean is the answer: those of a chunk.
const NEWEST: usize = 3;

/// Sound, and where the answer goes.
type Job = (Arc<Ear>, Sound);

/// The way to the threads; when the last clone is dropped they end.
#[derive(Clone)]
pub(super) struct Voices {
    queues: Arc<[SyncSender<Job>]>,
}

/// One leg's memory and newest answer.
#[derive(Default)]
pub(super) struct Ear {
    hearing: Mutex<Hearing>,
    /// The number of the last frame above, the score below; 0: there is none yet.
    verdict: AtomicU64,
}

#[derive(Default)]
struct Hearing {
    memory: Memory,
    doubler: Doubler,
    /// Samples that are not a whole look yet.
    waiting: Vec<f32>,
}

/// Reads the network; `None` where there is none, or none that is fit: then everybody is heard by energy.
pub(super) fn network(file: &Path) -> Option<Silero> {
    // The file is 1 MB; another one by mistake is not read to its end.
    let bytes = match std::fs::metadata(file).and_then(|meta| match meta.len() {
        0..0x100_0000 => std::fs::read(file),
        _ => Err(io::Error::other("it is too large to be Silero VAD")),
    }) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            tracing::info!(file = %file.display(), "no network that knows voices (models/fetch silero-vad): speech is told from noise by its energy");
            return None;
        }
        Err(error) => {
            tracing::warn!(file = %file.display(), %error, "the network that knows voices cannot be read: speech is told from noise by its energy");
            return None;
        }
    };
    Silero::read(&bytes)
        .inspect_err(|error| {
            tracing::warn!(file = %file.display(), %error, "speech is told from noise by its energy");
        })
        .ok()
}

impl Voices {
    pub(super) fn start(network: Silero, threads: usize) -> io::Result<(Voices, Vec<JoinHandle<()>>)> {
        let network = Arc::new(network);
        let (mut queues, mut joins) = (Vec::new(), Vec::new());
        for n in 0..threads.max(1) {
            let (queue, jobs) = sync_channel(WAITING);
            let network = network.clone();
            joins.push(Builder::new().name(format!("voice-{n}")).spawn(move || run(&network, &jobs))?);
            queues.push(queue);
        }
        Ok((Voices { queues: queues.into() }, joins))
    }

    /// Never waits. `serial`: the leg's.
    pub(super) fn ask(&self, serial: u64, ear: &Arc<Ear>, sound: Sound) {
        if self.queues[serial as usize % self.queues.len()].try_send((ear.clone(), sound)).is_err() {
            metrics::counter!("jiesu_voice_dropped_total").increment(1);
        }
    }
}

impl Ear {
    pub(super) fn verdict(&self) -> Option<Answer> {
        let word = self.verdict.load(Ordering::Relaxed);
        (word != 0).then(|| Answer { last: (word >> 32) as u32, score: f32::from_bits(word as u32) })
    }

    fn hear(&self, network: &Silero, sound: &Sound) {
        // One thread has all of a leg's sound: nobody else wants the lock.
        let mut hearing = self.hearing.lock().expect("nobody panics with an ear");
        if sound.anew {
            *hearing = Hearing::default();
        }
        let Hearing { memory, doubler, waiting } = &mut *hearing;
        let full = |sample: i16| f32::from(sample) / 32_768.0;
        match sound.coding {
            Coding::Law(law) => {
                let narrow: Vec<i16> = sound.octets.iter().map(|code| law.decode(*code)).collect();
                let mut wide = vec![0; 2 * narrow.len()];
                doubler.double(&narrow, &mut wide);
                waiting.extend(wide.into_iter().map(full));
            }
            Coding::Wide => waiting.extend(coding::wide(&sound.octets).map(full)),
        }
        let looks = waiting.as_chunks::<LOOK>().0;
        let looked = looks.len() * LOOK;
        let scores: Vec<f32> = looks.iter().map(|look| network.look(memory, look)).collect();
        // What lies far back is only there to be remembered.
        let newest = &scores[scores.len().saturating_sub(NEWEST)..];
        if !newest.is_empty() {
            let score = newest.iter().sum::<f32>() / newest.len() as f32;
            let word = u64::from(sound.last) << 32 | u64::from(score.to_bits());
            self.verdict.store(word, Ordering::Relaxed);
        }
        waiting.drain(..looked);
    }
}

fn run(network: &Silero, jobs: &Receiver<Job>) {
    while let Ok((ear, sound)) = jobs.recv() {
        ear.hear(network, &sound);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_none_is_said_and_energy_hears() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("silero.bin");
        assert!(network(&file).is_none());
        std::fs::write(&file, b"\x7fELF and more").expect("it is ours");
        assert!(network(&file).is_none());
        std::fs::File::create(&file).and_then(|file| file.set_len(1 << 40)).expect("a sparse file");
        assert!(network(&file).is_none(), "a large one is not read");
    }
}
