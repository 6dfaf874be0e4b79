//! The learned classifier: linear machines over hashed features, trained from labelled texts, kept in one small file.
//!
//! Owns features, training, calibration, scores and the file; pure. Files are read by [`crate::config`] and
//! [`crate::cli`]. It answers with probabilities that were calibrated on texts it had not learned from, and abstains
//! below its threshold. It refuses to be the only judge: its labels are a voice beside the catalogue's words
//! (`classify::rules`), because it knows only the labels it was taught.

pub mod calibrate;
pub mod features;
pub mod folds;
pub mod homophones;
mod model;
mod reader;
pub mod score;
mod svm;
pub mod train;

pub use model::{BadModel, Card, Head, MAGIC, MAX_BYTES, Model, Topic, Verdict};
pub use reader::Learned;

#[cfg(test)]
mod shipped;
#[cfg(test)]
mod tests;
