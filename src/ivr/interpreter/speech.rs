//! What the caller says: requests, choices and intents in words, words that lead away from anywhere; and silence.

use super::{At, Interpreter, Then};
use crate::ivr::flow::{Counted, Kind, NodeId, counted};
use crate::ivr::spoken::{bare, is};
use crate::ivr::talk::{Heard, Hints, Output};

impl Interpreter {
    /// Whether this is being said, may be cut short, and what the caller says is awaited after it.
    pub fn gives_way(&self, play: u32) -> bool {
        matches!(self.at, At::Saying { play: now, cut: true, then: Then::Listen } if now == play)
    }

    pub(super) fn heard(&mut self, heard: Heard) {
        let flow = self.flow.clone();
        let said = match &heard {
            Heard::Text(text) => bare(text),
            Heard::Pending => String::new(),
        };
        if said.is_empty() && matches!(heard, Heard::Text(_)) {
            return self.silence();
        }
        let among = |words: &[String]| words.iter().any(|word| is(&said, word));
        let chosen: Option<(NodeId, Hints)> = match &flow.node(self.node).kind {
            Kind::Menu { choices, .. } => {
                choices.iter().find(|choice| among(&choice.words)).map(|choice| (choice.go, choice.hints.clone()))
            }
            Kind::Listen { intents, .. } => {
                intents.iter().find(|intent| among(&intent.words)).map(|intent| (intent.go, intent.hints.clone()))
            }
            _ => None,
        };
        if let Some((go, hints)) = chosen {
            self.hints.add(&hints);
            return self.proceed(Then::Go(go));
        }
        let away = flow.words().iter().find(|(word, go)| *go != self.node && is(&said, word));
        if let Some((_, go)) = away {
            return self.proceed(Then::Go(*go));
        }
        match &flow.node(self.node).kind {
            Kind::Listen { go, .. } | Kind::Record { go, .. } => {
                self.heard = Some(heard);
                self.confirmed = false;
                self.proceed(Then::Go(*go));
            }
            Kind::Menu { .. } => self.no_match(),
            Kind::Place { yes, no, .. } => self.place_said(&said, among(yes), among(no)),
            _ => {}
        }
    }

    /// Nothing was said or pressed.
    pub(super) fn silence(&mut self) {
        self.no_input += 1;
        let flow = self.flow.clone();
        self.handle(counted(flow.node(self.node).kind.no_input(), self.no_input));
    }

    /// What was said or pressed is no answer.
    pub(super) fn no_match(&mut self) {
        self.no_match += 1;
        let flow = self.flow.clone();
        self.handle(counted(flow.node(self.node).kind.no_match(), self.no_match));
    }

    fn handle(&mut self, handler: Option<&Counted<NodeId>>) {
        if matches!(self.at, At::Saying { .. }) {
            self.out.push_back(Output::StopPlay);
        }
        let mut say = handler.map(|handler| self.spoken(&handler.say)).unwrap_or_default();
        let then = match handler.and_then(|handler| handler.go) {
            Some(go) => self.say(say, true, Then::Go(go)),
            None => {
                let (question, then) = self.question();
                say.extend(question);
                self.say(say, true, then)
            }
        };
        if let Some(then) = then {
            self.proceed(then);
        }
    }

    /// Says the question once more, because the caller wants it.
    pub(super) fn repeat(&mut self) {
        self.repeats += 1;
        self.stop();
        let then = self.ask();
        if let Some(then) = then {
            self.proceed(then);
        }
    }

    /// Ends what is being played or recorded.
    pub(super) fn stop(&mut self) {
        match self.at {
            At::Saying { .. } => self.out.push_back(Output::StopPlay),
            At::Hearing => self.out.push_back(Output::StopListen),
            _ => {}
        }
    }
}
