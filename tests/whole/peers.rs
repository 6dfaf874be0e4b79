//! What goes on between us and carriers outside calls.

use std::process::{Child, Command, Stdio};

use crate::house::carrier::{Answer, Carrier, header};
use crate::house::{Daemon, Plan, draw, in_own_network, jiesu, root};

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
