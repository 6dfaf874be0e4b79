//! Calls from their begin to their end, OPTIONS, passwords, fail-over.

use super::*;

#[test]
fn a_call_is_judged() {
    judge("signalling::a_call_is_judged", "call", || {
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
    judge("signalling::options_are_judged", "options", || {
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
    judge("signalling::a_hang_up_of_theirs_is_judged", "hangup", || {
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
    judge("signalling::a_cancel_is_judged", "cancel", || {
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
    judge("signalling::a_busy_number_is_judged", "busy", || {
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
    judge("signalling::an_unknown_number_is_judged", "unknown-number", || {
        let (right, wrong) = (one_of(&[404, 410, 484, 604]), one_of(&[403, 480, 486, 500, 503]));
        let refused = |code| invited(vec![refuses(code), Gets("ACK")]);
        vec![
            Case::new("all right", refused(right), "pass", format!("refused with {right}")).role("unknown"),
            Case::new("another code", refused(wrong), "fail", format!("INVITE got {wrong}")).role("unknown"),
            Case::new("answered", answered(&usual(), until_bye()), "fail", "begins a charge").role("unknown"),
        ]
    });
}

/// The second address of two is out of service.
#[test]
fn fail_over_is_judged() {
    if !has("sipp") {
        return skip("sipp is not installed");
    }
    if !in_own_network("acceptance::signalling::fail_over_is_judged") {
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
    if !in_own_network("acceptance::signalling::passwords_are_judged") {
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
