//! The life of a ticket after it was filed (派单 to 结案): its events, and what they add up to.
//!
//! Owns the rules of the cycle of the city's regulation (北京市接诉即办工作条例): which event may follow which state,
//! who may do what. Every event says who did it, through which interface, when, and why; events are only ever added, so
//! [`Case::after`] over the whole log is the case. Knows no clock, no calendar and no store: deadlines come in with the
//! events that set them ([`Limits`]), computed by `casework` above.
//!
//! It stands beside [`super::Standing`], which says how far intake is (its text, its plugged systems); neither waits for
//! the other.

mod event;
mod standing;
mod state;
#[cfg(test)]
mod tests;

pub use event::{By, Comment, Entry, Event, Kind, Limits, Outcome, Satisfaction, Survey, Via};
pub use standing::{ANSWER, Callback, Case, Illegal, MAX_UNITS, Why};
pub use state::State;
