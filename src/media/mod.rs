//! Sound of a call: RTP in and out, prompts, keys, utterances on disk.
//!
//! [`leg`] is one call's audio as a pure state machine: packets, 20 ms ticks and commands in; packets, recorded frames,
//! keys and events out. [`player`], [`endpointing`], [`echo`], [`dtmf`] and [`presses`] are its parts. `task` runs many of them: one pinned OS thread a
//! core, no async runtime in the path of a packet. `recorder` owns the files, `ports` the port range.
//!
//! What this module refuses: to send to an address that nobody proved to be the caller's (RTP bleed and reflection,
//! ATTACKS 14 and 37), to let a slow disk delay a packet, and to report an utterance before its file is closed and
//! fsynced.

pub mod command;
pub mod config;
pub mod dtmf;
pub mod echo;
pub mod endpointing;
pub mod leg;
pub mod player;
pub mod presses;
pub mod source;
pub mod wheel;

#[cfg(feature = "daemon")]
pub mod ports;
#[cfg(feature = "daemon")]
pub mod recorder;
#[cfg(feature = "daemon")]
pub mod task;

pub use command::{Command, Connect, Event, LegId, ListenLimits, Segment, SegmentEnd, Stats};
pub use config::{Config, Preferences};
pub use player::Prompt;
#[cfg(feature = "daemon")]
pub use task::{Full, Leg, Media, NoLeg, NotStarted};

use std::time::Duration;

/// One packet's audio in both directions, and the pace of everything here.
pub const TICK: Duration = Duration::from_millis(20);
/// Samples, and G.711 octets, of one tick.
pub const FRAME: usize = 160;

#[cfg(all(test, feature = "daemon"))]
mod tests;
