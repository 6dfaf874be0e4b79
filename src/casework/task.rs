//! Where cases meet the clock, the store and the telephone: one file for each task.

pub mod callback;
pub mod sms;
