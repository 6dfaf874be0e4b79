//! Where a node leads and what it says, whatever its kind.

use super::{Arm, Ask, Choice, Counted, Graph, Intent, Kind, Node, Piece, Shortcut, Times};

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
    /// Every arrow out of the node.
    pub fn arrows(&self) -> Vec<(Why, &To)> {
        let mut arrows: Vec<(Why, &To)> = match self {
            Kind::Say { go, .. } | Kind::Set { go, .. } | Kind::Goto { go } | Kind::Return { go } => {
                vec![(Why::Alone, go)]
            }
            Kind::Menu { choices, .. } => choices.iter().map(|choice| (Why::Caller, &choice.go)).collect(),
            Kind::Listen { intents, go, .. } => {
                intents.iter().map(|intent| (Why::Caller, &intent.go)).chain([(Why::Caller, go)]).collect()
            }
            Kind::Confirm { yes, again, .. } => vec![(Why::Caller, yes), (Why::Caller, again)],
            Kind::Collect { go, .. } | Kind::Record { go, .. } => vec![(Why::Caller, go)],
            // By itself where there is nothing to ask.
            Kind::Place { go, .. } => vec![(Why::Alone, go), (Why::Caller, go)],
            Kind::Branch { arms, otherwise } => {
                arms.iter().map(|arm| &arm.go).chain([otherwise]).map(|to| (Why::Alone, to)).collect()
            }
            Kind::Hours { open, closed, .. } => vec![(Why::Alone, open), (Why::Alone, closed)],
            Kind::Answer { go, none, .. } => vec![(Why::Alone, go), (Why::Alone, none)],
            Kind::File { go, failed } => vec![(Why::Alone, go), (Why::Alone, failed)],
            Kind::Status { none, go, .. } => vec![(Why::Alone, go), (Why::Alone, none)],
            Kind::Transfer { failed, ended, .. } | Kind::Queue { failed, ended, .. } => {
                [failed].into_iter().chain(ended).map(|to| (Why::Alone, to)).collect()
            }
            // Where the call goes on afterwards is an arrow of the copy's `return` nodes.
            Kind::Sub { begin, .. } => vec![(Why::Alone, begin)],
            Kind::Hangup { .. } => Vec::new(),
        };
        arrows.extend(self.no_input().iter().filter_map(|handler| Some((Why::Silence, handler.go.as_ref()?))));
        arrows.extend(self.no_match().iter().filter_map(|handler| Some((Why::Caller, handler.go.as_ref()?))));
        arrows
    }

    /// What happens to who says and presses nothing, for the kinds that ask.
    pub fn no_input(&self) -> &[Counted<To>] {
        match self {
            Kind::Menu { ask, .. }
            | Kind::Confirm { ask, .. }
            | Kind::Collect { ask, .. }
            | Kind::Place { ask, .. } => &ask.no_input,
            Kind::Listen { no_input, .. } | Kind::Record { no_input, .. } => no_input,
            _ => &[],
        }
    }

    /// What happens after an answer that is none, for the kinds that ask for keys.
    pub fn no_match(&self) -> &[Counted<To>] {
        match self {
            Kind::Menu { ask, .. }
            | Kind::Confirm { ask, .. }
            | Kind::Collect { ask, .. }
            | Kind::Place { ask, .. } => &ask.no_match,
            _ => &[],
        }
    }

    /// How long an answer is waited for, for the kinds that ask.
    pub fn times(&self) -> Option<&Times> {
        match self {
            Kind::Menu { ask, .. }
            | Kind::Confirm { ask, .. }
            | Kind::Collect { ask, .. }
            | Kind::Place { ask, .. } => Some(&ask.times),
            Kind::Listen { times, .. } | Kind::Record { times, .. } => Some(times),
            _ => None,
        }
    }

    /// Every list that may be spoken here, under its key in the file; the one that is spoken on entering comes first.
    pub fn says(&self) -> Vec<(&'static str, &[Piece])> {
        let mut lists: Vec<(&'static str, &[Piece])> = match self {
            Kind::Say { say, .. }
            | Kind::Listen { say, .. }
            | Kind::Record { say, .. }
            | Kind::Transfer { say, .. }
            | Kind::Queue { say, .. }
            | Kind::Hangup { say } => vec![("say", say)],
            Kind::Menu { ask, .. } | Kind::Collect { ask, .. } | Kind::Place { ask, .. } => vec![("say", &ask.say)],
            Kind::Confirm { ask, pending, .. } => vec![("say", &ask.say), ("pending", pending)],
            Kind::Status { found, unit, states, other_state, .. } => {
                let fixed = [("found", found.as_slice()), ("unit", unit), ("other_state", other_state)];
                fixed.into_iter().chain(states.iter().map(|(_, say)| ("states", say.as_slice()))).collect()
            }
            Kind::Set { .. }
            | Kind::Branch { .. }
            | Kind::Hours { .. }
            | Kind::Answer { .. }
            | Kind::File { .. }
            | Kind::Sub { .. }
            | Kind::Return { .. }
            | Kind::Goto { .. } => Vec::new(),
        };
        lists.extend(self.no_input().iter().map(|handler| ("no_input", handler.say.as_slice())));
        lists.extend(self.no_match().iter().map(|handler| ("no_match", handler.say.as_slice())));
        lists
    }

    /// The same node with every arrow replaced.
    pub fn map<U>(self, f: &mut impl FnMut(To) -> U) -> Kind<U> {
        match self {
            Kind::Say { say, barge_in, go } => Kind::Say { say, barge_in, go: f(go) },
            Kind::Menu { ask, choices } => {
                let mut choice = |c: Choice<To>| Choice { keys: c.keys, words: c.words, go: f(c.go), hints: c.hints };
                let choices = choices.into_iter().map(&mut choice).collect();
                Kind::Menu { ask: ask.map(f), choices }
            }
            Kind::Listen { say, times, intents, no_input, go } => {
                let mut intent = |i: Intent<To>| Intent { words: i.words, go: f(i.go), hints: i.hints };
                let intents = intents.into_iter().map(&mut intent).collect();
                Kind::Listen { say, times, intents, no_input: handlers(no_input, f), go: f(go) }
            }
            Kind::Confirm { ask, pending, yes, again } => {
                Kind::Confirm { ask: ask.map(f), pending, yes: f(yes), again: f(again) }
            }
            Kind::Collect { ask, digits, into, go } => Kind::Collect { ask: ask.map(f), digits, into, go: f(go) },
            Kind::Record { say, times, no_input, go } => {
                Kind::Record { say, times, no_input: handlers(no_input, f), go: f(go) }
            }
            Kind::Set { variables, hints, wanted, go } => Kind::Set { variables, hints, wanted, go: f(go) },
            Kind::Branch { arms, otherwise } => {
                let arms = arms.into_iter().map(|arm| Arm { when: arm.when, go: f(arm.go) }).collect();
                Kind::Branch { arms, otherwise: f(otherwise) }
            }
            Kind::Hours { hours, open, closed } => Kind::Hours { hours, open: f(open), closed: f(closed) },
            Kind::Answer { least, go, none } => Kind::Answer { least, go: f(go), none: f(none) },
            Kind::Place { ask, yes, no, most, go } => Kind::Place { ask: ask.map(f), yes, no, most, go: f(go) },
            Kind::File { go, failed } => Kind::File { go: f(go), failed: f(failed) },
            Kind::Status { which, found, unit, states, other_state, none, go } => {
                Kind::Status { which, found, unit, states, other_state, none: f(none), go: f(go) }
            }
            Kind::Queue { name, say, target, by, failed, ended } => {
                Kind::Queue { name, say, target, by, failed: f(failed), ended: ended.map(f) }
            }
            Kind::Transfer { say, target, by, failed, ended } => {
                Kind::Transfer { say, target, by, failed: f(failed), ended: ended.map(f) }
            }
            Kind::Sub { flow, begin, go } => Kind::Sub { flow, begin: f(begin), go: f(go) },
            Kind::Return { go } => Kind::Return { go: f(go) },
            Kind::Goto { go } => Kind::Goto { go: f(go) },
            Kind::Hangup { say } => Kind::Hangup { say },
        }
    }
}

fn handlers<To, U>(handlers: Vec<Counted<To>>, f: &mut impl FnMut(To) -> U) -> Vec<Counted<U>> {
    handlers.into_iter().map(|h| Counted { count: h.count, say: h.say, go: h.go.map(&mut *f) }).collect()
}

impl<To> Ask<To> {
    fn map<U>(self, f: &mut impl FnMut(To) -> U) -> Ask<U> {
        let no_input = handlers(self.no_input, f);
        Ask { say: self.say, times: self.times, no_input, no_match: handlers(self.no_match, f) }
    }
}

impl<To> Graph<To> {
    /// The same graph with every arrow replaced.
    pub(in crate::ivr) fn map<U>(self, f: &mut impl FnMut(To) -> U) -> Graph<U> {
        fn shortcuts<To, U>(keys: Vec<Shortcut<To>>, f: &mut impl FnMut(To) -> U) -> Vec<Shortcut<U>> {
            keys.into_iter().map(|shortcut| Shortcut { key: shortcut.key, go: f(shortcut.go) }).collect()
        }
        Graph {
            start: f(self.start),
            too_long: f(self.too_long),
            keys: shortcuts(self.keys, f),
            words: self.words.into_iter().map(|(word, go)| (word, f(go))).collect(),
            nodes: self
                .nodes
                .into_iter()
                .map(|node| Node { name: node.name, keys: shortcuts(node.keys, f), kind: node.kind.map(f) })
                .collect(),
            steps: self.steps,
        }
    }
}
