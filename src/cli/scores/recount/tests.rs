use jiff::SignedDuration;
use jiff::civil::date;
use jiff::tz::TimeZone;
use rand::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::casework::scores::{Facts, Month, Roll, Sheet, Sort, Unit};
use crate::ticket::Number;
use crate::ticket::case::{By as Who, Entry, Event, Limits, Outcome, Satisfaction, Survey};

fn event(rng: &mut StdRng, now: jiff::Timestamp) -> Event {
    let unit = format!("u{}", rng.random_range(0..10));
    let limits = Limits { accept: now, contact: now, answer: now };
    let said = [None, Some(true), Some(false)];
    let (reason, approved) = ("drawn".to_owned(), "drawn".to_owned());
    match rng.random_range(0..10) {
        0 => Event::Received { dispatch: now },
        1 => {
            let version = "1".to_owned();
            Event::Dispatched { unit, co: Vec::new(), copies: Vec::new(), limits, why: reason, version }
        }
        2 => Event::Whistled { lead: unit, units: Vec::new(), reason },
        3 => Event::Reopened { unit, limits, reason },
        4..7 => {
            let satisfied = Satisfaction::ALL.get(rng.random_range(0..4usize)).copied();
            let (contacted, solved) = (said[rng.random_range(0..3usize)], said[rng.random_range(0..3usize)]);
            let survey = Survey { contacted, solved, satisfied, comment: None, valid: rng.random_bool(0.7) };
            Event::CalledBack { attempt: 1, survey }
        }
        7 => Event::CallbackFailed { attempt: 1, outcome: Outcome::Busy, again: None },
        8 if rng.random_bool(0.3) => Event::Excluded { reason, approved },
        _ => Event::Told { unit, channel: "webhook".to_owned() },
    }
}

/// Any logs, also such as no case would allow: SQL and Rust have the same figures; one that was changed is named.
#[tokio::test]
async fn both_ways_give_the_same_figures() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let (settings, zone) = (Config::default(), TimeZone::get("Asia/Shanghai").expect("a zone"));
    let month: Month = "2026-11".parse().expect("a month");
    let (now, before) = (settings.month(month, &zone), settings.month(month.before(), &zone));
    let sorts = [Sort::Street, Sort::District, Sort::Department];
    let units = (0..8usize).map(|i| Unit {
        code: format!("u{i}"),
        name: format!("unit {i}"),
        sort: sorts[i % 3],
        district: (i < 5).then(|| format!("u{}", 1 + 3 * (i % 2))),
    });
    let roll: Roll = units.collect();
    let mut text = String::new();
    let mut line = |kind: &str, mut value: Value| {
        value["line"] = json!(kind);
        text += &format!("{value}\n");
    };
    roll.iter().for_each(|unit| line("unit", json!(unit)));
    let (mut sheet, mut past) = (Sheet::new(now), Sheet::new(before));
    for serial in 1..400u32 {
        let number = Number::new(date(2026, 11, 1), serial).expect("a number");
        let place = rng.random_bool(0.6).then(|| format!("u{}", rng.random_range(0..9)));
        let category = ["环境保护", "交通运输", ""][rng.random_range(0..3usize)].to_owned();
        let facts = Facts { place, category };
        let mut value = json!(facts);
        value["ticket"] = json!(number);
        line("ticket", value);
        let mut at = before.from + SignedDuration::from_hours(rng.random_range(-300..1500));
        let mut log = Vec::new();
        for seq in 1..rng.random_range(2..12u32) {
            at += SignedDuration::from_millis(rng.random_range(0..200_000_000));
            let entry = Entry { seq, at, by: Who::rule("test"), event: event(&mut rng, at) };
            let mut value = json!(entry);
            value["ticket"] = json!(number);
            line("event", value);
            log.push(entry);
        }
        sheet.ticket(&settings, &roll, &facts, &log);
        past.ticket(&settings, &roll, &facts, &log);
    }
    let again = Recount::new(&settings, &text, &now, &before).await.expect("counted");
    for by in By::ALL {
        let mut table = Table::new(&settings, &roll, "2026-11", by, &sheet, &past);
        let counted = again.table(by).await.expect("counted");
        let mut wrong = Vec::new();
        assert!(counted.compare(&table, &mut wrong) > 18 && wrong.is_empty(), "{wrong:#?}");
        table.rows[0].count.solved += 1;
        counted.compare(&table, &mut wrong);
        assert!(matches!(&wrong[..], [one] if one.contains("solved")), "{wrong:#?}");
    }
}
