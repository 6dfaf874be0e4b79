//! Character error rates with their spread, what hearing costs, what is made up; printed, as JSON, held against gates.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::Cost;
use super::line::Line;
use crate::written::distance;

/// Drawings of as many clips as there are, for the spread.
const DRAWINGS: usize = 1_000;

/// What is compared: letters and digits, in lower case.
pub fn bare(text: &str) -> Vec<char> {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// One clip that was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    kind: String,
    /// Characters that have to be put in, taken out or changed.
    edits: usize,
    /// Characters that were said.
    length: usize,
}

impl Clip {
    pub fn new(kind: &str, said: &str, heard: &str) -> Clip {
        let (said, heard) = (bare(said), bare(heard));
        let text = |chars: &[char]| chars.iter().collect::<String>();
        Clip { kind: kind.to_owned(), edits: distance(&text(&said), &text(&heard)), length: said.len() }
    }
}

/// The rate over some clips: all edits over all characters, and between which values it lies in 95 of 100 drawings of
/// as many clips.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub clips: usize,
    pub characters: usize,
    pub cer: f64,
    pub low: f64,
    pub high: f64,
}

impl Rate {
    fn of(clips: &[&Clip], seed: u64) -> Rate {
        let rate = |drawn: &mut dyn Iterator<Item = &Clip>| {
            let (edits, length) = drawn.fold((0, 0), |(e, l), clip| (e + clip.edits, l + clip.length));
            // Where nothing was said each character is an edit over one.
            edits as f64 / length.max(1) as f64
        };
        let mut random = SmallRng::seed_from_u64(seed);
        let mut drawings: Vec<f64> = Vec::with_capacity(DRAWINGS);
        for _ in 0..DRAWINGS {
            drawings.push(rate(&mut (0..clips.len()).map(|_| clips[random.random_range(0..clips.len())])));
        }
        drawings.sort_by(f64::total_cmp);
        let at = |share: f64| drawings[((DRAWINGS - 1) as f64 * share).round() as usize];
        let characters = clips.iter().map(|clip| clip.length).sum();
        Rate { clips: clips.len(), characters, cer: rate(&mut clips.iter().copied()), low: at(0.025), high: at(0.975) }
    }

    fn json(&self) -> Value {
        let Rate { clips, characters, cer, low, high } = self;
        json!({ "clips": clips, "characters": characters, "cer": cer, "low": low, "high": high })
    }
}

/// All clips over one line.
#[derive(Debug)]
pub struct Hearing {
    line: Line,
    clips: Vec<Clip>,
    seconds: f64,
    cost: Cost,
}

impl Hearing {
    pub fn new(line: Line) -> Hearing {
        Hearing { line, clips: Vec::new(), seconds: 0.0, cost: Cost::default() }
    }

    pub fn add(&mut self, clip: Clip, seconds: f64, cost: Cost) {
        self.clips.push(clip);
        self.seconds += seconds;
        self.cost.took += cost.took;
        self.cost.cpu += cost.cpu;
    }

    /// Of all, then of each kind.
    fn rates(&self, seed: u64) -> Vec<(String, Rate)> {
        let all: Vec<&Clip> = self.clips.iter().collect();
        let mut rates = vec![("all".to_owned(), Rate::of(&all, seed))];
        let kinds: BTreeSet<&str> = self.clips.iter().map(|clip| clip.kind.as_str()).collect();
        if kinds.len() > 1 {
            for kind in kinds {
                let some: Vec<&Clip> = all.iter().copied().filter(|clip| clip.kind == kind).collect();
                rates.push((kind.to_owned(), Rate::of(&some, seed)));
            }
        }
        rates
    }

    /// Seconds of the clock for a second of sound.
    fn real_time_factor(&self) -> f64 {
        self.cost.took.as_secs_f64() / self.seconds.max(f64::MIN_POSITIVE)
    }
}

/// Everything that was measured of one model.
#[derive(Debug)]
pub struct Figures {
    pub model: String,
    pub seed: u64,
    pub hearings: Vec<Hearing>,
    /// Characters made up in a minute of silence, and of noise.
    pub silence: u64,
    pub noise: u64,
}

impl Figures {
    pub fn json(&self) -> Value {
        let line = |hearing: &Hearing| {
            let rates: BTreeMap<String, Value> =
                hearing.rates(self.seed).iter().map(|(kind, rate)| (kind.clone(), rate.json())).collect();
            json!({
                "name": hearing.line.name(), "line": hearing.line.words(), "rates": rates,
                "audio_s": hearing.seconds, "took_s": hearing.cost.took.as_secs_f64(),
                "cpu_s": hearing.cost.cpu.as_secs_f64(), "real_time_factor": hearing.real_time_factor(),
            })
        };
        json!({
            "model": self.model, "seed": self.seed, "hearings": self.hearings.iter().map(line).collect::<Vec<_>>(),
            "made_up_in_a_minute": { "silence": self.silence, "noise": self.noise },
        })
    }

    /// What gates may name.
    fn named(&self, name: &str) -> Option<f64> {
        match name {
            "silence" => Some(self.silence as f64),
            "noise" => Some(self.noise as f64),
            "rtf" => self.hearings.first().map(Hearing::real_time_factor),
            _ => {
                let line = name.strip_suffix(".cer")?;
                let hearing = self.hearings.iter().find(|hearing| hearing.line.name() == line)?;
                hearing.rates(self.seed).first().map(|(_, rate)| rate.cer)
            }
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, seed {}", self.model, self.seed)?;
        for hearing in &self.hearings {
            let (audio, cpu) = (hearing.seconds, hearing.cost.cpu.as_secs_f64());
            writeln!(
                f,
                "{}: {audio:.1} s of sound, real-time factor {:.3}, {cpu:.1} CPU-s",
                hearing.line.words(),
                hearing.real_time_factor()
            )?;
            for (kind, rate) in hearing.rates(self.seed) {
                let Rate { clips, characters, cer, low, high } = rate;
                let [cer, low, high] = [cer, low, high].map(|share| share * 100.0);
                let kind = if kind.is_empty() { "-" } else { &kind };
                writeln!(
                    f,
                    "  {kind}: CER {cer:.1} % ({low:.1} to {high:.1}), {clips} clips, {characters} characters"
                )?;
            }
        }
        writeln!(f, "made up in a minute: {} characters of silence, {} of noise", self.silence, self.noise)
    }
}

/// A bound that a figure has to keep to.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    name: String,
    most: f64,
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Gate, String> {
        let (name, most) = text.split_once('=').ok_or("write NAME=MOST")?;
        let most = most.parse().map_err(|_| format!("\"{most}\" is no number"))?;
        Ok(Gate { name: name.to_owned(), most })
    }
}

impl Gate {
    /// What is wrong, if the figure is above or not there.
    pub fn missed(&self, figures: &Figures) -> Option<String> {
        let Gate { name, most } = self;
        match figures.named(name) {
            None => Some(format!("there is no figure {name}")),
            Some(figure) if figure <= *most => None,
            Some(figure) => Some(format!("{name} is {figure}, at most {most} was asked for")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clip(edits: usize, length: usize) -> Clip {
        Clip { kind: String::new(), edits, length }
    }

    #[test]
    fn edits_leave_punctuation_and_case_out() {
        assert_eq!(Clip::new("", "水管爆裂了，请尽快", "水管暴裂了请尽快。"), clip(1, 8));
        assert_eq!(Clip::new("", "KTV 太吵", "ktv太吵了"), clip(1, 5));
        assert_eq!(Clip::new("", "", "谢谢"), clip(2, 0));
    }

    #[test]
    fn a_gate_holds_or_says_why_not() {
        let mut clean = Hearing::new(Line::default());
        clean.add(clip(1, 10), 2.0, Cost::default());
        let figures = Figures { model: "m".into(), seed: 1, hearings: vec![clean], silence: 0, noise: 4 };
        let missed = |gate: &str| gate.parse::<Gate>().expect("a gate").missed(&figures);
        assert_eq!((missed("clean.cer=0.1"), missed("silence=0"), missed("rtf=1")), (None, None, None));
        assert_eq!(missed("clean.cer=0.09").as_deref(), Some("clean.cer is 0.1, at most 0.09 was asked for"));
        assert!(missed("noise=3").is_some() && missed("line.cer=1").is_some());
        assert!("clean.cer".parse::<Gate>().is_err() && "a=b".parse::<Gate>().is_err());
    }

    proptest! {
        /// The spread lies around the figure, and shrinks with the number of clips.
        #[test]
        fn the_spread_is_around_the_rate(edits in prop::collection::vec(0usize..10, 1..40), seed: u64) {
            let clips: Vec<Clip> = edits.iter().map(|edits| clip(*edits, 10)).collect();
            let some: Vec<&Clip> = clips.iter().collect();
            let rate = Rate::of(&some, seed);
            prop_assert!(rate.low <= rate.cer + 1e-9 && rate.cer <= rate.high + 1e-9, "{:?}", rate);
            let many: Vec<&Clip> = std::iter::repeat_n(&some, 100).flatten().copied().collect();
            let more = Rate::of(&many, seed);
            prop_assert!((more.cer - rate.cer).abs() < 1e-9);
            prop_assert!(more.high - more.low <= (rate.high - rate.low) * 0.5 + 1e-9 || edits.len() < 4);
        }
    }
}
