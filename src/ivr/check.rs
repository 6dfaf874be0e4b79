//! Is a flow one that nobody gets lost in? Arrows lead to nodes that are there, every node can be reached, and a caller
//! who says nothing is led to the end.
//!
//! Owns what can be said from the flow's own file. That a prompt, an address or a category exists is `config::check`.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{Graph, Kind, NodeId, Why};
use super::parse::Name;
use crate::written::{Faults, distance};

/// Arrows that lead to no known node are `None` (and already a fault).
type Loose = Option<NodeId>;

/// Nobody looks after a larger flow, and the walks below go as deep as there are nodes.
pub(super) const MOST_NODES: usize = 1000;

/// Finds the nodes that the arrows name, then looks at the whole. `None` if an arrow leads nowhere.
pub(super) fn graph(written: Graph<Name>, whole: bool, faults: &Faults) -> Option<Graph<NodeId>> {
    if written.nodes.is_empty() {
        faults.at(&written.start.place, "node", "the flow has no nodes", "write [node.NAME] sections");
        return None;
    }
    if written.nodes.len() > MOST_NODES {
        let place = &written.nodes[MOST_NODES].name.place;
        faults.at(place, "node", format!("more than {MOST_NODES} nodes"), "split the flow");
        return None;
    }
    let names = written.nodes.iter().enumerate().map(|(i, node)| (node.name.value.clone(), NodeId(i))).collect();
    let loose = written.map(&mut |name| find(&names, &name, faults));
    if whole {
        unreachable(&loose, faults);
    }
    circles(&loose, faults);
    let mut sound = true;
    // The stand-in never leaves this function: with an unsound arrow there is no graph.
    let graph = loose.map(&mut |to: Loose| {
        sound &= to.is_some();
        to.unwrap_or(NodeId(0))
    });
    sound.then_some(graph)
}

/// The named node; for a name that is almost right the node that was meant, so that one mistake is one fault.
fn find(names: &BTreeMap<String, NodeId>, name: &Name, faults: &Faults) -> Loose {
    if let Some(id) = names.get(&name.value) {
        return Some(*id);
    }
    if name.value.is_empty() {
        // Missing; the reader has said so.
        return None;
    }
    let nearest = names.iter().min_by_key(|(known, _)| distance(known, &name.value));
    let meant = nearest.filter(|(known, _)| distance(known, &name.value) <= 2);
    let remedy = match meant {
        Some((known, _)) => format!("did you mean \"{known}\"?"),
        None => format!("write a section [node.{}], or another name", name.value),
    };
    faults.at(&name.place, &name.key, format!("there is no node \"{}\"", name.value), remedy);
    meant.map(|(_, id)| *id)
}

/// Nodes that no call ever comes to.
fn unreachable(graph: &Graph<Loose>, faults: &Faults) {
    let mut seen = BTreeSet::new();
    let mut next: Vec<NodeId> = [graph.start, graph.too_long].into_iter().flatten().collect();
    next.extend(graph.keys.iter().filter_map(|shortcut| shortcut.go));
    next.extend(graph.words.iter().filter_map(|(_, go)| *go));
    while let Some(id) = next.pop() {
        if seen.insert(id) {
            let node = &graph.nodes[id.0];
            next.extend(node.kind.arrows().into_iter().filter_map(|(_, to)| *to));
            next.extend(node.keys.iter().filter_map(|shortcut| shortcut.go));
        }
    }
    for (i, node) in graph.nodes.iter().enumerate() {
        if !seen.contains(&NodeId(i)) {
            let key = format!("node.{}", node.name.value);
            faults.at(&node.name.place, key, "no call ever comes here", "let a node or a key lead to it, or remove it");
        }
    }
}

/// Ways round for a caller who says and presses nothing. A flow without them ends for everybody: each node has a way
/// out for the silent, and there are finitely many.
fn circles(graph: &Graph<Loose>, faults: &Faults) {
    let mut done = BTreeSet::new();
    for i in 0..graph.nodes.len() {
        let mut path = Vec::new();
        circle(graph, NodeId(i), &mut path, &mut done, faults);
    }
}

/// Walks on from `at`; the depth is bounded by the number of nodes, and the file's size bounds that.
fn circle(graph: &Graph<Loose>, at: NodeId, path: &mut Vec<NodeId>, done: &mut BTreeSet<NodeId>, faults: &Faults) {
    if let Some(begin) = path.iter().position(|id| *id == at) {
        let round = &path[begin..];
        let name = |id: &NodeId| graph.nodes[id.0].name.value.as_str();
        let mut names: Vec<&str> = round.iter().map(name).collect();
        names.push(name(&at));
        let first = &graph.nodes[at.0].name;
        let what = format!("who says nothing goes round for ever: {}", names.join(" -> "));
        faults.at(&first.place, format!("node.{}", first.value), what, "let one of them lead on to a hangup");
        return;
    }
    if done.contains(&at) {
        return;
    }
    path.push(at);
    for (why, to) in graph.nodes[at.0].kind.arrows() {
        if let (Why::Alone | Why::Silence, Some(to)) = (why, to) {
            circle(graph, *to, path, done, faults);
        }
    }
    path.pop();
    done.insert(at);
}

/// How a flow meets GB/T 33358-2016 ("no menus in front of people").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// The most menus that lie, one below the other, on the shortest way to anything.
    pub depth: usize,
    /// The fewest keys to a human; `None`: no transfer can be reached.
    pub keys_to_human: Option<usize>,
    /// Whether a caller can be heard and get a ticket without a menu.
    pub ticket_without_menu: bool,
}

impl super::Flow {
    /// Measures the flow.
    pub fn measure(&self) -> Measure {
        let graph = &self.graph;
        Measure {
            depth: depth(graph),
            keys_to_human: keys_to_human(graph),
            ticket_without_menu: ticket_without_menu(graph),
        }
    }
}

/// How many menus, one below the other, lie on the shortest way to each node; the most of them.
fn depth(graph: &Graph<NodeId>) -> usize {
    let mut seen = BTreeSet::new();
    let mut now = vec![graph.start];
    let mut depth = 0;
    while !now.is_empty() {
        let mut below = Vec::new();
        while let Some(id) = now.pop() {
            if !seen.insert(id) {
                continue;
            }
            let node = &graph.nodes[id.0];
            let is_menu = matches!(node.kind, Kind::Menu { .. });
            let next = if is_menu { &mut below } else { &mut now };
            next.extend(node.kind.arrows().into_iter().map(|(_, to)| *to));
            now.extend(node.keys.iter().map(|shortcut| shortcut.go));
        }
        now = below;
        depth += usize::from(!now.is_empty());
    }
    depth
}

fn keys_to_human(graph: &Graph<NodeId>) -> Option<usize> {
    let mut seen = BTreeSet::new();
    let mut now = vec![graph.start];
    for pressed in 0..=graph.nodes.len() {
        let mut later: Vec<NodeId> = graph.keys.iter().map(|shortcut| shortcut.go).collect();
        while let Some(id) = now.pop() {
            if !seen.insert(id) {
                continue;
            }
            let node = &graph.nodes[id.0];
            if node.kind.target().is_some() {
                return Some(pressed);
            }
            later.extend(node.keys.iter().map(|shortcut| shortcut.go));
            match &node.kind {
                Kind::Menu { choices, .. } => later.extend(choices.iter().map(|choice| choice.go)),
                kind => {
                    let alone = kind.arrows().into_iter().filter(|(why, _)| *why == Why::Alone);
                    now.extend(alone.map(|(_, to)| *to));
                }
            }
        }
        now = later;
    }
    None
}

fn ticket_without_menu(graph: &Graph<NodeId>) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![graph.start];
    while let Some(id) = next.pop() {
        let kind = &graph.nodes[id.0].kind;
        if matches!(kind, Kind::File { .. }) {
            return true;
        }
        if !matches!(kind, Kind::Menu { .. }) && seen.insert(id) {
            next.extend(kind.arrows().into_iter().map(|(_, to)| *to));
        }
    }
    false
}
