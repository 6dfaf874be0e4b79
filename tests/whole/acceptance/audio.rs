//! What is heard, and keys.

use super::*;

#[test]
fn early_audio_is_judged() {
    judge("audio::early_audio_is_judged", "early-media", || {
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
    if !in_own_network("acceptance::audio::audio_is_measured_in_every_codec") {
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
    judge("audio::keys_as_events_are_judged", "keys-rfc4733", || {
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
    judge("audio::keys_as_tones_are_judged", "keys-inband", || {
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
    judge("audio::keys_by_info_are_judged", "keys-info", || {
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
