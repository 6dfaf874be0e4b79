//! SDP (RFC 8866) and the offer/answer model (RFC 3264), for one G.711 audio stream with RFC 4733 keys.
//!
//! Owns the lenient reader, the printer and the answerer. Refuses secured profiles, other codecs and everything that is
//! not audio: such lines are answered with port 0, in the offer's order and number. Knows no sockets: addresses come in
//! with [`Ours`] and go out with [`Agreed`]; whether a named address is believed is for `media` to decide.

mod answer;
mod parse;
mod print;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

pub use answer::{accept, answer_bytes, offer};
pub use parse::{Connection, Direction, Fmtp, Map, Media, Rtcp, Session};
pub use print::{Origin, print};

use crate::audio::g711::Law;

/// An audio codec we speak (RFC 3551 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// G.711 A-law.
    Pcma,
    /// G.711 mu-law.
    Pcmu,
}

impl Codec {
    pub const ALL: [Codec; 2] = [Codec::Pcma, Codec::Pcmu];

    /// The static payload type.
    pub fn payload(self) -> u8 {
        match self {
            Codec::Pcma => 8,
            Codec::Pcmu => 0,
        }
    }

    /// The encoding name of `a=rtpmap`, also used in the configuration (letter case ignored there).
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcma => "PCMA",
            Codec::Pcmu => "PCMU",
        }
    }

    pub fn law(self) -> Law {
        match self {
            Codec::Pcma => Law::A,
            Codec::Pcmu => Law::Mu,
        }
    }
}

/// A codec's name in the configuration that we do not speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a codec that is spoken here: write \"PCMA\" or \"PCMU\"")]
pub struct NotACodec;

impl std::str::FromStr for Codec {
    type Err = NotACodec;

    /// By name, letter case ignored.
    fn from_str(name: &str) -> Result<Codec, NotACodec> {
        Codec::ALL.into_iter().find(|codec| codec.name().eq_ignore_ascii_case(name)).ok_or(NotACodec)
    }
}

/// Our side of a session, for its whole life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// Where we receive; also of the `o=` line.
    pub address: IpAddr,
    /// RTP; RTCP is the next one.
    pub port: u16,
    /// In our order, for offers. Answers follow the offer's order (RFC 3264 section 6.1).
    pub codecs: Vec<Codec>,
    /// Of the `o=` line: stays the same for the whole session.
    pub session: u64,
    /// Of the `o=` line: one more for each changed description (RFC 3264 section 8).
    pub version: u64,
}

impl Ours {
    /// A new session with an id of its own.
    pub fn new(address: IpAddr, port: u16, codecs: &[Codec]) -> Ours {
        static BEFORE: AtomicU64 = AtomicU64::new(1);
        let session = scattered(BEFORE.fetch_add(1, Ordering::Relaxed));
        Ours { address, port, codecs: codecs.to_vec(), session, version: 1 }
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
    #[error("the audio is offered in a secured or unknown profile only; RTP/AVP is spoken here")]
    Profile,
    #[error("none of the offered codecs is spoken here")]
    NoCodec,
}

impl Refused {
    /// The SIP response (RFC 3261 section 13.3.1.3 and 21.4).
    pub fn code(self) -> u16 {
        match self {
            Refused::Malformed(_) => 400,
            Refused::TooMuch { .. } | Refused::NoAudio | Refused::Profile | Refused::NoCodec => 488,
        }
    }
}
