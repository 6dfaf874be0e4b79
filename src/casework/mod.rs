//! What becomes of a ticket after it was filed: who is in charge (派单), by when, who is called, what it counts for.
//!
//! Pure parts beside each other, each a file; clock, store and calls are `task`'s.

pub mod callback;
pub mod dispatch;
pub mod duty;
pub mod sms;
#[cfg(feature = "daemon")]
pub mod task;
pub mod units;
