//! Faults of the kinds of node that are not plain menus, each with its place and remedy.

use super::*;
use crate::ivr::SubFlows;

/// Each fault of a flow that starts at `node.a`, without its place's file.
fn faults(nodes: &str) -> String {
    let head = "start = \"a\"\ntoo_long = \"bye\"\n[[no_input]]\ngo = \"bye\"\n[[no_match]]\ngo = \"bye\"\n[targets]\nseats = \"sip:a@192.0.2.1\"\n[hours.office]\nworkday = \"09:00-17:00\"\n";
    faults_of(&format!("{head}{nodes}[node.bye]\ndo = \"hangup\"\nsay = \"bye\"\n")).join("\n")
}

#[test]
fn each_kind_says_what_is_missing_or_wrong() {
    let cases = [
        ("do = \"collect\"\nsay = \"k\"\ngo = \"bye\"\n", "node.a.into: missing; write the variable"),
        ("do = \"collect\"\nsay = \"k\"\ninto = \"n\"\ngo = \"bye\"\n", "node.a.most: missing; write the most digits"),
        (
            "do = \"collect\"\nsay = \"k\"\ninto = \"N\"\nmost = 3\ngo = \"bye\"\n",
            "\"N\" is no variable; write small letters",
        ),
        ("do = \"collect\"\nsay = \"k\"\ninto = \"line\"\nmost = 3\ngo = \"bye\"\n", "{line} is filled in by the call"),
        (
            "do = \"collect\"\nsay = \"k\"\ninto = \"n\"\nleast = 5\nmost = 3\ngo = \"bye\"\n",
            "5 is more than `most`, 3",
        ),
        ("do = \"collect\"\nsay = \"k\"\ninto = \"n\"\nmost = 99\ngo = \"bye\"\n", "99 is out of range; write 1 to 32"),
        (
            "do = \"collect\"\nsay = \"k\"\ninto = \"n\"\nmost = 3\nend = \"7\"\ngo = \"bye\"\n",
            "\"7\" ends no row of digits",
        ),
        (
            "do = \"collect\"\nsay = \"k\"\ninto = \"n\"\nrule = \"passport\"\nmost = 3\ngo = \"bye\"\n",
            "write \"any\", \"ticket\" or \"identity\"",
        ),
        (
            "do = \"collect\"\nsay = \"k\"\ninto = \"n\"\nmost = 3\nkeys = { 1 = \"bye\" }\ngo = \"bye\"\n",
            "keys.1: key 1 is a digit here; remove it",
        ),
        ("do = \"set\"\ngo = \"bye\"\n", "node.a.do: sets nothing"),
        ("do = \"place\"\nsay = \"{place}\"\n", "node.a.go: missing"),
        ("do = \"place\"\nsay = \"{place}\"\nmost = 9\ngo = \"bye\"\n", "9 is out of range; write 1 to 5"),
        (
            "do = \"place\"\nsay = \"{place}\"\nyes = [\"是\"]\nno = [\"是\"]\ngo = \"bye\"\n",
            "node.a.no: \"是\" is taken by a choice above",
        ),
        ("do = \"say\"\nsay = \"{place}\"\ngo = \"bye\"\n", "nothing is known for {place}"),
        ("do = \"set\"\nvariables = { Name = \"x\" }\ngo = \"bye\"\n", "\"Name\" is no variable"),
        ("do = \"set\"\npace = \"fast\"\ngo = \"bye\"\n", "\"fast\" is not known; write \"normal\" or \"slow\""),
        ("do = \"set\"\nlanguage = \"English\"\ngo = \"bye\"\n", "\"English\" is no language"),
        ("do = \"branch\"\nelse = \"bye\"\n", "node.a.arm: a branch without arms"),
        ("do = \"branch\"\narm = [{ go = \"bye\" }]\nelse = \"bye\"\n", "arm[0].go: asks for nothing"),
        ("do = \"branch\"\narm = [{ load = 1, go = \"bye\" }]\n", "node.a.else: missing"),
        ("do = \"branch\"\narm = [{ load = 101, go = \"bye\" }]\nelse = \"bye\"\n", "101 is out of range"),
        (
            "do = \"branch\"\narm = [{ time = \"9-5\", go = \"bye\" }]\nelse = \"bye\"\n",
            "\"9-5\" is no span of the day",
        ),
        (
            "do = \"branch\"\narm = [{ caller = \"abc\", go = \"bye\" }]\nelse = \"bye\"\n",
            "\"abc\" is none; write first digits",
        ),
        ("do = \"branch\"\narm = [{ is = \"x\", go = \"bye\" }]\nelse = \"bye\"\n", "arm[0].is: of nothing"),
        ("do = \"branch\"\narm = [{ variable = \"v\", go = \"bye\" }]\nelse = \"bye\"\n", "nothing is known for {v}"),
        ("do = \"hours\"\nhours = \"ofice\"\nopen = \"bye\"\nclosed = \"bye\"\n", "did you mean \"office\"?"),
        ("do = \"hours\"\nhours = \"office\"\nopen = \"bye\"\n", "node.a.closed: missing"),
        (
            "do = \"queue\"\nsay = \"q\"\nto = \"sip:a@192.0.2.1\"\nfailed = \"bye\"\n",
            "\"sip:a@192.0.2.1\" is no name of [targets]; known names: seats",
        ),
        ("do = \"sub\"\nflow = \"idd\"\ngo = \"bye\"\n", "there is no sub-flow \"idd\"; write flows/sub/idd.toml"),
        ("do = \"return\"\n", "nobody has called this flow"),
        (
            "do = \"menu\"\nsay = \"m\"\nchoice = [{ key = \"#\", words = \"人工\", go = \"bye\" }]\n",
            "key # ends what is said here",
        ),
        (
            "do = \"menu\"\nsay = \"m\"\nchoice = [{ key = \"1\", words = \"人工\", go = \"bye\" }, { key = \"2\", words = [\"人工。\"], go = \"bye\" }]\n",
            "\"人工。\" is taken by a choice above",
        ),
        (
            "do = \"listen\"\nsay = \"m\"\nintent = [{ words = \"！\", go = \"bye\" }]\ngo = \"bye\"\n",
            "intent[0].words: is no word",
        ),
        (
            "do = \"listen\"\nsay = \"m\"\nintent = [{ go = \"bye\" }]\ngo = \"bye\"\n",
            "nothing that a caller could say",
        ),
        (
            "do = \"say\"\nsay = \"{name:daet}\"\ngo = \"bye\"\n",
            "\"daet\" is no way to speak a variable; write one of count, date, time, text",
        ),
        ("do = \"say\"\nsay = \"您的{name\"\ngo = \"bye\"\n", "has a brace too many"),
        ("do = \"say\"\nsay = \"您的{number}\"\ngo = \"bye\"\n", "in a text write variables of set and collect nodes"),
        ("do = \"say\"\nsay = \"text: \"\ngo = \"bye\"\n", "an empty text"),
        ("do = \"say\"\nsay = \"您的{name}\"\ngo = \"bye\"\n", "nothing is known for {name}"),
        ("do = \"say\"\nsay = \"en/two words\"\ngo = \"bye\"\n", "is no prompt's id"),
    ];
    for (node, expected) in cases {
        let found = faults(&format!("[node.a]\n{node}"));
        assert!(found.contains(expected), "{node}\nis not {expected:?} but:\n{found}");
        assert!(found.starts_with("f.toml:"), "{found}");
    }
    let named = faults("[node.\"a/b\"]\ndo = \"goto\"\ngo = \"bye\"\n");
    assert!(named.contains("a node cannot be named \"a/b\""), "{named}");
}

#[test]
fn hours_that_are_never_open_and_unknown_keys_in_them() {
    let text = SOUND.replace("[node.a]", "[hours.x]\nwrokday = \"1-2\"\n[node.a]");
    let found = faults_of(&text).join("\n");
    assert!(found.contains("hours.x.workday: never open") && found.contains("did you mean workday?"), "{found}");
}

const ASK: &str = "start = \"ask\"\n[[no_input]]\ngo = \"end\"\n[[no_match]]\ngo = \"end\"\n\
    [node.ask]\ndo = \"listen\"\nsay = \"sub-ask\"\ngo = \"end\"\n[node.end]\ndo = \"return\"\n";

fn calling(subs: &[(&str, &str)]) -> (Option<Flow>, Vec<String>) {
    let faults = Faults::default();
    let sources: Vec<Source> = subs.iter().map(|(name, text)| Source::new(format!("sub/{name}.toml"), *text)).collect();
    let subs = SubFlows::read(&sources, &faults);
    let text = SOUND.replace("go = \"keep\"", "go = \"who\"\n[node.who]\ndo = \"sub\"\nflow = \"who\"\ngo = \"keep\"");
    let flow = Flow::read_with(&Source::new("f.toml", text), &subs, &faults);
    (flow, faults.sorted().iter().map(Fault::to_string).collect())
}

#[test]
fn a_sub_flows_nodes_stand_behind_the_node_that_calls_it() {
    let (flow, faults) = calling(&[("who", ASK)]);
    assert_eq!(faults, [""; 0]);
    let flow = flow.expect("no faults");
    assert_eq!(flow.nodes().collect::<Vec<_>>(), ["a", "who", "keep", "bye", "who/ask", "who/end"]);
    let prompt = flow.prompts().iter().find(|prompt| prompt.value == "sub-ask").expect("its prompts are the flow's");
    assert_eq!((prompt.place.file.to_str(), prompt.place.line), (Some("sub/who.toml"), 8));
}

#[test]
fn faults_of_a_sub_flow_are_told_in_its_own_file() {
    let loose = ASK.replace("go = \"end\"\n[node.end]", "go = \"edn\"\n[node.end]");
    let (_, faults) = calling(&[("who", &loose)]);
    assert_eq!(faults, ["sub/who.toml:9:6: node.ask.go: there is no node \"who/edn\"; did you mean \"who/end\"?"]);
    // One that never returns leaves the caller's next node alone.
    let ends = ASK.replace("do = \"return\"", "do = \"hangup\"\nsay = \"bye\"");
    let (_, faults) = calling(&[("who", &ends)]);
    assert_eq!(
        faults,
        ["f.toml:13:1: node.keep: no call ever comes here; let a node or a key lead to it, or remove it"]
    );
    let (_, faults) = calling(&[("who", &format!("steps = 9\n{ASK}"))]);
    assert!(faults[0].contains("steps: unknown key"), "{faults:?}");
}

#[test]
fn a_sub_flow_that_calls_itself_is_refused() {
    let who = ASK.replace("do = \"listen\"\nsay = \"sub-ask\"", "do = \"sub\"\nflow = \"other\"");
    let other = who.replace("\"other\"", "\"who\"");
    let (flow, faults) = calling(&[("who", &who), ("other", &other)]);
    assert!(flow.is_none());
    assert!(faults.join("\n").contains("the sub-flow calls itself: who -> other -> who"), "{faults:?}");
}

#[test]
fn sub_flows_that_call_each_other_often_do_not_fill_the_memory() {
    // Each level calls the next one twice: 2^20 copies.
    let level = |i: usize| {
        format!(
            "start = \"a\"\n[node.a]\ndo = \"sub\"\nflow = \"n{0}\"\ngo = \"b\"\n[node.b]\ndo = \"sub\"\nflow = \"n{0}\"\ngo = \"c\"\n[node.c]\ndo = \"return\"\n",
            i + 1
        )
    };
    let texts: Vec<(String, String)> =
        (0..20).map(|i| (if i == 0 { "who".to_owned() } else { format!("n{i}") }, level(i))).collect();
    let subs: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let (flow, faults) = calling(&subs);
    assert!(flow.is_none());
    assert!(faults.join("\n").contains("more than 1000 nodes"), "{} faults", faults.len());
}
