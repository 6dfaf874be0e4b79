//! Groups formed of a stream in memory, as the store forms them of tickets: a report goes where the one it is most
//! like is. Used to measure (`jiesu eval matter`).

use super::{Alike, Config, Index, Place, Report};

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

/// Whether a report is its caller's repeat of this earlier one.
pub fn repeats<I>(config: &Config, earlier: &Alike<I>) -> bool {
    earlier.caller && earlier.place != Place::Elsewhere && earlier.likeness >= config.repeat
}

/// The group that a report joins: its caller's, if they reported something like it before; else that of the report which
/// is most like it, if the group is together like enough. Each further report of a group adds half of what the one before
/// it could: many that are somewhat alike say as much as one that is very. A group of which more speak of
/// another place than of this one is passed over.
pub fn choose<I, G: Copy + PartialEq>(
    config: &Config,
    alike: &[Alike<I>],
    group: impl Fn(&I) -> Option<G>,
) -> Option<G> {
    if let Some(group) = alike.iter().filter(|earlier| repeats(config, earlier)).find_map(|earlier| group(&earlier.id))
    {
        return Some(group);
    }
    let mut votes: Vec<Vote<G>> = Vec::new();
    for earlier in alike {
        let Some(group) = group(&earlier.id) else { continue };
        let at = votes.iter().position(|vote| vote.group == group).unwrap_or_else(|| {
            votes.push(Vote { group, best: 0.0, sum: 0.0, share: 1.0, here: 0, elsewhere: 0 });
            votes.len() - 1
        });
        votes[at].take(earlier.likeness, earlier.place);
    }
    let least = |vote: &Vote<G>| if vote.here > 0 { config.least } else { config.unplaced };
    let joins = |vote: &Vote<G>| vote.sum >= least(vote) && vote.best >= config.one && vote.elsewhere <= vote.here;
    votes.into_iter().filter(joins).max_by(|a, b| a.best.total_cmp(&b.best)).map(|vote| vote.group)
}

/// What the reports of a group say for it.
struct Vote<G> {
    group: G,
    best: f32,
    sum: f32,
    /// How much of its likeness the next one adds.
    share: f32,
    here: u32,
    elsewhere: u32,
}

impl<G> Vote<G> {
    fn take(&mut self, likeness: f32, place: Place) {
        match place {
            Place::Elsewhere => {
                self.elsewhere += 1;
                return;
            }
            Place::Same => self.here += 1,
            Place::Unknown => {}
        }
        self.best = self.best.max(likeness);
        self.sum += likeness * self.share;
        self.share /= 2.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a report goes that is like these: (group, likeness, same caller).
    fn chosen(like: &[(char, f32, bool)]) -> Option<char> {
        let config = Config { least: 0.3, unplaced: 0.3, one: 0.15, repeat: 0.2, ..Config::default() };
        let alike: Vec<Alike<char>> = like
            .iter()
            .map(|(id, likeness, caller)| Alike {
                id: *id,
                likeness: *likeness,
                caller: *caller,
                place: Place::Unknown,
            })
            .collect();
        choose(&config, &alike, |id| (*id != '-').then_some(*id))
    }

    #[test]
    fn one_that_is_very_like_or_many_that_are_somewhat() {
        assert_eq!(chosen(&[('a', 0.31, false)]), Some('a'));
        assert_eq!(chosen(&[('a', 0.29, false), ('b', 0.2, false)]), None);
        assert_eq!(chosen(&[('a', 0.28, false), ('b', 0.2, false), ('b', 0.2, false), ('b', 0.16, false)]), Some('b'));
        assert_eq!(chosen(&[('a', 0.5, false), ('b', 0.45, false), ('b', 0.45, false)]), Some('a'), "the most alike");
        assert_eq!(chosen(&[('b', 0.14, false), ('b', 0.14, false), ('b', 0.14, false), ('b', 0.14, false)]), None);
        assert_eq!(chosen(&[('-', 0.9, false)]), None, "that one is of no group");
    }

    #[test]
    fn a_callers_own_matter_comes_first() {
        assert_eq!(chosen(&[('a', 0.5, false), ('b', 0.2, true)]), Some('b'));
        assert_eq!(chosen(&[('a', 0.5, false), ('b', 0.19, true)]), Some('a'));
    }

    #[test]
    fn a_group_that_is_elsewhere_is_passed_over() {
        let config = Config { least: 0.3, unplaced: 0.6, one: 0.15, ..Config::default() };
        let alike = |places: &[(char, Place)]| {
            let of = |(id, place): &(char, Place)| Alike { id: *id, likeness: 0.4, caller: false, place: *place };
            choose(&config, &places.iter().map(of).collect::<Vec<_>>(), |id| Some(*id))
        };
        assert_eq!(alike(&[('a', Place::Elsewhere), ('b', Place::Same)]), Some('b'));
        assert_eq!(alike(&[('a', Place::Same), ('a', Place::Elsewhere)]), Some('a'));
        assert_eq!(alike(&[('a', Place::Same), ('a', Place::Elsewhere), ('a', Place::Elsewhere)]), None);
        assert_eq!(alike(&[('a', Place::Unknown)]), None, "that needs more where no place is known");
    }

    /// The group of each report: (text, street office, caller), a minute apart, all of one category.
    fn grouped(reports: &[(&'static str, &'static str, &'static str)]) -> Vec<usize> {
        let mut groups = Groups::new(Config::default());
        let category = ["城乡建设", "市政管理", "自来水供应"];
        let report = |(at, (text, street, caller)): (usize, &(&'static str, &'static str, &'static str))| Report {
            text,
            at: 60 * at as i64,
            category,
            street: Some(street),
            district: Some("东城区"),
            caller: Some(caller),
        };
        reports.iter().enumerate().map(|each| groups.add(&report(each))).collect()
    }

    #[test]
    fn each_says_it_in_other_words_and_it_is_one_burst_pipe() {
        let here = "和平里街道";
        let reports = [
            ("青年沟东里从早上开始就没水了,家里有老人", here, "0"),
            ("我这儿是青年沟东里六号楼,停水了你们知道吗", here, "1"),
            ("喂你好,青年沟东里怎么又停水了", here, "2"),
            ("青年沟东里没水用,什么时候能来水", here, "3"),
            ("我反映青年沟东里停水,物业说是管子爆了", here, "4"),
            ("青年沟东里停水一上午了,饭都做不了", here, "5"),
            ("楼下歌厅半夜唱歌吵得孩子睡不着", "东直门街道", "77"),
            ("青年沟东里的水还没来", here, "3"),
        ];
        assert_eq!(grouped(&reports), [0, 0, 0, 0, 0, 0, 1, 0]);
        let lamps = [("青年沟东里的路灯坏了三天了", here, "1"), ("晚上太黑了,路灯坏了,青年沟东里", here, "2")];
        assert_eq!(grouped(&lamps), [0, 0]);
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
