//! `jiesu ticket list|show|history`: what is in the store, for people and as JSON.
//!
//! Reads the database directly, beside a running daemon or without one. What callers and carriers wrote (names, texts)
//! is never trusted: characters that could steer a terminal or turn text around are shown as `\u{...}`.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Exit;
use super::learn::correct;
use super::stored;
use crate::config::Main;
pub(super) use crate::shown::{json as as_json, tame};
use crate::store::{EventRow, Hearing, Place, Store, Ticket};
use crate::ticket::{Event, How, Number, Text};

/// Tickets read at a time.
const PAGE: u32 = 500;
/// How much of a text a list shows.
const GIST: usize = 30;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// All tickets by number, the oldest first.
    List {
        /// An array of objects.
        #[arg(long)]
        json: bool,
    },
    /// One ticket with all that is known of it.
    Show {
        #[arg(value_name = "NUMBER")]
        number: Number,
        /// One object, as in the list.
        #[arg(long)]
        json: bool,
    },
    /// Say what a ticket should have been; kept beside it, and learned from (`jiesu train classify`).
    Correct(correct::Correct),
    /// What was said so: a table of texts and labels.
    Corrections,
    /// Everything that ever happened to a ticket.
    History {
        #[arg(value_name = "NUMBER")]
        number: Number,
        /// An array of objects.
        #[arg(long)]
        json: bool,
    },
}

pub fn run(config: &Path, command: &Command) -> anyhow::Result<Exit> {
    let main = match main(config) {
        Ok(main) => main,
        Err(exit) => return Ok(exit),
    };
    super::runtime()?.block_on(async {
        let Some(store) = stored::look(&main).await? else {
            return match command {
                Command::List { json: true } => say("[]\n"),
                Command::List { json: false } => Ok(Exit::Done),
                _ => Ok(Exit::No),
            };
        };
        match command {
            Command::Correct(correct) => correct::correct(config, correct).await,
            Command::Corrections => say(&correct::csv(&store.corrected().await?)),
            Command::List { json } => list(&store, &main.zone, *json).await,
            Command::Show { number, json } => match store.ticket(*number).await? {
                Some(ticket) if *json => say(&format!("{}\n", as_json(&whole(&ticket)?)?)),
                Some(ticket) => say(&page(&ticket, &main.zone)),
                None => no_ticket(*number),
            },
            Command::History { number, json } => {
                let history = store.history(*number).await?;
                match history.as_slice() {
                    [] => no_ticket(*number),
                    rows if *json => say(&format!("{}\n", as_json(&rows)?)),
                    rows => say(&rows.iter().map(|row| event(row, &main.zone)).collect::<String>()),
                }
            }
        }
    })
}

/// `jiesu.toml`; its faults are printed.
pub(super) fn main(config: &Path) -> Result<Main, Exit> {
    crate::config::load_main(config).map_err(|faults| {
        eprint!("{faults}");
        Exit::Usage
    })
}

/// With the words of each recording, and their seconds.
fn whole(ticket: &Ticket) -> serde_json::Result<serde_json::Value> {
    let mut json = serde_json::to_value(ticket)?;
    let recordings = json["recordings"].as_array_mut().into_iter().flatten();
    for (shown, recording) in recordings.zip(&ticket.recordings).filter(|(_, recording)| !recording.words.is_empty()) {
        shown["words"] = recording.words.iter().map(super::transcribe::word).collect();
    }
    Ok(json)
}

fn no_ticket(number: Number) -> anyhow::Result<Exit> {
    eprintln!("jiesu: no ticket {number}");
    Ok(Exit::No)
}

async fn list(store: &Store, zone: &TimeZone, json: bool) -> anyhow::Result<Exit> {
    let mut last = None;
    let mut separator = "[";
    loop {
        let tickets = store.tickets(last, PAGE).await?;
        let mut text = String::new();
        for ticket in &tickets {
            if json {
                write!(text, "{separator}{}", as_json(ticket)?)?;
                separator = ",\n";
            } else {
                text += &row(ticket, zone);
            }
        }
        last = tickets.last().map(|ticket| ticket.number).or(last);
        let end = tickets.len() < PAGE as usize;
        if end && json {
            text += if separator == "[" { "[]\n" } else { "]\n" };
        }
        say(&text)?;
        if end {
            return Ok(Exit::Done);
        }
    }
}

/// Writes to standard output. Whoever reads it may have enough (`| head`).
pub(super) fn say(text: &str) -> anyhow::Result<Exit> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Done),
    }
}

pub(super) fn time(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn row(ticket: &Ticket, zone: &TimeZone) -> String {
    let place = ticket.place.as_ref().map_or("-".to_owned(), |p| format!("{}{}", p.district, p.name));
    let text = match &ticket.text {
        Some(text) if text.chars().count() > GIST => format!("{}…", text.chars().take(GIST).collect::<String>()),
        Some(text) => text.clone(),
        None => text_state(ticket.text_state).to_owned(),
    };
    let columns = [
        ticket.number.to_string(),
        time(ticket.opened, zone),
        ticket.state.label().to_owned(),
        ticket.line.clone(),
        ticket.kind.clone(),
        urgency(&ticket.urgency).to_owned(),
        ticket.category[2].clone(),
        place,
        text,
    ];
    format!("{}\n", columns.map(|column| tame(&column)).join("  "))
}

fn urgency(code: &str) -> &str {
    match code {
        "urgent" => "紧急",
        "soon" => "较急",
        "ordinary" => "一般",
        other => other,
    }
}

fn text_state(text: Text) -> &'static str {
    match text {
        Text::Whole => "(没有说话 nothing was said)",
        Text::Pending => "(文字待补 text pending)",
        Text::GivenUp => "(听不出,请听录音 listen to the recording)",
    }
}

fn how(how: How) -> &'static str {
    match how {
        How::Confirmed => "来电人已确认 confirmed by the caller",
        How::HungUp => "来电人挂机 the caller hung up",
        How::Recovered => "故障后恢复 recovered after a failure",
    }
}

/// A ticket for people.
pub(super) fn page(ticket: &Ticket, zone: &TimeZone) -> String {
    let mut out = String::new();
    let mut line = |label: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{label}: {}", tame(value));
    };
    line("编号 number", &ticket.number.to_string());
    line("状态 state", &format!("{} {}", ticket.state.label(), ticket.state));
    line("受理时间 opened", &time(ticket.opened, zone));
    line("来电时间 call began", &time(ticket.began, zone));
    line("拨打号码 line", &ticket.line);
    line("来电号码 caller", ticket.caller.as_deref().unwrap_or("未显示 withheld"));
    line("来源 how", how(ticket.how));
    if !ticket.keys.is_empty() {
        line("按键 keys", &ticket.keys);
    }
    if !ticket.title.is_empty() {
        line("标题 title", &ticket.title);
    }
    line("内容 text", ticket.text.as_deref().unwrap_or(text_state(ticket.text_state)));
    if ticket.text.is_some() && ticket.text_state != Text::Whole {
        line("文字 rest of the text", text_state(ticket.text_state));
    }
    line("类型 type", &ticket.kind);
    line("分类 category", &format!("{} ({:.0} %)", ticket.category.join(" > "), ticket.confidence * 100.0));
    line("紧急程度 urgency", &format!("{} {}", urgency(&ticket.urgency), ticket.urgency));
    match &ticket.place {
        Some(place) => {
            let Place { code, name, district, confidence } = place;
            line("地点 place", &format!("{district} {name} [{code}] ({:.0} %)", confidence * 100.0));
        }
        None => line("地点 place", "未知 unknown"),
    }
    line("承办单位 unit", ticket.unit.as_deref().unwrap_or("未定 not known"));
    for (field, words) in evidence(&ticket.evidence) {
        line(&format!("依据 evidence for {}", tame(&field)), &words);
    }
    for (fact, text) in facts(&ticket.facts) {
        line(&format!("要素 {fact}"), &text);
    }
    for recording in &ticket.recordings {
        let file = recording.file.display().to_string();
        let fault = recording.error.as_ref().map(|error| format!(" ({error})")).unwrap_or_default();
        line("录音 recording", &format!("{file} {:.1} s{fault}", recording.duration_s));
        if let Some(Hearing { model, waited_s, took_s, after_s, .. }) = &recording.hearing {
            let after = after_s.map(|after| format!(", text {after:.1} s after the end")).unwrap_or_default();
            line("识别 heard", &format!("{model}, waited {waited_s:.1} s, took {took_s:.1} s{after}"));
        }
    }
    line("通话 call", &ticket.call.to_string());
    out
}

/// Which words each field rests on; fields that rest on none are left out.
fn evidence(evidence: &serde_json::Value) -> Vec<(String, String)> {
    let list = evidence.as_array().map(Vec::as_slice).unwrap_or_default();
    let word = |word: &serde_json::Value| {
        word.get("text")?.as_str().map(|text| format!("「{text}」{}", second(word).unwrap_or_default()))
    };
    list.iter()
        .filter_map(|entry| {
            let words: String = entry.get("words")?.as_array()?.iter().filter_map(word).collect();
            let field = entry.get("field")?.as_str()?.to_owned();
            (!words.is_empty()).then_some((field, words))
        })
        .collect()
}

/// Where the words can be listened to: the recording, counted from 1, and the second in it.
fn second(words: &serde_json::Value) -> Option<String> {
    let (recording, from) = (words.get("recording")?.as_u64()?, words.get("from")?.as_f64()?);
    Some(format!(" ({}: {from:.1} s)", recording + 1))
}

/// What the text says of when, where and whom; what is not sure is marked.
fn facts(facts: &serde_json::Value) -> Vec<(&'static str, String)> {
    let list = facts.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .filter_map(|fact| {
            let label = match fact.get("fact")?.as_str()? {
                "time" => "时间 time",
                "place" => "地址 address",
                "object" => "对象 object",
                "wanted" => "诉求 wanted",
                "contact" => "联系 contact",
                _ => return None,
            };
            let sure = fact.get("sure")?.as_bool()?;
            let text = format!("{}{}", fact.get("text")?.as_str()?, second(fact).unwrap_or_default());
            Some((label, if sure { text } else { format!("{text} (待核 unsure)") }))
        })
        .collect()
}

fn event(row: &EventRow, zone: &TimeZone) -> String {
    let what = match &row.event {
        Event::Filed { how: by, text: Text::Whole } => format!("受理 filed: {}", how(*by)),
        Event::Filed { how: by, text } => format!("受理 filed: {} {}", how(*by), text_state(*text)),
        Event::Raised { urgency } => format!("加急 raised to {urgency}"),
        Event::MoreSaid { segment } => format!("补充录音 more was said: recording {segment}"),
        Event::TextCompleted => "文字补全 text completed".to_owned(),
        Event::TextGivenUp { tries, reason } => {
            format!("文字无法补全 text given up after {tries} tries: {reason}")
        }
        Event::TextCorrected { model, recordings } => {
            let recordings: Vec<String> = recordings.iter().map(u32::to_string).collect();
            format!("文字订正 text corrected by {model}: recording {}", recordings.join(", "))
        }
        Event::Sent { backend, reference: None } => format!("已转 sent to {backend}"),
        Event::Sent { backend, reference: Some(reference) } => format!("已转 sent to {backend} as {reference}"),
        Event::Parked { backend, reason } => format!("转办受阻 parked for {backend}: {reason}"),
    };
    format!("{:3}  {}  {}\n", row.seq, time(row.at, zone), tame(&what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CallId;
    use crate::shown::steers;
    use crate::store::Recording;
    use crate::ticket::State;

    fn ticket(text: Option<&str>) -> Ticket {
        let at: Timestamp = "2026-11-24T16:30:00Z".parse().expect("a time");
        Ticket {
            number: Number::new(jiff::civil::date(2026, 11, 25), 71).expect("a number"),
            call: CallId::new(1, 1),
            line: "12319".into(),
            caller: None,
            state: State::Received,
            how: How::HungUp,
            began: at,
            opened: at,
            changed: at,
            text: text.map(str::to_owned),
            text_pending: text.is_none(),
            text_state: if text.is_none() { Text::Pending } else { Text::Whole },
            kind: "求助".into(),
            category: ["甲".into(), "乙".into(), "丙".into()],
            confidence: 0.8,
            urgency: "urgent".into(),
            place: None,
            unit: None,
            evidence: serde_json::json!([
                {"field": "urgency", "words": [{"text": "爆裂", "start": 1, "end": 3}]},
                {"field": "place", "words": []},
            ]),
            title: "柳林街道水管爆裂".into(),
            facts: serde_json::json!([{"fact": "time", "text": "最近", "start": 0, "end": 2, "sure": false}]),
            keys: "2".into(),
            recordings: vec![Recording { file: "r/001.wav".into(), duration_s: 4.2, ..Recording::default() }],
            incident: None,
            parent: None,
            matter: None,
            repeats: None,
        }
    }

    #[test]
    fn a_page_says_what_is_known_in_local_time() {
        let page = page(&ticket(None), &TimeZone::get("Asia/Shanghai").expect("built in"));
        for line in [
            "编号 number: 26112500071",
            "受理时间 opened: 2026-11-25 00:30:00",
            "来电号码 caller: 未显示 withheld",
            "内容 text: (文字待补 text pending)",
            "紧急程度 urgency: 紧急 urgent",
            "标题 title: 柳林街道水管爆裂",
            "要素 时间 time: 最近 (待核 unsure)",
            "依据 evidence for urgency: 「爆裂」",
            "录音 recording: r/001.wav 4.2 s",
        ] {
            assert!(page.contains(line), "{line} is missing in\n{page}");
        }
        assert!(!page.contains("evidence for place"));
    }

    #[test]
    fn what_callers_say_cannot_steer_a_terminal() {
        let hostile = "灯\u{1b}[2J\u{9b}31m\u{202e}abc\u{2066}\u{200b}\r\n坏";
        let ticket = ticket(Some(hostile));
        for shown in [page(&ticket, &TimeZone::UTC), row(&ticket, &TimeZone::UTC), as_json(&ticket).expect("JSON")] {
            let bad: Vec<char> = shown.chars().filter(|c| steers(*c) && *c != '\n').collect();
            assert!(bad.is_empty(), "{bad:?} in {shown}");
        }
        assert!(tame(hostile).starts_with("灯\\u{1b}[2J\\u{9b}31m\\u{202e}abc"), "{}", tame(hostile));
        assert_eq!(row(&ticket, &TimeZone::UTC).lines().count(), 1);
    }
}
