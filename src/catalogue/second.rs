//! A second reader of texts beside the catalogue's words: one that has learned from labelled texts.
//!
//! Here is only what it has to say, in the catalogue's terms; [`crate::classify::learn`] is one, and
//! [`crate::classify`] weighs its voice. It goes with the catalogue wherever that goes, so that every text is read by
//! both or by neither.

use std::fmt::Debug;

use super::{Catalogue, Categories, CategoryId};

/// What a second reader says about one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Voice<T> {
    /// The choices that it knows, with the probability of each; together at most 1.
    pub shares: Vec<(T, f32)>,
    /// Characters of the text as it came that speak most for the likeliest.
    pub spans: Vec<(usize, usize)>,
    /// On how much it rests: how many different things of the text it knows.
    pub known: usize,
}

impl<T: Copy + PartialEq> Voice<T> {
    /// The likeliest choice with its probability.
    pub fn first(&self) -> Option<(T, f32)> {
        self.shares.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1))
    }

    pub fn share(&self, of: T) -> f32 {
        self.shares.iter().find(|(choice, _)| *choice == of).map_or(0.0, |(_, share)| *share)
    }
}

/// What a second reader says of a text; `None` where it abstains.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Opinion {
    pub category: Option<Voice<CategoryId>>,
    /// Request types, by their index in [`Catalogue::kinds`].
    pub kind: Option<Voice<usize>>,
}

/// See the module.
pub trait SecondReader: Debug + Send + Sync {
    /// How evidence names it, with its version.
    fn name(&self) -> &str;

    /// Places of the answer are characters of `text`.
    fn read(&self, text: &str) -> Opinion;
}

/// A name of another's that is none of the catalogue's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} \"{name}\" is not in catalogue/; {remedy}")]
pub struct Unknown {
    pub what: &'static str,
    pub name: String,
    pub remedy: &'static str,
}

impl Categories {
    /// The category that another's `name` means.
    ///
    /// # Errors
    /// Where there is none.
    pub fn means(&self, name: &str) -> Result<CategoryId, Unknown> {
        self.find(name).ok_or_else(|| Unknown {
            what: "category",
            name: name.to_owned(),
            remedy: "say which it is in [classify] labels, as in \"THEIRS = OURS\"",
        })
    }
}

impl Catalogue {
    /// The second reader, if there is one.
    pub fn second(&self) -> Option<&dyn SecondReader> {
        self.second.as_deref()
    }

    /// From now on texts are read by `second` as well.
    pub fn set_second(&mut self, second: std::sync::Arc<dyn SecondReader>) {
        self.second = Some(second);
    }
}
