//! Districts, streets and communities of the city, and every name under which they are looked for.

use std::sync::OnceLock;

use super::sound::Sounds;
use super::text::Text;
use super::words::{Gather, Hit, Lexicon};
use crate::written::{Faults, Source};

/// An index into [`Places`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AreaId(pub(super) usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    District,
    Street,
}

/// A district or a street office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Area {
    pub code: String,
    pub name: String,
    pub level: Level,
    /// The district it lies in; itself where it is one.
    pub district: AreaId,
}

/// How a name stands for an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// With its ending: 望京街道, 朝阳区.
    Full,
    /// With another ending: 望京地区 for 望京街道.
    Loose,
    /// Without: 望京, 朝阳.
    Bare,
    /// A community of the street, with its ending: 花家地社区.
    Community,
    /// A community without 社区.
    BareCommunity,
    /// A word that only looks like a place.
    Silent,
}

/// A name found at the characters `start..end`, and the areas that it may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    pub start: usize,
    pub end: usize,
    /// Found by sound only.
    pub by_sound: bool,
    pub means: Vec<(AreaId, Named)>,
}

/// The files under `places/`, checked.
#[derive(Debug, Default)]
pub struct Places {
    pub(super) areas: Vec<Area>,
    /// What turns a bare name into another thing: 望京 + 街.
    pub(super) roads: Vec<String>,
    /// What follows the name of a community: 花家地 + 小区.
    pub(super) estates: Vec<String>,
    pub(super) names: Lexicon<(AreaId, Named)>,
    pub(super) spoken: Vec<(String, (AreaId, Named))>,
    /// Made of `spoken` when it is first asked for: it takes as long as all the rest, and most texts do without.
    pub(super) sounding: OnceLock<(Sounds, Lexicon<(AreaId, Named)>)>,
}

impl Places {
    /// Reads every file under `places/`; what is wrong goes to `faults`. The names of the files mean nothing.
    pub fn read(sources: &[Source], faults: &Faults) -> Places {
        super::places_written::read(sources, faults)
    }

    pub fn area(&self, id: AreaId) -> &Area {
        &self.areas[id.0]
    }

    /// Every district and street.
    pub fn areas(&self) -> impl Iterator<Item = &Area> {
        self.areas.iter()
    }

    /// The area with this code.
    pub fn by_code(&self, code: &str) -> Option<&Area> {
        self.areas.iter().find(|area| area.code == code)
    }

    /// Whether what follows a bare name makes it a road, a station or the like.
    pub fn is_road(&self, after: &str) -> bool {
        self.roads.iter().any(|road| after.starts_with(road.as_str()))
    }

    /// Whether what follows a bare name makes it a community.
    pub fn is_estate(&self, after: &str) -> bool {
        self.estates.iter().any(|estate| after.starts_with(estate.as_str()))
    }

    /// Every name of an area in `text`, in its order.
    pub fn spots(&self, text: &Text) -> Vec<Spot> {
        spots(&self.names, text, false)
    }

    /// Every name that `text` has by sound, in its order.
    pub fn sounding_spots(&self, text: &Text) -> Vec<Spot> {
        let (sounds, names) = self.sounding.get_or_init(|| self.sounding());
        spots(names, &sounds.of(text), true)
    }

    fn sounding(&self) -> (Sounds, Lexicon<(AreaId, Named)>) {
        let (mut sounds, mut names) = (Sounds::default(), Gather::default());
        for (name, sense) in &self.spoken {
            for reading in sounds.readings(name) {
                names.add(&reading, *sense);
            }
        }
        (sounds, names.lexicon())
    }
}

fn spots(names: &Lexicon<(AreaId, Named)>, text: &Text, by_sound: bool) -> Vec<Spot> {
    let spot = |hit: &Hit| {
        let mut means = names.senses(hit).to_vec();
        means.sort_unstable();
        means.dedup_by_key(|(area, _)| *area);
        Spot { start: hit.start, end: hit.end, by_sound, means }
    };
    names
        .find(text)
        .iter()
        .map(spot)
        .filter(|spot| spot.means.iter().all(|(_, named)| *named != Named::Silent))
        .collect()
}
