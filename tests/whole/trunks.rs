//! Trunks with real peers: passwords, limits, and a second address where the first does not answer.

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, in_own_network, jiesu, root};

/// A daemon whose trunk `carrier` is loopback, before the shipped `local`.
fn daemon(more: &str, change: impl FnOnce(&mut Plan)) -> Daemon {
    let mut plan = Plan::default();
    plan.files.push(("trunks/carrier.toml".into(), format!("addresses = [\"127.0.0.0/8\"]\n{more}")));
    change(&mut plan);
    Daemon::start(&plan)
}

fn caller() -> String {
    format!("138{:08}", draw(100_000_000))
}

#[test]
fn a_call_needs_the_password() {
    if !in_own_network("trunks::a_call_needs_the_password") {
        return;
    }
    let password = format!("p{}", draw(u64::MAX));
    // SIPp knows MD5 alone, and reads the first challenge only.
    let daemon =
        daemon("digest = [\"MD5\"]\n[[user]]\nname = \"carrier\"\npassword_file = \"carrier.password\"\n", |plan| {
            plan.files.push(("carrier.password".into(), format!("{password}\n")));
        });
    let with = |password: &str| Run {
        fields: vec![format!("{};1;[authentication username=carrier password={password}]", caller())],
        ..Run::one("password", "", '1')
    };
    with(&password).pass(daemon.sip);
    let mut wrong = with("guess");
    wrong.more.extend(["-max_invite_retrans", "1"]);
    let (mut child, _temp) = wrong.spawn(daemon.sip);
    assert!(!child.wait().expect("our child").success(), "a wrong password was let in");
    daemon.wait_log("wrong_password");
    assert_eq!(daemon.metric("jiesu_calls_total"), 1.0);
    let log = daemon.log();
    assert!(!log.contains(&password), "the password is in the log");
}

#[test]
fn a_trunk_has_no_more_calls_than_its_file_says() {
    if !in_own_network("trunks::a_trunk_has_no_more_calls_than_its_file_says") {
        return;
    }
    let daemon = daemon("[limits]\ncalls = 1\n", |_| {});
    let (mut running, _temp) = Run::one("normal", &caller(), '1').spawn(daemon.sip);
    daemon.wait_metric("jiesu_calls", 1.0);
    Run::one("full", &caller(), '1').pass(daemon.sip);
    assert_eq!(daemon.metric("jiesu_refused_total"), 1.0);
    daemon.wait_log("raise limits.calls in its file under trunks/");
    assert!(running.wait().expect("our child").success(), "the running call was disturbed");
    daemon.wait_metric("jiesu_calls", 0.0);
    Run::one("normal", &caller(), '1').pass(daemon.sip);
}

#[test]
fn a_call_goes_to_the_next_address_when_the_first_is_silent() {
    if !in_own_network("trunks::a_call_goes_to_the_next_address_when_the_first_is_silent") {
        return;
    }
    let silent = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let number = format!("100{:02}", draw(100));
    let media = (42000 + draw(2000) * 4).to_string();
    let temp = tempfile::tempdir().expect("a temporary folder");
    let mut far = Command::new("sipp")
        .args(["-sn", "uas", "-i", "127.0.0.1", "-p", "5077", "-m", "1", "-nostdin", "-timeout", "60"])
        .args(["-mi", "127.0.0.1", "-mp", &media, "-trace_msg", "-message_file", "far.log"])
        .current_dir(temp.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sipp is installed");
    let outbound = format!("outbound = [\"{}\", \"127.0.0.1:5077\"]\n", silent.local_addr().expect("bound"));
    let more = format!("{outbound}silence = \"500ms\"\n[numbers]\nout = \"plus\"\n");
    let daemon = daemon(&more, |plan| {
        let flow = std::fs::read_to_string(root().join("config/flows/main.toml")).expect("the shipped flow");
        let target = format!("sip:{number}@carrier");
        assert!(flow.contains("sip:operator@127.0.0.1:5061"), "the shipped flow's operator has moved");
        plan.files.push(("flows/main.toml".into(), flow.replace("sip:operator@127.0.0.1:5061", &target)));
    });
    let uri = format!("sip:12345@{}", daemon.sip);
    let out = Command::new(jiesu())
        .args(["call", &uri, "--dtmf", "0@1s", "--max", "10s", "--from", "13812345678", "--json"])
        .output()
        .expect("the test telephone runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(far.wait().expect("our child").success(), "the second address had no whole call");
    assert_eq!(daemon.metric("jiesu_trunk_failover_total"), 1.0);
    let heard = std::fs::read_to_string(temp.path().join("far.log")).expect("what the far end heard");
    assert!(heard.contains(&format!("INVITE sip:{number}@127.0.0.1:5077 SIP/2.0")), "{heard}");
    assert!(heard.contains("From: <sip:+8613812345678@127.0.0.1>"), "the trunk's form of numbers: {heard}");
    let mut first = [0; 2048];
    silent.set_read_timeout(Some(Duration::from_secs(1))).expect("a time-out");
    let (length, _) = silent.recv_from(&mut first).expect("the first address was asked first");
    assert!(first[..length].starts_with(format!("INVITE sip:{number}@").as_bytes()));
    daemon.wait_tickets(1, Duration::from_secs(10));
}
