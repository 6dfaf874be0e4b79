//! Do reports of one matter come together? Measured on paraphrases that are planted here, by means of which the grouping
//! (`src/matter`) knows nothing: other order, other words, gaps, homophones, what other callers say around it. All of it
//! is drawn; the seed is printed.
//!
//! Counted in pairs: a paraphrase and the report that it was made of, or two paraphrases of one report, are a pair that
//! belongs together; those of different reports are not. Recall is the share of the pairs that belong together which are in
//! one group, precision the share of the pairs in one group which belong together.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use jiesu::catalogue::{Catalogue, OTHER, Places};
use jiesu::classify::{Hint, UNSORTED, Understood, classify};
use jiesu::matter::{Config, Groups, Report};
use jiesu::written::{Faults, Source};
use pinyin::ToPinyin;
use rand::prelude::*;

const DAY: i64 = 24 * 3600;

/// What people say for each other's words.
const WORDS: &[(&str, &str)] = &[
    ("投诉", "告一下"),
    ("举报", "检举"),
    ("反映", "说一下"),
    ("咨询", "问一下"),
    ("建议", "提个意见"),
    ("希望", "盼着"),
    ("解决", "处理"),
    ("处理", "管一管"),
    ("严重", "特别厉害"),
    ("扰民", "吵得人不得安生"),
    ("噪音", "声响"),
    ("施工", "干活"),
    ("非法", "不合法"),
    ("违规", "不合规定"),
    ("小区", "院里"),
    ("业主", "住户"),
    ("居民", "老百姓"),
    ("附近", "旁边"),
    ("晚上", "夜里"),
    ("凌晨", "大半夜"),
    ("孩子", "娃娃"),
    ("尽快", "赶快"),
    ("长期", "好久以来"),
    ("影响", "妨碍"),
    ("停车", "放车"),
    ("收费", "要钱"),
    ("拖欠", "欠着不给"),
    ("修建", "盖"),
    ("损坏", "坏掉"),
    ("没有", "没"),
    ("无法", "没办法"),
    ("什么时候", "哪天"),
    ("为什么", "怎么回事"),
    ("领导", "同志"),
    ("政府", "公家"),
    ("部门", "单位"),
    ("购房", "买房"),
];

/// What is said before and after the matter.
const BEFORE: &[&str] = &[
    "喂,你好,",
    "哎,是12345吗,",
    "我替我妈打个电话,",
    "我头一回打这个电话,",
    "同志啊,我跟您说个事,",
    "上次也打过的,",
    "麻烦您记一下,",
];
const AFTER: &[&str] = &[
    ",您看能不能给问问",
    ",我电话您有的吧",
    ",就这么个事",
    ",等你们回话啊",
    ",真是没法过了",
    ",已经跟居委会讲过了",
    ",谢谢您了",
];

struct Planter {
    dice: StdRng,
    /// Characters by how they sound, from the texts themselves.
    sounds: HashMap<&'static str, Vec<char>>,
}

impl Planter {
    fn new(dice: StdRng, texts: &[String]) -> Planter {
        let mut sounds: HashMap<&'static str, Vec<char>> = HashMap::new();
        for c in texts.iter().flat_map(|text| text.chars()) {
            if let Some(sound) = c.to_pinyin() {
                let list = sounds.entry(sound.plain()).or_default();
                if !list.contains(&c) {
                    list.push(c);
                }
            }
        }
        Planter { dice, sounds }
    }

    /// The same matter in another caller's words.
    fn paraphrase(&mut self, text: &str) -> String {
        let mut clauses: Vec<String> =
            text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        // What a short report is about nobody leaves out; it stands first.
        let short = clauses.len() < 6;
        if !short {
            clauses.shuffle(&mut self.dice);
        }
        // Up to a third of a short report is left out, of a long letter more than half.
        let most = if short { clauses.len() / 3 } else { clauses.len() * 3 / 5 };
        let left = clauses.len() - self.dice.random_range(0..=most);
        clauses.truncate(left.max(1));
        clauses.shuffle(&mut self.dice);
        for clause in &mut clauses {
            for (from, to) in WORDS {
                if clause.contains(from) && self.dice.random_bool(0.6) {
                    *clause = clause.replace(from, to);
                }
            }
            *clause = clause.chars().filter_map(|c| self.heard(c)).collect();
        }
        let before = BEFORE.choose(&mut self.dice).expect("some");
        let after = AFTER.choose(&mut self.dice).expect("some");
        format!("{before}{}{after}", clauses.join(","))
    }

    /// One character in thirty is lost, one in ten written as another that sounds like it.
    fn heard(&mut self, c: char) -> Option<char> {
        if self.dice.random_bool(1.0 / 30.0) {
            return None;
        }
        let alike = c.to_pinyin().and_then(|sound| self.sounds.get(sound.plain()));
        match alike {
            Some(alike) if self.dice.random_bool(0.1) => alike.choose(&mut self.dice).copied(),
            _ => Some(c),
        }
    }
}

/// (recall, precision) of `planted` paraphrases of some of `sources` among `base`. With `city` each report has the
/// category and street office that are found in its words, as a ticket has.
fn measure(base: &[(i64, String)], sources: &[usize], planted: usize, city: Option<&City>, seed: u64) -> (f64, f64) {
    let texts: Vec<String> = base.iter().map(|(_, text)| text.clone()).collect();
    let mut planter = Planter::new(StdRng::seed_from_u64(seed), &texts);
    // When, what, and of which report of `base` it is a paraphrase.
    let mut stream: Vec<(i64, String, usize, bool)> =
        base.iter().enumerate().map(|(at, (when, text))| (*when, text.clone(), at, false)).collect();
    for _ in 0..planted {
        let of = *sources.choose(&mut planter.dice).expect("some");
        let when = base[of].0 + planter.dice.random_range(60..20 * DAY);
        let text = planter.paraphrase(&base[of].1);
        stream.push((when, text, of, true));
    }
    stream.sort_by_key(|(when, ..)| *when);
    let mut groups = Groups::new(Config::default());
    let drawn: HashSet<usize> = stream.iter().filter(|(.., planted)| *planted).map(|(_, _, of, _)| *of).collect();
    // How many of each family are in each group.
    let mut together: HashMap<usize, HashMap<usize, u64>> = HashMap::new();
    let mut sizes: HashMap<usize, u64> = HashMap::new();
    for (at, text, of, _) in &stream {
        let understood = city.map_or_else(Understood::default, |city| city.understand(text));
        let place = understood.place.as_ref();
        let street = place.filter(|place| place.name != place.district).map(|place| place.name.as_str());
        let district = place.map(|place| place.district.as_str());
        let known = |level: usize| Some(understood.category[level].as_str()).filter(|n| ![UNSORTED, OTHER].contains(n));
        let category = [0, 1, 2].map(|level| known(level).unwrap_or_default());
        let group = groups.add(&Report { text, at: *at, category, street, district, caller: None });
        if drawn.contains(of) {
            *together.entry(group).or_default().entry(*of).or_default() += 1;
            *sizes.entry(*of).or_default() += 1;
        }
    }
    let pairs = |n: u64| n * n.saturating_sub(1) / 2;
    let all: u64 = sizes.values().map(|n| pairs(*n)).sum();
    let right: u64 = together.values().flat_map(HashMap::values).map(|n| pairs(*n)).sum();
    let grouped: u64 = together.values().map(|families| pairs(families.values().sum())).sum();
    let (recall, precision) = (right as f64 / all as f64, right as f64 / grouped as f64);
    println!(
        "seed {seed}: {right} of {all} pairs together, {} wrong ones: recall {recall:.3}, precision {precision:.3}",
        grouped - right
    );
    (recall, precision)
}

/// The shipped catalogue and places.
struct City {
    catalogue: Catalogue,
    places: Places,
}

impl City {
    fn shipped() -> City {
        let faults = Faults::default();
        let catalogue = Catalogue::read(&sources("config/catalogue"), &faults);
        let places = Places::read(&sources("config/places"), &faults);
        assert!(faults.is_empty(), "the shipped folders are good");
        City { catalogue, places }
    }

    fn understand(&self, text: &str) -> Understood {
        classify(&self.catalogue, &self.places, text, &Hint::default())
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    let read = |path: PathBuf| Source::new(path.clone(), std::fs::read_to_string(path).expect("readable"));
    std::fs::read_dir(folder).expect("a shipped folder").flatten().map(|file| read(file.path())).collect()
}

/// Communities of the shipped places, as people call them.
fn communities() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config/places");
    let mut names = Vec::new();
    for file in std::fs::read_dir(&folder).expect("the shipped places").flatten() {
        let text = std::fs::read_to_string(file.path()).expect("readable");
        for list in text.split("communities = \"\"\"").skip(1) {
            let list = list.split("\"\"\"").next().unwrap_or_default();
            names.extend(list.split_whitespace().filter(|name| name.chars().count() > 4).map(str::to_owned));
        }
    }
    names.sort();
    names.dedup();
    names
}

/// What is wrong; what each caller says of it besides.
const PROBLEMS: &[&str] = &[
    "停水了",
    "暖气不热",
    "路灯坏了",
    "楼下烧烤店油烟大",
    "消防通道停满了车",
    "垃圾没人清运",
    "工地半夜打桩",
    "电梯坏了",
    "井盖丢了",
    "物业乱涨停车费",
    "有流浪狗咬人",
    "公交站撤掉了",
    "幼儿园关门不退钱",
    "下水道堵了",
    "楼顶漏雨",
    "有人砸承重墙装修",
    "广场舞声音太大",
    "楼道里堆纸箱",
    "商店卖过期牛奶",
    "拆迁补偿款没给",
    "自来水发黄",
    "煤气表不走字",
    "树枝压到电线上",
    "施工队欠工钱",
    "有人往河里倒泔水",
];
const BESIDES: &[&str] = &[
    "从昨天夜里开始的",
    "都一个多星期了",
    "上个月就是这样",
    "今儿早上才发现",
    "老人做不了饭",
    "孩子睡不着觉",
    "屋里只有十四度",
    "我腿脚不好下不来",
    "昨天有个骑车的摔了",
    "邻居都气坏了",
    "窗户都不敢开",
    "满院子苍蝇",
    "救护车进不来",
    "报修三次没人来",
    "打给物业说管不了",
    "居委会说不归他们管",
    "一下雨就进水",
    "震得玻璃直响",
    "上学要绕远",
    "也没贴过公告",
    "怕着火",
    "一股铁锈味",
    "去年就投诉过",
    "交了钱没有收据",
    "年底都过去了",
    "三号楼最厉害",
    "一到六层都这样",
    "靠马路那一排",
    "后门那一片",
    "东边那几栋",
];

#[test]
fn paraphrases_of_made_reports_come_together() {
    let seed: u64 = rand::rng().random();
    let mut dice = StdRng::seed_from_u64(seed);
    // Some places have several problems, and each problem is at many places.
    let places: Vec<String> = communities().choose_multiple(&mut dice, 200).cloned().collect();
    let mut pairs: Vec<(&String, &str)> =
        places.iter().flat_map(|place| PROBLEMS.iter().map(move |problem| (place, *problem))).collect();
    pairs.shuffle(&mut dice);
    let base: Vec<(i64, String)> = pairs[..400]
        .iter()
        .map(|(place, problem)| {
            let beside = BESIDES.choose(&mut dice).expect("some");
            let (house, door) = (dice.random_range(1..30), dice.random_range(1..9));
            let text = format!("{place}{problem},{beside},我家是{house}号楼{door}单元");
            (dice.random_range(0..60 * DAY), text)
        })
        .collect();
    let all: Vec<usize> = (0..base.len()).collect();
    let (recall, precision) = measure(&base, &all, 400, Some(&City::shipped()), seed);
    // A third of these places have several matters, and all share what callers say besides: harder than what comes in.
    assert!(recall >= 0.8 && precision >= 0.55, "seed {seed}: recall {recall:.3}, precision {precision:.3}");
}

#[test]
fn paraphrases_among_a_citys_letters_come_together() {
    let shared = std::env::var_os("JIESU_SHARED")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let file = shared.join("data/complaints/stream.csv");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("SKIPPED: {} is not there", file.display());
        return;
    };
    let base = letters(&text);
    assert!(base.len() > 4000, "{} letters", base.len());
    let alone = unlike_others(&base);
    assert!(alone.len() > 300, "{} letters", alone.len());
    let (recall, precision) = measure(&base, &alone, 600, None, rand::rng().random());
    // The goal is 0.9 at 0.95; it is drawn, so a little less is no fault yet.
    assert!(recall >= 0.9 && precision >= 0.93, "recall {recall:.3}, precision {precision:.3}");
}

/// Letters whose title has no five characters in a row that another's has, but for what many have: nobody knows which of
/// the others are of one matter in truth.
fn unlike_others(base: &[(i64, String)]) -> Vec<usize> {
    let title = |text: &str| text.lines().next().unwrap_or_default().chars().collect::<Vec<char>>();
    let mut having: HashMap<Vec<char>, usize> = HashMap::new();
    for (_, text) in base {
        let runs: HashSet<Vec<char>> = title(text).windows(5).map(<[char]>::to_vec).collect();
        runs.into_iter().for_each(|run| *having.entry(run).or_default() += 1);
    }
    let shared = |run: &[char]| having.get(run).is_some_and(|count| (2..40).contains(count));
    (0..base.len()).filter(|at| !title(&base[*at].1).windows(5).any(shared)).collect()
}

/// When and what, of records `id,time,title,text,...` (RFC 4180).
fn letters(file: &str) -> Vec<(i64, String)> {
    let mut letters = Vec::new();
    let mut quoted = false;
    let records = file.split(|c| {
        quoted ^= c == '"';
        c == '\n' && !quoted
    });
    for record in records.skip(1) {
        let mut quoted = false;
        let fields: Vec<&str> = record
            .split(|c| {
                quoted ^= c == '"';
                c == ',' && !quoted
            })
            .collect();
        let [_, time, title, text, ..] = fields[..] else { continue };
        let numbers: Vec<i64> = time.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
        let [year, month, day, hour, minute, ..] = numbers[..] else { continue };
        // Months of 31 days: only the order and about how far apart matters here.
        let at = (((year * 12 + month) * 31 + day) * 24 + hour) * 3600 + minute * 60;
        letters.push((at, format!("{}\n{}", title.replace('"', ""), text.replace('"', ""))));
    }
    letters
}
