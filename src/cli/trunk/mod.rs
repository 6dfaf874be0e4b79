//! `jiesu trunk list` and `jiesu trunk test NAME`: the carriers as they are configured, and the acceptance kit.
//!
//! The kit is a telephone of its own ([`super::phone`]): it works beside a running daemon or without one, and asks
//! nothing of it. What a check does and expects stands in [`check`]; one check is one telephone ([`bench`]) with one call
//! or a few ([`probe`]), judged by what passed ([`wire`]) and what was heard ([`melody`]).

mod bench;
mod calls;
mod check;
mod codecs;
mod early;
mod html;
mod keys;
mod list;
mod melody;
mod offers;
mod options;
mod probe;
mod report;
mod test;
mod wire;

use std::path::Path;

use super::Exit;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Each trunk: its addresses, where calls of ours go, its limits.
    List(list::Arguments),
    /// Examine a carrier: OPTIONS, calls, PRACK, session timer, keys, codecs, fail-over; a report for both sides.
    Test(Box<test::Arguments>),
}

pub fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(arguments) => list::run(config, arguments),
        Command::Test(arguments) => test::run(config, arguments),
    }
}
