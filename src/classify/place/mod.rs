//! Which street office, or at least which district, a text names; and when to ask back.
//!
//! Every name found is a witness for the areas that it may mean (`witness`). A district named just before a street
//! decides between streets of one name, then where the caller's earlier tickets lay. What is still open is not guessed:
//! [`Placed::Ask`] says between which areas the caller has to choose. It never knows a place that no name in the text
//! stands for.

mod ask;
mod report;
mod witness;

pub use ask::{open, question};
pub use report::{Answer, Candidate, Report};

use super::Hint;
use crate::catalogue::text::Text;
use crate::catalogue::{AreaId, Level, Places, Spot, numeral};
use witness::Witness;

/// From here on an area is believed without a question.
pub const SURE: f32 = 0.5;

/// Below this a street is not filed, and the district named in the text is taken instead, or nothing.
const LEAST: f32 = 0.25;

/// Below this a district beats the street that was guessed.
const LEAST_BESIDE_DISTRICT: f32 = 0.4;

/// An area this much less sure than the best is no candidate.
const NEAR: f32 = 0.5;

/// Two streets of different districts closer than this are both meant.
const EVEN: f32 = 0.9;

/// The most areas between which the caller might choose; the most villages of one name around Beijing are 15.
const MOST_CANDIDATES: usize = 20;

/// How sure the caller's own answer makes it: keys are pressed wrongly, and words misheard.
const ANSWERED: f32 = 0.98;

/// What it counts, in characters, that a name begins where one may begin.
const BEGINS: f32 = 1.5;

/// An area, how sure, and the names it rests on (characters of the text as looked through).
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub area: AreaId,
    pub confidence: f32,
    pub spans: Vec<(usize, usize)>,
}

/// Where a text says it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Placed {
    /// No name of a place.
    Nowhere,
    /// Sure enough without a question.
    Sure(Found),
    /// One of these, the likeliest first; `meanwhile` is what may be said already.
    Ask { candidates: Vec<Found>, meanwhile: Option<Found> },
}

impl Placed {
    /// What is filed: the area, less sure while a question is open.
    pub fn filed(self) -> Option<Found> {
        match self {
            Placed::Nowhere => None,
            Placed::Sure(found) => Some(found),
            Placed::Ask { meanwhile, .. } => meanwhile,
        }
    }

    /// Every area that may be meant, the likeliest first.
    pub fn candidates(&self) -> &[Found] {
        match self {
            Placed::Nowhere => &[],
            Placed::Sure(found) => std::slice::from_ref(found),
            Placed::Ask { candidates, .. } => candidates,
        }
    }
}

/// The place that `text` names. `earlier`: where the caller's earlier tickets lay.
pub fn read(places: &Places, text: &Text, earlier: &[AreaId]) -> Placed {
    read_but(places, text, earlier, &[])
}

/// As [`read`], where the caller has said that it is none of `elsewhere`.
fn read_but(places: &Places, text: &Text, earlier: &[AreaId], elsewhere: &[AreaId]) -> Placed {
    let spots = spots(places, text);
    let mut districts = witness::districts(places, text, &spots);
    let mut streets = witness::streets(places, text, &spots, &districts, earlier);
    districts.retain(|witness| !elsewhere.contains(&witness.area));
    streets.retain(|witness| !elsewhere.contains(&witness.area));
    decide(places, ranked(&streets), ranked(&districts))
}

/// What is filed for `text`: where the caller has said that it is, or else as far as the words tell.
pub fn find(places: &Places, text: &Text, hint: &Hint) -> Option<Found> {
    let ids = |codes: &[String]| codes.iter().filter_map(|code| places.id(code)).collect::<Vec<AreaId>>();
    let placed = read_but(places, text, &ids(&hint.earlier), &ids(&hint.elsewhere));
    let Some(area) = hint.place.as_deref().and_then(|code| places.id(code)) else { return placed.filed() };
    // The words that the question was about, if the text still has them: it may have been heard better since.
    let asked = placed.candidates().iter().find(|found| found.area == area);
    let spans = asked.map(|found| found.spans.clone()).unwrap_or_default();
    Some(Found { area, confidence: ANSWERED, spans })
}

/// The names in `text`. Of names that share characters the one with most of them is meant: in 花家弟北里 no 北里, though
/// the longer name is there by its sound only. That it begins where a name may begin speaks for a name too: in 河北门口
/// for 河北, and against 北门口.
fn spots(places: &Places, text: &Text) -> Vec<Spot> {
    let mut spots = places.spots(text);
    spots.extend(places.sounding_spots(text));
    spots.retain(|spot| !splits_number(text, spot) && !takes_house_number(text, spot));
    let strength = |spot: &Spot| {
        let agreeing = (spot.heard.unwrap_or(1.0) * (spot.end - spot.start) as f32).round();
        agreeing + if witness::begins(text.before(spot.start)) { BEGINS } else { 0.0 }
    };
    spots.sort_by(|a, b| {
        let order = strength(b).total_cmp(&strength(a));
        order.then(a.heard.is_some().cmp(&b.heard.is_some())).then(a.start.cmp(&b.start))
    });
    let mut kept: Vec<Spot> = Vec::with_capacity(spots.len());
    for spot in spots {
        if !kept.iter().any(|better| better.overlaps(&spot)) {
            kept.push(spot);
        }
    }
    kept.sort_by_key(|spot| spot.start);
    kept
}

/// 西营16号楼 is not in 西营1村.
fn splits_number(text: &Text, spot: &Spot) -> bool {
    let digit = |at: usize| text.chars().get(at).is_some_and(char::is_ascii_digit);
    (digit(spot.end - 1) && digit(spot.end)) || (spot.start > 0 && digit(spot.start) && digit(spot.start - 1))
}

/// 西营4号楼 is not in 西营四村: the number is the house's.
fn takes_house_number(text: &Text, spot: &Spot) -> bool {
    let last = text.chars()[spot.end - 1];
    let after = text.after(spot.end);
    numeral::leading(&last.to_string()).is_some()
        && (after.starts_with(['号', '栋', '幢', '座']) || after.starts_with("单元"))
}

fn decide(places: &Places, streets: Vec<Found>, districts: Vec<Found>) -> Placed {
    let district = districts.into_iter().next();
    let Some(best) = streets.first() else { return district.map_or(Placed::Nowhere, Placed::Sure) };
    let share = |found: &Found| found.confidence / best.confidence;
    let near: Vec<Found> = streets.iter().filter(|f| share(f) >= NEAR).take(MOST_CANDIDATES).cloned().collect();
    let of = |found: &Found| places.area(found.area).district;
    let elsewhere = streets.iter().any(|found| of(found) != of(best) && share(found) >= EVEN);
    if best.confidence >= SURE && !elsewhere {
        return Placed::Sure(with_district(places, best.clone(), district));
    }
    let total: f32 = near.iter().map(|found| found.confidence).sum();
    if total < LEAST {
        return district.map_or(Placed::Nowhere, Placed::Sure);
    }
    let one_district = near.len() > 1 && near.iter().all(|found| of(found) == of(best));
    let meanwhile = match district {
        Some(district) if best.confidence < LEAST_BESIDE_DISTRICT => Some(district),
        _ if one_district => Some(Found { area: of(best), confidence: total.min(1.0), spans: best.spans.clone() }),
        district => (best.confidence >= LEAST).then(|| {
            let mut best = with_district(places, best.clone(), district);
            best.confidence = best.confidence.min(SURE - 0.01);
            best
        }),
    };
    Placed::Ask { candidates: near, meanwhile }
}

/// The district belongs to the evidence where it agrees.
fn with_district(places: &Places, mut street: Found, district: Option<Found>) -> Found {
    let agrees = district.filter(|d| d.area == places.area(street.area).district);
    street.spans.extend(agrees.into_iter().flat_map(|d| d.spans));
    street.spans.sort_unstable();
    street
}

/// The areas by their witnesses, the surest first and the first named of equals. A rival makes one less sure.
fn ranked(witnesses: &[Witness]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for witness in witnesses {
        let span = (witness.start, witness.end);
        match found.iter_mut().find(|f| f.area == witness.area) {
            Some(f) => {
                // The same name again is no second witness.
                f.confidence = f.confidence.max(witness.weight)
                    + 0.1 * f.confidence.min(witness.weight) * (1.0 - f.confidence.max(witness.weight));
                f.spans.push(span);
            }
            None => found.push(Found { area: witness.area, confidence: witness.weight, spans: vec![span] }),
        }
    }
    found.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
    let confidences: Vec<f32> = found.iter().map(|f| f.confidence).collect();
    for (at, f) in found.iter_mut().enumerate() {
        let rival = confidences.iter().enumerate().filter(|(i, _)| *i != at).map(|(_, c)| *c).fold(0.0, f32::max);
        f.confidence *= 1.0 - 0.3 * rival;
    }
    found
}

/// Whether an area is a street office.
fn is_street(places: &Places, area: AreaId) -> bool {
    places.area(area).level == Level::Street
}
