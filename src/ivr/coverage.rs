//! Which nodes, keys and ways of a flow conversations have come through, and which not.

use std::collections::BTreeSet;

use super::flow::{Flow, NodeId};
use super::prove::ways::own;
use super::prove::{Cause, Way};

/// What conversations have touched, by the names of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    pub nodes: BTreeSet<String>,
    /// From one node straight to another.
    pub steps: BTreeSet<(String, String)>,
    /// Rows of keys pressed at a node.
    pub keys: BTreeSet<(String, String)>,
    at: Option<String>,
}

/// How much of a flow was touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Covered {
    pub nodes: Share,
    pub keys: Share,
    pub steps: Share,
}

/// Some of all, and those that are missing, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    pub all: usize,
    pub missing: Vec<String>,
}

impl Share {
    fn of<T>(all: BTreeSet<T>, touched: impl Fn(&T) -> bool, name: impl Fn(&T) -> String) -> Share {
        let missing = all.iter().filter(|one| !touched(one)).map(name).collect();
        Share { all: all.len(), missing }
    }

    /// How many were touched.
    pub fn touched(&self) -> usize {
        self.all - self.missing.len()
    }
}

impl Coverage {
    /// The call has come to a node.
    pub(super) fn enter(&mut self, node: &str) {
        if let Some(from) = self.at.replace(node.to_owned()) {
            self.steps.insert((from, node.to_owned()));
        }
        self.nodes.insert(node.to_owned());
    }

    /// Keys were pressed one after the other.
    pub(super) fn press(&mut self, node: &str, keys: &str) {
        let single = keys.chars().map(|key| key.to_string());
        self.keys.extend(single.chain([keys.to_owned()]).map(|keys| (node.to_owned(), keys)));
    }

    /// What other conversations have touched, too.
    pub fn add(&mut self, other: Coverage) {
        self.nodes.extend(other.nodes);
        self.steps.extend(other.steps);
        self.keys.extend(other.keys);
    }

    /// Held against the flow. Keys that work everywhere count once.
    pub fn of(&self, flow: &Flow) -> Covered {
        let ids = (0..flow.graph.nodes.len()).map(NodeId);
        let name = |id: NodeId| flow.node(id).name.value.clone();
        let mut keys = BTreeSet::new();
        let mut steps = BTreeSet::new();
        for id in ids.clone() {
            for Way { cause, to } in own_and_keys(flow, id) {
                steps.insert((name(id), name(to)));
                if let Cause::Key(row) = cause {
                    keys.insert((name(id), row));
                }
            }
        }
        keys.extend(flow.graph.keys.iter().map(|shortcut| (String::new(), shortcut.key.to_string())));
        let pressed = |(node, key): &(String, String)| match node.is_empty() {
            true => self.keys.iter().any(|(_, pressed)| pressed == key),
            false => self.keys.contains(&(node.clone(), key.clone())),
        };
        let key_name = |(node, key): &(String, String)| match node.is_empty() {
            true => format!("{key} everywhere"),
            false => format!("{node} {key}"),
        };
        Covered {
            nodes: Share::of(ids.map(name).collect(), |node| self.nodes.contains(node), String::clone),
            keys: Share::of(keys, pressed, key_name),
            steps: Share::of(steps, |step| self.steps.contains(step), |(from, to)| format!("{from} -> {to}")),
        }
    }
}

/// A node's own ways and those of its `keys`.
fn own_and_keys(flow: &Flow, id: NodeId) -> Vec<Way> {
    let node = flow.node(id);
    let mut ways = own(&node.kind);
    if flow.manner(id).takes_keys() {
        let keys = node.keys.iter();
        ways.extend(keys.map(|shortcut| Way { cause: Cause::Key(shortcut.key.to_string()), to: shortcut.go }));
    }
    ways
}
