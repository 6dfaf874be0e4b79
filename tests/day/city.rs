//! The shipped city: its catalogue, places, units and calendar, with the rules as they are by default.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiesu::calendar::Calendar;
use jiesu::casework::callback;
use jiesu::casework::deadlines::{self, Deadlines};
use jiesu::casework::dispatch::Rules;
use jiesu::casework::scores::Roll;
use jiesu::casework::supervise;
use jiesu::casework::units::Units;
use jiesu::catalogue::{Catalogue, Level, Places};
use jiesu::written::{Faults, Source};
use jiff::tz::TimeZone;

pub struct City {
    pub catalogue: Catalogue,
    pub places: Places,
    pub units: Units,
    pub roll: Roll,
    pub deadlines: Deadlines,
    pub supervision: supervise::Config,
    pub callback: callback::Rules,
    /// Paths of the third level.
    pub categories: Vec<[String; 3]>,
    pub streets: Vec<String>,
    pub districts: Vec<String>,
}

impl City {
    pub fn shipped() -> City {
        let faults = Faults::default();
        let catalogue = Catalogue::read(&sources("catalogue"), &faults);
        let places = Places::read(&sources("places"), &faults);
        let units = Units::read(&sources("units"), &catalogue, &places, &faults);
        let calendar = Arc::new(Calendar::read(&sources("calendar"), &faults));
        assert!(faults.is_empty(), "{faults}");
        let zone = TimeZone::get("Asia/Shanghai").expect("a zone");
        let all = catalogue.categories();
        let categories = all.iter().filter(|(_, category)| category.level == 2).map(|(id, _)| all.path(id)).collect();
        let codes = |level| {
            let areas = places.areas().filter(|area| area.level == level);
            areas.map(|area| area.code.clone()).collect::<Vec<_>>()
        };
        let (streets, districts) = (codes(Level::Street), codes(Level::District));
        assert!(streets.len() >= 333, "a city of {} offices", streets.len());
        City {
            roll: Roll::of(&places, &units),
            deadlines: Deadlines {
                config: Arc::new(deadlines::Config::default()),
                calendar: calendar.clone(),
                zone: zone.clone(),
            },
            supervision: supervise::Config::default(),
            callback: callback::Rules { config: Arc::new(callback::Config::default()), calendar, zone },
            categories,
            streets,
            districts,
            catalogue,
            places,
            units,
        }
    }

    pub fn rules(&self) -> Rules<'_> {
        Rules { catalogue: &self.catalogue, places: &self.places, units: &self.units }
    }
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn sources(name: &str) -> Vec<Source> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder().join(name)).expect("the shipped folder").flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
    files.sort();
    files.into_iter().map(|file| Source::new(file.clone(), fs::read_to_string(file).expect("readable"))).collect()
}
