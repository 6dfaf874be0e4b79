//! Many call about one thing: who lives there hears of it first, and one key adds them to it.

use std::time::Duration;

use serde_json::Value;

use super::hearing::{luckily, model};
use crate::house::caller::{Caller, telling};
use crate::house::sipp::Run;
use crate::house::speech::{request, spoken};
use crate::house::{Daemon, Plan, draw, has, in_own_network, skip};

fn listed(daemon: &Daemon) -> Vec<Value> {
    let out = daemon.cli(&["incident", "list", "--all", "--json"]);
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    serde_json::from_str::<Value>(&text).expect("JSON").as_array().expect("a list").clone()
}

#[test]
fn callers_from_there_are_added_by_one_key_and_linked_to_the_first_of_them() {
    if !in_own_network("surge::callers_from_there_are_added_by_one_key_and_linked_to_the_first_of_them") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    let prefix = format!("010{:04}", draw(10_000));
    let stranger = format!("139{:08}", draw(100_000_000));
    let neighbour = |i: u64| format!("{prefix}{:03}{i}", draw(1000));
    let nobody = daemon.cli(&["incident", "add", "停水", "--until", "2099-01-01 00:00"]);
    assert_eq!(nobody.status.code(), Some(1), "an incident without an area concerns nobody");
    let place = daemon.cli(&["incident", "add", "停水", "--place", "无此街道", "--until", "2099-01-01 00:00"]);
    assert_eq!(place.status.code(), Some(1), "places/ does not have it");
    let more = ["--caller", &prefix, "--word", "康邑园", "--until", "2099-01-01 00:00"];
    let added = daemon.cli(&[&["incident", "add", "康邑园停水，正在抢修。"][..], &more].concat());
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    daemon.wait_metric("jiesu_incidents", 1.0);
    // Who is to be added hears the flow to its end: the key counts once the notice is over.
    let call = |scenario: &str, caller: &str, tickets: usize| {
        Run::one(scenario, caller, '1').pass(daemon.sip);
        daemon.wait_metric("jiesu_calls", 0.0);
        daemon.wait_tickets(tickets, Duration::from_secs(10)).last().expect("there is one").clone()
    };
    let first = call("patient", &neighbour(1), 1);
    let id = first["incident"].as_i64().unwrap_or_else(|| panic!("the first caller was not added: {first:#}"));
    assert!(first["parent"].is_null(), "it is the incident's own: {first:#}");
    let second = call("patient", &neighbour(2), 2);
    assert_eq!((&second["incident"], &second["parent"]), (&id.into(), &first["number"]), "{second:#}");
    // Who calls from elsewhere asks with 1 how far their ticket is, as ever.
    let other = call("normal", &stranger, 3);
    assert!(other["incident"].is_null() && other["parent"].is_null(), "{other:#}");
    let (code, shown) = daemon.get("/api/v1/incidents");
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!((code, &shown[0]["joined"], &shown[0]["ticket"]), (200, &2.into(), &first["number"]), "{shown:#}");
    assert_eq!(daemon.metric("jiesu_incident_joined_total"), 2.0);
    assert!(daemon.cli(&["incident", "close", &id.to_string()]).status.success());
    assert_eq!(daemon.cli(&["incident", "close", &id.to_string()]).status.code(), Some(1));
    daemon.wait_metric("jiesu_incidents", 0.0);
    let late = call("normal", &neighbour(3), 4);
    assert!(late["incident"].is_null(), "it was closed: {late:#}");
    assert_eq!(listed(&daemon)[0]["joined"], 2);
}

/// Nobody knows where they call from; the street that they name tells it.
#[test]
fn who_names_the_place_is_told_of_the_incident_there() {
    let (Some(model), true) = (model(), has("espeak-ng")) else {
        return skip("no recogniser for the synthetic voice, or no espeak-ng");
    };
    if !in_own_network("surge::who_names_the_place_is_told_of_the_incident_there") {
        return;
    }
    let daemon = Daemon::start(&Plan { model: Some(model), ..telling(Plan::default()) });
    daemon.wait_metric("jiesu_asr_models", 1.0);
    let there = request(true);
    let more = ["--place", there.street, "--until", "2099-01-01 00:00"];
    let added = daemon.cli(&[&["incident", "add", "这里停水，正在抢修。"][..], &more].concat());
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    daemon.wait_metric("jiesu_incidents", 1.0);
    let id = listed(&daemon)[0]["id"].clone();
    let call = |text: &str, number: &str| {
        let mut caller = Caller::dial(&daemon, number);
        caller.at("request", 0);
        caller.asked();
        caller.say(&spoken(text, &daemon.folder.join(number)));
        caller.until("answer", |line| line.contains("node incident-meant") || line.contains("node readback"));
        let told = caller.told().iter().any(|line| line.contains("node incident-meant"));
        // Yes to both: add me to it; it is as you say.
        caller.press("1");
        caller.until("ticket", |line| line.contains(" filed "));
        caller.hang_up();
        let tickets = daemon.tickets();
        let ticket = tickets.iter().find(|ticket| ticket["caller"] == number).expect("its ticket").clone();
        (told, ticket)
    };
    luckily(|round| {
        let (told, ticket) = call(&there.text, &format!("1380000000{round}"));
        if !told {
            return Err(format!("said {}, heard {}", there.text, ticket["text"]));
        }
        assert_eq!(ticket["incident"], id, "{ticket:#}");
        Ok(())
    });
    luckily(|round| {
        let elsewhere = std::iter::repeat_with(|| request(true)).find(|other| other.district != there.district);
        let text = elsewhere.expect("another district").text;
        let (told, ticket) = call(&text, &format!("1370000000{round}"));
        if told {
            return Err(format!("said {text}, heard {}", ticket["text"]));
        }
        assert!(ticket["incident"].is_null(), "{ticket:#}");
        Ok(())
    });
}
