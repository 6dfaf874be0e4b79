use jiff::civil::date;
use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;

use super::*;

fn now() -> Timestamp {
    "2026-11-27T04:00:00Z".parse().expect("a time")
}

fn seen(serial: u32, weeks_ago: i64) -> Seen {
    Seen {
        number: Number::new(date(2026, 11, 1), serial).expect("a number"),
        at: now() - (weeks_ago * 7 * 24 + 1).hours(),
        category: "环境保护".into(),
        street: None,
        matter: None,
        closed: None,
        reopened: Vec::new(),
    }
}

/// `counts[week]` tickets of `category`, the last week first.
fn of(category: &str, counts: &[u32]) -> Vec<Seen> {
    let ticket = |week: usize| Seen { category: category.into(), ..seen(1, week as i64) };
    counts.iter().enumerate().flat_map(|(week, n)| (0..*n).map(move |_| week)).map(ticket).collect()
}

#[test]
fn a_share_that_doubles_is_found_and_one_that_stands_is_not() {
    let config = Config::default();
    let mut all = of("噪声", &[60, 30, 29, 31, 30]);
    all.extend(of("供暖", &[100, 100, 98, 103, 101]));
    all.extend(of("停车", &[870, 900, 880, 890, 905]));
    let found = rising(&config, &all, now());
    assert_eq!(found.iter().map(|c| c.subject.as_str()).collect::<Vec<_>>(), ["噪声"], "{found:?}");
    let Evidence::Rising { count, of, before, of_before, share, chance, .. } = found[0].evidence else {
        panic!("{found:?}")
    };
    assert_eq!((count, of, before, of_before), (60, 1030, 120, 4097));
    assert!((share - 60.0 / 1030.0).abs() < 1e-12 && chance < 1e-5);
}

/// More calls of everything (a holiday is over) are no rising share; and a handful are none either.
#[test]
fn neither_a_busy_week_nor_a_handful_is_a_trend() {
    let config = Config::default();
    let mut all = of("噪声", &[60, 30, 30, 30]);
    all.extend(of("停车", &[600, 300, 300, 300]));
    assert_eq!(rising(&config, &all, now()), []);
    let mut few = of("噪声", &[19, 0, 0, 0]);
    few.extend(of("停车", &[600, 600, 600, 600]));
    assert_eq!(rising(&config, &few, now()), []);
}

/// The table of the normal distribution.
#[test]
fn the_tail_is_that_of_the_books() {
    for (z, tail) in [(0.0, 0.5), (1.0, 0.158_655_25), (1.959_964, 0.025), (3.090_232, 0.001), (4.753_424, 1e-6)] {
        let ours = 0.5 * erfc(z / std::f64::consts::SQRT_2);
        assert!((ours / tail - 1.0).abs() < 1e-5, "{z}: {ours} is not {tail}");
        let other = 0.5 * erfc(-z / std::f64::consts::SQRT_2);
        assert!((ours + other - 1.0).abs() < 1e-6);
    }
    // 30 of 100 against 15 of 100: z = 2.5400.
    assert!((by_chance((30, 100), (15, 100)) - 0.005_543).abs() < 1e-5);
    assert_eq!(by_chance((3, 3), (0, 0)), 1.0);
    assert_eq!(by_chance((3, 3), (4, 4)), 1.0);
}

#[test]
fn a_street_above_the_norm_in_six_of_eight_weeks_is_found() {
    let config = Config::default();
    let streets: Vec<String> = (1..=10).map(|i| format!("1101050{i:02}")).collect();
    let mut all = Vec::new();
    for week in 0..8 {
        for (i, street) in streets.iter().enumerate() {
            let count = match i {
                0 if week < 6 => 30,
                1 if week < 5 => 30,
                _ => 5,
            };
            all.extend((0..count).map(|_| Seen { street: Some(street.clone()), ..seen(1, week) }));
        }
    }
    all.push(Seen { street: Some("of another city".into()), ..seen(1, 0) });
    let found = persistent(&config, &all, &streets, now());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].subject.as_str(), found[0].measure), ("110105001", Measure::JointHandling));
    let Evidence::Persistent { above, weeks } = &found[0].evidence else { panic!("{found:?}") };
    assert_eq!((*above, weeks.len()), (6, 8));
    assert_eq!(weeks.iter().map(|week| week.count).collect::<Vec<_>>(), [5, 5, 30, 30, 30, 30, 30, 30]);
    assert_eq!(weeks[7].from, now() - (7 * 24).hours());
    assert!((weeks[7].norm - 1.5 * 10.0).abs() < 1e-9);
}

#[test]
fn a_matter_that_comes_back_after_it_was_closed_is_found() {
    let config = Config::default();
    let of = |serial, weeks_ago, matter| Seen { matter: Some(matter), ..seen(serial, weeks_ago) };
    let closed = |ticket: Seen, weeks: i64| Seen { closed: Some(now() - (weeks * 7 * 24).hours()), ..ticket };
    let reopened = |ticket: Seen| Seen { reopened: vec![now() - 5.hours()], ..ticket };
    let all = [
        closed(of(1, 6, 7), 5),
        of(2, 4, 7),
        of(3, 3, 7),
        reopened(of(4, 2, 7)),
        // Reported often, but never closed before: one burst pipe.
        of(5, 3, 8),
        of(6, 3, 8),
        of(7, 3, 8),
        of(8, 2, 8),
        // Came back once.
        closed(of(9, 6, 9), 5),
        of(10, 1, 9),
    ];
    let found = returning(&config, &all, now());
    assert_eq!(found.len(), 1, "{found:?}");
    let Evidence::Returning { tickets, returned, reopened } = &found[0].evidence else { panic!("{found:?}") };
    assert_eq!((found[0].subject.as_str(), *tickets), ("7", 4));
    assert_eq!((returned.len(), reopened.len()), (3, 1));
}

#[test]
fn a_moment_is_in_one_week() {
    let hour = |hours: i64| now() - hours.hours();
    assert_eq!(week(now(), now()), None, "the present moment is not over");
    assert_eq!(week(hour(1), now()), Some(0));
    assert_eq!(week(hour(7 * 24), now()), Some(0));
    assert_eq!(week(hour(7 * 24) - 1.nanosecond(), now()), Some(1));
    assert_eq!(week(hour(-1), now()), None);
}

proptest! {
    /// Without a change of shares there are hardly ever candidates, however many categories there are.
    #[test]
    fn chance_raises_nothing(counts in prop::collection::vec(30..200u32, 2..40)) {
        let mut all = Vec::new();
        for (i, count) in counts.iter().enumerate() {
            all.extend(of(&i.to_string(), &[*count; 4]));
        }
        prop_assert_eq!(rising(&Config::default(), &all, now()), []);
    }

    /// Any tickets at any times: no panic, and every candidate's numbers are those of the tickets.
    #[test]
    fn evidence_is_of_the_tickets(tickets in prop::collection::vec((0..4u32, 0..70i64, 0..3usize, 0..4i64), 0..200)) {
        let streets: Vec<String> = (0..3).map(|i| i.to_string()).collect();
        let all: Vec<Seen> = tickets.iter().enumerate().map(|(i, (category, days, street, matter))| Seen {
            at: now() - (days * 24 + 1).hours(),
            category: category.to_string(),
            street: Some(street.to_string()),
            matter: Some(*matter),
            closed: (i % 3 == 0).then(|| now() - (days * 24).hours()),
            ..seen(i as u32 + 1, 0)
        }).collect();
        let config = Config { rising_least: 3, chance: 0.4, above: 2, street_least: 1, returns: 1, ..Config::default() };
        for candidate in candidates(&config, &all, &streets, now()) {
            match candidate.evidence {
                Evidence::Rising { count, share, share_before, .. } => {
                    let week = all.iter().filter(|t| t.category == candidate.subject && t.at >= now() - (7 * 24).hours());
                    prop_assert_eq!(week.count() as u32, count);
                    prop_assert!(share > share_before);
                }
                Evidence::Persistent { above, weeks } => {
                    let high = weeks.iter().filter(|week| f64::from(week.count) > week.norm).count() as u32;
                    prop_assert_eq!(above, high);
                }
                Evidence::Returning { tickets, returned, .. } => {
                    let of = all.iter().filter(|t| t.matter.is_some_and(|m| m.to_string() == candidate.subject));
                    prop_assert_eq!(of.count() as u32, tickets);
                    prop_assert!(!returned.is_empty() && returned.len() < tickets as usize);
                }
            }
        }
    }
}
