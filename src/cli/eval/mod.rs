//! `jiesu eval asr`: how well a model hears, as figures that anybody can measure again.
//!
//! Owns the list of clips, the telephone line that they are sent over (A-law, lost packets, noise, all drawn from a
//! seed), and the figures. The engine and the rules for its texts are those of calls. Refuses to judge what a text means
//! (`jiesu eval classify`), and a figure without its spread.

mod figures;
mod line;
mod list;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::Exit;
use crate::asr::{self, RATE, Until};
use figures::{Clip, Figures, Gate, Hearing};
use line::Line;
use list::Entry;

/// Longer than any clip needs.
const PATIENCE: Duration = Duration::from_secs(3600);
/// What nothing was said in, for as long.
const NOTHING: Duration = Duration::from_secs(60);
/// An utterance of it: as long as people speak at a time.
const UTTERANCE: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Lines of file, text and (where wanted) kind, with tabs between; a first line with these words may name other
    /// columns and their order. Files lie relative to the list.
    #[arg(value_name = "LIST.tsv")]
    list: PathBuf,
    /// The model file; without it the one that the daemon would use.
    #[arg(short, long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Over a telephone line too: 8 kHz A-law in packets of 20 ms.
    #[arg(long)]
    alaw: bool,
    /// The share of packets that get lost, one by one; a lost one is silence.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, requires = "alaw", value_parser = share)]
    loss: f64,
    /// With white noise too: so many dB below the speech, one figure for each.
    #[arg(long, value_name = "DB", value_delimiter = ',', allow_negative_numbers = true)]
    snr: Vec<f64>,
    /// What is drawn (losses, noise, resampling) is drawn from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Exit 1 where a figure is above, as NAME=MOST: clean.cer, line.cer, snr10.cer, silence, noise, rtf.
    #[arg(long = "gate")]
    gates: Vec<Gate>,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| format!("\"{text}\" is no number"))?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share lies between 0 and 1".to_owned()) }
}

pub fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<Exit> {
    let config = match super::ticket::main(config) {
        Ok(main) => asr::Config { workers: 1, ..main.asr },
        Err(exit) => return Ok(exit),
    };
    crate::observe::start_logs(&crate::observe::Config { filter: "warn".to_owned(), ..Default::default() });
    let entries = match list::read(&arguments.list) {
        Ok(entries) => entries,
        Err(why) => {
            eprintln!("jiesu: {why}");
            return Ok(Exit::No);
        }
    };
    let opened = match &arguments.model {
        Some(file) => asr::open(file, &config).map_err(|why| why.to_string()),
        None => asr::load(&config).ok_or_else(|| asr::advice(&config)),
    };
    let recogniser = match opened {
        Ok(recogniser) => recogniser,
        Err(why) => {
            eprintln!("jiesu: {why}");
            return Ok(Exit::No);
        }
    };
    let mut ears = Ears { worker: recogniser.worker()?, seed: arguments.seed };
    let mut hearings = Vec::new();
    for line in lines(arguments) {
        match ears.all(&line, &entries)? {
            Ok(hearing) => hearings.push(hearing),
            Err(why) => {
                eprintln!("jiesu: {why}");
                return Ok(Exit::No);
            }
        }
    }
    let worst = lines(arguments).pop().unwrap_or_default();
    let silence = ears.nothing(&Line { snr: None, ..worst }, line::SILENCE)?;
    let noise = ears.nothing(&Line { snr: None, ..worst }, line::NOISE)?;
    let figures = Figures { model: recogniser.name().to_owned(), seed: arguments.seed, hearings, silence, noise };
    if arguments.json {
        println!("{}", figures.json());
    } else {
        print!("{figures}");
    }
    let missed: Vec<String> = arguments.gates.iter().filter_map(|gate| gate.missed(&figures)).collect();
    missed.iter().for_each(|missed| eprintln!("jiesu: {missed}"));
    Ok(if missed.is_empty() { Exit::Done } else { Exit::No })
}

/// As recorded; over the line; with each noise, over the line where there is one.
fn lines(arguments: &Arguments) -> Vec<Line> {
    let telephone = Line { alaw: arguments.alaw, loss: arguments.loss, snr: None };
    let mut lines = vec![Line::default()];
    lines.extend(arguments.alaw.then_some(telephone));
    lines.extend(arguments.snr.iter().map(|snr| Line { snr: Some(*snr), ..telephone }));
    lines
}

struct Ears {
    worker: Box<dyn asr::Worker>,
    seed: u64,
}

impl Ears {
    /// All clips over one line. `Ok(Err)`: a clip cannot be read.
    fn all(&mut self, line: &Line, entries: &[Entry]) -> anyhow::Result<Result<Hearing, String>> {
        let mut hearing = Hearing::new(*line);
        for (i, entry) in entries.iter().enumerate() {
            let pcm = match asr::read(&entry.file) {
                Ok(pcm) => pcm,
                Err(why) => return Ok(Err(format!("{}: {why}", entry.file.display()))),
            };
            let pcm = line.carry(&pcm, self.seed.wrapping_add(i as u64));
            let (text, cost) = self.hear(&pcm)?;
            hearing.add(Clip::new(&entry.kind, &entry.text, &text), seconds(&pcm), cost);
        }
        Ok(Ok(hearing))
    }

    /// Characters that the model makes up in a minute in which nothing was said.
    fn nothing(&mut self, line: &Line, level: f64) -> anyhow::Result<u64> {
        let mut characters = 0;
        for i in 0..NOTHING.as_secs() / UTTERANCE.as_secs() {
            let length = UTTERANCE.as_secs() as usize * RATE as usize;
            let pcm = line.carry(&line::noise(length, level, self.seed.wrapping_add(i)), self.seed ^ i);
            characters += figures::bare(&self.hear(&pcm)?.0).len() as u64;
        }
        Ok(characters)
    }

    /// The text as a ticket would have it, and what it cost.
    fn hear(&mut self, pcm: &[f32]) -> anyhow::Result<(String, Cost)> {
        let (began, cpu) = (Instant::now(), processor_time());
        let heard = self.worker.hear(pcm, &Until::deadline(began + PATIENCE))?;
        let cost = Cost { took: began.elapsed(), cpu: processor_time().saturating_sub(cpu) };
        // What is not believed is no text.
        Ok((heard.map(|said| said.text).unwrap_or_default(), cost))
    }
}

/// What hearing took of the clock and of the processor.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    took: Duration,
    cpu: Duration,
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.max(0) as u64, time.tv_nsec.max(0) as u32)
}

fn seconds(pcm: &[f32]) -> f64 {
    pcm.len() as f64 / f64::from(RATE)
}
