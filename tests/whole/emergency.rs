//! Emergencies through a whole call: spoken or keyed, in a state that is drawn; filed first, put through to whoever
//! answers, recorded throughout.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::hearing::{luckily, model};
use crate::house::baresip::Phone;
use crate::house::speech::{emergency, say};
use crate::house::{Daemon, Plan, draw, has, hear, in_own_network, jiesu, root, skip};

/// The first target is dead, the next is a baresip that answers.
fn plan() -> Plan {
    let edits = [("# transfer_ring = \"30s\"", "transfer_ring = \"5s\"")];
    let shipped = std::fs::read_to_string(root().join("config/emergency.toml")).expect("the shipped rules");
    let alive = "\"sip:police@127.0.0.1:5062\"";
    let mut rules = String::new();
    for line in shipped.lines() {
        match ["110 = ", "operator = "].iter().find(|name| line.starts_with(**name)) {
            Some(name) => rules.push_str(&format!("{name}{alive}")),
            None => rules.push_str(line),
        }
        rules.push('\n');
    }
    assert_eq!(rules.matches(alive).count(), 2, "the shipped targets have moved");
    Plan {
        edits: edits.map(|(from, to)| (from.to_owned(), to.to_owned())).to_vec(),
        files: vec![("emergency.toml".into(), rules)],
        ..Plan::default()
    }
}

/// What must be true of every emergency's ticket and call.
fn judge(daemon: &Daemon, ticket: &Value, told: &std::path::Path, prompt: &str) {
    assert_eq!(ticket["urgency"], "urgent", "{ticket:#}");
    let number = ticket["number"].as_str().expect("a number");
    // The ticket was committed before anybody was called.
    let log = daemon.log();
    let at = |words: &[&str]| {
        let holds = |line: &&str| words.iter().all(|word| line.contains(word));
        log.lines().collect::<Vec<_>>().iter().position(holds).unwrap_or(usize::MAX)
    };
    let target = |number: &str| at(&["transfer failed", &format!("sip:{number}@")]);
    let (filed, failed) = (at(&[number, "filed"]), target("119").min(target("120")));
    assert!(filed < failed, "filed in line {filed}, called in line {failed}:\n{log}");
    assert_ne!(failed, usize::MAX, "the first target answered?\n{log}");
    let (_, share) =
        hear::heard(&hear::read(told), 0, &hear::read(&root().join(format!("config/prompts/{prompt}.wav"))));
    assert!(share > 0.5, "{prompt} was not heard ({share:.2})");
}

/// The rule's first words, as a prompt's id.
fn prompt_of(rule: &str) -> String {
    format!("emergency-{rule}")
}

/// By keys, over the greeting, in a menu, or while the operator's telephone rings: no recogniser is needed.
#[test]
fn keys_reach_whoever_answers_and_the_ticket_is_there_first() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("emergency::keys_reach_whoever_answers_and_the_ticket_is_there_first") {
        return;
    }
    let daemon = Daemon::start(&plan());
    let prompts = root().join("config/prompts");
    let spoken = daemon.folder.join("police.wav");
    let pcm = jiesu::audio::wav::read(&std::fs::read(prompts.join("menu-services.wav")).expect("a shipped prompt"));
    std::fs::write(&spoken, jiesu::audio::wav::bytes(&pcm.expect("a WAV").to_8k(), 8000)).expect("write");
    let mut police = Phone::start("police", &spoken, 5062, ";answermode=auto");
    let (keys, rule) = [("*119", "fire"), ("*96777", "gas"), ("*120", "medical")][draw(3) as usize];
    let dtmf = [format!("{keys}@1500ms"), format!("2@1500ms,{keys}@6s"), format!("0@1500ms,{keys}@8s")];
    let dtmf = &dtmf[draw(3) as usize];
    eprintln!("{dtmf}");
    let (ours, heard) = (prompts.join("menu-livelihood.wav"), daemon.folder.join("heard.wav"));
    let out = Command::new(jiesu())
        .args(["call", &format!("sip:12345@{}", daemon.sip), "--json", "--dtmf", dtmf, "--max", "60s"])
        .args(["--wav", &ours.display().to_string(), "--wav-at", "30s", "--record", &heard.display().to_string()])
        .output()
        .expect("the test telephone runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    police.wait("CALL_ESTABLISHED", Duration::from_secs(10));
    police.wait("CALL_CLOSED", Duration::from_secs(10));
    police.quit();
    let ticket = &daemon.wait_ticket(Duration::from_secs(20), |ticket| !ticket["recordings"][0].is_null());
    judge(&daemon, ticket, &heard, &prompt_of(rule));
    let (_, share) = hear::heard(&hear::read(&police.heard()), 0, &hear::read(&ours)[..4 * hear::SECOND]);
    assert!(share > 0.5, "the police did not hear the caller ({share:.2})");
    // What the caller said to them is kept: recorded from the keys on.
    let last = ticket["recordings"].as_array().and_then(|all| all.last()).expect("a recording").clone();
    let file = std::path::PathBuf::from(last["file"].as_str().expect("a file"));
    let (_, share) = hear::heard(&hear::read(&file), 0, &hear::read(&ours)[..4 * hear::SECOND]);
    assert!(share > 0.5, "the recording does not hold the talk ({share:.2}): {ticket:#}");
}

/// By voice, over the greeting or at a menu; what is recognised there is an emergency's words within the time that the
/// daemon measures itself.
#[test]
fn words_said_over_a_prompt_raise_the_rule() {
    let (Some(model), true, true) = (model(), has("espeak-ng"), has("baresip")) else {
        return skip("no recogniser for the synthetic voice, no espeak-ng or no baresip");
    };
    if !in_own_network("emergency::words_said_over_a_prompt_raise_the_rule") {
        return;
    }
    let daemon = Daemon::start(&Plan { model: Some(model), ..plan() });
    daemon.wait_metric("jiesu_asr_models", 1.0);
    let spoken = daemon.folder.join("police.wav");
    std::fs::write(&spoken, jiesu::audio::wav::bytes(&[0; 8000], 8000)).expect("write");
    let police = std::cell::RefCell::new(Phone::start("police", &spoken, 5062, ";answermode=auto"));
    luckily(|round| {
        let (text, rule) = emergency();
        let caller = format!("1390000000{round}");
        let wav = say(&text, &daemon.folder.join(&caller));
        let heard = daemon.folder.join(format!("heard{round}.wav"));
        // Over the greeting; or at the menu behind key 2, over its prompt or after it.
        let (dtmf, at) = [("", "1s"), ("2@2s", "4s"), ("2@2s", "16s")][draw(3) as usize];
        eprintln!("{text} at {at} with {dtmf:?}");
        let out = Command::new(jiesu())
            .args(["call", &format!("sip:12345@{}", daemon.sip), "--json", "--dtmf", dtmf, "--max", "50s"])
            .args(["--wav", &wav.display().to_string(), "--wav-at", at, "--record", &heard.display().to_string()])
            .args(["--from", &caller])
            .output()
            .expect("the test telephone runs");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let raised = daemon.get("/metrics").1.contains(&format!("jiesu_emergencies_total{{rule=\"{rule}\"}}"));
        if !raised {
            return Err(format!("{text} was not heard as {rule}:\n{}", daemon.log()));
        }
        let tickets = daemon.wait_tickets(1, Duration::from_secs(10));
        let ticket = tickets.iter().find(|ticket| ticket["caller"] == caller).expect("the caller's ticket");
        judge(&daemon, ticket, &heard, &prompt_of(rule));
        police.borrow_mut().wait("CALL_CLOSED", Duration::from_secs(10));
        let log = daemon.log();
        let told = log.lines().find(|line| line.contains("emergency") && line.contains("waited"));
        eprintln!("from the endpoint to the rule: {}", told.unwrap_or("not logged"));
        Ok(())
    });
    police.borrow_mut().quit();
}
