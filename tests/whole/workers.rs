//! Hearing in processes of its own: a daemon without a model, `jiesu worker asr` beside it, kill -9; corrections by a
//! better model; models that are none.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jiesu::asr::{Purpose, Transcript};
use jiesu::store::{Transcribed, Work};
use serde_json::Value;

use crate::hearing::{BRIEF, dial, distance, model};
use crate::house::speech::{Request, request};
use crate::house::{Daemon, Plan, cli, draw, folder, has, in_own_network, jiesu, pause, skip, tickets};

/// A `jiesu worker asr`; killed when it goes out of scope.
struct Worker(Child);

impl Worker {
    fn start(folder: &Path, model: &Path, name: &str) -> Worker {
        let mut child = Command::new(jiesu())
            .args(["worker", "asr", "--workers", "1", "--lease", "3", "--name", name, "--model"])
            .arg(model)
            .arg("-c")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(folder.join(format!("{name}.log"))).expect("a log"))
            .spawn()
            .expect("the worker's program");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let said: Vec<String> = out.lines().map_while(Result::ok).take(2).collect();
        assert_eq!(said, [format!("worker {name}"), "ready".to_owned()], "{name}");
        Worker(child)
    }

    fn stop(mut self) -> Option<i32> {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
        self.0.wait().expect("our child").code()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Calls at once, and what each said, in the order of their tickets.
fn call_in(daemon: &Daemon, count: usize) -> Vec<(Value, Request)> {
    let requests: Vec<(String, Request)> =
        (0..count).map(|i| (format!("1380000000{i}"), request(draw(2) == 0))).collect();
    std::thread::scope(|scope| {
        for (caller, request) in &requests {
            scope.spawn(|| dial(daemon.sip, &daemon.folder, request, caller));
        }
    });
    let of = |ticket: Value| {
        let said = requests.iter().find(|(caller, _)| ticket["caller"] == **caller).expect("our caller").1.clone();
        (ticket, said)
    };
    daemon.wait_tickets(count, Duration::from_secs(30)).into_iter().map(of).collect()
}

fn wait(what: &str, folder: &Path, good: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let tickets = tickets(folder);
        if good(&tickets) {
            return tickets;
        }
        assert!(start.elapsed() < Duration::from_secs(120), "{what}: {tickets:#?}");
        (0..10).for_each(|_| pause());
    }
}

#[test]
fn two_workers_hear_for_a_daemon_without_a_model_and_one_is_killed_while_it_hears() {
    let (Some(model), true) = (model(), has("espeak-ng")) else {
        return skip("no recogniser for the synthetic voice, or no espeak-ng");
    };
    if !in_own_network("workers::two_workers_hear_for_a_daemon_without_a_model_and_one_is_killed_while_it_hears") {
        return;
    }
    let plan = Plan { files: vec![("flows/main.toml".into(), BRIEF.into())], ..Plan::default() };
    let daemon = Daemon::start(&plan);
    let filed = call_in(&daemon, 3);
    assert!(filed.iter().all(|(ticket, _)| ticket["text_pending"] == true), "{filed:#?}");
    // The first recording cannot be read to its end: whoever hears it goes on for as long as we want.
    let file = PathBuf::from(filed[0].0["recordings"][0]["file"].as_str().expect("a file"));
    let aside = file.with_extension("aside");
    fs::rename(&file, &aside).expect("moved");
    assert!(Command::new("mkfifo").arg(&file).status().expect("mkfifo").success());
    let mut first = Worker::start(&daemon.folder, &model, "first");
    // Opens when the worker has opened it: now it has the lease.
    let pipe = fs::OpenOptions::new().write(true).open(&file).expect("somebody hears it");
    let second = Worker::start(&daemon.folder, &model, "second");
    let pending = |tickets: &[Value]| tickets.iter().filter(|ticket| ticket["text_pending"] == true).count();
    let now = wait("the second hears what the first has not taken", &daemon.folder, |all| pending(all) == 1);
    assert_eq!(now[0]["text_pending"], true, "{now:#?}");

    first.0.kill().expect("kill -9");
    first.0.wait().expect("our child");
    drop(pipe);
    fs::rename(&aside, &file).expect("back in its place");
    let tickets = wait("the second takes what the first had", &daemon.folder, |all| pending(all) == 0);
    let mut right = 0;
    for (ticket, (_, request)) in tickets.iter().zip(&filed) {
        let recordings = ticket["recordings"].as_array().expect("recordings");
        let texts: Vec<&Value> = recordings.iter().flat_map(|r| r["texts"].as_array().into_iter().flatten()).collect();
        assert_eq!(texts.len(), 1, "heard once: {ticket:#}");
        assert_eq!((&texts[0]["why"], &texts[0]["text"]), (&"pending".into(), &ticket["text"]), "{ticket:#}");
        let heard = distance(&request.text, ticket["text"].as_str().unwrap_or_default()) <= 0.15;
        right += usize::from(heard && ticket["place"]["name"] == request.street);
        let history = daemon.cli(&["ticket", "history", &ticket["number"].to_string().replace('"', ""), "--json"]);
        let history: Value = serde_json::from_slice(&history.stdout).expect("JSON");
        let completed = history.as_array().expect("events").iter().filter(|e| e["event"] == "text_completed").count();
        assert_eq!(completed, 1, "{history:#}");
    }
    assert!(right >= 2, "of three: {tickets:#?}");
    assert_eq!(daemon.metric("jiesu_asr_models"), 0.0, "the daemon heard nothing itself");
    assert_eq!(second.stop(), Some(0));
}

#[test]
fn a_better_model_corrects_a_text_and_what_stood_there_is_kept() {
    let (Some(model), true) = (model(), has("espeak-ng")) else {
        return skip("no recogniser for the synthetic voice, or no espeak-ng");
    };
    if !in_own_network("workers::a_better_model_corrects_a_text_and_what_stood_there_is_kept") {
        return;
    }
    let better = format!("corrections = {:?}\n#: corrections = ", model.display().to_string());
    let plan = Plan {
        edits: vec![("#: corrections = ".into(), better)],
        files: vec![("flows/main.toml".into(), BRIEF.into())],
        ..Plan::default()
    };
    let kept = folder(&plan);
    let daemon = Daemon::over(kept.path(), &Plan::default());
    let filed = call_in(&daemon, 3);
    // A small model heard something else; the daemon has none.
    let main = jiesu::config::load_main(kept.path()).expect("jiesu.toml");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let wrong = format!("咨询一下公交{}路", 1 + draw(900));
    runtime.block_on(async {
        let store = jiesu::store::Store::join(&main.store, &main.state_dir, &main.zone).await.expect("the store");
        let mut left = filed.len();
        while left > 0 {
            let now = jiff::Timestamp::now();
            // Only calls that are over have something to hear.
            match store.take_hearing("small", Work::Text, now, jiff::Timestamp::MAX).await.expect("taken or not") {
                Some(leased) => {
                    assert!(store.heard(&leased, small(&wrong), now).await.expect("written"));
                    left -= 1;
                }
                None => pause(),
            }
        }
        store.close().await;
    });
    let texts = |ticket: &Value| ticket["recordings"][0]["texts"].as_array().map_or(0, Vec::len);
    // The demonstration recogniser may hear nothing believable in one of three drawn requests: that corrects nothing.
    let tickets = wait("corrected", kept.path(), |all| all.iter().filter(|ticket| texts(ticket) == 2).count() >= 2);
    let mut right = 0;
    for (ticket, (_, request)) in tickets.iter().zip(&filed).filter(|(ticket, _)| texts(ticket) == 2) {
        let texts = &ticket["recordings"][0]["texts"];
        assert_eq!((&texts[0]["text"], &texts[0]["model"]), (&wrong.clone().into(), &"small".into()), "{ticket:#}");
        assert_eq!((&texts[1]["text"], &texts[1]["why"]), (&ticket["text"], &"correction".into()), "{ticket:#}");
        assert_eq!(ticket["text_pending"], false);
        let heard = distance(&request.text, ticket["text"].as_str().unwrap_or_default()) <= 0.15;
        right += usize::from(heard && ticket["place"]["name"] == request.street);
    }
    assert!(right >= 1, "understood again: {tickets:#?}");
    // Heard once more it would be corrected for ever.
    let metric = daemon.metric("jiesu_texts_total{result=\"corrected\"}");
    assert!((2.0..=3.0).contains(&metric), "{metric}");
}

fn small(text: &str) -> Transcribed {
    let heard = Transcript { text: text.into(), model: "small".into(), ..Transcript::default() };
    Transcribed::new(heard, Purpose::Complaint, None)
}

/// Files that are no model, each drawn; what a message about it must say besides its name.
fn bad_models(sound: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let mut list = vec![
        ("cut", sound[..draw(sound.len() as u64) as usize].to_vec()),
        ("png", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".as_slice(), &vec![draw(256) as u8; 4000]].concat()),
        ("elf", fs::read(jiesu()).expect("the program itself")[..1 << 20].to_vec()),
        ("onnx", [b"\x08\x08\x12\x07pytorch\x1a\x05".as_slice(), &vec![draw(256) as u8; 4000]].concat()),
        ("page", b"<!doctype html><title>404</title>".to_vec()),
        ("empty", Vec::new()),
    ];
    // Of the eleven numbers of the head those whose change no reader may overlook.
    let mut flipped = sound.to_vec();
    let at = 4 + 4 * [1, 2, 3, 5, 6][draw(5) as usize] + draw(4) as usize;
    flipped[at] ^= 1 + draw(255) as u8;
    list.push(("flipped", flipped));
    // Huge, and without anything in it.
    let mut huge = sound.to_vec();
    for (field, value) in [(3, 2048i32), (7, 2048), (5, 64), (9, 64)] {
        huge[4 * field..4 * field + 4].copy_from_slice(&value.to_le_bytes());
    }
    list.push(("huge", huge));
    list
}

#[test]
fn with_a_model_that_is_none_the_daemon_serves_and_says_what_to_do() {
    let (Some(model), true) = (model(), has("espeak-ng")) else {
        return skip("no recogniser for the synthetic voice, or no espeak-ng");
    };
    if !in_own_network("workers::with_a_model_that_is_none_the_daemon_serves_and_says_what_to_do") {
        return;
    }
    let bad = bad_models(&fs::read(&model).expect("the model"));
    let plan = Plan {
        edits: vec![("#: model = ".into(), "model = \"bad.bin\"\nlook_every = \"1s\"\n#: model = ".into())],
        files: vec![("flows/main.toml".into(), BRIEF.into())],
        ..Plan::default()
    };
    let kept = folder(&plan);
    let file = kept.path().join("bad.bin");
    for (kind, bytes) in &bad {
        fs::File::create(&file).and_then(|mut file| file.write_all(bytes)).expect("written");
        let out = cli(kept.path(), &["transcribe", "x.wav", "--model", &file.display().to_string()]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{kind}: {said}");
        assert!(said.contains("bad.bin") && said.contains("fetch"), "{kind}: {said}");
    }
    let (kind, bytes) = &bad[draw(bad.len() as u64) as usize];
    fs::write(&file, bytes).expect("written");
    let daemon = Daemon::over(kept.path(), &Plan::default());
    daemon.wait_log("speech model refused");
    let log = daemon.log();
    assert!(log.contains("bad.bin") && log.contains("fetch"), "{kind}: {log}");
    assert_eq!(daemon.get("/readyz").0, 200, "{kind}");
    let (ticket, request) = call_in(&daemon, 1).remove(0);
    assert_eq!(ticket["text_pending"], true, "{kind}: {ticket:#}");
    // It is no worse for it: a sound file in the same place is taken, and the text comes.
    fs::copy(&model, kept.path().join("part"))
        .and_then(|_| fs::rename(kept.path().join("part"), &file))
        .expect("arrives");
    let tickets = wait("completed", kept.path(), |all| all.iter().all(|ticket| ticket["text_pending"] == false));
    assert_eq!(daemon.metric("jiesu_asr_models"), 1.0, "{kind}, {request:?}: {tickets:#?}");
}
