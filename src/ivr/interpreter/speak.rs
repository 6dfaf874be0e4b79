//! What is said at a node: its question, and the blanks of its prompts filled in.

use super::{At, Interpreter, PLAY, STORE, Then};
use crate::ivr::flow::{GREETING, Kind, Node, Piece, Times};
use crate::ivr::talk::{Heard, Output, Say};

/// So much is read back, in characters (about 25 s of speech).
pub(super) const READ_BACK: usize = 120;

impl Interpreter {
    /// The node's question, and what is awaited after it.
    pub(super) fn question(&self) -> (Vec<Say>, Then) {
        match &self.flow.node(self.node).kind {
            Kind::Menu { ask, .. } => (self.spoken(&ask.say), Then::Ask),
            Kind::Confirm { ask, pending, .. } => {
                let known = matches!(self.heard, Some(Heard::Text(_)));
                (self.spoken(if known { &ask.say } else { pending }), Then::Ask)
            }
            Kind::Listen { say, .. } => (self.spoken(say), Then::Listen),
            _ => (Vec::new(), Then::Hangup),
        }
    }

    pub(super) fn ask(&mut self) -> Option<Then> {
        let (question, then) = self.question();
        self.say(question, true, then)
    }

    pub(super) fn times(&self) -> Times {
        match &self.flow.node(self.node).kind {
            Kind::Menu { ask, .. } | Kind::Confirm { ask, .. } => ask.times,
            Kind::Listen { times, .. } => *times,
            _ => Times { wait: STORE, between: STORE, silence: STORE, longest: STORE },
        }
    }

    /// Plays; with nothing to play gives back what comes then.
    pub(super) fn say(&mut self, say: Vec<Say>, barge_in: bool, then: Then) -> Option<Then> {
        if say.is_empty() {
            return Some(then);
        }
        self.plays += 1;
        self.out.push_back(Output::Play { play: self.plays, say, barge_in });
        self.rest(At::Saying { play: self.plays, cut: barge_in, then }, Some(PLAY));
        None
    }

    pub(super) fn spoken(&self, pieces: &[Piece]) -> Vec<Say> {
        pieces.iter().flat_map(|piece| self.piece(piece)).collect()
    }

    pub(super) fn piece(&self, piece: &Piece) -> Vec<Say> {
        let Node { kind, .. } = self.flow.node(self.node);
        let report = if matches!(kind, Kind::Status { .. }) { self.report.as_ref() } else { None };
        let some = |say: Option<Say>| say.into_iter().collect();
        match piece {
            Piece::Prompt(id) => vec![Say::Prompt(id.clone())],
            Piece::Greeting => {
                vec![Say::Prompt(self.context.greeting.clone().unwrap_or_else(|| GREETING.to_owned()))]
            }
            Piece::Heard => some(match &self.heard {
                Some(Heard::Text(text)) => Some(Say::Text(text.chars().take(READ_BACK).collect())),
                _ => None,
            }),
            Piece::Number => {
                let number = report.map(|report| &report.number).or(self.number.as_ref());
                some(number.filter(|number| !number.is_empty()).cloned().map(Say::Digits))
            }
            Piece::State => match (report, kind) {
                (Some(report), Kind::Status { states, other_state, .. }) => {
                    let known = states.iter().find(|(state, _)| *state == report.state);
                    self.spoken(known.map_or(other_state, |(_, say)| say))
                }
                _ => Vec::new(),
            },
            Piece::Unit => some(report.and_then(|report| report.unit.clone()).map(Say::Text)),
            Piece::Line if self.context.line.is_empty() => Vec::new(),
            Piece::Line => vec![Say::Digits(self.context.line.clone())],
        }
    }
}
