//! A flow in the hands of an admin: refused while it is not proven, yet shown, drawn, tested and compared.

use std::fs;
use std::path::Path;

use crate::house::{Plan, cli, draw, folder, root};

const MAIN: &str = "flows/main.toml";

/// A folder that asks for proofs, as the shipped one does.
fn strict() -> tempfile::TempDir {
    folder(&Plan { edits: vec![("# flows = \"refuse\"".into(), "flows = \"refuse\"".into())], ..Plan::default() })
}

/// Changes the flow; gives the line of the node that is named.
fn change(folder: &Path, from: &str, to: &str, node: &str) -> usize {
    let path = folder.join(MAIN);
    let text = fs::read_to_string(&path).expect("the shipped flow");
    assert!(text.contains(from), "the shipped flow no longer has {from:?}");
    let text = text.replacen(from, to, 1);
    fs::write(&path, &text).expect("write");
    let head = format!("[node.{node}]");
    text.lines().position(|line| line.starts_with(&head)).expect("the node is there") + 1
}

fn told(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let out = cli(folder, args);
    let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
    (out.status.code(), text)
}

#[test]
fn a_flow_that_is_not_proven_is_refused_and_can_be_looked_at() {
    let (old, new) = (strict(), strict());
    let scripts = root().join("tests/flows").display().to_string();
    assert_eq!(told(new.path(), &["check"]).0, Some(0));
    let (code, said) = told(new.path(), &["flow", "test", &scripts]);
    assert_eq!(code, Some(0), "{said}");
    // Who has no ticket was asked for their request; now they are hung up on.
    let from = "say = [\"no-ticket\"]\ngo = \"request\"";
    let line = change(new.path(), from, "say = [\"no-ticket\"]\ngo = \"goodbye\"", "no-ticket");
    let (code, said) = told(new.path(), &["check"]);
    assert_eq!(code, Some(1), "{said}");
    let named = format!("main.toml:{line}:");
    assert!(said.contains(&named) && said.contains("[dead-end]; the way: greeting -> "), "{said}");
    assert_eq!(told(new.path(), &["serve"]).0, Some(64));
    let (code, said) = told(new.path(), &["flow", "show"]);
    assert!(code == Some(0) && said.contains("goodbye"), "{said}");
    let picture = new.path().join("flow.svg");
    assert_eq!(told(new.path(), &["flow", "graph", "-o", &picture.display().to_string()]).0, Some(0));
    let svg = fs::read_to_string(&picture).expect("the picture");
    let flow = fs::read_to_string(new.path().join(MAIN)).expect("the flow");
    let boxes = svg.matches("class=\"name\"").count();
    assert_eq!(boxes, flow.lines().filter(|line| line.starts_with("[node.")).count(), "a box for each node");
    let (code, said) = told(new.path(), &["flow", "test", &scripts]);
    assert!(code == Some(1) && said.contains("no-ticket.script:"), "{said}");
    let folders = [old.path().display().to_string(), new.path().display().to_string()];
    let (code, said) = told(new.path(), &["flow", "diff", &folders[0], &folders[1]]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("在「no-ticket」接着 到 挂断 goodbye(原来 听取诉求 request)"), "{said}");
    assert_eq!(told(new.path(), &["flow", "diff", &folders[0], &folders[0]]).0, Some(0));
}

#[test]
fn a_key_that_is_said_and_does_nothing_is_found_where_it_is_drawn() {
    let folder = strict();
    let choices = ["water", "power", "gas", "heat"];
    let drawn = choices[draw(choices.len() as u64) as usize];
    let key = 1 + choices.iter().position(|choice| *choice == drawn).expect("it was drawn");
    // The prompt still says the old key.
    let from = format!("{{ key = \"{key}\", go = \"{drawn}\"");
    let line = change(folder.path(), &from, &format!("{{ key = \"9\", go = \"{drawn}\""), "utilities");
    let (code, said) = told(folder.path(), &["check"]);
    assert_eq!(code, Some(1), "{said}");
    let at = format!("main.toml:{line}:");
    let found = |what: &str| said.lines().any(|line| line.contains(&at) && line.contains(what));
    assert!(found(&format!("says to press {key}")) && found("no prompt here says what key 9 does"), "{said}");
}

/// Kept versions are compared by their numbers, with the folder, and with the time at which one is planned.
#[test]
fn versions_are_compared_and_a_planned_one_says_from_when() {
    let (here, new) = (strict(), strict());
    let key = 3 + draw(5);
    for (key, was, is) in [(2, "city", "housing"), (4, "housing", "city")] {
        let choice = |go: &str| format!("{{ key = \"{key}\", go = \"{go}\" }}");
        change(new.path(), &choice(was), &choice(is), "services");
    }
    let from = new.path().display().to_string();
    let plan = |from: &str, at: &str| {
        let (code, said) = told(here.path(), &["flow", "activate", "--from", from, "--at", at]);
        assert_eq!(code, Some(0), "{said}");
    };
    // So far ahead that no run of this test sees the day.
    let year = 2090 + draw(9);
    plan(&here.path().display().to_string(), &format!("{}-01-02 03:04", year + 1));
    plan(&from, &format!("{year}-0{key}-11 21:00"));
    let (code, said) = told(here.path(), &["flow", "diff", ".", "2"]);
    assert_eq!(code, Some(1), "{said}");
    let line = format!("从{year}年{key}月11日 21:00 起,[main] 在「services」按 2 到 菜单 housing(原来 菜单 city)\n");
    assert!(said.contains(&line), "{said}");
    let (code, said) = told(here.path(), &["flow", "diff", "2", "."]);
    let back = "[main] 在「services」按 2 到 菜单 city(原来 菜单 housing)";
    assert!(code == Some(1) && said.contains(back) && !said.contains("起,"), "the folder is there: {said}");
    assert_eq!(told(here.path(), &["flow", "diff", "1", "."]).0, Some(0));
    let (code, said) = told(here.path(), &["flow", "diff", "1", "9"]);
    assert!(code == Some(1) && said.contains("there is no version 9"), "{said}");
}
