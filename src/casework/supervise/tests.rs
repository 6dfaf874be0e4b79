use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::calendar::Calendar;
use crate::casework::deadlines;
use crate::catalogue::Urgency;
use crate::ticket::case::Kind;

const UNIT: &str = "110105001";

fn at(minutes: i64) -> Timestamp {
    // A Thursday at eight in the morning in Beijing.
    "2026-03-05T00:00:00Z".parse::<Timestamp>().expect("a time") + SignedDuration::from_mins(minutes)
}

fn city() -> Deadlines {
    let (config, calendar) = (Arc::new(deadlines::Config::default()), Arc::new(Calendar::default()));
    Deadlines { config, calendar, zone: TimeZone::get("Asia/Shanghai").expect("built in") }
}

fn category() -> [String; 3] {
    ["城乡建设", "供水", "停水"].map(str::to_owned)
}

fn facts(category: &[String; 3], repeats: u32) -> Facts<'_> {
    Facts { terms: Terms { urgency: Urgency::Soon, category }, repeats }
}

fn dispatched(unit: &str, now: Timestamp) -> Event {
    let limits = city().limits(facts(&category(), 1).terms, now);
    Event::Dispatched {
        unit: unit.into(),
        co: Vec::new(),
        copies: Vec::new(),
        limits,
        why: "辖区".into(),
        version: "1".into(),
    }
}

fn case(events: &[(i64, Event)]) -> Case {
    Case::of(events.iter().map(|(minutes, event)| (event, at(*minutes)))).expect("legal").expect("a case")
}

fn received() -> (i64, Event) {
    (0, Event::Received { dispatch: at(120) })
}

/// What is told from `from` on, minute by minute for `minutes`, with the case's own next look kept to.
fn told(case: &Case, facts: Facts<'_>, from: i64, minutes: i64) -> Vec<(i64, u8, String)> {
    let (config, deadlines) = (Config::default(), city());
    let (mut case, mut told, mut look) = (case.clone(), Vec::new(), Some(at(from)));
    for minute in from..from + minutes {
        let now = at(minute);
        if look.is_none_or(|look| look > now) {
            assert_eq!(config.act(&deadlines, &case, facts, now), None, "minute {minute}: it was not to be looked at");
            continue;
        }
        while let Some(event) = config.act(&deadlines, &case, facts, now) {
            case = Case::after(Some(&case), &event, now).expect("legal");
            if let Event::Escalated { level, target, .. } = event {
                told.push((minute, level, target));
            }
        }
        look = config.next_look(&deadlines, &case, facts, now);
    }
    told
}

#[test]
fn each_limit_that_passes_is_told_of_once_and_ever_higher() {
    let category = category();
    let waiting = case(&[received()]);
    assert_eq!(told(&waiting, facts(&category, 1), 1, 5_000), [(120, 2, "city".into())], "nobody is in charge");
    let slow = case(&[received(), (10, dispatched(UNIT, at(10)))]);
    let unit = || (40, 1, "unit".to_owned());
    // 30 minutes to accept, 2 h to speak, 24 h to answer, then a working day: Friday's close is late enough.
    let close_of_friday = (33 + 24) * 60 + 30 - 24 * 60;
    let monday = close_of_friday + 3 * 24 * 60;
    assert_eq!(
        told(&slow, facts(&category, 1), 11, 8_000),
        [unit(), (130, 2, "district".into()), (1450, 3, "district".into()), (monday, 4, "city".into())]
    );
}

#[test]
fn who_has_accepted_is_warned_before_the_answer_is_due() {
    let category = category();
    let mut events = vec![received(), (10, dispatched(UNIT, at(10))), (20, Event::Accepted { unit: UNIT.into() })];
    events.push((30, Event::Contacted { unit: UNIT.into() }));
    let working = case(&events);
    let first = told(&working, facts(&category, 1), 31, 1_500);
    assert_eq!(first, [(10 + 24 * 60 * 8 / 10, 1, "unit".into()), (1450, 3, "district".into())]);
    // A pause stops it, an answer ends it.
    events.push((40, Event::Paused { reason: "等来电人补充材料".into() }));
    assert_eq!(told(&case(&events), facts(&category, 1), 41, 8_000), []);
    events.push((50, Event::Answered { unit: UNIT.into(), text: "已修好".into() }));
    assert_eq!(told(&case(&events), facts(&category, 1), 51, 8_000), []);
}

#[test]
fn matters_that_return_and_cases_that_are_reopened_are_told_of_at_once() {
    let category = category();
    let slow = case(&[received(), (10, dispatched(UNIT, at(10)))]);
    assert_eq!(told(&slow, facts(&category, 2), 11, 20), []);
    assert_eq!(told(&slow, facts(&category, 3), 11, 20), [(11, 3, "district".into())]);
    let mut events = vec![received(), (10, dispatched(UNIT, at(10))), (20, Event::Accepted { unit: UNIT.into() })];
    for round in 1..=2 {
        let minute = 20 + round * 20;
        events.push((minute, Event::Answered { unit: UNIT.into(), text: "已修好".into() }));
        let limits = city().limits(facts(&category, 1).terms, at(minute + 1));
        events.push((minute + 1, Event::Reopened { unit: UNIT.into(), limits, reason: "没有解决".into() }));
        let target = if round == 1 { "district" } else { "city" };
        let now = told(&case(&events), facts(&category, 1), minute + 2, 5);
        assert_eq!(now, [(minute + 2, 2 + round as u8, target.into())]);
        events.push((minute + 3, Event::Accepted { unit: UNIT.into() }));
    }
}

/// Art. 14: to and fro ends with the first that had it.
#[test]
fn who_had_it_first_keeps_it_when_it_was_returned_too_often() {
    let (config, deadlines, category) = (Config::default(), city(), category());
    let mut now = 10;
    let mut case = case(&[received(), (now, dispatched(UNIT, at(now)))]);
    let mut happen = |case: &mut Case, event: Event| {
        now += 1;
        *case = Case::after(Some(case), &event, at(now)).expect("legal");
        let ruled = config.act(&deadlines, case, facts(&category, 1), at(now))?;
        *case = Case::after(Some(case), &ruled, at(now)).expect("legal");
        Some(ruled.kind())
    };
    for unit in ["water", "heat"] {
        let lead = case.lead.clone().expect("in charge");
        assert_eq!(happen(&mut case, Event::Returned { unit: lead, reason: "不属于".into() }), None);
        assert_eq!(case.state, State::Review, "a person decides");
        happen(&mut case, Event::Upheld { reason: "确实".into() });
        happen(&mut case, dispatched(unit, at(20)));
    }
    let by_rule = happen(&mut case, Event::Returned { unit: "heat".into(), reason: "不属于".into() });
    assert_eq!(by_rule, Some(Kind::Upheld));
    // Dispatch gives it to the first.
    happen(&mut case, dispatched(UNIT, at(20)));
    assert_eq!((case.state, case.lead.as_deref(), case.bound), (State::Dispatched, Some(UNIT), false));
    let by_rule = happen(&mut case, Event::Returned { unit: UNIT.into(), reason: "还是不属于".into() });
    assert_eq!(by_rule, Some(Kind::Overruled));
    assert!(case.bound && !case.legal().contains(&Kind::Returned));
}

#[test]
fn what_is_listed_is_looked_at_again_when_its_time_comes() {
    let category = category();
    let mut events = vec![received(), (10, dispatched(UNIT, at(10))), (20, Event::Accepted { unit: UNIT.into() })];
    events.push((30, Event::Listed { reason: "规划中".into(), until: at(9_000) }));
    assert_eq!(told(&case(&events), facts(&category, 9), 31, 20_000), [(9_000, 1, "city".into())]);
}

#[test]
fn the_shipped_rules_are_without_fault() {
    let faults = Faults::default();
    let config = Config::read(&mut Source::new("", "").read(&faults).expect("nothing is TOML"));
    assert_eq!((faults.to_string().as_str(), config.rules.len()), ("", 9));
}

#[test]
fn rules_that_say_nothing_are_faults() {
    let faults = Faults::default();
    let source = Source::new(
        "jiesu.toml",
        "returns = 1\nrule = [\n{ level = 1, limit = \"accept\", over = \"0\", target = \"unit\", channel = \"telephone\" },\n\
         { level = 2, limit = \"accept\", target = \"unit\", channel = \"webhook\" },\n\
         { level = 2, limit = \"accpt\", over = \"soon\", target = \"unit\", channel = \"webhook\" },\n\
         { limit = \"answer\", used = 0.5, repeats = 3, channel = \"webhook\" },\n]\n",
    );
    let mut table = source.read(&faults).expect("TOML");
    let config = Config::read(&mut table);
    table.finish();
    assert_eq!((config.returns, config.rules.len()), (1, 1), "one of four says something");
    let text = faults.to_string();
    for has in [
        "jiesu.toml:4:",
        "does not say at what it looks",
        "\"accpt\" is no limit",
        "\"soon\" is no span",
        "level: missing",
    ] {
        assert!(text.contains(has), "{has}: {text}");
    }
    assert!(text.contains("target: missing"), "{text}");
}

proptest! {
    /// Whatever the case, the rules come to an end, and look at it again only later.
    #[test]
    fn rules_come_to_rest(
        accepted in any::<bool>(), contacted in any::<bool>(), returned in any::<bool>(), minute in 11i64..20_000,
        repeats in 1u32..5,
    ) {
        let (config, deadlines, category) = (Config::default(), city(), category());
        let facts = facts(&category, repeats);
        let mut events = vec![received(), (10, dispatched(UNIT, at(10)))];
        let unit = UNIT.to_owned();
        if accepted {
            events.push((10, Event::Accepted { unit: unit.clone() }));
        }
        if accepted && contacted {
            events.push((10, Event::Contacted { unit: unit.clone() }));
        }
        if returned {
            events.push((10, Event::Returned { unit, reason: "不属于".into() }));
        }
        let mut case = case(&events);
        let mut rounds = 0;
        while let Some(event) = config.act(&deadlines, &case, facts, at(minute)) {
            case = Case::after(Some(&case), &event, at(minute)).expect("legal");
            rounds += 1;
            prop_assert!(rounds < 10);
        }
        let look = config.next_look(&deadlines, &case, facts, at(minute));
        prop_assert!(look.is_none_or(|look| look > at(minute)));
        // Nothing happens between the two looks.
        if let Some(look) = look {
            let before = look - SignedDuration::from_nanos(1);
            prop_assert_eq!(config.act(&deadlines, &case, facts, before), None);
            prop_assert!(config.act(&deadlines, &case, facts, look).is_some(), "{:?} at {}", case, look);
        }
    }
}
