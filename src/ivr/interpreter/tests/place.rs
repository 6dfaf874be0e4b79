//! The question back: which place, of those that the words leave open.

use super::*;
use crate::ivr::Rules;
use crate::ivr::talk::Place;

const FLOW: &str = r#"
start = "ask"
too_long = "bye"
[words]
"人工" = "bye"
[keys]
0 = "bye"
[[no_input]]
go = "bye"
[node.ask]
do = "listen"
say = ["ask"]
go = "place"
[node.place]
do = "place"
say = ["place-is", "{place:text}", "is-it-that"]
yes = ["是", "对的"]
no = ["不是", "不对"]
go = "keep"
[node.keep]
do = "file"
go = "bye"
failed = "bye"
[node.bye]
do = "hangup"
say = ["bye"]
"#;

fn place(code: &str, name: &str, district: &str) -> Place {
    Place { code: code.to_owned(), name: name.to_owned(), district: district.to_owned() }
}

fn three() -> Vec<Place> {
    vec![place("1", "八里庄街道", "朝阳区"), place("2", "八里庄街道", "海淀区"), place("3", "延庆镇", "延庆区")]
}

/// A caller who has said where, in words that leave `open`.
fn asked(open: Vec<Place>) -> (Interpreter, Vec<Output>) {
    let mut call = call(&flow(FLOW));
    tell(&mut call, Input::Answered);
    tell(&mut call, Input::PlayDone { play: 1 });
    tell(&mut call, Input::Places(open));
    let out = tell(&mut call, Input::Heard(Heard::Text("八里庄停水".to_owned())));
    (call, out)
}

/// The place that it asks for.
fn question(outputs: &[Output]) -> Option<String> {
    outputs.iter().find_map(|output| match output {
        Output::Play { say, .. } => match say.as_slice() {
            [_, Say::Text(place), _] => Some(place.clone()),
            _ => None,
        },
        _ => None,
    })
}

/// What it files: the place, and those that were denied.
fn filed(outputs: &[Output]) -> Option<(Option<String>, Vec<String>)> {
    outputs.iter().find_map(|output| match output {
        Output::File { hints, .. } => Some((hints.place.clone(), hints.elsewhere.clone())),
        _ => None,
    })
}

fn is(place: &str, elsewhere: &[&str]) -> Option<(Option<String>, Vec<String>)> {
    let place = (!place.is_empty()).then(|| place.to_owned());
    Some((place, elsewhere.iter().map(|code| (*code).to_owned()).collect()))
}

#[test]
fn what_is_clear_is_not_asked() {
    let (call, out) = asked(Vec::new());
    assert_eq!((call.node(), filed(&out)), ("keep", is("", &[])));
}

#[test]
fn one_place_after_the_other_and_two_at_most() {
    let (mut call, out) = asked(three());
    assert_eq!(question(&out).as_deref(), Some("朝阳区的八里庄街道"));
    let out = tell(&mut call, Input::Digit('2'));
    assert_eq!(question(&out).as_deref(), Some("海淀区的八里庄街道"));
    assert_eq!(filed(&tell(&mut call, Input::Digit('2'))), is("", &["1", "2"]));
    let (mut call, _) = asked(three());
    tell(&mut call, Input::Digit('2'));
    assert_eq!(filed(&tell(&mut call, Input::Digit('1'))), is("2", &["1"]));
}

#[test]
fn it_is_answered_in_words() {
    let said = [
        ("是的", None),
        ("嗯，对的。", Some(is("1", &[]))),
        ("是", Some(is("1", &[]))),
        ("是海淀的", Some(is("2", &[]))),
        ("延庆镇", Some(is("3", &[]))),
        ("不是，是海淀区的", Some(is("2", &["1"]))),
        ("不，延庆", Some(is("3", &["1"]))),
        ("哪个八里庄", None),
        ("今天天气", None),
    ];
    for (words, expected) in said {
        let (mut call, _) = asked(three());
        tell(&mut call, Input::PlayDone { play: 2 });
        let out = tell(&mut call, Input::Heard(Heard::Text(words.to_owned())));
        // What is no answer is none: the call goes on without one.
        assert_eq!(filed(&out), expected.unwrap_or_else(|| is("", &[])), "{words}");
    }
    let (mut call, _) = asked(three());
    tell(&mut call, Input::PlayDone { play: 2 });
    let out = tell(&mut call, Input::Heard(Heard::Text("不是".to_owned())));
    assert_eq!(question(&out).as_deref(), Some("海淀区的八里庄街道"), "the next one");
}

#[test]
fn silence_another_key_and_a_missing_text_go_on_without_an_answer() {
    let inputs = [Input::NoInput, Input::Heard(Heard::Pending), Input::Digit('7'), Input::Deadline];
    for input in inputs {
        let (mut call, _) = asked(three());
        tell(&mut call, Input::PlayDone { play: 2 });
        let out = tell(&mut call, input.clone());
        assert_eq!(filed(&out), is("", &[]), "{input:?}");
    }
    let (mut call, _) = asked(three());
    tell(&mut call, Input::Digit('0'));
    assert_eq!(call.node(), "bye", "keys of the whole flow count");
}

#[test]
fn who_speaks_again_is_asked_anew_about_the_new_words() {
    let (mut call, _) = asked(three());
    tell(&mut call, Input::Digit('1'));
    tell(&mut call, Input::Places(vec![place("3", "延庆镇", "延庆区")]));
    assert_eq!(call.hints().place, None, "the yes was about other words");
}

#[test]
fn in_an_emergency_nobody_is_asked() {
    let faults = Faults::default();
    let rules = r#"
[[rule]]
name = "fire"
words = ["着火"]
say = ["calm"]
go = "place"
"#;
    let rules = Rules::read(&Source::new("emergency.toml", rules), &faults);
    assert!(faults.is_empty(), "{faults}");
    let mut call = call(&flow(FLOW)).watch(Arc::new(rules));
    tell(&mut call, Input::Answered);
    tell(&mut call, Input::PlayDone { play: 1 });
    tell(&mut call, Input::Places(three()));
    tell(&mut call, Input::Heard(Heard::Text("八里庄着火了".to_owned())));
    tell(&mut call, Input::Filed { number: "7".to_owned() });
    let out = tell(&mut call, Input::PlayDone { play: 2 });
    assert_eq!((question(&out), call.node()), (None, "keep"));
}

proptest! {
    /// Whatever is answered, so many questions are asked at most, and only one of those that were open is filed.
    #[test]
    fn any_answers_end(names in proptest::collection::vec(("[a-e]", "[a-c]区"), 0..6), answers in proptest::collection::vec(prop_oneof![
        proptest::sample::select("0123*#".chars().collect::<Vec<_>>()).prop_map(Input::Digit),
        "[不是a-e区]{0,4}".prop_map(|text| Input::Heard(Heard::Text(text))),
        Just(Input::NoInput), Just(Input::Deadline), (2u32..9).prop_map(|play| Input::PlayDone { play }),
    ], 0..12)) {
        let open: Vec<Place> =
            names.iter().enumerate().map(|(i, (name, district))| place(&i.to_string(), name, district)).collect();
        let codes: Vec<String> = open.iter().map(|place| place.code.clone()).collect();
        let (mut call, mut out) = asked(open);
        for answer in answers {
            out.extend(tell(&mut call, answer));
        }
        // A question may be said again, but there are two of them.
        let mut questions: Vec<Say> = Vec::new();
        for output in &out {
            if let Output::Play { say, .. } = output && say.len() == 3 && !questions.contains(&say[1]) {
                questions.push(say[1].clone());
            }
        }
        prop_assert!(questions.len() <= 2, "{questions:?}");
        let hints = call.hints();
        prop_assert!(hints.place.iter().chain(&hints.elsewhere).all(|code| codes.contains(code)));
        prop_assert!(hints.place.as_ref().is_none_or(|place| !hints.elsewhere.contains(place)));
    }
}
