//! Sub-flows: files of `flows/sub/` that other flows call by a `sub` node.
//!
//! Owns putting them in their place: the sub-flow's nodes are copied into the flow, named after the node that calls
//! (`who/ask`), its `return` nodes lead on from there. So a call needs no stack, every copy is checked and proven where
//! it stands, and a sub-flow that calls itself is refused, whose copies would never end.

use std::collections::BTreeMap;

use super::check::MOST_NODES;
use super::flow::{Kind, Node, Shortcut, Uses};
use super::parse::{self, Name, Part, Reading};
use crate::written::{Faults, Source, distance};

/// The sub-flows of a folder, by name.
#[derive(Debug, Clone, Default)]
pub struct SubFlows(BTreeMap<String, Reading>);

impl SubFlows {
    /// Reads the files. One that is not TOML is left out, with its faults.
    pub fn read(sources: &[Source], faults: &Faults) -> SubFlows {
        let named = sources.iter().filter_map(|source| {
            let name = source.file().file_stem()?.to_string_lossy().into_owned();
            Some((name, parse::read(source, Part::Sub, faults)?))
        });
        SubFlows(named.collect())
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

/// Puts every called sub-flow in its place, those that sub-flows call too.
pub(super) fn link(reading: &mut Reading, subs: &SubFlows, faults: &Faults) {
    // Of each node, the sub-flows that it was copied out of, outermost first.
    let mut inside: Vec<Vec<String>> = vec![Vec::new(); reading.graph.nodes.len()];
    let mut at = 0;
    while at < reading.graph.nodes.len() && reading.graph.nodes.len() <= MOST_NODES {
        let node = &mut reading.graph.nodes[at];
        let site = node.name.clone();
        if let Kind::Sub { flow, begin, go } = &mut node.kind
            && !flow.is_empty()
        {
            let flow = flow.clone();
            match subs.0.get(&flow) {
                Some(_) if inside[at].contains(&flow) => {
                    let round = [inside[at].as_slice(), std::slice::from_ref(&flow)].concat().join(" -> ");
                    let what = format!("the sub-flow calls itself: {round}");
                    faults.at(&site.place, site.key, what, "let it go on by a node of its own");
                }
                Some(called) => {
                    *begin = within(&site.value, called.graph.start.clone());
                    let back = go.clone();
                    let copies = called.graph.nodes.iter().map(|node| copy(&site.value, &back, node.clone()));
                    let chain = [inside[at].as_slice(), &[flow]].concat();
                    inside.resize(inside.len() + called.graph.nodes.len(), chain);
                    reading.graph.nodes.extend(copies);
                    reading.whole &= called.whole;
                    add(&mut reading.uses, &called.uses);
                }
                None => {
                    let nearest = subs.names().min_by_key(|known| distance(known, &flow));
                    let remedy = match nearest.filter(|known| distance(known, &flow) <= 2) {
                        Some(known) => format!("did you mean \"{known}\"?"),
                        None => format!("write flows/sub/{flow}.toml"),
                    };
                    faults.at(&site.place, site.key, format!("there is no sub-flow \"{flow}\""), remedy);
                    // Nobody knows where it leads.
                    reading.whole = false;
                }
            }
        }
        at += 1;
    }
}

/// The name in the copy that stands at `site`; a missing name stays missing.
fn within(site: &str, name: Name) -> Name {
    name.map(|name| if name.is_empty() { name } else { format!("{site}/{name}") })
}

fn copy(site: &str, back: &Name, node: Node<Name>) -> Node<Name> {
    let shortcut = |s: Shortcut<Name>| Shortcut { key: s.key, go: within(site, s.go) };
    Node {
        name: within(site, node.name),
        keys: node.keys.into_iter().map(shortcut).collect(),
        kind: match node.kind {
            Kind::Return { .. } => Kind::Return { go: back.clone() },
            kind => kind.map(&mut |name| within(site, name)),
        },
    }
}

/// Each thing once, however often the sub-flow is called.
fn add(uses: &mut Uses, more: &Uses) {
    fn once<T: Clone + PartialEq>(list: &mut Vec<T>, more: &[T]) {
        for item in more {
            if !list.contains(item) {
                list.push(item.clone());
            }
        }
    }
    once(&mut uses.prompts, &more.prompts);
    once(&mut uses.transfers, &more.transfers);
    once(&mut uses.hints, &more.hints);
    once(&mut uses.languages, &more.languages);
    once(&mut uses.variables, &more.variables);
    once(&mut uses.hours, &more.hours);
    once(&mut uses.targets, &more.targets);
    once(&mut uses.duty, &more.duty);
}
