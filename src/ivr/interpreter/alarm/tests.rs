//! Emergencies in every state of a flow, by words and by keys; virtual time: nothing waits.

use proptest::prelude::*;

use super::*;
use crate::ivr::talk::{Context, Hints, StatusReport};
use crate::ivr::{Flow, Input as In, Output as Out};
use crate::written::{Faults, Source};

const FLOW: &str = r#"
start = "greeting"
too_long = "bye"
[keys]
0 = "seat"
[node.greeting]
do = "say"
say = ["greeting"]
go = "ask"
[node.ask]
do = "listen"
say = ["ask"]
keys = { 1 = "last", 2 = "menu" }
no_input = [{ go = "bye" }]
go = "check"
[node.check]
do = "confirm"
say = ["said", "{heard}"]
pending = ["recorded"]
no_input = [{ go = "keep" }]
no_match = [{ go = "keep" }]
yes = "keep"
again = "ask"
[node.keep]
do = "file"
go = "number"
failed = "bye"
[node.number]
do = "say"
say = ["{number}"]
barge_in = false
go = "bye"
[node.last]
do = "status"
found = ["{state}"]
other_state = ["other"]
none = "bye"
go = "bye"
[node.menu]
do = "menu"
say = ["menu"]
choice = [{ key = "1", go = "ask", topic = "水" }, { key = "12", go = "ask" }, { key = "*", go = "menu" }]
no_input = [{ go = "bye" }]
no_match = [{ go = "bye" }]
[node.seat]
do = "transfer"
say = ["seat"]
to = "sip:seat@127.0.0.1"
failed = "ask"
[node.bye]
do = "hangup"
say = ["bye"]
"#;

const RULES: &str = r#"
[[rule]]
name = "gas"
words = ["燃气泄漏"]
say = ["outside"]
to = ["sip:119@192.0.2.1", "sip:gas@192.0.2.2"]
unreached = ["dial"]
go = "ask"
key = "*119"
topic = "燃气"
kind = "求助"
[[rule]]
name = "threat"
words = ["扬言"]
say = ["calm"]
go = "ask"
"#;

fn flow() -> Arc<Flow> {
    let faults = Faults::default();
    let flow = Flow::read(&Source::new("test.toml", FLOW), &faults);
    Arc::new(flow.unwrap_or_else(|| panic!("{faults}")))
}

fn rules() -> Arc<Rules> {
    let faults = Faults::default();
    let rules = Rules::read(&Source::new("emergency.toml", RULES), &faults);
    assert!(faults.is_empty(), "{faults}");
    Arc::new(rules)
}

fn call() -> Interpreter {
    Interpreter::new(flow(), Context::default()).watch(rules())
}

fn tell(call: &mut Interpreter, input: In) -> Vec<Out> {
    call.input(input);
    std::iter::from_fn(|| call.poll())
        .filter(|output| !matches!(output, Out::Note(_) | Out::Deadline(_) | Out::Emergency { .. }))
        .collect()
}

fn text(said: &str) -> In {
    In::Heard(Heard::Text(said.to_owned()))
}

fn overheard(said: &str) -> In {
    In::Overheard { text: said.to_owned(), spoken: String::new() }
}

/// Where a call may be, how it comes there, and what is stopped when an emergency takes it away.
fn states() -> Vec<(&'static str, Vec<In>, Option<Out>)> {
    let played = |play| In::PlayDone { play };
    let at_ask = vec![In::Answered, played(1)];
    let with = |more: &[In]| [at_ask.clone(), more.to_vec()].concat();
    let menu = with(&[In::Digit('2')]);
    let check = with(&[played(2), text("路灯坏了")]);
    let found = StatusReport { number: "1".into(), state: "sent".into(), unit: None };
    vec![
        ("a prompt", vec![In::Answered], Some(Out::StopPlay)),
        ("a question", at_ask.clone(), Some(Out::StopPlay)),
        ("listening", with(&[played(2)]), Some(Out::StopListen)),
        ("a menu's prompt", menu.clone(), Some(Out::StopPlay)),
        ("a menu", [menu.clone(), vec![played(3)]].concat(), None),
        ("half a choice", [menu.clone(), vec![played(3), In::Digit('1')]].concat(), None),
        ("read back", check.clone(), Some(Out::StopPlay)),
        ("confirm", [check.clone(), vec![played(3)]].concat(), None),
        ("filing", [check.clone(), vec![In::Digit('1')]].concat(), None),
        ("the number", [check, vec![In::Digit('1'), In::Filed { number: "7".into() }]].concat(), Some(Out::StopPlay)),
        ("looking up", with(&[In::Digit('1')]), None),
        ("the last ticket", with(&[In::Digit('1'), In::Status(Some(found))]), Some(Out::StopPlay)),
        ("transfer's prompt", with(&[In::Digit('0')]), Some(Out::StopPlay)),
        ("ringing", with(&[In::Digit('0'), played(3)]), Some(Out::StopTransfer)),
        ("the last words", with(&[played(2), In::NoInput]), Some(Out::StopPlay)),
    ]
}

fn hints(call: &Interpreter) -> Hints {
    call.hints().clone()
}

/// The ticket is filed before anybody is called, whichever of the announcement and the commit ends first.
#[test]
fn words_raise_a_rule_in_every_state_at_once() {
    for (state, way, stopped) in states() {
        for numbered_first in [true, false] {
            let mut call = call();
            way.iter().for_each(|input| drop(tell(&mut call, input.clone())));
            let listening = call.at == At::Hearing;
            assert!(call.overhears() != listening, "{state}: it is heard one way or the other");
            let said = if listening { text("厨房燃气泄漏了") } else { overheard("厨房燃气泄漏了") };
            let out = tell(&mut call, said);
            let play = call.plays;
            let expected = [
                stopped.clone().into_iter().collect::<Vec<_>>(),
                vec![
                    Out::File { hints: hints(&call), confirmed: call.confirmed },
                    Out::RecordAll,
                    Out::Play { play, say: vec![Say::Prompt("outside".into())], barge_in: false },
                ],
            ];
            assert_eq!(out, expected.concat(), "{state}");
            let raised = (call.hints.topic.as_deref(), call.hints.urgency.as_deref());
            assert_eq!(raised, (Some("燃气"), Some("urgent")), "{state}");
            let transfer = Out::Transfer { target: "sip:119@192.0.2.1".into(), by: By::Bridge };
            let ends = [In::PlayDone { play }, In::Filed { number: "9".into() }];
            let [first, last] = if numbered_first { [1, 0] } else { [0, 1] };
            assert_eq!(tell(&mut call, ends[first].clone()), [], "{state}: not before both");
            assert_eq!(tell(&mut call, ends[last].clone()), [transfer], "{state}");
        }
    }
}

#[test]
fn keys_raise_a_rule_in_every_state() {
    for (state, way, _) in states() {
        let mut call = call();
        way.iter().for_each(|input| drop(tell(&mut call, input.clone())));
        let out: Vec<Out> = "*119".chars().flat_map(|key| tell(&mut call, In::Digit(key))).collect();
        let is_told = |out: &Out| matches!(out, Out::Play { say, .. } if *say == [Say::Prompt("outside".into())]);
        assert!(out.iter().any(is_told), "{state}: {out:?}");
        assert!(matches!(call.at, At::Alarm { rule: 0, .. }), "{state}: {:?}", call.at);
    }
}

#[test]
fn keys_that_did_not_come_in_a_row_are_none() {
    let mut call = call();
    tell(&mut call, In::Answered);
    for input in [In::Digit('*'), In::PlayDone { play: 1 }, In::Digit('2'), In::PlayDone { play: 3 }] {
        tell(&mut call, input);
    }
    tell(&mut call, In::Digit('*'));
    let play = call.plays;
    tell(&mut call, In::PlayDone { play });
    tell(&mut call, In::Deadline);
    "119".chars().for_each(|key| drop(tell(&mut call, In::Digit(key))));
    assert!(!matches!(call.at, At::Alarm { .. }), "{:?}", call.at);
}

#[test]
fn who_is_not_reached_goes_to_the_next_target_and_then_on() {
    let mut call = call();
    tell(&mut call, In::Answered);
    tell(&mut call, overheard("燃气泄漏"));
    tell(&mut call, In::Filed { number: "9".into() });
    tell(&mut call, In::PlayDone { play: 2 });
    // Late and foreign answers change nothing.
    for stray in [In::Deadline, In::PlayDone { play: 2 }, In::NoInput, text("燃气泄漏"), In::Digit('0')] {
        assert_eq!(tell(&mut call, stray), []);
    }
    let next = Out::Transfer { target: "sip:gas@192.0.2.2".into(), by: By::Bridge };
    assert_eq!(tell(&mut call, In::TransferFailed { code: 486 }), [next]);
    let sorry = Out::Play { play: 3, say: vec![Say::Prompt("dial".into())], barge_in: false };
    assert_eq!(tell(&mut call, In::TransferFailed { code: 480 }), [sorry]);
    tell(&mut call, In::PlayDone { play: 3 });
    assert_eq!((call.node(), call.number.as_deref()), ("ask", Some("9")));
    // The same words again are part of what is told now; keys call again.
    tell(&mut call, In::PlayDone { play: 4 });
    tell(&mut call, text("燃气泄漏了"));
    assert_eq!(call.node(), "check");
    "*119".chars().for_each(|key| drop(tell(&mut call, In::Digit(key))));
    assert!(matches!(call.at, At::Alarm { .. }), "{:?}", call.at);
}

#[test]
fn somebody_took_it_and_the_call_ends_with_that_talk() {
    let mut call = call();
    tell(&mut call, In::Answered);
    tell(&mut call, overheard("燃气泄漏"));
    tell(&mut call, In::PlayDone { play: 2 });
    // A store that fails keeps nobody from being called.
    let transfer = Out::Transfer { target: "sip:119@192.0.2.1".into(), by: By::Bridge };
    assert_eq!(tell(&mut call, In::FileFailed), [transfer]);
    assert_eq!(tell(&mut call, In::TransferEnded), [Out::Hangup]);
}

#[test]
fn a_store_that_never_answers_keeps_nobody_waiting() {
    let mut call = call();
    tell(&mut call, In::Answered);
    call.input(overheard("燃气泄漏"));
    call.input(In::PlayDone { play: 2 });
    let waits: Vec<Out> = std::iter::from_fn(|| call.poll()).filter(|out| matches!(out, Out::Deadline(_))).collect();
    assert_eq!(waits.last(), Some(&Out::Deadline(Some(STORE))));
    let transfer = Out::Transfer { target: "sip:119@192.0.2.1".into(), by: By::Bridge };
    assert_eq!(tell(&mut call, In::Deadline), [transfer]);
}

#[test]
fn a_rule_without_targets_announces_and_goes_on() {
    let mut call = call();
    tell(&mut call, In::Answered);
    tell(&mut call, overheard("他扬言要砸店"));
    tell(&mut call, In::Filed { number: "9".into() });
    tell(&mut call, In::PlayDone { play: 2 });
    assert_eq!(call.node(), "ask");
}

#[test]
fn before_the_call_and_after_it_nothing_is_raised() {
    let mut call = call();
    assert!(!call.overhears() && !call.would_alarm("燃气泄漏", ""));
    assert_eq!(tell(&mut call, overheard("燃气泄漏")), []);
    tell(&mut call, In::Answered);
    assert!(call.overhears() && call.would_alarm("燃气泄漏", "") && !call.would_alarm("燃气泄漏", "燃气泄漏请按1"));
    assert_eq!(tell(&mut call, overheard("喂，喂")), [], "what is no emergency is nothing");
    tell(&mut call, In::HungUp);
    assert_eq!(tell(&mut call, overheard("燃气泄漏")), []);
}

fn anything() -> impl Strategy<Value = In> {
    let said = prop_oneof![Just("燃气泄漏"), Just("扬言"), Just("路灯坏了"), Just("")];
    prop_oneof![
        Just(In::Answered),
        prop::sample::select("0129*#".chars().collect::<Vec<_>>()).prop_map(In::Digit),
        said.clone().prop_map(text),
        said.prop_map(overheard),
        Just(In::NoInput),
        Just(In::Filed { number: "7".into() }),
        Just(In::FileFailed),
        Just(In::Status(None)),
        Just(In::TransferFailed { code: 486 }),
        Just(In::TransferEnded),
        Just(In::Deadline),
    ]
}

proptest! {
    /// No more alarms than are allowed, never a call to a target before its ticket was answered for or given up, and
    /// a caller who then only waits is led to the end.
    #[test]
    fn alarms_are_few_and_every_walk_ends(inputs in prop::collection::vec((anything(), any::<bool>()), 0..80)) {
        let mut call = call();
        let (mut alarms, mut unfiled) = (0, false);
        let silence = [In::Deadline, In::NoInput, In::FileFailed, In::Status(None), In::TransferFailed { code: 480 }];
        let rest = silence.iter().cycle().take(400).map(|input| (input.clone(), true));
        call.input(In::Answered);
        for (input, plays) in inputs.into_iter().chain(rest) {
            for input in [Some(input), plays.then_some(In::PlayDone { play: call.plays })].into_iter().flatten() {
                let answers = matches!(input, In::Filed { .. } | In::FileFailed | In::Deadline);
                call.input(input);
                unfiled &= !answers;
                while let Some(output) = call.poll() {
                    match output {
                        Out::RecordAll => {
                            alarms += 1;
                            unfiled = true;
                        }
                        Out::Transfer { target, .. } if !target.contains("seat") => prop_assert!(!unfiled, "{target}"),
                        _ => {}
                    }
                }
            }
        }
        prop_assert!(alarms <= MOST);
        prop_assert_eq!(call.at, At::Over);
    }
}
