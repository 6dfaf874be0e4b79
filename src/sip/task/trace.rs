//! The messages of the last calls, in a ring that is bounded in messages and bytes. Seen by [`draw`].

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::id::CallId;
use crate::sip::endpoint::Flow;
use crate::sip::ladder::{Drawn, Passed, Way, draw};

/// Messages that are kept, and their bytes in all.
const MESSAGES: usize = 10_000;
const BYTES: usize = 8 << 20;
/// What is kept of one message.
const LONGEST: usize = 2048;
/// Calls whose own names are known.
const NAMES: usize = 2048;

/// Clones see the same messages.
#[derive(Debug, Clone, Default)]
pub struct Trace(Arc<Mutex<Ring>>);

#[derive(Debug, Default)]
struct Ring {
    messages: VecDeque<Passed>,
    bytes: usize,
    /// Our calls and the Call-IDs of their legs.
    names: VecDeque<(CallId, Bytes)>,
}

impl Trace {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().expect("nothing panics while holding this lock")
    }

    /// A message passed. Junk is no message: it belongs to no call and would push out those that do.
    pub fn note(&self, at: Timestamp, way: Way, flow: &Flow, bytes: &Bytes) {
        if !begins_as_sip(bytes) {
            return;
        }
        // What is cut is copied, or a slice would hold the whole.
        let bytes = if bytes.len() > LONGEST { Bytes::copy_from_slice(&bytes[..LONGEST]) } else { bytes.clone() };
        let mut ring = self.ring();
        ring.bytes += bytes.len();
        ring.messages.push_back(Passed { at, way, transport: flow.transport, peer: flow.peer, bytes });
        while ring.messages.len() > MESSAGES || ring.bytes > BYTES {
            let Some(gone) = ring.messages.pop_front() else { break };
            ring.bytes -= gone.bytes.len();
        }
    }

    /// All that is kept, the oldest first.
    pub fn messages(&self) -> Vec<Passed> {
        self.ring().messages.iter().cloned().collect()
    }

    /// This leg belongs to this call of ours.
    pub fn name(&self, call: CallId, call_id: &[u8]) {
        let mut ring = self.ring();
        if ring.names.len() == NAMES {
            ring.names.pop_front();
        }
        ring.names.push_back((call, Bytes::copy_from_slice(call_id)));
    }

    /// The ladders of a call: `which` is a Call-ID, or our own name of a call (all its legs). `None`: not here, or no
    /// longer.
    pub fn ladders(&self, which: &str, drawn: Drawn, zone: &TimeZone) -> Option<String> {
        let (messages, legs) = {
            let ring = self.ring();
            let named = which.parse::<CallId>().ok();
            let of = |(call, _): &&(CallId, Bytes)| Some(*call) == named;
            let mut legs: Vec<Bytes> = ring.names.iter().filter(of).map(|(_, leg)| leg.clone()).collect();
            if legs.is_empty() {
                legs.push(Bytes::copy_from_slice(which.as_bytes()));
            }
            (ring.messages.iter().cloned().collect::<Vec<_>>(), legs)
        };
        let ladders: Vec<String> = legs.iter().map(|leg| draw(&messages, leg, drawn, zone)).collect();
        let text = ladders.into_iter().filter(|ladder| !ladder.is_empty()).collect::<Vec<_>>().join("\n");
        (!text.is_empty()).then_some(text)
    }
}

/// A start line, told without reading: `SIP/` stands in the first line, which is not too long.
fn begins_as_sip(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(LONGEST)];
    let line = memchr::memchr(b'\n', start).map_or(start, |end| &start[..end]);
    memchr::memmem::find(line, b"SIP/").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sip::endpoint::Transport;

    fn note(trace: &Trace, call_id: &str, length: usize) {
        let flow = Flow {
            transport: Transport::Udp,
            local: "192.0.2.1:5060".parse().expect("an address"),
            peer: "192.0.2.9:5060".parse().expect("an address"),
            connection: 0,
        };
        let head = format!("OPTIONS sip:a@h SIP/2.0\r\nCall-ID: {call_id}\r\nCSeq: 1 OPTIONS\r\n\r\n");
        let text = format!("{head}{}", "x".repeat(length.saturating_sub(head.len())));
        trace.note(Timestamp::UNIX_EPOCH, Way::In, &flow, &Bytes::from(text));
    }

    #[test]
    fn the_ring_is_bounded_and_the_last_calls_are_in_it() {
        let trace = Trace::default();
        let ladder = |which: &str| trace.ladders(which, Drawn::default(), &TimeZone::UTC);
        for i in 0..MESSAGES + 100 {
            note(&trace, &format!("call-{i}"), 0);
        }
        assert_eq!(trace.ring().messages.len(), MESSAGES);
        assert_eq!(ladder("call-99"), None);
        assert!(ladder("call-100").is_some() && ladder(&format!("call-{}", MESSAGES + 99)).is_some());
        for _ in 0..MESSAGES {
            note(&trace, "long", 60_000);
        }
        let ring = trace.ring();
        assert!(ring.bytes <= BYTES && ring.bytes == ring.messages.iter().map(|m| m.bytes.len()).sum::<usize>());
    }

    /// Found by tests/whole/junk.rs: datagrams of a listed address that were no SIP filled the ring.
    #[test]
    fn junk_takes_no_room() {
        let trace = Trace::default();
        note(&trace, "call", 0);
        let flow = trace.ring().messages[0].clone();
        let flow = Flow { transport: flow.transport, local: flow.peer, peer: flow.peer, connection: 0 };
        for junk in [&b""[..], b"\r\n", b"\n INVITE sip:a SIP/2.0", &[0xff; 60_000]] {
            trace.note(Timestamp::UNIX_EPOCH, Way::In, &flow, &Bytes::copy_from_slice(junk));
        }
        assert_eq!(trace.ring().messages.len(), 1);
    }

    #[test]
    fn a_call_is_found_by_its_own_name_with_all_its_legs() {
        let trace = Trace::default();
        let call = CallId::new(1, 2);
        for leg in ["in", "out", "else"] {
            note(&trace, leg, 0);
        }
        trace.name(call, b"in");
        trace.name(call, b"out");
        let text = trace.ladders(&call.to_string(), Drawn::default(), &TimeZone::UTC).expect("it is there");
        assert!(text.contains("Call-ID in,") && text.contains("Call-ID out,") && !text.contains("else"), "{text}");
    }
}
