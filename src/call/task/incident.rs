//! Which known incident concerns a caller: by their number, by where their last ticket was, by what they say.

use std::time::Duration;

use crate::catalogue::Places;
use crate::classify;
use crate::ivr::Incident;
use crate::store::{IncidentRow, Store, Ticket};

/// The call does not wait longer for its caller's last ticket.
const PATIENCE: Duration = Duration::from_millis(300);
/// How sure it must be that a text names a place.
const SURE: f32 = 0.5;

/// What is known of a caller at the beginning of the call. In times without incidents nothing is looked up.
pub async fn of_caller(open: &[IncidentRow], caller: Option<&str>, store: &Store) -> Option<IncidentRow> {
    let caller = caller.filter(|caller| !caller.is_empty() && !open.is_empty())?;
    if let Some(row) = by_number(open, caller) {
        return Some(row.clone());
    }
    let last = tokio::time::timeout(PATIENCE, store.last_ticket_of(caller)).await;
    let last =
        last.ok()?.inspect_err(|error| tracing::warn!(%error, "the caller's last place is not known")).ok()??;
    by_ticket(open, &last).cloned()
}

fn by_number<'a>(open: &'a [IncidentRow], caller: &str) -> Option<&'a IncidentRow> {
    open.iter().find(|row| row.callers.iter().any(|prefix| caller.starts_with(prefix.as_str())))
}

fn by_ticket<'a>(open: &'a [IncidentRow], ticket: &Ticket) -> Option<&'a IncidentRow> {
    let text = ticket.text.as_deref().unwrap_or_default();
    let place = ticket.place.as_ref().map(|place| (place.name.as_str(), place.district.as_str()));
    open.iter().find(|row| concerns(row, text, place))
}

/// What the caller's words are about.
pub fn of_words<'a>(open: &'a [IncidentRow], places: &Places, text: &str) -> Option<&'a IncidentRow> {
    if open.is_empty() {
        return None;
    }
    let place = classify::locate(places, text).0.filter(|place| place.confidence >= SURE);
    let place = place.as_ref().map(|place| (place.name.as_str(), place.district.as_str()));
    open.iter().find(|row| concerns(row, text, place))
}

/// Whether it happened there. `place`: street (or district) and district.
fn concerns(row: &IncidentRow, text: &str, place: Option<(&str, &str)>) -> bool {
    let named = row.words.iter().any(|word| text.contains(word.as_str()));
    let there = |name: &String| place.is_some_and(|(street, district)| name == street || name == district);
    named || row.places.iter().any(there)
}

/// As the flow speaks of it.
pub fn spoken(row: &IncidentRow) -> Incident {
    Incident { id: row.id.to_string(), text: row.text.clone(), ticket: row.ticket.map(|number| number.to_string()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: i64, places: &[&str], words: &[&str], callers: &[&str]) -> IncidentRow {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        IncidentRow {
            id,
            text: "停水".into(),
            places: own(places),
            words: own(words),
            callers: own(callers),
            since: jiff::Timestamp::UNIX_EPOCH,
            until: jiff::Timestamp::MAX,
            closed: None,
            author: "a".into(),
            ticket: None,
            joined: 0,
        }
    }

    #[test]
    fn a_caller_is_concerned_by_number_street_district_or_word() {
        let open =
            [row(1, &[], &["康邑园"], &["0108776"]), row(2, &["呼家楼街道"], &[], &[]), row(3, &["通州区"], &[], &[])];
        let id = |row: Option<&IncidentRow>| row.map(|row| row.id);
        assert_eq!(id(by_number(&open, "01087765432")), Some(1));
        assert_eq!(id(by_number(&open, "01087654321")), None);
        let find = |text: &str, place| id(open.iter().find(|row| concerns(row, text, place)));
        assert_eq!(find("康邑园又停水了", None), Some(1));
        assert_eq!(find("家里停水了", Some(("呼家楼街道", "朝阳区"))), Some(2));
        assert_eq!(find("家里停水了", Some(("北苑街道", "通州区"))), Some(3));
        assert_eq!(find("家里停水了", Some(("望京街道", "朝阳区"))), None);
        assert_eq!(find("家里停水了", None), None);
    }

    #[test]
    fn a_row_without_an_area_concerns_nobody() {
        assert!(!concerns(&row(1, &[], &[], &[]), "停水", Some(("望京街道", "朝阳区"))));
    }
}
