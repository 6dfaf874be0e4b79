//! Nodes that ask nobody: variables, branches, opening hours, answers.

use std::sync::Arc;

use super::{Interpreter, Then};
use crate::ivr::answers::{Answers, asks};
use crate::ivr::flow::{Arm, NodeId, Wanted, When};
use crate::ivr::talk::{Heard, Hints, Output};

impl Interpreter {
    pub(super) fn set(&mut self, variables: &[(String, String)], hints: &Hints, wanted: &Wanted) {
        self.variables.extend(variables.iter().cloned());
        self.hints.add(hints);
        let mut delivery = self.delivery.clone();
        if let Some(language) = &wanted.language {
            delivery.language = Some(language.clone());
        }
        delivery.pace = wanted.pace.unwrap_or(delivery.pace);
        delivery.gain = wanted.gain.unwrap_or(delivery.gain);
        if delivery != self.delivery {
            self.delivery = delivery.clone();
            self.out.push_back(Output::Speak(delivery));
        }
    }

    /// From now on questions are held against these.
    pub fn informed(mut self, answers: Arc<Answers>) -> Interpreter {
        self.answers = answers;
        self
    }

    /// Whether what was said asks for an answer that there is; then it is known.
    pub(super) fn answered(&mut self, least: f32) -> bool {
        let answers = self.answers.clone();
        let Some(Heard::Text(said)) = &self.heard else { return false };
        let said = said.clone();
        let found = answers.find(&said, self.context.around.now.date()).filter(|found| found.likeness >= least);
        let known = found.map(|found| found.answer);
        if let Some(answer) = known {
            self.variables.insert("question".to_owned(), answer.questions[0].clone());
            self.variables.insert("answer".to_owned(), answer.answer.clone());
        }
        if known.is_some() || asks(&said) {
            let answer = known.map(|answer| answer.id.value.clone());
            self.out.push_back(Output::Question { said, answer });
        }
        known.is_some()
    }

    pub(super) fn branch(&self, arms: &[Arm<NodeId>], otherwise: NodeId) -> Then {
        Then::Go(arms.iter().find(|arm| self.holds(&arm.when)).map_or(otherwise, |arm| arm.go))
    }

    /// Whether all that is asked for is so.
    fn holds(&self, when: &When) -> bool {
        let context = &self.context;
        let any_or = |list: &[String], fits: &dyn Fn(&str) -> bool| list.is_empty() || list.iter().any(|one| fits(one));
        let now = context.around.now.time();
        let variable = when.variable.as_ref().is_none_or(|(name, values)| {
            self.variables.get(name).is_some_and(|value| any_or(values, &|one| one == value))
        });
        any_or(&when.callers, &|prefix| context.caller.starts_with(prefix))
            && any_or(&when.lines, &|line| context.line == line)
            && when.time.is_none_or(|(from, until)| match from < until {
                true => from <= now && now < until,
                false => from <= now || now < until,
            })
            && when.load.is_none_or(|least| context.around.load >= least)
            && when.incident.is_none_or(|known| known == context.incident.is_some())
            && variable
    }
}
