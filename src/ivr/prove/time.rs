//! Nobody waits too long: for a human, in silence, or for the end of what cannot be cut short.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use super::spoken::keys_said;
use super::ways::{Manner, Way, leaving};
use super::{Case, Cause, Finding, Rule, Walks};
use crate::ivr::flow::{NodeId, Piece, counted};

pub(super) fn find(case: Case<'_>, walks: &Walks) -> Vec<Finding> {
    let mut findings: Vec<Finding> = silent(case, walks).into_iter().chain(to_human(case, walks)).collect();
    for node in walks.nodes() {
        findings.extend(of_one(case, walks, node));
    }
    findings
}

/// How much a node itself asks of a caller's patience.
fn of_one(case: Case<'_>, walks: &Walks, node: NodeId) -> Vec<Finding> {
    let mut findings = Vec::new();
    let limits = case.limits;
    let way = || walks.way_to(node);
    let kind = &case.flow.node(node).kind;
    match case.flow.manner(node) {
        Manner::Says(false) if case.whole(node) > limits.held => {
            let what =
                format!("{} cannot be cut short, at most {} (held)", seconds(case.whole(node)), seconds(limits.held));
            let remedy = "shorten the prompts, or remove barge_in = false";
            findings.push(case.finding(Rule::Held, node, what, &way(), remedy));
        }
        Manner::Asks => {
            let fixed = |piece: &&Piece| !matches!(piece, Piece::Heard);
            let question: Vec<Piece> = case.flow.question(node).concat().iter().filter(fixed).cloned().collect();
            let length = case.length(&question);
            if length > limits.question {
                let what = format!("asks for {}, at most {} (question)", seconds(length), seconds(limits.question));
                findings.push(case.finding(Rule::LongQuestion, node, what, &way(), "shorten or split the question"));
            }
            if let Some(times) = kind.times().filter(|times| times.wait < limits.wait) {
                let what =
                    format!("waits {} for an answer, at least {} (wait)", seconds(times.wait), seconds(limits.wait));
                findings.push(case.finding(Rule::Hurry, node, what, &way(), "give people time: wait = \"6s\""));
            }
        }
        _ => {}
    }
    findings
}

/// The longest that somebody is in the flow who says and presses nothing, until a human, a ticket or the end.
fn silent(case: Case<'_>, walks: &Walks) -> Option<Finding> {
    let mut known = BTreeMap::new();
    let nodes = walks.nodes();
    for node in &nodes {
        longest(case, walks, *node, &mut known, nodes.len());
    }
    let (node, (time, _)) = known.iter().max_by_key(|(node, (time, _))| (*time, Reverse(**node)))?;
    if *time <= case.limits.silent {
        return None;
    }
    let mut way = walks.way_to(*node);
    let mut at = *node;
    while let Some((_, Some(next))) = known.get(&at).filter(|_| way.len() <= 2 * nodes.len()) {
        way.push(*next);
        at = *next;
    }
    let what = format!(
        "from here on who says nothing waits {} for a human, a ticket or the end, at most {} (silent)",
        seconds(*time),
        seconds(case.limits.silent)
    );
    Some(case.finding(Rule::Silent, *node, what, &way, "ask less often, wait less long, or transfer earlier"))
}

/// The longest silence from the start.
pub(super) fn longest_silence(case: Case<'_>, walks: &Walks) -> Duration {
    longest(case, walks, case.flow.start(), &mut BTreeMap::new(), case.flow.graph.nodes.len())
}

type Longest = BTreeMap<NodeId, (Duration, Option<NodeId>)>;

/// From a node on; `left` bounds the depth (a flow that was checked has no ways round for the silent).
fn longest(case: Case<'_>, walks: &Walks, node: NodeId, known: &mut Longest, left: usize) -> Duration {
    if let Some((time, _)) = known.get(&node) {
        return *time;
    }
    let here = case.in_silence(node);
    let arrived = case.flow.node(node).kind.target().is_some() || left == 0;
    let mut most = (Duration::ZERO, None);
    for way in walks.ways(node).iter().filter(|way| way.cause.unasked() && !arrived && way.cause != Cause::Filed) {
        let time = longest(case, walks, way.to, known, left - 1);
        if time >= most.0 {
            most = (time, Some(way.to));
        }
    }
    known.insert(node, (here + most.0, most.1));
    here + most.0
}

impl Case<'_> {
    /// How long a node keeps who says and presses nothing.
    pub(super) fn in_silence(&self, node: NodeId) -> Duration {
        let kind = &self.flow.node(node).kind;
        let question = self.whole(node);
        let (Some(times), handlers) = (kind.times(), kind.no_input()) else { return question };
        let rounds = leaving(handlers).map_or(1, |(n, _)| n);
        let spoken = |n: u32| counted(handlers, n).map_or(Duration::ZERO, |handler| self.length(&handler.say));
        let answers: Duration = (1..=rounds).map(spoken).sum();
        (question + times.wait) * rounds + answers
    }
}

/// The quickest way from the start to a human, for who knows the keys and for who listens.
fn to_human(case: Case<'_>, walks: &Walks) -> Vec<Finding> {
    let mut findings = Vec::new();
    let limits = [
        (Pace::Knows, Rule::ToHuman, case.limits.to_human, "to_human"),
        (Pace::Listens, Rule::ToHumanListening, case.limits.to_human_listening, "to_human_listening"),
    ];
    for (pace, rule, limit, key) in limits {
        if let Some((time, way)) = quickest(case, walks, pace)
            && time > limit
        {
            let who = if pace == Pace::Knows { "who knows the keys" } else { "who listens to the end of each prompt" };
            let what = format!("{who} needs {} to a human, at most {} ({key})", seconds(time), seconds(limit));
            let start = case.flow.start();
            findings.push(case.finding(rule, start, what, &way, "shorten what is said before, or lead there by a key"));
        }
    }
    findings
}

/// How a caller behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Presses at once.
    Knows,
    /// Hears each prompt to its end, and presses what it says.
    Listens,
}

/// Seconds until the call is put through, and the nodes on the way; `None`: it never is.
pub(crate) fn quickest(case: Case<'_>, walks: &Walks, pace: Pace) -> Option<(Duration, Vec<NodeId>)> {
    let start = case.flow.start();
    let mut best: BTreeMap<NodeId, (Duration, Option<NodeId>)> = BTreeMap::from([(start, (Duration::ZERO, None))]);
    let mut next = BinaryHeap::from([Reverse((Duration::ZERO, start))]);
    while let Some(Reverse((time, node))) = next.pop() {
        if best.get(&node).is_some_and(|(known, _)| *known < time) {
            continue;
        }
        if case.flow.node(node).kind.target().is_some() {
            let mut way = vec![node];
            let mut at = node;
            while let Some((_, Some(before))) = best.get(&at) {
                way.push(*before);
                at = *before;
            }
            way.reverse();
            return Some((time + case.whole(node), way));
        }
        for way in walks.ways(node) {
            let Some(cost) = cost(case, node, way, pace) else { continue };
            let there = time + cost;
            if best.get(&way.to).is_none_or(|(known, _)| there < *known) {
                best.insert(way.to, (there, Some(node)));
                next.push(Reverse((there, way.to)));
            }
        }
    }
    None
}

/// What leaving by a way takes; `None`: this caller does not know of it.
fn cost(case: Case<'_>, node: NodeId, way: &Way, pace: Pace) -> Option<Duration> {
    let whole = case.whole(node);
    let kind = &case.flow.node(node).kind;
    match (&way.cause, pace) {
        (Cause::Silence(_), _) => Some(case.in_silence(node)),
        (Cause::Key(_) | Cause::FlowKey(_), Pace::Knows) => Some(Duration::ZERO),
        // Who listens presses what the prompt says.
        (Cause::FlowKey(key), Pace::Listens) => {
            let said = case.flow.question(node).into_iter().flat_map(|pieces| keys_said(&case.spoken.text(pieces)));
            said.into_iter().any(|said| said.starts_with(*key)).then_some(whole)
        }
        (Cause::Alone, Pace::Knows) if case.flow.manner(node) == Manner::Says(true) => Some(Duration::ZERO),
        // The word has to be waited for.
        (Cause::Said | Cause::Word(_), _) => {
            let times = kind.times().map_or(Duration::ZERO, |times| times.silence);
            Some(if pace == Pace::Knows { times } else { whole + times })
        }
        (Cause::Wrong(_), _) => None,
        _ => Some(whole),
    }
}

/// `12.5 s`.
pub(crate) fn seconds(time: Duration) -> String {
    let tenths = (time.as_secs_f64() * 10.0).round() / 10.0;
    format!("{tenths} s")
}
