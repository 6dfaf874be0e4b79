mod kinds;

use super::*;
use crate::ivr::talk::By;
use crate::written::Fault;

/// The faults of a flow, in the order of its lines.
fn faults_of(text: &str) -> Vec<String> {
    let faults = Faults::default();
    let flow = Flow::read(&Source::new("f.toml", text), &faults);
    assert_eq!(flow.is_none(), !faults.is_empty(), "a flow with faults is no flow");
    faults.sorted().iter().map(Fault::to_string).collect()
}

const SOUND: &str = r#"
start = "a"
too_long = "bye"
[node.a]
do = "listen"
say = "ask"
no_input = [{ go = "bye" }]
go = "keep"
[node.keep]
do = "file"
go = "bye"
failed = "bye"
[node.bye]
do = "hangup"
say = ["bye", "{number}"]
"#;

#[test]
fn a_small_flow_is_enough() {
    let faults = Faults::default();
    let flow = Flow::read(&Source::new("dir/small.toml", SOUND), &faults);
    assert!(faults.is_empty(), "{faults}");
    let flow = flow.expect("no faults");
    assert_eq!(flow.name(), "small");
    assert_eq!(flow.nodes().collect::<Vec<_>>(), ["a", "keep", "bye"]);
    let prompts: Vec<(u32, &str)> = flow.prompts().iter().map(|p| (p.place.line, p.value.as_str())).collect();
    assert_eq!(prompts, [(6, "ask"), (15, "bye")]);
}

#[test]
fn every_fault_of_a_flow_comes_at_once_with_its_line_and_remedy() {
    let text = r##"start = "hallo"
too_long = "bye"
colour = "red"
[targets]
seat = "tell:12"
[keys]
0 = "seat"
x = "bye"
[node.hello]
do = "say"
say = []
go = "menu"
[node.menu]
do = "menu"
say = ["menu", "{nmae}", "two words", "{unit}"]
wait = "3h"
choice = [
    { key = "1", go = "hello", topics = "water" },
    { key = "1", go = "bye" },
    { key = "x", go = "bye" },
]
no_input = [{ count = 2 }, { count = 2, go = "bye" }]
no_match = [{ go = "bye" }, { say = ["again"] }]
[node.seat]
do = "transfer"
say = ["seat"]
to = "operators"
failed = "bye"
[node.odd]
do = "mneu"
[node.bare]
do = "menu"
say = ["bare"]
no_match = []
[node.bye]
do = "hangup"
"##;
    let found = faults_of(text);
    let expected = [
        r#"f.toml:1:9: start: there is no node "hallo"; did you mean "hello"?"#,
        "f.toml:3:1: colour: unknown key; known here: start, too_long, steps, times, given, targets, hours, duty, keys, words, no_input, no_match, node",
        r#"f.toml:5:8: targets.seat: "tell:12" is no SIP address; write e.g. "sip:seats@192.0.2.1:5060""#,
        r##"f.toml:6:1: keys.x: is no key; write one digit, "*" or "#""##,
        r#"f.toml:11:7: node.hello.say: is empty: the caller would hear nothing; write prompt ids, e.g. ["welcome"]"#,
        "f.toml:15:16: node.menu.say: nothing is known for {nmae}; write one of {greeting} {heard} {number} {state} {unit} {line} {caller} {date} {time} {incident}, or set it",
        r#"f.toml:15:26: node.menu.say: "two words" is no prompt's id; write its text into prompts.toml under a name of letters, digits and -, and that name here"#,
        "f.toml:15:39: node.menu.say: {unit} is known in found and unit of a status node only; remove it",
        r#"f.toml:16:8: node.menu.wait: 10800s is out of range; write "1s" to "60s""#,
        "f.toml:18:32: node.menu.choice[0].topics: unknown key; did you mean topic?",
        "f.toml:19:13: node.menu.choice[1].key: key 1 is taken by a choice above; give it another key",
        r##"f.toml:20:13: node.menu.choice[2].key: "x" is no key; write digits, "*" or "#""##,
        "f.toml:22:28: node.menu.no_input[1].count: counts have to rise; write at least 3, or leave it out",
        "f.toml:23:29: node.menu.no_match: asks for ever: its last entry leads nowhere; give the last entry a go = \"...\"",
        "f.toml:23:29: node.menu.no_match[1].count: is never reached: the entry above leaves the node; remove one of the two",
        r#"f.toml:27:6: node.seat.to: "operators" is neither a name of [targets] nor a SIP address; known names: seat"#,
        r#"f.toml:30:6: node.odd.do: "mneu" is nothing that a node can do; did you mean "menu"?"#,
        r#"f.toml:31:1: node.bare.choice: a menu without choices has no exit; write choice = [{ key = "1", go = "..." }]"#,
        r#"f.toml:31:1: node.bare.no_input: missing, and the flow has none for all nodes; write no_input = [{ go = "..." }] here, or [[no_input]] at the top of the file"#,
        r#"f.toml:31:1: node.bare.no_match: asks for ever: its last entry leads nowhere; give the last entry a go = "...""#,
        r#"f.toml:35:1: node.bye.say: missing: the caller would hear nothing; write say = prompt ids, e.g. ["welcome"]"#,
    ];
    let wrong: Vec<_> = expected.iter().filter(|fault| !found.contains(&(**fault).to_owned())).collect();
    let surplus: Vec<_> = found.iter().filter(|fault| !expected.contains(&fault.as_str())).collect();
    assert!(wrong.is_empty() && surplus.is_empty(), "not reported: {wrong:#?}\nnot expected: {surplus:#?}");
}

#[test]
fn a_node_that_is_missing_and_one_that_nobody_comes_to() {
    let text = SOUND.replace("go = \"keep\"", "go = \"nowhere\"");
    assert_eq!(
        faults_of(&text),
        [
            r#"f.toml:8:6: node.a.go: there is no node "nowhere"; write a section [node.nowhere], or another name"#,
            "f.toml:9:1: node.keep: no call ever comes here; let a node or a key lead to it, or remove it",
        ]
    );
}

#[test]
fn ways_round_for_a_silent_caller_are_refused_each_once() {
    let ways = [
        (
            "go = \"bye\"\nfailed",
            "go = \"keep\"\nfailed",
            "node.keep: who says nothing goes round for ever: keep -> keep",
        ),
        ("{ go = \"bye\" }", "{ go = \"a\" }", "node.a: who says nothing goes round for ever: a -> a"),
        (
            "failed = \"bye\"",
            "failed = \"on\"\n[node.on]\ndo = \"goto\"\ngo = \"off\"\n[node.off]\ndo = \"say\"\nsay = \"x\"\ngo = \"on\"",
            "node.on: who says nothing goes round for ever: on -> off -> on",
        ),
    ];
    for (from, to, expected) in ways {
        let found = faults_of(&SOUND.replace(from, to));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(expected), "{found:?}");
    }
    // A caller who does something may go round: asking again is no fault.
    assert_eq!(faults_of(&SOUND.replace("go = \"keep\"", "go = \"a\"\nkeys = { 1 = \"keep\" }")), [""; 0]);
}

#[test]
fn a_flow_without_nodes_or_with_far_too_many() {
    assert!(faults_of("start = \"a\"\ntoo_long = \"a\"\n")[0].contains("the flow has no nodes"));
    let mut text = "start = \"n0\"\ntoo_long = \"n0\"\n".to_owned();
    for i in 0..1200 {
        text += &format!("[node.n{i}]\ndo = \"hangup\"\nsay = \"bye\"\n");
    }
    assert!(faults_of(&text)[0].contains("more than 1000 nodes"));
}

#[test]
fn a_transfer_says_how_it_is_made() {
    let transfer = |by: &str| {
        format!(
            "start = \"a\"\ntoo_long = \"bye\"\n[node.a]\ndo = \"transfer\"\nsay = \"ask\"\nto = \"sip:seat@192.0.2.1\"\n{by}failed = \"bye\"\n[node.bye]\ndo = \"hangup\"\nsay = \"bye\"\n"
        )
    };
    for (key, expected) in [("", By::Bridge), ("by = \"refer\"\n", By::Refer), ("by = \"attended\"\n", By::Attended)] {
        let faults = Faults::default();
        let flow = Flow::read(&Source::new("f.toml", transfer(key)), &faults);
        assert!(faults.is_empty(), "{faults}");
        let flow = flow.expect("no faults");
        let start = flow.node(flow.start());
        assert!(matches!(start.kind, Kind::Transfer { by, .. } if by == expected), "{key}");
    }
    let faults = faults_of(&transfer("by = \"magic\"\n"));
    assert_eq!(faults, ["f.toml:7:6: node.a.by: \"magic\" is not known; write \"bridge\", \"refer\" or \"attended\""]);
}
