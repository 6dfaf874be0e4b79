//! What goes on between us and carriers outside calls.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::house::carrier::{Answer, Carrier, header};
use crate::house::dns::{Data, NameServer, record};
use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, hear, in_own_network, jiesu, root};

/// A daemon whose trunk `carrier` is loopback, before the shipped `local`; `0` calls `number` over it.
fn daemon(number: &str, more: &str, change: impl FnOnce(&mut Plan)) -> Daemon {
    let mut plan = Plan::default();
    plan.files.push(("trunks/carrier.toml".into(), format!("addresses = [\"127.0.0.0/8\"]\n{more}")));
    let flow = std::fs::read_to_string(root().join("config/flows/main.toml")).expect("the shipped flow");
    assert!(flow.contains("sip:operator@127.0.0.1:5061"), "the shipped flow's operator has moved");
    let target = format!("sip:{number}@carrier");
    plan.files.push(("flows/main.toml".into(), flow.replace("sip:operator@127.0.0.1:5061", &target)));
    change(&mut plan);
    Daemon::start(&plan)
}

/// A caller who asks for a human at once; goes on until dropped.
struct Caller(Child);

impl Caller {
    fn new(daemon: &Daemon) -> Caller {
        let uri = format!("sip:12345@{}", daemon.sip);
        let mut command = Command::new(jiesu());
        command.args(["call", &uri, "--dtmf", "0@500ms", "--from", "13812345678", "--max", "60s"]);
        Caller(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the test telephone runs"))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        // It may be over already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn number() -> String {
    format!("100{:02}", draw(100))
}

/// Any of these may be the one that dies: the calls go to the others, without a single try in vain.
#[test]
fn an_address_that_does_not_answer_options_is_tried_last() {
    if !in_own_network("peers::an_address_that_does_not_answer_options_is_tried_last") {
        return;
    }
    let lively = |text: &str| vec![Answer::code(if text.starts_with("INVITE") { 486 } else { 200 })];
    let carriers = [Carrier::start(lively), Carrier::start(lively)];
    let outbound = carriers.each_ref().map(|carrier| format!("\"{}\"", carrier.address)).join(", ");
    let keepalive = "[keepalive]\nevery = \"1s\"\nwithin = \"500ms\"\ndown_after = 2\nup_after = 1\n";
    let daemon = daemon(&number(), &format!("outbound = [{outbound}]\n{keepalive}"), |_| {});
    let up = |carrier: &Carrier| format!("jiesu_trunk_up{{address=\"udp:{}\"}}", carrier.address);
    for carrier in &carriers {
        daemon.wait_metric(&up(carrier), 1.0);
        let asked = carrier.wait("OPTIONS", 2);
        assert!(asked[0].starts_with(&format!("OPTIONS sip:{} SIP/2.0", carrier.address)), "{}", asked[0]);
        assert_ne!(header(&asked[0], "Call-ID"), header(&asked[1], "Call-ID"));
    }
    let calls = |count: [usize; 2]| {
        let _caller = Caller::new(&daemon);
        carriers.iter().zip(count).for_each(|(carrier, count)| drop(carrier.wait("INVITE", count)));
        assert_eq!(carriers.each_ref().map(|carrier| carrier.heard("INVITE").len()), count);
    };
    calls([1, 0]); // in the written order
    // The first falls silent: down after two questions.
    carriers[0].now(|_| Vec::new());
    daemon.wait_metric(&up(&carriers[0]), 0.0);
    daemon.wait_log("the trunk's address is down");
    calls([1, 1]);
    assert_eq!(daemon.metric("jiesu_trunk_failover_total"), 0.0, "nobody waited for the silent one");
    // It is asked on, and comes back.
    carriers[0].now(lively);
    daemon.wait_metric(&up(&carriers[0]), 1.0);
    calls([2, 1]);
    let log = daemon.log();
    let changes = log.lines().filter(|line| line.contains("the trunk's address is")).count();
    assert_eq!(changes, 3, "one line for each change: {log}");
}

/// SIPp is the registrar: it wants a longer time (423), a password (which it verifies), a refresh, and to hear of our end.
#[test]
fn a_registration_lives_as_long_as_the_daemon() {
    if !in_own_network("peers::a_registration_lives_as_long_as_the_daemon") {
        return;
    }
    let password = format!("p{}", draw(u64::MAX));
    let run = Run { more: vec!["-p", "5078", "-key", "password", &password], ..Run::one("registrar", "", '1') };
    let (mut registrar, temp) = run.spawn("127.0.0.1:5060".parse().expect("an address"));
    let more = "outbound = [\"127.0.0.1:5078\"]\n\
        [register]\nuser = \"beijing\"\ndomain = \"carrier.example\"\nexpires = \"60s\"\n\
        [login]\nrealm = \"carrier.example\"\nuser = \"beijing\"\npassword_file = \"carrier.password\"\n";
    let daemon = daemon(&number(), more, |plan| {
        plan.files.push(("carrier.password".into(), format!("{password}\n")));
    });
    daemon.wait_metric("jiesu_trunk_registered", 1.0);
    daemon.wait_log("registered with the carrier");
    // Ten seconds are granted: the second round of questions is the refresh, at half of it.
    daemon.wait_until("jiesu_sip_sent_total", |sent| sent >= 5.0);
    assert_eq!(daemon.metric("jiesu_trunk_registered"), 1.0);
    let log = daemon.folder.join("log.txt");
    assert_eq!(daemon.log().matches("registered with the carrier").count(), 1, "one line for each change");
    assert!(!daemon.log().contains(&password), "the password is in the log");
    let kept = tempfile::NamedTempFile::new().expect("a file");
    assert_eq!(daemon.stop_keeping(Duration::from_secs(20), &log, kept.path()), 0);
    let said = std::fs::read_to_string(kept.path()).expect("the log");
    assert!(said.contains("the registration was taken back"), "{said}");
    let status = registrar.wait().expect("our child");
    let errors = std::fs::read_to_string(temp.path().join("err.log")).unwrap_or_default();
    assert!(status.success(), "{status}\n{errors}");
}

/// What the far end plays before it refuses is heard, and why it refuses is written down.
#[test]
fn an_announcement_before_the_answer_is_heard_and_its_reason_is_known() {
    if !in_own_network("peers::an_announcement_before_the_answer_is_heard_and_its_reason_is_known") {
        return;
    }
    let prompts = root().join("config/prompts");
    let said = prompts.join("menu-services.wav");
    let pcm = jiesu::audio::wav::read(&std::fs::read(&said).expect("a shipped prompt")).expect("a WAV").to_8k();
    let speech = pcm.iter().map(|sample| jiesu::audio::g711::alaw_encode(*sample)).collect();
    let run = Run { speech, more: vec!["-p", "5079"], ..Run::one("early", "", '1') };
    let (mut far, _temp) = run.spawn("127.0.0.1:5060".parse().expect("an address"));
    let daemon = daemon(&number(), "outbound = [\"127.0.0.1:5079\"]\n", |_| {});
    let heard = daemon.folder.join("heard.wav");
    let uri = format!("sip:12345@{}", daemon.sip);
    let out = Command::new(jiesu())
        .args(["call", &uri, "--dtmf", "0@500ms", "--max", "24s", "--record"])
        .arg(&heard)
        .output()
        .expect("the test telephone runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(far.wait().expect("our child").success(), "the far end did not come to its end");
    let told = hear::read(&heard);
    let (_, share) = hear::heard(&told, 0, &hear::read(&said)[..4 * hear::SECOND]);
    assert!(share > 0.5, "the announcement was not heard ({share:.2})");
    let (_, share) = hear::heard(&told, 0, &hear::read(&prompts.join("busy-leave-request.wav")));
    assert!(share > 0.5, "the flow did not go on with the caller ({share:.2})");
    daemon.wait_log("reason=\"busy\"");
    assert_eq!(daemon.metric("jiesu_outbound_failed_total{reason=\"busy\"}"), 1.0);
    assert_eq!(daemon.metric("jiesu_outbound_early_media_total"), 1.0);
    // One name for both legs.
    let log = daemon.log();
    let call = log.split("call=").nth(1).and_then(|rest| rest.split(' ').next()).expect("the call's name");
    let (code, ladder) = daemon.get(&format!("/api/v1/trace?call={call}"));
    assert_eq!(code, 200, "{ladder}");
    assert!(ladder.matches("Call-ID ").count() == 2 && ladder.contains("183"), "{ladder}");
}

/// Two addresses of a trunk have no longer together than one alone.
#[test]
fn the_time_to_ring_is_not_given_again_for_each_address() {
    if !in_own_network("peers::the_time_to_ring_is_not_given_again_for_each_address") {
        return;
    }
    let silent = Carrier::start(|_| Vec::new());
    let rings = Carrier::start(|text| vec![Answer::code(if text.starts_with("INVITE") { 180 } else { 200 })]);
    let outbound = format!("outbound = [\"{}\", \"{}\"]\nsilence = \"4s\"\n", silent.address, rings.address);
    let daemon = daemon(&number(), &outbound, |plan| {
        plan.edits.push(("# transfer_ring = \"30s\"".into(), "transfer_ring = \"5s\"".into()));
    });
    let _caller = Caller::new(&daemon);
    rings.wait("CANCEL", 1);
    let at = |carrier: &Carrier, method: &str| carrier.times(method)[0].0;
    let (first, second, end) = (at(&silent, "INVITE"), at(&rings, "INVITE"), at(&rings, "CANCEL"));
    // 4 s for the first, 1 s for the second: if each had its five, the second would have more than the first.
    assert!(end - second < second - first, "{:?} after {:?}", end - second, second - first);
    daemon.wait_log("reason=\"no_answer\"");
}

/// A carrier that is written by name alone: whom we call, and who may call us, is what DNS says, also where that changes,
/// and also where DNS falls silent.
#[test]
fn a_carrier_is_found_by_its_name() {
    if !in_own_network("peers::a_carrier_is_found_by_its_name") {
        return;
    }
    let busy = |text: &str| vec![Answer::code(if text.starts_with("INVITE") { 486 } else { 200 })];
    let at = |ip: &str| Carrier::on(std::net::UdpSocket::bind((ip, 0)).expect("loopback"), busy);
    let carriers = [at("127.0.0.11"), at("127.0.0.12")];
    // The last may be asked only where NAPTR is not.
    let zone = |first: &Carrier, second: &Carrier| {
        let host = |name: &str, carrier: &Carrier| record(name, Data::Address(carrier.address.ip()));
        let srv =
            |priority, carrier: &Carrier, target: &str| Data::Srv(priority, 0, carrier.address.port(), target.into());
        vec![
            record("carrier.example", Data::Naptr(20, 1, "SIP+D2T".into(), "_sip._tcp.carrier.example".into())),
            record("carrier.example", Data::Naptr(10, 1, "SIP+D2U".into(), "_udp.elsewhere.example".into())),
            record("_udp.elsewhere.example", srv(20, second, "b.elsewhere.example")),
            record("_udp.elsewhere.example", srv(10, first, "a.elsewhere.example")),
            host("a.elsewhere.example", first),
            host("b.elsewhere.example", second),
        ]
    };
    let dns = NameServer::start(zone(&carriers[0], &carriers[1]));
    let mut plan = Plan::default();
    plan.edits.push(("#: resolvers = [\"192.0.2.53\"]".into(), format!("resolvers = [\"{}\"]", dns.address)));
    // Nobody but the carrier may call, and the shipped trunk lists loopback: that one is taken out.
    plan.files.push(("trunks/local.toml".into(), "addresses = [\"127.0.0.1\"]\n".into()));
    plan.files.push((
        "trunks/carrier.toml".into(),
        "addresses = [\"srv:carrier.example\"]\noutbound = [\"carrier.example\"]\n".into(),
    ));
    let flow = std::fs::read_to_string(root().join("config/flows/main.toml")).expect("the shipped flow");
    plan.files
        .push(("flows/main.toml".into(), flow.replace("operator@127.0.0.1:5061", &format!("{}@carrier", number()))));
    let daemon = Daemon::start(&plan);
    daemon.wait_log("a name of a trunk is found");
    let calls = |count: [usize; 2]| {
        let _caller = Caller::new(&daemon);
        carriers.iter().zip(count).for_each(|(carrier, count)| drop(carrier.wait("INVITE", count)));
        assert_eq!(carriers.each_ref().map(|carrier| carrier.heard("INVITE").len()), count);
    };
    let listed =
        String::from_utf8(daemon.cli(&["trunk", "list", "--at", &daemon.web.to_string()]).stdout).expect("UTF-8");
    assert!(listed.contains("srv:carrier.example") && listed.contains(&carriers[1].address.to_string()), "{listed}");
    let examined = daemon.cli(&["trunk", "test", "carrier", "--only", "options"]);
    assert!(!carriers[0].heard("OPTIONS").is_empty(), "{}", String::from_utf8_lossy(&examined.stderr));
    calls([1, 0]);
    let asked = dns.asked();
    assert!(asked.contains(&"_udp.elsewhere.example 33".to_owned()), "the name that NAPTR gives: {asked:?}");
    assert!(!asked.contains(&"_sip._udp.carrier.example 33".to_owned()), "a guess where NAPTR is: {asked:?}");
    // Its address is the carrier's, any other one nobody's.
    let answered = |from: &str| {
        let socket = std::net::UdpSocket::bind((from, 0)).expect("loopback");
        socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a time-out");
        let us = socket.local_addr().expect("bound");
        let request = format!(
            "OPTIONS sip:x@h SIP/2.0\r\nVia: SIP/2.0/UDP {us};rport;branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n\
             From: <sip:a@h>;tag=1\r\nTo: <sip:x@h>\r\nCall-ID: {us}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n",
            draw(u64::MAX)
        );
        // Asked some times: no single lost datagram decides.
        (0..6).any(|_| {
            socket.send_to(request.as_bytes(), daemon.sip).expect("loopback");
            socket.recv(&mut [0; 2048]).is_ok()
        })
    };
    assert!(answered("127.0.0.12") && !answered("127.0.0.13"));
    // The first one goes; then DNS says nothing any more, and the last answer counts.
    dns.now(Some(zone(&carriers[1], &carriers[1])));
    daemon.wait_log("addresses=\"127.0.0.12");
    dns.now(None);
    daemon.wait_log("is not found; the last answer counts");
    calls([1, 1]);
    assert!(answered("127.0.0.12") && !answered("127.0.0.11"));
}
