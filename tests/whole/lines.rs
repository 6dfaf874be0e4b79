//! Sixty-eight old lines, every one of them dialled; a forwarded call is known by its Diversion or History-Info.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, cli, draw, folder, has, in_own_network, root, skip};

fn numbers(text: &str) -> Vec<String> {
    let of = |line: &str| line.trim().strip_prefix("number = \"")?.split('"').next().map(str::to_owned);
    text.lines().filter_map(of).collect()
}

#[test]
fn every_one_of_68_lines_is_dialled_and_named_in_its_ticket() {
    if !has("espeak-ng") {
        return skip("espeak-ng, which speaks the example's greetings, is not installed");
    }
    if !in_own_network("lines::every_one_of_68_lines_is_dialled_and_named_in_its_ticket") {
        return;
    }
    let text = fs::read_to_string(root().join("config/examples/lines-68.toml")).expect("the example");
    let lines = numbers(&text);
    assert_eq!(lines.len(), 68);
    let plan = Plan { files: vec![("lines.toml".into(), text)], ..Plan::default() };
    let kept = folder(&plan);
    // The example's made-up lines have no recordings.
    let rendered = cli(kept.path(), &["prompts"]);
    assert!(rendered.status.success(), "{}", String::from_utf8_lossy(&rendered.stderr));
    let daemon = Daemon::over(kept.path(), &plan);
    // Some are dialled as they are; the others come forwarded to 12345, and say so in one of two ways.
    let ways: Vec<&str> = lines.iter().map(|_| ["", "Diversion", "History-Info"][draw(3) as usize]).collect();
    for (scenario, forwarded) in [("dial", false), ("diverted", true)] {
        let fields: Vec<String> = lines
            .iter()
            .zip(&ways)
            .enumerate()
            .filter(|(_, (_, way))| way.is_empty() != forwarded)
            .map(|(i, (line, way))| format!("1380000{i:04};{line};{};{way}", 3 + draw(7)))
            .collect();
        let calls = fields.len();
        let run = Run { scenario, fields, calls, rate: 8, ..Run::one(scenario, "", '3') };
        if calls > 0 {
            run.pass(daemon.sip);
        }
    }
    let tickets = daemon.wait_tickets(68, Duration::from_secs(30));
    let by_caller: HashMap<&str, &str> =
        tickets.iter().map(|t| (t["caller"].as_str().expect("caller"), t["line"].as_str().expect("line"))).collect();
    for (i, line) in lines.iter().enumerate() {
        assert_eq!(
            by_caller.get(format!("1380000{i:04}").as_str()),
            Some(&line.as_str()),
            "forwarded by {:?}",
            ways[i]
        );
    }
}
