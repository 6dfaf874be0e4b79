//! Any caller in the shipped flow and in the example: nothing panics, nobody is left in silence, and who stops doing
//! anything comes to the end.
#![no_main]

use std::sync::{Arc, LazyLock};

use jiesu::ivr::{Context, Flow, Heard, Input, Interpreter, Output, StatusReport};
use jiesu::written::{Faults, Source};
use libfuzzer_sys::fuzz_target;
use world::World;

#[path = "../../../src/ivr/interpreter/tests/world.rs"]
mod world;

/// The store fails, there is no ticket, nobody takes the call, nothing is said.
const UNLUCKY: u8 = 3;

static FLOWS: LazyLock<[Arc<Flow>; 2]> = LazyLock::new(|| {
    [include_str!("../../../config/flows/main.toml"), include_str!("../../../config/examples/flows/old-menu.toml")].map(
        |text| {
            let faults = Faults::default();
            let flow = Flow::read(&Source::new("f.toml", text), &faults);
            Arc::new(flow.unwrap_or_else(|| panic!("{faults}")))
        },
    )
});

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
            _ => world.nature(UNLUCKY),
        };
        world.tell(&mut call, input);
    }
    // As many turns as there may be steps, each node asking as often as it can.
    let limit = (flow.steps() + 64) * 84;
    for _ in 0..limit {
        if world.over {
            return;
        }
        let input = world.nature(UNLUCKY);
        world.tell(&mut call, input);
    }
    panic!("a silent caller is still at {}", call.node());
});
