//! One caller's walk through a flow. Pure: one [`Input`] at a time, then drain [`Interpreter::poll`].
//!
//! Owns where the call is, what is awaited there and for how long; every wait has a deadline except a talk with a human
//! (the call's own limit ends that), so no lost event can leave a caller in silence. Answers to what is no longer
//! awaited (an older `play`, a late number, a deadline that was withdrawn) change nothing. Refuses nothing: an input
//! that makes no sense is ignored.

mod alarm;
mod keys;
mod place;
mod route;
mod speak;
mod speech;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::answers::Answers;
use super::flow::{Flow, Kind, NodeId, Times, Which};
use super::talk::{Context, Delivery, Heard, Hints, Input, Output, Sought, StatusReport};

/// A prompt that has not ended by then never will: go on without it.
const PLAY: Duration = Duration::from_secs(180);
/// On top of a listen's own times: the recogniser's.
const RECOGNISE: Duration = Duration::from_secs(45);
/// A store that has not answered by then is broken; the ticket is made from the recording later.
const STORE: Duration = Duration::from_secs(8);
/// A choice in words is cut off here.
const A_CHOICE: Duration = Duration::from_secs(15);
/// The variable that says that the caller wants to be added to the known incident.
pub const JOINED: &str = "joined";
/// Steps that a caller has left after `too_long`.
const LAST_STEPS: u32 = 32;

/// See the module.
#[derive(Debug)]
pub struct Interpreter {
    flow: Arc<Flow>,
    context: Context,
    at: At,
    node: NodeId,
    /// Silences and wrong keys of this visit.
    no_input: u32,
    no_match: u32,
    /// How often the question was said again because the caller wanted it.
    repeats: u32,
    steps: u32,
    led_out: bool,
    /// The number of the latest play and listen; 0 before the first.
    plays: u32,
    listens: u32,
    /// A deadline is running.
    timed: bool,
    typed_ahead: VecDeque<char>,
    /// The key that would have ended the last row of digits: the next one, if it is this, says nothing.
    spent: Option<char>,
    hints: Hints,
    /// Only names that the flow sets, as many as its nodes, and those that were given.
    variables: BTreeMap<String, String>,
    delivery: Delivery,
    /// What was known when a menu was first entered: who comes back to it takes back what they chose below.
    above: Vec<(NodeId, Hints)>,
    heard: Option<Heard>,
    confirmed: bool,
    number: Option<String>,
    report: Option<StatusReport>,
    watch: alarm::Watch,
    open: place::Open,
    answers: Arc<Answers>,
    out: VecDeque<Output>,
}

/// What is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    /// [`Input::Answered`].
    Start,
    /// The end of a prompt.
    Saying {
        play: u32,
        cut: bool,
        then: Then,
    },
    /// A key; `typed` are those of a choice that is not complete.
    Asking {
        typed: String,
    },
    /// What the caller says, or its text.
    Hearing,
    Filing,
    LookingUp,
    Transferring,
    /// A rule of `emergency.toml` has the call.
    Alarm {
        rule: usize,
        step: alarm::Step,
    },
    /// Nothing.
    Over,
}

/// What comes after a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Go(NodeId),
    Ask,
    Listen,
    Transfer,
    Hangup,
}

impl Interpreter {
    pub fn new(flow: Arc<Flow>, context: Context) -> Interpreter {
        let hints = Hints { topic: context.topic.clone(), ..Hints::default() };
        let node = flow.start();
        let variables = context.given.clone();
        Interpreter {
            flow,
            context,
            at: At::Start,
            node,
            no_input: 0,
            no_match: 0,
            repeats: 0,
            steps: 0,
            led_out: false,
            plays: 0,
            listens: 0,
            timed: false,
            typed_ahead: VecDeque::new(),
            spent: None,
            hints,
            variables,
            delivery: Delivery::default(),
            above: Vec::new(),
            heard: None,
            confirmed: false,
            number: None,
            report: None,
            watch: alarm::Watch::default(),
            open: place::Open::default(),
            answers: Arc::default(),
            out: VecDeque::new(),
        }
    }

    /// The node where the call is.
    pub fn node(&self) -> &str {
        &self.flow.node(self.node).name.value
    }

    /// Whether it waits for one of a menu's choices, by key or by word.
    pub fn choosing(&self) -> bool {
        matches!(self.flow.node(self.node).kind, Kind::Menu { .. } | Kind::Confirm { .. } | Kind::Place { .. })
    }

    /// What has been chosen so far, for a ticket that is filed because the caller hung up.
    pub fn hints(&self) -> &Hints {
        &self.hints
    }

    /// Whether the caller has chosen to be added to the incident that concerns them: the flow sets [`JOINED`].
    pub fn joined(&self) -> bool {
        self.context.incident.is_some() && self.variables.get(JOINED).is_some_and(|value| !value.is_empty())
    }

    /// What the flow has set so far.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub fn input(&mut self, input: Input) {
        if self.alarmed(&input) {
            return;
        }
        match (input, self.at.clone()) {
            (Input::HungUp, _) => self.rest(At::Over, None),
            (_, At::Over) => {}
            (Input::Around(around), _) => self.context.around = around,
            (Input::Known(incident), _) => self.context.incident = Some(incident),
            (Input::Places(places), _) => self.leave_open(places),
            (Input::Answered, At::Start) => self.proceed(Then::Go(self.flow.start())),
            (Input::Digit(key), _) => self.key(key),
            (Input::PlayDone { play: done }, At::Saying { play, then, .. }) if done == play => self.proceed(then),
            (Input::Heard(heard), At::Hearing) => self.heard(heard),
            (Input::NoInput, At::Hearing) => self.silence(),
            (Input::Filed { number }, at) => {
                self.number = Some(number);
                if let (At::Filing, Kind::File { go, .. }) = (at, &self.flow.node(self.node).kind) {
                    self.proceed(Then::Go(*go));
                }
            }
            (Input::FileFailed, At::Filing) => self.not_filed(),
            (Input::Status(report), At::LookingUp) => self.status(report),
            (Input::TransferFailed { .. }, At::Transferring) => {
                if let Kind::Transfer { failed, .. } | Kind::Queue { failed, .. } = &self.flow.node(self.node).kind {
                    self.proceed(Then::Go(*failed));
                }
            }
            (Input::TransferEnded, At::Transferring) => match &self.flow.node(self.node).kind {
                Kind::Transfer { ended: Some(ended), .. } | Kind::Queue { ended: Some(ended), .. } => {
                    self.proceed(Then::Go(*ended))
                }
                _ => self.proceed(Then::Hangup),
            },
            (Input::Deadline, at) if self.timed => {
                self.timed = false;
                self.too_late(at);
            }
            _ => {}
        }
        while self.takes_keys()
            && let Some(key) = self.typed_ahead.pop_front()
        {
            self.key(key);
        }
    }

    fn too_late(&mut self, at: At) {
        match at {
            At::Saying { then, .. } => {
                self.note("a prompt never ended");
                self.out.push_back(Output::StopPlay);
                self.proceed(then);
            }
            At::Asking { typed } if typed.is_empty() => self.silence(),
            At::Asking { typed } => self.typed_out(&typed),
            At::Hearing => {
                self.note("nobody said what was heard");
                self.out.push_back(Output::StopListen);
                self.heard(Heard::Pending);
            }
            At::Filing => self.not_filed(),
            At::LookingUp => self.status(None),
            At::Start | At::Transferring | At::Alarm { .. } | At::Over => {}
        }
    }

    // ---- the store ----

    fn not_filed(&mut self) {
        self.note("not filed");
        if let Kind::File { failed, .. } = &self.flow.node(self.node).kind {
            self.proceed(Then::Go(*failed));
        }
    }

    fn status(&mut self, report: Option<StatusReport>) {
        let flow = self.flow.clone();
        let Kind::Status { found, unit, none, go, .. } = &flow.node(self.node).kind else { return };
        let with_unit = report.as_ref().is_some_and(|report| report.unit.is_some());
        self.report = report;
        let then = match &self.report {
            None => Some(Then::Go(*none)),
            Some(_) => {
                let mut say = self.spoken(found);
                if with_unit {
                    say.extend(self.spoken(unit));
                }
                self.say(say, true, Then::Go(*go))
            }
        };
        if let Some(then) = then {
            self.proceed(then);
        }
    }

    // ---- from node to node ----

    /// Leaves by a key, whatever is going on.
    fn leave(&mut self, go: NodeId) {
        self.stop();
        self.proceed(Then::Go(go));
    }

    /// Goes on until something has to be waited for.
    fn proceed(&mut self, then: Then) {
        let mut next = Some(then);
        while let Some(then) = next {
            next = match then {
                Then::Go(node) => self.enter(node),
                Then::Ask => {
                    let wait = self.times().wait;
                    self.rest(At::Asking { typed: String::new() }, Some(wait));
                    None
                }
                Then::Listen => {
                    self.listen();
                    None
                }
                Then::Transfer => {
                    if let Kind::Transfer { target, by, .. } | Kind::Queue { target, by, .. } =
                        &self.flow.node(self.node).kind
                    {
                        self.out.push_back(Output::Transfer { target: target.clone(), by: *by });
                    }
                    self.rest(At::Transferring, None);
                    None
                }
                Then::Hangup => {
                    self.rest(At::Over, None);
                    self.out.push_back(Output::Hangup);
                    None
                }
            };
        }
    }

    /// Records what the caller says, and has it recognised unless the node only records.
    fn listen(&mut self) {
        let Times { wait: no_input, silence, longest, .. } = self.times();
        self.listens += 1;
        let listen = self.listens;
        let (max, output) = match &self.flow.node(self.node).kind {
            Kind::Record { .. } => (longest, Output::Record { listen, no_input, silence, max: longest }),
            Kind::Menu { .. } | Kind::Place { .. } => {
                let max = longest.min(A_CHOICE);
                (max, Output::Listen { listen, no_input, silence, max })
            }
            _ => (longest, Output::Listen { listen, no_input, silence, max: longest }),
        };
        self.out.push_back(output);
        self.rest(At::Hearing, Some(no_input + silence + max + RECOGNISE));
    }

    /// Enters a node; gives what comes next if there is nothing to wait for.
    fn enter(&mut self, node: NodeId) -> Option<Then> {
        let flow = self.flow.clone();
        self.steps += 1;
        let node = if self.steps > flow.steps() && !self.led_out {
            self.led_out = true;
            self.note("too many steps");
            flow.too_long()
        } else if self.steps > flow.steps() + LAST_STEPS {
            return Some(Then::Hangup);
        } else {
            node
        };
        self.node = node;
        self.no_input = 0;
        self.no_match = 0;
        self.repeats = 0;
        self.note(&format!("node {}", self.node()));
        match &flow.node(node).kind {
            Kind::Say { say, barge_in, go } => self.say(self.spoken(say), *barge_in, Then::Go(*go)),
            Kind::Menu { .. } => {
                self.back_up(node);
                self.ask()
            }
            Kind::Listen { .. } | Kind::Record { .. } | Kind::Collect { .. } => self.ask(),
            Kind::Set { variables, hints, wanted, go } => {
                self.set(variables, hints, wanted);
                Some(Then::Go(*go))
            }
            Kind::Branch { arms, otherwise } => Some(self.branch(arms, *otherwise)),
            Kind::Hours { hours, open, closed } => {
                let is_open = hours.open(&self.context.calendar, self.context.around.now);
                Some(Then::Go(if is_open { *open } else { *closed }))
            }
            Kind::Confirm { .. } => {
                // Nobody confirms what they have not heard.
                self.typed_ahead.clear();
                self.ask()
            }
            Kind::Place { most, go, .. } => self.ask_place(*most, *go),
            Kind::Answer { least, go, none } => Some(Then::Go(if self.answered(*least) { *go } else { *none })),
            Kind::File { .. } => {
                self.out.push_back(Output::File { hints: self.hints.clone(), confirmed: self.confirmed });
                self.rest(At::Filing, Some(STORE));
                None
            }
            Kind::Status { which, .. } => {
                let sought = match which {
                    Which::Keyed(name) => match self.variables.get(name).filter(|number| !number.is_empty()) {
                        Some(number) => Sought::Number(number.clone()),
                        None => Sought::Last,
                    },
                    Which::Last => Sought::Last,
                    Which::Repeated => Sought::Repeated,
                };
                self.out.push_back(Output::LookUp(sought));
                self.rest(At::LookingUp, Some(STORE));
                None
            }
            Kind::Transfer { say, .. } | Kind::Queue { say, .. } => self.say(self.spoken(say), false, Then::Transfer),
            Kind::Goto { go } | Kind::Return { go } | Kind::Sub { begin: go, .. } => Some(Then::Go(*go)),
            Kind::Hangup { say } => self.say(self.spoken(say), false, Then::Hangup),
        }
    }

    /// Takes back what was chosen below this menu.
    fn back_up(&mut self, menu: NodeId) {
        match self.above.iter().find(|(node, _)| *node == menu) {
            Some((_, hints)) => self.hints = hints.clone(),
            None => self.above.push((menu, self.hints.clone())),
        }
    }

    /// Waits for `at`, for at most `limit`.
    fn rest(&mut self, at: At, limit: Option<Duration>) {
        self.at = at;
        if limit.is_some() || self.timed {
            self.out.push_back(Output::Deadline(limit));
        }
        self.timed = limit.is_some();
    }

    fn note(&mut self, what: &str) {
        self.out.push_back(Output::Note(what.to_owned()));
    }
}

#[cfg(test)]
mod tests;
