//! What is examined: every check with what it does, what it expects by which rule, and how it may end.

use std::time::Duration;

use crate::sdp::Codec;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    Pass,
    Fail,
    /// They do not have it, and said so as the rules want.
    NotOffered,
    /// Something was missing to try it.
    NotTried,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Fail => "FAIL",
            Verdict::NotOffered => "not offered",
            Verdict::NotTried => "not tried",
        }
    }
}

/// Why a check ended short of a pass, in words for both sides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Short {
    #[error("{0}")]
    Failed(String),
    #[error("{0}")]
    NotOffered(String),
    #[error("{0}")]
    NotTried(String),
}

impl Short {
    pub fn verdict(&self) -> Verdict {
        match self {
            Short::Failed(_) => Verdict::Fail,
            Short::NotOffered(_) => Verdict::NotOffered,
            Short::NotTried(_) => Verdict::NotTried,
        }
    }
}

/// What a check came to: what was seen where it passed.
pub(super) type Came = Result<String, Short>;

/// A number of theirs, by what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Answers and stays.
    Answer,
    /// Answers and sends back the audio that it gets.
    Echo,
    /// Answers and sends back keys, or all RTP packets as they are.
    Keys,
    /// Rings for some seconds at least.
    Ring,
    /// Sends audio before it answers.
    Early,
    /// Answers and hangs up within a minute.
    Hangup,
    Busy,
    Unknown,
}

impl Role {
    pub const ALL: [(&'static str, Role); 8] = [
        ("answer", Role::Answer),
        ("echo", Role::Echo),
        ("keys", Role::Keys),
        ("ring", Role::Ring),
        ("early", Role::Early),
        ("hangup", Role::Hangup),
        ("busy", Role::Busy),
        ("unknown", Role::Unknown),
    ];

    pub fn name(self) -> &'static str {
        Role::ALL.iter().find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }

    /// Whose number will do where this one has none, the best first.
    pub fn stands_in(self) -> &'static [Role] {
        match self {
            Role::Answer => &[Role::Echo, Role::Keys],
            Role::Echo => &[Role::Answer],
            Role::Ring | Role::Early => &[Role::Ring, Role::Early, Role::Answer, Role::Echo],
            Role::Keys | Role::Hangup | Role::Busy | Role::Unknown => &[],
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Options,
    Call,
    Hangup,
    Cancel,
    Prack,
    EarlyMedia,
    SessionTimer,
    KeysEvents,
    KeysInfo,
    KeysTones,
    Hold,
    CodecChange,
    Codec(Codec),
    DelayedOffer,
    EachAddress,
    Busy,
    UnknownNumber,
    Challenge,
}

/// What stands about a check in the report.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    /// On the command line.
    pub name: &'static str,
    pub title: &'static str,
    /// What we do.
    pub sends: &'static str,
    pub expects: &'static str,
    /// By which rule.
    pub rule: &'static str,
}

impl Check {
    /// In the order in which they are made: what others rest on comes first.
    pub const ALL: &[Check] = &[
        Check::Options,
        Check::Call,
        Check::Hangup,
        Check::Cancel,
        Check::Busy,
        Check::UnknownNumber,
        Check::Challenge,
        Check::EachAddress,
        Check::Prack,
        Check::EarlyMedia,
        Check::DelayedOffer,
        Check::Hold,
        Check::CodecChange,
        Check::Codec(Codec::Pcma),
        Check::Codec(Codec::Pcmu),
        Check::Codec(Codec::G722),
        Check::Codec(Codec::Opus),
        #[cfg(feature = "g729")]
        Check::Codec(Codec::G729),
        Check::KeysEvents,
        Check::KeysInfo,
        Check::KeysTones,
        Check::SessionTimer,
    ];

    pub fn named(name: &str) -> Option<Check> {
        Check::ALL.iter().copied().find(|check| check.about().name == name)
    }

    pub fn about(self) -> About {
        let about = |name, title, sends, expects, rule| About { name, title, sends, expects, rule };
        match self {
            Check::Options => about(
                "options",
                "OPTIONS to each address",
                "OPTIONS outside any dialog, to every address of the trunk",
                "200 with the methods that are taken (Allow); any other answer but 503 shows that somebody is there",
                "RFC 3261 section 11.2",
            ),
            Check::Call => about(
                "call",
                "A call that we hang up",
                "INVITE with an offer, ACK, and BYE after two seconds",
                "200 with To tag, one Contact and an answer that fits the offer; audio; 200 to BYE",
                "RFC 3261 sections 13.3.1.4, 12.1.1 and 15.1.2; RFC 3264 section 6",
            ),
            Check::Hangup => about(
                "hangup",
                "A call that they hang up",
                "INVITE, ACK, and 200 to their BYE",
                "BYE inside the dialog within a minute, and not again after our 200",
                "RFC 3261 sections 15.1.1 and 12.2.1.1",
            ),
            Check::Cancel => about(
                "cancel",
                "A call that is given up while it rings",
                "INVITE, and CANCEL when it rings",
                "200 to CANCEL, 487 to INVITE",
                "RFC 3261 section 9.2",
            ),
            Check::Busy => about(
                "busy",
                "A busy number",
                "INVITE to a number that is busy",
                "486 or 600",
                "RFC 3261 sections 21.4.24 and 21.6.1",
            ),
            Check::UnknownNumber => about(
                "unknown-number",
                "A number that does not exist",
                "INVITE to a number that nobody has",
                "404, 410, 484 or 604; no answer that would be charged, and no 5xx, which would send the call elsewhere",
                "RFC 3261 sections 21.4.5, 21.4.11, 21.4.22 and 21.6.3; RFC 3263 section 4.3",
            ),
            Check::Challenge => about(
                "challenge",
                "Passwords (digest)",
                "INVITE; where it is challenged, once with the trunk's password and once with a wrong one",
                "a challenge with realm, nonce and qop; the right password is taken, the wrong one is refused",
                "RFC 3261 section 22; RFC 7616 section 3.3; RFC 8760",
            ),
            Check::EachAddress => about(
                "each-address",
                "Fail-over: each address takes calls",
                "one call to each address of the trunk",
                "each is answered",
                "RFC 3263 section 4.3",
            ),
            Check::Prack => about(
                "prack",
                "Reliable provisional responses",
                "INVITE with Require: 100rel, and PRACK for each reliable 18x",
                "18x with Require: 100rel and RSeq, 200 to PRACK; or 420 with Unsupported: 100rel",
                "RFC 3262 sections 3 and 4; RFC 3261 section 8.2.2.3",
            ),
            Check::EarlyMedia => about(
                "early-media",
                "Audio before the answer",
                "INVITE, listening from the first 18x with SDP on",
                "audio before the answer, and the same description in the 200",
                "RFC 3261 section 13.2.1; RFC 3960 section 3",
            ),
            Check::DelayedOffer => about(
                "delayed-offer",
                "A call without an offer of ours",
                "INVITE without SDP; our answer in ACK",
                "an offer in the 200; audio after our answer",
                "RFC 3261 section 13.2.1; RFC 3264 section 5",
            ),
            Check::Hold => about(
                "hold",
                "Hold and resume",
                "re-INVITE with a=sendonly, then with a=sendrecv",
                "a=recvonly or a=inactive while on hold, a=sendrecv and audio afterwards",
                "RFC 3264 sections 6.1 and 8.4; RFC 3261 section 14.2",
            ),
            Check::CodecChange => about(
                "codec-change",
                "Another codec during the call",
                "re-INVITE with another codec than the one that is spoken",
                "200 and audio in the new codec; or 488, and the call goes on",
                "RFC 3264 section 8.3.2; RFC 3261 section 14.1",
            ),
            Check::Codec(codec) => {
                let (name, title, rule) = match codec {
                    Codec::Pcma => {
                        ("codec-pcma", "Audio in G.711 A-law", "RFC 3551 section 4.5.14; RFC 3264 section 6")
                    }
                    Codec::Pcmu => {
                        ("codec-pcmu", "Audio in G.711 mu-law", "RFC 3551 section 4.5.14; RFC 3264 section 6")
                    }
                    Codec::G722 => ("codec-g722", "Audio in G.722", "RFC 3551 section 4.5.2; RFC 3264 section 6"),
                    Codec::Opus => ("codec-opus", "Audio in Opus", "RFC 7587; RFC 3264 section 6"),
                    #[cfg(feature = "g729")]
                    Codec::G729 => ("codec-g729", "Audio in G.729", "RFC 3551 section 4.5.6; RFC 4856 section 2.1.9"),
                };
                let sends = "INVITE that offers this codec alone; a row of tones that is drawn anew";
                let expects = "audio; from an echo number the same tones. 488 where the codec is not spoken";
                about(name, title, sends, expects, rule)
            }
            Check::KeysEvents => about(
                "keys-rfc4733",
                "Keys as telephone-events",
                "four drawn keys as RFC 4733 events",
                "telephone-event in the answer; from a keys number the same keys",
                "RFC 4733 sections 2.4.1 and 2.5",
            ),
            Check::KeysInfo => about(
                "keys-info",
                "Keys by INFO",
                "INFO with application/dtmf-relay",
                "200; or 405, 415, 469 or 501 where it is not taken, and the call goes on",
                "RFC 6086 section 4.2.2",
            ),
            Check::KeysTones => about(
                "keys-inband",
                "Keys as tones",
                "an offer without telephone-event; four drawn keys as tones in the audio",
                "from a keys number the same keys",
                "ITU-T Q.23 and Q.24",
            ),
            Check::SessionTimer => about(
                "session-timer",
                "Session timer",
                "INVITE with Session-Expires: 90; then the refresh, by whoever is to make it (45 s)",
                "Session-Expires of at most what was asked, with a refresher; the refresh is made, or answered with 200. \
                 422 with a larger Min-SE is followed. No timer at all is allowed",
                "RFC 4028 sections 7, 8 and 9",
            ),
        }
    }

    /// How long it takes, about, where all is well.
    pub fn takes(self) -> Duration {
        Duration::from_secs(if self == Check::SessionTimer { 48 } else { 4 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_a_name_of_its_own() {
        for (i, check) in Check::ALL.iter().copied().enumerate() {
            assert_eq!(Check::named(check.about().name), Some(check));
            assert!(Check::ALL[..i].iter().all(|other| other.about().title != check.about().title), "{check:?}");
        }
    }
}
