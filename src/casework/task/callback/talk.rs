//! One callback from its answer to its end: the flow's interpreter on one side, the leg on the other.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};

use crate::asr::{self, Purpose};
use crate::call::originate::Outbound;
use crate::call::{Desk, Programme, keys};
use crate::casework::callback::{TOLD, survey};
use crate::ivr::{Context, Delivery, Flow, Heard, Input, Interpreter, Output};
use crate::media::{Command as Audio, Event as AudioEvent, ListenLimits, Prompt, Segment, SegmentEnd};
use crate::sip::Event;
use crate::ticket::case::{Comment, Survey};

use super::keeper::Keeper;

/// What comes back to the talk.
enum Back {
    Rendered { play: u32, barge_in: bool, prompts: Vec<Arc<Prompt>> },
    Recognised { listen: u32, text: Option<String> },
}

/// What the leg listens for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ear {
    Shut,
    /// One of a menu's choices, or whatever else the flow waits for.
    Answer(u32),
    Comment(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Up,
    /// The leg is being closed, so that what was recorded is sealed.
    Closing,
    Over,
}

/// See the module.
pub struct Talk<'a> {
    desk: &'a Desk,
    programme: Arc<Programme>,
    outbound: Outbound,
    interpreter: Interpreter,
    delivery: Delivery,
    /// The beginning of the recordings' names.
    files: PathBuf,
    back: JoinSet<Back>,
    playing: Option<u32>,
    ear: Ear,
    deadline: Option<tokio::time::Instant>,
    /// What is kept.
    survey: Survey,
    comment: Vec<String>,
    told: bool,
    signalled: bool,
    life: Life,
}

impl<'a> Talk<'a> {
    /// `given`: what the flow may speak of; `files`: the beginning of the recordings' names.
    pub fn new(
        desk: &'a Desk,
        programme: Arc<Programme>,
        flow: Arc<Flow>,
        outbound: Outbound,
        given: BTreeMap<String, String>,
        files: &Path,
    ) -> Talk<'a> {
        let (calendar, around) = (programme.calendar.clone(), desk.around());
        let context = Context { given, calendar, around, ..Context::default() };
        Talk {
            desk,
            programme,
            outbound,
            interpreter: Interpreter::new(flow, context),
            delivery: Delivery::default(),
            files: files.to_owned(),
            back: JoinSet::new(),
            playing: None,
            ear: Ear::Shut,
            deadline: None,
            survey: Survey::default(),
            comment: Vec::new(),
            told: false,
            signalled: true,
            life: Life::Up,
        }
    }

    /// Holds the talk, for at most `longest`.
    pub async fn hold(mut self, keeper: &Keeper, longest: Duration) -> Survey {
        let longest = tokio::time::Instant::now() + longest;
        self.tell(Input::Answered, keeper).await;
        while self.life != Life::Over {
            let input = tokio::select! {
                event = self.outbound.events.recv(), if self.signalled => self.sip_event(event).await,
                event = self.outbound.leg.event() => self.audio_event(event),
                Some(back) = self.back.join_next() => self.returned(back),
                () = at(self.deadline) => {
                    self.deadline = None;
                    Some(Input::Deadline)
                }
                () = self.desk.ending.cancelled(), if self.life == Life::Up => Some(self.close()),
                () = tokio::time::sleep_until(longest), if self.life == Life::Up => Some(self.close()),
            };
            if let Some(input) = input {
                self.interpreter.input(Input::Around(self.desk.around()));
                self.tell(input, keeper).await;
            }
        }
        // What was being said when they hung up is sealed by now.
        self.keep(keeper).await;
        self.survey
    }

    async fn sip_event(&mut self, event: Option<Event>) -> Option<Input> {
        match event {
            None | Some(Event::Ended { .. }) => {
                self.signalled = false;
                self.outbound.over();
                (self.life == Life::Up).then(|| self.close())
            }
            Some(Event::Info { content_type, body, .. }) => {
                if let Some(key) = keys::of_info(&content_type, &body) {
                    self.audio(Audio::Key(key));
                }
                None
            }
            Some(event) => {
                self.outbound.reoffer(event).await;
                None
            }
        }
    }

    fn audio_event(&mut self, event: Option<AudioEvent>) -> Option<Input> {
        match event? {
            AudioEvent::Digit(key) => Some(Input::Digit(key)),
            AudioEvent::PlayDone { play, .. } => Some(Input::PlayDone { play }),
            AudioEvent::Segment(segment) => self.segment(segment),
            AudioEvent::NoInput { listen } => self.hears(listen).then_some(Input::NoInput),
            AudioEvent::Inactive if self.life == Life::Up => Some(self.close()),
            AudioEvent::Inactive | AudioEvent::SpokenOver { .. } => None,
            AudioEvent::Closed(_) => {
                self.life = Life::Over;
                None
            }
        }
    }

    fn hears(&self, listen: u32) -> bool {
        matches!(self.ear, Ear::Answer(now) | Ear::Comment(now) if now == listen)
    }

    /// An utterance is on the disk.
    fn segment(&mut self, segment: Segment) -> Option<Input> {
        if let Some(error) = &segment.error {
            metrics::counter!("jiesu_callback_recording_failed_total").increment(1);
            tracing::error!(error, file = %segment.file.display(), "a comment has a fault");
        }
        let ended = matches!(segment.ended, SegmentEnd::Silence | SegmentEnd::Key(_) | SegmentEnd::Max);
        let spoken = !segment.speech.is_zero();
        match self.ear {
            Ear::Comment(listen) if listen == segment.listen => {
                if spoken && let Some(name) = segment.file.file_name() {
                    self.comment.push(name.to_string_lossy().into_owned());
                }
                match self.comment.is_empty() {
                    _ if !ended => None,
                    true => Some(Input::NoInput),
                    false => Some(Input::Heard(Heard::Pending)),
                }
            }
            Ear::Answer(listen) if listen == segment.listen && ended && spoken => {
                let text = self.text_of(segment.file);
                self.back.spawn(async move { Back::Recognised { listen, text: text.await } });
                None
            }
            Ear::Answer(listen) if listen == segment.listen && ended => Some(Input::NoInput),
            _ => None,
        }
    }

    /// What was chosen in words; the recording is not kept.
    fn text_of(&self, file: PathBuf) -> impl Future<Output = Option<String>> + Send + use<> {
        let deadline = Instant::now() + self.desk.config.recognise;
        let job = asr::Job { purpose: Purpose::Choice, ..asr::Job::new(file.clone(), deadline, asr::Priority::Live) };
        let answer = self.desk.asr.submit(job);
        async move {
            let text = answer.await.ok().map(|transcript| transcript.text);
            // One that is gone already is as well.
            let _ = std::fs::remove_file(&file);
            text
        }
    }

    fn returned(&mut self, back: Result<Back, JoinError>) -> Option<Input> {
        match back {
            Ok(Back::Rendered { play, barge_in, prompts }) => {
                if self.playing == Some(play) {
                    self.audio(Audio::Play { play, prompts, barge_in });
                }
                None
            }
            Ok(Back::Recognised { listen, text }) if self.hears(listen) => {
                Some(Input::Heard(text.map_or(Heard::Pending, Heard::Text)))
            }
            Ok(Back::Recognised { .. }) => None,
            Err(error) => {
                tracing::error!(%error, "a task of a callback failed");
                None
            }
        }
    }

    /// The interpreter's turn. What it learned is kept before anything else is said.
    async fn tell(&mut self, input: Input, keeper: &Keeper) {
        self.interpreter.input(input);
        self.keep(keeper).await;
        while let Some(output) = self.interpreter.poll() {
            self.act(output);
        }
    }

    async fn keep(&mut self, keeper: &Keeper) {
        let comment = (!self.comment.is_empty()).then(|| Comment { recording: self.comment.join(" "), text: None });
        let said = Survey { comment, ..survey(|name| self.interpreter.variable(name)) };
        if said != self.survey {
            keeper.said(&said).await;
            self.survey = said;
        }
        if !self.told && self.interpreter.variable(TOLD).is_some() {
            self.told = true;
            keeper.told().await;
        }
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Play { play, say, barge_in } => {
                self.playing = Some(play);
                let (programme, delivery) = (self.programme.clone(), self.delivery.clone());
                self.back.spawn(async move {
                    Back::Rendered { play, barge_in, prompts: programme.speaker.render(&say, &delivery).await }
                });
            }
            Output::StopPlay => {
                self.playing = None;
                self.audio(Audio::StopPlay);
            }
            Output::Listen { listen, no_input, silence, max } => {
                self.ear = Ear::Answer(listen);
                self.listen(listen, "answer", ListenLimits { no_input, silence, max, end_keys: "#" });
            }
            Output::Record { listen, no_input, silence, max } => {
                self.ear = Ear::Comment(listen);
                self.listen(listen, "comment", ListenLimits { no_input, silence, max, end_keys: "#" });
            }
            Output::StopListen => {
                self.ear = Ear::Shut;
                self.audio(Audio::StopListen);
            }
            Output::Speak(delivery) => self.delivery = delivery,
            Output::Deadline(after) => self.deadline = after.map(|after| tokio::time::Instant::now() + after),
            Output::Hangup if self.life == Life::Up => {
                self.close();
            }
            Output::Hangup => {}
            Output::Note(line) => tracing::debug!(line, "callback"),
            // Those need a caller's call: here they fail at once, and the flow goes on.
            Output::File { .. } => self.interpreter.input(Input::FileFailed),
            Output::LookUp(_) => self.interpreter.input(Input::Status(None)),
            Output::Transfer { .. } => self.interpreter.input(Input::TransferFailed { code: 501 }),
            Output::StopTransfer | Output::RecordAll | Output::Question { .. } | Output::Emergency { .. } => {}
        }
    }

    fn listen(&self, listen: u32, what: &str, limits: ListenLimits) {
        let mut name = self.files.clone().into_os_string();
        name.push(format!("-{listen}-{what}.wav"));
        self.audio(Audio::Listen { listen, file: name.into(), limits });
    }

    /// Begins the end: what is being recorded is sealed first.
    fn close(&mut self) -> Input {
        self.life = Life::Closing;
        self.audio(Audio::Close);
        Input::HungUp
    }

    fn audio(&self, command: Audio) {
        if self.outbound.leg.command(command).is_err() {
            metrics::counter!("jiesu_media_command_dropped_total").increment(1);
            tracing::error!("the media thread does not take commands");
        }
    }
}

/// Sleeps to a deadline; without one for ever.
async fn at(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
