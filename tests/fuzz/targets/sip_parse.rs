//! Any bytes as a SIP message: nothing panics, and an answer to what can be read can be read again.
#![no_main]

use bytes::Bytes;
use jiesu::sip::{Builder, Framing, Message, Name, check};
use libfuzzer_sys::fuzz_target;

const ADDRESSES: [Name; 8] = [
    Name::From,
    Name::To,
    Name::Contact,
    Name::Route,
    Name::RecordRoute,
    Name::Diversion,
    Name::HistoryInfo,
    Name::AssertedIdentity,
];

fuzz_target!(|bytes: &[u8]| {
    for framing in [Framing::Datagram, Framing::Stream] {
        let Ok(message) = Message::parse(Bytes::copy_from_slice(bytes), framing) else { continue };
        for name in ADDRESSES {
            for address in message.addresses(name).flatten() {
                (address.tag(), address.uri.number(), address.uri.ip(), address.uri.param("lr"));
            }
        }
        message.list(Name::Via).filter_map(jiesu::sip::Via::parse).for_each(|via| {
            via.branch();
        });
        (message.all().count(), message.cseq(), message.max_forwards(), message.reason(), message.sdp());
        check::response(&message);
        if message.is_request() {
            let verdict = check::request(&message);
            let source = "192.0.2.9:5080".parse().expect("an address");
            let answer = Builder::answer(&message, source, 200, "OK", Some("tag")).finish();
            let answer = Message::parse(answer, Framing::Stream).expect("our answers can be read");
            if verdict.is_ok() {
                assert_eq!(answer.call_id(), message.call_id());
                assert_eq!(answer.cseq(), message.cseq());
                assert_eq!(answer.list(Name::Via).count(), message.list(Name::Via).count());
                assert_eq!(answer.from().expect("it was read before").tag(), message.from().expect("checked").tag());
            }
        }
    }
});
