//! GB/T 33358-2016: telephone intake should not put menus in front of people.

use std::collections::{BTreeMap, VecDeque};

use super::{Case, Cause, Finding, Rule, Walks};
use crate::ivr::flow::{Kind, NodeId};

pub(super) fn find(case: Case<'_>, walks: &Walks) -> Vec<Finding> {
    let mut findings: Vec<Finding> = depth(case, walks).into_iter().chain(first(case, walks)).collect();
    for node in walks.nodes() {
        let Kind::Menu { choices, .. } = &case.flow.node(node).kind else { continue };
        // `*` and `#` lead back or away, they are no choice to be compared.
        let count = choices.iter().filter(|choice| choice.keys.starts_with(|key: char| key.is_ascii_digit())).count();
        if count > case.limits.choices {
            let what = format!("{count} choices, at most {} (choices)", case.limits.choices);
            findings.push(case.finding(Rule::Choices, node, what, &walks.way_to(node), "put some below another menu"));
        }
    }
    findings
}

/// Nodes by how many `counted` ways lie before them, with the way there.
fn layers(
    case: Case<'_>,
    walks: &Walks,
    counted: impl Fn(NodeId, &Cause) -> Option<usize>,
) -> BTreeMap<NodeId, (usize, Vec<NodeId>)> {
    let start = case.flow.start();
    let mut best = BTreeMap::from([(start, (0, vec![start]))]);
    let mut next = VecDeque::from([(0, start)]);
    while let Some((so_far, node)) = next.pop_front() {
        let Some((known, way)) = best.get(&node).cloned() else { continue };
        if known < so_far {
            continue;
        }
        for step in walks.ways(node) {
            let Some(more) = counted(node, &step.cause) else { continue };
            let there = so_far + more;
            if best.get(&step.to).is_none_or(|(known, _)| there < *known) {
                best.insert(step.to, (there, [way.as_slice(), &[step.to]].concat()));
                // The nearer first (0-1 breadth-first search).
                if more == 0 { next.push_front((there, step.to)) } else { next.push_back((there, step.to)) }
            }
        }
    }
    best
}

/// Menus one below the other.
pub(crate) fn deepest(case: Case<'_>, walks: &Walks) -> (usize, Vec<NodeId>) {
    let is_menu = |node: NodeId| matches!(case.flow.node(node).kind, Kind::Menu { .. });
    let layers = layers(case, walks, |node, cause| match cause {
        Cause::FlowKey(_) => None,
        _ => Some(usize::from(is_menu(node))),
    });
    let menus = layers.into_iter().filter(|(node, _)| is_menu(*node));
    menus.map(|(_, (above, way))| (above + 1, way)).max_by_key(|(depth, _)| *depth).unwrap_or_default()
}

fn depth(case: Case<'_>, walks: &Walks) -> Option<Finding> {
    let (depth, way) = deepest(case, walks);
    let node = *way.last()?;
    (depth > case.limits.depth).then(|| {
        let what = format!("{depth} menus lie one below the other, at most {} (depth)", case.limits.depth);
        case.finding(Rule::Depth, node, what, &way, "bring its choices into a menu above, or let people say it")
    })
}

/// Keys that have to be pressed before anybody listens.
fn first(case: Case<'_>, walks: &Walks) -> Option<Finding> {
    let layers = layers(case, walks, |_, cause| match cause {
        Cause::Key(_) | Cause::Keyed => Some(1),
        // The key for a human is a way out, not a way to be heard.
        Cause::FlowKey(_) | Cause::Word(_) | Cause::Wrong(_) => None,
        _ => Some(0),
    });
    let hears = |node: &NodeId| {
        let kind = &case.flow.node(*node).kind;
        kind.target().is_some() || matches!(kind, Kind::Listen { .. } | Kind::Record { .. } | Kind::File { .. })
    };
    let nearest = layers.iter().filter(|(node, _)| hears(node)).min_by_key(|(_, (keys, _))| *keys);
    let (_, (keys, way)) = nearest?;
    let menu = way.iter().find(|node| matches!(case.flow.node(**node).kind, Kind::Menu { .. }))?;
    (*keys > case.limits.keys_first).then(|| {
        let what = format!(
            "{keys} keys must be pressed before anybody listens, at most {} (keys_first)",
            case.limits.keys_first
        );
        let remedy = "ask for the request first, or let no_input lead to a listen node";
        case.finding(Rule::MenuFirst, *menu, what, way, remedy)
    })
}
