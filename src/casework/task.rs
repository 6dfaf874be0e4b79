//! Where casework meets clock, store and telephone: one joined task for each of its parts.

pub mod alarm;
mod alarm_call;
pub mod callback;
pub mod dispatch;
pub mod sms;
pub mod supervise;

use std::sync::{Arc, RwLock};

use crate::calendar::Calendar;
use crate::catalogue::{Catalogue, Places};
use crate::id::VersionId;

use super::dispatch::Rules;
use super::units::Units;

/// What units are put in charge by.
pub struct Rulebook {
    pub catalogue: Arc<Catalogue>,
    pub places: Arc<Places>,
    pub calendar: Arc<Calendar>,
    pub units: Arc<Units>,
    /// The name of all of that.
    pub version: VersionId,
}

impl Rulebook {
    pub fn rules(&self) -> Rules<'_> {
        Rules { catalogue: &self.catalogue, places: &self.places, units: &self.units }
    }
}

/// The rulebook of the moment; a reload replaces it.
pub struct Current(RwLock<Arc<Rulebook>>);

impl Current {
    pub fn new(rulebook: Rulebook) -> Current {
        Current(RwLock::new(Arc::new(rulebook)))
    }

    pub fn get(&self) -> Arc<Rulebook> {
        self.0.read().expect("nothing panics while holding this lock").clone()
    }

    /// From now on tickets are dispatched by this one.
    pub fn replace(&self, rulebook: Rulebook) {
        *self.0.write().expect("nothing panics while holding this lock") = Arc::new(rulebook);
    }
}
