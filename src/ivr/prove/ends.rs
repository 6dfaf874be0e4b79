//! Nobody is lost: dead ends, nodes without a way to a human or a ticket, blanks that nobody fills, desks where nobody
//! sits.

use std::collections::BTreeSet;

use super::ways::Manner;
use super::{Case, Cause, Finding, Rule, Walks};
use crate::ivr::flow::{Flow, Kind, NodeId, Piece};

const A_WAY: &str = "let it lead to a listen, a file or a transfer first";

pub(super) fn find(case: Case<'_>, walks: &Walks) -> Vec<Finding> {
    let mut findings = dead_ends(case, walks);
    findings.extend(trapped(case, walks));
    findings.extend(no_human(case, walks));
    findings.extend(blanks(case, walks));
    findings.extend(steps(case, walks));
    findings.extend(duty(case, walks));
    findings
}

/// Hung up on without anything in hand, and not by their own wish.
fn dead_ends(case: Case<'_>, walks: &Walks) -> Vec<Finding> {
    let mut findings = Vec::new();
    for visit @ (node, known) in walks.visits() {
        for way in walks.ways(node) {
            let ends = case.flow.manner(way.to) == Manner::Ends;
            // The silence that gives up on who was asked after a human was tried.
            let given_up = known.tried && matches!(way.cause, Cause::Silence(_) | Cause::Wrong(_));
            let in_hand =
                matches!(way.cause, Cause::Filed | Cause::NotFiled | Cause::Found | Cause::Talked | Cause::Answered);
            if ends && !known.served && !way.cause.chosen() && !given_up && !in_hand {
                let what = format!(
                    "who comes here is hung up on ({}) without a ticket, a human or an answer",
                    cause(&way.cause)
                );
                let mut to_the_end = walks.way(visit);
                to_the_end.push(way.to);
                findings.push(case.finding(Rule::DeadEnd, node, what, &to_the_end, A_WAY));
            }
        }
    }
    findings
}

/// A cause in the words of faults.
fn cause(cause: &Cause) -> String {
    match cause {
        Cause::Alone => "by itself".to_owned(),
        Cause::Said => "after speaking".to_owned(),
        Cause::Keyed => "after keying".to_owned(),
        Cause::Silence(n) => format!("after silence no. {n}"),
        Cause::Wrong(n) => format!("after wrong key no. {n}"),
        Cause::NoAnswer => "when nobody answers".to_owned(),
        Cause::NoTicket => "when there is no ticket".to_owned(),
        Cause::Open => "while open".to_owned(),
        Cause::Closed => "while closed".to_owned(),
        Cause::Arm(n) => format!("by arm no. {n}"),
        Cause::Otherwise => "otherwise".to_owned(),
        other => other.to_string(),
    }
}

/// Nodes from which neither a human nor a ticket can be reached by who has neither.
fn trapped(case: Case<'_>, walks: &Walks) -> Vec<Finding> {
    let serves = |node: NodeId| {
        let kind = &case.flow.node(node).kind;
        kind.target().is_some() || matches!(kind, Kind::File { .. })
    };
    let nodes = walks.nodes();
    let mut good: BTreeSet<NodeId> = nodes.iter().copied().filter(|node| serves(*node)).collect();
    // Backwards until nothing more is found: at most as many rounds as there are nodes.
    loop {
        let leads = |node: &NodeId| !good.contains(node) && walks.ways(*node).iter().any(|way| good.contains(&way.to));
        let more: Vec<NodeId> = nodes.iter().copied().filter(leads).collect();
        if more.is_empty() {
            break;
        }
        good.extend(more);
    }
    let mut findings = Vec::new();
    for visit @ (node, known) in walks.visits() {
        let ends = case.flow.manner(node) == Manner::Ends;
        let way = walks.way(visit);
        // Only where it begins: what lies behind is the same fault.
        let first = way.iter().rev().nth(1).is_none_or(|before| good.contains(before));
        if !known.served && !ends && !good.contains(&node) && first {
            let what = "from here there is no way to a human or a ticket".to_owned();
            findings.push(case.finding(Rule::Trapped, node, what, &way, A_WAY));
        }
    }
    findings
}

fn no_human(case: Case<'_>, walks: &Walks) -> Option<Finding> {
    let human = walks.nodes().into_iter().any(|node| case.flow.node(node).kind.target().is_some());
    if human {
        return None;
    }
    let start = case.flow.start();
    let what = "no way of this flow leads to a human".to_owned();
    let remedy = "write a transfer node, and a key to it under [keys]: 0 = \"operator\"";
    Some(case.finding(Rule::NoHuman, start, what, &[start], remedy))
}

/// `{number}` before there is a ticket, `{heard}` before anything was said.
fn blanks(case: Case<'_>, walks: &Walks) -> Vec<Finding> {
    let mut findings = Vec::new();
    for visit @ (node, known) in walks.visits() {
        let kind = &case.flow.node(node).kind;
        if matches!(kind, Kind::Status { .. }) {
            continue;
        }
        let said = |blank: &Piece| kind.says().iter().any(|(_, say)| say.contains(blank));
        let way = || walks.way(visit);
        if said(&Piece::Number) && !known.filed {
            let what = "says {number}, but on one way no ticket is filed before".to_owned();
            findings.push(case.finding(
                Rule::EmptyBlank,
                node,
                what,
                &way(),
                "let a file node lead here, or remove it",
            ));
        }
        if said(&Piece::Heard) && !known.heard {
            let what = "says {heard}, but on one way nothing is said before".to_owned();
            let remedy = "let a listen node lead here, or remove it";
            findings.push(case.finding(Rule::EmptyBlank, node, what, &way(), remedy));
        }
    }
    findings
}

/// Callers who are led out before they can come to a node.
fn steps(case: Case<'_>, walks: &Walks) -> Option<Finding> {
    let steps = case.flow.steps() as usize;
    let ways = walks.nodes().into_iter().map(|node| walks.way_to(node));
    // The first of them: what lies behind is further still.
    let way = ways.filter(|way| way.len() > steps).min_by_key(Vec::len)?;
    let node = *way.last()?;
    let what = format!("the shortest way here has {} nodes, after {steps} a caller is led out (steps)", way.len());
    Some(case.finding(Rule::Steps, node, what, &way, "raise steps at the top of the file"))
}

/// Transfers to a desk that is closed then.
fn duty(case: Case<'_>, walks: &Walks) -> Vec<Finding> {
    let mut findings = Vec::new();
    for node in walks.nodes() {
        let Some(target) = case.flow.node(node).kind.target() else { continue };
        let duties = case.flow.duty().iter().filter(|duty| duty.value.0 == target);
        for duty in duties.filter(|duty| !case.moment.open(&duty.value.1)) {
            let what = format!("puts through to {target} when nobody is on duty there ({})", duty.key);
            let remedy = "put an hours node before it, or mend [duty]";
            findings.push(case.finding(Rule::OffDuty, node, what, &walks.way_to(node), remedy));
        }
    }
    findings
}

/// Nodes to which no caller of any line comes at any hour.
pub(super) fn never_reached(flow: &Flow, reached: &BTreeSet<NodeId>) -> Vec<Finding> {
    let led_out = after(flow, flow.too_long());
    let never = (0..flow.graph.nodes.len()).map(NodeId).filter(|id| !reached.contains(id) && !led_out.contains(id));
    never
        .map(|id| {
            let name = &flow.node(id).name;
            Finding {
                rule: Rule::NeverReached,
                place: name.place.clone(),
                key: format!("node.{}", name.value),
                what: "no caller of any line comes here at any hour".to_owned(),
                way: Vec::new(),
                when: None,
                remedy: "mend the hours or the branch before it, or remove it".to_owned(),
            }
        })
        .collect()
}

fn after(flow: &Flow, start: NodeId) -> BTreeSet<NodeId> {
    let mut seen = BTreeSet::new();
    let mut next = vec![start];
    while let Some(id) = next.pop() {
        if seen.insert(id) {
            next.extend(flow.ways(id).into_iter().map(|way| way.to));
        }
    }
    seen
}
