//! Conversations written down, to be held against a flow: what `tests/flows/*.script` and `jiesu flow test` run.
//!
//! ```text
//! call 12319 greeting=line-12319 topic=市政     # optional; the default is a call for 12345
//! call - given.title=路灯不亮                      # a call of ours, with what it brings along
//! < line-12319                                  # it says these prompts, "free text", 20260101 digits
//! > now 2026-05-01T09:00                        # the local time from here on; `call ... now=...` at the beginning
//! > recorded                                    # a message of a record node is kept
//! = speak en slow loud                          # the language, pace and loudness from here on
//! > !1                                          # a key, before the prompt is over; without ! after it
//! > say 我家停水了                               # what the caller says; pending: said, but no text yet
//! > silence                                     # the caller says or presses nothing until the time is over
//! = file confirmed topic=供水                    # it files; look-up (NUMBER, repeated), transfer URI, hangup likewise
//! > filed 2611240000718                         # the store's answer; not-filed, ticket N STATE UNIT, no-ticket
//! > no-answer 486                               # the transfer's; talked: somebody took it and has hung up
//! > shout 着火了                                # said while nobody listens: over a prompt, at a menu, while it rings
//! > places 110105015=八里庄街道/朝阳区 110108005=八里庄街道/海淀区    # between which what they say next leaves it open
//! > known 康邑园停水                              # what the caller says next is about this known incident
//! = at thanks                                   # the node where the call is
//! ```
//! A prompt is over when the next line needs it to be. Everything that the flow says or does must stand in the script.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use jiff::civil::Date;

use super::answers::Answers;
use super::coverage::Coverage;
use super::emergency::Rules;
use super::flow::Flow;
use super::interpreter::Interpreter;
use super::talk::{
    Around, Context, Delivery, Gain, Heard, Hints, Incident, Input, Output, Pace, Place, Say, StatusReport,
};
use crate::calendar::{self, Calendar};

/// The flow did something else than the script says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Mismatch {
    pub line: usize,
    pub what: String,
}

/// What the flow finds around it beside its own file.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub calendar: Arc<Calendar>,
    pub rules: Arc<Rules>,
    pub answers: Arc<Answers>,
}

/// Holds the conversation; gives what of the flow it came through.
///
/// # Errors
/// The first line where script and flow part.
pub fn run(world: &World, flow: &Arc<Flow>, script: &str) -> Result<Coverage, Mismatch> {
    let usual = Context { line: "12345".to_owned(), ..Context::default() };
    let mut run = Run::new(flow, world, usual);
    let mut begun = false;
    let mut last = 0;
    for (i, text) in script.lines().enumerate() {
        last = i + 1;
        let words = words(text);
        let Some((first, rest)) = words.split_first() else { continue };
        let step = match first.text.as_str() {
            "call" if !begun => context(rest).map(|context| run = Run::new(flow, world, context)),
            "<" => run.says(rest),
            ">" => run.tell(rest),
            "=" => run.does(rest),
            other => Err(format!("\"{other}\" begins no line: write call, <, > or =")),
        };
        if first.text != "call" && !begun {
            begun = true;
        }
        step.map_err(|what| Mismatch { line: last, what: format!("{what} (at {})", run.interpreter.node()) })?;
    }
    if run.effects.is_empty() {
        run.prompt_ends();
    }
    if let Some(more) = run.effects.pop_front() {
        return Err(Mismatch { line: last, what: format!("the script ends, the flow goes on: {}", show(&more)) });
    }
    Ok(run.seen)
}

struct Word {
    text: String,
    quoted: bool,
}

/// Words of a line; quotes keep blanks together, `#` begins a comment unless a word begins before it.
fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut chars = line.chars().peekable();
    while let Some(&c) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
            continue;
        }
        if c == '#' && !matches!(words.last(), Some(Word { text, .. }) if text == ">") {
            break;
        }
        let mut word = Word { text: String::new(), quoted: c == '"' };
        let mut inside = false;
        while let Some(&c) = chars.peek() {
            if c == '"' {
                inside = !inside;
            } else if c.is_whitespace() && !inside {
                break;
            } else {
                word.text.push(c);
            }
            chars.next();
        }
        words.push(word);
    }
    words
}

fn pairs(words: &[Word]) -> impl Iterator<Item = (&str, &str)> {
    words.iter().filter_map(|word| word.text.split_once('='))
}

fn context(words: &[Word]) -> Result<Context, String> {
    let mut context = Context { line: words.first().map(|w| w.text.clone()).unwrap_or_default(), ..Context::default() };
    for (key, value) in pairs(words) {
        match key {
            "greeting" => context.greeting = Some(value.to_owned()),
            "topic" => context.topic = Some(value.to_owned()),
            "caller" => value.clone_into(&mut context.caller),
            "now" => context.around.now = value.parse().map_err(|_| format!("\"{value}\" is no local time"))?,
            "load" => context.around.load = value.parse().map_err(|_| format!("\"{value}\" is no load in per cent"))?,
            "incident" => context.incident = Some(Incident { text: value.to_owned(), ..Incident::default() }),
            other => match other.strip_prefix("given.") {
                Some(name) => drop(context.given.insert(name.to_owned(), value.to_owned())),
                None => return Err(format!("a call line has no {other}")),
            },
        }
    }
    Ok(context)
}

/// What is being recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hearing {
    Nothing,
    Words,
    /// Of a record node.
    Message,
}

struct Run {
    interpreter: Interpreter,
    effects: VecDeque<Output>,
    playing: Option<u32>,
    hearing: Hearing,
    timed: bool,
    around: Around,
    seen: Coverage,
}

impl Run {
    fn new(flow: &Arc<Flow>, world: &World, context: Context) -> Run {
        let around = context.around;
        let context = Context { calendar: world.calendar.clone(), ..context };
        let interpreter = Interpreter::new(flow.clone(), context);
        let interpreter = interpreter.watch(world.rules.clone()).informed(world.answers.clone());
        let (effects, seen) = (VecDeque::new(), Coverage::default());
        let mut run =
            Run { interpreter, effects, playing: None, hearing: Hearing::Nothing, timed: false, around, seen };
        run.input(Input::Answered);
        run
    }

    fn input(&mut self, input: Input) {
        self.interpreter.input(input);
        while let Some(output) = self.interpreter.poll() {
            match output {
                Output::Note(note) => note.strip_prefix("node ").into_iter().for_each(|node| self.seen.enter(node)),
                // What the flow makes of them follows.
                Output::Emergency { .. } | Output::Question { .. } => {}
                Output::Deadline(after) => self.timed = after.is_some(),
                Output::Listen { .. } => self.hearing = Hearing::Words,
                Output::Record { .. } => self.hearing = Hearing::Message,
                Output::StopListen => self.hearing = Hearing::Nothing,
                // Before anybody has heard of it: the flow went on at once.
                Output::StopPlay => {
                    self.effects.retain(|effect| !matches!(effect, Output::Play { .. }));
                    self.playing = None;
                }
                effect => self.effects.push_back(effect),
            }
        }
    }

    /// Lets the prompt end that is playing.
    fn prompt_ends(&mut self) {
        if let Some(play) = self.playing.take() {
            self.input(Input::PlayDone { play });
        }
    }

    fn next(&mut self) -> Result<Output, String> {
        if self.effects.is_empty() {
            self.prompt_ends();
        }
        let effect = self.effects.pop_front().ok_or("the flow waits and does nothing")?;
        if let Output::Play { play, .. } = effect {
            self.playing = Some(play);
        }
        Ok(effect)
    }

    fn says(&mut self, words: &[Word]) -> Result<(), String> {
        let expected: Vec<Say> = words
            .iter()
            .map(|word| match word {
                Word { text, quoted: true } => Say::Text(text.clone()),
                Word { text, .. } if text.bytes().all(|b| b.is_ascii_digit()) => Say::Digits(text.clone()),
                Word { text, .. } if text.contains(':') => match calendar::clock(text) {
                    Some(time) => Say::Time(time),
                    None => Say::Prompt(text.clone()),
                },
                Word { text, .. } if text.parse::<Date>().is_ok() => {
                    text.parse().map_or_else(|_| Say::Prompt(text.clone()), Say::Date)
                }
                Word { text, .. } => Say::Prompt(text.clone()),
            })
            .collect();
        match self.next()? {
            Output::Play { say, .. } if say == expected => Ok(()),
            other => Err(format!("the flow does something else: {}", show(&other))),
        }
    }

    fn does(&mut self, words: &[Word]) -> Result<(), String> {
        let word = |i: usize| words.get(i).map_or("", |word| word.text.as_str());
        if word(0) == "at" {
            let node = self.interpreter.node();
            return if node == word(1) { Ok(()) } else { Err(format!("the call is at {node}")) };
        }
        let effect = self.next()?;
        let same = match (&effect, word(0)) {
            (Output::File { hints, confirmed }, "file") => {
                let mut expected = Hints::default();
                for (key, value) in pairs(words) {
                    let value = Some(value.to_owned());
                    match key {
                        "topic" => expected.topic = value,
                        "category" => expected.category = value,
                        "kind" => expected.kind = value,
                        "urgency" => expected.urgency = value,
                        "place" => expected.place = value,
                        "elsewhere" => expected.elsewhere.extend(value),
                        other => return Err(format!("a file line has no {other}")),
                    }
                }
                *hints == expected && *confirmed == (word(1) == "confirmed")
            }
            (Output::LookUp(sought), "look-up") => sought.to_string() == word(1),
            (Output::Hangup, "hangup") => true,
            (Output::RecordAll, "record-all") | (Output::StopTransfer, "stop-transfer") => true,
            (Output::Transfer { target, .. }, "transfer") => target == word(1),
            (Output::Speak(delivery), "speak") => {
                let said: Vec<&str> = words[1..].iter().map(|word| word.text.as_str()).collect();
                said == manner(delivery)
            }
            _ => false,
        };
        if same { Ok(()) } else { Err(format!("the flow does something else: {}", show(&effect))) }
    }

    fn tell(&mut self, words: &[Word]) -> Result<(), String> {
        let word = |i: usize| words.get(i).map_or("", |word| word.text.as_str());
        let rest = || words.iter().skip(1).map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        let early = word(0).starts_with('!');
        if !early && self.effects.is_empty() {
            self.prompt_ends();
        }
        if let Some(unseen) = self.effects.front() {
            return Err(format!("first the flow does this: {}", show(unseen)));
        }
        let input = match word(0).trim_start_matches('!') {
            "say" | "pending" | "silence" if self.hearing == Hearing::Words => {
                self.hearing = Hearing::Nothing;
                match word(0) {
                    "say" => Input::Heard(Heard::Text(rest())),
                    "pending" => Input::Heard(Heard::Pending),
                    _ => Input::NoInput,
                }
            }
            "recorded" | "silence" if self.hearing == Hearing::Message => {
                self.hearing = Hearing::Nothing;
                if word(0) == "recorded" { Input::Heard(Heard::Pending) } else { Input::NoInput }
            }
            "now" => {
                let now = word(1).parse().map_err(|_| format!("\"{}\" is no local time", word(1)))?;
                self.input(Input::Around(Around { now, ..self.around }));
                return Ok(());
            }
            "shout" if self.hearing == Hearing::Nothing => Input::Overheard { text: rest(), spoken: String::new() },
            "shout" => return Err("it is listened for: write say".to_owned()),
            "say" | "pending" | "recorded" => return Err("nobody listens".to_owned()),
            "silence" if self.timed => Input::Deadline,
            "silence" => return Err("nothing is waited for".to_owned()),
            "filed" => Input::Filed { number: word(1).to_owned() },
            "not-filed" => Input::FileFailed,
            "ticket" => {
                let unit = words.get(3).map(|unit| unit.text.clone());
                Input::Status(Some(StatusReport { number: word(1).to_owned(), state: word(2).to_owned(), unit }))
            }
            "no-ticket" => Input::Status(None),
            "no-answer" => Input::TransferFailed { code: word(1).parse().unwrap_or(480) },
            "talked" => Input::TransferEnded,
            "known" => Input::Known(Incident { text: rest(), ..Incident::default() }),
            "places" => Input::Places(places(&words[1..])?),
            "hang-up" => Input::HungUp,
            keys if !keys.is_empty() && keys.chars().all(|key| key.is_ascii_digit() || "*#".contains(key)) => {
                self.seen.press(self.interpreter.node(), keys);
                for key in keys.chars() {
                    self.input(Input::Digit(key));
                }
                return Ok(());
            }
            other => return Err(format!("\"{other}\" is nothing that can happen")),
        };
        self.input(input);
        Ok(())
    }
}

/// `CODE=NAME/DISTRICT` each.
fn places(words: &[Word]) -> Result<Vec<Place>, String> {
    let place = |word: &Word| {
        let (code, names) = word.text.split_once('=')?;
        let (name, district) = names.split_once('/')?;
        Some(Place { code: code.to_owned(), name: name.to_owned(), district: district.to_owned() })
    };
    let read = |word: &Word| place(word).ok_or_else(|| format!("\"{}\" is no CODE=NAME/DISTRICT", word.text));
    words.iter().map(read).collect()
}

/// How the caller is spoken to, in a script's words; what is as usual has none.
fn manner(delivery: &Delivery) -> Vec<&str> {
    let slow = (delivery.pace == Pace::Slow).then_some("slow");
    let loud = (delivery.gain == Gain::Loud).then_some("loud");
    delivery.language.as_deref().into_iter().chain(slow).chain(loud).collect()
}

/// An output as a script writes it.
fn show(output: &Output) -> String {
    match output {
        Output::Play { say, .. } => say.iter().fold("<".to_owned(), |mut line, say| {
            let written = match say {
                Say::Prompt(id) => write!(line, " {id}"),
                Say::Text(text) => write!(line, " \"{text}\""),
                Say::Digits(digits) => write!(line, " {digits}"),
                Say::Time(time) => write!(line, " {:02}:{:02}", time.hour(), time.minute()),
                Say::Date(date) => write!(line, " {date}"),
                other => write!(line, " {other:?}"),
            };
            written.expect("a String takes everything");
            line
        }),
        Output::File { hints, confirmed } => {
            let mut line = if *confirmed { "= file confirmed" } else { "= file" }.to_owned();
            let hints = [
                ("topic", &hints.topic),
                ("category", &hints.category),
                ("kind", &hints.kind),
                ("urgency", &hints.urgency),
            ];
            for (key, value) in hints {
                if let Some(value) = value {
                    write!(line, " {key}=\"{value}\"").expect("a String takes everything");
                }
            }
            line
        }
        Output::LookUp(sought) => format!("= look-up {sought}").trim_end().to_owned(),
        Output::Speak(delivery) => format!("= speak {}", manner(delivery).join(" ")),
        Output::Transfer { target, .. } => format!("= transfer {target}"),
        Output::RecordAll => "= record-all".to_owned(),
        Output::StopTransfer => "= stop-transfer".to_owned(),
        Output::Hangup => "= hangup".to_owned(),
        other => format!("{other:?}"),
    }
}
