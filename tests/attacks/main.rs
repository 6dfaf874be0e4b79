//! The forty attack and fault cases (`../shared/ATTACKS.md`) against the running daemon, one file per heading.
//!
//! Each file starts one daemon ([`watch::Watch`]) on which a call with audio runs, and makes its cases through it. After
//! every case the daemon is alive, has not panicked, answers a control OPTIONS in time, the running call's audio has no
//! gap and the tickets are what they were. Then all cases of the file are made twice more: memory stays.
//!
//! What only virtual time can show (timers of 32 s, a whole RFC table) is in `tests/sip`; tests/README.md says which
//! test is which case.

#[path = "../house/mod.rs"]
mod house;

mod flood;
mod keyed;
mod media;
mod peer;
mod scanners;
mod sdp;
mod secured;
mod syntax;
mod tls;
mod transactions;
mod trust;
mod watch;
