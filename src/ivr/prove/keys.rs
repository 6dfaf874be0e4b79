//! Every key means what is said of it, and every meaning is said.

use super::spoken::keys_said;
use super::ways::{Manner, own};
use super::{Case, Cause, Finding, Rule, Walks};
use crate::ivr::flow::{Kind, NodeId};

pub(super) fn find(case: Case<'_>, walks: &Walks) -> Vec<Finding> {
    let mut findings = Vec::new();
    for node in walks.nodes() {
        let way = || walks.way_to(node);
        let at = |rule, what: String, remedy: String| case.finding(rule, node, what, &way(), remedy);
        findings.extend(shadowed(case, node).into_iter().map(|(what, remedy)| at(Rule::ShadowedKey, what, remedy)));
        findings.extend(idle(case, node).into_iter().map(|(what, remedy)| at(Rule::IdleKey, what, remedy)));
        findings.extend(prefixes(case, node).into_iter().map(|(what, remedy)| at(Rule::PrefixKey, what, remedy)));
        findings.extend(human(case, node).into_iter().map(|(what, remedy)| at(Rule::HumanKey, what, remedy)));
        if case.flow.manner(node) == Manner::Asks {
            findings.extend(said(case, node).into_iter().map(|(what, remedy)| at(Rule::SaidKey, what, remedy)));
            findings.extend(unsaid(case, node).into_iter().map(|(what, remedy)| at(Rule::UnsaidKey, what, remedy)));
        }
    }
    findings
}

/// What is wrong and what to do.
type Fault = (String, String);

/// Whether the node's own question takes this key.
fn answers(case: Case<'_>, node: NodeId, key: char) -> bool {
    match &case.flow.node(node).kind {
        Kind::Collect { digits, .. } => key.is_ascii_digit() || Some(key) == digits.end,
        kind => own(kind).iter().any(|way| matches!(&way.cause, Cause::Key(keys) if keys.starts_with(key))),
    }
}

/// Keys under `keys` that the question takes before them.
fn shadowed(case: Case<'_>, node: NodeId) -> Vec<Fault> {
    let keys = case.flow.node(node).keys.iter().filter(|shortcut| answers(case, node, shortcut.key));
    keys.map(|shortcut| {
        let what = format!("key {} under keys never counts: it is an answer to the question", shortcut.key);
        (what, "give one of the two another key".to_owned())
    })
    .collect()
}

/// Keys that can never be pressed, or that lead nowhere else.
fn idle(case: Case<'_>, node: NodeId) -> Vec<Fault> {
    let takes = case.flow.manner(node).takes_keys();
    let idle = case.flow.node(node).keys.iter().filter(|shortcut| !takes || shortcut.go == node);
    idle.map(|shortcut| {
        let why = if takes { "it leads to where the caller is" } else { "nobody can press a key here" };
        (format!("key {} does nothing: {why}", shortcut.key), "remove it".to_owned())
    })
    .collect()
}

/// Choices that are the beginning of another: who presses 1 waits whether a 2 follows.
fn prefixes(case: Case<'_>, node: NodeId) -> Vec<Fault> {
    let Kind::Menu { choices, .. } = &case.flow.node(node).kind else { return Vec::new() };
    let longer = |keys: &str| {
        choices.iter().find(|other| !keys.is_empty() && other.keys.len() > keys.len() && other.keys.starts_with(keys))
    };
    let begin = choices.iter().filter_map(|choice| Some((choice, longer(&choice.keys)?)));
    begin
        .map(|(choice, other)| {
            let what = format!("who presses {} has to wait whether {} is meant", choice.keys, other.keys);
            (what, "give all choices of a menu the same number of keys".to_owned())
        })
        .collect()
}

/// The key that means a human everywhere means something else here.
fn human(case: Case<'_>, node: NodeId) -> Vec<Fault> {
    let leads_to_human = |to: NodeId| case.flow.node(to).kind.target().is_some();
    let humans = case.flow.graph.keys.iter().filter(|shortcut| leads_to_human(shortcut.go));
    // A row of digits needs all of them; a human is reached before and after it.
    let collects = matches!(case.flow.node(node).kind, Kind::Collect { .. });
    let ways = case.flow.ways(node);
    humans
        .filter(|human| {
            let other = |cause: &Cause| matches!(cause, Cause::Key(keys) if keys.starts_with(human.key));
            !collects && ways.iter().any(|way| other(&way.cause) && !leads_to_human(way.to))
        })
        .map(|human| {
            let what = format!("key {} means a human everywhere else, and something else here", human.key);
            (what, "give the choice another key".to_owned())
        })
        .collect()
}

/// Keys that a prompt tells of, and that do nothing.
fn said(case: Case<'_>, node: NodeId) -> Vec<Fault> {
    let kind = &case.flow.node(node).kind;
    let ways = case.flow.ways(node);
    let means = |key: &str| {
        ways.iter().any(|way| match &way.cause {
            Cause::Key(keys) => keys == key,
            Cause::FlowKey(flow) => key.chars().eq([*flow]),
            _ => false,
        }) || key.chars().next().is_some_and(|first| matches!(kind, Kind::Collect { .. }) && answers(case, node, first))
            // The media ends what is said at `#`, and `*` repeats every question that does not use it.
            || (key == "#" && matches!(kind, Kind::Listen { .. } | Kind::Record { .. }))
            || key == "*"
    };
    let lists = kind.says().into_iter().map(|(_, say)| case.spoken.text(say));
    let mut keys: Vec<String> = lists.flat_map(|text| keys_said(&text)).filter(|key| !means(key)).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .map(|key| {
            let remedy = format!("add a choice with key = \"{key}\", or change the prompt's text");
            (format!("the prompt says to press {key}, and nothing happens then"), remedy)
        })
        .collect()
}

/// Keys that no prompt of the node tells of.
fn unsaid(case: Case<'_>, node: NodeId) -> Vec<Fault> {
    let kind = &case.flow.node(node).kind;
    let lists: Option<Vec<String>> = kind.says().into_iter().map(|(_, say)| case.spoken.known(say)).collect();
    // Somebody's own recording, whose text nobody wrote down.
    let Some(texts) = lists else { return Vec::new() };
    let told: Vec<String> = texts.iter().flat_map(|text| keys_said(text)).collect();
    let own = own(kind).into_iter().filter_map(|way| match way.cause {
        Cause::Key(keys) => Some(keys),
        _ => None,
    });
    let beside = case.flow.node(node).keys.iter().map(|shortcut| shortcut.key.to_string());
    own.chain(beside)
        .filter(|key| !told.contains(key))
        .map(|key| {
            let what = format!("no prompt here says what key {key} does");
            (what, format!("say it: \"...请按{key}\", or remove the key"))
        })
        .collect()
}
