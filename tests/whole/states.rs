//! An emergency in each state of the shipped flow, keyed in every one, spoken in some: a caller walks to the node by what
//! the flow itself says leads there, and the daemon's log says when it has come.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::net::UdpSocket;
use std::time::Duration;

use toml::Value;

use super::hearing::{luckily, model};
use crate::house::caller::{Caller, telling};
use crate::house::speech::{emergency, spoken};
use crate::house::{Daemon, Plan, draw, has, hear, in_own_network, root, skip};

/// What a caller does, node by node.
type Way = Vec<(Act, String)>;

/// What a caller does to get on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// Nothing: it goes on by itself.
    Waits,
    Presses(String),
    /// Something that nobody has a text of yet.
    Speaks,
    /// Keys the number of a ticket: their own, or one that there is not.
    Numbers,
}

/// Who calls, as far as the flow asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Who {
    /// A known incident concerns them.
    concerned: bool,
    /// They have a ticket already.
    known: bool,
    /// The number that they key is nobody's.
    mistaken: bool,
}

/// Nodes that a call only passes through: nobody can do anything there.
const PASSED: [&str; 6] = ["set", "branch", "answer", "file", "goto", "hours"];
/// Nodes that nobody comes to without words that were understood, or a store that fails. The first are reached by
/// `words_said_in_many_states_raise_the_rule` and on the pure interpreter (tests/flows.rs).
const BY_WORDS: [&str; 5] = ["asked", "answered", "anything-else", "incident-meant", "not-filed"];

fn shipped() -> Value {
    let text = std::fs::read_to_string(root().join("config/flows/main.toml")).expect("the shipped flow");
    toml::from_str(&text).expect("TOML")
}

fn text<'a>(node: &'a Value, key: &str) -> Option<&'a str> {
    node.get(key).and_then(Value::as_str)
}

fn list<'a>(node: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    node.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// Where one act leads from a node, and about how many seconds that takes.
fn ways(flow: &Value, name: &str, who: Who) -> Vec<(Act, String, u32)> {
    let node = &flow["node"][name];
    let mut ways = Vec::new();
    let mut add = |act: Act, to: Option<&str>, cost: u32| {
        ways.extend(to.map(|to| (act, to.to_owned(), cost)));
    };
    match text(node, "do").expect("a kind") {
        "say" | "set" | "goto" | "file" | "hours" => add(Act::Waits, text(node, "go").or(text(node, "open")), 1),
        "branch" => {
            let concerns = |arm: &&Value| arm.get("incident").and_then(Value::as_bool) == Some(true);
            let arm = list(node, "arm").find(concerns).filter(|_| who.concerned && name == "known");
            add(Act::Waits, arm.map_or(text(node, "else"), |arm| text(arm, "go")), 0);
        }
        "transfer" | "queue" => add(Act::Waits, text(node, "failed"), 6),
        "status" => {
            let found = who.known && !(who.mistaken && node.get("number").is_some());
            add(Act::Waits, if found { text(node, "go") } else { text(node, "none") }, 2);
        }
        "collect" if text(node, "rule") == Some("ticket") => add(Act::Numbers, text(node, "go"), 2),
        "answer" => add(Act::Waits, text(node, "none"), 0),
        "listen" => add(Act::Speaks, text(node, "go"), 5),
        "confirm" => {
            add(Act::Presses("1".into()), text(node, "yes"), 2);
            add(Act::Presses("2".into()), text(node, "again"), 2);
        }
        _ => {}
    }
    for choice in list(node, "choice") {
        add(Act::Presses(text(choice, "key").expect("a key").into()), text(choice, "go"), 1);
    }
    for (key, to) in node.get("keys").and_then(Value::as_table).into_iter().flatten() {
        add(Act::Presses(key.clone()), to.as_str(), 1);
    }
    // Who says nothing, as often as it is asked.
    if let Some(last) = list(node, "no_input").last() {
        add(Act::Waits, text(last, "go"), 30);
    }
    if matches!(text(node, "do"), Some("listen" | "menu" | "confirm")) {
        for (key, to) in flow["keys"].as_table().expect("keys for everywhere") {
            add(Act::Presses(key.clone()), to.as_str(), 1);
        }
    }
    ways
}

/// The quickest way to each node that such a caller can come to.
fn walks(flow: &Value, who: Who) -> BTreeMap<String, (u32, Way)> {
    let start = flow["start"].as_str().expect("a start").to_owned();
    let mut found = BTreeMap::new();
    let mut open = BinaryHeap::from([Reverse((0, Vec::<(Act, String)>::new(), start))]);
    while let Some(Reverse((cost, way, at))) = open.pop() {
        if found.contains_key(&at) {
            continue;
        }
        for (act, to, more) in ways(flow, &at, who) {
            let mut way = way.clone();
            way.push((act, to.clone()));
            open.push(Reverse((cost + more, way, to)));
        }
        found.insert(at, (cost, way));
    }
    found
}

/// Somebody who talks for two seconds about nothing that is an emergency.
fn talk() -> Vec<i16> {
    let bytes = std::fs::read(root().join("config/prompts/menu-livelihood.wav")).expect("a shipped prompt");
    jiesu::audio::wav::read(&bytes).expect("a WAV").to_8k()[..2 * hear::SECOND].to_vec()
}

/// Walks there. How many lines the log had when it came.
fn walk(caller: &mut Caller, start: &str, way: &[(Act, String)], talk: &[i16], number: &str) -> usize {
    let mut seen = caller.at(start, 0);
    for (act, to) in way {
        match act {
            Act::Waits => {}
            Act::Presses(key) => caller.press(key),
            Act::Numbers => caller.press(&format!("{number}#")),
            Act::Speaks => {
                // Once it is asked: what is said over the question is not the answer.
                caller.asked();
                caller.say(talk);
            }
        }
        seen = caller.at(to, seen);
    }
    seen
}

/// Everything that must be true after the keys, or the words, of `rule`: filed as urgent, and only then put through.
fn judge(caller: &mut Caller, daemon: &Daemon, node: &str, rule: &str, from: usize) {
    let raised = |line: &str| line.contains(" emergency ") && line.contains(&format!("rule=\"{rule}\""));
    caller.until(&format!("emergency at {node}"), raised);
    caller.until(&format!("transfer after the emergency at {node}"), |line| {
        line.contains("transfer failed") && line.contains("119@")
    });
    caller.hang_up();
    let told = caller.told();
    let place = |what: &dyn Fn(&str) -> bool| told.iter().skip(from).position(|line| what(line));
    let (raised, filed) = (place(&raised), place(&|line| line.contains(" filed ")));
    let called = place(&|line| line.contains("transfer failed") && line.contains("119@"));
    // A call that had its ticket has raised it; the clerk says "filed" then too.
    assert!(
        raised < filed && filed < called,
        "at {node}: raised {raised:?}, filed {filed:?}, called {called:?}:\n{}",
        told.concat()
    );
    let tickets = daemon.tickets();
    let own: Vec<_> = tickets.iter().filter(|ticket| ticket["caller"] == caller.number.as_str()).collect();
    let urgent = own.iter().filter(|ticket| ticket["urgency"] == "urgent").count();
    assert_eq!(urgent, 1, "at {node}: {own:#?}");
}

/// Whoever an emergency, or the operator, is called at: it rings and nobody answers.
fn plan() -> Plan {
    telling(Plan {
        edits: vec![("# transfer_ring = \"30s\"".into(), "transfer_ring = \"5s\"".into())],
        ..Plan::default()
    })
}

#[test]
fn keys_raise_the_rule_in_each_state_of_the_shipped_flow() {
    if !in_own_network("states::keys_raise_the_rule_in_each_state_of_the_shipped_flow") {
        return;
    }
    let _silent = UdpSocket::bind("127.0.0.1:5061").expect("where the shipped targets are");
    let daemon = Daemon::start(&plan());
    let (flow, talk) = (shipped(), talk());
    let start = flow["start"].as_str().expect("a start");
    let prefix = format!("01{:04}", draw(10_000));
    let more = ["--caller", &prefix, "--until", "2099-01-01 00:00"];
    let added = daemon.cli(&[&["incident", "add", "试验停水，正在抢修。"][..], &more].concat());
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    daemon.wait_metric("jiesu_incidents", 1.0);
    // The quickest of all callers' ways to each node.
    let mut ways: BTreeMap<String, (u32, Who, Way)> = BTreeMap::new();
    let callers = [(false, false, false), (true, false, false), (false, true, false), (false, true, true)];
    for who in callers.map(|(concerned, known, mistaken)| Who { concerned, known, mistaken }) {
        // Who has a ticket has called before.
        let before = if who.known { 20 } else { 0 };
        for (node, (cost, way)) in walks(&flow, who) {
            // Where nothing is found there is nothing to hear: the call is gone from there at once.
            let passes = text(&flow["node"][&node], "do") == Some("status") && (!who.known || who.mistaken);
            if !passes && ways.get(&node).is_none_or(|(least, ..)| cost + before < *least) {
                ways.insert(node, (cost + before, who, way));
            }
        }
    }
    let kind = |node: &str| text(&flow["node"][node], "do").expect("a kind");
    let all: BTreeSet<&str> = flow["node"].as_table().expect("nodes").keys().map(String::as_str).collect();
    let states: Vec<&str> = all.into_iter().filter(|node| !PASSED.contains(&kind(node))).collect();
    let (met, unmet): (Vec<&str>, Vec<&str>) = states.into_iter().partition(|node| ways.contains_key(*node));
    eprintln!("{} states; by words or faults only: {unmet:?}", met.len());
    assert!(unmet.iter().all(|node| BY_WORDS.contains(node)), "nobody comes to {unmet:?}");
    std::thread::scope(|scope| {
        for (i, node) in met.iter().enumerate() {
            let (_, who, way) = &ways[*node];
            let (daemon, talk, prefix) = (&daemon, &talk, &prefix);
            scope.spawn(move || {
                let number = if who.concerned { format!("{prefix}{i:04}") } else { format!("1390000{i:04}") };
                // A number with its check digit that no ticket has: of a day on which there was no daemon.
                let nobodys = jiesu::ticket::Number::new(jiff::civil::date(2001, 1, 1), 1).expect("a number");
                let mut ticket = nobodys.to_string();
                if who.known {
                    let mut before = Caller::dial(daemon, &number);
                    before.at(start, 0);
                    before.press("2");
                    before.hang_up();
                    let filed = before.until("ticket", |line| line.contains(" filed "));
                    let own = filed.split('"').nth(1).expect("the ticket's number");
                    ticket = if who.mistaken { ticket } else { own.to_owned() };
                }
                let mut caller = Caller::dial(daemon, &number);
                let seen = walk(&mut caller, start, way, talk, &ticket);
                caller.press("*119");
                judge(&mut caller, daemon, node, "fire", seen);
            });
        }
    });
    assert_eq!(daemon.metric("jiesu_emergencies_total"), met.len() as f64);
}

/// In which states it is said, each in every run: over an announcement that cannot be skipped, in a menu, while the
/// operator's telephone rings, and where the flow asks.
const SPOKEN_AT: [&str; 4] = ["notice", "services", "operator", "request"];

#[test]
fn words_said_in_many_states_raise_the_rule() {
    let (Some(model), true) = (model(), has("espeak-ng")) else {
        return skip("no recogniser for the synthetic voice, or no espeak-ng");
    };
    if !in_own_network("states::words_said_in_many_states_raise_the_rule") {
        return;
    }
    let _silent = UdpSocket::bind("127.0.0.1:5061").expect("where the shipped targets are");
    let edits = vec![("# transfer_ring = \"30s\"".into(), "transfer_ring = \"60s\"".into())];
    let daemon = Daemon::start(&telling(Plan { model: Some(model), edits, ..Plan::default() }));
    daemon.wait_metric("jiesu_asr_models", 1.0);
    let flow = shipped();
    let start = flow["start"].as_str().expect("a start");
    let walks = walks(&flow, Who { concerned: false, known: false, mistaken: false });
    for (i, node) in SPOKEN_AT.iter().enumerate() {
        luckily(|round| {
            let (words, rule) = emergency();
            let mut caller = Caller::dial(&daemon, &format!("139000{i}000{round}"));
            let pcm = spoken(&words, &daemon.folder.join(&caller.number));
            walk(&mut caller, start, &walks[*node].1, &[], "");
            if *node == "request" {
                caller.asked();
            }
            caller.say(&pcm);
            // Whatever is understood otherwise leads on, or nowhere.
            let verdict = caller
                .within(Duration::from_secs(60), |line| line.contains(" emergency ") || line.contains("node readback"));
            caller.hang_up();
            if !verdict.as_deref().is_some_and(|line| line.contains(&format!("rule=\"{rule}\""))) {
                return Err(format!("{words} at {node} was not heard as {rule}: {verdict:?}"));
            }
            caller.until("ticket", |line| line.contains(" filed "));
            let tickets = daemon.tickets();
            let ticket = tickets.iter().find(|ticket| ticket["caller"] == caller.number.as_str()).expect("its ticket");
            assert_eq!(ticket["urgency"], "urgent", "{ticket:#}");
            Ok(())
        });
    }
}
