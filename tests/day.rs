//! A scripted day on virtual time: 10,000 calls, every office with a behaviour of its own, until every case is at its end.
//!
//! Everything is drawn (the seed is printed; JIESU_DAY_SEED repeats it): the day, the calls, what offices do with what they
//! get (prompt, late, pass it on, silent, telephone only), what callers say. The rules are the real ones: `Case`,
//! `deadlines`, `dispatch`, `supervise`, `callback`. What they say is compared with plain reckonings that share no code
//! with them: limits minute by minute (`day/limits.rs`), figures by a plain count of the surveys.

#[path = "day/city.rs"]
mod city;
#[path = "day/desk.rs"]
mod desk;
#[path = "day/limits.rs"]
mod limits;

use std::collections::BTreeMap;

use jiesu::casework::scores::{By, Config as Assessment, Facts, Sheet, Table};
use jiesu::ticket::case::{Case, Event, Kind, State};

use city::City;
use desk::{Desk, Ticket};

/// The calls of the day.
const CALLS: usize = 10_000;

fn seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    let given = std::env::var("JIESU_DAY_SEED").ok().and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| std::collections::hash_map::RandomState::new().build_hasher().finish())
}

#[test]
fn a_day_of_ten_thousand_calls() {
    let seed = seed();
    println!("JIESU_DAY_SEED={seed}");
    let city = City::shipped();
    let mut desk = Desk::new(&city, seed);
    desk.receive(CALLS);
    desk.work();
    let tickets = desk.tickets;
    println!("{}", summary(&tickets));

    every_case_ended_legally(&tickets);
    every_ticket_had_one_unit_that_exists(&city, &tickets);
    for ticket in &tickets {
        limits::exact(&city, ticket);
    }
    nobody_was_called_twice(&tickets);
    every_ticket_is_counted_once(&city, &tickets);
}

fn summary(tickets: &[Ticket]) -> String {
    let mut kinds: BTreeMap<Kind, usize> = BTreeMap::new();
    let mut states: BTreeMap<State, usize> = BTreeMap::new();
    for ticket in tickets {
        *states.entry(ticket.case.state).or_default() += 1;
        for entry in &ticket.log {
            *kinds.entry(entry.event.kind()).or_default() += 1;
        }
    }
    format!("{states:?}\n{kinds:?}")
}

/// The log alone gives the case, and none is left waiting.
fn every_case_ended_legally(tickets: &[Ticket]) {
    assert_eq!(tickets.len(), CALLS);
    for ticket in tickets {
        let again = Case::of(ticket.log.iter().map(|entry| (&entry.event, entry.at)));
        let again = again.unwrap_or_else(|illegal| panic!("{}: {illegal}", ticket.number));
        assert_eq!(again.as_ref(), Some(&ticket.case), "{}", ticket.number);
        assert!(ticket.case.state.is_final(), "{} is left {}: {:#?}", ticket.number, ticket.case.state, ticket.log);
    }
    // The day went through everything that can happen, or it shows nothing.
    let seen: std::collections::BTreeSet<Kind> =
        tickets.iter().flat_map(|ticket| ticket.log.iter().map(|entry| entry.event.kind())).collect();
    let missing: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| !seen.contains(kind))
        // What a telephone, a backend and a person's second thoughts add is tested where they are.
        .filter(|kind| !matches!(kind.code(), "told" | "caller_told" | "asked" | "commented" | "separated"))
        .collect();
    assert_eq!(missing, [], "these never happened");
}

fn every_ticket_had_one_unit_that_exists(city: &City, tickets: &[Ticket]) {
    for ticket in tickets {
        for entry in &ticket.log {
            if let Event::Dispatched { unit, co, copies, .. } = &entry.event {
                for code in std::iter::once(unit).chain(co).chain(copies) {
                    assert!(city.units.office(code).is_some(), "{}: no unit is called {code}", ticket.number);
                }
            }
        }
    }
}

/// Tries of one ticket never overlap, each lies in the hours in which people may be called, and in one round no two lie
/// closer together than the rules say.
fn nobody_was_called_twice(tickets: &[Ticket]) {
    for ticket in tickets {
        let mut running = false;
        let mut last = None;
        for entry in &ticket.log {
            match &entry.event {
                Event::CallbackBegan { attempt } => {
                    assert!(!running, "{}: two at once", ticket.number);
                    running = true;
                    let hour = limits::local(entry.at).hour();
                    assert!((9..20).contains(&hour), "{}: called at {}", ticket.number, limits::local(entry.at));
                    if let (true, Some(last)) = (*attempt > 1, last) {
                        let apart = entry.at.duration_since(last).as_hours();
                        assert!(apart >= 3, "{}: tried again after {apart} h", ticket.number);
                    }
                }
                Event::CallbackFailed { .. } | Event::CalledBack { .. } => {
                    running = false;
                    last = Some(entry.at);
                }
                _ => {}
            }
        }
        assert!(!running, "{}: still on the telephone", ticket.number);
    }
}

/// The total of each month, counted here from the surveys alone.
fn every_ticket_is_counted_once(city: &City, tickets: &[Ticket]) {
    let settings = Assessment::default();
    let first = settings.month_of(tickets[0].log[0].at, &city.deadlines.zone).expect("a month");
    for month in [first, first.after()] {
        let window = settings.month(month, &city.deadlines.zone);
        let (mut sheet, past) = (Sheet::new(window), Sheet::new(settings.month(month.before(), &city.deadlines.zone)));
        let [mut valid, mut solved, mut excluded] = [0, 0, 0];
        for ticket in tickets {
            let facts = Facts { place: ticket.place.clone(), category: ticket.category[0].clone() };
            sheet.ticket(&settings, &city.roll, &facts, &ticket.log);
            let inside = ticket.log.iter().filter(|entry| entry.at >= window.from && entry.at < window.until);
            let tries = inside.filter(|entry| matches!(entry.event.kind(), Kind::CalledBack | Kind::CallbackFailed));
            let surveys: Vec<&Event> = tries.map(|entry| &entry.event).collect();
            let in_time = window.until + std::time::Duration::from_secs(7 * 86_400);
            let out = ticket.log.iter().any(|entry| entry.event.kind() == Kind::Excluded && entry.at < in_time);
            if out {
                excluded += u32::from(!surveys.is_empty());
                continue;
            }
            let counts = surveys.iter().rev().find_map(|event| match event {
                Event::CalledBack { survey, .. } if survey.valid => Some(survey),
                _ => None,
            });
            valid += u32::from(counts.is_some());
            solved += u32::from(counts.is_some_and(|survey| survey.solved == Some(true)));
        }
        for by in By::ALL {
            let table = Table::new(&settings, &city.roll, month.to_string(), by, &sheet, &past);
            let count = &table.total.count;
            assert_eq!((count.valid, count.solved, count.excluded), (valid, solved, excluded), "{month} by {by}");
            let rows: u32 = table.rows.iter().map(|row| row.count.valid).sum();
            assert!(rows <= valid && (by != By::Category || rows == valid), "{month} by {by}: {rows} of {valid}");
        }
    }
}
