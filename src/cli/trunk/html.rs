//! The report as one page: no script, nothing fetched, readable on paper, with lines for two signatures.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::check::Verdict;
use super::report::{Report, Row};

const STYLE: &str = "\
@page{size:A4;margin:16mm}
body{font:15px/1.45 system-ui,'Noto Sans CJK SC',sans-serif;color:#1b1b1b;max-width:62rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .3rem}a{color:inherit}h2{break-after:avoid}h2{font-size:1.1rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ddd}
th{font-weight:600;white-space:nowrap}.facts th{width:11rem;font-weight:400;color:#555}
.v{display:inline-block;min-width:6.2em;padding:.05rem .5rem;border:1px solid;border-radius:3px;text-align:center;font-size:.85rem;white-space:nowrap}
.pass{color:#0a5c2b;background:#e8f5ec}.fail{color:#a3150f;background:#fdeceb;font-weight:700}
.not_offered{color:#555;background:#f3f3f3}.not_tried{color:#7a5200;background:#fdf4e0}
section{border:1px solid #ccc;border-radius:4px;padding:.8rem 1rem;margin:.8rem 0}
section dl{display:grid;grid-template-columns:6rem 1fr;gap:.15rem .8rem;margin:.6rem 0}dt{color:#555}dd{margin:0;overflow-wrap:anywhere}
pre{font:12px/1.35 'DejaVu Sans Mono',monospace;background:#f7f7f7;padding:.6rem;margin:.4rem 0 0;white-space:pre-wrap;overflow-wrap:anywhere}
.sign{display:grid;grid-template-columns:1fr 1fr;gap:3rem;margin-top:1rem}.sign p{border-bottom:1px solid #1b1b1b;margin:0;padding-top:2.6rem}
.sign small{color:#555}.num{text-align:right}
@media print{body{font-size:10pt;margin:0;max-width:none}pre{font-size:6.3pt}section,.sign,tr{break-inside:avoid}section.long{break-inside:auto}.v,pre{-webkit-print-color-adjust:exact;print-color-adjust:exact}}";

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let mut out = String::with_capacity(64 * 1024);
    let title = format!("Acceptance of trunk {}", report.trunk);
    let _ = write!(
        out,
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body>\n<h1>{0}</h1>\n<p>{1}</p>\n",
        Text(&title),
        Text(&outcome(report)),
    );
    facts(&mut out, report);
    table(&mut out, report);
    out.push_str("<h2>Signatures</h2>\n<div class=\"sign\">");
    for side in ["For the hotline", "For the carrier"] {
        let _ = write!(out, "<div><h3>{side}</h3>");
        for line in ["Name and company", "Place and date", "Signature"] {
            let _ = write!(out, "<p></p><small>{line}</small>");
        }
        out.push_str("</div>");
    }
    out.push_str("</div>\n<h2>Each check</h2>\n");
    for row in &report.checks {
        section(&mut out, row);
    }
    out.push_str("</body></html>\n");
    out
}

fn outcome(report: &Report) -> String {
    let count = |verdict| report.count(verdict);
    let (pass, fail) = (count(Verdict::Pass), count(Verdict::Fail));
    let (without, untried) = (count(Verdict::NotOffered), count(Verdict::NotTried));
    let word = if fail == 0 { "No check failed" } else { "Checks failed" };
    format!("{word}: {pass} passed, {fail} failed, {without} not offered, {untried} not tried.")
}

fn facts(out: &mut String, report: &Report) {
    let time = |at: Timestamp| report.zone.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let zone = report.zone.iana_name().unwrap_or("UTC").to_owned();
    let numbers: Vec<String> = report.numbers.iter().map(|(role, number)| format!("{role} {number}")).collect();
    let facts = [
        ("Trunk", report.trunk.clone()),
        ("Addresses called", report.addresses.join(", ")),
        ("Called from", report.local.clone()),
        ("When", format!("{} to {} ({zone})", time(report.began), time(report.ended))),
        ("Our side", format!("jiesu {}", report.version)),
        ("Their side", report.peer.clone().unwrap_or_else(|| "does not say what it is (no Server header)".into())),
        ("Numbers called", numbers.join(", ")),
    ];
    out.push_str("<table class=\"facts\">");
    for (name, value) in facts {
        let _ = write!(out, "<tr><th>{name}</th><td>{}</td></tr>", Text(&value));
    }
    out.push_str("</table>\n");
}

fn table(out: &mut String, report: &Report) {
    out.push_str(
        "<h2>Verdicts</h2>\n<table><tr><th>Verdict</th><th style=\"width:30%\">Check</th><th>What came</th></tr>",
    );
    for row in &report.checks {
        let _ = write!(
            out,
            "<tr><td>{}</td><td><a href=\"#{}\">{}</a></td><td>{}</td></tr>",
            badge(row.verdict),
            row.name,
            Text(row.title),
            Text(&row.came),
        );
    }
    out.push_str("</table>\n");
}

fn section(out: &mut String, row: &Row) {
    let long = if row.ladder.lines().count() > 30 { " class=\"long\"" } else { "" };
    let seconds = row.took_ms as f64 / 1000.0;
    let _ = write!(out, "<section id=\"{}\"{long}><h3>{} {}</h3><dl>", row.name, badge(row.verdict), Text(row.title));
    let took = format!("{seconds:.1} s");
    let parts =
        [("Sent", row.sent), ("Expected", row.expected), ("Rule", row.rule), ("Came", &row.came), ("Took", &took)];
    for (name, value) in parts {
        let _ = write!(out, "<dt>{name}</dt><dd>{}</dd>", Text(value));
    }
    out.push_str("</dl>");
    if !row.ladder.is_empty() {
        let _ = write!(out, "<pre>{}</pre>", Text(row.ladder.trim_end()));
    }
    out.push_str("</section>\n");
}

fn badge(verdict: Verdict) -> String {
    let class = match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "fail",
        Verdict::NotOffered => "not_offered",
        Verdict::NotTried => "not_tried",
    };
    format!("<span class=\"v {class}\">{}</span>", verdict.as_str())
}

/// Text that stands in a page as itself: much of it was written by the other side.
struct Text<'a>(&'a str);

impl std::fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' => f.write_char('\n')?,
                c if c.is_control() => f.write_char('\u{fffd}')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    fn report(came: &str) -> Report {
        let row = Row {
            name: "call",
            title: "A call",
            verdict: Verdict::Fail,
            sent: "INVITE",
            expected: "200",
            rule: "RFC 3261",
            came: came.to_owned(),
            took_ms: 2_345,
            ladder: came.to_owned(),
        };
        Report {
            trunk: "carrier".into(),
            addresses: vec!["192.0.2.1:5060 UDP".into()],
            local: "192.0.2.9".into(),
            began: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
            version: "0",
            peer: Some(came.to_owned()),
            numbers: vec![("answer", "1".into())],
            checks: vec![row],
            zone: TimeZone::UTC,
        }
    }

    #[test]
    fn a_page_says_what_was_found_and_can_be_signed() {
        let page = page(&report("486 Busy"));
        for part in ["1 failed", "486 Busy", "RFC 3261", "2.3 s", "For the carrier", "Signature", "1970-01-01 00:00:00"]
        {
            assert!(page.contains(part), "{part} is not in\n{page}");
        }
        assert!(!page.contains("http"), "nothing is fetched");
    }

    proptest! {
        /// A carrier's reason phrase is shown, and does nothing.
        #[test]
        fn nothing_of_theirs_is_markup(came in "[<>&\"'a-z/= \\x00-\\x1f]{0,40}") {
            let page = page(&report(&came));
            let plain = page.len() - page.matches('<').count();
            let empty = self::page(&report(""));
            prop_assert_eq!(page.matches('<').count(), empty.matches('<').count() + usize::from(!came.is_empty()) * 2);
            prop_assert!(plain > 0);
        }
    }
}
