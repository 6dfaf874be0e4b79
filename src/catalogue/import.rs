//! A list of roads and landmarks (CSV, RFC 4180) as a file under `places/`.
//!
//! The first line names the columns: `kind` (`landmark` or `road`), `name`, `street` (the name or the code of the
//! office), and where wanted `district`, `numbers` (of a road: `1-99 odd`) and `aliases` (with blanks between). Every
//! fault is told with its line; a list with one is not taken at all.

use std::fmt::Write as _;
use std::path::Path;

use super::located::numbers;
use super::places::{Area, Level, Places};
use crate::written::{Faults, Place};

/// What a written file begins with; a file that does not is not replaced.
pub const HEADER: &str = "# Written by `jiesu place import`; change the list and import it again.\n";

/// More rows than this are no list of one city.
const MOST_ROWS: usize = 200_000;

/// The names in `columns` that a list must have, and those that it may have.
const NEEDED: [&str; 3] = ["kind", "name", "street"];
const ALLOWED: [&str; 3] = ["district", "numbers", "aliases"];

/// The list as the text of a file under `places/`, and how many rows it has.
pub fn import(places: &Places, file: &Path, text: &str, faults: &Faults) -> (String, usize) {
    let mut rows = records(text).into_iter();
    let (_, columns) = rows.next().unwrap_or_default();
    let at = |line: u32| Place { file: file.to_owned(), line, column: 1 };
    for needed in NEEDED.iter().filter(|needed| !columns.iter().any(|column| column == *needed)) {
        faults.at(
            &at(1),
            *needed,
            "no such column",
            format!("name it in the first line, as in \"{}\"", NEEDED.join(",")),
        );
    }
    for column in columns.iter().filter(|column| !NEEDED.iter().chain(&ALLOWED).any(|known| known == column)) {
        faults.at(&at(1), column.as_str(), "unknown column", format!("leave {}", ALLOWED.join(", ")));
    }
    let mut out = HEADER.to_owned();
    let mut count = 0;
    for (line, cells) in rows {
        if count == MOST_ROWS {
            faults.at(&at(line), "", format!("more than {MOST_ROWS} rows"), "divide the list");
            break;
        }
        count += 1;
        let cell = |name: &str| {
            let column = columns.iter().position(|column| column == name);
            column.and_then(|column| cells.get(column)).map_or("", |cell| cell.trim())
        };
        match row(places, &cell) {
            Ok(table) => out.push_str(&table),
            Err((key, what, remedy)) => faults.at(&at(line), key, what, remedy),
        }
    }
    (out, count)
}

/// One row as a table; or the column, what is wrong and the remedy.
fn row<'c>(places: &Places, cell: &dyn Fn(&str) -> &'c str) -> Result<String, (&'static str, String, String)> {
    let kind = cell("kind");
    if !["landmark", "road"].contains(&kind) {
        return Err(("kind", format!("\"{kind}\" is no kind"), "write landmark or road".to_owned()));
    }
    let name = cell("name");
    let names: Vec<&str> = std::iter::once(name).chain(cell("aliases").split_whitespace()).collect();
    let bad = |name: &&&str| name.contains(|c: char| c.is_whitespace() || c.is_control()) || name.chars().count() < 2;
    if let Some(name) = names.iter().find(bad) {
        return Err((
            "name",
            format!("\"{name}\" is no name"),
            "write two characters or more, without blanks".to_owned(),
        ));
    }
    let street = street(places, cell("district"), cell("street"))?;
    let mut table = format!("\n[[{kind}]]\nname = {}\nstreet = {}\n", quoted(name), quoted(&street.code));
    if names.len() > 1 {
        let aliases: Vec<String> = names[1..].iter().map(|alias| quoted(alias)).collect();
        let _ = writeln!(table, "aliases = [{}]", aliases.join(", ")); // a String takes everything
    }
    match cell("numbers") {
        "" => {}
        text if kind == "road" && numbers(text).is_some() => {
            let _ = writeln!(table, "numbers = {}", quoted(text)); // a String takes everything
        }
        text if kind == "road" => {
            let remedy = "write them as in 1-99, 1-99 odd or 2-98 even".to_owned();
            return Err(("numbers", format!("\"{text}\" are no house numbers"), remedy));
        }
        _ => return Err(("numbers", "a landmark has no house numbers".to_owned(), "leave the cell empty".to_owned())),
    }
    Ok(table)
}

/// The street office by its code, or by its name in the district.
fn street<'p>(places: &'p Places, district: &str, street: &str) -> Result<&'p Area, (&'static str, String, String)> {
    let lies = |area: &&Area| district.is_empty() || places.area(area.district).name == district;
    let called = |area: &&Area| area.level == Level::Street && (area.name == street || area.code == street);
    let found: Vec<&Area> = places.areas().filter(called).filter(lies).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err((
            "street",
            format!("no office {district}{street}"),
            "write its name as in the files under places/, or its code".to_owned(),
        )),
        _ => Err(("street", format!("{} offices are called {street}", found.len()), "name the district".to_owned())),
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The rows with the line on which each begins; a line break inside quotes belongs to its cell.
fn records(text: &str) -> Vec<(u32, Vec<String>)> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let (mut quotes, mut line, mut began) = (false, 1, 1);
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quotes && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quotes = !quotes,
            ',' if !quotes => row.push(std::mem::take(&mut cell)),
            '\n' if !quotes => {
                row.push(std::mem::take(&mut cell));
                rows.push((began, std::mem::take(&mut row)));
                began = line + 1;
            }
            '\r' if !quotes => {}
            c => cell.push(c),
        }
        line += u32::from(c == '\n');
    }
    row.push(cell);
    rows.push((began, row));
    rows.retain(|(_, row)| row.iter().any(|cell| !cell.trim().is_empty()));
    rows
}

#[cfg(test)]
mod tests {
    use super::super::places::Named;
    use super::super::text::Text;
    use super::*;
    use crate::written::Source;
    use proptest::prelude::*;

    const CITY: &str = "[city]\nname = \"某市\"\nendings = [\"街道\"]\nroads = [\"路\"]\n";
    const DISTRICT: &str = "[district]\ncode = \"1\"\nname = \"城东区\"\n[[street]]\ncode = \"11\"\nname = \"柳林街道\"\n\
                            [[street]]\ncode = \"12\"\nname = \"桥头街道\"\n";
    const OTHER: &str = "[district]\ncode = \"2\"\nname = \"城西区\"\n[[street]]\ncode = \"21\"\nname = \"柳林街道\"\n";

    fn places(more: &str) -> (Places, String) {
        let faults = Faults::default();
        let files = [("city", CITY), ("east", DISTRICT), ("west", OTHER), ("more", more)];
        let sources: Vec<Source> = files.iter().map(|(file, text)| Source::new(*file, *text)).collect();
        (Places::read(&sources, &faults), faults.to_string())
    }

    fn imported(list: &str) -> (String, Vec<String>) {
        let faults = Faults::default();
        let (text, _) = import(&places("").0, Path::new("list.csv"), list, &faults);
        (text, faults.sorted().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_imported_is_read_as_a_file_of_places() {
        let (text, faults) = imported(
            "kind,name,district,street,numbers,aliases\n\
             landmark,东湖医院,城东区,柳林街道,,东湖院 湖医\n\
             road,长春路,,12,1-99 odd,\n\
             road,长春路,城西区,柳林街道,2-98 even,\n",
        );
        assert!(faults.is_empty(), "{faults:?}");
        let (places, faults) = places(&text);
        assert_eq!(faults, "");
        let spots = places.spots(&Text::new("在湖医对面"));
        assert_eq!(spots[0].means.iter().map(|(_, named)| *named).collect::<Vec<_>>(), [Named::Landmark]);
        assert_eq!(places.spots(&Text::new("长春路7号"))[0].means.len(), 2);
    }

    #[test]
    fn every_fault_of_a_list_with_its_line() {
        let (_, faults) = imported(
            "kind,name,street,colour\nlandmark,\"东\n湖\",12,\nshop,东湖,12,\nlandmark,东湖,柳林街道,\nroad,长路,13,\n",
        );
        let expected = [
            "list.csv:1:1: colour: unknown column; leave district, numbers, aliases",
            "list.csv:2:1: name: \"东\n湖\" is no name; write two characters or more, without blanks",
            "list.csv:4:1: kind: \"shop\" is no kind; write landmark or road",
            "list.csv:5:1: street: 2 offices are called 柳林街道; name the district",
            "list.csv:6:1: street: no office 13; write its name as in the files under places/, or its code",
        ];
        assert_eq!(faults, expected);
        let (_, faults) = imported("name,street\n");
        assert_eq!(
            faults,
            ["list.csv:1:1: kind: no such column; name it in the first line, as in \"kind,name,street\""]
        );
        let (_, faults) = imported("kind,name,street,numbers\nroad,长路,12,a-b\nlandmark,东湖,12,7\n");
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    proptest! {
        #[test]
        fn any_list_is_read_and_what_has_no_fault_can_be_written(
            list in "(kind,name,street,numbers\n)?([a-z东湖桥\"\\\\,\n\r]|road,|landmark,|12,|1-9 odd){0,40}",
        ) {
            let (text, faults) = imported(&list);
            if faults.is_empty() {
                let (_, faults) = places(&text);
                prop_assert_eq!(faults, "");
            }
        }
    }
}
