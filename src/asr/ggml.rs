//! The GGML file of a Whisper model, read far enough to trust it. Pure.
//!
//! whisper.cpp trusts its files: of a cut-off or foreign one it reads lengths out of thin air and aborts the whole
//! process (an exception through the C interface, an assertion). So a file is walked here from its first byte to its
//! last before the engine gets it. Layout as `whisper_model_load` of whisper.cpp 1.8 reads it, little-endian:
//! magic, eleven numbers, mel filters, vocabulary, then tensors (dimensions, length of name, type, shape, name, data)
//! up to the end of the file.

use std::collections::HashSet;
use std::time::Duration;

/// "ggml".
const MAGIC: u32 = 0x6767_6d6c;
/// Magic and the eleven numbers.
pub const HEADER: usize = 48;
/// Whisper's encoder hears 30 s: 1,500 frames.
const AUDIO_FRAMES: i32 = 1500;
/// With Mandarin in it; the English-only vocabulary has one entry less.
const VOCABULARY: std::ops::RangeInclusive<i32> = 51_865..=51_866;
/// The smallest published Whisper (tiny). The demonstration recogniser has 192.
const SMALLEST_STATE: i32 = 384;

/// So much more than a file holds may be made room for.
const SLACK: usize = 16 << 20;

/// Why a file is not a model that can be used; each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    #[error("is not a GGML file; fetch one with models/fetch")]
    NotGgml,
    #[error("is a GGML file but no Whisper model ({0}); fetch one with models/fetch")]
    NotWhisper(&'static str),
    #[error("knows English only; take the model of the same name without \".en\"")]
    EnglishOnly,
    #[error("is cut off after {0} bytes; fetch it again")]
    CutOff(usize),
    #[error("promises {promised} MB of numbers and holds {held} MB; fetch it again")]
    Hollow { promised: usize, held: usize },
    #[error("is damaged at byte {at} ({what}); fetch it again")]
    Damaged { at: usize, what: &'static str },
}

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    vocabulary: i32,
    state: i32,
    audio_layers: i32,
    text_layers: i32,
    mels: i32,
}

impl Shape {
    /// Smaller than any published Whisper: the demonstration recogniser, which knows one synthetic voice only.
    pub fn demonstration(&self) -> bool {
        self.state < SMALLEST_STATE
    }

    /// The longest utterance that the model was made for: Whisper hears 30 s, and a little is left as a margin; the
    /// demonstration recogniser learned from utterances of up to 10 s.
    pub fn longest(&self) -> Duration {
        Duration::from_secs(if self.demonstration() { 10 } else { 28 })
    }

    /// The least that the matrices take that such a model has, in the tightest coding (2.6 bits a number): attention and
    /// perceptron are 12 squares in a layer of the encoder and 16 of the decoder, then the tokens.
    fn least(&self) -> usize {
        let [state, audio, text, words] =
            [self.state, self.audio_layers, self.text_layers, self.vocabulary].map(|n| n as usize);
        (state * state * (12 * audio + 16 * text) + state * words) / 256 * 84
    }

    fn tensors(&self) -> usize {
        // Encoder: two convolutions, positions, last norm; decoder: positions, tokens, last norm; then per layer
        // attention, multi-layer perceptron and their norms, in the decoder cross attention too.
        11 + 15 * self.audio_layers as usize + 24 * self.text_layers as usize
    }
}

/// Reads the first [`HEADER`] bytes.
pub fn header(bytes: &[u8]) -> Result<Shape, Bad> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.number().map_err(|_| Bad::NotGgml)? as u32 != MAGIC {
        return Err(Bad::NotGgml);
    }
    let mut numbers = [0; 11];
    for number in &mut numbers {
        *number = reader.number()?;
    }
    let [vocabulary, frames, state, heads, audio_layers, text_frames, text_state, text_heads, text_layers, mels, kind] =
        numbers;
    let fits = |what: bool, why| if what { Ok(()) } else { Err(Bad::NotWhisper(why)) };
    fits(frames == AUDIO_FRAMES, "its encoder does not hear 30 s")?;
    fits((64..=2048).contains(&state) && text_state == state, "strange width")?;
    fits((1..=64).contains(&heads) && state % heads == 0, "strange heads")?;
    fits((1..=64).contains(&text_heads) && state % text_heads == 0, "strange heads")?;
    fits((1..=64).contains(&audio_layers) && (1..=64).contains(&text_layers), "strange depth")?;
    fits((64..=1024).contains(&text_frames), "strange length of text")?;
    fits(mels == 80 || mels == 128, "strange mel bands")?;
    fits(kind >= 0 && file_kind(kind % 1000), "unknown way of storing numbers")?;
    if vocabulary == VOCABULARY.start() - 1 {
        return Err(Bad::EnglishOnly);
    }
    fits(VOCABULARY.contains(&vocabulary), "strange vocabulary")?;
    Ok(Shape { vocabulary, state, audio_layers, text_layers, mels })
}

/// Walks the whole file.
pub fn inspect(bytes: &[u8]) -> Result<Shape, Bad> {
    let shape = header(bytes)?;
    // whisper.cpp makes room for all that the head promises before it reads the first number.
    if shape.least() > bytes.len() + SLACK {
        return Err(Bad::Hollow { promised: shape.least() >> 20, held: bytes.len() >> 20 });
    }
    let mut reader = Reader { bytes, at: HEADER };
    reader.expect(shape.mels, "mel bands of the filters")?;
    // 400-point transform.
    reader.expect(201, "length of the filters")?;
    reader.skip(shape.mels as usize * 201 * 4)?;
    let words = reader.number()?;
    if !(1..=shape.vocabulary).contains(&words) {
        return Err(reader.damaged("vocabulary"));
    }
    for _ in 0..words {
        let length = reader.number()?;
        if !(0..=1024).contains(&length) {
            return Err(reader.damaged("length of a word"));
        }
        reader.skip(length as usize)?;
    }
    let mut names = HashSet::new();
    while reader.at < bytes.len() {
        if !names.insert(reader.tensor()?) {
            return Err(reader.damaged("a tensor comes twice"));
        }
    }
    match names.len() {
        count if count == shape.tensors() => Ok(shape),
        count if count < shape.tensors() => Err(Bad::CutOff(bytes.len())),
        _ => Err(reader.damaged("too many tensors")),
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Bad> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or(Bad::CutOff(self.bytes.len()))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn skip(&mut self, length: usize) -> Result<(), Bad> {
        self.take(length).map(|_| ())
    }

    fn number(&mut self) -> Result<i32, Bad> {
        let bytes = self.take(4)?;
        Ok(i32::from_le_bytes(bytes.try_into().expect("four were taken")))
    }

    fn damaged(&self, what: &'static str) -> Bad {
        Bad::Damaged { at: self.at, what }
    }

    fn expect(&mut self, value: i32, what: &'static str) -> Result<(), Bad> {
        if self.number()? == value { Ok(()) } else { Err(self.damaged(what)) }
    }

    /// Name of the tensor that begins here; its data is passed over.
    fn tensor(&mut self) -> Result<&'a [u8], Bad> {
        let (dimensions, length, kind) = (self.number()?, self.number()?, self.number()?);
        if !(1..=3).contains(&dimensions) || !(1..=64).contains(&length) {
            return Err(self.damaged("head of a tensor"));
        }
        let (block, size) = tensor_kind(kind).ok_or_else(|| self.damaged("way of storing a tensor"))?;
        let mut numbers: usize = 1;
        for _ in 0..dimensions {
            let side = self.number()?;
            // Whisper counts the numbers of a tensor in 32 bits.
            let product = (1..=1 << 20).contains(&side).then(|| numbers * side as usize).filter(|n| *n < 1 << 31);
            numbers = product.ok_or_else(|| self.damaged("shape of a tensor"))?;
        }
        let name = self.take(length as usize)?;
        if !name.iter().all(u8::is_ascii_graphic) || !numbers.is_multiple_of(block) {
            return Err(self.damaged("name of a tensor"));
        }
        self.skip(numbers / block * size)?;
        Ok(name)
    }
}

/// `ggml_ftype`: what whisper.cpp knows without asserting.
fn file_kind(kind: i32) -> bool {
    matches!(kind, 0..=3 | 7..=14 | 24)
}

/// `ggml_type` -> numbers in a block, bytes of a block.
fn tensor_kind(kind: i32) -> Option<(usize, usize)> {
    Some(match kind {
        0 => (1, 4),
        1 | 30 => (1, 2),
        2 => (32, 18),
        3 => (32, 20),
        6 => (32, 22),
        7 => (32, 24),
        8 => (32, 34),
        10 => (256, 84),
        11 => (256, 110),
        12 => (256, 144),
        13 => (256, 176),
        14 => (256, 210),
        _ => return None,
    })
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The header of a file: `state` numbers wide, one layer each.
    pub fn numbers(vocabulary: i32, state: i32) -> Vec<u8> {
        let numbers = [MAGIC as i32, vocabulary, 1500, state, 2, 1, 448, state, 2, 1, 80, 1];
        numbers.iter().flat_map(|n| n.to_le_bytes()).collect()
    }

    /// A file that is right in every length (its tensors are one number each).
    fn whole() -> Vec<u8> {
        let mut file = numbers(51_865, 384);
        let put = |file: &mut Vec<u8>, n: i32| file.extend(n.to_le_bytes());
        put(&mut file, 80);
        put(&mut file, 201);
        file.resize(file.len() + 80 * 201 * 4, 0);
        put(&mut file, 2);
        for word in ["的", ""] {
            put(&mut file, word.len() as i32);
            file.extend(word.as_bytes());
        }
        for i in 0..50 {
            let name = format!("tensor.{i}");
            for n in [1, name.len() as i32, 1, 1] {
                put(&mut file, n);
            }
            file.extend(name.as_bytes());
            file.extend([0, 0]);
        }
        file
    }

    #[test]
    fn a_whole_file_is_accepted_and_every_cut_is_refused() {
        let file = whole();
        let shape = inspect(&file).expect("it is whole");
        assert!(!shape.demonstration());
        for length in (0..file.len()).filter(|n| !(200..64_000).contains(n)) {
            assert!(inspect(&file[..length]).is_err(), "cut at {length}");
        }
        assert_eq!(inspect(&file[..file.len() - 1]), Err(Bad::CutOff(file.len() - 1)));
        let longer = [file.as_slice(), &[0; 20]].concat();
        assert!(matches!(inspect(&longer), Err(Bad::Damaged { .. })));
    }

    #[test]
    fn foreign_files_are_named() {
        assert_eq!(inspect(b"<html>not found</html>"), Err(Bad::NotGgml));
        assert_eq!(inspect(b""), Err(Bad::NotGgml));
        assert_eq!(inspect(&numbers(51_864, 384)), Err(Bad::EnglishOnly));
        // A voice-activity model has the same magic.
        let vad = [&MAGIC.to_le_bytes()[..], &10i32.to_le_bytes(), b"silero-16k", &[0; 40]].concat();
        assert!(matches!(inspect(&vad), Err(Bad::NotWhisper(_))));
    }

    #[test]
    fn a_file_without_weights_is_refused() {
        // whisper.cpp would take it "for testing" and compute with whatever was in memory.
        let file = whole();
        let words = HEADER + 8 + 80 * 201 * 4 + 4 + 4 + 3 + 4;
        assert_eq!(inspect(&file[..words]), Err(Bad::CutOff(words)));
    }

    #[test]
    fn a_head_that_promises_more_than_there_is_is_refused() {
        // Each length in it is right: only the room that the engine would make for it is not.
        let mut file = whole();
        file[12..16].copy_from_slice(&2048i32.to_le_bytes());
        file[28..32].copy_from_slice(&2048i32.to_le_bytes());
        assert!(matches!(inspect(&file), Err(Bad::Hollow { promised: 30.., held: 0 })), "{:?}", inspect(&file));
    }

    #[test]
    fn the_demonstration_recogniser_is_told_by_its_size() {
        assert!(header(&numbers(51_865, 192)).expect("header").demonstration());
        assert!(!header(&numbers(51_866, 1280)).expect("header").demonstration());
    }

    proptest! {
        #[test]
        fn any_bytes_give_an_answer(mut bytes in prop::collection::vec(any::<u8>(), 0..200), sound in any::<bool>()) {
            if sound {
                bytes = [numbers(51_865, 384), bytes].concat();
            }
            let _ = inspect(&bytes);
        }

        #[test]
        fn a_changed_number_never_gets_past_the_end(at in HEADER + 80 * 201 * 4..HEADER + 80 * 201 * 4 + 900, value in any::<i32>()) {
            let mut file = whole();
            let at = at.min(file.len() - 4);
            file[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let _ = inspect(&file);
        }
    }
}
