//! Jiesu (接诉): a city's one hotline number. This page follows one call through the modules.
//!
//! A citizen dials 12345, or 12319, which was merged into it. The carrier's INVITE comes in as a datagram:
//!
//! 1. [`sip::task`] looks up the [`sip::trunk`] that lists its source, reads the bytes into a [`sip::Message`] and hands
//!    them to [`sip::Endpoint`], which knows transactions and dialogs, no socket and no clock. Out comes
//!    [`sip::Event::Invited`].
//! 2. [`call::task::switchboard`] asks [`call::admission`] for a place (or answers 503 with Retry-After) and begins the call's
//!    task, [`call::task::answer`]. [`ivr::Lines`] says which line was dialled, and so which [`ivr::Flow`] is followed.
//! 3. [`sdp::answer_bytes`] agrees on a codec, [`media::Media`] opens a leg on one of its pinned threads, the 200 goes out.
//!    Answering writes the call's row; the 200 does not wait for it.
//! 4. The ACK starts the flow: [`call::session::Session`] carries inputs to [`ivr::Interpreter`] and its wishes back, both
//!    pure. Prompts come from [`tts::library`], numbers from [`tts::numbers`], free text from [`tts::Voice`].
//! 5. The caller speaks. [`media::leg`] hears where the utterance begins and ends, [`media::recorder`] has it on the disk,
//!    synced, before anybody interprets it. [`store`] gets its row, [`asr`] its audio, within a deadline; if the text does
//!    not come, the call goes on with "text pending".
//! 6. Read back, agreed on with `1`: [`filing::file`] lets [`classify`] find type, category, urgency and street office
//!    (with the words that each rests on) and writes call, recording, [`ticket`] and outbox rows in one transaction. Only
//!    then is the number spoken.
//! 7. BYE. However the call ended, the session files exactly one ticket if anything was said or keyed. What a crash cut
//!    off, [`intake`] files at the next start; it also completes tickets whose text was pending.
//! 8. [`matter`] says which earlier reports the ticket is like; [`intake`] puts them together, beside the calls.
//! 9. [`casework`] puts a unit in charge (派单) and tells it: by its own system, at an urgent hour by its telephone.
//! 10. [`backend`] drains the outbox to the plugged systems, again and again until each has taken it.
//! 11. What callers say when they are asked is counted by [`casework::scores`]; [`casework::trends`] finds what should be
//!     looked at before more of them call.
//!
//! [`app`] puts all this together from a checked [`config`]; [`observe`] and [`web`] show how it fares; [`cli`] is the
//! command line. Dependencies point down this list of modules only; `tests/layers.rs` says so.
#![deny(unsafe_code)]

pub mod calendar;
pub mod id;
pub mod shown;
pub mod time;
pub mod written;

pub mod audio;

pub mod rtp;
pub mod sdp;
pub mod sip;

pub mod catalogue;
pub mod ivr;
pub mod ticket;

pub mod asr;
pub mod classify;
pub mod matter;
pub mod media;
pub mod tts;

#[cfg(feature = "daemon")]
pub mod store;

#[cfg(feature = "daemon")]
pub mod backend;
#[cfg(feature = "daemon")]
pub mod filing;

pub mod call;

pub mod casework;

#[cfg(feature = "daemon")]
pub mod intake;
#[cfg(feature = "daemon")]
pub mod observe;
#[cfg(feature = "daemon")]
pub mod web;

#[cfg(feature = "daemon")]
pub mod config;

#[cfg(feature = "daemon")]
pub mod app;
#[cfg(feature = "daemon")]
pub mod cli;
