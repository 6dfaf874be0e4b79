//! Figures of a classifier: printed, kept in a model's card, and held against gates.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use rustix::time::{ClockId, clock_gettime};

use super::table::Labelled;
use super::{index, label_of};
use crate::classify::learn::calibrate::{expected_error, sharpness};
use crate::classify::learn::homophones::Homophones;
use crate::classify::learn::score::{Covered, accuracy, curve, macro_f1};
use crate::classify::learn::train::{Asked, Lesson};
use crate::classify::learn::{Head, Model, Topic};

/// Where the curve of coverage and accuracy is looked at.
const THRESHOLDS: [f32; 6] = [0.0, 0.4, 0.5, 0.6, 0.8, 0.9];

/// How often each text is misheard anew; the figure is the mean.
const HEARINGS: usize = 5;

/// How good one head is.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    topic: Topic,
    texts: usize,
    f1: f64,
    accuracy: f64,
    ece: f64,
    /// The macro-F1 on the same texts with homophones.
    homophones: Option<f64>,
    curve: Vec<Covered>,
}

/// How good a model is.
#[derive(Debug, Clone, PartialEq)]
pub struct All {
    pub heads: Vec<Figures>,
    /// Microseconds a text, on one core, for all heads together.
    pub us_a_text: Option<f64>,
}

impl Figures {
    /// Of answers in cross-validation. The calibration is judged on halves: each half by the sharpness of the other.
    pub fn of_folds(lesson: &Lesson, asked: &Asked) -> Figures {
        let half = |odd: usize| {
            let rows = (0..asked.right.len()).filter(|row| row % 2 == odd);
            let (margins, right): (Vec<_>, Vec<_>) =
                rows.map(|row| (asked.margins[row].clone(), asked.right[row])).unzip();
            Asked { rows: Vec::new(), margins, right }
        };
        let (even, odd) = (half(0), half(1));
        let mut sure = even.sure(sharpness(&odd.margins, &odd.right));
        sure.extend(odd.sure(sharpness(&even.margins, &even.right)));
        Figures::new(lesson.topic, &asked.told(), &asked.right, lesson.labels.len(), &sure)
    }

    fn new(topic: Topic, told: &[usize], right: &[usize], labels: usize, sure: &[(f32, bool)]) -> Figures {
        Figures {
            topic,
            texts: right.len(),
            f1: macro_f1(told, right, labels),
            accuracy: accuracy(told, right),
            ece: expected_error(sure),
            homophones: None,
            curve: curve(sure, &THRESHOLDS),
        }
    }

    fn name(&self) -> String {
        format!("{:?}", self.topic).to_lowercase()
    }

    /// Into a card.
    pub fn note(&self, scores: &mut BTreeMap<String, f64>) {
        let name = self.name();
        let plain = |figure: f64| (figure * 10_000.0).round() / 10_000.0;
        scores.insert(format!("{name}.f1"), plain(self.f1));
        scores.insert(format!("{name}.accuracy"), plain(self.accuracy));
        scores.insert(format!("{name}.ece"), plain(self.ece));
        if let Some(homophones) = self.homophones {
            scores.insert(format!("{name}.homophones"), plain(homophones));
        }
    }

    /// For people.
    pub fn lines(&self) -> String {
        let mut text = format!(
            "{:<9} {} texts: macro-F1 {:.4}, accuracy (micro-F1) {:.4}, calibration error {:.4}",
            self.name(),
            self.texts,
            self.f1,
            self.accuracy,
            self.ece
        );
        if let Some(homophones) = self.homophones {
            text.push_str(&format!(", with homophones {homophones:.4} ({:+.4})", homophones - self.f1));
        }
        for Covered { threshold, coverage, accuracy } in &self.curve {
            text.push_str(&format!(
                "\n          sure by {threshold:.1} or more: {:5.1} % of the texts, {:5.1} % of them right",
                coverage * 100.0,
                accuracy * 100.0
            ));
        }
        text
    }
}

impl fmt::Display for All {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.heads.iter().try_for_each(|head| writeln!(f, "{}", head.lines()))?;
        self.us_a_text.map_or(Ok(()), |us| writeln!(f, "{us:.0} us a text on one core"))
    }
}

impl All {
    /// Every figure by name.
    pub fn named(&self) -> BTreeMap<String, f64> {
        let mut named = BTreeMap::new();
        self.heads.iter().for_each(|head| head.note(&mut named));
        if let Some(us) = self.us_a_text {
            named.insert("us".to_owned(), us.round());
        }
        named
    }
}

/// What `model` says of `rows`, and of the same rows with a `share` of their characters misheard.
pub fn of_model(model: &Model, rows: &[Labelled], share: f64) -> All {
    let began = worked();
    let answers: Vec<_> = rows.iter().map(|row| model.read(&row.text)).collect();
    let us = (worked() - began).as_secs_f64() * 1e6 / rows.len().max(1) as f64;
    let pool = Homophones::of(rows.iter().map(|row| &*row.text));
    let mut rng = SmallRng::seed_from_u64(12345);
    let mut again = || rows.iter().map(|row| model.read(&pool.mishear(&row.text, share, &mut rng))).collect::<Vec<_>>();
    // One drawing says little about a few hundred texts.
    let misheard: Vec<_> = (0..HEARINGS).map(|_| again()).collect();
    let of = |head: &Head| {
        let (told, right, sure) = judged(head, rows, &answers);
        let mut figures = Figures::new(head.topic, &told, &right, head.labels.len() + 1, &sure);
        let f1 = |answers: &Vec<_>| macro_f1(&judged(head, rows, answers).0, &right, head.labels.len() + 1);
        figures.homophones = Some(misheard.iter().map(f1).sum::<f64>() / HEARINGS as f64);
        figures
    };
    let asked = |head: &&Head| rows.iter().any(|row| label_of(row, head.topic).is_some());
    All { heads: model.heads().iter().filter(asked).map(of).collect(), us_a_text: Some(us) }
}

/// The processor time of this thread: what others do on the machine does not count.
fn worked() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
}

/// For each row that has a label of the head's: what was told, what is right, how sure. A label that the head does not
/// know is always wrong, and so is no answer.
fn judged(
    head: &Head,
    rows: &[Labelled],
    answers: &[Vec<crate::classify::learn::Verdict<'_>>],
) -> (Vec<usize>, Vec<usize>, Vec<(f32, bool)>) {
    let (mut told, mut right, mut sure) = (Vec::new(), Vec::new(), Vec::new());
    let unknown = head.labels.len();
    for (row, answers) in rows.iter().zip(answers) {
        let Some(label) = label_of(row, head.topic) else { continue };
        let is = index(head, label).unwrap_or(unknown);
        let said = answers.iter().find(|verdict| verdict.head.topic == head.topic);
        told.push(said.map_or(0, |verdict| verdict.label));
        right.push(is);
        sure.push(said.map_or((0.0, false), |verdict| (verdict.confidence(), verdict.label == is)));
    }
    (told, right, sure)
}

/// A bound on one figure: at most for `ece` and `us`, at least for the others.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    name: String,
    bound: f64,
}

impl FromStr for Gate {
    type Err = String;

    fn from_str(text: &str) -> Result<Gate, String> {
        let (name, bound) = text.split_once('=').ok_or("write NAME=VALUE")?;
        let bound = bound.parse().map_err(|_| format!("\"{bound}\" is no number"))?;
        Ok(Gate { name: name.to_owned(), bound })
    }
}

impl Gate {
    /// What is wrong, if the figure does not keep to it or is not there.
    pub fn missed(&self, figures: &All) -> Option<String> {
        let Gate { name, bound } = self;
        let Some(figure) = figures.named().get(name).copied() else {
            return Some(format!("there is no figure {name}"));
        };
        let most = name == "us" || name.ends_with(".ece");
        let kept = if most { figure <= *bound } else { figure >= *bound };
        (!kept)
            .then(|| format!("{name} is {figure}, {} {bound} was asked for", if most { "at most" } else { "at least" }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_holds_or_says_why_not() {
        let mut figures =
            Figures::new(Topic::Category, &[0, 1, 1], &[0, 1, 0], 2, &[(0.9, true), (0.9, true), (0.6, false)]);
        figures.homophones = Some(0.5);
        let all = All { heads: vec![figures], us_a_text: Some(150.2) };
        let missed = |gate: &str| gate.parse::<Gate>().expect("a gate").missed(&all);
        assert_eq!(missed("category.accuracy=0.66"), None);
        assert_eq!(missed("us=200"), None);
        assert_eq!(missed("us=100").as_deref(), Some("us is 150, at most 100 was asked for"));
        assert!(missed("category.homophones=0.51").is_some() && missed("type.f1=0").is_some());
        assert!("category.f1".parse::<Gate>().is_err() && "a=b".parse::<Gate>().is_err());
    }
}
