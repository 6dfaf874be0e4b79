//! Learning from labelled texts: which features count, what they weigh, and how sure the answers are.
//!
//! Everything is drawn from fixed seeds: the same rows in the same order give the same model, byte for byte.

use std::collections::HashMap;

use super::calibrate;
use super::features;
use super::folds;
use super::model::{Head, Table, Topic, best, weighed};
use super::svm::{Machine, Row};

/// A text counts as features.
pub type Counted = Vec<(u64, u32)>;

/// A labelled text of one head.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    pub features: Counted,
    pub label: usize,
    /// Learned from, but never asked about in cross-validation.
    pub support: bool,
}

/// What one head learns from.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson {
    pub topic: Topic,
    pub labels: Vec<String>,
    pub examples: Vec<Example>,
}

/// How a head learns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Manner {
    /// Features kept: those whose presence depends most on the label (chi-squared).
    pub keep: usize,
    /// The price of a text on the wrong side.
    pub cost: f32,
    /// How much a feature's own ratio between mine and the rest counts before anything is learned (0 to 1; Wang and
    /// Manning, Baselines and Bigrams, ACL 2012).
    pub ratio: f32,
    /// To which power a feature's rarity counts. Measured for categories: 1 is worse by 0.2 points, 1.8 no better. Request
    /// types lie in frequent words (请问, 建议), which 1.4 makes too light.
    pub rarity: f64,
    /// A feature in fewer texts is a name or a slip.
    pub least_texts: u32,
}

impl Manner {
    pub fn of(topic: Topic) -> Manner {
        match topic {
            Topic::Category | Topic::Unit => {
                Manner { keep: 60_000, cost: 1.0, ratio: 0.4, rarity: 1.4, least_texts: 3 }
            }
            Topic::Type | Topic::Urgency => Manner { keep: 5_000, cost: 2.0, ratio: 0.3, rarity: 0.5, least_texts: 3 },
        }
    }
}

/// Answers about texts that were not learned from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Asked {
    /// Which examples were asked about.
    pub rows: Vec<usize>,
    pub margins: Vec<Vec<f32>>,
    pub right: Vec<usize>,
}

/// Why nothing can be learned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untaught {
    #[error("{0} labelled texts are too few; at least 20 are needed")]
    TooFew(usize),
    #[error("every text has the same label")]
    OneLabel,
}

/// Folds in which the answers are calibrated.
pub const FOLDS: usize = 5;

/// Below this probability a head abstains: it is more likely wrong than right.
const THRESHOLD: f32 = 0.5;

/// A head from a lesson, calibrated on grouped folds of it; with the answers of those folds.
///
/// # Errors
/// When the lesson teaches nothing.
pub fn head(lesson: &Lesson, manner: Manner) -> Result<(Head, Asked), Untaught> {
    if lesson.examples.len() < 20 {
        return Err(Untaught::TooFew(lesson.examples.len()));
    }
    if lesson.labels.len() < 2 {
        return Err(Untaught::OneLabel);
    }
    let asked = cross_validate(lesson, manner);
    let sharpness = calibrate::sharpness(&asked.margins, &asked.right);
    let examples: Vec<&Example> = lesson.examples.iter().collect();
    let head = learn(lesson, &examples, manner, sharpness);
    Ok((head, asked))
}

/// Every example that is no support is asked about once, by a head that has learned from the folds without its
/// near-duplicates.
pub fn cross_validate(lesson: &Lesson, manner: Manner) -> Asked {
    let texts: Vec<&[(u64, u32)]> = lesson.examples.iter().map(|example| &*example.features).collect();
    let labels: Vec<usize> = lesson.examples.iter().map(|example| example.label).collect();
    let fold_of = folds::folds(&folds::groups(&texts), &labels, FOLDS);
    let mut asked = Asked::default();
    for fold in 0..FOLDS {
        let examples = lesson.examples.iter().zip(&fold_of);
        let others: Vec<&Example> = examples.filter(|(_, of)| **of != fold).map(|(example, _)| example).collect();
        let head = learn(lesson, &others, manner, 1.0);
        for (row, example) in lesson.examples.iter().enumerate() {
            if fold_of[row] == fold && !example.support {
                asked.rows.push(row);
                asked.margins.push(head.margins(&example.features));
                asked.right.push(example.label);
            }
        }
    }
    asked
}

impl Asked {
    /// The likeliest label of each.
    pub fn told(&self) -> Vec<usize> {
        self.margins.iter().map(|margins| best(margins)).collect()
    }

    /// How sure each answer is under a sharpness, and whether it is right.
    pub fn sure(&self, sharpness: f32) -> Vec<(f32, bool)> {
        let of = |(margins, right): (&Vec<f32>, &usize)| {
            let probabilities = calibrate::probabilities(margins, sharpness);
            let told = best(&probabilities);
            (probabilities[told], told == *right)
        };
        self.margins.iter().zip(&self.right).map(of).collect()
    }
}

fn learn(lesson: &Lesson, examples: &[&Example], manner: Manner, sharpness: f32) -> Head {
    let labels = lesson.labels.len();
    let features = telling(examples, labels, manner);
    let number: HashMap<u64, u32> = features.iter().enumerate().map(|(i, (key, _))| (*key, i as u32)).collect();
    let row = |example: &&Example| -> Row {
        let known = example.features.iter().filter_map(|(key, count)| number.get(key).map(|i| (*i, *count)));
        let mut known: Vec<(u32, u32)> = known.collect();
        known.sort_unstable();
        weighed(known.into_iter().map(|(i, count)| (i, count, features[i as usize].1)))
    };
    let rows: Vec<Row> = examples.iter().map(row).collect();
    let mut machines = Vec::new();
    for label in 0..labels {
        let mine: Vec<bool> = examples.iter().map(|example| example.label == label).collect();
        machines.push(one_against_rest(&rows, &mine, features.len(), manner));
    }
    let biases = machines.iter().map(|machine| machine.bias).collect();
    let weights: Vec<Vec<f32>> = machines.into_iter().map(|machine| machine.weights).collect();
    let table = Table::new(features, &weights, biases);
    Head { topic: lesson.topic, labels: lesson.labels.clone(), sharpness, threshold: THRESHOLD, table }
}

/// The features that tell most, with their rarity.
fn telling(examples: &[&Example], labels: usize, manner: Manner) -> Vec<(u64, f32)> {
    let mut entries: Vec<(u64, u32)> = Vec::new();
    let mut of_label = vec![0f64; labels];
    for example in examples {
        of_label[example.label] += 1.0;
        entries.extend(example.features.iter().map(|(key, _)| (*key, example.label as u32)));
    }
    entries.sort_unstable();
    let total = examples.len() as f64;
    let mut scored: Vec<(f64, u64, f32)> = Vec::new();
    let mut having = vec![0f64; labels];
    for same in entries.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() >= manner.least_texts as usize) {
        having.fill(0.0);
        same.iter().for_each(|(_, label)| having[*label as usize] += 1.0);
        let texts = same.len() as f64;
        let surprise = |(observed, of): (&f64, &f64)| {
            let expected = (texts * of / total).max(1e-9);
            (observed - expected).powi(2) / expected
        };
        let squares: f64 = having.iter().zip(&of_label).map(surprise).sum();
        let rarity = (((1.0 + total) / (1.0 + texts)).ln() + 1.0).powf(manner.rarity);
        scored.push((squares, same[0].0, rarity as f32));
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored.truncate(manner.keep);
    scored.into_iter().map(|(_, key, rarity)| (key, rarity)).collect()
}

/// One machine; its rows are stretched by how much each feature speaks for or against by itself, and its weights with
/// them, so that whoever uses it need not know.
fn one_against_rest(rows: &[Row], mine: &[bool], features: usize, manner: Manner) -> Machine {
    let (mut here, mut there) = (vec![1f32; features], vec![1f32; features]);
    for (row, mine) in rows.iter().zip(mine) {
        let side = if *mine { &mut here } else { &mut there };
        row.iter().for_each(|(feature, _)| side[*feature as usize] += 1.0);
    }
    let ours = mine.iter().filter(|mine| **mine).count() as f32 + 2.0;
    let theirs = mine.len() as f32 + 4.0 - ours;
    let stretch: Vec<f32> = here
        .iter()
        .zip(&there)
        .map(|(here, there)| 1.0 - manner.ratio + manner.ratio * ((here / ours) / (there / theirs)).ln().abs())
        .collect();
    let stretched =
        |row: &Row| row.iter().map(|(feature, value)| (*feature, value * stretch[*feature as usize])).collect();
    let stretched: Vec<Row> = rows.iter().map(stretched).collect();
    let mut machine = Machine::learn(&stretched, mine, features, manner.cost);
    machine.weights.iter_mut().zip(&stretch).for_each(|(weight, stretch)| *weight *= stretch);
    machine
}

/// A text's features, as an [`Example`] wants them.
pub fn features_of(text: &str) -> Counted {
    features::counted(&features::grams(text))
}
