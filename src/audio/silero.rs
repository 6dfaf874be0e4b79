//! Is it a voice? The network Silero VAD (v5 and v6, 16 kHz; MIT) on a running call: 32 ms in, a score between 0 and 1
//! out, from the file that whisper.cpp's converter writes.
//!
//! whisper.cpp can run it too, but forgets between two calls what it heard, so that a running call would have to be heard
//! again and again (a rolling second each 100 ms: ten times the work), and it puts a mirror image in the place of the
//! 2 ms before, which the network was trained to see. Here the memory is the caller's ([`Memory`], 1.3 kB) and the
//! weights are shared. Knows no line, no floor, no utterance: that is `media::endpointing`.

use std::fmt;

/// Samples that are looked at together: 32 ms at 16 kHz.
pub const LOOK: usize = 512;
/// Samples from before that are looked at once more.
const BEFORE: usize = 64;
/// Taps of the transform, and how far apart its frames are.
const TAPS: usize = 256;
const STRIDE: usize = 128;
/// Frames of a look.
const FRAMES: usize = (BEFORE + LOOK + BEFORE - TAPS) / STRIDE + 1;
/// Frequencies.
const BINS: usize = TAPS / 2 + 1;
/// Channels of the layers: in, out, stride.
const LAYERS: [(usize, usize, usize); 4] = [(BINS, 128, 1), (128, 64, 2), (64, 64, 2), (64, HIDDEN, 1)];
const KERNEL: usize = 3;
const HIDDEN: usize = 128;
const GATES: usize = 4 * HIDDEN;
/// The magic of GGML files, "lmgg" as octets.
const MAGIC: u32 = 0x6767_6d6c;
/// Larger than any such file.
const MOST: usize = 16 << 20;

/// Why a file is no such network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoSilero {
    #[error("this is not a GGML file: get it with `models/fetch silero-vad`")]
    NotGgml,
    #[error(
        "this is the GGML file of something else than Silero VAD at 16 kHz: get that with `models/fetch silero-vad`"
    )]
    Other,
    #[error("the file ends too early: get it again with `models/fetch silero-vad`")]
    Short,
    #[error("the part {0} is missing or of another shape: get the file again with `models/fetch silero-vad`")]
    Part(&'static str),
}

/// The weights. Rows belong to inputs, so that one input's share is added to all outputs at once.
pub struct Silero {
    transform: Vec<f32>,
    layers: [Layer; 4],
    /// First the inputs, then what was remembered.
    gates: Vec<f32>,
    gates_bias: Vec<f32>,
    last: Vec<f32>,
    last_bias: f32,
}

struct Layer {
    /// Tap by tap.
    weights: [Vec<f32>; KERNEL],
    bias: Vec<f32>,
}

/// What the network remembers of one caller.
#[derive(Clone)]
pub struct Memory {
    hidden: [f32; HIDDEN],
    cell: [f32; HIDDEN],
    before: [f32; BEFORE],
}

impl Default for Memory {
    fn default() -> Memory {
        Memory { hidden: [0.0; HIDDEN], cell: [0.0; HIDDEN], before: [0.0; BEFORE] }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl fmt::Debug for Silero {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Silero")
    }
}

impl Silero {
    /// From the bytes of the file.
    ///
    /// # Errors
    /// It is another file, or a damaged one.
    pub fn read(file: &[u8]) -> Result<Silero, NoSilero> {
        let parts = Parts::open(file)?;
        let transform = parts.take("_model.stft.forward_basis_buffer", TAPS * 2 * BINS)?;
        let layer = |parts: &Parts, weight, bias, (inputs, outputs, _): (usize, usize, usize)| {
            let written = parts.take(weight, KERNEL * inputs * outputs)?;
            let tap = |tap: usize| transposed(outputs, inputs, |o, i| written[(o * inputs + i) * KERNEL + tap]);
            Ok::<Layer, NoSilero>(Layer { weights: [tap(0), tap(1), tap(2)], bias: parts.take(bias, outputs)? })
        };
        let layers = [
            layer(&parts, "_model.encoder.0.reparam_conv.weight", "_model.encoder.0.reparam_conv.bias", LAYERS[0])?,
            layer(&parts, "_model.encoder.1.reparam_conv.weight", "_model.encoder.1.reparam_conv.bias", LAYERS[1])?,
            layer(&parts, "_model.encoder.2.reparam_conv.weight", "_model.encoder.2.reparam_conv.bias", LAYERS[2])?,
            layer(&parts, "_model.encoder.3.reparam_conv.weight", "_model.encoder.3.reparam_conv.bias", LAYERS[3])?,
        ];
        let of = parts.take("_model.decoder.rnn.weight_ih", HIDDEN * GATES)?;
        let remembered = parts.take("_model.decoder.rnn.weight_hh", HIDDEN * GATES)?;
        let mut gates = transposed(GATES, HIDDEN, |o, i| of[o * HIDDEN + i]);
        gates.extend(transposed(GATES, HIDDEN, |o, i| remembered[o * HIDDEN + i]));
        let biases =
            [parts.take("_model.decoder.rnn.bias_ih", GATES)?, parts.take("_model.decoder.rnn.bias_hh", GATES)?];
        Ok(Silero {
            transform: transposed(2 * BINS, TAPS, |o, i| transform[o * TAPS + i]),
            layers,
            gates,
            gates_bias: biases[0].iter().zip(&biases[1]).map(|(a, b)| a + b).collect(),
            last: parts.take("_model.decoder.decoder.2.weight", HIDDEN)?,
            last_bias: parts.take("_model.decoder.decoder.2.bias", 1)?[0],
        })
    }

    /// The next 32 ms of the caller whose memory it is; full scale is 1.
    pub fn look(&self, memory: &mut Memory, samples: &[f32; LOOK]) -> f32 {
        let mut heard = [0.0; BEFORE + LOOK + BEFORE];
        heard[..BEFORE].copy_from_slice(&memory.before);
        heard[BEFORE..BEFORE + LOOK].copy_from_slice(samples);
        // What comes behind is not known yet: its place takes the mirror image of the end.
        for i in 0..BEFORE {
            heard[BEFORE + LOOK + i] = samples[LOOK - 2 - i];
        }
        memory.before.copy_from_slice(&samples[LOOK - BEFORE..]);

        let mut frames: Vec<Vec<f32>> = (0..FRAMES)
            .map(|frame| {
                let mut both = [0.0; 2 * BINS];
                add(&mut both, &self.transform, &heard[frame * STRIDE..frame * STRIDE + TAPS]);
                let (real, imaginary) = both.split_at(BINS);
                real.iter().zip(imaginary).map(|(re, im)| (re * re + im * im).sqrt()).collect()
            })
            .collect();
        for (layer, (_, _, stride)) in self.layers.iter().zip(LAYERS) {
            let outputs = (frames.len() + 2 - KERNEL) / stride + 1;
            frames = (0..outputs)
                .map(|at| {
                    let mut sum = layer.bias.clone();
                    for (tap, weights) in layer.weights.iter().enumerate() {
                        // One frame of nothing lies before the first and one behind the last.
                        if let Some(frame) = (at * stride + tap).checked_sub(1).and_then(|frame| frames.get(frame)) {
                            add(&mut sum, weights, frame);
                        }
                    }
                    sum.iter_mut().for_each(|value| *value = value.max(0.0));
                    sum
                })
                .collect();
        }

        let mut gates = self.gates_bias.clone();
        let (of, remembered) = self.gates.split_at(HIDDEN * GATES);
        add(&mut gates, of, &frames[0]);
        add(&mut gates, remembered, &memory.hidden);
        let (take, rest) = gates.split_at(HIDDEN);
        let (keep, rest) = rest.split_at(HIDDEN);
        let (new, show) = rest.split_at(HIDDEN);
        let mut score = self.last_bias;
        for i in 0..HIDDEN {
            memory.cell[i] = sigmoid(keep[i]) * memory.cell[i] + sigmoid(take[i]) * new[i].tanh();
            memory.hidden[i] = sigmoid(show[i]) * memory.cell[i].tanh();
            score += self.last[i] * memory.hidden[i].max(0.0);
        }
        sigmoid(score)
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// Adds to `sum` each input times its row. Four rows at a time: the sums are then read and written a quarter as often.
fn add(sum: &mut [f32], rows: &[f32], inputs: &[f32]) {
    let width = sum.len();
    let (fours, rest) = inputs.as_chunks::<4>();
    let mut rows = rows.chunks_exact(width);
    let mut next = || rows.next().expect("a row an input");
    for [a, b, c, d] in fours {
        let (ra, rb, rc, rd) = (next(), next(), next(), next());
        for ((((sum, ra), rb), rc), rd) in sum.iter_mut().zip(ra).zip(rb).zip(rc).zip(rd) {
            *sum += (a * ra + b * rb) + (c * rc + d * rd);
        }
    }
    for input in rest {
        for (sum, weight) in sum.iter_mut().zip(next()) {
            *sum += input * weight;
        }
    }
}

/// A row an input.
fn transposed(outputs: usize, inputs: usize, weight: impl Fn(usize, usize) -> f32) -> Vec<f32> {
    (0..inputs).flat_map(|i| (0..outputs).map(move |o| (o, i))).map(|(o, i)| weight(o, i)).collect()
}

/// The named tensors of the file.
struct Parts<'a>(Vec<(&'a [u8], Vec<f32>)>);

impl<'a> Parts<'a> {
    fn open(file: &'a [u8]) -> Result<Parts<'a>, NoSilero> {
        let mut bytes = Bytes(file.get(..file.len().min(MOST)).unwrap_or_default());
        if bytes.number().ok() != Some(MAGIC) {
            return Err(NoSilero::NotGgml);
        }
        let length = bytes.number()? as usize;
        if length != 10 || bytes.take(length)? != b"silero-16k" {
            return Err(NoSilero::Other);
        }
        bytes.take(3 * 4)?; // the version: what matters are the shapes
        let shape = [LOOK, BEFORE, 4].into_iter().chain(LAYERS.iter().flat_map(|(i, o, _)| [*i, *o, KERNEL]));
        for wanted in shape.chain([HIDDEN, HIDDEN, HIDDEN, 1]) {
            if bytes.number()? as usize != wanted {
                return Err(NoSilero::Other);
            }
        }
        let mut parts = Vec::new();
        while !bytes.0.is_empty() {
            let (sizes, name, kind) = (bytes.number()?, bytes.number()? as usize, bytes.number()?);
            let mut count = 1_usize;
            for _ in 0..sizes.min(5) {
                count = count.saturating_mul(bytes.number()? as usize);
            }
            let name = bytes.take(name)?;
            let values = match kind {
                0 => {
                    let octets = bytes.take(count.saturating_mul(4))?.as_chunks::<4>().0;
                    octets.iter().map(|octets| f32::from_le_bytes(*octets)).collect()
                }
                1 => {
                    let octets = bytes.take(count.saturating_mul(2))?.as_chunks::<2>().0;
                    octets.iter().map(|octets| half(u16::from_le_bytes(*octets))).collect()
                }
                _ => return Err(NoSilero::Other),
            };
            parts.push((name, values));
        }
        Ok(Parts(parts))
    }

    fn take(&self, name: &'static str, count: usize) -> Result<Vec<f32>, NoSilero> {
        let part = self.0.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, values)| values);
        // A network with a hole in its numbers would say "no voice" for ever.
        let sound = |values: &&Vec<f32>| values.len() == count && values.iter().all(|value| value.is_finite());
        part.filter(sound).cloned().ok_or(NoSilero::Part(name))
    }
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], NoSilero> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(NoSilero::Short)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, NoSilero> {
        let octets = self.take(4)?.first_chunk::<4>().ok_or(NoSilero::Short)?;
        Ok(u32::from_le_bytes(*octets))
    }
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff) / 1024.0);
    sign * match exponent {
        0 => fraction * 2f32.powi(-14),
        31 => f32::NAN,
        _ => (1.0 + fraction) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A file of the right shape: the numbers are drawn, the names are those of the real one.
    fn file(seed: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut put = |number: usize| bytes.extend((number as u32).to_le_bytes());
        put(MAGIC as usize);
        put(10);
        bytes.extend(b"silero-16k");
        let mut put = |number: usize| bytes.extend((number as u32).to_le_bytes());
        [6, 2, 0, LOOK, BEFORE, 4].into_iter().for_each(&mut put);
        LAYERS.iter().for_each(|(i, o, _)| [*i, *o, KERNEL].into_iter().for_each(&mut put));
        [HIDDEN, HIDDEN, HIDDEN, 1].into_iter().for_each(&mut put);
        let mut state = seed | 1;
        let mut part = |name: &str, is_half: bool, sizes: &[usize]| {
            for number in [sizes.len(), name.len(), usize::from(is_half)].iter().chain(sizes) {
                bytes.extend((*number as u32).to_le_bytes());
            }
            bytes.extend(name.as_bytes());
            for _ in 0..sizes.iter().product::<usize>() {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                // Between -1/8 and 1/8.
                let half = (state >> 16) as u16 & 0x83ff | 10 << 10;
                match is_half {
                    true => bytes.extend(half.to_le_bytes()),
                    false => bytes.extend((f32::from(half & 0x3ff) / 8192.0 - 0.06).to_le_bytes()),
                }
            }
        };
        part("_model.stft.forward_basis_buffer", true, &[TAPS, 1, 2 * BINS]);
        for (n, (inputs, outputs, _)) in LAYERS.iter().enumerate() {
            part(&format!("_model.encoder.{n}.reparam_conv.weight"), true, &[KERNEL, *inputs, *outputs]);
            part(&format!("_model.encoder.{n}.reparam_conv.bias"), false, &[*outputs]);
        }
        part("_model.decoder.rnn.weight_ih", false, &[HIDDEN, GATES]);
        part("_model.decoder.rnn.weight_hh", false, &[HIDDEN, GATES]);
        part("_model.decoder.rnn.bias_ih", false, &[GATES]);
        part("_model.decoder.rnn.bias_hh", false, &[GATES]);
        part("_model.decoder.decoder.2.weight", true, &[HIDDEN]);
        part("_model.decoder.decoder.2.bias", false, &[]);
        bytes
    }

    #[test]
    fn halves_are_those_of_ieee_754() {
        for (bits, value) in
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0x7bff, 65_504.0)]
        {
            assert_eq!(half(bits), value, "{bits:#06x}");
        }
        assert!(half(0x7c00).is_nan(), "infinite weights are none");
    }

    #[test]
    fn rows_are_added_whatever_their_number() {
        for inputs in 1..10 {
            let rows: Vec<f32> = (0..inputs * 3).map(|n| n as f32).collect();
            let given: Vec<f32> = (0..inputs).map(|n| n as f32 + 1.0).collect();
            let mut sum = [1.0; 3];
            add(&mut sum, &rows, &given);
            let one = |o: usize| 1.0 + (0..inputs).map(|i| rows[i * 3 + o] * given[i]).sum::<f32>();
            assert_eq!(sum, [one(0), one(1), one(2)]);
        }
    }

    #[test]
    fn a_file_that_is_cut_or_another_is_refused_with_the_remedy() {
        let whole = file(1);
        assert!(Silero::read(&whole).is_ok());
        assert_eq!(Silero::read(b"RIFFxxxxWAVE").err(), Some(NoSilero::NotGgml));
        assert_eq!(Silero::read(&whole[..whole.len() - 1]).err(), Some(NoSilero::Short));
        let without = whole.len() - 3 * 4 - "_model.decoder.decoder.2.bias".len() - 4;
        assert_eq!(Silero::read(&whole[..without]).err(), Some(NoSilero::Part("_model.decoder.decoder.2.bias")));
        let mut other = whole.clone();
        other[8..18].copy_from_slice(b"somewhat-x");
        assert_eq!(Silero::read(&other).err(), Some(NoSilero::Other));
        let mut holed = whole;
        let end = holed.len();
        holed[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(matches!(Silero::read(&holed), Err(error) if error.to_string().contains("models/fetch")));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_file_makes_it_panic(seed: u32, cut in 0.0..1.0f64, flips in proptest::collection::vec((0usize..400, any::<u8>()), 0..6)) {
            let mut bytes = file(seed);
            for (at, value) in flips {
                bytes[at] = value;
            }
            bytes.truncate((bytes.len() as f64 * cut) as usize);
            prop_assert!(Silero::read(&bytes).is_err());
        }

        #[test]
        fn whatever_is_heard_gives_a_score_and_a_memory_is_one_callers(seed: u32, a: u32, b: u32) {
            let silero = Silero::read(&file(seed)).expect("it is whole");
            let sound = |seed: u32| {
                let mut state = seed;
                [0; LOOK].map(|_| { state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); (state >> 8) as f32 / 8_388_608.0 - 1.0 })
            };
            let (mut one, mut two) = (Memory::default(), Memory::default());
            let alone: Vec<f32> = (0..4).map(|n| silero.look(&mut one, &sound(a.wrapping_add(n)))).collect();
            let mut third = Memory::default();
            let beside: Vec<f32> = (0..4).map(|n| {
                silero.look(&mut third, &sound(b.wrapping_add(n)));
                silero.look(&mut two, &sound(a.wrapping_add(n)))
            }).collect();
            prop_assert!(alone.iter().all(|score| (0.0..=1.0).contains(score)));
            prop_assert_eq!(alone, beside);
        }
    }
}
