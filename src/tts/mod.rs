//! What the caller hears in words: recorded prompts, numbers from a digit set, free text by a voice.
//!
//! Owns the catalogue of prompts (`config/prompts/prompts.toml`, [`catalogue`]), their recordings as files
//! ([`library`], rendered by [`render`] until a studio has spoken them), the order of the digit set ([`numbers`]),
//! Chinese text as pinyin ([`pinyin`]) and the [`Voice`]: a program that speaks free text, bounded in time, in number
//! and in length, its results kept on disk. It plays nothing and chooses no words; where the voice fails it says so
//! ([`Silent`]) and its caller plays a fixed prompt.

pub mod catalogue;
mod config;
pub mod numbers;
pub mod pinyin;
mod reading;
pub mod shape;

#[cfg(feature = "daemon")]
mod cache;
#[cfg(feature = "daemon")]
mod command;
#[cfg(feature = "daemon")]
pub mod library;
#[cfg(feature = "daemon")]
pub mod render;
#[cfg(all(test, feature = "daemon"))]
mod shipped;
#[cfg(feature = "daemon")]
mod voice;

pub use config::{Config, Input, Manner};
#[cfg(feature = "daemon")]
pub use voice::{Silent, Voice};
