//! A learned model: what it knows, how sure it is of a text, and the file it is kept in.
//!
//! The file holds hashes of features and small numbers, never text. From front to back, numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | [`MAGIC`]; its last byte is the version of the format |
//! | 4 | length of the header |
//! | | the header, TOML: [`Card`], and for each head its labels, scales and calibration |
//! | 8 n, n, n x labels | for each head its keys in ascending order, their rarity, their weights |
//! | 32 | SHA-256 of all before |
//!
//! A reader refuses what is not such a file, one of another version, one that is cut off or altered, and sizes that no
//! honest model has; it says which. What it accepts cannot make [`Model::read`] panic.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::calibrate;
use super::features::{self, Gram};
use super::svm::Row;

/// What a model file begins with.
pub const MAGIC: &[u8; 8] = b"JIESULM\x01";

/// A larger file is no model of ours.
pub const MAX_BYTES: u64 = 16 << 20;

const MAX_LABELS: usize = 256;
const MAX_FEATURES: usize = 1 << 20;
/// The largest rarity (the logarithm of how few texts have a feature) that the file can hold.
const MOST_RARE: f32 = 32.0;

/// Why bytes are no model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadModel {
    #[error("is not a learned classifier of jiesu (it does not begin with JIESULM)")]
    Foreign,
    #[error("has format {0}, this jiesu reads 1; train it again with `jiesu train classify`")]
    Version(u8),
    #[error("is cut off ({0} bytes); copy it again")]
    Truncated(usize),
    #[error("is damaged: its checksum does not fit; copy it again")]
    Damaged,
    #[error("is too large ({0} bytes) for a learned classifier")]
    TooLarge(u64),
    #[error("has a header that cannot be read: {0}")]
    Header(String),
}

/// What is known of where a model comes from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// How evidence names the model.
    pub name: String,
    /// The day it was trained, `2026-11-27`.
    pub date: String,
    /// SHA-256 of the training files, in the order they were given.
    pub data: String,
    /// Rows that it learned from.
    pub rows: usize,
    /// Figures by name, as they were measured when it was trained.
    pub scores: std::collections::BTreeMap<String, f64>,
}

/// What a head decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Topic {
    Category,
    Type,
    Urgency,
    Unit,
}

/// One question that a model answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    pub topic: Topic,
    pub labels: Vec<String>,
    /// By what margins are multiplied before they become probabilities.
    pub sharpness: f32,
    /// Below this probability it abstains.
    pub threshold: f32,
    pub(super) table: Table,
}

/// Features and their weights for each label.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Table {
    index: HashMap<u64, u32, BuildHasherDefault<Already>>,
    keys: Vec<u64>,
    rarity: Vec<u8>,
    /// `labels` weights a feature, in units of the label's scale.
    weights: Vec<i8>,
    scales: Vec<f32>,
    biases: Vec<f32>,
}

/// Keys are hashes already.
#[derive(Debug, Clone, Copy, Default)]
pub struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}

/// What a head says of a text.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict<'a> {
    pub head: &'a Head,
    /// The likeliest label.
    pub label: usize,
    /// For each label, together 1.
    pub probabilities: Vec<f32>,
    /// Characters of the text that speak most for the label, as `start..end`.
    pub spans: Vec<(usize, usize)>,
    /// How many different features of the text it knows.
    pub known: usize,
}

impl Verdict<'_> {
    pub fn name(&self) -> &str {
        &self.head.labels[self.label]
    }

    pub fn confidence(&self) -> f32 {
        self.probabilities[self.label]
    }

    /// Whether it would rather say nothing.
    pub fn abstains(&self) -> bool {
        self.confidence() < self.head.threshold
    }
}

/// A learned classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub card: Card,
    heads: Vec<Head>,
}

/// Spans that are shown as a reason.
const REASONS: usize = 3;

/// Places of features that are looked at for reasons.
const LOOKED_AT: usize = 24;

/// Characters that one of them may have.
const LONGEST_REASON: usize = 4;

impl Model {
    pub fn new(card: Card, heads: Vec<Head>) -> Model {
        Model { card, heads }
    }

    pub fn heads(&self) -> &[Head] {
        &self.heads
    }

    /// What the heads say of `text`; nothing where no feature of it is known.
    pub fn read(&self, text: &str) -> Vec<Verdict<'_>> {
        let grams = features::grams(text);
        self.heads.iter().filter_map(|head| head.read(&grams)).collect()
    }
}

impl Head {
    /// What it says of a text with these features in place; nothing where it knows none of them.
    pub fn read(&self, grams: &[Gram]) -> Option<Verdict<'_>> {
        let row = self.table.row(&features::counted(grams));
        if row.is_empty() {
            return None;
        }
        let margins = self.table.margins(&row);
        let probabilities = calibrate::probabilities(&margins, self.sharpness);
        let label = best(&probabilities);
        let spans = self.reasons(grams, label);
        Some(Verdict { head: self, label, probabilities, spans, known: row.len() })
    }

    /// For features without places: the margins, before they are probabilities.
    pub(super) fn margins(&self, counted: &[(u64, u32)]) -> Vec<f32> {
        self.table.margins(&self.table.row(counted))
    }

    /// The places whose features speak most for `label` and against the others.
    fn reasons(&self, grams: &[Gram], label: usize) -> Vec<(usize, usize)> {
        let mut speaking: Vec<(f32, (usize, usize))> = grams
            .iter()
            .filter_map(|gram| {
                let feature = *self.table.index.get(&gram.key)?;
                let weight = self.table.weight(feature, label) * self.table.rarity_of(feature);
                (gram.end - gram.start > 1 && weight > 0.0).then_some((weight, (gram.start, gram.end)))
            })
            .collect();
        // A long text has a thousand; only the first few can become reasons.
        let order = |a: &(f32, (usize, usize)), b: &(f32, (usize, usize))| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if speaking.len() > LOOKED_AT {
            speaking.select_nth_unstable_by(LOOKED_AT, order);
            speaking.truncate(LOOKED_AT);
        }
        speaking.sort_by(order);
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (_, (start, end)) in speaking {
            match spans.iter().position(|span| span.0 <= end && start <= span.1) {
                // Overlapping pairs are one word, as long as it stays a word.
                Some(i) if spans[i].1.max(end) - spans[i].0.min(start) <= LONGEST_REASON => {
                    spans[i] = (spans[i].0.min(start), spans[i].1.max(end));
                }
                Some(_) => {}
                None if spans.len() < REASONS => spans.push((start, end)),
                None => {}
            }
        }
        spans.sort_unstable();
        spans
    }
}

/// The first of the largest.
pub(super) fn best(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

impl Table {
    /// From what was learned: for each feature its key, rarity and a weight for each label; rounded to bytes.
    pub(super) fn new(features: Vec<(u64, f32)>, weights: &[Vec<f32>], biases: Vec<f32>) -> Table {
        let mut order: Vec<usize> = (0..features.len()).collect();
        order.sort_by_key(|i| features[*i].0);
        let scale = |of: &Vec<f32>| of.iter().fold(0.0f32, |most, weight| most.max(weight.abs())).max(1e-6) / 127.0;
        let scales: Vec<f32> = weights.iter().map(scale).collect();
        let byte = |i: usize, label: usize| (weights[label][i] / scales[label]).round().clamp(-127.0, 127.0) as i8;
        let mut table = Table {
            keys: order.iter().map(|i| features[*i].0).collect(),
            rarity: order.iter().map(|i| (features[*i].1 / MOST_RARE * 255.0).round() as u8).collect(),
            weights: order.iter().flat_map(|i| (0..scales.len()).map(move |label| byte(*i, label))).collect(),
            index: HashMap::default(),
            scales,
            biases,
        };
        table.number();
        table
    }

    fn number(&mut self) {
        self.index = self.keys.iter().enumerate().map(|(i, key)| (*key, i as u32)).collect();
    }

    fn labels(&self) -> usize {
        self.scales.len()
    }

    pub(super) fn rarity_of(&self, feature: u32) -> f32 {
        f32::from(self.rarity[feature as usize]) * MOST_RARE / 255.0
    }

    fn weight(&self, feature: u32, label: usize) -> f32 {
        f32::from(self.weights[feature as usize * self.labels() + label]) * self.scales[label]
    }

    /// A text's known features, weighed and of length 1.
    fn row(&self, counted: &[(u64, u32)]) -> Row {
        let known = counted.iter().filter_map(|(key, count)| self.index.get(key).map(|feature| (*feature, *count)));
        weighed(known.map(|(feature, count)| (feature, count, self.rarity_of(feature))))
    }

    fn margins(&self, row: &Row) -> Vec<f32> {
        let labels = self.labels();
        let mut sums = vec![0.0f32; labels];
        for (feature, value) in row {
            let weights = &self.weights[*feature as usize * labels..][..labels];
            sums.iter_mut().zip(weights).for_each(|(sum, weight)| *sum += f32::from(*weight) * value);
        }
        sums.iter().zip(&self.scales).zip(&self.biases).map(|((sum, scale), bias)| sum * scale + bias).collect()
    }
}

/// Counts and rarities as a row of length 1.
pub(super) fn weighed(features: impl Iterator<Item = (u32, u32, f32)>) -> Row {
    let mut row: Row = features.map(|(feature, count, rarity)| (feature, (count as f32).sqrt() * rarity)).collect();
    let length = row.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        row.iter_mut().for_each(|(_, value)| *value /= length);
    }
    row
}

/// The part of the file that is TOML.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    card: Card,
    head: Vec<HeadHeader>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadHeader {
    topic: Topic,
    features: usize,
    labels: Vec<String>,
    sharpness: f32,
    threshold: f32,
    scales: Vec<f32>,
    biases: Vec<f32>,
}

impl Model {
    /// As a file.
    pub fn bytes(&self) -> Vec<u8> {
        let head = |head: &Head| HeadHeader {
            topic: head.topic,
            features: head.table.keys.len(),
            labels: head.labels.clone(),
            sharpness: head.sharpness,
            threshold: head.threshold,
            scales: head.table.scales.clone(),
            biases: head.table.biases.clone(),
        };
        let header = Header { card: self.card.clone(), head: self.heads.iter().map(head).collect() };
        let header = toml::to_string(&header).expect("plain words and numbers are TOML");
        let mut bytes = MAGIC.to_vec();
        bytes.extend((header.len() as u32).to_le_bytes());
        bytes.extend(header.bytes());
        for head in &self.heads {
            bytes.extend(head.table.keys.iter().flat_map(|key| key.to_le_bytes()));
            bytes.extend(&head.table.rarity);
            bytes.extend(head.table.weights.iter().map(|weight| weight.to_le_bytes()[0]));
        }
        let sum = Sha256::digest(&bytes);
        bytes.extend(sum);
        bytes
    }

    /// From a file's bytes.
    ///
    /// # Errors
    /// What is wrong with them; nothing in a file makes this panic.
    pub fn parse(bytes: &[u8]) -> Result<Model, BadModel> {
        if bytes.len() as u64 > MAX_BYTES {
            return Err(BadModel::TooLarge(bytes.len() as u64));
        }
        let name = &MAGIC[..7];
        if !bytes.starts_with(name) {
            let begun = bytes.len() < name.len() && name.starts_with(bytes);
            return Err(if begun { BadModel::Truncated(bytes.len()) } else { BadModel::Foreign });
        }
        let cut = BadModel::Truncated(bytes.len());
        match bytes.get(7) {
            Some(1) => {}
            Some(version) => return Err(BadModel::Version(*version)),
            None => return Err(cut),
        }
        let mut rest = Rest(&bytes[8..]);
        let length = u32::from_le_bytes(*rest.array::<4>().ok_or(cut.clone())?) as usize;
        let header = rest.take(length).ok_or(cut.clone())?;
        // The lengths stand in the header: it is believed for them first, and for everything once the sum fits.
        let text = std::str::from_utf8(header).map_err(|_| BadModel::Damaged)?;
        let header: Header = toml::from_str(text).map_err(|error| BadModel::Header(error.message().to_owned()))?;
        let mut heads = Vec::new();
        for head in header.head {
            heads.push(read_head(head, &mut rest)?.ok_or(cut.clone())?);
        }
        let body = bytes.len() - rest.0.len();
        match rest.0.len() {
            32 if Sha256::digest(&bytes[..body])[..] == *rest.0 => Ok(Model { card: header.card, heads }),
            0..32 => Err(cut),
            _ => Err(BadModel::Damaged),
        }
    }
}

/// `None`: the file ends before.
fn read_head(head: HeadHeader, rest: &mut Rest<'_>) -> Result<Option<Head>, BadModel> {
    let labels = head.labels.len();
    let fits = (1..=MAX_LABELS).contains(&labels) && head.features <= MAX_FEATURES;
    let alike = head.scales.len() == labels && head.biases.len() == labels;
    let mut numbers = head.scales.iter().chain(&head.biases).chain([&head.sharpness, &head.threshold]);
    if !fits || !alike || !numbers.all(|number| number.is_finite()) {
        return Err(BadModel::Header("its numbers do not fit each other".to_owned()));
    }
    let Some(keys) = rest.take(head.features * 8) else { return Ok(None) };
    let Some(rarity) = rest.take(head.features) else { return Ok(None) };
    let Some(weights) = rest.take(head.features * labels) else { return Ok(None) };
    let mut table = Table {
        keys: keys.chunks_exact(8).map(|key| u64::from_le_bytes(key.try_into().expect("chunks of 8"))).collect(),
        rarity: rarity.to_vec(),
        weights: weights.iter().map(|weight| i8::from_le_bytes([*weight])).collect(),
        scales: head.scales.clone(),
        biases: head.biases.clone(),
        ..Table::default()
    };
    table.number();
    let HeadHeader { topic, labels, sharpness, threshold, .. } = head;
    Ok(Some(Head { topic, labels, sharpness, threshold, table }))
}

/// Bytes not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        self.take(N)?.try_into().ok()
    }
}
