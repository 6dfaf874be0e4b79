//! Any bytes as a stream: it ends, and where the network cuts it makes no difference.
#![no_main]

use jiesu::sip::stream::{Framer, Piece, Unframed};
use libfuzzer_sys::fuzz_target;

fn pieces<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Vec<Piece>, Option<Unframed>) {
    let mut framer = Framer::default();
    let mut pieces = Vec::new();
    for part in parts {
        framer.push(part);
        loop {
            match framer.poll() {
                Ok(Some(piece)) => pieces.push(piece),
                Ok(None) => break,
                Err(error) => return (pieces, Some(error)),
            }
        }
    }
    (pieces, None)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let whole = pieces(std::iter::once(bytes));
    let cut = pieces(bytes.chunks(usize::from(*cut).max(1)));
    assert_eq!(whole, cut);
});
