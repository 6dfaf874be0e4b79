use proptest::prelude::*;

use super::*;
use crate::written::{Faults, Source};

const HARD: &str =
    "[[category]]\nname = \"城乡建设/住房\"\nanswer = \"15d\"\n[[category]]\nname = \"住房\"\ncontact = \"2wd\"\n";

fn config(text: &str) -> Config {
    let (config, faults) = read(text);
    assert_eq!(faults, "");
    config
}

fn read(text: &str) -> (Config, String) {
    let faults = Faults::default();
    let source = Source::new("jiesu.toml", text);
    let mut table = source.read(&faults).expect("TOML");
    let config = Config::read(&mut table);
    table.finish();
    (config, faults.to_string())
}

fn deadlines(text: &str, zone: &str) -> Deadlines {
    let faults = Faults::default();
    let shipped = Source::new("2026.toml", include_str!("../../../config/calendar/2026.toml"));
    let calendar = Arc::new(Calendar::read(&[shipped], &faults));
    assert!(faults.is_empty(), "{faults}");
    Deadlines { config: Arc::new(config(text)), calendar, zone: TimeZone::get(zone).expect("built in") }
}

/// A time of the day in Beijing.
fn at(day: &str, time: &str) -> Timestamp {
    format!("{day}T{time}:00+08:00").parse().expect("a time")
}

fn category(path: &str) -> [String; 3] {
    let mut names = path.split('/').map(str::to_owned);
    std::array::from_fn(|_| names.next().unwrap_or_else(|| "其他".into()))
}

#[test]
fn the_limits_of_the_standard() {
    let deadlines = deadlines("", "Asia/Shanghai");
    let other = category("城乡建设/供水/停水");
    let terms = |urgency| Terms { urgency, category: &other };
    // The evening before the nine days of the spring festival.
    let now = at("2026-02-14", "23:00");
    let ends = |urgency| {
        let Limits { accept, contact, answer } = deadlines.limits(terms(urgency), now);
        [deadlines.dispatch(terms(urgency), now), accept, contact, answer]
    };
    let night = |time| at("2026-02-15", time);
    assert_eq!(
        ends(Urgency::Urgent),
        [night("00:00"), at("2026-02-14", "23:10"), at("2026-02-14", "23:30"), night("01:00")]
    );
    assert_eq!(ends(Urgency::Soon), [night("01:00"), at("2026-02-14", "23:30"), night("01:00"), night("23:00")]);
    // Four working hours end after the seven days, so the answer's limit is everything's.
    assert_eq!(
        ends(Urgency::Ordinary),
        [night("23:00"), at("2026-02-21", "23:00"), at("2026-02-21", "23:00"), at("2026-02-21", "23:00")]
    );
    let Limits { accept, contact, answer } = deadlines.limits(terms(Urgency::Ordinary), at("2026-03-05", "16:00"));
    assert_eq!(
        [accept, contact, answer],
        [at("2026-03-06", "11:30"), at("2026-03-06", "17:30"), at("2026-03-12", "16:00")]
    );
}

#[test]
fn of_the_exceptions_the_deepest_category_counts_and_its_urgency_alone() {
    let deadlines = deadlines(HARD, "Asia/Shanghai");
    let now = at("2026-03-05", "16:00");
    let answer = |urgency, path: &str| deadlines.limits(Terms { urgency, category: &category(path) }, now).answer;
    assert_eq!(answer(Urgency::Ordinary, "城乡建设/住房/漏雨"), at("2026-03-20", "16:00"));
    assert_eq!(answer(Urgency::Ordinary, "城乡建设/供水/停水"), at("2026-03-12", "16:00"));
    assert_eq!(answer(Urgency::Urgent, "城乡建设/住房/漏雨"), at("2026-03-05", "18:00"), "danger is no exception");
    // Equally deep: the first of the two.
    let housing = category("城乡建设/住房/漏雨");
    let class = deadlines.class(Terms { urgency: Urgency::Ordinary, category: &housing });
    assert_eq!((class.answer, class.contact), (Within::Days(15), Within::WorkingDays(1)));
}

#[test]
fn what_was_left_runs_on_in_its_own_measure() {
    let deadlines = deadlines("", "Asia/Shanghai");
    let none = category("其他");
    let terms = Terms { urgency: Urgency::Ordinary, category: &none };
    let limits = deadlines.limits(terms, at("2026-03-05", "16:00"));
    // Paused on Friday at 11, when half an hour is left to accept and five hours to speak; it goes on on Sunday.
    let moved = deadlines.resumed(terms, limits, at("2026-03-06", "11:00"), at("2026-03-08", "20:00"));
    assert_eq!(moved.accept, at("2026-03-09", "09:30"));
    assert_eq!(moved.contact, at("2026-03-09", "15:30"), "five hours: an hour to noon and four after it");
    assert_eq!(moved.answer, at("2026-03-15", "01:00"), "six days and five hours from Sunday at eight");
    // What was over when it was paused stays over.
    let late = deadlines.resumed(terms, limits, at("2026-03-06", "12:00"), at("2026-03-20", "12:00"));
    assert_eq!(late.accept, limits.accept);
    // A clock that was set back gives nothing and takes nothing.
    assert_eq!(deadlines.resumed(terms, limits, at("2026-03-06", "11:00"), at("2026-03-06", "10:00")), limits);
}

/// Two hours are two hours in the night in which the clock is changed; seven days end at the same time of day.
#[test]
fn the_nights_in_which_clocks_are_changed() {
    let deadlines = deadlines("", "Europe/Berlin");
    let none = category("其他");
    let now: Timestamp = "2026-03-29T01:30:00+01:00".parse().expect("a time");
    let urgent = deadlines.limits(Terms { urgency: Urgency::Urgent, category: &none }, now);
    assert_eq!(urgent.answer, "2026-03-29T04:30:00+02:00".parse().expect("a time"));
    let now: Timestamp = "2026-10-22T12:00:00+02:00".parse().expect("a time");
    let ordinary = deadlines.limits(Terms { urgency: Urgency::Ordinary, category: &none }, now);
    assert_eq!(ordinary.answer, "2026-10-29T12:00:00+01:00".parse().expect("a time"));
}

#[test]
fn every_fault_is_said_with_its_line() {
    let (_, faults) = read(
        "[hours]\nweekend = [\"09:00-17:30\"]\n[urgent]\naccept = \"soon\"\nanswr = \"2h\"\n[[category]]\nname = \"住房\"\n\
         [[category]]\nurgency = \"hot\"\nanswer = \"0d\"\n",
    );
    let has = |line: &str| faults.lines().any(|fault| fault.contains(line));
    assert!(has("hours.workday: closed on working days"), "{faults}");
    assert!(has("jiesu.toml:4:") && has("\"soon\" is no span"), "{faults}");
    assert!(has("answr: unknown key"), "{faults}");
    assert!(has("says nothing"), "{faults}");
    assert!(
        has("name: missing") && has("an urgency is urgent, soon or ordinary") && has("\"0d\" is no span"),
        "{faults}"
    );
}

fn withins() -> impl Strategy<Value = Within> {
    prop_oneof![
        (1i64..3_000).prop_map(|m| Within::Elapsed(SignedDuration::from_mins(m))),
        (1i32..20).prop_map(Within::Days),
        (1i64..3_000).prop_map(|m| Within::Working(SignedDuration::from_mins(m))),
        (1u32..20).prop_map(Within::WorkingDays),
    ]
}

fn zones() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A later start never ends earlier, nothing ends before it began, and working time ends in working hours.
    #[test]
    fn deadlines_keep_their_order(
        within in withins(), zone in zones(), from in 1_766_000_000i64..1_830_000_000, wait in 0i64..1_000_000,
    ) {
        let deadlines = deadlines("", zone);
        let second = |n: i64| Timestamp::from_second(n).expect("a time");
        let end = deadlines.end(within, second(from));
        prop_assert!(end > second(from));
        prop_assert!(deadlines.end(within, second(from + wait)) >= end);
        if within.is_worked() {
            let last = (end - SignedDuration::from_nanos(1)).to_zoned_datetime(deadlines.zone.clone()).datetime();
            prop_assert!(deadlines.config.hours.open(&deadlines.calendar, last), "{} is off", end);
        }
    }

    /// However often a case is paused: each limit is later by exactly what was worked (or went by) in the pauses.
    #[test]
    fn pauses_add_exactly_their_own_time(
        within in withins(), zone in zones(), from in 1_766_000_000i64..1_830_000_000,
        pauses in prop::collection::vec((1i64..200_000, 1i64..2_000_000), 0..6),
    ) {
        let mut deadlines = deadlines("", zone);
        let all = Class { dispatch: within, accept: within, contact: within, answer: within };
        deadlines.config = Arc::new(Config { ordinary: all, ..Config::default() });
        let none = category("其他");
        let terms = Terms { urgency: Urgency::Ordinary, category: &none };
        let start = Timestamp::from_second(from).expect("a time");
        let first = deadlines.limits(terms, start);
        let (mut now, mut limits, mut paused) = (start, first, SignedDuration::ZERO);
        for (work, pause) in pauses {
            let begins = now + SignedDuration::from_secs(work);
            let ends = begins + SignedDuration::from_secs(pause);
            if limits.answer > begins {
                paused += deadlines.measure(within, begins, ends);
            }
            limits = deadlines.resumed(terms, limits, begins, ends);
            now = ends;
        }
        let was = deadlines.measure(within, start, first.answer);
        prop_assert_eq!(deadlines.measure(within, start, limits.answer), was + paused);
        prop_assert_eq!((limits.accept, limits.contact), (limits.answer, limits.answer));
    }
}
