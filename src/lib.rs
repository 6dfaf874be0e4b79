//! The tour is written last.
#![deny(unsafe_code)]

pub mod id;
pub mod time;
pub mod written;

pub mod audio;
pub mod rtp;
pub mod sdp;
pub mod sip;

pub mod catalogue;
pub mod ivr;
pub mod ticket;

#[cfg(feature = "daemon")]
pub mod asr;
pub mod classify;
pub mod media;
pub mod tts;

#[cfg(feature = "daemon")]
pub mod store;

#[cfg(feature = "daemon")]
pub mod backend;
#[cfg(feature = "daemon")]
pub mod filing;

pub mod call;

#[cfg(feature = "daemon")]
pub mod app;
#[cfg(feature = "daemon")]
pub mod cli;
#[cfg(feature = "daemon")]
pub mod config;
#[cfg(feature = "daemon")]
pub mod intake;
#[cfg(feature = "daemon")]
pub mod observe;
#[cfg(feature = "daemon")]
pub mod web;
