//! What was found, for people and programs. The page to sign is [`super::html`]'s.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::bench::{Carrier, Finding, named};
use super::check::Verdict;
use crate::cli::ticket::tame;
use crate::sip::ladder::Drawn;

/// One examination. Nothing in it is a secret: passwords are in no message, and digests are masked in ladders.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    pub trunk: String,
    pub addresses: Vec<String>,
    /// Where we called from.
    pub local: String,
    #[serde(serialize_with = "written")]
    pub began: Timestamp,
    #[serde(serialize_with = "written")]
    pub ended: Timestamp,
    pub version: &'static str,
    /// What the other side calls itself (Server or User-Agent).
    pub peer: Option<String>,
    pub numbers: Vec<(&'static str, String)>,
    pub checks: Vec<Row>,
    #[serde(skip)]
    pub zone: TimeZone,
}

/// RFC 3339, in UTC.
fn written<S: serde::Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(at)
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub name: &'static str,
    pub title: &'static str,
    pub verdict: Verdict,
    pub sent: &'static str,
    pub expected: &'static str,
    pub rule: &'static str,
    pub came: String,
    pub took_ms: u64,
    pub ladder: String,
}

impl Report {
    pub fn begun(carrier: &Carrier, began: Timestamp, zone: TimeZone) -> Report {
        Report {
            trunk: carrier.trunk.name.to_string(),
            addresses: carrier.trunk.outbound.iter().map(named).collect(),
            local: carrier.setup.local.ip().to_string(),
            began,
            ended: began,
            version: env!("CARGO_PKG_VERSION"),
            peer: None,
            numbers: carrier.numbers.iter().map(|(role, number)| (role.name(), number.clone())).collect(),
            checks: Vec::new(),
            zone,
        }
    }

    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|row| row.verdict == verdict).count()
    }
}

impl Row {
    pub fn of(finding: &Finding, drawn: Drawn, zone: &TimeZone) -> Row {
        let about = finding.check.about();
        Row {
            name: about.name,
            title: about.title,
            verdict: finding.verdict,
            sent: about.sends,
            expected: about.expects,
            rule: about.rule,
            came: finding.came.clone(),
            took_ms: finding.took.as_millis() as u64,
            ladder: finding.wire.ladders(drawn, zone),
        }
    }
}

/// One line; of a failed check also what was expected, and the ladder.
pub(super) fn in_text(row: &Row) -> String {
    let mut text = format!("{:<12} {:<15} {}\n", row.verdict.as_str(), row.name, tame(&row.came));
    if row.verdict == Verdict::Fail {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    expected: {} ({})", row.expected, row.rule);
        for line in row.ladder.lines() {
            let _ = writeln!(text, "    {}", tame(line));
        }
    }
    text
}

/// The last line.
pub(super) fn summary(report: &Report) -> String {
    let count = |verdict| report.count(verdict);
    format!(
        "{}: {} passed, {} failed, {} not offered, {} not tried\n",
        report.trunk,
        count(Verdict::Pass),
        count(Verdict::Fail),
        count(Verdict::NotOffered),
        count(Verdict::NotTried)
    )
}
