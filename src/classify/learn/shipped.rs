//! The model that ships, with the catalogue that ships; on sentences of our own, and on the labelled messages where they
//! are.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::*;
use crate::catalogue::{Catalogue, Places, Urgency};
use crate::classify::{Field, Hint, UNSORTED, Understood, classify};
use crate::written::{Faults, Source};

const PHRASES: &str = include_str!("../../../tests/classify/phrases.tsv");
const SENTENCES: &str = include_str!("../../../tests/classify/sentences.csv");

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn sources(folder: &str) -> Vec<Source> {
    let entries = std::fs::read_dir(file("config").join(folder)).expect("it ships");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    files.sort();
    files.iter().map(|file| Source::new(file, std::fs::read_to_string(file).expect("it is text"))).collect()
}

fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| {
        Model::parse(&std::fs::read(file("models/classify.jlm")).expect("it ships")).expect("it is a model of ours")
    })
}

/// The catalogue with the model as its second reader, and the places.
fn shipped() -> &'static (Catalogue, Places) {
    static SHIPPED: OnceLock<(Catalogue, Places)> = OnceLock::new();
    SHIPPED.get_or_init(|| {
        let faults = Faults::default();
        let mut catalogue = Catalogue::read(&sources("catalogue"), &faults);
        let places = Places::read(&sources("places"), &faults);
        let learned = Learned::new(model().clone(), &catalogue, &[]).expect("its labels are the catalogue's");
        catalogue.set_second(Arc::new(learned));
        assert!(faults.is_empty(), "{faults}");
        (catalogue, places)
    })
}

fn read(text: &str) -> Understood {
    let (catalogue, places) = shipped();
    classify(catalogue, places, text, &Hint::default())
}

/// Label and text of each of our sentences.
fn sentences() -> Vec<(&'static str, &'static str)> {
    SENTENCES.lines().skip(1).map(|line| line.split_once(',').expect("two cells")).collect()
}

#[test]
fn its_card_says_where_it_comes_from() {
    let card = &model().card;
    assert!(card.name.starts_with("classify-") && card.date.len() == 10 && card.data.len() == 64, "{card:?}");
    assert!(card.rows > 9_000 && card.scores["category.f1"] > 0.9, "{card:?}");
    let bytes = std::fs::metadata(file("models/classify.jlm")).expect("it ships").len();
    assert!(bytes <= 2 << 20, "{bytes} bytes");
}

/// The gate that runs everywhere: a model that has forgotten what it knew does not ship.
#[test]
fn our_sentences_get_their_categories() {
    let learned = |text: &str| {
        let verdicts = model().read(text);
        verdicts.iter().find(|v| v.head.topic == Topic::Category).map(|v| v.name().to_owned())
    };
    let wrong: Vec<_> =
        sentences().into_iter().filter(|(label, text)| learned(text).as_deref() != Some(label)).collect();
    assert!(wrong.len() <= 4, "by the model alone: {} wrong of {}: {wrong:#?}", wrong.len(), sentences().len());
    let wrong: Vec<_> = sentences().into_iter().filter(|(label, text)| read(text).category[0] != *label).collect();
    assert!(wrong.len() <= 4, "with the words: {} wrong of {}: {wrong:#?}", wrong.len(), sentences().len());
}

#[test]
fn the_demonstrations_phrases_stay_right() {
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
fn what_says_nothing_is_still_not_sorted() {
    for text in ["", "喂", "你好", "嗯嗯", "，。！", "abc 123", "体育馆路街道", "啊啊啊啊啊啊啊啊"]
    {
        let understood = read(text);
        assert_eq!(
            (&understood.category, understood.urgency),
            (&[UNSORTED; 3].map(str::to_owned), Urgency::Ordinary),
            "{text}"
        );
    }
}

/// It knows seven of fifteen categories: the words must still win where the matter is one of the other eight.
#[test]
fn what_it_never_learned_is_left_to_the_words() {
    let others = [
        (
            "农村农业",
            "我们村的承包地确权发证的时候，把我家三亩水田写到邻居名下去了，村委会不肯改，镇里农经站让我找村里，种粮补贴今年也没有打到我的卡上",
        ),
        (
            "政法",
            "我家昨天晚上被盗，小偷撬门进来拿走了两万块钱现金和首饰，去派出所报案，民警只登记了一下，到现在没有立案，也没有人来看现场",
        ),
        (
            "民政",
            "我父亲八十二岁，肢体残疾二级，家里没有别的收入，低保申请交上去四个月了民政所没有回音，残疾人的护理补贴也停发了，想问怎么申请救助",
        ),
        (
            "国土资源",
            "征地的时候没有公示，土地征收补偿标准比隔壁村低了一半，补偿款说三个月内到账，现在一年了还没有发，宅基地的审批也停了",
        ),
        (
            "纪检监察",
            "实名举报我们村的支书贪污集体的钱，把亲戚的名字写进贫困户，收受包工头的贿赂，请纪委来查账，账目从来没有公开过",
        ),
    ];
    let wrong: Vec<_> = others.iter().filter(|(label, text)| read(text).category[0] != *label).collect();
    let said: Vec<_> =
        wrong.iter().map(|(label, text)| (label, read(text).category, model().read(text)[0].confidence())).collect();
    assert!(wrong.len() <= 1, "{said:?}");
}

#[test]
fn evidence_names_the_model_and_its_words() {
    let (_, text) = sentences()[24];
    let understood = read(text);
    let of = understood.evidence.iter().find(|evidence| evidence.field == Field::Category).expect("one a field");
    assert_eq!(of.model.as_deref(), Some(&*model().card.name));
    assert!(!of.words.is_empty());
    let characters: Vec<char> = text.chars().collect();
    for words in &of.words {
        assert_eq!(words.text, characters[words.start..words.end].iter().collect::<String>());
    }
}

#[test]
fn labels_that_the_catalogue_calls_otherwise() {
    let catalogue = Catalogue::default();
    let none = Learned::new(model().clone(), &catalogue, &[]).expect_err("an empty catalogue knows none");
    assert!(none.to_string().contains("[classify] labels"), "{none}");
    let (catalogue, _) = shipped();
    let renamed = [("交通运输".to_owned(), "no such thing".to_owned())];
    let none = Learned::new(model().clone(), catalogue, &renamed).expect_err("that is none");
    assert!(none.to_string().starts_with("category \"no such thing\" is not in catalogue/"), "{none}");
}

/// Labelled texts beside the repository (or where JIESU_SHARED says); `None`, said aloud, where they are not.
fn held_out(name: &str, label: &str) -> Option<Vec<(String, String)>> {
    let shared = std::env::var_os("JIESU_SHARED").map_or_else(|| file("../shared"), PathBuf::from);
    let dev = shared.join("data").join(name);
    match std::fs::read_to_string(&dev) {
        Ok(text) => Some(rows(&text, label)),
        Err(_) => {
            println!("SKIPPED: {} is not here; only our own sentences were asked", dev.display());
            None
        }
    }
}

/// The figures of one head on held-out texts: by the model alone (F1, accuracy, calibration error), then with the words
/// (F1, accuracy).
fn figures(topic: Topic, rows: &[(String, String)], told: impl Fn(&Understood) -> String) -> ([f64; 3], [f64; 2]) {
    let mut labels: Vec<String> = Vec::new();
    let mut number = |label: &str| {
        labels.iter().position(|known| known == label).unwrap_or_else(|| {
            labels.push(label.to_owned());
            labels.len() - 1
        })
    };
    let right: Vec<usize> = rows.iter().map(|(label, _)| number(label)).collect();
    // What no row is said to be is only ever wrong; it costs the row's own label its hit.
    let count = 1 + right.iter().max().expect("there are rows");
    let (mut alone, mut both, mut sure) = (Vec::new(), Vec::new(), Vec::new());
    for ((_, text), right) in rows.iter().zip(&right) {
        let verdicts = model().read(text);
        let learned = verdicts.iter().find(|verdict| verdict.head.topic == topic).expect("it knows some feature");
        alone.push(number(learned.name()));
        sure.push((learned.confidence(), alone.last() == Some(right)));
        both.push(number(&told(&read(text))));
    }
    let of = |told: &[usize]| [score::macro_f1(told, &right, count), score::accuracy(told, &right)];
    let [f1, accuracy] = of(&alone);
    ([f1, accuracy, calibrate::expected_error(&sure)], of(&both))
}

/// The bounds that the shipped model keeps on messages that it has not learned from.
#[test]
fn the_held_out_messages() {
    let Some(rows) = held_out("complaints/dev.csv", "label") else { return };
    let (alone, both) = figures(Topic::Category, &rows, |understood| understood.category[0].clone());
    println!("category of {} texts: alone {alone:.4?}, with the words {both:.4?}", rows.len());
    assert!(alone[0] >= 0.895 && alone[2] <= 0.035 && both[0] >= 0.895, "{alone:?} {both:?}");
}

#[test]
fn the_held_out_requests() {
    let Some(rows) = held_out("requests/dev.csv", "type") else { return };
    let (alone, both) = figures(Topic::Type, &rows, |understood| understood.kind.clone());
    println!("type of {} texts: alone {alone:.4?}, with the words {both:.4?}", rows.len());
    assert!(alone[1] >= 0.83, "{alone:?} {both:?}");
}

/// Label and text of a table.
fn rows(text: &str, label: &str) -> Vec<(String, String)> {
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
    let column = |name: &str| rows[0].iter().position(|head: &String| head == name).expect("the file has it");
    let (label, title, body) = (column(label), column("title"), column("text"));
    rows[1..].iter().map(|row| (row[label].clone(), format!("{}。{}", row[title], row[body]))).collect()
}
