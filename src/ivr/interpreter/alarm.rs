//! An emergency, whatever the call was doing: the rule of `emergency.toml` takes the call out of its flow.
//!
//! In this order: what plays, records or rings is stopped; the ticket is filed as urgent (or the one that there is, is
//! raised); all is recorded from now on; the rule's announcement plays meanwhile. Only when the ticket is committed, or
//! the store has failed, the targets are called, one after the other. Whoever nobody reached is told what to do, and
//! goes on in the flow. Each rule is raised once by words; keys may raise rules again, [`MOST`] times in all, so that
//! every walk still ends.

use std::sync::Arc;

use super::{At, Interpreter, PLAY, STORE, Then};
use crate::ivr::emergency::{Alarm, Rule, Rules};
use crate::ivr::flow::NodeId;
use crate::ivr::talk::{By, Heard, Input, Output, Say};

/// Alarms of one call.
const MOST: usize = 4;
/// Keys in a row that are remembered; no rule has more.
const KEYED: usize = 8;

/// What one call's watch for emergencies remembers.
#[derive(Debug, Default)]
pub(super) struct Watch {
    rules: Arc<Rules>,
    /// The last keys that came in a row: nothing was said between them, and no wait ran out.
    keyed: String,
    /// Rules that were raised, in order.
    raised: Vec<usize>,
}

/// How far a rule that was raised has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// What is said first; the ticket is being filed meanwhile.
    Telling {
        play: u32,
        filed: bool,
    },
    /// All is said, the ticket is not committed yet.
    Filing,
    Calling {
        target: usize,
    },
    /// Nobody took it; the caller is told.
    Sorry {
        play: u32,
    },
}

impl Interpreter {
    /// Watches for emergencies from now on.
    pub fn watch(mut self, rules: Arc<Rules>) -> Interpreter {
        self.watch.rules = rules;
        self
    }

    /// Whether a caller is to be heard while nothing is asked: [`Input::Overheard`] may be an emergency now.
    pub fn overhears(&self) -> bool {
        let deaf = matches!(self.at, At::Start | At::Hearing | At::Alarm { .. } | At::Over);
        self.watch.rules.overhears() && !deaf && self.watch.raised.len() < MOST
    }

    /// Whether these words, heard while the machine said `spoken`, would raise a rule now.
    pub fn would_alarm(&self, said: &str, spoken: &str) -> bool {
        !matches!(self.at, At::Start | At::Alarm { .. } | At::Over) && self.by_words(said, spoken).is_some()
    }

    /// Whether this call is, or was, an emergency.
    pub(super) fn in_alarm(&self) -> bool {
        !self.watch.raised.is_empty()
    }

    /// `true`: the input was an emergency's, or is part of one that goes on.
    pub(super) fn alarmed(&mut self, input: &Input) -> bool {
        match (&self.at, input) {
            (At::Start | At::Over, _) | (_, Input::HungUp) => return false,
            (At::Alarm { rule, step }, _) => {
                let (rule, step) = (*rule, *step);
                self.go_on(rule, step, input);
                return true;
            }
            _ => {}
        }
        let alarm = match input {
            Input::Digit(key) => {
                self.watch.remember(*key);
                self.watch.rules.keyed(&self.watch.keyed).filter(|_| self.watch.raised.len() < MOST)
            }
            Input::Heard(Heard::Text(text)) => self.by_words(text, ""),
            Input::Overheard { text, spoken } => self.by_words(text, spoken),
            _ => None,
        };
        if matches!(input, Input::Heard(_) | Input::NoInput | Input::Deadline | Input::Overheard { .. }) {
            self.watch.keyed.clear();
        }
        if let Input::Heard(heard @ Heard::Text(_)) = input
            && alarm.is_some()
        {
            self.heard = Some(heard.clone());
        }
        match alarm {
            Some(alarm) => self.raise(&alarm),
            None => return matches!(input, Input::Overheard { .. }),
        }
        true
    }

    fn by_words(&self, said: &str, spoken: &str) -> Option<Alarm> {
        let alarm = self.watch.rules.look_beside(said, spoken)?;
        let fresh = self.watch.raised.len() < MOST && !self.watch.raised.contains(&alarm.rule);
        fresh.then_some(alarm)
    }

    fn raise(&mut self, alarm: &Alarm) {
        let rules = self.watch.rules.clone();
        let Some(rule) = rules.get(alarm.rule) else { return };
        self.stop();
        if self.at == At::Transferring {
            self.out.push_back(Output::StopTransfer);
        }
        self.typed_ahead.clear();
        self.watch.keyed.clear();
        self.watch.raised.push(alarm.rule);
        self.out.push_back(Output::Emergency { rule: rule.name.value.clone(), words: alarm.words.join(" ") });
        self.hints.add(&rule.hints.value);
        self.out.push_back(Output::File { hints: self.hints.clone(), confirmed: self.confirmed });
        self.out.push_back(Output::RecordAll);
        let play = self.tell(rule.say.iter().map(|id| id.value.as_str()));
        self.rest(At::Alarm { rule: alarm.rule, step: Step::Telling { play, filed: false } }, Some(PLAY));
    }

    fn go_on(&mut self, at: usize, step: Step, input: &Input) {
        let rules = self.watch.rules.clone();
        let Some(rule) = rules.get(at) else { return };
        match (step, input) {
            (Step::Telling { play, .. }, Input::Filed { .. } | Input::FileFailed) => {
                self.filed(input);
                self.at = At::Alarm { rule: at, step: Step::Telling { play, filed: true } };
            }
            (Step::Telling { play, filed }, Input::PlayDone { play: done }) if play == *done => {
                self.told(at, rule, filed);
            }
            (Step::Telling { filed, .. }, Input::Deadline) if self.timed => {
                self.timed = false;
                self.note("a prompt never ended");
                self.out.push_back(Output::StopPlay);
                self.told(at, rule, filed);
            }
            (Step::Filing, Input::Filed { .. } | Input::FileFailed) => {
                self.filed(input);
                self.call(at, rule, 0);
            }
            (Step::Filing, Input::Deadline) if self.timed => {
                self.timed = false;
                self.note("not filed");
                self.call(at, rule, 0);
            }
            (Step::Calling { target }, Input::TransferFailed { code }) => {
                self.note(&format!("emergency {}: target {target} was not reached ({code})", rule.name.value));
                self.call(at, rule, target + 1);
            }
            (Step::Calling { .. }, Input::TransferEnded) => self.proceed(Then::Hangup),
            (Step::Calling { .. }, Input::Filed { .. }) => self.filed(input),
            (Step::Sorry { play }, Input::PlayDone { play: done }) if play == *done => self.resume(rule),
            (Step::Sorry { .. }, Input::Deadline) if self.timed => {
                self.timed = false;
                self.out.push_back(Output::StopPlay);
                self.resume(rule);
            }
            _ => {}
        }
    }

    fn filed(&mut self, input: &Input) {
        match input {
            Input::Filed { number } => self.number = Some(number.clone()),
            _ => self.note("not filed"),
        }
    }

    fn told(&mut self, at: usize, rule: &Rule, filed: bool) {
        if filed {
            self.call(at, rule, 0);
        } else {
            self.rest(At::Alarm { rule: at, step: Step::Filing }, Some(STORE));
        }
    }

    fn call(&mut self, at: usize, rule: &Rule, target: usize) {
        if let Some(uri) = rule.targets.get(target) {
            self.out.push_back(Output::Transfer { target: uri.value.clone(), by: By::Bridge });
            self.rest(At::Alarm { rule: at, step: Step::Calling { target } }, None);
        } else if rule.targets.is_empty() {
            self.resume(rule);
        } else {
            let play = self.tell(rule.unreached.iter().map(|id| id.value.as_str()));
            self.rest(At::Alarm { rule: at, step: Step::Sorry { play } }, Some(PLAY));
        }
    }

    /// Back into the flow; `config::check` has seen to it that the node is there.
    fn resume(&mut self, rule: &Rule) {
        let node = self.flow.nodes().position(|name| name == rule.go.value).map(NodeId);
        self.proceed(Then::Go(node.unwrap_or_else(|| self.flow.too_long())));
    }

    fn tell<'a>(&mut self, prompts: impl Iterator<Item = &'a str>) -> u32 {
        self.plays += 1;
        let say = prompts.map(|id| Say::Prompt(id.to_owned())).collect();
        self.out.push_back(Output::Play { play: self.plays, say, barge_in: false });
        self.plays
    }
}

impl Watch {
    fn remember(&mut self, key: char) {
        if self.keyed.chars().count() == KEYED {
            self.keyed.remove(0);
        }
        self.keyed.push(key);
    }
}

#[cfg(test)]
mod tests;
