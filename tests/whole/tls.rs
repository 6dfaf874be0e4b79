//! SIP over TLS: a softphone in every direction, certificates that are and are not believed, and a new one in between.

use std::fs;
use std::time::Duration;

use crate::codecs::conversation;
use crate::house::baresip::Speech;
use crate::house::certificates::{Authority, Signed};
use crate::house::secured::{Line, listening};
use crate::house::{Daemon, cli, draw, in_own_network};

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
