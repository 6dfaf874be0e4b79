//! `jiesu trunk test`: carriers that keep the rules pass, and each check fails on one that breaks its rule.
//!
//! SIPp plays the carriers; which rule is broken how, with which codes, is drawn or tried one by one.

mod audio;
mod dialog;
mod peers;
mod signalling;

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::house::baresip::{Phone, Speech};
use crate::house::certificates::Authority;
use crate::house::script::*;
use crate::house::secured::listening;
use crate::house::{Daemon, Plan, cli, draw, folder, has, in_own_network, skip};

const PORT: u16 = 5480;

/// A configuration whose trunk `carrier` is at these ports of this machine.
fn configured(ports: &[u16], more: &str) -> tempfile::TempDir {
    let outbound: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    // Nothing depends on how soon a busy machine answers.
    let trunk = format!("addresses = [\"127.0.0.1\"]\noutbound = [{}]\nsilence = \"20s\"\n{more}", outbound.join(", "));
    folder(&Plan {
        files: vec![("trunks/carrier.toml".into(), trunk)],
        edits: vec![("# codecs = [\"PCMA\", \"PCMU\"]".into(), "codecs = [\"PCMA\", \"PCMU\"]".into())],
        ..Plan::default()
    })
}

/// A number that the test could not know.
fn number() -> String {
    format!("0106{:07}", draw(10_000_000))
}

fn one_of<T: Copy>(list: &[T]) -> T {
    list[draw(list.len() as u64) as usize]
}

/// What one check says of what is at the trunk.
struct Said {
    verdict: String,
    came: String,
    whole: Value,
    exit: Option<i32>,
}

fn asked(folder: &Path, check: &str, numbers: &[&str]) -> Said {
    let to = numbers.join(",");
    let out: Output = cli(folder, &["trunk", "test", "carrier", "--only", check, "--to", &to, "--json"]);
    let text = String::from_utf8_lossy(&out.stdout);
    let whole: Value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{check}: {e}: {text}\n{}", String::from_utf8_lossy(&out.stderr)));
    let row = &whole["checks"][0];
    let said = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{check}: no {name} in {whole:#}")).to_owned();
    Said { verdict: said("verdict"), came: said("came"), exit: out.status.code(), whole }
}

/// One carrier and what the check has to say of it.
struct Case {
    what: &'static str,
    echo: bool,
    /// Of the number that is called, beside `answer`.
    role: &'static str,
    steps: Vec<Step>,
    verdict: &'static str,
    /// What stands in the finding.
    came: String,
}

impl Case {
    fn new(what: &'static str, steps: Vec<Step>, verdict: &'static str, came: impl Into<String>) -> Case {
        Case { what, echo: true, role: "answer", steps, verdict, came: came.into() }
    }

    fn silent(self) -> Case {
        Case { echo: false, ..self }
    }

    fn role(self, role: &'static str) -> Case {
        Case { role, ..self }
    }
}

/// Runs every case in a network of its own.
fn judge(test: &str, check: &str, cases: impl FnOnce() -> Vec<Case>) {
    if !has("sipp") {
        return skip("sipp is not installed");
    }
    if !in_own_network(&format!("acceptance::{test}")) {
        return;
    }
    let folder = configured(&[PORT], "");
    for case in cases() {
        let carrier = Carrier::start(PORT, case.echo, &case.steps);
        let number = format!("{}={}", case.role, number());
        let said = asked(folder.path(), check, &[&number]);
        let Said { verdict, came, whole, exit } = &said;
        let seen = || {
            format!(
                "{check}, {}: {verdict}: {came}\n{}\n{}",
                case.what,
                whole["checks"][0]["ladder"],
                carrier.complaints()
            )
        };
        assert_eq!(verdict, case.verdict, "{}", seen());
        assert!(came.contains(&case.came), "{:?} is not in: {}", case.came, seen());
        let no = ["fail", "not_tried"].contains(&case.verdict);
        assert_eq!(*exit, Some(i32::from(no)), "the exit of {}", seen());
    }
}

fn invited(more: Vec<Step>) -> Vec<Step> {
    [vec![Gets("INVITE")], more].concat()
}

fn answered(sdp: &str, more: Vec<Step>) -> Vec<Step> {
    invited([vec![refuses(180), Waits(50 + draw(300)), answers(sdp)], more].concat())
}
