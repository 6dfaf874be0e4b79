//! Any caller in the shipped flow and in the example: nothing panics, nobody is left in silence, and who stops doing
//! anything comes to the end.
#![no_main]

use std::sync::{Arc, LazyLock};

use jiesu::ivr::{Context, Flow, Heard, Input, Interpreter, Output, StatusReport};
use jiesu::written::{Faults, Source};
use libfuzzer_sys::fuzz_target;

static FLOWS: LazyLock<[Arc<Flow>; 2]> = LazyLock::new(|| {
    [include_str!("../../../config/flows/main.toml"), include_str!("../../../config/examples/flows/old-menu.toml")].map(|text| {
        let faults = Faults::default();
        let flow = Flow::read(&Source::new("f.toml", text), &faults);
        Arc::new(flow.unwrap_or_else(|| panic!("{faults}")))
    })
});

/// What the world owes the call.
#[derive(Default)]
struct World {
    play: Option<u32>,
    listening: bool,
    filing: bool,
    looking_up: bool,
    transferring: bool,
    timed: bool,
    over: bool,
}

impl World {
    fn tell(&mut self, call: &mut Interpreter, input: Input) {
        let hung_up = input == Input::HungUp;
        call.input(input);
        while let Some(output) = call.poll() {
            match output {
                Output::Play { play, .. } => self.play = Some(play),
                Output::StopPlay => self.play = None,
                Output::Listen { .. } => self.listening = true,
                Output::StopListen => self.listening = false,
                Output::Deadline(after) => self.timed = after.is_some(),
                Output::File { .. } => self.filing = true,
                Output::LookUp => self.looking_up = true,
                Output::Transfer { .. } => self.transferring = true,
                Output::Hangup => {
                    assert!(!self.over, "hangs up once");
                    self.over = true;
                }
                _ => {}
            }
        }
        self.over |= hung_up;
        assert!(self.over || self.timed || self.transferring, "nobody is left in silence");
    }

    /// What comes by itself, when the caller does nothing.
    fn nature(&mut self) -> Input {
        let take = |what: &mut bool| std::mem::take(what);
        if take(&mut self.filing) {
            Input::FileFailed
        } else if take(&mut self.looking_up) {
            Input::Status(None)
        } else if take(&mut self.transferring) {
            Input::TransferFailed { code: 480 }
        } else if let Some(play) = self.play.take() {
            Input::PlayDone { play }
        } else if take(&mut self.listening) {
            Input::NoInput
        } else {
            self.timed = false;
            Input::Deadline
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, steps)) = bytes.split_first() else { return };
    let flow = FLOWS[usize::from(which % 2)].clone();
    let mut call = Interpreter::new(flow.clone(), Context { line: "12345".to_owned(), ..Context::default() });
    let mut world = World::default();
    world.tell(&mut call, Input::Answered);
    for step in steps {
        if world.over {
            return;
        }
        let keys = b"0123456789*#ABCD";
        let report = || StatusReport { number: "2611240000718".to_owned(), state: "sent".to_owned(), unit: None };
        let input = match step {
            0..=31 => Input::Digit(char::from(keys[usize::from(step % 16)])),
            32..=39 => Input::PlayDone { play: u32::from(step % 8) },
            40 => Input::Heard(Heard::Pending),
            41 => Input::Heard(Heard::Text("停水了".to_owned())),
            42 => Input::Heard(Heard::Text("人工".to_owned())),
            43 => Input::Heard(Heard::Text(String::new())),
            44 => Input::NoInput,
            45 => Input::Answered,
            46 => Input::Filed { number: "2611240000718".to_owned() },
            47 => Input::Status(Some(report())),
            48 => Input::TransferEnded,
            49 => Input::Deadline,
            50 => Input::HungUp,
            _ => world.nature(),
        };
        world.tell(&mut call, input);
    }
    // As many turns as there may be steps, each node asking as often as it can.
    let limit = (flow.steps() + 64) * 84;
    for _ in 0..limit {
        if world.over {
            return;
        }
        let input = world.nature();
        world.tell(&mut call, input);
    }
    panic!("a silent caller is still at {}", call.node());
});
