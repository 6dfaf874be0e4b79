use super::*;
use crate::written::{Faults, Source};
use proptest::prelude::*;

const SHIPPED: &str = include_str!("../../config/flows/main.toml");

fn flow(text: &str) -> Arc<Flow> {
    let faults = Faults::default();
    let flow = Flow::read(&Source::new("main.toml", text), &faults);
    assert!(faults.is_empty(), "{faults}");
    Arc::new(flow.expect("it has no faults"))
}

fn changed(from: &str, to: &str) -> Arc<Flow> {
    assert!(SHIPPED.contains(from), "the shipped flow no longer has {from:?}");
    flow(&SHIPPED.replacen(from, to, 1))
}

fn recorded(journal: &str, words: &[&str]) -> Recorded {
    let words = words.iter().map(|text| Some((*text).to_owned())).collect();
    let journal = Journal::read(journal);
    let hung_up = journal.steps().iter().any(|(_, step)| matches!(step, Step::End(why) if why == "caller"));
    Recorded { journal, words, hung_up, ..Recorded::default() }
}

/// Two menus down by keys, said, agreed on.
const WATER: &str = "0 node greeting\n0 node notice\n9000 node known\n9000 node request\n9500 key !2\n9500 node services\n10000 key !1\n\
    10000 node utilities\n11000 key !1\n11000 node water\n12000 key !2\n12000 node details\n20000 said 0\n\
    20000 node readback\n30000 key 1\n30000 node place\n30000 node filing\n30100 filed\n30100 node number\n40000 node repeated\n\
    40010 no-ticket\n40010 node thanks\n45000 end flow\n";

#[test]
fn through_its_own_flow_a_call_goes_as_it_went() {
    let call = recorded(WATER, &["我家停水了"]);
    let outcome = run(&World::default(), &flow(SHIPPED), &call);
    let happened = happened(&call, outcome.hints.clone());
    assert!(outcome.same(&happened) && !outcome.guessed, "{outcome:#?}");
    assert_eq!(outcome.nodes, happened.nodes);
    assert_eq!((outcome.end, outcome.hints.topic.as_deref()), (End::Filed, Some("供水 停水")));
    // Recorded before the flow looked for an earlier ticket.
    let earlier = recorded(&WATER.replace("40000 node repeated\n40010 no-ticket\n", ""), &["我家停水了"]);
    let outcome = run(&World::default(), &flow(SHIPPED), &earlier);
    assert!(outcome.same(&happened) && !outcome.guessed, "{outcome:#?}");
}

/// The question back is asked again in a replay, and the recorded answer is its answer.
#[test]
fn a_call_that_was_asked_which_place_goes_as_it_went() {
    let places = "19900 places 110105015=八里庄街道/朝阳区 110108005=八里庄街道/海淀区\n20000 node readback";
    let asked = WATER.replace("20000 node readback", places);
    let asked = asked.replace("node place\n", "node place\n30010 key !2\n30020 key !1\n");
    let outcome = run(&World::default(), &flow(SHIPPED), &recorded(&asked, &["八里庄停水了"]));
    assert!(!outcome.guessed && outcome.end == End::Filed, "{outcome:#?}");
    assert_eq!(outcome.hints.place.as_deref(), Some("110108005"), "{outcome:#?}");
    assert_eq!(outcome.hints.elsewhere, ["110105015"]);
}

#[test]
fn a_choice_that_leads_elsewhere_changes_what_becomes_of_the_call() {
    let call = recorded(WATER, &["我家停水了"]);
    let hints = run(&World::default(), &changed("topic = \"供水 停水\"", "topic = \"供水 断水\""), &call);
    assert_eq!((hints.end, hints.hints.topic.as_deref()), (End::Filed, Some("供水 断水")));
    let people = run(
        &World::default(),
        &changed(
            "{ key = \"2\", go = \"details\", topic = \"供水 停水\"",
            "{ key = \"2\", go = \"operator\", topic = \"供水 停水\"",
        ),
        &call,
    );
    assert_eq!(people.targets.len(), 1, "{people:#?}");
    assert!(people.guessed, "nobody knows whether people would have come");
    // The menu is gone: the keys are lost, the words are not.
    let spoken = run(&World::default(), &changed("2 = \"services\", ", ""), &call);
    assert_eq!((spoken.end, spoken.hints.topic), (End::Filed, None));
}

#[test]
fn who_hangs_up_in_a_menu_has_said_something_by_keys() {
    let journal = "0 node greeting\n0 node notice\n9000 node known\n9000 node request\n9500 key !2\n9500 node services\n10000 key !1\n\
        10000 node utilities\n11000 end caller\n11010 filed\n";
    let call = recorded(journal, &[]);
    let outcome = run(&World::default(), &flow(SHIPPED), &call);
    assert_eq!(outcome.end, End::Abandoned);
    assert_eq!(happened(&call, outcome.hints.clone()).end, End::Abandoned);
    let silent = recorded("0 node greeting\n0 node notice\n5000 end caller\n", &[]);
    let outcome = run(&World::default(), &flow(SHIPPED), &silent);
    assert_eq!((outcome.end, outcome.nodes), (End::Nothing, vec!["greeting".to_owned(), "notice".to_owned()]));
}

#[test]
fn a_transfer_that_nobody_took_is_not_taken_in_the_replay() {
    let journal = "0 node greeting\n900 key !0\n900 node operator\n4000 transfer sip:x@127.0.0.1\n34000 no-answer 480\n\
        34000 node busy\n40000 said 0\n40000 node busy-filing\n40100 filed\n40100 node busy-number\n41000 end caller\n";
    let call = recorded(journal, &["路灯坏了"]);
    let outcome = run(&World::default(), &flow(SHIPPED), &call);
    assert_eq!((outcome.end, outcome.targets.len(), outcome.guessed), (End::Filed, 1, false), "{outcome:#?}");
    let taken = recorded(
        &journal
            .replace("no-answer 480", "talked")
            .split("34000 node")
            .next()
            .expect("a part")
            .replace("34000 talked\n", "34000 talked\n40000 end flow\n"),
        &[],
    );
    assert_eq!(run(&World::default(), &flow(SHIPPED), &taken).end, End::Human);
}

/// The shipped emergencies.
fn watched() -> World {
    let faults = Faults::default();
    let rules = Source::new("emergency.toml", include_str!("../../config/emergency.toml"));
    let rules = Arc::new(crate::ivr::Rules::read(&rules, &faults));
    assert!(faults.is_empty(), "{faults}");
    World { rules, ..World::default() }
}

#[test]
fn what_was_overheard_raises_its_emergency_again_or_another_or_none() {
    let journal = "0 node greeting\n0 node notice\n2000 overheard 楼上着火了\n2010 filed\n9000 transfer sip:119@127.0.0.1:5061\n\
        40000 talked\n41000 end flow\n";
    let call = recorded(journal, &[]);
    let outcome = run(&watched(), &flow(SHIPPED), &call);
    assert!(outcome.same(&happened(&call, outcome.hints.clone())) && !outcome.guessed, "{outcome:#?}");
    assert_eq!((outcome.end, outcome.hints.topic.as_deref()), (End::Human, Some("火灾")));
    // The rule is gone: nobody hears the shout, and the talk with the fire brigade never comes about.
    let deaf = run(&World::default(), &flow(SHIPPED), &call);
    assert!(deaf.targets != outcome.targets && !deaf.same(&outcome), "{deaf:#?}");
    // While a target rings the call leaves the flow, too.
    let ringing = "0 node greeting\n900 key !0\n900 node operator\n4000 transfer sip:operator@127.0.0.1:5061\n\
        6000 overheard 着火了\n6010 filed\n9000 transfer sip:119@127.0.0.1:5061\n40000 talked\n41000 end flow\n";
    let call = recorded(ringing, &[]);
    let outcome = run(&watched(), &flow(SHIPPED), &call);
    assert!(outcome.same(&happened(&call, outcome.hints.clone())) && !outcome.guessed, "{outcome:#?}");
}

/// A caller by lot, walked through a flow and written down as the daemon would.
fn lived(world: &World, flow: &Arc<Flow>, lots: &[u8]) -> (Recorded, Outcome) {
    let mut interpreter = Interpreter::new(flow.clone(), Context::default()).watch(world.rules.clone());
    let mut shouted = None;
    let mut journal = Journal::default();
    let (mut words, mut outcome) = (Vec::new(), Outcome::default());
    let (mut awaits, mut files, mut over) = (Awaits::Keys, 0, false);
    let mut now = 0;
    let mut input = Input::Answered;
    let mut lots = lots.iter().copied();
    let (mut filed, mut talked, mut did, mut hung_up) = (false, false, false, false);
    loop {
        interpreter.input(input);
        while let Some(output) = interpreter.poll() {
            match output {
                Output::Play { play, .. } => awaits = Awaits::Prompt(play),
                Output::StopPlay | Output::StopListen => awaits = Awaits::Keys,
                Output::Listen { .. } | Output::Record { .. } => awaits = Awaits::Words,
                Output::File { hints, .. } => (files, outcome.hints) = (files + 1, hints),
                Output::LookUp(_) => awaits = Awaits::Ticket { told: true },
                Output::Transfer { target, .. } => {
                    journal.add(Duration::from_millis(now), Step::Transfer(target.clone()));
                    outcome.targets.push(target);
                    awaits = Awaits::Talk;
                }
                Output::Hangup => over = true,
                Output::Emergency { .. } => {
                    if let Some(text) = shouted.take() {
                        journal.add(Duration::from_millis(now), Step::Overheard(text));
                        did = true;
                    }
                }
                Output::Note(note) => {
                    if let Some(name) = note.strip_prefix("node ") {
                        journal.add(Duration::from_millis(now), Step::Node(name.to_owned()));
                    }
                }
                _ => {}
            }
        }
        now += 100;
        if over {
            journal.add(Duration::from_millis(now), Step::End("flow".into()));
            break;
        }
        let lot = match lots.next() {
            Some(lot) => lot,
            // The store answers within milliseconds: nobody hangs up in between.
            None if files > 0 || matches!(awaits, Awaits::Ticket { .. }) => 1,
            None => {
                hung_up = true;
                journal.add(Duration::from_millis(now), Step::End("caller".into()));
                break;
            }
        };
        let key = char::from(b"0123456789*#"[usize::from(lot / 16) % 12]);
        shouted = None;
        let mut add = |step| journal.add(Duration::from_millis(now), step);
        input = match (awaits, lot % 16) {
            _ if files > 0 => {
                files -= 1;
                let good = lot % 4 > 0;
                add(if good { Step::Filed } else { Step::NotFiled });
                filed |= good;
                if good { Input::Filed { number: REPLAYED.into() } } else { Input::FileFailed }
            }
            (Awaits::Prompt(_) | Awaits::Keys | Awaits::Talk, 15) => {
                let text = if lot < 128 { "着火了" } else { "救命啊" }.to_owned();
                shouted = Some(text.clone());
                Input::Overheard { text, spoken: String::new() }
            }
            (Awaits::Prompt(play), 0..10) => {
                awaits = Awaits::Keys;
                Input::PlayDone { play }
            }
            (Awaits::Ticket { .. }, _) => {
                add(Step::Ticket(None));
                Input::Status(None)
            }
            (Awaits::Talk, 0..8) => {
                add(Step::Talked);
                talked = true;
                Input::TransferEnded
            }
            (Awaits::Talk, _) => {
                add(Step::NoAnswer(486));
                Input::TransferFailed { code: 486 }
            }
            (Awaits::Words, 0..5) => {
                add(Step::Said(words.len() as u32));
                (did, awaits) = (true, Awaits::Keys);
                words.push(Some("我家停水了".to_owned()));
                Input::Heard(Heard::Text("我家停水了".into()))
            }
            (Awaits::Words, 5..8) => {
                add(Step::Silence);
                awaits = Awaits::Keys;
                Input::NoInput
            }
            (Awaits::Keys, 0..6) => {
                add(Step::Silence);
                Input::Deadline
            }
            (awaits, _) => {
                add(Step::Key { key, early: matches!(awaits, Awaits::Prompt(_)) });
                did = true;
                Input::Digit(key)
            }
        };
    }
    outcome.end = end(talked, filed, did);
    outcome.nodes = journal.nodes().map(str::to_owned).collect();
    (Recorded { journal, words, hung_up, ..Recorded::default() }, outcome)
}

proptest! {
    /// Whatever a caller did, the replay through the same flow comes through the same nodes to the same end.
    #[test]
    fn any_call_replays_as_it_went(lots in proptest::collection::vec(any::<u8>(), 0..120)) {
        let flow = flow(SHIPPED);
        let world = watched();
        let (call, lived) = lived(&world, &flow, &lots);
        let replayed = run(&world, &flow, &call);
        prop_assert_eq!(replayed.end, lived.end, "{}", call.journal);
        prop_assert_eq!(&replayed.targets, &lived.targets, "{}", call.journal);
        prop_assert_eq!(&replayed.nodes, &lived.nodes, "{}", call.journal);
        prop_assert!(!replayed.guessed, "{}", call.journal);
    }

    /// Whatever was recorded, a replay ends.
    #[test]
    fn any_journal_is_replayed_to_an_end(text in "(?s)([0-9]{1,4} (key !?[0-9*#]|said 0|pending 1|silence|filed|talked|overheard 着火了|end caller)\n){0,60}") {
        let call = recorded(&text, &["人工"]);
        run(&watched(), &flow(SHIPPED), &call);
    }
}
