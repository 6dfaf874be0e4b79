//! What a leg hears: utterances cut out of the sound, the audio before them kept, chunks for the recorder.
//!
//! A frame is speech when the network that knows voices says so, or, where it says nothing, when it stands out of the
//! line's noise; and when it is not our own prompt come back.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use super::voice::{Answer, Attention};
use super::{Output, Recorded, Track};
use crate::audio::Coding;
use crate::audio::g711::Law;
use crate::media::TICK;
use crate::media::command::{Event, ListenLimits, Segment, SegmentEnd};
use crate::media::echo::Echo;
use crate::media::endpointing::{Endpointer, Level, Recent, Said};

/// Frames from before speech that belong to an utterance: 300 ms.
const BEFORE: usize = 15;
/// Where the network decides: its answer comes later, and it is slow to believe a voice that begins in a hum.
const LAG: usize = 15;
/// Frames that are kept: who speaks over a prompt has begun some time before it stops and somebody listens.
const KEPT: usize = 60;
/// Nothing below is speech, whatever the network says (dBFS).
const QUIETEST: f32 = -50.0;
/// Who speaks over a prompt is believed when so many of the last frames are speech, (many, of how many): by the network,
/// and by energy alone, which takes a cough or a door for speech.
const INSISTS: (u32, u32) = (13, 20);
const INSISTS_LOUDLY: (u32, u32) = (22, 28);
/// Frames handed to the recorder at once: 700 ms, so that a killed process loses less than a second (with the queue),
/// while waking the recorder and rewriting the header cost little.
const CHUNK: usize = 35;

#[derive(Default)]
pub(super) struct Hearing {
    level: Level,
    echo: Echo,
    /// Where there is a network that knows voices.
    attention: Option<Box<Attention>>,
    /// Speech or not, as it was decided.
    recent: Recent,
    /// Frames since it began.
    speaking: usize,
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
pub(super) struct Before {
    /// A ring.
    octets: Vec<u8>,
    /// Where the next frame goes; what lies there is the oldest, once the ring is full.
    at: usize,
    frames: usize,
}

impl Before {
    /// All have one coding: it is emptied where that changes.
    fn push(&mut self, frame: &[u8]) {
        if self.octets.len() < KEPT * frame.len() {
            self.octets.resize(KEPT * frame.len(), 0);
        }
        self.octets[self.at..self.at + frame.len()].copy_from_slice(frame);
        self.at = (self.at + frame.len()) % self.octets.len();
        self.frames = (self.frames + 1).min(KEPT);
    }

    /// The last `frames` of them, in their order.
    pub(super) fn last(&self, frames: usize) -> [&[u8]; 2] {
        let frame = self.octets.len() / KEPT;
        let wanted = frames.min(self.frames) * frame;
        let (newest, oldest) = self.octets.split_at(self.at);
        let from_oldest = wanted.saturating_sub(newest.len());
        [&oldest[oldest.len() - from_oldest..], &newest[newest.len() - (wanted - from_oldest)..]]
    }

    fn clear(&mut self) {
        *self = Before::default();
    }
}

struct Listening {
    listen: u32,
    file: PathBuf,
    /// How often it was cut.
    cuts: u32,
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
    /// `voices`: somebody answers [`Output::Sound`].
    pub(super) fn new(voices: bool) -> Hearing {
        Hearing { attention: voices.then(Box::default), ..Hearing::default() }
    }

    pub(super) fn answer(&mut self, verdict: Answer) {
        if let Some(attention) = &mut self.attention {
            attention.answer(verdict);
        }
    }

    /// Somebody speaks, and not just for a moment.
    pub(super) fn insists(&self) -> bool {
        let voice = self.attention.as_ref().and_then(|attention| attention.voice(true));
        let (many, of) = if voice.is_some() { INSISTS } else { INSISTS_LOUDLY };
        self.recent.of(of) >= many
    }

    pub(super) fn listen(&mut self, listen: u32, file: PathBuf, limits: ListenLimits, out: &mut VecDeque<Output>) {
        self.stop(SegmentEnd::Stopped, out);
        let chunk = Chunk::new(Track::Utterance);
        self.listening = Some(Listening { listen, file, cuts: 0, limits, endpointer: Endpointer::default(), chunk });
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
        if let Some(attention) = &mut self.attention {
            attention.forget();
        }
    }

    /// Whether the frame is speech.
    fn judge(
        &mut self,
        coding: Coding,
        frame: &[u8],
        dbfs: Option<f32>,
        sent: Option<f32>,
        out: &mut VecDeque<Output>,
    ) -> bool {
        self.level.frame(dbfs);
        let echo = self.echo.frame(sent, dbfs);
        let wanted = self.listening.is_some() || self.echo.lasts();
        let voice = self.attention.as_mut().and_then(|attention| {
            attention.frame((coding, frame), (dbfs, self.level.floor()), &self.before, wanted, out);
            attention.voice(self.recent.is_onset())
        });
        let speech = match voice {
            Some(voice) => voice && dbfs.is_some_and(|dbfs| dbfs > QUIETEST),
            None => self.level.recent().is_speech(),
        };
        speech && !echo
    }

    /// One tick's frame; `came`: it is audio that was received, not a stand-in. `sent`: how loud a prompt's frame was that
    /// went out, in dBFS.
    pub(super) fn frame(
        &mut self,
        coding: Coding,
        frame: &[u8],
        came: bool,
        sent: Option<f32>,
        out: &mut VecDeque<Output>,
    ) {
        let speech = self.judge(coding, frame, came.then(|| coding.dbfs(frame)), sent, out);
        self.recent.frame(speech);
        self.speaking = if self.recent.is_onset() { self.speaking + 1 } else { 0 };
        if let Some(all) = &mut self.all {
            all.chunk.push(coding, frame, out);
            if let Some(segment) = &mut all.segment {
                segment.duration += TICK;
                segment.speech += if speech { TICK } else { Duration::ZERO };
            }
        }
        let lag = if self.attention.is_some() { LAG } else { 0 };
        let kept = self.before.last(BEFORE + lag + self.speaking.saturating_sub(1));
        if let Some(listening) = &mut self.listening
            && let Some(end) = listening.frame(coding, frame, self.recent, kept, out)
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
        recent: Recent,
        kept: [&[u8]; 2],
        out: &mut VecDeque<Output>,
    ) -> Option<Option<SegmentEnd>> {
        let before = TICK * ((kept[0].len() + kept[1].len()) / coding.frame()) as u32;
        let said = self.endpointer.frame(recent, before, &self.limits);
        match said {
            Said::Nothing => return None,
            Said::NoInput => return Some(None),
            Said::Begins => {
                out.push_back(Output::Record(Recorded::Open { track: Track::Utterance, file: self.file(), coding }));
                for part in kept {
                    self.chunk.push(coding, part, out);
                }
            }
            Said::Goes | Said::Cut | Said::EndsInSilence | Said::EndsByLength => {}
        }
        self.chunk.push(coding, frame, out);
        match said {
            Said::EndsInSilence => Some(Some(SegmentEnd::Silence)),
            Said::EndsByLength => Some(Some(SegmentEnd::Max)),
            Said::Cut => {
                self.cut(coding, out);
                None
            }
            _ => None,
        }
    }

    /// Seals what was said so far and goes on in the next file.
    fn cut(&mut self, coding: Coding, out: &mut VecDeque<Output>) {
        let Some(spoken) = self.endpointer.cut() else { return };
        self.seal(spoken, SegmentEnd::Cut, out);
        self.cuts += 1;
        out.push_back(Output::Record(Recorded::Open { track: Track::Utterance, file: self.file(), coding }));
    }

    /// Seals the utterance; says whether there was one.
    fn end(mut self, ended: SegmentEnd, out: &mut VecDeque<Output>) -> bool {
        let Some(spoken) = self.endpointer.spoken() else { return false };
        self.seal(spoken, ended, out);
        true
    }

    fn seal(&mut self, (duration, speech): (Duration, Duration), ended: SegmentEnd, out: &mut VecDeque<Output>) {
        self.chunk.flush(out);
        let speech = speech.min(duration);
        let segment = Segment { listen: self.listen, file: self.file(), duration, speech, ended, error: None };
        out.push_back(Output::Record(Recorded::Close { track: Track::Utterance, segment: Some(segment) }));
    }

    /// `003.wav`, then `00301.wav` and so on: in this order by name, and all of digits.
    fn file(&self) -> PathBuf {
        match (self.cuts, self.file.file_stem().and_then(|stem| stem.to_str())) {
            (1.., Some(stem)) => self.file.with_file_name(format!("{stem}{:02}.wav", self.cuts)),
            _ => self.file.clone(),
        }
    }
}
