//! A ticket's number, the states that it goes through and the events that take it there.
//!
//! Owns the rules: which numbers are numbers, which event may follow which state. Refuses illegal moves, naming the
//! legal ones. Keeps nothing (that is `store`) and knows no clock. [`Standing::after`] is intake's half of a ticket's
//! life, [`case::Case::after`] the half that follows (dispatch, handling, callback); everything that writes goes through
//! one of the two.

pub mod case;
mod number;
mod state;

pub use number::{DayFull, NotANumber, Number};
pub use state::{Event, How, Illegal, Standing, State, Text};
