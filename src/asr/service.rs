//! The threads that hear, and the door to them.

use std::fs::{self, File};
use std::future::Future;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::queue::{Next, Pushed, Queue};
use super::shelf::Shelf;
use super::{Config, Fault, Job, RATE, Recogniser, Transcript, Unheard, Until, Worker};
use crate::audio::wav;

/// A recording longer than this (about an hour at 8 kHz) is not one utterance.
const MAX_FILE: u64 = 64 << 20;
/// The same for codings of a byte a sample.
const LONGEST: Duration = Duration::from_secs(3600);

/// A tenth of the share of a thread that has not been made nicer.
const NICENESS: i32 = 10;

/// Hearing as a service. Clones share it; when the last one is dropped the threads end by themselves.
#[derive(Clone)]
pub struct Asr(Arc<Owner>);

impl std::fmt::Debug for Asr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Asr").field("waiting", &self.waiting()).field("model", &self.has_model()).finish()
    }
}

struct Owner {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

struct Shared {
    state: Mutex<State>,
    /// Something was pushed, a model came, or it is time to stop.
    wake: Condvar,
    stop: Arc<AtomicBool>,
    model: watch::Sender<Option<String>>,
}

struct State {
    queue: Queue<Waiting>,
    /// Counted, so that a worker notices another one.
    recogniser: Option<(u64, Arc<dyn Recogniser>)>,
}

struct Waiting {
    job: Job,
    since: Instant,
    answer: oneshot::Sender<Result<Transcript, Unheard>>,
}

impl Asr {
    /// Starts the threads. Without a recogniser a watcher looks for a model file until one comes.
    pub fn start(config: &Config, recogniser: Option<Arc<dyn Recogniser>>) -> Asr {
        let watched = recogniser.is_none();
        let shared = Arc::new(Shared {
            state: Mutex::new(State { queue: Queue::new(config.queue), recogniser: None }),
            wake: Condvar::new(),
            stop: Arc::default(),
            model: watch::Sender::new(None),
        });
        metrics::gauge!("jiesu_asr_models").set(0.0);
        if let Some(recogniser) = recogniser {
            shared.adopt(recogniser);
        }
        let mut threads = Vec::new();
        for i in 0..config.workers.max(1) {
            let shared = shared.clone();
            threads.extend(spawn(format!("asr {i}"), move || shared.work()));
        }
        if watched {
            let shared = shared.clone();
            let (shelf, every) = (Shelf::new(config.clone()), config.look_every);
            threads.extend(spawn("asr shelf".to_owned(), move || shared.look(shelf, every)));
        }
        Asr(Arc::new(Owner { shared, threads: Mutex::new(threads) }))
    }

    /// Puts an utterance in the queue, at once, and gives a future of its text that ends at the deadline at the
    /// latest. Dropping the future takes the job back unless it is being heard already.
    pub fn submit(&self, job: Job) -> impl Future<Output = Result<Transcript, Unheard>> + Send + use<> {
        let deadline = tokio::time::Instant::from_std(job.deadline);
        let answer = self.0.shared.submit(job);
        async move {
            match tokio::time::timeout_at(deadline, answer?).await {
                Ok(Ok(heard)) => heard,
                // Only a service that stops drops a job without an answer.
                Ok(Err(_)) => Err(Unheard::Stopped),
                Err(_) => Err(Unheard::TooLate),
            }
        }
    }

    pub fn has_model(&self) -> bool {
        self.0.shared.model.borrow().is_some()
    }

    /// The model's name; changes when one arrives. Whoever keeps tickets with pending text waits on it.
    pub fn model(&self) -> watch::Receiver<Option<String>> {
        self.0.shared.model.subscribe()
    }

    /// Utterances in the queue.
    pub fn waiting(&self) -> usize {
        self.0.shared.lock().queue.len()
    }

    /// From the next utterance on this recogniser hears.
    pub fn adopt(&self, recogniser: Arc<dyn Recogniser>) {
        self.0.shared.adopt(recogniser);
    }

    /// Ends hearing and joins the threads; what waits is answered with [`Unheard::Stopped`]. Blocks for as long as an
    /// engine needs to notice (a second or so): call it where blocking is allowed.
    pub fn stop(&self) {
        self.0.shared.stop();
        let threads = std::mem::take(&mut *self.0.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A worker catches its panics; one that died anyway must not stop the others from being joined.
            if thread.join().is_err() {
                tracing::error!("a hearing thread had died");
            }
        }
    }
}

/// Hearing keeps cores busy for seconds; a media thread that waits for one is heard as a gap. Of the calling thread only
/// (on Linux a thread has a niceness of its own).
fn yield_to_media() {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::debug!(%error, "hearing runs at the priority of everything else");
    }
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Option<JoinHandle<()>> {
    match thread::Builder::new().name(name).spawn(body) {
        Ok(handle) => Some(handle),
        Err(error) => {
            tracing::error!(%error, "no thread for hearing; tickets may say \"text pending\"");
            None
        }
    }
}

impl Shared {
    /// Nothing here panics while it holds the lock, and the queue is whole at every moment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn adopt(&self, recogniser: Arc<dyn Recogniser>) {
        let name = recogniser.name().to_owned();
        let mut state = self.lock();
        let generation = state.recogniser.as_ref().map_or(0, |(generation, _)| generation + 1);
        state.recogniser = Some((generation, recogniser));
        drop(state);
        metrics::gauge!("jiesu_asr_models").set(1.0);
        self.model.send_replace(Some(name));
        self.wake.notify_all();
    }

    fn stop(&self) {
        let mut state = self.lock();
        self.stop.store(true, Ordering::Relaxed);
        // Dropping a job's sender answers it.
        state.queue = Queue::new(0);
        drop(state);
        self.wake.notify_all();
    }

    fn submit(&self, job: Job) -> Result<oneshot::Receiver<Result<Transcript, Unheard>>, Unheard> {
        let (answer, receiver) = oneshot::channel();
        let (priority, deadline) = (job.priority, job.deadline);
        let waiting = Waiting { since: Instant::now(), answer, job };
        let mut state = self.lock();
        let refused = if self.stopped() {
            Err((waiting, Unheard::Stopped))
        } else if state.recogniser.is_none() {
            Err((waiting, Unheard::NoModel))
        } else {
            match state.queue.push(priority, deadline, waiting) {
                Pushed::Taken => Ok(None),
                Pushed::InsteadOf(background) => Ok(Some(background)),
                Pushed::Full(waiting) => Err((waiting, Unheard::QueueFull)),
            }
        };
        depth(&state.queue);
        drop(state);
        match refused {
            Ok(pushed_out) => {
                self.wake.notify_one();
                if let Some(background) = pushed_out {
                    background.answer(Err(Unheard::QueueFull));
                }
                Ok(receiver)
            }
            Err((waiting, why)) => {
                count(&waiting.job, why.name());
                Err(why)
            }
        }
    }

    /// One worker's life.
    fn work(&self) {
        yield_to_media();
        let mut ears: Option<(u64, Box<dyn Worker>)> = None;
        while let Some((waiting, generation, recogniser)) = self.next() {
            metrics::histogram!("jiesu_asr_wait_seconds").record(waiting.since.elapsed());
            let heard = self.hear(&waiting.job, generation, &*recogniser, &mut ears);
            waiting.answer(heard);
        }
    }

    /// The next job that is worth hearing; `None` when it is time to stop.
    fn next(&self) -> Option<(Waiting, u64, Arc<dyn Recogniser>)> {
        let mut state = self.lock();
        loop {
            if self.stopped() {
                return None;
            }
            if let Some((generation, recogniser)) = state.recogniser.clone() {
                let next = state.queue.pop(Instant::now());
                depth(&state.queue);
                match next {
                    Some(Next::Due(waiting)) if waiting.answer.is_closed() => {
                        count(&waiting.job, "taken_back");
                        continue;
                    }
                    Some(Next::Due(waiting)) => return Some((waiting, generation, recogniser)),
                    Some(Next::Expired(waiting)) => {
                        waiting.answer(Err(Unheard::TooLate));
                        continue;
                    }
                    None => {}
                }
            }
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn hear(
        &self,
        job: &Job,
        generation: u64,
        recogniser: &dyn Recogniser,
        ears: &mut Option<(u64, Box<dyn Worker>)>,
    ) -> Result<Transcript, Unheard> {
        let pcm = read(&job.file)?;
        let audio = Duration::from_secs_f64(pcm.len() as f64 / f64::from(RATE));
        let until = Until::new(job.deadline, self.stop.clone());
        let began = Instant::now();
        // An engine that panics costs one text, not the thread.
        let heard = catch_unwind(AssertUnwindSafe(|| {
            if ears.as_ref().is_none_or(|(of, _)| *of != generation) {
                *ears = Some((generation, recogniser.worker()?));
            }
            let (_, worker) = ears.as_mut().expect("made just now");
            worker.hear(&pcm, &until)
        }));
        let took = began.elapsed();
        metrics::histogram!("jiesu_asr_seconds").record(took);
        if !audio.is_zero() {
            metrics::histogram!("jiesu_asr_real_time_factor").record(took.as_secs_f64() / audio.as_secs_f64());
        }
        let heard = heard.unwrap_or_else(|_| Err(Fault::Engine("it panicked".to_owned())));
        match heard {
            Ok(heard) => {
                let (text, refused) = heard.map_or_else(|why| (String::new(), Some(why)), |text| (text, None));
                Ok(Transcript { text, refused, audio, took, model: recogniser.name().to_owned() })
            }
            Err(Fault::GivenUp) if self.stopped() => Err(Unheard::Stopped),
            Err(Fault::GivenUp) => Err(Unheard::TooLate),
            Err(Fault::Engine(what)) => {
                tracing::error!(what, file = %job.file.display(), "the recogniser failed");
                // Its state cannot be trusted any more.
                *ears = None;
                Err(Unheard::Failed(what))
            }
        }
    }

    /// Looks for a model until there is one.
    fn look(&self, mut shelf: Shelf, every: Duration) {
        let mut advised = false;
        loop {
            // Loading takes seconds: without the lock.
            let found = shelf.look();
            if let Some(recogniser) = found {
                self.adopt(recogniser);
                return;
            }
            if !std::mem::replace(&mut advised, true) {
                tracing::warn!("{}", shelf.advice());
            }
            let next = Instant::now() + every;
            let mut state = self.lock();
            loop {
                let left = next.saturating_duration_since(Instant::now());
                if self.stopped() || state.recogniser.is_some() {
                    return;
                }
                if left.is_zero() {
                    break;
                }
                state = self.wake.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }
}

impl Waiting {
    fn answer(self, heard: Result<Transcript, Unheard>) {
        let outcome = match &heard {
            Ok(transcript) if transcript.text.is_empty() => "nothing",
            Ok(_) => "heard",
            Err(why) => why.name(),
        };
        count(&self.job, outcome);
        if let Err(Unheard::Unreadable(what)) = &heard {
            tracing::warn!(what, file = %self.job.file.display(), "a recording cannot be heard");
        }
        // Nobody waits any more: the deadline passed or the call ended; the text is lost and heard again later.
        let _ = self.answer.send(heard);
    }
}

fn count(job: &Job, outcome: &'static str) {
    metrics::counter!("jiesu_asr_total", "outcome" => outcome, "priority" => job.priority.name()).increment(1);
}

fn depth(queue: &Queue<Waiting>) {
    metrics::gauge!("jiesu_asr_waiting").set(queue.len() as f64);
}

/// The utterance as a recogniser wants it.
pub fn read(file: &Path) -> Result<Vec<f32>, Unheard> {
    let unreadable = |what: String| Unheard::Unreadable(what);
    let length = fs::metadata(file).map_err(|error| unreadable(error.to_string()))?.len();
    if length > MAX_FILE {
        return Err(unreadable(format!("{length} bytes are not one utterance; cut it into parts")));
    }
    let mut bytes = Vec::with_capacity(length as usize);
    let read = File::open(file).and_then(|file| file.take(MAX_FILE).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(error.to_string()))?;
    let pcm = wav::read(&bytes).map_err(|error| unreadable(error.to_string()))?;
    if pcm.duration() > LONGEST {
        return Err(unreadable(format!("{} s are not one utterance; cut it into parts", pcm.duration().as_secs())));
    }
    if pcm.rate == 0 {
        return Err(unreadable("a rate of 0 Hz".to_owned()));
    }
    Ok(pcm.to_16k_f32())
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
