//! Every flow proven as it will run: with the lines that lead to it, the prompts as they are recorded, and the calendar.
//!
//! Owns putting together what `ivr::prove` must be told. A flow that breaks a rule is a fault of the folder, unless
//! `check.flows` says that it is only said.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::civil::Date;

use crate::calendar::Calendar;
use crate::ivr::prove::{self, Dialled, Finding, Limits, Premises, Spoken, Strictness};
use crate::ivr::{Flow, Lines, Rules};
use crate::tts::library;
use crate::written::{Fault, Faults};

/// What was proven, and of what.
#[derive(Debug, Clone)]
pub struct Proof {
    pub spoken: Spoken,
    pub limits: Limits,
    /// What is wrong, where `check.flows` lets it be.
    pub findings: Vec<Finding>,
    /// The lines of each flow.
    lines: HashMap<String, Vec<Dialled>>,
    /// What may be raised in every state of every flow.
    rules: Arc<Rules>,
    calendar: Arc<Calendar>,
    today: Date,
}

/// What it is proven from.
pub struct Folder<'a> {
    pub flows: &'a HashMap<String, Arc<Flow>>,
    pub rules: &'a Arc<Rules>,
    pub lines: &'a Lines,
    pub prompts: &'a HashMap<String, Vec<i16>>,
    pub texts: &'a HashMap<String, String>,
    pub calendar: &'a Arc<Calendar>,
}

impl Proof {
    /// Proves every flow.
    pub fn new(folder: &Folder<'_>, limits: Limits, today: Date, faults: &Faults) -> Proof {
        let lengths = folder.prompts.iter().map(|(id, samples)| (id.clone(), library::duration(samples))).collect();
        let mut lines: HashMap<String, Vec<Dialled>> = HashMap::new();
        for line in folder.lines.iter() {
            let dialled = Dialled { line: line.number.clone(), greeting: line.prompt() };
            lines.entry(line.flow.value.clone()).or_default().push(dialled);
        }
        let mut proof = Proof {
            spoken: Spoken { lengths, texts: folder.texts.clone() },
            limits,
            findings: Vec::new(),
            lines,
            rules: folder.rules.clone(),
            calendar: folder.calendar.clone(),
            today,
        };
        let mut flows: Vec<&Arc<Flow>> = folder.flows.values().collect();
        flows.sort_by_key(|flow| flow.name());
        let mut findings: Vec<Finding> = Vec::new();
        for finding in flows.into_iter().flat_map(|flow| prove::prove(flow, proof.premises(flow))) {
            // What is wrong with an emergency itself is so in every flow.
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        match proof.limits.flows {
            Strictness::Refuse => findings.iter().map(fault).for_each(|fault| faults.add(fault)),
            Strictness::Say => proof.findings = findings,
        }
        proof
    }

    /// What a proof of this flow takes for true.
    pub fn premises(&self, flow: &Flow) -> Premises<'_> {
        Premises {
            spoken: &self.spoken,
            limits: &self.limits,
            lines: self.lines.get(flow.name()).map_or(&[], Vec::as_slice),
            rules: &self.rules,
            calendar: &self.calendar,
            today: self.today,
        }
    }

    /// What is not wrong yet, but will be: hours that ask a calendar which does not reach far enough.
    pub fn remarks<'a>(&self, flows: impl Iterator<Item = &'a Arc<Flow>>) -> Vec<Fault> {
        let months = self.limits.calendar_months;
        let Some(first) = self.calendar.uncovered(self.today, months as i32) else { return Vec::new() };
        let mut remarks: Vec<Fault> = flows
            .flat_map(|flow| flow.hours())
            .map(|hours| Fault {
                place: hours.place.clone(),
                key: hours.key.clone(),
                what: format!("keeps opening hours, but no calendar tells of {first} and later"),
                remedy: format!("write calendar/{}.toml as soon as the State Council's notice is out", first.year()),
            })
            .collect();
        remarks.sort_by(|a, b| a.place.cmp(&b.place));
        remarks
    }
}

/// A finding as a fault of the configuration.
pub fn fault(finding: &Finding) -> Fault {
    Fault {
        place: finding.place.clone(),
        key: finding.key.clone(),
        what: finding.clause(),
        remedy: finding.remedy.clone(),
    }
}

#[cfg(test)]
mod tests;
