use jiff::civil::{Time, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use proptest::prelude::*;

use super::*;
use crate::ticket::case::{By as Who, Event, Limits, Outcome, Satisfaction, Survey};
use crate::written::{Faults, Source};

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone")
}

fn beijing() -> TimeZone {
    zone("Asia/Shanghai")
}

fn at(text: &str) -> Timestamp {
    format!("{text}+08:00").parse().expect("a time")
}

fn november() -> Window {
    Config::default().month("2026-11".parse().expect("a month"), &beijing())
}

fn log(events: Vec<(Timestamp, Event)>) -> Vec<Entry> {
    let entry = |(i, (at, event)): (usize, _)| Entry { seq: i as u32 + 1, at, by: Who::rule("test"), event };
    events.into_iter().enumerate().map(entry).collect()
}

fn dispatched(unit: &str) -> Event {
    let limits = Limits { accept: Timestamp::MAX, contact: Timestamp::MAX, answer: Timestamp::MAX };
    Event::Dispatched {
        unit: unit.into(),
        co: Vec::new(),
        copies: Vec::new(),
        limits,
        why: "test".into(),
        version: "1".into(),
    }
}

fn survey(solved: bool, satisfied: Satisfaction) -> Survey {
    let (contacted, solved, satisfied) = (Some(true), Some(solved), Some(satisfied));
    Survey { contacted, solved, satisfied, comment: None, valid: true }
}

fn asked(survey: Survey) -> Event {
    Event::CalledBack { attempt: 1, survey }
}

/// A ticket of `unit` whose caller said `survey` at `then`.
fn told(unit: &str, then: Timestamp, survey: Survey) -> Vec<Entry> {
    let day = |days: i64| then - (days * 24).hours();
    log(vec![
        (day(3), Event::Received { dispatch: day(2) }),
        (day(3), dispatched(unit)),
        (day(1), Event::CallbackBegan { attempt: 1 }),
        (then, asked(survey)),
    ])
}

fn roll() -> Roll {
    let unit = |code: &str, name: &str, sort, district: Option<&str>| Unit {
        code: code.into(),
        name: name.into(),
        sort,
        district: district.map(str::to_owned),
    };
    [
        unit("110105", "朝阳区", Sort::District, Some("110105")),
        unit("110105001", "建外街道", Sort::Street, Some("110105")),
        unit("110105002", "朝外街道", Sort::Street, Some("110105")),
        unit("water", "市自来水集团", Sort::Department, None),
    ]
    .into_iter()
    .collect()
}

fn table(by: By, logs: &[Vec<Entry>]) -> Table {
    let config = Config::default();
    let before = config.month("2026-10".parse().expect("a month"), &beijing());
    let (mut now, mut past) = (Sheet::new(november()), Sheet::new(before));
    let facts = Facts { place: Some("110105001".into()), category: "环境保护".into() };
    for log in logs {
        now.ticket(&config, &roll(), &facts, log);
        past.ticket(&config, &roll(), &facts, log);
    }
    Table::new(&config, &roll(), "2026-11", by, &now, &past)
}

/// The figures of FACTS.md, by hand: of ten callers nine were spoken with, six have it solved, four are satisfied, three
/// mostly. 90 x .1 + 60 x .5 + 67 x .4 = 65.8.
#[test]
fn the_composite_by_hand() {
    let mut logs = Vec::new();
    for i in 0..10 {
        let satisfied = match i {
            0..4 => Satisfaction::Satisfied,
            4..7 => Satisfaction::Mostly,
            _ => Satisfaction::Dissatisfied,
        };
        let said = Survey { contacted: Some(i != 9), ..survey(i < 6, satisfied) };
        logs.push(told("110105001", at("2026-11-02T10:00:00"), said));
    }
    let table = table(By::Street, &logs);
    let rates = table.rows[0].rates.expect("surveys");
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    near(rates.response, 90.0);
    near(rates.solution, 60.0);
    near(rates.satisfaction, 67.0);
    near(rates.composite, 65.8);
    assert_eq!((table.rows[0].name.as_str(), table.rows[0].rank), ("建外街道", Some(1)));
    assert_eq!(table.rows[0].class, Some(Class::Rectify));
}

#[test]
fn who_was_not_reached_stands_beside_the_rates_and_not_in_them() {
    let then = at("2026-11-02T10:00:00");
    let failed = Event::CallbackFailed { attempt: 1, outcome: Outcome::NoAnswer, again: None };
    let received = || (then - 48.hours(), Event::Received { dispatch: then });
    let unreached = log(vec![received(), (then, dispatched("water")), (then, failed.clone())]);
    let invalid = Survey { valid: false, ..survey(true, Satisfaction::Satisfied) };
    let reached_later = log(vec![
        received(),
        (then, dispatched("water")),
        (then, failed),
        (then, asked(survey(true, Satisfaction::Satisfied))),
    ]);
    let waits = log(vec![received(), (then, dispatched("water"))]);
    let table = table(By::Department, &[unreached, told("water", then, invalid), reached_later, waits]);
    let count = &table.rows[0].count;
    assert_eq!((count.received, count.tried, count.no_answer, count.invalid, count.valid), (4, 3, 1, 1, 1));
    assert_eq!(table.rows[0].rates.expect("one counts").composite, 100.0);
    assert_eq!(table.rows[0].class, None, "one survey makes no class");
}

#[test]
fn an_exclusion_counts_when_it_was_approved_in_time() {
    let then = at("2026-11-02T10:00:00");
    let excluded = |when: Timestamp| {
        let mut log = told("water", then, survey(false, Satisfaction::Dissatisfied));
        let event = Event::Excluded { reason: "违法建设诉求".into(), approved: "考核组".into() };
        log.push(Entry { seq: 5, at: when, by: Who::rule("test"), event });
        table(By::Department, &[log]).rows[0].count.clone()
    };
    let closes = november().until + (7 * 24).hours();
    let in_time = excluded(closes - 1.second());
    assert_eq!((in_time.tried, in_time.excluded, in_time.valid), (1, 1, 0));
    let late = excluded(closes);
    assert_eq!((late.tried, late.excluded, late.valid), (1, 0, 1), "published figures stand");
}

#[test]
fn who_was_in_charge_when_the_caller_was_asked_is_charged() {
    let then = at("2026-11-02T10:00:00");
    let mut log = told("110105001", then, survey(false, Satisfaction::Dissatisfied));
    let limits = Limits { accept: then, contact: then, answer: then };
    let reopened = Event::Reopened { unit: "110105002".into(), limits, reason: "not solved".into() };
    log.push(Entry { seq: 5, at: then + 1.second(), by: Who::rule("test"), event: reopened });
    let table = table(By::Street, &[log]);
    assert_eq!(table.rows.len(), 1);
    assert_eq!((table.rows[0].key.as_str(), table.rows[0].count.reopened), ("110105001", 1));
}

#[test]
fn of_two_surveys_in_a_month_the_last_counts_and_each_month_has_its_own() {
    let (first, second) = (at("2026-10-10T10:00:00"), at("2026-10-30T10:00:00"));
    let mut log = told("water", first, survey(false, Satisfaction::Dissatisfied));
    let mut push = |at, event| log.push(Entry { seq: log.len() as u32 + 1, at, by: Who::rule("test"), event });
    push(second, asked(survey(false, Satisfaction::Dissatisfied)));
    push(second + 1.hour(), asked(survey(true, Satisfaction::Satisfied)));
    push(second + 2.hours(), asked(Survey { valid: false, ..survey(false, Satisfaction::Dissatisfied) }));
    let table = table(By::Department, &[log]);
    assert_eq!((table.rows[0].count.valid, table.rows[0].count.solved), (1, 1));
    assert_eq!(table.rows[0].change, Some(90.0), "October had contacted only: 10");
}

#[test]
fn classes_by_the_lines_and_the_month_before() {
    let config = Config::default();
    let of = |solved: u32| Count { valid: 100, contacted: 100, solved, satisfied: solved, ..Count::default() };
    let class = |before: u32, now: u32| Class::of(&config, &of(now), &of(before));
    assert_eq!(class(95, 95), Some(Class::Advanced));
    assert_eq!(class(60, 80), Some(Class::Progress));
    assert_eq!(class(78, 80), None);
    assert_eq!(class(70, 60), Some(Class::Rectify));
    assert_eq!(class(61, 60), Some(Class::Governed));
    assert_eq!(class(30, 50), Some(Class::Progress), "low, but on its way");
    let few = Count { valid: 9, solved: 9, satisfied: 9, contacted: 9, ..Count::default() };
    assert_eq!(Class::of(&config, &few, &few), None);
    let fresh = Class::of(&config, &of(60), &Count::default());
    assert_eq!(fresh, Some(Class::Rectify), "nothing is known of the month before");
}

#[test]
fn equal_rows_share_their_rank_and_who_has_no_rates_has_none() {
    let then = at("2026-11-02T10:00:00");
    let said = || survey(true, Satisfaction::Satisfied);
    let waits = log(vec![(then, Event::Received { dispatch: then }), (then, dispatched("gas"))]);
    let worse = survey(false, Satisfaction::Satisfied);
    let logs = [told("water", then, said()), told("heat", then, said()), told("power", then, worse), waits];
    let ranks: Vec<_> = table(By::Department, &logs).rows.into_iter().map(|row| (row.key, row.rank)).collect();
    let want = [("heat", Some(1)), ("water", Some(1)), ("power", Some(3)), ("gas", None)];
    assert_eq!(ranks, want.map(|(key, rank)| (key.to_owned(), rank)));
}

#[test]
fn november_is_from_noon_before_the_19th_of_october() {
    let window = november();
    assert_eq!(window.from, at("2026-10-18T12:00:00"));
    assert_eq!(window.until, at("2026-11-18T12:00:00"));
    let config = Config { month_starts: 1, day_starts: Time::midnight(), ..Config::default() };
    let plain = config.month("2026-11".parse().expect("a month"), &beijing());
    assert_eq!((plain.from, plain.until), (at("2026-11-01T00:00:00"), at("2026-12-01T00:00:00")));
    let day = Config::default().day(date(2026, 11, 27), &beijing());
    assert_eq!((day.from, day.until), (at("2026-11-26T12:00:00"), at("2026-11-27T12:00:00")));
}

#[test]
fn faults_of_the_settings_are_named() {
    let faults = Faults::default();
    let source = Source::new("jiesu.toml", "response = 20\nday_starts = \"noon\"\nrectify = 95\nmonth_starts = 29\n");
    let mut table = source.read(&faults).expect("TOML");
    Config::read(&mut table);
    table.finish();
    let text = faults.to_string();
    for (line, what) in [(1, "110 together"), (2, "no time of day"), (1, "not below advanced"), (4, "out of range")] {
        assert!(text.lines().any(|fault| fault.contains(&format!("toml:{line}:")) && fault.contains(what)), "{text}");
    }
}

fn settings() -> impl Strategy<Value = Config> {
    (1..=28i8, 0..24i8, prop::sample::select(vec![0i8, 30])).prop_map(|(month_starts, hour, minute)| Config {
        month_starts,
        day_starts: Time::constant(hour, minute, 0, 0),
        ..Config::default()
    })
}

proptest! {
    /// Whatever the settings and the zone: days and months have neither gaps nor overlaps, a month is whole days, and
    /// each moment is in the month and the day that it is said to be in.
    #[test]
    fn days_make_months(
        config in settings(),
        name in prop::sample::select(vec!["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Pacific/Apia"]),
        year in 2001..2097i16, month in 1..=12i8, second in 0..31_000_000i64,
    ) {
        let zone = zone(name);
        let month: Month = format!("{year}-{month:02}").parse().expect("a month");
        let window = config.month(month, &zone);
        prop_assert_eq!(window.until, config.month(month.after(), &zone).from);
        prop_assert_eq!(config.month(month.before(), &zone).until, window.from);
        let mut day = config.day_of(window.from, &zone);
        prop_assert_eq!(config.day(day, &zone).from, window.from);
        let mut days = 0;
        while config.day(day, &zone).until < window.until {
            prop_assert_eq!(config.day(day, &zone).until, config.day(day.saturating_add(1.day()), &zone).from);
            day = day.saturating_add(1.day());
            days += 1;
        }
        prop_assert_eq!(config.day(day, &zone).until, window.until);
        prop_assert!((27..=31).contains(&days), "{}", days);
        let moment = window.from + second.seconds();
        let of = config.month_of(moment, &zone).expect("in these years");
        prop_assert!(config.month(of, &zone).holds(moment));
        prop_assert!(config.day(config.day_of(moment, &zone), &zone).holds(moment));
    }

    /// Any text is a month or an error, and a month is what it is written as.
    #[test]
    fn months_are_as_they_are_written(text in "[0-9-]{0,8}|\\PC{0,8}|20[0-9]{2}-(0[1-9]|1[0-2])") {
        if let Ok(month) = text.parse::<Month>() {
            prop_assert_eq!(month.to_string(), text);
            prop_assert_eq!(month.before().after(), month);
        }
    }
}
