//! Who hears best when somebody speaks: energy, the network `earshot`, Silero through whisper.cpp, on clips mixed with
//! noise, as a telephone brings them. `cargo bench --bench voice -- [--clips DIR] [--silero FILE] [--seed N]`
//!
//! Each clip lies between two stretches of silence, noise is laid over all of it at a drawn distance of 0 to 20 dB, and
//! the sum goes through A-law. What is speech is known from the clean clip: its frames within 35 dB of its loud ones,
//! gaps of less than 200 ms included. An utterance is what the endpointer makes of those frames with a silence of 700 ms;
//! the same endpointer then hears each detector's frames. Clips that are noisy themselves are left out. Noise alone, at
//! drawn levels, says how often somebody is heard who is not there.

mod sounds;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiesu::audio::g711::Law;
use jiesu::audio::silero::{self, Silero};
use jiesu::audio::{Coding, double::Doubler, level, wav};
use jiesu::media::endpointing::{Endpointer, Level, Recent, Said};
use jiesu::media::{FRAME, ListenLimits};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sounds::{Kind, noise};
use whisper_rs::{WhisperVadContext, WhisperVadContextParams};

const LIMITS: ListenLimits = ListenLimits {
    no_input: Duration::from_secs(100_000),
    silence: Duration::from_millis(700),
    max: Duration::from_secs(60),
    end_keys: "",
};
const QUIET: usize = 35;

struct Scene {
    /// A-law.
    octets: Vec<u8>,
    truth: Vec<bool>,
}

/// (first, one behind the last) frame of what was heard as an utterance, without the silence that ended it.
type Utterance = (usize, usize);

fn utterances(frames: &[bool]) -> Vec<Utterance> {
    let (mut recent, mut endpointer, mut begun, mut out) = (Recent::default(), Endpointer::default(), 0, Vec::new());
    let silence = QUIET;
    for (i, speech) in frames.iter().enumerate() {
        recent.frame(*speech);
        match endpointer.frame(recent, Duration::ZERO, &LIMITS) {
            Said::Nothing | Said::Goes | Said::Cut | Said::NoInput => {}
            Said::Begins => begun = i.saturating_sub(2),
            Said::EndsInSilence => {
                out.push((begun, (i + 1).saturating_sub(silence)));
                endpointer = Endpointer::default();
            }
            Said::EndsByLength => {
                out.push((begun, i + 1));
                endpointer = Endpointer::default();
            }
        }
    }
    if endpointer.spoken().is_some() {
        out.push((begun, frames.len()));
    }
    out
}

/// The frames of a clean clip that are speech; `None` where it is not clean.
fn truth(pcm: &[i16]) -> Option<Vec<bool>> {
    let levels: Vec<f64> = pcm.chunks_exact(FRAME).map(|frame| level::dbfs(frame).max(-90.0)).collect();
    let mut sorted = levels.clone();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
    let (loud, low) = (at(0.9), at(0.02));
    if loud - low < 40.0 {
        return None;
    }
    let mut speech: Vec<bool> = levels.iter().map(|level| *level > loud - 35.0).collect();
    let mut last = None;
    for i in 0..speech.len() {
        if speech[i] {
            if let Some(last) = last.filter(|last| i - last <= 10) {
                speech[last..i].fill(true);
            }
            last = Some(i);
        }
    }
    Some(speech)
}

fn read(folder: &Path) -> Vec<(String, Vec<i16>)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("a folder of clips").flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wav"));
    files.sort();
    let clip = |path: &PathBuf| {
        let pcm = wav::read(&std::fs::read(path).expect("a clip")).expect("WAV");
        (path.file_name().expect("a name").to_string_lossy().into_owned(), pcm.to_8k())
    };
    files.iter().map(clip).collect()
}

fn encode(sum: impl Iterator<Item = f64>) -> Vec<u8> {
    sum.map(|v| Law::A.encode(v.round().clamp(-32_768.0, 32_767.0) as i16)).collect()
}

/// Linear amplitude of dBFS.
fn amplitude(dbfs: f64) -> f64 {
    32_768.0 * 10f64.powf(dbfs / 20.0)
}

fn mixed(clip: &[i16], speech: &[bool], kind: Kind, snr: f64, voices: &[Vec<f64>], random: &mut SmallRng) -> Scene {
    let spoken: Vec<i16> =
        clip.chunks_exact(FRAME).zip(speech).filter(|(_, s)| **s).flat_map(|(f, _)| f.to_vec()).collect();
    let gain = amplitude(random.random_range(-30.0..-16.0)) / level::rms(&spoken).max(1.0);
    let before = random.random_range(75..150);
    let after = 125;
    let frames = before + speech.len() + after;
    let mut pcm = vec![0.0; frames * FRAME];
    pcm[before * FRAME..].iter_mut().zip(clip).for_each(|(to, from)| *to = f64::from(*from) * gain);
    let under = level::rms(&spoken) * gain * 10f64.powf(-snr / 20.0);
    let noise = noise(kind, pcm.len(), voices, random.random());
    let hiss: Vec<f64> = sounds::noise(Kind::White, pcm.len(), &[], random.random());
    let octets = encode(pcm.iter().zip(noise).zip(hiss).map(|((a, b), c)| a + b * under + c * 8.0));
    let mut truth = vec![false; before];
    truth.extend(speech);
    truth.resize(frames, false);
    Scene { octets, truth }
}

fn alone(kind: Kind, seconds: usize, voices: &[Vec<f64>], random: &mut SmallRng) -> Scene {
    let length = seconds * 8_000;
    let level = amplitude(random.random_range(-50.0..-20.0));
    let noise = noise(kind, length, voices, random.random());
    let hiss: Vec<f64> = sounds::noise(Kind::White, length, &[], random.random());
    // It sets in after two seconds: nobody's line is loud from the first packet on.
    let octets = encode(
        noise.iter().zip(hiss).enumerate().map(|(i, (a, c))| c * 8.0 + if i > 16_000 { a * level } else { 0.0 }),
    );
    Scene { octets, truth: vec![false; length / FRAME] }
}

enum Ear {
    Energy,
    Earshot {
        least: f32,
    },
    /// Silero in Rust, which remembers.
    Ours(Silero),
    /// All of the scene at once: the network remembers from its first sample on.
    Whole(WhisperVadContext),
    /// What can be done in a call: whisper.cpp forgets between calls, so the last second is heard anew each 100 ms.
    Rolling(WhisperVadContext),
}

impl Ear {
    fn hear(&mut self, octets: &[u8]) -> Vec<bool> {
        let coding = Coding::Law(Law::A);
        let frames = octets.chunks_exact(FRAME);
        match self {
            Ear::Energy => {
                let mut level = Level::default();
                frames
                    .map(|frame| {
                        level.frame(Some(coding.dbfs(frame)));
                        level.recent().is_speech()
                    })
                    .collect()
            }
            Ear::Earshot { least } => {
                let mut detector = earshot::Detector::default();
                let pcm: Vec<i16> = wide(octets).iter().map(|sample| (sample * 32_768.0) as i16).collect();
                let scores: Vec<f32> = pcm.chunks_exact(256).map(|look| detector.predict_i16(look)).collect();
                let heard = |i: usize| ((i + 1) * 320 / 256).checked_sub(1).is_some_and(|n| scores[n] >= *least);
                (0..frames.len()).map(heard).collect()
            }
            Ear::Ours(silero) => {
                let pcm = wide(octets);
                let mut memory = silero::Memory::default();
                let looks = pcm.as_chunks::<{ silero::LOOK }>().0;
                let scores: Vec<f32> = looks.iter().map(|look| silero.look(&mut memory, look)).collect();
                let heard = |i: usize| ((i + 1) * 320 / 512).checked_sub(1).is_some_and(|n| scores[n] >= 0.5);
                (0..frames.len()).map(heard).collect()
            }
            Ear::Whole(silero) => {
                let pcm = wide(octets);
                silero.detect_speech(&pcm).expect("Silero hears");
                let scores = silero.probabilities().to_vec();
                let heard = |i: usize| ((i + 1) * 320 / 512).checked_sub(1).is_some_and(|n| scores[n] >= 0.5);
                (0..frames.len()).map(heard).collect()
            }
            Ear::Rolling(silero) => {
                let pcm = wide(octets);
                let mut out: Vec<bool> = Vec::new();
                let mut now = false;
                for i in 0..frames.len() {
                    if i % 5 == 4 {
                        let end = (i + 1) * 320;
                        silero.detect_speech(&pcm[end.saturating_sub(16_384)..end]).expect("Silero hears");
                        let scores = silero.probabilities();
                        now = scores[scores.len().saturating_sub(3)..].iter().any(|score| *score >= 0.5);
                    }
                    out.push(now);
                }
                out
            }
        }
    }
}

fn wide(octets: &[u8]) -> Vec<f32> {
    let narrow: Vec<i16> = octets.iter().map(|code| Law::A.decode(*code)).collect();
    let mut wide = vec![0; narrow.len() * 2];
    Doubler::default().double(&narrow, &mut wide);
    wide.iter().map(|sample| f32::from(*sample) / 32_768.0).collect()
}

#[derive(Default)]
struct Figures {
    hits: usize,
    speech: usize,
    alarms: usize,
    quiet: usize,
    begins: Vec<f64>,
    ends: Vec<f64>,
    meant: usize,
    lost: usize,
    cut: usize,
    false_ones: usize,
}

impl Figures {
    fn add(&mut self, truth: &[bool], heard: &[bool]) {
        for (truth, heard) in truth.iter().zip(heard) {
            match truth {
                true => (self.speech, self.hits) = (self.speech + 1, self.hits + usize::from(*heard)),
                false => (self.quiet, self.alarms) = (self.quiet + 1, self.alarms + usize::from(*heard)),
            }
        }
        let (meant, heard) = (utterances(truth), utterances(heard));
        let overlap = |a: &Utterance, b: &Utterance| a.0 < b.1 && b.0 < a.1;
        for one in &meant {
            let of: Vec<&Utterance> = heard.iter().filter(|h| overlap(one, h)).collect();
            self.meant += 1;
            match (of.first(), of.last()) {
                (Some(first), Some(last)) => {
                    self.cut += of.len() - 1;
                    self.begins.push((first.0 as f64 - one.0 as f64) * 20.0);
                    self.ends.push((last.1 as f64 - one.1 as f64) * 20.0);
                }
                _ => self.lost += 1,
            }
        }
        self.false_ones += heard.iter().filter(|h| !meant.iter().any(|one| overlap(one, h))).count();
    }
}

fn middle(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(((values.len().max(1) - 1) as f64 * share) as usize).copied().unwrap_or(f64::NAN)
}

fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call only writes the struct that it is given.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let (mut clips, mut silero, mut seed) = (shared.join("speech"), shared.join("models/silero-v6.2.0-ggml.bin"), 1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().expect("--clips DIR, --silero FILE, --seed N");
        match argument.as_str() {
            "--clips" => clips = value.into(),
            "--silero" => silero = value.into(),
            "--seed" => seed = value.parse().expect("a number"),
            _ => panic!("--clips DIR, --silero FILE, --seed N"),
        }
    }
    if !clips.is_dir() {
        clips = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/speech");
    }
    whisper_rs::install_logging_hooks();
    let mut random = SmallRng::seed_from_u64(seed);
    let all = read(&clips);
    let voices: Vec<Vec<f64>> = all.iter().map(|(_, pcm)| pcm.iter().map(|s| f64::from(*s)).collect()).collect();
    let clean: Vec<(&Vec<i16>, Vec<bool>)> =
        all.iter().filter_map(|(_, pcm)| Some((pcm, truth(pcm)?))).filter(|(_, s)| s.contains(&true)).collect();
    println!("{} clips of {}, {} of them clean; seed {seed}", all.len(), clips.display(), clean.len());

    let mut ears = vec![
        ("energy", Ear::Energy),
        ("earshot 0.5", Ear::Earshot { least: 0.5 }),
        ("earshot 0.8", Ear::Earshot { least: 0.8 }),
    ];
    let context = || {
        let mut parameters = WhisperVadContextParams::new();
        parameters.set_n_threads(1);
        WhisperVadContext::new(&silero.display().to_string(), parameters).ok()
    };
    if let Some(ours) = std::fs::read(&silero).ok().and_then(|bytes| Silero::read(&bytes).ok()) {
        ears.push(("Silero, ours", Ear::Ours(ours)));
    }
    if let (true, Some(whole), Some(rolling)) = (silero.is_file(), context(), context()) {
        ears.push(("Silero, whisper.cpp, all at once", Ear::Whole(whole)));
        ears.push(("Silero, whisper.cpp, rolling", Ear::Rolling(rolling)));
    } else {
        println!("without Silero: {} is not there (models/README.md)", silero.display());
    }

    println!(
        "\n| detector | noise | hits % | false alarms % | begins ms (p50, p90) | ends ms (p10, p50, p90) | lost | cut | false/utterance |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let scenes: Vec<(Kind, Vec<Scene>)> = Kind::ALL
        .into_iter()
        .map(|kind| {
            let mix = |(clip, speech): &(&Vec<i16>, Vec<bool>)| {
                let snr = random.random_range(0.0..20.0);
                mixed(clip, speech, kind, snr, &voices, &mut random)
            };
            (kind, clean.iter().map(mix).collect())
        })
        .collect();
    let minutes = 2;
    let noises: Vec<(Kind, Vec<Scene>)> = Kind::ALL
        .into_iter()
        .map(|kind| (kind, (0..minutes * 2).map(|_| alone(kind, 30, &voices, &mut random)).collect()))
        .collect();
    let mut costs = Vec::new();
    for (name, ear) in &mut ears {
        let (began, mut seconds) = (cpu(), 0.0);
        let mut all = Figures::default();
        for (kind, scenes) in &scenes {
            let mut f = Figures::default();
            for scene in scenes {
                let heard = ear.hear(&scene.octets);
                seconds += scene.octets.len() as f64 / 8_000.0;
                f.add(&scene.truth, &heard);
                all.add(&scene.truth, &heard);
            }
            row(name, &format!("{kind:?}"), f);
        }
        row(name, "**all**", all);
        costs.push((cpu() - began).as_secs_f64() * 1e6 / seconds);
    }
    println!("\n| detector | {} | CPU-us a second |", Kind::ALL.map(|kind| format!("{kind:?}")).join(" | "));
    println!("|---|{}---|", "---|".repeat(Kind::ALL.len()));
    for ((name, ear), cost) in ears.iter_mut().zip(costs) {
        let mut cells = Vec::new();
        for (_, scenes) in &noises {
            let count: usize = scenes.iter().map(|scene| utterances(&ear.hear(&scene.octets)).len()).sum();
            cells.push(format!("{:.1}", count as f64 / minutes as f64));
        }
        println!("| {name} | {} | {cost:.0} |", cells.join(" | "));
    }
}

fn row(name: &str, kind: &str, mut f: Figures) {
    let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
    println!(
        "| {name} | {kind} | {:.1} | {:.1} | {:.0}, {:.0} | {:.0}, {:.0}, {:.0} | {} of {} | {} | {} |",
        share(f.hits, f.speech),
        share(f.alarms, f.quiet),
        middle(&mut f.begins, 0.5),
        middle(&mut f.begins, 0.9),
        middle(&mut f.ends, 0.1),
        middle(&mut f.ends, 0.5),
        middle(&mut f.ends, 0.9),
        f.lost,
        f.meant,
        f.cut,
        f.false_ones,
    );
}
