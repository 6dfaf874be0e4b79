//! From a call to a ticket, in one transaction, once.
//!
//! Used by the call (confirmed, hung up) and by intake (recovered). Owns what goes into a ticket; refuses nothing that
//! was said: words that mean nothing to the catalogue are filed all the same.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::catalogue::{Catalogue, Places};
use crate::classify::{Hint, classify, summary};
use crate::id::CallId;
use crate::store::{self, Filing, Meaning, SegmentRow, Store};
use crate::ticket::Text;

pub use crate::store::Filed;
pub use crate::ticket::How;

/// One kept utterance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    pub index: u32,
    pub file: PathBuf,
    pub duration: Duration,
    /// `None`: not recognised yet.
    pub text: Option<String>,
}

/// What a call amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matter {
    pub call: CallId,
    pub line: String,
    pub caller: Option<String>,
    pub began: Timestamp,
    pub topic: Option<String>,
    pub category: Option<String>,
    pub kind: Option<String>,
    pub urgency: Option<String>,
    /// The code of the place that the caller said yes to, and codes of those that they said no to.
    pub place: Option<String>,
    pub elsewhere: Vec<String>,
    pub keys: String,
    pub heard: Vec<Heard>,
    pub how: How,
}

/// Why there is no ticket (yet). Filing again is always safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilingError {
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Files `matter`. The number comes back after the commit has reached the disk; a call that has its ticket gets that
/// one's number again.
///
/// # Errors
/// What the store says. Nothing of the matter was written then, or all of it.
pub async fn file(
    store: &Store,
    catalogue: &Catalogue,
    places: &Places,
    matter: &Matter,
    now: Timestamp,
) -> Result<Filed, FilingError> {
    let hint = Hint {
        topic: matter.topic.clone(),
        category: matter.category.clone(),
        kind: matter.kind.clone(),
        urgency: matter.urgency.clone(),
        place: matter.place.clone(),
        elsewhere: matter.elsewhere.clone(),
        earlier: earlier(store, matter).await,
    };
    let text = whole(matter.heard.iter().filter_map(|heard| heard.text.as_deref()));
    let pending = matter.heard.iter().any(|heard| heard.text.is_none());
    let segment = |heard: &Heard| SegmentRow {
        call: matter.call,
        index: heard.index,
        file: heard.file.clone(),
        duration: heard.duration,
        speech: Duration::ZERO,
        text: heard.text.clone(),
        error: None,
    };
    let meaning = meaning(catalogue, places, text.as_deref().unwrap_or_default(), &hint);
    let urgency = meaning.urgency.parse().unwrap_or_default();
    let filing = Filing {
        call: matter.call,
        line: matter.line.clone(),
        caller: matter.caller.clone().filter(|caller| !caller.is_empty()),
        began: matter.began,
        keys: matter.keys.clone(),
        how: matter.how,
        segments: matter.heard.iter().map(segment).collect(),
        text_state: if pending { Text::Pending } else { Text::Whole },
        dispatch: catalogue.limit().map(|limit| limit.dispatch_by(urgency, &meaning.category, now)),
        meaning,
        text,
        hints: write_hint(&hint),
    };
    Ok(store.file(filing, now).await?)
}

/// Where the caller's earlier tickets lay. Only a hint between streets of one name: without it the matter is filed too.
async fn earlier(store: &Store, matter: &Matter) -> Vec<String> {
    match &matter.caller {
        Some(caller) => store.places_of(caller).await.unwrap_or_default(),
        None => Vec::new(),
    }
}

/// All that was said, an utterance a line; `None` if that is nothing.
pub fn whole<'a>(texts: impl Iterator<Item = &'a str>) -> Option<String> {
    let said: Vec<&str> = texts.map(str::trim).filter(|text| !text.is_empty()).collect();
    if said.is_empty() { None } else { Some(said.join("\n")) }
}

/// What the words mean, as the store keeps it.
pub fn meaning(catalogue: &Catalogue, places: &Places, text: &str, hint: &Hint) -> Meaning {
    let understood = classify(catalogue, places, text, hint);
    let summary::Summary { title, facts } = summary::summarise(text, &understood);
    Meaning {
        kind: understood.kind,
        category: understood.category,
        confidence: plain(understood.confidence),
        urgency: understood.urgency.to_string(),
        unit: understood.unit,
        place: understood.place.map(|place| store::Place {
            code: place.code,
            name: place.name,
            district: place.district,
            confidence: plain(place.confidence),
        }),
        // Through text: the tree would keep an f32 of 0.7 as 0.699999988079071.
        evidence: serde_json::to_string(&understood.evidence)
            .and_then(|text| serde_json::from_str(&text))
            .expect("plain words and numbers are JSON"),
        title,
        facts: serde_json::to_value(facts).expect("plain words and flags are JSON"),
    }
}

/// The number that people would write: 0.7, not the nearest f32 to it.
fn plain(confidence: f32) -> f64 {
    (f64::from(confidence) * 10_000.0).round() / 10_000.0
}

fn write_hint(hint: &Hint) -> serde_json::Value {
    serde_json::json!({
        "topic": hint.topic, "category": hint.category, "kind": hint.kind, "urgency": hint.urgency,
        "place": hint.place, "elsewhere": hint.elsewhere, "earlier": hint.earlier,
    })
}

/// The hint that a ticket was filed with.
pub fn read_hint(hints: &serde_json::Value) -> Hint {
    let get = |key: &str| hints.get(key).and_then(|value| value.as_str()).map(str::to_owned);
    let codes = |key: &str| {
        let codes = hints.get(key).and_then(|value| value.as_array()).into_iter().flatten();
        codes.filter_map(|code| code.as_str()).map(str::to_owned).collect()
    };
    Hint {
        topic: get("topic"),
        category: get("category"),
        kind: get("kind"),
        urgency: get("urgency"),
        place: get("place"),
        elsewhere: codes("elsewhere"),
        earlier: codes("earlier"),
    }
}

#[cfg(test)]
mod tests;
