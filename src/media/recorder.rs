//! Recordings on disk: WAV, 16 bit, mono; 8 kHz, or 16 kHz where the call began in a wideband codec.
//!
//! Its own threads write, behind bounded queues, so a slow disk never delays a packet. Each chunk (700 ms) is followed
//! by the header that makes it playable, so a killed process leaves a file that ends within a second of the kill. A
//! closed file is fsynced, and its directory, before its utterance is reported. A fault of the disk is the segment's
//! `error`; the call goes on.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use hound::{SampleFormat, WavSpec, WavWriter};
use tokio::sync::mpsc;

use super::command::{Event, LegId, Segment};
use super::leg::Track;
use crate::audio::{Coding, resample};

/// Jobs that may wait for one thread: about three seconds of what it has to write at 1,500 calls, 3 MB at most.
const WAITING: usize = 1024;

fn spec(rate: u32) -> WavSpec {
    WavSpec { channels: 1, sample_rate: rate, bits_per_sample: 16, sample_format: SampleFormat::Int }
}

pub(super) type Key = (LegId, Track);

/// In the order of one leg's [`super::leg::Recorded`].
#[derive(Debug)]
pub(super) enum Job {
    Open {
        key: Key,
        file: PathBuf,
        /// Of the file, in samples a second.
        rate: u32,
    },
    Audio {
        key: Key,
        coding: Coding,
        octets: Vec<u8>,
    },
    /// `dropped`: chunks that the queue had no room for.
    Close {
        key: Key,
        segment: Option<Box<Segment>>,
        dropped: u32,
        events: mpsc::Sender<Event>,
    },
    /// An event that must come after the segments before it.
    Tell {
        leg: LegId,
        event: Box<Event>,
        events: mpsc::Sender<Event>,
    },
}

impl Job {
    fn leg(&self) -> LegId {
        match self {
            Job::Open { key, .. } | Job::Audio { key, .. } | Job::Close { key, .. } => key.0,
            Job::Tell { leg, .. } => *leg,
        }
    }
}

/// The way to the threads; when the last clone is dropped they finish what waits and end.
#[derive(Clone)]
pub(super) struct Recorder {
    queues: Arc<[SyncSender<Job>]>,
}

impl Recorder {
    pub(super) fn start(threads: usize) -> io::Result<(Recorder, Vec<JoinHandle<()>>)> {
        let mut queues = Vec::new();
        let mut joins = Vec::new();
        for n in 0..threads.max(1) {
            let (queue, jobs) = sync_channel(WAITING);
            joins.push(thread::Builder::new().name(format!("recorder-{n}")).spawn(move || write(&jobs))?);
            queues.push(queue);
        }
        Ok((Recorder { queues: queues.into() }, joins))
    }

    /// Never waits; a leg's jobs are done in their order.
    ///
    /// # Errors
    /// The job, where the disk is too slow for the queue.
    pub(super) fn give(&self, job: Job) -> Result<(), Job> {
        let queue = &self.queues[job.leg().serial as usize % self.queues.len()];
        queue.try_send(job).map_err(|error| match error {
            TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
        })
    }
}

enum State {
    Writing { file: Arc<File>, wav: WavWriter<Tray>, rate: u32, samples: u64 },
    Failed(String),
}

/// Octets of the header.
const HEADER: usize = 44;

/// A file whose header is put together in memory: hound changes it in four small writes, for every chunk.
struct Tray {
    file: Arc<File>,
    header: [u8; HEADER],
    at: u64,
    end: u64,
}

impl Tray {
    fn new(file: Arc<File>) -> Tray {
        Tray { file, header: [0; HEADER], at: 0, end: 0 }
    }
}

impl Write for Tray {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let at = self.at as usize;
        let length = match self.header.get_mut(at..) {
            Some(rest) if !rest.is_empty() => {
                let length = octets.len().min(rest.len());
                rest[..length].copy_from_slice(&octets[..length]);
                length
            }
            _ => self.file.write_at(octets, self.at)?,
        };
        self.at += length as u64;
        self.end = self.end.max(self.at);
        Ok(length)
    }

    /// What hound does last, after the samples: from now on the header tells of them.
    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.header, 0)
    }
}

impl Seek for Tray {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// One thread's work.
fn write(jobs: &Receiver<Job>) {
    let mut files: HashMap<Key, (PathBuf, State)> = HashMap::new();
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Open { key, file, rate } => {
                let state = open(&file, rate).unwrap_or_else(|error| State::Failed(error.to_string()));
                files.insert(key, (file, state));
            }
            Job::Audio { key, coding, octets } => {
                if let Some((_, state)) = files.get_mut(&key) {
                    state.append(coding, &octets);
                }
            }
            Job::Close { key, segment, dropped, events } => {
                let Some((path, state)) = files.remove(&key) else { continue };
                let begun = Instant::now();
                let closed = state.close(&path);
                metrics::histogram!("jiesu_recording_seal_seconds").record(begun.elapsed().as_secs_f64());
                report(&path, closed, segment, dropped, &events);
            }
            Job::Tell { event, events, .. } => tell(&events, *event),
        }
    }
    // Only a media thread that ended without closing its legs leaves files here.
    for (_, (path, state)) in files {
        report(&path, state.close(&path), None, 0, &mpsc::channel(1).0);
    }
}

fn report(
    path: &Path,
    closed: Result<Duration, String>,
    segment: Option<Box<Segment>>,
    dropped: u32,
    events: &mpsc::Sender<Event>,
) {
    let error = match &closed {
        Err(error) => Some(format!("{}: {error}", path.display())),
        Ok(_) if dropped > 0 => Some(format!("{}: the disk was too slow for {dropped} chunks of it", path.display())),
        Ok(_) => None,
    };
    if let Some(error) = &error {
        metrics::counter!("jiesu_recording_faults_total").increment(1);
        tracing::error!(error, "a recording is not whole");
    }
    let Some(mut segment) = segment else { return };
    if let Ok(duration) = closed {
        segment.duration = duration;
        segment.speech = segment.speech.min(segment.duration);
    }
    segment.error = error;
    tell(events, Event::Segment(*segment));
}

fn tell(events: &mpsc::Sender<Event>, event: Event) {
    // A leg's task that is gone needs no event; one that reads no more for its whole queue is counted.
    if let Err(mpsc::error::TrySendError::Full(event)) = events.try_send(event) {
        metrics::counter!("jiesu_media_events_dropped_total").increment(1);
        tracing::error!(?event, "a call's task does not take its audio events");
    }
}

fn open(path: &Path, rate: u32) -> io::Result<State> {
    let create = || OpenOptions::new().write(true).create(true).truncate(true).mode(0o640).open(path);
    let file = match create() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                make(parent)?;
            }
            create()?
        }
        other => other?,
    };
    let file = Arc::new(file);
    let mut wav = WavWriter::new(Tray::new(file.clone()), spec(rate)).map_err(io::Error::other)?;
    wav.flush().map_err(io::Error::other)?;
    Ok(State::Writing { file, wav, rate, samples: 0 })
}

/// Makes a directory and those above it, each durable.
fn make(directory: &Path) -> io::Result<()> {
    if directory.as_os_str().is_empty() || directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        make(parent)?;
    }
    match std::fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {} // made here or by another thread just now
    }
    sync_directory(directory)
}

/// Makes the name of a file or directory durable: fsync of the directory that holds it.
fn sync_directory(entry: &Path) -> io::Result<()> {
    let parent = entry.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

impl State {
    /// One chunk and the header that makes it playable.
    fn append(&mut self, coding: Coding, octets: &[u8]) {
        let State::Writing { wav, rate, samples, .. } = self else { return };
        let mut sound = coding.samples(octets);
        if coding.rate() != *rate {
            // The codec changed while the file was open.
            sound = resample::to_rate(&sound, coding.rate(), *rate);
        }
        let mut chunk = wav.get_i16_writer(sound.len() as u32);
        sound.iter().for_each(|sample| chunk.write_sample(*sample));
        match chunk.flush().and_then(|()| wav.flush()) {
            Ok(()) => *samples += sound.len() as u64,
            Err(error) => *self = State::Failed(error.to_string()),
        }
    }

    /// Seals the file; gives its length.
    fn close(self, path: &Path) -> Result<Duration, String> {
        match self {
            State::Failed(error) => Err(error),
            State::Writing { file, wav, rate, samples } => wav
                .finalize()
                .map_err(|error| error.to_string())
                .and_then(|()| file.sync_all().map_err(|error| error.to_string()))
                .and_then(|()| sync_directory(path).map_err(|error| error.to_string()))
                .map(|()| Duration::from_micros(samples * 1_000_000 / u64::from(rate))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::g711::Law;
    use crate::media::SegmentEnd;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    const LEG: LegId = LegId { thread: 0, serial: 5 };
    const UTTERANCE: Key = (LEG, Track::Utterance);

    fn segment(file: &Path) -> Segment {
        Segment {
            listen: 1,
            file: file.to_owned(),
            duration: Duration::from_secs(9),
            speech: Duration::from_secs(9),
            ended: SegmentEnd::Silence,
            error: None,
        }
    }

    fn give(recorder: &Recorder, job: Job) {
        recorder.give(job).expect("the queue has room");
    }

    /// Records one chunk into `file` and gives the segment.
    fn record(file: &Path, dropped: u32) -> Segment {
        let (recorder, joins) = Recorder::start(2).expect("threads");
        let (events, mut told) = mpsc::channel(4);
        give(&recorder, Job::Open { key: UTTERANCE, file: file.to_owned(), rate: 8_000 });
        give(&recorder, Job::Audio { key: UTTERANCE, coding: Coding::Law(Law::A), octets: vec![0x55; 1600] });
        let segment = Some(Box::new(segment(file)));
        give(&recorder, Job::Close { key: UTTERANCE, segment, dropped, events: events.clone() });
        give(&recorder, Job::Tell { leg: LEG, event: Box::new(Event::Inactive), events });
        drop(recorder);
        joins.into_iter().for_each(|join| join.join().expect("no panic"));
        let Some(Event::Segment(segment)) = told.blocking_recv() else { panic!("a segment was due") };
        assert_eq!(told.blocking_recv(), Some(Event::Inactive), "in order");
        segment
    }

    #[test]
    fn a_sealed_file_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("a/b/c.wav");
        let segment = record(&file, 0);
        assert_eq!((segment.duration, segment.error), (Duration::from_millis(200), None));
        assert_eq!(segment.speech, Duration::from_millis(200), "no more speech than file");
        let wav = hound::WavReader::open(&file).expect("a WAV file");
        assert_eq!((wav.spec(), wav.len()), (spec(8_000), 1600));
        let loudness: Vec<i16> = wav.into_samples().map(|s| s.expect("a sample")).collect();
        assert!(loudness.iter().all(|s| *s == Law::A.decode(0x55)));
    }

    #[test]
    fn a_fault_of_the_disk_is_the_segments_error() {
        let folder = tempfile::tempdir().expect("a folder");
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "no directory").expect("it can be written");
        for file in [Path::new("/dev/full"), &blocked.join("x.wav"), Path::new("/proc/nowhere/x.wav")] {
            let error = record(file, 0).error.unwrap_or_else(|| panic!("{} is no place for a file", file.display()));
            assert!(error.contains(&file.display().to_string()), "{error}");
        }
        let slow = record(&folder.path().join("x.wav"), 3);
        assert!(slow.error.is_some_and(|error| error.contains("too slow for 3 chunks")));
    }

    const CHILD: &str = "JIESU_TEST_RECORD_TO";

    /// Not a test: the process that is killed. Records in real time and says how many samples it has given.
    #[test]
    fn child_that_records() {
        let Some(file) = std::env::var_os(CHILD) else { return };
        let (recorder, _joins) = Recorder::start(1).expect("threads");
        give(&recorder, Job::Open { key: UTTERANCE, file: file.into(), rate: 8_000 });
        let begun = Instant::now();
        for n in 1..1000u32 {
            thread::park_timeout((begun + Duration::from_millis(400) * n).saturating_duration_since(Instant::now()));
            println!("given {}", 3200 * n);
            give(&recorder, Job::Audio { key: UTTERANCE, coding: Coding::Law(Law::A), octets: vec![n as u8; 3200] });
        }
    }

    #[test]
    fn a_killed_process_leaves_a_playable_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("x.wav");
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "media::recorder::tests::child_that_records", "--nocapture"])
            .env(CHILD, &file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let kill_after = 3200 * (3 + rand::random::<u32>() % 4);
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let given = output
            .lines()
            .filter_map(|line| line.expect("text").split_once("given ")?.1.parse::<u32>().ok())
            .find(|given| *given >= kill_after)
            .expect("the child records");
        child.kill().expect("SIGKILL");
        child.wait().expect("it is dead");
        let wav = hound::WavReader::open(&file).expect("it is playable");
        let length = wav.len();
        assert!(length + 8000 >= given, "{length} of {given} samples");
        let samples: Vec<i16> = wav.into_samples().map(|s| s.expect("every sample is there")).collect();
        let wanted = (0..length).map(|i| Law::A.decode((i / 3200 + 1) as u8));
        assert!(samples.into_iter().eq(wanted));
    }
}
