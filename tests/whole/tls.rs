//! SIP over TLS: a softphone in every direction, certificates that are and are not believed, and a new one in between.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::codecs::conversation;
use crate::house::baresip::{Phone, Speech};
use crate::house::certificates::{Authority, Signed};
use crate::house::secured::{Line, listening};
use crate::house::{Daemon, cli, draw, has, in_own_network, jiesu, root, skip};

/// Signalling and audio are secured: baresip over TLS with SRTP, whose keys (SDES) only TLS keeps secret.
#[test]
fn a_call_over_tls_with_srtp() {
    let us = Authority::new("us").sign("127.0.0.1");
    let mut plan = listening(&us);
    plan.edits.push(("# srtp = \"off\"".into(), "srtp = \"require\"".into()));
    let speech = Speech { codecs: "PCMA/8000/1", rate: 8_000, account: ";mediaenc=srtp-mand" };
    let shows = Authority::new("phone").sign("127.0.0.1");
    conversation("tls::a_call_over_tls_with_srtp", &plan, &speech, Some(&shows));
}

fn refused(reason: &str) -> String {
    format!("jiesu_refused_total{{reason=\"{reason}\"}}")
}

/// A trunk that must be secured: its certificate opens the door, and nothing else does, not even its address.
#[test]
fn a_trunk_is_known_by_its_certificate() {
    if !in_own_network("tls::a_trunk_is_known_by_its_certificate") {
        return;
    }
    let (us, carrier, other) = (Authority::new("us"), Authority::new("carrier"), Authority::new("other"));
    let name = format!("sbc{}.carrier.example", draw(1000));
    let mut plan = listening(&us.sign("127.0.0.1"));
    plan.files.push(("tls/carrier.pem".into(), carrier.pem()));
    let tls = format!("[tls]\nca = \"tls/carrier.pem\"\nnames = [\"{name}\"]\nrequired = true\n");
    plan.files.push(("trunks/carrier.toml".into(), format!("addresses = [\"127.0.0.1\"]\n{tls}")));
    let daemon = Daemon::start(&plan);
    let at = daemon.tls.expect("it listens for TLS");
    let code = |shows: Option<&Signed>| Line::open(at, us.client(shows)).and_then(|mut line| line.code("OPTIONS"));
    assert_eq!(code(Some(&carrier.sign(&name))).expect("it is the trunk"), 200);
    for (shows, reason) in [
        (None, "tls_no_certificate"),
        (Some(other.sign(&name)), "tls_unknown_issuer"),
        (Some(carrier.sign("sbc.carrier.example")), "tls_wrong_name"),
        (Some(carrier.sign_until(&name, (2021, 1, 1))), "tls_expired"),
    ] {
        assert!(code(shows.as_ref()).is_err(), "{reason} was let in");
        daemon.wait_metric(&refused(reason), 1.0);
        daemon.wait_log(reason);
    }
    // From the same address in the clear: not a byte.
    let plain = crate::house::sipp::Run::one("normal", "13800001111", '1');
    let (mut child, _temp) = plain.spawn(daemon.sip);
    daemon.wait_until(&refused("not_secured"), |count| count >= 1.0);
    child.kill().expect("our child");
    child.wait().expect("our child");
    assert_eq!(daemon.metric("jiesu_calls_total"), 0.0);
}

/// SIGHUP after the certificate was renewed: who is connected stays, who comes sees the new one. A key that does not fit
/// is refused, and the old pair stays.
#[test]
fn a_new_certificate_in_between() {
    if !in_own_network("tls::a_new_certificate_in_between") {
        return;
    }
    let us = Authority::new("us");
    let (old, new) = (us.sign("127.0.0.1"), us.sign("127.0.0.1"));
    let daemon = Daemon::start(&listening(&old));
    let at = daemon.tls.expect("it listens for TLS");
    let open = || Line::open(at, us.client(None)).expect("it is believed");
    let mut before = open();
    assert_eq!(before.shown(), old.chain()[0].to_vec());
    let put = |name: &str, text: &str| fs::write(daemon.folder.join("tls").join(name), text).expect("write");
    put("jiesu.pem", &new.certificate);
    daemon.signal("-HUP");
    daemon.wait_metric("jiesu_reloads_total{result=\"refused\"}", 1.0);
    daemon.wait_log("is not the key of");
    assert_eq!(open().shown(), old.chain()[0].to_vec());
    put("jiesu.key", &new.key);
    daemon.signal("-HUP");
    daemon.wait_metric("jiesu_reloads_total{result=\"taken\"}", 1.0);
    assert_eq!(open().shown(), new.chain()[0].to_vec());
    assert_eq!(before.code("OPTIONS").expect("it is still open"), 200);
}

/// `jiesu check` says that a certificate has expired; the daemon starts all the same, since others call in the clear.
#[test]
fn an_expired_certificate_is_a_fault_and_no_dead_line() {
    let old = Authority::new("us").sign_until("127.0.0.1", (2021, 1, 1));
    let daemon = Daemon::start(&listening(&old));
    daemon.wait_log("has expired");
    assert!(daemon.metric("jiesu_sip_certificate_ends_seconds") == 1_609_459_200.0, "date -d 2021-01-01Z +%s");
    let out = cli(&daemon.folder, &["check"]);
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.contains("sip.tls.certificate: \"tls/jiesu.pem\" has expired"), "{said}");
    assert_eq!(daemon.stop(Duration::from_secs(10)), 0);
}

/// A call of ours to a carrier whose first address shows a certificate that is not the carrier's: nothing is said to it, and
/// the second address gets the call, every message of it over TLS.
#[test]
fn a_call_of_ours_goes_to_the_carrier_and_to_nobody_who_stands_in_its_place() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("tls::a_call_of_ours_goes_to_the_carrier_and_to_nobody_who_stands_in_its_place") {
        return;
    }
    let (us, carrier, other) = (Authority::new("us"), Authority::new("carrier"), Authority::new("other"));
    let number = format!("138{:08}", draw(100_000_000));
    let mut plan = listening(&us.sign("127.0.0.1"));
    plan.files.push(("tls/carrier.pem".into(), carrier.pem()));
    plan.files.push((
        "trunks/carrier.toml".into(),
        "addresses = [\"127.0.0.1\"]\noutbound = [\"tls:127.0.0.1:5071\", \"tls:127.0.0.1:5091\"]\n\
         [tls]\nca = \"tls/carrier.pem\"\nnames = [\"sbc1.carrier.example\", \"sbc2.carrier.example\"]\n"
            .into(),
    ));
    let flow = fs::read_to_string(root().join("config/flows/main.toml")).expect("the shipped flow");
    assert!(flow.contains("sip:operator@127.0.0.1:5061"), "the shipped flow's operator has moved");
    let target = format!("sip:{number}@carrier");
    plan.files.push(("flows/main.toml".into(), flow.replace("sip:operator@127.0.0.1:5061", &target)));
    let daemon = Daemon::start(&plan);
    let mic = daemon.folder.join("carrier.wav");
    fs::write(&mic, jiesu::audio::wav::bytes(&vec![0i16; 8000 * 60], 8000)).expect("write");
    let speech = Speech { codecs: "PCMA/8000/1", rate: 8_000, account: ";answermode=auto" };
    let mut wrong = Phone::secured(&number, &mic, 5070, &speech, &other.sign("sbc1.carrier.example"));
    let mut right = Phone::secured(&number, &mic, 5090, &speech, &carrier.sign("sbc2.carrier.example"));
    let caller = Command::new(jiesu())
        .args(["call", &format!("sip:12345@{}", daemon.sip), "--dtmf", "0@1s", "--max", "30s", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test telephone runs");
    let call_id = right.wait("CALL_ESTABLISHED", Duration::from_secs(30))["id"].as_str().expect("an id").to_owned();
    right.command("hangup", "");
    right.wait("CALL_CLOSED", Duration::from_secs(10));
    daemon.wait_metric(&refused("tls_unknown_issuer"), 1.0);
    assert_eq!(daemon.metric("jiesu_trunk_failover_total"), 1.0);
    while let Some(event) = wrong.next(Duration::from_millis(100)) {
        assert_ne!(event["type"], "CALL_INCOMING", "the impostor was called: {event}");
    }
    // The ladder shows it in the clear.
    let out = cli(&daemon.folder, &["trace", &call_id, "--full", "--at", &daemon.web.to_string()]);
    let ladder = String::from_utf8_lossy(&out.stdout).into_owned();
    let ours = daemon.tls.expect("it listens for TLS");
    for part in ["INVITE sip:", &format!("Via: SIP/2.0/TLS {ours}"), &format!("Contact: <sip:{ours};transport=tls>")] {
        assert!(ladder.contains(part), "{part:?} is not in\n{ladder}");
    }
    assert!(ladder.contains("BYE sip:") && !ladder.contains("SIP/2.0/UDP"), "{ladder}");
    let report = caller.wait_with_output().expect("our child");
    assert!(report.status.success(), "{}", String::from_utf8_lossy(&report.stdout));
    daemon.wait_tickets(1, Duration::from_secs(10));
}
