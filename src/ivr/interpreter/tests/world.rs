//! What surrounds a call in tests: prompts end, stores answer, people take calls or do not. The fuzz target
//! `flow_walk` takes this file in as well; what it names comes from the module that does so.

use super::{Heard, Input, Interpreter, Output, StatusReport};

/// What the world around a call owes it.
#[derive(Debug, Default)]
pub struct World {
    pub play: Option<u32>,
    pub listening: bool,
    pub filing: bool,
    pub looking_up: bool,
    pub transferring: bool,
    pub timed: bool,
    pub over: bool,
}

impl World {
    /// Tells the call something and notes what it now waits for.
    pub fn tell(&mut self, call: &mut Interpreter, input: Input) {
        let hung_up = input == Input::HungUp;
        call.input(input);
        while let Some(output) = call.poll() {
            match output {
                Output::Play { play, .. } => self.play = Some(play),
                Output::StopPlay => self.play = None,
                Output::Listen { .. } | Output::Record { .. } => self.listening = true,
                Output::StopListen => self.listening = false,
                Output::Deadline(after) => self.timed = after.is_some(),
                Output::File { .. } => self.filing = true,
                Output::LookUp(_) => self.looking_up = true,
                Output::Transfer { .. } => self.transferring = true,
                Output::Hangup => {
                    assert!(!self.over, "hangs up once");
                    self.over = true;
                }
                Output::StopTransfer
                | Output::RecordAll
                | Output::Emergency { .. }
                | Output::Question { .. }
                | Output::Speak(_)
                | Output::Note(_) => {}
            }
        }
        self.over |= hung_up;
        assert!(self.over || self.timed || self.transferring, "nobody is left in silence: {call:?}");
    }

    /// What comes by itself sooner or later; `luck` decides how.
    pub fn nature(&mut self, luck: u8) -> Input {
        let lucky = luck.is_multiple_of(2);
        let number = || "2611240000718".to_owned();
        if std::mem::take(&mut self.filing) {
            return if lucky { Input::Filed { number: number() } } else { Input::FileFailed };
        }
        if std::mem::take(&mut self.looking_up) {
            let report = StatusReport { number: number(), state: "sent".to_owned(), unit: None };
            return Input::Status(lucky.then_some(report));
        }
        if std::mem::take(&mut self.transferring) {
            return if lucky { Input::TransferEnded } else { Input::TransferFailed { code: 480 } };
        }
        if let Some(play) = self.play.take_if(|_| luck < 250) {
            return Input::PlayDone { play };
        }
        if std::mem::take(&mut self.listening) {
            return match luck % 4 {
                0 => Input::Heard(Heard::Text("停水了".to_owned())),
                1 => Input::Heard(Heard::Pending),
                2 => Input::Heard(Heard::Text("人工".to_owned())),
                _ => Input::NoInput,
            };
        }
        self.timed = false;
        Input::Deadline
    }
}
