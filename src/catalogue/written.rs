//! The files under `catalogue/`, as written. Any file may hold any of four things:
//! `[[unit]]`, `[[type]]`, `[urgency]` and `[category]` with `[[category.second]]` and `[[category.second.third]]`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::category::{Categories, Category, CategoryId, OTHER};
use super::text::folded;
use super::unit::Unit;
use super::urgency::Urgency;
use super::words::{ELLIPSIS, Gather};
use super::{Catalogue, Kind, Sense};
use crate::written::{Faults, Source, Table, Value, Written};

/// The unit that stands for the street office of the place.
const STREET: &str = "street";

/// What a word weighs where the file does not say.
const USUAL_WEIGHT: f32 = 2.0;

/// The most that one word may weigh.
const MAX_WEIGHT: f32 = 10.0;

const WORDS_REMEDY: &str = "write a word, or a word, a blank and its weight (up to 10), as in \"停水 4\"";

pub(super) fn read(sources: &[Source], faults: &Faults) -> Catalogue {
    let mut reader = Reader::default();
    let mut tables: Vec<Table<'_>> = sources.iter().filter_map(|source| source.read(faults)).collect();
    // Units and types first: categories name them, whatever the order of the files.
    for table in &mut tables {
        reader.units(table);
        reader.types(table);
        reader.urgency(table);
    }
    for table in &mut tables {
        if let Some(category) = table.table("category") {
            reader.category(category, None, 0);
        }
    }
    for table in tables {
        table.finish();
    }
    reader.whole(sources, faults);
    let Reader { kinds, usual_kind, categories, category_words, kind_words, urgency_words, .. } = reader;
    Catalogue {
        categories,
        kinds,
        usual_kind: usual_kind.unwrap_or_default(),
        category_words: category_words.lexicon(),
        kind_words: kind_words.lexicon(),
        urgency_words: urgency_words.lexicon(),
        second: None,
        limit: None,
    }
}

#[derive(Default)]
struct Reader {
    units: HashMap<String, Arc<Unit>>,
    kinds: Vec<Kind>,
    usual_kind: Option<usize>,
    categories: Categories,
    /// Parent and name of every category so far.
    named: HashSet<(Option<CategoryId>, String)>,
    category_words: Gather<Sense<CategoryId>>,
    kind_words: Gather<Sense<usize>>,
    urgency_words: Gather<Urgency>,
    urgency_of: HashMap<String, Urgency>,
}

impl Reader {
    fn units(&mut self, file: &mut Table<'_>) {
        for mut table in file.tables("unit") {
            let name = table.text("name").need_written("the unit's name, as in \"自来水集团\"");
            let district = table.text("district").get();
            let unit = Unit::Named { city: name.value.clone(), district };
            if name.value == STREET {
                table.fault("name", "street is the street office itself", "give the unit its own name");
            } else if self.units.insert(name.value.clone(), Arc::new(unit)).is_some() {
                table.fault("name", format!("{} is there already", name.value), "remove one of the two");
            }
            table.finish();
        }
    }

    fn types(&mut self, file: &mut Table<'_>) {
        for mut table in file.tables("type") {
            let name = table.text("name").need("a request type, as in \"投诉\"");
            let index = self.kinds.len();
            if self.kinds.iter().any(|kind| kind.name == name) {
                table.fault("name", format!("{name} is there already"), "put its words together");
            }
            self.kinds.push(Kind { name });
            if table.flag("usual").or(false) && self.usual_kind.replace(index).is_some() {
                table.fault("usual", "another type is the usual one already", "leave usual = true at one type");
            }
            for (word, weight) in words(table.texts("words")) {
                self.kind_words.add(&word, Sense { of: index, weight });
            }
            table.finish();
        }
    }

    fn urgency(&mut self, file: &mut Table<'_>) {
        let Some(mut table) = file.table("urgency") else { return };
        for urgency in Urgency::ALL.into_iter().rev() {
            let listed = table.texts(urgency.as_str()).check(|list| {
                let bad = list.iter().find(|word| !well_formed(&word.value));
                bad.map_or(Ok(list.clone()), |word| Err(no_word(&word.value)))
            });
            for word in listed.get().unwrap_or_default() {
                let key = folded(&word.value);
                match self.urgency_of.insert(key, urgency) {
                    Some(other) if other != urgency => {
                        let what = format!("{} is listed as {other} too", word.value);
                        table.faults().at(&word.place, &word.key, what, "leave it in one list");
                    }
                    _ => self.urgency_words.add(&word.value, urgency),
                }
            }
        }
        table.finish();
    }

    /// A category and those below it.
    fn category(&mut self, mut table: Table<'_>, parent: Option<CategoryId>, level: usize) {
        let name = table.text("name").need("the category's name");
        if !self.named.insert((parent, name.clone())) {
            table.fault("name", format!("{name} is there already"), "put the two together");
        }
        let inherited = parent.map(|id| self.categories.get(id).clone());
        let (unit, ruled) = match self.unit(&mut table) {
            Some(own) => (Some(own.value), Some(own.place)),
            None => inherited.as_ref().map_or((None, None), |above| (above.unit.clone(), above.ruled.clone())),
        };
        let co = self.units_of(&mut table, "co").or_else(|| Some(inherited.as_ref()?.co.clone())).unwrap_or_default();
        let copies = self.units_of(&mut table, "copies").or_else(|| Some(inherited.as_ref()?.copies.clone()));
        let copies = copies.unwrap_or_default();
        let kind = self.kind(&mut table).or_else(|| inherited.as_ref()?.kind);
        let own_name = (name != OTHER && !name.is_empty()).then(|| name.clone());
        let id = self.categories.push(Category { name, level, parent, unit, ruled, co, copies, kind });
        let listed = words(table.texts("words"));
        if let Some(own) = own_name.filter(|own| listed.iter().all(|(word, _)| word != own)) {
            self.category_words.add(&own, Sense { of: id, weight: USUAL_WEIGHT });
        }
        for (word, weight) in listed {
            self.category_words.add(&word, Sense { of: id, weight });
        }
        if let Some(below) = ["second", "third"].get(level) {
            for lower in table.tables(below) {
                self.category(lower, Some(id), level + 1);
            }
        }
        table.finish();
    }

    /// The unit of this name, or what is wrong with it.
    fn known(&self, name: &String) -> Result<Arc<Unit>, (String, String)> {
        match self.units.get(name) {
            _ if name == STREET => Ok(Arc::new(Unit::Street)),
            Some(unit) => Ok(unit.clone()),
            None => Err((format!("no unit is called {name}"), "add a [[unit]], or write \"street\"".to_owned())),
        }
    }

    fn unit(&self, table: &mut Table<'_>) -> Option<Written<Arc<Unit>>> {
        table.text("unit").check(|name| self.known(name)).written()
    }

    /// Several units; an empty list takes back what the category above says.
    fn units_of(&self, table: &mut Table<'_>, key: &str) -> Option<Vec<Arc<Unit>>> {
        let apart = |list: &Vec<Written<String>>| list.iter().map(|name| self.known(&name.value)).collect();
        table.texts(key).check(apart).get()
    }

    fn kind(&self, table: &mut Table<'_>) -> Option<usize> {
        let known = |name: &String| match self.kinds.iter().position(|kind| kind.name == *name) {
            Some(index) => Ok(index),
            None => {
                let names: Vec<&str> = self.kinds.iter().map(|kind| kind.name.as_str()).collect();
                Err((format!("no type is called {name}"), format!("write one of {}", names.join(", "))))
            }
        };
        table.text("type").check(known).get()
    }

    /// What only all files together can lack.
    fn whole(&self, sources: &[Source], faults: &Faults) {
        let folder = sources.first().and_then(|s| s.file().parent()).unwrap_or("catalogue".as_ref());
        if self.categories.is_empty() {
            faults.file(folder, "no file has a [category]", "put back the shipped files");
        }
        if self.kinds.is_empty() {
            faults.file(folder, "no file has a [[type]]", "put back types.toml");
        } else if self.usual_kind.is_none() {
            faults.file(folder, "no type is the usual one", "write usual = true at one [[type]]");
        }
    }
}

/// `停水 4` apart; faults for what is no word.
fn words(value: Value<Vec<Written<String>>>) -> Vec<(String, f32)> {
    let apart = |list: &Vec<Written<String>>| {
        list.iter().map(|written| weighted(&written.value).ok_or_else(|| no_word(&written.value))).collect()
    };
    value.check(apart).get().unwrap_or_default()
}

fn no_word(text: &str) -> (String, String) {
    (format!("\"{text}\" is no word with a weight"), WORDS_REMEDY.to_owned())
}

fn weighted(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split_whitespace();
    let word = parts.next().filter(|word| well_formed(word))?;
    let weight = parts.next().map_or(Some(USUAL_WEIGHT), |weight| weight.parse().ok())?;
    ((0.0..=MAX_WEIGHT).contains(&weight) && parts.next().is_none()).then(|| (word.to_owned(), weight))
}

fn well_formed(word: &str) -> bool {
    !word.contains(char::is_whitespace) && word.split(ELLIPSIS).all(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::written::Fault;

    const WHOLE: &str = "[[unit]]\nname = \"自来水集团\"\n[[type]]\nname = \"求助\"\nusual = true\n";

    fn read_files(files: &[&str]) -> (Catalogue, Vec<String>) {
        let faults = Faults::default();
        let sources: Vec<Source> =
            files.iter().enumerate().map(|(i, text)| Source::new(format!("{i}.toml"), *text)).collect();
        let catalogue = read(&sources, &faults);
        (catalogue, faults.sorted().iter().map(Fault::to_string).collect())
    }

    #[test]
    fn unit_and_type_are_inherited() {
        let town = "[category]\nname = \"城乡建设\"\nunit = \"street\"\ntype = \"求助\"\n[[category.second]]\nname = \"市政\"\n\
                    [[category.second.third]]\nname = \"供水\"\nunit = \"自来水集团\"\n[[category.second.third]]\nname = \"环卫\"\n";
        // The category's file comes first: the order of files does not matter.
        let (catalogue, faults) = read_files(&[town, WHOLE]);
        assert!(faults.is_empty(), "{faults:?}");
        let of = |name: &str| {
            let category = catalogue.categories().get(catalogue.categories().find(name).expect("it is there"));
            (category.unit.as_ref().and_then(|unit| unit.name(Some("甲区"), Some("乙街道"))), category.kind)
        };
        assert_eq!(of("供水"), (Some("自来水集团".to_owned()), Some(0)));
        assert_eq!(of("环卫"), (Some("甲区乙街道".to_owned()), Some(0)));
    }

    #[test]
    fn every_fault_of_every_file_at_once() {
        let bad = "[category]\nname = \"城乡建设\"\nunit = \"水务\"\ntype = \"诉苦\"\nwords = [\"停水 x\"]\nwrods = []\n\
                   [[category.second]]\n[[category.second]]\nname = \"甲\"\n[[category.second]]\nname = \"甲\"\n\
                   [urgency]\nurgent = [\"着火\"]\nordinary = [\"着火\"]\n";
        let (_, faults) = read_files(&[WHOLE, bad]);
        assert_eq!(
            faults,
            [
                "1.toml:3:8: category.unit: no unit is called 水务; add a [[unit]], or write \"street\"",
                "1.toml:4:8: category.type: no type is called 诉苦; write one of 求助",
                "1.toml:5:9: category.words: \"停水 x\" is no word with a weight; write a word, or a word, a blank and its weight (up to 10), as in \"停水 4\"",
                "1.toml:6:1: category.wrods: unknown key; did you mean words?",
                "1.toml:7:1: category.second[0].name: missing; write the category's name",
                "1.toml:10:1: category.second[2].name: 甲 is there already; put the two together",
                "1.toml:14:13: urgency.ordinary: 着火 is listed as urgent too; leave it in one list",
            ]
        );
    }

    #[test]
    fn an_empty_folder_says_what_is_missing() {
        let (_, faults) = read_files(&[]);
        assert_eq!(
            faults,
            [
                "catalogue: no file has a [[type]]; put back types.toml",
                "catalogue: no file has a [category]; put back the shipped files"
            ]
        );
    }

    #[test]
    fn weights_are_read_and_bounded() {
        assert_eq!(weighted("停水"), Some(("停水".to_owned(), USUAL_WEIGHT)));
        assert_eq!(weighted("停水 4.5"), Some(("停水".to_owned(), 4.5)));
        for bad in ["", "停水 11", "停水 -1", "停水 4 5", "…爆", "水管…", "停水 NaN"] {
            assert_eq!(weighted(bad), None, "{bad}");
        }
    }
}
