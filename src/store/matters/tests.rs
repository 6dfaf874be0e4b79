use super::*;
use crate::id::CallId;
use crate::matter::{Alike, Config, Place as Where};
use crate::store::planted;
use crate::store::{Filing, Meaning, Place};
use crate::ticket::{How, Text};

async fn open() -> (tempfile::TempDir, Store) {
    let temp = tempfile::tempdir().expect("a folder");
    let store = planted::open(temp.path(), &[]).await;
    (temp, store)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).expect("a time")
}

/// Files a ticket of `caller`, begun so many seconds in.
async fn file(store: &Store, n: u128, caller: &str, text: &str) -> Number {
    let began = at(n as i64);
    let filing = Filing {
        call: CallId::new(20_000, n),
        caller: Some(caller.to_owned()),
        began,
        how: How::HungUp,
        text: Some(text.to_owned()),
        text_state: Text::Whole,
        meaning: Meaning {
            unit: Some(if n.is_multiple_of(2) { "甲单位" } else { "乙单位" }.to_owned()),
            place: Some(Place {
                code: "1".into(),
                name: "和平里街道".into(),
                district: "东城区".into(),
                confidence: 0.9,
            }),
            ..Meaning::default()
        },
        ..planted::pending(CallId::new(20_000, n))
    };
    store.file(filing, began).await.expect("filed").number
}

fn gather(ticket: Number, alike: &[(Number, f32, bool)]) -> Gather {
    let alike = alike.iter().map(|(id, likeness, caller)| Alike {
        id: *id,
        likeness: *likeness,
        caller: *caller,
        place: Where::Unknown,
    });
    Gather { ticket, alike: Some(alike.collect()), cell: "供水/东城区".into(), day: 20_000, hour: 9 }
}

async fn put(store: &Store, gathers: Vec<Gather>) -> Vec<Gathered> {
    store.gather(&Config::default(), gathers, at(1000)).await.expect("written")
}

#[tokio::test]
async fn tickets_join_where_those_are_that_they_are_like() {
    let (_temp, store) = open().await;
    let mut numbers = Vec::new();
    for (n, caller) in [(1, "10"), (2, "11"), (3, "10"), (4, "12")] {
        numbers.push(file(&store, n, caller, "停水了").await);
    }
    let waiting = store.ungathered(10).await.expect("read");
    assert_eq!(waiting.iter().map(|w| w.number).collect::<Vec<_>>(), numbers);
    assert_eq!(waiting[0].street.as_deref(), Some("和平里街道"));
    let alike = [
        gather(numbers[0], &[]),
        gather(numbers[1], &[(numbers[0], 0.5, false)]),
        gather(numbers[2], &[(numbers[1], 0.6, false), (numbers[0], 0.25, true)]),
        gather(numbers[3], &[(numbers[0], 0.1, false)]),
    ];
    let done = put(&store, alike.to_vec()).await;
    let (first, other) = (done[0].matter.expect("a matter"), done[3].matter.expect("a matter"));
    assert_eq!(done.iter().map(|g| g.matter).collect::<Vec<_>>(), [Some(first), Some(first), Some(first), Some(other)]);
    assert_eq!(done[2].repeats, Some(numbers[0]));
    assert_ne!(first, other);
    assert_eq!(put(&store, alike.to_vec()).await, [], "each ticket is put somewhere once");
    let row = store.matter(first).await.expect("read").expect("it is there");
    assert_eq!((row.count, row.first, row.last, row.repeats), (3, at(1), at(3), 1));
    assert_eq!(row.places, [Named { name: "和平里街道".into(), count: 3 }]);
    assert_eq!(row.units, [Named { name: "乙单位".into(), count: 2 }, Named { name: "甲单位".into(), count: 1 }]);
    let ticket = store.ticket(numbers[2]).await.expect("read").expect("it is there");
    assert_eq!((ticket.matter, ticket.repeats), (Some(first), Some(numbers[0])));
    let counts = store.matter_counts(20_000).await.expect("read");
    assert_eq!((counts.days, counts.hours), (vec![("供水/东城区".to_owned(), 20_000, 4)], vec![(9, 4)]));
}

#[tokio::test]
async fn what_people_merge_and_split_stays() {
    let (_temp, store) = open().await;
    let mut numbers = Vec::new();
    for n in 1..=5 {
        numbers.push(file(&store, n, &n.to_string(), "停水了").await);
    }
    let [a, b, c, late, last] = numbers[..] else { unreachable!("five") };
    let alike = vec![gather(a, &[]), gather(b, &[]), gather(c, &[(b, 0.9, false)])];
    let done = put(&store, alike).await;
    let (one, two) = (done[0].matter.expect("a matter"), done[1].matter.expect("a matter"));
    assert_eq!(store.merge_matters(two, one, "w", at(50)).await.expect("written"), Ok(()));
    assert_eq!(
        put(&store, vec![gather(late, &[(c, 0.9, false)])]).await[0].matter,
        Some(one),
        "it goes where c is now"
    );
    let three = store.split_matter(one, vec![a, late, a], "w", at(60)).await.expect("written").expect("it is split");
    let row = async |id| store.matter(id).await.expect("read").expect("it is there");
    assert_eq!([row(one).await.count, row(two).await.count, row(three).await.count], [2, 0, 2]);
    assert_eq!((row(three).await.first, row(three).await.last, row(two).await.merged), (at(1), at(4), Some(one)));
    assert_eq!(put(&store, vec![gather(last, &[(late, 0.9, false), (b, 0.8, false)])]).await[0].matter, Some(three));
    let refused = async |from, tickets: Vec<Number>| store.split_matter(from, tickets, "w", at(70)).await.expect("run");
    assert_eq!(refused(two, vec![b]).await, Err(Refused::Merged(two, one)));
    assert_eq!(refused(three, vec![b]).await, Err(Refused::NotOfIt(b, three)));
    assert_eq!(refused(one, vec![b, c]).await, Err(Refused::All(one)));
    assert_eq!(refused(99, vec![b]).await, Err(Refused::NoMatter(99)));
    assert_eq!(store.merge_matters(one, one, "w", at(80)).await.expect("run"), Err(Refused::Itself));
    let changes = store.matter_changes(one).await.expect("read");
    assert_eq!(changes[0].change, format!("took in {two}"));
    assert!(changes[1].change.contains(&a.to_string()), "{changes:?}");
}

#[tokio::test]
async fn a_title_and_one_alarm_a_day() {
    let (_temp, store) = open().await;
    let ticket = file(&store, 1, "1", "我想反映一个问题,青年沟东里停水了").await;
    let matter = put(&store, vec![gather(ticket, &[])]).await[0].matter.expect("a matter");
    store.title_matter(matter).await.expect("written");
    let row = store.matter(matter).await.expect("read").expect("it is there");
    assert_eq!(row.title, "和平里街道青年沟东里停水了");
    assert!(store.matter_alarmed(matter, "a", at(0), at(100)).await.expect("written"));
    assert!(!store.matter_alarmed(matter, "b", at(99), at(200)).await.expect("written"));
    assert!(store.matter_alarmed(matter, "c", at(101), at(300)).await.expect("written"));
    assert_eq!(store.matter_since(matter, at(0)).await.expect("read"), 1);
    assert_eq!(store.matter_since(matter, at(1)).await.expect("read"), 0);
}

#[tokio::test]
async fn a_ticket_without_text_is_of_no_matter_and_a_pending_one_waits() {
    let (_temp, store) = open().await;
    store.file(planted::pending(CallId::new(20_000, 1)), at(1)).await.expect("filed");
    assert_eq!(store.ungathered(10).await.expect("read"), []);
    let ticket = file(&store, 2, "1", "").await;
    let done = put(&store, vec![Gather { alike: None, ..gather(ticket, &[]) }]).await;
    assert_eq!((done[0].matter, store.ungathered(10).await.expect("read").len()), (None, 0));
}
