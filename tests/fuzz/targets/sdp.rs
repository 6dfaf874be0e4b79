//! Any bytes as an offer or an answer: nothing panics, and what we answer we would accept ourselves.
#![no_main]

use jiesu::sdp::crypto::Master;
use jiesu::sdp::{Codec, Ours, Secure, Session, Terms, accept, answer_bytes};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let ours = Ours::new(
        "192.0.2.1".parse().expect("an address"),
        4000,
        &Terms { secure: Secure::Accept, ..Terms::of(Codec::ALL) },
        [Master([7; 30]); 2],
    );
    accept(bytes, &ours).ok();
    if let Ok(agreed) = answer_bytes(bytes, &ours) {
        let answer = Session::parse(&agreed.sdp).expect("our answers can be read");
        let offer = Session::parse(bytes).expect("it was read before");
        assert_eq!(answer.media.len(), offer.media.len(), "RFC 3264 section 6: as many lines as in the offer");
        assert!(ours.terms.codecs.contains(&agreed.codec));
    }
});
