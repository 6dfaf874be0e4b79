//! The question back, where a text may mean several places: 您说的是朝阳区的八里庄街道吗?

use super::{Found, Placed, is_street, read};
use crate::catalogue::text::Text;
use crate::catalogue::{Area, AreaId, Places};
use crate::classify::MAX_CHARS;

/// More areas than this are not named one by one.
const MOST_NAMED: usize = 3;

/// Between more areas than this it is not asked one by one: who has said no twice would still be asked.
const MOST_ASKED: usize = 4;

/// Between which areas `text` leaves it open, with their districts, the likeliest first; none where it is clear, or where
/// too many are meant. `earlier`: codes of where the caller's earlier tickets lay.
pub fn open<'a>(places: &'a Places, text: &str, earlier: &[String]) -> Vec<(&'a Area, &'a Area)> {
    let earlier: Vec<AreaId> = earlier.iter().filter_map(|code| places.id(code)).collect();
    let text = Text::new(&text.chars().take(MAX_CHARS).collect::<String>());
    match read(places, &text, &earlier) {
        Placed::Ask { candidates, .. } if candidates.len() <= MOST_ASKED => {
            let area = |found: &Found| (places.area(found.area), places.area(places.area(found.area).district));
            candidates.iter().map(area).collect()
        }
        _ => Vec::new(),
    }
}

/// What to ask the caller about `candidates`, the likeliest first; `None` where there is nothing to ask.
pub fn question(places: &Places, candidates: &[Found]) -> Option<String> {
    let spoken = |found: &Found| {
        let area = places.area(found.area);
        let district = &places.area(area.district).name;
        if is_street(places, found.area) { format!("{district}的{}", area.name) } else { district.clone() }
    };
    match candidates {
        [] => None,
        [one] => Some(format!("您说的是{}吗?", spoken(one))),
        few if few.len() <= MOST_NAMED => {
            let names: Vec<String> = few.iter().map(spoken).collect();
            Some(format!("您说的是{}?", names.join(",还是")))
        }
        many => {
            let first = places.area(many[0].area).district;
            let one_district = many.iter().all(|found| places.area(found.area).district == first);
            Some(if one_district {
                format!("请问是{}的哪个街道或者乡镇?", places.area(first).name)
            } else {
                "请问是哪个区的哪个街道或者乡镇?".to_owned()
            })
        }
    }
}
