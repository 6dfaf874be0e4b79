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

use super::models::{Loaded, Models};
use super::queue::{Next, Pushed, Queue};
use super::shelf::Shelf;
use super::{Config, Fault, Job, Priority, Purpose, RATE, Recogniser, Said, Transcript, Unheard, Until, Worker, words};
use crate::audio::wav;

/// A recording longer than this (about an hour at 8 kHz) is not one utterance.
const MAX_FILE: u64 = 64 << 20;
/// The same for codings of a byte a sample.
const LONGEST: Duration = Duration::from_secs(3600);

/// A text that is pending may be put off for callers so often; then it is heard to its end. A correction always may.
const INTERRUPTIONS: u32 = 3;

/// How much the latest utterance counts in what one takes on the average.
const LATEST: f64 = 0.1;

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
    prompt: usize,
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
    models: Models,
    /// What each thread hears; `None` while it waits for work.
    hearing: Vec<Option<Running>>,
    /// What a live utterance takes on the average.
    usual: Duration,
}

/// An utterance that is being heard.
struct Running {
    /// Set to take the thread away from it; `None` where it is heard to its end.
    interrupt: Option<Arc<AtomicBool>>,
}

/// One thread's ears, one pair for each model that it has used.
type Ears = [Option<(u64, Box<dyn Worker>)>; Models::PLACES];

struct Waiting {
    job: Job,
    since: Instant,
    interruptions: u32,
    answer: oneshot::Sender<Result<Transcript, Unheard>>,
}

impl Asr {
    /// Starts the threads. A given recogniser hears complaints; a watcher looks for the files of models that are
    /// missing until they have come.
    pub fn start(config: &Config, recogniser: Option<Arc<dyn Recogniser>>) -> Asr {
        let missing = Shelf::all(config, recogniser.is_some());
        let workers = config.workers.max(1);
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                queue: Queue::new(config.queue),
                models: Models::default(),
                hearing: (0..workers).map(|_| None).collect(),
                usual: Duration::ZERO,
            }),
            wake: Condvar::new(),
            stop: Arc::default(),
            model: watch::Sender::new(None),
        });
        metrics::gauge!("jiesu_asr_models").set(0.0);
        if let Some(recogniser) = recogniser {
            shared.adopt(Purpose::Complaint, recogniser);
        }
        let mut threads = Vec::new();
        for i in 0..workers {
            let shared = shared.clone();
            threads.extend(spawn(format!("asr {i}"), move || shared.work(i)));
        }
        if !missing.is_empty() {
            let (shared, every) = (shared.clone(), config.look_every);
            threads.extend(spawn("asr shelf".to_owned(), move || shared.look(missing, every)));
        }
        Asr(Arc::new(Owner { shared, prompt: config.prompt, threads: Mutex::new(threads) }))
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

    /// The name of the model that hears complaints; changes when one arrives. Whoever keeps tickets with pending text
    /// waits on it.
    pub fn model(&self) -> watch::Receiver<Option<String>> {
        self.0.shared.model.subscribe()
    }

    /// How many characters of names a job's prompt may have; 0: none is wanted.
    pub fn prompt_length(&self) -> usize {
        self.0.prompt
    }

    /// Utterances in the queue.
    pub fn waiting(&self) -> usize {
        self.0.shared.lock().queue.len()
    }

    /// Whether there is a model that was meant for `purpose` (and no other stands in for it).
    pub fn has(&self, purpose: Purpose) -> bool {
        self.0.shared.lock().models.meant(purpose).is_some()
    }

    /// From the next utterance of this purpose on this recogniser hears.
    pub fn adopt(&self, purpose: Purpose, recogniser: Arc<dyn Recogniser>) {
        self.0.shared.adopt(purpose, recogniser);
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

    fn adopt(&self, purpose: Purpose, recogniser: Arc<dyn Recogniser>) {
        let mut state = self.lock();
        state.models.put(purpose, recogniser);
        metrics::gauge!("jiesu_asr_models").set(state.models.count() as f64);
        let name = state.models.hears(Purpose::Complaint).map(|loaded| loaded.recogniser.name().to_owned());
        // Under the lock: two that arrive at once must not leave the older name.
        self.model.send_replace(name);
        drop(state);
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
        let live = priority == Priority::Live;
        let waiting = Waiting { since: Instant::now(), interruptions: 0, answer, job };
        let mut state = self.lock();
        let refused = if self.stopped() {
            Err((waiting, Unheard::Stopped))
        } else if state.models.hears(waiting.job.purpose).is_none() {
            Err((waiting, Unheard::NoModel))
        } else if live && state.too_busy(deadline.saturating_duration_since(waiting.since)) {
            Err((waiting, Unheard::Overloaded))
        } else {
            match state.queue.push(priority, deadline, waiting) {
                Pushed::Taken => Ok(None),
                Pushed::InsteadOf(background) => Ok(Some(background)),
                Pushed::Full(waiting) => Err((waiting, Unheard::QueueFull)),
            }
        };
        if live && refused.is_ok() {
            state.make_way();
        }
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
    fn work(&self, thread: usize) {
        yield_to_media();
        let mut ears = Ears::default();
        while let Some((waiting, loaded, interrupt)) = self.next(thread) {
            let waited = waiting.since.elapsed();
            metrics::histogram!("jiesu_asr_wait_seconds").record(waited);
            let until = Until::new(waiting.job.deadline, self.stop.clone()).or(interrupt.clone());
            let heard = self.hear(&waiting.job, waited, &loaded, &mut ears, &until);
            let mut state = self.lock();
            state.hearing[thread] = None;
            if let (Ok(heard), Priority::Live) = (&heard, waiting.job.priority) {
                let latest = if state.usual.is_zero() { 1.0 } else { LATEST };
                state.usual = state.usual.mul_f64(1.0 - latest) + heard.took.mul_f64(latest);
            }
            let put_off = heard == Err(Unheard::TooLate) && interrupt.load(Ordering::Relaxed);
            if put_off && !self.stopped() && Instant::now() < waiting.job.deadline {
                state.put_back(waiting);
                continue;
            }
            drop(state);
            waiting.answer(heard);
        }
    }

    /// The next job that is worth hearing, and with what; `None` when it is time to stop.
    fn next(&self, thread: usize) -> Option<(Waiting, Loaded, Arc<AtomicBool>)> {
        let mut state = self.lock();
        loop {
            if self.stopped() {
                return None;
            }
            let next = state.queue.pop(Instant::now());
            depth(&state.queue);
            match next {
                Some(Next::Due(waiting)) if waiting.answer.is_closed() => count(&waiting.job, "taken_back"),
                Some(Next::Due(waiting)) => match state.models.hears(waiting.job.purpose).cloned() {
                    Some(loaded) => {
                        let interrupt: Arc<AtomicBool> = Arc::default();
                        let may = waiting.may_be_interrupted().then(|| interrupt.clone());
                        state.hearing[thread] = Some(Running { interrupt: may });
                        return Some((waiting, loaded, interrupt));
                    }
                    // A model that is there stays; so this does not happen.
                    None => waiting.answer(Err(Unheard::NoModel)),
                },
                Some(Next::Expired(waiting)) => waiting.answer(Err(Unheard::TooLate)),
                None => state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn hear(
        &self,
        job: &Job,
        waited: Duration,
        loaded: &Loaded,
        ears: &mut Ears,
        until: &Until,
    ) -> Result<Transcript, Unheard> {
        let Loaded { slot, generation, recogniser } = loaded;
        let ears = &mut ears[*slot];
        let pcm = read(&job.file)?;
        let audio = Duration::from_secs_f64(pcm.len() as f64 / f64::from(RATE));
        let began = Instant::now();
        // An engine that panics costs one text, not the thread.
        let heard = catch_unwind(AssertUnwindSafe(|| {
            if ears.as_ref().is_none_or(|(of, _)| of != generation) {
                *ears = Some((*generation, recogniser.worker()?));
            }
            let (_, worker) = ears.as_mut().expect("made just now");
            worker.expect(job.prompt.as_deref());
            worker.hear(&pcm, until)
        }));
        let took = began.elapsed();
        let purpose = job.purpose.name();
        metrics::histogram!("jiesu_asr_seconds", "purpose" => purpose).record(took);
        if !audio.is_zero() {
            let factor = took.as_secs_f64() / audio.as_secs_f64();
            metrics::histogram!("jiesu_asr_real_time_factor", "purpose" => purpose).record(factor);
        }
        let heard = heard.unwrap_or_else(|_| Err(Fault::Engine("it panicked".to_owned())));
        match heard {
            Ok(heard) => {
                let (said, refused) = heard.map_or_else(|why| (Said::default(), Some(why)), |said| (said, None));
                let Said { text, words } = said;
                let words = if words.is_empty() { words::split(&pcm, &text) } else { words };
                Ok(Transcript { text, words, refused, audio, waited, took, model: recogniser.name().to_owned() })
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

    /// Looks for models until all that may come have come.
    fn look(&self, mut missing: Vec<(Purpose, Shelf)>, every: Duration) {
        let mut advised = false;
        loop {
            missing.retain_mut(|(purpose, shelf)| {
                // Loading takes seconds: without the lock.
                let found = if self.stopped() { None } else { shelf.look() };
                found.map(|recogniser| self.adopt(*purpose, recogniser)).is_none()
            });
            if missing.is_empty() {
                return;
            }
            if !std::mem::replace(&mut advised, true) {
                missing.iter().for_each(|(_, shelf)| tracing::warn!("{}", shelf.advice()));
            }
            let next = Instant::now() + every;
            let mut state = self.lock();
            loop {
                let left = next.saturating_duration_since(Instant::now());
                // Somebody may have brought one by hand.
                missing.retain(|(purpose, _)| state.models.meant(*purpose).is_none());
                if self.stopped() || missing.is_empty() {
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

impl State {
    /// Whether those who wait already take all the time that is `left`. While nobody waits it is always tried: how fast
    /// it goes is known from what was heard.
    fn too_busy(&self, left: Duration) -> bool {
        let waiting = self.queue.live();
        waiting > 0 && self.usual.mul_f64((waiting + 1) as f64 / self.hearing.len() as f64) > left
    }

    /// Takes a thread away from background work if a live utterance would have to wait for it.
    fn make_way(&mut self) {
        let free = self.hearing.iter().filter(|running| running.is_none()).count();
        let running = || self.hearing.iter().flatten().filter_map(|running| running.interrupt.as_ref());
        let coming = running().filter(|interrupt| interrupt.load(Ordering::Relaxed)).count();
        if self.queue.live() > free + coming
            && let Some(interrupt) = running().find(|interrupt| !interrupt.load(Ordering::Relaxed))
        {
            interrupt.store(true, Ordering::Relaxed);
        }
    }

    /// Background work that had to make way waits again, unless its place has been taken.
    fn put_back(&mut self, mut waiting: Waiting) {
        count(&waiting.job, "interrupted");
        waiting.interruptions += 1;
        if let Pushed::Full(waiting) = self.queue.push(waiting.job.priority, waiting.job.deadline, waiting) {
            waiting.answer(Err(Unheard::QueueFull));
        }
        depth(&self.queue);
    }
}

impl Waiting {
    fn may_be_interrupted(&self) -> bool {
        self.job.priority == Priority::Background
            && (self.job.purpose == Purpose::Correction || self.interruptions < INTERRUPTIONS)
    }

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
