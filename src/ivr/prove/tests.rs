//! Each rule on a flow that keeps it, and with its fault planted.

use std::sync::Arc;

use jiff::civil::date;

use super::*;
use crate::ivr::flow::Flow;
use crate::ivr::talk::Incident;
use crate::ivr::{Around, Context, Input, Interpreter, Output, Rules, Say};
use crate::written::{Faults, Source};

/// Keeps every rule: asks, reads back, files, and 0 is a human. Line numbers count in the tests below.
const GOOD: &str = r#"
start = "hello"
too_long = "bye"
[times]
wait = "5s"
[targets]
desk = "sip:desk@192.0.2.1"
night = "sip:night@192.0.2.1"
[hours.office]
workday = ["09:00-17:00"]
[duty]
desk = "always"
[hours.always]
workday = ["00:00-24:00"]
weekend = ["00:00-24:00"]
holiday = ["00:00-24:00"]
[keys]
0 = "human"
[[no_input]]
[[no_input]]
go = "human"
[[no_match]]
[[no_match]]
go = "human"
[node.hello]
do = "say"
say = "hello"
go = "open"
[node.open]
do = "hours"
hours = "office"
open = "ask"
closed = "ask-night"
[node.ask]
do = "listen"
say = "ask"
keys = { 1 = "menu" }
go = "read"
[node.ask-night]
do = "listen"
say = "ask-night"
go = "read"
[node.read]
do = "confirm"
say = ["{heard}", "yes-no"]
pending = "yes-no"
yes = "file"
again = "ask"
[node.menu]
do = "menu"
say = "menu"
choice = [{ key = "1", go = "water" }, { key = "2", go = "ask" }]
[node.water]
do = "menu"
say = "water"
choice = [{ key = "1", go = "ask" }, { key = "2", go = "ask" }]
[node.file]
do = "file"
go = "number"
failed = "bye"
[node.number]
do = "say"
say = ["{number}"]
barge_in = false
go = "bye"
[node.human]
do = "transfer"
say = "wait"
to = "desk"
failed = "busy"
[node.busy]
do = "listen"
say = "busy"
no_input = [{ go = "bye" }]
go = "file"
[node.bye]
do = "hangup"
say = "bye"
"#;

fn spoken() -> Spoken {
    let texts = [
        ("hello", "您好。"),
        ("ask", "请说出诉求，转人工请按0，菜单请按1。"),
        ("ask-night", "请说出诉求，转人工请按0。"),
        ("yes-no", "确认请按1，重说请按2。"),
        ("menu", "水请按1，其他请按2。"),
        ("water", "停水请按1，漏水请按2。"),
        ("wait", "请稍候。"),
        ("busy", "全忙，请说。"),
        ("bye", "再见。"),
        ("long", "请听。"),
        ("seven", "电请按7。"),
    ];
    let texts = texts.map(|(id, text)| (id.to_owned(), text.to_owned())).into();
    Spoken { texts, lengths: [("long".to_owned(), Duration::from_secs(50))].into() }
}

fn read(text: &str) -> Flow {
    let faults = Faults::default();
    let flow = Flow::read(&Source::new("f.toml", text), &faults);
    assert!(faults.is_empty(), "{faults}");
    flow.expect("it has no faults")
}

fn findings(text: &str, limits: &Limits) -> Vec<Finding> {
    let faults = Faults::default();
    let source = Source::new("2026.toml", include_str!("../../../config/calendar/2026.toml"));
    let calendar = Calendar::read(&[source], &faults);
    let lines = [Dialled { line: "12345".to_owned(), greeting: None }];
    let (spoken, rules) = (spoken(), Rules::default());
    let premises = Premises {
        spoken: &spoken,
        limits,
        lines: &lines,
        rules: &rules,
        calendar: &calendar,
        today: date(2026, 1, 1),
    };
    prove(&read(text), premises)
}

#[test]
fn the_good_flow_keeps_every_rule() {
    assert_eq!(findings(GOOD, &Limits::default()), []);
}

/// What is planted, and what must be said of it.
struct Planted {
    rule: Rule,
    /// What stands in the good flow, and what shall stand there.
    from: &'static str,
    to: &'static str,
    /// The node at fault, the way to it and a part of the remedy.
    node: &'static str,
    way: &'static str,
    remedy: &'static str,
}

/// One fault for each rule, and for some rules more than one face of it.
const PLANTED: &[Planted] = &[
    Planted {
        rule: Rule::DeadEnd, // they have said it, and that was it
        from: "say = \"ask-night\"\ngo = \"read\"",
        to: "say = \"ask-night\"\ngo = \"bye\"",
        node: "ask-night",
        way: "hello -> open -> ask-night -> bye",
        remedy: "let it lead to a listen",
    },
    Planted {
        rule: Rule::DeadEnd, // silence before anybody was tried
        from: "say = \"ask\"\nkeys",
        to: "no_input = [{ go = \"bye\" }]\nsay = \"ask\"\nkeys",
        node: "ask",
        way: "hello -> open -> ask -> bye",
        remedy: "let it lead to a listen",
    },
    Planted {
        rule: Rule::DeadEnd, // "all seats are busy, please call later"
        from: "do = \"listen\"\nsay = \"busy\"\nno_input = [{ go = \"bye\" }]\ngo = \"file\"",
        to: "do = \"say\"\nsay = \"busy\"\ngo = \"bye\"",
        node: "busy",
        way: "hello -> human -> busy -> bye",
        remedy: "let it lead to a listen",
    },
    Planted {
        rule: Rule::NoHuman,
        from: "do = \"transfer\"\nsay = \"wait\"\nto = \"desk\"\nfailed = \"busy\"",
        to: "do = \"goto\"\ngo = \"busy\"",
        node: "hello",
        way: "hello",
        remedy: "write a transfer node",
    },
    Planted {
        rule: Rule::NeverReached,
        from: "[hours.office]\nworkday = [\"09:00-17:00\"]",
        to: "[hours.office]\nworkday = [\"00:00-24:00\"]\nweekend = [\"00:00-24:00\"]\nholiday = [\"00:00-24:00\"]",
        node: "ask-night",
        way: "",
        remedy: "mend the hours",
    },
    Planted {
        rule: Rule::NeverReached, // of all lines
        from: "do = \"hours\"\nhours = \"office\"\nopen = \"ask\"\nclosed = \"ask-night\"",
        to: "do = \"branch\"\narm = [{ line = \"12319\", go = \"ask-night\" }]\nelse = \"ask\"",
        node: "ask-night",
        way: "",
        remedy: "mend the hours or the branch",
    },
    Planted {
        rule: Rule::EmptyBlank,
        from: "say = \"busy\"",
        to: "say = [\"busy\", \"{number}\"]",
        node: "busy",
        way: "hello -> human -> busy",
        remedy: "let a file node lead here",
    },
    Planted {
        rule: Rule::EmptyBlank,
        from: "say = \"wait\"",
        to: "say = [\"wait\", \"{heard}\"]",
        node: "human",
        way: "hello -> human",
        remedy: "let a listen node lead here",
    },
    Planted {
        rule: Rule::OffDuty,
        from: "desk = \"always\"",
        to: "desk = \"office\"",
        node: "human",
        way: "hello -> human",
        remedy: "put an hours node before it",
    },
    Planted {
        rule: Rule::Silent,
        from: "say = \"ask\"\nkeys",
        to: "wait = \"60s\"\nno_input = [{}, { count = 5, go = \"human\" }]\nsay = \"ask\"\nkeys",
        node: "hello",
        way: "hello -> open -> ask -> human",
        remedy: "ask less often",
    },
    Planted {
        rule: Rule::ToHuman,
        from: "say = \"wait\"",
        to: "say = \"long\"",
        node: "hello",
        way: "hello -> human",
        remedy: "shorten what is said before",
    },
    Planted {
        rule: Rule::ToHumanListening,
        from: "say = \"hello\"",
        to: "say = [\"hello\", \"long\", \"long\"]",
        node: "hello",
        way: "hello -> open -> ask-night -> human",
        remedy: "shorten what is said before",
    },
    Planted {
        rule: Rule::Held,
        from: "say = [\"{number}\"]",
        to: "say = [\"{number}\", \"long\"]",
        node: "number",
        way: "hello -> human -> busy -> file -> number",
        remedy: "remove barge_in = false",
    },
    Planted {
        rule: Rule::LongQuestion,
        from: "say = \"busy\"",
        to: "say = [\"busy\", \"long\"]",
        node: "busy",
        way: "hello -> human -> busy",
        remedy: "shorten or split",
    },
    Planted {
        rule: Rule::Hurry,
        from: "say = \"busy\"",
        to: "wait = \"1s\"\nsay = \"busy\"",
        node: "busy",
        way: "hello -> human -> busy",
        remedy: "give people time",
    },
    Planted {
        rule: Rule::SaidKey,
        from: "say = \"menu\"\n",
        to: "say = [\"menu\", \"seven\"]\n",
        node: "menu",
        way: "hello -> open -> ask -> menu",
        remedy: "add a choice with key = \"7\"",
    },
    Planted {
        rule: Rule::UnsaidKey,
        from: "{ key = \"2\", go = \"ask\" }]\n[node.water]",
        to: "{ key = \"2\", go = \"ask\" }, { key = \"3\", go = \"ask\" }]\n[node.water]",
        node: "menu",
        way: "hello -> open -> ask -> menu",
        remedy: "say it",
    },
    Planted {
        rule: Rule::UnsaidKey, // of a question's own keys
        from: "keys = { 1 = \"menu\" }",
        to: "keys = { 1 = \"menu\", 4 = \"menu\" }",
        node: "ask",
        way: "hello -> open -> ask",
        remedy: "say it",
    },
    Planted {
        rule: Rule::ShadowedKey,
        from: "pending = \"yes-no\"",
        to: "pending = \"yes-no\"\nkeys = { 2 = \"menu\" }",
        node: "read",
        way: "hello -> open -> ask-night -> read",
        remedy: "another key",
    },
    Planted {
        rule: Rule::IdleKey, // nobody is there to press it
        from: "hours = \"office\"",
        to: "hours = \"office\"\nkeys = { 5 = \"menu\" }",
        node: "open",
        way: "hello -> open",
        remedy: "remove it",
    },
    Planted {
        rule: Rule::IdleKey, // it leads to itself
        from: "do = \"say\"\nsay = \"hello\"",
        to: "do = \"say\"\nkeys = { 5 = \"hello\" }\nsay = \"hello\"",
        node: "hello",
        way: "hello",
        remedy: "remove it",
    },
    Planted {
        rule: Rule::HumanKey,
        from: "keys = { 1 = \"menu\" }",
        to: "keys = { 1 = \"menu\", 0 = \"menu\" }",
        node: "ask",
        way: "hello -> open -> ask",
        remedy: "another key",
    },
    Planted {
        rule: Rule::PrefixKey,
        from: "{ key = \"2\", go = \"ask\" }]\n[node.water]",
        to: "{ key = \"12\", go = \"ask\" }]\n[node.water]",
        node: "menu",
        way: "hello -> open -> ask -> menu",
        remedy: "the same number of keys",
    },
    Planted {
        rule: Rule::MenuFirst,
        from: "go = \"open\"\n",
        to: "go = \"gate\"\n[node.gate]\ndo = \"menu\"\nsay = \"water\"\nno_input = [{ go = \"bye\" }]\n\
             choice = [{ key = \"1\", go = \"open\" }, { key = \"2\", go = \"open\" }]\n",
        node: "gate",
        way: "hello -> gate -> open -> ask-night",
        remedy: "ask for the request first",
    },
];

/// Of the rules whose limits are planted instead.
fn tight() -> Vec<(Limits, Rule, &'static str, &'static str, &'static str)> {
    let usual = Limits::default;
    vec![
        (
            Limits { depth: 1, ..usual() },
            Rule::Depth,
            "water",
            "hello -> open -> ask -> menu -> water",
            "into a menu above",
        ),
        (Limits { choices: 1, ..usual() }, Rule::Choices, "menu", "hello -> open -> ask -> menu", "below another menu"),
    ]
}

/// Finds the finding at its line, with its way and remedy.
fn is_found(found: &[Finding], text: &str, rule: Rule, node: &str, way: &str, remedy: &str) {
    let line = text.lines().position(|line| line == format!("[node.{node}]")).expect("the node is there") + 1;
    let this = found.iter().find(|f| f.rule == rule && f.key == format!("node.{node}"));
    let Some(finding) = this else { panic!("{rule} at {node} was not found, but: {found:#?}") };
    assert_eq!(finding.place.line as usize, line, "{finding:?}");
    assert_eq!(finding.way.join(" -> "), way, "{finding:?}");
    assert!(finding.remedy.contains(remedy), "{finding:?}");
    assert!(finding.clause().contains(rule.name()), "{finding:?}");
}

#[test]
fn every_planted_fault_is_found_where_it_is_with_way_and_remedy() {
    for Planted { rule, from, to, node, way, remedy } in PLANTED {
        assert!(GOOD.contains(from), "{from:?}");
        let text = GOOD.replacen(from, to, 1);
        is_found(&findings(&text, &Limits::default()), &text, *rule, node, way, remedy);
    }
    for (limits, rule, node, way, remedy) in tight() {
        is_found(&findings(GOOD, &limits), GOOD, rule, node, way, remedy);
    }
}

/// With its rule switched off, each planted fault goes unnoticed: no other rule finds it by chance.
#[test]
fn no_planted_fault_is_found_without_its_rule() {
    for Planted { rule, from, to, node, .. } in PLANTED {
        let text = GOOD.replacen(from, to, 1);
        let off = Limits { allow: vec![*rule], ..Limits::default() };
        let found = findings(&text, &off);
        let same = found.iter().find(|f| f.rule == *rule && f.key == format!("node.{node}"));
        assert_eq!(same, None, "{rule} is off");
    }
}

/// Two rules need a flow of their own: the good one has no trap and no way of eleven nodes.
#[test]
fn traps_and_long_ways_are_found() {
    let loops = GOOD
        .replacen("[keys]\n0 = \"human\"\n", "", 1)
        .replacen("go = \"open\"", "go = \"trap\"", 1)
        .replacen("[node.open]", "[node.trap]\ndo = \"menu\"\nsay = \"menu\"\nno_input = [{ go = \"bye\" }]\nno_match = [{ go = \"bye\" }]\n\
                  choice = [{ key = \"1\", go = \"trap\" }, { key = \"2\", go = \"trap\" }]\n[words]\nx = \"human\"\ny = \"open\"\n[node.open]", 1);
    let found = findings(&loops, &Limits::default());
    is_found(&found, &loops, Rule::Trapped, "hello", "hello", "let it lead to");
    let mut chain = GOOD.replacen("too_long", "steps = 10\ntoo_long", 1).replacen("go = \"open\"", "go = \"s1\"", 1);
    for i in 1..=9 {
        let next = if i == 9 { "open".to_owned() } else { format!("s{}", i + 1) };
        chain += &format!("[node.s{i}]\ndo = \"goto\"\ngo = \"{next}\"\n");
    }
    let way = "hello -> s1 -> s2 -> s3 -> s4 -> s5 -> s6 -> s7 -> s8 -> s9 -> open";
    is_found(&findings(&chain, &Limits::default()), &chain, Rule::Steps, "open", way, "raise steps");
}

/// So that no rule is added without a fault that shows it.
#[test]
fn every_rule_is_shown_to_fail() {
    let planted: BTreeSet<Rule> = PLANTED.iter().map(|planted| planted.rule).collect();
    let tight: BTreeSet<Rule> = tight().into_iter().map(|(_, rule, ..)| rule).collect();
    // The last two: `emergency::tests`.
    let own = BTreeSet::from([Rule::Trapped, Rule::Steps, Rule::AlarmKey, Rule::AlarmUnfiled]);
    let all: BTreeSet<Rule> = Rule::ALL.into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(&(&planted | &tight) | &own, all);
}

#[test]
fn a_rule_that_is_allowed_is_not_asked_for() {
    let text = GOOD.replacen("say = \"ask-night\"\ngo = \"read\"", "say = \"ask-night\"\ngo = \"bye\"", 1);
    let limits = Limits { allow: vec![Rule::DeadEnd], ..Limits::default() };
    assert_eq!(findings(&text, &Limits::default()).len(), 1);
    assert_eq!(findings(&text, &limits), []);
}

#[test]
fn what_is_so_at_some_hours_only_says_when() {
    let text = GOOD.replacen("desk = \"always\"", "desk = \"office\"", 1);
    let found = findings(&text, &Limits::default());
    // The first of January 2026 is a holiday, which is closed all day.
    let when = found.iter().find(|f| f.rule == Rule::OffDuty).and_then(|f| f.when.clone());
    assert_eq!(when.as_deref(), Some("e.g. on 2026-01-01 (Thursday) at 00:00"));
    let always = GOOD.replacen(
        "{ key = \"2\", go = \"ask\" }]\n[node.water]",
        "{ key = \"12\", go = \"ask\" }]\n[node.water]",
        1,
    );
    let found = findings(&always, &Limits::default());
    assert_eq!(found.iter().find(|f| f.rule == Rule::HumanKey), None);
}

/// How long the interpreter itself keeps who says and presses nothing, until a human, a ticket or the end.
fn kept_in_silence(flow: &Arc<Flow>, spoken: &Spoken, context: Context) -> Duration {
    let mut call = Interpreter::new(flow.clone(), context);
    let (mut time, mut deadline, mut listening) = (Duration::ZERO, None, None);
    let mut playing = None;
    let mut next = Input::Answered;
    loop {
        call.input(next);
        while let Some(output) = call.poll() {
            match output {
                Output::Play { play, say, .. } => {
                    let prompts = say.iter().map(|say| match say {
                        Say::Prompt(id) => spoken.prompt(id),
                        // What has happened where they are.
                        Say::Text(_) => super::spoken::BLANK,
                        other => panic!("nothing else is said to the silent: {other:?}"),
                    });
                    playing = Some((play, prompts.sum::<Duration>()));
                }
                Output::Listen { no_input, .. } => listening = Some(no_input),
                Output::Deadline(after) => deadline = after,
                Output::Transfer { .. } | Output::File { .. } | Output::Hangup => return time,
                Output::LookUp(_) => panic!("nobody asked for it"),
                _ => {}
            }
        }
        next = match (playing.take(), listening.take(), deadline) {
            (Some((play, length)), _, _) => {
                time += length;
                Input::PlayDone { play }
            }
            (None, Some(wait), _) => {
                time += wait;
                Input::NoInput
            }
            (None, None, wait) => {
                time += wait.expect("every wait has a deadline");
                Input::Deadline
            }
        };
    }
}

/// The proof reckons with the seconds that the interpreter takes: no less, and no more.
#[test]
fn silence_lasts_as_long_as_is_proven() {
    let faults = Faults::default();
    let source = Source::new("2026.toml", include_str!("../../../config/calendar/2026.toml"));
    let calendar = Arc::new(Calendar::read(&[source], &faults));
    let (spoken, limits, rules) = (spoken(), Limits::default(), Rules::default());
    let lines = [Dialled { line: String::new(), greeting: None }];
    let today = date(2026, 1, 1);
    let premises =
        Premises { spoken: &spoken, limits: &limits, lines: &lines, rules: &rules, calendar: &calendar, today };
    for text in [
        GOOD,
        include_str!("../../../config/flows/main.toml"),
        include_str!("../../../config/examples/flows/old-menu.toml"),
    ] {
        let flow = Arc::new(read(text));
        // Noon and midnight of a workday and of a holiday: what the flows' hours tell apart.
        let moments = [date(2026, 3, 2).at(12, 0, 0, 0), date(2026, 3, 2).at(2, 0, 0, 0), today.at(12, 0, 0, 0)];
        let known = Incident { text: "三号楼停水".into(), ..Incident::default() };
        let worlds = moments.iter().flat_map(|now| [None, Some(known.clone())].map(|incident| (*now, incident)));
        let kept = worlds.map(|(now, incident)| {
            let around = Around { now, load: 0 };
            kept_in_silence(
                &flow,
                &spoken,
                Context { calendar: calendar.clone(), around, incident, ..Context::default() },
            )
        });
        // The prompt before a transfer, and the one of a hangup, count on both sides.
        assert_eq!(kept.max(), Some(measure(&flow, premises).silent), "{}", flow.name());
    }
}
