//! A flow as boxes and arrows, before anybody knows where they lie: what `jiesu flow graph` draws.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::{Flow, Kind, NodeId};
use super::prove::ways::{Manner, own};
use super::prove::{Cause, Spoken, Way};
use super::show::{act, seconds};

/// The whole drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Sketch {
    /// Lines over the drawing: what holds everywhere.
    pub notes: Vec<String>,
    pub nodes: Vec<Box>,
    pub arrows: Vec<Arrow>,
}

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub struct Box {
    pub name: String,
    pub text: Vec<String>,
    pub tone: Tone,
}

/// The ways from one node to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrow {
    pub from: String,
    pub to: String,
    pub text: Vec<String>,
    /// Nobody asked for it: silence, wrong keys, what fails.
    pub quiet: bool,
}

/// What kind of thing happens there, by its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Says,
    Asks,
    Decides,
    Files,
    Transfers,
    Ends,
}

/// Characters of a prompt's text on a line, and lines of it.
const COLUMNS: usize = 14;
const LINES: usize = 2;

/// Boxes in the order of the file; ways between the same two nodes are one arrow.
pub fn sketch(flow: &Flow, spoken: &Spoken) -> Sketch {
    let mut notes = vec![format!("流程 {}", flow.name())];
    notes.extend(flow.graph.keys.iter().map(|key| format!("随时按 {} → {}", key.key, flow.name_of(key.go))));
    let mut words: Vec<(NodeId, String)> = Vec::new();
    for (word, to) in &flow.graph.words {
        match words.iter_mut().find(|(known, _)| known == to) {
            Some((_, said)) => *said += &format!("「{word}」"),
            None => words.push((*to, format!("「{word}」"))),
        }
    }
    notes.extend(words.into_iter().map(|(to, said)| format!("随时说{said} → {}", flow.name_of(to))));
    let ids = (0..flow.graph.nodes.len()).map(NodeId);
    let nodes = ids.clone().map(|id| bx(flow, id, spoken)).collect();
    thinned(Sketch { notes, nodes, arrows: ids.flat_map(|id| arrows(flow, id)).collect() })
}

/// A node that so many others lead to is named in their boxes instead, and so is the way back up: with these arrows a
/// picture of forty nodes is a ball of wool.
const POPULAR: usize = 4;

fn thinned(mut sketch: Sketch) -> Sketch {
    let drawn: BTreeSet<(String, String)> = sketch.arrows.iter().map(|a| (a.from.clone(), a.to.clone())).collect();
    let order: BTreeMap<String, usize> =
        sketch.nodes.iter().enumerate().map(|(i, node)| (node.name.clone(), i)).collect();
    let back = |arrow: &Arrow| {
        drawn.contains(&(arrow.to.clone(), arrow.from.clone())) && order.get(&arrow.to) < order.get(&arrow.from)
    };
    let mut into: BTreeMap<String, usize> = BTreeMap::new();
    for arrow in sketch.arrows.iter().filter(|arrow| !back(arrow)) {
        *into.entry(arrow.to.clone()).or_default() += 1;
    }
    let (named, arrows): (Vec<Arrow>, Vec<Arrow>) =
        sketch.arrows.into_iter().partition(|arrow| into.get(&arrow.to).is_some_and(|n| *n > POPULAR) || back(arrow));
    for arrow in named {
        if let Some(node) = sketch.nodes.iter_mut().find(|node| node.name == arrow.from) {
            let causes = if arrow.text.is_empty() { "接着".to_owned() } else { arrow.text.join("、") };
            node.text.push(format!("{causes} → {}", arrow.to));
        }
    }
    Sketch { arrows, ..sketch }
}

fn bx(flow: &Flow, id: NodeId, spoken: &Spoken) -> Box {
    let pieces: Vec<_> = flow.question(id).concat();
    let mut text = vec![act(flow, id)];
    if !pieces.is_empty() {
        text[0] += &format!(" {}", seconds(spoken.length(&pieces, None)));
        let all: Vec<char> = spoken.text(&pieces).chars().collect();
        text.extend(all.chunks(COLUMNS).take(LINES).map(|line| line.iter().collect::<String>()));
        if all.len() > COLUMNS * LINES
            && let Some(last) = text.last_mut()
        {
            last.push('…');
        }
    }
    let tone = match (flow.manner(id), &flow.node(id).kind) {
        (_, Kind::File { .. }) => Tone::Files,
        (Manner::Asks, _) => Tone::Asks,
        (Manner::Instant, _) => Tone::Decides,
        (Manner::Transfers, _) => Tone::Transfers,
        (Manner::Ends, _) => Tone::Ends,
        (Manner::Says(_), _) => Tone::Says,
    };
    Box { name: flow.name_of(id).to_owned(), text, tone }
}

fn arrows(flow: &Flow, id: NodeId) -> Vec<Arrow> {
    let node = flow.node(id);
    let keys = node.keys.iter().map(|shortcut| Way { cause: Cause::Key(shortcut.key.to_string()), to: shortcut.go });
    let mut arrows: Vec<Arrow> = Vec::new();
    for way in own(&node.kind).into_iter().chain(keys) {
        let quiet = matches!(
            way.cause,
            Cause::Silence(_) | Cause::Wrong(_) | Cause::NotFiled | Cause::NoTicket | Cause::NoAnswer
        );
        let text = if way.cause == Cause::Alone { String::new() } else { way.cause.to_string() };
        let to = flow.name_of(way.to);
        match arrows.iter_mut().find(|arrow| arrow.to == to) {
            Some(arrow) => {
                arrow.quiet &= quiet;
                // Two to a line, so that a menu of ten keys to one place stays readable.
                match arrow.text.last_mut().filter(|last| last.chars().count() < COLUMNS - 4) {
                    Some(last) if !last.is_empty() => *last += &format!("、{text}"),
                    _ => arrow.text.push(text),
                }
            }
            None => arrows.push(Arrow {
                from: node.name.value.clone(),
                to: to.to_owned(),
                text: if text.is_empty() { Vec::new() } else { vec![text] },
                quiet,
            }),
        }
    }
    arrows
}
