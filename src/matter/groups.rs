//! Groups formed of a stream in memory, as the store forms them of tickets: a report goes where the one it is most
//! like is. Used to measure (`jiesu eval matter`).

use super::{Alike, Config, Index, Report};

/// The groups of a stream; reports and groups are counted from 0.
#[derive(Debug)]
pub struct Groups {
    index: Index<usize>,
    /// The group of each report.
    of: Vec<usize>,
    groups: usize,
}

impl Groups {
    pub fn new(config: Config) -> Groups {
        Groups { index: Index::new(config), of: Vec::new(), groups: 0 }
    }

    /// Adds the next report and gives its group.
    pub fn add(&mut self, report: &Report<'_>) -> usize {
        let alike = self.index.add(self.of.len(), report);
        let group = choose(self.index.config(), &alike, |id| Some(self.of[*id])).unwrap_or_else(|| {
            self.groups += 1;
            self.groups - 1
        });
        self.of.push(group);
        group
    }

    /// The members of each group, the largest first.
    pub fn members(&self) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); self.groups];
        for (report, group) in self.of.iter().enumerate() {
            members[*group].push(report);
        }
        members.sort_by_key(|members| std::cmp::Reverse(members.len()));
        members
    }
}

/// The group that a report joins: its caller's, if they reported something like it before; else the one whose reports are
/// together most like it, if that is enough. Each further report of a group adds half of what the one before it could:
/// many that are somewhat alike say as much as one that is very.
pub fn choose<I, G: Copy + PartialEq>(
    config: &Config,
    alike: &[Alike<I>],
    group: impl Fn(&I) -> Option<G>,
) -> Option<G> {
    let repeated = |earlier: &&Alike<I>| earlier.caller && earlier.likeness >= config.repeat;
    if let Some(group) = alike.iter().filter(repeated).find_map(|earlier| group(&earlier.id)) {
        return Some(group);
    }
    let mut votes: Vec<Vote<G>> = Vec::new();
    for earlier in alike {
        let Some(group) = group(&earlier.id) else { continue };
        match votes.iter_mut().find(|vote| vote.group == group) {
            Some(vote) => {
                vote.sum += earlier.likeness * vote.share;
                vote.share /= 2.0;
            }
            None => votes.push(Vote { group, best: earlier.likeness, sum: earlier.likeness, share: 0.5 }),
        }
    }
    let won = votes.into_iter().max_by(|a, b| a.sum.total_cmp(&b.sum))?;
    (won.sum >= config.least && won.best >= config.one).then_some(won.group)
}

/// What the reports of a group say for it.
struct Vote<G> {
    group: G,
    best: f32,
    sum: f32,
    /// How much of its likeness the next one adds.
    share: f32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a report goes that is like these: (group, likeness, same caller).
    fn chosen(like: &[(char, f32, bool)]) -> Option<char> {
        let config = Config { least: 0.3, one: 0.15, repeat: 0.2, ..Config::default() };
        let alike: Vec<Alike<char>> =
            like.iter().map(|(id, likeness, caller)| Alike { id: *id, likeness: *likeness, caller: *caller }).collect();
        choose(&config, &alike, |id| (*id != '-').then_some(*id))
    }

    #[test]
    fn one_that_is_very_like_or_many_that_are_somewhat() {
        assert_eq!(chosen(&[('a', 0.31, false)]), Some('a'));
        assert_eq!(chosen(&[('a', 0.29, false), ('b', 0.2, false)]), None);
        assert_eq!(chosen(&[('a', 0.28, false), ('b', 0.2, false), ('b', 0.2, false), ('b', 0.16, false)]), Some('b'));
        assert_eq!(chosen(&[('b', 0.14, false), ('b', 0.14, false), ('b', 0.14, false), ('b', 0.14, false)]), None);
        assert_eq!(chosen(&[('-', 0.9, false)]), None, "that one is of no group");
    }

    #[test]
    fn a_callers_own_matter_comes_first() {
        assert_eq!(chosen(&[('a', 0.5, false), ('b', 0.2, true)]), Some('b'));
        assert_eq!(chosen(&[('a', 0.5, false), ('b', 0.19, true)]), Some('a'));
    }

    #[test]
    fn groups_of_a_stream() {
        let mut groups = Groups::new(Config::default());
        let texts = ["青年沟东里停水了", "社保卡丢了怎么补", "青年沟东里又停水", "青年沟东里停水到几点"];
        for (at, text) in texts.iter().enumerate() {
            let category = [""; 3];
            groups.add(&Report { text, at: at as i64, category, street: None, district: None, caller: None });
        }
        assert_eq!(groups.members(), [vec![0, 2, 3], vec![1]]);
    }
}
