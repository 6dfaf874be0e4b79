//! The call's journal while it goes on: which of the session's inputs and outputs are steps of the caller's way.
//!
//! Pure. Follows what is awaited just closely enough to tell a key during a prompt from one after it, and a silence from
//! any other deadline.

use std::time::Duration;

use super::session::{Input, OVERHEARD, Output};
use crate::ivr::Incident;
use crate::ivr::journal::{Journal, Step};
use crate::media::{Segment, SegmentEnd};

/// See the module.
#[derive(Debug, Default)]
pub struct Diary {
    journal: Journal,
    at: At,
    /// Utterances so far.
    segments: usize,
    /// The latest that was cut off: its words are only the beginning.
    cut: Option<usize>,
    /// Words that nobody had asked for: kept only if they raise an emergency at once.
    overheard: Option<String>,
}

/// What the caller is doing, as far as commands tell.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Waits for us.
    #[default]
    Waits,
    /// Hears this play.
    Hears(u32),
    /// May press keys.
    MayPress,
    /// May speak, in answer to this listen.
    MaySpeak(u32),
    /// This utterance is recorded; whether anybody waits for its words will show.
    Recorded(usize),
    /// Waits for the words of this utterance.
    Said(usize),
}

impl Diary {
    /// Of a call whose caller is concerned by an incident that was known before it began.
    pub fn knowing(incident: Option<&Incident>) -> Diary {
        let mut diary = Diary::default();
        if let Some(incident) = incident {
            diary.journal.add(Duration::ZERO, Step::Known(incident.text.clone()));
        }
        diary
    }

    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Before the session is told.
    pub fn input(&mut self, now: Duration, input: &Input) {
        self.overheard = match input {
            Input::Overheard { text, .. } => text.clone(),
            Input::Recognised { index, text } if self.at != At::Said(*index) => text.clone(),
            _ => None,
        };
        let step = match input {
            Input::Digit(key) => Some(Step::Key { key: *key, early: matches!(self.at, At::Hears(_)) }),
            Input::PlayDone { play } => {
                if self.at == At::Hears(*play) {
                    self.at = At::MayPress;
                }
                None
            }
            Input::NoInput { listen } if self.at == At::MaySpeak(*listen) => Some(Step::Silence),
            // What was overheard is no utterance of the record.
            Input::Segment(segment) if segment.listen >= OVERHEARD => None,
            Input::Segment(segment) => {
                self.segments += 1;
                self.segment(segment)
            }
            Input::Recognised { index, text } if self.at == At::Said(*index) => {
                self.at = At::Waits;
                Some(match text {
                    None => Step::Pending(*index as u32),
                    Some(text) if text.is_empty() => Step::Silence,
                    Some(_) => Step::Said(*index as u32),
                })
            }
            Input::Deadline if self.at == At::MayPress => Some(Step::Silence),
            Input::Filed { .. } => Some(Step::Filed),
            Input::FileFailed => Some(Step::NotFiled),
            Input::Status(report) => Some(Step::Ticket(report.clone())),
            Input::TransferFailed { code } => Some(Step::NoAnswer(*code)),
            Input::TransferEnded => Some(Step::Talked),
            Input::Known(incident) => Some(Step::Known(incident.text.clone())),
            Input::Places(places) => Some(Step::Places(places.clone())),
            Input::Ended { why } => Some(Step::End((*why).to_owned())),
            _ => None,
        };
        if let Some(step) = step {
            self.journal.add(now, step);
        }
    }

    fn segment(&mut self, segment: &Segment) -> Option<Step> {
        if self.at != At::MaySpeak(segment.listen) {
            return None;
        }
        match segment.ended {
            SegmentEnd::HungUp | SegmentEnd::Stopped => None,
            SegmentEnd::Cut => {
                self.cut = Some(self.segments - 1);
                None
            }
            // An empty one that a key ended is listened to all the same.
            SegmentEnd::Key(_) => {
                self.at = At::Recorded(self.segments - 1);
                None
            }
            _ if segment.speech.is_zero() && segment.error.is_none() && self.cut.is_none() => Some(Step::Silence),
            _ => {
                self.at = At::Recorded(self.segments - 1);
                None
            }
        }
    }

    /// Before a command is carried out.
    pub fn output(&mut self, now: Duration, output: &Output) {
        if let At::Recorded(index) = self.at
            && !matches!(output, Output::Keep { .. } | Output::KeepKeys | Output::Recognise { .. })
        {
            // A message: the flow went on without waiting for its words.
            self.at = At::Waits;
            self.journal.add(now, Step::Pending(index as u32));
        }
        match output {
            Output::Play { play, .. } => self.at = At::Hears(*play),
            Output::StopPlay => self.at = At::MayPress,
            Output::Listen { listen, .. } => {
                self.cut = None;
                self.at = At::MaySpeak(*listen);
            }
            Output::StopListen => self.at = At::Waits,
            Output::Recognise { index } if self.cut == Some(*index) => {}
            Output::Recognise { index } => self.at = At::Said(*index),
            Output::Emergency { .. } => {
                if let Some(text) = self.overheard.take() {
                    self.journal.add(now, Step::Overheard(text));
                }
            }
            Output::Transfer { target, .. } => self.journal.add(now, Step::Transfer(target.clone())),
            Output::Note(line) => {
                if let Some(name) = line.strip_prefix("node ") {
                    self.journal.add(now, Step::Node(name.to_owned()));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(listen: u32, speech: u64, ended: SegmentEnd) -> Input {
        let speech = Duration::from_secs(speech);
        Input::Segment(Segment { listen, file: "x.wav".into(), duration: speech, speech, ended, error: None })
    }

    #[test]
    fn a_message_is_not_waited_for_and_an_empty_one_is_silence() {
        let mut diary = Diary::default();
        let now = Duration::ZERO;
        let listen = |listen| Output::Listen { listen, no_input: now, silence: now, max: now };
        diary.output(now, &listen(1));
        diary.input(now, &segment(1, 0, SegmentEnd::Silence));
        diary.output(now, &Output::Keep { index: 0 });
        diary.output(now, &listen(2));
        diary.input(now, &segment(2, 3, SegmentEnd::Silence));
        diary.output(now, &Output::Keep { index: 1 });
        diary.output(now, &Output::Note("node thanks".into()));
        assert_eq!(diary.journal().to_string(), "0 silence\n0 pending 1\n0 node thanks\n");
    }

    #[test]
    fn of_what_is_overheard_only_an_emergency_is_written_down() {
        let mut diary = Diary::default();
        let heard = |text: &str| Input::Overheard { listen: OVERHEARD, text: Some(text.into()), spoken: String::new() };
        let raised = || Output::Emergency { rule: "fire".into(), words: "着火".into() };
        diary.input(Duration::from_secs(1), &heard("妈，饭好了吗"));
        diary.input(Duration::from_secs(2), &Input::Digit('1'));
        diary.output(Duration::from_secs(2), &raised()); // by the key
        diary.input(Duration::from_secs(3), &heard("着火了"));
        diary.output(Duration::from_secs(3), &Output::StopPlay);
        diary.output(Duration::from_secs(3), &raised());
        diary.input(Duration::from_secs(4), &Input::Recognised { index: 0, text: Some("楼上在冒烟".into()) });
        diary.output(Duration::from_secs(4), &raised());
        assert_eq!(diary.journal().to_string(), "2000 key 1\n3000 overheard 着火了\n4000 overheard 楼上在冒烟\n");
    }

    #[test]
    fn keys_silences_and_words_are_told_apart() {
        let mut diary = Diary::default();
        let second = Duration::from_secs;
        let play = |play| Output::Play { play, say: Vec::new(), barge_in: true };
        diary.output(second(0), &Output::Note("node ask".into()));
        diary.output(second(0), &play(1));
        diary.input(second(1), &Input::Digit('2'));
        diary.output(second(1), &Output::StopPlay);
        diary.output(second(1), &play(2));
        diary.input(second(2), &Input::PlayDone { play: 1 }); // of the one before: says nothing
        diary.input(second(2), &Input::Deadline); // not a silence: a prompt plays
        diary.input(second(3), &Input::PlayDone { play: 2 });
        diary.input(second(9), &Input::Deadline);
        diary.input(second(10), &Input::Digit('3'));
        let times = (second(1), second(1), second(1));
        diary.output(second(11), &Output::Listen { listen: 1, no_input: times.0, silence: times.1, max: times.2 });
        diary.input(second(12), &Input::Deadline);
        diary.output(second(12), &Output::Recognise { index: 0 });
        diary.input(second(13), &Input::Deadline); // one moment, please
        diary.output(second(13), &Output::Note("too many steps".into()));
        diary.input(second(14), &Input::Recognised { index: 0, text: Some("停水".into()) });
        diary.input(second(15), &Input::Recognised { index: 0, text: Some("停水".into()) });
        diary.input(second(16), &Input::Ended { why: "caller" });
        let written = "0 node ask\n1000 key !2\n9000 silence\n10000 key 3\n14000 said 0\n16000 end caller\n";
        assert_eq!(diary.journal().to_string(), written);
    }
}
