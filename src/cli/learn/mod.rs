//! `jiesu train classify` and `jiesu eval classify`: labelled texts to a model file, and how good one is.

pub mod correct;
mod figures;
pub mod table;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use self::figures::Figures;
use self::table::Labelled;
use super::Exit;
use crate::classify::learn::train::{self, Example, Lesson, Manner};
use crate::classify::learn::{Card, Head, Model, Topic, folds};

#[derive(Debug, Subcommand)]
pub enum Train {
    /// The classifier, from labelled texts; the same files give the same model.
    Classify(Training),
}

#[derive(Debug, Args)]
pub struct Training {
    /// CSV files: title, text (or tokens), and at least one of category, type, urgency, unit.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The model file.
    #[arg(short, long)]
    out: PathBuf,
    /// Files that are learned from, but not asked about in cross-validation.
    #[arg(long)]
    support: Vec<PathBuf>,
    /// Nothing is learned from near-duplicates of the texts in these files.
    #[arg(long)]
    without: Vec<PathBuf>,
    /// How evidence will name the model; without it, the file's name and the day.
    #[arg(long)]
    name: Option<String>,
}

#[derive(Debug, Args)]
pub struct Evaluation {
    /// CSV files with labels, as for training.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The model; without it, texts are learned from and asked about in five grouped folds.
    #[arg(long)]
    model: Option<PathBuf>,
    /// In cross-validation: files that are learned from, but not asked about.
    #[arg(long, conflicts_with = "model")]
    support: Vec<PathBuf>,
    /// The share of characters that become homophones in the second pass.
    #[arg(long, default_value_t = 0.1)]
    homophones: f64,
    /// Exit 1 where a figure is worse than here, as NAME=VALUE (category.f1=0.9, type.accuracy=0.86, category.ece=0.03,
    /// category.homophones=0.9, us=200).
    #[arg(long = "gate")]
    gates: Vec<figures::Gate>,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

pub fn train(command: &Train) -> anyhow::Result<Exit> {
    let Train::Classify(arguments) = command;
    let mut hash = Sha256::new();
    let mut rows = read_all(&arguments.files, false, &mut hash)?;
    rows.extend(read_all(&arguments.support, true, &mut hash)?);
    let held_out = read_all(&arguments.without, false, &mut Sha256::new())?;
    let before = rows.len();
    let rows = unlike(rows, &held_out);
    eprintln!("{} texts; {} left out because they resemble those of --without", rows.len(), before - rows.len());
    let today = Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date().to_string();
    let stem = arguments.out.file_stem().unwrap_or_default().to_string_lossy();
    let mut card = Card {
        name: arguments.name.clone().unwrap_or_else(|| format!("{stem}-{today}")),
        date: today,
        data: hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        rows: rows.len(),
        ..Card::default()
    };
    let mut heads = Vec::new();
    for lesson in lessons(&rows) {
        let began = Instant::now();
        let (head, asked) = train::head(&lesson, Manner::of(lesson.topic))
            .with_context(|| format!("{:?} cannot be learned", lesson.topic))?;
        let figures = Figures::of_folds(&lesson, &asked);
        eprintln!("{} ({:.0?})", figures.lines(), began.elapsed());
        figures.note(&mut card.scores);
        heads.push(head);
    }
    let bytes = Model::new(card, heads).bytes();
    std::fs::write(&arguments.out, &bytes).with_context(|| arguments.out.display().to_string())?;
    eprintln!("{}: {} bytes", arguments.out.display(), bytes.len());
    Ok(Exit::Done)
}

pub fn eval(arguments: &Evaluation) -> anyhow::Result<Exit> {
    let mut hash = Sha256::new();
    let mut rows = read_all(&arguments.files, false, &mut hash)?;
    let figures = match &arguments.model {
        Some(file) => {
            let model = open(file)?;
            figures::of_model(&model, &rows, arguments.homophones)
        }
        None => {
            rows.extend(read_all(&arguments.support, true, &mut hash)?);
            let of =
                |lesson: &Lesson| Figures::of_folds(lesson, &train::cross_validate(lesson, Manner::of(lesson.topic)));
            figures::All { heads: lessons(&rows).iter().map(of).collect(), us_a_text: None }
        }
    };
    if arguments.json {
        println!("{}", serde_json::to_string(&figures.named())?);
    } else {
        print!("{figures}");
    }
    let missed: Vec<String> = arguments.gates.iter().filter_map(|gate| gate.missed(&figures)).collect();
    missed.iter().for_each(|missed| eprintln!("jiesu: {missed}"));
    Ok(if missed.is_empty() { Exit::Done } else { Exit::No })
}

fn open(file: &Path) -> anyhow::Result<Model> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    Model::parse(&bytes).with_context(|| file.display().to_string())
}

fn read_all(files: &[PathBuf], support: bool, hash: &mut Sha256) -> anyhow::Result<Vec<Labelled>> {
    let mut rows = Vec::new();
    for file in files {
        rows.extend(table::read(file, support, hash)?);
    }
    Ok(rows)
}

/// Without those that are near-duplicates of a text that is held out.
fn unlike(rows: Vec<Labelled>, held_out: &[Labelled]) -> Vec<Labelled> {
    if held_out.is_empty() {
        return rows;
    }
    let features: Vec<_> = held_out.iter().chain(&rows).map(|row| train::features_of(&row.text)).collect();
    let groups = folds::groups(&features.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let held: std::collections::HashSet<usize> = groups[..held_out.len()].iter().copied().collect();
    rows.into_iter()
        .zip(&groups[held_out.len()..])
        .filter(|(_, group)| !held.contains(group))
        .map(|(row, _)| row)
        .collect()
}

/// One lesson for each column of labels that the rows have.
fn lessons(rows: &[Labelled]) -> Vec<Lesson> {
    let mut lessons: Vec<Lesson> = Vec::new();
    for row in rows {
        let features = train::features_of(&row.text);
        for (topic, label) in &row.labels {
            let at = lessons.iter().position(|lesson| lesson.topic == *topic).unwrap_or_else(|| {
                lessons.push(Lesson { topic: *topic, labels: Vec::new(), examples: Vec::new() });
                lessons.len() - 1
            });
            let Lesson { labels, examples, .. } = &mut lessons[at];
            let label = labels.iter().position(|known| known == label).unwrap_or_else(|| {
                labels.push(label.clone());
                labels.len() - 1
            });
            examples.push(Example { features: features.clone(), label, support: row.support });
        }
    }
    lessons.sort_by_key(|lesson| lesson.topic);
    lessons
}

/// The index that a head gives to a label.
fn index(head: &Head, label: &str) -> Option<usize> {
    head.labels.iter().position(|known| known == label)
}

/// What a row says about a topic.
fn label_of(row: &Labelled, topic: Topic) -> Option<&str> {
    row.labels.iter().find(|(of, _)| *of == topic).map(|(_, label)| label.as_str())
}
