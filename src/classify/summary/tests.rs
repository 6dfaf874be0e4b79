use proptest::prelude::*;

use super::*;
use crate::classify::PlaceMatch;
use crate::shown::steers;

/// What the words `words` of `text` say for `field`, as the classifier tells it.
fn evidence(text: &str, field: Field, words: &str) -> Evidence {
    let at = text.find(words).expect("the text has them");
    let start = text[..at].chars().count();
    let words = Words { text: words.to_owned(), start, end: start + words.chars().count() };
    Evidence { field, confidence: 0.9, words: vec![words], model: None, asked: false }
}

fn understood(text: &str, place: &str, object: &str) -> Understood {
    let mut evidences = Vec::new();
    if !place.is_empty() {
        evidences.push(evidence(text, Field::Place, place));
    }
    if !object.is_empty() {
        evidences.push(evidence(text, Field::Category, object));
    }
    let street = PlaceMatch { code: "1".into(), name: "甲街道".into(), district: "乙区".into(), confidence: 0.9 };
    Understood {
        evidence: evidences,
        confidence: 0.9,
        place: (!place.is_empty()).then_some(street),
        ..Understood::default()
    }
}

fn facts(text: &str, kind: Kind) -> Vec<(String, bool)> {
    let summary = summarise(text, &Understood::default());
    summary.facts.into_iter().filter(|f| f.fact == kind).map(|f| (f.words.text, f.sure)).collect()
}

#[test]
fn a_title_says_where_and_what() {
    for (text, place, object, title) in [
        ("喂你好,柳林街道花园小区12号楼水管爆裂了,请尽快处理", "柳林街道", "水管", "柳林街道水管爆裂了"),
        ("柳林街道12号楼的路灯坏了好几天", "柳林街道", "路灯", "柳林街道12号楼路灯坏了好几天"),
        ("下水道堵了,地址是柳林街道3号", "柳林街道", "下水道", "柳林街道3号下水道堵了"),
        ("你好,我想问一下,社保怎么转移", "", "社保", "社保怎么转移"),
        ("你好,谢谢", "", "", ""),
        ("", "", "", ""),
    ] {
        let summary = summarise(text, &understood(text, place, object));
        if place.is_empty() || !text.contains("花园小区") {
            assert_eq!(summary.title, title, "{text}");
        } else {
            assert!(
                summary.title.starts_with("柳林街道") && summary.title.ends_with("水管爆裂了"),
                "{}",
                summary.title
            );
        }
    }
}

#[test]
fn a_long_address_loses_its_district_and_not_its_house() {
    let text = "朝阳区望京街道花家地北里12号楼3单元漏水";
    let mut understood = understood(text, "望京街道", "漏水");
    understood.evidence.push(evidence(text, Field::Place, "朝阳区"));
    understood.evidence.push(evidence(text, Field::Place, "花家地北里"));
    assert_eq!(summarise(text, &understood).title, "望京街道花家地北里12号楼3单元漏水");
}

#[test]
fn an_address_goes_on_to_the_door() {
    let text = "在柳林街道12号楼三单元五层漏水";
    let summary = summarise(text, &understood(text, "柳林街道", "漏水"));
    let place = summary.facts.iter().find(|fact| fact.fact == Kind::Place).expect("it is named");
    assert_eq!(place.words.text, "柳林街道12号楼三单元五层");
    assert!(place.sure);
}

#[test]
fn times_are_sure_where_they_are_exact() {
    for (text, expected) in [
        ("昨天晚上8点半停的水", vec![("昨天晚上8点半", true)]),
        ("11月3日开始,已经三个星期了", vec![("11月3日", true), ("三个星期", true)]),
        ("最近老是停电", vec![("最近", false)]),
        ("12号楼3单元", vec![]),
        ("星期三下午来过", vec![("星期三下午", true)]),
        ("早上六点二十分", vec![("早上六点二十分", true)]),
    ] {
        let expected: Vec<(String, bool)> = expected.into_iter().map(|(t, sure)| (t.to_owned(), sure)).collect();
        assert_eq!(facts(text, Kind::Time), expected, "{text}");
    }
}

#[test]
fn what_is_wanted_and_whom_to_call() {
    assert_eq!(facts("垃圾没人收,希望尽快清走,谢谢", Kind::Wanted), [("希望尽快清走".to_owned(), true)]);
    assert_eq!(facts("能不能派人来看看", Kind::Wanted), [("能不能派人来看看".to_owned(), false)]);
    assert_eq!(facts("我的电话是13900001234", Kind::Contact), [("13900001234".to_owned(), true)]);
    assert_eq!(facts("物业电话01088886666没人接", Kind::Contact), [("01088886666".to_owned(), false)]);
    let spoken = facts("联系电话幺三九零零零零一二三四,我姓王", Kind::Contact);
    assert_eq!(spoken, [("幺三九零零零零一二三四".to_owned(), true), ("王".to_owned(), true)]);
    assert!(facts("编号123456789012345", Kind::Contact).is_empty());
}

proptest! {
    /// Nothing is invented: every fact stands in the text where it says, and the title is two pieces of it.
    #[test]
    fn every_word_stands_in_the_text(
        text in prop_oneof!["\\PC{0,80}", "([柳林街道12号楼昨天晚上八点半希望我姓王叫139的,。 幺零]|13900001234|水管|\n){0,60}"],
        place in (0usize..60, 0usize..60),
        object in (0usize..60, 0usize..60),
    ) {
        let chars: Vec<char> = text.chars().collect();
        let evidence = |field, (start, end): (usize, usize)| {
            let words = Words { text: String::new(), start, end };
            Evidence { field, confidence: 0.9, words: vec![words], model: None, asked: false }
        };
        let understood = Understood {
            evidence: vec![evidence(Field::Place, place), evidence(Field::Category, object)],
            ..Understood::default()
        };
        let summary = summarise(&text, &understood);
        for fact in &summary.facts {
            let Words { text: words, start, end } = &fact.words;
            prop_assert!(start < end);
            prop_assert_eq!(words, &chars[*start..*end].iter().collect::<String>());
        }
        // A title is one line, also where the place's words go over two.
        let chars: Vec<char> = chars.into_iter().filter(|c| !steers(*c)).collect();
        let title: Vec<char> = summary.title.chars().collect();
        prop_assert!(title.len() <= MAX_TITLE);
        let stands = |part: &[char]| part.is_empty() || chars.windows(part.len()).any(|window| window == part);
        prop_assert!((0..=title.len()).any(|cut| stands(&title[..cut]) && stands(&title[cut..])), "{}", summary.title);
    }
}
