//! What happens inside a call: PRACK, offers and answers, hold, session timers.

use super::*;

#[test]
fn reliable_responses_are_judged() {
    judge("dialog::reliable_responses_are_judged", "prack", || {
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
fn a_delayed_offer_is_judged() {
    judge("dialog::a_delayed_offer_is_judged", "delayed-offer", || {
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
    judge("dialog::a_hold_is_judged", "hold", || {
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
    judge("dialog::a_codec_change_is_judged", "codec-change", || {
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
fn a_session_timer_is_judged() {
    judge("dialog::a_session_timer_is_judged", "session-timer", || {
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
    judge("dialog::a_session_that_is_not_refreshed_is_judged", "session-timer", || {
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
