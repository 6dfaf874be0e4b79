//! Folds for cross-validation in which near-duplicates stay together.
//!
//! One matter is often reported ten times in nearly the same words; if some of its reports were learned from and others
//! asked about, the score would be of memory. Two texts belong together when they share most of their rare features.

/// A feature that more texts than this have says nothing about who copied whom.
const RARE: usize = 24;

/// The least of rare features that two texts must share.
const LEAST_SHARED: u32 = 6;

/// The share of the shorter text's rare features that must be common to both.
const MOST: f32 = 0.4;

/// For each text (by its features) the number of its group; groups are numbered from 0 in order of appearance.
pub fn groups(texts: &[&[(u64, u32)]]) -> Vec<usize> {
    let mut entries: Vec<(u64, u32)> = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        entries.extend(text.iter().map(|(key, _)| (*key, i as u32)));
    }
    entries.sort_unstable();
    let mut rare_of = vec![0u32; texts.len()];
    let mut pairs: Vec<(u32, u32)> = Vec::new();
    for having in entries.chunk_by(|a, b| a.0 == b.0).filter(|having| (2..=RARE).contains(&having.len())) {
        for (i, (_, text)) in having.iter().enumerate() {
            rare_of[*text as usize] += 1;
            pairs.extend(having[i + 1..].iter().map(|(_, other)| (*text, *other)));
        }
    }
    pairs.sort_unstable();
    let mut union = Union((0..texts.len()).collect());
    for same in pairs.chunk_by(|a, b| a == b) {
        let (a, b) = (same[0].0 as usize, same[0].1 as usize);
        let shared = same.len() as u32;
        if shared >= LEAST_SHARED && shared as f32 >= MOST * rare_of[a].min(rare_of[b]) as f32 {
            union.join(a, b);
        }
    }
    let mut number = vec![usize::MAX; texts.len()];
    let mut next = 0;
    (0..texts.len())
        .map(|text| {
            let root = union.root(text);
            if number[root] == usize::MAX {
                number[root] = next;
                next += 1;
            }
            number[root]
        })
        .collect()
}

/// The fold (0 to `folds`) of each text, so that groups stay whole and each fold has its part of each class: groups,
/// largest first, go where their most frequent class is scarcest.
pub fn folds(groups: &[usize], classes: &[usize], folds: usize) -> Vec<usize> {
    let count = groups.iter().max().map_or(0, |most| most + 1);
    let kinds = classes.iter().max().map_or(0, |most| most + 1);
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); count];
    groups.iter().enumerate().for_each(|(text, group)| members[*group].push(text));
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|group| (std::cmp::Reverse(members[*group].len()), *group));
    let mut held = vec![vec![0usize; kinds]; folds];
    let mut fold_of = vec![0; groups.len()];
    for group in order {
        let class = classes[members[group][0]];
        let scarce = (0..folds).min_by_key(|fold| (held[*fold][class], held[*fold].iter().sum::<usize>()));
        let fold = scarce.unwrap_or_default();
        for text in &members[group] {
            fold_of[*text] = fold;
            held[fold][classes[*text]] += 1;
        }
    }
    fold_of
}

/// Disjoint sets.
struct Union(Vec<usize>);

impl Union {
    fn root(&mut self, mut of: usize) -> usize {
        while self.0[of] != of {
            self.0[of] = self.0[self.0[of]];
            of = self.0[of];
        }
        of
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (first, second) = (a.min(b), a.max(b));
        self.0[second] = first;
    }
}
