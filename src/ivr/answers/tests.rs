use super::*;
use crate::written::{Faults, Source};
use proptest::prelude::*;

const FILE: &str = r#"
[[answer]]
id = "what"
questions = ["12345是什么", "12345是干什么的"]
answer = "是热线。"
source = "国办发〔2020〕53号"
owner = "热线中心"
expires = "2027-12-31"
[[answer]]
id = "how-long"
questions = ["工单多久能办完", "投诉以后几天能有结果", "处理需要多长时间"]
answer = "一般七个工作日。"
source = "x"
owner = "y"
expires = "2026-12-20"
"#;

fn read(text: &str) -> (Answers, Faults) {
    let faults = Faults::default();
    (Answers::read(&[Source::new("answers/a.toml", text)], &faults), faults)
}

fn answers() -> Answers {
    let (answers, faults) = read(FILE);
    assert!(faults.is_empty(), "{faults}");
    answers
}

fn day(text: &str) -> Date {
    text.parse().expect("a day")
}

#[test]
fn the_likest_question_is_found_through_courtesy_and_a_wrong_character() {
    let answers = answers();
    for (said, id) in [
        ("你好，我想问一下12345是什么？", "what"),
        ("请问12345是干什么的呀", "what"),
        ("请问处理需要多长时间", "how-long"),
        ("投诉以后几天能有结过", "how-long"),
    ] {
        let found = answers.find(said, day("2026-11-27")).unwrap_or_else(|| panic!("{said}"));
        assert_eq!(found.answer.id.value, id, "{said}");
        assert!(found.likeness > 0.6, "{said}: {}", found.likeness);
    }
    for said in ["我家停水了", "路灯坏了请派人来修", "", "人"] {
        let likeness = answers.find(said, day("2026-11-27")).map_or(0.0, |found| found.likeness);
        assert!(likeness < 0.4, "{said}: {likeness}");
    }
}

#[test]
fn what_has_expired_is_never_found() {
    let answers = answers();
    let asked = "工单多久能办完";
    assert!(answers.find(asked, day("2026-12-20")).is_some_and(|found| found.answer.id.value == "how-long"));
    assert!(answers.find(asked, day("2026-12-21")).is_none_or(|found| found.answer.id.value != "how-long"));
    let said = |today: &str| answers.aging(day(today)).to_string();
    assert_eq!(said("2026-11-01"), "");
    let soon = said("2026-11-27");
    assert!(soon.contains("a.toml:15:") && soon.contains("in 23 days") && soon.contains("ask y"), "{soon}");
    assert!(said("2026-12-21").contains("expired on 2026-12-20 and is not spoken"));
}

#[test]
fn every_fault_is_named_where_it_stands() {
    for (from, to, parts) in [
        ("id = \"how-long\"", "id = \"what\"", ["a.toml:10:6", "is an answer already"]),
        ("\"工单多久能办完\"", "\"请问12345是什么？\"", ["a.toml:10:6", "also asks for \"what\""]),
        ("source = \"x\"", "", ["answer[1].source", "missing"]),
        ("source = \"x\"", "source = \" \"", ["a.toml:13:10", "is empty"]),
        ("owner = \"y\"", "", ["answer[1].owner", "who keeps it true"]),
        ("2026-12-20", "20 Dec", ["a.toml:15:11", "is no day"]),
        (
            "questions = [\"12345是什么\", \"12345是干什么的\"]",
            "questions = []",
            ["answer[0].questions", "nobody can ask"],
        ),
        ("questions = [\"12345是什么\"", "questions = [\"？\"", ["answer[0].questions", "asks nothing"]),
        ("answer = \"是热线。\"", "answer = \"\"", ["answer[0].answer", "is empty"]),
        ("owner = \"y\"", "owner = \"y\"\nauthor = 1", ["a.toml:15:1", "unknown key"]),
    ] {
        assert!(FILE.contains(from), "{from}");
        let (_, faults) = read(&FILE.replacen(from, to, 1));
        let said = faults.to_string();
        for part in parts {
            assert!(said.contains(part), "{to:?}: {part:?} is not in {said}");
        }
    }
}

#[test]
fn a_question_asks() {
    for said in ["几点上班", "怎么办居住证", "可以吗", "what?", "我想咨询社保"] {
        assert!(asks(said), "{said}");
    }
    assert!(!asks("路灯坏了"));
}

proptest! {
    #[test]
    fn likeness_is_a_share_and_a_question_is_most_like_itself(said in "\\PC{0,60}") {
        let answers = answers();
        if let Some(found) = answers.find(&said, day("2026-11-27")) {
            prop_assert!(found.likeness > 0.0 && found.likeness <= 1.0);
        }
        for answer in answers.iter() {
            for question in &answer.questions {
                let found = answers.find(question, day("2026-11-27")).expect("itself");
                prop_assert!(found.likeness > 0.999 && found.answer == answer);
            }
        }
    }
}
