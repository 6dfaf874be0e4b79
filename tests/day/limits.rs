//! The limits once more, the plain way: minute by minute, from the office's hours and the notice of the holidays.
//!
//! Nothing of `casework::deadlines` or `calendar` is used. Everything in the day happens at whole minutes, so a count of
//! minutes is exact.

use jiesu::ticket::case::{Event, Limits};
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use crate::city::City;
use crate::desk::Ticket;

const MINUTE: SignedDuration = SignedDuration::from_secs(60);

type MonthDay = (i8, i8);

/// The State Council's notice for 2026: first and last days off, and the weekends that are worked.
const OFF: &[(MonthDay, MonthDay)] = &[
    ((1, 1), (1, 3)),
    ((2, 15), (2, 23)),
    ((4, 4), (4, 6)),
    ((5, 1), (5, 5)),
    ((6, 19), (6, 21)),
    ((9, 25), (9, 27)),
    ((10, 1), (10, 7)),
];
const WORKED: &[MonthDay] = &[(1, 4), (2, 14), (2, 28), (5, 9), (9, 20), (10, 10)];

/// The wall clock of Beijing: eight hours ahead, all year.
pub fn local(at: Timestamp) -> DateTime {
    TimeZone::fixed(Offset::constant(8)).to_datetime(at)
}

fn is_worked(date: Date) -> bool {
    assert_eq!(date.year(), 2026, "the day ends within the year that is known");
    let day = (date.month(), date.day());
    let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
    WORKED.contains(&day) || (!weekend && !OFF.iter().any(|(from, to)| (*from..=*to).contains(&day)))
}

fn is_open(at: Timestamp) -> bool {
    let local = local(at);
    let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
    is_worked(local.date()) && ((540..720).contains(&minute) || (810..1050).contains(&minute))
}

/// How a limit runs.
#[derive(Clone, Copy)]
enum Runs {
    /// So many minutes.
    Minutes(i64),
    /// So many minutes in which the office is open.
    Open(i64),
    /// Until the office closes on the next working day.
    NextClose,
}

/// accept, contact, answer.
fn runs(urgency: &str) -> [Runs; 3] {
    match urgency {
        "urgent" => [Runs::Minutes(10), Runs::Minutes(30), Runs::Minutes(120)],
        "soon" => [Runs::Minutes(30), Runs::Minutes(120), Runs::Minutes(24 * 60)],
        _ => [Runs::Open(4 * 60), Runs::NextClose, Runs::Minutes(7 * 24 * 60)],
    }
}

fn after_open(from: Timestamp, minutes: i64) -> Timestamp {
    let (mut at, mut left) = (from, minutes);
    while left > 0 {
        left -= i64::from(is_open(at));
        at += MINUTE;
    }
    at
}

fn open_between(from: Timestamp, to: Timestamp) -> i64 {
    let (mut at, mut sum) = (from, 0);
    while at < to {
        sum += i64::from(is_open(at));
        at += MINUTE;
    }
    sum
}

fn end(runs: Runs, from: Timestamp) -> Timestamp {
    match runs {
        Runs::Minutes(minutes) => from + MINUTE * minutes as i32,
        Runs::Open(minutes) => after_open(from, minutes),
        Runs::NextClose => {
            let mut date = local(from).date().tomorrow().expect("a day");
            while !is_worked(date) {
                date = date.tomorrow().expect("a day");
            }
            let close = date.to_datetime(Time::constant(17, 30, 0, 0));
            TimeZone::fixed(Offset::constant(8)).to_timestamp(close).expect("a time")
        }
    }
}

/// None is later than the next one.
fn ordered([accept, contact, answer]: [Timestamp; 3]) -> Limits {
    let contact = contact.min(answer);
    Limits { accept: accept.min(contact), contact, answer }
}

fn fresh(urgency: &str, from: Timestamp) -> Limits {
    ordered(runs(urgency).map(|runs| end(runs, from)))
}

/// What was left of each when the clock was stopped runs on.
fn resumed(urgency: &str, old: Limits, paused: Timestamp, now: Timestamp) -> Limits {
    let [accept, contact, answer] = runs(urgency);
    let moved = |runs: Runs, limit: Timestamp| match runs {
        _ if limit <= paused => limit,
        Runs::Minutes(_) => now + limit.duration_since(paused),
        Runs::Open(_) | Runs::NextClose => after_open(now, open_between(paused, limit)).max(limit),
    };
    ordered([moved(accept, old.accept), moved(contact, old.contact), moved(answer, old.answer)])
}

/// Every limit in the ticket's log is what the plain way gives.
pub fn exact(_: &City, ticket: &Ticket) {
    let mut stands: Option<Limits> = None;
    let mut paused = None;
    for entry in &ticket.log {
        let (now, name) = (entry.at, format!("{} entry {}", ticket.number, entry.seq));
        match &entry.event {
            Event::Received { dispatch } => {
                let hours = match ticket.urgency {
                    "urgent" => 1,
                    "soon" => 2,
                    _ => 24,
                };
                assert_eq!(*dispatch, now + SignedDuration::from_hours(hours), "{name}");
            }
            Event::Dispatched { limits, .. } | Event::Reopened { limits, .. } => {
                assert_eq!(*limits, fresh(ticket.urgency, now), "{name} at {}", local(now));
                stands = Some(*limits);
            }
            Event::Extended { answer, .. } => {
                if let Some(limits) = &mut stands {
                    limits.answer = *answer;
                }
            }
            Event::Paused { .. } => paused = Some(now),
            Event::Resumed { limits } => {
                let (old, paused) = (stands.expect("was in charge"), paused.expect("was paused"));
                let want = resumed(ticket.urgency, old, paused, now);
                assert_eq!(*limits, want, "{name}, paused at {}, resumed at {}", local(paused), local(now));
                stands = Some(*limits);
            }
            Event::Escalated { level, why, .. } => {
                // Nobody is told of an answer that is not late yet.
                let answer = stands.map_or(Timestamp::MAX, |limits| limits.answer);
                assert!(*level < 3 || !why.contains("answer limit over") || answer <= now, "{name}: {why} too early");
            }
            _ => {}
        }
    }
}
