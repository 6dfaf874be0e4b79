//! A model as the catalogue's second reader: its labels in the catalogue's terms.

use std::sync::Arc;

use crate::catalogue::second::{Opinion, SecondReader, Unknown, Voice};
use crate::catalogue::{Catalogue, CategoryId};

use super::model::{Head, Model, Topic, Verdict};

/// A text of which it knows fewer features (a dozen characters have about thirty) says too little: it has learned from
/// letters, and of 你好 or 谢谢 it would make what letters that begin so are about.
const LEAST_KNOWN: usize = 30;

/// See the module.
#[derive(Debug)]
pub struct Learned {
    model: Model,
    /// For each head what its labels mean; heads about something else mean nothing here.
    meanings: Vec<Meaning>,
}

#[derive(Debug)]
enum Meaning {
    Categories(Vec<CategoryId>),
    Kinds(Vec<usize>),
    Nothing,
}

impl Learned {
    /// `renamed`: labels of the model that the catalogue calls otherwise, as pairs of theirs and ours.
    ///
    /// # Errors
    /// The first label that means nothing in this catalogue.
    pub fn new(model: Model, catalogue: &Catalogue, renamed: &[(String, String)]) -> Result<Learned, Unknown> {
        let ours = |label: &str| {
            let pair = renamed.iter().find(|(theirs, _)| theirs == label);
            pair.map_or_else(|| label.to_owned(), |(_, ours)| ours.clone())
        };
        let category = |label: &String| catalogue.categories().means(&ours(label));
        let kind = |label: &String| {
            let name = ours(label);
            let remedy = "say which it is in [classify] labels, as in \"THEIRS = OURS\"";
            catalogue.kind(&name).ok_or(Unknown { what: "type", name, remedy })
        };
        let meaning = |head: &Head| match head.topic {
            Topic::Category => head.labels.iter().map(category).collect::<Result<_, _>>().map(Meaning::Categories),
            Topic::Type => head.labels.iter().map(kind).collect::<Result<_, _>>().map(Meaning::Kinds),
            Topic::Urgency | Topic::Unit => Ok(Meaning::Nothing),
        };
        let meanings = model.heads().iter().map(meaning).collect::<Result<_, _>>()?;
        Ok(Learned { model, meanings })
    }

    /// For [`Catalogue::set_second`].
    pub fn shared(self) -> Arc<dyn SecondReader> {
        Arc::new(self)
    }
}

impl SecondReader for Learned {
    fn name(&self) -> &str {
        &self.model.card.name
    }

    fn read(&self, text: &str) -> Opinion {
        let mut opinion = Opinion::default();
        for verdict in self.model.read(text) {
            if verdict.abstains() || verdict.known < LEAST_KNOWN {
                continue;
            }
            let head = self.model.heads().iter().position(|head| std::ptr::eq(head, verdict.head));
            match head.map(|head| &self.meanings[head]) {
                Some(Meaning::Categories(of)) => opinion.category = Some(voice(&verdict, of)),
                Some(Meaning::Kinds(of)) => opinion.kind = Some(voice(&verdict, of)),
                Some(Meaning::Nothing) | None => {}
            }
        }
        opinion
    }
}

/// Two labels may mean the same of ours: their shares add up.
fn voice<T: Copy + PartialEq>(verdict: &Verdict<'_>, of: &[T]) -> Voice<T> {
    let mut shares: Vec<(T, f32)> = Vec::new();
    for (choice, share) in of.iter().zip(&verdict.probabilities) {
        match shares.iter_mut().find(|(known, _)| known == choice) {
            Some((_, sum)) => *sum += share,
            None => shares.push((*choice, *share)),
        }
    }
    Voice { shares, spans: verdict.spans.clone(), known: verdict.known }
}
