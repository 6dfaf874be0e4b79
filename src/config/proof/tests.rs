//! Whole folders: the shipped one and the example are proven, and each planted fault is named where it stands.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::audio::wav;
use crate::config::{load, load_to_look};

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let into = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&into).expect("mkdir");
            copy(&entry.path(), &into);
        } else {
            fs::copy(entry.path(), into).expect("copy");
        }
    }
}

/// A copy of the shipped folder in which line 12319 follows the example of 43 nodes.
fn with_the_old_menu() -> tempfile::TempDir {
    let temp = tempfile::tempdir().expect("a temporary folder");
    copy(&shipped(), temp.path());
    let example = temp.path().join("examples/flows/old-menu.toml");
    fs::copy(example, temp.path().join("flows/old-menu.toml")).expect("copy");
    let path = temp.path().join("lines.toml");
    let text = fs::read_to_string(&path).expect("lines.toml");
    let at = text.find("number = \"12319\"").expect("the line");
    let (before, after) = text.split_at(at);
    fs::write(&path, before.to_owned() + &after.replacen("flow = \"main\"", "flow = \"old-menu\"", 1)).expect("write");
    temp
}

/// Changes one file of the folder.
fn change(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
    assert!(text.contains(from), "{file} no longer holds {from:?}");
    fs::write(&path, text.replacen(from, to, 1)).expect("write");
}

#[test]
fn the_shipped_flow_and_the_example_of_forty_nodes_are_proven() {
    let temp = with_the_old_menu();
    let config = load(temp.path()).unwrap_or_else(|faults| panic!("{faults}"));
    assert!(config.flows["old-menu"].nodes().count() >= 40);
    assert_eq!(config.proof.findings, []);
    let lines = |flow: &str| config.proof.premises(&config.flows[flow]).lines.len();
    assert_eq!((lines("old-menu"), lines("main")), (1, config.lines.iter().len() - 1));
}

const OLD: &str = "flows/old-menu.toml";

/// In a folder: file, what stands there, what shall stand there; then words of place, fault and remedy.
const PLANTED: &[(&str, &str, &str, [&str; 3])] = &[
    // what one file's reading finds
    (
        OLD,
        "go = \"trees\"",
        "go = \"treees\"",
        ["old-menu.toml:", "there is no node \"treees\"", "did you mean \"trees\"?"],
    ),
    (
        OLD,
        "{ key = \"3\", go = \"stalls\", topic = \"占道经营\", category = \"城管执法\" },",
        "",
        ["node.stalls", "no call ever comes here", "let a node or a key lead to it"],
    ),
    (
        OLD,
        "failed = \"busy\"",
        "failed = \"operator\"",
        ["node.operator", "who says nothing goes round for ever", "lead on to a hangup"],
    ),
    (OLD, "[[no_input]]\ngo = \"request\"", "[[no_input]]", ["no_input", "asks for ever", "give the last entry a go"]),
    (
        OLD,
        "{ key = \"2\", go = \"lamps\"",
        "{ key = \"1\", go = \"lamps\"",
        ["choice[1].key", "key 1 is taken", "another key"],
    ),
    (OLD, "to = \"城建抢修值班\"", "to = \"抢修\"", ["node.repair.to", "neither a name of [targets]", "known names"]),
    (
        OLD,
        "hours = \"repair\"",
        "hours = \"repairs\"",
        ["node.repair-hours.hours", "no opening hours \"repairs\"", "did you mean \"repair\"?"],
    ),
    (
        OLD,
        "\"城建抢修值班\" = \"repair\"",
        "\"值班\" = \"repair\"",
        ["duty.值班", "no name of [targets]", "known names"],
    ),
    (
        OLD,
        "found = [\"last-ticket\"",
        "found = [\"{nubmer}\", \"last-ticket\"",
        ["node.progress.found", "{nubmer}", "write one of"],
    ),
    // what only other files know
    (
        OLD,
        "say = [\"old-manhole\"]",
        "say = [\"old-manhol\"]",
        ["node.manhole.say", "prompt \"old-manhol\" does not exist", "write its text"],
    ),
    (
        OLD,
        "category = \"城管执法\"",
        "category = \"城管\u{98de}碟\"",
        ["old-menu.toml:", "is not in catalogue/", "write a category's name"],
    ),
    (OLD, "kind = \"举报\"", "kind = \"闲聊\"", ["old-menu.toml:", "no type of request", "write one of"]),
    (OLD, "urgency = \"soon\"", "urgency = \"now\"", ["old-menu.toml:", "no urgency", "urgent, soon or ordinary"]),
    (
        OLD,
        "sip:repair@127.0.0.1:5061",
        "sip:repair@desk.example",
        ["targets.城建抢修值班", "cannot be called", "sip:NAME@IP-ADDRESS"],
    ),
    (
        "lines.toml",
        "flow = \"old-menu\"",
        "flow = \"old-men\"",
        ["lines.toml:", "flow \"old-men\" does not exist", "write flows/old-men.toml"],
    ),
    (
        "calendar/2026.toml",
        "to = \"2026-10-07\"",
        "to = \"2026-09-07\"",
        ["2026.toml:", "does not last", "mend one of the dates"],
    ),
    // what is proven of lines, hours and prompts together
    (
        OLD,
        "open = \"repair\"\nclosed = \"details-urgent\"",
        "open = \"details-urgent\"\nclosed = \"repair\"",
        ["node.repair", "nobody is on duty there", "put an hours node before it"],
    ),
    (
        OLD,
        "say = [\"old-repair-busy\"]\ngo = \"details-urgent\"",
        "say = [\"old-repair-busy\"]\ngo = \"goodbye\"",
        ["node.repair-busy", "hung up on", "let it lead to a listen"],
    ),
    (
        OLD,
        "{ key = \"6\", go = \"housing\" }",
        "{ key = \"6\", go = \"housing\" }, { key = \"#\", go = \"housing\" }",
        ["node.root", "no prompt here says what key # does", "请按#"],
    ),
    (
        "prompts/prompts.toml",
        "old-lamps = \"路灯不亮请按1，",
        "old-lamps = \"路灯不亮请按4，",
        ["node.lamps", "says to press 4", "add a choice with key = \"4\""],
    ),
    (
        OLD,
        "[[no_input]]\n[[no_input]]\ngo = \"request\"",
        "[[no_input]]\n[[no_input]]\ngo = \"goodbye\"",
        ["node.root", "hung up on", "let it lead to a listen"],
    ),
    (OLD, "wait = \"5s\"", "wait = \"2s\"", ["node.root", "waits 2 s for an answer", "give people time"]),
    (
        OLD,
        "say = [\"old-busy\"]",
        "say = [\"old-busy\", \"{number}\"]",
        ["node.busy", "no ticket is filed before", "let a file node lead here"],
    ),
    (
        "jiesu.toml",
        "# depth = 3",
        "depth = 2",
        ["node.", "3 menus lie one below the other, at most 2", "let people say it"],
    ),
    ("jiesu.toml", "# choices = 9", "choices = 8", ["node.root", "9 choices, at most 8", "below another menu"]),
    (
        "jiesu.toml",
        "# to_human = \"15s\"",
        "to_human = \"1s\"",
        ["node.greeting", "to a human, at most 1 s", "shorten what is said"],
    ),
    (
        "jiesu.toml",
        "# to_human_listening = \"60s\"",
        "to_human_listening = \"10s\"",
        ["node.greeting", "who listens to the end", "shorten what is said"],
    ),
    (
        "jiesu.toml",
        "# silent = \"4m\"",
        "silent = \"30s\"",
        ["node.greeting", "who says nothing waits", "transfer earlier"],
    ),
    ("jiesu.toml", "# held = \"40s\"", "held = \"5s\"", ["node.number", "cannot be cut short", "barge_in"]),
    ("jiesu.toml", "# question = \"40s\"", "question = \"15s\"", ["node.root", "asks for", "split the question"]),
    (
        "jiesu.toml",
        "# allow = []",
        "allow = [\"deadend\"]",
        ["jiesu.toml:", "there is no rule \"deadend\"", "dead-end"],
    ),
    // units
    (
        "catalogue/units.toml",
        "name = \"燃气集团\"",
        "name = \"燃气公司\"",
        ["town.toml:", "no unit is called 燃气集团", "add a [[unit]]"],
    ),
    // emergencies
    (
        RULES,
        "to = [\"119\", \"operator\"]",
        "to = [\"118\", \"operator\"]",
        ["rule[0].to", "neither a name of [targets]", "known names"],
    ),
    (
        RULES,
        "sip:122@127.0.0.1:5061",
        "sip:122@police.example",
        ["targets.122", "cannot be called", "sip:NAME@IP-ADDRESS"],
    ),
    (RULES, "say = [\"emergency-traffic\"]\n", "", ["rule[9].say", "the caller would hear nothing", "write say"]),
    (
        RULES,
        "unreached = [\"emergency-dial-122\"]\n",
        "",
        ["rule[9].unreached", "has to be told what to do", "write unreached"],
    ),
    (
        RULES,
        "go = \"details-urgent\"\nkey = \"*122\"",
        "go = \"goodbye\"\nkey = \"*122\"",
        [
            "rule[9].go",
            "in flow \"main\" nothing that is said from there on is filed [alarm-unfiled]",
            "details-urgent",
        ],
    ),
    (
        RULES,
        "go = \"details-urgent\"\nkey = \"*122\"",
        "go = \"which-ticket\"\nkey = \"*122\"",
        ["rule[9].go", "flow \"old-menu\" has no node \"which-ticket\"", "write [node.which-ticket]"],
    ),
    (RULES, "key = \"*122\"", "key = \"*119\"", ["rule[9].key", "cannot be told from *119", "another key"]),
    (
        RULES,
        "\"追尾了\", ",
        "\"追尾了\", \"没看着火\", ",
        ["rule[9].words", "never raises rule \"traffic\"", "leave one"],
    ),
    (
        RULES,
        "say = [\"emergency-gas\"]",
        "say = [\"emergency-gas\", \"emergency-gas\", \"emergency-gas\", \"emergency-gas\", \"emergency-gas\"]",
        ["rule[0].say", "cannot be cut short, at most 40 s (held) [held]", "shorten the rest"],
    ),
    (
        OLD,
        "{ key = \"6\", go = \"housing\" }",
        "{ key = \"*119\", go = \"housing\" }",
        ["emergency.toml:", "choice *119 of flow \"old-menu\" never counts: it raises fire [alarm-key]", "another key"],
    ),
    (
        "prompts/prompts.toml",
        "\nemergency-traffic = \"Switch",
        "\nemergency-trafic = \"Switch",
        ["rule[9].say", "prompt \"emergency-traffic\" has no text in language \"en\"", "[language.en.sentences]"],
    ),
];

const RULES: &str = "emergency.toml";

#[test]
fn each_planted_fault_is_named_where_it_stands_with_its_remedy() {
    let temp = with_the_old_menu();
    let mut count = 0;
    for (file, from, to, parts) in PLANTED {
        let path = temp.path().join(file);
        let before = fs::read(&path).expect("a file");
        change(temp.path(), file, from, to);
        let said = load(temp.path()).err().map(|faults| faults.to_string()).unwrap_or_default();
        let line = said.lines().find(|line| parts.iter().all(|part| line.contains(part)));
        assert!(line.is_some(), "{file} {to:?}: {parts:?} is not in {said:?}");
        fs::write(&path, before).expect("write");
        count += 1;
    }
    assert!(count >= 30, "{count}");
    load(temp.path()).unwrap_or_else(|faults| panic!("what was planted was taken out again: {faults}"));
}

#[test]
fn recordings_that_nobody_can_listen_to_are_named() {
    let temp = with_the_old_menu();
    let prompt = temp.path().join("prompts/old-lamps.wav");
    let square: Vec<i16> = (0..8000).map(|i| if i / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
    let files: [(&str, Vec<u8>); 4] = [
        ("it is silent", wav::bytes(&[0; 8000], 8000)),
        ("clipped at full scale", wav::bytes(&square, 8000)),
        ("longer than 180 s", wav::bytes(&[900; 8000 * 181], 8000)),
        ("not a WAV file", b"ID3 music".to_vec()),
    ];
    for (fault, bytes) in files {
        fs::write(&prompt, bytes).expect("write");
        let said = load(temp.path()).err().map(|faults| faults.to_string()).unwrap_or_default();
        assert!(said.contains("old-lamps.wav") && said.contains(fault), "{fault}: {said}");
    }
    fs::remove_file(&prompt).expect("it is there");
    let said = load(temp.path()).err().map(|faults| faults.to_string()).unwrap_or_default();
    assert!(said.contains("old-lamps.wav: this prompt has no recording; run `make prompts`"), "{said}");
}

#[test]
fn what_is_only_said_is_taken_and_what_is_refused_may_be_looked_at() {
    let temp = with_the_old_menu();
    let (from, to) = ("go = \"details-urgent\"\n\n# ---- the request", "go = \"goodbye\"\n\n# ---- the request");
    change(temp.path(), OLD, from, to);
    let refused = load(temp.path()).err().map(|faults| faults.sorted()).unwrap_or_default();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].what.contains("[dead-end]; the way: greeting -> "), "{refused:?}");
    let looked = load_to_look(temp.path()).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(looked.proof.findings.len(), 1);
    change(temp.path(), "jiesu.toml", "# flows = \"refuse\"", "flows = \"say\"");
    assert_eq!(load(temp.path()).unwrap_or_else(|faults| panic!("{faults}")).proof.findings.len(), 1);
    change(temp.path(), "jiesu.toml", "# allow = []", "allow = \"dead-end\"");
    assert_eq!(load(temp.path()).unwrap_or_else(|faults| panic!("{faults}")).proof.findings, []);
}

#[test]
fn a_calendar_that_ends_within_the_year_is_said() {
    let temp = with_the_old_menu();
    let config = load(temp.path()).unwrap_or_else(|faults| panic!("{faults}"));
    let at = |today| Proof { today, ..config.proof.clone() }.remarks(config.flows.values());
    assert_eq!(at(jiff::civil::date(2026, 1, 1)), []);
    let said = at(jiff::civil::date(2026, 11, 27));
    assert_eq!(said.len(), 1, "only the flow that keeps hours: {said:?}");
    let text = said[0].to_string();
    assert!(text.contains("old-menu.toml:") && text.contains("no calendar tells of 2027-01-01"), "{text}");
    assert!(text.contains("write calendar/2027.toml"), "{text}");
}
