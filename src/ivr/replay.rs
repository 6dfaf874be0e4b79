//! A recorded call led through another flow: what would have become of it?
//!
//! Pure. The caller is taken to do the same things in the same order: the same keys (during a prompt or after it, with
//! the same pauses between them), the same words where they are asked to speak, the same silences. What others did
//! (store, people) is taken over too. Where the new flow asks for something that the caller never did, they stay silent
//! as a puzzled caller would; the answer then says that it is a guess.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::DateTime;

use super::flow::Flow;
use super::interpreter::Interpreter;
use super::journal::{Journal, Step};
use super::script::World;
use super::talk::{Context, Heard, Hints, Incident, Input, Output, Place, Sought, StatusReport};

/// What became of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    pub end: End,
    /// For whose ticket there was one: what the flow knew besides the words.
    pub hints: Hints,
    /// Whom it was put through to, in order.
    pub targets: Vec<String>,
    /// The nodes that it came through.
    pub nodes: Vec<String>,
    /// The flow asked for something that the caller never did.
    pub guessed: bool,
}

impl Outcome {
    /// Whether it is the same to the caller and to whoever works on the ticket.
    pub fn same(&self, other: &Outcome) -> bool {
        self.end == other.end && self.hints == other.hints && self.targets == other.targets
    }
}

/// How a call ended for the caller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Nothing was said or keyed: no ticket, nobody reached.
    #[default]
    Nothing,
    /// The caller gave up after saying or keying something; that is filed by the rule.
    Abandoned,
    /// The flow filed a ticket.
    Filed,
    /// Somebody took the call.
    Human,
}

impl End {
    /// For people who read Chinese, and the word in JSON.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            End::Nothing => ("无诉求", "nothing"),
            End::Abandoned => ("中途挂机", "abandoned"),
            End::Filed => ("已立案", "filed"),
            End::Human => ("接通人工", "human"),
        }
    }
}

/// A recorded call: who called when and by which line, what they did, and the words of each utterance.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    pub context: Context,
    pub journal: Journal,
    /// By index; `None` where nobody knows them (yet).
    pub words: Vec<Option<String>>,
    /// The caller hung up: what they would have done next is not known. Otherwise the flow ended the call.
    pub hung_up: bool,
}

/// What the journal itself says became of the call. `hints`: those of its ticket.
pub fn happened(recorded: &Recorded, hints: Hints) -> Outcome {
    let mut outcome = Outcome { hints, ..Outcome::default() };
    let (mut filed, mut talked, mut did) = (false, false, false);
    for (_, step) in recorded.journal.steps() {
        match step {
            Step::Node(name) => outcome.nodes.push(name.clone()),
            Step::Transfer(target) => outcome.targets.push(target.clone()),
            Step::Talked => talked = true,
            // After the end the ticket is the rule's, not the flow's.
            Step::End(_) => break,
            Step::Filed => filed = true,
            Step::Key { .. } | Step::Said(_) | Step::Pending(_) | Step::Overheard(_) => did = true,
            _ => {}
        }
    }
    outcome.end = end(talked, filed, did);
    outcome
}

fn end(talked: bool, filed: bool, did: bool) -> End {
    match (talked, filed, did) {
        (true, ..) => End::Human,
        (_, true, _) => End::Filed,
        (_, _, true) => End::Abandoned,
        _ => End::Nothing,
    }
}

/// Leads the call through `flow`.
pub fn run(world: &World, flow: &Arc<Flow>, recorded: &Recorded) -> Outcome {
    let mut walk = Walk::new(world, flow, recorded);
    walk.knows();
    walk.input(Input::Answered);
    // Every walk ends (the interpreter's promise); the bound keeps a mistake of ours from becoming a loop.
    for _ in 0..100 * flow.steps().max(1) {
        if walk.over || !walk.step() {
            break;
        }
    }
    walk.outcome()
}

/// What the caller does next.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Act {
    /// An early key belongs to the prompt of the last of the `nodes` that were entered since anybody did anything, after
    /// so many `answers` of others.
    Key {
        key: char,
        early: bool,
        nodes: usize,
        answers: usize,
        at: Duration,
    },
    Words(Heard),
    Silence,
    /// Said into a prompt, a menu or a ringing tone; placed as an early key is.
    Shout {
        text: String,
        /// A target was ringing.
        rang: bool,
        nodes: usize,
        answers: usize,
    },
    /// Not the caller's: what became known of them at this point.
    Known(String),
    Places(Vec<Place>),
}

struct Walk {
    interpreter: Interpreter,
    began: DateTime,
    clock: Duration,
    acts: VecDeque<Act>,
    answers: Answers,
    hung_up: bool,
    /// How many more nodes were entered after the last thing that anybody did, before the caller hung up.
    patience: usize,
    /// Nodes entered since the last thing that anybody did.
    entered: usize,
    /// Answers of others so far.
    given: usize,
    /// The caller hung up while a target rang.
    rang: bool,
    awaits: Awaits,
    /// Filings that are not answered: an emergency files while it speaks.
    files: u32,
    deadline: Option<Duration>,
    /// When the last key was pressed, in the recording: a pause between two keys can end a choice.
    last_key: Option<Duration>,
    over: bool,
    filed: bool,
    talked: bool,
    did: bool,
    file_hints: Hints,
    out: Outcome,
}

/// What others answered, in order.
#[derive(Default)]
struct Answers {
    tickets: VecDeque<Option<StatusReport>>,
    filings: VecDeque<bool>,
    talks: VecDeque<Step>,
}

/// What the flow waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Prompt(u32),
    Keys,
    Words,
    /// `told`: the recorded call must have been told, or the rest is a guess.
    Ticket {
        told: bool,
    },
    Talk,
}

impl Walk {
    fn new(world: &World, flow: &Arc<Flow>, recorded: &Recorded) -> Walk {
        let mut acts = VecDeque::new();
        let mut answers = Answers::default();
        let (mut nodes, mut given, mut rang) = (0, 0, false);
        for (at, step) in recorded.journal.steps() {
            let before = nodes;
            match step {
                Step::Node(_) => nodes += 1,
                Step::Transfer(_) => rang = true,
                Step::Known(_) | Step::Places(_) | Step::End(_) => {}
                Step::Filed | Step::NotFiled | Step::Ticket(_) | Step::NoAnswer(_) | Step::Talked => {
                    nodes = 0;
                    given += 1;
                    rang = false;
                }
                _ => nodes = 0,
            }
            let words = |index: &u32| recorded.words.get(*index as usize).cloned().flatten();
            match step {
                Step::Key { key, early } => {
                    acts.push_back(Act::Key { key: *key, early: *early, nodes: before, answers: given, at: *at })
                }
                // Whoever has the words by now knows what a better recogniser would have heard; the caller heard what
                // it heard then, so that pending stays pending.
                Step::Pending(_) => acts.push_back(Act::Words(Heard::Pending)),
                Step::Said(index) => acts.push_back(Act::Words(words(index).map_or(Heard::Pending, Heard::Text))),
                Step::Known(text) => acts.push_back(Act::Known(text.clone())),
                Step::Places(places) => acts.push_back(Act::Places(places.clone())),
                Step::Overheard(text) => {
                    acts.push_back(Act::Shout { text: text.clone(), rang, nodes: before, answers: given });
                    // The target is not called any longer.
                    rang = false;
                }
                Step::Silence => acts.push_back(Act::Silence),
                Step::Filed => answers.filings.push_back(true),
                Step::NotFiled => answers.filings.push_back(false),
                Step::Ticket(report) => answers.tickets.push_back(report.clone()),
                Step::NoAnswer(_) | Step::Talked => answers.talks.push_back(step.clone()),
                Step::End(_) => break,
                Step::Node(_) | Step::Transfer(_) => {}
            }
        }
        let context = Context { calendar: world.calendar.clone(), ..recorded.context.clone() };
        Walk {
            interpreter: Interpreter::new(flow.clone(), context)
                .watch(world.rules.clone())
                .informed(world.answers.clone()),
            began: recorded.context.around.now,
            clock: Duration::ZERO,
            acts,
            answers,
            hung_up: recorded.hung_up,
            patience: nodes,
            entered: 0,
            given: 0,
            rang: recorded.hung_up && rang,
            awaits: Awaits::Keys,
            files: 0,
            deadline: None,
            last_key: None,
            over: false,
            filed: false,
            talked: false,
            did: false,
            file_hints: Hints::default(),
            out: Outcome::default(),
        }
    }

    fn input(&mut self, input: Input) {
        let mut around = super::talk::Around { now: self.began, load: 0 };
        if let Ok(now) = self.began.checked_add(jiff::SignedDuration::try_from(self.clock).unwrap_or_default()) {
            around.now = now;
        }
        self.interpreter.input(Input::Around(around));
        self.interpreter.input(input);
        while let Some(output) = self.interpreter.poll() {
            match output {
                Output::Play { play, .. } => self.awaits = Awaits::Prompt(play),
                Output::StopPlay | Output::StopListen => self.awaits = Awaits::Keys,
                Output::Listen { .. } | Output::Record { .. } => self.awaits = Awaits::Words,
                Output::Deadline(after) => self.deadline = after,
                Output::File { hints, .. } => {
                    self.file_hints = hints;
                    self.files += 1;
                }
                // Asked after the ticket is filed; a call of a flow that did not ask goes on as it went.
                Output::LookUp(sought) => self.awaits = Awaits::Ticket { told: sought != Sought::Repeated },
                Output::Transfer { target, .. } => {
                    self.out.targets.push(target);
                    self.awaits = Awaits::Talk;
                }
                Output::Hangup => self.over = true,
                Output::Note(note) => {
                    if let Some(name) = note.strip_prefix("node ") {
                        self.entered += 1;
                        self.out.nodes.push(name.to_owned());
                    }
                }
                _ => {}
            }
        }
    }

    /// One thing happens. `false`: nothing can.
    fn step(&mut self) -> bool {
        self.knows();
        if self.files > 0 {
            self.files -= 1;
            self.given += 1;
            self.entered = 0;
            let filed = self.answers.filings.pop_front().unwrap_or(true);
            self.filed |= filed;
            self.input(if filed { Input::Filed { number: REPLAYED.to_owned() } } else { Input::FileFailed });
            return true;
        }
        match self.awaits {
            Awaits::Prompt(play) => match self.acts.front() {
                Some(Act::Shout { rang: false, nodes, answers, .. })
                    if self.entered >= *nodes && self.given >= *answers =>
                {
                    self.shout();
                }
                Some(Act::Key { early: true, nodes, answers, .. })
                    if self.entered >= *nodes && self.given >= *answers =>
                {
                    self.press();
                }
                _ if self.gone() && self.entered >= self.patience => {
                    self.input(Input::HungUp);
                    self.over = true;
                }
                _ => {
                    self.awaits = Awaits::Keys;
                    self.input(Input::PlayDone { play });
                }
            },
            Awaits::Keys => match self.acts.front() {
                Some(Act::Key { at, .. }) if !self.paused(*at) => self.press(),
                // A pause that ended a choice; the key is still to come.
                Some(Act::Key { .. }) => {
                    self.last_key = None;
                    self.late();
                }
                Some(Act::Silence) => {
                    self.acts.pop_front();
                    (self.entered, self.last_key) = (0, None);
                    self.late();
                }
                // Words where keys are asked for: nobody hears them.
                Some(Act::Words(_)) => {
                    self.out.guessed = true;
                    self.late();
                }
                Some(Act::Shout { .. }) => self.shout(),
                Some(Act::Known(_) | Act::Places(_)) | None => return self.nothing_more(),
            },
            Awaits::Words => match self.acts.pop_front() {
                Some(Act::Words(heard)) => {
                    self.did = true;
                    // A key after what was said is no part of a choice that began before it.
                    (self.entered, self.last_key) = (0, None);
                    self.awaits = Awaits::Keys;
                    self.input(Input::Heard(heard));
                }
                Some(Act::Silence) => {
                    self.entered = 0;
                    self.awaits = Awaits::Keys;
                    self.input(Input::NoInput);
                }
                // Here they are listened to.
                Some(Act::Shout { text, .. }) => {
                    self.did = true;
                    self.entered = 0;
                    self.awaits = Awaits::Keys;
                    self.input(Input::Heard(Heard::Text(text)));
                }
                Some(key) => {
                    self.acts.push_front(key);
                    self.press();
                }
                None => return self.nothing_more(),
            },
            Awaits::Ticket { told } => {
                let report = self.answers.tickets.pop_front().unwrap_or_else(|| {
                    self.out.guessed |= told;
                    None
                });
                self.given += 1;
                self.entered = 0;
                self.input(Input::Status(report));
            }
            Awaits::Talk if matches!(self.acts.front(), Some(Act::Shout { answers, .. }) if self.given >= *answers) => {
                self.shout();
            }
            Awaits::Talk => match self.answers.talks.pop_front() {
                Some(Step::Talked) => {
                    self.given += 1;
                    self.entered = 0;
                    self.talked = true;
                    self.input(Input::TransferEnded);
                }
                Some(Step::NoAnswer(code)) => {
                    self.given += 1;
                    self.entered = 0;
                    self.input(Input::TransferFailed { code });
                }
                // They hung up while it rang.
                _ if self.rang && self.acts.is_empty() => {
                    self.input(Input::HungUp);
                    self.over = true;
                }
                // Nobody knows whether people would have come.
                _ => {
                    self.out.guessed = true;
                    self.input(Input::TransferFailed { code: 480 });
                }
            },
        }
        true
    }

    /// What became known before the caller's next act.
    fn knows(&mut self) {
        while let Some(Act::Known(_) | Act::Places(_)) = self.acts.front() {
            match self.acts.pop_front() {
                Some(Act::Known(text)) => self.input(Input::Known(Incident { text, ..Incident::default() })),
                Some(Act::Places(places)) => self.input(Input::Places(places)),
                _ => {}
            }
        }
    }

    /// Whether it is an emergency is up to the rules: a flow without one hears nothing.
    fn shout(&mut self) {
        let Some(Act::Shout { text, .. }) = self.acts.pop_front() else { return };
        self.did = true;
        self.entered = 0;
        self.input(Input::Overheard { text, spoken: String::new() });
    }

    fn press(&mut self) {
        let Some(Act::Key { key, at, .. }) = self.acts.pop_front() else { return };
        self.did = true;
        self.entered = 0;
        self.last_key = Some(at);
        self.clock = self.clock.max(at);
        self.input(Input::Digit(key));
    }

    /// The recorded pause before this key was longer than the flow waits for the rest of a choice.
    fn paused(&self, at: Duration) -> bool {
        let since = self.last_key.map(|last| at.saturating_sub(last));
        since.is_some_and(|since| self.deadline.is_some_and(|deadline| since > deadline))
    }

    /// The time is over.
    fn late(&mut self) {
        self.clock += self.deadline.unwrap_or_default();
        self.input(Input::Deadline);
    }

    /// Everything has happened that did before the caller hung up.
    fn gone(&self) -> bool {
        let Answers { tickets, filings, talks } = &self.answers;
        self.hung_up
            && !self.rang
            && self.acts.is_empty()
            && tickets.is_empty()
            && filings.is_empty()
            && talks.is_empty()
    }

    /// They hung up, or say nothing until the flow ends the call.
    fn nothing_more(&mut self) -> bool {
        if self.hung_up {
            self.input(Input::HungUp);
            self.over = true;
        } else {
            // The flow ended the recorded call, and this one goes on asking.
            self.out.guessed = true;
            let words = self.awaits == Awaits::Words;
            self.awaits = Awaits::Keys;
            if words { self.input(Input::NoInput) } else { self.late() }
        }
        true
    }

    fn outcome(mut self) -> Outcome {
        let end = end(self.talked, self.filed, self.did);
        let hints = match end {
            End::Filed => self.file_hints,
            End::Abandoned => self.interpreter.hints().clone(),
            End::Human if self.filed => self.file_hints,
            End::Human if self.did => self.interpreter.hints().clone(),
            End::Human | End::Nothing => Hints::default(),
        };
        self.out.end = end;
        self.out.hints = hints;
        self.out
    }
}

/// The number that a replayed filing gets.
const REPLAYED: &str = "0000000000000";

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
