use proptest::prelude::*;

use super::*;
use crate::casework::units::tests::{UNITS, city};
use crate::ticket::case::{Case, Event, Limits};

fn path(names: &str) -> [String; 3] {
    let mut names = names.split('/').map(str::to_owned);
    [(); 3].map(|()| names.next().unwrap_or_else(|| "其他".to_owned()))
}

/// Lead, co-handlers, copies.
type Sent = (String, Vec<String>, Vec<String>);

fn sent(kind: &str, category: &str, place: Option<&str>, refused: &[&str]) -> Sent {
    let (catalogue, places, units, _) = city(UNITS);
    let refused: Vec<String> = refused.iter().map(|code| (*code).to_owned()).collect();
    let rules = Rules { catalogue: &catalogue, places: &places, units: &units };
    let decision = rules.decide(&Facts { kind, category: &path(category), place, refused: &refused });
    (decision.lead.code.clone(), decision.co, decision.copies)
}

fn expect(lead: &str, co: &[&str], copies: &[&str]) -> Sent {
    let own = |list: &[&str]| list.iter().map(|code| (*code).to_owned()).collect();
    (lead.to_owned(), own(co), own(copies))
}

/// The city's rules, a line each.
#[test]
fn article_12() {
    let table: [(&str, Option<&str>, Sent); 9] = [
        // Straight to the street: its district has a copy.
        ("城建/环卫/清运", Some("111"), expect("111", &[], &["11"])),
        // Only the district is known.
        ("城建/环卫/清运", Some("22"), expect("22", &[], &[])),
        // Nothing is known.
        ("城建/环卫/清运", None, expect("desk", &[], &[])),
        // Clear authority: the unit, wherever it is; its co-handlers where the place is known.
        ("城建/供水", Some("112"), expect("water", &["112"], &[])),
        ("城建/供水", Some("22"), expect("water", &["22"], &[])),
        ("城建/供水", None, expect("water", &[], &[])),
        // Its branch in the district, and who is told.
        ("城建/学校", Some("221"), expect("城西区教委", &[], &["221", "water"])),
        ("城建/学校", None, expect("市教委", &[], &["water"])),
        // A category that the catalogue no longer has: by its place.
        ("农业/种子", Some("221"), expect("221", &[], &["22"])),
    ];
    for (category, place, expected) in table {
        assert_eq!(sent("求助", category, place, &[]), expected, "{category} at {place:?}");
    }
}

/// Art. 12, objection: whoever was found not to be in charge does not get it again.
#[test]
fn who_was_found_not_to_be_in_charge_is_passed_over() {
    assert_eq!(sent("求助", "城建/环卫", Some("111"), &["111"]), expect("11", &[], &[]));
    assert_eq!(sent("求助", "城建/环卫", Some("111"), &["111", "11"]), expect("desk", &[], &[]));
    assert_eq!(sent("求助", "城建/学校", Some("221"), &["城西区教委"]).0, "市教委");
    assert_eq!(sent("求助", "城建/供水", Some("221"), &["water", "desk"]).0, "desk", "the desk keeps it");
}

/// Art. 14: to and fro ends with the first receiver, whoever it should have been.
#[test]
fn what_was_returned_too_often_is_the_first_receivers() {
    let (catalogue, places, units, _) = city(UNITS);
    let rules = Rules { catalogue: &catalogue, places: &places, units: &units };
    let category = path("城建/供水");
    let decided = rules.decide(&Facts { kind: "求助", category: &category, place: Some("112"), refused: &[] });
    assert_eq!((decided.lead.code.as_str(), decided.co.as_slice()), ("water", &["112".to_owned()][..]));
    let first = units.office("112").expect("a street");
    let kept = decided.kept_by(first, 3);
    assert_eq!((kept.lead.code.as_str(), kept.co.as_slice()), ("112", &[][..]));
    assert!(kept.reason().contains("returned 3 times") && kept.reason().ends_with("(art. 14)"), "{}", kept.reason());
}

/// Art. 11: some requests are nobody's but the desk's.
#[test]
fn special_routes_are_not_dispatched() {
    assert_eq!(sent("表扬", "城建/供水", Some("111"), &[]), expect("desk", &[], &[]));
}

#[test]
fn each_step_says_where_it_is_written() {
    let (catalogue, places, units, _) = city(UNITS);
    let rules = Rules { catalogue: &catalogue, places: &places, units: &units };
    let facts = Facts { kind: "求助", category: &path("城建/环卫/清运"), place: Some("112"), refused: &[] };
    let why: Vec<String> = rules.decide(&facts).why.iter().map(Step::to_string).collect();
    let expected = [
        "the place is 河口街道 in 城东区",
        // Inherited from 城建, and written there.
        "清运 is the street office's (catalogue/c.toml:13:8)",
        "城东区河口街道 is in charge (units/u.toml:22:1)",
        "straight to the street: a copy to its district (art. 12)",
    ];
    assert_eq!(why, expected);
}

proptest! {
    /// Every ticket has exactly one lead, and all who are named exist, once; the case's own rules take it.
    #[test]
    fn every_ticket_has_one_lead(
        kind in prop_oneof![Just("求助"), Just("表扬"), Just("别的")],
        names in prop::array::uniform3(prop_oneof![Just("城建"), Just("供水"), Just("学校"), Just("环卫"), Just("清运"), Just("其他")]),
        place in prop::option::of(prop_oneof![Just("11"), Just("22"), Just("111"), Just("112"), Just("221"), Just("9")]),
        refused in prop::collection::vec(prop_oneof![Just("111"), Just("11"), Just("22"), Just("water"), Just("desk"), Just("市教委")], 0..4),
    ) {
        let (catalogue, places, units, _) = city(UNITS);
        let rules = Rules { catalogue: &catalogue, places: &places, units: &units };
        let refused: Vec<String> = refused.into_iter().map(str::to_owned).collect();
        let category = names.map(str::to_owned);
        let decision = rules.decide(&Facts { kind, category: &category, place, refused: &refused });
        let lead = decision.lead.code.clone();
        prop_assert!(units.office(&lead).is_some());
        prop_assert!(lead == "desk" || !refused.contains(&lead));
        let mut all: Vec<&String> = decision.co.iter().chain(&decision.copies).chain([&lead]).collect();
        prop_assert!(all.iter().all(|code| units.office(code).is_some()));
        let many = all.len();
        all.sort();
        all.dedup();
        prop_assert_eq!(all.len(), many, "one of them twice");
        prop_assert!(!decision.reason().is_empty());
        let at = jiff::Timestamp::UNIX_EPOCH;
        let received = Case::after(None, &Event::Received { dispatch: at }, at).expect("the first");
        let (why, version) = (decision.reason(), "1".to_owned());
        let limits = Limits { accept: at, contact: at, answer: at };
        let event = Event::Dispatched { unit: lead, co: decision.co, copies: decision.copies, limits, why, version };
        prop_assert!(Case::after(Some(&received), &event, at).is_ok());
    }
}
