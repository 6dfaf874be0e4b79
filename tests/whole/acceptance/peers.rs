//! Whole peers: our own daemon, baresip, a carrier over TLS; and the list of trunks.

use super::*;

/// Our own daemon, with a password, as the carrier: whatever it has passes, and the page says all of it.
#[test]
fn our_own_daemon_is_accepted() {
    if !in_own_network("acceptance::peers::our_own_daemon_is_accepted") {
        return;
    }
    let password = format!("p{}", draw(1 << 40));
    let users = "addresses = [\"127.0.0.1\"]\nrealm = \"jiesu\"\n[[user]]\nname = \"hotline\"\npassword_env = \"US\"\n";
    let ours = Daemon::start(&Plan {
        files: vec![("trunks/a.toml".into(), users.into())],
        edits: vec![(
            "# codecs = [\"PCMA\", \"PCMU\"]".into(),
            "codecs = [\"PCMA\", \"PCMU\", \"G722\", \"opus\"]".into(),
        )],
        environment: vec![("US".into(), password.clone())],
        ..Plan::default()
    });
    let login = "[login]\nrealm = \"jiesu\"\nuser = \"hotline\"\npassword_env = \"US\"\n";
    let folder = configured(&[], "").keep();
    let trunk = format!(
        "addresses = [\"127.0.0.1\"]\noutbound = [\"{}\", \"tcp:{}\"]\nsilence = \"20s\"\n{login}",
        ours.sip, ours.tcp
    );
    std::fs::write(folder.join("trunks/carrier.toml"), trunk).expect("write");
    let page = folder.join("report.html");
    let out = std::process::Command::new(crate::house::jiesu())
        .args(["trunk", "test", "carrier", "--to", "12345", "--json", "--report"])
        .arg(&page)
        .arg("-c")
        .arg(&folder)
        .env("US", &password)
        .output()
        .expect("jiesu runs");
    let report: Value =
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)));
    let rows = report["checks"].as_array().expect("a list");
    let passed: Vec<&str> =
        rows.iter().filter(|row| row["verdict"] == "pass").filter_map(|row| row["name"].as_str()).collect();
    let failed: Vec<_> = rows.iter().filter(|row| row["verdict"] == "fail").collect();
    assert!(failed.is_empty() && out.status.success(), "{failed:#?}");
    for name in [
        "options",
        "call",
        "challenge",
        "each-address",
        "delayed-offer",
        "hold",
        "codec-change",
        "codec-pcma",
        "codec-pcmu",
        "codec-g722",
        "codec-opus",
        "keys-rfc4733",
        "keys-info",
        "session-timer",
    ] {
        assert!(passed.contains(&name), "{name} did not pass: {:#}", report);
    }
    let page = std::fs::read_to_string(page).expect("the page was written");
    for row in rows {
        let said = row["title"].as_str().expect("a title");
        assert!(page.contains(said), "{said} is not in the page");
    }
    assert!(page.contains("INVITE sip:12345@") && page.contains("Signature"), "no ladder or no place to sign");
    assert!(!page.contains(&password) && !page.contains("response=\""), "the page tells of the password");
    std::fs::remove_dir_all(folder).expect("it was ours");
}

/// A telephone that is not ours: baresip, which answers and speaks in every codec. The keys that we say we sent are those
/// that it heard.
#[test]
fn baresip_is_accepted() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("acceptance::peers::baresip_is_accepted") {
        return;
    }
    let folder = configured(&[5061], "");
    let mic = crate::house::root().join("config/prompts/menu-services.wav");
    let spoken = folder.path().join("mic.wav");
    let pcm = jiesu::audio::wav::read(&std::fs::read(mic).expect("a shipped prompt")).expect("a WAV").to_8k();
    std::fs::write(&spoken, jiesu::audio::wav::bytes(&pcm, 8000)).expect("write");
    let mut phone = Phone::start("carrier", &spoken, 5061, ";answermode=auto");
    for check in ["call", "delayed-offer", "hold", "codec-change", "codec-pcma", "codec-pcmu"] {
        let said = asked(folder.path(), check, &["carrier"]);
        assert_eq!(said.verdict, "pass", "{check}: {}\n{}", said.came, said.whole["checks"][0]["ladder"]);
    }
    let said = asked(folder.path(), one_of(&["codec-g722", "codec-opus"]), &["carrier"]);
    assert_eq!(said.verdict, "not_offered", "{}", said.came);
    let said = asked(folder.path(), "keys-rfc4733", &["carrier"]);
    assert_eq!(said.verdict, "pass", "{}", said.came);
    let keys: String = (0..4)
        .map(|_| phone.wait("CALL_DTMF_START", Duration::from_secs(10))["param"].as_str().expect("a key").to_owned())
        .collect();
    assert!(said.came.starts_with(&keys), "baresip heard {keys}: {}", said.came);
    // It is no echo: whoever says so is told.
    let said = asked(folder.path(), "codec-pcma", &["echo=carrier"]);
    assert!(said.verdict == "fail" && said.came.contains("is not the tones"), "{}: {}", said.verdict, said.came);
}

#[test]
fn usage_is_told_before_anything_is_sent() {
    let folder = configured(&[], "");
    let exit = |args: &[&str]| cli(folder.path(), &[&["trunk", "test"], args].concat()).status.code();
    assert_eq!(exit(&["nobody", "--to", "1"]), Some(64), "no such trunk");
    assert_eq!(exit(&["carrier", "--to", "1"]), Some(64), "nowhere to call");
    assert_eq!(exit(&["carrier", "--to", "loud=1"]), Some(64), "no such role");
    assert_eq!(exit(&["carrier", "--to", "1", "--only", "everything"]), Some(64), "no such check");
    let there = configured(&[PORT], "");
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback");
    let bind = taken.local_addr().expect("bound").to_string();
    let from = cli(there.path(), &["trunk", "test", "carrier", "--bind", &bind]);
    assert_eq!(from.status.code(), Some(64), "somebody has that port");
    let list = cli(folder.path(), &["trunk", "list", "--json"]);
    let list: Value = serde_json::from_slice(&list.stdout).expect("JSON");
    let names: Vec<_> = list.as_array().expect("a list").iter().map(|trunk| trunk["name"].clone()).collect();
    assert_eq!(names, ["carrier", "local"]);
}

/// The list tells how a running daemon's trunks do; without one it shows the files alone.
#[test]
fn the_list_tells_how_the_addresses_do() {
    if !has("sipp") {
        return skip("sipp is not installed");
    }
    if !in_own_network("acceptance::peers::the_list_tells_how_the_addresses_do") {
        return;
    }
    let asked: Vec<Step> = [Gets("OPTIONS"), Last(200, "OK", String::new())].to_vec();
    let _there = Carrier::start(PORT, true, &asked);
    let trunk = format!(
        "addresses = [\"127.0.0.1\"]\noutbound = [\"127.0.0.1:{PORT}\", \"tcp:127.0.0.1:{}\"]\n\
         [keepalive]\nevery = \"1s\"\nwithin = \"900ms\"\ndown_after = 1\nup_after = 1\n",
        PORT + 10
    );
    let plan = Plan { files: vec![("trunks/carrier.toml".into(), trunk)], ..Plan::default() };
    let daemon = Daemon::start(&plan);
    let list = |more: &[&str]| {
        let out = cli(&daemon.folder, &[&["trunk", "list", "--json"], more].concat());
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice::<Value>(&out.stdout).expect("JSON")[0].clone()
    };
    let at = daemon.web.to_string();
    let begun = std::time::Instant::now();
    loop {
        let carrier = list(&["--at", &at]);
        let states: Vec<_> = (0..2).map(|way| carrier["outbound"][way]["state"].clone()).collect();
        if states == ["up", "down"] {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{carrier:#}\n{}", daemon.log());
    }
    let without = list(&["--at", "127.0.0.1:9"]);
    assert_eq!((&without["name"], &without["outbound"][0]["state"]), (&"carrier".into(), &Value::Null));
}

/// The same over TLS: a carrier whose certificate is the trunk's passes, one with another's is not spoken to.
#[test]
fn a_carrier_over_tls_is_judged() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("acceptance::peers::a_carrier_over_tls_is_judged") {
        return;
    }
    let (us, carrier, other) = (Authority::new("us"), Authority::new("carrier"), Authority::new("other"));
    let mut plan = listening(&us.sign("127.0.0.1"));
    plan.files.push(("tls/carrier.pem".into(), carrier.pem()));
    plan.files.push((
        "trunks/carrier.toml".into(),
        "addresses = [\"127.0.0.1\"]\noutbound = [\"tls:127.0.0.1:5071\"]\nsilence = \"20s\"\n\
         [tls]\nca = \"tls/carrier.pem\"\nnames = [\"sbc.carrier.example\"]\n"
            .into(),
    ));
    let folder = folder(&plan);
    let mic = folder.path().join("mic.wav");
    std::fs::write(&mic, jiesu::audio::wav::bytes(&vec![0i16; 8000 * 60], 8000)).expect("write");
    let speech = Speech { codecs: "PCMA/8000/1,PCMU/8000/1", rate: 8_000, account: ";answermode=auto" };
    for (authority, verdict) in [(&other, "fail"), (&carrier, "pass")] {
        let _phone = Phone::secured("carrier", &mic, 5070, &speech, &authority.sign("sbc.carrier.example"));
        let said = asked(folder.path(), "call", &["carrier"]);
        let ladder = said.whole["checks"][0]["ladder"].as_str().unwrap_or_default();
        assert_eq!(said.verdict, verdict, "{}\n{ladder}", said.came);
        assert!(ladder.contains("127.0.0.1:5071 TLS"), "{ladder}");
    }
}
