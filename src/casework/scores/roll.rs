//! Who is who: street offices, districts and departments, and what a ticket is charged to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::By;
use crate::casework::units::{Kind, Units};
use crate::catalogue::{Level, Places};

/// What kind of unit one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    Street,
    District,
    /// A department or an enterprise.
    Department,
}

/// One unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    pub code: String,
    pub name: String,
    pub sort: Sort,
    /// The code of the district that a street lies in; a district's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub district: Option<String>,
}

/// Every unit with a name. A unit that is not on the roll is a department whose name is its code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roll(BTreeMap<String, Unit>);

/// What is known of a ticket apart from its log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The code of the street or district that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The first level of its category; empty where nobody knows.
    pub category: String,
}

impl Roll {
    /// Streets and districts go by the codes of their areas (`config/places`), also where a unit of another code works for
    /// them; everybody else as `config/units` and the catalogue call them.
    pub fn of(places: &Places, units: &Units) -> Roll {
        let offices = units.iter().map(|office| Unit {
            code: office.code.clone(),
            name: office.name.clone(),
            sort: match office.kind {
                Kind::Street => Sort::Street,
                Kind::District => Sort::District,
                Kind::Desk | Kind::Department | Kind::Enterprise => Sort::Department,
            },
            district: office.district.clone(),
        });
        let areas = places.areas().map(|area| Unit {
            code: area.code.clone(),
            name: area.name.clone(),
            sort: match area.level {
                Level::Street => Sort::Street,
                Level::District => Sort::District,
            },
            district: Some(places.area(area.district).code.clone()),
        });
        offices.chain(areas).collect()
    }

    pub fn get(&self, code: &str) -> Option<&Unit> {
        self.0.get(code)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Unit> {
        self.0.values()
    }

    /// What `key` of a row is called.
    pub fn name<'a>(&'a self, key: &'a str) -> &'a str {
        self.0.get(key).map_or(key, |unit| &unit.name)
    }

    /// The district of a place, or of a unit.
    pub fn district(&self, code: &str) -> Option<&str> {
        self.0.get(code)?.district.as_deref()
    }

    /// The row that a ticket is charged to when `unit` is in charge. Streets and departments answer for what they were
    /// put in charge of, districts for what lies in them.
    pub(super) fn key(&self, by: By, facts: &Facts, unit: Option<&str>) -> Option<String> {
        let sort = |code: &str| self.0.get(code).map_or(Sort::Department, |unit| unit.sort);
        let of = |wanted: Sort| unit.filter(|code| sort(code) == wanted).map(str::to_owned);
        match by {
            By::Street => of(Sort::Street),
            By::Department => of(Sort::Department),
            By::District => {
                let place = facts.place.as_deref().and_then(|place| self.district(place));
                place.or_else(|| self.district(unit?)).map(str::to_owned)
            }
            By::Category => Some(facts.category.clone()).filter(|category| !category.is_empty()),
        }
    }
}

impl FromIterator<Unit> for Roll {
    fn from_iter<I: IntoIterator<Item = Unit>>(units: I) -> Roll {
        Roll(units.into_iter().map(|unit| (unit.code.clone(), unit)).collect())
    }
}
