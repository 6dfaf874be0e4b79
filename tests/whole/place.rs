//! The question back about a place, aloud: two districts have a street office of one name, drawn now, and the caller says
//! which of them they mean.

use jiesu::classify::place::open;
use serde_json::Value;

use super::hearing::{luckily, model};
use crate::house::caller::{Caller, telling};
use crate::house::speech::{Request, request, spoken};
use crate::house::{Daemon, Plan, draw, has, hear, in_own_network, skip};

/// A district that has the street office `street` too.
fn twin(street: &str) -> String {
    format!("[district]\ncode = \"110199\"\nname = \"新城区\"\n[[street]]\ncode = \"110199001\"\nname = \"{street}\"\n")
}

/// A request whose street is in two districts, and nothing in it says which.
fn ambiguous(daemon: &Daemon, street: &str) -> Request {
    let config = jiesu::config::load(&daemon.folder).expect("the shipped configuration and a twin");
    let requests = std::iter::repeat_with(|| request(draw(2) == 0)).take(10_000);
    let mut fit = requests.filter(|r| r.street == street && open(&config.places, &r.text, &[]).len() == 2);
    fit.next().expect("one in ten names it, and some estates lie nowhere")
}

/// The codes between which it asks, in the order of its questions.
fn codes(daemon: &Daemon, text: &str) -> Vec<(String, String)> {
    let config = jiesu::config::load(&daemon.folder).expect("the shipped configuration and a twin");
    let open = open(&config.places, text, &[]).into_iter();
    open.map(|(area, district)| (area.code.clone(), format!("{}的{}", district.name, area.name))).collect()
}

#[test]
fn of_two_places_of_one_name_the_caller_is_asked_and_the_answer_is_filed() {
    if model().is_none() || !has("espeak-ng") {
        return skip("no recogniser for the synthetic voice, or no espeak-ng");
    }
    if !in_own_network("place::of_two_places_of_one_name_the_caller_is_asked_and_the_answer_is_filed") {
        return;
    }
    let street = request(true).street;
    let files = vec![("places/twin.toml".into(), twin(street))];
    let daemon = Daemon::start(&telling(Plan { files, model: model(), ..Plan::default() }));
    daemon.wait_metric("jiesu_asr_models", 1.0);
    // Yes to the first; no and yes; no to both; nothing.
    for (n, answers) in ["1", "21", "22", ""].into_iter().enumerate() {
        luckily(|round| {
            let request = ambiguous(&daemon, street);
            let number = format!("139{n}000000{round}");
            let mut caller = Caller::dial(&daemon, &number);
            caller.at("request", 0);
            caller.asked();
            caller.say(&spoken(&request.text, &daemon.folder.join(&number)));
            let seen = caller.at("readback", 0);
            caller.asked();
            caller.press("1");
            let came = caller
                .until("what comes then", |line| line.contains("asks whether it is") || line.contains("node number"));
            if came.contains("node number") {
                return Err(format!("said {}, and nothing was open", request.text));
            }
            let asked = codes(&daemon, &request.text);
            if !came.contains(&asked[0].0) {
                return Err(format!("said {}, and another place was asked for", request.text));
            }
            caller.at("place", seen);
            caller.asked();
            let mut place = None;
            for (key, (code, _)) in answers.chars().zip(&asked) {
                caller.until("the question", |line| line.contains(&format!("asks whether it is {code}")));
                caller.press(&key.to_string());
                place = (key == '1').then(|| code.clone());
            }
            caller.at("number", seen);
            caller.hang_up();
            let tickets = daemon.tickets();
            let ticket = tickets.iter().find(|ticket| ticket["caller"] == number.as_str()).expect("filed");
            let entries = ticket["evidence"].as_array().expect("a list");
            let evidence = entries.iter().find(|entry| entry["field"] == "place").expect("one entry a field");
            match (&place, answers) {
                (Some(code), _) => {
                    assert_eq!(ticket["place"]["code"], code.as_str(), "{ticket:#}");
                    assert_eq!(evidence["asked"], true, "{ticket:#}");
                }
                (None, "22") => assert_eq!(ticket["place"], Value::Null, "both were denied: {ticket:#}"),
                (None, _) => assert_eq!(evidence["asked"], Value::Null, "{ticket:#}"),
            }
            let question = spoken(&asked[0].1, &daemon.folder.join(format!("{number}-question")));
            let question: Vec<f32> = question.iter().map(|sample| f32::from(*sample) / 32_768.0).collect();
            let (_, share) = hear::heard(&caller.sound(), 0, &question);
            assert!(share > 0.7, "{} was not asked aloud ({share:.2})", asked[0].1);
            Ok(())
        });
    }
}
