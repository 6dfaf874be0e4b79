//! The service with a recogniser that does as the test says: it waits at a gate and writes down what it heard.

use std::sync::mpsc;

use super::*;
use crate::asr::Heard;

/// Says the number of samples that it heard (which is how a test knows whose turn it was), after the gate let it
/// through.
struct Double {
    /// A worker takes one token for each utterance; a dropped sender opens the gate for good.
    gate: Arc<Mutex<mpsc::Receiver<Act>>>,
    /// It has begun with one.
    begun: mpsc::SyncSender<usize>,
}

enum Act {
    Hear,
    Fail,
    Panic,
    /// Goes on until told to give up.
    Dawdle,
}

struct Ears(Arc<Mutex<mpsc::Receiver<Act>>>, mpsc::SyncSender<usize>);

impl Recogniser for Double {
    fn name(&self) -> &str {
        "double"
    }

    fn worker(&self) -> Result<Box<dyn Worker>, Fault> {
        Ok(Box::new(Ears(self.gate.clone(), self.begun.clone())))
    }
}

impl Worker for Ears {
    fn hear(&mut self, pcm: &[f32], until: &Until) -> Result<Heard, Fault> {
        self.1.send(pcm.len()).expect("the test listens");
        let act = self.0.lock().expect("unpoisoned").recv().unwrap_or(Act::Hear);
        match act {
            Act::Hear => Ok(Ok(pcm.len().to_string().into())),
            Act::Fail => Err(Fault::Engine("as told".to_owned())),
            Act::Panic => panic!("as told"),
            Act::Dawdle => loop {
                if until.passed() {
                    return Err(Fault::GivenUp);
                }
                thread::yield_now();
            },
        }
    }
}

struct House {
    asr: Asr,
    gate: mpsc::SyncSender<Act>,
    begun: mpsc::Receiver<usize>,
    folder: tempfile::TempDir,
}

impl House {
    fn new(queue: usize) -> House {
        let (gate, gate_end) = mpsc::sync_channel(16);
        let (begun_end, begun) = mpsc::sync_channel(16);
        let double = Double { gate: Arc::new(Mutex::new(gate_end)), begun: begun_end };
        let config = Config { workers: 1, queue, ..Config::default() };
        let asr = Asr::start(&config, Some(Arc::new(double)));
        House { asr, gate, begun, folder: tempfile::tempdir().expect("a folder") }
    }

    /// An utterance of `samples` at 16 kHz.
    fn job(&self, samples: usize, priority: Priority, within: Duration) -> Job {
        let file = self.folder.path().join(format!("{samples}.wav"));
        fs::write(&file, wav::bytes(&vec![0; samples], RATE)).expect("written");
        Job::new(file, Instant::now() + within, priority)
    }

    fn submit(&self, samples: usize, priority: Priority) -> impl Future<Output = Result<Transcript, Unheard>> + use<> {
        self.asr.submit(self.job(samples, priority, LONG))
    }

    /// Waits until the worker has begun with an utterance, and says which.
    fn began(&self) -> usize {
        self.begun.recv_timeout(LONG).expect("a worker begins")
    }
}

const LONG: Duration = Duration::from_secs(60);

fn text(heard: Result<Transcript, Unheard>) -> String {
    heard.expect("it is heard").text
}

#[tokio::test]
async fn live_calls_are_heard_before_background_work() {
    let house = House::new(8);
    let first = house.submit(100, Priority::Background);
    assert_eq!(house.began(), 100);
    let waiting = [house.submit(200, Priority::Background), house.submit(300, Priority::Live)].map(tokio::spawn);
    for _ in 0..3 {
        house.gate.send(Act::Hear).expect("a worker waits");
    }
    assert_eq!([house.began(), house.began()], [300, 200]);
    assert_eq!(text(first.await), "100");
    for (handle, expected) in waiting.into_iter().zip(["200", "300"]) {
        assert_eq!(text(handle.await.expect("no panic")), expected);
    }
}

#[tokio::test]
async fn a_full_queue_says_so_at_once_but_background_makes_room_for_live() {
    let house = House::new(1);
    let hearing = house.submit(100, Priority::Live);
    assert_eq!(house.began(), 100);
    let background = house.submit(200, Priority::Background);
    assert_eq!(house.submit(201, Priority::Background).await, Err(Unheard::QueueFull));
    let live = house.submit(300, Priority::Live);
    assert_eq!(background.await, Err(Unheard::QueueFull));
    assert_eq!(house.submit(301, Priority::Live).await, Err(Unheard::QueueFull));
    house.gate.send(Act::Hear).expect("a worker waits");
    house.gate.send(Act::Hear).expect("a worker waits");
    assert_eq!((text(hearing.await), text(live.await)), ("100".to_owned(), "300".to_owned()));
    assert_eq!(house.asr.waiting(), 0);
}

#[tokio::test]
async fn the_answer_comes_at_the_deadline_and_the_worker_gives_up_then() {
    let house = House::new(8);
    house.gate.send(Act::Dawdle).expect("the gate is there");
    let heard = house.asr.submit(house.job(100, Priority::Live, Duration::from_millis(50))).await;
    assert_eq!(heard, Err(Unheard::TooLate));
    house.gate.send(Act::Hear).expect("the gate is there");
    assert_eq!(text(house.submit(200, Priority::Live).await), "200", "the worker is free again");
}

#[tokio::test]
async fn what_waited_beyond_its_deadline_is_never_begun() {
    let house = House::new(8);
    let hearing = house.submit(100, Priority::Live);
    assert_eq!(house.began(), 100);
    let late = house.asr.submit(house.job(200, Priority::Live, Duration::ZERO));
    assert_eq!(late.await, Err(Unheard::TooLate), "though the only worker is busy");
    let next = house.submit(300, Priority::Live);
    house.gate.send(Act::Hear).expect("a worker waits");
    house.gate.send(Act::Hear).expect("a worker waits");
    assert_eq!(text(hearing.await), "100");
    assert_eq!(text(next.await), "300");
    assert_eq!(house.begun.try_iter().collect::<Vec<_>>(), [300]);
}

#[tokio::test]
async fn a_job_whose_caller_has_gone_is_not_heard() {
    let house = House::new(8);
    let hearing = house.submit(100, Priority::Live);
    assert_eq!(house.began(), 100);
    drop(house.submit(200, Priority::Live));
    let next = house.submit(300, Priority::Background);
    house.gate.send(Act::Hear).expect("a worker waits");
    house.gate.send(Act::Hear).expect("a worker waits");
    assert_eq!((text(hearing.await), text(next.await)), ("100".to_owned(), "300".to_owned()));
    assert_eq!(house.begun.try_iter().collect::<Vec<_>>(), [300]);
}

#[tokio::test]
async fn an_engine_that_fails_or_panics_costs_one_text() {
    let house = House::new(8);
    for act in [Act::Fail, Act::Panic] {
        house.gate.send(act).expect("the gate is there");
        let heard = house.submit(100, Priority::Live).await;
        assert!(matches!(heard, Err(Unheard::Failed(_))), "{heard:?}");
    }
    house.gate.send(Act::Hear).expect("the gate is there");
    assert_eq!(text(house.submit(100, Priority::Live).await), "100");
}

#[tokio::test]
async fn what_is_no_recording_is_unreadable_for_good() {
    let house = House::new(8);
    let missing = Job::new("no/such.wav".into(), Instant::now() + LONG, Priority::Live);
    let junk = house.folder.path().join("junk.wav");
    fs::write(&junk, b"RIFF....WAVEjunk").expect("written");
    for job in [missing.clone(), Job { file: junk, ..missing }] {
        let why = house.asr.submit(job).await.expect_err("unreadable");
        assert!(matches!(why, Unheard::Unreadable(_)) && !why.passing(), "{why}");
    }
}

#[tokio::test]
async fn stopping_joins_the_threads_and_answers_everybody() {
    let house = House::new(8);
    house.gate.send(Act::Dawdle).expect("the gate is there");
    let hearing = house.submit(100, Priority::Live);
    assert_eq!(house.began(), 100);
    let waiting = house.submit(200, Priority::Live);
    let asr = house.asr.clone();
    tokio::task::spawn_blocking(move || asr.stop()).await.expect("it joins");
    assert_eq!(hearing.await, Err(Unheard::Stopped));
    assert_eq!(waiting.await, Err(Unheard::Stopped));
    assert_eq!(house.submit(300, Priority::Live).await, Err(Unheard::Stopped));
}

#[tokio::test]
async fn without_a_model_the_answer_is_immediate_until_one_arrives() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = Config { workers: 1, models: folder.path().to_owned(), ..Config::default() };
    let asr = Asr::start(&config, None);
    let house = House::new(8);
    assert!(!asr.has_model());
    assert_eq!(asr.submit(house.job(100, Priority::Live, LONG)).await, Err(Unheard::NoModel));
    let mut model = asr.model();
    let (gate, gate_end) = mpsc::sync_channel(16);
    let (begun, _begun) = mpsc::sync_channel(16);
    drop(gate);
    asr.adopt(Purpose::Complaint, Arc::new(Double { gate: Arc::new(Mutex::new(gate_end)), begun }));
    assert_eq!(model.wait_for(Option::is_some).await.expect("it lives").as_deref(), Some("double"));
    assert_eq!(text(asr.submit(house.job(100, Priority::Live, LONG)).await), "100");
}

#[tokio::test]
async fn a_caller_takes_the_thread_from_background_work_which_is_heard_later() {
    let house = House::new(8);
    let background = house.submit(100, Priority::Background);
    assert_eq!(house.began(), 100);
    house.gate.send(Act::Dawdle).expect("the gate is there");
    let live = house.submit(200, Priority::Live);
    assert_eq!(house.began(), 200, "the engine was told to give up");
    house.gate.send(Act::Hear).expect("a worker waits");
    assert_eq!(text(live.await), "200");
    assert_eq!(house.began(), 100, "it waited again");
    house.gate.send(Act::Hear).expect("a worker waits");
    assert_eq!(text(background.await), "100");
}

#[tokio::test]
async fn a_pending_text_is_put_off_a_few_times_only() {
    let house = House::new(8);
    let background = house.submit(100, Priority::Background);
    for i in 0..INTERRUPTIONS as usize {
        assert_eq!(house.began(), 100);
        house.gate.send(Act::Dawdle).expect("the gate is there");
        let live = house.submit(200 + i, Priority::Live);
        assert_eq!(house.began(), 200 + i);
        house.gate.send(Act::Hear).expect("a worker waits");
        assert_eq!(text(live.await), (200 + i).to_string());
    }
    assert_eq!(house.began(), 100);
    let live = house.submit(300, Priority::Live);
    house.gate.send(Act::Hear).expect("a worker waits");
    assert_eq!(text(background.await), "100", "heard to its end");
    house.gate.send(Act::Hear).expect("a worker waits");
    assert_eq!((house.began(), text(live.await)), (300, "300".to_owned()));
}

#[tokio::test]
async fn who_would_wait_in_vain_is_told_at_once() {
    let house = House::new(8);
    house.asr.0.shared.lock().usual = Duration::from_secs(2);
    let hearing = house.submit(200, Priority::Live);
    assert_eq!(house.began(), 200);
    let within = |samples, seconds| house.asr.submit(house.job(samples, Priority::Live, Duration::from_secs(seconds)));
    let next = within(300, 1);
    assert_eq!(within(301, 3).await, Err(Unheard::Overloaded), "two before it, 2 s each");
    let patient = within(302, 60);
    drop(next);
    house.gate.send(Act::Hear).expect("a worker waits");
    house.gate.send(Act::Hear).expect("a worker waits");
    assert_eq!((text(hearing.await), text(patient.await)), ("200".to_owned(), "302".to_owned()));
}

/// Says its name.
struct Named(&'static str);

impl Recogniser for Named {
    fn name(&self) -> &str {
        self.0
    }

    fn worker(&self) -> Result<Box<dyn Worker>, Fault> {
        Ok(Box::new(Named(self.0)))
    }
}

impl Worker for Named {
    fn hear(&mut self, _: &[f32], _: &Until) -> Result<Heard, Fault> {
        Ok(Ok(self.0.into()))
    }
}

#[tokio::test]
async fn each_purpose_has_its_model_and_its_stand_in() {
    let house = House::new(8);
    let asr = Asr::start(&Config { workers: 1, ..Config::default() }, Some(Arc::new(Named("base"))));
    let hear = async |purpose| {
        let job = Job { purpose, ..house.job(100, Priority::Background, LONG) };
        let heard = asr.submit(job).await.expect("heard");
        assert_eq!(heard.text, heard.model);
        heard.text
    };
    assert_eq!(hear(Purpose::Choice).await, "base");
    assert!(!asr.has(Purpose::Choice) && asr.has(Purpose::Complaint));
    asr.adopt(Purpose::Choice, Arc::new(Named("tiny")));
    asr.adopt(Purpose::Correction, Arc::new(Named("large")));
    for (purpose, name) in [(Purpose::Choice, "tiny"), (Purpose::Complaint, "base"), (Purpose::Correction, "large")] {
        assert_eq!(hear(purpose).await, name);
    }
    asr.adopt(Purpose::Choice, Arc::new(Named("small")));
    assert_eq!(hear(Purpose::Choice).await, "small", "the thread that used the other one noticed");
    assert_eq!(asr.model().borrow().as_deref(), Some("base"));
}

#[tokio::test]
async fn a_text_has_times_though_the_engine_knows_none() {
    let house = House::new(8);
    let asr = Asr::start(&Config { workers: 1, ..Config::default() }, Some(Arc::new(Named("水管爆裂"))));
    let heard = asr.submit(house.job(16_000, Priority::Live, LONG)).await.expect("heard");
    assert_eq!(heard.words.iter().map(|word| word.text.as_str()).collect::<String>(), "水管爆裂");
    assert_eq!((heard.words[0].from, heard.words[3].to, heard.audio), (0, 1000, Duration::from_secs(1)));
}

/// Says the niceness of the thread that it hears on.
struct Nice;

impl Recogniser for Nice {
    fn name(&self) -> &str {
        "nice"
    }

    fn worker(&self) -> Result<Box<dyn Worker>, Fault> {
        Ok(Box::new(Nice))
    }
}

impl Worker for Nice {
    fn hear(&mut self, _: &[f32], _: &Until) -> Result<Heard, Fault> {
        Ok(Ok(niceness().to_string().into()))
    }
}

fn niceness() -> i32 {
    rustix::process::getpriority_process(Some(rustix::thread::gettid())).expect("Linux says")
}

#[tokio::test]
async fn hearing_yields_to_the_media_threads() {
    let before = niceness();
    let house = House::new(8);
    let asr = Asr::start(&Config { workers: 1, ..Config::default() }, Some(Arc::new(Nice)));
    let heard = text(asr.submit(house.job(100, Priority::Live, LONG)).await);
    assert_eq!(heard, NICENESS.to_string());
    assert_eq!(niceness(), before, "no other thread is touched");
}
