//! The conversation: a flow that an admin wrote, and the machine that walks through it with one caller.
//!
//! Owns: `config/flows/*.toml` (written in [`parse`], made sure of in [`check`], meant in [`flow`]), `config/lines.toml`
//! ([`lines`]: which old number is which line), `config/emergency.toml` ([`emergency`]) and the [`Interpreter`], which is pure: it is told what happened
//! ([`Input`]) and says what to do ([`Output`]). Refuses: sockets, files, the clock, sound. What a prompt sounds like is
//! `tts`; whether a prompt, a category or a flow of that name exists is `config::check`.
//!
//! For admins: [`prove`] says whether every caller comes well out of a flow, [`show`] and [`sketch`] draw it, [`script`]
//! holds conversations against it ([`coverage`]: how much of it they touch), [`change`] tells two versions apart.
//!
//! The interpreter promises that every walk ends: a silent caller reaches a hang-up because [`check`] refuses flows in
//! which they would go round, and a caller who keys for ever is led out after [`Flow::steps`].

pub mod answers;
pub mod change;
pub mod check;
pub mod coverage;
pub mod digits;
pub mod emergency;
pub mod flow;
pub mod interpreter;
pub mod journal;
pub mod lines;
pub mod parse;
pub mod prove;
pub mod replay;
pub mod script;
pub mod show;
pub mod sketch;
pub mod spoken;
pub mod sub;
pub mod talk;

pub use answers::Answers;
pub use emergency::Rules;
pub use flow::Flow;
pub use interpreter::Interpreter;
pub use lines::{Chosen, Line, Lines};
pub use sub::SubFlows;
pub use talk::{
    Around, By, Context, Delivery, Gain, Heard, Hints, Incident, Input, Output, Pace, Place, Say, Sought, StatusReport,
};
