//! Districts, streets, communities, roads and landmarks of the city, and every name under which they are looked for.
//!
//! Owns what a name may mean, not what is meant: a name of several streets comes with all of them, and
//! [`crate::classify::place`] weighs them.

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
    /// A station, a hospital, a park: known to lie in the street.
    Landmark,
    /// A road, with the house numbers that lie in the street.
    Road(Numbers),
    /// A community of the street, with its ending: 花家地社区.
    Community,
    /// A community without 社区.
    BareCommunity,
    /// A community of whose name two characters are left without 社区: 东里.
    ShortCommunity,
    /// With its ending, and one character swallowed: 魏善镇 for 魏善庄镇. By its sound only.
    Swallowed,
    /// Without its ending, where that is a word of every day: 光明, 天桥.
    Word,
    /// A word that only looks like a place.
    Silent,
}

/// House numbers of a road, the ends with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Numbers {
    pub from: u32,
    pub to: u32,
    pub side: Side,
}

/// Of a road: in Beijing odd numbers lie on one side and even ones on the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Both,
    Odd,
    Even,
}

impl Numbers {
    pub const ALL: Numbers = Numbers { from: 0, to: u32::MAX, side: Side::Both };

    pub fn has(&self, number: u32) -> bool {
        let side = match self.side {
            Side::Both => true,
            Side::Odd => number % 2 == 1,
            Side::Even => number.is_multiple_of(2),
        };
        side && (self.from..=self.to).contains(&number)
    }
}

/// A name found at the characters `start..end`, and the areas that it may mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Spot {
    pub start: usize,
    pub end: usize,
    /// `None`: by its characters. Else by its sound only, and this share of the characters is the name's too.
    pub heard: Option<f32>,
    pub means: Vec<(AreaId, Named)>,
}

impl Spot {
    pub fn overlaps(&self, other: &Spot) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// The files under `places/`, checked.
#[derive(Debug, Default)]
pub struct Places {
    pub(super) areas: Vec<Area>,
    /// What turns a bare name into another thing: 望京 + 街.
    pub(super) roads: Vec<String>,
    /// What looks like one of those and is none: 望京 + 门口.
    pub(super) beside: Vec<String>,
    /// What follows the name of a community: 花家地 + 小区.
    pub(super) estates: Vec<String>,
    pub(super) names: Lexicon<(AreaId, Named)>,
    pub(super) spoken: Vec<(String, (AreaId, Named))>,
    /// Made of `spoken` when it is first asked for, or by [`Places::warm`]: it takes as long as all the rest, and what only
    /// checks the files does without.
    pub(super) sounding: OnceLock<Sounding>,
}

/// Names by their sound.
#[derive(Debug)]
pub(super) struct Sounding {
    sounds: Sounds,
    /// Each stands for an index into `spoken`.
    names: Lexicon<usize>,
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
        self.id(code).map(|id| self.area(id))
    }

    pub fn id(&self, code: &str) -> Option<AreaId> {
        self.areas.iter().position(|area| area.code == code).map(AreaId)
    }

    /// Whether what follows a bare name makes it a road, a station or the like.
    pub fn is_road(&self, after: &str) -> bool {
        let begins = |words: &[String]| words.iter().any(|word| after.starts_with(word.as_str()));
        begins(&self.roads) && !begins(&self.beside)
    }

    /// Whether what follows a bare name makes it a community.
    pub fn is_estate(&self, after: &str) -> bool {
        self.estates.iter().any(|estate| after.starts_with(estate.as_str()))
    }

    /// Every name of an area in `text`, in its order.
    pub fn spots(&self, text: &Text) -> Vec<Spot> {
        let spot = |hit: &Hit| Spot {
            start: hit.start,
            end: hit.end,
            heard: None,
            means: meanings(self.names.senses(hit).to_vec()),
        };
        let speaks = |spot: &Spot| spot.means.iter().all(|(_, named)| *named != Named::Silent);
        self.names.find(text).iter().map(spot).filter(speaks).collect()
    }

    /// Every name that `text` has by sound, in its order. Of names that sound alike the one with most of the text's
    /// characters counts.
    pub fn sounding_spots(&self, text: &Text) -> Vec<Spot> {
        let Sounding { sounds, names } = self.sounding.get_or_init(|| self.sounding());
        let spot = |hit: &Hit| {
            let said = &text.chars()[hit.start..hit.end];
            let heard = |at: &usize| (alike(said, &self.spoken[*at].0), self.spoken[*at].1);
            let heard: Vec<(f32, (AreaId, Named))> = names.senses(hit).iter().map(heard).collect();
            let most = heard.iter().map(|(share, _)| *share).fold(0.0, f32::max);
            let nearest = heard.into_iter().filter(|(share, _)| *share >= most).map(|(_, sense)| sense);
            Spot { start: hit.start, end: hit.end, heard: Some(most), means: meanings(nearest.collect()) }
        };
        names.find(&sounds.of(text)).iter().map(spot).collect()
    }

    /// Makes the names by their sound now, so that no caller waits for it.
    pub fn warm(&self) {
        self.sounding.get_or_init(|| self.sounding());
    }

    fn sounding(&self) -> Sounding {
        let (mut sounds, mut names) = (Sounds::default(), Gather::default());
        for (at, (name, _)) in self.spoken.iter().enumerate() {
            for reading in sounds.readings(name) {
                names.add(&reading, at);
            }
        }
        Sounding { sounds, names: names.lexicon() }
    }
}

/// The best way in which a name stands for each area; of a road all its stretches.
fn meanings(mut means: Vec<(AreaId, Named)>) -> Vec<(AreaId, Named)> {
    let road = |named: Named| matches!(named, Named::Road(_));
    means.sort_unstable();
    means.dedup();
    means.dedup_by(|worse, better| worse.0 == better.0 && !(road(worse.1) && road(better.1)));
    means
}

/// The share of characters that are the same; sounds keep their places, so both have one length.
fn alike(said: &[char], name: &str) -> f32 {
    let name = super::text::folded(name);
    let same = said.iter().zip(name.chars()).filter(|(a, b)| **a == *b).count();
    same as f32 / said.len().max(1) as f32
}
