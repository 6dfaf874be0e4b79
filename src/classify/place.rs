//! Which street office, or at least which district, a text names.
//!
//! Every name found is a witness for the streets that it may mean; a name with its ending says more than a bare one, a
//! community less than its street, a sound less than characters. A district named just before a street decides between
//! streets of one name. Only where the characters name no street is the text read by its sound.

use crate::catalogue::text::Text;
use crate::catalogue::{AreaId, Level, Named, Places, Spot};

/// Below this a street is not believed, and the district named in the text is taken instead, or nothing.
const LEAST: f32 = 0.25;

/// Below this a district beats the street that was guessed.
const LEAST_BESIDE_DISTRICT: f32 = 0.4;

/// From here on the text is not read by its sound as well.
const SURE: f32 = 0.5;

/// What a witness by sound loses.
const BY_SOUND: f32 = 0.65;

/// A district this many characters before a street governs it: 朝阳区的望京街道.
const GOVERNS: usize = 3;

/// An area, how sure, and the names it rests on (characters of the text as looked through).
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub area: AreaId,
    pub confidence: f32,
    pub spans: Vec<(usize, usize)>,
}

/// The place that `text` names.
pub fn find(places: &Places, text: &Text) -> Option<Found> {
    let mut spots = places.spots(text);
    let found = decide(places, text, &spots);
    if found.as_ref().is_some_and(|f| f.confidence >= SURE && places.area(f.area).level == Level::Street) {
        return found;
    }
    let heard = places.sounding_spots(text);
    let fresh = |spot: &Spot| !spots.iter().any(|s| s.start < spot.end && spot.start < s.end);
    let heard: Vec<Spot> = heard.into_iter().filter(|spot| fresh(spot)).collect();
    if heard.is_empty() {
        return found;
    }
    spots.extend(heard);
    spots.sort_by_key(|spot| (spot.start, spot.end));
    decide(places, text, &spots)
}

/// One area that a spot may mean, and the weight of that.
#[derive(Debug, Clone, Copy)]
struct Witness {
    area: AreaId,
    weight: f32,
    start: usize,
    end: usize,
}

fn decide(places: &Places, text: &Text, spots: &[Spot]) -> Option<Found> {
    let witnesses = |level| -> Vec<Witness> {
        let of_spot = |spot| meanings(places, text, spot, level);
        spots.iter().flat_map(of_spot).collect()
    };
    let districts = witnesses(Level::District);
    let mut streets = Vec::new();
    for spot in spots {
        streets.extend(governed(places, meanings(places, text, spot, Level::Street), &districts));
    }
    let street = best(&streets);
    let district = best(&districts);
    match (street, district) {
        (Some(street), Some(district)) if street.confidence < LEAST_BESIDE_DISTRICT => Some(district),
        (Some(mut street), district) if street.confidence >= LEAST => {
            // The district belongs to the evidence where it agrees.
            let agrees = district.filter(|d| d.area == places.area(street.area).district);
            street.spans.extend(agrees.into_iter().flat_map(|d| d.spans));
            street.spans.sort_unstable();
            Some(street)
        }
        (_, district) => district,
    }
}

/// What one name may mean at `level`.
fn meanings(places: &Places, text: &Text, spot: &Spot, level: Level) -> Vec<Witness> {
    let after = text.after(spot.end);
    let (road, estate) = (places.is_road(after), places.is_estate(after));
    let weight = |named: Named| match named {
        Named::Silent => 0.0,
        Named::Full if level == Level::District => 0.9,
        Named::Bare if level == Level::District && road => 0.0,
        Named::Bare if level == Level::District => 0.6,
        Named::Full => 0.95,
        Named::Loose => 0.9,
        Named::Bare | Named::BareCommunity if road => 0.3,
        Named::Bare => 0.75,
        Named::Community => 0.75,
        Named::BareCommunity if estate => 0.75,
        // Three syllables that sound like some community are no news; they can only agree with another witness.
        Named::BareCommunity if spot.by_sound => 0.2,
        Named::BareCommunity => 0.55,
    };
    // 我是甲街道的居民: where the caller lives, which need not be where the matter is.
    let home = text.before(spot.start).ends_with("我是") && after.starts_with("的居民");
    let share = if home { 0.6 } else { 1.0 } * if spot.by_sound { BY_SOUND } else { 1.0 };
    let meant = || spot.means.iter().filter(|(area, _)| places.area(*area).level == level);
    // 东风街道 is that street, and not 东风地区 with another ending.
    let exact = meant().any(|(_, named)| *named == Named::Full);
    meant()
        .filter(|(_, named)| !(exact && *named == Named::Loose))
        .map(|(area, named)| Witness { area: *area, weight: weight(*named) * share, start: spot.start, end: spot.end })
        .filter(|witness| witness.weight > 0.0)
        .collect()
}

/// The meanings of one name of a street, weighed by the districts named in the text.
fn governed(places: &Places, mut meant: Vec<Witness>, districts: &[Witness]) -> Vec<Witness> {
    let Some(first) = meant.first() else { return meant };
    let before = districts.iter().rev().find(|d| d.end <= first.start && first.start - d.end <= GOVERNS);
    let named: Vec<AreaId> = match before {
        Some(district) => vec![district.area],
        None => districts.iter().map(|district| district.area).collect(),
    };
    let agrees = |witness: &Witness| named.contains(&places.area(witness.area).district);
    if meant.iter().any(agrees) {
        meant.retain(agrees);
        for witness in &mut meant {
            witness.weight += (1.0 - witness.weight) * witness.weight / 2.0;
        }
    } else if !named.is_empty() {
        let share = if before.is_some() { 0.5 } else { 0.7 };
        meant.iter_mut().for_each(|witness| witness.weight *= share);
    }
    // One name for several streets speaks for each of them only in part.
    let share = 1.0 / meant.len().max(1) as f32;
    meant.iter_mut().for_each(|witness| witness.weight *= share);
    meant
}

/// The area with the strongest witnesses; the first named of equals. A rival makes it less sure.
fn best(witnesses: &[Witness]) -> Option<Found> {
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
    let winner = (0..found.len()).reduce(|a, b| if found[b].confidence > found[a].confidence { b } else { a })?;
    let rival = found.iter().enumerate().filter(|(i, _)| *i != winner).map(|(_, f)| f.confidence).fold(0.0, f32::max);
    let mut winner = found.swap_remove(winner);
    winner.confidence *= 1.0 - 0.3 * rival;
    Some(winner)
}
