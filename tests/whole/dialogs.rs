//! What carriers ask of a dialog: early media, PRACK, UPDATE, session timers, INFO, REFER, causes, IPv6.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::house::baresip::Phone;
use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, folder, has, hear, in_own_network, root, skip};

fn caller() -> String {
    format!("1380013{:04}", draw(10_000))
}

fn key() -> char {
    char::from(b'3' + draw(7) as u8)
}

/// The shipped lines, of which 12345 announces something: a shipped recording, told from all the others.
const ANNOUNCED: &str = "menu-livelihood.wav";

fn announcing() -> (Daemon, tempfile::TempDir) {
    let lines = fs::read_to_string(root().join("config/lines.toml")).expect("the shipped lines");
    let first = "name = \"市民服务热线\"\n";
    assert!(lines.contains(first), "the shipped lines have changed");
    let lines = lines.replacen(first, &format!("{first}announce = \"本次通话免费。\"\n"), 1);
    let plan = Plan { files: vec![("lines.toml".into(), lines)], ..Plan::default() };
    let kept = folder(&plan);
    let prompts = kept.path().join("prompts");
    fs::copy(prompts.join(ANNOUNCED), prompts.join("announce-12345.wav")).expect("a shipped recording");
    (Daemon::over(kept.path(), &plan), kept)
}

/// Everything that the store has on disk, so that a drawn word can be looked for in it.
fn stored(daemon: &Daemon, word: &str) -> bool {
    let has = |path: &Path| fs::read(path).is_ok_and(|bytes| bytes.windows(word.len()).any(|w| w == word.as_bytes()));
    let state = daemon.folder.join("state");
    fs::read_dir(state).expect("it has a state").flatten().any(|entry| entry.path().is_file() && has(&entry.path()))
}

/// 183 with SDP and 100rel, PRACK, 200 without SDP; a key by INFO; UPDATE with and without an offer; User-to-User and
/// the cause of the end in the call's row; a number that is withheld stays out of the ticket.
#[test]
fn a_carriers_call_with_everything() {
    if !in_own_network("dialogs::a_carriers_call_with_everything") {
        return;
    }
    let (daemon, _kept) = announcing();
    let (key, uui, cause, caller) = (key(), format!("{:016x}", draw(u64::MAX)), 16 + draw(15), caller());
    let fields = vec![format!("{caller};{key};{uui};{cause}")];
    Run { fields, ..Run::one("carrier", "", key) }.pass(daemon.sip);
    let ticket = &daemon.wait_tickets(1, Duration::from_secs(10))[0];
    assert_eq!(ticket["keys"], key.to_string(), "{ticket:#}");
    assert!(!ticket.to_string().contains(&caller), "the caller withheld the number: {ticket:#}");
    daemon.wait_metric("jiesu_calls", 0.0);
    assert!(stored(&daemon, &format!("{uui};encoding=hex")), "User-to-User is not in the call's row");
    let reason = format!("Q.850;cause={cause};text=drawn");
    assert!(stored(&daemon, &reason), "the cause is not in the call's row");
    assert!(daemon.log().contains(&format!("cause={cause}")), "{}", daemon.log());
}

/// A caller of our own, with just enough SIP, who listens before the answer.
struct Listener {
    sip: UdpSocket,
    rtp: UdpSocket,
    daemon: SocketAddr,
    heard: Vec<f32>,
}

impl Listener {
    fn call(daemon: SocketAddr, more: &str) -> Listener {
        let bind = || UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let listener = Listener { sip: bind(), rtp: bind(), daemon, heard: Vec::new() };
        for socket in [&listener.sip, &listener.rtp] {
            socket.set_read_timeout(Some(Duration::from_millis(10))).expect("a socket option");
        }
        let port = listener.rtp.local_addr().expect("bound").port();
        let sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 8\r\n"
        );
        let body = format!("{more}Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
        listener.send("INVITE", 1, "", &body);
        listener
    }

    fn send(&self, method: &str, number: u32, tag: &str, rest: &str) {
        let us = self.sip.local_addr().expect("bound");
        let text = format!(
            "{method} sip:12345@{0} SIP/2.0\r\nVia: SIP/2.0/UDP {us};branch=z9hG4bK{method}{number}\r\nMax-Forwards: 70\r\n\
             From: <sip:13800138000@{us}>;tag=a\r\nTo: <sip:12345@{0}>{tag}\r\nCall-ID: early@{us}\r\nCSeq: {number} {method}\r\n\
             Contact: <sip:a@{us}>\r\n{rest}",
            self.daemon
        );
        self.sip.send_to(text.as_bytes(), self.daemon).expect("the loopback takes it");
    }

    /// Listens until a response with this start comes; gives it.
    fn until(&mut self, start: &str) -> String {
        let begun = Instant::now();
        let mut bytes = [0; 4096];
        loop {
            assert!(begun.elapsed() < Duration::from_secs(60), "no {start}");
            // Time-outs are the turn of the other socket.
            if let Ok(length) = self.rtp.recv(&mut bytes) {
                let samples =
                    bytes[12..length].iter().map(|b| f32::from(jiesu::audio::g711::alaw_decode(*b)) / 32768.0);
                self.heard.extend(samples);
            }
            if let Ok(length) = self.sip.recv(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                if text.starts_with(start) {
                    return text;
                }
            }
        }
    }
}

/// What follows a header's name.
fn value<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {message}"));
    line[name.len()..].trim()
}

/// The announcement is heard from its first to its last word before the 200; with 100rel only after the PRACK.
#[test]
fn an_announcement_is_heard_before_the_answer() {
    if !in_own_network("dialogs::an_announcement_is_heard_before_the_answer") {
        return;
    }
    let (daemon, _kept) = announcing();
    let announced = hear::read(&root().join("config/prompts").join(ANNOUNCED));
    for reliable in [false, true] {
        let mut listener = Listener::call(daemon.sip, if reliable { "Supported: 100rel\r\n" } else { "" });
        let progress = listener.until("SIP/2.0 183");
        let tag = value(&progress, "To:").split_once(";tag=").map(|(_, tag)| format!(";tag={tag}")).expect("a tag");
        assert_eq!(progress.contains("Require: 100rel"), reliable, "{progress}");
        if reliable {
            let loudest = listener.heard.iter().fold(0.0, |most: f32, sample| most.max(sample.abs()));
            assert!(loudest < 0.01, "something was said before the PRACK");
            let rack = format!("RAck: {} 1 INVITE\r\nContent-Length: 0\r\n\r\n", value(&progress, "RSeq:"));
            listener.send("PRACK", 2, &tag, &rack);
        }
        let mut answer = listener.until("SIP/2.0 200");
        while answer.contains(" PRACK\r\n") {
            answer = listener.until("SIP/2.0 200");
        }
        let (_, share) = hear::heard(&listener.heard, 0, &announced);
        assert!(share > 0.5, "the announcement was not heard before the answer ({share:.2})");
        assert_eq!(answer.contains("m=audio"), !reliable, "{answer}");
        listener.send("ACK", 1, &tag, "Content-Length: 0\r\n\r\n");
        listener.send("BYE", 3, &tag, "Content-Length: 0\r\n\r\n");
        listener.until("SIP/2.0 200");
        daemon.wait_metric("jiesu_calls", 0.0);
    }
}

/// RFC 4028: we are the refresher, and SIPp waits for our UPDATE; too short an interval gets 422.
#[test]
fn the_session_is_refreshed_at_half_of_its_time() {
    if !in_own_network("dialogs::the_session_is_refreshed_at_half_of_its_time") {
        return;
    }
    // SIPp sends no audio for longer than a silent line lives.
    let patient = ("# inactivity = \"30s\"".into(), "inactivity = \"2m\"".into());
    let daemon = Daemon::start(&Plan { edits: vec![patient], ..Plan::default() });
    Run::one("tooshort", &caller(), '1').pass(daemon.sip);
    Run::one("refresh", &caller(), '1').pass(daemon.sip);
    daemon.wait_metric("jiesu_calls", 0.0);
}

/// The shipped flow with its operator reached in another way.
fn by(way: &str) -> Plan {
    let flow = fs::read_to_string(root().join("config/flows/main.toml")).expect("the shipped flow");
    let to = "to = \"operator\"\n";
    assert!(flow.contains(to), "the shipped flow has changed");
    let flow = flow.replacen(to, &format!("{to}by = \"{way}\"\n"), 1);
    Plan { files: vec![("flows/main.toml".into(), flow)], ..Plan::default() }
}

#[test]
fn a_blind_transfer_by_refer_lets_the_caller_go() {
    if !in_own_network("dialogs::a_blind_transfer_by_refer_lets_the_caller_go") {
        return;
    }
    let daemon = Daemon::start(&by("refer"));
    Run::one("refer", &caller(), '0').pass(daemon.sip);
    assert_eq!(daemon.wait_tickets(1, Duration::from_secs(10))[0]["keys"], "0");
    let key = key();
    Run::one("referbusy", &caller(), key).pass(daemon.sip);
    let tickets = daemon.wait_tickets(2, Duration::from_secs(10));
    let keys = format!("0{key}");
    assert!(tickets.iter().any(|ticket| ticket["keys"] == keys), "a busy target costs nobody the call: {tickets:#?}");
}

/// Two real telephones: baresip takes the REFER with Replaces, calls the other one, and the two talk without us.
#[test]
fn an_attended_transfer_between_two_telephones() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("dialogs::an_attended_transfer_between_two_telephones") {
        return;
    }
    let daemon = Daemon::start(&by("attended"));
    let prompts = root().join("config/prompts");
    let sound = |name: &str, prompt: &str| {
        let path = daemon.folder.join(name);
        let pcm = jiesu::audio::wav::read(&fs::read(prompts.join(prompt)).expect("a shipped prompt")).expect("a WAV");
        fs::write(&path, jiesu::audio::wav::bytes(&pcm.to_8k(), 8000)).expect("write");
        path
    };
    let mut operator = Phone::start("operator", &sound("a.wav", "menu-services.wav"), 5061, ";answermode=auto");
    let mut citizen = Phone::start("citizen", &sound("b.wav", "menu-livelihood.wav"), 5071, "");
    citizen.command("dial", &format!("sip:12345@{}", daemon.sip));
    citizen.wait("CALL_ESTABLISHED", Duration::from_secs(20));
    citizen.press("0");
    let asked = citizen.wait("TRANSFER", Duration::from_secs(30));
    assert!(asked["param"].as_str().is_some_and(|to| to.contains("Replaces=")), "{asked}");
    // First our own call, then the citizen's.
    let talking = |phone: &mut Phone| phone.wait("CALL_ESTABLISHED", Duration::from_secs(30))["peeruri"].to_string();
    assert!(talking(&mut operator).contains("@127.0.0.1"));
    assert!(talking(&mut operator).contains("citizen"));
    assert!(talking(&mut citizen).contains("operator"));
    daemon.wait_tickets(1, Duration::from_secs(20));
    daemon.wait_metric("jiesu_calls", 0.0);
}

/// One whole call over IPv6: signalling, audio, a key, the ticket.
#[test]
fn a_whole_call_over_ipv6() {
    if !in_own_network("dialogs::a_whole_call_over_ipv6") {
        return;
    }
    let listen = ("listen = [\"127.0.0.1:0\"]".into(), "listen = [\"[::1]:0\"]".into());
    let bind = ("# bind = \"0.0.0.0\"".into(), "bind = \"::1\"".into());
    let daemon = Daemon::start(&Plan { edits: vec![listen, bind], ..Plan::default() });
    assert!(daemon.sip.is_ipv6());
    let key = key();
    Run { address: "::1", ..Run::one("normal", &caller(), key) }.pass(daemon.sip);
    assert_eq!(daemon.wait_tickets(1, Duration::from_secs(10))[0]["keys"], key.to_string());
}
