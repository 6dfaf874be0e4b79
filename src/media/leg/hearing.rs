//! What a leg hears: utterances cut out by energy, the audio before them kept, chunks for the recorder.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use super::{Output, Recorded, Track};
use crate::audio::g711::Law;
use crate::media::command::{Event, ListenLimits, Segment, SegmentEnd};
use crate::media::endpointing::{self, Endpointer, Level, Said};
use crate::media::{FRAME, TICK};

/// Frames kept from before speech: 300 ms.
const BEFORE: usize = 15;
/// Frames handed to the recorder at once: 700 ms, so that a killed process loses less than a second (with the queue),
/// while waking the recorder and rewriting the header cost little.
const CHUNK: usize = 35;

#[derive(Default)]
pub(super) struct Hearing {
    level: Level,
    /// The last frames, whether listened to or not.
    before: VecDeque<[u8; FRAME]>,
    listening: Option<Listening>,
    all: Option<Chunk>,
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
    law: Law,
    octets: Vec<u8>,
}

impl Chunk {
    fn new(track: Track) -> Chunk {
        Chunk { track, law: Law::A, octets: Vec::new() }
    }

    fn push(&mut self, law: Law, frame: &[u8; FRAME], out: &mut VecDeque<Output>) {
        if law != self.law {
            self.flush(out);
            self.law = law;
        }
        if self.octets.is_empty() {
            self.octets.reserve_exact(CHUNK * FRAME);
        }
        self.octets.extend_from_slice(frame);
        if self.octets.len() >= CHUNK * FRAME {
            self.flush(out);
        }
    }

    fn flush(&mut self, out: &mut VecDeque<Output>) {
        if !self.octets.is_empty() {
            let octets = std::mem::take(&mut self.octets);
            out.push_back(Output::Record(Recorded::Audio { track: self.track, law: self.law, octets }));
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

    pub(super) fn record_all(&mut self, file: PathBuf, out: &mut VecDeque<Output>) {
        self.close_all(out);
        out.push_back(Output::Record(Recorded::Open { track: Track::All, file }));
        self.all = Some(Chunk::new(Track::All));
    }

    fn close_all(&mut self, out: &mut VecDeque<Output>) {
        if let Some(mut chunk) = self.all.take() {
            chunk.flush(out);
            out.push_back(Output::Record(Recorded::Close { track: Track::All, segment: None }));
        }
    }

    pub(super) fn close(&mut self, out: &mut VecDeque<Output>) {
        self.stop(SegmentEnd::HungUp, out);
        self.close_all(out);
    }

    /// The law changes: what was kept cannot be decoded with the new one.
    pub(super) fn forget(&mut self) {
        self.before.clear();
    }

    /// One tick's frame; `came`: it is audio that was received, not a stand-in.
    pub(super) fn frame(&mut self, law: Law, frame: &[u8; FRAME], came: bool, out: &mut VecDeque<Output>) {
        self.level.frame(came.then(|| endpointing::dbfs(law, frame)));
        if let Some(all) = &mut self.all {
            all.push(law, frame, out);
        }
        if let Some(listening) = &mut self.listening
            && let Some(end) = listening.frame(law, frame, &self.level, &self.before, out)
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
        if self.before.len() >= BEFORE {
            self.before.pop_front();
        }
        self.before.push_back(*frame);
    }
}

impl Listening {
    /// `Some` when the listen is over: how the utterance ended, or `None` for no utterance.
    fn frame(
        &mut self,
        law: Law,
        frame: &[u8; FRAME],
        level: &Level,
        before: &VecDeque<[u8; FRAME]>,
        out: &mut VecDeque<Output>,
    ) -> Option<Option<SegmentEnd>> {
        let kept = TICK * before.len() as u32;
        let said = self.endpointer.frame(level, kept, &self.limits);
        match said {
            Said::Nothing => return None,
            Said::NoInput => return Some(None),
            Said::Begins => {
                out.push_back(Output::Record(Recorded::Open { track: Track::Utterance, file: self.file.clone() }));
                for frame in before {
                    self.chunk.push(law, frame, out);
                }
            }
            Said::Goes | Said::EndsInSilence | Said::EndsByLength => {}
        }
        self.chunk.push(law, frame, out);
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
