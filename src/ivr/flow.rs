//! A flow: nodes, and where each leads. `To` is what an arrow points with: a name and its place while it is
//! *written*, a [`NodeId`] once it is *checked*; everything else is the same in both.
//!
//! What a node may be is [`Kind`]; [`arrows`](Kind::arrows) and [`says`](Kind::says) tell of any kind where it leads and
//! what it says, so that whoever walks over a flow needs to know no kind by name.

mod arrows;
mod piece;
mod question;

use std::fmt;

use super::talk::{By, Hints};
use crate::calendar::Hours;
use crate::written::Written;

pub use arrows::Why;
pub use piece::{As, GREETING, Part, Piece};
pub use question::{Arm, Ask, Choice, Counted, Digits, Intent, Times, Wanted, When, counted};

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

/// What a flow names that lives elsewhere, each with its place, for `config::check` (its sub-flows' included).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Uses {
    pub prompts: Vec<Written<String>>,
    pub transfers: Vec<Written<String>>,
    pub hints: Vec<Written<Hints>>,
    /// Languages that callers are put into.
    pub languages: Vec<Written<String>>,
    /// Variables that texts and branches ask for.
    pub variables: Vec<Written<String>>,
    /// Variables that whoever makes the call brings along (calls of ours to people).
    pub given: Vec<String>,
    /// The opening hours that the flow keeps; they ask the calendar.
    pub hours: Vec<Written<Hours>>,
    /// The names that the flow gives to SIP addresses.
    pub targets: Vec<(String, String)>,
    /// SIP addresses that are staffed at these hours only.
    pub duty: Vec<Written<(String, Hours)>>,
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
    /// A node of a sub-flow is named after the node that calls it: `who/ask`.
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

/// Which ticket a status node tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one whose number this variable holds. One that is not set, or is empty, means the caller's last ticket.
    Keyed(String),
    /// The caller's last.
    Last,
    /// The caller's earlier one about what they have just reported.
    Repeated,
}

/// What a node does.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind<To> {
    Say {
        say: Vec<Piece>,
        /// Whether a key cuts it short. Keys pressed meanwhile count for the next question in any case.
        barge_in: bool,
        go: To,
    },
    /// Choices by key; those with words are listened for too.
    Menu {
        ask: Ask<To>,
        choices: Vec<Choice<To>>,
    },
    /// Record what the caller says; an intent is a choice made in words, anything else is the request.
    Listen {
        say: Vec<Piece>,
        times: Times,
        intents: Vec<Intent<To>>,
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
    /// A row of digits into a variable.
    Collect {
        ask: Ask<To>,
        digits: Digits,
        into: String,
        go: To,
    },
    /// A message, kept as it is: nobody waits for its text.
    Record {
        say: Vec<Piece>,
        times: Times,
        no_input: Vec<Counted<To>>,
        go: To,
    },
    /// Gives variables their values, adds hints, changes how the caller is spoken to.
    Set {
        variables: Vec<(String, String)>,
        hints: Hints,
        wanted: Wanted,
        go: To,
    },
    /// The first arm that holds.
    Branch {
        arms: Vec<Arm<To>>,
        otherwise: To,
    },
    /// Is it within these opening hours?
    Hours {
        hours: Hours,
        open: To,
        closed: To,
    },
    /// Is what the caller said a question to which there is an answer? Then {question} and {answer} are known.
    Answer {
        /// How like the question must be, 0 to 1.
        least: f32,
        go: To,
        none: To,
    },
    /// Do the words leave it open which place is meant? Then it asks for one after the other, as `{place}`; 1 yes, 2 no.
    /// Whatever the answer, it goes on.
    Place {
        ask: Ask<To>,
        /// Said instead of key 1, and of key 2.
        yes: Vec<String>,
        no: Vec<String>,
        /// So many places are asked for.
        most: u32,
        go: To,
    },
    File {
        go: To,
        failed: To,
    },
    /// An earlier ticket and how far it is.
    Status {
        which: Which,
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
    /// To the people behind a name of `[targets]`.
    Queue {
        name: String,
        say: Vec<Piece>,
        target: String,
        by: By,
        failed: To,
        ended: Option<To>,
    },
    Transfer {
        say: Vec<Piece>,
        target: String,
        by: By,
        failed: To,
        /// After a talk that somebody took; without it the call ends.
        ended: Option<To>,
    },
    /// Calls a sub-flow. Its nodes are copied into the flow behind this one, so there is no stack at call time and
    /// whatever is proven of the flow is proven of its sub-flows in their place.
    Sub {
        flow: String,
        /// The first node of the copy.
        begin: To,
        /// Where its `return` nodes lead.
        go: To,
    },
    /// The end of a sub-flow.
    Return {
        go: To,
    },
    Goto {
        go: To,
    },
    Hangup {
        say: Vec<Piece>,
    },
}

/// The words that a file may write for `do`.
pub const KINDS: [&str; 19] = [
    "say", "menu", "listen", "confirm", "collect", "record", "set", "branch", "hours", "answer", "place", "file",
    "status", "queue", "transfer", "sub", "return", "goto", "hangup",
];

impl<To> Kind<To> {
    /// The word in the file, one of [`KINDS`].
    pub fn word(&self) -> &'static str {
        match self {
            Kind::Say { .. } => "say",
            Kind::Menu { .. } => "menu",
            Kind::Listen { .. } => "listen",
            Kind::Confirm { .. } => "confirm",
            Kind::Collect { .. } => "collect",
            Kind::Record { .. } => "record",
            Kind::Set { .. } => "set",
            Kind::Branch { .. } => "branch",
            Kind::Hours { .. } => "hours",
            Kind::Answer { .. } => "answer",
            Kind::Place { .. } => "place",
            Kind::File { .. } => "file",
            Kind::Status { .. } => "status",
            Kind::Queue { .. } => "queue",
            Kind::Transfer { .. } => "transfer",
            Kind::Sub { .. } => "sub",
            Kind::Return { .. } => "return",
            Kind::Goto { .. } => "goto",
            Kind::Hangup { .. } => "hangup",
        }
    }

    /// Where the call is put through to, for the kinds that do so.
    pub fn target(&self) -> Option<&str> {
        match self {
            Kind::Transfer { target, .. } | Kind::Queue { target, .. } => Some(target),
            _ => None,
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

    /// The languages that it puts callers into, beside the one it begins with.
    pub fn languages(&self) -> &[Written<String>] {
        &self.uses.languages
    }

    /// The opening hours that it keeps.
    pub fn hours(&self) -> &[Written<Hours>] {
        &self.uses.hours
    }

    /// The addresses that are not always staffed, with the hours at which they are.
    pub fn duty(&self) -> &[Written<(String, Hours)>] {
        &self.uses.duty
    }

    /// What `[targets]` calls an address.
    pub fn target_name(&self, uri: &str) -> Option<&str> {
        self.uses.targets.iter().find(|(_, known)| known == uri).map(|(name, _)| name.as_str())
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

    /// Words that lead away from wherever somebody is heard, each as [`super::spoken::bare`] leaves it.
    pub(super) fn words(&self) -> &[(String, NodeId)] {
        &self.graph.words
    }

    pub(super) fn node(&self, id: NodeId) -> &Node<NodeId> {
        &self.graph.nodes[id.0]
    }
}
