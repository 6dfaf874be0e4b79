//! What a leg sends: one packet a tick, with sequence, timestamp, SSRC and marker as RFC 3550 and RFC 3551 want them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use super::{Datagram, Output};
use crate::audio::g711::Law;
use crate::media::command::{Connect, Event};
use crate::media::player::{self, Playing, Prompt};
use crate::media::{FRAME, TICK};
use crate::rtp::event;
use crate::rtp::packet::Packet;

/// Timestamp units of a tick.
const STEP: u16 = FRAME as u16;
/// Frames of the other leg that may wait; one is the rule, the rest is for ticks of different phase.
const PASSED: usize = 3;

pub(super) struct Sending {
    ssrc: u32,
    sequence: u16,
    /// Of the next packet; goes on in every tick, sent or not.
    timestamp: u32,
    /// The last tick sent audio; if not, the next packet begins a talk-spurt.
    talking: bool,
    packets: u64,
    octets: u64,
    playing: Option<Playing>,
    keys: event::Sender,
    /// Keys as tones, where no events were agreed.
    tones: Option<Playing>,
    /// Frames of the other leg, in our law.
    bridge: Option<VecDeque<[u8; FRAME]>>,
}

impl Sending {
    pub(super) fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Sending {
        Sending {
            ssrc,
            sequence,
            timestamp,
            talking: false,
            packets: 0,
            octets: 0,
            playing: None,
            keys: event::Sender::default(),
            tones: None,
            bridge: None,
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn timestamp(&self) -> u32 {
        self.timestamp
    }

    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    pub(super) fn octets(&self) -> u64 {
        self.octets
    }

    pub(super) fn play(&mut self, play: u32, prompts: Vec<Arc<Prompt>>, barge_in: bool, out: &mut VecDeque<Output>) {
        self.stop(out);
        self.playing = Some(Playing::new(play, prompts, barge_in));
    }

    pub(super) fn stop(&mut self, out: &mut VecDeque<Output>) {
        if let Some(playing) = self.playing.take() {
            out.push_back(Output::Event(Event::PlayDone { play: playing.play, interrupted: true }));
        }
    }

    pub(super) fn barge_in(&mut self, out: &mut VecDeque<Output>) {
        if self.playing.as_ref().is_some_and(|playing| playing.barge_in) {
            self.stop(out);
        }
    }

    pub(super) fn digits(&mut self, keys: &str, events: bool) {
        if events {
            self.keys.push(keys);
        } else {
            self.tones = Some(Playing::new(0, vec![Arc::new(player::tones(keys))], false));
        }
    }

    pub(super) fn bridge(&mut self, bridged: bool, out: &mut VecDeque<Output>) {
        if bridged {
            self.stop(out);
        }
        self.bridge = bridged.then(VecDeque::new);
    }

    pub(super) fn is_bridged(&self) -> bool {
        self.bridge.is_some()
    }

    pub(super) fn pass(&mut self, ours: Law, law: Law, frame: &[u8; FRAME]) {
        let Some(bridge) = &mut self.bridge else { return };
        if bridge.len() >= PASSED {
            bridge.pop_front();
        }
        let mut frame = *frame;
        if ours != law {
            frame.iter_mut().for_each(|code| *code = ours.encode(law.decode(*code)));
        }
        bridge.push_back(frame);
    }

    pub(super) fn skip(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks.wrapping_mul(u32::from(STEP)));
    }

    pub(super) fn tick(&mut self, connection: &Connect, to: Option<SocketAddr>, out: &mut VecDeque<Output>) {
        match to {
            Some(to) => self.send(connection, to, out),
            None => self.talking = false,
        }
        self.timestamp = self.timestamp.wrapping_add(u32::from(STEP));
        if let Some(playing) = &self.playing
            && playing.is_over()
        {
            out.push_back(Output::Event(Event::PlayDone { play: playing.play, interrupted: false }));
            self.playing = None;
        }
    }

    fn send(&mut self, connection: &Connect, to: SocketAddr, out: &mut VecDeque<Output>) {
        if let Some(payload_type) = connection.events
            && let Some(sent) = self.keys.tick(self.timestamp, STEP)
        {
            let payload = sent.event.bytes();
            self.talking = false; // audio after a key begins a talk-spurt
            return self.packet(payload_type, sent.marker, sent.timestamp, &payload, to, out);
        }
        let mut frame = [0; FRAME];
        self.audio(connection.codec.law(), &mut frame);
        let marker = !std::mem::replace(&mut self.talking, true);
        self.packet(connection.payload, marker, self.timestamp, &frame, to, out);
    }

    /// Tones, else the prompt, else the other leg, else silence.
    fn audio(&mut self, law: Law, frame: &mut [u8; FRAME]) {
        if let Some(tones) = &mut self.tones {
            if tones.fill(law, frame) {
                return;
            }
            self.tones = None;
        }
        if self.playing.as_mut().is_some_and(|playing| playing.fill(law, frame)) {
            return;
        }
        match self.bridge.as_mut().and_then(VecDeque::pop_front) {
            Some(passed) => *frame = passed,
            None => frame.fill(law.silence()),
        }
    }

    fn packet(
        &mut self,
        payload_type: u8,
        marker: bool,
        timestamp: u32,
        payload: &[u8],
        to: SocketAddr,
        out: &mut VecDeque<Output>,
    ) {
        let packet = Packet { marker, payload_type, sequence: self.sequence, timestamp, ssrc: self.ssrc, payload };
        let packet = Datagram::write(|bytes| packet.write(bytes)).expect("20 ms fit a datagram");
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.octets += payload.len() as u64;
        out.push_back(Output::Rtp { to, packet });
    }
}

const _: () = assert!(TICK.as_millis() * 8 == FRAME as u128, "a tick is a frame at 8 kHz");
