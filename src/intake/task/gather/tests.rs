use super::*;
use crate::id::CallId;
use crate::store::planted;
use crate::store::{Filing, Meaning, Place};
use crate::ticket::{How, Text};

/// Files a ticket that began `minute` minutes in.
async fn file(store: &Store, n: u128, minute: i64, caller: &str, text: &str, street: &str) -> Number {
    let began = Timestamp::from_second(1_795_000_000 + 60 * minute).expect("a time");
    let call = CallId::new(20_000, n);
    let place = Place { code: street.into(), name: street.into(), district: "东城区".into(), confidence: 0.9 };
    let filing = Filing {
        call,
        caller: Some(caller.to_owned()),
        began,
        how: How::HungUp,
        text: Some(text.to_owned()),
        text_state: Text::Whole,
        meaning: Meaning {
            category: ["城乡建设", "市政管理", "自来水供应"].map(str::to_owned),
            place: Some(place),
            ..Meaning::default()
        },
        ..planted::pending(call)
    };
    store.file(filing, began).await.expect("filed").number
}

async fn all(gatherer: &mut Gatherer<'_>) {
    while gatherer.turn(Timestamp::from_second(1_795_100_000).expect("a time")).await.expect("gathered") > 0 {}
}

#[tokio::test]
async fn a_burst_pipe_is_one_matter_with_title_and_alarm_and_a_noise_is_another() {
    let temp = tempfile::tempdir().expect("a folder");
    let store = planted::open(temp.path(), &[]).await;
    let config = Config::default();
    let mut gatherer = Gatherer::new(&store, &config).await.expect("read");
    let water = [
        "青年沟东里从早上开始就没水了,家里有老人",
        "我这儿是青年沟东里六号楼,停水了你们知道吗",
        "喂你好,青年沟东里怎么又停水了",
        "青年沟东里没水用,什么时候能来水",
        "我反映青年沟东里停水,物业说是管子爆了",
        "青年沟东里停水一上午了,饭都做不了",
    ];
    let mut numbers = Vec::new();
    for (n, text) in water.iter().enumerate() {
        numbers.push(file(&store, n as u128 + 1, n as i64, &n.to_string(), text, "和平里街道").await);
    }
    let other = file(&store, 100, 7, "77", "楼下歌厅半夜唱歌吵得孩子睡不着", "东直门街道").await;
    let again = file(&store, 101, 9, "3", "青年沟东里的水还没来", "和平里街道").await;
    all(&mut gatherer).await;
    let matter = async |number| store.ticket(number).await.expect("read").expect("it is there").matter.expect("one");
    let pipe = matter(numbers[0]).await;
    for number in &numbers {
        assert_eq!(matter(*number).await, pipe, "{number}");
    }
    assert_ne!(matter(other).await, pipe);
    let repeat = store.ticket(again).await.expect("read").expect("it is there");
    assert_eq!((repeat.matter, repeat.repeats), (Some(pipe), Some(numbers[3])));
    let row = store.matter(pipe).await.expect("read").expect("it is there");
    assert_eq!((row.count, row.repeats), (7, 1));
    assert!(row.title.contains("青年沟东里"), "{}", row.title);
    assert!(row.alarm.as_deref().is_some_and(|alarm| alarm.contains("within 1 h")), "{row:?}");
}

#[tokio::test]
async fn what_a_restart_finds_in_the_store_is_compared_too() {
    let temp = tempfile::tempdir().expect("a folder");
    let store = planted::open(temp.path(), &[]).await;
    let config = Config { window: 100_000 * 24 * 3600, ..Config::default() };
    let before = file(&store, 1, 0, "1", "青年沟东里的路灯坏了三天了", "和平里街道").await;
    all(&mut Gatherer::new(&store, &config).await.expect("read")).await;
    let after = file(&store, 2, 5, "2", "晚上太黑了,路灯坏了,青年沟东里", "和平里街道").await;
    all(&mut Gatherer::new(&store, &config).await.expect("read")).await;
    let matter = async |number| store.ticket(number).await.expect("read").expect("it is there").matter;
    assert_eq!(matter(before).await, matter(after).await);
}
