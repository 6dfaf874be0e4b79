//! What is said to a leg and what it says.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Prompt;
use crate::sdp;

/// One leg of this process; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LegId {
    pub(super) thread: u16,
    pub(super) serial: u64,
}

/// The other end, as offer and answer agreed on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    pub codec: sdp::Codec,
    /// The codec's payload type.
    pub payload: u8,
    /// The payload type of RFC 4733 events, if agreed.
    pub events: Option<u8>,
    /// What their durations count a second.
    pub events_clock: u32,
    /// Keys may come as tones in the audio: they are listened for.
    pub inband: bool,
    /// The keys of SRTP, where the audio is secured.
    pub secure: Option<sdp::crypto::Keys>,
    /// Where the SDP wants RTP. `None`: nowhere yet, or on hold.
    pub remote: Option<SocketAddr>,
    pub rtcp: Option<SocketAddr>,
    pub rtcp_mux: bool,
    /// We may send.
    pub send: bool,
    /// The other end may send; if not, its silence is not inactivity.
    pub receive: bool,
    /// Where the SIP message came from: a caller behind NAT sends its audio from there.
    pub signalled: IpAddr,
}

impl Connect {
    /// `signalled`: the source address of the SIP message that bore the description.
    pub fn from_sdp(agreed: &sdp::Agreed, signalled: IpAddr) -> Connect {
        Connect {
            codec: agreed.codec,
            payload: agreed.payload,
            events: agreed.events,
            events_clock: agreed.events_clock,
            inband: agreed.inband,
            secure: agreed.secure,
            remote: agreed.remote,
            rtcp: agreed.rtcp,
            rtcp_mux: agreed.rtcp_mux,
            send: agreed.send,
            receive: agreed.receive,
            signalled,
        }
    }
}

/// How long to listen, and to what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenLimits {
    /// Without speech for this long: [`Event::NoInput`].
    pub no_input: Duration,
    /// Silence of this length ends what was said.
    pub silence: Duration,
    /// The longest utterance.
    pub max: Duration,
    /// Keys that end it.
    pub end_keys: &'static str,
}

#[derive(Debug, Clone)]
pub enum Command {
    /// The first, and again after each re-INVITE.
    Connect(Connect),
    /// Replaces what is being played (which is then reported as interrupted).
    Play {
        play: u32,
        prompts: Vec<Arc<Prompt>>,
        /// A key stops it.
        barge_in: bool,
    },
    StopPlay,
    /// Replaces a listen under way (which then ends as [`SegmentEnd::Stopped`]). The file is made when speech begins.
    Listen {
        listen: u32,
        file: PathBuf,
        limits: ListenLimits,
    },
    /// Ends a listen: with a segment if speech had begun, else without a word.
    StopListen,
    /// A key that came another way (INFO): told as [`Event::Digit`] unless the audio told of it already, or will.
    Key(char),
    /// Keys to send, `0-9*#A-D`; others are left out. A comma is half a second's pause.
    SendDigits(String),
    /// Writes all that is heard into a file, silence included, until the leg closes. With `listen` it is an utterance of
    /// that number then: [`Event::Segment`].
    Record {
        listen: Option<u32>,
        file: PathBuf,
    },
    /// Passes audio between this leg and another of the same thread, both ways; what the two were playing stops.
    Bridge(LegId),
    /// Ends a bridge, from either side.
    Unbridge,
    /// Ends the leg: a listen under way is sealed, then [`Event::Closed`] is the last event.
    Close,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A key went down; once a key.
    Digit(char),
    /// All of it was sent, or it was stopped or replaced.
    PlayDone { play: u32, interrupted: bool },
    /// The caller speaks while this plays, and it is not our own voice come back; once a play.
    SpokenOver { play: u32 },
    /// An utterance is on disk.
    Segment(Segment),
    /// Nobody spoke; also where an end key was pressed before any speech.
    NoInput { listen: u32 },
    /// Neither RTP nor RTCP for the configured time. Said once until audio comes again.
    Inactive,
    /// The last event.
    Closed(Stats),
}

/// One utterance. Its file is closed and fsynced, unless `error` says otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    pub listen: u32,
    pub file: PathBuf,
    /// Of the file.
    pub duration: Duration,
    /// Of which speech.
    pub speech: Duration,
    pub ended: SegmentEnd,
    /// What went wrong on disk; then the file may be short or missing.
    pub error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentEnd {
    /// It was cut off at a pause because it is long; the next segment of this listen goes on where it ends.
    Cut,
    Silence,
    Key(char),
    Max,
    Stopped,
    HungUp,
}

/// One leg's totals.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// RTP packets taken.
    pub received: u64,
    /// RTP packets that never came.
    pub lost: u64,
    /// Came behind a later one.
    pub reordered: u64,
    /// Came too late to be heard, or twice.
    pub late: u64,
    /// Interarrival jitter (RFC 3550 annex A.8).
    pub jitter_ms: f64,
    /// RTP packets sent.
    pub sent: u64,
    /// Datagrams of a source that is not the caller's.
    pub rejected: u64,
    /// Datagrams that SRTP does not open: forged, replayed, or in the clear.
    pub forged: u64,
    /// Datagrams of the right source that are not RTP, or of a payload type that was not agreed.
    pub unreadable: u64,
    /// Packets that the kernel did not take.
    pub unsent: u64,
    /// Chunks of audio that the recorder could not take.
    pub unrecorded: u64,
    /// Events that the owner's queue had no room for.
    pub untold: u64,
    /// What the other end said it lost of ours, in its last report.
    pub remote_lost: Option<i32>,
    /// Round trip by RTCP.
    pub round_trip: Option<Duration>,
}
