//! What a leg sends: one packet a tick, with sequence, timestamp, SSRC and marker as RFC 3550 and RFC 3551 want them.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use super::secure;
use super::wide::{Between, Mouth};
use super::{Datagram, Output};
use crate::audio::Coding;
use crate::audio::coding::{self, WIDE_FRAME};
use crate::audio::g711::Law;
use crate::media::command::{Connect, Event};
use crate::media::player::{self, Playing, Prompt};
use crate::media::{FRAME, TICK};
use crate::rtp::event;
use crate::rtp::packet::Packet;
use crate::rtp::srtp::Sealer;
use crate::sdp::Codec;
use crate::sdp::crypto::Keys;

/// Ticks of a second.
const TICKS: u32 = 50;
/// Frames of the other leg that may wait; one is the rule, the rest is for ticks of different phase.
const PASSED: usize = 3;

pub(super) struct Sending {
    ssrc: u32,
    sequence: u16,
    /// Of the next packet; goes on in every tick, sent or not.
    timestamp: u32,
    /// Timestamp units of a tick.
    step: u32,
    /// Where the audio is secured.
    sealer: Option<Box<Sealer>>,
    /// Where the codec is not G.711.
    mouth: Option<Box<Mouth>>,
    /// The last tick sent audio; if not, the next packet begins a talk-spurt.
    talking: bool,
    packets: u64,
    octets: u64,
    playing: Option<Playing>,
    /// The level of the prompt's frame that went out last (dBFS).
    loud: Option<f32>,
    keys: event::Sender,
    /// Keys as tones, where no events were agreed.
    tones: Option<Playing>,
    /// Frames of the other leg, in our coding.
    bridge: Option<VecDeque<u8>>,
    /// Made when the two legs differ.
    between: Option<Box<Between>>,
}

impl Sending {
    pub(super) fn new(ssrc: u32, sequence: u16, timestamp: u32) -> Sending {
        Sending {
            ssrc,
            // RFC 3711 section 3.3.1: far from the wrap, or a loss of the first packets could hide a rollover.
            sequence: sequence & 0x7fff,
            timestamp,
            step: FRAME as u32,
            sealer: None,
            mouth: None,
            talking: false,
            packets: 0,
            octets: 0,
            playing: None,
            loud: None,
            keys: event::Sender::default(),
            tones: None,
            bridge: None,
            between: None,
        }
    }

    /// From now on sealed with these keys, or not at all; `before`: the ones up to now.
    pub(super) fn seal(&mut self, before: Option<Keys>, keys: Option<Keys>) {
        self.sealer = keys.map(|keys| secure::sealer(self.sealer.take().zip(before), keys));
    }

    /// Seals the report of `length` octets, where reports are sealed; gives its new length.
    pub(super) fn seal_report(&mut self, packet: &mut [u8], length: usize) -> Option<usize> {
        match &mut self.sealer {
            Some(sealer) => sealer.rtcp(packet, length),
            None => Some(length),
        }
    }

    /// From now on in this codec.
    pub(super) fn speak(&mut self, codec: Codec) {
        self.step = codec.clock() / TICKS;
        self.mouth = codec.wide().map(|codec| Box::new(Mouth::new(codec)));
        if let Some(bridge) = &mut self.bridge {
            bridge.clear(); // what waits is in the old coding
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

    /// The caller speaks while a prompt plays: told once a prompt. Whether it stops is not for audio to say.
    pub(super) fn spoken_over(&mut self, out: &mut VecDeque<Output>) {
        if let Some(playing) = &mut self.playing
            && !std::mem::replace(&mut playing.spoken_over, true)
        {
            out.push_back(Output::Event(Event::SpokenOver { play: playing.play }));
        }
    }

    pub(super) fn loud(&self) -> Option<f32> {
        self.loud
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

    pub(super) fn pass(&mut self, ours: Coding, coding: Coding, frame: &[u8]) {
        let Some(bridge) = &mut self.bridge else { return };
        if bridge.len() >= PASSED * ours.frame() {
            bridge.drain(..ours.frame());
        }
        if ours == coding {
            bridge.extend(frame);
        } else {
            self.between.get_or_insert_default().convert(coding, frame, ours, bridge);
        }
    }

    pub(super) fn skip(&mut self, ticks: u32) {
        self.timestamp = self.timestamp.wrapping_add(ticks.wrapping_mul(self.step));
    }

    pub(super) fn tick(&mut self, connection: &Connect, to: Option<SocketAddr>, out: &mut VecDeque<Output>) {
        self.loud = None;
        match to {
            Some(to) => self.send(connection, to, out),
            None => self.talking = false,
        }
        self.timestamp = self.timestamp.wrapping_add(self.step);
        if let Some(playing) = &self.playing
            && playing.is_over()
        {
            out.push_back(Output::Event(Event::PlayDone { play: playing.play, interrupted: false }));
            self.playing = None;
        }
    }

    fn send(&mut self, connection: &Connect, to: SocketAddr, out: &mut VecDeque<Output>) {
        let step = (connection.events_clock / TICKS) as u16;
        if let Some(payload_type) = connection.events
            && let Some(sent) = self.keys.tick(self.timestamp, step)
        {
            let payload = sent.event.bytes();
            self.talking = false; // audio after a key begins a talk-spurt
            return self.packet(payload_type, sent.marker, sent.timestamp, &payload, to, out);
        }
        let mut payload = [0; FRAME];
        let length = match connection.codec.law() {
            Some(law) => {
                self.audio(law, &mut payload);
                FRAME
            }
            None => self.wide(&mut payload),
        };
        if length == 0 {
            return; // the coder gave nothing
        }
        let marker = !std::mem::replace(&mut self.talking, true);
        self.packet(connection.payload, marker, self.timestamp, &payload[..length], to, out);
    }

    /// Tones, else the prompt, else the other leg, else silence.
    fn audio(&mut self, law: Law, frame: &mut [u8; FRAME]) {
        if self.plays(law, frame) {
            return;
        }
        match self.bridge.as_mut().filter(|bridge| bridge.len() >= FRAME) {
            Some(bridge) => frame.iter_mut().zip(bridge.drain(..FRAME)).for_each(|(to, from)| *to = from),
            None => frame.fill(law.silence()),
        }
    }

    fn plays(&mut self, law: Law, frame: &mut [u8; FRAME]) -> bool {
        if let Some(tones) = &mut self.tones {
            if tones.fill(law, frame) {
                return true;
            }
            self.tones = None;
        }
        let plays = self.playing.as_mut().is_some_and(|playing| playing.fill(law, frame));
        self.loud = plays.then(|| Coding::Law(law).dbfs(frame));
        plays
    }

    /// The same through a coder; gives the packet's length.
    fn wide(&mut self, payload: &mut [u8; FRAME]) -> usize {
        let mut frame = [0; FRAME];
        let plays = self.plays(Law::A, &mut frame);
        let Some(mouth) = &mut self.mouth else { return 0 };
        let mut samples = [0; WIDE_FRAME];
        if plays {
            samples = mouth.raise(Law::A, &frame);
        } else if let Some(bridge) = self.bridge.as_mut().filter(|bridge| bridge.len() >= Coding::Wide.frame()) {
            let passed: Vec<u8> = bridge.drain(..Coding::Wide.frame()).collect();
            samples.iter_mut().zip(coding::wide(&passed)).for_each(|(to, from)| *to = from);
        }
        mouth.encode(&samples, payload)
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
        let sealer = &mut self.sealer;
        let written = Datagram::write(|bytes| {
            let length = packet.write(bytes)?;
            match sealer {
                Some(sealer) => sealer.rtp(bytes, length),
                None => Some(length),
            }
        });
        let packet = written.expect("20 ms and a tag fit a datagram");
        self.sequence = self.sequence.wrapping_add(1);
        self.packets += 1;
        self.octets += payload.len() as u64;
        out.push_back(Output::Rtp { to, packet });
    }
}

const _: () = assert!(TICK.as_millis() * 8 == FRAME as u128, "a tick is a frame at 8 kHz");
