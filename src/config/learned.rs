//! The learned classifier that goes with the catalogue: `[classify]` of `jiesu.toml`, and its file.
//!
//! Without a model, or with one that cannot be used, texts are read by the catalogue's words alone: that is said, with the
//! remedy, and nothing is refused.

use std::path::{Path, PathBuf};

use crate::catalogue::Catalogue;
use crate::catalogue::second::Unknown;
use crate::classify::learn::{BadModel, Learned, MAX_BYTES, Model};
use crate::written::{Table, Written};

/// The section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    pub model: PathBuf,
    /// The model's labels that the catalogue calls otherwise: theirs and ours.
    pub labels: Vec<(String, String)>,
}

/// Why there is no learned classifier.
#[derive(Debug, thiserror::Error)]
pub enum NoModel {
    #[error("no learned classifier: {}: {error}; texts are read by the catalogue's words alone", file.display())]
    Unreadable { file: PathBuf, error: std::io::Error },
    #[error("no learned classifier: {} {why}; texts are read by the catalogue's words alone", file.display())]
    Bad { file: PathBuf, why: BadModel },
    #[error("no learned classifier: {}: {why}; texts are read by the catalogue's words alone", file.display())]
    Unknown { file: PathBuf, why: Unknown },
}

impl Config {
    /// Paths are relative to the folder of the file that they stand in.
    pub fn read(table: &mut Table<'_>) -> Config {
        let folder = table.place().file.parent().unwrap_or(Path::new("")).to_owned();
        let mut labels = Vec::new();
        for Written { value, place, key } in table.texts("labels").get().unwrap_or_default() {
            match value.split_once('=') {
                Some((theirs, ours)) => labels.push((theirs.trim().to_owned(), ours.trim().to_owned())),
                None => table.faults().at(&place, key, format!("\"{value}\" says nothing"), "write \"THEIRS = OURS\""),
            }
        }
        Config { model: folder.join(table.text("model").or("../models/classify.jlm")), labels }
    }

    /// The model, in this catalogue's terms.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn open(&self, catalogue: &Catalogue) -> Result<Learned, NoModel> {
        let file = || self.model.clone();
        let unreadable = |error| NoModel::Unreadable { file: file(), error };
        let length = std::fs::metadata(&self.model).map_err(unreadable)?.len();
        if length > MAX_BYTES {
            return Err(NoModel::Bad { file: file(), why: BadModel::TooLarge(length) });
        }
        let bytes = std::fs::read(&self.model).map_err(unreadable)?;
        let model = Model::parse(&bytes).map_err(|why| NoModel::Bad { file: file(), why })?;
        Learned::new(model, catalogue, &self.labels).map_err(|why| NoModel::Unknown { file: file(), why })
    }

    /// Gives the catalogue its second reader, or says why there is none.
    pub fn join(&self, catalogue: &mut Catalogue) {
        match self.open(catalogue) {
            Ok(learned) => catalogue.set_second(learned.shared()),
            // An operator who never had one need not be alarmed.
            Err(why @ NoModel::Unreadable { .. }) => tracing::warn!("{why}"),
            Err(why) => tracing::error!("{why}"),
        }
    }
}
