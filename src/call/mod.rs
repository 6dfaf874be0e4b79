//! One call: who is admitted ([`admission`]), its state ([`session`], pure), and the tasks that carry it out ([`task`]).
//!
//! Everything that must not be lost passes through the session: it decides when a ticket is filed. The tasks under
//! `task` only carry inputs in and commands out: SIP events and audio events on one side, rows, prompts and text on
//! the other.

pub mod admission;
pub mod diary;
pub mod keys;
pub mod left;
pub mod number;
pub mod session;
#[cfg(feature = "daemon")]
pub mod task;
pub mod unreached;

#[cfg(feature = "daemon")]
pub use task::originate;
#[cfg(feature = "daemon")]
pub use task::{Config, Desk, Programme};
