//! SDP (RFC 8866) and the offer/answer model (RFC 3264), for one audio stream with RFC 4733 keys.
//!
//! Owns the lenient reader, the printer and the answerer. Refuses other codecs, secured profiles where they are not
//! wanted (and plain ones where they are), and everything that is not audio: such lines are answered with port 0, in the offer's order and number. Knows no sockets: addresses come in
//! with [`Ours`] and go out with [`Agreed`]; whether a named address is believed is for `media` to decide.

mod answer;
pub mod crypto;
mod parse;
mod print;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

pub use answer::{accept, answer_bytes, offer, offer_in};
pub use parse::{Connection, Direction, Fmtp, Map, Media, Rtcp, Session};
pub use print::{Origin, print};

use crate::audio::g711::Law;
use crate::audio::wide::Wide;

/// An audio codec we speak (RFC 3551 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 A-law.
    Pcma,
    /// G.711 mu-law.
    Pcmu,
    /// G.722, 16 kHz at 64 kbit/s.
    G722,
    /// RFC 6716, RFC 7587.
    Opus,
    /// G.729, 8 kHz at 8 kbit/s.
    #[cfg(feature = "g729")]
    G729,
}

impl Codec {
    /// Those that were built in.
    pub const ALL: &[Codec] = &[
        Codec::Pcma,
        Codec::Pcmu,
        Codec::G722,
        Codec::Opus,
        #[cfg(feature = "g729")]
        Codec::G729,
    ];

    /// The static payload type; of our offers where the codec has none.
    pub fn payload(self) -> u8 {
        match self {
            Codec::Pcma => 8,
            Codec::Pcmu => 0,
            Codec::G722 => 9,
            Codec::Opus => 111,
            #[cfg(feature = "g729")]
            Codec::G729 => 18,
        }
    }

    /// The encoding name of `a=rtpmap`, also used in the configuration (letter case ignored there).
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcma => "PCMA",
            Codec::Pcmu => "PCMU",
            Codec::G722 => "G722",
            Codec::Opus => "opus",
            #[cfg(feature = "g729")]
            Codec::G729 => "G729",
        }
    }

    /// Which law, of the codecs that are one.
    pub fn law(self) -> Option<Law> {
        match self {
            Codec::Pcma => Some(Law::A),
            Codec::Pcmu => Some(Law::Mu),
            Codec::G722 | Codec::Opus => None,
            #[cfg(feature = "g729")]
            Codec::G729 => None,
        }
    }

    /// Which codec that is decoded to 16 kHz, of the others.
    pub fn wide(self) -> Option<Wide> {
        match self {
            Codec::Pcma | Codec::Pcmu => None,
            Codec::G722 => Some(Wide::G722),
            Codec::Opus => Some(Wide::Opus),
            #[cfg(feature = "g729")]
            Codec::G729 => Some(Wide::G729),
        }
    }

    /// What RTP timestamps count a second: 8,000 for G.722 too (RFC 3551 section 4.5.2), and 48,000 for Opus whatever it
    /// samples (RFC 7587 section 4.1).
    pub fn clock(self) -> u32 {
        match self {
            Codec::Pcma | Codec::Pcmu | Codec::G722 => 8_000,
            Codec::Opus => 48_000,
            #[cfg(feature = "g729")]
            Codec::G729 => 8_000,
        }
    }

    /// Of `a=rtpmap`: always two for Opus (RFC 7587 section 7).
    fn channels(self) -> u32 {
        if self == Codec::Opus { 2 } else { 1 }
    }

    /// The number that stands for it without `a=rtpmap`.
    fn is_static(self, payload: u8) -> bool {
        self != Codec::Opus && self.payload() == payload
    }

    /// What we say in `a=fmtp`. Opus: mono up to 16 kHz is what is heard and sent, and lost packets can be made good. G.729:
    /// no comfort noise (RFC 4856 section 2.1.9; without the word it would be agreed to).
    fn parameters(self) -> Option<&'static [u8]> {
        match self {
            Codec::Pcma | Codec::Pcmu | Codec::G722 => None,
            Codec::Opus => Some(b"maxplaybackrate=16000;sprop-maxcapturerate=16000;stereo=0;useinbandfec=1"),
            #[cfg(feature = "g729")]
            Codec::G729 => Some(b"annexb=no"),
        }
    }
}

/// A codec's name in the configuration that we do not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotACodec {
    #[error("not a codec that is spoken here: write \"PCMA\", \"PCMU\", \"G722\" or \"opus\"")]
    Unknown,
    #[error("G729 is not in this program: build it with `--features g729` (read the licence note in README.md first)")]
    NotBuilt,
}

impl std::str::FromStr for Codec {
    type Err = NotACodec;

    /// By name, letter case ignored.
    fn from_str(name: &str) -> Result<Codec, NotACodec> {
        let found = Codec::ALL.iter().copied().find(|codec| codec.name().eq_ignore_ascii_case(name));
        found.ok_or_else(|| if name.eq_ignore_ascii_case("G729") { NotACodec::NotBuilt } else { NotACodec::Unknown })
    }
}

/// How keys come from the peer and go to it: a setting, for all or for a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keys {
    /// RFC 4733 events; as tones in the audio where the peer has no events.
    #[default]
    Auto,
    /// Events where they are agreed, and tones are listened for all the same: some gateways agree and send tones.
    Both,
    /// Events only.
    Events,
    /// Tones only: events are neither offered nor agreed to.
    Tones,
}

impl Keys {
    pub const ALL: [(&'static str, Keys); 4] =
        [("auto", Keys::Auto), ("both", Keys::Both), ("rfc4733", Keys::Events), ("inband", Keys::Tones)];

    /// Whether the audio is listened to for tones.
    fn are_tones(self, events: bool) -> bool {
        match self {
            Keys::Auto => !events,
            Keys::Both | Keys::Tones => true,
            Keys::Events => false,
        }
    }
}

/// Whether audio is secured (SRTP with SDES keys).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Secure {
    /// Secured profiles are refused.
    #[default]
    Off,
    /// An offer of it is taken, on its own or beside plain RTP (RFC 8643); our offers are of plain RTP.
    Accept,
    /// Nothing else is offered or taken.
    Require,
}

impl Secure {
    pub const ALL: [(&'static str, Secure); 3] =
        [("off", Secure::Off), ("accept", Secure::Accept), ("require", Secure::Require)];
}

/// What we are ready to agree to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// In our order, for offers. Answers follow the offer's order (RFC 3264 section 6.1).
    pub codecs: Vec<Codec>,
    pub keys: Keys,
    pub secure: Secure,
}

impl Terms {
    /// These codecs, the rest as usual.
    pub fn of(codecs: &[Codec]) -> Terms {
        Terms { codecs: codecs.to_vec(), ..Terms::default() }
    }
}

impl Default for Terms {
    fn default() -> Terms {
        Terms { codecs: vec![Codec::Pcma, Codec::Pcmu], keys: Keys::Auto, secure: Secure::Off }
    }
}

/// Our side of a session, for its whole life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// Where we receive; also of the `o=` line.
    pub address: IpAddr,
    /// RTP; RTCP is the next one.
    pub port: u16,
    pub terms: Terms,
    /// What we seal with, by suite, where audio is secured: the same for the whole session, so that its packets' count
    /// goes on through each change of the description.
    pub masters: [crypto::Master; 2],
    /// Of the `o=` line: stays the same for the whole session.
    pub session: u64,
    /// Of the `o=` line: one more for each changed description (RFC 3264 section 8).
    pub version: u64,
}

impl Ours {
    /// A new session with an id of its own; `secret`: random bits that nobody can guess.
    pub fn new(address: IpAddr, port: u16, terms: &Terms, secret: [crypto::Master; 2]) -> Ours {
        static BEFORE: AtomicU64 = AtomicU64::new(1);
        let session = scattered(BEFORE.fetch_add(1, Ordering::Relaxed));
        Ours { address, port, terms: terms.clone(), masters: secret, session, version: 1 }
    }
}

/// A different id for each count, which does not tell how many sessions there were before (the finisher of splitmix64).
/// 62 bits: some peers read the id into a signed number.
fn scattered(count: u64) -> u64 {
    let a = (count ^ (count >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let b = (a ^ (a >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (b ^ (b >> 31)) >> 2
}

/// What offer and answer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// Our answer; empty where the peer answered our offer.
    pub sdp: Bytes,
    pub codec: Codec,
    /// The codec's payload type in this session.
    pub payload: u8,
    /// The payload type of RFC 4733 keys, if the peer has them.
    pub events: Option<u8>,
    /// What their durations count a second.
    pub events_clock: u32,
    /// Keys may come as tones in the audio.
    pub inband: bool,
    /// The keys of SRTP, where the audio is secured.
    pub secure: Option<crypto::Keys>,
    /// How much audio the peer wants in a packet; 10 to 60.
    pub ptime_ms: u32,
    /// Where the peer receives RTP. None: a host name, the hold address, multicast, or ourselves.
    pub remote: Option<SocketAddr>,
    /// Where the peer receives RTCP. None also where it names another host than the one for RTP.
    pub rtcp: Option<SocketAddr>,
    /// RTP and RTCP on one port (RFC 5761).
    pub rtcp_mux: bool,
    /// We may send.
    pub send: bool,
    /// The peer may send.
    pub receive: bool,
}

/// Why a description cannot be agreed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the SDP cannot be read: {0}")]
    Malformed(&'static str),
    #[error("the SDP has more than {limit} {what}")]
    TooMuch { what: &'static str, limit: usize },
    #[error("the SDP offers no audio stream that is in use")]
    NoAudio,
    #[error("the audio is offered in a profile only that is not spoken here (media.srtp says whether RTP/SAVP is)")]
    Profile,
    #[error("the audio cannot be secured: {0}")]
    Key(&'static str),
    #[error("none of the offered codecs is spoken here")]
    NoCodec,
}

impl Refused {
    /// The SIP response (RFC 3261 section 13.3.1.3 and 21.4).
    pub fn code(self) -> u16 {
        match self {
            Refused::Malformed(_) => 400,
            Refused::TooMuch { .. } | Refused::NoAudio | Refused::Profile | Refused::Key(_) | Refused::NoCodec => 488,
        }
    }

    /// One word for figures.
    pub fn reason(self) -> &'static str {
        match self {
            Refused::Profile => "profile",
            Refused::Key(_) => "srtp_key",
            Refused::Malformed(_) | Refused::TooMuch { .. } | Refused::NoAudio | Refused::NoCodec => "no_codec",
        }
    }

    /// What to change where this happens too often.
    pub fn remedy(self) -> &'static str {
        match self {
            Refused::Profile => {
                "the peer offers secured audio and media.srtp is \"off\", or only plain audio and it is \"require\""
            }
            Refused::Key(_) => "have the peer offer AES_CM_128_HMAC_SHA1_80 or _32 with one good key and no MKI",
            Refused::Malformed(_) | Refused::TooMuch { .. } | Refused::NoAudio | Refused::NoCodec => {
                "the peer offers no codec of ours: have it offer one of media.codecs"
            }
        }
    }
}
