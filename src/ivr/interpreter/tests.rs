mod kinds;
mod place;
mod world;

use super::speak::READ_BACK;
use super::*;
use crate::ivr::talk::{By, Say};
use crate::written::{Faults, Source};
use proptest::prelude::*;
use world::World;

fn flow(text: &str) -> Arc<Flow> {
    let faults = Faults::default();
    let flow = Flow::read(&Source::new("test.toml", text), &faults);
    assert!(faults.is_empty(), "{faults}");
    Arc::new(flow.expect("no faults"))
}

fn call(flow: &Arc<Flow>) -> Interpreter {
    Interpreter::new(flow.clone(), Context { line: "12345".to_owned(), ..Context::default() })
}

/// Tells it `input` and gives what it wants, without the journal.
fn tell(call: &mut Interpreter, input: Input) -> Vec<Output> {
    call.input(input);
    std::iter::from_fn(|| call.poll()).filter(|output| !matches!(output, Output::Note(_))).collect()
}

fn prompt(id: &str) -> Say {
    Say::Prompt(id.to_owned())
}

const MENU: &str = r#"
start = "menu"
too_long = "bye"
steps = 10
[times]
wait = "4s"
between = "1s"
[keys]
0 = "seat"
[node.menu]
do = "menu"
say = ["menu"]
choice = [
    { key = "1", go = "one", topic = "one" },
    { key = "12", go = "twelve" },
    { key = "*", go = "menu" },
]
no_input = [{ say = ["soft"] }, { count = 3, say = ["hard"] }, { count = 4, say = ["last"], go = "bye" }]
no_match = [{ count = 2, say = ["wrong"] }, { count = 5, go = "bye" }]
[node.one]
do = "listen"
say = ["one"]
no_input = [{ go = "bye" }]
go = "keep"
[node.twelve]
do = "goto"
go = "keep"
[node.keep]
do = "file"
go = "bye"
failed = "bye"
[node.seat]
do = "transfer"
say = ["seat"]
to = "sip:seat@127.0.0.1"
failed = "one"
ended = "bye"
[node.bye]
do = "hangup"
say = ["bye"]
"#;

const FOUR: Output = Output::Deadline(Some(Duration::from_secs(4)));
const ONE: Output = Output::Deadline(Some(Duration::from_secs(1)));

#[test]
fn a_key_that_could_go_on_waits_for_the_next_one() {
    let flow = flow(MENU);
    // 1, and nothing more: one.
    let mut one = call(&flow);
    tell(&mut one, Input::Answered);
    assert_eq!(tell(&mut one, Input::PlayDone { play: 1 }), [FOUR]);
    assert_eq!(tell(&mut one, Input::Digit('1')), [ONE]);
    tell(&mut one, Input::Deadline);
    assert_eq!((one.node(), one.hints().topic.as_deref()), ("one", Some("one")));
    // 1 and #: one, at once, the prompt cut short.
    let mut one = call(&flow);
    tell(&mut one, Input::Answered);
    assert_eq!(tell(&mut one, Input::Digit('1')), [Output::StopPlay, ONE]);
    tell(&mut one, Input::Digit('#'));
    assert_eq!(one.node(), "one");
    // 1 and 2: twelve, at once; and on through the goto.
    let mut twelve = call(&flow);
    tell(&mut twelve, Input::Answered);
    tell(&mut twelve, Input::Digit('1'));
    let out = tell(&mut twelve, Input::Digit('2'));
    assert_eq!(out[0], Output::File { hints: Hints::default(), confirmed: false });
    // 1 and 7: wrong.
    let mut wrong = call(&flow);
    tell(&mut wrong, Input::Answered);
    tell(&mut wrong, Input::Digit('1'));
    tell(&mut wrong, Input::Digit('7'));
    assert_eq!((wrong.node(), wrong.no_match), ("menu", 1));
}

#[test]
fn the_handler_with_the_highest_count_not_above_is_taken() {
    let mut call = call(&flow(MENU));
    tell(&mut call, Input::Answered);
    let mut heard = Vec::new();
    for play in 1..=5 {
        tell(&mut call, Input::PlayDone { play });
        let out = tell(&mut call, Input::Deadline);
        heard.extend(out.into_iter().filter_map(|output| match output {
            Output::Play { say, .. } => Some(say),
            _ => None,
        }));
    }
    let soft = vec![prompt("soft"), prompt("menu")];
    let hard = vec![prompt("hard"), prompt("menu")];
    assert_eq!(heard, [soft.clone(), soft, hard, vec![prompt("last")]]);
    assert_eq!(call.node(), "bye");
}

#[test]
fn a_wrong_key_before_the_first_count_only_asks_again() {
    let mut call = call(&flow(MENU));
    tell(&mut call, Input::Answered);
    let out = tell(&mut call, Input::Digit('7'));
    assert_eq!(out[..2], [Output::StopPlay, Output::Play { play: 2, say: vec![prompt("menu")], barge_in: true }]);
    let out = tell(&mut call, Input::Digit('8'));
    let say = vec![prompt("wrong"), prompt("menu")];
    assert_eq!(out[..2], [Output::StopPlay, Output::Play { play: 3, say, barge_in: true }]);
}

#[test]
fn late_and_foreign_answers_change_nothing() {
    let mut call = call(&flow(MENU));
    let strangers = [
        Input::PlayDone { play: 1 },
        Input::Deadline,
        Input::NoInput,
        Input::Heard(Heard::Pending),
        Input::FileFailed,
        Input::Status(None),
        Input::TransferFailed { code: 486 },
        Input::TransferEnded,
        Input::Digit('1'),
    ];
    for input in strangers.clone() {
        assert_eq!(tell(&mut call, input.clone()), [], "before the answer: {input:?}");
    }
    tell(&mut call, Input::Answered);
    for input in
        [Input::Answered, Input::PlayDone { play: 0 }, Input::PlayDone { play: 2 }, Input::NoInput, Input::FileFailed]
    {
        assert_eq!(tell(&mut call, input.clone()), [], "during the prompt: {input:?}");
    }
    assert_eq!(tell(&mut call, Input::HungUp), [Output::Deadline(None)]);
    for input in strangers {
        assert_eq!(tell(&mut call, input.clone()), [], "after the end: {input:?}");
    }
}

#[test]
fn a_number_that_comes_too_late_is_still_known() {
    let text = MENU.replace("say = [\"bye\"]", "say = [\"bye\", \"{number}\"]");
    let mut call = call(&flow(&text));
    tell(&mut call, Input::Answered);
    tell(&mut call, Input::Digit('1'));
    tell(&mut call, Input::Digit('2'));
    assert_eq!(call.at, At::Filing);
    let out = tell(&mut call, Input::Deadline);
    assert_eq!(out[0], Output::Play { play: 2, say: vec![prompt("bye")], barge_in: false });
    assert_eq!(tell(&mut call, Input::Filed { number: "42".to_owned() }), []);
    assert_eq!(call.number.as_deref(), Some("42"));
}

#[test]
fn a_key_from_anywhere_stops_what_is_going_on() {
    let mut call = call(&flow(MENU));
    tell(&mut call, Input::Answered);
    tell(&mut call, Input::Digit('1'));
    tell(&mut call, Input::Deadline);
    let out = tell(&mut call, Input::PlayDone { play: 2 });
    assert!(matches!(out[0], Output::Listen { listen: 1, .. }), "{out:?}");
    let out = tell(&mut call, Input::Digit('0'));
    assert_eq!(out[..2], [Output::StopListen, Output::Play { play: 3, say: vec![prompt("seat")], barge_in: false }]);
    // The key again changes nothing, nor does it start the transfer twice.
    assert_eq!(tell(&mut call, Input::Digit('0')), []);
    let out = tell(&mut call, Input::PlayDone { play: 3 });
    assert_eq!(
        out,
        [Output::Transfer { target: "sip:seat@127.0.0.1".to_owned(), by: By::Bridge }, Output::Deadline(None)]
    );
    assert_eq!(tell(&mut call, Input::Digit('0')), []);
    tell(&mut call, Input::TransferEnded);
    assert_eq!(call.node(), "bye");
}

#[test]
fn keys_before_the_reading_back_confirm_nothing() {
    let text = "start = \"say\"\ntoo_long = \"bye\"\n[node.say]\ndo = \"say\"\nsay = \"news\"\nbarge_in = false\ngo = \"sure\"\n\
         [node.sure]\ndo = \"confirm\"\nsay = \"sure\"\npending = \"recorded\"\nyes = \"bye\"\nagain = \"say\"\n\
         no_input = [{ go = \"bye\" }]\nno_match = [{ go = \"bye\" }]\n[node.bye]\ndo = \"hangup\"\nsay = \"bye\"\n";
    let mut call = call(&flow(text));
    tell(&mut call, Input::Answered);
    tell(&mut call, Input::Digit('1'));
    tell(&mut call, Input::PlayDone { play: 1 });
    assert_eq!((call.node(), call.confirmed), ("sure", false));
    tell(&mut call, Input::Digit('1'));
    assert_eq!((call.node(), call.confirmed), ("bye", true));
}

#[test]
fn a_menu_that_is_come_back_to_takes_back_what_was_chosen() {
    let text = MENU.replace("go = \"keep\"\n[node.twelve]", "go = \"keep\"\nkeys = { 9 = \"menu\" }\n[node.twelve]");
    let mut call = call(&flow(&text));
    tell(&mut call, Input::Answered);
    tell(&mut call, Input::Digit('1'));
    tell(&mut call, Input::Digit('#'));
    assert_eq!(call.hints().topic.as_deref(), Some("one"));
    tell(&mut call, Input::Digit('9'));
    assert_eq!((call.node(), call.hints().topic.as_deref()), ("menu", None));
}

#[test]
fn who_keys_for_ever_is_led_out() {
    let mut call = call(&flow(MENU));
    tell(&mut call, Input::Answered);
    let mut pressed = 0;
    while call.node() != "bye" {
        tell(&mut call, Input::Digit('*'));
        pressed += 1;
        assert!(pressed <= 10, "led out after `steps`");
    }
}

#[test]
fn a_long_speech_is_read_back_in_part() {
    let text = MENU
        .replace("say = [\"bye\"]", "say = [\"{heard}\"]")
        .replace("go = \"keep\"\n[node.twelve]", "go = \"bye\"\n[node.twelve]");
    let mut call = call(&flow(&text));
    tell(&mut call, Input::Answered);
    tell(&mut call, Input::Digit('1'));
    tell(&mut call, Input::Digit('#'));
    tell(&mut call, Input::PlayDone { play: 2 });
    let out = tell(&mut call, Input::Heard(Heard::Text("水".repeat(5000))));
    let Output::Play { say, .. } = &out[0] else { panic!("{out:?}") };
    assert_eq!(*say, [Say::Text("水".repeat(READ_BACK))]);
}

fn anything() -> impl Strategy<Value = Input> {
    prop_oneof![
        8 => prop::sample::select("0123456789*#A".chars().collect::<Vec<_>>()).prop_map(Input::Digit),
        1 => (0u32..40).prop_map(|play| Input::PlayDone { play }),
        1 => Just(Input::Heard(Heard::Pending)),
        1 => Just(Input::Heard(Heard::Text(String::new()))),
        1 => Just(Input::NoInput),
        1 => Just(Input::Answered),
        1 => Just(Input::Filed { number: String::new() }),
        1 => Just(Input::FileFailed),
        1 => Just(Input::Status(None)),
        1 => Just(Input::TransferFailed { code: 500 }),
        1 => Just(Input::TransferEnded),
        1 => Just(Input::Deadline),
        1 => any::<u8>().prop_map(|load| Input::Around(crate::ivr::Around { load, ..Default::default() })),
    ]
}

/// Each visit of a node takes at most this many turns of nature: 20 silences, 20 wrong keys and 9 repeats,
/// a prompt and a wait each.
const TURNS: u32 = 102;

fn shipped() -> Arc<Flow> {
    flow(include_str!("../../../config/flows/main.toml"))
}

/// A flow of `kinds.len()` nodes, each reachable by a word; arrows mostly lead onwards.
fn random_flow(kinds: &[(u8, u8, u8)]) -> String {
    let last = kinds.len();
    let mut text = format!(
        "start = \"n0\"\ntoo_long = \"n{last}\"\nsteps = 20\n[targets]\nt = \"sip:a@b\"\n[hours.h]\nworkday = \"08:00-17:00\"\n[keys]\n0 = \"n{}\"\n[words]\n",
        last / 2
    );
    for i in 0..=last {
        text += &format!("\"w{i}\" = \"n{i}\"\n");
    }
    for (i, (kind, a, b)) in kinds.iter().enumerate() {
        // One arrow in eight may lead back: by speech or key that is sound, otherwise the check refuses it.
        let to = |luck: u8| match usize::from(luck) {
            luck if luck % 8 == 0 => luck / 8 % (last + 1),
            luck => i + 1 + luck % (last - i),
        };
        let (x, y) = (to(*a), to(*b));
        let silent = format!("no_input = [{{ say = \"p\" }}, {{ go = \"n{y}\" }}]");
        let wrong = format!("no_match = [{{}}, {{ count = 3, go = \"n{y}\" }}]");
        text += &format!("[node.n{i}]\n");
        text += &match kind % 14 {
            0 => format!("do = \"say\"\nsay = \"p\"\nbarge_in = {}\ngo = \"n{x}\"\n", kind % 16 == 0),
            1 => format!(
                "do = \"menu\"\nsay = \"p\"\nchoice = [{{ key = \"1\", go = \"n{x}\" }}, {{ key = \"12\", go = \"n0\" }}]\n{silent}\n{wrong}\n"
            ),
            2 => format!("do = \"listen\"\nsay = \"p\"\ngo = \"n{x}\"\n{silent}\n"),
            3 => format!(
                "do = \"confirm\"\nsay = \"{{heard}}\"\npending = \"p\"\nyes = \"n{x}\"\nagain = \"n0\"\n{silent}\n{wrong}\n"
            ),
            4 => format!("do = \"file\"\ngo = \"n{x}\"\nfailed = \"n{y}\"\n"),
            5 => {
                format!("do = \"status\"\nfound = \"{{state}}\"\nother_state = \"p\"\nnone = \"n{y}\"\ngo = \"n{x}\"\n")
            }
            6 => format!(
                "do = \"transfer\"\nsay = \"{{number}}\"\nto = \"sip:a@b\"\nfailed = \"n{x}\"\nended = \"n{y}\"\n"
            ),
            7 => format!(
                "do = \"collect\"\nsay = \"p\"\ninto = \"v\"\nmost = {}\ngo = \"n{x}\"\n{silent}\n{wrong}\n",
                a % 4 + 1
            ),
            8 => format!("do = \"record\"\nsay = \"p\"\ngo = \"n{x}\"\n{silent}\n"),
            9 => format!("do = \"set\"\nvariables = {{ v = \"{b}\" }}\npace = \"slow\"\ngo = \"n{x}\"\n"),
            10 => format!("do = \"branch\"\narm = [{{ load = {}, go = \"n{x}\" }}]\nelse = \"n{y}\"\n", b % 100 + 1),
            11 => format!("do = \"hours\"\nhours = \"h\"\nopen = \"n{x}\"\nclosed = \"n{y}\"\n"),
            12 => format!("do = \"queue\"\nsay = \"{{time}}\"\nto = \"t\"\nfailed = \"n{x}\"\nended = \"n{y}\"\n"),
            13 => format!(
                "do = \"menu\"\nsay = \"p\"\nchoice = [{{ key = \"1\", words = [\"停水了\", \"人工\"], go = \"n{x}\" }}]\n{silent}\n{wrong}\n"
            ),
            _ => unreachable!("a remainder of 14"),
        };
    }
    text + &format!("[node.n{last}]\ndo = \"hangup\"\nsay = \"{{number}}\"\n")
}

/// Random inputs among what nature brings: the call ends within a bounded number of turns.
fn walk(flow: &Arc<Flow>, turns: &[(Vec<Input>, u8)]) {
    let mut call = call(flow);
    let mut world = World::default();
    world.tell(&mut call, Input::Answered);
    let limit = (flow.steps() + LAST_STEPS + 1) * TURNS;
    let mut turns = turns.iter().cycle();
    for _ in 0..limit {
        if world.over {
            return;
        }
        let (noise, luck) = turns.next().expect("it never ends");
        for input in noise {
            world.tell(&mut call, input.clone());
        }
        if !world.over {
            let input = world.nature(*luck);
            world.tell(&mut call, input);
        }
    }
    panic!("after {limit} turns the call is still at {}", call.node());
}

fn turns() -> impl Strategy<Value = Vec<(Vec<Input>, u8)>> {
    prop::collection::vec((prop::collection::vec(anything(), 0..3), any::<u8>()), 1..60)
}

proptest! {
    #[test]
    fn any_walk_through_the_shipped_flow_ends(turns in turns()) {
        walk(&shipped(), &turns);
    }

    #[test]
    fn any_walk_through_any_flow_that_is_accepted_ends(kinds in prop::collection::vec(any::<(u8, u8, u8)>(), 1..9), turns in turns()) {
        let faults = Faults::default();
        let flow = Flow::read(&Source::new("random.toml", random_flow(&kinds)), &faults);
        // Only ways round for the silent may be wrong with it.
        for fault in faults.sorted() {
            prop_assert!(fault.what.starts_with("who says nothing"), "{}", fault);
        }
        if let Some(flow) = flow {
            let flow = Arc::new(flow);
            walk(&flow, &turns);
            // Who says nothing at all comes to the end long before `steps`.
            let mut call = call(&flow);
            let mut world = World::default();
            world.tell(&mut call, Input::Answered);
            while !world.over {
                let input = if world.listening && world.play.is_none() { world.listening = false; Input::NoInput } else { world.nature(255 - 6) };
                world.tell(&mut call, input);
            }
            prop_assert!(!call.led_out);
        }
    }

    #[test]
    fn hanging_up_ends_everything(turns in turns()) {
        let mut call = call(&shipped());
        let mut world = World::default();
        world.tell(&mut call, Input::Answered);
        for (noise, luck) in &turns {
            let nature = world.nature(*luck);
            for input in [nature].into_iter().chain(noise.iter().cloned()) {
                if !world.over {
                    world.tell(&mut call, input);
                }
            }
        }
        tell(&mut call, Input::HungUp);
        for input in turns.into_iter().flat_map(|(noise, _)| noise) {
            prop_assert_eq!(tell(&mut call, input), []);
        }
    }
}
