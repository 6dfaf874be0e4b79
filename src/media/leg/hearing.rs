//! What a leg hears: utterances cut out by energy, the audio before them kept, chunks for the recorder.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use super::{Output, Recorded, Track};
use crate::audio::Coding;
use crate::audio::g711::Law;
use crate::media::TICK;
use crate::media::command::{Event, ListenLimits, Segment, SegmentEnd};
use crate::media::endpointing::{Endpointer, Level, Said};

/// Frames kept from before speech: 300 ms.
const BEFORE: usize = 15;
/// Frames handed to the recorder at once: 700 ms, so that a killed process loses less than a second (with the queue),
/// while waking the recorder and rewriting the header cost little.
const CHUNK: usize = 35;

#[derive(Default)]
pub(super) struct Hearing {
    level: Level,
    before: Before,
    listening: Option<Listening>,
    all: Option<All>,
}

/// Everything is recorded.
struct All {
    chunk: Chunk,
    /// What is said of it when it is sealed.
    segment: Option<Segment>,
}

/// The last frames, whether listened to or not.
#[derive(Default)]
struct Before {
    /// A ring.
    octets: Vec<u8>,
    /// Where the next frame goes; what lies there is the oldest, once the ring is full.
    at: usize,
    frames: usize,
}

impl Before {
    /// All have one coding: it is emptied where that changes.
    fn push(&mut self, frame: &[u8]) {
        if self.octets.len() < BEFORE * frame.len() {
            self.octets.resize(BEFORE * frame.len(), 0);
        }
        self.octets[self.at..self.at + frame.len()].copy_from_slice(frame);
        self.at = (self.at + frame.len()) % self.octets.len();
        self.frames = (self.frames + 1).min(BEFORE);
    }

    /// In their order.
    fn parts(&self) -> [&[u8]; 2] {
        let (newest, oldest) = self.octets.split_at(self.at);
        [if self.frames == BEFORE { oldest } else { &[] }, newest]
    }

    fn clear(&mut self) {
        *self = Before::default();
    }
}

struct Listening {
    listen: u32,
    file: PathBuf,
    limits: ListenLimits,
    endpointer: Endpointer,
    chunk: Chunk,
}

/// Audio on its way to the recorder.
struct Chunk {
    track: Track,
    coding: Coding,
    octets: Vec<u8>,
}

impl Chunk {
    fn new(track: Track) -> Chunk {
        Chunk { track, coding: Coding::Law(Law::A), octets: Vec::new() }
    }

    fn push(&mut self, coding: Coding, octets: &[u8], out: &mut VecDeque<Output>) {
        if coding != self.coding {
            self.flush(out);
            self.coding = coding;
        }
        let whole = CHUNK * coding.frame();
        if self.octets.is_empty() {
            self.octets.reserve_exact(whole);
        }
        self.octets.extend_from_slice(octets);
        if self.octets.len() >= whole {
            self.flush(out);
        }
    }

    fn flush(&mut self, out: &mut VecDeque<Output>) {
        if !self.octets.is_empty() {
            let octets = std::mem::take(&mut self.octets);
            out.push_back(Output::Record(Recorded::Audio { track: self.track, coding: self.coding, octets }));
        }
    }
}

impl Hearing {
    pub(super) fn listen(&mut self, listen: u32, file: PathBuf, limits: ListenLimits, out: &mut VecDeque<Output>) {
        self.stop(SegmentEnd::Stopped, out);
        let chunk = Chunk::new(Track::Utterance);
        self.listening = Some(Listening { listen, file, limits, endpointer: Endpointer::default(), chunk });
    }

    /// Ends a listen; says nothing if there was no speech.
    pub(super) fn stop(&mut self, ended: SegmentEnd, out: &mut VecDeque<Output>) {
        if let Some(listening) = self.listening.take() {
            listening.end(ended, out);
        }
    }

    /// Whether the key ended a listen.
    pub(super) fn key(&mut self, key: char, out: &mut VecDeque<Output>) -> bool {
        let Some(listening) = self.listening.take_if(|listening| listening.limits.end_keys.contains(key)) else {
            return false;
        };
        let listen = listening.listen;
        if !listening.end(SegmentEnd::Key(key), out) {
            out.push_back(Output::Event(Event::NoInput { listen }));
        }
        true
    }

    pub(super) fn record_all(
        &mut self,
        listen: Option<u32>,
        file: PathBuf,
        coding: Coding,
        out: &mut VecDeque<Output>,
    ) {
        self.close_all(out);
        let (duration, speech, ended) = (Duration::ZERO, Duration::ZERO, SegmentEnd::HungUp);
        let segment = listen.map(|listen| {
            let file = file.clone();
            Segment { listen, file, duration, speech, ended, error: None }
        });
        out.push_back(Output::Record(Recorded::Open { track: Track::All, file, coding }));
        self.all = Some(All { chunk: Chunk::new(Track::All), segment });
    }

    fn close_all(&mut self, out: &mut VecDeque<Output>) {
        if let Some(All { mut chunk, segment }) = self.all.take() {
            chunk.flush(out);
            out.push_back(Output::Record(Recorded::Close { track: Track::All, segment }));
        }
    }

    pub(super) fn close(&mut self, out: &mut VecDeque<Output>) {
        self.stop(SegmentEnd::HungUp, out);
        self.close_all(out);
    }

    /// The coding changes: what was kept is in the old one.
    pub(super) fn forget(&mut self) {
        self.before.clear();
    }

    /// One tick's frame; `came`: it is audio that was received, not a stand-in.
    pub(super) fn frame(&mut self, coding: Coding, frame: &[u8], came: bool, out: &mut VecDeque<Output>) {
        self.level.frame(came.then(|| coding.dbfs(frame)));
        if let Some(all) = &mut self.all {
            all.chunk.push(coding, frame, out);
            if let Some(segment) = &mut all.segment {
                segment.duration += TICK;
                segment.speech += if self.level.is_loud() { TICK } else { Duration::ZERO };
            }
        }
        if let Some(listening) = &mut self.listening
            && let Some(end) = listening.frame(coding, frame, &self.level, &self.before, out)
        {
            let listen = listening.listen;
            match end {
                Some(ended) => self.stop(ended, out),
                None => {
                    self.listening = None;
                    out.push_back(Output::Event(Event::NoInput { listen }));
                }
            }
        }
        self.before.push(frame);
    }
}

impl Listening {
    /// `Some` when the listen is over: how the utterance ended, or `None` for no utterance.
    fn frame(
        &mut self,
        coding: Coding,
        frame: &[u8],
        level: &Level,
        before: &Before,
        out: &mut VecDeque<Output>,
    ) -> Option<Option<SegmentEnd>> {
        let kept = TICK * before.frames as u32;
        let said = self.endpointer.frame(level, kept, &self.limits);
        match said {
            Said::Nothing => return None,
            Said::NoInput => return Some(None),
            Said::Begins => {
                out.push_back(Output::Record(Recorded::Open {
                    track: Track::Utterance,
                    file: self.file.clone(),
                    coding,
                }));
                for part in before.parts() {
                    self.chunk.push(coding, part, out);
                }
            }
            Said::Goes | Said::EndsInSilence | Said::EndsByLength => {}
        }
        self.chunk.push(coding, frame, out);
        match said {
            Said::EndsInSilence => Some(Some(SegmentEnd::Silence)),
            Said::EndsByLength => Some(Some(SegmentEnd::Max)),
            _ => None,
        }
    }

    /// Seals the utterance; says whether there was one.
    fn end(mut self, ended: SegmentEnd, out: &mut VecDeque<Output>) -> bool {
        let Some((duration, speech)) = self.endpointer.spoken() else { return false };
        self.chunk.flush(out);
        let segment = Segment {
            listen: self.listen,
            file: self.file,
            duration,
            speech: speech.min(duration).max(Duration::ZERO),
            ended,
            error: None,
        };
        out.push_back(Output::Record(Recorded::Close { track: Track::Utterance, segment: Some(segment) }));
        true
    }
}
