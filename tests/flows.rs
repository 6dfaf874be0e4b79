//! The shipped flow and lines: conversations as an admin reads them, and the promises that hold for every caller.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiesu::calendar::Calendar;
use jiesu::ivr::{Flow, Lines, SubFlows, script};
use jiesu::written::{Faults, Source};

fn file(path: &str) -> Source {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    Source::new(&path, fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
}

/// A flow that may call the sub-flows beside it.
fn shipped(path: &str) -> Arc<Flow> {
    let faults = Faults::default();
    let subs = SubFlows::read(&[file("config/examples/flows/sub/identity.toml")], &faults);
    let flow = Flow::read_with(&file(path), &subs, &faults);
    assert!(faults.is_empty(), "{faults}");
    Arc::new(flow.expect("it has no faults"))
}

fn calendar() -> Arc<Calendar> {
    let faults = Faults::default();
    let calendar = Calendar::read(&[file("config/calendar/2026.toml")], &faults);
    assert!(faults.is_empty(), "{faults}");
    Arc::new(calendar)
}

/// Flows with the folders of their scripts.
const FLOWS: [(&str, &str); 2] =
    [("config/flows/main.toml", "tests/flows"), ("config/examples/flows/every-kind.toml", "tests/flows/every-kind")];

fn scripts(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut scripts: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder of scripts").map(|e| e.expect("an entry").path()).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "script"));
    scripts.sort();
    scripts
}

#[test]
fn every_script_holds_and_together_they_come_through_every_node() {
    for (flow, folder) in FLOWS {
        let flow = shipped(flow);
        let mut seen = BTreeSet::new();
        let mut failures = Vec::new();
        for path in scripts(folder) {
            match script::run(&flow, &calendar(), &fs::read_to_string(&path).expect("a script")) {
                Ok(nodes) => seen.extend(nodes),
                Err(mismatch) => failures.push(format!("{}: {mismatch}", path.display())),
            }
        }
        assert!(failures.is_empty(), "{}", failures.join("\n"));
        let all: BTreeSet<String> = flow.nodes().map(str::to_owned).collect();
        let missed: Vec<&String> = all.difference(&seen).collect();
        assert!(missed.is_empty(), "no script comes through {missed:?}");
    }
}

/// The example is one to copy from: it has every word that a node may do.
#[test]
fn every_kind_of_node_is_in_the_example_or_its_sub_flow() {
    let text = |path| fs::read_to_string(file(path).file()).expect("an example");
    let both = text("config/examples/flows/every-kind.toml") + &text("config/examples/flows/sub/identity.toml");
    for kind in jiesu::ivr::flow::KINDS {
        assert!(both.contains(&format!("do = \"{kind}\"")), "{kind} is not shown");
    }
}

/// A script that says something else than the flow fails: the runner is no rubber stamp.
#[test]
fn a_script_with_any_line_changed_or_left_out_fails() {
    let all = FLOWS.iter().flat_map(|(flow, folder)| scripts(folder).into_iter().map(|path| (shipped(flow), path)));
    for (flow, path) in all {
        let text = fs::read_to_string(&path).expect("a script");
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let changed = match line.split_whitespace().next() {
                Some("<") => format!("{line} nonsense"),
                Some("=") if line.starts_with("= at") => "= at nowhere".to_owned(),
                Some("=") => "= look-down".to_owned(),
                _ => continue,
            };
            for planted in [changed.as_str(), ""] {
                // A key before the prompt is over may as well be one before the prompt has begun.
                let typed_ahead = lines.get(i + 1).is_some_and(|next| next.starts_with("> !"));
                if planted.is_empty() && (line.starts_with("= at") || typed_ahead) {
                    continue;
                }
                let mut copy = lines.clone();
                copy[i] = planted;
                let result = script::run(&flow, &calendar(), &copy.join("\n"));
                assert!(result.is_err(), "{}:{} may be {planted:?}", path.display(), i + 1);
            }
        }
    }
}

#[test]
fn the_shipped_flow_puts_no_menu_in_front_of_people() {
    let measure = shipped("config/flows/main.toml").measure();
    assert!(measure.ticket_without_menu);
    assert_eq!(measure.keys_to_human, Some(1));
    assert_eq!(measure.depth, 3);
}

fn lines(path: &str) -> Lines {
    let faults = Faults::default();
    let lines = Lines::read(&file(path), &faults);
    assert!(faults.is_empty(), "{faults}");
    lines
}

#[test]
fn the_24_national_lines_of_the_merger_are_shipped() {
    let lines = lines("config/lines.toml");
    let numbers: BTreeSet<&str> = lines.iter().map(|line| line.number.as_str()).collect();
    let whole = "12300 12301 12312 12322 12330 12331 12336 12343 12349 12356 12358 12365 12396 96119";
    let parallel = "12315 12316 12317 12318 12319 12320 12328 12329 12333 12348";
    let expected: BTreeSet<&str> = format!("12345 {whole} {parallel}").leak().split(' ').collect();
    assert_eq!(numbers, expected);
    for emergency in ["110", "119", "120", "122"] {
        assert!(!numbers.contains(emergency));
    }
}

#[test]
fn each_of_68_lines_is_found_in_every_place_and_form() {
    let lines = lines("config/examples/lines-68.toml");
    assert_eq!(lines.iter().count(), 68);
    for line in lines.iter().filter(|line| line.number != "12345") {
        let n = &line.number;
        let forms = [
            n.clone(),
            format!("010{n}"),
            format!("010-{n}"),
            format!("+8610{n}"),
            format!("+86-10-{n}"),
            format!("008610{n}"),
        ];
        for form in forms {
            let old = [form.clone()];
            let ways = [
                lines.choose(Some(&form), None, &[], &[]),
                lines.choose(Some("pilot"), Some(&form), &[], &[]),
                lines.choose(Some("12345"), Some("12345"), &old, &[]),
                lines.choose(Some("+861012345"), None, &[], &old),
            ];
            for chosen in ways {
                assert_eq!(&chosen.line, n, "{form}");
                assert_eq!(chosen.greeting, Some(format!("line-{n}")), "{form}");
                assert_eq!(chosen.flow, "main");
            }
        }
    }
    assert_eq!(lines.texts().len(), 67);
}

/// Whoever has chosen English is spoken to in English from the request to the good-bye, and to the people.
#[test]
fn the_way_of_most_calls_is_said_in_english_too() {
    let faults = Faults::default();
    let texts = jiesu::tts::catalogue::read(&file("config/prompts/prompts.toml"), &faults);
    let flow = shipped("config/flows/main.toml");
    assert_eq!(flow.languages().iter().map(|language| language.value.as_str()).collect::<Vec<_>>(), ["en"]);
    let way = "request request-again not-heard request-hint you-said recorded confirm number-is number-again thanks goodbye \
               filed-later transferring busy-leave-request busy-number-is wrong-key to-a-human slower-louder";
    for id in way.split_whitespace() {
        assert!(flow.prompts().iter().any(|prompt| prompt.value == id), "{id} is not said by the flow");
        let english = texts.get(&format!("en/{id}")).unwrap_or_else(|| panic!("{id} has no English text"));
        assert!(english.is_ascii(), "{id}: {english}");
    }
    assert!(faults.is_empty(), "{faults}");
}
