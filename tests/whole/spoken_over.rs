//! A caller who talks over the question: it stops, and what they said is the ticket, from its first word on.

use std::time::Duration;

use super::hearing::{distance, luckily, model};
use crate::house::caller::{Caller, telling};
use crate::house::speech::{request, spoken};
use crate::house::{Daemon, Plan, draw, has, in_own_network, shared, skip};

/// The network that knows voices, where the shared folder has it; else speech is told by its energy.
fn plan() -> Plan {
    let mut plan = telling(Plan { model: model(), ..Plan::default() });
    match shared().map(|folder| folder.join("models/silero-v6.2.0-ggml.bin")).filter(|file| file.is_file()) {
        Some(file) => plan.edits.push((
            "# voice = \"../models/ggml-silero-v6.2.0.bin\"".into(),
            format!("voice = {:?}", file.display().to_string()),
        )),
        None => skip("the network that knows voices is not there: this call is heard by energy"),
    }
    plan
}

#[test]
fn who_talks_over_the_question_is_listened_to_from_the_first_word_on() {
    if model().is_none() || !has("espeak-ng") {
        return skip("no recogniser for the synthetic voice, or no espeak-ng");
    }
    if !in_own_network("spoken_over::who_talks_over_the_question_is_listened_to_from_the_first_word_on") {
        return;
    }
    let daemon = Daemon::start(&plan());
    daemon.wait_metric("jiesu_asr_models", 1.0);
    let mut stopped = 0.0;
    luckily(|round| {
        let request = request(draw(2) == 0);
        let number = format!("1390000000{round}");
        let pcm = spoken(&request.text, &daemon.folder.join(&number));
        let mut caller = Caller::dial(&daemon, &number);
        caller.at("request", 0);
        // Somewhere in the question's first seconds, of which it has more.
        caller.say(&vec![0; 8 * (500 + draw(1_500) as usize)]);
        caller.say(&pcm);
        caller.at("readback", 0);
        stopped += 1.0;
        assert_eq!(daemon.metric("jiesu_spoken_over_total"), stopped, "the question was stopped:\n{}", daemon.log());
        caller.asked();
        caller.press("1");
        let tickets = daemon.wait_tickets(round, Duration::from_secs(20));
        let ticket = tickets.iter().find(|ticket| ticket["caller"] == number).expect("the caller's ticket");
        let text = ticket["text"].as_str().unwrap_or_default();
        let place = ticket["place"]["name"] == request.street;
        if place && distance(&request.text, text) <= 0.2 {
            return Ok(());
        }
        Err(format!("said {}, heard {text}: {ticket:#}", request.text))
    });
}

/// Our own voice come back from a loudspeaker, as late and as loud as drawn, is no caller.
#[test]
fn the_question_come_back_from_a_loudspeaker_goes_on_to_its_end() {
    if !in_own_network("spoken_over::the_question_come_back_from_a_loudspeaker_goes_on_to_its_end") {
        return;
    }
    let daemon = Daemon::start(&plan());
    let mut caller = Caller::dial(&daemon, "13900000001");
    caller.echo(Duration::from_millis(20 + draw(380)), 6.0 + draw(24) as f64);
    caller.at("request", 0);
    caller.until("silence after the question", |line| line.contains("node services"));
    assert_eq!(daemon.metric("jiesu_spoken_over_total"), 0.0, "{}", daemon.log());
    assert!(daemon.tickets().is_empty(), "an echo says nothing");
    caller.hang_up();
}
