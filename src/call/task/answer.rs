//! One call from its INVITE to its last row: the session's inputs gathered, its outputs carried out.

mod hearing;
mod place;
mod record;
mod signalling;
mod transfer;

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::ivr::{Context, Delivery, Interpreter};
use crate::media::{Command as Audio, Connect, Event as AudioEvent, Leg, LegId, ListenLimits, Prompt};
use crate::sdp;
use crate::sip::{Command, Event};
use crate::store::{CallRow, IncidentRow, Transcribed};

use super::clerk::{Clerk, Job};
use super::early::Early;
use super::invitation::Invitation;
use super::spoken::Spoken;
use super::{Desk, bridge, early, incident};
use crate::call::diary::Diary;
use crate::call::session::{Input, Output, Session};

pub(super) use signalling::reoffered;
use signalling::{refuse, ringing};
use transfer::joined;

/// Answers of the call's helpers.
enum Back {
    /// What to play, rendered; the number tells whether it is still wanted.
    Rendered {
        play: u32,
        barge_in: bool,
        prompts: Vec<Arc<Prompt>>,
    },
    Recognised {
        index: usize,
        heard: Option<Transcribed>,
    },
    Overheard {
        listen: u32,
        text: Option<String>,
        spoken: String,
    },
    /// `which`: an older transfer's end is no news.
    Transferred {
        which: u32,
        input: Input,
    },
}

struct Call<'a> {
    desk: &'a Arc<Desk>,
    invitation: Invitation,
    session: Session,
    /// The incident that concerns the caller.
    known: Option<IncidentRow>,
    /// Codes of the places of their last tickets.
    earlier: Vec<String>,
    /// Between how many places their words left it open when they were last looked at.
    open: usize,
    /// What the recogniser is told before.
    prompt: Option<Arc<str>>,
    diary: Diary,
    answered: Instant,
    leg: Leg,
    clerk: Clerk,
    back: JoinSet<Back>,
    transfer: Option<bridge::Transfer>,
    /// The number of the latest transfer.
    transfers: u32,
    /// Told the transfer's leg when it is to be heard; another one where that one failed.
    joined: Option<mpsc::Receiver<LegId>>,
    /// The interpreter's latest play: an older one that is rendered late is dropped.
    playing: Option<u32>,
    spoken: Spoken,
    /// What the machine was saying over the utterances whose text was asked for: at most as many as a call overhears.
    over_what: Vec<(u32, String)>,
    /// When the caller's last utterance, or key, had come whole.
    endpoint: Option<Instant>,
    /// How the caller is spoken to.
    delivery: Delivery,
    deadline: Option<tokio::time::Instant>,
    ours: sdp::Ours,
    /// We offered in the 200; the answer comes with the ACK.
    offered: bool,
    /// SIP, and the leg, may have more to say. A closed channel is always ready: asked again it would spin.
    signalled: bool,
    hears: bool,
    closing: bool,
    over: bool,
    /// What the other side gave as its reason when it hung up.
    reason: Option<String>,
}

/// Runs the call to its end.
pub async fn run(desk: &Arc<Desk>, invitation: Invitation, mut events: mpsc::Receiver<Event>) {
    let dialog = invitation.dialog;
    let mut leg = match desk.media.open(None) {
        Ok(leg) => leg,
        Err(_) => {
            let remedy = "no RTP port is free; widen media.ports in jiesu.toml";
            return refuse(desk, &invitation, 503, "Service Unavailable", "no_port", remedy).await;
        }
    };
    let terms = invitation.programme.terms.get(&invitation.trunk).unwrap_or(&desk.terms);
    let mut ours = sdp::Ours::new(invitation.address, leg.local().port(), terms, super::secret());
    let body = match &invitation.offer {
        Some(offer) => match sdp::answer_bytes(offer, &ours) {
            Ok(answered) => {
                if leg.command(Audio::Connect(Connect::from_sdp(&answered, invitation.source))).is_err() {
                    let remedy = "a media thread takes no more; raise media.threads in jiesu.toml or add a node";
                    return refuse(desk, &invitation, 503, "Service Unavailable", "media_full", remedy).await;
                }
                answered.sdp
            }
            Err(error) => {
                tracing::info!(call = %invitation.id, %error, "offer refused");
                return refuse(desk, &invitation, 488, "Not Acceptable Here", error.reason(), error.remedy()).await;
            }
        },
        None => sdp::offer(&ours),
    };
    let Some(flow) = invitation.programme.flows.get(&invitation.chosen.flow).cloned() else {
        tracing::error!(call = %invitation.id, flow = invitation.chosen.flow, "the line's flow is not loaded");
        let remedy = "the dialled line names a flow that is not loaded: run `jiesu check`";
        return refuse(desk, &invitation, 500, "Server Internal Error", "no_flow", remedy).await;
    };
    if !ringing(desk, &invitation, &mut events).await {
        return;
    }
    let mut offered = invitation.offer.is_none();
    match early::announce(desk, &invitation, &mut leg, &mut ours, &body, &mut events).await {
        Early::GaveUp => return,
        Early::Agreed => offered = false,
        Early::Open => {}
    }
    if desk.sip.send(Command::Answer { dialog, sdp: body }).await.is_err() {
        return;
    }
    metrics::histogram!("jiesu_setup_seconds").record(invitation.arrived.elapsed().as_secs_f64());
    let known = incident::of_caller(&desk.incidents(), invitation.caller.as_deref(), &desk.store).await;
    let earlier = hearing::earlier(desk, &invitation).await;
    let prompt = hearing::prompt(desk, &invitation, known.as_ref(), &earlier);
    let context = Context {
        caller: invitation.caller.clone().unwrap_or_default(),
        line: invitation.chosen.line.clone(),
        greeting: invitation.chosen.greeting.clone(),
        topic: invitation.chosen.topic.clone(),
        incident: known.as_ref().map(incident::spoken),
        given: Default::default(),
        calendar: invitation.programme.calendar.clone(),
        around: desk.around(),
    };
    let clerk = Clerk::start(desk.clone(), invitation.programme.clone(), invitation.id);
    clerk.write(Job::Began(CallRow {
        id: invitation.id,
        line: invitation.chosen.line.clone(),
        caller: invitation.caller.clone(),
        display: invitation.display.clone(),
        trunk: invitation.trunk.clone(),
        user_to_user: invitation.user_to_user.clone(),
        version: Some(invitation.programme.version.to_string()),
        began: invitation.began,
        answered: Timestamp::now(),
    }));
    let mut session = Session::new(
        Interpreter::new(flow, context)
            .watch(invitation.programme.emergencies.clone())
            .informed(invitation.programme.answers.clone()),
    );
    if desk.asr.has_model() {
        session = session.overhearing();
    }
    let mut call = Call {
        desk,
        invitation,
        session,
        diary: Diary::knowing(known.as_ref().map(incident::spoken).as_ref()),
        known,
        earlier,
        open: 0,
        prompt,
        answered: Instant::now(),
        leg,
        clerk,
        back: JoinSet::new(),
        transfer: None,
        transfers: 0,
        joined: None,
        playing: None,
        spoken: Spoken::default(),
        over_what: Vec::new(),
        endpoint: None,
        delivery: Delivery::default(),
        deadline: None,
        ours,
        offered,
        signalled: true,
        hears: true,
        closing: false,
        over: false,
        reason: None,
    };
    call.live(&mut events).await;
    let Call { clerk, .. } = call;
    clerk.close().await;
}

impl Call<'_> {
    async fn live(&mut self, events: &mut mpsc::Receiver<Event>) {
        let longest = tokio::time::Instant::now() + self.desk.config.longest;
        while !self.over {
            let input = tokio::select! {
                event = events.recv(), if self.signalled => self.sip_event(event).await,
                event = self.leg.event(), if self.hears => self.audio_event(event),
                Some(done) = self.clerk.done.recv() => self.clerk_done(done),
                Some(back) = self.back.join_next() => self.returned(back),
                far = joined(&mut self.joined) => {
                    self.bridge(far);
                    None
                }
                () = at(self.deadline) => {
                    self.deadline = None;
                    Some(Input::Deadline)
                }
                () = self.desk.ending.cancelled(), if !self.closing => {
                    self.hang_up(41, "Temporary failure").await;
                    Some(Input::Ended { why: "drain" })
                }
                () = tokio::time::sleep_until(longest), if !self.closing => {
                    tracing::warn!(call = %self.invitation.id, "the longest time of a call is over (calls.longest)");
                    self.hang_up(102, "Recovery on timer expiry").await;
                    Some(Input::Ended { why: "longest" })
                }
            };
            if let Some(input) = input {
                self.diary.input(self.answered.elapsed(), &input);
                self.session.input(Input::Around(self.desk.around()));
                self.session.input(input);
            }
            while let Some(output) = self.session.poll() {
                self.diary.output(self.answered.elapsed(), &output);
                self.act(output).await;
            }
        }
    }

    fn audio_event(&mut self, event: Option<AudioEvent>) -> Option<Input> {
        match event {
            Some(AudioEvent::Digit(key)) => {
                self.endpoint = Some(Instant::now());
                self.keyed(key)
            }
            Some(AudioEvent::PlayDone { play, .. }) => {
                self.spoken.ended(play);
                Some(Input::PlayDone { play })
            }
            Some(AudioEvent::SpokenOver { .. }) if !self.desk.config.speech_barge_in => None,
            Some(AudioEvent::SpokenOver { play }) => {
                metrics::counter!("jiesu_spoken_over_total").increment(1);
                Some(Input::SpokenOver { play })
            }
            Some(AudioEvent::Segment(segment)) => {
                self.endpoint = Some(Instant::now());
                Some(Input::Segment(segment))
            }
            Some(AudioEvent::NoInput { listen }) => Some(Input::NoInput { listen }),
            Some(AudioEvent::Inactive) => Some(Input::Inactive),
            Some(AudioEvent::Closed(_)) | None => {
                self.hears = false;
                Some(Input::LegClosed)
            }
        }
    }

    fn returned(&mut self, back: Result<Back, tokio::task::JoinError>) -> Option<Input> {
        match back {
            Ok(Back::Rendered { play, barge_in, prompts }) => {
                if self.playing != Some(play) {
                    return None;
                }
                self.audio(Audio::Play { play, prompts, barge_in });
                None
            }
            Ok(Back::Recognised { index, heard }) => {
                let text = heard.as_ref().map(|heard| heard.text.clone());
                if let Some(heard) = heard {
                    self.look_for_incident(&heard.text);
                    self.look_for_places(index, &heard.text);
                    self.clerk.write(Job::Heard { index: index as u32, heard });
                }
                Some(Input::Recognised { index, text })
            }
            Ok(Back::Overheard { listen, text, spoken }) => Some(Input::Overheard { listen, text, spoken }),
            Ok(Back::Transferred { which, .. }) if which != self.transfers || self.transfer.is_none() => None,
            Ok(Back::Transferred { input, .. }) => {
                self.transfer = None;
                self.joined = None; // a leg that was told of and not looked at is gone
                self.audio(Audio::Unbridge);
                Some(input)
            }
            Err(error) => {
                tracing::error!(call = %self.invitation.id, %error, "a task of the call failed");
                None
            }
        }
    }

    async fn act(&mut self, output: Output) {
        match output {
            Output::Play { play, say, barge_in } => {
                self.playing = Some(play);
                self.spoken.begins(play, self.invitation.programme.speaker.wording(&say));
                let programme = self.invitation.programme.clone();
                let delivery = self.delivery.clone();
                self.back.spawn(async move {
                    Back::Rendered { play, barge_in, prompts: programme.speaker.render(&say, &delivery).await }
                });
            }
            Output::StopPlay => {
                self.playing = None;
                self.audio(Audio::StopPlay);
            }
            Output::Listen { listen, no_input, silence, max } => {
                let file = self.recording(listen);
                let limits = ListenLimits { no_input, silence, max, end_keys: "#" };
                tracing::debug!(call = %self.invitation.id, node = self.session.node(), "listens");
                self.audio(Audio::Listen { listen, file, limits });
            }
            Output::Speak(delivery) => self.delivery = delivery,
            Output::StopListen => self.audio(Audio::StopListen),
            Output::Overhear { listen } => self.overhear(listen),
            Output::Understand { listen, file, duration } => self.understand(listen, file, duration),
            Output::Leave { listen, file, duration } => self.leave(listen, &file, duration),
            Output::Forget { file } => hearing::forget(self.invitation.id, &file),
            Output::Question { said, answer } => {
                let result = if answer.is_some() { "found" } else { "none" };
                metrics::counter!("jiesu_questions_total", "answer" => result).increment(1);
                if answer.is_none() {
                    self.clerk.write(Job::Unanswered(said));
                }
            }
            Output::Emergency { rule, words } => {
                let waited = self.endpoint.map(|endpoint| endpoint.elapsed()).unwrap_or_default();
                metrics::counter!("jiesu_emergencies_total", "rule" => rule.clone()).increment(1);
                metrics::histogram!("jiesu_emergency_seconds").record(waited);
                tracing::warn!(call = %self.invitation.id, rule, words, ?waited, "emergency");
            }
            Output::RecordAll { listen } => {
                let file = self.recording(listen);
                self.audio(Audio::Record { listen: Some(listen), file });
            }
            Output::KeepKeys => {
                self.clerk.write(Job::Keys(self.session.record().keys.clone()));
            }
            Output::Keep { index } => self.keep(index),
            Output::Recognise { index } => self.recognise(index),
            Output::Deadline(after) => self.deadline = after.map(|after| tokio::time::Instant::now() + after),
            Output::File => {
                let matter = self.matter();
                if !self.clerk.write(Job::File(Box::new(matter))) {
                    self.session.input(Input::FileFailed);
                }
            }
            Output::Join => {
                if let Some(row) = &self.known {
                    metrics::counter!("jiesu_incident_joined_total").increment(1);
                    self.clerk.write(Job::Joined(row.id));
                }
            }
            Output::LookUp(sought) => {
                let caller = self.invitation.caller.clone().unwrap_or_default();
                if !self.clerk.write(Job::LookUp { caller, sought }) {
                    self.session.input(Input::Status(None));
                }
            }
            Output::Transfer { target, by } => self.transfer(&target, by),
            Output::StopTransfer => {
                self.transfer = None;
                self.joined = None;
                self.audio(Audio::StopPlay); // the ringing tone
                self.audio(Audio::Unbridge);
            }
            Output::Hangup => {
                self.hang_up(16, "Normal call clearing").await;
                self.session.input(Input::Ended { why: "flow" });
            }
            Output::CloseLeg => {
                self.closing = true;
                self.transfer = None;
                self.audio(Audio::Close);
            }
            Output::Note(line) => {
                tracing::debug!(call = %self.invitation.id, node = self.session.node(), "{line}");
            }
            Output::Over { why } => {
                metrics::counter!("jiesu_calls_ended_total", "why" => why).increment(1);
                let reason = self.reason.take();
                tracing::info!(call = %self.invitation.id, why, reason, ticket = self.session.record().number, "over");
                self.clerk.write(Job::Journal(self.diary.journal().to_string()));
                if !self.clerk.write(Job::Ended { why, reason, at: Timestamp::now() }) {
                    self.over = true;
                }
            }
        }
    }

    fn audio(&self, command: Audio) {
        if self.leg.command(command).is_err() {
            metrics::counter!("jiesu_media_command_dropped_total").increment(1);
            tracing::error!(call = %self.invitation.id, "the media thread does not take commands");
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
