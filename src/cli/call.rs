//! `jiesu call URI`: a test telephone.
//!
//! Plays a WAV, presses keys, records what it hears and says how the call went. It can wait as a person does: with
//! `--wav-at quiet` it speaks once the other side has spoken and fallen silent.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::time::Instant;

use super::Exit;
use super::phone::{Phone, Setup, bracketed, close, tell};
use crate::call::originate::{Destination, NoCall, Outbound};
use crate::media::{Command, Event, ListenLimits, Prompt};
use crate::sdp::Terms;
use crate::sip::{self, Cidr, Transport, Trunk, Trunks, Unlisted, Uri};
use crate::{audio, written};

/// How long the other side must be silent before it counts as quiet.
const QUIET: Duration = Duration::from_millis(1500);

#[derive(Debug, Clone, clap::Args)]
pub struct Arguments {
    /// Whom to call, for example sip:12345@127.0.0.1:5060 (";transport=tcp" for TCP).
    pub uri: String,
    /// What is said: a WAV file.
    #[arg(long, value_name = "FILE")]
    pub wav: Option<PathBuf>,
    /// When it is said: a time after the answer ("3s"), or "quiet": when the other side has spoken and fallen silent.
    #[arg(long, value_name = "WHEN", default_value = "0s")]
    pub wav_at: When,
    /// Keys and when: "2@4s,#@9s"; "1@quiet" waits for the other side's next silence.
    #[arg(long, value_name = "KEYS", default_value = "")]
    pub dtmf: Keys,
    /// Records what is heard into a WAV file.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Our number in From.
    #[arg(long, default_value = "13800138000")]
    pub from: String,
    /// How long it may ring.
    #[arg(long, value_name = "SPAN", default_value = "30s", value_parser = span)]
    pub ring: Duration,
    /// Hangs up after this long.
    #[arg(long, value_name = "SPAN", default_value = "2m", value_parser = span)]
    pub max: Duration,
    /// One JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// A moment of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    At(Duration),
    Quiet,
}

/// Keys in order, each with its moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys(pub Vec<(String, When)>);

fn span(text: &str) -> Result<Duration, String> {
    written::duration(text).ok_or_else(|| format!("\"{text}\" is not a time span such as \"3s\" or \"500ms\""))
}

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<When, String> {
        if text == "quiet" { Ok(When::Quiet) } else { span(text).map(When::At) }
    }
}

impl std::str::FromStr for Keys {
    type Err = String;

    fn from_str(text: &str) -> Result<Keys, String> {
        let one = |item: &str| {
            let (keys, when) = item.split_once('@').ok_or_else(|| format!("\"{item}\" has no \"@TIME\""))?;
            if keys.is_empty() || !keys.chars().all(|key| "0123456789*#ABCD".contains(key)) {
                return Err(format!("\"{keys}\" is not made of the keys 0-9 * # A-D"));
            }
            Ok((keys.to_owned(), when.parse()?))
        };
        text.split(',').filter(|item| !item.is_empty()).map(one).collect::<Result<_, _>>().map(Keys)
    }
}

/// How a call went.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub uri: String,
    /// The final SIP code of the INVITE.
    pub code: u16,
    pub reason: String,
    pub setup_ms: Option<f64>,
    pub talk_s: Option<f64>,
    pub codec: Option<&'static str>,
    pub packets_sent: u64,
    pub packets_received: u64,
    pub packets_lost: u64,
    pub jitter_ms: f64,
    pub ended_by: &'static str,
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let report = super::runtime()?.block_on(call(arguments))?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print(&report);
    }
    Ok(if report.code == 200 { Exit::Done } else { Exit::No })
}

fn print(report: &Report) {
    println!("{}: {} {}", report.uri, report.code, report.reason);
    let (Some(setup), Some(talk)) = (report.setup_ms, report.talk_s) else { return };
    println!("setup {setup:.1} ms, talked {talk:.1} s, {}, ended by {}", report.codec.unwrap_or("-"), report.ended_by);
    let Report { packets_sent, packets_received, packets_lost, jitter_ms, .. } = report;
    println!(
        "packets: {packets_sent} sent, {packets_received} received, {packets_lost} lost, jitter {jitter_ms:.1} ms"
    );
}

/// Calls once, on ports of its own.
pub async fn call(arguments: &Arguments) -> anyhow::Result<Report> {
    let uri = Uri::parse(arguments.uri.as_bytes()).map_err(|error| anyhow::anyhow!("{}: {error}", arguments.uri))?;
    let ip = uri.ip().context("write the host as an IP address, for example sip:12345@127.0.0.1:5060")?;
    let transport = Transport::of(&uri);
    let to = SocketAddr::new(ip, uri.port.unwrap_or(transport.usual_port()));
    let wav = arguments.wav.as_deref().map(prompt).transpose()?;

    let phone = Phone::plug(&Setup::towards(ip, only(ip))?)?;
    let originator = phone.originator(Terms::default());
    let local = sip::task::route_to(ip)?;
    let destination = Destination {
        withheld: false,
        uri: arguments.uri.clone(),
        to,
        transport,
        from: format!("sip:{}@{}", arguments.from, bracketed(local)),
        display: None,
        ring: arguments.ring,
        over: None,
    };
    let report = match originator.call(&destination, None).await {
        Ok(outbound) => talk(arguments, outbound, wav).await,
        Err(error) => none(arguments, &error),
    };
    phone.unplug().await?;
    Ok(report)
}

fn prompt(path: &Path) -> anyhow::Result<Arc<Prompt>> {
    let bytes = std::fs::read(path).with_context(|| format!("{}", path.display()))?;
    let pcm = audio::wav::read(&bytes).with_context(|| format!("{}", path.display()))?;
    Ok(Arc::new(Prompt::from_pcm(&pcm.to_8k())))
}

/// The one that is called, and nobody else.
fn only(ip: IpAddr) -> Trunks {
    let called = Trunk::new("called", vec![Cidr::host(ip)]);
    Trunks::new(vec![called], Unlisted::Drop)
}

fn none(arguments: &Arguments, error: &NoCall) -> Report {
    let reason = match error {
        NoCall::Refused { reason, .. } => reason.clone(),
        other => other.to_string(),
    };
    Report {
        uri: arguments.uri.clone(),
        code: error.code(),
        reason,
        setup_ms: None,
        talk_s: None,
        codec: None,
        packets_sent: 0,
        packets_received: 0,
        packets_lost: 0,
        jitter_ms: 0.0,
        ended_by: "no call",
    }
}

/// One thing that the caller does.
enum Act {
    Say(Arc<Prompt>),
    Press(String),
}

async fn talk(arguments: &Arguments, mut outbound: Outbound, wav: Option<Arc<Prompt>>) -> Report {
    let begun = Instant::now();
    let mut timed: Vec<(Duration, Act)> = Vec::new();
    let mut quiet: std::collections::VecDeque<Act> = std::collections::VecDeque::new();
    let acts = wav.map(|wav| (Act::Say(wav), arguments.wav_at)).into_iter();
    for (act, when) in acts.chain(arguments.dtmf.0.iter().map(|(keys, when)| (Act::Press(keys.clone()), *when))) {
        match when {
            When::At(after) => timed.push((after, act)),
            When::Quiet => quiet.push_back(act),
        }
    }
    timed.sort_by_key(|(after, _)| std::cmp::Reverse(*after));
    if let Some(file) = &arguments.record {
        tell(&outbound.leg, Command::Record { listen: None, file: file.clone() });
    }
    let ear = tempfile(outbound.dialog.0);
    let limits = || ListenLimits { no_input: arguments.max, silence: QUIET, max: arguments.max, end_keys: "" };
    let listen = |outbound: &Outbound, listen| {
        tell(&outbound.leg, Command::Listen { listen, file: ear.clone(), limits: limits() })
    };
    let mut listens = 0;
    if !quiet.is_empty() {
        listen(&outbound, listens);
    }
    let hang_up = begun + arguments.max;
    let ended_by = loop {
        let next = timed.last().map_or(hang_up, |(after, _)| hang_up.min(begun + *after));
        tokio::select! {
            event = outbound.events.recv() => match event {
                None | Some(sip::Event::Ended { .. }) => {
                    outbound.over();
                    break "them";
                }
                Some(event) => outbound.reoffer(event).await,
            },
            event = outbound.leg.event() => match event {
                Some(Event::Segment(_)) => {
                    if let Some(act) = quiet.pop_front() {
                        perform(&outbound, act);
                    }
                    listens += 1;
                    if !quiet.is_empty() {
                        listen(&outbound, listens);
                    }
                }
                Some(_) => {}
                None => break "media",
            },
            () = tokio::time::sleep_until(next) => match timed.pop() {
                Some((after, act)) if begun + after < hang_up => perform(&outbound, act),
                _ => break "us",
            },
        }
    };
    let talked = begun.elapsed();
    let stats = close(&mut outbound.leg).await;
    // Only the ear's last segment is left; it may never have been begun.
    let _ = std::fs::remove_file(&ear);
    Report {
        uri: arguments.uri.clone(),
        code: 200,
        reason: "OK".to_owned(),
        setup_ms: Some(outbound.setup.as_secs_f64() * 1000.0),
        talk_s: Some(talked.as_secs_f64()),
        codec: Some(outbound.codec.name()),
        packets_sent: stats.sent,
        packets_received: stats.received,
        packets_lost: stats.lost,
        jitter_ms: stats.jitter_ms,
        ended_by,
    }
}

fn tempfile(dialog: u64) -> PathBuf {
    std::env::temp_dir().join(format!("jiesu-call-{}-{dialog}.wav", std::process::id()))
}

fn perform(outbound: &Outbound, act: Act) {
    match act {
        Act::Say(prompt) => tell(&outbound.leg, Command::Play { play: 1, prompts: vec![prompt], barge_in: false }),
        Act::Press(keys) => tell(&outbound.leg, Command::SendDigits(keys)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_moments() {
        let keys: Keys = "2@4s,12#@quiet".parse().expect("good");
        assert_eq!(keys.0, [("2".into(), When::At(Duration::from_secs(4))), ("12#".into(), When::Quiet)]);
        for bad in ["2", "x@1s", "@1s", "1@soon"] {
            assert!(bad.parse::<Keys>().is_err(), "{bad}");
        }
    }
}
