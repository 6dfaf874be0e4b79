//! Emergencies out of every state of a flow: the rule is heard in bearable time, its keys can be pressed and mean nothing
//! else, and what the caller says afterwards is filed.
//!
//! The ticket itself is filed when the rule is raised (`interpreter::alarm`); whether prompts, targets and the node `go`
//! are there is `config::across` and `config::spoken`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Finding, Premises, Rule};
use crate::ivr::emergency;
use crate::ivr::flow::{Flow, Kind, NodeId};
use crate::written::Written;

pub(super) fn find(flow: &Flow, premises: Premises<'_>) -> Vec<Finding> {
    premises
        .rules
        .iter()
        .flat_map(|rule| {
            let keys = rule.key.iter().flat_map(|key| keys(flow, rule, key));
            held(rule, premises).into_iter().chain(keys).chain(unfiled(flow, rule))
        })
        .collect()
}

/// A finding where the rule says it.
fn finding(rule: Rule, at: &Written<String>, what: String, way: Vec<String>, remedy: impl Into<String>) -> Finding {
    Finding { rule, place: at.place.clone(), key: at.key.clone(), what, way, when: None, remedy: remedy.into() }
}

/// The announcement cannot be cut short: nobody who has to run may be kept by it, in whatever language.
fn held(rule: &emergency::Rule, premises: Premises<'_>) -> Option<Finding> {
    let length = |prefix: &str| -> Duration {
        let spoken = |id: &str| premises.spoken.prompt(&format!("{prefix}{id}"));
        let one = |id: &Written<String>| match spoken(&id.value) {
            Duration::ZERO => premises.spoken.prompt(&id.value),
            length => length,
        };
        rule.say.iter().map(one).sum()
    };
    let first = rule.say.first()?;
    let told = premises.spoken.texts.keys().filter_map(|id| id.strip_suffix(first.value.as_str()));
    let longest = told.map(length).max()?;
    (longest > premises.limits.held).then(|| {
        let (said, most) = (longest.as_secs_f64().round(), premises.limits.held.as_secs());
        let what = format!("says {said} s that cannot be cut short, at most {most} s (held)");
        finding(Rule::Held, first, what, Vec::new(), "say first what saves lives, and shorten the rest")
    })
}

/// Keys that the flow takes for something else.
fn keys(flow: &Flow, rule: &emergency::Rule, key: &Written<String>) -> Vec<Finding> {
    let name = &rule.name.value;
    let mut findings = Vec::new();
    for node in &flow.graph.nodes {
        let way = || vec![node.name.value.clone()];
        match &node.kind {
            Kind::Menu { choices, .. } => {
                for choice in choices.iter().filter(|choice| choice.keys.contains(&key.value)) {
                    let what =
                        format!("choice {} of flow \"{}\" never counts: it raises {name}", choice.keys, flow.name());
                    findings.push(finding(Rule::AlarmKey, key, what, way(), "give one of the two another key"));
                }
            }
            Kind::Collect { digits, .. } if digits.end.is_some_and(|end| key.value.starts_with(end)) => {
                let what =
                    format!("a row of digits of flow \"{}\" ends with the key that begins {}", flow.name(), key.value);
                let remedy = format!("write end = \"#\" at node.{}", node.name.value);
                findings.push(finding(Rule::AlarmKey, key, what, way(), remedy));
            }
            _ => {}
        }
    }
    findings
}

/// Whoever nobody reached goes on in the flow: what they say there must be filed, or heard by a human.
fn unfiled(flow: &Flow, rule: &emergency::Rule) -> Option<Finding> {
    let go = flow.nodes().position(|name| name == rule.go.value).map(NodeId)?;
    let mut seen = BTreeSet::from([go]);
    let mut next = vec![go];
    while let Some(id) = next.pop() {
        let kind = &flow.node(id).kind;
        if kind.target().is_some() || matches!(kind, Kind::File { .. }) {
            return None;
        }
        // Keys of the whole flow are no answer to who is in danger: only where the node itself leads.
        next.extend(super::ways::own(kind).into_iter().map(|way| way.to).filter(|to| seen.insert(*to)));
    }
    let what = format!("in flow \"{}\" nothing that is said from there on is filed", flow.name());
    let remedy = "write a node that leads to a listen and a file, e.g. \"details-urgent\"";
    Some(finding(Rule::AlarmUnfiled, &rule.go, what, vec![rule.go.value.clone()], remedy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Calendar;
    use crate::ivr::emergency::Rules;
    use crate::ivr::prove::{Limits, Spoken, prove};
    use crate::written::{Faults, Source};

    const FLOW: &str = r#"
start = "ask"
too_long = "bye"
[targets]
desk = "sip:desk@192.0.2.1"
[keys]
0 = "human"
[[no_input]]
go = "human"
[[no_match]]
go = "human"
[node.ask]
do = "listen"
say = "ask"
keys = { 1 = "menu" }
go = "file"
[node.menu]
do = "menu"
say = "menu"
choice = [{ key = "1", go = "ask" }, { key = "*", go = "row" }]
[node.row]
do = "collect"
say = "row"
into = "row"
most = 4
go = "file"
[node.file]
do = "file"
go = "bye"
failed = "bye"
[node.human]
do = "transfer"
say = "wait"
to = "desk"
failed = "bye"
[node.bye]
do = "hangup"
say = "bye"
"#;

    const RULES: &str =
        "[[rule]]\nname = \"fire\"\nwords = [\"着火\"]\nsay = [\"leave\"]\ngo = \"ask\"\nkey = \"*119\"\n";

    /// What is wrong with the emergency, in a flow that may have other faults.
    fn found(flow: &str, rules: &str) -> Vec<Finding> {
        let faults = Faults::default();
        let rules = Rules::read(&Source::new("emergency.toml", rules), &faults);
        let flow = Flow::read(&Source::new("f.toml", flow), &faults).unwrap_or_else(|| panic!("{faults}"));
        let text = |id: &str, text: &str| (id.to_owned(), text.to_owned());
        let spoken = Spoken {
            texts: [text("leave", "请离开。"), text("en/leave", "Leave."), text("long", "请听。")].into(),
            lengths: [("en/leave".to_owned(), Duration::from_secs(4)), ("long".to_owned(), Duration::from_secs(50))]
                .into(),
        };
        let (limits, calendar) = (Limits::default(), Calendar::default());
        let today = jiff::civil::date(2026, 1, 1);
        let premises =
            Premises { spoken: &spoken, limits: &limits, lines: &[], rules: &rules, calendar: &calendar, today };
        assert!(faults.is_empty(), "{faults}");
        let ours = |finding: &Finding| finding.place.file.ends_with("emergency.toml");
        prove(&flow, premises).into_iter().filter(ours).collect()
    }

    #[test]
    fn each_planted_fault_is_found_at_its_rule() {
        assert_eq!(found(FLOW, RULES), []);
        for (flow, rules, rule, line, key, what, remedy) in [
            (
                ("", ""),
                ("say = [\"leave\"]", "say = [\"leave\", \"long\"]"),
                Rule::Held,
                4,
                "rule[0].say",
                "says 54 s",
                "saves lives",
            ),
            (
                ("{ key = \"1\", go = \"ask\" }", "{ key = \"1\", go = \"ask\" }, { key = \"*1190\", go = \"ask\" }"),
                ("", ""),
                Rule::AlarmKey,
                6,
                "rule[0].key",
                "choice *1190 of flow \"f\" never counts",
                "another key",
            ),
            (
                ("most = 4", "most = 4\nend = \"*\""),
                ("", ""),
                Rule::AlarmKey,
                6,
                "rule[0].key",
                "ends with the key that begins *119",
                "end = \"#\" at node.row",
            ),
            (
                ("", ""),
                ("go = \"ask\"", "go = \"bye\""),
                Rule::AlarmUnfiled,
                5,
                "rule[0].go",
                "nothing that is said",
                "a listen and a file",
            ),
        ] {
            assert!(FLOW.contains(flow.0) && RULES.contains(rules.0));
            let findings = found(&FLOW.replacen(flow.0, flow.1, 1), &RULES.replacen(rules.0, rules.1, 1));
            let [finding] = findings.as_slice() else { panic!("{rule}: {findings:#?}") };
            assert_eq!((finding.rule, finding.place.line as usize, finding.key.as_str()), (rule, line, key));
            assert!(finding.what.contains(what) && finding.remedy.contains(remedy), "{finding:?}");
        }
    }
}
