//! A flow with one node of each kind, drawn here, walked through by a real softphone: what it hears is compared with what
//! each node was to play, and what it keys decides where it comes and what its ticket says.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiesu::audio::clear;
use jiesu::audio::g711::Law;

use super::softphone::prompt;
use crate::house::baresip::Phone;
use crate::house::{Daemon, Plan, draw, has, hear, in_own_network, pause, root, skip};

/// Prompts that nothing else here says.
const SAID: [&str; 6] = ["state-objected", "received-at", "menu-power", "menu-city", "emergency", "time-up"];
/// Categories of the shipped catalogue.
const CATEGORIES: [&str; 4] = ["自来水供应", "电力供应", "环境卫生", "噪音污染"];

/// A caller who never stops talking: every recording has something in it.
fn talk(into: &Path) -> PathBuf {
    let path = into.join("talk.wav");
    let pcm = jiesu::audio::wav::read(&std::fs::read(root().join("config/prompts/menu-livelihood.wav")).expect("read"));
    let pcm = pcm.expect("a WAV").to_8k();
    std::fs::write(&path, jiesu::audio::wav::bytes(&pcm.repeat(20), 8000)).expect("write");
    path
}

/// What is drawn.
struct Drawn {
    digits: String,
    key: String,
    category: &'static str,
    said: Vec<&'static str>,
}

fn drawn() -> Drawn {
    let mut said = SAID.to_vec();
    (1..said.len()).rev().for_each(|i| said.swap(i, draw(i as u64 + 1) as usize));
    let length = 4 + draw(4) as usize;
    Drawn {
        digits: (0..length).map(|_| draw(10).to_string()).collect(),
        key: (1 + draw(9)).to_string(),
        category: CATEGORIES[draw(CATEGORIES.len() as u64) as usize],
        said,
    }
}

fn flow(drawn: &Drawn) -> String {
    let Drawn { digits, key, category, said } = drawn;
    let (hello, open, again, note, wrong) = (said[0], said[1], said[2], said[3], said[4]);
    let other = if key == "9" { 1 } else { key.parse::<u8>().expect("a digit") + 1 };
    format!(
        r#"
start = "hello"
too_long = "wrong"
[times]
wait = "20s"
between = "5s"
[targets]
nobody = "sip:nobody@127.0.0.1:5999"
[hours.always]
workday = "00:00-24:00"
weekend = "00:00-24:00"
holiday = "00:00-24:00"
[[no_input]]
go = "wrong"
[[no_match]]
go = "wrong"
[node.hello]
do = "say"
say = ["{hello}"]
barge_in = false
go = "who"
[node.who]
do = "sub"
flow = "ask"
go = "which"
[node.which]
do = "branch"
arm = [{{ variable = "n", is = "{digits}", go = "office" }}]
else = "wrong"
[node.office]
do = "hours"
hours = "always"
open = "say-open"
closed = "wrong"
[node.say-open]
do = "say"
say = ["{open}", "{{n}}"]
barge_in = false
go = "english"
[node.english]
do = "set"
language = "en"
category = "{category}"
go = "choose"
[node.choose]
do = "menu"
say = ["wrong-key"]
choice = [{{ key = "{key}", go = "slowly" }}, {{ key = "{other}", go = "wrong" }}]
[node.slowly]
do = "set"
pace = "slow"
gain = "loud"
go = "slow"
[node.slow]
do = "say"
say = ["{again}"]
barge_in = false
go = "usual"
[node.usual]
do = "set"
pace = "normal"
gain = "normal"
go = "note"
[node.note]
do = "record"
say = ["{note}"]
longest = "2s"
go = "ask"
[node.ask]
do = "listen"
say = ["details"]
longest = "2s"
intent = [{{ words = "不用了", go = "wrong" }}]
go = "sure"
[node.sure]
do = "confirm"
say = ["{{heard}}", "confirm"]
pending = ["recorded", "confirm"]
yes = "filing"
again = "wrong"
[node.filing]
do = "file"
go = "people"
failed = "wrong"
[node.people]
do = "queue"
say = ["transferring"]
to = "nobody"
failed = "human"
[node.human]
do = "transfer"
say = ["transfer-failed"]
to = "nobody"
failed = "far"
[node.far]
do = "status"
found = ["its-state", "{{number}}"]
other_state = ["state-other"]
none = "on"
go = "on"
[node.on]
do = "goto"
go = "end"
[node.end]
do = "hangup"
say = ["thanks"]
[node.wrong]
do = "hangup"
say = ["{wrong}"]
"#
    )
}

fn sub(length: usize) -> String {
    format!(
        "start = \"key\"\n[[no_input]]\ngo = \"back\"\n[[no_match]]\ngo = \"back\"\n[node.key]\ndo = \"collect\"\nsay = [\"you-keyed\"]\n\
         into = \"n\"\nleast = {length}\nmost = 12\ngo = \"back\"\n[node.back]\ndo = \"return\"\n"
    )
}

/// A prompt as it is played to who wants it slower and louder.
fn cleared(id: &str) -> Vec<f32> {
    let bytes = std::fs::read(root().join(format!("config/prompts/{id}.wav"))).expect("a shipped prompt");
    let pcm = jiesu::audio::wav::read(&bytes).expect("a WAV").to_8k();
    let played = clear::louder(&clear::slower(&pcm));
    played.iter().map(|sample| f32::from(Law::A.decode(Law::A.encode(*sample))) / 32_768.0).collect()
}

/// Listens until this sound's last second was heard after `from`; where it ended. However slow the machine looks, it looks
/// through all of it.
fn listen_until(phone: &Phone, sound: &[f32], from: usize) -> usize {
    let stretch = &sound[sound.len().saturating_sub(hear::SECOND)..];
    let start = Instant::now();
    loop {
        pause();
        let whole = phone.hears();
        let begin = from.min(whole.len());
        let (at, fit) = hear::find(&whole[begin..], stretch);
        if fit > hear::SAME {
            return begin + at + stretch.len();
        }
        assert!(start.elapsed() < Duration::from_secs(90), "nothing like it was heard (fit {fit:.2})");
    }
}

/// The same for prompts, one after the other.
fn hear_out(phone: &Phone, ids: &[&str], from: usize) -> usize {
    ids.iter().fold(from, |at, id| listen_until(phone, &prompt(id), at))
}

/// Not yet one to rely on: in most runs the ear loses a prompt half-way, at another place each time, and why is not known.
/// By hand: `cargo nextest run --run-ignored all --test whole -E 'test(kinds::)'`.
#[test]
#[ignore = "hears too little of a long call to be relied on"]
fn a_softphone_goes_through_each_kind_of_node() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("kinds::a_softphone_goes_through_each_kind_of_node") {
        return;
    }
    let drawn = drawn();
    let temp = tempfile::tempdir().expect("a temporary folder");
    let plan = Plan {
        edits: vec![("# transfer_ring = \"30s\"".into(), "transfer_ring = \"5s\"".into())],
        files: vec![("flows/main.toml".into(), flow(&drawn)), ("flows/sub/ask.toml".into(), sub(drawn.digits.len()))],
        ..Plan::default()
    };
    let daemon = Daemon::start(&plan);
    let mut phone = Phone::start("alice", &talk(temp.path()), 5070, "");
    phone.command("dial", &format!("sip:12345@{}", daemon.sip));
    phone.wait("CALL_ESTABLISHED", Duration::from_secs(10));
    // say, sub, collect
    let at = hear_out(&phone, &[drawn.said[0], "you-keyed"], 0);
    drawn.digits.chars().for_each(|digit| phone.press(&digit.to_string()));
    phone.press("#");
    // return, branch, hours, a variable said, set, menu
    let digits = jiesu::tts::numbers::prompts(&jiesu::ivr::Say::Digits(drawn.digits.clone()));
    let at = hear_out(&phone, &[drawn.said[1]], at);
    let number: Vec<f32> = digits.iter().flat_map(|id| prompt(id)).collect();
    let at = listen_until(&phone, &number, at);
    let at = hear_out(&phone, &["en/wrong-key"], at);
    phone.press(&drawn.key);
    // slower and louder
    let slow = cleared(drawn.said[2]);
    let at = listen_until(&phone, &slow, at);
    // record, listen, confirm
    let at = hear_out(&phone, &[drawn.said[3], "en/details"], at);
    let at = hear_out(&phone, &["en/confirm"], at);
    phone.press("1");
    // file, queue, transfer, status, goto, hangup
    hear_out(&phone, &["en/transferring"], at);
    // Ringing twice, the ticket's state and number, the good-bye.
    phone.wait("CALL_CLOSED", Duration::from_secs(90));
    let ticket = daemon.wait_tickets(1, Duration::from_secs(20))[0].clone();
    phone.quit();

    assert_eq!(ticket["keys"], format!("{}#{}1", drawn.digits, drawn.key), "{ticket:#}");
    assert_eq!(ticket["category"][2], drawn.category, "{ticket:#}");
    assert_eq!(ticket["recordings"].as_array().map(Vec::len), Some(2), "a message and a request: {ticket:#}");
    // What decided was heard in its order, and nobody was led to where wrong answers lead.
    let whole = hear::read(&phone.heard());
    let parts = [prompt(drawn.said[1]), number, prompt("en/wrong-key"), slow, prompt(drawn.said[3])];
    let mut end = 0;
    for (i, part) in parts.iter().enumerate() {
        let (ended, share) = hear::heard(&whole, end, part);
        assert!(share > 0.5, "part {i} was not heard after {:.1} s (fits: {share:.2})", end as f32 / 8000.0);
        end = ended.saturating_sub(hear::SECOND / 2);
    }
    let (_, wrong) = hear::heard(&whole, 0, &prompt(drawn.said[4]));
    assert!(wrong < 0.3, "the flow went wrong somewhere ({wrong:.2})");
    // The same prompt at the usual pace is another sound: the ear can tell.
    let (_, usual) = hear::heard(&whole, 0, &prompt(drawn.said[2]));
    assert!(usual < 0.5, "it was not said slower ({usual:.2})");
}
