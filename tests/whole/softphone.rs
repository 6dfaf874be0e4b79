//! baresip, a real softphone: what it hears is compared with what was to be played, and keys drawn here decide the
//! ticket that it gets.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiesu::classify::{Hint, classify};
use toml::Value;

use crate::house::baresip::Phone;
use crate::house::{Daemon, Plan, draw, has, hear, in_own_network, pause, root, skip};

/// Nothing, for longer than a test: a caller who only presses keys.
fn silence(into: &Path) -> PathBuf {
    let path = into.join("silence.wav");
    std::fs::write(&path, jiesu::audio::wav::bytes(&vec![0i16; 150 * hear::SECOND], 8000)).expect("write");
    path
}

pub(super) fn prompt(id: &str) -> Vec<f32> {
    hear::read(&root().join(format!("config/prompts/{id}.wav")))
}

fn listen_for(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        pause();
    }
}

/// Listens as a person does: until this stretch of sound was heard, after `from`. Where it ended.
fn listen_until(phone: &Phone, stretch: &[f32], from: usize, limit: Duration) -> usize {
    let start = Instant::now();
    loop {
        listen_for(Duration::from_millis(200));
        let whole = phone.hears();
        // What was looked through before needs no second look.
        let begin = from.max(whole.len().saturating_sub(4 * hear::SECOND)).min(whole.len());
        let (at, fit) = hear::find(&whole[begin..], stretch);
        if fit > hear::SAME {
            return begin + at + stretch.len();
        }
        assert!(start.elapsed() < limit, "nothing like it was heard within {limit:?} (fit {fit:.2})");
    }
}

/// Listens to these prompts until the last one is at its end. Where that was.
fn hear_out(phone: &Phone, ids: &[String], from: usize) -> usize {
    let length: usize = ids.iter().map(|id| prompt(id).len()).sum();
    let last = prompt(ids.last().expect("something is said"));
    let tail = &last[last.len().saturating_sub(hear::SECOND)..];
    listen_until(phone, tail, from, Duration::from_secs(20 + (length / hear::SECOND) as u64))
}

/// Fails unless every prompt is in what was heard, whole, in this order. What a machine that stood still did not play
/// need not be heard.
fn heard_in_order(whole: &[f32], ids: &[String], stood_still: bool) {
    let enough = if stood_still { 0.5 } else { 0.9 };
    let mut end = 0;
    for id in ids {
        let (ended, share) = hear::heard(whole, end, &prompt(id));
        assert!(share > enough, "{id} was not heard after {:.1} s (fits: {share:.2})", end as f32 / 8000.0);
        end = ended.saturating_sub(hear::SECOND / 2);
    }
}

/// A way through the shipped menus.
#[derive(Debug)]
struct Way {
    /// Each menu's prompts, and the key that leads on.
    menus: Vec<(Vec<String>, String)>,
    /// The prompts at its end, where the matter is asked for.
    end: Vec<String>,
    hint: Hint,
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

/// Draws keys from menu "services" down to where the flow listens.
fn way() -> Way {
    let text = std::fs::read_to_string(root().join("config/flows/main.toml")).expect("the shipped flow");
    let flow: Value = toml::from_str(&text).expect("TOML");
    let mut way = Way { menus: Vec::new(), end: Vec::new(), hint: Hint::default() };
    let mut at = "services".to_owned();
    loop {
        let node = &flow["node"][at.as_str()];
        let say = texts(node.get("say"));
        match node["do"].as_str() {
            Some("menu") => {
                let down = |c: &&Value| c["key"].as_str().is_some_and(|key| key != "*");
                let choices: Vec<&Value> = node["choice"].as_array().expect("choices").iter().filter(down).collect();
                let choice = choices[draw(choices.len() as u64) as usize];
                let Hint { topic, category, kind, urgency, .. } = &mut way.hint;
                for (key, hint) in [("topic", topic), ("category", category), ("kind", kind), ("urgency", urgency)] {
                    let chosen = choice.get(key).and_then(Value::as_str).map(str::to_owned);
                    *hint = chosen.or(hint.take());
                }
                way.menus.push((say, choice["key"].as_str().expect("a key").to_owned()));
                at = choice["go"].as_str().expect("go").to_owned();
            }
            // Said before the question below it.
            Some("say") => {
                way.end.extend(say);
                at = node["go"].as_str().expect("go").to_owned();
            }
            Some("listen") => {
                way.end.extend(say);
                return way;
            }
            other => panic!("{at} does {other:?}"),
        }
    }
}

/// The measure itself: a prompt that was never played is not heard, one that is said twice is heard the first time, and
/// a gap costs its own length only.
#[test]
fn the_ear_can_tell() {
    let (played, back, missing) = (prompt("menu-water"), prompt("menu-back"), prompt("menu-power"));
    let mut whole = [prompt("request"), back.clone(), played.clone(), back.clone()].concat();
    let after = prompt("request").len();
    let (end, share) = hear::heard(&whole, 1000, &back);
    assert!(share > 0.99 && end.abs_diff(after + back.len()) < 10, "{share} at {end}");
    let gap = end + 3 * hear::SECOND;
    whole.drain(gap..gap + hear::SECOND);
    let (end, share) = hear::heard(&whole, end - 4000, &played);
    assert!(share > 0.75 && end.abs_diff(after + back.len() + played.len() - hear::SECOND) < 10, "{share} at {end}");
    let (_, share) = hear::heard(&whole, 0, &missing);
    assert!(share < 0.3, "{share}");
    let (_, share) = hear::heard(&whole, end, &played);
    assert!(share < 0.3, "{share}");
    // A short prompt after a pause: its own silence at the end is not looked for in the pause.
    let short = prompt("en/transfer-failed");
    let zero = 8.0 / 32_768.0;
    let whole = [vec![zero; 6 * hear::SECOND], short.clone(), vec![zero; hear::SECOND]].concat();
    let padded = [short.clone(), vec![zero; hear::SECOND]].concat();
    for part in [&short, &padded] {
        let (end, share) = hear::heard(&whole, 0, part);
        assert!(share > 0.99 && end.abs_diff(6 * hear::SECOND + part.len()) < 10, "{share} at {end}");
    }
}

#[test]
fn it_hears_each_prompt_and_its_keys_decide_the_ticket() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("softphone::it_hears_each_prompt_and_its_keys_decide_the_ticket") {
        return;
    }
    let temp = tempfile::tempdir().expect("a temporary folder");
    let daemon = Daemon::start(&Plan::default());
    let way = way();
    let opening = ["greeting", "notice", "request"].map(str::to_owned).to_vec();
    let mut phone = Phone::start("alice", &silence(temp.path()), 5070, "");
    phone.command("dial", &format!("sip:12345@{}", daemon.sip));
    phone.wait("CALL_ESTABLISHED", Duration::from_secs(10));
    let mut heard = hear_out(&phone, &opening, 0);
    phone.press("2");
    for (say, key) in &way.menus {
        heard = hear_out(&phone, say, heard);
        phone.press(key);
    }
    hear_out(&phone, &way.end, heard);
    let stood_still = daemon.metric("jiesu_media_ticks_skipped_total") > 0.0;
    phone.command("hangup", "");
    phone.wait("CALL_CLOSED", Duration::from_secs(10));
    let ticket = daemon.wait_tickets(1, Duration::from_secs(20))[0].clone();
    phone.quit();

    let keys: String = way.menus.iter().map(|(_, key)| key.as_str()).collect();
    assert_eq!(ticket["keys"], format!("2{keys}"), "{ticket:#}");
    // The category that the hints of these keys name, and nothing but these.
    let config = jiesu::config::load(&daemon.folder).expect("the shipped configuration");
    let meant = classify(&config.catalogue, &config.places, "", &way.hint);
    assert_eq!(ticket["category"], serde_json::json!(meant.category), "{way:?}\n{ticket:#}");
    for named in way.hint.category.iter().flat_map(|category| category.split('/')) {
        assert!(meant.category.iter().any(|level| level == named), "{named} is not in {:?}", meant.category);
    }
    if let Some(kind) = &way.hint.kind {
        assert_eq!(ticket["type"], *kind, "{way:?}\n{ticket:#}");
    }
    if let Some(urgency) = &way.hint.urgency {
        assert_eq!(ticket["urgency"], *urgency, "{way:?}\n{ticket:#}");
    }
    let said: Vec<String> =
        opening.into_iter().chain(way.menus.into_iter().flat_map(|(say, _)| say)).chain(way.end).collect();
    heard_in_order(&hear::read(&phone.heard()), &said, stood_still);
}

/// A key stops the prompt (barge-in), and what it asks for comes at once.
#[test]
fn a_key_interrupts_a_prompt() {
    if !has("baresip") {
        return skip("baresip is not installed");
    }
    if !in_own_network("softphone::a_key_interrupts_a_prompt") {
        return;
    }
    let temp = tempfile::tempdir().expect("a temporary folder");
    let daemon = Daemon::start(&Plan::default());
    let mut phone = Phone::start("alice", &silence(temp.path()), 5070, "");
    phone.command("dial", &format!("sip:12345@{}", daemon.sip));
    phone.wait("CALL_ESTABLISHED", Duration::from_secs(10));
    let request = prompt("request");
    let menu = prompt("menu-services");
    let begun = listen_until(&phone, &request[..hear::SECOND], 0, Duration::from_secs(30));
    phone.press("2");
    let answered = listen_until(&phone, &menu[..hear::SECOND], begun, Duration::from_secs(30));
    phone.command("hangup", "");
    phone.wait("CALL_CLOSED", Duration::from_secs(10));
    phone.quit();
    assert!(answered - begun < request.len() - hear::SECOND, "the menu came only when the request prompt was over");
    let whole = hear::read(&phone.heard());
    let (_, tail) = hear::find(&whole, &request[request.len() - 2 * hear::SECOND..]);
    assert!(tail < 0.6, "the request prompt was played to its end ({tail:.2})");
}
