//! Reports of the last weeks, and which of them a new one resembles.
//!
//! Bounded: the oldest report goes when there are too many or when it is too old. A pair of sounds counts by how rare
//! it is among them (the inverse of the number of reports that have it), so names decide and "please solve this" does not.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use super::names::{Names, meet, names};
use super::shingles::{Pair, pairs};
use super::{Alike, Config, Place, Report, common};

/// Reports that are compared in full.
const COMPARED: usize = 32;
/// A pair that more reports than this have finds none of them by itself; one of a place's name finds the newest of them,
/// or the thousandth call about a burst pipe would be alone again.
const FINDS: usize = 256;

/// See the module. `I` is what the reports are called outside.
#[derive(Debug)]
pub struct Index<I> {
    config: Config,
    kept: VecDeque<Kept<I>>,
    /// The place in the stream of the first of `kept`.
    first: u32,
    /// For each pair the places of the reports that have it, in order.
    having: HashMap<Pair, VecDeque<u32>, BuildHasherDefault<Already>>,
    /// What was summed up for each of `kept` in the look-up under way; all zero between look-ups.
    sums: VecDeque<f32>,
    usual: HashMap<Pair, f32, BuildHasherDefault<Already>>,
}

#[derive(Debug)]
struct Kept<I> {
    id: I,
    at: i64,
    pairs: Box<[Pair]>,
    names: Names,
    /// The length of its vector of weights, as it was when it came.
    length: f32,
    /// The same without the names of places.
    what: f32,
    category: [u32; 3],
    street: u32,
    district: u32,
    caller: u32,
}

/// Pairs are hashes already.
#[derive(Debug, Default)]
struct Already(u64);

impl Hasher for Already {
    fn finish(&self) -> u64 {
        self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = (self.0 << 8) ^ u64::from(*byte));
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = u64::from(value);
    }
}

impl<I: Clone> Index<I> {
    pub fn new(config: Config) -> Index<I> {
        let usual = common::PHRASES.iter().flat_map(|phrase| pairs(phrase)).map(|pair| (pair, common::SHARE)).collect();
        Index { config, kept: VecDeque::new(), first: 0, having: HashMap::default(), sums: VecDeque::new(), usual }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn len(&self) -> usize {
        self.kept.len()
    }

    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Which earlier reports may be of the same matter as `report`, the most alike first; then keeps it as `id`.
    pub fn add(&mut self, id: I, report: &Report<'_>) -> Vec<Alike<I>> {
        self.forget(report.at);
        let new = self.weigh(id, report);
        let found = self.find(&new.0, &new.1);
        self.put(new.0);
        found
    }

    /// Keeps a report of which is known where it belongs.
    pub fn keep(&mut self, id: I, report: &Report<'_>) {
        self.forget(report.at);
        let new = self.weigh(id, report);
        self.put(new.0);
    }

    fn weigh(&self, id: I, report: &Report<'_>) -> (Kept<I>, Vec<f32>) {
        let pairs = pairs(report.text).into_boxed_slice();
        let weights: Vec<f32> = pairs.iter().map(|pair| self.weight(*pair)).collect();
        let names = names(report.text);
        let length = |counts: &dyn Fn(&Pair) -> bool| {
            pairs.iter().zip(&weights).filter(|(pair, _)| counts(pair)).map(|(_, w)| w * w).sum::<f32>().sqrt()
        };
        let kept = Kept {
            id,
            at: report.at,
            length: length(&|_| true),
            what: length(&|pair| names.pairs.binary_search(pair).is_err()),
            pairs,
            names,
            category: report.category.map(name),
            street: report.street.map_or(0, name),
            district: report.district.map_or(0, name),
            caller: report.caller.map_or(0, name),
        };
        (kept, weights)
    }

    /// How much it says that two reports share `pair`.
    fn weight(&self, pair: Pair) -> f32 {
        let all = self.kept.len() as f32 + PRIOR;
        let usual = self.usual.get(&pair).map_or(0.0, |share| share * all);
        let having = self.having.get(&pair).map_or(0.0, |places| places.len() as f32).max(usual);
        (all / (having + RARE)).ln().max(0.0)
    }

    fn find(&mut self, new: &Kept<I>, weights: &[f32]) -> Vec<Alike<I>> {
        let mut touched: Vec<u32> = Vec::new();
        for (pair, weight) in new.pairs.iter().zip(weights) {
            let Some(places) = self.having.get(pair) else { continue };
            if places.len() > FINDS && new.names.pairs.binary_search(pair).is_err() {
                continue;
            }
            for place in places.iter().rev().take(FINDS) {
                let sum = &mut self.sums[(place - self.first) as usize];
                if *sum == 0.0 {
                    touched.push(*place);
                }
                *sum += weight * weight;
            }
        }
        let mut best: Vec<(f32, u32)> = touched
            .into_iter()
            .map(|place| {
                let at = (place - self.first) as usize;
                (std::mem::take(&mut self.sums[at]) / (self.kept[at].length * new.length).max(1.0), place)
            })
            .collect();
        if best.len() > COMPARED {
            best.select_nth_unstable_by(COMPARED, |a, b| b.0.total_cmp(&a.0));
            best.truncate(COMPARED);
        }
        let mut alike: Vec<Alike<I>> =
            best.into_iter().filter_map(|(_, place)| self.compare(new, weights, place)).collect();
        alike.sort_by(|a, b| b.likeness.total_cmp(&a.likeness));
        alike
    }

    fn compare(&self, new: &Kept<I>, weights: &[f32], place: u32) -> Option<Alike<I>> {
        let old = &self.kept[(place - self.first) as usize];
        let there = whereabouts(new, old);
        let mut likeness = if there == Place::Same {
            // Where it is has been said; what is it?
            self.alike(shared(new, weights, old, false), new.what, old.what) + self.config.same_place
        } else {
            self.alike(shared(new, weights, old, true), new.length, old.length)
        };
        if same(new.category[2], old.category[2]) {
            likeness += if there == Place::Same { self.config.same_problem } else { self.config.same_category };
        } else if other(new.category[1], old.category[1]) {
            likeness -= self.config.other_category;
        }
        let caller = same(new.caller, old.caller);
        (likeness >= self.config.faint).then(|| Alike { id: old.id.clone(), likeness, caller, place: there })
    }

    fn alike(&self, shared: f32, new: f32, old: f32) -> f32 {
        let words = shared / (new * old).max(1.0);
        // A short report whose words all stand in a long one.
        let inside = shared / new.min(old).powi(2).max(1.0);
        words.max(inside * self.config.inside)
    }

    fn put(&mut self, new: Kept<I>) {
        let place = self.first + self.kept.len() as u32;
        for pair in &new.pairs {
            self.having.entry(*pair).or_default().push_back(place);
        }
        self.kept.push_back(new);
        self.sums.push_back(0.0);
    }

    /// Makes room, and lets go what is too old at `now`.
    fn forget(&mut self, now: i64) {
        while let Some(oldest) = self.kept.front()
            && (self.kept.len() >= self.config.most || oldest.at < now - self.config.window)
        {
            let oldest = self.kept.pop_front().expect("there is a front");
            self.sums.pop_front();
            for pair in &oldest.pairs {
                if let Some(places) = self.having.get_mut(pair) {
                    places.pop_front();
                    if places.is_empty() {
                        self.having.remove(pair);
                    }
                }
            }
            self.first += 1;
        }
    }
}

fn whereabouts<I>(new: &Kept<I>, old: &Kept<I>) -> Place {
    if meet(&new.names.sounds, &old.names.sounds) {
        return Place::Same;
    }
    if !new.names.sounds.is_empty() && !old.names.sounds.is_empty() {
        return Place::Elsewhere;
    }
    if same(new.street, old.street) {
        return Place::Same;
    }
    if other(new.street, old.street) || other(new.district, old.district) {
        return Place::Elsewhere;
    }
    Place::Unknown
}

/// Whether both are known and not the same.
fn other(a: u32, b: u32) -> bool {
    a != 0 && b != 0 && a != b
}

/// Whether both are known and the same.
fn same(a: u32, b: u32) -> bool {
    a != 0 && a == b
}

/// Before there are many reports nothing is called rare.
const PRIOR: f32 = 200.0;

/// Reports below which it makes no difference how many have a pair: what only one text has is mostly an accident of its
/// wording, and would make any two texts unlike.
const RARE: f32 = 8.0;

/// What the pairs say that both have, with or without those of places' names.
fn shared<I>(new: &Kept<I>, weights: &[f32], old: &Kept<I>, names: bool) -> f32 {
    let (mut sum, mut at) = (0.0, 0);
    for (pair, weight) in new.pairs.iter().zip(weights) {
        while old.pairs.get(at).is_some_and(|other| other < pair) {
            at += 1;
        }
        if old.pairs.get(at) == Some(pair) && (names || new.names.pairs.binary_search(pair).is_err()) {
            sum += weight * weight;
        }
    }
    sum
}

/// A name that is only compared: a hash, 0 for none.
fn name(text: &str) -> u32 {
    if text.is_empty() {
        return 0;
    }
    text.bytes().fold(0x811c_9dc5u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report(text: &str, at: i64) -> Report<'_> {
        Report { text, at, category: [""; 3], street: None, district: None, caller: None }
    }

    fn index(most: usize, window: i64) -> Index<usize> {
        Index::new(Config { most, window, ..Config::default() })
    }

    fn water(text: &str, at: i64) -> Report<'_> {
        Report { category: ["城乡建设", "市政管理", "自来水供应"], ..report(text, at) }
    }

    #[test]
    fn order_and_homophones_change_little() {
        let mut index = index(100, 1000);
        index.add(0, &report("康邑园三号楼没有水,电梯也坏了两天", 0));
        for (id, text) in ["电梯也坏了两天,康邑园三号楼没有水", "康意园三号楼没又水,电梯也怀了两天"].iter().enumerate()
        {
            let like = index.add(id + 1, &report(text, 1));
            assert!(like.iter().any(|earlier| earlier.id == 0 && earlier.likeness > 0.8), "{text}: {like:?}");
        }
        assert_eq!(index.add(9, &report("请问社保卡丢了怎么补办", 2)), []);
    }

    #[test]
    fn the_place_parts_what_the_words_do_not() {
        let text = "路灯坏了晚上看不见路";
        let there = |street, district| Report { street: Some(street), district: Some(district), ..report(text, 0) };
        let mut index = index(100, 1000);
        index.add(0, &there("望京街道", "朝阳区"));
        assert!(index.add(1, &there("望京街道", "朝阳区"))[0].likeness > 1.0);
        assert!(index.add(2, &there("上地街道", "海淀区")).iter().all(|earlier| earlier.place == Place::Elsewhere));
        let any = index.add(3, &report("甜水园西里路灯坏了晚上看不见路", 0));
        assert!(
            any.len() == 3 && any.iter().all(|earlier| earlier.place == Place::Unknown),
            "that may be anywhere: {any:?}"
        );
        let named = index.add(4, &report("青年沟东里路灯坏了晚上看不见路", 0));
        assert!(named.iter().all(|earlier| (earlier.place == Place::Elsewhere) == (earlier.id == 3)), "{named:?}");
    }

    #[test]
    fn the_caller_is_known_again() {
        let mut index = index(100, 1000);
        let from = |caller| Report { caller, ..report("楼上漏水漏到我家厨房", 0) };
        index.add(0, &from(Some("10")));
        index.add(1, &from(None));
        let like = index.add(2, &from(Some("10")));
        let mut callers: Vec<(usize, bool)> = like.iter().map(|earlier| (earlier.id, earlier.caller)).collect();
        callers.sort_unstable();
        assert_eq!(callers, [(0, true), (1, false)]);
    }

    #[test]
    fn the_thousandth_report_is_still_found() {
        let mut index = index(5000, 10_000);
        for at in 0..1000 {
            let text = format!("青年沟东里停水了,我家{}号楼{}门", at % 31, at % 7);
            index.add(at, &water(&text, at as i64));
        }
        let like = index.add(1000, &water("怎么回事啊青年沟东里停水了", 1000));
        assert!(like.len() > 10 && like.iter().all(|earlier| earlier.place == Place::Same), "{like:?}");
    }

    #[test]
    fn what_is_too_old_is_not_compared() {
        let mut index = index(100, 1000);
        index.add(0, &report("楼上漏水漏到我家厨房", 0));
        assert_eq!(index.add(1, &report("楼上漏水漏到我家厨房", 1001)), []);
        assert_eq!(index.len(), 1);
    }

    proptest! {
        #[test]
        fn memory_is_bounded_whatever_comes(texts in prop::collection::vec("\\PC{0,30}", 1..60), most in 1usize..8) {
            let mut index = index(most, 1000);
            for (at, text) in texts.iter().enumerate() {
                let like = index.add(at, &report(text, at as i64));
                prop_assert!(like.iter().all(|earlier| earlier.id < at && earlier.id + most >= at));
                prop_assert!(like.iter().all(|earlier| earlier.likeness.is_finite()));
                prop_assert!(like.windows(2).all(|two| two[0].likeness >= two[1].likeness));
            }
            prop_assert!(index.len() <= most && index.sums.iter().all(|sum| *sum == 0.0));
            let places: usize = index.having.values().map(VecDeque::len).sum();
            prop_assert_eq!(places, index.kept.iter().map(|kept| kept.pairs.len()).sum::<usize>());
        }
    }
}
