//! RTP (RFC 3550), its audio profile (RFC 3551), telephone events (RFC 4733) and its sealed form (SRTP, RFC 3711),
//! without I/O and without a clock.
//!
//! Bytes in are a stranger's: every reader here takes any bytes, never looks beyond them and never panics; every
//! memory of what came is bounded. Which *source* may be believed is not decided here but in [`crate::media::leg`].

pub mod event;
pub mod jitter;
pub mod packet;
pub mod reception;
pub mod rtcp;
pub mod srtp;

pub use packet::{NotRtp, Packet};

/// What timestamps count a second in every codec that we speak but Opus.
pub const RATE: u32 = 8000;
