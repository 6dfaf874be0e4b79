//! Sentences that name a place, drawn from the lists of streets and communities. It reads the lists itself and knows
//! nothing of how the recogniser reads a text: a name is unique where no other office and no other community is
//! called the same, whole or as people shorten it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pinyin::{ToPinyin, ToPinyinMulti};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

/// A street office or a community, and the office in charge of it.
#[derive(Debug, Clone)]
pub struct Spot {
    pub district: String,
    pub street: String,
    pub name: String,
}

/// A sentence, and what is right.
#[derive(Debug, Clone)]
pub struct Sentence {
    pub text: String,
    pub district: String,
    pub street: String,
    /// Whether only one office can be meant.
    pub clear: bool,
}

pub struct Lists {
    pub spots: Vec<Spot>,
    /// Who is called so (district, street), by name as said.
    called: BTreeMap<String, BTreeSet<(String, String)>>,
    homophones: BTreeMap<&'static str, Vec<char>>,
}

const OPENINGS: [&str; 9] =
    ["", "喂,", "你好,", "喂你好,我住在", "我要反映,", "麻烦您,", "我想问一下,", "是这样的,", "同志你好,我们"];
const MIDDLES: [&str; 8] = ["", "这边", "那儿", "门口", "里面", "附近", "东门外", "这儿"];
const TROUBLES: [&str; 12] = [
    "的路灯坏了好几天",
    "下水道堵了",
    "一直没有人收垃圾",
    "半夜还在施工",
    "井盖没有了",
    "有人私搭乱建",
    "停电了",
    "的树倒了",
    "物业不管事",
    "没有热水",
    "有人占道停车",
    "电梯坏了",
];
const CLOSINGS: [&str; 5] = ["", ",请尽快处理", ",麻烦派人来看看", ",已经一个星期了", ",谢谢"];
const STREET_ENDINGS: [&str; 5] = ["街道", "地区", "回族乡", "镇", "乡"];

impl Lists {
    /// The shared lists, or `None` where they are not.
    pub fn shared(folder: &Path) -> Option<Lists> {
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).ok();
        let (streets, communities) = (read("beijing_streets_2023.csv")?, read("beijing_communities.csv")?);
        let rows = |text: &str| -> Vec<Vec<String>> {
            let cells = |line: &str| line.split(',').map(|cell| cell.trim().to_owned()).collect();
            text.trim_start_matches('\u{feff}').lines().skip(1).map(cells).collect()
        };
        let spot = |district: &String, street: &String, name: &String| Spot {
            district: district.clone(),
            street: street.clone(),
            name: name.clone(),
        };
        let mut spots: Vec<Spot> = rows(&streets).iter().map(|row| spot(&row[0], &row[2], &row[2])).collect();
        let offices: BTreeSet<(String, String)> =
            spots.iter().map(|spot| (spot.district.clone(), spot.street.clone())).collect();
        let known = |row: &&Vec<String>| offices.contains(&(row[0].clone(), row[1].clone()));
        spots.extend(rows(&communities).iter().filter(known).map(|row| spot(&row[0], &row[1], &row[5])));
        Some(Lists::of(spots))
    }

    /// The shipped files.
    pub fn shipped(folder: &Path) -> Lists {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).expect("it ships").map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        let mut spots = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(file).expect("it is text");
            let table: toml::Table = text.parse().expect("it is TOML");
            let Some(district) = table.get("district").and_then(|d| d["name"].as_str()) else { continue };
            for street in table["street"].as_array().expect("a district has streets") {
                let office = street["name"].as_str().expect("a name");
                let listed = street.get("communities").and_then(|list| list.as_str()).unwrap_or_default();
                for name in std::iter::once(office).chain(listed.split_whitespace()) {
                    spots.push(Spot {
                        district: district.to_owned(),
                        street: office.to_owned(),
                        name: name.to_owned(),
                    });
                }
            }
        }
        Lists::of(spots)
    }

    fn of(mut spots: Vec<Spot>) -> Lists {
        // Some rows of the list are in broken characters.
        spots.retain(|spot| spot.name.chars().all(|c| ('\u{4e00}'..='\u{9fff}').contains(&c) || c.is_ascii_digit()));
        let mut called: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
        for spot in &spots {
            for name in [spot.name.clone(), shortened(&spot.name)] {
                called.entry(name).or_default().insert((spot.district.clone(), spot.street.clone()));
            }
            // 朝阳 is a district before it is anything else.
            let whole = spot.district.clone();
            for name in [whole.trim_end_matches('区').to_owned(), whole] {
                called.entry(name).or_default().insert((spot.district.clone(), String::new()));
            }
        }
        let mut homophones: BTreeMap<&'static str, Vec<char>> = BTreeMap::new();
        let used: BTreeSet<char> = spots.iter().flat_map(|spot| spot.name.chars()).collect();
        for c in used {
            if let Some(reading) = c.to_pinyin() {
                homophones.entry(reading.plain()).or_default().push(c);
            }
        }
        Lists { spots, called, homophones }
    }

    pub fn draw(&self, rng: &mut StdRng) -> Sentence {
        // Half of them offices: there are twenty communities for each. One in eight has a name that others have too.
        let (office, twin) = (rng.random_bool(0.5), rng.random_bool(0.125));
        let others = |spot: &Spot| self.called.get(&spot.name).is_some_and(|owners| owners.len() > 1);
        let fits = |spot: &Spot| if twin { others(spot) } else { (spot.name == spot.street) == office };
        let spot = loop {
            let spot = self.spots.choose(rng).expect("there are some");
            if fits(spot) {
                break spot;
            }
        };
        let short = shortened(&spot.name);
        let shorten = rng.random_bool(0.3) && short.chars().count() >= 2;
        let said = if shorten { &short } else { &spot.name };
        let district = match rng.random_range(0..4) {
            0 => spot.district.clone(),
            1 => format!("{}的", spot.district),
            _ => String::new(),
        };
        let house = if rng.random_bool(0.4) { format!("{}号楼", rng.random_range(1..60)) } else { String::new() };
        let mut place = format!("{district}{said}");
        if shorten && !office && house.is_empty() {
            place.push_str("小区");
        }
        let owners = self.called.get(said).map_or(0, |owners| {
            owners.iter().filter(|(in_district, _)| district.is_empty() || *in_district == spot.district).count()
        });
        let pick = |rng: &mut StdRng, from: &[&'static str]| *from.choose(rng).expect("not empty");
        let (opening, middle) = (pick(rng, &OPENINGS), pick(rng, &MIDDLES));
        let (trouble, closing) = (pick(rng, &TROUBLES), pick(rng, &CLOSINGS));
        let text = if rng.random_bool(0.8) {
            format!("{opening}{place}{house}{middle}{trouble}{closing}")
        } else {
            format!("{opening}{}{closing},地址是{place}{house}", trouble.trim_start_matches('的'))
        };
        Sentence { text, district: spot.district.clone(), street: spot.street.clone(), clear: owners == 1 }
    }

    /// `text` with this share of its characters written as others of the same sound.
    pub fn misheard(&self, text: &str, share: f64, rng: &mut StdRng) -> String {
        let other = |c: char, rng: &mut StdRng| {
            let sounds = c.to_pinyin_multi()?.into_iter().map(|reading| reading.plain()).collect::<Vec<_>>();
            let same = self.homophones.get(sounds.choose(rng)?)?;
            same.iter().filter(|other| **other != c).copied().collect::<Vec<_>>().choose(rng).copied()
        };
        text.chars().map(|c| if rng.random_bool(share) { other(c, rng).unwrap_or(c) } else { c }).collect()
    }
}

/// As people say it who know the place.
fn shortened(name: &str) -> String {
    let ending = |endings: &[&str]| endings.iter().find_map(|ending| name.strip_suffix(ending));
    ending(&["社区", "村"]).or_else(|| ending(&STREET_ENDINGS)).unwrap_or(name).to_owned()
}
