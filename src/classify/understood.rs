//! What came out of reading a text.

use serde::Serialize;

use crate::catalogue::Urgency;

/// Written where no category could be told.
pub const UNSORTED: &str = "未分类";

/// What is known before the text: from the line that was dialled, and from the menu.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hint {
    /// The subject of the line (free words or the name of a category).
    pub topic: Option<String>,
    /// A category chosen in the menu: a name of any level, or a path `一/二/三`.
    pub category: Option<String>,
    /// A request type chosen in the menu.
    pub kind: Option<String>,
    /// `urgent`, `soon` or `ordinary`.
    pub urgency: Option<String>,
    /// The code of the place that the caller said yes to when they were asked.
    pub place: Option<String>,
    /// Codes of the places that they said no to.
    pub elsewhere: Vec<String>,
    /// Codes of the places of the caller's earlier tickets: they decide between streets of one name.
    pub earlier: Vec<String>,
}

/// A text, understood. Serialises in the shape of `jiesu classify --json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Understood {
    /// The request type: 咨询 求助 投诉 举报 建议 表扬.
    #[serde(rename = "type")]
    pub kind: String,
    /// Three levels; 未分类 three times where nothing could be told, 其他 below the level that could be.
    pub category: [String; 3],
    /// Of the category, 0 to 1.
    pub confidence: f32,
    pub urgency: Urgency,
    /// Who is in charge, where category and place tell.
    #[serde(skip)]
    pub unit: Option<String>,
    pub place: Option<PlaceMatch>,
    /// One entry a field, also where it rests on nothing.
    pub evidence: Vec<Evidence>,
}

impl Default for Understood {
    fn default() -> Understood {
        Understood {
            kind: "求助".to_owned(),
            category: [UNSORTED; 3].map(str::to_owned),
            confidence: 0.0,
            urgency: Urgency::Ordinary,
            unit: None,
            place: None,
            evidence: Vec::new(),
        }
    }
}

/// A street office, or a district where only that is known.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlaceMatch {
    pub code: String,
    pub name: String,
    pub district: String,
    /// 0 to 1.
    pub confidence: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Field {
    Type,
    Category,
    Urgency,
    Place,
}

/// What one field rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evidence {
    pub field: Field,
    /// Of this field, 0 to 1.
    pub confidence: f32,
    pub words: Vec<Words>,
    /// The learned model that says the same, with its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The caller was asked, and this is their answer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
}

/// Words of the text: characters `start` up to but not including `end`, counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Words {
    pub text: String,
    pub start: usize,
    pub end: usize,
}
