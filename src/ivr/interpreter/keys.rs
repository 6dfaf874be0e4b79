//! Keys: choices of one key or several, the keys that work everywhere, and keys that come before their question.

use super::{At, Interpreter, Then};
use crate::ivr::flow::{Kind, NodeId, counted};
use crate::ivr::talk::{Hints, Output};

/// Keys kept for the next question.
const TYPED_AHEAD: usize = 8;

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
        let asking = matches!(self.at, At::Asking { .. } | At::Saying { then: Then::Ask, .. });
        let flow = self.flow.clone();
        let node = flow.node(self.node);
        match &self.at {
            At::Start | At::Transferring | At::Over | At::Saying { then: Then::Transfer, .. } => return,
            At::Asking { typed } if !typed.is_empty() => return self.more(key),
            _ => {}
        }
        if asking {
            match &node.kind {
                Kind::Menu { choices, .. } if choices.iter().any(|choice| choice.keys.starts_with(key)) => {
                    return self.more(key);
                }
                Kind::Confirm { yes, .. } if key == '1' => {
                    self.confirmed = true;
                    return self.leave(*yes);
                }
                Kind::Confirm { again, .. } if key == '2' => return self.leave(*again),
                _ => {}
            }
        }
        if let Some(go) = flow.shortcut(node, key).filter(|go| *go != self.node) {
            return self.leave(go);
        }
        match self.at.clone() {
            At::Saying { then: Then::Ask, .. } | At::Asking { .. } => self.wrong_key(),
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

    /// One more key of a menu's choice.
    pub(super) fn more(&mut self, key: char) {
        let flow = self.flow.clone();
        let Kind::Menu { choices, ask } = &flow.node(self.node).kind else { return };
        let mut typed = match &self.at {
            At::Asking { typed } => typed.clone(),
            _ => String::new(),
        };
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
            self.wrong_key();
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

    pub(super) fn wrong_key(&mut self) {
        self.no_match += 1;
        let flow = self.flow.clone();
        if let Kind::Menu { ask, .. } | Kind::Confirm { ask, .. } = &flow.node(self.node).kind {
            self.handle(counted(&ask.no_match, self.no_match));
        }
    }
}
