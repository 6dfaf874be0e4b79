//! An emergency said over an announcement by somebody who then hangs up, or whose daemon falls over: its ticket comes all
//! the same, and nothing that was overheard is left lying.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::hearing::{luckily, model};
use crate::house::caller::{Caller, telling};
use crate::house::speech::{emergency, spoken};
use crate::house::{Daemon, Plan, folder, has, hear, in_own_network, pause, played_to_the_end, skip, tickets};

/// Overheard recordings under the state folder, wherever they are.
fn lying(folder: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.join("state/recordings")]);
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.display().to_string());
            }
        }
    }
    found.retain(|file| file.contains("overheard-") || file.contains("/left/"));
    found
}

/// The caller's ticket, once it is there and nothing waits any more.
fn settled(folder: &Path, number: &str) -> Option<Value> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        let ticket = tickets(folder).into_iter().find(|ticket| ticket["caller"] == number);
        // What reached into the question is filed at once, with its text pending.
        if ticket.as_ref().is_some_and(|ticket| ticket["text_pending"] == false) {
            return ticket;
        }
        (0..10).for_each(|_| pause());
    }
    None
}

/// Says it over the announcement that nobody can skip; what then happens is `then`.
fn shouts(daemon: &Daemon, number: &str, words: &str, then: impl FnOnce(Caller)) {
    let pcm = spoken(words, &daemon.folder.join(number));
    let mut caller = Caller::dial(daemon, number);
    caller.at("notice", 0);
    caller.say(&pcm);
    then(caller);
}

fn plan() -> Plan {
    // Else the question that comes next gives way, and what was said is its answer.
    telling(Plan { model: model(), edits: vec![played_to_the_end()], ..Plan::default() })
}

/// Only what the ticket rests on may be left.
fn judge(folder: &Path, ticket: &Value) {
    assert_eq!(ticket["urgency"], "urgent", "{ticket:#}");
    let kept: Vec<&str> =
        ticket["recordings"].as_array().expect("recordings").iter().filter_map(|r| r["file"].as_str()).collect();
    let start = Instant::now();
    loop {
        let mut lying = lying(folder);
        lying.retain(|file| {
            !kept
                .iter()
                .any(|kept| file.ends_with(kept.rsplit('/').next().expect("a name")) && !file.contains("/left/"))
        });
        if lying.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "left lying: {lying:?} beside {kept:?}");
        pause();
    }
}

#[test]
fn who_shouts_and_hangs_up_has_a_ticket_all_the_same() {
    if model().is_none() || !has("espeak-ng") {
        return skip("no recogniser for the synthetic voice, or no espeak-ng");
    }
    if !in_own_network("overheard::who_shouts_and_hangs_up_has_a_ticket_all_the_same") {
        return;
    }
    let daemon = Daemon::start(&plan());
    daemon.wait_metric("jiesu_asr_models", 1.0);
    luckily(|round| {
        let (words, rule) = emergency();
        let number = format!("1390000000{round}");
        // With the last word: no silence has ended the utterance yet, so the call cannot have its text.
        shouts(&daemon, &number, &words, |mut caller| caller.hang_up());
        let Some(ticket) = settled(&daemon.folder, &number) else {
            return Err(format!("{words} was not heard as {rule}:\n{}", daemon.log()));
        };
        judge(&daemon.folder, &ticket);
        assert!(daemon.metric("jiesu_overheard_left_total") >= 1.0, "nothing was left for intake:\n{}", daemon.log());
        Ok(())
    });
}

#[test]
fn who_shouts_as_the_daemon_falls_over_has_a_ticket_after_the_next_start() {
    if model().is_none() || !has("espeak-ng") {
        return skip("no recogniser for the synthetic voice, or no espeak-ng");
    }
    if !in_own_network("overheard::who_shouts_as_the_daemon_falls_over_has_a_ticket_after_the_next_start") {
        return;
    }
    let plan = plan();
    let kept = folder(&plan);
    luckily(|round| {
        let (words, rule) = emergency();
        let number = format!("1390000000{round}");
        let mut daemon = Daemon::over(kept.path(), &plan);
        daemon.wait_metric("jiesu_asr_models", 1.0);
        shouts(&daemon, &number, &words, |mut caller| caller.say(&vec![0; hear::SECOND]));
        daemon.kill();
        let daemon = Daemon::over(kept.path(), &plan);
        let Some(ticket) = settled(&daemon.folder, &number) else {
            return Err(format!("{words} was not heard as {rule}:\n{}", daemon.log()));
        };
        judge(&daemon.folder, &ticket);
        Ok(())
    });
}
