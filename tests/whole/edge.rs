//! Kamailio as a carrier's edge: it record-routes, shares calls out between two daemons, goes on to the next when one
//! fails, and asks for a password for what we call. And sipsak.

use std::process::Command;
use std::time::Duration;

use crate::house::baresip::Phone;
use crate::house::kamailio::{Edge, Kamailio, is_installed};
use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, has, hear, in_own_network, jiesu, root, skip};

const PORT: u16 = 5064;

fn callers(count: usize) -> Vec<String> {
    let first = draw(10_000_000);
    (0..count as u64).map(|n| format!("138{:08};{}", first + n, 1 + draw(2))).collect()
}

fn tickets(daemons: &[&Daemon]) -> usize {
    daemons.iter().map(|daemon| daemon.tickets().len()).sum()
}

/// Calls in turn to two nodes, one over UDP and one over TCP (Record-Route doubles there); then one is killed while it
/// is still listed, then the other is full: no caller notices.
#[test]
fn two_nodes_behind_an_edge() {
    if !is_installed() {
        return skip("Kamailio is not installed");
    }
    if !in_own_network("edge::two_nodes_behind_an_edge") {
        return;
    }
    let mut first = Daemon::start(&Plan::default());
    let narrow = ("# max = 1000".to_owned(), "max = 1".to_owned());
    let second = Daemon::start(&Plan::default());
    let third = Daemon::start(&Plan { edits: vec![narrow], ..Plan::default() });
    let nodes = vec![format!("sip:{}", first.sip), format!("sip:{};transport=tcp", second.tcp)];
    let edge = Kamailio::start(&Edge { port: PORT, nodes, operator: "sip:127.0.0.1:5061", login: None });
    let calls = |count| Run { fields: callers(count), calls: count, rate: 2, ..Run::one("edge", "", '1') };
    calls(6).pass(edge.at);
    for daemon in [&first, &second] {
        assert_eq!(daemon.metric("jiesu_calls_total"), 3.0, "{}", edge.log());
        daemon.wait_metric("jiesu_calls", 0.0);
        daemon.wait_tickets(3, Duration::from_secs(30));
    }
    // Nobody told the edge: the calls that it sends there time out, or it has noticed by its OPTIONS.
    first.kill();
    calls(4).pass(edge.at);
    assert_eq!(second.metric("jiesu_calls_total"), 7.0, "{}", edge.log());
    second.wait_tickets(7, Duration::from_secs(30));
    drop(edge);

    // A node that has its one call answers 503 at once.
    let nodes = vec![format!("sip:{}", third.sip), format!("sip:{}", second.sip)];
    let edge = Kamailio::start(&Edge { port: PORT, nodes, operator: "sip:127.0.0.1:5061", login: None });
    let before = second.metric("jiesu_calls_total");
    calls(6).pass(edge.at);
    let (full, other) = (third.metric("jiesu_calls_total"), second.metric("jiesu_calls_total") - before);
    assert!(full >= 1.0 && full + other == 6.0, "{full} and {other} calls\n{}", edge.log());
    second.wait_tickets(13 - full as usize, Duration::from_secs(30));
    third.wait_tickets(full as usize, Duration::from_secs(30));
    assert_eq!(tickets(&[&second, &third]), 13);
}

/// A transfer leaves through the edge, which asks for a password (MD5 or SHA-256, drawn): the operator and the caller
/// hear each other, and the operator hangs up through the edge.
#[test]
fn a_call_of_ours_needs_the_edges_password() {
    if !is_installed() || !has("baresip") {
        return skip("Kamailio or baresip is not installed");
    }
    if !in_own_network("edge::a_call_of_ours_needs_the_edges_password") {
        return;
    }
    let (password, algorithm) = (format!("p{:x}", draw(u64::MAX)), ["MD5", "SHA-256"][draw(2) as usize]);
    let number = format!("100{:02}", draw(100));
    let carrier = format!(
        "addresses = [\"127.0.0.0/8\"]\noutbound = [\"127.0.0.1:{PORT}\"]\n\
         [login]\nrealm = \"edge.example\"\nuser = \"hotline\"\npassword_env = \"EDGE_PASSWORD\"\n"
    );
    let flow = std::fs::read_to_string(root().join("config/flows/main.toml")).expect("the shipped flow");
    assert!(flow.contains("sip:operator@127.0.0.1:5061"), "the shipped flow's operator has moved");
    let flow = flow.replace("sip:operator@127.0.0.1:5061", &format!("sip:{number}@carrier"));
    let daemon = Daemon::start(&Plan {
        files: vec![("trunks/carrier.toml".into(), carrier), ("flows/main.toml".into(), flow)],
        environment: vec![("EDGE_PASSWORD".into(), password.clone())],
        ..Plan::default()
    });
    let edge = Kamailio::start(&Edge {
        port: PORT,
        nodes: vec![format!("sip:{}", daemon.sip)],
        operator: "sip:127.0.0.1:5061",
        login: Some(("edge.example", &password, algorithm)),
    });
    let prompts = root().join("config/prompts");
    let (theirs, ours) = (prompts.join("menu-services.wav"), prompts.join("menu-livelihood.wav"));
    let spoken = daemon.folder.join("operator.wav");
    let pcm = jiesu::audio::wav::read(&std::fs::read(&theirs).expect("a shipped prompt")).expect("a WAV").to_8k();
    std::fs::write(&spoken, jiesu::audio::wav::bytes(&pcm, 8000)).expect("write");
    let mut operator = Phone::start(&number, &spoken, 5061, ";answermode=auto");
    let heard = daemon.folder.join("heard.wav");
    // The caller comes through the edge too.
    let mut caller = Command::new(jiesu())
        .args(["call", &format!("sip:12345@{}", edge.at), "--json", "--dtmf", "0@1s", "--wav-at", "8s", "--max", "60s"])
        .args(["--from", "13800138000", "--wav"])
        .arg(&ours)
        .arg("--record")
        .arg(&heard)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("the test telephone runs");
    operator.wait("CALL_ESTABLISHED", Duration::from_secs(30));
    // Until both have said their piece: twelve seconds of two legs.
    let received = "jiesu_rtp_packets_total{way=\"received\"}";
    let before = daemon.metric(received);
    daemon.wait_until(received, |now| now >= before + 1200.0);
    operator.command("hangup", "");
    let status = caller.wait().expect("our child");
    operator.quit();
    assert!(status.success(), "{}", daemon.log());
    assert!(!daemon.log().contains(&password), "the password is in the log");
    let (_, share) = hear::heard(&hear::read(&operator.heard()), 0, &hear::read(&ours)[..4 * hear::SECOND]);
    assert!(share > 0.5, "the operator did not hear the caller ({share:.2})");
    let (_, share) = hear::heard(&hear::read(&heard), 0, &hear::read(&theirs)[hear::SECOND..4 * hear::SECOND]);
    assert!(share > 0.5, "the caller did not hear the operator ({share:.2})");
    let ticket = &daemon.wait_tickets(1, Duration::from_secs(10))[0];
    assert_eq!(ticket["keys"], "0", "{ticket:#}");
}

/// Our password, asked for through an edge that changes the next hop: the answer was made for the edge's address.
#[test]
fn our_password_is_asked_for_through_the_edge() {
    if !is_installed() {
        return skip("Kamailio is not installed");
    }
    if !in_own_network("edge::our_password_is_asked_for_through_the_edge") {
        return;
    }
    let password = format!("p{:x}", draw(u64::MAX));
    let carrier = "addresses = [\"127.0.0.0/8\"]\ndigest = [\"MD5\"]\n\
        [[user]]\nname = \"carrier\"\npassword_file = \"carrier.password\"\n";
    let files =
        vec![("trunks/carrier.toml".into(), carrier.into()), ("carrier.password".into(), format!("{password}\n"))];
    let daemon = Daemon::start(&Plan { files, ..Plan::default() });
    let nodes = vec![format!("sip:{}", daemon.sip)];
    let edge = Kamailio::start(&Edge { port: PORT, nodes, operator: "sip:127.0.0.1:5061", login: None });
    let with = |password: &str| Run {
        fields: vec![format!("1380013{:04};1;[authentication username=carrier password={password}]", draw(10_000))],
        ..Run::one("password", "", '1')
    };
    with(&password).pass(edge.at);
    assert_eq!(daemon.metric("jiesu_calls_total"), 1.0);
    let (mut wrong, _temp) = with("guess").spawn(edge.at);
    daemon.wait_log("wrong_password");
    assert_eq!(daemon.metric("jiesu_calls_total"), 1.0);
    wrong.kill().expect("our child");
    wrong.wait().expect("our child");
}

/// sipsak takes the answer to its OPTIONS, and finds us at the end of its trace.
#[test]
fn sipsak() {
    if !has("sipsak") {
        return skip("sipsak is not installed");
    }
    if !in_own_network("edge::sipsak") {
        return;
    }
    let daemon = Daemon::start(&Plan::default());
    let uri = format!("sip:12345@{}", daemon.sip);
    for args in [["-vv", "-s", &uri].as_slice(), &["-vv", "-E", "tcp", "-s", &uri], &["-vv", "-T", "-s", &uri]] {
        let out = Command::new("sipsak").args(args).output().expect("it is installed");
        let said = String::from_utf8_lossy(&out.stdout);
        assert!(out.status.success() && said.contains("200 OK"), "{args:?}: {said}");
    }
}
