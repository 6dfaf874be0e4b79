//! Where a caller can go from a node, and by what.
//!
//! One place that knows kinds of nodes by name; the rules see only [`Way`]s. A kind that is not named here is known by
//! its arrows and by what it says.

use std::fmt;

use crate::ivr::flow::{Counted, Flow, Kind, NodeId, Piece, Why, counted};

/// What leads on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It goes on by itself.
    Alone,
    /// A choice or a key of the node.
    Key(String),
    /// A key that works everywhere.
    FlowKey(char),
    /// The caller spoke.
    Said,
    /// The caller said just this.
    Word(String),
    /// The caller keyed what was asked for.
    Keyed,
    /// The n-th time that nothing was said or pressed.
    Silence(u32),
    /// The n-th wrong key.
    Wrong(u32),
    Filed,
    NotFiled,
    Found,
    NoTicket,
    /// Nobody took the transferred call.
    NoAnswer,
    /// Somebody took it, and has hung up.
    Talked,
    Open,
    Closed,
    /// The caller's question was answered.
    Answered,
    /// No answer fits.
    NoAnswerKnown,
    /// The n-th arm of a branch.
    Arm(usize),
    Otherwise,
}

impl Cause {
    /// Whether the caller asked for it.
    pub fn chosen(&self) -> bool {
        matches!(self, Cause::Key(_) | Cause::FlowKey(_) | Cause::Word(_))
    }

    /// Whether it comes about although the caller says and presses nothing.
    pub fn unasked(&self) -> bool {
        !self.chosen() && !matches!(self, Cause::Said | Cause::Keyed | Cause::Wrong(_))
    }
}

/// In the admins' language.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Alone => f.write_str("接着"),
            Cause::Key(keys) => write!(f, "按 {keys}"),
            Cause::FlowKey(key) => write!(f, "随时按 {key}"),
            Cause::Said => f.write_str("说完"),
            Cause::Word(word) => write!(f, "说「{word}」"),
            Cause::Keyed => f.write_str("输入后"),
            Cause::Silence(1) => f.write_str("无应答"),
            Cause::Silence(n) => write!(f, "{n} 次无应答"),
            Cause::Wrong(1) => f.write_str("按错"),
            Cause::Wrong(n) => write!(f, "{n} 次按错"),
            Cause::Filed => f.write_str("登记成功"),
            Cause::NotFiled => f.write_str("登记失败"),
            Cause::Found => f.write_str("查到工单"),
            Cause::NoTicket => f.write_str("没有工单"),
            Cause::NoAnswer => f.write_str("无人接听"),
            Cause::Talked => f.write_str("通话结束后"),
            Cause::Open => f.write_str("开放时间内"),
            Cause::Closed => f.write_str("开放时间外"),
            Cause::Answered => f.write_str("已答复"),
            Cause::NoAnswerKnown => f.write_str("没有现成答复"),
            Cause::Arm(n) => write!(f, "符合条件 {n}"),
            Cause::Otherwise => f.write_str("其他情况"),
        }
    }
}

/// One way on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    pub cause: Cause,
    pub to: NodeId,
}

/// How a node treats who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Nothing is said and nothing awaited: no key can come.
    Instant,
    /// It says something, or waits for the store, and goes on; `true`: a key cuts it short.
    Says(bool),
    /// It waits for a key or for speech.
    Asks,
    /// The call is put through: no key counts.
    Transfers,
    /// It ends.
    Ends,
}

impl Manner {
    pub fn takes_keys(self) -> bool {
        match self {
            Manner::Says(_) | Manner::Asks | Manner::Ends => true,
            Manner::Instant | Manner::Transfers => false,
        }
    }
}

impl Flow {
    pub(crate) fn manner(&self, id: NodeId) -> Manner {
        let kind = &self.node(id).kind;
        match kind {
            Kind::Say { barge_in, .. } => Manner::Says(*barge_in),
            Kind::File { .. } => Manner::Says(false),
            // The answer itself, and whether it was one, are asked while the call is there.
            Kind::Status { .. } | Kind::Answer { .. } => Manner::Says(true),
            Kind::Hangup { .. } => Manner::Ends,
            _ if kind.times().is_some() => Manner::Asks,
            _ if kind.target().is_some() => Manner::Transfers,
            _ if kind.says().is_empty() => Manner::Instant,
            _ => Manner::Says(true),
        }
    }

    /// What is said when the call comes there; a status node says all that it may.
    pub(crate) fn question(&self, id: NodeId) -> Vec<&[Piece]> {
        let kind = &self.node(id).kind;
        let says = kind.says().into_iter();
        match kind {
            Kind::Status { .. } => {
                says.filter(|(key, _)| matches!(*key, "found" | "unit")).map(|(_, say)| say).collect()
            }
            _ => says.filter(|(key, _)| *key == "say").map(|(_, say)| say).take(1).collect(),
        }
    }

    /// The node's own ways, then those that keys and words of the whole flow open there.
    pub fn ways(&self, id: NodeId) -> Vec<Way> {
        let node = self.node(id);
        let mut ways = own(&node.kind);
        if self.manner(id).takes_keys() {
            let digits = matches!(node.kind, Kind::Collect { .. });
            let taken = |ways: &[Way], key: char| {
                (digits && key.is_ascii_digit())
                    || ways.iter().any(|way| matches!(&way.cause, Cause::Key(keys) if keys.starts_with(key)))
            };
            for shortcut in &node.keys {
                if !taken(&ways, shortcut.key) && shortcut.go != id {
                    ways.push(Way { cause: Cause::Key(shortcut.key.to_string()), to: shortcut.go });
                }
            }
            for shortcut in &self.graph.keys {
                if !taken(&ways, shortcut.key) && shortcut.go != id {
                    ways.push(Way { cause: Cause::FlowKey(shortcut.key), to: shortcut.go });
                }
            }
        }
        if ways.iter().any(|way| matches!(way.cause, Cause::Said | Cause::Word(_))) {
            let words = self.graph.words.iter().filter(|(_, go)| *go != id);
            ways.extend(words.map(|(word, go)| Way { cause: Cause::Word(word.clone()), to: *go }));
        }
        ways
    }
}

/// The ways of a node without those of its `keys`.
pub(crate) fn own(kind: &Kind<NodeId>) -> Vec<Way> {
    let way = |cause, to: &NodeId| Way { cause, to: *to };
    let word = |word: &String, to: &NodeId| Way { cause: Cause::Word(word.clone()), to: *to };
    let mut ways: Vec<Way> = match kind {
        Kind::Menu { choices, .. } => {
            let keys = choices.iter().filter(|c| !c.keys.is_empty()).map(|c| way(Cause::Key(c.keys.clone()), &c.go));
            keys.chain(choices.iter().flat_map(|c| c.words.iter().map(|w| word(w, &c.go)))).collect()
        }
        Kind::Listen { intents, go, .. } => {
            let intents = intents.iter().flat_map(|intent| intent.words.iter().map(|w| word(w, &intent.go)));
            [way(Cause::Said, go)].into_iter().chain(intents).collect()
        }
        Kind::Confirm { yes, again, .. } => {
            vec![way(Cause::Key("1".to_owned()), yes), way(Cause::Key("2".to_owned()), again)]
        }
        Kind::Place { yes, no, go, .. } => {
            let keys = ["1", "2"].map(|key| way(Cause::Key(key.to_owned()), go));
            let words = yes.iter().chain(no).map(|w| word(w, go));
            [way(Cause::Alone, go)].into_iter().chain(keys).chain(words).collect()
        }
        Kind::Collect { go, .. } => vec![way(Cause::Keyed, go)],
        Kind::Hours { open, closed, .. } => vec![way(Cause::Open, open), way(Cause::Closed, closed)],
        Kind::Branch { arms, otherwise } => {
            let arms = arms.iter().enumerate().map(|(i, arm)| way(Cause::Arm(i + 1), &arm.go));
            arms.chain([way(Cause::Otherwise, otherwise)]).collect()
        }
        Kind::File { go, failed } => vec![way(Cause::Filed, go), way(Cause::NotFiled, failed)],
        Kind::Answer { go, none, .. } => vec![way(Cause::Answered, go), way(Cause::NoAnswerKnown, none)],
        Kind::Status { none, go, .. } => vec![way(Cause::Found, go), way(Cause::NoTicket, none)],
        Kind::Transfer { failed, ended, .. } | Kind::Queue { failed, ended, .. } => {
            let ended = ended.iter().map(|to| way(Cause::Talked, to));
            [way(Cause::NoAnswer, failed)].into_iter().chain(ended).collect()
        }
        other => {
            let arrows = other.arrows().into_iter();
            arrows
                .filter_map(|(why, to)| match why {
                    Why::Alone => Some(way(Cause::Alone, to)),
                    Why::Caller => Some(way(Cause::Said, to)),
                    Why::Silence => None,
                })
                .collect()
        }
    };
    ways.extend(leaves(kind.no_input(), Cause::Silence));
    ways.extend(leaves(kind.no_match(), Cause::Wrong));
    ways
}

/// The handler by which the node is left: those behind it are never reached.
fn leaves(handlers: &[Counted<NodeId>], cause: fn(u32) -> Cause) -> Option<Way> {
    let (n, to) = leaving(handlers)?;
    Some(Way { cause: cause(n), to })
}

/// At which time the node is left, and to where.
pub(crate) fn leaving(handlers: &[Counted<NodeId>]) -> Option<(u32, NodeId)> {
    let most = handlers.iter().map(|handler| handler.count).max()?;
    (1..=most).find_map(|n| Some((n, counted(handlers, n)?.go?)))
}
