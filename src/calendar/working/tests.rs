use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::calendar::Hours;
use crate::written::{Faults, Source};

const ZONES: [&str; 4] = ["Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"];

fn calendar() -> Calendar {
    let faults = Faults::default();
    let shipped = Source::new("2026.toml", include_str!("../../../config/calendar/2026.toml"));
    let calendar = Calendar::read(&[shipped], &faults);
    assert!(faults.is_empty(), "{faults}");
    calendar
}

fn hours(text: &str) -> Hours {
    let faults = Faults::default();
    let source = Source::new("hours.toml", text);
    let mut table = source.read(&faults).expect("TOML");
    let hours = Hours::read(&mut table);
    table.finish();
    assert!(faults.is_empty(), "{faults}");
    hours
}

fn office() -> Hours {
    hours("workday = [\"09:00-12:00\", \"13:30-17:30\"]")
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("built in")
}

/// A time of the day in Beijing.
fn at(day: &str, time: &str) -> Timestamp {
    format!("{day}T{time}:00+08:00").parse().expect("a time")
}

fn h(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

#[test]
fn weekends_holidays_and_moved_workdays() {
    let (calendar, hours, zone) = (calendar(), office(), zone("Asia/Shanghai"));
    let work = Working { calendar: &calendar, hours: &hours, zone: &zone };
    // Friday 13 February 2026; the 14th is a Saturday that is worked, then nine days off.
    assert_eq!(work.after(at("2026-02-13", "16:30"), h(1)), at("2026-02-13", "17:30"), "the end of a day is in it");
    assert_eq!(work.after(at("2026-02-13", "16:30"), h(2)), at("2026-02-14", "10:00"));
    assert_eq!(work.after(at("2026-02-14", "17:00"), h(1)), at("2026-02-24", "09:30"));
    assert_eq!(work.after(at("2026-02-18", "11:00"), h(4)), at("2026-02-24", "14:30"), "over noon");
    assert_eq!(work.between(at("2026-02-13", "12:00"), at("2026-02-24", "09:00")), h(4 + 7));
    assert_eq!(work.between(at("2026-02-24", "09:00"), at("2026-02-13", "12:00")), h(0));
    assert_eq!(work.close(at("2026-02-13", "10:00"), 1), at("2026-02-14", "17:30"));
    assert_eq!(work.close(at("2026-02-13", "10:00"), 2), at("2026-02-24", "17:30"));
    assert_eq!(work.close(at("2026-02-17", "23:59"), 1), at("2026-02-24", "17:30"));
}

#[test]
fn spans_over_midnight_and_spans_that_overlap_are_worked_once() {
    let (calendar, zone) = (calendar(), zone("Asia/Shanghai"));
    let hours = hours("workday = [\"22:00-06:00\", \"20:00-23:00\"]\nweekend = [\"05:00-07:00\"]");
    let work = Working { calendar: &calendar, hours: &hours, zone: &zone };
    // Friday night into Saturday 6 June 2026: 20-07 without a gap.
    assert_eq!(work.between(at("2026-06-05", "19:00"), at("2026-06-06", "12:00")), h(11));
    assert_eq!(work.after(at("2026-06-06", "01:00"), h(6)), at("2026-06-06", "07:00"));
}

/// The night of 29 March 2026 has no hour from two to three in Berlin, that of 25 October has it twice.
#[test]
fn an_hour_that_the_clock_skips_is_not_worked_and_one_that_it_repeats_is_worked_twice() {
    let (calendar, zone) = (Calendar::default(), zone("Europe/Berlin"));
    let hours = hours("weekend = [\"01:00-04:00\"]");
    let work = Working { calendar: &calendar, hours: &hours, zone: &zone };
    let day = |date: Date| {
        let noon = |date: Date| date.at(12, 0, 0, 0).to_zoned_datetime(zone.clone()).expect("a time").timestamp();
        work.between(noon(date.yesterday().expect("a date")), noon(date))
    };
    assert_eq!((day(date(2026, 3, 28)), day(date(2026, 3, 29)), day(date(2026, 10, 25))), (h(3), h(2), h(4)));
}

fn some_hours() -> impl Strategy<Value = Hours> {
    prop::sample::select(vec![
        "workday = [\"09:00-17:30\"]",
        "workday = [\"09:00-12:00\", \"13:30-17:30\"]",
        "workday = [\"08:00-20:00\"]\nweekend = [\"10:00-12:00\"]\nholiday = [\"10:00-11:00\"]",
        "workday = [\"22:00-06:00\", \"00:30-04:45\"]",
        "workday = [\"00:00-24:00\"]\nweekend = [\"00:00-24:00\"]\nholiday = [\"00:00-24:00\"]",
    ])
    .prop_map(hours)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// `after` and `between` are each other's reverse; a later start never ends earlier; it never ends in off hours.
    #[test]
    fn what_is_reckoned_forward_is_found_again(
        from in 1_766_000_000i64..1_830_000_000, wait in 0i64..2_000_000, span in 1i64..400_000,
        more in 0i64..100_000, hours in some_hours(), zone_name in prop::sample::select(&ZONES[..]),
    ) {
        let (calendar, zone) = (calendar(), zone(zone_name));
        let work = Working { calendar: &calendar, hours: &hours, zone: &zone };
        let second = |n: i64| Timestamp::from_second(n).expect("a time");
        let (start, span) = (second(from), SignedDuration::from_secs(span));
        let end = work.after(start, span);
        prop_assert_eq!(work.between(start, end), span);
        prop_assert!(work.after(second(from + wait), span) >= end);
        prop_assert!(work.after(start, span + SignedDuration::from_secs(more)) >= end);
        let just_before = end - SignedDuration::from_nanos(1);
        prop_assert!(hours.open(&calendar, just_before.to_zoned_datetime(zone.clone()).datetime()), "{} is off", end);
        let middle = second(from + wait).min(end);
        prop_assert_eq!(work.between(start, middle) + work.between(middle, end), span, "it adds up");
    }

    /// The close of the nth working day is one, and there are n of them.
    #[test]
    fn working_days_are_counted_one_by_one(from in 1_766_000_000i64..1_830_000_000, days in 1u32..40) {
        let (calendar, hours, zone) = (calendar(), office(), zone("Asia/Shanghai"));
        let work = Working { calendar: &calendar, hours: &hours, zone: &zone };
        let start = Timestamp::from_second(from).expect("a time");
        let mut end = start;
        for _ in 0..days {
            end = work.close(end, 1);
        }
        prop_assert_eq!(work.close(start, days), end);
        let date = end.to_zoned_datetime(zone.clone()).date();
        prop_assert_eq!(calendar.day(date), Day::Workday);
    }
}
