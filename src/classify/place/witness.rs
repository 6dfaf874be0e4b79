//! What each name in a text says for which area, and how much.
//!
//! A name with its ending says more than a bare one, a community less than its street, a sound less than characters.

use crate::catalogue::numeral;
use crate::catalogue::text::Text;
use crate::catalogue::{AreaId, Level, Named, Places, Spot};

/// A district this many characters before a street governs it: 朝阳区的望京街道.
const GOVERNS: usize = 3;

/// What the house number makes of a road that several streets share.
const IN_NUMBERS: f32 = 0.85;

/// How much likelier of several areas the one is where the caller had a ticket before, and one in the same district.
const SAME_STREET: f32 = 6.0;
const SAME_DISTRICT: f32 = 3.0;

/// One area that a name may mean, and the weight of that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Witness {
    pub area: AreaId,
    pub weight: f32,
    pub start: usize,
    pub end: usize,
}

/// What the names say for districts.
pub(super) fn districts(places: &Places, text: &Text, spots: &[Spot]) -> Vec<Witness> {
    let weight = |spot: &Spot, named: Named| match named {
        Named::Full => 0.9,
        // 朝阳路 and 朝阳小区 are in many districts.
        Named::Bare if places.is_road(text.after(spot.end)) || home(places, text.after(spot.end)) => 0.0,
        Named::Bare => 0.6,
        _ => 0.0,
    };
    let of_spot = |spot| meanings(places, text, spot, Level::District, &|named| weight(spot, named));
    spots.iter().flat_map(of_spot).collect()
}

/// What the names say for streets, in the light of the districts named and of the caller's `earlier` places.
pub(super) fn streets(
    places: &Places,
    text: &Text,
    spots: &[Spot],
    districts: &[Witness],
    earlier: &[AreaId],
) -> Vec<Witness> {
    let mut all = Vec::new();
    for spot in spots {
        let before = districts.iter().rev().find(|d| d.end <= spot.start && spot.start - d.end <= GOVERNS);
        let lies = |district: &Witness| spot.means.iter().any(|(area, _)| places.area(*area).district == district.area);
        let around = Around::of(places, text, spot, before.is_some_and(lies));
        let mut meant = meanings(places, text, spot, Level::Street, &|named| around.weight(named));
        governed(places, &mut meant, before, districts);
        shared(places, &mut meant, earlier);
        all.extend(meant);
    }
    all
}

/// What stands around a name.
struct Around {
    /// A word that makes a road or the like of a bare name: 望京 + 街.
    road: bool,
    /// A number after which people live: 花家地 + 3号楼.
    numbered: bool,
    /// That, or a word: 花家地 + 小区.
    home: bool,
    /// Nothing before it that it could be the end of.
    begins: bool,
    /// Just before it the district in which such a place lies.
    governed: bool,
    house: Option<u32>,
    /// The share of characters where it was found by sound.
    heard: Option<f32>,
    chars: usize,
}

impl Around {
    fn of(places: &Places, text: &Text, spot: &Spot, governed: bool) -> Around {
        let after = text.after(spot.end);
        Around {
            road: places.is_road(after) || divided(text.chars()[spot.end - 1], after),
            numbered: building(after),
            home: home(places, after),
            begins: begins(text.before(spot.start)),
            governed,
            house: house(after),
            heard: spot.heard,
            chars: spot.end - spot.start,
        }
    }

    /// Whether what stands around it says that it is a place.
    fn held(&self) -> bool {
        self.governed || self.numbered
    }

    fn weight(&self, named: Named) -> f32 {
        // Two syllables agree by chance.
        if self.chars < 3 && self.heard.is_some_and(|share| share < 0.5 || !self.held()) {
            return 0.0;
        }
        match named {
            Named::Silent => 0.0,
            Named::Full => 0.95,
            Named::Loose => 0.9,
            Named::Bare | Named::BareCommunity if self.road => 0.3,
            Named::Bare => 0.75,
            Named::Landmark => 0.8,
            Named::Road(numbers) => match self.house {
                Some(house) if numbers.has(house) => IN_NUMBERS,
                Some(_) => 0.2,
                None => 0.6,
            },
            Named::Community => 0.75,
            Named::BareCommunity if self.home => 0.75,
            // Three syllables that sound like some community are no news: 楼上装修 is heard near 楼上庄.
            Named::BareCommunity if self.heard.is_some() && self.chars <= 3 && !self.governed => 0.2,
            Named::BareCommunity => 0.55,
            // 明珠 is a village, and the end of many a name that is not listed: 鑫科明珠7栋.
            Named::ShortCommunity | Named::Word if self.road || !(self.governed || self.begins) => 0.0,
            // Alone it is worth a question, after its district it is believed.
            Named::Swallowed if self.governed => 0.7,
            Named::Swallowed if self.begins => 0.5,
            Named::ShortCommunity if self.home || self.governed => 0.6,
            Named::Word if self.held() => 0.6,
            Named::ShortCommunity | Named::Word | Named::Swallowed => 0.0,
        }
    }
}

/// What a witness by sound keeps, by the share of the characters that agree.
fn by_sound(share: f32) -> f32 {
    match share {
        share if share >= 0.6 => 0.92,
        share if share >= 0.5 => 0.85,
        share if share >= 0.3 => 0.7,
        _ => 0.6,
    }
}

/// Where people live.
fn home(places: &Places, after: &str) -> bool {
    places.is_estate(after) || building(after)
}

/// 3号楼, 12栋, 5单元: who says so is at home there.
fn building(after: &str) -> bool {
    let Some((_, taken)) = numeral::leading(after) else { return false };
    after.chars().nth(taken).is_some_and(|c| "号栋幢座院期区".contains(c))
        || after.chars().skip(taken).take(2).eq("单元".chars())
}

/// Whether the last character of a name belongs to what follows: 新华里面 is within 新华, 安定门口 may be 安定's door.
fn divided(last: char, after: &str) -> bool {
    match last {
        '里' => after.starts_with(['面', '边', '头']),
        '门' => after.starts_with('口'),
        '东' | '西' | '南' | '北' => after.starts_with('门'),
        _ => false,
    }
}

/// Whether a name may begin after `before`: 我住在 + 东里.
pub(super) fn begins(before: &str) -> bool {
    let last = before.chars().next_back();
    last.is_none_or(|c| !c.is_alphanumeric() || "在住到的是们区市县镇乡道我从往去址于".contains(c))
}

/// The house number on a road: 6号, but neither 6号楼 nor 6号线.
fn house(after: &str) -> Option<u32> {
    let (number, taken) = numeral::leading(after)?;
    let mut rest = after.chars().skip(taken);
    (rest.next() == Some('号') && !rest.next().is_some_and(|c| "楼线".contains(c))).then_some(number)
}

/// What one name may mean at `level`.
fn meanings(places: &Places, text: &Text, spot: &Spot, level: Level, weight: &dyn Fn(Named) -> f32) -> Vec<Witness> {
    // 我是甲街道的居民: where the caller lives, which need not be where the matter is.
    let home = text.before(spot.start).ends_with("我是") && text.after(spot.end).starts_with("的居民");
    let share = if home { 0.6 } else { 1.0 } * spot.heard.map_or(1.0, by_sound);
    let meant = || spot.means.iter().filter(|(area, _)| places.area(*area).level == level);
    let bearers: Vec<AreaId> = meant().filter(|(_, named)| *named == Named::Bare).map(|(area, _)| *area).collect();
    let weight = |area: AreaId, named: Named| match beside_office(places, &bearers, area, named) {
        Some(share) => share * weight(Named::Bare),
        None => weight(named),
    };
    // 东风街道 is that street, and not 东风地区 with another ending.
    let exact = meant().any(|(_, named)| *named == Named::Full);
    let mut all: Vec<Witness> = meant()
        .filter(|(_, named)| !(exact && *named == Named::Loose))
        .map(|(area, named)| Witness {
            area: *area,
            weight: weight(*area, *named) * share,
            start: spot.start,
            end: spot.end,
        })
        .filter(|witness| witness.weight > 0.0)
        .collect();
    // The stretches of a road in one street are one witness, and the best of them counts.
    all.sort_by(|a, b| a.area.cmp(&b.area).then(b.weight.total_cmp(&a.weight)));
    all.dedup_by_key(|witness| witness.area);
    all
}

/// A community that shares its short name with the office of a street says little beside it in the same district. In
/// another one it is meant as often: 马坊 is a town of one district and a village of another.
fn beside_office(places: &Places, bearers: &[AreaId], area: AreaId, named: Named) -> Option<f32> {
    let community = matches!(named, Named::BareCommunity | Named::ShortCommunity);
    if !community || bearers.is_empty() || bearers.contains(&area) {
        return None;
    }
    let district = |area: AreaId| places.area(area).district;
    Some(if bearers.iter().any(|bearer| district(*bearer) == district(area)) { 0.1 } else { 0.8 })
}

/// Weighs the meanings of one name by the districts named in the text.
fn governed(places: &Places, meant: &mut Vec<Witness>, before: Option<&Witness>, districts: &[Witness]) {
    let named: Vec<AreaId> = match before {
        Some(district) => vec![district.area],
        None => districts.iter().map(|district| district.area).collect(),
    };
    let agrees = |witness: &Witness| named.contains(&places.area(witness.area).district);
    if meant.iter().any(agrees) {
        meant.retain(agrees);
        for witness in meant {
            witness.weight += (1.0 - witness.weight) * witness.weight / 2.0;
        }
    } else if !named.is_empty() {
        let share = if before.is_some() { 0.5 } else { 0.7 };
        meant.iter_mut().for_each(|witness| witness.weight *= share);
    }
}

/// One name for several streets speaks for each of them only in part; an earlier ticket of the caller tips it.
fn shared(places: &Places, meant: &mut [Witness], earlier: &[AreaId]) {
    let likelier = |witness: &Witness| {
        let district = places.area(witness.area).district;
        let there = |area: &AreaId| *area == witness.area;
        let near = |area: &AreaId| places.area(*area).district == district;
        let times = if earlier.iter().any(there) {
            SAME_STREET
        } else if earlier.iter().any(near) {
            SAME_DISTRICT
        } else {
            1.0
        };
        witness.weight * times
    };
    let shares: Vec<f32> = meant.iter().map(likelier).collect();
    let sum: f32 = shares.iter().sum();
    for (witness, share) in meant.iter_mut().zip(shares) {
        witness.weight *= share / sum;
    }
}
