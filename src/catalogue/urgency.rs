//! How quickly a matter has to be dispatched.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The three dispatch classes of DB11/T 2021-2022: an emergency within 1 h, failing water, power, gas or heat within
/// 2 h, everything else within 24 h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Urgency {
    #[default]
    Ordinary,
    Soon,
    Urgent,
}

impl Urgency {
    pub const ALL: [Urgency; 3] = [Urgency::Ordinary, Urgency::Soon, Urgency::Urgent];

    pub fn as_str(self) -> &'static str {
        match self {
            Urgency::Ordinary => "ordinary",
            Urgency::Soon => "soon",
            Urgency::Urgent => "urgent",
        }
    }
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an urgency is urgent, soon or ordinary")]
pub struct NoUrgency;

impl FromStr for Urgency {
    type Err = NoUrgency;

    fn from_str(text: &str) -> Result<Urgency, NoUrgency> {
        Urgency::ALL.into_iter().find(|u| u.as_str() == text).ok_or(NoUrgency)
    }
}
