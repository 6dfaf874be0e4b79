//! `jiesu trunk test`: carriers that keep the rules pass, and each check fails on one that breaks its rule.
//!
//! SIPp plays the carriers; which rule is broken how, with which codes, is drawn or tried one by one.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;

use crate::house::baresip::{Phone, Speech};
use crate::house::certificates::Authority;
use crate::house::script::*;
use crate::house::secured::listening;
use crate::house::{Daemon, Plan, cli, draw, folder, has, in_own_network, skip};

const PORT: u16 = 5480;

/// A configuration whose trunk `carrier` is at these ports of this machine.
fn configured(ports: &[u16], more: &str) -> tempfile::TempDir {
    let outbound: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
    // Nothing depends on how soon a busy machine answers.
    let trunk = format!("addresses = [\"127.0.0.1\"]\noutbound = [{}]\nsilence = \"20s\"\n{more}", outbound.join(", "));
    folder(&Plan {
        files: vec![("trunks/carrier.toml".into(), trunk)],
        edits: vec![("# codecs = [\"PCMA\", \"PCMU\"]".into(), "codecs = [\"PCMA\", \"PCMU\"]".into())],
        ..Plan::default()
    })
}

/// A number that the test could not know.
fn number() -> String {
    format!("0106{:07}", draw(10_000_000))
}

fn one_of<T: Copy>(list: &[T]) -> T {
    list[draw(list.len() as u64) as usize]
}

/// What one check says of what is at the trunk.
struct Said {
    verdict: String,
    came: String,
    whole: Value,
    exit: Option<i32>,
}

fn asked(folder: &Path, check: &str, numbers: &[&str]) -> Said {
    let to = numbers.join(",");
    let out: Output = cli(folder, &["trunk", "test", "carrier", "--only", check, "--to", &to, "--json"]);
    let text = String::from_utf8_lossy(&out.stdout);
    let whole: Value = serde_json::from_str(&text)
        .unwrap_or_else(|e| panic!("{check}: {e}: {text}\n{}", String::from_utf8_lossy(&out.stderr)));
    let row = &whole["checks"][0];
    let said = |name: &str| row[name].as_str().unwrap_or_else(|| panic!("{check}: no {name} in {whole:#}")).to_owned();
    Said { verdict: said("verdict"), came: said("came"), exit: out.status.code(), whole }
}

/// One carrier and what the check has to say of it.
struct Case {
    what: &'static str,
    echo: bool,
    /// Of the number that is called, beside `answer`.
    role: &'static str,
    steps: Vec<Step>,
    verdict: &'static str,
    /// What stands in the finding.
    came: String,
}

impl Case {
    fn new(what: &'static str, steps: Vec<Step>, verdict: &'static str, came: impl Into<String>) -> Case {
        Case { what, echo: true, role: "answer", steps, verdict, came: came.into() }
    }

    fn silent(self) -> Case {
        Case { echo: false, ..self }
    }

    fn role(self, role: &'static str) -> Case {
        Case { role, ..self }
    }
}

/// Runs every case in a network of its own.
fn judge(test: &str, check: &str, cases: impl FnOnce() -> Vec<Case>) {
    if !has("sipp") {
        return skip("sipp is not installed");
    }
    if !in_own_network(&format!("acceptance::{test}")) {
        return;
    }
    let folder = configured(&[PORT], "");
    for case in cases() {
        let carrier = Carrier::start(PORT, case.echo, &case.steps);
        let number = format!("{}={}", case.role, number());
        let said = asked(folder.path(), check, &[&number]);
        let Said { verdict, came, whole, exit } = &said;
        let seen = || {
            format!(
                "{check}, {}: {verdict}: {came}\n{}\n{}",
                case.what,
                whole["checks"][0]["ladder"],
                carrier.complaints()
            )
        };
        assert_eq!(verdict, case.verdict, "{}", seen());
        assert!(came.contains(&case.came), "{:?} is not in: {}", case.came, seen());
        let no = ["fail", "not_tried"].contains(&case.verdict);
        assert_eq!(*exit, Some(i32::from(no)), "the exit of {}", seen());
    }
}

fn invited(more: Vec<Step>) -> Vec<Step> {
    [vec![Gets("INVITE")], more].concat()
}

fn answered(sdp: &str, more: Vec<Step>) -> Vec<Step> {
    invited([vec![refuses(180), Waits(50 + draw(300)), answers(sdp)], more].concat())
}

#[test]
fn a_call_is_judged() {
    judge("a_call_is_judged", "call", || {
        let code = one_of(&[405, 481, 500, 603]);
        let bye = Last(code, "Drawn", String::new());
        let format = one_of(&["3", "4", "18", "97"]);
        let twice = format!("{}m=audio 0 RTP/AVP 0\n", usual());
        let no_contact = Invite(200, "OK", String::new(), usual());
        vec![
            Case::new("all right", answered(&usual(), until_bye()), "pass", "answered in PCMA"),
            Case::new(
                "BYE refused",
                answered(&usual(), vec![Gets("ACK"), Gets("BYE"), bye]),
                "fail",
                format!("BYE got {code}"),
            ),
            Case::new("silence", answered(&usual(), until_bye()), "fail", "no audio came").silent(),
            Case::new("a format not offered", answered(&sdp(format, ""), until_bye()), "fail", "cannot be agreed to"),
            Case::new("one m= line too many", answered(&twice, until_bye()), "fail", "2 m= lines"),
            Case::new("no description", answered("", until_bye()), "fail", "no description"),
            Case::new("no Contact", invited([vec![no_contact], until_bye()].concat()), "fail", "0 Contacts"),
            Case::new("busy", invited(vec![refuses(486), Gets("ACK")]), "fail", "INVITE got 486"),
        ]
    });
}

#[test]
fn options_are_judged() {
    judge("options_are_judged", "options", || {
        let allow = "Allow: INVITE, ACK, BYE\n".to_owned();
        let other = one_of(&[404, 405, 481, 501]);
        let says = |code, headers| vec![Gets("OPTIONS"), Last(code, "Drawn", headers)];
        vec![
            Case::new("all right", says(200, allow), "pass", "Allow: INVITE, ACK, BYE"),
            Case::new("no OPTIONS there", says(other, String::new()), "pass", format!("{other} after")),
            Case::new("out of service", says(503, String::new()), "fail", "it takes no calls"),
            Case::new("deaf", vec![Gets("OPTIONS"), Waits(30_000)], "fail", "no answer within"),
        ]
    });
}

#[test]
fn a_hang_up_of_theirs_is_judged() {
    judge("a_hang_up_of_theirs_is_judged", "hangup", || {
        let talk = || Waits(200 + draw(1_000));
        let right = vec![Gets("ACK"), talk(), Asks("BYE", false), Answered(200)];
        let wrong = vec![Gets("ACK"), talk(), Asks("BYE", true), Answered(481), Gets("BYE"), agrees()];
        vec![
            Case::new("all right", answered(&usual(), right), "pass", "they hung up after").role("hangup"),
            Case::new("a strange BYE", answered(&usual(), wrong), "fail", "does not belong to the dialog")
                .role("hangup"),
            Case::new("no number for it", answered(&usual(), until_bye()), "not_tried", "--to hangup=NUMBER"),
        ]
    });
}

#[test]
fn a_cancel_is_judged() {
    judge("a_cancel_is_judged", "cancel", || {
        let rings = |more: Vec<Step>| invited([vec![refuses(180), Gets("CANCEL")], more].concat());
        let other = one_of(&[480, 486, 603]);
        vec![
            Case::new("all right", rings(vec![agrees(), refuses(487), Gets("ACK")]), "pass", "CANCEL got 200"),
            Case::new(
                "CANCEL refused",
                rings(vec![Last(481, "No", String::new()), refuses(487), Gets("ACK")]),
                "fail",
                "CANCEL got 481",
            ),
            Case::new("it rings on", rings(vec![agrees(), Waits(20_000)]), "fail", "INVITE no final answer"),
            Case::new(
                "another code",
                rings(vec![agrees(), refuses(other), Gets("ACK")]),
                "fail",
                format!("INVITE {other}"),
            ),
            Case::new(
                "answered at once",
                invited([vec![answers(&usual())], until_bye()].concat()),
                "not_tried",
                "--to ring=NUMBER",
            ),
        ]
        .into_iter()
        .map(|case| case.role(one_of(&["ring", "answer"])))
        .collect()
    });
}

#[test]
fn a_busy_number_is_judged() {
    judge("a_busy_number_is_judged", "busy", || {
        let (right, wrong) = (one_of(&[486, 600]), one_of(&[404, 480, 500, 503]));
        let refused = |code| invited(vec![refuses(180), refuses(code), Gets("ACK")]);
        vec![
            Case::new("all right", refused(right), "pass", format!("refused with {right}")).role("busy"),
            Case::new("another code", refused(wrong), "fail", format!("INVITE got {wrong}")).role("busy"),
            Case::new("answered", answered(&usual(), until_bye()), "fail", "begins a charge").role("busy"),
        ]
    });
}

#[test]
fn an_unknown_number_is_judged() {
    judge("an_unknown_number_is_judged", "unknown-number", || {
        let (right, wrong) = (one_of(&[404, 410, 484, 604]), one_of(&[403, 480, 486, 500, 503]));
        let refused = |code| invited(vec![refuses(code), Gets("ACK")]);
        vec![
            Case::new("all right", refused(right), "pass", format!("refused with {right}")).role("unknown"),
            Case::new("another code", refused(wrong), "fail", format!("INVITE got {wrong}")).role("unknown"),
            Case::new("answered", answered(&usual(), until_bye()), "fail", "begins a charge").role("unknown"),
        ]
    });
}

#[test]
fn reliable_responses_are_judged() {
    judge("reliable_responses_are_judged", "prack", || {
        let code = one_of(&[405, 481, 500]);
        let reliable = format!("{}Require: 100rel\nRSeq: {}\n", contact(), 1 + draw(1 << 20));
        let rings = |more: Vec<Step>| {
            let first = Invite(one_of(&[180, 183]), "Drawn", reliable.clone(), String::new());
            invited([vec![first, Gets("PRACK")], more].concat())
        };
        let refused =
            |headers: &str| invited(vec![Invite(420, "Bad Extension", headers.into(), String::new()), Gets("ACK")]);
        let prack = Last(code, "Drawn", String::new());
        vec![
            Case::new("all right", rings([vec![agrees()], cancelled()].concat()), "pass", "PRACK got 200"),
            Case::new("PRACK refused", rings([vec![prack], cancelled()].concat()), "fail", format!("PRACK got {code}")),
            Case::new("PRACK unheard", rings(cancelled()), "fail", "PRACK was not answered"),
            Case::new(
                "rings plainly",
                invited([vec![refuses(180)], cancelled()].concat()),
                "fail",
                "without Require: 100rel",
            ),
            Case::new("has it not", refused("Unsupported: 100rel\n"), "not_offered", "Unsupported: 100rel"),
            Case::new("will not say what it has not", refused(""), "fail", "without Unsupported"),
            Case::new(
                "does not ring",
                invited([vec![answers(&usual())], until_bye()].concat()),
                "not_offered",
                "nothing to acknowledge",
            ),
        ]
    });
}

#[test]
fn early_audio_is_judged() {
    judge("early_audio_is_judged", "early-media", || {
        let progress = |sdp: &str| Invite(183, "Session Progress", contact(), sdp.into());
        let early = |sdp: &str, more: Vec<Step>| invited([vec![progress(sdp)], more].concat());
        let format = one_of(&["3", "18"]);
        let moved = usual().replace("[media_port]", "45678");
        let moves = [vec![Waits(400 + draw(400)), answers(&moved)], until_bye()].concat();
        vec![
            Case::new("all right", early(&usual(), cancelled()), "pass", "packets of audio"),
            Case::new("silence", early(&usual(), cancelled()), "fail", "no audio came").silent(),
            Case::new("the answer says otherwise", early(&usual(), moves), "fail", "an answer is given once"),
            Case::new("a format not offered", early(&sdp(format, ""), cancelled()), "fail", "cannot be agreed to"),
            Case::new("it only rings", answered(&usual(), until_bye()), "not_offered", "no 18x with a description"),
        ]
        .into_iter()
        .map(|case| case.role(one_of(&["early", "ring"])))
        .collect()
    });
}

#[test]
fn a_delayed_offer_is_judged() {
    judge("a_delayed_offer_is_judged", "delayed-offer", || {
        vec![
            Case::new("all right", answered(&usual(), until_bye()), "pass", "our tones came back"),
            Case::new("silence", answered(&usual(), until_bye()), "fail", "no audio came").silent(),
            Case::new("no offer", answered("", until_bye()), "fail", "it has no description"),
            Case::new(
                "only what we do not speak",
                answered(&sdp("18", ""), until_bye()),
                "fail",
                "the offer cannot be agreed to",
            ),
        ]
        .into_iter()
        .map(|case| case.role("echo"))
        .collect()
    });
}

#[test]
fn a_hold_is_judged() {
    judge("a_hold_is_judged", "hold", || {
        let again = |sdp: &str| vec![Gets("INVITE"), agrees_again(sdp), Gets("ACK")];
        let hold = one_of(&["recvonly", "inactive"]);
        let wrong = one_of(&["sendrecv", "sendonly"]);
        let code = one_of(&[403, 488, 500]);
        let talks = |more: Vec<Vec<Step>>| answered(&usual(), [vec![Gets("ACK")], more.concat()].concat());
        let bye = || vec![Gets("BYE"), agrees()];
        let refused = vec![Gets("INVITE"), Again(code, String::new(), String::new()), Gets("ACK")];
        vec![
            Case::new(
                "all right",
                talks(vec![again(&one_way(hold)), again(&usual()), bye()]),
                "pass",
                "our tones came back",
            ),
            Case::new(
                "not held",
                talks(vec![again(&one_way(wrong)), bye()]),
                "fail",
                format!("answered with a={wrong}"),
            ),
            Case::new(
                "not resumed",
                talks(vec![again(&one_way(hold)), again(&one_way("inactive")), bye()]),
                "fail",
                "a=sendrecv was answered",
            ),
            Case::new("refused", talks(vec![refused, bye()]), "fail", format!("a=sendonly got {code}")),
            Case::new(
                "silent afterwards",
                talks(vec![again(&one_way(hold)), again(&usual()), bye()]),
                "fail",
                "no audio came after the resume",
            )
            .silent(),
        ]
        .into_iter()
        .map(|case| case.role("echo"))
        .collect()
    });
}

#[test]
fn a_codec_change_is_judged() {
    judge("a_codec_change_is_judged", "codec-change", || {
        let mu = sdp("0 101", &format!("a=rtpmap:0 PCMU/8000\n{EVENTS}"));
        let again = |step: Step| {
            answered(&usual(), vec![Gets("ACK"), Gets("INVITE"), step, Gets("ACK"), Gets("BYE"), agrees()])
        };
        let refused = |code| again(Again(code, String::new(), String::new()));
        let code = one_of(&[403, 500, 503]);
        vec![
            Case::new("all right", again(agrees_again(&mu)), "pass", "from PCMA to PCMU; our tones came back"),
            Case::new("will not", refused(488), "not_offered", "the call went on in PCMA"),
            Case::new("refused otherwise", refused(code), "fail", format!("got {code}")),
            Case::new("stays as it was", again(agrees_again(&usual())), "fail", "the answer to the offer of PCMU"),
            Case::new("silent", again(agrees_again(&mu)), "fail", "no audio came").silent(),
            Case::new("refused and silent", refused(488), "fail", "though the call goes on").silent(),
        ]
        .into_iter()
        .map(|case| case.role("echo"))
        .collect()
    });
}

#[test]
fn audio_is_measured_in_every_codec() {
    const CODECS: [(&str, &str, &str); 4] = [
        ("codec-pcma", "8", "a=rtpmap:8 PCMA/8000\n"),
        ("codec-pcmu", "0", "a=rtpmap:0 PCMU/8000\n"),
        ("codec-g722", "9", "a=rtpmap:9 G722/8000\n"),
        ("codec-opus", "111", "a=rtpmap:111 opus/48000/2\n"),
    ];
    if !has("sipp") {
        return skip("sipp is not installed");
    }
    if !in_own_network("acceptance::audio_is_measured_in_every_codec") {
        return;
    }
    let folder = configured(&[PORT], "");
    let other = CODECS[draw(4) as usize].1;
    for (check, format, map) in CODECS {
        let refusal = one_of(&[488, 606]);
        let code = one_of(&[404, 480, 500]);
        let speaks = |format: &str, map: &str| answered(&sdp(format, map), until_bye());
        let no = |code| invited(vec![refuses(code), Gets("ACK")]);
        let mut cases = vec![
            Case::new("all right", speaks(format, map), "pass", "our tones came back"),
            Case::new("silence", speaks(format, map), "fail", "no audio came").silent(),
            Case::new("has it not", no(refusal), "not_offered", format!("refused with {refusal}")),
            Case::new("refuses for another reason", no(code), "fail", format!("INVITE got {code}")),
        ];
        if other != format {
            cases.push(Case::new("answers with another", speaks(other, ""), "fail", "cannot be agreed to"));
        }
        for case in cases {
            let carrier = Carrier::start(PORT, case.echo, &case.steps);
            let said = asked(folder.path(), check, &[&format!("echo={}", number())]);
            let seen = format!("{check}, {}: {}: {}\n{}", case.what, said.verdict, said.came, carrier.complaints());
            assert!(said.verdict == case.verdict && said.came.contains(&case.came), "{seen}");
        }
    }
}

#[test]
fn keys_as_events_are_judged() {
    judge("keys_as_events_are_judged", "keys-rfc4733", || {
        let plain = sdp("8", PCMA);
        vec![
            Case::new("all right", answered(&usual(), until_bye()), "pass", "and came back").role("keys"),
            Case::new("swallows them", answered(&usual(), until_bye()), "fail", "nothing came back")
                .role("keys")
                .silent(),
            Case::new("has none", answered(&plain, until_bye()), "not_offered", "no telephone-event").role("keys"),
            Case::new("does not send them back", answered(&usual(), until_bye()), "pass", "without --to keys=NUMBER"),
        ]
    });
}

#[test]
fn keys_as_tones_are_judged() {
    judge("keys_as_tones_are_judged", "keys-inband", || {
        let plain = sdp("8", PCMA);
        vec![
            Case::new("all right", answered(&plain, until_bye()), "pass", "as tones and came back").role("keys"),
            Case::new("swallows them", answered(&plain, until_bye()), "fail", "nothing came back")
                .role("keys")
                .silent(),
            Case::new("does not send them back", answered(&plain, until_bye()), "not_tried", "--to keys=NUMBER"),
        ]
    });
}

#[test]
fn keys_by_info_are_judged() {
    judge("keys_by_info_are_judged", "keys-info", || {
        let infos = |code: u16, times: usize| {
            let one = [Gets("INFO"), Last(code, "Drawn", String::new())];
            let all: Vec<Step> = one.iter().cloned().cycle().take(2 * times).collect();
            answered(&usual(), [vec![Gets("ACK")], all, vec![Gets("BYE"), agrees()]].concat())
        };
        let (not, wrong) = (one_of(&[405, 415, 469, 501]), one_of(&[400, 404, 500, 503]));
        let keys = [Gets("INFO"), agrees()].into_iter().cycle().take(8).collect();
        let ends = answered(&usual(), [vec![Gets("ACK")], keys, vec![Asks("BYE", false), Answered(200)]].concat());
        vec![
            Case::new("all right", infos(200, 4), "pass", "each INFO got 200"),
            Case::new("has it not", infos(not, 1), "not_offered", format!("INFO got {not}")),
            Case::new("refuses", infos(wrong, 1), "fail", format!("INFO got {wrong}")),
            Case::new("hangs up afterwards", ends, "fail", "they hung up"),
        ]
    });
}

#[test]
fn a_session_timer_is_judged() {
    judge("a_session_timer_is_judged", "session-timer", || {
        let expires = |text: &str, more: &str| {
            let headers = format!("{}Session-Expires: {text}\n{more}", contact());
            invited([vec![Invite(200, "OK", headers, usual())], until_bye()].concat())
        };
        let (longer, shorter) = (91 + draw(1_000), 1 + draw(89));
        let refreshed =
            Again(200, format!("{}Require: timer\nSession-Expires: 95;refresher=uac\n", contact()), usual());
        let short = Invite(422, "Session Interval Too Small", "Min-SE: 95\n".into(), String::new());
        let agreed =
            Invite(200, "OK", format!("{}Require: timer\nSession-Expires: 95;refresher=uac\n", contact()), usual());
        let right = invited(vec![
            short,
            Gets("ACK"),
            Gets("INVITE"),
            agreed,
            Gets("ACK"),
            Gets("INVITE"),
            refreshed,
            Gets("ACK"),
            Gets("BYE"),
            agrees(),
        ]);
        vec![
            Case::new("none", answered(&usual(), until_bye()), "not_offered", "no Session-Expires"),
            Case::new(
                "longer than asked",
                expires(&format!("{longer};refresher=uac"), "Require: timer\n"),
                "fail",
                format!("Session-Expires: {longer}"),
            ),
            Case::new(
                "too short",
                expires(&format!("{shorter};refresher=uas"), ""),
                "fail",
                format!("Session-Expires: {shorter}"),
            ),
            Case::new("nobody refreshes", expires("90", "Require: timer\n"), "fail", "names no refresher"),
            Case::new("we are not told", expires("90;refresher=uac", ""), "fail", "no Require: timer"),
            Case::new(
                "422 first, then all right",
                right,
                "pass",
                "422 with Min-SE: 95 came first; a session of 95 s that we refresh; ours got 200",
            ),
        ]
    });
}

/// Takes the time of a session: nothing can shorten it.
#[test]
fn a_session_that_is_not_refreshed_is_judged() {
    judge("a_session_that_is_not_refreshed_is_judged", "session-timer", || {
        let agreed = |who: &str| {
            Invite(200, "OK", format!("{}Require: timer\nSession-Expires: 90;refresher={who}\n", contact()), usual())
        };
        let code = one_of(&[400, 403, 500, 603]);
        let refused = invited(vec![
            agreed("uac"),
            Gets("ACK"),
            Gets("INVITE"),
            Again(code, String::new(), String::new()),
            Gets("ACK"),
            Gets("BYE"),
            agrees(),
        ]);
        vec![
            Case::new("our refresh refused", refused, "fail", format!("our refresh got {code}")),
            Case::new(
                "they forget it",
                invited([vec![agreed("uas")], until_bye()].concat()),
                "fail",
                "they did not refresh the session",
            ),
        ]
    });
}

/// The second address of two is out of service.
#[test]
fn fail_over_is_judged() {
    if !has("sipp") {
        return skip("sipp is not installed");
    }
    if !in_own_network("acceptance::fail_over_is_judged") {
        return;
    }
    let good = || answered(&usual(), until_bye());
    let code = one_of(&[500, 503]);
    let bad = || invited(vec![refuses(code), Gets("ACK")]);
    let to = number();
    let one = configured(&[PORT], "");
    let said = asked(one.path(), "each-address", &[&to]);
    assert_eq!(said.verdict, "not_offered", "{}", said.came);
    let two = configured(&[PORT, PORT + 10], "");
    let first = Carrier::start(PORT, true, &good());
    let second = Carrier::start(PORT + 10, true, &good());
    let said = asked(two.path(), "each-address", &[&to]);
    assert_eq!(said.verdict, "pass", "{}", said.came);
    drop((first, second));
    let _first = Carrier::start(PORT, true, &good());
    let _second = Carrier::start(PORT + 10, true, &bad());
    let said = asked(two.path(), "each-address", &[&to]);
    let named = format!("127.0.0.1:{} UDP: INVITE got {code}", PORT + 10);
    assert!(said.verdict == "fail" && said.came.contains(&named), "{}: {}", said.verdict, said.came);
}

#[test]
fn passwords_are_judged() {
    if !has("sipp") {
        return skip("sipp is not installed");
    }
    if !in_own_network("acceptance::passwords_are_judged") {
        return;
    }
    let realm = format!("realm{}", draw(1_000_000));
    let login = format!("[login]\nrealm = \"{realm}\"\nuser = \"hotline\"\npassword_env = \"CARRIER_TEST_PASSWORD\"\n");
    let asked = |folder: &Path, to: &str| {
        let out = std::process::Command::new(crate::house::jiesu())
            .args(["trunk", "test", "carrier", "--only", "challenge", "--to", to, "--json", "-c"])
            .arg(folder)
            .env("CARRIER_TEST_PASSWORD", format!("p{}", draw(1 << 40)))
            .output()
            .expect("jiesu runs");
        let whole: Value = serde_json::from_slice(&out.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out.stderr)));
        let row = &whole["checks"][0];
        (row["verdict"].as_str().expect("a verdict").to_owned(), row["came"].as_str().expect("a finding").to_owned())
    };
    let challenge = |text: &str| {
        let headers = format!("WWW-Authenticate: Digest {text}\n");
        vec![Invite(401, "Unauthorized", headers, String::new()), Gets("ACK")]
    };
    let whole = format!("realm=\"{realm}\", nonce=\"{:x}\", qop=\"auth\", algorithm=MD5", draw(1 << 60));
    let with = |text: &str, more: Vec<Step>| invited([challenge(text), more].concat());
    let takes = || [vec![Gets("INVITE"), answers(&usual())], until_bye()].concat();
    let code = one_of(&[401, 403, 407]);
    let folder = configured(&[PORT], &login);
    for (what, steps, verdict, came) in [
        ("takes any password", with(&whole, takes()), "fail", "a wrong password was answered".to_owned()),
        (
            "takes none",
            with(&whole, vec![Gets("INVITE"), refuses(code), Gets("ACK")]),
            "fail",
            format!("INVITE got {code}"),
        ),
        ("has no nonce", with(&format!("realm=\"{realm}\""), vec![]), "fail", "has no nonce".to_owned()),
        ("asks for none", answered(&usual(), until_bye()), "not_offered", "no challenge came".to_owned()),
    ] {
        let carrier = Carrier::start(PORT, true, &steps);
        let (verdict_now, came_now) = asked(folder.path(), &number());
        let seen = format!("{what}: {verdict_now}: {came_now}\n{}", carrier.complaints());
        assert!(verdict_now == verdict && came_now.contains(&came), "{seen}");
    }
    let without = configured(&[PORT], "");
    let _carrier = Carrier::start(PORT, true, &with(&whole, vec![]));
    let (verdict, came) = asked(without.path(), &number());
    assert!(verdict == "fail" && came.contains("no [login]"), "{verdict}: {came}");
}

/// Our own daemon, with a password, as the carrier: whatever it has passes, and the page says all of it.
#[test]
fn our_own_daemon_is_accepted() {
    if !in_own_network("acceptance::our_own_daemon_is_accepted") {
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
    if !in_own_network("acceptance::baresip_is_accepted") {
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
    if !in_own_network("acceptance::the_list_tells_how_the_addresses_do") {
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
    if !in_own_network("acceptance::a_carrier_over_tls_is_judged") {
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
