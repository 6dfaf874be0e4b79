//! SIPVicious, with which the internet looks for telephone systems: svmap (is there one?), svwar (which numbers has it?),
//! svcrack (what is a number's password?). It learns nothing.

use std::process::{Command, Output};

use crate::house::{Daemon, Plan, draw, has, in_own_network, skip};

/// One of its tools, from an address of its own.
fn tool(daemon: &Daemon, name: &str, args: &[&str]) -> String {
    let port = daemon.sip.port().to_string();
    // It keeps sessions under its home. What gets no answer is sent again for long: 8 s are enough to have sent all.
    let Output { stdout, stderr, .. } = Command::new("timeout")
        .args(["-s", "INT", "8", name, "-p", &port, "-P", "5090"])
        .args(args)
        .arg("192.0.2.9")
        .env("HOME", &daemon.folder)
        .output()
        .expect("timeout is part of coreutils");
    String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr)
}

/// The runs of [`scan`]; three of them are svmap's.
const RUNS: usize = 8;

/// Every tool with every method.
fn scan(more: &[(&str, &str)], trunks: Vec<(String, String)>) -> (Daemon, String) {
    let mut edits = vec![("listen = [\"127.0.0.1:0\"]".to_owned(), "listen = [\"192.0.2.9:0\"]".to_owned())];
    edits.extend(more.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())));
    let daemon = Daemon::start(&Plan { edits, files: trunks, ..Plan::default() });
    let mut said = String::new();
    for method in ["OPTIONS", "INVITE", "REGISTER"] {
        said += &tool(&daemon, "svmap", &["-m", method]);
        // The hotline's own number is the last one.
        said += &tool(&daemon, "svwar", &["-e", "12340-12345", "-m", method, "--force"]);
    }
    said += &tool(&daemon, "svcrack", &["-u", "12345", "-r", "12340-12370"]);
    said += &tool(&daemon, "svcrack", &["-u", "12345", "-r", "12340-12370", "-m", "INVITE"]);
    (daemon, said)
}

/// How many of its runs had nothing to tell.
fn vain(said: &str) -> usize {
    said.matches("found nothing").count()
}

#[test]
fn strangers_find_nothing_at_all() {
    if !has("svmap") {
        return skip("SIPVicious is not installed");
    }
    if !in_own_network("scanners::strangers_find_nothing_at_all") {
        return;
    }
    let (daemon, said) = scan(&[], Vec::new());
    assert!(vain(&said) == RUNS && !said.contains("jiesu"), "{said}");
    daemon.wait_until("jiesu_refused_total{reason=\"unlisted\",trunk=\"-\"}", |refused| refused >= 6.0);
    assert_eq!((daemon.metric("jiesu_calls_total"), daemon.metric("jiesu_sip_transactions")), (0.0, 0.0));
}

/// With one 403 for all they see that something is there, and neither what nor which numbers it has.
#[test]
fn strangers_who_are_answered_learn_no_number_and_no_name() {
    if !has("svmap") {
        return skip("SIPVicious is not installed");
    }
    if !in_own_network("scanners::strangers_who_are_answered_learn_no_number_and_no_name") {
        return;
    }
    let (daemon, said) = scan(&[("# unlisted = \"drop\"", "unlisted = \"forbid\"")], Vec::new());
    assert_eq!((vain(&said), said.matches("| unknown ").count()), (RUNS - 3, 3), "{said}");
    assert!(!said.contains("jiesu"), "{said}");
    assert_eq!(daemon.metric("jiesu_calls_total"), 0.0);
}

/// A trunk's own address, with passwords: the number, the user and the password that are right look like the others,
/// for as long as they are not given together.
#[test]
fn a_listed_address_learns_no_number_and_cracks_no_password() {
    if !has("svmap") {
        return skip("SIPVicious is not installed");
    }
    if !in_own_network("scanners::a_listed_address_learns_no_number_and_cracks_no_password") {
        return;
    }
    // Among those that are tried once an address has guessed wrong ten times.
    let password = 12_351 + draw(19);
    let trunk = "addresses = [\"192.0.2.0/24\"]\ndigest = [\"MD5\"]\n\
        [[user]]\nname = \"12345\"\npassword_file = \"carrier.password\"\n";
    let trunks =
        vec![("trunks/carrier.toml".into(), trunk.into()), ("carrier.password".into(), format!("{password}\n"))];
    let (daemon, said) = scan(&[], trunks);
    // svmap finds that there is something, as it should from there.
    assert_eq!((vain(&said), said.matches("| jiesu ").count()), (RUNS - 3, 3), "{said}");
    assert_eq!(daemon.metric("jiesu_calls_total"), 0.0);
}
