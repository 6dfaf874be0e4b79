//! A flow with one node of each kind, drawn here, walked through by a real softphone: what it hears is compared with what
//! each node was to play, and what it keys decides where it comes and what its ticket says.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiesu::audio::clear;
use jiesu::audio::g711::Law;

use super::softphone::prompt;
use crate::house::baresip::Phone;
use crate::house::caller::{Told, telling};
use crate::house::{Daemon, Plan, draw, has, hear, in_own_network, pause, played_to_the_end, root, skip};

/// Prompts that nothing else here says, in both languages.
const SAID: [&str; 6] = ["menu-power", "menu-city", "menu-heat", "menu-water", "menu-gas", "menu-opinion"];
/// The nodes of a call that goes right, in their order.
const WAY: [&str; 20] = [
    "hello", "who", "who/key", "who/back", "which", "office", "say-open", "english", "choose", "slowly", "slow",
    "usual", "note", "ask", "sure", "filing", "people", "human", "far", "end",
];
/// Which of the parts is said slower.
const SLOWLY: usize = 5;
/// Whatever is waited for comes within this, however slow the machine.
const LIMIT: Duration = Duration::from_secs(180);
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
        "start = \"key\"\n[[no_input]]\ngo = \"back\"\n[[no_match]]\ngo = \"back\"\n[node.key]\ndo = \"collect\"\nsay = [\"menu-housing\"]\n\
         into = \"n\"\nleast = {length}\nmost = 12\ngo = \"back\"\n[node.back]\ndo = \"return\"\n"
    )
}

/// A prompt's name in the language that the flow speaks from its middle on.
fn english(id: &str) -> String {
    format!("en/{id}")
}

/// A prompt as it is played to who wants it slower and louder.
fn cleared(id: &str) -> Vec<f32> {
    let bytes = std::fs::read(root().join(format!("config/prompts/{id}.wav"))).expect("a shipped prompt");
    let pcm = jiesu::audio::wav::read(&bytes).expect("a WAV").to_8k();
    let played = clear::louder(&clear::slower(&pcm));
    played.iter().map(|sample| f32::from(Law::A.decode(Law::A.encode(*sample))) / 32_768.0).collect()
}

/// A person at the softphone: knows from the daemon's log where the flow is, and from what the telephone has received how
/// much of it was played. No clock is asked, so a machine that stands still changes nothing.
struct Person {
    phone: Phone,
    told: Told,
    seen: usize,
}

impl Person {
    /// Waits for the flow to come to this node, then until so much has been received as these prompts are long.
    fn hears_out(&mut self, node: &str, played: usize) {
        let start = Instant::now();
        self.seen = loop {
            pause();
            self.told.look();
            assert!(start.elapsed() < LIMIT, "never at {node}:\n{}", self.told.lines.concat());
            if let Some(seen) = self.told.node(node, self.seen) {
                break seen;
            }
        };
        // What is on its way, and what the telephone holds back to smooth it, comes on top.
        self.listens(played + hear::SECOND);
    }

    /// Until so much more has been received.
    fn listens(&self, samples: usize) {
        let (start, until) = (Instant::now(), self.phone.received() + samples);
        while self.phone.received() < until {
            pause();
            assert!(start.elapsed() < LIMIT, "nothing more is received:\n{}", self.told.lines.concat());
        }
    }

    /// A quarter of a second a key: two of the same that begin within a 20th are one (rtp::event).
    fn presses(&mut self, keys: &str) {
        for key in keys.chars() {
            self.phone.press(&key.to_string());
            self.listens(hear::SECOND / 4);
        }
    }

    fn hears_prompts(&mut self, node: &str, ids: &[&str]) {
        self.hears_out(node, ids.iter().map(|id| prompt(id).len()).sum());
    }
}

#[test]
fn a_softphone_goes_through_each_kind_of_node() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("kinds::a_softphone_goes_through_each_kind_of_node") {
        return;
    }
    let drawn = drawn();
    let temp = tempfile::tempdir().expect("a temporary folder");
    let daemon = Daemon::start(&telling(Plan {
        edits: vec![played_to_the_end(), ("# transfer_ring = \"30s\"".into(), "transfer_ring = \"5s\"".into())],
        files: vec![("flows/main.toml".into(), flow(&drawn)), ("flows/sub/ask.toml".into(), sub(drawn.digits.len()))],
        ..Plan::default()
    }));
    // The only call that there is.
    let told = Told::of(&daemon, " call=");
    let mut alice = Person { phone: Phone::start("alice", &talk(temp.path()), 5070, ""), told, seen: 0 };
    alice.phone.command("dial", &format!("sip:12345@{}", daemon.sip));
    alice.phone.wait("CALL_ESTABLISHED", Duration::from_secs(10));
    // say, sub, collect
    alice.hears_prompts("who/key", &["menu-housing"]);
    alice.presses(&format!("{}#", drawn.digits));
    // return, branch, hours, a variable said, set, menu
    let digits = jiesu::tts::numbers::prompts(&jiesu::ivr::Say::Digits(drawn.digits.clone()));
    let number: Vec<f32> = digits.iter().flat_map(|id| prompt(id)).collect();
    alice.hears_prompts("choose", &["en/wrong-key"]);
    alice.presses(&drawn.key);
    // slower and louder, record, listen, confirm
    let slow = cleared(&english(drawn.said[2]));
    alice.hears_prompts("sure", &["en/recorded", "en/confirm"]);
    alice.presses("1");
    // file, queue, transfer, status, goto, hangup: ringing twice, the ticket's state and number, the good-bye.
    alice.phone.wait("CALL_CLOSED", Duration::from_secs(120));
    let ticket = daemon.wait_tickets(1, Duration::from_secs(20))[0].clone();
    let Person { mut phone, mut told, .. } = alice;
    phone.quit();
    told.look();
    let mut seen = 0;
    for node in WAY {
        seen = told.node(node, seen).unwrap_or_else(|| panic!("not at {node} in its turn:\n{}", told.lines.concat()));
    }
    assert_eq!(told.node("wrong", 0), None, "the flow went wrong somewhere:\n{}", told.lines.concat());

    assert_eq!(ticket["keys"], format!("{}#{}1", drawn.digits, drawn.key), "{ticket:#}");
    assert_eq!(ticket["category"][2], drawn.category, "{ticket:#}");
    assert_eq!(ticket["recordings"].as_array().map(Vec::len), Some(2), "a message and a request: {ticket:#}");
    // What was said was heard in its order, and nobody was led to where wrong answers lead.
    let whole = hear::read(&phone.heard());
    let said = |id: &str| prompt(id);
    let parts = [
        said(drawn.said[0]),
        said("menu-housing"),
        said(drawn.said[1]),
        number,
        said("en/wrong-key"),
        slow,
        said(&english(drawn.said[3])),
        said("en/details"),
        said("en/recorded"),
        said("en/confirm"),
        said("en/transferring"),
        said("en/transfer-failed"),
    ];
    let mut end = 0;
    let mut slowly = 0..0;
    for (i, part) in parts.iter().enumerate() {
        // It comes next: after no more than a ring, a pause, and what a machine that stands still adds.
        let window = &whole[..whole.len().min(end + part.len() + 40 * hear::SECOND)];
        let (ended, share) = hear::heard(window, end, part);
        assert!(share > 0.5, "part {i} was not heard after {:.1} s (fits: {share:.2})", end as f32 / 8000.0);
        if i == SLOWLY {
            slowly = end..ended;
        }
        end = ended.saturating_sub(hear::SECOND / 2);
    }
    // The same prompt at the usual pace is another sound: the ear can tell.
    let (_, usual) = hear::heard(&whole[slowly], 0, &prompt(&english(drawn.said[2])));
    assert!(usual < 0.5, "it was not said slower ({usual:.2})");
}
