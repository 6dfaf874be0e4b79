//! The parts of casework that touch the clock, the store and calls.

pub mod supervise;
