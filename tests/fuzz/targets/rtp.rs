//! Any datagrams on a media port: nothing panics, memory stays where it is, and what is read is written the same.
#![no_main]

use jiesu::rtp::event::{Event, Receiver};
use jiesu::rtp::jitter::Buffer;
use jiesu::rtp::reception::Reception;
use jiesu::rtp::{Packet, rtcp};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut buffer = Buffer::new(2);
    let mut keys = Receiver::default();
    let mut reception: Option<Reception> = None;
    let mut frame = [0; 160];
    let mut rest = bytes;
    let mut clock = 0u32;
    while let Some((length, tail)) = rest.split_first() {
        let (datagram, tail) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = tail;
        clock = clock.wrapping_add(u32::from(*length));
        rtcp::read(datagram, 1).flatten().count();
        let Ok(packet) = Packet::parse(datagram) else {
            buffer.pull(&mut frame, 0xd5);
            continue;
        };
        let mut out = [0; 512];
        let written = packet.write(&mut out).expect("it is no longer than what came");
        assert_eq!(Packet::parse(&out[..written]), Ok(packet));
        let source = reception.get_or_insert_with(|| Reception::new(packet.ssrc, packet.sequence));
        source.packet(packet.ssrc, packet.sequence, Some((packet.timestamp, clock)));
        source.block(0, 0);
        if let Some(event) = Event::parse(packet.payload).filter(|_| packet.payload_type == 101) {
            keys.packet(event, packet.timestamp, packet.marker);
        }
        buffer.put(packet.sequence, packet.payload);
        buffer.pull(&mut frame, 0xd5);
    }
});
