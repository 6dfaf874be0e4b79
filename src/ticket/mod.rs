//! A ticket's number, the states that it goes through and the events that take it there.
//!
//! Owns the rules: which numbers are numbers, which event may follow which state. Refuses illegal moves, naming the
//! legal ones. Keeps nothing (that is `store`) and knows no clock. Casework (dispatch, deadlines, callbacks) adds its
//! states to [`State`] and its events to [`Event`]; everything that writes goes through [`Standing::after`].

mod number;
mod state;

pub use number::{DayFull, NotANumber, Number};
pub use state::{Event, How, Illegal, Standing, State, Text};
