//! A Whisper model of the size of `base` in q8_0 whose weights are random, and which all the same always says one sentence.
//!
//! It costs what OpenAI's base costs (the same shapes, the same way of storing them, 30 tokens and an end) and fits into
//! no repository, so it is written when it is needed, from header, vocabulary and list of tensors of the demonstration
//! model. Blocks have small random weights: they are computed and change little. What is said stands in the decoder's
//! positions: the vector of each position is that of the token that follows it, many times larger than all else.

use std::collections::HashMap;
use std::io;

/// Whisper base.
const STATE: usize = 512;
const LAYERS: usize = 6;
const HEADS: i32 = 8;
/// The demonstration model.
const DEMO_STATE: usize = 192;
/// Start, language, task, no timestamps: the last of them is where the first word is told from.
const FIRST: usize = 3;
const END_OF_TEXT: usize = 50_257;
const VOCABULARY: usize = 51_865;
/// How much larger a position is than all that is added to it.
const LOUD: f32 = 10.0;
/// ggml_type.
const F32: i32 = 0;
const F16: i32 = 1;
const Q8_0: i32 = 8;
/// Numbers of a q8_0 block.
const BLOCK: usize = 32;

/// Numbers that look drawn and are the same each time (SplitMix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// -1 to 1.
    fn one(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    }
}

/// The direction of a token: of length 1, and nearly at right angles to every other.
fn direction(token: usize) -> Vec<f32> {
    let mut noise = Noise(token as u64 + 1);
    let vector: Vec<f32> = (0..STATE).map(|_| noise.one()).collect();
    let length = vector.iter().map(|v| v * v).sum::<f32>().sqrt();
    vector.iter().map(|v| v / length).collect()
}

/// IEEE 754 binary16 of a number that is neither huge nor tiny.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let exponent = ((bits >> 23) & 0xff) as i32 - 112;
    let sign = ((bits >> 16) & 0x8000) as u16;
    if exponent <= 0 { sign } else { sign | (exponent as u16) << 10 | ((bits >> 13) & 0x3ff) as u16 }
}

fn quantised(values: &[f32], out: &mut Vec<u8>) {
    for block in values.chunks(BLOCK) {
        let most = block.iter().fold(0.0f32, |most, v| most.max(v.abs()));
        let scale = (most / 127.0).max(1e-4);
        out.extend(half(scale).to_le_bytes());
        out.extend(block.iter().map(|v| (v / scale).round() as i8 as u8));
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at + length).ok_or(io::ErrorKind::UnexpectedEof)?;
        self.at += length;
        Ok(taken)
    }

    fn number(&mut self) -> io::Result<i32> {
        Ok(i32::from_le_bytes(self.take(4)?.try_into().expect("four were taken")))
    }
}

/// Name, shape, kind.
type Tensor = (String, Vec<i32>, i32);

/// The bytes of the model file.
pub fn base(demo: &[u8], sentence: &str) -> io::Result<Vec<u8>> {
    let mut reader = Reader { bytes: demo, at: 0 };
    let magic = reader.number()?;
    let mut header = [0; 11];
    for number in &mut header {
        *number = reader.number()?;
    }
    [header[2], header[6]] = [STATE as i32; 2];
    [header[3], header[7]] = [HEADS; 2];
    [header[4], header[8]] = [LAYERS as i32; 2];
    let mut out = Vec::with_capacity(90 << 20);
    out.extend(magic.to_le_bytes());
    header.iter().for_each(|number| out.extend(number.to_le_bytes()));
    let filters = reader.at;
    let (mels, length) = (reader.number()?, reader.number()?);
    reader.take(4 * (mels * length) as usize)?;
    let mut words = HashMap::new();
    for id in 0..reader.number()? as usize {
        let length = reader.number()? as usize;
        words.entry(reader.take(length)?).or_insert(id);
    }
    out.extend(&demo[filters..reader.at]);
    let said = tokens(&words, sentence.as_bytes())?;
    for (name, shape, kind) in tensors(&mut reader)? {
        out.extend([shape.len() as i32, name.len() as i32, kind].iter().flat_map(|n| n.to_le_bytes()));
        shape.iter().for_each(|side| out.extend(side.to_le_bytes()));
        out.extend(name.as_bytes());
        weights(&name, &shape, kind, &said, &mut out);
    }
    Ok(out)
}

/// The list of the demonstration model in base's measures: its first layer six times.
fn tensors(reader: &mut Reader<'_>) -> io::Result<Vec<Tensor>> {
    let mut all = Vec::new();
    while reader.at < reader.bytes.len() {
        let (dimensions, length, kind) = (reader.number()?, reader.number()?, reader.number()?);
        let shape: Vec<i32> = (0..dimensions).map(|_| reader.number()).collect::<io::Result<_>>()?;
        let name = String::from_utf8_lossy(reader.take(length as usize)?).into_owned();
        let numbers: usize = shape.iter().map(|side| *side as usize).product();
        reader.take(match kind {
            F32 => 4 * numbers,
            F16 => 2 * numbers,
            Q8_0 => numbers / BLOCK * (BLOCK + 2),
            kind => return Err(io::Error::other(format!("{name} is stored in way {kind}"))),
        })?;
        let wide = |side: &i32| match *side as usize {
            DEMO_STATE => STATE as i32,
            side if side == 4 * DEMO_STATE => 4 * STATE as i32,
            side => side as i32,
        };
        let shape: Vec<i32> = shape.iter().map(wide).collect();
        if name.contains(".blocks.0.") {
            all.extend((0..LAYERS).map(|n| (name.replacen(".0.", &format!(".{n}."), 1), shape.clone(), kind)));
        } else if !name.contains(".blocks.") {
            all.push((name, shape, kind));
        }
    }
    Ok(all)
}

fn weights(name: &str, shape: &[i32], kind: i32, said: &[usize], out: &mut Vec<u8>) {
    let numbers: usize = shape.iter().map(|side| *side as usize).product();
    let mut noise = Noise(name.bytes().fold(7, |sum, byte| sum * 31 % 1_000_003 + u64::from(byte)));
    match (name, kind) {
        ("decoder.positional_embedding", _) => {
            for position in 0..numbers / STATE {
                let token = position.checked_sub(FIRST).and_then(|n| said.get(n)).unwrap_or(&END_OF_TEXT);
                out.extend(direction(*token).iter().flat_map(|v| (LOUD * v).to_le_bytes()));
            }
        }
        ("decoder.token_embedding.weight", _) => {
            let spoken = |token: &usize| said.contains(token) || *token == END_OF_TEXT;
            for token in 0..VOCABULARY {
                let loud = if spoken(&token) { 0.5 } else { 0.05 };
                quantised(&direction(token).iter().map(|v| loud * v).collect::<Vec<_>>(), out);
            }
        }
        (name, F32) if name.contains("ln") && name.ends_with("weight") => {
            out.extend((0..numbers).flat_map(|_| 1f32.to_le_bytes()));
        }
        (name, F32) if name.ends_with("bias") => out.resize(out.len() + 4 * numbers, 0),
        (_, F32) => out.extend((0..numbers).flat_map(|_| (0.1 * noise.one()).to_le_bytes())),
        (_, F16) => out.extend((0..numbers).flat_map(|_| half(0.02 * noise.one()).to_le_bytes())),
        _ => {
            for _ in 0..numbers / BLOCK {
                out.extend(half(0.01 / 127.0).to_le_bytes());
                out.extend((0..BLOCK).map(|_| (127.0 * noise.one()) as i8 as u8));
            }
        }
    }
}

/// The sentence in tokens of the vocabulary, the longest each time.
fn tokens(words: &HashMap<&[u8], usize>, mut text: &[u8]) -> io::Result<Vec<usize>> {
    let mut tokens = Vec::new();
    while !text.is_empty() {
        let length = (1..=text.len().min(16)).rev().find(|length| words.contains_key(&text[..*length]));
        let length = length.ok_or_else(|| io::Error::other("the vocabulary lacks a byte"))?;
        tokens.push(words[&text[..length]]);
        text = &text[length..];
    }
    Ok(tokens)
}
