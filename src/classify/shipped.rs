//! Tests on the files that ship under `config/`, with sentences of our own and the demonstration generator's phrases.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::catalogue::Level;
use crate::written::{Faults, Source};

/// Each phrase of the demonstration generator with the type, category and urgency that it has to get.
const PHRASES: &str = include_str!("../../tests/classify/phrases.tsv");

const SENTENCE: &str = "喂你好,望京街道花家地小区12号楼水管爆裂了,请尽快处理";

fn sources(folder: &str) -> Vec<Source> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(folder);
    let entries = std::fs::read_dir(folder).expect("it ships");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    files.iter().map(|file| Source::new(file, std::fs::read_to_string(file).expect("it is text"))).collect()
}

fn shipped() -> &'static (Catalogue, Places) {
    static SHIPPED: OnceLock<(Catalogue, Places)> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        let faults = Faults::default();
        let both = (Catalogue::read(&sources("catalogue"), &faults), Places::read(&sources("places"), &faults));
        assert!(faults.is_empty(), "{faults}");
        both
    })
}

fn read_with(text: &str, hint: &Hint) -> Understood {
    let (catalogue, places) = shipped();
    classify(catalogue, places, text, hint)
}

fn read(text: &str) -> Understood {
    read_with(text, &Hint::default())
}

#[test]
fn what_stands_beside_the_matter_is_not_the_matter() {
    let lamp = read("望京街道路灯坏了").category;
    for beside in ["幼儿园旁边", "医院对面", "菜市场旁边", "学校隔壁", "地铁站出口"] {
        assert_eq!(read(&format!("望京街道{beside}路灯坏了")).category, lamp, "{beside}");
    }
    assert_eq!(read("幼儿园旁边").category[0], read("幼儿园").category[0], "nothing else is known");
}

#[test]
fn a_street_with_a_swallowed_character_is_filed_and_not_sure() {
    for (heard, street) in [("魏善镇路灯坏了", "大兴区魏善庄镇"), ("在珍泉乡停水了", "延庆区珍珠泉乡")]
    {
        let (district, name, confidence) = place(heard).expect("it is nearly one");
        assert!(
            district.clone() + &name == street && confidence < place::SURE,
            "{heard}: {district}{name} {confidence}"
        );
    }
    let open = street("在家峪镇停水了").expect("one of two");
    assert_eq!(open, "密云区", "穆家峪镇 and 冯家峪镇 are both of that district");
    let (_, name, confidence) = place("大兴区魏善镇路灯坏了").expect("its district is said");
    assert!(name == "魏善庄镇" && confidence >= place::SURE, "{name} {confidence}");
}

/// District, name and confidence.
fn place(text: &str) -> Option<(String, String, f32)> {
    locate(&shipped().1, text).0.map(|place| (place.district, place.name, place.confidence))
}

fn street(text: &str) -> Option<String> {
    place(text).map(|(district, name, _)| if district == name { name } else { district + &name })
}

#[test]
fn the_demonstration_sentence() {
    let understood = read(SENTENCE);
    assert_eq!(understood.kind, "求助");
    assert_eq!(understood.category, ["城乡建设", "城市建设和市政管理", "自来水供应"]);
    assert_eq!(understood.urgency, Urgency::Urgent);
    assert_eq!(understood.unit.as_deref(), Some("自来水集团"));
    let place = understood.place.expect("it names one");
    assert_eq!((&*place.code, &*place.name, &*place.district), ("110105026", "望京街道", "朝阳区"));
    assert!(understood.confidence > 0.8 && place.confidence > 0.9, "{} {}", understood.confidence, place.confidence);
}

#[test]
fn the_json_has_the_promised_shape() {
    let json = serde_json::to_value(read(SENTENCE)).expect("it serialises");
    let keys: Vec<&str> = json.as_object().expect("an object").keys().map(String::as_str).collect();
    for key in ["type", "category", "confidence", "urgency", "place", "evidence"] {
        assert!(keys.contains(&key), "{key}");
    }
    assert_eq!(keys.len(), 6, "{keys:?}");
    assert_eq!(json["urgency"], "urgent");
    assert_eq!(json["place"]["code"], "110105026");
    let evidence = json["evidence"].as_array().expect("a list");
    let of_place = evidence.iter().find(|e| e["field"] == "place").expect("one for each field");
    assert_eq!(of_place["words"][0], serde_json::json!({"text": "望京街道", "start": 4, "end": 8}));
    assert!(serde_json::to_value(read("路灯坏了")).expect("it serialises")["place"].is_null());
}

#[test]
fn all_categories_ship_with_a_unit_and_a_type() {
    let tree = shipped().0.categories();
    let at = |level: usize| tree.iter().filter(|(_, category)| category.level == level).count();
    // 103 of the second level, and an 其他 in each of the 15.
    assert_eq!([at(0), at(1), at(2)], [15, 103 + 15, 517]);
    for (id, category) in tree.iter().filter(|(_, category)| category.level == 2) {
        assert!(category.unit.is_some() && category.kind.is_some(), "{:?}", tree.path(id));
    }
}

#[test]
fn every_phrase_of_the_demonstration() {
    let mut wrong = Vec::new();
    for line in PHRASES.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [phrase, kind, category, urgency] = fields[..] else { panic!("four fields: {line}") };
        let got = read(phrase);
        if (&*got.kind, &*got.category.join("/"), got.urgency.as_str()) != (kind, category, urgency) {
            wrong.push(format!("{line}\n  {} {} {}", got.kind, got.category.join("/"), got.urgency));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_street_is_found_in_a_sentence() {
    let places = &shipped().1;
    let phrases: Vec<&str> = PHRASES.lines().filter_map(|line| line.split('\t').next()).collect();
    let streets: Vec<_> = places.areas().filter(|area| area.level == Level::Street).collect();
    assert_eq!(streets.len(), 343);
    for (i, area) in streets.iter().enumerate() {
        let district = &places.area(area.district).name;
        let issue = phrases[1 + i % (phrases.len() - 1)];
        for text in [
            format!("喂你好,{district}{}3号楼{issue}", area.name),
            format!("{issue},地址是{district}{}", area.name),
            format!("我想反映一下,{}门口{issue}", area.name),
        ] {
            let found = locate(places, &text).0.expect("it names a street");
            let twin = area.name == "八里庄街道" && !text.contains(district);
            assert!(found.code == area.code || twin, "{text}: {found:?}");
            assert!(found.confidence > if twin { 0.3 } else { 0.8 }, "{text}: {found:?}");
        }
    }
}

#[test]
fn the_names_of_2019_that_are_no_more() {
    for (old, new) in [
        ("方庄地区", "丰台区方庄街道"),
        ("宛平城地区", "丰台区宛平街道"),
        ("卢沟桥地区", "丰台区卢沟桥街道"),
        ("花乡地区", "丰台区花乡街道"),
        ("南苑地区", "丰台区南苑街道"),
        ("永顺地区", "通州区永顺镇"),
        ("梨园地区", "通州区梨园镇"),
    ] {
        assert_eq!(street(&format!("{old}的路灯坏了")).as_deref(), Some(new), "{old}");
    }
}

#[test]
fn the_usual_ways_to_name_a_street() {
    for (text, expected) in [
        ("望京停水了", "朝阳区望京街道"),
        ("望京街道办没有人接电话", "朝阳区望京街道"),
        ("天通苑北街道", "昌平区天通苑北街道"),
        ("于家务乡的路坏了", "通州区于家务回族乡"),
        ("建国门外街道有人烧垃圾", "朝阳区建外街道"),
        ("崇文区体育馆路街道", "东城区体育馆路街道"),
        ("花家地社区3号楼", "朝阳区望京街道"),
    ] {
        assert_eq!(street(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn a_name_of_two_streets_is_doubtful_until_the_district_is_named() {
    let (_, name, confidence) = place("八里庄街道停水了").expect("one of the two");
    assert_eq!(name, "八里庄街道");
    assert!(confidence < 0.5, "{confidence}");
    for district in ["海淀区", "朝阳区"] {
        let (found, _, confidence) = place(&format!("{district}八里庄街道停水了")).expect("that one");
        assert_eq!(found, district);
        assert!(confidence > 0.9, "{confidence}");
    }
    // 东风 is a township of one district and a street of another; the ending decides.
    assert_eq!(street("东风地区停水了").as_deref(), Some("朝阳区东风地区"));
    assert_eq!(street("东风街道停水了").as_deref(), Some("房山区东风街道"));
}

#[test]
fn the_number_of_a_house_is_no_part_of_a_name() {
    // 采育镇 has a 西营四村, five other towns a 西营村.
    for text in ["西营4号楼门口下水道堵了", "西营四号楼门口下水道堵了", "西营四单元门口下水道堵了"]
    {
        let found = place(text);
        assert!(found.as_ref().is_none_or(|(.., confidence)| *confidence < super::place::SURE), "{text}: {found:?}");
    }
    assert_eq!(place("大兴区西营四村停水了").expect("it is one").1, "采育镇");
}

#[test]
fn roads_and_longer_words_are_no_places() {
    for text in ["我早上要上地铁", "饭店经常营业到半夜", "光明正大地收钱", "小区前门坏了", "天桥下面有人摆摊"]
    {
        assert_eq!(street(text), None, "{text}");
    }
    let (.., road) = place("望京街堵车").expect("it is near");
    assert!(road < 0.5, "{road}");
    assert_eq!(street("朝阳路堵车"), None);
}

#[test]
fn only_a_district() {
    assert_eq!(place("海淀区的公交车等了一个小时"), Some(("海淀区".to_owned(), "海淀区".to_owned(), 0.9)));
    let understood = read("海淀区垃圾没有人清运");
    assert_eq!(understood.unit.as_deref(), Some("海淀区"), "the district where the street is not known");
}

#[test]
fn where_the_caller_lives_gives_way_to_where_the_matter_is() {
    assert_eq!(street("我是望京街道的居民,建外街道的路灯坏了").as_deref(), Some("朝阳区建外街道"));
    assert_eq!(street("我是望京街道的居民,路灯坏了").as_deref(), Some("朝阳区望京街道"));
}

#[test]
fn what_a_recogniser_wrote_by_sound_is_found_with_less_confidence() {
    let heard = [
        ("忘经街道", "望京街道"),
        ("首都即场街道", "首都机场街道"),
        ("回笼观街道", "回龙观街道"),
        ("苏家驼", "苏家坨地区"),
    ];
    for (wrong, right) in heard {
        let (_, name, by_sound) = place(&format!("{wrong}停水了")).unwrap_or_else(|| panic!("{wrong}"));
        let (.., by_sign) = place(&format!("{right}停水了")).expect("it is named");
        assert_eq!(name, right);
        assert!(by_sound < by_sign, "{wrong} {by_sound} {by_sign}");
    }
    assert_eq!(street("潮阳区的路灯坏了").as_deref(), Some("朝阳区"));
}

#[test]
fn words_in_the_name_of_the_place_say_nothing_else() {
    let understood = read("体育馆路街道");
    assert_eq!(understood.category, [UNSORTED; 3]);
    assert_eq!(read("体育馆路街道停水").category[2], "自来水供应");
}

#[test]
fn a_text_that_says_nothing_is_not_sorted() {
    for text in ["", "喂", "你好", "嗯嗯", "，。！", "abc 123"] {
        let understood = read(text);
        assert_eq!(understood.category, [UNSORTED; 3], "{text}");
        assert_eq!(
            (understood.confidence, understood.urgency, understood.unit),
            (0.0, Urgency::Ordinary, None),
            "{text}"
        );
    }
}

#[test]
fn what_only_seems_urgent() {
    for text in ["楼道里有火灾隐患", "没有人受伤", "工伤怎么认定", "积水潭医院怎么预约", "停水费怎么算"]
    {
        assert_ne!(read(text).urgency, Urgency::Urgent, "{text}");
    }
    for text in ["有人扬言要跳楼", "马路中间的井盖没了", "屋里有煤气味", "孩子被困在电梯里"]
    {
        assert_eq!(read(text).urgency, Urgency::Urgent, "{text}");
    }
}

#[test]
fn the_menu_decides_where_nothing_was_said() {
    let hint = Hint {
        category: Some("自来水供应".to_owned()),
        kind: Some("投诉".to_owned()),
        urgency: Some("soon".to_owned()),
        ..Hint::default()
    };
    let understood = read_with("", &hint);
    assert_eq!(
        (&*understood.kind, &*understood.category[2], understood.urgency),
        ("投诉", "自来水供应", Urgency::Soon)
    );
    // Words outweigh the topic of a line, and a menu never makes an emergency less urgent.
    let line = Hint { topic: Some("冬季采暖".to_owned()), ..hint };
    let understood = read_with("家里有煤气味", &Hint { category: None, ..line });
    assert_eq!((&*understood.category[2], understood.urgency), ("燃气供应", Urgency::Urgent));
}

#[test]
fn the_topic_of_a_line_tips_a_doubtful_text() {
    let hint = |topic: &str| Hint { topic: Some(topic.to_owned()), ..Hint::default() };
    assert_eq!(read_with("怎么还没有修好", &hint("供热")).category[2], "冬季采暖");
    assert_eq!(read_with("怎么还没有修好", &hint("住房公积金管理")).category[2], "住房公积金");
}

/// What follows `key = "` in a shipped file.
fn written_in(file: &str, key: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(file);
    let text = std::fs::read_to_string(path).expect("it ships");
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let after = lines.filter_map(|line| line.split_once(&format!("{key} = \"")));
    after.filter_map(|(_, rest)| rest.split_once('"')).map(|(value, _)| value.to_owned()).collect()
}

#[test]
fn every_topic_of_the_shipped_lines_and_menus_means_something() {
    let topics = [written_in("lines.toml", "topic"), written_in("flows/main.toml", "topic")].concat();
    assert!(topics.len() > 20, "{topics:?}");
    for topic in topics {
        let understood = read_with("", &Hint { topic: Some(topic.clone()), ..Hint::default() });
        assert_ne!(understood.category[0], UNSORTED, "{topic}");
    }
    for (topic, expected) in [
        ("供水 水管爆裂", "自来水供应"),
        ("供水 水费", "自来水供应"),
        ("供电 电线掉落", "电力供应"),
        ("燃气 泄漏", "燃气供应"),
        ("供暖 不热", "冬季采暖"),
        ("噪声扰民", "噪音污染"),
        ("违法建设", "违章建筑"),
        ("占道经营", "城管执法"),
        ("路灯", "城市公共设施"),
        ("公共交通", "公共汽车"),
        ("住房保障", "保障性住房"),
        ("消防安全隐患", "消防安全"),
        ("物业管理", "物业服务"),
        ("拖欠工资", "工资发放"),
    ] {
        let understood = read_with("", &Hint { topic: Some(topic.to_owned()), ..Hint::default() });
        assert_eq!(understood.category[2], expected, "{topic}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_within_bounds(
        text in prop_oneof![
            "\\PC{0,60}",
            "([望京街道朝阳区水管爆裂停电小1 ，。]|八里庄|海淀区|着火|投诉){0,40}",
        ],
        category in prop::option::of("[自来水供应/其他]{0,6}"),
    ) {
        let hint = Hint { category, ..Hint::default() };
        let understood = read_with(&text, &hint);
        prop_assert_eq!(&understood, &read_with(&text, &hint), "the same again");
        let characters: Vec<char> = text.chars().collect();
        prop_assert!((0.0..=1.0).contains(&understood.confidence));
        prop_assert_eq!(understood.evidence.len(), 4);
        for evidence in &understood.evidence {
            prop_assert!((0.0..=1.0).contains(&evidence.confidence));
            for words in &evidence.words {
                prop_assert!(words.start < words.end);
                prop_assert_eq!(&words.text, &characters[words.start..words.end].iter().collect::<String>());
            }
        }
        let place_words = &understood.evidence[3].words;
        prop_assert_eq!(understood.place.is_some(), !place_words.is_empty());
    }
}

/// Figures on the labelled sets beside the repository (or where SHARED says), for whoever changes the words:
/// `cargo test --lib --no-default-features classify::shipped::figures -- --ignored --nocapture`.
#[test]
#[ignore = "prints figures; judges nothing"]
fn figures() {
    let began = Instant::now();
    let faults = Faults::default();
    let (categories, streets) = (sources("catalogue"), sources("places"));
    println!("files read in {:?}", began.elapsed());
    let began = Instant::now();
    Catalogue::read(&categories, &faults);
    println!("catalogue in {:?}", began.elapsed());
    let began = Instant::now();
    Places::read(&streets, &faults);
    println!("places in {:?}", began.elapsed());
    figure("complaints/dev.csv", "label", |understood| understood.category[0].clone());
    figure("requests/dev.csv", "type", |understood| understood.kind.clone());
}

fn figure(file: &str, label: &str, told: impl Fn(&Understood) -> String) {
    let shared = std::env::var_os("SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"), PathBuf::from);
    let path = shared.join("data").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("{}: not here, skipped", path.display());
        return;
    };
    let rows = csv(&text);
    let column = |name: &str| rows[0].iter().position(|head| head == name).expect("the file has it");
    let (label, title, body) = (column(label), column("title"), column("text"));
    let began = Instant::now();
    let told: Vec<String> =
        rows[1..].iter().map(|row| told(&read(&format!("{}。{}", row[title], row[body])))).collect();
    let right = told.iter().zip(&rows[1..]).filter(|(told, row)| **told == row[label]).count();
    let unsorted = told.iter().filter(|told| *told == UNSORTED).count();
    println!("{file}: {right} of {} right, {unsorted} not sorted, in {:?}", told.len(), began.elapsed());
}

/// Rows of a file with quoted cells.
fn csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    for c in text.trim_start_matches('\u{feff}').chars().filter(|c| *c != '\r') {
        match c {
            '"' => quoted = !quoted,
            ',' | '\n' if !quoted => {
                row.push(std::mem::take(&mut cell));
                if c == '\n' {
                    rows.push(std::mem::take(&mut row));
                }
            }
            c => cell.push(c),
        }
    }
    rows
}
