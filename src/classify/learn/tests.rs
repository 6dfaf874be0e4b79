//! Learning and the model file, on sentences that are made up here.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::train::{Example, Lesson, Manner, Untaught, features_of};
use super::*;

/// For each label: what is the matter, and what is asked.
const MATTERS: [(&str, [&str; 6]); 3] = [
    ("供水", ["水管爆裂了", "家里停水", "自来水发黄", "水压太低", "水表走得快", "没有自来水"]),
    ("交通", ["公交车不进站", "出租车拒载", "地铁太挤", "公交线路改了", "司机绕路", "车站没有站牌"]),
    ("教育", ["学校乱收费", "老师在外面补课", "孩子上学难", "幼儿园没有名额", "学区怎么划", "学校食堂难吃"]),
];
const BEFORE: [&str; 6] = ["你好,", "我想反映一下,", "麻烦问一句,", "我们这里", "昨天晚上", "喂,"];
const AFTER: [&str; 6] = ["请尽快处理", "已经三天了", "希望有人管", "谢谢", "打了好几次电话", "大家意见很大"];

fn sentence(rng: &mut SmallRng, label: usize) -> String {
    let one = |of: &[&'static str; 6], rng: &mut SmallRng| *of.choose(rng).expect("six");
    let number: u32 = rng.random_range(1..500);
    format!("{}{}号楼{},{}", one(&BEFORE, rng), number, one(&MATTERS[label].1, rng), one(&AFTER, rng))
}

fn lesson(seed: u64, texts: usize) -> Lesson {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut example = |i: usize| {
        let label = i % MATTERS.len();
        Example { features: features_of(&sentence(&mut rng, label)), label, support: false }
    };
    Lesson {
        topic: Topic::Category,
        labels: MATTERS.map(|(name, _)| name.to_owned()).to_vec(),
        examples: (0..texts).map(&mut example).collect(),
    }
}

fn model(seed: u64) -> Model {
    let (head, _) = train::head(&lesson(seed, 240), Manner::of(Topic::Category)).expect("it can be learned");
    let scores = BTreeMap::from([("category.f1".to_owned(), 0.9)]);
    let card = Card { name: "t".into(), date: "2026-11-27".into(), data: "00".into(), rows: 240, scores };
    Model::new(card, vec![head])
}

/// Another one each time; what fails says with which seed.
fn drawn() -> SmallRng {
    let seed = RandomState::new().hash_one(0);
    println!("seed {seed}");
    SmallRng::seed_from_u64(seed)
}

#[test]
fn what_was_learned_is_known_of_other_sentences() {
    let model = model(1);
    let mut rng = drawn();
    let texts: Vec<(usize, String)> = (0..90).map(|i| (i % 3, sentence(&mut rng, i % 3))).collect();
    for (label, text) in texts {
        let verdict = model.read(&text).pop().expect("one head, known words");
        assert_eq!(verdict.name(), MATTERS[label].0, "{text}");
        assert!(!verdict.abstains() && verdict.confidence() > 0.7, "{text} {verdict:?}");
        // The reason lies in the words that differ between the labels.
        let characters: Vec<char> = text.chars().collect();
        let reasons: Vec<String> =
            verdict.spans.iter().map(|(start, end)| characters[*start..*end].iter().collect()).collect();
        let in_matter = |reason: &String| {
            MATTERS[label].1.iter().any(|matter| text.contains(matter) && reason.chars().any(|c| matter.contains(c)))
        };
        assert!(!reasons.is_empty() && reasons.iter().any(in_matter), "{text} {reasons:?}");
    }
}

#[test]
fn what_it_never_met_it_leaves_alone() {
    let model = model(1);
    assert_eq!(model.read("xyz ?!"), []);
    assert_eq!(model.read(""), []);
    let doubtful = model.read("电话").pop();
    assert!(doubtful.is_none_or(|verdict| verdict.abstains()), "a word of every label says nothing");
}

#[test]
fn the_same_rows_give_the_same_file() {
    assert_eq!(model(7).bytes(), model(7).bytes());
}

#[test]
fn a_file_comes_back_as_it_was() {
    let model = model(2);
    let back = Model::parse(&model.bytes()).expect("our own file");
    assert_eq!(back, model);
    assert_eq!(back.bytes(), model.bytes());
}

#[test]
fn a_file_that_is_cut_off_anywhere_says_so() {
    let bytes = model(3).bytes();
    let ends = (0..300).chain((300..bytes.len()).step_by(97)).chain([bytes.len() - 1]);
    for end in ends {
        assert_eq!(Model::parse(&bytes[..end]), Err(BadModel::Truncated(end)), "{end} of {}", bytes.len());
    }
}

#[test]
fn other_files_are_told_apart() {
    let bytes = model(3).bytes();
    assert_eq!(Model::parse(b"lmgg, a speech model"), Err(BadModel::Foreign));
    let newer = [&MAGIC[..7], &[2], &bytes[8..]].concat();
    assert_eq!(Model::parse(&newer), Err(BadModel::Version(2)));
    let longer = [&bytes[..], b"x"].concat();
    assert_eq!(Model::parse(&longer), Err(BadModel::Damaged));
    let length = MAX_BYTES as usize + 1;
    assert_eq!(Model::parse(&vec![0; length]), Err(BadModel::TooLarge(length as u64)));
}

#[test]
fn no_text_lies_in_a_file() {
    let bytes = model(4).bytes();
    for piece in MATTERS.iter().flat_map(|(_, matters)| matters).flat_map(|matter| matter.as_bytes().windows(6)) {
        assert!(!bytes.windows(6).any(|window| window == piece));
    }
}

#[test]
fn too_little_teaches_nothing() {
    let manner = Manner::of(Topic::Category);
    assert_eq!(train::head(&lesson(1, 19), manner).map(|_| ()), Err(Untaught::TooFew(19)));
    let mut one = lesson(1, 30);
    one.labels.truncate(1);
    one.examples.iter_mut().for_each(|example| example.label = 0);
    assert_eq!(train::head(&one, manner).map(|_| ()), Err(Untaught::OneLabel));
}

#[test]
fn near_duplicates_stay_in_one_fold() {
    let mut rng = drawn();
    // Texts of characters drawn at random have nothing in common; each comes four times with one part left out.
    let mut text =
        || (0..80).map(|_| char::from_u32(rng.random_range(0x4e00..0x8000)).expect("Han")).collect::<String>();
    let texts: Vec<String> = (0..40).map(|_| text()).collect();
    let part = |text: &str, from: usize| {
        text.chars().enumerate().filter(|(i, _)| !(from..from + 10).contains(i)).map(|(_, c)| c).collect()
    };
    let copies: Vec<String> = texts.iter().flat_map(|text| [0, 20, 40, 60].map(|from| part(text, from))).collect();
    let features: Vec<_> = copies.iter().map(|text: &String| features_of(text)).collect();
    let groups = folds::groups(&features.iter().map(Vec::as_slice).collect::<Vec<_>>());
    for (i, of_one) in groups.chunks(4).enumerate() {
        assert!(of_one.iter().all(|group| *group == i), "{groups:?}");
    }
    let classes: Vec<usize> = (0..160).map(|i| i / 4 % 3).collect();
    let fold_of = folds::folds(&groups, &classes, 5);
    assert!(fold_of.chunks(4).all(|of_one| of_one.iter().all(|fold| *fold == of_one[0])));
    for fold in 0..5 {
        let size = fold_of.iter().filter(|of| **of == fold).count();
        assert!((24..=44).contains(&size), "fold {fold} has {size} of 160");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), head in "[a-z =\\[\\]\n\"0-9]{0,80}") {
        Model::parse(&bytes).ok();
        Model::parse(&[&MAGIC[..], &bytes].concat()).ok();
        let length = (head.len() as u32).to_le_bytes();
        Model::parse(&[&MAGIC[..], &length, head.as_bytes(), &bytes].concat()).ok();
    }

    #[test]
    fn any_text_is_read(text in "\\PC{0,80}|[水管车站学校1a，]{0,80}") {
        static MODEL: std::sync::OnceLock<Model> = std::sync::OnceLock::new();
        let model = MODEL.get_or_init(|| model(5));
        let length = text.chars().count();
        for verdict in model.read(&text) {
            prop_assert!((verdict.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-3);
            prop_assert!(verdict.spans.iter().all(|(start, end)| start < end && *end <= length));
        }
    }
}

/// A damaged file is refused, whichever of its bytes was altered: its model would be nobody's.
#[test]
fn a_changed_byte_is_found() {
    let bytes = model(6).bytes();
    let mut rng = drawn();
    for _ in 0..60 {
        let at = rng.random_range(0..bytes.len());
        let mut changed = bytes.clone();
        changed[at] ^= 1 << rng.random_range(0..8u8);
        assert!(Model::parse(&changed).is_err(), "byte {at}");
    }
}
