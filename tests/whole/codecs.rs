//! baresip in every codec, in the clear and secured: what it hears is compared with the prompts, what is recorded with
//! what it says; and keys by INFO and as tones that sox made.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::house::baresip::{Phone, Speech};
use crate::house::certificates::Signed;
use crate::house::{Daemon, Plan, draw, has, hear, in_own_network, pause, played_to_the_end, root, skip, speech};

/// A caller who says one drawn sentence again and again, with pauses: whenever it is listened to, it is heard. At 8 kHz, and
/// as the microphone's file.
fn mic(into: &Path, rate: u32) -> (Vec<f32>, PathBuf) {
    let said = hear::read(&speech::say(&speech::request(draw(2) == 0).text, into));
    let mut sound: Vec<i16> = Vec::new();
    while sound.len() < 110 * hear::SECOND {
        sound.extend(said.iter().map(|s| (s * 32_768.0) as i16));
        sound.resize(sound.len() + 3 * hear::SECOND, 0);
    }
    let path = into.join("mic.wav");
    let raised = jiesu::audio::resample::to_rate(&sound, 8_000, rate);
    std::fs::write(&path, jiesu::audio::wav::bytes(&raised, rate)).expect("write");
    (sound.iter().map(|s| f32::from(*s) / 32_768.0).collect(), path)
}

/// A file of any rate and number of channels, as the ear wants it.
fn at_8k(path: &Path) -> (u32, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let pcm = jiesu::audio::wav::read(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    (pcm.rate, pcm.to_8k().iter().map(|s| f32::from(*s) / 32_768.0).collect())
}

/// The first utterance that is on disk.
fn recording(folder: &Path) -> Option<PathBuf> {
    let mut left = vec![folder.join("state")];
    while let Some(at) = left.pop() {
        for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.extension() {
                _ if path.is_dir() => left.push(path),
                Some(wav) if wav == "wav" && path.to_string_lossy().contains("recordings") => return Some(path),
                _ => {}
            }
        }
    }
    None
}

fn edit(key: &str, shown: &str, wanted: &str) -> (String, String) {
    (format!("# {key} = {shown}"), format!("{key} = {wanted}"))
}

fn both_ends_hear_each_other(test: &str, edits: Vec<(String, String)>, speech: &Speech<'_>) {
    conversation(test, &Plan { edits, ..Plan::default() }, speech, None);
}

/// One way of speaking, from both ends: what was heard there, what was recorded here, a drawn key, the ticket. Over TLS
/// where the phone has a certificate.
pub fn conversation(test: &str, plan: &Plan, speech: &Speech<'_>, shows: Option<&Signed>) {
    if !has("baresip") || !has("espeak-ng") {
        return skip("baresip or espeak-ng is not installed");
    }
    if !in_own_network(test) {
        return;
    }
    let temp = tempfile::tempdir().expect("a temporary folder");
    let mut plan = plan.clone();
    plan.edits.push(played_to_the_end());
    let daemon = Daemon::start(&plan);
    let (says, mic) = mic(temp.path(), speech.rate);
    let (mut phone, uri) = match shows {
        None => (Phone::speaking("alice", &mic, 5070, speech), format!("sip:12345@{}", daemon.sip)),
        Some(shows) => {
            let at = daemon.tls.expect("it listens for TLS");
            (Phone::secured("alice", &mic, 5070, speech, shows), format!("sip:12345@{at};transport=tls"))
        }
    };
    phone.command("dial", &uri);
    phone.wait("CALL_ESTABLISHED", Duration::from_secs(10));
    // It was asked, and what it said is sealed.
    let start = Instant::now();
    while daemon.metric("jiesu_recording_seal_seconds_count") < 1.0 {
        assert!(start.elapsed() < Duration::from_secs(100), "nothing that was said is on disk");
        pause();
    }
    let key = char::from(b"23456789"[draw(8) as usize]);
    phone.press(&key.to_string());
    daemon.wait_until("jiesu_keys_total", |keys| keys >= 1.0);
    let stood_still = daemon.metric("jiesu_media_ticks_skipped_total") > 0.0;
    phone.command("hangup", "");
    phone.wait("CALL_CLOSED", Duration::from_secs(10));
    let ticket = daemon.wait_tickets(1, Duration::from_secs(20))[0].clone();
    assert_eq!(ticket["keys"], key.to_string(), "{ticket:#}");
    phone.quit();

    // What Opus changes at 24 kbit/s is more than what the others do; another prompt fits in less than a third.
    let enough = if speech.codecs.starts_with("opus") { 0.6 } else { 0.85 };
    let (_, whole) = at_8k(&phone.heard());
    let mut end = 0;
    for id in ["greeting", "notice", "request"] {
        let (ended, share) = hear::heard(&whole, end, &hear::read(&root().join(format!("config/prompts/{id}.wav"))));
        assert!(share > if stood_still { 0.5 } else { enough }, "{id} was not heard (fits: {share:.2})");
        end = ended.saturating_sub(hear::SECOND / 2);
    }
    let file = recording(&daemon.folder).expect("an utterance is on disk");
    let (recorded_at, said) = at_8k(&file);
    assert_eq!(recorded_at, speech.rate.min(16_000), "{}", file.display());
    let (_, share) = hear::heard(&says[..40 * hear::SECOND], 0, &said);
    assert!(
        share > if stood_still { 0.5 } else { enough },
        "what was recorded is not what was said (fits: {share:.2})"
    );
    let of = |way: &str| daemon.metric(&format!("jiesu_rtp_packets_total{{way=\"{way}\"}}"));
    assert_eq!(of("unreadable"), 0.0);
    // baresip opens its NAT with one RTCP APP, in the clear.
    assert!(of("received") > 500.0 && of("forged") <= 1.0, "{} forged of {}", of("forged"), of("received"));
    if shows.is_some() {
        let over = |transport: &str| daemon.metric(&format!("jiesu_sip_received_total{{transport=\"{transport}\"}}"));
        assert!(over("tls") >= 3.0 && over("udp") + over("tcp") == 0.0, "INVITE, ACK and BYE come over TLS");
    }
}

fn codecs(wanted: &str) -> (String, String) {
    edit("codecs", "[\"PCMA\", \"PCMU\"]", wanted)
}

#[test]
fn mu_law() {
    let speech = Speech { codecs: "PCMU/8000/1", rate: 8_000, account: "" };
    both_ends_hear_each_other("codecs::mu_law", Vec::new(), &speech);
}

#[test]
fn g722() {
    let speech = Speech { codecs: "G722/16000/1", rate: 16_000, account: "" };
    both_ends_hear_each_other("codecs::g722", vec![codecs("[\"PCMA\", \"G722\"]")], &speech);
}

#[test]
fn opus() {
    let speech = Speech { codecs: "opus/48000/2", rate: 48_000, account: "" };
    both_ends_hear_each_other("codecs::opus", vec![codecs("[\"PCMA\", \"opus\"]")], &speech);
}

#[test]
fn a_law_secured() {
    let speech = Speech { codecs: "PCMA/8000/1", rate: 8_000, account: ";mediaenc=srtp-mand" };
    let edits = vec![edit("srtp", "\"off\"", "\"accept\"")];
    both_ends_hear_each_other("codecs::a_law_secured", edits, &speech);
}

/// The other side offers it beside plain RTP (RFC 8643), and we take nothing else.
#[test]
fn opus_secured() {
    let speech = Speech { codecs: "opus/48000/2", rate: 48_000, account: ";mediaenc=srtp" };
    let edits = vec![codecs("[\"opus\"]"), edit("srtp", "\"off\"", "\"require\"")];
    both_ends_hear_each_other("codecs::opus_secured", edits, &speech);
}

/// All others get A-law or nothing; this trunk's file says mu-law.
#[test]
fn a_trunk_has_codecs_of_its_own() {
    let speech = Speech { codecs: "PCMU/8000/1", rate: 8_000, account: "" };
    let trunk = "addresses = [\"127.0.0.0/8\", \"192.0.2.0/24\", \"198.51.100.0/24\"]\n[media]\ncodecs = [\"PCMU\"]\n";
    let plan = Plan {
        edits: vec![codecs("[\"PCMA\"]")],
        files: vec![("trunks/local.toml".into(), trunk.into())],
        ..Plan::default()
    };
    conversation("codecs::a_trunk_has_codecs_of_its_own", &plan, &speech, None);
}

/// Where it is off, secured audio is refused; where it is required, audio in the clear is.
#[test]
fn what_is_not_wanted_is_refused() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("codecs::what_is_not_wanted_is_refused") {
        return;
    }
    let temp = tempfile::tempdir().expect("a temporary folder");
    for (port, setting, account) in [(5070, "off", ";mediaenc=srtp-mand"), (5090, "require", "")] {
        let daemon =
            Daemon::start(&Plan { edits: vec![edit("srtp", "\"off\"", &format!("{setting:?}"))], ..Plan::default() });
        let mic = silence(temp.path());
        let mut phone = Phone::speaking("alice", &mic, port, &Speech { codecs: "PCMA/8000/1", rate: 8_000, account });
        phone.command("dial", &format!("sip:12345@{}", daemon.sip));
        let closed = phone.wait("CALL_CLOSED", Duration::from_secs(10));
        assert!(closed["param"].as_str().is_some_and(|why| why.starts_with("488")), "{setting}: {closed}");
        phone.quit();
    }
}

fn silence(into: &Path) -> PathBuf {
    let path = into.join("silence.wav");
    std::fs::write(&path, jiesu::audio::wav::bytes(&vec![0i16; 100 * hear::SECOND], 8000)).expect("write");
    path
}

/// Keys by INFO: the same key twice is two keys.
#[test]
fn keys_by_info() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("codecs::keys_by_info") {
        return;
    }
    let temp = tempfile::tempdir().expect("a temporary folder");
    let daemon = Daemon::start(&Plan::default());
    let mic = silence(temp.path());
    let speech = Speech { codecs: "PCMA/8000/1", rate: 8_000, account: ";dtmfmode=info" };
    let mut phone = Phone::speaking("alice", &mic, 5070, &speech);
    phone.command("dial", &format!("sip:12345@{}", daemon.sip));
    phone.wait("CALL_ESTABLISHED", Duration::from_secs(10));
    let key = draw(10).to_string();
    for count in 1..=2 {
        phone.press(&key);
        daemon.wait_metric("jiesu_keys_total", f64::from(count));
    }
    phone.command("hangup", "");
    phone.wait("CALL_CLOSED", Duration::from_secs(10));
    let ticket = daemon.wait_tickets(1, Duration::from_secs(20))[0].clone();
    assert_eq!(ticket["keys"], key.repeat(2), "{ticket:#}");
    phone.quit();
}

/// Keys as tones in the microphone, made by sox; the same in G.711 and through G.722.
#[test]
fn keys_as_tones() {
    if !has("baresip") || !has("sox") {
        return skip("baresip or sox is not installed");
    }
    if !in_own_network("codecs::keys_as_tones") {
        return;
    }
    let temp = tempfile::tempdir().expect("a temporary folder");
    let drawn: String = (0..5).map(|_| char::from(b"0123456789"[draw(10) as usize])).collect();
    let mic = temp.path().join("tones.wav");
    for (port, codecs_of, codec, rate) in
        [(5070, "[\"PCMA\"]", "PCMA/8000/1", 8_000), (5090, "[\"G722\"]", "G722/16000/1", 16_000)]
    {
        sox(&drawn, rate, &mic);
        let edits = vec![codecs(codecs_of), edit("dtmf", "\"auto\"", "\"inband\"")];
        let daemon = Daemon::start(&Plan { edits, ..Plan::default() });
        let mut phone = Phone::speaking("alice", &mic, port, &Speech { codecs: codec, rate, account: "" });
        phone.command("dial", &format!("sip:12345@{}", daemon.sip));
        phone.wait("CALL_ESTABLISHED", Duration::from_secs(10));
        let start = Instant::now();
        while daemon.metric("jiesu_keys_total") < drawn.len() as f64 && start.elapsed() < Duration::from_secs(30) {
            pause();
        }
        phone.command("hangup", "");
        phone.wait("CALL_CLOSED", Duration::from_secs(10));
        let ticket = daemon.wait_tickets(1, Duration::from_secs(20))[0].clone();
        assert_eq!(ticket["keys"], drawn, "{codec}: {ticket:#}");
        phone.quit();
    }
}

/// 3 s of quiet, each key for 90 ms with 110 ms after it, then a minute of quiet.
fn sox(keys: &str, rate: u32, into: &Path) {
    const ROWS: [&str; 4] = ["697", "770", "852", "941"];
    const COLUMNS: [&str; 3] = ["1209", "1336", "1477"];
    let place = |key: char| "123456789*0#".find(key).map(|at| (at / 3, at % 3)).expect("a key");
    let folder = into.parent().expect("it lies somewhere");
    let run = |arguments: &[&str]| {
        let done = Command::new("sox").args(arguments).status().expect("sox runs");
        assert!(done.success(), "sox {arguments:?}");
    };
    let path = |name: &str| folder.join(name).display().to_string();
    let rate = rate.to_string();
    let format = ["-n", "-r", rate.as_str(), "-b", "16", "-c", "1"];
    let mut parts = Vec::new();
    for (name, seconds) in [("lead.wav", "3"), ("gap.wav", "0.11"), ("rest.wav", "60")] {
        run(&[&format[..], &[path(name).as_str(), "trim", "0", seconds]].concat());
    }
    parts.push(path("lead.wav"));
    for (n, key) in keys.chars().enumerate() {
        let (row, column) = place(key);
        let file = path(&format!("key{n}.wav"));
        let tones =
            ["synth", "0.09", "sine", ROWS[row], "synth", "0.09", "sine", "mix", COLUMNS[column], "gain", "-10"];
        run(&[&format[..], &[file.as_str()], &tones[..]].concat());
        parts.extend([file, path("gap.wav")]);
    }
    parts.push(path("rest.wav"));
    let mut all: Vec<&str> = parts.iter().map(String::as_str).collect();
    let into = into.display().to_string();
    all.push(&into);
    run(&all);
}
