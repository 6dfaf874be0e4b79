use std::collections::VecDeque;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::backend::{Receipt, Sending};
use crate::id::CallId;
use crate::store::planted::{self, at, open_for_one_reader};
use crate::store::{Filed, Meaning, OutboxState};
use crate::ticket::{Event, State};

/// A backend that answers as it is told, one permit a delivery, and says what it saw and when.
struct Scripted {
    name: &'static str,
    answers: Mutex<VecDeque<Result<Receipt, Refusal>>>,
    open: Semaphore,
    under_way: AtomicUsize,
    most: AtomicUsize,
    saw: mpsc::Sender<(String, tokio::time::Instant)>,
}

type Saw = mpsc::Receiver<(String, tokio::time::Instant)>;

fn scripted(name: &'static str, answers: Vec<Result<Receipt, Refusal>>, permits: usize) -> (Arc<Scripted>, Saw) {
    let (saw, seen) = mpsc::channel(MANY);
    let backend = Scripted {
        name,
        answers: Mutex::new(answers.into()),
        open: Semaphore::new(permits),
        under_way: AtomicUsize::new(0),
        most: AtomicUsize::new(0),
        saw,
    };
    (Arc::new(backend), seen)
}

impl Backend for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn send<'a>(&'a self, delivery: &'a Delivery) -> Sending<'a> {
        Box::pin(async move {
            let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(now, Ordering::SeqCst);
            self.saw.try_send((delivery.key.clone(), tokio::time::Instant::now())).expect("the test listens");
            self.open.acquire().await.expect("open").forget();
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            self.answers.lock().expect("whole").pop_front().unwrap_or(Ok(Receipt::default()))
        })
    }
}

const MANY: usize = 1000;

fn refused() -> Result<Receipt, Refusal> {
    Err(Refusal::Retry { reason: "503".into(), after: None })
}

fn plugged(backend: &Arc<Scripted>, tries: u32, at_once: usize) -> Plugged {
    let retry = Retry { first: Duration::from_secs(20), longest: Duration::from_secs(600), tries };
    Plugged { backend: backend.clone(), retry, at_once }
}

struct Post {
    store: Store,
    wake: Arc<Notify>,
    stop: CancellationToken,
    clock: Clock,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Post {
    /// On virtual time from here on.
    async fn open(folder: &Path, names: &[&str]) -> Post {
        let store = open_for_one_reader(folder, names).await;
        tokio::time::pause();
        // SQLite works on real threads, and virtual time must not run away meanwhile: the runtime is never idle, and
        // half a second passes for each round through the store's writer and its one reader. Both take turns, so
        // each step of the drain costs a round or two, however slow the machine is.
        tokio::spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        let turning = store.clone();
        tokio::spawn(async move {
            while turning.turns().await.is_ok() && turning.outbox_depth().await.is_ok() {
                tokio::time::advance(Duration::from_millis(500)).await;
            }
        });
        let (start, begun) = (at("2026-11-24T01:00:00Z"), tokio::time::Instant::now());
        let clock: Clock = Arc::new(move || start.saturating_add(begun.elapsed()).expect("near"));
        Post { store, wake: Arc::new(Notify::new()), stop: CancellationToken::new(), clock, task: None }
    }

    fn start(&mut self, backends: Vec<Plugged>) {
        let drain = drain(self.store.clone(), backends, self.wake.clone(), self.stop.clone(), self.clock.clone());
        self.task = Some(tokio::spawn(drain));
    }

    async fn file(&self, n: u128) -> Filed {
        let matter = planted::pending(CallId::new(1_764_000_000_000, n));
        let filed = self.store.file(matter, (self.clock)()).await.expect("filed");
        self.wake.notify_one();
        filed
    }

    async fn stop(mut self) -> Store {
        self.stop.cancel();
        self.task.take().expect("started").await.expect("joined");
        self.store
    }

    /// Waits until no row waits.
    async fn settled(&self) {
        while self.store.outbox_depth().await.expect("read").0 > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn waits_double_and_the_ticket_is_sent_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut post = Post::open(folder.path(), &["city"]).await;
    let (city, mut saw) = scripted("city", vec![refused(), refused(), refused()], MANY);
    post.start(vec![plugged(&city, 10, 4)]);
    let filed = post.file(1).await;
    let mut times = Vec::new();
    for _ in 0..4 {
        let (key, when) = saw.recv().await.expect("sent");
        assert_eq!(key, format!("{}-1", filed.number), "the same key for every try");
        times.push(when);
    }
    for (failed, pair) in times.windows(2).enumerate() {
        let (gap, wait) = (pair[1] - pair[0], Duration::from_secs(20 << failed));
        assert!(gap >= wait / 2 && gap <= wait + LOOK_AGAIN * 2, "{gap:?} after failure {}", failed + 1);
    }
    post.settled().await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    let store = post.stop().await;
    assert!(saw.try_recv().is_err(), "never again after it was taken");
    assert_eq!(store.ticket(filed.number).await.expect("read").expect("there").state, State::Sent);
}

#[tokio::test]
async fn parked_after_the_last_try_and_sent_after_outbox_retry() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut post = Post::open(folder.path(), &["city"]).await;
    let (city, mut saw) = scripted("city", vec![refused(), refused(), Err(Refusal::Park("410 Gone".into()))], MANY);
    post.start(vec![plugged(&city, 2, 4)]);
    let number = post.file(1).await.number;
    saw.recv().await.expect("first");
    saw.recv().await.expect("second");
    post.settled().await;
    let rows = post.store.outbox(false, 0, 10).await.expect("read");
    assert_eq!((rows[0].state, rows[0].tries), (OutboxState::Parked, 2));
    assert_eq!(rows[0].reason.as_deref(), Some("given up after 2 tries: 503"));
    for expected in [OutboxState::Parked, OutboxState::Sent] {
        // As another process does it: nobody wakes the task.
        post.store.retry(Some(number), (post.clock)()).await.expect("written");
        saw.recv().await.expect("tried");
        post.settled().await;
        assert_eq!(post.store.outbox(true, 0, 10).await.expect("read")[0].state, expected);
    }
    let history = post.store.history(number).await.expect("read");
    assert_eq!(history.last().map(|row| row.event.code()), Some("sent"));
    assert_eq!(history.iter().filter(|row| matches!(row.event, Event::Parked { .. })).count(), 2);
    post.stop().await;
}

#[tokio::test]
async fn a_backend_that_asks_for_time_gets_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut post = Post::open(folder.path(), &["city"]).await;
    let after = Some(Duration::from_secs(900));
    let (city, mut saw) = scripted("city", vec![Err(Refusal::Retry { reason: "429".into(), after })], MANY);
    post.start(vec![plugged(&city, 9, 4)]);
    post.file(1).await;
    let first = saw.recv().await.expect("sent").1;
    let second = saw.recv().await.expect("sent").1;
    assert!(second - first >= Duration::from_secs(900), "{:?}", second - first);
    post.stop().await;
}

#[tokio::test]
async fn one_of_a_ticket_at_a_time_and_few_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut post = Post::open(folder.path(), &["slow", "quick"]).await;
    let (slow, mut saw_slow) = scripted("slow", vec![], 0);
    let (quick, mut saw_quick) = scripted("quick", vec![], MANY);
    let mut numbers = Vec::new();
    for n in 0..6 {
        let number = post.file(n).await.number;
        post.store.text_completed(number, None, Meaning::default(), (post.clock)()).await.expect("written");
        numbers.push(number);
    }
    post.start(vec![plugged(&slow, 9, 3), plugged(&quick, 9, 3)]);
    // The quick one is through with everything while the slow one has not taken anything.
    let mut quick_keys = Vec::new();
    for _ in 0..12 {
        quick_keys.push(saw_quick.recv().await.expect("sent").0);
    }
    for number in &numbers {
        let of: Vec<_> = quick_keys.iter().filter(|key| key.starts_with(&format!("{number}-"))).collect();
        assert_eq!(of, [&format!("{number}-1"), &format!("{number}-2")], "in order");
    }
    assert_eq!(slow.under_way.load(Ordering::SeqCst), 3);
    slow.open.add_permits(MANY);
    let mut slow_keys = Vec::new();
    for _ in 0..12 {
        slow_keys.push(saw_slow.recv().await.expect("sent").0);
    }
    assert_eq!(slow.most.load(Ordering::SeqCst), 3);
    assert!(slow_keys[..3].iter().all(|key| key.ends_with("-1")), "{slow_keys:?}");
    post.settled().await;
    post.stop().await;
}

#[tokio::test]
async fn what_was_under_way_at_the_end_is_sent_again_under_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut post = Post::open(folder.path(), &["city"]).await;
    let (stuck, mut saw) = scripted("city", vec![], 0);
    post.start(vec![plugged(&stuck, 9, 3)]);
    post.file(1).await;
    let first = saw.recv().await.expect("sent").0;
    post.stop.cancel();
    post.task.take().expect("started").await.expect("joined, the stuck delivery broken off");
    post.stop = CancellationToken::new();
    let (city, mut saw) = scripted("city", vec![], MANY);
    post.start(vec![plugged(&city, 9, 3)]);
    assert_eq!(saw.recv().await.expect("sent again").0, first);
    post.settled().await;
    post.stop().await;
}
