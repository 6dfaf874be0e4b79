use super::*;
use crate::written::Fault;
use jiff::civil::date;
use proptest::prelude::*;

const SHIPPED: &str = include_str!("../../config/calendar/2026.toml");

fn read(text: &str) -> (Calendar, Vec<String>) {
    let faults = Faults::default();
    let calendar = Calendar::read(&[Source::new("2026.toml", text)], &faults);
    (calendar, faults.sorted().iter().map(Fault::to_string).collect())
}

fn shipped() -> Calendar {
    let (calendar, faults) = read(SHIPPED);
    assert_eq!(faults, [""; 0]);
    calendar
}

#[test]
fn the_notice_of_2026() {
    let calendar = shipped();
    // Reckoned from the notice: 33 days off; 261 weekdays, less those off, and six weekend days worked.
    let year = || date(2026, 1, 1).series(jiff::Span::new().days(1)).take_while(|date| date.year() == 2026);
    let count = |day: Day| year().filter(|date| calendar.day(*date) == day).count();
    assert_eq!(count(Day::Holiday), 3 + 9 + 3 + 5 + 3 + 3 + 7);
    let weekdays_off = year().filter(|date| calendar.day(*date) == Day::Holiday && !is_weekend(*date)).count();
    assert_eq!(count(Day::Workday), 261 - weekdays_off + 6);
    assert_eq!(calendar.day(date(2026, 2, 14)), Day::Workday, "a Saturday that is worked");
    assert_eq!(calendar.day(date(2026, 2, 16)), Day::Holiday, "a Monday that is off");
    assert_eq!(calendar.day(date(2026, 2, 21)), Day::Holiday, "a Saturday of the holiday");
    assert_eq!(calendar.day(date(2026, 3, 7)), Day::Weekend);
}

#[test]
fn years_that_are_not_covered_are_said() {
    let calendar = shipped();
    assert!(calendar.covers(2026) && !calendar.covers(2027));
    assert_eq!(calendar.uncovered(date(2026, 1, 1), 12), None);
    assert_eq!(calendar.uncovered(date(2026, 1, 2), 12), Some(date(2027, 1, 1)));
    assert_eq!(calendar.uncovered(date(2027, 5, 1), 12), Some(date(2027, 5, 1)));
    assert_eq!(calendar.day(date(2027, 10, 1)), Day::Workday, "by its weekday alone");
}

#[test]
fn offices_open_and_close_on_the_minute() {
    let faults = Faults::default();
    let source = Source::new("f.toml", "workday = [\"09:00-12:00\", \"13:30-24:00\"]\nholiday = \"22:00-02:00\"\n");
    let mut table = source.read(&faults).expect("it is TOML");
    let hours = Hours::read(&mut table);
    table.finish();
    assert!(faults.is_empty(), "{faults}");
    let calendar = shipped();
    let open = |month, day, hour, minute| hours.open(&calendar, date(2026, month, day).at(hour, minute, 0, 0));
    assert!(!open(3, 2, 8, 59) && open(3, 2, 9, 0) && open(3, 2, 11, 59) && !open(3, 2, 12, 0));
    assert!(open(3, 2, 23, 59) && !open(3, 3, 0, 0), "24:00 is the end of the day");
    assert!(!open(3, 7, 10, 0) && open(2, 14, 10, 0), "a weekend, and one that is worked");
    assert!(open(10, 7, 22, 0) && open(10, 8, 1, 59) && !open(10, 8, 2, 0), "over midnight, into a workday");
    assert!(!open(10, 1, 1, 0), "the night before the holiday is a workday's");
}

#[test]
fn every_fault_of_a_calendar_comes_at_once() {
    let (_, faults) = read(
        "year = 2026\nworked = [\"2026-01-05\", \"2027-01-02\", \"soon\"]\nyaer = 1\n\
         [[holiday]]\nname = \"a\"\nfrom = \"2026-05-05\"\nto = \"2026-05-01\"\n\
         [[holiday]]\nname = \"b\"\nfrom = \"2026-06-01\"\n[[holiday]]\nname = \"c\"\nfrom = \"2026-06-01\"\n",
    );
    let all = faults.join("\n");
    for part in [
        "worked: 2026-01-05 is worked anyway",
        "worked: \"2027-01-02\" is no date of 2026",
        "worked: \"soon\" is no date of 2026",
        "yaer: unknown key; did you mean year?",
        "holiday[0].to: a does not last from 2026-05-05 to 2026-05-01",
        "2026-06-01 stands here twice",
    ] {
        assert!(all.contains(part), "{part} is not in:\n{all}");
    }
    assert_eq!(faults.len(), 6, "{all}");
    assert!(read("").1[0].contains("year: missing"));
    assert!(read("year = 2026\n[[holiday]]\nname = \"a\"\n").1[0].contains("holiday[0].from: missing"));
}

proptest! {
    #[test]
    fn a_moment_is_open_exactly_if_some_span_that_began_holds_it(day in 0i64..364, minute in 0i64..1440, from in 0i64..1440, length in 1i64..=1440) {
        let clock = |minutes: i64| Time::new((minutes / 60 % 24) as i8, (minutes % 60) as i8, 0, 0).expect("a time");
        let span = Span { from: clock(from), until: clock(from + length) };
        let hours = Hours { workday: vec![span], ..Hours::default() };
        let calendar = shipped();
        let now = date(2026, 1, 2).at(0, 0, 0, 0) + jiff::Span::new().days(day).minutes(minute);
        // Every workday's span as an interval of minutes.
        let expected = [0, 1].iter().any(|back| {
            let began = now.date() - jiff::Span::new().days(*back);
            let since = back * 1440 + minute - from;
            calendar.day(began) == Day::Workday && (0..length).contains(&since)
        });
        prop_assert_eq!(hours.open(&calendar, now), expected);
    }

    #[test]
    fn any_text_is_a_time_or_none(text in "\\PC{0,8}") {
        clock(&text);
        span(&text);
    }
}
