//! What is known of a caller when they come to a node: every combination that can come about, with the shortest way.
//!
//! Owns [`Known`]: whether they were heard, whether a ticket was filed, whether they got anything for their call. Walks
//! are not counted one by one but merged where they meet, so that a flow of a thousand nodes takes at most sixteen
//! thousand steps.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Case;
use super::ways::{Cause, Way};
use crate::ivr::flow::{Kind, NodeId};

/// What has become of a call so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Known {
    /// Something was said, so that `{heard}` is more than nothing.
    pub heard: bool,
    /// A ticket is filed, so that `{number}` is known.
    pub filed: bool,
    /// A human was tried.
    pub tried: bool,
    /// They got something for their call: a ticket, a human, news of their last one.
    pub served: bool,
}

/// A node and what is known there.
pub type Visit = (NodeId, Known);

/// Every visit that can come about.
#[derive(Debug)]
pub struct Walks {
    /// How each was reached first; the start has no way.
    from: BTreeMap<Visit, Option<Visit>>,
    ways: BTreeMap<NodeId, Vec<Way>>,
}

impl Walks {
    pub fn new(case: Case<'_>) -> Walks {
        let start = (case.flow.start(), Known::default());
        let mut walks = Walks { from: BTreeMap::from([(start, None)]), ways: BTreeMap::new() };
        let mut next = VecDeque::from([start]);
        while let Some(at) = next.pop_front() {
            for (_, there) in walks.steps(case, at) {
                walks.from.entry(there).or_insert_with(|| {
                    next.push_back(there);
                    Some(at)
                });
            }
        }
        walks
    }

    /// Where a visit leads.
    fn steps(&mut self, case: Case<'_>, (node, known): Visit) -> Vec<(Cause, Visit)> {
        let ways = self.ways.entry(node).or_insert_with(|| possible(case, node));
        ways.iter().map(|way| (way.cause.clone(), (way.to, after(known, &way.cause)))).collect()
    }

    /// The ways out of a node that is reached, at this moment.
    pub fn ways(&self, node: NodeId) -> &[Way] {
        self.ways.get(&node).map_or(&[], Vec::as_slice)
    }

    pub fn visits(&self) -> impl Iterator<Item = Visit> {
        self.from.keys().copied()
    }

    /// The nodes that somebody comes to.
    pub fn nodes(&self) -> BTreeSet<NodeId> {
        self.ways.keys().copied().collect()
    }

    /// The nodes by which a visit is reached in the fewest steps, itself the last.
    pub fn way(&self, visit: Visit) -> Vec<NodeId> {
        let mut way = vec![visit.0];
        let mut at = visit;
        while let Some(Some(before)) = self.from.get(&at) {
            way.push(before.0);
            at = *before;
        }
        way.reverse();
        way
    }

    /// As [`Walks::way`], to the node whatever is known there.
    pub fn way_to(&self, node: NodeId) -> Vec<NodeId> {
        let visits = self.from.range((node, Known::default())..).take_while(|((at, _), _)| *at == node);
        visits.map(|(visit, _)| self.way(*visit)).min_by_key(Vec::len).unwrap_or_else(|| vec![node])
    }
}

/// The ways that are open at this moment, for this line.
fn possible(case: Case<'_>, node: NodeId) -> Vec<Way> {
    let mut ways = case.flow.ways(node);
    match &case.flow.node(node).kind {
        Kind::Hours { hours, .. } => {
            let now = if case.moment.open(hours) { Cause::Open } else { Cause::Closed };
            ways.retain(|way| way.cause == now);
        }
        Kind::Branch { arms, .. } => {
            let holds: Vec<Option<bool>> = arms.iter().map(|arm| case.moment.holds(&arm.when)).collect();
            let certain = holds.iter().position(|holds| *holds == Some(true));
            ways.retain(|way| match way.cause {
                Cause::Arm(n) => holds[n - 1] != Some(false) && certain.is_none_or(|first| n <= first + 1),
                _ => certain.is_none(),
            });
        }
        _ => {}
    }
    ways
}

/// What is known after leaving by `cause`.
fn after(mut known: Known, cause: &Cause) -> Known {
    match cause {
        Cause::Said => known.heard = true,
        Cause::Filed => (known.filed, known.served) = (true, true),
        // The recording is safe, and the ticket is made from it.
        Cause::NotFiled | Cause::Found | Cause::Talked | Cause::Answered => known.served = true,
        // Nobody took the call, so they have got nothing yet.
        Cause::NoAnswer => known.tried = true,
        // A human was tried, they were asked again, and there is nobody: no more can be done for them.
        Cause::Silence(_) | Cause::Wrong(_) if known.tried => known.served = true,
        _ => {}
    }
    known
}
