//! A daemon's manners: health, draining, reload, exit codes, what `check` says.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, cli, draw, folder, in_own_network, jiesu, pause};

/// Sends OPTIONS and gives the response's first line and the whole response.
pub fn options(to: SocketAddr, limit: Duration) -> Option<(u16, String, Duration)> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(limit)).expect("a socket option");
    let (own, id) = (socket.local_addr().expect("bound"), draw(1 << 60));
    let text = format!(
        "OPTIONS sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{id:x};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:control@{own}>;tag={id:x}\r\nTo: <sip:{to}>\r\nCall-ID: {id:x}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let sent = Instant::now();
    socket.send_to(text.as_bytes(), to).ok()?;
    let mut buffer = [0; 4096];
    let n = socket.recv(&mut buffer).ok()?;
    let answer = String::from_utf8_lossy(&buffer[..n]).into_owned();
    let code = answer.split(' ').nth(1)?.parse().ok()?;
    Some((code, answer, sent.elapsed()))
}

#[test]
fn health_and_metrics() {
    if !in_own_network("manners::health_and_metrics") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    assert_eq!(daemon.get("/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(daemon.get("/readyz"), (200, "ok\n".to_owned()));
    let calls = 2 + draw(3) as usize;
    Run { calls, rate: 10, ..Run::one("normal", "13800138000", '4') }.pass(daemon.sip);
    daemon.wait_metric("jiesu_calls", 0.0);
    daemon.wait_metric("jiesu_tickets_total", calls as f64);
    // Each was filed, and has its unit.
    daemon.wait_metric("jiesu_backend_total{backend=\"log\",result=\"sent\"}", 2.0 * calls as f64);
    assert_eq!(daemon.metric("jiesu_calls_total"), calls as f64);
    assert_eq!(daemon.metric("jiesu_setup_seconds_count"), calls as f64);
    let text = daemon.get("/metrics").1;
    for name in
        ["jiesu_media_late_seconds", "jiesu_asr_models", "jiesu_store_commit_seconds", "jiesu_rtp_packets_total"]
    {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is not among the metrics:\n{text}");
    }
    assert!(!daemon.log().contains("13800138000"), "the log shows a whole telephone number");
    assert_eq!(daemon.stop(Duration::from_secs(20)), 0);
}

/// SIGTERM: OPTIONS and new calls get 503 with Retry-After, the running call finishes, the exit code is 0.
#[test]
fn sigterm_drains() {
    if !in_own_network("manners::sigterm_drains") {
        return;
    }
    let mut daemon = Daemon::start(&Plan::default());
    let (mut running, _kept) = Run::one("normal", "13800138000", '5').spawn(daemon.sip);
    daemon.wait_metric("jiesu_calls", 1.0);
    daemon.signal("-TERM");
    let start = Instant::now();
    loop {
        let (code, answer, _) = options(daemon.sip, Duration::from_secs(1)).expect("it answers while it drains");
        if code == 503 {
            assert!(answer.contains("\r\nRetry-After: "), "{answer}");
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(2), "OPTIONS still gets {code}");
        pause();
    }
    assert_eq!(daemon.get("/readyz").0, 503);
    Run::one("full", "13800138001", '1').pass(daemon.sip);
    assert!(running.wait().expect("our child").success(), "the running call was disturbed");
    assert_eq!(daemon.wait(Duration::from_secs(20)), 0);
    let tickets = daemon.tickets();
    assert_eq!((tickets.len(), &tickets[0]["keys"]), (1, &"5".into()));
}

/// What does not end by itself within `calls.drain` is ended, with its ticket.
#[test]
fn a_drain_is_capped() {
    if !in_own_network("manners::a_drain_is_capped") {
        return;
    }
    let edits = vec![("# drain = \"10m\"".into(), "drain = \"2s\"".into())];
    let mut daemon = Daemon::start(&Plan { edits, ..Plan::default() });
    let call = ["call", &format!("sip:12345@{}", daemon.sip), "--dtmf", "7@500ms", "--json"].map(str::to_owned);
    let caller =
        std::thread::spawn(move || Command::new(jiesu()).args(call).output().expect("the test telephone runs"));
    let keyed = || fs::metadata(daemon.folder.join("state")).is_ok() && daemon.metric("jiesu_calls") == 1.0;
    let start = Instant::now();
    while !keyed() || start.elapsed() < Duration::from_secs(2) {
        pause();
    }
    daemon.signal("-TERM");
    let told = Instant::now();
    assert_eq!(daemon.wait(Duration::from_secs(20)), 0);
    assert!(told.elapsed() >= Duration::from_secs(2), "the call had no time to finish");
    let report: Value = serde_json::from_slice(&caller.join().expect("it ran").stdout).expect("JSON");
    assert_eq!((&report["code"], &report["ended_by"]), (&200.into(), &"them".into()), "{report:#}");
    let tickets = daemon.tickets();
    assert_eq!((tickets.len(), &tickets[0]["keys"]), (1, &"7".into()), "{tickets:#?}");
}

/// Type=notify (sd_notify(3)): ready when calls are taken, fed while every part turns, stopping when it drains.
#[test]
fn systemd_is_told() {
    if !in_own_network("manners::systemd_is_told") {
        return;
    }
    let temp = tempfile::tempdir().expect("a temporary folder");
    let path = temp.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket option");
    let environment = vec![("NOTIFY_SOCKET".to_owned(), path.display().to_string())];
    let mut daemon = Daemon::start(&Plan { environment, ..Plan::default() });
    let wait = |what: &str| {
        let mut buffer = [0; 1024];
        loop {
            let n = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{what} was not said: {error}"));
            if String::from_utf8_lossy(&buffer[..n]).lines().any(|line| line == what) {
                return;
            }
        }
    };
    wait("READY=1");
    wait("WATCHDOG=1");
    daemon.signal("-TERM");
    wait("STOPPING=1");
    assert_eq!(daemon.wait(Duration::from_secs(20)), 0);
}

#[test]
fn sighup_takes_a_good_configuration_and_refuses_a_bad_one() {
    if !in_own_network("manners::sighup_takes_a_good_configuration_and_refuses_a_bad_one") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    let lines = daemon.folder.join("lines.toml");
    let shipped = fs::read_to_string(&lines).expect("lines.toml");
    let number = format!("96{:03}", draw(1000));
    fs::write(&lines, format!("{shipped}\n[[line]]\nnumber = \"{number}\"\nname = \"试验热线\"\nflow = \"main\"\n"))
        .expect("write");
    daemon.signal("-HUP");
    daemon.wait_metric("jiesu_reloads_total", 1.0);
    let dial = Run { number: &number, ..Run::one("normal", "13800138000", '6') };
    dial.pass(daemon.sip);
    assert_eq!(daemon.wait_tickets(1, Duration::from_secs(10))[0]["line"], number);
    fs::write(&lines, format!("{shipped}\nnmae = 1\n")).expect("write");
    daemon.signal("-HUP");
    daemon.wait_metric("jiesu_reloads_total", 2.0);
    assert!(daemon.log().contains("nmae"), "the log does not name the fault");
    dial.pass(daemon.sip);
    let again = daemon.wait_tickets(2, Duration::from_secs(10));
    assert!(again.iter().all(|ticket| ticket["line"] == number), "the old configuration did not stay: {again:#?}");
}

#[test]
fn a_bad_configuration_exits_64_and_binds_nothing() {
    let plan = Plan { more: "\n[sipp]\nx = 1\n".into(), ..Plan::default() };
    let folder = folder(&plan);
    // A port that the daemon would fail to bind, had it come that far.
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let file = folder.path().join("jiesu.toml");
    let text = fs::read_to_string(&file).expect("jiesu.toml");
    let at = taken.local_addr().expect("bound");
    fs::write(&file, text.replacen("127.0.0.1:0", &at.to_string(), 1)).expect("write");
    let out = cli(folder.path(), &["serve"]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(64), "{said}");
    assert!(said.contains("jiesu.toml:") && said.contains("sipp") && said.contains("did you mean sip?"), "{said}");
}

#[test]
fn check_reports_every_fault_at_once() {
    let good = folder(&Plan::default());
    let out = cli(good.path(), &["check"]);
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stdout));
    fs::write(good.path().join("trunks/bad.toml"), "addresses = [\"nowhere\"]\ncolour = 1\n").expect("write");
    let lines = good.path().join("lines.toml");
    let text = fs::read_to_string(&lines).expect("lines.toml");
    fs::write(&lines, format!("{text}\n[[line]]\nnumber = \"96001\"\nname = \"x\"\nflow = \"nowhere\"\n"))
        .expect("write");
    fs::remove_file(good.path().join("prompts/thanks.wav")).expect("the shipped prompt");
    let out = cli(good.path(), &["check"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    for what in ["bad.toml:1:", "bad.toml:2:", "colour", "lines.toml:", "nowhere", "thanks"] {
        assert!(said.contains(what), "{what} is missing in:\n{said}");
    }
}

#[test]
fn usage_faults_exit_64() {
    let folder = folder(&Plan::default());
    for args in [&["sreve"][..], &["call"], &["serve", "--colour"]] {
        assert_eq!(cli(folder.path(), args).status.code(), Some(64), "{args:?}");
    }
    let gone = folder.path().join("nowhere");
    assert_eq!(cli(&gone, &["serve"]).status.code(), Some(64));
    let nobodys =
        jiesu::ticket::Number::new(jiff::civil::date(2024, 2, 29), 1 + draw(9999) as u32).expect("a day has room");
    assert_eq!(cli(folder.path(), &["ticket", "show", &nobodys.to_string()]).status.code(), Some(1));
    // One digit wrong: the check digit tells.
    assert_eq!(cli(folder.path(), &["ticket", "show", "261126000019"]).status.code(), Some(64));
}

/// A studio's recording, under any name that the catalogue has, stays; what is missing is rendered.
#[test]
fn prompts_renders_what_has_no_recording() {
    let folder = folder(&Plan::default());
    let prompts = folder.path().join("prompts");
    let [gone, studio] = ["thanks.wav", "confirm.wav"].map(|name| prompts.join(name));
    fs::remove_file(&gone).expect("the shipped prompt");
    let tone = jiesu::audio::tone::sine(300.0 + draw(500) as f64, Duration::from_secs(1), 0.3);
    let recorded = jiesu::audio::wav::bytes(&tone, 8000);
    fs::write(&studio, &recorded).expect("write");
    let out = cli(folder.path(), &["prompts"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("1 prompts rendered") && said.contains("1 are recordings and stay"), "{said}");
    assert!(jiesu::audio::wav::read(&fs::read(&gone).expect("rendered")).is_ok_and(|pcm| pcm.samples.len() > 8000));
    assert_eq!(fs::read(&studio).expect("it stays"), recorded);
    let out = cli(folder.path(), &["prompts", "--only", "no-such-prompt"]);
    assert_eq!(out.status.code(), Some(64));
}

/// Behind a NAT each peer is told the address at which it reaches us, in Contact and SDP; ours on our side of it.
#[test]
fn each_peer_is_told_the_address_that_it_reaches() {
    if !in_own_network("manners::each_peer_is_told_the_address_that_it_reaches") {
        return;
    }
    let public = format!("203.0.113.{}", 1 + draw(250));
    let plan = Plan {
        edits: vec![
            ("listen = [\"127.0.0.1:0\"]".into(), "listen = [\"0.0.0.0:0\"]".into()),
            ("#: advertised = ".into(), format!("advertised = [\"{public}\"]\n#: advertised = ")),
        ],
        files: vec![("trunks/carrier.toml".into(), "addresses = [\"192.0.2.0/24\"]\n".into())],
        ..Plan::default()
    };
    let daemon = Daemon::start(&plan);
    for (own, told) in [("192.0.2.9", public.as_str()), ("127.0.0.1", "127.0.0.1")] {
        let at = SocketAddr::new(own.parse().expect("an address"), daemon.sip.port());
        let answer = invite(SocketAddr::new(at.ip(), 0), at);
        assert!(answer.contains(&format!("Contact: <sip:{told}:{}>", at.port())), "{answer}");
        assert!(answer.contains(&format!("c=IN IP4 {told}\r\n")), "{answer}");
    }
}

/// Calls from `own`, hangs up at once; the 200.
fn invite(own: SocketAddr, to: SocketAddr) -> String {
    let socket = UdpSocket::bind(own).expect("a port");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket option");
    let (own, id) = (socket.local_addr().expect("bound"), draw(1 << 60));
    let body = format!(
        "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio {1} RTP/AVP 8\r\n",
        own.ip(),
        own.port()
    );
    let text = |method: &str, cseq: u32, tag: &str, body: &str| {
        format!(
            "{method} sip:12345@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{id:x}{method};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:13800138000@{own}>;tag={id:x}\r\nTo: <sip:12345@{to}>{tag}\r\nCall-ID: {id:x}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{own}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    socket.send_to(text("INVITE", 1, "", &body).as_bytes(), to).expect("sent");
    let mut buffer = [0; 4096];
    let answer = loop {
        let n = socket.recv(&mut buffer).expect("an answer");
        let answer = String::from_utf8_lossy(&buffer[..n]).into_owned();
        if answer.starts_with("SIP/2.0 200 ") && answer.contains(" INVITE\r\n") {
            break answer;
        }
    };
    let tag = answer.lines().find_map(|line| line.strip_prefix("To: ")?.split_once(";tag=")).expect("a tag").1;
    let tag = format!(";tag={tag}");
    socket.send_to(text("ACK", 1, &tag, "").as_bytes(), to).expect("sent");
    socket.send_to(text("BYE", 2, &tag, "").as_bytes(), to).expect("sent");
    answer
}
