//! Who is put in charge of a ticket (派单), and why.
//!
//! Pure: a ticket's category and place, the catalogue and the units in; one lead, co-handlers, copies and every step of
//! the reasoning out, each with the line that it rests on. The rules are the city's (art. 11 and 12): where the catalogue
//! names a unit, it; where it names the street, the street office of the place, with a copy to its district; where only
//! the district is known, the district; where nothing is, the dispatch desk. So every ticket has exactly one lead.
//! Refuses to wait: a wrong guess comes back with a reason (异议审核), and [`Facts::refused`] keeps it from being
//! repeated.

use std::fmt;
use std::sync::Arc;

use crate::catalogue::{Area, Catalogue, Level, Places, Unit};
use crate::ticket::case::MAX_UNITS;
use crate::written::Place;

use super::units::{Kind, Office, Units};

/// What is known of a ticket.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The request type (诉求类型).
    pub kind: &'a str,
    pub category: &'a [String; 3],
    /// The code of a street or district of `places/`.
    pub place: Option<&'a str>,
    /// Codes of the units that were found not to be in charge.
    pub refused: &'a [String],
}

/// One step of the reasoning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub says: String,
    /// The line that it rests on; `None`: the order of the city's rules itself.
    pub at: Option<Place>,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)?;
        match &self.at {
            Some(at) => write!(f, " ({at})"),
            None => Ok(()),
        }
    }
}

/// Who has the ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    pub lead: Arc<Office>,
    /// Codes of who handles it too, and of who is told.
    pub co: Vec<String>,
    pub copies: Vec<String>,
    /// It is not dispatched to whoever has such matters (art. 11): the desk does what the reason says.
    pub special: bool,
    pub why: Vec<Step>,
}

impl Decision {
    /// The reasoning in one line, for the case's log.
    pub fn reason(&self) -> String {
        let steps: Vec<&str> = self.why.iter().map(|step| step.says.as_str()).collect();
        steps.join("; ")
    }

    /// Returned so often that the first receiver is responsible, whoever it should have been (art. 14, 首接负责).
    pub fn kept_by(mut self, first: &Arc<Office>, returns: u32) -> Decision {
        let says = format!("returned {returns} times: {} had it first and is responsible (art. 14)", first.name);
        self.why.push(step(says, None));
        for list in [&mut self.co, &mut self.copies] {
            list.retain(|code| *code != first.code);
        }
        self.lead = first.clone();
        self
    }
}

/// What decisions are made by.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    pub catalogue: &'a Catalogue,
    pub places: &'a Places,
    pub units: &'a Units,
}

/// A ticket's place.
#[derive(Clone, Copy, Default)]
struct Where<'a> {
    district: Option<&'a Area>,
    street: Option<&'a Area>,
}

impl Rules<'_> {
    /// Decides.
    pub fn decide(&self, facts: &Facts<'_>) -> Decision {
        let mut why = Vec::new();
        let at = self.place(facts, &mut why);
        if let Some(special) = self.units.specials().iter().find(|special| special.is(facts.kind, facts.category)) {
            why.push(Step { says: special.reason.clone(), at: Some(special.ruled.clone()) });
            let lead = self.units.desk().clone();
            return Decision { lead, co: Vec::new(), copies: Vec::new(), special: true, why };
        }
        let category = self.catalogue.categories().at(facts.category);
        let category = category.map(|id| self.catalogue.categories().get(id));
        let unit = category.and_then(|category| Some((category, category.unit.as_deref()?)));
        let candidates = match unit {
            Some((category, unit @ Unit::Named { city, .. })) => {
                why.push(step(format!("{} is {city}'s", category.name), category.ruled.clone()));
                // The branch where there is one, then the unit of the whole city.
                [self.units.of(unit, at.district, None), self.units.of(unit, None, None)]
            }
            Some((category, Unit::Street)) => {
                why.push(step(format!("{} is the street office's", category.name), category.ruled.clone()));
                self.by_place(at)
            }
            None => {
                why.push(step(format!("the catalogue has no unit for {}", facts.category.join("/")), None));
                self.by_place(at)
            }
        };
        let lead = self.first(candidates.into_iter().flatten(), facts, &mut why);
        let named = |units: Vec<Arc<Unit>>| -> Vec<String> {
            let offices = units.iter().filter_map(|unit| self.units.of(unit, at.district, at.street));
            offices.map(|office| office.code.clone()).collect()
        };
        let mut co = named(category.map(|category| category.co.clone()).unwrap_or_default());
        let mut copies = named(category.map(|category| category.copies.clone()).unwrap_or_default());
        if lead.kind == Kind::Street
            && let Some(district) = &lead.district
        {
            why.push(step("straight to the street: a copy to its district (art. 12)", None));
            copies.push(district.clone());
        }
        let mut taken = vec![lead.code.clone()];
        for list in [&mut co, &mut copies] {
            list.retain(|code| {
                let fresh = !taken.contains(code);
                taken.push(code.clone());
                fresh
            });
            list.truncate(MAX_UNITS - 1);
        }
        Decision { lead, co, copies, special: false, why }
    }

    fn place<'s>(&'s self, facts: &Facts<'_>, why: &mut Vec<Step>) -> Where<'s> {
        let Some(code) = facts.place else {
            why.push(step("no place is known", None));
            return Where::default();
        };
        let Some(area) = self.places.by_code(code) else {
            why.push(step(format!("places/ has no {code} any more"), None));
            return Where::default();
        };
        let district = self.places.area(area.district);
        match area.level {
            Level::Street => {
                why.push(step(format!("the place is {} in {}", area.name, district.name), None));
                Where { district: Some(district), street: Some(area) }
            }
            Level::District => {
                why.push(step(format!("only the district is known: {}", area.name), None));
                Where { district: Some(area), street: None }
            }
        }
    }

    /// The street, the district.
    fn by_place(&self, at: Where<'_>) -> [Option<&Arc<Office>>; 2] {
        [at.street, at.district].map(|area| self.units.office(&area?.code))
    }

    /// The first that has not been found not to be in charge; at last the desk.
    fn first<'u>(
        &'u self,
        candidates: impl Iterator<Item = &'u Arc<Office>>,
        facts: &Facts<'_>,
        why: &mut Vec<Step>,
    ) -> Arc<Office> {
        let mut last = None;
        for office in candidates {
            if last == Some(&office.code) {
                continue;
            }
            last = Some(&office.code);
            if !facts.refused.contains(&office.code) {
                why.push(step(format!("{} is in charge", office.name), office.ruled.clone()));
                return office.clone();
            }
            why.push(step(format!("{} was found not to be in charge", office.name), None));
        }
        let desk = self.units.desk().clone();
        why.push(step(format!("nobody else is known: {}", desk.name), desk.ruled.clone()));
        desk
    }
}

fn step(says: impl Into<String>, at: Option<Place>) -> Step {
    Step { says: says.into(), at }
}

#[cfg(test)]
mod tests;
