//! Keys: choices of one key or several, rows of digits, the keys that work everywhere, and keys that come before their
//! question. `*` says a question again wherever it means nothing else.

use super::{At, Interpreter, Then};
use crate::ivr::flow::{Digits, Kind, NodeId};
use crate::ivr::talk::{Hints, Output};

/// Keys kept for the next question.
const TYPED_AHEAD: usize = 8;
/// A question is said again at most so often in one visit: every walk has to end.
const MOST_REPEATS: u32 = 9;

impl Interpreter {
    /// Whether a key would be an answer now.
    pub(super) fn takes_keys(&self) -> bool {
        match &self.at {
            At::Saying { then, .. } => matches!(then, Then::Ask | Then::Listen),
            At::Asking { .. } | At::Hearing => true,
            _ => false,
        }
    }

    pub(super) fn key(&mut self, key: char) {
        // Who was told to end with # does so after a row that was complete without it.
        if self.spent.take() == Some(key) {
            return;
        }
        let flow = self.flow.clone();
        let node = flow.node(self.node);
        match &self.at {
            At::Start | At::Transferring | At::Alarm { .. } | At::Over | At::Saying { then: Then::Transfer, .. } => {
                return;
            }
            At::Asking { typed } if !typed.is_empty() => return self.more(key),
            _ => {}
        }
        if self.takes_keys() {
            match &node.kind {
                Kind::Menu { choices, .. } if choices.iter().any(|choice| choice.keys.starts_with(key)) => {
                    return self.more(key);
                }
                Kind::Collect { digits, .. } if key.is_ascii_digit() => return self.digit(digits, key),
                Kind::Confirm { yes, .. } if key == '1' => {
                    self.confirmed = true;
                    return self.leave(*yes);
                }
                Kind::Confirm { again, .. } if key == '2' => return self.leave(*again),
                Kind::Place { .. } if key == '1' => return self.place_answered(true),
                Kind::Place { .. } if key == '2' => return self.place_answered(false),
                _ => {}
            }
        }
        if let Some(go) = flow.shortcut(node, key).filter(|go| *go != self.node) {
            return self.leave(go);
        }
        if key == '*' && self.takes_keys() && self.repeats < MOST_REPEATS {
            return self.repeat();
        }
        let is_menu = matches!(node.kind, Kind::Menu { .. } | Kind::Place { .. });
        match self.at.clone() {
            At::Saying { then: Then::Ask, .. } | At::Asking { .. } => self.no_match(),
            // A menu that also hears. Media ends an utterance with #; any other key is no choice.
            At::Saying { then: Then::Listen, .. } if is_menu => self.no_match(),
            At::Hearing if is_menu && key != '#' => {
                self.out.push_back(Output::StopListen);
                self.no_match();
            }
            At::Saying { then: Then::Listen, .. } => {
                self.out.push_back(Output::StopPlay);
                self.proceed(Then::Listen);
            }
            At::Saying { then: then @ Then::Go(_), cut, .. } => {
                self.keep(key);
                if cut {
                    self.out.push_back(Output::StopPlay);
                    self.proceed(then);
                }
            }
            At::Filing | At::LookingUp => self.keep(key),
            // `#` while listening ends the utterance; media does that.
            _ => {}
        }
    }

    pub(super) fn keep(&mut self, key: char) {
        if self.typed_ahead.len() < TYPED_AHEAD {
            self.typed_ahead.push_back(key);
        }
    }

    /// One more key of a menu's choice, or of a row of digits.
    pub(super) fn more(&mut self, key: char) {
        let flow = self.flow.clone();
        let (choices, ask) = match &flow.node(self.node).kind {
            Kind::Menu { choices, ask } => (choices, ask),
            Kind::Collect { digits, .. } => return self.digit(digits, key),
            _ => return,
        };
        let mut typed = self.typed();
        // `#` ends a choice that could go on, if it is no key of one itself.
        let ends = key == '#' && !choices.iter().any(|choice| choice.keys.starts_with(&format!("{typed}#")));
        if !ends {
            typed.push(key);
        }
        let longer = choices.iter().any(|choice| choice.keys.len() > typed.len() && choice.keys.starts_with(&typed));
        if longer && !ends {
            self.stop();
            self.rest(At::Asking { typed }, Some(ask.times.between));
        } else if self.choice(&typed).is_some() {
            self.take(&typed);
        } else {
            self.no_match();
        }
    }

    fn typed(&self) -> String {
        match &self.at {
            At::Asking { typed } => typed.clone(),
            _ => String::new(),
        }
    }

    /// One more key of a row of digits.
    fn digit(&mut self, digits: &Digits, key: char) {
        let mut typed = self.typed();
        if Some(key) == digits.end {
            return self.collected(&typed);
        }
        // The check character of an identity number is its last place, so `*` before that begins anew.
        let last = typed.chars().count() + 1 == digits.most;
        if digits.rule.takes(key) && (key != '*' || last) {
            typed.push(key);
        } else if key == '*' && self.repeats < MOST_REPEATS {
            return self.repeat();
        } else {
            return self.no_match();
        }
        if typed.chars().count() >= digits.most {
            self.spent = digits.end;
            return self.collected(&typed);
        }
        let between = self.times().between;
        self.stop();
        self.rest(At::Asking { typed }, Some(between));
    }

    /// The row is over: taken if it can be right.
    pub(super) fn collected(&mut self, typed: &str) {
        let flow = self.flow.clone();
        let Kind::Collect { digits, into, go, .. } = &flow.node(self.node).kind else { return };
        let enough = (digits.least..=digits.most).contains(&typed.chars().count());
        match digits.rule.read(typed).filter(|_| enough) {
            Some(value) => {
                self.variables.insert(into.clone(), value);
                self.leave(*go);
            }
            None => self.no_match(),
        }
    }

    /// The choice with exactly these keys: where it goes, and its hints.
    pub(super) fn choice(&self, typed: &str) -> Option<(NodeId, &Hints)> {
        let Kind::Menu { choices, .. } = &self.flow.node(self.node).kind else { return None };
        choices.iter().find(|choice| choice.keys == typed).map(|choice| (choice.go, &choice.hints))
    }

    pub(super) fn take(&mut self, typed: &str) {
        let Some((go, hints)) = self.choice(typed).map(|(go, hints)| (go, hints.clone())) else { return };
        self.hints.add(&hints);
        self.leave(go);
    }

    /// Nothing came after these keys.
    pub(super) fn typed_out(&mut self, typed: &str) {
        match &self.flow.node(self.node).kind {
            Kind::Collect { .. } => self.collected(typed),
            _ if self.choice(typed).is_some() => self.take(typed),
            _ => self.no_match(),
        }
    }
}
