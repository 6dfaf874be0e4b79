//! One test or more for each kind of node that is not a plain menu.

use super::*;
use crate::calendar::Calendar;
use crate::ivr::SubFlows;
use crate::ivr::talk::{Around, Delivery, Gain, Incident, Pace};
use jiff::civil::date;

const ENDS: &str = "[node.bye]\ndo = \"hangup\"\nsay = \"bye\"\n[node.yes]\ndo = \"hangup\"\nsay = \"yes\"\n";
const HANDLERS: &str = "no_input = [{ say = \"soft\" }, { go = \"bye\" }]\nno_match = [{ say = \"wrong\" }, { count = 3, go = \"bye\" }]\n";

/// A flow that begins at `[node.a]`, with `yes` and `bye` to end in.
fn from(a: &str) -> Arc<Flow> {
    flow(&format!("start = \"a\"\ntoo_long = \"bye\"\n{HANDLERS}{a}{ENDS}"))
}

fn begun(flow: &Arc<Flow>, context: Context) -> Interpreter {
    let mut call = Interpreter::new(flow.clone(), context);
    tell(&mut call, Input::Answered);
    call
}

fn keys(call: &mut Interpreter, keys: &str) -> Vec<Output> {
    keys.chars().flat_map(|key| tell(call, Input::Digit(key))).collect()
}

fn said(outputs: &[Output]) -> Vec<Say> {
    let say = |output: &Output| match output {
        Output::Play { say, .. } => say.clone(),
        _ => Vec::new(),
    };
    outputs.iter().flat_map(say).collect()
}

const TICKET: &str = "[node.a]\ndo = \"collect\"\nsay = \"key\"\ninto = \"ticket\"\nrule = \"ticket\"\ngo = \"b\"\n\
    [node.b]\ndo = \"say\"\nsay = [\"{ticket}\", \"您的工单{ticket}。\", \"{ticket:text}\"]\ngo = \"yes\"\n";

fn ticket() -> String {
    crate::ticket::Number::new(date(2026, 11, 24), 71).expect("a number").to_string()
}

#[test]
fn a_number_whose_check_digit_fits_is_taken_and_spoken() {
    let flow = from(TICKET);
    let number = ticket();
    // 12 digits, and 13 would do too: # ends them, or silence.
    for by_key in [true, false] {
        let mut call = begun(&flow, Context::default());
        assert_eq!(keys(&mut call, &number)[..2], [Output::StopPlay, Output::Deadline(Some(Duration::from_secs(2)))]);
        assert_eq!(call.node(), "a");
        let out = if by_key { keys(&mut call, "#") } else { tell(&mut call, Input::Deadline) };
        let text = |text: String| Say::Text(text);
        assert_eq!(
            said(&out),
            [Say::Digits(number.clone()), text(format!("您的工单{number}。")), text(number.clone())]
        );
    }
}

#[test]
fn a_row_of_digits_that_cannot_be_right_is_no_match() {
    let flow = from(TICKET);
    let number = ticket();
    let last = mistyped(&number);
    for wrong in [last.as_str(), "1", ""] {
        let mut call = begun(&flow, Context::default());
        let out = keys(&mut call, &format!("{wrong}#"));
        assert_eq!((call.node(), call.no_match), ("a", 1), "{wrong}");
        assert_eq!(said(&out), [prompt("wrong"), prompt("key")]);
        // And the right one afterwards is taken.
        keys(&mut call, &format!("{number}#"));
        assert_eq!(call.node(), "b");
    }
    let mut call = begun(&flow, Context::default());
    keys(&mut call, "1#1#");
    assert_eq!(call.node(), "a");
    keys(&mut call, "1#");
    assert_eq!(call.node(), "bye", "after the third");
}

/// The same number with another last digit.
fn mistyped(number: &str) -> String {
    let (head, last) = number.split_at(number.len() - 1);
    format!("{head}{}", (last.parse::<u8>().expect("a digit") + 1) % 10)
}

#[test]
fn an_identity_number_ends_by_itself_and_may_end_in_x() {
    let flow = from(&TICKET.replace("rule = \"ticket\"", "rule = \"identity\""));
    let mut call = begun(&flow, Context::default());
    let out = keys(&mut call, "11010519491231002*");
    assert_eq!(call.node(), "b");
    assert_eq!(said(&out)[0], Say::Digits("11010519491231002X".to_owned()));
    // The # that they were told to end with says nothing more; the next one does.
    let flow13 = from(TICKET);
    let long = crate::ticket::Number::new(date(2026, 11, 24), 123_456).expect("a number").to_string();
    let mut call13 = begun(&flow13, Context::default());
    keys(&mut call13, &format!("{long}#"));
    assert_eq!((call13.node(), call13.typed_ahead.len()), ("b", 0));
    keys(&mut call13, "#");
    assert_eq!(call13.node(), "yes", "a key cuts the prompt short");
    // In any other place * begins anew.
    let mut call = begun(&flow, Context::default());
    let out = keys(&mut call, "1101*");
    assert_eq!((said(&out), call.no_match), (vec![prompt("key")], 0));
    keys(&mut call, "440524188001010014");
    assert_eq!(call.node(), "b");
}

#[test]
fn keys_from_anywhere_are_digits_in_a_row_of_them() {
    let text = format!("start = \"a\"\ntoo_long = \"bye\"\n{HANDLERS}[keys]\n0 = \"bye\"\n{TICKET}{ENDS}");
    let mut call = begun(&flow(&text), Context::default());
    keys(&mut call, "0");
    assert_eq!(call.node(), "a");
    tell(&mut call, Input::Deadline);
    assert_eq!((call.node(), call.no_match), ("a", 1));
}

#[test]
fn a_choice_may_be_said() {
    let flow = from(
        "[node.a]\ndo = \"menu\"\nsay = \"menu\"\nchoice = [{ key = \"1\", words = [\"查询进度\", \"进度\"], go = \"yes\", topic = \"t\" }, { key = \"23\", go = \"bye\" }]\n[words]\n\"人工\" = \"bye\"\n",
    );
    let listening = |call: &mut Interpreter| {
        let play = call.plays;
        let out = tell(call, Input::PlayDone { play });
        assert!(matches!(out[0], Output::Listen { max: A_CHOICE, .. }), "{out:?}");
    };
    let text = |text: &str| Input::Heard(Heard::Text(text.to_owned()));
    let mut call = begun(&flow, Context::default());
    listening(&mut call);
    tell(&mut call, text("我想查询一下进度。"));
    assert_eq!((call.node(), call.hints().topic.as_deref()), ("yes", Some("t")));
    // What is no choice is asked again, and so is what nobody could make out.
    let mut call = begun(&flow, Context::default());
    for heard in [text("我家停水了"), Input::Heard(Heard::Pending)] {
        listening(&mut call);
        assert_eq!(said(&tell(&mut call, heard)), [prompt("wrong"), prompt("menu")]);
    }
    // Words from anywhere count here too, and so do keys, which end the listening.
    listening(&mut call);
    let out = keys(&mut call, "2");
    assert_eq!(out, [Output::StopListen, Output::Deadline(Some(Duration::from_secs(2)))]);
    keys(&mut call, "7");
    assert_eq!(call.node(), "bye", "the third that is no choice");
    let mut call = begun(&flow, Context::default());
    listening(&mut call);
    assert_eq!(tell(&mut call, Input::Digit('9'))[0], Output::StopListen);
    listening(&mut call);
    tell(&mut call, text("转人工"));
    assert_eq!(call.node(), "a", "is not just 人工");
    listening(&mut call);
    tell(&mut call, text("我要人工"));
    assert_eq!(call.node(), "bye");
}

#[test]
fn an_intent_beside_free_text() {
    let flow = from(
        "[node.a]\ndo = \"listen\"\nsay = \"ask\"\nintent = [{ words = \"投诉\", go = \"yes\", kind = \"投诉\" }]\ngo = \"b\"\n[node.b]\ndo = \"say\"\nsay = \"{heard}\"\ngo = \"bye\"\n",
    );
    let mut call = begun(&flow, Context::default());
    tell(&mut call, Input::PlayDone { play: 1 });
    tell(&mut call, Input::Heard(Heard::Text("我要投诉。".to_owned())));
    assert_eq!((call.node(), call.hints().kind.as_deref(), &call.heard), ("yes", Some("投诉"), &None));
    let mut call = begun(&flow, Context::default());
    tell(&mut call, Input::PlayDone { play: 1 });
    let request = "我要投诉小区物业不修电梯";
    let out = tell(&mut call, Input::Heard(Heard::Text(request.to_owned())));
    assert_eq!((call.node(), said(&out)), ("b", vec![Say::Text(request.to_owned())]));
}

#[test]
fn a_message_is_recorded_and_nobody_waits_for_its_text() {
    let flow = from("[node.a]\ndo = \"record\"\nsay = \"beep\"\nlongest = \"20s\"\ngo = \"yes\"\n");
    let mut call = begun(&flow, Context::default());
    let out = tell(&mut call, Input::PlayDone { play: 1 });
    let max = Duration::from_secs(20);
    assert!(matches!(out[0], Output::Record { listen: 1, max: m, .. } if m == max), "{out:?}");
    tell(&mut call, Input::Heard(Heard::Pending));
    assert_eq!((call.node(), &call.heard), ("yes", &Some(Heard::Pending)));
    // Nothing said: as everywhere.
    let mut call = begun(&flow, Context::default());
    tell(&mut call, Input::PlayDone { play: 1 });
    assert_eq!(said(&tell(&mut call, Input::NoInput)), [prompt("soft"), prompt("beep")]);
}

#[test]
fn variables_hints_and_the_way_of_speaking_are_set() {
    let flow = from(
        "[node.a]\ndo = \"set\"\nvariables = { day = \"2026-05-01\", clock = \"0930\", many = \"12\", name = \"幸福街道\" }\n\
         topic = \"t\"\nurgency = \"soon\"\nlanguage = \"en\"\npace = \"slow\"\ngo = \"b\"\n\
         [node.b]\ndo = \"set\"\ngain = \"loud\"\npace = \"slow\"\ngo = \"c\"\n\
         [node.c]\ndo = \"say\"\nsay = [\"{day:date}\", \"{clock:time}\", \"{many:count}\", \"{many}\", \"{name}\", \"{name:date}\", \"text: at {name}\"]\ngo = \"yes\"\n",
    );
    let mut call = Interpreter::new(flow.clone(), Context::default());
    let out = tell(&mut call, Input::Answered);
    let english = Delivery { language: Some("en".to_owned()), pace: Pace::Slow, gain: Gain::Normal };
    let loud = Delivery { gain: Gain::Loud, ..english.clone() };
    assert_eq!(out[..2], [Output::Speak(english), Output::Speak(loud)]);
    let name = || Say::Text("幸福街道".to_owned());
    let expected = [
        Say::Date(date(2026, 5, 1)),
        Say::Time(jiff::civil::time(9, 30, 0, 0)),
        Say::Count(12),
        Say::Digits("12".to_owned()),
        name(),
        name(),
        Say::Text("at 幸福街道".to_owned()),
    ];
    assert_eq!(said(&out), expected);
    assert_eq!((call.hints().topic.as_deref(), call.hints().urgency.as_deref()), (Some("t"), Some("soon")));
}

#[test]
fn the_first_arm_that_holds_is_taken() {
    let arms =
        |arm: &str| from(&format!("[node.a]\ndo = \"branch\"\narm = [{{ {arm}, go = \"yes\" }}]\nelse = \"bye\"\n"));
    let at = |hour, minute| Around { now: date(2026, 3, 2).at(hour, minute, 0, 0), load: 40 };
    let calls = |line: &str, caller: &str, around| Context {
        line: line.to_owned(),
        caller: caller.to_owned(),
        around,
        ..Context::default()
    };
    let some = calls("12319", "01088886666", at(9, 0));
    let incident = Context { incident: Some(Incident::default()), ..some.clone() };
    for (arm, context, taken) in [
        ("caller = [\"021\", \"010\"]", &some, true),
        ("caller = \"021\"", &some, false),
        ("line = \"12319\"", &some, true),
        ("line = \"12319\", caller = \"021\"", &some, false),
        ("line = \"12319\", caller = \"0108\"", &some, true),
        ("time = \"09:00-17:00\"", &some, true),
        ("time = \"08:00-09:00\"", &some, false),
        ("time = \"22:00-09:01\"", &some, true),
        ("time = \"22:00-09:00\"", &some, false),
        ("time = \"22:00-06:00\"", &calls("", "", at(23, 59)), true),
        ("load = 40", &some, true),
        ("load = 41", &some, false),
        ("incident = true", &some, false),
        ("incident = true", &incident, true),
        ("incident = false", &some, true),
    ] {
        let call = begun(&arms(arm), context.clone());
        assert_eq!(call.node(), if taken { "yes" } else { "bye" }, "{arm}");
    }
}

#[test]
fn a_branch_asks_for_variables() {
    for (value, is, taken) in
        [("x", "", true), ("x", ", is = [\"y\", \"x\"]", true), ("x", ", is = \"y\"", false), ("", ", is = \"\"", true)]
    {
        let flow = from(&format!(
            "[node.a]\ndo = \"set\"\nvariables = {{ v = \"{value}\" }}\ngo = \"b\"\n\
             [node.b]\ndo = \"branch\"\narm = [{{ variable = \"v\"{is}, go = \"yes\" }}]\nelse = \"bye\"\n"
        ));
        assert_eq!(begun(&flow, Context::default()).node(), if taken { "yes" } else { "bye" }, "{value} {is}");
    }
}

#[test]
fn opening_hours_ask_the_calendar_and_the_time_of_asking() {
    let flow = from(
        "[hours.office]\nworkday = \"09:00-17:00\"\n[node.a]\ndo = \"menu\"\nsay = \"m\"\nchoice = [{ key = \"1\", go = \"b\" }]\n\
         [node.b]\ndo = \"hours\"\nhours = \"office\"\nopen = \"yes\"\nclosed = \"bye\"\n",
    );
    let faults = Faults::default();
    let source = Source::new("2026.toml", include_str!("../../../../config/calendar/2026.toml"));
    let calendar = Arc::new(Calendar::read(&[source], &faults));
    assert!(faults.is_empty(), "{faults}");
    for (day, open) in [((2, 13), true), ((2, 14), true), ((2, 16), false), ((2, 21), false), ((3, 7), false)] {
        let now = date(2026, day.0, day.1).at(16, 59, 0, 0);
        let context = Context { calendar: calendar.clone(), around: Around { now, load: 0 }, ..Context::default() };
        let mut call = begun(&flow, context.clone());
        keys(&mut call, "1");
        assert_eq!(call.node(), if open { "yes" } else { "bye" }, "{now}");
        // Who hesitates for a minute finds it closed.
        let mut call = begun(&flow, context);
        let later = Around { now: now + jiff::Span::new().minutes(1), load: 0 };
        assert_eq!(tell(&mut call, Input::Around(later)), []);
        keys(&mut call, "1");
        assert_eq!(call.node(), "bye");
    }
}

#[test]
fn a_queue_puts_through_to_its_target() {
    let flow = from(
        "[targets]\nseats = \"sip:seats@127.0.0.1\"\n[node.a]\ndo = \"queue\"\nto = \"seats\"\nsay = \"wait\"\nfailed = \"bye\"\nended = \"yes\"\n",
    );
    let through = |end: Input| {
        let mut call = begun(&flow, Context::default());
        let out = tell(&mut call, Input::PlayDone { play: 1 });
        assert_eq!(out[0], Output::Transfer { target: "sip:seats@127.0.0.1".to_owned(), by: By::Bridge });
        tell(&mut call, end);
        call.node().to_owned()
    };
    assert_eq!(through(Input::TransferFailed { code: 486 }), "bye");
    assert_eq!(through(Input::TransferEnded), "yes");
}

#[test]
fn a_sub_flow_returns_to_where_it_was_called() {
    let faults = Faults::default();
    let sub = Source::new(
        "sub/ask.toml",
        "start = \"key\"\n[[no_input]]\ngo = \"back\"\n[[no_match]]\ngo = \"back\"\n\
         [node.key]\ndo = \"collect\"\nsay = \"key\"\ninto = \"n\"\nmost = 1\nkeys = { \"*\" = \"back\" }\ngo = \"back\"\n\
         [node.back]\ndo = \"return\"\n",
    );
    let subs = SubFlows::read(&[sub], &faults);
    let text = format!(
        "start = \"a\"\ntoo_long = \"bye\"\n{HANDLERS}[node.a]\ndo = \"sub\"\nflow = \"ask\"\ngo = \"b\"\n\
         [node.b]\ndo = \"sub\"\nflow = \"ask\"\ngo = \"c\"\n[node.c]\ndo = \"say\"\nsay = \"{{n}}\"\ngo = \"yes\"\n[node.d]\ndo = \"goto\"\ngo = \"bye\"\n{ENDS}[keys]\n\"#\" = \"d\"\n"
    );
    let flow = Flow::read_with(&Source::new("f.toml", text), &subs, &faults);
    assert!(faults.is_empty(), "{faults}");
    let flow = Arc::new(flow.expect("no faults"));
    let mut call = begun(&flow, Context::default());
    assert_eq!(call.node(), "a/key");
    keys(&mut call, "4");
    assert_eq!(call.node(), "b/key");
    let out = keys(&mut call, "7");
    assert_eq!((call.node(), said(&out)), ("c", vec![Say::Digits("7".to_owned())]));
}

#[test]
fn the_star_says_a_question_again_a_bounded_number_of_times() {
    let flow = from("[node.a]\ndo = \"listen\"\nsay = \"ask\"\ngo = \"yes\"\n");
    let mut call = begun(&flow, Context::default());
    assert_eq!(
        keys(&mut call, "*")[..2],
        [Output::StopPlay, Output::Play { play: 2, say: vec![prompt("ask")], barge_in: true }]
    );
    tell(&mut call, Input::PlayDone { play: 2 });
    let out = keys(&mut call, "*");
    assert_eq!((&out[0], said(&out)), (&Output::StopListen, vec![prompt("ask")]));
    assert_eq!((call.no_input, call.no_match), (0, 0));
    let again = keys(&mut call, &"*".repeat(40)).iter().filter(|output| matches!(output, Output::Play { .. })).count();
    assert_eq!(again, 9 - 2);
    // A key that leads away is no repeat.
    let flow = from("[node.a]\ndo = \"listen\"\nsay = \"ask\"\ngo = \"bye\"\nkeys = { \"*\" = \"yes\" }\n");
    let mut call = begun(&flow, Context::default());
    keys(&mut call, "*");
    assert_eq!(call.node(), "yes");
}

#[test]
fn what_the_call_knows_can_be_spoken() {
    let flow = from(
        "[node.a]\ndo = \"say\"\nsay = [\"{caller}\", \"{date}\", \"{time}\", \"{incident}\", \"{line}\"]\ngo = \"yes\"\n",
    );
    let now = date(2026, 3, 2).at(9, 5, 0, 0);
    let context = Context {
        caller: "+8613800138000".to_owned(),
        around: Around { now, load: 0 },
        incident: Some(Incident { text: "康邑园停水".to_owned(), ..Incident::default() }),
        ..Context::default()
    };
    let mut call = Interpreter::new(flow.clone(), context);
    let out = tell(&mut call, Input::Answered);
    let text = Say::Text("康邑园停水".to_owned());
    assert_eq!(
        said(&out),
        [Say::Digits("8613800138000".to_owned()), Say::Date(now.date()), Say::Time(now.time()), text]
    );
    let mut call = Interpreter::new(flow, Context::default());
    assert_eq!(said(&tell(&mut call, Input::Answered)).len(), 2, "what is not known is left out");
}
