//! The text of `jiesu classify`, `place` and `emergency`: an argument, or standard input where that is `-`.
//!
//! An argument may have 128 KiB (Linux, MAX_ARG_STRLEN). Longer texts come through standard input, which is read only as
//! far as a text is looked at.

use std::borrow::Cow;
use std::io::Read as _;

use anyhow::Context as _;

use crate::classify::MAX_CHARS;

/// A character has at most four bytes.
const LONGEST: u64 = 4 * MAX_CHARS as u64;

/// Bytes that are no UTF-8 count as one unknown character each.
pub fn said(argument: &str) -> anyhow::Result<Cow<'_, str>> {
    if argument != "-" {
        return Ok(argument.into());
    }
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(LONGEST).read_to_end(&mut bytes).context("standard input")?;
    Ok(String::from_utf8_lossy(&bytes).into_owned().into())
}
