//! Any text as a flow: it is read or it has faults; what is read can be proven, shown, drawn and compared, and callers
//! notice no change between a flow and itself.
//!
//! An odd first byte takes the rest as the text; an even one changes an example: three bytes say where and how much is
//! taken out, and what follows (up to a length byte) is put there.
#![no_main]

use jiesu::calendar::Calendar;
use jiesu::ivr::change::{Version, changes};
use jiesu::ivr::prove::{self, Dialled, Limits, Premises, Spoken};
use jiesu::ivr::{Flow, Rules, show, sketch};
use jiesu::written::{Faults, Source};
use libfuzzer_sys::fuzz_target;

const EXAMPLES: [&str; 2] =
    [include_str!("../../../config/flows/main.toml"), include_str!("../../../config/examples/flows/old-menu.toml")];

fn text(bytes: &[u8]) -> String {
    let Some((first, rest)) = bytes.split_first() else { return String::new() };
    if first % 2 == 1 {
        return String::from_utf8_lossy(rest).into_owned();
    }
    let mut text: Vec<char> = EXAMPLES[usize::from(*first / 2) % 2].chars().collect();
    let mut rest = rest;
    while let [high, low, out, more, tail @ ..] = rest {
        let at = usize::from(u16::from_be_bytes([*high, *low])) % (text.len() + 1);
        let end = (at + usize::from(*out)).min(text.len());
        let (put, tail) = tail.split_at(usize::from(*more).min(tail.len()));
        text.splice(at..end, String::from_utf8_lossy(put).chars());
        rest = tail;
    }
    text.into_iter().collect()
}

fuzz_target!(|bytes: &[u8]| {
    let faults = Faults::default();
    let Some(flow) = Flow::read(&Source::new("fuzz.toml", text(bytes)), &faults) else {
        assert!(!faults.is_empty(), "what is not read has a fault");
        return;
    };
    assert!(faults.is_empty(), "{faults}");
    let (spoken, limits, rules, calendar) =
        (Spoken::default(), Limits::default(), Rules::default(), Calendar::default());
    let lines = [Dialled { line: "12345".to_owned(), greeting: None }];
    let today = jiff::civil::date(2026, 1, 1);
    let premises =
        Premises { spoken: &spoken, limits: &limits, lines: &lines, rules: &rules, calendar: &calendar, today };
    prove::prove(&flow, premises);
    show::show(&flow, premises);
    sketch::sketch(&flow, &spoken);
    let version = Version { flow: &flow, premises };
    assert_eq!(changes(version, version), Vec::<String>::new());
});
