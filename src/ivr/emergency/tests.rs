use super::*;
use crate::written::{Faults, Source};
use proptest::prelude::*;

const FILE: &str = r#"
harmless = ["没有着火", "没…着火", "火车"]
[doubt]
before = ["一旦", "如果"]
after = ["隐患"]
[targets]
119 = "sip:119@192.0.2.1"
[[rule]]
name = "gas"
words = ["燃气…漏"]
say = ["outside"]
to = ["119", "sip:gas@192.0.2.2"]
unreached = "dial"
go = "details"
key = "*96777"
topic = "燃气 泄漏"
[[rule]]
name = "fire"
words = ["着火", "冒烟"]
say = "fire"
go = "details"
key = "*119"
kind = "求助"
[[rule]]
name = "suicide"
words = ["跳楼"]
firm = true
say = "stay"
go = "details"
"#;

fn read(text: &str) -> (Rules, Faults) {
    let faults = Faults::default();
    (Rules::read(&Source::new("emergency.toml", text), &faults), faults)
}

fn rules() -> Rules {
    let (rules, faults) = read(FILE);
    assert!(faults.is_empty(), "{faults}");
    rules
}

fn raised(said: &str) -> Option<(String, Vec<String>)> {
    let rules = rules();
    rules.look(said).map(|alarm| (rules.get(alarm.rule).expect("it is one").name.value.clone(), alarm.words))
}

#[test]
fn the_words_that_raise_a_rule_are_named_as_they_were_said() {
    let one = |rule: &str, words: &[&str]| Some((rule.to_owned(), words.iter().map(ToString::to_string).collect()));
    assert_eq!(raised("喂，我家着 火了"), one("fire", &["着 火"]));
    assert_eq!(raised("楼上冒烟了，好像着火了"), one("fire", &["冒烟", "着火"]));
    // The first rule of the file goes before the others: gas first.
    assert_eq!(raised("着火了，燃气管也漏了"), one("gas", &["燃气管也漏"]));
    assert_eq!(raised("我要去火车站"), None);
    assert_eq!(raised(""), None);
}

#[test]
fn what_is_denied_feared_or_elsewhere_is_no_alarm() {
    for said in ["没有着火", "没看见哪里着火", "一旦着火", "如果小区里着火，后果严重", "有着火的隐患"]
    {
        assert_eq!(raised(said), None, "{said}");
    }
    for said in ["没有着火，不对，着火了", "如果不信你来看，着火了", "隐患大了。着火了", "一旦一二三四五六七八九着火"]
    {
        assert!(raised(said).is_some(), "{said}");
    }
    assert!(raised("如果不解决我就跳楼").is_some(), "a firm rule takes a threat for what it is");
}

#[test]
fn an_echo_of_the_machine_is_no_alarm() {
    let rules = rules();
    assert_eq!(rules.look_beside("燃气泄漏请按一", "燃气泄漏，请按1。"), None);
    assert!(rules.look_beside("着火了", "燃气泄漏，请按1。").is_some());
}

#[test]
fn keys_raise_a_rule_once_they_are_the_last() {
    let rules = rules();
    assert_eq!(rules.keyed("210*119").map(|alarm| alarm.rule), Some(1));
    assert_eq!(rules.keyed("*1190"), None);
    assert_eq!(rules.keyed("119"), None);
}

#[test]
fn a_word_that_can_help_nobody_is_a_fault() {
    let harmless = FILE.replacen("\"着火\", \"冒烟\"", "\"着火\", \"冒烟\", \"小火车\"", 1).replacen(
        "\"火车\"",
        "\"小火车站\"",
        1,
    );
    assert!(read(&harmless).1.is_empty(), "a longer word silences only what lies in it");
    for (from, to, fault) in [
        (
            "\"着火\", \"冒烟\"",
            "\"着火\", \"没看着火\"",
            "emergency.toml:19:16: rule[1].words: \"没看着火\" never raises rule \"fire\": a harmless word silences it; \
             leave one of the two out",
        ),
        (
            "\"跳楼\"",
            "\"跳楼\", \"跳…着火\"",
            "emergency.toml:26:16: rule[2].words: \"跳…着火\" raises rule \"fire\", which stands before; leave it out, or put \
             this rule first",
        ),
    ] {
        let said = read(&FILE.replacen(from, to, 1)).1.to_string();
        assert!(said.contains(fault), "{to}: {said}");
    }
}

#[test]
fn a_rule_is_read_whole() {
    let rules = rules();
    let gas = rules.get(0).expect("gas");
    let targets: Vec<&str> = gas.targets.iter().map(|target| target.value.as_str()).collect();
    assert_eq!(targets, ["sip:119@192.0.2.1", "sip:gas@192.0.2.2"]);
    assert_eq!(gas.hints.value.urgency.as_deref(), Some("urgent"));
    assert_eq!(gas.unreached[0].place.line, 13, "one text alone has its key's place");
    assert!(rules.overhears() && !read("overhear = false").0.overhears() && !Rules::default().overhears());
}

#[test]
fn every_fault_is_named_where_it_stands() {
    for (from, to, parts) in [
        ("words = [\"着火\", \"冒烟\"]", "words = [\"火\"]", ["emergency.toml:19:10", "\"火\" is no word to look for"]),
        ("words = [\"跳楼\"]", "words = [\"冒烟\"]", ["emergency.toml:26:10", "stands in this file twice"]),
        ("key = \"*119\"", "key = \"119\"", ["emergency.toml:22:7", "is no emergency key"]),
        ("key = \"*119\"", "key = \"*96777\"", ["emergency.toml:22:7", "cannot be told from *96777 of rule \"gas\""]),
        ("name = \"fire\"", "name = \"gas\"", ["emergency.toml:18:8", "two rules are called \"gas\""]),
        ("say = \"fire\"", "", ["rule[1].say", "the caller would hear nothing"]),
        ("unreached = \"dial\"", "", ["rule[0].unreached", "has to be told what to do"]),
        ("go = \"details\"", "", ["rule[0].go", "missing"]),
        ("\"119\", ", "\"120\", ", ["emergency.toml:12:7", "neither a name of [targets]"]),
        ("words = [\"跳楼\"]", "", ["rule[2].words", "nothing raises this rule"]),
        ("firm = true", "frim = true", ["emergency.toml:27:1", "did you mean firm?"]),
        ("say = \"stay\"", "say = \"请 走\"", ["emergency.toml:28:7", "is no prompt's id"]),
    ] {
        assert!(FILE.contains(from), "{from}");
        let (_, faults) = read(&FILE.replacen(from, to, 1));
        let said = faults.to_string();
        for part in parts {
            assert!(said.contains(part), "{to:?}: {part:?} is not in {said}");
        }
    }
}

proptest! {
    /// The named words stand in the text, and any text may come.
    #[test]
    fn any_text_is_looked_through(said in "([没有一旦如果隐患着火冒烟燃气漏跳楼，。 ]|\\PC){0,60}", spoken in "[着火燃气漏]{0,8}") {
        let rules = rules();
        if let Some(alarm) = rules.look_beside(&said, &spoken) {
            prop_assert!(!alarm.words.is_empty());
            for word in &alarm.words {
                prop_assert!(said.contains(word.as_str()));
                prop_assert!(!folded(&spoken).contains(&folded(word)));
            }
        }
    }
}
