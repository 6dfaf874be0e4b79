//! Texts that nobody should say: a megabyte, other scripts, control and bidirectional characters, drawn at test time and
//! mixed into true requests. They are filed like any other, and nothing of them steers a terminal, a log, a line of a
//! file or another system.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use jiesu::filing::{Heard, How, Matter, file};
use jiesu::id::CallId;
use jiesu::shown::steers;
use jiesu::store::Store;
use serde_json::Value;

use crate::house::{Daemon, Plan, draw, folder, in_own_network, jiesu};

/// Blocks that characters are drawn from: Arabic and Hebrew (right to left), Cyrillic, Thai, combining marks, Hangul,
/// rare Han, emoji, private use.
const BLOCKS: &[(u32, u32)] = &[
    (0x0590, 0x06FF),
    (0x0400, 0x04FF),
    (0x0E00, 0x0E7F),
    (0x0300, 0x036F),
    (0xAC00, 0xAFFF),
    (0x20000, 0x20FFF),
    (0x1F300, 0x1F9FF),
    (0xE000, 0xE0FF),
];
/// What steers: C0, DEL, C1, joiners, marks, embeddings, isolates, tags.
const STEERING: &[(u32, u32)] = &[
    (0x01, 0x1F),
    (0x7F, 0x9F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x2069),
    (0xE0020, 0xE007F),
    (0xFEFF, 0xFEFF),
];
/// What terminals obey.
const ESCAPES: &[&str] = &["\u{1b}[2J", "\u{1b}]0;owned\u{7}", "\u{9b}31m", "\u{1b}c", "\r\n\u{1b}[1A", "\u{1b}[8m"];

fn of(blocks: &[(u32, u32)]) -> char {
    let (first, last) = blocks[draw(blocks.len() as u64) as usize];
    let drawn = first + u32::try_from(draw(u64::from(last - first + 1))).expect("a small block");
    char::from_u32(drawn).unwrap_or('\u{fffd}')
}

/// A true request, with what steers between its characters.
fn request() -> String {
    let said = [
        "望京街道花家地小区12号楼水管爆裂了",
        "德胜街道路灯坏了，请尽快处理",
        "中关村街道井盖丢了，我的电话是13900001234",
    ];
    let mut text = String::new();
    for c in said[draw(said.len() as u64) as usize].chars() {
        if draw(3) == 0 {
            text.push(of(STEERING));
        }
        if draw(8) == 0 {
            text.push_str(ESCAPES[draw(ESCAPES.len() as u64) as usize]);
        }
        text.push(c);
    }
    text
}

fn garbage(characters: usize) -> String {
    (0..characters).map(|_| if draw(4) == 0 { of(STEERING) } else { of(BLOCKS) }).collect()
}

/// A megabyte: of one character, of requests, of garbage, of nothing but marks on one letter.
fn megabyte() -> String {
    let piece = match draw(4) {
        0 => "水".to_owned(),
        1 => request(),
        2 => garbage(50),
        _ => "\u{301}\u{35c}".to_owned(),
    };
    piece.repeat((1 << 20) / piece.len() + 1)
}

/// Every kind once, drawn.
fn texts() -> Vec<String> {
    vec![
        request(),
        request(),
        garbage(40),
        garbage(5000),
        format!("{}{}", request(), garbage(300)),
        of(STEERING).to_string(),
        megabyte(),
    ]
}

fn ask(config: &Path, arguments: &[&str], text: &[u8]) -> Output {
    let mut child = Command::new(jiesu())
        .args(arguments)
        .arg("-c")
        .arg(config)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program");
    // It reads no more than it looks at.
    let _ = child.stdin.take().expect("piped").write_all(text);
    child.wait_with_output().expect("it ends")
}

/// What was written steers nothing: lines apart.
fn harmless(what: &str, bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_owned()).unwrap_or_else(|_| panic!("{what} is no UTF-8"));
    let bad: Vec<char> = text.chars().filter(|c| steers(*c) && *c != '\n').collect();
    assert!(bad.is_empty(), "{what} has {bad:?}: {}", text.escape_debug());
    text
}

#[test]
fn what_is_asked_of_any_text_is_answered_and_steers_no_terminal() {
    let kept = folder(&Plan::default());
    let mut all: Vec<Vec<u8>> = texts().into_iter().map(String::into_bytes).collect();
    // No UTF-8 at all.
    all.push((0..3000).map(|_| draw(256) as u8).collect());
    for text in all {
        for command in ["classify", "place", "emergency"] {
            for more in [&["-"][..], &["-", "--json"]] {
                let out = ask(kept.path(), &[&[command], more].concat(), &text);
                let said = String::from_utf8_lossy(&text).chars().take(80).collect::<String>();
                assert!(matches!(out.status.code(), Some(0 | 1)), "{command} {said:?}: {out:?}");
                let shown = harmless(command, &out.stdout);
                harmless(command, &out.stderr);
                if more.len() == 2 {
                    serde_json::from_str::<Value>(&shown).expect("JSON");
                }
            }
        }
    }
}

/// What steers hides no word: a joiner inside 水管 is not heard either.
#[test]
fn words_are_found_through_what_nobody_sees() {
    let kept = folder(&Plan::default());
    let hidden: String = "望京街道水管爆裂了".chars().flat_map(|c| [of(STEERING), c]).collect();
    let out = ask(kept.path(), &["classify", "-", "--json"], hidden.as_bytes());
    let got: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!((&got["urgency"], &got["place"]["name"]), (&"urgent".into(), &"望京街道".into()), "{hidden:?}: {got:#}");
}

/// One ticket for each text, as if it had been heard.
fn fill(config: &Path, texts: &[String]) {
    let config = jiesu::config::load(config).expect("good");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let names = jiesu::backend::names(&config.main.backends);
        let main = &config.main;
        let store = Store::open(&main.store, &main.state_dir, &main.zone, &names).await.expect("a store");
        for (n, text) in texts.iter().enumerate() {
            let now = jiff::Timestamp::now();
            let (call, duration) = (CallId::new(now.as_millisecond(), n as u128), Duration::from_secs(5));
            let heard = Heard { index: 0, file: PathBuf::from("r/001.wav"), duration, text: Some(text.clone()) };
            let matter = Matter {
                call,
                line: "12345".into(),
                caller: Some(format!("139{n:08}")),
                began: now,
                topic: None,
                category: None,
                kind: None,
                urgency: None,
                place: None,
                elsewhere: Vec::new(),
                keys: String::new(),
                heard: vec![heard],
                how: How::HungUp,
            };
            file(&store, &config.catalogue, &config.places, &matter, now).await.expect("filed");
        }
        store.close().await;
    });
}

#[test]
fn tickets_of_any_text_are_shown_and_sent_without_steering_anything() {
    if !in_own_network("drawn_texts::tickets_of_any_text_are_shown_and_sent_without_steering_anything") {
        return;
    }
    let plan = Plan { environment: vec![("JIESU_LOG".into(), "debug".into())], ..Plan::default() };
    let kept = folder(&plan);
    let texts = texts();
    fill(kept.path(), &texts);
    let daemon = Daemon::over(kept.path(), &plan);
    // Each ticket is told when it is filed, and once more when its unit is in charge.
    let sent = "jiesu_backend_total{backend=\"log\",result=\"sent\"}";
    daemon.wait_until(sent, |sent| sent as usize >= 2 * texts.len());
    // Every text is compared with the others, too.
    daemon.wait_until("jiesu_tickets_gathered_total", |gathered| gathered as usize >= texts.len());
    let tickets = daemon.tickets();
    assert_eq!(tickets.len(), texts.len());
    for (ticket, text) in tickets.iter().zip(&texts) {
        // Nothing is lost on the way, and the title is one that can be read.
        assert_eq!(ticket["text"].as_str(), Some(text.trim()).filter(|text| !text.is_empty()), "{ticket:#}");
        let title = ticket["title"].as_str().unwrap_or_default();
        assert!(title.chars().count() <= 30 && !title.chars().any(steers), "{title:?}");
        let number = ticket["number"].as_str().expect("a number");
        for arguments in
            [&["ticket", "show", number][..], &["ticket", "show", number, "--json"], &["ticket", "history", number]]
        {
            harmless(&arguments.join(" "), &daemon.cli(arguments).stdout);
        }
    }
    for arguments in [&["ticket", "list"][..], &["matter", "list"], &["matter", "list", "--json"], &["outbox", "list"]]
    {
        harmless(&arguments.join(" "), &daemon.cli(arguments).stdout);
    }
    let lines = std::fs::read(kept.path().join("state/tickets.jsonl")).expect("the log backend's file");
    let lines = harmless("tickets.jsonl", &lines);
    let told = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["ticket"]["text"].clone();
    let told: Vec<Value> = lines.lines().map(told).collect();
    // They mean the same there; which is sent first is nobody's promise.
    let missing = texts.iter().filter(|text| !told.iter().any(|told| told.as_str().unwrap_or_default() == text.trim()));
    assert_eq!(missing.count(), 0, "a text is sent otherwise than it was said");
    let filed = |line: &&str| serde_json::from_str::<Value>(line).expect("JSON")["event"] == "created";
    assert_eq!(lines.lines().filter(filed).count(), texts.len());
    assert_eq!(daemon.stop(Duration::from_secs(20)), 0);
    harmless("the daemon's log", &std::fs::read(kept.path().join("log.txt")).expect("the log"));
}
