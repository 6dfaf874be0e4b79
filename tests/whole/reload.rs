//! Other files for new calls: taken while calls run, refused when they are bad, at a time, and back again. What a call
//! followed is told by its row (the version) and, independently, by the nodes that it came through: every version's
//! nodes have names of their own.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use jiesu::config::version::Files;
use jiesu::ivr::journal::{Journal, Step};
use jiesu::store::{self, Past, Store};
use jiff::Timestamp;
use serde_json::Value;

use crate::house::sipp::Run;
use crate::house::{Daemon, Plan, draw, in_own_network, pause};

/// The console where `web.listen` says: the commands find it there.
fn plan() -> Plan {
    let edits = vec![("listen = \"127.0.0.1:0\"".into(), "listen = \"127.0.0.1:8345\"".into())];
    // The shipped rules lead to nodes of the shipped flow.
    let files = vec![("emergency.toml".into(), "overhear = false\n".into())];
    Plan { edits, files, ..Plan::default() }
}

/// Two keys, each asked for in a node that only this version has.
fn flow(name: &str, keys: [char; 2]) -> String {
    let [one, two] = keys;
    format!(
        r#"
start = "one-{name}"
too_long = "end-{name}"
[times]
wait = "60s"
[[no_input]]
go = "end-{name}"
[[no_match]]
go = "end-{name}"
[node.one-{name}]
do = "menu"
say = ["digit-1"]
choice = [{{ key = "{one}", go = "two-{name}" }}]
[node.two-{name}]
do = "menu"
say = ["digit-2"]
choice = [{{ key = "{two}", go = "three-{name}" }}]
[node.three-{name}]
do = "menu"
say = ["digit-3"]
choice = [{{ key = "*", go = "end-{name}" }}]
[node.end-{name}]
do = "hangup"
say = ["thanks"]
"#
    )
}

/// Something that does not check: which file, and what is in it.
fn bad(good: &str, name: &str) -> (&'static str, String) {
    match draw(6) {
        0 => ("flows/main.toml", good.replace(&format!("go = \"two-{name}\""), "go = \"nowhere\"")),
        1 => ("flows/main.toml", good.replace("digit-2", "no-such-prompt")),
        2 => ("flows/main.toml", good[..good.len() / 2].to_owned() + "\nchoice = ["),
        3 => ("flows/main.toml", good.replace("[times]", "[time]")),
        4 => ("flows/main.toml", format!("{good}\n[node.stray]\ndo = \"goto\"\ngo = \"stray\"\n")),
        _ => ("flows/stray.toml", "start = 7".to_owned()),
    }
}

/// SIPp with a hundred calls at a time, each pressing both keys at drawn times, until it is told to come to an end.
struct Callers {
    child: Child,
    temp: tempfile::TempDir,
}

impl Callers {
    fn start(daemon: &Daemon, keys: [char; 2]) -> Callers {
        let temp = tempfile::tempdir().expect("a folder");
        let normal = fs::read_to_string(crate::house::root().join("tests/sipp/normal.xml")).expect("the scenario");
        let press = |key: char| format!("<nop><action><exec play_dtmf=\"{key}\"/></action></nop>");
        let rest = |least: u64, most: u64| format!("<pause distribution=\"uniform\" min=\"{least}\" max=\"{most}\"/>");
        let (before, after) = normal.split_once("<pause milliseconds=\"2000\"/>").expect("it waits before its key");
        let after = after.split_once("<pause milliseconds=\"2000\"/>").expect("and after it").1;
        let middle = [rest(800, 5000), press(keys[0]), rest(1000, 5000), press(keys[1]), rest(1500, 2500)].join("\n");
        let scenario = format!("{before}{middle}{after}").replace("[field0]", "1390000[call_number]");
        fs::write(temp.path().join("linger.xml"), scenario).expect("write");
        let child = Command::new("sipp")
            .arg(daemon.sip.to_string())
            .args(["-sf", "linger.xml", "-s", "12345", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-mp", "42000"])
            .args(["-l", "100", "-r", "25", "-m", "100000", "-nostdin", "-trace_err", "-error_file", "err.log"])
            .args(["-trace_stat", "-stf", "stat.csv", "-fd", "1"])
            .current_dir(temp.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("sipp is installed");
        Callers { child, temp }
    }

    /// No new calls; those that run come to their end. How many there were, all of them good.
    fn end(mut self) -> usize {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-USR1", &pid]).status().expect("kill").success());
        self.child.wait().expect("our child");
        let stat = fs::read_to_string(self.temp.path().join("stat.csv")).expect("SIPp's figures");
        let (head, last) = (stat.lines().next().expect("a head"), stat.lines().next_back().expect("a line"));
        let figure = |name: &str| -> usize {
            let at = head.split(';').position(|column| column == name).unwrap_or_else(|| panic!("no {name} in {head}"));
            last.split(';').nth(at).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{last}"))
        };
        let errors = fs::read_to_string(self.temp.path().join("err.log")).unwrap_or_default();
        assert_eq!(figure("FailedCall(C)"), 0, "calls were dropped:\n{errors}");
        figure("SuccessfulCall(C)")
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every call that is over.
fn calls(folder: &Path) -> Vec<Past> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let store = Store::look(&store::Config::default(), &folder.join("state")).await.expect("a store");
        let (mut all, mut since, mut after) = (Vec::<Past>::new(), Timestamp::UNIX_EPOCH, None);
        loop {
            let page = store.past_calls(since, after, 100).await.expect("calls");
            let Some(last) = page.last() else { return all };
            (since, after) = (last.call.began, Some(last.call.id));
            all.extend(page);
        }
    })
}

fn save(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).expect("written");
}

fn versions(daemon: &Daemon) -> Vec<Value> {
    let out = daemon.cli(&["flow", "versions", "--json"]);
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    serde_json::from_str::<Value>(&text).expect("JSON").as_array().expect("a list").clone()
}

/// Waits until `good` is true of what the store says.
fn wait_versions(daemon: &Daemon, what: &str, good: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    for _ in 0..1500 {
        let now = versions(daemon);
        if good(&now) {
            return now;
        }
        pause();
    }
    panic!("{what} does not come: {:#?}\n{}", versions(daemon), daemon.log())
}

#[test]
fn fifty_reloads_half_of_them_bad_under_a_hundred_calls_drop_none_and_mislead_none() {
    if !in_own_network("reload::fifty_reloads_half_of_them_bad_under_a_hundred_calls_drop_none_and_mislead_none") {
        return;
    }
    let keys = [char::from(b'0' + draw(10) as u8), char::from(b'0' + draw(10) as u8)];
    let mut plan = plan();
    plan.files.push(("flows/main.toml".into(), flow("v0", keys)));
    let daemon = Daemon::start(&plan);
    let folder = daemon.folder.clone();
    let mut names: HashMap<String, String> = HashMap::from([(Files::read(&folder).id().to_string(), "v0".into())]);
    // From when until when surely which version was the one for new calls.
    let mut spans: Vec<(Timestamp, Timestamp, String)> = Vec::new();
    let (mut current, mut since) = ("v0".to_owned(), Timestamp::now());
    let callers = Callers::start(&daemon, keys);
    daemon.wait_metric("jiesu_calls", 100.0);
    // Half of fifty, in a drawn order.
    let mut order = vec![true; 25];
    order.extend(vec![false; 25]);
    (1..order.len()).rev().for_each(|i| order.swap(i, draw(i as u64 + 1) as usize));
    let (mut taken, mut refused) = (0.0, 0.0);
    for (i, good) in order.into_iter().enumerate() {
        // Calls have come since the last one, and are there in number.
        daemon.wait_until("jiesu_calls", |now| now >= 90.0);
        let before = daemon.metric("jiesu_calls_total");
        daemon.wait_until("jiesu_calls_total", |now| now > before);
        let name = format!("v{}", i + 1);
        let text = flow(&name, keys);
        if good {
            save(&folder, "flows/main.toml", &text);
            names.insert(Files::read(&folder).id().to_string(), name.clone());
            spans.push((since, Timestamp::now(), current.clone()));
        } else {
            let (file, bad) = bad(&text, &name);
            save(&folder, file, &bad);
        }
        (taken, refused) = if good { (taken + 1.0, refused) } else { (taken, refused + 1.0) };
        if draw(2) == 0 {
            let out = daemon.cli(&["reload", "--note", &name]);
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert_eq!(out.status.code(), Some(if good { 0 } else { 1 }), "reload {name}: {said}");
            assert_eq!(said.contains(".toml"), !good, "{said}");
        } else {
            daemon.signal("-HUP");
        }
        daemon.wait_metric("jiesu_reloads_total{result=\"taken\"}", taken);
        daemon.wait_metric("jiesu_reloads_total{result=\"refused\"}", refused);
        if good {
            (current, since) = (name, Timestamp::now());
        } else {
            // What was there before, for the next one.
            let _ = fs::remove_file(folder.join("flows/stray.toml"));
        }
    }
    let made = callers.end();
    spans.push((since, Timestamp::MAX, current));
    daemon.wait_metric("jiesu_calls", 0.0);
    let calls = calls(&folder);
    assert_eq!(calls.len(), made, "a call has no row");
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for past in &calls {
        let version = past.call.version.as_deref().expect("every call names its version");
        let name = names.get(version).unwrap_or_else(|| panic!("version {version} was never good"));
        let journal = Journal::read(past.journal.as_deref().expect("every call has its journal"));
        let nodes: Vec<&str> = journal.nodes().collect();
        let way: Vec<String> = ["one", "two", "three"].map(|node| format!("{node}-{name}")).into();
        assert_eq!(nodes, way, "call {} of version {name} went astray:\n{journal}", past.call.id);
        assert_eq!(past.keys, keys.iter().collect::<String>(), "{journal}");
        assert!(past.ticket.is_some(), "keys without a ticket");
        let ended = journal.steps().iter().any(|(_, step)| matches!(step, Step::End(why) if why == "caller"));
        assert!(ended, "the caller hung up:\n{journal}");
        let surely = spans.iter().find(|(from, until, _)| *from < past.call.began && past.call.began < *until);
        if let Some((.., surely)) = surely {
            assert_eq!(name, surely, "call {} began at {}", past.call.id, past.call.began);
        }
        *seen.entry(surely.map_or("between", |(.., name)| name.as_str())).or_default() += 1;
    }
    eprintln!(
        "{made} calls under {} versions, {} in the moment of a change",
        names.len(),
        seen.remove("between").unwrap_or(0)
    );
    assert!(seen.len() >= names.len() - 1, "every version but the last surely had calls: {seen:?}");
    let rows = versions(&daemon);
    assert_eq!(rows.len(), names.len(), "the good ones are kept, no others: {rows:#?}");
    assert!(rows.iter().all(|row| names.contains_key(row["version"].as_str().expect("a version"))), "{rows:#?}");
}

/// What the next call comes through first.
fn first_node(daemon: &Daemon, calls_before: usize, key: char) -> (String, String) {
    Run::one("normal", "13800138000", key).pass(daemon.sip);
    for _ in 0..500 {
        let calls = calls(&daemon.folder);
        if calls.len() > calls_before {
            let last = calls.last().expect("there is one");
            let journal = Journal::read(last.journal.as_deref().unwrap_or_default());
            let node = journal.nodes().next().unwrap_or_default().to_owned();
            return (node, last.call.version.clone().unwrap_or_default());
        }
        pause();
    }
    panic!("the call has no row\n{}", daemon.log())
}

#[test]
fn rollback_brings_back_what_was_and_a_timed_version_survives_a_restart() {
    if !in_own_network("reload::rollback_brings_back_what_was_and_a_timed_version_survives_a_restart") {
        return;
    }
    let key = char::from(b'0' + draw(10) as u8);
    let name = |at: usize| format!("n{}-{at}", draw(1000));
    let (a, b, c) = (name(1), name(2), name(3));
    let mut plan = plan();
    plan.files.push(("flows/main.toml".into(), flow(&a, [key; 2])));
    let kept = crate::house::folder(&plan);
    let mut daemon = Daemon::over(kept.path(), &plan);
    let folder = daemon.folder.clone();
    wait_versions(&daemon, "the first version", |rows| rows.len() == 1);
    save(&folder, "flows/main.toml", &flow(&b, [key; 2]));
    assert!(daemon.cli(&["reload"]).status.success());
    assert_eq!(first_node(&daemon, 0, key).0, format!("one-{b}"));
    // Work of somebody's that was never taken must not be lost by a rollback.
    let draft = flow("draft", [key; 2]);
    save(&folder, "flows/main.toml", &draft);
    let out = daemon.cli(&["flow", "rollback", "1", "--note", "too early"]);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(first_node(&daemon, 1, key).0, format!("one-{a}"));
    assert!(fs::read_to_string(folder.join("flows/main.toml")).expect("it is there").contains(&format!("one-{a}")));
    let rows = versions(&daemon);
    let (running, kept) = (&rows[2], &rows[0]);
    assert_eq!((running["number"].as_i64(), &running["running"]), (Some(1), &Value::Bool(true)), "{rows:#?}");
    assert!(kept["note"].as_str().is_some_and(|note| note.contains("before the rollback")), "{rows:#?}");
    // A version of tonight, from a copy of the folder; the daemon is down when its time comes.
    let copy = tempfile::tempdir().expect("a folder");
    let copied = Command::new("cp").arg("-r").arg(folder.join(".")).arg(copy.path()).status().expect("cp");
    assert!(copied.success());
    save(copy.path(), "flows/main.toml", "start = \"nowhere\"\n");
    let from = copy.path().display().to_string();
    let refused = daemon.cli(&["flow", "activate", "--from", &from, "--at", "2099-01-01 00:00"]);
    assert_eq!(refused.status.code(), Some(1), "a bad copy is refused when it is planned");
    save(copy.path(), "flows/main.toml", &flow(&c, [key; 2]));
    let soon = (Timestamp::now() + Duration::from_secs(4)).to_string();
    let planned = daemon.cli(&["flow", "activate", "--from", &from, "--at", &soon]);
    assert!(planned.status.success(), "{}", String::from_utf8_lossy(&planned.stderr));
    daemon.kill();
    while Timestamp::now() < soon.parse().expect("a time") {
        pause();
    }
    // Twice: it takes what fell due, and goes on with it though the folder holds the older one.
    for round in 0..2 {
        let daemon = Daemon::over(&folder, &plan);
        wait_versions(&daemon, "the timed version", |rows| {
            rows.iter().any(|row| row["running"] == true && row["version"] == Files::read(copy.path()).id().to_string())
        });
        let (node, version) = first_node(&daemon, 2 + round, key);
        assert_eq!((node, version), (format!("one-{c}"), Files::read(copy.path()).id().to_string()));
    }
    assert!(fs::read_to_string(folder.join("flows/main.toml")).expect("it is there").contains(&format!("one-{a}")));
}

#[test]
fn a_timed_version_that_no_longer_checks_is_refused_and_said() {
    if !in_own_network("reload::a_timed_version_that_no_longer_checks_is_refused_and_said") {
        return;
    }
    let key = char::from(b'0' + draw(10) as u8);
    let mut plan = plan();
    plan.files.push(("flows/main.toml".into(), flow("now", [key; 2])));
    let daemon = Daemon::start(&plan);
    let folder = daemon.folder.clone();
    // The first version is on the disk, so that nothing changes while the folder is copied.
    wait_versions(&daemon, "the first version", |rows| rows.len() == 1);
    let copy = tempfile::tempdir().expect("a folder");
    assert!(Command::new("cp").arg("-r").arg(folder.join(".")).arg(copy.path()).status().expect("cp").success());
    save(copy.path(), "flows/main.toml", &flow("later", [key; 2]));
    let soon = (Timestamp::now() + Duration::from_secs(3)).to_string();
    let planned = daemon.cli(&["flow", "activate", "--from", &copy.path().display().to_string(), "--at", &soon]);
    assert!(planned.status.success(), "{}", String::from_utf8_lossy(&planned.stderr));
    // The rest of the folder changes until then: it no longer fits.
    save(&folder, "trunks/local.toml", "adresses = []\n");
    let rows = wait_versions(&daemon, "the refusal", |rows| {
        rows.iter().any(|row| row["log"].as_array().is_some_and(|log| log.iter().any(|one| one["state"] == "refused")))
    });
    let why = rows.iter().find_map(|row| row["log"].as_array()?.iter().find_map(|one| one["why"].as_str()));
    assert!(why.is_some_and(|why| why.contains("trunks/local.toml")), "{rows:#?}");
    assert_eq!(daemon.metric("jiesu_reloads_total{result=\"refused\"}"), 1.0);
    assert_eq!(first_node(&daemon, 0, key).0, "one-now");
}

#[test]
fn changed_files_are_taken_by_themselves_where_that_is_wanted() {
    if !in_own_network("reload::changed_files_are_taken_by_themselves_where_that_is_wanted") {
        return;
    }
    let key = char::from(b'0' + draw(10) as u8);
    let mut plan = plan();
    plan.edits.push(("# watch = false".into(), "watch = true".into()));
    plan.edits.push(("# look_every = \"2s\"".into(), "look_every = \"200ms\"".into()));
    plan.files.push(("flows/main.toml".into(), flow("before", [key; 2])));
    let daemon = Daemon::start(&plan);
    wait_versions(&daemon, "the first version", |rows| rows.len() == 1);
    save(&daemon.folder, "flows/main.toml", "start = ");
    daemon.wait_metric("jiesu_reloads_total{result=\"refused\"}", 1.0);
    let name = format!("n{}", draw(1000));
    save(&daemon.folder, "flows/main.toml", &flow(&name, [key; 2]));
    daemon.wait_metric("jiesu_reloads_total{result=\"taken\"}", 1.0);
    assert_eq!(first_node(&daemon, 0, key).0, format!("one-{name}"));
    assert_eq!(daemon.metric("jiesu_reloads_total"), 2.0, "nothing else was a change");
}

#[test]
fn a_replay_names_the_calls_whose_outcome_would_change_and_no_others() {
    if !in_own_network("reload::a_replay_names_the_calls_whose_outcome_would_change_and_no_others") {
        return;
    }
    let one = draw(10);
    let keys = [one, (one + 1 + draw(9)) % 10].map(|key| char::from(b'0' + key as u8));
    let written = |topics: [&str; 2]| {
        let choice = |i: usize| format!("{{ key = \"{}\", go = \"two-x\", topic = \"{}\" }}", keys[i], topics[i]);
        let bare = format!("choice = [{{ key = \"{}\", go = \"two-x\" }}]", keys[0]);
        let text = flow("x", [keys[0]; 2]);
        assert!(text.contains(&bare), "{text}");
        text.replacen(&bare, &format!("choice = [{}, {}]", choice(0), choice(1)), 1)
    };
    let mut plan = plan();
    plan.files.push(("flows/main.toml".into(), written(["供水", "供电"])));
    let daemon = Daemon::start(&plan);
    wait_versions(&daemon, "the first version", |rows| rows.len() == 1);
    let made = [1 + draw(3), 1 + draw(3)];
    for (key, made) in keys.iter().zip(made) {
        (0..made).for_each(|_| Run::one("normal", "13800138000", *key).pass(daemon.sip));
    }
    daemon.wait_tickets((made[0] + made[1]) as usize, Duration::from_secs(10));
    let replay = |exit: i32| {
        let out = daemon.cli(&["flow", "replay", "--since", "1h", "--json"]);
        assert_eq!(out.status.code(), Some(exit), "{}", String::from_utf8_lossy(&out.stderr));
        serde_json::from_slice::<Value>(&out.stdout).expect("JSON")
    };
    let same = replay(0);
    assert_eq!((&same["same"], &same["changed"]), (&(made[0] + made[1]).into(), &0.into()), "{same:#}");
    save(&daemon.folder, "flows/main.toml", &written(["供水", "燃气"]));
    let changed = replay(1);
    assert_eq!((&changed["same"], &changed["changed"]), (&made[0].into(), &made[1].into()), "{changed:#}");
    for change in changed["changes"].as_array().expect("a list") {
        let topics = (&change["before"]["topic"], &change["after"]["topic"]);
        assert_eq!(topics, (&"供电".into(), &"燃气".into()), "{change:#}");
        assert_eq!(change["before"]["end"], "abandoned", "{change:#}");
    }
}
