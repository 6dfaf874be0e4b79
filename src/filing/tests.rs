use super::*;
use crate::store::planted::{Fault, at, open};

fn matter(texts: &[Option<&str>]) -> Matter {
    let heard = texts.iter().enumerate().map(|(i, text)| Heard {
        index: i as u32,
        file: PathBuf::from(format!("recordings/{i}.wav")),
        duration: Duration::from_secs(3),
        text: text.map(str::to_owned),
    });
    Matter {
        call: CallId::new(1_764_000_000_000, 7),
        line: "12345".into(),
        caller: Some(String::new()),
        began: at("2026-11-24T01:00:00Z"),
        topic: Some("供水".into()),
        category: None,
        kind: None,
        urgency: None,
        place: None,
        elsewhere: Vec::new(),
        keys: String::new(),
        heard: heard.collect(),
        how: How::HungUp,
    }
}

async fn filed(texts: &[Option<&str>]) -> store::Ticket {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let (catalogue, places) = (Catalogue::default(), Places::default());
    let now = at("2026-11-24T01:01:00Z");
    let filed = file(&store, &catalogue, &places, &matter(texts), now).await.expect("filed");
    store.ticket(filed.number).await.expect("read").expect("there")
}

#[tokio::test]
async fn an_utterance_without_text_makes_the_ticket_pending() {
    let ticket = filed(&[Some("一"), None]).await;
    assert!(ticket.text_pending);
    assert_eq!((ticket.text.as_deref(), ticket.recordings.len()), (Some("一"), 2));
    assert_eq!(ticket.caller, None, "an empty number is a withheld one");
}

#[tokio::test]
async fn utterances_are_joined_and_silence_is_left_out() {
    let ticket = filed(&[Some("一"), Some(""), Some(" 二。")]).await;
    assert_eq!((ticket.text.as_deref(), ticket.text_pending), (Some("一\n二。"), false));
    let ticket = filed(&[Some("")]).await;
    assert_eq!((ticket.text, ticket.text_pending), (None, false));
}

#[tokio::test]
async fn a_ticket_has_a_title_and_facts_that_stand_in_its_text() {
    let text = "昨天晚上停的水,希望尽快恢复,我的电话是13900001234";
    let ticket = filed(&[Some(text)]).await;
    assert_eq!(ticket.title, "昨天晚上停的水");
    let facts: Vec<(&str, &str)> = ticket
        .facts
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|fact| Some((fact["fact"].as_str()?, fact["text"].as_str()?)))
        .collect();
    assert_eq!(facts, [("time", "昨天晚上"), ("wanted", "希望尽快恢复"), ("contact", "13900001234")]);
    let silent = filed(&[None]).await;
    assert_eq!((silent.title.as_str(), silent.facts), ("", serde_json::json!([])));
}

#[tokio::test]
async fn hints_survive() {
    let hint = Hint {
        topic: Some("供水".into()),
        urgency: Some("soon".into()),
        place: Some("110108005".into()),
        elsewhere: vec!["110105015".into()],
        earlier: vec!["110105015".into()],
        ..Hint::default()
    };
    assert_eq!(read_hint(&write_hint(&hint)), hint);
    assert_eq!(read_hint(&serde_json::Value::Null), Hint::default());
}

/// Two districts that have a street of the same name.
fn two_of_one_name() -> Places {
    let faults = crate::written::Faults::default();
    let city = "[city]\nname = \"某市\"\nendings = [\"街道\"]\n";
    let district = |code: &str, name: &str| {
        format!(
            "[district]\ncode = \"{code}\"\nname = \"{name}\"\n[[street]]\ncode = \"{code}1\"\nname = \"柳林街道\"\n"
        )
    };
    let files = [city.to_owned(), district("1", "城东区"), district("2", "城西区")];
    let sources: Vec<_> = files.iter().map(|text| crate::written::Source::new("places.toml", text.as_str())).collect();
    let places = Places::read(&sources, &faults);
    assert!(faults.is_empty(), "{faults}");
    places
}

/// What the caller answered stands in the ticket: the place that they said yes to, and never one that they denied.
#[tokio::test]
async fn the_place_that_the_caller_was_asked_about_is_filed() {
    let (catalogue, places) = (Catalogue::default(), two_of_one_name());
    let asked_between: Vec<&str> = crate::classify::place::open(&places, "柳林街道停水", &[])
        .into_iter()
        .map(|(area, _)| area.code.as_str())
        .collect();
    assert_eq!(asked_between, ["11", "21"]);
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let now = at("2026-11-24T01:01:00Z");
    let ticket = async |call, yes: Option<&str>, no: &[&str]| {
        let matter = Matter {
            call: CallId::new(1_764_000_000_000, call),
            place: yes.map(str::to_owned),
            elsewhere: no.iter().map(|code| (*code).to_owned()).collect(),
            ..matter(&[Some("柳林街道停水")])
        };
        let number = file(&store, &catalogue, &places, &matter, now).await.expect("filed").number;
        store.ticket(number).await.expect("read").expect("there")
    };
    let asked = |ticket: &store::Ticket| {
        let entries = ticket.evidence.as_array().cloned().unwrap_or_default();
        entries.into_iter().find(|entry| entry["field"] == "place").map(|entry| entry["asked"] == true)
    };
    for (call, (yes, no)) in [(1, ("21", vec!["11"])), (2, ("11", vec![]))] {
        let ticket = ticket(call, Some(yes), &no).await;
        let place = ticket.place.clone().expect("a place");
        assert_eq!((place.code.as_str(), asked(&ticket)), (yes, Some(true)));
        assert!(place.confidence > 0.9, "{place:?}");
    }
    let denied = ticket(3, None, &["11"]).await;
    assert_eq!(denied.place.as_ref().map(|place| place.code.as_str()), Some("21"), "the other one is left");
    assert_eq!(asked(&denied), Some(false));
    assert_eq!(ticket(4, None, &["11", "21"]).await.place, None, "both were denied");
}

#[tokio::test]
async fn an_earlier_ticket_of_the_caller_decides_between_streets_of_one_name() {
    let (catalogue, places) = (Catalogue::default(), two_of_one_name());
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let said = |call, caller: &str, text| Matter {
        call: CallId::new(1_764_000_000_000, call),
        caller: Some(caller.into()),
        ..matter(&[Some(text)])
    };
    let now = at("2026-11-24T01:01:00Z");
    let place = async |matter: Matter| {
        let number = file(&store, &catalogue, &places, &matter, now).await.expect("filed").number;
        store.ticket(number).await.expect("read").expect("there").place.expect("it names a street")
    };
    assert_eq!(place(said(1, "13900000001", "城西区柳林街道停水")).await.code, "21");
    let again = place(said(2, "13900000001", "柳林街道停水")).await;
    assert!(again.code == "21" && again.confidence >= 0.5, "{again:?}");
    let other = place(said(3, "13900000002", "柳林街道停水")).await;
    assert!(other.confidence < 0.5, "nothing is known of another caller: {other:?}");
}

#[tokio::test]
async fn a_failed_filing_is_made_good_by_the_next() {
    let (catalogue, places) = (Catalogue::default(), Places::default());
    let now = at("2026-11-24T01:01:00Z");
    for fault in [Fault::Statement, Fault::Transaction] {
        for n in 0.. {
            let folder = tempfile::tempdir().expect("a folder");
            let store = open(folder.path(), &["log"]).await;
            store.fail_after(n, fault).await;
            let first = file(&store, &catalogue, &places, &matter(&[Some("一")]), now).await;
            store.heal().await;
            let again = file(&store, &catalogue, &places, &matter(&[Some("一")]), now).await.expect("filed");
            assert_eq!(again.fresh, first.is_err(), "write {n}");
            assert_eq!(store.tickets(None, 10).await.expect("read").len(), 1, "write {n}");
            assert_eq!(store.outbox(true, 0, 10).await.expect("read").len(), 1, "write {n}");
            if first.is_ok() {
                assert!(n >= 6, "only {n} writes were failed");
                break;
            }
        }
    }
}

/// By when a unit has to be in charge stands in the case's first line.
#[tokio::test]
async fn the_limit_for_dispatch_goes_by_what_was_understood() {
    #[derive(Debug)]
    struct Hours;
    impl crate::catalogue::limit::DispatchLimit for Hours {
        fn dispatch_by(&self, urgency: crate::catalogue::Urgency, _: &[String; 3], now: Timestamp) -> Timestamp {
            let hours = if urgency == crate::catalogue::Urgency::Urgent { 1 } else { 24 };
            now + jiff::SignedDuration::from_hours(hours)
        }
    }
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path(), &[]).await;
    let mut catalogue = Catalogue::default();
    catalogue.set_limit(std::sync::Arc::new(Hours));
    let now = at("2026-11-24T01:01:00Z");
    let urgent = Matter { urgency: Some("urgent".into()), ..matter(&[Some("一")]) };
    let number = file(&store, &catalogue, &Places::default(), &urgent, now).await.expect("filed").number;
    let case = store.case(number).await.expect("read").expect("a case");
    assert_eq!(case.dispatch, at("2026-11-24T02:01:00Z"));
}
