//! Callbacks: a real telephone is called and its keys are the survey; nobody is asked twice and no answer is lost, however
//! often the daemon is killed meanwhile.
//!
//! `JIESU_CALLBACK_KILLS` says how often (50 by default).

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

use jiesu::id::CallId;
use jiesu::store::{Config, Filing, Meaning, Store};
use jiesu::ticket::case::{By, Case, Entry, Event, Limits, Satisfaction, State, Via};
use jiesu::ticket::{How, Number, Text};
use jiff::{SignedDuration, Timestamp};

use crate::house::baresip::Phone;
use crate::house::callee::{Callees, Manner};
use crate::house::{Daemon, Plan, draw, folder, has, in_own_network, pause, root, skip};

const UNIT: &str = "110105001";

/// Runs what needs the store while no daemon runs.
fn in_store<T>(folder: &Path, work: impl AsyncFnOnce(&Store) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let zone = jiff::tz::TimeZone::get("Asia/Shanghai").expect("known");
        let store = Store::open(&Config::default(), &folder.join("state"), &zone, &[]).await.expect("a store");
        let value = work(&store).await;
        store.close().await;
        value
    })
}

/// A ticket of this caller, answered by its unit a moment ago.
async fn answered(store: &Store, caller: &str, urgency: &str) -> Number {
    let now = Timestamp::now();
    let filing = Filing {
        call: CallId::new(now.as_millisecond(), u128::from(draw(u64::MAX))),
        line: "12345".into(),
        caller: Some(caller.into()),
        began: now,
        keys: "1".into(),
        how: How::HungUp,
        segments: Vec::new(),
        text: None,
        text_state: Text::Whole,
        meaning: Meaning {
            kind: "求助".into(),
            urgency: urgency.into(),
            title: "路灯不亮".into(),
            ..Meaning::default()
        },
        hints: serde_json::Value::Null,
        dispatch: None,
    };
    let number = store.file(filing, now).await.expect("filed").number;
    let later = now + SignedDuration::from_hours(2);
    let limits = Limits { accept: later, contact: later, answer: later };
    let (unit, text) = (UNIT.to_owned(), "已经修好。".to_owned());
    let dispatched = Event::Dispatched {
        unit: unit.clone(),
        co: Vec::new(),
        copies: Vec::new(),
        limits,
        why: "street".into(),
        version: "1".into(),
    };
    let by = || By::new(UNIT, Via::Cli);
    let events = vec![
        (By::rule("test"), dispatched),
        (by(), Event::Accepted { unit: unit.clone() }),
        (by(), Event::Answered { unit, text }),
    ];
    store.case_happen_all(number, events, now).await.expect("legal");
    number
}

/// Everybody may be called at once, at any hour.
fn plan(target: &str, more: &[(&str, &str)]) -> Plan {
    let mut edits = vec![
        ("#: target = \"sip:{number}@carrier\"".to_owned(), format!("target = \"{target}\"")),
        ("# workday = [\"09:00-12:00\", \"14:00-20:00\"]".into(), "workday = [\"00:00-24:00\"]".into()),
        ("# weekend = [\"10:00-12:00\", \"15:00-19:00\"]".into(), "weekend = [\"00:00-24:00\"]".into()),
        ("# holiday = [\"10:00-12:00\", \"15:00-18:00\"]".into(), "holiday = [\"00:00-24:00\"]".into()),
        ("# look_every = \"10s\"".into(), "look_every = \"200ms\"".into()),
        ("# apart = \"3h\"".into(), "apart = \"1s\"".into()),
        ("# parts = [".into(), "parts = [] # [".into()),
        ("# filter = \"info,whisper_rs=warn\"".into(), "filter = \"info,jiesu::casework=debug\"".into()),
    ];
    edits.extend(more.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())));
    Plan { edits, ..Plan::default() }
}

/// Short questions, so that many callbacks fit into a test.
const QUICK: &str = r#"
start = "contacted"
too_long = "end"
[times]
wait = "8s"
between = "1s"
silence = "600ms"
longest = "20s"
[[no_input]]
go = "end"
[[no_match]]
go = "end"
[node.contacted]
do = "menu"
say = ["digit-1"]
choice = [{ key = "1", go = "contacted-yes" }, { key = "2", go = "contacted-no" }]
[node.contacted-yes]
do = "set"
variables = { contacted = "yes" }
go = "solved"
[node.contacted-no]
do = "set"
variables = { contacted = "no" }
go = "solved"
[node.solved]
do = "menu"
say = ["digit-2"]
choice = [{ key = "1", go = "solved-yes" }, { key = "2", go = "solved-no" }]
[node.solved-yes]
do = "set"
variables = { solved = "yes" }
go = "satisfied"
[node.solved-no]
do = "set"
variables = { solved = "no" }
go = "satisfied"
[node.satisfied]
do = "menu"
say = ["digit-3"]
choice = [{ key = "1", go = "is-satisfied" }, { key = "2", go = "is-mostly" }, { key = "3", go = "is-dissatisfied" }]
[node.is-satisfied]
do = "set"
variables = { satisfied = "satisfied" }
go = "comment"
[node.is-mostly]
do = "set"
variables = { satisfied = "mostly" }
go = "comment"
[node.is-dissatisfied]
do = "set"
variables = { satisfied = "dissatisfied" }
go = "comment"
[node.comment]
do = "record"
say = ["digit-4"]
wait = "COMMENT"
no_input = [{ go = "end" }]
go = "end"
[node.end]
do = "hangup"
say = ["digit-5"]
"#;

fn quick(plan: Plan, comment: &str) -> Plan {
    let flow = QUICK.replace("COMMENT", comment);
    Plan { files: vec![("flows/out/callback.toml".into(), flow)], ..plan }
}

/// What a key of each question says.
fn key(choices: u64) -> char {
    char::from(b'1' + draw(choices) as u8)
}

fn yes(key: char) -> Option<bool> {
    Some(key == '1')
}

fn satisfaction(key: char) -> Option<Satisfaction> {
    let place = key.to_digit(10).expect("a digit") as usize - 1;
    Some(Satisfaction::ALL[place])
}

/// baresip is called by the shipped flow; its keys are the survey, and "not solved" gives the ticket back to its unit with
/// new limits.
#[test]
fn a_telephone_is_called_back_and_its_keys_are_the_survey() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("callback::a_telephone_is_called_back_and_its_keys_are_the_survey") {
        return;
    }
    let caller = format!("138{:08}", draw(100_000_000));
    let plan = plan("sip:{number}@127.0.0.1:5061", &[]);
    let kept = folder(&plan);
    let number = in_store(kept.path(), async |store| answered(store, &caller, "soon").await);
    let silence = kept.path().join("silence.wav");
    std::fs::write(&silence, jiesu::audio::wav::bytes(&vec![0; 8000 * 60], 8000)).expect("write");
    let mut phone = Phone::start(&caller, &silence, 5061, ";answermode=auto");
    let keys = [key(2), key(2), key(3)];
    let daemon = Daemon::over(kept.path(), &plan);
    phone.wait("CALL_ESTABLISHED", Duration::from_secs(20));
    for (node, key) in ["contacted", "solved", "satisfied"].into_iter().zip(keys) {
        daemon.wait_log(&format!("node {node}\""));
        phone.press(&key.to_string());
    }
    daemon.wait_log("node comment\"");
    phone.press("#");
    phone.wait("CALL_CLOSED", Duration::from_secs(40));
    phone.quit();
    daemon.wait_log("the survey is kept");
    let told = daemon.cli(&["outbox", "list", "--all", "--json"]);
    let told = String::from_utf8(told.stdout).expect("JSON is UTF-8");
    assert_eq!(daemon.stop(Duration::from_secs(30)), 0);
    // Its unit hears of what it has again, in the transaction that says so.
    assert_eq!(told.contains(&number.to_string()), keys[1] == '2', "{told}");
    let (case, log) = read(kept.path(), number);
    let survey = case.survey.clone().expect("a survey");
    assert_eq!(
        (survey.contacted, survey.solved, survey.satisfied, survey.valid),
        (yes(keys[0]), yes(keys[1]), satisfaction(keys[2]), true)
    );
    assert!(log.iter().any(|entry| matches!(&entry.event, Event::CallerTold { what, .. } if what == "answer")));
    if keys[1] == '1' {
        assert_eq!((case.state, case.reopened), (State::Closed, 0));
    } else {
        assert_eq!((case.state, case.reopened, case.lead.as_deref()), (State::Dispatched, 1, Some(UNIT)));
        let limits = case.limits.expect("new limits");
        assert!(limits.answer > case.since, "{limits:?}");
    }
}

fn read(folder: &Path, number: Number) -> (Case, Vec<Entry>) {
    in_store(folder, async |store| {
        let case = store.case(number).await.expect("read").expect("a case");
        (case, store.case_log(number).await.expect("read"))
    })
}

/// Busy first: another try. Then a comment, which is on the disk as it was said.
#[test]
fn who_is_busy_is_tried_again_and_what_they_add_is_recorded() {
    if !in_own_network("callback::who_is_busy_is_tried_again_and_what_they_add_is_recorded") {
        return;
    }
    let bytes = std::fs::read(root().join("config/prompts/greeting.wav")).expect("the shipped prompt");
    let pcm = jiesu::audio::wav::read(&bytes).expect("a WAV").to_8k();
    let speech: Vec<u8> = pcm.iter().map(|s| jiesu::audio::g711::alaw_encode(*s)).collect();
    let mut refused = false;
    let after = |n: u64| Duration::from_millis(1500 * n);
    let people = Callees::start(move |_| match std::mem::replace(&mut refused, true) {
        false => Manner { refuses: Some(486), ..Manner::default() },
        true => Manner {
            keys: vec![(after(1), '1'), (after(2), '1'), (after(3), '2')],
            says: Some((Duration::from_secs(8), speech.clone())),
            ..Manner::default()
        },
    });
    let plan = quick(plan(&format!("sip:{{number}}@{}", people.address), &[]), "20s");
    let kept = folder(&plan);
    let caller = format!("138{:08}", draw(100_000_000));
    let number = in_store(kept.path(), async |store| answered(store, &caller, "soon").await);
    let daemon = Daemon::over(kept.path(), &plan);
    daemon.wait_log("the survey is kept");
    assert_eq!(daemon.stop(Duration::from_secs(30)), 0);
    assert_eq!(people.came().iter().map(|came| came.answered).collect::<Vec<_>>(), [false, true]);
    let (case, log) = read(kept.path(), number);
    assert!(log.iter().any(|entry| matches!(entry.event, Event::CallbackFailed { attempt: 1, .. })), "{log:#?}");
    assert_eq!((case.state, case.attempts), (State::Closed, 2));
    let comment = case.survey.and_then(|survey| survey.comment).expect("a comment");
    let first = comment.recording.split(' ').next().expect("a name");
    let path = kept.path().join("state/callbacks").join(first);
    let recorded = hound::WavReader::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let seconds = f64::from(recorded.duration()) / f64::from(recorded.spec().sample_rate);
    assert!(seconds > pcm.len() as f64 / 8000.0 * 0.6, "{seconds} s of {} samples", pcm.len());
}

/// What the log promised about a ticket: the last "an answer is kept".
fn promised(log: &str) -> HashMap<String, String> {
    let lines = log.lines().filter(|line| line.contains("an answer is kept"));
    let whole = lines.filter_map(|line| {
        let ticket = line.split("ticket=").nth(1)?.split(' ').next()?.to_owned();
        Some((ticket, line.to_owned()))
    });
    whole.collect()
}

#[test]
fn nobody_is_asked_twice_and_no_answer_is_lost() {
    if !in_own_network("callback::nobody_is_asked_twice_and_no_answer_is_lost") {
        return;
    }
    let kills: usize = std::env::var("JIESU_CALLBACK_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
    let people = Callees::start(|_| {
        let mut at = Duration::from_millis(100);
        let mut keys = Vec::new();
        for choices in [2, 2, 3] {
            at += Duration::from_millis(150 + draw(500));
            keys.push((at, key(choices)));
        }
        // Some are busy, some do not come.
        let refuses = (draw(12) == 0).then_some(486);
        Manner { refuses, rings: Duration::from_millis(draw(700)), keys, says: None }
    });
    let more =
        [("# at_once = 10", "at_once = 8"), ("# every = \"500ms\"", "every = \"0s\""), ("# tries = 3", "tries = 20")];
    let plan = quick(plan(&format!("sip:{{number}}@{}", people.address), &more), "1s");
    let kept = folder(&plan);
    let tickets: BTreeMap<Number, String> = in_store(kept.path(), async |store| {
        let mut tickets = BTreeMap::new();
        for n in 0..kills * 8 {
            let caller = format!("138{n:08}");
            tickets.insert(answered(store, &caller, "ordinary").await, caller);
        }
        tickets
    });
    // What has happened out there: calls, answers, keys.
    let happened = || -> usize { people.came().iter().map(|came| 1 + usize::from(came.answered) + came.pressed).sum() };
    for round in 0..kills {
        // Killed anywhere from the first call on, however fast the machine is.
        let until = happened() + 1 + draw(40) as usize;
        let mut daemon = Daemon::over(kept.path(), &plan);
        let begun = Instant::now();
        while happened() < until {
            assert!(begun.elapsed() < Duration::from_secs(60), "round {round}: nobody is called\n{}", daemon.log());
            pause();
        }
        daemon.kill();
    }
    // Nobody is called any more, but what was cut off is mended.
    let toml = kept.path().join("jiesu.toml");
    let text = std::fs::read_to_string(&toml).expect("the test's own file");
    std::fs::write(&toml, text.replacen("target = \"sip:{number}", "#: target = \"sip:{number}", 1)).expect("write");
    let daemon = Daemon::over(kept.path(), &plan);
    daemon.wait_log("nobody is called back");
    let log = daemon.log();
    assert_eq!(daemon.stop(Duration::from_secs(30)), 0);
    let cases: BTreeMap<Number, (Case, Vec<Entry>)> = in_store(kept.path(), async |store| {
        let mut cases = BTreeMap::new();
        for number in tickets.keys() {
            let case = store.case(*number).await.expect("read").expect("a case");
            cases.insert(*number, (case, store.case_log(*number).await.expect("read")));
        }
        cases
    });
    // Who was spoken to, by what they heard themselves.
    let mut asked: BTreeMap<String, usize> = BTreeMap::new();
    for came in people.came().iter().filter(|came| came.heard > 0) {
        *asked.entry(came.number.clone()).or_default() += 1;
    }
    let again: Vec<_> = cases
        .iter()
        .filter(|(number, (case, _))| asked.get(&tickets[number]).is_some_and(|n| *n > 1 + case.reopened as usize))
        .collect();
    assert!(again.is_empty(), "{} people were asked twice: {again:#?}", again.len());
    assert!(asked.len() >= kills, "only {} people were asked", asked.len());
    // Every answer that was promised stands in a survey.
    let promised = promised(&log);
    for (number, line) in &promised {
        let number: Number = number.parse().expect("a number");
        let (case, entries) = &cases[&number];
        let survey = entries.iter().find_map(|entry| match &entry.event {
            Event::CalledBack { survey, .. } => Some(survey),
            _ => None,
        });
        let survey = survey.unwrap_or_else(|| panic!("the survey of {number} is lost: {line}\n{entries:#?}"));
        // The survey may hold an answer more: it was committed, and the daemon killed before it said so.
        let holds = |name: &str, value: Option<String>| {
            let value = value.unwrap_or_else(|| "lost".to_owned());
            !line.contains(&format!("{name}=")) || line.contains(&format!("{name}={value}"))
        };
        let kept = holds("contacted", survey.contacted.map(|yes| yes.to_string()))
            && holds("solved", survey.solved.map(|yes| yes.to_string()))
            && holds("satisfied", survey.satisfied.map(|satisfied| format!("\"{}\"", satisfied.code())));
        assert!(kept, "{line}: {survey:?}");
        assert_eq!(case.reopened > 0, survey.solved == Some(false), "{entries:#?}");
    }
    assert!(promised.len() * 2 >= kills, "only {} answers were promised", promised.len());
    let running = cases.values().filter(|(case, _)| case.callback == jiesu::ticket::case::Callback::Running).count();
    assert_eq!(running, 0, "a callback runs although nobody is called");
    println!("{kills} kills: {} calls, {} people asked, {} surveys", people.came().len(), asked.len(), promised.len());
}

/// The city's program gets each message until it has taken it, the same each time; then it is in the log.
#[test]
fn who_got_an_answer_is_written_to_until_it_is_taken() {
    let temp = tempfile::tempdir().expect("a folder");
    let sent = temp.path().join("sent");
    let times = 2 + draw(3) as usize;
    let script = format!("cat >> {0}; echo >> {0}; [ $(wc -l < {0}) -ge {times} ]", sent.display());
    let edits = [
        ("#: command = [\"/opt/sms/send\"]".to_owned(), format!("command = [\"sh\", \"-c\", {script:?}]")),
        ("# first_wait = \"10s\"".into(), "first_wait = \"100ms\"".into()),
        ("# look_every = \"5s\"".into(), "look_every = \"100ms\"".into()),
    ];
    let plan = Plan { edits: edits.into(), ..Plan::default() };
    let kept = folder(&plan);
    let caller = format!("138{:08}", draw(100_000_000));
    let number = in_store(kept.path(), async |store| answered(store, &caller, "soon").await);
    let daemon = Daemon::over(kept.path(), &plan);
    daemon.wait_until("jiesu_sms_total{outcome=\"sent\"}", |sent| sent == 1.0);
    assert_eq!(daemon.stop(Duration::from_secs(30)), 0);
    let text = std::fs::read_to_string(&sent).expect("the program ran");
    let messages: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(messages.len(), times, "{text}");
    assert!(messages.iter().all(|message| *message == messages[0]), "{text}");
    assert_eq!(
        (messages[0]["to"].as_str(), messages[0]["ticket"].as_str()),
        (Some(&*caller), Some(&*number.to_string()))
    );
    assert!(messages[0]["text"].as_str().is_some_and(|text| text.contains("已经修好")), "{text}");
    let (_, log) = read(kept.path(), number);
    let told = |entry: &&Entry| matches!(&entry.event, Event::CallerTold { channel, .. } if channel == "sms");
    assert_eq!(log.iter().filter(told).count(), 1, "{log:#?}");
}
