//! What may be asked of a city, of whom, and where: categories, request types, units in charge, words and places.
//!
//! All of it is data under `config/catalogue/` and `config/places/`; another city replaces the folders. This module
//! reads and checks it; reading a text in its light is [`crate::classify`]'s.

mod category;
pub mod import;
pub mod limit;
mod located;
pub mod numeral;
mod places;
mod places_written;
pub mod second;
mod sound;
pub mod text;
mod unit;
mod urgency;
mod words;
mod written;

pub use category::{Categories, Category, CategoryId, OTHER};
pub use places::{Area, AreaId, Level, Named, Numbers, Places, Side, Spot};
pub use unit::Unit;
pub use urgency::{NoUrgency, Urgency};
pub use words::{ELLIPSIS, Gather, Hit, Lexicon};

use crate::written::{Faults, Source};

/// A request type (诉求类型).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    pub name: String,
}

/// A word of a category or request type: for which one (by index) it speaks, and how much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sense<I> {
    pub of: I,
    pub weight: f32,
}

/// The files under `catalogue/`, checked.
#[derive(Debug, Default)]
pub struct Catalogue {
    categories: Categories,
    kinds: Vec<Kind>,
    /// The type where nothing tells, as an index into `kinds`.
    usual_kind: usize,
    category_words: Lexicon<Sense<CategoryId>>,
    kind_words: Lexicon<Sense<usize>>,
    urgency_words: Lexicon<Urgency>,
    /// What has learned from labelled texts, beside the words.
    second: Option<std::sync::Arc<dyn second::SecondReader>>,
    /// By when tickets have to be dispatched.
    limit: Option<std::sync::Arc<dyn limit::DispatchLimit>>,
}

impl Catalogue {
    /// Reads every file under `catalogue/`; what is wrong goes to `faults`. The names of the files mean nothing.
    pub fn read(sources: &[Source], faults: &Faults) -> Catalogue {
        written::read(sources, faults)
    }

    pub fn categories(&self) -> &Categories {
        &self.categories
    }

    /// The request types, in the order of the file.
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The index of a request type.
    pub fn kind(&self, name: &str) -> Option<usize> {
        self.kinds.iter().position(|kind| kind.name == name)
    }

    /// The request type where nothing tells.
    pub fn usual_kind(&self) -> usize {
        self.usual_kind
    }

    pub fn category_words(&self) -> &Lexicon<Sense<CategoryId>> {
        &self.category_words
    }

    pub fn kind_words(&self) -> &Lexicon<Sense<usize>> {
        &self.kind_words
    }

    pub fn urgency_words(&self) -> &Lexicon<Urgency> {
        &self.urgency_words
    }
}
