//! The files under `places/`, as written: one with `[city]`, one for each `[district]` with its `[[street]]`s; any of
//! them may have `[[road]]`s and `[[landmark]]`s.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::located::Located;
use super::numeral;
use super::places::{Area, AreaId, Level, Named, Places};
use super::words::{ELLIPSIS, Gather};
use crate::written::{Faults, Source, Table, Value, Written};

/// Names of fewer characters than this say nothing without their ending.
const MIN_BARE: usize = 2;

/// Communities of fewer characters than this say nothing without their ending.
const MIN_BARE_COMMUNITY: usize = 3;

/// A single syllable is no name.
const MIN_SOUNDING: usize = 2;

/// What a community's name ends in.
const COMMUNITY_ENDINGS: [&str; 2] = ["社区", "村"];

/// What a district's name ends in.
const DISTRICT_ENDINGS: [char; 2] = ['区', '县'];

pub(super) fn read(sources: &[Source], faults: &Faults) -> Places {
    let mut reader = Reader::default();
    let mut tables: Vec<Table<'_>> = sources.iter().filter_map(|source| source.read(faults)).collect();
    let mut cities = 0;
    for table in &mut tables {
        if let Some(city) = table.table("city") {
            cities += 1;
            reader.city(city);
        }
    }
    for table in &mut tables {
        if let Some(district) = table.table("district") {
            let district = reader.district(district);
            for street in table.tables("street") {
                reader.street(street, district);
            }
        }
    }
    // Streets first: roads and landmarks name them, whatever the order of the files.
    for mut table in tables {
        for located in super::located::read(&mut table, &reader.areas) {
            reader.located(&located);
        }
        table.finish();
    }
    let folder = sources.first().and_then(|s| s.file().parent()).filter(|p| p.components().count() > 0);
    let folder = folder.unwrap_or("places".as_ref());
    if cities != 1 {
        faults.file(folder, format!("{cities} files have a [city]"), "leave exactly one");
    }
    if reader.areas.is_empty() {
        faults.file(folder, "no file has a [district]", "put back the shipped files");
    }
    reader.places()
}

#[derive(Default)]
struct Reader {
    areas: Vec<Area>,
    endings: Vec<String>,
    estates: Vec<String>,
    roads: Vec<String>,
    beside: Vec<String>,
    codes: HashSet<String>,
    names: Gather<(AreaId, Named)>,
    /// What is also looked for by its sound.
    spoken: Vec<(String, (AreaId, Named))>,
    /// Bare names of districts: a street of the same name needs its ending.
    districts: HashSet<String>,
    /// Bare names of streets, to be added once all districts are known.
    bare: Vec<(String, AreaId)>,
    /// Names of communities, to be added once all districts are known.
    communities: Vec<(String, AreaId)>,
}

impl Reader {
    fn city(&mut self, mut table: Table<'_>) {
        table.text("name").need("the city's name");
        self.endings = list(table.texts("endings"));
        // 街道办事处 before 街道, or the shorter would be cut off the longer.
        self.endings.sort_by_key(|ending| std::cmp::Reverse(ending.len()));
        self.roads = list(table.texts("roads"));
        self.beside = list(table.texts("beside"));
        self.estates = list(table.texts("estates"));
        for word in list(table.texts("silent")) {
            self.names.add(&word, (AreaId(0), Named::Silent));
        }
        table.finish();
    }

    fn area(&mut self, table: &mut Table<'_>, level: Level, district: Option<AreaId>) -> AreaId {
        let code = table.text("code").need("the area's code, as in \"110105\"");
        let name = table.text("name").need("the area's name");
        if !code.is_empty() && !self.codes.insert(code.clone()) {
            table.fault("code", format!("{code} is there already"), "give each area its own code");
        }
        let id = AreaId(self.areas.len());
        self.areas.push(Area { code, name, level, district: district.unwrap_or(id) });
        id
    }

    fn district(&mut self, mut table: Table<'_>) -> AreaId {
        let id = self.area(&mut table, Level::District, None);
        let mut all = list(table.texts("aliases"));
        all.push(self.areas[id.0].name.clone());
        for name in all {
            self.full(&name, id);
            let bare = name.trim_end_matches(DISTRICT_ENDINGS);
            if bare != name && bare.chars().count() >= MIN_BARE {
                self.names.add(bare, (id, Named::Bare));
                self.districts.insert(bare.to_owned());
            }
        }
        table.finish();
        id
    }

    fn street(&mut self, mut table: Table<'_>, district: AreaId) {
        let id = self.area(&mut table, Level::Street, Some(district));
        let bare_is_a_place = table.flag("bare").or(true);
        let mut all = list(table.texts("aliases"));
        all.push(self.areas[id.0].name.clone());
        for name in all {
            self.street_name(&name, id, bare_is_a_place);
        }
        let communities = table.text("communities").or("");
        self.communities.extend(communities.split_whitespace().map(|name| (name.to_owned(), id)));
        table.finish();
    }

    fn street_name(&mut self, name: &str, id: AreaId, bare_is_a_place: bool) {
        let bare = cut(name, self.endings.iter().map(String::as_str)).unwrap_or(name);
        for ending in self.endings.clone() {
            self.names.add(&format!("{bare}{ending}"), (id, Named::Loose));
        }
        if self.endings.iter().any(|ending| name.ends_with(ending.as_str())) {
            self.full(name, id);
            self.swallowed(bare, &name[bare.len()..], id);
        }
        if bare_is_a_place {
            self.bare.push((bare.to_owned(), id));
        } else {
            self.names.add(bare, (id, Named::Word));
        }
    }

    /// A name that stands for its area without doubt, also by its sound.
    fn full(&mut self, name: &str, id: AreaId) {
        self.both(name, (id, Named::Full));
    }

    /// Recognisers swallow a syllable of a name, above all between two that are like it. Of a short name too little would
    /// be left.
    fn swallowed(&mut self, bare: &str, ending: &str, id: AreaId) {
        let bare: Vec<char> = bare.chars().collect();
        for gone in (0..bare.len()).filter(|_| bare.len() > MIN_BARE) {
            let left: String = bare.iter().enumerate().filter(|(at, _)| *at != gone).map(|(_, c)| *c).collect();
            self.spoken.push((left + ending, (id, Named::Swallowed)));
        }
    }

    /// A road or a landmark, also by its sound.
    fn located(&mut self, located: &Located) {
        for name in &located.names {
            self.both(name, (located.area, located.named));
        }
    }

    /// By its characters and by its sound, with its numbers in characters and in digits.
    fn both(&mut self, name: &str, sense: (AreaId, Named)) {
        let mut spellings = numeral::spellings(name);
        // 8角 is money.
        spellings.retain(|spelling| spelling.chars().count() > MIN_BARE);
        spellings.push(name.to_owned());
        for spelling in spellings {
            self.names.add(&spelling, sense);
            if spelling.chars().count() >= MIN_SOUNDING {
                self.spoken.push((spelling, sense));
            }
        }
    }

    fn places(mut self) -> Places {
        for (name, id) in std::mem::take(&mut self.bare) {
            if !self.districts.contains(&name) {
                self.both(&name, (id, Named::Bare));
            }
        }
        let communities = std::mem::take(&mut self.communities);
        for (name, id) in &communities {
            self.community(name, *id);
        }
        self.estates_of(&communities);
        let Reader { areas, roads, beside, estates, names, spoken, .. } = self;
        let names = if areas.is_empty() { Gather::default() } else { names };
        Places { areas, roads, beside, estates, names: names.lexicon(), spoken, sounding: OnceLock::new() }
    }

    fn community(&mut self, name: &str, id: AreaId) {
        let bare = cut(name, COMMUNITY_ENDINGS);
        // In the lists of some districts the villages have no ending.
        let ended = COMMUNITY_ENDINGS.iter().any(|ending| name.ends_with(ending));
        if ended {
            self.both(name, (id, Named::Community));
        }
        let Some(bare) = bare.or((!ended).then_some(name)) else { return };
        let short = bare.chars().count() < MIN_BARE_COMMUNITY;
        if !self.districts.contains(bare) {
            self.both(bare, (id, if short { Named::ShortCommunity } else { Named::BareCommunity }));
        }
    }

    /// 胜利小区社区 is called 胜利小区, and so are the houses of 胜利村.
    fn estates_of(&mut self, communities: &[(String, AreaId)]) {
        let mut called: HashMap<&str, Vec<AreaId>> = HashMap::new();
        for (name, id) in communities {
            called.entry(cut(name, COMMUNITY_ENDINGS).unwrap_or(name)).or_default().push(*id);
        }
        for bare in called.keys() {
            let stem = cut(bare, self.estates.iter().map(String::as_str));
            for id in stem.and_then(|stem| called.get(stem)).into_iter().flatten() {
                self.names.add(bare, (*id, Named::BareCommunity));
            }
        }
    }
}

/// `name` without the first of `endings` that it has, where enough is left to say something.
fn cut<'n, 'e>(name: &'n str, endings: impl IntoIterator<Item = &'e str>) -> Option<&'n str> {
    endings.into_iter().find_map(|ending| name.strip_suffix(ending)).filter(|left| left.chars().count() >= MIN_BARE)
}

/// Names as a list; a blank or an ellipsis in one is a fault.
pub(super) fn list(value: Value<Vec<Written<String>>>) -> Vec<String> {
    let names = |list: &Vec<Written<String>>| {
        let bad = |name: &&String| name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == ELLIPSIS);
        match list.iter().map(|written| &written.value).find(bad) {
            Some(name) => Err((format!("\"{name}\" is no name"), "write names without blanks".to_owned())),
            None => Ok(list.iter().map(|written| written.value.clone()).collect()),
        }
    };
    value.check(names).get().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::text::Text;
    use super::*;
    use crate::written::Fault;

    const CITY: &str = "[city]\nname = \"某市\"\nendings = [\"街道\", \"街道办\", \"镇\"]\nroads = [\"路\"]\nestates = [\"小区\"]\n\
                        silent = [\"柳林园艺\"]\n";
    const EAST: &str = "[district]\ncode = \"1\"\nname = \"城东区\"\n[[street]]\ncode = \"11\"\nname = \"柳林街道\"\n\
                        communities = \"幸福里社区 柳树园社区\"\n[[street]]\ncode = \"12\"\nname = \"城东街道\"\n";
    const WEST: &str = "[district]\ncode = \"2\"\nname = \"城西区\"\n[[street]]\ncode = \"21\"\nname = \"光明镇\"\nbare = false\n\
                        communities = \"幸福里社区\"\n";

    fn read_files(files: &[&str]) -> (Places, Vec<String>) {
        let faults = Faults::default();
        let sources: Vec<Source> =
            files.iter().enumerate().map(|(i, text)| Source::new(format!("{i}.toml"), *text)).collect();
        let places = read(&sources, &faults);
        (places, faults.sorted().iter().map(Fault::to_string).collect())
    }

    fn codes(places: &Places, text: &str) -> Vec<(String, Named)> {
        let spots = places.spots(&Text::new(text));
        spots.iter().flat_map(|s| &s.means).map(|(id, named)| (places.area(*id).code.clone(), *named)).collect()
    }

    #[test]
    fn every_ending_is_taken_for_each() {
        let (places, faults) = read_files(&[CITY, EAST, WEST]);
        assert!(faults.is_empty(), "{faults:?}");
        let named = [("柳林街道", Named::Full), ("柳林街道办", Named::Loose), ("柳林镇", Named::Loose)];
        for (name, how) in named {
            assert_eq!(codes(&places, name), [("11".to_owned(), how)], "{name}");
        }
        assert_eq!(codes(&places, "柳林"), [("11".to_owned(), Named::Bare)]);
    }

    #[test]
    fn an_ordinary_word_is_a_place_only_with_its_ending() {
        let (places, _) = read_files(&[CITY, EAST, WEST]);
        assert_eq!(codes(&places, "光明"), [("21".to_owned(), Named::Word)]);
        assert_eq!(codes(&places, "光明镇"), [("21".to_owned(), Named::Full)]);
        assert!(codes(&places, "柳林园艺").is_empty());
    }

    #[test]
    fn a_bare_district_is_not_the_street_of_its_name() {
        let (places, _) = read_files(&[CITY, EAST, WEST]);
        assert_eq!(codes(&places, "城东"), [("1".to_owned(), Named::Bare)]);
        assert_eq!(codes(&places, "城东街道"), [("12".to_owned(), Named::Full)]);
    }

    #[test]
    fn a_community_stands_for_each_street_that_has_one_of_its_name() {
        let (places, _) = read_files(&[CITY, EAST, WEST]);
        let both = [("11".to_owned(), Named::Community), ("21".to_owned(), Named::Community)];
        assert_eq!(codes(&places, "幸福里社区"), both);
        assert_eq!(codes(&places, "柳树园社区"), [("11".to_owned(), Named::Community)]);
        assert!(places.is_estate("小区"));
        assert_eq!(codes(&places, "柳树园"), [("11".to_owned(), Named::BareCommunity)]);
    }

    #[test]
    fn every_fault_of_every_file_at_once() {
        let bad = "[district]\ncode = \"1\"\n[[street]]\ncode = \"1\"\nname = \"甲 乙\"\nalises = []\n[[street]]\naliases = [\"甲 乙\"]\n";
        let (_, faults) = read_files(&[bad]);
        assert_eq!(
            faults,
            [
                "0.toml:1:1: district.name: missing; write the area's name",
                "0.toml:3:1: street[0].code: 1 is there already; give each area its own code",
                "0.toml:6:1: street[0].alises: unknown key; did you mean aliases?",
                "0.toml:7:1: street[1].code: missing; write the area's code, as in \"110105\"",
                "0.toml:7:1: street[1].name: missing; write the area's name",
                "0.toml:8:11: street[1].aliases: \"甲 乙\" is no name; write names without blanks",
                "places: 0 files have a [city]; leave exactly one",
            ]
        );
    }
}
