//! Roads and landmarks, as written: `[[road]]` with the house numbers that lie in a street, `[[landmark]]` with its
//! street. `jiesu place import` writes such files.

use super::places::{Area, AreaId, Level, Named, Numbers, Side};
use super::places_written::list;
use crate::written::Table;

/// A road of which part or all lies in a street, or a landmark there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    pub area: AreaId,
    pub named: Named,
    pub names: Vec<String>,
}

/// Those of one file.
pub(super) fn read(file: &mut Table<'_>, areas: &[Area]) -> Vec<Located> {
    let mut all = Vec::new();
    for table in file.tables("landmark") {
        all.extend(one(table, areas, |_| Named::Landmark));
    }
    for table in file.tables("road") {
        all.extend(one(table, areas, |table| {
            let numbers = table.text("numbers").check(|text| numbers(text).ok_or_else(|| no_numbers(text)));
            Named::Road(numbers.get().unwrap_or(Numbers::ALL))
        }));
    }
    all
}

fn one(mut table: Table<'_>, areas: &[Area], named: impl FnOnce(&mut Table<'_>) -> Named) -> Option<Located> {
    let mut names = list(table.texts("aliases"));
    names.push(table.text("name").check(|name| whole(name)).need("the name, as in \"望京公园\""));
    let street = |code: &String| {
        let at = areas.iter().position(|area| area.code == *code && area.level == Level::Street);
        let unknown = || (format!("no street has the code {code}"), "write the code of a [[street]]".to_owned());
        at.map(|at| Some(AreaId(at))).ok_or_else(unknown)
    };
    let area = table.text("street").check(street).need("the code of its street, as in \"110105026\"");
    let named = named(&mut table);
    table.finish();
    Some(Located { area: area?, named, names })
}

/// One character would be found everywhere.
fn whole(name: &str) -> Result<String, (String, String)> {
    let blank = name.contains(char::is_whitespace);
    if blank || name.chars().count() < 2 {
        return Err((format!("\"{name}\" is no name"), "write two characters or more, without blanks".into()));
    }
    Ok(name.to_owned())
}

/// `1-99`, `7`, `1-99 odd`, `2-98 even`.
pub fn numbers(text: &str) -> Option<Numbers> {
    let (range, side) = match text.trim().split_once(' ') {
        None => (text.trim(), Side::Both),
        Some((range, "odd")) => (range, Side::Odd),
        Some((range, "even")) => (range, Side::Even),
        Some(_) => return None,
    };
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to).then_some(Numbers { from, to, side })
}

fn no_numbers(text: &str) -> (String, String) {
    (format!("\"{text}\" are no house numbers"), "write them as in \"1-99\", \"1-99 odd\" or \"2-98 even\"".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn house_numbers_as_written() {
        let both = |from, to| Some(Numbers { from, to, side: Side::Both });
        assert_eq!(numbers("1-99"), both(1, 99));
        assert_eq!(numbers("7"), both(7, 7));
        let odd = numbers("1-99 odd").expect("as in the remedy");
        assert!(odd.has(99) && !odd.has(2) && !odd.has(101));
        let even = numbers("2-98 even").expect("as in the remedy");
        assert!(even.has(2) && !even.has(3));
        for bad in ["", "a", "9-1", "1-99 left", "-3", "1-2-3"] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
    }
}
