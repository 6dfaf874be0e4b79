//! A call written down as it went: each node that it entered, each key, utterance and silence, each answer from outside,
//! with its time since the answer. What [`super::replay`] plays through another version of a flow.
//!
//! One line each, so that people can read it too:
//!
//! ```text
//! 0 node greeting
//! 2140 key !2              # pressed while a prompt was playing
//! 9300 said 0              # utterance 0: its words stand in the call's segments, and come later if they must
//! 9400 pending 1           # nobody knew the words within the caller's patience
//! 15000 silence
//! 15010 transfer sip:operator@127.0.0.1:5061
//! 45010 no-answer 480      # or talked
//! 60000 filed              # or not-filed
//! 60500 ticket 2611240000718 sent 朝外街道        # or no-ticket
//! 60900 known 康邑园停水    # that a known incident concerns the caller
//! 60920 places 110105015=八里庄街道/朝阳区 110108005=八里庄街道/海淀区    # between which their words leave it open
//! 60950 overheard 着火了    # said while nothing was asked, and an emergency; what was none is not kept
//! 61000 end caller         # the call is over, and why
//! ```
//! What a line of a later version says that is not known here is skipped.

use std::fmt;
use std::time::Duration;

use super::talk::{Place, StatusReport};

/// Lines that are kept of one call: a flow's own limit ends calls long before.
const MAX: usize = 2000;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Node(String),
    Key {
        key: char,
        /// Before the prompt was over.
        early: bool,
    },
    /// What was said in this utterance, and that its words came in time.
    Said(u32),
    Pending(u32),
    /// Nothing was said or pressed until the time was over.
    Silence,
    Filed,
    NotFiled,
    Ticket(Option<StatusReport>),
    Transfer(String),
    NoAnswer(u16),
    Talked,
    /// A known incident concerns the caller: what they hear of it.
    Known(String),
    /// Between which places their words leave it open.
    Places(Vec<Place>),
    /// Words that nobody had asked for, and that raised an emergency.
    Overheard(String),
    End(String),
}

/// A call's steps with their times since the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Journal(Vec<(Duration, Step)>);

impl Journal {
    pub fn add(&mut self, at: Duration, step: Step) {
        if self.0.len() < MAX {
            self.0.push((at, step));
        }
    }

    pub fn steps(&self) -> &[(Duration, Step)] {
        &self.0
    }

    /// The nodes that the call came through, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|(_, step)| match step {
            Step::Node(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// What [`Journal`]'s `Display` wrote.
    pub fn read(text: &str) -> Journal {
        let line = |line: &str| {
            let mut words = line.split(' ');
            let at = Duration::from_millis(words.next()?.parse().ok()?);
            Some((at, step(words.next()?, words.next(), words)?))
        };
        Journal(text.lines().filter_map(line).take(MAX).collect())
    }
}

fn step<'a>(word: &str, first: Option<&'a str>, mut more: impl Iterator<Item = &'a str>) -> Option<Step> {
    Some(match (word, first) {
        ("node", Some(name)) => Step::Node(name.to_owned()),
        ("key", Some(key)) => {
            let mut keys = key.strip_prefix('!').unwrap_or(key).chars();
            Step::Key { key: keys.next().filter(|_| keys.next().is_none())?, early: key.starts_with('!') }
        }
        ("said", Some(index)) => Step::Said(index.parse().ok()?),
        ("pending", Some(index)) => Step::Pending(index.parse().ok()?),
        ("silence", None) => Step::Silence,
        ("filed", None) => Step::Filed,
        ("not-filed", None) => Step::NotFiled,
        ("no-ticket", None) => Step::Ticket(None),
        ("ticket", Some(number)) => {
            let state = more.next()?.to_owned();
            let unit = more.collect::<Vec<_>>().join(" ");
            let unit = (!unit.is_empty()).then_some(unit);
            Step::Ticket(Some(StatusReport { number: number.to_owned(), state, unit }))
        }
        ("transfer", Some(target)) => Step::Transfer(target.to_owned()),
        ("no-answer", Some(code)) => Step::NoAnswer(code.parse().ok()?),
        ("talked", None) => Step::Talked,
        ("known", Some(first)) => Step::Known(rest(first, more)),
        ("places", first) => Step::Places(first.into_iter().chain(more).filter_map(place).collect()),
        ("overheard", Some(first)) => Step::Overheard(rest(first, more)),
        ("end", Some(why)) => Step::End(why.to_owned()),
        _ => return None,
    })
}

fn place(word: &str) -> Option<Place> {
    let (code, names) = word.split_once('=')?;
    let (name, district) = names.split_once('/')?;
    Some(Place { code: code.to_owned(), name: name.to_owned(), district: district.to_owned() })
}

/// What stands on the line, as one text.
fn rest<'a>(first: &'a str, more: impl Iterator<Item = &'a str>) -> String {
    [first].into_iter().chain(more).collect::<Vec<_>>().join(" ")
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in &self.0 {
            write!(f, "{} ", at.as_millis())?;
            match step {
                Step::Node(name) => write!(f, "node {name}")?,
                Step::Key { key, early } => write!(f, "key {}{key}", if *early { "!" } else { "" })?,
                Step::Said(index) => write!(f, "said {index}")?,
                Step::Pending(index) => write!(f, "pending {index}")?,
                Step::Silence => f.write_str("silence")?,
                Step::Filed => f.write_str("filed")?,
                Step::NotFiled => f.write_str("not-filed")?,
                Step::Ticket(None) => f.write_str("no-ticket")?,
                Step::Ticket(Some(report)) => {
                    write!(f, "ticket {} {}", report.number, report.state)?;
                    if let Some(unit) = &report.unit {
                        write!(f, " {}", unit.replace(['\n', '\r'], " "))?;
                    }
                }
                Step::Transfer(target) => write!(f, "transfer {target}")?,
                Step::NoAnswer(code) => write!(f, "no-answer {code}")?,
                Step::Talked => f.write_str("talked")?,
                Step::Known(text) => write!(f, "known {}", text.replace(['\n', '\r'], " "))?,
                Step::Places(places) => {
                    f.write_str("places")?;
                    for Place { code, name, district } in places {
                        write!(f, " {code}={name}/{district}")?;
                    }
                }
                Step::Overheard(text) => write!(f, "overheard {}", text.replace(['\n', '\r'], " "))?,
                Step::End(why) => write!(f, "end {why}")?,
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_step() -> impl Strategy<Value = Step> {
        let report = ("[0-9]{13}", "[a-z]{1,8}", proptest::option::of("[a-z] ?[a-z]"))
            .prop_map(|(number, state, unit)| StatusReport { number, state, unit });
        let place = ("[0-9]{9}", "[\u{4e00}-\u{4e20}]{1,4}", "[\u{4e00}-\u{4e20}]{1,3}")
            .prop_map(|(code, name, district)| Place { code, name, district });
        prop_oneof![
            "[a-z-]{1,12}".prop_map(Step::Node),
            (prop::sample::select("0123456789*#".chars().collect::<Vec<_>>()), any::<bool>())
                .prop_map(|(key, early)| Step::Key { key, early }),
            any::<u32>().prop_map(Step::Said),
            any::<u32>().prop_map(Step::Pending),
            Just(Step::Silence),
            Just(Step::Filed),
            Just(Step::NotFiled),
            proptest::option::of(report).prop_map(Step::Ticket),
            "sip:[a-z0-9@.:]{1,20}".prop_map(Step::Transfer),
            any::<u16>().prop_map(Step::NoAnswer),
            Just(Step::Talked),
            "[a-z]{1,4} ?[a-z]".prop_map(Step::Known),
            proptest::collection::vec(place, 0..3).prop_map(Step::Places),
            "[a-z]{1,4} ?[a-z]".prop_map(Step::Overheard),
            "[a-z_]{1,8}".prop_map(Step::End),
        ]
    }

    proptest! {
        #[test]
        fn a_journal_reads_what_it_writes(steps in proptest::collection::vec((0u64..10_000_000, any_step()), 0..40)) {
            let mut journal = Journal::default();
            for (at, step) in steps {
                journal.add(Duration::from_millis(at), step);
            }
            prop_assert_eq!(Journal::read(&journal.to_string()), journal);
        }

        #[test]
        fn any_text_is_read_or_skipped(text in "(?s).{0,200}") {
            Journal::read(&text);
        }
    }

    #[test]
    fn it_is_bounded() {
        let mut journal = Journal::default();
        (0..3 * MAX).for_each(|_| journal.add(Duration::ZERO, Step::Silence));
        assert_eq!(journal.steps().len(), MAX);
        assert_eq!(Journal::read(&"1 silence\n".repeat(3 * MAX)).steps().len(), MAX);
    }
}
