//! What is said at a node: its question, and the blanks of its prompts filled in.

use jiff::civil::{Date, Time};

use super::{At, Interpreter, PLAY, STORE, Then};
use crate::ivr::flow::{As, GREETING, Kind, Node, Part, Piece, Times};
use crate::ivr::talk::{Heard, Output, Say};

/// So much is read back, in characters (about 25 s of speech).
pub(super) const READ_BACK: usize = 120;

impl Interpreter {
    /// The node's question, and what is awaited after it.
    pub(super) fn question(&self) -> (Vec<Say>, Then) {
        match &self.flow.node(self.node).kind {
            Kind::Menu { ask, choices } => {
                let spoken = choices.iter().any(|choice| !choice.words.is_empty());
                (self.spoken(&ask.say), if spoken { Then::Listen } else { Then::Ask })
            }
            Kind::Place { ask, yes, .. } => {
                (self.spoken(&ask.say), if yes.is_empty() { Then::Ask } else { Then::Listen })
            }
            Kind::Collect { ask, .. } => (self.spoken(&ask.say), Then::Ask),
            Kind::Confirm { ask, pending, .. } => {
                let known = matches!(self.heard, Some(Heard::Text(_)));
                (self.spoken(if known { &ask.say } else { pending }), Then::Ask)
            }
            Kind::Listen { say, .. } | Kind::Record { say, .. } => (self.spoken(say), Then::Listen),
            _ => (Vec::new(), Then::Hangup),
        }
    }

    pub(super) fn ask(&mut self) -> Option<Then> {
        let (question, then) = self.question();
        self.say(question, true, then)
    }

    pub(super) fn times(&self) -> Times {
        let none = Times { wait: STORE, between: STORE, silence: STORE, longest: STORE };
        self.flow.node(self.node).kind.times().copied().unwrap_or(none)
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
        let digits = |text: &str| some((!text.is_empty()).then(|| Say::Digits(text.to_owned())));
        match piece {
            Piece::Prompt(id) => vec![Say::Prompt(id.clone())],
            Piece::Text(parts) => some(self.text(parts)),
            Piece::Greeting => {
                vec![Say::Prompt(self.context.greeting.clone().unwrap_or_else(|| GREETING.to_owned()))]
            }
            Piece::Heard => some(match &self.heard {
                Some(Heard::Text(text)) => Some(Say::Text(text.chars().take(READ_BACK).collect())),
                _ => None,
            }),
            Piece::Number => {
                let number = report.map(|report| &report.number).or(self.number.as_ref());
                number.map(|number| digits(number)).unwrap_or_default()
            }
            Piece::State => match (report, kind) {
                (Some(report), Kind::Status { states, other_state, .. }) => {
                    let known = states.iter().find(|(state, _)| *state == report.state);
                    self.spoken(known.map_or(other_state, |(_, say)| say))
                }
                _ => Vec::new(),
            },
            Piece::Unit => some(report.and_then(|report| report.unit.clone()).map(Say::Text)),
            Piece::Line => digits(&self.context.line),
            Piece::Caller => digits(self.context.caller.trim_start_matches('+')),
            Piece::Date => vec![Say::Date(self.context.around.now.date())],
            Piece::Time => vec![Say::Time(self.context.around.now.time())],
            Piece::Incident => {
                let text = self.context.incident.as_ref().map(|incident| incident.text.clone());
                some(text.filter(|text| !text.is_empty()).map(Say::Text))
            }
            Piece::Variable(name, spoken) => {
                some(self.variables.get(name).filter(|value| !value.is_empty()).map(|value| say_as(value, *spoken)))
            }
        }
    }

    /// A text with its variables in it; without one of them there is nothing to say.
    fn text(&self, parts: &[Part]) -> Option<Say> {
        let part = |part: &Part| match part {
            Part::Fixed(text) => Some(text.clone()),
            Part::Variable(name) => self.variables.get(name).cloned(),
        };
        parts.iter().map(part).collect::<Option<String>>().map(Say::Text)
    }
}

/// A variable as it is to be spoken; a value that is none of the kind is spoken as itself.
fn say_as(value: &str, spoken: As) -> Say {
    let itself = || {
        let singly = |c: char| c.is_ascii_digit() || c == 'X' || c == '-';
        match value.chars().all(singly) {
            true => Say::Digits(value.to_owned()),
            false => Say::Text(value.to_owned()),
        }
    };
    match spoken {
        As::Itself => itself(),
        As::Text => Say::Text(value.to_owned()),
        As::Count => value.parse().map_or_else(|_| itself(), Say::Count),
        As::Date => value.parse::<Date>().map_or_else(|_| itself(), Say::Date),
        As::Time => {
            let keyed = || {
                let (hour, minute) = value.split_at_checked(2).filter(|_| value.len() == 4)?;
                Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
            };
            crate::calendar::clock(value).or_else(keyed).map_or_else(itself, Say::Time)
        }
    }
}
