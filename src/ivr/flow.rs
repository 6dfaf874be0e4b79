//! A flow: nodes, and where each leads. `To` is what an arrow points with: a name and its place while it is
//! *written*, a [`NodeId`] once it is *checked*; everything else is the same in both.

use std::fmt;
use std::time::Duration;

use super::talk::{By, Hints};
use crate::written::Written;

/// A node of a checked flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(super) usize);

/// A checked flow: every arrow leads somewhere, every node can be reached, a silent caller reaches the end.
#[derive(Clone, PartialEq)]
pub struct Flow {
    pub(super) name: String,
    pub(super) graph: Graph<NodeId>,
    pub(super) uses: Uses,
}

/// By name: a log that holds a call must not hold its whole flow.
impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flow({})", self.name)
    }
}

/// What a flow names that lives in other files, each with its place, for `config::check`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Uses {
    pub prompts: Vec<Written<String>>,
    pub transfers: Vec<Written<String>>,
    pub hints: Vec<Written<Hints>>,
}

/// The nodes and what holds for all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph<To> {
    pub nodes: Vec<Node<To>>,
    pub start: To,
    /// Where a caller is led who has taken more than `steps`.
    pub too_long: To,
    /// Keys that work everywhere.
    pub keys: Vec<Shortcut<To>>,
    /// Whole utterances that do the same.
    pub words: Vec<(String, To)>,
    pub steps: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Node<To> {
    pub name: Written<String>,
    /// Keys that work in this node beside the flow's.
    pub keys: Vec<Shortcut<To>>,
    pub kind: Kind<To>,
}

/// A key that leads away.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortcut<To> {
    pub key: char,
    pub go: To,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind<To> {
    Say {
        say: Vec<Piece>,
        /// Whether a key cuts it short. Keys pressed meanwhile count for the next question in any case.
        barge_in: bool,
        go: To,
    },
    Menu {
        ask: Ask<To>,
        choices: Vec<Choice<To>>,
    },
    /// Record what the caller says.
    Listen {
        say: Vec<Piece>,
        times: Times,
        no_input: Vec<Counted<To>>,
        go: To,
    },
    /// Read back: 1 yes, 2 again.
    Confirm {
        ask: Ask<To>,
        /// Said instead of `ask.say` while nobody knows the text yet.
        pending: Vec<Piece>,
        yes: To,
        again: To,
    },
    File {
        go: To,
        failed: To,
    },
    /// The caller's last ticket.
    Status {
        found: Vec<Piece>,
        /// Said after `found` if the ticket is with a unit.
        unit: Vec<Piece>,
        /// How each state is spoken, for `{state}`.
        states: Vec<(String, Vec<Piece>)>,
        /// `{state}` for any other state.
        other_state: Vec<Piece>,
        none: To,
        go: To,
    },
    Transfer {
        say: Vec<Piece>,
        target: String,
        by: By,
        failed: To,
        /// After a talk that somebody took; without it the call ends.
        ended: Option<To>,
    },
    Goto {
        go: To,
    },
    Hangup {
        say: Vec<Piece>,
    },
}

/// A question that is answered by keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask<To> {
    pub say: Vec<Piece>,
    pub times: Times,
    pub no_input: Vec<Counted<To>>,
    pub no_match: Vec<Counted<To>>,
}

/// How long is waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// For the first key, or for speech to begin.
    pub wait: Duration,
    /// Between two keys of one choice.
    pub between: Duration,
    /// This much silence ends an utterance.
    pub silence: Duration,
    /// An utterance is cut off here.
    pub longest: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Choice<To> {
    /// One key or several in a row.
    pub keys: String,
    pub go: To,
    pub hints: Hints,
}

/// What is done at the n-th silence (or wrong key) of a visit: the one with the highest `count` not above n, as
/// VoiceXML 2.0 section 5.2.2 picks a handler. With `go` the node is left, without it the question is asked again.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted<To> {
    pub count: u32,
    pub say: Vec<Piece>,
    pub go: Option<To>,
}

/// An utterance as [`Graph::words`] are compared: letters and digits only.
pub fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).collect()
}

/// The handler for the `n`-th event.
pub fn counted<To>(handlers: &[Counted<To>], n: u32) -> Option<&Counted<To>> {
    handlers.iter().filter(|h| h.count <= n).max_by_key(|h| h.count)
}

/// One piece of a `say` list: a prompt's id, or a blank that the call fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Prompt(String),
    /// `{greeting}`: the line's greeting, or the prompt `greeting`.
    Greeting,
    /// `{heard}`: the caller's words.
    Heard,
    /// `{number}`: the ticket's number, digit by digit.
    Number,
    /// `{state}`: of the caller's last ticket.
    State,
    /// `{unit}`: that has it.
    Unit,
    /// `{line}`: the dialled line, digit by digit.
    Line,
}

/// The prompt that stands in for `{greeting}` where a line has none.
pub const GREETING: &str = "greeting";

/// What makes a call take an arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It happens by itself.
    Alone,
    /// The caller said and pressed nothing.
    Silence,
    /// The caller did something.
    Caller,
}

impl<To> Kind<To> {
    /// The word in the file.
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Say { .. } => "say",
            Kind::Menu { .. } => "menu",
            Kind::Listen { .. } => "listen",
            Kind::Confirm { .. } => "confirm",
            Kind::File { .. } => "file",
            Kind::Status { .. } => "status",
            Kind::Transfer { .. } => "transfer",
            Kind::Goto { .. } => "goto",
            Kind::Hangup { .. } => "hangup",
        }
    }

    /// Every arrow out of the node.
    pub fn arrows(&self) -> Vec<(Why, &To)> {
        fn counted<To>(handlers: &[Counted<To>], why: Why) -> impl Iterator<Item = (Why, &To)> {
            handlers.iter().filter_map(move |h| Some((why, h.go.as_ref()?)))
        }
        match self {
            Kind::Say { go, .. } | Kind::Goto { go } => vec![(Why::Alone, go)],
            Kind::Menu { ask, choices } => choices
                .iter()
                .map(|choice| (Why::Caller, &choice.go))
                .chain(counted(&ask.no_input, Why::Silence))
                .chain(counted(&ask.no_match, Why::Caller))
                .collect(),
            Kind::Listen { no_input, go, .. } => counted(no_input, Why::Silence).chain([(Why::Caller, go)]).collect(),
            Kind::Confirm { ask, yes, again, .. } => [(Why::Caller, yes), (Why::Caller, again)]
                .into_iter()
                .chain(counted(&ask.no_input, Why::Silence))
                .chain(counted(&ask.no_match, Why::Caller))
                .collect(),
            Kind::File { go, failed } => vec![(Why::Alone, go), (Why::Alone, failed)],
            Kind::Status { none, go, .. } => vec![(Why::Alone, go), (Why::Alone, none)],
            Kind::Transfer { failed, ended, .. } => {
                [(Why::Alone, failed)].into_iter().chain(ended.iter().map(|to| (Why::Alone, to))).collect()
            }
            Kind::Hangup { .. } => Vec::new(),
        }
    }

    /// The same node with every arrow replaced.
    pub fn map<U>(self, f: &mut impl FnMut(To) -> U) -> Kind<U> {
        fn counted<To, U>(handlers: Vec<Counted<To>>, f: &mut impl FnMut(To) -> U) -> Vec<Counted<U>> {
            handlers.into_iter().map(|h| Counted { count: h.count, say: h.say, go: h.go.map(&mut *f) }).collect()
        }
        fn asked<To, U>(ask: Ask<To>, f: &mut impl FnMut(To) -> U) -> Ask<U> {
            let no_input = counted(ask.no_input, f);
            Ask { say: ask.say, times: ask.times, no_input, no_match: counted(ask.no_match, f) }
        }
        match self {
            Kind::Say { say, barge_in, go } => Kind::Say { say, barge_in, go: f(go) },
            Kind::Menu { ask, choices } => Kind::Menu {
                ask: asked(ask, f),
                choices: choices.into_iter().map(|c| Choice { keys: c.keys, go: f(c.go), hints: c.hints }).collect(),
            },
            Kind::Listen { say, times, no_input, go } => {
                Kind::Listen { say, times, no_input: counted(no_input, f), go: f(go) }
            }
            Kind::Confirm { ask, pending, yes, again } => {
                Kind::Confirm { ask: asked(ask, f), pending, yes: f(yes), again: f(again) }
            }
            Kind::File { go, failed } => Kind::File { go: f(go), failed: f(failed) },
            Kind::Status { found, unit, states, other_state, none, go } => {
                Kind::Status { found, unit, states, other_state, none: f(none), go: f(go) }
            }
            Kind::Transfer { say, target, by, failed, ended } => {
                Kind::Transfer { say, target, by, failed: f(failed), ended: ended.map(f) }
            }
            Kind::Goto { go } => Kind::Goto { go: f(go) },
            Kind::Hangup { say } => Kind::Hangup { say },
        }
    }
}

impl Flow {
    /// The file's name without its ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many nodes one call may enter.
    pub fn steps(&self) -> u32 {
        self.graph.steps
    }

    /// The prompts that it says, with their places.
    pub fn prompts(&self) -> &[Written<String>] {
        &self.uses.prompts
    }

    /// The SIP addresses that it transfers to.
    pub fn transfers(&self) -> &[Written<String>] {
        &self.uses.transfers
    }

    /// The hints that its menus give.
    pub fn hints(&self) -> &[Written<Hints>] {
        &self.uses.hints
    }

    /// The nodes' names, in the order of the file.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.graph.nodes.iter().map(|node| node.name.value.as_str())
    }

    pub(super) fn start(&self) -> NodeId {
        self.graph.start
    }

    pub(super) fn too_long(&self) -> NodeId {
        self.graph.too_long
    }

    /// Where a key leads from `node`: its own keys first, then those of the flow.
    pub(super) fn shortcut(&self, node: &Node<NodeId>, key: char) -> Option<NodeId> {
        node.keys.iter().chain(&self.graph.keys).find(|shortcut| shortcut.key == key).map(|shortcut| shortcut.go)
    }

    /// Where an utterance leads that is just this word.
    pub(super) fn word(&self, bare: &str) -> Option<NodeId> {
        self.graph.words.iter().find(|(word, _)| word == bare).map(|(_, go)| *go)
    }

    pub(super) fn node(&self, id: NodeId) -> &Node<NodeId> {
        &self.graph.nodes[id.0]
    }
}
